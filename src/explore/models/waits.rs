//! Queues that are not Erlang's: many workers with a constant time, and a queue with an end.

use super::answer::{Answer, Experiment, Requirement};
use super::queueing::queue_of;
use super::simulate::{measure, metric};
use crate::metrics::Measured;
use crate::statistics::{Constant, Finite, constant_mean_wait};

const SEEDS: u64 = 16;

/// Every queue.
pub(super) fn all() -> Vec<Experiment> {
    vec![
        constant(2, 0.8, 60_000.0, true, 0.1),
        constant(4, 0.8, 60_000.0, true, 0.1),
        constant(16, 0.9, 100_000.0, true, 0.15),
        constant(200, 0.95, 200_000.0, false, 0.25),
        finite(1, 6, 0.8, 60_000.0, &["p90", "p99"]),
        finite(1, 11, 1.2, 60_000.0, &["p50", "p90", "p99"]),
        finite(4, 12, 0.95, 60_000.0, &["p90", "p99"]),
        finite(16, 40, 1.0, 80_000.0, &["p90", "p99"]),
        finite(200, 240, 1.05, 120_000.0, &["p50", "p90", "p99"]),
    ]
}

/// Mean service time: longer with many workers, so that the network is not what a million arrivals per second make of it.
fn service_ms(c: u32) -> u32 {
    if c > 100 { 100 } else { 1 }
}

fn waits(measured: &Measured, c: u32, statistic: &str) -> f64 {
    metric(measured, &format!("servers.one.queue_wait.{statistic}")) * 1e3 / f64::from(service_ms(c))
}

/// What is compared of a percentile.
fn share_of(statistic: &str) -> f64 {
    match statistic {
        "p50" => 0.5,
        "p90" => 0.9,
        _ => 0.99,
    }
}

const CONSTANT: &str = "Poisson arrivals, c workers, a constant service time, an unbounded queue; a tenth of the arrivals is \
warm-up. Crommelin (1932) has the mean wait of all requests as a sum of tails of Poisson distributions. Franx (2001) has the whole \
distribution: how many wait now follows from who arrived within the last service time, so the shares of time with each length of the \
queue are counted through, and with them the percentiles of the wait.";

fn constant(c: u32, rho: f64, arrivals: f64, has_percentiles: bool, blunt: f64) -> Experiment {
    let near = Requirement::Mean { resolution: 0.001, blunt };
    let mut answers = vec![Answer::new("mean wait", "service times", constant_mean_wait(c, rho), near)];
    let percentiles: &'static [&'static str] = if has_percentiles { &["p90", "p99"] } else { &[] };
    if has_percentiles {
        let queue = Constant::new(c, rho);
        answers.extend(percentiles.iter().map(|statistic| {
            let expected = queue.wait_quantile(share_of(statistic));
            Answer::new(format!("{statistic} of the wait"), "service times", expected, near)
        }));
    }
    Experiment {
        name: format!("M/D/{c} rho {rho}"),
        follows: "Crommelin 1932, Franx 2001",
        about: CONSTANT,
        seeds: SEEDS,
        quick: false,
        answers,
        measure: Box::new(move |seed| {
            let service = service_ms(c);
            let rate = f64::from(c) * rho * 1e3 / f64::from(service);
            let (text, ..) = queue_of(c, rate, &format!("service_time = \"{service}ms\""), arrivals);
            let measured = measure(&text, seed, &mut ());
            std::iter::once(&"mean").chain(percentiles).map(|statistic| waits(&measured, c, statistic)).collect()
        }),
    }
}

const FINITE: &str = "Poisson arrivals, c workers, exponential service, and room for K requests in all: `queue_max` is K - c, and \
one more is answered 503. The shares of time with n requests are those of a birth-death process: each is the last one times the load \
divided by the workers that are busy. Arrivals see what time sees, so the share of n = K is refused. Who finds n >= c waits for n + \
1 - c ends of service at the rate of all workers (a gamma distribution), from which follow the mean and the percentiles of the wait \
of those that are served.";

fn finite(c: u32, room: u32, rho: f64, arrivals: f64, percentiles: &'static [&'static str]) -> Experiment {
    let near = |blunt| Requirement::Mean { resolution: 0.001, blunt };
    let queue = Finite::new(c, room, rho);
    let mut answers = vec![
        Answer::new("refused", "", queue.refused(), near(0.1)),
        Answer::new("mean wait", "service times", queue.mean_wait(), near(0.1)),
    ];
    answers.extend(percentiles.iter().map(|statistic| {
        let expected = queue.wait_quantile(share_of(statistic));
        Answer::new(format!("{statistic} of the wait"), "service times", expected, near(0.1))
    }));
    Experiment {
        name: format!("M/M/{c}/{room} rho {rho}"),
        follows: "birth and death",
        about: FINITE,
        seeds: SEEDS,
        quick: c == 1 && room == 6,
        answers,
        measure: Box::new(move |seed| {
            let service = service_ms(c);
            let rate = f64::from(c) * rho * 1e3 / f64::from(service);
            let server = format!(
                "service_time = {{ exponential = {{ mean = \"{service}ms\" }} }}\nqueue_max = {}\nqueue_full = \"reject\"",
                room - c
            );
            let (text, ..) = queue_of(c, rate, &server, arrivals);
            let measured = measure(&text, seed, &mut ());
            let mut values = vec![metric(&measured, "attempts.rejected")];
            values.extend(std::iter::once(&"mean").chain(percentiles).map(|statistic| waits(&measured, c, statistic)));
            values
        }),
    }
}
