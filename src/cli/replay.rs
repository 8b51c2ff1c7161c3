//! `shakedown replay`.

use std::io::{IsTerminal, Write};

use clap::{Args, ValueEnum};

use super::options::{ScenarioArgs, afford};
use super::output::{Failure, complain, print, written};
use super::progress::end_when_interrupted;
use crate::event;
use crate::explore;
use crate::handshake::Mode;
use crate::replay::{Filter, SequenceDiagram, Which, pcapng, svg, text};
use crate::scenario::{Scenario, nearest};
use crate::time::Nanos;

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    #[command(flatten)]
    scenario: ScenarioArgs,
    /// Run it however much time and memory it would take
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    pick: PickArgs,
    /// How many sessions to draw of those that are picked
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "session")]
    count: u32,
    /// How to draw
    #[arg(long, value_enum, default_value_t = Drawing::Text)]
    format: Drawing,
    #[command(flatten)]
    filter: FilterArgs,
}

/// Which events `--format jsonl` prints: those that pass all that is given.
#[derive(Debug, Args)]
struct FilterArgs {
    /// With jsonl: events at this server, or of this group's, or that name it (can be repeated)
    #[arg(long = "server", value_name = "NAME")]
    servers: Vec<String>,
    /// With jsonl: events of this kind, such as attempt_failed (can be repeated)
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<String>,
    /// With jsonl: events at this time or later: 19s, 19.5s, 19500ms
    #[arg(long, value_name = "TIME")]
    from: Option<Nanos>,
    /// With jsonl: events before this time
    #[arg(long, value_name = "TIME")]
    until: Option<Nanos>,
}

#[derive(Debug, Args)]
#[group(required = false, multiple = false)]
struct PickArgs {
    /// This session: its group and its number there, from 0
    #[arg(long, value_name = "GROUP-N")]
    session: Option<String>,
    /// The first sessions of which an attempt failed
    #[arg(long)]
    failed: bool,
    /// The sessions that took longest to open; those that never did come first
    #[arg(long)]
    slowest: bool,
    /// The first sessions that followed a redirect
    #[arg(long)]
    redirected: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Drawing {
    /// At most 100 columns wide
    Text,
    /// A picture; of one session
    Svg,
    /// Events, a line of JSON each; of all sessions unless some are picked
    Jsonl,
    /// A capture of what their connections carried, for Wireshark and tshark
    Pcapng,
    /// A trace for ui.perfetto.dev: faults, servers with their queues and workers, the sessions that are picked
    Perfetto,
}

pub(super) fn replay(args: &ReplayArgs) -> Result<(), Failure> {
    let scenario = args.scenario.load()?;
    afford(&scenario, args.force, 1)?;
    end_when_interrupted();
    if args.format == Drawing::Svg && args.count > 1 {
        return Err(Failure::Input("error: a picture is of one session: leave out --count, or --format svg".into()));
    }
    let none = |what: String| {
        complain(&format!("{what}\n"))?;
        Err(Failure::Broken)
    };
    let filter = filter(&scenario, args)?;
    let sessions = match &args.pick {
        PickArgs { session: Some(name), .. } => vec![named(&scenario, name)?],
        PickArgs { failed: false, redirected: false, slowest: false, .. } if args.format == Drawing::Jsonl => {
            return print_events(&scenario, filter);
        }
        PickArgs { failed: false, redirected: false, slowest: false, .. } if args.format == Drawing::Perfetto => {
            return print_perfetto(&scenario, &[]);
        }
        PickArgs { failed: false, redirected: false, slowest: false, .. } => {
            let which = "a session is required: give --session GROUP-N, --failed, --slowest or --redirected";
            return Err(Failure::Input(format!("error: {which}")));
        }
        pick => {
            let (which, what) = match pick {
                PickArgs { failed: true, .. } => (Which::Failed, "every attempt of every session came off"),
                PickArgs { redirected: true, .. } => (Which::Redirected, "no session followed a redirect"),
                _ => (Which::Slowest, "no session started"),
            };
            let found = explore::find(&scenario, which, args.count as usize);
            if found.is_empty() {
                return none(format!("no session to draw: {what}"));
            }
            found
        }
    };
    if args.format == Drawing::Jsonl {
        return print_events(&scenario, Filter { sessions: Some(sessions), ..filter });
    }
    if args.format == Drawing::Perfetto {
        return print_perfetto(&scenario, &sessions);
    }
    let traces = explore::trace(&scenario, &sessions);
    if traces.is_empty() {
        return none("no session to draw: the run ends before it starts".into());
    }
    if args.format == Drawing::Pcapng {
        if let Some(trace) =
            traces.iter().find(|trace| scenario.clients()[usize::from(trace.group)].mode == Mode::ExtendedConnect)
        {
            let (group, _) = scenario.clients().get_index(usize::from(trace.group)).expect("its group");
            let message = format!(
                "error: `{group}` speaks HTTP/2, of which there are no captures: its frames are simulated, HPACK is not"
            );
            return Err(Failure::Input(message));
        }
        if std::io::stdout().is_terminal() {
            return Err(Failure::Input(
                "error: a capture is not for a terminal: redirect it, `> session.pcapng`".into(),
            ));
        }
        let capture = pcapng(&scenario, args.scenario.variant.as_deref(), &traces);
        return written(std::io::stdout().write_all(&capture));
    }
    for (number, trace) in traces.iter().enumerate() {
        let diagram = SequenceDiagram::new(&scenario, args.scenario.variant.as_deref(), trace);
        if number > 0 {
            print("\n\n")?;
        }
        let draw = if args.format == Drawing::Svg { svg } else { text };
        print(&draw(&diagram))?;
    }
    Ok(())
}

fn print_events(scenario: &Scenario, filter: Filter) -> Result<(), Failure> {
    let out = std::io::BufWriter::new(std::io::stdout().lock());
    written(explore::events(scenario, filter, out))
}

fn print_perfetto(scenario: &Scenario, sessions: &[(u16, u32)]) -> Result<(), Failure> {
    let out = std::io::BufWriter::new(std::io::stdout().lock());
    written(explore::perfetto(scenario, sessions, out))
}

/// What is asked for, with servers and kinds looked up.
fn filter(scenario: &Scenario, args: &ReplayArgs) -> Result<Filter, Failure> {
    let FilterArgs { servers, kinds, from, until } = &args.filter;
    let any = !servers.is_empty() || !kinds.is_empty() || from.is_some() || until.is_some();
    if any && args.format != Drawing::Jsonl {
        let message = "error: --server, --kind, --from and --until choose among events: give --format jsonl, too";
        return Err(Failure::Input(message.into()));
    }
    let mut wanted = Vec::new();
    for name in servers {
        let of_it = scenario.servers().iter().enumerate().filter(|(_, server)| {
            server.name == *name || server.name.rsplit_once('-').is_some_and(|(group, _)| group == name)
        });
        let before = wanted.len();
        wanted.extend(of_it.map(|(number, _)| number as u32));
        if wanted.len() == before {
            return Err(unknown("server", name, scenario.servers().iter().map(|server| server.name.as_str())));
        }
    }
    if let Some(kind) = kinds.iter().find(|kind| event::names().all(|name| name != **kind)) {
        return Err(unknown("kind of event", kind, event::names()));
    }
    Ok(Filter {
        sessions: None,
        servers: Some(wanted).filter(|wanted| !wanted.is_empty()),
        kinds: Some(kinds.clone()).filter(|kinds| !kinds.is_empty()),
        from: *from,
        until: *until,
    })
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Failure {
    let help = match nearest(name, known.clone()) {
        Some(near) => format!("the nearest is `{near}`"),
        None => format!("there is `{}`", known.take(80).collect::<Vec<_>>().join("`, `")),
    };
    Failure::Input(format!("error: no {what} is named `{name}`: {help}"))
}

/// The session that a name means: `players-17` is number 17 of the group `players`.
pub(super) fn named(scenario: &Scenario, name: &str) -> Result<(u16, u32), Failure> {
    let clients = scenario.clients();
    let first = clients.keys().next().map_or("players", String::as_str);
    let number = |(group, number): (&'_ str, &str)| Some((group.to_string(), number.parse::<u64>().ok()?));
    let Some((group, index)) = name.rsplit_once('-').and_then(number) else {
        return Err(Failure::Input(format!(
            "error: `{name}` is no session: a session's name is its group's and its number there, such as `{first}-17`"
        )));
    };
    let Some(place) = clients.get_index_of(&group) else {
        let near = nearest(&group, clients.keys().map(String::as_str));
        let help = match near {
            Some(near) => format!("the nearest name is `{near}`"),
            None => format!("there is `{}`", clients.keys().cloned().collect::<Vec<_>>().join("`, `")),
        };
        return Err(Failure::Input(format!("error: no client group is named `{group}`: {help}")));
    };
    let count = u64::from(clients[place].count);
    if index >= count {
        let last = count.saturating_sub(1);
        let message = format!("error: there is no `{name}`: the sessions of `{group}` are {group}-0 to {group}-{last}");
        return Err(Failure::Input(message));
    }
    Ok((place as u16, index as u32))
}
