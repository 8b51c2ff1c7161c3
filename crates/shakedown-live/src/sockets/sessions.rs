//! Sessions: their arrivals, their inputs, and what they ask.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;

use shakedown_core::client::{self, Session};
use shakedown_core::driver::pipes;
use shakedown_core::event::Kind;
use shakedown_core::machine::{CloseMode, ConnectionId, EndpointId, Input, Output};
use shakedown_core::network::Way;
use shakedown_core::time::Timestamp;

use super::engine::{Due, Engine};
use super::network::{ConnectionKey, Opener, PeerId};
use super::slots::{GroupSlot, SessionSlot};

impl Engine {
    /// The next session is scheduled to start by now.
    pub(super) fn arrive(&mut self) {
        let Some(mut due) = self.arrivals.peek_mut() else { return };
        let Reverse((scheduled, group)) = *due;
        match self.groups[group as usize].arrivals.next() {
            Some(next) => {
                *due = Reverse((next, group));
                drop(due);
            }
            None => drop(PeekMut::pop(due)),
        }
        let slot = &mut self.groups[group as usize];
        let index = slot.next_index;
        let machine = Session::new(group as u16, index);
        slot.next_index += 1;
        if slot.hosts.is_empty() && slot.plan.remembers_answers() {
            slot.names.push(client::Names::default());
        }
        let session = self.sessions.len() as u32;
        let host = slot.host_number(index);
        self.sessions.push(SessionSlot { machine, wake: Timestamp::NEVER, connections: Vec::new() });
        if !self.network.sockets.has(host) {
            return;
        }
        self.behind = self.behind.max(self.network.now.since(scheduled));
        self.start(session, scheduled);
    }

    /// A session begins; what it was scheduled for counts, however late it is.
    fn start(&mut self, session: u32, scheduled: Timestamp) {
        self.session_input_at(session, Input::Start, Some(scheduled));
    }

    pub(super) fn restart(&mut self, session: u32) {
        self.session_input(session, Input::Start);
    }

    pub(super) fn wake_session(&mut self, session: u32, at: Timestamp) {
        let slot = &mut self.sessions[session as usize];
        if slot.wake == at {
            slot.wake = Timestamp::NEVER;
            self.session_input(session, Input::Wake);
        }
    }

    /// Gives a session an input, and does what it asks.
    pub(super) fn session_input(&mut self, session: u32, input: Input<'_>) {
        self.session_input_at(session, input, None);
    }

    fn session_input_at(&mut self, session: u32, input: Input<'_>, scheduled: Option<Timestamp>) {
        let mut out = self.client_outputs.take().unwrap_or_default();
        let slot = &mut self.sessions[session as usize];
        let GroupSlot { plan, hosts, names, .. } = &mut self.groups[usize::from(slot.machine.group())];
        let host = match hosts.len() {
            0 => None,
            count => hosts.get_mut(slot.machine.index() as usize % count),
        };
        let names = names.get_mut(slot.machine.index() as usize);
        let directory = &self.directory;
        let mut cx = client::Context { seed: self.seed, group: plan, directory, host, names, slot: session };
        slot.machine.handle(&mut cx, self.network.now, input, &mut out);
        let mut sent = 0;
        let mut admitted = None;
        let client::Outputs { actions, bytes } = &*out;
        for action in actions {
            match *action {
                Output::Event(kind) => {
                    let is_start = matches!(kind, client::Event::Scheduled { .. });
                    let at = scheduled.filter(|_| is_start).unwrap_or(self.network.now);
                    self.events.push(at, Kind::Session(session, kind));
                }
                Output::Open(c, endpoint) => self.open(session, c, endpoint),
                Output::Transmit(c, len) => {
                    let part = sent..sent + len as usize;
                    sent = part.end;
                    if let Some(key) = self.connection_of(session, c) {
                        self.network.send(key, Way::ToServer, &bytes[part]);
                    }
                }
                Output::Close(c, how) => self.close_client(session, c, how),
                Output::WakeAt(at) => self.wake_session_at(session, at),
                Output::Admit(next) => admitted = Some(next),
                Output::Done => self.session_done(session),
                Output::StartTls(c, endpoint) => self.start_tls(session, c, endpoint),
                // Names of targets are resolved beforehand.
                Output::Resolve(..) => {}
            }
        }
        out.clear();
        self.client_outputs = Some(out);
        if let Some(next) = admitted {
            self.session_input(next, Input::Admitted);
        }
    }

    fn wake_session_at(&mut self, session: u32, at: Timestamp) {
        self.sessions[session as usize].wake = at;
        if at != Timestamp::NEVER {
            self.due.push(at, Due::SessionWake { session });
        }
    }

    /// A closed-loop user is done with one session: the next follows after a pause.
    fn session_done(&mut self, session: u32) {
        let machine = &self.sessions[session as usize].machine;
        let arrivals = &self.groups[usize::from(machine.group())].arrivals;
        if let Some(think) = arrivals.think(machine.index(), machine.connections()) {
            self.due.push(self.network.now + think, Due::Restart { session });
        }
    }

    fn connection_of(&self, session: u32, c: ConnectionId) -> Option<ConnectionKey> {
        let connections = &self.sessions[session as usize].connections;
        connections.iter().find(|(number, _)| *number == c.0).map(|(_, key)| *key)
    }

    /// A session connects.
    fn open(&mut self, session: u32, number: ConnectionId, EndpointId(server): EndpointId) {
        let machine = &self.sessions[session as usize].machine;
        let (group, index) = (machine.group(), machine.index());
        let slot = &self.groups[usize::from(group)];
        let opener = Opener {
            peer: PeerId::Session(session),
            number,
            place: pipes::Caller::Client { group, host: slot.host_number(index) },
            identity: slot.plan.identity(index),
            host: slot.host_of(index),
        };
        let key = self.network.connect(server, opener);
        self.sessions[session as usize].connections.push((number.0, key));
    }

    /// A session closes its end.
    fn close_client(&mut self, session: u32, c: ConnectionId, how: CloseMode) {
        let Some(key) = self.connection_of(session, c) else { return };
        self.sessions[session as usize].connections.retain(|(_, other)| *other != key);
        self.network.close_client(key, how);
    }

    /// A session begins TLS, with the ticket that its process has for this server.
    fn start_tls(&mut self, session: u32, c: ConnectionId, endpoint: EndpointId) {
        let Some(key) = self.connection_of(session, c) else { return };
        let machine = &self.sessions[session as usize].machine;
        let slot = &self.groups[usize::from(machine.group())];
        let host = slot.host_number(machine.index());
        let keeper = slot.plan.resumes_tls().then_some((Some(machine.group()), host, endpoint.0));
        self.network.start_tls(key, self.directory.authority(endpoint), keeper);
    }
}
