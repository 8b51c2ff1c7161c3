//! `shakedown check`.

use clap::Args;

use super::options::ScenarioArgs;
use super::output::{Failure, print};

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    scenario: ScenarioArgs,
    /// Print the whole scenario with every default, as TOML that runs to the same digest
    #[arg(long)]
    resolved: bool,
}

pub(super) fn check(args: &CheckArgs) -> Result<(), Failure> {
    let scenario = args.scenario.load_with_programs()?;
    let text = if args.resolved {
        scenario.resolved().to_string()
    } else {
        format!("{} is fine\n", args.scenario.scenario.display())
    };
    print(&text)
}
