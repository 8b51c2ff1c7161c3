//! Servers that are programs: how they are started, signalled, and ended.
//!
//! What comes from such a server is delayed as from any other (`network/delivery.rs`). What goes there is delayed before it is
//! sent, because its socket is the program's.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::kernel::World;

/// How long a program may take to listen before the run begins, and how often it is tried.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(20);

/// What starts a program, as the leader of a process group of its own.
type Start = Arc<dyn Fn() -> io::Result<Child> + Send + Sync>;

/// A program that is a server.
#[derive(Clone)]
pub struct Program {
    /// The server's name.
    pub name: String,
    /// Where it is told to listen.
    pub address: SocketAddr,
    /// Starts it.
    pub start: Start,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("name", &self.name).field("address", &self.address).finish_non_exhaustive()
    }
}

/// A program that runs; dropped, it is killed with all that it started.
#[derive(Debug)]
pub(super) struct Running(Child);

impl Running {
    pub(crate) fn start(program: &Program) -> io::Result<Running> {
        let failed =
            |error: io::Error| io::Error::new(error.kind(), format!("{} can't be started: {error}", program.name));
        (program.start)().map(Running).map_err(failed)
    }

    /// Whoever has ended hears no signal.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(group) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, signal);
        }
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().ok().flatten()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        // It is no more, or about to be.
        let _ = self.0.wait();
    }
}

/// Starts every program, and waits until all of them listen: a connection to each is made for that, and closed.
/// Each is on its own host where there is a world of them.
pub(super) fn start(programs: &BTreeMap<u32, Program>, world: Option<&World>) -> io::Result<BTreeMap<u32, Running>> {
    let mut running = BTreeMap::new();
    for (number, program) in programs {
        running.insert(*number, at_server(world, *number, || Running::start(program))?);
    }
    let until = Instant::now() + PATIENCE;
    for (number, program) in programs {
        let name = &program.name;
        let listens = || TcpStream::connect_timeout(&program.address, LOOK.max(Duration::from_secs(1)));
        while at_server(world, *number, listens).is_err() {
            if let Some(status) = running.get_mut(number).and_then(Running::ended) {
                let message = format!("{name} ended ({status}) before it listened on {}", program.address);
                return Err(io::Error::other(message));
            }
            if Instant::now() > until {
                let message = format!("{name} does not listen on {} after {} s", program.address, PATIENCE.as_secs());
                return Err(io::Error::other(message));
            }
            std::thread::sleep(LOOK);
        }
    }
    Ok(running)
}

fn at_server<T>(world: Option<&World>, server: u32, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    match world {
        Some(world) => world.at_server(server, act),
        None => act(),
    }
}
