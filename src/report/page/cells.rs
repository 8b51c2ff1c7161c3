//! Values out of recorded documents, as text for readers.

use serde_json::Value as Json;

use crate::metrics::{MetricName, Unit, Value};
use crate::report;
use crate::report::figure::{self, figure};
use crate::text::{grouped, percent};
use crate::time::{Nanos, human};

/// Rows of a table of servers, and of all metrics, at most.
pub(super) const ROWS: usize = 1_000;

/// A table's cell.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cell {
    /// What it says.
    pub text: String,
    /// What it is sorted by, where it is a number.
    pub value: Option<f64>,
    pub(super) class: Option<&'static str>,
}

impl Cell {
    /// Text.
    pub(crate) fn text(text: impl Into<String>) -> Cell {
        Cell { text: text.into(), ..Cell::default() }
    }

    pub(super) fn class(self, class: &'static str) -> Cell {
        Cell { class: Some(class), ..self }
    }

    /// A metric of a recorded summary; its name says its unit.
    pub(crate) fn metric(name: &str, value: &Json) -> Cell {
        if let Some(count) = value.as_u64().filter(|_| !name.ends_with("_ms")) {
            return Cell { text: grouped(count), value: Some(count as f64), class: None };
        }
        let Some(number) = value.as_f64() else { return Cell::text("–") };
        let text = if name.ends_with("_ms") { human(Nanos(nanos(number))) } else { percent(number) };
        Cell { text, value: Some(number), class: None }
    }

    /// The same of many runs: a mean or a median of counts need not be whole.
    pub(crate) fn of_many(name: &str, value: Option<f64>) -> Cell {
        let Some(number) = value else { return Cell::text("–") };
        Cell { text: figure(value, figure::Unit::of(name)), value: Some(number), class: None }
    }
}

/// Rounded: milliseconds have at most six decimals.
fn nanos(ms: f64) -> u64 {
    (ms * 1e6 + 0.5) as u64
}

/// A place in a document: `servers.gateway.arrivals`.
pub(super) fn at<'a>(document: &'a Json, path: &str) -> &'a Json {
    path.split('.').fold(document, |place, key| &place[key])
}

/// A metric by its path, which lacks the unit.
pub(super) fn metric(summary: &Json, path: &str) -> Option<Cell> {
    let with_unit = format!("{path}_ms");
    [path, &with_unit].into_iter().find_map(|path| {
        let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
        let parent = if parent.is_empty() { summary } else { at(summary, parent) };
        parent.get(name).filter(|value| !value.is_object()).map(|value| Cell::metric(path, value))
    })
}

/// How far what was measured is from the bound of a recorded expectation.
pub(crate) fn margin(expectation: &Json, summary: &Json) -> String {
    let text = |key: &str| expectation[key].as_str().unwrap_or_default();
    let (Some(name), Ok(expected)) = (MetricName::parse(text("metric")), text("expected").parse()) else {
        return String::new();
    };
    let measured = &expectation["measured"];
    let count = || measured.as_u64().unwrap_or(0);
    let value = match name.unit() {
        Unit::Duration | Unit::Latency => Value::Duration(measured.as_f64().map(|ms| Nanos(nanos(ms)))),
        Unit::Ratio => Value::Ratio(measured.as_f64()),
        Unit::Count => Value::Count(count()),
        Unit::Part(_) => {
            let whole = name.whole().map_or(0, |whole| at(summary, whole.as_str()).as_u64().unwrap_or(0));
            Value::Part { count: count(), of: whole }
        }
    };
    if measured.is_null() || expectation["nothing_measured"] == true {
        String::new()
    } else {
        report::margin(&expected, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_the_unit_of_their_name() {
        let text = |name: &str, value: Json| Cell::metric(name, &value).text;
        assert_eq!(text("p99_ms", 250.740735.into()), "251 ms");
        assert_eq!(text("p99_ms", 0.into()), "0 ms");
        assert_eq!(text("opened", 10_000.into()), "10,000");
        assert_eq!(text("mean", 0.9937.into()), "99.37 %");
        assert_eq!(text("max_ms", Json::Null), "–");
    }
}
