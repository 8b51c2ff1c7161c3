//! `run.json` and `summary.json`.

use serde_json::{Map, Value as Json, json};

use super::bottleneck;
use super::run::Run;
use super::topology::topology;
use super::verdict::verdict;
use super::version::FORMAT_VERSION;
use crate::metrics::Value;
use crate::text::pretty;
use crate::time::Timestamp;

/// What ran, so that it can run again.
pub(super) fn run(run: &Run<'_>) -> String {
    let ms = |at: Timestamp| at.since(Timestamp::ZERO).as_millis_f64();
    let windows = run
        .measured
        .faults
        .iter()
        .map(|fault| json!({ "name": fault.name, "from_ms": ms(fault.from), "until_ms": fault.until.map(ms) }));
    let layout = run.scenario.layout();
    let named = layout.phases.iter().filter_map(|phase| Some((phase.prefix.strip_prefix("phases.")?, phase)));
    let phases = named.map(|(name, phase)| {
        json!({ "name": name.trim_end_matches('.'), "from_ms": ms(phase.from), "until_ms": ms(phase.until) })
    });
    let mut document = json!({
        "format_version": FORMAT_VERSION,
        "scenario": run.scenario.name(),
        "title": run.scenario.title(),
        "driver": run.driver.name(),
        "deterministic": run.digest.is_some(),
        "seed": run.scenario.seed().0,
        "variant": run.variant,
        "partial": run.partial,
        "version": env!("CARGO_PKG_VERSION"),
        "digest": run.digest,
        "command": run.command,
        "verdict": verdict(run),
        "faults": windows.collect::<Vec<_>>(),
        "phases": phases.collect::<Vec<_>>(),
        "topology": topology(run.scenario),
        "scenario_hash": run.scenario.hash(),
        "scenario_toml": run.scenario.resolved(),
    });
    if !run.deviations.is_empty() {
        document["deviations"] = json!(run.deviations);
    }
    pretty(&document)
}

/// Every metric, nested by its path, and every expectation.
pub(super) fn summary(run: &Run<'_>) -> String {
    let mut document = Map::new();
    document.insert("format_version".into(), json!(FORMAT_VERSION));
    document.insert("scenario".into(), json!(run.scenario.name()));
    document.insert("driver".into(), json!(run.driver.name()));
    document.insert("seed".into(), json!(run.scenario.seed().0));
    document.insert("variant".into(), json!(run.variant));
    document.insert("partial".into(), json!(run.partial));
    document.insert("digest".into(), json!(run.digest));
    let expectations: Vec<Json> = run
        .verdicts
        .iter()
        .map(|verdict| {
            let mut one = json!({
                "metric": verdict.path,
                "expected": verdict.expected.to_string(),
                "measured": number(verdict.measured),
                "passed": verdict.passed,
            });
            if verdict.nothing_measured {
                one["nothing_measured"] = json!(true);
            }
            one
        })
        .collect();
    document.insert("expectations".into(), Json::Array(expectations));
    if !run.violations.is_empty() {
        let broken = run.violations.iter().map(|violation| {
            json!({
                "invariant": violation.invariant.name(),
                "at_ms": violation.at.since(Timestamp::ZERO).as_millis_f64(),
                "event": violation.event,
                "session": violation.session.map(|session| run.scenario.session_name(session)),
                "what": violation.what,
            })
        });
        document.insert("invariants_broken".into(), Json::Array(broken.collect()));
    }
    // In the order in which they filled up: the first is the bottleneck.
    let full: Vec<Json> = run.measured.full.iter().map(bottleneck::json).collect();
    document.insert("full_resources".into(), Json::Array(full));
    for metric in &run.measured.summary.metrics {
        let path = metric.name.with_unit();
        let (parents, name) = path.rsplit_once('.').unwrap_or(("", &path));
        let mut place = &mut document;
        for parent in parents.split('.') {
            let entry = place.entry(parent).or_insert_with(|| Json::Object(Map::new()));
            place = entry.as_object_mut().expect("a metric's name is no group's name");
        }
        place.insert(name.to_string(), number(metric.value));
    }
    pretty(&Json::Object(document))
}

/// A metric as a JSON number: durations in milliseconds, ratios from 0 to 1; null without a value.
pub fn number(value: Value) -> Json {
    match value {
        Value::Duration(length) => json!(length.map(|length| length.as_millis_f64())),
        Value::Count(count) | Value::Part { count, .. } => json!(count),
        Value::Ratio(ratio) => json!(ratio),
    }
}
