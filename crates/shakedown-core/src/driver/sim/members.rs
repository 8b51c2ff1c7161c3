//! Servers that join while the run goes on, and servers that leave.

use super::queued::{Queued, Step};
use super::{PendingInput, Simulation};
use crate::event::Kind;
use crate::machine::EndpointId;
use crate::network::Process;
use crate::server::{Event, Server};

/// What the members of a group that leaves send with their close frames (RFC 6455 section 7.4.1: going away).
const GOING_AWAY: u16 = 1001;

impl Simulation {
    /// Puts into the queue when a server joins and leaves; until it joins, nobody listens there.
    pub(super) fn schedule_membership(&mut self, server: u32) {
        let slot = &mut self.servers[server as usize];
        let membership = self.memberships[slot.group];
        if let Some(at) = membership.joins_at {
            self.net.tcp.hosts[server as usize].kernel.crash();
            self.directory.list(EndpointId(server), false);
            self.net.tcp.queue.push(at, Queued::Member { server, step: Step::Joins });
        }
        if let Some((at, over)) = membership.leaves_at {
            let host = &mut self.net.tcp.hosts[server as usize];
            host.quiet_until = host.quiet_until.min(at);
            self.net.tcp.queue.push(at, Queued::Member { server, step: Step::Leaves { over } });
            self.net.tcp.queue.push(at + over, Queued::Member { server, step: Step::Ends });
        }
    }

    pub(super) fn member(&mut self, server: u32, step: Step) {
        let slot = &mut self.servers[server as usize];
        match step {
            Step::Joins => {
                self.net.tcp.hosts[server as usize].kernel.start();
                slot.machine = Server::started(self.net.tcp.now);
                self.directory.list(EndpointId(server), true);
                self.net.tcp.record(Kind::Server(server, Event::Joined));
            }
            Step::Leaves { over } => {
                slot.drained_by = None;
                self.directory.list(EndpointId(server), false);
                self.net.tcp.record(Kind::Server(server, Event::Leaving));
                self.ask(server, PendingInput::Drain { code: GOING_AWAY, over });
            }
            Step::Ends => {
                if self.net.tcp.hosts[server as usize].kernel.process() != Process::Dead {
                    self.lose_process(server, true);
                }
                self.net.tcp.record(Kind::Server(server, Event::Left));
            }
        }
    }
}
