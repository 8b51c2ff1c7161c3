//! The loop's state: the machines, and what is due. It is told by the network, and tells it.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};

use shakedown_core::client;
use shakedown_core::driver::cast::{self, Change};
use shakedown_core::event::Kind;
use shakedown_core::http::Directory;
use shakedown_core::load::Arrivals;
use shakedown_core::network::Way;
use shakedown_core::rng::Seed;
use shakedown_core::scenario::Scenario;
use shakedown_core::server::{self, Membership, Plan};
use shakedown_core::time::{Nanos, Timestamp};
use tokio::net::TcpListener;

use super::super::events::Events;
use super::network::{ConnectionKey, Effect, Listener, Network, Notice, Owner, PeerId, SocketInput, Sockets};
use super::programs::{Program, Running};
use super::schedule::{Schedule, Sleep};
use super::setup::{Part, Setup};
use super::slots::{GroupSlot, ServerSlot, SessionSlot, Step};

/// What is due at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    FaultHeals {
        fault: u32,
        window: u32,
    },
    FaultBegins {
        fault: u32,
        window: u32,
    },
    Member {
        server: u32,
        step: Step,
    },
    /// A process that has something to do from its start on is started.
    Start {
        server: u32,
    },
    Report {
        server: u32,
    },
    Pause {
        server: u32,
    },
    ServerWake {
        server: u32,
    },
    SessionWake {
        session: u32,
    },
    Restart {
        session: u32,
    },
}

/// How many things are done before connections get a turn.
const BUDGET: usize = 256;

/// Everything but the connections.
pub(super) struct Engine {
    pub seed: Seed,
    pub network: Network,
    pub events: Events,
    pub sleep: Rc<Sleep>,
    pub due: Schedule<Due>,
    pub directory: Directory,
    pub groups: Vec<GroupSlot>,
    pub arrivals: BinaryHeap<Reverse<(Timestamp, u32)>>,
    pub sessions: Vec<SessionSlot>,
    pub plans: Vec<Plan>,
    pub memberships: Vec<Membership>,
    pub servers: Vec<ServerSlot>,
    pub client_outputs: Option<Box<client::Outputs>>,
    pub server_outputs: Option<Box<server::Outputs>>,
    /// What ends the run.
    pub trouble: Option<io::Error>,
    /// The longest that a session's start came after its schedule.
    pub behind: Nanos,
    /// Servers that are programs, those that run, and those that ended by themselves.
    pub programs: BTreeMap<u32, Program>,
    pub running: BTreeMap<u32, Running>,
    pub died: Vec<(u32, String)>,
}

impl Owner for RefCell<Engine> {
    fn handle(&self, input: SocketInput<'_>) {
        let mut engine = self.borrow_mut();
        engine.network.handle(input);
        engine.dispatch();
    }
}

impl Engine {
    pub(crate) fn new(
        sockets: Rc<Sockets>,
        scenario: &Scenario,
        setup: &Setup,
        listeners: Vec<Option<TcpListener>>,
        directory: Directory,
        addresses: BTreeMap<u32, SocketAddr>,
        running: BTreeMap<u32, Running>,
    ) -> io::Result<Rc<RefCell<Engine>>> {
        let seed = scenario.seed();
        let clients = scenario.clients().iter().zip(cast::groups(scenario)).filter(|_| setup.part != Part::Servers);
        let groups = clients.map(|((name, config), plan)| {
            let start = Timestamp::ZERO + config.start;
            GroupSlot::new(plan, name, config, Arrivals::new(seed, name, start, config.count, &config.arrive))
        });
        let plans = cast::plans(scenario);
        let sleep = Rc::new(Sleep::default());
        let servers = scenario.servers().iter().filter(|_| setup.part != Part::Clients);
        let mut network = Network::new(sockets, scenario, setup, &plans, listeners, addresses, &sleep)?;
        Ok(Rc::new_cyclic(|me: &Weak<RefCell<Engine>>| {
            network.belong_to(me.clone());
            RefCell::new(Engine {
                seed,
                network,
                events: Events::default(),
                due: Schedule::new(&sleep),
                sleep,
                directory,
                groups: groups.collect(),
                arrivals: BinaryHeap::new(),
                sessions: Vec::new(),
                plans,
                memberships: scenario.groups().values().map(|group| group.membership).collect(),
                servers: servers.map(|entry| ServerSlot::new(scenario, entry)).collect(),
                client_outputs: None,
                server_outputs: None,
                trouble: None,
                behind: Nanos::ZERO,
                programs: setup.programs.clone(),
                running,
                died: Vec::new(),
            })
        }))
    }

    /// Opens the servers, and writes down what the scenario fixes beforehand.
    pub(crate) fn begin(&mut self) {
        for Change { at, fault, window, begins } in cast::changes(self.network.faults()) {
            let item = if begins { Due::FaultBegins { fault, window } } else { Due::FaultHeals { fault, window } };
            self.due.push(at, item);
        }
        for server in 0..self.servers.len() as u32 {
            self.schedule_membership(server);
            self.listen_again(server);
            let plan = &self.plans[self.servers[server as usize].group];
            let (starts, every) = (plan.starts(), plan.report_every());
            if starts {
                self.due.push(Timestamp::ZERO, Due::Start { server });
            }
            if let Some(every) = every {
                self.due.push(Timestamp::ZERO + every, Due::Report { server });
            }
            self.next_pause(server);
        }
        let first = (0..).zip(&mut self.groups).filter_map(|(number, group)| group.arrivals.next().zip(Some(number)));
        self.arrivals = first.map(Reverse).collect();
    }

    /// Does what is due by now, or some of it. Returns when there is more.
    pub(crate) fn turn(&mut self, now: Timestamp) -> Timestamp {
        self.sleep.end();
        for _ in 0..BUDGET {
            if self.next() > now {
                break;
            }
            self.network.now = self.network.sockets.now();
            let (due, timer, arrival) = (self.due.next(), self.network.next_timer(), self.next_arrival());
            if arrival < due.min(timer) {
                self.arrive();
            } else if timer < due {
                self.network.run_timer();
            } else if let Some((at, item)) = self.due.pop() {
                self.run(item, at);
            }
            self.dispatch();
        }
        let next = self.next();
        self.sleep.begin(next);
        next
    }

    fn next_arrival(&self) -> Timestamp {
        self.arrivals.peek().map_or(Timestamp::NEVER, |Reverse((at, _))| *at)
    }

    fn next(&self) -> Timestamp {
        self.due.next().min(self.network.next_timer()).min(self.next_arrival())
    }

    fn run(&mut self, item: Due, at: Timestamp) {
        match item {
            Due::FaultBegins { fault, window } => self.fault_begins(fault, window),
            Due::FaultHeals { fault, window } => self.fault_heals(fault, window),
            Due::Member { server, step } => self.member(server, step),
            Due::Start { server } => self.start_server(server),
            Due::Report { server } => self.report(server),
            Due::Pause { server } => self.pause(server),
            Due::ServerWake { server } => self.wake_server(server, at),
            Due::SessionWake { session } => self.wake_session(session, at),
            Due::Restart { session } => self.restart(session),
        }
    }

    /// Does what the network asks.
    pub(crate) fn dispatch(&mut self) {
        while let Some(effect) = self.network.next_effect() {
            match effect {
                Effect::Notify(key, way, notice) => self.notify(key, way, &notice),
                Effect::Accepted(key) => self.accept(key),
                Effect::Flush(key, way) => self.network.flush(key, way),
                Effect::Record(kind) => self.record(kind),
                Effect::Fail(error) => self.fail(error),
            }
        }
    }

    /// A machine is told something about a connection, if it still listens there.
    fn notify(&mut self, key: ConnectionKey, way: Way, notice: &Notice) {
        match self.network.listener(key, way) {
            None => {}
            Some(Listener::Server(server, c)) => self.server_input(server, notice.input(c)),
            Some(Listener::Opener(peer, c)) => {
                if notice.is_last() {
                    self.network.release(key);
                    match peer {
                        PeerId::Session(session) => {
                            self.sessions[session as usize].connections.retain(|(_, other)| *other != key);
                        }
                        PeerId::Server(server) => drop(self.servers[server as usize].opened.remove(&c.0)),
                    }
                }
                match peer {
                    PeerId::Session(session) => self.session_input(session, notice.input(c)),
                    PeerId::Server(server) => {
                        self.server_input(server, notice.input(c));
                        if matches!(notice, Notice::Connected) {
                            self.join(server, c);
                        }
                    }
                }
            }
        }
    }

    /// Something happened now.
    pub(crate) fn record(&mut self, kind: Kind) {
        self.events.push(self.network.now, kind);
    }

    /// The run cannot go on.
    pub(crate) fn fail(&mut self, error: io::Error) {
        self.trouble.get_or_insert(error);
        self.sleep.notify.notify_one();
    }

    /// Everything is over. Returns the programs that had ended by themselves.
    pub(crate) fn end(&mut self) -> Vec<(u32, String)> {
        self.network.end();
        self.end_programs();
        std::mem::take(&mut self.died)
    }
}
