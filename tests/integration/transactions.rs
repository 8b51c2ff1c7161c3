//! A server's HTTP transactions: how long each is held in either kind of handshake, and what becomes of requests when
//! all are in use.

use shakedown::event::Kind;
use shakedown::metrics::Summary;
use shakedown::server;

use crate::common::{self, CREDENTIALS, count, erlang_b, find, load, loaded, ratio};

/// One server, 10 ms away, that has 1 ms of work for each handshake; clients that come at once and try once.
fn text(server: &str, clients: &str, rest: &str) -> String {
    let arrive = if clients.contains("arrive") { "" } else { "arrive = 'at_once'" };
    format!(
        "format = 1\ntitle = 'x'\nduration = '60s'\n[network]\none_way = '10ms'\n[servers.gateway]\n\
         service_time = '1ms'\n{server}\n[clients.players]\nendpoints = ['gateway']\n{arrive}\n\
         retry = {{ policy = 'none' }}\nreconnect = false\n{clients}\n{rest}"
    )
}

/// What is measured, and what became of transactions, in whole microseconds unless arrivals are random.
fn told_with(server: &str, clients: &str, rest: &str) -> (Summary, Vec<(u64, &'static str, u32)>) {
    let (events, summary) = common::run(&text(server, clients, rest));
    let transactions = find(&events, |kind| match kind {
        Kind::Server(_, server::Event::TransactionBegan { connection }) => Some(("began", *connection)),
        Kind::Server(_, server::Event::TransactionEnded { connection }) => Some(("ended", *connection)),
        Kind::Server(_, server::Event::TransactionAwaited { connection }) => Some(("awaited", *connection)),
        _ => None,
    });
    let random = clients.contains("poisson");
    let micros = |(at, (what, connection)): (u64, (&'static str, u32))| {
        assert!(random || at.is_multiple_of(1_000));
        (at / 1_000, what, connection)
    };
    (summary, transactions.into_iter().map(micros).collect())
}

fn told(server: &str, clients: &str) -> (Summary, Vec<(u64, &'static str, u32)>) {
    told_with(server, clients, "")
}

fn micros(summary: &Summary, metric: &str) -> u64 {
    common::time(summary, metric).unwrap() / 1_000
}

#[test]
fn an_upgrade_keeps_its_transaction_for_life_and_a_final_response_gives_it_back() {
    // SYN, SYN-ACK, request: 30 ms. The client hears at 41 ms, says goodbye 5 s later, and is heard at 5.051 s.
    let clients = "count = 2\nhold = '5s'";
    for mode in ["upgrade", "upgrade-strict"] {
        let (summary, transactions) = told("transactions_max = 1", &format!("{clients}\nmode = '{mode}'"));
        let expected = [
            (30_000, "began", 0),
            (30_000, "awaited", 1),
            (5_051_000, "ended", 0),
            (5_051_000, "began", 1),
            (10_072_000, "ended", 1),
        ];
        assert_eq!(transactions, expected, "{mode}");
        assert_eq!(count(&summary, "sessions.opened"), 2);
        assert_eq!(micros(&summary, "time_to_open.max"), 5_062_000);
        assert_eq!(micros(&summary, "servers.gateway.queue_wait.max"), 5_021_000);
        assert_eq!(count(&summary, "servers.gateway.transactions_in_use_max"), 1);
        assert_eq!(count(&summary, "servers.gateway.transactions_awaited"), 1);
        assert_eq!(count(&summary, "servers.gateway.queue_depth_max"), 1);
        let share = ratio(&summary, "servers.gateway.transactions_utilisation");
        assert!((share - 10.042 / 60.0).abs() < 1e-12, "{share}");
    }
    let (summary, transactions) = told("transactions_max = 1", &format!("{clients}\nmode = 'final-response'"));
    let expected = [
        (30_000, "began", 0),
        (30_000, "awaited", 1),
        (31_000, "ended", 0),
        (31_000, "began", 1),
        (32_000, "ended", 1),
    ];
    assert_eq!(transactions, expected);
    assert_eq!(micros(&summary, "time_to_open.max"), 42_000);
    assert_eq!(count(&summary, "servers.gateway.open_connections_max"), 2);
    let share = ratio(&summary, "servers.gateway.transactions_utilisation");
    assert!((share - 0.002 / 60.0).abs() < 1e-12, "{share}");
}

#[test]
fn who_finds_none_is_turned_away_or_waits_until_it_gives_up() {
    let clients = "count = 3\nhandshake_timeout = '2s'";
    let (summary, transactions) = told("transactions_max = 1\ntransactions_full = 'reject'", clients);
    assert_eq!(transactions, [(30_000, "began", 0)]);
    assert_eq!(count(&summary, "attempts.rejected"), 2);
    assert_eq!(micros(&summary, "attempt_latency.min"), 40_000, "503 at no worker's cost");
    assert_eq!(count(&summary, "servers.gateway.transactions_full"), 2);
    assert_eq!(count(&summary, "servers.gateway.turned_away"), 2);
    let (summary, _) = told("transactions_max = 1", clients);
    assert_eq!(count(&summary, "attempts.handshake_timeout"), 2);
    assert_eq!(count(&summary, "servers.gateway.transactions_full"), 0);
    // Those that wait take up places in the queue.
    let (summary, _) = told("transactions_max = 1\nqueue_max = 1", clients);
    assert_eq!(count(&summary, "servers.gateway.queue_full"), 1);
    assert_eq!((count(&summary, "attempts.rejected"), count(&summary, "attempts.handshake_timeout")), (1, 1));
    // A server without limits has nothing to say about them.
    let (summary, transactions) = told("", clients);
    assert_eq!((summary.get("servers.gateway.transactions_full"), transactions.len()), (None, 0));
}

#[test]
fn a_client_that_gave_up_costs_a_transaction_and_a_worker_all_the_same() {
    // The second gives up at 2.02 s, the first leaves at 5.041 s: what waits then has no reader.
    let clients = "count = 2\nhandshake_timeout = '2s'\nhold = '5s'";
    let (summary, transactions) = told("transactions_max = 1", clients);
    assert_eq!(transactions[2..], [(5_051_000, "ended", 0), (5_051_000, "began", 1), (5_052_000, "ended", 1)]);
    assert_eq!(count(&summary, "servers.gateway.wasted"), 1);
    // With a deadline it costs nothing.
    let (summary, transactions) = told("transactions_max = 1\nqueue = { deadline = '3s' }", clients);
    assert_eq!(transactions[2..], [(5_051_000, "ended", 0)]);
    assert_eq!((count(&summary, "servers.gateway.expired"), count(&summary, "servers.gateway.wasted")), (1, 0));
}

#[test]
fn any_other_final_answer_gives_it_back_with_its_last_byte() {
    let one = |behavior: &str, clients: &str| {
        told(&format!("transactions_max = 1\nbehavior = {behavior}"), &format!("count = 1\n{clients}")).1
    };
    for behavior in ["{ kind = 'reject' }", "{ kind = 'redirect', path = '/x', when = { path = '/' } }"] {
        assert_eq!(one(behavior, "redirects = 0"), [(30_000, "began", 0), (31_000, "ended", 0)], "{behavior}");
    }
    // 71 bytes in pieces of 30: at once, after 100 ms, after 200 ms.
    let slowly = "{ kind = 'accept', delivery = { bytes = 30, every = '100ms' } }";
    let final_response = one(slowly, "mode = 'final-response'");
    assert_eq!(final_response, [(30_000, "began", 0), (231_000, "ended", 0)]);
    assert_eq!(one(slowly, ""), [(30_000, "began", 0)]);
    // Who is never answered keeps it until the connection's end: the client's timeout is 10 s after TCP is up.
    assert_eq!(one("{ kind = 'stall' }", ""), [(30_000, "began", 0), (10_030_000, "ended", 0)]);
}

#[test]
fn a_challenge_is_a_transaction_of_its_own() {
    let server = format!("transactions_max = 1\nbehavior = {{ kind = 'challenge', {CREDENTIALS} }}");
    let (_, transactions) = told(&server, &format!("count = 1\n{CREDENTIALS}"));
    // 401 at 31 ms, on the same connection the request again at 51 ms.
    assert_eq!(transactions, [(30_000, "began", 0), (31_000, "ended", 0), (51_000, "began", 0)]);
}

#[test]
fn a_new_process_has_all_its_transactions() {
    let fault = "[faults.dies]\nkind = 'restart'\ntarget = 'gateway-0'\nat = '5s'\nfor = '1s'\n\
                 [clients.later]\ncount = 1\nendpoints = ['gateway']\nstart = '10s'\narrive = 'at_once'";
    let (summary, transactions) = told_with("transactions_max = 1", "count = 1", fault);
    assert_eq!(transactions, [(30_000, "began", 0), (10_030_000, "began", 0)]);
    assert_eq!(count(&summary, "servers.gateway.transactions_in_use_max"), 1);
    let share = ratio(&summary, "servers.gateway.transactions_utilisation");
    assert!((share - (4.97 + 49.97) / 60.0).abs() < 1e-12, "{share}");
}

#[test]
fn a_pool_of_transactions_loses_as_many_as_erlang_says() {
    // An upgraded connection holds its transaction for 1 ms of work, 20 ms on the way, and its life.
    for (mode, hold, held) in [("upgrade", "79ms", 0.1), ("final-response", "79ms", 0.001)] {
        let clients =
            format!("count = 20_000\narrive = {{ poisson = {{ rate = '400/s' }} }}\nhold = '{hold}'\nmode = '{mode}'");
        let (summary, _) = told("workers = 1000\ntransactions_max = 40\ntransactions_full = 'reject'", &clients);
        let lost = count(&summary, "servers.gateway.transactions_full") as f64 / 20_000.0;
        let expected = erlang_b(40, 400.0 * held);
        assert!((lost - expected).abs() < 0.015, "{mode}: {lost} is not near {expected}");
    }
}

#[test]
fn what_contradicts_is_refused() {
    let problem = |server: &str| load(&text(server, "count = 1", "")).expect_err(server);
    for (server, says) in [
        ("transactions_full = 'reject'", "`transactions_full` means nothing without `transactions_max`"),
        ("transactions_max = 0", "at least 1"),
        ("transactions_max = 1\ntransactions_full = 'redirect'", "wait"),
    ] {
        let told = problem(server);
        assert!(told.contains(says), "{server}: {told}");
    }
    let text = "format = 1\ntitle = 'x'\nduration = '9s'\n[servers.a]\n[servers.front]\nkind = 'l4'\nto = 'a'\n\
                balance = 'nat'\ntransactions_max = 3\n[clients.b]\ncount = 1\nendpoints = ['front']";
    let told = load(text).expect_err(text);
    assert!(told.contains("`transactions_max` means nothing to a balancer"), "{told}");
}

#[test]
fn the_resolved_scenario_says_what_becomes_of_requests() {
    let scenario = loaded(&text("transactions_max = 7", "count = 3", ""));
    let resolved = scenario.resolved();
    assert!(resolved.contains("transactions_max = 7\ntransactions_full = \"wait\""), "{resolved}");
    let again = loaded(resolved);
    assert_eq!(again.resolved(), resolved);
}
