//! Requests take and release a server's HTTP transactions.

use super::Web;
use super::plan::Context;
use crate::machine::ConnectionId;
use crate::server::event::{Event, Outputs, Reason, Turn};
use crate::server::queue;
use crate::server::transactions::{Hold, TransactionsFull};
use crate::server::work::Work;
use crate::time::Timestamp;

impl Web {
    /// Whether a request has to wait for a transaction, or is rejected without one.
    #[inline]
    pub(super) fn lacks_transaction(&self, cx: &Context<'_>, work: &Work) -> bool {
        cx.plan.transactions_max.is_some_and(|most| self.transactions.in_use >= most)
            && matches!(work, Work::Request(_))
    }

    /// A request is accepted: its transaction begins.
    pub(super) fn begin_transaction(&mut self, cx: &Context<'_>, c: ConnectionId, upgrade: bool, out: &mut Outputs) {
        if cx.plan.transactions_max.is_none() {
            return;
        }
        let at = c.0 as usize;
        if at >= self.transactions.holds.len() {
            self.transactions.holds.resize(at + 1, Hold::None);
        }
        self.transactions.holds[at] = if upgrade { Hold::ForLife } else { Hold::ForResponse };
        self.transactions.in_use += 1;
        out.event(Event::TransactionBegan { connection: c.0 });
    }

    /// A request that is never answered has been read. It does not wait for a transaction.
    pub(super) fn stall(&mut self, cx: &Context<'_>, c: ConnectionId, upgrade: bool, out: &mut Outputs) {
        match cx.plan.transactions_max {
            Some(most) if self.transactions.in_use >= most => {
                if cx.plan.transactions_full == TransactionsFull::Reject {
                    self.out_of_transactions(c, false, out);
                }
            }
            _ => self.begin_transaction(cx, c, upgrade, out),
        }
    }

    /// The last byte of the response that opens a connection was sent.
    pub(super) fn opened(&mut self, c: ConnectionId, out: &mut Outputs) {
        if self.transactions.holds.get(c.0 as usize) == Some(&Hold::ForResponse) {
            self.end_transaction(c, out);
        }
    }

    /// The connection's transaction, if it has one, is over.
    pub(super) fn end_transaction(&mut self, c: ConnectionId, out: &mut Outputs) {
        let Some(hold) = self.transactions.holds.get_mut(c.0 as usize) else { return };
        if std::mem::take(hold) != Hold::None {
            self.transactions.in_use -= 1;
            out.event(Event::TransactionEnded { connection: c.0 });
        }
    }

    /// Rejects a request because all transactions are in use.
    #[cold]
    pub(super) fn out_of_transactions(&mut self, c: ConnectionId, queued: bool, out: &mut Outputs) {
        let (reason, turn) = (Reason::TransactionsMax, Turn::Reject);
        out.event(Event::TurnedAway { connection: c.0, reason, turn, queued });
        self.turn_away(c, turn, 503, None, out);
    }

    /// Gives released transactions to waiting requests.
    #[cold]
    pub(super) fn take_transactions(&mut self, cx: &Context<'_>, now: Timestamp, out: &mut Outputs) {
        while cx.plan.transactions_max.is_some_and(|most| self.transactions.in_use < most)
            && let Some(job) = queue::take(&mut self.transactions.waiting, cx.plan.workers.order)
        {
            let waited = now.since(job.since);
            if !self.expires(cx, ConnectionId(job.connection), waited, out) {
                self.enter(cx, now, job, true, out);
            }
        }
    }
}
