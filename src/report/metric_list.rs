//! The metrics that there are, for readers: docs/metrics.md, and what `shakedown metrics` prints. All of it is the one table's.

use std::fmt::Write;

use serde_json::{Value as Json, json};

use super::version::FORMAT_VERSION;
use crate::metrics::{Better, Entry, MetricName, Phase, STATISTICS, Subject, TABLE, Unit};
use crate::text::wrapped;

/// No line is longer.
const WIDTH: usize = 80;

/// What a metric's numbers are.
fn unit(unit: Unit) -> String {
    match unit {
        Unit::Duration => "time (`_ms`)".to_string(),
        Unit::Count => "count".into(),
        Unit::Part(whole) => format!("count, or share of `{whole}`"),
        Unit::Ratio => "ratio".into(),
        Unit::Latency => "times".into(),
    }
}

fn better(better: Better) -> &'static str {
    if better == Better::Higher { "higher" } else { "lower" }
}

/// What a subject's metrics are of.
fn title(subject: Subject) -> (&'static str, &'static str) {
    match subject {
        Subject::Run => ("The run", "or a phase of it"),
        Subject::Fault => ("`faults.NAME.`", "of each fault"),
        Subject::Server => ("`servers.NAME.`", "of each server group, and of each server"),
        Subject::Clients => ("`clients.NAME.`", "of each client group"),
        Subject::Dns => ("`dns.NAME.`", "of each DNS name"),
    }
}

/// What every reader must know: the statistics of times, and phases.
fn preface() -> String {
    let statistics: Vec<String> = STATISTICS.iter().map(|(name, _)| format!("`{name}`")).collect();
    format!(
        "The paths are those of `[expect]`, `--slo`, `compare --by` and `compare --metric`; in JSON and CSV a time is in \
         milliseconds and its name ends in `_ms`. Metrics of *times* have the statistics {}. A *share* can be compared with a number \
         or with a percentage. Every metric of the run, of servers and of clients also exists for each phase: \
         `faults.FAULT.before.METRIC`, `.during.`, `.after.`, and `phases.PHASE.METRIC`.",
        statistics.join(", ")
    )
}

/// docs/metrics.md.
pub fn page() -> String {
    let mut text = format!(
        "# Metrics\n\nThis page is made from the program's table, as is what `shakedown metrics` prints; `shakedown metrics SCENARIO` lists \
         those that a scenario has. {}\n",
        preface()
    );
    for subject in Subject::ALL {
        let (title, of) = title(subject);
        text +=
            &format!("\n## {title}\n\n{of}\n\n| metric | unit | better | meaning | needs |\n|---|---|---|---|---|\n");
        for entry in TABLE.iter().filter(|entry| entry.subject == subject) {
            let (name, meaning) = (entry.name.replace('*', "…"), entry.meaning);
            let (unit, better) = (unit(entry.unit), better(entry.better));
            let _ = writeln!(text, "| `{name}` | {unit} | {better} | {meaning} | {} |", entry.needs);
        }
    }
    text
}

/// A row, or a scenario's metric, with what it means below.
fn row(text: &mut String, path: &str, entry: &Entry) {
    let unit = unit(entry.unit).replace('`', "");
    let _ = writeln!(text, "  {path}  ({unit}; {} is better)", better(entry.better));
    paragraph(text, entry.meaning);
}

fn paragraph(text: &mut String, words: &str) {
    for line in wrapped(&words.replace('`', ""), WIDTH - 6).lines() {
        let _ = writeln!(text, "      {line}");
    }
}

/// The whole table, for a terminal.
pub fn text() -> String {
    let mut text = wrapped(&preface().replace(['`', '*'], ""), WIDTH) + "\n";
    for subject in Subject::ALL {
        let (title, of) = title(subject);
        let _ = writeln!(text, "\n{}: {of}", title.replace('`', ""));
        for entry in TABLE.iter().filter(|entry| entry.subject == subject) {
            row(&mut text, &entry.name.replace('*', "…"), entry);
            if !entry.needs.is_empty() {
                paragraph(&mut text, &format!("Needs {}.", entry.needs));
            }
        }
    }
    text
}

/// Those that a scenario has, for a terminal: a line for all statistics of a distribution, and the phases as what paths begin
/// with.
pub fn text_of<'a>(names: impl Iterator<Item = &'a MetricName>) -> String {
    let mut text = String::new();
    let (mut subject, mut last) = (None, String::new());
    let mut phases: Vec<String> = Vec::new();
    for name in names {
        if name.phase() != Phase::Whole {
            let prefix = name.phase().prefix();
            if !phases.contains(&prefix) {
                phases.push(prefix);
            }
            continue;
        }
        let path = match name.latency() {
            Some(latency) => format!("{latency}.STATISTIC"),
            None => name.as_str().to_string(),
        };
        if path == last {
            continue;
        }
        if subject != Some(name.subject()) {
            subject = Some(name.subject());
            let heading = match name.subject() {
                (Subject::Run, _) => "The run".to_string(),
                (of, own) => of.prefix().replace("NAME", own).trim_end_matches('.').to_string(),
            };
            let _ = writeln!(text, "{}{heading}", if text.is_empty() { "" } else { "\n" });
        }
        row(&mut text, &path, name.entry());
        last = path;
    }
    let statistics: Vec<&str> = STATISTICS.iter().map(|(name, _)| *name).collect();
    let mut notes = vec![format!("STATISTIC is one of {}.", statistics.join(", "))];
    if !phases.is_empty() {
        notes.push(format!(
            "Every metric of the run, of servers and of clients also exists for each phase, after one of: {}.",
            phases.join(" ")
        ));
    }
    for note in notes {
        let _ = writeln!(text, "\n{}", wrapped(&note, WIDTH));
    }
    text
}

fn facts(entry: &Entry, own: Unit, is_better: Better) -> Json {
    let word = match own {
        Unit::Duration => "ms",
        Unit::Count | Unit::Part(_) => "count",
        Unit::Ratio => "ratio",
        Unit::Latency => "times",
    };
    let mut facts = json!({ "unit": word, "better": better(is_better), "meaning": entry.meaning });
    if let Unit::Part(whole) = own {
        facts["part_of"] = json!(whole);
    }
    if !entry.needs.is_empty() {
        facts["needs"] = json!(entry.needs.replace('`', ""));
    }
    facts
}

/// The whole table as a document: a metric under its path, with `NAME` for a name of the scenario.
pub fn json() -> Json {
    let one = |entry: &Entry| {
        let path = format!("{}{}", entry.subject.prefix(), entry.name);
        (path, facts(entry, entry.unit, entry.better))
    };
    let metrics: serde_json::Map<String, Json> = TABLE.iter().map(one).collect();
    let statistics: Vec<&str> = STATISTICS.iter().map(|(name, _)| *name).collect();
    json!({ "format_version": FORMAT_VERSION, "statistics": statistics, "metrics": metrics })
}

/// Every metric that a scenario has, in every phase.
pub fn json_of<'a>(scenario: &str, names: impl Iterator<Item = &'a MetricName>) -> Json {
    let one = |name: &MetricName| (name.as_str().to_string(), facts(name.entry(), name.unit(), name.better()));
    let metrics: serde_json::Map<String, Json> = names.map(one).collect();
    json!({ "format_version": FORMAT_VERSION, "scenario": scenario, "metrics": metrics })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Summary, Value};

    #[test]
    fn every_row_is_in_every_form_and_no_line_is_wide() {
        let (page, text, json) = (page(), text(), json());
        for entry in TABLE {
            assert!(page.contains(&format!("| `{}` |", entry.name.replace('*', "…"))), "{}", entry.name);
            assert!(text.contains(&format!("\n  {}  (", entry.name.replace('*', "…"))), "{}", entry.name);
            let path = format!("{}{}", entry.subject.prefix(), entry.name);
            assert_eq!(json["metrics"][&path]["meaning"], entry.meaning, "{path}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(!text.contains('`'));
    }

    #[test]
    fn a_scenarios_metrics_have_its_names() {
        let time = Value::Duration(None);
        let summary = Summary::of([
            ("attempts.total", Value::Count(0)),
            ("outage.p50", time),
            ("outage.p99", time),
            ("faults.crash.lost_time", time),
            ("faults.crash.before.attempts.total", Value::Count(0)),
            ("phases.late.outage.p50", time),
            ("servers.g-0.opened", Value::Count(0)),
        ]);
        let text = text_of(summary.names());
        for part in [
            "The run\n  attempts.total  (count; lower is better)\n      Attempts that began.\n  outage.STATISTIC  (times; ",
            "\nfaults.crash\n  faults.crash.lost_time  (time (_ms); lower is better)\n",
            "\nservers.g-0\n  servers.g-0.opened  (",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(
            text.replace('\n', " ").contains("for each phase, after one of: faults.crash.before. phases.late."),
            "{text}"
        );
        assert_eq!(text.matches("outage.").count(), 1);
        let json = json_of("a", summary.names());
        assert_eq!(json["metrics"].as_object().unwrap().len(), 7);
        assert_eq!(json["metrics"]["outage.p50"]["unit"], "ms");
        assert_eq!(json["metrics"]["phases.late.outage.p50"]["better"], "lower");
    }
}
