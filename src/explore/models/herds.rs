//! Herds: how fast one can be served at all, and what back-off makes of one.

use super::answer::{Answer, Experiment, Requirement};
use super::simulate::simulate;
use crate::client;
use crate::event::{Event, Kind};
use crate::record::Recorder;

/// How many attempts there were, and when the last session opened.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// Attempts.
    pub calls: u64,
    /// Sessions that opened.
    pub opened: u64,
    /// When the last one did, in seconds.
    pub last_s: f64,
}

impl Recorder for Calls {
    fn record(&mut self, event: &Event) {
        match event.kind {
            Kind::Session(_, client::Event::AttemptStarted { .. }) => self.calls += 1,
            Kind::Session(_, client::Event::Opened { .. }) => {
                self.opened += 1;
                self.last_s = event.at.0 as f64 / 1e9;
            }
            _ => {}
        }
    }
}

/// Every herd.
pub(super) fn all() -> Vec<Experiment> {
    vec![floor(), drained(), contention()]
}

fn herd(service: &str) -> String {
    format!(
        r#"
        format = 1
        title = "A herd"
        duration = "60s"
        [servers.one]
        workers = 4
        service_time = {service}
        [clients.herd]
        count = 4_000
        arrive = "at_once"
        endpoints = ["one"]
        handshake_timeout = "1h"
        "#
    )
}

const FLOOR: &str = "4,000 clients at once, four workers, exactly 2 ms each: 2,000 handshakes per second. Nobody can \
serve the herd faster than N / m = 2 s; a server that never rests needs exactly that, and the last client has four \
ways of 20 ms beside it.";

fn floor() -> Experiment {
    Experiment {
        name: "herd, N / m".into(),
        follows: "work conservation",
        about: FLOOR,
        seeds: 1,
        quick: true,
        answers: vec![Answer::new("the last one opens after", "s", 2.08, Requirement::Equal)],
        measure: Box::new(|seed| {
            let mut calls = Calls::default();
            simulate(&herd("\"2ms\""), seed, &mut calls);
            vec![if calls.opened == 4_000 { calls.last_s } else { f64::NAN }]
        }),
    }
}

const DRAINED: &str = "The same herd with exponential service of 2 ms. The queue is empty after (N - c) s / c; the \
last c workers finish one after the other, s / c + ... + s / 2 + s later: 1.998 s + 4.17 ms + 80 ms on average, which \
is above N / m.";

fn drained() -> Experiment {
    let last = 0.002 * (1.0 / 4.0 + 1.0 / 3.0 + 1.0 / 2.0 + 1.0);
    Experiment {
        name: "herd, N / m, random".into(),
        follows: "exponential order statistics",
        about: DRAINED,
        seeds: 16,
        quick: true,
        answers: vec![Answer::new(
            "the last one opens after",
            "s",
            3_996.0 * 0.002 / 4.0 + last + 0.08,
            Requirement::Mean { resolution: 0.0, blunt: 0.03 },
        )],
        measure: Box::new(|seed| {
            let mut calls = Calls::default();
            simulate(&herd("{ exponential = { mean = \"2ms\" } }"), seed, &mut calls);
            vec![if calls.opened == 4_000 { calls.last_s } else { f64::NAN }]
        }),
    }
}

/// Contenders of one slot: while one has it, everybody else is rejected at once.
const CONTENDERS: u64 = 100;

fn contended(policy: &str, base_ms: u64) -> String {
    format!(
        r#"
        format = 1
        title = "Contention"
        duration = "20m"
        [network]
        one_way = "5ms"
        jitter = {{ uniform = {{ min = "0ms", max = "4ms" }} }}
        [servers.slot]
        workers = 1
        service_time = "10ms"
        connections_max = 1
        [clients.many]
        count = {CONTENDERS}
        arrive = "at_once"
        endpoints = ["slot"]
        hold = "1ms"
        reconnect = false
        retry = {{ policy = "{policy}", base = "{base_ms}ms", cap = "2s" }}
        "#
    )
}

const CONTENTION: &str = "A hundred contenders for one slot, which takes each of them about 25 ms (10 ms of work, 1 \
ms held, two ways of 5 to 9 ms until the server sees it go); who comes meanwhile is rejected at once and backs off, \
from 5 ms up to 2 s. What must hold follows from one rule: a call that finds the slot taken is wasted, so calls are \
the pending contenders' rate of asking, summed up until all are through. No back-off (1 ms, fixed) asks all the time: \
the slot is never idle, so it is done first, and makes the most calls. Exponential delays without jitter keep who \
collided together: all of a step meet again, one of them wins, and once at the cap they lose 2 s a round, hence by \
far the longest time and more calls than with any jitter. Decorrelated jitter never waits less than its base but \
begins anew near it now and then, and so calls more often than the other two. Equal jitter waits half again as long \
as full jitter at the same step: the slot is idle more often, and it is done later. The article (AWS Architecture \
Blog, Exponential Backoff And Jitter; its simulator is public) has the same order of calls, full, equal, \
decorrelated, exponential, none, and of completion, none, decorrelated, full, equal, exponential. Two of its \
neighbours are not told apart here, and the table doesn't claim it: its contenders read, write, and lose when another \
wrote in between, so a longer wait spares a whole lost write; ours are turned away at the door, which costs both \
jitters the same, and equal jitter makes as many calls as full jitter (within 2 %). Decorrelated and full jitter \
finish within each other's spread.";

/// Calls and completion of each policy, in the order of `POLICIES`.
fn contention() -> Experiment {
    let ratio = |what: &str| Answer::new(what, "", 1.0, Requirement::Above);
    Experiment {
        name: "back-off".into(),
        follows: "AWS Architecture Blog 2015",
        about: CONTENTION,
        seeds: 40,
        quick: false,
        answers: vec![
            Answer::new("contenders that get through, worst policy", "", CONTENDERS as f64, Requirement::Equal),
            Answer::new(
                "calls: equal jitter / full jitter",
                "",
                1.0,
                Requirement::Mean { resolution: 0.02, blunt: 0.03 },
            ),
            ratio("calls: decorrelated / equal jitter"),
            ratio("calls: exponential / decorrelated"),
            ratio("calls: none / exponential"),
            ratio("completion: decorrelated / none"),
            ratio("completion: full jitter / none"),
            ratio("completion: equal / full jitter"),
            ratio("completion: exponential / equal jitter"),
        ],
        measure: Box::new(|seed| {
            let runs = POLICIES.map(|(policy, base_ms)| {
                let mut calls = Calls::default();
                simulate(&contended(policy, base_ms), seed, &mut calls);
                calls
            });
            let [full, equal, decorrelated, exponential, none] = &runs;
            let worst = runs.iter().map(|run| run.opened).min().unwrap_or_default();
            let calls = |a: &Calls, b: &Calls| a.calls as f64 / b.calls as f64;
            let last = |a: &Calls, b: &Calls| a.last_s / b.last_s;
            vec![
                worst as f64,
                calls(equal, full),
                calls(decorrelated, equal),
                calls(exponential, decorrelated),
                calls(none, exponential),
                last(decorrelated, none),
                last(full, none),
                last(equal, full),
                last(exponential, equal),
            ]
        }),
    }
}

/// Policies with their bases in milliseconds; none is a retry as good as at once.
const POLICIES: [(&str, u64); 5] =
    [("full-jitter", 5), ("equal-jitter", 5), ("decorrelated-jitter", 5), ("exponential", 5), ("fixed", 1)];
