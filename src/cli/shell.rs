//! `shakedown schema`, `shakedown completions` and `shakedown man`: what editors, shells and `man` want to know.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_complete::Shell;

use super::output::{Failure, print};

/// As the types that read scenarios make it: a test compares (`--features schema`).
pub(super) const SCHEMA: &str = include_str!("../../scenarios/schema.json");

pub(super) const SCHEMA_EXAMPLES: &str = "\
Examples:
  shakedown schema > scenario.schema.json

An editor that reads schemas of TOML (taplo, Even Better TOML, Tombi) completes and checks a scenario whose first line is
  #:schema ./scenario.schema.json";

pub(super) const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  shakedown completions bash > ~/.local/share/bash-completion/completions/shakedown
  shakedown completions zsh > ~/.zfunc/_shakedown
  shakedown completions fish > ~/.config/fish/completions/shakedown.fish";

pub(super) const MAN_EXAMPLES: &str = "\
Examples:
  shakedown man --out ~/.local/share/man/man1";

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// The folder to write into: shakedown.1, and a page for each command
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(super) fn schema() -> Result<(), Failure> {
    print(SCHEMA)
}

pub(super) fn completions(args: &CompletionsArgs, mut all: Command) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut all, "shakedown", &mut script);
    print(&String::from_utf8_lossy(&script))
}

pub(super) fn man(args: &ManArgs, all: Command) -> Result<(), Failure> {
    let shown = args.out.display();
    let failed = |error| Failure::Machine(format!("can't write man pages into {shown}: {error}"));
    std::fs::create_dir_all(&args.out).map_err(failed)?;
    clap_mangen::generate_to(all, &args.out).map_err(failed)?;
    print(&format!("man pages in {shown}\n"))
}
