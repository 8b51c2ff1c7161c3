//! Runs over turmoil: one at a time, with digest and metrics, as in the simulator.

use super::live_error::LiveError;
use super::single_run::{Finished, Observers, Progress};
use crate::driver::Driver;
use crate::driver::live;
use crate::driver::live::turmoil::{self, Ended, ProgramReport, Programs, TICK};
use crate::metrics::{MetricName, Subject};
use crate::record::Recorder;
use crate::scenario::Scenario;
use crate::time::{Timestamp, human};

/// Runs a scenario over turmoil. Every event goes to `extra` too; `watch` ends the run by returning false.
///
/// # Errors
/// [`LiveError`] when the scenario asks for what turmoil can't do, with the whole list, before anything is run; or when
/// turmoil fails.
pub fn once_with(
    scenario: &Scenario,
    extra: &mut impl Recorder,
    watch: impl FnMut(Progress) -> bool,
) -> Result<Finished, LiveError> {
    with_programs(scenario, &Programs::default(), extra, watch).map(|(finished, _)| finished)
}

/// The same with programs of the user's in the place of some groups, and what they told. What those groups would have
/// been measured by at their own end is not known, and what is expected of it not judged.
///
/// # Errors
/// As [`once_with`], or when a server's program fails.
pub fn with_programs(
    scenario: &Scenario,
    programs: &Programs,
    extra: &mut impl Recorder,
    mut watch: impl FnMut(Progress) -> bool,
) -> Result<(Finished, ProgramReport), LiveError> {
    let keys = turmoil::refused_with(scenario, programs);
    if !keys.is_empty() {
        return Err(LiveError::Refused { place: "over turmoil", keys });
    }
    let end = Timestamp::ZERO + scenario.duration();
    let watch =
        |progress: live::Progress| watch(Progress { now: progress.now, end, events: progress.events, clients: None });
    let mut recorder = (Observers::new(scenario, programs.servers.is_empty() && programs.clients.is_empty()), extra);
    let (ended, told) = turmoil::run_with(scenario, programs, &mut recorder, watch)?;
    let Ended { at, events, partial } = ended;
    let mut finished = recorder.0.finish(scenario, Driver::Turmoil, at, events, partial);
    finished.deviations = deviations(programs);
    let of_program = |name: &MetricName| {
        let (subject, group) = name.subject();
        subject == Subject::Server && programs.servers.contains_key(group)
    };
    finished.retain(|name| !of_program(name));
    Ok((finished, told))
}

/// In what a run over turmoil differs from one in the simulator.
fn deviations(programs: &Programs) -> Vec<String> {
    let groups: Vec<&str> = programs.servers.keys().chain(programs.clients.keys()).map(String::as_str).collect();
    if groups.is_empty() {
        return vec!["none: turmoil carries what programs of the user's say, and none take part".into()];
    }
    vec![
        format!(
            "connections of programs of the user's are turmoil's, which moves what is under way once in {}: a connect \
             takes it one way, where TCP takes a round trip, so connects, ways and partitions are played by the simulator",
            human(TICK)
        ),
        format!(
            "programs of the user's own play {}: their timers have whole milliseconds, what they say and hear \
             waits for turmoil's steps, and hanging holds up their connections, not their timers",
            groups.join(", ")
        ),
    ]
}
