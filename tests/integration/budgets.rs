//! What a run may take: time and memory that grow with what is asked for and no faster, runs that would never end, and
//! runs that the machine has no memory for.

use std::fmt::Write as _;
use std::process::Command;

use rustix::time::{ClockId, clock_gettime};
use shakedown::explore::{Estimate, exemplars};
use shakedown::replay::Exemplar;
use shakedown::run::{RunError, once};
use shakedown::scenario::{Overrides, Problem, Scenario, load};
use shakedown::time::Timestamp;

use crate::common::{repository, scenario_file, shakedown, text};

fn read(scenario: &str) -> Result<Scenario, Problem> {
    load("x.toml", "x", scenario, &Overrides::default())
}

/// Processor time of this thread for some work, in nanoseconds; of two goes the shorter.
fn work(of: impl Fn()) -> f64 {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
    };
    let once = || {
        let before = now();
        of();
        now() - before
    };
    once().min(once())
}

/// Four times as much of something may take four times as long, and not sixteen times.
fn grows_in_proportion(what: &str, of: impl Fn(usize), size: usize) {
    let (small, large) = (work(|| of(size)), work(|| of(4 * size)));
    assert!(large < 9.0 * small, "{what}: {size} take {small:.0} ns, four times as many {large:.0} ns");
}

fn groups(count: usize) -> String {
    let mut text = String::from("format = 1\ntitle = \"x\"\nduration = \"10s\"\n");
    (0..count).for_each(|number| writeln!(text, "[servers.g{number}]\nzone = \"z{number}\"").unwrap());
    text + "[clients.c]\ncount = 1\nendpoints = [\"g0\"]\narrive = \"at_once\"\n"
}

#[test]
fn checking_many_groups_takes_time_in_proportion() {
    let check = |count: usize| assert!(read(&groups(count)).is_ok());
    grows_in_proportion("server groups", check, 2_000);
}

/// A limit is applied before anything is done for each group.
#[test]
fn too_many_groups_are_refused_at_once() {
    let refused = |text: &str, said: &str| {
        let problem = read(text).unwrap_err().to_string();
        assert!(problem.contains(said), "{problem}");
    };
    let servers = |count: usize| refused(&groups(count), &format!("{count} server groups: the most is 10000"));
    grows_in_proportion("refused server groups", servers, 12_000);
    let clients = |count: usize| {
        let group = |number| format!("[clients.c{number}]\ncount = 1\nendpoints = [\"g\"]\n");
        let groups: String = (0..count).map(group).collect();
        let text = format!("format = 1\ntitle = \"x\"\nduration = \"10s\"\n[servers.g]\n{groups}");
        refused(&text, &format!("{count} client groups: the most is 1000"));
    };
    grows_in_proportion("refused client groups", clients, 5_000);
}

/// Each byte of a body is a message of its own under way, and all are told.
#[test]
fn sample_sessions_take_time_in_proportion_to_their_messages() {
    let tell = |bytes: usize| {
        let text = format!(
            "format = 1\ntitle = \"An answer in single bytes\"\nduration = \"9s\"\n[servers.g]\n\
             behavior = {{ kind = \"reject\", answer = {{ body = {{ bytes = {bytes} }} }}, delivery = {{ bytes = 1 }} }}\n\
             [clients.c]\ncount = 1\narrive = \"at_once\"\nendpoints = [\"g\"]\nretry = {{ policy = \"none\" }}\n"
        );
        let scenario = read(&text).unwrap();
        let (group, index, session, from) = (0, 0, 0, Timestamp::ZERO);
        let one = Exemplar { group, index, session, from, until: Timestamp::NEVER, why: vec!["gave_up"] };
        let lines = exemplars(&scenario, &[one], |_| true).unwrap();
        assert!(!lines.is_empty());
    };
    grows_in_proportion("single bytes", tell, 4_000);
}

fn stands_still(rest: &str) -> String {
    let text = format!("format = 1\ntitle = \"x\"\nduration = \"10s\"\n{rest}");
    match once(&read(&text).unwrap_or_else(|problem| panic!("{problem}")), |_| true) {
        Err(RunError::StandsStill(said)) => said,
        Err(error) => panic!("{error}"),
        Ok(finished) => panic!("it ends, after {} events", finished.events),
    }
}

/// Whoever goes round without any time passing is named, with keys to change, wherever the loop is.
#[test]
fn a_run_that_stands_still_ends_and_says_who_goes_round() {
    let said = stands_still(
        "network.one_way = \"0s\"\n[servers.g]\nservice_time = \"0s\"\nbehavior = { kind = \"accept\", close = { after = \"0s\", code = 1000 } }\n\
         [clients.c]\ncount = 3\nendpoints = [\"g\"]\narrive = \"at_once\"\nretry = { after_loss = \"0s\" }\n",
    );
    for part in
        ["the run stands still at 0 ms", "steps in a row", "`c-", "goes round", "lost", "opened", "clients.c.retry"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = stands_still(
        "[network.links.l]\nfrom = \"c\"\nto = \"g\"\none_way = \"0s\"\n[servers.g]\nservice_time = \"0s\"\n[clients.c]\n\
         count = 2\nendpoints = [\"g\"]\nhold = \"0s\"\narrive = { closed_loop = { think = \"0s\", over = \"1s\" } }\n",
    );
    for part in ["`c-", "goes round", "clients.c.arrive", "network.one_way"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

/// Nor is a crowd at one instant taken for a loop.
#[test]
fn many_sessions_at_one_instant_are_no_loop() {
    let text = "format = 1\ntitle = \"x\"\nduration = \"10s\"\nnetwork.one_way = \"0s\"\n[servers.g]\nservice_time = \"0s\"\n\
                backlog = 100_000\n[clients.c]\ncount = 30_000\nendpoints = [\"g\"]\narrive = \"at_once\"\n";
    assert!(once(&read(text).unwrap(), |_| true).is_ok());
}

#[test]
fn a_run_that_stands_still_is_an_error_of_the_scenario() {
    let place = tempfile::tempdir().unwrap();
    let text_of = "format = 1\ntitle = \"x\"\nduration = \"10s\"\nnetwork.one_way = \"0s\"\n[servers.g]\nservice_time = \"0s\"\n\
                   behavior = { kind = \"accept\", close = { after = \"0s\", code = 1000 } }\n[clients.c]\ncount = 1\n\
                   endpoints = [\"g\"]\narrive = \"at_once\"\nretry = { after_loss = \"0s\" }\n";
    std::fs::write(place.path().join("x.toml"), text_of).unwrap();
    let output = shakedown(place.path(), &["run", "x.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("goes round"), "{}", text(&output.stderr));
    assert!(!place.path().join("results").exists(), "nothing is kept of it");
}

/// What certainly comes is counted as it comes.
#[test]
fn an_estimate_is_near_what_comes() {
    for (file, clients, sets) in [
        ("storm", 2_000, &["faults={}", "duration=\"20s\""][..]),
        (
            "storm",
            500,
            &["faults={}", "duration=\"60s\"", "clients.players.heartbeat={every=\"1s\",timeout=\"500ms\"}"],
        ),
    ] {
        let mut sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
        sets.extend([format!("clients.players.count={clients}"), "expect={}".into()]);
        let text = std::fs::read_to_string(scenario_file(file)).unwrap();
        let scenario = load(file, file, &text, &Overrides { sets, ..Overrides::default() }).unwrap();
        let events = once(&scenario, |_| true).unwrap().events as f64;
        let steps = Estimate::new(&scenario).steps();
        assert!((0.2..5.0).contains(&(steps / events)), "{file}: {steps} steps are estimated, {events} events came");
    }
}

#[test]
fn a_period_too_short_to_end_is_refused_by_its_name() {
    let base =
        "format = 1\ntitle = \"x\"\nduration = \"10s\"\n[servers.g]\n[clients.c]\ncount = 1\nendpoints = [\"g\"]\n";
    let balanced = "[servers.b]\nkind = \"l4\"\nto = \"g\"\nbalance = \"terminate\"\n";
    for (more, said) in [
        ("heartbeat = { every = \"1ns\", timeout = \"1ns\" }", "a ping every 1ns: at least 1ms"),
        (
            "retry = { policy = \"fixed\", base = \"1ns\" }",
            "base 1ns: the delays of retries without limit have at least 1ms",
        ),
        ("retry = { base = \"1ns\", cap = \"1us\" }", "at least 1ms"),
        ("retry = { policy = \"list\", delays = [\"1s\", \"1us\"] }", "1us is every further delay"),
        (&format!("{balanced}health = {{ every = \"1ns\", timeout = \"1ns\" }}"), "checks every 1ns: at least 1ms"),
        ("[servers.p]\npauses = { every = \"1us\", for = \"1ns\" }", "at least 1ms lies between two pauses"),
    ] {
        let problem = read(&format!("{base}{more}\n")).unwrap_err().to_string();
        assert!(problem.contains(said), "{more}: {problem}");
    }
    for fine in
        ["retry = { base = \"1us\", cap = \"1s\" }", "retry = { policy = \"fixed\", base = \"1ns\", attempts = 5 }"]
    {
        assert!(read(&format!("{base}{fine}\n")).is_ok(), "{fine}");
    }
}

/// A million clients in 200 MB of address space: said beforehand, and no abort in the middle.
#[test]
#[cfg(target_os = "linux")]
fn a_machine_without_the_memory_says_so() {
    let place = tempfile::tempdir().unwrap();
    let file = repository("scenarios/storm.toml");
    let limited = |kilobytes: u32, more: &str| {
        let (program, file) = (env!("CARGO_BIN_EXE_shakedown"), file.display());
        let command = format!("ulimit -v {kilobytes} && exec {program} run {file} --out out --quiet {more}");
        Command::new("sh").current_dir(place.path()).args(["-c", &command]).output().unwrap()
    };
    let output = limited(200_000, "--set clients.players.count=1000000");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    for part in ["error: this run would take some", "MB of memory", "(ulimit -v)", "clients.players.count", "--force"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!place.path().join("out").exists());
}

/// Only what is run must be possible: a seed's random faults are no matter of variants that it is not run with.
#[test]
fn random_faults_of_a_variant_that_is_not_run_refuse_nothing() {
    let text = "format = 1\ntitle = \"x\"\nduration = \"20s\"\n[servers.a]\n[servers.b]\n[clients.p]\ncount = 10\n\
                endpoints = [\"a\", \"b\"]\n[faults.first]\nkind = \"slow\"\ntarget = \"b\"\nfactor = 2\nat = \"1s\"\n\
                for = \"1s\"\n[faults.second]\nkind = \"crash\"\ntarget = \"a\"\nat = \"2s\"\nfor = \"10s\"\n\
                [chaos]\ntargets = [\"b\"]\nkinds = [\"crash\"]\nfrom = \"3s\"\n\
                [variants.other]\nchaos.targets = [\"a\"]\n";
    let with = |variant: Option<&str>, seed: u64| {
        let overrides = Overrides { seed: Some(seed), variant: variant.map(String::from), ..Overrides::default() };
        load("x.toml", "x", text, &overrides)
    };
    for seed in 0..10 {
        assert!(with(None, seed).is_ok(), "seed {seed}");
    }
    let refused = (0..10).filter_map(|seed| with(Some("other"), seed).err()).next().expect("an impossible seed");
    let said = refused.to_string();
    // The arrow points at the fault that it meets, and not at another; what was drawn is told.
    assert!(said.contains("`second` and `chaos-1` would both hold `a-0`"), "{said}");
    assert!(said.contains("at = \"2s\"") && !said.contains("[faults.first]"), "{said}");
    assert!(said.contains("[chaos] drew `chaos-1` with seed") && said.contains("crash from"), "{said}");
    assert!(said.contains("another seed"), "{said}");
}
