//! turmoil's hosts: those of the user's programs, and those from which our side of their connections is carried.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use shakedown_core::driver::sim::external::Effect;
use shakedown_core::fault::Side;
use shakedown_core::rng::Identity;
use shakedown_core::scenario::Scenario;
use shakedown_core::time::Nanos;
use turmoil::net::TcpListener;

use super::bridge::Bridge;
use super::programs::{ClientContext, Programs, ServerContext};

/// How often turmoil moves what is under way. Below 1 ms it would lose time, as tokio's timers have whole ones.
pub const TICK: Nanos = Nanos::from_millis(1);
/// A way that is shorter than this can't be kept: a connect and its answer take turmoil two ticks.
pub const SHORTEST_WAY: Nanos = Nanos::from_millis(2);

/// Sessions of one host at most, unless there are more than all hosts would have: looking for a free port takes as long
/// as there are connections.
const SESSIONS_PER_HOST: u64 = 2_000;
/// Hosts for clients at most, and for servers; beyond, several share one.
const CLIENT_HOSTS: u64 = 24;
const SERVER_HOSTS: usize = 8;
/// Where the user's clients have their own ways to each server, servers do not share before there are so many.
const SERVER_HOSTS_APART: usize = 32;
/// Hosts for the sessions of a group that a program of the user's plays.
const PROGRAM_HOSTS: u32 = 4;
/// Ports that a host has for connects, and those that servers listen on.
const PORTS: std::ops::RangeInclusive<u16> = 1_024..=65_535;
const FIRST_PORT: u16 = 80;

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Tasks that a host is to start.
#[derive(Default)]
struct Inbox {
    tasks: std::cell::RefCell<Vec<Task>>,
    notify: tokio::sync::Notify,
}

impl Inbox {
    fn put(&self, task: impl Future<Output = ()> + 'static) {
        self.tasks.borrow_mut().push(Box::pin(task));
        self.notify.notify_one();
    }

    /// What the host runs: it starts what it is given.
    async fn start_all(self: Rc<Self>) -> turmoil::Result {
        loop {
            for task in self.tasks.take() {
                tokio::task::spawn_local(task);
            }
            self.notify.notified().await;
        }
    }
}

/// A turmoil host that starts what it is given.
type Host = (IpAddr, Rc<Inbox>);

/// turmoil's simulation, and who has which host in it.
pub(super) struct TurmoilWorld<'a> {
    sim: turmoil::Sim<'static>,
    scenario: &'a Scenario,
    programs: &'a Programs,
    bridge: Rc<Bridge>,
    /// From which connections of the scenario's sessions and servers are carried.
    clients: Vec<Host>,
    /// Every server's address, by number.
    servers: Vec<SocketAddr>,
    /// The servers that programs play, with their hosts' names.
    external: BTreeMap<u32, String>,
    /// Hosts of the client groups that programs play.
    played: BTreeMap<u16, Vec<Host>>,
    /// Every host.
    hosts: Vec<IpAddr>,
    /// Connections dialled.
    dialled: usize,
}

impl<'a> TurmoilWorld<'a> {
    pub(super) fn new(scenario: &'a Scenario, programs: &'a Programs, bridge: &Rc<Bridge>) -> TurmoilWorld<'a> {
        let groups = scenario.clients().iter().filter(|(name, _)| !programs.clients.contains_key(*name));
        let sessions: u64 = groups.map(|(_, group)| u64::from(group.count)).sum();
        let mut sim = turmoil::Builder::new()
            .epoch(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000))
            .rng_seed(scenario.seed().0)
            .tick_duration(Duration::from_nanos(TICK.0))
            .simulation_duration(Duration::MAX)
            .min_message_latency(Duration::ZERO)
            .max_message_latency(Duration::ZERO)
            .ephemeral_ports(PORTS)
            // A full one would end the process.
            .tcp_capacity(
                usize::try_from(scenario.sessions()).unwrap_or(usize::MAX).saturating_mul(4).clamp(1 << 12, 1 << 24),
            )
            .build();
        let mut hosts = Vec::new();
        let mut start = |sim: &mut turmoil::Sim<'static>, name: String| -> Host {
            let inbox = Rc::new(Inbox::default());
            sim.client(name.as_str(), Rc::clone(&inbox).start_all());
            let host = sim.lookup(name.as_str());
            hosts.push(host);
            (host, inbox)
        };
        // What clients send is read by servers within the step, as those come after them.
        let clients = sessions.div_ceil(SESSIONS_PER_HOST).clamp(1, CLIENT_HOSTS);
        let clients = (0..clients).map(|number| start(&mut sim, format!("shakedown-clients-{number}"))).collect();
        let mut played = BTreeMap::new();
        for (group, (name, config)) in (0..).zip(scenario.clients()) {
            if programs.clients.contains_key(name) {
                let hosts = (0..config.count.min(PROGRAM_HOSTS)).map(|number| format!("{name}-host-{number}"));
                played.insert(group, hosts.map(|host| start(&mut sim, host)).collect());
            }
        }
        let most = if programs.clients.is_empty() { SERVER_HOSTS } else { SERVER_HOSTS_APART };
        let own = scenario.servers().len() - programs.servers(scenario).len();
        let shared: Vec<Host> =
            (0..own.min(most)).map(|number| start(&mut sim, format!("shakedown-servers-{number}"))).collect();
        let (mut servers, mut external) = (Vec::new(), BTreeMap::new());
        for (number, server) in (0..).zip(scenario.servers()) {
            let group = scenario.groups().get_index(server.group).map(|(name, _)| name);
            let Some(program) = group.and_then(|group| programs.servers.get(group)) else {
                let (host, inbox) = &shared[number as usize % shared.len()];
                let port = FIRST_PORT + number as u16;
                inbox.put(accept_all(Rc::clone(bridge), Rc::clone(inbox), number, port));
                servers.push(SocketAddr::new(*host, port));
                continue;
            };
            let (name, program, bridge) = (server.name.clone(), Rc::clone(program), Rc::clone(bridge));
            sim.host(server.name.as_str(), move || {
                let cx = ServerContext { bridge: Rc::clone(&bridge), name: name.clone(), port: FIRST_PORT };
                let (name, program) = (name.clone(), Rc::clone(&program));
                async move { program(cx).await.map_err(|error| format!("{name}: {error}").into()) }
            });
            external.insert(number, server.name.clone());
            servers.push(SocketAddr::new(sim.lookup(server.name.as_str()), FIRST_PORT));
        }
        hosts.extend(external.values().map(|name| sim.lookup(name.as_str())));
        let names = (0..).zip(scenario.servers()).zip(&servers);
        bridge
            .name_servers(names.map(|((number, server), address)| (server.name.clone(), (number, *address))).collect());
        let bridge = Rc::clone(bridge);
        let world =
            TurmoilWorld { sim, scenario, programs, bridge, clients, servers, external, played, hosts, dialled: 0 };
        world.set_ways();
        world
    }

    /// Between the hosts of the user's clients and the servers', turmoil itself takes the time that the way takes.
    fn set_ways(&self) {
        let simulation = self.bridge.simulation.borrow();
        for (group, hosts) in &self.played {
            for (number, (host, _)) in (0..).zip(hosts) {
                for (server, there) in (0..).zip(&self.servers) {
                    let from = host_identity(self.scenario, *group, number);
                    let way = simulation.external_one_way(*group, from, server);
                    self.sim.set_link_latency(*host, there.ip(), Duration::from_nanos(way.0));
                }
            }
        }
    }

    /// Every host has its turn, and time goes on by a tick.
    pub(super) fn step(&mut self) -> io::Result<()> {
        self.sim.step().map(drop).map_err(|error| io::Error::other(error.to_string()))
    }

    /// Does what the simulator asks.
    pub(super) fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Received { id, bytes } => self.bridge.send(id, &bytes),
                Effect::Ended { id, reset } => self.bridge.end(id, reset),
                Effect::Dialled { id, server } => {
                    self.dialled += 1;
                    let (_, inbox) = &self.clients[self.dialled % self.clients.len()];
                    inbox.put(self.bridge.dial(id, self.servers[server as usize]));
                }
                Effect::Arrived { group, index, session } => self.start_session(group, index, session),
                Effect::Lost { server, kernel_lives } => self.lose(server, kernel_lives),
                Effect::Started { server } => {
                    let Some((own, name)) = self.host(server) else { continue };
                    self.others(own).for_each(|host| self.sim.repair(own, host));
                    self.sim.bounce(name);
                }
                Effect::Hung { server, hung } => {
                    let Some((own, _)) = self.host(server) else { continue };
                    for host in self.others(own) {
                        if hung { self.sim.hold(own, host) } else { self.sim.release(own, host) }
                    }
                }
                Effect::Parted { fault, parted } => self.part(fault, parted),
            }
        }
    }

    fn host(&self, server: u32) -> Option<(IpAddr, String)> {
        let name = self.external.get(&server)?;
        Some((self.servers[server as usize].ip(), name.clone()))
    }

    fn others(&self, own: IpAddr) -> impl Iterator<Item = IpAddr> + '_ {
        self.hosts.iter().copied().filter(move |host| *host != own)
    }

    fn lose(&mut self, server: u32, kernel_lives: bool) {
        let Some((own, name)) = self.host(server) else { return };
        if !kernel_lives {
            self.others(own).for_each(|host| self.sim.partition(own, host));
        }
        self.sim.crash(name);
    }

    fn part(&self, fault: u32, parted: bool) {
        for (group, hosts) in &self.played {
            for (server, there) in (0..).zip(&self.servers) {
                let cut = self.scenario.faults()[fault as usize].between(Side::Clients(*group), server);
                for (host, _) in hosts.iter().filter(|_| cut.is_some()) {
                    if parted { self.sim.hold(*host, there.ip()) } else { self.sim.release(*host, there.ip()) }
                }
            }
        }
    }

    /// A session that a program plays has arrived.
    fn start_session(&self, group: u16, index: u32, session: u32) {
        let scenario = self.scenario;
        let Some((name, config)) = scenario.clients().get_index(group.into()) else { return };
        let (Some(program), Some(hosts)) = (self.programs.clients.get(name), self.played.get(&group)) else { return };
        let number = index % hosts.len() as u32;
        let endpoints = config.endpoints.iter().flat_map(|name| scenario.endpoints(name).unwrap_or_default());
        let endpoints = endpoints.filter_map(|endpoint| scenario.servers().get(endpoint.0 as usize));
        let endpoints: Vec<String> = endpoints.map(|server| server.name.clone()).collect();
        let name = scenario.session_name((group, index));
        let host = host_identity(scenario, group, number);
        let cx = ClientContext::new(Rc::clone(&self.bridge), (session, group, index), name, endpoints, host);
        let reporter = cx.reporter();
        let program = program(cx);
        hosts[number as usize].1.put(async move {
            if let Err(error) = program.await {
                reporter.fail(error);
            }
        });
    }
}

/// Listens in the place of a server of the scenario, for the connections of programs.
async fn accept_all(bridge: Rc<Bridge>, host: Rc<Inbox>, server: u32, port: u16) {
    let Ok(listener) = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await else { return };
    while let Ok((connected, from)) = listener.accept().await {
        if let Some(task) = bridge.accept(server, connected, from) {
            host.put(task);
        }
    }
}

/// What the ways of a host of the user's clients are drawn by.
fn host_identity(scenario: &Scenario, group: u16, number: u32) -> Identity {
    let name = scenario.clients().get_index(group.into()).map_or("", |(name, _)| name);
    Identity::group(&format!("{name}/programs")).nth(number.into())
}
