//! Servers that stop, come, go and break again, at exactly which moments: scenarios of a few sessions, event by event.

use shakedown::client;
use shakedown::driver;
use shakedown::event::{Event, Kind};
use shakedown::metrics::{Metrics, Summary, Value};
use shakedown::scenario::{Overrides, Scenario};
use shakedown::server;
use shakedown::time::Timestamp;

const SECOND: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;

/// Servers that take no time, 20 ms away, and sessions that come at once and come back 500 ms after a failure.
fn text(servers: &str, clients: &str, rest: &str) -> String {
    format!(
        "format = 1\ntitle = 'x'\nduration = '60s'\n[network]\none_way = '20ms'\n\
         [servers.gateway]\nservice_time = '0s'\n{servers}\n\
         [clients.players]\nendpoints = ['gateway']\narrive = 'at_once'\n\
         retry = {{ policy = 'fixed', base = '500ms' }}\n{clients}\n{rest}"
    )
}

fn load(text: &str) -> Result<Scenario, String> {
    Scenario::load("t", "t", text, &Overrides::default()).map_err(|problem| problem.to_string())
}

fn run(text: &str) -> Vec<Event> {
    let scenario = load(text).unwrap_or_else(|problem| panic!("{problem}"));
    let again = load(&scenario.resolved()).unwrap_or_else(|problem| panic!("{problem}"));
    let (mut events, mut repeated) = (Vec::new(), Vec::new());
    driver::run(&scenario, &mut events);
    driver::run(&again, &mut repeated);
    assert!(events == repeated, "the resolved scenario is another one: {}", scenario.resolved());
    events
}

fn summary(text: &str) -> Summary {
    let scenario = load(text).unwrap_or_else(|problem| panic!("{problem}"));
    let mut metrics = Metrics::new(scenario.layout());
    driver::run(&scenario, &mut metrics);
    metrics.finish(Timestamp::ZERO + scenario.file.duration).summary
}

fn count(summary: &Summary, metric: &str) -> u64 {
    match summary.get(metric) {
        Some(Value::Count(count) | Value::Part { count, .. }) => count,
        other => panic!("{metric}: {other:?}"),
    }
}

fn ratio(summary: &Summary, metric: &str) -> f64 {
    match summary.get(metric) {
        Some(Value::Ratio(Some(ratio))) => ratio,
        other => panic!("{metric}: {other:?}"),
    }
}

/// When something happened to a server, and what.
fn of_server(events: &[Event], server: u32, which: fn(&server::Event) -> bool) -> Vec<(u64, server::Event)> {
    let of = |event: &Event| match event.kind {
        Kind::Server(number, kind) if number == server && which(&kind) => Some((event.at.0, kind)),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

fn of_session(events: &[Event], session: u32, which: fn(&client::Event) -> bool) -> Vec<(u64, client::Event)> {
    let of = |event: &Event| match event.kind {
        Kind::Session(number, kind) if number == session && which(&kind) => Some((event.at.0, kind)),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

fn times<E>(events: Vec<(u64, E)>) -> Vec<u64> {
    events.into_iter().map(|(at, _)| at).collect()
}

fn pauses(events: &[Event], server: u32) -> Vec<u64> {
    times(of_server(events, server, |event| matches!(event, server::Event::Paused | server::Event::Resumed)))
}

fn opened(events: &[Event], session: u32) -> Vec<u64> {
    times(of_session(events, session, |event| matches!(event, client::Event::Opened { .. })))
}

const IN_STEP: &str = "pauses = { every = '10s', for = '200ms', in_step = true }";

#[test]
fn a_process_pauses_and_its_kernel_goes_on() {
    // The SYN arrives in the pause at 10.0 s and is answered; the request, at 10.06 s, is read when the process goes on.
    let events = run(&text(IN_STEP, "count = 1\nstart = '10s'", ""));
    assert_eq!(pauses(&events, 0)[..4], [10 * SECOND, 10_200 * MS, 20 * SECOND, 20_200 * MS]);
    assert_eq!(opened(&events, 0), [10_220 * MS]);
    // The SYN arrives in the pause, the request 10 ms after it: nothing waits.
    let after = run(&text(IN_STEP, "count = 1\nstart = '10150ms'", ""));
    assert_eq!(opened(&after, 0), [10_230 * MS]);
}

#[test]
fn pauses_are_counted_and_their_paths_are_dead() {
    let summary = summary(&text(IN_STEP, "count = 10", ""));
    // At 10, 20, 30, 40 and 50 s.
    assert_eq!(count(&summary, "servers.gateway.pauses"), 5);
    assert!((ratio(&summary, "servers.gateway.paused") - 1.0 / 60.0).abs() < 1e-12);
    // Each session opens at 80 ms.
    let usable = (60.0 - 0.08 - 1.0) / 60.0;
    assert!((ratio(&summary, "availability.mean") - usable).abs() < 1e-12);
    assert_eq!((count(&summary, "lost.total"), count(&summary, "sessions.open_at_end")), (0, 10));
    let Some(Value::Duration(Some(longest))) = summary.get("outage.max") else { panic!() };
    assert_eq!(longest.0, 200 * MS);
}

#[test]
fn members_pause_out_of_phase_unless_they_are_in_step() {
    let events = run(&text("count = 3\npauses = { every = '10s', for = '200ms' }", "count = 1", ""));
    let firsts: Vec<u64> = (0..3).map(|server| pauses(&events, server)[0]).collect();
    assert!(firsts[0] != firsts[1] && firsts[1] != firsts[2] && firsts.iter().all(|first| *first <= 10 * SECOND));
    for (server, first) in (0..).zip(&firsts) {
        let pauses = pauses(&events, server);
        assert_eq!(pauses[..3], [*first, first + 200 * MS, first + 10 * SECOND]);
    }
    let events = run(&text(&format!("count = 3\n{IN_STEP}"), "count = 1", ""));
    assert_eq!(pauses(&events, 0), pauses(&events, 2));
    // Another member, or more clients, shifts nobody's pauses.
    let random = "pauses = { every = { exponential = { mean = '2s' } }, for = { exponential = { mean = '100ms' } } }";
    let few = run(&text(&format!("count = 2\n{random}"), "count = 1", ""));
    let more = run(&text(&format!("count = 3\n{random}"), "count = 50", ""));
    assert_eq!(pauses(&few, 0), pauses(&more, 0));
    assert_ne!(pauses(&few, 0), pauses(&few, 1));
    // About 30 pauses of 2 s each: a Poisson count's deviation is 5.5.
    assert!((14..=46).contains(&(pauses(&few, 0).len() / 2)), "{}", pauses(&few, 0).len() / 2);
}

#[test]
fn who_is_stopped_twice_goes_on_when_both_are_over() {
    let open = |fault: &str| {
        let client = "count = 1\nstart = '10100ms'\nhandshake_timeout = '30s'\nconnect_timeout = '30s'";
        opened(&run(&text(IN_STEP, client, &format!("[faults.it]\ntarget = 'gateway'\n{fault}"))), 0)
    };
    // The hang outlasts the pause at 10 s; then the pause at 10 s outlasts the hang.
    assert_eq!(open("kind = 'hang'\nat = '9s'\nfor = '2s'"), [11_020 * MS]);
    assert_eq!(open("kind = 'hang'\nat = '9s'\nfor = '1100ms'"), [10_220 * MS]);
    // The process dies in the pause, and the new one is not paused: the SYN at 10.12 s and the request get their answers.
    assert_eq!(open("kind = 'restart'\nat = '10050ms'"), [10_180 * MS]);
    // While the host is dead nothing pauses.
    let events =
        run(&text(IN_STEP, "count = 1", "[faults.it]\nkind = 'crash'\ntarget = 'gateway'\nat = '5s'\nfor = '7s'\n"));
    assert_eq!(pauses(&events, 0)[0], 20 * SECOND);
    // What ends is not resumed.
    let ended = "[faults.it]\nkind = 'crash'\ntarget = 'gateway'\nat = '10100ms'\nfor = '1s'\n";
    assert_eq!(pauses(&run(&text(IN_STEP, "count = 1", ended)), 0)[..2], [10 * SECOND, 20 * SECOND]);
    let paused = ratio(&summary(&text(IN_STEP, "count = 1", ended)), "servers.gateway.paused");
    assert!((paused - 0.9 / 60.0).abs() < 1e-12, "{paused}");
}

#[test]
fn a_paused_process_is_drained_when_it_goes_on() {
    let drain = "[faults.it]\nkind = 'drain'\ntarget = 'gateway'\nat = '10100ms'\nfor = '5s'\nover = '0s'\n";
    let events = run(&text(IN_STEP, "count = 1", drain));
    let sent = times(of_server(&events, 0, |event| matches!(event, server::Event::GoingAway { .. })));
    assert_eq!(sent, [10_200 * MS]);
}

#[test]
fn a_crash_in_a_pause_takes_down_whom_the_pause_held() {
    let crash = "[faults.it]\nkind = 'crash'\ntarget = 'gateway'\nat = '10100ms'\nfor = '1s'\n";
    let crashed = summary(&text(IN_STEP, "count = 10", crash));
    assert_eq!((count(&crashed, "faults.it.affected"), count(&crashed, "lost.total")), (10, 10));
    // So does a hang, which is recovered from when both are over.
    let hang = "[faults.it]\nkind = 'hang'\ntarget = 'gateway'\nat = '10100ms'\nfor = '50ms'\n";
    let hung = summary(&text(IN_STEP, "count = 10", hang));
    assert_eq!((count(&hung, "faults.it.affected"), count(&hung, "lost.total")), (10, 0));
    let Some(Value::Duration(Some(recovery))) = hung.get("faults.it.recovery_time") else { panic!() };
    assert_eq!(recovery.0, 100 * MS);
}

#[test]
fn pauses_that_never_end_or_never_are_get_refused() {
    for (pauses, says) in [
        ("{ every = '1s', for = '1s' }", "the process would never run"),
        ("{ every = '0s', for = '1s' }", "no time at all"),
        ("{ every = '1s', for = '0s' }", "no time at all"),
        ("{ every = '1s' }", "missing key `for`"),
        ("{ every = { uniform = { min = '2s', max = '1s' } }, for = '1s' }", "below min"),
    ] {
        let told = load(&text(&format!("pauses = {pauses}"), "count = 1", "")).expect_err(pauses);
        assert!(told.contains(says), "{pauses}: {told}");
    }
}
