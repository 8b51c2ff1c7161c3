//! What the network tells a tap.
//!
//! Nothing listens unless `Simulation::listen` was called, and what listens decides nothing. A message is noted when it
//! is sent; what becomes of it is read off the items that the queue gives out, before they are dealt with.

use super::Tcp;
use super::connection::{ClientEnd, Peer, ServerEnd};
use super::queued::Queued;
use super::segment::{Hop, Segment, StallPoint};
use super::tap::{Key, Line, UnderWay, What};
use crate::h2::Frame;
use crate::network::{Direction, Message as Part, SynAnswer};
use crate::record::{Fate, Flag, Message, Party, Transmission};
use crate::time::Timestamp;
use crate::tls::Flight;

impl Tcp {
    /// A connection begins: listens, if it is one of the chosen. One that a balancer opens is made for the one `before`.
    #[cold]
    pub(crate) fn tap_connect(&mut self, connection: u32, before: Option<u32>) {
        let Some(tap) = &self.tap else { return };
        let entry = &self.connections[connection];
        let line = match entry.caller.who() {
            Peer::Session(session) => {
                let chosen = tap.chosen.contains(&self.peers.session(session));
                chosen.then_some((session, entry.client_number))
            }
            Peer::Host(host) => {
                let (group, number) = self.peers.carrier_host(host);
                let hosts = &self.peers.groups[usize::from(group)];
                let is_on = |(other, index): &(u16, u32)| *other == group && hosts.host_number(*index) == number;
                let opener = self.carriers.get(connection).filter(|_| tap.chosen.iter().any(is_on));
                opener.map(|carrier| (carrier.session, entry.client_number))
            }
            Peer::Server(_) => {
                let before = before.and_then(|before| tap.lines.get(&before));
                before.map(|line| (line.session, line.connection))
            }
        };
        let Some(tap) = &mut self.tap else { return };
        match line {
            Some((session, connection_number)) => {
                let line = Line { session, connection: connection_number, under_way: UnderWay::default() };
                tap.lines.insert(connection, line);
            }
            // Its place may be one that was listened to.
            None => drop(tap.lines.remove(&connection)),
        }
    }

    /// A SYN leaves, the first or a repeated one.
    pub(crate) fn tap_syn(&mut self, connection: u32, hop: Hop, left: Timestamp) {
        self.tap_message(connection, Key { way: Direction::ToServer, hop, what: What::Syn }, Flag::Syn, left);
    }

    /// An item is the arrival of a message that leaves now.
    #[cold]
    pub(crate) fn tap_send(&mut self, item: Queued, hop: Hop) {
        let Some((connection, key)) = Key::of(item, hop == Hop::Behind) else { return };
        let flag = match (item, key.what) {
            (Queued::SynRefused { .. } | Queued::RelayAnswer { refused: true, .. }, _) => Flag::Rst,
            (_, What::Answer) => Flag::SynAck,
            (_, What::Syn) => Flag::Syn,
            (_, What::Segment(Segment::Data(_))) => Flag::Data,
            (_, What::Segment(Segment::Fin)) => Flag::Fin,
            (_, What::Segment(Segment::Rst)) => Flag::Rst,
        };
        self.tap_message(connection, Key { hop, ..key }, flag, self.now);
    }

    fn tap_message(&mut self, connection: u32, key: Key, flag: Flag, left: Timestamp) {
        let Some(tap) = self.tap.as_mut().filter(|tap| tap.lines.contains_key(&connection)) else { return };
        let repeats = matches!(key.what, What::Syn | What::Answer);
        if let Some(before) = tap.last(connection, key).filter(|_| repeats) {
            if before.fate == Fate::UnderWay {
                // Its kernel did not wait for what became of it.
                before.fate = Fate::Unanswered;
            }
            return tap.again(connection, key, left);
        }
        let relayed = self.connections[connection].is_relayed();
        let dialled = Party::Server(self.dialled(connection));
        let entry = &self.connections[connection];
        let caller = match entry.caller.who() {
            Peer::Session(_) | Peer::Host(_) => Party::Client,
            Peer::Server(server) => Party::Server(server),
        };
        let (near, far) = match key.hop {
            Hop::Before if relayed => (caller, dialled),
            Hop::Before => (caller, Party::Server(entry.server)),
            Hop::Behind => (dialled, Party::Server(entry.server)),
        };
        let bytes = match key.what {
            What::Segment(Segment::Data(segment)) => self.segments[segment].clone(),
            _ => Vec::new(),
        };
        let (from, to) = if key.way == Direction::ToServer { (near, far) } else { (far, near) };
        // What is of a stream is its session's; the rest is told of the session that needed the connection first.
        let carrier = self.carriers.get(connection);
        let frame = carrier.and_then(|_| Frame::read(&bytes));
        let stream = frame.and_then(|frame| self.carriers.on(connection, frame.stream()?));
        let of_stream = stream.and_then(|stream| {
            let entry = &self.connections[stream];
            if let Peer::Session(session) = entry.caller.who() { Some((session, entry.client_number)) } else { None }
        });
        let Some(tap) = &mut self.tap else { return };
        let Some(line) = tap.lines.get_mut(&connection) else { return };
        line.under_way.insert(key, tap.messages.len());
        let (session, number) = of_stream.unwrap_or((line.session, line.connection));
        tap.messages.push(Message {
            session,
            connection: number,
            from,
            to,
            flag,
            payload: match (frame, Flight::read(&bytes)) {
                (Some(frame), _) => frame.wire_bytes(),
                (None, Some(flight)) => flight.wire_bytes().into(),
                (None, None) => bytes.len(),
            },
            bytes,
            after: self.seq,
            transmissions: vec![Transmission { left, fate: Fate::UnderWay }],
        });
    }

    /// The transmission that left last on a hop is lost, and the next one leaves at a moment.
    #[cold]
    pub(crate) fn tap_repaired(&mut self, connection: u32, way: Direction, hop: Hop, again: Option<Timestamp>) {
        let Some(tap) = &mut self.tap else { return };
        let Some(line) = tap.lines.get(&connection) else { return };
        if let Some(key) = line.under_way.latest(way, hop) {
            self.tap_lost(connection, key, again);
        }
    }

    /// A line was full, or the link lost what an item would have been the arrival of.
    #[cold]
    pub(crate) fn tap_dropped(&mut self, item: Queued, again: Option<Timestamp>) {
        if let Some((connection, key)) = Key::of(item, false) {
            self.tap_lost(connection, key, again);
        }
    }

    fn tap_lost(&mut self, connection: u32, key: Key, again: Option<Timestamp>) {
        let Some(tap) = &mut self.tap else { return };
        tap.end(connection, key, Fate::Lost);
        if let Some(left) = again {
            tap.again(connection, key, left);
        }
    }

    /// The answer to a SYN is lost on its way.
    #[cold]
    pub(crate) fn tap_answer_lost(&mut self, connection: u32, hop: Hop) {
        self.tap_lost(connection, Key { way: Direction::ToClient, hop, what: What::Answer }, None);
    }

    /// A caller closes its end: SYNs that would have left later don't.
    #[cold]
    pub(crate) fn tap_closed(&mut self, connection: u32) {
        let now = self.now;
        let Some(tap) = &mut self.tap else { return };
        let key = Key { way: Direction::ToServer, hop: Hop::Before, what: What::Syn };
        let line = tap.lines.get(&connection);
        if let Some(place) = line.and_then(|line| line.under_way.place(key)) {
            let transmissions = &mut tap.messages[place].transmissions;
            while transmissions.len() > 1 && transmissions.last().is_some_and(|last| last.left >= now) {
                transmissions.pop();
            }
        }
    }

    /// An item is about to be dealt with: notes what that means for the message that it is the arrival of.
    #[cold]
    pub(crate) fn hear(&mut self, item: Queued) {
        if self.tap.is_none() {
            return;
        }
        if let Queued::Retransmitted { connection, way, point } = item {
            return self.hear_again(connection, way, point);
        }
        let connection = match Key::of(item, false) {
            Some((connection, _)) if self.is_tapped(connection) => connection,
            _ => return,
        };
        let Some((_, key)) = Key::of(item, self.connections[connection].is_relayed()) else { return };
        if let (Queued::SynAck { .. }, Some(tap)) = (item, &mut self.tap)
            && tap.last(connection, key).is_none()
        {
            // The SYN's answer was known when it left.
            let left = self.connections[connection].last_to_server;
            let syn = Key { way: Direction::ToServer, hop: Hop::Before, what: What::Syn };
            tap.end(connection, syn, Fate::Arrived(left));
            self.tap_message(connection, key, Flag::SynAck, left);
        }
        let fate = self.fate(connection, item, key);
        if let Some(tap) = &mut self.tap {
            tap.end(connection, key, fate);
        }
    }

    fn is_tapped(&self, connection: u32) -> bool {
        self.tap.as_ref().is_some_and(|tap| tap.lines.contains_key(&connection))
    }

    /// What becomes of a message whose item is due now.
    fn fate(&self, connection: u32, item: Queued, key: Key) -> Fate {
        let entry = &self.connections[connection];
        if key.hop == Hop::Behind && !entry.is_relayed() {
            // Nobody knows its flow any more.
            return Fate::Unanswered;
        }
        let point = match (entry.is_relayed(), key.way, key.hop) {
            (true, Direction::ToServer, Hop::Before) | (true, Direction::ToClient, Hop::Behind) => StallPoint::Balancer,
            _ => StallPoint::End,
        };
        let balancer_silent =
            || self.is_cut_at(connection, key.way, StallPoint::Balancer) || self.stands_still(self.dialled(connection));
        let silent = match item {
            Queued::Syn { .. } | Queued::SynBehind { .. } if entry.client == ClientEnd::Closed => false,
            Queued::Syn { .. } | Queued::SynBehind { .. } => {
                if self.lossy && self.syn_lost(connection, key.hop, Part::Syn) {
                    return Fate::Lost;
                }
                if point == StallPoint::Balancer || self.is_relay(entry.server) {
                    self.is_cut_at(connection, key.way, StallPoint::Balancer)
                        || self.stands_still(self.dialled(connection))
                } else {
                    let host = &self.hosts[entry.server as usize].kernel;
                    let unanswered = matches!(host.syn(), SynAnswer::BacklogFull | SynAnswer::Unanswered);
                    unanswered || self.is_cut(connection, key.way)
                }
            }
            Queued::SynAck { .. } | Queued::SynRefused { .. } => {
                entry.client != ClientEnd::Closed && self.is_cut(connection, key.way)
            }
            _ if point == StallPoint::Balancer => entry.is_stalled(key.way, point) || balancer_silent(),
            _ => {
                let powered = match key.way {
                    Direction::ToServer => self.hosts[entry.server as usize].kernel.powered(),
                    Direction::ToClient => self.peer_powered(entry.caller),
                };
                let overflows = matches!(key.what, What::Segment(Segment::Data(_)))
                    && key.way == Direction::ToServer
                    && self.overflows(connection);
                !powered || entry.is_stalled(key.way, point) || self.is_cut(connection, key.way) || overflows
            }
        };
        if silent { Fate::Unanswered } else { Fate::Arrived(self.now) }
    }

    /// What stalled was sent again, and would arrive now.
    fn hear_again(&mut self, connection: u32, way: Direction, point: StallPoint) {
        if !self.is_tapped(connection) {
            return;
        }
        let entry = &self.connections[connection];
        let for_nobody = entry.client == ClientEnd::Closed
            && matches!(entry.server_end, ServerEnd::None | ServerEnd::Closed | ServerEnd::Gone);
        let Some(kept) = self.stalled(connection, way, point).filter(|kept| !kept.is_empty() && !for_nobody) else {
            return;
        };
        let overflows = way == Direction::ToServer && point == StallPoint::End && self.overflows(connection);
        let silent = self.is_silent(connection, way, point) || overflows;
        // While nobody answers, only the first of what waits is repeated.
        let kept: Vec<Segment> = kept.iter().copied().take(if silent { 1 } else { usize::MAX }).collect();
        let fate = if silent { Fate::Unanswered } else { Fate::Arrived(self.now) };
        let left = self.now - self.latency_to(connection, way, point);
        let hop = self.hop_to(connection, way, point);
        let Some(tap) = &mut self.tap else { return };
        for kept in kept {
            let key = Key { way, hop, what: What::Segment(kept) };
            tap.again(connection, key, left);
            tap.end(connection, key, fate);
        }
    }
}
