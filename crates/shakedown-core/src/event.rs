//! Everything that happens, as typed events. Every number, chart, check and digest is derived from them.
//!
//! The order of the variants below is part of the digest's meaning: their tags are written out, never derived.

mod words;

pub use crate::client::{End, Event as SessionEvent, Failure, Outcome};
pub use crate::fault::Event as FaultEvent;
pub use crate::network::Event as NetworkEvent;
pub use crate::network::dns::Event as DnsEvent;
pub use crate::server::Event as ServerEvent;
pub use words::{EventText, Field, Value, names};

use crate::client;
use crate::network::dns;
use crate::time::Timestamp;
use crate::{fault, network, server};

/// Something that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Its place among all events of the run, from 0.
    pub seq: u64,
    /// What, and whose doing.
    pub kind: Kind,
}

/// What happened, by layer, with the number of the actor it happened to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// To a session, by the driver's number for it (0, 1, 2, … in order of arrival).
    Session(u32, client::Event),
    /// To a server, by its number in the scenario.
    Server(u32, server::Event),
    /// In the network in front of a server.
    Network(u32, network::Event),
    /// By a fault, by its number in the scenario.
    Fault(u16, fault::Event),
    /// To the records of a DNS name, by its number in the scenario.
    Dns(u16, dns::Event),
}

impl Event {
    /// The canonical encoding that digests are made of. `seq` is not in it: it is the event's place in the stream.
    #[inline]
    pub fn encode(&self) -> Encoding {
        let (layer, actor, fields) = match self.kind {
            Kind::Session(session, event) => (1, session, session_event(event)),
            Kind::Server(server, event) => (2, server, server_event(event)),
            Kind::Network(server, event) => (3, server, network_event(event)),
            Kind::Fault(fault, event) => (4, u32::from(fault), fault_event(event)),
            Kind::Dns(name, event) => (5, u32::from(name), dns_event(event)),
        };
        let tags = layer | u64::from(fields.tag) << 8 | u64::from(fields.code) << 16 | u64::from(actor) << 32;
        let numbers = u64::from(fields.number) | u64::from(fields.detail) << 32;
        Encoding { words: [self.at.0, tags, numbers, fields.long.unwrap_or(0)], long: fields.long.is_some() }
    }
}

/// An encoded event: three or four words of 64 bits. The first is the time in nanoseconds; the second, from the lowest
/// bits: the layer's tag (8), the event's (8), a code (16), the actor (32); the third, two numbers (32 each); the
/// fourth, where the event has one, a duration or another long number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Encoding {
    words: [u64; 4],
    long: bool,
}

impl Encoding {
    /// The longest, in bytes.
    pub const MAX: usize = 32;

    /// Writes it, little-endian, and returns its length in bytes. What is behind that in `room` is undefined.
    #[inline]
    pub fn write(&self, room: &mut [u8; Encoding::MAX]) -> usize {
        for (place, word) in room.chunks_exact_mut(8).zip(self.words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        if self.long { 32 } else { 24 }
    }
}

/// What an event says, in the places of its encoding.
struct Fields {
    tag: u8,
    code: u16,
    number: u32,
    detail: u32,
    long: Option<u64>,
}

impl Fields {
    fn new(tag: u8, number: u32) -> Fields {
        Fields { tag, code: 0, number, detail: 0, long: None }
    }

    fn code(self, code: u16) -> Fields {
        Fields { code, ..self }
    }

    fn detail(self, detail: u32) -> Fields {
        Fields { detail, ..self }
    }

    fn long(self, long: u64) -> Fields {
        Fields { long: Some(long), ..self }
    }
}

#[inline]
fn session_event(event: client::Event) -> Fields {
    match event {
        client::Event::Scheduled { group, index } => Fields::new(1, index).code(group),
        client::Event::AttemptStarted { connection, endpoint } => Fields::new(2, connection).detail(endpoint),
        client::Event::Raced { connection, endpoint } => Fields::new(91, connection).detail(endpoint),
        client::Event::RaceLost { connection, failure } => {
            let no_port = u32::from(failure == Failure::NoPort);
            Fields::new(92, connection).code(failure.outcome() as u16).detail(no_port)
        }
        client::Event::RaceWon { connection, endpoint } => Fields::new(93, connection).detail(endpoint),
        client::Event::Connected { connection } => Fields::new(3, connection),
        client::Event::Opened { connection, endpoint } => Fields::new(4, connection).detail(endpoint),
        client::Event::Redirected { connection, status, endpoint } => {
            Fields::new(5, connection).code(status).detail(endpoint)
        }
        client::Event::AttemptFailed { connection, failure } => {
            let fields = Fields::new(6, connection).code(failure.outcome() as u16);
            let (detail, long) = match failure {
                Failure::Rejected { status, retry_after } | Failure::ProxyRejected { status, retry_after } => {
                    (u32::from(status), retry_after.map(u64::from))
                }
                Failure::Invalid(error) => (u32::from(error.code()), None),
                Failure::RedirectLimit => (1, None),
                Failure::BadLocation => (2, None),
                Failure::Unresolved => (3, None),
                Failure::NoPort => (4, None),
                Failure::Insecure
                | Failure::LookupTimeout
                | Failure::Refused
                | Failure::ConnectTimeout
                | Failure::HandshakeTimeout
                | Failure::Reset
                | Failure::Unauthorized
                | Failure::ProxyUnauthorized
                | Failure::Closed => (0, None),
            };
            Fields { long, ..fields.detail(detail) }
        }
        client::Event::Lost { connection, end } => {
            let code = if let client::End::Close(code) = end { code } else { 0 };
            Fields::new(7, connection).code(end.kind() as u16).detail(u32::from(code))
        }
        client::Event::HeartbeatAnswered { connection } => Fields::new(8, connection),
        client::Event::Retrying { delay } => Fields::new(9, 0).long(delay.0),
        client::Event::Hopping { delay } => Fields::new(90, 0).long(delay.0),
        client::Event::Secured { connection, resumed } => Fields::new(40, connection).code(u16::from(resumed)),
        client::Event::StreamBegan { connection, stream } => Fields::new(55, connection).detail(stream),
        client::Event::Resolving { connection, name } => Fields::new(45, connection).detail(name),
        client::Event::Resolved { connection, name, addresses, ttl } => {
            Fields::new(46, connection).code(addresses).detail(name).long(ttl.0)
        }
        client::Event::Found { connection, finding } => Fields::new(finding.tag(), connection),
        client::Event::Challenged { connection } => Fields::new(84, connection),
        client::Event::Tunnelled { connection } => Fields::new(50, connection),
        client::Event::ProxyChallenged { connection } => Fields::new(51, connection),
        client::Event::AskedAgain { connection } => Fields::new(86, connection),
        client::Event::Ended => Fields::new(10, 0),
        client::Event::GaveUp => Fields::new(11, 0),
    }
}

#[inline]
fn server_event(event: server::Event) -> Fields {
    match event {
        server::Event::Accepted { connection } => Fields::new(1, connection),
        server::Event::Requested { connection, queued } => Fields::new(2, connection).code(u16::from(queued)),
        server::Event::ServiceStarted { connection, waited, queued } => {
            Fields::new(4, connection).code(u16::from(queued)).long(waited.0)
        }
        server::Event::Answered { connection, status, served } => {
            Fields::new(5, connection).code(status).long(served.0)
        }
        server::Event::Wasted { connection, served } => Fields::new(6, connection).long(served.0),
        server::Event::Closed { connection } => Fields::new(7, connection),
        server::Event::TurnedAway { connection, reason, turn, queued } => {
            let code = u16::from(reason as u8) | u16::from(turn as u8) << 8;
            Fields::new(20, connection).code(code).detail(u32::from(queued))
        }
        server::Event::Expired { connection, waited } => Fields::new(21, connection).long(waited.0),
        server::Event::HeldBack { connection, reason, delay } => {
            Fields::new(22, connection).code(u16::from(reason as u8)).long(delay.0)
        }
        server::Event::Forwarded { connection, to } => Fields::new(70, connection).detail(to),
        server::Event::NotForwarded { connection } => Fields::new(71, connection),
        server::Event::FlowBegan { connection } => Fields::new(72, connection),
        server::Event::FlowEnded { connection } => Fields::new(73, connection),
        server::Event::Probed { number, queued } => Fields::new(120, number).code(u16::from(queued)),
        server::Event::ProbeAnswered { number, healthy, served } => {
            Fields::new(121, number).code(u16::from(healthy)).long(served.0)
        }
        server::Event::ProbeFailed { probe } => Fields::new(122, 0).code(u16::from(probe as u8)),
        server::Event::NotReady => Fields::new(123, 0),
        server::Event::Ready => Fields::new(124, 0),
        server::Event::OutOfMemory => Fields::new(125, 0),
        server::Event::Killed { reason } => Fields::new(126, 0).code(u16::from(reason as u8)),
        server::Event::Restarted => Fields::new(127, 0),
        server::Event::Refused { connection, resource } => Fields::new(128, connection).code(u16::from(resource as u8)),
        server::Event::Uses { resource, amount } => Fields::new(129, 0).code(u16::from(resource as u8)).long(amount),
        server::Event::CheckFailed { server } => Fields::new(74, server),
        server::Event::MarkedDown { server } => Fields::new(75, server),
        server::Event::MarkedUp { server } => Fields::new(76, server),
        server::Event::StreamOpened { connection, on } => Fields::new(85, connection).detail(on),
        server::Event::StreamClosed { connection } => Fields::new(86, connection),
        server::Event::AcceptedWithoutCredentials { connection } => Fields::new(90, connection),
        server::Event::TransactionBegan { connection } => Fields::new(91, connection),
        server::Event::TransactionEnded { connection } => Fields::new(92, connection),
        server::Event::TransactionAwaited { connection } => Fields::new(93, connection),
        server::Event::EndedByClock { connection, clock, ends, code, cause } => {
            let cause = cause.map_or(0, |fault| u32::from(fault) + 1);
            let clock = u16::from(clock as u8) | u16::from(ends as u8) << 8;
            Fields::new(110, connection).code(clock).detail(u32::from(code) | cause << 16)
        }
        server::Event::Reloaded { generation, connections } => Fields::new(111, generation).detail(connections),
        server::Event::OldClosed { connection, generation } => Fields::new(112, connection).detail(generation),
        server::Event::TimedOut { connection } => Fields::new(23, connection),
        server::Event::GoingAway { connection, code } => Fields::new(24, connection).code(code),
        server::Event::Hello { connection, resumed, queued } => {
            Fields::new(40, connection).code(u16::from(resumed) | u16::from(queued) << 8)
        }
        server::Event::HelloAnswered { connection, served } => Fields::new(41, connection).long(served.0),
        server::Event::Paused => Fields::new(60, 0),
        server::Event::Resumed => Fields::new(61, 0),
        server::Event::Joined => Fields::new(62, 0),
        server::Event::Leaving => Fields::new(63, 0),
        server::Event::Left => Fields::new(64, 0),
        server::Event::SentAway { session } => Fields::new(65, session),
        server::Event::Worked { connection, served } => Fields::new(66, connection).long(served.0),
        server::Event::Called { connection, endpoint } => Fields::new(67, connection).detail(endpoint),
        server::Event::CallEnded { connection, outcome, took } => {
            Fields::new(68, connection).code(u16::from(outcome as u8)).long(took.0)
        }
    }
}

fn network_event(event: network::Event) -> Fields {
    match event {
        network::Event::SynDropped { session, backlog_full } => Fields::new(1, session).code(u16::from(backlog_full)),
        network::Event::SynRefused { session, backlog_full } => Fields::new(3, session).code(u16::from(backlog_full)),
        network::Event::Lost { session, message, times } => {
            Fields::new(5, session).code(message_code(message)).detail(u32::from(times))
        }
        network::Event::QueueFull { session, message } => Fields::new(40, session).code(message_code(message)),
        network::Event::NoPort { session } => Fields::new(9, session),
        network::Event::AcceptOverflow { session } => Fields::new(8, session),
        network::Event::Through { session, server } => Fields::new(50, session).detail(server),
        network::Event::Stalled { session, to_server } => Fields::new(6, session).code(u16::from(to_server)),
        network::Event::Paired { session, connection } => Fields::new(12, session).detail(connection),
        network::Event::KeepaliveFailed { session, by_client } => Fields::new(11, session).code(u16::from(by_client)),
        network::Event::GivenUp { session, to_server } => Fields::new(7, session).code(u16::from(to_server)),
    }
}

fn message_code(message: network::Message) -> u16 {
    match message {
        network::Message::Syn => 1,
        network::Message::SynAck => 2,
        network::Message::ToServer => 3,
        network::Message::ToClient => 4,
    }
}

fn dns_event(event: dns::Event) -> Fields {
    match event {
        dns::Event::Listed { server } => Fields::new(1, server),
        dns::Event::Withdrawn { server } => Fields::new(2, server),
    }
}

fn fault_event(event: fault::Event) -> Fields {
    let cut = |tag: u8, cut: fault::Cut| {
        let ways = u16::from(cut.to_server) | u16::from(cut.to_client) << 1 | u16::from(cut.reversed) << 2;
        Fields::new(tag, cut.server).code(ways).detail(cut.side.code())
    };
    match event {
        fault::Event::Began { server, kind } => Fields::new(1, server).code(u16::from(kind.code())),
        fault::Event::Healed { server, kind } => Fields::new(2, server).code(u16::from(kind.code())),
        fault::Event::Drained { session } => Fields::new(3, session),
        fault::Event::Reset { session } => Fields::new(4, session),
        fault::Event::Parted(parted) => cut(30, parted),
        fault::Event::Joined(joined) => cut(31, joined),
        fault::Event::Impaired(kind, link) => cut(40, link).long(u64::from(kind.code())),
        fault::Event::Cleared(kind, link) => cut(41, link).long(u64::from(kind.code())),
    }
}
