//! Processes that are probed, killed, and started again: whoever does that is no process of the scenario.

use super::due::Due;
use super::slots::PendingInput;
use super::transport::{Stage, Transport};
use crate::event::Kind;
use crate::machine::EndpointId;
use crate::network::Process;
use crate::rng::{Identity, Purpose};
use crate::server::{Event, Finding, KillReason, Probe, Supervisor};
use crate::time::{Nanos, Timestamp};

impl<T: Transport> Stage<T> {
    fn supervisor(&mut self, server: u32) -> Option<&mut Supervisor> {
        self.servers[server as usize].supervisor.as_deref_mut()
    }

    /// A process begins, and is probed from now on.
    #[cold]
    pub(super) fn begin_probes(&mut self, server: u32) {
        let (now, seed) = (self.net.now(), self.seed);
        let host = Identity::member("probe", server.into());
        let Some(supervisor) = self.supervisor(server) else { return };
        let (generation, probes) = (supervisor.generation, supervisor.config.probes);
        for probe in Probe::ALL {
            let Some(config) = probes[probe as usize] else { continue };
            // Whoever probes begins at any moment: members are not probed in step.
            let ordinal = u64::from(generation) * 2 + probe as u64;
            let phase = seed.draw(host, Purpose::ProbePhase, ordinal).between(Nanos::ZERO, config.every);
            self.net.schedule(now + config.delay + phase, Due::Probe { server, probe, generation });
        }
    }

    /// A probe is due.
    #[cold]
    pub(super) fn probe(&mut self, server: u32, probe: Probe, generation: u32) {
        let now = self.net.now();
        let runs = self.net.kernel(server).process() != Process::Dead && !self.net.is_program(server);
        let supervisor = self.supervisor(server).filter(|supervisor| runs && supervisor.generation == generation);
        let Some(supervisor) = supervisor else { return };
        let Some(config) = supervisor.config.probes[probe as usize] else { return };
        let number = supervisor.ask(probe);
        self.net.schedule(now + config.timeout, Due::ProbeEnds { server, number });
        self.net.schedule(now + config.every, Due::Probe { server, probe, generation });
        self.ask(server, PendingInput::Probe { number });
    }

    /// A probe succeeds, or fails by its answer or for want of one. Any but the one that is awaited is too late.
    #[cold]
    pub(super) fn probe_ends(&mut self, server: u32, number: u32, healthy: bool) {
        let Some(supervisor) = self.supervisor(server).filter(|supervisor| supervisor.awaits(number)) else { return };
        let found = supervisor.learn(number, healthy);
        if !healthy {
            self.net.record(Kind::Server(server, Event::ProbeFailed { probe: Probe::of(number) }));
        }
        match found {
            Finding::Nothing => {}
            Finding::Ready(ready) => self.becomes_ready(server, ready),
            Finding::Kill => self.schedule_kill(server, KillReason::Liveness),
        }
    }

    /// Clients are sent to a server from now on, or not.
    fn becomes_ready(&mut self, server: u32, ready: bool) {
        let Some(supervisor) = self.supervisor(server) else { return };
        if supervisor.config.probes[Probe::Readiness as usize].is_some() && supervisor.ready != ready {
            supervisor.ready = ready;
            self.directory.ready(EndpointId(server), ready);
            self.net.record(Kind::Server(server, if ready { Event::Ready } else { Event::NotReady }));
        }
    }

    /// A process is to be killed. Whatever it does at this moment is done first.
    #[cold]
    pub(super) fn schedule_kill(&mut self, server: u32, reason: KillReason) {
        if let Some(Supervisor { generation, .. }) = self.supervisor(server) {
            let generation = *generation;
            self.net.schedule(self.net.now(), Due::Kill { server, reason, generation });
        }
    }

    /// A process is killed, and will be started again.
    #[cold]
    pub(super) fn kill(&mut self, server: u32, reason: KillReason, generation: u32) {
        let now = self.net.now();
        let runs = self.net.kernel(server).process() != Process::Dead;
        let supervisor = self.supervisor(server).filter(|supervisor| runs && supervisor.generation == generation);
        let Some(supervisor) = supervisor else { return };
        let delay = supervisor.restart_delay(now);
        self.net.record(Kind::Server(server, Event::Killed { reason }));
        self.lose_process(server, true);
        let Some(supervisor) = self.supervisor(server) else { return };
        supervisor.killed = true;
        let generation = supervisor.generation;
        self.net.schedule(now + delay, Due::StartAgain { server, generation });
    }

    /// A process that was killed is started again, unless a fault has its server down meanwhile, or it has left.
    #[cold]
    pub(super) fn start_again(&mut self, server: u32, generation: u32) {
        let supervisor = self.supervisor(server);
        if supervisor.is_some_and(|supervisor| supervisor.killed && supervisor.generation == generation) {
            self.start_process(server);
            self.find_pending(server);
        }
    }

    /// A process is gone. Its prober sees that at once, unless it is gone, too.
    pub(super) fn supervised_process_lost(&mut self, server: u32, kernel_lives: bool) {
        let now = self.net.now();
        let Some(supervisor) = self.supervisor(server) else { return };
        // What has it down from now on starts it again.
        supervisor.begin(now);
        if kernel_lives {
            self.becomes_ready(server, false);
        }
    }

    /// A process was started.
    pub(super) fn supervised_process_started(&mut self, server: u32) {
        // What a user's program does is its own affair.
        if self.net.is_program(server) {
            return;
        }
        let now = self.net.now();
        let Some(supervisor) = self.supervisor(server) else { return };
        supervisor.begin(now);
        let slow = supervisor.slow;
        if std::mem::take(&mut supervisor.killed) {
            self.net.record(Kind::Server(server, Event::Restarted));
        }
        if slow.is_some() {
            self.servers[server as usize].machine.slow_down(slow);
        }
        self.becomes_ready(server, false);
        self.begin_probes(server);
    }

    /// A fault stops a process, if there is one.
    pub(super) fn hang_by_fault(&mut self, server: u32) {
        if self.net.kernel(server).process() == Process::Dead {
            return;
        }
        self.hang(server);
        if let Some(supervisor) = self.supervisor(server) {
            supervisor.hung = Some(supervisor.generation);
        }
    }

    /// The fault is over: what it stopped goes on, unless that was killed meanwhile.
    pub(super) fn continue_after_fault(&mut self, server: u32) {
        if self.supervisor(server).is_none_or(|supervisor| supervisor.hung.take() == Some(supervisor.generation)) {
            self.continue_process(server);
        }
    }

    /// No process of this server stops by itself before a moment: of one that may be killed, or whose accept queue may fill up,
    /// that is never known.
    pub(super) fn quiet_until(&mut self, server: u32, at: Timestamp) {
        let slot = &self.servers[server as usize];
        let unknown = slot.supervisor.is_some() || self.plans[slot.group].waits_to_accept();
        self.net.quiet_until(server, if unknown { Timestamp::ZERO } else { at });
    }

    /// The host of a server is slow from now on, or is not.
    pub(super) fn slow_down(&mut self, server: u32, factor: Option<f64>) {
        self.servers[server as usize].machine.slow_down(factor);
        if let Some(supervisor) = self.supervisor(server) {
            supervisor.slow = factor;
        }
    }
}
