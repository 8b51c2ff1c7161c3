//! Fuzzes the parsers of bytes from peers and files: `fuzz/README.md` says how.
//!
//! This needs no instrumentation. A target returns what came of an input, as a number; an input whose outcome is new joins the
//! corpus that further inputs are made of.

mod mutate;
mod targets;

use std::collections::BTreeSet;
use std::fs;
use std::hash::Hasher;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mutate::Mutator;
use targets::{TARGETS, Target};

/// An input that takes longer each time is a find; a machine that stands still does so once.
const TOO_LONG: Duration = Duration::from_secs(2);
const TIMES: usize = 5;
/// Inputs of the corpus at most.
const CORPUS: usize = 4_096;

const USAGE: &str = "usage: fuzz TARGET|all [--executions N] [--seed N] [--input FILE]";

struct Asked {
    target: String,
    executions: u64,
    seed: u64,
    input: Option<PathBuf>,
}

fn asked(mut words: impl Iterator<Item = String>) -> Option<Asked> {
    let mut asked = Asked { target: words.next()?, executions: 100_000, seed: 1, input: None };
    while let Some(word) = words.next() {
        let value = words.next()?;
        match word.as_str() {
            "--executions" => asked.executions = value.replace('_', "").parse().ok()?,
            "--seed" => asked.seed = value.parse().ok()?,
            "--input" => asked.input = Some(value.into()),
            _ => return None,
        }
    }
    Some(asked)
}

fn main() -> ExitCode {
    let Some(asked) = asked(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let chosen: Vec<&Target> =
        TARGETS.iter().filter(|target| asked.target == "all" || asked.target == target.name).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        eprintln!("{USAGE}\nno target {}: {}", asked.target, names.join(", "));
        return ExitCode::from(2);
    }
    if let Some(file) = &asked.input {
        let bytes = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        chosen.iter().for_each(|target| println!("{}: {}", target.name, (target.run)(&bytes)));
        return ExitCode::SUCCESS;
    }
    // The message of each panic would be printed as many times as it is met.
    std::panic::set_hook(Box::new(|_| {}));
    let failed = chosen.iter().filter(|target| !holds(target, asked.executions, asked.seed)).count();
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a target so often; false when an input broke it.
fn holds(target: &Target, executions: u64, seed: u64) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut corpus = target.corpus(root);
    let mut mutator = Mutator::new(seed, target.words(root));
    let (mut outcomes, mut met) = (BTreeSet::new(), 0_u64);
    let began = Instant::now();
    // Where a target is slow, it has its share of the work and no more.
    let seeds = corpus.len();
    let executions = (executions / target.costs).max(seeds as u64);
    for number in 0..executions {
        let input = match usize::try_from(number) {
            Ok(number) if number < seeds => corpus[number].clone(),
            _ => mutator.mutated(&corpus, target.longest),
        };
        met += 1;
        let run = || {
            let since = Instant::now();
            let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(&input)));
            (outcome, since.elapsed() > TOO_LONG)
        };
        let (outcome, late) = run();
        let late = late && (1..TIMES).all(|_| run().1);
        match outcome {
            Ok(outcome) if !late => {
                if outcomes.len() < 2 * CORPUS && outcomes.insert(outcome) && corpus.len() < CORPUS {
                    corpus.push(input);
                }
            }
            outcome => {
                let why = outcome.map_or_else(|panic| said(panic.as_ref()), |_| "took too long".to_string());
                let file = keep(root, target.name, &input);
                println!("{}: FAILED after {met} executions: {why}\n  input: {}", target.name, file.display());
                return false;
            }
        }
    }
    let took = began.elapsed().as_secs_f64();
    println!("{}: {met} executions, {} outcomes, {took:.1} s", target.name, outcomes.len());
    true
}

/// What a panic said.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}

fn keep(root: &Path, name: &str, input: &[u8]) -> PathBuf {
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(input);
    let folder = root.join("failures");
    let file = folder.join(format!("{name}-{:016x}", hasher.finish()));
    if let Err(error) = fs::create_dir_all(&folder).and_then(|()| fs::write(&file, input)) {
        eprintln!("can't keep {}: {error}", file.display());
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_holds_for_a_moment() {
        for target in TARGETS {
            assert!(holds(target, 3_000, 1), "{}", target.name);
        }
    }

    /// A check that can't fail is none.
    #[test]
    fn what_breaks_is_found_and_kept() {
        let fragile = |input: &[u8]| {
            assert!(!input.windows(2).any(|pair| pair == b"GE"), "found");
            input.len() as u64
        };
        let target = Target { name: "request_head", run: fragile, costs: 1, longest: 256 };
        let kept = || -> BTreeSet<PathBuf> {
            let folder = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("failures"));
            folder.into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
        };
        let before = kept();
        assert!(!holds(&target, 100_000, 1));
        let now = kept();
        let found: Vec<_> = now.difference(&before).collect();
        assert!(!found.is_empty());
        found.iter().for_each(|file| fs::remove_file(file).unwrap());
    }

    #[test]
    fn arguments_are_read() {
        let read = |line: &str| asked(line.split(' ').map(String::from)).map(|asked| (asked.executions, asked.seed));
        assert_eq!(read("all --executions 1_000 --seed 7"), Some((1_000, 7)));
        assert_eq!(read("all --executions"), None);
    }
}
