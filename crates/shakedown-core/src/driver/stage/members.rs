//! Servers that join while the run goes on, that leave, and that pause by themselves.

use super::due::{Due, Step};
use super::slots::PendingInput;
use super::transport::{Stage, Transport};
use crate::event::Kind;
use crate::machine::EndpointId;
use crate::network::Process;
use crate::server::Event;
use crate::time::Timestamp;

/// What the members of a group that leaves send with their close frames (RFC 6455 section 7.4.1: going away).
const GOING_AWAY: u16 = 1001;

impl<T: Transport> Stage<T> {
    /// Schedules when a server joins and leaves; until it joins, nobody listens there.
    pub(super) fn schedule_membership(&mut self, server: u32) {
        let membership = self.memberships[self.servers[server as usize].group];
        if let Some(at) = membership.joins_at {
            self.net.kernel_mut(server).crash();
            self.directory.list(EndpointId(server), false);
            self.net.schedule(at, Due::Member { server, step: Step::Joins });
        }
        if let Some((at, over)) = membership.leaves_at {
            self.quiet_until(server, at);
            self.net.schedule(at, Due::Member { server, step: Step::Leaves });
            self.net.schedule(at + over, Due::Member { server, step: Step::Ends });
        }
    }

    pub(super) fn member(&mut self, server: u32, step: Step) {
        match step {
            Step::Joins => {
                self.start_process(server);
                self.directory.list(EndpointId(server), true);
                self.net.record(Kind::Server(server, Event::Joined));
            }
            Step::Leaves => {
                let slot = &mut self.servers[server as usize];
                slot.drained_by = None;
                let leaves_at = self.memberships[slot.group].leaves_at;
                self.directory.list(EndpointId(server), false);
                self.net.record(Kind::Server(server, Event::Leaving));
                if let Some((_, over)) = leaves_at {
                    self.ask(server, PendingInput::Drain { code: GOING_AWAY, over });
                }
            }
            Step::Ends => {
                if self.net.kernel(server).process() != Process::Dead {
                    self.lose_process(server, true);
                } else {
                    // One that was killed is not started again.
                    self.supervised_process_lost(server, true);
                }
                self.net.record(Kind::Server(server, Event::Left));
            }
        }
    }

    /// Schedules the beginning of a server's next pause.
    pub(super) fn next_pause(&mut self, server: u32) {
        let slot = &mut self.servers[server as usize];
        if let Some(pausing) = &mut slot.pauses {
            let (begins, ends) = pausing.pauses.advance();
            pausing.ends = ends;
            let leaves_at = self.memberships[slot.group].leaves_at.map_or(Timestamp::NEVER, |(at, _)| at);
            self.quiet_until(server, begins.min(leaves_at));
            self.net.schedule(begins, Due::Pause { server });
        }
    }

    /// A server's pause begins, or ends. Whatever else stops the process meanwhile stops it for as long as that takes.
    pub(super) fn pause(&mut self, server: u32) {
        let slot = &mut self.servers[server as usize];
        let Some(pausing) = &mut slot.pauses else { return };
        if !pausing.lasts {
            pausing.lasts = true;
            self.net.schedule(pausing.ends, Due::Pause { server });
            if self.net.kernel(server).process() != Process::Dead {
                pausing.stops_process = true;
                self.hang(server);
                self.net.record(Kind::Server(server, Event::Paused));
            }
            return;
        }
        pausing.lasts = false;
        if std::mem::take(&mut pausing.stops_process) {
            self.net.record(Kind::Server(server, Event::Resumed));
            self.continue_process(server);
        }
        self.next_pause(server);
    }
}
