//! What a client does by the clock: heartbeats find a dead path, and a budget limits retries.

use super::answer::{Answer, Experiment, Requirement};
use super::simulate::{measure, metric};

/// Every client.
pub(super) fn all() -> Vec<Experiment> {
    vec![heartbeats(), budget()]
}

const HEARTBEATS: &str = "1,000 clients open 10 ms apart, so that their pings, 10 s apart, come in every phase. At 60 s the server's \
host loses its power. The first ping that arrives later, 20 ms after it was sent, is never answered: it was sent at 59.98 s at the \
earliest and 9.99 s later at the latest, and its client notices when the pong has not come for 4 s. So each of 3.98, 3.99, …, 13.97 s \
after the path died one client notices.";

fn heartbeats() -> Experiment {
    let text = r#"
        format = 1
        title = "Heartbeats"
        duration = "90s"
        [network]
        one_way = "20ms"
        [servers.one]
        service_time = "0s"
        [clients.many]
        count = 1_000
        arrive = { evenly_over = "10s" }
        endpoints = ["one"]
        heartbeat = { every = "10s", timeout = "4s" }
        [faults.dark]
        kind = "power-off"
        target = "one"
        at = "60s"
    "#;
    Experiment {
        name: "heartbeats".into(),
        follows: "uniform distribution",
        about: HEARTBEATS,
        seeds: 1,
        quick: true,
        answers: vec![
            Answer::new("the first notices after", "s", 3.98, Requirement::Equal),
            Answer::new("mean of the time to notice", "s", (3.98 + 13.97) / 2.0, Requirement::Equal),
            Answer::new("the last notices after", "s", 13.97, Requirement::Equal),
            Answer::new("clients that notice", "", 1_000.0, Requirement::Equal),
        ],
        measure: Box::new(move |seed| {
            let measured = measure(text, seed, &mut ());
            ["min", "mean", "max", "count"].map(|of| metric(&measured, &format!("detection_time.{of}"))).to_vec()
        }),
    }
}

const BUDGET: &str = "100 sessions of one process are refused, 40 ms after each attempt, and would come again 1 s later: without a \
budget, 98 attempts each in 101 s. With one of 20 tokens and 5 more each second they all want a token at 1.04 s; 20 get one, and from \
then on there is one each 200 ms. Until 101 s these are 499: 100 first attempts, 20 and 499.";

fn budget() -> Experiment {
    let text = |budget: &str| {
        format!(
            r#"
            format = 1
            title = "A retry budget"
            duration = "101s"
            [servers.one]
            [clients.many]
            count = 100
            hosts = 1
            arrive = "at_once"
            endpoints = ["one"]
            retry = {{ policy = "fixed", base = "1s"{budget} }}
            [faults.dead]
            kind = "crash"
            target = "one"
            at = "0s"
            "#
        )
    };
    Experiment {
        name: "retry budget".into(),
        follows: "token bucket",
        about: BUDGET,
        seeds: 1,
        quick: true,
        answers: vec![
            Answer::new("attempts without a budget", "", 9_800.0, Requirement::Equal),
            Answer::new("attempts with one", "", 619.0, Requirement::Equal),
        ],
        measure: Box::new(move |seed| {
            let attempts = |budget| metric(&measure(&text(budget), seed, &mut ()), "attempts.total");
            vec![attempts(""), attempts(", budget = { rate = '5/s', burst = 20 }")]
        }),
    }
}
