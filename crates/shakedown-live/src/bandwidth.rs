//! Links with a bandwidth: each message takes its bytes' time, and waits for those before it, as in the simulator.
//!
//! Where bandwidth is limited anywhere, whatever leaves for the end of a line joins the lines of each limit that it
//! comes to, over the distance, and only then arrives. What a full queue drops is sent once more when its sender's timer
//! runs out; what follows it waits at the end of its line.

use std::collections::BTreeMap;

use super::engine::{Due, Engine};
use super::lines::{self, LineId, Parcel};
use shakedown_core::driver::pipes::{Caller, Ends, Gap, Pipes, Stage};
use shakedown_core::event::Kind;
use shakedown_core::network::{Event, Message, Pipe, Rto, Way, wire_bytes};
use shakedown_core::scenario::Scenario;
use shakedown_core::time::Timestamp;

/// What is sent.
#[derive(Debug)]
pub(super) enum Cargo {
    Syn,
    /// Read from a socket, or made of what its kernel said.
    Parcel(Parcel),
}

/// A message on its way.
#[derive(Debug)]
struct Transmission {
    cargo: Cargo,
    line: LineId,
    way: Way,
    stage: Stage,
    /// On the wire.
    bytes: u64,
    /// Keys its draws.
    ordinal: u64,
    /// When it was sent last, and the timer that started then.
    left: Timestamp,
    rto: Rto,
}

/// Every limit of bandwidth, and what is on its way between them.
#[derive(Debug)]
pub(super) struct Bottlenecks {
    pipes: Pipes,
    /// By their place among all that were ever sent.
    transmissions: BTreeMap<u64, Transmission>,
    sent: u64,
    gaps: BTreeMap<(LineId, Way), Gap<Transmission>>,
}

impl Bottlenecks {
    /// Those of a scenario, if it has any.
    pub fn new(scenario: &Scenario) -> Option<Box<Bottlenecks>> {
        let pipes = Pipes::new(scenario)?;
        Some(Box::new(Bottlenecks { pipes, transmissions: BTreeMap::new(), sent: 0, gaps: BTreeMap::new() }))
    }

    fn is_dead(&self, line: LineId, way: Way, order: u64) -> bool {
        self.gaps.get(&(line, way)).is_some_and(|gap| gap.is_dead(order))
    }
}

impl Engine {
    /// Sends a message with so much payload now.
    pub(super) fn queue_up(&mut self, id: LineId, way: Way, cargo: Cargo, payload: usize) {
        let Some(next) = self.bottlenecks.as_ref().map(|bottlenecks| bottlenecks.sent + 1) else { return };
        if self.bottlenecks.as_ref().is_some_and(|bottlenecks| bottlenecks.is_dead(id, way, next)) {
            return;
        }
        let ordinal = self.next_ordinal(id);
        let now = self.now;
        if let Some(number) = self.send(id, way, cargo, payload, ordinal, now) {
            self.move_on(number);
        }
    }

    /// Sends a SYN again at a moment, or now if that is over.
    pub(super) fn queue_syn(&mut self, id: LineId, left: Timestamp) {
        let Some(ordinal) = self.lines.get(&id).map(super::lines::Line::ordinal) else { return };
        if let Some(number) = self.send(id, Way::ToServer, Cargo::Syn, 0, ordinal, left) {
            self.push(left.max(self.now), Due::Hop { number });
        }
    }

    fn send(
        &mut self,
        id: LineId,
        way: Way,
        cargo: Cargo,
        payload: usize,
        ordinal: u64,
        left: Timestamp,
    ) -> Option<u64> {
        let line = self.lines.get_mut(&id)?;
        let (rto, bytes) = (line.rto(), wire_bytes(payload));
        let bottlenecks = self.bottlenecks.as_mut()?;
        bottlenecks.sent += 1;
        let message = Transmission { cargo, line: id, way, stage: Stage::Up, bytes, ordinal, left, rto };
        bottlenecks.transmissions.insert(bottlenecks.sent, message);
        Some(bottlenecks.sent)
    }

    /// A message has come to the next place on its way, or is to be sent once more.
    pub(super) fn hop(&mut self, number: u64) {
        let Some(bottlenecks) = &self.bottlenecks else { return };
        let Some(message) = bottlenecks.transmissions.get(&number) else { return };
        let (line, way, stage) = (message.line, message.way, message.stage);
        let is_syn = matches!(message.cargo, Cargo::Syn);
        let gave_up = self.lines.get(&line).is_none_or(|line| is_syn && line.client_closed);
        match stage {
            Stage::Arrived => self.comes(number),
            // The session gave up before this SYN left.
            Stage::Up if gave_up => self.comes(number),
            Stage::Up if bottlenecks.is_dead(line, way, number) => drop(self.land(number)),
            _ => self.move_on(number),
        }
    }

    /// Joins the lines that a message comes to now, until it has to wait in one.
    fn move_on(&mut self, number: u64) {
        loop {
            let now = self.now;
            let message = self.bottlenecks.as_ref().and_then(|bottlenecks| bottlenecks.transmissions.get(&number));
            let Some(&Transmission { line, way, stage, bytes, ordinal, ref cargo, .. }) = message else { return };
            let is_syn = matches!(cargo, Cargo::Syn);
            let through = match self.pipe(line, way, stage) {
                Some(pipe) => pipe.enter(now, bytes),
                None => Some(now),
            };
            let Some(mut through) = through else { return self.meets_full_queue(number) };
            let next = match stage {
                Stage::Up => Stage::Link,
                Stage::Link => Stage::Fault,
                Stage::Fault => {
                    let is_repeated = is_syn && self.lines.get(&line).is_some_and(|line| line.syns > 0);
                    let arrival = match is_repeated {
                        true => self.arrival_of_repeated_syn(line, through),
                        false => self.travel(line, way, ordinal, through),
                    };
                    through = self.in_order(line, way, arrival);
                    if self.pipe(line, way, Stage::Down).is_some() { Stage::Down } else { Stage::Arrived }
                }
                Stage::Down | Stage::Arrived => Stage::Arrived,
            };
            let bottlenecks = self.bottlenecks.as_mut();
            if let Some(message) = bottlenecks.and_then(|bottlenecks| bottlenecks.transmissions.get_mut(&number)) {
                message.stage = next;
            }
            if through > now || next >= Stage::Down {
                return self.push(through, Due::Hop { number });
            }
        }
    }

    /// The line that a message joins at a stage of its way.
    fn pipe(&mut self, id: LineId, way: Way, stage: Stage) -> Option<&mut Pipe> {
        let line = self.lines.get(&id)?;
        let caller = line.caller.map(|(caller, _)| match caller {
            lines::Caller::Session(session) => {
                let machine = &self.sessions[session as usize].machine;
                let (group, index) = (machine.group(), machine.index());
                Caller::Client { group, host: self.groups[usize::from(group)].host_number(index) }
            }
            lines::Caller::Server(server) => Caller::Server(server),
        });
        let ends = Ends { caller, server: line.server, link: self.links.bottleneck(line.route, way) };
        self.bottlenecks.as_mut()?.pipes.at(stage, way, ends, &self.faults, self.now)
    }

    /// A message is not on its way any more.
    fn land(&mut self, number: u64) -> Option<Transmission> {
        let message = self.bottlenecks.as_mut()?.transmissions.remove(&number)?;
        self.settle(message.line);
        Some(message)
    }

    /// A message met a full queue.
    fn meets_full_queue(&mut self, number: u64) {
        let Some(bottlenecks) = &self.bottlenecks else { return };
        let Some(message) = bottlenecks.transmissions.get(&number) else { return };
        let (id, way) = (message.line, message.way);
        let (message, is_answer) = match &message.cargo {
            Cargo::Syn => (Message::Syn, false),
            Cargo::Parcel(Parcel::Connected | Parcel::Failed(_)) => (Message::SynAck, true),
            _ if way == Way::ToServer => (Message::ToServer, false),
            _ => (Message::ToClient, false),
        };
        let Some(line) = self.lines.get(&id) else { return drop(self.land(number)) };
        let (server, session) = (line.server, line.code());
        self.record(Kind::Network(server, Event::QueueFull { session, message }));
        if is_answer || message == Message::Syn {
            self.repeat_syn(id);
            drop(self.land(number));
        } else {
            self.repeat(number);
        }
    }

    /// Its sender's kernel repeats what was dropped when its timer runs out.
    fn repeat(&mut self, number: u64) {
        let (now, Some(bottlenecks)) = (self.now, self.bottlenecks.as_mut()) else { return };
        let Some(message) = bottlenecks.transmissions.get_mut(&number) else { return };
        let at = (message.left + message.rto.length()).max(now);
        message.left = at;
        message.rto = message.rto.doubled();
        message.stage = Stage::Up;
        bottlenecks.gaps.entry((message.line, message.way)).or_default().lose(number);
        self.push(at, Due::Hop { number });
    }

    /// A message has come through every line.
    fn comes(&mut self, number: u64) {
        let Some(bottlenecks) = self.bottlenecks.as_mut() else { return };
        let Some(message) = bottlenecks.transmissions.get(&number) else { return };
        let (line, way) = (message.line, message.way);
        let of_connect = matches!(message.cargo, Cargo::Syn | Cargo::Parcel(Parcel::Connected | Parcel::Failed(_)));
        if !of_connect && bottlenecks.is_dead(line, way, number) {
            return drop(self.land(number));
        }
        let Some(message) = bottlenecks.transmissions.remove(&number) else { return };
        let gap = bottlenecks.gaps.get_mut(&(line, way)).filter(|_| !of_connect);
        let Some(gap) = gap else { return self.come(message) };
        let (ready, whole) = gap.fill(number, message);
        if whole {
            bottlenecks.gaps.remove(&(line, way));
        }
        for message in ready.into_values() {
            self.come(message);
        }
    }

    /// It is there.
    fn come(&mut self, Transmission { cargo, line: id, way, .. }: Transmission) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        let now = self.now;
        match cargo {
            Cargo::Syn => self.syn(id),
            // What had arrived when it was closed is forgotten, and so is this.
            Cargo::Parcel(_) if line.is_deaf(way) => {}
            Cargo::Parcel(parcel) => self.put(id, way, now, parcel),
        }
        self.settle(id);
    }

    /// A sender forgets what it would have repeated: what waits for that never arrives either.
    pub(super) fn stop_repeating(&mut self, id: LineId, way: Way) {
        let Some(bottlenecks) = &mut self.bottlenecks else { return };
        let sent = bottlenecks.sent;
        let Some(gap) = bottlenecks.gaps.get_mut(&(id, way)) else { return };
        gap.stop(sent);
    }

    /// A line is over: nothing waits for what is missing.
    pub(super) fn forget_gaps(&mut self, id: LineId) {
        if let Some(bottlenecks) = self.bottlenecks.as_mut().filter(|bottlenecks| !bottlenecks.gaps.is_empty()) {
            bottlenecks.gaps.remove(&(id, Way::ToServer));
            bottlenecks.gaps.remove(&(id, Way::ToClient));
        }
    }
}
