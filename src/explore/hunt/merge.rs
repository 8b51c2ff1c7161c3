//! Shares of a hunt that ran in several places, put together.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Tally;
use super::record::{FILE, Found, document, parsed};
use crate::explore::folder::write_folder;
use crate::explore::sweep::{MergeError, Plan, Shard, whole};

/// A hunt, put together.
#[derive(Debug)]
pub struct Merged {
    /// What was hunted through.
    pub plan: Plan,
    /// What was seen up to the find.
    pub tally: Tally,
    /// The find with the lowest seed.
    pub found: Option<Found>,
    /// Where all that was written.
    pub folder: PathBuf,
}

/// One share, read.
struct Share {
    folder: PathBuf,
    plan: Plan,
    tally: Tally,
    found: Option<Found>,
}

fn share(folder: &Path) -> Result<Share, MergeError> {
    let no = |what: String| MergeError::NoShare { folder: folder.to_path_buf(), what };
    let text = fs::read_to_string(folder.join(FILE)).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => no(format!("no share of a hunt: it has no {FILE}")),
        _ => no(format!("{FILE}: {error}")),
    })?;
    let (plan, tally, found) = parsed(&text).map_err(|what| no(format!("{FILE}: {what}")))?;
    if plan.shard == Shard::WHOLE {
        return Err(no("a whole hunt, not a share of one".into()));
    }
    if found.is_none() && tally.runs < plan.runs() {
        return Err(no(format!("unfinished: {} of {} runs; go on with --resume there", tally.runs, plan.runs())));
    }
    Ok(Share { folder: folder.to_path_buf(), plan, tally, found })
}

/// Puts every share of a hunt together: the very files that one hunt would have written. Each share ended at the lowest of
/// its own seeds that breaks something, so that the lowest of those is the lowest of all. `folder` is where they go; the
/// hunt's own name beside the first share unless given.
///
/// # Errors
/// [`MergeError`]; nothing is written then.
pub fn merge(folders: &[PathBuf], folder: Option<PathBuf>) -> Result<Merged, MergeError> {
    let shares = folders.iter().map(|folder| share(folder)).collect::<Result<Vec<_>, _>>()?;
    let (plan, place) = whole(&shares.iter().map(|share| (&*share.folder, &share.plan)).collect::<Vec<_>>(), folder)?;
    let lowest =
        shares.iter().filter(|share| share.found.is_some()).min_by_key(|share| share.found.as_ref().map(|f| f.seed));
    let found = lowest.and_then(|share| share.found.clone());
    // One hunt would have ended there.
    let reached = |seed: u64| found.as_ref().is_none_or(|found| seed <= found.seed);
    let mut tally = Tally {
        runs: found.as_ref().map_or(plan.runs(), |found| found.seed - plan.seeds.0.start + 1),
        ..Tally::default()
    };
    for share in &shares {
        tally.impossible.extend(share.tally.impossible.iter().filter(|seed| reached(**seed)));
        for (what, first) in &share.tally.sometimes {
            let known = tally.sometimes.entry(what.clone()).or_default();
            *known = known.iter().chain(first).copied().filter(|seed| reached(*seed)).min();
        }
    }
    tally.impossible.sort_unstable();
    let mut files = vec![(FILE.to_string(), document(&plan, &tally, found.as_ref()).into_bytes())];
    if let (Some(share), Some(found)) = (lowest, &found)
        && let Some(repro) = found.repro()
    {
        let no = |what: String| MergeError::NoShare { folder: share.folder.clone(), what };
        if !found.shrunk {
            return Err(no("its shrinking was interrupted: go on with --resume there".into()));
        }
        for ending in ["toml", "txt"] {
            let name = format!("{repro}.{ending}");
            let bytes = fs::read(share.folder.join(&name)).map_err(|error| no(format!("{name}: {error}")))?;
            files.push((name, bytes));
        }
    }
    write_folder(&place, &files)?;
    Ok(Merged { plan, tally, found, folder: place })
}
