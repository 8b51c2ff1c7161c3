//! Values out of recorded documents, as text for readers.

use serde_json::Value as Json;

use crate::report::figure::{Unit, figure};
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
        Cell { text: figure(value, Unit::of(name)), value: Some(number), class: None }
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

/// A text of TOML or of a command in which the values of credentials are covered.
pub(super) fn covered(text: &str) -> String {
    const KEYS: [&str; 5] = ["user", "password", "token", "secret", "authorization"];
    let is_bare = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, key)) =
        KEYS.iter().filter_map(|key| rest.find(key).map(|at| (at, *key))).min_by_key(|(at, _)| *at)
    {
        let after = &rest[at + key.len()..];
        let begins = !rest[..at].ends_with(is_bare);
        let value = after.trim_start_matches(['"', '\'']).trim_start_matches(' ').strip_prefix('=');
        let value = value.map(|value| value.trim_start_matches(' '));
        let Some((value, length)) = value.filter(|_| begins).and_then(|value| Some((value, quoted(value)?))) else {
            shown.push_str(&rest[..at + key.len()]);
            rest = after;
            continue;
        };
        shown.push_str(&rest[..rest.len() - value.len()]);
        shown.push_str("\"•••\"");
        rest = &value[length..];
    }
    shown.push_str(rest);
    shown
}

/// How long the string is that a text begins with, with its quotes.
fn quoted(text: &str) -> Option<usize> {
    let quotes = ["\"\"\"", "'''", "\"", "'"];
    let quote = quotes.into_iter().find(|quote| text.starts_with(quote))?;
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(quote.len()) {
        if !escaped && text[at..].starts_with(quote) {
            return Some(at + quote.len());
        }
        escaped = c == '\\' && !escaped && quote.starts_with('"');
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_covered_wherever_they_stand() {
        let toml = "credentials = { user = \"al\\\"ice\", password = 'se\\' }\npath = \"/user\"\nusers = \"x\"\n";
        let shown = "credentials = { user = \"•••\", password = \"•••\" }\npath = \"/user\"\nusers = \"x\"\n";
        assert_eq!(covered(toml), shown);
        assert_eq!(covered("password = \"\"\"a\"b\"\"\"\nx = 1"), "password = \"•••\"\nx = 1");
        assert_eq!(covered("password = \"never ends"), "password = \"never ends");
        assert_eq!(covered("'a.password=\"x\"'"), "'a.password=\"•••\"'");
        assert_eq!(covered("title = \"the user = nobody\""), "title = \"the user = nobody\"");
    }

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
