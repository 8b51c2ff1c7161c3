//! Does an event cost the same in a fleet that is a hundred times larger? Every committed scenario is run as it is, and with its
//! clients, hosts, servers and rates multiplied by 10 and 100.
//!
//! ```text
//! cargo bench --bench scale                       # all of them, x1, x10 and x100
//! cargo bench --bench scale -- failover 1 10      # those whose name contains `failover`, at these factors
//! ```
//!
//! What is multiplied: in clients `count`, `hosts`, `nat`, and the rates of `arrive`; in servers, balancers and proxies `count`;
//! resolvers of names. What one server can do stays, so that each meets what it met before. Faults on one named server still
//! strike one. Runs of one scenario follow each other, the smaller ones more often; the table shows the fastest of each, which
//! repeats best on a machine with other work. An event is one that is recorded; metrics and digest are on, set-up is counted.

use std::path::Path;
use std::time::Instant;

use shakedown::driver;
use shakedown::event::Event;
use shakedown::metrics::Metrics;
use shakedown::record::{Digest, Recorder};
use shakedown::scenario::{Overrides, Scenario};
use shakedown::time::Timestamp;
use toml::{Table, Value};

/// More clients than this take minutes and gigabytes.
const MOST_CLIENTS: i64 = 3_000_000;
/// After a run of so many seconds, larger ones are left out: where each client tries all of ten times as many dead addresses, ten
/// times as many clients make a hundred times as many events.
const LONGEST: f64 = 8.0;

/// Counts what the others record.
struct Counted {
    of: (Digest, Metrics),
    events: u64,
}

impl Recorder for Counted {
    fn record(&mut self, event: &Event) {
        self.events += 1;
        self.of.record(event);
    }
    fn record_all(&mut self, events: &[Event]) {
        self.events += events.len() as u64;
        self.of.record_all(events);
    }
}

fn multiplied(value: &mut Value, by: i64) {
    match value {
        Value::Integer(n) => *n *= by,
        // A rate: 50/s.
        Value::String(text) => {
            if let Some((number, unit)) = text.split_once('/')
                && let Ok(number) = number.trim().replace('_', "").parse::<f64>()
            {
                *text = format!("{}/{unit}", number * by as f64);
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|value| multiplied(value, by)),
        // Rates of an arrival have names of their own; its times are texts without `/`.
        Value::Table(table) => {
            table.iter_mut().filter(|(key, _)| *key != "repeat").for_each(|(_, value)| multiplied(value, by))
        }
        _ => {}
    }
}

/// The scenario `by` times as large, and how many clients it has.
fn scaled(text: &str, by: i64) -> (String, i64) {
    let mut scenario: Table = text.parse().expect("it is TOML");
    let mut clients = 0;
    for (kind, keys) in [
        ("clients", &["count", "hosts", "nat", "arrive"][..]),
        ("servers", &["count"][..]),
        ("balancers", &["count"][..]),
        ("proxies", &["count"][..]),
    ] {
        let groups = scenario.get_mut(kind).and_then(Value::as_table_mut);
        for group in groups.into_iter().flat_map(|groups| groups.iter_mut().map(|(_, group)| group)) {
            let Some(group) = group.as_table_mut() else { continue };
            if keys == ["count"] {
                group.entry("count").or_insert(Value::Integer(1));
            }
            for key in keys {
                if let Some(value) = group.get_mut(*key) {
                    multiplied(value, by);
                }
            }
            if kind == "clients" {
                clients += group.get("count").and_then(Value::as_integer).unwrap_or(by);
            }
        }
    }
    // They say what the scenario shows at its own size.
    scenario.remove("expect");
    scenario.remove("variants");
    (scenario.to_string(), clients)
}

struct Ran {
    events: u64,
    seconds: f64,
}

fn run(scenario: &Scenario) -> Ran {
    let start = Instant::now();
    let mut recorder = Counted { of: (Digest::default(), Metrics::new(scenario.layout())), events: 0 };
    driver::run(scenario, &mut recorder);
    let Counted { of: (digest, metrics), events } = recorder;
    let measured = metrics.finish(Timestamp::ZERO + scenario.duration());
    std::hint::black_box((digest.value(), measured));
    Ran { events, seconds: start.elapsed().as_secs_f64() }
}

fn scenarios(folder: &Path, found: &mut Vec<(String, String)>, prefix: &str) {
    let mut entries: Vec<_> =
        std::fs::read_dir(folder).expect("the scenarios are in the repository").flatten().collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if path.is_dir() {
            scenarios(&path, found, &format!("{prefix}{name}/"));
        } else if let Some(stem) = name.strip_suffix(".toml") {
            found.push((format!("{prefix}{stem}"), std::fs::read_to_string(&path).expect("it can be read")));
        }
    }
}

fn main() {
    let given: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let (factors, names): (Vec<_>, Vec<_>) = given.into_iter().partition(|arg| arg.parse::<i64>().is_ok());
    let mut factors: Vec<i64> = factors.iter().filter_map(|factor| factor.parse().ok()).collect();
    if factors.is_empty() {
        // `cargo test --all-targets` runs this unoptimised: it shows that the bench works, and measures nothing.
        factors = if cfg!(debug_assertions) { vec![1] } else { vec![1, 10, 100] };
    }
    let mut all = Vec::new();
    scenarios(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios")), &mut all, "");
    all.retain(|(name, _)| names.is_empty() || names.iter().any(|part| name.contains(part.as_str())));
    if all.is_empty() {
        eprintln!("no committed scenario has {} in its name: scenarios/ has them", names.join(" or "));
        std::process::exit(2);
    }
    println!("ns per event; in brackets, times as much as at x{}", factors[0]);
    print!("{:<30}", "scenario");
    factors.iter().for_each(|factor| print!("{:>16}", format!("x{factor}")));
    println!("{:>14}", "events");
    for (name, text) in all {
        let mut base = None;
        let (mut events, mut longest) = (0, 0.0);
        let mut line = format!("{name:<30}");
        for factor in &factors {
            let (text, clients) = scaled(&text, *factor);
            let cell = if clients > MOST_CLIENTS || longest > LONGEST {
                "left out".to_owned()
            } else {
                match shakedown::scenario::load(&name, &name, &text, &Overrides::default()) {
                    // Of the kernel driver only, say.
                    Err(problem) => {
                        if *factor == factors[0] {
                            eprintln!("{name}: {}", problem.to_string().lines().next().unwrap_or_default());
                        }
                        "-".to_owned()
                    }
                    Ok(scenario) => {
                        let (mut best, start) = (f64::INFINITY, Instant::now());
                        for _ in 0..20 {
                            let ran = run(&scenario);
                            events = ran.events;
                            longest = ran.seconds;
                            best = best.min(ran.seconds * 1e9 / ran.events.max(1) as f64);
                            if cfg!(debug_assertions) || start.elapsed().as_secs_f64() > 1.5 {
                                break;
                            }
                        }
                        let base = *base.get_or_insert(best);
                        format!("{best:.0} ({:.2})", best / base)
                    }
                }
            };
            line.push_str(&format!("{cell:>16}"));
        }
        println!("{line}{events:>14}");
    }
}
