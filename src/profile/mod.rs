//! Real clients and reconnect libraries as data.
//!
//! A preset is a set of keys of a client group: what a library does with its default options, as it was measured.

use std::collections::BTreeMap;

/// The presets, as TOML: a table each, whose keys are those of `[clients.NAME]`, and `version`.
const PRESETS: &str = include_str!("presets.toml");

/// The keys that a preset gives to a client group that does not have them itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Preset {
    /// The library and the version that was measured.
    pub version: String,
    /// Keys of `[clients.NAME]`, as TOML.
    pub keys: String,
}

/// Every preset by name.
pub fn presets() -> BTreeMap<String, Preset> {
    let tables: BTreeMap<String, toml::Table> = toml::from_str(PRESETS).expect("the table is tested");
    let preset = |mut table: toml::Table| {
        let version = table.remove("version").and_then(|version| version.as_str().map(str::to_string));
        Preset { version: version.unwrap_or_default(), keys: table.to_string() }
    };
    tables.into_iter().map(|(name, table)| (name, preset(table))).collect()
}
