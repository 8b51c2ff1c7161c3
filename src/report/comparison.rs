//! Runs side by side: one table of all, one for what each scenario asks, a chart for each, and what it takes to make them
//! again.

use std::fmt::Write;

use serde_json::{Map, Value as Json, json};

use super::compared::{Comparison, LINES, Lines, Part, Row, Run, Spread, latency_of};
use super::figure::Unit;
use super::gate::Judged;
use super::junit::{Case, Outcome, Suite};
use super::league::{League, Pair, league};
use super::{FORMAT_VERSION, number};
use crate::chart::{self, Band, Bars, Cell, Column, Curve};
use crate::driver::Driver;
use crate::metrics::{FaultWindow, Latency, Value};
use crate::statistics::range;
use crate::text::{Table, WIDTH, beside_labels, csv_cell, markdown, markdown_line, percent, pretty, wrapped};

/// What a choice has of a metric, over its runs.
fn shown(row: &Row, metric: &str) -> String {
    Spread::of(&row.runs, metric).map_or(String::new(), |spread| spread.shown())
}

impl Comparison {
    /// Every file of the comparison's folder: its name and its bytes.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = vec![
            ("compare.json".to_string(), self.json().into_bytes()),
            ("compare.csv".to_string(), self.csv().into_bytes()),
            ("compare.md".to_string(), self.page().into_bytes()),
        ];
        let charts = self.parts.iter().map(|part| (self.chart_of(part), part.chart().into_bytes()));
        files.extend(charts);
        files.extend(self.overlays());
        files
    }

    /// What they come to, as text for a terminal, and the tables: all of them, or what matters most.
    pub fn text(&self, verbose: bool) -> String {
        let mut parts = Vec::new();
        if let Some(judged) = self.judged() {
            let line = |judged: &Judged| beside_labels(&judged.line(), 8, WIDTH);
            parts.push(judged.iter().map(line).collect::<String>());
        }
        let league = self.league();
        if let Some(league) = &league {
            let verdict = |pair: &Pair| beside_labels(&format!("- {}", pair.verdict), 2, WIDTH);
            let shown = if verbose { league.pairs.len() } else { 1 };
            parts.push(league.pairs.iter().take(shown).map(verdict).collect::<String>());
            let note = if verbose { league.note() } else { league.short_note() };
            parts.push(format!("{}\n{}\n", league.table().aligned_for_terminal(), wrapped(&note, WIDTH)));
        }
        let tables = self.tables().into_iter().take(if verbose { usize::MAX } else { usize::from(league.is_none()) });
        parts.extend(tables.map(|table| table.aligned_for_terminal()));
        let mut text = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n");
        for (name, _, row) in self.named() {
            for (seed, error) in &row.errors {
                let _ = writeln!(text, "ERROR   seed {seed} of {name}: {}", error.trim_end());
            }
        }
        text
    }

    /// What the gate says of each choice. Nothing where there is none, or it can say nothing.
    pub fn judged(&self) -> Option<Vec<Judged>> {
        self.gate.as_ref()?.judge(self).ok()
    }

    /// The gate's sentences in Markdown, each an item.
    fn judged_markdown(&self) -> Option<String> {
        let line = |judged: &Judged| {
            let word = if judged.passed { "passed" } else { "**FAILED**" };
            format!("- {word}: {}\n", markdown_line(&judged.sentence))
        };
        Some(self.judged()?.iter().map(line).collect())
    }

    /// What was judged: each choice by the gate, and each seed that has no run.
    pub fn suite(&self) -> Suite {
        let judged = self
            .gate
            .iter()
            .flat_map(|gate| self.judged().unwrap_or_default().into_iter().map(move |judged| judged.case(gate)));
        let named = self.named();
        let errors = named.iter().flat_map(|(name, _, row)| row.errors.iter().map(move |error| (name, error)));
        let errors = errors.map(|(name, (seed, error))| Case {
            name: format!("seed {seed} of {name}"),
            outcome: Outcome::failed("error", error),
        });
        let mut properties = Vec::new();
        if let Some(command) = &self.command {
            properties.push(("command".to_string(), command.clone()));
        }
        Suite { name: self.name.clone(), properties, cases: judged.chain(errors).collect() }
    }

    /// The tables, in Markdown; before them what they come to.
    pub fn markdown(&self) -> String {
        let league = self.league().map(|league| {
            let verdicts: String =
                league.pairs.iter().map(|pair| format!("- {}\n", markdown_line(&pair.verdict))).collect();
            format!("{}\n{}\n\n{verdicts}", league.table().markdown(), league.note())
        });
        let tables = self.tables_of_page().into_iter().map(|table| table.markdown());
        self.judged_markdown().into_iter().chain(league).chain(tables).collect::<Vec<_>>().join("\n")
    }

    /// Which choice is better: where that was asked, or there are several seeds to tell.
    pub fn league(&self) -> Option<League> {
        let several = self.rows().any(|row| row.runs.len() > 1);
        if self.by.is_none() && !several { None } else { league(self, &self.order()) }
    }

    /// The charts in which all rows share their axes.
    fn overlays(&self) -> Vec<(String, Vec<u8>)> {
        let rows: Vec<(String, &Row)> = self
            .parts
            .iter()
            .flat_map(|part| part.rows.iter().map(move |row| (part, row)))
            .map(|(part, row)| {
                let several = self.parts.len() > 1;
                (if several { format!("{} {}", part.scenario, row.name) } else { row.name.clone() }, row)
            })
            .collect();
        if !(2..=LINES).contains(&rows.len()) || rows.iter().any(|(_, row)| row.lines.is_none()) {
            return Vec::new();
        }
        let order = self.order();
        let latency = latency_of(&order.metric);
        let bands: Vec<Band> =
            rows.iter().filter_map(|(label, row)| Some(row.lines.as_ref()?.band(label.clone()))).collect();
        let several = rows.iter().any(|(_, row)| row.runs.len() > 1);
        let curves = rows.iter().map(|(label, row)| {
            let of = |run: &Run| run.number(&order.metric, Unit::Ms).filter(|ms| ms.is_finite());
            Curve { label: label.clone(), values: row.runs.iter().map(of).collect() }
        });
        let curves: Vec<Curve> = curves.collect();
        let is_duration = rows
            .iter()
            .flat_map(|(_, row)| &row.runs)
            .any(|run| matches!(run.value(&order.metric), Some(Value::Duration(_))));
        let title = match self.parts.as_slice() {
            [one] => one.title.clone(),
            _ => self.name.clone(),
        };
        let latencies: Vec<(String, &Latency)> = rows
            .iter()
            .filter_map(|(label, row)| Some((label.clone(), row.lines.as_ref()?.latencies.get(latency)?)))
            .collect();
        let mut files = vec![(
            "overlay-percentiles.svg".to_string(),
            chart::draw_percentiles(&title, latency, &latencies).into_bytes(),
        )];
        // Each choice may have faults of its own.
        let mut faults: Vec<FaultWindow> = Vec::new();
        for fault in rows.iter().filter_map(|(_, row)| row.lines.as_ref()).flat_map(|lines| &lines.faults) {
            if !faults.contains(fault) {
                faults.push(fault.clone());
            }
        }
        for (name, svg) in chart::draw_sweep(&title, (&bands, &faults), &order.metric, &curves) {
            if name == "open.svg" || (several && is_duration) {
                files.push((format!("overlay-{name}"), svg.into_bytes()));
            }
        }
        files.sort();
        files
    }

    /// Tables and charts, in Markdown.
    fn page(&self) -> String {
        let mut tables = self.tables_of_page().into_iter();
        let mut text = format!("# {}\n\n", self.name);
        let seeds: Vec<u64> =
            self.rows().next().map(|row| row.runs.iter().map(|run| run.seed).collect()).unwrap_or_default();
        let of = match seeds.as_slice() {
            [] | [_] => "each run once",
            _ => "medians over the seeds, with the least and the largest in brackets where they differ",
        };
        let _ = writeln!(text, "Written by `shakedown compare`; {of}.\n");
        if let Some(judged) = self.judged_markdown() {
            text += &format!("{judged}\n");
        }
        if let Some(league) = self.league() {
            text += &format!("{}\n{}\n\n", league.table().markdown(), league.note());
            league.pairs.iter().for_each(|pair| text += &format!("- {}\n", markdown_line(&pair.verdict)));
            text.push('\n');
        }
        if let Some(all) = tables.next() {
            text += &all.markdown();
        }
        for part in &self.parts {
            let _ = write!(text, "\n## {}: {}\n\n", part.scenario, markdown(&part.title));
            if part.metrics != self.metrics
                && let Some(table) = tables.next()
            {
                let _ = writeln!(text, "{}", table.markdown());
            }
            let _ = writeln!(text, "![{}]({})", markdown(&part.title), self.chart_of(part));
        }
        let overlays = self.overlays();
        if !overlays.is_empty() {
            text += "\n## All in one\n\n";
            overlays.iter().for_each(|(name, _)| text += &format!("![{name}]({name})\n"));
        }
        text
    }

    /// The file of a part's chart.
    fn chart_of(&self, part: &Part) -> String {
        let own = part.scenario.strip_prefix(&self.name).and_then(|rest| rest.strip_prefix('/'));
        format!("{}.svg", own.unwrap_or(&part.scenario).replace('/', "-"))
    }

    /// The metrics of one table for all runs, and of one more for each scenario that asks for its own, with whose those are.
    fn groups(&self) -> Vec<(&[String], Option<&str>)> {
        let own = self.parts.iter().filter(|part| part.metrics != self.metrics);
        let own = own.map(|part| (part.metrics.as_slice(), Some(part.scenario.as_str())));
        std::iter::once((self.metrics.as_slice(), None)).chain(own).collect()
    }

    /// Tables for a terminal: a row for each metric, a column for each choice, which continues below where it is too wide.
    fn tables(&self) -> Vec<Table> {
        let named = self.named();
        let table = |(metrics, of): (&[String], Option<&str>)| {
            let rows = || named.iter().filter(|(_, part, _)| of.is_none_or(|of| part.scenario == of));
            let mut table = Table::new(1, std::iter::once("").chain(rows().map(|(name, ..)| name.as_str())));
            for path in metrics {
                let cells = rows().map(|(_, _, row)| shown(row, path));
                table.row(std::iter::once(path.clone()).chain(cells));
            }
            table
        };
        self.groups().into_iter().map(table).collect()
    }

    /// Tables for a page, which has room below and not beside: a row for each choice, a column for each metric.
    fn tables_of_page(&self) -> Vec<Table> {
        let table = |(metrics, of): (&[String], Option<&str>)| {
            let head = ["scenario", "variant"].into_iter().chain(metrics.iter().map(String::as_str));
            let mut table = Table::new(2, head);
            for part in self.parts.iter().filter(|part| of.is_none_or(|of| part.scenario == of)) {
                for row in &part.rows {
                    let cells = metrics.iter().map(|path| shown(row, path));
                    table.row([part.scenario.clone(), row.name.clone()].into_iter().chain(cells));
                }
            }
            table
        };
        self.groups().into_iter().map(table).collect()
    }

    /// What was run, and every value of every run.
    pub fn json(&self) -> String {
        let row = |row: &Row| {
            let runs = row.runs.iter().map(|run| {
                let values: Map<String, Json> =
                    run.values.iter().map(|(path, value)| (path.clone(), measured(*value))).collect();
                let mut document = json!({ "seed": run.seed, "digest": run.digest, "values": values });
                if !run.unmeasured.is_empty() {
                    document["unmeasured"] = json!(run.unmeasured);
                }
                document
            });
            let mut document = json!({
                "name": row.name,
                "variant": row.variant,
                "scenario_toml": row.resolved,
                "runs": runs.collect::<Vec<_>>(),
            });
            if !row.errors.is_empty() {
                let errors = row.errors.iter().map(|(seed, error)| json!({ "seed": seed, "error": error }));
                document["errors"] = errors.collect();
            }
            if row.driver != Driver::Sim {
                document["driver"] = json!(row.driver.name());
            }
            document
        };
        let part = |part: &Part| {
            json!({
                "scenario": part.scenario,
                "title": part.title,
                "metrics": part.metrics,
                "rows": part.rows.iter().map(row).collect::<Vec<_>>(),
            })
        };
        let repeatable = self.rows().all(|row| row.driver == Driver::Sim);
        let mut document = json!({
            "format_version": FORMAT_VERSION,
            "comparison": self.name,
            "driver": if repeatable { Driver::Sim.name() } else { "mixed" },
            "version": env!("CARGO_PKG_VERSION"),
            "metrics": self.metrics,
            "parts": self.parts.iter().map(part).collect::<Vec<_>>(),
        });
        if !repeatable {
            document["deterministic"] = json!(false);
        }
        if let Some(command) = &self.command {
            document["command"] = json!(command);
        }
        // Sweeps that were read from folders have no lines, and get none when they are made again.
        if self.rows().count() <= LINES && self.rows().any(|row| row.lines.is_none()) {
            document["lines"] = json!(false);
        }
        if let Some(league) = self.league() {
            document["league"] = serde_json::to_value(league).expect("strings and numbers can be written");
        }
        if let Some(gate) = &self.gate {
            document["gate"] = json!({ "of": gate, "judged": self.judged() });
        }
        pretty(&document)
    }

    /// One line per run and metric.
    fn csv(&self) -> String {
        let mut text = String::from("scenario,variant,seed,metric,value,of\n");
        for part in &self.parts {
            for (row, run) in part.rows.iter().flat_map(|row| row.runs.iter().map(move |run| (row, run))) {
                let (scenario, name) = (csv_cell(&part.scenario), csv_cell(&row.name));
                for (path, value) in &run.values {
                    let unit = if matches!(value, Value::Duration(_)) { "_ms" } else { "" };
                    let of = if let Value::Part { of, .. } = value { of.to_string() } else { String::new() };
                    let value = match number(*value) {
                        Json::Null => String::new(),
                        value => value.to_string(),
                    };
                    let _ = writeln!(text, "{scenario},{name},{},{path}{unit},{value},{of}", run.seed);
                }
            }
        }
        for (_, part, row) in self.named() {
            for (seed, error) in &row.errors {
                let (scenario, name) = (csv_cell(&part.scenario), csv_cell(&row.name));
                let _ = writeln!(text, "{scenario},{name},{seed},error,{},", csv_cell(error.trim_end()));
            }
        }
        text
    }
}

impl Lines {
    /// The median over the seeds, and from the fewest to the most.
    fn band(&self, label: String) -> Band {
        let at = |number: usize| {
            let counts = self.open.iter().filter_map(|open| open.get(number).copied()).collect();
            let (least, middle, most) = range(counts).unwrap_or_default();
            (self.ends[number], least, middle, most)
        };
        Band { label, points: (0..self.ends.len()).map(at).collect() }
    }
}

/// A value with its unit.
fn measured(value: Value) -> Json {
    match value {
        Value::Duration(_) => json!({ "ms": number(value) }),
        Value::Count(count) => json!({ "count": count }),
        Value::Part { count, of } => json!({ "count": count, "of": of }),
        Value::Ratio(ratio) => json!({ "ratio": ratio }),
    }
}

impl Part {
    /// Its chart.
    fn chart(&self) -> String {
        let column = |path: &String| {
            let spreads: Vec<Option<Spread>> = self.rows.iter().map(|row| Spread::of(&row.runs, path)).collect();
            let is_lost = spreads.iter().flatten().any(|spread| spread.lost(path).is_some());
            let is_share = |spread: &Spread| spread.of.is_some() || spread.unit == Unit::Share;
            Column {
                name: if is_lost { format!("{path}, lost") } else { path.clone() },
                whole: !is_lost && spreads.iter().flatten().any(is_share),
                cells: spreads.into_iter().map(|spread| cell(spread, path)).collect(),
            }
        };
        let bars = Bars {
            title: &self.title,
            subtitle: &self.scenario,
            rows: self.rows.iter().map(|row| row.name.clone()).collect(),
            columns: self.metrics.iter().map(column).collect(),
        };
        chart::bars(&bars)
    }
}

fn cell(spread: Option<Spread>, metric: &str) -> Cell {
    let Some(spread) = spread else { return Cell::default() };
    let lost = spread.lost(metric);
    let [least, median, largest] = lost.map_or(spread.drawn(), |lost| lost.map(Some));
    Cell {
        value: median,
        range: least.zip(largest).filter(|(least, largest)| least < largest),
        shown: lost.map_or_else(|| spread.middle(), |[_, lost, _]| percent(lost)),
        endless: spread.median.is_infinite(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Nanos;

    fn row(values: &[Option<u64>]) -> Row {
        let run = |(seed, ms): (u64, &Option<u64>)| Run {
            seed,
            digest: "00".into(),
            values: vec![("outage.p99".into(), Value::Duration(ms.map(Nanos::from_millis)))],
            unmeasured: Vec::new(),
        };
        let runs = (0..).zip(values).map(run).collect();
        Row {
            name: "a".into(),
            variant: None,
            resolved: String::new(),
            driver: Driver::Sim,
            runs,
            errors: Vec::new(),
            lines: None,
        }
    }

    #[test]
    fn several_seeds_have_a_median_and_a_range_and_never_is_the_longest() {
        let shown = |values: &[Option<u64>]| Spread::of(&row(values).runs, "outage.p99").unwrap().shown();
        assert_eq!(shown(&[Some(30), None, Some(10), Some(20)]), "25.0 ms [10.0 ms … never]");
        assert_eq!(shown(&[Some(5), Some(5)]), "5.00 ms");
        assert_eq!(shown(&[None, None]), "never");
        assert_eq!(Spread::of(&row(&[Some(5)]).runs, "outage.p50"), None);
        // Nothing measured is not for ever.
        let mut runs = row(&[None, Some(7)]).runs;
        runs[0].unmeasured.push("outage.p99".into());
        assert_eq!(Spread::of(&runs, "outage.p99").unwrap().shown(), "7.00 ms");
        assert_eq!(Spread::of(&runs[..1], "outage.p99").unwrap().shown(), "–");
    }

    fn runs(values: &[Value]) -> Vec<Run> {
        let run = |(seed, value): (u64, &Value)| Run {
            seed,
            digest: String::new(),
            values: vec![("x".into(), *value)],
            unmeasured: Vec::new(),
        };
        (0..).zip(values).map(run).collect()
    }

    /// Ordered by share and printed as counts, the first of these had its median below its range, and the second the least
    /// above the largest.
    #[test]
    fn parts_of_different_wholes_are_shares() {
        let shown = |parts: &[(u64, u64)]| {
            let parts: Vec<Value> = parts.iter().map(|(count, of)| Value::Part { count: *count, of: *of }).collect();
            Spread::of(&runs(&parts), "x").unwrap().shown()
        };
        assert_eq!(shown(&[(28_235, 28_300), (27_981, 27_989), (28_378, 28_380)]), "99.97 % [99.77 % … 99.99 %]");
        assert_eq!(shown(&[(11_890, 12_000), (11_879, 11_900)]), "99.45 % [99.08 % … 99.82 %]");
        assert_eq!(shown(&[(90, 100), (100, 100), (95, 100), (96, 100)]), "95.5 (95.5 %) [90 … 100]");
        assert_eq!(shown(&[(9, 10), (9, 10)]), "9 (90 %)");
    }

    /// Whatever is measured, least, median and largest are shown in this order.
    #[test]
    fn every_range_is_in_order() {
        use crate::rng::{Identity, Purpose, Seed};
        for seed in 0..400 {
            let draw = |n: u64, below: u64| Seed(seed).draw(Identity(1), Purpose::Service, n).below(below);
            let kind = draw(0, 4);
            let value = |n: u64| match kind {
                0 => Value::Duration(Some(Nanos(draw(n, 5_000_000_000))).filter(|_| draw(n + 1, 5) > 0)),
                1 => Value::Count(draw(n, 3_000)),
                2 => Value::Part { count: draw(n, 100), of: 100 + draw(n + 1, 3) * draw(2, 2) },
                _ => Value::Ratio(Some(draw(n, 10_000) as f64 / 1e4)),
            };
            let values: Vec<Value> = (0..2 + draw(3, 9)).map(|n| value(10 + 2 * n)).collect();
            let spread = Spread::of(&runs(&values), "x").unwrap();
            assert!(spread.least <= spread.median && spread.median <= spread.largest, "{values:?}: {spread:?}");
            let [least, median, largest] = spread.drawn().map(|value| value.unwrap_or(f64::INFINITY));
            assert!(least <= median && median <= largest, "{values:?}");
            // As far as a reader can tell, too: numbers of one unit and size, without their separators.
            if kind != 0 {
                let number =
                    |text: &str| -> f64 { text.split([' ', '%']).next().unwrap().replace(',', "").parse().unwrap() };
                let shown = spread.shown();
                if let Some((middle, range)) = shown.split_once(" [") {
                    let (least, largest) = range.split_once(" … ").unwrap();
                    let all = [least, middle, largest.trim_end_matches(']')].map(number);
                    assert!(all[0] <= all[1] && all[1] <= all[2], "{shown}");
                }
            }
        }
    }

    #[test]
    fn who_does_not_have_a_metric_leaves_its_cell_empty() {
        let part = Part {
            scenario: "hybi/x".into(),
            title: "X".into(),
            metrics: vec!["outage.p99".into(), "servers.front.forwarded".into()],
            rows: vec![row(&[Some(5)])],
        };
        let comparison = Comparison {
            name: "hybi".into(),
            metrics: vec!["outage.p99".into()],
            parts: vec![part],
            by: None,
            gate: None,
            command: None,
        };
        assert_eq!(
            comparison.markdown(),
            "| scenario | variant | outage.p99 |\n|---|---|--:|\n| hybi/x | a | 5.00 ms |\n\n\
             | scenario | variant | outage.p99 | servers.front.forwarded |\n|---|---|--:|--:|\n| hybi/x | a | 5.00 ms |  |\n"
        );
        let names: Vec<String> = comparison.files().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["compare.json", "compare.csv", "compare.md", "x.svg"]);
        assert!(comparison.csv().ends_with("hybi/x,a,0,outage.p99_ms,5.0,\n"), "{}", comparison.csv());
    }
}
