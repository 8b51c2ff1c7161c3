//! Arrival processes: when a group's sessions begin.
//!
//! Arrivals are generated one by one, in time order, so that a million clients cost one pending event. Open models
//! (everything but the closed loop) keep their schedule whatever the servers do, which avoids coordinated
//! omission (Tene, "How NOT to measure latency"; wrk2's README).

mod stages;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use stages::Stage;

use crate::quantity::Rate;
use crate::rng::{Bits, Distribution, Identity, Purpose, Sampler, Seed};
use crate::time::{Nanos, Timestamp, human};
use stages::Pieces;

/// How a group of clients arrives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Arrive {
    /// All at the group's start.
    AtOnce,
    /// Evenly over a time.
    EvenlyOver(Nanos),
    /// Each at a uniformly random moment within a time.
    RandomlyOver(Nanos),
    /// A Poisson process: exponential intervals.
    Poisson {
        /// Arrivals per second, on average.
        rate: Rate,
    },
    /// A rate that rises or falls linearly, then stays.
    Ramp {
        /// Arrivals per second at the start.
        from: Rate,
        /// Arrivals per second at the end of the ramp, and after it.
        to: Rate,
        /// How long the ramp takes.
        over: Nanos,
    },
    /// Stages with rates of their own, which say how many arrive: evenly, as the rate has it.
    Stages(Vec<Stage>),
    /// The same number, each at a random moment, which is as likely as the rate is high: a Poisson process of this rate, given its
    /// number.
    RandomStages(Vec<Stage>),
    /// `count` users who each start a new session a pause after the last one ended.
    ClosedLoop {
        /// The pause between two sessions of a user.
        think: Distribution,
        /// The users' first sessions start evenly over this time.
        #[serde(default)]
        over: Nanos,
    },
}

impl Default for Arrive {
    fn default() -> Arrive {
        Arrive::EvenlyOver(Nanos::from_secs(5))
    }
}

impl Arrive {
    /// Why it is impossible, if it is.
    pub fn problem(&self) -> Option<String> {
        match self {
            Arrive::Poisson { rate } if rate.0 <= 0.0 => Some("a Poisson process needs a rate above zero".into()),
            Arrive::Ramp { to, .. } if to.0 <= 0.0 => Some("a ramp must end at a rate above zero".into()),
            Arrive::Ramp { over, .. } if over.0 == 0 => Some("a ramp needs a time to ramp over".into()),
            Arrive::ClosedLoop { think, .. } => think.problem(),
            Arrive::Stages(stages) | Arrive::RandomStages(stages) => stages::problem(stages),
            _ => None,
        }
    }

    /// The number of sessions, where it is not the group's `count` that says it.
    pub fn sessions(&self) -> Option<u64> {
        match self {
            Arrive::Stages(stages) | Arrive::RandomStages(stages) => Some(stages::sessions(stages)),
            _ => None,
        }
    }

    /// The time within which all arrive, where there is one.
    pub fn over(&self) -> Option<Nanos> {
        match self {
            Arrive::EvenlyOver(over) | Arrive::RandomlyOver(over) | Arrive::ClosedLoop { over, .. } => Some(*over),
            Arrive::Stages(stages) | Arrive::RandomStages(stages) => {
                Some(Nanos(stages.iter().fold(0, |sum: u64, stage| sum.saturating_add(stage.duration.0))))
            }
            // Of a rate, `count` is a limit that it may or may not reach.
            Arrive::AtOnce | Arrive::Poisson { .. } | Arrive::Ramp { .. } => None,
        }
    }

    /// What becomes of `count` sessions that its rate does not fit, within the time that the run leaves them: sessions that
    /// arrive after a ramp or never, or a rate that is never reached.
    pub fn note(&self, count: u32, left: Nanos) -> Option<String> {
        let (wanted, seconds) = (f64::from(count), left.as_secs_f64());
        match self {
            // Four deviations of what comes within the time.
            Arrive::Poisson { rate } if wanted > rate.0 * seconds + 4.0 * (rate.0 * seconds).sqrt() => Some(format!(
                "at {rate} about {} of {count} sessions arrive before the run ends",
                (rate.0 * seconds).round()
            )),
            Arrive::Ramp { from, to, over } => {
                let area = (from.0 + to.0) / 2.0 * over.as_secs_f64();
                let last = ramp(wanted - 1.0, from.0, to.0, over.as_secs_f64());
                let rate = (from.0 + (to.0 - from.0) * (last.as_secs_f64() / over.as_secs_f64()).min(1.0)).round();
                if last >= left {
                    // They arrive in order, and there may be many: the first that comes too late is searched for.
                    let (mut by_then, mut late) = (0, count);
                    while by_then < late {
                        let middle = by_then + (late - by_then) / 2;
                        match ramp(f64::from(middle), from.0, to.0, over.as_secs_f64()) < left {
                            true => by_then = middle + 1,
                            false => late = middle,
                        }
                    }
                    Some(format!("{by_then} of {count} sessions arrive before the run ends"))
                } else if wanted >= area + 1.0 {
                    let during = area.ceil() as u64;
                    Some(format!(
                        "the ramp brings {during} of {count} sessions; the rest arrives at {to} after it, until {}",
                        human(last)
                    ))
                } else if wanted <= area - 1.0 {
                    Some(format!(
                        "all {count} sessions have arrived after {}, when the rate is {rate}/s: it never comes to {to}",
                        human(last)
                    ))
                } else {
                    None
                }
            }
            _ => None,
        }
    }
}

/// The arrivals of one group, in time order.
#[derive(Debug, Clone)]
pub struct Arrivals {
    process: Arrive,
    think: Option<Sampler>,
    seed: Seed,
    identity: Identity,
    start: Timestamp,
    count: u64,
    made: u64,
    /// State of the process: a share of the time (`randomly_over`) or seconds since the start (`poisson`).
    position: f64,
    /// The stages, where there are any.
    pieces: Pieces,
}

impl Arrivals {
    /// The arrivals of the group `name`, its first moment being `start`.
    pub fn new(seed: Seed, name: &str, start: Timestamp, count: u32, process: &Arrive) -> Arrivals {
        Arrivals {
            think: match process {
                Arrive::ClosedLoop { think, .. } => Some(think.sampler()),
                _ => None,
            },
            pieces: match process {
                Arrive::Stages(stages) | Arrive::RandomStages(stages) => Pieces::new(stages),
                _ => Pieces::default(),
            },
            process: process.clone(),
            seed,
            identity: Identity::group(name),
            start,
            count: u64::from(count),
            made: 0,
            position: 0.0,
        }
    }

    /// A closed-loop user's pause between two sessions; `None` in an open model. `connections` is the number that it has made.
    pub fn think(&self, user: u32, connections: u32) -> Option<Nanos> {
        let user = self.identity.nth(u64::from(user));
        let draw = || self.seed.draw(user, Purpose::Think, u64::from(connections));
        self.think.as_ref().map(|think| think.sample(draw))
    }
}

impl Iterator for Arrivals {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        if self.made == self.count {
            return None;
        }
        let number = self.made;
        self.made += 1;
        let draw = || self.seed.draw(self.identity, Purpose::Arrival, number);
        let evenly = |over: Nanos| Nanos((u128::from(over.0) * u128::from(number) / u128::from(self.count)) as u64);
        let offset = match &self.process {
            Arrive::AtOnce => Nanos::ZERO,
            Arrive::EvenlyOver(over) | Arrive::ClosedLoop { over, .. } => evenly(*over),
            Arrive::RandomlyOver(over) => {
                self.position = next_uniform(self.position, self.count - number, draw());
                Nanos::from_f64(self.position * over.0 as f64)
            }
            Arrive::Stages(_) => Nanos::from_f64(self.pieces.when(number as f64 + 0.5) * 1e9),
            Arrive::RandomStages(_) => {
                self.position = next_uniform(self.position, self.count - number, draw());
                Nanos::from_f64(self.pieces.when(self.position * self.pieces.total()) * 1e9)
            }
            Arrive::Poisson { rate } => {
                self.position += draw().exponential() / rate.0;
                Nanos::from_f64(self.position * 1e9)
            }
            Arrive::Ramp { from, to, over } => ramp(number as f64, from.0, to.0, over.as_secs_f64()),
        };
        Some(self.start + offset)
    }
}

/// The next of sorted uniforms: the smallest of those `left` is 1 - u^(1/left) of the way to the end.
fn next_uniform(position: f64, left: u64, draw: Bits) -> f64 {
    let step = 1.0 - libm::exp(libm::log(draw.open_unit()) / left as f64);
    position + (1.0 - position) * step
}

/// When a linearly changing rate has brought `number` arrivals: the root of from*t + (to-from)*t^2/(2*over) = number.
fn ramp(number: f64, from: f64, to: f64, over: f64) -> Nanos {
    let during = (from + to) / 2.0 * over;
    let seconds = if number >= during {
        over + (number - during) / to
    } else if from == to {
        number / from
    } else {
        let slope = (to - from) / over;
        // The stable form of the quadratic's root: no cancellation for small numbers.
        2.0 * number / (from + (from * from + 2.0 * slope * number).max(0.0).sqrt())
    };
    Nanos::from_f64(if number == 0.0 { 0.0 } else { seconds * 1e9 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(process: Arrive, count: u32) -> Vec<u64> {
        assert_eq!(process.problem(), None);
        let all: Vec<u64> =
            Arrivals::new(Seed(3), "players", Timestamp(5), count, &process).map(|at| at.0 - 5).collect();
        assert!(all.is_sorted(), "{process:?}");
        assert_eq!(all.len(), count as usize);
        all
    }

    #[test]
    fn open_models_keep_their_schedule() {
        let second = Nanos::from_secs(1);
        assert_eq!(times(Arrive::AtOnce, 3), [0, 0, 0]);
        assert_eq!(times(Arrive::EvenlyOver(second), 4), [0, 250_000_000, 500_000_000, 750_000_000]);
        let random = times(Arrive::RandomlyOver(second), 10_000);
        assert!(random[9_999] < second.0 && random[0] > 0);
        // Order statistics of a uniform: the deviation of the median of 10,000 is half a percent.
        assert!((random[5_000] as f64 / 0.5e9 - 1.0).abs() < 0.03, "{}", random[5_000]);
        let poisson = times(Arrive::Poisson { rate: Rate(1000.0) }, 10_000);
        assert!((poisson[9_999] as f64 / 10e9 - 1.0).abs() < 0.05);
    }

    #[test]
    fn counts_that_do_not_fit_a_rate_are_noted() {
        let left = Nanos::from_secs(60);
        let ramp = |from, to, seconds| Arrive::Ramp { from: Rate(from), to: Rate(to), over: Nanos::from_secs(seconds) };
        let note = |arrive: Arrive, count| arrive.note(count, left).unwrap_or_default();
        // 0 to 100 per second over 10 s: 500 sessions.
        assert_eq!(note(ramp(0.0, 100.0, 10), 500), "");
        let after = "the ramp brings 500 of 700 sessions; the rest arrives at 100/s after it, until 12.0 s";
        assert_eq!(note(ramp(0.0, 100.0, 10), 700), after);
        let before = "all 125 sessions have arrived after 4.98 s, when the rate is 50/s: it never comes to 100/s";
        assert_eq!(note(ramp(0.0, 100.0, 10), 125), before);
        // The last comes 60 s after the start, and the run is over.
        assert_eq!(note(ramp(0.0, 100.0, 10), 5_502), "5500 of 5502 sessions arrive before the run ends");
        assert_eq!(note(ramp(0.0, 100.0, 120), 6_000), "1500 of 6000 sessions arrive before the run ends");
        // 6,000 are expected, give or take 77.
        assert_eq!(note(Arrive::Poisson { rate: Rate(100.0) }, 6_300), "");
        let poisson = "at 100/s about 6000 of 7000 sessions arrive before the run ends";
        assert_eq!(note(Arrive::Poisson { rate: Rate(100.0) }, 7_000), poisson);
        assert_eq!(note(Arrive::AtOnce, 7_000), "");
    }

    #[test]
    fn stages_bring_their_area() {
        let stage = |seconds, to| Stage { duration: Nanos::from_secs(seconds), to: Some(Rate(to)), at: None };
        let at = |seconds, at| Stage { duration: Nanos::from_secs(seconds), to: None, at: Some(Rate(at)) };
        // Up to 100/s in 10 s, 20 s there, a step to 10/s for 10 s, nothing for 5 s, and down from 40/s.
        let all = vec![stage(10, 100.0), stage(20, 100.0), at(10, 10.0), at(5, 0.0), at(1, 40.0), stage(10, 0.0)];
        let sessions = Arrive::Stages(all.clone()).sessions().unwrap();
        assert_eq!(sessions, 500 + 2_000 + 100 + 40 + 200);
        let within = |times: &[u64], from: u64, until: u64| {
            times.iter().filter(|at| (from * 1_000_000_000..until * 1_000_000_000).contains(*at)).count() as u64
        };
        let even = times(Arrive::Stages(all.clone()), sessions as u32);
        let parts = [(0, 5), (5, 10), (10, 30), (30, 40), (40, 45), (45, 46), (46, 56)];
        let counts = |times: &[u64]| parts.map(|(from, until)| within(times, from, until));
        assert_eq!(counts(&even), [125, 375, 2_000, 100, 0, 40, 200]);
        assert_eq!(even[500] / 1_000_000, 10_005);
        // At random the same number, each part within four deviations of its binomial count.
        let random = times(Arrive::RandomStages(all.clone()), sessions as u32);
        for (wanted, got) in [125.0, 375.0, 2_000.0, 100.0, 0.0, 40.0, 200.0].into_iter().zip(counts(&random)) {
            assert!((got as f64 - wanted).abs() <= 4.0 * f64::sqrt(wanted), "{wanted}: {got}");
        }
        assert_eq!(Arrive::Stages(all).over(), Some(Nanos::from_secs(56)));
        let wrong = |stages: Vec<Stage>| Arrive::Stages(stages).problem().unwrap();
        assert!(wrong(Vec::new()).starts_with("no stages"));
        assert!(wrong(vec![stage(0, 1.0)]).ends_with("stage 1 takes no time"));
        assert!(wrong(vec![at(10, 0.0)]).contains("no session at all"));
        assert!(wrong(vec![Stage { to: None, ..stage(1, 1.0) }]).contains("has no rate"));
        assert!(wrong(vec![Stage { at: Some(Rate(1.0)), ..stage(1, 1.0) }]).contains("exclude each other"));
    }

    #[test]
    fn a_ramp_brings_what_its_area_says() {
        let over = Nanos::from_secs(10);
        // 0 to 100 per second over 10 s: 500 arrivals on the ramp, a quarter of them in its first half.
        let ramp = times(Arrive::Ramp { from: Rate(0.0), to: Rate(100.0), over }, 700);
        assert_eq!(ramp.iter().filter(|at| **at < 5_000_000_000).count(), 125);
        assert_eq!(ramp.iter().filter(|at| **at < over.0).count(), 500);
        assert_eq!(ramp[600], 11_000_000_000);
        let flat = times(Arrive::Ramp { from: Rate(10.0), to: Rate(10.0), over }, 30);
        assert_eq!(flat[20], 2_000_000_000);
        let falling = times(Arrive::Ramp { from: Rate(100.0), to: Rate(1.0), over }, 500);
        assert!(falling[250] < 4_000_000_000);
    }
}
