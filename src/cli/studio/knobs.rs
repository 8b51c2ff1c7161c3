//! The numbers of a scenario that a slider can change: those that its file, or the variant, writes down.

use serde_json::{Value as Json, json};
use toml::{Table, Value};

/// More than this many sliders are no help.
const MOST: usize = 60;
/// Tables whose numbers change nothing of what happens.
const APART: [&str; 7] = ["format", "variants", "expect", "compare", "measure", "phases", "seed"];

/// Of a scenario's text, the variant that is chosen, and the scenario as it runs.
pub(super) fn knobs(text: &str, variant: Option<&str>, resolved: &str) -> Vec<Json> {
    let (Ok(file), Ok(resolved)) = (text.parse::<Table>(), resolved.parse::<Table>()) else { return Vec::new() };
    let mut paths = Vec::new();
    for (key, value) in file.iter().filter(|(key, _)| !APART.contains(&key.as_str())) {
        leaves(key, value, &mut paths);
    }
    let own = variant.and_then(|name| file.get("variants")?.get(name)?.as_table());
    for (path, value) in own.into_iter().flatten() {
        leaves(path, value, &mut paths);
    }
    paths.sort();
    paths.dedup();
    let knob = |path: &String| {
        let (value, unit, whole) = number(at(&resolved, path)?)?;
        Some(json!({ "path": path, "value": value, "unit": unit, "whole": whole }))
    };
    paths.iter().filter_map(knob).take(MOST).collect()
}

fn leaves(path: &str, value: &Value, paths: &mut Vec<String>) {
    match value {
        Value::Table(table) => table.iter().for_each(|(key, value)| leaves(&format!("{path}.{key}"), value, paths)),
        _ => paths.push(path.to_string()),
    }
}

fn at<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    let (first, rest) = path.split_once('.').unwrap_or((path, ""));
    let value = table.get(first)?;
    if rest.is_empty() { Some(value) } else { at(value.as_table()?, rest) }
}

/// A number, its unit, and whether it is a whole one.
fn number(value: &Value) -> Option<(f64, String, bool)> {
    match value {
        Value::Integer(number) => Some((*number as f64, String::new(), true)),
        Value::Float(number) => Some((*number, String::new(), false)),
        Value::String(text) => {
            let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
            let (digits, unit) = text.split_at(end);
            let units = ["ns", "us", "ms", "s", "m", "h", "%", "/s", "/min", "kbit/s", "Mbit/s", "Gbit/s"];
            Some((digits.parse().ok()?, unit.to_string(), false)).filter(|_| units.contains(&unit))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_down_can_be_moved() {
        let text = "title = '7'\nformat = 1\n[clients.c]\ncount = 5\nretry = { base = '1s', policy = 'fixed' }\n\
                    [variants.v]\n'clients.c.retry.cap' = '9s'\n[expect]\nx = 3\n";
        let resolved =
            "[clients.c]\ncount = 7\nstart = '0s'\n[clients.c.retry]\nbase = '1.5s'\npolicy = 'fixed'\ncap = '9s'\n";
        let shown = |variant| {
            let knobs = knobs(text, variant, resolved);
            knobs.iter().map(|knob| format!("{}={}{}", knob["path"], knob["value"], knob["unit"])).collect::<Vec<_>>()
        };
        let plain = ["\"clients.c.count\"=7.0\"\"", "\"clients.c.retry.base\"=1.5\"s\""];
        assert_eq!(shown(None), plain);
        assert_eq!(shown(Some("v")), [&plain[..], &["\"clients.c.retry.cap\"=9.0\"s\""]].concat());
        assert!(knobs("not toml", None, resolved).is_empty());
    }
}
