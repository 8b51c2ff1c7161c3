//! Connections that something on the wire ends: both ends get a reset that their kernels take for the other's.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use etherparse::PacketBuilder;

use super::hosts::{Flow, PORT, Segment};
use shakedown_core::network::Direction;

/// What is known of a connection at the ends of its ways: to the server, and to the client.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// What the end acknowledged last: it takes a reset of exactly this number (RFC 5961 section 3.2).
    acknowledged: [Option<u32>; 2],
    /// What follows the last segment that arrived: the end has yet to acknowledge it, if it is whole up to there.
    arrived: [Option<u32>; 2],
}

/// The connections on a wire.
#[derive(Debug, Default)]
pub(super) struct Resets(BTreeMap<Flow, Known>);

fn index(way: Direction) -> usize {
    usize::from(way == Direction::ToClient)
}

impl Resets {
    /// A host sent a segment this way.
    pub(super) fn sent(&mut self, segment: &Segment, way: Direction) {
        if segment.is_syn() && way == Direction::ToServer {
            self.0.insert(segment.flow, Known::default());
        }
        if let Some(known) = self.0.get_mut(&segment.flow).filter(|_| segment.acknowledges()) {
            known.acknowledged[index(way.back())] = Some(segment.ack);
        }
    }

    /// A segment arrived.
    pub(super) fn arrived(&mut self, segment: &Segment, way: Direction) {
        if segment.is_reset() {
            self.0.remove(&segment.flow);
        }
        if let Some(known) = self.0.get_mut(&segment.flow) {
            let (last, next) = (&mut known.arrived[index(way)], segment.next_seq());
            if last.is_none_or(|last| next.wrapping_sub(last).cast_signed() > 0) {
                *last = Some(next);
            }
        }
    }

    /// The packets that end a connection: those to the client first. Where something is missing before what arrived, two
    /// numbers are possible, and the kernel ignores the other.
    pub(super) fn packets(&mut self, flow: Flow) -> Vec<(Direction, Vec<u8>)> {
        let Some(known) = self.0.remove(&flow) else { return Vec::new() };
        let mut packets = Vec::new();
        for way in [Direction::ToClient, Direction::ToServer] {
            let (acknowledged, arrived) = (known.acknowledged[index(way)], known.arrived[index(way)]);
            let numbers = arrived.into_iter().chain(acknowledged.filter(|number| Some(*number) != arrived));
            packets.extend(numbers.filter_map(|seq| Some((way, reset(flow, way, seq)?))));
        }
        packets
    }
}

/// What a host answers that knows no connection of a segment to a client, in the client's name; nothing to a reset (RFC 9293
/// section 3.10.7.1).
pub(super) fn answer(segment: &Segment) -> Option<Vec<u8>> {
    let answered = segment.acknowledges() && !segment.is_reset();
    if answered { reset(segment.flow, Direction::ToServer, segment.ack) } else { None }
}

fn reset(flow: Flow, way: Direction, seq: u32) -> Option<Vec<u8>> {
    let octets = |address: u32| Ipv4Addr::from_bits(address).octets();
    let ((client, port), server) = (flow.client, flow.server);
    let builder = match way {
        Direction::ToServer => PacketBuilder::ipv4(octets(client), octets(server), TTL).tcp(port, PORT, seq, 0),
        Direction::ToClient => PacketBuilder::ipv4(octets(server), octets(client), TTL).tcp(PORT, port, seq, 0),
    };
    let mut packet = Vec::with_capacity(40);
    builder.rst().write(&mut packet, &[]).ok()?;
    Some(packet)
}

const TTL: u8 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const FLOW: Flow = Flow { client: (0x0a80_0001, 40_000), server: 0x0a00_0001 };

    fn segment(flags: u8, (seq, ack): (u32, u32), payload: u32, to_server: bool) -> Segment {
        Segment { flow: FLOW, to_server, flags, seq, ack, payload }
    }

    #[test]
    fn a_reset_has_the_number_that_its_receiver_waits_for() {
        const SYN: u8 = 2;
        const ACK: u8 = 16;
        let mut resets = Resets::default();
        let mut exchange = |segment: Segment, way: Direction| {
            resets.sent(&segment, way);
            resets.arrived(&segment, way);
        };
        exchange(segment(SYN, (100, 0), 0, true), Direction::ToServer);
        exchange(segment(SYN | ACK, (500, 101), 0, false), Direction::ToClient);
        exchange(segment(ACK, (101, 501), 30, true), Direction::ToServer);
        let packets = resets.packets(FLOW);
        let numbers = packets.iter().map(|(way, packet)| {
            let read = Segment::read(packet).unwrap();
            assert!(read.is_reset() && read.flow == FLOW && read.to_server == (*way == Direction::ToServer));
            (*way, read.seq)
        });
        // The client acknowledged all that it has; the server has thirty bytes that it has not acknowledged.
        let expected = [(Direction::ToClient, 501), (Direction::ToServer, 131), (Direction::ToServer, 101)];
        assert_eq!(numbers.collect::<Vec<_>>(), expected);
        assert_eq!(resets.packets(FLOW).len(), 0, "it is over");
    }
}
