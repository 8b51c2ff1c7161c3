//! SequenceDiagram diagrams: what a session sent and heard, drawn. The drawings are committed; what they show is also held
//! against the events.

use std::collections::BTreeMap;

use shakedown::client;
use shakedown::event::Kind;
use shakedown::explore;
use shakedown::record::{Digest, Fate, Flag, Message};
use shakedown::replay::{SequenceDiagram, Which, svg, text};
use shakedown::scenario::Scenario;

use crate::common::{MS, committed, loaded, repository, set};

fn drawn(scenario: &Scenario, session: (u16, u32)) -> String {
    let traces = explore::trace(scenario, &[session]);
    let text = text(&SequenceDiagram::new(scenario, None, &traces[0]));
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    text
}

/// The one session of a scenario with these servers, clients and faults.
fn ladder(text: &str) -> String {
    drawn(&loaded(&format!("format = 1\ntitle = \"A ladder\"\n{text}")), (0, 0))
}

/// The mail's first diagram: a GET, a 200, and then both speak WebSocket.
#[test]
fn the_mails_first_diagram() {
    insta::assert_snapshot!(ladder(
        r#"
        duration = "2s"
        [servers.server]
        service_time = "1ms"
        [clients.client]
        count = 1
        arrive = "at_once"
        mode = "final-response"
        path = "/chat"
        endpoints = ["server"]
        heartbeat = { every = "500ms", timeout = "200ms" }
        hold = "1200ms"
        "#
    ));
}

/// The mail's second: server1 answers 307, server2 answers 200; each handshake is a complete HTTP transaction.
#[test]
fn the_mails_second_diagram() {
    insta::assert_snapshot!(ladder(
        r#"
        duration = "2s"
        [servers.server1]
        service_time = "1ms"
        behavior = { kind = "redirect", status = 307, to = "server2" }
        [servers.server2]
        service_time = "1ms"
        [clients.client]
        count = 1
        arrive = "at_once"
        mode = "final-response"
        path = "/chat"
        endpoints = ["server1"]
        "#
    ));
}

/// A proxy wants to know who asks; then TLS and the handshake go through its tunnel.
#[test]
fn a_407_and_a_tunnel() {
    insta::assert_snapshot!(ladder(
        r#"
        duration = "2s"
        [servers.gateway]
        service_time = "1ms"
        tls = "1.3"
        [proxies.corporate]
        service_time = "1ms"
        credentials = { user = "alice", password = "secret" }
        [clients.players]
        count = 1
        arrive = "at_once"
        path = "/chat"
        endpoints = ["gateway"]
        proxy = "corporate"
        proxy_credentials = { user = "alice", password = "secret" }
        hold = "1s"
        "#
    ));
}

/// RFC 2817: the 101 comes in plain, the final response over TLS.
#[test]
fn an_upgrade_to_tls() {
    insta::assert_snapshot!(ladder(
        r#"
        duration = "2s"
        [servers.gateway]
        service_time = "1ms"
        tls = "1.3"
        [clients.players]
        count = 1
        arrive = "at_once"
        mode = "tls-upgrade"
        path = "/chat"
        endpoints = ["gateway"]
        hold = "1s"
        "#
    ));
}

/// Refused at first; it tries again until the server is back.
const REFUSED: &str = r#"
    duration = "5s"
    [servers.gateway]
    service_time = "0s"
    [clients.players]
    count = 1
    arrive = "at_once"
    endpoints = ["gateway"]
    retry = { policy = "exponential", base = "200ms" }
    [faults.dies]
    kind = "crash"
    target = "gateway"
    at = "0s"
    for = "700ms"
    "#;

#[test]
fn refused_and_tried_again() {
    insta::assert_snapshot!(ladder(REFUSED));
}

#[test]
fn a_crash_a_fin_and_a_reconnect() {
    insta::assert_snapshot!(ladder(
        r#"
        duration = "10s"
        [servers.gateway]
        count = 2
        service_time = "0s"
        [clients.players]
        count = 1
        arrive = "at_once"
        endpoints = ["gateway"]
        pick = "first"
        on_retry = "next"
        retry = { policy = "fixed", base = "250ms" }
        heartbeat = { every = "1s", timeout = "500ms" }
        [faults.gateway-dies]
        kind = "crash"
        target = "gateway-0"
        at = "6500ms"
        "#
    ));
}

/// A host without power: SYNs are repeated until the client's patience ends.
#[test]
fn a_black_hole() {
    insta::assert_snapshot!(ladder(
        r#"
        duration = "12s"
        [servers.gateway]
        service_time = "0s"
        [clients.players]
        count = 1
        arrive = "at_once"
        endpoints = ["gateway"]
        connect_timeout = "5s"
        retry = { policy = "fixed", base = "1s" }
        [faults.dark]
        kind = "power-off"
        target = "gateway"
        at = "0s"
        for = "8s"
        "#
    ));
}

/// What leaves in the first 50 ms after the connect is lost: the request and its first repetition.
const LOSSY: &str = r#"
    duration = "3s"
    [servers.gateway]
    service_time = "0s"
    [clients.players]
    count = 1
    arrive = "at_once"
    endpoints = ["gateway"]
    [faults.noise]
    kind = "lossy"
    target = { from = "players", to = "gateway" }
    loss = "100%"
    at = "30ms"
    for = "300ms"
    "#;

#[test]
fn a_lost_segment_and_its_timer() {
    insta::assert_snapshot!(ladder(LOSSY));
}

fn messages(text: &str) -> Vec<Message> {
    let scenario = loaded(&format!("format = 1\ntitle = \"A ladder\"\n{text}"));
    explore::trace(&scenario, &[(0, 0)]).remove(0).messages
}

#[test]
fn a_lost_request_is_sent_again_by_the_timers_of_rfc_6298() {
    let messages = messages(LOSSY);
    let request = messages.iter().find(|message| message.flag == Flag::Data).unwrap();
    let sent: Vec<(u64, Fate)> = request.transmissions.iter().map(|sent| (sent.left.0, sent.fate)).collect();
    // The round trip of 40 ms makes a timer of 240 ms, which doubles.
    let arrived = Fate::Arrived(shakedown::time::Timestamp(780 * MS));
    assert_eq!(sent, [(40 * MS, Fate::Lost), (280 * MS, Fate::Lost), (760 * MS, arrived)]);
    assert_eq!(request.payload, request.bytes.len());
}

#[test]
fn a_balancer_stands_between() {
    for balance in ["nat", "terminate"] {
        let text = ladder(&format!(
            r#"
            duration = "2s"
            [servers.balancer]
            kind = "l4"
            balance = "{balance}"
            to = "gateway"
            [servers.gateway]
            service_time = "0s"
            [clients.players]
            count = 1
            arrive = "at_once"
            endpoints = ["balancer"]
            heartbeat = {{ every = "200ms", timeout = "100ms" }}
            "#
        ));
        insta::assert_snapshot!(balance, text);
    }
}

#[test]
fn a_name_is_looked_up_and_tls_comes_up() {
    insta::assert_snapshot!(ladder(
        r#"
        duration = "2s"
        [servers.gateway]
        service_time = "0s"
        tls = "1.3"
        tls_cost = "1ms"
        [dns."chat.example"]
        to = ["gateway"]
        [clients.players]
        count = 1
        arrive = "at_once"
        endpoints = ["chat.example"]
        hold = "300ms"
        "#
    ));
}

/// A partition: a ping is repeated in vain, and the client gives the connection up.
#[test]
fn a_partition_and_a_heartbeat() {
    insta::assert_snapshot!(ladder(
        r#"
        duration = "6s"
        [servers.gateway]
        service_time = "0s"
        [clients.players]
        count = 1
        arrive = "at_once"
        endpoints = ["gateway"]
        heartbeat = { every = "1s", timeout = "1s" }
        retry = { policy = "fixed", base = "250ms" }
        [faults.cut]
        kind = "partition"
        target = { from = "players", to = "gateway" }
        at = "900ms"
        for = "2s"
        "#
    ));
}

#[test]
fn a_picture_says_the_same() {
    let scenario = loaded(&format!("format = 1\ntitle = \"A ladder <of> one\"\n{REFUSED}"));
    let svg = svg(&SequenceDiagram::new(&scenario, None, &explore::trace(&scenario, &[(0, 0)])[0]));
    for part in ["A ladder &lt;of&gt; one", "gateway-0", "players-0", "SYN-ACK", "101 Switching Protocols", "refused"] {
        assert!(svg.contains(part), "{part} is missing in {svg}");
    }
}

/// Every arrow that comes to an end does so when the events say so, in scenarios where everything goes wrong.
#[test]
fn listening_changes_nothing_and_hears_what_the_events_say() {
    let small = "clients.players.count=100";
    for (name, sets) in [
        ("failover", &[small][..]),
        ("failover", &[small, "network.loss=\"20%\"", "network.jitter=\"5ms\""]),
        ("redirect", &[small]),
        ("black-hole", &[small]),
        ("backlog-overflow", &[small]),
        ("session-loss", &[small]),
        ("access-link", &[small, "network.loss=\"5%\""]),
        ("tls-storm", &[small]),
        ("dns-failover", &[small]),
        ("zone-loss", &[]),
        ("rolling-deploy", &[small]),
        ("l4-versus-redirect/l4-nat", &[small]),
        ("l4-versus-redirect/l4-nat", &[small, "network.loss=\"10%\""]),
        ("l4-versus-redirect/l4-terminate", &[small]),
    ] {
        let scenario = committed(name, &set(sets));
        let mut alone = Digest::default();
        shakedown::driver::run(&scenario, &mut alone);
        let chosen: Vec<(u16, u32)> = (0..100).map(|index| (0, index)).collect();
        let mut simulation = shakedown::driver::sim::Simulation::new(&scenario);
        simulation.listen(chosen.iter().copied());
        let mut heard = (Digest::default(), Vec::new());
        let messages = simulation.finish_and_tell(&mut heard);
        assert_eq!(heard.0.value(), alone.value(), "{name}: who listens changes nothing");
        let mut heard_of: BTreeMap<u32, Vec<&Message>> = BTreeMap::new();
        for message in &messages {
            heard_of.entry(message.session).or_default().push(message);
        }
        let mut held = 0;
        for event in &heard.1 {
            let Kind::Session(session, kind) = event.kind else { continue };
            // What makes TCP come up is a SYN-ACK that arrives at that moment; what opens, data.
            let (connection, flag) = match kind {
                client::Event::Connected { connection } => (connection, Flag::SynAck),
                client::Event::Opened { connection, .. } => (connection, Flag::Data),
                client::Event::AttemptFailed { connection, failure: client::Failure::Refused } => {
                    (connection, Flag::Rst)
                }
                client::Event::Lost { connection, end: client::End::Fin } => (connection, Flag::Fin),
                _ => continue,
            };
            let Some(of_session) = heard_of.get(&session) else { continue };
            let arrives = |message: &&&Message| {
                let arrived = message.transmissions.iter().any(|sent| sent.fate == Fate::Arrived(event.at));
                message.connection == connection && message.flag == flag && arrived
            };
            assert!(of_session.iter().any(|message| arrives(&message)), "{name}: {event:?}");
            held += 1;
        }
        assert!(held > 100, "{name}: only {held} events were held");
        for message in &messages {
            let sent = &message.transmissions;
            assert!(sent.windows(2).all(|pair| pair[0].left < pair[1].left), "{name}: {message:?}");
            assert!(sent.iter().all(|sent| !matches!(sent.fate, Fate::Arrived(at) if at < sent.left)), "{message:?}");
        }
    }
}

#[test]
fn sessions_are_found_by_what_they_went_through() {
    let scenario = loaded(
        &format!("format = 1\ntitle = \"A ladder\"\n{REFUSED}")
            .replace("count = 1", "count = 9")
            .replace("arrive = \"at_once\"", ""),
    );
    // They come evenly over 5 s; the server is away for the first 700 ms.
    assert_eq!(explore::find(&scenario, Which::Failed, 5), [(0, 0), (0, 1)]);
    assert_eq!(explore::find(&scenario, Which::Slowest, 1), [(0, 0)]);
    assert_eq!(explore::find(&scenario, Which::Redirected, 5), []);
    let scenario = committed("redirect", &set(&["clients.players.count=20"]));
    assert_eq!(explore::find(&scenario, Which::Redirected, 2).len(), 2);
}

/// The documentation shows what comes out (`UPDATE_GOLDEN=1 cargo test --test integration replay::` writes it).
#[test]
fn the_documented_ladder_is_a_real_one() {
    let scenario = committed("failover", &set(&[]));
    let session = explore::find(&scenario, Which::Failed, 1)[0];
    let page = repository("docs/replay.md");
    let committed = std::fs::read_to_string(&page).unwrap();
    let (before, rest) = committed.split_once("--failed\n").unwrap();
    let (_, after) = rest.split_once("```").unwrap();
    let written = format!("{before}--failed\n{}```{after}", drawn(&scenario, session));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&page, written).unwrap();
    } else {
        assert!(
            written == committed,
            "docs/replay.md shows another ladder: UPDATE_GOLDEN=1 cargo test --test integration replay::"
        );
    }
}

#[test]
fn credentials_are_never_drawn() {
    let scenario = loaded(
        r#"
        format = 1
        title = "A ladder"
        duration = "1s"
        [servers.gateway]
        service_time = "0s"
        behavior = { kind = "challenge", scheme = "basic", credentials = { user = "aladdin", password = "opensesame" } }
        [clients.players]
        count = 1
        arrive = "at_once"
        endpoints = ["gateway"]
        credentials = { user = "aladdin", password = "opensesame" }
        "#,
    );
    let traces = explore::trace(&scenario, &[(0, 0)]);
    // They did go over the wire: base64 of `aladdin:opensesame`.
    const SECRET: &str = "YWxhZGRpbjpvcGVuc2VzYW1l";
    let sent = |message: &Message| String::from_utf8_lossy(&message.bytes).contains(SECRET);
    assert!(traces[0].messages.iter().any(sent));
    let diagram = SequenceDiagram::new(&scenario, None, &traces[0]);
    for drawing in [text(&diagram), svg(&diagram)] {
        assert!(drawing.contains("401 Unauthorized"), "{drawing}");
        for secret in [SECRET, "aladdin", "opensesame", "Authorization"] {
            assert!(!drawing.contains(secret), "{drawing}");
        }
    }
    insta::assert_snapshot!(text(&diagram));
}

/// The second session of a host takes a stream of the connection that the first one opened.
#[test]
fn streams_of_one_connection_are_told_apart() {
    let scenario = loaded(
        r#"
        format = 1
        title = "Two streams"
        duration = "4s"
        [servers.front]
        service_time = "1ms"
        behavior = { kind = "redirect", to = "gateway", when = { path = "/chat" } }
        [servers.gateway]
        service_time = "1ms"
        [clients.player]
        count = 2
        hosts = 1
        arrive = { evenly_over = "2s" }
        mode = "extended-connect"
        path = "/chat"
        endpoints = ["front"]
        hold = "2s"
        heartbeat = { every = "1500ms", timeout = "200ms" }
        [faults.reset]
        kind = "crash"
        target = "gateway-0"
        at = "2800ms"
        "#,
    );
    let both = [drawn(&scenario, (0, 0)), drawn(&scenario, (0, 1))];
    insta::assert_snapshot!(both.join("\n"));
}
