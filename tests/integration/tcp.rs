//! TCP as Linux has it, in whole scenarios: what was measured of a kernel comes out of a run.

use shakedown::client::{self, Failure};
use shakedown::event::{Event, Kind};
use shakedown::metrics::{Summary, Value};
use shakedown::network;

use crate::common::{MS, SECOND, count, failed, history, load, lost, opened, simulate, summary};

fn network(events: &[Event], such: fn(&network::Event) -> bool) -> Vec<u64> {
    let of = events.iter().filter(|event| matches!(&event.kind, Kind::Network(_, kind) if such(kind)));
    of.map(|event| event.at.0).collect()
}

#[test]
fn a_request_that_is_lost_once_waits_for_a_timer_of_a_round_trip_and_200_ms() {
    let text = r#"
        format = 1
        title = "One request is lost once"
        duration = "10s"
        [network]
        one_way = "20ms"
        [servers.gateway]
        service_time = "0s"
        [clients.players]
        count = 1
        endpoints = ["gateway"]
        arrive = "at_once"
        [faults.lost]
        kind = "lossy"
        target = "gateway"
        loss = "100%"
        at = "39.5ms"
        for = "5ms"
    "#;
    // It leaves at 40 ms, again at 280 ms, and its answer takes until 320 ms.
    assert_eq!(opened(&history(text), 0), [320 * MS]);
    let handshake = summary(text).get("handshake_latency.max");
    assert_eq!(handshake, Some(Value::Duration(Some(shakedown::time::Nanos::from_millis(280)))));
}

#[test]
fn a_connection_to_a_dark_host_ends_at_the_first_timer_past_its_time() {
    // Clients who want no pong for long write at 1,800 s after they opened; their server's host has been off for a second.
    let ended = |one_way: u64, retries: u64| {
        let text = format!(
            r#"
            format = 1
            title = "A server's host goes silent under clients that only write"
            duration = "90m"
            [network]
            one_way = "{one_way}ms"
            data_retries = {retries}
            [servers.gateway]
            service_time = "0s"
            [clients.players]
            count = 1
            endpoints = ["gateway"]
            arrive = "at_once"
            reconnect = false
            heartbeat = {{ every = "30m", timeout = "29m" }}
            [faults.dark]
            kind = "power-off"
            target = "gateway"
            at = "1799s"
            "#
        );
        let events = history(&text);
        let written = 1_800 * SECOND + 4 * one_way * MS;
        let repeated = network(&events, |event| matches!(event, network::Event::GivenUp { to_server: true, .. }));
        let [(at, client::End::Reset)] = lost(&events, 0)[..] else { panic!("{one_way} {retries}") };
        assert_eq!(repeated, [at]);
        (at - written) / MS
    };
    // Linux 6.18, measured: 15.8 s, 14.0 s; its timers are up to an eighth late.
    assert_eq!(ended(20, 5), 15_120);
    assert_eq!(ended(150, 5), 13_500);
    assert_eq!(ended(150, 15), 949_500);
    assert_eq!(ended(250, 15), 1_030_500);
}

#[test]
fn a_server_keeps_the_connections_of_clients_that_vanished_for_long() {
    let kept = |length: &str| {
        let text = format!(
            r#"
            format = 1
            title = "Clients vanish without a word, and come back"
            duration = "20m"
            [servers.gateway]
            [clients.players]
            count = 100
            endpoints = ["gateway"]
            heartbeat = {{ every = "20s", timeout = "5s" }}
            retry = {{ policy = "fixed", base = "5s" }}
            [faults.silent]
            kind = "partition"
            target = "players"
            at = "100s"
            for = "{length}"
            "#
        );
        let events = history(&text);
        let of = |such: fn(&shakedown::server::Event) -> bool| {
            events.iter().filter(|event| matches!(&event.kind, Kind::Server(0, kind) if such(kind))).count()
        };
        use shakedown::server::Event as At;
        of(|kind| matches!(kind, At::Accepted { .. })) - of(|kind| matches!(kind, At::Closed { .. }))
    };
    // Their kernels say goodbye for a minute. After that nobody tells the server.
    assert_eq!(kept("400s"), 200);
    assert_eq!(kept("40s"), 100);
}

/// Four hundred connects within one round trip, to a process that hangs until 3.5 s.
fn burst(one_way: &str, backlog: u32, overflow: &str) -> (Vec<Event>, Summary) {
    let text = format!(
        r#"
        format = 1
        title = "A burst at a process that hangs"
        duration = "10s"
        [network]
        one_way = "{one_way}"
        syn_retries = "linux"
        [servers.gateway]
        backlog = {backlog}
        backlog_overflow = "{overflow}"
        service_time = "0s"
        [clients.players]
        count = 400
        start = "1s"
        arrive = "at_once"
        endpoints = ["gateway"]
        retry = {{ policy = "none" }}
        [faults.hangs]
        kind = "hang"
        target = "gateway"
        at = "500ms"
        for = "3s"
        "#
    );
    (history(&text), summary(&text))
}

#[test]
fn a_burst_fills_the_accept_queue_and_the_rest_waits_for_its_timers() {
    let (events, measured) = burst("20ms", 50, "drop");
    // All SYNs are answered: the queue is empty then. Of the third segments, with requests, 51 find room.
    let connected = events.iter().filter(|event| {
        matches!(event.kind, Kind::Session(_, client::Event::Connected { .. })) && event.at.0 == 1_040 * MS
    });
    assert_eq!(connected.count(), 400);
    let dropped = network(&events, |event| matches!(event, network::Event::AcceptOverflow { .. }));
    assert_eq!(dropped.iter().filter(|at| **at == 1_060 * MS).count(), 349);
    // They come again after 240 and 720 ms, and 1.68 s, in vain.
    assert_eq!(dropped.len(), 4 * 349);
    assert_eq!(count(&measured, "network.accept_overflows"), 4 * 349);
    assert_eq!(count(&measured, "servers.gateway-0.accept_overflows"), 4 * 349);
    assert_eq!(count(&measured, "servers.gateway.syns_dropped"), 0);
    // The process goes on at 3.5 s with those in its queue; the others' requests arrive for the fifth time at 4.66 s.
    let opened: Vec<u64> = (0..400).map(|session| opened(&events, session)[0]).collect();
    assert_eq!(opened.iter().filter(|at| **at == 3_520 * MS).count(), 51);
    assert_eq!(opened.iter().filter(|at| **at == 1_040 * MS + 3_600 * MS + 40 * MS).count(), 349);
}

#[test]
fn without_latency_a_burst_is_stopped_at_its_syns() {
    let (events, measured) = burst("0s", 50, "drop");
    let dropped = network(&events, |event| matches!(event, network::Event::SynDropped { backlog_full: true, .. }));
    // Linux before 6.5 repeats after 1 s, in vain, and 3 s.
    assert_eq!((dropped.len(), dropped[0]), (2 * 349, SECOND));
    assert_eq!(count(&measured, "network.syns_dropped"), 2 * 349);
    assert_eq!(count(&measured, "network.accept_overflows"), 0);
    assert_eq!((0..400).filter(|session| opened(&events, *session) == [3_500 * MS]).count(), 51);
    assert_eq!((0..400).filter(|session| opened(&events, *session) == [4 * SECOND]).count(), 349);
}

#[test]
fn a_kernel_may_answer_what_finds_no_room_with_rst() {
    let (events, measured) = burst("20ms", 50, "reset");
    assert_eq!((0..400).filter(|session| failed(&events, *session) == [(1_080 * MS, Failure::Reset)]).count(), 349);
    assert_eq!(count(&measured, "servers.gateway.accept_overflows"), 349);
    // A backlog of 0 has room for one.
    let (events, _) = burst("20ms", 0, "reset");
    assert_eq!((0..400).filter(|session| failed(&events, *session) == [(1_080 * MS, Failure::Reset)]).count(), 399);
}

/// Short connections, a thousand a second, through something that has 28,231 ports towards one server.
fn short(between: &str, clients: &str, time_wait: &str) -> Vec<Event> {
    history(&format!(
        r#"
        format = 1
        title = "Short connections use up ports"
        duration = "40s"
        [network]
        one_way = "1ms"
        {time_wait}
        [servers.hub]
        workers = 64
        service_time = "1ms"
        {between}
        [clients.polls]
        count = 40_000
        arrive = {{ evenly_over = "40s" }}
        hold = "1s"
        reconnect = false
        retry = {{ policy = "none" }}
        {clients}
        "#
    ))
}

/// Connections that opened, and when the first did not.
fn made(events: &[Event]) -> (usize, Option<u64>) {
    let of = |such: fn(&client::Event) -> bool| {
        events.iter().filter(move |event| matches!(&event.kind, Kind::Session(_, kind) if such(kind)))
    };
    let opened = of(|kind| matches!(kind, client::Event::Opened { .. })).count();
    let failed = of(|kind| matches!(kind, client::Event::AttemptFailed { .. })).next();
    (opened, failed.map(|event| event.at.0 / SECOND))
}

#[test]
fn ports_run_out_after_28_seconds() {
    let balancer = "[servers.chp]\nkind = 'l4'\nto = 'hub'\nbalance = 'terminate'\nports = 28_231";
    let proxy = "[proxies.chp]\nports = 28_231\nworkers = 64\nservice_time = '0s'";
    let direct = "endpoints = ['hub']";
    for (between, clients, fails) in [
        (balancer, "endpoints = ['chp']".to_string(), 28),
        (proxy, format!("{direct}\nproxy = 'chp'"), 28),
        ("", format!("{direct}\nhosts = 1\nports = 28_231"), 28),
        // A NAT drops SYNs until the clients' own time is over.
        ("", format!("{direct}\nnat = 1\nports = 28_231"), 38),
    ] {
        // Until the first is free again after a minute, there is one for each connection.
        assert_eq!(made(&short(between, &clients, "")), (28_231, Some(fails)), "{between} {clients}");
        for keys in ["time_wait = 'none'", "time_wait_reopens = true"] {
            // The hub closes first (RFC 6455 section 7.1.1).
            let (opened, failed) = made(&short(between, &clients, keys));
            assert!(opened > 39_900 && failed.is_none(), "{opened} {failed:?} {between} {clients}");
        }
    }
    // With an address of its own each, nobody runs out.
    assert_eq!(made(&short("", direct, "")).1, None);
}

#[test]
fn whoever_closes_first_waits_whatever_the_server_takes() {
    // The hub never answers, and its clients hang up after a second.
    let text = r#"
        format = 1
        title = "Nobody answers"
        duration = "20s"
        [network]
        time_wait_reopens = true
        [servers.hub]
        behavior = { kind = "stall" }
        [clients.polls]
        count = 200
        arrive = { evenly_over = "20s" }
        endpoints = ["hub"]
        hosts = 1
        ports = 100
        handshake_timeout = "1s"
        retry = { policy = "none" }
    "#;
    let measured = summary(text);
    assert_eq!(count(&measured, "servers.hub.no_port"), 100);
    assert_eq!(count(&measured, "attempts.refused"), 100);
}

#[test]
fn no_more_than_ports_in_a_minute_are_closed_first() {
    let text = r#"
        format = 1
        title = "A proxy in front of one hub"
        duration = "240s"
        [network]
        one_way = "1ms"
        [servers.hub]
        workers = 64
        service_time = "1ms"
        [servers.chp]
        kind = "l4"
        to = "hub"
        balance = "terminate"
        ports = 600
        [clients.polls]
        count = 6_000
        endpoints = ["chp"]
        arrive = { evenly_over = "240s" }
        hold = "1s"
        reconnect = false
        retry = { policy = "none" }
    "#;
    // 25 a second come; 600 ports, each for a second and then a minute, make less than 10 a second.
    let (_, measured) = simulate(&load(text).unwrap());
    let opened = count(&measured.summary, "attempts.opened");
    assert!((2_200..=2_400).contains(&opened), "{opened}");
    assert_eq!(count(&measured.summary, "servers.chp.not_forwarded"), 6_000 - opened);
}

#[test]
fn a_client_without_a_port_hears_at_once_and_behind_a_nat_its_syn_is_lost() {
    let text = |clients: &str| {
        format!(
            r#"
            format = 1
            title = "Three sessions, two ports"
            duration = "10s"
            [network]
            one_way = "20ms"
            [servers.gateway]
            service_time = "0s"
            [clients.players]
            count = 3
            arrive = "at_once"
            endpoints = ["gateway"]
            retry = {{ policy = "none" }}
            ports = 2
            hold = "1800ms"
            reconnect = false
            {clients}
            "#
        )
    };
    let events = history(&text("hosts = 1"));
    assert_eq!(failed(&events, 2), [(0, Failure::NoPort)]);
    assert_eq!(network(&events, |event| matches!(event, network::Event::NoPort { session: 2 })), [0]);
    let measured = summary(&text("hosts = 1"));
    assert_eq!((count(&measured, "attempts.refused"), count(&measured, "servers.gateway.no_port")), (1, 1));
    // The others close at 1.88 s, and their ports wait for longer than the run; without that, the SYN of 2 s has one.
    let events = history(&text("nat = 1"));
    assert!(opened(&events, 2).is_empty());
    let events = history(&text("nat = 1").replace("one_way", "time_wait = \"none\"\none_way"));
    assert_eq!(opened(&events, 2), [2_080 * MS]);
}

#[test]
fn how_long_a_port_waits_is_a_key() {
    let resolved = |keys: &str| {
        let text = format!(
            "format = 1\ntitle = \"Keys\"\nduration = \"1s\"\n[network]\n{keys}\n[servers.s]\n[clients.c]\ncount = 2\n\
             arrive = \"at_once\"\nendpoints = [\"s\"]\nhosts = 1\n"
        );
        load(&text).unwrap().resolved().to_string()
    };
    let default = resolved("");
    assert!(default.contains("time_wait = \"60s\"") && default.contains("ports = 28232"), "{default}");
    assert!(resolved("time_wait = \"none\"").contains("time_wait = \"none\""));
    assert!(resolved("time_wait = \"0s\"").contains("time_wait = \"none\""));
    assert!(resolved("time_wait = \"2s\"").contains("time_wait = \"2s\""));
}
