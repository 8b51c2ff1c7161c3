//! Finished runs and sweeps, read from their folders so that they can be compared without being run again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value as Json};

use super::compare::{AS_WRITTEN, unmeasured};
use super::difference;
use super::single_run::file_name;
use super::sweep::label;
use crate::driver::Driver;
use crate::metrics::{FaultWindow, Metric, MetricName, Summary, Unit, Value};
use crate::report::compared::{LATENCIES, Lines, Part, Row, Run};
use crate::report::{of_all_groups, read_histogram_log};
use crate::scenario::{Overrides, Secrets};
use crate::time::{Nanos, Timestamp};

/// Why a folder can't be compared.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", folder.display())]
pub struct RecordedError {
    /// The folder.
    pub folder: PathBuf,
    /// What is wrong with it.
    pub what: String,
}

/// A folder of a finished run or sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    /// What its choice is called; folders of one name are one choice.
    pub name: Option<String>,
    /// Where it is.
    pub path: PathBuf,
}

/// The runs of folders: those of one scenario that differ in nothing but their seed, or in nothing at all where they are
/// live, are one row. Metrics are all those that the folders have; what a comparison does not show is left out by it.
///
/// # Errors
/// [`RecordedError`] for the first folder that holds neither a run nor a sweep.
pub fn recorded(folders: &[Folder]) -> Result<Vec<Part>, RecordedError> {
    let mut parts: Vec<Part> = Vec::new();
    for Folder { name, path } in folders {
        let failed = |what: String| RecordedError { folder: path.clone(), what };
        for (scenario, title, mut row) in read(path).map_err(failed)? {
            if let Some(name) = name {
                row.name.clone_from(name);
            }
            let at = parts.iter().position(|part| part.scenario == scenario).unwrap_or_else(|| {
                parts.push(Part { scenario: scenario.clone(), title, metrics: Vec::new(), rows: Vec::new() });
                parts.len() - 1
            });
            let rows = &mut parts[at].rows;
            let alike = |other: &&mut Row| match name {
                Some(name) => other.name == *name,
                None => other.driver == row.driver && seedless(other) == seedless(&row),
            };
            match rows.iter_mut().find(alike) {
                Some(other) => extend(other, row),
                None => rows.push(row),
            }
        }
    }
    // Two real runs and nothing else: they are what is to be compared.
    if let [part] = &parts[..]
        && let [row] = &part.rows[..]
        && !row.driver.is_virtual()
        && folders.len() > 1
        && folders.iter().all(|folder| folder.name.is_none())
    {
        let called = |Folder { path, .. }: &Folder| Folder { name: Some(file_name(path)), path: path.clone() };
        return recorded(&folders.iter().map(called).collect::<Vec<_>>());
    }
    for row in parts.iter_mut().flat_map(|part| &mut part.rows) {
        row.runs.sort_by_key(|run| run.seed);
    }
    for part in &mut parts {
        name_apart(&mut part.rows);
    }
    Ok(parts)
}

/// Runs of a row that is there. The same run from two folders is one; live ones, which have no digest, are two.
fn extend(row: &mut Row, other: Row) {
    let known = |run: &Run| {
        !run.digest.is_empty() && row.runs.iter().any(|own| own.seed == run.seed && own.digest == run.digest)
    };
    let fresh: Vec<Run> = other.runs.into_iter().filter(|run| !known(run)).collect();
    match (&mut row.lines, other.lines) {
        _ if fresh.is_empty() => {}
        (Some(lines), Some(more)) => lines.absorb(more),
        // What has no lines can't be drawn beside what has.
        (lines, _) => *lines = None,
    }
    row.runs.extend(fresh);
}

/// The resolved scenario without its seed.
fn seedless(row: &Row) -> String {
    row.resolved.lines().filter(|line| !line.starts_with("seed = ")).collect::<Vec<_>>().join("\n")
}

/// Gives rows of one name the driver, or a number, that tells them apart.
fn name_apart(rows: &mut [Row]) {
    let names: Vec<String> = rows.iter().map(|row| row.name.clone()).collect();
    let drivers: Vec<Driver> = rows.iter().map(|row| row.driver).collect();
    for (number, row) in rows.iter_mut().enumerate() {
        let alike = || (0..names.len()).filter(|other| names[*other] == names[number]);
        if alike().count() == 1 {
            continue;
        }
        if alike().filter(|other| drivers[*other] == drivers[number]).count() == 1 {
            row.name = format!("{} ({})", row.name, row.driver);
        } else {
            let place = alike().filter(|other| *other < number).count() + 1;
            row.name = format!("{} #{place}", row.name);
        }
    }
}

fn read(folder: &Path) -> Result<Vec<(String, String, Row)>, String> {
    let (text, json) = (|name: &str| difference::text(folder, name), |name: &str| difference::document(folder, name));
    if folder.join("run.json").exists() {
        let header = json("run.json")?;
        let summary = json("summary.json")?;
        let (scenario, title, row) = run(&header, &summary)?;
        let mut lines = lines(&summary, &text("series.csv")?, &text("latency.hlog")?)?;
        lines.faults = faults(&header);
        return Ok(vec![(scenario, title, Row { lines: Some(lines), ..row })]);
    }
    if folder.join("sweep.json").exists() && folder.join("runs.jsonl").exists() {
        return sweep(&json("sweep.json")?, &text("runs.jsonl")?);
    }
    Err("no finished run (run.json, summary.json) and no finished sweep (sweep.json, runs.jsonl)".into())
}

fn string(document: &Json, key: &str) -> Result<String, String> {
    document[key].as_str().map(String::from).ok_or_else(|| format!("no `{key}`"))
}

fn run(header: &Json, summary: &Json) -> Result<(String, String, Row), String> {
    if header["partial"] == true {
        return Err("an interrupted run: what it measured depends on where it ended".into());
    }
    let (name, resolved) = (string(header, "scenario")?, string(header, "scenario_toml")?);
    let driver = string(header, "driver")?;
    let driver = Driver::named(&driver).ok_or_else(|| format!("no driver is called {driver:?}"))?;
    let seed = header["seed"].as_u64().ok_or("no `seed`")?;
    let variant = header["variant"].as_str().map(String::from);
    let kinds = kinds(&name, &resolved)?;
    let mut flat = Map::new();
    flatten("", summary, &mut flat);
    let digest = header["digest"].as_str().unwrap_or_default().to_string();
    let row = Row {
        name: variant.clone().unwrap_or_else(|| AS_WRITTEN.into()),
        variant,
        resolved,
        driver,
        runs: vec![values(seed, digest, &kinds, &flat)],
        errors: Vec::new(),
        lines: None,
    };
    Ok((name, string(header, "title")?, row))
}

/// When a recorded run's faults were on.
fn faults(header: &Json) -> Vec<FaultWindow> {
    let at = |ms: f64| Timestamp((ms * 1e6 + 0.5) as u64);
    let window = |fault: &Json| {
        let name = fault["name"].as_str()?.to_string();
        Some(FaultWindow { name, from: at(fault["from_ms"].as_f64()?), until: fault["until_ms"].as_f64().map(at) })
    };
    header["faults"].as_array().into_iter().flatten().filter_map(window).collect()
}

/// What a run's lines are drawn from: its series, and its latencies, whose unfinished values the summary counts.
fn lines(summary: &Json, series: &str, log: &str) -> Result<Lines, String> {
    let mut rows = series.lines().map(|line| line.split(','));
    let column = rows.next().and_then(|mut header| header.position(|name| name == "sessions.open"));
    let column = column.ok_or("series.csv: no column `sessions.open`")?;
    let mut lines = Lines { open: vec![Vec::new()], ..Lines::default() };
    for (number, row) in rows.enumerate() {
        let cells: Vec<&str> = row.collect();
        let ms = cells.first().and_then(|cell| cell.parse::<f64>().ok());
        let open = cells.get(column).and_then(|cell| cell.parse().ok());
        let (Some(ms), Some(open)) = (ms, open) else { return Err(format!("series.csv:{}: no numbers", number + 2)) };
        lines.ends.push(Timestamp((ms * 1e6 + 0.5) as u64));
        lines.open[0].push(open);
    }
    let log = read_histogram_log(log.as_bytes()).map_err(|what| format!("latency.hlog: {what}"))?;
    lines.latencies = LATENCIES
        .into_iter()
        .map(|name| {
            let count = summary[name]["count"].as_u64().unwrap_or(0);
            (name.to_string(), of_all_groups(&log, name, count))
        })
        .collect::<BTreeMap<_, _>>();
    Ok(lines)
}

fn sweep(header: &Json, rows: &str) -> Result<Vec<(String, String, Row)>, String> {
    let (name, title) = (string(header, "scenario")?, string(header, "title")?);
    let variant = header["variant"].as_str().map(String::from);
    let mut cells = Vec::new();
    for cell in header["cells"].as_array().ok_or("no `cells`")? {
        let resolved = string(cell, "scenario_toml")?;
        let set = cell["set"].as_object().cloned().unwrap_or_default();
        let labels: Vec<(String, String)> =
            set.iter().map(|(path, value)| (path.clone(), value.as_str().unwrap_or_default().to_string())).collect();
        let base = variant.clone().unwrap_or_else(|| AS_WRITTEN.into());
        let row_name = if set.is_empty() { base } else { label(&labels) };
        let kinds = kinds(&name, &resolved)?;
        let row = Row {
            name: row_name,
            variant: variant.clone(),
            resolved,
            driver: Driver::Sim,
            runs: Vec::new(),
            errors: Vec::new(),
            lines: None,
        };
        cells.push((set, kinds, row));
    }
    for (number, line) in rows.lines().enumerate() {
        let row: Json = serde_json::from_str(line).map_err(|error| format!("runs.jsonl:{}: {error}", number + 1))?;
        // A seed with which the scenario is impossible has no figures.
        let (Some(metrics), Some(seed)) = (row["metrics"].as_object(), row["seed"].as_u64()) else { continue };
        let set = row["set"].as_object().cloned().unwrap_or_default();
        let found = cells.iter_mut().find(|(own, ..)| *own == set);
        let (_, kinds, own) = found.ok_or_else(|| format!("runs.jsonl:{}: of no cell", number + 1))?;
        own.runs.push(values(seed, string(&row, "digest")?, kinds, metrics));
    }
    Ok(cells.into_iter().map(|(_, _, row)| (name.clone(), title.clone(), row)).collect())
}

/// The names of a scenario's metrics, which say what a number is the number of.
fn kinds(name: &str, resolved: &str) -> Result<Vec<MetricName>, String> {
    let overrides = Overrides { secrets: Secrets::Unneeded, ..Overrides::default() };
    let scenario =
        crate::scenario::load("scenario_toml", name, resolved, &overrides).map_err(|problem| problem.to_string())?;
    Ok(scenario.metrics().metrics.into_iter().map(|metric| metric.name).collect())
}

/// Every leaf of a summary under its path.
fn flatten(path: &str, value: &Json, all: &mut Map<String, Json>) {
    match value.as_object() {
        Some(table) => {
            for (key, value) in table {
                flatten(&if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, value, all);
            }
        }
        None => drop(all.insert(path.to_string(), value.clone())),
    }
}

/// A run's values: every metric that it has.
fn values(seed: u64, digest: String, names: &[MetricName], numbers: &Map<String, Json>) -> Run {
    // A sweep writes all its numbers as fractions.
    let count = |path: &str| numbers.get(path).and_then(Json::as_f64).map(|count| count as u64);
    let value = |name: &MetricName| {
        let path = name.as_str();
        let value = match name.unit() {
            Unit::Duration | Unit::Latency => {
                let ms = numbers.get(&name.with_unit())?;
                Value::Duration(ms.as_f64().map(|ms| Nanos((ms * 1e6 + 0.5) as u64)))
            }
            Unit::Count => Value::Count(count(path)?),
            Unit::Part(_) => match name.whole().and_then(|whole| count(whole.as_str())) {
                Some(of) => Value::Part { count: count(path)?, of },
                None => Value::Count(count(path)?),
            },
            Unit::Ratio => Value::Ratio(numbers.get(path)?.as_f64()),
        };
        Some(Metric { name: name.clone(), value })
    };
    let summary = Summary { metrics: names.iter().filter_map(value).collect() };
    let values: Vec<(String, Value)> =
        summary.metrics.iter().map(|metric| (metric.name.as_str().to_string(), metric.value)).collect();
    let unmeasured = unmeasured(&values, &summary);
    Run { seed, digest, values, unmeasured }
}
