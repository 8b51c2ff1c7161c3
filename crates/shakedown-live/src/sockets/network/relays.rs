//! Connections through balancers that rewrite addresses: which server each has. The wire does the rest.

use std::io;
use std::net::SocketAddr;

use shakedown_core::event::Kind;
use shakedown_core::network::{Event, SynAnswer};
use shakedown_core::rng::Identity;
use shakedown_core::server;

use super::connection::{Connection, ConnectionKey};
use super::connections::Network;
use super::effects::Effect;

impl Network {
    /// Whether a server's host rewrites addresses.
    pub(crate) fn rewrites(&self, server: u32) -> bool {
        self.ports[server as usize].rewrites
    }

    /// Who dials from an address: what identifies the connection, and its host. A program's is known by its host alone.
    pub(crate) fn dialler(&self, from: SocketAddr) -> [Identity; 2] {
        match self.by_address.get(&from).and_then(|key| self.connections.get(key)) {
            Some(connection) => [connection.identity, connection.host],
            None => [self.sockets.world().and_then(|world| world.identity(from)).unwrap_or(Identity(0)); 2],
        }
    }

    /// A balancer has chosen a server for the connection from an address, or refuses it. Says so to the wire.
    pub(crate) fn begin_flow(&mut self, from: SocketAddr, balancer: u32, chosen: Option<u32>) {
        let accepts = self.kernel(balancer).syn() == SynAnswer::Accepted;
        let of_program = chosen.is_some_and(|to| self.ports[to as usize].of_program);
        let connection = self.by_address.get(&from).and_then(|key| Some((*key, self.connections.get_mut(key)?)));
        match (connection, chosen) {
            (Some((key, connection)), Some(to)) => {
                (connection.server, connection.relay, connection.of_program) = (to, Some(balancer), of_program);
                let (session, connection) = (connection.code(), number(key));
                for event in [server::Event::FlowBegan { connection }, server::Event::Forwarded { connection, to }] {
                    self.effects.push_back(Effect::Record(Kind::Server(balancer, event)));
                }
                self.record(balancer, Event::Through { session, server: to });
            }
            // Nobody here hears of its end.
            (None, Some(server)) => self.effects.push_back(Effect::FlowEnded { balancer, server }),
            (Some((key, _)), None) if accepts => {
                let event = server::Event::NotForwarded { connection: number(key) };
                self.effects.push_back(Effect::Record(Kind::Server(balancer, event)));
            }
            (_, None) => {}
        }
        let told = self.sockets.world().map_or(Ok(()), |world| world.begin_flow(from, balancer, chosen));
        self.fails(told);
    }

    /// A connection through a balancer is over at both ends.
    pub(super) fn flow_ended(&mut self, key: ConnectionKey, balancer: u32, server: u32, from: Option<SocketAddr>) {
        let event = server::Event::FlowEnded { connection: number(key) };
        self.effects.push_back(Effect::Record(Kind::Server(balancer, event)));
        self.effects.push_back(Effect::FlowEnded { balancer, server });
        let over = |from| self.sockets.world().map_or(Ok(()), |world| world.end_flow(from, balancer));
        let told = from.map_or(Ok(()), over);
        self.fails(told);
    }

    /// A balancer's process is gone, and its flows with it. Nobody is told.
    pub(super) fn forget_flows(&mut self, balancer: u32) {
        if self.rewrites(balancer) {
            self.connections.values_mut().for_each(|connection| {
                connection.relay.take_if(|of| *of == balancer);
            });
            let told = self.sockets.world().map_or(Ok(()), |world| world.forget_flows(balancer));
            self.fails(told);
        }
    }

    /// A balancer cuts its flows to a server: both ends have an RST.
    pub(crate) fn cut_flows(&mut self, balancer: u32, server: u32) {
        let is_cut = |connection: &Connection| connection.relay == Some(balancer) && connection.server == server;
        for key in self.keys(is_cut) {
            if let Some(connection) = self.connections.get_mut(&key) {
                connection.relay = None;
                self.flow_ended(key, balancer, server, None);
            }
        }
        let told = self.sockets.world().map_or(Ok(()), |world| world.cut_flows(balancer, server));
        self.fails(told);
    }

    /// A server's process stands still, or goes on: packets for others are no exception.
    pub(super) fn stand_still(&self, server: u32, still: bool) {
        if let Some(world) = self.sockets.world().filter(|_| self.rewrites(server)) {
            world.hang(server, still);
        }
    }

    fn fails(&mut self, told: io::Result<()>) {
        if let Err(error) = told {
            self.effects.push_back(Effect::Fail(error));
        }
    }
}

/// A connection's number in the events of its balancer.
fn number(key: ConnectionKey) -> u32 {
    key.0 as u32
}
