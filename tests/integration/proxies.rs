//! Forward proxies: what a tunnel costs, at exactly which moments, what is demanded of clients, and what passes through.

use shakedown::client::{self, Failure};

use crate::common::{MS, ONCE, count, failed, life, load, lost, opened, run, simulate};

const CREDENTIALS: &str = "{ user = 'aladdin', password = 'open sesame' }";

/// A server and a proxy, 10 ms from each other and from the clients, whose requests take no time unless they say so.
fn text(proxy: &str, server: &str, clients: &str, rest: &str) -> String {
    let arrive = if clients.contains("arrive") { "" } else { "arrive = 'at_once'" };
    let count = if clients.starts_with("count") { "" } else { "count = 1" };
    let [proxy, server] = [proxy, server].map(|keys| match keys.contains("service_time") {
        true => keys.to_string(),
        false => format!("service_time = '0s'\n{keys}"),
    });
    format!(
        "format = 1\ntitle = 'x'\nduration = '60s'\n[network]\none_way = '10ms'\n[servers.gateway]\n{server}\n\
         [proxies.corporate]\n{proxy}\n[clients.players]\nendpoints = ['gateway']\nproxy = 'corporate'\n{arrive}\n\
         {count}\n{clients}\n{rest}"
    )
}

#[test]
fn a_tunnel_costs_its_round_trips_and_its_work() {
    // The proxy is connected to at 20 ms, has the CONNECT at 30, the target at 50, and its 200 arrives at 60; the handshake
    // takes 40 through both legs. A worker of the proxy takes 2 ms for the CONNECT, TLS another round trip and 3 ms.
    for (proxy, server, open) in [
        ("", "", 100),
        ("service_time = '2ms'", "", 102),
        ("", "service_time = '5ms'", 105),
        ("", "tls = '1.3'\ntls_cost = '3ms'", 143),
        ("", "tls = '1.2'\ntls_cost = '3ms'", 183),
    ] {
        let (events, summary) = run(&text(proxy, server, ONCE, ""));
        assert_eq!(opened(&events, 0), [open * MS], "{proxy} {server}");
        assert_eq!((count(&summary, "attempts.total"), count(&summary, "attempts.opened")), (1, 1));
        for metric in ["tunnels", "opened", "arrivals.total"] {
            assert_eq!(count(&summary, &format!("servers.corporate.{metric}")), 1, "{metric}");
        }
        assert_eq!(count(&summary, "servers.gateway.opened"), 1);
        let connected = life(&events, 0).into_iter().find(|(_, e)| matches!(e, client::Event::Connected { .. }));
        assert_eq!(connected.map(|(at, _)| at), Some(20 * MS));
        let tunnelled = life(&events, 0).into_iter().find(|(_, e)| matches!(e, client::Event::Tunnelled { .. }));
        assert_eq!(tunnelled.map(|(at, _)| at), Some((60 + 2 * u64::from(proxy.contains("2ms"))) * MS));
    }
}

#[test]
fn a_407_costs_a_round_trip_or_two_and_counts_as_an_attempt() {
    let credentials = format!("proxy_credentials = {CREDENTIALS}\n{ONCE}");
    for (proxy, open) in [
        ("", 120),
        ("keep_alive = false", 140),
        ("scheme = 'digest'", 120),
        ("scheme = 'digest'\nalgorithm = 'md5'\nkeep_alive = false", 140),
        ("scheme = 'digest'\nalgorithm = 'sha-256-sess'", 120),
        // A worker is asked twice: 1 ms for each request, and 2 ms where there is something to check.
        ("service_time = '0s'\naccept_time = '1ms'\nauth_time = '2ms'", 120 + 1 + 3),
    ] {
        let proxy = format!("credentials = {CREDENTIALS}\n{proxy}");
        let (events, summary) = run(&text(&proxy, "", &credentials, ""));
        assert_eq!(opened(&events, 0), [open * MS], "{proxy}");
        let counts = ["total", "proxy_challenged", "proxy_unauthorized", "proxy_rejected", "opened"];
        assert_eq!(counts.map(|what| count(&summary, &format!("attempts.{what}"))), [2, 1, 0, 0, 1], "{proxy}");
        let counts = ["challenged", "tunnels", "unreachable", "arrivals.total"];
        assert_eq!(counts.map(|what| count(&summary, &format!("servers.corporate.{what}"))), [1, 1, 0, 2], "{proxy}");
    }
}

#[test]
fn who_cannot_answer_a_407_fails_once() {
    let proxy = |more: &str| format!("credentials = {CREDENTIALS}\n{more}");
    let wrong = format!("proxy_credentials = {{ user = 'aladdin', password = 'open barley' }}\n{ONCE}");
    for more in ["", "scheme = 'digest'"] {
        // Without credentials, the first 407 is the last, at 40 ms; with wrong ones the second, at 60.
        for (clients, at, challenged) in [(ONCE, 40, 0), (wrong.as_str(), 60, 1)] {
            let (events, summary) = run(&text(&proxy(more), "", clients, ""));
            assert_eq!(failed(&events, 0), [(at * MS, Failure::ProxyUnauthorized)]);
            assert_eq!(count(&summary, "attempts.proxy_challenged"), challenged);
            assert_eq!(count(&summary, "attempts.proxy_unauthorized"), 1);
            assert_eq!(count(&summary, "attempts.total"), 1 + challenged);
            assert_eq!(count(&summary, "servers.gateway.arrivals.total"), 0);
        }
    }
    // It is retried as any failure is, unless its status is none to retry after.
    for (statuses, attempts) in [("", 3), (", statuses = [503]", 1)] {
        let retry = format!("retry = {{ policy = 'fixed', base = '1s', attempts = 3{statuses} }}");
        let (_, summary) = run(&text(&proxy(""), "", &retry, ""));
        assert_eq!(count(&summary, "attempts.proxy_unauthorized"), attempts);
    }
}

#[test]
fn a_proxys_challenge_is_remembered_and_a_nonce_grows_old() {
    // Open for a second, and again a second after the server's close: the second time the answer comes beforehand.
    let again = format!(
        "proxy_credentials = {CREDENTIALS}\nhold = '1s'\narrive = {{ closed_loop = {{ think = '1s', over = '0s' }} }}"
    );
    for (proxy, challenged) in [("", 1), ("scheme = 'digest'", 1), ("scheme = 'digest'\nnonce_lifetime = '1s'", 2)] {
        let text = text(&format!("credentials = {CREDENTIALS}\n{proxy}"), "", &again, "");
        let (events, summary) = run(&text.replace("'60s'", "'4s'"));
        // Hung up at 1120, answered at 1160 (both legs there and back), anew at 2160: open 100 ms later, or 120.
        assert_eq!(opened(&events, 0), [120 * MS, (2_260 + 20 * (challenged - 1)) * MS], "{proxy}");
        assert_eq!(count(&summary, "attempts.proxy_challenged"), challenged);
        assert_eq!(count(&summary, "attempts.proxy_unauthorized"), 0);
    }
}

#[test]
fn both_the_proxy_and_the_server_may_demand_credentials() {
    let clients = format!("proxy_credentials = {CREDENTIALS}\ncredentials = {CREDENTIALS}\n{ONCE}");
    let proxy = format!("credentials = {CREDENTIALS}\nscheme = 'digest'");
    // The 401 comes back through the tunnel at 120, and its answer at 160; on a new connection the whole way begins anew
    // at 120, but for the proxy's challenge, which is known by then: 100 ms.
    for (server, open) in [("", 160), (", keep_alive = false", 220)] {
        let server =
            format!("behavior = {{ kind = 'challenge', scheme = 'digest', credentials = {CREDENTIALS}{server} }}");
        let (events, summary) = run(&text(&proxy, &server, &clients, ""));
        assert_eq!(opened(&events, 0), [open * MS]);
        let counts = ["total", "proxy_challenged", "challenged", "opened"];
        assert_eq!(counts.map(|what| count(&summary, &format!("attempts.{what}"))), [3, 1, 1, 1]);
    }
}

#[test]
fn a_redirect_goes_through_the_proxy_again() {
    let servers =
        "service_time = '0s'\nbehavior = { kind = 'redirect', to = 'other' }\n[servers.other]\nservice_time = '0s'";
    let clients = format!("proxy_credentials = {CREDENTIALS}\n{ONCE}");
    let (events, summary) = run(&text(&format!("credentials = {CREDENTIALS}"), servers, &clients, ""));
    // 120 to the 307, then 100 with what is known.
    assert_eq!(opened(&events, 0), [220 * MS]);
    let counts = ["total", "proxy_challenged", "redirected", "opened"];
    assert_eq!(counts.map(|what| count(&summary, &format!("attempts.{what}"))), [3, 1, 1, 1]);
    assert_eq!(count(&summary, "servers.corporate.tunnels"), 2);
    assert_eq!(count(&summary, "servers.corporate.opened"), 1);
    assert_eq!((count(&summary, "servers.gateway.opened"), count(&summary, "servers.other.opened")), (0, 1));
}

#[test]
fn a_target_that_refuses_is_a_502_and_a_silent_one_a_504() {
    let down = |kind: &str| format!("[faults.down]\nkind = '{kind}'\ntarget = 'gateway'\nat = '0s'");
    let rejected = |status| Failure::ProxyRejected { status, retry_after: None };
    // Refused at 50 ms, told at 60. Silence is waited for from 30 ms on, 5 s or as long as the proxy says.
    for (proxy, kind, at, status) in [
        ("", "crash", 60, 502),
        ("", "power-off", 30 + 5_000 + 10, 504),
        ("connect_timeout = '2s'", "power-off", 30 + 2_000 + 10, 504),
        ("reject = 403", "crash", 40, 403),
    ] {
        let (events, summary) = run(&text(proxy, "", ONCE, &down(kind)));
        assert_eq!(failed(&events, 0), [(at * MS, rejected(status))], "{proxy} {kind}");
        assert_eq!(count(&summary, "attempts.proxy_rejected"), 1);
        assert_eq!(count(&summary, "servers.corporate.unreachable"), u64::from(status > 500));
        assert_eq!(count(&summary, "servers.corporate.tunnels"), 0);
    }
    // A client that does not wait for the 504 takes the proxy's connect with it.
    let hurried = format!("handshake_timeout = '1s'\n{ONCE}");
    let (events, summary) = run(&text("", "", &hurried, &down("power-off")));
    assert_eq!(failed(&events, 0), [(1_020 * MS, Failure::HandshakeTimeout)]);
    assert_eq!(count(&summary, "servers.corporate.unreachable"), 0);
}

#[test]
fn too_many_tunnels_and_too_many_requests_are_turned_away() {
    let rejected = Failure::ProxyRejected { status: 503, retry_after: None };
    let (events, summary) = run(&text("connections_max = 1", "", &format!("count = 3\n{ONCE}"), ""));
    assert_eq!(opened(&events, 0), [100 * MS]);
    assert_eq!([1, 2].map(|n| failed(&events, n)), [[(40 * MS, rejected)], [(40 * MS, rejected)]]);
    assert_eq!(count(&summary, "servers.corporate.connections_full"), 2);
    // One worker, 4 ms: the second waits, the third finds the queue full.
    let proxy = "workers = 1\nqueue_max = 1\nservice_time = '4ms'";
    let (events, _) = run(&text(proxy, "", &format!("count = 3\n{ONCE}"), ""));
    assert_eq!([0, 1].map(|n| opened(&events, n)), [[104 * MS], [108 * MS]]);
    assert_eq!(failed(&events, 2), [(40 * MS, rejected)]);
}

#[test]
fn ends_pass_through_as_they_are() {
    use client::End;
    // A crash at 1 s is heard two legs later, or one if the proxy is struck.
    for (target, at) in [("gateway", 1_020), ("corporate", 1_010)] {
        let fault = format!("[faults.dies]\nkind = 'crash'\ntarget = '{target}'\nat = '1s'");
        let (events, summary) = run(&text("", "", ONCE, &fault));
        assert_eq!(lost(&events, 0), [(at * MS, End::Fin)], "{target}");
        assert_eq!(count(&summary, "faults.dies.affected"), 1);
    }
    // A server that says half of its answer and goes, one way or the other: at 80 ms.
    for (then, failure) in [("fin", Failure::Closed), ("reset", Failure::Reset)] {
        let server = format!("behavior = {{ kind = 'accept', delivery = {{ cut = 10, then = '{then}' }} }}");
        let (events, _) = run(&text("", &server, ONCE, ""));
        assert_eq!(failed(&events, 0), [(100 * MS, failure)]);
    }
    // The proxy's power is noticed by heartbeat only: pinged at 1100, no pong within 500 ms.
    let fault = "[faults.dies]\nkind = 'power-off'\ntarget = 'corporate'\nat = '1s'";
    let clients = format!("heartbeat = {{ every = '1s', timeout = '500ms' }}\n{ONCE}");
    let (events, summary) = run(&text("", "", &clients, fault));
    assert_eq!(lost(&events, 0), [(1_600 * MS, End::Heartbeat)]);
    assert_eq!(count(&summary, "faults.dies.affected"), 1);
}

#[test]
fn faults_of_the_proxy_and_beyond_it_take_sessions_down_and_let_them_recover() {
    let clients =
        "count = 20\nheartbeat = { every = '1s', timeout = '500ms' }\nretry = { policy = 'fixed', base = '100ms' }";
    for (kind, target, affected) in [
        ("crash", "'corporate-0'", 10),
        ("hang", "'corporate-0'", 10),
        ("power-off", "'corporate-0'", 10),
        ("crash", "'corporate'", 20),
        ("partition", "{ from = 'players', to = 'corporate-1' }", 10),
        ("partition", "{ from = 'corporate-1', to = 'gateway' }", 10),
        ("partition", "{ from = 'corporate', to = 'gateway' }", 20),
        // Nobody goes there directly.
        ("partition", "{ from = 'players', to = 'gateway' }", 0),
        ("crash", "'gateway'", 20),
    ] {
        let fault = format!("[faults.dies]\nkind = '{kind}'\ntarget = {target}\nat = '5s'\nfor = '5s'");
        let (_, summary) = run(&text("count = 2", "", clients, &fault));
        assert_eq!(count(&summary, "faults.dies.affected"), affected, "{kind} {target}");
        assert_eq!(count(&summary, "sessions.open_at_end"), 20, "{kind} {target}");
    }
}

#[test]
fn a_drained_proxy_makes_no_tunnels_and_keeps_those_it_has() {
    let fault = "[faults.drain]\nkind = 'drain'\ntarget = 'corporate'\nat = '1s'\nfor = '10s'";
    let late = format!(
        "{ONCE}\n[clients.late]\ncount = 1\nstart = '2s'\narrive = 'at_once'\nproxy = 'corporate'\n\
         endpoints = ['gateway']\n{ONCE}"
    );
    let (events, _) = run(&text("", "", &late, fault));
    assert_eq!(lost(&events, 0), []);
    assert_eq!(failed(&events, 1), [(2_020 * MS, Failure::Refused)]);
}

#[test]
fn a_server_that_goes_away_says_so_through_the_tunnel() {
    let fault = "[faults.drain]\nkind = 'drain'\ntarget = 'gateway'\nat = '1s'\nfor = '10s'\ncode = 1012";
    let (events, summary) = run(&text("", "", ONCE, fault));
    assert_eq!(lost(&events, 0), [(1_020 * MS, client::End::Close(1012))]);
    assert_eq!(count(&summary, "faults.drain.affected"), 1);
}

#[test]
fn a_partition_between_proxy_and_target_is_a_504() {
    let fault = "[faults.cut]\nkind = 'partition'\ntarget = { from = 'corporate', to = 'gateway' }\nat = '0s'";
    let (events, _) = run(&text("connect_timeout = '3s'", "", ONCE, fault));
    assert_eq!(failed(&events, 0), [(3_040 * MS, Failure::ProxyRejected { status: 504, retry_after: None })]);
}

#[test]
fn the_next_member_is_asked_after_a_failure() {
    let fault = "[faults.dies]\nkind = 'crash'\ntarget = 'corporate-0'\nat = '0s'";
    let retry = "retry = { policy = 'fixed', base = '100ms' }";
    let (events, _) = run(&text("count = 2", "", &format!("count = 2\n{retry}"), fault));
    // Session 1 began with the member that is there.
    assert_eq!(failed(&events, 0), [(20 * MS, Failure::Refused)]);
    assert_eq!([0, 1].map(|n| opened(&events, n)), [[220 * MS], [100 * MS]]);
}

#[test]
fn links_lie_between_clients_proxies_and_servers() {
    let links = "[network.links.far]\nfrom = 'corporate'\nto = 'gateway'\none_way = '50ms'";
    let (events, _) = run(&text("", "", ONCE, links));
    // Two of the three round trips go over it: connect, and handshake.
    assert_eq!(opened(&events, 0), [(100 + 2 * 80) * MS]);
}

#[test]
fn credentials_for_a_proxy_are_never_told() {
    for scheme in ["basic", "digest"] {
        let proxy = format!("credentials = {CREDENTIALS}\nscheme = '{scheme}'");
        let clients = format!("proxy_credentials = {CREDENTIALS}\n{ONCE}");
        let scenario = load(&text(&proxy, "", &clients, "")).unwrap();
        let (events, _) = simulate(&scenario);
        let told = format!("{events:?}{:?}{:?}", scenario.groups(), scenario.clients());
        let traces = shakedown::explore::trace(&scenario, &[(0, 0)]);
        let diagram = shakedown::replay::SequenceDiagram::new(&scenario, None, &traces[0]);
        let drawn = shakedown::replay::text(&diagram) + &shakedown::replay::svg(&diagram);
        for secret in ["aladdin", "open sesame", "YWxhZGRpbjpvcGVuIHNlc2FtZQ"] {
            assert!(!told.contains(secret), "{secret}");
            assert!(!drawn.contains(secret), "{secret}: {drawn}");
        }
        assert!(drawn.contains("CONNECT gateway-0:80") && drawn.contains("407"), "{drawn}");
    }
}

#[test]
fn what_is_resolved_runs_to_the_same_digest() {
    let proxy = format!("count = 2\ncredentials = {CREDENTIALS}\nscheme = 'digest'\nzone = 'office'");
    let clients = format!("count = 5\nproxy_credentials = {CREDENTIALS}");
    let scenario = load(&text(&proxy, "", &clients, "")).unwrap();
    let resolved = scenario.resolved();
    for written in ["[proxies.corporate]", "connect_timeout = \"5s\"", "nonce_lifetime = \"5m\"", "keep_alive = true"] {
        assert!(resolved.contains(written), "{written}:\n{resolved}");
    }
    let again = load(resolved).unwrap_or_else(|problem| panic!("{problem}\n{resolved}"));
    assert_eq!(again.resolved(), resolved);
    assert!(simulate(&again).0 == simulate(&scenario).0);
}
