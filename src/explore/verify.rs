//! Committed results are golden tests: each is run again, and must come out the same.

use std::fs;
use std::path::{Path, PathBuf};

use super::once::once;
use crate::report;
use crate::scenario::{Overrides, Scenario};

/// One recorded run, held against a new one.
#[derive(Debug)]
pub struct Verified {
    /// Its folder.
    pub folder: PathBuf,
    /// What differs, a line each; empty when nothing does.
    pub differences: Vec<String>,
}

/// The folders under `place` that hold a run, in order of their names. Partial runs (`…-partial`) are left out.
///
/// # Errors
/// When a folder can't be read.
pub fn recorded_runs(place: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if place.join("run.json").is_file() && !is_partial(place) {
        found.push(place.to_path_buf());
    }
    let mut folders: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(place)? {
        let path = entry?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    for folder in folders {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !name.ends_with("-partial") && !name.starts_with('.') {
            found.extend(recorded_runs(&folder)?);
        }
    }
    Ok(found)
}

/// Whether a run was interrupted: what it left can't be had again, as nobody chose where it ended.
fn is_partial(folder: &Path) -> bool {
    let run = fs::read(folder.join("run.json")).unwrap_or_default();
    let run: Option<serde_json::Value> = serde_json::from_slice(&run).ok();
    run.is_some_and(|run| run["partial"] == true)
}

/// Runs a recorded run again and compares digest, `summary.json` and `series.csv`.
pub fn verify(folder: &Path) -> Verified {
    let differences = compare(folder).unwrap_or_else(|problem| vec![problem]);
    Verified { folder: folder.to_path_buf(), differences }
}

fn compare(folder: &Path) -> Result<Vec<String>, String> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).map_err(|error| format!("{name}: {error}"));
    let recorded: serde_json::Value =
        serde_json::from_str(&read("run.json")?).map_err(|error| format!("run.json: {error}"))?;
    let text = |key: &str| {
        let value = recorded[key].as_str().map(str::to_string);
        value.ok_or_else(|| format!("run.json: no `{key}`"))
    };
    let driver = text("driver")?;
    if driver != "sim" {
        return Err(format!("run.json: driver {driver} is not deterministic, so it can't be verified"));
    }
    let source = format!("{}: scenario_toml", folder.join("run.json").display());
    let scenario = Scenario::load(&source, &text("scenario")?, &text("scenario_toml")?, &Overrides::default())
        .map_err(|problem| problem.to_string())?;
    let finished = once(&scenario, |_| true);
    let variant = recorded["variant"].as_str();
    let run = finished.run(&scenario, variant);
    let mut differences = Vec::new();
    let digest = text("digest")?;
    if digest != finished.digest {
        let (theirs, ours) = (text("version")?, env!("CARGO_PKG_VERSION"));
        differences
            .push(format!("digest: recorded {digest} (version {theirs}), now {} (version {ours})", finished.digest));
    }
    for (name, now) in [("summary.json", report::summary(&run)), ("series.csv", report::series(&run))] {
        let recorded = read(name)?;
        if recorded != now {
            differences.push(first_difference(name, &recorded, &now));
        }
    }
    Ok(differences)
}

fn first_difference(name: &str, recorded: &str, now: &str) -> String {
    let mut pairs = recorded.lines().zip(now.lines()).enumerate();
    match pairs.find(|(_, (recorded, now))| recorded != now) {
        Some((line, (recorded, now))) => {
            format!("{name}:{}: recorded {}, now {}", line + 1, recorded.trim(), now.trim())
        }
        None => format!("{name}: recorded {} lines, now {}", recorded.lines().count(), now.lines().count()),
    }
}
