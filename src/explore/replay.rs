//! Runs made to look at a few sessions.

use std::io::{self, Write};

use super::single_run::Progress;
use crate::driver;
use crate::driver::sim::Simulation;
use crate::event::Event;
use crate::record::Recorder;
use crate::replay;
use crate::replay::{Exemplar, Filter, Finder, Lines, Listener, Perfetto, Rest, Trace, Which};
use crate::scenario::Scenario;
use crate::time::Timestamp;

/// Runs a scenario and finds at most `count` sessions, as client group and number in it.
pub fn find(scenario: &Scenario, which: Which, count: usize) -> Vec<(u16, u32)> {
    let mut finder = Finder::new(which);
    driver::run(scenario, &mut finder);
    finder.found(count)
}

/// Runs a scenario and listens to these sessions. Those that had not started when it ended have no trace.
pub fn trace(scenario: &Scenario, sessions: &[(u16, u32)]) -> Vec<Trace> {
    let mut simulation = Simulation::new(scenario);
    simulation.listen(sessions.iter().copied());
    let mut listener = Listener::new(sessions);
    let messages = simulation.finish_and_tell(&mut listener);
    listener.traces(&messages, Timestamp::ZERO + scenario.duration())
}

/// The same for examples: the bytes of `exemplars.jsonl`. None when the watcher, which is shown the progress now and then,
/// ended the run by returning false.
pub fn exemplars(scenario: &Scenario, chosen: &[Exemplar], mut watch: impl FnMut(Progress) -> bool) -> Option<Vec<u8>> {
    let sessions: Vec<(u16, u32)> = chosen.iter().map(|exemplar| (exemplar.group, exemplar.index)).collect();
    let first = chosen.iter().map(|exemplar| exemplar.from).min().unwrap_or(Timestamp::ZERO);
    let end = Timestamp::ZERO + scenario.duration();
    let mut simulation = Simulation::new(scenario);
    let mut recorder = (Listener::new(&sessions), Rest::new(chosen));
    let mut watched = |simulation: &Simulation| {
        watch(Progress { now: simulation.now(), end, events: simulation.events(), clients: None })
    };
    // Listening costs: not before there is something to hear.
    while simulation.advance_before(&mut (), first, STRIDE) {
        if !watched(&simulation) {
            return None;
        }
    }
    simulation.listen(sessions.iter().copied());
    let mut cut = false;
    while !cut && simulation.advance(&mut recorder, STRIDE) {
        if !watched(&simulation) {
            return None;
        }
        cut = recorder.1.has_come(simulation.now());
    }
    let traces = recorder.0.traces(&simulation.heard(), simulation.now());
    Some(replay::exemplars(scenario, chosen, &traces, cut).into_bytes())
}

/// Every event of a run that is not made a second time, to look back at a few sessions.
#[derive(Debug, Default)]
pub struct EventLog {
    events: Vec<Event>,
    /// There were more than are kept.
    more: bool,
}

/// The most that are kept: 40 bytes each.
const MOST_KEPT: usize = 1_000_000;

impl Recorder for EventLog {
    fn record(&mut self, event: &Event) {
        if self.events.len() < MOST_KEPT {
            self.events.push(*event);
        } else {
            self.more = true;
        }
    }
}

impl EventLog {
    /// The bytes of `exemplars.jsonl` for a run that ended at a moment: what happened to these sessions, without the
    /// messages that nobody listened to. None where there are no sessions, or more events than are kept.
    pub fn exemplars(&self, scenario: &Scenario, chosen: &[Exemplar], end: Timestamp) -> Option<Vec<u8>> {
        if chosen.is_empty() || self.more {
            return None;
        }
        let sessions: Vec<(u16, u32)> = chosen.iter().map(|exemplar| (exemplar.group, exemplar.index)).collect();
        let mut listener = Listener::new(&sessions);
        self.events.iter().for_each(|event| listener.record(event));
        Some(replay::exemplars(scenario, chosen, &listener.traces(&[], end), false).into_bytes())
    }
}

/// Items worked through between two looks at whether anybody still reads.
const STRIDE: u64 = 10_000;

/// Runs a scenario and writes its events as lines of JSON, those that pass the filter.
///
/// # Errors
/// When they can't be written; the run ends then.
pub fn events(scenario: &Scenario, filter: Filter, out: impl Write) -> io::Result<()> {
    let mut lines = Lines::new(scenario, filter, out);
    run_while(scenario, &mut lines, |lines| !lines.failed());
    lines.finish().map(drop)
}

/// Runs a scenario and writes it as a trace for Perfetto, with a track for each of these sessions.
///
/// # Errors
/// When it can't be written; the run ends then.
pub fn perfetto(scenario: &Scenario, sessions: &[(u16, u32)], out: impl Write) -> io::Result<()> {
    let mut trace = Perfetto::new(scenario, sessions, out);
    run_while(scenario, &mut trace, |trace| !trace.failed());
    trace.finish(Timestamp::ZERO + scenario.duration())
}

fn run_while<R: Recorder>(scenario: &Scenario, recorder: &mut R, goes_on: impl Fn(&R) -> bool) {
    let mut simulation = Simulation::new(scenario);
    while simulation.advance(recorder, STRIDE) && goes_on(recorder) {}
}
