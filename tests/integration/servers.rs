//! What servers do under load and under their limits, in whole runs.

use shakedown::metrics::Summary;

use crate::common::{self, MS, count, erlang_b, load, loaded, time};

/// One group of servers with these settings, and clients that try once each.
fn text(servers: &str, rest: &str) -> String {
    format!(
        "format = 1\ntitle = 'x'\nduration = '60s'\n[servers.gateway]\n{servers}\n[clients.players]\n\
         endpoints = ['gateway']\nretry = {{ policy = 'none' }}\n{rest}"
    )
}

fn run(servers: &str, rest: &str) -> Summary {
    common::summary(&text(servers, rest))
}

/// The problem with these settings, as it is told.
fn problem(servers: &str, rest: &str) -> String {
    load(&text(servers, rest)).expect_err(servers)
}

#[test]
fn without_a_queue_as_many_are_lost_as_erlang_says() {
    // The formula depends on the mean of the service time only. 20,000 arrivals: the share's error is about 0.5 %.
    for service_time in ["'8ms'", "{ exponential = { mean = '8ms' } }"] {
        let servers = format!("workers = 4\nservice_time = {service_time}\nqueue_max = 0\nqueue_full = 'reject'");
        let summary = run(&servers, "count = 20_000\narrive = { poisson = { rate = '500/s' } }");
        let lost = count(&summary, "servers.gateway.queue_full") as f64 / 20_000.0;
        let expected = erlang_b(4, 4.0);
        assert!((lost - expected).abs() < 0.015, "{service_time}: {lost} is not near {expected}");
    }
}

#[test]
fn what_is_dropped_times_out_and_what_is_reset_hears_so() {
    let clients = "count = 10\narrive = 'at_once'\nhandshake_timeout = '3s'";
    for (queue_full, outcome) in [("reject", "rejected"), ("drop", "handshake_timeout"), ("reset", "reset")] {
        let servers = format!("workers = 1\nservice_time = '1s'\nqueue_max = 1\nqueue_full = '{queue_full}'");
        let summary = run(&servers, clients);
        assert_eq!(count(&summary, &format!("attempts.{outcome}")), 8, "{queue_full}");
        assert_eq!(count(&summary, "sessions.opened"), 2);
    }
}

#[test]
fn overflow_goes_where_it_is_told() {
    let servers = "connections_max = 3\nwhen_full = 'redirect'\noverflow_to = 'spare'\n[servers.spare]";
    let summary = run(servers, "count = 10\narrive = 'at_once'");
    assert_eq!(count(&summary, "servers.gateway.connections_full"), 7);
    assert_eq!((count(&summary, "servers.gateway.opened"), count(&summary, "servers.spare.opened")), (3, 7));
}

#[test]
fn limits_that_contradict_each_other_are_found() {
    for (servers, says) in [
        ("queue_full = 'drop'", "`queue_full` means nothing without `queue_max`"),
        ("when_full = 'drop'", "`when_full` means nothing without `connections_max`"),
        ("connections_max = 1\nwhen_full = 'redirect'", "overflow_to = \"GROUP\""),
        ("connections_max = 1\noverflow_to = 'gateway'", "when_full = \"redirect\""),
        ("connections_max = 1\nwhen_full = 'redirect'\noverflow_to = 'gatewax'", "gateway"),
        ("queue = { deadline = '0s' }", "queue_max = 0"),
        ("queue = 'random'", "lifo"),
        ("over_rate = 'wait'", "accept_rate = {"),
        ("accept_rate = { rate = '0/s', burst = 1 }", "a rate between"),
        ("address_rate = { rate = '1/s', burst = 0 }", "at least 1"),
        ("handshake_timeout = '0s'", "nothing would ever open"),
        ("auth_time = { uniform = { min = '2ms', max = '1ms' } }", "below min"),
        ("warm_up = { for = '1s', factor = 0.5 }", "four times as long"),
        ("warm_up = { for = '0s', factor = 2 }", "no time"),
    ] {
        let told = problem(servers, "count = 1");
        assert!(told.contains(says), "{servers}: {told}");
    }
}

#[test]
fn an_address_is_a_client_process() {
    let servers = "address_rate = { rate = '1/s', burst = 1 }";
    let clients = "count = 10\narrive = 'at_once'";
    let own = run(servers, clients);
    assert_eq!((count(&own, "sessions.opened"), count(&own, "servers.gateway.over_rate")), (10, 0));
    let shared = run(servers, &format!("{clients}\nhosts = 2"));
    assert_eq!((count(&shared, "sessions.opened"), count(&shared, "servers.gateway.over_rate")), (2, 8));
}

#[test]
fn hosts_behind_a_nat_share_its_addresses_in_turn() {
    let servers = "address_rate = { rate = '1/s', burst = 1 }";
    let clients = "count = 10\narrive = 'at_once'";
    for (shared, addresses) in [("nat = 1", 1), ("nat = 3", 3), ("nat = 10", 10), ("hosts = 4\nnat = 3", 3)] {
        let summary = run(servers, &format!("{clients}\n{shared}"));
        assert_eq!(count(&summary, "sessions.opened"), addresses, "{shared}");
        assert_eq!(count(&summary, "servers.gateway.over_rate"), 10 - addresses, "{shared}");
    }
    // Three addresses have 4, 3 and 3 of ten hosts: with three tokens, one host of the first has none.
    let three = run("address_rate = { rate = '1/s', burst = 3 }", &format!("{clients}\nnat = 3"));
    assert_eq!(count(&three, "sessions.opened"), 9);
    // Another group's addresses are others.
    let others = "[clients.others]\nendpoints = ['gateway']\nretry = { policy = 'none' }";
    let others = format!("{clients}\nnat = 1\n{others}\n{clients}\nnat = 1");
    assert_eq!(count(&run(servers, &others), "sessions.opened"), 2);
    assert!(problem("", "count = 10\nnat = 11").contains("10 hosts can't share 11 addresses"));
    assert!(problem("", "count = 10\nhosts = 4\nnat = 5").contains("4 hosts can't share 5 addresses"));
    assert!(problem("", "count = 10\nnat = 0").contains("must be at least 1"));
}

#[test]
fn a_rate_that_makes_requests_wait_spreads_a_storm() {
    let servers = "accept_rate = { rate = '100/s', burst = 1 }\nover_rate = 'wait'";
    let summary = run(servers, "count = 200\narrive = 'at_once'");
    assert_eq!((count(&summary, "sessions.opened"), count(&summary, "servers.gateway.held_back")), (200, 199));
    let longest = time(&summary, "servers.gateway.queue_wait.max").unwrap();
    assert!((1_980_000_000..=2_000_000_000).contains(&longest), "{longest}");
}

#[test]
fn a_server_is_slow_until_it_is_warm() {
    let servers = "service_time = '10ms'\nwarm_up = { for = '5s', factor = 10 }";
    let warm = run(servers, "count = 1\narrive = 'at_once'\nstart = '10s'");
    let cold = run(servers, "count = 1\narrive = 'at_once'\nstart = '1s'");
    let latency = |summary: &Summary| time(summary, "handshake_latency.max").unwrap() / MS;
    assert_eq!((latency(&warm), latency(&cold)), (50, 140));
}

/// Three servers, 300 clients of whom each has a server when the fault strikes at 20 s, and comes back when it lost it.
fn struck(fault: &str) -> String {
    format!(
        "format = 1\ntitle = 'x'\nduration = '60s'\n[servers.gateway]\ncount = 3\n[clients.players]\ncount = 300\n\
         endpoints = ['gateway']\npick = 'round-robin'\nretry = {{ policy = 'fixed', base = '500ms' }}\n\
         connect_timeout = '1s'\nhandshake_timeout = '1s'\n[faults.it]\nat = '20s'\n{fault}"
    )
}

fn strike(fault: &str) -> Summary {
    common::summary(&struck(fault))
}

fn recovery_ms(summary: &Summary) -> Option<u64> {
    time(summary, "faults.it.recovery_time").map(|time| time / MS)
}

#[test]
fn a_restarted_server_is_back_at_once() {
    let summary = strike("kind = 'restart'\ntarget = 'gateway-0'");
    assert_eq!((count(&summary, "faults.it.affected"), count(&summary, "faults.it.open_again")), (100, 100));
    assert_eq!((count(&summary, "attempts.refused"), count(&summary, "lost.total")), (0, 100));
    let down = strike("kind = 'restart'\ntarget = 'gateway'\nfor = '3s'");
    assert_eq!(count(&down, "faults.it.affected"), 300);
    assert!(count(&down, "attempts.refused") > 0);
    assert!(recovery_ms(&down).unwrap() > 3_000);
}

#[test]
fn a_pause_is_a_hang_that_goes_on() {
    let summary = strike("kind = 'pause'\ntarget = 'gateway-0'\nfor = '200ms'");
    assert_eq!((count(&summary, "faults.it.affected"), count(&summary, "lost.total")), (100, 0));
    assert_eq!(recovery_ms(&summary), Some(200));
}

#[test]
fn a_drained_server_says_goodbye_to_one_after_the_other() {
    let summary = strike("kind = 'drain'\ntarget = 'gateway-0'\nover = '10s'\nfor = '20s'");
    assert_eq!((count(&summary, "faults.it.affected"), count(&summary, "faults.it.open_again")), (100, 100));
    assert_eq!((count(&summary, "lost.total"), count(&summary, "sessions.open_at_end")), (100, 300));
    // The last frame but one per cent is sent after 9.8 s; a client is back within a second.
    assert!((9_800..11_000).contains(&recovery_ms(&summary).unwrap()));
    // Every path was usable until its own frame was sent: an outage is short, however long the drain.
    let longest = time(&summary, "outage.max").unwrap();
    assert!(longest < 2_000_000_000, "{longest}");
}

#[test]
fn a_client_whose_answer_is_on_its_way_when_the_drain_begins_is_the_drains_victim() {
    // 20 ms one way: the request is read at 60 ms, the 101 leaves at 60.25 ms and arrives at 80.25 ms; the close frame
    // follows from 70 ms to 90 ms.
    let sent_away = |at: &str| {
        let rest = format!(
            "count = 1\narrive = 'at_once'\nreconnect = false\n\
             [faults.it]\nkind = 'drain'\ntarget = 'gateway'\nat = '{at}'\nover = '0s'"
        );
        let summary = run("service_time = '250us'", &rest);
        assert_eq!((count(&summary, "attempts.opened"), count(&summary, "lost.total")), (1, 1), "{at}");
        assert_eq!(count(&summary, "faults.it.affected"), 1, "{at}");
        let noticed = time(&summary, "detection_time.max").unwrap();
        (noticed, count(&summary, "sessions.opened"))
    };
    // It opened for its client only, who noticed 9.75 ms later.
    assert_eq!(sent_away("70ms"), (9_750_000, 0));
    // Once the answer has arrived, the path is dead from the frame on.
    assert_eq!(sent_away("81ms"), (20_000_000, 1));
}

#[test]
fn a_rolling_restart_loses_no_two_servers_at_once() {
    let fault = "kind = 'rolling-restart'\ntarget = 'gateway'\ngap = '3s'\ndrain = '2s'\nfor = '1s'";
    let strikes: Vec<_> = loaded(&struck(fault)).faults()[0]
        .windows
        .iter()
        .map(|s| (s.begins.0 / 1_000_000_000, s.servers.clone()))
        .collect();
    assert_eq!(strikes, [(20, vec![0]), (22, vec![0]), (26, vec![1]), (28, vec![1]), (32, vec![2]), (34, vec![2])]);
    let summary = strike(fault);
    assert_eq!(count(&summary, "sessions.open_at_end"), 300);
    assert_eq!(count(&summary, "faults.it.open_again"), count(&summary, "faults.it.affected"));
    // Recovered is whoever is open after the last server's turn.
    assert!((13_000..17_000).contains(&recovery_ms(&summary).unwrap()), "{:?}", recovery_ms(&summary));
    let pairs = loaded(&struck(&format!("{fault}\nat_a_time = 2")));
    assert_eq!(pairs.faults()[0].windows.len(), 4);
}

#[test]
fn a_fault_may_come_again() {
    let summary = strike("kind = 'restart'\ntarget = 'gateway-0'\nrepeat = { every = '10s', times = 3 }");
    assert!(count(&summary, "lost.total") >= 100);
    let told = struck("kind = 'hang'\ntarget = 'gateway-0'\nfor = '5s'\nrepeat = { every = '5s', times = 3 }");
    assert_eq!(loaded(&told).faults()[0].windows.len(), 3);
}

#[test]
fn slow_servers_and_short_backlogs_take_nobody_down() {
    let slow = strike("kind = 'slow'\ntarget = 'gateway'\nfactor = 5\nfor = '5s'");
    assert_eq!((count(&slow, "faults.it.affected"), recovery_ms(&slow)), (0, None));
    let squeezed = strike("kind = 'backlog'\ntarget = 'gateway'\nto = 0\nfor = '5s'");
    assert_eq!(count(&squeezed, "sessions.open_at_end"), 300);
}

#[test]
fn faults_that_contradict_themselves_are_found() {
    for (fault, says) in [
        ("kind = 'crash'\ntarget = 'gateway'\nfactor = 5", "`factor` means nothing to a fault of kind crash"),
        ("kind = 'slow'\ntarget = 'gateway'", "write factor = 5"),
        ("kind = 'slow'\ntarget = 'gateway'\nfactor = 0", "five times as long"),
        ("kind = 'backlog'\ntarget = 'gateway'", "write to = 16"),
        ("kind = 'rolling-restart'\ntarget = 'gateway'", "needs `for`"),
        ("kind = 'rolling-restart'\ntarget = 'gateway'\nfor = '1s'\nat_a_time = 0", "at least 1"),
        ("kind = 'drain'\ntarget = 'gateway'\ncode = 1000", "1001 (going away)"),
        (
            "kind = 'hang'\ntarget = 'gateway'\nrepeat = { every = '5s', times = 2 }",
            "would begin again before `gateway-0`",
        ),
        (
            "kind = 'hang'\ntarget = 'gateway'\nfor = '6s'\nrepeat = { every = '5s', times = 2 }",
            "before `gateway-0` is healed",
        ),
        ("kind = 'restart'\ntarget = 'gateway'\nrepeat = { every = '0s', times = 2 }", "some time between"),
        ("kind = 'restart'\ntarget = 'gateway'\nrepeat = { every = '1s', times = 0 }", "from 1 to"),
        ("kind = 'crash'\ntarget = 'gateway'\nfor = '0s'", "must take some time"),
    ] {
        let told = load(&struck(fault)).expect_err(fault);
        assert!(told.contains(says), "{fault}: {told}");
    }
}
