//! A storm that feeds itself, beside a simulation of its own that shares nothing with the simulator but the definition.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::answer::{Answer, Experiment, Requirement};
use super::simulate::measure;
use super::storms::{Goodput, LAST_S, Storm, collapsed};
use crate::rng::{Bits, Identity, Purpose, Seed};

/// The storms that are compared.
pub(super) fn all() -> Vec<Experiment> {
    vec![compared()]
}

const WORKERS: usize = 4;
const SERVICE_S: f64 = 0.04;
const ONE_WAY_S: f64 = 0.005;
/// A client gives up so long after its connect, and comes again so much later.
const TIMEOUT_S: f64 = 1.0;
const DELAY_S: f64 = 0.1;
const SPIKE_AT_S: f64 = 20.0;

/// Whole nanoseconds, which have an order.
fn ns(seconds: f64) -> u64 {
    (seconds * 1e9) as u64
}

/// What came of it: which share of the sessions of the last seconds opened in them, and how many attempts there were.
struct Outcome {
    opened: f64,
    attempts: u64,
}

/// The same storm: requests in the order in which they arrive go to the worker that is free first, whether their client is
/// still there or not. A client whose answer comes too late sends its next request a timeout, a delay and three ways after the
/// last one.
fn simulated(storm: &Storm, seed: u64) -> Outcome {
    let draw =
        |n: u64, what: u64| -> Bits { Seed(seed).draw(Identity::member("independent", what), Purpose::Program, n) };
    let end = storm.end_s as f64;
    let last = end - LAST_S as f64;
    // Moments at which requests arrive.
    let mut requests: BinaryHeap<Reverse<u64>> = BinaryHeap::new();
    let (mut scheduled, mut at) = (0_u64, 0.0);
    for n in 0.. {
        at += draw(n, 0).exponential() / storm.rate as f64;
        if at >= end {
            break;
        }
        scheduled += u64::from(at >= last);
        requests.push(Reverse(ns(at + 3.0 * ONE_WAY_S)));
    }
    requests.extend((0..storm.spike).map(|_| Reverse(ns(SPIKE_AT_S + 3.0 * ONE_WAY_S))));
    let mut free = [0_u64; WORKERS];
    let (mut opened, mut attempts) = (0_u64, 0_u64);
    while let Some(Reverse(arrival)) = requests.pop() {
        // An attempt begins three ways before its request arrives.
        if arrival >= ns(end + 3.0 * ONE_WAY_S) {
            continue;
        }
        let worker = (0..WORKERS).min_by_key(|worker| free[*worker]).unwrap_or(0);
        let done = arrival.max(free[worker]) + ns(SERVICE_S * draw(attempts, 1).exponential());
        free[worker] = done;
        attempts += 1;
        // The connect was complete one way before the request arrived.
        let connected = arrival - ns(ONE_WAY_S);
        let answer = done + ns(ONE_WAY_S);
        if answer < connected + ns(TIMEOUT_S) {
            opened += u64::from(answer >= ns(last) && answer < ns(end));
        } else {
            requests.push(Reverse(connected + ns(TIMEOUT_S + DELAY_S + 3.0 * ONE_WAY_S)));
        }
    }
    Outcome { opened: opened as f64 / scheduled as f64, attempts }
}

const ABOUT: &str = "The same storm in thirty lines that share no code with the simulator: no connections, no events, one list of \
requests in the order of their arrival, each taken by the worker that is free first; a client whose answer comes later than 1 s \
after its connect sends another request. Its Poisson arrivals and service times are drawn anew. Near the edge luck decides which \
seeds collapse, so the shares of seeds are compared: the mean difference is zero. Where all seeds collapse the attempts are compared, \
which the clients that were left out make again and again: the retry amplification.";

fn compared() -> Experiment {
    const FIXED: &str = "{ policy = \"fixed\", base = \"100ms\" }";
    let no_difference = |what: &str| Answer::new(what, "of seeds", 0.0, Requirement::NoDifference(0.25));
    let same = |what: &str| Answer::new(what, "", 1.0, Requirement::Mean { resolution: 0.0, blunt: 0.02 });
    Experiment {
        name: "retry storm, beside an independent simulation".into(),
        follows: "Kiefer and Wolfowitz 1955",
        about: ABOUT,
        seeds: 100,
        quick: false,
        answers: vec![
            no_difference("collapsed, difference: spike of 90"),
            no_difference("collapsed, difference: spike of 120"),
            same("attempts, ratio: spike of 400"),
            same("attempts, ratio: no spike"),
        ],
        measure: Box::new(move |seed| {
            let both = |spike: u32, rate: u64| {
                let storm = Storm { spike, rate, retry: FIXED, end_s: 60 };
                let mut goodput = Goodput { from: storm.end_s - LAST_S, ..Goodput::default() };
                let measured = measure(&storm.text(), seed, &mut goodput);
                let simulator = Outcome {
                    opened: goodput.opened as f64 / goodput.scheduled as f64,
                    attempts: measured.summary.count("attempts.total"),
                };
                (simulator, simulated(&storm, seed))
            };
            let difference = |(a, b): (Outcome, Outcome)| collapsed(a.opened) - collapsed(b.opened);
            let ratio = |(a, b): (Outcome, Outcome)| a.attempts as f64 / b.attempts as f64;
            vec![difference(both(90, 70)), difference(both(120, 70)), ratio(both(400, 10)), ratio(both(1, 50))]
        }),
    }
}
