//! Expectations of a scenario, compared with the [`Summary`].

mod conservation;
pub mod invariants;

pub use invariants::{First, Invariant, Invariants, Violation, findings};

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::metrics::{MetricName, Summary, Unit, Value};
use crate::quantity::Share;
use crate::shape::shaped;
use crate::time::Nanos;

/// `"< 250ms"`, `">= 99%"`, `"== 0"`: a comparison with a quantity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expectation {
    comparison: Comparison,
    bound: Bound,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Less,
    AtMost,
    Equal,
    AtLeast,
    More,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Bound {
    Duration(Nanos),
    Share(Share),
    Number(f64),
}

/// What an expectation must look like, for error messages.
pub const EXPECTATION_HINT: &str = "a comparison with a quantity, such as \"< 250ms\", \">= 99%\" or \"== 0\"";

const COMPARISONS: [(&str, Comparison); 5] = [
    ("<=", Comparison::AtMost),
    (">=", Comparison::AtLeast),
    ("==", Comparison::Equal),
    ("<", Comparison::Less),
    (">", Comparison::More),
];

/// One expectation's outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The metric.
    pub path: String,
    /// What was expected of it.
    pub expected: Expectation,
    /// What was measured.
    pub measured: Value,
    /// Whether it passed. An infinite value passes no upper bound; a metric of which nothing was measured passes every
    /// upper bound, and no other.
    pub passed: bool,
    /// Whether nothing was measured: there were no samples.
    pub nothing_measured: bool,
}

impl Expectation {
    /// Where a measured value stands to the bound; nothing where there is no value.
    pub fn against(&self, value: Value) -> Option<Ordering> {
        match (self.bound, value) {
            (Bound::Duration(bound), Value::Duration(Some(value))) => value.partial_cmp(&bound),
            (Bound::Number(bound), Value::Count(count) | Value::Part { count, .. }) => {
                (count as f64).partial_cmp(&bound)
            }
            (Bound::Share(bound), Value::Part { count, of }) if of > 0 => {
                (count as f64 / of as f64).partial_cmp(&bound.0)
            }
            (Bound::Share(Share(bound)) | Bound::Number(bound), Value::Ratio(Some(value))) => value.partial_cmp(&bound),
            _ => None,
        }
    }

    /// How far a measured value is from the bound, without a sign, in the bound's unit: a time, a number, or a share (as
    /// [`Value::Ratio`]). Nothing where [`against`](Expectation::against) has no answer.
    pub fn distance(&self, value: Value) -> Option<Value> {
        let apart = |bound: f64, value: f64| Some((value - bound).abs());
        match (self.bound, value) {
            (Bound::Duration(Nanos(bound)), Value::Duration(Some(Nanos(value)))) => {
                Some(Value::Duration(Some(Nanos(value.abs_diff(bound)))))
            }
            (Bound::Number(bound), Value::Count(count) | Value::Part { count, .. }) => {
                Some(Value::Count(apart(bound, count as f64)?.ceil() as u64))
            }
            (Bound::Share(bound), Value::Part { count, of }) if of > 0 => {
                Some(Value::Ratio(apart(bound.0, count as f64 / of as f64)))
            }
            (Bound::Share(Share(bound)) | Bound::Number(bound), Value::Ratio(Some(value))) => {
                Some(Value::Ratio(apart(bound, value)))
            }
            _ => None,
        }
    }

    /// Compares the expectation with a measured value.
    pub fn holds(&self, value: Value) -> bool {
        self.against(value).is_some_and(|ordering| match self.comparison {
            Comparison::Less => ordering.is_lt(),
            Comparison::AtMost => ordering.is_le(),
            Comparison::Equal => ordering.is_eq(),
            Comparison::AtLeast => ordering.is_ge(),
            Comparison::More => ordering.is_gt(),
        })
    }

    /// Whether it says that a value is not large.
    pub fn is_upper_bound(&self) -> bool {
        matches!(self.comparison, Comparison::Less | Comparison::AtMost)
    }

    /// Whether no count up to `most` can meet it.
    pub fn is_impossible_up_to(&self, most: u64) -> bool {
        match (self.bound, self.comparison) {
            (Bound::Number(bound), Comparison::AtLeast | Comparison::Equal) => bound > most as f64,
            (Bound::Number(bound), Comparison::More) => bound >= most as f64,
            (Bound::Share(Share(bound)), Comparison::AtLeast | Comparison::Equal) => bound > 1.0,
            (Bound::Share(Share(bound)), Comparison::More) => bound >= 1.0,
            (_, Comparison::Less | Comparison::AtMost) | (Bound::Duration(_), _) => false,
        }
    }

    /// The share that may be meant by a number of so many: `>= 99` of 3,000.
    pub fn forgotten_percent(&self, of: u64) -> Option<f64> {
        match (self.bound, self.comparison) {
            (Bound::Number(bound), Comparison::AtLeast | Comparison::More) => {
                Some(bound).filter(|bound| (50.0..=100.0).contains(bound) && of as f64 > 2.0 * bound)
            }
            _ => None,
        }
    }

    /// Why this expectation can't be compared with a metric, if it can't.
    pub fn mismatch(&self, metric: &MetricName) -> Option<&'static str> {
        match (metric.unit(), self.bound) {
            (Unit::Duration | Unit::Latency, Bound::Duration(_))
            | (Unit::Count, Bound::Number(_))
            | (Unit::Part(_) | Unit::Ratio, Bound::Number(_) | Bound::Share(_)) => None,
            (Unit::Duration | Unit::Latency, _) => Some("is a duration: compare it with one, such as \"< 250ms\""),
            (Unit::Count, _) => Some("is a count: compare it with a number, such as \"< 100\""),
            (Unit::Part(_), _) => Some("is a count: compare it with a number or a share, such as \"== 100%\""),
            (Unit::Ratio, _) => Some("is a ratio: compare it with a share, such as \">= 99%\""),
        }
    }
}

/// Compares every expectation with a summary. Paths were checked with the scenario: one that is missing fails.
pub fn judge<'a>(expectations: impl IntoIterator<Item = (&'a str, Expectation)>, summary: &Summary) -> Vec<Verdict> {
    expectations
        .into_iter()
        .map(|(path, expected)| {
            let measured = summary.get(path).unwrap_or(Value::Ratio(None));
            let nothing_measured = summary.name(path).is_some_and(|name| summary.has_no_samples(name));
            let passed = expected.holds(measured) || (nothing_measured && expected.is_upper_bound());
            Verdict { path: path.to_string(), expected, measured, passed, nothing_measured }
        })
        .collect()
}

impl FromStr for Expectation {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Expectation, &'static str> {
        let text = text.trim();
        let (sign, comparison) =
            *COMPARISONS.iter().find(|(sign, _)| text.starts_with(sign)).ok_or(EXPECTATION_HINT)?;
        let quantity = text[sign.len()..].trim();
        let number = quantity.replace('_', "").parse().ok().filter(|n: &f64| n.is_finite());
        let bound = quantity
            .parse()
            .map(Bound::Duration)
            .or_else(|_| quantity.parse().map(Bound::Share))
            .or_else(|_| number.map(Bound::Number).ok_or(EXPECTATION_HINT))?;
        Ok(Expectation { comparison, bound })
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, _) = COMPARISONS.iter().find(|(_, c)| *c == self.comparison).expect("all are listed");
        match self.bound {
            Bound::Duration(bound) => write!(f, "{sign} {bound}"),
            Bound::Share(bound) => write!(f, "{sign} {bound}"),
            Bound::Number(bound) => write!(f, "{sign} {bound}"),
        }
    }
}

/// One expectation of a metric, or several.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectations(pub Vec<Expectation>);

shaped!(Expectations, "Expectations", |_generator| {
    let signs: Vec<&str> = COMPARISONS.iter().map(|(sign, _)| *sign).collect();
    let one = shape::text(format!(r"^\s*({})\s*[-+0-9._]", signs.join("|")), EXPECTATION_HINT);
    shape::any([one.clone(), schemars::json_schema!({ "type": "array", "items": one })])
});

impl Serialize for Expectations {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => serializer.collect_str(one),
            list => serializer.collect_seq(list.iter().map(ToString::to_string)),
        }
    }
}

impl<'de> Deserialize<'de> for Expectations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Expectations, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Expectations;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(EXPECTATION_HINT)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Expectations, E> {
                let parsed = text.parse();
                parsed
                    .map(|one| Expectations(vec![one]))
                    .map_err(|hint| E::invalid_value(de::Unexpected::Str(text), &hint))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Expectations, A::Error> {
                let mut all = Vec::new();
                while let Some(Expectations(one)) = seq.next_element()? {
                    all.extend(one);
                }
                Ok(Expectations(all))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str, value: Value) -> bool {
        let expectation: Expectation = text.parse().unwrap();
        assert_eq!(expectation.to_string(), text);
        expectation.holds(value)
    }

    #[test]
    fn comparisons_hold_on_their_side_of_the_bound_only() {
        let ms = |n| Value::Duration(Some(Nanos::from_millis(n)));
        for (text, below, at, above) in [
            ("< 10ms", true, false, false),
            ("<= 10ms", true, true, false),
            ("== 10ms", false, true, false),
            (">= 10ms", false, true, true),
            ("> 10ms", false, false, true),
        ] {
            assert_eq!([9, 10, 11].map(|n| holds(text, ms(n))), [below, at, above], "{text}");
        }
        assert!(holds("== 100%", Value::Part { count: 7, of: 7 }));
        assert!(!holds("== 100%", Value::Part { count: 6, of: 7 }));
        assert!(holds("== 6", Value::Part { count: 6, of: 7 }));
        assert!(holds(">= 99.5%", Value::Ratio(Some(0.995))));
    }

    #[test]
    fn a_metric_without_a_value_breaks_its_expectation() {
        assert!(!holds("< 10s", Value::Duration(None)));
        assert!(!holds(">= 0%", Value::Part { count: 0, of: 0 }));
        assert!(!holds(">= 0%", Value::Ratio(None)));
    }

    #[test]
    fn no_samples_pass_an_upper_bound_and_are_not_infinite() {
        let judged = |metrics: &[(&'static str, Value)], text: &str| {
            let summary = Summary::of(metrics.iter().copied());
            let verdict = judge([(metrics[0].0, text.parse().unwrap())], &summary).remove(0);
            (verdict.passed, verdict.nothing_measured)
        };
        let outage = |count: u64| [("outage.max", Value::Duration(None)), ("outage.count", Value::Count(count))];
        assert_eq!(judged(&outage(0), "< 29s"), (true, true));
        assert_eq!(judged(&outage(0), "> 29s"), (false, true));
        assert_eq!(judged(&outage(1), "< 29s"), (false, false));
        let recovery = |affected: u64| {
            let affected = ("faults.a.affected", Value::Part { count: affected, of: 7 });
            [("faults.a.recovery_time", Value::Duration(None)), affected]
        };
        assert_eq!(judged(&recovery(0), "<= 1s"), (true, true));
        assert_eq!(judged(&recovery(3), "<= 1s"), (false, false));
        let share = |of: u64| [("sessions.failed", Value::Part { count: 0, of })];
        assert_eq!(judged(&share(0), "< 1%"), (true, true));
        assert_eq!(judged(&share(9), "< 1%"), (true, false));
        assert_eq!(judged(&share(0), ">= 0%"), (false, true));
        assert_eq!(judged(&[("availability.mean", Value::Ratio(None))], "< 50%"), (true, true));
    }

    #[test]
    fn what_no_run_can_meet_and_what_lacks_a_percent_sign_is_known() {
        let of = |text: &str| text.parse::<Expectation>().unwrap();
        for (text, impossible) in [
            ("== 100", true),
            (">= 51", true),
            ("> 50", true),
            ("> 100%", true),
            ("== 50", false),
            ("> 49", false),
            ("< 100", false),
            (">= 100%", false),
        ] {
            assert_eq!(of(text).is_impossible_up_to(50), impossible, "{text}");
        }
        assert_eq!(of(">= 99").forgotten_percent(3_000), Some(99.0));
        for (text, sessions) in [(">= 99", 100), (">= 5", 3_000), ("== 99", 3_000), (">= 99%", 3_000)] {
            assert_eq!(of(text).forgotten_percent(sessions), None, "{text}");
        }
    }

    #[test]
    fn units_must_fit() {
        let mismatch = |text: &str, metric: &str| {
            let metric = MetricName::parse(metric).unwrap();
            text.parse::<Expectation>().unwrap().mismatch(&metric).is_some()
        };
        assert!(mismatch("< 10", "outage.p99"));
        assert!(mismatch("< 10ms", "outage.count"));
        assert!(mismatch("< 10%", "attempts.total"));
        assert!(mismatch("< 10ms", "sessions.opened"));
        assert!(mismatch("< 10ms", "availability.mean"));
        for (text, metric) in [("< 10ms", "outage.p99"), ("< 10", "outage.count"), ("< 10%", "attempts.failed")] {
            assert!(!mismatch(text, metric), "{metric}");
        }
        for text in ["", "10ms", "~ 5", "< ", "< soon", "=> 5", "< nan"] {
            assert!(text.parse::<Expectation>().is_err(), "{text}");
        }
    }
}
