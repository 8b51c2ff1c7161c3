//! When kernels repeat an unanswered SYN. Linux before 6.5 doubles from one second (RFC 6298 section 2.1) and fails
//! after six retries; since 6.5 the first four are one second apart (sysctl `tcp_syn_linear_timeouts`). macOS gives
//! up at 75 s (`net.inet.tcp.keepinit`).

use std::fmt;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::shape::shaped;
use crate::time::Nanos;

/// `syn_retries`: a kernel's name, or the times of the SYNs after the first, with the end of the connect as the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SynRetries {
    /// One of the kernels below.
    Kernel(Kernel),
    /// Times since the first SYN; the last is when the connect fails.
    Times(Vec<Nanos>),
}

/// Kernels with a known schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Kernel {
    /// Since 6.5: 1, 2, 3, 4, 5, 7, 11, 19, 35, 67 s; fails at 131 s.
    #[serde(rename = "linux-6.5")]
    Linux6_5,
    /// Before 6.5: 1, 3, 7, 15, 31, 63 s; fails at 127 s.
    Linux,
    /// 1, 2, 3, 4, 5, 7, 11, 19, 35 s; fails at 75 s.
    Macos,
}

impl Default for SynRetries {
    fn default() -> SynRetries {
        SynRetries::Kernel(Kernel::Linux6_5)
    }
}

/// The times of SYNs after the first, and of the end.
#[derive(Debug, Clone)]
pub struct SynSchedule(Vec<Nanos>);

impl SynRetries {
    /// Why it is impossible, if it is.
    pub fn problem(&self) -> Option<String> {
        match self {
            SynRetries::Times(times) if times.is_empty() => {
                Some("an empty list: the last time is when the connect fails, so there must be one".into())
            }
            SynRetries::Times(times) if times.windows(2).any(|pair| pair[0] >= pair[1]) => {
                Some("the times must rise: each counts from the first SYN".into())
            }
            _ => None,
        }
    }

    /// The schedule, ready to run.
    pub fn schedule(&self) -> SynSchedule {
        let seconds = |list: &[u64]| list.iter().map(|s| Nanos::from_secs(*s)).collect();
        SynSchedule(match self {
            SynRetries::Kernel(Kernel::Linux6_5) => seconds(&[1, 2, 3, 4, 5, 7, 11, 19, 35, 67, 131]),
            SynRetries::Kernel(Kernel::Linux) => seconds(&[1, 3, 7, 15, 31, 63, 127]),
            SynRetries::Kernel(Kernel::Macos) => seconds(&[1, 2, 3, 4, 5, 7, 11, 19, 35, 75]),
            SynRetries::Times(times) => times.clone(),
        })
    }
}

impl SynSchedule {
    /// The time of SYN `n` (1 is the first repetition) after the first; `None` after the last.
    pub fn repetition(&self, n: usize) -> Option<Nanos> {
        (n < self.0.len()).then(|| self.0[n - 1])
    }

    /// When the connect fails, counted from the first SYN.
    pub fn gives_up(&self) -> Nanos {
        self.0.last().copied().unwrap_or_default()
    }
}

shaped!(SynRetries, "SynRetries", |generator| shape::any([
    generator.subschema_for::<Kernel>(),
    generator.subschema_for::<Vec<Nanos>>()
]));

impl Serialize for SynRetries {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            SynRetries::Kernel(kernel) => kernel.serialize(serializer),
            SynRetries::Times(times) => times.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for SynRetries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SynRetries, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = SynRetries;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"linux-6.5\", \"linux\", \"macos\", or a list of times such as [\"1s\", \"3s\", \"7s\"]")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<SynRetries, E> {
                Kernel::deserialize(de::value::StrDeserializer::new(text)).map(SynRetries::Kernel)
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<SynRetries, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(SynRetries::Times)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_repeat_and_give_up_when_they_do() {
        let of = |kernel| SynRetries::Kernel(kernel).schedule();
        let linux = of(Kernel::Linux);
        let repeated: Vec<u64> = (1..).map_while(|n| linux.repetition(n)).map(|t| t.0 / 1_000_000_000).collect();
        assert_eq!(repeated, [1, 3, 7, 15, 31, 63]);
        assert_eq!(linux.gives_up(), Nanos::from_secs(127));
        assert_eq!(of(Kernel::Linux6_5).gives_up(), Nanos::from_secs(131));
        assert_eq!(of(Kernel::Linux6_5).repetition(10), Some(Nanos::from_secs(67)));
        assert_eq!(of(Kernel::Linux6_5).repetition(11), None);
        assert_eq!(of(Kernel::Macos).gives_up(), Nanos::from_secs(75));
    }
}
