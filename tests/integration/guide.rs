//! The guide in docs/: its commands are run as they stand there, in a temporary folder with the scenarios, and print what
//! the pages show.
//!
//! Of a block ```` ```console ````, lines that begin with `$ ` are commands and the others what they print; a line `…` stands
//! for any lines, and a `…` within a line for anything. Of a block ```` ```sh ````, every line is a command. One shell runs
//! all of a page. A command that fails is an error (a page that wants to show it says `|| echo "exit code $?"`). Blocks of
//! other languages are no commands.
//!
//! A block of `console slow` or `sh slow` takes too long for a debug build. The gate runs the pages that have some, whole, with
//! an optimised program: `SHAKEDOWN=target/release/shakedown cargo test --test integration guide:: -- --ignored`.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::common::{names, ran as run, read, repository, text};

/// Commands that no test runs, each with its reason.
const NOT_RUN: [(&str, &str, &str); 4] = [
    (
        "replay",
        "tshark -r failed.pcapng",
        "wants tshark; tests/integration/captures.rs reads captures where there is one",
    ),
    ("studio", "shakedown studio", "serves until it is ended; tests/browser uses it as a person would"),
    ("validation", "benches/validation/run", "measures a quiet machine, for minutes"),
    ("validation", "benches/validation/wire", "the same"),
];

/// A command of a page.
#[derive(Debug)]
struct Shown {
    command: String,
    /// What the page says that it prints, if it says anything.
    prints: Option<Vec<String>>,
    slow: bool,
}

fn commands(page: &str) -> Vec<Shown> {
    let mut commands: Vec<Shown> = Vec::new();
    let mut fence: Option<&str> = None;
    let mut goes_on = false;
    for line in page.lines() {
        if let Some(word) = line.strip_prefix("```") {
            fence = if fence.is_some() { None } else { Some(word) };
            continue;
        }
        let Some(words) = fence else { continue };
        let (language, slow) = words.split_once(' ').map_or((words, false), |(language, mark)| {
            assert!(mark == "slow" || !["sh", "console"].contains(&language), "```{words}");
            (language, true)
        });
        let command = match language {
            "sh" => Some(line),
            "console" => line.strip_prefix("$ "),
            _ => {
                let is_one = line.starts_with("$ ") || line.starts_with("shakedown ");
                assert!(!is_one, "a command in a block that is not run: ```{words}: {line}");
                continue;
            }
        };
        if goes_on {
            let last = commands.last_mut().unwrap();
            last.command.push('\n');
            last.command.push_str(line);
        } else if let Some(command) = command {
            let prints = (language == "console").then(Vec::new);
            commands.push(Shown { command: command.to_string(), prints, slow });
        } else {
            let last = commands.last_mut().expect("a block begins with a command");
            last.prints.as_mut().unwrap().push(line.to_string());
        }
        goes_on = line.ends_with('\\') && commands.last().is_some_and(|last| last.command.ends_with('\\'));
    }
    commands
}

/// Whether a line is as shown, where `…` may stand for anything.
fn fits(line: &str, shown: &str) -> bool {
    let parts: Vec<&str> = shown.split('…').collect();
    let [first, middle @ .., last] = parts.as_slice() else { return line == shown };
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    for part in middle {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Whether the lines printed are those shown, where a line `…` may stand for any number of them.
fn is_shown(printed: &[&str], shown: &[&str]) -> bool {
    match shown {
        [] => printed.is_empty(),
        ["…", rest @ ..] => (0..=printed.len()).any(|skipped| is_shown(&printed[skipped..], rest)),
        [first, rest @ ..] => printed.first().is_some_and(|line| fits(line, first)) && is_shown(&printed[1..], rest),
    }
}

/// The pages of docs/ that have commands to run.
fn pages() -> Vec<(String, Vec<Shown>)> {
    let mut pages: Vec<PathBuf> =
        fs::read_dir(repository("docs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    let page = |path: &PathBuf| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_string();
        let mut commands = commands(&fs::read_to_string(path).unwrap());
        commands
            .retain(|shown| !NOT_RUN.iter().any(|(page, start, _)| *page == name && shown.command.starts_with(start)));
        (name, commands)
    };
    pages.iter().map(page).filter(|(_, commands)| !commands.is_empty()).collect()
}

/// Ends what a command prints, before its exit code.
const END: &str = "<<<end of command:";

/// Runs a page's commands in one shell, until one fails, and holds what they print against what is shown.
fn hold(page: &str, commands: &[Shown]) {
    let program = std::env::var("SHAKEDOWN").unwrap_or(env!("CARGO_BIN_EXE_shakedown").into());
    let program = fs::canonicalize(repository(&program)).unwrap();
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let place = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(repository("scenarios"), place.path().join("scenarios")).unwrap();
    // Nothing that a page leaves in the background outlives it.
    let mut script = String::from("trap 'kill $! 2> kill.txt' EXIT\n");
    for Shown { command, .. } in commands {
        script += &match command.starts_with("cargo ") {
            true => format!("(cd '{}' && {command})\n", repository("").display()),
            false => format!("{command}\n"),
        };
        script += &format!("code=$?; echo; echo '{END}' $code; test $code = 0 || exit\n");
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).current_dir(place.path()).env("PATH", &path).env_remove("COLUMNS");
    let output = shell.stdin(Stdio::null()).output().unwrap();
    let (printed, errors) = (text(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let mut printed = printed.split_inclusive(END);
    let mut rest = printed.next().unwrap();
    for Shown { command, prints, .. } in commands {
        let own =
            rest.strip_suffix(END).unwrap_or_else(|| panic!("docs/{page}.md: `{command}` ended the shell: {errors}"));
        let own = own.strip_suffix('\n').unwrap();
        rest = printed.next().unwrap();
        let (code, after) = rest.split_once('\n').unwrap();
        assert!(code.trim() == "0", "docs/{page}.md: `{command}` failed:\n{own}{errors}");
        rest = after;
        let Some(shown) = prints else { continue };
        let printed: Vec<&str> = own.lines().map(str::trim_end).collect();
        let shown: Vec<&str> = shown.iter().map(|line| line.trim_end()).collect();
        let (all, wanted) = (printed.join("\n"), shown.join("\n"));
        assert!(is_shown(&printed, &shown), "docs/{page}.md: `{command}` prints\n{all}\nand not\n{wanted}");
    }
}

#[test]
fn the_guides_commands_print_what_it_shows() {
    std::thread::scope(|scope| {
        for (page, mut commands) in pages() {
            commands.retain(|shown| !shown.slow);
            if !commands.is_empty() {
                scope.spawn(move || hold(&page, &commands));
            }
        }
    });
}

#[test]
#[ignore = "the gate runs it with an optimised program"]
fn its_slow_pages_print_what_they_show() {
    for (page, commands) in pages().iter().filter(|(_, commands)| commands.iter().any(|shown| shown.slow)) {
        hold(page, commands);
    }
}

#[test]
fn what_is_not_run_is_there() {
    for (page, start, _) in NOT_RUN {
        let text = fs::read_to_string(repository(&format!("docs/{page}.md"))).unwrap();
        assert!(commands(&text).iter().any(|shown| shown.command.starts_with(start)), "{page} has no {start}");
    }
}

/// What docs/own-code.md says that a test looks like. Its lines are held to these.
#[cfg(feature = "axum")]
mod own_code {
    use axum::Router;
    use axum::extract::ws::WebSocketUpgrade;
    use axum::routing::any;
    use shakedown::lab::{Lab, Listener};

    #[test]
    fn the_gateway_survives_the_death_of_one() {
        let lab = Lab::from_file("scenarios/failover.toml")
            .unwrap()
            .set("clients.players.count=50")
            .set("faults.gateway-dies.at='2s'")
            .set("faults.gateway-dies.for='1s'")
            .set("duration='5s'")
            .set("expect={ 'sessions.never_opened' = '== 0%' }")
            .server("gateway", |cx| async move {
                let app = Router::new().fallback(any(|upgrade: WebSocketUpgrade| async {
                    upgrade.on_upgrade(|mut socket| async move { while let Some(Ok(_)) = socket.recv().await {} })
                }));
                Ok(axum::serve(Listener(cx.listener().await?), app).await?)
            });
        let outcome = lab.run().unwrap();
        assert!(outcome.passed(), "{outcome}");
    }
}

#[test]
fn the_code_shown_is_code_that_runs() {
    let read = |path: &str| fs::read_to_string(repository(path)).unwrap();
    let dedented = |text: &str| text.lines().map(|line| format!("{}\n", line.trim())).collect::<String>();
    let (page, runs) =
        (read("docs/own-code.md"), dedented(&(read("examples/own_code.rs") + &read("tests/integration/guide.rs"))));
    let blocks: Vec<&str> = page.split("```rust\n").skip(1).map(|rest| rest.split_once("```").unwrap().0).collect();
    assert_eq!(blocks.len(), 3);
    for block in blocks {
        assert!(
            runs.contains(&dedented(block)),
            "neither examples/own_code.rs nor tests/integration/guide.rs has\n{block}"
        );
    }
}

#[test]
fn what_is_shown_can_be_wrong() {
    let lines = |text: &'static str| text.lines().collect::<Vec<_>>();
    let printed = lines("one\ntwo 2\nthree");
    for shown in ["one\ntwo 2\nthree", "…", "one\n…", "…\nthree", "one\n…\ntwo …\nthree", "…\nt…o …\n…"]
    {
        assert!(is_shown(&printed, &lines(shown)), "{shown}");
    }
    for shown in ["", "one", "one\n…\nfour\n…", "…\ntwo", "one\ntwo\nthree", "…\ntwo 3…\n…"] {
        assert!(!is_shown(&printed, &lines(shown)), "{shown}");
    }
}

/// What the README says: of a committed run, a metric, and how the text writes it.
const README: [(&str, &str, &str); 8] = [
    ("thundering-herd/sim-1-fixed", "/faults/gateway-lost/recovery_time_ms", "after 2.56 s"),
    ("thundering-herd/sim-1", "/faults/gateway-lost/recovery_time_ms", "after 2.91 s"),
    ("thundering-herd/sim-1-decorrelated-jitter", "/faults/gateway-lost/recovery_time_ms", "after 9.93 s"),
    ("metastable/sim-1", "/sessions/opened", "4,260 of 15,900 sessions"),
    ("metastable/sim-1", "/sessions/scheduled", "15,900 sessions ever open"),
    ("metastable/sim-1-retry-budget", "/sessions/opened", "all 15,900 do"),
    ("tls-storm/sim-1", "/faults/deploy/recovery_time_ms", "back after 18.0 s"),
    ("tls-storm/sim-1-shared-keys", "/faults/deploy/recovery_time_ms", "it is 6.18 s"),
];

/// The same of docs/patterns.md.
const PATTERNS: [(&str, &str, &str); 8] = [
    ("thundering-herd/sim-1", "/faults/gateway-lost/recovery_time_ms", "back after 2.91 s"),
    ("thundering-herd/sim-1-decorrelated-jitter", "/faults/gateway-lost/recovery_time_ms", "takes 9.93 s"),
    ("thundering-herd/sim-1-fixed", "/faults/gateway-lost/recovery_time_ms", "(2.56 s)"),
    ("thundering-herd/sim-1-fixed", "/outage/p50_ms", "(1.77 s instead"),
    ("thundering-herd/sim-1", "/outage/p50_ms", "instead of 829 ms"),
    ("rolling-deploy/sim-1", "/faults/deploy/recovery_time_ms", "takes 130 s"),
    ("rolling-deploy/sim-1", "/outage/p50_ms", "less than 1.17 s"),
    ("black-hole/sim-1", "/outage/p50_ms", "than 12.2 s to be back"),
];

/// The same of docs/gallery.md.
const GALLERY: [(&str, &str, &str); 10] = [
    ("black-hole/sim-1", "/detection_time/p50_ms", "more than 10.0 s to"),
    ("black-hole/sim-1", "/outage/p50_ms", "for more than 12.2 s"),
    ("failover/sim-1", "/outage/p50_ms", "outage is 472 ms"),
    ("metastable/sim-1", "/sessions/opened", "4,260 of 15,900 sessions"),
    ("metastable/sim-1", "/sessions/scheduled", "15,900 sessions ever open"),
    ("metastable/sim-1-retry-budget", "/sessions/opened", "all 15,900 do"),
    ("tls-storm/sim-1", "/faults/deploy/recovery_time_ms", "back after 18.0 s"),
    ("tls-storm/sim-1-shared-keys", "/faults/deploy/recovery_time_ms", "it is 6.18 s"),
    ("dns-failover/sim-1", "/faults/site-lost/recovery_time_ms", "after 81.5 s"),
    ("dns-failover/sim-1-ttl-5s", "/faults/site-lost/recovery_time_ms", "after 28.7 s"),
];

/// Holds what a page says to what was recorded. The page, without line breaks.
fn held(page: &str, said: &[(&str, &str, &str)]) -> String {
    let text = read(page).split_whitespace().collect::<Vec<_>>().join(" ");
    for (run, metric, said) in said {
        let summary: serde_json::Value = serde_json::from_str(&read(&format!("results/{run}/summary.json"))).unwrap();
        let value = summary.pointer(metric).unwrap_or_else(|| panic!("{run} has no {metric}"));
        let shown = match metric.ends_with("_ms") {
            true => shakedown::time::human(shakedown::time::Nanos((value.as_f64().unwrap() * 1e6).round() as u64)),
            false => {
                let digits = value.to_string();
                let (high, low) = digits.split_at(digits.len() - 3);
                format!("{high},{low}")
            }
        };
        assert!(said.contains(&shown), "{run}: {metric} is {shown}, and {page} says {said}");
        assert!(text.contains(said), "{page} does not say: {said}");
    }
    text
}

/// The pictures that a page of a folder shows, as files of the repository.
fn pictures(page: &str) -> Vec<String> {
    let text = read(page);
    let links = text.split("](").filter_map(|part| part.split_once(')').map(|(path, _)| path.to_string()));
    let own = links.filter(|path| path.ends_with(".svg")).map(|path| path.trim_start_matches("../").to_string());
    own.collect()
}

#[test]
fn what_is_said_of_results_was_recorded() {
    held("README.md", &README);
    held("docs/patterns.md", &PATTERNS);
    for (page, count) in [("README.md", 1), ("docs/patterns.md", 6), ("docs/gallery.md", 5)] {
        let pictures = pictures(page);
        assert_eq!(pictures.len(), count, "{page}");
        assert!(pictures.iter().all(|path| read(path).starts_with("<svg")), "{page}");
    }
    let text = held("docs/gallery.md", &GALLERY);
    // The last is of a comparison.
    let table = read("results/hybi/compare.md");
    let row = |variant: &str| {
        let start = format!("| hybi/redirect | {variant} |");
        table.lines().filter(move |line| line.starts_with(&start)).collect::<String>()
    };
    for (variant, said) in
        [("final-response", "2.96 s"), ("l4-nat", "6.25 s"), ("l4-nat", "8,000"), ("strict-101", "0 (0 %)")]
    {
        assert!(row(variant).contains(said), "{variant}: {}", row(variant));
    }
    assert!(text.contains("2.96 s, and nothing") && text.contains("takes 6.25 s, and all 8,000 connections"), "{text}");
}

#[test]
fn init_writes_a_scenario_that_runs_and_nothing_twice() {
    let place = tempfile::tempdir().unwrap();
    let init = run(place.path(), &["init"]);
    assert_eq!((init.status.code(), text(&init.stderr)), (Some(0), String::new()));
    assert_eq!(text(&init.stdout), "wrote scenario.toml; now: shakedown run scenario.toml\n");
    let checked = run(place.path(), &["check", "scenario.toml"]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked.stderr));
    for more in [&[][..], &["--variant", "more-gateways"]] {
        let done = run(place.path(), &[&["run", "scenario.toml", "--quiet"], more].concat());
        assert_eq!(done.status.code(), Some(0), "{}{}", text(&done.stdout), text(&done.stderr));
    }
    // What is there is kept, unless it may be lost.
    let file = place.path().join("scenario.toml");
    let starter = fs::read_to_string(&file).unwrap();
    fs::write(&file, "mine").unwrap();
    let again = run(place.path(), &["init", "scenario.toml"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(text(&again.stderr).contains("scenario.toml is there already"), "{}", text(&again.stderr));
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    assert_eq!(run(place.path(), &["init", "--force"]).status.code(), Some(0));
    assert_eq!(fs::read_to_string(&file).unwrap(), starter);
    assert_eq!(run(place.path(), &["init", "none/x.toml"]).status.code(), Some(3));
}

#[test]
fn list_shows_what_scenarios_ask() {
    let listed = run(&repository(""), &["list"]);
    assert_eq!(listed.status.code(), Some(0), "{}", text(&listed.stderr));
    let listed = text(&listed.stdout);
    let failover = "scenarios/failover.toml
    One of three gateways dies under 10,000 players
    How long until 99 % of the affected sessions are open again, and are other sessions affected?
    variants: ";
    assert!(listed.contains(failover), "{listed}");
    let entries: Vec<&str> = listed.split("\n\n").collect();
    assert!(entries.len() >= 26 && entries.is_sorted(), "{listed}");
    assert!(entries.iter().all(|entry| entry.lines().count() >= 3), "each has a title and a question: {listed}");
    assert!(!listed.contains("not a scenario"), "{listed}");

    let place = tempfile::tempdir().unwrap();
    assert_eq!(run(place.path(), &["list"]).status.code(), Some(2));
    assert_eq!(run(place.path(), &["list", "."]).status.code(), Some(2));
    fs::write(place.path().join("x.toml"), "a = 1").unwrap();
    assert!(text(&run(place.path(), &["list", "."]).stdout).starts_with("./x.toml\n    not a scenario: "));
}

#[test]
fn shells_editors_and_man_are_told_what_there_is() {
    let place = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = text(&run(place.path(), &["completions", shell]).stdout);
        assert!(
            ["compare", "--check-determinism", "completions"]
                .iter()
                .all(|word| script.contains(word.trim_start_matches('-'))),
            "{shell}"
        );
    }
    // The shell itself must take it, and complete by it.
    let script = place.path().join("shakedown.bash");
    fs::write(&script, run(place.path(), &["completions", "bash"]).stdout).unwrap();
    let asked = "source shakedown.bash; COMP_WORDS=(shakedown comp); COMP_CWORD=1; _shakedown shakedown comp shakedown; echo ${COMPREPLY[@]}";
    let bash = Command::new("bash").args(["--norc", "-c", asked]).current_dir(place.path()).output().unwrap();
    assert_eq!(text(&bash.stdout).trim(), "compare completions", "{}", text(&bash.stderr));

    let man = run(place.path(), &["man", "--out", "man1"]);
    assert_eq!(man.status.code(), Some(0), "{}", text(&man.stderr));
    let pages = names(&place.path().join("man1"));
    for page in ["shakedown.1", "shakedown-run.1", "shakedown-compare.1", "shakedown-man.1"] {
        assert!(pages.iter().any(|name| name == page), "{page} is not in {pages:?}");
    }
    let page = fs::read_to_string(place.path().join("man1/shakedown-run.1")).unwrap();
    assert!(page.contains(".TH") && page.contains("shakedown run scenarios/failover.toml"), "{page}");

    let schema = run(place.path(), &["schema"]).stdout;
    assert_eq!(text(&schema), include_str!("../../scenarios/schema.json"));
}
