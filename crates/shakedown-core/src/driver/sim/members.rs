//! Servers that join while the run goes on, and servers that leave.

use super::{Held, Item, Simulation};
use crate::event::Kind;
use crate::machine::EndpointId;
use crate::network::Process;
use crate::server::{Event, Server};
use crate::time::Nanos;

/// What the members of a group that leaves send with their close frames (RFC 6455 section 7.4.1: going away).
const GOING_AWAY: u16 = 1001;

/// What becomes of a server's membership.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// Its process starts, and the registry names it.
    Joins,
    /// The registry names it no longer, and it is drained over a time.
    Leaves { over: Nanos },
    /// Its process ends.
    Ends,
}

impl Simulation {
    /// Puts into the queue when a server joins and leaves; until it joins, nobody listens there.
    pub(super) fn schedule_membership(&mut self, server: u32) {
        let slot = &mut self.servers[server as usize];
        let membership = self.memberships[slot.group];
        if let Some(at) = membership.joins_at {
            slot.host.crash();
            self.directory.list(EndpointId(server), false);
            self.queue.push(at, Item::Member { server, step: Step::Joins });
        }
        if let Some((at, over)) = membership.leaves_at {
            slot.quiet_until = slot.quiet_until.min(at);
            self.queue.push(at, Item::Member { server, step: Step::Leaves { over } });
            self.queue.push(at + over, Item::Member { server, step: Step::Ends });
        }
    }

    pub(super) fn member(&mut self, server: u32, step: Step) {
        let slot = &mut self.servers[server as usize];
        match step {
            Step::Joins => {
                slot.host.start();
                slot.machine = Server::started(self.now);
                self.directory.list(EndpointId(server), true);
                self.record(Kind::Server(server, Event::Joined));
            }
            Step::Leaves { over } => {
                slot.drained_by = None;
                self.directory.list(EndpointId(server), false);
                self.record(Kind::Server(server, Event::Leaving));
                self.ask(server, Held::Drain { code: GOING_AWAY, over });
            }
            Step::Ends => {
                if slot.host.process() != Process::Dead {
                    self.lose_process(server, true);
                }
                self.record(Kind::Server(server, Event::Left));
            }
        }
    }
}
