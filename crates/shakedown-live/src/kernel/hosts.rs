//! The addresses of a scenario's hosts.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use shakedown_core::driver::pipes::Initiator;
use shakedown_core::driver::stage::ClientHosts;
use shakedown_core::network::Message;
use shakedown_core::rng::Identity;
use shakedown_core::scenario::Scenario;
use shakedown_core::time::Timestamp;

/// The port that every server listens on. No kernel chooses it for a client.
pub(super) const PORT: u16 = 8080;
/// Servers begin here, clients there, and those are as many.
const SERVERS: u32 = Ipv4Addr::new(10, 0, 0, 1).to_bits();
const CLIENTS: u32 = Ipv4Addr::new(10, 128, 0, 0).to_bits();
pub(super) const CLIENTS_PREFIX: u8 = 9;
/// Each server takes a network namespace and a device, of which a machine has many, but not any number.
pub(crate) const SERVERS_MAX: usize = 250;
/// How many client hosts there are addresses for.
pub(crate) const CLIENTS_MAX: u64 = (1 << (32 - CLIENTS_PREFIX)) - 2;

/// Every host of a scenario, by address.
#[derive(Debug)]
pub(super) struct Hosts {
    /// The number of the first host of each client group, and of the one after the last.
    firsts: Vec<u32>,
    clients: Vec<ClientHosts>,
    servers: Vec<Identity>,
}

/// How many hosts a scenario's clients are.
pub(crate) fn client_hosts(scenario: &Scenario) -> u64 {
    scenario.clients().values().map(|group| u64::from(group.hosts.unwrap_or(group.count))).sum()
}

impl Hosts {
    pub(super) fn new(scenario: &Scenario) -> Hosts {
        let mut firsts = vec![0];
        for group in scenario.clients().values() {
            firsts.push(firsts[firsts.len() - 1] + group.hosts.unwrap_or(group.count));
        }
        let servers = scenario.servers().iter().map(|server| Identity::group(&server.name)).collect();
        Hosts { firsts, clients: ClientHosts::of(scenario), servers }
    }

    /// The address of the clients' network.
    pub(super) fn network() -> Ipv4Addr {
        Ipv4Addr::from_bits(CLIENTS)
    }

    pub(super) fn server_ip(number: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(SERVERS + number)
    }

    pub(super) fn server(number: u32) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(Hosts::server_ip(number)), PORT)
    }

    pub(super) fn address(&self, place: Initiator) -> IpAddr {
        match place {
            Initiator::Server(server) => Hosts::server(server).ip(),
            // The first is that of the network.
            Initiator::Client { group, host } => {
                IpAddr::V4(Ipv4Addr::from_bits(CLIENTS + 1 + self.firsts[usize::from(group)] + host))
            }
        }
    }

    /// Every host's name, by address.
    pub(super) fn names(&self, scenario: &Scenario) -> BTreeMap<[u8; 4], String> {
        let clients = scenario.clients().keys().zip(self.firsts.windows(2)).flat_map(|(name, bounds)| {
            let first = CLIENTS + 1 + bounds[0];
            (0..bounds[1] - bounds[0]).map(move |host| (first + host, format!("{name}-{host}")))
        });
        let servers = (SERVERS..).zip(scenario.servers()).map(|(address, server)| (address, server.name.clone()));
        clients.chain(servers).map(|(address, name)| (address.to_be_bytes(), name)).collect()
    }

    /// Whose address it is.
    pub(super) fn place(&self, address: u32) -> Option<Initiator> {
        if let Some(number) = address.checked_sub(CLIENTS + 1) {
            let group = self.firsts.partition_point(|first| *first <= number) - 1;
            let host = number - self.firsts[group];
            return (group < self.clients.len()).then_some(Initiator::Client { group: group as u16, host });
        }
        let server = address.checked_sub(SERVERS)?;
        ((server as usize) < self.servers.len()).then_some(Initiator::Server(server))
    }

    /// What a host's latency is drawn by.
    pub(super) fn identity(&self, place: Initiator) -> Identity {
        match place {
            Initiator::Server(server) => self.servers[server as usize],
            Initiator::Client { group, host } => self.clients[usize::from(group)].host_of(host),
        }
    }
}

/// A packet's connection: the host that opened it, and the server that it was opened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Flow {
    /// Address and port of the opener.
    pub client: (u32, u16),
    pub server: u32,
}

/// What the wire reads of a TCP segment over IPv4.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub flow: Flow,
    pub to_server: bool,
    pub flags: u8,
    pub seq: u32,
    pub ack: u32,
    pub payload: u32,
}

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

impl Segment {
    /// Reads a packet; anything else than TCP over IPv4 is none.
    pub(super) fn read(packet: &[u8]) -> Option<Segment> {
        let long = |at: usize| Some(u32::from_be_bytes(packet.get(at..at + 4)?.try_into().ok()?));
        let short = |at: usize| Some(u16::from_be_bytes(packet.get(at..at + 2)?.try_into().ok()?));
        let first = *packet.first()?;
        if first >> 4 != 4 || *packet.get(9)? != 6 {
            return None;
        }
        let (from, to) = (long(12)?, long(16)?);
        let tcp = usize::from(first & 15) * 4;
        let (from_port, to_port) = (short(tcp)?, short(tcp + 2)?);
        let to_server = to_port == PORT;
        let flow = match to_server {
            true => Flow { client: (from, from_port), server: to },
            false => Flow { client: (to, to_port), server: from },
        };
        let headers = tcp + usize::from(*packet.get(tcp + 12)? >> 4) * 4;
        let payload = usize::from(short(2)?).saturating_sub(headers) as u32;
        Some(Segment {
            flow,
            to_server,
            flags: *packet.get(tcp + 13)?,
            seq: long(tcp + 4)?,
            ack: long(tcp + 8)?,
            payload,
        })
    }

    pub(super) fn is_syn(&self) -> bool {
        self.flags & SYN != 0
    }

    /// Whether it asks for a connection.
    pub(super) fn begins(&self) -> bool {
        self.is_syn() && self.to_server
    }

    pub(super) fn is_reset(&self) -> bool {
        self.flags & RST != 0
    }

    pub(super) fn acknowledges(&self) -> bool {
        self.flags & ACK != 0
    }

    /// What it is in the words of events; a mere acknowledgement is none of them.
    pub(super) fn message(&self) -> Option<Message> {
        match (self.is_syn(), self.to_server) {
            (true, true) => Some(Message::Syn),
            (true, false) => Some(Message::SynAck),
            _ if self.payload == 0 && self.flags & (FIN | RST) == 0 => None,
            (false, true) => Some(Message::ToServer),
            (false, false) => Some(Message::ToClient),
        }
    }

    /// The number of what follows it in its stream.
    pub(super) fn next_seq(&self) -> u32 {
        let takes = u32::from(self.is_syn()) + u32::from(self.flags & FIN != 0);
        self.seq.wrapping_add(self.payload + takes)
    }
}

/// What the wire did to a message of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Note {
    pub at: Timestamp,
    /// The address and port of whoever opened it.
    pub client: SocketAddr,
    /// The server at the end of the way that it was on.
    pub server: u32,
    pub message: Message,
    pub fate: Fate,
}

/// Why a message does not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Lost,
    QueueFull,
    /// A partition was before the host that it was for, or that has no power.
    Cut,
}

#[cfg(test)]
mod tests {
    use super::*;
    use shakedown_scenario::Overrides;

    const SCENARIO: &str = "format = 1\ntitle = 't'\nduration = '1s'\n\
        [clients.a]\ncount = 3\nendpoints = ['s']\narrive = 'at_once'\n\
        [clients.b]\ncount = 4\nhosts = 2\nendpoints = ['s']\narrive = 'at_once'\n[servers.s]\ncount = 2\n";

    #[test]
    fn every_host_has_an_address_and_is_found_by_it() {
        let scenario = shakedown_scenario::load("t", "t", SCENARIO, &Overrides::default()).unwrap();
        let hosts = Hosts::new(&scenario);
        assert_eq!(client_hosts(&scenario), 5);
        let clients = |group, hosts| (0..hosts).map(move |host| Initiator::Client { group, host });
        let all: Vec<Initiator> = clients(0, 3).chain(clients(1, 2)).chain([0, 1].map(Initiator::Server)).collect();
        let bits = |place| match hosts.address(place) {
            IpAddr::V4(address) => address.to_bits(),
            IpAddr::V6(_) => unreachable!(),
        };
        for place in &all {
            assert_eq!(hosts.place(bits(*place)), Some(*place));
        }
        for nobody in [CLIENTS, CLIENTS + 6, SERVERS + 2, SERVERS - 1, 0] {
            assert_eq!(hosts.place(nobody), None, "{}", Ipv4Addr::from_bits(nobody));
        }
    }

    #[test]
    fn a_segment_is_read() {
        let mut packet = vec![0x45, 0, 0, 52, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 128, 0, 1];
        packet.extend([0x1f, 0x90, 0x9c, 0x40, 0, 0, 0, 7, 0, 0, 0, 9, 0x50, FIN | ACK, 0, 0, 0, 0, 0, 0]);
        packet.extend([0; 12]);
        let segment = Segment::read(&packet).unwrap();
        assert_eq!(segment.flow, Flow { client: (CLIENTS + 1, 40_000), server: SERVERS });
        assert_eq!((segment.to_server, segment.flags, segment.seq, segment.ack), (false, FIN | ACK, 7, 9));
        assert_eq!((segment.payload, segment.next_seq()), (12, 20));
        assert!(Segment::read(&packet[..30]).is_none());
        packet[9] = 17;
        assert!(Segment::read(&packet).is_none());
    }
}
