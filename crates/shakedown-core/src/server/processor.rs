//! Processors that work in progress shares.
//!
//! Every job in progress gets the same part of a processor at any moment, so all of them advance at one speed, which changes only
//! when a job begins or ends. A clock that runs at this speed says when each is done: at its beginning plus its work, a
//! moment that never moves. So n jobs cost a heap's log n per event, and nothing is approximated but the last nanosecond.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::Share;
use crate::time::{Nanos, Timestamp};

/// `{ contention = "2%", coherency = "0.1%" }`: how work in progress slows itself down.
///
/// The universal scalability law (Gunther, "Guerrilla Capacity Planning", 2007): n jobs at once do n / (1 + a (n - 1) + b n (n - 1))
/// times the work of one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Slowdown {
    /// The share of a job that only one can do at a time, such as what a lock protects.
    #[serde(default)]
    pub contention: Share,
    /// What each pair of jobs costs them to stay consistent, as a share of a job.
    #[serde(default)]
    pub coherency: Share,
}

/// How fast work in progress advances.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sharing {
    /// Processors; absent: each job has one.
    pub cores: Option<u32>,
    pub slowdown: Option<Slowdown>,
}

/// Fractions of a nanosecond that a clock counts: 2^48. An hour of nanoseconds takes 42 bits more.
const FRACTION: u32 = 48;
/// A third of a core is no whole number of these: so much of a nanosecond is nothing.
const NOTHING: u128 = 1 << 32;

impl Sharing {
    /// The part of a second's work that each of n jobs gets done in a second, in units of 2^-48; never nothing.
    fn speed(&self, jobs: usize) -> u64 {
        let n = jobs.max(1) as f64;
        let part = self.cores.map_or(1.0, |cores| (f64::from(cores) / n).min(1.0));
        let slower = self.slowdown.map_or(1.0, |Slowdown { contention, coherency }| {
            1.0 + contention.0 * (n - 1.0) + coherency.0 * n * (n - 1.0)
        });
        ((part / slower * (1u64 << FRACTION) as f64) as u64).max(1)
    }
}

/// A clock that runs as fast as each job in progress advances.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    /// What it shows, in 2^-48 ns.
    shows: u128,
    /// When it showed that.
    at: Timestamp,
    speed: u64,
}

impl Clock {
    /// One that begins now.
    pub(super) fn new(now: Timestamp) -> Clock {
        Clock { shows: 0, at: now, speed: 0 }
    }

    /// Runs on to a moment; from then on so many jobs are in progress.
    pub(super) fn turn(&mut self, at: Timestamp, sharing: &Sharing, jobs: usize) {
        self.run(at);
        self.speed = sharing.speed(jobs);
    }

    fn run(&mut self, at: Timestamp) {
        let at = at.max(self.at);
        self.shows += u128::from(at.since(self.at).0) * u128::from(self.speed);
        self.at = at;
    }

    /// What it shows when work is done that begins now.
    pub(super) fn after(&mut self, now: Timestamp, work: Nanos) -> Timestamp {
        self.run(now);
        Timestamp(self.shows.saturating_sub(NOTHING).div_ceil(1 << FRACTION) as u64) + work
    }

    /// When it will show a time, if nothing changes.
    pub(super) fn when(&self, shows: Timestamp) -> Timestamp {
        let left = (u128::from(shows.0) << FRACTION).saturating_sub(self.shows);
        let left = left.saturating_sub(NOTHING).div_ceil(u128::from(self.speed.max(1)));
        self.at + Nanos(u64::try_from(left).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_CORES: Sharing = Sharing { cores: Some(2), slowdown: None };

    #[test]
    fn jobs_share_the_cores() {
        let mut clock = Clock::new(Timestamp(100));
        // One job of 1,000 ns; at 400 ns two more: each has two thirds of a core.
        let first = clock.after(Timestamp(100), Nanos(1_000));
        clock.turn(Timestamp(100), &TWO_CORES, 1);
        assert_eq!(clock.when(first), Timestamp(1_100));
        let second = clock.after(Timestamp(400), Nanos(1_400));
        clock.turn(Timestamp(400), &TWO_CORES, 3);
        // The first has 700 ns left, which take 1,050; then the second has 700 left, at full speed.
        assert_eq!(clock.when(first), Timestamp(1_450));
        clock.turn(Timestamp(1_450), &TWO_CORES, 2);
        assert_eq!(clock.when(second), Timestamp(2_150));
    }

    #[test]
    fn a_slowdown_follows_the_universal_scalability_law() {
        let slowdown = Slowdown { contention: Share(0.1), coherency: Share(0.01) };
        let of =
            |jobs, cores| Sharing { cores, slowdown: Some(slowdown) }.speed(jobs) as f64 / (1u64 << FRACTION) as f64;
        assert_eq!(of(1, None), 1.0);
        assert!((of(5, None) - 1.0 / 1.6).abs() < 1e-12);
        assert!((of(5, Some(2)) - 0.4 / 1.6).abs() < 1e-12);
    }

    #[test]
    fn times_far_away_do_not_overflow() {
        let mut clock = Clock::new(Timestamp::ZERO);
        let slowest =
            Sharing { cores: Some(1), slowdown: Some(Slowdown { contention: Share(1.0), coherency: Share(1.0) }) };
        let done = clock.after(Timestamp::ZERO, Nanos(u64::MAX / 4));
        clock.turn(Timestamp::ZERO, &slowest, 4_000_000_000);
        clock.turn(Timestamp(u64::MAX / 4), &slowest, 1);
        assert!(clock.when(done) > Timestamp(u64::MAX / 4));
    }
}
