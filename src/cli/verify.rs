//! `shakedown verify`.

use std::sync::{Mutex, PoisonError};

use super::progress::Counter;
use super::{Failure, VerifyArgs, print};
use crate::explore;

pub(super) fn verify(args: &VerifyArgs) -> Result<(), Failure> {
    if args.folders.is_empty() && !args.models {
        let help = "folders with recorded runs (shakedown verify results/), --models, or both";
        return Err(Failure::Input(format!("error: nothing to verify: give {help}")));
    }
    let recorded = if args.folders.is_empty() { Ok(()) } else { recorded(args) };
    // What differs in one does not keep the other from being looked at; what can't be read does.
    match recorded {
        Ok(()) | Err(Failure::Broken) if args.models => models().and(recorded),
        recorded => recorded,
    }
}

/// Simulates what has a known answer.
fn models() -> Result<(), Failure> {
    let experiments = explore::models::experiments();
    let watcher = Mutex::new(Counter::new());
    let outcomes = explore::models::run(&experiments, &|done, of| {
        // A panic elsewhere ends the process anyway; its count may as well be shown.
        watcher.lock().unwrap_or_else(PoisonError::into_inner).watch(done, of);
    });
    watcher.into_inner().unwrap_or_else(PoisonError::into_inner).finish();
    let table = explore::models::table(&outcomes);
    print(&table)?;
    if outcomes.iter().all(explore::models::Outcome::held) { Ok(()) } else { Err(Failure::Broken) }
}

fn recorded(args: &VerifyArgs) -> Result<(), Failure> {
    let mut folders = Vec::new();
    for place in &args.folders {
        let found = explore::recorded_runs(place)
            .map_err(|error| Failure::Input(format!("error: can't read {}: {error}", place.display())))?;
        if found.is_empty() {
            let place = place.display();
            return Err(Failure::Input(format!(
                "error: {place} holds no recorded run (a folder with the run.json of a run that was not interrupted)"
            )));
        }
        folders.extend(found);
    }
    let mut broken = 0;
    for folder in &folders {
        let verified = explore::verify(folder);
        let verdict = if verified.differences.is_empty() { "same     " } else { "DIFFERENT" };
        let mut text = format!("{verdict}  {}\n", verified.folder.display());
        for difference in &verified.differences {
            text.push_str(&format!("           {}\n", difference.trim_end().replace('\n', "\n           ")));
        }
        broken += usize::from(!verified.differences.is_empty());
        print(&text)?;
    }
    print(&format!("recorded runs: {}, different: {broken}\n", folders.len()))?;
    if broken > 0 { Err(Failure::Broken) } else { Ok(()) }
}
