//! Balancers that rewrite addresses forget connections over which nothing comes, as NATs do.

use super::Tcp;
use super::connection::{ClientEnd, Peer};
use super::flow::Flow;
use super::queued::Queued;
use crate::event::Kind;
use crate::machine::{Ending, Ends};
use crate::server::{Clock, Event};
use crate::time::Timestamp;

impl Tcp {
    /// A balancer has a flow from now on.
    pub(super) fn time_flow(&mut self, connection: u32, balancer: u32) {
        let now = self.now;
        if let Some(idle) = &mut self.idle_flows
            && let Some((after, _)) = idle.timeout(balancer)
        {
            idle.alarms.set(connection, now + after);
            self.wake_idle_flows();
        }
    }

    /// Something has come along a flow.
    #[inline]
    pub(super) fn hear_flow(&mut self, connection: u32) {
        if self.idle_flows.is_some()
            && let Some(flow) = self.flows.get_mut(&connection)
        {
            flow.heard = self.now;
        }
    }

    /// A flow is over.
    pub(super) fn forget_idle_flow(&mut self, connection: u32) {
        if let Some(idle) = &mut self.idle_flows {
            idle.alarms.set(connection, Timestamp::NEVER);
        }
    }

    /// Has the queue wake the first. It may come too early for the next: then it finds nothing.
    fn wake_idle_flows(&mut self) {
        let Some(idle) = &mut self.idle_flows else { return };
        let Some((at, _)) = idle.alarms.first() else { return };
        match idle.wake {
            Some((planned, _)) if planned <= at => return,
            Some((_, handle)) => self.queue.cancel(handle),
            None => {}
        }
        idle.wake = Some((at, self.queue.push(at.max(self.now), Queued::Clocks)));
    }

    /// Flows over which nothing has come are forgotten.
    #[cold]
    pub(crate) fn ring_idle_flows(&mut self) {
        let now = self.now;
        let Some(idle) = &mut self.idle_flows else { return };
        if idle.wake.is_some_and(|(planned, _)| planned > now) {
            return;
        }
        idle.wake = None;
        while let Some(idle) = &mut self.idle_flows
            && let Some(connection) = idle.alarms.take(now)
        {
            let Some(&Flow { balancer, heard, known: true, .. }) = self.flows.get(&connection) else { continue };
            let Some((after, ending)) = idle.timeout(balancer) else { continue };
            if heard + after > now {
                idle.alarms.set(connection, heard + after);
            } else {
                self.end_idle_flow(connection, balancer, ending);
            }
        }
        self.wake_idle_flows();
    }

    fn end_idle_flow(&mut self, connection: u32, balancer: u32, Ending { ends, code }: Ending) {
        let clock = Clock::IdleTimeout;
        self.record(Kind::Server(balancer, Event::EndedByClock { connection, clock, ends, code, cause: None }));
        let entry = &self.connections[connection];
        if entry.client == ClientEnd::Open
            && let Peer::Session(session) = entry.caller.who()
        {
            self.record(Kind::Server(balancer, Event::SentAway { session }));
        }
        if ends == Ends::Reset {
            return self.cut_flow(connection);
        }
        self.end_flow(connection);
        let flow = self.flow_mut(connection);
        (flow.known, flow.dropped) = (false, ends == Ends::Silence);
    }
}
