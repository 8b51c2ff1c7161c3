//! Files that are not what they should be: every committed scenario, and every file that the program reads back, with bytes
//! changed, lines lost and doubled, numbers and texts made absurd. Whatever comes of it ends soon, with an exit code of the
//! table and a message that names the file.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use shakedown::scenario::{Overrides, load};

use super::draw::Draw;
use crate::common::{ran, repository, scenario_files, text};

/// Mutants of each scenario, and of each file that is read back, in the gate.
const OF_SCENARIO: u64 = 30;
const OF_FILE: u64 = 3;
/// How long a command may take, in a build for tests on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How much address space it may take, in kilobytes.
const SPACE: &str = "3000000";

/// How many mutants: `SHAKEDOWN_MUTANTS=100` are a hundred times as many as usual.
fn mutants(usual: u64) -> u64 {
    let times =
        std::env::var("SHAKEDOWN_MUTANTS").map_or(1, |times| times.parse().expect("SHAKEDOWN_MUTANTS is a factor"));
    usual * times
}

/// A file with something wrong in it.
fn mutant(original: &[u8], draw: &mut Draw) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..1 + draw.below(3) {
        mutate(&mut bytes, draw);
    }
    bytes
}

fn mutate(bytes: &mut Vec<u8>, draw: &mut Draw) {
    if bytes.is_empty() {
        return bytes.extend(b"\0[{\"");
    }
    let at = draw.below(bytes.len());
    let line = |bytes: &[u8], at: usize| {
        let from = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let until = bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| at + end + 1);
        from..until
    };
    match draw.below(12) {
        0 => bytes[at] ^= 1 << draw.below(8),
        1 => bytes[at] = draw.below(256) as u8,
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(line(bytes, at))),
        4 => {
            let line = line(bytes, at);
            let twice = bytes[line.clone()].to_vec();
            bytes.splice(line.end..line.end, twice);
        }
        5 | 6 => {
            let numbers: [&[u8]; 10] = [
                b"-1",
                b"0",
                b"1e308",
                b"18446744073709551615",
                b"99999999999999999999999",
                b"nan",
                b"4294967296",
                b"0.0000000000001",
                b"-0.0",
                b"1000000",
            ];
            let is_digit = |byte: &u8| byte.is_ascii_digit();
            let Some(from) = bytes[at..].iter().position(is_digit).map(|more| at + more) else { return };
            let until = bytes[from..].iter().position(|byte| !is_digit(byte)).map_or(bytes.len(), |more| from + more);
            bytes.splice(from..until, draw.pick(&numbers).iter().copied());
        }
        7 | 8 => {
            let long = "x".repeat(100_000);
            let texts: [&str; 9] = [
                "",
                &long,
                "\u{202e}\u{2066}",
                "\\u001b[31m",
                "../../../etc/passwd",
                "=1+1",
                "<script>",
                "\u{1F980}",
                "a\\u0000b",
            ];
            let Some(from) = bytes[at..].iter().position(|byte| *byte == b'"').map(|more| at + more + 1) else {
                return;
            };
            let Some(until) = bytes[from..].iter().position(|byte| *byte == b'"').map(|more| from + more) else {
                return;
            };
            bytes.splice(from..until, draw.pick(&texts).bytes());
        }
        9 => {
            let nested = [b"[".repeat(5_000), b"{\"a\":".repeat(2_000), b"a.".repeat(500)];
            bytes.splice(at..at, nested[draw.below(3)].iter().copied());
        }
        10 => {
            let whole = bytes.clone();
            bytes.extend(whole);
        }
        _ => drop(bytes.splice(at..at, [0xFF, 0x00, 0xC3, 0x28])),
    }
}

/// The scenarios of the repository, and those that commands begin with.
#[test]
fn a_malformed_scenario_is_refused_where_it_is_wrong() {
    let mut tried = 0;
    let mut valid = 0;
    for file in scenario_files(&repository("scenarios")) {
        let original = fs::read(&file).unwrap();
        for seed in 0..mutants(OF_SCENARIO) {
            let mut draw = Draw::new(seed.wrapping_mul(1_000_003) ^ original.len() as u64);
            let bytes = mutant(&original, &mut draw);
            let Ok(scenario) = String::from_utf8(bytes) else { continue };
            tried += 1;
            let began = Instant::now();
            let read = catch_unwind(|| load("here.toml", "here", &scenario, &Overrides::default()).map(drop));
            let whose = || format!("{} with seed {seed}", file.display());
            let read = read.unwrap_or_else(|_| panic!("{}: panic", whose()));
            assert!(began.elapsed() < PATIENCE, "{}: {:?}", whose(), began.elapsed());
            match read {
                Ok(()) => valid += 1,
                Err(problem) => {
                    let said = problem.to_string();
                    assert!(said.starts_with("error: ") && said.contains("here.toml"), "{}: {said}", whose());
                    let is_plain = |c: char| c == '\n' || !c.is_control();
                    assert!(said.chars().all(is_plain) && said.len() < 10_000_000, "{}: {said:?}", whose());
                }
            }
        }
    }
    println!("{tried} malformed scenarios, {valid} of them valid all the same");
    assert!(tried > valid && valid > 0);
}

/// A folder of results with files of every kind that is read back, and the commands that read each.
struct Recorded {
    place: tempfile::TempDir,
    /// Folder and commands; `@` is the folder.
    all: Vec<(&'static str, Vec<Vec<&'static str>>)>,
}

const SCENARIO: &str = "format = 1\ntitle = \"Small\"\nduration = \"4s\"\n[servers.g]\ncount = 2\n[clients.c]\ncount = 8\n\
     endpoints = [\"g\"]\narrive = { evenly_over = \"1s\" }\nretry = { base = \"100ms\", cap = \"1s\" }\n[faults.f]\nkind = \"crash\"\ntarget = \"g-0\"\nat = \"2s\"\n\
     for = \"1s\"\n[expect]\n\"sessions.opened\" = \"== 100%\"\n[sometimes]\n\"lost.total\" = \"> 2\"\n";

fn recorded() -> Recorded {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("small.toml"), SCENARIO).unwrap();
    fs::write(place.path().join("never.toml"), SCENARIO.replace("== 100%", "== 0")).unwrap();
    let make = |args: &[&str]| {
        let output = ran(place.path(), args);
        assert!(matches!(output.status.code(), Some(0 | 1)), "{args:?}: {}", text(&output.stderr));
    };
    make(&["run", "small.toml", "--out", "run", "--quiet", "--events"]);
    make(&["sweep", "small.toml", "--seeds", "0..3", "--out", "sweep", "--quiet"]);
    for share in ["0/2", "1/2"] {
        make(&[
            "sweep",
            "small.toml",
            "--seeds",
            "0..4",
            "--shard",
            share,
            "--out",
            &format!("share-{}", &share[..1]),
            "--quiet",
        ]);
    }
    make(&[
        "compare",
        "small.toml",
        "--seeds",
        "0..3",
        "--by",
        "time_to_open.p99",
        "--grid",
        "clients.c.count=4,8",
        "--out",
        "compare",
    ]);
    make(&[
        "capacity",
        "small.toml",
        "--vary",
        "servers.g.count",
        "--slo",
        "sessions.opened == 100%",
        "--seeds",
        "0..2",
        "--out",
        "capacity",
    ]);
    make(&["hunt", "never.toml", "--seeds", "0..3", "--out", "hunt"]);
    make(&["hunt", "small.toml", "--seeds", "0..3", "--out", "hunted"]);
    // As a sweep that was ended leaves it: what is swept, and rows.
    fs::create_dir(place.path().join("again-partial")).unwrap();
    for name in ["sweep.json", "rows.jsonl"] {
        fs::copy(place.path().join("share-0").join(name), place.path().join("again-partial").join(name)).unwrap();
    }
    // And a hunt.
    fs::rename(place.path().join("hunted"), place.path().join("hunted-partial")).unwrap();
    let of = |folder: &'static str, commands: &[&[&'static str]]| {
        (folder, commands.iter().map(|command| command.to_vec()).collect())
    };
    let all = vec![
        of("run", &[&["report", "@", "--format", "junit"], &["report", "@"], &["verify", "@"], &["compare", "@"]]),
        of("sweep", &[&["report", "@"], &["compare", "@"], &["verify", "@"]]),
        of("share-0", &[&["merge", "@", "share-1", "--out", "merged"]]),
        of(
            "again-partial",
            &[&["sweep", "small.toml", "--seeds", "0..4", "--shard", "0/2", "--out", "again", "--resume", "--quiet"]],
        ),
        of("compare", &[&["report", "@"], &["verify", "@"]]),
        of("capacity", &[&["report", "@"], &["verify", "@"]]),
        of("hunt", &[&["merge", "@", "--out", "merged"], &["report", "@"]]),
        of("hunted-partial", &[&["hunt", "small.toml", "--seeds", "0..3", "--out", "hunted", "--resume", "--quiet"]]),
    ];
    Recorded { place, all }
}

/// Runs a command with bounded memory, until it ends or patience does: its exit code and what it said.
fn bounded(place: &Path, args: &[&str]) -> (Option<i32>, String) {
    let quoted: Vec<String> = args.iter().map(|arg| format!("'{arg}'")).collect();
    let command = format!("ulimit -v {SPACE}; exec '{}' {}", env!("CARGO_BIN_EXE_shakedown"), quoted.join(" "));
    let (out, err) = (place.join("out.txt"), place.join("err.txt"));
    let file = |path: &PathBuf| Stdio::from(fs::File::create(path).unwrap());
    let mut command =
        Command::new("sh").args(["-c", &command]).current_dir(place).stdout(file(&out)).stderr(file(&err)).spawn();
    let child = command.as_mut().unwrap();
    let began = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break status.code(),
            None if began.elapsed() > PATIENCE => {
                child.kill().unwrap();
                child.wait().unwrap();
                break None;
            }
            None => std::thread::sleep(Duration::from_millis(3)),
        }
    };
    let read = |path: &PathBuf| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned();
    (status, read(&out) + &read(&err))
}

#[test]
#[cfg(target_os = "linux")]
fn a_malformed_file_that_is_read_back_is_named() {
    let Recorded { place, all } = recorded();
    let place = place.path();
    let (mut tried, mut failures) = (0, Vec::new());
    for (folder, commands) in &all {
        let mut names: Vec<PathBuf> =
            fs::read_dir(place.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        names.sort();
        names.retain(|path| path.extension().is_none_or(|ending| ending != "svg" && ending != "html"));
        let originals: Vec<Vec<u8>> = names.iter().map(|path| fs::read(path).unwrap()).collect();
        for (number, path) in names.iter().enumerate() {
            for seed in 0..mutants(OF_FILE) {
                // Some commands take away what they have read.
                fs::create_dir_all(place.join(folder)).unwrap();
                names.iter().zip(&originals).for_each(|(path, original)| fs::write(path, original).unwrap());
                let mut draw = Draw::new(seed * 1_000 + number as u64);
                fs::write(path, mutant(&originals[number], &mut draw)).unwrap();
                let command: Vec<&str> = commands[draw.below(commands.len())]
                    .iter()
                    .map(|arg| if *arg == "@" { *folder } else { *arg })
                    .collect();
                let (code, said) = bounded(place, &command);
                tried += 1;
                for made in ["merged", "again", "hunted"] {
                    let _ = fs::remove_dir_all(place.join(made));
                }
                let is_named = said.contains(folder);
                let of_ours = !said.contains("panicked") && !said.contains("RUST_BACKTRACE");
                if !(matches!(code, Some(0..=3)) && of_ours && (code == Some(0) || is_named)) {
                    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    failures.push(format!(
                        "{folder}/{name}, seed {seed}, {command:?}: {code:?}: {}",
                        said.chars().take(600).collect::<String>()
                    ));
                }
            }
        }
        names.iter().zip(&originals).for_each(|(path, original)| drop(fs::write(path, original)));
    }
    println!("{tried} malformed files");
    assert!(failures.is_empty(), "{} of {tried}:\n{}", failures.len(), failures.join("\n"));
}
