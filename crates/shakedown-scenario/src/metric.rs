//! The name of a metric as a user writes it: known, or a problem with the nearest known name.

use shakedown_core::metrics::{MetricName, Summary};

use super::problem::{Problem, nearest, ticked};

/// Finds a metric by its name among those that scenarios have.
///
/// # Errors
/// A [`Problem`] without a position, with the nearest name.
pub fn metric<'a>(
    asked: &str,
    scenarios: impl IntoIterator<Item = &'a Summary, IntoIter: Clone>,
) -> Result<MetricName, Problem> {
    let all = scenarios.into_iter();
    let find = |path: &str| all.clone().find_map(|summary| summary.name(path));
    if let Some(name) = find(asked) {
        return Ok(name.clone());
    }
    let known = all.clone().flat_map(Summary::names).map(MetricName::as_str);
    let help = match asked.strip_suffix("_ms").and_then(find) {
        // As `summary.json` has it.
        Some(bare) => format!("leave the unit out: `{bare}`; what it is compared with has one"),
        None => match nearest(asked, known) {
            Some(near) => format!("the nearest name is `{near}`"),
            None => "`shakedown metrics SCENARIO` lists those that the scenario has".into(),
        },
    };
    Err(Problem::new(format!("no metric is named {}", ticked(asked))).with_help(help))
}
