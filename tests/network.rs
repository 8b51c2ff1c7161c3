//! What the network does to connections, at exactly which moments: scenarios of one or a few sessions, event by event.

use shakedown::client::{self, Failure};
use shakedown::driver;
use shakedown::event::{Event, Kind};
use shakedown::network;
use shakedown::scenario::{Overrides, Scenario};

const SECOND: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;

fn load(text: &str) -> Result<Scenario, String> {
    Scenario::load("t", "t", text, &Overrides::default()).map_err(|problem| problem.to_string())
}

fn run(text: &str) -> Vec<Event> {
    let scenario = load(text).unwrap_or_else(|problem| panic!("{problem}"));
    let mut events = Vec::new();
    driver::run(&scenario, &mut events);
    events
}

/// What a session went through, with the times.
fn life(events: &[Event], of: u32) -> Vec<(u64, client::Event)> {
    let of = |event: &Event| match event.kind {
        Kind::Session(session, kind) if session == of => Some((event.at.0, kind)),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

/// When something first happened to a session.
fn first(events: &[Event], session: u32, which: fn(&client::Event) -> bool) -> Option<u64> {
    life(events, session).into_iter().find(|(_, event)| which(event)).map(|(at, _)| at)
}

fn opened(events: &[Event], session: u32) -> Option<u64> {
    first(events, session, |event| matches!(event, client::Event::Opened { .. }))
}

fn lost(events: &[Event], session: u32) -> Option<u64> {
    first(events, session, |event| matches!(event, client::Event::Lost { .. }))
}

fn failed(events: &[Event], session: u32) -> Option<(u64, Failure)> {
    life(events, session).into_iter().find_map(|(at, event)| match event {
        client::Event::AttemptFailed { failure, .. } => Some((at, failure)),
        _ => None,
    })
}

/// One server, 20 ms away, that takes no time; what a test adds comes after.
const QUIET: &str = r#"
format = 1
title = "A test"
duration = "1000s"
[servers.gateway]
service_time = "0s"
"#;

fn quiet(network: &str, clients: &str, rest: &str) -> String {
    format!(
        "{QUIET}\n[network]\none_way = \"20ms\"\n{network}\n[clients.players]\nendpoints = [\"gateway\"]\n\
         arrive = \"at_once\"\n{clients}\n{rest}"
    )
}

/// The process hangs from the start, and its accept queue takes one connection.
const HUNG: &str = "[faults.hangs]\nkind = \"hang\"\ntarget = \"gateway\"\nat = \"0s\"\n";

#[test]
fn a_full_accept_queue_costs_the_second_client_one_second() {
    // The queue is taken once the first client's request has arrived, at 60 ms; the second connects after that.
    let second = "[clients.late]\ncount = 1\nendpoints = [\"gateway\"]\nstart = \"100ms\"\narrive = \"at_once\"\n";
    let full = format!("{HUNG}for = \"500ms\"\n{second}");
    let text = quiet("", "count = 1", &full).replace("service_time", "backlog = 1\nservice_time");
    let events = run(&text);
    let connected = first(&events, 1, |event| matches!(event, client::Event::Connected { .. }));
    assert_eq!(connected, Some(100 * MS + SECOND + 40 * MS));
    let dropped = events.iter().find_map(|event| match event.kind {
        Kind::Network(0, network::Event::SynDropped { session: 1, backlog_full: true }) => Some(event.at.0),
        _ => None,
    });
    assert_eq!(dropped, Some(120 * MS));
    // With `reset` it hears at once.
    let events = run(&text.replace("backlog = 1", "backlog = 1\nbacklog_overflow = \"reset\""));
    assert_eq!(failed(&events, 1), Some((140 * MS, Failure::Refused)));
    let refused = Kind::Network(0, network::Event::SynRefused { session: 1, backlog_full: true });
    assert!(events.iter().any(|event| event.kind == refused));
}

#[test]
fn a_connect_to_a_black_hole_ends_when_the_kernel_gives_up() {
    let off = "[faults.off]\nkind = \"power-off\"\ntarget = \"gateway\"\nat = \"0s\"\n";
    for (kernel, seconds) in [("linux", 127), ("linux-6.5", 131), ("macos", 75)] {
        let network = format!("syn_retries = \"{kernel}\"");
        let events = run(&quiet(&network, "count = 1\nconnect_timeout = \"10m\"", off));
        assert_eq!(failed(&events, 0), Some((seconds * SECOND, Failure::ConnectTimeout)), "{kernel}");
    }
}
