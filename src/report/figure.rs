//! Numbers of metrics for readers.

use serde::{Deserialize, Serialize};

use crate::metrics::{self, MetricName};
use crate::text::{grouped, percent};
use crate::time::{Nanos, human};

/// What the numbers of a metric are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Milliseconds; infinite: never.
    Ms,
    /// How many.
    Count,
    /// A share, from 0 to 1.
    Share,
}

impl Unit {
    /// What the numbers of a metric are, by its path, with or without the unit at its end. Parts of a total are counts.
    pub fn of(path: &str) -> Unit {
        let name = path.strip_suffix("_ms").unwrap_or(path);
        match MetricName::parse(name).map(|name| name.unit()) {
            Some(metrics::Unit::Duration | metrics::Unit::Latency) => Unit::Ms,
            Some(metrics::Unit::Ratio) => Unit::Share,
            _ if name.len() < path.len() => Unit::Ms,
            _ => Unit::Count,
        }
    }
}

/// A number of a metric, without its sign; of a share, in percentage points.
pub fn magnitude(value: f64, unit: Unit) -> String {
    let value = value.abs();
    match unit {
        Unit::Ms => human(Nanos((value * 1e6 + 0.5) as u64)),
        Unit::Count if value.fract() == 0.0 => grouped(value as u64),
        Unit::Count if value >= 100.0 => grouped((value + 0.5) as u64),
        Unit::Count => format!("{value:.1}"),
        Unit::Share => percent(value).replace('%', "points"),
    }
}

/// The same with its sign.
pub fn signed(value: f64, unit: Unit) -> String {
    let sign = if value < 0.0 { "-" } else { "+" };
    format!("{}{}", if value == 0.0 { "" } else { sign }, magnitude(value, unit))
}

/// A value of a metric; none, or infinite: never.
pub fn figure(value: Option<f64>, unit: Unit) -> String {
    match (value.filter(|value| value.is_finite()), unit) {
        (None, _) => "never".into(),
        (Some(value), Unit::Share) => percent(value),
        (Some(value), unit) => magnitude(value, unit),
    }
}

/// A probability with as many digits as say something.
pub fn probability(p: f64) -> String {
    if p < 0.001 { "p < 0.001".into() } else { format!("p = {p:.3}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_probability_is_zero() {
        assert_eq!(
            [0.0, 1e-9, 0.001, 0.0234, 1.0].map(probability),
            ["p < 0.001", "p < 0.001", "p = 0.001", "p = 0.023", "p = 1.000"]
        );
    }

    #[test]
    fn units_are_those_of_the_table() {
        let units = ["outage.p99", "outage.p99_ms", "lost_ms", "availability.mean", "attempts.failed", "outage.count"];
        assert_eq!(units.map(Unit::of), [Unit::Ms, Unit::Ms, Unit::Ms, Unit::Share, Unit::Count, Unit::Count]);
    }

    #[test]
    fn figures_have_their_unit() {
        assert_eq!([figure(None, Unit::Ms), figure(Some(f64::INFINITY), Unit::Ms)], ["never", "never"]);
        assert_eq!([figure(Some(0.5), Unit::Share), figure(Some(1234.5), Unit::Count)], ["50 %", "1,235"]);
        assert_eq!(
            [signed(-1.5, Unit::Ms), signed(0.0, Unit::Count), signed(0.1, Unit::Share)],
            ["-1.50 ms", "0", "+10 points"]
        );
    }
}
