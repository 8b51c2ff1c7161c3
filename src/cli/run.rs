//! `shakedown run`.

use super::invocation::Invocation;
use super::options::{DriverArg, RunArgs, afford};
use super::output::{Failure, complain, machine};
use super::progress::Watcher;
use super::results::{EXEMPLARS, Results, partial};
use super::{live, text};
use crate::driver::Driver;
use crate::explore::{DeterminismCheck, EventLog, Finished, PreparedFile, Progress, exemplars, may_hold, once_with};
use crate::record::Recorder;
use crate::replay::{Chooser, Exemplar, Filter, Lines};
use crate::scenario::Scenario;
use crate::text::grouped;
use crate::time::{Nanos, Timestamp, human};

pub(super) fn run(args: &RunArgs, invocation: &Invocation<'_>) -> Result<(), Failure> {
    if args.capture.is_some() && args.driver != DriverArg::Kernel {
        let message = "error: --capture is for --driver kernel, which has packets: of a simulated session, `shakedown \
                       replay --format pcapng` writes one";
        return Err(Failure::Input(message.into()));
    }
    if args.metrics_address.is_some() && !matches!(args.driver, DriverArg::Tokio | DriverArg::Kernel) {
        let message = "error: --metrics is for --driver tokio and kernel, which take their time: a simulated run's series are \
                       in `--format openmetrics`";
        return Err(Failure::Input(message.into()));
    }
    if matches!(args.driver, DriverArg::Tokio | DriverArg::Kernel) {
        if args.check_determinism {
            let message = "error: --check-determinism is for --driver sim: real runs differ";
            return Err(Failure::Input(message.into()));
        }
        return live::both(args, invocation);
    }
    if args.check_determinism && args.driver != DriverArg::Sim {
        let message = "error: --check-determinism is for --driver sim: elsewhere, run twice and compare the digests";
        return Err(Failure::Input(message.into()));
    }
    #[cfg(not(feature = "turmoil"))]
    if args.driver == DriverArg::Turmoil {
        return Err(Failure::Input(format!("error: {}", crate::explore::WITHOUT_TURMOIL)));
    }
    let scenario = args.scenario.load()?;
    afford(&scenario, args.force, 1)?;
    let driver = Driver::from(args.driver);
    let results = Results { scenario: &scenario, args: &args.scenario, output: &args.output, invocation, driver };
    let mut folder = args.output.out.clone().unwrap_or_else(|| results.default_folder());
    // Better told now than after the work.
    may_hold(&folder, &scenario, driver).map_err(machine)?;
    let mut watcher = results.begin()?;
    let mut chooser = Chooser::default();
    // What is heard is the simulator's wire; of other runs, what happened to each session is kept.
    let mut kept = (args.driver != DriverArg::Sim && !args.no_exemplars).then(EventLog::default);
    let mut examples = (&mut chooser, &mut kept);
    let mut run =
        |mut extra: &mut dyn Recorder| args.driver.run(&scenario, &mut extra, |progress| watcher.watch(progress));
    let (finished, difference, events) = match (args.events, args.check_determinism) {
        (false, false) => (run(&mut examples)?, None, None),
        (events, twice) => {
            let prepared =
                events.then(|| PreparedFile::beside(&folder, "events.jsonl")).transpose().map_err(machine)?;
            let out = prepared.as_ref().map(PreparedFile::writer).transpose().map_err(machine)?;
            let lines = out.map(|out| Lines::new(&scenario, Filter::default(), out));
            let mut extra = ((lines, twice.then(|| DeterminismCheck::new(&scenario))), &mut examples);
            let finished = run(&mut extra)?;
            let ((lines, check), _) = extra;
            lines
                .map(Lines::finish)
                .transpose()
                .map_err(|error| machine(format!("can't write the events: {error}")))?;
            let difference = check.and_then(|check| check.finish(finished.partial));
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
    if finished.partial || impatient {
        folder = partial(&folder);
    }
    let mut files = results.files(&finished)?;
    files.extend(exemplars.map(|lines| (EXEMPLARS.to_string(), lines)));
    results.keep(&folder, &files, events, || {
        results.tell(&finished)?;
        match &difference {
            Some(difference) => results.say(&difference.to_string()),
            None if args.check_determinism => {
                results.say_loud(&format!("deterministic: {} events, twice the same\n", grouped(finished.events)))
            }
            None => Ok(()),
        }
    })?;
    results.say_loud(&text::footer(&folder, took, &finished, scenario.sessions()))?;
    results.say(&format!("digest {}\n", finished.digest))?;
    if finished.partial {
        let at = finished.measured.series.ends.last().map_or(Nanos::ZERO, |end| Nanos(end.0));
        complain(&format!("interrupted at {} of virtual time\n", human(at)))?;
        return Err(Failure::Interrupted);
    }
    if impatient {
        complain("interrupted while sessions were looked at again: there is no exemplars.jsonl\n")?;
        return Err(Failure::Interrupted);
    }
    if finished.passed() && difference.is_none() { Ok(()) } else { Err(Failure::Broken) }
}

impl From<DriverArg> for Driver {
    fn from(arg: DriverArg) -> Driver {
        match arg {
            DriverArg::Sim => Driver::Sim,
            DriverArg::Turmoil => Driver::Turmoil,
            DriverArg::Tokio => Driver::Tokio,
            DriverArg::Kernel => Driver::Kernel,
        }
    }
}

impl DriverArg {
    /// A deterministic run.
    fn run(
        self,
        scenario: &Scenario,
        extra: &mut impl Recorder,
        watch: impl FnMut(Progress) -> bool,
    ) -> Result<Finished, Failure> {
        match self {
            #[cfg(feature = "turmoil")]
            DriverArg::Turmoil => Ok(crate::explore::turmoil::once_with(scenario, extra, watch)?),
            _ => Ok(once_with(scenario, extra, watch)?),
        }
    }
}

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
