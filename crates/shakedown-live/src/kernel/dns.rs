//! DNS (RFC 1035), as much of it as a lookup of an address takes: questions and answers as packets of UDP, and what is in them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use etherparse::PacketBuilder;
use shakedown_core::time::Nanos;

/// Where every host finds the resolver. No host of the scenario has this address.
pub(super) const RESOLVER: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 53);
pub(super) const PORT: u16 = 53;
const UDP: u8 = 17;
const TTL: u8 = 64;
/// A record with an IPv4 address, on the Internet.
const A: u16 = 1;
const INTERNET: u16 = 1;
/// It is wanted that the resolver asks others; of an answer: it is one, and the resolver would.
const QUERY: u16 = 0x0100;
const ANSWER: u16 = 0x8180;
/// There is no such name (RFC 1035 section 4.1.1).
const NO_NAME: u16 = 3;
/// Where the question begins, and a pointer to the name that it begins with (section 4.1.4).
const HEADER: usize = 12;
const NAME_THERE: u16 = 0xc000 | HEADER as u16;

/// A question that came to the resolver.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub from: SocketAddr,
    /// The name, in lower case, without a dot at its end.
    pub name: String,
    /// Whether IPv4 addresses are wanted; there are no others.
    pub of_addresses: bool,
    id: u16,
    question: Vec<u8>,
}

/// What the resolver says.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer<'a> {
    /// These addresses, which may be kept for so long.
    Addresses(&'a [Ipv4Addr], Nanos),
    NoSuchName,
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

/// A question, as a client sends it.
pub(super) fn query(id: u16, name: &str) -> Option<Vec<u8>> {
    let mut message = Vec::with_capacity(64);
    message.extend([id, QUERY, 1, 0, 0, 0].iter().flat_map(|word| word.to_be_bytes()));
    for label in name.trim_end_matches('.').split('.') {
        message.push(u8::try_from(label.len()).ok().filter(|len| (1..64).contains(len))?);
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend([A, INTERNET].iter().flat_map(|word| word.to_be_bytes()));
    Some(message)
}

/// Reads a packet; anything but a question to the resolver is none.
pub(super) fn read(packet: &[u8]) -> Option<Query> {
    if *packet.first()? >> 4 != 4 || *packet.get(9)? != UDP || packet.get(16..20)? != RESOLVER.octets() {
        return None;
    }
    let from: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
    let udp = usize::from(packet[0] & 15) * 4;
    let message = packet.get(udp + 8..)?;
    let (name, end) = name(message)?;
    let asks = short(message, 2)? >> 15 == 0 && short(message, 4)? == 1 && short(packet, udp + 2)? == PORT;
    asks.then_some(())?;
    Some(Query {
        from: SocketAddr::new(IpAddr::from(from), short(packet, udp)?),
        name,
        of_addresses: short(message, end)? == A,
        id: short(message, 0)?,
        question: message.get(HEADER..end + 4)?.to_vec(),
    })
}

/// The name that a question is about, and where it ends.
fn name(message: &[u8]) -> Option<(String, usize)> {
    let (mut name, mut at) = (String::new(), HEADER);
    loop {
        let len = usize::from(*message.get(at)?);
        let label = message.get(at + 1..at + 1 + len)?;
        at += 1 + len;
        match len {
            0 => return Some((name, at)),
            // Nothing comes before a question that it could point to.
            64.. => return None,
            _ => {
                let dot = if name.is_empty() { "" } else { "." };
                name = name + dot + &std::str::from_utf8(label).ok()?.to_ascii_lowercase();
            }
        }
    }
}

impl Query {
    /// The packet that answers it.
    pub(super) fn answered(&self, answer: Answer<'_>) -> Option<Vec<u8>> {
        let IpAddr::V4(to) = self.from.ip() else { return None };
        let (code, addresses, keep) = match answer {
            Answer::Addresses(addresses, keep) => (0, addresses, keep),
            Answer::NoSuchName => (NO_NAME, &[][..], Nanos::ZERO),
        };
        // Whole seconds: what has begun counts.
        let seconds = u32::try_from(keep.0.div_ceil(1_000_000_000)).unwrap_or(u32::MAX);
        let mut message = Vec::with_capacity(512);
        let count = u16::try_from(addresses.len()).ok()?;
        message.extend([self.id, ANSWER | code, 1, count, 0, 0].iter().flat_map(|word| word.to_be_bytes()));
        message.extend(&self.question);
        for address in addresses {
            message.extend([NAME_THERE, A, INTERNET].iter().flat_map(|word| word.to_be_bytes()));
            message.extend(seconds.to_be_bytes());
            message.extend(4_u16.to_be_bytes());
            message.extend(address.octets());
        }
        let mut packet = Vec::with_capacity(message.len() + 28);
        let builder = PacketBuilder::ipv4(RESOLVER.octets(), to.octets(), TTL).udp(PORT, self.from.port());
        builder.write(&mut packet, &message).ok()?;
        Some(packet)
    }
}

/// The addresses of an answer to the question of this number, and how long they may be kept; none where there are none.
pub(super) fn addresses(id: u16, message: &[u8]) -> Option<(Vec<Ipv4Addr>, Nanos)> {
    let (_, end) = name(message)?;
    if short(message, 0)? != id || short(message, 2)? != ANSWER {
        return None;
    }
    let (mut at, mut addresses, mut keep) = (end + 4, Vec::new(), u32::MAX);
    for _ in 0..short(message, 6)? {
        let record = message.get(at..at + 16)?;
        let seconds: [u8; 4] = record[6..10].try_into().ok()?;
        keep = keep.min(u32::from_be_bytes(seconds));
        addresses.push(Ipv4Addr::new(record[12], record[13], record[14], record[15]));
        at += 16;
    }
    let known = !addresses.is_empty();
    known.then(|| (addresses, Nanos::from_secs(u64::from(keep))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(message: &[u8], to: Ipv4Addr) -> Vec<u8> {
        let mut packet = Vec::new();
        let builder = PacketBuilder::ipv4([10, 128, 0, 1], to.octets(), TTL).udp(40_000, PORT);
        builder.write(&mut packet, message).unwrap();
        packet
    }

    #[test]
    fn a_question_is_answered() {
        let query = read(&packet(&query(7, "Game.example").unwrap(), RESOLVER)).unwrap();
        assert_eq!((query.name.as_str(), query.of_addresses, query.from.port()), ("game.example", true, 40_000));
        let servers = [Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 1)];
        let answer = query.answered(Answer::Addresses(&servers, Nanos::from_millis(4_001))).unwrap();
        let message = &answer[28..];
        assert_eq!(addresses(7, message), Some((servers.to_vec(), Nanos::from_secs(5))));
        assert_eq!(addresses(8, message), None, "another question's");
        assert_eq!(addresses(7, &message[..message.len() - 1]), None, "cut short");
        let nobody = query.answered(Answer::NoSuchName).unwrap();
        assert_eq!((addresses(7, &nobody[28..]), nobody[31] & 15), (None, 3));
    }

    #[test]
    fn what_is_no_question_is_none() {
        let message = query(7, "game").unwrap();
        assert!(read(&packet(&message, Ipv4Addr::new(10, 0, 0, 1))).is_none());
        for end in 0..message.len() {
            assert!(read(&packet(&message[..end], RESOLVER)).is_none(), "{end}");
        }
        assert!(query(7, "").is_none() && query(7, &"a".repeat(64)).is_none());
    }
}
