//! The name of a metric as a user writes it: known, or a problem with the nearest known name.

use shakedown_core::metrics::{MetricName, Summary};

use super::nearest::nearest;
use super::problem::{Problem, listed, ticked};

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
    let known: Vec<&str> = all.clone().flat_map(Summary::names).map(MetricName::as_str).collect();
    let help = match asked.strip_suffix("_ms").and_then(find) {
        // As `summary.json` has it.
        Some(bare) => format!("leave the unit out: `{bare}`; what it is compared with has one"),
        None => match nearest(asked, known.iter().copied()) {
            Some(near) => format!("the nearest name is `{near}`"),
            None => {
                let ending = format!(".{asked}");
                let mut alike: Vec<&str> = known.into_iter().filter(|name| name.ends_with(&ending)).collect();
                alike.sort_by_key(|name| name.matches('.').count());
                alike.dedup();
                match alike.as_slice() {
                    [] => "`shakedown metrics SCENARIO` lists those that the scenario has".into(),
                    [one] => format!("did you mean `{one}`?"),
                    several => format!("which? {}", listed(several.iter().copied().take(5))),
                }
            }
        },
    };
    Err(Problem::new(format!("no metric is named {}", ticked(asked))).with_help(help))
}
