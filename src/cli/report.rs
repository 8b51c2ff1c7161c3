//! `shakedown report`, and the documents that `--format` prints.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::judged::annotations;
use super::output::{Failure, machine, print};
use crate::explore::{report_files, rewrite_page};
use crate::report::formats;
use crate::report::page::{PageError, Recorded};

pub(super) const EXAMPLES: &str = "\
Examples:
  shakedown report results/failover/sim-1
  shakedown report results/failover/sim-1 --format markdown > comment.md
  shakedown report results/failover/sim-1 --format junit > junit.xml
  shakedown report results/failover/sim-1 --format openmetrics > series.om

Nothing runs again: report.html is made from the recorded files, as are the others. It needs no network.";

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Folders of runs, sweeps or comparisons
    #[arg(required = true, value_name = "FOLDER")]
    folders: Vec<PathBuf>,
    /// What to make: the page, into each folder, or a document of one run on standard output
    #[arg(long, value_enum, default_value_t = Made::Html)]
    format: Made,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Made {
    /// report.html, in the folder
    Html,
    /// For a comment on a pull request
    Markdown,
    /// Every metric and its value
    Csv,
    /// Expectations and invariants as test cases
    Junit,
    /// The series, for a time-series database
    Openmetrics,
    /// The recorded summary
    Json,
}

/// What a run prints on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Document {
    /// Tables to read
    Text,
    /// The summary
    Json,
    /// For a comment on a pull request
    Markdown,
    /// Every metric and its value
    Csv,
    /// Expectations and invariants as test cases
    Junit,
    /// What failed, as annotations that GitHub shows beside the lines of the scenario
    Github,
    /// The series, for a time-series database
    Openmetrics,
}

impl Document {
    /// Prints it, made from a run's files. Of text nothing: that was said as it came.
    pub(super) fn print(self, files: &[(String, Vec<u8>)], scenario: &Path) -> Result<(), Failure> {
        let made = match self {
            Document::Text => return Ok(()),
            Document::Github => {
                return print(&annotations(&formats::suite(Recorded(files)).map_err(machine)?, scenario));
            }
            Document::Json => Made::Json,
            Document::Markdown => Made::Markdown,
            Document::Csv => Made::Csv,
            Document::Junit => Made::Junit,
            Document::Openmetrics => Made::Openmetrics,
        };
        print(&document(made, files).map_err(machine)?)
    }
}

fn document(made: Made, files: &[(String, Vec<u8>)]) -> Result<String, PageError> {
    let recorded = Recorded(files);
    recorded.is_readable()?;
    match made {
        Made::Markdown => formats::markdown(recorded),
        Made::Csv => formats::csv(recorded),
        Made::Junit => formats::junit(recorded),
        Made::Openmetrics => formats::openmetrics(recorded),
        Made::Html | Made::Json => recorded.text("summary.json").map(str::to_string),
    }
}

pub(super) fn report(args: &ReportArgs) -> Result<(), Failure> {
    if args.format == Made::Html {
        for folder in &args.folders {
            let page = rewrite_page(folder).map_err(Failure::Machine)?;
            print(&format!("{}\n", page.display()))?;
        }
        return Ok(());
    }
    let [folder] = &args.folders[..] else {
        return Err(Failure::Input("error: a document is of one run: give one folder, or --format html".into()));
    };
    let files = report_files(folder).map_err(Failure::Machine)?;
    let document =
        document(args.format, &files).map_err(|error| Failure::Machine(format!("{}: {error}", folder.display())))?;
    print(&document)
}
