//! What a sweep runs, or a hunt.

use std::fmt::Write;

use serde_json::json;

use super::grid::{self, Axis};
use super::seeds::{Seeds, Shard};
use crate::driver::Driver;
use crate::explore::possible::possible;
use crate::explore::single_run::digest_of;
use crate::report::{FORMAT_VERSION, readable};
use crate::scenario::{Overrides, Problem, Scenario, Secrets, from_environment};
use crate::text::{pretty, word};

/// One combination of what `--grid` varies.
#[derive(Debug, Clone)]
pub struct Cell {
    /// The keys that make it, and their values.
    pub set: Vec<(String, String)>,
    /// The scenario with them, with the first seed that is possible.
    pub scenario: Scenario,
    /// The whole of it, from which each seed's is read.
    toml: String,
}

/// A sweep: cells times seeds.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The scenario's name.
    pub name: String,
    /// The variant that was asked for.
    pub variant: Option<String>,
    /// Every cell; one without a grid.
    pub cells: Vec<Cell>,
    /// Every cell runs with each of these.
    pub seeds: Seeds,
    /// Which share of the runs is this process's.
    pub shard: Shard,
    /// The command lines that were given, where there was one.
    pub given: Option<Given>,
    axes: Vec<Axis>,
    /// The keys that were overridden besides, as `--set` takes them.
    sets: Vec<String>,
}

/// Command lines that repeat it.
#[derive(Debug, Clone)]
pub struct Given {
    /// The one that makes the whole sweep.
    pub command: String,
    /// The one that makes one run, but for what the cell varies and the seed.
    pub run: String,
}

impl Given {
    /// The keys under which a header has them. They tell no sweep from another.
    pub const KEYS: [&str; 2] = ["command", "run"];
}

/// One run of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Which cell.
    pub cell: usize,
    /// Which seed.
    pub seed: u64,
}

impl Plan {
    /// Checks every cell with the first seed that is possible.
    ///
    /// # Errors
    /// The first [`Problem`] found.
    pub fn new(
        source_name: &str,
        name: &str,
        text: &str,
        overrides: &Overrides,
        axes: Vec<Axis>,
        seeds: Seeds,
        shard: Shard,
    ) -> Result<Plan, Problem> {
        let cell = |set: Vec<(String, String)>| {
            let more = set.iter().map(|(path, value)| format!("{path}={value}"));
            let sets: Vec<String> = overrides.sets.iter().cloned().chain(more).collect();
            let load = |seed: u64| {
                let (variant, sets) = (overrides.variant.clone(), Vec::clone(&sets));
                let overrides = Overrides { seed: Some(seed), variant, sets, ..Overrides::default() };
                crate::scenario::load(source_name, name, text, &overrides)
            };
            // Where faults draw the same target, a seed may be impossible: that is no reason to refuse the others.
            let scenario = possible(seeds.0.clone(), load)?;
            Ok(Cell { set: grid::shown(&axes, &set), toml: scenario.resolved().to_string(), scenario })
        };
        let cells = grid::cells(&axes).into_iter().map(cell).collect::<Result<_, Problem>>()?;
        let (variant, sets) = (overrides.variant.clone(), overrides.sets.clone());
        Ok(Plan { name: name.to_string(), variant, cells, seeds, shard, given: None, axes, sets })
    }

    /// Every run of this share, in order.
    pub fn points(&self) -> impl Iterator<Item = Point> + '_ {
        let all = (0..self.cells.len()).flat_map(|cell| self.seeds.0.clone().map(move |seed| Point { cell, seed }));
        (0..).zip(all).filter(|(number, _)| self.shard.has(*number)).map(|(_, point)| point)
    }

    /// The command line that makes one run.
    pub fn command(&self, point: Point) -> String {
        let file = || format!("shakedown run {}.toml", self.name);
        let mut line = self.given.as_ref().map_or_else(file, |given| given.run.clone());
        for (path, value) in &self.cells[point.cell].set {
            let _ = write!(line, " --set {}", word(&from_environment(&format!("{path}={value}"))));
        }
        let _ = write!(line, " --seed {}", point.seed);
        line
    }

    /// The scenario of one run.
    ///
    /// # Errors
    /// When it is impossible with this seed, as far as that decides which targets faults strike.
    pub fn scenario(&self, point: Point) -> Result<Scenario, Problem> {
        let overrides = Overrides { seed: Some(point.seed), ..Overrides::default() };
        let cell = &self.cells[point.cell];
        crate::scenario::load(&format!("{} with seed {}", self.name, point.seed), &self.name, &cell.toml, &overrides)
    }

    /// The whole of which this is a share.
    pub fn whole(&self) -> Plan {
        Plan { shard: Shard::WHOLE, ..self.clone() }
    }

    /// How many runs this share has.
    pub fn runs(&self) -> u64 {
        let all = (self.seeds.0.end - self.seeds.0.start).saturating_mul(self.cells.len() as u64);
        all / self.shard.of + u64::from(self.shard.index < all % self.shard.of)
    }

    /// `sweep.json`: what tells this sweep from any other.
    pub fn header(&self) -> String {
        pretty(&self.header_json())
    }

    /// The same, before it is a text.
    pub fn header_json(&self) -> serde_json::Value {
        let cells = self.cells.iter().map(|cell| {
            let set: serde_json::Map<_, _> =
                cell.set.iter().map(|(path, value)| (path.clone(), json!(value))).collect();
            json!({ "set": set, "scenario_hash": cell.scenario.hash(), "scenario_toml": cell.toml })
        });
        let mut header = json!({
            "format_version": FORMAT_VERSION,
            "scenario": self.name,
            "title": self.cells.first().map(|cell| cell.scenario.title()),
            "driver": Driver::Sim.name(),
            "seeds": self.seeds.to_string(),
            "variant": self.variant,
            "shard": (self.shard != Shard::WHOLE).then(|| self.shard.to_string()),
            "version": env!("CARGO_PKG_VERSION"),
            "metrics": self.shown(),
            "cells": cells.collect::<Vec<_>>(),
        });
        if let Some(given) = &self.given {
            for (key, line) in Given::KEYS.into_iter().zip([&given.command, &given.run]) {
                header[key] = json!(line);
            }
        }
        header
    }

    /// The metrics that are shown of its runs: those that its cells have in common.
    pub fn shown(&self) -> Vec<String> {
        let mut all = self.cells.iter().map(|cell| crate::metrics::shown(&cell.scenario.layout()));
        let mut common = all.next().unwrap_or_default();
        all.for_each(|other| common.retain(|name| other.contains(name)));
        common.iter().map(|name| name.as_str().to_string()).collect()
    }

    /// The plan that a header was written from.
    ///
    /// # Errors
    /// What is wrong with the header.
    pub fn from_header(text: &str) -> Result<Plan, String> {
        let document: serde_json::Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        readable(&document)?;
        let text = |key: &str| document[key].as_str().ok_or_else(|| format!("no `{key}`"));
        let name = text("scenario")?;
        let seeds: Seeds = text("seeds")?.parse()?;
        let mut cells = Vec::new();
        for cell in document["cells"].as_array().ok_or("no `cells`")? {
            let toml = cell["scenario_toml"].as_str().ok_or("a cell without `scenario_toml`")?;
            // Its seed is one with which it is possible.
            let overrides = Overrides { secrets: Secrets::Unneeded, ..Overrides::default() };
            let scenario = crate::scenario::load("scenario_toml", name, toml, &overrides);
            let scenario = scenario.map_err(|error| error.to_string())?;
            let set = cell["set"].as_object().into_iter().flatten();
            let set = set.map(|(path, value)| (path.clone(), value.as_str().unwrap_or_default().to_string()));
            cells.push(Cell { set: set.collect(), toml: toml.to_string(), scenario });
        }
        let [command, run] = Given::KEYS.map(|key| document[key].as_str().map(str::to_string));
        let given = command.zip(run).map(|(command, run)| Given { command, run });
        Ok(Plan {
            name: name.to_string(),
            variant: document["variant"].as_str().map(str::to_string),
            cells,
            seeds,
            shard: document["shard"].as_str().map_or(Ok(Shard::WHOLE), str::parse)?,
            given,
            axes: Vec::new(),
            sets: Vec::new(),
        })
    }

    /// What its folder is called: `sweep-0-1000`, with the variant, with part of a hash where anything was overridden,
    /// and with the share. A hunt's begins with `hunt`.
    pub fn folder_name(&self, kind: &str) -> String {
        let mut name = format!("{kind}-{}-{}", self.seeds.0.start, self.seeds.0.end);
        if let Some(variant) = &self.variant {
            name.push_str(&format!("-{variant}"));
        }
        if !self.sets.is_empty() || !self.axes.is_empty() {
            let hash = digest_of(self.cells.iter().map(|cell| cell.toml.as_str()));
            name.push_str(&format!("-{}", &hash[..8]));
        }
        if self.shard != Shard::WHOLE {
            name.push_str(&format!("-shard-{}-of-{}", self.shard.index, self.shard.of));
        }
        name
    }
}
