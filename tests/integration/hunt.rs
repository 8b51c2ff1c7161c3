//! Planted bugs, each found from a stated range of seeds, shrunk, and broken again by what is left; and what hunts do where
//! there is nothing to find.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use shakedown::explore::hunt::{Broken, Missed, Tally, hunt, shrink};
use shakedown::explore::once;
use shakedown::metrics::Value;
use shakedown::scenario::{Overrides, Problem, Scenario};
use shakedown::time::Nanos;

use crate::common::{count, files, repository, said, scenario_file, shakedown as program};

fn gallery(name: &str) -> PathBuf {
    repository(&format!("tests/gallery/{name}.toml"))
}

fn load(name: &str, text: &str, seed: u64) -> Result<Scenario, Problem> {
    shakedown::scenario::load(name, name, text, &Overrides { seed: Some(seed), ..Overrides::default() })
}

/// Hunts through seeds 0 to 99, shrinks, and runs what is left as a file of its own.
fn found(name: &str, breaks: &str, sessions: u64, faults: usize) {
    let text = fs::read_to_string(gallery(name)).unwrap();
    let scenario = |seed| load(name, &text, seed);
    let (seed, broken) =
        hunt(&scenario, 0..100, Tally::default(), &Broken::of, &|_| true).unwrap().found.expect("the bug is planted");
    let what = broken.to_string();
    assert!(what.contains(breaks), "seed {seed} breaks {what}");
    let shrunk = shrink(&scenario(seed).unwrap(), &broken, &mut |_| true).expect("written out, it breaks again");
    let left = &shrunk.scenario;
    let size = (left.sessions(), left.faults().len());
    assert!(size.0 <= sessions && size.1 <= faults, "seed {seed}: {size:?} are left of\n{}", shrunk.toml);
    let alone = load("repro", &shrunk.toml, left.seed().0).unwrap();
    let finished = once(&alone, |_| true).unwrap();
    assert!(broken.again(&finished) && finished.digest == shrunk.finished.digest);
}

#[test]
fn a_half_open_connection_that_nobody_finds() {
    found("half-open-never-found", "liveness", 2, 1);
}

#[test]
fn a_herd_in_phase() {
    found("herd-in-phase", "queue_depth_max", 3, 1);
}

#[test]
fn retry_after_forgotten() {
    found("forgets-retry-after", "attempts.rejected", 3, 1);
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
    found("health-check-never-recovers", "liveness", 1, 1);
}

/// A small fleet with heartbeats, in front of two gateways; `more` says what lies between.
fn fleet(endpoint: &str, clients: &str, more: &str) -> String {
    format!(
        r#"
        format = 1
        title = "A fleet"
        duration = "150s"
        [network]
        one_way = "10ms"
        [servers.gateway]
        count = 2
        [clients.players]
        count = 6
        arrive = {{ evenly_over = "1s" }}
        endpoints = ["{endpoint}"]
        connect_timeout = "2s"
        handshake_timeout = "2s"
        heartbeat = {{ every = "2s", timeout = "1s" }}
        retry = {{ policy = "full-jitter", base = "200ms", cap = "2s" }}
        {clients}
        {more}
        [invariants]
        open_within = "15s"
        [faults.windows]
        at = "10s"
        for = "70s"
        "#
    )
}

/// What breaks when this fault strikes.
fn broken(fleet: &str, kind: &str, target: &str) -> Vec<String> {
    let text = format!("{fleet}kind = \"{kind}\"\ntarget = \"{target}\"\n");
    let scenario = load("fleet", &text, 1).unwrap_or_else(|problem| panic!("{problem}"));
    let violations = once(&scenario, |_| true).unwrap().violations.into_iter();
    violations.map(|violation| format!("{}: {}", violation.invariant.name(), violation.what)).collect()
}

/// Whoever is between and is there again has let go of everything that it held. Where the one between loses its power
/// though, or the path to it is cut for longer than anybody tries to say goodbye, the other side holds what nobody else has:
/// gateways here speak to nobody of their own accord.
#[test]
fn connections_are_conserved_whatever_is_between() {
    let front = |balance: &str| format!("[servers.front]\nkind = \"l4\"\nto = \"gateway\"\nbalance = \"{balance}\"");
    let by_proxy = "proxy = \"corporate\"";
    let calls = "[servers.store]\nservice_time = \"5ms\"\nbehavior = { kind = \"serve\" }\n[[servers.gateway.calls]]\nto = \"store\"\ntimeout = \"1s\"";
    let all = [
        (fleet("front", "", &front("terminate")), "power-off", "front-0", "gateway-"),
        (fleet("front", "", &front("nat")), "crash", "front-0", "gateway-"),
        (fleet("gateway", by_proxy, "[proxies.corporate]\ncount = 2"), "power-off", "corporate-0", "gateway-"),
        (fleet("gateway", by_proxy, "[proxies.corporate]"), "partition", "corporate-0", "corporate-0 holds"),
        (fleet("gateway", "mode = \"extended-connect\"", ""), "partition", "gateway-0", "gateway-0 holds"),
        (fleet("gateway", "", calls), "partition", "gateway-0", "gateway-0 holds"),
    ];
    for (fleet, kind, target, leak) in all {
        for heals in ["crash", "restart"] {
            assert_eq!(broken(&fleet, heals, "gateway-0"), [""; 0], "{heals} in {fleet}");
        }
        let found = broken(&fleet, kind, target);
        assert!(
            matches!(&found[..], [one] if one.starts_with(&format!("conservation: {leak}"))),
            "{kind} of {target}: {found:?} in {fleet}"
        );
    }
}

/// At every moment some have just gone whom their server still has: others have just come.
#[test]
fn ends_all_the_time_are_no_leak() {
    let text = r#"
        format = 1
        title = "A thousand ends a second, a third of them without a goodbye"
        duration = "8s"
        [network]
        one_way = "20ms"
        [servers.gateway]
        workers = 400
        service_time = { exponential = { mean = "20ms" } }
        [clients.users]
        count = 400
        arrive = { closed_loop = { think = { exponential = { mean = "50ms" } } } }
        endpoints = ["gateway"]
        hold = { exponential = { mean = "200ms" } }
        handshake_timeout = "60ms"
        retry = { policy = "none" }
        [invariants]
        open_within = "1s"
    "#;
    let finished = once(&load("ends", text, 1).unwrap_or_else(|problem| panic!("{problem}")), |_| true).unwrap();
    assert_eq!(finished.violations, []);
    let count = |name: &str| count(&finished.measured.summary, name);
    assert!(count("attempts.handshake_timeout") > 2_000 && count("sessions.ended") > 4_000);
}

fn cli(args: &[&str]) -> (Option<i32>, String, tempfile::TempDir) {
    let place = tempfile::tempdir().unwrap();
    let (code, said) = said(program(place.path(), args));
    (code, said, place)
}

#[test]
fn the_lowest_seed_is_found_whatever_the_threads() {
    let file = gallery("half-open-never-found");
    let file = file.to_str().unwrap();
    let folder = "results/half-open-never-found/hunt-0-100";
    let mut all = Vec::new();
    for jobs in ["1", "3"] {
        let (code, told, place) = cli(&["hunt", file, "--seeds", "0..100", "--jobs", jobs]);
        assert_eq!(code, Some(1), "{told}");
        assert!(told.contains("it fails by itself: shakedown run results/"), "{told}");
        let files = files(&place.path().join(folder));
        let repro = files.keys().find(|file| file.ends_with(".toml")).unwrap();
        let (code, told) = said(program(place.path(), &["run", &format!("{folder}/{repro}"), "--out", "again"]));
        assert!(code == Some(1) && told.contains("FAILED  liveness"), "{told}");
        all.push(files);
    }
    assert_eq!(all[0], all[1]);
}

/// A hunt in one place, the same in three, and what comes out of both.
fn in_shares(place: &Path, args: &[&str]) -> (Option<i32>, String) {
    let run = |args: &[&str], variables: &[(&str, &str)]| {
        let mut command = program(place, args);
        command.envs(variables.iter().copied());
        said(command)
    };
    let hunt = |more: &[&str], variables: &[(&str, &str)]| run(&[&["hunt"], args, more].concat(), variables);
    let (code, said) = hunt(&["--out", "whole"], &[]);
    assert!(matches!(code, Some(0 | 1)), "{said}");
    for (share, out) in [("0/3", "hunt-shard-0"), ("2/3", "hunt-shard-2")] {
        let (code, said) = hunt(&["--shard", share, "--out", out], &[]);
        assert!(matches!(code, Some(0 | 1)) && said.contains(&format!("share {share}")), "{said}");
    }
    let slurm = [("SLURM_ARRAY_TASK_ID", "1"), ("SLURM_ARRAY_TASK_COUNT", "3")];
    // A share that was ended goes on where it was.
    let (ended, said) = hunt(&["--out", "hunt-shard-1", "--for", "1ns", "--jobs", "1"], &slurm);
    if said.contains("go on with --resume") {
        assert_eq!(ended, Some(0), "{said}");
        let (code, said) = run(&["merge", "hunt-shard-0", "hunt-shard-1-partial", "hunt-shard-2"], &[]);
        assert!(code == Some(3) && said.contains("unfinished: 4 of"), "{said}");
        let (code, said) = hunt(&["--out", "hunt-shard-1"], &slurm);
        assert!(code == Some(3) && said.contains("go on with --resume"), "{said}");
        let (_, said) = hunt(&["--out", "hunt-shard-1", "--resume"], &slurm);
        assert!(said.contains("4 of them done before"), "{said}");
    }
    assert!(!place.join("hunt-shard-1-partial").exists());
    let (refused, said) = run(&["merge", "hunt-shard-0", "hunt-shard-1"], &[]);
    assert!(refused == Some(3) && said.contains("missing: share 2/3"), "{said}");
    let merged = run(&["merge", "hunt-shard-2", "hunt-shard-0", "hunt-shard-1"], &[]);
    let (one, other) = (files(&place.join("whole")), files(&place.join("hunt")));
    assert!(one == other, "{one:?} {other:?}");
    merged
}

#[test]
fn shares_of_a_hunt_merge_to_the_very_files_of_one() {
    let place = tempfile::tempdir().unwrap();
    let file = gallery("half-open-never-found");
    let (code, said) = in_shares(place.path(), &[file.to_str().unwrap(), "--seeds", "0..100"]);
    assert!(code == Some(1) && said.contains("it fails by itself: shakedown run hunt/repro-"), "{said}");
    assert_eq!(files(&place.path().join("hunt")).len(), 3);
}

#[test]
fn what_happens_in_one_share_has_happened() {
    let place = tempfile::tempdir().unwrap();
    let file = gallery("herd-in-phase");
    let sets = ["--set", "expect.\"servers.gateway.queue_depth_max\"=\">= 0\"", "--set", "clients.players.count=3"];
    let sometimes = ["--set", "sometimes.\"hops.max\"=\"> 1\"", "--set", "sometimes.\"lost.total\"=\"> 0\""];
    let (code, said) =
        in_shares(place.path(), &[&[file.to_str().unwrap(), "--seeds", "0..18"], &sets[..], &sometimes].concat());
    assert!(code == Some(1) && said.contains("nothing broke in 18 of 18 runs"), "{said}");
    assert!(said.contains("NEVER   hops.max > 1") && !said.contains("lost.total"), "{said}");
}

#[test]
fn shares_that_do_not_make_one_hunt_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let file = gallery("half-open-never-found");
    let run = |args: &[&str]| said(program(place.path(), args));
    for (seeds, share, out) in
        [("0..40", "0/2", "a-shard-0"), ("0..40", "1/2", "a-shard-1"), ("0..41", "1/2", "foreign")]
    {
        run(&["hunt", file.to_str().unwrap(), "--seeds", seeds, "--shard", share, "--out", out]);
    }
    run(&["hunt", file.to_str().unwrap(), "--seeds", "0..1", "--out", "whole"]);
    let refused = |folders: &[&str], what: &str| {
        let (code, said) = run(&[&["merge"], folders].concat());
        assert!(code == Some(3) && said.contains(what), "{folders:?}: {said}");
        assert!(!place.path().join("a").exists());
    };
    refused(&["a-shard-0", "a-shard-1", "a-shard-1"], "share 1/2 is there twice");
    refused(&["a-shard-0", "foreign"], "seeds");
    refused(&["a-shard-0", "whole"], "a whole hunt");
    refused(&["a-shard-0", "nowhere"], "no hunt.json");
    // Whichever found the lowest was interrupted while it made that smaller.
    for share in ["a-shard-0", "a-shard-1"] {
        let file = place.path().join(share).join("hunt.json");
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains("\"shrunk\": true"), "{text}");
        fs::write(file, text.replace("\"shrunk\": true", "\"shrunk\": false")).unwrap();
    }
    refused(&["a-shard-0", "a-shard-1"], "go on with --resume");
}

#[test]
fn seeds_that_make_no_scenario_are_counted_and_passed_by() {
    let file = gallery("herd-in-phase");
    let fault = |name: &str| {
        let target = "target = { group = \"gateway\", count = 1 }";
        format!("faults.{name}={{ kind = \"crash\", {target}, at = \"10s\", for = \"5s\" }}")
    };
    // Both strike one of three servers at random: where it is the same one, they contradict each other.
    let sets = [&fault("x"), &fault("y"), "expect.\"servers.gateway.queue_depth_max\"=\">= 0\"", "chaos.faults=1"];
    let sets: Vec<&str> = sets.into_iter().flat_map(|set| ["--set", set]).collect();
    let hunt =
        |seeds: &str| cli(&[&["hunt", file.to_str().unwrap(), "--seeds", seeds, "--out", "a"], &sets[..]].concat());
    let impossible = |place: &Path| {
        let document: serde_json::Value =
            serde_json::from_slice(&fs::read(place.join("a/hunt.json")).unwrap()).unwrap();
        document["impossible"].as_array().unwrap().iter().map(|seed| seed.as_u64().unwrap()).collect::<Vec<_>>()
    };
    let (code, said, place) = hunt("0..12");
    let all = impossible(place.path());
    assert!(code == Some(0) && (1..12).contains(&all.len()), "{said}");
    assert!(said.contains(&format!("nothing broke in 12 of 12 runs, {} of them impossible", all.len())), "{said}");
    let first = all.iter().find(|seed| !all.contains(&(*seed + 1))).unwrap();
    let (code, said, place) = hunt(&format!("{first}..{}", first + 2));
    assert_eq!((code, impossible(place.path())), (Some(0), vec![*first]), "{said}");
    let (code, said, _place) = hunt(&format!("{first}..{}", first + 1));
    assert!(code == Some(2) && said.contains("would both hold"), "where there is no other seed: {said}");
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
    let file = scenario_file("chaos");
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

/// An outage that is too long is one bug, and one that never ends because the run is over before it is another. A count that
/// is too small is no smaller bug with fewer sessions.
#[test]
fn a_reduction_must_break_the_same_in_the_same_way() {
    let expecting = |what: &str| {
        let text = fleet("gateway", "", &format!("[expect]\n{what}"));
        load("fleet", &format!("{text}kind = \"crash\"\ntarget = \"gateway-0\"\n"), 1).unwrap()
    };
    let scenario = expecting("\"outage.max\" = \"< 20ms\"");
    let finished = once(&scenario, |_| true).unwrap();
    let broken = Broken::of(&finished).unwrap();
    assert!(broken.again(&finished));
    let Broken::Expectation(path, _, missed) = &broken else { panic!("{broken:?}") };
    assert_eq!((path.as_str(), *missed), ("outage.max", Missed::NotBelow));
    for other in [Missed::Never, Missed::Unmeasured, Missed::Below] {
        let other = Broken::Expectation(path.clone(), "< 20ms".parse().unwrap(), other);
        assert!(!other.again(&finished), "{other}");
    }
    let shrunk = shrink(&scenario, &broken, &mut |_| true).unwrap();
    let left = shrunk.finished.verdicts.iter().map(|verdict| (verdict.path.as_str(), verdict.measured));
    let left: Vec<_> = left.collect();
    assert!(matches!(left[..], [("outage.max", Value::Duration(Some(length)))] if length >= Nanos::from_millis(20)));
    let scenario = expecting("\"attempts.total\" = \"> 100\"");
    let few = Broken::Expectation("attempts.total".into(), "> 100".parse().unwrap(), Missed::Below);
    let shrunk = shrink(&scenario, &few, &mut |_| true).unwrap();
    assert_eq!(shrunk.scenario.sessions(), scenario.sessions());
}

/// Of six that open at once, one gives up much later: that one is to be looked at, and not who took longest to open.
#[test]
fn the_diagram_is_that_of_who_broke_it() {
    let place = tempfile::tempdir().unwrap();
    let clients = "[expect]\n\"sessions.failed\" = \"== 0\"";
    let text = fleet("gateway", "", clients).replace("base = \"200ms\", cap", "attempts = 3, base = \"200ms\", cap");
    let text = text.replace("[invariants]\n        open_within = \"15s\"\n", "");
    let file = place.path().join("gives-up.toml");
    fs::write(&file, format!("{text}kind = \"crash\"\ntarget = {{ group = \"gateway\", share = \"100%\" }}\n"))
        .unwrap();
    let (code, told) = said(program(place.path(), &["hunt", "gives-up.toml", "--seeds", "0..4", "--out", "a"]));
    assert!(code == Some(1) && told.contains("breaks the expectation of sessions.failed == 0"), "{told}");
    let files = files(&place.path().join("a"));
    let diagram = files.iter().find(|(name, _)| name.ends_with(".txt")).unwrap();
    let diagram = String::from_utf8(diagram.1.clone()).unwrap();
    assert!(diagram.contains("gives up"), "{diagram}");
}

/// What goes on must be what was there.
#[test]
fn an_unfinished_hunt_that_was_changed_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let file = gallery("half-open-never-found");
    let args = ["hunt", file.to_str().unwrap(), "--seeds", "0..100", "--for", "1ns", "--jobs", "1", "--out", "a"];
    let (code, told) = said(program(place.path(), &args));
    assert!(code == Some(0) && told.contains("go on with --resume"), "{told}");
    let kept = place.path().join("a-partial/hunt.json");
    let text = fs::read_to_string(&kept).unwrap();
    assert!(text.contains("\"runs\": 4"), "{text}");
    fs::write(&kept, text.replace("\"runs\": 4", "\"runs\": 5")).unwrap();
    let resumed = [&args[..], &["--resume"]].concat();
    let (code, told) = said(program(place.path(), &resumed));
    assert!(code == Some(3) && told.contains("hunt.json was changed since it was written"), "{told}");
    fs::write(&kept, text).unwrap();
    let (_, told) = said(program(place.path(), &resumed));
    assert!(told.contains("4 of them done before"), "{told}");
}

/// A balancer with health checks in front of gateways without: rare, and under random faults.
const RARE: &str = r#"
format = 1
title = "A gateway without health checks behind a balancer keeps ghosts"
duration = "90s"
[servers.lb]
kind = "l4"
to = "gateway"
balance = "terminate"
health = { every = "2s", timeout = "1s" }
[servers.gateway]
count = 3
[clients.phones]
count = 100
endpoints = ["lb"]
heartbeat = { every = "10s", timeout = "5s" }
retry = { policy = "full-jitter", base = "500ms", cap = "5s", attempts = 14 }
[chaos]
targets = ["gateway"]
kinds = ["power-off", "crash", "pause", "hang", "slow", "partition"]
faults = 2
lasting = { uniform = { min = "1s", max = "12s" } }
[expect]
"sessions.failed" = "== 0"
"outage.max" = "< 29s"
"#;

/// Where nobody was without a connection, no outage was too long.
#[test]
fn a_run_without_an_outage_breaks_no_bound_on_outages() {
    let finished = once(&load("rare", RARE, 10).unwrap(), |_| true).unwrap();
    assert_eq!(finished.measured.summary.get("outage.count"), Some(Value::Count(0)));
    assert_eq!(Broken::of(&finished), None);
}

/// What is drawn may stand in a file, or a hunt could not shrink it: no fault of a kind that does nothing to its target.
#[test]
fn what_is_drawn_at_random_may_be_written() {
    let text = "format = 1\ntitle = \"x\"\nduration = \"9s\"\n[servers.s]\ncount = 2\n[servers.b]\nkind = \"l4\"\nto = \"s\"\n\
                balance = \"nat\"\n[clients.c]\ncount = 1\nendpoints = [\"b\"]\n[chaos]\ntargets = [\"b\", \"s\"]\n\
                kinds = [\"slow\", \"hang\"]\nfaults = 4\n";
    let mut slow = 0;
    for seed in 0..60 {
        let scenario = load("drawn", text, seed).unwrap_or_else(|problem| panic!("{problem}"));
        let again = load("again", scenario.written_out(), seed);
        assert!(again.is_ok(), "seed {seed}: {}", again.unwrap_err());
        slow += scenario.written_out().matches("kind = \"slow\"").count();
    }
    assert!(slow > 5, "servers are slowed down, {slow} times");
}
