//! Hunting: seed after seed until something breaks, and then the smallest scenario that still breaks it.

#[cfg(feature = "cli")]
mod merge;
#[cfg(feature = "cli")]
mod record;
mod shrink;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::single_run::{Finished, file_name, guarded};
use crate::check::{Expectation, Invariant};
use crate::scenario::{Overrides, Problem, Scenario};

#[cfg(feature = "cli")]
pub use merge::{Merged, merge};
#[cfg(feature = "cli")]
pub use record::{Checkpoint, FILE, Found, document};
pub use shrink::{Shrunk, shrink};

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

/// What broke in a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// What must always hold.
    Invariant(Invariant),
    /// What the scenario expects of a metric.
    Expectation(String),
    /// What the caller asserts, with what it said.
    Assertion(String),
    /// A bug in Shakedown: the run came to no end.
    Panic(String),
}

impl Broken {
    /// The first thing that broke: invariants come before expectations.
    pub fn of(finished: &Finished) -> Option<Broken> {
        let invariant = finished.violations.first().map(|violation| Broken::Invariant(violation.invariant));
        let verdict = finished.verdicts.iter().find(|verdict| !verdict.held);
        invariant.or_else(|| verdict.map(|verdict| Broken::Expectation(verdict.path.clone())))
    }

    /// Whether it broke in this run too.
    pub fn again(&self, finished: &Finished) -> bool {
        match self {
            Broken::Invariant(invariant) => {
                finished.violations.iter().any(|violation| violation.invariant == *invariant)
            }
            Broken::Expectation(path) => finished.verdicts.iter().any(|verdict| !verdict.held && verdict.path == *path),
            Broken::Assertion(_) | Broken::Panic(_) => false,
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Invariant(invariant) => write!(f, "{}: {}", invariant.name(), invariant.sentence()),
            Broken::Expectation(path) => write!(f, "the expectation of {path}"),
            Broken::Assertion(what) => f.write_str(what),
            Broken::Panic(what) => write!(f, "a bug in Shakedown: {what}"),
        }
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
/// seeds before. `watch` is told what was seen so far, also within a run, and ends the hunt by returning false.
pub fn hunt(
    scenario: &(dyn Fn(u64) -> Result<Scenario, Problem> + Sync),
    seeds: impl IntoIterator<Item = u64>,
    tally: Tally,
    check: &(dyn Fn(&Finished) -> Option<Broken> + Sync),
    watch: &(dyn Fn(&Tally) -> bool + Sync),
) -> Hunted {
    let mut hunted = Hunted { found: None, tally, ended: false };
    let block = rayon::current_num_threads() * TOGETHER;
    let mut seeds = seeds.into_iter().peekable();
    while hunted.found.is_none() && seeds.peek().is_some() {
        let together: Vec<u64> = seeds.by_ref().take(block).collect();
        let tally = &hunted.tally;
        let one = |seed: u64| -> Option<Ran> {
            let Ok(scenario) = scenario(seed) else { return Some(Ran::Impossible) };
            let sometimes = |finished: &Finished| {
                let summary = &finished.measured.summary;
                let holds = |path: &str, what: Expectation| summary.get(path).is_some_and(|value| what.holds(value));
                scenario.sometimes().map(|(path, what)| (format!("{path} {what}"), holds(path, what))).collect()
            };
            match guarded(&scenario, |_| watch(tally)) {
                Ok(finished) if finished.partial => None,
                Ok(finished) => Some(Ran::Done(check(&finished), sometimes(&finished))),
                Err(panic) => Some(Ran::Done(Some(Broken::Panic(panic)), Vec::new())),
            }
        };
        let runs: Vec<Option<Ran>> = together.par_iter().with_max_len(1).map(|seed| one(*seed)).collect();
        for (seed, ran) in together.into_iter().zip(runs) {
            match ran {
                None => {
                    hunted.ended = true;
                    return hunted;
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
    hunted
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
    if let Some((seed, broken)) = hunt(&scenario, seeds, Tally::default(), &check, &|_| true).found {
        panic!("seed {seed}: {broken}\nreplay it: shakedown run {shown} --seed {seed}");
    }
}
