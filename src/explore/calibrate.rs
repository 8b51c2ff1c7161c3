//! What this machine adds to a scenario on real sockets: measured by a small live run, and written as a variant, under which
//! the simulator should say what `run --driver tokio` measures.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::LiveError;
use super::live;
use crate::client;
use crate::driver::live as driver;
use crate::event::{Event, Kind};
use crate::rng::Distribution;
use crate::scenario::{Overrides, Scenario};
use crate::server::{self, Workers};
use crate::time::{Nanos, Timestamp};

/// Handshakes one after the other, with a worker's time that is known.
const PROBE: &str = r#"
format = 1
title = "What this machine adds to a handshake"
duration = "5s"
[network]
one_way = "0s"
[servers.probe]
service_time = "1ms"
[clients.probe]
count = 800
arrive = { evenly_over = "4s" }
endpoints = ["probe"]
hold = "20ms"
"#;
const SERVICE: Nanos = Nanos::from_millis(1);

/// The quantiles that are written, in thousandths.
const QUANTILES: [(&str, usize); 7] =
    [("p0", 0), ("p10", 100), ("p50", 500), ("p90", 900), ("p99", 990), ("p99_9", 999), ("p100", 1000)];

/// What a machine adds.
#[derive(Debug, Clone)]
pub struct Calibration {
    /// One way of a handshake's bytes, from one machine to the other and into it, by handshake, in rising order.
    pub one_way: Vec<Nanos>,
    /// By how much a worker's time is longer than it should be, likewise.
    pub late: Vec<Nanos>,
}

/// Measures this machine, for five seconds.
///
/// # Errors
/// When sockets can't be had.
pub fn calibrate() -> Result<Calibration, LiveError> {
    let scenario = crate::scenario::load("the probe", "probe", PROBE, &Overrides::default());
    let scenario = scenario.map_err(|problem| LiveError::Target(problem.to_string()))?;
    let setup = live::both(&scenario)?;
    let mut events: Vec<Event> = Vec::new();
    driver::run(&scenario, &setup, &mut events, |_| {}, |_| true)?;
    Ok(measure(&events))
}

/// What the events of the probe say.
fn measure(events: &[Event]) -> Calibration {
    let (mut connected, mut handshakes) = (BTreeMap::new(), Vec::new());
    let (mut requested, mut served): (BTreeMap<u32, Timestamp>, Vec<Nanos>) = (BTreeMap::new(), Vec::new());
    for event in events {
        match event.kind {
            Kind::Session(session, client::Event::Connected { .. }) => drop(connected.insert(session, event.at)),
            Kind::Session(session, client::Event::Opened { .. }) => {
                handshakes.extend(connected.get(&session).map(|from| event.at.since(*from)));
            }
            Kind::Server(_, server::Event::Requested { connection, .. }) => {
                requested.insert(connection, event.at);
            }
            Kind::Server(_, server::Event::Answered { connection, .. }) => {
                served.extend(requested.remove(&connection).map(|from| event.at.since(from)));
            }
            _ => {}
        }
    }
    // One handshake begins when the one before has long ended: the first is the first on both sides.
    let rest = handshakes.iter().zip(&served).map(|(all, served)| Nanos(all.0.saturating_sub(served.0) / 2));
    let mut one_way: Vec<Nanos> = rest.collect();
    let mut late: Vec<Nanos> = served.iter().map(|served| Nanos(served.0.saturating_sub(SERVICE.0))).collect();
    one_way.sort_unstable();
    late.sort_unstable();
    Calibration { one_way, late }
}

/// Times with something added, as a distribution of a scenario file, in microseconds.
fn quantiles(sorted: &[Nanos], add: Nanos) -> String {
    let at = |thousandth: usize| sorted.get((sorted.len().saturating_sub(1)) * thousandth / 1000).copied();
    let us = |time: Nanos| (time.0 + add.0).div_ceil(1000);
    let points = QUANTILES.iter().map(|(name, of)| format!("{name} = \"{}us\"", us(at(*of).unwrap_or_default())));
    format!("{{ quantiles = {{ {} }} }}", points.collect::<Vec<_>>().join(", "))
}

/// The variant `calibrated` of a scenario, as TOML to put at its end.
pub fn variant(calibration: &Calibration, scenario: &Scenario) -> String {
    let mut text = format!(
        "# What this machine adds on real sockets, by {} handshakes of `shakedown calibrate`.\n[variants.calibrated]\n",
        calibration.late.len()
    );
    let _ = writeln!(text, "\"network.one_way\" = {}", quantiles(&calibration.one_way, Nanos::ZERO));
    for (name, server) in scenario.groups() {
        let key = format!("\"servers.{name}.service_time\"");
        let Some(Workers { service_time, .. }) = server.workers() else { continue };
        let _ = match service_time {
            Distribution::Constant(time) => writeln!(text, "{key} = {}", quantiles(&calibration.late, *time)),
            // The sum of two distributions is none that a file can say.
            Distribution::Varying(_) => writeln!(text, "# {key} is left as it is: only a constant can be added to"),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_adds_is_what_the_events_leave_over() {
        let at = |us: u64, seq: u64, kind: Kind| Event { at: Timestamp(us * 1000), seq, kind };
        let mut events = Vec::new();
        for (number, (late, way)) in [(30, 40), (10, 50)].into_iter().enumerate() {
            let (start, session) = (10_000 * number as u64, number as u32);
            let connected = client::Event::Connected { connection: 1 };
            events.push(at(start, 0, Kind::Session(session, connected)));
            let requested = server::Event::Requested { connection: 0, queued: false };
            events.push(at(start + way, 0, Kind::Server(0, requested)));
            let answered = server::Event::Answered { connection: 0, status: 101, served: Nanos::ZERO };
            events.push(at(start + way + 1000 + late, 0, Kind::Server(0, answered)));
            let opened = client::Event::Opened { connection: 1, endpoint: 0 };
            events.push(at(start + way + 1000 + late + way, 0, Kind::Session(session, opened)));
        }
        let found = measure(&events);
        let us = |times: &[Nanos]| times.iter().map(|time| time.0 / 1000).collect::<Vec<_>>();
        assert_eq!((us(&found.one_way), us(&found.late)), (vec![40, 50], vec![10, 30]));
        let text = "format = 1\ntitle = 'x'\nduration = '10s'\n[network]\none_way = '5ms'\n[servers.a]\nservice_time = \
                    '2ms'\n[servers.b]\nservice_time = { exponential = { mean = '1ms' } }\n[clients.c]\ncount = \
                    1\nendpoints = ['a']\n";
        let load = |text: &str, variant: Option<String>| {
            let loaded = crate::scenario::load("x", "x", text, &Overrides { variant, ..Overrides::default() });
            loaded.unwrap_or_else(|problem| panic!("{problem}"))
        };
        let written = variant(&found, &load(text, None));
        assert!(written.contains("p0 = \"2010us\"") && written.contains("p100 = \"2030us\""), "{written}");
        assert!(written.contains("# \"servers.b.service_time\" is left as it is"), "{written}");
        load(&format!("{text}{written}"), Some("calibrated".into()));
    }
}
