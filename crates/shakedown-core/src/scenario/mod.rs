//! The scenario: complete and checked, ready to run.
//!
//! Each module owns the type of its own part of the file; this one combines them. The crate `shakedown-scenario` reads and
//! checks the file.

mod chaos;
mod fault;
mod file;

pub use chaos::{Chaos, DRAWN};
pub use fault::FaultToml;
pub use file::{Compare, File, Measure};

use indexmap::IndexMap;

use crate::check::Expectation;
use crate::client;
use crate::fault::{Fault, Side};
use crate::http::Directory;
use crate::machine::EndpointId;
use crate::metrics::{GroupLayout, Layout, Metrics, ServerLayout, Summary};
use crate::network::{self, Routes, dns};
use crate::rng::Seed;
use crate::server::{self, BehaviorConfig, Names, ServerKind};
use crate::time::{Nanos, Timestamp};
use crate::tls::Version;

/// A checked scenario.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The file's name without its ending.
    pub name: String,
    /// The file with every default filled in.
    pub file: File,
    /// Every server, by number.
    pub servers: Vec<ServerEntry>,
    /// Every fault, by number, with resolved targets: those of the file, then those drawn at random.
    pub faults: Vec<Fault>,
    /// What `shakedown compare` shows of it.
    pub compare: Compare,
    /// The names of its variants, in the order of the file.
    pub variants: Vec<String>,
    /// The faults that `[chaos]` drew with this seed.
    pub drawn: Vec<(String, FaultToml)>,
    /// The link between a client group, or a server that calls others, and a server.
    pub routes: Routes,
}

/// A server of the scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerEntry {
    /// Its name: its group's with its number.
    pub name: String,
    /// Its group's index in the file.
    pub group: usize,
}

impl Scenario {
    /// The file's name without its ending.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One line that says what it is about.
    pub fn title(&self) -> &str {
        &self.file.title
    }

    /// Length of the run.
    pub fn duration(&self) -> Nanos {
        self.file.duration
    }

    /// Seed of the random number generator.
    pub fn seed(&self) -> Seed {
        self.file.seed
    }

    /// What the summary measures, with its defaults.
    pub fn measure(&self) -> &Measure {
        &self.file.measure
    }

    /// Defaults of every link.
    pub fn network(&self) -> &network::Config {
        &self.file.network
    }

    /// The link between a client group, or a server that calls others, and a server.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// Server groups by name, and after them groups of proxies.
    pub fn groups(&self) -> &IndexMap<String, server::Config> {
        &self.file.servers
    }

    /// Every server, by number.
    pub fn servers(&self) -> &[ServerEntry] {
        &self.servers
    }

    /// DNS names.
    pub fn dns(&self) -> &IndexMap<String, dns::Config> {
        &self.file.dns
    }

    /// Client groups by name.
    pub fn clients(&self) -> &IndexMap<String, client::Config> {
        &self.file.clients
    }

    /// Every fault, by number, with resolved targets: those of the file, then those drawn at random.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The faults of the file, and those that `[chaos]` drew with this seed.
    pub fn faults_by_origin(&self) -> (&[Fault], &[Fault]) {
        self.faults.split_at(self.file.faults.len())
    }

    /// The definition of random faults, if any.
    pub fn chaos(&self) -> Option<&Chaos> {
        self.file.chaos.as_ref()
    }

    /// What `shakedown compare` shows of it.
    pub fn compare(&self) -> &Compare {
        &self.compare
    }

    /// The names of its variants, in the order of the file.
    pub fn variants(&self) -> &[String] {
        &self.variants
    }

    /// Whether any server has TLS.
    pub fn has_tls(&self) -> bool {
        self.file.has_tls()
    }

    /// Whether some client group is known for a finding, by its name in metrics.
    pub fn is_known(&self, finding: &str) -> bool {
        self.file.is_known(finding)
    }

    /// All openers of connections: client groups, then servers that call others, each in order.
    pub fn sides(&self) -> Vec<Side> {
        let clients = (0..self.file.clients.len() as u16).map(Side::Clients);
        let calls = |server: &ServerEntry| self.file.servers[server.group].opens_connections();
        let callers = (0..).zip(&self.servers).filter(|(_, server)| calls(server));
        clients.chain(callers.map(|(number, _)| Side::Server(number))).collect()
    }

    /// The servers that a name means: all of a group, or one.
    pub fn members(&self, name: &str) -> Option<Vec<EndpointId>> {
        let group = self.file.servers.get_index_of(name);
        let is_meant = |server: &ServerEntry| group == Some(server.group) || server.name == name;
        let members: Vec<EndpointId> =
            (0..).map(EndpointId).zip(&self.servers).filter(|(_, s)| is_meant(s)).map(|(id, _)| id).collect();
        (!members.is_empty()).then_some(members)
    }

    /// The servers in a zone.
    pub fn servers_in(&self, zone: &str) -> Option<Vec<EndpointId>> {
        let is_there = |server: &ServerEntry| self.file.servers[server.group].zone.as_deref() == Some(zone);
        let servers: Vec<EndpointId> =
            (0..).map(EndpointId).zip(&self.servers).filter(|(_, s)| is_there(s)).map(|(id, _)| id).collect();
        (!servers.is_empty()).then_some(servers)
    }

    /// The endpoints of a name: servers, or a DNS name that is looked up first.
    pub fn endpoints(&self, name: &str) -> Option<Vec<EndpointId>> {
        let dns = || self.file.dns.get_index_of(name).map(|number| vec![self.number_of_name(number)]);
        self.members(name).or_else(dns)
    }

    /// The number of a DNS name in the directory.
    pub fn number_of_name(&self, number: usize) -> EndpointId {
        EndpointId((self.servers.len() + number) as u32)
    }

    /// Whether clients of a server must use TLS.
    pub fn is_secure(&self, server: EndpointId) -> bool {
        !self.tls(server).is_none()
    }

    /// The TLS version for clients of a server: that of the servers behind it, for a balancer.
    pub fn tls(&self, server: EndpointId) -> Version {
        let config = &self.file.servers[self.servers[server.0 as usize].group];
        let behind = config.to.as_deref().and_then(|to| self.members(to)).and_then(|members| members.first().copied());
        match behind {
            Some(behind) if behind != server => self.tls(behind),
            _ => config.tls,
        }
    }

    /// The endpoints of several names, in order.
    pub fn all_endpoints(&self, names: Option<&Names>) -> Vec<EndpointId> {
        let names = names.into_iter().flat_map(|names| &names.0);
        names.flat_map(|name| self.endpoints(name).unwrap_or_default()).collect()
    }

    /// A redirect's weights, one for each of [`Scenario::all_endpoints`] of its `to`; a server's own weight overrides
    /// its group's.
    pub fn weights(&self, redirect: &BehaviorConfig) -> Vec<u32> {
        let Some(weights) = &redirect.weights else { return Vec::new() };
        let weight = |endpoint: EndpointId| {
            let server = self.servers.get(endpoint.0 as usize);
            let own = match server {
                Some(server) => weights.get(&server.name),
                None => self
                    .file
                    .dns
                    .get_index(endpoint.0 as usize - self.servers.len())
                    .and_then(|(name, _)| weights.get(name)),
            };
            let group = server.and_then(|server| self.file.servers.get_index(server.group));
            own.or_else(|| weights.get(group?.0)).copied().unwrap_or(1)
        };
        self.all_endpoints(redirect.to.as_ref()).into_iter().map(weight).collect()
    }

    /// Every server under its own name, and after them the DNS names.
    pub fn directory(&self) -> Directory {
        let servers = self.servers.iter().map(|server| server.name.clone());
        let secure = (0..self.servers.len() as u32).map(|server| self.is_secure(EndpointId(server)));
        // Of a name, all servers agree.
        let is_secure = |name: &String| self.members(name).is_some_and(|all| self.is_secure(all[0]));
        let names = self.file.dns.values().map(|name| name.to.first().is_some_and(is_secure));
        let secure = (0..).map(EndpointId).zip(secure.chain(names)).filter(|(_, secure)| *secure);
        Directory::new(servers).with_names(self.file.dns.keys().cloned()).with_tls(secure.map(|(id, _)| id))
    }

    /// The whole file, defaults included, as TOML that runs to the same digest.
    pub fn resolved(&self) -> String {
        toml::to_string(&self.file).expect("a file that was read can be written")
    }

    /// The same scenario with the faults of `[chaos]` written out: it runs to the same digest, and every fault can be read
    /// and changed.
    pub fn written_out(&self) -> File {
        let mut file = self.file.clone();
        file.chaos = None;
        file.faults.extend(self.drawn.iter().cloned());
        file
    }

    /// When sessions without a connection violate an invariant: this long after the last fault began or healed. `None` if
    /// the scenario sets no bound.
    pub fn quiet_from(&self) -> Option<(Timestamp, Nanos)> {
        let within = self.file.invariants?.open_within;
        let windows = self.faults.iter().flat_map(|fault| &fault.windows);
        let changes = windows.flat_map(|window| [Some(window.begins), window.heals]).flatten();
        Some((changes.max().unwrap_or(Timestamp::ZERO) + within, within))
    }

    /// Expectations of at least one of many runs, with their metrics' paths.
    pub fn sometimes(&self) -> impl Iterator<Item = (&str, Expectation)> {
        let all = self.file.sometimes.iter();
        all.flat_map(|(path, list)| list.0.iter().map(|expectation| (path.as_str(), *expectation)))
    }

    /// A hash of the resolved scenario, in 32 hex digits.
    pub fn hash(&self) -> String {
        format!("{:032x}", xxhash_rust::xxh3::xxh3_128(self.resolved().as_bytes()))
    }

    /// Names, indices and times for recorders.
    pub fn layout(&self) -> Layout {
        let measure = &self.file.measure;
        Layout {
            duration: self.file.duration,
            interval: measure.interval.unwrap_or(self.file.duration),
            from: Timestamp::ZERO + measure.from,
            until: Timestamp::ZERO + measure.until.unwrap_or(self.file.duration),
            groups: self
                .file
                .clients
                .iter()
                .map(|(name, config)| GroupLayout { name: name.clone(), count: config.count })
                .collect(),
            server_groups: self.file.servers.keys().cloned().collect(),
            servers: self
                .servers
                .iter()
                .map(|server| ServerLayout {
                    name: server.name.clone(),
                    group: server.group,
                    workers: match self.file.servers[server.group].kind {
                        ServerKind::Websocket | ServerKind::Proxy => self.file.servers[server.group].workers,
                        ServerKind::L4 => 0,
                    },
                    balancer: self.file.servers[server.group].kind == ServerKind::L4,
                    proxy: self.file.servers[server.group].kind == ServerKind::Proxy,
                    connections_max: self.file.servers[server.group].connections_max,
                    transactions_max: self.file.servers[server.group].transactions_max,
                    limited: self.file.servers[server.group].has_limits(),
                    calls: self.file.servers[server.group].calls(),
                    pauses: self.file.servers[server.group].pauses.is_some(),
                    streams: self.file.has_streams() && self.file.servers[server.group].kind == ServerKind::Websocket,
                    tls: !self.file.servers[server.group].tls.is_none(),
                })
                .collect(),
            names: self.file.dns.keys().cloned().collect(),
            faults: self.faults.iter().map(|fault| fault.name.clone()).collect(),
            tls: self.file.has_tls(),
            auth: self.file.demands_credentials(),
            proxies: !self.file.proxies.is_empty(),
            findings: self.may_find(),
        }
    }

    /// Whether there may be findings: from credentials, or from chains of redirects.
    fn may_find(&self) -> bool {
        let credentials = self.file.clients.values().any(|client| client.credentials.is_some());
        let redirects = |number: usize| self.file.servers[number].redirects();
        let leads_on = |group: &crate::server::Config, to: Option<&Names>| match to {
            None => group.redirects(),
            // What a name stands for may change.
            Some(to) => self
                .all_endpoints(Some(to))
                .iter()
                .any(|endpoint| self.servers.get(endpoint.0 as usize).is_none_or(|server| redirects(server.group))),
        };
        let loops = self.file.servers.values().any(|group| {
            let targets = group.behavior.0.iter().filter(|behavior| behavior.kind == crate::server::Kind::Redirect);
            targets.map(|behavior| behavior.to.as_ref()).any(|to| leads_on(group, to))
                || group.overflow_to.as_ref().is_some_and(|to| leads_on(group, Some(to)))
        });
        let unverified = self.file.clients.values().any(client::Config::opens_unverified);
        credentials || loops || unverified || self.file.demands_credentials()
    }

    /// Every expectation with its metric's path.
    pub fn expectations(&self) -> impl Iterator<Item = (&str, Expectation)> {
        let all = self.file.expect.iter();
        all.flat_map(|(path, list)| list.0.iter().map(|expectation| (path.as_str(), *expectation)))
    }

    /// Whether a run of it has a metric of this name.
    pub fn has_metric(&self, path: &str) -> bool {
        self.metrics().get(path).is_some()
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
        let group = self.file.clients.get_index(group.into()).map_or("", |(name, _)| name);
        format!("{group}-{index}")
    }

    /// Number of sessions of all client groups.
    pub fn sessions(&self) -> u64 {
        self.file.clients.values().map(|group| u64::from(group.count)).sum()
    }
}
