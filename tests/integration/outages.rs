//! Servers that stop, come, go and break again, at exactly which moments: scenarios of a few sessions, event by event.

use shakedown::client::{self, Failure};
use shakedown::event::{Event, Kind};
use shakedown::fault;
use shakedown::server;

use crate::common::{MS, SECOND, count, find, history_as_resolved, load, opened, ratio, summary, time, times};

/// Servers that take no time, 20 ms away, and sessions that come at once and come back 500 ms after a failure.
fn text(servers: &str, clients: &str, rest: &str) -> String {
    format!(
        "format = 1\ntitle = 'x'\nduration = '60s'\n[network]\none_way = '20ms'\n\
         [servers.gateway]\nservice_time = '0s'\n{servers}\n\
         [clients.players]\nendpoints = ['gateway']\narrive = 'at_once'\n\
         retry = {{ policy = 'fixed', base = '500ms' }}\n{clients}\n{rest}"
    )
}

/// When something happened to a server, and what.
fn of_server(events: &[Event], server: u32, which: fn(&server::Event) -> bool) -> Vec<(u64, server::Event)> {
    find(events, |kind| match kind {
        Kind::Server(number, event) if *number == server && which(event) => Some(*event),
        _ => None,
    })
}

fn of_session(events: &[Event], session: u32, which: fn(&client::Event) -> bool) -> Vec<(u64, client::Event)> {
    crate::common::of_session(events, session, |event| which(&event).then_some(event))
}

fn pauses(events: &[Event], server: u32) -> Vec<u64> {
    times(of_server(events, server, |event| matches!(event, server::Event::Paused | server::Event::Resumed)))
}

const IN_STEP: &str = "pauses = { every = '10s', for = '200ms', in_step = true }";

#[test]
fn a_process_pauses_and_its_kernel_goes_on() {
    // The SYN arrives in the pause at 10.0 s and is answered; the request, at 10.06 s, is read when the process goes on.
    let events = history_as_resolved(&text(IN_STEP, "count = 1\nstart = '10s'", ""));
    assert_eq!(pauses(&events, 0)[..4], [10 * SECOND, 10_200 * MS, 20 * SECOND, 20_200 * MS]);
    assert_eq!(opened(&events, 0), [10_220 * MS]);
    // The SYN arrives in the pause, the request 10 ms after it: nothing waits.
    let after = history_as_resolved(&text(IN_STEP, "count = 1\nstart = '10150ms'", ""));
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
    let longest = time(&summary, "outage.max").unwrap();
    assert_eq!(longest, 200 * MS);
}

#[test]
fn members_pause_out_of_phase_unless_they_are_in_step() {
    let events = history_as_resolved(&text("count = 3\npauses = { every = '10s', for = '200ms' }", "count = 1", ""));
    let firsts: Vec<u64> = (0..3).map(|server| pauses(&events, server)[0]).collect();
    assert!(firsts[0] != firsts[1] && firsts[1] != firsts[2] && firsts.iter().all(|first| *first <= 10 * SECOND));
    for (server, first) in (0..).zip(&firsts) {
        let pauses = pauses(&events, server);
        assert_eq!(pauses[..3], [*first, first + 200 * MS, first + 10 * SECOND]);
    }
    let events = history_as_resolved(&text(&format!("count = 3\n{IN_STEP}"), "count = 1", ""));
    assert_eq!(pauses(&events, 0), pauses(&events, 2));
    // Another member, or more clients, shifts nobody's pauses.
    let random = "pauses = { every = { exponential = { mean = '2s' } }, for = { exponential = { mean = '100ms' } } }";
    let few = history_as_resolved(&text(&format!("count = 2\n{random}"), "count = 1", ""));
    let more = history_as_resolved(&text(&format!("count = 3\n{random}"), "count = 50", ""));
    assert_eq!(pauses(&few, 0), pauses(&more, 0));
    assert_ne!(pauses(&few, 0), pauses(&few, 1));
    // About 30 pauses of 2 s each: a Poisson count's deviation is 5.5.
    assert!((14..=46).contains(&(pauses(&few, 0).len() / 2)), "{}", pauses(&few, 0).len() / 2);
}

#[test]
fn who_is_stopped_twice_goes_on_when_both_are_over() {
    let open = |fault: &str| {
        let client = "count = 1\nstart = '10100ms'\nhandshake_timeout = '30s'\nconnect_timeout = '30s'";
        opened(&history_as_resolved(&text(IN_STEP, client, &format!("[faults.it]\ntarget = 'gateway'\n{fault}"))), 0)
    };
    // The hang outlasts the pause at 10 s; then the pause at 10 s outlasts the hang.
    assert_eq!(open("kind = 'hang'\nat = '9s'\nfor = '2s'"), [11_020 * MS]);
    assert_eq!(open("kind = 'hang'\nat = '9s'\nfor = '1100ms'"), [10_220 * MS]);
    // The process dies in the pause, and the new one is not paused: the SYN at 10.12 s and the request get their answers.
    assert_eq!(open("kind = 'restart'\nat = '10050ms'"), [10_180 * MS]);
    // While the host is dead nothing pauses.
    let events = history_as_resolved(&text(
        IN_STEP,
        "count = 1",
        "[faults.it]\nkind = 'crash'\ntarget = 'gateway'\nat = '5s'\nfor = '7s'\n",
    ));
    assert_eq!(pauses(&events, 0)[0], 20 * SECOND);
    // What ends is not resumed.
    let ended = "[faults.it]\nkind = 'crash'\ntarget = 'gateway'\nat = '10100ms'\nfor = '1s'\n";
    assert_eq!(pauses(&history_as_resolved(&text(IN_STEP, "count = 1", ended)), 0)[..2], [10 * SECOND, 20 * SECOND]);
    let paused = ratio(&summary(&text(IN_STEP, "count = 1", ended)), "servers.gateway.paused");
    assert!((paused - 0.9 / 60.0).abs() < 1e-12, "{paused}");
}

#[test]
fn a_paused_process_is_drained_when_it_goes_on() {
    let drain = "[faults.it]\nkind = 'drain'\ntarget = 'gateway'\nat = '10100ms'\nfor = '5s'\nover = '0s'\n";
    let events = history_as_resolved(&text(IN_STEP, "count = 1", drain));
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
    let recovery = time(&hung, "faults.it.recovery_time").unwrap();
    assert_eq!(recovery, 100 * MS);
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

/// When a fault began to hold a server and let it go, and as what.
fn of_fault(events: &[Event]) -> Vec<(u64, fault::Event)> {
    let of = |event: &Event| match event.kind {
        Kind::Fault(_, kind) => Some((event.at.0, kind)),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

#[test]
fn a_server_flaps() {
    let flap = "[faults.it]\nkind = 'flap'\nwith = 'crash'\ntarget = 'gateway'\nat = '10s'\nfor = '2s'\n\
                repeat = { every = '20s' }\n";
    let events = history_as_resolved(&text("", "count = 1", flap));
    let (server, kind) = (0, fault::Kind::Crash);
    let (began, healed) = (fault::Event::Began { server, kind }, fault::Event::Healed { server, kind });
    let expected = [(10, began), (12, healed), (30, began), (32, healed), (50, began), (52, healed)];
    assert_eq!(of_fault(&events), expected.map(|(second, event)| (second * SECOND, event)));
    // The FIN at 10.02 s, and every 500 ms a connect that is refused 40 ms later, until the one that leaves at 12.14 s:
    // 10.52, 11.06, 11.60, 12.14.
    assert_eq!(opened(&events, 0)[..2], [80 * MS, 12_220 * MS]);
    // Twice is not for ever.
    let twice = history_as_resolved(&text("", "count = 1", &flap.replace("'20s' }", "'20s', times = 2 }")));
    assert_eq!(of_fault(&twice).len(), 4);
    // A path flaps as well: half a second without acknowledgement is nothing that a session notices.
    let cut = flap.replace("crash", "partition").replace("'2s'", "'500ms'");
    let cut = summary(&text("", "count = 1", &cut));
    assert_eq!((count(&cut, "faults.it.affected"), count(&cut, "lost.total")), (1, 0));
}

#[test]
fn a_server_is_drained_and_then_its_process_ends() {
    let ends = |fault: &str| {
        let fault = format!("[faults.it]\ntarget = 'gateway-0'\nat = '10s'\n{fault}\n");
        history_as_resolved(&text("count = 2", "count = 4\npick = 'round-robin'", &fault))
    };
    // Two sessions of the first server: close frames at 10 s and 12 s, the end at 14 s, a new process 5 s later.
    let events = ends("kind = 'restart'\ndrain = '4s'\nfor = '5s'");
    let going = of_server(&events, 0, |event| matches!(event, server::Event::GoingAway { code: 1012, .. }));
    assert_eq!(times(going), [10 * SECOND, 12 * SECOND]);
    let strikes: Vec<u64> = times(of_fault(&events).into_iter().filter(|(_, e)| !drained(e)).collect());
    assert_eq!(strikes, [10, 14, 14, 19].map(|second| second * SECOND));
    // One that is stopped stays down, and all are open elsewhere.
    let stop = "kind = 'stop'\ndrain = '4s'";
    let events = ends(stop);
    let strikes: Vec<u64> = times(of_fault(&events).into_iter().filter(|(_, e)| !drained(e)).collect());
    assert_eq!(strikes, [10, 14, 14].map(|second| second * SECOND));
    let going = of_server(&events, 0, |event| matches!(event, server::Event::GoingAway { code: 1001, .. }));
    assert_eq!(going.len(), 2);
    let refused =
        |event: &client::Event| matches!(event, client::Event::AttemptFailed { failure: Failure::Refused, .. });
    // The port is closed from the beginning of the drain on.
    let comes = format!("[faults.it]\ntarget = 'gateway'\nat = '10s'\n{stop}\n");
    let late =
        history_as_resolved(&text("", "count = 1\nstart = '11s'\nretry = { policy = 'none' }", &comes).replacen(
            "\nretry = { policy = 'fixed', base = '500ms' }",
            "",
            1,
        ));
    assert_eq!(times(of_session(&late, 0, refused)), [11_040 * MS]);
}

fn drained(event: &fault::Event) -> bool {
    matches!(event, fault::Event::Drained { .. })
}

#[test]
fn flaps_and_stops_that_mean_nothing_are_refused() {
    for (fault, says) in [
        ("kind = 'flap'\nfor = '1s'", "needs `with`"),
        ("kind = 'flap'\nwith = 'crash'", "needs `for`"),
        ("kind = 'flap'\nwith = 'crash'\nfor = '1s'", "repeat = { every = \"10s\" }"),
        ("kind = 'flap'\nwith = 'flap'\nfor = '1s'", "does not flap with `flap`"),
        ("kind = 'crash'\nwith = 'hang'", "`with` means nothing to a fault of kind crash"),
        ("kind = 'crash'\ndrain = '1s'", "`drain` means nothing"),
        ("kind = 'flap'\nwith = 'crash'\nfor = '1us'\nrepeat = { every = '1ms' }", "from 1 to 10000"),
        ("kind = 'flap'\nwith = 'crash'\nfor = '11s'\nrepeat = { every = '10s' }", "before `gateway-0` is healed"),
    ] {
        let fault = format!("[faults.it]\ntarget = 'gateway'\nat = '10s'\n{fault}\n");
        let told = load(&text("", "count = 1", &fault)).expect_err(&fault);
        assert!(told.contains(says), "{fault}: {told}");
    }
}

fn failed(events: &[Event], session: u32) -> Vec<(u64, client::Event)> {
    of_session(events, session, |event| matches!(event, client::Event::AttemptFailed { .. }))
}

#[test]
fn who_has_not_joined_refuses() {
    let events = history_as_resolved(&text("joins_at = '2s'", "count = 1", ""));
    let joined = of_server(&events, 0, |event| matches!(event, server::Event::Joined));
    assert_eq!(times(joined), [2 * SECOND]);
    // Refused after 40 ms, again every 540 ms; the connect that leaves at 2.16 s finds the process.
    let failures = failed(&events, 0);
    let refused = |(_, event): &(u64, client::Event)| {
        matches!(event, client::Event::AttemptFailed { failure: Failure::Refused, .. })
    };
    assert!(failures.iter().all(refused));
    assert_eq!(times(failures), [40 * MS, 580 * MS, 1_120 * MS, 1_660 * MS]);
    assert_eq!(opened(&events, 0), [2_240 * MS]);
    // A SYN on its way when the process starts is accepted.
    let late = history_as_resolved(&text("joins_at = '2s'", "count = 1\nstart = '1990ms'", ""));
    assert_eq!(opened(&late, 0), [2_070 * MS]);
    // A process that joins is as cold as any that starts.
    let cold = "joins_at = '2s'\nwarm_up = { for = '1s', factor = 10 }";
    let cold = history_as_resolved(
        &text(cold, "count = 1\nstart = '2s'", "").replace("service_time = '0s'", "service_time = '1ms'"),
    );
    assert_eq!(opened(&cold, 0), [2_090 * MS]);
}

#[test]
fn who_leaves_sends_its_clients_away_and_ends() {
    // Three sessions of the first group; it leaves from 10 s to 16 s, a frame every 2 s.
    let spare = "[servers.spare]\nservice_time = '0s'\n";
    let leaves = text("leaves_at = '10s'\nleaves_over = '6s'", "count = 3\non_retry = 'next'\npick = 'first'", spare)
        .replace("['gateway']", "['gateway', 'spare']");
    let events = history_as_resolved(&leaves);
    let going = of_server(&events, 0, |event| matches!(event, server::Event::GoingAway { code: 1001, .. }));
    assert_eq!(times(going), [10, 12, 14].map(|second| second * SECOND));
    let away = of_server(&events, 0, |event| matches!(event, server::Event::SentAway { .. }));
    assert_eq!(
        away.iter().map(|(_, event)| *event).collect::<Vec<_>>(),
        [0, 1, 2].map(|session| server::Event::SentAway { session })
    );
    let steps = of_server(&events, 0, |event| matches!(event, server::Event::Leaving | server::Event::Left));
    assert_eq!(steps, [(10 * SECOND, server::Event::Leaving), (16 * SECOND, server::Event::Left)]);
    // The close arrives at 10.02 s, the next connect leaves half a second later and is refused at 10.56 s: the one after
    // that is to the spare server.
    assert_eq!(opened(&events, 0), [80 * MS, 11_140 * MS]);
    let summary = summary(&leaves);
    assert_eq!((count(&summary, "lost.total"), count(&summary, "sessions.open_at_end")), (3, 3));
    // From the frame to the next opening.
    let longest = time(&summary, "outage.max").unwrap();
    assert_eq!(longest, 1_140 * MS);
    // Without a time for it they hear FIN.
    let at_once = history_as_resolved(&leaves.replace("'6s'", "'0s'"));
    let steps = of_server(&at_once, 0, |event| matches!(event, server::Event::Leaving | server::Event::Left));
    assert_eq!(times(steps), [10 * SECOND, 10 * SECOND]);
}

#[test]
fn redirectors_name_whom_the_registry_knows() {
    let fleet = |pick: &str| {
        let more = "[servers.spare]\nservice_time = '0s'\njoins_at = '10s'\n[servers.old]\nservice_time = '0s'\nleaves_at = '20s'\n\
                    [clients.later]\ncount = 30\nendpoints = ['gateway']\nstart = '11s'\narrive = 'at_once'\n\
                    [clients.last]\ncount = 30\nendpoints = ['gateway']\nstart = '21s'\narrive = 'at_once'\n";
        let behavior = format!("behavior = {{ kind = 'redirect', to = ['spare', 'old'], pick = '{pick}' }}");
        summary(&text(&behavior, "count = 30\nhold = '5s'", more))
    };
    for pick in ["round-robin", "random", "least-connections"] {
        let summary = fleet(pick);
        assert_eq!(count(&summary, "attempts.refused"), 0, "{pick}");
        let (spare, old) = (count(&summary, "servers.spare.opened"), count(&summary, "servers.old.opened"));
        match pick {
            "random" => assert!((36..=60).contains(&spare), "{spare}"),
            // 30 to the only one, 15 to each, 30 to the only one, and who was sent away comes back there.
            _ => assert_eq!((spare, old), (15 + 30 + 15, 30 + 15), "{pick}"),
        }
    }
    // A registry that knows none of them names them all.
    let nobody = "behavior = { kind = 'redirect', to = 'spare' }";
    let nobody = summary(&text(nobody, "count = 1", "[servers.spare]\njoins_at = '10s'\n"));
    assert!(count(&nobody, "attempts.refused") > 0);
}

#[test]
fn who_joins_or_leaves_at_no_time_is_refused() {
    for (servers, rest, says) in [
        ("joins_at = '0s'", "", "leave joins_at out"),
        ("leaves_at = '60s'", "", "past the run"),
        ("joins_at = '5s'\nleaves_at = '5s'", "", "leaves at 5s, but joins at 5s"),
        ("leaves_over = '5s'", "", "means nothing without `leaves_at`"),
        ("joins_at = '5s'", "at = '4s'\nfor = '5s'", "before it has joined, at 5s"),
        ("leaves_at = '5s'", "at = '4s'\nfor = '5s'", "when it leaves, at 5s"),
        ("leaves_at = '5s'", "at = '4s'", "end it before that with `for`"),
        ("behavior = { kind = 'redirect', to = [] }", "", "names no server"),
        ("behavior = { kind = 'redirect', to = ['spare', 'spare-0'] }", "", "which is a target already, by `spare`"),
        ("behavior = { kind = 'redirect', to = ['spare', 'sqare-0'] }", "", "the nearest name is `spare-0`"),
    ] {
        let fault = match rest {
            "" => String::new(),
            rest => format!("[faults.it]\nkind = 'hang'\ntarget = 'gateway'\n{rest}\n"),
        };
        let told = load(&text(servers, "count = 1", &format!("[servers.spare]\n{fault}"))).expect_err(servers);
        assert!(told.contains(says), "{servers}: {told}");
    }
}

/// The sessions that a fault reset, and when.
fn resets(events: &[Event]) -> Vec<(u64, u32)> {
    let reset = |event: &Event| match event.kind {
        Kind::Fault(_, fault::Event::Reset { session }) => Some((event.at.0, session)),
        _ => None,
    };
    events.iter().filter_map(reset).collect()
}

#[test]
fn a_reset_ends_what_is_up_at_both_ends_at_once() {
    // One group is open, one has sent its requests, which are on their way, and one's SYNs are.
    let later = |name: &str, start: &str| {
        format!("[clients.{name}]\ncount = 2\nstart = '{start}'\narrive = 'at_once'\nendpoints = ['gateway']\n")
    };
    let rest = format!(
        "{}{}[faults.flushed]\nkind = 'reset'\ntarget = 'gateway'\nat = '10s'\n",
        later("asking", "9950ms"),
        later("dialling", "9970ms")
    );
    let text = text("", "count = 3\nheartbeat = { every = '30s', timeout = '5s' }", &rest);
    let events = history_as_resolved(&text);
    assert_eq!(resets(&events), (0..5).map(|session| (10 * SECOND, session)).collect::<Vec<_>>());
    let (mut lost, mut failed, mut opened) = (Vec::new(), Vec::new(), Vec::new());
    for event in &events {
        match event.kind {
            Kind::Session(session, client::Event::Lost { end, .. }) => lost.push((event.at.0, session, end)),
            Kind::Session(session, client::Event::AttemptFailed { failure, .. }) => {
                failed.push((event.at.0, session, failure));
            }
            Kind::Session(session, client::Event::Opened { .. }) if session > 4 => opened.push((event.at.0, session)),
            _ => {}
        }
    }
    assert_eq!(lost, [0, 1, 2].map(|session| (10 * SECOND, session, client::End::Reset)));
    assert_eq!(failed, [3, 4].map(|session| (10 * SECOND, session, Failure::Reset)));
    // Who was not up is not struck.
    assert_eq!(opened, [5, 6].map(|session| (10_050 * MS, session)));
    let summary = summary(&text);
    assert_eq!(count(&summary, "faults.flushed.affected"), 3);
    assert_eq!(count(&summary, "sessions.open_at_end"), 7);
}

#[test]
fn a_reset_strikes_a_share_of_the_connections_on_its_link() {
    let others = "[clients.others]\ncount = 200\narrive = 'at_once'\nendpoints = ['gateway']\n";
    let fault = |name: &str, target: &str, share: &str| {
        format!("[faults.{name}]\nkind = 'reset'\ntarget = {target}\nat = '10s'\nshare = '{share}'\n")
    };
    let struck = |rest: &str| -> Vec<u32> {
        resets(&history_as_resolved(&text("", "count = 200", &format!("{others}{rest}"))))
            .into_iter()
            .map(|(_, who)| who)
            .collect()
    };
    let link = "{ from = 'others', to = 'gateway' }";
    assert_eq!(struck(&fault("flush", link, "100%")), (200..400).collect::<Vec<_>>());
    let some = struck(&fault("flush", link, "30%"));
    assert!((40..=80).contains(&some.len()) && some.iter().all(|session| *session >= 200), "{}", some.len());
    // Whom it strikes of all hangs on nothing else; another fault has other luck, and those whom a greater share strikes are more.
    let all = struck(&fault("flush", "'gateway'", "30%"));
    assert_eq!(all.iter().copied().filter(|session| *session >= 200).collect::<Vec<_>>(), some);
    assert_ne!(struck(&fault("again", link, "30%")), some);
    let more = struck(&fault("flush", link, "60%"));
    assert!(some.iter().all(|session| more.contains(session)) && more.len() > some.len());
    for (keys, says) in [
        ("for = '1s'", "`for` means nothing to a fault of kind reset"),
        ("share = '0%'", "resets nothing"),
        ("repeat = { every = '5s', times = 2 }\nwith = 'crash'", "`with` means nothing"),
    ] {
        let wrong = format!("[faults.f]\nkind = 'reset'\ntarget = 'gateway'\nat = '10s'\n{keys}\n");
        let told = load(&text("", "count = 1", &wrong)).expect_err("this must be refused");
        assert!(told.contains(says), "{says}: {told}");
    }
    let twice = "repeat = { every = '5s', times = 2 }\n";
    assert_eq!(struck(&format!("{}{twice}", fault("flush", link, "100%"))).len(), 400);
}

#[test]
fn delays_may_depend_on_how_an_attempt_failed() {
    // Refused: 40 ms after each attempt. A host without power: the client's own timeout.
    let begins = |server: &str, clients: &str, fault: &str| {
        let text = text(server, &format!("count = 1\n{clients}"), fault)
            .replace("retry = { policy = 'fixed', base = '500ms' }\n", "");
        times(failed(&history_as_resolved(&text), 0))
    };
    let after = "retry = { policy = 'fixed', base = '500ms', attempts = 4, after = { refused = '100ms', connect_timeout = '3s' } }";
    assert_eq!(begins("joins_at = '20s'", after, "")[..3], [40 * MS, 180 * MS, 320 * MS]);
    let dark = "[faults.dark]\nkind = 'power-off'\ntarget = 'gateway-0'\nat = '0s'\n";
    let silent = format!("connect_timeout = '1s'\n{after}");
    assert_eq!(begins("", &silent, dark)[..3], [SECOND, 5 * SECOND, 9 * SECOND]);
    // Only what is listed is tried again, by kind of connect.
    let only = |kinds: &str| {
        let retry = format!(
            "connect_timeout = '1s'\nretry = {{ policy = 'fixed', base = '500ms', attempts = 3, failures = [{kinds}] }}"
        );
        (begins("joins_at = '20s'", &retry, "").len(), begins("", &retry, dark).len())
    };
    assert_eq!(only("'connect'"), (3, 3));
    assert_eq!(only("'refused'"), (3, 1));
    assert_eq!(only("'connect-timeout'"), (1, 3));
    assert_eq!(only("'lookup'"), (1, 1));
    let wrong = |retry: &str| {
        let text = text("", "count = 1", "").replace("policy = 'fixed', base = '500ms'", retry);
        load(&text).unwrap_err()
    };
    assert!(wrong("after = { refused = '0s' }").contains("at least 1ms"));
    assert!(wrong("policy = 'none', after = { refused = '1s' }").contains("no failure is retried"));
}
