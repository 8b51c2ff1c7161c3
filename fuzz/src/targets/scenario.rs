//! Scenarios, and what the command line takes.

use shakedown::check::Expectation;
use shakedown::explore::capacity::objective;
use shakedown::explore::sweep::{Axis, Named, Seeds, Shard};
use shakedown::scenario::{Overrides, Secrets};
use shakedown::time::{self, Nanos};

use super::{outcome, size};

/// One that loads, so that a `--set` meets more than errors.
const VALID: &str = include_str!("../../../scenarios/redirect.toml");

/// No text makes loading a scenario panic, with or without `--set`, nor the message that says what is wrong with it; and a
/// scenario that loads is written to a file that means the same. What follows a NUL is the argument of `--set`.
pub(super) fn run(bytes: &[u8]) -> u64 {
    let Ok(input) = std::str::from_utf8(bytes) else { return 0 };
    let (text, set) = match input.split_once('\0') {
        Some((text, set)) => (text, Some(set)),
        None => (input, None),
    };
    let own = load(text, Vec::new());
    let set = set.map(|set| (load(text, vec![set.to_string()]), load(VALID, vec![set.to_string()])));
    outcome((own, set))
}

fn load(text: &str, sets: Vec<String>) -> String {
    let plain = || Overrides { secrets: Secrets::Unneeded, ..Overrides::default() };
    match shakedown::scenario::load("fuzz.toml", "fuzz", text, &Overrides { sets, ..plain() }) {
        Err(problem) => {
            assert!(!problem.to_string().is_empty());
            // Names and numbers aside, that says which check found it.
            problem.message().split('`').step_by(2).flat_map(|part| part.split(|c: char| c.is_ascii_digit())).collect()
        }
        Ok(scenario) => {
            scenario.layout();
            scenario.directory();
            scenario.notes();
            let written = scenario.resolved();
            match shakedown::scenario::load("resolved.toml", "fuzz", written, &plain()) {
                Ok(again) => assert_eq!(again.resolved(), written),
                Err(problem) => panic!("{written}\n{problem}"),
            }
            format!("loads, {}", size(written.len()))
        }
    }
}

/// No argument makes its reader panic; what is read is written as something that reads the same.
pub(super) fn arguments(bytes: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(bytes) else { return 0 };
    let duration = text.parse::<Nanos>();
    if let Ok(duration) = duration {
        assert_eq!(duration.to_string().parse(), Ok(duration));
        time::human(duration);
    }
    let expectation = text.parse::<Expectation>();
    if let Ok(expectation) = expectation {
        assert_eq!(expectation.to_string().parse(), Ok(expectation));
    }
    let seeds = text.parse::<Seeds>();
    if let Ok(seeds) = &seeds {
        assert_eq!(seeds.to_string().parse().as_ref(), Ok(seeds));
    }
    let read = [
        duration.is_ok(),
        expectation.is_ok(),
        seeds.is_ok(),
        time::meant(text).is_some(),
        text.parse::<Axis>().is_ok(),
        text.parse::<Named>().is_ok(),
        text.parse::<Shard>().is_ok(),
        objective(text).is_ok(),
    ];
    outcome((read, size(text.len()), text.bytes().next()))
}
