//! The page of a sweep.

use serde_json::{Value as Json, json};

use super::cells::Cell;
use super::html::{Page, Tone};
use super::recorded::{PageError, Recorded};
use super::series::{color, line};
use crate::metrics::{MetricName, Subject};
use crate::report::figure::Unit;
use crate::scenario::{covered, covered_command};
use crate::text::{counted, grouped, percent, word};

/// Metrics with a chart of their own, at most.
const CHARTS: usize = 12;
/// Cells that a chart tells apart.
const CELLS: usize = 10;
/// Points of a curve: more seeds are shown by their ranks at even distances.
const POINTS: usize = 400;
/// Metrics in the table of all.
const METRICS: usize = 400;

pub(super) fn page(files: Recorded<'_>) -> Result<Page, PageError> {
    let (plan, summary) = (files.json("sweep.json")?, files.json("summary.json")?);
    let rows = files.lines("runs.jsonl")?;
    let empty = Vec::new();
    let cells = summary["cells"].as_array().unwrap_or(&empty);
    let labels: Vec<String> = cells.iter().map(label).collect();
    let text = |key: &str| plan[key].as_str().unwrap_or_default();
    let mut below = format!("{} · sweep over seeds {}", text("scenario"), text("seeds"));
    if let Some(variant) = plan["variant"].as_str() {
        below += &format!(" · variant {variant}");
    }
    let mut page = Page::new(text("title"), &below);
    let (runs, passed) = (summary["runs"].as_u64().unwrap_or(0), summary["passed"].as_u64().unwrap_or(0));
    let (mood, sentence) = match passed {
        passed if passed == runs => {
            (Tone::Good, format!("Everything passed in {} of {}.", grouped(runs), counted(runs, "run")))
        }
        passed => {
            let broken = runs - passed;
            (Tone::Bad, format!("Something failed in {} of {}.", grouped(broken), counted(runs, "run")))
        }
    };
    page.verdict(mood, &format!("{sentence}{}", first_broken(cells, &labels)));
    page.tiles(&[
        ("runs".into(), grouped(runs)),
        ("passed".into(), grouped(passed)),
        ("cells".into(), grouped(cells.len() as u64)),
        ("seeds".into(), text("seeds").into()),
    ]);
    let metrics = headline(&plan, cells);
    table(&mut page, cells, &labels, &metrics);
    broken(&mut page, &plan, cells, &labels);
    page.heading("Charts");
    for (number, metric) in metrics.iter().enumerate().filter(|(_, metric)| differs(metric, cells)) {
        let name = metric.trim_end_matches("_ms");
        let note =
            "The value that a share of the runs does not exceed. A line that ends early has runs without a value.";
        page.chart(
            &format!("spread-{number}"),
            &format!("{name} over the seeds"),
            note,
            spread(metric, &rows, cells, &labels),
        );
        if cells.len() > 1 {
            let bars = bars(metric, cells, &labels);
            page.chart(
                &format!("cells-{number}"),
                &format!("{name} by cell"),
                "The median over the seeds; the thin line reaches from the least to the largest.",
                bars,
            );
        }
    }
    if let Some(svg) = files.bytes("open.svg") {
        let note = "The median over the seeds, and from the fewest to the most.";
        page.picture("Sessions open, over all seeds", note, svg);
    }
    all_metrics(&mut page, cells, &labels);
    again(&mut page, &plan, &summary);
    Ok(page)
}

/// `policy=full-jitter, cap=10s`, by the last part of each key.
fn label(cell: &Json) -> String {
    let set = cell["set"].as_object().into_iter().flatten();
    let parts: Vec<String> = set
        .map(|(path, value)| {
            let key = path.rsplit('.').next().unwrap_or(path);
            format!("{key}={}", value.as_str().unwrap_or_default())
        })
        .collect();
    if parts.is_empty() { "all seeds".into() } else { parts.join(", ") }
}

/// The metrics that something was expected of, then those that are shown of every run of such a scenario.
fn headline(plan: &Json, cells: &[Json]) -> Vec<String> {
    let toml = plan["cells"][0]["scenario_toml"].as_str().unwrap_or_default();
    let scenario: toml::Table = toml.parse().unwrap_or_default();
    let expected = scenario.get("expect").and_then(toml::Value::as_table);
    let expected: Vec<&String> = expected.into_iter().flat_map(|table| table.keys()).collect();
    let shown = plan["metrics"].as_array().into_iter().flatten().filter_map(Json::as_str);
    let mut chosen: Vec<String> = Vec::new();
    for path in expected.into_iter().map(String::as_str).chain(shown) {
        let known = [path.to_string(), format!("{path}_ms")];
        let has = |path: &String| {
            cells.iter().any(|cell| cell["metrics"].get(path).is_some_and(|of| !of["median"].is_null()))
        };
        if let Some(path) = known.into_iter().find(has)
            && chosen.len() < CHARTS
            && !chosen.contains(&path)
        {
            chosen.push(path);
        }
    }
    chosen
}

/// Whether runs differ in a metric: a chart of what is always the same says nothing.
fn differs(metric: &str, cells: &[Json]) -> bool {
    let ends = cells.iter().flat_map(|cell| ["min", "max"].map(|end| &cell["metrics"][metric][end]));
    let without = cells.iter().any(|cell| cell["metrics"][metric]["without_value"].as_u64().is_some_and(|n| n > 0));
    let ends: Vec<&Json> = ends.collect();
    without || ends.windows(2).any(|pair| pair[0] != pair[1])
}

fn first_broken(cells: &[Json], labels: &[String]) -> String {
    let all = cells.iter().zip(labels).flat_map(|(cell, label)| {
        cell["broken"].as_array().into_iter().flatten().map(move |broken| (cell, label, broken))
    });
    let most = all.max_by_key(|(_, _, broken)| broken["runs"].as_u64().unwrap_or(0));
    most.map_or(String::new(), |(cell, label, broken)| {
        let of = if cells.len() > 1 { format!(" with {label}") } else { String::new() };
        format!(
            " Most often {}{of}: in {} of {} runs.",
            broken["metric"].as_str().unwrap_or_default(),
            grouped(broken["runs"].as_u64().unwrap_or(0)),
            grouped(cell["runs"].as_u64().unwrap_or(0))
        )
    })
}

fn table(page: &mut Page, cells: &[Json], labels: &[String], metrics: &[String]) {
    page.heading("Cells");
    let shown = || cells.iter().flat_map(|cell| metrics.iter().map(|metric| &cell["metrics"][metric]));
    let coverage = shown().filter_map(|of| of["median_coverage"].as_f64()).fold(f64::NAN, f64::min);
    page.note(&match coverage.is_nan() {
        true => "Each figure: of one seed, which says nothing of others.".into(),
        false => format!(
            "Each figure: the median over the seeds, and from where to where that of all seeds is, with {} confidence.",
            percent(coverage)
        ),
    });
    let rows: Vec<Vec<Cell>> = cells
        .iter()
        .zip(labels)
        .map(|(cell, label)| {
            let (runs, passed) = (cell["runs"].as_u64().unwrap_or(0), cell["passed"].as_u64().unwrap_or(0));
            let class = if passed == runs { "passed" } else { "broken" };
            let passed = Cell {
                text: format!("{}/{}", grouped(passed), grouped(runs)),
                value: Some(passed as f64),
                ..Cell::default()
            };
            let figures = metrics.iter().map(|metric| {
                let of = &cell["metrics"][metric];
                let part = |key: &str| Cell::of_many(metric, of[key].as_f64());
                let median = part("median");
                let (low, high) = (part("median_low"), part("median_high"));
                if of.is_null() || low.text == high.text {
                    return median;
                }
                Cell { text: format!("{} ({} to {})", median.text, low.text, high.text), ..median }
            });
            [Cell::text(label.clone()), passed.class(class)].into_iter().chain(figures).collect()
        })
        .collect();
    let names = metrics.iter().map(|metric| (metric.trim_end_matches("_ms"), false));
    let columns: Vec<(&str, bool)> = [("cell", true), ("passed", false)].into_iter().chain(names).collect();
    page.table("Cells", &columns, &rows);
}

fn broken(page: &mut Page, plan: &Json, cells: &[Json], labels: &[String]) {
    let mut rows = Vec::new();
    for (cell, label) in cells.iter().zip(labels) {
        for broken in cell["broken"].as_array().into_iter().flatten() {
            let seed = &broken["first_seed"];
            rows.push(vec![
                Cell::text(broken["metric"].as_str().unwrap_or_default()).class("broken"),
                Cell::text(label.clone()),
                Cell::metric("runs", &broken["runs"]),
                Cell { text: seed.to_string(), value: seed.as_f64(), ..Cell::default() },
                Cell::text(command(plan, cell, seed)),
            ]);
        }
        for error in cell["errors"].as_array().into_iter().flatten() {
            let seed = &error["seed"];
            rows.push(vec![
                Cell::text(format!("no result: {}", error["error"].as_str().unwrap_or_default())).class("broken"),
                Cell::text(label.clone()),
                Cell::metric("runs", &json!(1)),
                Cell { text: seed.to_string(), value: seed.as_f64(), ..Cell::default() },
                Cell::text(command(plan, cell, seed)),
            ]);
        }
    }
    if rows.is_empty() {
        return;
    }
    page.heading("What broke");
    let columns = [("what", true), ("cell", true), ("runs", false), ("first seed", false), ("to see it again", true)];
    page.table("What broke", &columns, &rows);
}

/// The command line that makes one run, where that of the sweep was kept.
fn command(plan: &Json, cell: &Json, seed: &Json) -> String {
    let Some(run) = plan["run"].as_str() else { return String::new() };
    let mut command = run.to_string();
    for (path, value) in cell["set"].as_object().into_iter().flatten() {
        command += &format!(" --set {}", word(&format!("{path}={}", value.as_str().unwrap_or_default())));
    }
    covered_command(&format!("{command} --seed {seed}"))
}

fn kind(metric: &str) -> &'static str {
    match Unit::of(metric) {
        Unit::Ms => "ms",
        Unit::Share => "share",
        Unit::Count => "count",
    }
}

fn spread(metric: &str, rows: &[Json], cells: &[Json], labels: &[String]) -> Json {
    let lines = cells.iter().zip(labels).take(CELLS).enumerate().filter_map(|(nth, (cell, label))| {
        let own: Vec<&Json> = rows.iter().filter(|row| row["set"] == cell["set"]).collect();
        let mut values: Vec<f64> = own.iter().filter_map(|row| row["metrics"][metric].as_f64()).collect();
        values.sort_by(f64::total_cmp);
        let count = values.len();
        if count == 0 {
            return None;
        }
        let points = count.min(POINTS);
        let ranks = (1..=points).map(|point| point * count / points - 1);
        let (mut xs, mut ys) = (Vec::new(), Vec::new());
        for rank in ranks {
            xs.push(json!((rank + 1) as f64 / own.len() as f64));
            ys.push(Some(values[rank]));
        }
        let mut line = line(label, color(nth), "line", &ys);
        line["x"] = Json::Array(xs);
        Some(line)
    });
    json!({
        "x": { "type": "number", "from": 0, "until": 1, "name": "share of the runs" },
        "y": { "type": kind(metric), "name": metric.trim_end_matches("_ms") },
        "dots": rows.len() <= 60,
        "series": lines.collect::<Vec<_>>(),
    })
}

fn bars(metric: &str, cells: &[Json], labels: &[String]) -> Json {
    let rows = cells.iter().zip(labels).map(|(cell, label)| {
        let of = &cell["metrics"][metric];
        let shown = |key: &str| Cell::of_many(metric, of[key].as_f64()).text;
        let endless = of["median"].is_null() && of["without_value"].as_u64().is_some_and(|without| without > 0);
        json!({
            "name": label,
            "value": of["median"],
            "low": of["min"],
            "high": of["max"],
            "endless": endless,
            "shown": if endless { "never".to_string() } else { shown("median") },
            "told": format!("{} (from {} to {})", shown("median"), shown("min"), shown("max")),
        })
    });
    json!({ "whole": kind(metric) == "share", "rows": rows.collect::<Vec<_>>() })
}

fn all_metrics(page: &mut Page, cells: &[Json], labels: &[String]) {
    let mut names: Vec<&String> = Vec::new();
    for name in cells.iter().filter_map(|cell| cell["metrics"].as_object()).flat_map(|metrics| metrics.keys()) {
        let subject = MetricName::parse(name.trim_end_matches("_ms")).map(|name| name.subject().0);
        let is_of_fleet = !matches!(subject, Some(Subject::Server | Subject::Clients));
        if names.len() < METRICS && is_of_fleet && !names.contains(&name) {
            names.push(name);
        }
    }
    let rows: Vec<Vec<Cell>> = names
        .iter()
        .map(|name| {
            let values = cells
                .iter()
                .take(CELLS)
                .map(|cell| Cell::of_many(name, cell["metrics"][name.as_str()]["median"].as_f64()));
            std::iter::once(Cell::text(name.trim_end_matches("_ms"))).chain(values).collect()
        })
        .collect();
    let columns: Vec<(&str, bool)> = std::iter::once(("metric", true))
        .chain(labels.iter().take(CELLS).map(|label| (label.as_str(), false)))
        .collect();
    page.folded_table("Every metric of the whole fleet: medians over the seeds", &columns, &rows);
}

fn again(page: &mut Page, plan: &Json, summary: &Json) {
    page.again(plan["command"].as_str());
    let text = |document: &Json, key: &str| document[key].as_str().unwrap_or_default().to_string();
    page.note(&format!(
        "digest of all runs {} · version {} · the scenarios below hold whatever --set changed, and run by themselves",
        text(summary, "digest"),
        text(plan, "version")
    ));
    for (number, cell) in plan["cells"].as_array().into_iter().flatten().take(CELLS).enumerate() {
        let toml = covered(cell["scenario_toml"].as_str().unwrap_or_default());
        page.folded_text(
            &format!("The scenario of cell {} with every default, with the first seed", number + 1),
            &toml,
        );
    }
}
