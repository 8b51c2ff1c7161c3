//! `shakedown run`.

use std::path::PathBuf;

use super::again::Again;
use super::progress::{Watcher, catch_interrupts};
use super::{Driver, Failure, Format, RunArgs, ScenarioArgs, complain, live, print, text};
use crate::explore::{Finished, Kept, PreparedFile, Progress, Twin, exemplars, may_hold, once_with, write_folder_with};
use crate::record::Recorder;
use crate::replay::{Chooser, Exemplar, Filter, Lines};
use crate::report;
use crate::scenario::Scenario;
use crate::time::Timestamp;

pub(super) fn run(args: &RunArgs, again: &Again<'_>) -> Result<(), Failure> {
    let real = args.driver == Driver::Tokio;
    let scenario = if real { args.scenario.load_with_programs()? } else { args.scenario.load()? };
    if real {
        if args.events || args.check_determinism {
            let message =
                "error: --events and --check-determinism are for --driver sim: real runs differ, and keep no events";
            return Err(Failure::Input(message.into()));
        }
        return live::both(&scenario, args, again);
    }
    let driver = args.driver.name();
    let mut folder = args.output.out.clone().unwrap_or_else(|| default_folder(&scenario, &args.scenario, driver));
    // Better told now than after the work.
    may_hold(&folder, &scenario, driver).map_err(machine)?;
    let loud = !args.output.quiet;
    let say = |text: &str| say(args.output.text(), text);
    if loud {
        say(&text::headline(&scenario, args.scenario.variant.as_deref(), driver))?;
    }
    catch_interrupts();
    let mut watcher = Watcher::new(args.output.quiet);
    let mut chooser = Chooser::default();
    // What is heard is the simulator's wire; of other runs, what happened to each session is kept.
    let mut kept = (args.driver != Driver::Sim && !args.no_exemplars).then(Kept::default);
    let mut examples = (&mut chooser, &mut kept);
    let (finished, difference, events) = match (args.events, args.check_determinism) {
        (false, false) => (args.driver.run(&scenario, &mut examples, |progress| watcher.watch(progress))?, None, None),
        (_, true) if args.driver != Driver::Sim => {
            let message =
                "error: --check-determinism is for --driver sim: elsewhere, run twice and compare the digests";
            return Err(Failure::Input(message.into()));
        }
        (events, twice) => {
            let prepared =
                events.then(|| PreparedFile::beside(&folder, "events.jsonl")).transpose().map_err(machine)?;
            let out = prepared.as_ref().map(PreparedFile::writer).transpose().map_err(machine)?;
            let lines = out.map(|out| Lines::new(&scenario, Filter::default(), out));
            let mut extra = ((lines, twice.then(|| Twin::new(&scenario))), &mut examples);
            let finished = args.driver.run(&scenario, &mut extra, |progress| watcher.watch(progress))?;
            let ((lines, twin), _) = extra;
            lines
                .map(Lines::finish)
                .transpose()
                .map_err(|error| machine(format!("can't write the events: {error}")))?;
            let difference = twin.and_then(|twin| twin.finish(finished.partial));
            (finished, difference, prepared)
        }
    };
    let took = watcher.finish();
    let chosen = if args.no_exemplars || finished.partial { Vec::new() } else { chooser.chosen() };
    let exemplars = match &kept {
        Some(kept) => kept.exemplars(&scenario, &chosen, Timestamp::ZERO + scenario.duration()),
        None => look_again(&scenario, &chosen, args),
    };
    // The run came to its end, and its folder does not have all that it would have.
    let impatient = kept.is_none() && !chosen.is_empty() && exemplars.is_none();
    let command = again.command();
    let mut run = finished.run(&scenario, args.scenario.variant.as_deref());
    run.command = Some(&command);
    if finished.partial || impatient {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        folder.set_file_name(format!("{name}-partial"));
    }
    let mut files = report::files(&run).map_err(machine)?;
    files.extend(exemplars.map(|lines| (EXEMPLARS.to_string(), lines)));
    let written = write_folder_with(&folder, &files, events);
    if loud {
        say(&text::summary(&scenario, &finished.measured))?;
        say(&text::violations(&scenario, &finished.violations))?;
        say(&text::verdicts(&finished.verdicts))?;
    } else if !finished.held() {
        say(&text::violations(&scenario, &finished.violations))?;
        let broken: Vec<_> = finished.verdicts.iter().filter(|verdict| !verdict.held).cloned().collect();
        say(&text::verdicts(&broken))?;
    }
    match &difference {
        Some(difference) => say(&difference.to_string())?,
        None if args.check_determinism && loud => {
            say(&format!("deterministic: {} events, twice the same\n", crate::text::grouped(finished.events)))?;
        }
        None => {}
    }
    // The numbers are told even when they could not be kept.
    args.output.format.print(&files)?;
    written.map_err(machine)?;
    if loud {
        say(&text::footer(&folder, took, &finished, scenario.sessions()))?;
    }
    say(&format!("digest {}\n", finished.digest))?;
    if finished.partial {
        complain(&format!("interrupted at {} of virtual time\n", crate::time::human(finished_at(&finished))))?;
        return Err(Failure::Interrupted);
    }
    if impatient {
        complain("interrupted while sessions were looked at again: there is no exemplars.jsonl\n")?;
        return Err(Failure::Interrupted);
    }
    if finished.held() && difference.is_none() { Ok(()) } else { Err(Failure::Broken) }
}

impl Driver {
    fn name(self) -> &'static str {
        match self {
            Driver::Sim => "sim",
            #[cfg(feature = "turmoil")]
            Driver::Turmoil => "turmoil",
            Driver::Tokio => "tokio",
        }
    }

    /// A deterministic run.
    fn run(
        self,
        scenario: &Scenario,
        extra: &mut impl Recorder,
        watch: impl FnMut(Progress) -> bool,
    ) -> Result<Finished, Failure> {
        match self {
            #[cfg(feature = "turmoil")]
            Driver::Turmoil => Ok(crate::explore::turmoil::once_with(scenario, extra, watch)?),
            _ => Ok(once_with(scenario, extra, watch)),
        }
    }
}

/// The sessions that are kept as examples of a run.
pub(super) const EXEMPLARS: &str = "exemplars.jsonl";

/// Makes the run again for the sessions that are examples. None when there are none, or nobody wants to wait for them.
fn look_again(scenario: &Scenario, chosen: &[Exemplar], args: &RunArgs) -> Option<Vec<u8>> {
    if chosen.is_empty() {
        return None;
    }
    let mut watcher = Watcher::new(args.output.quiet);
    let lines = exemplars(scenario, chosen, |progress| watcher.watch(progress));
    watcher.finish();
    lines
}

pub(super) fn machine(error: impl ToString) -> Failure {
    Failure::Machine(error.to_string())
}

fn finished_at(finished: &crate::explore::Finished) -> crate::time::Nanos {
    finished.measured.series.ends.last().map_or(crate::time::Nanos::ZERO, |end| crate::time::Nanos(end.0))
}

/// `results/SCENARIO/DRIVER-SEED`, with the variant's name, or part of the scenario's hash where `--set` was used.
pub(super) fn default_folder(scenario: &Scenario, args: &ScenarioArgs, driver: &str) -> PathBuf {
    let mut name = format!("{driver}-{}", scenario.seed().0);
    if let Some(variant) = &args.variant {
        name.push_str(&format!("-{variant}"));
    }
    if !args.sets.is_empty() {
        name.push_str(&format!("-{}", &scenario.hash()[..8]));
    }
    PathBuf::from("results").join(scenario.name()).join(name)
}

/// Text for people: on standard output, or on standard error when JSON has that for itself.
pub(super) fn say(format: Format, text: &str) -> Result<(), Failure> {
    match format {
        Format::Text => print(text),
        Format::Json => complain(text),
    }
}
