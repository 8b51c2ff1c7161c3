//! Secrets in what is recorded: the scenario that a record carries may have some, for its rerun.

use std::borrow::Cow;

use serde_json::Value as Json;

use crate::scenario::{covered, has_secret};
use crate::text::pretty;

/// Whether a file has a secret in it, so that only its owner may read it.
pub fn holds_secret(name: &str, bytes: &[u8]) -> bool {
    let is_scenario = name.ends_with(".toml");
    if !is_scenario && !name.ends_with(".json") {
        return false;
    }
    if is_scenario {
        return std::str::from_utf8(bytes).is_ok_and(has_secret);
    }
    serde_json::from_slice(bytes).is_ok_and(|document| scenarios(&document).any(has_secret))
}

/// A recorded document as it is printed.
pub fn covered_document(text: &str) -> Cow<'_, str> {
    match serde_json::from_str::<Json>(text) {
        Ok(mut document) if scenarios(&document).any(has_secret) => {
            cover(&mut document);
            pretty(&document).into()
        }
        _ => text.into(),
    }
}

/// The scenarios that a document carries.
fn scenarios(document: &Json) -> Box<dyn Iterator<Item = &str> + '_> {
    match document {
        Json::Object(object) => Box::new(object.iter().flat_map(|(key, value)| match value.as_str() {
            Some(text) if key == SCENARIO => Box::new(std::iter::once(text)),
            _ => scenarios(value),
        })),
        Json::Array(items) => Box::new(items.iter().flat_map(scenarios)),
        _ => Box::new(std::iter::empty()),
    }
}

/// The key of a scenario.
const SCENARIO: &str = "scenario_toml";

fn cover(document: &mut Json) {
    match document {
        Json::Object(object) => {
            for (key, value) in object {
                match value {
                    Json::String(text) if key == SCENARIO => *text = covered(text).into_owned(),
                    value => cover(value),
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(cover),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_records_are_found_and_covered() {
        let document = r#"{"cells":[{"scenario_toml":"password = 'x'\n"}],"scenario_toml":"count = 1"}"#;
        assert!(holds_secret("sweep.json", document.as_bytes()));
        assert!(!covered_document(document).contains("'x'"));
        assert!(holds_secret("repro-1.toml", b"password = 'x'"));
        for (name, text) in
            [("run.json", r#"{"scenario_toml":"count = 1"}"#), ("run.json", "{"), ("a.csv", "password = 'x'")]
        {
            assert!(!holds_secret(name, text.as_bytes()), "{text}");
            assert_eq!(covered_document(text), text);
        }
    }
}
