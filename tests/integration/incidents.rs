//! The incidents in scenarios/incidents: each shows the symptom that was reported, and without its cause it does not. The fix of
//! each file takes the cause away; a change that has nothing to do with it (another seed, a fifth more clients) alters neither.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use shakedown::check::{Expectation, judge};
use shakedown::explore::{Finished, once};
use shakedown::scenario::{Overrides, Scenario};

use crate::common::{read, repository, scenario_files};
use crate::hybi::{is_of_the_scenarios, tables};

/// The variant in which every incident's file keeps the fix that was reported.
const FIX: &str = "fix";
/// What the opening comment says, each at the beginning of a line.
const SAYS: [&str; 3] = ["# Source: https://", "# Facts: ", "# Assumed: "];

fn incidents() -> Vec<PathBuf> {
    scenario_files(&repository("scenarios/incidents"))
}

fn name(file: &Path) -> &str {
    file.file_stem().unwrap().to_str().unwrap()
}

fn load(file: &Path, variant: Option<&str>, seed: Option<u64>, sets: Vec<String>) -> Scenario {
    let shown = format!("scenarios/incidents/{}.toml", name(file));
    let overrides = Overrides { variant: variant.map(str::to_string), seed, sets, ..Overrides::default() };
    shakedown::scenario::load(&shown, name(file), &read(&shown), &overrides)
        .unwrap_or_else(|problem| panic!("{problem}"))
}

fn run(scenario: &Scenario) -> Finished {
    once(scenario, |_| true).unwrap()
}

/// What is expected of each metric, as it is written.
fn expected(scenario: &Scenario) -> BTreeMap<&str, Vec<Expectation>> {
    let mut all: BTreeMap<&str, Vec<Expectation>> = BTreeMap::new();
    for (metric, expectation) in scenario.expectations() {
        all.entry(metric).or_default().push(expectation);
    }
    all
}

/// The expectations, and the invariants, that a run does not meet.
fn failed(finished: &Finished) -> Vec<String> {
    let verdicts = finished.verdicts.iter().filter(|verdict| !verdict.passed);
    let broken = finished.violations.iter().map(|violation| format!("{violation:?}"));
    verdicts.map(|verdict| format!("{verdict:?}")).chain(broken).collect()
}

/// What is expected of a metric in a scenario, against what another run of it measured.
fn holds(metric: &str, expectations: &[Expectation], of: &Finished) -> bool {
    let list = expectations.iter().map(|expectation| (metric, *expectation));
    judge(list, &of.measured.summary).iter().all(|verdict| verdict.passed)
}

/// The digests of all runs as written, and with each variant. Set `UPDATE_GOLDEN` to write the file anew.
const GOLDEN: &str = "tests/golden/incidents.txt";

/// Has the symptom as written and none of it with the fix. What the two expect alike says nothing of the incident, so it is
/// whatever they expect differently that must tell one from the other, in both directions. Other variants have what is expected
/// of them. Returns the digest of each run.
fn shows_its_incident(file: &Path) -> Vec<String> {
    let scenarios = [load(file, None, None, Vec::new()), load(file, Some(FIX), None, Vec::new())];
    let runs = scenarios.each_ref().map(run);
    for (variant, run) in ["as written", FIX].iter().zip(&runs) {
        assert!(failed(run).is_empty(), "{} {variant}: {:?}", name(file), failed(run));
    }
    let [symptom, effect] = scenarios.each_ref().map(expected);
    let mut told = 0;
    for (metric, expectations) in &symptom {
        if effect.get(metric) != Some(expectations) {
            assert!(!holds(metric, expectations, &runs[1]), "{}: with the fix, too, {metric} is so", name(file));
            told += 1;
        }
    }
    for (metric, expectations) in &effect {
        if symptom.get(metric) != Some(expectations) {
            assert!(!holds(metric, expectations, &runs[0]), "{}: without the fix, too, {metric} is so", name(file));
        }
    }
    assert!(told > 0, "{}: the fix must change what is expected", name(file));
    let mut digests = vec![(None, runs[0].digest.clone()), (Some(FIX), runs[1].digest.clone())];
    for variant in scenarios[0].variants().iter().map(String::as_str).filter(|variant| *variant != FIX) {
        let run = run(&load(file, Some(variant), None, Vec::new()));
        assert!(failed(&run).is_empty(), "{} {variant}: {:?}", name(file), failed(&run));
        digests.push((Some(variant), run.digest));
    }
    let line =
        |(variant, digest): (Option<&str>, String)| format!("{} {} {digest}", name(file), variant.unwrap_or("-"));
    digests.into_iter().map(line).collect()
}

/// A fifth more clients in each group, rounded up.
fn more_clients(file: &Path) -> Vec<String> {
    let scenario = load(file, None, None, Vec::new());
    let groups = scenario.clients().iter();
    groups.map(|(group, config)| format!("clients.{group}.count={}", (config.count * 6).div_ceil(5))).collect()
}

/// Neither chance nor a size that nobody reported decides whether the symptom is there.
fn does_not_depend_on_luck(file: &Path) {
    for variant in [None, Some(FIX)] {
        let run = run(&load(file, variant, Some(2), more_clients(file)));
        assert!(failed(&run).is_empty(), "{} {variant:?}: {:?}", name(file), failed(&run));
    }
}

/// Checks every incident, two at a time.
fn each(check: impl Fn(&Path) + Sync) {
    let (files, next) = (incidents(), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(file) = files.get(next.fetch_add(1, Ordering::SeqCst)) {
                    check(file);
                }
            });
        }
    });
}

#[test]
fn each_incident_is_there_and_gone_with_its_fix() {
    let lines = Mutex::new(BTreeSet::new());
    each(|file| {
        let digests = shows_its_incident(file);
        lines.lock().unwrap().extend(digests);
    });
    let now: String = lines.into_inner().unwrap().iter().map(|line| format!("{line}\n")).collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(repository(GOLDEN), &now).unwrap();
    }
    assert_eq!(now, read(GOLDEN), "UPDATE_GOLDEN=1 cargo test --test integration incidents:: writes the file anew");
}

#[test]
fn another_seed_and_more_clients_change_no_incident() {
    each(does_not_depend_on_luck);
}

#[test]
fn each_incident_names_its_source_and_what_is_assumed() {
    let page = read("docs/incidents.md");
    for file in incidents() {
        let path = format!("scenarios/incidents/{}.toml", name(&file));
        let text = read(&path);
        let opening: Vec<&str> = text.lines().take_while(|line| line.starts_with('#')).collect();
        for says in SAYS {
            assert!(opening.iter().any(|line| line.starts_with(says)), "{path} does not say: {says}");
        }
        let source = opening.iter().find_map(|line| line.strip_prefix("# Source: ")).unwrap();
        let source = source.split_whitespace().next().unwrap().trim_end_matches(',');
        assert!(page.contains(source), "docs/incidents.md does not name {source}");
        assert!(page.contains(&format!("](../{path})")), "docs/incidents.md does not tell {path}");
    }
}

#[test]
fn what_is_compared_are_the_incidents_as_they_are() {
    is_of_the_scenarios("results/incidents", "scenarios/incidents");
}

/// What the page says of a run: the incident, the variant, the metric, and how the text writes it.
const SAID: [(&str, &str, &str, &str); 41] = [
    ("zed-deploy", "fix", "outage.p50", "within 13.6 s"),
    ("the-things-reconnect", "incident", "outage.p99", "back after 738 s"),
    ("the-things-reconnect", "fix", "outage.p50", "back after 45.1 s"),
    ("the-things-reconnect", "fix", "outage.p99", "99 % after 128 s"),
    ("the-things-database", "incident", "outage.p99", "back after 83.9 s"),
    ("the-things-database", "fix", "outage.p99", "the 12.2 s with"),
    ("the-things-database", "pool", "outage.p99", "takes 17.2 s"),
    ("hypha-crash-loop", "incident", "servers.hypha.kills", "killed 38 times"),
    ("istio-drain", "incident", "attempts.peak", "the run 4,000 attempts"),
    ("istio-drain", "fix", "attempts.peak", "second has 151"),
    ("mattermost-herd", "incident", "attempts.peak", "are 5,000 attempts"),
    ("mattermost-herd", "window-10s", "outage.p99", "wait for 13.1 s"),
    ("mattermost-herd", "window-60s", "outage.p99", "takes 62.6 s"),
    ("jenkins-swarm-herd", "incident", "outage.p99", "back after 131 s"),
    ("jenkins-swarm-herd", "fix", "outage.p99", "interval: 56.9 s"),
    ("firezone-back-off", "incident", "attempts.total", "make 14,875 attempts"),
    ("nginx-sixty-seconds", "incident", "lost.total", "a minute, 3,600 times"),
    ("streamlit-thirty-seconds", "incident", "lost.total", "lose 5,100 connections"),
    ("aws-nlb-350s", "incident", "lost.total", "lose 1,800 connections"),
    ("azure-four-minutes", "incident", "detection_time.p50", "need 1,043 s"),
    ("libwebsockets-unacknowledged", "incident", "detection_time.p50", "takes 964 s"),
    ("libwebsockets-unacknowledged", "fix", "detection_time.p50", "takes 34.9 s"),
    ("trussc-half-open", "incident", "half_open.clients_max", "none of 100 clients"),
    ("jupyterhub-ports", "incident", "sessions.failed", "13.73 % of the requests"),
    ("nginx-worker-connections", "incident", "servers.nginx.open_connections_max", "the run 512 of"),
    ("netty-descriptors", "incident", "servers.app.open_connections_max", "the run 4,023 of"),
    ("kurento-backlog", "incident", "sessions.failed", "15 s: 483 of"),
    ("kurento-backlog", "fix", "time_to_open.p50", "wait for 8.62 s"),
    ("quizify-one-address", "incident", "sessions.never_opened", "run 7 of"),
    ("libdatachannel-first-address", "race", "time_to_open.p50", "it is 380 ms"),
    ("kubernetes-conntrack", "incident", "sessions.failed", "entries 380 of"),
    ("libdatachannel-first-address", "fix", "time_to_open.p50", "after 3.13 s"),
    ("nats-rolling-restart", "incident", "servers.nats-0.open_at_end", "it is 451,"),
    ("nats-rolling-restart", "incident", "servers.nats-1.open_at_end", "451, 269 and 0"),
    ("nats-rolling-restart", "fix", "servers.nats-0.open_at_end", "it is 270,"),
    ("nats-rolling-restart", "fix", "servers.nats-1.open_at_end", "270, 248 and"),
    ("nats-rolling-restart", "fix", "servers.nats-2.open_at_end", "248 and 202"),
    ("ld-relay-imbalance", "incident", "servers.relay-0.open_at_end", "fullest has 263"),
    ("ld-relay-imbalance", "fix", "servers.relay-0.open_at_end", "two to 149"),
    ("ld-relay-imbalance", "fix", "servers.relay-11.open_at_end", "149 and 152"),
    ("nginx-gateway-reloads", "incident", "servers.edge.reloads", "reloaded 136 times"),
];

#[test]
fn what_the_page_says_was_recorded() {
    let (page, compared) = (read("docs/incidents.md"), tables(&read("results/incidents/compare.md")));
    let cell = |incident: &str, variant: &str, metric: &str| -> String {
        let full = format!("incidents/{incident}");
        let cells = compared.iter().flat_map(|table| {
            let column = table[0].iter().position(|head| head == metric);
            let row = table.iter().find(|row| row[0] == full && row[1] == variant);
            column.zip(row).map(|(column, row)| row[column].clone())
        });
        cells.last().unwrap_or_else(|| panic!("{incident} {variant}: {metric} was not compared"))
    };
    for (incident, variant, metric, said) in SAID {
        let link = format!("[{incident}](");
        let section = page.split("\n### ").find(|section| section.contains(&link)).unwrap();
        let section = section.split_whitespace().collect::<Vec<_>>().join(" ");
        // A count may be followed by its share.
        let cell = cell(incident, variant, metric);
        let is_said = said.split_whitespace().any(|word| {
            let number = word.trim_end_matches([',', '.']);
            number.starts_with(|c: char| c.is_ascii_digit()) && cell.split([' ', '(']).any(|part| part == number)
        });
        assert!(is_said, "{incident} {variant}: {metric} is {cell}, and the page says {said}");
        assert!(section.contains(said), "docs/incidents.md does not say of {incident}: {said}");
    }
}
