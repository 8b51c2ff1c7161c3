//! The DNS cache of a client process.

use std::fmt;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::logins::Logins;
use super::redirect_cache::RedirectCache;
use crate::machine::EndpointId;
use crate::shape::shaped;
use crate::time::{Nanos, Timestamp};

/// How long a client process caches an answer. `getaddrinfo` returns no TTL, so many clients use a time of their
/// own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DnsCache {
    /// As long as the answer says.
    #[default]
    Ttl,
    /// As long as the process lives.
    Forever,
    /// Not at all: each attempt looks it up.
    None,
    /// As long as the answer says, but within bounds.
    Within(Bounds),
}

/// `{ min = "60s", max = "10m" }`: at least one of them; both the same for a client that does not know the TTL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// The shortest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Nanos>,
    /// The longest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Nanos>,
}

impl DnsCache {
    /// What is written for all but bounds.
    const WORDS: &[&str] = &["ttl", "forever", "none"];

    /// Until when an answer that arrives now is cached.
    fn until(self, now: Timestamp, ttl: Nanos) -> Timestamp {
        match self {
            DnsCache::Ttl => now + ttl,
            DnsCache::Forever => Timestamp::NEVER,
            DnsCache::None => now,
            DnsCache::Within(Bounds { min, max }) => {
                now + ttl.max(min.unwrap_or(ttl)).min(max.unwrap_or(Nanos(u64::MAX)))
            }
        }
    }
}

shaped!(DnsCache, "DnsCache", |generator| shape::any([
    shape::words(DnsCache::WORDS),
    generator.subschema_for::<Bounds>()
]));

impl Serialize for DnsCache {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            DnsCache::Ttl => serializer.serialize_str("ttl"),
            DnsCache::Forever => serializer.serialize_str("forever"),
            DnsCache::None => serializer.serialize_str("none"),
            DnsCache::Within(bounds) => bounds.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for DnsCache {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<DnsCache, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = DnsCache;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"ttl\", \"forever\", \"none\", or bounds such as { min = \"60s\" }")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<DnsCache, E> {
                match text {
                    "ttl" => Ok(DnsCache::Ttl),
                    "forever" => Ok(DnsCache::Forever),
                    "none" => Ok(DnsCache::None),
                    _ => Err(E::unknown_variant(text, DnsCache::WORDS)),
                }
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<DnsCache, A::Error> {
                Bounds::deserialize(de::value::MapAccessDeserializer::new(map)).map(DnsCache::Within)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// The names that a client process has looked up: of a [`super::Host`], or of a session that is a host of its own.
#[derive(Debug, Default)]
pub struct Names {
    known: Vec<Known>,
    logins: Logins,
    redirect_cache: RedirectCache,
}

#[derive(Debug)]
struct Known {
    name: EndpointId,
    until: Timestamp,
    addresses: Box<[EndpointId]>,
}

impl Names {
    /// The challenges that it received.
    pub(super) fn logins(&mut self) -> &mut Logins {
        &mut self.logins
    }

    /// The redirects that it remembers.
    pub(super) fn redirect_cache(&mut self) -> &mut RedirectCache {
        &mut self.redirect_cache
    }

    /// The addresses of a name, the best first, if they are cached and not expired.
    pub(super) fn find(&self, name: EndpointId, now: Timestamp) -> Option<&[EndpointId]> {
        let known = self.known.iter().find(|known| known.name == name)?;
        (now < known.until).then_some(&*known.addresses)
    }

    /// Keeps an answer as long as `cache` says.
    pub(super) fn keep(
        &mut self,
        name: EndpointId,
        addresses: &[EndpointId],
        (now, ttl): (Timestamp, Nanos),
        cache: DnsCache,
    ) {
        let until = cache.until(now, ttl);
        if until <= now {
            return;
        }
        match self.known.iter_mut().find(|known| known.name == name) {
            Some(known) if known.addresses.len() == addresses.len() => {
                known.until = until;
                known.addresses.copy_from_slice(addresses);
            }
            Some(known) => *known = Known { name, until, addresses: addresses.into() },
            None => {
                self.known.reserve_exact(1);
                self.known.push(Known { name, until, addresses: addresses.into() });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_as_long_as_the_process_thinks_right() {
        let s = Nanos::from_secs;
        let bounds = |min: Option<u64>, max: Option<u64>| DnsCache::Within(Bounds { min: min.map(s), max: max.map(s) });
        let now = Timestamp(5);
        for (cache, ttl, kept) in [
            (DnsCache::Ttl, 30, 30),
            (DnsCache::None, 30, 0),
            (bounds(Some(60), None), 30, 60),
            (bounds(Some(60), None), 90, 90),
            (bounds(None, Some(60)), 90, 60),
            (bounds(Some(30), Some(30)), 1, 30),
            (bounds(Some(30), Some(30)), 90, 30),
        ] {
            let mut names = Names::default();
            let (name, addresses) = (EndpointId(7), [EndpointId(1), EndpointId(0)]);
            names.keep(name, &addresses, (now, s(ttl)), cache);
            let last = now + Nanos(s(kept).0.saturating_sub(1));
            assert_eq!(names.find(name, last), (kept > 0).then_some(&addresses[..]), "{cache:?} {ttl}");
            assert_eq!(names.find(name, now + s(kept)), None, "{cache:?} {ttl}");
            assert_eq!(names.find(EndpointId(8), now), None);
        }
        let mut names = Names::default();
        names.keep(EndpointId(7), &[EndpointId(1)], (now, Nanos::ZERO), DnsCache::Forever);
        assert!(names.find(EndpointId(7), Timestamp(u64::MAX - 1)).is_some());
    }
}
