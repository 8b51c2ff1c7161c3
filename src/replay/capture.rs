//! The traffic of sessions as a capture file (pcapng), as captured at the clients' interfaces.
//!
//! Each transmission of a client appears when it leaves, also if it is lost; each message to a client appears when it
//! arrives. Acknowledgement numbers count what had arrived. Bare acknowledgements are not simulated; those that a
//! client's kernel sends at once are written all the same, because TCP is hard to read without them.

use std::collections::BTreeMap;

use etherparse::{PacketBuilder, TcpOptionElement};

use super::blocks::{File, Packet};
use super::trace::Trace;
use crate::client::Event;
use crate::event::Kind;
use crate::handshake::Mode;
use crate::machine::EndpointId;
use crate::record::{Fate, Flag, Message, Party};
use crate::scenario::Scenario;
use crate::time::Timestamp;
use crate::tls::{self, Flight};

/// The most that one segment carries: what Ethernet leaves to it.
const MSS: usize = 1_460;
/// Never filled, as receivers read at once.
const WINDOW: u16 = u16::MAX;
const TTL: u8 = 64;

/// TLS records (RFC 8446 section 5.1): a header, and behind what is sealed its type and a tag of 16 bytes.
const RECORD: usize = 5;
const SEAL: usize = 17;
const APPLICATION_DATA: u8 = 23;
/// The longest.
const RECORD_MAX: usize = 1 << 14;

/// Writes the capture.
pub fn pcapng(scenario: &Scenario, variant: Option<&str>, traces: &[Trace]) -> Vec<u8> {
    let mut file = File::default();
    let variant = variant.map_or(String::new(), |variant| format!(", variant {variant}"));
    file.begin(&format!("{}, seed {}{variant}: {}", scenario.name(), scenario.seed().0, scenario.title()));
    let mut names = BTreeMap::new();
    let mut packets = Vec::new();
    for trace in traces {
        for flow in flows(scenario, trace) {
            let (group, _) = scenario.clients().get_index(usize::from(trace.group)).expect("its group");
            names.insert(flow.client, format!("{group}-{}", trace.index));
            names.insert(flow.server, scenario.servers()[flow.to as usize].name.clone());
            flow.packets(trace.end, &mut packets);
        }
    }
    file.names(&names);
    packets.sort_by_key(|packet| packet.at);
    for packet in &packets {
        file.packet(packet);
    }
    file.take()
}

/// One TCP connection of a client.
struct Flow<'a> {
    client: [u8; 4],
    server: [u8; 4],
    /// The server's number.
    to: u32,
    ports: (u16, u16),
    /// Which TLS the server speaks, if it does.
    tls: tls::Version,
    /// Initial sequence numbers, the client's and the server's.
    initial: [u32; 2],
    pieces: Vec<Piece<'a>>,
}

/// A message with its place in the byte stream.
struct Piece<'a> {
    message: &'a Message,
    from_client: bool,
    /// Counted from the initial sequence number.
    begins: u32,
    ends: u32,
    payload: Vec<u8>,
}

/// The connections that a session's client made, in order.
fn flows<'a>(scenario: &Scenario, trace: &'a Trace) -> Vec<Flow<'a>> {
    let mut flows: Vec<(u32, Flow<'a>)> = Vec::new();
    for message in &trace.messages {
        let (from_client, to) = match (message.from, message.to) {
            (Party::Client, Party::Server(server)) => (true, server),
            (Party::Server(server), Party::Client) => (false, server),
            // Behind a balancer, which a client does not see.
            _ => continue,
        };
        if message.flag == Flag::Syn && from_client {
            let port = 49_152 + (flows.len() % 16_384) as u16;
            let flow = Flow {
                client: address([172, 16, 0, 0], message.session),
                server: address([10, 0, 0, 0], to),
                to,
                ports: (port, 0),
                tls: scenario.tls(EndpointId(reached(trace, message.connection).unwrap_or(to))),
                initial: [clock(message.transmissions[0].left), 0],
                pieces: Vec::new(),
            };
            flows.push((message.connection, flow));
        }
        let known = flows.iter_mut().rev().find(|(number, flow)| *number == message.connection && flow.to == to);
        if let Some((_, flow)) = known {
            flow.add(message, from_client);
        }
    }
    let offers_tls = scenario.clients()[usize::from(trace.group)].mode == Mode::TlsUpgrade;
    for (_, flow) in &mut flows {
        flow.ports.1 = flow.port(scenario, offers_tls);
    }
    flows.into_iter().map(|(_, flow)| flow).collect()
}

/// The server that a connection is to reach, be it by a proxy or not.
fn reached(trace: &Trace, number: u32) -> Option<u32> {
    trace.events.iter().find_map(|event| match event.kind {
        Kind::Session(_, Event::AttemptStarted { connection, endpoint } | Event::Raced { connection, endpoint })
            if connection == number =>
        {
            Some(endpoint)
        }
        _ => None,
    })
}

/// The address with this number in a network.
fn address(network: [u8; 4], number: u32) -> [u8; 4] {
    (u32::from_be_bytes(network) + 1 + number).to_be_bytes()
}

/// Initial sequence numbers count 4 µs (RFC 9293 section 3.4.1).
fn clock(at: Timestamp) -> u32 {
    (at.0 / 4_000) as u32
}

impl<'a> Flow<'a> {
    fn add(&mut self, message: &'a Message, from_client: bool) {
        let payload = if message.flag == Flag::Data { self.payload(message) } else { Vec::new() };
        let last = self.pieces.iter().rev().find(|piece| piece.from_client == from_client);
        let begins = last.map_or(0, |piece| piece.ends);
        let length = match message.flag {
            Flag::Syn | Flag::SynAck | Flag::Fin => 1,
            Flag::Data => payload.len() as u32,
            Flag::Rst => 0,
        };
        if message.flag == Flag::SynAck {
            self.initial[1] = clock(message.transmissions[0].left);
        }
        self.pieces.push(Piece { message, from_client, begins, ends: begins.wrapping_add(length), payload });
    }

    /// Whether TLS has begun.
    fn is_secure(&self) -> bool {
        self.pieces.iter().any(|piece| Flight::read(&piece.message.bytes).is_some())
    }

    /// What is on the wire: what is sealed has no content here, as there is no cryptography.
    fn payload(&self, message: &Message) -> Vec<u8> {
        if let Some(flight) = Flight::read(&message.bytes) {
            return self.flight(flight, &message.bytes[..RECORD], message.payload);
        }
        if !self.is_secure() {
            return without_credentials(&message.bytes);
        }
        let mut bytes = Vec::new();
        for part in message.bytes.chunks(RECORD_MAX) {
            let [high, low] = ((part.len() + SEAL) as u16).to_be_bytes();
            bytes.extend([APPLICATION_DATA, 3, 3, high, low]);
            bytes.resize(bytes.len() + part.len() + SEAL, 0);
        }
        bytes
    }

    /// A flight of a TLS handshake: one message that fills the record, with whatever else it consists of as padding
    /// (RFC 7685), or as the content of a message that no one reads without keys.
    fn flight(&self, flight: Flight, record: &[u8], length: usize) -> Vec<u8> {
        const NEWEST: [u8; 2] = [3, 4];
        const OLDER: [u8; 2] = [3, 3];
        let (kind, hello): (u8, &[u8]) = match (flight, self.tls) {
            // No earlier session; two cipher suites; no compression.
            (Flight::ClientHello { .. }, _) => (1, &[0, 0, 4, 0x13, 0x01, 0xc0, 0x2b, 1, 0]),
            (Flight::ServerHello { .. }, tls::Version::V1_3) => (2, &[0, 0x13, 0x01, 0]),
            (Flight::ServerHello { .. }, _) => (2, &[0, 0xc0, 0x2b, 0]),
            // ClientKeyExchange, and NewSessionTicket.
            (Flight::ClientFinished, _) => (16, &[]),
            (Flight::ServerFinished { .. }, _) => (4, &[]),
        };
        let mut bytes = record.to_vec();
        let [_, high, middle, low] = ((length - RECORD - 4) as u32).to_be_bytes();
        bytes.extend([kind, high, middle, low]);
        if !hello.is_empty() {
            // The version that all can read, and a random number.
            bytes.extend(OLDER);
            bytes.extend([0; 32]);
            bytes.extend(hello);
            // supported_versions (RFC 8446 section 4.2.1), and padding.
            let versions = match (kind, self.tls) {
                (1, _) => [&[0, 43, 0, 5, 4][..], &NEWEST, &OLDER].concat(),
                (_, tls::Version::V1_3) => [&[0, 43, 0, 2][..], &NEWEST].concat(),
                _ => Vec::new(),
            };
            let left = length - RECORD - 4 - 34 - hello.len() - 2;
            bytes.extend((left as u16).to_be_bytes());
            let padding = left - versions.len() - 4;
            bytes.extend(versions);
            bytes.extend([0, 21]);
            bytes.extend((padding as u16).to_be_bytes());
        }
        bytes.resize(length, 0);
        bytes
    }

    /// A proxy's, HTTPS's where TLS comes first or would have, else HTTP's.
    fn port(&self, scenario: &Scenario, offers_tls: bool) -> u16 {
        let first = self.pieces.iter().find(|piece| piece.message.flag == Flag::Data);
        let is_proxy = scenario.groups()[scenario.servers()[self.to as usize].group].is_proxy();
        match first {
            _ if is_proxy => 3_128,
            Some(piece) if Flight::read(&piece.message.bytes).is_some() => 443,
            // A connection that came to nothing.
            None if !self.tls.is_none() && !offers_tls => 443,
            _ => 80,
        }
    }

    /// How far one side had all that the other sent, at a moment; `None` before anything came.
    fn arrived(&self, from_client: bool, at: Timestamp) -> Option<u32> {
        let there = |piece: &&Piece<'_>| {
            let fate = piece.message.transmissions.iter().map(|sent| sent.fate);
            fate.into_iter().any(|fate| matches!(fate, Fate::Arrived(then) if then <= at))
        };
        let pieces = self.pieces.iter().filter(|piece| piece.from_client == from_client);
        pieces.take_while(there).last().map(|piece| piece.ends)
    }

    fn packets(&self, end: Timestamp, packets: &mut Vec<Packet>) {
        // When, whether it leaves (what arrives comes first: it may be what is answered), its piece, which transmission.
        let mut order = Vec::new();
        for (place, piece) in self.pieces.iter().enumerate() {
            for (number, sent) in piece.message.transmissions.iter().enumerate() {
                match (piece.from_client, sent.fate) {
                    (true, _) => order.push((sent.left, true, place, number)),
                    // Without any latency there is no telling from times.
                    (false, Fate::Arrived(at)) => order.push((at, at == sent.left, place, number)),
                    (false, _) => {}
                }
            }
        }
        order.retain(|(at, ..)| *at <= end);
        order.sort();
        let mut acknowledged = None;
        let mut reset = false;
        for (i, &(at, _, place, number)) in order.iter().enumerate() {
            let piece = &self.pieces[place];
            self.segments(piece, at, number, packets);
            reset |= piece.message.flag == Flag::Rst;
            let arrived = self.arrived(false, at);
            if piece.from_client {
                if piece.message.flag != Flag::Syn {
                    acknowledged = arrived;
                }
                continue;
            }
            let more = order[i + 1..].iter().take_while(|(then, ..)| *then == at);
            let said_anyway = more.clone().any(|(_, _, other, _)| self.pieces[*other].from_client);
            let last_now = !more.clone().any(|(_, _, other, _)| !self.pieces[*other].from_client);
            if !reset && !said_anyway && last_now && arrived.is_some() && arrived != acknowledged {
                acknowledged = arrived;
                let mut sent = self.pieces.iter().filter(|piece| piece.from_client);
                let sent = sent.rfind(|piece| piece.message.transmissions[0].left <= at);
                packets.push(self.packet(
                    at,
                    true,
                    sent.map_or(0, |piece| piece.ends),
                    arrived,
                    Flag::Data,
                    (&[], false),
                ));
            }
        }
    }

    /// One transmission of a piece, in as many segments as it takes.
    fn segments(&self, piece: &Piece<'_>, at: Timestamp, number: usize, packets: &mut Vec<Packet>) {
        let message = piece.message;
        let sent = message.transmissions[number];
        let knows = if piece.from_client { at } else { sent.left };
        let acknowledges = self.arrived(!piece.from_client, knows);
        let parts: Vec<&[u8]> = if piece.payload.is_empty() { vec![&[]] } else { piece.payload.chunks(MSS).collect() };
        let mut begins = piece.begins;
        for (left, part) in (0..parts.len()).rev().zip(parts) {
            let mut packet = self.packet(at, piece.from_client, begins, acknowledges, message.flag, (part, left == 0));
            let repeated = (number > 0).then(|| format!("transmission {}", number + 1));
            let fate = match sent.fate {
                Fate::Lost => Some("lost on its way".to_string()),
                Fate::Unanswered => Some("nobody answers".to_string()),
                Fate::Arrived(_) | Fate::UnderWay => None,
            };
            let said: Vec<String> = repeated.into_iter().chain(fate).collect();
            packet.comment = Some(said.join(", ")).filter(|said| !said.is_empty());
            packets.push(packet);
            begins = begins.wrapping_add(part.len() as u32);
        }
    }

    fn packet(
        &self,
        at: Timestamp,
        from_client: bool,
        begins: u32,
        acknowledges: Option<u32>,
        flag: Flag,
        (payload, push): (&[u8], bool),
    ) -> Packet {
        let [own, other] = if from_client { self.initial } else { [self.initial[1], self.initial[0]] };
        let (from, to) = if from_client { (self.client, self.server) } else { (self.server, self.client) };
        let (near, far) = if from_client { self.ports } else { (self.ports.1, self.ports.0) };
        let mut builder = PacketBuilder::ipv4(from, to, TTL).tcp(near, far, own.wrapping_add(begins), WINDOW);
        // All but a first SYN acknowledges something.
        if flag != Flag::Syn
            && let Some(end) = acknowledges
        {
            builder = builder.ack(other.wrapping_add(end));
        }
        builder = match flag {
            Flag::Syn | Flag::SynAck => builder
                .syn()
                .options(&[TcpOptionElement::MaximumSegmentSize(MSS as u16)])
                .expect("one option of four bytes"),
            Flag::Fin => builder.fin(),
            Flag::Rst => builder.rst(),
            Flag::Data if push => builder.psh(),
            Flag::Data => builder,
        };
        let mut bytes = Vec::with_capacity(builder.size(payload.len()));
        builder.write(&mut bytes, payload).expect("a vector takes what fits into a packet");
        Packet { at, bytes, comment: None }
    }
}

/// A message whose credentials are covered, letter for letter: what a capture shows, others may see.
fn without_credentials(bytes: &[u8]) -> Vec<u8> {
    let mut shown = bytes.to_vec();
    for line in shown.split_mut(|byte| *byte == b'\n') {
        let end = if line.ends_with(b"\r") { line.len() - 1 } else { line.len() };
        let line = &mut line[..end];
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = line.split_at_mut(colon);
        if name.eq_ignore_ascii_case(b"authorization") || name.eq_ignore_ascii_case(b"proxy-authorization") {
            // The scheme says nothing that is secret.
            let from = value.iter().skip(2).position(|byte| *byte == b' ').map_or(value.len(), |space| space + 3);
            value[from..].fill(b'*');
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_covered_and_nothing_moves() {
        let request = b"GET / HTTP/1.1\r\nHost: a:1\r\nproxy-authorization: Basic YTpi\r\nAuthorization: Digest x=\"y\", z\r\n\r\n";
        let shown =
            "GET / HTTP/1.1\r\nHost: a:1\r\nproxy-authorization: Basic ****\r\nAuthorization: Digest ********\r\n\r\n";
        assert_eq!(String::from_utf8(without_credentials(request)).unwrap(), shown);
        let frame = [0x81, 5, b'a', b':', b'\n', b'b', 0xff];
        assert_eq!(without_credentials(&frame), frame);
    }
}
