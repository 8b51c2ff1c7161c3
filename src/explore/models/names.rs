//! Fail-over by DNS: what a time to live costs.

use super::answer::{Answer, Experiment, Requirement};
use super::simulate::{measure, metric};

/// Every time to live.
pub(super) fn all() -> Vec<Experiment> {
    vec![failover(5.0), failover(60.0)]
}

const FAILOVER: &str = "A server crashes at 25 s under 500 clients. It is checked at 30 and 40 s, where the second \
refusal, a round trip of 40 ms later, brings its standby in: D = 15.04 s after the crash. Each client's resolver asks once \
per time to live T, at a phase of its own, so that it knows D + U T after the crash, U uniform between 0 and 1, and the \
client that caches what it says knows with it. Clients hear of the crash after 20 ms and try every 1.04 s (1 s, and 40 ms \
until they are refused); the first try after that takes 80 ms to open. So everybody is back between D and D + T + 1.12 s, \
and after D + T / 2 and half a round on average: the mean of the first try at or after a uniform moment, worked out to the \
end.";

/// Seconds from the crash until the standby is in the table.
const DETECTION: f64 = 15.04;
/// Seconds from the crash to the first try, and from one try to the next.
const TRIES: (f64, f64) = (1.02, 1.04);
/// Seconds that it takes to open.
const OPENING: f64 = 0.08;

/// The mean of the first try at or after a moment that is uniform between the detection and a time to live later.
fn mean_of_first_try(ttl: f64) -> f64 {
    let (mut from, until, mut sum) = (DETECTION, DETECTION + ttl, 0.0);
    let mut next = TRIES.0;
    while from < until {
        if next > from {
            sum += next * (next.min(until) - from);
            from = next;
        }
        next += TRIES.1;
    }
    sum / ttl
}

fn failover(ttl: f64) -> Experiment {
    let text = format!(
        r#"
        format = 1
        title = "What a time to live costs"
        duration = "120s"
        [servers.one]
        service_time = "0s"
        [servers.standby]
        service_time = "0s"
        [dns.name]
        to = ["one"]
        standby = ["standby"]
        ttl = "{ttl}s"
        latency = "0s"
        health = {{ every = "10s", fall = 2 }}
        [clients.many]
        count = 500
        endpoints = ["name"]
        retry = {{ policy = "fixed", base = "1s" }}
        [faults.dead]
        kind = "crash"
        target = "one"
        at = "25s"
        "#
    );
    Experiment {
        name: format!("DNS fail-over, TTL {ttl} s"),
        follows: "uniform distribution, RFC 1035",
        about: FAILOVER,
        seeds: 10,
        quick: true,
        answers: vec![
            Answer::new("nobody is back before", "s", DETECTION, Requirement::AtLeast),
            Answer::new("everybody is back after", "s", DETECTION + ttl + TRIES.1 + OPENING, Requirement::AtMost),
            Answer::new(
                "a client is back after",
                "s",
                mean_of_first_try(ttl) + OPENING,
                Requirement::Mean { resolution: 0.0, blunt: 0.05 },
            ),
            Answer::new("clients that are back", "", 500.0, Requirement::Equal),
        ],
        measure: Box::new(move |seed| {
            let measured = measure(&text, seed, &mut ());
            let outage = |statistic: &str| metric(&measured, &format!("outage.{statistic}"));
            vec![outage("min"), outage("max"), outage("mean"), outage("count")]
        }),
    }
}
