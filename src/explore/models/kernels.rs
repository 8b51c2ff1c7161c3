//! What kernels do when there is no answer.

use super::answer::{Answer, Experiment, Requirement};
use super::simulate::simulate;
use crate::client;
use crate::event::{Event, Kind};
use crate::network;

/// Seconds of the moments at which `pick` finds something.
fn moments(events: &[Event], pick: impl Fn(Kind) -> bool) -> Vec<f64> {
    events.iter().filter(|event| pick(event.kind)).map(|event| event.at.0 as f64 / 1e9).collect()
}

fn started(kind: Kind) -> bool {
    matches!(kind, Kind::Session(_, client::Event::AttemptStarted { .. }))
}

fn connected(kind: Kind) -> bool {
    matches!(kind, Kind::Session(_, client::Event::Connected { .. }))
}

fn dropped(kind: Kind) -> bool {
    matches!(kind, Kind::Network(_, network::Event::SynDropped { .. }))
}

/// Every kernel's.
pub(super) fn all() -> Vec<Experiment> {
    let linux = &[0.0, 1.0, 3.0, 7.0, 15.0, 31.0, 63.0][..];
    let linear = &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 11.0, 19.0, 35.0, 67.0][..];
    vec![
        black_hole("linux", "1h", 127.0, linux, "Linux before 6.5, RFC 6298"),
        black_hole("linux-6.5", "1h", 131.0, linear, "Linux 6.5"),
        black_hole("macos", "1h", 75.0, &[], "macOS"),
        black_hole("linux", "10s", 10.0, &linux[..4], "connect_timeout"),
        black_hole("linux-6.5", "10s", 10.0, &linear[..7], "connect_timeout"),
        full_accept_queue(),
    ]
}

const BLACK_HOLE: &str = "The server's host is off before the only client connects. Its kernel repeats the SYN until \
it gives up: Linux before 6.5 at 1, 3, 7, 15, 31, 63 s and fails at 127 s; Linux since 6.5 (`tcp_syn_linear_timeouts` \
= 4) at 1, 2, 3, 4, 5, 7, 11, 19, 35, 67 s and fails at 131 s; macOS fails at 75 s. A client whose own timeout is \
shorter fails then, and its later SYNs are never sent. Deterministic: compared to the nanosecond.";

fn black_hole(
    kernel: &'static str,
    timeout: &'static str,
    fails: f64,
    syns: &'static [f64],
    follows: &'static str,
) -> Experiment {
    let text = format!(
        r#"
        format = 1
        title = "A black hole"
        duration = "200s"
        [network]
        syn_retries = "{kernel}"
        [servers.one]
        [clients.one]
        count = 1
        start = "1s"
        arrive = "at_once"
        endpoints = ["one"]
        connect_timeout = "{timeout}"
        retry = {{ policy = "none" }}
        [faults.off]
        kind = "power-off"
        target = "one"
        at = "0s"
        "#
    );
    let mut answers = vec![Answer::new("the connect fails after", "s", fails, Requirement::Equal)];
    // Only the end of macOS's schedule is known from a source.
    if !syns.is_empty() {
        answers.push(Answer::new("SYNs", "", syns.len() as f64, Requirement::Equal));
        answers.push(Answer::new("the SYN farthest off its second", "s", 0.0, Requirement::Equal));
    }
    Experiment {
        name: format!("black hole, {kernel}, {timeout}"),
        follows,
        about: BLACK_HOLE,
        seeds: 1,
        quick: true,
        answers,
        measure: Box::new(move |seed| {
            let mut events: Vec<Event> = Vec::new();
            simulate(&text, seed, &mut events);
            let began = moments(&events, started);
            let failed = moments(&events, |kind| {
                let failed = |failure| failure == client::Failure::ConnectTimeout;
                matches!(kind, Kind::Session(_, client::Event::AttemptFailed { failure, .. }) if failed(failure))
            });
            let sent = moments(&events, dropped);
            let off = sent.iter().zip(syns).map(|(at, second)| (at - sent[0] - second).abs()).fold(0.0, f64::max);
            let fails = failed.first().zip(began.first()).map_or(f64::NAN, |(failed, began)| failed - began);
            vec![fails, sent.len() as f64, off]
        }),
    }
}

const ACCEPT_QUEUE: &str = "Twenty clients come 50 ms apart to a process that is stopped for 1.2 s and has a backlog \
of 8. Its kernel completes nine connects, one more than the backlog; every SYN after that is dropped. Their clients' \
kernels repeat it after 1 s, when the process runs again, so that each of the eleven is connected after 1 s and a round \
trip of 2 ms, to the nanosecond.";

fn full_accept_queue() -> Experiment {
    let text = r#"
        format = 1
        title = "A full accept queue"
        duration = "5s"
        [network]
        one_way = "1ms"
        [servers.one]
        backlog = 8
        [clients.many]
        count = 20
        arrive = { evenly_over = "1s" }
        endpoints = ["one"]
        [faults.stopped]
        kind = "hang"
        target = "one"
        at = "0s"
        for = "1.2s"
    "#;
    Experiment {
        name: "full accept queue".into(),
        follows: "Linux, RFC 6298",
        about: ACCEPT_QUEUE,
        seeds: 1,
        quick: true,
        answers: vec![
            Answer::new("connects while the process is stopped", "", 9.0, Requirement::Equal),
            Answer::new("SYNs dropped", "", 11.0, Requirement::Equal),
            Answer::new("the first client beyond is connected after", "s", 1.002, Requirement::Equal),
            Answer::new("the last client is connected after", "s", 1.002, Requirement::Equal),
        ],
        measure: Box::new(move |seed| {
            let mut events: Vec<Event> = Vec::new();
            simulate(text, seed, &mut events);
            let began = moments(&events, started);
            let up = moments(&events, connected);
            // Clients stay in order: both lists have it.
            let took = |client: usize| up.get(client).zip(began.get(client)).map_or(f64::NAN, |(up, began)| up - began);
            let early = up.iter().filter(|at| **at < 1.2).count();
            vec![early as f64, moments(&events, dropped).len() as f64, took(9), took(19)]
        }),
    }
}
