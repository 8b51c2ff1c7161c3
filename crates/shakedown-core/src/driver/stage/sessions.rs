//! Sessions: their arrivals, their inputs, and what they ask.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;

use super::due::Due;
use super::slots::{GroupSlot, SessionSlot};
use super::transport::{Stage, Transport};
use crate::client::{self, Session};
use crate::event::Kind;
use crate::machine::{ConnectionId, Input, Output};
use crate::network::Direction;
use crate::time::Timestamp;

impl<T: Transport> Stage<T> {
    /// When the next session is scheduled to start.
    #[inline]
    pub fn next_arrival(&self) -> Timestamp {
        self.arrivals.peek().map_or(Timestamp::NEVER, |Reverse((at, _))| *at)
    }

    /// The next session is scheduled to start by now.
    pub fn arrive(&mut self) {
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
        let machine = Session::new(group as u16, slot.next_index);
        slot.next_index += 1;
        if slot.hosts.is_empty() && (self.net.resolves_names() || slot.plan.remembers_answers()) {
            slot.names.push(client::Names::default());
        }
        let session = self.sessions.len() as u32;
        self.sessions.push(SessionSlot { machine, wake: T::NO_WAKE, connections: T::NO_CONNECTIONS });
        if T::arrives(self, session, scheduled) {
            self.session_input(session, Input::Start);
        }
    }

    /// A session's one wake-up has come.
    pub fn wake_session(&mut self, session: u32) {
        let slot = &mut self.sessions[session as usize];
        slot.wake = T::NO_WAKE;
        let due = slot.machine.due();
        if due > self.net.now() {
            return self.net.wake_session(&mut slot.wake, session, due);
        }
        self.session_input(session, Input::Wake);
    }

    /// Gives a session an input, and does what it asks.
    pub fn session_input(&mut self, session: u32, input: Input<'_>) {
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
        slot.machine.handle(&mut cx, self.net.now(), input, &mut out);
        let mut sent = 0;
        let mut admitted = None;
        let client::Outputs { actions, bytes } = &mut *out;
        for action in actions.iter() {
            match *action {
                Output::Event(kind) => self.net.record(Kind::Session(session, kind)),
                Output::Open(c, endpoint) => T::open(self, session, c, endpoint),
                Output::Resolve(c, name) => T::resolve(self, session, c, name),
                Output::Transmit(c, len) => {
                    let from = sent;
                    sent += len as usize;
                    if let Some(connection) = self.connection_of(session, c) {
                        self.net.send(connection, Direction::ToServer, bytes, from..sent);
                    }
                }
                Output::StartTls(c, endpoint) => {
                    if let Some(connection) = self.connection_of(session, c) {
                        T::start_tls(self, connection, endpoint);
                    }
                }
                Output::Close(c, how) => T::close_session(self, session, c, how),
                Output::WakeAt(at) => {
                    self.net.wake_session(&mut self.sessions[session as usize].wake, session, at);
                }
                Output::Admit(next) => admitted = Some(next),
                Output::Done => self.session_done(session),
            }
        }
        out.clear();
        self.client_outputs = Some(out);
        if let Some(next) = admitted {
            self.session_input(next, Input::Admitted);
        }
    }

    /// A session's connection, unless its end is closed.
    #[inline]
    pub fn connection_of(&self, session: u32, c: ConnectionId) -> Option<T::Connection> {
        self.net.find(&self.sessions[session as usize].connections, c)
    }

    /// A closed-loop user is done with one session: the next follows after a pause.
    fn session_done(&mut self, session: u32) {
        let machine = &self.sessions[session as usize].machine;
        let arrivals = &self.groups[usize::from(machine.group())].arrivals;
        if let Some(think) = arrivals.think(machine.index(), machine.connections()) {
            self.net.schedule(self.net.now() + think, Due::Restart { session });
        }
    }
}
