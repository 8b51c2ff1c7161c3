//! What the wire does at the hosts of balancers that rewrite addresses.

use shakedown_core::driver::pipes::Initiator;
use shakedown_core::network::Direction;
use shakedown_core::time::Timestamp;

use super::super::hosts::{Fate, Flow, Hosts, Segment};
use super::super::relays::{self, DESTINATION, Order, SOURCE, Turn};
use super::super::resets;
use super::{Packet, Path, Wire};

impl Wire {
    /// A packet is at a host. One that is for a balancer's connections goes on from there; any other is returned.
    pub(super) fn turn(&mut self, packet: Packet, at: Initiator, due: Timestamp) -> Option<Packet> {
        let Initiator::Server(balancer) = at else { return Some(packet) };
        let Some(relays) = self.relays.as_ref().filter(|relays| relays.rewrites(balancer)) else { return Some(packet) };
        let segment = packet.segment;
        let of_a_flow = segment.to_server || relays.way_back(segment.flow) == Some(balancer);
        if !of_a_flow {
            // An answer to what the balancer opened itself: a check.
            return Some(packet);
        }
        if self.shared.is_hung(balancer) {
            self.told.silent += 1;
            self.note(&packet, due, Fate::Cut);
            return None;
        }
        if !segment.to_server {
            self.pass_back(packet, balancer, due);
            return None;
        }
        match relays.forward(segment.flow, segment.begins()) {
            Turn::Own => return Some(packet),
            Turn::On(server) => self.pass(packet, balancer, server, due),
            Turn::Ask => {
                let flow = segment.flow;
                if self.asked.insert(flow, packet).is_none() {
                    self.shared.ask(flow);
                }
            }
        }
        None
    }

    /// A packet goes on from its balancer to its server.
    fn pass(&mut self, packet: Packet, balancer: u32, server: u32, now: Timestamp) {
        let Packet { mut segment, mut bytes, .. } = packet;
        segment.flow = relays::behind(segment.flow, server);
        relays::rewrite(&mut bytes, DESTINATION, segment.flow.server);
        self.leave(self.path_between(Initiator::Server(balancer), server, true), segment, bytes, now);
    }

    /// A packet goes back from its balancer to its client. A balancer that has lost its flow tells the server so (RFC 9293
    /// section 3.10.7.1).
    fn pass_back(&mut self, packet: Packet, balancer: u32, now: Timestamp) {
        let Packet { mut segment, mut bytes, path, .. } = packet;
        let Some(relays) = &self.relays else { return };
        let flow = relays.dialled(segment.flow);
        if relays.has(flow) {
            let Some(client) = self.hosts.place(flow.client.0) else { return };
            segment.flow = flow;
            relays::rewrite(&mut bytes, SOURCE, flow.server);
            self.leave(self.path_between(client, balancer, false), segment, bytes, now);
        } else if let Some(reset) = resets::answer(&segment) {
            self.inject(Path { way: Direction::ToServer, ..path }, reset, now);
        }
    }

    /// A packet that no host made leaves for the end of a path.
    fn inject(&mut self, path: Path, bytes: Vec<u8>, now: Timestamp) {
        if let Some(segment) = Segment::read(&bytes) {
            self.leave(path, segment, bytes, now);
        }
    }

    /// Does what balancers say.
    pub(super) fn obey(&mut self) {
        let now = self.now();
        for order in self.shared.orders() {
            let Some(relays) = &mut self.relays else { return };
            match order {
                Order::Begin(flow, chosen) => {
                    let Some(packet) = self.asked.remove(&flow) else { continue };
                    let balancer = packet.path.server;
                    if let Some(server) = chosen {
                        relays.begin(flow, balancer, server);
                    }
                    match chosen {
                        // It has lost its power meanwhile.
                        _ if !self.shared.is_on(balancer) => {}
                        Some(server) => self.pass(packet, balancer, server, now),
                        // No process listens there: its kernel refuses it.
                        None => self.hand_over(Initiator::Server(balancer), &packet.bytes),
                    }
                }
                Order::Over(flow) => relays.over(flow),
                Order::Forget(balancer) => drop(relays.forget(balancer, None)),
                Order::Cut { balancer, server } => {
                    for flow in relays.forget(balancer, Some(server)) {
                        self.cut(flow, balancer, server, now);
                    }
                }
            }
        }
    }

    /// A balancer ends a flow: an RST to each end leaves there.
    fn cut(&mut self, flow: Flow, balancer: u32, server: u32, now: Timestamp) {
        let packets = self.resets.as_mut().map(|resets| resets.packets(flow)).unwrap_or_default();
        let Some(client) = self.hosts.place(flow.client.0) else { return };
        for (way, mut packet) in packets {
            let to_server = way == Direction::ToServer;
            let caller = if to_server { Initiator::Server(balancer) } else { client };
            if to_server {
                relays::rewrite(&mut packet, DESTINATION, Hosts::server_ip(server).to_bits());
            }
            let path = self.path_between(caller, if to_server { server } else { balancer }, to_server);
            self.inject(path, packet, now);
        }
    }
}
