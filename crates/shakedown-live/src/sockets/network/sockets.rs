//! Real sockets and the real clock, by tokio.

use std::cell::Cell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::kernel::World;
use crate::stream::ByteStream;
use shakedown_core::driver::pipes::Initiator;
use shakedown_core::time::Timestamp;

/// The machine's own network.
#[derive(Debug)]
pub(crate) struct Sockets {
    start: Cell<Instant>,
    share: Share,
    alarm: Alarm,
    /// Where every host has a network of its own.
    world: Option<World>,
}

/// Which client hosts a thread has: every `of`th.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    pub number: u32,
    pub of: u32,
}

impl Share {
    /// All of them.
    pub(crate) const ALL: Share = Share { number: 0, of: 1 };
}

impl Sockets {
    pub(crate) fn new(share: Share, world: Option<World>) -> io::Result<Sockets> {
        Ok(Sockets { alarm: Alarm::new()?, start: Cell::new(Instant::now()), share, world })
    }

    /// Time begins at that instant.
    pub(crate) fn begin(&self, start: Instant) {
        self.start.set(start);
    }

    /// The hosts, where each has a network of its own.
    pub(crate) fn world(&self) -> Option<&World> {
        self.world.as_ref()
    }

    /// Does something on a server's host, if it has one of its own.
    pub(crate) fn at_server<T>(&self, server: u32, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match &self.world {
            Some(world) => world.at_server(server, act),
            None => act(),
        }
    }

    /// A socket of whoever opens a connection, at its own address.
    pub(crate) fn socket_of(&self, place: Initiator, to: SocketAddr) -> io::Result<TcpSocket> {
        match place {
            Initiator::Server(server) => self.at_server(server, || socket(to)),
            Initiator::Client { .. } => socket(to),
        }
    }
}

/// A socket of the calling thread's network.
fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }
}

impl Sockets {
    /// Time since the run began.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(u64::try_from(self.start.get().elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// Whether the sessions of a group's client host of this number are this loop's to play; if not, they are another's.
    pub(crate) fn has(&self, host: u32) -> bool {
        host % self.share.of == self.share.number
    }

    /// Waits for a moment; wakes up early at no one's loss.
    pub(crate) async fn sleep_until(&self, at: Timestamp) {
        self.alarm.ring_in(Duration::from_nanos(at.since(self.now()).0)).await;
    }

    /// Opens a server's port with this backlog.
    pub(crate) fn listen(&self, server: u32, at: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
        let socket = self.at_server(server, || socket(at))?;
        // A server that is started again finds its port in use by what its clients have not closed yet.
        socket.set_reuseaddr(true)?;
        socket.bind(at)?;
        socket.listen(backlog)
    }

    /// The next connection, and who opened it.
    pub(crate) async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok((stream, peer))
    }

    /// Connects, from a source address if one is given; `bound` is told the own address as soon as it is known.
    pub(crate) async fn connect(
        socket: TcpSocket,
        from: Option<IpAddr>,
        to: SocketAddr,
        bound: impl FnOnce(SocketAddr),
    ) -> io::Result<TcpStream> {
        if let Some(from) = from {
            socket.bind(SocketAddr::new(from, 0))?;
            bound(socket.local_addr()?);
        }
        let stream = socket.connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl ByteStream for TcpStream {
    fn reset_on_drop(&self) {
        // Where it can't be set, the connection has ended already.
        let _ = self.set_zero_linger();
    }
}

/// A timer that is as exact as the kernel's: tokio's own rounds up to whole milliseconds.
#[cfg(target_os = "linux")]
#[derive(Debug)]
struct Alarm(tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>);

#[cfg(target_os = "linux")]
impl Alarm {
    fn new() -> io::Result<Alarm> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        #[expect(deprecated, reason = "it trusts that the descriptor stays open, which an owned one does")]
        let timer = tokio::io::unix::AsyncFd::new(timer)?;
        Ok(Alarm(timer))
    }

    async fn ring_in(&self, length: Duration) {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
        let none = Timespec { tv_sec: 0, tv_nsec: 0 };
        // Zero would turn the timer off.
        let length = length.clamp(Duration::from_nanos(1), Duration::from_secs(3_600));
        let value = Timespec { tv_sec: length.as_secs() as i64, tv_nsec: i64::from(length.subsec_nanos()) };
        let spec = Itimerspec { it_interval: none, it_value: value };
        if timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &spec).is_err() {
            return tokio::time::sleep(length).await;
        }
        // Setting it has emptied it; it is readable once it rings, or was when it rang unheard.
        if let Ok(mut guard) = self.0.readable().await {
            guard.clear_ready();
        }
    }
}

/// The timer of other systems.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
struct Alarm;

#[cfg(not(target_os = "linux"))]
impl Alarm {
    fn new() -> io::Result<Alarm> {
        Ok(Alarm)
    }

    async fn ring_in(&self, length: Duration) {
        tokio::time::sleep(length).await;
    }
}
