//! Which overloads a fleet does not recover from.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::capacity::{Kind, Objective, SeedError};
use crate::chart::{self, Heatmap};
use crate::text::{Table, WIDTH, counted, markdown, pretty, wrapped};

/// A key of the overload and the values that it takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// The key.
    pub key: String,
    /// What kind of quantity it is.
    pub kind: Kind,
    /// Its values, in order.
    pub values: Vec<f64>,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Collapse {
    /// The version of this form.
    pub format_version: u32,
    /// `collapse`.
    pub capacity: String,
    /// The version of Shakedown.
    pub version: String,
    /// The scenario's name.
    pub scenario: String,
    /// Its title.
    pub title: String,
    /// The variant that was asked for.
    pub variant: Option<String>,
    /// How long the overload lasts.
    pub duration: Side,
    /// How large it is.
    pub size: Side,
    /// What must hold of a run that recovered; none: of its last tenth, availability is at least a half.
    pub slo: Vec<Objective>,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// True when it was interrupted.
    pub partial: bool,
    /// What came out, in a sentence.
    pub verdict: String,
    /// A row for each size, a cell for each duration.
    pub cells: Vec<Vec<Cell>>,
    /// 32 hex digits over the digests of all runs.
    pub digest: String,
    /// The seeds with which an overload is impossible.
    #[serde(default)]
    pub errors: Vec<SeedError>,
    /// The resolved scenario as it is written.
    pub scenario_toml: String,
    /// The command line that asked, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// One overload.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// With how many seeds the fleet did not recover.
    pub collapsed: usize,
    /// Of how many.
    pub seeds: usize,
    /// The share of them may be as small as this (95 % confidence, Clopper and Pearson).
    pub low: f64,
    /// Or as large.
    pub high: f64,
}

impl Collapse {
    /// Every file of its folder: its name and its bytes.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        vec![
            ("capacity.json".into(), self.json().into_bytes()),
            ("capacity.csv".into(), self.csv().into_bytes()),
            ("capacity.md".into(), self.markdown().into_bytes()),
            ("collapse.svg".into(), self.chart().into_bytes()),
        ]
    }

    /// All of it.
    pub fn json(&self) -> String {
        pretty(self)
    }

    /// The largest first, as on the chart.
    fn table(&self, corner: String) -> Table {
        let head =
            std::iter::once(corner).chain(self.duration.values.iter().map(|value| self.duration.kind.shown(*value)));
        let mut table = Table::new(1, head);
        for (size, cells) in self.size.values.iter().zip(&self.cells).rev() {
            let cells = cells.iter().map(|cell| format!("{}/{}", cell.collapsed, cell.seeds));
            table.row(std::iter::once(self.size.kind.shown(*size)).chain(cells));
        }
        table
    }

    /// The map as text, and what it comes to.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n\n", wrapped(&self.verdict, WIDTH));
        text += &self.table(String::new()).aligned_for_terminal();
        let _ = writeln!(text, "\nrows: {}; columns: {}", self.size.key, self.duration.key);
        for SeedError { seed, error } in &self.errors {
            let _ = writeln!(text, "ERROR   seed {seed}: {}", error.trim_end());
        }
        text
    }

    /// The same as a page.
    pub fn markdown(&self) -> String {
        let mut text = format!("# {}: collapse\n\n{}\n\n", self.scenario, markdown(&self.title));
        let _ = writeln!(
            text,
            "Written by `shakedown capacity --collapse`: with how many of {} the fleet does not recover. Not \
             recovered: {}.\n\n**{}**\n",
            counted(self.seeds.len() as u64, "seed"),
            self.criterion(),
            self.verdict
        );
        text += &self.table(format!("{} \\ {}", self.size.key, self.duration.key)).markdown();
        let _ = writeln!(text, "\nDigest of all runs: {}.\n\n![The map](collapse.svg)", self.digest);
        text
    }

    /// What counts as collapsed.
    pub fn criterion(&self) -> String {
        match self.slo.as_slice() {
            [] => "availability below 50 % over the last tenth of the run".into(),
            all => {
                let all = all.iter().map(|objective| format!("{} {}", objective.metric, objective.expected));
                format!("not {}", all.collect::<Vec<_>>().join(" and "))
            }
        }
    }

    /// One line per overload.
    fn csv(&self) -> String {
        let mut text = format!("{},{},collapsed,seeds,share_low,share_high\n", self.duration.key, self.size.key);
        for (size, cells) in self.size.values.iter().zip(&self.cells) {
            for (duration, cell) in self.duration.values.iter().zip(cells) {
                let Cell { collapsed, seeds, low, high } = cell;
                let _ = writeln!(text, "{duration},{size},{collapsed},{seeds},{low},{high}");
            }
        }
        text
    }

    /// The map as a chart.
    pub fn chart(&self) -> String {
        let share = |cell: &Cell| (cell.seeds > 0).then(|| cell.collapsed as f64 / cell.seeds as f64);
        chart::draw_heatmap(&Heatmap {
            title: "Share of seeds that do not recover",
            subtitle: &format!("{}: {}", self.scenario, self.title),
            across: &self.duration.key,
            columns: self.duration.values.iter().map(|value| self.duration.kind.shown(*value)).collect(),
            upward: &self.size.key,
            rows: self.size.values.iter().map(|value| self.size.kind.shown(*value)).collect(),
            cells: self.cells.iter().map(|row| row.iter().map(share).collect()).collect(),
        })
    }
}
