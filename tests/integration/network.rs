//! What the network does to connections, at exactly which moments: scenarios of one or a few sessions, event by event.

use shakedown::client::{self, Failure};
use shakedown::event::{Event, Kind};
use shakedown::metrics::Value;
use shakedown::network;
use shakedown::time::{Nanos, Timestamp};

use crate::common::{self, MS, SECOND, history, life, load, simulate, summary, when};

/// When something first happened to a session.
fn first(events: &[Event], session: u32, such: fn(&client::Event) -> bool) -> Option<u64> {
    when(events, session, such).first().copied()
}

fn opened(events: &[Event], session: u32) -> Option<u64> {
    common::opened(events, session).first().copied()
}

fn lost(events: &[Event], session: u32) -> Option<u64> {
    common::lost(events, session).first().map(|(at, _)| *at)
}

fn failed(events: &[Event], session: u32) -> Option<(u64, Failure)> {
    common::failed(events, session).first().copied()
}

/// One server, 20 ms away, that takes no time; what a test adds comes after.
const QUIET: &str = r#"
format = 1
title = "A test"
duration = "2000s"
[servers.gateway]
service_time = "0s"
"#;

fn quiet(network: &str, clients: &str, rest: &str) -> String {
    format!(
        "{QUIET}\n[network]\none_way = \"20ms\"\n{network}\n[clients.players]\nendpoints = [\"gateway\"]\n\
         arrive = \"at_once\"\n{clients}\n{rest}"
    )
}

/// The process hangs from the start, and its accept queue takes one connection.
const HUNG: &str = "[faults.hangs]\nkind = \"hang\"\ntarget = \"gateway\"\nat = \"0s\"\n";

#[test]
fn a_full_accept_queue_costs_the_second_client_one_second() {
    // The queue is taken once the first client's request has arrived, at 60 ms; the second connects after that.
    let second = "[clients.late]\ncount = 1\nendpoints = [\"gateway\"]\nstart = \"100ms\"\narrive = \"at_once\"\n";
    let full = format!("{HUNG}for = \"500ms\"\n{second}");
    // There is room for one more than the backlog.
    let text = quiet("", "count = 2", &full).replace("service_time", "backlog = 1\nservice_time");
    let events = history(&text);
    let connected = first(&events, 2, |event| matches!(event, client::Event::Connected { .. }));
    assert_eq!(connected, Some(100 * MS + SECOND + 40 * MS));
    let dropped = events.iter().find_map(|event| match event.kind {
        Kind::Network(0, network::Event::SynDropped { session: 2, backlog_full: true }) => Some(event.at.0),
        _ => None,
    });
    assert_eq!(dropped, Some(120 * MS));
    // With `reset` it hears at once.
    let events = history(&text.replace("backlog = 1", "backlog = 1\nbacklog_overflow = \"reset\""));
    assert_eq!(failed(&events, 2), Some((140 * MS, Failure::Refused)));
    let refused = Kind::Network(0, network::Event::SynRefused { session: 2, backlog_full: true });
    assert!(events.iter().any(|event| event.kind == refused));
}

#[test]
fn a_connect_to_a_black_hole_ends_when_the_kernel_gives_up() {
    let off = "[faults.off]\nkind = \"power-off\"\ntarget = \"gateway\"\nat = \"0s\"\n";
    for (kernel, seconds) in [("linux", 127), ("linux-6.5", 131), ("macos", 75)] {
        let network = format!("syn_retries = \"{kernel}\"");
        let events = history(&quiet(&network, "count = 1\nconnect_timeout = \"10m\"", off));
        assert_eq!(failed(&events, 0), Some((seconds * SECOND, Failure::ConnectTimeout)), "{kernel}");
    }
}

#[test]
fn links_give_places_their_own_latency() {
    // Toward the gateway 100 ms, back 20 ms: two round trips to open.
    let places = "zone = \"eu\"\ncount = 1";
    let link = "[network.links.far]\nfrom = \"eu\"\nto = \"gateway\"\none_way = \"100ms\"\nboth = false\n";
    assert_eq!(opened(&history(&quiet("", places, link)), 0), Some(240 * MS));
    let both = link.replace("both = false\n", "");
    assert_eq!(opened(&history(&quiet("", places, &both)), 0), Some(400 * MS));
    // Written from the other end, `both = false` is the way back.
    let back = link.replace("\"eu\"", "\"x\"").replace("\"gateway\"", "\"eu\"").replace("\"x\"", "\"gateway\"");
    assert_eq!(opened(&history(&quiet("", places, &back)), 0), Some(240 * MS));
    // A group says more than a zone, a server more than its group; what no link names is as before.
    let exact = format!("{both}[network.links.near]\nfrom = \"players\"\nto = \"gateway-0\"\none_way = \"5ms\"\n");
    assert_eq!(opened(&history(&quiet("", places, &exact)), 0), Some(20 * MS));
    let other = format!("{both}[clients.others]\ncount = 1\nendpoints = [\"gateway\"]\narrive = \"at_once\"\n");
    assert_eq!(opened(&history(&quiet("", places, &other)), 1), Some(80 * MS));
}

#[test]
fn links_that_make_no_sense_are_told_apart() {
    let link = |from: &str, to: &str| format!("from = \"{from}\"\nto = \"{to}\"\none_way = \"1ms\"\n");
    let wrong = |clients: &str, links: &str| load(&quiet("", &format!("count = 1\n{clients}"), links)).unwrap_err();
    let twice =
        format!("[network.links.a]\n{}[network.links.b]\n{}", link("players", "gateway"), link("gateway", "players"));
    assert!(wrong("", &twice).contains("a and b both hold between players and gateway-0"));
    let unknown = wrong("", &format!("[network.links.a]\n{}", link("player", "gateway")));
    assert!(unknown.contains("no zone, group or server is named `player`"), "{unknown}");
    assert!(unknown.contains("the nearest name is `players`"), "{unknown}");
    let idle = wrong("", &format!("[network.links.a]\n{}", link("gateway", "gateway-0")));
    assert!(idle.contains("nobody talks between gateway and gateway-0"), "{idle}");
    assert!(wrong("zone = \"gateway\"", "").contains("the zone `gateway` has the name of a group or a server"));
    let empty = wrong("", "[network.links.a]\nfrom = \"players\"\nto = \"gateway\"\n");
    assert!(empty.contains("it says nothing that [network] does not"), "{empty}");
}

#[test]
fn every_loss_costs_exactly_its_timers() {
    let text = quiet("loss = \"30%\"", "count = 300\nconnect_timeout = \"10m\"\nhandshake_timeout = \"10m\"", "");
    let events = history(&text);
    let (mut repaired, mut repeated) = (0, 0);
    for session in 0..300 {
        let of_session = events.iter().filter_map(|event| match event.kind {
            Kind::Network(0, network::Event::Lost { session: of, message, times }) if of == session => {
                Some((message, times))
            }
            _ => None,
        });
        let (syns, data): (Vec<_>, Vec<_>) =
            of_session.partition(|(message, _)| matches!(message, network::Message::Syn | network::Message::SynAck));
        // After the first, a SYN leaves at 1, 2, 3, 4, 5, 7, 11, 19, 35 s. Data's timer is a round trip and 200 ms.
        let schedule = [0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 67];
        let delay: u64 = data.iter().map(|(_, times)| 240 * MS * ((1 << times) - 1)).sum();
        assert_eq!(opened(&events, session), Some(80 * MS + schedule[syns.len()] * SECOND + delay), "{session}");
        repaired += usize::from(delay > 0);
        repeated += usize::from(!syns.is_empty());
    }
    // 1 - 0.7^2 = 51 % of the sessions lose data, as many a SYN or its answer.
    assert!((120..190).contains(&repaired) && (120..190).contains(&repeated), "{repaired} {repeated}");
}

#[test]
fn loss_has_a_direction() {
    for loss in ["loss = { forward = \"100%\" }", "loss = { back = \"100%\" }"] {
        let events = history(&quiet(loss, "count = 1\nconnect_timeout = \"10m\"", ""));
        assert_eq!(failed(&events, 0), Some((131 * SECOND, Failure::ConnectTimeout)), "{loss}");
        let forward = loss.contains("forward");
        let of = if forward { network::Message::Syn } else { network::Message::SynAck };
        let lost = events.iter().filter(
            |event| matches!(event.kind, Kind::Network(_, network::Event::Lost { message, .. }) if message == of),
        );
        assert!(lost.take_while(|event| event.at.0 < 131 * SECOND).count() == 11, "{loss}");
    }
}

#[test]
fn a_write_finds_out_what_a_reboot_forgot() {
    let pings = "count = 1\nheartbeat = { every = \"930s\", timeout = \"930s\" }\nreconnect = false";
    let off = "[faults.off]\nkind = \"power-off\"\ntarget = \"gateway\"\nat = \"929s\"\n";
    // The ping leaves at 930.08 s and again after 0.24, 0.72, 1.68, 3.6 and 7.44 s: the host is back at 934 s.
    let events = history(&quiet("", pings, &format!("{off}for = \"5s\"\n")));
    assert_eq!(lost(&events, 0), Some(930_080 * MS + 7_440 * MS + 40 * MS));
    let stalled = Kind::Network(0, network::Event::Stalled { session: 0, to_server: true });
    assert_eq!(events.iter().filter(|event| event.kind == stalled).map(|event| event.at.0).next(), Some(930_100 * MS));
    // It never is: the kernel gives up at the first timer past 804.6 s, or past what it is told.
    let events = history(&quiet("data_retries = 14", pings, off));
    assert_eq!(lost(&events, 0), Some(930_080 * MS + 842_640 * MS));
    let events = history(&quiet("data_retries = 2", pings, off));
    assert_eq!(lost(&events, 0), Some(930_080 * MS + 1_680 * MS));
    // Who says nothing finds out nothing.
    let events = history(&quiet("", "count = 1", &format!("{off}for = \"5s\"\n")));
    assert_eq!(lost(&events, 0), None);
}

#[test]
fn data_that_is_lost_for_ever_ends_the_connection_at_its_sender() {
    // Only what goes to the client is lost, and the SYN-ACK comes through: seeds differ, one with that luck will do.
    let clients = "count = 200\nconnect_timeout = \"10m\"\nhandshake_timeout = \"10m\"\nretry = { policy = \"none\" }";
    let events = history(&quiet("loss = { forward = \"60%\" }\ndata_retries = 1", clients, ""));
    let mut given_up = 0;
    for session in 0..200 {
        let Some((at, Failure::Reset)) = failed(&events, session) else { continue };
        let connected = first(&events, session, |event| matches!(event, client::Event::Connected { .. })).unwrap();
        // Two timers of 0.24 s and 0.48 s: past the 0.6 s that one retry stands for.
        assert_eq!(at, connected + 720 * MS, "{session}");
        given_up += 1;
    }
    // 60 % of 60 %.
    assert!((50..95).contains(&given_up), "{given_up}");
}

/// When heartbeats were answered.
fn answered(events: &[Event]) -> Vec<u64> {
    let pong = |(at, event)| matches!(event, client::Event::HeartbeatAnswered { .. }).then_some(at);
    life(events, 0).into_iter().filter_map(pong).collect()
}

#[test]
fn a_partition_holds_data_until_the_first_retransmission_after_it_heals() {
    let pings = "zone = \"eu\"\ncount = 1\nheartbeat = { every = \"930s\", timeout = \"930s\" }";
    let fault = |target: &str| {
        format!("[faults.parted]\nkind = \"partition\"\ntarget = {target}\nat = \"929s\"\nfor = \"5s\"\n")
    };
    // The ping leaves at 930.08 s and again after 0.24, 0.72, 1.68, 3.6 and 7.44 s.
    for target in ["\"gateway\"", "\"gateway-0\"", "\"players\"", "\"eu\"", "{ from = \"gateway\", to = \"eu\" }"] {
        let events = history(&quiet("", pings, &fault(target)));
        assert_eq!(answered(&events)[0], 930_080 * MS + 7_440 * MS + 40 * MS, "{target}");
        assert_eq!(lost(&events, 0), None, "{target}");
    }
    // One way: the ping gets through, and it is the pong that is repeated from 930.1 s on.
    let back = format!("{}one_way = true\n", fault("{ from = \"gateway\", to = \"eu\" }"));
    let events = history(&quiet("", pings, &back));
    assert_eq!(answered(&events)[0], 930_100 * MS + 7_440 * MS + 20 * MS);
    let stalled = events.iter().filter_map(|event| match event.kind {
        Kind::Network(0, network::Event::Stalled { to_server, .. }) => Some((event.at.0, to_server)),
        _ => None,
    });
    assert_eq!(stalled.collect::<Vec<_>>(), [(930_120 * MS, false)]);
    // Too long for the retries: the client's kernel gives up.
    let events = history(&quiet("data_retries = 2", &format!("{pings}\nreconnect = false"), &fault("\"eu\"")));
    assert_eq!(lost(&events, 0), Some(930_080 * MS + 1_680 * MS));
}

#[test]
fn a_partition_swallows_syns_and_their_answers() {
    let fault = |target: &str, length: &str| {
        format!("[faults.parted]\nkind = \"partition\"\ntarget = {target}\nat = \"0s\"\nfor = \"{length}\"\n")
    };
    let of = |fault: &str| opened(&history(&quiet("", "count = 1", fault)), 0);
    assert_eq!(of(&fault("\"gateway\"", "2500ms")), Some(3_080 * MS));
    let forward = fault("{ from = \"players\", to = \"gateway\" }", "2030ms") + "one_way = true\n";
    assert_eq!(of(&forward), Some(3_080 * MS));
    // The SYN of 2 s arrives at 2.02 s, its answer at 2.04 s.
    let back = fault("{ from = \"gateway\", to = \"players\" }", "2030ms") + "one_way = true\n";
    assert_eq!(of(&back), Some(2_080 * MS));
    // It is another's.
    let others = "[clients.others]\ncount = 1\nendpoints = [\"gateway\"]\narrive = \"at_once\"\n";
    assert_eq!(of(&(fault("\"others\"", "5s") + others)), Some(80 * MS));
}

#[test]
fn sessions_across_a_partition_are_open_for_nobody() {
    let text = quiet(
        "",
        "count = 10",
        "[faults.parted]\nkind = \"partition\"\ntarget = \"players\"\nat = \"1s\"\nfor = \"5s\"\n",
    );
    let others = "[clients.others]\ncount = 30\nendpoints = [\"gateway\"]\narrive = \"at_once\"\n";
    let crash = "[faults.crash]\nkind = \"power-off\"\ntarget = \"gateway\"\nat = \"3s\"\n";
    let parted = summary(&format!("{text}{others}"));
    assert_eq!(parted.get("faults.parted.affected"), Some(Value::Part { count: 10, of: 40 }));
    assert_eq!(parted.get("faults.parted.open_again"), Some(Value::Part { count: 10, of: 10 }));
    assert_eq!(parted.get("faults.parted.recovery_time"), Some(Value::Duration(Some(Nanos::from_secs(5)))));
    assert_eq!(parted.get("outage.max"), Some(Value::Duration(Some(Nanos::from_secs(5)))));
    assert_eq!(parted.get("sessions.open_at_end"), Some(Value::Part { count: 40, of: 40 }));
    // What the partition held does not come back when the other end is gone meanwhile.
    let crashed = summary(&format!("{text}{crash}"));
    assert_eq!(crashed.get("faults.parted.open_again"), Some(Value::Part { count: 0, of: 10 }));
    assert_eq!(crashed.get("sessions.open_at_end"), Some(Value::Part { count: 0, of: 10 }));
}

#[test]
fn partitions_that_make_no_sense_are_told_apart() {
    let wrong = |lines: &str| load(&quiet("", "count = 1", &format!("[faults.f]\nat = \"1s\"\n{lines}"))).unwrap_err();
    let one_sided = wrong("kind = \"partition\"\ntarget = \"gateway\"\none_way = true\n");
    assert!(one_sided.contains("one way of what? it needs two sides"), "{one_sided}");
    let nothing = wrong("kind = \"partition\"\ntarget = { from = \"gateway\", to = \"gateway-0\" }\n");
    assert!(nothing.contains("this partition cuts nothing"), "{nothing}");
    let some = wrong("kind = \"partition\"\ntarget = { group = \"gateway\", count = 1 }\n");
    assert!(some.contains("a fault of kind partition lies between places"), "{some}");
    let crash = wrong("kind = \"crash\"\ntarget = { from = \"players\", to = \"gateway\" }\n");
    assert!(crash.contains("are for faults of links"), "{crash}");
    let mixed = wrong("kind = \"crash\"\ntarget = { from = \"players\", group = \"gateway\" }\n");
    assert!(mixed.contains("either `group` with `count` or `share`, or `from` and `to`"), "{mixed}");
}

/// A fault from a moment on, for a time, of a kind with its keys.
fn fault(kind: &str, target: &str, at: &str, length: &str, keys: &str) -> String {
    format!("[faults.{kind}]\nkind = \"{kind}\"\ntarget = {target}\nat = \"{at}\"\nfor = \"{length}\"\n{keys}\n")
}

#[test]
fn what_is_sent_while_everything_is_lost_arrives_by_the_first_timer_after() {
    // SYN 0, SYN-ACK 20, request 40, answer 60 to 80 ms. A fault that covers one of them costs its timer: 1 s for a SYN or
    // its answer, 240 ms, 480 ms, 960 ms for data after a round trip of 40 ms.
    for (at, length, opened_ms) in [
        ("0s", "1ms", 1_080),
        // The SYNs of 1 s and 2 s are lost too.
        ("0s", "2001ms", 3_080),
        ("20ms", "1ms", 1_080),
        ("1ms", "19ms", 80),
        ("40ms", "1ms", 320),
        ("40ms", "240ms", 320),
        ("40ms", "241ms", 800),
        ("40ms", "721ms", 1_760),
        ("60ms", "1ms", 320),
        ("61ms", "10s", 80),
    ] {
        for target in ["\"gateway\"", "\"players\"", "{ from = \"gateway-0\", to = \"players\" }"] {
            let lossy = fault("lossy", target, at, length, "loss = \"100%\"");
            let events = history(&quiet("", "count = 1", &lossy));
            assert_eq!(opened(&events, 0), Some(opened_ms * MS), "{at} {length} {target}");
        }
    }
}

#[test]
fn a_lossy_fault_may_have_a_direction() {
    let of = |target: &str, keys: &str| {
        opened(&history(&quiet("", "count = 1", &fault("lossy", target, "30ms", "100ms", keys))), 0)
    };
    // The request leaves at 40 ms, toward the server, its answer at 60 ms.
    let (there, back) = ("loss = { forward = \"100%\" }", "loss = { back = \"100%\" }");
    assert_eq!(of("\"gateway\"", there), Some(320 * MS));
    assert_eq!(of("\"gateway\"", back), Some(320 * MS));
    let (along, against) = ("{ from = \"players\", to = \"gateway\" }", "{ from = \"gateway\", to = \"players\" }");
    // Until 50 ms only the request can be lost: forward of the one target is back of the other.
    let early = |target: &str, keys: &str| {
        opened(&history(&quiet("", "count = 1", &fault("lossy", target, "30ms", "20ms", keys))), 0)
    };
    assert_eq!((early(along, there), early(along, back)), (Some(320 * MS), Some(80 * MS)));
    assert_eq!((early(against, there), early(against, back)), (Some(80 * MS), Some(320 * MS)));
    let one_way = "loss = \"100%\"\none_way = true";
    assert_eq!((early(along, one_way), early(against, one_way)), (Some(320 * MS), Some(80 * MS)));
}

#[test]
fn a_lossy_fault_loses_its_share_beside_the_links_own() {
    // Half of the 80 % that the link leaves: 60 % of the first SYNs are lost.
    let lossy = fault("lossy", "\"gateway\"", "0s", "1ms", "loss = { forward = \"50%\" }");
    let events = history(&quiet("loss = { forward = \"20%\" }", "count = 5_000", &lossy));
    let first_lost = events.iter().filter(|event| {
        let of_syn =
            matches!(event.kind, Kind::Network(_, network::Event::Lost { message: network::Message::Syn, .. }));
        of_syn && event.at.0 == 20 * MS
    });
    // A deviation is sqrt(5000 * 0.6 * 0.4) = 35.
    let count = first_lost.count();
    assert!((2_880..3_120).contains(&count), "{count}");
    // Nobody is open yet, and nobody is taken down by it; charts shade its time all the same.
    let scenario = load(&quiet("", "count = 1", &lossy)).unwrap();
    let (_, measured) = simulate(&scenario);
    assert_eq!(measured.summary.get("faults.lossy.affected"), Some(Value::Part { count: 0, of: 0 }));
    assert_eq!(measured.faults[0].until, Some(Timestamp(MS)));
    // Another's link is not touched.
    let others = "[clients.others]\ncount = 1\nendpoints = [\"gateway\"]\narrive = \"at_once\"\n";
    let lossy = fault("lossy", "\"players\"", "0s", "10s", "loss = \"100%\"");
    assert_eq!(opened(&history(&quiet("", "count = 1", &format!("{lossy}{others}"))), 1), Some(80 * MS));
}

#[test]
fn a_latency_spike_makes_what_is_sent_while_it_lasts_later() {
    let of = |at: &str, length: &str, keys: &str| {
        opened(&history(&quiet("", "count = 1", &fault("latency", "\"gateway\"", at, length, keys))), 0)
    };
    // All four messages; two; the answer; none.
    assert_eq!(of("0s", "10s", "add = \"200ms\""), Some(880 * MS));
    assert_eq!(of("0s", "10s", "factor = 3"), Some(240 * MS));
    assert_eq!(of("30ms", "10s", "add = \"200ms\""), Some(480 * MS));
    assert_eq!(of("60ms", "1ms", "add = \"200ms\""), Some(280 * MS));
    assert_eq!(of("61ms", "10s", "add = \"200ms\""), Some(80 * MS));
    assert_eq!(of("21ms", "19ms", "add = \"200ms\""), Some(80 * MS));
    // One way of the two.
    let one = |from: &str, to: &str| {
        let target = format!("{{ from = \"{from}\", to = \"{to}\" }}");
        let spike = fault("latency", &target, "0s", "1s", "add = \"150ms\"\none_way = true");
        // From 20 ms on only the answers are left.
        opened(&history(&quiet("", "count = 1", &spike)), 0)
    };
    assert_eq!((one("players", "gateway"), one("gateway", "players")), (Some(380 * MS), Some(380 * MS)));
    // A SYN that is repeated while the spike lasts: the first meets a partition.
    let both = fault("partition", "\"gateway\"", "0s", "500ms", "")
        + &fault("latency", "\"gateway\"", "900ms", "200ms", "add = \"300ms\"");
    assert_eq!(opened(&history(&quiet("", "count = 1", &both)), 0), Some(1_000 * MS + 80 * MS + 300 * MS));
}

#[test]
fn a_stream_is_not_reordered_when_a_spike_ends() {
    // The ping leaves at 10.08 s within the spike, the close frame after it at 10.09 s: it waits for the ping.
    let closes = "count = 1\nhold = \"10010ms\"\nheartbeat = { every = \"10s\", timeout = \"10s\" }\nreconnect = false";
    let spike = fault("latency", "{ from = \"players\", to = \"gateway\" }", "10079ms", "4ms", "add = \"500ms\"");
    let closed = |events: &[Event]| {
        events.iter().find_map(|event| match event.kind {
            Kind::Server(_, shakedown::server::Event::Closed { .. }) => Some(event.at.0),
            _ => None,
        })
    };
    assert_eq!(closed(&history(&quiet("", closes, ""))), Some(10_110 * MS));
    assert_eq!(closed(&history(&quiet("", closes, &spike))), Some(10_600 * MS));
}

#[test]
fn faults_of_links_that_make_no_sense_are_told_apart() {
    let wrong = |lines: &str| load(&quiet("", "count = 1\nzone = \"eu\"", lines)).unwrap_err();
    let lossy = |target: &str, at: &str, length: &str| fault("lossy", target, at, length, "loss = \"10%\"");
    let again = |text: String| text.replace("faults.lossy", "faults.again");
    let twice = wrong(&(lossy("\"gateway\"", "1s", "5s") + &again(lossy("\"players\"", "5999ms", "5s"))));
    assert!(twice.contains("`lossy` and `again` would both hold the link between players and gateway-0"), "{twice}");
    // One after the other, or each its way, is fine.
    load(&quiet("", "count = 1", &(lossy("\"gateway\"", "1s", "5s") + &again(lossy("\"players\"", "6s", "5s")))))
        .unwrap();
    let there = lossy("{ from = \"players\", to = \"gateway\" }", "1s", "5s") + "one_way = true\n";
    let back = lossy("{ from = \"gateway\", to = \"players\" }", "2s", "5s") + "one_way = true\n";
    load(&quiet("", "count = 1", &(there.clone() + &again(back)))).unwrap();
    assert!(wrong(&(there.clone() + &again(there.clone()))).contains("would both hold the link"));
    // Other kinds may meet it.
    let meets = lossy("\"gateway\"", "1s", "5s")
        + &fault("latency", "\"gateway\"", "1s", "5s", "add = \"1s\"")
        + &fault("partition", "\"gateway\"", "1s", "5s", "")
        + &fault("crash", "\"gateway\"", "1s", "5s", "");
    load(&quiet("", "count = 1", &meets)).unwrap();
    for (kind, keys, says) in [
        ("lossy", "", "needs `loss`"),
        ("lossy", "loss = \"0%\"", "loses nothing"),
        ("lossy", "loss = { forward = \"5%\" }\none_way = true", "one way of what?"),
        ("latency", "", "write add = \"200ms\", or factor = 5"),
        ("latency", "add = \"1s\"\nfactor = 2", "exclude each other"),
        ("latency", "add = \"0s\"", "makes no way longer"),
        ("latency", "factor = 0.5", "5 makes the way take five times as long"),
        ("latency", "loss = \"5%\"", "`loss` means nothing to a fault of kind latency"),
        ("crash", "add = \"5s\"", "`add` means nothing to a fault of kind crash"),
        ("lossy", "loss = \"5%\"\nrepeat = { every = \"4s\", times = 2 }", "would begin again before it is healed"),
        ("partition", "repeat = { every = \"4s\", times = 2 }", "would begin again before it is healed"),
    ] {
        let told = wrong(&fault(kind, "\"gateway\"", "1s", "5s", keys));
        assert!(told.contains(says), "{kind} {keys}: {told}");
    }
    let directed = fault("lossy", "{ from = \"eu\", to = \"gateway\" }", "1s", "5s", "loss = { forward = \"5%\" }");
    assert!(wrong(&(directed + "one_way = true\n")).contains("says already what each way loses"));
    assert!(wrong(&fault("latency", "{ from = \"eu\", to = \"eu\" }", "1s", "5s", "add = \"1s\"")).contains("nothing"));
}

#[test]
fn a_fault_may_strike_the_servers_of_a_zone() {
    let zones = "count = 2\n[servers.west]\nzone = \"us\"\ncount = 2\n[servers.north]\nzone = \"us\"\n";
    let zone = |target: &str| {
        let crash = fault("crash", target, "1s", "5s", "");
        quiet("", "count = 1\nzone = \"eu\"", &crash).replace("[servers.gateway]", &format!("{zones}[servers.gateway]"))
    };
    let zone = |target: &str| zone(target).replace("count = 2\n[servers.west]", "[servers.west]");
    let events = history(&zone("\"us\""));
    let struck = events.iter().filter_map(|event| match event.kind {
        Kind::Fault(0, shakedown::fault::Event::Began { server, .. }) => Some(server),
        _ => None,
    });
    // west-0, west-1, north-0; gateway-0 is in no zone.
    assert_eq!(struck.collect::<Vec<_>>(), [0, 1, 2]);
    let clients_only = load(&zone("\"eu\"")).unwrap_err();
    assert!(clients_only.contains("no server is in the zone `eu`"), "{clients_only}");
    assert!(load(&zone("\"uz\"")).unwrap_err().contains("no server or server group is named `uz`"));
}
