//! What links do: timers that repair losses, lines in front of a bandwidth.

use super::answer::{Answer, Experiment, Requirement};
use super::simulate::{measure, metric, simulate};
use crate::client;
use crate::event::{Event, Kind};

/// Every link.
pub(super) fn all() -> Vec<Experiment> {
    let mut all = vec![timers(), repaired(0.05), repaired(0.1), connects(0.1), connects(0.3), back_to_back()];
    all.extend([(0.5, 20_000.0), (0.8, 40_000.0), (0.9, 60_000.0)].map(|(rho, arrivals)| line(rho, arrivals)));
    all.extend([0.5, 2.0].map(no_line));
    all
}

const TIMERS: &str = "Everything is lost from 30 ms on, for a time; the request leaves at 40 ms. A round trip of 40 ms makes a \
timer of 240 ms (RFC 6298, the variance at least 200 ms as in Linux), which doubles: the request leaves again after 0.24, 0.72, \
1.68, 3.6, 7.44 s, (2^k - 1) 240 ms, and the first that leaves after the end gets through. To the nanosecond.";

fn timers() -> Experiment {
    let lengths = ["100ms", "300ms", "1s", "2s", "5s"];
    let sums = [0.24, 0.72, 1.68, 3.6, 7.44];
    let answer = |(length, sum)| Answer::new(format!("lost for {length}: later by"), "s", sum, Requirement::Equal);
    Experiment {
        name: "doubled timers".into(),
        follows: "RFC 6298",
        about: TIMERS,
        seeds: 1,
        quick: true,
        answers: lengths.into_iter().zip(sums).map(answer).collect(),
        measure: Box::new(move |seed| {
            let later = |length| {
                let text = format!(
                    r#"
                    format = 1
                    title = "Doubled timers"
                    duration = "20s"
                    [servers.one]
                    service_time = "0s"
                    [clients.many]
                    count = 1
                    arrive = "at_once"
                    endpoints = ["one"]
                    [faults.lost]
                    kind = "lossy"
                    target = "one"
                    at = "30ms"
                    for = "{length}"
                    loss = "100%"
                    "#
                );
                metric(&measure(&text, seed, &mut ()), "time_to_open.max") - 0.08
            };
            lengths.map(later).to_vec()
        }),
    }
}

const REPAIRED: &str = "Each message to the server is lost with probability p, each time it is sent. A request that is lost k \
times, with probability (1 - p) p^k, comes (2^k - 1) R later: R p / (1 - 2 p) on average. The timer R is 240 ms after a connect \
that measured the round trip of 40 ms (RFC 6298, the variance at least 200 ms as in Linux), be it by a repeated SYN (RFC 7323 \
section 4).";

fn lossy(p: f64, syn_retries: &str, ways: &str) -> String {
    format!(
        r#"
        format = 1
        title = "Losses"
        duration = "1h"
        [network]
        loss = {{ {ways} }}
        syn_retries = "{syn_retries}"
        [servers.one]
        service_time = "0s"
        [clients.many]
        count = 20_000
        endpoints = ["one"]
        connect_timeout = "1h"
        handshake_timeout = "1h"
        retry = {{ policy = "none" }}
        "#
    )
    .replace("LOSS", &format!("\"{}%\"", p * 100.0))
}

fn repaired(p: f64) -> Experiment {
    let near = Requirement::Mean { resolution: 0.0, blunt: 0.1 };
    Experiment {
        name: format!("lost requests, p {p}"),
        follows: "RFC 6298",
        about: REPAIRED,
        seeds: 16,
        quick: false,
        answers: vec![Answer::new("later by, on average", "s", 0.24 * p / (1.0 - 2.0 * p), near)],
        measure: Box::new(move |seed| {
            let measured = measure(&lossy(p, "linux-6.5", "forward = LOSS"), seed, &mut ());
            vec![metric(&measured, "handshake_latency.mean") - 0.04]
        }),
    }
}

const CONNECTS: &str = "SYNs and their answers are lost with probability p each, so that a try comes to nothing with q = 1 - (1 - \
p)^2. Linux before 6.5 repeats the SYN after 1, 3, 7, 15, 31 and 63 s: who connects with the k-th repetition is late by its time, \
with probability (1 - q) q^k, and the share q^7 never connects.";

fn connects(p: f64) -> Experiment {
    let late = [0.0, 1.0, 3.0, 7.0, 15.0, 31.0, 63.0];
    let q = 1.0 - (1.0 - p) * (1.0 - p);
    let mut expected = 0.0;
    let mut chance = 1.0 - q;
    let mut connected = 0.0;
    for late in late {
        expected += chance * late;
        connected += chance;
        chance *= q;
    }
    let near = |blunt| Requirement::Mean { resolution: 0.0, blunt };
    let mut answers = vec![Answer::new("later by, on average", "s", expected / connected, near(0.05))];
    if p > 0.2 {
        answers.push(Answer::new("never connect", "", 1.0 - connected, near(0.1)));
    }
    Experiment {
        name: format!("lost SYNs, p {p}"),
        follows: "Linux, RFC 6298",
        about: CONNECTS,
        seeds: 16,
        quick: false,
        answers,
        measure: Box::new(move |seed| {
            let mut events: Vec<Event> = Vec::new();
            simulate(&lossy(p, "linux", "forward = LOSS, back = LOSS"), seed, &mut events);
            let mut began = vec![0; 20_000];
            let mut delays: Vec<f64> = Vec::new();
            for event in &events {
                match event.kind {
                    Kind::Session(session, client::Event::AttemptStarted { .. }) => {
                        began[session as usize] = event.at.0;
                    }
                    Kind::Session(session, client::Event::Connected { .. }) => {
                        delays.push((event.at.0 - began[session as usize]) as f64 / 1e9 - 0.04);
                    }
                    _ => {}
                }
            }
            let connected = delays.len() as f64;
            vec![delays.iter().sum::<f64>() / connected, 1.0 - connected / 20_000.0]
        }),
    }
}

const BACK_TO_BACK: &str = "1,000 clients at once, and a server whose access link takes 10 Mbit/s each way. A SYN is 40 bytes, 32 \
us: the n-th is through after n of them, and its answer, as fast as it came, another 32 us later.";

fn back_to_back() -> Experiment {
    let text = r#"
        format = 1
        title = "Back to back"
        duration = "60s"
        [servers.one]
        service_time = "0s"
        access_link = "10Mbit/s"
        [clients.many]
        count = 1_000
        arrive = "at_once"
        endpoints = ["one"]
    "#;
    Experiment {
        name: "back to back".into(),
        follows: "bytes x 8 / rate",
        about: BACK_TO_BACK,
        seeds: 1,
        quick: true,
        answers: vec![
            Answer::new("the first is connected after", "s", 0.04 + 2.0 * 32e-6, Requirement::Equal),
            Answer::new("the last is connected after", "s", 0.04 + 1_001.0 * 32e-6, Requirement::Equal),
        ],
        measure: Box::new(move |seed| {
            let mut events: Vec<Event> = Vec::new();
            simulate(text, seed, &mut events);
            let up = |event: &&Event| matches!(event.kind, Kind::Session(_, client::Event::Connected { .. }));
            let moments: Vec<f64> = events.iter().filter(up).map(|event| event.at.0 as f64 / 1e9).collect();
            vec![moments.first().copied().unwrap_or(f64::NAN), moments.last().copied().unwrap_or(f64::NAN)]
        }),
    }
}

/// Poisson SYNs of 1 ms each on an access link, to a host that refuses every one of them.
fn syns(rho: f64, arrivals: f64, queue: &str) -> String {
    let rate = rho * 1_000.0;
    let until = (arrivals / rate).round();
    let (from, duration) = (until / 10.0, until + 2.0);
    let count = (rate * duration * 1.1) as u64 + 1_000;
    format!(
        r#"
        format = 1
        title = "A line of SYNs"
        duration = "{duration}s"
        [network]
        one_way = "1ms"
        [servers.one]
        access_link = {{ down = "320kbit/s"{queue} }}
        [clients.many]
        count = {count}
        arrive = {{ poisson = {{ rate = "{rate}/s" }} }}
        endpoints = ["one"]
        connect_timeout = "900ms"
        retry = {{ policy = "none" }}
        [faults.dead]
        kind = "crash"
        target = "one"
        at = "0s"
        [measure]
        from = "{from:.3}s"
        until = "{until}s"
        "#
    )
}

const LINE: &str = "SYNs of 40 bytes come at random over an access link of 320 kbit/s, which takes 1 ms for each, to a host that \
refuses them; two ways of 1 ms beside that. A line with Poisson arrivals and a fixed time for each is M/D/1: the mean wait is rho / \
(2 (1 - rho)) of that time (Pollaczek and Khinchine), half of what it is with exponential times. A tenth is warm-up.";

fn line(rho: f64, arrivals: f64) -> Experiment {
    let near = Requirement::Mean { resolution: 0.0, blunt: 0.1 };
    Experiment {
        name: format!("bandwidth, M/D/1 rho {rho}"),
        follows: "Pollaczek, Khinchine",
        about: LINE,
        seeds: 16,
        quick: false,
        answers: vec![Answer::new("mean wait", "SYN times", rho / (2.0 * (1.0 - rho)), near)],
        measure: Box::new(move |seed| {
            let measured = measure(&syns(rho, arrivals, ""), seed, &mut ());
            vec![(metric(&measured, "attempt_latency.mean") - 0.003) / 0.001]
        }),
    }
}

const NO_LINE: &str = "The same without room to wait: a SYN that finds another under way is dropped, and its client gives up before \
its kernel would repeat it. Erlang's B of one slot: rho / (1 + rho).";

fn no_line(rho: f64) -> Experiment {
    Experiment {
        name: format!("bandwidth, M/D/1/1 rho {rho}"),
        follows: "Erlang 1917",
        about: NO_LINE,
        seeds: 16,
        quick: false,
        answers: vec![Answer::new(
            "dropped",
            "",
            rho / (1.0 + rho),
            Requirement::Mean { resolution: 0.0, blunt: 0.03 },
        )],
        measure: Box::new(move |seed| {
            let measured = measure(&syns(rho, 20_000.0, ", queue = \"0B\""), seed, &mut ());
            vec![metric(&measured, "attempts.connect_timeout")]
        }),
    }
}
