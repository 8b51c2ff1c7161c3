//! `shakedown hunt`.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;

use super::invocation::Invocation;
use super::judged::JunitArgs;
use super::options::ManyArgs;
use super::output::{Failure, complain, machine, print};
use super::progress::{Counter, catch_interrupts, interrupted};
use super::results::partial;
use super::share::ShareArgs;
use super::sweep::plan;
use crate::explore::hunt::{
    Broken, Checkpoint, FILE, Found, Hunted, Merged, Shrunk, Tally, document, hunt as search, session, shrink,
};
use crate::explore::sweep::{Plan, Point, Seeds, Shard};
use crate::explore::{self, may_hold_sweep, write_folder};
use crate::replay::{SequenceDiagram, text};
use crate::report::junit::{Case, Outcome, Suite};
use crate::scenario::{Problem, Scenario};
use crate::text::{WIDTH, beside_labels, counted, grouped, visible};
use crate::time::{Nanos, spelled};

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
    #[command(flatten)]
    many: ManyArgs,
    /// Go on with a hunt that was ended or interrupted
    #[arg(long)]
    resume: bool,
    #[command(flatten)]
    share: ShareArgs,
    /// Write what was found into this folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    junit: JunitArgs,
    /// Print what was found only
    #[arg(long)]
    quiet: bool,
}

/// Between two times that it is kept how far a hunt has come.
const KEEP_EVERY: Duration = Duration::from_secs(1);

pub(super) fn hunt(args: &HuntArgs, invocation: &Invocation<'_>) -> Result<(), Failure> {
    let plan = plan(&args.scenario, &args.many, &[], &args.seeds, &args.share)?;
    let out = || PathBuf::from("results").join(&plan.name).join(plan.folder_name("hunt"));
    let folder = args.out.clone().unwrap_or_else(out);
    may_hold_sweep(&folder, &plan.header()).map_err(machine)?;
    let unfinished = partial(&folder);
    let (checkpoint, tally) = Checkpoint::open(&unfinished, &plan, args.resume).map_err(machine)?;
    if !args.quiet {
        print(&headline(&plan, tally.runs))?;
    }
    catch_interrupts();
    let load = |seed: u64| plan.scenario(Point { cell: 0, seed });
    let hunted = searched(args, &plan, &load, &checkpoint, tally)?;
    let Hunted { found, tally, ended } = hunted;
    let Some((seed, broken)) = found else {
        if ended {
            checkpoint.write(&tally).map_err(machine)?;
            print(&nothing(&tally, plan.runs()))?;
            complain(&format!("ended: what was seen is in {}; go on with --resume\n", unfinished.display()))?;
            return if interrupted() { Err(Failure::Interrupted) } else { Ok(()) };
        }
        write_folder(&folder, &[(FILE.into(), document(&plan, &tally, None).into_bytes())]).map_err(machine)?;
        checkpoint.remove();
        print(&nothing(&tally, plan.runs()))?;
        args.judged(&plan, tally.never().map(|never| format!("{never} never happened")).next())?;
        if is_always_the_same(&plan, &load) {
            complain(
                "note: two seeds gave the same events: nothing in this scenario is random, and more seeds find no more. \
                 [chaos], Poisson arrivals, jitter, loss and distributions are\n",
            )?;
        }
        // What never happened here may have happened in another share.
        return if plan.shard == Shard::WHOLE { happened(&tally, plan.runs()) } else { Ok(()) };
    };
    let replay = format!("{} --seed {seed}", invocation.run());
    print(&format!("\nseed {seed} breaks {broken}\nreplay it: {replay}\n"))?;
    args.judged(&plan, Some(format!("seed {seed} breaks {broken}; replay it: {replay}")))?;
    let mut steps = 0;
    let mut step = |what: &str| {
        steps += 1;
        if !args.quiet && steps % 100 == 0 {
            eprintln!("shrinking: {steps} runs, last tried: {what}");
        }
        !interrupted()
    };
    let shrunk = match &broken {
        // There is nothing to try again that would come to an end.
        Broken::Panic(_) => None,
        _ => shrink(&load(seed)?, &broken, &mut step),
    };
    let found = Found::new(seed, broken.to_string(), shrunk.as_ref());
    let mut files = vec![(FILE.to_string(), document(&plan, &tally, Some(&found)).into_bytes())];
    if let (Some(shrunk), Some(repro)) = (&shrunk, found.repro()) {
        files.push((format!("{repro}.toml"), shrunk.toml.clone().into_bytes()));
        files.push((format!("{repro}.txt"), diagram(shrunk, &broken).into_bytes()));
    }
    write_folder(&folder, &files).map_err(machine)?;
    checkpoint.remove();
    if let Some(shrunk) = shrunk.as_ref().filter(|_| !args.quiet) {
        print(&told(shrunk))?;
    }
    ends(&found, &folder)
}

impl HuntArgs {
    /// Tells CI what came out: what broke, or that nothing did.
    fn judged(&self, plan: &Plan, failed: Option<String>) -> Result<(), Failure> {
        let outcome = failed.map_or(Outcome::Passed, |what| Outcome::failed("found", &what));
        let cases = vec![Case { name: format!("nothing breaks with seeds {}", plan.seeds), outcome }];
        let suite = Suite { name: plan.name.clone(), properties: Vec::new(), cases };
        self.junit.tell(&suite, &self.scenario)
    }
}

/// Whether the first two seeds give the same run.
fn is_always_the_same(plan: &Plan, load: &dyn Fn(u64) -> Result<Scenario, Problem>) -> bool {
    let mut seeds = plan.points().map(|point| point.seed);
    let mut digest = || Some(explore::once(&load(seeds.next()?).ok()?, |_| !interrupted()).ok()?.digest);
    digest().zip(digest()).is_some_and(|(one, other)| one == other)
}

/// Looks for a seed that breaks something, and keeps how far it has come.
fn searched(
    args: &HuntArgs,
    plan: &Plan,
    load: &(dyn Fn(u64) -> Result<Scenario, Problem> + Sync),
    checkpoint: &Checkpoint,
    tally: Tally,
) -> Result<Hunted, Failure> {
    let started = Instant::now();
    let late = || args.time.is_some_and(|time| started.elapsed().as_nanos() >= u128::from(time.0));
    let counter = Counter::new(tally.runs as usize, args.quiet);
    let kept = Mutex::new(started);
    let watch = |tally: &Tally| {
        counter.watch(tally.runs as usize, plan.runs() as usize);
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.elapsed() >= KEEP_EVERY {
            *kept = Instant::now();
            // If it can't be kept, less is: the hunt goes on.
            if let Err(error) = checkpoint.write(tally) {
                eprintln!("{error}");
            }
        }
        !interrupted() && !late()
    };
    let left = plan.points().map(|point| point.seed).skip(tally.runs as usize);
    let left: Vec<u64> = left.collect();
    let hunted = args.many.on_threads(|| search(load, left, tally, &Broken::of, &watch));
    counter.finish();
    Ok(hunted??)
}

/// What shares of a hunt came to together.
pub(super) fn merged(merged: &Merged) -> Result<(), Failure> {
    let Merged { plan, tally, found, folder } = merged;
    match found {
        None => {
            print(&nothing(tally, plan.runs()))?;
            happened(tally, plan.runs())
        }
        Some(found) => {
            print(&format!("seed {} breaks {}\n", found.seed, found.broken))?;
            ends(found, folder)
        }
    }
}

fn headline(plan: &Plan, before: u64) -> String {
    let title = plan.cells.first().map_or("", |cell| cell.scenario.title());
    let mut parts = vec![format!("seeds {}", plan.seeds), format!("{} at most", counted(plan.runs(), "run"))];
    if plan.shard != Shard::WHOLE {
        parts.push(format!("share {}", plan.shard));
    }
    if let Some(most) = plan.cells.first().and_then(|cell| cell.scenario.random_faults_max()) {
        parts.push(format!("up to {most} random faults each"));
    }
    if before > 0 {
        parts.push(format!("{} of them done before", grouped(before)));
    }
    let title = beside_labels(&format!("{}: {}", plan.name, visible(title)), 2, WIDTH);
    format!("{title}{}\n", parts.join(" · "))
}

/// No seed broke anything.
fn nothing(tally: &Tally, of: u64) -> String {
    let impossible = match tally.impossible.len() as u64 {
        0 => String::new(),
        many => format!(", {} of them impossible", grouped(many)),
    };
    format!("nothing broke in {} of {}{impossible}\n", grouped(tally.runs), counted(of, "run"))
}

/// Whether a hunt that found nothing has exercised what it was to.
fn happened(tally: &Tally, of: u64) -> Result<(), Failure> {
    for never in tally.never() {
        print(&format!("NEVER   {never}: it must happen in at least one run\n"))?;
    }
    if tally.impossible.len() as u64 == of {
        return Err(Failure::Machine("no run could be made".into()));
    }
    if tally.never().next().is_none() { Ok(()) } else { Err(Failure::Broken) }
}

/// How a hunt that found something ends.
fn ends(found: &Found, folder: &Path) -> Result<(), Failure> {
    let Some(repro) = found.repro() else {
        return Err(Failure::Machine(format!(
            "seed {} comes to no end, or does not break it again when written out: a bug in Shakedown, please report it",
            found.seed
        )));
    };
    print(&format!("it fails by itself: shakedown run {}\n", folder.join(format!("{repro}.toml")).display()))?;
    Err(if found.shrunk { Failure::Broken } else { Failure::Interrupted })
}

/// What is left, in a few lines.
fn told(shrunk: &Shrunk) -> String {
    let scenario = &shrunk.scenario;
    let servers: u32 = scenario.groups().values().map(|group| group.count).sum();
    let mut text = format!(
        "shrunk in {} ({}) to: {}, {}, {}, {} long\n",
        counted(shrunk.steps.len() as u64, "step"),
        counted(shrunk.runs.into(), "run"),
        counted(shrunk.scenario.sessions(), "session"),
        counted(servers.into(), "server"),
        counted(scenario.faults().len() as u64, "fault"),
        spelled(scenario.duration()),
    );
    for violation in &shrunk.finished.violations {
        text.push_str(&format!("  {}: {}\n", violation.invariant.name(), violation.what));
    }
    text
}

/// The life of the session concerned.
fn diagram(shrunk: &Shrunk, broken: &Broken) -> String {
    let sessions: Vec<(u16, u32)> = session(broken, &shrunk.scenario, &shrunk.finished).into_iter().collect();
    let traces = explore::trace(&shrunk.scenario, &sessions);
    let diagram = |trace| text(&SequenceDiagram::new(&shrunk.scenario, None, trace));
    traces.first().map_or_else(|| "no session started\n".into(), diagram)
}
