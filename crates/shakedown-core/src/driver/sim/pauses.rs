//! Processes that stop for a while by themselves.

use super::{Queued, Simulation};
use crate::event::Kind;
use crate::network::Process;
use crate::server::{Event, Pauses};
use crate::time::Timestamp;

/// A server's pauses, as far as they have come.
#[derive(Debug)]
pub(super) struct Pausing {
    pauses: Pauses,
    /// When the one that lasts ends, or else the next.
    ends: Timestamp,
    /// Whether one lasts. One during which no process ran does not stop the next process.
    lasts: bool,
    stops_process: bool,
}

impl Pausing {
    pub(super) fn new(pauses: Pauses) -> Pausing {
        Pausing { pauses, ends: Timestamp::ZERO, lasts: false, stops_process: false }
    }

    /// The process that was stopped is no more.
    pub(super) fn process_ended(&mut self) {
        self.stops_process = false;
    }
}

impl Simulation {
    /// Puts the beginning of a server's next pause into the queue.
    pub(super) fn next_pause(&mut self, server: u32) {
        let slot = &mut self.servers[server as usize];
        if let Some(pausing) = &mut slot.pauses {
            let (begins, ends) = pausing.pauses.advance();
            pausing.ends = ends;
            let leaves_at = self.memberships[slot.group].leaves_at.map(|(at, _)| at);
            self.net.tcp.hosts[server as usize].quiet_until = begins.min(leaves_at.unwrap_or(Timestamp::NEVER));
            self.net.tcp.queue.push(begins, Queued::Pause { server });
        }
    }

    /// A server's pause begins, or ends. Whatever else stops the process meanwhile stops it for as long as that takes.
    pub(super) fn pause(&mut self, server: u32) {
        let slot = &mut self.servers[server as usize];
        let Some(pausing) = &mut slot.pauses else { return };
        if !pausing.lasts {
            pausing.lasts = true;
            self.net.tcp.queue.push(pausing.ends, Queued::Pause { server });
            if self.net.tcp.hosts[server as usize].kernel.process() != Process::Dead {
                pausing.stops_process = true;
                self.net.tcp.hosts[server as usize].kernel.hang();
                self.net.tcp.record(Kind::Server(server, Event::Paused));
            }
            return;
        }
        pausing.lasts = false;
        let stopped = std::mem::take(&mut pausing.stops_process);
        if stopped {
            self.net.tcp.hosts[server as usize].kernel.go_on();
            self.net.tcp.record(Kind::Server(server, Event::Resumed));
            self.go_on(server);
        }
        self.next_pause(server);
    }
}
