//! Hunting: seed after seed until something breaks, and then the smallest scenario that still breaks it.

mod broken;
#[cfg(feature = "cli")]
mod merge;
#[cfg(feature = "cli")]
mod record;
#[cfg(feature = "cli")]
mod session;
mod shrink;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::single_run::{Finished, RunError, file_name, guarded};
use crate::check::Expectation;
use crate::scenario::{Overrides, Problem, Scenario};

pub use broken::{Broken, Missed};
#[cfg(feature = "cli")]
pub use merge::{Merged, merge};
#[cfg(feature = "cli")]
pub use record::{Checkpoint, FILE, Found, document};
#[cfg(feature = "cli")]
pub use session::session;
pub use shrink::{Shrunk, Smallest, shrink, smallest};

/// What a hunt has seen so far: of its seeds, taken in order, the first so many.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// How many seeds were run, that of the find included and those after it left out.
    pub runs: u64,
    /// The seeds with which the scenario is impossible.
    pub impossible: Vec<u64>,
    /// What must happen in at least one run, and the first seed with which it did.
    pub sometimes: BTreeMap<String, Option<u64>>,
}

impl Tally {
    /// What must happen and never did.
    pub fn never(&self) -> impl Iterator<Item = &str> {
        self.sometimes.iter().filter(|(_, first)| first.is_none()).map(|(what, _)| what.as_str())
    }
}

/// What a hunt came to.
#[derive(Debug)]
pub struct Hunted {
    /// The lowest seed that broke something, and what.
    pub found: Option<(u64, Broken)>,
    /// What was seen up to there.
    pub tally: Tally,
    /// Whether it was ended before its last seed without having found anything.
    pub ended: bool,
}

/// Runs that are looked at together, per thread: the lowest of them that breaks is the one found, so that threads change
/// nothing.
const TOGETHER: usize = 4;

/// Runs seed after seed, which must go upward, until `check` says that something broke. `tally` is what was seen of the
/// seeds before. `watch` is called with what was seen so far, also within a run, and ends the hunt by returning false.
///
/// # Errors
/// What the machine could not do. A scenario that is impossible with a seed is none: it is counted.
pub fn hunt(
    scenario: &(dyn Fn(u64) -> Result<Scenario, Problem> + Sync),
    seeds: impl IntoIterator<Item = u64>,
    tally: Tally,
    check: &(dyn Fn(&Finished) -> Option<Broken> + Sync),
    watch: &(dyn Fn(&Tally) -> bool + Sync),
) -> Result<Hunted, Problem> {
    let mut hunted = Hunted { found: None, tally, ended: false };
    let block = rayon::current_num_threads() * TOGETHER;
    let mut seeds = seeds.into_iter().peekable();
    while hunted.found.is_none() && seeds.peek().is_some() {
        let together: Vec<u64> = seeds.by_ref().take(block).collect();
        let tally = &hunted.tally;
        let one = |seed: u64| -> Result<Option<Ran>, Problem> {
            let scenario = match scenario(seed) {
                Ok(scenario) => scenario,
                Err(problem) if problem.is_of_machine() => return Err(problem),
                Err(_) => return Ok(Some(Ran::Impossible)),
            };
            let sometimes = |finished: &Finished| {
                let summary = &finished.measured.summary;
                let holds = |path: &str, what: Expectation| summary.get(path).is_some_and(|value| what.holds(value));
                scenario.sometimes().map(|(path, what)| (format!("{path} {what}"), holds(path, what))).collect()
            };
            Ok(match guarded(&scenario, |_| watch(tally)) {
                Ok(finished) if finished.partial => None,
                Ok(finished) => Some(Ran::Done(check(&finished), sometimes(&finished))),
                Err(RunError::StandsStill(_)) => Some(Ran::Impossible),
                Err(RunError::Panic(panic)) => Some(Ran::Done(Some(Broken::Panic(panic)), Vec::new())),
            })
        };
        let runs: Vec<Result<Option<Ran>, Problem>> =
            together.par_iter().with_max_len(1).map(|seed| one(*seed)).collect();
        for (seed, ran) in together.into_iter().zip(runs) {
            match ran? {
                None => {
                    hunted.ended = true;
                    return Ok(hunted);
                }
                Some(Ran::Impossible) => hunted.tally.impossible.push(seed),
                Some(Ran::Done(broken, sometimes)) => {
                    for (what, happened) in sometimes {
                        let first = hunted.tally.sometimes.entry(what).or_default();
                        *first = first.or(happened.then_some(seed));
                    }
                    hunted.found = broken.map(|broken| (seed, broken));
                }
            }
            hunted.tally.runs += 1;
            if hunted.found.is_some() {
                break;
            }
        }
        if hunted.found.is_none() && !watch(&hunted.tally) {
            hunted.ended = seeds.peek().is_some();
            break;
        }
    }
    Ok(hunted)
}

/// How one seed's run came out: what broke, and what of `[sometimes]` happened.
enum Ran {
    Impossible,
    Done(Option<Broken>, Vec<(String, bool)>),
}

/// Runs the scenario in a file with every seed of a range, over all cores, and panics at the lowest for which an
/// invariant breaks or `assertion` says what is wrong: with the line that replays it. For use in `#[test]`.
///
/// # Panics
/// When a seed breaks something, or the file can't be read.
pub fn assert_all(
    file: impl AsRef<Path>,
    seeds: Range<u64>,
    assertion: impl Fn(&Finished) -> Result<(), String> + Sync,
) {
    let file = file.as_ref();
    let shown = file.display().to_string();
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("can't read {shown}: {error}"));
    let name = file_name(file);
    let scenario =
        |seed| crate::scenario::load(&shown, &name, &text, &Overrides { seed: Some(seed), ..Overrides::default() });
    if let Err(problem) = scenario(seeds.start) {
        panic!("{problem}");
    }
    let check = |finished: &Finished| {
        let invariant = finished
            .violations
            .first()
            .map(|violation| Broken::Assertion(format!("{}: {}", violation.invariant.name(), violation.what)));
        invariant.or_else(|| assertion(finished).err().map(Broken::Assertion))
    };
    let hunted = hunt(&scenario, seeds, Tally::default(), &check, &|_| true);
    if let Some((seed, broken)) = hunted.unwrap_or_else(|problem| panic!("{problem}")).found {
        panic!("seed {seed}: {broken}\nreplay it: shakedown run {shown} --seed {seed}");
    }
}
