//! Links with a bandwidth: each message takes its bytes' time, and waits for those before it, as in the simulator.
//!
//! Where bandwidth is limited anywhere, whatever leaves for the end of a line joins the lines of each limit that it
//! comes to, over the distance, and only then arrives.

use shakedown_core::driver::bottlenecks::{Moved, Repeated, Transmission};
use shakedown_core::driver::pipes::{Ends, Stage};
use shakedown_core::network::{Direction, Event, Message, Repetitions, wire_bytes};
use shakedown_core::time::Timestamp;

use super::connection::{Connection, ConnectionKey, Segment};
use super::connections::Network;
use super::effects::Timer;
use super::queued::Queued;

impl Network {
    /// Sends a message with so much payload now.
    pub(super) fn queue_up(&mut self, key: ConnectionKey, way: Direction, queued: Queued, payload: usize) {
        if self.bottlenecks.as_ref().is_none_or(|bottlenecks| bottlenecks.is_given_up(key, way)) {
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
        if let Some(number) = self.transmit(key, Direction::ToServer, Queued::Syn, 0, ordinal, left) {
            self.timers.push(left.max(self.now), Timer::Hop { number });
        }
    }

    fn transmit(
        &mut self,
        key: ConnectionKey,
        way: Direction,
        message: Queued,
        payload: usize,
        ordinal: u64,
        left: Timestamp,
    ) -> Option<u32> {
        let repetitions = Repetitions::new(self.connections.get(&key)?.rto());
        let bytes = wire_bytes(payload);
        let message = Transmission { message, key, way, bytes, ordinal, left, repetitions, orphan: false };
        Some(self.bottlenecks.as_mut()?.send(message))
    }

    /// A message has come to the next place on its way, or is to be sent once more.
    pub(super) fn hop(&mut self, number: u32) {
        let Some(bottlenecks) = &self.bottlenecks else { return };
        let Some(Transmission { message, key, .. }) = bottlenecks.get(number) else { return };
        let is_syn = matches!(message, Queued::Syn);
        let gave_up = self.connections.get(key).is_none_or(|connection| is_syn && connection.client_closed);
        match bottlenecks.stage(number) {
            Some(Stage::Arrived) => self.arrives(number),
            // The session gave up before this SYN left.
            Some(Stage::Up) if gave_up => self.arrives(number),
            Some(Stage::Up) if bottlenecks.is_dead(number) => self.remove(number),
            _ => self.move_on(number),
        }
    }

    /// Joins the queues that a message comes to now, until it has to wait in one.
    fn move_on(&mut self, number: u32) {
        let message = self.bottlenecks.as_ref().and_then(|bottlenecks| bottlenecks.get(number));
        let Some(&Transmission { key, way, ordinal, ref message, .. }) = message else { return };
        let is_syn = matches!(message, Queued::Syn);
        let Some(connection) = self.connections.get(&key) else { return self.remove(number) };
        let is_repeated = is_syn && connection.syns > 0;
        let caller = connection.opener.map(|opener| opener.place);
        let ends =
            Ends { initiator: caller, server: connection.server, link: self.links.bottleneck(connection.route, way) };
        let now = self.now;
        let Some(bottlenecks) = &mut self.bottlenecks else { return };
        let at = match bottlenecks.go_on(number, ends, &self.faults, now) {
            Moved::Until(at) => at,
            Moved::Leaves(at) => {
                let arrival = match is_repeated {
                    true => self.arrival_of_repeated_syn(key, at),
                    false => self.travel(key, way, ordinal, at),
                };
                self.in_order(key, way, arrival)
            }
            Moved::Full => return self.meets_full_queue(number),
        };
        self.timers.push(at, Timer::Hop { number });
    }

    /// A message is not on its way any more.
    fn remove(&mut self, number: u32) {
        let Some(bottlenecks) = &mut self.bottlenecks else { return };
        if let Some(message) = bottlenecks.take(number) {
            self.reap(message.key);
        }
    }

    /// A message met a full queue.
    fn meets_full_queue(&mut self, number: u32) {
        let Some(bottlenecks) = &self.bottlenecks else { return };
        let Some(&Transmission { key, way, message: ref queued, .. }) = bottlenecks.get(number) else { return };
        let message = match queued {
            Queued::Syn => Message::Syn,
            Queued::Segment(Segment::Connected | Segment::Failed(_)) => Message::SynAck,
            _ if way == Direction::ToServer => Message::ToServer,
            _ => Message::ToClient,
        };
        let Some(connection) = self.connections.get(&key) else { return self.remove(number) };
        let (server, session) = (connection.server, connection.code());
        self.record(server, Event::QueueFull { session, message });
        match message {
            Message::Syn | Message::SynAck => {
                self.repeat_syn(key);
                self.remove(number);
            }
            _ => self.repeat(number),
        }
    }

    /// Its sender's kernel repeats what was dropped when its timer runs out. Here it does so for as long as it takes.
    fn repeat(&mut self, number: u32) {
        let Some(bottlenecks) = &mut self.bottlenecks else { return };
        if let Some(Repeated::At(at)) = bottlenecks.repeat(number, u8::MAX, false, self.now) {
            self.timers.push(at, Timer::Hop { number });
        }
    }

    /// A message has come through every connection.
    fn arrives(&mut self, number: u32) {
        let Some(bottlenecks) = &mut self.bottlenecks else { return };
        let Some(message) = bottlenecks.get(number) else { return };
        let of_connect = message.message.is_of_connect();
        if !of_connect && bottlenecks.is_dead(number) {
            return self.remove(number);
        }
        let mut ready = Vec::new();
        match of_connect {
            true => ready.extend(bottlenecks.take(number)),
            false => bottlenecks.arrive(number, |message| ready.push(message)),
        }
        for message in ready {
            self.take_out(message);
        }
    }

    /// It is there.
    fn take_out(&mut self, Transmission { message, key, way, .. }: Transmission<ConnectionKey, Queued>) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        let now = self.now;
        match message {
            Queued::Syn => self.syn(key),
            // What had arrived when it was closed is forgotten, and so is this.
            Queued::Segment(_) if connection.is_deaf(way) => {}
            Queued::Segment(segment) => self.put(key, way, now, segment),
        }
        self.reap(key);
    }

    /// A sender forgets what it would have repeated: what waits for that never arrives either.
    pub(super) fn stop_repeating(&mut self, key: ConnectionKey, way: Direction) {
        if let Some(bottlenecks) = &mut self.bottlenecks {
            bottlenecks.stop_repeating(key, way);
        }
    }
}
