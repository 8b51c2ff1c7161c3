//! `shakedown verify`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value as Json, json};

use super::judged::JunitArgs;
use super::output::{Failure, Format, print};
use super::progress::{Counter, end_when_interrupted};
use crate::explore::{self, Verdict};
use crate::report::junit::{Case, Outcome as Judged, Suite};
use crate::text::pretty;

#[derive(Debug, Args)]
pub(super) struct VerifyArgs {
    /// Folders to search for recorded runs
    folders: Vec<PathBuf>,
    /// Simulate scenarios with known answers (queueing theory, kernels, papers) and compare: docs/models.md
    #[arg(long)]
    models: bool,
    /// What to print on standard output; with json, one document of all that was verified
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    junit: JunitArgs,
}

pub(super) fn verify(args: &VerifyArgs) -> Result<(), Failure> {
    if args.folders.is_empty() && !args.models {
        let help = "folders with recorded runs (shakedown verify results/), --models, or both";
        return Err(Failure::Input(format!("error: nothing to verify: give {help}")));
    }
    end_when_interrupted();
    let mut document = Map::new();
    document.insert("format_version".into(), json!(1));
    let mut cases = Vec::new();
    let recorded = if args.folders.is_empty() { Ok(()) } else { recorded(args, &mut document, &mut cases) };
    // What differs in one does not keep the other from being looked at; a place that holds no runs does.
    let verified = match recorded {
        Ok(()) | Err(Failure::Broken | Failure::Machine(_)) if args.models => {
            models(args.format, &mut document, &mut cases).and(recorded)
        }
        recorded => recorded,
    };
    if args.format == Format::Json && !matches!(verified, Err(Failure::Input(_))) {
        document.insert("passed".into(), json!(verified.is_ok()));
        print(&pretty(&document))?;
    }
    let suite = Suite { name: "verify".into(), properties: Vec::new(), cases };
    args.junit.tell(&suite, Path::new(""))?;
    verified
}

/// Simulates what has a known answer.
fn models(format: Format, document: &mut Map<String, Json>, cases: &mut Vec<Case>) -> Result<(), Failure> {
    let experiments = explore::models::experiments();
    let counter = Counter::new(0, false);
    let outcomes = explore::models::run(&experiments, &|done, of| counter.watch(done, of));
    counter.finish();
    cases.extend(outcomes.iter().map(|of| Case {
        name: format!("{}: {}", of.experiment, of.answer.what),
        outcome: match of.passed() {
            true => Judged::Passed,
            false => {
                Judged::failed("answer", &format!("expected {}, simulated {}", of.answer.expected, of.estimate.mean))
            }
        },
    }));
    match format {
        Format::Text => print(&explore::models::table(&outcomes))?,
        Format::Json => drop(document.insert("models".into(), explore::models::json(&outcomes))),
    }
    if outcomes.iter().all(explore::models::Outcome::passed) { Ok(()) } else { Err(Failure::Broken) }
}

fn recorded(args: &VerifyArgs, document: &mut Map<String, Json>, cases: &mut Vec<Case>) -> Result<(), Failure> {
    let mut folders = Vec::new();
    for place in &args.folders {
        let found = explore::recorded_runs(place).map_err(|error| unreadable(place, &error))?;
        if found.is_empty() {
            let place = place.display();
            return Err(Failure::Input(format!(
                "error: {place} holds no recorded run (a folder with the run.json of a run that was not interrupted)\n  = \
                 help: `shakedown run` writes one, by default to results/"
            )));
        }
        folders.extend(found);
    }
    let text = args.format == Format::Text;
    let (mut different, mut skipped, mut unreadable) = (0, 0, 0);
    let mut runs = Vec::new();
    for folder in &folders {
        let explore::Verified { folder, verdict } = explore::verify(folder);
        let (word, lines) = match verdict {
            Verdict::Same => ("same      ", Vec::new()),
            Verdict::Different(differences) => {
                different += 1;
                ("DIFFERENT ", differences)
            }
            Verdict::Skipped(why) => {
                skipped += 1;
                ("SKIPPED   ", vec![why])
            }
            Verdict::Unreadable(problem) => {
                unreadable += 1;
                ("UNREADABLE", vec![problem])
            }
        };
        let outcome = match word.trim_end() {
            "same" => Judged::Passed,
            "SKIPPED" => Judged::Skipped(lines.join("\n")),
            word => Judged::failed(if word == "DIFFERENT" { "different" } else { "unreadable" }, &lines.join("\n")),
        };
        cases.push(Case { name: folder.display().to_string(), outcome });
        if text {
            let mut block = format!("{word}  {}\n", folder.display());
            for line in &lines {
                block.push_str(&format!("            {}\n", line.trim_end().replace('\n', "\n            ")));
            }
            print(&block)?;
        }
        runs.push(json!({
            "folder": folder.display().to_string(),
            "same": lines.is_empty(),
            "differences": lines,
        }));
    }
    document.insert("runs".into(), Json::Array(runs));
    if text {
        let counts = [("different", different), ("skipped", skipped), ("unreadable", unreadable)];
        let shown = counts.iter().filter(|(what, count)| *what == "different" || *count > 0);
        let shown: String = shown.map(|(what, count)| format!(", {what}: {count}")).collect();
        print(&format!("recorded runs: {}{shown}\n", folders.len()))?;
    }
    match (different, unreadable) {
        (0, 0) if skipped == folders.len() => Err(Failure::Machine("no recorded run could be repeated".into())),
        (0, 0) => Ok(()),
        (0, _) => Err(Failure::Machine("not every recorded run could be read".into())),
        _ => Err(Failure::Broken),
    }
}

/// Why there is nothing to search in a place, and what to give instead.
fn unreadable(place: &Path, error: &std::io::Error) -> Failure {
    let why = match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such folder".to_string(),
        std::io::ErrorKind::NotADirectory => "it is a file, and runs are recorded in folders".to_string(),
        std::io::ErrorKind::PermissionDenied => "this user may not read it".to_string(),
        _ => error.to_string(),
    };
    let help = "give a folder that `shakedown run` wrote, or one that holds such folders: shakedown verify results/";
    Failure::Input(format!("error: can't verify {}: {why}\n  = help: {help}", place.display()))
}
