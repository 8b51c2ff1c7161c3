//! The answer to the mail of 2011: what `docs/hybi.md` says is what the committed comparison says, and that is of the
//! scenarios as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use shakedown::explore::once;
use shakedown::metrics::Value;
use shakedown::profile::profiles;
use shakedown::scenario::Overrides;

use crate::common::{committed, read, repository, scenario_files};

/// The tables of a Markdown text: the header, then the rows.
pub(crate) fn tables(text: &str) -> Vec<Vec<Vec<String>>> {
    let mut tables: Vec<Vec<Vec<String>>> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        let row = line.strip_prefix("| ").and_then(|line| line.strip_suffix('|'));
        match row {
            Some(row) => {
                if !std::mem::replace(&mut inside, true) {
                    tables.push(Vec::new());
                }
                let cells = row.split('|').map(|cell| cell.trim().to_string()).collect();
                tables.last_mut().unwrap().push(cells);
            }
            None => inside = inside && line.starts_with("|--"),
        }
    }
    tables
}

/// What the page quotes, and the scenarios that it is of: those of the mail, and one that belongs beside them.
const COMPARISONS: [(&str, &str); 2] =
    [("results/hybi", "scenarios/hybi"), ("results/shared-connections/compare", "scenarios/shared-connections.toml")];

/// Every cell of the committed comparisons: by scenario, variant and metric.
fn recorded_cells() -> BTreeMap<(String, String, String), String> {
    let mut cells = BTreeMap::new();
    let tables = COMPARISONS.iter().flat_map(|(results, _)| tables(&read(&format!("{results}/compare.md"))));
    for table in tables {
        let [head, rows @ ..] = table.as_slice() else { continue };
        for row in rows {
            for (metric, cell) in head.iter().zip(row).skip(2) {
                cells.insert((row[0].clone(), row[1].clone(), metric.clone()), cell.clone());
            }
        }
    }
    assert!(cells.len() > 200, "{}", cells.len());
    cells
}

#[test]
fn the_document_says_what_the_comparison_says() {
    let cells = recorded_cells();
    let mut compared = 0;
    for table in tables(&read("docs/hybi.md")) {
        let [head, rows @ ..] = table.as_slice() else { continue };
        // A table's first heading is the scenario that it is of.
        let scenario = head[0].trim_matches('`');
        for row in rows {
            let variant = row[0].trim_matches('`');
            for (metric, cell) in head.iter().zip(row).skip(1) {
                // No metric: `who_opens_is_as_the_document_says` is about that column.
                if metric == WHO {
                    continue;
                }
                let key = (scenario.to_string(), variant.to_string(), metric.trim_matches('`').to_string());
                assert_eq!(cells.get(&key), Some(cell), "{key:?}");
                compared += 1;
            }
        }
    }
    assert!(compared > 100, "{compared}");
}

/// The heading of a column that names the client groups of which all sessions opened.
const WHO: &str = "who";

#[test]
fn who_opens_is_as_the_document_says() {
    let (name, recorded) = ("hybi/fleet", recorded("results/hybi"));
    let part = part(&recorded, name);
    let page = tables(&read("docs/hybi.md"));
    let [head, rows @ ..] = page.iter().find(|table| table[0][0].trim_matches('`') == name).unwrap().as_slice() else {
        panic!("no table");
    };
    let column = head.iter().position(|heading| heading == WHO).unwrap();
    assert_eq!(rows.len(), part.len(), "each deployment has its row");
    for (recorded, row) in part.iter().zip(rows) {
        assert_eq!(recorded["name"], row[0].trim_matches('`'));
        let overrides = Overrides { variant: recorded["variant"].as_str().map(String::from), ..Overrides::default() };
        let scenario = shakedown::scenario::load(name, name, &read("scenarios/hybi/fleet.toml"), &overrides).unwrap();
        let finished = once(&scenario, |_| true).unwrap();
        assert_eq!(recorded["runs"][0]["digest"], finished.digest, "{}: compare it again", row[0]);
        let summary = finished.measured.summary;
        let (mut who, mut not) = (Vec::new(), Vec::new());
        for client in scenario.clients().keys() {
            match summary.get(&format!("clients.{client}.sessions.opened")) {
                Some(Value::Part { count: 0, .. }) => not.push(format!("`{client}`")),
                Some(Value::Part { count, of }) if count == of => who.push(format!("`{client}`")),
                other => panic!("{client}: {other:?}: all or none, as all are alike"),
            }
        }
        let said = match (who.len(), not.len()) {
            (_, 0) => "all".into(),
            (0, _) => "nobody".into(),
            (some, less) if some > less => format!("all but {}", not.join(", ")),
            _ => who.join(", "),
        };
        assert_eq!(said, row[column], "{}", row[0]);
    }
}

#[test]
fn the_fleet_is_of_every_real_client() {
    let scenario = committed("hybi/fleet", &Overrides::default());
    let fleet: BTreeSet<String> = scenario.clients().keys().cloned().collect();
    let real = profiles().into_keys().filter(|name| !["rfc6455", "ideal"].contains(&name.as_str()));
    assert_eq!(fleet, real.collect());
}

/// The numbers in a text: digits with what may be between them, and a unit or a per cent sign behind.
fn numbers(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    while at < chars.len() {
        if !chars[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let start = at;
        let inside = |at: usize| {
            chars[at].is_ascii_digit()
                || (matches!(chars[at], '.' | ',') && chars.get(at + 1).is_some_and(char::is_ascii_digit))
        };
        while at < chars.len() && inside(at) {
            at += 1;
        }
        // A number within a word is a name's: `l4`, `rfc-6455`.
        let alone = start == 0 || !(chars[start - 1].is_alphanumeric() || chars[start - 1] == '-');
        if alone {
            found.push(chars[start..at].iter().collect());
        }
    }
    found
}

/// What stands beside measurements: the years, sections and statuses that the page speaks of.
const NAMES: [&str; 20] = [
    "RFC 6455",
    "RFC 7616",
    "RFC 7617",
    "RFC 2817",
    "RFC 8441",
    "RFC 9110",
    "section 1.3",
    "section 4.1",
    "section 4.2.2",
    "section 15.2",
    "11 February 2011",
    "question 1",
    "question 2",
    "question 3",
    "question 4",
    "question 5",
    "draft -05",
    "draft -13",
    "HTTP/1.1",
    "HTTP/2",
];

#[test]
fn every_figure_in_its_text_is_in_a_table_or_in_a_scenario() {
    let page = read("docs/hybi.md");
    let mut known: Vec<String> =
        tables(&page).into_iter().flatten().flatten().flat_map(|cell| numbers(&cell)).collect();
    for file in COMPARISONS.iter().flat_map(|(_, path)| scenarios(&repository(path))) {
        known.extend(numbers(&fs::read_to_string(file).unwrap().replace('_', "")));
    }
    // Statuses of HTTP.
    known.extend(["101", "200", "307", "401", "407", "503"].map(String::from));
    let mut text: String = page.lines().filter(|line| !line.starts_with('|')).map(|line| format!("{line} ")).collect();
    for name in NAMES {
        text = text.replace(name, "");
    }
    for number in numbers(&text) {
        let plain = number.replace(',', "");
        let is_known = known.iter().any(|own| own.replace(',', "") == plain);
        // Lists are numbered, and a few things are counted.
        let counts = plain.len() == 1;
        assert!(is_known || counts, "{number} is in no table of docs/hybi.md and in no scenario that it is of");
    }
}

/// The scenarios of a path: that one, or those of a folder.
fn scenarios(path: &Path) -> Vec<PathBuf> {
    if path.is_file() { vec![path.to_path_buf()] } else { scenario_files(path) }
}

fn recorded(results: &str) -> serde_json::Value {
    serde_json::from_str(&read(&format!("{results}/compare.json"))).unwrap()
}

/// The rows of a scenario in a recorded comparison.
fn part<'a>(recorded: &'a serde_json::Value, name: &str) -> &'a [serde_json::Value] {
    let part = recorded["parts"].as_array().unwrap().iter().find(|part| part["scenario"] == name);
    part.unwrap_or_else(|| panic!("{name} is not in the comparison"))["rows"].as_array().unwrap()
}

/// Holds a committed comparison to the scenarios of a folder, or of a file, as they are.
pub(crate) fn is_of_the_scenarios(results: &str, path: &str) {
    let recorded = recorded(results);
    let mut rows = 0;
    for file in scenarios(&repository(path)) {
        let name = file.strip_prefix(repository("scenarios")).unwrap().with_extension("");
        let name = name.to_str().unwrap();
        let text = fs::read_to_string(&file).unwrap();
        let load = |variant: Option<&String>| {
            let overrides = Overrides { variant: variant.cloned(), ..Overrides::default() };
            shakedown::scenario::load(name, name, &text, &overrides).unwrap_or_else(|problem| panic!("{problem}"))
        };
        let written = load(None);
        let of_part = part(&recorded, name);
        assert_eq!(of_part.len(), 1 + written.variants().len(), "{name}");
        for (row, variant) in of_part.iter().zip(std::iter::once(None).chain(written.variants().iter().map(Some))) {
            let scenario = if variant.is_some() { &load(variant) } else { &written };
            assert_eq!(row["scenario_toml"], scenario.resolved(), "{name} {variant:?}: compare it again");
            rows += 1;
        }
    }
    let all = recorded["parts"].as_array().unwrap().iter().map(|part| part["rows"].as_array().unwrap().len());
    assert_eq!(all.sum::<usize>(), rows, "the comparison has scenarios that are gone");
}

#[test]
fn the_comparisons_are_of_the_scenarios_as_they_are() {
    for (results, path) in COMPARISONS {
        is_of_the_scenarios(results, path);
    }
}
