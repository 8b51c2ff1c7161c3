//! What the tests have in common: how scenarios are read and run, and what is looked for in what comes out.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use shakedown::client::{self, End, Failure};
use shakedown::driver;
use shakedown::event::{Event, Kind};
use shakedown::metrics::{Measured, Metrics, Summary, Value};
use shakedown::record::Digest;
use shakedown::scenario::{Overrides, Scenario};
use shakedown::server;
use shakedown::time::Timestamp;

pub(crate) const US: u64 = 1_000;
pub(crate) const MS: u64 = 1_000 * US;
pub(crate) const SECOND: u64 = 1_000 * MS;

/// A client that tries once.
pub(crate) const ONCE: &str = "retry = { policy = 'none' }";
pub(crate) const CREDENTIALS: &str = "credentials = { user = 'aladdin', password = 'open sesame' }";

/// A file or folder of the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The file of a committed scenario.
pub(crate) fn scenario_file(name: &str) -> PathBuf {
    repository(&format!("scenarios/{name}.toml"))
}

/// The program, in a folder, with these arguments. Neither how wide the terminal is nor which task of a cluster this is
/// makes a difference.
pub(crate) fn shakedown(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shakedown"));
    command.current_dir(folder).args(args);
    for variable in
        ["COLUMNS", "GITHUB_ACTIONS", "SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX", "AWS_BATCH_JOB_ARRAY_INDEX"]
    {
        command.env_remove(variable);
    }
    command
}

/// Runs the program to its end.
pub(crate) fn ran(folder: &Path, args: &[&str]) -> Output {
    shakedown(folder, args).output().unwrap()
}

/// Runs a command to its end: its exit code, and what it printed.
pub(crate) fn said(mut command: Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    (output.status.code(), text(&[output.stdout, output.stderr].concat()))
}

/// The files of a folder, in order.
pub(crate) fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_string();
    entries.filter(|path| path.is_file()).map(|path| (name(&path), fs::read(&path).unwrap())).collect()
}

/// The names of what is in a folder, in order.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
}

/// The TOML files in a folder and those below it, in order.
pub(crate) fn scenario_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for name in names(folder) {
        let path = folder.join(name);
        if path.is_dir() {
            found.extend(scenario_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "toml") {
            found.push(path);
        }
    }
    found
}

/// Between two looks at the clock.
const TICK: Duration = Duration::from_millis(2);
/// A machine that stands still for longer may change who comes first.
const STANDSTILL: Duration = Duration::from_millis(10);
const ATTEMPTS: u32 = 20;

/// Runs something: what it returns, and for how long the machine stood still at most meanwhile.
fn watched<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let over = AtomicBool::new(false);
    scope(|scope| {
        let watch = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            while !over.load(Ordering::SeqCst) {
                let began = Instant::now();
                sleep(TICK);
                longest = longest.max(began.elapsed().saturating_sub(TICK));
            }
            longest
        });
        let done = run();
        over.store(true, Ordering::SeqCst);
        (done, watch.join().unwrap())
    })
}

/// Checks what happens in real time. What breaks while the machine keeps up is broken. What breaks while it stands still
/// says nothing, and is tried again; the last attempt counts in any case. The check is told by how much to slow down, as
/// a machine that is busy all the time never keeps up otherwise.
pub(crate) fn in_real_time(check: impl Fn(u32)) {
    let mut slower = 1;
    for attempt in 1..=ATTEMPTS {
        let (held, standstill) = watched(|| catch_unwind(AssertUnwindSafe(|| check(slower))));
        let Err(panic) = held else { return };
        if standstill < STANDSTILL || attempt == ATTEMPTS {
            resume_unwind(panic);
        }
        println!("the machine stood still for {standstill:?} in attempt {attempt}, {slower} times slower");
        // What takes longer meets more standstills: it is no help against long ones.
        slower = if standstill < 20 * STANDSTILL { (2 * slower).min(4) } else { 1 };
    }
}

/// A scenario in which everything takes so many times as long.
pub(crate) fn slowed(text: &str, times: u32) -> String {
    let mut slowed = String::new();
    let mut rest = text;
    while let Some(quote) = rest.find(['"', '\'']) {
        let (before, quoted) = rest.split_at(quote + 1);
        slowed += before;
        let digits = quoted.find(|c: char| !c.is_ascii_digit()).unwrap_or(quoted.len());
        let unit = &quoted[digits..];
        if let Ok(number) = quoted[..digits].parse::<u64>()
            && ["us", "ms", "s"].iter().any(|time| unit.strip_prefix(time).is_some_and(|u| u.starts_with(['"', '\''])))
        {
            slowed += &(number * u64::from(times)).to_string();
            rest = unit;
        } else {
            rest = quoted;
        }
    }
    slowed + rest
}

#[test]
fn times_are_slowed_down_and_nothing_else() {
    let text = "a = \"5ms\"\nb = { x = '2s', y = '40%', z = \"20kbit/s\" }\nc = 7\nd = 'gateway-1'";
    let twice = "a = \"10ms\"\nb = { x = '4s', y = '40%', z = \"20kbit/s\" }\nc = 7\nd = 'gateway-1'";
    assert_eq!(slowed(text, 2), twice);
}

#[test]
fn what_breaks_in_real_time_breaks_the_test() {
    let broken = |_| assert_eq!(1, 2);
    assert!(catch_unwind(|| in_real_time(broken)).is_err());
    let attempts = Cell::new(0);
    in_real_time(|_| {
        attempts.set(attempts.get() + 1);
        let (_, standstill) = watched(|| sleep(10 * STANDSTILL));
        assert!(standstill < 5 * STANDSTILL, "a thread that sleeps is no machine that stands still");
    });
    assert!((1..=ATTEMPTS).contains(&attempts.get()));
}

/// What a program printed.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What was printed, wherever its lines end.
pub(crate) fn prose(bytes: &[u8]) -> String {
    text(bytes).split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(crate) fn set(sets: &[&str]) -> Overrides {
    Overrides { sets: sets.iter().map(ToString::to_string).collect(), ..Overrides::default() }
}

pub(crate) fn committed(name: &str, overrides: &Overrides) -> Scenario {
    let text = read(&format!("scenarios/{name}.toml"));
    shakedown::scenario::load(name, name, &text, overrides).unwrap_or_else(|problem| panic!("{problem}"))
}

/// Reads a scenario that may be wrong.
pub(crate) fn load(text: &str) -> Result<Scenario, String> {
    shakedown::scenario::load("test.toml", "t", text, &Overrides::default()).map_err(|problem| problem.to_string())
}

/// Reads a scenario that is right.
pub(crate) fn loaded(text: &str) -> Scenario {
    load(text).unwrap_or_else(|problem| panic!("{problem}\n{text}"))
}

/// Runs a scenario in the simulator: what happens, and what is measured.
pub(crate) fn simulate(scenario: &Scenario) -> (Vec<Event>, Measured) {
    let mut recorder = (Vec::new(), Metrics::new(scenario.layout()));
    driver::run(scenario, &mut recorder);
    (recorder.0, recorder.1.finish(Timestamp::ZERO + scenario.duration()))
}

pub(crate) fn run(text: &str) -> (Vec<Event>, Summary) {
    let (events, measured) = simulate(&loaded(text));
    (events, measured.summary)
}

pub(crate) fn history(text: &str) -> Vec<Event> {
    run(text).0
}

pub(crate) fn summary(text: &str) -> Summary {
    run(text).1
}

/// What happens in a run, and happens alike where the scenario was written out with all its defaults.
pub(crate) fn history_as_resolved(text: &str) -> Vec<Event> {
    let resolved = loaded(text).resolved().to_string();
    let happened = history(text);
    assert!(happened == history(&resolved), "the resolved scenario is another one: {resolved}");
    happened
}

/// What a run comes down to.
pub(crate) fn digest(scenario: &Scenario) -> String {
    let mut digest = Digest::default();
    driver::run(scenario, &mut digest);
    digest.to_string()
}

pub(crate) fn count(summary: &Summary, metric: &str) -> u64 {
    match summary.get(metric) {
        Some(Value::Count(count) | Value::Part { count, .. }) => count,
        other => panic!("{metric}: {other:?}"),
    }
}

/// A time that was measured, in nanoseconds.
pub(crate) fn time(summary: &Summary, metric: &str) -> Option<u64> {
    match summary.get(metric) {
        Some(Value::Duration(time)) => time.map(|time| time.0),
        other => panic!("{metric}: {other:?}"),
    }
}

pub(crate) fn ratio(summary: &Summary, metric: &str) -> f64 {
    match summary.get(metric) {
        Some(Value::Ratio(Some(ratio))) => ratio,
        other => panic!("{metric}: {other:?}"),
    }
}

/// What is wanted of what happens, and when.
pub(crate) fn find<T>(events: &[Event], wanted: impl Fn(&Kind) -> Option<T>) -> Vec<(u64, T)> {
    events.iter().filter_map(|event| wanted(&event.kind).map(|found| (event.at.0, found))).collect()
}

/// What is wanted of what happens to a session, and when.
pub(crate) fn of_session<T>(events: &[Event], of: u32, wanted: impl Fn(client::Event) -> Option<T>) -> Vec<(u64, T)> {
    find(events, |kind| match kind {
        Kind::Session(session, event) if *session == of => wanted(*event),
        _ => None,
    })
}

/// What happens to a session, and when.
pub(crate) fn life(events: &[Event], of: u32) -> Vec<(u64, client::Event)> {
    of_session(events, of, Some)
}

/// When such a thing happens to a session.
pub(crate) fn when(events: &[Event], of: u32, such: impl Fn(&client::Event) -> bool) -> Vec<u64> {
    times(of_session(events, of, |event| such(&event).then_some(())))
}

pub(crate) fn times<T>(found: Vec<(u64, T)>) -> Vec<u64> {
    found.into_iter().map(|(at, _)| at).collect()
}

pub(crate) fn connected(events: &[Event], of: u32) -> Vec<u64> {
    when(events, of, |event| matches!(event, client::Event::Connected { .. }))
}

pub(crate) fn opened(events: &[Event], of: u32) -> Vec<u64> {
    when(events, of, |event| matches!(event, client::Event::Opened { .. }))
}

pub(crate) fn failed(events: &[Event], of: u32) -> Vec<(u64, Failure)> {
    of_session(events, of, |event| match event {
        client::Event::AttemptFailed { failure, .. } => Some(failure),
        _ => None,
    })
}

pub(crate) fn lost(events: &[Event], of: u32) -> Vec<(u64, End)> {
    of_session(events, of, |event| match event {
        client::Event::Lost { end, .. } => Some(end),
        _ => None,
    })
}

/// When TLS comes up for a session, and whether it is resumed.
pub(crate) fn secured(events: &[Event], of: u32) -> Vec<(u64, bool)> {
    of_session(events, of, |event| match event {
        client::Event::Secured { resumed, .. } => Some(resumed),
        _ => None,
    })
}

/// When such a thing happens to any server.
pub(crate) fn at_servers(events: &[Event], such: impl Fn(&server::Event) -> bool) -> Vec<u64> {
    times(find(events, |kind| matches!(kind, Kind::Server(_, event) if such(event)).then_some(())))
}

/// Erlang's loss formula, B(c, a), by its recursion.
pub(crate) fn erlang_b(workers: u32, load: f64) -> f64 {
    (1..=workers).fold(1.0, |b, n| load * b / (f64::from(n) + load * b))
}
