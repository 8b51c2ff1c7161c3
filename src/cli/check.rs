//! `shakedown check`.

use std::io::IsTerminal;

use clap::Args;

use super::options::ScenarioArgs;
use super::output::{Failure, print};
use crate::scenario::covered;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    scenario: ScenarioArgs,
    /// Print the whole scenario with every default, as TOML that runs to the same digest
    #[arg(long)]
    resolved: bool,
}

pub(super) fn check(args: &CheckArgs) -> Result<(), Failure> {
    let scenario = args.scenario.load_to_look_at()?;
    let text = if args.resolved {
        // Who writes it into a file wants to run it; who reads it needs no secrets.
        let resolved = scenario.resolved();
        if std::io::stdout().is_terminal() { covered(resolved).into_owned() } else { resolved.to_string() }
    } else {
        format!("{} is fine\n", args.scenario.scenario.display())
    };
    print(&text)
}
