//! Planted bugs, each found from a stated range of seeds, shrunk, and broken again by what is left; and what hunts do where
//! there is nothing to find.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;

use shakedown::explore::hunt::{Broken, hunt, shrink};
use shakedown::explore::once;
use shakedown::scenario::{Overrides, Problem, Scenario};

fn gallery(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gallery").join(format!("{name}.toml"))
}

fn load(name: &str, text: &str, seed: u64) -> Result<Scenario, Problem> {
    Scenario::load(name, name, text, &Overrides { seed: Some(seed), ..Overrides::default() })
}

/// Hunts through seeds 0 to 99, shrinks, and runs what is left as a file of its own.
fn found(name: &str, breaks: &str, sessions: u64, faults: usize) {
    let text = fs::read_to_string(gallery(name)).unwrap();
    let scenario = |seed| load(name, &text, seed);
    let (seed, broken) = hunt(&scenario, 0..100, &Broken::of, &|_| true).found.expect("the bug is planted");
    let what = broken.to_string();
    assert!(what.contains(breaks), "seed {seed} breaks {what}");
    let shrunk = shrink(&scenario(seed).unwrap(), &broken, &mut |_| true).expect("written out, it breaks again");
    let left = &shrunk.scenario;
    let size = (left.sessions(), left.file.faults.len());
    assert!(size.0 <= sessions && size.1 <= faults, "seed {seed}: {size:?} are left of\n{}", shrunk.toml);
    let alone = load("repro", &shrunk.toml, left.file.seed.0).unwrap();
    let finished = once(&alone, |_| true);
    assert!(broken.again(&finished) && finished.digest == shrunk.finished.digest);
    // The same again, step by step.
    let again = shrink(&scenario(seed).unwrap(), &broken, &mut |_| true).unwrap();
    assert_eq!((again.steps, again.toml), (shrunk.steps, shrunk.toml));
}

#[test]
fn a_half_open_connection_that_nobody_finds() {
    found("half-open-never-found", "liveness", 2, 1);
}

#[test]
fn a_herd_in_phase() {
    found("herd-in-phase", "queue_depth_max", 12, 1);
}

#[test]
fn retry_after_forgotten() {
    found("forgets-retry-after", "attempts.rejected", 30, 2);
}

#[test]
fn a_back_off_that_a_moment_resets() {
    found("backoff-reset-on-accept", "attempts.total", 3, 1);
}

#[test]
fn a_credential_dropped_on_a_redirect() {
    found("credential-dropped-on-redirect", "liveness", 1, 1);
}

#[test]
fn a_connection_leaked_on_a_timeout() {
    found("connection-leaked-on-timeout", "conservation", 3, 1);
}

#[test]
fn a_redirect_loop_between_two() {
    found("redirect-loop", "known-findings", 3, 1);
}

#[test]
fn a_health_check_that_never_recovers() {
    found("health-check-never-recovers", "liveness", 1, 2);
}

fn cli(args: &[&str]) -> (Option<i32>, String, tempfile::TempDir) {
    let place = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_shakedown")).current_dir(place.path()).args(args).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code(), said, place)
}

#[test]
fn the_lowest_seed_is_found_whatever_the_threads() {
    let file = gallery("half-open-never-found");
    let file = file.to_str().unwrap();
    let folder = "results/half-open-never-found/hunt-0-100";
    let mut all = Vec::new();
    for jobs in ["1", "3"] {
        let (code, said, place) = cli(&["hunt", file, "--seeds", "0..100", "--jobs", jobs]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("it fails by itself: shakedown run results/"), "{said}");
        let mut files: Vec<_> = fs::read_dir(place.path().join(folder)).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        let repro = files.iter().find(|file| file.extension().is_some_and(|ending| ending == "toml")).unwrap();
        let run = Command::new(env!("CARGO_BIN_EXE_shakedown"))
            .current_dir(place.path())
            .arg("run")
            .arg(repro)
            .args(["--out", "again"])
            .output()
            .unwrap();
        let told = String::from_utf8(run.stdout).unwrap();
        assert!(run.status.code() == Some(1) && told.contains("BROKEN  liveness"), "{told}");
        all.push(
            files
                .iter()
                .map(|file| (file.file_name().map(Into::into), fs::read(file).unwrap()))
                .collect::<Vec<(Option<PathBuf>, _)>>(),
        );
    }
    assert_eq!(all[0], all[1]);
}

#[test]
fn what_never_happens_is_told() {
    let file = gallery("herd-in-phase");
    let file = file.to_str().unwrap();
    let sets = ["--set", "expect.\"servers.gateway.queue_depth_max\"=\">= 0\""];
    let quiet = [&["hunt", file, "--seeds", "0..6"][..], &sets].concat();
    let (code, said, _place) = cli(&quiet);
    assert!(code == Some(0) && said.contains("nothing broke in 6 of 6 runs"), "{said}");
    let (code, said, _place) = cli(&[&quiet[..], &["--set", "sometimes.\"hops.max\"=\"> 1\""]].concat());
    assert!(code == Some(1) && said.contains("NEVER   hops.max > 1"), "{said}");
}

#[test]
fn a_test_of_ones_own_panics_with_the_line_that_replays_it() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/chaos.toml");
    shakedown::hunt(&file, 0..4, |_| Ok(()));
    let panic = catch_unwind(|| {
        shakedown::hunt(&file, 0..9, |finished| match finished.measured.summary.get("lost.total") {
            Some(shakedown::metrics::Value::Count(0)) => Err("nothing was lost".into()),
            _ => Ok(()),
        });
    });
    if let Err(panic) = panic {
        let said = panic.downcast_ref::<String>().unwrap();
        assert!(said.contains("nothing was lost\nreplay it: shakedown run") && said.contains("--seed"), "{said}");
    }
}
