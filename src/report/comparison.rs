//! Runs side by side: one table of all, one for what each scenario asks, a chart for each, and what it takes to make them
//! again.

use std::fmt::Write;

use serde_json::{Map, Value as Json, json};

use super::compared::{Comparison, LINES, Lines, Part, Row, Run, SIM, Spread, latency_of, rank};
use super::league::{League, league};
use super::shown::shown;
use super::{FORMAT_VERSION, number};
use crate::chart::{self, Band, Bars, Cell, Column, Curve};
use crate::metrics::{Latency, Value};
use crate::statistics::range;
use crate::text::{Table, csv_cell, pretty};

impl Spread {
    fn shown(&self) -> String {
        let middle = shown(self.median);
        match self.least == self.largest {
            true => middle,
            false => format!("{middle} [{} … {}]", shown(self.least), shown(self.largest)),
        }
    }
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

    /// The tables, as text for a terminal; before them what they come to.
    pub fn text(&self) -> String {
        let league = self.league().map(|league| {
            let verdicts: String = league.pairs.iter().map(|pair| format!("{}\n", pair.verdict)).collect();
            format!("{}{}\n\n{verdicts}", league.table().aligned(), league.note())
        });
        let tables = self.tables().into_iter().map(|table| table.aligned());
        league.into_iter().chain(tables).collect::<Vec<_>>().join("\n")
    }

    /// The tables, in Markdown; before them what they come to.
    pub fn markdown(&self) -> String {
        let league = self.league().map(|league| {
            let verdicts: String = league.pairs.iter().map(|pair| format!("- {}\n", pair.verdict)).collect();
            format!("{}\n{}\n\n{verdicts}", league.table().markdown(), league.note())
        });
        let tables = self.tables().into_iter().map(|table| table.markdown());
        league.into_iter().chain(tables).collect::<Vec<_>>().join("\n")
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
            let of = |run: &Run| match run.values.iter().find(|(path, _)| *path == order.metric)?.1 {
                Value::Duration(length) => length.map(|length| length.as_millis_f64()),
                _ => None,
            };
            Curve { label: label.clone(), values: row.runs.iter().map(of).collect() }
        });
        let curves: Vec<Curve> = curves.collect();
        let is_duration = rows.iter().flat_map(|(_, row)| &row.runs).any(|run| {
            run.values.iter().any(|(path, value)| *path == order.metric && matches!(value, Value::Duration(_)))
        });
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
        for (name, svg) in chart::draw_sweep(&title, &bands, &order.metric, &curves) {
            if name == "open.svg" || (several && is_duration) {
                files.push((format!("overlay-{name}"), svg.into_bytes()));
            }
        }
        files.sort();
        files
    }

    /// Tables and charts, in Markdown.
    fn page(&self) -> String {
        let mut tables = self.tables().into_iter();
        let mut text = format!("# {}\n\n", self.name);
        let seeds: Vec<u64> =
            self.rows().next().map(|row| row.runs.iter().map(|run| run.seed).collect()).unwrap_or_default();
        let of = match seeds.as_slice() {
            [] | [_] => "each run once",
            _ => "medians over the seeds, with the least and the largest in brackets where they differ",
        };
        let _ = writeln!(text, "Written by `shakedown compare`; {of}.\n");
        if let Some(league) = self.league() {
            text += &format!("{}\n{}\n\n", league.table().markdown(), league.note());
            league.pairs.iter().for_each(|pair| text += &format!("- {}\n", pair.verdict));
            text.push('\n');
        }
        if let Some(all) = tables.next() {
            text += &all.markdown();
        }
        for part in &self.parts {
            let _ = write!(text, "\n## {}: {}\n\n", part.scenario, part.title);
            if part.metrics != self.metrics
                && let Some(table) = tables.next()
            {
                let _ = writeln!(text, "{}", table.markdown());
            }
            let _ = writeln!(text, "![{}]({})", part.title, self.chart_of(part));
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

    /// One of all runs, and one for each scenario that asks for metrics of its own.
    fn tables(&self) -> Vec<Table> {
        let table = |parts: &[Part], metrics: &[String]| {
            let mut table =
                Table::new(2, ["scenario", "variant"].into_iter().chain(metrics.iter().map(String::as_str)));
            for (part, row) in parts.iter().flat_map(|part| part.rows.iter().map(move |row| (part, row))) {
                let cells = metrics.iter().map(|path| row.spread(path).map_or(String::new(), |spread| spread.shown()));
                table.row([part.scenario.clone(), row.name.clone()].into_iter().chain(cells));
            }
            table
        };
        let own = self.parts.iter().filter(|part| part.metrics != self.metrics);
        let own = own.map(|part| table(std::slice::from_ref(part), &part.metrics));
        std::iter::once(table(&self.parts, &self.metrics)).chain(own).collect()
    }

    /// What was run, and every value of every run.
    pub fn json(&self) -> String {
        let row = |row: &Row| {
            let runs = row.runs.iter().map(|run| {
                let values: Map<String, Json> =
                    run.values.iter().map(|(path, value)| (path.clone(), measured(*value))).collect();
                json!({ "seed": run.seed, "digest": run.digest, "values": values })
            });
            let mut document = json!({
                "name": row.name,
                "variant": row.variant,
                "scenario_toml": row.resolved,
                "runs": runs.collect::<Vec<_>>(),
            });
            if row.driver != SIM {
                document["driver"] = json!(row.driver);
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
        let repeatable = self.rows().all(|row| row.driver == SIM);
        let mut document = json!({
            "format_version": FORMAT_VERSION,
            "comparison": self.name,
            "driver": if repeatable { SIM } else { "mixed" },
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
        let column = |path: &String| Column {
            name: path.clone(),
            whole: self.rows.iter().any(|row| {
                row.spread(path).is_some_and(|spread| matches!(spread.median, Value::Part { .. } | Value::Ratio(_)))
            }),
            cells: self.rows.iter().map(|row| cell(row.spread(path))).collect(),
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

fn cell(spread: Option<Spread>) -> Cell {
    let Some(spread) = spread else { return Cell::default() };
    let endless = matches!(spread.median, Value::Duration(None));
    let value = |value: Value| Some(rank(value)).filter(|rank| rank.is_finite() && *rank >= 0.0);
    Cell {
        value: value(spread.median),
        range: value(spread.least).zip(value(spread.largest)).filter(|(least, largest)| least < largest),
        shown: shown(spread.median),
        endless,
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
        Row { name: "a".into(), variant: None, resolved: String::new(), driver: SIM.into(), runs, lines: None }
    }

    #[test]
    fn several_seeds_have_a_median_and_a_range_and_never_is_the_longest() {
        let spread = row(&[Some(30), None, Some(10), Some(20)]).spread("outage.p99").unwrap();
        assert_eq!(spread.shown(), "20.0 ms [10.0 ms … –]");
        assert_eq!(row(&[Some(5), Some(5)]).spread("outage.p99").unwrap().shown(), "5.00 ms");
        assert_eq!(row(&[Some(5)]).spread("outage.p50"), None);
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
