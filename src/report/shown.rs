//! Values for readers.

use std::cmp::Ordering;

use crate::check::Expectation;
use crate::metrics::Value;
use crate::text::{grouped, percent, percent_of};
use crate::time::human;

/// A value for readers; `–` where there is none.
pub fn shown(value: Value) -> String {
    match value {
        Value::Duration(Some(length)) => human(length),
        Value::Count(count) => grouped(count),
        Value::Part { count, of } if of > 0 => {
            format!("{} ({})", grouped(count), percent_of(count, of))
        }
        Value::Ratio(Some(ratio)) => percent(ratio),
        Value::Duration(None) | Value::Ratio(None) | Value::Part { .. } => "–".into(),
    }
}

/// How far a measured value is from the bound of an expectation: `4.35 s below`. Nothing where there is no value.
pub fn margin(expected: &Expectation, measured: Value) -> String {
    let Some(distance) = expected.distance(measured) else { return String::new() };
    let distance = match distance {
        // Differences of shares are in points, not in percent of anything.
        Value::Ratio(Some(points)) => percent(points).replace('%', "points"),
        other => shown(other),
    };
    match expected.against(measured) {
        Some(Ordering::Less) => format!("{distance} below"),
        Some(Ordering::Greater) => format!("{distance} above"),
        _ => "at the bound".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Nanos;

    #[test]
    fn a_margin_has_the_unit_of_its_bound() {
        let said = |expected: &str, measured: Value| margin(&expected.parse().unwrap(), measured);
        assert_eq!(said("< 10s", Value::Duration(Some(Nanos::from_millis(5_650)))), "4.35 s below");
        assert_eq!(said("< 1s", Value::Duration(Some(Nanos::from_millis(1_500)))), "500 ms above");
        assert_eq!(said(">= 99%", Value::Part { count: 9_999, of: 10_000 }), "0.99 points above");
        assert_eq!(said("> 0", Value::Part { count: 3_288, of: 10_000 }), "3,288 above");
        assert_eq!(said("== 0%", Value::Ratio(Some(0.0))), "at the bound");
        assert_eq!(said("< 1s", Value::Duration(None)), "");
    }
}
