//! Arrivals in stages, each with its own rate or change of rate.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::Rate;
use crate::time::Nanos;

/// `{ for = "2m", to = "500/s" }`: the rate changes linearly to this one; or `{ for = "5m", at = "500/s" }`: it is this one from the
/// stage's beginning on. The first stage begins at a rate of zero.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// How long it takes.
    #[serde(rename = "for")]
    pub duration: Nanos,
    /// The rate at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Rate>,
    /// The rate of the whole stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Rate>,
}

/// A stage with what came before it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Piece {
    /// Rates at its beginning and its end.
    from: f64,
    to: f64,
    /// Its length in seconds.
    length: f64,
    /// Seconds, and arrivals, before it.
    since: f64,
    before: f64,
}

impl Piece {
    fn area(&self) -> f64 {
        (self.from + self.to) / 2.0 * self.length
    }
}

/// The stages of a group, to be read from the first to the last.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Pieces {
    all: Vec<Piece>,
    at: usize,
}

impl Pieces {
    pub(super) fn new(stages: &[Stage]) -> Pieces {
        let (mut rate, mut since, mut before) = (0.0, 0.0, 0.0);
        let piece = |stage: &Stage| {
            let from = stage.at.map_or(rate, |at| at.0);
            let to = stage.at.or(stage.to).map_or(from, |to| to.0);
            let piece = Piece { from, to, length: stage.duration.as_secs_f64(), since, before };
            (rate, since, before) = (to, since + piece.length, before + piece.area());
            piece
        };
        Pieces { all: stages.iter().map(piece).collect(), at: 0 }
    }

    /// All that arrive.
    pub(super) fn total(&self) -> f64 {
        self.all.last().map_or(0.0, |last| last.before + last.area())
    }

    /// When so many have arrived, in seconds. Later calls ask for no fewer.
    pub(super) fn when(&mut self, number: f64) -> f64 {
        let ends = |piece: &Piece| piece.before + piece.area();
        while self.at + 1 < self.all.len() && ends(&self.all[self.at]) <= number {
            self.at += 1;
        }
        let Some(piece) = self.all.get(self.at) else { return 0.0 };
        let (number, slope) = (number - piece.before, (piece.to - piece.from) / piece.length);
        // The stable form of the quadratic's root: no cancellation for small numbers.
        let root = (piece.from * piece.from + 2.0 * slope * number).max(0.0).sqrt();
        let seconds = if number > 0.0 { 2.0 * number / (piece.from + root) } else { 0.0 };
        piece.since + seconds.min(piece.length)
    }
}

/// How many sessions stages bring: their area, rounded.
pub(super) fn sessions(stages: &[Stage]) -> u64 {
    Pieces::new(stages).total().round() as u64
}

/// Why they are impossible, if they are.
pub(super) fn problem(stages: &[Stage]) -> Option<String> {
    if stages.is_empty() {
        return Some("no stages: write at least one, such as { for = \"2m\", to = \"500/s\" }".into());
    }
    for (number, stage) in (1..).zip(stages) {
        match (stage.to, stage.at) {
            (None, None) => return Some(format!("stage {number} has no rate: write to = \"500/s\" or at = \"500/s\"")),
            (Some(_), Some(_)) => return Some(format!("stage {number} has `to` and `at`, which exclude each other")),
            _ if stage.duration == Nanos::ZERO => return Some(format!("stage {number} takes no time")),
            _ => {}
        }
    }
    match sessions(stages) {
        0 => Some("these stages bring no session at all".into()),
        sessions if sessions > u64::from(u32::MAX) => Some(format!("these stages bring {sessions} sessions")),
        _ => None,
    }
}
