//! `shakedown verify`.

use std::io::Write;

use super::{Failure, VerifyArgs};
use crate::explore;

pub(super) fn verify(args: &VerifyArgs) -> Result<(), Failure> {
    let mut folders = Vec::new();
    for place in &args.folders {
        let found = explore::recorded_runs(place)
            .map_err(|error| Failure::Input(format!("error: can't read {}: {error}", place.display())))?;
        if found.is_empty() {
            let place = place.display();
            return Err(Failure::Input(format!("error: {place} holds no recorded run (a folder with a run.json)")));
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
        std::io::stdout().write_all(text.as_bytes()).map_err(|error| Failure::Machine(error.to_string()))?;
    }
    println!("{} recorded runs, {broken} different", folders.len());
    if broken > 0 { Err(Failure::Broken) } else { Ok(()) }
}
