//! Programs, which are servers or do what faults do: how they are started, signalled, and ended.
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
use shakedown_core::scenario::Scenario;

/// How long a program may take to listen before the run begins, and how often it is tried.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(20);

/// What starts a program, as the leader of a process group of its own.
pub type Start = Arc<dyn Fn() -> io::Result<Child> + Send + Sync>;

/// A program that is a server.
#[derive(Clone)]
pub struct Program {
    /// The server's name.
    pub name: String,
    /// Where it is told to listen.
    pub address: SocketAddr,
    /// Whether it listens there; if not, it is not waited for, and may end with success.
    pub listens: bool,
    /// Starts it.
    pub start: Start,
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program").field("name", &self.name).field("address", &self.address).finish_non_exhaustive()
    }
}

/// What a fault runs on a server's host.
#[derive(Clone)]
pub struct FaultCommand {
    /// What messages call it.
    pub name: String,
    /// When the fault begins.
    pub begin: Start,
    /// When it heals, if anything.
    pub heal: Option<Start>,
}

impl fmt::Debug for FaultCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultCommand").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The commands that faults ran. Each may have left something running, which ends with the run.
#[derive(Debug, Default)]
pub(super) struct Commands(Vec<(Running, String, bool)>);

impl Commands {
    pub(crate) fn add(&mut self, command: Running, name: &str) {
        self.0.push((command, name.to_string(), false));
    }

    /// The first that failed since it was last asked.
    pub(crate) fn failed(&mut self) -> Option<io::Error> {
        for (running, name, over) in self.0.iter_mut().filter(|(.., over)| !over) {
            if let Some(status) = running.ended() {
                *over = true;
                if !status.success() {
                    return Some(io::Error::other(format!("{name}: its command failed ({status})")));
                }
            }
        }
        None
    }
}

/// A program that runs; dropped, it is killed with all that it started.
#[derive(Debug)]
pub(super) struct Running(Child);

impl Running {
    pub(crate) fn start(name: &str, start: &Start) -> io::Result<Running> {
        let failed = |error: io::Error| io::Error::new(error.kind(), format!("{name} can't be started: {error}"));
        start().map(Running).map_err(failed)
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

/// Starts every program, group by group in the order of the scenario's file, so that one may check those before it from the
/// beginning. Each is on its own host where there is a world of them.
pub(super) fn start(
    scenario: &Scenario,
    programs: &BTreeMap<u32, Program>,
    world: Option<&World>,
) -> io::Result<BTreeMap<u32, Running>> {
    let mut running = BTreeMap::new();
    if let Some(world) = world.filter(|_| !programs.is_empty()) {
        world.carry_before(scenario)?;
    }
    let group = |number: u32| scenario.servers()[number as usize].group;
    let all: Vec<(u32, &Program)> = programs.iter().map(|(number, program)| (*number, program)).collect();
    for members in all.chunk_by(|(one, _), (other, _)| group(*one) == group(*other)) {
        start_group(members, world, &mut running)?;
    }
    Ok(running)
}

/// Starts programs, and waits until all of them listen: a connection to each is made for that, and closed.
fn start_group(
    programs: &[(u32, &Program)],
    world: Option<&World>,
    running: &mut BTreeMap<u32, Running>,
) -> io::Result<()> {
    for (number, program) in programs {
        running.insert(*number, at_server(world, *number, || Running::start(&program.name, &program.start))?);
    }
    let until = Instant::now() + PATIENCE;
    for (number, program) in programs.iter().filter(|(_, program)| program.listens) {
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
    Ok(())
}

fn at_server<T>(world: Option<&World>, server: u32, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    match world {
        Some(world) => world.at_server(server, act),
        None => act(),
    }
}
