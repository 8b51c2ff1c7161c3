//! The command line as its users meet it: output, files, exit codes.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::common::{in_real_time, names, prose, ran as run, scenario_file as scenario, shakedown, text};

/// A scenario small enough for a debug build.
const SMALL: &[&str] = &["--set", "clients.players.count=600"];

fn small<'a>(command: &'a str, file: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&[command, file], SMALL, more].concat()
}

#[test]
fn a_run_prints_its_numbers_and_writes_its_folder() {
    let place = tempfile::tempdir().unwrap();
    let file = scenario("failover");
    let output = run(place.path(), &small("run", file.to_str().unwrap(), &[]));
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{printed}{}", text(&output.stderr));
    assert!(printed.starts_with("failover: One of three gateways dies"), "{printed}");
    for part in [
        "seed 1",
        "Server gateway-0 crashed for 15 s: ",
        "passed  5 of 5 expectations",
        "results in results/failover/sim-1-",
    ] {
        assert!(printed.contains(part), "{part} is missing in {printed}");
    }
    assert!(printed.lines().count() <= 12, "{printed}");
    let digest = printed.lines().last().unwrap().strip_prefix("digest ").unwrap();
    assert_eq!(digest.len(), 32);
    let results = place.path().join("results/failover");
    let folder = results.join(&names(&results)[0]);
    let files = [
        "attempts.svg",
        "connections.svg",
        "exemplars.jsonl",
        "latency.hlog",
        "latency.svg",
        "percentiles.svg",
        "report.html",
        "run.json",
        "series.csv",
        "sessions.svg",
        "summary.json",
    ];
    assert_eq!(names(&folder), files);
    let verified = run(place.path(), &["verify", "results"]);
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified.stdout));
}

#[test]
fn json_has_standard_output_for_itself() {
    let place = tempfile::tempdir().unwrap();
    let file = scenario("storm");
    let output = run(place.path(), &small("run", file.to_str().unwrap(), &["--format", "json", "--out", "there"]));
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["scenario"], "storm");
    assert_eq!(document["seed"], 1);
    assert_eq!(document["handshake_latency"]["p99_ms"], 40.0);
    assert_eq!(document["digest"].as_str().unwrap().len(), 32);
    assert!(text(&output.stderr).contains("passed  5 of 5 expectations"));
    assert_eq!(fs::read(place.path().join("there/summary.json")).unwrap(), output.stdout);
}

#[test]
fn a_folder_is_the_same_from_run_to_run() {
    let place = tempfile::tempdir().unwrap();
    let file = scenario("redirect");
    for out in ["a", "b"] {
        let output = run(place.path(), &small("run", file.to_str().unwrap(), &["--out", out, "--quiet"]));
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout).lines().count(), 1, "quiet prints the digest only");
    }
    let folder = |name: &str| place.path().join(name);
    assert_eq!(names(&folder("a")), names(&folder("b")));
    for name in names(&folder("a")) {
        assert!(fs::read(folder("a").join(&name)).unwrap() == fs::read(folder("b").join(&name)).unwrap(), "{name}");
    }
}

/// The sessions of `exemplars.jsonl`: names, and what they are examples of.
fn exemplars(folder: &Path) -> Vec<(String, Vec<String>)> {
    let lines = fs::read_to_string(folder.join("exemplars.jsonl")).unwrap();
    let exemplar = |line: &str| {
        let one: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(!one["diagram"].as_array().unwrap().is_empty() && !one["events"].as_array().unwrap().is_empty());
        let why = one["why"].as_array().unwrap().iter().map(|why| why.as_str().unwrap().to_string()).collect();
        (one["session"].as_str().unwrap().to_string(), why)
    };
    lines.lines().map(exemplar).collect()
}

#[test]
fn the_slowest_and_some_failed_sessions_are_kept_with_their_ladders() {
    let place = tempfile::tempdir().unwrap();
    let file = scenario("failover");
    let file = file.to_str().unwrap();
    assert!(run(place.path(), &small("run", file, &["--quiet", "--out", "a"])).status.success());
    let kept = exemplars(&place.path().join("a"));
    let whys: Vec<&str> = kept.iter().flat_map(|(_, why)| why).map(String::as_str).collect();
    assert_eq!(whys, ["slowest", "slowest", "slowest", "refused"]);
    // The same sessions as replay finds.
    let slowest = run(place.path(), &small("replay", file, &["--slowest"]));
    let first = format!("{} of failover, seed 1", kept[0].0);
    assert!(text(&slowest.stdout).starts_with(&first), "{first}");
    assert!(run(place.path(), &small("run", file, &["--quiet", "--out", "b", "--no-exemplars"])).status.success());
    assert!(!place.path().join("b/exemplars.jsonl").exists());
}

#[test]
fn a_report_is_made_again_from_the_recorded_files_alone() {
    let place = tempfile::tempdir().unwrap();
    let file = scenario("redirect");
    assert!(run(place.path(), &small("run", file.to_str().unwrap(), &["--quiet", "--out", "there"])).status.success());
    let page = place.path().join("there/report.html");
    let first = fs::read(&page).unwrap();
    assert!(first.len() > 40_000 && first.len() < 2_000_000, "{}", first.len());
    // Neither the pictures nor the page that was there, nor the scenario's file.
    for name in names(&place.path().join("there")) {
        if name.ends_with(".svg") || name == "report.html" {
            fs::remove_file(place.path().join("there").join(name)).unwrap();
        }
    }
    let output = run(place.path(), &["report", "there"]);
    assert_eq!(text(&output.stdout), format!("{}\n", Path::new("there").join("report.html").display()));
    assert!(fs::read(&page).unwrap() == first, "the page differs");
    let html = String::from_utf8(first).unwrap();
    for part in
        ["<!doctype html>", "<h1>", "data-chart=\"sessions\"", "data-exemplar=\"0\"", "shakedown run ", "seed 1"]
    {
        assert!(html.contains(part), "{part}");
    }
    let nothing = run(place.path(), &["report", "."]);
    assert_eq!(nothing.status.code(), Some(3));
    assert!(text(&nothing.stderr).contains("no result of a run, a sweep, a comparison"), "{}", text(&nothing.stderr));
}

#[test]
fn a_run_is_a_document_for_other_programs() {
    let place = tempfile::tempdir().unwrap();
    let file = scenario("failover");
    let file = file.to_str().unwrap();
    let broken = ["--set", "expect={\"time_to_open.p99\"=\"< 1ms\"}", "--out", "there", "--format"];
    for (format, begins) in [
        ("markdown", "### One of three gateways dies under 10,000 players: **FAILED**"),
        ("csv", "metric,value\nsessions.scheduled,600\n"),
        (
            "junit",
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"shakedown\" tests=\"2\" failures=\"1\"",
        ),
        ("openmetrics", "# TYPE shakedown_sessions_open gauge\n"),
        ("json", "{\n  \"format_version\": 2"),
    ] {
        let printed = run(place.path(), &small("run", file, &[&broken[..], &[format]].concat()));
        assert_eq!(printed.status.code(), Some(1), "{}", text(&printed.stderr));
        let printed = text(&printed.stdout);
        assert!(printed.starts_with(begins), "{printed}");
        let again = run(place.path(), &["report", "there", "--format", format]);
        assert_eq!(text(&again.stdout), printed, "{format}");
    }
}

#[test]
fn colour_is_for_terminals_and_for_who_asks() {
    let place = tempfile::tempdir().unwrap();
    let file = scenario("failover");
    let args = small("run", file.to_str().unwrap(), &["--no-exemplars", "--out", "there", "--verbose"]);
    let printed = |more: &[&str], no_color: &str| {
        let mut command = shakedown(place.path(), &[&args[..], more].concat());
        text(&command.env("NO_COLOR", no_color).output().unwrap().stdout)
    };
    assert!(!printed(&[], "").contains('\u{1b}'), "no terminal, no colour");
    let colored = printed(&["--color", "always"], "1");
    assert!(colored.contains("\u{1b}[32mpassed\u{1b}[0m"), "{colored}");
    assert!(!printed(&["--color", "never"], "").contains('\u{1b}'));
    assert!(colored.contains("lowest availability per "), "{colored}");
}

#[test]
fn a_broken_expectation_exits_1_and_is_listed_with_what_was_measured() {
    let place = tempfile::tempdir().unwrap();
    let file = scenario("storm");
    let broken = ["--set", "expect.\"handshake_latency.p50\"='< 1ms'", "--quiet"];
    let output = run(place.path(), &small("run", file.to_str().unwrap(), &broken));
    assert_eq!(output.status.code(), Some(1));
    let printed = text(&output.stdout);
    assert!(printed.contains("FAILED  handshake_latency.p50 < 1ms (measured 40.0 ms)"), "{printed}");
    assert!(!printed.contains("passed"), "{printed}");
}

#[test]
fn bad_input_exits_2_and_says_where_and_what() {
    let place = tempfile::tempdir().unwrap();
    let file = scenario("storm");
    let file = file.to_str().unwrap();
    let bad = place.path().join("bad.toml");
    fs::write(&bad, fs::read_to_string(scenario("storm")).unwrap().replace("count = 10_000", "cuont = 10_000"))
        .unwrap();
    for (args, said) in [
        (vec!["run", "nowhere.toml"], "nowhere.toml"),
        (vec!["run", "bad.toml"], "bad.toml:15:1"),
        (vec!["check", "bad.toml"], "`count`"),
        (vec!["run", file, "--set", "clients.players.cuont=5"], "--set clients.players.cuont=5"),
        (vec!["run", file, "--variant", "nope"], "nope"),
        (vec!["run", file, "--seed", "many"], "--seed"),
        (vec!["run", file, "--seed", "-1"], "a seed is a whole number from 0 to"),
        (vec!["dance"], "dance"),
        (vec!["verify", "."], "no recorded run"),
        (vec!["verify"], "--models"),
    ] {
        let output = run(place.path(), &args);
        let printed = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {printed}");
        assert!(printed.contains(said), "{args:?}: {printed}");
        assert!(output.stdout.is_empty());
    }
    assert_eq!(names(place.path()), ["bad.toml"], "nothing was written");
}

#[test]
fn results_that_cannot_be_written_exit_3_and_are_told_all_the_same() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("taken"), "a file").unwrap();
    let file = scenario("storm");
    let output = run(place.path(), &small("run", file.to_str().unwrap(), &["--out", "taken"]));
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("taken"), "{}", text(&output.stderr));
    assert!(output.stdout.is_empty(), "what can be known before is told before the work");
    let output = run(place.path(), &small("run", file.to_str().unwrap(), &["--out", "taken/below"]));
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(fs::read_to_string(place.path().join("taken")).unwrap(), "a file");
}

#[test]
fn check_resolved_prints_a_scenario_that_runs_to_the_same_digest() {
    let place = tempfile::tempdir().unwrap();
    let file = scenario("failover");
    let file = file.to_str().unwrap();
    let varied = ["--variant", "no-jitter", "--seed", "5"];
    let resolved = run(place.path(), &small("check", file, &[&varied[..], &["--resolved"]].concat()));
    fs::write(place.path().join("resolved.toml"), &resolved.stdout).unwrap();
    // This variant may break an expectation of the other; the digest comes last in any case.
    let digest = |args: &[&str]| {
        let output = text(&run(place.path(), &[args, &["--quiet"]].concat()).stdout);
        output.lines().last().unwrap().to_string()
    };
    let direct = digest(&small("run", file, &varied));
    assert!(direct.starts_with("digest "));
    assert_eq!(digest(&["run", "resolved.toml"]), direct);
}

#[test]
fn verify_finds_what_differs() {
    let place = tempfile::tempdir().unwrap();
    let file = scenario("storm");
    run(place.path(), &small("run", file.to_str().unwrap(), &["--out", "results/storm"]));
    let folder = place.path().join("results/storm");
    let spoil = |name: &str, from: &str, to: &str| {
        let whole = fs::read_to_string(folder.join(name)).unwrap();
        assert!(whole.contains(from));
        fs::write(folder.join(name), whole.replacen(from, to, 1)).unwrap();
        let output = run(place.path(), &["verify", "results"]);
        fs::write(folder.join(name), whole).unwrap();
        (output.status.code(), text(&output.stdout))
    };
    for (name, from, to) in [
        ("summary.json", "\"opened\": 600", "\"opened\": 599"),
        ("series.csv", "\n100,", "\n101,"),
        ("run.json", "\"digest\": \"", "\"digest\": \"0"),
        ("exemplars.jsonl", "players-0", "players-1"),
    ] {
        let (code, printed) = spoil(name, from, to);
        assert_eq!(code, Some(1), "{name}: {printed}");
        assert!(printed.contains("DIFFERENT"), "{printed}");
    }
    assert_eq!(run(place.path(), &["verify", "results"]).status.code(), Some(0));
    // The same as one document.
    let document = || {
        let output = run(place.path(), &["verify", "results", "--format", "json"]);
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), document["passed"].clone(), document["runs"][0]["same"].clone())
    };
    assert_eq!(document(), (Some(0), true.into(), true.into()));
    fs::write(folder.join("series.csv"), "").unwrap();
    assert_eq!(document(), (Some(1), false.into(), false.into()));
}

#[test]
fn verify_goes_on_past_what_it_cannot_read() {
    let place = tempfile::tempdir().unwrap();
    let file = scenario("storm");
    for name in ["a", "b", "c", "d", "e"] {
        run(place.path(), &small("run", file.to_str().unwrap(), &["--out", &format!("results/{name}")]));
    }
    let results = place.path().join("results");
    fs::write(results.join("a/run.json"), "{\"scenario\": ").unwrap();
    fs::remove_file(results.join("b/run.json")).unwrap();
    fs::write(results.join("c/summary.json"), [0xff, 0xfe]).unwrap();
    fs::remove_file(results.join("d/series.csv")).unwrap();
    fs::create_dir(results.join("d/series.csv")).unwrap();
    let verify = |more: &[&str]| run(place.path(), &[&["verify", "results"], more].concat());
    let output = verify(&[]);
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{printed}");
    for (name, why) in [("a", "run.json: EOF"), ("b", "run.json: "), ("c", "summary.json: "), ("d", "series.csv: ")] {
        assert!(printed.contains(&format!("UNREADABLE  results/{name}\n            {why}")), "{printed}");
    }
    assert!(printed.contains("same        results/e\n"), "{printed}");
    assert!(printed.ends_with("recorded runs: 5, different: 0, unreadable: 4\n"), "{printed}");
    let document: serde_json::Value = serde_json::from_slice(&verify(&["--format", "json"]).stdout).unwrap();
    assert_eq!((&document["passed"], &document["runs"][4]["same"]), (&false.into(), &true.into()));
    // What differs is the graver news.
    fs::write(results.join("e/series.csv"), "").unwrap();
    assert_eq!(verify(&[]).status.code(), Some(1));
}

/// A run that handles signals, and has begun.
fn begun(place: &Path, args: &[&str]) -> Child {
    let child = shakedown(place, args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // What Linux says of the signals that a process catches, in hexadecimal: SIGINT has the second bit.
    let catches = || match fs::read_to_string(format!("/proc/{}/status", child.id())) {
        Ok(status) => status.lines().any(|line| {
            line.strip_prefix("SigCgt:").is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).unwrap() & 2 != 0)
        }),
        Err(_) => true,
    };
    let began = Instant::now();
    while !catches() {
        assert!(began.elapsed() < Duration::from_secs(60), "it catches no signals");
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(500));
    child
}

#[test]
fn ctrl_c_ends_a_run_with_what_there_is() {
    let place = tempfile::tempdir().unwrap();
    let file = scenario("storm");
    // Ten million clients take far longer than this test waits.
    let args = ["run", file.to_str().unwrap(), "--set", "clients.players.count=10000000", "--out", "long", "--force"];
    let mut child = begun(place.path(), &args);
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let patience = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None if patience.elapsed() > Duration::from_secs(60) => {
                child.kill().unwrap();
                panic!("it did not end");
            }
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    assert_eq!(status.code(), Some(130));
    assert_eq!(names(place.path()), ["long-partial"]);
    assert!(fs::read_to_string(place.path().join("long-partial/run.json")).unwrap().contains("\"partial\": true"));
}

/// Commands that keep nothing of what is not whole end at once, with the same exit code, whichever signal asks for it.
#[test]
fn a_signal_ends_what_keeps_nothing_with_the_same_exit_code() {
    let place = tempfile::tempdir().unwrap();
    let file = scenario("storm");
    let file = file.to_str().unwrap();
    let long = ["--set", "clients.players.count=3000000", "--force"];
    let recorded = place.path().join("results/long");
    let output = run(
        place.path(),
        &["run", file, "--out", "results/long", "--quiet", "--set", "clients.players.count=10", "--set", "expect={}"],
    );
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    // As if many more had been in it.
    let run_json = recorded.join("run.json");
    let text_of = fs::read_to_string(&run_json).unwrap();
    assert!(text_of.contains("count = 10\\n"), "{text_of}");
    fs::write(&run_json, text_of.replace("count = 10\\n", "count = 3000000\\n")).unwrap();
    let commands: [&[&str]; 4] = [
        &[&["compare", file][..], &long].concat(),
        &[&["replay", file, "--failed"][..], &long].concat(),
        &["verify", "results"],
        &["calibrate", file],
    ];
    for (signal, command) in ["-INT", "-TERM"].into_iter().flat_map(|signal| commands.map(|command| (signal, command)))
    {
        let mut child = begun(place.path(), command);
        Command::new("kill").args([signal, &child.id().to_string()]).stderr(Stdio::null()).status().unwrap();
        let patience = Instant::now();
        while child.try_wait().unwrap().is_none() && patience.elapsed() < Duration::from_secs(60) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = child.kill();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{signal} {command:?}");
        assert_eq!(names(place.path()), ["results"], "{command:?} keeps something");
    }
}

#[test]
fn a_second_ctrl_c_ends_it_at_once() {
    let place = tempfile::tempdir().unwrap();
    let file = scenario("storm");
    let args = ["run", file.to_str().unwrap(), "--set", "clients.players.count=10000000", "--out", "long", "--force"];
    let mut child = begun(place.path(), &args);
    // The first may be answered by a folder, if it is quicker than the second; both end with 130.
    for _ in 0..2 {
        Command::new("kill").args(["-INT", &child.id().to_string()]).stderr(Stdio::null()).status().unwrap();
    }
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!place.path().join("long").exists());
}

#[test]
fn help_is_as_committed() {
    let help = |args: &[&str]| text(&run(Path::new("."), args).stdout);
    let commands = ["run", "check", "compare", "profiles", "replay", "report", "serve", "load", "verify"];
    let all = std::iter::once(help(&["--help"])).chain(commands.map(|command| help(&[command, "--help"])));
    insta::assert_snapshot!("help", all.collect::<Vec<_>>().join("\n----\n"));
}

#[test]
fn a_session_is_drawn_as_text_or_as_a_picture() {
    let file = scenario("failover");
    let place = Path::new(".");
    let diagram = run(place, &small("replay", file.to_str().unwrap(), &["--seed", "3", "--session", "players-17"]));
    assert_eq!(diagram.status.code(), Some(0), "{}", text(&diagram.stderr));
    let drawn = text(&diagram.stdout);
    assert!(drawn.starts_with("players-17 of failover, seed 3\nOne of three gateways dies"), "{drawn}");
    assert!(
        drawn.contains(" 101 Switching Protocols ")
            && drawn.ends_with(" the run ends                                |\n"),
        "{drawn}"
    );
    let svg = run(
        place,
        &small("replay", file.to_str().unwrap(), &["--variant", "no-jitter", "--failed", "--format", "svg"]),
    );
    let picture = text(&svg.stdout);
    assert!(picture.starts_with("<svg ") && picture.contains("variant no-jitter"), "{picture}");
    let many = run(place, &small("replay", file.to_str().unwrap(), &["--slowest", "--count", "3"]));
    assert_eq!(text(&many.stdout).matches(" of failover, seed 1").count(), 3);
}

#[test]
fn who_is_not_there_is_not_drawn() {
    let place = Path::new(".");
    let storm = scenario("storm");
    let storm = storm.to_str().unwrap();
    for (arguments, code, message) in [
        (&["--session", "player-1"][..], 2, "error: no client group is named `player`: the nearest name is `players`"),
        (&["--session", "bots-1"], 2, "error: no client group is named `bots`: there is `players`"),
        (
            &["--session", "players-600"],
            2,
            "error: there is no `players-600`: the sessions of `players` are players-0 to",
        ),
        (
            &["--session", "players"],
            2,
            "error: `players` is no session: a session's name is its group's and its number",
        ),
        (&["--session", "players-1", "--failed"], 2, "cannot be used with"),
        (&[], 2, "a session is required"),
        (&["--slowest", "--kind", "opened"], 2, "give --format jsonl"),
        (&["--format", "jsonl", "--kind", "opend"], 2, "no kind of event is named `opend`: the nearest is `opened`"),
        (
            &["--format", "jsonl", "--server", "gatway-0"],
            2,
            "no server is named `gatway-0`: the nearest is `gateway-0`",
        ),
        (&["--format", "jsonl", "--from", "5"], 2, "invalid value"),
        (&["--slowest", "--count", "2", "--format", "svg"], 2, "error: a picture is of one session"),
        (&["--failed"], 1, "no session to draw: every attempt of every session came off"),
        (&["--redirected"], 1, "no session to draw: no session followed a redirect"),
    ] {
        let output = run(place, &small("replay", storm, arguments));
        let complaint = text(&output.stderr);
        assert_eq!(
            (output.status.code(), complaint.contains(message)),
            (Some(code), true),
            "{arguments:?}: {complaint}"
        );
        assert!(output.stdout.is_empty());
    }
    let output = run(place, &["replay", "no-such.toml", "--failed"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("can't read no-such.toml"));
}

#[test]
fn a_broken_invariant_exits_1_unless_somebody_is_known_for_it() {
    let place = tempfile::tempdir().unwrap();
    let text_of = |behavior: &str, client: &str| {
        format!(
            "format = 1\ntitle = 'x'\nduration = '10s'\n[servers.gateway]\nbehavior = {behavior}\n[clients.one]\ncount = 5\n\
             endpoints = ['gateway']\nretry = {{ policy = 'none' }}\n{client}\n"
        )
    };
    let wrong = "{ kind = 'accept', answer = { accept_key = 'wrong' } }";
    let loops = "{ kind = 'redirect', path = '/' }";
    let open = "{ kind = 'challenge', credentials = { user = 'a', password = 'b' }, verify = false }";
    let login = "credentials = { user = 'a', password = 'c' }";
    for (behavior, client, broken) in [
        (wrong, "profile = 'fastwebsockets'", ""),
        (wrong, "reads = { accept_key = 'opens' }\nknown_findings = ['accept-unverified']", ""),
        (wrong, "reads = { accept_key = 'opens' }", "accept_unverified: 5"),
        (wrong, "", ""),
        (loops, "profile = 'ws-follow-redirects'", ""),
        (loops, "profile = 'chromium'", ""),
        (loops, "", "redirect_loop: 5"),
        // Nobody may be known for that.
        (open, login, "accepted_without_credentials: 5"),
    ] {
        let file = place.path().join("x.toml");
        fs::write(&file, text_of(behavior, client)).unwrap();
        let out = place.path().join("out");
        let arguments = ["run", file.to_str().unwrap(), "--quiet", "--out", out.to_str().unwrap()];
        let output = run(place.path(), &arguments);
        let printed = text(&output.stdout);
        assert_eq!(
            output.status.code(),
            Some(i32::from(!broken.is_empty())),
            "{client}: {printed}{}",
            text(&output.stderr)
        );
        assert_eq!((printed.contains("FAILED  ") && printed.contains(broken)), !broken.is_empty(), "{printed}");
        let summary = fs::read_to_string(out.join("summary.json")).unwrap();
        assert_eq!(summary.contains("invariants_broken"), !broken.is_empty());
        fs::remove_dir_all(&out).unwrap();
    }
}

#[test]
fn profiles_are_printed_and_explained() {
    let here = Path::new(".");
    let table = text(&run(here, &["profiles"]).stdout);
    assert!(table.lines().count() > 15 && table.lines().all(|line| line.chars().count() <= 165), "{table}");
    assert!(table.contains("websocket-client     3: ws"), "{table}");
    let explained = text(&run(here, &["profiles", "--explain", "fastwebsockets"]).stdout);
    for part in [
        "fastwebsockets 0.10.0",
        "- opens whatever",
        "known_findings = [\"accept-unverified\"]",
        "reads.accept_key = \"opens\"\n    measured with 0.10.0\n        open: 101-bad-accept, 101-no-accept\n",
        "redirects = 0\n    measured",
        "keep_alive = true (default)\n    assumed\n",
    ] {
        assert!(explained.contains(part), "{part}: {explained}");
    }
    let chromium = text(&run(here, &["profiles", "--explain", "chromium", "--format", "json"]).stdout);
    let chromium: serde_json::Value = serde_json::from_str(&chromium).unwrap();
    let of = |key: &str| {
        let all = chromium["chromium"]["behaviors"].as_array().unwrap();
        all.iter().find(|behavior| behavior["key"] == key).unwrap()
    };
    assert_eq!(
        (&of("connect_gate")["known"], &of("connect_gate")["cases"]),
        (&"observed".into(), &serde_json::json!([]))
    );
    let head = of("reads.head");
    assert!(
        head["cases"]
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["case"] == "101-line-380000" && row["outcome"] == "error")
    );
    assert_eq!(of("reads.too_many_fields")["known"], "assumed");
    let ideal = text(&run(here, &["profiles", "--explain", "ideal"]).stdout);
    assert!(ideal.contains("redirects = 20\n    specified\n"), "{ideal}");
    let json: serde_json::Value = serde_json::from_slice(&run(here, &["profiles", "--format", "json"]).stdout).unwrap();
    assert_eq!(json["profiles"]["aiohttp"]["keys"]["redirects"], 9);
    let unknown = run(here, &["profiles", "--explain", "chrome"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("unknown profile `chrome`"));
}

/// Two small scenarios in a folder of their own, of which one has a variant.
fn pair(place: &Path) {
    let text = |more: &str| {
        format!(
            "format = 1\ntitle = \"A {}\"\nduration = \"5s\"\n[servers.gateway]\n[clients.players]\ncount = 20\n\
             arrive = \"at_once\"\nendpoints = \"gateway\"\n{more}",
            if more.is_empty() { "plain one" } else { "one with a variant" }
        )
    };
    fs::create_dir_all(place.join("scenarios/duo")).unwrap();
    fs::write(place.join("scenarios/duo/plain.toml"), text("")).unwrap();
    let varied = "[compare]\nbase = \"upgrade\"\nmetrics = [\"servers.gateway.transactions_in_use_max\", \"sessions.opened\"]\n\
                  [variants.final]\n\"clients.players.mode\" = \"final-response\"\n\"servers.gateway.transactions_max\" = 5\n";
    fs::write(place.join("scenarios/duo/varied.toml"), text(varied)).unwrap();
}

const PAIR: [&str; 4] = ["compare", "--verbose", "scenarios/duo/plain.toml", "scenarios/duo/varied.toml"];

#[test]
fn compare_puts_scenarios_and_their_variants_side_by_side() {
    let place = tempfile::tempdir().unwrap();
    pair(place.path());
    let output = run(place.path(), &[&PAIR[..], &["--format", "markdown"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let tables = text(&output.stdout);
    assert!(tables.starts_with("| scenario | variant | time_to_open.p99 | "), "{tables}");
    for line in [
        "| duo/plain | as-written | ",
        "| 20 (100 %) | 20 (100 %) | 20 | 0 (0 %) |",
        "| duo/varied | upgrade |  | 20 (100 %) |",
        "| duo/varied | final | 5 | 20 (100 %) |",
    ] {
        assert!(tables.contains(line), "{line}: {tables}");
    }
    let folder = place.path().join("results/duo");
    let overlays = ["overlay-open.svg", "overlay-percentiles.svg"];
    assert_eq!(
        names(&folder),
        [&["compare.csv", "compare.json", "compare.md"][..], &overlays, &["plain.svg", "report.html", "varied.svg"]]
            .concat()
    );
    let page = fs::read_to_string(folder.join("compare.md")).unwrap();
    assert!(page.contains("![A one with a variant](varied.svg)"), "{page}");
    // The same again, as JSON: the same files.
    let before = fs::read_to_string(folder.join("compare.json")).unwrap();
    let output = run(place.path(), &[&PAIR[..], &["--format", "json"]].concat());
    assert_eq!(text(&output.stdout), before);
    assert_eq!(fs::read_to_string(folder.join("compare.json")).unwrap(), before);
}

#[test]
fn compare_takes_seeds_variants_and_metrics() {
    let place = tempfile::tempdir().unwrap();
    pair(place.path());
    let choice = ["--seeds", "3..6", "--variants", "final", "--metric", "time_to_open.max", "--out", "some"];
    let output = run(place.path(), &[&PAIR[..], &choice].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let lines: Vec<String> = text(&output.stdout).lines().map(String::from).collect();
    assert_eq!(lines.len(), 2, "one choice has no league: {lines:?}");
    assert!(lines[0].ends_with("  final") && lines[1].starts_with("time_to_open.max  "), "{lines:?}");
    let csv = fs::read_to_string(place.path().join("some/compare.csv")).unwrap();
    let seeds: Vec<&str> = csv.lines().skip(1).filter_map(|line| line.split(',').nth(2)).collect();
    assert_eq!(seeds, ["3", "4", "5"]);
    for (choice, says) in [
        (vec!["--variants", "finul"], "no variant of these scenarios is named `finul`"),
        (vec!["--metric", "time_to_open.p98"], "no metric is named `time_to_open.p98`"),
        (vec!["--seeds", "5..5"], "no seed at all"),
        (vec!["scenarios/duo/plain.toml"], "two files are both called duo/plain"),
        (vec!["scenarios/duo/none.toml"], "can't read"),
    ] {
        let output = run(place.path(), &[&PAIR[..], &choice].concat());
        assert_eq!(output.status.code(), Some(2), "{choice:?}");
        assert!(text(&output.stderr).contains(says), "{choice:?}: {}", text(&output.stderr));
    }
}

#[test]
fn compare_says_what_is_better_and_reads_finished_runs_and_sweeps() {
    let place = tempfile::tempdir().unwrap();
    pair(place.path());
    let file = "scenarios/duo/plain.toml";
    let grid = ["--grid", "network.one_way=20ms,30ms,20ms", "--by", "time_to_open.p50", "--seeds", "0..4", "--verbose"];
    let output = run(place.path(), &[&["compare", file], &grid[..]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let league = prose(&output.stdout);
    for says in [
        "Sorted by time_to_open.p50 (lower is better), 4 seeds, the same for all",
        "no difference shown between one_way=20ms and one_way=20ms in time_to_open.p50: the same with each of 4 seeds.",
        "one_way=20ms has a lower time_to_open.p50 than one_way=30ms: by 40.0 ms (no variation, ",
    ] {
        assert!(league.contains(says), "{says}: {league}");
    }
    let folder = place.path().join("results/duo/plain/compare");
    assert!(names(&folder).contains(&"overlay-spread.svg".to_string()), "{:?}", names(&folder));
    assert_eq!(run(place.path(), &["verify", "results"]).status.code(), Some(0));
    let document: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(folder.join("compare.json")).unwrap()).unwrap();
    let league: shakedown::report::League = serde_json::from_value(document["league"].clone()).unwrap();
    assert_eq!((league.standings[2].rank, league.standings[1].rank), (3, 1));
    // The same from folders: two sweeps, of which nothing is run again, and they verify like what was run.
    for (one_way, out) in [("20ms", "fast"), ("30ms", "slow")] {
        let set = format!("network.one_way={one_way}");
        let args = ["sweep", file, "--seeds", "0..4", "--set", &set, "--out", out, "--quiet"];
        assert_eq!(run(place.path(), &args).status.code(), Some(0));
    }
    let args = ["compare", "slow", "fast", "--by", "time_to_open.p50", "--out", "results/folders", "--format", "json"];
    let output = run(place.path(), &args);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let folders: serde_json::Value = serde_json::from_str(&text(&output.stdout)).unwrap();
    let names_of = |of: &serde_json::Value| of["league"]["standings"][0]["name"].as_str().unwrap().to_string();
    assert_eq!((names_of(&folders), names_of(&document)), ("as-written #2".into(), "one_way=20ms".into()));
    let difference = |of: &serde_json::Value, pair: usize| of["league"]["pairs"][pair]["metrics"][0]["typical"].clone();
    assert_eq!(difference(&folders, 0), difference(&document, 1));
    let output = run(place.path(), &["verify", "results"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    assert_eq!(run(place.path(), &["run", file, "--seed", "1", "--quiet", "--out", "one"]).status.code(), Some(0));
    let output = run(place.path(), &["compare", "one", "slow", "--verbose"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(prose(&output.stdout).contains("in time_to_open.p99: 1 seed can't tell"), "{}", text(&output.stdout));
    let output = run(place.path(), &["compare", "one", "scenarios"]);
    assert!(text(&output.stderr).contains("scenarios: no finished run"), "{}", text(&output.stderr));
}

#[test]
fn a_run_on_real_sockets_stands_beside_the_simulators() {
    in_real_time(|_| {
        let place = tempfile::tempdir().unwrap();
        pair(place.path());
        let file = "scenarios/duo/plain.toml";
        let sets = ["--set", "duration='600ms'", "--set", "network.one_way='20ms'", "--quiet", "--out"];
        for (driver, out) in [("sim", "simulated"), ("tokio", "real")] {
            let output = run(place.path(), &[&["run", file, "--driver", driver], &sets[..], &[out]].concat());
            assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
        }
        let args =
            ["compare", "simulated", "real", "--by", "time_to_open.p50", "--out", "results/both", "--format", "json"];
        let output = run(place.path(), &args);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let standings = document["league"]["standings"].as_array().unwrap();
        let names_of: Vec<&str> = standings.iter().map(|row| row["name"].as_str().unwrap()).collect();
        assert!(names_of.len() == 2 && names_of.iter().any(|name| name.contains("tokio")), "{names_of:?}");
        let files = names(&place.path().join("results/both"));
        for chart in ["overlay-open.svg", "overlay-percentiles.svg"] {
            assert!(files.iter().any(|name| name == chart), "{files:?}");
            let chart = fs::read_to_string(place.path().join("results/both").join(chart)).unwrap();
            assert!(names_of.iter().all(|name| chart.contains(name)), "both are in the legend: {names_of:?}");
        }
    });
}

#[test]
fn a_comparison_is_verified_like_a_run_and_takes_no_other_place() {
    let place = tempfile::tempdir().unwrap();
    pair(place.path());
    assert_eq!(run(place.path(), &[&PAIR[..], &["--seeds", "1,2"]].concat()).status.code(), Some(0));
    let output = run(place.path(), &["verify", "results"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("same        results/duo"), "{}", text(&output.stdout));
    let folder = place.path().join("results/duo");
    for (name, from, to) in [
        ("compare.json", "\"digest\": \"", "\"digest\": \"0"),
        ("compare.md", "20 (100 %)", "19 (95 %)"),
        ("compare.csv", ",20,20", ",19,20"),
        ("compare.json", "count = 20", "count = 21"),
    ] {
        let whole = fs::read_to_string(folder.join(name)).unwrap();
        assert!(whole.contains(from), "{name}");
        fs::write(folder.join(name), whole.replacen(from, to, 1)).unwrap();
        let output = run(place.path(), &["verify", "results"]);
        fs::write(folder.join(name), whole).unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(text(&output.stdout).contains("DIFFERENT"), "{}", text(&output.stdout));
    }
    // Neither makes way for the other.
    let output = run(place.path(), &["run", "scenarios/duo/plain.toml", "--out", "results/duo"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("a comparison of duo"), "{}", text(&output.stderr));
    assert_eq!(run(place.path(), &["run", "scenarios/duo/plain.toml"]).status.code(), Some(0));
    let output = run(place.path(), &[&PAIR[..], &["--out", "results/duo/plain/sim-1"]].concat());
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("a run of \"duo/plain\""), "{}", text(&output.stderr));
}

/// The lines of a file or an output, each a JSON object.
fn lines(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

#[test]
fn events_are_written_on_demand_and_printed_by_replay() {
    let place = tempfile::tempdir().unwrap();
    let file = scenario("failover");
    let file = file.to_str().unwrap();
    let plain = run(place.path(), &small("run", file, &["--out", "plain", "--quiet"]));
    let output = run(place.path(), &small("run", file, &["--events", "--check-determinism", "--out", "there"]));
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{printed}{}", text(&output.stderr));
    assert!(printed.ends_with(&text(&plain.stdout)), "the digest is another: {printed}");
    let written = fs::read_to_string(place.path().join("there/events.jsonl")).unwrap();
    let all = lines(&written);
    let told = printed.lines().find_map(|line| line.strip_prefix("deterministic: ")).unwrap();
    assert!(told.replace(',', "").starts_with(&format!("{} events", all.len())), "{told}");
    for (number, line) in all.iter().enumerate() {
        assert_eq!(line["seq"], number);
        assert!(shakedown::event::names().any(|name| line["kind"] == name), "{line}");
    }
    assert!(!place.path().join("plain/events.jsonl").exists());
    assert_eq!(names(place.path()), ["plain", "there"], "nothing is left beside them");

    let replay = |more: &[&str]| {
        let output = run(place.path(), &small("replay", file, &[&["--format", "jsonl"], more].concat()));
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    assert_eq!(replay(&[]), written);
    let chosen = |wanted: &dyn Fn(&serde_json::Value) -> bool| {
        written
            .lines()
            .zip(&all)
            .filter(|(_, line)| wanted(line))
            .map(|(text, _)| format!("{text}\n"))
            .collect::<String>()
    };
    let of_17 = replay(&["--session", "players-17"]);
    assert_eq!(of_17, chosen(&|line| line["session"] == "players-17"));
    assert!(of_17.contains("\"kind\":\"attempt_started\",\"connection\":1,\"server\":\"gateway-"), "{of_17}");
    let refused = replay(&["--server", "gateway-0", "--kind", "attempt_started", "--from", "20s", "--until", "20.5s"]);
    assert!(!refused.is_empty());
    assert_eq!(
        refused,
        chosen(&|line| {
            let at = line["at_ns"].as_u64().unwrap();
            line["kind"] == "attempt_started"
                && line["server"] == "gateway-0"
                && (20_000_000_000..20_500_000_000).contains(&at)
        })
    );
    let fault = replay(&["--kind", "fault_began"]);
    assert!(
        fault.starts_with("{\"at_ms\":20000,\"at_ns\":20000000000,\"seq\":")
            && fault.ends_with(
                "\"layer\":\"fault\",\"fault\":\"gateway-dies\",\"kind\":\"fault_began\",\"what\":\"crash\",\"server\":\"gateway-0\"}\n"
            ),
        "{fault}"
    );
    let real = run(place.path(), &["run", file, "--driver", "tokio", "--check-determinism"]);
    assert_eq!(real.status.code(), Some(2));
}

#[test]
#[cfg(feature = "turmoil")]
fn a_run_over_turmoil_is_the_same_in_every_process() {
    let place = tempfile::tempdir().unwrap();
    let file = scenario("failover");
    let file = file.to_str().unwrap();
    let smaller = [
        "clients.players.count=60",
        "clients.players.arrive={evenly_over='300ms'}",
        "faults.gateway-dies.at='500ms'",
        "faults.gateway-dies.for='500ms'",
        "duration='2s'",
        "expect={ 'sessions.never_opened' = '== 0%' }",
    ];
    let sets: Vec<&str> = smaller.iter().flat_map(|set| ["--set", *set]).collect();
    let runs = ["one", "other"].map(|folder| {
        let arguments = [&["run", file, "--driver", "turmoil", "--events", "--out", folder], &sets[..]].concat();
        let output = run(place.path(), &arguments);
        assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
        let folder = place.path().join(folder);
        names(&folder).into_iter().map(|name| fs::read(folder.join(name)).unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(runs[0], runs[1]);
    let document = fs::read(place.path().join("one/run.json")).unwrap();
    let document: serde_json::Value = serde_json::from_slice(&document).unwrap();
    assert_eq!((&document["driver"], &document["deterministic"]), (&"turmoil".into(), &true.into()));
    assert!(document["deviations"][0].as_str().unwrap().starts_with("none: turmoil carries"), "{document}");
    // It can be verified, and nothing else replaces it.
    let verified = run(place.path(), &["verify", "one"]);
    assert_eq!(verified.status.code(), Some(0), "{}", text(&verified.stdout));
    let simulated = run(place.path(), &[&["run", file, "--out", "one"], &sets[..]].concat());
    assert_eq!(simulated.status.code(), Some(3));
    // The sample sessions are the simulator's, though nobody listened to what they sent.
    let simulated = run(place.path(), &[&["run", file, "--out", "sim"], &sets[..]].concat());
    assert_eq!(simulated.status.code(), Some(0), "{}", text(&simulated.stderr));
    assert_eq!(exemplars(&place.path().join("one")), exemplars(&place.path().join("sim")));
    // On real sockets who is the slowest is nobody's choice: there are some.
    in_real_time(|_| {
        let real = run(place.path(), &[&["run", file, "--driver", "tokio", "--out", "real"], &sets[..]].concat());
        assert_eq!(real.status.code(), Some(0), "{}{}", text(&real.stdout), text(&real.stderr));
    });
    let whys: Vec<String> = exemplars(&place.path().join("real")).into_iter().flat_map(|(_, why)| why).collect();
    assert_eq!(whys.iter().filter(|why| *why == "slowest").count(), 3, "{whys:?}");
    let page = fs::read_to_string(place.path().join("real/report.html")).unwrap();
    assert!(page.contains("data-exemplar=\"0\"") && page.contains("--driver tokio"), "{page}");
    let lossy = run(place.path(), &["run", file, "--driver", "turmoil", "--set", "network.loss='1%'"]);
    assert_eq!(lossy.status.code(), Some(2));
    assert!(text(&lossy.stderr).contains("network.loss: "), "{}", text(&lossy.stderr));
}

#[test]
fn a_run_is_written_as_a_trace_for_perfetto() {
    let file = scenario("failover");
    let traced = |more: &[&str]| {
        let arguments = [&["--format", "perfetto"], more].concat();
        let output = run(Path::new("."), &small("replay", file.to_str().unwrap(), &arguments));
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let trace: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        trace["traceEvents"].as_array().unwrap().clone()
    };
    let events = traced(&["--session", "players-17"]);
    let with = |phase: &str, name: &str| -> Vec<&serde_json::Value> {
        events
            .iter()
            .filter(|event| event["ph"] == phase && event["name"].as_str().unwrap().starts_with(name))
            .collect()
    };
    // The fault is a slice from 20 s on, for 15 s.
    let [begins] = with("b", "gateway-dies: crash of gateway-0")[..] else { panic!("no fault") };
    let [ends] = with("e", "gateway-dies: crash of gateway-0")[..] else { panic!("no end") };
    assert_eq!((&begins["ts"], &ends["ts"]), (&20_000_000.into(), &35_000_000.into()));
    assert_eq!(begins["id"], ends["id"]);
    // Work takes 250 us, and a worker does one thing after the other.
    let work = with("X", "101");
    assert!(work.len() >= 600, "{}", work.len());
    let mut free = std::collections::BTreeMap::new();
    for slice in &work {
        let number = |key: &str| (slice[key].as_f64().unwrap() * 1e3).round() as u64;
        let track = (number("pid"), number("tid"));
        let before = free.insert(track, number("ts") + number("dur"));
        assert!(before.is_none_or(|end| end <= number("ts")), "{slice}");
    }
    // The session's attempt holds its connect and its handshake.
    let [attempt, connect, handshake] = ["attempt at ", "connect", "handshake"].map(|name| with("X", name)[0]);
    let span = |slice: &serde_json::Value| {
        let at = slice["ts"].as_f64().unwrap();
        (at, at + slice["dur"].as_f64().unwrap())
    };
    assert_eq!(attempt["tid"], 1);
    let near = |a: f64, b: f64| (a - b).abs() < 0.002;
    assert!(near(span(attempt).0, span(connect).0) && near(span(connect).1, span(handshake).0));
    assert!(near(span(handshake).1, span(attempt).1));
    assert_eq!(with("M", "thread_name").iter().filter(|event| event["args"]["name"] == "players-17").count(), 1);
    // What the Trace Event Format demands of each phase; and the slices of a track, all of which have a name, lie in or
    // beside each other, as those that overlap are not shown.
    let mut tracks: std::collections::BTreeMap<(u64, u64), Vec<(u64, u64)>> = std::collections::BTreeMap::new();
    for event in &events {
        let keys: &[&str] = match event["ph"].as_str().unwrap() {
            "M" => &["tid", "args"],
            "X" => &["tid", "ts", "dur"],
            "C" => &["ts", "args"],
            "i" => &["tid", "ts", "s"],
            "b" | "e" => &["ts", "id", "cat"],
            other => panic!("{other}"),
        };
        assert!(event["pid"].is_u64() && keys.iter().all(|key| !event[key].is_null()), "{event}");
        if event["ph"] == "X" {
            let nanos = |key: &str| (event[key].as_f64().unwrap() * 1e3).round() as u64;
            let track = (event["pid"].as_u64().unwrap(), event["tid"].as_u64().unwrap());
            tracks.entry(track).or_default().push((nanos("ts"), nanos("ts") + nanos("dur")));
        }
    }
    for ((pid, tid), mut slices) in tracks {
        let named = |thread: &&&serde_json::Value| thread["pid"] == pid && thread["tid"] == tid;
        assert_eq!(with("M", "thread_name").iter().filter(named).count(), 1, "{pid}/{tid}");
        slices.sort_by_key(|(from, until)| (*from, std::cmp::Reverse(*until)));
        let mut around: Vec<u64> = Vec::new();
        for (from, until) in slices {
            around.retain(|end| *end > from);
            assert!(around.last().is_none_or(|end| until <= *end), "{pid}/{tid}: {from} to {until}");
            around.push(until);
        }
    }
    // Counters end where nothing is busy and nobody waits.
    for name in ["busy workers", "waiting"] {
        let last: std::collections::BTreeMap<u64, i64> = with("C", name)
            .iter()
            .map(|event| (event["pid"].as_u64().unwrap(), event["args"]["value"].as_i64().unwrap()))
            .collect();
        assert!(last.values().all(|value| *value == 0), "{name}: {last:?}");
    }
    assert!(traced(&[]).iter().all(|event| event["pid"] != 2));
}

#[test]
fn capacity_finds_a_knee_writes_a_folder_and_is_verified() {
    let place = tempfile::tempdir().unwrap();
    let even = "format = 1\ntitle = \"Even\"\nduration = \"30s\"\n[network]\none_way = \"1ms\"\n[servers.gateway]\nworkers = 1\n\
                service_time = \"10ms\"\n[clients.players]\ncount = 900\narrive = { evenly_over = \"10s\" }\n\
                endpoints = [\"gateway\"]\n";
    fs::write(place.path().join("even.toml"), even).unwrap();
    let args = ["capacity", "even.toml", "--vary", "clients.players.count", "--slo", "handshake_latency.max <= 12ms"];
    let output = run(place.path(), &[&args[..], &["--seeds", "2"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(
        prose(&output.stdout).contains("holds handshake_latency.max <= 12ms up to 1,000 players"),
        "{}",
        text(&output.stdout)
    );
    let folder = place.path().join("results/even/capacity-clients-players-count");
    assert_eq!(
        names(&folder),
        ["capacity.csv", "capacity.json", "capacity.md", "capacity.svg", "goodput.svg", "report.html"]
    );
    let output = run(place.path(), &["verify", "results"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("same        results/even/capacity-clients-players-count"));
    let whole = fs::read_to_string(folder.join("capacity.csv")).unwrap();
    fs::write(folder.join("capacity.csv"), whole.replacen("1000,2,2", "1000,1,2", 1)).unwrap();
    assert_eq!(run(place.path(), &["verify", "results"]).status.code(), Some(1));
    // Another key's search, or a run, takes another place.
    let output = run(place.path(), &["run", "even.toml", "--quiet", "--out", folder.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    let collapse = ["capacity", "even.toml", "--collapse", "--seeds", "1", "--slo", "handshake_latency.max < 1s"];
    let sides = ["--width", "clients.players.arrive.evenly_over=5s,10s", "--depth", "clients.players.count=500,2000"];
    let output = run(place.path(), &[&collapse[..], &sides, &["--format", "markdown"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("| 2,000 | 1/1 | 1/1 |"), "{}", text(&output.stdout));
    for (more, says) in [
        (vec!["--vary", "clients.players.endpoints"], "no single number"),
        (vec!["--vary", "clients.players.count", "--from", "9", "--to", "3"], "--from must be below --to"),
        (vec!["--vary", "clients.players.count", "--slo", "sessions.open < 5"], "no metric is named `sessions.open`"),
    ] {
        let args = [&["capacity", "even.toml", "--slo", "time_to_open.p50 < 1s"][..], &more].concat();
        let output = run(place.path(), &args);
        assert_eq!(output.status.code(), Some(2), "{more:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(says), "{more:?}: {}", text(&output.stderr));
    }
}

#[test]
fn compare_takes_choices_that_are_named_on_the_command_line() {
    let place = tempfile::tempdir().unwrap();
    pair(place.path());
    let file = "scenarios/duo/plain.toml";
    let choices = ["--choice", "as it is:", "--choice", "far, few: network.one_way=60ms; clients.players.count=10"];
    let by = ["--by", "time_to_open.p50", "--seeds", "0..4", "--verbose"];
    let output = run(place.path(), &[&["compare", file][..], &choices, &by].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(prose(&output.stdout).contains("as it is has a lower time_to_open.p50 than far, few: by"));
    assert!(text(&output.stdout).contains("  far, few\n"), "{}", text(&output.stdout));
    let folder = place.path().join("results/duo/plain/compare");
    let overlay = fs::read_to_string(folder.join("overlay-open.svg")).unwrap();
    assert!(overlay.contains("far, few"), "{overlay}");
    assert!(fs::read_to_string(folder.join("compare.csv")).unwrap().contains("\nduo/plain,\"far, few\",3,"));
    assert_eq!(run(place.path(), &["verify", "results"]).status.code(), Some(0));
    // Over variants, and with a key that is varied besides.
    let more = ["--choice", "far: network.one_way=60ms", "--choice", "near: network.one_way=5ms"];
    let args = [&["compare", "scenarios/duo/varied.toml", "--variants", "final,upgrade"][..], &more].concat();
    let output = run(place.path(), &[&args[..], &["--grid", "clients.players.count=5,6"]].concat());
    let rows: Vec<String> = text(&output.stdout).lines().map(String::from).collect();
    let shown = |name: &str| {
        rows.iter().any(|row| row.starts_with("  ") && format!("{row}  ").contains(&format!("  {name}  ")))
    };
    for name in ["far count=5", "near count=6", "final far count=6", "final near count=5"] {
        assert!(shown(name), "{name}: {rows:?}{}", text(&output.stderr));
    }
    for (choices, says) in [
        (vec!["--choice", "network.one_way=5ms"], "is no choice: give its name and what it sets"),
        (vec!["--choice", "a: network.one_wy=5ms"], "network.one_wy"),
        (vec!["--choice", "a:", "--choice", "a: network.one_way=5ms"], "two choices are both called a"),
    ] {
        let output = run(place.path(), &[&["compare", file][..], &choices].concat());
        assert_eq!(output.status.code(), Some(2), "{choices:?}");
        assert!(text(&output.stderr).contains(says), "{choices:?}: {}", text(&output.stderr));
    }
}

/// The command that a folder's page shows.
fn shown_command(folder: &Path) -> String {
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    let (_, rest) = page.split_once("<div class=\"command\"><pre>").expect("a command");
    let command = rest.split_once("</pre>").unwrap().0;
    let plain = |text: String, (escaped, plain): (&str, &str)| text.replace(escaped, plain);
    [("&#39;", "'"), ("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")]
        .into_iter()
        .fold(command.into(), plain)
}

/// Runs a command line in a folder by a shell.
fn typed(folder: &Path, command: &str) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_shakedown")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    Command::new("sh")
        .args(["-c", command])
        .current_dir(folder)
        .env("PATH", path)
        .env_remove("COLUMNS")
        .output()
        .unwrap()
}

#[test]
fn the_command_that_a_page_shows_makes_the_same_result() {
    let scenario = "format = 1\ntitle = \"Even\"\nduration = \"10s\"\n[network]\none_way = \"1ms\"\n[servers.gateway]\n\
                    workers = 1\nservice_time = \"10ms\"\n[clients.players]\ncount = 90\narrive = { evenly_over = \"1s\" }\n\
                    endpoints = [\"gateway\"]\n[expect]\n\"handshake_latency.max\" = \"< 1s\"\n\
                    [variants.two]\n\"servers.gateway.workers\" = 2\n";
    let here = |folder: &Path| {
        fs::create_dir_all(folder.join("my files/scenarios")).unwrap();
        fs::write(folder.join("my files/scenarios/even.toml"), scenario).unwrap();
    };
    let file = "my files/scenarios/even.toml";
    let set = ["--set", "network.one_way=\"2ms\"", "--set", "title=\"it's\"", "--variant", "two"];
    let slo = ["--slo", "handshake_latency.max <= 14ms"];
    let sides = ["--width", "clients.players.arrive.evenly_over=1s..2s", "--depth", "clients.players.count=50,400"];
    let range =
        ["--vary", "clients.players.count", "--from", "100", "--to", "300", "--find", "highest", "--tolerance", "5%"];
    let grid = ["--grid", "clients.players.count=30,60"];
    let named =
        ["--choice", "one: servers.gateway.workers=1; clients.players.count=80", "--metric", "time_to_open.max"];
    let cases: [(&str, Vec<&str>, &str); 5] = [
        ("run", [&["--seed", "7"], &set[..]].concat(), "run.json"),
        ("sweep", [&["--seeds", "3..5"], &grid[..], &set[..]].concat(), "sweep.json"),
        ("compare", [&["--seeds", "5,3", "--by", "time_to_open.p50"], &named[..], &set[..4]].concat(), "compare.json"),
        ("capacity", [&["--seeds", "2"], &range[..], &slo[..], &set[..]].concat(), "capacity.json"),
        (
            "capacity",
            [&["--collapse", "--seeds", "1..2", "--steps", "2"], &sides[..], &slo[..], &set[..]].concat(),
            "capacity.json",
        ),
    ];
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    here(first.path());
    here(second.path());
    for (number, (name, more, header)) in cases.iter().enumerate() {
        let out = format!("out-{number}");
        let quiet: &[&str] = if *name == "compare" { &[] } else { &["--quiet"] };
        let output = run(first.path(), &[&[*name, file][..], more, &["--out", &out], quiet].concat());
        assert_eq!(output.status.code(), Some(0), "{name}: {}{}", text(&output.stdout), text(&output.stderr));
        let command = shown_command(&first.path().join(&out));
        assert!(command.starts_with(&format!("shakedown {name} 'my files/scenarios/even.toml' ")), "{command}");
        let again = typed(second.path(), &format!("{command} --out {out}"));
        assert_eq!(again.status.code(), Some(0), "{command}: {}", text(&again.stderr));
        for name in names(&first.path().join(&out)) {
            let read = |place: &Path| fs::read(place.join(&out).join(&name)).unwrap();
            assert!(read(first.path()) == read(second.path()), "{command}: {name}, {header}");
        }
        // And the page that is made of the recorded files shows the same.
        assert!(run(second.path(), &["report", &out]).status.success());
        assert_eq!(shown_command(&second.path().join(&out)), command);
    }
    // What a merged sweep says of the first seed that broke something can be run, too.
    let broken =
        ["sweep", file, "--seeds", "0..2", "--set", "network.one_way=\"2s\"", "--grid", "clients.players.count=9,8"];
    for share in ["0/2", "1/2"] {
        run(first.path(), &[&broken[..], &["--shard", share, "--quiet"]].concat());
    }
    let merged = typed(first.path(), "shakedown merge results/even/sweep-*-shard-* --out merged");
    assert_eq!(merged.status.code(), Some(1), "{}", text(&merged.stderr));
    let merged = text(&merged.stdout);
    let hint = merged.split_once("the first: ").unwrap().1.lines().next().unwrap();
    assert_eq!(
        hint,
        "shakedown run 'my files/scenarios/even.toml' --set 'network.one_way=\"2s\"' --set clients.players.count=9 --seed 0"
    );
    let again = typed(first.path(), &format!("{hint} --quiet"));
    assert_eq!(again.status.code(), Some(1), "{}", text(&again.stderr));
    let page = fs::read_to_string(first.path().join("merged/report.html")).unwrap();
    assert!(page.contains(&hint.replace('\'', "&#39;").replace('"', "&quot;")), "{page}");
}

/// Seeds 0 and 1 are impossible, as two faults strike the same server; with the third there is a row, and an answer.
const PARTLY_IMPOSSIBLE: &str = r#"
format = 1
title = "Two faults"
duration = "20s"
[servers.a]
[servers.b]
[clients.p]
count = 10
endpoints = ["a", "b"]
[faults.first]
kind = "slow"
target = "b"
factor = 2
at = "1s"
for = "1s"
[faults.second]
kind = "crash"
target = "a"
at = "2s"
for = "4s"
[chaos]
targets = ["a"]
kinds = ["crash"]
from = "1s"
"#;

#[test]
fn an_impossible_seed_is_named_and_stops_nothing() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("a.toml"), PARTLY_IMPOSSIBLE).unwrap();
    let load = |seed: &u64| {
        let seed = Some(*seed);
        let overrides = shakedown::scenario::Overrides { seed, ..Default::default() };
        shakedown::scenario::load("a", "a", PARTLY_IMPOSSIBLE, &overrides).is_err()
    };
    let impossible: Vec<u64> = (0..3).filter(load).collect();
    assert_eq!(impossible, [0, 1]);
    let choice = ["--choice", "\u{1b}[2J:"];
    let output =
        run(place.path(), &[&["compare", "a.toml", "--seeds", "0..3", "--out", "compared"][..], &choice].concat());
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{told}{}", text(&output.stderr));
    for seed in impossible {
        assert!(told.contains(&format!("ERROR   seed {seed} of \\u{{1b}}[2J: ")), "{told}");
    }
    // Nothing that a file is called moves the cursor of a terminal.
    assert!(told.contains("\\u{1b}[2J") && !told.contains('\u{1b}'), "{told:?}");
    let document: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(place.path().join("compared/compare.json")).unwrap()).unwrap();
    let row = &document["parts"][0]["rows"][0];
    assert_eq!((row["runs"][0]["seed"].as_u64(), row["errors"][1]["seed"].as_u64()), (Some(2), Some(1)));
    assert_eq!(run(place.path(), &["verify", "compared"]).status.code(), Some(0));
    let args =
        ["capacity", "a.toml", "--vary", "clients.p.count", "--slo", "outage.p99 < 30s", "--from", "5", "--to", "9"];
    let output = run(place.path(), &[&args[..], &["--seeds", "0..3", "--out", "sought", "--verbose"]].concat());
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{told}{}", text(&output.stderr));
    assert!(told.contains("ERROR   seed 0: ") && told.contains("1/1"), "{told}");
}

#[test]
fn where_faults_strike_choices_are_ranked_by_what_these_cost() {
    let place = tempfile::tempdir().unwrap();
    let file = scenario("failover");
    let set = "clients.players.count=60";
    let args = ["compare", file.to_str().unwrap(), "--set", set, "--seeds", "0..4", "--verbose"];
    let output = run(place.path(), &args);
    let told = text(&output.stdout);
    assert!(told.contains("Sorted by faults.gateway-dies.lost_time (lower is better)"), "{told}");
    for shown in ["lost_time", "recovery_time", "peak_arrivals.max"] {
        assert!(told.lines().any(|line| line.starts_with(&format!("faults.gateway-dies.{shown}  "))), "{told}");
    }
    assert!(told.contains("servers.gateway.balance.at_end"), "{told}");
    // Tables, though not sentences, go into 80 columns.
    let wide = told.lines().filter(|line| line.starts_with("faults.") && line.chars().count() > 80);
    assert_eq!(wide.count(), 0, "{told}");
    let output = run(place.path(), &[&args[..], &["--by", "faults.gateway-dies.lost_tme"]].concat());
    let told = text(&output.stderr);
    assert!(output.status.code() == Some(2) && told.contains("faults.gateway-dies.lost_time"), "{told}");
}

#[test]
#[cfg(not(feature = "turmoil"))]
fn a_program_without_turmoil_says_how_to_build_one_with_it() {
    let place = tempfile::tempdir().unwrap();
    let output = run(place.path(), &["run", scenario("failover").to_str().unwrap(), "--driver", "turmoil"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--features turmoil"), "{}", text(&output.stderr));
}
