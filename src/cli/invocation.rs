//! The command line that makes the same result, as it is kept with the result: made from the arguments as they were given, so
//! that none can be forgotten.

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};

use crate::scenario::from_environment;
use crate::text::word;

/// Options that say where results go, how fast, or what else is printed and kept, and change nothing of the runs.
const APART: [&str; 15] = [
    "out",
    "format",
    "quiet",
    "verbose",
    "junit",
    "log",
    "metrics_address",
    "jobs",
    "events",
    "check_determinism",
    "no_exemplars",
    "resume",
    "shard",
    "shards",
    "ports",
];

/// What was typed.
pub(super) struct Invocation<'a> {
    command: Command,
    name: &'a str,
    matches: &'a ArgMatches,
}

impl<'a> Invocation<'a> {
    /// Of a program's whole arguments.
    pub(super) fn new(all: &Command, matches: &'a ArgMatches) -> Invocation<'a> {
        let (name, matches) = matches.subcommand().expect("clap asks for a command");
        let command = all.find_subcommand(name).expect("clap found it").clone();
        Invocation { command, name, matches }
    }

    /// The command line that makes the same result. It has no secrets: they are to come from the environment.
    pub(super) fn command(&self) -> String {
        self.line(self.name, |arg| !APART.contains(&arg))
    }

    /// The one that makes a run of the same scenario; what makes it one of the result's is to be added.
    pub(super) fn run(&self) -> String {
        self.line("run", |arg| ["scenario", "variant", "sets"].contains(&arg))
    }

    fn line(&self, name: &str, takes: impl Fn(&str) -> bool) -> String {
        let mut words = vec!["shakedown".to_string(), name.to_string()];
        let given = |arg: &&Arg| self.matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
        let taken = self.command.get_arguments().filter(|arg| takes(arg.get_id().as_str()));
        for arg in taken.filter(given) {
            let id = arg.get_id().as_str();
            let option = arg.get_long().map(|long| format!("--{long}"));
            for values in self.matches.get_raw_occurrences(id).into_iter().flatten() {
                words.extend(option.clone());
                if !arg.get_action().takes_values() {
                    continue;
                }
                let values: Vec<String> = values.map(|value| from_environment(&value.to_string_lossy())).collect();
                match arg.get_value_delimiter() {
                    Some(delimiter) if !values.is_empty() => words.push(word(&values.join(&delimiter.to_string()))),
                    _ => words.extend(values.iter().map(|value| word(value))),
                }
            }
        }
        words.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    fn again(line: &[&str]) -> String {
        let all = Cli::command();
        let matches = all.clone().get_matches_from([&["shakedown"], line].concat());
        Invocation::new(&all, &matches).command()
    }

    #[test]
    fn a_command_can_be_copied_into_a_shell() {
        let run =
            ["run", "--set", "clients.a.count=5", "my scenarios/a.toml", "--set", "title=\"it's\"", "--seed", "7"];
        let more = ["--variant", "no-jitter", "--quiet", "--out", "x"];
        let expected = "shakedown run 'my scenarios/a.toml' --seed 7 --variant no-jitter --set clients.a.count=5 \
                        --set 'title=\"it'\\''s\"'";
        assert_eq!(again(&[&run[..], &more].concat()), expected);
    }

    #[test]
    fn secrets_come_from_the_environment() {
        let run = ["run", "a.toml", "--set", "clients.p.credentials.password=open, sesame"];
        let expected =
            "shakedown run a.toml --set 'clients.p.credentials.password={ env = \"CLIENTS_P_CREDENTIALS_PASSWORD\" }'";
        assert_eq!(again(&run), expected);
    }

    #[test]
    fn flags_lists_and_defaults_come_out_as_they_were_given() {
        let run = ["run", "a.toml", "--driver", "tokio", "--allow-commands", "--check-determinism"];
        assert_eq!(again(&run), "shakedown run a.toml --driver tokio --allow-commands");
        let compare = ["compare", "b.toml", "a.toml", "--variants", "x,y", "--by=outage.p99", "--seeds=0..3"];
        assert_eq!(again(&compare), "shakedown compare b.toml a.toml --by outage.p99 --variants x,y --seeds 0..3");
        let capacity = ["capacity", "a.toml", "--vary", "k", "--slo", "m.p99 < 1s", "--jobs", "2", "--seeds", "5"];
        assert_eq!(again(&capacity), "shakedown capacity a.toml --vary k --slo 'm.p99 < 1s' --seeds 5");
    }
}
