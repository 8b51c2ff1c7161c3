//! Values for readers.

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
