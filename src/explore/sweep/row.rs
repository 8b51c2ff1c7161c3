//! What a sweep keeps of each run: a line of JSON.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::explore::Finished;
use crate::metrics::Totals;
use crate::report::number;

/// One run of a sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Which cell of the grid.
    pub cell: usize,
    /// The seed.
    pub seed: u64,
    /// What came out.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// A run that came to its end, or why it did not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It did.
    Finished(Box<Figures>),
    /// It did not: the scenario is impossible with this seed, or there is a bug in Shakedown.
    Error(String),
}

/// The figures of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// The digest of all events.
    pub digest: String,
    /// How many events there were.
    pub events: u64,
    /// The invariants that broke, and the metrics whose expectations did.
    pub broken: Vec<String>,
    /// Every metric under its path with its unit; none where it has no value.
    pub metrics: IndexMap<String, Option<f64>>,
    /// Sessions open at each interval's end.
    pub open: Vec<u32>,
    /// What each latency adds up to.
    pub latencies: IndexMap<String, Totals>,
}

impl Row {
    /// The row of a finished run.
    pub fn new(cell: usize, seed: u64, finished: &Finished) -> Row {
        let measured = &finished.measured;
        let all = &measured.summary.metrics;
        let metrics = all.iter().map(|metric| (metric.name.with_unit(), number(metric.value).as_f64()));
        let mut broken: Vec<String> =
            finished.verdicts.iter().filter(|verdict| !verdict.passed).map(|verdict| verdict.path.clone()).collect();
        broken.dedup();
        let invariants = finished.violations.iter().map(|violation| violation.invariant.name().to_string());
        broken.splice(0..0, invariants);
        let figures = Figures {
            digest: finished.digest.clone(),
            events: finished.events,
            broken,
            metrics: metrics.collect(),
            open: measured.series.sessions_open.clone(),
            latencies: measured.latencies.iter().map(|(name, of)| (name.to_string(), of.totals())).collect(),
        };
        Row { cell, seed, outcome: Outcome::Finished(Box::new(figures)) }
    }

    /// Its figures, if it has any.
    pub fn figures(&self) -> Option<&Figures> {
        match &self.outcome {
            Outcome::Finished(figures) => Some(figures),
            Outcome::Error(_) => None,
        }
    }

    /// Whether it finished and every expectation passed.
    pub fn passed(&self) -> bool {
        self.figures().is_some_and(|figures| figures.broken.is_empty())
    }
}
