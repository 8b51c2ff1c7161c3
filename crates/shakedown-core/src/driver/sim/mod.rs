//! The event-driven simulator: one thread, virtual time in nanoseconds, exact replay.
//!
//! The loop pops the earliest item, gives it to the machine it is for, and carries out what the machine asks. A session
//! costs nothing before it arrives: sessions are made in order of arrival, so that what happens at the same time lies
//! together in memory. Per open session the simulator and its recorders keep about 170 bytes, and nothing is allocated
//! per handshake once the buffers have grown.

mod actors;
mod arrivals;
mod calls;
mod dns;
pub mod external;
mod faults;
mod members;
mod pauses;
mod pending;
mod queued;
mod streams;
mod tcp;
mod tls;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use dns::Dns;
use external::External;
use pauses::Pausing;
use pending::PendingInput;
use queued::Queued;
use streams::Streams;
use tcp::queue::Handle;
use tcp::segment::Segment;
use tcp::tap::Tap;
use tcp::{NONE, Tcp};
use tls::Tls;

use super::cast::{self, Change};
use crate::client::{self, Group, Session};
use crate::event::Event;
use crate::http::Directory;
use crate::load::Arrivals;
use crate::record::{Message, Recorder};
use crate::rng::{Identity, Seed};
use crate::scenario::Scenario;
use crate::server::{self, Membership, Pauses, Plan, Server};
use crate::time::Timestamp;

/// A session with what the simulator keeps for it: one line of a processor's cache.
#[derive(Debug)]
#[repr(align(64))]
struct SessionSlot {
    machine: Session,
    wake: Handle,
    /// Its latest connection in the slab; older ones follow by [`Connection::older`].
    connection: u32,
}

const _: () = assert!(size_of::<SessionSlot>() == 64);

/// A client group with what the simulator keeps for it.
#[derive(Debug)]
struct GroupSlot {
    plan: Group,
    arrivals: Arrivals,
    /// Client processes, where sessions share them.
    hosts: Vec<client::Host>,
    /// What each session has looked up and what was demanded of it, where none share a process and there are such things.
    names: Vec<client::Names>,
    next_index: u32,
    /// Sessions.
    count: u32,
}

/// A server with what the simulator keeps for it.
#[derive(Debug)]
struct ServerSlot {
    machine: Server,
    group: usize,
    wake: Handle,
    /// Numbers for its connections that may be used again.
    free: Vec<u32>,
    /// Its connections in the slab, by its own numbers for them.
    accepted: Vec<u32>,
    /// The connections that it opened itself, in the slab, by its own numbers for them.
    opened: BTreeMap<u32, u32>,
    /// What has arrived at a hung process, in order.
    pending: Vec<PendingInput>,
    /// The fault that drains it; none where it leaves.
    drained_by: Option<u16>,
    pauses: Option<Box<Pausing>>,
}

/// What is between the machines.
#[derive(Debug)]
struct Net {
    /// When the run ends.
    end: Timestamp,
    tcp: Tcp,
    dns: Dns,
    tls: Tls,
    streams: Streams,
    /// Parties that programs play; nearly always none.
    external: Option<Box<External>>,
    /// When faults begin and heal, in order of time.
    changes: Vec<Timestamp>,
}

/// A run in progress.
#[derive(Debug)]
pub struct Simulation {
    seed: Seed,
    net: Net,
    directory: Directory,
    groups: Vec<GroupSlot>,
    /// When the next session of each client group arrives. At the same moment, an arrival comes after all else.
    arrivals: BinaryHeap<Reverse<(Timestamp, u32)>>,
    sessions: Vec<SessionSlot>,
    plans: Vec<Plan>,
    servers: Vec<ServerSlot>,
    /// Of each server group, as configured.
    backlogs: Vec<u32>,
    memberships: Vec<Membership>,
    /// The buffers that machines write to, away while one does. Boxed, as they come and go with every input.
    client_outputs: Option<Box<client::Outputs>>,
    server_outputs: Option<Box<server::Outputs>>,
    reports: Vec<Option<u32>>,
}

/// Items whose events a recorder gets at once: as many as stay in a processor's nearest cache.
const BATCH: u64 = 64;

/// Events that there is room for from one batch to the next. A fault may strike more connections than that at once.
const EVENTS_KEPT: usize = 4096;

impl Simulation {
    /// A run of a scenario, at its beginning.
    pub fn new(scenario: &Scenario) -> Simulation {
        let seed = scenario.seed();
        let names = scenario.clients().iter().zip(cast::groups(scenario));
        let groups: Vec<GroupSlot> = names
            .map(|((name, config), plan)| GroupSlot {
                plan,
                arrivals: Arrivals::new(seed, name, Timestamp::ZERO + config.start, config.count, &config.arrive),
                hosts: (0..config.hosts.unwrap_or(0)).map(|_| client::Host::default()).collect(),
                names: Vec::new(),
                next_index: 0,
                count: config.count,
            })
            .collect();
        let servers = scenario.servers().iter().map(|server| {
            let config = &scenario.groups()[server.group];
            ServerSlot {
                machine: Server::default(),
                group: server.group,
                wake: Handle::NONE,
                free: Vec::new(),
                accepted: Vec::new(),
                opened: BTreeMap::new(),
                pending: Vec::new(),
                drained_by: None,
                pauses: config.pauses().map(|pauses| {
                    let (group, _) = scenario.groups().get_index(server.group).expect("every server has a group");
                    let (member, group) = (Identity::group(&server.name), Identity::group(group));
                    Box::new(Pausing::new(Pauses::new(seed, pauses, member, group)))
                }),
            }
        });
        let plans = cast::plans(scenario);
        let mut tcp = Tcp::new(scenario, |group| plans[group].rewrites_addresses());
        let net = Net {
            end: Timestamp::ZERO + scenario.duration(),
            dns: Dns::new(scenario),
            tls: Tls::default(),
            streams: Streams::new(&groups, &mut tcp.peers),
            tcp,
            external: None,
            changes: Vec::new(),
        };
        let mut simulation = Simulation {
            seed,
            net,
            directory: scenario.directory(),
            groups,
            arrivals: BinaryHeap::new(),
            sessions: Vec::with_capacity(scenario.sessions() as usize),
            plans,
            servers: servers.collect(),
            backlogs: scenario.groups().values().map(|group| group.backlog).collect(),
            memberships: scenario.groups().values().map(|group| group.membership).collect(),
            client_outputs: None,
            server_outputs: None,
            reports: Vec::with_capacity(scenario.servers().len()),
        };
        simulation.prepare_tls();
        simulation.schedule_all();
        simulation
    }

    /// Puts what the scenario fixes beforehand into the queue. Faults come first: at the same moment, a fault strikes
    /// before anything else happens.
    fn schedule_all(&mut self) {
        for Change { at, fault, window, begins } in cast::changes(&self.net.tcp.faults) {
            let item = match begins {
                true => Queued::FaultBegins { fault, window },
                false => Queued::FaultHeals { fault, window },
            };
            self.net.tcp.queue.push(at, item);
        }
        let windows = self.net.tcp.faults.iter().flat_map(|fault| &fault.windows);
        self.net.changes = windows.flat_map(|window| [Some(window.begins), window.heals]).flatten().collect();
        self.net.changes.sort_unstable();
        self.net.tcp.quiet_until = self.net.changes.first().copied().unwrap_or(Timestamp::NEVER);
        for server in 0..self.servers.len() as u32 {
            self.schedule_membership(server);
        }
        for (number, server) in (0..).zip(&self.servers) {
            if self.plans[server.group].starts() {
                self.net.tcp.queue.push(Timestamp::ZERO, Queued::ServerStart { server: number });
            }
            if let Some(every) = self.plans[server.group].report_every() {
                self.net.tcp.queue.push(Timestamp::ZERO + every, Queued::Report { server: number });
            }
        }
        for server in 0..self.servers.len() as u32 {
            self.next_pause(server);
        }
        self.schedule_names();
        let first = (0..).zip(&mut self.groups).filter_map(|(number, group)| group.arrivals.next().zip(Some(number)));
        self.arrivals = first.map(Reverse).collect();
    }

    /// Moves the end of the quiet on to the next change.
    fn next_quiet(&mut self) {
        let next = self.net.changes.partition_point(|change| *change <= self.net.tcp.now);
        self.net.tcp.quiet_until = self.net.changes.get(next).copied().unwrap_or(Timestamp::NEVER);
    }

    /// The virtual time that the run has reached.
    pub fn now(&self) -> Timestamp {
        self.net.tcp.now
    }

    /// Events recorded so far.
    pub fn events(&self) -> u64 {
        self.net.tcp.seq
    }

    /// Works through at most `budget` items, and gives the recorder their events. False when the run is at its end.
    pub fn advance(&mut self, recorder: &mut impl Recorder, mut budget: u64) -> bool {
        while budget > 0 {
            let items = budget.min(BATCH);
            budget -= items;
            let goes_on = self.step(items);
            recorder.record_all(&self.net.tcp.events);
            self.net.tcp.events.clear();
            self.net.tcp.events.shrink_to(EVENTS_KEPT);
            if !goes_on {
                return false;
            }
        }
        true
    }

    /// The events since they were drained last. Whoever calls [`Simulation::step`] drains them now and then.
    pub fn drain(&mut self) -> std::vec::Drain<'_, Event> {
        self.net.tcp.events.drain(..)
    }

    /// Works through at most `budget` items. Their events wait for [`Simulation::drain`]. False when the run is at its end.
    pub fn step(&mut self, budget: u64) -> bool {
        for _ in 0..budget {
            // Arrivals come in order of time anyway: they need no place in the queue.
            let arrival = self.arrivals.peek().map_or(Timestamp::NEVER, |Reverse((at, _))| *at);
            match self.net.tcp.queue.pop(arrival) {
                Some((at, item)) if at < self.net.end => {
                    self.net.tcp.now = at;
                    self.dispatch(item);
                }
                None if arrival < self.net.end => {
                    self.net.tcp.now = arrival;
                    self.arrive();
                }
                _ => {
                    self.net.tcp.now = self.net.end;
                    return false;
                }
            }
        }
        true
    }

    /// Has the messages of these sessions kept, given by their client groups' numbers and their own in these.
    pub fn listen(&mut self, sessions: impl IntoIterator<Item = (u16, u32)>) {
        self.net.tcp.tap = Some(Tap::new(sessions.into_iter().collect::<BTreeSet<_>>()));
        self.net.tcp.exceptional = true;
    }

    /// Works through everything, as [`Simulation::advance`] does, and returns what the chosen sessions' connections
    /// carried, in the order in which it was sent.
    pub fn finish_and_tell(&mut self, recorder: &mut impl Recorder) -> Vec<Message> {
        while self.advance(recorder, u64::MAX) {}
        self.heard()
    }

    /// Works through at most `budget` items before the first session that is scheduled at this moment or later. False
    /// when there are no more.
    pub fn advance_before(&mut self, recorder: &mut impl Recorder, scheduled: Timestamp, budget: u64) -> bool {
        (0..budget).all(|_| {
            let arrival = self.arrivals.peek().map_or(Timestamp::NEVER, |Reverse((at, _))| *at);
            arrival < scheduled && self.advance(recorder, 1)
        })
    }

    /// What the chosen sessions' connections carried, in the order in which it was sent.
    pub fn heard(&mut self) -> Vec<Message> {
        self.net.tcp.tap.take().map_or_else(Vec::new, |tap| tap.messages())
    }

    fn dispatch(&mut self, item: Queued) {
        if self.net.tcp.exceptional {
            self.net.tcp.hear(item);
        }
        match item {
            Queued::Restart { session } => self.restart(session),
            Queued::SessionWake { session } => self.wake_session(session),
            Queued::ServerWake { server } => self.wake_server(server),
            Queued::Report { server } => self.report(server),
            Queued::Pause { server } => self.pause(server),
            Queued::Member { server, step } => self.member(server, step),
            Queued::Syn { connection } => self.syn(connection),
            Queued::SynAck { connection, caller } => self.syn_ack(connection, caller),
            Queued::SynRefused { connection } => self.not_connected(connection, true),
            Queued::SynGivenUp { connection } => self.not_connected(connection, false),
            Queued::ToServer { connection, segment } => self.segment_at_server(connection, segment),
            Queued::ToClient { connection, caller, segment } => self.segment_at_client(connection, caller, segment),
            Queued::FinToServer { connection } => self.fin_at_server(connection),
            Queued::FinToClient { connection } => self.fin_at_client(connection),
            Queued::RstToServer { connection } => self.rst_at_server(connection),
            Queued::RstToClient { connection } => self.rst_at_client(connection),
            Queued::Hop { transmission } => self.hop(transmission),
            Queued::Retransmitted { connection, way, point } => self.retransmitted(connection, way, point),
            Queued::SynBehind { connection } => self.net.tcp.syn_behind(connection),
            Queued::RelayAnswer { connection, refused } => self.net.tcp.relay_answer(connection, refused),
            Queued::Relay { connection, segment, way } => self.net.tcp.relay(connection, way, Segment::Data(segment)),
            Queued::RelayEnd { connection, way, reset } => {
                self.net.tcp.relay(connection, way, if reset { Segment::Rst } else { Segment::Fin });
            }
            Queued::ServerStart { server } => self.start_server(server),
            Queued::GivenUp { connection, way } => self.given_up(connection, way),
            Queued::Answer { name, session, connection } => self.answer(name, session, connection),
            Queued::RecordsChange { name } => self.records_change(name),
            Queued::Check { check } => self.check_begins(check),
            Queued::CheckArrives { check } => self.check_arrives(check),
            Queued::CheckEnds { check, went_well } => self.check_ends(check, went_well),
            Queued::Notify => self.notify_sessions(),
            Queued::Idle { connection, since } => self.idle_for_long(connection, since),
            Queued::FaultBegins { fault, window } => {
                self.next_quiet();
                self.fault_begins(fault, window);
            }
            Queued::FaultHeals { fault, window } => {
                self.next_quiet();
                self.fault_heals(fault, window);
            }
        }
        if !self.net.tcp.dialled.is_empty() {
            self.dial_all();
        }
        self.forget_released();
        if !self.net.tcp.deferred.is_empty() {
            self.net.tcp.record_deferred();
        }
    }
}
