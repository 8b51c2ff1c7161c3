//! Connections that servers open: a proxy's way on, a call, a health check. What happens to them is what happens to a
//! client's; only who hears of it differs, and what becomes of them when the server itself is struck.

use super::Part;
use super::engine::Engine;
use super::lines::{Caller, Line, LineId};
use super::servers::Ask;
use super::stream::StreamHandle;
use shakedown_core::machine::{CloseMode, ConnectionId, EndpointId, Input};
use shakedown_core::network::{Process, Way};
use shakedown_core::rng::Identity;

impl Engine {
    /// A process that has something to do from its start on is started.
    pub(super) fn start_server(&mut self, server: u32) {
        let slot = &self.servers[server as usize];
        if self.plans[slot.group].starts() && slot.host.process() != Process::Dead {
            self.ask(server, Ask::Start);
        }
    }

    /// A server connects to another: its SYN leaves.
    pub(super) fn call(&mut self, server: u32, c: ConnectionId, EndpointId(to): EndpointId) {
        let host = self.servers[server as usize].identity;
        let identity = Identity(host.0.wrapping_add(u64::from(c.0) << 40));
        let mut line = Line::new(self.now, to, identity, host);
        line.caller = Some((Caller::Server(server), c));
        line.client = host;
        let route = if self.part == Part::Both { self.links.route_between(server, to) } else { 0 };
        let id = self.dial(line, route);
        self.servers[server as usize].opened.insert(c.0, id);
        self.send_syn(id);
    }

    /// A server closes a connection that it opened.
    pub(super) fn hang_up(&mut self, server: u32, c: ConnectionId, how: CloseMode) {
        if let Some(id) = self.servers[server as usize].opened.remove(&c.0) {
            self.close_caller(id, how);
        }
    }

    /// Gives whoever opened a line an input about it.
    pub(super) fn input_of(&mut self, caller: Caller, input: Input<'_>) {
        match caller {
            Caller::Session(session) => self.session_input(session, input),
            Caller::Server(server) => {
                self.server_input(server, input);
                if let Input::Connected(c) = input {
                    self.join(server, c);
                }
            }
        }
    }

    /// A way through a server is up: what comes in at either end is read no faster than it goes out at the other.
    fn join(&self, server: u32, c: ConnectionId) {
        let slot = &self.servers[server as usize];
        let accepted = slot.machine.accepted_for(c).map(|accepted| slot.accepted[accepted.0 as usize]);
        let ends = accepted.zip(slot.opened.get(&c.0).copied());
        let Some((before, behind)) = ends.and_then(|(a, o)| self.lines.get(&a).zip(self.lines.get(&o))) else { return };
        if let (Some(one), Some(other)) = (&before.to_server.wire, &behind.to_client.wire) {
            StreamHandle::join(one, other);
        }
    }

    /// The process that opened connections is gone: its kernel ends them as it ends those that it accepted, or has gone with
    /// it and says nothing.
    pub(super) fn lose_calls(&mut self, server: u32, kernel_lives: bool) {
        for id in std::mem::take(&mut self.servers[server as usize].opened).into_values() {
            if !kernel_lives {
                self.stop_repeating(id, Way::ToServer);
            }
            let Some(line) = self.lines.get_mut(&id) else { continue };
            if !kernel_lives && let Some(wire) = line.to_client.wire.take() {
                wire.mute();
                self.silent.push((server, wire));
            }
            match line.of_program && kernel_lives {
                true => self.close_caller(id, CloseMode::Fin),
                false => {
                    line.kill_client();
                    self.settle(id);
                }
            }
        }
    }

    /// A process is stopped, or goes on: so does what it reads of the connections that it opened.
    pub(super) fn hold_calls(&mut self, server: u32, held: bool) {
        let lines: Vec<LineId> = self.servers[server as usize].opened.values().copied().collect();
        for id in lines {
            let Some(line) = self.lines.get(&id) else { continue };
            if let Some(wire) = &line.to_client.wire {
                wire.hold(held);
            }
            if !held {
                self.arrived(id, Way::ToClient);
            }
        }
    }
}
