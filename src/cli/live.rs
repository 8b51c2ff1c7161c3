//! `shakedown serve`, `shakedown load` and `shakedown run --driver tokio`.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value as Json, json};

use super::capture::Capture;
use super::invocation::Invocation;
use super::options::{DriverArg, OutputArgs, RunArgs, ScenarioArgs};
use super::output::{Failure, Format, complain, machine, say};
use super::results::{EXEMPLARS, Results, partial};
use super::{text, watch};
use crate::driver::live::{Lateness, Part, Setup, Told};
use crate::event::Event;
use crate::explore::live::{self, Live};
use crate::explore::programs::{Outputs, Programs};
use crate::explore::{LiveError, PreparedFile, Unreached, Watched};
use crate::record::Recorder;
use crate::replay::{Filter, Lines, Names};
use crate::scenario::{Played, Scenario};
use crate::text::{WIDTH, grouped, pretty, wrapped};
use crate::time::{Nanos, human};

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    scenario: ScenarioArgs,
    /// Listen on this address
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    bind: IpAddr,
    /// Write a JSON object of server names and their addresses to this file
    #[arg(long, value_name = "FILE")]
    ports: Option<PathBuf>,
    /// Where a server listens: gateway-0=9000; of a group, its first server: the others have the next ports (can be repeated)
    #[arg(long = "port", value_name = "NAME=PORT", value_delimiter = ',')]
    port: Vec<String>,
    /// Print what happens, a line for each event
    #[arg(long)]
    log: bool,
    /// Serve what was counted so far as OpenMetrics text at http://ADDRESS/metrics: 127.0.0.1:9464
    #[arg(long = "metrics", value_name = "ADDRESS")]
    metrics_address: Option<SocketAddr>,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
pub(super) struct LoadArgs {
    #[command(flatten)]
    scenario: ScenarioArgs,
    /// Where a server, a proxy, a group or a DNS name of the scenario really is (can be repeated)
    #[arg(long = "target", value_name = "NAME=URL", value_delimiter = ',', required = true)]
    targets: Vec<String>,
    /// Threads that the clients are spread over [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// Take every certificate, whoever's it is
    #[arg(long)]
    insecure: bool,
    /// Trust the certificates in this PEM file, too
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    cacert: Option<PathBuf>,
    /// Serve what was counted so far as OpenMetrics text at http://ADDRESS/metrics: 127.0.0.1:9464
    #[arg(long = "metrics", value_name = "ADDRESS")]
    metrics_address: Option<SocketAddr>,
    #[command(flatten)]
    output: OutputArgs,
}

impl From<LiveError> for Failure {
    fn from(error: LiveError) -> Failure {
        match error {
            LiveError::Refused { .. } | LiveError::Target(_) | LiveError::Scenario(_) => {
                Failure::Input(error.to_string())
            }
            LiveError::Limits(_) | LiveError::Io(_) => Failure::Machine(error.to_string()),
        }
    }
}

/// A session that starts later than its schedule by more than this is worth a word.
const BEHIND: Nanos = Nanos::from_millis(50);

/// `run --driver tokio`, and `run --driver kernel`.
pub(super) fn both(args: &RunArgs, invocation: &Invocation<'_>) -> Result<(), Failure> {
    let scenario = args.scenario.load_with_programs()?;
    let programs = match args.allow_commands {
        true => Programs::Allowed { here: args.scenario.scenario.parent().unwrap_or(Path::new("")) },
        false => Programs::Refused,
    };
    let (mut setup, outputs) = match args.driver {
        DriverArg::Kernel => live::on_wire(&scenario, programs)?,
        _ => live::both_with_programs(&scenario, programs)?,
    };
    let capture = args.capture.as_ref().map(|file| Capture::begin(file, &scenario)).transpose()?;
    setup.tap = capture.as_ref().map(Capture::tap);
    let results = results(&scenario, &setup, &args.scenario, &args.output, invocation);
    let keeps = Keeps { exemplars: !args.no_exemplars, events: args.events, log: false, metrics: args.metrics_address };
    let played = play(&results, &setup, &outputs, keeps, |_| {});
    if let Some(capture) = &capture {
        let (file, packets) = capture.finish()?;
        results.say_loud(&format!("{} packets are in {}\n", grouped(packets), file.display()))?;
    }
    played
}

pub(super) fn serve(args: &ServeArgs, invocation: &Invocation<'_>) -> Result<(), Failure> {
    let mut scenario = args.scenario.load_part(Played::Servers)?;
    let mut setup = live::servers(&mut scenario, args.bind)?;
    setup.ports = live::ports(&scenario, &args.port)?;
    if let Some(file) = &args.ports {
        may_replace_ports(file, setup.authority.is_some())?;
    }
    let results = results(&scenario, &setup, &args.scenario, &args.output, invocation);
    let mut told = Ok(());
    let keeps = Keeps { log: args.log, metrics: args.metrics_address, ..Keeps::default() };
    let played = play(&results, &setup, &Outputs::default(), keeps, |addresses| {
        told = tell(&scenario, args, &setup, addresses);
    });
    told.and(played)
}

fn results<'a>(
    scenario: &'a Scenario,
    setup: &Setup,
    args: &'a ScenarioArgs,
    output: &'a OutputArgs,
    invocation: &'a Invocation<'a>,
) -> Results<'a> {
    Results { scenario, args, output, invocation, driver: live::driver_of(setup) }
}

/// Says where the servers listen, and whom their clients must trust.
fn tell(scenario: &Scenario, args: &ServeArgs, setup: &Setup, addresses: &[SocketAddr]) -> Result<(), Failure> {
    let names = scenario.servers().iter().map(|server| &server.name);
    let mut document = Map::new();
    for (name, address) in names.zip(addresses) {
        say(args.output.text(), &format!("{name} listens on {address}\n"))?;
        document.insert(name.clone(), json!(address.to_string()));
    }
    match (&args.ports, &setup.authority) {
        (None, None) => Ok(()),
        (None, Some(_)) => {
            let text = "their certificates are this run's own: --ports FILE writes whom to trust beside it\n";
            say(args.output.text(), text)
        }
        (Some(file), None) => write_whole(file, &pretty(&document)),
        (Some(file), Some(authority)) => {
            let pem = file.with_extension("pem");
            write_whole(&pem, &format!("{PEM_MARK}\n{}", authority.pem()))?;
            say(args.output.text(), &format!("clients must trust {}\n", pem.display()))?;
            write_whole(file, &pretty(&document))
        }
    }
}

/// The first line of a file of certificates that `serve` wrote. Readers skip what comes before the first certificate
/// (RFC 7468 section 2).
const PEM_MARK: &str = "# shakedown: who vouches for the servers of one run";

/// Whether `--ports FILE`, and the certificates beside it, would replace nothing but what an earlier `serve` wrote.
fn may_replace_ports(file: &Path, with_pem: bool) -> Result<(), Failure> {
    let refuse = |file: &Path| {
        let message = format!("error: {} is there, and no file that `serve --ports` wrote", file.display());
        Err(Failure::Input(format!("{message}\nhelp: move it away, or give another name")))
    };
    let is_address = |value: &serde_json::Value| value.as_str().is_some_and(|text| text.parse::<SocketAddr>().is_ok());
    if let Ok(bytes) = std::fs::read(file) {
        let document: Option<Map<String, serde_json::Value>> = serde_json::from_slice(&bytes).ok();
        if !document.is_some_and(|document| document.values().all(is_address)) {
            return refuse(file);
        }
    }
    let pem = file.with_extension("pem");
    match std::fs::read(&pem) {
        Ok(bytes) if with_pem && !bytes.starts_with(PEM_MARK.as_bytes()) => refuse(&pem),
        _ => Ok(()),
    }
}

/// Whole or not at all: whoever waits for the file reads it as soon as it is there.
fn write_whole(file: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| machine(format!("can't write {}: {error}", file.display()));
    let place = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut fresh = tempfile::NamedTempFile::new_in(place).map_err(failed)?;
    std::io::Write::write_all(&mut fresh, text.as_bytes()).map_err(failed)?;
    fresh.persist(file).map_err(|error| failed(error.error))?;
    Ok(())
}

pub(super) fn load(args: &LoadArgs, invocation: &Invocation<'_>) -> Result<(), Failure> {
    let mut scenario = args.scenario.load_part(Played::Clients)?;
    let mut setup = live::clients(&mut scenario, &args.targets, args.insecure)?;
    if let Some(file) = &args.cacert {
        live::trust(&mut setup, file)?;
    }
    let cores = || std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
    setup.threads = args.threads.unwrap_or_else(cores);
    if args.insecure {
        complain("WARNING: --insecure: certificates are not checked, so anybody may be at the other end\n")?;
    }
    let results = results(&scenario, &setup, &args.scenario, &args.output, invocation);
    let keeps = Keeps { exemplars: true, metrics: args.metrics_address, ..Keeps::default() };
    play(&results, &setup, &Outputs::default(), keeps, |_| {})
}

/// What is kept besides the numbers.
#[derive(Debug, Clone, Copy, Default)]
struct Keeps {
    /// Sample sessions.
    exemplars: bool,
    /// Every event.
    events: bool,
    /// Nothing, but every event is printed as it happens.
    log: bool,
    /// Nothing, but what was counted is served here.
    metrics: Option<SocketAddr>,
}

/// Prints events as they happen.
struct Log<'a> {
    names: Names<'a>,
    to: Format,
}

impl Recorder for Log<'_> {
    fn record(&mut self, event: &Event) {
        self.names.learn(event);
        // Whoever no longer reads it has not asked for the run to end.
        let _ = say(self.to, &format!("{}\n", self.names.text(event)));
    }
}

/// Plays what was asked for.
fn play(
    results: &Results<'_>,
    setup: &Setup,
    outputs: &Outputs,
    keeps: Keeps,
    ready: impl FnOnce(&[SocketAddr]),
) -> Result<(), Failure> {
    let scenario = results.scenario;
    let serves = setup.part == Part::Servers;
    let mut watcher = results.begin()?;
    // Until Ctrl-C, mostly: how far it has come is nobody's question.
    watcher.quiet |= serves;
    let out = results.output.out.clone();
    let mut folder = out.unwrap_or_else(|| live::next_folder(&results.default_folder()));
    let prepared = keeps.events.then(|| PreparedFile::beside(&folder, "events.jsonl")).transpose().map_err(machine)?;
    let lines = prepared.as_ref().map(PreparedFile::writer).transpose().map_err(machine)?;
    let mut lines = lines.map(|out| Lines::new(scenario, Filter::default(), out));
    let log = keeps.log.then(|| Log { names: Names::new(scenario), to: results.output.text() });
    let plays = (setup.part != Part::Servers, setup.part != Part::Clients);
    let watched = keeps.metrics.map(|_| Watched::new(scenario, plays));
    if let Some((address, watched)) = keeps.metrics.zip(watched.as_ref()) {
        let own = watch::serve(address, watched)?;
        results.say_loud(&format!("metrics at http://{own}/metrics\n"))?;
    }
    let mut extra = (&mut lines, (log, watched));
    let played = live::live_with(scenario, setup, &mut extra, ready, |progress| watcher.watch(progress));
    let took = watcher.finish();
    let Live { finished, exemplars, visits, unreached, not_judged, behind, over_limit, died, told } = match played {
        Ok(live) => live,
        Err(error) => {
            // What a program that did not start had to say is lost otherwise.
            complain(&outputs.last_lines())?;
            return Err(error.into());
        }
    };
    let written = lines.map(Lines::finish).transpose();
    written.map_err(|error| machine(format!("can't write the events: {error}")))?;
    if finished.partial {
        folder = partial(&folder);
    }
    let mut files = results.files(&finished)?;
    if serves {
        files.retain(|(name, _)| ["run.json", "summary.json", "series.csv"].contains(&name.as_str()));
        files.push(("visits.json".into(), visits_json(scenario, &visits).into_bytes()));
    }
    files.extend(exemplars.filter(|_| keeps.exemplars).map(|lines| (EXEMPLARS.to_string(), lines)));
    files.extend(outputs.files());
    files.extend(told.iter().map(|told| ("wire.json".to_string(), wire_json(scenario, told).into_bytes())));
    results.keep(&folder, &files, prepared, || match serves {
        true => results.say(&text::visits(scenario, &visits)),
        false => results.tell(&finished),
    })?;
    if not_judged > 0 && setup.part == Part::Clients {
        let (expectations, need) =
            if not_judged == 1 { ("expectation", "it needs") } else { ("expectations", "they need") };
        results.say_loud(&format!(
            "{not_judged} {expectations} skipped: {need} server, fault or DNS data, which `load` does not have\n"
        ))?;
    }
    complain(&unreached.iter().map(of_unreached).collect::<String>())?;
    if behind > BEHIND {
        complain(&format!(
            "WARNING: a session started {} after its schedule, as this machine was busy; what it waited is counted\n",
            human(behind)
        ))?;
    }
    if let Some(told) = &told {
        results.say_loud(&wire_text(told))?;
        complain(&wire_warnings(told))?;
    }
    for (server, status) in &died {
        let name = &scenario.servers()[*server as usize].name;
        complain(&format!("WARNING: {name}'s program ended by itself ({status}): see {name}.log\n"))?;
    }
    if over_limit > 0 {
        complain(&format!(
            "WARNING: {over_limit} connections were closed at once, as there are no more than {} descriptors for them\n",
            setup.connections_max
        ))?;
    }
    results.say_loud(&format!(
        "results in {}\ntook {:.2} s for {} events; no digest, as no two runs on real sockets are the same\n",
        folder.display(),
        took.as_secs_f64(),
        grouped(finished.events),
    ))?;
    match (finished.partial, finished.passed()) {
        (true, _) => {
            complain("interrupted\n")?;
            Err(Failure::Interrupted)
        }
        (false, true) => Ok(()),
        (false, false) => Err(Failure::Broken),
    }
}

/// Which target was not there, and what became of those who tried it.
fn of_unreached(of: &Unreached) -> String {
    let Unreached { authority, socket, names, refused, timed_out } = of;
    let address = match authority.parse() == Ok(*socket) {
        true => authority.clone(),
        false => format!("{authority} ({socket})"),
    };
    let counts = [(refused, "refused"), (timed_out, "not answered in time")].into_iter();
    let counts = counts.filter(|(count, _)| **count > 0).map(|(count, how)| format!("{} {how}", grouped(*count)));
    let (names, counts) = (names.join(", "), counts.collect::<Vec<_>>().join(", "));
    format!("WARNING: no connection to {address} came about, which is the target of {names}: {counts}\n")
}

fn visits_json(scenario: &Scenario, visits: &[crate::explore::ClientCounts]) -> String {
    let visit = |visit: &crate::explore::ClientCounts| {
        let answers: Map<String, Json> =
            visit.answers.iter().map(|(status, count)| (status.to_string(), json!(count))).collect();
        json!({
            "connections": visit.connections,
            "requests": visit.requests,
            "answers": answers,
            "timed_out": visit.timed_out,
            "silent": visit.silent,
            "open_at_end": visit.open,
            "open_max": visit.open_max,
        })
    };
    let servers = scenario.servers().iter().zip(visits);
    let document: Map<String, Json> = servers.map(|(server, of)| (server.name.clone(), visit(of))).collect();
    pretty(&document)
}

/// A wire that hands packets over later than this adds to what is measured.
const WIRE_LATE: Nanos = Nanos::from_millis(1);

fn wire_text(told: &Told) -> String {
    let Told { packets, lost, cut, silent, queue_full, .. } = told;
    let fates =
        [(lost, "lost"), (cut, "cut off"), (silent, "of hosts without power"), (queue_full, "met a full queue")];
    let fates = fates.iter().filter(|(count, _)| **count > 0);
    let fates: String = fates.map(|(count, what)| format!(", {} {what}", grouped(**count))).collect();
    let each = Nanos(told.processor.0.checked_div(*packets).unwrap_or(0));
    let prose = format!(
        "wire: {} packets{fates}; handed over late by {} (p99), {} at most (a thread without work is woken late by {} \
         here); {} of processor time each",
        grouped(*packets),
        human(told.late.quantile(0.99)),
        human(told.late.max),
        human(told.idle.quantile(0.99)),
        human(each)
    );
    format!("{}\n", wrapped(&prose, WIDTH))
}

/// What makes a run's figures those of this machine rather than of the scenario.
fn wire_warnings(told: &Told) -> String {
    let mut text = String::new();
    if told.late.quantile(0.99) > WIRE_LATE {
        let prose = format!(
            "WARNING: the wire was late by more than {} with one packet of a hundred, as this machine was busy: times are \
             longer by that",
            human(WIRE_LATE)
        );
        text += &format!("{}\n", wrapped(&prose, WIDTH));
    }
    let dropped = told.dropped + told.refused;
    if dropped > 0 {
        text +=
            &format!("WARNING: {} packets were dropped by this machine, and not by the scenario\n", grouped(dropped));
    }
    text
}

fn wire_json(scenario: &Scenario, told: &Told) -> String {
    let counted = |counters: &[(String, u64)]| {
        counters.iter().map(|(name, count)| (name.clone(), json!(count))).collect::<Map<String, Json>>()
    };
    let lateness = |late: &Lateness| {
        let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|share| late.quantile(share).0);
        json!({ "p50": p50, "p90": p90, "p99": p99, "max": late.max.0 })
    };
    let servers = scenario.servers().iter().zip(&told.servers);
    let servers: Map<String, Json> =
        servers.map(|(server, counters)| (server.name.clone(), counted(counters).into())).collect();
    pretty(&json!({
        "packets": told.packets,
        "lost": told.lost,
        "cut": told.cut,
        "without_power": told.silent,
        "queue_full": told.queue_full,
        "dropped_by_machine": told.dropped + told.refused,
        "late_ns": lateness(&told.late),
        "idle_late_ns": lateness(&told.idle),
        "processor_ns": told.processor.0,
        "kernels": { "clients": counted(&told.clients), "servers": servers },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_replace_those_of_an_earlier_run_only() {
        let place = tempfile::tempdir().unwrap();
        let (ports, pem) = (place.path().join("ports.json"), place.path().join("ports.pem"));
        assert!(may_replace_ports(&ports, true).is_ok(), "nothing is there");
        write_whole(&ports, r#"{"gateway-0": "127.0.0.1:4000"}"#).unwrap();
        write_whole(&pem, PEM_MARK).unwrap();
        assert!(may_replace_ports(&ports, true).is_ok(), "both are ours");
        write_whole(&pem, "-----BEGIN CERTIFICATE-----").unwrap();
        assert!(may_replace_ports(&ports, true).is_err(), "somebody's certificate");
        assert!(may_replace_ports(&ports, false).is_ok(), "it would not be written");
        write_whole(&ports, "format = 1").unwrap();
        assert!(may_replace_ports(&ports, false).is_err(), "a scenario");
    }
}
