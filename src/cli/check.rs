//! `shakedown check`.

use super::{CheckArgs, Failure, print};

pub(super) fn check(args: &CheckArgs) -> Result<(), Failure> {
    let scenario = args.scenario.load_with_programs()?;
    let text = if args.resolved {
        scenario.resolved().to_string()
    } else {
        format!("{} is fine\n", args.scenario.scenario.display())
    };
    print(&text)
}
