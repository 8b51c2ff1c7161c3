//! Sweeps: neither threads, interruptions nor shares change a byte of what comes out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

use crate::common::{files, in_real_time, ran, scenario_file, shakedown, text};

fn sweep(place: &Path, args: &[&str]) -> Command {
    let scenario = scenario_file("failover");
    let few = ["sweep", scenario.to_str().unwrap(), "--set", "clients.players.count=150"];
    shakedown(place, &[&few, args].concat())
}

/// Runs it; the expectations of the scenario, made for 10,000 clients, may break.
fn done(mut command: Command) -> Output {
    let output = command.output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}{}", text(&output.stdout), text(&output.stderr));
    output
}

fn same(a: &Path, b: &Path) {
    let (a, b) = (files(a), files(b));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in &a {
        assert!(*bytes == b[name], "{name} differs");
    }
}

#[test]
fn threads_change_nothing_and_every_run_has_its_row() {
    let place = tempfile::tempdir().unwrap();
    let grid = ["--seeds", "3..9", "--grid", "clients.players.retry.policy=full-jitter,none"];
    for (out, jobs) in [("one", "1"), ("many", "4")] {
        let output = done(sweep(place.path(), &[&grid[..], &["--jobs", jobs, "--out", out]].concat()));
        assert!(text(&output.stdout).contains("2 cells · 12 runs"), "{}", text(&output.stdout));
    }
    same(&place.path().join("one"), &place.path().join("many"));
    let rows = text(&fs::read(place.path().join("one/runs.csv")).unwrap());
    let lines: Vec<&str> = rows.lines().collect();
    assert_eq!(lines.len(), 13);
    assert!(lines[0].starts_with("seed,clients.players.retry.policy,digest,events,passed,error,"), "{}", lines[0]);
    assert!(lines[1].starts_with("3,full-jitter,") && lines[12].starts_with("8,none,"));
    let file = scenario_file("failover");
    let few = ["--set", "clients.players.count=150", "--seed", "3", "--quiet"];
    let alone = ran(place.path(), &[&["run", file.to_str().unwrap()][..], &few].concat());
    let digest = text(&alone.stdout).lines().last().unwrap().strip_prefix("digest ").unwrap().to_string();
    assert_eq!(lines[1].split(',').nth(2), Some(&*digest), "a row's digest is that of `run` with its seed");
    assert!(!place.path().join("one-partial").exists());
}

#[test]
fn a_sweep_killed_twenty_times_ends_with_the_same_rows() {
    in_real_time(|_| {
        let place = tempfile::tempdir().unwrap();
        let seeds = ["--seeds", "0..60", "--jobs", "2"];
        done(sweep(place.path(), &[&seeds[..], &["--out", "undisturbed"]].concat()));
        let args = [&seeds[..], &["--out", "killed", "--resume"]].concat();
        let partial = place.path().join("killed-partial");
        let rows = || fs::read_to_string(partial.join("rows.jsonl")).map_or(0, |rows| rows.lines().count());
        let mut kills = 0;
        while kills < 20 {
            let before = rows();
            let mut child = sweep(place.path(), &args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            // A little later each time, so that it is killed at every stage; and never before it did something, or
            // twenty kills could all be too early.
            let mut waited = 0;
            while rows() <= before && waited < 400 && child.try_wait().unwrap().is_none() {
                sleep(Duration::from_millis(5));
                waited += 1;
            }
            sleep(Duration::from_millis(kills % 7));
            if child.try_wait().unwrap().is_some() {
                break;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
        }
        assert!(kills >= 5, "it was too quick to be killed: only {kills} times");
        // A line that was torn in the middle is run again.
        if let Ok(whole) = fs::read(partial.join("rows.jsonl")) {
            fs::write(partial.join("rows.jsonl"), &whole[..whole.len() - 9]).unwrap();
        }
        done(sweep(place.path(), &args));
        same(&place.path().join("undisturbed"), &place.path().join("killed"));
        assert!(!partial.exists());
    });
}

#[test]
fn what_is_unfinished_is_not_overwritten() {
    let place = tempfile::tempdir().unwrap();
    let partial = place.path().join("a-partial");
    done(sweep(place.path(), &["--seeds", "0..2", "--shard", "0/1", "--out", "a"]));
    fs::create_dir(&partial).unwrap();
    fs::copy(place.path().join("a/sweep.json"), partial.join("sweep.json")).unwrap();
    let again = sweep(place.path(), &["--seeds", "0..2", "--out", "a"]).output().unwrap();
    assert_eq!(again.status.code(), Some(3));
    assert!(text(&again.stderr).contains("go on with --resume"), "{}", text(&again.stderr));
    let other =
        sweep(place.path(), &["--seeds", "0..2", "--out", "a", "--resume", "--set", "clients.players.count=99"]);
    let other = { other }.output().unwrap();
    assert_eq!(other.status.code(), Some(3));
    assert!(text(&other.stderr).contains("holds another sweep"), "{}", text(&other.stderr));
    let other = sweep(place.path(), &["--seeds", "0..3", "--out", "a"]).output().unwrap();
    assert_eq!(other.status.code(), Some(3), "a finished sweep of other seeds stays");
}

#[test]
fn shares_merge_to_the_very_files_of_one_sweep() {
    let place = tempfile::tempdir().unwrap();
    let seeds = ["--seeds", "0..7", "--grid", "clients.players.retry.cap=1s,10s"];
    done(sweep(place.path(), &[&seeds[..], &["--out", "whole"]].concat()));
    for share in ["0/3", "2/3"] {
        done(sweep(place.path(), &[&seeds[..], &["--shard", share]].concat()));
    }
    let mut from_slurm = sweep(place.path(), &seeds);
    from_slurm.envs([("SLURM_ARRAY_TASK_ID", "1"), ("SLURM_ARRAY_TASK_COUNT", "3")]);
    done(from_slurm);
    let results = place.path().join("results/failover");
    let mut shares: Vec<PathBuf> = fs::read_dir(&results).unwrap().map(|entry| entry.unwrap().path()).collect();
    shares.sort();
    assert_eq!(shares.len(), 3, "{shares:?}");
    let merge = |folders: &[&PathBuf], out: &str| {
        shakedown(place.path(), &["merge"]).args(folders).args(["--out", out]).output().unwrap()
    };
    let merged = merge(&[&shares[2], &shares[0], &shares[1]], "merged");
    assert!(matches!(merged.status.code(), Some(0 | 1)), "{}", text(&merged.stderr));
    same(&place.path().join("whole"), &place.path().join("merged"));
    for (folders, what) in [
        (vec![&shares[0], &shares[1]], "missing: share 2/3"),
        (vec![&shares[0], &shares[1], &shares[1], &shares[2]], "share 1/3 is there twice"),
        (vec![&place.path().join("whole")], "a whole sweep"),
        (vec![&results], "no share of a sweep"),
    ] {
        let refused = merge(&folders, "refused");
        assert_eq!(refused.status.code(), Some(3));
        assert!(text(&refused.stderr).contains(what), "{}", text(&refused.stderr));
    }
    fs::write(shares[1].join("rows.jsonl"), "").unwrap();
    assert!(text(&merge(&[&shares[0], &shares[1], &shares[2]], "refused").stderr).contains("unfinished: 0 of"));
    assert!(!place.path().join("refused").exists());
}

#[test]
fn a_run_that_is_impossible_does_not_lose_the_others() {
    let place = tempfile::tempdir().unwrap();
    // Both strike one of three servers at random: where it is the same one, they contradict each other.
    let fault = |name: &str| {
        format!(
            "faults.{name}={{ kind = \"crash\", target = {{ group = \"gateway\", count = 1 }}, at = \"10s\", for = \"5s\" }}"
        )
    };
    let output = sweep(place.path(), &["--seeds", "0..12", "--out", "a", "--set", &fault("x"), "--set", &fault("y")])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{}{}", text(&output.stdout), text(&output.stderr));
    let rows = text(&fs::read(place.path().join("a/runs.jsonl")).unwrap());
    let errors = rows.lines().filter(|row| row.contains("\"error\"")).count();
    assert!(rows.lines().count() == 12 && (1..12).contains(&errors), "{errors} errors in {rows}");
}

#[test]
fn a_row_that_was_changed_is_refused_by_its_name() {
    let place = tempfile::tempdir().unwrap();
    done(sweep(place.path(), &["--seeds", "5..8", "--shard", "0/1", "--out", "whole"]));
    done(sweep(place.path(), &["--seeds", "5..8", "--shard", "0/2", "--out", "a-shard-0-of-2"]));
    let (partial, shard) = (place.path().join("a-shard-0-of-2-partial"), place.path().join("a-shard-0-of-2"));
    fs::rename(&shard, &partial).unwrap();
    let rows = partial.join("rows.jsonl");
    let text = fs::read_to_string(&rows).unwrap();
    assert_eq!(text.lines().count(), 2, "seeds 5 and 7: {text}");
    // A digit of a figure in the second row.
    let (first, second) = text.split_once('\n').unwrap();
    let digit = second.rfind("\"open\":[").unwrap() + 8;
    let other = if &second[digit..=digit] == "7" { "8" } else { "7" };
    fs::write(&rows, format!("{first}\n{}{other}{}", &second[..digit], &second[digit + 1..])).unwrap();
    let again = ["--seeds", "5..8", "--shard", "0/2", "--out", "a-shard-0-of-2", "--resume"];
    let refused = sweep(place.path(), &again).output().unwrap();
    assert_eq!(refused.status.code(), Some(3));
    let told = crate::common::text(&refused.stderr);
    assert!(told.contains("rows.jsonl:2: the row of seed 7 in cell 0 was changed"), "{told}");
    fs::write(&rows, &text).unwrap();
    done(sweep(place.path(), &again));
    assert_eq!(fs::read_to_string(shard.join("rows.jsonl")).unwrap(), text);
}

/// What the machine can't do says nothing of a seed: no row is made of it, and it stays to be run.
#[test]
#[cfg(target_os = "linux")]
fn a_thread_that_can_t_start_makes_no_row() {
    let place = tempfile::tempdir().unwrap();
    let scenario = scenario_file("failover");
    let limited = |memory: &str| {
        let program = shakedown(place.path(), &[]);
        let mut shell = Command::new("sh");
        shell.current_dir(place.path()).arg("-c").arg(format!("ulimit -v {memory}; exec \"$0\" \"$@\""));
        shell.arg(program.get_program()).args(["sweep", scenario.to_str().unwrap()]);
        shell.args(["--set", "clients.players.count=150", "--seeds", "0..40", "--jobs", "8", "--out", "a", "--resume"]);
        shell.output().unwrap()
    };
    // Room for the program and its threads, and not for eight scenarios that are read at once.
    let mut refused = None;
    for memory in ["400000", "350000", "300000", "260000", "220000"] {
        let output = limited(memory);
        if text(&output.stderr).contains("can't start a thread to read the scenario") {
            refused = Some(output);
            break;
        }
    }
    let Some(refused) = refused else { return };
    assert_eq!(refused.status.code(), Some(3), "{}", text(&refused.stderr));
    let rows = fs::read_to_string(place.path().join("a-partial/rows.jsonl")).unwrap_or_default();
    assert!(!rows.contains("\"error\"") && rows.lines().count() < 40, "{rows}");
    done(sweep(place.path(), &["--seeds", "0..40", "--out", "a", "--resume"]));
    let rows = text(&fs::read(place.path().join("a/runs.jsonl")).unwrap());
    assert!(rows.lines().count() == 40 && !rows.contains("\"error\""), "{rows}");
}
