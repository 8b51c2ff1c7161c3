//! A run for other programs, made from its recorded files: Markdown for a comment, CSV for a spreadsheet, test cases for
//! a CI job, OpenMetrics text for a time-series database.

use std::fmt::Write;

use serde_json::Value as Json;

use super::junit::{Case, Outcome, Suite};
use super::page::{Cell, PageError, Recorded, margin};
use crate::text::{Table, csv_cell, label, markdown as escape};

/// What is recorded of a run.
struct Run {
    run: Json,
    summary: Json,
}

impl Run {
    fn read(files: Recorded<'_>) -> Result<Run, PageError> {
        Ok(Run { run: files.json("run.json")?, summary: files.json("summary.json")? })
    }

    fn text(&self, key: &str) -> &str {
        self.run[key].as_str().unwrap_or_default()
    }

    fn list(&self, key: &str) -> impl Iterator<Item = &Json> {
        self.summary[key].as_array().into_iter().flatten()
    }

    /// Every metric by its path, which ends in its unit.
    fn metrics(&self) -> Vec<(String, &Json)> {
        fn leaves<'a>(path: &str, value: &'a Json, found: &mut Vec<(String, &'a Json)>) {
            match value.as_object() {
                Some(object) => object.iter().for_each(|(key, value)| leaves(&format!("{path}.{key}"), value, found)),
                None => found.push((path.to_string(), value)),
            }
        }
        let mut found = Vec::new();
        let all = self.summary.as_object().into_iter().flatten();
        all.filter(|(_, value)| value.is_object()).for_each(|(key, value)| leaves(key, value, &mut found));
        found
    }

    fn value(&self, path: &str) -> Option<(String, &Json)> {
        let with_unit = format!("{path}_ms");
        let mut known = self.metrics().into_iter();
        known.find(|(own, _)| own == path || *own == with_unit)
    }

    /// What was measured where something was expected.
    fn measured(&self, expectation: &Json) -> String {
        let path = expectation["metric"].as_str().unwrap_or_default();
        let name = self.value(path).map_or(path.to_string(), |(name, _)| name);
        Cell::metric(&name, &expectation["measured"]).text
    }
}

/// For a comment on a pull request: verdict, expectations, and the figures that matter most.
///
/// # Errors
/// When the run's files are missing, or are none.
pub fn markdown(files: Recorded<'_>) -> Result<String, PageError> {
    let run = Run::read(files)?;
    // A table's cells; what stands elsewhere may not look like one.
    let cell = |text: &str| text.replace('<', "&lt;").replace(['\n', '\r'], " ");
    let broken =
        run.list("expectations").filter(|one| one["passed"] != true).count() + run.list("invariants_broken").count();
    let mark = if run.run["partial"] == true {
        "interrupted"
    } else if broken > 0 {
        "**FAILED**"
    } else {
        "passed"
    };
    let mut text = format!("### {}: {mark}\n\n", escape(run.text("title")));
    let _ = write!(text, "`{}` · seed {} · driver {}", run.text("scenario"), run.run["seed"], run.text("driver"));
    if let Some(variant) = run.run["variant"].as_str() {
        let _ = write!(text, " · variant `{variant}`");
    }
    if let Some(digest) = run.run["digest"].as_str() {
        let _ = write!(text, " · digest `{digest}`");
    }
    text.push_str("\n\n");
    let verdict = run.text("verdict");
    if !verdict.is_empty() {
        let _ = writeln!(text, "{}\n", escape(verdict));
    }
    for one in run.list("invariants_broken") {
        let part = |key: &str| escape(one[key].as_str().unwrap_or_default());
        let _ = writeln!(text, "- **FAILED** {}: {} {}", part("invariant"), part("what"), part("session"));
    }
    if run.list("invariants_broken").next().is_some() {
        text.push('\n');
    }
    if run.list("expectations").next().is_some() {
        let mut table = Table::new(3, ["", "metric", "expected", "measured", "margin"]);
        for one in run.list("expectations") {
            let word = if one["passed"] == true { "passed" } else { "**FAILED**" };
            let part = |key: &str| one[key].as_str().unwrap_or_default();
            let (measured, margin) = (run.measured(one), margin(one, &run.summary));
            table.row([word.into(), cell(part("metric")), cell(part("expected")), measured, margin]);
        }
        text += &table.markdown();
        text.push('\n');
    }
    let mut table = Table::new(1, ["metric", "value"]);
    let usual = [
        "sessions.scheduled",
        "sessions.opened",
        "sessions.open_at_end",
        "availability.mean",
        "attempts.total",
        "attempts.failed",
        "handshake_latency.p50",
        "handshake_latency.p99",
        "time_to_open.p50",
        "time_to_open.p99",
        "outage.p99",
    ];
    let faults = run.summary["faults"].as_object().into_iter().flat_map(|all| all.keys());
    let of_faults = faults.flat_map(|fault| {
        let metrics = ["affected", "recovery_time", "lost_time", "peak_arrivals.max"];
        metrics.map(|metric| format!("faults.{fault}.{metric}"))
    });
    let groups = run.summary["servers"].as_object().into_iter().flatten();
    let balanced = groups.filter(|(_, group)| group.get("balance").is_some());
    let balances = balanced.map(|(name, _)| format!("servers.{name}.balance.at_end"));
    for path in usual.into_iter().map(String::from).chain(of_faults).chain(balances) {
        if let Some((name, value)) = run.value(&path) {
            let text = Cell::metric(&name, value).text;
            table.row([path, text]);
        }
    }
    Ok(text + &table.markdown())
}

/// Two columns: every metric by its path, which ends in its unit, and its value; empty where there is none.
///
/// # Errors
/// When the run's files are missing, or are none.
pub fn csv(files: Recorded<'_>) -> Result<String, PageError> {
    let run = Run::read(files)?;
    let mut text = String::from("metric,value\n");
    for (path, value) in run.metrics() {
        let value = if value.is_null() { String::new() } else { value.to_string() };
        let _ = writeln!(text, "{},{value}", csv_cell(&path));
    }
    Ok(text)
}

/// The suite as JUnit XML.
///
/// # Errors
/// When the run's files are missing, or are none.
pub fn junit(files: Recorded<'_>) -> Result<String, PageError> {
    suite(files).map(|suite| suite.xml())
}

/// Expectations and invariants as test cases, those that failed as failures.
///
/// # Errors
/// When the run's files are missing, or are none.
pub fn suite(files: Recorded<'_>) -> Result<Suite, PageError> {
    let run = Run::read(files)?;
    let part = |one: &Json, key: &str| one[key].as_str().unwrap_or_default().to_string();
    let mut cases = Vec::new();
    for one in run.list("expectations") {
        let name = format!("{} {}", part(one, "metric"), part(one, "expected"));
        let outcome = match one["passed"] == true {
            true => Outcome::Passed,
            false => {
                let measured = format!("measured {}", run.measured(one));
                Outcome::Failed { kind: "expectation", text: format!("{name}: {measured}"), message: measured }
            }
        };
        cases.push(Case { name, outcome });
    }
    let said = |one: &Json| format!("{}: {} {}", part(one, "invariant"), part(one, "what"), part(one, "session"));
    let broken: Vec<String> = run.list("invariants_broken").map(said).collect();
    let outcome = match broken.len() {
        0 => Outcome::Passed,
        count => Outcome::Failed { kind: "invariant", message: format!("{count} violated"), text: broken.join("\n") },
    };
    cases.push(Case { name: "invariants".into(), outcome });
    if run.run["partial"] == true {
        let outcome = Outcome::Failed {
            kind: "partial",
            message: "interrupted".into(),
            text: "interrupted before its end".into(),
        };
        cases.push(Case { name: "run to the end".into(), outcome });
    }
    let known = ["verdict", "seed", "driver", "variant", "digest", "version"].into_iter();
    let known = known.map(|key| (key, &run.run[key])).filter(|(_, value)| !value.is_null());
    let properties = known.map(|(key, value)| (key.into(), value.as_str().map_or(value.to_string(), str::to_string)));
    Ok(Suite { name: run.text("scenario").into(), properties: properties.collect(), cases })
}

/// The series as OpenMetrics 1.0 text: gauges, with the run's own time as timestamps, which begin at 0.
///
/// # Errors
/// When the run's files are missing, or are none.
pub fn openmetrics(files: Recorded<'_>) -> Result<String, PageError> {
    let run = Run::read(files)?;
    let series = files.text("series.csv")?;
    let mut lines = series.lines();
    let head: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    let common = format!("scenario=\"{}\",seed=\"{}\"", label(run.text("scenario")), run.run["seed"]);
    // A metric family's samples stand together, and a family has one name.
    let mut families: Vec<Family> = Vec::new();
    for (column, name) in head.iter().enumerate().skip(1) {
        let (family, unit, own) = family(name);
        let labels = if own.is_empty() { common.clone() } else { format!("{common},{own}") };
        match families.iter_mut().find(|known| known.name == family) {
            Some(known) => known.columns.push((labels, column)),
            None => families.push(Family { name: family, unit, columns: vec![(labels, column)] }),
        }
    }
    let mut text = String::new();
    for Family { name: family, unit, columns } in families {
        let _ = writeln!(text, "# TYPE {family} gauge");
        if !unit.is_empty() {
            let _ = writeln!(text, "# UNIT {family} {unit}");
        }
        for (labels, column) in columns {
            for row in &rows {
                let (Some(at), Some(value)) = (row[0].parse::<f64>().ok(), row.get(column)) else { continue };
                if value.is_empty() {
                    continue;
                }
                let value = match (unit, value.parse::<f64>()) {
                    ("seconds", Ok(ms)) => (ms / 1e3).to_string(),
                    _ => value.to_string(),
                };
                let _ = writeln!(text, "{family}{{{labels}}} {value} {}", at / 1e3);
            }
        }
    }
    text.push_str("# EOF\n");
    Ok(text)
}

/// A metric family: its name, its unit, and its samples' labels with the columns that they are from.
struct Family {
    name: String,
    unit: &'static str,
    columns: Vec<(String, usize)>,
}

/// A column's metric family, its unit, and the labels that tell it from the family's others.
fn family(column: &str) -> (String, &'static str, String) {
    let plain = |text: &str| text.replace(['.', '-'], "_");
    if let Some((server, metric)) = column.strip_prefix("servers.").and_then(|rest| rest.rsplit_once('.')) {
        return (format!("shakedown_server_{}", plain(metric)), "", format!("server=\"{}\"", label(server)));
    }
    if let Some(outcome) = column.strip_prefix("attempts.") {
        return ("shakedown_attempts_in_interval".into(), "", format!("outcome=\"{}\"", label(outcome)));
    }
    if let Some((latency, statistic)) = column.strip_suffix("_ms").and_then(|rest| rest.rsplit_once('.')) {
        let labels = format!("statistic=\"{}\"", label(statistic));
        return (format!("shakedown_{}_seconds", plain(latency)), "seconds", labels);
    }
    (format!("shakedown_{}", plain(column)), "", String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Vec<(String, Vec<u8>)> {
        let run = serde_json::json!({
            "scenario": "made-up", "title": "A | fleet", "driver": "sim", "seed": 7, "variant": null, "partial": false,
            "digest": "00ff", "version": "0", "verdict": "9 of 10 sessions opened, half of them < 1 s.",
        });
        let summary = serde_json::json!({
            "expectations": [
                { "metric": "sessions.opened", "expected": ">= 90%", "measured": 9, "passed": true },
                { "metric": "time_to_open.p99", "expected": "< 1s", "measured": 2000.0, "passed": false },
            ],
            "sessions": { "scheduled": 10, "opened": 9 },
            "time_to_open": { "p99_ms": 2000.0, "max_ms": null },
        });
        let series = "t_ms,sessions.open,availability,attempts.opened,attempts.refused,time_to_open.p99_ms,\
                      servers.gateway-0.arrivals,servers.gateway-1.arrivals\n500,4,0.5,4,1,20.5,2,3\n1000,9,,5,0,,4,1\n";
        [("run.json", run.to_string()), ("summary.json", summary.to_string()), ("series.csv", series.into())]
            .map(|(name, text)| (name.to_string(), text.into_bytes()))
            .to_vec()
    }

    #[test]
    fn markdown_is_a_comment() {
        let expected = "### A \\| fleet: **FAILED**\n\n`made-up` · seed 7 · driver sim · digest `00ff`\n\n\
                        9 of 10 sessions opened, half of them &lt; 1 s.\n\n\
                        |  | metric | expected | measured | margin |\n|---|---|---|--:|--:|\n\
                        | passed | sessions.opened | >= 90% | 9 | at the bound |\n\
                        | **FAILED** | time_to_open.p99 | &lt; 1s | 2.00 s | 1.00 s above |\n\n\
                        | metric | value |\n|---|--:|\n| sessions.scheduled | 10 |\n| sessions.opened | 9 |\n\
                        | time_to_open.p99 | 2.00 s |\n";
        assert_eq!(markdown(Recorded(&files())).unwrap(), expected);
    }

    #[test]
    fn csv_has_a_line_for_each_metric() {
        let expected = "metric,value\nsessions.scheduled,10\nsessions.opened,9\ntime_to_open.p99_ms,2000.0\ntime_to_open.max_ms,\n";
        assert_eq!(csv(Recorded(&files())).unwrap(), expected);
    }

    #[test]
    fn what_broke_is_a_failed_test_case() {
        let text = suite(Recorded(&files())).unwrap().xml();
        assert!(text.contains("<testsuites name=\"shakedown\" tests=\"3\" failures=\"1\""), "{text}");
        assert!(text.contains("name=\"sessions.opened &gt;= 90%\" time=\"0\"/>"), "{text}");
        assert!(text.contains("<failure message=\"measured 2.00 s\" type=\"expectation\">"), "{text}");
        assert!(text.contains("name=\"invariants\" time=\"0\"/>"), "{text}");
        assert!(
            text.contains("name=\"verdict\" value=\"9 of 10 sessions opened, half of them &lt; 1 s.\"/>"),
            "{text}"
        );
    }

    #[test]
    fn families_stand_together_in_base_units() {
        let text = openmetrics(Recorded(&files())).unwrap();
        let expected = "# TYPE shakedown_sessions_open gauge\n\
            shakedown_sessions_open{scenario=\"made-up\",seed=\"7\"} 4 0.5\n\
            shakedown_sessions_open{scenario=\"made-up\",seed=\"7\"} 9 1\n\
            # TYPE shakedown_availability gauge\n\
            shakedown_availability{scenario=\"made-up\",seed=\"7\"} 0.5 0.5\n\
            # TYPE shakedown_attempts_in_interval gauge\n\
            shakedown_attempts_in_interval{scenario=\"made-up\",seed=\"7\",outcome=\"opened\"} 4 0.5\n\
            shakedown_attempts_in_interval{scenario=\"made-up\",seed=\"7\",outcome=\"opened\"} 5 1\n\
            shakedown_attempts_in_interval{scenario=\"made-up\",seed=\"7\",outcome=\"refused\"} 1 0.5\n\
            shakedown_attempts_in_interval{scenario=\"made-up\",seed=\"7\",outcome=\"refused\"} 0 1\n\
            # TYPE shakedown_time_to_open_seconds gauge\n# UNIT shakedown_time_to_open_seconds seconds\n\
            shakedown_time_to_open_seconds{scenario=\"made-up\",seed=\"7\",statistic=\"p99\"} 0.0205 0.5\n\
            # TYPE shakedown_server_arrivals gauge\n\
            shakedown_server_arrivals{scenario=\"made-up\",seed=\"7\",server=\"gateway-0\"} 2 0.5\n\
            shakedown_server_arrivals{scenario=\"made-up\",seed=\"7\",server=\"gateway-0\"} 4 1\n\
            shakedown_server_arrivals{scenario=\"made-up\",seed=\"7\",server=\"gateway-1\"} 3 0.5\n\
            shakedown_server_arrivals{scenario=\"made-up\",seed=\"7\",server=\"gateway-1\"} 1 1\n# EOF\n";
        assert_eq!(text, expected);
    }
}
