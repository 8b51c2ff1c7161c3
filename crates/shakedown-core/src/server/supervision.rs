//! Who watches a process from outside: probes that have it killed or taken out of service, and the restart of what was killed.
//!
//! A supervisor, as Kubernetes' kubelet or systemd is one, has clocks of its own: a process that hangs is probed all the same. It
//! asks nothing of the process but answers.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::{Nanos, Timestamp};

/// `{ every = "10s", timeout = "1s", failures = 3 }`: a probe. The defaults are Kubernetes'.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ProbeConfig {
    /// Time from one to the next; the first comes at a moment within it that is drawn.
    pub every: Nanos,
    /// How long an answer may take.
    pub timeout: Nanos,
    /// Failures in a row after which it acts.
    pub failures: u32,
    /// Successes in a row after which the process is ready again. Only of readiness probes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub successes: Option<u32>,
    /// After the start of a process nobody is asked for so long.
    pub delay: Nanos,
    /// A worker's time for one.
    pub service_time: Nanos,
    /// Whether it waits in the queue for a worker, as requests do. If not, a thread of its own answers it, which shares the
    /// processors.
    pub in_queue: bool,
}

impl Default for ProbeConfig {
    fn default() -> ProbeConfig {
        ProbeConfig {
            every: Nanos::from_secs(10),
            timeout: Nanos::from_secs(1),
            failures: 3,
            successes: None,
            delay: Nanos::ZERO,
            service_time: Nanos::from_millis(1),
            in_queue: true,
        }
    }
}

/// `{ after = "1s" }`: when a process that was killed is started again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct RestartConfig {
    /// Time from its end to the start of the next process.
    pub after: Nanos,
    /// That time grows by this factor with each kill that follows.
    pub factor: f64,
    /// It grows to this at most.
    pub cap: Nanos,
    /// A process that has run for so long is not killed in a row with the one before.
    pub reset_after: Nanos,
}

impl Default for RestartConfig {
    fn default() -> RestartConfig {
        RestartConfig {
            after: Nanos::from_secs(1),
            factor: 1.0,
            cap: Nanos::from_secs(300),
            reset_after: Nanos::from_secs(600),
        }
    }
}

/// What watches each member of a group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Supervision {
    /// The probe after which a process is killed, and the one after which nobody is sent to it.
    pub probes: [Option<ProbeConfig>; 2],
    /// When it is started again.
    pub restart: RestartConfig,
}

/// The kind of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Probe {
    /// Asks whether the process is to be killed.
    Liveness = 0,
    /// Asks whether clients are to be sent to it.
    Readiness = 1,
}

impl Probe {
    /// Every kind.
    pub const ALL: [Probe; 2] = [Probe::Liveness, Probe::Readiness];

    /// Its name in words.
    pub fn name(self) -> &'static str {
        match self {
            Probe::Liveness => "liveness",
            Probe::Readiness => "readiness",
        }
    }

    /// The kind that a number is of.
    pub fn of(number: u32) -> Probe {
        Probe::ALL[(number % 2) as usize]
    }
}

/// Why a process was killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum KillReason {
    /// It needed more memory than there is.
    OutOfMemory = 1,
    /// Its liveness probe failed.
    Liveness = 2,
}

impl KillReason {
    /// Its name in words.
    pub fn name(self) -> &'static str {
        match self {
            KillReason::OutOfMemory => "out_of_memory",
            KillReason::Liveness => "liveness",
        }
    }
}

/// What follows from a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// Nothing yet.
    Nothing,
    /// The process is to be killed.
    Kill,
    /// It is ready, or not, from now on.
    Ready(bool),
}

/// What one supervisor knows of its process.
#[derive(Debug)]
pub struct Supervisor {
    /// What it does.
    pub config: Supervision,
    /// Which process it is: what was due for an earlier one is not.
    pub generation: u32,
    /// Whether the process was killed, and is not yet started again.
    pub killed: bool,
    /// Whether clients may be sent to it.
    pub ready: bool,
    /// The factor by which its host is slow, if it is: a new process is as slow.
    pub slow: Option<f64>,
    /// The process that a fault has stopped, if it has.
    pub hung: Option<u32>,
    started: Timestamp,
    kills: u32,
    asked: u32,
    probes: [InProgress; 2],
}

/// The probes of one kind.
#[derive(Debug, Default, Clone, Copy)]
struct InProgress {
    awaited: Option<u32>,
    failures: u32,
    successes: u32,
}

impl Supervisor {
    /// That of a process that runs from the beginning.
    pub fn new(config: Supervision) -> Supervisor {
        Supervisor {
            config,
            generation: 0,
            killed: false,
            ready: true,
            slow: None,
            hung: None,
            started: Timestamp::ZERO,
            kills: 0,
            asked: 0,
            probes: [InProgress::default(); 2],
        }
    }

    /// The process is gone, or another one is there.
    pub fn begin(&mut self, now: Timestamp) {
        self.generation += 1;
        self.started = now;
        self.probes = [InProgress::default(); 2];
    }

    /// The time until a process that is killed now is started again.
    pub fn restart_delay(&mut self, now: Timestamp) -> Nanos {
        let RestartConfig { after, factor, cap, reset_after } = self.config.restart;
        if now.since(self.started) >= reset_after {
            self.kills = 0;
        }
        let mut delay = after;
        for _ in 0..self.kills {
            if delay >= cap {
                break;
            }
            delay = Nanos::from_f64(delay.0 as f64 * factor);
        }
        self.kills += 1;
        delay.min(cap.max(after))
    }

    /// A probe is sent: its number.
    pub fn ask(&mut self, probe: Probe) -> u32 {
        let number = self.asked * 2 + probe as u32;
        self.asked += 1;
        self.probes[probe as usize].awaited = Some(number);
        number
    }

    /// Whether the answer of a probe is awaited.
    pub fn awaits(&self, number: u32) -> bool {
        self.probes[Probe::of(number) as usize].awaited == Some(number)
    }

    /// A probe that was awaited has succeeded or failed.
    pub fn learn(&mut self, number: u32, healthy: bool) -> Finding {
        let probe = Probe::of(number);
        let Some(config) = self.config.probes[probe as usize] else { return Finding::Nothing };
        let state = &mut self.probes[probe as usize];
        state.awaited = None;
        (state.failures, state.successes) = match healthy {
            true => (0, state.successes + 1),
            false => (state.failures + 1, 0),
        };
        match (probe, healthy) {
            (Probe::Liveness, false) if state.failures == config.failures => Finding::Kill,
            (Probe::Readiness, false) if self.ready && state.failures >= config.failures => Finding::Ready(false),
            (Probe::Readiness, true) if !self.ready && state.successes >= config.successes.unwrap_or(1) => {
                Finding::Ready(true)
            }
            _ => Finding::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supervisor(restart: RestartConfig) -> Supervisor {
        let readiness = ProbeConfig { failures: 2, successes: Some(2), ..ProbeConfig::default() };
        Supervisor::new(Supervision { probes: [Some(ProbeConfig::default()), Some(readiness)], restart })
    }

    #[test]
    fn failures_in_a_row_kill_and_others_do_not() {
        let mut supervisor = supervisor(RestartConfig::default());
        let mut learn = |healthy| {
            let number = supervisor.ask(Probe::Liveness);
            assert!(supervisor.awaits(number));
            let found = supervisor.learn(number, healthy);
            assert!(!supervisor.awaits(number));
            found
        };
        assert_eq!([learn(false), learn(false), learn(true)], [Finding::Nothing; 3]);
        assert_eq!([learn(false), learn(false), learn(false)], [Finding::Nothing, Finding::Nothing, Finding::Kill]);
    }

    #[test]
    fn readiness_goes_and_comes() {
        let mut supervisor = supervisor(RestartConfig::default());
        for (healthy, found) in [
            (false, Finding::Nothing),
            (false, Finding::Ready(false)),
            (false, Finding::Nothing),
            (true, Finding::Nothing),
            (true, Finding::Ready(true)),
            (true, Finding::Nothing),
        ] {
            let number = supervisor.ask(Probe::Readiness);
            let now = supervisor.learn(number, healthy);
            assert_eq!(now, found);
            if let Finding::Ready(ready) = now {
                supervisor.ready = ready;
            }
        }
    }

    #[test]
    fn restarts_take_ever_longer_until_a_process_lasts() {
        let restart = RestartConfig { factor: 2.0, cap: Nanos::from_secs(3), ..RestartConfig::default() };
        let mut supervisor = supervisor(restart);
        let at = |seconds| Timestamp::ZERO + Nanos::from_secs(seconds);
        let mut delay = |now: u64| {
            let delay = supervisor.restart_delay(at(now));
            supervisor.begin(at(now));
            delay.0 / 1_000_000_000
        };
        assert_eq!([delay(1), delay(2), delay(3), delay(4), delay(603), delay(1_203)], [1, 2, 3, 3, 3, 1]);
    }
}
