//! A regression gate: whether a choice is worse than the first one by more than a bound, as far as their seeds can tell.

use serde::{Deserialize, Serialize};

use super::compared::{Better, Comparison, Gate, Row};
use super::figure::Unit;
use super::junit::{Case, Outcome};
use super::league::{Sample, sample, unit};
use crate::statistics::{LEAST, Ratio};
use crate::text::{counted, percent};

/// What the gate says of a choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The choice.
    pub name: String,
    /// The one that it is compared with: the first.
    pub base: String,
    /// Whether it is not shown to be worse by more than the bound.
    pub passed: bool,
    /// What was found, in a sentence.
    pub sentence: String,
    /// As a multiple of the first; none where that can't be told.
    pub ratio: Option<Ratio>,
}

impl Gate {
    /// Every choice beside the first.
    ///
    /// # Errors
    /// Why nothing can be judged: a gate that can't fail is none.
    pub fn judge(&self, comparison: &Comparison) -> Result<Vec<Judged>, String> {
        let named = comparison.named();
        let Some(((base, _, first), others)) = named.split_first().filter(|(_, others)| !others.is_empty()) else {
            return Err("there is one choice only, and nothing to compare it with".into());
        };
        let metric = &self.metric;
        let unit = unit(comparison, metric).ok_or_else(|| format!("no run has a value of {metric}"))?;
        others.iter().map(|(name, _, row)| self.one((base, first), (name, row), unit)).collect()
    }

    fn one(&self, (base, first): (&str, &Row), (name, row): (&str, &Row), unit: Unit) -> Result<Judged, String> {
        let Gate { metric, better, by } = self;
        let (seeds, ratio) = match sample(first, row, metric, unit) {
            Sample::Paired(pairs) => (counted(pairs.len() as u64, "seed"), Ratio::paired(&pairs)),
            Sample::Apart(first, second) => (
                format!("{} and {}", first.len(), counted(second.len() as u64, "run")),
                Ratio::unpaired(&first, &second),
            ),
        };
        let Some(ratio) = ratio else {
            return Err(format!(
                "{metric} of {name} and {base}: {seeds}, and an interval takes {LEAST} of each with values that are not \
                 infinite, or {LEAST} seeds in common: --seeds 0..10"
            ));
        };
        let bound = percent(*by);
        // Beyond the bound lies the whole interval, a part of it, or nothing.
        let (surely, perhaps) = match better {
            Better::Lower => {
                (ratio.low.is_some_and(|low| low > 1.0 + by), ratio.high.is_none_or(|high| high > 1.0 + by))
            }
            Better::Higher => {
                (ratio.high.is_some_and(|high| high < 1.0 - by), ratio.low.is_none_or(|low| low < 1.0 - by))
            }
        };
        let verdict = match (surely, perhaps) {
            (true, _) => format!("worse by more than {bound}"),
            (false, true) => format!("not shown to be worse by more than {bound}"),
            (false, false) => format!("not worse by more than {bound}"),
        };
        let typical = ratio.typical.map_or("for ever".into(), change);
        let interval = match (ratio.low, ratio.high) {
            (Some(low), Some(high)) => format!("95 % between {} and {}", change(low), change(high)),
            (Some(low), None) => format!("95 % at least {}", change(low)),
            (None, Some(high)) => format!("95 % at most {}", change(high)),
            (None, None) => "no interval".into(),
        };
        let sentence = format!("{metric} of {name} is {verdict} than that of {base}: {typical} ({interval}), {seeds}.");
        Ok(Judged { name: name.into(), base: base.into(), passed: !surely, sentence, ratio: Some(ratio) })
    }
}

impl Judged {
    /// The line of a terminal.
    pub fn line(&self) -> String {
        format!("{}  {}", if self.passed { "passed" } else { "FAILED" }, self.sentence)
    }

    /// The test case.
    pub fn case(&self, gate: &Gate) -> Case {
        let name = format!("{} of {} no worse by {} than {}", gate.metric, self.name, percent(gate.by), self.base);
        let outcome = match self.passed {
            true => Outcome::Passed,
            false => Outcome::failed("regression", &self.sentence),
        };
        Case { name, outcome }
    }
}

/// A ratio as a change: `+5 %`.
fn change(ratio: f64) -> String {
    match ratio {
        1.0 => "the same".into(),
        ratio if ratio >= f64::MAX => "for ever".into(),
        ratio if ratio > 1.0 => format!("+{}", percent(ratio - 1.0)),
        ratio => format!("-{}", percent(1.0 - ratio)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::Driver;
    use crate::metrics::Value;
    use crate::report::compared::{Part, Run};
    use crate::time::Nanos;

    fn row(name: &str, driver: Driver, values: impl IntoIterator<Item = (u64, u64)>) -> Row {
        let run = |(seed, ms)| Run {
            seed,
            digest: String::new(),
            values: vec![("outage.p99".into(), Value::Duration(Some(Nanos::from_millis(ms))))],
            unmeasured: Vec::new(),
        };
        Row {
            name: name.into(),
            variant: None,
            resolved: String::new(),
            driver,
            runs: values.into_iter().map(run).collect(),
            errors: Vec::new(),
            lines: None,
        }
    }

    fn judged(rows: Vec<Row>, better: Better, by: f64) -> Result<Judged, String> {
        let metrics = vec!["outage.p99".to_string()];
        let part = Part { scenario: "a".into(), title: "A".into(), metrics: metrics.clone(), rows };
        let gate = Gate { metric: metrics[0].clone(), better, by };
        let comparison =
            Comparison { name: "a".into(), metrics, parts: vec![part], by: None, gate: None, command: None };
        gate.judge(&comparison).map(|mut all| all.remove(0))
    }

    const TEN: [u64; 10] = [1000, 1200, 900, 1100, 1000, 1300, 800, 1000, 1100, 1200];

    fn by_seed(values: impl IntoIterator<Item = u64>) -> Vec<(u64, u64)> {
        (0..).zip(values).collect()
    }

    /// The bound is the last tenth of a percent that the whole interval lies beyond.
    #[test]
    fn a_gate_fails_when_the_whole_interval_is_beyond_the_bound() {
        let rows = || {
            let slower = TEN.map(|ms| ms * 110 / 100 + ms % 7);
            vec![row("old", Driver::Sim, by_seed(TEN)), row("new", Driver::Sim, by_seed(slower))]
        };
        let ratio = judged(rows(), Better::Lower, 0.05).unwrap().ratio.unwrap();
        let (low, high) = (ratio.low.unwrap(), ratio.high.unwrap());
        assert!(1.05 < low && low < 1.11 && high < 1.12, "{ratio:?}");
        for (by, passed, said) in [
            (low - 1.0 - 1e-6, false, "is worse by more than"),
            (low - 1.0 + 1e-6, true, "is not shown to be worse by more than"),
            (high - 1.0 + 1e-6, true, "is not worse by more than"),
        ] {
            let judged = judged(rows(), Better::Lower, by).unwrap();
            assert!(judged.passed == passed && judged.sentence.contains(said), "{by}: {judged:?}");
        }
        // Where more is better, more is no regression, and the other way round it is one.
        assert!(judged(rows(), Better::Higher, 0.0).unwrap().passed);
        let mut turned = rows();
        turned.reverse();
        assert!(!judged(turned, Better::Higher, 0.05).unwrap().passed);
    }

    #[test]
    fn real_runs_share_no_seed_and_a_single_one_can_not_be_judged() {
        let live = |name: &str, values: &[u64]| row(name, Driver::Load, values.iter().map(|ms| (1, *ms)));
        let (before, after) = ([1000, 1010, 990, 1005, 995], [2000, 2020, 1980, 2010, 1990]);
        let judged_of = |before: &[u64], after: &[u64]| {
            judged(vec![live("before", before), live("after", after)], Better::Lower, 0.05)
        };
        let found = judged_of(&before, &after).unwrap();
        assert!(!found.passed && found.sentence.ends_with("5 and 5 runs."), "{found:?}");
        assert!(judged_of(&before, &before).unwrap().passed);
        let refused = judged_of(&before[..1], &after[..1]).unwrap_err();
        assert!(refused.contains("an interval takes 4 of each"), "{refused}");
        assert!(judged(vec![live("one", &before)], Better::Lower, 0.05).unwrap_err().contains("one choice only"));
    }
}
