//! Properties of all charts, on made-up runs.

use rand::RngExt;

use super::draw;
use crate::client::Outcome;
use crate::metrics::{FaultWindow, Latency, Measured, ServerSeries};
use crate::rng::{Identity, KeyedRng, Purpose, Seed};
use crate::time::{Nanos, Timestamp};

fn dice(seed: u64) -> KeyedRng {
    Seed(seed).stream(Identity::group("charts"), Purpose::Program)
}

fn fault(name: &str, from_ms: u64, until_ms: Option<u64>) -> FaultWindow {
    let at = |ms: u64| Timestamp::ZERO + Nanos::from_millis(ms);
    FaultWindow { name: name.into(), from: at(from_ms), until: until_ms.map(at) }
}

fn base(intervals: u64, length_ms: u64, servers: usize) -> Measured {
    let mut measured = Measured::default();
    measured.series.interval = Nanos::from_millis(length_ms);
    measured.series.ends = (1..=intervals).map(|n| Timestamp::ZERO + Nanos::from_millis(n * length_ms)).collect();
    let n = intervals as usize;
    measured.series.outcomes = std::array::from_fn(|_| vec![0; n]);
    let server = |id: usize| ServerSeries {
        name: format!("gateway-{id}"),
        open_connections: vec![0; n],
        ..ServerSeries::default()
    };
    measured.series.servers = (0..servers).map(server).collect();
    measured.series.sessions_open = vec![0; n];
    measured.series.sessions_open_lowest = vec![u32::MAX; n];
    measured.series.sessions_wanted = vec![0; n];
    measured.series.handshake_latency = vec![None; n];
    measured.latencies =
        ["time_to_open", "handshake_latency", "attempt_latency"].map(|name| (name, Latency::default())).into();
    measured
}

/// 10,000 sessions in 5 s; a server crashes at 20 s for 15 s; its sessions come back within 8 s.
fn failover(servers: usize) -> Measured {
    let mut dice = dice(1);
    let mut measured = base(240, 250, servers);
    let series = &mut measured.series;
    for n in 0..240 {
        let second = (n + 1) as f64 * 0.25;
        let wanted = (second / 5.0).min(1.0) * 10_000.0;
        let lost = 10_000.0 / servers as f64;
        let back = ((second - 20.0) / 8.0).clamp(0.0, 1.0);
        let is_after = second > 20.0;
        let open = if is_after { wanted - lost * (1.0 - back * back * (3.0 - 2.0 * back)) } else { wanted - 15.0 };
        series.sessions_open[n] = open.max(0.0) as u32;
        series.sessions_wanted[n] = wanted as u32;
        let opened = if second <= 5.0 {
            500
        } else if is_after && back < 1.0 {
            (lost / 32.0) as u32
        } else {
            0
        };
        series.outcomes[Outcome::Opened as usize][n] = opened;
        if is_after && back < 1.0 {
            series.outcomes[Outcome::Refused as usize][n] =
                (600.0 * (1.0 - back)) as u32 + dice.random_range(0..80) as u32;
            series.outcomes[Outcome::ConnectTimeout as usize][n] = dice.random_range(0..60) as u32;
        }
        if second > 20.0 && second <= 21.0 {
            series.outcomes[Outcome::Reset as usize][n] = 400 / servers as u32;
        }
        for (id, server) in series.servers.iter_mut().enumerate() {
            let share = open / if is_after { servers as f64 - 1.0 } else { servers as f64 };
            let spread = dice.random_range(0..1 + share as u64 / 20) as f64;
            server.open_connections[n] = if id == 0 && is_after { 0 } else { (share + spread) as u32 };
        }
        let load = if is_after { 1.0 + 20.0 * (1.0 - back) } else { 1.0 };
        for _ in 0..opened + u32::from(second > 40.0 && n % 9 == 0) {
            let tail = if dice.random_range(0..100) == 0 { 12 } else { 1 };
            let handshake = Nanos(((1_800_000 + dice.random_range(0..1_500_000)) as f64 * load) as u64 * tail);
            measured.latencies[1].1.record(handshake);
            measured.latencies[2].1.record(handshake + Nanos::from_millis(dice.random_range(0..3)));
            let waiting = if is_after { dice.random_range(0..8_000) } else { 0 };
            measured.latencies[0].1.record(handshake + Nanos::from_millis(waiting));
        }
        let start = Timestamp::ZERO + Nanos::from_millis(n as u64 * 250);
        let length = Nanos::from_millis(250);
        measured.latencies[0].1.end_interval(start, length);
        series.handshake_latency[n] = measured.latencies[1].1.end_interval(start, length);
        measured.latencies[2].1.end_interval(start, length);
    }
    measured.latencies[0].1.add_unfinished(121);
    measured.faults = vec![fault("crash of gateway-0", 20_000, Some(35_000))];
    measured
}

/// Latency climbs to seconds; servers are overloaded for good.
fn overload() -> Measured {
    let mut dice = dice(2);
    let mut measured = base(200, 6_000, 3);
    for n in 0..200 {
        let minute = n as f64 / 10.0;
        let queue = if minute < 5.0 { 0.0 } else { (minute - 5.0) * 400.0 };
        measured.series.sessions_wanted[n] = (n * 700) as u32;
        measured.series.sessions_open[n] = if minute < 5.0 { (n * 700) as u32 } else { 35_000 + (n as u32 - 50) * 300 };
        measured.series.outcomes[Outcome::Opened as usize][n] = if minute < 5.0 { 700 } else { 300 };
        if minute > 6.0 {
            measured.series.outcomes[Outcome::HandshakeTimeout as usize][n] = 400 + dice.random_range(0..100) as u32;
            measured.series.outcomes[Outcome::Rejected as usize][n] = (n as u32 - 50) * 5;
        }
        for _ in 0..300 {
            let value = Nanos::from_millis(
                3 + dice.random_range(0..6) + (queue * (0.7 + dice.random_range(0..100) as f64 / 300.0)) as u64,
            );
            measured.latencies.iter_mut().for_each(|(_, latency)| latency.record(value));
        }
        for (id, server) in measured.series.servers.iter_mut().enumerate() {
            server.open_connections[n] = measured.series.sessions_open[n] / 3 + id as u32;
        }
        let start = Timestamp::ZERO + Nanos::from_secs(6 * n as u64);
        for (nth, (_, latency)) in measured.latencies.iter_mut().enumerate() {
            let percentiles = latency.end_interval(start, Nanos::from_secs(6));
            if nth == 1 {
                measured.series.handshake_latency[n] = percentiles;
            }
        }
    }
    measured.latencies[0].1.add_unfinished(40_000);
    measured.latencies[2].1.add_unfinished(9_000);
    measured
}

fn overlapping() -> Measured {
    let mut measured = failover(8);
    measured.faults = vec![
        fault("crash of gateway-0", 20_000, Some(35_000)),
        fault("partition east <-> west & back", 22_000, Some(28_000)),
        fault("slow disk", 25_000, Some(26_000)),
        fault("restart", 33_000, Some(33_000)),
        fault("packet loss until the end of the run", 55_000, None),
    ];
    measured
}

fn rolling() -> Measured {
    let mut measured = failover(12);
    measured.faults = (0..12)
        .map(|n| fault(&format!("restart of gateway-{n}"), 5_000 + n * 3_000, Some(7_000 + n * 3_000)))
        .collect();
    measured
}

/// Every outcome, noisy everywhere: the largest files.
fn noisy() -> Measured {
    let mut dice = dice(3);
    let mut measured = failover(8);
    for outcome in &mut measured.series.outcomes {
        outcome.iter_mut().for_each(|count| *count = dice.random_range(0..500) as u32);
    }
    for server in &mut measured.series.servers {
        server.open_connections.iter_mut().for_each(|count| *count = dice.random_range(0..2_000) as u32);
    }
    measured.series.sessions_open.iter_mut().for_each(|count| *count = dice.random_range(0..10_000) as u32);
    for (n, of) in measured.series.handshake_latency.iter_mut().enumerate() {
        let mut latency = Latency::default();
        (0..if n % 2 == 0 { 100 } else { 0 }).for_each(|_| latency.record(Nanos(dice.random_range(0..1_000_000_000))));
        *of = latency.end_interval(Timestamp::ZERO, Nanos(1));
    }
    measured
}

/// Servers that differ, as with bad balancing: nobody stands out much.
fn unbalanced() -> Measured {
    let mut dice = dice(4);
    let mut measured = failover(20);
    for (id, server) in measured.series.servers.iter_mut().enumerate() {
        for count in &mut server.open_connections {
            *count = *count * (80 + 2 * id as u32) / 100 + dice.random_range(0..10) as u32;
        }
    }
    measured
}

fn none_opened() -> Measured {
    let mut measured = base(60, 1_000, 2);
    measured.series.sessions_wanted = vec![1_000; 60];
    measured.series.outcomes[Outcome::Refused as usize] = vec![1_000; 60];
    measured.latencies[0].1.add_unfinished(1_000);
    measured.faults = vec![fault("all down", 0, None)];
    measured
}

fn single() -> Measured {
    let mut measured = base(1, 40, 1);
    measured.series.sessions_open = vec![1];
    measured.series.sessions_open_lowest = vec![1];
    measured.series.sessions_wanted = vec![1];
    measured.series.outcomes[0] = vec![1];
    measured.series.servers[0].open_connections = vec![1];
    for (_, latency) in &mut measured.latencies {
        latency.record(Nanos(0));
        latency.record(Nanos::from_millis(3));
        measured.series.handshake_latency[0] = latency.end_interval(Timestamp::ZERO, Nanos::from_millis(40));
    }
    measured
}

fn runs() -> Vec<(&'static str, Measured)> {
    vec![
        ("failover", failover(4)),
        ("overload", overload()),
        ("overlapping", overlapping()),
        ("rolling", rolling()),
        ("many", failover(200)),
        ("noisy", noisy()),
        ("unbalanced", unbalanced()),
        ("none_opened", none_opened()),
        ("single", single()),
        ("zero", base(10, 1_000, 3)),
        ("empty", Measured::default()),
    ]
}

fn chart(measured: &Measured, name: &str) -> String {
    draw("A title", measured, &|_| false).into_iter().find(|(file, _)| *file == name).unwrap().1
}

#[test]
fn every_run_can_be_drawn_and_gives_the_same_bytes_again() {
    for (name, measured) in runs() {
        let charts = draw(name, &measured, &|_| false);
        assert_eq!(charts.len(), 5);
        assert_eq!(charts, draw(name, &measured, &|_| false), "{name}");
        for (file, svg) in charts {
            assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{name} {file}");
            assert!(svg.len() < 90_000, "{name} {file}: {} bytes", svg.len());
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{name} {file}");
        }
    }
}

#[test]
fn charts_without_data_say_so() {
    for measured in [Measured::default(), base(10, 1_000, 3)] {
        for (file, svg) in draw("", &measured, &|_| false) {
            assert!(svg.contains("no data"), "{file}");
        }
    }
    let says_so = |file| chart(&none_opened(), file).contains("no data");
    let all = ["sessions.svg", "latency.svg", "percentiles.svg", "attempts.svg", "connections.svg"];
    assert_eq!(all.map(says_so), [false, true, true, false, true]);
}

#[test]
fn faults_are_named_on_every_chart_over_time() {
    for file in ["sessions.svg", "latency.svg", "attempts.svg", "connections.svg"] {
        let svg = chart(&overlapping(), file);
        assert!(svg.contains(">\ncrash of gateway-0\n<"), "{file}");
        assert!(svg.contains(">\npartition east &lt;-&gt; west &amp; back\n<"), "{file}");
    }
}

#[test]
fn names_without_room_are_counted_and_described() {
    let svg = chart(&rolling(), "sessions.svg");
    assert!(svg.contains("more faults"));
    assert!((0..12).all(|n| svg.contains(&format!("restart of gateway-{n}"))));
}

#[test]
fn titles_and_names_are_escaped() {
    let mut measured = failover(2);
    measured.series.servers[0].name = "<script>&\u{0}\"".into();
    for (file, svg) in draw("a < b & c > \u{1} ]]>", &measured, &|_| false) {
        assert!(svg.contains("a &lt; b &amp; c &gt;"), "{file}");
        assert!(!svg.contains("<script>") && !svg.contains("& ") && !svg.contains(['\u{0}', '\u{1}']), "{file}");
    }
}

#[test]
fn only_outcomes_that_occur_are_in_the_legend() {
    let svg = chart(&failover(4), "attempts.svg");
    assert!(svg.contains("opened (") && svg.contains("refused (") && !svg.contains("bad_redirect"));
}

#[test]
fn values_that_never_came_are_noted() {
    assert!(chart(&failover(4), "percentiles.svg").contains("never: "));
    assert!(chart(&none_opened(), "percentiles.svg").contains("never: 100 %"));
}

#[test]
fn lists_of_different_lengths_are_no_trouble() {
    let mut measured = failover(9);
    measured.series.sessions_open.truncate(3);
    measured.series.outcomes[0].clear();
    measured.series.servers[4].open_connections.clear();
    measured.series.handshake_latency.truncate(1);
    draw("", &measured, &|_| false);
}

#[test]
fn a_dip_between_two_samples_shows_its_depth() {
    let mut measured = Measured::default();
    measured.series.ends = (1..=4).map(|s| Timestamp(s * 1_000_000_000)).collect();
    measured.series.sessions_open = vec![900, 900, 900, 900];
    measured.series.sessions_open_lowest = vec![0, 900, 100, 900];
    measured.series.sessions_wanted = vec![900; 4];
    let lowest = |measured: &Measured| draw("dip", measured, &|_| false)[0].1.clone();
    let dipped = lowest(&measured);
    measured.series.sessions_open_lowest = vec![0, 900, 900, 900];
    assert_ne!(dipped, lowest(&measured));
}

#[test]
fn balancers_have_a_chart_of_their_own() {
    let measured = failover(3);
    let name = measured.series.servers[0].name.clone();
    let charts = draw("", &measured, &|server| server == name);
    let of =
        |file: &str| charts.iter().find(|(own, _)| *own == file).map(|(_, svg)| svg.contains(&format!("\n{name}\n")));
    assert_eq!((of("balancers.svg"), of("connections.svg")), (Some(true), Some(false)));
}
