//! Values for readers.

use crate::metrics::Value;
use crate::text::{grouped, percent};
use crate::time::human;

/// A value for readers; `–` where there is none.
pub fn shown(value: Value) -> String {
    match value {
        Value::Duration(Some(length)) => human(length),
        Value::Count(count) => grouped(count),
        Value::Part { count, of } if of > 0 => {
            format!("{} ({})", grouped(count), percent(count as f64 / of as f64))
        }
        Value::Ratio(Some(ratio)) => percent(ratio),
        Value::Duration(None) | Value::Ratio(None) | Value::Part { .. } => "–".into(),
    }
}
