//! The rows of a sweep on disk while it runs: whatever ends the process, what was finished is kept.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::plan::{Given, Plan};
use super::row::Row;
use crate::report::readable;

/// The file that says what is swept.
pub(super) const HEADER: &str = "sweep.json";
/// The file of the rows.
pub(super) const ROWS: &str = "rows.jsonl";

/// Why a sweep's rows can't be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// An unfinished sweep or hunt lies there.
    #[error("{} is unfinished, with {rows} of its runs: go on with --resume, or remove it", folder.display())]
    Unfinished {
        /// The folder.
        folder: PathBuf,
        /// How many rows it has.
        rows: usize,
    },
    /// Something else was swept there.
    #[error("{} holds another sweep or hunt: {what}", folder.display())]
    Other {
        /// The folder.
        folder: PathBuf,
        /// How it differs.
        what: String,
    },
    /// A line that is no row.
    #[error("{}:{line}: no row of a sweep: {what}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The line.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// A row that is not as it was written.
    #[error("{}:{line}: {what} was changed since it was written: its checksum is another", file.display())]
    Changed {
        /// The file.
        file: PathBuf,
        /// The line.
        line: usize,
        /// Which row.
        what: String,
    },
    /// The machine refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the machine said.
        source: io::Error,
    },
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> JournalError {
    let path = path.to_path_buf();
    move |source| JournalError::Io { path, source }
}

/// A sweep's rows while it runs.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    file: Mutex<File>,
}

impl Journal {
    /// Opens the journal in `folder` (which ends in `-partial`), and reads what is there already.
    ///
    /// # Errors
    /// When a sweep lies there that was not asked for, or the folder can't be read or written.
    pub fn open(folder: &Path, plan: &Plan, resume: bool) -> Result<(Journal, Vec<Row>), JournalError> {
        let (header, rows) = (folder.join(HEADER), folder.join(ROWS));
        let ours = plan.header();
        let found = match fs::read_to_string(&header) {
            Ok(theirs) => {
                let other = |what| JournalError::Other { folder: folder.to_path_buf(), what };
                // What another version wrote has other rows, too.
                of_this_version(&theirs).map_err(other)?;
                let found = read(&rows)?;
                if !resume {
                    return Err(JournalError::Unfinished { folder: folder.to_path_buf(), rows: found.0.len() });
                }
                if let Some(what) = difference(&theirs, &ours) {
                    return Err(other(what));
                }
                found
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(folder).map_err(failed(folder))?;
                // The header appears whole, and before any row.
                let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed(folder))?;
                file.write_all(ours.as_bytes()).map_err(failed(&header))?;
                fs::write(&rows, "").map_err(failed(&rows))?;
                file.persist(&header).map_err(|error| failed(&header)(error.error))?;
                (Vec::new(), 0)
            }
            Err(source) => return Err(failed(&header)(source)),
        };
        let (found, length) = found;
        let file = OpenOptions::new().append(true).create(true).open(&rows).map_err(failed(&rows))?;
        // A line that was being written when the process ended is run again.
        file.set_len(length).map_err(failed(&rows))?;
        Ok((Journal { folder: folder.to_path_buf(), file: Mutex::new(file) }, found))
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When the machine refuses.
    pub fn add(&self, row: &Row) -> Result<(), JournalError> {
        let line = line(row);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(line.as_bytes()).map_err(failed(&self.folder.join(ROWS)))
    }

    /// Every row that is there.
    ///
    /// # Errors
    /// When the machine refuses.
    pub fn rows(&self) -> Result<Vec<Row>, JournalError> {
        Ok(read(&self.folder.join(ROWS))?.0)
    }

    /// Removes the journal, now that the sweep's own folder is there.
    ///
    /// # Errors
    /// When the machine refuses.
    pub fn remove(self) -> Result<(), JournalError> {
        for name in [ROWS, HEADER] {
            let path = self.folder.join(name);
            fs::remove_file(&path).map_err(failed(&path))?;
        }
        // Whatever else somebody put there stays.
        let _ = fs::remove_dir(&self.folder);
        Ok(())
    }
}

/// What stands before the checksum at a line's end.
const SUM: &str = ",\"checksum\":\"";

/// A row as a line of JSON, with a checksum of what stands before that.
pub(super) fn line(row: &Row) -> String {
    let text = serde_json::to_string(row).expect("a row of numbers and strings can be written");
    format!("{}{SUM}{}\"}}\n", text.strip_suffix('}').unwrap_or(&text), checksum(&text))
}

/// A line's row and its checksum.
fn parted(line: &str) -> Option<(String, &str)> {
    let (text, sum) = line.strip_suffix("\"}\n")?.rsplit_once(SUM)?;
    Some((format!("{text}}}"), sum))
}

/// 16 hex digits over a text.
pub(in crate::explore) fn checksum(text: &str) -> String {
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(text.as_bytes()))
}

/// The rows of a file that were written whole, and how many bytes those are.
pub(super) fn read(path: &Path) -> Result<(Vec<Row>, u64), JournalError> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        read => read.map_err(failed(path))?,
    };
    rows_of(path, &bytes)
}

/// The rows in the bytes of a journal, and how many of its bytes are whole lines; `path` is for messages.
///
/// # Errors
/// Which line is no row, or not the one that was written.
pub fn rows_of(path: &Path, bytes: &[u8]) -> Result<(Vec<Row>, u64), JournalError> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let mut rows = Vec::new();
    for (number, line) in bytes[..whole].split_inclusive(|byte| *byte == b'\n').enumerate() {
        let (file, number) = (path.to_path_buf(), number + 1);
        let damaged = |what: String| JournalError::Damaged { file: file.clone(), line: number, what };
        let line = std::str::from_utf8(line).map_err(|error| damaged(error.to_string()))?;
        let (text, sum) = parted(line).ok_or_else(|| damaged("it has no checksum at its end".into()))?;
        let row: Row = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        if checksum(&text) != sum {
            let what = format!("the row of seed {} in cell {}", row.seed, row.cell);
            return Err(JournalError::Changed { file, line: number, what });
        }
        rows.push(row);
    }
    Ok((rows, whole as u64))
}

/// Whether a header is of the version that is read here; one that can't be read at all differs in that.
pub(in crate::explore) fn of_this_version(header: &str) -> Result<(), String> {
    let header: serde_json::Value = serde_json::from_str(header).unwrap_or_default();
    readable(&header)
}

/// How the sweeps of two headers differ, for people.
pub(crate) fn difference(theirs: &str, ours: &str) -> Option<String> {
    let parsed = |text: &str| match serde_json::from_str(text) {
        Ok(serde_json::Value::Object(mut header)) => {
            header.retain(|key, _| !Given::KEYS.contains(&key.as_str()));
            Some(header)
        }
        _ => None,
    };
    let Some((theirs, ours)) = parsed(theirs).zip(parsed(ours)) else {
        return Some(format!("its {HEADER} can't be read"));
    };
    let differs = ours.iter().find(|(key, value)| theirs.get(*key) != Some(value));
    let brief = |value: Option<&serde_json::Value>| {
        let text = value.map_or_else(|| "nothing".into(), ToString::to_string);
        if text.len() > 60 { "another".to_string() } else { text }
    };
    match differs {
        Some((key, value)) => Some(format!("its {key} is {}, not {}", brief(theirs.get(key)), brief(Some(value)))),
        None => (theirs.len() > ours.len()).then(|| "it has more in its header".into()),
    }
}
