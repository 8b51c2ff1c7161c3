//! A choice: a variant, and what is set on top of it. It becomes a variant of its own by text that is added to the file.

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::answer::problem;
use crate::scenario::{Overrides, Problem};

/// What is laid over a scenario's text.
#[derive(Debug, Default, Clone, Deserialize)]
pub(super) struct Choice {
    pub variant: Option<String>,
    #[serde(default)]
    pub sets: Vec<String>,
}

impl Choice {
    pub(super) fn overrides(&self, seed: Option<u64>) -> Overrides {
        Overrides { seed, variant: self.variant.clone(), sets: self.sets.clone(), ..Overrides::default() }
    }

    /// The lines that make it a variant of the text.
    ///
    /// # Errors
    /// When the text is no TOML, or has no such variant.
    pub(super) fn written(&self, text: &str, name: &str) -> Result<String, Problem> {
        let file: toml::Table = text.parse().map_err(|error| Problem::new(format!("{error}")))?;
        let variants = file.get("variants").and_then(toml::Value::as_table);
        if variants.is_some_and(|variants| variants.contains_key(name)) {
            return Err(Problem::new(format!("there is a variant `{name}` already")).with_help("choose another name"));
        }
        let mut keys = match &self.variant {
            None => toml::Table::new(),
            Some(variant) => {
                let own = variants.and_then(|variants| variants.get(variant)).and_then(toml::Value::as_table);
                own.cloned().ok_or_else(|| Problem::new(format!("there is no variant `{variant}`")))?
            }
        };
        for set in &self.sets {
            let Some((path, value)) = set.split_once('=') else {
                return Err(Problem::new(format!("`{set}` sets nothing")));
            };
            let read =
                format!("value = {value}").parse::<toml::Table>().ok().and_then(|mut table| table.remove("value"));
            keys.insert(path.trim().into(), read.unwrap_or_else(|| toml::Value::String(value.into())));
        }
        let quoted = |text: &str| toml::Value::String(text.into()).to_string();
        let lines = keys.iter().map(|(path, value)| format!("{} = {value}\n", quoted(path)));
        Ok(format!("\n[variants.{}]\n{}", quoted(name), lines.collect::<String>()))
    }
}

/// A choice that is to become a variant.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    text: String,
    name: String,
    choice: Choice,
}

/// The text with a choice as a variant of it.
pub(super) fn variant(wanted: &Wanted) -> Json {
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
    };
    if !is_name(&wanted.name) {
        let help = "small letters, digits, `-` and `_`, such as `patient-clients`";
        return problem(&Problem::new("a variant needs a name").with_help(help));
    }
    match wanted.choice.written(&wanted.text, &wanted.name) {
        Ok(lines) => json!({ "ok": true, "text": format!("{}\n{lines}", wanted.text.trim_end()) }),
        Err(why) => problem(&why),
    }
}
