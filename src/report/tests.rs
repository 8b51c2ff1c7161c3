use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use super::*;
use crate::driver::Driver;
use crate::metrics::Metrics;
use crate::scenario::Overrides;
use crate::time::Timestamp;

const SCENARIO: &str = r#"
format = 1
title = "Two groups"
duration = "2s"
[network]
one_way = { uniform = { min = "1ms", max = "30ms" } }
[servers.gateway]
[clients.a]
count = 200
arrive = { evenly_over = "1s" }
endpoints = ["gateway"]
[clients.b]
count = 100
arrive = { evenly_over = "1s" }
endpoints = ["gateway"]
[expect]
"sessions.opened" = "== 100%"
"#;

fn with_run<T>(check: impl FnOnce(&Run<'_>) -> T) -> T {
    let scenario = crate::scenario::load("two.toml", "two", SCENARIO, &Overrides::default()).unwrap();
    let mut metrics = Metrics::new(scenario.layout());
    crate::driver::run(&scenario, &mut metrics);
    let measured = metrics.finish(Timestamp(scenario.duration().0));
    let verdicts = crate::check::judge(scenario.expectations(), &measured.summary);
    let run = Run {
        scenario: &scenario,
        variant: None,
        driver: Driver::Sim,
        digest: Some("00"),
        measured: &measured,
        verdicts: &verdicts,
        violations: &[],
        partial: false,
        deviations: &[],
        command: None,
    };
    check(&run)
}

#[test]
fn the_log_holds_every_value_that_the_summary_counts() {
    with_run(|run| {
        let log = hlog::log(run.measured).unwrap();
        let mut deserializer = Deserializer::new();
        let mut counts = std::collections::BTreeMap::new();
        let mut last = std::time::Duration::ZERO;
        for entry in IntervalLogIterator::new(&log) {
            let LogEntry::Interval(line) = entry.unwrap() else { continue };
            let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, line.encoded_histogram());
            let histogram: hdrhistogram::Histogram<u64> =
                deserializer.deserialize(&mut bytes.unwrap().as_slice()).unwrap();
            assert!(line.start_timestamp() >= last);
            last = line.start_timestamp();
            *counts.entry(line.tag().unwrap().as_str().to_string()).or_insert(0) += histogram.len();
        }
        let expected = [("a", 200), ("b", 100)].into_iter().flat_map(|(group, count)| {
            let names = ["attempt_latency", "handshake_latency", "time_to_open"];
            names.map(|name| (format!("{group}.{name}"), count))
        });
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        // Read back, it says what was measured, to the histogram's thousandth.
        let read = read_histogram_log(&log).unwrap();
        let ms = |latency: &crate::metrics::Latency| latency.percentile(99, 100).unwrap().as_millis_f64();
        for (group, latencies) in &run.measured.groups {
            for (name, latency) in latencies {
                let (own, other) = (ms(latency), ms(&read[&format!("{group}.{name}")]));
                assert!((own / other - 1.0).abs() < 2e-3, "{group}.{name}: {own} and {other}");
            }
        }
        assert_eq!(read_histogram_log(b"nonsense\n").unwrap_err(), "no log from byte 0 on");
        let wrong = read_histogram_log(b"Tag=a,0.5,1.0,1.0,nonsense\n").unwrap_err();
        assert_eq!(wrong, "no histogram in the interval from 500ms on");
    });
}

#[test]
fn the_summary_is_nested_by_path_with_units() {
    with_run(|run| {
        let document: serde_json::Value = serde_json::from_str(&summary(run)).unwrap();
        assert_eq!(document["format_version"], 2);
        assert_eq!(document["sessions"]["opened"], 300);
        assert_eq!(document["clients"]["b"]["sessions"]["scheduled"], 100);
        assert!(document["handshake_latency"]["p99_99_ms"].as_f64().unwrap() > 1.0);
        assert_eq!(document["outage"]["p50_ms"], serde_json::Value::Null);
        assert_eq!(document["expectations"][0]["passed"], true);
    });
}

#[test]
fn the_series_is_a_table() {
    with_run(|run| {
        let text = series(run);
        let columns: Vec<usize> = text.lines().map(|line| line.split(',').count()).collect();
        assert_eq!(columns.len(), 1 + run.measured.series.ends.len());
        assert!(columns.iter().all(|count| *count == columns[0]));
        let last = text.lines().last().unwrap();
        assert!(last.starts_with("2000,300,300,300,1,"), "{last}");
    });
}
