//! Servers' processes: lost, started, stopped, asked; members that join and leave; pauses. A process may be a program.

use rustix::process::Signal;
use shakedown_core::event::Kind;
use shakedown_core::machine::{EndpointId, Input};
use shakedown_core::network::{Process, SynAnswer};
use shakedown_core::server::{Event, Server};

use super::engine::{Due, Engine};
use super::programs::Running;
use super::slots::{Ask, Step};

/// What the members of a group that leaves send with their close frames (RFC 6455 section 7.4.1: going away).
const GOING_AWAY: u16 = 1001;

impl Engine {
    /// Whether a server is a program.
    fn is_program(&self, server: u32) -> bool {
        self.programs.contains_key(&server)
    }

    /// The port is open and connections are accepted, unless they should not be.
    pub(super) fn listen_again(&mut self, server: u32) {
        let host = &self.servers[server as usize].host;
        if !self.is_program(server) && host.process() == Process::Running && host.syn() != SynAnswer::Refused {
            self.network.listen(server);
        }
    }

    /// A process that has something to do from its start on is started.
    pub(super) fn start_server(&mut self, server: u32) {
        let slot = &self.servers[server as usize];
        if self.plans[slot.group].starts() && slot.host.process() != Process::Dead {
            self.ask(server, Ask::Start);
        }
    }

    /// The process is gone. Its kernel, if that lives, ends its connections; if not, they fall silent.
    pub(super) fn lose_process(&mut self, server: u32, kernel_lives: bool) {
        if self.is_program(server) {
            return self.kill_program(server);
        }
        let slot = &mut self.servers[server as usize];
        if kernel_lives {
            slot.host.crash();
        } else {
            slot.host.power_off();
        }
        slot.replace(Server::default());
        self.network.process_lost(server, kernel_lives, &self.plans[slot.group]);
    }

    /// A process is started, be it that its host boots first.
    pub(super) fn start_process(&mut self, server: u32) {
        if self.is_program(server) {
            return self.start_program(server);
        }
        let slot = &mut self.servers[server as usize];
        slot.host.start();
        slot.replace(Server::started(self.network.now));
        self.network.process_started(server);
        self.listen_again(server);
    }

    /// The process is stopped: nothing is read, nothing accepted.
    pub(super) fn hang(&mut self, server: u32) {
        if self.is_program(server) {
            return self.stop_program(server);
        }
        self.servers[server as usize].host.hang();
        self.network.process_hung(server);
    }

    /// One of the things that stopped a process is over.
    pub(super) fn release(&mut self, server: u32) {
        if self.is_program(server) {
            return self.continue_program(server);
        }
        let slot = &mut self.servers[server as usize];
        slot.host.go_on();
        if slot.host.process() != Process::Running {
            return;
        }
        if std::mem::take(&mut slot.missed_wake) {
            self.server_input(server, Input::Wake);
        }
        self.answer_asks(server);
        self.listen_again(server);
        self.network.process_goes_on(server);
    }

    /// Asks something of a process, which does it once it runs.
    pub(super) fn ask(&mut self, server: u32, ask: Ask) {
        self.servers[server as usize].asks.push(ask);
        self.answer_asks(server);
    }

    fn answer_asks(&mut self, server: u32) {
        if self.servers[server as usize].host.process() != Process::Running {
            return;
        }
        for ask in std::mem::take(&mut self.servers[server as usize].asks) {
            let slot = &mut self.servers[server as usize];
            match ask {
                Ask::Drain { code, over } => {
                    slot.host.listen(false);
                    self.network.stop_listening(server);
                    self.with_server(server, |machine, cx, now, out| machine.drain(cx, now, code, over, out));
                }
                Ask::Start => self.server_input(server, Input::Start),
                Ask::Resume => {
                    slot.host.listen(true);
                    self.listen_again(server);
                    self.with_server(server, |machine, cx, _, out| machine.resume(cx, out));
                }
            }
        }
    }

    /// Writes down when a server joins and leaves; until it joins, nobody listens there.
    pub(super) fn schedule_membership(&mut self, server: u32) {
        let membership = self.memberships[self.servers[server as usize].group];
        if let Some(at) = membership.joins_at {
            let slot = &mut self.servers[server as usize];
            slot.host.crash();
            self.network.stop_listening(server);
            self.directory.list(EndpointId(server), false);
            self.due.push(at, Due::Member { server, step: Step::Joins });
        }
        if let Some((at, over)) = membership.leaves_at {
            self.due.push(at, Due::Member { server, step: Step::Leaves { over } });
            self.due.push(at + over, Due::Member { server, step: Step::Ends });
        }
    }

    pub(super) fn member(&mut self, server: u32, step: Step) {
        match step {
            Step::Joins => {
                self.directory.list(EndpointId(server), true);
                self.start_process(server);
                self.record(Kind::Server(server, Event::Joined));
            }
            Step::Leaves { over } => {
                self.servers[server as usize].drained_by = None;
                self.directory.list(EndpointId(server), false);
                self.record(Kind::Server(server, Event::Leaving));
                self.ask(server, Ask::Drain { code: GOING_AWAY, over });
            }
            Step::Ends => {
                if self.servers[server as usize].host.process() != Process::Dead {
                    self.lose_process(server, true);
                }
                self.record(Kind::Server(server, Event::Left));
            }
        }
    }

    /// Writes down when a server pauses next.
    pub(super) fn next_pause(&mut self, server: u32) {
        let slot = &mut self.servers[server as usize];
        if let Some(pauses) = &mut slot.pauses {
            let (begins, ends) = pauses.advance();
            slot.pause_ends = Some(ends);
            self.due.push(begins, Due::Pause { server });
        }
    }

    /// A server's pause begins, or ends.
    pub(super) fn pause(&mut self, server: u32) {
        let slot = &mut self.servers[server as usize];
        if let Some(ends) = slot.pause_ends.take() {
            self.due.push(ends, Due::Pause { server });
            if self.servers[server as usize].host.process() != Process::Dead {
                self.servers[server as usize].stopped_by_pause = true;
                self.hang(server);
                self.record(Kind::Server(server, Event::Paused));
            }
            return;
        }
        if std::mem::take(&mut slot.stopped_by_pause) {
            self.record(Kind::Server(server, Event::Resumed));
            self.release(server);
        }
        self.next_pause(server);
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
