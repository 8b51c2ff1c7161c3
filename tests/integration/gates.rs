//! What CI is told: gates of `compare`, JUnit files, annotations; and how much is printed unasked.

use std::fs;
use std::path::Path;

use crate::common::{names, prose, ran, shakedown as program, text};

const FLEET: &str = r#"format = 1
title = "A fleet that loses a server"
duration = "6s"
[servers.gateway]
count = 2
[clients.players]
count = 60
arrive = { evenly_over = "1s" }
endpoints = ["gateway"]
retry = { policy = "full-jitter", base = "200ms" }
[faults.dies]
kind = "crash"
target = "gateway-0"
at = "2s"
for = "1s"
[expect]
"sessions.opened" = ">= 99%"
"outage.p99" = "< 1ms"
"#;

fn place() -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("fleet.toml"), FLEET).unwrap();
    place
}

/// The cases of a JUnit file that failed, and how many there are.
fn judged(file: &Path) -> (usize, Vec<String>) {
    let text = fs::read_to_string(file).unwrap();
    let cases: Vec<&str> = text.split("<testcase ").skip(1).collect();
    let name = |case: &&&str| case.split("name=\"").nth(2).unwrap().split('"').next().unwrap().to_string();
    let failed = cases.iter().filter(|case| case.contains("<failure "));
    (cases.len(), failed.map(|case| name(&case)).collect())
}

#[test]
fn a_comparison_fails_when_a_choice_is_surely_worse() {
    let place = place();
    let gate = |more: &[&str]| {
        let all = ["compare", "fleet.toml", "--choice", "old:", "--choice", "new: clients.players.retry.base=800ms"];
        ran(place.path(), &[&all[..], &["--seeds", "0..6", "--junit", "gate.xml"], more].concat())
    };
    let output = gate(&["--fail-if-worse", "outage.mean", "--by", "5%"]);
    let said = prose(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}{}", text(&output.stderr));
    assert!(said.starts_with("FAILED outage.mean of new is worse by more than 5 % than that of old: +"), "{said}");
    assert!(said.contains("6 seeds."), "{said}");
    assert_eq!(judged(&place.path().join("gate.xml")), (1, vec!["outage.mean of new no worse by 5 % than old".into()]));
    // It is kept with the comparison, and comes out the same again.
    let page = fs::read_to_string(place.path().join("results/fleet/compare/compare.md")).unwrap();
    assert!(page.contains("- **FAILED**: outage.mean of new is worse"), "{page}");
    let page = fs::read_to_string(place.path().join("results/fleet/compare/report.html")).unwrap();
    assert!(page.contains("<p class=\"verdict bad\">outage.mean of new is worse"), "the page begins with it");
    let again = ran(place.path(), &["verify", "results", "--junit", "verified.xml"]);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stdout));
    assert_eq!(judged(&place.path().join("verified.xml")), (1, vec![]));

    let passed = gate(&["--fail-if-worse", "sessions.opened", "--by", "5%", "--format", "markdown"]);
    assert_eq!(passed.status.code(), Some(0), "{}", text(&passed.stdout));
    assert!(text(&passed.stdout).starts_with("- passed: sessions.opened of new is not worse by more than 5 %"));
    assert_eq!(judged(&place.path().join("gate.xml")), (1, vec![]));

    for (more, why) in [
        (&["--fail-if-worse", "outage.mean", "--by", "outage.mean"][..], "needs one bound: --by 5%"),
        (&["--by", "5%"][..], "--by a share is for --fail-if-worse METRIC"),
        (&["--fail-if-worse", "outage.meen", "--by", "5%"][..], "outage.mean"),
    ] {
        let output = gate(more);
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(why), "{more:?}: {said}");
    }
    let few = ["compare", "fleet.toml", "--choice", "old:", "--choice", "new: seed=2", "--seeds", "0..3"];
    let few =
        ran(place.path(), &[&few[..], &["--fail-if-worse", "outage.mean", "--by", "5%", "--out", "few"]].concat());
    assert!(few.status.code() == Some(2) && text(&few.stderr).contains("4 seeds in common"), "{}", text(&few.stderr));
    assert!(!place.path().join("few").exists(), "what could not be judged looks like nothing that passed");
}

#[test]
fn what_judges_writes_junit_and_annotates_the_expectation() {
    let place = place();
    let mut run = program(place.path(), &["run", "fleet.toml", "--junit", "run.xml", "--quiet"]);
    let output = run.env("GITHUB_ACTIONS", "true").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(judged(&place.path().join("run.xml")), (3, vec!["outage.p99 &lt; 1ms".into()]));
    let line = FLEET.lines().position(|line| line.starts_with("\"outage.p99\"")).unwrap() + 1;
    let expected = format!("::error file=fleet.toml,line={line},title=fleet FAILED::outage.p99 < 1ms: measured ");
    assert!(text(&output.stderr).contains(&expected), "{}", text(&output.stderr));
    let printed = ran(place.path(), &["run", "fleet.toml", "--format", "github"]);
    assert!(text(&printed.stdout).starts_with(&expected), "{}", text(&printed.stdout));
    assert!(!text(&printed.stderr).contains("::error"), "only where GitHub runs it, or on demand");

    let sweep = ran(place.path(), &["sweep", "fleet.toml", "--seeds", "0..2", "--junit", "sweep.xml"]);
    assert_eq!(sweep.status.code(), Some(1));
    assert_eq!(judged(&place.path().join("sweep.xml")), (2, vec!["outage.p99".into()]));
    let hunt = ran(place.path(), &["hunt", "fleet.toml", "--seeds", "0..1", "--junit", "hunt.xml", "--quiet"]);
    assert_eq!(hunt.status.code(), Some(1));
    assert_eq!(judged(&place.path().join("hunt.xml")), (1, vec!["nothing breaks with seeds 0..1".into()]));
    let slo = ["--vary", "clients.players.count", "--slo", "handshake_latency.p99 < 1us", "--seeds", "1", "--to", "60"];
    let capacity = ran(place.path(), &[&["capacity", "fleet.toml", "--junit", "capacity.xml"][..], &slo[..]].concat());
    assert_eq!(capacity.status.code(), Some(1), "{}", text(&capacity.stderr));
    let (_, failed) = judged(&place.path().join("capacity.xml"));
    assert_eq!(failed, ["handshake_latency.p99 &lt; 1us"]);
}

#[test]
fn what_matters_is_in_ten_lines_and_all_of_it_on_demand() {
    let place = place();
    let rate = ["clients.players.arrive={ randomly_over = \"1s\" }"];
    let compare = ["compare", "fleet.toml", "--seeds", "0..4", "--grid", "clients.players.count=40,50,60"];
    let sweep = ["sweep", "fleet.toml", "--seeds", "0..3", "--set", rate[0]];
    let slo = ["--vary", "clients.players.count", "--slo", "handshake_latency.p99 < 1s", "--seeds", "1", "--to", "120"];
    let capacity = [&["capacity", "fleet.toml"][..], &slo].concat();
    for (number, args) in [&compare[..], &sweep[..], &capacity[..]].into_iter().enumerate() {
        let lines = |more: &[&str]| {
            let out = format!("out-{number}-{}", more.len());
            let output = ran(place.path(), &[args, more, &["--out", &out]].concat());
            let said = text(&output.stdout);
            assert!(said.lines().all(|line| line.chars().count() <= 80 || line.contains("shakedown run")), "{said}");
            said.lines().filter(|line| !line.is_empty()).count()
        };
        let (short, long) = (lines(&[]), lines(&["--verbose"]));
        assert!(short <= 12 && long > short, "{args:?}: {short} and {long} lines");
    }
}

/// Two runs of a scenario against what is there, before and after a change of it.
#[test]
fn two_real_runs_are_compared_with_each_other() {
    let place = place();
    let sets =
        ["--set", "duration=500ms", "--set", "clients.players.arrive=\"at_once\"", "--set", "faults={}", "--quiet"];
    for out in ["first", "second", "third"] {
        let args = [&["run", "fleet.toml", "--driver", "tokio", "--no-exemplars", "--out", out][..], &sets].concat();
        ran(place.path(), &args);
        assert!(names(&place.path().join(out)).contains(&"summary.json".to_string()), "{out}");
    }
    let output = ran(place.path(), &["compare", "first", "second", "--by", "time_to_open.p50", "--out", "two"]);
    let said = prose(&output.stdout);
    assert!(said.contains(" first ") && said.contains(" second "), "{said}{}", text(&output.stderr));
    let named = ["compare", "old=first", "old=second", "new=third", "--by", "time_to_open.p50", "--out", "named"];
    let output = ran(place.path(), &named);
    let said = prose(&output.stdout);
    assert!(said.contains(" old ") && said.contains(" new "), "{said}{}", text(&output.stderr));
}
