//! Rates, shares, bandwidths and sizes, written with their units.

use std::fmt;
use std::str::FromStr;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::shape::shaped;

/// How often something happens, per second. In files: `"2000/s"`, `"30/m"` or `"1/h"`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate(pub f64);

/// What a rate must look like, for error messages.
pub const RATE_HINT: &str = "a rate, such as \"2000/s\" or \"30/m\"";

/// What a rate may be per, in seconds.
const RATE_UNITS: [(&str, f64); 3] = [("s", 1.0), ("m", 60.0), ("h", 3600.0)];

impl FromStr for Rate {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Rate, &'static str> {
        let (number, unit) = text.split_once('/').ok_or(RATE_HINT)?;
        let (_, seconds) = RATE_UNITS.iter().find(|(name, _)| *name == unit.trim()).ok_or(RATE_HINT)?;
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

/// A part of a whole, from 0 to 1. In files: `"30%"`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default)]
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
        // The shortest that reads as the same share: 0.007 times 100 is 0.7000000000000001.
        let percent = self.0 * 100.0;
        let mut rounded = (0..17).filter_map(|digits| format!("{percent:.digits$e}").parse::<f64>().ok());
        let shortest = rounded.find(|shorter| shorter / 100.0 == self.0);
        write!(f, "{}%", shortest.unwrap_or(percent))
    }
}

/// Bits per second. In files: `"100Mbit/s"`, with `bit`, `kbit`, `Mbit`, `Gbit` or `Tbit` of powers of 1000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bandwidth(pub u64);

/// What a bandwidth must look like, for error messages.
pub const BANDWIDTH_HINT: &str = "a bandwidth, such as \"100Mbit/s\" or \"64kbit/s\"";

/// The largest first, as the shortest spelling uses it.
const BIT_UNITS: [(&str, u64); 5] =
    [("Tbit/s", 1_000_000_000_000), ("Gbit/s", 1_000_000_000), ("Mbit/s", 1_000_000), ("kbit/s", 1_000), ("bit/s", 1)];

/// Bytes. In files: `"64KB"`, with `B`, `KB`, `MB`, `GB` of powers of 1000, or `KiB`, `MiB`, `GiB` of powers of 1024.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Bytes(pub u64);

/// What a size must look like, for error messages.
pub const BYTES_HINT: &str = "a size, such as \"64KB\", \"1500B\" or \"256KiB\"";

const BYTE_UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

/// A number, whole or with a fraction that its unit makes whole.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_'))?;
    let (number, unit) = text.split_at(split);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    let number = number.replace('_', "");
    let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
    let mut total = whole.parse::<u64>().ok()?.checked_mul(*factor)?;
    let mut scale = *factor;
    for digit in fraction.chars() {
        let digit = u64::from(digit.to_digit(10)?);
        if !scale.is_multiple_of(10) && digit != 0 {
            return None;
        }
        scale /= 10;
        total = total.checked_add(digit * scale)?;
    }
    Some(total)
}

/// The largest unit that keeps the number whole.
fn spelled(value: u64, units: &[(&str, u64)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let fits = |unit: &&(&str, u64)| value > 0 && value.is_multiple_of(unit.1);
    let (unit, factor) = units.iter().find(fits).or(units.last()).expect("there are units");
    write!(f, "{}{unit}", value / factor)
}

impl FromStr for Bandwidth {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Bandwidth, &'static str> {
        scaled(text, &BIT_UNITS).map(Bandwidth).ok_or(BANDWIDTH_HINT)
    }
}

impl fmt::Display for Bandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        spelled(self.0, &BIT_UNITS, f)
    }
}

impl FromStr for Bytes {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Bytes, &'static str> {
        scaled(text, &BYTE_UNITS).map(Bytes).ok_or(BYTES_HINT)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        spelled(self.0, &BYTE_UNITS, f)
    }
}

/// Written and read as text, with a hint for error messages.
macro_rules! as_text {
    ($type:ident, $hint:expr, $pattern:expr) => {
        shaped!($type, stringify!($type), |_generator| shape::text($pattern, $hint));

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$type, D::Error> {
                struct Visitor;
                impl de::Visitor<'_> for Visitor {
                    type Value = $type;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($hint)
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(|hint| E::invalid_value(de::Unexpected::Str(text), &hint))
                    }
                }
                deserializer.deserialize_str(Visitor)
            }
        }
    };
}

/// What the units of a table look like behind a number.
#[cfg(feature = "schema")]
fn pattern_of(units: &[(&str, u64)]) -> String {
    format!("^{}$", crate::shape::number_with(units.iter().map(|(unit, _)| *unit)))
}

as_text!(Rate, RATE_HINT, {
    let units: Vec<&str> = RATE_UNITS.iter().map(|(unit, _)| *unit).collect();
    format!(r"^\s*[+0-9._][-+0-9._eE]*\s*/\s*({})\s*$", units.join("|"))
});
as_text!(Share, SHARE_HINT, r"^[+0-9.][-+0-9.eE]*\s*%$");
as_text!(Bandwidth, BANDWIDTH_HINT, pattern_of(&BIT_UNITS));
as_text!(Bytes, BYTES_HINT, pattern_of(&BYTE_UNITS));

/// `loss`: the share of messages that are lost, `"1%"` or `{ forward = "1%", back = "0%" }`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loss {
    /// From `from` to `to`; of `[network]`, from clients to servers.
    pub forward: Share,
    /// In the other direction.
    pub back: Share,
}

impl Loss {
    /// The same in both directions.
    pub fn both(share: Share) -> Loss {
        Loss { forward: share, back: share }
    }
}

impl Default for Loss {
    fn default() -> Loss {
        Loss { forward: Share(0.0), back: Share(0.0) }
    }
}

#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
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

shaped!(Loss, "Loss", |generator| shape::any([
    generator.subschema_for::<Share>(),
    generator.subschema_for::<EachWay>()
]));

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

/// Reads a whole number from 1 up to a bound. Whatever is wrong with it, the message names both.
///
/// # Errors
/// When it is another number, or none.
pub fn count_up_to<'de, const MOST: u32, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    struct Visitor<const MOST: u32>;
    impl<const MOST: u32> de::Visitor<'_> for Visitor<MOST> {
        type Value = u32;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a whole number from 1 to {MOST}")
        }
        fn visit_u64<E: de::Error>(self, number: u64) -> Result<u32, E> {
            let fits = u32::try_from(number).ok().filter(|number| (1..=MOST).contains(number));
            fits.ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(number), &self))
        }
        fn visit_i64<E: de::Error>(self, number: i64) -> Result<u32, E> {
            match u64::try_from(number) {
                Ok(number) => self.visit_u64(number),
                Err(_) => Err(E::invalid_value(de::Unexpected::Signed(number), &self)),
            }
        }
    }
    deserializer.deserialize_any(Visitor::<MOST>)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_shares_parse_with_their_units_only() {
        assert_eq!("2_000/s".parse(), Ok(Rate(2000.0)));
        assert_eq!("30/m".parse(), Ok(Rate(0.5)));
        assert_eq!("30%".parse(), Ok(Share(0.3)));
        for (text, bits) in
            [("100Mbit/s", 100_000_000), ("1.5 Gbit/s", 1_500_000_000), ("9_600bit/s", 9_600), ("0bit/s", 0)]
        {
            assert_eq!(text.parse(), Ok(Bandwidth(bits)));
            assert_eq!(Bandwidth(bits).to_string().parse(), Ok(Bandwidth(bits)));
        }
        assert_eq!(Bandwidth(1_500_000_000).to_string(), "1500Mbit/s");
        for (text, bytes) in [("64KB", 64_000), ("256KiB", 262_144), ("1500B", 1500), ("0.5MB", 500_000), ("0B", 0)] {
            assert_eq!(text.parse(), Ok(Bytes(bytes)));
            assert_eq!(Bytes(bytes).to_string().parse(), Ok(Bytes(bytes)));
        }
        for text in ["", "100", "100MB/s", "100mbit/s", "-1bit/s", "0.5bit/s", "1.2.3kbit/s", "99999999Tbit/s", "bit/s"]
        {
            assert!(text.parse::<Bandwidth>().is_err(), "{text}");
        }
        for text in ["", "64", "64kb", "0.1B", "1.3KiB", "B"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
        for text in ["", "5", "5/d", "-1/s", "inf/s", "nan/s", "/s"] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
        for text in ["", "0.3", "101%", "-1%", "nan%", "%"] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
    }
}
