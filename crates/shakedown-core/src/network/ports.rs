//! The local ports that an address has for connections to one other address and port. What a kernel does with them is
//! measured in tests/integration/kernel.rs.

use std::collections::VecDeque;

use crate::time::{Nanos, Timestamp};

/// Linux: `ip_local_port_range` is 32768 to 60999.
pub const EPHEMERAL_PORTS: u32 = 28_232;
/// The ports from 1024 on, of which Linux's NAT takes any for a client whose own is taken.
pub const NAT_PORTS: u32 = 64_512;

/// How long the ports of a connection stay taken after it (TIME-WAIT, RFC 9293 section 3.6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeWait {
    /// From the close.
    pub length: Nanos,
    /// Whether the accepting end, where it closed first, takes a new SYN for them all the same.
    pub reopens: bool,
}

/// How a connection ended for the end that opened it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It closed before the other end's FIN came: it has the TIME-WAIT, or a FIN-WAIT-2 that takes as long.
    ClosedFirst,
    /// The other end's FIN came first: that has the TIME-WAIT.
    ClosedSecond,
    /// By RST, or it never came to be: nothing waits.
    Cut,
}

/// The ports of one address towards one other.
#[derive(Debug, Clone)]
pub struct Ports {
    most: u32,
    time_wait: TimeWait,
    in_use: u32,
    /// When those that wait are free again, in order.
    waiting: VecDeque<Timestamp>,
}

impl Ports {
    /// So many, none of them in use.
    pub fn new(most: u32, time_wait: TimeWait) -> Ports {
        Ports { most, time_wait, in_use: 0, waiting: VecDeque::new() }
    }

    /// Whether any is free.
    pub fn has_free(&self, now: Timestamp) -> bool {
        let over = self.waiting.partition_point(|free| *free <= now);
        u64::from(self.in_use) + ((self.waiting.len() - over) as u64) < u64::from(self.most)
    }

    /// Takes one.
    pub fn take(&mut self, now: Timestamp) {
        while self.waiting.front().is_some_and(|free| *free <= now) {
            self.waiting.pop_front();
        }
        self.in_use += 1;
    }

    /// A connection that has one is over.
    pub fn give_back(&mut self, now: Timestamp, ending: Ending) {
        self.in_use -= 1;
        let waits = match ending {
            Ending::ClosedFirst => true,
            Ending::ClosedSecond => !self.time_wait.reopens,
            Ending::Cut => false,
        };
        if waits && self.time_wait.length > Nanos::ZERO {
            self.waiting.push_back(now + self.time_wait.length);
        }
    }

    /// Whether none is in use, nor waits.
    pub fn is_idle(&self, now: Timestamp) -> bool {
        self.in_use == 0 && self.waiting.back().is_none_or(|free| *free <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Timestamp {
        Timestamp::ZERO + Nanos::from_secs(second)
    }

    fn ports(most: u32, seconds: u64, reopens: bool) -> Ports {
        Ports::new(most, TimeWait { length: Nanos::from_secs(seconds), reopens })
    }

    #[test]
    fn a_port_waits_for_a_minute() {
        let mut ports = ports(2, 60, false);
        ports.take(at(0));
        assert!(ports.has_free(at(0)));
        ports.take(at(0));
        assert!(!ports.has_free(at(0)));
        ports.give_back(at(1), Ending::ClosedFirst);
        ports.give_back(at(2), Ending::Cut);
        assert!(ports.has_free(at(2)));
        ports.take(at(2));
        assert!(!ports.has_free(at(2)) && !ports.has_free(Timestamp(at(61).0 - 1)));
        assert!(ports.has_free(at(61)));
        ports.take(at(61));
        ports.give_back(at(62), Ending::ClosedFirst);
        ports.give_back(at(62), Ending::ClosedSecond);
        assert!(!ports.has_free(at(121)) && !ports.is_idle(at(121)) && ports.is_idle(at(122)));
    }

    #[test]
    fn a_server_that_closed_first_may_take_a_new_syn() {
        let free = |reopens: bool, ending: Ending| {
            let mut ports = ports(1, 60, reopens);
            ports.take(at(0));
            ports.give_back(at(1), ending);
            ports.has_free(at(1))
        };
        assert!(free(true, Ending::ClosedSecond) && !free(false, Ending::ClosedSecond));
        assert!(!free(true, Ending::ClosedFirst) && free(false, Ending::Cut));
    }

    #[test]
    fn without_a_wait_a_port_is_free_at_once() {
        let mut ports = ports(1, 0, false);
        ports.take(at(0));
        ports.give_back(at(1), Ending::ClosedFirst);
        assert!(ports.has_free(at(1)) && ports.is_idle(at(1)));
    }

    #[test]
    fn ten_ports_make_ten_connections_a_minute() {
        let mut ports = ports(10, 60, false);
        let mut made = 0;
        for second in 0..600 {
            if ports.has_free(at(second)) {
                ports.take(at(second));
                ports.give_back(at(second), Ending::ClosedFirst);
                made += 1;
            }
        }
        assert_eq!(made, 100);
    }
}
