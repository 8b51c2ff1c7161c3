//! How recorded files differ from what a new run writes.

use std::fs;
use std::path::Path;

use serde_json::Value as Json;

use crate::report::readable;

/// A recorded file's text.
pub(super) fn text(folder: &Path, name: &str) -> Result<String, String> {
    fs::read_to_string(folder.join(name)).map_err(|error| format!("{name}: {error}"))
}

/// A recorded file's document, whatever version it is of.
pub(super) fn any_version(folder: &Path, name: &str) -> Result<Json, String> {
    serde_json::from_str(&text(folder, name)?).map_err(|error| format!("{name}: {error}"))
}

/// A recorded file's document.
///
/// # Errors
/// Why it can't be read; that it is of another version.
pub(super) fn document(folder: &Path, name: &str) -> Result<Json, String> {
    let document = any_version(folder, name)?;
    readable(&document).map_err(|what| format!("{name} has {what}"))?;
    Ok(document)
}

/// What differs from the recorded files, a line for each file. Charts follow from the others, and are left out.
pub(super) fn differences(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<Vec<String>, String> {
    let mut differences = Vec::new();
    for (name, bytes) in files.iter().filter(|(name, _)| !name.ends_with(".svg")) {
        differences.extend(first_difference(name, &text(folder, name)?, &String::from_utf8_lossy(bytes)));
    }
    Ok(differences)
}

/// The first line that differs.
pub(super) fn first_difference(name: &str, recorded: &str, now: &str) -> Option<String> {
    if recorded == now {
        return None;
    }
    let mut pairs = recorded.lines().zip(now.lines()).enumerate();
    Some(match pairs.find(|(_, (recorded, now))| recorded != now) {
        Some((line, (recorded, now))) => {
            format!("{name}:{}: recorded {}, now {}", line + 1, recorded.trim(), now.trim())
        }
        None => format!("{name}: recorded {} lines, now {}", recorded.lines().count(), now.lines().count()),
    })
}
