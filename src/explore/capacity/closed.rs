//! What queueing theory says of a scenario, where it is simple enough for a closed form: one server, Poisson arrivals,
//! and service times that are exponential (M/M/c) or, with one worker, constant (M/D/1).

use libm::{exp, pow};

use crate::load::Arrive;
use crate::rng::{Distribution, Varying};
use crate::scenario::Scenario;
use crate::server::{Machine, Membership, WebServer, Workers};
use crate::statistics::erlang_c;
use crate::time::Nanos;

/// A queue with a closed form.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Model {
    /// Arrivals per second.
    pub rate: f64,
    /// Workers.
    pub workers: u32,
    /// Mean service time in seconds.
    pub service: f64,
    /// Whether every service takes just that.
    pub constant: bool,
    /// One way of the network in seconds.
    pub one_way: f64,
}

impl Model {
    /// Of a scenario; none where anything beside arrivals, service times, workers and a constant way matters.
    pub fn of(scenario: &Scenario) -> Option<Model> {
        let plain = scenario.dns().is_empty() && scenario.faults().is_empty() && scenario.random_faults_max().is_none();
        let ([(_, server)], [(_, clients)]) =
            (&scenario.groups().iter().collect::<Vec<_>>()[..], &scenario.clients().iter().collect::<Vec<_>>()[..])
        else {
            return None;
        };
        // With everything that the model knows about set back, nothing may be left that it does not know.
        let Machine::Web(web) = &server.machine else { return None };
        let Workers { count: workers, service_time, .. } = &web.workers;
        let bare = Workers { count: *workers, service_time: service_time.clone(), ..Workers::default() };
        let known = WebServer { workers: bare, ..WebServer::default() };
        let alone = server.count == 1 && server.access_link.is_none() && server.membership == Membership::default();
        let network = scenario.network();
        let still = network.jitter == Distribution::Constant(Nanos::ZERO)
            && network.links.is_empty()
            && network.loss == Default::default();
        let simple = clients.proxy.is_none()
            && clients.hosts.is_none()
            && clients.access_link.is_none()
            && clients.heartbeat.is_none()
            && clients.mode == Default::default();
        // As they are shown: secrets aside, which a plain server has none of, that is all there is of them.
        let is_known = format!("{web:?}") == format!("{:?}", Box::new(known));
        if !(plain && still && simple && alone && is_known) {
            return None;
        }
        let Arrive::Poisson { rate } = clients.arrive else { return None };
        let Distribution::Constant(one_way) = network.one_way else { return None };
        let (service, constant) = match service_time {
            Distribution::Varying(Varying::Exponential { mean }) => (*mean, false),
            Distribution::Constant(time) if *workers == 1 && *time > Nanos::ZERO => (*time, true),
            _ => return None,
        };
        Some(Model {
            rate: rate.0,
            workers: *workers,
            service: service.as_secs_f64(),
            constant,
            one_way: one_way.as_secs_f64(),
        })
    }

    /// What it is called.
    pub fn name(&self) -> String {
        if self.constant { "M/D/1".into() } else { format!("M/M/{}", self.workers) }
    }

    /// How busy its workers are; from 1 on, its queue grows for ever.
    pub fn load(&self) -> f64 {
        self.rate * self.service / f64::from(self.workers)
    }

    /// A latency metric by its name, in seconds; none where there is no formula, infinite beyond saturation.
    pub fn latency(&self, metric: &str) -> Option<f64> {
        let (of, statistic) = metric.rsplit_once('.')?;
        // From TCP up to open: the request and its answer; before that, SYN and SYN-ACK.
        let ways = match of {
            "handshake_latency" => 2.0,
            "time_to_open" | "attempt_latency" => 4.0,
            _ => return None,
        };
        let share = match statistic {
            "mean" => None,
            "p50" => Some(0.5),
            "p90" => Some(0.9),
            "p99" => Some(0.99),
            "p99_9" => Some(0.999),
            "p99_99" => Some(0.9999),
            _ => return None,
        };
        if self.load() >= 1.0 {
            return Some(f64::INFINITY);
        }
        let sojourn = share.map_or_else(|| self.mean(), |share| self.quantile(share));
        Some(ways * self.one_way + sojourn)
    }

    /// Mean time of wait and service.
    fn mean(&self) -> f64 {
        let (c, rho) = (f64::from(self.workers), self.load());
        let wait = erlang_c(self.workers, rho) * self.service / (c * (1.0 - rho));
        // Pollaczek and Khinchine: without variance, half of the wait.
        self.service + if self.constant { wait / 2.0 } else { wait }
    }

    /// The time of wait and service that a share does not exceed.
    fn quantile(&self, share: f64) -> f64 {
        let exceeds = |time: f64| self.exceeds(time) > 1.0 - share;
        let (mut low, mut high) = (0.0, self.service);
        while exceeds(high) && high < 1e9 {
            high *= 2.0;
        }
        for _ in 0..100 {
            let middle = (low + high) / 2.0;
            if exceeds(middle) {
                low = middle;
            } else {
                high = middle;
            }
        }
        (low + high) / 2.0
    }

    /// The probability that wait and service together exceed a time.
    pub fn exceeds(&self, time: f64) -> f64 {
        let mu = 1.0 / self.service;
        let rho = self.load();
        if self.constant {
            return if time < self.service { 1.0 } else { self.waits_longer(time - self.service) };
        }
        let (c, a) = (f64::from(self.workers), self.rate * self.service);
        let waits = erlang_c(self.workers, rho);
        let slack = c - 1.0 - a;
        // Wait and service have the same rate here: the limit of the other formula.
        if slack.abs() < 1e-9 {
            return exp(-mu * time) * (1.0 + waits * mu * time);
        }
        exp(-mu * time) * (1.0 + waits * (1.0 - exp(-mu * time * slack)) / slack)
    }

    /// M/D/1: the probability that the wait exceeds a time (Erlang 1909). The sum loses its digits where it is long; there
    /// the distribution has long come to its exponential tail.
    fn waits_longer(&self, time: f64) -> f64 {
        let (rho, d) = (self.load(), self.service);
        let units = time / d;
        if rho * units > 12.0 {
            // The decay of the tail: lambda (e^(eta d) - 1) = eta, above zero; in units of service times.
            let (mut low, mut high) = (1e-9, 1.0);
            let above = |eta: f64| rho * (exp(eta) - 1.0) > eta;
            while !above(high) && high < 1e3 {
                high *= 2.0;
            }
            for _ in 0..200 {
                let middle = (low + high) / 2.0;
                if above(middle) {
                    high = middle;
                } else {
                    low = middle;
                }
            }
            let eta = (low + high) / 2.0;
            return (1.0 - rho) / (rho * exp(eta) - 1.0) * exp(-eta * units);
        }
        let mut sum = 0.0;
        let mut factorial: f64 = 1.0;
        for k in 0..=(units as u32) {
            if k > 0 {
                factorial *= f64::from(k);
            }
            let x = rho * (units - f64::from(k));
            let sign = if k % 2 == 0 { 1.0 } else { -1.0 };
            sum += sign * pow(x, f64::from(k)) / factorial * exp(x);
        }
        (1.0 - (1.0 - rho) * sum).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use libm::log;

    use super::*;

    fn near(value: f64, printed: f64, digit: f64) {
        assert!((value - printed).abs() <= digit, "{value} is not {printed}");
    }

    fn model(rho: f64, workers: u32, constant: bool) -> Model {
        Model { rate: rho * f64::from(workers), workers, service: 1.0, constant, one_way: 0.0 }
    }

    #[test]
    fn one_markov_worker_has_exponential_sojourns() {
        for rho in [0.3, 0.5, 0.9] {
            let queue = model(rho, 1, false);
            near(queue.latency("handshake_latency.mean").unwrap(), 1.0 / (1.0 - rho), 1e-9);
            near(queue.latency("handshake_latency.p99").unwrap(), log(100.0) / (1.0 - rho), 1e-6);
        }
        assert_eq!(model(1.0, 1, false).latency("time_to_open.p50"), Some(f64::INFINITY));
        assert_eq!(model(0.5, 1, false).latency("outage.p50"), None);
    }

    /// The mean of a distribution is the area under its tail, so the two formulas hold each other.
    #[test]
    fn quantiles_and_means_are_of_the_same_distribution() {
        for queue in [model(0.8, 4, false), model(0.75, 4, false), model(0.5, 1, true), model(0.9, 1, true)] {
            let step = 0.005;
            let area: f64 = (0..80_000).map(|n| queue.exceeds((f64::from(n) + 0.5) * step) * step).sum();
            near(area, queue.mean(), 0.003 * queue.mean());
        }
    }

    /// Printed values of M/D/1: the wait exceeds one service time with 1 - (1 - rho)(e^(2 rho)... at rho = 0.5 by hand.
    #[test]
    fn a_constant_service_has_erlangs_waits() {
        let queue = model(0.5, 1, true);
        // P(W <= 0) = 1 - rho; P(W <= 1) = (1 - rho) (e^rho - 0).
        near(queue.waits_longer(0.0), 0.5, 1e-12);
        near(queue.waits_longer(0.999_999), 1.0 - 0.5 * exp(0.5), 1e-5);
        // Sum and tail meet where one takes over from the other.
        let queue = model(0.9, 1, true);
        let at = 12.0 / 0.9;
        near(queue.waits_longer(at - 1e-6) / queue.waits_longer(at + 1e-6), 1.0, 1e-3);
    }
}
