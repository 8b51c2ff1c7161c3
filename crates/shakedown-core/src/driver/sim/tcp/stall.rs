//! What happens to messages that do not get through: lost ones, and those that meet a partition or a host without power.
//!
//! A loss is drawn when the message is sent, and so is its repair: the message arrives later, and what follows it in its
//! direction waits. Silence ahead is found out on arrival: the message stalls, and its sender's kernel repeats it by its
//! timer until the other end is back or the retries run out.

use super::Tcp;
use super::connection::{ClientEnd, Connection, ServerEnd};
use super::queued::Queued;
use super::segment::{Hop, Segment, StallPoint};
use super::stalls::Stall;
use crate::event::Kind;
use crate::fault::Fault;
use crate::network::{Direction, Event, Message, Repetitions};
use crate::rng::Purpose;
use crate::time::{Nanos, Timestamp};

impl Tcp {
    /// One-way latency of a connection, of one through a balancer as far as that.
    pub(crate) fn one_way(&self, connection: u32, way: Direction) -> Nanos {
        let entry = &self.connections[connection];
        let client = self.host_of(entry.caller);
        self.links.one_way(entry.route, way, client, self.hosts[self.dialled(connection) as usize].identity)
    }

    /// Whether this SYN, or the answer to it, is lost.
    pub(crate) fn syn_lost(&self, connection: u32, hop: Hop, message: Message) -> bool {
        let entry = &self.connections[connection];
        let (way, purpose, left) = match message {
            Message::Syn => {
                let repetition = usize::from(entry.syns).checked_sub(1).filter(|repetition| *repetition > 0);
                let after = repetition.and_then(|repetition| self.syn_schedule.repetition(repetition));
                (Direction::ToServer, Purpose::SynLoss, entry.opened() + after.unwrap_or_default())
            }
            _ => (Direction::ToClient, Purpose::SynAckLoss, self.now),
        };
        let ordinal = u64::from(entry.client_number) << 8 | u64::from(entry.syns) | hop.bit();
        self.lost(connection, way, hop, purpose, ordinal, left)
    }

    /// Whether a transmission that leaves at a moment is lost, by its link or by a fault.
    pub(crate) fn lost(
        &self,
        connection: u32,
        way: Direction,
        hop: Hop,
        purpose: Purpose,
        ordinal: u64,
        at: Timestamp,
    ) -> bool {
        let entry = &self.connections[connection];
        let (route, side, server) = self.stretch(connection, hop);
        let mut loss = self.links.loss(route, way);
        for fault in &self.lossy_faults {
            // Either loses it, independently.
            let fault = &self.faults[*fault as usize];
            loss += (1.0 - loss) * fault.loss_at(side, server, way == Direction::ToServer, at);
        }
        loss > 0.0 && self.seed.draw(self.identity_of_peer(entry.caller), purpose, ordinal).unit() < loss
    }

    /// How much longer faults make the way of what leaves at a moment.
    #[cold]
    pub(crate) fn delayed(&self, connection: u32, way: Direction, hop: Hop, one_way: Nanos, at: Timestamp) -> Nanos {
        let (_, side, server) = self.stretch(connection, hop);
        let faults = self.latency_faults.iter().map(|fault| &self.faults[*fault as usize]);
        let delay = |fault: &Fault| fault.delay_at(side, server, way == Direction::ToServer, at, one_way);
        faults.map(delay).fold(Nanos::ZERO, |sum, delay| Nanos(sum.0.saturating_add(delay.0)))
    }

    /// When the transmission of a message leaves that is not lost: now, or later by the timers that repair the others
    /// (RFC 6298 section 5); `NEVER` when its kernel gives up.
    #[cold]
    pub(crate) fn repaired(&mut self, connection: u32, way: Direction, hop: Hop, ordinal: u64) -> Timestamp {
        let orphan = self.is_closed_by_sender(connection, way);
        let entry = &mut self.connections[connection];
        if *entry.last_mut(way) == Timestamp::NEVER {
            return Timestamp::NEVER;
        }
        let (server, session) = (entry.server, entry.caller.code());
        let mut repetitions = self.repetitions(connection, way);
        let mut leaves = self.now;
        let mut times = 0;
        let mut gives_up = false;
        while !gives_up && self.lost(connection, way, hop, Purpose::Loss, ordinal << 5 | u64::from(times), leaves) {
            leaves = leaves + repetitions.timer();
            gives_up = !repetitions.again(self.data_retries, orphan);
            times += 1;
            self.tap_repaired(connection, way, hop, (!gives_up).then_some(leaves));
        }
        if times == 0 {
            return leaves;
        }
        let message = if way == Direction::ToServer { Message::ToServer } else { Message::ToClient };
        self.deferred.push(Kind::Network(server, Event::Lost { session, message, times }));
        if gives_up {
            self.push(connection, leaves, Queued::GivenUp { connection, way });
            return Timestamp::NEVER;
        }
        if !orphan && leaves.since(self.now) >= Repetitions::of_orphans() {
            let repair = self.slow_repairs.entry((connection, way)).or_insert((self.now, leaves));
            if repair.1 <= self.now {
                *repair = (self.now, leaves);
            }
        }
        leaves
    }

    /// Whether the process that sends this way has closed the connection.
    pub(crate) fn is_closed_by_sender(&self, connection: u32, way: Direction) -> bool {
        let entry = &self.connections[connection];
        match way {
            Direction::ToServer => entry.client == ClientEnd::Closed,
            Direction::ToClient => matches!(entry.server_end, ServerEnd::Closed | ServerEnd::Gone),
        }
    }

    /// A process has closed its end: its kernel alone repeats what waits.
    #[inline]
    pub(crate) fn orphan(&mut self, connection: u32, way: Direction) {
        let now = self.now;
        for point in [StallPoint::End, StallPoint::Balancer] {
            if self.connections[connection].is_stalled(way, point)
                && let Some(stall) = self.stalls.get_mut(&(connection, way, point))
            {
                stall.orphaned = now.min(stall.orphaned);
            }
        }
        if !self.slow_repairs.is_empty() {
            self.orphan_repair(connection, way);
        }
    }

    /// The same where a loss is yet to be repaired: its timers were drawn as those of a connection that is open.
    #[cold]
    fn orphan_repair(&mut self, connection: u32, way: Direction) {
        let Some((left, leaves)) = self.slow_repairs.remove(&(connection, way)) else { return };
        let mut repetitions = self.repetitions(connection, way);
        let mut timer = left + repetitions.timer();
        while timer <= leaves && repetitions.again(self.data_retries, timer > self.now) {
            timer = timer + repetitions.timer();
        }
        if timer <= leaves {
            let entry = &mut self.connections[connection];
            entry.give_up(way);
            *entry.last_mut(way) = Timestamp::NEVER;
            self.push(connection, timer, Queued::GivenUp { connection, way });
        }
    }

    /// Whether what has arrived does not: a partition keeps it, or it must wait behind what stalled before it.
    #[inline]
    pub(crate) fn held_up(&mut self, connection: u32, way: Direction, kept: Segment) -> bool {
        if !self.connections[connection].is_held(way) && !self.is_cut(connection, way) {
            return false;
        }
        self.hold_up(connection, way, kept)
    }

    #[cold]
    fn hold_up(&mut self, connection: u32, way: Direction, kept: Segment) -> bool {
        let entry = &self.connections[connection];
        if entry.is_given_up(way) && kept != Segment::Rst {
            if let Segment::Data(segment) = kept {
                self.segments.release(segment);
            }
            self.release(connection);
            return true;
        }
        let waits = entry.is_stalled(way, StallPoint::End) || self.is_cut(connection, way);
        if waits {
            self.stall(connection, way, StallPoint::End, kept);
        }
        waits
    }

    /// What has arrived gets no answer: its sender's kernel repeats it, and everything behind it. The connection's place
    /// stays taken for it.
    #[cold]
    pub(crate) fn stall(&mut self, connection: u32, way: Direction, point: StallPoint, kept: Segment) {
        if let Some(stall) = self.stalls.get_mut(&(connection, way, point)) {
            stall.kept.push(kept);
            return;
        }
        let orphaned = if self.is_closed_by_sender(connection, way) { self.now } else { Timestamp::NEVER };
        let entry = &mut self.connections[connection];
        entry.set_stalled(way, point, true);
        let (session, server) = (entry.caller.code(), entry.server);
        let repetitions = self.repetitions(connection, way);
        self.stalls.insert((connection, way, point), Stall { kept: vec![kept], repetitions, orphaned });
        let to_server = way == Direction::ToServer;
        self.record(Kind::Network(server, Event::Stalled { session, to_server }));
        self.next_transmission(connection, way, point);
    }

    /// A transmission came to nothing: what happens when the timer runs out that started when it left.
    fn next_transmission(&mut self, connection: u32, way: Direction, point: StallPoint) {
        let Some(Stall { repetitions, orphaned, .. }) = self.stalls.get(&(connection, way, point)) else { return };
        let (timer, orphan) = (repetitions.timer(), *orphaned <= self.now);
        if repetitions.clone().again(self.data_retries, orphan) {
            self.push(connection, self.now + timer, Queued::Retransmitted { connection, way, point });
        } else {
            // It left one-way latency ago, and no other follows it.
            let left = Nanos(timer.0.saturating_sub(self.latency_to(connection, way, point).0));
            self.push(connection, self.now + left, Queued::GivenUp { connection, way });
        }
    }

    /// What waits at a point.
    pub(crate) fn stalled(&self, connection: u32, way: Direction, point: StallPoint) -> Option<&[Segment]> {
        self.stalls.get(&(connection, way, point)).map(|stall| &*stall.kept)
    }

    /// One-way latency as far as where something stalled.
    pub(crate) fn latency_to(&self, connection: u32, way: Direction, point: StallPoint) -> Nanos {
        let before = self.one_way(connection, way);
        if !self.connections[connection].is_relayed() {
            return before;
        }
        let behind = self.one_way_behind(connection, way);
        match (point, way) {
            (StallPoint::End, _) => before + behind,
            (StallPoint::Balancer, Direction::ToServer) => before,
            (StallPoint::Balancer, Direction::ToClient) => behind,
        }
    }

    /// What stalled leaves once more, and would arrive now. What does arrive at its end, in order; [`Tcp::release`] follows
    /// once it is dealt with.
    pub(crate) fn retransmitted(&mut self, connection: u32, way: Direction, point: StallPoint) -> Vec<Segment> {
        let data_for_nobody = {
            let entry = &self.connections[connection];
            let server_gone = matches!(entry.server_end, ServerEnd::None | ServerEnd::Closed | ServerEnd::Gone);
            entry.client == ClientEnd::Closed && server_gone
        };
        let nothing_left = self.stalls.get(&(connection, way, point)).is_none_or(|stall| stall.kept.is_empty());
        if data_for_nobody || nothing_left {
            self.forget_stalled(connection, way);
            return Vec::new();
        }
        let left = self.now - self.latency_to(connection, way, point);
        let retries = self.data_retries;
        let stall =
            self.stalls.get_mut(&(connection, way, point)).expect("what stalled is repeated until it is forgotten");
        if !stall.repetitions.again(retries, stall.orphaned <= left) {
            // It has been closed since the last transmission, and did not leave again.
            self.push(connection, self.now, Queued::GivenUp { connection, way });
        } else if self.is_silent(connection, way, point) {
            self.next_transmission(connection, way, point);
        } else if way == Direction::ToServer && point == StallPoint::End && self.overflows(connection) {
            let Connection { caller, server, .. } = self.connections[connection];
            self.record(Kind::Network(server, Event::AcceptOverflow { session: caller.code() }));
            self.next_transmission(connection, way, point);
        } else if let Some(stall) = self.stalls.remove(&(connection, way, point)) {
            self.connections[connection].set_stalled(way, point, false);
            let forgotten = point == StallPoint::End && self.is_forgotten(connection);
            if point == StallPoint::End && !forgotten {
                return stall.kept;
            }
            for kept in stall.kept {
                if point == StallPoint::Balancer {
                    self.relay(connection, way, kept);
                } else {
                    self.bounce(connection, way, kept);
                    self.release(connection);
                }
            }
        }
        Vec::new()
    }

    /// Whether what arrives there would meet silence.
    pub(crate) fn is_silent(&self, connection: u32, way: Direction, point: StallPoint) -> bool {
        let entry = &self.connections[connection];
        let (server, caller) = (entry.server, entry.caller);
        if entry.is_relayed() {
            let balancer = self.dialled(connection);
            let cut = self.is_cut_at(connection, way, StallPoint::Balancer);
            if cut || self.stands_still(balancer) || self.flow(connection).dropped {
                return true;
            }
            if point == StallPoint::Balancer {
                return false;
            }
        }
        let powered = match way {
            Direction::ToServer => self.hosts[server as usize].kernel.powered(),
            Direction::ToClient => self.peer_powered(caller),
        };
        !powered || self.is_cut(connection, way)
    }

    /// A kernel's retries ran out (Linux: `ETIMEDOUT`): its own process hears of it, the other end does not. True when the
    /// end that opened the connection is to hear of it.
    pub(crate) fn given_up(&mut self, connection: u32, way: Direction) -> bool {
        self.forget_stalled(connection, way);
        self.give_up_gap(connection, way);
        let to_server = way == Direction::ToServer;
        let heard = to_server && self.drop_client(connection);
        let entry = &mut self.connections[connection];
        let (session, server) = (entry.caller.code(), entry.server);
        // Nothing that was sent arrives any more, nor does it say goodbye. Whatever still comes from the other end is answered
        // with RST.
        entry.give_up(way);
        *entry.last_mut(way) = self.now;
        self.record(Kind::Network(server, Event::GivenUp { session, to_server }));
        heard
    }

    /// What waits in one direction is lost for good.
    fn forget_stalled(&mut self, connection: u32, way: Direction) {
        self.forget_kept(connection, way);
        for point in [StallPoint::End, StallPoint::Balancer] {
            self.stalls.remove(&(connection, way, point));
            self.connections[connection].set_stalled(way, point, false);
        }
    }

    /// A host that forgets what it sent; the timer that was to repeat it finds nothing.
    pub(crate) fn forget_kept(&mut self, connection: u32, way: Direction) {
        self.stop_repeating(connection, way);
        for point in [StallPoint::End, StallPoint::Balancer] {
            if !self.connections[connection].is_stalled(way, point) {
                continue;
            }
            let Some(stall) = self.stalls.get_mut(&(connection, way, point)) else { continue };
            for kept in std::mem::take(&mut stall.kept) {
                if let Segment::Data(segment) = kept {
                    self.segments.release(segment);
                }
                self.release(connection);
            }
        }
    }
}
