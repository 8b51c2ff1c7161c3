//! The scenario: complete and checked, ready to run.
//!
//! It is a plain, immutable model with resolved names and complete defaults. The crate `shakedown-scenario` makes it from a
//! file: it knows the format of files and checks them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;

use indexmap::IndexMap;
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check::{Expectation, Expectations};
use crate::client;
use crate::fault::{Action, Fault};
use crate::handshake::Mode;
use crate::http::Directory;
use crate::machine::EndpointId;
use crate::metrics::{
    FaultLayout, GroupLayout, Layout, MetricName, Metrics, Phase, PhaseLayout, ServerLayout, Subject, Summary, Unit,
};
use crate::names::Names;
use crate::network::{self, Routes, dns};
use crate::rng::Seed;
use crate::server::{ClocksConfig, Group, Machine, Pick, Resource, WebServer, Workers};
use crate::time::{Nanos, Timestamp};
use crate::tls;

/// A checked scenario.
#[derive(Clone)]
pub struct Scenario(Parts);

/// The parts of a scenario.
#[derive(Clone, Default)]
pub struct Parts {
    /// The file's name without its ending.
    pub name: String,
    /// One line that says what it is about.
    pub title: String,
    /// Length of the run.
    pub duration: Nanos,
    /// Seed of the random number generator.
    pub seed: Seed,
    /// What the summary measures.
    pub measure: Measure,
    /// Parts of the run that metrics are also of, by name.
    pub phases: IndexMap<String, PhaseTimes>,
    /// Defaults of every link.
    pub network: network::Config,
    /// The link between a client group, or a server that calls others, and a server.
    pub routes: Routes,
    /// Server groups by name, and after them groups of proxies.
    pub groups: IndexMap<String, Group>,
    /// Every server, by number.
    pub servers: Roster,
    /// DNS names.
    pub dns: IndexMap<String, dns::Config>,
    /// Client groups by name.
    pub clients: IndexMap<String, client::Config>,
    /// Every server under its own name, and after them the DNS names.
    pub directory: Directory,
    /// The faults of the file, with resolved targets.
    pub faults: Vec<Fault>,
    /// Maximum of random faults, if there are any.
    pub random_faults_max: Option<u32>,
    /// Faults drawn with this seed follow the others.
    pub drawn: Vec<Fault>,
    /// The time after the last fault began or healed after which sessions without a connection violate an invariant, if any.
    pub open_within: Option<Nanos>,
    /// Expected results, by metric.
    pub expect: IndexMap<String, Expectations>,
    /// Expected results of at least one of many runs, by metric.
    pub sometimes: IndexMap<String, Expectations>,
    /// The whole file, defaults included, as TOML that runs to the same digest.
    pub resolved: String,
    /// The same with the random faults written out.
    pub written_out: String,
    /// What `shakedown compare` shows of it.
    pub compare: Compare,
    /// The names of its variants, in the order of the file.
    pub variants: Vec<String>,
    /// Whether its clients meet other servers than its own, which may do anything.
    pub strangers: bool,
}

/// The part of the run that the summary counts (the series show all of it), and the series' interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measure {
    /// Its beginning: after the warm-up.
    pub from: Nanos,
    /// Where it ends.
    pub until: Nanos,
    /// The interval of the series.
    pub interval: Nanos,
    /// Whether half-open connections are measured.
    pub half_open: bool,
}

/// A part of the run that the scenario names: metrics are also of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", schemars(rename = "Phase"))]
pub struct PhaseTimes {
    /// Its beginning; absent: that of the run.
    #[serde(default)]
    pub from: Nanos,
    /// Its end; absent: that of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Nanos>,
}

/// What `shakedown compare` shows of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Compare {
    /// Name of the scenario as written, beside its variants.
    pub base: Option<String>,
    /// The metrics of its own table and chart.
    pub metrics: Vec<String>,
}

/// A server of the scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerEntry {
    /// Its name: its group's with its number.
    pub name: String,
    /// Its group's index in the file.
    pub group: usize,
}

/// Every server by number, and the meaning of names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roster {
    groups: Vec<String>,
    servers: Vec<ServerEntry>,
    names: Vec<String>,
    /// The servers that a name means: the members of the group of this name, and the server of this name. Looked up
    /// for each name of a scenario, which may have thousands of either.
    members: BTreeMap<String, (Range<u32>, Option<u32>)>,
}

impl Roster {
    /// The members of groups, each with its name and count, and DNS names.
    pub fn new<'a>(groups: impl Iterator<Item = (&'a String, u32)>, names: impl Iterator<Item = &'a String>) -> Roster {
        let mut roster = Roster { names: names.cloned().collect(), ..Roster::default() };
        for (group, (name, count)) in groups.enumerate() {
            let first = roster.servers.len() as u32;
            for number in 0..count {
                let name = format!("{name}-{number}");
                let (_, server) = roster.members.entry(name.clone()).or_default();
                server.get_or_insert(first + number);
                roster.servers.push(ServerEntry { name, group });
            }
            let (members, _) = roster.members.entry(name.clone()).or_default();
            if members.start == members.end {
                *members = first..first + count;
            }
            roster.groups.push(name.clone());
        }
        roster
    }

    /// Every server, by number.
    pub fn servers(&self) -> &[ServerEntry] {
        &self.servers
    }

    /// The servers that a name means: all of a group, or one.
    pub fn members(&self, name: &str) -> Option<Vec<EndpointId>> {
        let (members, server) = self.members.get(name)?;
        let alone = server.filter(|server| !members.contains(server));
        let mut members: Vec<EndpointId> = members.clone().chain(alone).map(EndpointId).collect();
        members.sort_unstable();
        (!members.is_empty()).then_some(members)
    }

    /// The servers that meet a condition, if there are any.
    pub fn all(&self, is_meant: impl Fn(&ServerEntry) -> bool) -> Option<Vec<EndpointId>> {
        let members: Vec<EndpointId> =
            (0..).map(EndpointId).zip(&self.servers).filter(|(_, server)| is_meant(server)).map(|(id, _)| id).collect();
        (!members.is_empty()).then_some(members)
    }

    /// The endpoints of a name: servers, or a DNS name that is looked up first.
    pub fn endpoints(&self, name: &str) -> Option<Vec<EndpointId>> {
        self.members(name).or_else(|| Some(vec![self.dns_name(name)?]))
    }

    /// The endpoints of several names, in order.
    pub fn all_endpoints(&self, names: Option<&Names>) -> Vec<EndpointId> {
        let names = names.into_iter().flat_map(|names| &names.0);
        names.flat_map(|name| self.endpoints(name).unwrap_or_default()).collect()
    }

    /// The number of a DNS name in the directory.
    pub fn dns_name(&self, name: &str) -> Option<EndpointId> {
        let number = self.names.iter().position(|known| known == name)?;
        Some(EndpointId((self.servers.len() + number) as u32))
    }

    /// An endpoint's name, a server's or a DNS name, and its group, if it has one.
    pub fn name(&self, endpoint: EndpointId) -> (Option<&str>, Option<&str>) {
        match self.servers.get(endpoint.0 as usize) {
            Some(server) => (Some(&server.name), self.groups.get(server.group).map(String::as_str)),
            None => (self.names.get(endpoint.0 as usize - self.servers.len()).map(String::as_str), None),
        }
    }
}

/// Credentials are not printed.
impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scenario").field("name", &self.0.name).field("seed", &self.0.seed.0).finish_non_exhaustive()
    }
}

impl From<Parts> for Scenario {
    fn from(mut parts: Parts) -> Scenario {
        let drawn = parts.drawn.clone();
        parts.faults.extend(drawn);
        Scenario(parts)
    }
}

impl Scenario {
    /// The file's name without its ending.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// One line that says what it is about.
    pub fn title(&self) -> &str {
        &self.0.title
    }

    /// Length of the run.
    pub fn duration(&self) -> Nanos {
        self.0.duration
    }

    /// Seed of the random number generator.
    pub fn seed(&self) -> Seed {
        self.0.seed
    }

    /// What the summary measures.
    pub fn measure(&self) -> &Measure {
        &self.0.measure
    }

    /// Defaults of every link.
    pub fn network(&self) -> &network::Config {
        &self.0.network
    }

    /// The link between a client group, or a server that calls others, and a server.
    pub fn routes(&self) -> &Routes {
        &self.0.routes
    }

    /// Server groups by name, and after them groups of proxies.
    pub fn groups(&self) -> &IndexMap<String, Group> {
        &self.0.groups
    }

    /// Every server, by number.
    pub fn servers(&self) -> &[ServerEntry] {
        self.0.servers.servers()
    }

    /// The servers that a name means: all of a group, or one.
    pub fn members(&self, name: &str) -> Option<Vec<EndpointId>> {
        self.0.servers.members(name)
    }

    /// The endpoints of a name: servers, or a DNS name that is looked up first.
    pub fn endpoints(&self, name: &str) -> Option<Vec<EndpointId>> {
        self.0.servers.endpoints(name)
    }

    /// DNS names.
    pub fn dns(&self) -> &IndexMap<String, dns::Config> {
        &self.0.dns
    }

    /// Client groups by name.
    pub fn clients(&self) -> &IndexMap<String, client::Config> {
        &self.0.clients
    }

    /// What is no mistake, and may not be meant: client groups whose counts do not fit their rates, keys of retries that the
    /// policy does not use, shares without their `%`.
    pub fn notes(&self) -> Vec<String> {
        let note = |(name, group): (&String, &client::Config)| {
            let left = Nanos(self.duration().0.saturating_sub(group.start.0));
            Some(format!("clients.{name}.arrive: {}", group.arrive.note(group.count, left)?))
        };
        let counts = self.expectation_tables().into_iter().flat_map(|(table, all)| {
            all.iter().flat_map(move |(path, list)| list.0.iter().map(move |expectation| (table, path, expectation)))
        });
        let forgotten = counts.filter_map(|(table, path, expectation)| {
            let of = self.most_of(&MetricName::parse(path)?)?;
            let percent = expectation.forgotten_percent(of)?;
            Some(format!(
                "{table}.{path}: \"{expectation}\" is a number, of {of} sessions; a share is written {percent}%"
            ))
        });
        let unused = self.clients().iter().flat_map(|(name, group)| {
            let policy = group.retry.policy;
            let keys = group.retry.without_effect().into_iter();
            keys.map(move |key| {
                let policy = policy.name();
                format!("clients.{name}.retry.{key} has no effect: the policy `{policy}` has none")
            })
        });
        self.clients().iter().filter_map(note).chain(unused).chain(forgotten).collect()
    }

    /// The most that a metric can count, where it counts sessions.
    pub fn most_of(&self, metric: &MetricName) -> Option<u64> {
        match (metric.unit(), metric.subject()) {
            (Unit::Part("scheduled" | "wanted_at_end"), (Subject::Run, _)) => Some(self.sessions()),
            (Unit::Part("scheduled" | "wanted_at_end"), (Subject::Clients, group)) => {
                self.clients().get(group).map(|group| u64::from(group.count))
            }
            _ => None,
        }
    }

    /// Every server under its own name, and after them the DNS names.
    pub fn directory(&self) -> Directory {
        self.0.directory.clone()
    }

    /// Every fault, by number, with resolved targets: those of the file, then those drawn at random.
    pub fn faults(&self) -> &[Fault] {
        &self.0.faults
    }

    /// The faults of the file, and those that `[chaos]` drew with this seed.
    pub fn faults_by_origin(&self) -> (&[Fault], &[Fault]) {
        self.0.faults.split_at(self.0.faults.len() - self.0.drawn.len())
    }

    /// Maximum of random faults, if there are any.
    pub fn random_faults_max(&self) -> Option<u32> {
        self.0.random_faults_max
    }

    /// What `shakedown compare` shows of it.
    pub fn compare(&self) -> &Compare {
        &self.0.compare
    }

    /// The names of its variants, in the order of the file.
    pub fn variants(&self) -> &[String] {
        &self.0.variants
    }

    /// The whole file, defaults included, as TOML that runs to the same digest.
    pub fn resolved(&self) -> &str {
        &self.0.resolved
    }

    /// The same scenario with the faults of `[chaos]` written out: it runs to the same digest, and every fault can be read and
    /// changed.
    pub fn written_out(&self) -> &str {
        &self.0.written_out
    }

    /// Whether any server has TLS.
    pub fn has_tls(&self) -> bool {
        self.0.groups.values().any(|group| !group.tls().is_none())
    }

    /// The TLS version for clients of a server: that of the servers behind it, for a balancer.
    pub fn tls(&self, server: EndpointId) -> tls::Version {
        let group = &self.0.groups[self.servers()[server.0 as usize].group];
        match group.balancer().and_then(|balancer| balancer.to.first()) {
            Some(behind) => self.tls(*behind),
            None => group.tls(),
        }
    }

    /// Whether some client group is known for a finding, by its name in metrics.
    pub fn is_known(&self, finding: &str) -> bool {
        let mut known = self.0.clients.values().filter_map(|client| client.known_findings.as_ref()).flatten();
        known.any(|known| known.name() == finding)
    }

    /// When sessions without a connection violate an invariant: this long after the last fault began or healed. `None` if
    /// the scenario sets no bound.
    pub fn quiet_from(&self) -> Option<(Timestamp, Nanos)> {
        let within = self.0.open_within?;
        let windows = self.0.faults.iter().flat_map(|fault| &fault.windows);
        let changes = windows.flat_map(|window| [Some(window.begins), window.heals]).flatten();
        Some((changes.max().unwrap_or(Timestamp::ZERO) + within, within))
    }

    /// Expectations of at least one of many runs, with their metrics' paths.
    pub fn sometimes(&self) -> impl Iterator<Item = (&str, Expectation)> {
        let all = self.0.sometimes.iter();
        all.flat_map(|(path, list)| list.0.iter().map(|expectation| (path.as_str(), *expectation)))
    }

    /// A hash of the resolved scenario, in 32 hex digits.
    pub fn hash(&self) -> String {
        format!("{:032x}", xxhash_rust::xxh3::xxh3_128(self.resolved().as_bytes()))
    }

    /// Names, indices and times for recorders.
    pub fn layout(&self) -> Layout {
        let Parts { groups, clients, .. } = &self.0;
        let streams = clients.values().any(|client| client.mode == Mode::ExtendedConnect);
        let reloads = self.0.faults.iter().flat_map(|fault| &fault.windows);
        let reloads = reloads.filter(|window| window.action == Action::Reload);
        let reloads: BTreeSet<u32> = reloads.flat_map(|window| window.servers.iter().copied()).collect();
        let server = |(number, server): (u32, &ServerEntry)| {
            let group = &groups[server.group];
            ServerLayout {
                name: server.name.clone(),
                group: server.group,
                workers: match (&group.machine, group.workers()) {
                    (Machine::Balancer(_), _) => 0,
                    (_, workers) => workers.map_or(Workers::default().count, |of| of.cores.unwrap_or(of.count)),
                },
                balancer: group.balancer().is_some(),
                behind: group.balancer().map_or(0, |balancer| balancer.to.len() as u32),
                proxy: group.is_proxy(),
                connections_max: group.connections_max(),
                transactions_max: group.web().and_then(|web| web.transactions).map(|(most, _)| most),
                limited: group.has_limits(),
                calls: group.calls(),
                pauses: group.pauses().is_some(),
                supervised: group.supervision().is_some(),
                limits: Resource::ALL.map(|resource| group.limits(resource)),
                streams: streams && matches!(group.machine, Machine::Web(_) | Machine::Program(_)),
                tls: !group.tls().is_none(),
                clocks: group.clocks().is_some_and(ClocksConfig::any),
                keepalive: clients.values().map(|client| client.keepalive).any(|keepalive| keepalive.is_some())
                    || groups.values().any(|group| group.giving_up.keepalive.is_some()),
                reloads: reloads.contains(&number),
            }
        };
        let group = |(name, config): (&String, &client::Config)| GroupLayout {
            name: name.clone(),
            count: config.count,
            hold: config.hold.clone(),
        };
        let drawn_from = self.0.faults.len() - self.0.drawn.len();
        let fault = |fault: &Fault, drawn: bool| {
            let count = self.servers().len() as u32;
            let struck = fault.windows.iter().flat_map(|window| window.servers.iter().copied());
            let mut servers: Vec<u32> = struck.chain(fault.cuts.iter().map(|cut| cut.server)).collect();
            servers.retain(|server| *server < count);
            servers.sort_unstable();
            servers.dedup();
            let opaque = fault.config.commands.is_some() || groups.values().any(|group| group.program().is_some());
            FaultLayout { name: fault.name.clone(), drawn, servers, opaque }
        };
        Layout {
            duration: self.0.duration,
            interval: self.0.measure.interval,
            from: Timestamp::ZERO + self.0.measure.from,
            until: Timestamp::ZERO + self.0.measure.until,
            groups: clients.iter().map(group).collect(),
            server_groups: groups.keys().cloned().collect(),
            servers: (0..).zip(self.servers().iter()).map(server).collect(),
            names: self.0.dns.keys().cloned().collect(),
            faults: self.0.faults.iter().enumerate().map(|(number, of)| fault(of, number >= drawn_from)).collect(),
            phases: self.phases(),
            seed: self.0.seed,
            half_open: self.0.measure.half_open,
            tls: self.0.strangers || self.has_tls(),
            auth: self.0.strangers || self.demands_credentials(),
            proxies: groups.values().any(Group::is_proxy),
            races: clients.values().any(|client| client.race.is_some()),
            findings: self.0.strangers || self.may_find(),
        }
    }

    /// The phases of the run: before, during and after each fault of the file, and those that the file names.
    fn phases(&self) -> Vec<PhaseLayout> {
        let end = Timestamp::ZERO + self.0.duration;
        let of_fault = |fault: &Fault| {
            let begins = fault.windows.iter().map(|window| window.begins).min().unwrap_or(end).min(end);
            let heals = fault.windows.iter().map(|window| window.heals.unwrap_or(end).min(end)).max().unwrap_or(end);
            let name = fault.name.as_str();
            [
                (Phase::Before(name).prefix(), Timestamp::ZERO, begins),
                (Phase::During(name).prefix(), begins, heals),
                (Phase::After(name).prefix(), heals, end),
            ]
        };
        let of_faults = self.faults_by_origin().0.iter().flat_map(of_fault);
        let named = self.0.phases.iter().map(|(name, phase)| {
            let until = phase.until.map_or(end, |until| (Timestamp::ZERO + until).min(end));
            (Phase::Named(name).prefix(), Timestamp::ZERO + phase.from, until)
        });
        let all = of_faults.chain(named).filter(|(_, from, until)| from < until);
        all.map(|(prefix, from, until)| PhaseLayout { prefix, from, until }).collect()
    }

    /// Whether any server demands credentials.
    fn demands_credentials(&self) -> bool {
        self.0.groups.values().filter_map(Group::web).any(WebServer::demands_credentials)
    }

    /// Whether there may be findings: from credentials, or from chains of redirects.
    fn may_find(&self) -> bool {
        let redirects = |group: usize| self.0.groups[group].web().is_some_and(WebServer::redirects);
        // What a name stands for may change.
        let leads_on = |endpoint: &EndpointId| {
            self.servers().get(endpoint.0 as usize).is_none_or(|server| redirects(server.group))
        };
        let loops = self.0.groups.values().filter_map(Group::web).any(|web| {
            // Without targets, a redirect leads to the same server.
            let leads = |pick: &Pick| pick.to.is_empty() || pick.to.iter().any(leads_on);
            web.redirections().any(leads) || web.overflow().is_some_and(|to| to.iter().any(leads_on))
        });
        let clients = || self.0.clients.values();
        let credentials = clients().any(|client| client.credentials.is_some());
        credentials || loops || clients().any(client::Config::opens_unverified) || self.demands_credentials()
    }

    /// Expectations of every run, and of at least one of many runs, each with the name of its table in the file.
    pub fn expectation_tables(&self) -> [(&'static str, &IndexMap<String, Expectations>); 2] {
        [("expect", &self.0.expect), ("sometimes", &self.0.sometimes)]
    }

    /// Every expectation with its metric's path.
    pub fn expectations(&self) -> impl Iterator<Item = (&str, Expectation)> {
        let all = self.0.expect.iter();
        all.flat_map(|(path, list)| list.0.iter().map(|expectation| (path.as_str(), *expectation)))
    }

    /// Every metric of its runs, taken from a run without events.
    pub fn metrics(&self) -> Summary {
        let mut layout = self.layout();
        layout.groups.iter_mut().for_each(|group| group.count = 0);
        layout.interval = layout.duration;
        Metrics::new(layout).finish(Timestamp::ZERO).summary
    }

    /// A session's name: its client group's name and its index there.
    pub fn session_name(&self, (group, index): (u16, u32)) -> String {
        let group = self.0.clients.get_index(group.into()).map_or("", |(name, _)| name);
        format!("{group}-{index}")
    }

    /// Number of sessions of all client groups.
    pub fn sessions(&self) -> u64 {
        self.0.clients.values().map(|group| u64::from(group.count)).sum()
    }
}
