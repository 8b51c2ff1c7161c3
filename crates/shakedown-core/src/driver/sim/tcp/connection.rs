//! A simulated TCP connection, both ends of it.

use super::segment::StallPoint;
use crate::network::{Direction, HOST, Rto, SERVER};
use crate::time::{Nanos, Timestamp};

/// No connection.
pub(crate) const NONE: u32 = u32::MAX;

/// Peer opened a connection: a session, a server, or a client host for the streams of its sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PeerId(u32);

/// A [`PeerId`], told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    Session(u32),
    Server(u32),
    Host(u32),
}

impl PeerId {
    pub(crate) fn session(session: u32) -> PeerId {
        PeerId(session)
    }

    pub(crate) fn server(server: u32) -> PeerId {
        PeerId(server | SERVER)
    }

    pub(crate) fn host(host: u32) -> PeerId {
        PeerId(host | HOST)
    }

    #[inline]
    pub(crate) fn who(self) -> Peer {
        match self.0 {
            session if session < HOST => Peer::Session(session),
            host if host < SERVER => Peer::Host(host & !HOST),
            server => Peer::Server(server & !SERVER),
        }
    }

    /// As network events write it.
    pub(crate) fn code(self) -> u32 {
        self.0
    }
}

/// The end that opened it: a client's, or that of a server which calls another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientEnd {
    /// SYN sent.
    Connecting,
    /// Up.
    Open,
    /// Closed, refused or given up: its caller hears no more of it.
    Closed,
}

/// The server's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerEnd {
    /// The SYN has not arrived, or was not accepted.
    None,
    /// SYN-ACK sent. The ACK that completes the connection travels with the client's first bytes.
    HalfOpen,
    /// In the accept queue of a process that does not accept.
    Queued,
    /// Accepted: the server machine has it.
    Accepted,
    /// Closed by the server.
    Closed,
    /// Forgotten by its host: whatever arrives is answered with RST.
    Gone,
}

/// In [`Connection::flags`]: it goes through a balancer's host.
const RELAYED: u8 = 1 << 7;
/// There too, a bit for each way: its kernel no longer repeats what was sent that way.
const GIVEN_UP: u8 = 1 << 4;
/// There too: it is a stream of an HTTP/2 connection ([`super::carriers`]).
const STREAM: u8 = 1 << 6;

/// One connection: one line of a processor's cache.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Connection {
    /// Nanoseconds: when its first SYN left; once it is up, the round trip of its connect.
    clock: u64,
    /// Toward the server.
    pub one_way: Nanos,
    /// Latest arrival scheduled in each direction: a stream is never reordered.
    pub last_to_server: Timestamp,
    pub last_to_client: Timestamp,
    pub caller: PeerId,
    /// The caller's number for it.
    pub client_number: u32,
    pub server: u32,
    /// The server's number for it, once accepted.
    pub server_number: u32,
    /// The session's connection before this one that is still in use.
    pub older: u32,
    /// Items in the queue, or held at the server, that name this connection.
    pub in_flight: u32,
    /// Messages sent in either direction: keys their jitter.
    pub messages: u16,
    /// Which link it goes over.
    pub route: u16,
    pub syns: u8,
    /// Where data waits for a retransmission, a bit each ([`StallPoint::bit`]), [`GIVEN_UP`], [`RELAYED`] and [`STREAM`].
    flags: u8,
    pub client: ClientEnd,
    pub server_end: ServerEnd,
}

impl Connection {
    pub(crate) fn new(
        now: Timestamp,
        route: u16,
        one_way: Nanos,
        caller: PeerId,
        client_number: u32,
        server: u32,
        older: u32,
    ) -> Connection {
        Connection {
            clock: now.0,
            one_way,
            last_to_server: now,
            last_to_client: now,
            caller,
            client_number,
            server,
            server_number: NONE,
            older,
            in_flight: 0,
            messages: 0,
            route,
            syns: 1,
            flags: 0,
            client: ClientEnd::Connecting,
            server_end: ServerEnd::None,
        }
    }

    /// A stream that the client's end may use from now on.
    pub(crate) fn stream(
        now: Timestamp,
        route: u16,
        one_way: Nanos,
        caller: PeerId,
        client_number: u32,
        server: u32,
        older: u32,
    ) -> Connection {
        let entry = Connection::new(now, route, one_way, caller, client_number, server, older);
        Connection { flags: STREAM, client: ClientEnd::Open, server_end: ServerEnd::HalfOpen, ..entry }
    }

    #[inline]
    pub(crate) fn is_stream(&self) -> bool {
        self.flags & STREAM != 0
    }

    /// When its first SYN left, until it is up.
    pub(crate) fn opened(&self) -> Timestamp {
        Timestamp(self.clock)
    }

    /// It is up: the SYN that left at this moment was answered. Where it was not the first, its timestamp tells (RFC 7323
    /// section 4; Linux has it on by default).
    pub(crate) fn came_up(&mut self, now: Timestamp, left: Timestamp) {
        self.client = ClientEnd::Open;
        self.clock = now.since(left).0;
    }

    /// The timer of data that either end sends, once it is up.
    pub(crate) fn rto(&self) -> Rto {
        Rto::new(Nanos(self.clock))
    }

    /// The latest arrival scheduled in a direction.
    #[inline]
    pub(crate) fn last_mut(&mut self, way: Direction) -> &mut Timestamp {
        match way {
            Direction::ToServer => &mut self.last_to_server,
            Direction::ToClient => &mut self.last_to_client,
        }
    }

    #[inline]
    pub(crate) fn is_relayed(&self) -> bool {
        self.flags & RELAYED != 0
    }

    pub(crate) fn set_relayed(&mut self, relayed: bool) {
        self.flags = if relayed { self.flags | RELAYED } else { self.flags & !RELAYED };
    }

    /// Whether data that goes this way waits at this point.
    #[inline]
    pub(crate) fn is_stalled(&self, way: Direction, point: StallPoint) -> bool {
        self.flags & point.bit(way) != 0
    }

    /// Whether what arrives at its end waits there, or comes too late.
    #[inline]
    pub(crate) fn is_held(&self, way: Direction) -> bool {
        self.flags & (StallPoint::End.bit(way) | GIVEN_UP << way as u8) != 0
    }

    /// Whether what was sent this way, and is still under way, left no more.
    pub(crate) fn is_given_up(&self, way: Direction) -> bool {
        self.flags & GIVEN_UP << way as u8 != 0
    }

    pub(crate) fn give_up(&mut self, way: Direction) {
        self.flags |= GIVEN_UP << way as u8;
    }

    pub(crate) fn set_stalled(&mut self, way: Direction, point: StallPoint, stalled: bool) {
        let bit = point.bit(way);
        self.flags = if stalled { self.flags | bit } else { self.flags & !bit };
    }

    /// The server's kernel has it, whether its process knows or not.
    #[inline]
    pub(crate) fn is_alive_at_server(&self) -> bool {
        matches!(self.server_end, ServerEnd::HalfOpen | ServerEnd::Queued | ServerEnd::Accepted)
    }

    /// Nobody will hear of it again.
    pub(crate) fn over(&self) -> bool {
        let server_done = matches!(self.server_end, ServerEnd::None | ServerEnd::Closed | ServerEnd::Gone);
        self.in_flight == 0 && self.client == ClientEnd::Closed && server_done
    }
}
