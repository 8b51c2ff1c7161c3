//! Rates and shares, written with their units.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How often something happens, per second. In files: `"2000/s"`, `"30/m"` or `"1/h"`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate(pub f64);

/// What a rate must look like, for error messages.
pub const RATE_HINT: &str = "a rate, such as \"2000/s\" or \"30/m\"";

impl FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Rate, &'static str> {
        let (number, unit) = text.split_once('/').ok_or(RATE_HINT)?;
        let seconds = match unit.trim() {
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(RATE_HINT),
        };
        let number: f64 = number.trim().replace('_', "").parse().map_err(|_| RATE_HINT)?;
        if !(number.is_finite() && number >= 0.0) {
            return Err(RATE_HINT);
        }
        Ok(Rate(number / seconds))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.0)
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Rate, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Rate;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(RATE_HINT)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Rate, E> {
                text.parse().map_err(|hint| E::invalid_value(de::Unexpected::Str(text), &hint))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// A part of a whole, from 0 to 1. In files: `"30%"`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Share(pub f64);

/// What a share must look like, for error messages.
pub const SHARE_HINT: &str = "a share from 0% to 100%, such as \"30%\"";

impl FromStr for Share {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Share, &'static str> {
        let number = text.strip_suffix('%').ok_or(SHARE_HINT)?.trim_end();
        let percent: f64 = number.parse().map_err(|_| SHARE_HINT)?;
        if !(0.0..=100.0).contains(&percent) {
            return Err(SHARE_HINT);
        }
        Ok(Share(percent / 100.0))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0 * 100.0)
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Share, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Share;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(SHARE_HINT)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Share, E> {
                text.parse().map_err(|hint| E::invalid_value(de::Unexpected::Str(text), &hint))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// `loss`: the share of messages that are lost, `"1%"` or `{ forward = "1%", back = "0%" }`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loss {
    /// From `from` to `to`; of `[network]`, from clients to servers.
    pub forward: Share,
    /// The other way.
    pub back: Share,
}

impl Default for Loss {
    fn default() -> Loss {
        Loss { forward: Share(0.0), back: Share(0.0) }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EachWay {
    #[serde(default = "none")]
    forward: Share,
    #[serde(default = "none")]
    back: Share,
}

fn none() -> Share {
    Share(0.0)
}

impl Serialize for Loss {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.forward == self.back {
            return self.forward.serialize(serializer);
        }
        EachWay { forward: self.forward, back: self.back }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Loss {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Loss, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Loss;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a share such as \"1%\", or { forward = \"1%\", back = \"0%\" }")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Loss, E> {
                let both = Share::deserialize(de::value::StrDeserializer::new(text))?;
                Ok(Loss { forward: both, back: both })
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Loss, A::Error> {
                let EachWay { forward, back } = EachWay::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Loss { forward, back })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_shares_parse_with_their_units_only() {
        assert_eq!("2_000/s".parse(), Ok(Rate(2000.0)));
        assert_eq!("30/m".parse(), Ok(Rate(0.5)));
        assert_eq!("30%".parse(), Ok(Share(0.3)));
        for text in ["", "5", "5/d", "-1/s", "inf/s", "nan/s", "/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
        for text in ["", "0.3", "101%", "-1%", "nan%", "%"] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
    }
}
