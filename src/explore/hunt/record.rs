//! `hunt.json`: what a hunt came to; while it goes on, how far it has come, so that one that was interrupted goes on
//! from there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Tally;
use super::shrink::Shrunk;
use crate::explore::folder::write_file;
use crate::explore::sweep::{JournalError, Plan, checksum, of_this_version};
use crate::text::pretty;

/// The file's name.
pub const FILE: &str = "hunt.json";

/// What was found, and what is left of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The lowest seed that breaks something.
    pub seed: u64,
    /// What.
    pub broken: String,
    /// The digest of the shrunk run; none where the run came to no end, which is a bug in Shakedown.
    pub digest: Option<String>,
    /// What was taken away, in order.
    pub steps: Vec<String>,
    /// Runs that the shrinking took.
    pub shrink_runs: u32,
    /// Whether it went on until nothing more could be taken away.
    pub shrunk: bool,
}

impl Found {
    /// With what is left of it.
    pub fn new(seed: u64, broken: String, shrunk: Option<&Shrunk>) -> Found {
        Found {
            seed,
            broken,
            digest: shrunk.map(|shrunk| shrunk.finished.digest.clone()),
            steps: shrunk.map_or_else(Vec::new, |shrunk| shrunk.steps.clone()),
            shrink_runs: shrunk.map_or(0, |shrunk| shrunk.runs),
            shrunk: shrunk.is_some_and(|shrunk| shrunk.done),
        }
    }

    /// What the files of its shrunk form are called, without their endings.
    pub fn repro(&self) -> Option<String> {
        self.digest.as_ref().map(|digest| format!("repro-{}", &digest[..8]))
    }
}

/// The parts of the file that are not the plan's.
#[derive(Serialize, Deserialize)]
struct Outcome {
    #[serde(flatten)]
    tally: Tally,
    found: Option<Found>,
}

/// The file's text.
pub fn document(plan: &Plan, tally: &Tally, found: Option<&Found>) -> String {
    pretty(&with_outcome(plan, tally, found))
}

/// Under this key an unfinished hunt has a checksum of all else.
const SUM: &str = "checksum";

/// Whether an unfinished hunt is as it was written.
fn unchanged(text: &str) -> Result<(), String> {
    let mut document: serde_json::Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let sum = document.as_object_mut().and_then(|document| document.remove(SUM));
    match sum.as_ref().and_then(|sum| sum.as_str()) == Some(&*checksum(&document.to_string())) {
        true => Ok(()),
        false => Err(format!("{FILE} was changed since it was written: its checksum is another")),
    }
}

fn with_outcome(plan: &Plan, tally: &Tally, found: Option<&Found>) -> serde_json::Value {
    let outcome = Outcome { tally: tally.clone(), found: found.cloned() };
    let mut document = plan.header_json();
    if let (Some(document), Ok(serde_json::Value::Object(outcome))) =
        (document.as_object_mut(), serde_json::to_value(&outcome))
    {
        document.extend(outcome);
    }
    document
}

/// What such a text says.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parsed(text: &str) -> Result<(Plan, Tally, Option<Found>), String> {
    let plan = Plan::from_header(text)?;
    let Outcome { tally, found } = serde_json::from_str(text).map_err(|error| error.to_string())?;
    Ok((plan, tally, found))
}

/// How far a hunt has come, on disk, in a folder that ends in `-partial`.
#[derive(Debug)]
pub struct Checkpoint<'a> {
    folder: PathBuf,
    plan: &'a Plan,
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_path_buf();
    move |source| JournalError::Io { path, source }
}

impl<'a> Checkpoint<'a> {
    /// Reads what is there already. Nothing is written before there is something to keep.
    ///
    /// # Errors
    /// When a hunt lies there that was not asked for, or the folder can't be read.
    pub fn open(folder: &Path, plan: &'a Plan, resume: bool) -> Result<(Checkpoint<'a>, Tally), JournalError> {
        let checkpoint = Checkpoint { folder: folder.to_path_buf(), plan };
        let file = folder.join(FILE);
        let text = match fs::read_to_string(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((checkpoint, Tally::default())),
            text => text.map_err(failed(&file))?,
        };
        let other = |what| JournalError::Other { folder: folder.to_path_buf(), what };
        let (theirs, tally, _) =
            of_this_version(&text).and_then(|()| unchanged(&text)).and_then(|()| parsed(&text)).map_err(other)?;
        if !resume {
            return Err(JournalError::Unfinished { folder: folder.to_path_buf(), rows: tally.runs as usize });
        }
        if let Some(what) = crate::explore::sweep::difference(&theirs.header(), &plan.header()) {
            return Err(other(what));
        }
        Ok((checkpoint, tally))
    }

    /// Keeps it: the file is there as it was or as it is, never half of it.
    ///
    /// # Errors
    /// When the machine refuses.
    pub fn write(&self, tally: &Tally) -> Result<(), JournalError> {
        fs::create_dir_all(&self.folder).map_err(failed(&self.folder))?;
        let (file, fresh) = (self.folder.join(FILE), self.folder.join(format!("{FILE}.new")));
        let mut document = with_outcome(self.plan, tally, None);
        document[SUM] = checksum(&document.to_string()).into();
        // It is private for the short time that it is there, whatever the scenario has in it.
        write_file(&fresh, pretty(&document).as_bytes(), true).map_err(failed(&fresh))?;
        fs::rename(&fresh, &file).map_err(failed(&file))
    }

    /// Removes it, now that the hunt's own folder is there.
    pub fn remove(self) {
        for name in [FILE.to_string(), format!("{FILE}.new")] {
            // Most hunts are over before there is one.
            let _ = fs::remove_file(self.folder.join(name));
        }
        // Whatever else somebody put there stays.
        let _ = fs::remove_dir(&self.folder);
    }
}
