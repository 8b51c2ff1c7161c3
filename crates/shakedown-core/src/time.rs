//! Virtual and real time in one unit: whole nanoseconds since the run began.
//!
//! Reads no clock: drivers give the time to machines. Durations are written with a unit
//! (`"250us"`) and are parsed exactly, without floating point.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::digits::grouped;

/// A moment: nanoseconds since the run began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub u64);

/// A length of time in nanoseconds. In files: a number and a unit, such as `"20ms"` or `"1.5s"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Nanos(pub u64);

impl Timestamp {
    /// The start of the run.
    pub const ZERO: Timestamp = Timestamp(0);
    /// A moment that no run reaches.
    pub const NEVER: Timestamp = Timestamp(u64::MAX);

    /// Time passed since `earlier`; zero when `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Nanos {
        Nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Nanos {
    /// No time at all.
    pub const ZERO: Nanos = Nanos(0);

    /// Whole milliseconds.
    pub const fn from_millis(ms: u64) -> Nanos {
        Nanos(ms * 1_000_000)
    }

    /// Whole seconds.
    pub const fn from_secs(s: u64) -> Nanos {
        Nanos(s * 1_000_000_000)
    }

    /// Milliseconds, for reports.
    pub fn as_millis_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }

    /// Seconds, for reports and rates.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// `self * factor`, at most the largest representable length.
    pub fn saturating_mul(self, factor: u64) -> Nanos {
        Nanos(self.0.saturating_mul(factor))
    }

    /// A length from a floating number of nanoseconds: negative and NaN become zero, overlong the longest.
    pub fn from_f64(ns: f64) -> Nanos {
        // `as` saturates and maps NaN to zero; adding a half rounds to nearest, as all values are >= 0.
        Nanos((ns + 0.5) as u64)
    }
}

impl Add<Nanos> for Timestamp {
    type Output = Timestamp;
    fn add(self, d: Nanos) -> Timestamp {
        Timestamp(self.0.saturating_add(d.0))
    }
}

impl Sub<Nanos> for Timestamp {
    type Output = Timestamp;
    fn sub(self, d: Nanos) -> Timestamp {
        Timestamp(self.0.saturating_sub(d.0))
    }
}

impl Add for Nanos {
    type Output = Nanos;
    fn add(self, d: Nanos) -> Nanos {
        Nanos(self.0.saturating_add(d.0))
    }
}

impl AddAssign for Nanos {
    fn add_assign(&mut self, d: Nanos) {
        *self = *self + d;
    }
}

/// A timeout as files write it: `"none"` stands for one that never comes.
pub mod timeout {
    use super::{DURATION_HINT, Nanos};
    use crate::shape::shaped;
    use serde::{Deserializer, Serialize, Serializer, de};

    /// No timeout.
    pub const NONE: Nanos = Nanos(u64::MAX);

    /// `"none"`, or a duration.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(timeout: &Nanos, serializer: S) -> Result<S::Ok, S::Error> {
        match *timeout {
            NONE => serializer.serialize_str("none"),
            timeout => timeout.serialize(serializer),
        }
    }

    /// The same, read.
    ///
    /// # Errors
    /// What is neither.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Nanos, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Nanos;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{DURATION_HINT}, or \"none\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Nanos, E> {
                match text {
                    "none" => Ok(NONE),
                    text => text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }

    /// What it looks like in a scenario.
    #[cfg(feature = "schema")]
    pub(crate) enum Shape {}

    shaped!(Shape, "Timeout", |generator| shape::any([shape::words(&["none"]), generator.subschema_for::<Nanos>()]));

    /// A time that may not be there at all: `"none"` stands for zero.
    pub mod or_zero {
        use super::{NONE, Nanos};
        use serde::{Deserializer, Serializer};

        /// `"none"`, or a duration.
        ///
        /// # Errors
        /// Those of the serializer.
        pub fn serialize<S: Serializer>(time: &Nanos, serializer: S) -> Result<S::Ok, S::Error> {
            super::serialize(if *time == Nanos::ZERO { &NONE } else { time }, serializer)
        }

        /// The same, read.
        ///
        /// # Errors
        /// What is neither.
        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Nanos, D::Error> {
            super::deserialize(deserializer).map(|time| if time == NONE { Nanos::ZERO } else { time })
        }
    }

    /// The same where there need not be one.
    pub mod optional {
        use super::Nanos;
        use serde::{Deserializer, Serializer};

        /// What is there.
        ///
        /// # Errors
        /// Those of the serializer.
        pub fn serialize<S: Serializer>(timeout: &Option<Nanos>, serializer: S) -> Result<S::Ok, S::Error> {
            match timeout {
                Some(timeout) => super::serialize(timeout, serializer),
                None => serializer.serialize_none(),
            }
        }

        /// The same, read.
        ///
        /// # Errors
        /// What is no timeout.
        pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Nanos>, D::Error> {
            super::deserialize(deserializer).map(Some)
        }
    }
}

const UNITS: [(&str, u64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// What a duration must look like, for error messages.
pub const DURATION_HINT: &str = "a duration with its unit (ns, us, ms, s, m, h), such as \"250ms\"";

impl FromStr for Nanos {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Nanos, &'static str> {
        let split = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).ok_or(DURATION_HINT)?;
        let (number, unit) = text.split_at(split);
        let factor = UNITS.iter().find(|(name, _)| *name == unit.trim_start()).ok_or(DURATION_HINT)?.1;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let mut total: u128 = 0;
        let mut digits = 0;
        for c in whole.bytes().filter(|c| *c != b'_') {
            // A byte outside 0-9 cannot be here except a second dot, which is in `fraction`.
            total = total.saturating_mul(10).saturating_add(u128::from(c - b'0'));
            digits += 1;
        }
        total = total.saturating_mul(u128::from(factor));
        let mut scale = u128::from(factor);
        for c in fraction.bytes().filter(|c| *c != b'_') {
            if !c.is_ascii_digit() || !scale.is_multiple_of(10) {
                return Err("a duration of whole nanoseconds, such as \"1.5ms\"");
            }
            scale /= 10;
            total = total.saturating_add(u128::from(c - b'0') * scale);
            digits += 1;
        }
        if digits == 0 {
            return Err(DURATION_HINT);
        }
        // A hundred years: far past any run, and far from the edge of u64.
        const LONGEST: u128 = 100 * 365 * 24 * 3600 * 1_000_000_000;
        if total > LONGEST {
            return Err("a duration of at most a hundred years");
        }
        Ok(Nanos(total as u64))
    }
}

/// The duration that was probably meant by what is none: `10min`, `10 sec`, `-10s`, `2 days`. Of a
/// number alone nobody knows.
pub fn meant(text: &str) -> Option<String> {
    const WORDS: [(&str, &[&str]); 6] = [
        ("ns", &["nsec", "nanosecond"]),
        ("us", &["µs", "μs", "usec", "microsecond"]),
        ("ms", &["msec", "millisecond", "milli"]),
        ("s", &["sec", "second"]),
        ("m", &["min", "minute"]),
        ("h", &["hr", "hour"]),
    ];
    let is_duration = |text: &String| text.parse::<Nanos>().is_ok();
    let text = text.trim().trim_start_matches(['-', '+']).replace(',', ".").to_lowercase();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(text.len());
    let (number, unit) = (&text[..end], text[end..].trim().trim_end_matches('.'));
    let singular = unit.strip_suffix('s').filter(|rest| rest.len() > 1).unwrap_or(unit);
    if ["d", "day"].contains(&singular) {
        let days: u64 = number.parse().ok()?;
        return Some(format!("{}h", days.checked_mul(24)?)).filter(is_duration);
    }
    let known =
        WORDS.iter().find(|(short, words)| [unit, singular].iter().any(|unit| unit == short || words.contains(unit)));
    let (short, _) = known?;
    Some(format!("{number}{short}")).filter(is_duration)
}

/// The exact spelling that reads best: `"1h"`, `"5m"`, `"60s"`, `"1.5s"`, `"250us"`. It has the largest unit that it does not
/// fall below; minutes and hours are whole, and minutes are two at least.
impl fmt::Display for Nanos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MINUTE: u64 = 60_000_000_000;
        const HOUR: u64 = 60 * MINUTE;
        let (unit, factor) = match self.0 {
            0 => ("s", 1),
            n if n.is_multiple_of(HOUR) => ("h", HOUR),
            n if n.is_multiple_of(MINUTE) && n > MINUTE => ("m", MINUTE),
            n if n >= 1_000_000_000 => ("s", 1_000_000_000),
            n if n >= 1_000_000 => ("ms", 1_000_000),
            n if n >= 1_000 => ("us", 1_000),
            _ => ("ns", 1),
        };
        let (whole, rest) = (self.0 / factor, self.0 % factor);
        if rest == 0 {
            return write!(f, "{whole}{unit}");
        }
        // Below a second, all factors are powers of ten.
        let digits = factor.ilog10() as usize;
        let decimals = format!("{rest:0digits$}");
        write!(f, "{whole}.{}{unit}", decimals.trim_end_matches('0'))
    }
}

crate::shape::shaped!(Nanos, "Duration", |_generator| shape::text(format!("^{}$", pattern()), DURATION_HINT));

/// What a duration looks like.
#[cfg(feature = "schema")]
pub(crate) fn pattern() -> String {
    crate::shape::number_with(UNITS.iter().map(|(unit, _)| *unit))
}

impl Serialize for Nanos {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Nanos {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Nanos, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Nanos;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(DURATION_HINT)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Nanos, E> {
                text.parse().map_err(|hint| E::invalid_value(de::Unexpected::Str(text), &hint))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// A length for readers: three significant digits in the unit that suits it (`"1.35 ms"`), rounded half to even; of a thousand
/// seconds and more whole seconds (`"49,040 s"`).
pub fn human(length: Nanos) -> String {
    const UNITS: [(&str, u64); 4] = [("ns", 1), ("µs", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)];
    if length == Nanos::ZERO {
        return "0 ms".into();
    }
    for (unit, factor) in UNITS {
        let decimals = if factor == 1 { [0, 0, 0] } else { [2, 1, 0] };
        for (decimals, scale) in decimals.into_iter().zip([100, 10, 1]) {
            let scale = if factor == 1 { 1 } else { scale };
            let rounded = half_to_even(u128::from(length.0) * scale, u128::from(factor));
            // A thousand of the last digit are three digits no more: the next form has fewer, or a larger unit.
            if rounded < 1_000 {
                let (whole, part) = (rounded / scale, rounded % scale);
                return if decimals == 0 {
                    format!("{whole} {unit}")
                } else {
                    format!("{whole}.{part:0decimals$} {unit}")
                };
            }
        }
    }
    let seconds = half_to_even(u128::from(length.0), 1_000_000_000);
    format!("{} s", grouped(seconds as u64))
}

/// What a scenario says, for readers: whole minutes and hours as such (`"15 min"`, `"1 h"`), anything else as [`human`] has it.
pub fn spelled(length: Nanos) -> String {
    let text = length.to_string();
    match (text.strip_suffix('m'), text.strip_suffix('h')) {
        (Some(minutes), _) => format!("{minutes} min"),
        (_, Some(hours)) => format!("{hours} h"),
        _ => human(length),
    }
}

/// A quotient, rounded to the nearest whole number; of two that are equally near, to the even one.
fn half_to_even(of: u128, by: u128) -> u128 {
    let (whole, rest) = (of / by, 2 * (of % by));
    whole + u128::from(rest > by || (rest == by && whole % 2 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_almost_a_duration_is_understood() {
        for (text, duration) in [
            ("-10s", "10s"),
            ("10min", "10m"),
            ("10 sec", "10s"),
            ("1.5 Hours", "1.5h"),
            ("2 days", "48h"),
            ("250 msec", "250ms"),
        ] {
            assert_eq!(meant(text).as_deref(), Some(duration), "{text}");
        }
        for text in ["", "7", "soon", "10 apples", "-", "999999999 days", "1.1ns"] {
            assert_eq!(meant(text), None, "{text}");
        }
    }

    #[test]
    fn durations_parse_exactly() {
        for (text, ns) in [
            ("0s", 0),
            ("250us", 250_000),
            ("1.5ms", 1_500_000),
            ("0.000000001s", 1),
            ("2m", 120_000_000_000),
            ("1_000 ns", 1_000),
            (".5s", 500_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Nanos(ns)), "{text}");
        }
        for text in ["", "20", "ms", "5 parsecs", "-1s", "1.5ns", "1.2.3s", ".s", "99999999999h", "1e3s"] {
            assert!(text.parse::<Nanos>().is_err(), "{text}");
        }
    }

    #[test]
    fn lengths_are_shown_with_three_digits() {
        for (ns, shown) in [
            (0, "0 ms"),
            (5, "5 ns"),
            (999, "999 ns"),
            (1_000, "1.00 µs"),
            (1_350_000, "1.35 ms"),
            (9_994_999, "9.99 ms"),
            (9_995_001, "10.0 ms"),
            (99_960_000, "100 ms"),
            (999_400_000, "999 ms"),
            // No unit has a thousand.
            (999_600_000, "1.00 s"),
            (999_600, "1.00 ms"),
            // In the middle: to the even digit.
            (1_005_000_000, "1.00 s"),
            (1_015_000_000, "1.02 s"),
            (59_950_000_000, "60.0 s"),
            (817_400_000_000, "817 s"),
            (999_600_000_000, "1,000 s"),
            (49_040_123_000_000, "49,040 s"),
            (u64::MAX, "18,446,744,074 s"),
        ] {
            assert_eq!(human(Nanos(ns)), shown, "{ns}");
        }
    }

    #[test]
    fn what_was_written_in_minutes_is_spelled_so() {
        for (text, shown) in
            [("1h", "1 h"), ("3600s", "1 h"), ("90m", "90 min"), ("60s", "60.0 s"), ("1500ms", "1.50 s")]
        {
            assert_eq!(spelled(text.parse().unwrap()), shown);
        }
    }

    #[test]
    fn display_round_trips() {
        for (ns, shown) in [
            (0, "0s"),
            (1, "1ns"),
            (999, "999ns"),
            (1_000, "1us"),
            (1_500, "1.5us"),
            (250_000, "250us"),
            (1_500_000, "1.5ms"),
            (1_000_000_001, "1.000000001s"),
            (60_000_000_000, "60s"),
            (61_500_000_000, "61.5s"),
            (90_000_000_000, "90s"),
            (120_000_000_000, "2m"),
            (5_400_000_000_000, "90m"),
            (3_600_000_000_000, "1h"),
            (86_400_000_000_000, "24h"),
            (3_600_000_000_001, "3600.000000001s"),
        ] {
            assert_eq!(Nanos(ns).to_string(), shown);
            assert_eq!(shown.parse(), Ok(Nanos(ns)), "{shown}");
        }
    }
}
