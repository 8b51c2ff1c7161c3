//! One run of a search, as far as the search asks.

use super::limit::{Fill, fills};
use super::objective::holds;
use crate::check::Expectation;
use crate::client;
use crate::event::{Event, Kind};
use crate::explore::single_run::{Finished, RunError, once_with};
use crate::metrics::Value;
use crate::record::Recorder;
use crate::scenario::Scenario;
use crate::time::{Nanos, Timestamp};

/// What one run came to.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Whether every objective held.
    pub holds: bool,
    /// Which of them.
    pub objectives: Vec<bool>,
    /// The digest of all its events.
    pub digest: String,
    /// Sessions per second that were scheduled, from the first to the last.
    pub offered: f64,
    /// Sessions per second that opened in that time.
    pub goodput: f64,
    /// The share of sessions that never opened.
    pub never_opened: f64,
    /// The share of attempts that failed.
    pub refused: f64,
    /// The latency's median in milliseconds; none: for ever.
    pub p50: Option<f64>,
    /// Its 99th percentile.
    pub p99: Option<f64>,
    /// The objectives' metrics.
    pub measured: Vec<Option<f64>>,
    /// What a connect takes in the mean, in milliseconds; none: there was none.
    pub connect: Option<f64>,
    /// How full which resource is.
    pub fills: Vec<Fill>,
    /// How many events there were: what the run took.
    pub events: u64,
}

/// Counts what is scheduled and what opens while sessions still arrive.
#[derive(Debug)]
struct Load {
    from: Timestamp,
    until: Timestamp,
    first: Option<Timestamp>,
    last: Timestamp,
    scheduled: u64,
    opened: u64,
    /// Of those, until the last arrival.
    opened_in_time: u64,
    /// When each session's latest SYN left first.
    started: Vec<Timestamp>,
    /// What connects took, and how many there were.
    connects: (u128, u64),
}

impl Recorder for Load {
    fn record(&mut self, event: &Event) {
        if event.at < self.from || event.at >= self.until {
            return;
        }
        match event.kind {
            Kind::Session(_, client::Event::Scheduled { .. }) => {
                self.first.get_or_insert(event.at);
                self.last = event.at;
                self.scheduled += 1;
                self.opened_in_time = self.opened;
            }
            Kind::Session(_, client::Event::Opened { .. }) => self.opened += 1,
            Kind::Session(session, client::Event::AttemptStarted { .. }) => {
                let session = session as usize;
                self.started.resize(self.started.len().max(session + 1), Timestamp::NEVER);
                self.started[session] = event.at;
            }
            Kind::Session(session, client::Event::Connected { .. }) => {
                let started = self.started.get(session as usize).filter(|started| **started <= event.at);
                if let Some(started) = started {
                    self.connects.0 += u128::from(event.at.since(*started).0);
                    self.connects.1 += 1;
                }
            }
            _ => {}
        }
    }
}

/// Runs a scenario; none when `go_on` ended it.
///
/// # Errors
/// As [`once_with`].
pub(super) fn sample(
    scenario: &Scenario,
    slo: &[(String, Expectation)],
    latency: &str,
    go_on: &dyn Fn() -> bool,
) -> Result<Option<Sample>, RunError> {
    let measure = scenario.measure();
    let mut load = Load {
        from: Timestamp::ZERO + measure.from,
        until: Timestamp::ZERO + measure.until,
        first: None,
        last: Timestamp::ZERO,
        scheduled: 0,
        opened: 0,
        opened_in_time: 0,
        started: Vec::new(),
        connects: (0, 0),
    };
    let finished = once_with(scenario, &mut load, |_| go_on())?;
    if finished.partial {
        return Ok(None);
    }
    let Finished { measured, digest, .. } = &finished;
    let get = |path: &str| measured.summary.get(path);
    let share = |path: &str| match get(path) {
        Some(Value::Part { count, of }) if of > 0 => count as f64 / of as f64,
        _ => 0.0,
    };
    let ms = |path: &str| match get(path) {
        Some(Value::Duration(length)) => length.map(|length| length.as_millis_f64()),
        _ => None,
    };
    let span = load.last.since(load.first.unwrap_or(load.last)).as_secs_f64();
    let per_second = |count: u64| if span > 0.0 { count as f64 / span } else { 0.0 };
    let number = |value: Value, expected: &Expectation| match value {
        Value::Duration(length) => length.map(|length| length.as_millis_f64()),
        Value::Count(count) => Some(count as f64),
        Value::Part { count, of } if expected.to_string().ends_with('%') => (of > 0).then(|| count as f64 / of as f64),
        Value::Part { count, .. } => Some(count as f64),
        Value::Ratio(ratio) => ratio,
    };
    Ok(Some(Sample {
        holds: holds(&measured.summary, slo),
        objectives: slo.iter().map(|one| holds(&measured.summary, std::slice::from_ref(one))).collect(),
        digest: digest.clone(),
        offered: per_second(load.scheduled.saturating_sub(1)),
        goodput: per_second(load.opened_in_time),
        never_opened: share("sessions.never_opened"),
        refused: share("attempts.failed"),
        p50: ms(&format!("{latency}.p50")),
        p99: ms(&format!("{latency}.p99")),
        measured: slo.iter().map(|(path, expected)| number(get(path)?, expected)).collect(),
        connect: (load.connects.1 > 0).then(|| load.connects.0 as f64 / load.connects.1 as f64 / 1e6),
        events: finished.events,
        fills: fills(scenario, &finished, load.first.unwrap_or(load.from), load.last),
    }))
}

/// A time without unit, for comparisons.
pub(super) fn nanos(seconds: f64) -> Nanos {
    Nanos((seconds * 1e9) as u64)
}
