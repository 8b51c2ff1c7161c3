//! What a sweep leaves behind.

use indexmap::IndexMap;
use serde_json::{Map, Value as Json, json};

use super::grid;
use super::journal::{HEADER, ROWS, line};
use super::plan::{Cell, Plan};
use super::row::{Outcome, Row};
use super::seeds::Shard;
use crate::chart::{self, Band, Curve};
use crate::driver::Driver;
use crate::explore::single_run::digest_of;
use crate::metrics::{FaultWindow, Latency, PERCENTILES, Value};
use crate::report::{FORMAT_VERSION, histogram_log, number};
use crate::statistics::{self, Spread};
use crate::text::{csv_cell, pretty};
use crate::time::Timestamp;

/// What a sweep came to.
#[derive(Debug)]
pub struct SweepSummary {
    /// One per cell, in order.
    pub cells: Vec<CellSummary>,
    /// 32 hex digits over the digests of all runs in order.
    pub digest: String,
}

/// What the runs of one cell came to.
#[derive(Debug)]
pub struct CellSummary {
    /// What makes the cell, in a line; empty without a grid.
    pub label: String,
    /// How many runs.
    pub runs: usize,
    /// How many of them finished with every expectation passed.
    pub passed: usize,
    /// Metrics whose expectations broke: in how many runs, and the first seed.
    pub broken: IndexMap<String, (usize, u64)>,
    /// Runs that came to no end, and why.
    pub errors: Vec<(u64, String)>,
    /// Every metric over the runs.
    pub metrics: IndexMap<String, Spread>,
    /// The latencies of all runs together.
    pub merged: IndexMap<String, Latency>,
}

impl CellSummary {
    fn new(label: String, rows: &[Row]) -> CellSummary {
        let mut cell = CellSummary {
            label,
            runs: rows.len(),
            passed: rows.iter().filter(|row| row.passed()).count(),
            broken: IndexMap::new(),
            errors: Vec::new(),
            metrics: IndexMap::new(),
            merged: IndexMap::new(),
        };
        let mut values: IndexMap<&str, Vec<Option<f64>>> = IndexMap::new();
        for row in rows {
            let figures = match &row.outcome {
                Outcome::Finished(figures) => figures,
                Outcome::Error(error) => {
                    cell.errors.push((row.seed, error.clone()));
                    continue;
                }
            };
            for path in &figures.broken {
                cell.broken.entry(path.clone()).or_insert((0, row.seed)).0 += 1;
            }
            for (path, value) in &figures.metrics {
                values.entry(path).or_default().push(*value);
            }
            for (name, totals) in &figures.latencies {
                if let Some(latency) = Latency::restored(totals) {
                    cell.merged.entry(name.clone()).or_default().merge(&latency);
                }
            }
        }
        let spread = |(path, values): (&str, Vec<Option<f64>>)| (path.to_string(), Spread::of(values.into_iter()));
        cell.metrics = values.into_iter().map(spread).collect();
        cell
    }

    fn json(&self, cell: &Cell) -> Json {
        let set: Map<_, _> = cell.set.iter().map(|(path, value)| (path.clone(), json!(value))).collect();
        let broken = self
            .broken
            .iter()
            .map(|(metric, (runs, seed))| json!({ "metric": metric, "runs": runs, "first_seed": seed }));
        let errors = self.errors.iter().map(|(seed, error)| json!({ "seed": seed, "error": error }));
        let spread = |of: &Spread| {
            let mean = of.mean.and_then(|(_, interval)| interval);
            json!({
                "runs": of.runs, "without_value": of.without,
                "min": of.min, "median": of.median, "median_low": of.low, "median_high": of.high,
                "median_coverage": of.coverage, "max": of.max,
                "mean": of.mean.map(|(mean, _)| mean), "mean_low": mean.map(|(low, _)| low),
                "mean_high": mean.map(|(_, high)| high),
            })
        };
        let merged = self.merged.iter().map(|(name, latency)| {
            let mut all = Map::new();
            all.insert("count".into(), json!(latency.count()));
            let mut add = |name: &str, value| drop(all.insert(format!("{name}_ms"), number(Value::Duration(value))));
            add("min", latency.min());
            add("mean", latency.mean());
            for (name, parts) in PERCENTILES {
                add(name, latency.percentile(parts, 10_000));
            }
            add("max", latency.max());
            (name.clone(), Json::Object(all))
        });
        json!({
            "set": set,
            "runs": self.runs,
            "passed": self.passed,
            "broken": broken.collect::<Vec<_>>(),
            "errors": errors.collect::<Vec<_>>(),
            "metrics": self.metrics.iter().map(|(path, of)| (path.clone(), spread(of))).collect::<Map<_, _>>(),
            "merged": merged.collect::<Map<_, _>>(),
        })
    }
}

/// The metrics to show first: those that the scenario expects something of, and those that are shown of every such run; at
/// most so many.
pub fn headline_metrics(plan: &Plan, summary: &SweepSummary, most: usize) -> Vec<String> {
    let known = |path: &str| {
        let with_unit = format!("{path}_ms");
        let metrics = summary.cells.iter().flat_map(|cell| cell.metrics.keys());
        metrics.into_iter().find(|known| **known == path || **known == with_unit).cloned()
    };
    let expected = plan.cells.iter().flat_map(|cell| cell.scenario.expectations().map(|(path, _)| path));
    let (mut shown, of_such): (Vec<String>, Vec<String>) = (Vec::new(), plan.shown());
    for metric in expected.chain(of_such.iter().map(String::as_str)).filter_map(known) {
        if shown.len() < most && !shown.contains(&metric) {
            shown.push(metric);
        }
    }
    shown
}

/// The summary and every file of a sweep whose rows are these. A share has only its rows: `merge` makes the rest.
pub(super) fn of(plan: &Plan, mut rows: Vec<Row>) -> (SweepSummary, Vec<(String, Vec<u8>)>) {
    rows.sort_by_key(|row| (row.cell, row.seed));
    let of_cell = |number: usize| {
        let from = rows.partition_point(|row| row.cell < number);
        &rows[from..from + rows[from..].partition_point(|row| row.cell == number)]
    };
    let digests = rows.iter().map(|row| row.figures().map_or("error", |figures| &figures.digest));
    let cells = plan.cells.iter().enumerate();
    let summary = SweepSummary {
        cells: cells.map(|(number, cell)| CellSummary::new(grid::label(&cell.set), of_cell(number))).collect(),
        digest: digest_of(digests),
    };
    let mut files = vec![(HEADER.to_string(), plan.header().into_bytes())];
    if plan.shard != Shard::WHOLE {
        let lines: String = rows.iter().map(line).collect();
        files.push((ROWS.to_string(), lines.into_bytes()));
        return (summary, files);
    }
    files.push(("summary.json".into(), document(plan, &summary).into_bytes()));
    files.push(("runs.csv".into(), csv(plan, &rows).into_bytes()));
    files.push(("runs.jsonl".into(), jsonl(plan, &rows).into_bytes()));
    let latencies = summary.cells.iter().enumerate().flat_map(|(number, cell)| {
        cell.merged.iter().map(move |(name, latency)| (format!("cell-{number}.{name}"), latency.histogram()))
    });
    let length = plan.cells.first().map_or(crate::time::Nanos::ZERO, |cell| cell.scenario.duration());
    files.push(("latency.hlog".into(), histogram_log(latencies, length).expect("a vector takes whatever is written")));
    let title = plan.cells.first().map_or("", |cell| cell.scenario.title());
    let bands: Vec<Band> = plan
        .cells
        .iter()
        .enumerate()
        .map(|(number, cell)| band(cell, &summary.cells[number].label, of_cell(number)))
        .collect();
    let metric = headline_metrics(plan, &summary, usize::MAX).into_iter().find(|metric| metric.ends_with("_ms"));
    let curves = summary.cells.iter().enumerate().map(|(number, cell)| {
        let value =
            |row: &Row| row.figures().and_then(|figures| figures.metrics.get(metric.as_ref()?).copied().flatten());
        Curve { label: cell.label.clone(), values: of_cell(number).iter().map(value).collect() }
    });
    let name = metric.as_deref().unwrap_or_default().trim_end_matches("_ms");
    let curves: Vec<Curve> = curves.collect();
    files.extend(
        chart::draw_sweep(title, (&bands, &faults(plan)), name, &curves)
            .into_iter()
            .map(|(name, svg)| (name.to_string(), svg.into_bytes())),
    );
    (summary, files)
}

/// When the faults of the scenario's file are on, in any cell.
fn faults(plan: &Plan) -> Vec<FaultWindow> {
    let mut all: Vec<FaultWindow> = Vec::new();
    for fault in plan.cells.iter().flat_map(|cell| cell.scenario.faults_by_origin().0) {
        let from = fault.windows.iter().map(|window| window.begins).min();
        let until =
            fault.windows.iter().map(|window| window.heals).max_by_key(|heals| heals.unwrap_or(Timestamp::NEVER));
        if let Some(from) = from {
            let window = FaultWindow { name: fault.name.clone(), from, until: until.flatten() };
            if !all.contains(&window) {
                all.push(window);
            }
        }
    }
    all
}

/// How many sessions are open over time, over the seeds.
fn band(cell: &Cell, label: &str, rows: &[Row]) -> Band {
    let measure = cell.scenario.measure();
    let interval = measure.interval;
    let open: Vec<&[u32]> = rows.iter().filter_map(|row| Some(&row.figures()?.open[..])).collect();
    let intervals = open.iter().map(|open| open.len()).max().unwrap_or(0);
    let end = Timestamp::ZERO + cell.scenario.duration();
    let at = |number: usize| {
        let counts = open.iter().filter_map(|open| open.get(number).copied()).collect();
        let end = end.min(Timestamp(interval.0.saturating_mul(number as u64 + 1)));
        statistics::range(counts).map(|(least, middle, most)| (end, least, middle, most))
    };
    Band { label: label.to_string(), points: (0..intervals).filter_map(at).collect() }
}

fn document(plan: &Plan, summary: &SweepSummary) -> String {
    let cells: Vec<Json> = summary.cells.iter().zip(&plan.cells).map(|(summary, cell)| summary.json(cell)).collect();
    let document = json!({
        "format_version": FORMAT_VERSION,
        "scenario": plan.name,
        "driver": Driver::Sim.name(),
        "seeds": plan.seeds.to_string(),
        "variant": plan.variant,
        "runs": summary.cells.iter().map(|cell| cell.runs).sum::<usize>(),
        "passed": summary.cells.iter().map(|cell| cell.passed).sum::<usize>(),
        "digest": summary.digest,
        "cells": cells,
    });
    pretty(&document)
}

/// Every metric that any run has, in the order in which they first appear.
fn columns(rows: &[Row]) -> Vec<&str> {
    let mut columns: IndexMap<&str, ()> = IndexMap::new();
    for figures in rows.iter().filter_map(Row::figures) {
        columns.extend(figures.metrics.keys().map(|path| (path.as_str(), ())));
    }
    columns.into_keys().collect()
}

fn csv(plan: &Plan, rows: &[Row]) -> String {
    let columns = columns(rows);
    let axes: Vec<&str> =
        plan.cells.first().into_iter().flat_map(|cell| cell.set.iter().map(|(path, _)| path.as_str())).collect();
    let head =
        ["seed"].into_iter().chain(axes).chain(["digest", "events", "passed", "error"]).chain(columns.iter().copied());
    let mut text = head.map(csv_cell).collect::<Vec<_>>().join(",");
    text.push('\n');
    for row in rows {
        let mut cells = vec![row.seed.to_string()];
        cells.extend(plan.cells[row.cell].set.iter().map(|(_, value)| csv_cell(value).into_owned()));
        match &row.outcome {
            Outcome::Finished(figures) => {
                cells.extend([
                    figures.digest.clone(),
                    figures.events.to_string(),
                    row.passed().to_string(),
                    String::new(),
                ]);
                let value = |path: &&str| figures.metrics.get(*path).copied().flatten();
                cells.extend(columns.iter().map(|path| value(path).map_or(String::new(), |value| value.to_string())));
            }
            Outcome::Error(error) => {
                cells.extend([String::new(), String::new(), "false".into(), csv_cell(error.trim_end()).into_owned()]);
                cells.extend(columns.iter().map(|_| String::new()));
            }
        }
        text.push_str(&cells.join(","));
        text.push('\n');
    }
    text
}

fn jsonl(plan: &Plan, rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let set: Map<_, _> =
            plan.cells[row.cell].set.iter().map(|(path, value)| (path.clone(), json!(value))).collect();
        let line = match &row.outcome {
            Outcome::Finished(figures) => json!({
                "seed": row.seed, "set": set, "digest": figures.digest, "events": figures.events,
                "passed": row.passed(), "broken": figures.broken, "metrics": figures.metrics,
            }),
            Outcome::Error(error) => json!({ "seed": row.seed, "set": set, "passed": false, "error": error }),
        };
        text.push_str(&line.to_string());
        text.push('\n');
    }
    text
}
