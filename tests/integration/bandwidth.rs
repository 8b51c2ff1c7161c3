//! What bandwidth costs, at exactly which moments, and what a full queue in front of a link does.

use shakedown::client;
use shakedown::event::{Event, Kind};
use shakedown::network;

use crate::common::{self, MS, SECOND, US, find, history, load, when};

/// One server, 20 ms away, that takes no time, with these keys, and clients that come at once, with those.
fn quiet(server: &str, clients: &str, rest: &str) -> String {
    format!(
        "format = 1\ntitle = \"A test\"\nduration = \"600s\"\n[network]\none_way = \"20ms\"\n\
         [servers.gateway]\nservice_time = \"0s\"\n{server}\n[clients.players]\nendpoints = [\"gateway\"]\n\
         arrive = \"at_once\"\n{clients}\n{rest}"
    )
}

fn first(events: &[Event], session: u32, such: fn(&client::Event) -> bool) -> Option<u64> {
    when(events, session, such).first().copied()
}

fn connected(events: &[Event], session: u32) -> u64 {
    common::connected(events, session)[0]
}

fn opened(events: &[Event], session: u32) -> u64 {
    common::opened(events, session)[0]
}

/// What queues dropped, and when.
fn dropped(events: &[Event]) -> Vec<(u64, network::Message)> {
    find(events, |kind| match kind {
        Kind::Network(_, network::Event::QueueFull { message, .. }) => Some(*message),
        _ => None,
    })
}

/// On the wire, in bytes: 40 of headers, and the payload. A SYN, its answer, a FIN and an RST are nothing but headers.
const SYN: u64 = 40;
const REQUEST: u64 = 40
    + "GET / HTTP/1.1\r\nHost: gateway-0\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        .len() as u64;
const ANSWER: u64 = 40
    + "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
       Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        .len() as u64;
/// What a byte takes at 1 Mbit/s.
const BYTE: u64 = 8 * US;

#[test]
fn each_message_takes_its_bytes_time_on_each_access_link() {
    let slow = "access_link = \"1Mbit/s\"";
    let at_server = history(&quiet(slow, "count = 1", ""));
    assert_eq!(connected(&at_server, 0), 40 * MS + 2 * SYN * BYTE);
    let once = (2 * SYN + REQUEST + ANSWER) * BYTE;
    assert_eq!(opened(&at_server, 0), 80 * MS + once);
    assert_eq!(opened(&history(&quiet("", &format!("count = 1\n{slow}"), "")), 0), 80 * MS + once);
    assert_eq!(opened(&history(&quiet(slow, &format!("count = 1\n{slow}"), "")), 0), 80 * MS + 2 * once);
    // One direction of it.
    let down = "access_link = { down = \"1Mbit/s\" }";
    assert_eq!(opened(&history(&quiet(down, "count = 1", "")), 0), 80 * MS + (SYN + REQUEST) * BYTE);
    let up = "access_link = { up = \"2Mbit/s\" }";
    assert_eq!(opened(&history(&quiet(up, "count = 1", "")), 0), 80 * MS + (SYN + ANSWER) * BYTE / 2);
}

#[test]
fn certificates_take_their_bytes_time() {
    let slow = |tls: &str| quiet(&format!("{tls}\naccess_link = {{ up = \"1Mbit/s\" }}"), "count = 1", "");
    // Three segments of 3,500 bytes, and a round trip; the client's `Finished` comes with its request.
    let up = history(&slow("tls = \"1.3\"\ntls_cost = \"0s\""));
    assert_eq!(opened(&up, 0), opened(&history(&slow("")), 0) + 40 * MS + (3_500 + 3 * 40) * BYTE);
}

#[test]
fn a_herd_passes_an_access_link_one_message_after_the_other() {
    let events = history(&quiet("access_link = { down = \"1Mbit/s\" }", "count = 10", ""));
    for session in 0..10 {
        let nth = u64::from(session) + 1;
        assert_eq!(connected(&events, session), 40 * MS + nth * SYN * BYTE);
        // Requests come faster than they pass: from the first on, the link is never idle.
        assert_eq!(opened(&events, session), 80 * MS + SYN * BYTE + nth * REQUEST * BYTE);
    }
    // Sessions of one host share its link, others don't.
    let clients = |hosts: &str| format!("count = 10\naccess_link = {{ up = \"1Mbit/s\" }}\n{hosts}");
    let shared = history(&quiet("", &clients("hosts = 2"), ""));
    let own = history(&quiet("", &clients(""), ""));
    for session in 0..10 {
        assert_eq!(connected(&shared, session), 40 * MS + (u64::from(session) / 2 + 1) * SYN * BYTE);
        assert_eq!(connected(&own, session), 40 * MS + SYN * BYTE);
    }
}

#[test]
fn each_link_on_the_way_is_passed_by_itself() {
    let link = "[network.links.sea]\nfrom = \"players\"\nto = \"gateway\"\nbandwidth = \"1Mbit/s\"\n";
    let both = history(&quiet("", "count = 2", link));
    assert_eq!(connected(&both, 0), 40 * MS + 2 * SYN * BYTE);
    assert_eq!(connected(&both, 1), 40 * MS + 3 * SYN * BYTE);
    // Up the client's link, over the sea, down the server's: three times its time, each after the other.
    let (down, up) = ("access_link = { down = \"1Mbit/s\" }", "access_link = { up = \"1Mbit/s\" }");
    let all = history(&quiet(down, &format!("count = 1\n{up}"), &format!("{link}both = false\n")));
    assert_eq!(connected(&all, 0), 40 * MS + 3 * SYN * BYTE);
    assert_eq!(opened(&all, 0), 80 * MS + 3 * (SYN + REQUEST) * BYTE);
    // Others do not go over it, and nearer links have their own latency.
    let others = "[clients.others]\ncount = 1\nendpoints = [\"gateway\"]\narrive = \"at_once\"\n";
    let near = format!("{link}one_way = \"1ms\"\n{others}");
    let events = history(&quiet("", "count = 1", &near));
    assert_eq!((connected(&events, 0), connected(&events, 1)), (2 * MS + 2 * SYN * BYTE, 40 * MS));
}

#[test]
fn what_a_full_queue_drops_is_repeated_by_its_timer() {
    let events = history(&quiet("access_link = { down = \"1Mbit/s\", queue = \"100B\" }", "count = 4", ""));
    // Two SYNs of 40 bytes fit, a third does not. Two pass; two are repeated after a second.
    assert_eq!([0, 1].map(|session| connected(&events, session)), [40 * MS + 320 * US, 40 * MS + 640 * US]);
    assert_eq!([2, 3].map(|session| connected(&events, session)), [1_040 * MS + 320 * US, 1_040 * MS + 640 * US]);
    // The first request takes the link for 1.504 ms; the second comes 0.32 ms later, and again a round trip, as its SYN
    // took it, and 200 ms after it left. So does the fourth.
    let (to_server, syn) = (network::Message::ToServer, network::Message::Syn);
    let expected = [(20 * MS, syn), (20 * MS, syn), (60_640 * US, to_server), (1_060_640 * US, to_server)];
    assert_eq!(dropped(&events), expected);
    let passes = REQUEST * BYTE + 20 * MS;
    let requests = [60_320 * US, 301_280 * US, 1_060_320 * US, 1_301_280 * US];
    for (session, arrives) in (0..).zip(requests) {
        assert_eq!(opened(&events, session), arrives + passes, "{session}");
    }
}

#[test]
fn what_is_dropped_for_ever_ends_as_any_loss_does() {
    // A squeeze without end that takes one message at a time, for 80 s, and whose queue has no room.
    let squeeze = "[faults.squeeze]\nkind = \"bandwidth\"\ntarget = \"gateway\"\nat = \"30ms\"\nbandwidth = \"16bit/s\"\n\
                   queue = \"0B\"\n";
    let network = "[network]\ndata_retries = 2\n";
    let text = quiet("", "count = 2\nretry = { policy = \"none\" }\nhandshake_timeout = \"10m\"", squeeze);
    let events = history(&text.replace("[network]\n", network));
    // The first request is under way for 94 s. The second is dropped at 40 ms and, repeated, after 0.24 and 0.72 s.
    let reset = first(&events, 1, |event| {
        matches!(event, client::Event::AttemptFailed { failure: client::Failure::Reset, .. })
    });
    assert_eq!(
        dropped(&events).iter().map(|(at, _)| *at).take(3).collect::<Vec<_>>(),
        [40, 280, 760].map(|ms| ms * MS)
    );
    assert_eq!(reset, Some(40 * MS + 1_680 * MS));
    assert_eq!(opened(&events, 0), 60 * MS + REQUEST * SECOND / 2 + 20 * MS + ANSWER * SECOND / 2);
}

#[test]
fn a_squeeze_is_shared_by_all_that_its_target_sends_or_hears() {
    let others = "[clients.others]\ncount = 1\nendpoints = [\"gateway\"]\narrive = \"at_once\"\n";
    let squeeze = |target: &str, keys: &str| {
        let fault =
            format!("[faults.squeeze]\nkind = \"bandwidth\"\ntarget = {target}\nbandwidth = \"1Mbit/s\"\n{keys}\n");
        let events = history(&quiet("count = 2", "count = 1\nzone = \"eu\"", &format!("{fault}{others}")));
        [opened(&events, 0), opened(&events, 1)].map(|at| at - 80 * MS)
    };
    // From 30 ms to 50 ms only requests are sent: the second waits for the first.
    let briefly = "at = \"30ms\"\nfor = \"20ms\"";
    assert_eq!(squeeze("\"gateway\"", briefly), [REQUEST * BYTE, 2 * REQUEST * BYTE]);
    assert_eq!(squeeze("\"players\"", briefly), [REQUEST * BYTE, 0]);
    assert_eq!(squeeze("{ from = \"others\", to = \"gateway\" }", briefly), [0, REQUEST * BYTE]);
    assert_eq!(squeeze("{ from = \"gateway\", to = \"eu\" }", &format!("{briefly}\none_way = true")), [0, 0]);
    // Over with the handshake: nothing. For all of it: each message.
    assert_eq!(squeeze("\"gateway\"", "at = \"70ms\""), [0, 0]);
    assert_eq!(squeeze("\"eu\"", "at = \"0s\""), [(2 * SYN + REQUEST + ANSWER) * BYTE, 0]);
}

/// What each session goes through, without the times.
fn kinds(events: &[Event]) -> Vec<Vec<(client::Event, u64)>> {
    let mut lives = Vec::new();
    for event in events {
        if let Kind::Session(session, happened) = event.kind {
            lives.resize(lives.len().max(session as usize + 1), Vec::new());
            lives[session as usize].push((happened, event.at.0));
        }
    }
    lives
}

/// The two ways in which messages are simulated must agree: what a limit that nothing ever reaches makes of a run, event
/// by event for each session, is what it would be without one, but for the nanoseconds that its bytes take.
#[test]
fn a_limit_that_nothing_reaches_changes_nothing() {
    let lossy = "jitter = { uniform = { min = \"0s\", max = \"5ms\" } }\nloss = \"15%\"";
    let clients = "count = 150\nheartbeat = { every = \"7s\", timeout = \"6s\" }\nhold = \"50s\"\nconnect_timeout = \"1m\"\n\
                   handshake_timeout = \"20s\"\nretry = { policy = \"fixed\", base = \"3s\" }";
    let faults = "[faults.apart]\nkind = \"partition\"\ntarget = \"players\"\nat = \"11s\"\nfor = \"3s\"\n\
                  [faults.late]\nkind = \"latency\"\ntarget = \"gateway\"\nat = \"20s\"\nfor = \"5s\"\nadd = \"70ms\"\n\
                  [faults.worse]\nkind = \"lossy\"\ntarget = \"gateway\"\nat = \"24s\"\nfor = \"9s\"\nloss = \"50%\"\n\
                  [faults.crash]\nkind = \"crash\"\ntarget = \"gateway-0\"\nat = \"37s\"\nfor = \"3s\"\n\
                  [faults.hang]\nkind = \"hang\"\ntarget = \"gateway-1\"\nat = \"42s\"\nfor = \"2s\"\n";
    for retries in ["data_retries = 15", "data_retries = 2"] {
        let text = |server: &str| {
            let text = quiet(&format!("count = 2\n{server}"), clients, faults);
            text.replace("[network]\n", &format!("[network]\n{lossy}\n{retries}\n")).replace("600s", "120s")
        };
        let without = kinds(&history(&text("")));
        let with = kinds(&history(&text("access_link = \"100Tbit/s\"")));
        assert_eq!(without.len(), with.len());
        let mut lost = 0;
        for (session, (without, with)) in without.iter().zip(&with).enumerate() {
            assert_eq!(without.len(), with.len(), "{session}: {without:?}\n{with:?}");
            for ((one, at), (other, later)) in without.iter().zip(with) {
                assert!(one == other && at.abs_diff(*later) < US, "{session}: {one:?} {at}, {other:?} {later}");
                lost += usize::from(matches!(one, client::Event::Lost { .. }));
            }
        }
        assert!(lost > 50, "{lost}");
    }
}

#[test]
fn what_a_host_without_power_would_have_repeated_is_gone() {
    // The pong is dropped by the squeeze that the other session's pong fills, and the host loses power before its timer
    // runs out: it is never sent again, and the session finds out by its heartbeat. After the boot, RSTs get through.
    let pings = "count = 2\nheartbeat = { every = \"10s\", timeout = \"5s\" }\nreconnect = false";
    let faults = "[faults.squeeze]\nkind = \"bandwidth\"\ntarget = { from = \"gateway\", to = \"players\" }\none_way = true\n\
                  at = \"10s\"\nfor = \"130ms\"\nbandwidth = \"8kbit/s\"\nqueue = \"0B\"\n\
                  [faults.off]\nkind = \"power-off\"\ntarget = \"gateway\"\nat = \"10200ms\"\nfor = \"6s\"\n";
    let events = history(&quiet("", pings, faults));
    assert_eq!(dropped(&events), [(10_100 * MS, network::Message::ToClient)]);
    let lost = |session| first(&events, session, |event| matches!(event, client::Event::Lost { .. }));
    // The first one's next ping leaves at 20.08 s and meets a host that has forgotten it.
    assert_eq!((lost(0), lost(1)), (Some(20_120 * MS), Some(15_080 * MS)));
}

#[test]
fn limits_that_make_no_sense_are_told_apart() {
    let wrong = |server: &str, clients: &str, rest: &str| {
        load(&quiet(server, &format!("count = 1\n{clients}"), rest)).expect_err("this must be refused")
    };
    let link = |keys: &str| format!("[network.links.sea]\nfrom = \"players\"\nto = \"gateway\"\n{keys}\n");
    let fault = |keys: &str| format!("[faults.f]\nkind = \"bandwidth\"\ntarget = \"gateway\"\nat = \"1s\"\n{keys}\n");
    for (told, says) in [
        (wrong("access_link = \"0bit/s\"", "", ""), "nothing would ever arrive"),
        (wrong("", "access_link = { up = \"0Mbit/s\" }", ""), "nothing would ever arrive"),
        (wrong("", "access_link = { queue = \"64KB\" }", ""), "limits nothing"),
        (wrong("", "access_link = \"10MB/s\"", ""), "100Mbit/s"),
        (wrong("", "access_link = { up = \"10Mbit/s\", queue = \"64kb\" }", ""), "64KB"),
        (wrong("", "", &link("queue = \"64KB\"")), "`queue` means nothing without `bandwidth`"),
        (wrong("", "", &link("bandwidth = \"0bit/s\"")), "nothing would ever arrive"),
        (wrong("", "", &fault("")), "needs `bandwidth`"),
        (wrong("", "", &fault("bandwidth = \"0bit/s\"")), "kind partition"),
        (wrong("", "", &fault("bandwidth = \"1bit/s\"\nadd = \"1s\"")), "`add` means nothing"),
    ] {
        assert!(told.contains(says), "{says}: {told}");
    }
}
