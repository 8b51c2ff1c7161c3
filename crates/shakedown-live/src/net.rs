//! What the loop needs of a network: little enough for any that speaks tokio's traits.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;

use shakedown_core::time::Timestamp;

/// On whose host something runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A session's, by the number of its connection.
    Client(u64),
    /// A server's.
    Server(u32),
}

/// What happens to a server's host, or between hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// The process is gone, with its kernel's knowledge of it or without.
    Lost { server: u32, kernel_lives: bool },
    /// It is started anew.
    Started { server: u32 },
    /// It is stopped, or goes on.
    Hung { server: u32, hung: bool },
    /// The links that a fault is about are cut, or whole again.
    Parted { fault: u32, parted: bool },
}

/// Listeners, connections and a clock.
pub trait Net: 'static {
    /// Whether time stands still while the loop works: then what happens has the very moment that it was due at, what is
    /// sent arrives at the very moment that its way ends, and the kernels' part is played, too (`timed.rs`).
    const VIRTUAL: bool = false;

    /// A connection.
    type Stream: Transport;
    /// A listening port.
    type Listener: 'static;

    /// Time since the run began.
    fn now(&self) -> Timestamp;

    /// Starts a task on a host; the handle is missing where it can't be ended from outside.
    fn spawn(&self, place: Place, task: impl Future<Output = ()> + 'static) -> Option<AbortHandle>;

    /// Told of what happens, for programs that are none of the run's own.
    fn happened(&self, _: Act) {}

    /// Whether a program that is none of the run's own plays a session, which has just arrived.
    fn plays(&self, _group: u16, _index: u32, _session: u32) -> bool {
        false
    }

    /// Whether the sessions of a group's client host of this number are this loop's to play; if not, they are another's.
    fn has(&self, _host: u32) -> bool {
        true
    }

    /// The address of a host, where it is known beforehand.
    fn host(&self, _: Place) -> Option<IpAddr> {
        None
    }

    /// Waits for a moment; wakes up early at no one's loss.
    fn sleep_until(&self, at: Timestamp) -> impl Future<Output = ()>;

    /// Opens a port with this backlog.
    ///
    /// # Errors
    /// Where the network has none to give.
    fn listen(&self, at: SocketAddr, backlog: u32) -> impl Future<Output = io::Result<Self::Listener>>;

    /// The address of an open port.
    ///
    /// # Errors
    /// Where the network does not know.
    fn address(listener: &Self::Listener) -> io::Result<SocketAddr>;

    /// The next connection, and who opened it.
    fn accept(listener: &Self::Listener) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>>;

    /// Connects, from a source address if one is given; `bound` is told the own address as soon as it is known.
    ///
    /// # Errors
    /// What became of it.
    fn connect(
        &self,
        from: Option<IpAddr>,
        to: SocketAddr,
        bound: impl FnOnce(SocketAddr),
    ) -> impl Future<Output = io::Result<Self::Stream>>;
}

/// A stream of bytes that can be reset.
pub trait Transport: AsyncRead + AsyncWrite + Unpin + 'static {
    /// From now on, dropping it sends RST.
    fn reset_on_drop(&self);
}
