//! Redirects in whole runs: whom they lead to, when, how far, and round in circles.

use std::collections::BTreeMap;

use shakedown::client;
use shakedown::event::{Event, Kind};
use shakedown::metrics::{Summary, Value};

use crate::common::{self, count, digest, find, history, load, loaded, when};

/// A redirector and gateways 10 ms away, none of which has work to do.
fn text(behavior: &str, clients: &str, rest: &str) -> String {
    format!(
        "format = 1\ntitle = 'x'\nduration = '60s'\n[network]\none_way = '10ms'\n[servers.front]\nservice_time = '0s'\n\
         behavior = {behavior}\n[clients.players]\nendpoints = ['front']\narrive = 'at_once'\n\
         retry = {{ policy = 'none', honour_retry_after = true }}\n{clients}\n{rest}"
    )
}

fn run(behavior: &str, clients: &str, rest: &str) -> (Vec<Event>, Summary) {
    common::run(&text(behavior, clients, rest))
}

/// Where redirects led each session last.
fn led(events: &[Event]) -> BTreeMap<u32, u32> {
    let redirected = find(events, |kind| match kind {
        Kind::Session(session, client::Event::Redirected { endpoint, .. }) => Some((*session, *endpoint)),
        _ => None,
    });
    redirected.into_iter().map(|(_, led)| led).collect()
}

const FOUR: &str = "[servers.gateway]\ncount = 4\nservice_time = '0s'";

#[test]
fn weights_are_those_of_members_or_of_their_groups() {
    let rest = format!("{FOUR}\n[servers.spare]\nservice_time = '0s'");
    let pick = "to = ['gateway', 'spare'], pick = 'weighted'";
    let opened = |weights: &str| {
        let behavior = format!("{{ kind = 'redirect', {pick}, weights = {weights} }}");
        let (_, summary) = run(&behavior, "count = 720", &rest);
        ["gateway-0", "gateway-1", "gateway-2", "gateway-3", "spare-0"]
            .map(|server| count(&summary, &format!("servers.{server}.opened")))
    };
    assert_eq!(opened("{ spare = 4 }"), [90, 90, 90, 90, 360]);
    assert_eq!(opened("{ gateway = 2, spare = 1 }"), [160, 160, 160, 160, 80]);
    assert_eq!(opened("{ gateway = 2, 'gateway-0' = 5 }"), [300, 120, 120, 120, 60]);
}

#[test]
fn a_consistent_hash_moves_only_the_clients_of_who_leaves() {
    // Each of 400 clients comes twice: while all four are there, and after the third has left.
    let leaves = "[servers.gateway]\ncount = 3\nservice_time = '0s'\n[servers.old]\nservice_time = '0s'\nleaves_at = '20s'\n\
                  leaves_over = '0s'";
    let clients = "count = 400\nhosts = 400\nhold = '5s'\nreconnect = false";
    let behavior = "{ kind = 'redirect', to = ['gateway', 'old'], pick = 'consistent-hash' }";
    let first = led(&run(behavior, clients, leaves).0);
    let later = led(&run(behavior, &format!("{clients}\nstart = '30s'"), leaves).0);
    assert_eq!((first.len(), later.len()), (400, 400));
    let old = 4;
    let moved = first.iter().filter(|(session, server)| later[session] != **server);
    assert!(moved.clone().all(|(_, server)| *server == old), "only those of the one that left");
    // A quarter, give or take: the standard deviation is 9.
    let of_old = first.values().filter(|server| **server == old).count();
    assert_eq!(moved.count(), of_old);
    assert!((70..=130).contains(&of_old), "{of_old}");
    // They go to all of the others.
    for server in 1..=3 {
        assert!(first.iter().any(|(session, was)| *was == old && later[session] == server), "{server}");
    }
}

#[test]
fn a_consistent_hash_is_of_the_address_or_of_the_path() {
    let servers =
        |summary: &Summary| (0..4).filter(|n| count(summary, &format!("servers.gateway-{n}.opened")) > 0).count();
    let by = |by: &str, clients: &str| {
        let behavior = format!("{{ kind = 'redirect', to = 'gateway', pick = 'consistent-hash'{by} }}");
        servers(&run(&behavior, clients, FOUR).1)
    };
    assert_eq!(by("", "count = 100"), 4);
    assert_eq!(by(", hash_by = 'client'", "count = 100\nnat = 1"), 1, "one address");
    assert_eq!(by(", hash_by = 'path'", "count = 100\npath = '/room/7?as=1'"), 1, "one room");
    // What is told in `Location` is another matter.
    assert_eq!(by(", hash_by = 'path', path = '/x'", "count = 100\npath = '/room/7'"), 1);
    let rooms: String = (0..40)
        .map(|room| {
            format!(
                "[clients.room{room}]\ncount = 1\nendpoints = ['front']\narrive = 'at_once'\npath = '/room/{room}'\n"
            )
        })
        .collect();
    let behavior = "{ kind = 'redirect', to = 'gateway', pick = 'consistent-hash', hash_by = 'path' }";
    assert_eq!(servers(&run(behavior, "count = 1", &format!("{FOUR}\n{rooms}")).1), 4, "forty rooms");
}

#[test]
fn a_redirect_that_asks_to_wait_is_waited_for_by_who_honours_it() {
    let behavior = "{ kind = 'redirect', to = 'gateway', retry_after = '2s' }";
    // Connect 20 ms, 307 at 40 ms; then 2 s, and 40 ms more.
    for (honour, opened) in [(true, 2_080_000_000), (false, 80_000_000)] {
        let clients = format!("count = 1\nretry.honour_retry_after = {honour}");
        let text = format!(
            "format = 1\ntitle = 'x'\nduration = '9s'\n[network]\none_way = '10ms'\n[servers.front]\nservice_time = '0s'\n\
             behavior = {behavior}\n{FOUR}\n[clients.players]\nendpoints = ['front']\narrive = 'at_once'\n{clients}"
        );
        assert_eq!(common::opened(&history(&text), 0), [opened], "{honour}");
    }
    let (events, summary) = run(behavior, "count = 1", FOUR);
    assert_eq!(when(&events, 0, |event| matches!(event, client::Event::Hopping { .. })), [40_000_000]);
    assert_eq!((count(&summary, "attempts.redirected"), count(&summary, "attempts.opened")), (1, 1));
}

#[test]
fn the_time_for_an_attempt_ends_while_a_redirect_is_waited_for() {
    let behavior = "{ kind = 'redirect', to = 'gateway', retry_after = '9s' }";
    let (events, summary) = run(behavior, "count = 1\nopen_timeout = '3s'", FOUR);
    assert_eq!(when(&events, 0, |event| matches!(event, client::Event::GaveUp)), [3_000_000_000]);
    assert_eq!((count(&summary, "attempts.connect_timeout"), count(&summary, "attempts.total")), (1, 2));
}

/// A redirector that leads to the next of `hops`, the last of which accepts.
fn chain(hops: usize) -> String {
    let server = |n: usize| {
        let to = format!("behavior = {{ kind = 'redirect', to = 'hop{}' }}", n + 1);
        let behavior = if n == hops { "" } else { &to };
        format!("[servers.hop{n}]\nservice_time = '0s'\n{behavior}\n")
    };
    (1..=hops).map(server).collect()
}

#[test]
fn a_chain_is_followed_as_far_as_the_client_goes() {
    for (hops, most, opens) in [(1, 5, true), (5, 5, true), (6, 5, false), (3, 2, false), (9, 9, true)] {
        let clients = format!("count = 1\nredirects = {most}");
        let (events, summary) = run("{ kind = 'redirect', to = 'hop1' }", &clients, &chain(hops));
        assert_eq!(count(&summary, "attempts.opened"), u64::from(opens), "{hops} hops, {most} at most");
        assert_eq!(count(&summary, "attempts.redirected"), hops.min(most) as u64);
        assert_eq!(count(&summary, "attempts.bad_redirect"), u64::from(!opens));
        // Each hop costs a connect and an answer: 40 ms.
        let expected = opens.then_some(40_000_000 * (hops as u64 + 1));
        assert_eq!(common::opened(&events, 0).first().copied(), expected);
        // Who goes nowhere twice is in no loop.
        let found = summary.get("findings.redirect_loop");
        assert!(matches!(found, None | Some(Value::Count(0))), "{found:?}");
    }
}

#[test]
fn a_loop_ends_at_the_limit_and_is_found() {
    let back = "[servers.back]\nservice_time = '0s'\nbehavior = { kind = 'redirect', to = 'front' }";
    for (behavior, rest) in [
        ("{ kind = 'redirect', to = 'back' }", back),
        ("{ kind = 'redirect', to = 'front' }", ""),
        ("{ kind = 'redirect', path = '/' }", ""),
    ] {
        let (_, summary) = run(behavior, "count = 3\nredirects = 4", rest);
        assert_eq!(count(&summary, "attempts.redirected"), 12, "{behavior}");
        assert_eq!(count(&summary, "attempts.bad_redirect"), 3, "{behavior}");
        assert_eq!(count(&summary, "findings.redirect_loop"), 3, "{behavior}");
        assert_eq!(count(&summary, "sessions.never_opened"), 3);
    }
}

#[test]
fn what_chooses_by_nothing_is_refused() {
    for (keys, says) in [
        ("pick = 'weighted'", "weighted by what?"),
        ("weights = { gateway = 2 }", "`weights` are for pick = \"weighted\""),
        ("pick = 'weighted', weights = {}", "no weight at all"),
        ("pick = 'weighted', weights = { gateway = 0 }", "weight 0: from 1 to 1000000"),
        ("pick = 'weighted', weights = { front = 2 }", "`front` is none of the redirect's targets"),
        ("pick = 'weighted', weights = { gatewax = 2 }", "name what `to` names, or a member of it: `gateway`"),
        ("pick = 'random', hash_by = 'path'", "`hash_by` is for pick = \"consistent-hash\""),
        ("pick = 'consistent-hash', hash_by = 'cookie'", "one of `client`, `path`"),
        ("retry_after = '1500ms'", "whole seconds"),
    ] {
        let behavior = format!("{{ kind = 'redirect', to = 'gateway', {keys} }}");
        let told = load(&text(&behavior, "count = 1", FOUR)).expect_err(keys);
        assert!(told.contains(says), "{keys}: {told}");
    }
    let told = load(&text("{ kind = 'accept', weights = { gateway = 2 } }", "count = 1", FOUR)).expect_err("accept");
    assert!(told.contains("`weights` belongs to kind = \"redirect\" only"), "{told}");
}

#[test]
fn the_resolved_scenario_chooses_alike() {
    for keys in ["pick = 'weighted', weights = { 'gateway-1' = 3 }", "pick = 'consistent-hash'", "retry_after = '3s'"] {
        let behavior = format!("{{ kind = 'redirect', to = 'gateway', {keys} }}");
        let scenario = loaded(&text(&behavior, "count = 9", FOUR));
        let again = loaded(scenario.resolved());
        assert_eq!(again.resolved(), scenario.resolved());
        assert_eq!(digest(&again), digest(&scenario));
    }
}
