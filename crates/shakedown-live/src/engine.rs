//! The loop's state: machines, lines between them, and what is due.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::{Rc, Weak};

use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::bandwidth::Bottlenecks;
use super::clients::{GroupSlot, SessionSlot};
use super::events::Events;
use super::lines::{Line, LineId};
use super::programs::{Program, Running};
use super::servers::{ServerSlot, Step};
use super::sockets::Sockets;
use super::stream::StreamHandle;
use super::tls::Tls;
use super::{Part, Setup};
use shakedown_core::client;
use shakedown_core::driver::cast;
use shakedown_core::event::Kind;
use shakedown_core::fault::{Fault, FaultWindow};
use shakedown_core::http::Directory;
use shakedown_core::load::Arrivals;
use shakedown_core::network::{Links, SynSchedule, Way};
use shakedown_core::rng::Seed;
use shakedown_core::scenario::Scenario;
use shakedown_core::server::{self, Membership, Plan, TlsKeys};
use shakedown_core::time::{Nanos, Timestamp};

/// The engine, as its tasks know it.
pub(super) type Shared = Rc<RefCell<Engine>>;

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
    /// A SYN comes to the host that it is for.
    Syn {
        line: LineId,
    },
    /// Something comes to the end of a line.
    Arrival {
        line: LineId,
        way: Way,
    },
    /// Something comes to the next limit of bandwidth on its way.
    Hop {
        number: u64,
    },
    /// What a partition held up is sent again.
    Retransmission {
        line: LineId,
        way: Way,
    },
}

/// How many things are done before connections get a turn.
const BUDGET: usize = 256;

/// Everything but the sockets.
pub(super) struct Engine {
    pub net: Rc<Sockets>,
    pub me: Weak<RefCell<Engine>>,
    pub part: Part,
    pub seed: Seed,
    pub now: Timestamp,
    pub events: Events,
    /// Told when something is due earlier than anything before.
    pub notify: Rc<Notify>,
    /// Until when the loop sleeps.
    asleep_until: Timestamp,
    due: BinaryHeap<Reverse<(Timestamp, u64, Due)>>,
    pushed: u64,
    pub directory: Directory,
    /// Where servers listen, by number.
    pub places: BTreeMap<u32, SocketAddr>,
    pub links: Links,
    pub bottlenecks: Option<Box<Bottlenecks>>,
    pub syn_schedule: SynSchedule,
    /// Partitions and longer ways: their numbers among the faults.
    pub partitions: Vec<u32>,
    pub latency_faults: Vec<u32>,
    pub faults: Vec<Fault>,
    pub groups: Vec<GroupSlot>,
    pub arrivals: BinaryHeap<Reverse<(Timestamp, u32)>>,
    pub sessions: Vec<SessionSlot>,
    pub plans: Vec<Plan>,
    pub memberships: Vec<Membership>,
    pub servers: Vec<ServerSlot>,
    pub lines: BTreeMap<LineId, Line>,
    pub next_line: u64,
    /// Lines by the address that they are dialled from.
    pub by_address: BTreeMap<SocketAddr, LineId>,
    pub sources: Vec<IpAddr>,
    pub next_source: usize,
    pub connections_max: usize,
    pub tls: Tls,
    pub client_outputs: Option<Box<client::Outputs>>,
    pub server_outputs: Option<Box<server::Outputs>>,
    /// What ends the run.
    pub trouble: Option<io::Error>,
    pub behind: Nanos,
    pub over_limit: u64,
    pub strangers: u64,
    /// Connections of hosts without power.
    pub silent: Vec<(u32, StreamHandle)>,
    /// Servers that are programs, those that run, and those that ended by themselves.
    pub programs: BTreeMap<u32, Program>,
    pub running: BTreeMap<u32, Running>,
    pub died: Vec<(u32, String)>,
}

/// What the ends of a run have in common.
fn tls(scenario: &Scenario, setup: &Setup, plans: &[Plan]) -> io::Result<Tls> {
    let mut tls = Tls::default();
    if setup.part == Part::Clients {
        if setup.targets.values().any(|address| address.secure) {
            tls.trust(&setup.roots, setup.insecure)?;
        }
        return Ok(tls);
    }
    let Some(authority) = &setup.authority else { return Ok(tls) };
    if setup.part == Part::Both {
        tls.trust(&[authority.certificate()], false)?;
    }
    for (number, plan) in plans.iter().enumerate().filter(|(_, plan)| !plan.tls().is_none()) {
        let members = || (0..).zip(scenario.servers()).filter(|(_, server)| server.group == number);
        for (server, entry) in members() {
            tls.equip(server, &entry.name, setup.bind, plan, authority)?;
        }
        if plan.tls_keys() == TlsKeys::Shared {
            tls.share_keys(members().map(|(server, _)| server));
        }
    }
    Ok(tls)
}

impl Engine {
    pub fn new(
        net: Rc<Sockets>,
        scenario: &Scenario,
        setup: &Setup,
        directory: Directory,
        places: BTreeMap<u32, SocketAddr>,
    ) -> io::Result<Engine> {
        let seed = scenario.seed();
        let played = setup.part != Part::Servers;
        let clients = scenario.clients().iter().zip(cast::groups(scenario)).filter(|_| played);
        let groups = clients.map(|((name, config), plan)| {
            let start = Timestamp::ZERO + config.start;
            GroupSlot::new(plan, name, config, Arrivals::new(seed, name, start, config.count, &config.arrive))
        });
        let plans = cast::plans(scenario);
        let tls = tls(scenario, setup, &plans)?;
        Ok(Engine {
            net,
            me: Weak::new(),
            part: setup.part,
            seed,
            now: Timestamp::ZERO,
            events: Events::default(),
            notify: Rc::new(Notify::new()),
            asleep_until: Timestamp::ZERO,
            due: BinaryHeap::new(),
            pushed: 0,
            directory,
            places,
            links: Links::new(seed, scenario.routes()),
            bottlenecks: if setup.part == Part::Both { Bottlenecks::new(scenario) } else { None },
            syn_schedule: scenario.network().syn_retries.schedule(),
            partitions: Vec::new(),
            latency_faults: Vec::new(),
            faults: if setup.part == Part::Clients { Vec::new() } else { scenario.faults().to_vec() },
            groups: groups.collect(),
            arrivals: BinaryHeap::new(),
            sessions: Vec::new(),
            plans,
            memberships: scenario.groups().values().map(server::Config::membership).collect(),
            servers: Vec::new(),
            lines: BTreeMap::new(),
            next_line: 0,
            by_address: BTreeMap::new(),
            sources: setup.sources.clone(),
            next_source: 0,
            connections_max: setup.connections_max,
            programs: setup.programs.clone(),
            running: BTreeMap::new(),
            died: Vec::new(),
            tls,
            client_outputs: None,
            server_outputs: None,
            trouble: None,
            behind: Nanos::ZERO,
            over_limit: 0,
            strangers: 0,
            silent: Vec::new(),
        })
    }

    /// Opens the servers, and writes down what the scenario fixes beforehand.
    pub fn begin(&mut self, me: &Shared, scenario: &Scenario, listeners: Vec<Option<TcpListener>>) {
        self.me = Rc::downgrade(me);
        for (listener, entry) in listeners.into_iter().zip(scenario.servers()) {
            self.servers.push(ServerSlot::new(scenario, entry, listener));
        }
        // Where one fault takes over from another, whichever is written first, the one heals before the other strikes.
        let faults = self.faults.clone();
        let windows =
            || (0..).zip(&faults).flat_map(|(fault, f)| (0..).zip(&f.windows).map(move |(n, s)| (fault, n, s)));
        for (fault, window, FaultWindow { begins, heals, .. }) in windows() {
            if let Some(heals) = heals.filter(|heals| heals > begins) {
                self.push(heals, Due::FaultHeals { fault, window });
            }
        }
        for (fault, window, FaultWindow { begins, heals, .. }) in windows() {
            self.push(*begins, Due::FaultBegins { fault, window });
            if let Some(heals) = heals.filter(|heals| heals <= begins) {
                self.push(heals, Due::FaultHeals { fault, window });
            }
        }
        for server in 0..self.servers.len() as u32 {
            self.schedule_membership(server);
            self.listen_again(server);
            if self.plans[self.servers[server as usize].group].starts() {
                self.push(Timestamp::ZERO, Due::Start { server });
            }
            if let Some(every) = self.plans[self.servers[server as usize].group].report_every() {
                self.push(Timestamp::ZERO + every, Due::Report { server });
            }
            self.next_pause(server);
        }
        let first = (0..).zip(&mut self.groups).filter_map(|(number, group)| group.arrivals.next().zip(Some(number)));
        self.arrivals = first.map(Reverse).collect();
    }

    /// Does what is due by now, or some of it. Returns when there is more.
    pub fn turn(&mut self, now: Timestamp) -> Timestamp {
        self.asleep_until = Timestamp::ZERO;
        for _ in 0..BUDGET {
            let due = self.due.peek().map_or(Timestamp::NEVER, |Reverse((at, ..))| *at);
            let arrival = self.arrivals.peek().map_or(Timestamp::NEVER, |Reverse((at, _))| *at);
            if due.min(arrival) > now {
                break;
            }
            self.now = self.net.now();
            if arrival < due {
                self.arrive();
            } else if let Some(Reverse((_, _, item))) = self.due.pop() {
                self.happen(item, due);
            }
        }
        let due = self.due.peek().map_or(Timestamp::NEVER, |Reverse((at, ..))| *at);
        let arrival = self.arrivals.peek().map_or(Timestamp::NEVER, |Reverse((at, _))| *at);
        self.asleep_until = due.min(arrival);
        self.asleep_until
    }

    fn happen(&mut self, item: Due, at: Timestamp) {
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
            Due::Syn { line } => self.syn(line),
            Due::Arrival { line, way } => self.arrived(line, way),
            Due::Hop { number } => self.hop(number),
            Due::Retransmission { line, way } => self.retransmitted(line, way),
        }
    }

    /// Something is due at a moment.
    pub fn push(&mut self, at: Timestamp, item: Due) {
        self.pushed += 1;
        self.due.push(Reverse((at, self.pushed, item)));
        if at < self.asleep_until {
            self.asleep_until = at;
            self.notify.notify_one();
        }
    }

    /// Something happened now.
    pub fn record(&mut self, kind: Kind) {
        self.events.push(self.now, kind);
    }

    /// The run cannot go on.
    pub fn fail(&mut self, error: io::Error) {
        self.trouble.get_or_insert(error);
        self.notify.notify_one();
    }

    /// Everything is over: tasks find nobody to ask.
    pub fn end(&mut self) {
        self.me = Weak::new();
        self.end_programs();
        for server in &mut self.servers {
            server.stop_listening();
        }
        for line in self.lines.values() {
            line.kill();
        }
    }
}
