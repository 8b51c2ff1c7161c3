//! Values for readers.

use std::borrow::Cow;

use crate::metrics::Value;
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

/// Never rounds up to a hundred.
pub fn percent(share: f64) -> String {
    // 0.29 times 10,000 is 2899.9999999999995, which is 2,900 all the same.
    let rounded = (share * 10_000.0 + 1e-9).floor() / 100.0;
    format!("{rounded} %")
}

/// `1,234,567`.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A cell of a CSV file (RFC 4180).
pub fn csv_cell(text: &str) -> Cow<'_, str> {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")).into(),
        false => text.into(),
    }
}

/// A word as a shell reads it.
pub fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+%@".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.into()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// Rows as lines of text, every column to the right; each row has as many cells as the first.
pub(super) fn aligned(rows: &[Vec<String>]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:>width$}"));
        cells.collect::<Vec<_>>().join("  ") + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_shares_never_round_up_to_all() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([1.0, 0.999_999, 0.5, 0.29, 0.57].map(percent), ["100 %", "99.99 %", "50 %", "29 %", "57 %"]);
    }
}
