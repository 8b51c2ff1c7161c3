//! What ends open connections: how many are open, by their age, and when a kernel's keepalive ends them.

use super::answer::{Answer, Experiment, Requirement};
use super::simulate::simulate;
use crate::event::{Event, Kind};
use crate::network;
use crate::record::Recorder;
use crate::server;
use crate::time::Timestamp;

/// Every clock.
pub(super) fn all() -> Vec<Experiment> {
    vec![age("constant", "\"10s\""), age("exponential", "{ exponential = { mean = \"10s\" } }"), keepalive()]
}

/// The number of open connections, over time.
#[derive(Debug)]
struct OpenConnections {
    from: Timestamp,
    until: Timestamp,
    open: u64,
    since: Timestamp,
    area: f64,
}

impl OpenConnections {
    fn turn(&mut self, now: Timestamp, open: u64) {
        let (begin, end) = (self.since.max(self.from), now.min(self.until));
        self.area += self.open as f64 * end.since(begin).as_secs_f64();
        (self.open, self.since) = (open, now);
    }
}

impl Recorder for OpenConnections {
    fn record(&mut self, event: &Event) {
        match event.kind {
            Kind::Server(_, server::Event::Answered { .. }) => self.turn(event.at, self.open + 1),
            Kind::Server(_, server::Event::EndedByClock { .. }) => self.turn(event.at, self.open - 1),
            _ => {}
        }
    }
}

const AGE: &str = "Clients open at 50 a second (Poisson arrivals), stay for ever, and do not come back. Their server ends each \
connection 10 s after it opened, on average. Little's law: the mean number of open connections is 50 times 10, whatever the \
distribution of the age. It is measured as an area from 60 s to 360 s, when as many end as open.";

fn age(name: &str, max: &str) -> Experiment {
    let text = format!(
        r#"
        format = 1
        title = "Age of connections"
        duration = "360s"
        [network]
        one_way = "1ms"
        [servers.one]
        service_time = "0s"
        connection_age = {{ max = {max} }}
        [clients.many]
        count = 25_000
        arrive = {{ poisson = {{ rate = "50/s" }} }}
        endpoints = ["one"]
        retry = {{ policy = "none" }}
        "#
    );
    Experiment {
        name: format!("age of connections, {name}"),
        follows: "Little's law",
        about: AGE,
        seeds: 8,
        quick: false,
        answers: vec![Answer::new(
            "open connections, mean",
            "",
            500.0,
            Requirement::Mean { resolution: 0.0, blunt: 0.05 },
        )],
        measure: Box::new(move |seed| {
            let at = |seconds: u64| Timestamp(seconds * 1_000_000_000);
            let (from, until) = (at(60), at(360));
            let mut recorder = OpenConnections { from, until, open: 0, since: Timestamp::ZERO, area: 0.0 };
            simulate(&text, seed, &mut recorder);
            recorder.turn(until, 0);
            vec![recorder.area / until.since(from).as_secs_f64()]
        }),
    }
}

const KEEPALIVE: &str = "1,000 clients open 10 ms apart, say nothing, and are cut off from their server for ever at 60 s. The server's kernel \
probes what has been silent for 10 s, and an answer takes a round trip of 40 ms: client k (from 0) gives its last sign of life at 0.1 + 0.01 k + \
10.04 n s, the latest such moment before the cut. Ten seconds and three probes of 2 s later the kernel gives its connection up.";

/// When the kernel of the server gave connections up.
#[derive(Debug, Default)]
struct GivenUp(Vec<f64>);

impl Recorder for GivenUp {
    fn record(&mut self, event: &Event) {
        if let Kind::Network(_, network::Event::KeepaliveFailed { .. }) = event.kind {
            self.0.push(event.at.since(Timestamp::ZERO).as_secs_f64());
        }
    }
}

fn keepalive() -> Experiment {
    let text = r#"
        format = 1
        title = "Keepalive"
        duration = "100s"
        [network]
        one_way = "20ms"
        [servers.one]
        service_time = "0s"
        keepalive = { idle = "10s", every = "2s", probes = 3 }
        [clients.many]
        count = 1_000
        arrive = { evenly_over = "10s" }
        endpoints = ["one"]
        [faults.cut]
        kind = "partition"
        target = "one"
        at = "60s"
    "#;
    // In milliseconds: whole numbers, so that the last answer is told from the one after it.
    let signs = (0..1_000).map(|k: u64| 100 + 10 * k).map(|first| first + (59_999 - first) / 10_040 * 10_040);
    let given_up: Vec<f64> = signs.map(|sign| (sign + 16_000) as f64 / 1_000.0).collect();
    Experiment {
        name: "keepalive".into(),
        follows: "Linux, tcp_keepalive_timer",
        about: KEEPALIVE,
        seeds: 1,
        quick: true,
        answers: vec![
            Answer::new("connections given up", "", 1_000.0, Requirement::Equal),
            Answer::new(
                "the first at",
                "s",
                given_up.iter().copied().fold(f64::INFINITY, f64::min),
                Requirement::Equal,
            ),
            Answer::new("mean", "s", given_up.iter().sum::<f64>() / 1_000.0, Requirement::Equal),
            Answer::new("the last at", "s", given_up.iter().copied().fold(0.0, f64::max), Requirement::Equal),
        ],
        measure: Box::new(move |seed| {
            let mut found = GivenUp::default();
            simulate(text, seed, &mut found);
            let count = found.0.len() as f64;
            let first = found.0.iter().copied().fold(f64::INFINITY, f64::min);
            let last = found.0.iter().copied().fold(0.0, f64::max);
            vec![count, first, found.0.iter().sum::<f64>() / count, last]
        }),
    }
}
