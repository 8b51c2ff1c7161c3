//! Retry policies. The jitter policies are those of Brooker, "Exponential Backoff And Jitter" (AWS Architecture
//! Blog, 2015); RFC 6455 section 7.2.3 asks for a random delay before the first reconnect and growing ones after it.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::event::Failure;
use crate::handshake::Error;
use crate::quantity::{Rate, Share};
use crate::rng::{Bits, Distribution};
use crate::time::Nanos;

/// How the delay grows from one retry to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// No retry: the session ends with the first failure.
    None,
    /// Always `base`.
    Fixed,
    /// `base * factor^(n-1)`, at most `cap`.
    Exponential,
    /// Uniform between zero and the exponential delay.
    #[default]
    FullJitter,
    /// Half the exponential delay, plus uniform up to the other half.
    EqualJitter,
    /// Uniform between `base` and three times the last delay, at most `cap`.
    DecorrelatedJitter,
    /// `delays` in turn; the last one repeats.
    List,
    /// Chromium's delay of a page's new sockets (services/network/websocket_throttler.cc): uniform between 1 and
    /// 5 s, times 2^(failures) / 65536, at most once.
    Chromium,
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
            Policy::List => "list",
            Policy::Chromium => "chromium",
        }
    }
}

/// The retry policy of a client group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Retry {
    /// How delays grow.
    pub policy: Policy,
    /// The first delay, before jitter.
    pub base: Nanos,
    /// Maximum of the delay, without `plus`.
    pub cap: Nanos,
    /// Factor from one delay to the next.
    pub factor: f64,
    /// Delays of `list`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub delays: Vec<Nanos>,
    /// The first delay; the next one is `base` (RFC 6455 section 7.2.3: 0 to 5 s).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<Distribution>,
    /// Jitter by up to this share, up or down, applied before the cap as in some libraries: at the cap there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spread: Option<Share>,
    /// Added to `base`, drawn once per session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_plus: Option<Distribution>,
    /// Added to each delay after the cap, drawn each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plus: Option<Distribution>,
    /// Maximum of attempts until one opens, the first included, redirects not counted; absent: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// Whether an attempt that fails before it opens is retried, or only a lost connection.
    pub failed_handshakes: bool,
    /// Whether `Retry-After` (RFC 9110 section 10.2.3) makes the delay at least that long.
    pub honour_retry_after: bool,
    /// Statuses that are retried; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statuses: Option<Vec<u16>>,
    /// Kinds of failures without a status that are retried; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failures: Option<Vec<FailureKind>>,
    /// Delays after attempts that failed in a certain way, in place of the policy's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Box<AfterFailure>>,
    /// The delay after a lost connection, which then does not count as a retry; absent: the first delay of the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after_loss: Option<Distribution>,
    /// How long a connection must have been open to reset the delays.
    pub reset_after: Nanos,
    /// Retry budget that the sessions of a host share; needs `hosts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
}

/// Why an attempt failed that got no status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// No connection: any of the next three, also after a redirect.
    Connect,
    /// A lookup without an answer, or a name that nobody knows.
    Lookup,
    /// RST answered the connect, or there was no port for it.
    Refused,
    /// Nobody answered the connect.
    ConnectTimeout,
    /// The handshake took too long.
    Timeout,
    /// FIN or RST before the response, or a line of it that has no proper end.
    Closed,
    /// A response that must fail the handshake.
    Invalid,
    /// A redirect that can't be followed, or one more than the limit.
    Redirect,
    /// TLS failed.
    Tls,
}

impl FailureKind {
    fn of(failure: Failure) -> Option<FailureKind> {
        Some(match failure {
            Failure::LookupTimeout | Failure::Unresolved => FailureKind::Lookup,
            Failure::Refused | Failure::NoPort => FailureKind::Refused,
            Failure::ConnectTimeout => FailureKind::ConnectTimeout,
            Failure::HandshakeTimeout => FailureKind::Timeout,
            Failure::Closed | Failure::Reset | Failure::Invalid(Error::LineEnd) => FailureKind::Closed,
            Failure::Invalid(_) => FailureKind::Invalid,
            Failure::RedirectLimit | Failure::BadLocation => FailureKind::Redirect,
            Failure::Insecure => FailureKind::Tls,
            Failure::Rejected { .. }
            | Failure::Unauthorized
            | Failure::ProxyUnauthorized
            | Failure::ProxyRejected { .. } => return None,
        })
    }

    /// Whether a kind that is listed means this one.
    fn is_meant_by(self, listed: FailureKind) -> bool {
        let connects = matches!(self, FailureKind::Lookup | FailureKind::Refused | FailureKind::ConnectTimeout);
        listed == self || listed == FailureKind::Connect && connects
    }
}

/// `{ refused = "100ms", timeout = "10s" }`: the delay after an attempt that failed like this, drawn each time. It takes the
/// place of the policy's, which grows all the same; `Retry-After` makes it longer where it is honoured.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct AfterFailure {
    /// A lookup without an answer, or a name that nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lookup: Option<Distribution>,
    /// RST answered the connect, or there was no port for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Distribution>,
    /// Nobody answered the connect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_timeout: Option<Distribution>,
    /// The handshake took too long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Distribution>,
    /// FIN or RST before the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<Distribution>,
    /// TLS failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Distribution>,
    /// A status that does not open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected: Option<Distribution>,
}

impl AfterFailure {
    /// Each of them that is given, with its key.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, &Distribution)> {
        let all = [
            ("lookup", &self.lookup),
            ("refused", &self.refused),
            ("connect_timeout", &self.connect_timeout),
            ("timeout", &self.timeout),
            ("closed", &self.closed),
            ("tls", &self.tls),
            ("rejected", &self.rejected),
        ];
        all.into_iter().filter_map(|(key, delay)| Some((key, delay.as_ref()?)))
    }

    fn of(&self, failure: Failure) -> Option<&Distribution> {
        let delay = match FailureKind::of(failure) {
            None => &self.rejected,
            Some(FailureKind::Lookup) => &self.lookup,
            Some(FailureKind::Refused) => &self.refused,
            Some(FailureKind::ConnectTimeout) => &self.connect_timeout,
            Some(FailureKind::Timeout) => &self.timeout,
            Some(FailureKind::Closed) => &self.closed,
            Some(FailureKind::Tls) => &self.tls,
            Some(FailureKind::Connect | FailureKind::Invalid | FailureKind::Redirect) => &None,
        };
        delay.as_ref()
    }
}

/// A token bucket: a retry takes a token, and waits for one if there is none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Rate at which tokens are added.
    pub rate: Rate,
    /// Maximum of tokens, and their number at the start.
    pub burst: u32,
}

impl Default for Retry {
    fn default() -> Retry {
        Retry {
            policy: Policy::default(),
            base: Nanos::from_secs(1),
            cap: Nanos::from_secs(30),
            factor: 2.0,
            delays: Vec::new(),
            first: None,
            spread: None,
            base_plus: None,
            plus: None,
            attempts: None,
            failed_handshakes: true,
            honour_retry_after: false,
            statuses: None,
            failures: None,
            after: None,
            after_loss: None,
            reset_after: Nanos::ZERO,
            budget: None,
        }
    }
}

/// What is drawn for a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Draw {
    /// The jitter of the policy, of `first`, or of `spread`.
    Jitter,
    /// `plus`.
    Plus,
    /// `base_plus`: the same for all of a session's retries.
    Once,
}

impl Retry {
    /// Whether an attempt that failed like this is retried.
    pub(super) fn retries(&self, failure: Failure) -> bool {
        let listed = match (failure.status(), FailureKind::of(failure)) {
            (Some(status), _) => self.statuses.as_ref().is_none_or(|list| list.contains(&status)),
            (None, Some(kind)) => {
                self.failures.as_ref().is_none_or(|list| list.iter().any(|listed| kind.is_meant_by(*listed)))
            }
            (None, None) => true,
        };
        self.failed_handshakes && listed
    }

    /// What an attempt that failed like this waits for, where that is not the policy's delay.
    pub(super) fn after(&self, failure: Failure) -> Option<&Distribution> {
        self.after.as_ref()?.of(failure)
    }

    /// The delay before retry `n` (from 1). `previous` is the session's last delay, zero before the first.
    pub fn delay(&self, n: u32, previous: Nanos, draw: impl Fn(Draw) -> Bits) -> Nanos {
        let plus = |distribution: &Option<Distribution>, which: Draw| match distribution {
            None => Nanos::ZERO,
            Some(distribution) => distribution.sampler().sample(|| draw(which)),
        };
        let jitter = || draw(Draw::Jitter);
        let shifted = n - u32::from(self.first.is_some());
        let delay = match &self.first {
            Some(first) if n == 1 => first.sampler().sample(jitter),
            _ => {
                let base = self.base + plus(&self.base_plus, Draw::Once);
                self.shaped(shifted, base, previous, jitter)
            }
        };
        delay + plus(&self.plus, Draw::Plus)
    }

    /// Its keys that say something other than their default, which the policy has no use for.
    pub fn without_effect(&self) -> Vec<&'static str> {
        let default = Retry::default();
        let grows = matches!(
            self.policy,
            Policy::Exponential | Policy::FullJitter | Policy::EqualJitter | Policy::DecorrelatedJitter
        );
        let has_base = grows || self.policy == Policy::Fixed;
        let has_factor = grows && self.policy != Policy::DecorrelatedJitter;
        let keys = [
            ("base", has_base || self.base == default.base),
            ("cap", grows || self.cap == default.cap),
            ("factor", has_factor || self.factor == default.factor),
            ("delays", self.policy == Policy::List || self.delays.is_empty()),
        ];
        keys.into_iter().filter(|(_, is_used)| !is_used).map(|(key, _)| key).collect()
    }

    fn shaped(&self, n: u32, base: Nanos, previous: Nanos, jitter: impl Fn() -> Bits) -> Nanos {
        let grown = || {
            let mut delay = base.0 as f64;
            // Multiplied step by step: products are the same on every platform, powers are not.
            for _ in 1..n.min(1_000) {
                if delay >= 2.0 * self.cap.0 as f64 {
                    break;
                }
                delay *= self.factor;
            }
            delay
        };
        let exponential = || Nanos::from_f64(grown()).min(self.cap);
        match self.policy {
            Policy::None => Nanos::ZERO,
            Policy::Fixed => base,
            Policy::List => {
                let last = self.delays.len().saturating_sub(1);
                self.delays.get((n as usize - 1).min(last)).copied().unwrap_or_default()
            }
            Policy::Chromium => {
                let whole = jitter().between(Nanos::from_secs(1), Nanos::from_secs(5));
                Nanos(((u128::from(whole.0) << n.min(16)) >> 16) as u64)
            }
            Policy::Exponential => match self.spread {
                None => exponential(),
                Some(Share(spread)) => {
                    let factor = 1.0 + spread * (2.0 * jitter().unit() - 1.0);
                    Nanos::from_f64(grown() * factor).min(self.cap)
                }
            },
            Policy::FullJitter => jitter().between(Nanos::ZERO, exponential()),
            Policy::EqualJitter => {
                let whole = exponential();
                jitter().between(Nanos(whole.0 / 2), whole)
            }
            Policy::DecorrelatedJitter => {
                let highest = previous.max(base).saturating_mul(3);
                jitter().between(base, highest).min(self.cap)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Identity, Purpose, Seed, Varying};

    fn ms(ms: u64) -> Nanos {
        Nanos::from_millis(ms)
    }

    fn draw(i: u64) -> impl Fn(Draw) -> Bits {
        move |which| Seed(1).draw(Identity(7 + which as u64), Purpose::Retry, if which == Draw::Once { 0 } else { i })
    }

    /// The shortest and the longest of a thousand, in milliseconds.
    fn range(retry: &Retry, n: u32, previous: Nanos) -> (u64, u64) {
        let all = || (0..1_000).map(|i| retry.delay(n, previous, draw(i)).0 / 1_000_000);
        (all().min().unwrap(), all().max().unwrap())
    }

    fn retry(policy: Policy) -> Retry {
        Retry { policy, base: ms(100), cap: ms(1_000), ..Retry::default() }
    }

    #[test]
    fn delays_stay_within_their_policy() {
        assert_eq!(range(&retry(Policy::Fixed), 9, ms(0)), (100, 100));
        assert_eq!(range(&retry(Policy::Exponential), 1, ms(0)), (100, 100));
        assert_eq!(range(&retry(Policy::Exponential), 3, ms(0)), (400, 400));
        assert_eq!(range(&retry(Policy::Exponential), 500, ms(0)), (1_000, 1_000));
        let (low, high) = range(&retry(Policy::FullJitter), 3, ms(0));
        assert!(low < 5 && (395..=400).contains(&high));
        let (low, high) = range(&retry(Policy::EqualJitter), 3, ms(0));
        assert!((200..205).contains(&low) && (395..=400).contains(&high));
        let (low, high) = range(&retry(Policy::DecorrelatedJitter), 5, ms(200));
        assert!((100..105).contains(&low) && (590..=600).contains(&high));
        assert_eq!(range(&retry(Policy::DecorrelatedJitter), 5, ms(9_000_000)).1, 1_000);
    }

    #[test]
    fn libraries_shapes_come_out_as_measured() {
        let list = Retry { delays: vec![ms(10), ms(50), ms(5_000)], ..retry(Policy::List) };
        assert_eq!([1, 2, 3, 9].map(|n| range(&list, n, ms(0)).0), [10, 50, 5_000, 5_000]);
        // Jitter before the cap: at the cap it is gone, and the herd is in step again.
        let spread = Retry { spread: Some(Share(0.5)), ..retry(Policy::Exponential) };
        let (low, high) = range(&spread, 2, ms(0));
        assert!((100..105).contains(&low) && (295..=300).contains(&high));
        assert_eq!(range(&spread, 6, ms(0)), (1_000, 1_000));
        let uniform = |min, max| Some(Distribution::Varying(Varying::Uniform { min: ms(min), max: ms(max) }));
        // RFC 6455 section 7.2.3: a random first delay, then growing ones.
        let first = Retry { first: uniform(0, 5_000), factor: 1.5, ..retry(Policy::Exponential) };
        assert!(range(&first, 1, ms(0)).1 > 4_900);
        assert_eq!([2, 3, 4].map(|n| range(&first, n, ms(0))), [(100, 100), (150, 150), (225, 225)]);
        // One draw for life: every retry has the same base.
        let once = Retry { base_plus: uniform(0, 400), factor: 1.0, ..retry(Policy::Exponential) };
        let (low, high) = range(&once, 3, ms(0));
        assert!(low == high && low > 100);
        let plus = Retry { plus: uniform(300, 3_000), cap: ms(100), ..retry(Policy::Exponential) };
        let (low, high) = range(&plus, 5, ms(0));
        assert!((400..410).contains(&low) && (3_080..=3_100).contains(&high));
    }
}
