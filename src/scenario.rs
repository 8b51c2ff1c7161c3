//! The scenario: a TOML file, read strictly, checked completely, ready to run.

pub use shakedown_core::scenario::*;
#[cfg(feature = "schema")]
pub use shakedown_scenario::schema;
pub use shakedown_scenario::{Overrides, Played, Problem, Secrets, Tree, metric, nearest};
#[cfg(feature = "cli")]
pub(crate) use shakedown_scenario::{
    covered, covered_argument, covered_command, covered_urls, from_environment, has_secret, is_secret,
};

use crate::secrets::read_secret;

/// Reads and checks a scenario. `source_name` is what errors call the text, `name` what results are filed under. Secrets
/// that it leaves out are read from the environment and from files.
///
/// # Errors
/// The first [`Problem`] found, with its position.
pub fn load(source_name: &str, name: &str, text: &str, overrides: &Overrides) -> Result<Scenario, Problem> {
    shakedown_scenario::load(source_name, name, text, &with_secrets(overrides.clone()))
}

/// The same scenario with some of it changed: its resolved form, read again.
///
/// # Errors
/// The first [`Problem`] that the changes make.
pub fn again(scenario: &Scenario, overrides: Overrides) -> Result<Scenario, Problem> {
    shakedown_scenario::again(scenario, with_secrets(overrides))
}

fn with_secrets(overrides: Overrides) -> Overrides {
    match overrides.secrets {
        Secrets::Needed => Overrides { secrets: Secrets::Read(read_secret), ..overrides },
        Secrets::Read(_) | Secrets::Unneeded => overrides,
    }
}
