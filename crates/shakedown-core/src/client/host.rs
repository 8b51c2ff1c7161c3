//! State shared by the sessions of one client process. Sessions without a shared process have none, at no cost.

use std::collections::VecDeque;

use super::config::Breaker;
use super::names::Names;
use super::retry::Budget;
use crate::machine::EndpointId;
use crate::time::{Nanos, Timestamp};

/// One client process: its round-robin position, its connect gate, its retry budget, its circuit breaker and the names
/// it knows.
#[derive(Debug, Default)]
pub struct Host {
    turn: u32,
    gate: Vec<Gate>,
    /// When the retry after the last one granted is due, at the budget's pace.
    paced: Timestamp,
    /// Failed attempts in a row.
    failures: u32,
    /// Until when the breaker is open.
    broken_until: Timestamp,
    /// Its DNS cache.
    pub(super) names: Names,
}

/// RFC 6455 section 4.1, item 2: at most one connection in CONNECTING state to one remote address.
#[derive(Debug)]
struct Gate {
    endpoint: EndpointId,
    busy: bool,
    waiting: VecDeque<u32>,
}

impl Host {
    /// The process's next round-robin turn.
    pub fn turn(&mut self) -> u32 {
        let turn = self.turn;
        self.turn = turn.wrapping_add(1);
        turn
    }

    /// Asks to connect. While another session of this host is connecting there, the caller waits in line, under the
    /// driver's number of it, until [`Host::leave`] returns it.
    pub fn enter(&mut self, endpoint: EndpointId, slot: u32) -> bool {
        let gate = match self.gate.iter_mut().position(|gate| gate.endpoint == endpoint) {
            Some(at) => &mut self.gate[at],
            None => {
                self.gate.push(Gate { endpoint, busy: false, waiting: VecDeque::new() });
                self.gate.last_mut().expect("just pushed")
            }
        };
        if gate.busy {
            gate.waiting.push_back(slot);
        }
        !std::mem::replace(&mut gate.busy, true)
    }

    /// The connecting session is done (open or failed). Returns the next session in line, if any.
    pub fn leave(&mut self, endpoint: EndpointId) -> Option<u32> {
        let gate = self.gate.iter_mut().find(|gate| gate.endpoint == endpoint)?;
        let next = gate.waiting.pop_front();
        gate.busy = next.is_some();
        next
    }

    /// Takes a token for a retry that would be made at `due`: when there will be one (a token bucket in the form of
    /// the generic cell rate algorithm, ITU-T I.371).
    pub fn pace(&mut self, budget: &Budget, due: Timestamp) -> Timestamp {
        let interval = Nanos::from_f64(1e9 / budget.rate.0);
        let saved = interval.saturating_mul(u64::from(budget.burst.saturating_sub(1)));
        let turn = self.paced.max(due);
        self.paced = turn + interval;
        due.max(turn - saved)
    }

    /// Whether the breaker permits an attempt now; else until when it does not. After that time it permits one
    /// attempt, and stays open for others until its outcome is known.
    pub fn admit(&mut self, breaker: &Breaker, now: Timestamp) -> Result<(), Timestamp> {
        if self.failures < breaker.failures {
            return Ok(());
        }
        if now < self.broken_until {
            return Err(self.broken_until);
        }
        self.broken_until = now + breaker.open_for;
        Ok(())
    }

    /// An attempt opened or failed.
    pub fn outcome(&mut self, breaker: &Breaker, now: Timestamp, opened: bool) {
        self.failures = if opened { 0 } else { self.failures.saturating_add(1) };
        if self.failures >= breaker.failures {
            self.broken_until = now + breaker.open_for;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantity::Rate;

    #[test]
    fn the_gate_lets_one_through_at_a_time_in_order() {
        let mut host = Host::default();
        let (a, b) = (EndpointId(0), EndpointId(1));
        assert!(host.enter(a, 1));
        assert!(!host.enter(a, 2));
        assert!(!host.enter(a, 3));
        assert!(host.enter(b, 4));
        assert_eq!(host.leave(a), Some(2));
        assert_eq!(host.leave(a), Some(3));
        assert_eq!(host.leave(a), None);
        assert!(host.enter(a, 5));
    }

    #[test]
    fn a_budget_grants_its_burst_and_then_its_rate() {
        let mut host = Host::default();
        let budget = Budget { rate: Rate(10.0), burst: 3 };
        let at = |ms: u64| Timestamp(ms * 1_000_000);
        let granted = [0, 0, 0, 0, 0].map(|_| host.pace(&budget, at(1_000)));
        assert_eq!(granted, [at(1_000), at(1_000), at(1_000), at(1_100), at(1_200)]);
        assert_eq!(host.pace(&budget, at(5_000)), at(5_000));
    }

    #[test]
    fn a_breaker_opens_after_its_failures_and_tries_with_one() {
        let mut host = Host::default();
        let breaker = Breaker { failures: 2, open_for: Nanos(10) };
        let at = Timestamp;
        host.outcome(&breaker, at(0), false);
        assert_eq!(host.admit(&breaker, at(0)), Ok(()));
        host.outcome(&breaker, at(1), false);
        assert_eq!(host.admit(&breaker, at(2)), Err(at(11)));
        assert_eq!(host.admit(&breaker, at(11)), Ok(()));
        assert_eq!(host.admit(&breaker, at(11)), Err(at(21)), "one at a time");
        host.outcome(&breaker, at(12), true);
        assert_eq!(host.admit(&breaker, at(12)), Ok(()));
    }
}
