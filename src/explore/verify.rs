//! Committed results are golden tests: each is run again, and must come out the same.

use std::fs;
use std::path::{Path, PathBuf};

use super::difference::{self, first_difference};
use super::replay::{EventLog, exemplars};
use super::single_run::once_with;
use super::{WITHOUT_TURMOIL, capacity, compare};
use crate::driver::Driver;
use crate::replay::Chooser;
use crate::report;
use crate::scenario::Overrides;
use crate::time::Timestamp;

/// One recorded run, compared with a new one.
#[derive(Debug)]
pub struct Verified {
    /// Its folder.
    pub folder: PathBuf,
    /// What came out.
    pub verdict: Verdict,
}

/// How a recorded run compares with a new one.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Digest, summary, series and examples are the same.
    Same,
    /// What differs, a line each.
    Different(Vec<String>),
    /// It can't be had again: it was on real sockets, or this program was built without its driver.
    Skipped(String),
    /// What was recorded can't be read, and why.
    Unreadable(String),
}

/// The folders under `place` that hold a run or a comparison, or what is left of one, in order of their names; and below
/// it, those that can't be searched. Left out are partial runs (`…-partial`).
///
/// # Errors
/// When `place` itself can't be read.
pub fn recorded_runs(place: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let is_run = FILES.iter().any(|name| place.join(name).exists()) && !says(place, "partial", true);
    let is_comparison = compare::is_comparison(place) && !compare::is_unrepeatable(place);
    if is_run || is_comparison || is_search(place) {
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
            // One that can't be read must not hide the others: what is wrong with it comes out when it is verified.
            found.extend(recorded_runs(&folder).unwrap_or_else(|_| vec![folder]));
        }
    }
    Ok(found)
}

/// What is compared: each shows that a run was recorded, though another may be lost.
const FILES: [&str; 3] = ["run.json", "summary.json", "series.csv"];

/// What the record of a run says of it: whether it was interrupted, as nobody chose where it ended, or can be had again.
fn says(folder: &Path, key: &str, value: bool) -> bool {
    difference::any_version(folder, "run.json").is_ok_and(|run| run[key] == value)
}

/// Whether a folder holds a search for capacity that came to its end.
fn is_search(folder: &Path) -> bool {
    let found = difference::any_version(folder, "capacity.json");
    // One that can't be read was one, too.
    folder.join("capacity.json").exists() && !found.is_ok_and(|found| found["partial"] == true)
}

/// Runs a recorded run again and compares digest, `summary.json`, `series.csv` and, where there is one, `exemplars.jsonl`; of a comparison, all that is no chart.
pub fn verify(folder: &Path) -> Verified {
    if says(folder, "deterministic", false) {
        let why = "no two runs on real sockets are the same".to_string();
        return Verified { folder: folder.to_path_buf(), verdict: Verdict::Skipped(why) };
    }
    let differences = if compare::is_comparison(folder) {
        compare::differences(folder)
    } else if is_search(folder) {
        capacity::differences(folder)
    } else {
        differences(folder)
    };
    let verdict = match differences {
        Ok(differences) if differences.is_empty() => Verdict::Same,
        Ok(differences) => Verdict::Different(differences),
        Err(problem) if problem.contains(WITHOUT_TURMOIL) => Verdict::Skipped(problem),
        Err(problem) => Verdict::Unreadable(problem),
    };
    Verified { folder: folder.to_path_buf(), verdict }
}

fn differences(folder: &Path) -> Result<Vec<String>, String> {
    let recorded = difference::document(folder, "run.json")?;
    let (summary, series) = (difference::text(folder, "summary.json")?, difference::text(folder, "series.csv")?);
    let text = |key: &str| {
        let value = recorded[key].as_str().map(str::to_string);
        value.ok_or_else(|| format!("run.json: no `{key}`"))
    };
    let (digest, version) = (text("digest")?, text("version")?);
    let driver = text("driver")?;
    let source = format!("{}: scenario_toml", folder.join("run.json").display());
    let scenario =
        match crate::scenario::load(&source, &text("scenario")?, &text("scenario_toml")?, &Overrides::default()) {
            Ok(scenario) => scenario,
            // It ran once: what is different is what scenarios may say.
            Err(problem) => return Ok(vec![problem.to_string()]),
        };
    #[cfg_attr(not(feature = "turmoil"), expect(unused_mut, reason = "only turmoil keeps them"))]
    let (mut chooser, mut kept) = (Chooser::default(), EventLog::default());
    let finished = match Driver::named(&driver) {
        Some(Driver::Sim) => once_with(&scenario, &mut chooser, |_| true).map_err(|error| error.to_string())?,
        #[cfg(feature = "turmoil")]
        Some(Driver::Turmoil) => super::turmoil::once_with(&scenario, &mut (&mut chooser, &mut kept), |_| true)
            .map_err(|error| error.to_string())?,
        #[cfg(not(feature = "turmoil"))]
        Some(Driver::Turmoil) => return Err(format!("run.json: {WITHOUT_TURMOIL}")),
        _ => return Err(format!("run.json: driver {driver} is not deterministic, so it can't be verified")),
    };
    let variant = recorded["variant"].as_str();
    let run = finished.run(&scenario, variant);
    let mut differences = Vec::new();
    if digest != finished.digest {
        let ours = env!("CARGO_PKG_VERSION");
        differences
            .push(format!("digest: recorded {digest} (version {version}), now {} (version {ours})", finished.digest));
    }
    for (name, recorded, now) in
        [("summary.json", summary, report::summary(&run)), ("series.csv", series, report::series(&run))]
    {
        differences.extend(first_difference(name, &recorded, &now));
    }
    // A run without exemplars has no such file.
    if folder.join("exemplars.jsonl").exists() {
        let (recorded, chosen) = (difference::text(folder, "exemplars.jsonl")?, chooser.chosen());
        let now = match finished.driver {
            Driver::Sim => exemplars(&scenario, &chosen, |_| true),
            _ => kept.exemplars(&scenario, &chosen, Timestamp::ZERO + scenario.duration()),
        };
        let now = now.unwrap_or_default();
        if recorded.as_bytes() != now {
            differences.push("exemplars.jsonl: other sessions, or other events of theirs".into());
        }
    }
    Ok(differences)
}
