//! When to try again. The jitter policies are those of Brooker, "Exponential Backoff And Jitter" (AWS Architecture
//! Blog, 2015); RFC 6455 section 7.2.3 asks for some back-off after an abnormal closure.

use serde::{Deserialize, Serialize};

use crate::rng::Bits;
use crate::time::Nanos;

/// How the delay grows from one retry to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// No retry: the first failure is the end.
    None,
    /// Always `base`.
    Fixed,
    /// `base * 2^(n-1)`, at most `cap`.
    Exponential,
    /// Uniform between zero and the exponential delay.
    #[default]
    FullJitter,
    /// Half the exponential delay, plus uniform up to the other half.
    EqualJitter,
    /// Uniform between `base` and three times the last delay, at most `cap`.
    DecorrelatedJitter,
}

impl Policy {
    /// The name in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Policy::None => "none",
            Policy::Fixed => "fixed",
            Policy::Exponential => "exponential",
            Policy::FullJitter => "full-jitter",
            Policy::EqualJitter => "equal-jitter",
            Policy::DecorrelatedJitter => "decorrelated-jitter",
        }
    }
}

/// The retry policy of a client group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// The shape of the delays.
    pub policy: Policy,
    /// The first delay, before jitter.
    pub base: Nanos,
    /// No delay is longer.
    pub cap: Nanos,
    /// Attempts at most until one opens, the first included, hops not counted; absent: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
}

impl Default for Retry {
    fn default() -> Retry {
        Retry { policy: Policy::default(), base: Nanos::from_secs(1), cap: Nanos::from_secs(30), attempts: None }
    }
}

impl Retry {
    /// The delay before retry `n` (from 1). `previous` is the session's last delay, zero before the first.
    pub fn delay(&self, n: u32, previous: Nanos, draw: impl FnOnce() -> Bits) -> Nanos {
        let doublings = n.saturating_sub(1).min(63);
        let exponential = self.base.saturating_mul(1 << doublings).min(self.cap);
        match self.policy {
            Policy::None => Nanos::ZERO,
            Policy::Fixed => self.base,
            Policy::Exponential => exponential,
            Policy::FullJitter => draw().between(Nanos::ZERO, exponential),
            Policy::EqualJitter => {
                let half = Nanos(exponential.0 / 2);
                draw().between(half, exponential)
            }
            Policy::DecorrelatedJitter => {
                let highest = previous.max(self.base).saturating_mul(3);
                draw().between(self.base, highest).min(self.cap)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Identity, Purpose, Seed};

    #[test]
    fn delays_stay_within_their_policy() {
        let ms = Nanos::from_millis;
        let retry = |policy| Retry { policy, base: ms(100), cap: ms(1_000), attempts: None };
        let delays = |policy, n: u32, previous| {
            (0..1_000).map(move |i| {
                let draw = || Seed(1).draw(Identity(7), Purpose::Retry, i);
                retry(policy).delay(n, previous, draw)
            })
        };
        let range = |policy, n, previous| {
            let all = || delays(policy, n, previous);
            (all().min().unwrap().0 / 1_000_000, all().max().unwrap().0 / 1_000_000)
        };
        assert_eq!(range(Policy::Fixed, 9, ms(0)), (100, 100));
        assert_eq!(range(Policy::Exponential, 1, ms(0)), (100, 100));
        assert_eq!(range(Policy::Exponential, 3, ms(0)), (400, 400));
        assert_eq!(range(Policy::Exponential, 500, ms(0)), (1_000, 1_000));
        let (low, high) = range(Policy::FullJitter, 3, ms(0));
        assert!(low < 5 && (395..=400).contains(&high));
        let (low, high) = range(Policy::EqualJitter, 3, ms(0));
        assert!((200..205).contains(&low) && (395..=400).contains(&high));
        let (low, high) = range(Policy::DecorrelatedJitter, 5, ms(200));
        assert!((100..105).contains(&low) && (590..=600).contains(&high));
        assert_eq!(range(Policy::DecorrelatedJitter, 5, ms(9_000_000)).1, 1_000);
    }
}
