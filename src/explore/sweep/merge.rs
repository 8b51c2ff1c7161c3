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
    #[error("{} and {} do not belong together: {what}", a.display(), b.display())]
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
        io::ErrorKind::NotFound => {
            no(format!("no share of a sweep or of a hunt: it has no {HEADER}, and no hunt.json"))
        }
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

/// What these folders are shares of, if they are all of them; and where it goes: its own name beside the first share
/// unless `folder` says otherwise.
///
/// # Errors
/// [`MergeError`] where a share is missing, there twice, or of something else.
pub(crate) fn whole(shares: &[(&Path, &Plan)], folder: Option<PathBuf>) -> Result<(Plan, PathBuf), MergeError> {
    let Some((beside, first)) = shares.first() else { return Err(MergeError::Missing("every share".into())) };
    let different =
        |other: &Path, what| Err(MergeError::Different { a: beside.to_path_buf(), b: other.to_path_buf(), what });
    for (other, plan) in &shares[1..] {
        if let Some(what) = difference(&plan.whole().header(), &first.whole().header()) {
            return different(other, what);
        }
        if plan.shard.of != first.shard.of {
            return different(other, format!("one is {}, the other {}", first.shard, plan.shard));
        }
    }
    let of = first.shard.of;
    let mut missing = Vec::new();
    for index in 0..of {
        let found: Vec<&Path> =
            shares.iter().filter(|(_, plan)| plan.shard.index == index).map(|(folder, _)| *folder).collect();
        match found[..] {
            [] => missing.push(format!("share {index}/{of}")),
            [_] => {}
            [a, b, ..] => {
                let (a, b) = (a.to_path_buf(), b.to_path_buf());
                return Err(MergeError::Twice { shard: Shard { index, of }, a, b });
            }
        }
    }
    if !missing.is_empty() {
        return Err(MergeError::Missing(missing.join(", ")));
    }
    let place = folder.unwrap_or_else(|| {
        let name = beside.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let (name, _) = name.split_once("-shard-").unwrap_or(("merged", ""));
        beside.with_file_name(name)
    });
    Ok((first.whole(), place))
}

/// Puts every share of a sweep together: the very files that one sweep would have written. `folder` is where they go;
/// the sweep's own name beside the first share unless given.
///
/// # Errors
/// [`MergeError`]; nothing is written then.
pub fn merge(folders: &[PathBuf], folder: Option<PathBuf>) -> Result<(Plan, SweepSummary, PathBuf), MergeError> {
    let shares = folders.iter().map(|folder| share(folder)).collect::<Result<Vec<_>, _>>()?;
    let (plan, place) = whole(&shares.iter().map(|share| (&*share.folder, &share.plan)).collect::<Vec<_>>(), folder)?;
    let rows = shares.into_iter().flat_map(|share| share.rows).collect();
    let (summary, files) = files::of(&plan, rows);
    write_folder(&place, &files)?;
    Ok((plan, summary, place))
}
