//! Live runs: a scenario's clients, its servers, or both, on real sockets.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::external_clients::{ClientCounts, ExternalClients};
use super::limits;
use super::live_error::LiveError;
use super::programs::{self, Outputs, Programs, Ready};
use super::replay::EventLog;
use super::single_run::{Clients, Finished, Progress};
use super::unreached::{Connects, Unreached};
use crate::check::Invariants;
use crate::client;
use crate::driver::Driver;
use crate::driver::live::{self, Address, Part, Setup};
use crate::event::{Event, Kind};
use crate::http::parse_location;
use crate::machine::EndpointId;
use crate::metrics::{MetricName, Metrics, Phase, Subject};
use crate::record::Recorder;
use crate::replay::Chooser;
use crate::scenario::{Overrides, Played, Scenario, again};
use crate::time::{Nanos, Timestamp};

/// A request that is not whole after this long is ended by `serve`, unless the scenario says otherwise: without that,
/// whoever connects and says nothing would keep its place for ever.
pub const PATIENCE: Nanos = Nanos::from_secs(60);

/// What a live run came to.
#[derive(Debug)]
pub struct Live {
    /// As of any run.
    pub finished: Finished,
    /// The bytes of `exemplars.jsonl`: what happened to a few sessions.
    pub exemplars: Option<Vec<u8>>,
    /// What the servers' clients did, by server: of `serve` alone.
    pub visits: Vec<ClientCounts>,
    /// Targets to which no connection came about: of `load` alone.
    pub unreached: Vec<Unreached>,
    /// Expectations that were not judged, as they are about what was not played.
    pub not_judged: usize,
    /// The longest that a session's start came after its schedule.
    pub behind: Nanos,
    /// Connections that were closed at once, as there were too many.
    pub over_limit: u64,
    /// Programs that ended by themselves, by their servers' numbers, and how.
    pub died: Vec<(u32, String)>,
    /// What the wire counted, if there was one.
    pub told: Option<live::Told>,
}

/// The driver that plays a part.
pub fn driver_of(setup: &Setup) -> Driver {
    match setup.part {
        Part::Both if setup.wire => Driver::Kernel,
        Part::Both => Driver::Tokio,
        Part::Servers => Driver::Serve,
        Part::Clients => Driver::Load,
    }
}

/// Makes a live run of both sides ready, on loopback.
///
/// # Errors
/// [`LiveError`], before anything was opened.
pub fn both(scenario: &Scenario) -> Result<Setup, LiveError> {
    both_with_programs(scenario, Programs::Refused).map(|(setup, _)| setup)
}

/// The same where servers may be programs, and faults run some. What they print goes to the outputs.
///
/// # Errors
/// [`LiveError`], before anything was opened or started.
pub fn both_with_programs(scenario: &Scenario, programs: Programs<'_>) -> Result<(Setup, Outputs), LiveError> {
    refuse(scenario, Part::Both, false)?;
    let connections = scenario.sessions() * connections_at_once(scenario);
    let most = descriptors(scenario, connections, 2)?;
    let sources = limits::sources(connections, limits::ports()).map_err(LiveError::Limits)?;
    let Ready { servers, faults, outputs } = programs::ready(scenario, programs, false)?;
    let authority = authority(scenario)?;
    let setup = Setup { sources, programs: servers, commands: faults, authority, ..setup(Part::Both, most) };
    Ok((setup, outputs))
}

/// Makes a live run of both sides ready, each host with a kernel's network of its own, and a wire between them. The process
/// may get a user namespace of its own by it, which takes that it has one thread only.
///
/// # Errors
/// [`LiveError`], before anything was opened or started.
pub fn on_wire(scenario: &Scenario, programs: Programs<'_>) -> Result<(Setup, Outputs), LiveError> {
    refuse(scenario, Part::Both, true)?;
    live::prepare().map_err(LiveError::Limits)?;
    let connections = scenario.sessions() * connections_at_once(scenario);
    let most = descriptors(scenario, connections, 4).map_err(|error| with_split(scenario, error))?;
    let Ready { servers, faults, outputs } = programs::ready(scenario, programs, true)?;
    let authority = authority(scenario)?;
    let setup = Setup { wire: true, programs: servers, commands: faults, authority, ..setup(Part::Both, most) };
    Ok((setup, outputs))
}

/// What halves the descriptors of a run whose servers are in its own process.
const SPLIT: &str = "or let each server be a `command` of `shakedown serve`: a program has descriptors of its own \
                     (docs/kernel.md#more-connections)";

/// Too many descriptors are half as many where the servers have processes of their own.
fn with_split(scenario: &Scenario, error: LiveError) -> LiveError {
    match error {
        LiveError::Limits(what) if has_machines(scenario) => LiveError::Limits(format!("{what}; {SPLIT}")),
        other => other,
    }
}

/// Whether a server is a machine of this process, and not a program.
fn has_machines(scenario: &Scenario) -> bool {
    scenario.groups().values().any(|group| group.program().is_none())
}

/// Room for the ends of each connection and some that linger, and for so many descriptors of each server.
fn descriptors(scenario: &Scenario, connections: u64, of_server: u64) -> Result<u64, LiveError> {
    let fixed = scenario.servers().len() as u64 * of_server;
    // A program has its own.
    let ends = if has_machines(scenario) { 2 } else { 1 };
    limits::descriptors(connections * ends + connections / 4, fixed).map_err(LiveError::Limits)
}

/// How many connections there may be for a session at a moment: its own, and one for each group on its way that connects to
/// others.
fn connections_at_once(scenario: &Scenario) -> u64 {
    1 + scenario.groups().values().filter(|group| group.opens_connections()).count() as u64
}

/// Makes a live run of the servers ready.
///
/// # Errors
/// [`LiveError`], before anything was opened.
pub fn servers(scenario: &mut Scenario, bind: IpAddr) -> Result<Setup, LiveError> {
    refuse(scenario, Part::Servers, false)?;
    *scenario =
        again(scenario, Overrides { patience: Some(PATIENCE), played: Played::Servers, ..Overrides::default() })?;
    let most = limits::for_strangers(scenario.servers().len() as u64).map_err(LiveError::Limits)?;
    // Where servers dial each other, from another address than strangers are likely to have.
    let sources = match bind {
        IpAddr::V4(v4) if v4.is_loopback() || v4.is_unspecified() => {
            limits::sources(1, limits::ports()).unwrap_or_default()
        }
        IpAddr::V6(v6) if v6.is_unspecified() => vec![IpAddr::V6(Ipv6Addr::LOCALHOST)],
        given => vec![given],
    };
    Ok(Setup { bind, sources, authority: authority(scenario)?, ..setup(Part::Servers, most) })
}

/// Which port servers listen on that were given one: `NAME=PORT` each, and of a group its first member's, which the others follow.
///
/// # Errors
/// [`LiveError`], for what is no server or no port, and for a port that two servers would have.
pub fn ports(scenario: &Scenario, given: &[String]) -> Result<BTreeMap<u32, u16>, LiveError> {
    let mut ports = BTreeMap::new();
    for text in given {
        let wrong = |what: String| LiveError::Target(format!("--port {text}: {what}"));
        let (name, port) = text.split_once('=').ok_or_else(|| wrong("write NAME=PORT".into()))?;
        let members = scenario
            .members(name)
            .ok_or_else(|| wrong(format!("`{name}` is no server, proxy or group of {}", scenario.name())))?;
        let first: u16 =
            port.parse().ok().filter(|port| *port > 0).ok_or_else(|| wrong("a port is 1 to 65535".into()))?;
        for (EndpointId(member), port) in members.iter().zip(u32::from(first)..) {
            let port = u16::try_from(port).map_err(|_| wrong(format!("{name} has {} servers", members.len())))?;
            if ports.values().any(|taken| *taken == port) {
                return Err(wrong(format!("two servers would have port {port}")));
            }
            ports.insert(*member, port);
        }
    }
    Ok(ports)
}

/// Makes a live run of the clients ready: `targets` are `NAME=URL`, a server, a group or a DNS name each.
///
/// # Errors
/// [`LiveError`], before anything was opened.
pub fn clients(scenario: &mut Scenario, targets: &[String], insecure: bool) -> Result<Setup, LiveError> {
    refuse(scenario, Part::Clients, false)?;
    let sessions = scenario.sessions();
    let most = limits::descriptors(sessions + sessions / 4, 0).map_err(LiveError::Limits)?;
    let mut setup = Setup { insecure, ..setup(Part::Clients, most) };
    let mut paths = BTreeMap::new();
    for target in targets {
        let no_target = || LiveError::Target(format!("`{target}` is no target: write NAME=ws://HOST:PORT/path"));
        let (name, url) = target.split_once('=').ok_or_else(no_target)?;
        let members = scenario.endpoints(name).ok_or_else(|| {
            LiveError::Target(format!("`{name}` is no server, proxy, group or DNS name of {}", scenario.name()))
        })?;
        let is_proxy = members.first().is_some_and(|member| is_proxy(scenario, *member));
        let (address, path) = address(url, is_proxy).map_err(LiveError::Target)?;
        for EndpointId(member) in members {
            setup.targets.insert(member, address.clone());
            paths.extend(path.clone().map(|path| (member, path)));
        }
    }
    for (name, client) in scenario.clients() {
        let Some(proxy) = &client.proxy else { continue };
        let members = scenario.members(proxy).unwrap_or_default();
        if members.iter().any(|EndpointId(member)| !setup.targets.contains_key(member)) {
            let help = format!("add --target {proxy}=http://HOST:PORT");
            return Err(LiveError::Target(format!("`{proxy}`, which {name} go through, has no target: {help}")));
        }
    }
    let dialled = |endpoint: &String| (endpoint.clone(), scenario.endpoints(endpoint).unwrap_or_default());
    let clients = scenario.clients().values();
    let dialled: Vec<Vec<_>> = clients.map(|client| client.endpoints.iter().map(dialled).collect()).collect();
    let mut sets = Vec::new();
    for (name, dialled) in scenario.clients().keys().zip(dialled) {
        let mut own = None;
        for (endpoint, EndpointId(member)) in
            dialled.iter().flat_map(|(name, members)| members.iter().map(move |member| (name, *member)))
        {
            if !setup.targets.contains_key(&member) {
                let help = format!("add --target {endpoint}=ws://HOST:PORT");
                return Err(LiveError::Target(format!("`{endpoint}`, where {name} connect to, has no target: {help}")));
            }
            match (own, paths.get(&member)) {
                (Some(one), Some(other)) if one != other => {
                    let message = format!("{name} would ask for {one} and for {other}: a client group has one path");
                    return Err(LiveError::Target(message));
                }
                (_, path) => own = own.or(path),
            }
        }
        if let Some(path) = own {
            sets.push(format!("clients.{name}.path={}", toml::Value::from(path.as_str())));
        }
    }
    if !sets.is_empty() {
        *scenario = again(scenario, Overrides { sets, played: Played::Clients, ..Overrides::default() })?;
    }
    let all: BTreeSet<SocketAddr> = setup.targets.values().map(|target| target.socket).collect();
    let ports = limits::ports();
    // The kernel can use a port for each target; some rest.
    if sessions > ports * all.len() as u64 * 4 / 5 {
        if all.iter().all(|socket| socket.ip().is_loopback() && socket.is_ipv4()) {
            setup.sources = limits::sources(sessions, ports).map_err(LiveError::Limits)?;
        } else {
            return Err(LiveError::Limits(format!(
                "{sessions} clients take more ports than there are ({ports} for each target): widen \
                 net.ipv4.ip_local_port_range (sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\"), give more \
                 targets, or run fewer clients"
            )));
        }
    }
    Ok(setup)
}

/// Reads the certificates of whom `load` trusts besides those whom browsers trust.
///
/// # Errors
/// [`LiveError`], when the file can't be read, or has none.
pub fn trust(setup: &mut Setup, file: &Path) -> Result<(), LiveError> {
    let wrong = |why: &dyn std::fmt::Display| LiveError::Target(format!("{}: {why}", file.display()));
    let pem = std::fs::read(file).map_err(|error| wrong(&error))?;
    setup.roots = live::certificates(&pem).map_err(|error| wrong(&error))?;
    Ok(())
}

/// The certificate authority of servers that have TLS.
fn authority(scenario: &Scenario) -> io::Result<Option<Arc<live::Authority>>> {
    if !scenario.has_tls() {
        return Ok(None);
    }
    Ok(Some(Arc::new(live::Authority::new()?)))
}

fn refuse(scenario: &Scenario, part: Part, wire: bool) -> Result<(), LiveError> {
    match live::refused(scenario, part, wire) {
        found if found.is_empty() => Ok(()),
        keys if wire => Err(LiveError::Refused { place: "on a wire between kernels", keys }),
        keys => Err(LiveError::Refused { place: "on real sockets", keys }),
    }
}

fn setup(part: Part, connections_max: u64) -> Setup {
    Setup {
        part,
        wire: false,
        tap: None,
        bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
        sources: Vec::new(),
        targets: BTreeMap::new(),
        ports: BTreeMap::new(),
        connections_max: usize::try_from(connections_max).unwrap_or(usize::MAX),
        insecure: false,
        roots: Vec::new(),
        authority: None,
        programs: BTreeMap::new(),
        commands: BTreeMap::new(),
        threads: 1,
    }
}

fn is_proxy(scenario: &Scenario, EndpointId(member): EndpointId) -> bool {
    let entry = scenario.servers().get(member as usize);
    entry.is_some_and(|entry| scenario.groups()[entry.group].is_proxy())
}

/// Where a target's URL leads, and its path unless that is left out.
fn address(url: &str, is_proxy: bool) -> Result<(Address, Option<String>), String> {
    let (secure, rest) = match (url.strip_prefix("ws://"), url.strip_prefix("wss://"), url.strip_prefix("http://")) {
        (_, _, Some(rest)) if is_proxy => (false, rest),
        _ if is_proxy => return Err(format!("`{url}` is no proxy: it must begin with http://")),
        (Some(rest), ..) => (false, rest),
        (_, Some(rest), _) => (true, rest),
        _ => return Err(format!("`{url}` is no target: it must begin with ws:// or wss://")),
    };
    let location = parse_location(url, secure, "", "/").map_err(|_| format!("`{url}` is no URL"))?;
    let authority = location.authority.into_owned();
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
    let dialled = match has_port {
        true => authority.clone(),
        false => format!("{authority}:{}", if secure { 443 } else { 80 }),
    };
    let mut found = dialled.to_socket_addrs().map_err(|error| format!("{authority} is not found: {error}"))?;
    let socket = found.next().ok_or_else(|| format!("{authority} has no address"))?;
    let path = rest.contains(['/', '?']).then(|| location.path.into_owned());
    Ok((Address { authority, socket, secure }, path))
}

/// Makes a live run. `ready` is called with the addresses of the servers, by number; `watch` ends the run by returning false.
///
/// # Errors
/// When sockets can't be had.
pub fn live(
    scenario: &Scenario,
    setup: &Setup,
    ready: impl FnOnce(&[SocketAddr]),
    watch: impl FnMut(Progress) -> bool,
) -> Result<Live, LiveError> {
    live_with(scenario, setup, &mut None::<EventLog>, ready, watch)
}

/// The same, for a recorder besides.
///
/// # Errors
/// When sockets can't be had.
pub fn live_with(
    scenario: &Scenario,
    setup: &Setup,
    extra: &mut impl Recorder,
    ready: impl FnOnce(&[SocketAddr]),
    mut watch: impl FnMut(Progress) -> bool,
) -> Result<Live, LiveError> {
    // Bounds of time are not checked on a real machine.
    let invariants = Invariants::new(scenario.sessions() as usize, 0, None);
    let examples = (setup.part != Part::Servers).then(|| (Chooser::default(), EventLog::default()));
    let external = ExternalClients::new(scenario.servers().len());
    let clients = Cell::new(Clients::default());
    let counted = (setup.part != Part::Servers).then_some(Counted(&clients));
    let connects = (setup.part == Part::Clients).then(Connects::default);
    let extra = (connects, extra);
    let mut recorder = (Metrics::new(scenario.layout()), (external, (invariants, (examples, (counted, extra)))));
    let end = Timestamp::ZERO + scenario.duration();
    let watch = |progress: live::Progress| {
        let clients = counted.map(|counted| counted.0.get());
        watch(Progress { now: progress.now, end, events: progress.events, clients })
    };
    let ended = live::run(scenario, setup, &mut recorder, ready, watch)?;
    let (metrics, (external, (invariants, (examples, (_, (connects, _)))))) = recorder;
    let unreached = connects.map_or_else(Vec::new, |connects| connects.finish(scenario, setup));
    let examples = examples.filter(|_| !ended.partial);
    let exemplars = examples.and_then(|(chooser, kept)| kept.exemplars(scenario, &chooser.chosen(), ended.at));
    let firsts = invariants.firsts();
    let violations = invariants.finish(ended.at, Nanos::ZERO, std::iter::empty(), |_| String::new());
    let finished = Finished {
        driver: driver_of(setup),
        violations,
        events: ended.events,
        // Servers that are asked to end have done what they should.
        partial: ended.partial && setup.part != Part::Servers,
        ..Finished::default()
    };
    let mut finished = finished.with(scenario, metrics.finish(ended.at), &firsts, ended.at);
    // What the scenario's own clients and servers would have done is not measured where they do not play.
    let is_played = |name: &MetricName| match setup.part {
        Part::Both => true,
        Part::Servers => {
            let of_clients = ["opened", "fairness"].contains(&name.entry().name);
            name.subject().0 == Subject::Server && name.phase() == Phase::Whole && !of_clients
        }
        Part::Clients => {
            let of_fault = name.as_str().starts_with("faults.");
            matches!(name.subject().0, Subject::Run | Subject::Clients) && !of_fault
        }
    };
    // Programs say nothing of what they do.
    let programs: Vec<&str> = setup
        .programs
        .keys()
        .map(|server| &scenario.servers()[*server as usize])
        .flat_map(|entry| [Some(entry.name.as_str()), group_name(scenario, entry.group)])
        .flatten()
        .collect();
    let is_program = |name: &MetricName| matches!(name.subject(), (Subject::Server, of) if programs.contains(&of));
    let is_played = |name: &MetricName| is_played(name) && !is_program(name);
    let mut not_judged = finished.retain(is_played);
    if setup.part == Part::Servers {
        not_judged += std::mem::take(&mut finished.verdicts).len();
    }
    let visits = if setup.part == Part::Servers { external.finish() } else { Vec::new() };
    Ok(Live {
        finished,
        exemplars,
        visits,
        unreached,
        not_judged,
        behind: ended.behind,
        over_limit: ended.over_limit,
        died: ended.died,
        told: ended.told,
    })
}

/// Counts for whoever watches.
#[derive(Clone, Copy)]
struct Counted<'a>(&'a Cell<Clients>);

impl Recorder for Counted<'_> {
    fn record(&mut self, event: &Event) {
        let Kind::Session(_, event) = event.kind else { return };
        let Clients { open, failed } = self.0.get();
        self.0.set(match event {
            client::Event::Opened { .. } => Clients { open: open + 1, failed },
            client::Event::Lost { .. } | client::Event::Ended => Clients { open: open.saturating_sub(1), failed },
            client::Event::AttemptFailed { .. } => Clients { open, failed: failed + 1 },
            _ => return,
        });
    }
}

fn group_name(scenario: &Scenario, group: usize) -> Option<&str> {
    scenario.groups().get_index(group).map(|(name, _)| name.as_str())
}

/// `PREFIX-1`, or with the next number that nothing has: no live run replaces another.
pub fn next_folder(prefix: &Path) -> PathBuf {
    let name = prefix.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let taken = |folder: &PathBuf| folder.exists() || folder.with_file_name(partial(folder)).exists();
    let folders = (1u64..).map(|number| prefix.with_file_name(format!("{name}-{number}")));
    folders.into_iter().find(|folder| !taken(folder)).unwrap_or_else(|| prefix.to_path_buf())
}

/// The name of a folder whose run was interrupted.
fn partial(folder: &Path) -> String {
    format!("{}-partial", folder.file_name().map(|name| name.to_string_lossy()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_as_urls() {
        let of = |url: &str| address(url, false).map(|(address, path)| (address.authority, address.secure, path));
        assert_eq!(of("ws://127.0.0.1:8080"), Ok(("127.0.0.1:8080".into(), false, None)));
        assert_eq!(of("ws://127.0.0.1:8080/"), Ok(("127.0.0.1:8080".into(), false, Some("/".into()))));
        assert_eq!(of("wss://127.0.0.1/chat?x=1"), Ok(("127.0.0.1".into(), true, Some("/chat?x=1".into()))));
        assert_eq!(address("wss://127.0.0.1", false).unwrap().0.socket.port(), 443);
        assert_eq!(address("ws://[::1]:81", false).unwrap().0.socket.port(), 81);
        assert_eq!(address("http://127.0.0.1:3128/", true).unwrap().0.socket.port(), 3128);
        assert!(address("ws://127.0.0.1:3128", true).is_err());
        for bad in ["127.0.0.1:8080", "http://127.0.0.1/", "ws://", "ws://a b/"] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_live_run_replaces_another() {
        let place = tempfile::tempdir().unwrap();
        let prefix = place.path().join("tokio-1");
        assert_eq!(next_folder(&prefix), place.path().join("tokio-1-1"));
        std::fs::create_dir(place.path().join("tokio-1-1")).unwrap();
        std::fs::create_dir(place.path().join("tokio-1-2-partial")).unwrap();
        assert_eq!(next_folder(&prefix), place.path().join("tokio-1-3"));
    }

    #[test]
    fn who_has_both_ends_in_one_process_hears_how_to_split_them() {
        let overrides = Overrides { programs: true, ..Overrides::default() };
        let said = |server: &str| {
            let text = format!(
                "format = 1\ntitle = 't'\nduration = '1s'\n[servers.s]\n{server}\n\
                 [clients.c]\ncount = 1\nendpoints = ['s']\narrive = 'at_once'\n"
            );
            let scenario = shakedown_scenario::load("t", "t", &text, &overrides).unwrap();
            with_split(&scenario, LiveError::Limits("too many".into())).to_string()
        };
        assert_eq!(said(""), format!("too many; {SPLIT}"));
        assert_eq!(said("command = ['node']"), "too many");
    }
}
