//! `shakedown calibrate`.

use std::path::PathBuf;

use clap::Args;

use super::options::load;
use super::output::{Failure, complain, machine, print};
use super::progress::end_when_interrupted;
use crate::explore::calibrate::{calibrate, variant};
use crate::scenario::Overrides;

pub(super) const EXAMPLES: &str = "\
Examples:
  shakedown calibrate scenarios/loopback.toml
  shakedown calibrate scenarios/loopback.toml --out calibrated.toml

Takes five seconds. The variant goes at the end of the scenario's file; run --variant calibrated then simulates what
run --driver tokio measures on this machine.";

#[derive(Debug, Args)]
pub(super) struct CalibrateArgs {
    /// The scenario file
    scenario: PathBuf,
    /// Write the variant into this file, rather than to standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn command(args: &CalibrateArgs) -> Result<(), Failure> {
    let scenario = load(&args.scenario, &Overrides::default())?;
    end_when_interrupted();
    let calibration = calibrate()?;
    let text = variant(&calibration, &scenario);
    let Some(out) = &args.out else { return print(&text) };
    std::fs::write(out, text).map_err(|error| machine(format!("can't write {}: {error}", out.display())))?;
    complain(&format!("the variant `calibrated` is in {}\n", out.display()))
}
