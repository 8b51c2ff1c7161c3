//! Hand-written event streams, compared with results computed by hand; and random ones, compared with a slow count.
//!
//! Times are in milliseconds unless they say otherwise.

mod faults;
mod random;
mod servers;
mod sessions;

use super::*;
use crate::client::{self, End, Failure};
use crate::event::{Event, Kind};
use crate::fault::{self, Kind as FaultKind};
use crate::record::Recorder;
use crate::rng::{Distribution, Seed};
use crate::server;
use crate::time::{Nanos, Timestamp};

const fn at(ms: u64) -> Timestamp {
    Timestamp(ms * 1_000_000)
}

const fn ms(ms: u64) -> Nanos {
    Nanos::from_millis(ms)
}

/// A run of ten seconds in intervals of one, with two servers of two workers each, and faults `a` and `b`.
fn layout(sessions: u32) -> Layout {
    let server = |number: usize| ServerLayout {
        name: format!("gateway-{number}"),
        group: 0,
        workers: 2,
        limited: false,
        transactions_max: None,
        pauses: false,
        supervised: false,
        limits: [false; 2],
        calls: false,
        tls: false,
        streams: false,
        balancer: false,
        behind: 0,
        proxy: false,
        clocks: false,
        keepalive: false,
        reloads: false,
        connections_max: None,
    };
    Layout {
        duration: ms(10_000),
        interval: ms(1_000),
        from: Timestamp::ZERO,
        until: at(10_000),
        groups: vec![GroupLayout { name: "players".into(), count: sessions, hold: client::Hold::End }],
        server_groups: vec!["gateway".into()],
        servers: vec![server(0), server(1)],
        names: Vec::new(),
        faults: ["a", "b"]
            .map(|name| FaultLayout { name: name.into(), drawn: false, servers: vec![0], opaque: false })
            .into(),
        phases: Vec::new(),
        half_open: false,
        seed: Seed(1),
        tls: false,
        auth: false,
        proxies: false,
        races: false,
        findings: false,
    }
}

/// The same, measured within a window only.
fn window(sessions: u32, from: u64, until: u64) -> Layout {
    Layout { from: at(from), until: at(until), ..layout(sessions) }
}

/// Feeds events to [`Metrics`] in order.
struct Feed {
    metrics: Metrics,
    events: Vec<Event>,
    seq: u64,
    now: u64,
}

impl Feed {
    fn new(layout: Layout) -> Feed {
        Feed { metrics: Metrics::new(layout), events: Vec::new(), seq: 0, now: 0 }
    }

    fn event(&mut self, ms: u64, kind: Kind) {
        assert!(ms >= self.now, "an event at {ms} ms comes after one at {} ms", self.now);
        self.now = ms;
        let event = Event { at: at(ms), seq: self.seq, kind };
        self.metrics.record(&event);
        self.events.push(event);
        self.seq += 1;
    }

    fn session(&mut self, ms: u64, session: u32, event: client::Event) {
        self.event(ms, Kind::Session(session, event));
    }

    fn scheduled(&mut self, ms: u64, session: u32) {
        self.scheduled_in(0, ms, session);
    }

    fn scheduled_in(&mut self, group: u16, ms: u64, session: u32) {
        self.session(ms, session, client::Event::Scheduled { group, index: session });
    }

    fn attempt(&mut self, ms: u64, session: u32) {
        self.session(ms, session, client::Event::AttemptStarted { connection: 1, endpoint: 0 });
    }

    fn connected(&mut self, ms: u64, session: u32) {
        self.session(ms, session, client::Event::Connected { connection: 1 });
    }

    fn opened(&mut self, ms: u64, session: u32, endpoint: u32) {
        self.session(ms, session, client::Event::Opened { connection: 1, endpoint });
    }

    fn redirected(&mut self, ms: u64, session: u32) {
        self.session(ms, session, client::Event::Redirected { connection: 1, status: 307, endpoint: 1 });
    }

    fn failed(&mut self, ms: u64, session: u32, failure: Failure) {
        self.session(ms, session, client::Event::AttemptFailed { connection: 1, failure });
    }

    fn lost(&mut self, ms: u64, session: u32) {
        self.session(ms, session, client::Event::Lost { connection: 1, end: End::Fin });
    }

    fn ended(&mut self, ms: u64, session: u32) {
        self.session(ms, session, client::Event::Ended);
    }

    fn gave_up(&mut self, ms: u64, session: u32) {
        self.session(ms, session, client::Event::GaveUp);
    }

    /// A whole attempt in no time, for tests in which latency does not matter.
    fn open_at_once(&mut self, ms: u64, session: u32, server: u32) {
        self.attempt(ms, session);
        self.connected(ms, session);
        self.opened(ms, session, server);
    }

    /// Sessions `0..count`, scheduled and open on `server` at the beginning.
    fn all_open(&mut self, count: u32, server: u32) {
        for session in 0..count {
            self.scheduled(0, session);
            self.open_at_once(0, session, server);
        }
    }

    fn began(&mut self, ms: u64, fault: u16, server: u32, kind: FaultKind) {
        self.event(ms, Kind::Fault(fault, fault::Event::Began { server, kind }));
    }

    fn healed(&mut self, ms: u64, fault: u16, server: u32, kind: FaultKind) {
        self.event(ms, Kind::Fault(fault, fault::Event::Healed { server, kind }));
    }

    fn server(&mut self, ms: u64, server: u32, event: server::Event) {
        self.event(ms, Kind::Server(server, event));
    }

    fn accepted(&mut self, ms: u64, server: u32) {
        self.server(ms, server, server::Event::Accepted { connection: 0 });
    }

    fn requested(&mut self, ms: u64, server: u32, queued: bool) {
        self.server(ms, server, server::Event::Requested { connection: 0, queued });
    }

    fn started(&mut self, ms: u64, server: u32, waited: Option<u64>) {
        let (waited, queued) = (Nanos::from_millis(waited.unwrap_or(0)), waited.is_some());
        self.server(ms, server, server::Event::ServiceStarted { connection: 0, waited, queued });
    }

    fn answered(&mut self, ms: u64, server: u32, status: u16, served: u64) {
        let served = Nanos::from_millis(served);
        self.server(ms, server, server::Event::Answered { connection: 0, status, served });
    }

    fn finish(self) -> Measured {
        self.finish_at(10_000)
    }

    fn finish_at(self, ms: u64) -> Measured {
        self.metrics.finish(at(ms))
    }
}

/// Of a session that is lost for no known reason, only a fault that may do more than events say is the cause, while it lasts.
#[test]
fn what_is_lost_unexpectedly_is_the_work_of_an_opaque_fault() {
    for opaque in [false, true] {
        let mut layout = layout(3);
        layout.faults[0].opaque = opaque;
        let mut feed = Feed::new(layout);
        feed.all_open(3, 0);
        feed.lost(1_000, 0);
        feed.began(2_000, 0, 0, FaultKind::Command);
        feed.lost(3_000, 1);
        feed.healed(4_000, 0, 0, FaultKind::Command);
        feed.lost(5_000, 2);
        let measured = feed.finish();
        assert_eq!(part(&measured, "faults.a.affected"), (u64::from(opaque), 2));
    }
}

fn get(measured: &Measured, path: &str) -> Value {
    measured.summary.get(path).unwrap_or_else(|| panic!("no metric {path}"))
}

/// A duration in milliseconds; `None` where it is infinite or nothing was measured. Percentiles, which are up to a
/// thousandth above what was measured, are cut off after their third digit.
fn time(measured: &Measured, path: &str) -> Option<f64> {
    let Value::Duration(value) = get(measured, path) else { panic!("{path} is no duration") };
    let exact = value?.as_millis_f64();
    let is_percentile = path.rsplit_once('.').is_some_and(|(_, statistic)| statistic.starts_with('p'));
    if !is_percentile || exact == 0.0 {
        return Some(exact);
    }
    // Microseconds, of which there are more than three digits, with zeros for the last ones.
    let mut digits = (exact * 1e3) as u64;
    let mut unit = 1;
    while digits >= 1_000 {
        digits /= 10;
        unit *= 10;
    }
    Some((digits * unit) as f64 / 1e3)
}

fn count(measured: &Measured, path: &str) -> u64 {
    match get(measured, path) {
        Value::Count(count) | Value::Part { count, .. } => count,
        other => panic!("{path} is {other:?}"),
    }
}

fn part(measured: &Measured, path: &str) -> (u64, u64) {
    match get(measured, path) {
        Value::Part { count, of } => (count, of),
        other => panic!("{path} is {other:?}"),
    }
}

fn ratio(measured: &Measured, path: &str) -> Option<f64> {
    match get(measured, path) {
        Value::Ratio(ratio) => ratio,
        other => panic!("{path} is {other:?}"),
    }
}
