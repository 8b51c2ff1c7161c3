//! The scenario: a TOML file, read strictly, checked completely, ready to run.
//!
//! Each room owns the type of its own part of the file; this room puts them together, fills in defaults, looks names
//! up, and turns everything impossible into a [`Problem`] that says where it is and what would be right.

#![forbid(unsafe_code)]

mod check;
mod de;
mod fault_windows;
mod faults;
mod node;
mod path;
mod places;
mod preset;
mod problem;
pub mod profile;
mod read_error;
#[cfg(feature = "schema")]
mod schema;
mod server;
mod tree;

pub use problem::{Problem, nearest};
#[cfg(feature = "schema")]
pub use schema::schema;
pub use tree::Tree;

use shakedown_core::fault::{Action, Fault, Target};
use shakedown_core::network::Routes;
use shakedown_core::rng::Seed;
use shakedown_core::scenario::{File, Scenario, ServerEntry};
use shakedown_core::time::Nanos;

/// What the command line changes about a scenario.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--seed`.
    pub seed: Option<u64>,
    /// `--variant`.
    pub variant: Option<String>,
    /// `--set`, in order; applied after the variant.
    pub sets: Vec<String>,
    /// Whether servers may be programs: only where there are real sockets.
    pub programs: bool,
    /// How long servers wait for a request where the scenario sets no `handshake_timeout`.
    pub patience: Option<Nanos>,
}

/// The same scenario with some of it changed: its resolved form, read again.
///
/// # Errors
/// The first [`Problem`] that the changes make.
pub fn again(scenario: &Scenario, overrides: Overrides) -> Result<Scenario, Problem> {
    let overrides = Overrides { programs: true, ..overrides };
    load("the resolved scenario", scenario.name(), &scenario.resolved(), &overrides)
}

/// Reads and checks a scenario. `source_name` is what errors call the text, `name` what results are filed under.
///
/// # Errors
/// The first [`Problem`] found, with its position.
pub fn load(source_name: &str, name: &str, text: &str, overrides: &Overrides) -> Result<Scenario, Problem> {
    let mut tree = Tree::parse(source_name, text)?;
    let written = tree.clone();
    if let Some(variant) = &overrides.variant {
        tree.apply_variant(variant)?;
    }
    let names = written.variants();
    let variants: &[String] = if overrides.variant.is_some() { &[] } else { &names };
    // The scenario as it is comes first: what is wrong with it is no variant's fault.
    let mut scenario = resolve(name, tree.clone(), &written, overrides)?;
    // Variants that are not run are held to the same rules, so that one can't rot unnoticed.
    let mut all = Vec::new();
    for variant in variants {
        let mut varied = tree.clone();
        varied.apply_variant(variant)?;
        all.push(resolve(name, varied, &written, &Overrides { programs: overrides.programs, ..Overrides::default() })?);
    }
    if overrides.variant.is_none() {
        check::compared(&scenario, &all, &written)?;
    }
    scenario.variants = names;
    Ok(scenario)
}

fn resolve(name: &str, mut tree: Tree, written: &Tree, overrides: &Overrides) -> Result<Scenario, Problem> {
    tree.remove("variants");
    for set in &overrides.sets {
        tree.set(set)?;
    }
    check::overridden(&tree, written)?;
    check::tree(&tree)?;
    preset::complete(&mut tree)?;
    let mut file: File = tree.deserialize()?;
    if let Some(seed) = overrides.seed {
        file.seed = Seed(seed);
    }
    file.fill_in();
    // No part of a run.
    let compare = std::mem::take(&mut file.compare);
    check::file(&file, &tree)?;
    if !overrides.programs {
        check::no_programs(&file, &tree)?;
    }
    file.adopt_proxies();
    if let Some(patience) = overrides.patience {
        file.servers.values_mut().for_each(|server| _ = server.handshake_timeout.get_or_insert(patience));
    }
    let servers = file
        .servers
        .iter()
        .enumerate()
        .flat_map(|(group, (name, config))| {
            (0..config.count).map(move |number| ServerEntry { name: format!("{name}-{number}"), group })
        })
        .collect();
    let routes = Routes::default();
    let mut scenario = Scenario {
        name: name.to_string(),
        file,
        servers,
        faults: Vec::new(),
        drawn: Vec::new(),
        compare,
        variants: Vec::new(),
        routes,
    };
    check::dns::names(&scenario, &tree)?;
    check::names(&scenario, &tree)?;
    places::check_zones(&scenario, &tree)?;
    scenario.routes = places::routes(&scenario, &tree)?;
    check::chaos(&scenario, &tree)?;
    if let Some(chaos) = &scenario.file.chaos {
        let targets = chaos.targets.iter().flat_map(|name| scenario.members(name).unwrap_or_default());
        let mut targets: Vec<u32> = targets.map(|target| target.0).collect();
        targets.sort_unstable();
        targets.dedup();
        let names: Vec<String> = targets.iter().map(|server| scenario.servers[*server as usize].name.clone()).collect();
        scenario.drawn = chaos.draw(scenario.file.seed, &names, scenario.file.duration);
    }
    let mut faults = Vec::new();
    let drawn = scenario.drawn.iter().map(|(name, config)| (name, config));
    for (name, fault) in scenario.file.faults.iter().chain(drawn) {
        let config = faults::read(name, fault, &tree)?;
        let members = match &config.target {
            Target::Name(name) => scenario.members(name).or_else(|| scenario.servers_in(name)),
            Target::Some(some) => scenario.members(&some.group),
            Target::Between(_) => None,
        };
        let (members, cuts) = match config.action() {
            Action::DnsOutage => (check::dns::struck(&scenario, name, &config, &tree)?, Vec::new()),
            action if action.kind().is_of_links() => (Vec::new(), places::cuts(&scenario, name, &config, &tree)?),
            _ => (members.unwrap_or_default().into_iter().map(|member| member.0).collect(), Vec::new()),
        };
        faults.push(Fault::new(scenario.file.seed, name, config, members, cuts));
    }
    scenario.faults = faults;
    fault_windows::unfinished(&scenario, &tree)?;
    fault_windows::absences(&scenario, &tree)?;
    fault_windows::overlaps(&scenario, &tree)?;
    check::expectations(&scenario, &tree)?;
    Ok(scenario)
}

#[cfg(test)]
mod tests;
