//! A connection between two ends of a run, or from an end of it to somebody outside.

use std::collections::VecDeque;
use std::net::SocketAddr;

use shakedown_core::driver::pipes;
use shakedown_core::driver::stage::Peer;
use shakedown_core::machine::{CloseMode, ConnectError, ConnectionId, Input};
use shakedown_core::network::{Direction, Rto, SERVER};
use shakedown_core::rng::Identity;
use shakedown_core::time::{Nanos, Timestamp};

use super::tls::End;
use crate::stream::StreamHandle;

/// A connection's number; none is used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConnectionKey(pub u64);

/// Something on its way.
#[derive(Debug)]
pub(super) enum Segment {
    Connected,
    Failed(ConnectError),
    /// The ACK that completes a connect.
    Accepted,
    Bytes(Vec<u8>),
    Eof,
    Reset,
    /// A client's end, on its way to a program.
    Closed(CloseMode),
}

/// What the machine at an end of a connection is told.
#[derive(Debug)]
pub(crate) enum Notice {
    Connected,
    Failed(ConnectError),
    Hello(bool),
    Secured(bool),
    SecureFailed,
    Received(Vec<u8>),
    Eof,
    Reset,
}

impl Notice {
    /// As the machine hears it, by its own number for the connection.
    pub(crate) fn input(&self, c: ConnectionId) -> Input<'_> {
        match self {
            Notice::Connected => Input::Connected(c),
            Notice::Failed(why) => Input::ConnectFailed(c, *why),
            Notice::Hello(resumed) => Input::Hello(c, *resumed),
            Notice::Secured(resumed) => Input::Secured(c, *resumed),
            Notice::SecureFailed => Input::SecureFailed(c),
            Notice::Received(bytes) => Input::Received(c, bytes),
            Notice::Eof => Input::Eof(c),
            Notice::Reset => Input::Reset(c),
        }
    }

    /// Whether its end is over with it.
    pub(crate) fn is_last(&self) -> bool {
        matches!(self, Notice::Failed(_) | Notice::Reset)
    }
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(super) struct HalfConnection {
    /// The socket at its end.
    pub stream: Option<StreamHandle>,
    pub one_way: Nanos,
    /// The latest arrival: nothing overtakes what left before it.
    pub last: Timestamp,
    pub segments: VecDeque<(Timestamp, Segment)>,
    /// Bytes on their way.
    pub bytes: usize,
    /// The timer of what met a partition.
    pub stalled: Option<Rto>,
}

impl HalfConnection {
    /// Whether something is on its way.
    pub(super) fn is_busy(&self) -> bool {
        !self.segments.is_empty()
    }

    /// Nothing arrives any more, nor is anything waited for.
    pub(super) fn forget(&mut self) {
        self.clear();
        self.stalled = None;
    }

    /// Nobody hears of it any more.
    pub(super) fn clear(&mut self) {
        self.segments.clear();
        self.bytes = 0;
    }
}

/// The server's end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerEnd {
    /// Its process has not heard of it.
    None,
    Accepted,
    Closed,
}

/// Who opens a connection, and from where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opener {
    pub peer: Peer,
    /// Its number for the connection.
    pub number: ConnectionId,
    /// Its host's place in the network.
    pub place: pipes::Initiator,
    /// What is drawn for its messages is keyed by this.
    pub identity: Identity,
    /// Its host, as servers see it.
    pub host: Identity,
}

/// A connection, or what is to become one.
#[derive(Debug)]
pub(super) struct Connection {
    /// A stranger's has none.
    pub opener: Option<Opener>,
    /// Where a balancer rewrites addresses: the one behind that, once it has chosen.
    pub server: u32,
    /// That balancer, as long as it knows of it.
    pub relay: Option<u32>,
    /// The link that it goes over.
    pub route: u16,
    /// What is drawn for it is keyed by this.
    pub identity: Identity,
    /// Where it comes from, as servers see it.
    pub host: Identity,
    pub address: Option<SocketAddr>,
    pub opened: Timestamp,
    /// How often the SYN was repeated.
    pub syns: usize,
    pub messages: u64,
    /// The client's end is up.
    pub client_up: bool,
    /// How long the connect took if no SYN was repeated.
    pub round_trip: Option<Nanos>,
    pub client_closed: bool,
    pub server_end: ServerEnd,
    /// The server's number for it, once that has been told of it.
    pub server_number: Option<u32>,
    /// Its server is a program, and has the other socket.
    pub of_program: bool,
    pub to_server: HalfConnection,
    pub to_client: HalfConnection,
    /// Its ends' TLS.
    pub client_tls: Option<Box<End>>,
    pub server_tls: Option<Box<End>>,
    pub connecting: Option<tokio::task::AbortHandle>,
}

impl Connection {
    pub(super) fn new(
        now: Timestamp,
        server: u32,
        opener: Option<Opener>,
        identity: Identity,
        host: Identity,
    ) -> Connection {
        Connection {
            opener,
            server,
            relay: None,
            route: 0,
            identity,
            host,
            address: None,
            opened: now,
            syns: 0,
            messages: 0,
            client_up: false,
            round_trip: None,
            client_closed: opener.is_none(),
            server_end: ServerEnd::None,
            server_number: None,
            of_program: false,
            to_server: HalfConnection::default(),
            to_client: HalfConnection::default(),
            client_tls: None,
            server_tls: None,
            connecting: None,
        }
    }

    /// Who opened it, as network events write it.
    pub(super) fn code(&self) -> u32 {
        match self.opener.map(|opener| opener.peer) {
            Some(Peer::Session(session)) => session,
            Some(Peer::Server(server)) => server | SERVER,
            None => 0,
        }
    }

    pub(super) fn direction(&mut self, way: Direction) -> &mut HalfConnection {
        match way {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }

    /// The TLS of the end that sends this way, if it has any.
    pub(super) fn tls_of(&mut self, way: Direction) -> Option<&mut End> {
        match way {
            Direction::ToServer => self.client_tls.as_deref_mut(),
            Direction::ToClient => self.server_tls.as_deref_mut(),
        }
    }

    pub(super) fn one_way(&self, way: Direction) -> Nanos {
        match way {
            Direction::ToServer => self.to_server.one_way,
            Direction::ToClient => self.to_client.one_way,
        }
    }

    /// The number that keys the draws of the last message.
    pub(super) fn ordinal(&self) -> u64 {
        self.opener.map_or(0, |opener| u64::from(opener.number.0)) << 16 | (self.messages & 0xffff)
    }

    /// The timer of what it sends.
    pub(super) fn rto(&self) -> Rto {
        let ways = Nanos(self.to_server.one_way.0 + self.to_client.one_way.0);
        Rto::new(self.round_trip.unwrap_or(ways))
    }

    /// The client's socket is connected.
    pub(super) fn is_up(&self) -> bool {
        self.to_client.stream.is_some() && self.connecting.is_none()
    }

    /// Whether both ends are up, as far as the client knows.
    pub(super) fn is_established(&self) -> bool {
        self.client_up && !self.client_closed && self.server_end != ServerEnd::Closed
    }

    /// Whether the machine at the end of a way hears no more of it.
    pub(super) fn is_deaf(&self, way: Direction) -> bool {
        match way {
            Direction::ToServer => self.server_end == ServerEnd::Closed,
            Direction::ToClient => self.client_closed,
        }
    }

    /// The client's end is closed: its machine hears no more.
    pub(super) fn close_client(&mut self, how: CloseMode) {
        self.client_closed = true;
        self.to_client.clear();
        if let Some(task) = self.connecting.take() {
            task.abort();
        }
        if let Some(stream) = self.to_client.stream.take() {
            stream.close(how);
        }
    }

    /// The opener's end is, as its process is gone: its kernel does what it does then.
    pub(super) fn kill_client(&mut self) {
        let unread = self.to_client.is_busy();
        if let Some(stream) = self.to_client.stream.take_if(|_| !unread) {
            stream.kill();
        }
        // What had come, and was not read, is known here alone.
        self.close_client(CloseMode::Reset);
    }

    /// The server's end is: at once, where its process is killed.
    pub(super) fn close_server(&mut self, how: Option<CloseMode>) {
        self.server_end = ServerEnd::Closed;
        let unread = self.to_server.is_busy();
        self.to_server.clear();
        if let Some(stream) = self.to_server.stream.take() {
            match how {
                Some(how) => stream.close(how),
                // Its kernel does what it does; what had come, and was not read, is known here alone.
                None if unread => stream.close(CloseMode::Reset),
                None => stream.kill(),
            }
        }
    }

    /// Ends it without a word to anyone.
    pub(super) fn kill(&self) {
        for stream in [&self.to_client.stream, &self.to_server.stream].into_iter().flatten() {
            stream.kill();
        }
    }
}
