//! Real clients and reconnect libraries as data.
//!
//! A preset is a set of keys of a client group that say how it reconnects, a profile one that says what it makes of
//! answers: what a library does with its default options, as it was measured.

mod evidence;

use std::collections::BTreeMap;

pub use evidence::{Behavior, Explained, Known, Measurement, measurements};

/// The presets, as TOML: a table each, whose keys are those of `[clients.NAME]`, and `version`.
const PRESETS: &str = include_str!("presets.toml");
/// The profiles likewise, each with its `facts` beside.
const PROFILES: &str = include_str!("profiles.toml");

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

/// What a real client makes of answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// What was measured.
    pub version: String,
    /// What stands behind its keys, a sentence each.
    pub facts: Vec<String>,
    /// Keys of `[clients.NAME]`.
    pub keys: toml::Table,
}

impl Profile {
    /// The keys that mean something for a group, as TOML: credentials need to be there to be sent, and a connect gate needs
    /// hosts.
    pub fn keys_for(&self, credentials: bool, hosts: bool) -> String {
        let means = |key: &str, value: &toml::Value| match key {
            // It asks again without any, too.
            "auth" => credentials || value.as_str() == Some("after-401"),
            "auth_schemes" | "credentials_across_origins" | "sets_headers" => credentials,
            "connect_gate" => hosts,
            _ => true,
        };
        let keys = self.keys.iter().filter(|(key, value)| means(key, value));
        keys.map(|(key, value)| (key.clone(), value.clone())).collect::<toml::Table>().to_string()
    }
}

/// Every profile by name.
pub fn profiles() -> BTreeMap<String, Profile> {
    let tables: BTreeMap<String, toml::Table> = toml::from_str(PROFILES).expect("the table is tested");
    let profile = |mut keys: toml::Table| {
        let version = keys.remove("version").and_then(|version| version.as_str().map(str::to_string));
        let facts = keys.remove("facts").and_then(|facts| facts.try_into().ok());
        Profile { version: version.unwrap_or_default(), facts: facts.unwrap_or_default(), keys }
    };
    tables.into_iter().map(|(name, table)| (name, profile(table))).collect()
}
