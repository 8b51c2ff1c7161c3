//! What a command judged, for CI: `--junit FILE`, and annotations where GitHub runs it.

use std::path::{Path, PathBuf};

use clap::Args;

use super::output::{Failure, complain, machine};
use crate::report::junit::{Case, Suite};

#[derive(Debug, Args)]
pub(super) struct JunitArgs {
    /// Write what was judged into this file, too, as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

impl JunitArgs {
    /// Writes the file, if one is asked for; and tells GitHub, where that runs it, what failed and where it is expected.
    pub(super) fn tell(&self, suite: &Suite, scenario: &Path) -> Result<(), Failure> {
        if let Some(file) = &self.junit {
            let failed = |error| machine(format!("can't write {}: {error}", file.display()));
            std::fs::write(file, suite.xml()).map_err(failed)?;
        }
        match std::env::var("GITHUB_ACTIONS").as_deref() {
            // With the results of the command itself on standard output, which may be a document.
            Ok("true") => complain(&annotations(suite, scenario)),
            _ => Ok(()),
        }
    }
}

/// What failed, each where the scenario expects it.
pub(super) fn annotations(suite: &Suite, scenario: &Path) -> String {
    let text = std::fs::read_to_string(scenario).unwrap_or_default();
    suite.annotations(&scenario.display().to_string(), |case| place(&text, case))
}

/// The line that a case's metric is a key of, from 1 on.
fn place(scenario: &str, case: &Case) -> Option<usize> {
    let metric = case.name.split_whitespace().next()?;
    let is_key = |line: &str| {
        let key = line.split('=').next().unwrap_or_default().trim().trim_matches(['"', '\'']);
        line.contains('=') && key == metric
    };
    scenario.lines().position(is_key).map(|line| line + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::junit::Outcome;

    #[test]
    fn a_metric_is_found_where_it_is_a_key() {
        let scenario = "title = \"outage.p99\"\n[expect]\n\"sessions.opened\" = \">= 90%\"\n'outage.p99' = '< 1s'\n";
        let case = |name: &str| Case { name: name.into(), outcome: Outcome::Passed };
        assert_eq!(place(scenario, &case("outage.p99 < 1s")), Some(4));
        assert_eq!(place(scenario, &case("sessions.opened >= 90%")), Some(3));
        assert_eq!(place(scenario, &case("invariants")), None);
    }
}
