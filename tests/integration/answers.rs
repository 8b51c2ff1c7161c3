//! Every answer that a server can give, and what today's strict client makes of it: the outcome, and when it is known.

use shakedown::metrics::Summary;
use shakedown::scenario::Scenario;

use crate::common::{self, ONCE, count, load, loaded};

/// A server without work to do, 10 ms away, and a client.
fn scenario(behavior: &str, clients: &str) -> Result<Scenario, String> {
    load(&format!(
        "format = 1\ntitle = 'x'\nduration = '60s'\n[network]\none_way = '10ms'\n[servers.gateway]\nservice_time = '0s'\n\
         behavior = {behavior}\n[clients.players]\ncount = 1\narrive = 'at_once'\nendpoints = ['gateway']\n\
         {clients}"
    ))
}

fn run(behavior: &str, clients: &str) -> Summary {
    let scenario = scenario(behavior, clients).unwrap_or_else(|problem| panic!("{problem}"));
    // As it is resolved, it is the same.
    assert_eq!(loaded(scenario.resolved()).resolved(), scenario.resolved());
    common::simulate(&scenario).1.summary
}

fn nanos(summary: &Summary, metric: &str) -> u64 {
    common::time(summary, metric).unwrap()
}

#[test]
fn each_answer_has_its_outcome_at_its_time() {
    // 20 ms to connect, 20 ms for the request and the answer. The timeout of 10 s counts from the connect.
    let (at_once, timeout) = (40_000_000, 10_020_000_000);
    // 129 bytes of a 101, a millisecond apart.
    let dripped = at_once + 128_000_000;
    let accept = |rest: &str| format!("{{ kind = 'accept', {rest} }}");
    let answer = |rest: &str| accept(&format!("answer = {{ {rest} }}"));
    let delivery = |rest: &str| accept(&format!("delivery = {{ {rest} }}"));
    let reject = |rest: &str| format!("{{ kind = 'reject', {rest} }}");
    for (behavior, outcome, time) in [
        (answer("accept_key = 'wrong'"), "invalid", at_once),
        (answer("accept_key = 'missing'"), "invalid", at_once),
        (answer("accept_key = 'doubled'"), "invalid", at_once),
        (answer("upgrade = 'wrong'"), "invalid", at_once),
        (answer("upgrade = 'missing'"), "invalid", at_once),
        (answer("upgrade = 'doubled'"), "opened", at_once),
        (answer("connection = 'wrong'"), "invalid", at_once),
        (answer("connection = 'missing'"), "invalid", at_once),
        (answer("connection = 'doubled'"), "opened", at_once),
        (answer("subprotocol = 'chat'"), "invalid", at_once),
        (answer("extension = 'permessage-deflate'"), "invalid", at_once),
        (answer("http = '1.0'"), "invalid", at_once),
        (answer("padding = 20000"), "invalid", at_once),
        (answer("padding = 10000"), "opened", at_once),
        (answer("interim = [100, 103]"), "opened", at_once),
        (answer("first_frame = true"), "opened", at_once),
        (delivery("bytes = 1"), "opened", at_once),
        (delivery("bytes = 1, every = '1ms'"), "opened", dripped),
        (delivery("bytes = 2, every = '2ms'"), "opened", dripped),
        (delivery("bytes = 1, every = '100ms'"), "handshake_timeout", timeout),
        (delivery("cut = 0"), "closed", at_once),
        (delivery("cut = 40"), "closed", at_once),
        (delivery("cut = 128"), "closed", at_once),
        (delivery("cut = 129"), "opened", at_once),
        (delivery("cut = 40, then = 'reset'"), "reset", at_once),
        (delivery("cut = 40, then = 'silence'"), "handshake_timeout", timeout),
        (delivery("cut = 3, then = 'fin', bytes = 1, every = '1s'"), "closed", at_once + 2_000_000_000),
        ("{ kind = 'garbage' }".into(), "invalid", at_once),
        ("{ kind = 'garbage', delivery = { cut = 0 } }".into(), "closed", at_once),
        (reject("status = 400"), "rejected", at_once),
        (reject("status = 403, answer = { body = { bytes = 500 } }"), "rejected", at_once),
        (reject("status = 404, answer = { body = { bytes = 500, framing = 'chunked' } }"), "rejected", at_once),
        (reject("status = 500, answer = { body = { bytes = 500, framing = 'close' } }"), "rejected", at_once),
        (reject("status = 426, answer = { versions = [13, 8] }"), "rejected", at_once),
        (reject("status = 503, retry_after = '5s', answer = { interim = [102] }"), "rejected", at_once),
        (reject("status = 200"), "rejected", at_once),
        (reject("status = 503, answer = { padding = 20000 }"), "invalid", at_once),
        (
            "{ kind = 'redirect', path = '/x', answer = { interim = [103] }, when = { path = '/' } }".into(),
            "redirected",
            at_once,
        ),
        // No redirect that anybody follows by itself.
        ("{ kind = 'redirect', path = '/x', status = 300 }".into(), "rejected", at_once),
        ("{ kind = 'redirect', path = '/x', status = 304 }".into(), "rejected", at_once),
    ] {
        let summary = run(&behavior, ONCE);
        assert_eq!(count(&summary, &format!("attempts.{outcome}")), 1, "{behavior}");
        assert_eq!(nanos(&summary, "attempt_latency.max"), time, "{behavior}");
        let redirected = u64::from(outcome == "redirected");
        assert_eq!(count(&summary, "attempts.total"), 1 + redirected, "{behavior}");
    }
}

#[test]
fn the_status_that_opens_is_no_other() {
    let accept = "{ kind = 'accept', answer = { status = 200 } }";
    // No 101, so the server closes; 200 is what a complete transaction ends in.
    for (mode, outcome) in [("upgrade", "rejected"), ("upgrade-strict", "rejected"), ("final-response", "opened")] {
        let summary = run(accept, &format!("{ONCE}\nmode = '{mode}'"));
        assert_eq!(count(&summary, &format!("attempts.{outcome}")), 1, "{mode}");
        assert_eq!(count(&summary, "lost.total"), 0, "{mode}");
    }
}

#[test]
fn a_server_that_closes_says_so_when_it_said() {
    let summary = run("{ kind = 'accept', close = { after = '1s', code = 1011 } }", ONCE);
    assert_eq!((count(&summary, "lost.close"), count(&summary, "lost.total")), (1, 1));
    // The answer leaves at 30 ms, the close frame at 1.03 s, and it is read 10 ms later.
    assert_eq!(nanos(&summary, "detection_time.max"), 10_000_000);
    // A client that comes back is sent away again, each time after a second: 60 s hold 57 of 1.04 s and what is left.
    let again =
        run("{ kind = 'accept', close = { after = '1s', code = 1012 } }", "retry = { policy = 'fixed', base = '1ms' }");
    assert_eq!(count(&again, "lost.close"), 60_000 / 1_041);
    assert_eq!(count(&again, "attempts.opened"), 60_000 / 1_041 + 1);
}

#[test]
fn who_hangs_up_while_an_answer_drips_is_forgotten() {
    // The client's timeout of 1 s ends it; nothing is left at the server, where the next one finds its place.
    let slow = "{ kind = 'accept', delivery = { bytes = 1, every = '100ms' } }";
    let summary = run(slow, "handshake_timeout = '1s'\nretry = { policy = 'fixed', base = '1s' }");
    assert_eq!(count(&summary, "servers.gateway.open_connections_max"), 1);
    assert_eq!(count(&summary, "sessions.opened"), 0);
    assert!(count(&summary, "attempts.handshake_timeout") >= 29);
}

#[test]
fn what_cannot_be_is_refused() {
    for (behavior, says) in [
        (
            "{ kind = 'stall', answer = { padding = 1 } }",
            "`answer` belongs to kind = \"accept\", \"redirect\", \"reject\" or \"challenge\"",
        ),
        ("{ kind = 'stall', delivery = { cut = 1 } }", "`delivery` belongs to kind"),
        ("{ kind = 'reject', close = { after = '1s', code = 1000 } }", "`close` belongs to kind = \"accept\" only"),
        ("{ kind = 'accept', close = { after = '1s', code = 1006 } }", "close code 1006"),
        ("{ kind = 'accept', close = { after = '1s', code = 1000 }, delivery = { cut = 9 } }", "opens nothing"),
        ("{ kind = 'accept', answer = {} }", "leave `answer` out"),
        ("{ kind = 'accept', answer = { accept_key = 'odd' } }", "wrong"),
        ("{ kind = 'accept', answer = { interim = [101] } }", "status 101"),
        ("{ kind = 'accept', answer = { interim = [200] } }", "status 200"),
        ("{ kind = 'accept', answer = { subprotocol = 'a b' } }", "printable ASCII"),
        ("{ kind = 'accept', answer = { padding = 0 } }", "1 to 1000000 bytes"),
        ("{ kind = 'accept', answer = { body = { bytes = 1 } } }", "`body` belongs to"),
        ("{ kind = 'reject', answer = { versions = [13] } }", "status = 426"),
        ("{ kind = 'reject', answer = { upgrade = 'missing' } }", "`upgrade` belongs to kind = \"accept\" only"),
        ("{ kind = 'reject', answer = { body = { bytes = 9000000 } } }", "at most 1000000 bytes"),
        ("{ kind = 'accept', delivery = {} }", "leave `delivery` out"),
        ("{ kind = 'accept', delivery = { bytes = 0 } }", "at least 1"),
        ("{ kind = 'accept', delivery = { every = '1s' } }", "`every` means nothing without `bytes`"),
        ("{ kind = 'accept', delivery = { bytes = 1, every = '0s' } }", "leave `every` out"),
        ("{ kind = 'accept', delivery = { then = 'fin' } }", "`then` means nothing without `cut`"),
    ] {
        let told = scenario(behavior, ONCE).expect_err(behavior);
        assert!(told.contains(says), "{behavior}: {told}");
    }
}
