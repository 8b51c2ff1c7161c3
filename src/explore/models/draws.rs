//! What is drawn has the distribution that the scenario says: by Kolmogorov's distance.

use libm::{erfc, exp, log, sqrt};

use super::answer::{Answer, Experiment, Requirement};
use super::simulate::simulate;
use crate::client;
use crate::event::{Event, Kind};
use crate::server;
use crate::statistics::{KOLMOGOROV_MEAN, kolmogorov};

const SEEDS: u64 = 24;
const SESSIONS: usize = 2_000;

/// Every distribution.
pub(super) fn all() -> Vec<Experiment> {
    vec![delays(), times(), arrivals()]
}

fn answer(what: &str) -> Answer {
    // Its deviation is 0.26, so the mean of 24 seeds is known to 0.2.
    Answer::new(what, "", KOLMOGOROV_MEAN, Requirement::Mean { resolution: 0.0, blunt: 0.35 })
}

/// A retry policy, and the distribution function of a delay: of its number (from 1), of the session's last delay and of itself,
/// in seconds. Nothing where it says nothing.
type Policy = (&'static str, &'static str, fn(u32, f64, f64) -> Option<f64>);

const POLICIES: [Policy; 9] = [
    ("full-jitter", "policy = 'full-jitter', base = '1s', cap = '4s'", |n, _, delay| Some(delay / doubled(n).min(4.0))),
    ("equal-jitter", "policy = 'equal-jitter', base = '1s', cap = '4s'", |n, _, delay| {
        Some(delay / (doubled(n).min(4.0) / 2.0) - 1.0)
    }),
    (
        "decorrelated-jitter, below its cap",
        "policy = 'decorrelated-jitter', base = '1s', cap = '10s'",
        |_, last, delay| {
            // Of those that are not cut off, each is as likely as any other.
            let most = (3.0 * last.max(1.0)).min(10.0);
            (delay < 10.0).then(|| (delay - 1.0) / (most - 1.0))
        },
    ),
    ("exponential with spread", "policy = 'exponential', base = '1s', cap = '1h', spread = '50%'", |n, _, delay| {
        Some(delay / doubled(n) - 0.5)
    }),
    ("chromium", "policy = 'chromium'", |n, _, delay| Some((delay * 65_536.0 / (2.0 * doubled(n)) - 1.0) / 4.0)),
    ("first", "policy = 'fixed', base = '1s', first = { uniform = { min = '0s', max = '5s' } }", |n, _, delay| {
        (n == 1).then_some(delay / 5.0)
    }),
    ("plus", "policy = 'fixed', base = '1s', plus = { exponential = { mean = '500ms' } }", |_, _, delay| {
        Some(1.0 - exp(-(delay - 1.0) / 0.5))
    }),
    (
        "base_plus",
        "policy = 'fixed', base = '1s', base_plus = { uniform = { min = '1s', max = '2s' } }",
        // Drawn once: the first delay has it, and the others are the same.
        |n, _, delay| (n == 1).then_some(delay - 2.0),
    ),
    (
        "base_plus, the same for life",
        "policy = 'fixed', base = '1s', base_plus = { uniform = { min = '1s', max = '2s' } }",
        |n, _, delay| (n == 5).then_some(delay - 2.0),
    ),
];

/// The delay without jitter before retry `n`, which begins with one second and doubles.
fn doubled(n: u32) -> f64 {
    f64::from(1_u32 << (n - 1))
}

const DELAYS: &str = "2,000 clients are refused six times in a row. Of each delay the distribution function is known, from its \
number and the delay before it; of right draws its values are uniform between 0 and 1. Their distance from that (Kolmogorov and \
Smirnov: the largest difference of the two distribution functions, times the root of the number of values) has a distribution of \
its own, whatever was drawn, whose mean is sqrt(pi/2) ln 2. Wrong draws, and those that resemble each other, are far above it; too \
even ones below.";

fn delays() -> Experiment {
    let measured = |seed: u64, (_, retry, distribution): &Policy| {
        let text = format!(
            r#"
            format = 1
            title = "Delays"
            duration = "200s"
            [servers.one]
            [clients.many]
            count = {SESSIONS}
            endpoints = ["one"]
            retry = {{ {retry}, attempts = 6 }}
            [faults.dead]
            kind = "crash"
            target = "one"
            at = "0s"
            "#
        );
        let mut events: Vec<Event> = Vec::new();
        simulate(&text, seed, &mut events);
        let mut sessions = vec![(0, 0.0); SESSIONS];
        let mut values = Vec::new();
        for event in &events {
            if let Kind::Session(session, client::Event::Retrying { delay }) = event.kind {
                let (count, last) = &mut sessions[session as usize];
                *count += 1;
                values.extend(distribution(*count, *last, delay.as_secs_f64()));
                *last = delay.as_secs_f64();
            }
        }
        kolmogorov(values)
    };
    Experiment {
        name: "retry delays".into(),
        follows: "Kolmogorov 1933",
        about: DELAYS,
        seeds: SEEDS,
        quick: false,
        answers: POLICIES.iter().map(|(name, ..)| answer(name)).collect(),
        measure: Box::new(move |seed| POLICIES.iter().map(|policy| measured(seed, policy)).collect()),
    }
}

/// A distribution of times, and its distribution function, in milliseconds.
type Times = (&'static str, &'static str, fn(f64) -> Option<f64>);

const TIMES: [Times; 5] = [
    ("uniform", "{ uniform = { min = '10ms', max = '30ms' } }", |ms| Some((ms - 10.0) / 20.0)),
    ("exponential", "{ exponential = { mean = '7ms' } }", |ms| Some(1.0 - exp(-ms / 7.0))),
    ("normal, above its cut at zero", "{ normal = { mean = '10ms', deviation = '10ms' } }", |ms| {
        let cut = normal(-1.0);
        // What takes no time takes a worker a nanosecond.
        (ms > 2e-6).then(|| (normal(ms / 10.0 - 1.0) - cut) / (1.0 - cut))
    }),
    ("lognormal", "{ lognormal = { median = '20ms', p99 = '60ms' } }", |ms| {
        // 2.3263 deviations from the median to the 99th percentile.
        Some(normal(log(ms / 20.0) / log(3.0) * 2.326_347_874_040_841))
    }),
    ("quantiles", "{ quantiles = { p0 = '1ms', p50 = '10ms', p90 = '20ms', p100 = '120ms' } }", |ms| {
        let points = [(0.0, 1.0), (0.5, 10.0), (0.9, 20.0), (1.0, 120.0)];
        let pair = points.windows(2).find(|pair| ms <= pair[1].1)?;
        Some(pair[0].0 + (pair[1].0 - pair[0].0) * (ms - pair[0].1) / (pair[1].1 - pair[0].1))
    }),
];

/// The share of a standard normal distribution below a value.
fn normal(value: f64) -> f64 {
    erfc(-value / sqrt(2.0)) / 2.0
}

const OF_TIMES: &str = "2,000 requests to a server with a worker for each, whose `service_time` has one of the distributions that a \
scenario can write. The same distance, of the distribution function of the worker's times.";

fn times() -> Experiment {
    let measured = |seed: u64, (_, time, distribution): &Times| {
        let text = format!(
            r#"
            format = 1
            title = "Times"
            duration = "20s"
            [servers.one]
            workers = {SESSIONS}
            service_time = {time}
            [clients.many]
            count = {SESSIONS}
            endpoints = ["one"]
            "#
        );
        let mut events: Vec<Event> = Vec::new();
        simulate(&text, seed, &mut events);
        let served = events.iter().filter_map(|event| match event.kind {
            Kind::Server(_, server::Event::Answered { served, .. }) => distribution(served.as_millis_f64()),
            _ => None,
        });
        kolmogorov(served.collect())
    };
    Experiment {
        name: "service times".into(),
        follows: "Kolmogorov 1933",
        about: OF_TIMES,
        seeds: SEEDS,
        quick: true,
        answers: TIMES.iter().map(|(name, ..)| answer(name)).collect(),
        measure: Box::new(move |seed| TIMES.iter().map(|times| measured(seed, times)).collect()),
    }
}

const ARRIVALS: &str = "The same of arrivals: the gaps of a Poisson process are exponential, and clients that come at random \
moments are uniform within their time.";

fn arrivals() -> Experiment {
    let at = |seed: u64, arrive: &str| {
        let text = format!(
            r#"
            format = 1
            title = "Arrivals"
            duration = "100s"
            [servers.one]
            [clients.many]
            count = {SESSIONS}
            arrive = {arrive}
            endpoints = ["one"]
            "#
        );
        let mut events: Vec<Event> = Vec::new();
        simulate(&text, seed, &mut events);
        let scheduled = |event: &&Event| matches!(event.kind, Kind::Session(_, client::Event::Scheduled { .. }));
        events.iter().filter(scheduled).map(|event| event.at.0 as f64 / 1e9).collect::<Vec<f64>>()
    };
    Experiment {
        name: "arrivals".into(),
        follows: "Kolmogorov 1933",
        about: ARRIVALS,
        seeds: SEEDS,
        quick: false,
        answers: vec![answer("poisson, its gaps"), answer("randomly_over")],
        measure: Box::new(move |seed| {
            let poisson = at(seed, "{ poisson = { rate = '100/s' } }");
            let gaps = poisson.windows(2).map(|pair| 1.0 - exp(-100.0 * (pair[1] - pair[0])));
            let random = at(seed, "{ randomly_over = '50s' }");
            vec![kolmogorov(gaps.collect()), kolmogorov(random.iter().map(|at| at / 50.0).collect())]
        }),
    }
}
