//! What faults do to servers and their connections.

use super::calls::News;
use super::connection::{ClientEnd, ServerEnd, Who};
use super::queue::Handle;
use super::relay::Leg;
use super::stall::Spot;
use super::{Held, Simulation};
use crate::event::Kind as EventKind;
use crate::fault::{Action, Cut, Event, Kind};
use crate::machine::Input;
use crate::network::{Process, Way};
use crate::server::Server;

impl Simulation {
    pub(super) fn fault_begins(&mut self, fault: u32, window: u32) {
        let action = self.faults[fault as usize].windows[window as usize].action;
        let kind = action.kind();
        for target in 0..self.faults[fault as usize].windows[window as usize].servers.len() {
            let server = self.faults[fault as usize].windows[window as usize].servers[target];
            self.record(EventKind::Fault(fault as u16, Event::Began { server, kind }));
            if kind == Kind::DnsOutage {
                self.dns.name(server).fail(self.now);
                continue;
            }
            let slot = &mut self.servers[server as usize];
            match action {
                Action::Crash | Action::Restart | Action::Stop => self.lose_process(server, true),
                Action::PowerOff => self.lose_process(server, false),
                Action::DnsOutage | Action::Partition => {}
                Action::Lossy { .. } | Action::Latency { .. } | Action::Bandwidth { .. } | Action::Reset { .. } => {}
                Action::Hang | Action::Pause => slot.host.hang(),
                Action::Slow { factor } => slot.machine.slow_down(Some(factor)),
                Action::Backlog { to } => slot.host.set_backlog(to),
                Action::Drain { code, over } => {
                    slot.drained_by = Some(fault as u16);
                    self.ask(server, Held::Drain { code, over });
                }
            }
            if self.external.is_some() {
                self.struck_outside(server, kind, true);
            }
        }
        if kind == Kind::Partition {
            self.partitions.push(fault);
            self.parted_outside(fault, true);
            self.record_cuts(fault, Event::Parted);
        } else if kind.impairs() {
            self.record_cuts(fault, |cut| Event::Impaired(kind, cut));
            if kind == Kind::Reset {
                self.reset_connections(fault, window);
            }
        }
    }

    pub(super) fn fault_heals(&mut self, fault: u32, window: u32) {
        let action = self.faults[fault as usize].windows[window as usize].action;
        let kind = action.kind();
        for target in 0..self.faults[fault as usize].windows[window as usize].servers.len() {
            let server = self.faults[fault as usize].windows[window as usize].servers[target];
            if kind == Kind::DnsOutage {
                self.dns.name(server).heal(self.now);
                self.record(EventKind::Fault(fault as u16, Event::Healed { server, kind }));
                continue;
            }
            let slot = &mut self.servers[server as usize];
            match action {
                Action::Crash | Action::PowerOff | Action::Restart | Action::Stop => {
                    slot.host.start();
                    slot.machine = Server::started(self.now);
                    if self.plans[slot.group].starts() {
                        slot.held.push(Held::Start);
                    }
                }
                Action::Hang | Action::Pause => slot.host.go_on(),
                Action::Slow { .. } => slot.machine.slow_down(None),
                Action::Backlog { .. } => slot.host.set_backlog(self.backlogs[slot.group]),
                Action::Drain { .. } | Action::DnsOutage | Action::Partition => {}
                Action::Lossy { .. } | Action::Latency { .. } | Action::Bandwidth { .. } | Action::Reset { .. } => {}
            }
            self.record(EventKind::Fault(fault as u16, Event::Healed { server, kind }));
            if self.external.is_some() {
                self.struck_outside(server, kind, false);
            }
            if kind == Kind::Drain {
                self.ask(server, Held::Resume);
            }
            self.go_on(server);
        }
        if kind == Kind::Partition {
            self.partitions.retain(|active| *active != fault);
            self.parted_outside(fault, false);
            self.record_cuts(fault, Event::Joined);
        } else if kind.impairs() {
            self.record_cuts(fault, |cut| Event::Cleared(kind, cut));
        }
    }

    /// Something between places ends connections that are up: both ends have the RST at once, the clients first.
    #[cold]
    fn reset_connections(&mut self, fault: u32, window: u32) {
        // Whoever dials anew is none of those that were up.
        let mut struck: Vec<u32> = (0..self.connections.len() as u32)
            .filter(|connection| self.is_up(*connection) && self.is_reset(fault, window, *connection))
            .collect();
        // In an order that hangs on nothing but who they are.
        struck.sort_by_key(|connection| {
            let entry = &self.connections[*connection];
            (entry.caller.code(), entry.client_number)
        });
        for &connection in &struck {
            // It keeps its place until all are told.
            self.connections[connection].in_flight += 1;
        }
        for connection in struck {
            // What became of another may have ended it.
            if !self.is_up(connection) {
                self.landed(connection);
                continue;
            }
            for session in self.sessions_over(connection) {
                self.record(EventKind::Fault(fault as u16, Event::Reset { session }));
            }
            self.connections[connection].in_flight += 1;
            self.reset_at_client(connection);
            self.reset_at_server(connection);
            self.landed(connection);
        }
    }

    fn is_up(&self, connection: u32) -> bool {
        let entry = &self.connections[connection];
        let alive = matches!(entry.server_end, ServerEnd::HalfOpen | ServerEnd::Queued | ServerEnd::Accepted);
        entry.client == ClientEnd::Open && alive && !entry.is_stream()
    }

    fn is_reset(&self, fault: u32, window: u32, connection: u32) -> bool {
        let identity = self.identity_of(connection);
        let over = |leg: Leg| {
            let (_, side, server) = self.stretch(connection, leg);
            self.faults[fault as usize].resets(self.seed, window, side, server, identity)
        };
        over(Leg::Before) || self.connections[connection].is_relayed() && over(Leg::Behind)
    }

    /// The sessions that a connection is the path of.
    fn sessions_over(&self, connection: u32) -> Vec<u32> {
        match self.connections[connection].caller.who() {
            Who::Session(session) => vec![session],
            Who::Server(_) => Vec::new(),
            Who::Host(_) => {
                let streams = self.streams.over(connection);
                let session = |stream: u32| match self.connections[stream].caller.who() {
                    Who::Session(session) => Some(session),
                    _ => None,
                };
                streams.filter_map(session).collect()
            }
        }
    }

    fn record_cuts(&mut self, fault: u32, event: impl Fn(Cut) -> Event) {
        for number in 0..self.faults[fault as usize].cuts.len() {
            let cut = self.faults[fault as usize].cuts[number];
            self.record(EventKind::Fault(fault as u16, event(cut)));
        }
    }

    /// Whether a partition keeps what goes over a connection from arriving.
    #[inline]
    pub(super) fn is_cut(&self, connection: u32, way: Way) -> bool {
        self.is_cut_at(connection, way, Spot::End)
    }

    /// The same of what has only the way to a spot to go.
    #[inline]
    pub(super) fn is_cut_at(&self, connection: u32, way: Way, spot: Spot) -> bool {
        !self.partitions.is_empty() && self.is_parted(connection, way, spot)
    }

    #[cold]
    fn is_parted(&self, connection: u32, way: Way, spot: Spot) -> bool {
        if self.external.is_some() && self.is_of_external_caller(connection) {
            return false;
        }
        let (_, side, server) = self.stretch(connection, self.leg_to(connection, way, spot));
        self.partitions.iter().any(|fault| {
            let cut = self.faults[*fault as usize].between(side, server);
            cut.is_some_and(|cut| cut.affects(way == Way::ToServer))
        })
    }

    /// The process is gone. Its kernel, if that lives, ends idle connections with FIN, and those with bytes that nobody
    /// read or accepted with RST. (Linux: `tcp_close` sends RST when the receive queue is not empty, and
    /// `inet_csk_listen_stop` resets what is in the accept queue.)
    pub(super) fn lose_process(&mut self, server: u32, kernel_lives: bool) {
        if self.external.is_some() && self.is_external(server) {
            return self.lose_external(server, kernel_lives);
        }
        let slot = &mut self.servers[server as usize];
        if kernel_lives {
            slot.host.crash();
        } else {
            slot.host.power_off();
        }
        if self.relays {
            self.forget_flows(server);
        }
        let slot = &mut self.servers[server as usize];
        slot.machine = Server::default();
        slot.pauses.iter_mut().for_each(|pauses| pauses.process_ended());
        self.tls.lose_keys(server);
        slot.free.clear();
        slot.accepted.clear();
        if slot.wake != Handle::NONE {
            self.queue.cancel(slot.wake);
            slot.wake = Handle::NONE;
        }
        let held = std::mem::take(&mut slot.held);
        let mut unread: Vec<u32> = Vec::new();
        for item in &held {
            if let Held::Segment { connection, segment } | Held::News { connection, news: News::Received { segment } } =
                *item
            {
                unread.push(connection);
                self.segments.release(segment);
            }
        }
        unread.sort_unstable();
        for connection in 0..self.connections.len() as u32 {
            if !self.is_alive_at(connection, server) {
                continue;
            }
            let entry = &mut self.connections[connection];
            let accepted = entry.server_end == ServerEnd::Accepted;
            entry.server_end = ServerEnd::Gone;
            if entry.is_stream() {
                // Its client hears of it by what carries it.
                self.settle(connection);
                continue;
            }
            let heard = entry.client != ClientEnd::Closed;
            if !kernel_lives {
                self.forget_kept(connection, Way::ToClient);
            }
            if kernel_lives && heard {
                let reset = !accepted || unread.binary_search(&connection).is_ok();
                self.cut(connection, reset);
            }
        }
        self.lose_calls(server, kernel_lives, &unread);
        for item in held {
            match item {
                Held::Segment { connection, .. } | Held::Fin { connection } | Held::News { connection, .. } => {
                    self.landed(connection);
                }
                Held::Wake | Held::Drain { .. } | Held::Resume | Held::Start => {}
            }
        }
    }

    /// Asks something of a process, which does it once it runs.
    pub(super) fn ask(&mut self, server: u32, what: Held) {
        self.servers[server as usize].held.push(what);
        self.go_on(server);
    }

    /// A process that runs goes on with what has arrived while it was hung.
    pub(super) fn go_on(&mut self, server: u32) {
        if self.servers[server as usize].host.process() != Process::Running {
            return;
        }
        for item in std::mem::take(&mut self.servers[server as usize].held) {
            match item {
                Held::Wake => self.server_input(server, Input::Wake),
                Held::Start => self.server_input(server, Input::Start),
                Held::Drain { code, over } => {
                    self.servers[server as usize].host.listen(false);
                    self.with_server(server, |machine, cx, now, out| machine.drain(cx, now, code, over, out));
                }
                Held::Resume => {
                    self.servers[server as usize].host.listen(true);
                    self.with_server(server, |machine, cx, _, out| machine.resume(cx, out));
                }
                Held::News { connection, news } => self.tell_late(connection, news),
                Held::Segment { connection, segment } => {
                    let end = self.connections[connection].server_end;
                    if end == ServerEnd::Queued || end == ServerEnd::Accepted {
                        self.receive_at_server(connection, segment);
                    } else {
                        self.segments.release(segment);
                    }
                    self.landed(connection);
                }
                Held::Fin { connection } => {
                    if self.is_alive_at(connection, server) {
                        self.end_at_server(connection, Input::Eof);
                    }
                    self.landed(connection);
                }
            }
        }
    }
}
