//! The wire: a thread that takes the packets of every host, keeps each for as long as it is under way, and hands it to the
//! host that it is for, unless it is lost.

mod balancers;

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::time::{ClockId, clock_gettime};
use shakedown_core::driver::pipes::{Ends, Initiator, Pipes, Stage};
use shakedown_core::fault::{Action, Fault};
use shakedown_core::network::{Direction, Links};
use shakedown_core::rng::{Purpose, Seed};
use shakedown_core::scenario::Scenario;
use shakedown_core::time::{Nanos, Timestamp};

use super::dns;
use super::hosts::{Fate, Flow, Hosts, Note, Segment};
use super::relays::{self, DESTINATION, Relays};
use super::resets::Resets;
use super::shared::Shared;
use super::tap::Tap;
use super::told::{Lateness, Told};

/// No packet of a device is longer.
const LONGEST: usize = 65_536;
/// So many packets of a device are taken before others have a turn.
const BUDGET: usize = 64;
/// It looks for packets and passes them on in rounds that are so long apart. To be woken is what is dear: a round for each packet
/// would cost several times as much where many packets are each due at a moment of their own.
const APART: Nanos = Nanos(100_000);
/// The order of a stream is looked up for so many streams before those are forgotten that have nothing under way.
const ORDERS: usize = 4_096;

/// How often, and after how long, a thread is woken before the run.
const WAKES: u32 = 100;
const WAKE: Duration = Duration::from_millis(1);

/// A packet on its way.
struct Packet {
    /// When it comes to its stage.
    at: Timestamp,
    number: u64,
    stage: Stage,
    path: Path,
    segment: Segment,
    bytes: Vec<u8>,
}

/// From where to where.
#[derive(Debug, Clone, Copy)]
struct Path {
    caller: Initiator,
    server: u32,
    way: Direction,
    route: u16,
}

impl Packet {
    fn key(&self) -> (Timestamp, u64) {
        (self.at, self.number)
    }
}

impl PartialEq for Packet {
    fn eq(&self, other: &Packet) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Packet {}

impl PartialOrd for Packet {
    fn partial_cmp(&self, other: &Packet) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Packet {
    fn cmp(&self, other: &Packet) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// What lies between the hosts.
pub(super) struct Wire {
    start: Instant,
    seed: Seed,
    hosts: Arc<Hosts>,
    shared: Arc<Shared>,
    links: Links,
    pipes: Option<Pipes>,
    faults: Vec<Fault>,
    /// Whether a packet may be under way for longer than the one after it.
    unordered: bool,
    /// The clients' device, then one for each server.
    devices: Vec<File>,
    waiting: BinaryHeap<Reverse<Packet>>,
    /// The last arrival of each stream.
    orders: BTreeMap<(Flow, Direction), Timestamp>,
    /// Those of connections, where faults or balancers end some.
    resets: Option<Resets>,
    /// Balancers that rewrite addresses, and the SYNs that wait for what theirs say.
    relays: Option<Relays>,
    asked: BTreeMap<Flow, Packet>,
    tap: Option<Tap>,
    taken: u64,
    told: Told,
    /// Whether it ends when nothing is under way any more: another wire goes on.
    goes_on: bool,
}

impl Wire {
    pub(super) fn new(
        scenario: &Scenario,
        hosts: Arc<Hosts>,
        shared: Arc<Shared>,
        devices: Vec<File>,
        start: Instant,
    ) -> Wire {
        let links = Links::new(scenario.seed(), scenario.routes());
        Wire {
            start,
            seed: scenario.seed(),
            hosts,
            shared,
            unordered: links.jittery(),
            links,
            pipes: Pipes::new(scenario),
            faults: Vec::new(),
            devices,
            waiting: BinaryHeap::new(),
            orders: BTreeMap::new(),
            resets: None,
            relays: Relays::new(scenario),
            asked: BTreeMap::new(),
            tap: None,
            taken: 0,
            told: Told::default(),
            goes_on: true,
        }
    }

    /// The scenario's faults strike, and somebody looks.
    pub(super) fn struck(mut self, scenario: &Scenario, tap: Option<Tap>) -> Wire {
        let stretches = |fault: &Fault| matches!(fault.config.action(), Action::Latency { .. });
        let ends = |fault: &Fault| matches!(fault.config.action(), Action::Reset { .. });
        self.unordered |= scenario.faults().iter().any(stretches);
        let ends = self.relays.is_some() || scenario.faults().iter().any(ends);
        self.resets = ends.then(Resets::default);
        self.faults = scenario.faults().to_vec();
        self.tap = tap;
        self.goes_on = false;
        self
    }

    fn now(&self) -> Timestamp {
        Timestamp(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// Carries packets until the bell rings.
    pub(super) fn run(mut self, bell: &OwnedFd) -> io::Result<(Told, Vec<File>)> {
        sleep_exactly();
        let mut room = vec![0; LONGEST];
        let mut ready: Vec<usize> = (0..self.devices.len()).collect();
        let mut round = self.now();
        loop {
            for device in ready.drain(..) {
                self.take_from(device, &mut room)?;
            }
            self.pass_on();
            let mut asked: Vec<PollFd<'_>> =
                self.devices.iter().map(|device| PollFd::new(device, PollFlags::IN)).collect();
            asked.push(PollFd::new(bell, PollFlags::IN));
            let next = round + APART;
            let wait = self.waiting.peek().map(|Reverse(packet)| timespec(packet.at.max(next).since(self.now())));
            match poll(&mut asked, wait.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            round = self.now();
            if round < next {
                let _ = poll(&mut [], Some(&timespec(next.since(round))));
                round = self.now();
            }
            let rings = |asked: &PollFd<'_>| !asked.revents().is_empty();
            let called = asked.pop().is_some_and(|bell| rings(&bell));
            ready.extend((0..).zip(&asked).filter(|(_, asked)| rings(asked)).map(|(device, _)| device));
            if called {
                // It rings until it is read; who rings twice meanwhile is heard once.
                let _ = rustix::io::read(bell, &mut [0_u8; 8]);
                if self.shared.is_over() {
                    while self.goes_on
                        && let Some(Reverse(next)) = self.waiting.peek()
                    {
                        let _ = poll(&mut [], Some(&timespec(next.at.since(self.now()))));
                        self.pass_on();
                    }
                    self.told.processor = processor_time();
                    return Ok((self.told, self.devices));
                }
                for (server, device) in self.shared.booted() {
                    self.devices[server as usize + 1] = device;
                    self.shared.power(server, true);
                }
                self.obey();
                self.hand_answers_over();
                self.reset();
            }
        }
    }

    /// Takes what a host sent.
    fn take_from(&mut self, device: usize, room: &mut [u8]) -> io::Result<()> {
        for _ in 0..BUDGET {
            match (&self.devices[device]).read(room) {
                Ok(len) => self.take(&room[..len]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) {
        let now = self.now();
        let Some(segment) = Segment::read(bytes) else { return self.take_query(bytes, now) };
        let Some(path) = self.path(&segment) else { return };
        self.told.packets += 1;
        let from = if path.way == Direction::ToServer { path.caller } else { Initiator::Server(path.server) };
        if !self.is_on(from) {
            self.told.silent += 1;
            return;
        }
        if let Some(resets) = &mut self.resets {
            resets.sent(&dialled(self.relays.as_ref(), segment), path.way);
        }
        if let Some(tap) = self.tap.as_ref().filter(|_| segment.to_server) {
            tap.show(now, bytes);
        }
        self.leave(path, segment, bytes.to_vec(), now);
    }

    /// Takes a question to the resolver, which is nowhere: a lookup takes as long as the scenario says.
    fn take_query(&mut self, bytes: &[u8], now: Timestamp) {
        let Some(query) = dns::read(bytes) else { return };
        self.told.packets += 1;
        if let Some(tap) = &self.tap {
            tap.show(now, bytes);
        }
        self.shared.query(query);
    }

    /// The resolver's answers are at whoever asked.
    fn hand_answers_over(&mut self) {
        for packet in self.shared.answers() {
            let to = packet.get(16..20).and_then(|to| to.try_into().ok()).map(u32::from_be_bytes);
            let Some(to) = to.and_then(|to| self.hosts.place(to)).filter(|to| self.is_on(*to)) else { continue };
            if let Some(tap) = &self.tap {
                tap.show(self.now(), &packet);
            }
            self.hand_over(to, &packet);
        }
    }

    /// A packet leaves a host.
    fn leave(&mut self, path: Path, segment: Segment, bytes: Vec<u8>, now: Timestamp) {
        self.taken += 1;
        let (number, stage) = (self.taken, Stage::Up);
        self.go_on(Packet { at: now, number, stage, path, segment, bytes }, now);
    }

    fn path(&self, segment: &Segment) -> Option<Path> {
        let Initiator::Server(server) = self.hosts.place(segment.flow.server)? else { return None };
        let back = self.relays.as_ref().and_then(|relays| relays.way_back(segment.flow));
        let caller = match back.filter(|_| !segment.to_server) {
            Some(balancer) => Initiator::Server(balancer),
            None => self.hosts.place(segment.flow.client.0)?,
        };
        Some(self.path_between(caller, server, segment.to_server))
    }

    fn path_between(&self, caller: Initiator, server: u32, to_server: bool) -> Path {
        let route = match caller {
            Initiator::Client { group, .. } => self.links.route(group, server),
            Initiator::Server(caller) => self.links.route_between(caller, server),
        };
        let way = if to_server { Direction::ToServer } else { Direction::ToClient };
        Path { caller, server, way, route }
    }

    fn is_on(&self, place: Initiator) -> bool {
        match place {
            Initiator::Client { .. } => true,
            Initiator::Server(server) => self.shared.is_on(server),
        }
    }

    /// A packet joins the lines that it comes to now, until it has to wait in one, or for the distance.
    fn go_on(&mut self, mut packet: Packet, now: Timestamp) {
        let Path { caller, server, way, route } = packet.path;
        let ends = Ends { initiator: Some(caller), server, link: self.links.bottleneck(route, way) };
        loop {
            let pipe = self.pipes.as_mut().and_then(|pipes| pipes.at(packet.stage, way, ends, &self.faults, now));
            let through = match pipe {
                Some(pipe) => pipe.enter(now, packet.bytes.len() as u64),
                None => Some(now),
            };
            let Some(through) = through else {
                self.told.queue_full += 1;
                self.note(&packet, now, Fate::QueueFull);
                return;
            };
            match packet.stage {
                Stage::Up => packet.stage = Stage::Link,
                Stage::Link => packet.stage = Stage::Fault,
                Stage::Fault => return self.send(packet, through),
                Stage::Down => packet.stage = Stage::Arrived,
                Stage::Arrived => return self.arrive(packet, now),
            }
            if through > now {
                packet.at = through;
                return self.waiting.push(Reverse(packet));
            }
        }
    }

    /// A packet leaves for the distance, unless it is lost there.
    fn send(&mut self, mut packet: Packet, leaves: Timestamp) {
        let path = packet.path;
        if self.is_lost(path, packet.number, leaves) {
            self.told.lost += 1;
            self.note(&packet, leaves, Fate::Lost);
            return;
        }
        packet.stage = Stage::Down;
        packet.at = leaves + self.distance(path, packet.number, leaves);
        if self.unordered {
            packet.at = self.in_order((packet.segment.flow, path.way), packet.at, leaves);
        }
        self.waiting.push(Reverse(packet));
    }

    /// How long a packet is under way that leaves at a moment.
    fn distance(&self, path: Path, number: u64, leaves: Timestamp) -> Nanos {
        let Path { caller, server, way, route } = path;
        let (client, there) = (self.hosts.identity(caller), self.hosts.identity(Initiator::Server(server)));
        let one_way = self.links.one_way(route, way, client, there);
        let jitter = self.links.jitter(route, way, || (client, number));
        let side = caller.side();
        let delay = |fault: &Fault| fault.delay_at(side, server, way == Direction::ToServer, leaves, one_way);
        let delayed = self.faults.iter().map(delay).fold(0_u64, |sum, delay| sum.saturating_add(delay.0));
        Nanos((one_way + jitter).0.saturating_add(delayed))
    }

    /// Whether a link loses a packet, or a fault does.
    fn is_lost(&self, path: Path, number: u64, leaves: Timestamp) -> bool {
        let Path { caller, server, way, route } = path;
        let side = caller.side();
        let mut loss = self.links.loss(route, way);
        for fault in &self.faults {
            // Either loses it, independently.
            loss += (1.0 - loss) * fault.loss_at(side, server, way == Direction::ToServer, leaves);
        }
        loss > 0.0 && self.seed.draw(self.hosts.identity(caller), Purpose::Loss, number).unit() < loss
    }

    /// Nothing overtakes what left before it in its stream.
    fn in_order(&mut self, stream: (Flow, Direction), arrival: Timestamp, now: Timestamp) -> Timestamp {
        if self.orders.len() > ORDERS {
            self.orders.retain(|_, last| *last > now);
        }
        let last = self.orders.entry(stream).or_insert(arrival);
        *last = arrival.max(*last);
        *last
    }

    /// Whatever is due by now comes to its next stage.
    fn pass_on(&mut self) {
        loop {
            let now = self.now();
            let Some(Reverse(next)) = self.waiting.peek() else { return };
            if next.at > now {
                return;
            }
            let Some(Reverse(packet)) = self.waiting.pop() else { return };
            // As if it were done in time: what waits in a line after it is not later for that.
            let at = packet.at;
            self.go_on(packet, at);
        }
    }

    /// A packet is at the host that it is for, unless a partition is before that, or it has no power.
    fn arrive(&mut self, packet: Packet, due: Timestamp) {
        let Path { caller, server, way, .. } = packet.path;
        let to = if way == Direction::ToServer { Initiator::Server(server) } else { caller };
        if self.is_cut(packet.path, due) {
            self.told.cut += 1;
            return self.note(&packet, due, Fate::Cut);
        }
        if !self.is_on(to) {
            self.told.silent += 1;
            return self.note(&packet, due, Fate::Cut);
        }
        let Some(packet) = self.turn(packet, to, due) else { return };
        self.told.late.add(self.now().since(due));
        if let Some(resets) = &mut self.resets {
            resets.arrived(&dialled(self.relays.as_ref(), packet.segment), way);
        }
        if let Some(tap) = self.tap.as_ref().filter(|_| way == Direction::ToClient) {
            tap.show(due, &packet.bytes);
        }
        self.hand_over(to, &packet.bytes);
    }

    fn hand_over(&mut self, to: Initiator, packet: &[u8]) {
        let device = match to {
            Initiator::Client { .. } => 0,
            Initiator::Server(server) => server as usize + 1,
        };
        if (&self.devices[device]).write(packet).is_err() {
            self.told.refused += 1;
        }
    }

    /// Ends the connections that are to be.
    fn reset(&mut self) {
        let Some(resets) = &mut self.resets else { return };
        let relays = self.relays.as_ref();
        let flows = self.shared.resets().into_iter().map(|flow| relays.map_or(flow, |relays| relays.dialled(flow)));
        let packets: Vec<_> = flows.flat_map(|flow| resets.packets(flow)).collect();
        for (way, mut packet) in packets {
            let Some(Segment { flow, .. }) = Segment::read(&packet) else { continue };
            let behind = self.relays.as_ref().and_then(|relays| relays.server(flow));
            if let Some(server) = behind.filter(|_| way == Direction::ToServer) {
                relays::rewrite(&mut packet, DESTINATION, Hosts::server_ip(server).to_bits());
            }
            let path = Segment::read(&packet).and_then(|segment| self.path(&segment));
            let Some(Path { caller, server, .. }) = path else { continue };
            if let Some(tap) = self.tap.as_ref().filter(|_| way == Direction::ToClient) {
                tap.show(self.now(), &packet);
            }
            self.hand_over(if way == Direction::ToServer { Initiator::Server(server) } else { caller }, &packet);
        }
    }

    /// The engine is to hear of what became of a message.
    fn note(&self, packet: &Packet, at: Timestamp, fate: Fate) {
        let Some(message) = packet.segment.message() else { return };
        let (address, port) = packet.segment.flow.client;
        let client = SocketAddr::new(Ipv4Addr::from_bits(address).into(), port);
        self.shared.note(Note { at, client, server: packet.path.server, message, fate });
    }

    fn is_cut(&self, path: Path, at: Timestamp) -> bool {
        let parts = |fault: &Fault| {
            let cut = fault.between(path.caller.side(), path.server);
            cut.is_some_and(|cut| cut.affects(path.way == Direction::ToServer))
                && matches!(fault.action_at(at), Some(Action::Partition))
        };
        self.faults.iter().any(parts)
    }
}

/// A segment of a connection as its client has it, be it that a balancer has put another address into it.
fn dialled(relays: Option<&Relays>, segment: Segment) -> Segment {
    Segment { flow: relays.map_or(segment.flow, |relays| relays.dialled(segment.flow)), ..segment }
}

/// The calling thread's waits end as soon as they can: the default is 50 us later. Where it can't be set, it is measured.
fn sleep_exactly() {
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
}

/// What the calling thread has cost.
fn processor_time() -> Nanos {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::ThreadCPUTime);
    Nanos(tv_sec.unsigned_abs() * 1_000_000_000 + tv_nsec.unsigned_abs())
}

/// How late this machine wakes a thread that has nothing else to do: no wire is any earlier.
pub(super) fn idle() -> Lateness {
    sleep_exactly();
    let mut late = Lateness::default();
    for _ in 0..WAKES {
        let due = Instant::now() + WAKE;
        while let Some(wait) = due.checked_duration_since(Instant::now()).filter(|wait| !wait.is_zero()) {
            let wait = Nanos(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX));
            // It sleeps for less if it is interrupted.
            let _ = poll(&mut [], Some(&timespec(wait)));
        }
        late.add(Nanos(u64::try_from(due.elapsed().as_nanos()).unwrap_or(u64::MAX)));
    }
    late
}

fn timespec(wait: Nanos) -> Timespec {
    Timespec { tv_sec: (wait.0 / 1_000_000_000).cast_signed(), tv_nsec: (wait.0 % 1_000_000_000).cast_signed() }
}
