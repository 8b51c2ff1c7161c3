//! Completes client groups with the preset that they name.

use super::problem::{Problem, nearest};
use super::tree::Tree;
use crate::profile::presets;

/// Gives each client group that names a preset those of its keys that the scenario does not write.
pub(super) fn complete(tree: &mut Tree) -> Result<(), Problem> {
    let groups = tree.keys("clients");
    if groups.iter().all(|group| !tree.has(&format!("clients.{}.preset", super::path::segment(group)))) {
        return Ok(());
    }
    let presets = presets();
    for group in groups {
        let path = format!("clients.{}", super::path::segment(&group));
        // A preset that is no text is left for the reader of the whole file to refuse.
        let Some(name) = tree.text(&format!("{path}.preset")) else { continue };
        let Some(preset) = presets.get(&name) else {
            let known = || presets.keys().map(String::as_str);
            let problem = tree.problem(&format!("{path}.preset"), format!("unknown preset `{name}`"));
            return Err(match nearest(&name, known()) {
                Some(near) => problem.with_help(format!("the nearest known preset is `{near}`")),
                None => problem.with_help(format!("known presets: {}", known().collect::<Vec<_>>().join(", "))),
            });
        };
        let defaults = Tree::parse(&format!("preset {name} ({})", preset.version), &preset.keys)?;
        tree.complete(&path, &defaults);
    }
    Ok(())
}
