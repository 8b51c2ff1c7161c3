//! Rates of requests.

use std::cmp::Reverse;

use super::Web;
use super::plan::Context;
use crate::machine::ConnectionId;
use crate::rng::Identity;
use crate::server::event::{Event, Outputs, Reason, Turn};
use crate::server::limits::OverRate;
use crate::server::queue::Working;
use crate::time::Timestamp;

impl Web {
    /// Applies the rates: admitted now (`Ok(None)`), at a later time for the reason beside it, or rejected (an answer was sent).
    #[cold]
    pub(super) fn ask_rates(
        &mut self,
        cx: &Context<'_>,
        now: Timestamp,
        c: ConnectionId,
        out: &mut Outputs,
    ) -> Result<Option<(Timestamp, Reason)>, ()> {
        let address = self.limits.addresses.get(c.0 as usize).copied();
        let mut turn = None;
        for reason in [Reason::AddressWindow, Reason::AddressRate, Reason::AcceptRate] {
            let mut next = match self.next_turn(cx, now, reason, address) {
                Some(next) => next,
                None => continue,
            };
            let rejected = match cx.plan.over_rate {
                _ if next <= now => None,
                OverRate::Wait => None,
                OverRate::Reject => Some(Turn::Reject),
                OverRate::Drop => Some(Turn::Drop),
            };
            if let Some(turn) = rejected {
                if let (Reason::AddressWindow, Some(window), Some(address)) = (reason, cx.plan.address_window, address)
                    && window.counts_rejected
                {
                    let of_address = self.limits.window(address, now, &window);
                    window.take(of_address, now);
                    next = window.next(of_address, now);
                }
                out.event(Event::Requested { connection: c.0, queued: false });
                out.event(Event::TurnedAway { connection: c.0, reason, turn, queued: false });
                // Whole seconds (RFC 9110 section 10.2.3), rounded up: not a moment too early.
                let seconds = next.since(now).0.div_ceil(1_000_000_000).min(u64::from(u32::MAX)) as u32;
                match reason {
                    Reason::AcceptRate => self.turn_away(c, turn, 503, None, out),
                    _ => self.turn_away(c, turn, 429, Some(seconds), out),
                }
                return Err(());
            }
            self.take_turn(cx, now, reason, address, next);
            if next > turn.map_or(now, |(at, _)| at) {
                turn = Some((next, reason));
            }
        }
        Ok(turn)
    }

    /// When a limit of requests lets the next one in; `None` where there is none.
    fn next_turn(
        &mut self,
        cx: &Context<'_>,
        now: Timestamp,
        reason: Reason,
        address: Option<Identity>,
    ) -> Option<Timestamp> {
        match reason {
            Reason::AddressWindow => {
                let window = cx.plan.address_window?;
                Some(window.next(self.limits.window(address?, now, &window), now))
            }
            Reason::AddressRate => {
                let bucket = cx.plan.address_rate?;
                Some(bucket.next(*self.limits.bucket(address?, now)))
            }
            _ => Some(cx.plan.accept_rate?.next(self.limits.full_at)),
        }
    }

    /// The request takes that turn.
    fn take_turn(
        &mut self,
        cx: &Context<'_>,
        now: Timestamp,
        reason: Reason,
        address: Option<Identity>,
        at: Timestamp,
    ) {
        match (reason, address) {
            (Reason::AddressWindow, Some(address)) => {
                if let Some(window) = cx.plan.address_window {
                    window.take(self.limits.window(address, now, &window), at);
                }
            }
            (Reason::AddressRate, Some(address)) => {
                if let Some(bucket) = cx.plan.address_rate {
                    bucket.take(self.limits.bucket(address, now), now);
                }
            }
            _ => {
                if let Some(bucket) = cx.plan.accept_rate {
                    bucket.take(&mut self.limits.full_at, now);
                }
            }
        }
    }

    /// A request on a connection of an address that has too many.
    #[cold]
    pub(super) fn too_many_from(&mut self, cx: &Context<'_>, c: ConnectionId, out: &mut Outputs) {
        let turn = if cx.plan.over_rate == OverRate::Drop { Turn::Drop } else { Turn::Reject };
        out.event(Event::Requested { connection: c.0, queued: false });
        let reason = Reason::AddressConnections;
        out.event(Event::TurnedAway { connection: c.0, reason, turn, queued: false });
        self.turn_away(c, turn, 429, None, out);
    }

    /// Requests that were held back, and whose turn has come.
    pub(super) fn let_in(&mut self, cx: &Context<'_>, now: Timestamp, out: &mut Outputs) {
        while self.limits.held.peek().is_some_and(|Reverse(held)| held.done <= now) {
            let Some(Reverse(Working { job, .. })) = self.limits.held.pop() else { break };
            self.enter(cx, now, job, true, out);
        }
    }
}
