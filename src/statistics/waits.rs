//! Waits in queues that Erlang's formulas do not cover: constant service times with many workers, and a queue with an end.
//! All times are in mean service times.

use libm::{exp, lgamma, log};

use super::inverse::inverse;

/// Mean wait with Poisson arrivals and a constant service time (M/D/c), of all requests: Crommelin, "Delay probability
/// formulae when the holding times are constant", 1932.
pub(crate) fn constant_mean_wait(c: u32, rho: f64) -> f64 {
    let mut sum = 0.0;
    for i in 1..100_000_u32 {
        let (least, mean) = (f64::from(i * c), f64::from(i * c) * rho);
        let first = exp(least * log(mean) - mean - lgamma(least + 1.0));
        let tail = tail_from(least, first, mean);
        let term = tail - (tail - first) / rho;
        sum += term;
        if term < 1e-14 {
            break;
        }
    }
    sum
}

/// The share of a Poisson distribution from `least` on, which is above its mean and has the share `first`.
fn tail_from(least: f64, first: f64, mean: f64) -> f64 {
    let (mut term, mut sum, mut count) = (first, 0.0, least);
    while term > sum * 1e-17 {
        sum += term;
        count += 1.0;
        term *= mean / count;
    }
    sum
}

/// Poisson arrivals, a constant service time and few workers (M/D/c), with the whole distribution of the wait: Franx, "A simple
/// solution for the M/D/c waiting time distribution", 2001.
#[derive(Debug, Clone)]
pub(crate) struct Constant {
    workers: usize,
    rho: f64,
    /// The shares of time that at most 0, 1, 2, … requests wait.
    queued: Vec<f64>,
}

impl Constant {
    /// The states are counted through: who is served at one moment is gone one service time later, when those who came
    /// meanwhile are there.
    pub(crate) fn new(workers: u32, rho: f64) -> Constant {
        let c = workers as usize;
        let states = c + 150;
        let mean = f64::from(workers) * rho;
        let arrive: Vec<f64> = (0..states).map(|n| exp(n as f64 * log(mean) - mean - lgamma(n as f64 + 1.0))).collect();
        let mut now = vec![1.0 / states as f64; states];
        let mut change = 1.0;
        while change > 1e-13 {
            let served: f64 = now[..=c].iter().sum();
            let of = |n: usize| {
                let stay = c + 1..(c + n + 1).min(states);
                served * arrive[n] + stay.map(|before| now[before] * arrive[n + c - before]).sum::<f64>()
            };
            let mut next: Vec<f64> = (0..states).map(of).collect();
            let all: f64 = next.iter().sum();
            next.iter_mut().for_each(|share| *share /= all);
            change = now.iter().zip(&next).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            now = next;
        }
        let mut sum = now[..c].iter().sum::<f64>();
        let so_far = |share: &f64| {
            sum += share;
            sum
        };
        Constant { workers: c, rho, queued: now[c..].iter().map(so_far).collect() }
    }

    /// The wait that a share of all requests does not exceed.
    pub(crate) fn wait_quantile(&self, share: f64) -> f64 {
        inverse(|wait| {
            let slots = wait as usize + 1;
            let most = slots * self.workers;
            let mean = self.workers as f64 * self.rho * (slots as f64 - wait);
            let mut poisson = exp(-mean);
            let mut sum = 0.0;
            for arrived in 0..most {
                sum += self.queued.get(most - 1 - arrived).copied().unwrap_or(1.0) * poisson;
                poisson *= mean / (arrived + 1) as f64;
            }
            sum < share
        })
    }
}

/// A queue with an end: Poisson arrivals, exponential service, `workers`, and room for `room` requests in all (M/M/c/K).
#[derive(Debug, Clone)]
pub(crate) struct Finite {
    workers: usize,
    /// The shares of time with 0, 1, … requests.
    states: Vec<f64>,
}

impl Finite {
    pub(crate) fn new(workers: u32, room: u32, rho: f64) -> Finite {
        let offered = f64::from(workers) * rho;
        let mut states = vec![1.0];
        for n in 1..=room {
            let last = states[n as usize - 1];
            states.push(last * offered / f64::from(n.min(workers)));
            // The largest stays near one, so that many workers do not overflow.
            if last > 1e200 {
                states.iter_mut().for_each(|share| *share *= 1e-200);
            }
        }
        let all: f64 = states.iter().sum();
        states.iter_mut().for_each(|share| *share /= all);
        Finite { workers: workers as usize, states }
    }

    /// The share that finds it full: arrivals see what time sees.
    pub(crate) fn refused(&self) -> f64 {
        self.states.last().copied().unwrap_or(1.0)
    }

    /// Mean wait of those that are served.
    pub(crate) fn mean_wait(&self) -> f64 {
        let full = self.states.len() - 1;
        let waits = (self.workers..full).map(|n| self.states[n] * (n + 1 - self.workers) as f64 / self.workers as f64);
        waits.sum::<f64>() / (1.0 - self.refused())
    }

    /// The wait that a share of those that are served does not exceed.
    pub(crate) fn wait_quantile(&self, share: f64) -> f64 {
        let full = self.states.len() - 1;
        inverse(|wait| {
            // Who finds n there waits for n + 1 - c ends of service, which come at the rate of all workers.
            let ends = wait * self.workers as f64;
            let (mut term, mut fewer, mut longer) = (exp(-ends), 0.0, 0.0);
            for n in self.workers..full {
                fewer += term;
                longer += self.states[n] * fewer;
                term *= ends / (n + 1 - self.workers) as f64;
            }
            1.0 - longer / (1.0 - self.refused()) < share
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{erlang_b, mean_wait};
    use super::*;

    fn near(value: f64, expected: f64, digit: f64) {
        assert!((value - expected).abs() <= digit, "{value} is not {expected}");
    }

    /// With one worker half of the wait of exponential times; with more what Crommelin's table says.
    #[test]
    fn constant_times_wait_as_the_tables_say() {
        for rho in [0.5, 0.8, 0.95] {
            near(constant_mean_wait(1, rho), mean_wait(1, rho) / 2.0, 1e-9);
        }
        near(constant_mean_wait(2, 0.8), 0.9033, 5e-5);
        near(constant_mean_wait(4, 0.8), 0.3861, 5e-5);
        // The two formulas are not of the same kind: the mean is the area above the distribution.
        for (c, rho) in [(1, 0.5), (2, 0.8), (4, 0.8)] {
            let steps = 500;
            let constant = Constant::new(c, rho);
            let waits = (0..steps).map(|n| constant.wait_quantile((f64::from(n) + 0.5) / f64::from(steps)));
            near(waits.sum::<f64>() / f64::from(steps), constant_mean_wait(c, rho), 0.01);
        }
    }

    #[test]
    fn a_queue_with_an_end_has_erlangs_ends() {
        // No queue at all is Erlang B; a very long one the unbounded queue.
        near(Finite::new(10, 10, 1.0).refused(), erlang_b(10, 10.0), 1e-12);
        near(Finite::new(200, 200, 0.9).refused(), erlang_b(200, 180.0), 1e-12);
        near(Finite::new(4, 2_000, 0.8).mean_wait(), mean_wait(4, 0.8), 1e-9);
        // One worker and one place: rho^2 / (1 + rho + rho^2).
        near(Finite::new(1, 2, 0.5).refused(), 0.25 / 1.75, 1e-12);
        // An unbounded queue of one worker: the wait is exponential at the rate 1 - rho, with the share rho.
        near(Finite::new(1, 2_000, 0.8).wait_quantile(0.99), log(80.0) / 0.2, 1e-6);
        assert_eq!(Finite::new(1, 2_000, 0.8).wait_quantile(0.1), 0.0);
        let finite = Finite::new(16, 40, 1.1);
        let waits = (0..500).map(|n| finite.wait_quantile((f64::from(n) + 0.5) / 500.0));
        near(waits.sum::<f64>() / 500.0, finite.mean_wait(), 0.005);
    }
}
