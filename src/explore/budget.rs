//! What a run will take, estimated from its scenario before it begins: a run that would never end, or that the machine has
//! no memory for, is refused with the key to change.
//!
//! The estimate is made to find what is absurd. It counts what certainly comes (sessions, pings, health checks, intervals)
//! and not what depends on the run (failures and retries).

use super::limits;
use crate::client::{Config, Hold};
use crate::load::Arrive;
use crate::rng::{Distribution, Varying};
use crate::scenario::Scenario;
use crate::server::{Group, Machine};
use crate::text::grouped;
use crate::time::{Nanos, human};

/// The most steps: about a day of work at half a microsecond each.
const MOST_STEPS: f64 = 24.0 * 3_600.0 / 0.5e-6;
/// Steps of one session: a lookup, a connect, a handshake, an end.
const OF_SESSION: f64 = 12.0;
/// Steps of one ping and its pong, and of one health check.
const OF_PING: f64 = 4.0;
const OF_CHECK: f64 = 4.0;
/// Bytes of a session with its connection, its measures and its share of the queue (`tests/memory.rs` holds it to 250).
const BYTES_OF_SESSION: f64 = 240.0;
/// Bytes of one interval of the time series, as measured and as written: of the run, and of each server.
const BYTES_OF_INTERVAL: f64 = 600.0;
const BYTES_OF_SERVER_INTERVAL: f64 = 60.0;
/// Bytes of whatever has no count.
const BYTES_AT_LEAST: f64 = 8e6;

/// What a run will take.
#[derive(Debug, Clone, Default)]
pub struct Estimate {
    /// Steps of the simulator, with the key that each part comes from.
    steps: Vec<(String, f64)>,
    /// Bytes, likewise.
    bytes: Vec<(String, f64)>,
}

/// Why a run is refused.
#[derive(Debug, thiserror::Error)]
pub enum Unaffordable {
    /// It would take too long: the scenario is at fault.
    #[error(
        "error: this run would take some {steps} steps, {length} of work; most come from {key}\nhelp: change that, or run \
         it all the same with --force"
    )]
    Time {
        /// Steps, rounded.
        steps: String,
        /// How long they take.
        length: String,
        /// The key that most come from.
        key: String,
    },
    /// The machine has not as much memory.
    #[error(
        "this run would take some {needed} of memory, of which {available} is left{limit}; most goes to {key}\nhelp: \
         change that, or run it all the same with --force"
    )]
    Memory {
        /// What it takes.
        needed: String,
        /// What there is.
        available: String,
        /// What limits it.
        limit: &'static str,
        /// The key that most comes from.
        key: String,
    },
}

impl Estimate {
    /// Of a simulated run of a scenario.
    pub fn new(scenario: &Scenario) -> Estimate {
        let mut estimate = Estimate::default();
        for (name, group) in scenario.clients() {
            estimate.clients(name, group, scenario);
        }
        estimate.servers(scenario);
        let intervals = times(scenario.duration(), scenario.measure().interval);
        let servers = scenario.servers().len() as f64;
        let bytes = intervals * (BYTES_OF_INTERVAL + servers * BYTES_OF_SERVER_INTERVAL);
        estimate.bytes.push(("measure.interval".into(), bytes));
        estimate
    }

    fn clients(&mut self, name: &str, group: &Config, scenario: &Scenario) {
        let left = Nanos(scenario.duration().0.saturating_sub(group.start.0)).as_secs_f64();
        let open = match &group.hold {
            Hold::End => left,
            Hold::For(time) => typical(time).min(left),
        };
        let count = f64::from(group.count);
        let sessions = match &group.arrive {
            Arrive::Poisson { rate } => count.min(rate.0 * left),
            Arrive::Ramp { from, to, .. } => count.min(from.0.max(to.0) * left),
            Arrive::ClosedLoop { think, .. } => {
                // A connect and a handshake take two round trips.
                let round = open + typical(think) + 4.0 * typical(&scenario.network().one_way);
                count * (left / round.max(1e-9)).max(1.0)
            }
            _ => count,
        };
        self.steps.push((format!("clients.{name}.count"), sessions * OF_SESSION));
        if let Some(heartbeat) = group.heartbeat {
            // On average half of those that stay to the end are there from the middle on.
            let pings = sessions * open / 2.0 / heartbeat.every.as_secs_f64();
            self.steps.push((format!("clients.{name}.heartbeat.every"), pings * OF_PING));
        }
        self.bytes.push((format!("clients.{name}.count"), count * BYTES_OF_SESSION));
    }

    fn servers(&mut self, scenario: &Scenario) {
        let run = scenario.duration();
        let pinging = |group: &Group| group.clocks().is_some_and(|clocks| clocks.heartbeat.is_some());
        let all: f64 =
            scenario.groups().values().filter(|group| pinging(group)).map(|group| f64::from(group.count)).sum();
        for (name, group) in scenario.groups() {
            if let Some((every, ..)) = group.clocks().and_then(|clocks| clocks.heartbeat) {
                // As with clients, of the sessions that those servers share.
                let sessions = scenario.sessions() as f64 * f64::from(group.count) / all;
                let pings = sessions * times(run, every) / 2.0;
                self.steps.push((format!("servers.{name}.heartbeat.every"), pings * OF_PING));
            }
            let members = f64::from(group.count);
            let Machine::Balancer(balancing) = &group.machine else { continue };
            if let Some(checks) = &balancing.health {
                let checks = members * balancing.to.len() as f64 * times(run, checks.health.every);
                self.steps.push((format!("servers.{name}.health.every"), checks * OF_CHECK));
            }
        }
        for (name, config) in scenario.dns() {
            let Some(health) = config.health else { continue };
            let targets = config.to.iter().chain(&config.standby).filter_map(|name| scenario.members(name));
            let targets: usize = targets.map(|members| members.len()).sum();
            self.steps.push((format!("dns.{name}.health.every"), targets as f64 * times(run, health.every) * OF_CHECK));
        }
    }

    /// Steps of the simulator.
    pub fn steps(&self) -> f64 {
        self.steps.iter().map(|(_, steps)| steps).sum()
    }

    /// Bytes.
    pub fn bytes(&self) -> f64 {
        BYTES_AT_LEAST + self.bytes.iter().map(|(_, bytes)| bytes).sum::<f64>()
    }

    /// Refuses what is absurd. `at_once`: runs that are made at the same time.
    ///
    /// # Errors
    /// [`Unaffordable`].
    pub fn afford(&self, at_once: usize) -> Result<(), Unaffordable> {
        self.afford_with(at_once, limits::memory())
    }

    fn afford_with(&self, at_once: usize, memory: Option<limits::Memory>) -> Result<(), Unaffordable> {
        let steps = self.steps();
        if steps > MOST_STEPS {
            let length = human(Nanos((steps * 500.0).min(u64::MAX as f64) as u64));
            return Err(Unaffordable::Time { steps: rounded(steps), length, key: largest(&self.steps) });
        }
        let bytes = self.bytes() * at_once.max(1) as f64;
        match memory {
            Some(limits::Memory { left, limit }) if bytes > left as f64 => Err(Unaffordable::Memory {
                needed: megabytes(bytes),
                available: megabytes(left as f64),
                limit,
                key: largest(&self.bytes),
            }),
            _ => Ok(()),
        }
    }
}

/// How many periods a time has.
fn times(time: Nanos, period: Nanos) -> f64 {
    time.0 as f64 / period.0.max(1) as f64
}

/// The order of magnitude of what a distribution draws, in seconds.
fn typical(distribution: &Distribution) -> f64 {
    let value = match distribution {
        Distribution::Constant(value) => *value,
        Distribution::Varying(varying) => match varying {
            Varying::Uniform { min, max } => Nanos(min.0 / 2 + max.0 / 2),
            Varying::Exponential { mean } => *mean,
            Varying::Normal { mean, deviation } => (*mean).max(*deviation),
            Varying::Lognormal { median, .. } => *median,
            Varying::Quantiles(points) => {
                let median = points.get("p50").or(points.values().max());
                median.copied().unwrap_or_default()
            }
        },
    };
    value.as_secs_f64()
}

fn largest(parts: &[(String, f64)]) -> String {
    let part = parts.iter().max_by(|one, other| one.1.total_cmp(&other.1));
    part.map_or_else(|| "duration".into(), |(key, _)| key.clone())
}

/// Two significant digits.
fn rounded(value: f64) -> String {
    if value < 1e15 { grouped(value as u64 / 1_000_000_000 * 1_000_000_000) } else { format!("{value:.0e}") }
}

fn megabytes(bytes: f64) -> String {
    format!("{} MB", grouped((bytes / 1e6).ceil() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Overrides;

    fn estimate(more: &str) -> Estimate {
        let text = format!(
            "format = 1\ntitle = \"x\"\nduration = \"1h\"\n[servers.g]\n[clients.c]\ncount = 1_000_000\n\
             endpoints = \"g\"\n{more}"
        );
        let scenario =
            crate::scenario::load("x", "x", &text, &Overrides::default()).unwrap_or_else(|problem| panic!("{problem}"));
        Estimate::new(&scenario)
    }

    fn memory(left: u64) -> Option<limits::Memory> {
        Some(limits::Memory { left, limit: "" })
    }

    #[test]
    fn what_is_absurd_is_refused_with_the_key_to_change() {
        let plain = estimate("");
        assert!(plain.afford_with(1, memory(300_000_000)).is_ok());
        let said = plain.afford_with(1, memory(200_000_000)).unwrap_err().to_string();
        assert!(said.contains("249 MB") && said.contains("clients.c.count") && said.contains("--force"), "{said}");
        assert!(plain.afford_with(2, memory(300_000_000)).is_err(), "two at once take twice as much");
        assert!(plain.afford_with(1, None).is_ok());

        // A ping each 10 s is 360 million; each millisecond, ten thousand times as many.
        assert!(estimate("heartbeat = { every = \"10s\", timeout = \"5s\" }").afford_with(1, None).is_ok());
        let pings = estimate("heartbeat = { every = \"1ms\", timeout = \"1ms\" }");
        let said = pings.afford_with(1, None).unwrap_err().to_string();
        assert!(said.contains("clients.c.heartbeat.every") && said.contains("steps"), "{said}");
    }

    #[test]
    fn a_session_that_never_arrives_takes_no_steps() {
        let (all, some) = (estimate(""), estimate("arrive = { poisson = { rate = \"10/s\" } }"));
        assert!(some.steps() < all.steps() / 20.0);
        assert!((some.bytes() - all.bytes()).abs() < 1.0, "there is room for it all the same");
    }
}
