//! One run in every form: text, JSON, CSV, `[expect]`, `--slo`, a comparison, a sweep and the pages say the same of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value as Json;
use shakedown::metrics::{MetricName, Summary, Value};
use shakedown::report::shown;

use crate::common::{loaded, names, ran, simulate, text};
use crate::measures::CRASH;

/// Measures of a fault, of balance, of peaks, of phases; shares, times, counts and ratios.
const METRICS: [&str; 17] = [
    "faults.dies.affected",
    "faults.dies.recovery_time",
    "faults.dies.lost_time",
    "faults.dies.down_max",
    "faults.dies.first_loss",
    "faults.dies.peak_arrivals.max",
    "faults.dies.peak_arrivals.gateway-1",
    "servers.gateway.balance.at_end",
    "servers.gateway-1.arrivals.peak",
    "servers.gateway-2.utilisation.peak",
    "attempts.peak",
    "attempts.pending",
    "sessions.open_at_end",
    "availability.mean",
    "faults.dies.during.attempts.failed",
    "faults.dies.after.availability.mean",
    "phases.late.attempt_latency.p50",
];

/// As JSON and CSV have it.
fn number(value: Value) -> f64 {
    match value {
        Value::Duration(length) => length.unwrap().as_millis_f64(),
        Value::Count(count) | Value::Part { count, .. } => count as f64,
        Value::Ratio(ratio) => ratio.unwrap(),
    }
}

/// The bound that it just meets, and one that it just misses.
fn bounds(value: Value) -> (String, String) {
    match value {
        Value::Duration(length) => {
            let ns = length.unwrap().0;
            // Nothing is shorter than no time at all.
            (format!("<= {ns}ns"), if ns == 0 { "> 0ns".into() } else { format!("<= {}ns", ns - 1) })
        }
        // More than there are is refused before the run.
        Value::Count(count) | Value::Part { count, .. } if count > 0 => (format!("== {count}"), format!("< {count}")),
        Value::Count(_) | Value::Part { .. } => ("== 0".into(), "> 0".into()),
        Value::Ratio(ratio) => {
            let percent = ratio.unwrap() * 100.0;
            (format!("<= {}%", (percent + 1e-9).min(100.0)), format!("<= {}%", percent - 1e-9))
        }
    }
}

fn document(folder: &Path, file: &str) -> Json {
    serde_json::from_str(&fs::read_to_string(folder.join(file)).unwrap()).unwrap()
}

fn made(place: &Path, args: &[&str]) -> String {
    let output = ran(place, args);
    assert!(output.status.success(), "{args:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// The scenario's measures, and a folder with its file.
fn measured() -> (Summary, tempfile::TempDir) {
    let (_, measured) = simulate(&loaded(CRASH));
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("crash.toml"), CRASH).unwrap();
    (measured.summary, place)
}

fn with_unit(path: &str) -> String {
    MetricName::parse(path).unwrap_or_else(|| panic!("{path}")).with_unit()
}

#[test]
fn every_form_of_a_run_has_the_same_value() {
    let (summary, place) = measured();
    let place = place.path();
    let value = |path: &str| summary.get(path).unwrap_or_else(|| panic!("{path}"));
    let printed = made(place, &["run", "crash.toml", "--out", "run", "--verbose"]);
    let seed = loaded(CRASH).seed().0.to_string();
    let seeds = format!("{seed}..{}", loaded(CRASH).seed().0 + 1);
    // JSON, CSV.
    let json = document(&place.join("run"), "summary.json");
    let csv = made(place, &["report", "run", "--format", "csv"]);
    let csv: BTreeMap<&str, &str> = csv.lines().filter_map(|line| line.rsplit_once(',')).collect();
    // A sweep of this one seed: its table, its figures, its page.
    made(place, &["sweep", "crash.toml", "--seeds", &seeds, "--out", "sweep"]);
    let sweep = document(&place.join("sweep"), "summary.json");
    let rows = fs::read_to_string(place.join("sweep/runs.csv")).unwrap();
    let (head, row) = rows.split_once('\n').unwrap();
    let row: BTreeMap<&str, &str> = head.split(',').zip(row.trim_end().split(',')).collect();
    // A comparison.
    let metrics: Vec<&str> = METRICS.iter().flat_map(|path| ["--metric", path]).collect();
    made(place, &[&["compare", "crash.toml", "--seeds", &seeds, "--out", "compare"], &metrics[..]].concat());
    let compare = document(&place.join("compare"), "compare.json");
    for path in METRICS {
        let (number, unit) = (number(value(path)), with_unit(path));
        let pointer = format!("/{}", unit.replace('.', "/"));
        assert_eq!(json.pointer(&pointer).and_then(Json::as_f64), Some(number), "{path}");
        let parsed = |cell: Option<&&str>| cell.unwrap_or_else(|| panic!("{unit}")).parse::<f64>().ok();
        assert_eq!(parsed(csv.get(&*unit)), Some(number), "{path}");
        assert_eq!(parsed(row.get(&*unit)), Some(number), "{path}");
        assert_eq!(sweep["cells"][0]["metrics"][&unit]["median"].as_f64(), Some(number), "{path}");
        let own = &compare["parts"][0]["rows"][0]["runs"][0]["values"][path];
        let found = ["ms", "count", "ratio"].iter().find_map(|key| own[key].as_f64());
        assert_eq!(found, Some(number), "{path}: {own}");
        if let Value::Part { of, .. } = value(path) {
            assert_eq!(own["of"], of, "{path}");
        }
    }
    // `[expect]`: each bound that it meets, and each that it misses.
    let expect = |which: fn((String, String)) -> String| {
        let bounds = METRICS.map(|path| format!("\"{path}\" = \"{}\"\n", which(bounds(value(path)))));
        fs::write(place.join("expect.toml"), format!("{CRASH}[expect]\n{}", bounds.concat())).unwrap();
        ran(place, &["run", "expect.toml", "--out", "expect"])
    };
    let held = expect(|(meets, _)| meets);
    assert!(held.status.success(), "{}{}", text(&held.stdout), text(&held.stderr));
    let output = expect(|(_, misses)| misses);
    let failed = text(&output.stdout);
    assert_eq!(failed.matches("FAILED  ").count(), METRICS.len(), "{failed}{}", text(&output.stderr));
    for path in METRICS {
        assert!(failed.contains(&format!("(measured {})", shown(value(path)))), "{path}: {failed}");
    }
    // `--slo`, which has the numbers of the bound.
    let slo: Vec<String> = METRICS.iter().map(|path| format!("{path} {}", bounds(value(path)).0)).collect();
    let slo: Vec<&str> = slo.iter().flat_map(|slo| ["--slo", slo]).collect();
    let vary = ["--vary", "clients.players.count", "--from", "300", "--to", "301", "--seeds", &seeds];
    ran(place, &[&["capacity", "crash.toml", "--out", "capacity"], &vary[..], &slo].concat());
    let capacity = document(&place.join("capacity"), "capacity.json");
    let point = capacity["points"].as_array().unwrap().iter().find(|point| point["value"] == 300.0).unwrap();
    let objectives = capacity["question"]["slo"].as_array().unwrap();
    for path in METRICS {
        let at = objectives.iter().position(|objective| objective["metric"] == path).unwrap();
        assert_eq!(point["measured"][at].as_f64(), Some(number(value(path))), "{path}");
    }
    // For readers: the text of a run, and the pages.
    let page = |folder: &str| fs::read_to_string(place.join(folder).join("report.html")).unwrap();
    let (run, sweep, compare) = (page("run"), page("sweep"), page("compare"));
    for metric in ["recovery_time", "lost_time", "peak_arrivals.max", "affected"] {
        let shown = shown(value(&format!("faults.dies.{metric}")));
        // Pages have the share of a part in a tile of its own.
        let plain = shown.split(" (").next().unwrap();
        assert!(printed.contains(&shown), "{metric} {shown}: {printed}");
        assert!(run.contains(plain) && compare.contains(plain), "{metric} {plain}");
        assert!(metric == "affected" || sweep.contains(plain), "{metric} {plain}");
    }
    let balance = shown(value("servers.gateway.balance.at_end"));
    let all = [("printed", &printed), ("run", &run), ("sweep", &sweep), ("compare", &compare)];
    let lacks = all.map(|(name, text)| (name, text.contains(&balance)));
    assert!(lacks.iter().all(|(_, has)| *has), "{balance}: {lacks:?}");
}

/// With a fault in the scenario a comparison ranks by the time that it costs, and shows recovery, load and balance, unasked; so
/// does a sweep. No table is wider than a terminal.
#[test]
fn what_a_fault_does_is_shown_unasked() {
    let (_, place) = measured();
    let place = place.path();
    let grid = ["--grid", "clients.players.retry.policy=full-jitter,fixed"];
    let unasked = [
        "faults.dies.lost_time",
        "faults.dies.recovery_time",
        "faults.dies.peak_arrivals.max",
        "servers.gateway.balance.at_end",
    ];
    let compared = made(
        place,
        &[&["compare", "crash.toml", "--seeds", "0..4", "--out", "compare", "--verbose"], &grid[..]].concat(),
    );
    let compare = document(&place.join("compare"), "compare.json");
    assert_eq!(compare["league"]["by"]["metric"], unasked[0]);
    let metrics: Vec<&str> = compare["metrics"].as_array().unwrap().iter().filter_map(Json::as_str).collect();
    assert_eq!(metrics[..unasked.len()], unasked);
    let swept =
        made(place, &[&["sweep", "crash.toml", "--seeds", "0..4", "--out", "sweep", "--verbose"], &grid[..]].concat());
    let page = fs::read_to_string(place.join("sweep/report.html")).unwrap();
    for metric in unasked {
        assert!(compared.contains(metric) && swept.contains(metric) && page.contains(metric), "{metric}");
    }
    let page = fs::read_to_string(place.join("sweep/runs.csv")).unwrap();
    for phase in ["faults.dies.before.", "faults.dies.during.", "faults.dies.after.", "phases.ramp.", "phases.late."] {
        assert!(page.lines().next().unwrap().contains(&format!(",{phase}attempts.failed,")), "{phase}");
    }
    let overload = "format = 1\ntitle = \"Load\"\nduration = \"8s\"\n[servers.gateway]\nworkers = 1\n\
                    service_time = { exponential = { mean = \"20ms\" } }\n[clients.players]\ncount = 100\n\
                    arrive = { poisson = { rate = \"20/s\" } }\nendpoints = [\"gateway\"]\n[measure]\nuntil = \"7s\"\n";
    fs::write(place.join("load.toml"), overload).unwrap();
    let found = made(
        place,
        &[
            "capacity",
            "load.toml",
            "--verbose",
            "--vary",
            "clients.players.arrive.rate",
            "--slo",
            "handshake_latency.p99 < 250ms",
            "--from",
            "5/s",
            "--to",
            "80/s",
            "--tolerance",
            "20%",
            "--seeds",
            "2",
            "--out",
            "capacity",
        ],
    );
    // Tables alone: sentences and paths of folders are as long as they are.
    let is_table = |line: &&str| line.starts_with(' ') || line.contains("  ");
    for text in [compared, swept, found] {
        let lines: Vec<&str> = text.lines().filter(is_table).collect();
        assert!(lines.len() > 3, "{text}");
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{text}");
    }
    assert!(names(place).contains(&"capacity".to_string()));
}

/// `shakedown metrics` lists what runs of the scenario have, and a name that is none has the nearest.
#[test]
fn the_metrics_of_a_scenario_are_listed_and_unknown_ones_have_the_nearest() {
    let (summary, place) = measured();
    let place = place.path();
    let listed: Json = serde_json::from_str(&made(place, &["metrics", "crash.toml", "--format", "json"])).unwrap();
    let listed: Vec<&String> = listed["metrics"].as_object().unwrap().keys().collect();
    let all: Vec<&str> = summary.names().map(MetricName::as_str).collect();
    assert_eq!(listed, all);
    let printed = made(place, &["metrics", "crash.toml"]);
    for path in METRICS.iter().filter(|path| !path.contains(".after.") && !path.contains(".during.")) {
        let name = MetricName::parse(path).unwrap();
        let path = name.latency().map_or(path.to_string(), |latency| format!("{latency}.STATISTIC"));
        let path = path.strip_prefix("phases.late.").unwrap_or(&path);
        assert!(printed.contains(&format!("\n  {path}  (")), "{path}: {printed}");
    }
    assert!(printed.contains("faults.dies.during.") && printed.contains("phases.late."), "{printed}");
    assert!(made(place, &["metrics"]).contains("\n  lost_time  (time (_ms); lower is better)\n"));
    let table: Json = serde_json::from_str(&made(place, &["metrics", "--format", "json"])).unwrap();
    assert_eq!(table["metrics"]["faults.NAME.lost_time"]["unit"], "ms");
    // Wherever one can be named.
    fs::write(place.join("wrong.toml"), format!("{CRASH}[expect]\n\"faults.dies.lost_tim\" = \"< 1s\"\n")).unwrap();
    let vary = ["--vary", "clients.players.count"];
    let wrong: [&[&str]; 5] = [
        &["run", "wrong.toml"],
        &["compare", "crash.toml", "--by", "faults.dies.lost_tim"],
        &["compare", "crash.toml", "--metric", "faults.dies.lost_tim"],
        &[&["capacity", "crash.toml", "--slo", "faults.dies.lost_tim < 1s"], &vary[..]].concat(),
        &["capacity", "crash.toml", "--slo", "faults.dies.lost_time < 1s", "--vary", "clients.players.coun"],
    ];
    for args in wrong {
        let output = ran(place, args);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {told}");
        let near =
            if args.contains(&"clients.players.coun") { "the nearest is `count`" } else { "`faults.dies.lost_time`" };
        assert!(told.contains(near), "{args:?}: {told}");
    }
}
