//! What the network asks, and what it is told.

use std::io;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};

use shakedown_core::driver::stage::Peer;
use shakedown_core::event::Kind;
use shakedown_core::machine::{ConnectionId, EndpointId};
use shakedown_core::network::Direction;
use shakedown_core::time::Nanos;
use tokio::net::{TcpListener, TcpStream};

use super::connection::{ConnectionKey, Notice};
use crate::stream::StreamEvent;

/// What the network asks of whoever has the machines.
#[derive(Debug)]
pub(crate) enum Effect {
    /// The machine at the end of a way is told something, if it still listens.
    Notify(ConnectionKey, Direction, Notice),
    /// A server's process has accepted a connection: it wants a number for it.
    Accepted(ConnectionKey),
    /// What its TLS has to say leaves, after what the machine says to the notice before.
    Flush(ConnectionKey, Direction),
    /// A connection that went through a balancer that rewrites addresses is over.
    FlowEnded { balancer: u32, server: u32 },
    /// A session's lookup is over, with the servers that were found, if any, and how long they may be kept.
    Answered { session: u32, c: ConnectionId, from: SocketAddr, servers: Option<(Vec<EndpointId>, Nanos)> },
    /// Something happened.
    Record(Kind),
    /// The run cannot go on.
    Fail(io::Error),
}

/// Whom a notice is for: a machine, and its number for the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Listener {
    Opener(Peer, ConnectionId),
    Server(u32, ConnectionId),
}

/// What is due in the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A SYN comes to the host that it is for.
    Syn { key: ConnectionKey },
    /// Something comes to an end of a connection.
    Arrival { key: ConnectionKey, way: Direction },
    /// Something comes to the next limit of bandwidth on its way.
    Hop { number: u32 },
    /// What a partition held up is sent again.
    Retransmission { key: ConnectionKey, way: Direction },
}

/// What the sockets' tasks have to say.
#[derive(Debug)]
pub(crate) enum SocketInput<'a> {
    /// A port is open.
    Listening(u32, Rc<TcpListener>),
    /// A kernel has completed a connection to a server.
    Accepted(u32, TcpStream, SocketAddr),
    /// A connect has its address.
    Bound(ConnectionKey, SocketAddr),
    Connected(ConnectionKey),
    NotConnected(ConnectionKey, io::Error),
    /// A socket was read, at the end of a way.
    Read(ConnectionKey, Direction, StreamEvent<'a>),
    /// The answer to a session's lookup, asked from an address; empty where none came.
    Answered(u32, ConnectionId, SocketAddr, &'a [u8]),
    Failed(io::Error),
}

/// Whoever owns the network: its sockets' tasks notify it.
pub(crate) trait Owner {
    fn handle(&self, input: SocketInput<'_>);
}

/// The owner of a network that has ended, or has not begun.
pub(super) struct Nobody;

impl Owner for Nobody {
    fn handle(&self, _: SocketInput<'_>) {}
}

/// Notifies a network's owner, if there still is one.
pub(super) fn notify_owner(owner: &Weak<dyn Owner>, input: SocketInput<'_>) {
    if let Some(owner) = owner.upgrade() {
        owner.handle(input);
    }
}
