//! Erlang's queues.

use super::answer::{Answer, Experiment, Requirement};
use super::simulate::{measure, metric};
use crate::event::{Event, Kind};
use crate::record::Recorder;
use crate::server;
use crate::statistics::{erlang_b, erlang_c, mean_wait};
use crate::time::Timestamp;

/// Mean service time of every queue here.
const SERVICE_S: f64 = 0.001;
const SEEDS: u64 = 16;

/// Counts requests that wait, and the area under the queue's length.
#[derive(Debug)]
struct Queue {
    from: Timestamp,
    until: Timestamp,
    requests: u64,
    waited: u64,
    length: u64,
    since: Timestamp,
    area: f64,
}

impl Queue {
    fn new(from_s: f64, until_s: f64) -> Queue {
        let at = |seconds: f64| Timestamp((seconds * 1e9) as u64);
        Queue {
            from: at(from_s),
            until: at(until_s),
            requests: 0,
            waited: 0,
            length: 0,
            since: Timestamp::ZERO,
            area: 0.0,
        }
    }

    fn pass(&mut self, now: Timestamp) {
        let (begin, end) = (self.since.max(self.from), now.min(self.until));
        self.area += self.length as f64 * end.since(begin).as_secs_f64();
        self.since = now;
    }
}

impl Recorder for Queue {
    fn record(&mut self, event: &Event) {
        let Kind::Server(_, happened) = event.kind else { return };
        match happened {
            server::Event::Requested { queued, .. } => {
                if self.from <= event.at && event.at < self.until {
                    self.requests += 1;
                    self.waited += u64::from(queued);
                }
                if queued {
                    self.pass(event.at);
                    self.length += 1;
                }
            }
            server::Event::ServiceStarted { queued: true, .. } => {
                self.pass(event.at);
                self.length -= 1;
            }
            _ => {}
        }
    }
}

/// A queue with Poisson arrivals: `arrivals` of them, of which the first tenth is warm-up.
fn queue(c: u32, rho: f64, service: &str, arrivals: f64) -> (String, f64, f64) {
    queue_of(c, f64::from(c) * rho / SERVICE_S, &format!("service_time = {service}"), arrivals)
}

/// The same with a rate of arrivals and what the server has beside its workers; also from when until when it is measured.
pub(super) fn queue_of(c: u32, rate: f64, server: &str, arrivals: f64) -> (String, f64, f64) {
    let until = (arrivals / rate * 1_000.0).round() / 1_000.0;
    let from = (until * 100.0).round() / 1_000.0;
    // The last arrivals are served, too, so that the longest waits count.
    let duration = until + 2.0;
    let count = (rate * duration * 1.1) as u64 + 1_000;
    let text = format!(
        r#"
        format = 1
        title = "A queue"
        duration = "{duration:.3}s"
        [network]
        one_way = "1ms"
        [servers.one]
        workers = {c}
        {server}
        [clients.many]
        count = {count}
        arrive = {{ poisson = {{ rate = "{rate}/s" }} }}
        endpoints = ["one"]
        connect_timeout = "1h"
        handshake_timeout = "1h"
        retry = {{ policy = "none" }}
        [measure]
        from = "{from:.3}s"
        until = "{until:.3}s"
        "#
    );
    (text, from, until)
}

const MARKOV: &str = "Poisson arrivals, exponential service of 1 ms, c workers, an unbounded queue, clients that wait \
for an hour; a tenth of the arrivals is warm-up. Erlang's C gives the share that waits, C / (c (1 - rho)) the mean \
wait in mean service times over all requests. With one worker that is rho / (1 - rho). Waits in one queue resemble \
each other, so the number of arrivals grows with the load, and what is compared are means of whole runs, one per \
seed. Little's law: the mean length of the queue is the rate of arrivals times their mean wait; both sides are \
measured (the length as an area), and only what waits across the window's edges may differ. Utilisation is rho, by \
the same law.";
const FIXED: &str = "The same queue with a service time of exactly 1 ms. Pollaczek and Khinchine: the mean wait goes \
with the second moment of the service time, which is half of the exponential's, so the wait is exactly half.";

/// Every queue.
pub(super) fn all() -> Vec<Experiment> {
    let one = [(0.5, 20_000.0), (0.8, 40_000.0), (0.9, 60_000.0), (0.95, 120_000.0)];
    let more = [(4, 0.8, 40_000.0), (4, 0.95, 120_000.0), (16, 0.8, 60_000.0), (16, 0.95, 120_000.0)];
    let mut all: Vec<Experiment> = one.iter().map(|(rho, arrivals)| markov(1, *rho, *arrivals)).collect();
    all.extend(more.iter().map(|(c, rho, arrivals)| markov(*c, *rho, *arrivals)));
    all.extend(one.iter().map(|(rho, arrivals)| fixed(*rho, arrivals / 2.0)));
    all.push(loss(10, 10, 20_000.0, "{ exponential = { mean = \"98ms\" } }", "exponential"));
    all.push(loss(10, 10, 20_000.0, "\"98ms\"", "constant"));
    all.push(loss(100, 90, 50_000.0, "{ exponential = { mean = \"98ms\" } }", "exponential"));
    all.push(loss(100, 100, 30_000.0, "{ exponential = { mean = \"98ms\" } }", "exponential"));
    all.extend([(10, 10, 20_000.0), (100, 90, 50_000.0), (100, 100, 30_000.0)].map(|(c, a, n)| no_queue(c, a, n)));
    all
}

fn wait(rho: f64, expected: f64) -> Answer {
    // The wait's spread over seeds grows as 1 / (1 - rho): that is the theory's, not the simulator's.
    let blunt = if rho > 0.9 { 0.2 } else { 0.1 };
    Answer::new("mean wait", "service times", expected, Requirement::Mean { resolution: 0.0, blunt })
}

fn markov(c: u32, rho: f64, arrivals: f64) -> Experiment {
    let mean = |resolution, blunt| Requirement::Mean { resolution, blunt };
    let mut answers = vec![
        wait(rho, mean_wait(c, rho)),
        Answer::new("requests that wait", "", erlang_c(c, rho), mean(0.0, 0.05)),
        Answer::new("utilisation", "", rho, mean(0.0, 0.02)),
        Answer::new("queue length / (rate x wait)", "", 1.0, mean(0.0, 0.02)),
    ];
    answers.truncate(if c == 1 && rho != 0.8 { 1 } else { 4 });
    Experiment {
        name: format!("M/M/{c} rho {rho}"),
        follows: if c == 1 { "M/M/1, Little 1961" } else { "Erlang 1917" },
        about: MARKOV,
        seeds: SEEDS,
        quick: c == 1 && rho == 0.5,
        answers,
        measure: Box::new(move |seed| {
            let (text, from, until) = queue(c, rho, "{ exponential = { mean = \"1ms\" } }", arrivals);
            let mut queue = Queue::new(from, until);
            let measured = measure(&text, seed, &mut queue);
            let wait = metric(&measured, "servers.one.queue_wait.mean");
            let rate = queue.requests as f64 / (until - from);
            vec![
                wait / SERVICE_S,
                queue.waited as f64 / queue.requests as f64,
                metric(&measured, "servers.one.utilisation.mean"),
                queue.area / (until - from) / (rate * wait),
            ]
        }),
    }
}

fn fixed(rho: f64, arrivals: f64) -> Experiment {
    Experiment {
        name: format!("M/D/1 rho {rho}"),
        follows: "Pollaczek, Khinchine",
        about: FIXED,
        seeds: SEEDS,
        quick: false,
        answers: vec![wait(rho, mean_wait(1, rho) / 2.0)],
        measure: Box::new(move |seed| {
            let (text, ..) = queue(1, rho, "\"1ms\"", arrivals);
            let measured = measure(&text, seed, &mut ());
            vec![metric(&measured, "servers.one.queue_wait.mean") / SERVICE_S]
        }),
    }
}

const LOSS: &str = "A server that keeps c connections and answers 503 to one more; Poisson arrivals, no retries, a \
server that takes no time. A connection is kept while its session holds it (98 ms on average) and two ways of 1 ms, \
100 ms in all, so that the load offered is a = rate x 100 ms. Erlang's B gives the share refused. It depends on the \
mean of the time held and not on its distribution, so it must come out with a constant time as well. Refusals come in \
clusters, the rarer the more, which is why the case with the fewest has the most arrivals and the widest interval.";

fn loss(c: u32, a: u32, arrivals: f64, hold: &'static str, shape: &str) -> Experiment {
    let blunt = if a < c { 0.2 } else { 0.1 };
    Experiment {
        name: format!("M/G/{c}/{c} a {a}, {shape}"),
        follows: "Erlang 1917",
        about: LOSS,
        seeds: SEEDS,
        quick: false,
        answers: vec![Answer::new(
            "refused",
            "",
            erlang_b(c, f64::from(a)),
            Requirement::Mean { resolution: 0.0, blunt },
        )],
        measure: Box::new(move |seed| {
            let rate = a * 10;
            let duration = (arrivals / f64::from(rate)).round();
            let count = (arrivals * 1.1) as u64 + 1_000;
            let text = format!(
                r#"
                format = 1
                title = "A loss system"
                duration = "{duration}s"
                [network]
                one_way = "1ms"
                [servers.one]
                service_time = "0s"
                connections_max = {c}
                [clients.many]
                count = {count}
                arrive = {{ poisson = {{ rate = "{rate}/s" }} }}
                endpoints = ["one"]
                hold = {hold}
                reconnect = false
                retry = {{ policy = "none" }}
                [measure]
                from = "2s"
                until = "{}s"
                "#,
                duration - 1.0
            );
            let measured = measure(&text, seed, &mut ());
            vec![metric(&measured, "attempts.rejected")]
        }),
    }
}

const NO_QUEUE: &str = "The same with workers and `queue_max = 0`: a request finds one of c workers free, which takes it for an \
exponential time of 100 ms, or is answered 503 at once. Erlang's B again.";

fn no_queue(c: u32, a: u32, arrivals: f64) -> Experiment {
    let blunt = if a < c { 0.2 } else { 0.1 };
    Experiment {
        name: format!("queue_max = 0, {c} workers, a {a}"),
        follows: "Erlang 1917",
        about: NO_QUEUE,
        seeds: SEEDS,
        quick: false,
        answers: vec![Answer::new(
            "refused",
            "",
            erlang_b(c, f64::from(a)),
            Requirement::Mean { resolution: 0.0, blunt },
        )],
        measure: Box::new(move |seed| {
            let rate = a * 10;
            let duration = (arrivals / f64::from(rate)).round();
            let count = (arrivals * 1.1) as u64 + 1_000;
            let text = format!(
                r#"
                format = 1
                title = "Workers without a queue"
                duration = "{duration}s"
                [network]
                one_way = "1ms"
                [servers.one]
                workers = {c}
                service_time = {{ exponential = {{ mean = "100ms" }} }}
                queue_max = 0
                [clients.many]
                count = {count}
                arrive = {{ poisson = {{ rate = "{rate}/s" }} }}
                endpoints = ["one"]
                hold = "1s"
                reconnect = false
                retry = {{ policy = "none" }}
                [measure]
                from = "2s"
                until = "{}s"
                "#,
                duration - 1.0
            );
            let measured = measure(&text, seed, &mut ());
            vec![metric(&measured, "attempts.rejected")]
        }),
    }
}
