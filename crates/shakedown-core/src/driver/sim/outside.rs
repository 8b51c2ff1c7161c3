//! What external parties say and hear.

use std::collections::{BTreeMap, BTreeSet};

use super::external::{Effect, Entry, External, ExternalEnd, ExternalId};
use super::net::{Net, Simulation};
use super::pending::Pending;
use super::tcp::NONE;
use super::tcp::connection::{ClientEnd, Connection, PeerId, ServerEnd};
use super::tcp::peers::{ExternalConnections, ServerHost};
use super::tcp::queue::Handle;
use super::tcp::queued::Queued;
use crate::client;
use crate::driver::stage::{PendingInput, ServerSlot, Transport};
use crate::event::Kind;
use crate::fault;
use crate::machine::{ConnectionId, Input};
use crate::network::{Direction, Event, Host, Overflow, Process, SynAnswer, SynSchedule};
use crate::rng::Identity;
use crate::scenario::Scenario;
use crate::time::{Nanos, Timestamp};

impl Simulation {
    /// A run of a scenario of which these client groups and servers are external.
    pub fn with_external(scenario: &Scenario, groups: BTreeSet<u16>, servers: BTreeSet<u32>) -> Simulation {
        let mut simulation = Simulation::new(scenario);
        for server in &servers {
            // Its answer to a SYN is never known beforehand.
            let host = &mut simulation.net.tcp.hosts[*server as usize];
            (host.quiet_until, host.is_external) = (Timestamp::ZERO, true);
        }
        let caller = simulation.servers.len() as u32;
        simulation.servers.push(ServerSlot::new(&simulation.plans[0], 0, Handle::NONE));
        simulation.net.tcp.hosts.push(ServerHost {
            kernel: Host::new(0, Overflow::Drop),
            identity: Identity::group("strangers"),
            is_relay: false,
            is_external: false,
            quiet_until: Timestamp::ZERO,
        });
        simulation.net.tcp.strangers = Some(ExternalConnections { host: caller, addresses: BTreeMap::new() });
        let (connections, ids, effects) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        let external = External { groups, servers, caller, connections, ids, used: 0, opened: 0, effects };
        simulation.net.external = Some(Box::new(external));
        simulation.net.tcp.exceptional = true;
        simulation
    }

    /// Works through everything before a moment, or before the run's end, and goes on to it. Events wait for
    /// [`Simulation::drain`]. False at an instant that the run never leaves ([`Simulation::standstill`]).
    pub fn advance_until(&mut self, until: Timestamp) -> bool {
        let until = until.min(self.net.end);
        loop {
            let since = self.net.tcp.now;
            let arrival = self.next_arrival();
            match self.net.tcp.queue.pop(arrival.min(Timestamp(until.0.saturating_sub(1)))) {
                Some((at, item)) => {
                    self.net.tcp.now = at;
                    self.dispatch(item);
                }
                None if arrival < until => {
                    self.net.tcp.now = arrival;
                    self.arrive();
                }
                None => break,
            }
            if !self.time_passes(since, 1) {
                return false;
            }
        }
        self.net.tcp.now = until;
        true
    }

    /// What the driver is to do since it asked last, in order.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        self.net.external.as_mut().map_or_else(Vec::new, |external| std::mem::take(&mut external.effects))
    }

    /// What a server's host would answer to a SYN.
    pub fn syn_answer(&self, server: u32) -> SynAnswer {
        self.net.tcp.hosts[server as usize].kernel.syn()
    }

    /// How often and when SYNs are repeated.
    pub fn syn_schedule(&self) -> &SynSchedule {
        &self.net.tcp.syn_schedule
    }

    /// Whether a partition lies between a client group and a server.
    pub fn is_partitioned(&self, group: u16, server: u32) -> bool {
        let between = |fault: &u32| self.net.tcp.faults[*fault as usize].between(fault::Side::Clients(group), server);
        self.net.tcp.partitions.iter().any(|fault| between(fault).is_some())
    }

    /// One-way latency from a host of a client group to a server.
    pub fn external_one_way(&self, group: u16, host: Identity, server: u32) -> Nanos {
        let route = self.net.tcp.links.route(group, server);
        self.net.tcp.links.one_way(route, Direction::ToServer, host, self.net.tcp.hosts[server as usize].identity)
    }

    /// A program has connected to a server of the scenario, over a network of its driver's, from this address. `None`
    /// where the host does not take it.
    pub fn external_connects(&mut self, server: u32, address: Identity) -> Option<ExternalId> {
        if self.syn_answer(server) != SynAnswer::Accepted {
            return None;
        }
        let external = self.net.external.as_mut()?;
        external.opened += 1;
        let (caller, number) = (external.caller, ConnectionId::own(external.opened).0);
        self.forget_released();
        let mut entry = Connection::new(self.net.tcp.now, 0, Nanos::ZERO, PeerId::server(caller), number, server, NONE);
        entry.came_up(self.net.tcp.now, self.net.tcp.now);
        entry.server_end = ServerEnd::HalfOpen;
        let connection = self.net.tcp.connections.insert(entry);
        self.net.tls.forget(connection);
        self.servers[caller as usize].opened.insert(number, connection);
        let id = self.number_external(Entry { connection, at_server: false, answered: true, ended: false, address });
        let waits = self.plans[self.servers[server as usize].group].waits_to_accept();
        if waits || self.net.tcp.hosts[server as usize].kernel.process() == Process::Hung {
            self.net.tcp.enqueue(connection);
        } else {
            let accepted = self.accept(connection);
            self.server_input(server, accepted);
        }
        Some(id)
    }

    /// An external server's host answers a SYN: its program listens, or does not.
    pub fn external_answers(&mut self, id: ExternalId, accepted: bool) {
        let Some(entry) = self.net.external.as_mut().and_then(|external| external.connections.get_mut(&id)) else {
            return;
        };
        let connection = entry.connection;
        entry.answered = accepted;
        let Connection { caller, server, client, .. } = self.net.tcp.connections[connection];
        let gave_up = client == ClientEnd::Closed;
        if accepted {
            self.number(server, connection);
            if gave_up {
                self.net.effect(Effect::Ended { id, reset: true });
                return self.forget_external(id, ServerEnd::Closed);
            }
            return self.net.tcp.send_answer(connection, Queued::SynAck { connection, caller });
        }
        if !gave_up {
            self.refuse(connection, server);
        }
        self.forget_external(id, ServerEnd::None);
    }

    /// A program says something.
    pub fn external_sends(&mut self, id: ExternalId, bytes: &[u8]) {
        let Some(&Entry { connection, at_server, .. }) = self.entry(id) else { return };
        let segment = self.net.tcp.segments.reuse();
        self.net.tcp.segments[segment].clear();
        self.net.tcp.segments[segment].extend_from_slice(bytes);
        let way = if at_server { Direction::ToClient } else { Direction::ToServer };
        self.net.tcp.send_segment(connection, way, segment, bytes.len());
    }

    /// A program ends its end of a connection.
    pub fn external_ends(&mut self, id: ExternalId, end: ExternalEnd) {
        let Some(entry) = self.net.external.as_mut().and_then(|external| external.connections.get_mut(&id)) else {
            return;
        };
        let (Entry { connection, at_server, .. }, ended) = (*entry, std::mem::replace(&mut entry.ended, true));
        let Connection { client, server_end, .. } = self.net.tcp.connections[connection];
        let reset = end == ExternalEnd::Reset;
        let peer_listens = match at_server {
            true => client != ClientEnd::Closed,
            false => !matches!(server_end, ServerEnd::Closed | ServerEnd::Gone),
        };
        match (peer_listens && !ended, at_server) {
            (true, true) => self.net.tcp.cut(connection, reset),
            (true, false) => self.net.tcp.end_toward_server(connection, reset),
            (false, _) => {}
        }
        if end != ExternalEnd::Fin {
            self.forget_external(id, ServerEnd::Closed);
        }
    }

    fn entry(&self, id: ExternalId) -> Option<&Entry> {
        self.net.external.as_ref()?.connections.get(&id)
    }

    fn number_external(&mut self, entry: Entry) -> ExternalId {
        self.net.tcp.connections[entry.connection].in_flight += 1;
        let external = self.net.external.as_mut().expect("only called where there are external parties");
        external.used += 1;
        let id = ExternalId(external.used);
        external.ids.insert(entry.connection, id);
        if let Some(strangers) = self.net.tcp.strangers.as_mut().filter(|_| !entry.at_server) {
            strangers.addresses.insert(entry.connection, entry.address);
        }
        external.connections.insert(id, entry);
        id
    }

    /// A program has no more to do with a connection; where it was the server's, its end is now this.
    fn forget_external(&mut self, id: ExternalId, end: ServerEnd) {
        let Some(external) = &mut self.net.external else { return };
        let Some(Entry { connection, at_server, answered, .. }) = external.connections.remove(&id) else { return };
        external.ids.remove(&connection);
        let entry = &mut self.net.tcp.connections[connection];
        if at_server {
            entry.server_end = end;
            if answered {
                self.servers[entry.server as usize].free.push(entry.server_number);
            }
        } else {
            entry.client = ClientEnd::Closed;
            if let Some(strangers) = &mut self.net.tcp.strangers {
                strangers.addresses.remove(&connection);
            }
        }
        self.net.tcp.release(connection);
    }

    fn refuse(&mut self, connection: u32, server: u32) {
        let session = self.net.tcp.connections[connection].caller.code();
        self.net.tcp.record(Kind::Network(server, Event::SynRefused { session, backlog_full: false }));
        self.net.tcp.send_answer(connection, Queued::SynRefused { connection });
    }

    /// A session has arrived. True where a program plays it.
    #[cold]
    pub(super) fn arrives_outside(&mut self, session: u32) -> bool {
        let machine = &self.sessions[session as usize].machine;
        let (group, index) = (machine.group(), machine.index());
        if self.net.external.as_ref().is_none_or(|external| !external.groups.contains(&group)) {
            return false;
        }
        self.net.tcp.record(Kind::Session(session, client::Event::Scheduled { group, index }));
        self.net.effect(Effect::Arrived { group, index, session });
        true
    }

    /// SYNs are at external servers' hosts, which would take them.
    #[cold]
    pub(super) fn dial_all(&mut self) {
        for connection in std::mem::take(&mut self.net.tcp.dialled) {
            self.dial_external(connection);
        }
    }

    /// The program of an external server is asked, once.
    fn dial_external(&mut self, connection: u32) {
        let Connection { caller, server, .. } = self.net.tcp.connections[connection];
        let id = self.net.external.as_ref().and_then(|external| external.ids.get(&connection)).copied();
        match id.and_then(|id| self.entry(id)) {
            // Its first answer was lost.
            Some(entry) if entry.answered => {
                self.net.tcp.send_answer(connection, Queued::SynAck { connection, caller })
            }
            Some(_) => {}
            None => {
                let address = self.net.tcp.address_of(connection);
                let entry = Entry { connection, at_server: true, answered: false, ended: false, address };
                let id = self.number_external(entry);
                self.net.effect(Effect::Dialled { id, server });
            }
        }
    }

    /// A client's kernel has given a connect up.
    #[cold]
    pub(super) fn not_connected_outside(&mut self, connection: u32) {
        let id = self.net.external.as_ref().and_then(|external| external.ids.get(&connection)).copied();
        if let Some(id) = id {
            self.net.effect(Effect::Ended { id, reset: true });
            self.forget_external(id, ServerEnd::Gone);
        }
    }

    /// A program's process hears something.
    #[cold]
    pub(super) fn external_input(&mut self, server: u32, input: Input<'_>) {
        let (Input::Received(c, _) | Input::Eof(c) | Input::Reset(c)) = input else { return };
        let slot = &self.servers[server as usize];
        let connection = match c.as_own() {
            Some(_) => slot.opened.get(&c.0),
            None => slot.accepted.get(c.0 as usize),
        };
        let ids = self.net.external.as_ref().map(|external| &external.ids);
        let Some(&id) = connection.and_then(|connection| ids?.get(connection)) else { return };
        match input {
            Input::Received(_, bytes) => self.net.effect(Effect::Received { id, bytes: bytes.to_vec() }),
            Input::Eof(_) => self.net.effect(Effect::Ended { id, reset: false }),
            _ => {
                self.net.effect(Effect::Ended { id, reset: true });
                self.forget_external(id, ServerEnd::Closed);
            }
        }
    }

    /// A segment for an external server's process.
    #[cold]
    pub(super) fn external_receives(&mut self, connection: u32, segment: u32) {
        let Connection { server, server_number, .. } = self.net.tcp.connections[connection];
        let bytes = std::mem::take(&mut self.net.tcp.segments[segment]);
        self.external_input(server, Input::Received(ConnectionId(server_number), &bytes));
        self.net.tcp.segments[segment] = bytes;
        self.net.tcp.segments.release(segment);
    }

    /// The process of an external server is gone. With the kernel alive, how its connections end is for the driver to say, as
    /// the program's last words may be on their way; but what it never read is known here.
    #[cold]
    pub(super) fn lose_external(&mut self, server: u32, kernel_lives: bool) {
        let slot = &mut self.servers[server as usize];
        let mut unread = BTreeSet::new();
        for item in std::mem::take(&mut slot.pending) {
            match item {
                PendingInput::Network(Pending::Segment { connection, segment }) => {
                    unread.insert(connection);
                    self.net.tcp.segments.release(segment);
                    self.net.tcp.release(connection);
                }
                PendingInput::Network(Pending::Fin { connection }) => self.net.tcp.release(connection),
                _ => {}
            }
        }
        let entries: Vec<(ExternalId, Entry)> = self
            .net
            .external
            .iter()
            .flat_map(|external| &external.connections)
            .map(|(id, entry)| (*id, *entry))
            .collect();
        for (id, Entry { connection, at_server, answered, .. }) in entries {
            let Connection { client, caller, server: of, .. } = self.net.tcp.connections[connection];
            if !at_server || of != server || answered && kernel_lives && !unread.contains(&connection) {
                continue;
            }
            let waits = client != ClientEnd::Closed;
            match (answered, kernel_lives) {
                (true, true) if waits => self.net.tcp.cut(connection, true),
                (false, true) if waits => self.refuse(connection, server),
                (false, false) if waits => {
                    let dropped = Event::SynDropped { session: caller.code(), backlog_full: false };
                    self.net.tcp.record(Kind::Network(server, dropped));
                    self.net.tcp.repeat_syn(connection);
                }
                (true, false) => self.net.tcp.forget_kept(connection, Direction::ToClient),
                _ => {}
            }
            self.net.effect(Effect::Ended { id, reset: true });
            self.forget_external(id, if answered { ServerEnd::Gone } else { ServerEnd::None });
        }
        self.net.effect(Effect::Lost { server, kernel_lives });
    }
}

impl Net {
    fn effect(&mut self, effect: Effect) {
        if let Some(external) = &mut self.external {
            external.effects.push(effect);
        }
    }

    /// The process of a server is started.
    pub(super) fn started_outside(&mut self, server: u32) {
        if self.is_program(server) {
            self.effect(Effect::Started { server });
        }
    }

    /// The process of a server is stopped, or goes on.
    pub(super) fn hung_outside(&mut self, server: u32, hung: bool) {
        if self.is_program(server) {
            self.effect(Effect::Hung { server, hung });
        }
    }

    /// A partition begins or ends.
    pub(super) fn parted_outside(&mut self, fault: u32, parted: bool) {
        self.effect(Effect::Parted { fault, parted });
    }
}
