//! `shakedown run`.

use std::path::PathBuf;

use super::progress::{Watcher, catch_interrupts};
use super::{Driver, Failure, Format, RunArgs, ScenarioArgs, complain, live, print, text};
use crate::explore::{may_hold, once, write_folder};
use crate::report;
use crate::scenario::Scenario;

pub(super) fn run(args: &RunArgs) -> Result<(), Failure> {
    let scenario = args.scenario.load()?;
    if args.driver == Driver::Tokio {
        return live::both(&scenario, args);
    }
    let mut folder = args.output.out.clone().unwrap_or_else(|| default_folder(&scenario, &args.scenario, "sim"));
    // Better told now than after the work.
    may_hold(&folder, &scenario).map_err(|error| Failure::Machine(error.to_string()))?;
    let loud = !args.output.quiet;
    let say = |text: &str| say(args.output.format, text);
    if loud {
        say(&text::headline(&scenario, args.scenario.variant.as_deref(), "sim"))?;
    }
    catch_interrupts();
    let mut watcher = Watcher::new(args.output.quiet);
    let finished = once(&scenario, |progress| watcher.watch(progress));
    let took = watcher.finish();
    let run = finished.run(&scenario, args.scenario.variant.as_deref());
    if finished.partial {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        folder.set_file_name(format!("{name}-partial"));
    }
    let files = report::files(&run).map_err(|error| Failure::Machine(error.to_string()))?;
    let written = write_folder(&folder, &files);
    if loud {
        say(&text::summary(&scenario, &finished.measured))?;
        say(&text::violations(&scenario, &finished.violations))?;
        say(&text::verdicts(&finished.verdicts))?;
    } else if !finished.held() {
        say(&text::violations(&scenario, &finished.violations))?;
        let broken: Vec<_> = finished.verdicts.iter().filter(|verdict| !verdict.held).cloned().collect();
        say(&text::verdicts(&broken))?;
    }
    // The numbers are told even when they could not be kept.
    if args.output.format == Format::Json {
        print(&report::summary(&run))?;
    }
    written.map_err(|error| Failure::Machine(error.to_string()))?;
    if loud {
        say(&text::footer(&folder, took, &finished, scenario.sessions()))?;
    }
    say(&format!("digest {}\n", finished.digest))?;
    if finished.partial {
        complain(&format!("interrupted at {} of virtual time\n", crate::time::human(finished_at(&finished))))?;
        return Err(Failure::Interrupted);
    }
    if finished.held() { Ok(()) } else { Err(Failure::Broken) }
}

fn finished_at(finished: &crate::explore::Finished) -> crate::time::Nanos {
    finished.measured.series.ends.last().map_or(crate::time::Nanos::ZERO, |end| crate::time::Nanos(end.0))
}

/// `results/SCENARIO/DRIVER-SEED`, with the variant's name, or part of the scenario's hash where `--set` was used.
pub(super) fn default_folder(scenario: &Scenario, args: &ScenarioArgs, driver: &str) -> PathBuf {
    let mut name = format!("{driver}-{}", scenario.file.seed.0);
    if let Some(variant) = &args.variant {
        name.push_str(&format!("-{variant}"));
    }
    if !args.sets.is_empty() {
        name.push_str(&format!("-{}", &scenario.hash()[..8]));
    }
    PathBuf::from("results").join(&scenario.name).join(name)
}

/// Text for people: on standard output, or on standard error when JSON has that for itself.
pub(super) fn say(format: Format, text: &str) -> Result<(), Failure> {
    match format {
        Format::Text => print(text),
        Format::Json => complain(text),
    }
}
