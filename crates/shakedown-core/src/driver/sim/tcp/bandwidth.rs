//! Messages on links with a bandwidth: each takes its bytes' time, and waits for those before it.
//!
//! Where bandwidth is limited anywhere, every message goes from place to place as an item of the queue. What joins the
//! lines there, and what is repeated, is for [`Bottlenecks`] to know.

use super::Tcp;
use super::connection::{ClientEnd, Peer};
use super::queued::Queued;
use super::segment::Hop;
use crate::driver::bottlenecks::{Bottlenecks, Moved, Repeated, Transmission};
use crate::driver::pipes::{Ends, Initiator, Stage};
use crate::event::Kind as EventKind;
use crate::network::{Direction, Event, Message, wire_bytes};
use crate::rng::Purpose;
use crate::time::Timestamp;

impl Tcp {
    fn bottlenecks(&mut self) -> &mut Bottlenecks<u32, Queued> {
        self.bottlenecks.as_mut().expect("only asked where bandwidth is limited")
    }

    /// A message on its way.
    fn under_way(&mut self, transmission: u32) -> Transmission<u32, Queued> {
        *self.bottlenecks().get(transmission).expect("a message is on its way until it is taken away")
    }

    /// Sends a message with so much payload now.
    #[cold]
    pub(crate) fn queue_up(&mut self, connection: u32, way: Direction, item: Queued, payload: usize) {
        let given_up = *self.connections[connection].last_mut(way) == Timestamp::NEVER;
        if given_up || self.bottlenecks().is_given_up(connection, way) {
            self.drop_bytes(item);
            return;
        }
        let ordinal = self.next_ordinal(connection);
        let transmission = self.transmission(connection, way, item, payload, ordinal, self.now);
        self.move_on(transmission);
    }

    /// Sends a SYN again at a moment, or now if that is over.
    pub(crate) fn queue_syn(&mut self, connection: u32, left: Timestamp) {
        let ordinal = self.ordinal(connection);
        let item = Queued::Syn { connection };
        let transmission = self.transmission(connection, Direction::ToServer, item, 0, ordinal, left);
        self.queue.push(left.max(self.now), Queued::Hop { transmission });
    }

    fn transmission(
        &mut self,
        connection: u32,
        way: Direction,
        item: Queued,
        payload: usize,
        ordinal: u64,
        left: Timestamp,
    ) -> u32 {
        let orphan = self.is_closed_by_sender(connection, way);
        self.connections[connection].in_flight += 1;
        let repetitions = self.repetitions(connection, way);
        let (message, bytes) = (item, wire_bytes(payload));
        self.bottlenecks().send(Transmission {
            message,
            key: connection,
            way,
            bytes,
            ordinal,
            left,
            repetitions,
            orphan,
        })
    }

    fn drop_bytes(&mut self, item: Queued) {
        if let Queued::ToServer { segment, .. } | Queued::ToClient { segment, .. } = item {
            self.segments.release(segment);
        }
    }

    /// A message has come to the next place on its way, or is to be sent once more.
    pub(crate) fn hop(&mut self, transmission: u32) {
        let Transmission { message, key: connection, .. } = self.under_way(transmission);
        let entry = &self.connections[connection];
        let gave_up = matches!(message, Queued::Syn { .. }) && entry.client == ClientEnd::Closed;
        match self.bottlenecks().stage(transmission) {
            // The session gave up before this SYN left: nobody waits for an answer.
            Some(Stage::Up) if gave_up => {
                self.bottlenecks().take(transmission);
                self.syn(connection);
            }
            Some(Stage::Arrived) => self.arrived(transmission),
            Some(Stage::Up) if self.bottlenecks().is_dead(transmission) => self.discard(transmission),
            _ => self.move_on(transmission),
        }
    }

    /// Joins the lines that a message comes to now, until it has to wait in one.
    fn move_on(&mut self, transmission: u32) {
        let Transmission { message, key: connection, way, ordinal, .. } = self.under_way(transmission);
        let (ends, now) = (self.ends(connection, way), self.now);
        let Tcp { faults, bottlenecks, .. } = self;
        let moved = bottlenecks.as_mut().map(|bottlenecks| bottlenecks.go_on(transmission, ends, faults, now));
        let at = match moved {
            Some(Moved::Until(at)) => at,
            Some(Moved::Leaves(at)) => {
                let is_repeated = matches!(message, Queued::Syn { .. }) && self.connections[connection].syns > 1;
                let arrival = match is_repeated {
                    true => self.arrival_of_repeated_syn(connection, at),
                    false => self.travel(connection, way, ordinal, at),
                };
                let last = self.connections[connection].last_mut(way);
                *last = arrival.max(*last);
                *last
            }
            Some(Moved::Full) | None => return self.dropped(transmission),
        };
        self.queue.push(at, Queued::Hop { transmission });
    }

    /// Where a connection's messages may wait.
    fn ends(&self, connection: u32, way: Direction) -> Ends {
        let entry = &self.connections[connection];
        let client = |(group, number): (u16, u32)| Initiator::Client {
            group,
            host: self.peers.groups[usize::from(group)].host_number(number),
        };
        let initiator = match entry.caller.who() {
            Peer::Session(session) => client(self.peers.session(session)),
            Peer::Host(host) => {
                let (group, host) = self.peers.carrier_host(host);
                Initiator::Client { group, host }
            }
            Peer::Server(initiator) => Initiator::Server(initiator),
        };
        Ends { initiator: Some(initiator), server: entry.server, link: self.links.bottleneck(entry.route, way) }
    }

    /// A message met a full queue.
    fn dropped(&mut self, transmission: u32) {
        let Transmission { message: item, key: connection, way, .. } = self.under_way(transmission);
        let message = match item {
            Queued::Syn { .. } => Message::Syn,
            Queued::SynAck { .. } | Queued::SynRefused { .. } => Message::SynAck,
            _ if way == Direction::ToServer => Message::ToServer,
            _ => Message::ToClient,
        };
        let entry = &self.connections[connection];
        let (server, session) = (entry.server, entry.caller.code());
        self.deferred.push(EventKind::Network(server, Event::QueueFull { session, message }));
        match message {
            Message::Syn | Message::SynAck => {
                self.tap_dropped(item, None);
                self.bottlenecks().take(transmission);
                self.repeat_syn(connection);
                self.release(connection);
            }
            Message::ToServer | Message::ToClient => self.repeat(transmission),
        }
    }

    /// Data, a FIN or an RST came to nothing.
    fn repeat(&mut self, transmission: u32) {
        let (now, retries) = (self.now, self.data_retries);
        let Transmission { message: item, key: connection, way, .. } = self.under_way(transmission);
        let closed = self.is_closed_by_sender(connection, way);
        match self.bottlenecks().repeat(transmission, retries, closed, now) {
            Some(Repeated::At(at)) => {
                self.tap_dropped(item, Some(at));
                self.queue.push(at, Queued::Hop { transmission });
            }
            Some(Repeated::GivenUp(at)) => {
                self.tap_dropped(item, None);
                self.push(connection, at, Queued::GivenUp { connection, way });
                self.discard(transmission);
            }
            None => {}
        }
    }

    fn discard(&mut self, transmission: u32) {
        if let Some(message) = self.bottlenecks().take(transmission) {
            self.lose(message);
        }
    }

    /// A message that was taken away never arrives.
    fn lose(&mut self, Transmission { message, key: connection, .. }: Transmission<u32, Queued>) {
        self.drop_bytes(message);
        self.release(connection);
    }

    /// A message has come through every line; unless its link lost it, it is there.
    fn arrived(&mut self, transmission: u32) {
        let Transmission { message: item, key: connection, way, ordinal, left, repetitions, .. } =
            self.under_way(transmission);
        if matches!(item, Queued::Syn { .. } | Queued::SynAck { .. } | Queued::SynRefused { .. }) {
            self.bottlenecks().take(transmission);
            return self.ready.push(item);
        }
        if self.bottlenecks().is_dead(transmission) {
            return self.discard(transmission);
        }
        let key = ordinal << 5 | u64::from(repetitions.count());
        if self.lossy && self.lost(connection, way, Hop::Before, Purpose::Loss, key, left) {
            let entry = &self.connections[connection];
            let (server, session) = (entry.server, entry.caller.code());
            let message = if way == Direction::ToServer { Message::ToServer } else { Message::ToClient };
            self.deferred.push(EventKind::Network(server, Event::Lost { session, message, times: 1 }));
            return self.repeat(transmission);
        }
        let Tcp { bottlenecks, ready, .. } = self;
        if let Some(bottlenecks) = bottlenecks {
            bottlenecks.arrive(transmission, |Transmission { message, .. }| ready.push(message));
        }
    }

    /// A sender's kernel has given up: what it says from now on is no part of that stream.
    pub(crate) fn give_up_gap(&mut self, connection: u32, way: Direction) {
        self.stop_repeating(connection, way);
        if let Some(bottlenecks) = &mut self.bottlenecks {
            bottlenecks.forget_gap(connection, way);
        }
    }

    /// A sender forgets what it would have repeated: what waits for that never arrives either.
    pub(crate) fn stop_repeating(&mut self, connection: u32, way: Direction) {
        let Some(bottlenecks) = &mut self.bottlenecks else { return };
        for message in bottlenecks.stop_repeating(connection, way) {
            self.lose(message);
        }
    }
}
