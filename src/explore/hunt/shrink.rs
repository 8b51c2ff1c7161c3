//! From a scenario that breaks something to the smallest that still does.
//!
//! Greedy: every reduction is tried in a fixed order and kept when the same check breaks, from the first again once one
//! was kept, until none is kept (delta debugging: Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", TSE 2002). No
//! clock and no thread has a say in it: the same scenario always shrinks to the same one in the same steps.

use toml::{Table, Value};

use super::broken::Broken;
use crate::explore::single_run::{Finished, once};
use crate::scenario::{Overrides, Scenario};
use crate::time::Nanos;

/// The smallest scenario that was found.
#[derive(Debug)]
pub struct Shrunk {
    /// As a file that runs by itself, with a comment on where it comes from.
    pub toml: String,
    /// The same, checked.
    pub scenario: Scenario,
    /// What its run came to.
    pub finished: Finished,
    /// What was taken away, in order.
    pub steps: Vec<String>,
    /// Runs that it took.
    pub runs: u32,
    /// False when it was ended before nothing more could be taken away.
    pub done: bool,
}

/// Runs at most.
const RUNS: u32 = 5_000;

/// Takes away whatever is not needed to break the same thing. `watch` is called with each step, and ends it by returning false.
/// `None` when the scenario, written out, does not break it at all.
pub fn shrink(scenario: &Scenario, broken: &Broken, watch: &mut dyn FnMut(&str) -> bool) -> Option<Shrunk> {
    let name = scenario.name();
    let mut table: Table = toml::from_str(scenario.written_out()).ok()?;
    table.remove("sometimes");
    match broken {
        Broken::Expectation(path, expected, _) => {
            let expect = table.get_mut("expect")?.as_table_mut()?;
            expect.retain(|metric, _| metric == path);
            expect.insert(path.clone(), Value::String(expected.to_string()));
        }
        _ => drop(table.remove("expect")),
    }
    let fails = |scenario: &Scenario| {
        let finished = once(scenario, |_| true).ok()?;
        broken.again(&finished).then_some(finished)
    };
    let Smallest { table, scenario, found, steps, runs, done } =
        smallest(table, name, &fails, |first| broken.is_too_few(first), watch)?;
    let seed = scenario.seed().0;
    let toml = format!(
        "# Breaks {broken}.\n# Shrunk from {} with seed {seed}, in {} steps. Run it with: shakedown run FILE\n\n{}",
        scenario.name(),
        steps.len(),
        toml::to_string_pretty(&table).ok()?
    );
    Some(Shrunk { toml, scenario, finished: found, steps, runs, done })
}

/// The smallest scenario in which something is still found.
#[derive(Debug)]
pub struct Smallest<T> {
    /// What its file says.
    pub table: Table,
    /// The same, checked.
    pub scenario: Scenario,
    /// What is found in it.
    pub found: T,
    /// What was taken away, in order.
    pub steps: Vec<String>,
    /// Scenarios that were tried.
    pub runs: u32,
    /// False when it was ended before nothing more could be taken away.
    pub done: bool,
}

/// Takes away whatever is not needed for `fails` to find something. `is_too_few` says of what was found first whether it is
/// a count that is too small: that is so all the more with fewer sessions, or in less time, which would be no reduction.
/// `None` when nothing is found at all.
pub fn smallest<T>(
    mut table: Table,
    name: &str,
    fails: &dyn Fn(&Scenario) -> Option<T>,
    is_too_few: impl Fn(&T) -> bool,
    watch: &mut dyn FnMut(&str) -> bool,
) -> Option<Smallest<T>> {
    let load = |table: &Table| {
        let text = toml::to_string(table).ok()?;
        crate::scenario::load("shrunk", name, &text, &Overrides::default()).ok()
    };
    let runs = std::cell::Cell::new(0);
    let try_run = |table: &Table| {
        runs.set(runs.get() + 1);
        let scenario = load(table)?;
        let found = fails(&scenario)?;
        Some((scenario, found))
    };
    let mut smallest = try_run(&table)?;
    prune(&mut table, &smallest.0, &load);
    let (mut steps, mut done) = (Vec::new(), true);
    let scaled: [Reduction; 3] = [fewer_sessions, fewer_groups, shorter_times];
    let is_too_few = is_too_few(&smallest.1);
    let is_tried =
        |reduction: &Reduction| !(is_too_few && scaled.iter().any(|of| std::ptr::fn_addr_eq(*of, *reduction)));
    let reductions: Vec<Reduction> = REDUCTIONS.into_iter().filter(is_tried).collect();
    let mut next = 0;
    'all: while let Some(reduction) = reductions.get(next) {
        let before = steps.len();
        // A reduction that was kept is tried again at once: there may be more to take.
        let mut at = 0;
        while let Some((what, smaller)) = reduction(&table).into_iter().nth(at) {
            if runs.get() >= RUNS || !watch(&what) {
                done = false;
                break 'all;
            }
            match try_run(&smaller) {
                Some(found) => {
                    (table, smallest) = (smaller, found);
                    steps.push(what);
                    at = 0;
                }
                None => at += 1,
            }
        }
        // What one took away may be what an earlier one needs: without this server, fewer sessions will do. That comes
        // before anything later gets in its way.
        next = if steps.len() > before && next > 0 { 0 } else { next + 1 };
    }
    let (scenario, found) = smallest;
    Some(Smallest { table, scenario, found, steps, runs: runs.get(), done })
}

/// Leaves out every key that says what holds without it: no run is needed to see that nothing changes.
fn prune(table: &mut Table, scenario: &Scenario, load: &dyn Fn(&Table) -> Option<Scenario>) {
    let hash = scenario.hash();
    for path in paths(table) {
        let mut smaller = table.clone();
        if remove(&mut smaller, &path) && load(&smaller).is_some_and(|scenario| scenario.hash() == hash) {
            *table = smaller;
        }
    }
}

type Reduced = Vec<(String, Table)>;
type Reduction = fn(&Table) -> Reduced;

/// Everything that is tried, in this order: what makes runs short comes first.
const REDUCTIONS: [Reduction; 8] = [
    fewer_sessions,
    fewer_faults,
    fewer_groups,
    fewer_servers,
    at_once,
    simpler_distributions,
    shorter_times,
    fewer_keys,
];

/// Every key of the tables inside, the outer ones first, as the way to it.
fn paths(table: &Table) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for (key, value) in table {
        all.push(vec![key.clone()]);
        if let Value::Table(inner) = value {
            all.extend(paths(inner).into_iter().map(|path| [vec![key.clone()], path].concat()));
        }
    }
    all
}

fn place<'a>(table: &'a mut Table, path: &[String]) -> Option<&'a mut Value> {
    let (first, rest) = path.split_first()?;
    let value = table.get_mut(first)?;
    if rest.is_empty() { Some(value) } else { place(value.as_table_mut()?, rest) }
}

fn remove(table: &mut Table, path: &[String]) -> bool {
    let Some((last, parents)) = path.split_last() else { return false };
    let parent = if parents.is_empty() { Some(table) } else { place(table, parents).and_then(Value::as_table_mut) };
    parent.is_some_and(|parent| parent.remove(last).is_some())
}

fn with(table: &Table, path: &[String], value: Value) -> Option<(String, Table)> {
    let mut smaller = table.clone();
    let what = format!("{} = {value}", path.join("."));
    *place(&mut smaller, path)? = value;
    Some((what, smaller))
}

fn without(table: &Table, path: &[String]) -> Option<(String, Table)> {
    let mut smaller = table.clone();
    remove(&mut smaller, path).then(|| (format!("without {}", path.join(".")), smaller))
}

fn entries(table: &Table, key: &str) -> Vec<String> {
    table.get(key).and_then(Value::as_table).into_iter().flat_map(|inner| inner.keys().cloned()).collect()
}

fn counts(table: &Table, key: &str) -> Reduced {
    let of = |name: String| {
        let path = [key.to_string(), name, "count".to_string()];
        let count = table.get(key).and_then(|all| all.get(&path[1])?.get("count")?.as_integer()).unwrap_or(1);
        let mut fewer = vec![1, 2, count / 10, count / 2, count - 1];
        fewer.retain(|fewer| (1..count).contains(fewer));
        fewer.dedup();
        fewer.into_iter().filter_map(|fewer| with(table, &path, Value::Integer(fewer))).collect::<Reduced>()
    };
    entries(table, key).into_iter().flat_map(of).collect()
}

fn fewer_sessions(table: &Table) -> Reduced {
    counts(table, "clients")
}

/// Faults that strike a server which is not there any more go with it.
fn fewer_servers(table: &Table) -> Reduced {
    let mut all = counts(table, "servers");
    for (_, smaller) in &mut all {
        let gone = |target: &str| {
            let (group, number) = target.rsplit_once('-')?;
            let count = smaller.get("servers")?.get(group)?.get("count").map_or(Some(1), Value::as_integer)?;
            Some(number.parse::<i64>().ok()? >= count)
        };
        let strikes = |name: &String| smaller.get("faults")?.get(name)?.get("target")?.as_str();
        let idle: Vec<String> =
            entries(smaller, "faults").into_iter().filter(|name| strikes(name).and_then(gone) == Some(true)).collect();
        for name in idle {
            remove(smaller, &["faults".to_string(), name]);
        }
    }
    all
}

fn fewer_faults(table: &Table) -> Reduced {
    entries(table, "faults").into_iter().filter_map(|name| without(table, &["faults".to_string(), name])).collect()
}

fn fewer_groups(table: &Table) -> Reduced {
    let groups = ["clients", "servers", "proxies", "dns"].into_iter();
    groups
        .flat_map(|key| entries(table, key).into_iter().filter_map(|name| without(table, &[key.to_string(), name])))
        .collect()
}

/// Arrivals at one moment are the simplest.
fn at_once(table: &Table) -> Reduced {
    let arrive = |name: String| {
        let path = ["clients".to_string(), name, "arrive".to_string()];
        let now = table.get("clients")?.get(&path[1])?.get("arrive")?;
        if now.as_str() == Some("at_once") { None } else { with(table, &path, Value::String("at_once".into())) }
    };
    entries(table, "clients").into_iter().filter_map(arrive).collect()
}

/// A constant instead of a distribution: its middle, or what is nearest to it.
fn simpler_distributions(table: &Table) -> Reduced {
    let constant = |value: &Value| {
        let value = value.as_table()?;
        let (kind, of) = value.iter().next().filter(|_| value.len() == 1)?;
        let key = match kind.as_str() {
            "lognormal" => "median",
            "uniform" => "min",
            "exponential" | "normal" => "mean",
            "quantiles" => "p50",
            _ => return None,
        };
        of.get(key).cloned()
    };
    let all = paths(table).into_iter();
    all.filter_map(|path| {
        let value = constant(place(&mut table.clone(), &path)?)?;
        with(table, &path, value)
    })
    .collect()
}

/// Times of faults in whole seconds, shorter faults, and a run that ends sooner.
fn shorter_times(table: &Table) -> Reduced {
    let mut all = Vec::new();
    let mut try_lengths = |path: Vec<String>, least: u64| {
        let now = place(&mut table.clone(), &path).and_then(|value| value.as_str()?.parse::<Nanos>().ok());
        let Some(now) = now else { return };
        let seconds = now.0 / 1_000_000_000;
        for length in [now.0 / 2 / 1_000_000_000 * 1_000_000_000, seconds * 1_000_000_000] {
            if (least..now.0).contains(&length) {
                all.extend(with(table, &path, Value::String(Nanos(length).to_string())));
            }
        }
    };
    try_lengths(vec!["duration".into()], 1);
    for name in entries(table, "faults") {
        try_lengths(vec!["faults".into(), name.clone(), "at".into()], 0);
        try_lengths(vec!["faults".into(), name, "for".into()], 1);
    }
    all
}

/// What the fleet does is the question: a scenario without its retries or its health checks would break for another
/// reason. What surrounds it may go.
const SURROUNDINGS: [&str; 16] = [
    "network",
    "measure",
    "arrive",
    "start",
    "hosts",
    "nat",
    "access_link",
    "zone",
    "path",
    "workers",
    "service_time",
    "accept_time",
    "backlog",
    "pauses",
    "warm_up",
    "queue_max",
];

fn fewer_keys(table: &Table) -> Reduced {
    let may_go = |path: &[String]| match path {
        [key] => SURROUNDINGS.contains(&key.as_str()),
        [table, ..] if table == "network" || table == "measure" => true,
        [table, _, key, ..] if table == "clients" || table == "servers" => SURROUNDINGS.contains(&key.as_str()),
        _ => false,
    };
    paths(table).into_iter().filter(|path| may_go(path)).filter_map(|path| without(table, &path)).collect()
}
