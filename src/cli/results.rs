//! What every run leaves, whatever drives it: its folder, what is said of it, and where.

use std::path::{Path, PathBuf};

use super::invocation::Invocation;
use super::options::{OutputArgs, ScenarioArgs};
use super::output::{Failure, machine, say};
use super::progress::{Watcher, catch_interrupts};
use super::text;
use crate::driver::Driver;
use crate::explore::{Finished, PreparedFile, write_folder_with};
use crate::report;
use crate::scenario::Scenario;

/// The file of sample sessions.
pub(super) const EXEMPLARS: &str = "exemplars.jsonl";

/// A run that was asked for.
pub(super) struct Results<'a> {
    pub scenario: &'a Scenario,
    pub args: &'a ScenarioArgs,
    pub output: &'a OutputArgs,
    pub invocation: &'a Invocation<'a>,
    /// What drives it.
    pub driver: Driver,
}

impl Results<'_> {
    /// Text for people.
    pub(super) fn say(&self, text: &str) -> Result<(), Failure> {
        say(self.output.text(), text)
    }

    /// The same, unless they asked for quiet.
    pub(super) fn say_loud(&self, text: &str) -> Result<(), Failure> {
        if self.output.quiet { Ok(()) } else { self.say(text) }
    }

    /// Says what is about to run.
    pub(super) fn begin(&self) -> Result<Watcher, Failure> {
        let (scenario, verbose) = (self.scenario, self.output.verbose);
        let mut text = text::headline(scenario, self.args.variant.as_deref(), self.driver);
        if verbose {
            text += &text::conditions(scenario, self.driver);
        }
        self.say_loud(&format!("{text}\n"))?;
        catch_interrupts();
        Ok(Watcher::new(self.output.quiet))
    }

    /// `results/SCENARIO/DRIVER-SEED`.
    pub(super) fn default_folder(&self) -> PathBuf {
        let name = format!("{}-{}", self.driver, self.scenario.seed().0);
        default_folder(self.scenario, &name, self.args.variant.as_deref(), &self.args.sets)
    }

    /// The files that every run has.
    pub(super) fn files(&self, finished: &Finished) -> Result<Vec<(String, Vec<u8>)>, Failure> {
        let command = self.invocation.command();
        let mut run = finished.run(self.scenario, self.args.variant.as_deref());
        run.command = Some(&command);
        report::files(&run).map_err(machine)
    }

    /// Writes the folder, says what came out, and prints the document that was asked for.
    pub(super) fn keep(
        &self,
        folder: &Path,
        files: &[(String, Vec<u8>)],
        prepared: Option<PreparedFile>,
        tell: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let written = write_folder_with(folder, files, prepared);
        tell()?;
        // The numbers are told even when they could not be kept.
        self.output.format.print(files, &self.args.scenario)?;
        let suite = report::formats::suite(report::page::Recorded(files)).map_err(machine)?;
        self.output.junit.tell(&suite, &self.args.scenario)?;
        written.map_err(machine)
    }

    /// Says what it came to, and what broke; to those who asked for quiet, only the latter. All that was measured is for
    /// those who asked for it.
    pub(super) fn tell(&self, finished: &Finished) -> Result<(), Failure> {
        let OutputArgs { quiet, verbose, .. } = *self.output;
        let run = finished.run(self.scenario, self.args.variant.as_deref());
        self.say_loud(&text::verdict(&run))?;
        self.say(&text::violations(self.scenario, &finished.violations))?;
        self.say(&text::expectations(&finished.verdicts, !quiet, verbose))?;
        if verbose {
            self.say(&text::summary(self.scenario, &finished.measured))?;
        }
        Ok(())
    }
}

/// `results/SCENARIO/NAME`, with the variant's name, and part of the scenario's hash where `--set` was used.
pub(super) fn default_folder(scenario: &Scenario, name: &str, variant: Option<&str>, sets: &[String]) -> PathBuf {
    let mut name = name.to_string();
    if let Some(variant) = variant {
        name.push_str(&format!("-{variant}"));
    }
    if !sets.is_empty() {
        name.push_str(&format!("-{}", &scenario.hash()[..8]));
    }
    PathBuf::from("results").join(scenario.name()).join(name)
}

/// The folder of what is unfinished.
pub(super) fn partial(folder: &Path) -> PathBuf {
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    folder.with_file_name(format!("{name}-partial"))
}
