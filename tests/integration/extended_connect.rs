//! WebSockets over HTTP/2 (RFC 8441) in whole runs: when what opens, over which connection, and who loses what with it.

use shakedown::client::{self, End, Failure};
use shakedown::driver;
use shakedown::event::{Event, Kind};
use shakedown::metrics::{Summary, Value};
use shakedown::record::{Digest, Recorder};
use shakedown::scenario::Scenario;
use shakedown::server;

use crate::common::{
    self, MS, SECOND, at_servers, count, failed, load, loaded, lost, of_session, opened, run, simulate,
};

/// One server, 20 ms away, whose requests take no time, and clients of one process.
fn scenario(server: &str, clients: &str, rest: &str) -> String {
    let arrive = if clients.contains("arrive") { "" } else { "arrive = 'at_once'" };
    let hosts = if clients.contains("hosts") { "" } else { "hosts = 1" };
    format!(
        "format = 1\ntitle = 'x'\nduration = '300s'\n[network]\none_way = '20ms'\n[servers.gateway]\n\
         service_time = '0s'\n{server}\n[clients.players]\nmode = 'extended-connect'\nendpoints = ['gateway']\n{arrive}\n\
         {hosts}\n{clients}\n{rest}"
    )
}

/// When a session's requests left, and on which streams.
fn streams(events: &[Event], of: u32) -> Vec<(u64, u32)> {
    of_session(events, of, |event| match event {
        client::Event::StreamBegan { stream, .. } => Some(stream),
        _ => None,
    })
}

fn accepted(events: &[Event]) -> Vec<u64> {
    at_servers(events, |event| matches!(event, server::Event::Accepted { .. }))
}

fn closed(events: &[Event]) -> Vec<u64> {
    at_servers(events, |event| matches!(event, server::Event::Closed { .. }))
}

fn duration(summary: &Summary, metric: &str) -> u64 {
    common::time(summary, metric).unwrap()
}

#[test]
fn the_first_connects_and_the_others_take_a_round_trip() {
    // TCP is up after 40 ms, the server's SETTINGS answer the preface at 80 ms, and the request is answered at 120 ms.
    let (events, summary) = run(&scenario("", "count = 3\narrive = { evenly_over = '3s' }", ""));
    assert_eq!(opened(&events, 0), [120 * MS]);
    assert_eq!(opened(&events, 1), [SECOND + 40 * MS]);
    assert_eq!(opened(&events, 2), [2 * SECOND + 40 * MS]);
    assert_eq!(streams(&events, 0), [(80 * MS, 1)]);
    assert_eq!(streams(&events, 1), [(SECOND, 3)]);
    assert_eq!(streams(&events, 2), [(2 * SECOND, 5)]);
    // It is accepted when its first bytes are there; streams are none of the connections.
    assert_eq!(accepted(&events), [60 * MS]);
    assert_eq!(count(&summary, "servers.gateway.open_connections_max"), 1);
    assert_eq!(count(&summary, "servers.gateway.open_streams_max"), 3);
    assert_eq!(count(&summary, "servers.gateway.streams_opened"), 3);
    assert_eq!(count(&summary, "servers.gateway.opened"), 3);
    assert_eq!(duration(&summary, "handshake_latency.max"), 80 * MS);
    assert_eq!(duration(&summary, "handshake_latency.min"), 40 * MS);
    assert_eq!(duration(&summary, "time_to_open.max"), 120 * MS);
    // Every 30 s a row: the connection and its streams stay to the end.
    let (_, measured) = simulate(&loaded(&scenario("", "count = 3\narrive = { evenly_over = '3s' }", "")));
    let series = &measured.series.servers[0];
    assert_eq!((series.open_connections.last(), series.open_streams.last()), (Some(&1), Some(&3)));
}

#[test]
fn who_comes_while_it_connects_waits_for_it() {
    // At once, and 30 ms later: TCP is up at 40 ms for both, and both requests leave when the SETTINGS come.
    let late =
        "[clients.late]\nmode = 'extended-connect'\ncount = 1\nhosts = 1\nendpoints = ['gateway']\narrive = 'at_once'";
    let (events, _) = run(&scenario("", "count = 2\narrive = { evenly_over = '60ms' }", late));
    let of_late = opened(&events, 1);
    assert_eq!((opened(&events, 0), opened(&events, 2)), (vec![120 * MS], vec![120 * MS]));
    assert_eq!(streams(&events, 2), [(80 * MS, 3)]);
    // Another process has a connection of its own.
    assert_eq!((of_late, streams(&events, 1)), (vec![120 * MS], vec![(80 * MS, 1)]));
    assert_eq!(accepted(&events).len(), 2);
}

#[test]
fn without_hosts_each_session_has_its_own_connection() {
    let text = scenario("", "count = 3\narrive = 'at_once'", "").replace("hosts = 1\n", "");
    let (events, summary) = run(&text);
    assert_eq!((0..3).flat_map(|session| opened(&events, session)).collect::<Vec<_>>(), [120 * MS; 3]);
    assert_eq!(count(&summary, "servers.gateway.open_connections_max"), 3);
}

#[test]
fn tls_comes_before_and_once() {
    let server = "tls = '1.3'\nworkers = 1\ntls_cost = '3ms'";
    let (events, summary) = run(&scenario(server, "count = 2", ""));
    // TCP 40 ms, TLS a round trip and 3 ms of work, then the preface and its answer, then the request.
    for session in 0..2 {
        assert_eq!(opened(&events, session), [(40 + 43 + 40 + 40) * MS]);
    }
    assert_eq!((count(&summary, "tls.handshakes"), count(&summary, "servers.gateway.tls_full")), (1, 1));
    assert_eq!(duration(&summary, "tls_latency.max"), 43 * MS);
    // TLS 1.2 takes one more.
    let (events, _) = run(&scenario(&server.replace("1.3", "1.2"), "count = 1", ""));
    assert_eq!(opened(&events, 0), [(40 + 83 + 40 + 40) * MS]);
}

#[test]
fn more_streams_than_a_connection_takes_open_further_ones() {
    // Nobody knows beforehand: the third and the fifth find out when the SETTINGS come, at 80 ms.
    let (events, summary) = run(&scenario("streams_max = 2", "count = 5", ""));
    let open: Vec<u64> = (0..5).map(|session| opened(&events, session)[0] / MS).collect();
    assert_eq!(open, [120, 120, 200, 200, 200]);
    let began: Vec<u32> = (0..5).map(|session| streams(&events, session)[0].1).collect();
    assert_eq!(began, [1, 3, 1, 3, 1]);
    assert_eq!(accepted(&events), [60 * MS, 140 * MS, 140 * MS]);
    assert_eq!(count(&summary, "servers.gateway.open_connections_max"), 3);
    assert_eq!(count(&summary, "servers.gateway.open_streams_max"), 5);
}

#[test]
fn a_server_that_does_not_enable_it_is_of_no_use() {
    let once = "count = 2\nretry = { policy = 'none' }";
    let (events, summary) = run(&scenario("extended_connect = false", once, ""));
    for session in 0..2 {
        let failure = Failure::Invalid(shakedown::handshake::Error::NoExtendedConnect);
        assert_eq!(failed(&events, session), [(80 * MS, failure)]);
    }
    assert_eq!(count(&summary, "attempts.invalid"), 2);
    // Nobody needs the connection.
    assert_eq!(closed(&events), [100 * MS]);
}

#[test]
fn answers_leave_the_connection_to_the_next_request() {
    let back = "[servers.back]\nservice_time = '0s'\n";
    // The 307 comes at 120 ms; the connection to the other server takes as long again.
    let redirect = "behavior = { kind = 'redirect', to = 'back', when = { share = '100%', until = '500ms' } }";
    let (events, summary) = run(&scenario(redirect, "count = 2\narrive = { evenly_over = '2s' }", back));
    assert_eq!(opened(&events, 0), [240 * MS]);
    assert_eq!(count(&summary, "hops.total"), 1);
    // The one to the first server is still there a second later.
    assert_eq!((opened(&events, 1), streams(&events, 1)), (vec![1_040 * MS], vec![(SECOND, 3)]));
    // A redirect to the same server takes a round trip, on the next stream.
    let itself = "behavior = { kind = 'redirect', path = '/b', when = { path = '/' } }";
    let (events, _) = run(&scenario(itself, "count = 1", ""));
    assert_eq!((opened(&events, 0), streams(&events, 0)), (vec![160 * MS], vec![(80 * MS, 1), (120 * MS, 3)]));
    // So does a retry after a rejection.
    let busy = "behavior = { kind = 'reject', status = 503, when = { until = '500ms' } }";
    let (events, _) = run(&scenario(busy, "count = 1\nretry = { policy = 'fixed', base = '1s' }", ""));
    assert_eq!(failed(&events, 0), [(120 * MS, Failure::Rejected { status: 503, retry_after: None })]);
    assert_eq!((opened(&events, 0), accepted(&events).len()), (vec![1_160 * MS], 1));
}

#[test]
fn a_challenge_is_answered_on_the_next_stream() {
    let login = "credentials = { user = 'alice', password = 'secret' }";
    for scheme in ["basic", "digest"] {
        let server = format!("behavior = {{ kind = 'challenge', scheme = '{scheme}', {login} }}");
        let (events, summary) = run(&scenario(&server, &format!("count = 1\n{login}"), ""));
        assert_eq!((opened(&events, 0), accepted(&events).len()), (vec![160 * MS], 1), "{scheme}");
        assert_eq!((count(&summary, "attempts.challenged"), count(&summary, "attempts.unauthorized")), (1, 0));
    }
}

#[test]
fn a_crash_takes_every_session_of_the_host_at_once() {
    let clients = "count = 6\nhosts = 2\nretry = { policy = 'fixed', base = '10s' }";
    let crash = "[faults.dies]\nkind = 'crash'\ntarget = 'gateway'\nat = '10s'\nfor = '5s'";
    let (events, summary) = run(&scenario("", clients, crash));
    for session in 0..6 {
        assert_eq!(lost(&events, session), [(10_020 * MS, End::Fin)]);
        // All come back at the same time: TCP, SETTINGS, request.
        assert_eq!(opened(&events, session), [120 * MS, (10_020 + 10_000 + 120) * MS]);
    }
    // Two connections, six sessions.
    assert_eq!(count(&summary, "faults.dies.affected"), 6);
    assert_eq!(count(&summary, "servers.gateway.open_connections_max"), 2);
    assert_eq!(count(&summary, "lost.fin"), 6);
    assert_eq!(accepted(&events).len(), 4);
    assert_eq!(duration(&summary, "faults.dies.recovery_time"), 10_140 * MS);
}

#[test]
fn one_heartbeat_finds_out_for_all() {
    // Session 1 comes half a second later, so that its ping would be due later as well.
    let clients = "count = 2\narrive = { evenly_over = '1s' }\nheartbeat = { every = '4s', timeout = '1s' }\n\
                   retry = { policy = 'none' }";
    let off = "[faults.off]\nkind = 'power-off'\ntarget = 'gateway'\nat = '10s'";
    let (events, summary) = run(&scenario("", clients, off));
    // Open at 120 ms; pings at 4.12, 8.12, 12.12 s, of which the last is not answered within a second.
    assert_eq!(lost(&events, 0), [(13_120 * MS, End::Heartbeat)]);
    assert_eq!(lost(&events, 1), [(13_120 * MS, End::Reset)]);
    assert_eq!(count(&summary, "faults.off.affected"), 2);
}

#[test]
fn without_heartbeats_a_dead_connection_goes_on_to_be_used() {
    let clients = "count = 2\narrive = { evenly_over = '40s' }\nhandshake_timeout = '5s'\nretry = { policy = 'none' }";
    let off = "[faults.off]\nkind = 'power-off'\ntarget = 'gateway'\nat = '10s'\nfor = '1s'";
    let (events, _) = run(&scenario("", clients, off));
    // The host is back, and knows no such connection: RST answers the request, and both sessions hear of it.
    assert_eq!(lost(&events, 0), [(20_040 * MS, End::Reset)]);
    assert_eq!(failed(&events, 1), [(20_040 * MS, Failure::Reset)]);
    // It is off for good: the request is repeated for nobody.
    let (events, _) = run(&scenario("", clients, &off.replace("\nfor = '1s'", "")));
    assert_eq!((lost(&events, 0), failed(&events, 1)), (vec![], vec![(25 * SECOND, Failure::HandshakeTimeout)]));
}

#[test]
fn a_session_that_ends_leaves_the_connection_and_an_idle_one_is_closed() {
    let clients = "count = 2\nhold = '1s'\narrive = { evenly_over = '4s' }\nidle_timeout = '10s'";
    let (events, summary) = run(&scenario("", clients, ""));
    assert_eq!(opened(&events, 1), [2_040 * MS]);
    // Open at 2.04 s, it hangs up a second later; the close comes back at 3.08 s, and END_STREAM with it.
    let streams_closed = at_servers(&events, |event| matches!(event, server::Event::StreamClosed { .. }));
    assert_eq!(streams_closed, [1_140 * MS, 3_060 * MS]);
    // Ten seconds after that, the client closes the connection.
    assert_eq!(closed(&events), [(3_080 + 10_000 + 20) * MS]);
    assert_eq!(count(&summary, "sessions.ended"), 2);
    assert_eq!(count(&summary, "servers.gateway.open_streams_max"), 1);
}

#[test]
fn a_drain_says_goaway_and_ends_streams_one_by_one() {
    let clients = "count = 4\nretry = { policy = 'fixed', base = '5s' }";
    let drain = "[faults.drains]\nkind = 'drain'\ntarget = 'gateway-0'\nat = '10s'\nfor = '4s'\nover = '4s'";
    let late = "[clients.late]\nmode = 'extended-connect'\ncount = 2\nhosts = 1\nendpoints = ['gateway']\n\
                start = '10s'\narrive = { evenly_over = '2s' }\nretry = { policy = 'none' }";
    let (events, summary) = run(&scenario("", clients, &format!("{late}\n{drain}")));
    // Close frames at 10, 11, 12 and 13 s.
    let away: Vec<(u64, End)> = (0..4).flat_map(|session| lost(&events, session)).collect();
    let expected: Vec<(u64, End)> = (10..14).map(|at| (at * SECOND + 20 * MS, End::Close(1001))).collect();
    assert_eq!(away, expected);
    // The connection is told to go away, so it goes with its last stream: 20 ms after the FIN leaves.
    assert_eq!(closed(&events)[0], 13_040 * MS);
    // Those who come back find a server that refuses, until 14 s; the first does so at 15.02 s.
    assert_eq!(opened(&events, 0)[1], (15_020 + 120) * MS);
    assert_eq!(count(&summary, "faults.drains.affected"), 4);
    // Others find nobody who listens.
    assert_eq!(failed(&events, 4), [(10_040 * MS, Failure::Refused)]);
}

#[test]
fn who_knows_of_goaway_opens_another_connection() {
    // A new session of the same process comes while the drain lasts: no new stream for it.
    let clients = "count = 2\narrive = { evenly_over = '22s' }\nretry = { policy = 'none' }";
    let drain = "[faults.drains]\nkind = 'drain'\ntarget = 'gateway-0'\nat = '10s'\nfor = '4s'\nover = '0s'";
    let (events, _) = run(&scenario("", clients, drain));
    assert_eq!(failed(&events, 1), [(11_040 * MS, Failure::Refused)]);
    // One whose request crosses the GOAWAY is answered 503 like any.
    let crossing = clients.replace("22s", "20.01s");
    let (events, _) = run(&scenario("", &crossing, drain));
    assert_eq!(failed(&events, 1), [(10_045 * MS, Failure::Rejected { status: 503, retry_after: None })]);
}

#[test]
fn connections_are_limited_and_streams_are_not() {
    let clients = "count = 4\nhosts = 2\nretry = { policy = 'none' }";
    let (events, summary) = run(&scenario("connections_max = 1", clients, ""));
    for (session, opens) in [(0, true), (1, false), (2, true), (3, false)] {
        let busy = vec![(120 * MS, Failure::Rejected { status: 503, retry_after: None })];
        assert_eq!(opened(&events, session).len(), usize::from(opens));
        assert_eq!(failed(&events, session), if opens { vec![] } else { busy });
    }
    assert_eq!(count(&summary, "servers.gateway.connections_full"), 2);
    assert_eq!(count(&summary, "servers.gateway.open_connections_max"), 1);
}

#[test]
fn requests_of_streams_wait_for_workers() {
    let (events, summary) = run(&scenario("workers = 1", "count = 3", "").replace("'0s'", "'10ms'"));
    let open: Vec<u64> = (0..3).map(|session| opened(&events, session)[0] / MS).collect();
    assert_eq!(open, [130, 140, 150]);
    assert_eq!(duration(&summary, "servers.gateway.queue_wait.max"), 20 * MS);
    // A worker is done with somebody who has gone: for nothing.
    let impatient = "count = 2\nhandshake_timeout = '95ms'\nretry = { policy = 'none' }";
    let (events, summary) = run(&scenario("workers = 1", impatient, "").replace("'0s'", "'10ms'"));
    assert_eq!(opened(&events, 0), [130 * MS]);
    assert_eq!(failed(&events, 1), [(135 * MS, Failure::HandshakeTimeout)]);
    // It was served by 120 ms, before its RST_STREAM came.
    assert_eq!(count(&summary, "servers.gateway.wasted"), 0);
    let (_, summary) = run(&scenario("workers = 1", impatient, "").replace("'0s'", "'40ms'"));
    assert_eq!(count(&summary, "servers.gateway.wasted"), 1);
}

#[test]
fn one_segment_that_is_lost_holds_up_every_stream() {
    // A partition of 100 ms swallows the first's ping at 4.12 s; the second's request, later, waits behind it.
    let clients = "count = 2\narrive = { evenly_over = '8.3s' }\nheartbeat = { every = '4s', timeout = '3s' }";
    let cut = "[faults.cut]\nkind = 'partition'\ntarget = 'gateway'\nat = '4.13s'\nfor = '100ms'";
    let (events, _) = run(&scenario("", clients, cut));
    // The ping leaves at 4.12 s and is repeated after 240 ms: it arrives at 4.38 s. The request left at 4.15 s.
    assert_eq!(opened(&events, 1), [(4_380 + 20) * MS]);
}

#[test]
fn runs_are_repeated_exactly_also_from_what_is_resolved() {
    let clients = "count = 60\nhosts = 7\narrive = { randomly_over = '20s' }\nheartbeat = { every = '3s', timeout = '1s' }\n\
                   hold = { exponential = { mean = '20s' } }";
    let faults = "[faults.dies]\nkind = 'restart'\ntarget = 'gateway-0'\nat = '20s'\nfor = '3s'\n\
                  [faults.off]\nkind = 'power-off'\ntarget = 'gateway-1'\nat = '40s'\nfor = '10s'\n\
                  [faults.lossy]\nkind = 'lossy'\ntarget = 'gateway'\nloss = '10%'\nat = '30s'\nfor = '30s'\n\
                  [faults.stops]\nkind = 'hang'\ntarget = 'gateway-0'\nat = '70s'\nfor = '2s'\n\
                  [faults.drains]\nkind = 'drain'\ntarget = 'gateway-1'\nat = '80s'\nfor = '10s'";
    let server = "count = 2\nstreams_max = 3\ntls = '1.3'\naccess_link = '10Mbit/s'";
    let text = scenario(server, clients, faults).replace("one_way = '20ms'", "one_way = '20ms'\njitter = '5ms'");
    let scenario = loaded(&text);
    let digest = |scenario: &Scenario| {
        let mut digest = (Digest::default(), Watch::default());
        driver::run(scenario, &mut digest);
        digest.1.check();
        digest.0.to_string()
    };
    let first = digest(&scenario);
    assert_eq!(first, digest(&scenario));
    let resolved = scenario.resolved();
    for default in
        ["extended_connect = true", "streams_max = 3", "idle_timeout = \"170s\"", "mode = \"extended-connect\""]
    {
        assert!(resolved.contains(default), "{default}: {resolved}");
    }
    assert_eq!(first, digest(&loaded(resolved)));
    // The series are those of a server that clients come to by HTTP/2.
    let (_, measured) = simulate(&loaded(&text));
    assert_eq!(measured.series.servers[0].open_streams.len(), measured.series.ends.len());
}

/// Counts what servers have: never less than nothing, and no stream without a connection.
#[derive(Default)]
struct Watch {
    connections: [i64; 2],
    streams: [i64; 2],
    opened: u64,
}

impl Watch {
    fn check(&self) {
        assert!(self.opened > 60, "{}", self.opened);
    }
}

impl Recorder for Watch {
    fn record(&mut self, event: &Event) {
        match event.kind {
            Kind::Server(server, kind) => {
                let at = server as usize;
                match kind {
                    server::Event::Accepted { .. } => self.connections[at] += 1,
                    server::Event::Closed { .. } => self.connections[at] -= 1,
                    server::Event::StreamOpened { .. } => self.streams[at] += 1,
                    server::Event::StreamClosed { .. } => self.streams[at] -= 1,
                    _ => {}
                }
                assert!(self.connections[at] >= 0 && self.streams[at] >= 0, "{event:?}");
                assert!(self.streams[at] <= 3 * self.connections[at] + 3, "{event:?}");
            }
            Kind::Fault(_, shakedown::fault::Event::Began { server, kind }) if kind.takes_down() && !kind.revives() => {
                (self.connections[server as usize], self.streams[server as usize]) = (0, 0);
            }
            Kind::Session(_, client::Event::Opened { .. }) => self.opened += 1,
            _ => {}
        }
    }
}

#[test]
fn requests_of_streams_wait_for_calls() {
    // 120 ms, and between the request and its answer a connect and a call of a server 20 ms away.
    let auth = "[servers.auth]\nservice_time = '0s'\nbehavior = { kind = 'serve' }";
    let (events, summary) = run(&scenario("calls = [{ to = 'auth', timeout = '1s' }]", "count = 2", auth));
    assert_eq!((opened(&events, 0), opened(&events, 1)), (vec![200 * MS], vec![200 * MS]));
    assert_eq!(count(&summary, "servers.auth.arrivals.total"), 2);
    assert_eq!(summary.get("servers.auth.open_streams_max"), Some(Value::Count(0)));
}

#[test]
fn what_is_not_simulated_is_refused() {
    let told = |server: &str, clients: &str, rest: &str| {
        let clients = format!("count = 1\n{clients}");
        load(&scenario(server, &clients, rest)).expect_err(&format!("{server} {clients}"))
    };
    let gateway = "[servers.behind]\n";
    for (server, clients, rest, says) in [
        ("", "connect_gate = true", "", "share a connection"),
        ("streams_max = 0", "", "", "`servers.gateway.streams_max` must be at least 1"),
        ("behavior = { kind = 'garbage' }", "", "", "`players` comes by HTTP/2"),
        ("behavior = { kind = 'serve' }", "", "", "200 would open"),
        ("behavior = { kind = 'reject', status = 204 }", "", "", "any 2xx opens"),
        ("behavior = { kind = 'accept', answer = { accept_key = 'wrong' } }", "", "", "those of HTTP/1.1"),
        ("behavior = { kind = 'accept', delivery = { bytes = 1 } }", "", "", "come whole"),
        (
            "behavior = { kind = 'redirect', to = 'behind' }",
            "",
            "[servers.behind]\nbehavior = { kind = 'garbage' }",
            "`players` comes by HTTP/2",
        ),
        ("", "", "[dns.game]\nto = 'gateway'\n", ""),
    ] {
        if says.is_empty() {
            assert!(load(&scenario(server, &format!("count = 1\n{clients}"), rest)).is_ok());
            continue;
        }
        let told = told(server, clients, rest);
        assert!(told.contains(says), "{server} {clients}: {told}");
    }
    let balancer = scenario("", "count = 1", gateway)
        .replace("service_time = '0s'\n", "kind = 'l4'\nto = 'behind'\nbalance = 'nat'\n");
    let told = load(&balancer).unwrap_err();
    assert!(told.contains("HTTP/2 through a balancer is not simulated"), "{told}");
    let idle = scenario("", "count = 1\nidle_timeout = '1s'", "").replace("mode = 'extended-connect'\n", "");
    assert!(load(&idle).unwrap_err().contains("write mode = \"extended-connect\" beside it"));
    // Who goes elsewhere need not care.
    let other = "[servers.other]\nbehavior = { kind = 'garbage' }\n[clients.others]\ncount = 1\nendpoints = ['other']";
    assert!(load(&scenario("", "count = 1", other)).is_ok());
    // Other drivers say it in one sentence.
    let why = shakedown::handshake::Mode::ExtendedConnect.simulated_only().unwrap();
    assert!(why.starts_with("mode = \"extended-connect\" is simulated only"), "{why}");
    assert_eq!(shakedown::handshake::Mode::Upgrade.simulated_only(), None);
}
