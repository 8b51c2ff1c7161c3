//! The clocks that end connections: heartbeats of servers, idle timeouts, ages, and processes that are replaced.

use shakedown::client::End;
use shakedown::event::{Event, Kind};
use shakedown::metrics::Summary;
use shakedown::network;
use shakedown::server::{self, Clock};

use crate::common::{MS, SECOND, count, find, history, load, lost, opened, run, summary, time};

/// Servers that take no time, 20 ms away, and sessions that come at once and do not come back.
fn text(servers: &str, clients: &str, rest: &str) -> String {
    format!(
        "format = 1\ntitle = 'x'\nduration = '60s'\n[network]\none_way = '20ms'\n\
         [servers.gateway]\nservice_time = '0s'\n{servers}\n\
         [clients.players]\nendpoints = ['gateway']\narrive = 'at_once'\nretry = {{ policy = 'none' }}\n{clients}\n{rest}"
    )
}

/// When clocks ended connections of a server, and which.
fn rang(events: &[Event], server: u32) -> Vec<(u64, Clock)> {
    find(events, |kind| match kind {
        Kind::Server(number, server::Event::EndedByClock { clock, .. }) if *number == server => Some(*clock),
        _ => None,
    })
}

/// When a server's connections were gone.
fn closed(events: &[Event], server: u32) -> Vec<u64> {
    let gone = find(events, |kind| match kind {
        Kind::Server(number, server::Event::Closed { .. }) if *number == server => Some(()),
        _ => None,
    });
    gone.into_iter().map(|(at, ())| at).collect()
}

#[test]
fn a_silent_connection_ends_and_one_that_pings_stays() {
    // Open at the server at 60 ms, where nothing comes any more.
    let events = history(&text("idle_timeout = { after = '10s' }", "count = 1", ""));
    assert_eq!(rang(&events, 0), [(10_060 * MS, Clock::IdleTimeout)]);
    assert_eq!(lost(&events, 0), [(10_080 * MS, End::Close(1001))]);
    assert_eq!(closed(&events, 0), [10_100 * MS]);
    let pings = "count = 1\nheartbeat = { every = '8s', timeout = '1s' }";
    let events = history(&text("idle_timeout = { after = '10s' }", pings, ""));
    assert_eq!(rang(&events, 0), []);
    let ends =
        |ends: &str| lost(&history(&text(&format!("idle_timeout = {{ after = '10s', {ends} }}"), "count = 1", "")), 0);
    assert_eq!(ends("code = 4000"), [(10_080 * MS, End::Close(4000))]);
    assert_eq!(ends("ends = 'fin'"), [(10_080 * MS, End::Fin)]);
    assert_eq!(ends("ends = 'reset'"), [(10_080 * MS, End::Reset)]);
}

#[test]
fn a_ping_without_a_pong_ends_the_connection() {
    // Open at 60 ms, pinged every 10 s. The pong to the ping at 20.06 s comes 40 ms later, that to the next never.
    let cut = "[faults.cut]\nkind = 'partition'\ntarget = 'gateway'\nat = '25s'";
    let servers = "heartbeat = { every = '10s', timeout = '4s' }\nclose_timeout = '3s'";
    let (events, summary) = run(&text(servers, "count = 1", cut));
    assert_eq!(rang(&events, 0), [(34_060 * MS, Clock::Heartbeat)]);
    // Its close frame is not answered either.
    assert_eq!(closed(&events, 0), [37_060 * MS]);
    assert_eq!(lost(&events, 0), []);
    assert_eq!(count(&summary, "servers.gateway.ended_by.heartbeat"), 1);
    // A time limit longer than the period: the next ping waits for the pong.
    let servers = "heartbeat = { every = '10s', timeout = '25s' }";
    assert_eq!(rang(&history(&text(servers, "count = 1", cut)), 0), [(55_060 * MS, Clock::Heartbeat)]);
    let healed = "[faults.cut]\nkind = 'partition'\ntarget = 'gateway'\nat = '25s'\nfor = '10s'";
    assert_eq!(rang(&history(&text(servers, "count = 1", healed)), 0), []);
}

#[test]
fn as_many_are_open_as_arrive_within_an_age() {
    // 100 a second, each open for 5 s: 500; and 4 whose closing handshake takes the last 40 ms.
    let clients = "count = 6_000\narrive = { evenly_over = '60s' }";
    let (_, summary) = run(&text("connection_age = { max = '5s' }", &clients.replace("arrive = 'at_once'\n", ""), "")
        .replace("arrive = 'at_once'\n", ""));
    assert_eq!(count(&summary, "servers.gateway.open_at_end"), 500 + 4);
    assert_eq!(count(&summary, "servers.gateway.ended_by.connection_age"), 5_494);
}

#[test]
fn those_that_forward_end_both_connections() {
    let balancer =
        "[servers.front]\nkind = 'l4'\nto = 'gateway'\nbalance = 'terminate'\nidle_timeout = { after = '10s'ENDS }";
    let front = |ends: &str| {
        text("", "count = 1", &balancer.replace("ENDS", ends))
            .replace("endpoints = ['gateway']", "endpoints = ['front']")
    };
    // The last that goes through the balancer is the answer: from the server at 80 ms, at the balancer 20 ms later.
    for (ends, end) in [("", End::Fin), (", ends = 'reset'", End::Reset)] {
        let events = history(&front(ends));
        let [(at, Clock::IdleTimeout)] = rang(&events, 1)[..] else { panic!("{:?}", rang(&events, 1)) };
        assert_eq!(lost(&events, 0), [(at + 20 * MS, end)]);
        assert_eq!(closed(&events, 0), [at + 20 * MS]);
    }
    let proxy = "proxy = 'front'\ncount = 1";
    let events = history(&text("", proxy, "[proxies.front]\nservice_time = '0s'\nconnection_age = { max = '10s' }"));
    let [(at, Clock::Age)] = rang(&events, 1)[..] else { panic!("{:?}", rang(&events, 1)) };
    assert_eq!((lost(&events, 0), closed(&events, 0)), (vec![(at + 20 * MS, End::Fin)], vec![at + 20 * MS]));
}

const RELOADS: &str = "[faults.reload]\nkind = 'reload'\ntarget = 'gateway'\nat = '10s'\nconnections_until = '20s'\n\
                       repeat = { every = '5s', times = 3 }";

#[test]
fn an_old_process_keeps_its_connections_until_the_deadline() {
    // Two a second, from the beginning to the end of the run: those of the first 10 s stay with the first process.
    let clients = "count = 120";
    let all = text("", clients, RELOADS).replace("arrive = 'at_once'", "arrive = { evenly_over = '60s' }");
    let (events, summary) = run(&all);
    let ends: Vec<(u64, Clock)> = rang(&events, 0);
    let at =
        |seconds: u64| ends.iter().filter(|(at, clock)| *at == seconds * SECOND && *clock == Clock::Reload).count();
    assert_eq!((at(30), at(35), at(40), ends.len()), (20, 10, 10, 40));
    assert_eq!(count(&summary, "servers.gateway.reloads"), 3);
    assert_eq!(count(&summary, "servers.gateway.old_processes_max"), 3);
    assert_eq!(count(&summary, "servers.gateway.old_connections_max"), 40);
    assert_eq!(count(&summary, "faults.reload.affected"), 40);
    assert_eq!(count(&summary, "attempts.refused"), 0);
    // Without a time they stay until their clients end them, and so does the process.
    let patient = all.replace("connections_until = '20s'\n", "");
    let (events, summary) = run(&patient);
    assert_eq!((rang(&events, 0).len(), count(&summary, "servers.gateway.old_processes_max")), (0, 3));
}

#[test]
fn a_reload_begins_a_process_anew() {
    // It is slow for 5 s after its start; what it was asked before is answered by the old one.
    let servers = "warm_up = { for = '5s', factor = 11 }".to_string();
    let all =
        text(&servers, "count = 1\nstart = '12s'", RELOADS).replace("service_time = '0s'", "service_time = '10ms'");
    assert_eq!(opened(&history(&all), 0), [12_190 * MS]);
    assert_eq!(opened(&history(&all.replace("at = '10s'", "at = '20s'")), 0), [12_090 * MS]);
    // A balancer that counts connections has forgotten them: the next go to the first server again.
    let balancer = "[servers.front]\nkind = 'l4'\nto = 'gateway'\nbalance = 'terminate'\npick = 'least-connections'";
    let rest = format!(
        "{balancer}\n[clients.later]\nendpoints = ['front']\narrive = 'at_once'\nstart = '20s'\ncount = 4\n{RELOADS}"
    );
    let all = text("count = 2", "count = 3", &rest).replace("endpoints = ['gateway']", "endpoints = ['front']");
    let all = all.replace("target = 'gateway'\nat = '10s'", "target = 'front'\nat = '10s'");
    let summary = summary(&all);
    assert_eq!((count(&summary, "servers.gateway-0.opened"), count(&summary, "servers.gateway-1.opened")), (4, 3));
}

#[test]
fn reloads_in_turn_are_a_rolling_deployment_that_refuses_nobody() {
    let deploy = "[faults.deploy]\nkind = 'reload'\ntarget = 'gateway'\nat = '10s'\ngap = '5s'\nat_a_time = 2\nconnections_until = '4s'\n";
    let retry = "count = 40\nretry = { policy = 'fixed', base = '100ms' }";
    let all = text("count = 4", retry, deploy).replace("retry = { policy = 'none' }\n", "");
    let (events, summary) = run(&all);
    let ends = |server| rang(&events, server).first().map(|(at, clock)| (*at, *clock));
    let at = |second: u64| Some((second * SECOND, Clock::Reload));
    assert_eq!([0, 1, 2, 3].map(ends), [at(14), at(14), at(19), at(19)]);
    assert_eq!(count(&summary, "attempts.refused"), 0);
    assert_eq!(count(&summary, "servers.gateway.reloads"), 4);
    // The last turn has to come within the run.
    let problem = load(&all.replace("gap = '5s'", "gap = '55s'")).unwrap_err();
    assert!(problem.contains("but the run ends at"), "{problem}");
}

#[test]
fn clocks_that_mean_nothing_are_found() {
    for (servers, says) in [
        ("heartbeat = { every = '0s', timeout = '1s' }", "`every` must be some time"),
        ("idle_timeout = { after = '0s' }", "leave `idle_timeout` out"),
        ("idle_timeout = { after = '1s', ends = 'forget' }", "`forget` is not possible here"),
        ("idle_timeout = { after = '1s', ends = 'fin', code = 1001 }", "`code` is in a close frame"),
        ("connection_age = { max = '1s', code = 1006 }", "close code 1006"),
        ("connection_age = { max = '0s' }", "leave `connection_age` out"),
        ("close_timeout = '1s'", "`close_timeout` means nothing"),
        (
            "kind = 'l4'\nbalance = 'terminate'\nto = 'gateway'\nheartbeat = { every = '1s', timeout = '1s' }",
            "to a balancer",
        ),
    ] {
        let problem = load(&text(servers, "count = 1", "")).expect_err(servers);
        assert!(problem.contains(says), "{problem}");
    }
    for (fault, says) in [
        ("kind = 'crash'\nconnections_until = '1s'", "`connections_until` means nothing to a fault of kind crash"),
        ("kind = 'reload'\nends = 'reset'", "`ends` means nothing without `connections_until`"),
        ("kind = 'reload'\nfor = '1s'", "`for` means nothing to a fault of kind reload"),
    ] {
        let rest = format!("[faults.x]\ntarget = 'gateway'\nat = '1s'\n{fault}");
        let problem = load(&text("", "count = 1", &rest)).expect_err(fault);
        assert!(problem.contains(says), "{problem}");
    }
}

const CUT: &str = "[faults.cut]\nkind = 'partition'\ntarget = 'gateway'\nat = '25s'";
const PROBES: &str = "keepalive = { idle = '10s', every = '2s', probes = 3 }";

/// When a server's kernel gave its probes up.
fn probes_failed(events: &[Event]) -> Vec<(u64, bool)> {
    find(events, |kind| match kind {
        Kind::Network(_, network::Event::KeepaliveFailed { by_client, .. }) => Some(*by_client),
        _ => None,
    })
}

#[test]
fn a_kernel_gives_up_what_answers_no_probe() {
    // The answer to the server's 101 comes at 100 ms. Probes at 10.1 s and 20.14 s are answered, those from 30.18 s on are not.
    let (events, summary) = run(&text(PROBES, "count = 1", CUT));
    assert_eq!((probes_failed(&events), closed(&events, 0)), (vec![(36_180 * MS, false)], vec![36_180 * MS]));
    assert_eq!(count(&summary, "servers.gateway.keepalive_failed.servers"), 1);
    // A user timeout takes the place of the number of probes: the first timer at which it is over.
    let events = history(&text(&format!("{PROBES}\nuser_timeout = '5s'"), "count = 1", CUT));
    assert_eq!(probes_failed(&events), [(32_180 * MS, false)]);
    let events = history(&text(PROBES, "count = 1", &format!("{CUT}\nfor = '9s'")));
    assert_eq!((probes_failed(&events), closed(&events, 0)), (vec![], vec![]));
    // Data is as good as a probe: a ping every 7 s is.
    let pings = "count = 1\nheartbeat = { every = '7s', timeout = '1h' }";
    let events = history(&text(PROBES, pings, CUT));
    // The pong to the ping of 21.08 s is acknowledged at 21.14 s; the next ping is lost.
    assert_eq!(probes_failed(&events), [(37_140 * MS, false)]);
}

#[test]
fn a_probe_finds_that_the_other_host_has_forgotten() {
    let dark = "[faults.dark]\nkind = 'power-off'\ntarget = 'gateway'\nat = '25s'\nfor = '3s'";
    // Its probes: at 10.08 s, 20.12 s and 30.16 s, when the host is up again, and knows nothing.
    let events = history(&text("", &format!("count = 1\n{PROBES}"), dark));
    assert_eq!(lost(&events, 0), [(30_200 * MS, End::Reset)]);
    assert_eq!(lost(&history(&text("", "count = 1", dark)), 0), []);
}

#[test]
fn a_user_timeout_ends_data_that_is_not_acknowledged() {
    // Pinged at 30.08 s, into nothing.
    let clients = "count = 1\nheartbeat = { every = '10s', timeout = '1h' }\nuser_timeout = '5s'";
    assert_eq!(lost(&history(&text("", clients, CUT)), 0), [(35_080 * MS, End::Reset)]);
}

#[test]
fn a_nat_forgets_what_is_silent() {
    let balancer =
        "[servers.front]\nkind = 'l4'\nto = 'gateway'\nbalance = 'nat'\nidle_timeout = { after = '10s'ENDS }";
    let of = |ends: &str, clients: &str| {
        let all = text("", &format!("count = 1\n{clients}"), &balancer.replace("ENDS", ends));
        history(&all.replace("endpoints = ['gateway']", "endpoints = ['front']"))
    };
    let ping = "heartbeat = { every = '15s', timeout = '5s' }";
    let events = of("", ping);
    let [(forgotten, Clock::IdleTimeout)] = rang(&events, 1)[..] else { panic!("{:?}", rang(&events, 1)) };
    let [at] = opened(&events, 0)[..] else { panic!("it opens once") };
    assert!(forgotten.abs_diff(at + 10 * SECOND) < 100 * MS);
    // The ping meets a balancer that knows nothing of it; one that drops it lets it wait for its timeout.
    assert_eq!(lost(&events, 0), [(at + 15 * SECOND + 40 * MS, End::Reset)]);
    assert_eq!(lost(&of(", ends = 'silence'", ping), 0), [(at + 20 * SECOND, End::Heartbeat)]);
    let [(reset, End::Reset)] = lost(&of(", ends = 'reset'", ""), 0)[..] else { panic!("it is reset") };
    assert_eq!(reset, forgotten + 20 * MS);
    // What keeps it: pings, or probes.
    assert_eq!(rang(&of("", "heartbeat = { every = '8s', timeout = '5s' }"), 1), []);
    assert_eq!(rang(&of("", "keepalive = { idle = '8s' }"), 1), []);
}

#[test]
fn half_open_connections_are_counted_until_the_other_end_knows() {
    let clients = "count = 1\nheartbeat = { every = '10s', timeout = '2s' }";
    let measured = |rest: &str| summary(&text(PROBES, clients, &format!("{rest}\n[measure]\nhalf_open = true")));
    // The client gives up at 32.08 s. The last pong was acknowledged at 20.14 s: the server's kernel gives up 16 s later.
    let cut = measured(CUT);
    assert_eq!((count(&cut, "half_open.servers_max"), count(&cut, "half_open.clients_max")), (1, 0));
    let near = |summary: &Summary, metric: &str, expected: u64| {
        let found = time(summary, metric).unwrap();
        assert!(found.abs_diff(expected) <= expected / 100, "{metric}: {found}");
    };
    near(&cut, "half_open.servers.max", 4_060 * MS);
    // The host loses its power at 25 s: the client believes for 7.08 s that it is open.
    let dark = measured("[faults.dark]\nkind = 'power-off'\ntarget = 'gateway'\nat = '25s'");
    assert_eq!((count(&dark, "half_open.servers_max"), count(&dark, "half_open.clients_max")), (0, 1));
    near(&dark, "half_open.clients.max", 7_080 * MS);
    // A client that is done is known to be so one way later.
    let done = summary(&text("", "count = 3\nhold = '10s'", "[measure]\nhalf_open = true"));
    assert_eq!(count(&done, "half_open.servers_max"), 3);
    near(&done, "half_open.servers.max", 20 * MS);
}
