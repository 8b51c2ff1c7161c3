//! Why a run with another driver than the simulator did not come about.

use std::io;

use crate::scenario::Problem;

/// Why a run on real sockets, or over turmoil, did not come about.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    /// The scenario asks for what can't be done there; a line each.
    #[error("error: this scenario can't be played {place}:\n{}", list(keys))]
    Refused {
        /// Where.
        place: &'static str,
        /// What it asks for, and why not.
        keys: Vec<String>,
    },
    /// A target is missing, or is none.
    #[error("error: {0}")]
    Target(String),
    /// The scenario is impossible with what the targets say of it.
    #[error("{0}")]
    Scenario(#[from] Problem),
    /// This machine's limits are too low.
    #[error("{0}")]
    Limits(String),
    /// A socket could not be had.
    #[error("{0}")]
    Io(#[from] io::Error),
}

fn list(lines: &[String]) -> String {
    lines.iter().map(|line| format!("  {line}\n")).collect::<String>().trim_end().to_string()
}
