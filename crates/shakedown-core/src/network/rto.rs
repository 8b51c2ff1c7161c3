//! When a kernel retransmits unacknowledged data (RFC 6298, with Linux's bounds).

use crate::time::Nanos;

/// Linux's minimum (`TCP_RTO_MIN`); RFC 6298 section 2.4 has one second.
const LEAST: Nanos = Nanos::from_millis(200);
/// Before any round trip was measured (RFC 6298 section 2.1).
const INITIAL: Nanos = Nanos::from_secs(1);
/// Linux's maximum (`TCP_RTO_MAX`).
const MOST: Nanos = Nanos::from_secs(120);

/// A retransmission timer that nothing has reset since it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rto(Nanos);

impl Rto {
    /// From the connect's round trip, the only sample there is: SRTT + 4 RTTVAR = 3 R (RFC 6298 section 2.2). Without one
    /// - the SYN was repeated, and it is unknown which one was answered (Karn's algorithm) - one second.
    pub fn new(round_trip: Option<Nanos>) -> Rto {
        Rto(round_trip.map_or(INITIAL, |rtt| Nanos(rtt.0.saturating_mul(3)).clamp(LEAST, MOST)))
    }

    /// Its timeout.
    pub fn length(self) -> Nanos {
        self.0
    }

    /// It expired: the next timeout is twice as long (section 5.5), 120 s at most.
    pub fn doubled(self) -> Rto {
        Rto(Nanos(self.0.0.saturating_mul(2)).min(MOST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_begin_at_three_round_trips_and_double() {
        assert_eq!(Rto::new(None).length(), Nanos::from_secs(1));
        assert_eq!(Rto::new(Some(Nanos::from_millis(40))).length(), Nanos::from_millis(200));
        assert_eq!(Rto::new(Some(Nanos::from_millis(100))).length(), Nanos::from_millis(300));
        assert_eq!(Rto::new(Some(Nanos::from_millis(100))).doubled().length(), Nanos::from_millis(600));
        assert_eq!(Rto::new(Some(Nanos::from_secs(100))).length(), Nanos::from_secs(120));
    }

    #[test]
    fn fifteen_retries_take_what_linux_says_they_do() {
        // ip-sysctl, tcp_retries2: "the default of 15 yields a hypothetical timeout of 924.6 seconds".
        let mut rto = Rto::new(Some(Nanos::from_millis(1)));
        let mut sum = Nanos::ZERO;
        for _ in 0..=15 {
            sum.0 += rto.length().0;
            rto = rto.doubled();
        }
        assert_eq!(sum, Nanos::from_millis(924_600));
    }
}
