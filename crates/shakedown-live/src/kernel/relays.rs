//! Balancers that rewrite addresses (NAT), as the wire has them: what comes to one goes on to the server that its connection
//! was given, with that server's address instead of the balancer's, and what comes back has the balancer's again.
//!
//! Which server a connection gets is for the balancer's machine to say, which the engine has: a SYN waits for its answer.

use std::collections::BTreeMap;

use shakedown_core::scenario::Scenario;
use shakedown_core::server::Forwarding;

use super::hosts::{Flow, Hosts};

/// Where a packet has its source, and where its destination (RFC 791 section 3.1).
pub(super) const SOURCE: usize = 12;
pub(super) const DESTINATION: usize = 16;
/// Where the header of IP has its checksum, and that of TCP.
const IP_SUM: usize = 10;
const TCP_SUM: usize = 16;

/// Of each server, whether its host rewrites addresses.
pub(super) fn rewriting(scenario: &Scenario) -> Vec<bool> {
    let rewrites = |group: usize| {
        let balancing = scenario.groups()[group].balancer();
        balancing.is_some_and(|balancing| balancing.forwarding == Forwarding::Nat)
    };
    scenario.servers().iter().map(|server| rewrites(server.group)).collect()
}

/// What the engine says to the wire about them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    /// A SYN goes on to this server; without one it is refused.
    Begin(Flow, Option<u32>),
    /// A connection is over at both ends: its address may be used again.
    Over(Flow),
    /// A balancer has lost all of its flows.
    Forget(u32),
    /// A balancer ends its flows to a server, with RST to both ends.
    Cut { balancer: u32, server: u32 },
}

/// A connection through a balancer.
#[derive(Debug, Clone, Copy)]
struct Target {
    server: u32,
    /// Whether the balancer still has it.
    known: bool,
    over: bool,
}

/// What becomes of a packet at a balancer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It goes on, to this server.
    On(u32),
    /// It is a SYN, and somebody has to say where it goes.
    Ask,
    /// The balancer's own kernel answers: it knows no such connection.
    Own,
}

/// The flows of every balancer.
#[derive(Debug)]
pub(super) struct Relays {
    rewrites: Vec<bool>,
    /// By the connection as its client has it, which is one to the balancer.
    flows: BTreeMap<Flow, Target>,
    /// The balancer of each, by the connection as its server has it.
    balancers: BTreeMap<Flow, u32>,
}

impl Relays {
    /// Those of a scenario that has such balancers.
    pub(super) fn new(scenario: &Scenario) -> Option<Relays> {
        let rewrites = rewriting(scenario);
        let any = rewrites.contains(&true);
        any.then(|| Relays { rewrites, flows: BTreeMap::new(), balancers: BTreeMap::new() })
    }

    /// Whether a server's host rewrites addresses.
    pub(super) fn rewrites(&self, server: u32) -> bool {
        self.rewrites[server as usize]
    }

    /// Through which balancer a server's packets of a connection go back.
    pub(super) fn way_back(&self, flow: Flow) -> Option<u32> {
        self.balancers.get(&flow).copied()
    }

    /// A connection as its client has it.
    pub(super) fn dialled(&self, flow: Flow) -> Flow {
        match self.way_back(flow) {
            Some(balancer) => Flow { server: Hosts::server_ip(balancer).to_bits(), ..flow },
            None => flow,
        }
    }

    /// What becomes of a packet to a balancer.
    pub(super) fn forward(&self, flow: Flow, begins: bool) -> Turn {
        match self.flows.get(&flow) {
            // A repeated SYN belongs to the flow of the first; the next connection may have the same port.
            Some(target) if target.known && !(begins && target.over) => Turn::On(target.server),
            _ if begins => Turn::Ask,
            _ => Turn::Own,
        }
    }

    /// Whether a balancer still has the connection that a server's packet belongs to.
    pub(super) fn has(&self, dialled: Flow) -> bool {
        self.flows.get(&dialled).is_some_and(|target| target.known)
    }

    /// A connection to a balancer goes to this server from now on.
    pub(super) fn begin(&mut self, dialled: Flow, balancer: u32, server: u32) {
        self.flows.insert(dialled, Target { server, known: true, over: false });
        self.balancers.insert(behind(dialled, server), balancer);
    }

    pub(super) fn over(&mut self, dialled: Flow) {
        if let Some(target) = self.flows.get_mut(&dialled) {
            target.over = true;
        }
    }

    /// A balancer's flows are lost: all of them, or those to a server. Which of those it had, with their servers.
    pub(super) fn forget(&mut self, balancer: u32, only: Option<u32>) -> Vec<Flow> {
        let address = Hosts::server_ip(balancer).to_bits();
        let of_it = |flow: &Flow, target: &Target| {
            flow.server == address && target.known && only.is_none_or(|only| only == target.server)
        };
        let lost = self.flows.iter_mut().filter(|(flow, target)| of_it(flow, target));
        let lost = lost.map(|(flow, target)| {
            target.known = false;
            *flow
        });
        lost.collect()
    }

    /// Where a connection went, even where its balancer has forgotten that.
    pub(super) fn server(&self, dialled: Flow) -> Option<u32> {
        self.flows.get(&dialled).map(|target| target.server)
    }
}

/// A connection as its server has it.
pub(super) fn behind(dialled: Flow, server: u32) -> Flow {
    Flow { server: Hosts::server_ip(server).to_bits(), ..dialled }
}

/// Writes another address into a packet of TCP, and what that makes of its checksums (RFC 1624 section 3).
pub(super) fn rewrite(packet: &mut [u8], at: usize, address: u32) {
    let tcp = usize::from(packet[0] & 15) * 4;
    let new = address.to_be_bytes();
    for half in [0, 2] {
        let old = [packet[at + half], packet[at + half + 1]];
        let now = [new[half], new[half + 1]];
        for sum in [IP_SUM, tcp + TCP_SUM] {
            let before = u16::from_be_bytes([packet[sum], packet[sum + 1]]);
            let after = adjusted(before, u16::from_be_bytes(old), u16::from_be_bytes(now));
            packet[sum..sum + 2].copy_from_slice(&after.to_be_bytes());
        }
        packet[at + half..at + half + 2].copy_from_slice(&now);
    }
}

fn adjusted(sum: u16, old: u16, new: u16) -> u16 {
    let mut all = u32::from(!sum) + u32::from(!old) + u32::from(new);
    while all > 0xffff {
        all = (all & 0xffff) + (all >> 16);
    }
    !(all as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::PacketBuilder;

    const DIALLED: Flow = Flow { client: (0x0a80_0001, 40_000), server: 0x0a00_0001 };

    #[test]
    fn a_packet_with_another_address_is_as_if_it_had_been_made_with_it() {
        let packet = |from: [u8; 4], to: [u8; 4]| {
            let mut bytes = Vec::new();
            let builder = PacketBuilder::ipv4(from, to, 64).tcp(40_000, 8_080, 0xffff_fff0, 512);
            builder.write(&mut bytes, b"an odd number of bytes!").unwrap();
            bytes
        };
        for to in [[10, 0, 0, 2], [10, 0, 255, 255], [255, 255, 0, 0]] {
            let mut sent = packet([10, 128, 0, 1], [10, 0, 0, 1]);
            rewrite(&mut sent, DESTINATION, u32::from_be_bytes(to));
            assert_eq!(sent, packet([10, 128, 0, 1], to));
            rewrite(&mut sent, SOURCE, 0x0a00_0001);
            assert_eq!(sent, packet([10, 0, 0, 1], to));
        }
    }

    #[test]
    fn a_flow_lasts_until_its_balancer_forgets_it_or_its_port_comes_again() {
        let rewrites = vec![true, false, false];
        let mut relays = Relays { rewrites, flows: BTreeMap::new(), balancers: BTreeMap::new() };
        assert_eq!((relays.forward(DIALLED, true), relays.forward(DIALLED, false)), (Turn::Ask, Turn::Own));
        relays.begin(DIALLED, 0, 2);
        assert_eq!((relays.forward(DIALLED, true), relays.forward(DIALLED, false)), (Turn::On(2), Turn::On(2)));
        let back = behind(DIALLED, 2);
        assert_eq!((relays.way_back(back), relays.dialled(back), relays.has(DIALLED)), (Some(0), DIALLED, true));
        relays.over(DIALLED);
        assert_eq!((relays.forward(DIALLED, true), relays.forward(DIALLED, false)), (Turn::Ask, Turn::On(2)));
        relays.begin(DIALLED, 0, 1);
        assert_eq!(relays.forget(0, Some(2)), []);
        assert_eq!(relays.forget(0, Some(1)), [DIALLED]);
        assert_eq!(relays.forget(0, None), [], "it is lost already");
        assert_eq!((relays.forward(DIALLED, true), relays.forward(DIALLED, false)), (Turn::Ask, Turn::Own));
        assert_eq!((relays.has(DIALLED), relays.server(DIALLED)), (false, Some(1)));
    }
}
