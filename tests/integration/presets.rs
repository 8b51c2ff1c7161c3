//! Reconnecting clients behave as they were measured: the gaps between the attempts of one client against a server that
//! answers 503, refuses, or never answers.

use shakedown::client::Event;
use shakedown::driver;
use shakedown::event::{self, Kind};
use shakedown::profile::presets;
use shakedown::scenario::Overrides;

/// When attempts began, in milliseconds, for one client of `preset`.
fn attempts(preset: &str, behavior: &str, seed: u64, extra: &str) -> Vec<u64> {
    let text = format!(
        r#"
        format = 1
        title = "One client"
        duration = "300s"
        [network]
        one_way = "1us"
        [servers.gateway]
        service_time = "0s"
        behavior = {behavior}
        [clients.one]
        preset = "{preset}"
        count = 1
        arrive = "at_once"
        endpoints = ["gateway"]
        {extra}
        "#
    );
    let overrides = Overrides { seed: Some(seed), ..Overrides::default() };
    let scenario =
        shakedown::scenario::load("one", "one", &text, &overrides).unwrap_or_else(|problem| panic!("{problem}"));
    let mut events: Vec<event::Event> = Vec::new();
    driver::run(&scenario, &mut events);
    let started = |event: &&event::Event| matches!(event.kind, Kind::Session(_, Event::AttemptStarted { .. }));
    events.iter().filter(started).map(|event| event.at.0 / 1_000_000).collect()
}

fn gaps(preset: &str, seed: u64) -> Vec<u64> {
    let at = attempts(preset, r#"{ kind = "reject", status = 503 }"#, seed, "");
    at.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

/// `expected` in milliseconds, each within a hundredth (the measured ones have a few milliseconds of their own).
fn close(gaps: &[u64], expected: &[f64]) {
    assert!(gaps.len() >= expected.len(), "{gaps:?}");
    for (gap, expected) in gaps.iter().zip(expected) {
        assert!((*gap as f64 - expected).abs() <= expected * 0.01 + 1.0, "{gaps:?}");
    }
}

#[test]
fn gaps_after_a_503_are_as_measured() {
    for seed in 1..20 {
        close(&gaps("partysocket", seed), &[3000.0, 3900.0, 5070.0, 6591.0, 8568.0, 10_000.0, 10_000.0]);
        close(&gaps("phoenix", seed), &[10.0, 50.0, 100.0, 150.0, 200.0, 250.0, 500.0, 1000.0, 2000.0, 5000.0, 5000.0]);
        close(&gaps("websocket-client", seed), &[5000.0; 8]);
        let page = gaps("websockets", seed);
        assert!(page[0] <= 5_000);
        close(&page[1..], &[3100.0, 5016.0, 8116.0, 13_131.0, 21_246.0, 34_377.0, 55_622.0, 90_000.0]);
        let socket_io = gaps("socket-io", seed);
        assert!((500..=1500).contains(&socket_io[0]) && (1000..=3000).contains(&socket_io[1]), "{socket_io:?}");
        // The jitter is applied before the cap: from the fifth retry on the herd is in step.
        close(&socket_io[5..], &[5000.0; 8]);
        let reconnecting = gaps("reconnecting-websocket", seed);
        let first = reconnecting[0] as f64;
        assert!((1000.0..=5000.0).contains(&first));
        close(&reconnecting, &[0, 1, 2, 3, 4].map(|n| (first * 1.3f64.powi(n)).min(10_000.0)));
        let chromium = attempts("chromium-page", r#"{ kind = "reject", status = 503 }"#, seed, "");
        let hasty = chromium.iter().filter(|at| **at <= 1_200).count();
        assert!((10..=15).contains(&hasty), "{hasty} attempts in the first 1.2 s");
    }
}

#[test]
fn who_never_retries_a_failed_handshake_does_not() {
    assert_eq!(gaps("graphql-ws", 1), Vec::<u64>::new());
    // Fatal for websockets: every status but 500, 502, 503, 504.
    let refused = attempts("websockets", r#"{ kind = "reject", status = 429 }"#, 1, "");
    assert_eq!(refused.len(), 1);
}

#[test]
fn a_silent_server_is_waited_for_as_long_as_measured() {
    let stalled = |preset: &str| attempts(preset, r#"{ kind = "stall" }"#, 1, "");
    for preset in ["phoenix", "graphql-ws", "websocket-client"] {
        assert_eq!(stalled(preset).len(), 1, "{preset}: one connection for the whole time");
    }
    let gaps = |preset: &str| stalled(preset).windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>();
    close(&gaps("partysocket"), &[7000.0, 7900.0, 9070.0]);
    let socket_io = gaps("socket-io");
    assert!((20_500..=21_500).contains(&socket_io[0]), "{socket_io:?}");
    let websockets = gaps("websockets");
    assert!((10_000..=15_000).contains(&websockets[0]), "{websockets:?}");
    close(&websockets[1..], &[13_100.0, 15_016.0]);
    assert_eq!(stalled("chromium-page")[1] / 1000, 240);
}

#[test]
fn a_preset_gives_way_to_what_the_scenario_writes() {
    let capped = attempts("partysocket", r#"{ kind = "reject" }"#, 1, "retry.cap = \"4s\"");
    close(&capped.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>(), &[3000.0, 3900.0, 4000.0, 4000.0]);
}

#[test]
fn every_preset_is_described() {
    let page = include_str!("../../docs/clients.md");
    for (name, preset) in presets() {
        assert!(page.contains(&format!("`{name}`")) && page.contains(&preset.version), "{name} {}", preset.version);
    }
}
