//! What the sessions of one client process share. Sessions that are a host each have none, and pay nothing.

use std::collections::VecDeque;

use crate::machine::EndpointId;

/// One client process: its round-robin position and its connect gate.
#[derive(Debug, Default)]
pub struct Host {
    turn: u32,
    gate: Vec<Gate>,
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

    /// Asks to connect. When another session of this host is connecting there, the caller waits in line, under the
    /// driver's number for it, and is let through by [`Host::leave`].
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

    /// The connecting session is done (open or failed). Returns who goes next, if anyone waits.
    pub fn leave(&mut self, endpoint: EndpointId) -> Option<u32> {
        let gate = self.gate.iter_mut().find(|gate| gate.endpoint == endpoint)?;
        let next = gate.waiting.pop_front();
        gate.busy = next.is_some();
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
