//! A user's own async code, a server or a client, in a scenario.
//!
//! The code uses turmoil's TCP, whose API is like tokio's, on virtual time. Shakedown runs everything else in the scenario,
//! including faults. The run is measured like any other, and the same seed gives the same run.
//!
//! ```no_run
//! use shakedown::lab::Lab;
//!
//! # async fn serve(_: turmoil::net::TcpListener) -> std::io::Result<()> { Ok(()) }
//! let lab = Lab::from_file("scenarios/failover.toml")?
//!     .set("clients.players.count=50")
//!     .server("gateway", |cx| async move { Ok(serve(cx.listener().await?).await?) });
//! let outcome = lab.run()?;
//! assert!(outcome.passed(), "{outcome}");
//! # Ok::<(), shakedown::lab::LabError>(())
//! ```
//!
//! tokio draws random numbers of its own. They are seeded only under `--cfg tokio_unstable` ([`SEEDED`]), which the
//! user's own `.cargo/config.toml` must set: `docs/own-code.md`.

#[cfg(feature = "axum")]
mod listener;
mod shrink;

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;
use std::sync::Once;

pub use crate::client::{End, Failure};
#[cfg(feature = "axum")]
pub use listener::Listener;
pub use shrink::{Shrunk, shrink};

pub use crate::driver::live::turmoil::{ClientContext, ProgramReport, Reporter, Result, ServerContext};

use crate::driver::live::turmoil::Programs;
use crate::explore::LiveError;
use crate::explore::turmoil::with_programs;
use crate::explore::{Finished, caught, file_name};
#[cfg(feature = "cli")]
use crate::explore::{FolderError, write_folder};
use crate::metrics::Value;
use crate::record::Recorder;
#[cfg(feature = "cli")]
use crate::report;
use crate::scenario::{Overrides, Problem, Scenario};
use crate::time::{Timestamp, human};

/// Whether tokio's own random numbers are seeded, so that the user's code is deterministic.
pub const SEEDED: bool = cfg!(tokio_unstable);

/// Why a run failed to start.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// The file can't be read.
    #[error("can't read {0}: {1}")]
    File(String, std::io::Error),
    /// The scenario is wrong.
    #[error("{0}")]
    Scenario(Box<Problem>),
    /// The scenario needs something that is not supported, or a program failed.
    #[error("{0}")]
    Run(#[from] LiveError),
}

/// A scenario, and the programs that replace some of its groups.
#[derive(Clone)]
pub struct Lab {
    shown: String,
    name: String,
    text: String,
    overrides: Overrides,
    programs: Programs,
}

/// The result of a run.
#[derive(Debug)]
pub struct Outcome {
    /// Measures, expectations, invariants and digest, as of any run.
    pub finished: Finished,
    /// The reports of the programs.
    pub told: ProgramReport,
    /// The resolved scenario.
    pub scenario: Scenario,
}

impl Lab {
    /// A scenario from its file.
    ///
    /// # Errors
    /// If the file can't be read, or is not a scenario.
    pub fn from_file(file: impl AsRef<Path>) -> std::result::Result<Lab, LabError> {
        let shown = file.as_ref().display().to_string();
        let text = std::fs::read_to_string(&file).map_err(|error| LabError::File(shown.clone(), error))?;
        Lab::new(shown, file_name(file.as_ref()), text)
    }

    /// A scenario from its text.
    ///
    /// # Errors
    /// If it is not a scenario.
    pub fn from_text(name: &str, text: &str) -> std::result::Result<Lab, LabError> {
        Lab::new(name.to_string(), name.to_string(), text.to_string())
    }

    fn new(shown: String, name: String, text: String) -> std::result::Result<Lab, LabError> {
        let lab = Lab { shown, name, text, overrides: Overrides::default(), programs: Programs::default() };
        lab.scenario()?;
        Ok(lab)
    }

    /// Overrides a key, as `--set` does: `clients.players.count=50`.
    #[must_use]
    pub fn set(mut self, path_and_value: &str) -> Lab {
        self.overrides.sets.push(path_and_value.to_string());
        self
    }

    /// Uses a variant of the scenario.
    #[must_use]
    pub fn variant(mut self, name: &str) -> Lab {
        self.overrides.variant = Some(name.to_string());
        self
    }

    /// Uses this seed instead of the scenario's.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Lab {
        self.overrides.seed = Some(seed);
        self
    }

    /// Replaces a server group by a program: started once for each member, on a host of its own, and again after
    /// every crash.
    #[must_use]
    pub fn server<F, Fut>(mut self, group: &str, program: F) -> Lab
    where
        F: Fn(ServerContext) -> Fut + 'static,
        Fut: Future<Output = Result> + 'static,
    {
        self.programs.servers.insert(group.to_string(), Rc::new(move |cx| Box::pin(program(cx))));
        self
    }

    /// Replaces a client group by a program: started for each session when it arrives.
    #[must_use]
    pub fn client<F, Fut>(mut self, group: &str, program: F) -> Lab
    where
        F: Fn(ClientContext) -> Fut + 'static,
        Fut: Future<Output = Result> + 'static,
    {
        self.programs.clients.insert(group.to_string(), Rc::new(move |cx| Box::pin(program(cx))));
        self
    }

    fn scenario(&self) -> std::result::Result<Scenario, LabError> {
        crate::scenario::load(&self.shown, &self.name, &self.text, &self.overrides)
            .map_err(|problem| LabError::Scenario(Box::new(problem)))
    }

    /// Runs it.
    ///
    /// # Errors
    /// [`LabError`], if the scenario is wrong, needs what turmoil does not support, or a server's program fails.
    pub fn run(&self) -> std::result::Result<Outcome, LabError> {
        self.run_with(&mut ())
    }

    /// Runs it; every event goes to `recorder`, too.
    ///
    /// # Errors
    /// As [`Lab::run`].
    pub fn run_with(&self, recorder: &mut impl Recorder) -> std::result::Result<Outcome, LabError> {
        static WARNED: Once = Once::new();
        if !SEEDED {
            WARNED.call_once(|| {
                eprintln!(
                    "WARNING: built without --cfg tokio_unstable: tokio's random numbers are not seeded, and the same \
                           seed need not be the same run (docs/own-code.md)"
                );
            });
        }
        let scenario = self.scenario()?;
        let (finished, told) = with_programs(&scenario, &self.programs, recorder, |_| true)?;
        Ok(Outcome { finished, told, scenario })
    }
}

/// The lowest seed of a range that fails, and the failure: an expectation, an invariant, a failure that a program
/// reports, or a panic of one. `lab` is called for each seed, so that programs share nothing between runs.
pub fn hunt(seeds: Range<u64>, lab: impl Fn() -> std::result::Result<Lab, LabError>) -> Option<(u64, String)> {
    seeds.into_iter().find_map(|seed| {
        let broken = match caught(|| lab().and_then(|lab| lab.seed(seed).run())) {
            Ok(Ok(outcome)) => (!outcome.passed()).then(|| outcome.to_string()),
            Ok(Err(error)) => Some(error.to_string()),
            Err(panic) => Some(format!("a program panicked: {panic}")),
        };
        broken.map(|broken| (seed, broken))
    })
}

impl Outcome {
    /// Whether every expectation and invariant passed, and no program reported a failure.
    pub fn passed(&self) -> bool {
        self.finished.passed() && self.told.failures.is_empty()
    }

    /// A count of the programs' reports.
    pub fn count(&self, what: &str) -> u64 {
        self.told.counts.get(what).copied().unwrap_or(0)
    }

    /// A measure by its path, as in expectations: `handshake_latency.p99`.
    pub fn metric(&self, path: &str) -> Option<Value> {
        self.finished.measured.summary.get(path)
    }

    /// Writes the run's folder, with charts, as `shakedown run` does (feature `cli`).
    ///
    /// # Errors
    /// [`FolderError`], if the folder has other contents, or can't be written.
    #[cfg(feature = "cli")]
    pub fn write(&self, folder: impl AsRef<Path>) -> std::result::Result<(), FolderError> {
        let folder = folder.as_ref();
        let run = self.finished.run(&self.scenario, None);
        let failed = |source| FolderError::Io { path: folder.to_path_buf(), source };
        write_folder(folder, &report::files(&run).map_err(failed)?)
    }
}

/// Whether it passed, with its seed, and the failures, a line each.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}: {}", self.scenario.seed().0, if self.passed() { "passed" } else { "FAILED" })?;
        for verdict in self.finished.verdicts.iter().filter(|verdict| !verdict.passed) {
            write!(f, "\n  expected {} {}, measured {}", verdict.path, verdict.expected, readable(verdict.measured))?;
        }
        for violation in &self.finished.violations {
            write!(f, "\n  {}: {}", violation.invariant.name().replace('_', " "), violation.what)?;
        }
        for (at, who, what) in &self.told.failures {
            write!(f, "\n  {who} at {}: {what}", human(at.since(Timestamp::ZERO)))?;
        }
        Ok(())
    }
}

/// A value as a person reads it.
fn readable(value: Value) -> String {
    match value {
        Value::Duration(Some(length)) => human(length),
        Value::Duration(None) => "no time: it never came, or nothing was measured".into(),
        Value::Count(count) => count.to_string(),
        Value::Part { count, of } => format!("{count} of {of}"),
        Value::Ratio(Some(ratio)) => format!("{:.2} %", ratio * 100.0),
        Value::Ratio(None) => "nothing".into(),
    }
}

#[cfg(test)]
mod tests;
