//! Shares of a sweep that ran in several places, put together.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::files::{self, SweepSummary};
use super::journal::{HEADER, JournalError, ROWS, difference, read};
use super::plan::{Plan, Point};
use super::row::Row;
use super::seeds::Shard;
use crate::explore::folder::{FolderError, write_folder};

/// Why shares can't be put together.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// Not the folder of a share.
    #[error("{}: {what}", folder.display())]
    NoShare {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        what: String,
    },
    /// Shares of different sweeps.
    #[error("{} and {} are no shares of one sweep: {what}", a.display(), b.display())]
    Different {
        /// One.
        a: PathBuf,
        /// The other.
        b: PathBuf,
        /// How they differ.
        what: String,
    },
    /// The same share twice.
    #[error("share {shard} is there twice: {} and {}", a.display(), b.display())]
    Twice {
        /// Which.
        shard: Shard,
        /// One.
        a: PathBuf,
        /// The other.
        b: PathBuf,
    },
    /// Shares that are not there.
    #[error("missing: {0}")]
    Missing(String),
    /// Rows can't be read.
    #[error(transparent)]
    Rows(#[from] JournalError),
    /// The result can't be written.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// One share, read.
struct Share {
    folder: PathBuf,
    plan: Plan,
    rows: Vec<Row>,
}

fn share(folder: &Path) -> Result<Share, MergeError> {
    let no = |what: String| MergeError::NoShare { folder: folder.to_path_buf(), what };
    let header = fs::read_to_string(folder.join(HEADER)).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => no(format!("no share of a sweep: it has no {HEADER}")),
        _ => no(format!("{HEADER}: {error}")),
    })?;
    let plan = Plan::from_header(&header).map_err(|what| no(format!("{HEADER}: {what}")))?;
    if plan.shard == Shard::WHOLE {
        return Err(no("a whole sweep, not a share of one".into()));
    }
    let (rows, _) = read(&folder.join(ROWS))?;
    let have: Vec<Point> = rows.iter().map(|row| Point { cell: row.cell, seed: row.seed }).collect();
    let mut sorted = have.clone();
    sorted.sort_by_key(|point| (point.cell, point.seed));
    if sorted != plan.points().collect::<Vec<_>>() {
        return Err(no(format!(
            "unfinished: {} of {} runs; go on with --resume there",
            have.len(),
            plan.points().count()
        )));
    }
    Ok(Share { folder: folder.to_path_buf(), plan, rows })
}

/// Puts every share of a sweep together: the very files that one sweep would have written. `folder` is where they go;
/// the sweep's own name beside the first share unless given.
///
/// # Errors
/// [`MergeError`]; nothing is written then.
pub fn merge(folders: &[PathBuf], folder: Option<PathBuf>) -> Result<(Plan, SweepSummary, PathBuf), MergeError> {
    let shares = folders.iter().map(|folder| share(folder)).collect::<Result<Vec<_>, _>>()?;
    let Some(first) = shares.first() else { return Err(MergeError::Missing("every share".into())) };
    for other in &shares[1..] {
        let (ours, theirs) = (first.plan.whole().header(), other.plan.whole().header());
        if ours != theirs {
            let (a, b) = (first.folder.clone(), other.folder.clone());
            return Err(MergeError::Different { a, b, what: difference(&theirs, &ours) });
        }
        if other.plan.shard.of != first.plan.shard.of {
            let what = format!("one is {}, the other {}", first.plan.shard, other.plan.shard);
            return Err(MergeError::Different { a: first.folder.clone(), b: other.folder.clone(), what });
        }
    }
    let of = first.plan.shard.of;
    let mut missing = Vec::new();
    for index in 0..of {
        let found: Vec<&Share> = shares.iter().filter(|share| share.plan.shard.index == index).collect();
        match found[..] {
            [] => missing.push(format!("share {index}/{of}")),
            [_] => {}
            [a, b, ..] => {
                let shard = Shard { index, of };
                return Err(MergeError::Twice { shard, a: a.folder.clone(), b: b.folder.clone() });
            }
        }
    }
    if !missing.is_empty() {
        return Err(MergeError::Missing(missing.join(", ")));
    }
    let plan = first.plan.whole();
    let place = folder.unwrap_or_else(|| {
        let name = first.folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let whole = name.split("-shard-").next().unwrap_or_default().to_string();
        first.folder.with_file_name(if whole.is_empty() { plan.folder_name() } else { whole })
    });
    let rows = shares.into_iter().flat_map(|share| share.rows).collect();
    let (summary, files) = files::of(&plan, rows);
    write_folder(&place, &files)?;
    Ok((plan, summary, place))
}
