//! Bandwidth: a link transmits messages one at a time; others wait in a queue.

use std::fmt;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::quantity::{Bandwidth, Bytes};
use crate::shape::shaped;
use crate::time::Timestamp;

/// `access_link`: a host's connection to the network, `"100Mbit/s"` or `{ up, down, queue }`. An omitted key means no
/// limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessLink {
    /// What the host sends.
    pub up: Option<Bandwidth>,
    /// What it receives.
    pub down: Option<Bandwidth>,
    /// Size of the queue in front of either direction.
    pub queue: Option<Bytes>,
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", schemars(rename = "EachDirection"))]
struct Table {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    up: Option<Bandwidth>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    down: Option<Bandwidth>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    queue: Option<Bytes>,
}

shaped!(AccessLink, "AccessLink", |generator| shape::any([
    generator.subschema_for::<Bandwidth>(),
    generator.subschema_for::<Table>()
]));

impl Serialize for AccessLink {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            AccessLink { up: Some(up), down: Some(down), queue: None } if up == down => up.serialize(serializer),
            AccessLink { up, down, queue } => Table { up, down, queue }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for AccessLink {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<AccessLink, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = AccessLink;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a bandwidth such as \"100Mbit/s\", or { up = \"10Mbit/s\", down = \"50Mbit/s\" }")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<AccessLink, E> {
                let both = Bandwidth::deserialize(de::value::StrDeserializer::new(text))?;
                Ok(AccessLink { up: Some(both), down: Some(both), queue: None })
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<AccessLink, A::Error> {
                let Table { up, down, queue } = Table::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(AccessLink { up, down, queue })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Size of a TCP segment's headers: 20 bytes of IPv4, 20 of TCP.
const HEADERS: u64 = 40;
/// Maximum payload of a segment: Ethernet's 1500 bytes minus the headers.
const SEGMENT: u64 = 1460;

/// Bytes on the wire of a message with this payload: each segment has its headers, and a SYN, a FIN or an RST has
/// only headers. Options, acknowledgements without data and Ethernet framing are not counted.
pub fn wire_bytes(payload: usize) -> u64 {
    let payload = payload as u64;
    payload + HEADERS * payload.div_ceil(SEGMENT).max(1)
}

/// One direction of a link with a bandwidth, and the FIFO queue in front of it, which drops what does not fit (tail
/// drop).
#[derive(Debug, Clone, Copy)]
pub struct Pipe {
    /// Bits per second; none: without limit.
    rate: Option<Bandwidth>,
    /// Bytes.
    limit: u64,
    /// When the last message has been sent: whole nanoseconds, and the remainder in parts of 1 / `rate`.
    free_at: Timestamp,
    rest: u64,
}

/// Nanoseconds in a second, times bits in a byte.
const SCALE: u128 = 8_000_000_000;

impl Pipe {
    /// An idle one.
    pub fn new(rate: Option<Bandwidth>, queue: Option<Bytes>) -> Pipe {
        Pipe { rate, limit: queue.map_or(u64::MAX, |queue| queue.0), free_at: Timestamp::ZERO, rest: 0 }
    }

    /// Whether it has a bandwidth.
    pub fn is_narrow(&self) -> bool {
        self.rate.is_some()
    }

    /// Sends a message: the time of its last bit, rounded up to a nanosecond; `None` if it does not fit into the queue.
    /// The rest of the message that is being sent counts as queued; a message on an idle link needs no queue.
    pub fn enter(&mut self, now: Timestamp, bytes: u64) -> Option<Timestamp> {
        let Some(Bandwidth(rate)) = self.rate else { return Some(now) };
        let rate = u128::from(rate);
        if self.free_at < now || self.free_at == now && self.rest == 0 {
            (self.free_at, self.rest) = (now, 0);
        } else {
            let waiting = u128::from(self.free_at.since(now).0) * rate + u128::from(self.rest);
            if waiting + u128::from(bytes) * SCALE > u128::from(self.limit) * SCALE {
                return None;
            }
        }
        let units = u128::from(bytes) * SCALE + u128::from(self.rest);
        // Times longer than any run need not be distinguished.
        let whole = u64::try_from(units / rate).unwrap_or(u64::MAX);
        self.free_at = Timestamp(self.free_at.0.saturating_add(whole));
        self.rest = (units % rate) as u64;
        Some(Timestamp(self.free_at.0.saturating_add(u64::from(self.rest > 0))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipe(rate: u64, queue: Option<u64>) -> Pipe {
        Pipe::new(Some(Bandwidth(rate)), queue.map(Bytes))
    }

    #[test]
    fn headers_are_counted_per_segment() {
        for (payload, bytes) in [(0, 40), (1, 41), (1460, 1500), (1461, 1541), (14_600, 15_000)] {
            assert_eq!(wire_bytes(payload), bytes);
        }
    }

    #[test]
    fn messages_back_to_back_leave_at_the_bandwidths_pace() {
        // 1,250 bytes at 10 Mbit/s take 1 ms.
        let mut pipe = pipe(10_000_000, None);
        let at = Timestamp(500);
        let left: Vec<u64> = (0..4).map(|_| pipe.enter(at, 1_250).unwrap().0).collect();
        assert_eq!(left, [1_000_500, 2_000_500, 3_000_500, 4_000_500]);
        // Half of the fourth is left; then nothing.
        assert_eq!(pipe.enter(Timestamp(3_500_500), 1_250), Some(Timestamp(5_000_500)));
        assert_eq!(pipe.enter(Timestamp(9_000_000), 125), Some(Timestamp(9_100_000)));
    }

    #[test]
    fn parts_of_nanoseconds_add_up() {
        // 40 bytes at 30 Gbit/s take 10 2/3 ns.
        let mut pipe = pipe(30_000_000_000, None);
        let left: Vec<u64> = (0..3).map(|_| pipe.enter(Timestamp::ZERO, 40).unwrap().0).collect();
        assert_eq!(left, [11, 22, 32]);
        let mut last = 0;
        for _ in 3..3_000_000 {
            last = pipe.enter(Timestamp::ZERO, 40).unwrap().0;
        }
        assert_eq!(last, 32_000_000);
    }

    #[test]
    fn a_queue_takes_what_fits() {
        // A byte takes 1 us. The first message is under way, 1,000 wait, and one more byte is too much.
        let mut pipe = pipe(8_000_000, Some(1_500));
        assert!(pipe.enter(Timestamp::ZERO, 500).is_some());
        assert_eq!(pipe.enter(Timestamp::ZERO, 1_001), None);
        assert_eq!(pipe.enter(Timestamp::ZERO, 1_000), Some(Timestamp(1_500_000)));
        assert_eq!(pipe.enter(Timestamp(99_999), 100), None);
        assert_eq!(pipe.enter(Timestamp(100_000), 100), Some(Timestamp(1_600_000)));
        // With no room at all, a message finds the link idle or is dropped.
        let mut none = super::Pipe::new(Some(Bandwidth(8_000_000)), Some(Bytes(0)));
        assert_eq!(none.enter(Timestamp(0), 100), Some(Timestamp(100_000)));
        assert_eq!(none.enter(Timestamp(99_999), 100), None);
        assert_eq!(none.enter(Timestamp(100_000), 100), Some(Timestamp(200_000)));
    }
}
