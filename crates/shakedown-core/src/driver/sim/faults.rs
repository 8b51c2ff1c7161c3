//! What faults do to servers and their connections.

use super::calls::News;
use super::tcp::connection::{ClientEnd, Peer, ServerEnd};
use super::tcp::queue::Handle;
use super::tcp::segment::Leg;
use super::{PendingInput, Simulation};
use crate::event::Kind as EventKind;
use crate::fault::{Action, Cut, Event, Kind};
use crate::machine::Input;
use crate::network::Process;
use crate::server::Server;

impl Simulation {
    pub(super) fn fault_begins(&mut self, fault: u32, window: u32) {
        let action = self.net.tcp.faults[fault as usize].windows[window as usize].action;
        let kind = action.kind();
        for target in 0..self.net.tcp.faults[fault as usize].windows[window as usize].servers.len() {
            let server = self.net.tcp.faults[fault as usize].windows[window as usize].servers[target];
            self.net.tcp.record(EventKind::Fault(fault as u16, Event::Began { server, kind }));
            if kind == Kind::DnsOutage {
                self.net.dns.name(server).fail(self.net.tcp.now);
                continue;
            }
            let slot = &mut self.servers[server as usize];
            match action {
                Action::Crash | Action::Restart | Action::Stop => self.lose_process(server, true),
                Action::PowerOff => self.lose_process(server, false),
                Action::DnsOutage | Action::Partition => {}
                Action::Lossy { .. } | Action::Latency { .. } | Action::Bandwidth { .. } | Action::Reset { .. } => {}
                Action::Hang | Action::Pause => self.net.tcp.hosts[server as usize].kernel.hang(),
                Action::Slow { factor } => slot.machine.slow_down(Some(factor)),
                Action::Backlog { to } => self.net.tcp.hosts[server as usize].kernel.set_backlog(to),
                Action::Drain { code, over } => {
                    slot.drained_by = Some(fault as u16);
                    self.ask(server, PendingInput::Drain { code, over });
                }
            }
            if self.net.external.is_some() {
                self.struck_outside(server, kind, true);
            }
        }
        if kind == Kind::Partition {
            self.net.tcp.partitions.push(fault);
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
        let action = self.net.tcp.faults[fault as usize].windows[window as usize].action;
        let kind = action.kind();
        for target in 0..self.net.tcp.faults[fault as usize].windows[window as usize].servers.len() {
            let server = self.net.tcp.faults[fault as usize].windows[window as usize].servers[target];
            if kind == Kind::DnsOutage {
                self.net.dns.name(server).heal(self.net.tcp.now);
                self.net.tcp.record(EventKind::Fault(fault as u16, Event::Healed { server, kind }));
                continue;
            }
            let slot = &mut self.servers[server as usize];
            match action {
                Action::Crash | Action::PowerOff | Action::Restart | Action::Stop => {
                    self.net.tcp.hosts[server as usize].kernel.start();
                    slot.machine = Server::started(self.net.tcp.now);
                    if self.plans[slot.group].starts() {
                        slot.pending.push(PendingInput::Start);
                    }
                }
                Action::Hang | Action::Pause => self.net.tcp.hosts[server as usize].kernel.go_on(),
                Action::Slow { .. } => slot.machine.slow_down(None),
                Action::Backlog { .. } => {
                    self.net.tcp.hosts[server as usize].kernel.set_backlog(self.backlogs[slot.group])
                }
                Action::Drain { .. } | Action::DnsOutage | Action::Partition => {}
                Action::Lossy { .. } | Action::Latency { .. } | Action::Bandwidth { .. } | Action::Reset { .. } => {}
            }
            self.net.tcp.record(EventKind::Fault(fault as u16, Event::Healed { server, kind }));
            if self.net.external.is_some() {
                self.struck_outside(server, kind, false);
            }
            if kind == Kind::Drain {
                self.ask(server, PendingInput::Resume);
            }
            self.go_on(server);
        }
        if kind == Kind::Partition {
            self.net.tcp.partitions.retain(|active| *active != fault);
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
        let mut struck: Vec<u32> = (0..self.net.tcp.connections.len() as u32)
            .filter(|connection| self.is_up(*connection) && self.is_reset(fault, window, *connection))
            .collect();
        // In an order that hangs on nothing but who they are.
        struck.sort_by_key(|connection| {
            let entry = &self.net.tcp.connections[*connection];
            (entry.caller.code(), entry.client_number)
        });
        for &connection in &struck {
            // It keeps its place until all are told.
            self.net.tcp.connections[connection].in_flight += 1;
        }
        for connection in struck {
            // What became of another may have ended it.
            if !self.is_up(connection) {
                self.net.tcp.release(connection);
                continue;
            }
            for session in self.sessions_over(connection) {
                self.net.tcp.record(EventKind::Fault(fault as u16, Event::Reset { session }));
            }
            self.net.tcp.connections[connection].in_flight += 1;
            self.reset_at_client(connection);
            self.reset_at_server(connection);
            self.net.tcp.release(connection);
        }
    }

    fn is_up(&self, connection: u32) -> bool {
        let entry = &self.net.tcp.connections[connection];
        let alive = matches!(entry.server_end, ServerEnd::HalfOpen | ServerEnd::Queued | ServerEnd::Accepted);
        entry.client == ClientEnd::Open && alive && !entry.is_stream()
    }

    fn is_reset(&self, fault: u32, window: u32, connection: u32) -> bool {
        let identity = self.net.tcp.identity_of(connection);
        let over = |leg: Leg| {
            let (_, side, server) = self.net.tcp.stretch(connection, leg);
            self.net.tcp.faults[fault as usize].resets(self.seed, window, side, server, identity)
        };
        over(Leg::Before) || self.net.tcp.connections[connection].is_relayed() && over(Leg::Behind)
    }

    /// The sessions that a connection is the path of.
    fn sessions_over(&self, connection: u32) -> Vec<u32> {
        match self.net.tcp.connections[connection].caller.who() {
            Peer::Session(session) => vec![session],
            Peer::Server(_) => Vec::new(),
            Peer::Host(_) => {
                let streams = self.net.tcp.carriers.over(connection);
                let session = |stream: u32| match self.net.tcp.connections[stream].caller.who() {
                    Peer::Session(session) => Some(session),
                    _ => None,
                };
                streams.filter_map(session).collect()
            }
        }
    }

    fn record_cuts(&mut self, fault: u32, event: impl Fn(Cut) -> Event) {
        for number in 0..self.net.tcp.faults[fault as usize].cuts.len() {
            let cut = self.net.tcp.faults[fault as usize].cuts[number];
            self.net.tcp.record(EventKind::Fault(fault as u16, event(cut)));
        }
    }

    /// The process is gone, and what it had in memory.
    pub(super) fn lose_process(&mut self, server: u32, kernel_lives: bool) {
        if self.net.external.is_some() && self.is_external(server) {
            return self.lose_external(server, kernel_lives);
        }
        if kernel_lives {
            self.net.tcp.hosts[server as usize].kernel.crash();
        } else {
            self.net.tcp.hosts[server as usize].kernel.power_off();
        }
        self.net.tcp.forget_flows(server);
        let slot = &mut self.servers[server as usize];
        slot.machine = Server::default();
        slot.pauses.iter_mut().for_each(|pauses| pauses.process_ended());
        self.net.tls.lose_keys(server);
        slot.free.clear();
        slot.accepted.clear();
        if slot.wake != Handle::NONE {
            self.net.tcp.queue.cancel(slot.wake);
            slot.wake = Handle::NONE;
        }
        let pending = std::mem::take(&mut slot.pending);
        let mut unread: Vec<u32> = Vec::new();
        for item in &pending {
            if let PendingInput::Segment { connection, segment }
            | PendingInput::News { connection, news: News::Received { segment } } = *item
            {
                unread.push(connection);
                self.net.tcp.segments.release(segment);
            }
        }
        unread.sort_unstable();
        self.net.tcp.lose_server(server, kernel_lives, &unread);
        for connection in std::mem::take(&mut self.servers[server as usize].opened).into_values() {
            self.net.tcp.lose_client(connection, kernel_lives, unread.binary_search(&connection).is_ok());
        }
        for item in pending {
            match item {
                PendingInput::Segment { connection, .. }
                | PendingInput::Fin { connection }
                | PendingInput::News { connection, .. } => {
                    self.net.tcp.release(connection);
                }
                PendingInput::Wake | PendingInput::Drain { .. } | PendingInput::Resume | PendingInput::Start => {}
            }
        }
    }

    /// Asks something of a process, which does it once it runs.
    pub(super) fn ask(&mut self, server: u32, what: PendingInput) {
        self.servers[server as usize].pending.push(what);
        self.go_on(server);
    }

    /// A process that runs goes on with what has arrived while it was hung.
    pub(super) fn go_on(&mut self, server: u32) {
        if self.net.tcp.hosts[server as usize].kernel.process() != Process::Running {
            return;
        }
        for item in std::mem::take(&mut self.servers[server as usize].pending) {
            match item {
                PendingInput::Wake => self.server_input(server, Input::Wake),
                PendingInput::Start => self.server_input(server, Input::Start),
                PendingInput::Drain { code, over } => {
                    self.net.tcp.hosts[server as usize].kernel.listen(false);
                    self.with_server(server, |machine, cx, now, out| machine.drain(cx, now, code, over, out));
                }
                PendingInput::Resume => {
                    self.net.tcp.hosts[server as usize].kernel.listen(true);
                    self.with_server(server, |machine, cx, _, out| machine.resume(cx, out));
                }
                PendingInput::News { connection, news } => self.notify_late(connection, news),
                PendingInput::Segment { connection, segment } => {
                    let end = self.net.tcp.connections[connection].server_end;
                    if end == ServerEnd::Queued || end == ServerEnd::Accepted {
                        self.receive_at_server(connection, segment);
                    } else {
                        self.net.tcp.segments.release(segment);
                    }
                    self.net.tcp.release(connection);
                }
                PendingInput::Fin { connection } => {
                    if self.net.tcp.is_alive_at(connection, server) {
                        self.end_at_server(connection, Input::Eof);
                    }
                    self.net.tcp.release(connection);
                }
            }
        }
    }
}
