//! The loop's state: the machines, over the network, and what is due. It is told by the network, and tells it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};

use shakedown_core::driver::stage::{ClientHosts, Peer, Stage, Transport};
use shakedown_core::http::Directory;
use shakedown_core::machine::{ConnectionId, EndpointId, Input};
use shakedown_core::network::Direction;
use shakedown_core::scenario::Scenario;
use shakedown_core::time::{Nanos, Timestamp};
use tokio::net::TcpListener;

use super::super::events::Events;
use super::lookups;
use super::network::{ConnectionKey, Effect, Listener, Network, Notice, Owner, SocketInput, Sockets};
use super::programs::{Commands, Running};
use super::resolver::Resolver;
use super::schedule::{Schedule, Sleep};
use super::setup::{Part, Setup};
use super::transport::{Item, Live};
use crate::kernel::World;

/// How many things are done before connections get a turn.
const BUDGET: usize = 256;

/// Everything but the connections' tasks.
pub(super) struct Engine {
    pub stage: Stage<Live>,
}

impl Owner for RefCell<Engine> {
    fn handle(&self, input: SocketInput<'_>) {
        let mut engine = self.borrow_mut();
        engine.stage.net.network.handle(input);
        engine.dispatch();
    }
}

impl Engine {
    pub(crate) fn new(
        sockets: Rc<Sockets>,
        scenario: &Scenario,
        setup: &Setup,
        listeners: Vec<Option<TcpListener>>,
        directory: Directory,
        addresses: BTreeMap<u32, SocketAddr>,
        running: BTreeMap<u32, Running>,
    ) -> io::Result<Rc<RefCell<Engine>>> {
        let sleep = Rc::new(Sleep::default());
        let live = Live {
            network: Network::new(sockets, scenario, setup, listeners, addresses, &sleep)?,
            events: Events::default(),
            due: Schedule::new(&sleep),
            sleep,
            clients: ClientHosts::of(scenario),
            scheduled: None,
            behind: Nanos::ZERO,
            trouble: None,
            programs: setup.programs.clone(),
            running,
            died: Vec::new(),
            commands: setup.commands.clone(),
            ran: Commands::default(),
            resolver: if setup.wire { Resolver::new(scenario) } else { None },
        };
        let mut stage = Stage::over(live, scenario, directory);
        match setup.part {
            Part::Both => {}
            Part::Servers => stage.groups.clear(),
            Part::Clients => stage.servers.clear(),
        }
        Ok(Rc::new_cyclic(|me: &Weak<RefCell<Engine>>| {
            stage.net.network.belong_to(me.clone());
            RefCell::new(Engine { stage })
        }))
    }

    /// Does what is due by now, or some of it. Returns when there is more.
    pub(crate) fn turn(&mut self, now: Timestamp) -> Timestamp {
        self.stage.net.sleep.end();
        for _ in 0..BUDGET {
            if self.next() > now {
                break;
            }
            let Live { network, due, .. } = &mut self.stage.net;
            network.now = network.sockets.now();
            let (due, timer, arrival) = (due.next(), network.next_timer(), self.stage.next_arrival());
            if arrival < due.min(timer) {
                self.stage.arrive();
            } else if timer < due {
                self.stage.net.network.run_timer();
            } else if let Some((at, item)) = self.stage.net.due.pop() {
                self.run(item, at);
            }
            self.dispatch();
        }
        let next = self.next();
        self.stage.net.sleep.begin(next);
        next
    }

    fn next(&self) -> Timestamp {
        let Live { due, network, .. } = &self.stage.net;
        due.next().min(network.next_timer()).min(self.stage.next_arrival())
    }

    fn run(&mut self, item: Item, at: Timestamp) {
        match item {
            Item::Stage(due) => self.stage.run(due),
            Item::Names(step) => lookups::step(&mut self.stage, step),
            Item::Answer { query } => lookups::answer(&mut self.stage.net, query),
            // One that was put off, or is not needed any more, comes all the same.
            Item::ServerWake { server } => {
                if self.stage.servers[server as usize].wake == at {
                    self.stage.wake_server(server);
                }
            }
            Item::SessionWake { session } => {
                if self.stage.sessions[session as usize].wake == at {
                    self.stage.wake_session(session);
                }
            }
        }
    }

    /// Does what the network asks.
    pub(crate) fn dispatch(&mut self) {
        while let Some(effect) = self.stage.net.network.next_effect() {
            match effect {
                Effect::Notify(key, way, notice) => self.notify(key, way, &notice),
                Effect::Accepted(key) => self.accept(key),
                Effect::Flush(key, way) => self.stage.net.network.flush(key, way),
                Effect::FlowEnded { balancer, server } => self.stage.flow_ended(balancer, server),
                Effect::Answered { session, c, from, servers } => {
                    if let Some(resolver) = &mut self.stage.net.resolver {
                        resolver.asking.remove(&from);
                    }
                    if let Some((servers, keep)) = servers.filter(|(servers, _)| !servers.is_empty()) {
                        self.stage.session_input(session, Input::Resolved(c, &servers, keep));
                    }
                }
                Effect::Record(kind) => self.stage.net.record(kind),
                Effect::Fail(error) => self.stage.net.fail(error),
            }
        }
    }

    /// The wire says what became of messages, and asks where balancers that rewrite addresses send connections.
    pub(crate) fn hear_wire(&mut self) {
        self.stage.net.hear_wire();
        let Live { network, .. } = &mut self.stage.net;
        network.now = network.sockets.now();
        let queries = network.sockets.world().map(World::queries).unwrap_or_default();
        lookups::hear(&mut self.stage, queries);
        let Live { network, .. } = &self.stage.net;
        for (from, balancer) in network.sockets.world().map(World::asked).unwrap_or_default() {
            let dialler = self.stage.net.network.dialler(from);
            let chosen = self.stage.forward(balancer, dialler).map(|EndpointId(to)| to);
            self.stage.net.network.begin_flow(from, balancer, chosen);
            self.dispatch();
        }
    }

    /// A machine is told something about a connection, if it still listens there.
    fn notify(&mut self, key: ConnectionKey, way: Direction, notice: &Notice) {
        let stage = &mut self.stage;
        match stage.net.network.listener(key, way) {
            None => {}
            Some(Listener::Server(server, c)) => stage.server_input(server, notice.input(c)),
            Some(Listener::Opener(peer, c)) => {
                if notice.is_last() {
                    stage.net.network.release(key);
                    match peer {
                        Peer::Session(session) => {
                            stage.sessions[session as usize].connections.retain(|(_, other)| *other != key);
                        }
                        Peer::Server(server) => drop(stage.servers[server as usize].opened.remove(&c.0)),
                    }
                }
                match peer {
                    Peer::Session(session) => stage.session_input(session, notice.input(c)),
                    Peer::Server(server) => {
                        stage.server_input(server, notice.input(c));
                        if matches!(notice, Notice::Connected) {
                            self.join(server, c);
                        }
                    }
                }
            }
        }
    }

    /// A server's process has accepted a connection.
    fn accept(&mut self, key: ConnectionKey) {
        let Some((server, identity)) = self.stage.net.network.accepted_by(key) else { return };
        let c = self.stage.number(server, key);
        self.stage.server_input(server, Input::Accepted(c, identity));
    }

    /// A way through a server is up.
    fn join(&self, server: u32, c: ConnectionId) {
        let behind = self.stage.servers[server as usize].opened.get(&c.0);
        if let Some((before, behind)) = self.stage.made_for(server, c).zip(behind) {
            self.stage.net.network.join(before, *behind);
        }
    }
}
