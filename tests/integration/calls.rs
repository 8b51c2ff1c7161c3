//! Servers that call others before they answer, at exactly which moments.

use shakedown::client;
use shakedown::event::{Event, Kind};
use shakedown::metrics::{Summary, Value};
use shakedown::server::{self, CallOutcome};

use crate::common::{self, MS, count, find, history_as_resolved, load, ratio, summary, times};

/// Gateways 20 ms from their clients, which call an auth server 1 ms away; sessions that come at once and try once.
fn text(gateway: &str, auth: &str, clients: &str, rest: &str) -> String {
    format!(
        "format = 1\ntitle = 'x'\nduration = '60s'\n[network]\none_way = '20ms'\n\
         [network.links.inside]\nfrom = 'gateway'\nto = 'auth'\none_way = '1ms'\n\
         [servers.gateway]\nservice_time = '5ms'\n{gateway}\n\
         [servers.auth]\nservice_time = '3ms'\nbehavior = {{ kind = 'serve' }}\n{auth}\n\
         [clients.players]\nendpoints = ['gateway']\narrive = 'at_once'\nretry = {{ policy = 'none' }}\n{clients}\n{rest}"
    )
}

const CALLS: &str = "calls = [{ to = 'auth', timeout = '1s' }]";

fn time(summary: &Summary, metric: &str) -> u64 {
    common::time(summary, metric).unwrap()
}

/// When any session opened.
fn opened(events: &[Event]) -> Vec<u64> {
    times(find(events, |kind| matches!(kind, Kind::Session(_, client::Event::Opened { .. })).then_some(())))
}

/// How the session's first attempt failed, and when.
fn rejected(events: &[Event]) -> Option<(u64, u16)> {
    let rejected = find(events, |kind| match kind {
        Kind::Session(_, client::Event::AttemptFailed { failure: client::Failure::Rejected { status, .. }, .. }) => {
            Some(*status)
        }
        _ => None,
    });
    rejected.first().copied()
}

fn outcomes(events: &[Event]) -> Vec<(u64, CallOutcome)> {
    find(events, |kind| match kind {
        Kind::Server(_, server::Event::CallEnded { outcome, .. }) => Some(*outcome),
        _ => None,
    })
}

/// Whom servers called, by the caller.
fn called(events: &[Event]) -> Vec<(u32, u32)> {
    let called = find(events, |kind| match kind {
        Kind::Server(caller, server::Event::Called { endpoint, .. }) => Some((*caller, *endpoint)),
        _ => None,
    });
    called.into_iter().map(|(_, call)| call).collect()
}

#[test]
fn a_handshake_waits_for_the_answer() {
    // The request is there at 60 ms and worked on until 65 ms; a round trip to connect, one to ask, 3 ms of work.
    let events = history_as_resolved(&text(CALLS, "", "count = 1", ""));
    assert_eq!(outcomes(&events), [(72 * MS, CallOutcome::Answered)]);
    assert_eq!(opened(&events), [92 * MS]);
    let summary = summary(&text(CALLS, "", "count = 1", ""));
    assert_eq!((count(&summary, "servers.gateway.calls"), count(&summary, "servers.gateway.calls_failed")), (1, 0));
    assert_eq!(time(&summary, "servers.gateway.call_latency.max"), 7 * MS);
    assert_eq!((count(&summary, "servers.auth.arrivals.total"), count(&summary, "servers.auth.opened")), (1, 0));
    assert_eq!(time(&summary, "handshake_latency.max"), 52 * MS);
    // One after the other.
    let twice = "calls = [{ to = 'auth', timeout = '1s' }, { to = 'auth', timeout = '1s' }]";
    assert_eq!(opened(&history_as_resolved(&text(twice, "", "count = 1", ""))), [99 * MS]);
}

#[test]
fn calls_wait_in_the_queue_of_whom_they_ask() {
    // Four are asked at the same time; the only worker takes 3 ms for each.
    let events = history_as_resolved(&text(CALLS, "workers = 1", "count = 4", ""));
    assert_eq!(opened(&events), [92, 95, 98, 101].map(|ms| ms * MS));
    let summary = summary(&text(CALLS, "workers = 1", "count = 4", ""));
    assert_eq!(time(&summary, "servers.auth.queue_wait.max"), 9 * MS);
    assert!((ratio(&summary, "servers.auth.utilisation.mean") - 0.012 / 60.0).abs() < 1e-12);
}

#[test]
fn a_worker_is_held_only_where_it_says_so() {
    // One worker: 5 ms of work and 7 ms of waiting.
    let free = text(&format!("workers = 1\n{CALLS}"), "", "count = 3", "");
    assert_eq!(opened(&history_as_resolved(&free)), [92, 97, 102].map(|ms| ms * MS));
    let held = free.replace(CALLS, &format!("{CALLS}\ncalls_hold_worker = true"));
    assert_eq!(opened(&history_as_resolved(&held)), [92, 104, 116].map(|ms| ms * MS));
    let (free, held) = (summary(&free), summary(&held));
    assert!((ratio(&free, "servers.gateway.utilisation.mean") - 0.015 / 60.0).abs() < 1e-12);
    assert!((ratio(&held, "servers.gateway.utilisation.mean") - 0.036 / 60.0).abs() < 1e-12);
    assert_eq!(time(&free, "servers.gateway.queue_wait.max"), 10 * MS);
    assert_eq!(time(&held, "servers.gateway.queue_wait.max"), 24 * MS);
}

#[test]
fn a_call_that_fails_fails_the_handshake() {
    let dead = |kind: &str| format!("[faults.it]\nkind = '{kind}'\ntarget = 'auth'\nat = '0s'\n");
    let outcome = |rest: &str, gateway: &str, auth: &str| {
        let events = history_as_resolved(&text(gateway, auth, "count = 1", rest));
        (outcomes(&events).first().copied(), rejected(&events))
    };
    // Refused after a round trip, silent until the timeout, hung until the timeout; then 503, 20 ms away.
    assert_eq!(outcome(&dead("crash"), CALLS, ""), (Some((67 * MS, CallOutcome::Refused)), Some((87 * MS, 503))));
    let late = (Some((1_065 * MS, CallOutcome::TimedOut)), Some((1_085 * MS, 503)));
    assert_eq!(outcome(&dead("power-off"), CALLS, ""), late);
    assert_eq!(outcome(&dead("hang"), CALLS, ""), late);
    // It dies with the call in its hands: the FIN arrives 1 ms later.
    let dies = dead("crash").replace("'0s'", "'70ms'");
    assert_eq!(outcome(&dies, CALLS, ""), (Some((71 * MS, CallOutcome::Broken)), Some((91 * MS, 503))));
    // It says no, at no worker's cost.
    let no = "accept_rate = { rate = '1/m', burst = 1 }";
    let events = history_as_resolved(&text(CALLS, no, "count = 2", ""));
    assert_eq!(outcomes(&events), [(69 * MS, CallOutcome::Rejected), (72 * MS, CallOutcome::Answered)]);
    // What is optional is not missed.
    let optional = CALLS.replace("'1s'", "'1s', optional = true");
    let events = history_as_resolved(&text(&optional, "", "count = 1", &dead("crash")));
    assert_eq!((opened(&events), rejected(&events)), (vec![87 * MS], None));
    let lost = summary(&text(CALLS, "", "count = 5", &dead("crash")));
    assert_eq!((count(&lost, "servers.gateway.calls_failed"), count(&lost, "attempts.rejected")), (5, 5));
}

#[test]
fn a_failed_call_is_made_again_elsewhere() {
    // Refused at 67 ms, made again 10 ms later, at the next member.
    let calls = CALLS.replace("'1s'", "'1s', retry = { attempts = 2, delay = '10ms' }");
    let dead = "[faults.it]\nkind = 'crash'\ntarget = 'auth-0'\nat = '0s'\n";
    let events = history_as_resolved(&text(&calls, "count = 2", "count = 1", dead));
    assert_eq!(outcomes(&events), [(67 * MS, CallOutcome::Refused), (84 * MS, CallOutcome::Answered)]);
    assert_eq!(called(&events), [(0, 1), (0, 2)]);
    assert_eq!(opened(&events), [104 * MS]);
    let both = dead.replace("auth-0", "auth");
    let events = history_as_resolved(&text(&calls, "count = 2", "count = 1", &both));
    assert_eq!(rejected(&events), Some((99 * MS, 503)));
}

#[test]
fn callers_pick_members_that_are_there() {
    // Two gateways begin at different members; one that has not joined is not asked.
    let events =
        history_as_resolved(&text(&format!("count = 2\n{CALLS}"), "count = 2", "count = 2\npick = 'round-robin'", ""));
    let mut whom = called(&events);
    whom.sort_unstable();
    assert_eq!(whom, [(0, 2), (1, 3)]);
    let both = CALLS.replace("'auth'", "['late', 'auth']");
    let late = "[servers.late]\njoins_at = '30s'\nbehavior = { kind = 'serve' }\n";
    let events = history_as_resolved(&text(&both, "", "count = 5", late));
    assert!(called(&events).iter().all(|(_, endpoint)| *endpoint == 1) && opened(&events).len() == 5);
    // By hash, a client asks the same one each time it comes.
    let hash = CALLS.replace("'1s'", "'1s', pick = 'hash'");
    let again = "count = 20\nhold = '1s'\narrive = { closed_loop = { think = '1s', over = '1s' } }";
    let clients = again.to_string();
    let events = history_as_resolved(&text(&hash, "count = 4", &clients, "").replace("arrive = 'at_once'\n", ""));
    let calls = called(&events);
    let asked: Vec<u32> = calls.iter().map(|(_, endpoint)| *endpoint).collect();
    assert!(asked.len() > 100);
    let mut first: Vec<u32> = asked[..20].to_vec();
    let mut last: Vec<u32> = asked[asked.len() - 20..].to_vec();
    first.sort_unstable();
    last.sort_unstable();
    assert_eq!(first, last);
    assert!(first.windows(2).any(|pair| pair[0] != pair[1]));
}

#[test]
fn a_cache_that_was_restarted_asks_once_for_each_client() {
    let cache =
        "calls = [{ to = 'store', timeout = '1s', cached = true }]\n[servers.store]\nbehavior = { kind = 'serve' }";
    let clients = "count = 10\nhold = '1s'\narrive = { closed_loop = { think = '1s', over = '1s' } }";
    let scenario = |rest: &str| text(CALLS, cache, clients, rest).replace("arrive = 'at_once'\n", "");
    assert_eq!(count(&summary(&scenario("")), "servers.store.arrivals.total"), 0);
    let restart = "[faults.it]\nkind = 'restart'\ntarget = 'auth'\nat = '20s'\n";
    let summary = summary(&scenario(restart));
    assert_eq!(count(&summary, "servers.store.arrivals.total"), 10);
    assert_eq!(count(&summary, "servers.auth.calls"), 10);
    assert!(count(&summary, "servers.gateway.calls") > 200);
}

#[test]
fn a_part_of_the_requests_may_call() {
    let calls = CALLS.replace("'1s'", "'1s', share = '25%'");
    let summary = summary(&text(&calls, "", "count = 4000", "").replace("'at_once'", "{ evenly_over = '50s' }"));
    let calls = count(&summary, "servers.gateway.calls");
    // The deviation is 27.
    assert!((890..=1110).contains(&calls), "{calls}");
}

#[test]
fn a_gateway_that_ends_takes_its_calls_with_it() {
    // The auth server works for nothing: its caller's kernel sends FIN at 69 ms.
    let dies = "[faults.it]\nkind = 'crash'\ntarget = 'gateway'\nat = '69ms'\n";
    let summary = summary(&text(CALLS, "", "count = 1", dies));
    assert_eq!(count(&summary, "servers.auth.wasted"), 1);
    assert_eq!(count(&summary, "servers.gateway.calls"), 1);
    assert!(matches!(summary.get("servers.gateway.call_latency.max"), Some(Value::Duration(None))));
    // A pause delays what the answer says, not the answer: it is read at 100 ms.
    let pause = "[faults.it]\nkind = 'pause'\ntarget = 'gateway'\nat = '66ms'\nfor = '34ms'\n";
    let paused = history_as_resolved(&text(CALLS, "", "count = 1", pause));
    // The SYN-ACK waits as well: connected at 100 ms, then a round trip and 3 ms.
    assert_eq!(opened(&paused), [125 * MS]);
}

#[test]
fn who_is_no_server_of_calls_says_so() {
    // A WebSocket client gets a plain page, which opens nothing.
    let no_link =
        |text: String| text.replace("[network.links.inside]\nfrom = 'gateway'\nto = 'auth'\none_way = '1ms'\n", "");
    let events = history_as_resolved(&no_link(text("", "", "count = 1", "")).replace("['gateway']", "['auth']"));
    assert_eq!(rejected(&events), Some((83 * MS, 200)));
    for (gateway, auth, says) in [
        ("calls = [{ to = 'gateway', timeout = '1s' }]", "", "answers no calls"),
        ("calls = [{ to = 'aut', timeout = '1s' }]", "", "the nearest name is `auth`"),
        ("calls = [{ to = [], timeout = '1s' }]", "", "names no server"),
        ("calls = [{ to = 'auth', timeout = '0s' }]", "", "a timeout of zero"),
        ("calls = [{ to = 'auth', timeout = '1s', retry = { attempts = 1, delay = '0s' } }]", "", "from 2 to"),
        ("calls_hold_worker = true", "", "means nothing without `calls`"),
        (CALLS, "tls = '1.3'", "calls are made without TLS"),
        (CALLS, "calls = [{ to = 'auth', timeout = '1s' }]", "a request to `auth` would wait for a request to `auth`"),
    ] {
        let told = load(&no_link(text(gateway, auth, "count = 1", ""))).expect_err(gateway);
        assert!(told.contains(says), "{gateway}: {told}");
    }
}
