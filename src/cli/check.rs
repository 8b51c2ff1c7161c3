//! `shakedown check`.

use std::io::Write;

use super::{CheckArgs, Failure};

pub(super) fn check(args: &CheckArgs) -> Result<(), Failure> {
    let scenario = args.scenario.load()?;
    let text =
        if args.resolved { scenario.resolved() } else { format!("{} is fine\n", args.scenario.scenario.display()) };
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| Failure::Machine(error.to_string()))
}
