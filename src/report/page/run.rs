//! The page of a run.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::cells::{self, Cell, ROWS, at, metric};
use super::faults;
use super::html::{Page, Tone};
use super::recorded::{PageError, Recorded};
use super::series::{Fleet, Series, color, line, number};
use super::topology;
use crate::chart::percentile_points;
use crate::metrics::Latency;
use crate::report::{of_all_groups, read_histogram_log};
use crate::scenario::covered;
use crate::text::{counted, grouped};
use crate::time::{Nanos, human};

pub(super) fn page(files: Recorded<'_>) -> Result<Page, PageError> {
    let (run, summary) = (files.json("run.json")?, files.json("summary.json")?);
    let text = |key: &str| run[key].as_str().unwrap_or_default();
    let exemplars = files.lines("exemplars.jsonl")?;
    let mut below = format!("{} · driver {} · seed {}", text("scenario"), text("driver"), run["seed"]);
    if let Some(variant) = run["variant"].as_str() {
        below += &format!(" · variant {variant}");
    }
    let mut page = Page::new(text("title"), &below);
    let (mood, sentence) = verdict(&run, &summary);
    page.verdict(mood, &sentence);
    expectations(&mut page, &summary);
    page.tiles(&tiles(&summary));
    let windows = run["faults"].as_array().cloned().unwrap_or_default();
    page.share("faults", windows.iter().map(|one| window(one, &summary)).collect());
    let phases = run["phases"].as_array().map_or(&[][..], Vec::as_slice);
    page.share("phases", phases.iter().map(|one| window(one, &Json::Null)).collect());
    if let Some(drawing) = topology::drawing(&run["topology"]) {
        page.heading("What was run");
        page.drawing(&drawing);
    }
    page.heading("Charts");
    if !windows.is_empty() {
        page.zoom();
    }
    let series = Series::read(files.text("series.csv")?, Fleet::of(&run["topology"]))?;
    if series.together > 1 {
        page.note(&format!(
            "Each point stands for {} intervals: counts added up, the worst latency, availability and queue, the last of what is open.",
            series.together
        ));
    }
    page.share("times", series.times());
    for chart in series.charts() {
        page.chart(&chart.id, &chart.title, &chart.note, chart.chart);
    }
    let log = files.bytes("latency.hlog").map(read_histogram_log).transpose();
    let log = log.map_err(|what| PageError::Unreadable("latency.hlog", what))?;
    if let Some(chart) = percentiles(&summary, log.as_ref()) {
        let note = "The latency that a share of all values does not exceed. A line that ends early has values that never came to their end; \
                    of a dashed one a few percentiles are known.";
        page.chart("percentiles", "Latency by percentile", note, chart);
    }
    faults::faults(&mut page, &windows, &summary);
    faults::phases(&mut page, &summary);
    faults::full_resources(&mut page, &summary);
    latencies(&mut page, &summary);
    groups(&mut page, &summary);
    servers(&mut page, &summary);
    sessions(&mut page, &exemplars);
    page.share("exemplars", exemplars.iter().map(drawn).collect());
    again(&mut page, &run);
    all_metrics(&mut page, &summary);
    Ok(page)
}

/// What of an exemplar is drawn.
fn drawn(exemplar: &Json) -> Json {
    json!({ "session": exemplar["session"], "hosts": exemplar["hosts"], "diagram": exemplar["diagram"] })
}

/// A fault's or a phase's name and time, and until when it was recovered from.
fn window(window: &Json, summary: &Json) -> Json {
    let of = &summary["faults"][window["name"].as_str().unwrap_or_default()];
    let times = [&window["from_ms"], &of["first_loss_ms"], &of["recovery_time_ms"]].map(Json::as_f64);
    let recovered: Option<f64> = times.into_iter().sum();
    json!({ "name": window["name"], "from": window["from_ms"], "until": window["until_ms"], "recovered": recovered })
}

/// What the run came to, and whether that is what was expected.
fn verdict(run: &Json, summary: &Json) -> (Tone, String) {
    let list = |key: &str| summary[key].as_array().map_or(&[][..], Vec::as_slice);
    let (expectations, invariants) = (list("expectations"), list("invariants_broken").len() as u64);
    let said = run["verdict"].as_str().unwrap_or_default();
    let failed = expectations.iter().filter(|one| one["passed"] != true).count();
    let of_expectations = format!("{failed} of {}", counted(expectations.len() as u64, "expectation"));
    let judged = match (invariants, failed) {
        _ if run["partial"] == true => return (Tone::Open, said.into()),
        (0, 0) if expectations.is_empty() => return (Tone::Open, said.into()),
        (0, 0) => return (Tone::Good, said.into()),
        (0, _) => of_expectations,
        (broken, 0) => counted(broken, "invariant"),
        (broken, _) => format!("{of_expectations} and {}", counted(broken, "invariant")),
    };
    (Tone::Bad, format!("{said} FAILED: {judged}.").trim_start().to_string())
}

/// What was measured where something was expected.
fn measured(expectation: &Json, summary: &Json) -> String {
    let path = expectation["metric"].as_str().unwrap_or_default();
    let value = &expectation["measured"];
    let unit = if metric(summary, path).is_some() && at(summary, path).is_null() { "_ms" } else { "" };
    let cell = Cell::metric(&format!("{path}{unit}"), value);
    if expectation["nothing_measured"] == true {
        return "nothing was measured".into();
    }
    match faults::share(path, value, summary) {
        Some(share) => format!("{} ({share})", cell.text),
        None => cell.text,
    }
}

fn tiles(summary: &Json) -> Vec<(String, String)> {
    let names: Vec<&String> = summary["faults"].as_object().into_iter().flat_map(|all| all.keys()).collect();
    if !names.is_empty() {
        return faults::tiles(summary, &names);
    }
    let wanted = [
        ("sessions opened", "sessions.opened"),
        ("time to open p50", "time_to_open.p50"),
        ("time to open p99", "time_to_open.p99"),
        ("attempts failed", "attempts.failed"),
        ("availability", "availability.mean"),
        ("connections lost", "lost.total"),
    ];
    let tile = |(name, path): (&str, &str)| Some((name.to_string(), faults::figure(summary, path)?.text));
    let mut tiles: Vec<(String, String)> = wanted.into_iter().filter_map(tile).collect();
    if let Some(full) = summary["full_resources"].get(0) {
        let text = |key: &str| full[key].as_str().unwrap_or_default();
        tiles.push(("bottleneck".into(), format!("{} of {}", text("resource"), text("group"))));
    }
    tiles
}

fn expectations(page: &mut Page, summary: &Json) {
    let list = |key: &str| summary[key].as_array().cloned().unwrap_or_default();
    let invariants = list("invariants_broken");
    if !invariants.is_empty() {
        page.heading("Violated invariants");
        let rows: Vec<Vec<Cell>> = invariants
            .iter()
            .map(|one| {
                let text = |key: &str| one[key].as_str().unwrap_or("–");
                vec![
                    Cell::text(text("invariant")).class("broken"),
                    Cell::metric("at_ms", &one["at_ms"]),
                    Cell::text(text("session")),
                    Cell::text(text("what")),
                ]
            })
            .collect();
        page.table(
            "Violated invariants",
            &[("invariant", true), ("at", false), ("session", true), ("what", true)],
            &rows,
        );
    }
    let expectations = list("expectations");
    if expectations.is_empty() {
        return;
    }
    page.heading("Expectations");
    let rows: Vec<Vec<Cell>> = expectations
        .iter()
        .map(|one| {
            let passed = one["passed"] == true;
            let measured = Cell { text: measured(one, summary), value: one["measured"].as_f64(), ..Cell::default() };
            vec![
                Cell::text(if passed { "passed" } else { "FAILED" }).class(if passed { "passed" } else { "broken" }),
                Cell::text(one["metric"].as_str().unwrap_or_default()),
                Cell::text(one["expected"].as_str().unwrap_or_default()),
                measured,
                Cell::text(cells::margin(one, summary)),
            ]
        })
        .collect();
    let columns = [("", true), ("metric", true), ("expected", true), ("measured", false), ("margin", false)];
    page.table("Expectations", &columns, &rows);
}

/// The latencies of all groups together: the whole curve of those in the log, a few percentiles of the others.
fn percentiles(summary: &Json, log: Option<&BTreeMap<String, Latency>>) -> Option<Json> {
    let names = ["time_to_open", "handshake_latency", "attempt_latency", "tls_latency", "outage", "detection_time"];
    let mut most = 0;
    let lines = names.iter().enumerate().filter_map(|(nth, name)| {
        let of = &summary[name];
        let count = of["count"].as_u64().filter(|count| *count > 0)?;
        let recorded = log.map(|log| of_all_groups(log, name, count));
        let whole = recorded.map(|latency| percentile_points(&latency)).filter(|points| !points.is_empty());
        let (style, points) = match whole {
            Some(points) => {
                // The log has the histogram's resolution, the summary the very smallest and largest value.
                let ends = (of["min_ms"].as_f64().unwrap_or(0.0), of["max_ms"].as_f64().unwrap_or(f64::INFINITY));
                let shown = |(share, ms): (f64, f64)| ((share * 1e12).round() / 1e12, ms.max(ends.0).min(ends.1));
                ("line", points.into_iter().map(shown).collect())
            }
            None => ("dash", some_percentiles(of, count)),
        };
        if points.is_empty() {
            return None;
        }
        most = most.max(count);
        let ys: Vec<Option<f64>> = points.iter().map(|(_, value)| Some(*value)).collect();
        let mut line = line(&name.replace('_', " "), color(nth), style, &ys);
        line["x"] = points.iter().map(|(share, _)| json!(share)).collect();
        Some(line)
    });
    let lines: Vec<Json> = lines.collect();
    if lines.is_empty() {
        return None;
    }
    // Two counts for each nine: the last value stands in the middle of what is left.
    let nines = libm::log10(2.0 * most as f64).max(1.1);
    Some(json!({
        "x": { "type": "percentile", "most": number(nines) },
        "y": { "type": "ms", "name": "latency" },
        "series": lines,
    }))
}

/// What the summary has of a latency: shares and milliseconds.
fn some_percentiles(of: &Json, count: u64) -> Vec<(f64, f64)> {
    let shares = [("min", 0.0), ("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99_9", 0.999), ("p99_99", 0.9999)];
    let last = 1.0 - 0.5 / count as f64;
    let known = shares.into_iter().filter(|(_, share)| *share < last).chain([("max", last)]);
    known.filter_map(|(statistic, share)| Some((share, of[format!("{statistic}_ms")].as_f64()?))).collect()
}

const STATISTICS: [(&str, &str); 9] = [
    ("count", "count"),
    ("min", "min_ms"),
    ("mean", "mean_ms"),
    ("p50", "p50_ms"),
    ("p90", "p90_ms"),
    ("p99", "p99_ms"),
    ("p99.9", "p99_9_ms"),
    ("p99.99", "p99_99_ms"),
    ("max", "max_ms"),
];

fn latencies(page: &mut Page, summary: &Json) {
    let is_latency = |value: &Json| value.get("p99_ms").is_some() && value["count"].as_u64().is_some_and(|n| n > 0);
    let all = summary.as_object().into_iter().flatten().filter(|(_, value)| is_latency(value));
    let rows: Vec<Vec<Cell>> = all
        .map(|(name, value)| {
            let cells = STATISTICS.iter().map(|(_, key)| Cell::metric(key, &value[*key]));
            std::iter::once(Cell::text(name.replace('_', " "))).chain(cells).collect()
        })
        .collect();
    if rows.is_empty() {
        return;
    }
    page.heading("Latencies");
    let columns: Vec<(&str, bool)> =
        std::iter::once(("latency", true)).chain(STATISTICS.iter().map(|(name, _)| (*name, false))).collect();
    page.table("Latencies", &columns, &rows);
}

/// A table of the things below a key: columns without any value are left out.
fn things(page: &mut Page, title: &str, things: &Json, columns: &[(&str, &str)]) {
    let Some(all) = things.as_object().filter(|all| !all.is_empty()) else { return };
    let columns: Vec<&(&str, &str)> =
        columns.iter().filter(|(_, path)| all.values().any(|thing| !at(thing, path).is_null())).collect();
    let row = |(name, thing): (&String, &Json)| {
        let cell = |(_, path): &&(&str, &str)| match at(thing, path) {
            Json::Null => Cell::text(""),
            value => Cell::metric(path, value),
        };
        std::iter::once(Cell::text(name.clone())).chain(columns.iter().map(cell)).collect()
    };
    let rows: Vec<Vec<Cell>> = all.iter().take(ROWS).map(row).collect();
    page.heading(title);
    let head: Vec<(&str, bool)> =
        std::iter::once(("name", true)).chain(columns.iter().map(|(name, _)| (*name, false))).collect();
    page.table(title, &head, &rows);
    if all.len() > ROWS {
        page.note(&format!("{} more are in summary.json.", grouped((all.len() - ROWS) as u64)));
    }
}

fn groups(page: &mut Page, summary: &Json) {
    let columns = [
        ("sessions", "sessions.scheduled"),
        ("opened", "sessions.opened"),
        ("never opened", "sessions.never_opened"),
        ("failed", "sessions.failed"),
        ("ended", "sessions.ended"),
        ("open at end", "sessions.open_at_end"),
        ("time to open p50", "time_to_open.p50_ms"),
        ("time to open p99", "time_to_open.p99_ms"),
        ("time to open max", "time_to_open.max_ms"),
        ("handshake p50", "handshake_latency.p50_ms"),
        ("handshake p99", "handshake_latency.p99_ms"),
        ("handshake max", "handshake_latency.max_ms"),
    ];
    things(page, "Client groups", &summary["clients"], &columns);
}

fn servers(page: &mut Page, summary: &Json) {
    let columns = [
        ("arrivals", "arrivals.total"),
        ("arrivals peak", "arrivals.peak"),
        ("opened", "opened"),
        ("wasted", "wasted"),
        ("errors", "error_responses"),
        ("turned away", "turned_away"),
        ("open max", "open_connections_max"),
        ("open at end", "open_at_end"),
        ("transactions max", "transactions_in_use_max"),
        ("kills", "kills"),
        ("queue max", "queue_depth_max"),
        ("queue wait p50", "queue_wait.p50_ms"),
        ("queue wait p99", "queue_wait.p99_ms"),
        ("queue wait max", "queue_wait.max_ms"),
        ("utilisation", "utilisation.mean"),
        ("utilisation peak", "utilisation.peak"),
        ("balance at end", "balance.at_end"),
    ];
    things(page, "Servers, by group and one by one", &summary["servers"], &columns);
    let names = [("lookups", "lookups"), ("answers", "answers"), ("records taken out", "withdrawn")];
    things(page, "DNS names", &summary["dns"], &names);
}

fn sessions(page: &mut Page, exemplars: &[Json]) {
    if exemplars.is_empty() {
        return;
    }
    page.heading("Sample sessions");
    page.note("The slowest to open, and the first that failed in each way. Times are seconds since the session's scheduled start.");
    for (number, exemplar) in exemplars.iter().enumerate() {
        let why = exemplar["why"].as_array().into_iter().flatten().filter_map(Json::as_str);
        let mut what: Vec<String> = why.map(|why| why.replace('_', " ")).collect();
        what.push(match exemplar["time_to_open_ns"].as_u64() {
            Some(ns) => format!("open after {}", human(Nanos(ns))),
            None => "not open".into(),
        });
        what.push(format!("scheduled at {}", human(Nanos(exemplar["scheduled_ns"].as_u64().unwrap_or(0)))));
        page.sequence(number, exemplar["session"].as_str().unwrap_or_default(), &what.join(" · "));
    }
}

fn again(page: &mut Page, run: &Json) {
    page.again(run["command"].as_str());
    let text = |key: &str| run[key].as_str().unwrap_or_default();
    let mut facts = vec![
        ("seed".to_string(), run["seed"].to_string()),
        ("driver".into(), text("driver").into()),
        ("version".into(), text("version").into()),
        ("scenario's hash".into(), text("scenario_hash").into()),
    ];
    match run["digest"].as_str() {
        Some(digest) => facts.push(("digest of all events".into(), digest.into())),
        None => facts.push(("digest".into(), "none: real runs differ".into())),
    }
    let line: Vec<String> = facts.iter().map(|(name, value)| format!("{name} {value}")).collect();
    page.note(&line.join(" · "));
    for deviation in run["deviations"].as_array().into_iter().flatten().filter_map(Json::as_str) {
        page.note(&format!("This driver differs from the simulator: {deviation}"));
    }
    let toml = covered(text("scenario_toml"));
    let title = if toml == text("scenario_toml") {
        "The scenario with every default (runs to the same digest)"
    } else {
        "The scenario with every default; credentials are covered here, run.json has them"
    };
    page.folded_text(title, &toml);
}

/// Every metric that has no table of its own.
fn all_metrics(page: &mut Page, summary: &Json) {
    let mut rows = Vec::new();
    let own = ["expectations", "invariants_broken", "servers", "clients", "phases", "format_version", "seed"];
    for (key, value) in summary.as_object().into_iter().flatten().filter(|(key, _)| !own.contains(&key.as_str())) {
        if value.is_object() {
            leaves(key, value, &mut rows);
        }
    }
    rows.truncate(ROWS);
    page.folded_table("Every metric of the whole run", &[("metric", true), ("value", false)], &rows);
}

fn leaves(path: &str, value: &Json, rows: &mut Vec<Vec<Cell>>) {
    match value.as_object() {
        // The parts of the run before, during and after a fault have a table of their own.
        Some(object) => object
            .iter()
            .filter(|(key, _)| !(path.starts_with("faults.") && ["before", "during", "after"].contains(&key.as_str())))
            .for_each(|(key, value)| leaves(&format!("{path}.{key}"), value, rows)),
        None => rows.push(vec![Cell::text(path.trim_end_matches("_ms")), Cell::metric(path, value)]),
    }
}
