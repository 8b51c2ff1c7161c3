//! Lines in virtual time, both ends of which are the run's own.
//!
//! Time stands still while the loop works, so the moment at which something arrives is known when it leaves, and the
//! kernels' part - who answers a SYN, what becomes of data for a dead end - is played by the same [`network::Host`] as in
//! the simulator. The network underneath carries connects, bytes and ends; what it brings waits for its moment. What it
//! brings too late, as a way was shorter than the network is quick, comes at once, and is counted.

use std::net::IpAddr;

use super::bandwidth::Cargo;
use super::engine::{Due, Engine};
use super::lines::{LineId, Parcel, ServerEnd};
use super::net::Net;
use super::wire::News;
use shakedown_core::event::Kind;
use shakedown_core::machine::{CloseMode, ConnectError, ConnectionId, Input};
use shakedown_core::network::{Event, Process, SynAnswer, Way};
use shakedown_core::time::Timestamp;

/// What is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    /// The answer to a SYN: SYN-ACK, RST, or the silence after the last repetition.
    Connected,
    Refused,
    TimedOut,
    /// So many bytes.
    Bytes(usize),
    Fin,
    Rst,
}

/// What a hung process will find when it goes on.
#[derive(Debug)]
pub(super) enum Held {
    Bytes(LineId, Vec<u8>),
    Fin(LineId),
    /// Of a connection that it opened.
    Told(LineId, ConnectionId, Parcel),
    Wake,
}

impl<N: Net> Engine<N> {
    /// Whether a line to this server is exact.
    pub(super) fn is_exact(&self, server: u32) -> bool {
        N::VIRTUAL && !self.foreign.contains(&server)
    }

    /// Sends what a machine says over a line.
    pub(super) fn transmit(&mut self, id: LineId, way: Way, bytes: &[u8]) {
        if !self.encrypt(id, way, bytes) {
            self.transmit_plain(id, way, bytes);
        }
    }

    /// Sends bytes over a line.
    pub(super) fn transmit_plain(&mut self, id: LineId, way: Way, bytes: &[u8]) {
        let Some(line) = self.lines.get(&id) else { return };
        if line.of_program {
            return self.transmit_to_program(id, bytes);
        }
        let exact = line.exact;
        let wire = match way {
            Way::ToServer => &line.to_client.wire,
            Way::ToClient => &line.to_server.wire,
        };
        if let Some(wire) = wire {
            wire.send(bytes);
            if exact {
                self.leave(id, way, Sent::Bytes(bytes.len()));
            }
        }
    }

    /// Something leaves now.
    fn leave(&mut self, id: LineId, way: Way, what: Sent) {
        if self.bottlenecks.is_some() {
            self.stirred = true;
            let payload = if let Sent::Bytes(len) = what { len } else { 0 };
            return self.queue_up(id, way, Cargo::Sent(what), payload);
        }
        let at = self.arrival_of(id, way);
        self.leave_for(id, way, at, what);
    }

    pub(super) fn leave_for(&mut self, id: LineId, way: Way, at: Timestamp, what: Sent) {
        self.stirred = true;
        let Some(line) = self.lines.get_mut(&id) else { return };
        line.lane(way).sent.push_back((at, what));
        self.push(at, Due::Arrival { line: id, way });
    }

    /// The caller closes its end: its kernel says so, if it was up and the other end is not gone.
    pub(super) fn say_closed(&mut self, id: LineId, how: CloseMode) {
        let Some(line) = self.lines.get(&id).filter(|line| line.exact && line.client_up && !line.client_closed) else {
            return;
        };
        if line.server_end != ServerEnd::Closed {
            self.leave(id, Way::ToServer, if how == CloseMode::Reset { Sent::Rst } else { Sent::Fin });
        }
    }

    /// The server closes its end.
    pub(super) fn say_closed_by_server(&mut self, id: LineId, how: CloseMode) {
        if self.lines.get(&id).is_some_and(|line| line.exact && !line.client_closed) {
            self.leave(id, Way::ToClient, if how == CloseMode::Reset { Sent::Rst } else { Sent::Fin });
        }
    }

    /// A SYN is at its host.
    pub(super) fn syn_exact(&mut self, id: LineId) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        let (server, session) = (line.server, line.code());
        if line.client_closed {
            if line.server_end == ServerEnd::HalfOpen {
                line.server_end = ServerEnd::Closed;
            }
            return self.settle(id);
        }
        if self.is_cut(id, Way::ToServer) {
            self.record(Kind::Network(server, Event::SynDropped { session, backlog_full: false }));
            return self.repeat_syn(id);
        }
        match self.servers[server as usize].host.syn() {
            SynAnswer::Accepted => {
                let Some(line) = self.lines.get_mut(&id) else { return };
                line.server_end = ServerEnd::HalfOpen;
                if !std::mem::replace(&mut line.asked, true) {
                    self.connect(id);
                }
                self.leave(id, Way::ToClient, Sent::Connected);
            }
            answer @ (SynAnswer::Refused | SynAnswer::Overflowed) => {
                let backlog_full = answer == SynAnswer::Overflowed;
                self.record(Kind::Network(server, Event::SynRefused { session, backlog_full }));
                self.leave(id, Way::ToClient, Sent::Refused);
            }
            answer @ (SynAnswer::BacklogFull | SynAnswer::Unanswered) => {
                let backlog_full = answer == SynAnswer::BacklogFull;
                self.record(Kind::Network(server, Event::SynDropped { session, backlog_full }));
                self.repeat_syn(id);
            }
        }
    }

    /// The network underneath has brought something.
    pub(super) fn read_exact(&mut self, id: LineId, way: Way, news: News<'_>) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        let lane = line.lane(way);
        match news {
            News::Received(bytes) => lane.inbox.extend(bytes),
            News::Eof | News::Reset => lane.ended = true,
        }
        self.landed(id, way);
    }

    /// Whatever is due at the end of a line, and has been brought there, is taken in.
    pub(super) fn landed(&mut self, id: LineId, way: Way) {
        loop {
            let (now, cut) = (self.now, self.is_cut(id, way));
            let Some(line) = self.lines.get_mut(&id) else { return };
            let (carried, listens) = match way {
                Way::ToServer => (line.carried, line.server_end != ServerEnd::Closed),
                Way::ToClient => (line.carried, !line.client_closed),
            };
            let lane = line.lane(way);
            let Some((at, what)) = lane.sent.front().copied().filter(|(at, _)| *at <= now && lane.stalled.is_none())
            else {
                return;
            };
            let is_here = match what {
                Sent::Connected => carried,
                Sent::Bytes(len) => lane.inbox.len() >= len,
                Sent::Fin | Sent::Rst => lane.ended,
                Sent::Refused | Sent::TimedOut => true,
            };
            // Who does not listen any more need not wait for it.
            if listens && !is_here {
                return;
            }
            if listens && at < now {
                self.late = self.late.max(now.since(at));
            }
            let is_answer = matches!(what, Sent::Connected | Sent::Refused | Sent::TimedOut);
            if (cut && !is_answer) || (matches!(what, Sent::Bytes(_)) && !listens && self.is_dark(id, way)) {
                return self.stall(id, way);
            }
            let Some(line) = self.lines.get_mut(&id) else { return };
            let lane = line.lane(way);
            lane.sent.pop_front();
            let bytes: Vec<u8> = match what {
                Sent::Bytes(len) => lane.inbox.drain(..len.min(lane.inbox.len())).collect(),
                _ => Vec::new(),
            };
            match way {
                Way::ToServer => self.lands_at_server(id, what, bytes),
                Way::ToClient => self.lands_at_client(id, what, bytes, cut),
            }
            self.settle(id);
        }
    }

    pub(super) fn lands_at_server(&mut self, id: LineId, what: Sent, bytes: Vec<u8>) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        let (server, end) = (line.server, line.server_end);
        let slot = &mut self.servers[server as usize];
        let hung = slot.host.process() == Process::Hung;
        match (what, end) {
            (Sent::Bytes(_), ServerEnd::Closed | ServerEnd::None) => {
                if !line.client_closed {
                    self.leave(id, Way::ToClient, Sent::Rst);
                }
            }
            (_, ServerEnd::Closed | ServerEnd::None) => {}
            (Sent::Bytes(_), _) if hung => {
                if end == ServerEnd::HalfOpen {
                    slot.host.enqueue();
                    line.server_end = ServerEnd::Queued;
                }
                line.held += 1;
                slot.held.push(Held::Bytes(id, bytes));
            }
            (Sent::Bytes(_), _) => self.receive(id, &bytes),
            (Sent::Rst, ServerEnd::HalfOpen | ServerEnd::Queued) => self.ends_at_server(id, Input::Reset),
            (_, _) if hung => {
                line.held += 1;
                slot.held.push(Held::Fin(id));
            }
            (Sent::Rst, _) => self.ends_at_server(id, Input::Reset),
            (_, _) => self.ends_at_server(id, Input::Eof),
        }
    }

    /// A process that runs reads, after accepting the connection if it has not yet.
    fn receive(&mut self, id: LineId, bytes: &[u8]) {
        let Some(line) = self.lines.get(&id) else { return };
        let server = line.server;
        if !matches!(line.server_end, ServerEnd::Accepted(_)) {
            self.accept(id);
        }
        if let Some(ServerEnd::Accepted(number)) = self.lines.get(&id).map(|line| line.server_end) {
            self.server_input(server, Input::Received(ConnectionId(number), bytes));
        }
    }

    /// The process learns that its client's end is closed. A connection that it never accepted just vanishes.
    fn ends_at_server(&mut self, id: LineId, input: fn(ConnectionId) -> Input<'static>) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        let server = line.server;
        match line.server_end {
            ServerEnd::Accepted(number) => self.server_input(server, input(ConnectionId(number))),
            end => {
                line.close_server(None);
                if end == ServerEnd::Queued {
                    self.servers[server as usize].host.dequeue();
                }
            }
        }
    }

    pub(super) fn lands_at_client(&mut self, id: LineId, what: Sent, bytes: Vec<u8>, cut: bool) {
        let Some(caller) = self.lines.get(&id).and_then(|line| line.caller) else { return };
        let powered = self.is_powered(caller.0);
        let (now, Some(line)) = (self.now, self.lines.get_mut(&id)) else { return };
        let open = !line.client_closed;
        match what {
            Sent::Connected | Sent::Refused if open && cut => self.repeat_syn(id),
            Sent::Connected if open => {
                line.client_up = true;
                line.round_trip = (line.syns == 0).then(|| now.since(line.opened));
                self.tell_caller(id, caller, Parcel::Connected);
            }
            // Where nobody answers the SYN-ACK, the server's kernel forgets the connect.
            Sent::Connected if !powered => line.close_server(None),
            Sent::Connected => self.leave(id, Way::ToServer, Sent::Rst),
            Sent::Refused | Sent::TimedOut => {
                if line.server_end == ServerEnd::HalfOpen {
                    line.close_server(None);
                }
                if open {
                    self.forget_client(id);
                    let refused = what == Sent::Refused;
                    let why = if refused { ConnectError::Refused } else { ConnectError::TimedOut };
                    self.tell_caller(id, caller, Parcel::Failed(why));
                }
            }
            Sent::Bytes(_) if open => self.tell_caller(id, caller, Parcel::Bytes(bytes)),
            Sent::Bytes(_) if matches!(line.server_end, ServerEnd::Accepted(_)) => {
                self.leave(id, Way::ToServer, Sent::Rst);
            }
            Sent::Fin if open => self.tell_caller(id, caller, Parcel::Eof),
            Sent::Rst if open => {
                self.forget_client(id);
                self.tell_caller(id, caller, Parcel::Reset);
            }
            Sent::Bytes(_) | Sent::Fin | Sent::Rst => {}
        }
    }

    /// A process is gone, or its whole host: what becomes of its connections, as in the simulator.
    pub(super) fn lose_lines(&mut self, server: u32, kernel_lives: bool) {
        let held = std::mem::take(&mut self.servers[server as usize].held);
        let mut unread = Vec::new();
        for item in &held {
            if let Held::Bytes(id, _) | Held::Told(id, _, Parcel::Bytes(_)) = item {
                unread.push(*id);
            }
        }
        unread.sort_unstable();
        let of_server = |(id, line): (&LineId, &super::lines::Line)| {
            let ended = matches!(line.server_end, ServerEnd::Closed | ServerEnd::None);
            (line.exact && line.server == server && !ended).then_some(*id)
        };
        let lines: Vec<LineId> = self.lines.iter().filter_map(of_server).collect();
        for id in lines {
            if !kernel_lives {
                self.stop_repeating(id, Way::ToClient);
            }
            let Some(line) = self.lines.get_mut(&id) else { continue };
            let accepted = matches!(line.server_end, ServerEnd::Accepted(_));
            line.close_server(None);
            if !kernel_lives && line.to_client.stalled.is_some() {
                // Nobody sends it again.
                let now = self.now;
                line.to_client.sent.retain(|(at, _)| *at > now);
            }
            if kernel_lives && !line.client_closed {
                let reset = !accepted || unread.binary_search(&id).is_ok();
                self.leave(id, Way::ToClient, if reset { Sent::Rst } else { Sent::Fin });
            }
            self.settle(id);
        }
        self.lose_calls_exact(server, kernel_lives, &unread);
        for item in held {
            if let Held::Bytes(id, _) | Held::Fin(id) | Held::Told(id, ..) = item {
                self.unhold(id);
            }
        }
    }

    pub(super) fn unhold(&mut self, id: LineId) {
        if let Some(line) = self.lines.get_mut(&id) {
            line.held -= 1;
        }
        self.settle(id);
    }

    /// A process that runs goes on with what has arrived while it was hung.
    pub(super) fn go_on(&mut self, server: u32) {
        for item in std::mem::take(&mut self.servers[server as usize].held) {
            match item {
                Held::Wake => self.server_input(server, Input::Wake),
                Held::Told(id, c, news) => self.tell_late(server, id, c, news),
                Held::Bytes(id, bytes) => {
                    let end = self.lines.get(&id).map(|line| line.server_end);
                    if let Some(ServerEnd::Queued | ServerEnd::Accepted(_)) = end {
                        self.receive(id, &bytes);
                    }
                    self.unhold(id);
                }
                Held::Fin(id) => {
                    let end = self.lines.get(&id).map(|line| line.server_end);
                    if end.is_some_and(|end| end != ServerEnd::Closed && end != ServerEnd::None) {
                        self.ends_at_server(id, Input::Eof);
                    }
                    self.unhold(id);
                }
            }
        }
    }

    /// Whether what comes this way meets a host without power.
    pub(super) fn is_dark(&self, id: LineId, way: Way) -> bool {
        let Some(line) = self.lines.get(&id).filter(|line| line.exact) else { return false };
        match (way, line.caller) {
            (Way::ToServer, _) => !line.client_closed && !self.servers[line.server as usize].host.powered(),
            (Way::ToClient, Some((caller, _))) => {
                matches!(line.server_end, ServerEnd::Accepted(_)) && !self.is_powered(caller)
            }
            (Way::ToClient, None) => false,
        }
    }

    /// The line of a connect that a server's host sees: those from one host come in the order in which they left.
    pub(super) fn next_carried(&mut self, server: u32, from: IpAddr) -> Option<LineId> {
        self.carried.get_mut(&(server, from))?.pop_front()
    }

    /// Forgets a line that nobody will hear of again.
    pub(super) fn settle_exact(&mut self, id: LineId) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        let server_done = matches!(line.server_end, ServerEnd::Closed | ServerEnd::None);
        let nothing_moves =
            line.to_server.sent.is_empty() && line.to_client.sent.is_empty() && line.held + line.queued == 0;
        if line.client_closed && server_done && nothing_moves {
            for wire in [&line.to_client.wire, &line.to_server.wire].into_iter().flatten() {
                wire.close(CloseMode::Fin);
            }
            self.lines.remove(&id);
            self.forget_gaps(id);
        }
    }
}
