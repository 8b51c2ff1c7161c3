//! Many runs of one scenario: every seed of a range, in every cell of a grid, over all cores.
//!
//! Rows go to disk as runs finish, so that a sweep that was killed at any moment goes on where it was; what comes out
//! in the end is sorted and read back from there, so that neither threads, interruptions nor shares change a byte.

mod files;
mod grid;
mod journal;
mod merge;
mod plan;
mod row;
mod seeds;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

pub use files::{CellSummary, SweepSummary, headline_metrics};
pub use grid::{Axis, Named, cells, label, shown};
pub use journal::{Journal, JournalError, rows_of};
pub(in crate::explore) use journal::{checksum, difference, of_this_version};
pub(in crate::explore) use merge::whole;
pub use merge::{MergeError, merge};
pub use plan::{Given, Plan, Point};
pub use row::{Outcome, Row};
pub use seeds::{Seeds, Shard};

use super::folder::{FolderError, write_folder};
use super::single_run::guarded;
use crate::scenario::Problem;

/// Why a sweep came to no end.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// Its rows can't be kept.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Its folder can't be written.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// No threads.
    #[error("can't start {threads}: {error}")]
    Threads {
        /// How many.
        threads: String,
        /// What the machine said.
        error: rayon::ThreadPoolBuildError,
    },
    /// A run can't be made here and now.
    #[error("{}", .0.message())]
    Machine(Box<Problem>),
}

/// How far a sweep has come.
#[derive(Debug, Clone, Copy)]
pub struct Done {
    /// Runs that are done, those of an earlier process included.
    pub runs: usize,
    /// Of how many.
    pub of: usize,
}

/// Runs what is not in the journal yet. `watch` is called after each run and now and then within one, and ends the sweep
/// by returning false: what is running then is lost, what is finished is not. Whether all is done.
///
/// # Errors
/// [`SweepError`]; rows that were written stay.
pub fn run(
    plan: &Plan,
    journal: &Journal,
    rows: &[Row],
    jobs: Option<usize>,
    watch: &(dyn Fn(Option<Done>) -> bool + Sync),
) -> Result<bool, SweepError> {
    let have: BTreeSet<(usize, u64)> = rows.iter().map(|row| (row.cell, row.seed)).collect();
    let all = plan.runs() as usize;
    let missing: Vec<Point> = plan.points().filter(|point| !have.contains(&(point.cell, point.seed))).collect();
    let done = AtomicUsize::new(all - missing.len());
    let jobs = jobs.unwrap_or(0);
    let threads = rayon::ThreadPoolBuilder::new().num_threads(jobs).build().map_err(|error| {
        let threads = if jobs == 0 { "a thread for each core".into() } else { format!("{jobs} threads") };
        SweepError::Threads { threads, error }
    })?;
    let work = |point: &Point| -> Result<bool, SweepError> {
        if !watch(None) {
            return Ok(false);
        }
        let Some(row) = one(plan, *point, &|| watch(None))? else { return Ok(false) };
        journal.add(&row)?;
        let runs = done.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(watch(Some(Done { runs, of: all })))
    };
    // Every run is a task of its own: they take a while, and some take longer than others.
    threads.install(|| missing.par_iter().with_max_len(1).map(work).try_reduce(|| true, |all, done| Ok(all && done)))
}

/// One run's row; `None` when it was ended.
fn one(plan: &Plan, point: Point, go_on: &dyn Fn() -> bool) -> Result<Option<Row>, SweepError> {
    let error = |text: String| Row { cell: point.cell, seed: point.seed, outcome: Outcome::Error(text) };
    let scenario = match plan.scenario(point) {
        Ok(scenario) => scenario,
        // It says nothing of the seed, which stays to be run.
        Err(problem) if problem.is_of_machine() => return Err(SweepError::Machine(Box::new(problem))),
        Err(problem) => return Ok(Some(error(problem.to_string()))),
    };
    Ok(match guarded(&scenario, |_| go_on()) {
        Ok(finished) if finished.partial => None,
        Ok(finished) => Some(Row::new(point.cell, point.seed, &finished)),
        Err(why) => Some(error(why.to_string())),
    })
}

/// Writes the folder of a sweep whose rows are all there, and takes its journal away.
///
/// # Errors
/// [`SweepError`]; the journal is then as it was.
pub fn finish(plan: &Plan, journal: Journal, folder: &Path) -> Result<SweepSummary, SweepError> {
    let rows = journal.rows()?;
    let (summary, files) = files::of(plan, rows);
    write_folder(folder, &files)?;
    journal.remove()?;
    Ok(summary)
}
