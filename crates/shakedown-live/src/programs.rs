//! Servers that are programs: started, stopped, continued and killed, with the network to them played before their clients.
//!
//! What comes from such a server is delayed as from any other (`lines.rs`). What goes there is, too, but before it is sent: its
//! socket is the program's.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::bandwidth::Cargo;
use super::engine::Engine;
use super::lines::{Line, LineId, Parcel};
use shakedown_core::machine::CloseMode;
use shakedown_core::network::{Process, Way};

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
    fn start(program: &Program) -> io::Result<Running> {
        let failed =
            |error: io::Error| io::Error::new(error.kind(), format!("{} can't be started: {error}", program.name));
        (program.start)().map(Running).map_err(failed)
    }

    /// Whoever has ended hears no signal.
    fn signal(&self, signal: Signal) {
        if let Some(group) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, signal);
        }
    }

    /// How it ended, if it did.
    fn ended(&mut self) -> Option<ExitStatus> {
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
pub(super) fn start(programs: &BTreeMap<u32, Program>) -> io::Result<BTreeMap<u32, Running>> {
    let mut running = BTreeMap::new();
    for (number, program) in programs {
        running.insert(*number, Running::start(program)?);
    }
    let until = Instant::now() + PATIENCE;
    for (number, program) in programs {
        let name = &program.name;
        while TcpStream::connect_timeout(&program.address, LOOK.max(Duration::from_secs(1))).is_err() {
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

impl Engine {
    /// Whether a server is a program.
    pub(super) fn is_program(&self, server: u32) -> bool {
        self.programs.contains_key(&server)
    }

    /// Bytes leave for a program.
    pub(super) fn transmit_to_program(&mut self, id: LineId, bytes: &[u8]) {
        if self.bottlenecks.is_some() {
            if let Some(line) = self.lines.get_mut(&id) {
                line.to_server.bytes += bytes.len();
            }
            return self.queue_up(id, Way::ToServer, Cargo::Parcel(Parcel::Bytes(bytes.to_vec())), bytes.len());
        }
        let arrives = self.arrival_of(id, Way::ToServer);
        let waits = self.lines.get(&id).is_none_or(|line| line.to_server.waits());
        if arrives <= self.now && !waits && !self.is_blocked(id, Way::ToServer) {
            return self.arrived_at_program(id, bytes);
        }
        if let Some(line) = self.lines.get_mut(&id) {
            line.to_server.bytes += bytes.len();
        }
        self.put(id, Way::ToServer, arrives, Parcel::Bytes(bytes.to_vec()));
    }

    /// Bytes come to a program's host.
    pub(super) fn arrived_at_program(&mut self, id: LineId, bytes: &[u8]) {
        if let Some(wire) = self.lines.get(&id).and_then(|line| line.to_client.wire.as_ref()) {
            wire.send(bytes);
        }
    }

    /// A client closes its end: its program hears of it a way later. False where nothing is to be waited for.
    pub(super) fn close_later(&mut self, id: LineId, how: CloseMode) -> bool {
        let Some(line) = self.lines.get_mut(&id).filter(|line| line.of_program) else { return false };
        if line.to_client.wire.is_none() || line.connecting.is_some() {
            return false;
        }
        line.client_closed = true;
        self.deliver(id, Way::ToServer, Parcel::Closed(how));
        true
    }

    /// A client's end comes to its program's host.
    pub(super) fn closed_at_program(&mut self, id: LineId, how: CloseMode) {
        if let Some(line) = self.lines.get_mut(&id) {
            line.close_client(how);
        }
        self.settle(id);
    }

    /// Kills a program. Its kernel does the rest.
    pub(super) fn kill_program(&mut self, server: u32) {
        self.servers[server as usize].host.crash();
        self.bury(server);
    }

    /// A program is gone; whether it had ended by itself is worth a word.
    fn bury(&mut self, server: u32) {
        if let Some(mut running) = self.running.remove(&server)
            && let Some(status) = running.ended()
        {
            self.died.push((server, status.to_string()));
        }
    }

    /// Starts a program again; it listens once it gets there.
    pub(super) fn start_program(&mut self, server: u32) {
        self.servers[server as usize].host.start();
        let Some(program) = self.programs.get(&server) else { return };
        match Running::start(program) {
            Ok(running) => drop(self.running.insert(server, running)),
            Err(error) => self.fail(error),
        }
    }

    /// Stops a program where it is.
    pub(super) fn stop_program(&mut self, server: u32) {
        self.servers[server as usize].host.hang();
        if let Some(running) = self.running.get(&server) {
            running.signal(Signal::STOP);
        }
    }

    /// One of the things that stopped it is over.
    pub(super) fn continue_program(&mut self, server: u32) {
        let host = &mut self.servers[server as usize].host;
        host.go_on();
        if host.process() == Process::Running
            && let Some(running) = self.running.get(&server)
        {
            running.signal(Signal::CONT);
        }
    }

    /// All of them are killed.
    pub(super) fn end_programs(&mut self) {
        let all: Vec<u32> = self.running.keys().copied().collect();
        all.into_iter().for_each(|server| self.bury(server));
    }
}

impl Line {
    /// Whether its server's end is done with it.
    pub(super) fn program_is_done(&self) -> bool {
        self.to_client.wire.is_none()
    }
}
