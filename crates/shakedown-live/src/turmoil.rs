//! turmoil: async code over its TCP, on virtual time.
//!
//! Sessions and servers are played by the loop of the live drivers; their connections are turmoil's, carried by tasks on a
//! few turmoil hosts (its cost grows with the cube of their number). turmoil moves whatever is under way once a tick, so
//! the loop plays what was due during a tick, each thing at its very moment, and then lets turmoil take its step. Ways are
//! played between the connections and the machines, as on real sockets (`lines.rs`); of what goes between two ends of the
//! run's own, the moment of arrival is kept to the nanosecond (`timed.rs`).

mod programs;
mod refuse;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use turmoil::net::{TcpListener, TcpStream};

use super::engine::{Engine, Shared};
use super::net::{Act, Net, Place, Transport};
use super::{Part, Progress, Setup};
use shakedown_core::fault::Side;
use shakedown_core::network::Way;
use shakedown_core::record::Recorder;
use shakedown_core::rng::Identity;
use shakedown_core::scenario::Scenario;
use shakedown_core::time::{Nanos, Timestamp};

pub use programs::{ClientContext, ClientProgram, Programs, Reporter, Result, ServerContext, ServerProgram, Told};
pub use refuse::{refused, refused_with};

use programs::Stage;

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
    tasks: RefCell<Vec<Task>>,
    notify: Notify,
}

impl Inbox {
    fn put(&self, task: Task) {
        self.tasks.borrow_mut().push(task);
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

/// turmoil's network, as the loop sees it.
pub(super) struct Turmoil {
    now: Cell<Timestamp>,
    clients: Vec<Host>,
    /// By the servers' numbers; those of programs have nothing to start.
    servers: Vec<Host>,
    /// Hosts of the client groups that programs play.
    played: BTreeMap<u16, Vec<Host>>,
    acts: RefCell<Vec<Act>>,
    /// Sessions of those groups that have arrived: group, number in it, and number.
    arrived: RefCell<Vec<(u16, u32, u32)>>,
}

impl Turmoil {
    fn at(&self, place: Place) -> &Host {
        match place {
            Place::Client(number) => &self.clients[(number % self.clients.len() as u64) as usize],
            Place::Server(number) => &self.servers[number as usize],
        }
    }
}

impl Net for Turmoil {
    const VIRTUAL: bool = true;
    type Stream = TcpStream;
    type Listener = TcpListener;

    fn now(&self) -> Timestamp {
        self.now.get()
    }

    fn spawn(&self, place: Place, task: impl Future<Output = ()> + 'static) -> Option<AbortHandle> {
        self.at(place).1.put(Box::pin(task));
        None
    }

    fn happened(&self, act: Act) {
        self.acts.borrow_mut().push(act);
    }

    fn plays(&self, group: u16, index: u32, session: u32) -> bool {
        let plays = self.played.contains_key(&group);
        if plays {
            self.arrived.borrow_mut().push((group, index, session));
        }
        plays
    }

    fn host(&self, place: Place) -> Option<IpAddr> {
        Some(self.at(place).0)
    }

    async fn sleep_until(&self, at: Timestamp) {
        tokio::time::sleep(Duration::from_nanos(at.since(self.now()).0)).await;
    }

    async fn listen(&self, at: SocketAddr, _: u32) -> io::Result<TcpListener> {
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, at.port())).await
    }

    fn address(listener: &TcpListener) -> io::Result<SocketAddr> {
        listener.local_addr()
    }

    async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        listener.accept().await
    }

    async fn connect(&self, _: Option<IpAddr>, to: SocketAddr, _: impl FnOnce(SocketAddr)) -> io::Result<TcpStream> {
        TcpStream::connect(to).await
    }
}

impl Transport for TcpStream {
    // turmoil sends RST where something was left unread, and can't be asked to.
    fn reset_on_drop(&self) {}
}

/// What a run came to, besides its events.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Events.
    pub events: u64,
    /// True when the watcher ended it.
    pub partial: bool,
    /// The most by which anything came later than its way takes, as turmoil was still carrying it.
    pub late: Nanos,
}

/// After so many steps turmoil has carried everything, and would step for nothing.
const CARRIED_WITHIN: u32 = 4;
/// How many steps are taken between two looks at the watcher.
const LOOK: u64 = 64;

/// Plays a scenario over turmoil's TCP, to its end.
///
/// # Errors
/// When turmoil fails.
pub fn run(
    scenario: &Scenario,
    recorder: &mut impl Recorder,
    watch: impl FnMut(Progress) -> bool,
) -> io::Result<Ended> {
    run_with(scenario, &Programs::default(), recorder, watch).map(|(ended, _)| ended)
}

/// The same with programs of the user's in the place of some groups.
///
/// # Errors
/// When turmoil fails, or a server's program does.
pub fn run_with(
    scenario: &Scenario,
    programs: &Programs,
    recorder: &mut impl Recorder,
    mut watch: impl FnMut(Progress) -> bool,
) -> io::Result<(Ended, Told)> {
    let stage = Rc::new(OnceCell::new());
    let mut theater = Theater::new(scenario, programs, &stage);
    let net = Rc::clone(&theater.net);
    let places = theater.places.iter().map(|(_, number, place)| (*number, *place)).collect();
    let setup = Setup {
        part: Part::Both,
        bind: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        sources: Vec::new(),
        targets: BTreeMap::new(),
        connections_max: usize::MAX,
        insecure: false,
        roots: Vec::new(),
        authority: None,
        programs: BTreeMap::new(),
        threads: 1,
    };
    let mut engine = Engine::new(Rc::clone(&net), scenario, &setup, scenario.directory(), places)?;
    engine.foreign = theater.foreign.keys().copied().collect();
    let shared: Shared<Turmoil> = Rc::new(RefCell::new(engine));
    let names = theater.places.iter().map(|(name, number, place)| (name.clone(), (*number, *place)));
    let stage = stage.get_or_init(|| Stage {
        engine: Rc::clone(&shared),
        told: Default::default(),
        said: Default::default(),
        servers: Rc::new(names.collect()),
    });
    shared.borrow_mut().begin(&shared, scenario, scenario.servers().iter().map(|_| None).collect());
    for server in 0..scenario.servers().len() as u32 {
        if !theater.foreign.contains_key(&server) {
            shared.borrow_mut().accept_all(server);
        }
    }
    theater.set_ways(scenario, &shared.borrow());
    let alone = theater.foreign.is_empty() && net.played.is_empty();
    let end = Timestamp::ZERO + scenario.duration();
    let mut partial = false;
    let mut step = 0;
    let mut under_way = CARRIED_WITHIN;
    loop {
        let now = Timestamp::ZERO + Nanos(step * TICK.0);
        if now >= end {
            break;
        }
        net.now.set(now);
        // Programs have timers of their own.
        if under_way > 0 || !alone {
            under_way = under_way.saturating_sub(1);
            theater.sim.step().map_err(|error| io::Error::other(error.to_string()))?;
        }
        let mut engine = shared.borrow_mut();
        engine.hear();
        stage.record(&mut engine);
        let until = (now + TICK).min(end);
        while engine.turn(Timestamp(until.0 - 1)) < until {}
        if std::mem::take(&mut engine.stirred) {
            under_way = CARRIED_WITHIN;
        }
        engine.events.flush(now, recorder);
        if let Some(trouble) = engine.trouble.take() {
            return Err(trouble);
        }
        for act in net.acts.take() {
            theater.act(act, &engine);
        }
        drop(engine);
        for (group, index, session) in net.arrived.take() {
            theater.start_session(scenario, programs, stage, group, index, session);
        }
        step += 1;
        if step.is_multiple_of(LOOK) && !watch(Progress { now, events: shared.borrow().events.flushed() }) {
            partial = true;
            break;
        }
    }
    let mut engine = shared.borrow_mut();
    stage.record(&mut engine);
    let at = if partial { net.now() } else { end };
    engine.events.finish(at, recorder);
    let ended = Ended { at, events: engine.events.flushed(), partial, late: engine.late };
    engine.end();
    let told = std::mem::take(&mut *stage.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    Ok((ended, told))
}

/// turmoil's simulation, and who has which host in it.
struct Theater {
    sim: turmoil::Sim<'static>,
    net: Rc<Turmoil>,
    /// Every server: its name, number and address.
    places: Vec<(String, u32, SocketAddr)>,
    /// The servers that programs play, with their hosts' names.
    foreign: BTreeMap<u32, String>,
    /// Every host.
    hosts: Vec<IpAddr>,
}

impl Theater {
    fn new(scenario: &Scenario, programs: &Programs, stage: &Rc<OnceCell<Stage>>) -> Theater {
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
        let is_program = |group: usize| {
            let group = scenario.groups().get_index(group);
            group.is_some_and(|(name, _)| programs.servers.contains_key(name))
        };
        let own = scenario.servers().iter().filter(|server| !is_program(server.group)).count();
        let shared: Vec<Host> =
            (0..own.min(most)).map(|number| start(&mut sim, format!("shakedown-servers-{number}"))).collect();
        let (mut servers, mut places, mut foreign) = (Vec::new(), Vec::new(), BTreeMap::new());
        for (number, server) in (0..).zip(scenario.servers()) {
            let group = scenario.groups().get_index(server.group).map(|(name, _)| name);
            let program = group.and_then(|group| programs.servers.get(group));
            let (host, port) = match program {
                None => (shared[number as usize % shared.len()].clone(), FIRST_PORT + number as u16),
                Some(program) => {
                    let (name, program, stage) = (server.name.clone(), Rc::clone(program), Rc::clone(stage));
                    sim.host(server.name.as_str(), move || {
                        let (name, program, stage) = (name.clone(), Rc::clone(&program), Rc::clone(&stage));
                        async move {
                            let Some(stage) = stage.get().cloned() else { return Ok(()) };
                            let cx = ServerContext { stage, name: name.clone(), port: FIRST_PORT };
                            program(cx).await.map_err(|error| format!("{name}: {error}").into())
                        }
                    });
                    foreign.insert(number, server.name.clone());
                    ((sim.lookup(server.name.as_str()), Rc::default()), FIRST_PORT)
                }
            };
            places.push((server.name.clone(), number, SocketAddr::new(host.0, port)));
            servers.push(host);
        }
        hosts.extend(foreign.values().map(|name| sim.lookup(name.as_str())));
        let net = Turmoil {
            now: Cell::new(Timestamp::ZERO),
            clients,
            servers,
            played,
            acts: RefCell::default(),
            arrived: RefCell::default(),
        };
        Theater { sim, net: Rc::new(net), places, foreign, hosts }
    }

    /// Between the hosts of the user's clients and the servers', turmoil itself takes the time that the way takes.
    fn set_ways(&self, scenario: &Scenario, engine: &Engine<Turmoil>) {
        for (group, hosts) in &self.net.played {
            for (number, (host, _)) in (0..).zip(hosts) {
                for (server, (there, _)) in (0..).zip(&self.net.servers) {
                    let route = engine.links.route(*group, server);
                    let identity = engine.servers[server as usize].identity;
                    let from = host_identity(scenario, *group, number);
                    let way = engine.links.one_way(route, Way::ToServer, from, identity);
                    self.sim.set_link_latency(*host, *there, Duration::from_nanos(way.0));
                }
            }
        }
    }

    /// Something happens to hosts, or between them.
    fn act(&mut self, act: Act, engine: &Engine<Turmoil>) {
        let others = |own: IpAddr| self.hosts.iter().copied().filter(move |host| *host != own);
        match act {
            Act::Lost { server, kernel_lives } => {
                let Some(name) = self.foreign.get(&server) else { return };
                let own = self.sim.lookup(name.as_str());
                if !kernel_lives {
                    others(own).for_each(|host| self.sim.partition(own, host));
                }
                self.sim.crash(name.as_str());
            }
            Act::Started { server } => {
                let Some(name) = self.foreign.get(&server) else { return };
                let own = self.sim.lookup(name.as_str());
                others(own).for_each(|host| self.sim.repair(own, host));
                self.sim.bounce(name.as_str());
            }
            Act::Hung { server, hung } => {
                let Some(name) = self.foreign.get(&server) else { return };
                let own = self.sim.lookup(name.as_str());
                for host in others(own) {
                    if hung { self.sim.hold(own, host) } else { self.sim.release(own, host) }
                }
            }
            Act::Parted { fault, parted } => {
                for (group, hosts) in &self.net.played {
                    for (server, (there, _)) in (0..).zip(&self.net.servers) {
                        let cut = engine.faults[fault as usize].between(Side::Clients(*group), server);
                        for (host, _) in hosts.iter().filter(|_| cut.is_some()) {
                            if parted { self.sim.hold(*host, *there) } else { self.sim.release(*host, *there) }
                        }
                    }
                }
            }
        }
    }

    /// A session that a program plays has arrived.
    fn start_session(
        &self,
        scenario: &Scenario,
        programs: &Programs,
        stage: &Stage,
        group: u16,
        index: u32,
        session: u32,
    ) {
        let Some((name, config)) = scenario.clients().get_index(group.into()) else { return };
        let (Some(program), Some(hosts)) = (programs.clients.get(name), self.net.played.get(&group)) else { return };
        let number = index % hosts.len() as u32;
        let endpoints = config.endpoints.iter().flat_map(|name| scenario.endpoints(name).unwrap_or_default());
        let endpoints = endpoints.filter_map(|endpoint| scenario.servers().get(endpoint.0 as usize));
        let endpoints: Vec<String> = endpoints.map(|server| server.name.clone()).collect();
        let name = scenario.session_name((group, index));
        let host = host_identity(scenario, group, number);
        let cx = ClientContext::new(stage.clone(), (session, group, index), name, endpoints, host);
        let reporter = cx.reporter();
        let program = program(cx);
        hosts[number as usize].1.put(Box::pin(async move {
            if let Err(error) = program.await {
                reporter.fail(error);
            }
        }));
    }
}

/// What the ways of a host of the user's clients are drawn by.
fn host_identity(scenario: &Scenario, group: u16, number: u32) -> Identity {
    let name = scenario.clients().get_index(group.into()).map_or("", |(name, _)| name);
    Identity::group(&format!("{name}/programs")).nth(number.into())
}
