//! Folders of another version say so: which, and what to do.

use std::fs;
use std::path::Path;

use crate::common::{ran, text};

const SCENARIO: &str = r#"
format = 1
title = "A gateway dies"
duration = "10s"
[servers.gateway]
count = 2
[clients.players]
count = 20
arrive = { evenly_over = "1s" }
endpoints = ["gateway"]
[faults.dies]
kind = "crash"
target = "gateway-0"
at = "3s"
for = "2s"
[expect]
"sessions.opened" = ">= 50%"
"#;

/// Makes every document of a folder one of the first version.
fn age(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = fs::read_to_string(&path).unwrap();
            fs::write(&path, text.replacen("\"format_version\": 2", "\"format_version\": 1", 1)).unwrap();
        }
    }
}

#[test]
fn a_folder_of_another_version_says_which_and_what_to_do() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    fs::write(place.join("a.toml"), SCENARIO).unwrap();
    let made = |args: &[&str]| {
        let output = ran(place, args);
        assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    };
    let slo = ["--slo", "sessions.opened >= 50%", "--vary", "clients.players.count", "--from", "5", "--to", "9"];
    made(&["run", "a.toml", "--out", "run"]);
    made(&["sweep", "a.toml", "--seeds", "0..2", "--out", "sweep"]);
    made(&["sweep", "a.toml", "--seeds", "0..2", "--shard", "0/2", "--out", "a-shard-0-of-2"]);
    made(&["sweep", "a.toml", "--seeds", "0..2", "--shard", "1/2", "--out", "a-shard-1-of-2"]);
    made(&["hunt", "a.toml", "--seeds", "0..4", "--shard", "0/2", "--out", "h-shard-0-of-2"]);
    made(&["hunt", "a.toml", "--seeds", "0..4", "--shard", "1/2", "--out", "h-shard-1-of-2"]);
    made(&["compare", "a.toml", "--seeds", "2", "--out", "compare"]);
    made(&[&["capacity", "a.toml", "--seeds", "1", "--out", "capacity"], &slo[..]].concat());
    for unfinished in ["a-shard-0-of-2", "h-shard-0-of-2"] {
        let partial = place.join(format!("{unfinished}-partial"));
        fs::create_dir(&partial).unwrap();
        for entry in fs::read_dir(place.join(unfinished)).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, partial.join(path.file_name().unwrap())).unwrap();
        }
        age(&partial);
    }
    let all = ["run", "sweep", "compare", "capacity", "a-shard-0-of-2", "h-shard-0-of-2"];
    all.iter().for_each(|folder| age(&place.join(folder)));
    let shard = ["--seeds", "0..2", "--shard", "0/2", "--out", "a-shard-0-of-2", "--resume"];
    let hunted = ["--seeds", "0..4", "--shard", "0/2", "--out", "h-shard-0-of-2", "--resume"];
    let refused: [(&[&str], i32); 14] = [
        (&["report", "run"], 3),
        (&["report", "sweep"], 3),
        (&["report", "compare"], 3),
        (&["report", "capacity"], 3),
        (&["report", "run", "--format", "markdown"], 3),
        (&["report", "run", "--format", "json"], 3),
        (&["compare", "run"], 2),
        (&["compare", "sweep"], 2),
        (&["verify", "run"], 3),
        (&["verify", "compare", "capacity"], 3),
        (&["merge", "a-shard-0-of-2", "a-shard-1-of-2"], 3),
        (&["merge", "h-shard-0-of-2", "h-shard-1-of-2"], 3),
        (&[&["sweep", "a.toml"], &shard[..]].concat(), 3),
        (&[&["hunt", "a.toml"], &hunted[..]].concat(), 3),
    ];
    for (args, code) in refused {
        let output = ran(place, args);
        let told = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {told}");
        let version = format!("format_version 1, written by Shakedown {}", env!("CARGO_PKG_VERSION"));
        assert!(told.contains(&version) && told.contains("reads format_version 2 only"), "{args:?}: {told}");
        assert!(told.contains("run it again to have the folder anew"), "{args:?}: {told}");
    }
    // The command that made it.
    let output = ran(place, &["report", "run"]);
    assert!(text(&output.stderr).contains("anew: shakedown run a.toml"), "{}", text(&output.stderr));
    // A newer one.
    let run = place.join("run/run.json");
    let newer = fs::read_to_string(&run).unwrap().replacen("\"format_version\": 1", "\"format_version\": 3", 1);
    fs::write(&run, newer).unwrap();
    let output = ran(place, &["report", "run"]);
    assert!(text(&output.stderr).contains("or use a newer Shakedown"), "{}", text(&output.stderr));
    // The same run takes its folder's place, whatever wrote that.
    made(&["run", "a.toml", "--out", "run"]);
    made(&["report", "run"]);
}

/// A folder of results is no scenario.
#[test]
fn a_folder_in_place_of_a_scenario_is_named() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("a")).unwrap();
    for command in ["run", "replay", "check"] {
        let output = ran(place.path(), &[command, "a"]);
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains("a is a folder, and a scenario is a file") && told.contains("run.json"), "{told}");
    }
}
