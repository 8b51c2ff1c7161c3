//! One run of the simulator, watched while it goes on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::check::{First, Invariants, Verdict, Violation, findings, judge};
use crate::driver::Driver;
use crate::driver::sim::{Simulation, Standstill};
use crate::event::Event;
#[cfg(any(feature = "cli", feature = "turmoil"))]
use crate::metrics::MetricName;
use crate::metrics::{Measured, Metrics};
use crate::record::{Digest, Recorder};
#[cfg(feature = "cli")]
use crate::report::Run;
use crate::scenario::{Scenario, ServerEntry};
use crate::time::{Nanos, Timestamp};

/// Items worked through between two looks at the watcher: about 10 ms.
const STRIDE: u64 = 50_000;

/// How far a run has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// The time that was reached.
    pub now: Timestamp,
    /// The time at which it ends.
    pub end: Timestamp,
    /// Events so far.
    pub events: u64,
    /// What became of the clients so far, where time is real and one watches.
    pub clients: Option<Clients>,
}

/// What became of the clients of a run under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Clients {
    /// Sessions that are open.
    pub open: u64,
    /// Attempts that failed.
    pub failed: u64,
}

/// What a run came to.
#[derive(Debug, Default)]
pub struct Finished {
    /// Which driver ran it.
    pub driver: Driver,
    /// The digest of all events; empty where no other run has the same.
    pub digest: String,
    /// Everything measured.
    pub measured: Measured,
    /// How the expectations fared.
    pub verdicts: Vec<Verdict>,
    /// The invariants that broke.
    pub violations: Vec<Violation>,
    /// How many events there were.
    pub events: u64,
    /// True when the watcher ended the run.
    pub partial: bool,
    /// In what the driver differs from the simulator, a sentence each.
    pub deviations: Vec<String>,
}

impl Finished {
    /// The run as reports want it.
    #[cfg(feature = "cli")]
    pub fn run<'a>(&'a self, scenario: &'a Scenario, variant: Option<&'a str>) -> Run<'a> {
        Run {
            scenario,
            variant,
            driver: self.driver,
            digest: Some(self.digest.as_str()).filter(|digest| !digest.is_empty()),
            measured: &self.measured,
            verdicts: &self.verdicts,
            violations: &self.violations,
            partial: self.partial,
            deviations: &self.deviations,
            command: None,
        }
    }

    /// The same with what was measured up to a moment, and what that says of expectations and findings.
    pub(super) fn with(
        mut self,
        scenario: &Scenario,
        measured: Measured,
        firsts: &[First],
        now: Timestamp,
    ) -> Finished {
        let known = |finding: &str| scenario.is_known(finding);
        self.violations.extend(findings(&measured.findings, known, firsts, now));
        self.verdicts = judge(scenario.expectations(), &measured.summary);
        self.measured = measured;
        self
    }

    /// Leaves out the metrics that were not measured, and what is expected of them. How many expectations that is.
    #[cfg(any(feature = "cli", feature = "turmoil"))]
    pub(super) fn retain(&mut self, is_measured: impl Fn(&MetricName) -> bool) -> usize {
        let before = self.verdicts.len();
        self.measured.summary.metrics.retain(|metric| is_measured(&metric.name));
        let is_known = |path: &str| MetricName::parse(path).is_some_and(|name| is_measured(&name));
        self.verdicts.retain(|verdict| is_known(&verdict.path));
        before - self.verdicts.len()
    }

    /// Whether every invariant and every expectation passed.
    pub fn passed(&self) -> bool {
        self.violations.is_empty() && self.verdicts.iter().all(|verdict| verdict.passed)
    }
}

/// What the results of a scenario's file are filed under: the file's name without its ending. It names a folder, and is
/// printed: what leads elsewhere or is a control character is none of it.
pub(crate) fn file_name(file: &Path) -> String {
    let stem = file.file_stem().map(|stem| stem.to_string_lossy().replace(char::is_control, "-"));
    stem.filter(|stem| !stem.trim_matches('.').is_empty()).unwrap_or_else(|| "scenario".into())
}

/// Why a run came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It came to an instant that it never leaves: who goes round, and what to change.
    #[error("error: {0}")]
    StandsStill(String),
    /// A bug, and what its panic said.
    #[error("a bug in Shakedown: {0}")]
    Panic(String),
}

impl RunError {
    fn new(standstill: &Standstill, scenario: &Scenario) -> RunError {
        RunError::StandsStill(standstill.explained(scenario))
    }
}

/// As [`once`], with a panic as an error: a bug that one seed of many meets must not lose the others.
pub(super) fn guarded(scenario: &Scenario, watch: impl FnMut(Progress) -> bool) -> Result<Finished, RunError> {
    caught(|| once(scenario, watch)).unwrap_or_else(|panic| Err(RunError::Panic(panic)))
}

/// What comes out, or what a panic said.
pub(crate) fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        text.unwrap_or_else(|| "panic".into())
    })
}

/// 32 hex digits over texts, in their order: mostly over the digests of many runs.
#[cfg(feature = "cli")]
pub(super) fn digest_of<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut digest = xxhash_rust::xxh3::Xxh3::new();
    texts.into_iter().for_each(|text| digest.update(text.as_bytes()));
    format!("{:032x}", digest.digest128())
}

/// Runs a scenario with digest and metrics. `watch` is shown the progress now and then; it ends the run by returning
/// false.
///
/// # Errors
/// [`RunError::StandsStill`].
pub fn once(scenario: &Scenario, watch: impl FnMut(Progress) -> bool) -> Result<Finished, RunError> {
    once_with(scenario, &mut (), watch)
}

/// The same, and every event goes to `extra` too.
///
/// # Errors
/// [`RunError::StandsStill`].
pub fn once_with(
    scenario: &Scenario,
    extra: &mut impl Recorder,
    mut watch: impl FnMut(Progress) -> bool,
) -> Result<Finished, RunError> {
    let mut recorder = (Observers::new(scenario, true), extra);
    let mut simulation = Simulation::new(scenario);
    let end = Timestamp::ZERO + scenario.duration();
    let mut partial = false;
    while simulation.advance(&mut recorder, STRIDE) {
        let progress = Progress { now: simulation.now(), end, events: simulation.events(), clients: None };
        if !watch(progress) {
            partial = true;
            break;
        }
    }
    match simulation.standstill() {
        Some(standstill) => Err(RunError::new(standstill, scenario)),
        None => Ok(recorder.0.finish(scenario, Driver::Sim, simulation.now(), simulation.events(), partial)),
    }
}

/// What every deterministic run is observed by.
pub(super) struct Observers((Digest, (Metrics, Invariants)));

impl Recorder for Observers {
    #[inline]
    fn record(&mut self, event: &Event) {
        self.0.record(event);
    }

    fn record_all(&mut self, events: &[Event]) {
        self.0.record_all(events);
    }
}

impl Observers {
    /// Nothing has happened yet. Whoever does not play `all` of the scenario can't hold servers against clients.
    pub(super) fn new(scenario: &Scenario, all: bool) -> Observers {
        let quiet = scenario.quiet_from();
        let (servers, groups) = (scenario.servers(), scenario.clients());
        let is_proxy = |server: &ServerEntry| scenario.groups()[server.group].is_proxy();
        let proxies = (0..).zip(servers).filter(|(_, server)| is_proxy(server)).map(|(number, _)| number);
        let invariants = Invariants::new(scenario.sessions() as usize, servers.len(), quiet.map(|(from, _)| from))
            .with_proxies(proxies, groups.values().map(|group| group.proxy.is_some()));
        let invariants = if all { invariants } else { invariants.without_accounts() };
        Observers((Digest::default(), (Metrics::new(scenario.layout()), invariants)))
    }

    /// What it all came to, at a moment.
    pub(super) fn finish(
        self,
        scenario: &Scenario,
        driver: Driver,
        now: Timestamp,
        events: u64,
        partial: bool,
    ) -> Finished {
        let (digest, (metrics, invariants)) = self.0;
        let within = scenario.quiet_from().map_or(Nanos::ZERO, |(_, within)| within);
        let name = |server: u32| scenario.servers()[server as usize].name.clone();
        let firsts = invariants.firsts();
        let violations = match partial {
            // What would have come is not known.
            true => Vec::new(),
            false => invariants.finish(now, within, metrics.waiting(), name),
        };
        let digest = digest.to_string();
        let finished = Finished { driver, digest, violations, events, partial, ..Finished::default() };
        finished.with(scenario, metrics.finish(now), &firsts, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_file_leads_nowhere_else() {
        for (file, name) in
            [("a/failover.toml", "failover"), ("...toml", "scenario"), ("..", "scenario"), ("a\u{1b}b.toml", "a-b")]
        {
            assert_eq!(file_name(Path::new(file)), name, "{file:?}");
        }
    }
}
