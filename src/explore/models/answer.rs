//! What is known in advance, and what was simulated beside it.

use crate::statistics::Estimate;

/// A scenario with a known outcome.
pub struct Experiment {
    /// Its name in the table.
    pub name: String,
    /// The source of the answer: a theorem, a paper, a kernel.
    pub follows: &'static str,
    /// What is simulated and why the answers are what they are, for the document.
    pub about: &'static str,
    /// How many seeds it is run with, from 1.
    pub seeds: u64,
    /// Whether it is small enough for a debug build.
    pub quick: bool,
    /// What is known, in the order in which `measure` gives it.
    pub answers: Vec<Answer>,
    /// Runs the scenario with a seed: one number for each answer.
    pub measure: Box<dyn Fn(u64) -> Vec<f64> + Send + Sync>,
}

/// One number that is known in advance.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What it is the number of.
    pub what: String,
    /// Its unit; empty for a plain number.
    pub unit: &'static str,
    /// The number.
    pub expected: f64,
    /// How the simulated number must stand to it.
    pub must: Requirement,
}

/// How a simulated number must stand to the known one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Requirement {
    /// The same in every seed: nothing is drawn, or nothing that is drawn matters.
    Equal,
    /// The same but for the resolution of the histogram that it is read from, a share of the number.
    Resolved(f64),
    /// The mean over the seeds is as near as their spread lets it be told, plus a resolution (a share of the number). A
    /// tolerance of more than `blunt`, a share of the number too, could not tell right from wrong, and fails.
    Mean {
        /// What the measure itself can't tell apart.
        resolution: f64,
        /// The largest tolerance that still says something.
        blunt: f64,
    },
    /// The mean over the seeds of a difference of two samples, which is zero, is as near to it as their spread lets it be
    /// told. A tolerance of more than this could not tell right from wrong, and fails.
    NoDifference(f64),
    /// In every seed at least this.
    AtLeast,
    /// In every seed at most this.
    AtMost,
    /// The mean over the seeds is above it, and not by luck.
    Above,
}

/// What an answer came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The experiment's name.
    pub experiment: String,
    /// The source of the answer.
    pub follows: &'static str,
    /// What was known.
    pub answer: Answer,
    /// What was simulated, over the seeds.
    pub estimate: Estimate,
}

impl Outcome {
    /// How far from the known number the simulated one may be; `None` where there is only one side.
    pub fn tolerance(&self) -> Option<f64> {
        let expected = self.answer.expected.abs();
        match self.answer.must {
            // A nanosecond of a second is 1e-9; what is left is the rounding of f64.
            Requirement::Equal => Some(1e-9 * expected.max(1.0)),
            Requirement::Resolved(resolution) => Some(resolution * expected),
            Requirement::Mean { resolution, .. } => Some(self.estimate.margin_999() + resolution * expected),
            Requirement::NoDifference(_) => Some(self.estimate.margin_999()),
            Requirement::AtLeast | Requirement::AtMost | Requirement::Above => None,
        }
    }

    /// Whether the simulated number is what it should be.
    pub fn passed(&self) -> bool {
        let (expected, estimate) = (self.answer.expected, &self.estimate);
        let within = |value: f64| self.tolerance().is_some_and(|most| (value - expected).abs() <= most);
        match self.answer.must {
            Requirement::Equal | Requirement::Resolved(_) => within(estimate.min) && within(estimate.max),
            Requirement::Mean { blunt, .. } => {
                within(estimate.mean) && self.tolerance().is_some_and(|most| most <= blunt * expected.abs())
            }
            Requirement::NoDifference(blunt) => {
                within(estimate.mean) && self.tolerance().is_some_and(|most| most <= blunt)
            }
            Requirement::AtLeast => estimate.min >= expected,
            Requirement::AtMost => estimate.max <= expected,
            Requirement::Above => estimate.mean - estimate.margin_999() > expected,
        }
    }
}

impl Answer {
    pub(super) fn new(what: impl Into<String>, unit: &'static str, expected: f64, must: Requirement) -> Answer {
        Answer { what: what.into(), unit, expected, must }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(expected: f64, must: Requirement, values: &[f64]) -> Outcome {
        Outcome {
            experiment: "x".into(),
            follows: "nobody",
            answer: Answer::new("x", "", expected, must),
            estimate: Estimate::of(values),
        }
    }

    #[test]
    fn every_kind_of_answer_can_hold_and_can_fail() {
        let mean = |blunt| Requirement::Mean { resolution: 0.0, blunt };
        let near = [0.99, 1.01, 1.0, 1.02, 0.98, 1.0, 1.01, 0.99];
        for (expected, must, holds) in [
            (1.0, mean(0.05), true),
            (1.1, mean(0.05), false),
            (1.0, mean(0.001), false),
            (0.9, Requirement::AtLeast, true),
            (0.99, Requirement::AtLeast, false),
            (1.02, Requirement::AtMost, true),
            (1.0, Requirement::AtMost, false),
            (0.9, Requirement::Above, true),
            (0.999, Requirement::Above, false),
            (1.0, Requirement::Resolved(0.03), true),
            (1.0, Requirement::Resolved(0.01), false),
            (1.0, Requirement::Equal, false),
            (1.0, Requirement::NoDifference(0.05), true),
            (1.1, Requirement::NoDifference(0.05), false),
            (1.0, Requirement::NoDifference(0.001), false),
        ] {
            assert_eq!(outcome(expected, must, &near).passed(), holds, "{expected} {must:?}");
        }
        assert!(outcome(2.0, Requirement::Equal, &[2.0]).passed());
        for must in [
            Requirement::Equal,
            mean(0.5),
            Requirement::NoDifference(0.5),
            Requirement::AtLeast,
            Requirement::AtMost,
            Requirement::Above,
            Requirement::Resolved(0.5),
        ] {
            assert!(!outcome(1.0, must, &[1.0, f64::NAN]).passed(), "{must:?} without a value");
        }
    }
}
