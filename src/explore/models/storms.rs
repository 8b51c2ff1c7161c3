//! Storms that feed themselves, and clocks that do not see a stall.

use super::answer::{Answer, Experiment, Requirement};
use super::simulate::{measure, metric, simulate};
use crate::client;
use crate::event::{Event, Kind};
use crate::record::Recorder;

/// Every storm.
pub(super) fn all() -> Vec<Experiment> {
    vec![metastable(), omission()]
}

/// The goodput is that of a run's last seconds.
pub(super) const LAST_S: u64 = 20;

/// Sessions that opened in the run's last part, of those that were scheduled then.
#[derive(Debug, Default)]
pub(super) struct Goodput {
    /// When the last part begins, in seconds.
    pub(super) from: u64,
    pub(super) scheduled: u64,
    pub(super) opened: u64,
}

impl Recorder for Goodput {
    fn record(&mut self, event: &Event) {
        if event.at.0 < self.from * 1_000_000_000 {
            return;
        }
        match event.kind {
            Kind::Session(_, client::Event::Scheduled { .. }) => self.scheduled += 1,
            Kind::Session(_, client::Event::Opened { .. }) => self.opened += 1,
            _ => {}
        }
    }
}

/// A spike of clients at once, at 20 s, on top of a steady load.
pub(super) struct Storm {
    pub(super) spike: u32,
    /// Steady load, per second.
    pub(super) rate: u64,
    pub(super) retry: &'static str,
    pub(super) end_s: u64,
}

/// Whether a run with this goodput collapsed, as a number.
pub(super) fn collapsed(goodput: f64) -> f64 {
    f64::from(u8::from(goodput < 0.1))
}

impl Storm {
    pub(super) fn text(&self) -> String {
        let Storm { spike, rate, retry, end_s } = self;
        let count = rate * end_s * 2;
        format!(
            r#"
            format = 1
            title = "A spike"
            duration = "{end_s}s"
            [network]
            one_way = "5ms"
            [servers.one]
            workers = 4
            service_time = {{ exponential = {{ mean = "40ms" }} }}
            [clients.steady]
            count = {count}
            arrive = {{ poisson = {{ rate = "{rate}/s" }} }}
            endpoints = ["one"]
            handshake_timeout = "1s"
            retry = {retry}
            [clients.spike]
            count = {spike}
            start = "20s"
            arrive = "at_once"
            endpoints = ["one"]
            handshake_timeout = "1s"
            retry = {retry}
            "#
        )
    }
}

const METASTABLE: &str = "A server with a capacity of 100/s whose workers do not look whether a client is still \
there, clients that give up after 1 s, and a spike of clients at once on top of a steady Poisson load. A request that \
waited longer than 1 s is work for nothing, and its client comes again: with a fixed delay of 100 ms every client \
that is left out asks once per 1.1 s, so that about 110 of them ask for all the capacity there is, and a server that \
is asked for more never catches up with the present again. A spike of 400 needs 4 s of work: it must collapse at any \
steady load, and stay so long after the spike; a spike of 20 (0.2 s of work) must not at 10/s. With full jitter up to \
60 s the 400 ask ever less, 400 / 30 s = 13/s with 10/s of newcomers, and it must recover. At a steady load of 70/s a \
spike of 110 is near the edge, and luck decides: some seeds collapse and others recover, and none ends in between. A \
mean of the goodput would describe no run at all, so the shares of the seeds are what is reported. Collapsed is a run \
whose last 20 s open less than 10 % of the sessions scheduled in them, recovered one that opens more than 80 %. \
Back-off alone is no cure: at 70/s full jitter does not recover either, as each newcomer makes several attempts \
before its delays have grown, and 70/s times two is above the capacity.";

fn metastable() -> Experiment {
    let bold = "{ policy = \"fixed\", base = \"100ms\" }";
    let meek = "{ policy = \"full-jitter\", base = \"1s\", cap = \"60s\" }";
    let share = |what: &str, expected, must| Answer::new(what, "of seeds", expected, must);
    Experiment {
        name: "retry storm".into(),
        follows: "Metastable Failures, OSDI 2022",
        about: METASTABLE,
        seeds: 24,
        quick: false,
        answers: vec![
            share("collapsed: spike of 400, no back-off", 1.0, Requirement::Equal),
            share("collapsed: spike of 20, no back-off", 0.0, Requirement::Equal),
            share("recovered: spike of 400, full jitter", 1.0, Requirement::Equal),
            share("collapsed: near the edge", 0.0, Requirement::Above),
            share("recovered: near the edge", 0.0, Requirement::Above),
            share("neither collapsed nor recovered", 0.0, Requirement::Equal),
        ],
        measure: Box::new(move |seed| {
            let goodput = |storm: &Storm| {
                let mut goodput = Goodput { from: storm.end_s - LAST_S, ..Goodput::default() };
                simulate(&storm.text(), seed, &mut goodput);
                goodput.opened as f64 / goodput.scheduled as f64
            };
            let runs = [
                goodput(&Storm { spike: 400, rate: 10, retry: bold, end_s: 80 }),
                goodput(&Storm { spike: 20, rate: 10, retry: bold, end_s: 80 }),
                goodput(&Storm { spike: 400, rate: 10, retry: meek, end_s: 200 }),
                goodput(&Storm { spike: 110, rate: 70, retry: bold, end_s: 80 }),
            ];
            let recovered = |ratio: f64| f64::from(u8::from(ratio > 0.8));
            let neither: f64 = runs.iter().map(|ratio| 1.0 - collapsed(*ratio) - recovered(*ratio)).sum();
            let edge = (collapsed(runs[3]), recovered(runs[3]));
            vec![collapsed(runs[0]), collapsed(runs[1]), recovered(runs[2]), edge.0, edge.1, neither]
        }),
    }
}

const OMISSION: &str = "A server that takes no time stops for 10 s of 100 s. Ten users in a closed loop (0.5 s of \
thought) each wait once: ten slow attempts among 1,500, fewer than one in a hundred, so that p99 is the 80 ms of a \
healthy handshake and the stall is hidden. In an open loop of 10 clients per second, counted from the schedule, \
everybody who comes during the stall waits for its end. Request k of the hundred that it meets (they leave three \
ways, 60 ms, after the arrival) is answered after 10.02 s - k 100 ms; ten of the thousand arrivals wait longer than \
9.02 s, which is p99, and the mean grows by 0.499 s. What the closed loop leaves out is the difference of the two: \
8.94 s. Percentiles resolve 0.1 %.";

fn stalled(arrive: &str, count: u32) -> String {
    format!(
        r#"
        format = 1
        title = "A stall"
        duration = "120s"
        [servers.one]
        service_time = "0s"
        [clients.users]
        count = {count}
        arrive = {arrive}
        endpoints = ["one"]
        hold = "1ms"
        reconnect = false
        handshake_timeout = "1h"
        [faults.stall]
        kind = "hang"
        target = "one"
        at = "40s"
        for = "10s"
        [measure]
        until = "100s"
        "#
    )
}

fn omission() -> Experiment {
    Experiment {
        name: "coordinated omission".into(),
        follows: "wrk2",
        about: OMISSION,
        seeds: 1,
        quick: true,
        answers: vec![
            Answer::new("closed loop, p99 of attempts", "s", 0.08, Requirement::Resolved(0.001)),
            Answer::new("closed loop, longest attempt", "s", 10.08, Requirement::AtMost),
            Answer::new("open loop, p99 of time to open", "s", 9.02, Requirement::Resolved(0.001)),
            Answer::new("open loop, mean of time to open", "s", 0.579, Requirement::Equal),
            Answer::new("what the closed loop leaves out of p99", "s", 8.94, Requirement::Resolved(0.0011)),
        ],
        measure: Box::new(|seed| {
            let closed = measure(&stalled("{ closed_loop = { think = \"500ms\", over = \"1s\" } }", 10), seed, &mut ());
            let open = measure(&stalled("{ evenly_over = \"100s\" }", 1_000), seed, &mut ());
            let (closed_p99, open_p99) = (metric(&closed, "attempt_latency.p99"), metric(&open, "time_to_open.p99"));
            vec![
                closed_p99,
                metric(&closed, "attempt_latency.max"),
                open_p99,
                metric(&open, "time_to_open.mean"),
                open_p99 - closed_p99,
            ]
        }),
    }
}
