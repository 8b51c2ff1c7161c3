//! The scenario: a TOML file, read strictly, checked completely, ready to run.
//!
//! Each module of the core owns the type of its own part of the file. This crate combines them, fills in defaults, resolves
//! names, and reports each error as a [`Problem`] with its position and a correction.

#![forbid(unsafe_code)]

mod chaos;
mod check;
mod cover;
mod cycle;
mod de;
mod draft;
mod fault_config;
mod fault_windows;
mod faults;
mod file;
mod machines;
mod metric;
mod nearest;
mod node;
mod path;
mod places;
mod played;
mod preset;
mod problem;
pub mod profile;
mod reach;
mod read_error;
#[cfg(feature = "schema")]
mod schema;
mod secrets;
mod server;
mod tree;

pub use cover::{covered, covered_argument, covered_command, covered_urls, from_environment, has_secret, is_secret};
pub use metric::metric;
pub use nearest::nearest;
pub use played::Played;
pub use problem::{Place, Problem};
#[cfg(feature = "schema")]
pub use schema::schema;
pub use secrets::Secrets;
pub use tree::Tree;

use std::collections::BTreeSet;

use shakedown_core::fault::{Action, Fault, Kind, Target};
use shakedown_core::rng::Seed;
use shakedown_core::scenario::{Measure, Parts, Scenario};
use shakedown_core::time::Nanos;

use chaos::Chaos;
use draft::Draft;
use faults::FaultToml;
use file::File;

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
    /// Which of its parts are played.
    pub played: Played,
    /// Where secrets come from that the scenario names and does not contain.
    pub secrets: Secrets,
}

/// The same scenario with some of it changed: its resolved form, read again.
///
/// # Errors
/// The first [`Problem`] that the changes make.
pub fn again(scenario: &Scenario, overrides: Overrides) -> Result<Scenario, Problem> {
    let overrides = Overrides { programs: true, ..overrides };
    load("the resolved scenario", scenario.name(), scenario.resolved(), &overrides)
}

/// Reads and checks a scenario. `source_name` is what errors call the text, `name` what results are filed under.
///
/// # Errors
/// The first [`Problem`] found, with its position.
pub fn load(source_name: &str, name: &str, text: &str, overrides: &Overrides) -> Result<Scenario, Problem> {
    let mut tree = Tree::parse(source_name, text)?;
    #[cfg(all(debug_assertions, feature = "schema"))]
    {
        tree = tree.of_scenario();
    }
    let written = tree.clone();
    check::variants(&tree)?;
    if let Some(variant) = &overrides.variant {
        tree.apply_variant(variant)?;
    }
    let variants = if overrides.variant.is_some() { Vec::new() } else { written.variants() };
    // The scenario as it is comes first: what is wrong with it is no variant's fault.
    let scenario = resolve(name, tree.clone(), &written, overrides, Drawn::WithSeed)?;
    // Variants that are not run are held to the same rules, so that one can't rot unnoticed. What the seed would draw in
    // them is never run.
    let mut all = Vec::new();
    for variant in &variants {
        let mut varied = tree.clone();
        varied.apply_variant(variant)?;
        let Overrides { programs, played, .. } = *overrides;
        let plain = Overrides { programs, played, secrets: Secrets::Unneeded, ..Overrides::default() };
        all.push(resolve(name, varied, &written, &plain, Drawn::Nothing)?);
    }
    if overrides.variant.is_none() {
        check::compared(&scenario, &all, &written)?;
    }
    Ok(scenario)
}

/// What `[chaos]` draws.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Drawn {
    /// The faults of the scenario's seed.
    WithSeed,
    /// None: the scenario is checked, and not run.
    Nothing,
}

fn resolve(
    name: &str,
    mut tree: Tree,
    written_in: &Tree,
    overrides: &Overrides,
    draws: Drawn,
) -> Result<Scenario, Problem> {
    tree.remove("variants");
    for set in &overrides.sets {
        tree.set(set)?;
    }
    check::overridden(&tree, written_in)?;
    check::tree(&tree)?;
    preset::complete(&mut tree)?;
    let mut file: File = tree.deserialize()?;
    if let Some(seed) = overrides.seed {
        file.seed = Seed(seed);
    }
    file.fill_in();
    secrets::resolve(&mut file, overrides.secrets, &tree)?;
    // No part of a run.
    let compare = std::mem::take(&mut file.compare);
    let played = overrides.played;
    check::file(&file, played, &tree)?;
    if !overrides.programs {
        check::no_programs(&file, &tree)?;
    }
    if let Some(patience) = overrides.patience {
        file.servers.values_mut().for_each(|server| _ = server.handshake_timeout.get_or_insert(patience));
    }
    let draft = Draft::new(file, overrides.patience);
    check::dns::names(&draft, &tree)?;
    check::names(&draft, &tree)?;
    places::check_zones(&draft, &tree)?;
    let routes = places::routes(&draft, &tree)?;
    let struck = played != Played::Clients;
    if struck {
        check::chaos(&draft, &tree)?;
    }
    let chaos = draft.file.chaos.as_ref().filter(|_| struck && draws == Drawn::WithSeed);
    let drawn = chaos.map(|chaos| drawn(chaos, &draft)).unwrap_or_default();
    let fault = |(name, fault): (&String, &FaultToml)| found(&draft, name, fault, &tree);
    let faults = draft.file.faults.iter().map(fault).collect::<Result<_, _>>()?;
    let drawn_faults = drawn.iter().map(|(name, config)| fault((name, config))).collect::<Result<_, _>>()?;
    let resolved = written(&draft.file);
    let directory = draft.directory();
    let Draft { mut file, roster, groups, .. } = draft;
    let (chaos, measure) = (file.chaos.take(), &file.measure);
    let measure = Measure {
        from: measure.from,
        until: measure.until.unwrap_or(file.duration),
        interval: measure.interval.unwrap_or(file.duration),
        half_open: measure.half_open,
    };
    let written_out = if drawn.is_empty() && chaos.is_none() {
        resolved.clone()
    } else {
        file.faults.extend(drawn);
        written(&file)
    };
    let scenario = Scenario::from(Parts {
        name: name.to_string(),
        title: file.title,
        duration: file.duration,
        seed: file.seed,
        measure,
        phases: std::mem::take(&mut file.phases),
        network: file.network,
        routes,
        groups,
        servers: roster,
        dns: file.dns,
        clients: file.clients,
        directory,
        faults,
        random_faults_max: chaos.map(|chaos| chaos.faults),
        drawn: drawn_faults,
        open_within: file.invariants.map(|invariants| invariants.open_within),
        expect: file.expect,
        sometimes: file.sometimes,
        resolved,
        written_out,
        compare: compare.into(),
        variants: written_in.variants(),
        strangers: played == Played::Clients,
    });
    if struck {
        fault_windows::unfinished(&scenario, &tree)?;
        fault_windows::absences(&scenario, &tree)?;
        fault_windows::overlaps(&scenario, &tree)?;
    }
    if played != Played::Servers {
        check::expectations(&scenario, &tree)?;
    }
    Ok(scenario)
}

/// A file that was read, as TOML.
fn written(file: &File) -> String {
    toml::to_string(file).expect("a file that was read can be written")
}

/// The faults that are drawn at random with the file's seed.
fn drawn(chaos: &Chaos, draft: &Draft) -> Vec<(String, FaultToml)> {
    let targets = chaos.targets.iter().flat_map(|name| draft.members(name).unwrap_or_default());
    let targets: BTreeSet<u32> = targets.map(|target| target.0).collect();
    let names: Vec<String> = targets.iter().map(|server| draft.servers()[*server as usize].name.clone()).collect();
    let is_balancer = |name: &str| {
        let members = draft.members(name).unwrap_or_default();
        members.iter().any(|member| draft.group_of(member.0).balancer().is_some())
    };
    // A balancer does no work that could take longer.
    let does_nothing = |kind: Kind, name: &str| kind == Kind::Slow && is_balancer(name);
    chaos.draw(draft.file.seed, &names, draft.file.duration, does_nothing)
}

/// A fault with resolved targets.
fn found(draft: &Draft, name: &str, fault: &FaultToml, tree: &Tree) -> Result<Fault, Problem> {
    let config = fault_config::read(name, fault, tree)?;
    let members = match &config.target {
        Target::Names(names) => names.0.iter().flat_map(|name| draft.struck(name)).collect::<Vec<_>>(),
        Target::Some(some) => draft.members(&some.group).unwrap_or_default(),
        Target::Between(_) => Vec::new(),
    };
    let (members, cuts) = match config.action() {
        Action::DnsOutage => (check::dns::struck(draft, name, &config, tree)?, Vec::new()),
        action if action.kind().is_of_links() => (Vec::new(), places::cuts(draft, name, &config, tree)?),
        _ => (members.into_iter().map(|member| member.0).collect::<BTreeSet<u32>>().into_iter().collect(), Vec::new()),
    };
    Ok(Fault::new(draft.file.seed, name, config, members, cuts))
}

#[cfg(test)]
mod tests;
