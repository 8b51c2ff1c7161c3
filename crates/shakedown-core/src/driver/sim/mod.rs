//! The event-driven simulator: one thread, virtual time in nanoseconds, exact replay.
//!
//! The loop pops the earliest item, gives it to the machine it is for, and carries out what the machine asks. A session
//! costs nothing before it arrives: sessions are made in order of arrival, so that what happens at the same time lies
//! together in memory. Per open session the simulator and its recorders keep about 170 bytes, and nothing is allocated
//! per handshake once the buffers have grown.

mod actors;
mod bandwidth;
mod calls;
mod connect;
mod connection;
mod dns;
pub mod external;
mod faults;
mod hung;
mod members;
mod pauses;
mod queue;
mod relay;
mod slab;
mod stall;
mod streams;
mod tap;
mod tls;
mod travel;
mod wire;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use bandwidth::Bottlenecks;
use connection::{Caller, Connection};
use dns::Dns;
use external::External;
use hung::Held;
use members::Step;
use pauses::Pausing;
use queue::{Handle, Queue};
use relay::Flow;
use slab::Slab;
use stall::{Kept, Spot, Stalls};
use streams::Streams;
use tap::Tap;
use tls::Tls;

use std::collections::BTreeMap;

use super::cast;
use crate::client::{self, Group, Session};
use crate::event::{Event, Kind};
use crate::fault::{self, Fault, FaultWindow};
use crate::http::Directory;
use crate::load::Arrivals;
use crate::network::{Host, Links, SynSchedule, Way};
use crate::record::Recorder;
use crate::rng::{Identity, Seed};
use crate::scenario::Scenario;
use crate::server::{self, Membership, Pauses, Plan, Server};
use crate::time::Timestamp;

/// What is pending. The names say what happens when it is due. What goes to a caller names it, though its connection does,
/// too: so that both can be fetched from memory at once.
#[derive(Debug, Clone, Copy)]
enum Item {
    /// A closed-loop user starts its next session.
    Restart {
        session: u32,
    },
    SessionWake {
        session: u32,
    },
    ServerWake {
        server: u32,
    },
    /// A redirector hears of its targets' connections.
    Report {
        server: u32,
    },
    /// A server's pause begins, or ends.
    Pause {
        server: u32,
    },
    /// A server joins or leaves.
    Member {
        server: u32,
        step: Step,
    },
    Syn {
        connection: u32,
    },
    SynAck {
        connection: u32,
        caller: Caller,
    },
    SynRefused {
        connection: u32,
    },
    SynGivenUp {
        connection: u32,
    },
    ToServer {
        connection: u32,
        segment: u32,
    },
    ToClient {
        connection: u32,
        caller: Caller,
        segment: u32,
    },
    FinToServer {
        connection: u32,
    },
    FinToClient {
        connection: u32,
    },
    RstToServer {
        connection: u32,
    },
    RstToClient {
        connection: u32,
    },
    /// A SYN arrives behind a balancer that rewrites addresses.
    SynBehind {
        connection: u32,
    },
    /// What goes through such a balancer arrives there: the answer to a SYN, data, FIN or RST.
    RelayAnswer {
        connection: u32,
        refused: bool,
    },
    Relay {
        connection: u32,
        segment: u32,
        way: Way,
    },
    RelayEnd {
        connection: u32,
        way: Way,
        reset: bool,
    },
    /// A process that has something to do from its start on is started.
    ServerStart {
        server: u32,
    },
    /// What stalled leaves once more, and would arrive now.
    Retransmitted {
        connection: u32,
        way: Way,
        spot: Spot,
    },
    /// A message comes to the next place on its way, where bandwidth is limited.
    Hop {
        transmission: u32,
    },
    /// A kernel gives a connection up.
    GivenUp {
        connection: u32,
        way: Way,
    },
    /// The answer to a session's lookup arrives.
    Answer {
        name: u16,
        session: u32,
        connection: u32,
    },
    /// A name's records are written anew.
    RecordsChange {
        name: u16,
    },
    /// A name's server is checked.
    Check {
        check: u32,
    },
    CheckArrives {
        check: u32,
    },
    CheckEnds {
        check: u32,
        went_well: bool,
    },
    /// Sessions are told what happened to streams of theirs.
    Tell,
    /// A connection that carries streams has had none for some time.
    Idle {
        connection: u32,
        since: Timestamp,
    },
    FaultBegins {
        fault: u32,
        window: u32,
    },
    FaultHeals {
        fault: u32,
        window: u32,
    },
}

/// A session with what the simulator keeps for it: one line of a processor's cache.
#[derive(Debug)]
#[repr(align(64))]
struct SessionSlot {
    machine: Session,
    wake: Handle,
    /// Its latest connection in the slab; older ones follow by [`Connection::older`].
    connection: u32,
}

const _: () = assert!(size_of::<SessionSlot>() == 64 && size_of::<Connection>() == 64);

/// A client group with what the simulator keeps for it.
#[derive(Debug)]
struct GroupSlot {
    plan: Group,
    arrivals: Arrivals,
    /// Client processes, where sessions share them.
    hosts: Vec<client::Host>,
    /// What each session has looked up and what was demanded of it, where none share a process and there are such things.
    names: Vec<client::Names>,
    host_identity: Identity,
    /// The first public address that its hosts share, and how many there are; `None`: one each.
    nat: Option<(Identity, u64)>,
    next_index: u32,
    /// Sessions.
    count: u32,
}

impl GroupSlot {
    /// The host that a session runs on.
    fn host_of(&self, index: u32) -> Identity {
        match self.hosts.len() {
            0 => self.plan.identity(index),
            count => self.host_identity.nth(u64::from(index) % count as u64),
        }
    }

    /// The address that servers see a session come from. Hosts are spread over shared ones in turn, as sessions are over
    /// hosts.
    fn address_of(&self, index: u32) -> Identity {
        let Some((first, addresses)) = self.nat else { return self.host_of(index) };
        first.nth(u64::from(self.host_number(index)) % addresses)
    }

    /// The place of a session's host among those of the group.
    fn host_number(&self, index: u32) -> u32 {
        match self.hosts.len() {
            0 => index,
            count => index % count as u32,
        }
    }
}

/// A server with its host and what the simulator keeps for it.
#[derive(Debug)]
struct ServerSlot {
    machine: Server,
    host: Host,
    group: usize,
    identity: Identity,
    wake: Handle,
    /// Numbers for its connections that may be used again.
    free: Vec<u32>,
    /// Its connections in the slab, by its own numbers for them.
    accepted: Vec<u32>,
    /// The connections that it opened itself, in the slab, by its own numbers for them.
    opened: BTreeMap<u32, u32>,
    /// What has arrived at a hung process, in order.
    held: Vec<Held>,
    /// The fault that drains it; none where it leaves.
    drained_by: Option<u16>,
    /// It does not stop by itself before this.
    quiet_until: Timestamp,
    pauses: Option<Box<Pausing>>,
}

/// A run in progress.
#[derive(Debug)]
pub struct Simulation {
    seed: Seed,
    now: Timestamp,
    end: Timestamp,
    /// Events so far.
    seq: u64,
    /// Those that nobody has taken yet.
    events: Vec<Event>,
    queue: Queue<Item>,
    directory: Directory,
    dns: Dns,
    links: Links,
    syn_schedule: SynSchedule,
    data_retries: u8,
    /// The partitions that last.
    partitions: Vec<u32>,
    /// The faults that lose messages, and those that make ways longer; whether they last is asked of each.
    lossy_faults: Vec<u32>,
    latency_faults: Vec<u32>,
    /// Whether anything is ever lost, by a link or a fault.
    lossy: bool,
    /// A message's arrival is its pair's latency later, whatever happens.
    plain: bool,
    /// When faults begin and heal, in order of time.
    changes: Vec<Timestamp>,
    /// No fault begins or heals before this.
    quiet_until: Timestamp,
    /// Where bandwidth is limited; absent where it nowhere is.
    bottlenecks: Option<Box<Bottlenecks>>,
    /// Who listens to what is sent; nearly always nobody.
    tap: Option<Box<Tap>>,
    /// Parties that programs play; nearly always none.
    external: Option<Box<External>>,
    /// Whether there is any of these: what is sent then takes a longer way than it need.
    exceptional: bool,
    /// Data that waits for a retransmission.
    stalls: Stalls,
    tls: Tls,
    streams: Streams,
    /// What was noticed while something was sent or released: recorded when the item is dealt with.
    noted: Vec<Kind>,
    /// Whether any balancer rewrites addresses, and the connections through those that do.
    relays: bool,
    flows: BTreeMap<u32, Flow>,
    groups: Vec<GroupSlot>,
    /// When the next session of each client group arrives. At the same moment, an arrival comes after all else.
    arrivals: BinaryHeap<Reverse<(Timestamp, u32)>>,
    sessions: Vec<SessionSlot>,
    plans: Vec<Plan>,
    servers: Vec<ServerSlot>,
    connections: Slab<Connection>,
    segments: Slab<Vec<u8>>,
    faults: Vec<Fault>,
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

/// No connection.
const NONE: u32 = u32::MAX;

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
                host_identity: Identity::group(&format!("{name}/host")),
                nat: config.nat.map(|addresses| (Identity::group(&format!("{name}/nat")), u64::from(addresses))),
                next_index: 0,
                count: config.count,
            })
            .collect();
        let servers = scenario.servers().iter().map(|server| {
            let config = &scenario.groups()[server.group];
            ServerSlot {
                machine: Server::default(),
                host: Host::new(config.backlog, config.backlog_overflow),
                group: server.group,
                identity: Identity::group(&server.name),
                wake: Handle::NONE,
                free: Vec::new(),
                accepted: Vec::new(),
                opened: BTreeMap::new(),
                held: Vec::new(),
                drained_by: None,
                quiet_until: Timestamp::NEVER,
                pauses: config.pauses.as_ref().map(|pauses| {
                    let (group, _) = scenario.groups().get_index(server.group).expect("every server has a group");
                    let (member, group) = (Identity::group(&server.name), Identity::group(group));
                    Box::new(Pausing::new(Pauses::new(seed, pauses, member, group)))
                }),
            }
        });
        let links = Links::new(seed, scenario.routes());
        let of_kind = |kind| {
            let faults = (0..).zip(scenario.faults());
            let is_meant = |fault: &Fault| fault.windows.iter().any(|window| window.action.kind() == kind);
            faults.filter(|(_, fault)| is_meant(fault)).map(|(number, _)| number).collect::<Vec<u32>>()
        };
        let lossy_faults = of_kind(fault::Kind::Lossy);
        let sessions = scenario.sessions() as usize;
        let mut simulation = Simulation {
            seed,
            now: Timestamp::ZERO,
            end: Timestamp::ZERO + scenario.duration(),
            seq: 0,
            events: Vec::new(),
            queue: Queue::default(),
            directory: scenario.directory(),
            lossy: links.lossy() || !lossy_faults.is_empty(),
            plain: false,
            lossy_faults,
            latency_faults: of_kind(fault::Kind::Latency),
            links,
            dns: Dns::new(scenario),
            data_retries: scenario.network().data_retries,
            partitions: Vec::new(),
            changes: Vec::new(),
            quiet_until: Timestamp::NEVER,
            bottlenecks: Bottlenecks::new(scenario),
            tap: None,
            external: None,
            exceptional: false,
            stalls: Stalls::default(),
            tls: Tls::default(),
            streams: Streams::new(&groups),
            noted: Vec::new(),
            relays: false,
            flows: BTreeMap::new(),
            syn_schedule: scenario.network().syn_retries.schedule(),
            groups,
            arrivals: BinaryHeap::new(),
            sessions: Vec::with_capacity(sessions),
            plans: cast::plans(scenario),
            servers: servers.collect(),
            connections: Slab::with_capacity(sessions),
            segments: Slab::default(),
            faults: scenario.faults().to_vec(),
            backlogs: scenario.groups().values().map(|group| group.backlog).collect(),
            memberships: scenario.groups().values().map(server::Config::membership).collect(),
            client_outputs: None,
            server_outputs: None,
            reports: Vec::with_capacity(scenario.servers().len()),
        };
        simulation.exceptional = simulation.bottlenecks.is_some();
        simulation.prepare_tls();
        simulation.relays = simulation.plans.iter().any(Plan::rewrites_addresses);
        simulation.plain = !(simulation.links.jittery()
            || simulation.links.uneven()
            || simulation.lossy
            || !simulation.latency_faults.is_empty()
            || simulation.bottlenecks.is_some()
            || simulation.relays);
        simulation.schedule_all();
        simulation
    }

    /// Puts what the scenario fixes beforehand into the queue. Faults come first: at the same moment, a fault strikes
    /// before anything else happens.
    fn schedule_all(&mut self) {
        // Where one fault takes over from another, whichever is written first, the one heals before the other strikes.
        for (number, fault) in (0..).zip(&self.faults) {
            for (window, FaultWindow { begins, heals, .. }) in (0..).zip(&fault.windows) {
                if let Some(heals) = heals.filter(|heals| heals > begins) {
                    self.queue.push(heals, Item::FaultHeals { fault: number, window });
                }
            }
        }
        for (number, fault) in (0..).zip(&self.faults) {
            for (window, FaultWindow { begins, heals, .. }) in (0..).zip(&fault.windows) {
                self.queue.push(*begins, Item::FaultBegins { fault: number, window });
                // A restart that takes no time is over as soon as it has begun.
                if let Some(heals) = heals.filter(|heals| heals <= begins) {
                    self.queue.push(heals, Item::FaultHeals { fault: number, window });
                }
            }
        }
        let windows = self.faults.iter().flat_map(|fault| &fault.windows);
        self.changes = windows.flat_map(|window| [Some(window.begins), window.heals]).flatten().collect();
        self.changes.sort_unstable();
        self.quiet_until = self.changes.first().copied().unwrap_or(Timestamp::NEVER);
        for server in 0..self.servers.len() as u32 {
            self.schedule_membership(server);
        }
        for (number, server) in (0..).zip(&self.servers) {
            if self.plans[server.group].starts() {
                self.queue.push(Timestamp::ZERO, Item::ServerStart { server: number });
            }
            if let Some(every) = self.plans[server.group].report_every() {
                self.queue.push(Timestamp::ZERO + every, Item::Report { server: number });
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
        let next = self.changes.partition_point(|change| *change <= self.now);
        self.quiet_until = self.changes.get(next).copied().unwrap_or(Timestamp::NEVER);
    }

    /// The virtual time that the run has reached.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Events recorded so far.
    pub fn events(&self) -> u64 {
        self.seq
    }

    /// Works through at most `budget` items, and gives the recorder their events. False when the run is at its end.
    pub fn advance(&mut self, recorder: &mut impl Recorder, mut budget: u64) -> bool {
        while budget > 0 {
            let items = budget.min(BATCH);
            budget -= items;
            let goes_on = self.step(items);
            recorder.record_all(&self.events);
            self.events.clear();
            self.events.shrink_to(EVENTS_KEPT);
            if !goes_on {
                return false;
            }
        }
        true
    }

    /// The events since they were drained last. Whoever calls [`Simulation::step`] drains them now and then.
    pub fn drain(&mut self) -> std::vec::Drain<'_, Event> {
        self.events.drain(..)
    }

    /// Works through at most `budget` items. Their events wait for [`Simulation::drain`]. False when the run is at its end.
    pub fn step(&mut self, budget: u64) -> bool {
        for _ in 0..budget {
            // Arrivals come in order of time anyway: they need no place in the queue.
            let arrival = self.arrivals.peek().map_or(Timestamp::NEVER, |Reverse((at, _))| *at);
            match self.queue.pop(arrival) {
                Some((at, item)) if at < self.end => {
                    self.now = at;
                    self.happen(item);
                }
                None if arrival < self.end => {
                    self.now = arrival;
                    self.arrive();
                }
                _ => {
                    self.now = self.end;
                    return false;
                }
            }
        }
        true
    }

    fn happen(&mut self, item: Item) {
        if self.exceptional {
            self.hear(item);
        }
        match item {
            Item::Restart { session } => self.restart(session),
            Item::SessionWake { session } => self.wake_session(session),
            Item::ServerWake { server } => self.wake_server(server),
            Item::Report { server } => self.report(server),
            Item::Pause { server } => self.pause(server),
            Item::Member { server, step } => self.member(server, step),
            Item::Syn { connection } => self.syn(connection),
            Item::SynAck { connection, caller } => self.syn_ack(connection, caller),
            Item::SynRefused { connection } => self.not_connected(connection, true),
            Item::SynGivenUp { connection } => self.not_connected(connection, false),
            Item::ToServer { connection, segment } => self.segment_at_server(connection, segment),
            Item::ToClient { connection, caller, segment } => {
                self.segment_at_client(connection, caller, segment);
            }
            Item::FinToServer { connection } => self.fin_at_server(connection),
            Item::FinToClient { connection } => self.fin_at_client(connection),
            Item::RstToServer { connection } => self.rst_at_server(connection),
            Item::RstToClient { connection } => self.rst_at_client(connection),
            Item::Hop { transmission } => self.hop(transmission),
            Item::Retransmitted { connection, way, spot } => self.retransmitted(connection, way, spot),
            Item::SynBehind { connection } => self.syn_behind(connection),
            Item::RelayAnswer { connection, refused } => self.relay_answer(connection, refused),
            Item::Relay { connection, segment, way } => self.relay(connection, way, Kept::Segment(segment)),
            Item::RelayEnd { connection, way, reset } => {
                self.relay(connection, way, if reset { Kept::Rst } else { Kept::Fin });
            }
            Item::ServerStart { server } => self.start_server(server),
            Item::GivenUp { connection, way } => self.given_up(connection, way),
            Item::Answer { name, session, connection } => self.answer(name, session, connection),
            Item::RecordsChange { name } => self.records_change(name),
            Item::Check { check } => self.check_begins(check),
            Item::CheckArrives { check } => self.check_arrives(check),
            Item::CheckEnds { check, went_well } => self.check_ends(check, went_well),
            Item::Tell => self.tell_sessions(),
            Item::Idle { connection, since } => self.idle_for_long(connection, since),
            Item::FaultBegins { fault, window } => {
                self.next_quiet();
                self.fault_begins(fault, window);
            }
            Item::FaultHeals { fault, window } => {
                self.next_quiet();
                self.fault_heals(fault, window);
            }
        }
        if !self.noted.is_empty() {
            self.record_noted();
        }
    }

    fn record(&mut self, kind: Kind) {
        self.events.push(Event { at: self.now, seq: self.seq, kind });
        self.seq += 1;
    }
}
