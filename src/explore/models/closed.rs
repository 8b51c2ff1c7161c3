//! What can be worked out on paper: round trips, jitter, arrivals, distributions.

use super::answer::{Answer, Experiment, Requirement};
use super::simulate::{measure, metric, simulate};
use crate::client;
use crate::event::{Event, Kind};

/// Every closed form.
pub(super) fn all() -> Vec<Experiment> {
    vec![round_trips(), redirect(), jitter(), lognormal(), evenly(), uniform(), poisson()]
}

/// Seconds of the moments at which sessions were scheduled.
fn arrivals(events: &[Event]) -> Vec<f64> {
    let scheduled = |event: &&Event| matches!(event.kind, Kind::Session(_, client::Event::Scheduled { .. }));
    events.iter().filter(scheduled).map(|event| event.at.0 as f64 / 1e9).collect()
}

const ROUND_TRIPS: &str = "100 clients, one after the other, 20 ms one way, and a server that takes no time: SYN, \
SYN-ACK, request, answer are four ways, 80 ms, for each of them.";

fn round_trips() -> Experiment {
    let text = r#"
        format = 1
        title = "Round trips"
        duration = "10s"
        [servers.one]
        service_time = "0s"
        [clients.many]
        count = 100
        endpoints = ["one"]
    "#;
    Experiment {
        name: "handshake".into(),
        follows: "2 RTT",
        about: ROUND_TRIPS,
        seeds: 1,
        quick: true,
        answers: vec![
            Answer::new("the fastest opens after", "s", 0.08, Requirement::Equal),
            Answer::new("the slowest opens after", "s", 0.08, Requirement::Equal),
        ],
        measure: Box::new(move |seed| {
            let measured = measure(text, seed, &mut ());
            vec![metric(&measured, "time_to_open.min"), metric(&measured, "time_to_open.max")]
        }),
    }
}

const REDIRECT: &str = "The same through one redirect: a second connect and a second request, four more ways. Nothing \
else may cost time: 160 ms.";

fn redirect() -> Experiment {
    let text = r#"
        format = 1
        title = "A redirect"
        duration = "10s"
        [servers.front]
        service_time = "0s"
        behavior = { kind = "redirect", to = "back" }
        [servers.back]
        service_time = "0s"
        [clients.many]
        count = 100
        endpoints = ["front"]
        mode = "final-response"
    "#;
    Experiment {
        name: "redirect".into(),
        follows: "4 RTT",
        about: REDIRECT,
        seeds: 1,
        quick: true,
        answers: vec![
            Answer::new("the fastest opens after", "s", 0.16, Requirement::Equal),
            Answer::new("the slowest opens after", "s", 0.16, Requirement::Equal),
        ],
        measure: Box::new(move |seed| {
            let measured = measure(text, seed, &mut ());
            vec![metric(&measured, "time_to_open.min"), metric(&measured, "time_to_open.max")]
        }),
    }
}

const JITTER: &str = "2,000 clients are refused six times in a row. With full jitter, retry n waits a uniform time \
between 0 and min(cap, base 2^(n-1)): half of that on average, 0.5 s, 1 s, 2 s and, at the cap of 4 s, 2 s again; the \
deviation of a uniform is its width over the root of 12.";

fn jitter() -> Experiment {
    let text = r#"
        format = 1
        title = "Full jitter"
        duration = "60s"
        [servers.one]
        [clients.many]
        count = 2_000
        endpoints = ["one"]
        retry = { policy = "full-jitter", base = "1s", cap = "4s", attempts = 6 }
        [faults.dead]
        kind = "crash"
        target = "one"
        at = "0s"
    "#;
    let near = Requirement::Mean { resolution: 0.0, blunt: 0.03 };
    Experiment {
        name: "full jitter".into(),
        follows: "uniform distribution",
        about: JITTER,
        seeds: 8,
        quick: true,
        answers: vec![
            Answer::new("mean of delay 1", "s", 0.5, near),
            Answer::new("mean of delay 2", "s", 1.0, near),
            Answer::new("mean of delay 3", "s", 2.0, near),
            Answer::new("mean of delay 5", "s", 2.0, near),
            Answer::new("deviation of delay 3", "s", 4.0 / 12.0_f64.sqrt(), near),
        ],
        measure: Box::new(move |seed| {
            let mut events: Vec<Event> = Vec::new();
            simulate(text, seed, &mut events);
            let mut retries = vec![0_usize; 2_000];
            let mut delays: Vec<Vec<f64>> = vec![Vec::new(); 6];
            for event in &events {
                if let Kind::Session(session, client::Event::Retrying { delay }) = event.kind {
                    let count = &mut retries[session as usize];
                    delays[*count].push(delay.as_secs_f64());
                    *count += 1;
                }
            }
            let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
            let third = mean(&delays[2]);
            let squares: Vec<f64> = delays[2].iter().map(|delay| (delay - third) * (delay - third)).collect();
            vec![mean(&delays[0]), mean(&delays[1]), third, mean(&delays[4]), mean(&squares).sqrt()]
        }),
    }
}

const LOGNORMAL: &str = "20,000 clients whose way is lognormal with a median of 20 ms and a 99th percentile of 60 ms, \
drawn once per pair of hosts: a handshake is four times that way, so its percentiles are four times the configured \
ones. Percentiles come from a histogram that resolves 0.1 %.";

fn lognormal() -> Experiment {
    let text = r#"
        format = 1
        title = "Lognormal ways"
        duration = "10s"
        [network]
        one_way = { lognormal = { median = "20ms", p99 = "60ms" } }
        [servers.one]
        service_time = "0s"
        [clients.many]
        count = 20_000
        endpoints = ["one"]
    "#;
    let near = |blunt| Requirement::Mean { resolution: 0.001, blunt };
    Experiment {
        name: "lognormal ways".into(),
        follows: "as configured",
        about: LOGNORMAL,
        seeds: 16,
        quick: false,
        answers: vec![
            Answer::new("p50 of time to open", "s", 0.08, near(0.02)),
            Answer::new("p99 of time to open", "s", 0.24, near(0.03)),
        ],
        measure: Box::new(move |seed| {
            let measured = measure(text, seed, &mut ());
            vec![metric(&measured, "time_to_open.p50"), metric(&measured, "time_to_open.p99")]
        }),
    }
}

const EVENLY: &str = "`evenly_over`: 1,000 clients in 4 s come 4 ms apart, each of them.";

fn evenly() -> Experiment {
    let text = r#"
        format = 1
        title = "Evenly"
        duration = "5s"
        [servers.one]
        [clients.many]
        count = 1_000
        arrive = { evenly_over = "4s" }
        endpoints = ["one"]
    "#;
    Experiment {
        name: "evenly_over".into(),
        follows: "as configured",
        about: EVENLY,
        seeds: 1,
        quick: true,
        answers: vec![
            Answer::new("the smallest gap", "s", 0.004, Requirement::Equal),
            Answer::new("the largest gap", "s", 0.004, Requirement::Equal),
        ],
        measure: Box::new(move |seed| {
            let mut events: Vec<Event> = Vec::new();
            simulate(text, seed, &mut events);
            let at = arrivals(&events);
            let gaps = || at.windows(2).map(|pair| pair[1] - pair[0]);
            vec![gaps().fold(f64::INFINITY, f64::min), gaps().fold(0.0, f64::max)]
        }),
    }
}

const UNIFORM: &str = "`randomly_over`: nine clients at uniformly random moments of 10 s. The k-th of n uniforms is \
at k / (n + 1) on average: the first after 1 s, the fifth after 5 s, the last after 9 s. The first one's deviation is \
that of a beta distribution, sqrt(k (n + 1 - k) / (n + 2)) / (n + 1); in the table it is squared, as variances \
average over seeds.";

fn uniform() -> Experiment {
    let text = r#"
        format = 1
        title = "At random"
        duration = "11s"
        [servers.one]
        [clients.many]
        count = 9
        arrive = { randomly_over = "10s" }
        endpoints = ["one"]
    "#;
    let near = |blunt| Requirement::Mean { resolution: 0.0, blunt };
    Experiment {
        name: "randomly_over".into(),
        follows: "order statistics",
        about: UNIFORM,
        seeds: 2_000,
        quick: false,
        answers: vec![
            Answer::new("the first of nine", "s", 1.0, near(0.1)),
            Answer::new("the fifth", "s", 5.0, near(0.05)),
            Answer::new("the last", "s", 9.0, near(0.05)),
            Answer::new("variance of the first", "s2", 9.0 / 11.0, near(0.25)),
        ],
        measure: Box::new(move |seed| {
            let mut events: Vec<Event> = Vec::new();
            simulate(text, seed, &mut events);
            let at = arrivals(&events);
            vec![at[0], at[4], at[8], (at[0] - 1.0) * (at[0] - 1.0)]
        }),
    }
}

const POISSON: &str = "`poisson`: 100/s for 200 s. Counts of a second have a variance equal to their mean (dispersion \
index 1), which neither even nor clustered arrivals have; gaps are exponential, so that the share e^-1 of them is \
longer than the mean.";

fn poisson() -> Experiment {
    let text = r#"
        format = 1
        title = "Poisson"
        duration = "200s"
        [servers.one]
        [clients.many]
        count = 25_000
        arrive = { poisson = { rate = "100/s" } }
        endpoints = ["one"]
    "#;
    let near = |blunt| Requirement::Mean { resolution: 0.0, blunt };
    Experiment {
        name: "poisson".into(),
        follows: "Poisson process",
        about: POISSON,
        seeds: 16,
        quick: false,
        answers: vec![
            Answer::new("arrivals per second", "", 100.0, near(0.02)),
            Answer::new("dispersion index", "", 1.0, near(0.15)),
            Answer::new("gaps longer than the mean", "", (-1.0_f64).exp(), near(0.02)),
        ],
        measure: Box::new(move |seed| {
            let mut events: Vec<Event> = Vec::new();
            simulate(text, seed, &mut events);
            let at = arrivals(&events);
            let mut counts = [0.0_f64; 200];
            at.iter().for_each(|at| counts[*at as usize % 200] += 1.0);
            let mean = at.len() as f64 / 200.0;
            let variance = counts.iter().map(|count| (count - mean) * (count - mean)).sum::<f64>() / 199.0;
            let long = at.windows(2).filter(|pair| pair[1] - pair[0] > 0.01).count();
            vec![mean, variance / mean, long as f64 / (at.len() - 1) as f64]
        }),
    }
}
