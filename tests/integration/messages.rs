//! What the command line says when something is wrong: which thing, where, and what would be right.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::common::{ran, text};

const FLEET: &str = "format = 1\ntitle = 'A fleet'\nduration = '4s'\n[servers.gateway]\n[clients.p]\ncount = 50\n\
                     endpoints = 'gateway'\narrive = { evenly_over = '1s' }\n";

fn said(output: &Output) -> String {
    format!("{}{}", text(&output.stdout), text(&output.stderr))
}

/// Runs each line, and holds it to its exit code and to what it must say.
fn say(place: &Path, cases: &[(&str, i32, &[&str])]) {
    for (line, code, parts) in cases {
        let words: Vec<&str> = line.split(' ').collect();
        let output = ran(place, &words);
        let said = said(&output);
        assert_eq!(output.status.code(), Some(*code), "{line}\n{said}");
        for part in *parts {
            assert!(said.contains(part), "{line}: {part:?} is not in\n{said}");
        }
        assert!(!said.contains("os error"), "{line}\n{said}");
    }
}

#[test]
fn what_is_wrong_is_named_with_what_would_be_right() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("a.toml"), FLEET).unwrap();
    fs::write(place.path().join("binary.toml"), b"format = 1\n\xff\xfe").unwrap();
    fs::write(place.path().join("file"), "x").unwrap();
    say(
        place.path(),
        &[
            ("run .", 2, &[". is a folder, and a scenario is a file", "shakedown list"]),
            ("run binary.toml", 2, &["binary.toml: it is no text: byte 11"]),
            ("run nowhere.toml", 2, &["can't read nowhere.toml: there is no such file"]),
            ("list", 2, &["can't read scenarios: there is no such folder", "shakedown list DIR"]),
            ("list file", 2, &["can't read file: it is no folder"]),
            ("verify nowhere", 2, &["can't verify nowhere: there is no such folder", "shakedown verify results/"]),
            ("verify file", 2, &["can't verify file: it is a file", "shakedown verify results/"]),
            (
                "check a.toml --set clients.p.retry={policy='fixed',cap='10s'}",
                0,
                &["clients.p.retry.cap has no effect: the policy `fixed` has none"],
            ),
            ("run a.toml --out file/below --quiet", 3, &["file/below"]),
            ("serve a.toml --bind 203.0.113.7", 3, &["can't listen on 203.0.113.7: this machine has no such address"]),
            ("run a.toml --seeds 0..3", 2, &["--seed N", "shakedown sweep FILE --seeds"]),
            ("check a.toml --set duration=-10s", 2, &["did you mean \"10s\"?"]),
            ("check a.toml --set duration=10min", 2, &["did you mean \"10m\"?"]),
            ("check a.toml --set duration=2days", 2, &["did you mean \"48h\"?"]),
            ("check a.toml --set clients.p.count=-1", 2, &["must be a whole number from 1 to 100000000"]),
            ("check a.toml --set clients.p.count=0", 2, &["must be a whole number from 1 to 100000000"]),
            ("check a.toml --set clients.p.count=100000001", 2, &["must be a whole number from 1 to 100000000"]),
            ("check a.toml --set servers.gateway.count=10001", 2, &["must be a whole number from 1 to 10000"]),
            (
                "capacity a.toml --vary clients.p.count --slo p99<1s",
                2,
                &["no metric is named `p99`", "time_to_open.p99"],
            ),
            ("capacity a.toml --vary gateway.count --slo outage.p99<1s", 2, &["did you mean `servers.gateway.count`?"]),
            ("hunt a.toml --seeds 0..3", 0, &["nothing broke in 3 of 3 runs", "nothing in this scenario is random"]),
        ],
    );
}

#[test]
fn expectations_that_cannot_be_met_or_lack_a_sign_are_told_before_the_run() {
    let place = tempfile::tempdir().unwrap();
    let with = |name: &str, more: &str| fs::write(place.path().join(name), format!("{FLEET}{more}")).unwrap();
    with("over.toml", "[expect]\n'sessions.opened' = '== 100'\n");
    with("group.toml", "[expect]\n'clients.p.sessions.opened' = ['>= 1', '> 50']\n");
    with("can.toml", "[expect]\n'sessions.opened' = '== 50'\n");
    with("percent.toml", "[expect]\n'sessions.open_at_end' = '>= 99'\n");
    say(
        place.path(),
        &[
            ("run over.toml", 2, &["no run can meet \"== 100\": there are 50 sessions", "over.toml:10"]),
            ("check group.toml", 2, &["no run can meet \"> 50\": there are 50 sessions"]),
            ("check can.toml", 0, &["can.toml is fine"]),
            ("check percent.toml --set clients.p.count=3000", 0, &["\">= 99\" is a number, of 3000 sessions", "99%"]),
        ],
    );
    let calm = ran(place.path(), &["check", "percent.toml", "--set", "clients.p.count=150"]);
    assert_eq!(text(&calm.stderr), "", "99 of 150 may well be meant");
}
