//! The guide in docs/: its commands are run as they stand there, in a temporary folder with the scenarios, and print what
//! the pages show.
//!
//! Of a block ```` ```console ````, lines that begin with `$ ` are commands and the others what they print; a line `…` stands
//! for any lines, and a `…` within a line for anything. Of a block ```` ```sh ````, every line is a command. A command that
//! fails is an error (a page that wants to show it says `|| echo "exit code $?"`). A block of `sh no-test` or `console no-test`
//! takes too long, or tools that need not be here; blocks of other languages are left alone.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const PAGES: [&str; 8] = ["first-run", "failover", "reading", "editors", "hunting", "replay", "sweeps", "reports"];

/// Commands, each with what the page says that it prints, if it says anything.
fn commands(page: &str) -> Vec<(String, Option<Vec<String>>)> {
    let mut commands: Vec<(String, Option<Vec<String>>)> = Vec::new();
    let mut fence: Option<&str> = None;
    let mut goes_on = false;
    for line in page.lines() {
        if let Some(word) = line.strip_prefix("```") {
            fence = if fence.is_some() { None } else { Some(word) };
            continue;
        }
        let command = match fence {
            Some("sh") => Some(line),
            Some("console") => line.strip_prefix("$ "),
            _ => continue,
        };
        if goes_on {
            let (last, _) = commands.last_mut().unwrap();
            last.push('\n');
            last.push_str(line);
        } else if let Some(command) = command {
            commands.push((command.to_string(), (fence == Some("console")).then(Vec::new)));
        } else {
            let (_, shown) = commands.last_mut().expect("a block begins with a command");
            shown.as_mut().unwrap().push(line.to_string());
        }
        goes_on = line.ends_with('\\') && commands.last().is_some_and(|(command, _)| command.ends_with('\\'));
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

#[test]
fn the_guides_commands_print_what_it_shows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = Path::new(env!("CARGO_BIN_EXE_shakedown"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    for page in PAGES {
        let place = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(root.join("scenarios"), place.path().join("scenarios")).unwrap();
        let text = std::fs::read_to_string(root.join(format!("docs/{page}.md"))).unwrap();
        let commands = commands(&text);
        assert!(!commands.is_empty(), "{page} has no commands");
        for (command, shown) in commands {
            let mut shell = Command::new("sh");
            shell.args(["-c", &command]).current_dir(place.path()).env("PATH", &path).env_remove("COLUMNS");
            let output = shell.output().unwrap();
            let printed = String::from_utf8(output.stdout).unwrap();
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "docs/{page}.md: `{command}` failed:\n{printed}{errors}");
            let Some(shown) = shown else { continue };
            let printed: Vec<&str> = printed.lines().map(str::trim_end).collect();
            let shown: Vec<&str> = shown.iter().map(|line| line.trim_end()).collect();
            let (all, wanted) = (printed.join("\n"), shown.join("\n"));
            assert!(is_shown(&printed, &shown), "docs/{page}.md: `{command}` prints\n{all}\nand not\n{wanted}");
        }
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

/// What the README's gallery says: of a committed run, a metric, and how the text writes it.
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

#[test]
fn the_gallery_says_what_was_recorded() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let readme = read("README.md");
    let gallery = readme.split("\n## ").find(|part| part.starts_with("Five pictures")).unwrap();
    let text = gallery.split_whitespace().collect::<Vec<_>>().join(" ");
    for (run, metric, said) in GALLERY {
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
        assert!(said.contains(&shown), "{run}: {metric} is {shown}, and the README says {said}");
        assert!(text.contains(said), "the README does not say: {said}");
    }
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
    // Each picture is there, and there are five.
    let pictures: Vec<&str> =
        gallery.split("](").filter_map(|part| part.split_once(')').map(|(path, _)| path)).collect();
    let pictures: Vec<&&str> = pictures.iter().filter(|path| path.ends_with(".svg")).collect();
    assert_eq!(pictures.len(), 5);
    assert!(pictures.iter().all(|path| read(path).starts_with("<svg")));
}

fn run(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shakedown"));
    command.args(args).env_remove("COLUMNS").current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
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
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listed = run(root, &["list"]);
    assert_eq!(listed.status.code(), Some(0), "{}", text(&listed.stderr));
    let listed = text(&listed.stdout);
    let failover = "scenarios/failover.toml
    One of three gateways dies under 10,000 players
    How long until 99 % of those it took down are open again, and does anyone else notice?
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
    assert_eq!(text(&schema), include_str!("../scenarios/schema.json"));
}
