//! When a kernel retransmits unacknowledged data (RFC 6298, with Linux's bounds), and when it gives up.

use crate::time::Nanos;

/// Linux's minimum (`TCP_RTO_MIN`). It is one of the variance term, 4 RTTVAR, not of the sum (`tcp_set_rto`); RFC 6298
/// section 2.4 has one second for the sum.
const LEAST: Nanos = Nanos::from_millis(200);
/// Linux's maximum (`TCP_RTO_MAX`).
const MOST: Nanos = Nanos::from_secs(120);
/// How often a kernel repeats the data of a connection that its process has closed (Linux: `tcp_orphan_retries` is 0,
/// which stands for 8 as long as the timer is below its maximum, and then for 0).
const ORPHAN_RETRIES: u8 = 8;

/// A retransmission timer that nothing has reset since it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rto(Nanos);

impl Rto {
    /// From the connect's round trip, the only sample there is: SRTT = R and 4 RTTVAR = 2 R (RFC 6298 section 2.2), the
    /// latter at least 200 ms.
    pub fn new(round_trip: Nanos) -> Rto {
        let variance = round_trip.saturating_mul(2).max(LEAST);
        Rto((round_trip + variance).min(MOST))
    }

    /// Its timeout.
    pub fn length(self) -> Nanos {
        self.0
    }

    /// It expired: the next timeout is twice as long (section 5.5), 120 s at most.
    pub fn doubled(self) -> Rto {
        Rto(self.0.saturating_mul(2).min(MOST))
    }
}

/// The time that a number of retries stands for (Linux: `tcp_model_timeout`): what they would take if the first timer were
/// 200 ms. A kernel ends the connection when a timer runs out at that time or later.
pub fn time_of_retries(retries: u8) -> Nanos {
    let mut timer = Rto(LEAST);
    (0..=retries).fold(Nanos::ZERO, |sum, _| {
        let length = timer.length();
        timer = timer.doubled();
        sum + length
    })
}

/// The repetitions of data that is not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repetitions {
    timer: Rto,
    /// Between the first transmission and the last.
    since: Nanos,
    count: u8,
    /// How long data may stay unacknowledged, whatever the number of repetitions (`TCP_USER_TIMEOUT`).
    limit: Option<Nanos>,
}

impl Repetitions {
    /// None so far; the first transmission has left.
    pub fn new(timer: Rto) -> Repetitions {
        Repetitions::within(timer, None)
    }

    /// The same with a limit of the time that they may take.
    pub fn within(timer: Rto, limit: Option<Nanos>) -> Repetitions {
        Repetitions { timer, since: Nanos::ZERO, count: 0, limit }
    }

    /// How long a kernel repeats for a connection that its process has closed, at most.
    pub fn of_orphans() -> Nanos {
        time_of_retries(ORPHAN_RETRIES)
    }

    /// How long after the last transmission the timer runs out.
    ///
    /// It does at the limit at the latest, once it has run out before (Linux: `tcp_clamp_rto_to_user_timeout`).
    pub fn timer(&self) -> Nanos {
        match self.limit.filter(|_| self.count > 0) {
            Some(limit) => self.timer.length().min(Nanos(limit.0.saturating_sub(self.since.0).max(1_000_000))),
            None => self.timer.length(),
        }
    }

    /// Transmissions after the first.
    pub fn count(&self) -> u8 {
        self.count
    }

    /// The timer has run out. True when the data leaves once more; otherwise its kernel gives up, after this many
    /// `retries` (`tcp_retries2`), or those of a process that is gone (`orphan`). The first time it never does.
    #[must_use]
    pub fn again(&mut self, retries: u8, orphan: bool) -> bool {
        let retries = match orphan {
            true if self.timer.length() < MOST => ORPHAN_RETRIES,
            true => 0,
            false => retries,
        };
        let since = self.since + self.timer();
        if self.count > 0 && since >= self.limit.unwrap_or_else(|| time_of_retries(retries)) {
            return false;
        }
        (self.since, self.timer, self.count) = (since, self.timer.doubled(), self.count.saturating_add(1));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timer(round_trip: u64) -> Rto {
        Rto::new(Nanos::from_millis(round_trip))
    }

    /// When data leaves again, and when its kernel gives up, in milliseconds after the first transmission.
    fn schedule(round_trip: u64, retries: u8, orphan: bool) -> (Vec<u64>, u64) {
        schedule_of(Repetitions::new(timer(round_trip)), retries, orphan)
    }

    #[test]
    fn a_user_timeout_takes_the_place_of_the_retries() {
        let within = |limit| Repetitions::within(timer(40), Some(Nanos::from_millis(limit)));
        assert_eq!(schedule_of(within(2_000), 15, false), (vec![240, 720, 1_680], 2_000));
        assert_eq!(schedule_of(within(2_000), 15, true), schedule_of(within(2_000), 0, false));
        // The first timer runs whatever the limit is, and the data leaves once more.
        assert_eq!(schedule_of(within(100), 15, false), (vec![240], 241));
    }

    fn schedule_of(mut repetitions: Repetitions, retries: u8, orphan: bool) -> (Vec<u64>, u64) {
        let (mut at, mut left) = (0, Vec::new());
        loop {
            at += repetitions.timer().0 / 1_000_000;
            if !repetitions.again(retries, orphan) {
                return (left, at);
            }
            left.push(at);
        }
    }

    #[test]
    fn the_least_is_that_of_the_variance() {
        // Linux 6.18, measured: 227, 245, 280 and 324 ms.
        for (round_trip, length) in [(0, 200), (20, 220), (40, 240), (66, 266), (100, 300), (101, 303), (300, 900)] {
            assert_eq!(timer(round_trip).length(), Nanos::from_millis(length), "{round_trip}");
        }
        assert_eq!(timer(100).doubled().length(), Nanos::from_millis(600));
        assert_eq!(timer(100_000).length(), Nanos::from_secs(120));
        assert_eq!(timer(100_000).doubled().length(), Nanos::from_secs(120));
    }

    #[test]
    fn retries_stand_for_a_time() {
        // ip-sysctl, tcp_retries2: "the default of 15 yields a hypothetical timeout of 924.6 seconds".
        let times = [(0, 200), (3, 3_000), (5, 12_600), (8, 102_200), (9, 204_600), (15, 924_600)];
        for (retries, time) in times {
            assert_eq!(time_of_retries(retries), Nanos::from_millis(time));
        }
    }

    #[test]
    fn a_connection_ends_at_the_first_timer_past_that_time() {
        assert_eq!(schedule(40, 5, false), (vec![240, 720, 1_680, 3_600, 7_440], 15_120));
        // A slow connection is repeated less often, and ends no later for it.
        assert_eq!(schedule(300, 5, false), (vec![900, 2_700, 6_300], 13_500));
        assert_eq!(schedule(0, 15, false).1, 924_600);
        assert_eq!(schedule(300, 15, false).1, 949_500);
        assert_eq!(schedule(500, 15, false).1, 1_030_500);
        // It is repeated once, whatever is configured.
        assert_eq!(schedule(1_000, 0, false), (vec![3_000], 9_000));
    }

    #[test]
    fn what_a_closed_connection_left_unsaid_is_repeated_for_a_minute() {
        let (left, end) = schedule(40, 15, true);
        assert_eq!(left, [240, 720, 1_680, 3_600, 7_440, 15_120, 30_480, 61_200]);
        assert_eq!(end, 122_640);
        // At the timer's maximum there is no second time.
        assert_eq!(schedule(50_000, 15, true), (vec![120_000], 240_000));
    }
}
