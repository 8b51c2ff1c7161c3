//! Rates of requests.

use std::cmp::Reverse;

use super::Web;
use super::plan::Context;
use crate::machine::ConnectionId;
use crate::server::event::{Event, Outputs, Reason, Turn};
use crate::server::limits::OverRate;
use crate::server::queue::Working;
use crate::time::Timestamp;

impl Web {
    /// Applies the rates: admitted now (`Ok(None)`), at a later time, or rejected (an answer was sent).
    #[cold]
    pub(super) fn ask_rates(
        &mut self,
        cx: &Context<'_>,
        now: Timestamp,
        c: ConnectionId,
        out: &mut Outputs,
    ) -> Result<Option<Timestamp>, ()> {
        let address = self.limits.addresses.get(c.0 as usize).copied();
        let mut turn_at = now;
        for (reason, bucket) in [(Reason::AddressRate, cx.plan.address_rate), (Reason::AcceptRate, cx.plan.accept_rate)]
        {
            let Some(bucket) = bucket else { continue };
            let full_at = match (reason, address) {
                (Reason::AddressRate, Some(address)) => self.limits.bucket(address, now),
                (Reason::AddressRate, None) => continue,
                _ => &mut self.limits.full_at,
            };
            let next = bucket.next(*full_at);
            let turn = match cx.plan.over_rate {
                _ if next <= now => None,
                OverRate::Wait => None,
                OverRate::Reject => Some(Turn::Reject),
                OverRate::Drop => Some(Turn::Drop),
            };
            if let Some(turn) = turn {
                out.event(Event::Requested { connection: c.0, queued: false });
                out.event(Event::TurnedAway { connection: c.0, reason, turn, queued: false });
                // Whole seconds (RFC 9110 section 10.2.3), rounded up: not a moment too early.
                let seconds = next.since(now).0.div_ceil(1_000_000_000).min(u64::from(u32::MAX)) as u32;
                match reason {
                    Reason::AddressRate => self.turn_away(c, turn, 429, Some(seconds), out),
                    _ => self.turn_away(c, turn, 503, None, out),
                }
                return Err(());
            }
            bucket.take(full_at, now);
            turn_at = turn_at.max(next);
        }
        Ok((turn_at > now).then_some(turn_at))
    }

    /// Requests that were held back, and whose turn has come.
    pub(super) fn let_in(&mut self, cx: &Context<'_>, now: Timestamp, out: &mut Outputs) {
        while self.limits.held.peek().is_some_and(|Reverse(held)| held.done <= now) {
            let Some(Reverse(Working { job, .. })) = self.limits.held.pop() else { break };
            self.enter(cx, now, job, true, out);
        }
    }
}
