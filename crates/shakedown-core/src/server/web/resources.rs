//! What a process needs of memory and descriptors, and probes, which find out whether it still answers.

use super::Web;
use super::plan::{Context, WebPlan};
use crate::machine::{CloseMode, ConnectionId};
use crate::rng::Identity;
use crate::server::event::{Event, Outputs, Reason, Turn};
use crate::server::queue::Job;
use crate::server::resources::{Accepts, Resource, ResourceLimit, WhenUsedUp};
use crate::server::supervision::Probe;
use crate::server::work::Work;
use crate::time::{Nanos, Timestamp};

/// The connection of work that is nobody's.
const NOBODY: u32 = u32::MAX;

impl Web {
    /// What it needs of a resource, with so many connections and requests more than it has.
    fn needs(&self, limit: &ResourceLimit, connections: usize, handshakes: usize) -> u64 {
        let waiting = self.workers.waiting.len() + self.transactions.waiting.len() + self.limits.held.len();
        let calls = self.calls.waiting.len();
        let in_progress = waiting + self.workers.in_progress() + calls;
        let open = self.calls.open as usize;
        limit.needed(self.connections.count() as usize + connections, in_progress + handshakes, open)
    }

    /// The resource that there is too little of for another connection or request, where that is refused.
    #[cold]
    pub(super) fn lacks(&self, cx: &Context<'_>, connections: usize, handshakes: usize) -> Option<Resource> {
        let lacks = |limit: &&ResourceLimit| {
            let costs = connections as u64 * limit.connection + handshakes as u64 * limit.handshake > 0;
            costs && limit.when_full == WhenUsedUp::Refuse && self.needs(limit, connections, handshakes) > limit.max
        };
        cx.plan.resources.iter().find(lacks).map(|limit| limit.resource)
    }

    /// Whether it accepts another connection now.
    #[cold]
    pub(in crate::server) fn accepts(&self, plan: &WebPlan) -> bool {
        let idle = self.workers.busy() == 0 && self.workers.waiting.is_empty();
        let has_room = |limit: &ResourceLimit| {
            let waits = limit.when_full == WhenUsedUp::Wait && limit.connection > 0;
            !waits || self.needs(limit, 1, 0) <= limit.max
        };
        (idle || plan.accepts == Accepts::Always) && plan.resources.iter().all(has_room)
    }

    /// Closes a connection that was accepted just now, and whose bytes were not read: RST.
    #[cold]
    pub(super) fn refuse_connection(&mut self, c: ConnectionId, resource: Resource, out: &mut Outputs) {
        out.event(Event::Refused { connection: c.0, resource });
        self.close(c, CloseMode::Reset, out);
    }

    /// Answers a request 503 for want of memory.
    #[cold]
    pub(super) fn refuse_request(&mut self, c: ConnectionId, queued: bool, out: &mut Outputs) {
        let (reason, turn) = (Reason::Memory, Turn::Reject);
        out.event(Event::TurnedAway { connection: c.0, reason, turn, queued });
        self.turn_away(c, turn, 503, None, out);
    }

    /// Says what it uses, if that has changed; one that uses more than there is, is killed.
    #[cold]
    pub(super) fn use_resources(&mut self, cx: &Context<'_>, out: &mut Outputs) {
        for limit in &cx.plan.resources {
            let amount = self.needs(limit, 0, 0);
            let said = &mut self.used.amounts[limit.resource as usize];
            if *said != amount {
                *said = amount;
                out.event(Event::Uses { resource: limit.resource, amount });
            }
            if amount > limit.max && limit.when_full == WhenUsedUp::Kill && !self.used.exceeded {
                self.used.exceeded = true;
                out.event(Event::OutOfMemory);
            }
        }
    }

    /// A probe waits for a worker, as any request does, or has a thread of its own.
    pub(in crate::server) fn probe(&mut self, cx: &Context<'_>, now: Timestamp, number: u32, out: &mut Outputs) {
        let in_queue = cx.plan.probe(number).in_queue;
        let busy = in_queue && self.workers.busy() >= cx.plan.workers.count;
        let waiting = self.workers.waiting.len() + self.transactions.waiting.len();
        let full = busy && waiting as u32 >= cx.plan.workers.queue_max;
        out.event(Event::Probed { number, queued: busy && !full });
        let job = Job { connection: NOBODY, client: Identity(0), work: Work::Probe(number), since: now };
        if full {
            out.event(Event::ProbeAnswered { number, healthy: false, served: Nanos::ZERO });
        } else if busy {
            self.workers.waiting.push_back(job);
        } else {
            self.workers.apart += u32::from(!in_queue);
            self.start(cx, now, job, false, out);
        }
    }

    /// A worker is done with a probe. A server that drains is alive, and not ready.
    #[cold]
    pub(super) fn answer_probe(&mut self, cx: &Context<'_>, number: u32, served: Nanos, out: &mut Outputs) {
        self.workers.apart -= u32::from(!cx.plan.probe(number).in_queue);
        let healthy = self.drain.is_none() || Probe::of(number) == Probe::Liveness;
        out.event(Event::ProbeAnswered { number, healthy, served });
    }
}
