//! What is known of a run when it has ended.

use crate::check::{Verdict, Violation};
use crate::driver::Driver;
use crate::metrics::Measured;
use crate::scenario::Scenario;

/// A finished run.
#[derive(Debug)]
pub struct Run<'a> {
    /// What ran.
    pub scenario: &'a Scenario,
    /// The variant that was asked for, if any.
    pub variant: Option<&'a str>,
    /// Which driver ran it.
    pub driver: Driver,
    /// The digest of all its events; `None` where no other run has the same.
    pub digest: Option<&'a str>,
    /// What came out.
    pub measured: &'a Measured,
    /// How the expectations fared.
    pub verdicts: &'a [Verdict],
    /// The invariants that broke.
    pub violations: &'a [Violation],
    /// True when it was interrupted before its end.
    pub partial: bool,
    /// In what the driver differs from the simulator.
    pub deviations: &'a [String],
    /// The command that makes the same run, without where its results go.
    pub command: Option<&'a str>,
}
