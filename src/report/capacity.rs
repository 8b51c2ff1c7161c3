//! What a search for capacity came to: the highest load that holds an objective, or the fewest servers that do.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::FORMAT_VERSION;
use super::figure::{Unit, magnitude};
use crate::chart::{self, Knee, LoadCurve, LoadPoint};
use crate::quantity::Share;
use crate::text::{Table, WIDTH, counted, grouped, markdown, percent, pretty, visible, wrapped};

/// What was asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// The scenario's name.
    pub scenario: String,
    /// Its title.
    pub title: String,
    /// The variant that was asked for.
    pub variant: Option<String>,
    /// The key that is varied.
    pub vary: String,
    /// What kind of quantity it is.
    pub kind: Kind,
    /// What must hold: metrics and comparisons, all of them.
    pub slo: Vec<Objective>,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// The least value that is tried; none: as far down as it takes.
    pub from: Option<f64>,
    /// The largest.
    pub to: Option<f64>,
    /// How near the answer must come, as a share of it; whole numbers are found exactly.
    pub tolerance: f64,
    /// Which end is looked for; none: what the runs show.
    pub find: Option<Find>,
    /// The resolved scenario as it is written.
    pub scenario_toml: String,
    /// The command line that asked, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// `handshake_latency.p99 < 250ms`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objective {
    /// The metric's path.
    pub metric: String,
    /// The comparison, as `[expect]` writes it.
    pub expected: String,
    /// Whether it is part of every question unless that says otherwise: goodput.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub implied: bool,
}

/// What kind of quantity a key has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A whole number.
    Count,
    /// A number.
    Number,
    /// Per second.
    Rate,
    /// A length of time, in seconds.
    Duration,
    /// A share, from 0 to 1.
    Share,
    /// Bits per second.
    Bandwidth,
    /// Bytes.
    Size,
}

/// Which end of the values that hold is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Find {
    /// The highest: of a load.
    Highest,
    /// The smallest: of what carries it.
    Smallest,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Capacity {
    /// The version of this form.
    pub format_version: u32,
    /// `capacity`.
    pub capacity: String,
    /// The version of Shakedown.
    pub version: String,
    /// What was asked.
    pub question: Question,
    /// What came out, in a sentence or two.
    pub verdict: String,
    /// What to change; empty where nothing says so.
    pub advice: String,
    /// True when it was interrupted: what is there is right, but not the end of it.
    pub partial: bool,
    /// Which end was looked for.
    pub find: Find,
    /// How the search ended.
    pub outcome: Outcome,
    /// The answer: the mean of the seeds' own (whole numbers: what holds with every seed); none where there is none.
    pub value: Option<f64>,
    /// The lower end of its 95 % confidence interval over seeds (Student's t; whole numbers: the least of the seeds' own).
    pub low: Option<f64>,
    /// The upper end.
    pub high: Option<f64>,
    /// What holds with every seed.
    pub every_seed: Option<f64>,
    /// Each seed's own answer.
    pub knees: Vec<SeedKnee>,
    /// Values at which a seed does not hold though it holds on both sides, or the other way about.
    pub not_monotone: Vec<Irregular>,
    /// What a closed form says the answer is, where the scenario has one.
    pub closed_form: Option<ClosedForm>,
    /// Which resource fills up first.
    pub limit: Option<Limit>,
    /// What an objective's metric comes down to and no further, where no value meets it for that reason.
    pub floor: Option<Floor>,
    /// The seeds with which the scenario is impossible: they have no part in the answer.
    pub errors: Vec<SeedError>,
    /// Every value that was run with all seeds, in order.
    pub points: Vec<Point>,
    /// How many runs there were.
    pub runs: usize,
    /// 32 hex digits over the digests of all runs.
    pub digest: String,
}

/// How a search ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The answer lies between two values that were run.
    Found,
    /// Every value holds, to the end of the range.
    HoldsThroughout,
    /// No value does.
    HoldsNowhere,
    /// It was interrupted.
    Interrupted,
}

/// One seed's answer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SeedKnee {
    /// The seed.
    pub seed: u64,
    /// The last value that holds.
    pub holds: f64,
    /// The first that does not.
    pub fails: f64,
}

/// A value that does not fit between its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Irregular {
    /// The seed.
    pub seed: u64,
    /// The value.
    pub value: f64,
    /// Whether it holds there.
    pub holds: bool,
}

/// What queueing theory says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClosedForm {
    /// Which model: `M/M/4`.
    pub model: String,
    /// The answer, where the objective is one that it has a formula for.
    pub value: Option<f64>,
    /// Offered load per second, and the median and the 99th percentile in milliseconds; none beyond saturation.
    pub curve: Vec<(f64, Option<f64>, Option<f64>)>,
}

/// The resource that fills up first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// The server group; of what is no server's, the scenario's key.
    pub of: String,
    /// Which resource: `workers`, `connections_max`, `queue_max`, `transactions_max`, `accept_rate`, `memory`,
    /// `descriptors`, `backlog`, `link`.
    pub resource: String,
    /// How full it is at the last value that holds, and at the first that does not: 1 is full.
    pub fill: (f64, f64),
    /// What shows it.
    pub evidence: String,
    /// Whether the group's queue goes on growing at the first value that does not hold.
    pub grows: bool,
}

/// What a metric comes down to and no further, whatever the value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Floor {
    /// The objective's metric.
    pub metric: String,
    /// From this value on.
    pub value: f64,
    /// What it comes down to, in milliseconds, or what its unit is.
    pub measured: f64,
    /// A connect there, one round trip of the network, in milliseconds; none: there was none.
    pub round_trip: Option<f64>,
}

/// A seed without a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeedError {
    /// The seed.
    pub seed: u64,
    /// Why.
    pub error: String,
}

/// One value, over all seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The value.
    pub value: f64,
    /// With how many seeds the objective passed.
    pub passed: usize,
    /// Of how many.
    pub seeds: usize,
    /// Sessions scheduled per second, while they arrived; the mean over the seeds, as all that follows.
    pub offered: f64,
    /// Sessions that opened per second in the same time.
    pub goodput: f64,
    /// Which share of the scheduled sessions never opened.
    pub never_opened: f64,
    /// Which share of the attempts failed.
    pub refused: f64,
    /// The latency of the objective, or `handshake_latency`: its median over the seeds, in milliseconds; none: never.
    pub p50: Option<f64>,
    /// The same of its 99th percentile.
    pub p99: Option<f64>,
    /// The metrics of the objectives: the median over the seeds, in the order of the question.
    pub measured: Vec<Option<f64>>,
    /// How full the resources are, by group and name.
    pub fills: Vec<(String, String, f64)>,
}

impl Objective {
    /// Its bound in milliseconds, where it is a duration's.
    pub fn bound_ms(&self) -> Option<f64> {
        let quantity = self.expected.trim_start_matches(['<', '=', '>', ' ']);
        quantity.parse::<crate::time::Nanos>().ok().map(|bound| bound.as_millis_f64())
    }
}

impl Kind {
    /// A value as `--set` takes it.
    pub fn written(self, value: f64) -> String {
        match self {
            Kind::Count => format!("{}", value.round()),
            Kind::Number => format!("{value:?}"),
            Kind::Rate => format!("\"{}/s\"", decimal(value)),
            Kind::Duration => format!("\"{}ns\"", (value * 1e9).round() as u64),
            Kind::Share => format!("\"{}\"", Share(value)),
            Kind::Bandwidth => format!("\"{}bit/s\"", value.round() as u64),
            Kind::Size => format!("\"{}B\"", value.round() as u64),
        }
    }

    /// A value for readers.
    pub fn shown(self, value: f64) -> String {
        let number = |value: f64| match value {
            value if value >= 1_000.0 => grouped(value.round() as u64),
            value if value >= 100.0 => format!("{value:.0}"),
            value if value >= 10.0 => format!("{value:.1}"),
            value => format!("{value:.3}"),
        };
        match self {
            Kind::Count => grouped(value.round().max(0.0) as u64),
            Kind::Number => number(value),
            Kind::Rate => format!("{}/s", number(value)),
            Kind::Duration => magnitude(value * 1e3, Unit::Ms),
            Kind::Share => percent(value),
            Kind::Bandwidth => format!("{} Mbit/s", number(value / 1e6)),
            Kind::Size => format!("{} B", grouped(value.round().max(0.0) as u64)),
        }
    }

    /// Whether there is nothing between two neighbours.
    pub fn is_whole(self) -> bool {
        matches!(self, Kind::Count | Kind::Bandwidth | Kind::Size)
    }
}

/// A number with no more digits than it needs, and no exponent.
fn decimal(value: f64) -> String {
    format!("{value}")
}

impl Capacity {
    /// What it is a search of, before its runs.
    pub fn new(question: Question) -> Capacity {
        Capacity {
            format_version: FORMAT_VERSION,
            capacity: "capacity".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            find: question.find.unwrap_or(Find::Highest),
            question,
            verdict: String::new(),
            advice: String::new(),
            partial: false,
            outcome: Outcome::Interrupted,
            value: None,
            low: None,
            high: None,
            every_seed: None,
            knees: Vec::new(),
            not_monotone: Vec::new(),
            closed_form: None,
            limit: None,
            floor: None,
            errors: Vec::new(),
            points: Vec::new(),
            runs: 0,
            digest: String::new(),
        }
    }

    /// Every file of its folder: its name and its bytes.
    pub fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = vec![
            ("capacity.json".into(), self.json().into_bytes()),
            ("capacity.csv".into(), self.csv().into_bytes()),
            ("capacity.md".into(), self.markdown().into_bytes()),
        ];
        files.extend(self.charts().map(|(name, svg)| (name.to_string(), svg.into_bytes())));
        files
    }

    /// All of it.
    pub fn json(&self) -> String {
        pretty(self)
    }

    /// Which latency the curves show.
    pub fn latency(&self) -> &str {
        let metrics = self.question.slo.iter().map(|objective| objective.metric.as_str());
        let of = |metric: &'static str| move |path: &&str| path.starts_with(metric);
        let known = ["time_to_open", "attempt_latency", "handshake_latency"];
        let named = known.into_iter().find(|name| metrics.clone().any(|path| of(name)(&path)));
        named.unwrap_or("handshake_latency")
    }

    /// A row for each value. [`Capacity::legend`] says what the columns are.
    fn table(&self) -> Table {
        let head = ["value", "passed", "offered", "goodput", "never opened", "failed", "p50", "p99"];
        let mut table = Table::new(0, head);
        let ms = |value: Option<f64>| value.map_or("–".into(), |ms| magnitude(ms, Unit::Ms));
        for point in &self.points {
            table.row([
                self.question.kind.shown(point.value),
                format!("{}/{}", point.passed, point.seeds),
                Kind::Rate.shown(point.offered),
                Kind::Rate.shown(point.goodput),
                Kind::Share.shown(point.never_opened),
                Kind::Share.shown(point.refused),
                ms(point.p50),
                ms(point.p99),
            ]);
        }
        table
    }

    /// What the table's columns are.
    fn legend(&self) -> String {
        format!(
            "value: {}; passed: with how many seeds; failed: of the attempts; p50 and p99: of {}",
            visible(&self.question.vary),
            self.latency()
        )
    }

    /// The verdict and the table, for a terminal.
    pub fn text(&self, verbose: bool) -> String {
        let mut text = format!("{}\n", wrapped(&self.verdict, WIDTH));
        if !self.advice.is_empty() {
            let _ = writeln!(text, "{}", wrapped(&self.advice, WIDTH));
        }
        let seeds = counted(self.question.seeds.len() as u64, "seed");
        let runs = counted(self.runs as u64, "run");
        if verbose {
            let _ = writeln!(text, "{runs} with {seeds}.\n");
            let _ = writeln!(text, "{}\n{}", self.table().aligned_for_terminal(), wrapped(&self.legend(), WIDTH));
        } else {
            let _ = writeln!(text, "{runs} with {seeds}. Every value that was tried: --verbose");
        }
        for SeedError { seed, error } in &self.errors {
            let _ = writeln!(text, "ERROR   seed {seed}: {}", error.trim_end());
        }
        text
    }

    /// The same as a page.
    pub fn markdown(&self) -> String {
        let question = &self.question;
        let slo: Vec<String> =
            question.slo.iter().map(|objective| format!("`{} {}`", objective.metric, objective.expected)).collect();
        let mut text = format!("# {}: capacity\n\n{}\n\n", question.scenario, markdown(&question.title));
        let word = if self.find == Find::Highest { "highest" } else { "smallest" };
        let seeds = counted(question.seeds.len() as u64, "seed");
        let _ = writeln!(
            text,
            "Written by `shakedown capacity`: the {word} `{}` that holds {}, over {seeds}, {}.\n",
            question.vary,
            slo.join(" and "),
            counted(self.runs as u64, "run")
        );
        let _ = writeln!(text, "**{}**\n", self.verdict);
        if !self.advice.is_empty() {
            let _ = writeln!(text, "{}\n", self.advice);
        }
        text += &self.table().markdown();
        let _ = write!(text, "\nColumns: {}. Means over the seeds; latencies are medians. ", self.legend());
        let _ = writeln!(text, "Digest of all runs: {}.\n\n![The curve](capacity.svg)", self.digest);
        text
    }

    /// One line per value.
    fn csv(&self) -> String {
        let mut text = String::from("value,passed,seeds,offered,goodput,never_opened,attempts_failed,p50_ms,p99_ms");
        for objective in &self.question.slo {
            let _ = write!(text, ",{}", objective.metric);
        }
        text.push('\n');
        let cell = |value: Option<f64>| value.map_or(String::new(), |value| value.to_string());
        for of in &self.points {
            let _ = write!(
                text,
                "{},{},{},{},{},{},{},{},{}",
                of.value,
                of.passed,
                of.seeds,
                of.offered,
                of.goodput,
                of.never_opened,
                of.refused,
                cell(of.p50),
                cell(of.p99)
            );
            of.measured.iter().for_each(|value| text += &format!(",{}", cell(*value)));
            text.push('\n');
        }
        text
    }

    /// The curves, with the knee marked: file names and SVG.
    fn charts(&self) -> [(&'static str, String); 2] {
        let points = self.points.iter().map(|point| LoadPoint {
            value: point.value,
            p50: point.p50,
            p99: point.p99,
            failed: point.refused.max(point.never_opened),
            goodput: if point.offered > 0.0 { (point.goodput / point.offered).min(1.0) } else { 0.0 },
        });
        let knee = self.value.map(|value| Knee {
            low: self.low.unwrap_or(value),
            high: self.high.unwrap_or(value),
            label: format!("holds {}", self.question.kind.shown(value)),
        });
        let bound = self.question.slo.iter().find(|objective| objective.metric.starts_with(self.latency()));
        let bound = bound.and_then(Objective::bound_ms);
        let closed = self.closed_form.as_ref();
        chart::draw_capacity(&LoadCurve {
            title: &format!("{}: {}", self.question.scenario, self.question.title),
            vary: &self.question.vary,
            whole: self.question.kind.is_whole(),
            latency: self.latency(),
            points: points.collect(),
            knee,
            bound,
            model: closed.map_or("", |closed| closed.model.as_str()),
            closed: closed.map_or(&[], |closed| closed.curve.as_slice()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_a_scenario_takes_them() {
        for (kind, value, written, shown) in [
            (Kind::Count, 12_345.0, "12345", "12,345"),
            (Kind::Rate, 14_200.5, "\"14200.5/s\"", "14,201/s"),
            (Kind::Duration, 0.25, "\"250000000ns\"", "250 ms"),
            (Kind::Share, 0.3, "\"30%\"", "30 %"),
            (Kind::Share, 0.123_45, "\"12.345%\"", "12.34 %"),
            (Kind::Bandwidth, 1e8, "\"100000000bit/s\"", "100 Mbit/s"),
            (Kind::Size, 1500.0, "\"1500B\"", "1,500 B"),
        ] {
            assert_eq!((kind.written(value).as_str(), kind.shown(value).as_str()), (written, shown));
        }
    }
}
