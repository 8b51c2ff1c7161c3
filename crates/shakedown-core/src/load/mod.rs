//! Arrival processes: when a group's sessions begin.
//!
//! Arrivals are generated one by one, in time order, so that a million clients cost one pending event. Open models
//! (everything but the closed loop) keep their schedule whatever the servers do, which avoids coordinated
//! omission (Tene, "How NOT to measure latency"; wrk2's README).

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::Rate;
use crate::rng::{Distribution, Identity, Purpose, Sampler, Seed};
use crate::time::{Nanos, Timestamp};

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
}

impl Arrivals {
    /// The arrivals of the group `name`, its first moment being `start`.
    pub fn new(seed: Seed, name: &str, start: Timestamp, count: u32, process: &Arrive) -> Arrivals {
        Arrivals {
            think: match process {
                Arrive::ClosedLoop { think, .. } => Some(think.sampler()),
                _ => None,
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
                // The next of n sorted uniforms: the smallest of those left is 1 - u^(1/left) of the way to the end.
                let left = (self.count - number) as f64;
                let step = 1.0 - libm::exp(libm::log(draw().open_unit()) / left);
                self.position += (1.0 - self.position) * step;
                Nanos::from_f64(self.position * over.0 as f64)
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
