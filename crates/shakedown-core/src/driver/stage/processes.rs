//! Servers' processes: lost, started, stopped, asked.

use super::slots::PendingInput;
use super::transport::{Stage, Transport};
use crate::machine::Input;
use crate::network::Process;
use crate::server::Server;
use crate::time::Timestamp;

impl<T: Transport> Stage<T> {
    /// A process is there from the run's beginning on, unless a fault was earlier.
    pub(super) fn start(&mut self, server: u32) {
        if self.net.kernel(server).process() != Process::Dead {
            self.ask(server, PendingInput::Start);
        }
    }

    /// The process is gone, and what it had in memory.
    pub(super) fn lose_process(&mut self, server: u32, kernel_lives: bool) {
        match kernel_lives {
            true => self.net.kernel_mut(server).crash(),
            false => self.net.kernel_mut(server).power_off(),
        }
        if self.net.is_program(server) {
            return T::program_lost(self, server, kernel_lives);
        }
        self.supervised_process_lost(server, kernel_lives);
        let slot = &mut self.servers[server as usize];
        slot.machine = Server::new(&self.plans[slot.group], Timestamp::ZERO);
        slot.pauses.iter_mut().for_each(|pausing| pausing.stops_process = false);
        slot.free.clear();
        slot.accepted.clear();
        self.net.wake_server(&mut slot.wake, server, Timestamp::NEVER);
        let (opened, mut pending) = (std::mem::take(&mut slot.opened), std::mem::take(&mut slot.pending));
        pending.extend(slot.unaccepted.drain(..).map(PendingInput::Network));
        T::process_lost(self, server, kernel_lives, opened, pending);
    }

    /// A process is started, be it that its host boots first.
    pub(super) fn start_process(&mut self, server: u32) {
        self.net.kernel_mut(server).start();
        let slot = &mut self.servers[server as usize];
        slot.machine = Server::new(&self.plans[slot.group], self.net.now());
        self.net.process_started(server);
        self.supervised_process_started(server);
    }

    /// The process is stopped: nothing is read, nothing accepted.
    pub(super) fn hang(&mut self, server: u32) {
        self.net.kernel_mut(server).hang();
        self.net.process_hung(server);
    }

    /// One of the causes that stopped a process is over.
    pub(super) fn continue_process(&mut self, server: u32) {
        self.net.kernel_mut(server).go_on();
        if self.net.kernel(server).process() == Process::Running {
            self.find_pending(server);
            self.net.process_goes_on(server);
        }
    }

    /// A process is replaced.
    #[cold]
    fn reload(&mut self, server: u32, fault: u16) {
        let Some(reload) = self.net.faults()[usize::from(fault)].config.reload.clone() else { return };
        self.net.process_replaced(server);
        self.with_server(server, |machine, cx, now, out| machine.reload(cx, now, (&reload, fault), out));
    }

    /// Asks something of a process, which does it once it runs.
    pub(super) fn ask(&mut self, server: u32, what: PendingInput<T::Pending>) {
        self.servers[server as usize].pending.push(what);
        self.find_pending(server);
    }

    /// A process that runs finds what has come meanwhile.
    pub(super) fn find_pending(&mut self, server: u32) {
        if self.net.kernel(server).process() != Process::Running {
            return;
        }
        for item in std::mem::take(&mut self.servers[server as usize].pending) {
            match item {
                PendingInput::Wake => self.server_input(server, Input::Wake),
                PendingInput::Start => self.server_input(server, Input::Start),
                PendingInput::Probe { number } => {
                    self.with_server(server, |machine, cx, now, out| machine.probe(cx, now, number, out));
                }
                PendingInput::Drain { code, over } => {
                    self.net.kernel_mut(server).listen(false);
                    self.net.listens(server);
                    self.with_server(server, |machine, cx, now, out| machine.drain(cx, now, code, over, out));
                }
                PendingInput::Reload { fault } => self.reload(server, fault),
                PendingInput::Resume => {
                    self.net.kernel_mut(server).listen(true);
                    self.net.listens(server);
                    self.with_server(server, |machine, cx, _, out| machine.resume(cx, out));
                }
                PendingInput::Network(pending) => T::find_pending(self, server, pending),
            }
        }
    }
}
