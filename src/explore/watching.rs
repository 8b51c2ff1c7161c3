//! What a live run has come to so far, as OpenMetrics text: for a Prometheus that asks while it goes on.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::client::{Event as Session, Outcome};
use crate::event::{Event, Kind};
use crate::fault;
use crate::record::Recorder;
use crate::scenario::Scenario;
use crate::server;
use crate::text::label;
use crate::time::{Nanos, Timestamp};

/// The upper bounds of a histogram's buckets, in milliseconds.
const BOUNDS: [u64; 19] =
    [1, 2, 5, 10, 20, 35, 50, 75, 100, 150, 200, 350, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000];

/// What was counted, for whoever asks; clones share it.
#[derive(Debug, Clone)]
pub struct Watched(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    /// What tells this run's metrics from another's.
    labels: String,
    /// Whether the scenario's clients play, and its servers.
    plays: (bool, bool),
    attempts: BTreeMap<&'static str, u64>,
    open: u64,
    lost: u64,
    time_to_open: Histogram,
    handshake_latency: Histogram,
    sessions: Vec<SessionState>,
    servers: Vec<Server>,
}

#[derive(Debug, Clone, Copy, Default)]
struct SessionState {
    /// When it was scheduled, until it first opens.
    scheduled: Option<Timestamp>,
    /// When its latest connection was there.
    connected: Timestamp,
    is_open: bool,
}

#[derive(Debug, Default)]
struct Server {
    name: String,
    connections: u64,
    requests: u64,
    answers: BTreeMap<u16, u64>,
    open: u64,
}

#[derive(Debug, Default)]
struct Histogram {
    /// One more than there are bounds.
    counts: [u64; BOUNDS.len() + 1],
    sum: u128,
}

impl Histogram {
    fn record(&mut self, value: Nanos) {
        let bucket = BOUNDS.iter().position(|bound| value <= Nanos::from_millis(*bound)).unwrap_or(BOUNDS.len());
        self.counts[bucket] += 1;
        self.sum += u128::from(value.0);
    }

    fn write(&self, name: &str, help: &str, labels: &str, text: &mut String) {
        let _ = write!(text, "# TYPE {name} histogram\n# UNIT {name} seconds\n# HELP {name} {help}\n");
        let bounds = BOUNDS.iter().map(|ms| (*ms as f64 / 1e3).to_string()).chain(["+Inf".to_string()]);
        let mut sum = 0;
        for (bound, count) in bounds.zip(&self.counts) {
            sum += count;
            let _ = writeln!(text, "{name}_bucket{{{labels},le=\"{bound}\"}} {sum}");
        }
        let _ = writeln!(text, "{name}_sum{{{labels}}} {}", self.sum as f64 / 1e9);
        let _ = writeln!(text, "{name}_count{{{labels}}} {sum}");
    }
}

impl Watched {
    /// Of a run in which these play: the scenario's clients, and its servers.
    pub fn new(scenario: &Scenario, plays: (bool, bool)) -> Watched {
        let named = |name: &str| Server { name: name.into(), ..Server::default() };
        Watched(Arc::new(Mutex::new(Counts {
            labels: format!("scenario=\"{}\",seed=\"{}\"", label(scenario.name()), scenario.seed().0),
            plays,
            servers: scenario.servers().iter().map(|server| named(&server.name)).collect(),
            ..Counts::default()
        })))
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of it.
    pub fn text(&self) -> String {
        let counts = self.counts();
        let labels = &counts.labels;
        let mut text = String::new();
        let family = |text: &mut String, name: &str, kind: &str, help: &str| {
            let _ = write!(text, "# TYPE {name} {kind}\n# HELP {name} {help}\n");
        };
        if counts.plays.0 {
            family(&mut text, "shakedown_attempts", "counter", "Attempts by how they came out.");
            for (outcome, count) in &counts.attempts {
                let _ = writeln!(text, "shakedown_attempts_total{{{labels},outcome=\"{outcome}\"}} {count}");
            }
            family(&mut text, "shakedown_sessions_lost", "counter", "Open connections that were lost.");
            let _ = writeln!(text, "shakedown_sessions_lost_total{{{labels}}} {}", counts.lost);
            family(&mut text, "shakedown_sessions_open", "gauge", "Sessions that are open.");
            let _ = writeln!(text, "shakedown_sessions_open{{{labels}}} {}", counts.open);
            let help = "From the scheduled start of a session to its first opening.";
            counts.time_to_open.write("shakedown_time_to_open_seconds", help, labels, &mut text);
            let help = "From a connection to the end of its opening handshake.";
            counts.handshake_latency.write("shakedown_handshake_latency_seconds", help, labels, &mut text);
        }
        if counts.plays.1 {
            let of = |server: &Server| format!("{labels},server=\"{}\"", label(&server.name));
            type Count = fn(&Server) -> u64;
            let counters: [(&str, &str, Count); 2] = [
                ("connections", "Connections that were accepted.", |server| server.connections),
                ("requests", "Requests that were read.", |server| server.requests),
            ];
            for (name, help, count) in counters {
                family(&mut text, &format!("shakedown_server_{name}"), "counter", help);
                for server in &counts.servers {
                    let _ = writeln!(text, "shakedown_server_{name}_total{{{}}} {}", of(server), count(server));
                }
            }
            family(&mut text, "shakedown_server_responses", "counter", "Responses by status.");
            for server in &counts.servers {
                for (status, count) in &server.answers {
                    let labels = of(server);
                    let _ = writeln!(text, "shakedown_server_responses_total{{{labels},status=\"{status}\"}} {count}");
                }
            }
            family(&mut text, "shakedown_server_open_connections", "gauge", "Connections that are open.");
            for server in &counts.servers {
                let _ = writeln!(text, "shakedown_server_open_connections{{{}}} {}", of(server), server.open);
            }
        }
        text + "# EOF\n"
    }
}

impl Counts {
    fn session(&mut self, now: Timestamp, number: u32, event: Session) {
        let number = number as usize;
        if self.sessions.len() <= number {
            self.sessions.resize(number + 1, SessionState::default());
        }
        let session = &mut self.sessions[number];
        let outcome = match event {
            Session::Scheduled { .. } => {
                session.scheduled = Some(now);
                return;
            }
            Session::Connected { .. } => {
                session.connected = now;
                return;
            }
            Session::Lost { .. } | Session::Ended => {
                self.open -= u64::from(std::mem::take(&mut session.is_open));
                self.lost += u64::from(matches!(event, Session::Lost { .. }));
                return;
            }
            Session::Opened { .. } => {
                self.open += u64::from(!std::mem::replace(&mut session.is_open, true));
                self.handshake_latency.record(now.since(session.connected));
                if let Some(scheduled) = session.scheduled.take() {
                    self.time_to_open.record(now.since(scheduled));
                }
                Outcome::Opened
            }
            Session::Redirected { .. } => Outcome::Redirected,
            Session::Challenged { .. } => Outcome::Challenged,
            Session::ProxyChallenged { .. } => Outcome::ProxyChallenged,
            Session::AttemptFailed { failure, .. } => failure.outcome(),
            _ => return,
        };
        *self.attempts.entry(outcome.name()).or_default() += 1;
    }

    fn server(&mut self, number: u32, event: server::Event) {
        let Some(server) = self.servers.get_mut(number as usize) else { return };
        match event {
            server::Event::Accepted { .. } => {
                server.connections += 1;
                server.open += 1;
            }
            server::Event::Requested { .. } => server.requests += 1,
            server::Event::Answered { status, .. } => *server.answers.entry(status).or_default() += 1,
            server::Event::Closed { .. } => server.open = server.open.saturating_sub(1),
            _ => {}
        }
    }
}

impl Recorder for Watched {
    fn record(&mut self, event: &Event) {
        match event.kind {
            Kind::Session(session, kind) => self.counts().session(event.at, session, kind),
            Kind::Server(server, kind) => self.counts().server(server, kind),
            // Whoever was connected to a process that ended is so no more.
            Kind::Fault(_, fault::Event::Began { server, kind }) if kind.takes_down() && !kind.revives() => {
                if let Some(server) = self.counts().servers.get_mut(server as usize) {
                    server.open = 0;
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative_and_the_last_one_has_all() {
        let mut histogram = Histogram::default();
        [0, 1_000_000, 1_000_001, 90_000_000_000].into_iter().for_each(|ns| histogram.record(Nanos(ns)));
        let mut text = String::new();
        histogram.write("x_seconds", "Help.", "a=\"b\"", &mut text);
        for line in [
            "# UNIT x_seconds seconds",
            "x_seconds_bucket{a=\"b\",le=\"0.001\"} 2",
            "x_seconds_bucket{a=\"b\",le=\"0.002\"} 3",
            "x_seconds_bucket{a=\"b\",le=\"60\"} 3",
            "x_seconds_bucket{a=\"b\",le=\"+Inf\"} 4",
            "x_seconds_sum{a=\"b\"} 90.002000001",
            "x_seconds_count{a=\"b\"} 4",
        ] {
            assert!(text.lines().any(|own| own == line), "{line}:\n{text}");
        }
    }
}
