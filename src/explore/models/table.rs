//! The outcomes as a table to read.

use std::fmt::Write;

use serde_json::{Value as Json, json};

use super::answer::{Outcome, Requirement};
use crate::text::Table;

/// A number with the digits that it deserves.
fn number(value: f64) -> String {
    let size = value.abs();
    match size {
        _ if value.is_nan() => "-".into(),
        _ if value == value.round() && size < 1e6 => format!("{value:.0}"),
        _ if size >= 100.0 => format!("{value:.1}"),
        _ if size >= 1.0 => format!("{value:.3}"),
        _ if size >= 0.001 => format!("{value:.4}"),
        _ => format!("{value:.1e}"),
    }
}

/// The expected number as the table and the document write it.
pub(super) fn expected(must: Requirement, value: f64, unit: &str) -> String {
    let sign = match must {
        Requirement::Equal | Requirement::Resolved(_) | Requirement::Mean { .. } | Requirement::NoDifference(_) => "",
        Requirement::AtLeast => ">= ",
        Requirement::AtMost => "<= ",
        Requirement::Above => "> ",
    };
    let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
    format!("{sign}{}{unit}", number(value))
}

/// All outcomes as a JSON document: what was known, what was simulated over the seeds, and what may lie between. A number
/// that a run did not give is null; so is the tolerance of an answer that has only one side.
pub fn json(outcomes: &[Outcome]) -> Json {
    let row = |outcome: &Outcome| {
        let Outcome { experiment, follows, answer, estimate } = outcome;
        let compared = match answer.must {
            Requirement::Equal => "exact",
            Requirement::Resolved(_) => "resolution",
            Requirement::Mean { .. } | Requirement::NoDifference(_) => "interval",
            Requirement::AtLeast => "at least",
            Requirement::AtMost => "at most",
            Requirement::Above => "above",
        };
        json!({
            "case": experiment,
            "answer": answer.what,
            "follows": follows,
            "unit": answer.unit,
            "compared": compared,
            "expected": answer.expected,
            "simulated": {
                "seeds": estimate.count,
                "mean": estimate.mean,
                "min": estimate.min,
                "max": estimate.max,
                "margin_95": estimate.margin_95(),
            },
            "tolerance": outcome.tolerance(),
            "passed": outcome.passed(),
        })
    };
    Json::Array(outcomes.iter().map(row).collect())
}

/// All outcomes, aligned, and how many failed.
pub fn table(outcomes: &[Outcome]) -> String {
    let head = ["case", "answer", "follows", "expected", "simulated", "tolerance", "verdict"];
    let mut table = Table::new(head.len(), head);
    let mut last = "";
    for outcome in outcomes {
        let answer = &outcome.answer;
        let spread = outcome.estimate.margin_95();
        let simulated = match spread {
            0.0 => number(outcome.estimate.mean),
            _ => format!("{} ± {}", number(outcome.estimate.mean), number(spread)),
        };
        let tolerance = match answer.must {
            Requirement::Equal => "exact".into(),
            _ => outcome.tolerance().map_or_else(|| "one-sided".into(), |tolerance| format!("± {}", number(tolerance))),
        };
        let again = outcome.experiment == last;
        last = &outcome.experiment;
        table.row([
            if again { String::new() } else { outcome.experiment.clone() },
            answer.what.clone(),
            if again { String::new() } else { outcome.follows.into() },
            expected(answer.must, answer.expected, answer.unit),
            simulated,
            tolerance,
            if outcome.passed() { "passed" } else { "FAILED" }.into(),
        ]);
    }
    let mut text = table.aligned();
    let failed = outcomes.iter().filter(|outcome| !outcome.passed()).count();
    let _ = writeln!(text, "{} known answers, {failed} failed (± is the 95 % interval over the seeds)", outcomes.len());
    text
}
