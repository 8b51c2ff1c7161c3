//! Completes client groups with the profile and the preset that they name.

use std::cell::LazyCell;
use std::collections::BTreeMap;

use super::nearest::nearest;
use super::problem::Problem;
use super::tree::Tree;
use crate::profile::{Preset, Profile, presets, profiles};

/// Gives each client group that names a profile or a preset those of its keys that the scenario does not write; where
/// both have one, the profile's.
pub(super) fn complete(tree: &mut Tree) -> Result<(), Problem> {
    // Read once however many groups there are, and only where one asks.
    let known_profiles: LazyCell<BTreeMap<String, Profile>> = LazyCell::new(profiles);
    let known_presets: LazyCell<BTreeMap<String, Preset>> = LazyCell::new(presets);
    for group in tree.keys("clients") {
        let path = format!("clients.{}", super::path::segment(&group));
        if let Some((name, profile)) = named(tree, &path, "profile", &known_profiles)? {
            let has = |key: &str| tree.has(&format!("{path}.{key}"));
            let keys = profile.keys_for(has("credentials"), has("hosts"));
            let defaults = Tree::parse(&format!("profile {name} ({})", profile.version), &keys)?;
            tree.complete(&path, &defaults);
        }
        if let Some((name, preset)) = named(tree, &path, "preset", &known_presets)? {
            let defaults = Tree::parse(&format!("preset {name} ({})", preset.version), &preset.keys)?;
            tree.complete(&path, &defaults);
        }
    }
    Ok(())
}

/// What a group names by a key, if it does.
fn named<'a, T>(
    tree: &Tree,
    path: &str,
    key: &str,
    known: &'a LazyCell<BTreeMap<String, T>>,
) -> Result<Option<(String, &'a T)>, Problem> {
    let path = format!("{path}.{key}");
    // What is no text is left for the reader of the whole file to refuse.
    let Some(name) = tree.text(&path) else { return Ok(None) };
    if let Some(found) = known.get(&name) {
        return Ok(Some((name, found)));
    }
    let names = || known.keys().map(String::as_str);
    let problem = tree.problem(&path, format!("unknown {key} `{name}`"));
    Err(match nearest(&name, names()) {
        Some(near) => problem.with_help(format!("the nearest known {key} is `{near}`")),
        None => problem.with_help(format!("known {key}s: {}", names().collect::<Vec<_>>().join(", "))),
    })
}
