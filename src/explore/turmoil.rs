//! Runs over turmoil: one at a time, with digest and metrics, as in the simulator.

use super::live::LiveError;
use super::once::{Finished, Observers, Progress};
use crate::driver::live;
use crate::driver::live::turmoil::{self, Ended, TICK};
use crate::record::Recorder;
use crate::scenario::Scenario;
use crate::time::{Nanos, Timestamp, human};

/// Runs a scenario over turmoil. Every event goes to `extra` too; `watch` ends the run by returning false.
///
/// # Errors
/// [`LiveError`] when the scenario asks for what turmoil can't do, with the whole list, before anything is run; or when
/// turmoil fails.
pub fn once_with(
    scenario: &Scenario,
    extra: &mut impl Recorder,
    mut watch: impl FnMut(Progress) -> bool,
) -> Result<Finished, LiveError> {
    let keys = turmoil::refused(scenario);
    if !keys.is_empty() {
        return Err(LiveError::Refused { place: "over turmoil", keys });
    }
    let end = Timestamp::ZERO + scenario.file.duration;
    let watch = |progress: live::Progress| watch(Progress { now: progress.now, end, events: progress.events });
    let mut recorder = (Observers::new(scenario), extra);
    let ended = turmoil::run(scenario, &mut recorder, watch)?;
    let Ended { at, events, partial, late } = ended;
    let mut finished = recorder.0.finish(scenario, "turmoil", at, events, partial);
    finished.deviations = deviations(late);
    Ok(finished)
}

/// In what a run over turmoil differs from one in the simulator.
pub fn deviations(late: Nanos) -> Vec<String> {
    let mut all = vec![format!(
        "connections are turmoil's, which moves what is under way once in {}: a connect takes it one way, where TCP takes \
         a round trip, so connects, ways and partitions are played between the connections and the machines",
        human(TICK)
    )];
    if late > Nanos::ZERO {
        all.push(format!("ways shorter than turmoil's steps: something came {} late", human(late)));
    }
    all
}
