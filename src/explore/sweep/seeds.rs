//! Which seeds a sweep runs, and which share of them is this process's.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// A range of seeds: `0..1000` without its end, `0..=999` with it, `7` alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seeds(pub Range<u64>);

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Seeds, String> {
        let hint = || format!("`{text}` is no range of seeds: give one such as 0..1000 (without its end) or 0..=999");
        let number = |text: &str| text.trim().replace('_', "").parse::<u64>().map_err(|_| hint());
        let range = match text.split_once("..") {
            None => {
                let seed = number(text)?;
                seed..seed.checked_add(1).ok_or_else(hint)?
            }
            Some((from, until)) => {
                let from = number(from)?;
                match until.strip_prefix('=') {
                    Some(last) => from..number(last)?.checked_add(1).ok_or_else(hint)?,
                    None => from..number(until)?,
                }
            }
        };
        if range.is_empty() {
            Err(format!("`{text}` holds no seed: the end must be after the beginning"))
        } else {
            Ok(Seeds(range))
        }
    }
}

impl fmt::Display for Seeds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.0.start, self.0.end)
    }
}

/// One of several shares of a sweep: `3/16` is the fourth, as counting begins at `0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which one.
    pub index: u64,
    /// Of how many.
    pub of: u64,
}

impl Shard {
    /// All of it.
    pub const WHOLE: Shard = Shard { index: 0, of: 1 };

    /// Whether the run with this number in the sweep is its own. Shares take turns, so that each has some of every cell.
    pub fn has(self, number: u64) -> bool {
        number % self.of == self.index
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let parts = text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((index, of)) if index < of => Ok(Shard { index, of }),
            _ => Err(format!("`{text}` is no share: give one such as 3/16, from 0/16 to 15/16")),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read() {
        assert_eq!("0..1_000".parse(), Ok(Seeds(0..1000)));
        assert_eq!("5..=9".parse(), Ok(Seeds(5..10)));
        assert_eq!("7".parse(), Ok(Seeds(7..8)));
        for wrong in ["", "a", "3..3", "9..1", "..", "-1..4", "0..=18446744073709551615"] {
            assert!(wrong.parse::<Seeds>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn shares_make_up_the_whole() {
        let shards: Vec<Shard> = (0..3).map(|index| Shard { index, of: 3 }).collect();
        assert!((0..20).all(|number| shards.iter().filter(|shard| shard.has(number)).count() == 1));
        assert_eq!("3/16".parse(), Ok(Shard { index: 3, of: 16 }));
        for wrong in ["16/16", "1", "a/b", "0/0", "-1/3"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
