//! Processors that are shared: the response time does not depend on the distribution of the work.

use super::answer::{Answer, Experiment, Requirement};
use super::queueing::queue_of;
use super::simulate::{measure, metric};
use crate::statistics::mean_wait;

/// Mean work of every request here.
const WORK_S: f64 = 0.001;
/// A request and its response are on the way for so long together.
const PATH_S: f64 = 0.002;
const SEEDS: u64 = 16;
/// More workers than requests will ever be in progress.
const WORKERS: u32 = 100_000;

const EXPONENTIAL: (&str, &str) = ("exponential", "{ exponential = { mean = \"1ms\" } }");
const CONSTANT: (&str, &str) = ("constant", "\"1ms\"");
/// Its logarithm deviates by 1.5: the square of its coefficient of variation is 8.5.
const LOGNORMAL: (&str, &str) = ("lognormal", "{ lognormal = { median = \"324.65us\", p99 = \"10.638ms\" } }");

const SHARED: &str = "Poisson arrivals, work of 1 ms on average, c processors that all requests in progress share: n of them each \
get min(1, c / n) of one. A tenth of the arrivals is warm-up. The number in progress follows the same birth and death process as \
that of M/M/c, so the mean response time is that queue's, 1 / (1 - rho) mean works with one processor. Kelly (1979): it depends on \
the mean of the work alone, not on its distribution, which a queue in order of arrival does (Pollaczek and Khinchine). Utilisation \
is rho.";

const SLOWED: &str = "Workers that slow each other down by the universal scalability law, without a queue: n requests in progress do \
n / (1 + 0.05 (n - 1) + 0.01 n (n - 1)) times the work of one, and what finds 8 in progress is answered 503. A birth and death \
process again: the ratio of two neighbouring states is the rate of arrivals divided by that rate of ends. From its shares follow \
who is refused and, by Little's law, how long a response takes.";

/// Every one of them.
pub(super) fn all() -> Vec<Experiment> {
    let mut all = vec![
        shared(1, 0.5, 10_000.0, CONSTANT),
        shared(1, 0.8, 40_000.0, EXPONENTIAL),
        shared(1, 0.8, 40_000.0, CONSTANT),
        shared(1, 0.8, 60_000.0, LOGNORMAL),
        shared(4, 0.8, 40_000.0, EXPONENTIAL),
        shared(4, 0.8, 40_000.0, CONSTANT),
    ];
    all.extend([EXPONENTIAL, CONSTANT].map(slowed));
    all
}

fn shared(c: u32, rho: f64, arrivals: f64, (shape, work): (&'static str, &'static str)) -> Experiment {
    let mean = |blunt| Requirement::Mean { resolution: 0.0, blunt };
    Experiment {
        name: format!("shared by {c}, rho {rho}, {shape}"),
        follows: "Kelly 1979",
        about: SHARED,
        seeds: SEEDS,
        quick: rho == 0.5,
        answers: vec![
            Answer::new("mean response time", "works", 1.0 + mean_wait(c, rho), mean(0.1)),
            Answer::new("utilisation", "", rho, mean(0.03)),
        ],
        measure: Box::new(move |seed| {
            let server = format!("cores = {c}\nservice_time = {work}");
            let (text, ..) = queue_of(WORKERS, f64::from(c) * rho / WORK_S, &server, arrivals);
            let measured = measure(&text, seed, &mut ());
            let response = metric(&measured, "handshake_latency.mean") - PATH_S;
            vec![response / WORK_S, metric(&measured, "servers.one.utilisation.mean")]
        }),
    }
}

/// The shares of time with 0, 1, … requests in progress.
fn shares(offered: f64, most: u32) -> Vec<f64> {
    let mut states = vec![1.0];
    for n in (1..=most).map(f64::from) {
        let slower = 1.0 + 0.05 * (n - 1.0) + 0.01 * n * (n - 1.0);
        states.push(states[states.len() - 1] * offered * slower / n);
    }
    let all: f64 = states.iter().sum();
    states.into_iter().map(|state| state / all).collect()
}

fn slowed((shape, work): (&'static str, &'static str)) -> Experiment {
    let (offered, most) = (3.0, 8);
    let states = shares(offered, most);
    let refused = states[most as usize];
    let in_progress: f64 = states.iter().enumerate().map(|(n, share)| n as f64 * share).sum();
    let mean = |blunt| Requirement::Mean { resolution: 0.0, blunt };
    Experiment {
        name: format!("slowed by each other, {shape}"),
        follows: "Gunther 2007, Little 1961",
        about: SLOWED,
        seeds: SEEDS,
        quick: false,
        answers: vec![
            Answer::new("refused", "", refused, mean(0.1)),
            Answer::new("mean response time", "works", in_progress / (offered * (1.0 - refused)), mean(0.1)),
        ],
        measure: Box::new(move |seed| {
            let slowdown = "slowdown = { contention = \"5%\", coherency = \"1%\" }\nqueue_max = 0";
            let server = format!("service_time = {work}\n{slowdown}");
            let (text, ..) = queue_of(most, offered / WORK_S, &server, 40_000.0);
            let measured = measure(&text, seed, &mut ());
            let response = metric(&measured, "handshake_latency.mean") - PATH_S;
            vec![metric(&measured, "attempts.rejected"), response / WORK_S]
        }),
    }
}
