//! Examples of the help text that can't be typed would be worse than none.

use clap::{CommandFactory, Parser};

use super::Cli;

/// The command lines in a help text: each begins with the program, and may go on after a backslash.
fn examples(help: &str) -> Vec<Vec<String>> {
    let whole = help.replace("\\\n", " ");
    let lines = whole.lines().filter_map(|line| line.strip_prefix("  shakedown "));
    // What the shell does with the output is the shell's.
    lines
        .map(|line| {
            let end = [" | ", " > "].into_iter().filter_map(|end| line.find(end)).min().unwrap_or(line.len());
            shlex::split(&line[..end]).unwrap_or_else(|| panic!("{line}"))
        })
        .collect()
}

#[test]
fn every_command_has_examples_that_parse() {
    let cli = Cli::command();
    let help_of = |command: &clap::Command| command.get_after_help().map(ToString::to_string).unwrap_or_default();
    for words in examples(&help_of(&cli)) {
        Cli::try_parse_from(std::iter::once("shakedown".to_string()).chain(words))
            .unwrap_or_else(|error| panic!("{error}"));
    }
    for command in cli.get_subcommands() {
        let name = command.get_name();
        let examples = examples(&help_of(command));
        assert!(examples.iter().any(|words| words[0] == name), "the help of {name} has no example");
        for words in examples {
            let words = std::iter::once("shakedown".to_string()).chain(words);
            Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

/// The command lines of the program in a Markdown text's blocks for the shell.
fn typed(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut fence: Option<&str> = None;
    for line in text.replace("\\\n", " ").lines() {
        if let Some(word) = line.strip_prefix("```") {
            fence = if fence.is_some() { None } else { Some(word) };
            continue;
        }
        let line = match fence {
            Some(word) if word.starts_with("sh") => line,
            Some(word) if word.starts_with("console") => line.strip_prefix("$ ").unwrap_or_default(),
            _ => continue,
        };
        let Some(words) = ["shakedown ", "cargo run --release -- "].iter().find_map(|start| line.strip_prefix(start))
        else {
            continue;
        };
        let end =
            [" | ", " > ", " 2> ", " 2>&1", " && ", " || ", " #", " &"].iter().filter_map(|end| words.find(end)).min();
        lines.push(words[..end.unwrap_or(words.len())].to_string());
    }
    lines
}

#[test]
fn every_command_in_the_docs_can_be_typed() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages =
        docs.filter(|path| path.extension().is_some_and(|ending| ending == "md")).chain([root.join("README.md")]);
    let mut count = 0;
    for page in pages {
        for line in typed(&std::fs::read_to_string(&page).unwrap()) {
            let words = shlex::split(&line).unwrap_or_else(|| panic!("{}: {line}", page.display()));
            let words = std::iter::once("shakedown".to_string()).chain(words);
            Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{}: {line}\n{error}", page.display()));
            count += 1;
        }
    }
    assert!(count > 20, "{count}");
}
