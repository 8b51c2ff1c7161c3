//! What commands print, and how they fail.

use std::io::Write;

use clap::ValueEnum;

use crate::explore::{RunError, Unaffordable};
use crate::scenario::Problem;

/// Why a command failed, and so its exit code.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// Exit code 1: an expectation or an invariant failed, or a recorded run came out differently. Already reported.
    #[error("")]
    Broken,
    /// Exit code 2: bad usage or a bad scenario.
    #[error("{0}")]
    Input(String),
    /// Exit code 3: the run could not start or write.
    #[error("error: {0}")]
    Machine(String),
    /// Exit code 130: interrupted. Already reported.
    #[error("")]
    Interrupted,
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        match problem.is_of_machine() {
            true => Failure::Machine(problem.message().to_string()),
            false => Failure::Input(problem.to_string()),
        }
    }
}

impl From<Unaffordable> for Failure {
    fn from(error: Unaffordable) -> Failure {
        match error {
            Unaffordable::Time { .. } => Failure::Input(error.to_string()),
            Unaffordable::Memory { .. } => Failure::Machine(error.to_string()),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Failure {
        Failure::Input(error.to_string())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A table to read
    Text,
    /// A JSON document
    Json,
}

/// Writes to standard output. Who closes the pipe (`… | head`) has read enough: that is no failure.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    written(std::io::stdout().write_all(text.as_bytes()))
}

/// Writes to standard error; the same holds for it.
pub(super) fn complain(text: &str) -> Result<(), Failure> {
    written(std::io::stderr().write_all(in_words(text).as_bytes()))
}

/// A message without the numbers that a system gives its errors: the words say the same.
pub(super) fn in_words(text: &str) -> String {
    let (mut plain, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once(" (os error ") {
        plain.push_str(before);
        let number = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-').len();
        rest = match after[number..].strip_prefix(')') {
            Some(rest) => rest,
            None => {
                plain.push_str(" (os error ");
                after
            }
        };
    }
    plain + rest
}

/// Text for people: on standard output, or on standard error when JSON has that for itself.
pub(super) fn say(format: Format, text: &str) -> Result<(), Failure> {
    match format {
        Format::Text => print(text),
        Format::Json => complain(text),
    }
}

pub(super) fn machine(error: impl ToString) -> Failure {
    Failure::Machine(error.to_string())
}

pub(super) fn written(result: std::io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::Machine(error.to_string())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_errors_are_left_out() {
        assert_eq!(in_words("a: No space left on device (os error 28)\n"), "a: No space left on device\n");
        assert_eq!(in_words("x (os error 1) y (os error -2) z (os error"), "x y z (os error");
        assert_eq!(in_words("a (os error x)"), "a (os error x)");
    }
}
