//! Keepalive: a kernel's probes of connections over which nothing comes (Linux: `tcp_keepalive_timer`).
//!
//! Probes that are answered are not simulated one by one: nothing changes before the next fault begins or heals, so the next
//! probe that matters is the first after that. Only what meets silence, or a host that knows nothing of the connection, has a
//! consequence. Chance loses no probes here: a kernel sends several, and one answer is enough.

use super::Tcp;
use super::connection::{ClientEnd, Peer, ServerEnd};
use super::keepalives::End;
use super::queued::Queued;
use super::segment::StallPoint;
use crate::event::Kind;
use crate::network::{Direction, Event, GivingUp, Keepalive, Repetitions};
use crate::time::{Nanos, Timestamp};

/// What becomes of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    None,
    Ack,
    /// The other host, or a balancer on the way, knows no such connection: this comes after so long.
    Rst(Nanos),
}

fn key(connection: u32, sends: Direction) -> u32 {
    connection << 1 | sends as u32
}

impl Tcp {
    /// When the kernel of the end that sends this way gives the connection up.
    fn giving_up(&self, connection: u32, sends: Direction) -> GivingUp {
        let Some(all) = &self.keepalives else { return GivingUp::default() };
        let entry = &self.connections[connection];
        let of_server = |server: u32| all.servers.get(server as usize).copied().unwrap_or_default();
        let of_group = |group: u16| all.clients.get(usize::from(group)).copied().unwrap_or_default();
        match (sends, entry.caller.who()) {
            (Direction::ToClient, _) => of_server(entry.server),
            (Direction::ToServer, Peer::Session(session)) => of_group(self.peers.session(session).0),
            (Direction::ToServer, Peer::Host(host)) => of_group(self.peers.carrier_host(host).0),
            (Direction::ToServer, Peer::Server(server)) => of_server(server),
        }
    }

    /// The repetitions of what is sent this way.
    pub(super) fn repetitions(&self, connection: u32, sends: Direction) -> Repetitions {
        let timer = self.connections[connection].rto();
        match self.keepalives {
            Some(_) => Repetitions::within(timer, self.giving_up(connection, sends).user_timeout),
            None => Repetitions::new(timer),
        }
    }

    /// One end of a connection is up.
    pub(crate) fn end_is_up(&mut self, connection: u32, sends: Direction) {
        let Some(keepalive) = self.giving_up(connection, sends).keepalive else { return };
        let now = self.now;
        if self.connections[connection].is_stream() {
            return;
        }
        let Some(all) = &mut self.keepalives else { return };
        if all.ends.len() <= connection as usize {
            all.ends.resize(connection as usize + 1, [End::at(now); 2]);
        }
        all.ends[connection as usize][sends as usize] = End::at(now);
        all.alarms.set(key(connection, sends), now + keepalive.idle);
        self.wake_keepalives();
    }

    /// Something has arrived at the end of this way: its receiver has heard it now, and its sender hears of it one way later.
    #[cold]
    pub(super) fn both_hear(&mut self, connection: u32, way: Direction) {
        let now = self.now;
        let there = self.latency_to(connection, way.back(), StallPoint::End);
        let round_trip = self.round_trip(connection, way);
        for (sends, heard) in [(way.back(), now), (way, now + there)] {
            let Some(keepalive) = self.giving_up(connection, sends).keepalive else { continue };
            let last = self.heard_last(connection, heard, keepalive.idle + round_trip);
            let Some(all) = &mut self.keepalives else { return };
            let Some(end) = all.end(connection, sends) else { continue };
            // Where the answers to come are known, they follow this from now on.
            let known = end.heard > heard;
            *end = End::at(if known { last } else { heard });
            if known {
                all.alarms.set_earlier(key(connection, sends), last + keepalive.idle);
            }
        }
        self.wake_keepalives();
    }

    /// A connection is over at both ends.
    pub(super) fn forget_keepalive(&mut self, connection: u32) {
        if let Some(all) = &mut self.keepalives {
            all.alarms.set(key(connection, Direction::ToServer), Timestamp::NEVER);
            all.alarms.set(key(connection, Direction::ToClient), Timestamp::NEVER);
        }
    }

    fn wake_keepalives(&mut self) {
        let Some(all) = &mut self.keepalives else { return };
        let Some((at, _)) = all.alarms.first() else { return };
        match all.wake {
            Some((planned, _)) if planned <= at => return,
            Some((_, handle)) => self.queue.cancel(handle),
            None => {}
        }
        all.wake = Some((at, self.queue.push(at.max(self.now), Queued::Clocks)));
    }

    /// Sends the probes that are due, and gives up what has not answered.
    #[cold]
    pub(crate) fn ring_keepalives(&mut self) {
        let now = self.now;
        let Some(all) = &mut self.keepalives else { return };
        if all.wake.is_some_and(|(planned, _)| planned > now) {
            return;
        }
        all.wake = None;
        while let Some(all) = &mut self.keepalives
            && let Some(key) = all.alarms.take(now)
        {
            let sends = if key & 1 == 0 { Direction::ToServer } else { Direction::ToClient };
            self.keepalive_is_due(key >> 1, sends);
        }
        self.wake_keepalives();
    }

    fn keepalive_is_due(&mut self, connection: u32, sends: Direction) {
        let now = self.now;
        let entry = &self.connections[connection];
        let alive = match sends {
            Direction::ToServer => entry.client == ClientEnd::Open,
            Direction::ToClient => matches!(entry.server_end, ServerEnd::Queued | ServerEnd::Accepted),
        };
        let waits = [StallPoint::End, StallPoint::Balancer].iter().any(|point| entry.is_stalled(sends, *point));
        let GivingUp { keepalive, user_timeout } = self.giving_up(connection, sends);
        let (Some(keepalive), true) = (keepalive, alive) else { return };
        let Some(end) = self.keepalives.as_mut().and_then(|all| all.end(connection, sends)).copied() else { return };
        let End { heard, probes, left } = end;
        let next = if left != Timestamp::NEVER {
            self.probed(connection, sends, keepalive, End { left, ..end })
        } else if waits {
            // What waits for its acknowledgement is repeated, and is as good as a probe.
            Some(now + keepalive.idle)
        } else if probes == 0 && heard + keepalive.idle > now {
            Some(heard + keepalive.idle)
        } else {
            let exceeded = match user_timeout {
                Some(timeout) => now.since(heard) >= timeout,
                None => probes >= keepalive.probes,
            };
            if probes > 0 && exceeded {
                return self.keepalive_failed(connection, sends);
            }
            let answered = now + self.round_trip(connection, sends);
            if answered >= self.quiet_until {
                // What becomes of it is known when the answer would be there.
                self.set_end(connection, sends, End { left: now, ..end });
                Some(answered)
            } else {
                self.probed(connection, sends, keepalive, End { left: now, ..end })
            }
        };
        if let (Some(next), Some(all)) = (next, &mut self.keepalives) {
            all.alarms.set(key(connection, sends), next);
        }
    }

    /// What becomes of a probe, as it is known now; when the next clock is due.
    fn probed(&mut self, connection: u32, sends: Direction, keepalive: Keepalive, end: End) -> Option<Timestamp> {
        let round_trip = self.round_trip(connection, sends);
        match self.probe(connection, sends) {
            Answer::None => {
                self.set_end(connection, sends, End { probes: end.probes + 1, left: Timestamp::NEVER, ..end });
                Some((end.left + keepalive.every).max(self.now))
            }
            Answer::Ack => {
                let heard = self.heard_last(connection, end.left + round_trip, keepalive.idle + round_trip);
                self.set_end(connection, sends, End::at(heard));
                Some(heard + keepalive.idle)
            }
            Answer::Rst(after) => {
                let item = match sends {
                    Direction::ToServer => Queued::RstToClient { connection },
                    Direction::ToClient => Queued::RstToServer { connection },
                };
                self.connections[connection].in_flight += 1;
                self.queue.push((end.left + after).max(self.now), item);
                None
            }
        }
    }

    /// From a probe to its answer.
    fn round_trip(&self, connection: u32, sends: Direction) -> Nanos {
        let there = self.latency_to(connection, sends, StallPoint::End);
        Nanos(there.0 + self.latency_to(connection, sends.back(), StallPoint::End).0)
    }

    fn set_end(&mut self, connection: u32, sends: Direction, end: End) {
        if let Some(place) = self.keepalives.as_mut().and_then(|all| all.end(connection, sends)) {
            *place = end;
        }
    }

    /// When the last of the probes is answered of which it is known that they are: until the next fault changes something,
    /// each follows the one before by the same time. Where balancers forget flows, each may be the one that keeps it.
    fn heard_last(&self, connection: u32, first: Timestamp, period: Nanos) -> Timestamp {
        if self.idle_flows.is_some() && self.connections[connection].is_relayed() {
            return first;
        }
        // At the same moment, a fault strikes first.
        let quiet = self.quiet_until.since(first).0.saturating_sub(1);
        first + Nanos(quiet / period.0.max(1) * period.0)
    }

    /// What a probe meets.
    fn probe(&mut self, connection: u32, sends: Direction) -> Answer {
        let back = sends.back();
        if self.connections[connection].is_relayed() {
            let returns = self.is_cut_at(connection, back, StallPoint::End);
            if self.is_silent(connection, sends, StallPoint::Balancer) || returns {
                return Answer::None;
            }
            self.hear_flow(connection);
            if self.is_forgotten(connection) {
                return Answer::Rst(Nanos(self.latency_to(connection, sends, StallPoint::Balancer).0 * 2));
            }
        }
        if self.is_silent(connection, sends, StallPoint::End)
            || self.is_cut(connection, back)
            || self.is_relayed_and_cut(connection, back)
        {
            return Answer::None;
        }
        let entry = &self.connections[connection];
        let known = match sends {
            Direction::ToServer => entry.is_alive_at_server(),
            Direction::ToClient => entry.client == ClientEnd::Open,
        };
        if known { Answer::Ack } else { Answer::Rst(self.round_trip(connection, sends)) }
    }

    fn is_relayed_and_cut(&self, connection: u32, way: Direction) -> bool {
        self.connections[connection].is_relayed() && self.is_cut_at(connection, way, StallPoint::Balancer)
    }

    fn keepalive_failed(&mut self, connection: u32, sends: Direction) {
        let entry = &self.connections[connection];
        let (session, server, by_client) = (entry.caller.code(), entry.server, sends == Direction::ToServer);
        self.record(Kind::Network(server, Event::KeepaliveFailed { session, by_client }));
        self.connections[connection].in_flight += 1;
        self.queue.push(self.now, Queued::GivenUp { connection, way: sends });
    }
}
