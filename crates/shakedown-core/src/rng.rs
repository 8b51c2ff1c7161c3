//! Randomness keyed by (actor, purpose, ordinal): a draw depends on what it is for, not on what was drawn before.
//!
//! A policy that draws once more changes no other draw, and two variants of a scenario are compared with common random
//! numbers. The generator is Philox2x64-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as
//! easy as 1, 2, 3", SC 2011), a counter-based one: eight bytes of seed are its whole state. Transcendentals come
//! from the pure-Rust `libm`, so that every platform draws the same values.

use std::convert::Infallible;
use std::fmt;

use rand_core::TryRng;
use rand_core::utils::fill_bytes_via_next_word;
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::shape::shaped;
use crate::time::Nanos;

/// The seed of a run's random number generator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(transparent)]
pub struct Seed(pub u64);

/// The actor that draws: a session, a server or a connection, as a hash of its name and index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(pub u64);

impl Identity {
    /// The member `index` of the group `name`; independent of which other groups there are.
    pub fn member(name: &str, index: u64) -> Identity {
        Identity::group(name).nth(index)
    }

    /// The base of a group's members, for [`Identity::nth`].
    pub fn group(name: &str) -> Identity {
        Identity(xxhash_rust::xxh3::xxh3_64(name.as_bytes()))
    }

    /// The member `index` of a group's base.
    pub fn nth(self, index: u64) -> Identity {
        Identity(self.0.wrapping_add(index))
    }
}

/// What a draw is for. The numbers are part of the meaning of a seed: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// Time between two arrivals of a client group.
    Arrival = 1,
    /// Which endpoint a session picks.
    Endpoint = 2,
    /// `Sec-WebSocket-Key` of a connection.
    Key = 3,
    /// Delay before a retry.
    Retry = 4,
    /// How long a session stays open.
    Hold = 5,
    /// A closed-loop user's pause between two sessions.
    Think = 6,
    /// One-way latency between a pair of hosts.
    Path = 7,
    /// Extra latency of one message.
    Jitter = 8,
    /// Work a server does for one handshake.
    Service = 9,
    /// Which behavior a server applies to a connection.
    Behavior = 10,
    /// Which member a redirector sends a connection to.
    Redirect = 11,
    /// Which members of a group a fault affects.
    Target = 12,
    /// What a library adds to each retry delay.
    RetryPlus = 13,
    /// What a library adds to its first delay, once per session.
    RetryBase = 14,
    /// Masking key of a frame.
    Mask = 15,
    /// Whether a transmission of data is lost.
    Loss = 30,
    /// Whether a SYN is lost.
    SynLoss = 31,
    /// Whether the answer to a SYN is lost.
    SynAckLoss = 32,
    /// Which server a balancer forwards a connection to.
    Backend = 60,
    /// The rendezvous hash of an address and a server behind a balancer.
    SourceHash = 61,
    /// The order in which the servers behind balancers are dealt out to them.
    Subset = 62,
    /// Work a server does for any request, whatever the answer.
    AcceptTime = 50,
    /// Work a server does to check a client's credentials.
    AuthTime = 51,
    /// Work a server does for a TLS handshake.
    TlsCost = 52,
    /// Whether a client host trusts the certificates of a server group.
    Trust = 53,
    /// When a server that pauses periodically first does.
    PausePhase = 56,
    /// From one pause of a server to the next.
    PauseGap = 57,
    /// How long a pause takes.
    PauseLength = 58,
    /// Whether a request makes a call, which server it calls, and when it retries.
    Call = 59,
    /// Which resolver a host uses.
    DnsResolver = 66,
    /// The phase of a resolver's queries for a name, within the TTL.
    DnsPhase = 67,
    /// Whether a resolver caches answers longer than the TTL.
    DnsMinTtl = 68,
    /// How long a lookup takes.
    DnsLatency = 69,
    /// The order of the addresses in an answer.
    DnsOrder = 70,
    /// The secret of a server process for its nonces.
    NonceSecret = 80,
    /// A server's nonce.
    Nonce = 81,
    /// A client's nonce.
    ClientNonce = 82,
    /// A response that is not HTTP.
    Garbage = 83,
    /// A server's nonce for a connection.
    LegNonce = 84,
    /// A client's nonce for its proxy.
    ProxyClientNonce = 90,
    /// The rendezvous hash of a client and a redirect's target.
    RedirectHash = 110,
    /// Random faults.
    Chaos = 120,
    /// Whether a connection is reset.
    Reset = 121,
    /// The age at which a connection ends.
    ConnectionAge = 140,
    /// How long an old process keeps a connection.
    ReloadDeadline = 141,
    /// When a process is probed first.
    ProbePhase = 150,
    /// Whatever a user's program in a scenario draws.
    Program = 130,
}

/// The 128 bits of one draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bits(pub [u64; 2]);

impl Seed {
    /// The draw number `ordinal` (at most 2^56 - 1) of `actor` for `purpose`.
    pub fn draw(self, actor: Identity, purpose: Purpose, ordinal: u64) -> Bits {
        debug_assert!(ordinal >> 56 == 0);
        Bits(philox2x64([actor.0, ((purpose as u64) << 56) | ordinal], self.0))
    }
}

impl Seed {
    /// An endless stream of random numbers of `actor` for `purpose`, for callers that do not count their draws.
    pub fn stream(self, actor: Identity, purpose: Purpose) -> KeyedRng {
        KeyedRng { seed: self, actor, purpose, ordinal: 0, second: None }
    }
}

/// The draws of one actor for one purpose, in order, as a generator for all of `rand`. Its numbers are the same on every
/// machine and in every version; the ranges and shuffles that `rand` derives from them are the same within one version of
/// `rand`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedRng {
    seed: Seed,
    actor: Identity,
    purpose: Purpose,
    ordinal: u64,
    /// The second word of the last draw, until it is taken.
    second: Option<u64>,
}

impl TryRng for KeyedRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|word| (word >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        if let Some(second) = self.second.take() {
            return Ok(second);
        }
        let Bits([first, second]) = self.seed.draw(self.actor, self.purpose, self.ordinal);
        self.ordinal += 1;
        self.second = Some(second);
        Ok(first)
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        fill_bytes_via_next_word(bytes, || self.try_next_u64())
    }
}

impl Bits {
    /// Uniform in [0, 1), of 53 bits.
    pub fn unit(self) -> f64 {
        (self.0[0] >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Uniform in (0, 1): safe to take a logarithm of.
    pub fn open_unit(self) -> f64 {
        ((self.0[0] >> 12) as f64 + 0.5) * (1.0 / (1u64 << 52) as f64)
    }

    /// Uniform in 0..n by multiplication (Lemire 2019); the bias of at most n / 2^64 is below anything measurable.
    pub fn below(self, n: u64) -> u64 {
        ((u128::from(self.0[0]) * u128::from(n)) >> 64) as u64
    }

    /// Uniform in [low, high].
    pub fn between(self, low: Nanos, high: Nanos) -> Nanos {
        debug_assert!(low <= high);
        Nanos(low.0 + self.below((high.0 - low.0).saturating_add(1)))
    }

    /// Exponentially distributed with mean 1, by inversion.
    pub fn exponential(self) -> f64 {
        -libm::log(self.open_unit())
    }

    /// Standard normal, by the Box-Muller transform (both words of the draw, one value).
    pub fn normal(self) -> f64 {
        let angle = (self.0[1] >> 11) as f64 * (2.0 * std::f64::consts::PI / (1u64 << 53) as f64);
        (2.0 * self.exponential()).sqrt() * libm::cos(angle)
    }

    /// The 16 bytes of the draw, little-endian.
    pub fn bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.0[0].to_le_bytes());
        bytes[8..].copy_from_slice(&self.0[1].to_le_bytes());
        bytes
    }
}

/// Ten rounds of Philox on two 64-bit words.
fn philox2x64(mut counter: [u64; 2], mut key: u64) -> [u64; 2] {
    const MULTIPLIER: u64 = 0xD2B7_4407_B1CE_6E93;
    const WEYL: u64 = 0x9E37_79B9_7F4A_7C15;
    for _ in 0..10 {
        let product = u128::from(counter[0]) * u128::from(MULTIPLIER);
        counter = [((product >> 64) as u64) ^ key ^ counter[1], product as u64];
        key = key.wrapping_add(WEYL);
    }
    counter
}

/// A distribution of times, as a scenario writes it: `"20ms"` (constant) or `{ lognormal = { … } }`.
#[derive(Debug, Clone, PartialEq)]
pub enum Distribution {
    /// Always the same.
    Constant(Nanos),
    /// Any of the family.
    Varying(Varying),
}

/// The distributions that vary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Varying {
    /// Uniform between two values.
    Uniform {
        /// The shortest.
        min: Nanos,
        /// The longest.
        max: Nanos,
    },
    /// Memoryless; the waiting time of a Poisson process.
    Exponential {
        /// The average.
        mean: Nanos,
    },
    /// Gaussian, cut off at zero.
    Normal {
        /// The average before the cut.
        mean: Nanos,
        /// The standard deviation before the cut.
        deviation: Nanos,
    },
    /// The logarithm is Gaussian: the usual shape of network latencies.
    Lognormal {
        /// Half of the values lie below.
        median: Nanos,
        /// 99 % of the values lie below; at least the median.
        p99: Nanos,
    },
    /// Measured quantiles with linear interpolation: `{ p0 = "1ms", p50 = "2ms", p100 = "9ms" }`.
    Quantiles(std::collections::BTreeMap<String, Nanos>),
}

impl Varying {
    /// A short description for readers.
    pub fn describe(&self) -> String {
        match self {
            Varying::Uniform { min, max } => format!("{min} to {max}"),
            Varying::Exponential { mean } => format!("exponential, mean {mean}"),
            Varying::Normal { mean, deviation } => format!("normal, mean {mean}, deviation {deviation}"),
            Varying::Lognormal { median, p99 } => format!("lognormal, median {median}, p99 {p99}"),
            Varying::Quantiles(points) => {
                let median = points.get("p50").map_or(String::new(), |median| format!(", median {median}"));
                format!("{} quantiles{median}", points.len())
            }
        }
    }
}

impl Distribution {
    /// Why it is impossible, if it is.
    pub fn problem(&self) -> Option<String> {
        match self {
            Distribution::Constant(_) => None,
            Distribution::Varying(varying) => match varying {
                Varying::Uniform { min, max } if min > max => Some(format!("max {max} is below min {min}")),
                Varying::Lognormal { median, .. } if median.0 == 0 => {
                    Some("a lognormal median must be above zero".into())
                }
                Varying::Lognormal { median, p99 } if p99 < median => {
                    Some(format!("p99 {p99} is below the median {median}"))
                }
                Varying::Quantiles(points) => quantile_points(points).err(),
                _ => None,
            },
        }
    }

    /// Prepares it for drawing. Call only after [`Distribution::problem`] found none.
    pub fn sampler(&self) -> Sampler {
        match self {
            Distribution::Constant(value) => Sampler::Constant(*value),
            Distribution::Varying(varying) => match varying {
                Varying::Uniform { min, max } => Sampler::Uniform(*min, *max),
                Varying::Exponential { mean } => Sampler::Exponential(mean.0 as f64),
                Varying::Normal { mean, deviation } => Sampler::Normal(mean.0 as f64, deviation.0 as f64),
                Varying::Lognormal { median, p99 } => {
                    // The standard normal's 99th percentile.
                    const Z99: f64 = 2.326_347_874_040_841;
                    let mu = libm::log(median.0 as f64);
                    Sampler::Lognormal(mu, (libm::log(p99.0 as f64) - mu) / Z99)
                }
                Varying::Quantiles(points) => Sampler::Quantiles(quantile_points(points).unwrap_or_default()),
            },
        }
    }
}

/// `p99_9` -> 0.999, in rising order with rising values, from `p0` to `p100`.
fn quantile_points(points: &std::collections::BTreeMap<String, Nanos>) -> Result<Vec<(f64, Nanos)>, String> {
    let mut sorted = Vec::with_capacity(points.len());
    for (name, value) in points {
        let percent = name
            .strip_prefix('p')
            .and_then(|digits| digits.replace('_', ".").parse::<f64>().ok())
            .filter(|percent| (0.0..=100.0).contains(percent))
            .ok_or_else(|| format!("`{name}` is no quantile: write p0, p50, p99_9, p100"))?;
        sorted.push((percent / 100.0, *value));
    }
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    if sorted.first().is_none_or(|first| first.0 != 0.0) || sorted.last().is_none_or(|last| last.0 != 1.0) {
        return Err("quantiles must begin with p0 and end with p100".into());
    }
    if sorted.windows(2).any(|pair| pair[0].1 > pair[1].1 || pair[0].0 == pair[1].0) {
        return Err("quantiles must rise: a higher one can't have a shorter time".into());
    }
    Ok(sorted)
}

/// A [`Distribution`] with precomputed logarithms, for the hot loop.
#[derive(Debug, Clone, PartialEq)]
pub enum Sampler {
    /// Always the same; costs no draw.
    Constant(Nanos),
    /// From, to.
    Uniform(Nanos, Nanos),
    /// Mean in nanoseconds.
    Exponential(f64),
    /// Mean and standard deviation in nanoseconds.
    Normal(f64, f64),
    /// Mean and standard deviation of the logarithm of nanoseconds.
    Lognormal(f64, f64),
    /// (quantile, value), rising.
    Quantiles(Vec<(f64, Nanos)>),
}

impl Sampler {
    /// One value; `draw` is asked for bits only when the value depends on them.
    pub fn sample(&self, draw: impl FnOnce() -> Bits) -> Nanos {
        match self {
            Sampler::Constant(value) => *value,
            Sampler::Uniform(min, max) => draw().between(*min, *max),
            Sampler::Exponential(mean) => Nanos::from_f64(mean * draw().exponential()),
            Sampler::Normal(mean, deviation) => Nanos::from_f64((mean + deviation * draw().normal()).max(0.0)),
            Sampler::Lognormal(mu, sigma) => Nanos::from_f64(libm::exp(mu + sigma * draw().normal())),
            Sampler::Quantiles(points) => {
                let u = draw().unit();
                let above = points.partition_point(|(q, _)| *q <= u).clamp(1, points.len() - 1);
                let ((q0, v0), (q1, v1)) = (points[above - 1], points[above]);
                let share = (u - q0) / (q1 - q0);
                Nanos::from_f64(v0.0 as f64 + share * (v1.0 - v0.0) as f64)
            }
        }
    }
}

impl From<Nanos> for Distribution {
    fn from(value: Nanos) -> Distribution {
        Distribution::Constant(value)
    }
}

shaped!(Distribution, "Distribution", |generator| shape::any([
    generator.subschema_for::<Nanos>(),
    generator.subschema_for::<Varying>()
]));

impl Serialize for Distribution {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Distribution::Constant(value) => value.serialize(serializer),
            Distribution::Varying(varying) => varying.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Distribution {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Distribution, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Distribution;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"20ms\", or a distribution such as { uniform = { min = \"1ms\", max = \"5ms\" } }")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Distribution, E> {
                Nanos::deserialize(de::value::StrDeserializer::new(text)).map(Distribution::Constant)
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Distribution, A::Error> {
                Varying::deserialize(de::value::MapAccessDeserializer::new(map)).map(Distribution::Varying)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_matches_the_published_vectors() {
        let pi = [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344];
        for (counter, key, expected) in [
            ([0, 0], 0, [0xca00_a045_9843_d731, 0x66c2_4222_c9a8_45b5]),
            ([u64::MAX; 2], u64::MAX, [0x65b0_21d6_0cd8_310f, 0x4d02_f322_2f86_df20]),
            (pi, 0xa409_3822_299f_31d0, [0x0a5e_742c_2997_341c, 0xb0f8_83d3_8000_de5d]),
        ] {
            assert_eq!(philox2x64(counter, key), expected);
        }
    }

    fn samples(distribution: &Distribution) -> Vec<f64> {
        assert_eq!(distribution.problem(), None);
        let sampler = distribution.sampler();
        let actor = Identity::member("test", 0);
        let mut values: Vec<f64> =
            (0..100_000).map(|n| sampler.sample(|| Seed(1).draw(actor, Purpose::Path, n)).0 as f64).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    /// 100,000 draws: the standard error of a mean is 0.3 % of the deviation; 2 % of the value is six of them or more.
    fn close(actual: f64, expected: f64) {
        assert!((actual / expected - 1.0).abs() < 0.02, "{actual} is not near {expected}");
    }

    /// The words of the draws in order, whichever way they are taken.
    #[test]
    fn a_stream_is_the_draws_of_its_key() {
        use rand::{Rng, RngExt, seq::SliceRandom};
        let (seed, actor) = (Seed(7), Identity::group("somebody"));
        let mut stream = seed.stream(actor, Purpose::Program);
        let words: Vec<u64> = (0..2).flat_map(|n| seed.draw(actor, Purpose::Program, n).0).collect();
        assert_eq!([0; 4].map(|_| stream.next_u64()).to_vec(), words);
        let mut bytes = [0; 20];
        seed.stream(actor, Purpose::Program).fill_bytes(&mut bytes);
        assert_eq!(bytes[..8], words[0].to_le_bytes());
        assert_eq!(bytes[8..16], words[1].to_le_bytes());
        assert_eq!(seed.stream(actor, Purpose::Program).next_u32(), (words[0] >> 32) as u32);
        let mut cards: Vec<u32> = (0..52).collect();
        cards.shuffle(&mut stream);
        assert_ne!(cards, (0..52).collect::<Vec<_>>());
        cards.sort_unstable();
        assert_eq!(cards, (0..52).collect::<Vec<_>>());
        let mean = (0..10_000).map(|_| f64::from(stream.random_range(0..100u32))).sum::<f64>() / 10_000.0;
        assert!((mean - 49.5).abs() < 1.5, "{mean}");
    }

    #[test]
    fn distributions_have_their_stated_moments() {
        let ms = Nanos::from_millis;
        let of = |varying| samples(&Distribution::Varying(varying));
        close(mean(&of(Varying::Uniform { min: ms(10), max: ms(30) })), 20e6);
        let exponential = of(Varying::Exponential { mean: ms(7) });
        close(mean(&exponential), 7e6);
        close(exponential[50_000], 7e6 * std::f64::consts::LN_2);
        let normal = of(Varying::Normal { mean: ms(50), deviation: ms(5) });
        close(mean(&normal), 50e6);
        close(normal[84_134] - normal[50_000], 5e6);
        let lognormal = of(Varying::Lognormal { median: ms(20), p99: ms(60) });
        close(lognormal[50_000], 20e6);
        close(lognormal[99_000], 60e6);
        let points = [("p0", 0), ("p50", 10), ("p90", 20), ("p100", 120)];
        let quantiles = of(Varying::Quantiles(points.iter().map(|(name, v)| (name.to_string(), ms(*v))).collect()));
        close(quantiles[50_000], 10e6);
        close(quantiles[90_000], 20e6);
        close(quantiles[95_000], 70e6);
    }

    #[test]
    fn impossible_distributions_are_found() {
        let ms = Nanos::from_millis;
        for bad in [
            Varying::Uniform { min: ms(2), max: ms(1) },
            Varying::Lognormal { median: ms(2), p99: ms(1) },
            Varying::Lognormal { median: ms(0), p99: ms(1) },
            Varying::Quantiles([("p50".to_string(), ms(1))].into()),
            Varying::Quantiles([("p0".into(), ms(2)), ("p100".into(), ms(1))].into()),
            Varying::Quantiles([("p0".into(), ms(2)), ("p101".into(), ms(3))].into()),
        ] {
            assert!(Distribution::Varying(bad.clone()).problem().is_some(), "{bad:?}");
        }
    }
}
