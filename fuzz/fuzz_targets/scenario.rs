//! No text makes loading a scenario panic, with or without `--set`, nor the message that says what is wrong with it;
//! and a scenario that loads is written to a file that means the same.
//!
//! What follows a NUL in the input is the argument of `--set`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shakedown::scenario::Overrides;

/// One that loads, so that a `--set` meets more than errors.
const VALID: &str = include_str!("../../scenarios/redirect.toml");

fuzz_target!(|input: &str| {
    let (text, set) = match input.split_once('\0') {
        Some((text, set)) => (text, Some(set)),
        None => (input, None),
    };
    load(text, &Overrides::default());
    if let Some(set) = set {
        let overrides = Overrides { sets: vec![set.to_string()], ..Overrides::default() };
        load(text, &overrides);
        load(VALID, &overrides);
    }
});

fn load(text: &str, overrides: &Overrides) {
    match shakedown::scenario::load("fuzz.toml", "fuzz", text, overrides) {
        Err(problem) => assert!(!problem.to_string().is_empty()),
        Ok(scenario) => {
            scenario.layout();
            scenario.directory();
            let written = scenario.resolved();
            match shakedown::scenario::load("resolved.toml", "fuzz", &written, &Overrides::default()) {
                Ok(again) => assert_eq!(again.resolved(), written),
                Err(problem) => panic!("{written}\n{problem}"),
            }
        }
    }
}
