//! The cells of a sweep: every combination of the values that `--grid` gives.

use std::str::FromStr;

use crate::scenario::covered_argument;

/// `PATH=VALUE,VALUE,…`: one key that a sweep varies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axis {
    /// The key.
    pub path: String,
    /// Its values, as `--set` takes them.
    pub values: Vec<String>,
}

impl FromStr for Axis {
    type Err = String;

    fn from_str(text: &str) -> Result<Axis, String> {
        let hint = || {
            format!(
                "`{}` is no axis: give a key and its values, such as clients.players.retry.policy=full-jitter,equal-jitter",
                covered_argument(text)
            )
        };
        let (path, values) = text.split_once('=').ok_or_else(hint)?;
        let values = split(values, ',');
        if path.trim().is_empty() || values.iter().any(String::is_empty) {
            return Err(hint());
        }
        Ok(Axis { path: path.trim().to_string(), values })
    }
}

/// `NAME: PATH=VALUE; PATH=VALUE`: overrides with a name, as a variant of the file has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// What it is called.
    pub name: String,
    /// What it changes, as `--set` takes it; nothing at all is the file as it is.
    pub sets: Vec<String>,
}

impl FromStr for Named {
    type Err = String;

    fn from_str(text: &str) -> Result<Named, String> {
        let hint = || {
            format!(
                "`{}` is no choice: give its name and what it sets, such as 'patient: clients.players.retry.base=2s; \
                 clients.players.retry.cap=60s'",
                covered_argument(text)
            )
        };
        let (name, sets) = text.split_once(':').ok_or_else(hint)?;
        let sets = if sets.trim().is_empty() { Vec::new() } else { split(sets, ';') };
        let is_set =
            |set: &String| set.split_once('=').is_some_and(|(path, value)| !path.is_empty() && !value.is_empty());
        // A key before the colon: the name was forgotten.
        if name.trim().is_empty() || name.contains('=') || !sets.iter().all(is_set) {
            return Err(hint());
        }
        Ok(Named { name: name.trim().to_string(), sets })
    }
}

/// Values between separators, except those inside brackets or quotes.
fn split(text: &str, separator: char) -> Vec<String> {
    let mut values = vec![String::new()];
    let (mut depth, mut quote) = (0_u32, None);
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => depth += 1,
            (None, ']' | '}') => depth = depth.saturating_sub(1),
            (None, c) if c == separator && depth == 0 => {
                values.push(String::new());
                continue;
            }
            (None, _) => {}
        }
        if let Some(last) = values.last_mut() {
            last.push(c);
        }
    }
    values.into_iter().map(|value| value.trim().to_string()).collect()
}

/// Every combination, as (path, value) pairs; the last axis changes fastest. One empty cell without axes.
pub fn cells(axes: &[Axis]) -> Vec<Vec<(String, String)>> {
    axes.iter().fold(vec![Vec::new()], |cells, axis| {
        let longer = |cell: Vec<(String, String)>| {
            axis.values.iter().map(move |value| {
                let mut cell = cell.clone();
                cell.push((axis.path.clone(), value.clone()));
                cell
            })
        };
        cells.into_iter().flat_map(longer).collect()
    })
}

/// A cell as it is shown and kept: of a secret, only which of the axis' values it is.
pub fn shown(axes: &[Axis], cell: &[(String, String)]) -> Vec<(String, String)> {
    let one = |(path, value): &(String, String)| {
        let written = format!("{path}={value}");
        let axis = axes.iter().find(|axis| axis.path == *path).filter(|_| covered_argument(&written) != written);
        let number = axis.and_then(|axis| axis.values.iter().position(|own| own == value));
        (path.clone(), number.map_or_else(|| value.clone(), |number| format!("secret {}", number + 1)))
    };
    cell.iter().map(one).collect()
}

/// A cell in a line: `retry.policy=full-jitter count=3`, with as much of each path as tells it from the others.
pub fn label(cell: &[(String, String)]) -> String {
    let name = |path: &str| {
        let steps: Vec<&str> = path.split('.').collect();
        let ends_alike = |tail: &str| cell.iter().filter(|(other, _)| other.ends_with(tail)).count() > 1;
        (1..=steps.len())
            .map(|many| steps[steps.len() - many..].join("."))
            .find(|tail| !ends_alike(tail))
            .unwrap_or_else(|| path.to_string())
    };
    cell.iter().map(|(path, value)| format!("{}={}", name(path), value.trim_matches('"'))).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_inside_a_value_stay() {
        let axis: Axis = r#"servers.g.behavior=[{kind="accept"},{kind="stall"}],{kind="a,b"}"#.parse().unwrap();
        assert_eq!(axis.values, [r#"[{kind="accept"},{kind="stall"}]"#, r#"{kind="a,b"}"#]);
        for wrong in ["", "a", "a=", "=1", "a=1,,2"] {
            assert!(wrong.parse::<Axis>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_choice_has_a_name_and_what_it_sets() {
        let one: Named = r#"two words: a.b=1; c.d={ x = ";", y = "5s" }"#.parse().unwrap();
        assert_eq!(
            (one.name.as_str(), &one.sets[..]),
            ("two words", &["a.b=1".into(), r#"c.d={ x = ";", y = "5s" }"#.into()][..])
        );
        assert_eq!("as it is:".parse(), Ok(Named { name: "as it is".into(), sets: Vec::new() }));
        for wrong in ["", "a", "a.b=1", ": a=1", "x: a", "x: a=1;", "x: =1", "a.b=\"x:y\""] {
            assert!(wrong.parse::<Named>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn secrets_are_shown_by_their_number() {
        let axes: Vec<Axis> =
            ["c.count=1,2", "c.credentials.password=x,y"].iter().map(|text| text.parse().unwrap()).collect();
        let labels: Vec<String> = cells(&axes).iter().map(|cell| label(&shown(&axes, cell))).collect();
        let expected = ["count=1 password=secret 1", "count=1 password=secret 2", "count=2 password=secret 1"];
        assert_eq!(labels[..3], expected);
        assert!(!"c.credentials.password=x,,y".parse::<Axis>().unwrap_err().contains("x,"));
    }

    #[test]
    fn cells_are_the_product() {
        let axes: Vec<Axis> = ["a.x=1,2", "b.x=p,q"].iter().map(|text| text.parse().unwrap()).collect();
        let labels: Vec<String> = cells(&axes).iter().map(|cell| label(cell)).collect();
        assert_eq!(labels, ["a.x=1 b.x=p", "a.x=1 b.x=q", "a.x=2 b.x=p", "a.x=2 b.x=q"]);
        assert_eq!(cells(&[]), [Vec::new()]);
        assert_eq!(label(&[("clients.players.retry.policy".into(), "\"none\"".into())]), "policy=none");
    }
}
