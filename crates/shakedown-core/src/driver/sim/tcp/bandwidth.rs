//! Messages on links with a bandwidth: each takes its bytes' time, and waits for those before it.
//!
//! Where bandwidth is limited anywhere, every message goes from place to place as an item of the queue, and joins each
//! link's line when it gets there: up its sender's access link, through what it shares with others between their places,
//! over the distance, and down its receiver's access link. What a full queue drops, or a link loses, is sent once more when
//! its retransmission timer runs out; what follows in its stream waits at the receiver.

use super::Tcp;
use super::bottlenecks::{Bottlenecks, Transmission};
use super::connection::{ClientEnd, Peer};
use super::queued::Queued;
use super::segment::Leg;
use crate::driver::pipes::{self, Ends, Stage};
use crate::event::Kind as EventKind;
use crate::network::{Event, Message, Pipe, Repetitions, Way, wire_bytes};
use crate::rng::Purpose;
use crate::time::Timestamp;

impl Tcp {
    fn bottlenecks(&mut self) -> &mut Bottlenecks {
        self.bottlenecks.as_mut().expect("only asked where bandwidth is limited")
    }

    /// Sends a message with so much payload now.
    #[cold]
    pub(crate) fn queue_up(&mut self, connection: u32, way: Way, item: Queued, payload: usize) {
        let given_up = *self.connections[connection].last_mut(way) == Timestamp::NEVER;
        let next = self.bottlenecks().sent + 1;
        if given_up || self.is_dead(connection, way, next) {
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
        let transmission = self.transmission(connection, Way::ToServer, item, 0, ordinal, left);
        self.queue.push(left.max(self.now), Queued::Hop { transmission });
    }

    fn transmission(
        &mut self,
        connection: u32,
        way: Way,
        item: Queued,
        payload: usize,
        ordinal: u64,
        left: Timestamp,
    ) -> u32 {
        let orphan = self.is_closed_by_sender(connection, way);
        let entry = &mut self.connections[connection];
        entry.in_flight += 1;
        let repetitions = Repetitions::new(entry.rto());
        let bytes = wire_bytes(payload);
        let bottlenecks = self.bottlenecks();
        bottlenecks.sent += 1;
        let order = bottlenecks.sent;
        let stage = Stage::Up;
        let entry = Transmission { item, connection, way, stage, bytes, ordinal, order, left, repetitions, orphan };
        bottlenecks.transmissions.insert(entry)
    }

    fn drop_bytes(&mut self, item: Queued) {
        if let Queued::ToServer { segment, .. } | Queued::ToClient { segment, .. } = item {
            self.segments.release(segment);
        }
    }

    /// A message has come to the next place on its way, or is to be sent once more.
    pub(crate) fn hop(&mut self, transmission: u32) {
        let Transmission { item, connection, way, stage, order, .. } = self.bottlenecks().transmissions[transmission];
        let entry = &self.connections[connection];
        if stage == Stage::Up && matches!(item, Queued::Syn { .. }) && entry.client == ClientEnd::Closed {
            // The session gave up before this SYN left.
            self.bottlenecks().transmissions.release(transmission);
            // Nobody waits for an answer.
            self.syn(connection);
        } else if stage == Stage::Arrived {
            self.arrived(transmission);
        } else if stage == Stage::Up && self.is_dead(connection, way, order) {
            self.discard(transmission);
        } else {
            self.move_on(transmission);
        }
    }

    /// Joins the lines that a message comes to now, until it has to wait in one.
    fn move_on(&mut self, transmission: u32) {
        loop {
            let Transmission { item, connection, way, stage, bytes, ordinal, .. } =
                self.bottlenecks().transmissions[transmission];
            let now = self.now;
            let through = match self.pipe(connection, way, stage) {
                Some(pipe) => pipe.enter(now, bytes),
                None => Some(now),
            };
            let Some(mut through) = through else { return self.dropped(transmission) };
            let next = match stage {
                Stage::Up => Stage::Link,
                Stage::Link => Stage::Fault,
                Stage::Fault => {
                    let is_repeated = matches!(item, Queued::Syn { .. }) && self.connections[connection].syns > 1;
                    let arrival = if is_repeated {
                        self.arrival_of_repeated_syn(connection, through)
                    } else {
                        self.travel(connection, way, ordinal, through)
                    };
                    let last = self.connections[connection].last_mut(way);
                    *last = arrival.max(*last);
                    through = *last;
                    let lines_up = self.pipe(connection, way, Stage::Down).is_some();
                    if lines_up { Stage::Down } else { Stage::Arrived }
                }
                Stage::Down | Stage::Arrived => Stage::Arrived,
            };
            self.bottlenecks().transmissions[transmission].stage = next;
            if through > now || next >= Stage::Down {
                self.queue.push(through, Queued::Hop { transmission });
                return;
            }
        }
    }

    /// The line that a message joins at a stage of its way.
    fn pipe(&mut self, connection: u32, way: Way, stage: Stage) -> Option<&mut Pipe> {
        let entry = &self.connections[connection];
        let client = |(group, number): (u16, u32)| pipes::Caller::Client {
            group,
            host: self.peers.groups[usize::from(group)].host_number(number),
        };
        let caller = match entry.caller.who() {
            Peer::Session(session) => client(self.peers.session(session)),
            Peer::Host(host) => {
                let (group, host) = self.peers.carrier_host(host);
                pipes::Caller::Client { group, host }
            }
            Peer::Server(caller) => pipes::Caller::Server(caller),
        };
        let link = self.links.bottleneck(entry.route, way);
        let ends = Ends { caller: Some(caller), server: entry.server, link };
        let now = self.now;
        let Tcp { faults, bottlenecks, .. } = self;
        bottlenecks.as_mut()?.pipes.at(stage, way, ends, faults, now)
    }

    /// A message met a full queue.
    fn dropped(&mut self, transmission: u32) {
        let Transmission { item, connection, way, .. } = self.bottlenecks().transmissions[transmission];
        let message = match item {
            Queued::Syn { .. } => Message::Syn,
            Queued::SynAck { .. } | Queued::SynRefused { .. } => Message::SynAck,
            _ if way == Way::ToServer => Message::ToServer,
            _ => Message::ToClient,
        };
        let entry = &self.connections[connection];
        let (server, session) = (entry.server, entry.caller.code());
        self.deferred.push(EventKind::Network(server, Event::QueueFull { session, message }));
        match message {
            Message::Syn | Message::SynAck => {
                self.tap_dropped(item, None);
                self.bottlenecks().transmissions.release(transmission);
                self.repeat_syn(connection);
                self.release(connection);
            }
            Message::ToServer | Message::ToClient => self.repeat(transmission),
        }
    }

    /// Data, a FIN or an RST came to nothing: its sender's kernel repeats it when its timer runs out, and gives the
    /// connection up when it has done so too often.
    fn repeat(&mut self, transmission: u32) {
        let (now, retries) = (self.now, self.data_retries);
        let Transmission { connection, way, .. } = self.bottlenecks().transmissions[transmission];
        let closed = self.is_closed_by_sender(connection, way);
        let entry = &mut self.bottlenecks().transmissions[transmission];
        let Transmission { item, order, left, orphan, mut repetitions, .. } = *entry;
        let at = (left + repetitions.timer()).max(now);
        // What was sent before its process closed the connection is not repeated for longer than it would have been.
        let gives_up = closed && !repetitions.clone().again(retries, true) || !repetitions.again(retries, orphan);
        entry.repetitions = repetitions;
        entry.left = at;
        entry.stage = Stage::Up;
        self.tap_dropped(item, (!gives_up).then_some(at));
        let gap = self.bottlenecks().gaps.entry((connection, way)).or_default();
        gap.lose(order);
        if gives_up {
            gap.give_up(order);
            self.push(connection, at, Queued::GivenUp { connection, way });
            self.discard(transmission);
        } else {
            self.queue.push(at, Queued::Hop { transmission });
        }
    }

    /// Whether it, or something before it, is not repeated any more.
    fn is_dead(&self, connection: u32, way: Way, order: u64) -> bool {
        let gaps = self.bottlenecks.as_ref().map(|bottlenecks| &bottlenecks.gaps);
        gaps.and_then(|gaps| gaps.get(&(connection, way))).is_some_and(|gap| gap.is_dead(order))
    }

    fn discard(&mut self, transmission: u32) {
        let Transmission { item, connection, .. } = self.bottlenecks().transmissions[transmission];
        self.bottlenecks().transmissions.release(transmission);
        self.drop_bytes(item);
        self.release(connection);
    }

    /// A message has come through every line; unless its link lost it, it is there.
    fn arrived(&mut self, transmission: u32) {
        let Transmission { item, connection, way, ordinal, order, left, repetitions, .. } =
            self.bottlenecks().transmissions[transmission];
        if matches!(item, Queued::Syn { .. } | Queued::SynAck { .. } | Queued::SynRefused { .. }) {
            self.bottlenecks().transmissions.release(transmission);
            return self.ready.push(item);
        }
        if self.is_dead(connection, way, order) {
            return self.discard(transmission);
        }
        let key = ordinal << 5 | u64::from(repetitions.count());
        if self.lossy && self.lost(connection, way, Leg::Before, Purpose::Loss, key, left) {
            let entry = &self.connections[connection];
            let (server, session) = (entry.server, entry.caller.code());
            let message = if way == Way::ToServer { Message::ToServer } else { Message::ToClient };
            self.deferred.push(EventKind::Network(server, Event::Lost { session, message, times: 1 }));
            return self.repeat(transmission);
        }
        let Some(gap) = self.bottlenecks().gaps.get_mut(&(connection, way)) else {
            self.bottlenecks().transmissions.release(transmission);
            return self.ready.push(item);
        };
        let (ready, whole) = gap.fill(order, transmission);
        if whole {
            self.bottlenecks().gaps.remove(&(connection, way));
        }
        for transmission in ready.into_values() {
            let item = self.bottlenecks().transmissions[transmission].item;
            self.bottlenecks().transmissions.release(transmission);
            self.ready.push(item);
        }
    }

    /// A sender's kernel has given up: what it says from now on is no part of that stream.
    pub(crate) fn give_up_gap(&mut self, connection: u32, way: Way) {
        self.stop_repeating(connection, way);
        if let Some(bottlenecks) = &mut self.bottlenecks {
            bottlenecks.gaps.remove(&(connection, way));
        }
    }

    /// A sender forgets what it would have repeated: what waits for that never arrives either.
    pub(crate) fn stop_repeating(&mut self, connection: u32, way: Way) {
        let Some(bottlenecks) = &mut self.bottlenecks else { return };
        let sent = bottlenecks.sent;
        let Some(gap) = bottlenecks.gaps.get_mut(&(connection, way)) else { return };
        for transmission in gap.stop(sent).into_values() {
            self.discard(transmission);
        }
    }
}
