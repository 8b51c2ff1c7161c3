//! What broke in a run, and whether another run breaks in the same way.

use std::cmp::Ordering;
use std::fmt;

use crate::check::{Expectation, Invariant, Verdict};
use crate::explore::single_run::Finished;
use crate::metrics::Value;

/// What broke in a run, and in which way: what breaks in another way is another bug.
#[derive(Debug, Clone, PartialEq)]
pub enum Broken {
    /// What must always hold.
    Invariant(Invariant, String),
    /// What the scenario expects of a metric.
    Expectation(String, Expectation, Missed),
    /// What the caller asserts, with what it said.
    Assertion(String),
    /// A bug in Shakedown: the run came to no end.
    Panic(String),
}

/// On which side of its bound a metric is that breaks its expectation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// It is too large, or must be larger and is the bound.
    NotBelow,
    /// It is too small.
    Below,
    /// It is infinite: something began that never ended.
    Never,
    /// There was nothing to measure.
    Unmeasured,
}

impl Missed {
    fn of(verdict: &Verdict) -> Missed {
        match (verdict.expected.against(verdict.measured), verdict.measured) {
            (Some(Ordering::Less), _) => Missed::Below,
            (Some(_), _) => Missed::NotBelow,
            (None, Value::Duration(_)) if !verdict.nothing_measured => Missed::Never,
            (None, _) => Missed::Unmeasured,
        }
    }
}

impl Broken {
    /// The first thing that broke: invariants come before expectations.
    pub fn of(finished: &Finished) -> Option<Broken> {
        Broken::all(finished).next()
    }

    fn all(finished: &Finished) -> impl Iterator<Item = Broken> + '_ {
        let invariants = finished.violations.iter();
        let verdicts = finished.verdicts.iter().filter(|verdict| !verdict.passed);
        invariants.map(|violation| Broken::Invariant(violation.invariant, violation.way.clone())).chain(
            verdicts.map(|verdict| Broken::Expectation(verdict.path.clone(), verdict.expected, Missed::of(verdict))),
        )
    }

    /// Whether the same broke in this run, in the same way.
    pub fn again(&self, finished: &Finished) -> bool {
        Broken::all(finished).any(|broken| broken == *self)
    }

    /// Whether less of everything could break it for being less: a count that is too small.
    pub(super) fn is_too_few(&self, finished: &Finished) -> bool {
        let Broken::Expectation(path, _, Missed::Below) = self else { return false };
        matches!(finished.measured.summary.get(path), Some(Value::Count(_)))
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Invariant(invariant, _) => write!(f, "{}: {}", invariant.name(), invariant.sentence()),
            Broken::Expectation(path, expected, missed) => {
                let how = match missed {
                    Missed::NotBelow | Missed::Below => "",
                    Missed::Never => ": it never came to a value",
                    Missed::Unmeasured => ": there was nothing to measure",
                };
                write!(f, "the expectation of {path} {expected}{how}")
            }
            Broken::Assertion(what) => f.write_str(what),
            Broken::Panic(what) => write!(f, "a bug in Shakedown: {what}"),
        }
    }
}
