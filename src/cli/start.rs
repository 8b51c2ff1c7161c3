//! `shakedown init` and `shakedown list`: a scenario to begin with, and what others ask.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::options::{read, stem};
use super::output::{Failure, print};
use crate::scenario::{Overrides, Secrets};
use crate::text::wrapped;

/// A scenario that explains itself.
pub(super) const STARTER: &str = include_str!("starter.toml");

pub(super) const INIT_EXAMPLES: &str = "\
Examples:
  shakedown init
  shakedown init my-fleet.toml
  shakedown run my-fleet.toml";

pub(super) const LIST_EXAMPLES: &str = "\
Examples:
  shakedown list
  shakedown list scenarios/hybi";

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// The file to write
    #[arg(default_value = "scenario.toml")]
    file: PathBuf,
    /// Write over a file that is there
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// The folder to search for scenarios
    #[arg(default_value = "scenarios", value_name = "DIR")]
    folder: PathBuf,
}

pub(super) fn init(args: &InitArgs) -> Result<(), Failure> {
    let shown = args.file.display();
    let mut options = std::fs::OpenOptions::new();
    options.write(true);
    // Whether it is there and that it is made are one step, so that nothing is lost in between.
    match args.force {
        true => options.create(true).truncate(true),
        false => options.create_new(true),
    };
    let written = options.open(&args.file).and_then(|mut file| file.write_all(STARTER.as_bytes()));
    written.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::Input(format!(
            "error: {shown} is there already\n  = help: name another file, or write over it with --force"
        )),
        _ => Failure::Machine(format!("can't write {shown}: {error}")),
    })?;
    print(&format!("wrote {shown}; now: shakedown run {shown}\n"))
}

pub(super) fn list(args: &ListArgs) -> Result<(), Failure> {
    let shown = args.folder.display();
    let mut files = Vec::new();
    find(&args.folder, &mut files).map_err(|error| {
        let why = match error.kind() {
            std::io::ErrorKind::NotFound => "there is no such folder here".to_string(),
            std::io::ErrorKind::NotADirectory => "it is no folder".to_string(),
            _ => error.to_string(),
        };
        let help = "name the folder of scenarios: shakedown list DIR; shakedown init writes one to begin with";
        Failure::Input(format!("error: can't read {shown}: {why}\n  = help: {help}"))
    })?;
    files.sort();
    if files.is_empty() {
        return Err(Failure::Input(format!(
            "error: no scenarios in {shown}\n  = help: shakedown init writes one to begin with"
        )));
    }
    let entries: Result<Vec<String>, Failure> = files.iter().map(|file| entry(file)).collect();
    print(&entries?.join("\n"))
}

/// Every TOML file in a folder and those within.
fn find(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, found)?;
        } else if path.extension().is_some_and(|ending| ending == "toml") {
            found.push(path);
        }
    }
    Ok(())
}

/// A scenario's file, title, question, source (of incidents) and variants.
fn entry(file: &Path) -> Result<String, Failure> {
    let (shown, text) = read(file)?;
    let mut entry = format!("{shown}\n");
    let overrides = Overrides { programs: true, secrets: Secrets::Unneeded, ..Overrides::default() };
    match crate::scenario::load(&shown, &stem(file), &text, &overrides) {
        Ok(scenario) => {
            let _ = writeln!(entry, "    {}", scenario.title());
            indent(&mut entry, &question(&text));
            if let Some(source) = source(&text) {
                indent(&mut entry, &format!("source: {source}"));
            }
            if !scenario.variants().is_empty() {
                indent(&mut entry, &format!("variants: {}", scenario.variants().join(", ")));
            }
        }
        Err(problem) => indent(&mut entry, &format!("not a scenario: {}", problem.message())),
    }
    Ok(entry)
}

/// What the opening comment asks; where it asks nothing, its first sentence.
fn question(text: &str) -> String {
    let comment = text.lines().skip_while(|line| line.starts_with("#:")).map_while(|line| line.strip_prefix('#'));
    // Only the first paragraph: what follows says what is assumed.
    let words: Vec<&str> = comment.take_while(|line| !line.trim().is_empty()).flat_map(str::split_whitespace).collect();
    let mut sentences = words.split_inclusive(|word| word.ends_with(['.', '?', '!'])).map(|words| words.join(" "));
    let first = sentences.next().unwrap_or_default();
    let asked: Vec<String> =
        std::iter::once(first.clone()).chain(sentences).filter(|sentence| sentence.ends_with('?')).collect();
    if asked.is_empty() { first } else { asked.join(" ") }
}

/// Where an incident was reported: the paragraph of the opening comment that says so.
fn source(text: &str) -> Option<String> {
    let paragraph = text.lines().skip_while(|line| !line.starts_with("# Source: "));
    let words = paragraph.map_while(|line| line.strip_prefix("# ")).collect::<Vec<_>>().join(" ");
    words.strip_prefix("Source: ").map(str::to_string)
}

/// Adds text as indented lines of at most 100 characters.
fn indent(entry: &mut String, text: &str) {
    for line in wrapped(text, 96).lines() {
        let _ = writeln!(entry, "    {line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_of_an_incident_is_found() {
        let incident = "# What?\n#\n# Source: https://a.example\n# and b\n#\n# Facts: c\nformat = 1";
        assert_eq!(source(incident).as_deref(), Some("https://a.example and b"));
        assert_eq!(source("# What?\nformat = 1"), None);
    }

    #[test]
    fn the_question_of_a_comment_is_found() {
        assert_eq!(question("# A dies. Who\n# notices? Assumed: 20 ms.\nformat = 1\n# Why?"), "Who notices?");
        assert_eq!(question("#:schema x.json\n# A dies. B lives.\n#\n# Why?\nformat = 1"), "A dies.");
        assert_eq!(question("format = 1"), "");
    }
}
