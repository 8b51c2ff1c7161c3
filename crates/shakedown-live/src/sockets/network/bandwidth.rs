//! Links with a bandwidth: each message takes its bytes' time, and waits for those before it, as in the simulator.
//!
//! Where bandwidth is limited anywhere, whatever leaves for the end of a line joins the lines of each limit that it
//! comes to, over the distance, and only then arrives. What a full queue drops is sent once more when its sender's timer
//! runs out; what follows it waits at the end of its line.

use shakedown_core::driver::pipes::{Ends, Stage};
use shakedown_core::network::{Event, Message, Pipe, Way, wire_bytes};
use shakedown_core::time::Timestamp;

use super::bottlenecks::{Queued, Transmission};
use super::connection::{Connection, ConnectionKey, Segment};
use super::connections::Network;
use super::effects::Timer;

impl Network {
    /// Sends a message with so much payload now.
    pub(super) fn queue_up(&mut self, key: ConnectionKey, way: Way, queued: Queued, payload: usize) {
        let Some(next) = self.bottlenecks.as_ref().map(|bottlenecks| bottlenecks.sent + 1) else { return };
        if self.bottlenecks.as_ref().is_some_and(|bottlenecks| bottlenecks.is_dead(key, way, next)) {
            return;
        }
        let ordinal = self.next_ordinal(key);
        let now = self.now;
        if let Some(number) = self.transmit(key, way, queued, payload, ordinal, now) {
            self.move_on(number);
        }
    }

    /// Sends a SYN again at a moment, or now if that is over.
    pub(super) fn queue_syn(&mut self, key: ConnectionKey, left: Timestamp) {
        let Some(ordinal) = self.connections.get(&key).map(Connection::ordinal) else { return };
        if let Some(number) = self.transmit(key, Way::ToServer, Queued::Syn, 0, ordinal, left) {
            self.timers.push(left.max(self.now), Timer::Hop { number });
        }
    }

    fn transmit(
        &mut self,
        key: ConnectionKey,
        way: Way,
        queued: Queued,
        payload: usize,
        ordinal: u64,
        left: Timestamp,
    ) -> Option<u64> {
        let connection = self.connections.get_mut(&key)?;
        let (rto, bytes) = (connection.rto(), wire_bytes(payload));
        let bottlenecks = self.bottlenecks.as_mut()?;
        bottlenecks.sent += 1;
        let message = Transmission { queued, key, way, stage: Stage::Up, bytes, ordinal, left, rto };
        bottlenecks.transmissions.insert(bottlenecks.sent, message);
        Some(bottlenecks.sent)
    }

    /// A message has come to the next place on its way, or is to be sent once more.
    pub(super) fn hop(&mut self, number: u64) {
        let Some(bottlenecks) = &self.bottlenecks else { return };
        let Some(message) = bottlenecks.transmissions.get(&number) else { return };
        let (key, way, stage) = (message.key, message.way, message.stage);
        let is_syn = matches!(message.queued, Queued::Syn);
        let gave_up = self.connections.get(&key).is_none_or(|connection| is_syn && connection.client_closed);
        match stage {
            Stage::Arrived => self.arrives(number),
            // The session gave up before this SYN left.
            Stage::Up if gave_up => self.arrives(number),
            Stage::Up if bottlenecks.is_dead(key, way, number) => drop(self.remove(number)),
            _ => self.move_on(number),
        }
    }

    /// Joins the queues that a message comes to now, until it has to wait in one.
    fn move_on(&mut self, number: u64) {
        loop {
            let now = self.now;
            let message = self.bottlenecks.as_ref().and_then(|bottlenecks| bottlenecks.transmissions.get(&number));
            let Some(&Transmission { key, way, stage, bytes, ordinal, ref queued, .. }) = message else { return };
            let is_syn = matches!(queued, Queued::Syn);
            let through = match self.pipe(key, way, stage) {
                Some(pipe) => pipe.enter(now, bytes),
                None => Some(now),
            };
            let Some(mut through) = through else { return self.meets_full_queue(number) };
            let next = match stage {
                Stage::Up => Stage::Link,
                Stage::Link => Stage::Fault,
                Stage::Fault => {
                    let is_repeated =
                        is_syn && self.connections.get(&key).is_some_and(|connection| connection.syns > 0);
                    let arrival = match is_repeated {
                        true => self.arrival_of_repeated_syn(key, through),
                        false => self.travel(key, way, ordinal, through),
                    };
                    through = self.in_order(key, way, arrival);
                    if self.pipe(key, way, Stage::Down).is_some() { Stage::Down } else { Stage::Arrived }
                }
                Stage::Down | Stage::Arrived => Stage::Arrived,
            };
            let bottlenecks = self.bottlenecks.as_mut();
            if let Some(message) = bottlenecks.and_then(|bottlenecks| bottlenecks.transmissions.get_mut(&number)) {
                message.stage = next;
            }
            if through > now || next >= Stage::Down {
                return self.timers.push(through, Timer::Hop { number });
            }
        }
    }

    /// The limit that a message comes to at a stage of its way.
    fn pipe(&mut self, key: ConnectionKey, way: Way, stage: Stage) -> Option<&mut Pipe> {
        let connection = self.connections.get(&key)?;
        let caller = connection.opener.map(|opener| opener.place);
        let ends = Ends { caller, server: connection.server, link: self.links.bottleneck(connection.route, way) };
        self.bottlenecks.as_mut()?.pipes.at(stage, way, ends, &self.faults, self.now)
    }

    /// A message is not on its way any more.
    fn remove(&mut self, number: u64) -> Option<Transmission> {
        let message = self.bottlenecks.as_mut()?.transmissions.remove(&number)?;
        self.reap(message.key);
        Some(message)
    }

    /// A message met a full queue.
    fn meets_full_queue(&mut self, number: u64) {
        let Some(bottlenecks) = &self.bottlenecks else { return };
        let Some(message) = bottlenecks.transmissions.get(&number) else { return };
        let (key, way) = (message.key, message.way);
        let (message, is_answer) = match &message.queued {
            Queued::Syn => (Message::Syn, false),
            Queued::Segment(Segment::Connected | Segment::Failed(_)) => (Message::SynAck, true),
            _ if way == Way::ToServer => (Message::ToServer, false),
            _ => (Message::ToClient, false),
        };
        let Some(connection) = self.connections.get(&key) else { return drop(self.remove(number)) };
        let (server, session) = (connection.server, connection.code());
        self.record(server, Event::QueueFull { session, message });
        if is_answer || message == Message::Syn {
            self.repeat_syn(key);
            drop(self.remove(number));
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
        bottlenecks.gaps.entry((message.key, message.way)).or_default().lose(number);
        self.timers.push(at, Timer::Hop { number });
    }

    /// A message has come through every connection.
    fn arrives(&mut self, number: u64) {
        let Some(bottlenecks) = self.bottlenecks.as_mut() else { return };
        let Some(message) = bottlenecks.transmissions.get(&number) else { return };
        let (key, way) = (message.key, message.way);
        let of_connect = message.queued.is_of_connect();
        if !of_connect && bottlenecks.is_dead(key, way, number) {
            return drop(self.remove(number));
        }
        let Some(message) = bottlenecks.transmissions.remove(&number) else { return };
        let gap = bottlenecks.gaps.get_mut(&(key, way)).filter(|_| !of_connect);
        let Some(gap) = gap else { return self.take_out(message) };
        let (ready, whole) = gap.fill(number, message);
        if whole {
            bottlenecks.gaps.remove(&(key, way));
        }
        for message in ready.into_values() {
            self.take_out(message);
        }
    }

    /// It is there.
    fn take_out(&mut self, Transmission { queued, key, way, .. }: Transmission) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        let now = self.now;
        match queued {
            Queued::Syn => self.syn(key),
            // What had arrived when it was closed is forgotten, and so is this.
            Queued::Segment(_) if connection.is_deaf(way) => {}
            Queued::Segment(segment) => self.put(key, way, now, segment),
        }
        self.reap(key);
    }

    /// A sender forgets what it would have repeated: what waits for that never arrives either.
    pub(super) fn stop_repeating(&mut self, key: ConnectionKey, way: Way) {
        let Some(bottlenecks) = &mut self.bottlenecks else { return };
        let sent = bottlenecks.sent;
        let Some(gap) = bottlenecks.gaps.get_mut(&(key, way)) else { return };
        gap.stop(sent);
    }

    /// A connection is over: nothing waits for what is missing.
    pub(super) fn forget_gaps(&mut self, key: ConnectionKey) {
        if let Some(bottlenecks) = self.bottlenecks.as_mut().filter(|bottlenecks| !bottlenecks.gaps.is_empty()) {
            bottlenecks.gaps.remove(&(key, Way::ToServer));
            bottlenecks.gaps.remove(&(key, Way::ToClient));
        }
    }
}
