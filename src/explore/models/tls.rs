//! TLS handshakes: their round trips, and the queue that their price makes.

use super::answer::{Answer, Experiment, Requirement};
use super::simulate::{measure, metric, simulate};
use crate::client;
use crate::event::{Event, Kind};
use crate::statistics::mean_wait;

/// Every one.
pub(super) fn all() -> Vec<Experiment> {
    let mut all = vec![
        round_trips("none", &[("the first handshake", 0.020)], "RFC 6455"),
        round_trips(
            "1.2",
            &[("the first handshake", 0.020 + 0.040 + 0.003), ("the next, resumed", 0.020 + 0.020 + 0.001)],
            "RFC 5246, RFC 5077",
        ),
        round_trips(
            "1.3",
            &[("the first handshake", 0.020 + 0.020 + 0.003), ("the next, resumed", 0.020 + 0.020 + 0.001)],
            "RFC 8446",
        ),
    ];
    all.extend([(0.5, 10_000.0), (0.8, 20_000.0)].map(|(rho, arrivals)| queue(rho, arrivals)));
    all
}

const ROUND_TRIPS: &str = "One client, 10 ms away, opens twice a server that takes no time for a request, 3 ms for a \
full TLS handshake and 1 ms for one that resumes. From TCP up to open it takes a round trip of 20 ms for the request, \
and for TLS 1.3 another, for TLS 1.2 another two in full and another one when resumed, and the server's time. \
Deterministic: compared to the nanosecond.";

fn round_trips(version: &'static str, expected: &[(&str, f64)], follows: &'static str) -> Experiment {
    let prices = if version == "none" { "" } else { "tls_cost = \"3ms\"\ntls_resumed_cost = \"1ms\"" };
    let text = format!(
        r#"
        format = 1
        title = "TLS"
        duration = "10s"
        [network]
        one_way = "10ms"
        [servers.one]
        service_time = "0s"
        tls = "{version}"
        {prices}
        [clients.one]
        count = 1
        arrive = {{ closed_loop = {{ think = "1s", over = "0s" }} }}
        hold = "1s"
        endpoints = ["one"]
        "#
    );
    let answers: Vec<Answer> =
        expected.iter().map(|(what, seconds)| Answer::new(*what, "s", *seconds, Requirement::Equal)).collect();
    let count = answers.len();
    Experiment {
        name: format!("TLS {version}"),
        follows,
        about: ROUND_TRIPS,
        seeds: 1,
        quick: true,
        answers,
        measure: Box::new(move |seed| {
            let mut events: Vec<Event> = Vec::new();
            simulate(&text, seed, &mut events);
            let of = |pick: fn(client::Event) -> bool| {
                let at = |event: &Event| match event.kind {
                    Kind::Session(_, kind) if pick(kind) => Some(event.at.0 as f64 / 1e9),
                    _ => None,
                };
                events.iter().filter_map(at).collect::<Vec<f64>>()
            };
            let up = of(|kind| matches!(kind, client::Event::Connected { .. }));
            let open = of(|kind| matches!(kind, client::Event::Opened { .. }));
            up.iter().zip(open).take(count).map(|(up, open)| open - up).collect()
        }),
    }
}

const QUEUE: &str = "Poisson arrivals at a server of one worker that takes exactly 1 ms for each TLS handshake and \
nothing for requests: M/D/1. What TLS takes beyond its round trip and that 1 ms is the wait, half of the wait of \
M/M/1. Requests wait in the same queue, and make nobody wait.";

fn queue(rho: f64, arrivals: f64) -> Experiment {
    Experiment {
        name: format!("TLS as M/D/1 rho {rho}"),
        follows: "Pollaczek, Khinchine",
        about: QUEUE,
        seeds: 16,
        quick: false,
        answers: vec![Answer::new(
            "mean wait",
            "service times",
            mean_wait(1, rho) / 2.0,
            Requirement::Mean { resolution: 0.0, blunt: 0.1 },
        )],
        measure: Box::new(move |seed| {
            let rate = rho * 1_000.0;
            let until = arrivals / rate;
            let text = format!(
                r#"
                format = 1
                title = "Handshakes that wait"
                duration = "{}s"
                [network]
                one_way = "1ms"
                [servers.one]
                workers = 1
                service_time = "0s"
                tls = "1.3"
                tls_cost = "1ms"
                [clients.many]
                count = {}
                arrive = {{ poisson = {{ rate = "{rate}/s" }} }}
                endpoints = ["one"]
                [measure]
                from = "2s"
                until = "{until}s"
                "#,
                until + 2.0,
                (arrivals * 1.3) as u64 + 2_000,
            );
            let measured = measure(&text, seed, &mut ());
            vec![(metric(&measured, "tls_latency.mean") - 0.002 - 0.001) / 0.001]
        }),
    }
}
