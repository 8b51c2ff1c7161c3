//! `shakedown hunt`.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use clap::Args;
use serde_json::json;

use super::progress::{Counter, catch_interrupts, interrupted};
use super::run::machine;
use super::{Failure, print, read, stem};
use crate::explore::hunt::{Broken, Hunted, Shrunk, hunt as search, shrink};
use crate::explore::sweep::Seeds;
use crate::explore::{self, write_folder};
use crate::replay::{Ladder, Which, text};
use crate::report::grouped;
use crate::scenario::{Overrides, Scenario};
use crate::time::{Nanos, human};

#[derive(Debug, Args)]
pub(super) struct HuntArgs {
    /// The scenario file
    scenario: PathBuf,
    /// The seeds: 0..100000 (without its end), 0..=99999, or one
    #[arg(long, value_name = "RANGE")]
    seeds: Seeds,
    /// End after this long without a find: 30s, 10m
    #[arg(long = "for", value_name = "TIME")]
    time: Option<Nanos>,
    /// Run this variant: the overrides under [variants.NAME]
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
    /// Override a key, after the variant: clients.players.count=1000000 (can be repeated)
    #[arg(long = "set", value_name = "PATH=VALUE")]
    sets: Vec<String>,
    /// How many threads; all cores unless given
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Write what was found into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print what was found only
    #[arg(long)]
    quiet: bool,
}

pub(super) fn hunt(args: &HuntArgs) -> Result<(), Failure> {
    let (shown, file) = read(&args.scenario)?;
    let name = stem(&args.scenario);
    let load = |seed: u64| {
        let overrides = Overrides { seed: Some(seed), variant: args.variant.clone(), sets: args.sets.clone() };
        Scenario::load(&shown, &name, &file, &overrides)
    };
    let first = load(args.seeds.0.start)?;
    let of = args.seeds.0.end - args.seeds.0.start;
    if !args.quiet {
        let chaos = first.file.chaos.as_ref();
        let chaos = chaos.map_or(String::new(), |chaos| format!(" · up to {} random faults each", chaos.faults));
        print(&format!("{name}: {}\nseeds {} · {} runs at most{chaos}\n", first.file.title, args.seeds, grouped(of)))?;
    }
    catch_interrupts();
    let started = Instant::now();
    let late = || args.time.is_some_and(|time| started.elapsed().as_nanos() >= u128::from(time.0));
    let counter = Mutex::new(Counter::new(0));
    let watch = |done: u64| {
        if !args.quiet {
            counter.lock().unwrap_or_else(PoisonError::into_inner).watch(done as usize, of as usize);
        }
        !interrupted() && !late()
    };
    let threads =
        rayon::ThreadPoolBuilder::new().num_threads(args.jobs.map_or(0, usize::from)).build().map_err(machine)?;
    let hunted = threads.install(|| search(&load, args.seeds.0.clone(), &Broken::of, &watch));
    counter.into_inner().unwrap_or_else(PoisonError::into_inner).finish();
    let Some((seed, broken)) = &hunted.found else { return nothing(args, &hunted, of) };
    print(&format!("\nseed {seed} breaks {broken}\nreplay it: shakedown run {shown}{} --seed {seed}\n", again(args)))?;
    if let Broken::Panic(_) = broken {
        return Err(Failure::Machine("that is a bug in Shakedown: please report it with the line above".into()));
    }
    let mut steps = 0;
    let mut step = |what: &str| {
        steps += 1;
        if !args.quiet && steps % 100 == 0 {
            eprintln!("shrinking: {steps} runs, last tried: {what}");
        }
        !interrupted()
    };
    let Some(shrunk) = shrink(&load(*seed)?, broken, &mut step) else {
        return Err(Failure::Machine("written out, the scenario does not break it again: a bug in Shakedown".into()));
    };
    let folder = args.out.clone().unwrap_or_else(|| {
        let variant = args.variant.as_ref().map_or(String::new(), |variant| format!("-{variant}"));
        let name = format!("hunt-{}-{}{variant}", args.seeds.0.start, args.seeds.0.end);
        PathBuf::from("results").join(&first.name).join(name)
    });
    let repro = format!("repro-{}", &shrunk.finished.digest[..8]);
    let files = vec![
        (format!("{repro}.toml"), shrunk.toml.clone().into_bytes()),
        (format!("{repro}.txt"), ladder(&shrunk).into_bytes()),
        ("hunt.json".into(), document(args, &name, *seed, broken, &shrunk).into_bytes()),
    ];
    write_folder(&folder, &files).map_err(machine)?;
    if !args.quiet {
        print(&told(&shrunk))?;
    }
    print(&format!("it fails by itself: shakedown run {}\n", folder.join(format!("{repro}.toml")).display()))?;
    Err(if shrunk.done { Failure::Broken } else { Failure::Interrupted })
}

/// No seed broke anything.
fn nothing(args: &HuntArgs, hunted: &Hunted, of: u64) -> Result<(), Failure> {
    let impossible = match hunted.impossible {
        0 => String::new(),
        many => format!(", {} of them impossible", grouped(many)),
    };
    print(&format!("nothing broke in {} of {} runs{impossible}\n", grouped(hunted.runs), grouped(of)))?;
    if interrupted() {
        return Err(Failure::Interrupted);
    }
    for never in &hunted.never {
        print(&format!("NEVER   {never}: it must happen in at least one run\n"))?;
    }
    if hunted.runs == hunted.impossible {
        return Err(Failure::Machine("no run could be made".into()));
    }
    // A hunt that was ended early may not have come to it yet.
    let ended = hunted.ended && args.time.is_some();
    if hunted.never.is_empty() || ended { Ok(()) } else { Err(Failure::Broken) }
}

/// The options that a replay needs too.
fn again(args: &HuntArgs) -> String {
    let variant = args.variant.iter().map(|variant| format!(" --variant {variant}"));
    let sets = args.sets.iter().map(|set| format!(" --set '{set}'"));
    variant.chain(sets).collect()
}

/// What is left, in a few lines.
fn told(shrunk: &Shrunk) -> String {
    let file = &shrunk.scenario.file;
    let servers: u32 = file.servers.values().map(|group| group.count).sum();
    let mut text = format!(
        "shrunk in {} steps ({} runs) to: sessions {}, servers {servers}, faults {}, {} long\n",
        shrunk.steps.len(),
        grouped(shrunk.runs.into()),
        shrunk.scenario.sessions(),
        file.faults.len(),
        human(file.duration),
    );
    for violation in &shrunk.finished.violations {
        text.push_str(&format!("  {}: {}\n", violation.invariant.name(), violation.what));
    }
    text
}

/// The life of the session concerned; where it is none in particular, that of the one that took longest to open.
fn ladder(shrunk: &Shrunk) -> String {
    let concerned = shrunk.finished.violations.iter().find_map(|violation| violation.session);
    let sessions = match concerned {
        Some(session) => vec![session],
        None => explore::find(&shrunk.scenario, Which::Slowest, 1),
    };
    let traces = explore::trace(&shrunk.scenario, &sessions);
    let ladder = |trace| text(&Ladder::new(&shrunk.scenario, None, trace));
    traces.first().map_or_else(|| "no session started\n".into(), ladder)
}

fn document(args: &HuntArgs, name: &str, seed: u64, broken: &Broken, shrunk: &Shrunk) -> String {
    let document = json!({
        "format_version": crate::report::FORMAT_VERSION,
        "scenario": name,
        "driver": "sim",
        "seeds": args.seeds.to_string(),
        "variant": args.variant,
        "seed": seed,
        "broken": broken.to_string(),
        "digest": shrunk.finished.digest,
        "steps": shrunk.steps,
        "runs": shrunk.runs,
    });
    let text = serde_json::to_string_pretty(&document).expect("a document of strings and numbers can be written");
    format!("{text}\n")
}
