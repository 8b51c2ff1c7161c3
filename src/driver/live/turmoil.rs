//! turmoil: async code over its TCP, on virtual time.
//!
//! Sessions and servers are played by the loop of the live drivers; their connections are turmoil's, carried by tasks on a
//! few turmoil hosts (its cost grows with the cube of their number). turmoil moves whatever is under way once a tick, so
//! the loop plays what was due during a tick, each thing at its very moment, and then lets turmoil take its step. Ways are
//! played between the connections and the machines, as on real sockets (`lines.rs`); of what goes between two ends of the
//! run's own, the moment of arrival is kept to the nanosecond (`timed.rs`).

use std::cell::{Cell, RefCell};
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
use super::net::{Net, Place, Transport};
use super::{Part, Progress, Setup};
use crate::fault::Kind;
use crate::network;
use crate::quantity::Loss;
use crate::record::Recorder;
use crate::rng::{Distribution, Varying};
use crate::scenario::Scenario;
use crate::server::ServerKind;
use crate::time::{Nanos, Timestamp};

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

/// turmoil's network, as the loop sees it.
pub(super) struct Turmoil {
    now: Cell<Timestamp>,
    clients: Vec<(IpAddr, Rc<Inbox>)>,
    servers: Vec<(IpAddr, Rc<Inbox>)>,
}

impl Turmoil {
    fn at(&self, place: Place) -> &(IpAddr, Rc<Inbox>) {
        match place {
            Place::Client(number) => &self.clients[(number % self.clients.len() as u64) as usize],
            Place::Server(number) => &self.servers[number as usize % self.servers.len()],
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
/// When turmoil has no more ports, or a task fails.
pub fn run(
    scenario: &Scenario,
    recorder: &mut impl Recorder,
    mut watch: impl FnMut(Progress) -> bool,
) -> io::Result<Ended> {
    let sessions = scenario.sessions();
    let mut sim = turmoil::Builder::new()
        .epoch(SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000))
        .rng_seed(scenario.file.seed.0)
        .tick_duration(Duration::from_nanos(TICK.0))
        .simulation_duration(Duration::MAX)
        .min_message_latency(Duration::ZERO)
        .max_message_latency(Duration::ZERO)
        .ephemeral_ports(PORTS)
        // A full one would end the process.
        .tcp_capacity(usize::try_from(sessions).unwrap_or(usize::MAX).saturating_mul(4).clamp(1 << 12, 1 << 24))
        .build();
    let mut start = |name: String| {
        let inbox = Rc::new(Inbox::default());
        sim.client(name.as_str(), Rc::clone(&inbox).start_all());
        (sim.lookup(name.as_str()), inbox)
    };
    // What clients send is read by servers within the step, as they come after them.
    let clients = sessions.div_ceil(SESSIONS_PER_HOST).clamp(1, CLIENT_HOSTS);
    let clients: Vec<_> = (0..clients).map(|number| start(format!("clients-{number}"))).collect();
    let servers = scenario.servers.len().clamp(1, SERVER_HOSTS);
    let servers: Vec<_> = (0..servers).map(|number| start(format!("servers-{number}"))).collect();
    let net = Rc::new(Turmoil { now: Cell::new(Timestamp::ZERO), clients, servers });
    let places = (0..scenario.servers.len() as u32).map(|server| {
        let (host, _) = net.at(Place::Server(server));
        (server, SocketAddr::new(*host, FIRST_PORT + server as u16))
    });
    let places: BTreeMap<u32, SocketAddr> = places.collect();
    let setup = Setup {
        part: Part::Both,
        bind: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        sources: Vec::new(),
        targets: BTreeMap::new(),
        connections_max: usize::MAX,
        insecure: false,
        programs: BTreeMap::new(),
    };
    let engine = Engine::new(Rc::clone(&net), scenario, &setup, scenario.directory(), places)?;
    let shared: Shared<Turmoil> = Rc::new(RefCell::new(engine));
    let listeners = scenario.servers.iter().map(|_| None).collect();
    shared.borrow_mut().begin(&shared, scenario, listeners);
    for server in 0..scenario.servers.len() as u32 {
        shared.borrow_mut().accept_all(server);
    }
    let end = Timestamp::ZERO + scenario.file.duration;
    let mut partial = false;
    let mut step = 0;
    let mut under_way = CARRIED_WITHIN;
    loop {
        let now = Timestamp::ZERO + Nanos(step * TICK.0);
        if now >= end {
            break;
        }
        net.now.set(now);
        if under_way > 0 {
            under_way -= 1;
            sim.step().map_err(|error| io::Error::other(error.to_string()))?;
        }
        let mut engine = shared.borrow_mut();
        let until = (now + TICK).min(end);
        while engine.turn(Timestamp(until.0 - 1)) < until {}
        if std::mem::take(&mut engine.stirred) {
            under_way = CARRIED_WITHIN;
        }
        engine.events.flush(now, recorder);
        if let Some(trouble) = engine.trouble.take() {
            return Err(trouble);
        }
        step += 1;
        if step.is_multiple_of(LOOK) && !watch(Progress { now, events: engine.events.flushed() }) {
            partial = true;
            break;
        }
    }
    let mut engine = shared.borrow_mut();
    let at = if partial { net.now() } else { end };
    engine.events.finish(at, recorder);
    let ended = Ended { at, events: engine.events.flushed(), partial, late: engine.late };
    engine.end();
    Ok(ended)
}

/// Whether ways are shorter than turmoil can keep them. Of those that have no least, a few may be: those come late, and
/// by how much is told.
fn short(way: &Distribution) -> bool {
    let least = match way {
        Distribution::Constant(length) => *length,
        Distribution::Varying(Varying::Uniform { min, .. }) => *min,
        Distribution::Varying(Varying::Exponential { .. }) => Nanos::ZERO,
        Distribution::Varying(Varying::Normal { mean, deviation }) => Nanos(mean.0.saturating_sub(3 * deviation.0)),
        Distribution::Varying(Varying::Lognormal { median, .. }) => *median,
        Distribution::Varying(Varying::Quantiles(points)) => points.values().min().copied().unwrap_or(Nanos::ZERO),
    };
    least < SHORTEST_WAY
}

/// Every key of a scenario that can't be played over turmoil, and why.
pub fn refused(scenario: &Scenario) -> Vec<String> {
    let mut found = Vec::new();
    let mut refuse = |given: bool, path: String, why: &str| {
        if given {
            found.push(format!("{path}: {why}"));
        }
    };
    const LOSES_NOTHING: &str = "turmoil repeats nothing, so that what it loses is lost for good";
    const NO_LIMIT: &str = "turmoil's links have no bandwidth";
    const TOO_SHORT: &str = "ways below 2 ms are beneath turmoil's ticks of 1 ms";
    let file = &scenario.file;
    let loss = |loss: &Loss| loss.forward.0 > 0.0 || loss.back.0 > 0.0;
    refuse(loss(&file.network.loss), "network.loss".into(), LOSES_NOTHING);
    refuse(short(&file.network.one_way), "network.one_way".into(), TOO_SHORT);
    let retries = file.network.data_retries != network::Config::default().data_retries;
    refuse(retries, "network.data_retries".into(), "no kernel gives up here");
    for (name, link) in &file.network.links {
        let at = |key: &str| format!("network.links.{name}.{key}");
        refuse(link.loss.as_ref().is_some_and(loss), at("loss"), LOSES_NOTHING);
        refuse(link.bandwidth.is_some(), at("bandwidth"), NO_LIMIT);
        refuse(link.one_way.as_ref().is_some_and(short), at("one_way"), TOO_SHORT);
    }
    refuse(!file.dns.is_empty(), "dns".into(), "turmoil's names have one address for ever");
    for (name, server) in &file.servers {
        let at = |key: &str| format!("servers.{name}.{key}");
        match server.kind {
            ServerKind::Websocket => {}
            ServerKind::L4 => refuse(true, at("kind"), "balancers are played in the simulator only"),
            ServerKind::Proxy => {
                refuse(true, format!("proxies.{name}"), "proxies are played in the simulator only");
                continue;
            }
        }
        refuse(!server.tls.is_none(), at("tls"), "TLS is played in the simulator only");
        refuse(server.calls(), at("calls"), "calls between servers are played in the simulator only");
        refuse(server.access_link.is_some(), at("access_link"), NO_LIMIT);
    }
    let drawn = scenario.faults.iter().skip(file.faults.len()).flat_map(|fault| &fault.strikes);
    let drawn = drawn.map(|strike| ("chaos.kinds".to_string(), strike.kind));
    let written = file.faults.iter().map(|(name, fault)| (format!("faults.{name}.kind"), fault.strikes_with()));
    for (key, kind) in written.chain(drawn) {
        let why = match kind {
            Kind::Lossy => LOSES_NOTHING,
            Kind::Bandwidth => NO_LIMIT,
            Kind::Backlog => "the accept queue keeps its size",
            Kind::DnsOutage => "turmoil's names have one address for ever",
            _ => continue,
        };
        refuse(true, key, why);
    }
    for (name, client) in &file.clients {
        let at = |key: &str| format!("clients.{name}.{key}");
        if let Some(why) = client.mode.simulated_only() {
            refuse(true, at("mode"), why);
        }
        refuse(client.proxy.is_some(), at("proxy"), "connects through proxies are played in the simulator only");
        refuse(client.nat.is_some(), at("nat"), "servers see the addresses that there are");
        refuse(client.access_link.is_some(), at("access_link"), NO_LIMIT);
    }
    found
}
