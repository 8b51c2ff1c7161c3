//! Everything that happens, as typed events. Every number, chart, check and digest is derived from them.
//!
//! The order of the variants below is part of the digest's meaning: their tags are written out, never derived.

use crate::client::{self, Failure};
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
    /// Appends the canonical encoding that digests are made of: little-endian, with explicit tags. `seq` is not
    /// written: it is the event's place in the stream.
    pub fn encode(&self, out: &mut Encoder<'_>) {
        out.u64(self.at.0);
        match self.kind {
            Kind::Session(session, event) => {
                out.tag(1, session);
                session_event(event, out);
            }
            Kind::Server(server, event) => {
                out.tag(2, server);
                server_event(event, out);
            }
            Kind::Network(server, event) => {
                out.tag(3, server);
                match event {
                    network::Event::SynDropped { session, backlog_full } => {
                        out.tag(if backlog_full { 2 } else { 1 }, session);
                    }
                    network::Event::SynRefused { session, backlog_full } => {
                        out.tag(if backlog_full { 4 } else { 3 }, session);
                    }
                    network::Event::Lost { session, message, times } => {
                        out.tag(5, session);
                        out.put([message_code(message), times]);
                    }
                    network::Event::QueueFull { session, message } => {
                        out.tag(40, session);
                        out.put([message_code(message)]);
                    }
                    network::Event::Stalled { session, to_server } => {
                        out.tag(6, session);
                        out.put([u8::from(to_server)]);
                    }
                    network::Event::Through { session, server } => {
                        out.tag(50, session);
                        out.u32(server);
                    }
                    network::Event::GivenUp { session, to_server } => {
                        out.tag(7, session);
                        out.put([u8::from(to_server)]);
                    }
                }
            }
            Kind::Dns(name, event) => {
                out.tag(5, u32::from(name));
                match event {
                    dns::Event::Listed { server } => out.tag(1, server),
                    dns::Event::Withdrawn { server } => out.tag(2, server),
                }
            }
            Kind::Fault(fault, event) => {
                out.tag(4, u32::from(fault));
                match event {
                    fault::Event::Began { server, kind } => {
                        out.tag(1, server);
                        out.put([kind.code()]);
                    }
                    fault::Event::Healed { server, kind } => {
                        out.tag(2, server);
                        out.put([kind.code()]);
                    }
                    fault::Event::Drained { session } => out.tag(3, session),
                    fault::Event::Parted(cut) => fault_cut(30, cut, out),
                    fault::Event::Joined(cut) => fault_cut(31, cut, out),
                    fault::Event::Impaired(kind, cut) => {
                        fault_cut(40, cut, out);
                        out.put([u8::from(cut.reversed), kind.code()]);
                    }
                    fault::Event::Cleared(kind, cut) => {
                        fault_cut(41, cut, out);
                        out.put([u8::from(cut.reversed), kind.code()]);
                    }
                }
            }
        }
    }
}

fn message_code(message: network::Message) -> u8 {
    match message {
        network::Message::Syn => 1,
        network::Message::SynAck => 2,
        network::Message::ToServer => 3,
        network::Message::ToClient => 4,
    }
}

fn fault_cut(tag: u8, cut: fault::Cut, out: &mut Encoder<'_>) {
    out.tag(tag, cut.server);
    out.u32(cut.side.code());
    out.put([u8::from(cut.to_server), u8::from(cut.to_client)]);
}

fn session_event(event: client::Event, out: &mut Encoder<'_>) {
    match event {
        client::Event::Scheduled { group, index } => {
            out.tag(1, index);
            out.u32(u32::from(group));
        }
        client::Event::AttemptStarted { connection, endpoint } => {
            out.tag(2, connection);
            out.u32(endpoint);
        }
        client::Event::Connected { connection } => out.tag(3, connection),
        client::Event::Opened { connection, endpoint } => {
            out.tag(4, connection);
            out.u32(endpoint);
        }
        client::Event::Redirected { connection, status, endpoint } => {
            out.tag(5, connection);
            out.u32(u32::from(status));
            out.u32(endpoint);
        }
        client::Event::AttemptFailed { connection, failure } => {
            out.tag(6, connection);
            out.tag(failure.outcome() as u8, failure_detail(failure));
            if let Failure::Rejected { retry_after: Some(seconds), .. } = failure {
                out.u32(seconds);
            }
        }
        client::Event::Lost { connection, end } => {
            out.tag(7, connection);
            let code = if let client::End::Close(code) = end { code } else { 0 };
            out.tag(end.kind() as u8, u32::from(code));
        }
        client::Event::HeartbeatAnswered { connection } => out.tag(8, connection),
        client::Event::Retrying { delay } => {
            out.tag(9, 0);
            out.u64(delay.0);
        }
        client::Event::Secured { connection, resumed } => {
            out.tag(40, connection);
            out.put([u8::from(resumed)]);
        }
        client::Event::Ended => out.tag(10, 0),
        client::Event::GaveUp => out.tag(11, 0),
        client::Event::Resolving { connection, name } => {
            out.tag(45, connection);
            out.u32(name);
        }
        client::Event::Resolved { connection, name, addresses, ttl } => {
            out.tag(46, connection);
            out.u32(name);
            out.u32(u32::from(addresses));
            out.u64(ttl.0);
        }
    }
}

fn failure_detail(failure: Failure) -> u32 {
    match failure {
        Failure::Rejected { status, retry_after } => u32::from(status) | u32::from(retry_after.is_some()) << 16,
        Failure::Invalid(error) => u32::from(error.code()),
        Failure::RedirectLimit => 1,
        Failure::BadLocation => 2,
        Failure::Unresolved => 3,
        // Beside the codes of what is invalid.
        Failure::Insecure => 1 << 8,
        Failure::LookupTimeout
        | Failure::Refused
        | Failure::ConnectTimeout
        | Failure::HandshakeTimeout
        | Failure::Reset
        | Failure::Closed => 0,
    }
}

fn server_event(event: server::Event, out: &mut Encoder<'_>) {
    match event {
        server::Event::Accepted { connection } => out.tag(1, connection),
        server::Event::Requested { connection, queued } => out.tag(if queued { 3 } else { 2 }, connection),
        server::Event::ServiceStarted { connection, waited, queued } => {
            out.tag(if queued { 8 } else { 4 }, connection);
            out.u64(waited.0);
        }
        server::Event::Answered { connection, status, served } => {
            out.tag(5, connection);
            out.u32(u32::from(status));
            out.u64(served.0);
        }
        server::Event::Wasted { connection, served } => {
            out.tag(6, connection);
            out.u64(served.0);
        }
        server::Event::Closed { connection } => out.tag(7, connection),
        server::Event::TurnedAway { connection, reason, turn, queued } => {
            out.tag(20, connection);
            out.put([reason as u8, turn as u8, u8::from(queued)]);
        }
        server::Event::Expired { connection, waited } => {
            out.tag(21, connection);
            out.u64(waited.0);
        }
        server::Event::HeldBack { connection, delay } => {
            out.tag(22, connection);
            out.u64(delay.0);
        }
        server::Event::Forwarded { connection, to } => {
            out.tag(70, connection);
            out.u32(to);
        }
        server::Event::NotForwarded { connection } => out.tag(71, connection),
        server::Event::FlowBegan { connection } => out.tag(72, connection),
        server::Event::FlowEnded { connection } => out.tag(73, connection),
        server::Event::CheckFailed { server } => out.tag(74, server),
        server::Event::MarkedDown { server } => out.tag(75, server),
        server::Event::MarkedUp { server } => out.tag(76, server),
        server::Event::TimedOut { connection } => out.tag(23, connection),
        server::Event::Hello { connection, resumed, queued } => {
            out.tag(40, connection);
            out.put([u8::from(resumed), u8::from(queued)]);
        }
        server::Event::HelloAnswered { connection, served } => {
            out.tag(41, connection);
            out.u64(served.0);
        }
        server::Event::GoingAway { connection, code } => {
            out.tag(24, connection);
            out.u32(u32::from(code));
        }
        server::Event::Worked { connection, served } => {
            out.tag(66, connection);
            out.u64(served.0);
        }
        server::Event::Called { connection, endpoint } => {
            out.tag(67, connection);
            out.u32(endpoint);
        }
        server::Event::CallEnded { connection, outcome, took } => {
            out.tag(68, connection);
            out.put([outcome as u8]);
            out.u64(took.0);
        }
        server::Event::Paused => out.tag(60, 0),
        server::Event::Resumed => out.tag(61, 0),
        server::Event::Joined => out.tag(62, 0),
        server::Event::Leaving => out.tag(63, 0),
        server::Event::Left => out.tag(64, 0),
        server::Event::SentAway { session } => out.tag(65, session),
    }
}

/// Room for one encoded event, filled from the front.
#[derive(Debug)]
pub struct Encoder<'a> {
    room: &'a mut [u8; Encoder::MAX],
    len: usize,
}

impl<'a> Encoder<'a> {
    /// No event's encoding is longer.
    pub const MAX: usize = 48;

    /// An empty one.
    pub fn new(room: &'a mut [u8; Encoder::MAX]) -> Encoder<'a> {
        Encoder { room, len: 0 }
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True before the first byte.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn put<const N: usize>(&mut self, bytes: [u8; N]) {
        self.room[self.len..self.len + N].copy_from_slice(&bytes);
        self.len += N;
    }

    fn tag(&mut self, tag: u8, number: u32) {
        self.put([tag]);
        self.u32(number);
    }

    fn u32(&mut self, value: u32) {
        self.put(value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.put(value.to_le_bytes());
    }
}
