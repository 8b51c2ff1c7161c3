//! Health checks: how often a server is checked, and how many results in a row mark it up or down.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::Nanos;

/// The shortest period: nobody checks more often, and each check takes a connect.
const SHORTEST: Nanos = Nanos::from_millis(1);

/// `{ every = "5s", timeout = "2s", fall = 3, rise = 2 }` (the words are HAProxy's): a check is a TCP connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// Time between two checks; the first is at the beginning of the run.
    pub every: Nanos,
    /// Time limit of a check; at most `every`, so that there is one check at a time.
    #[serde(default = "default_timeout")]
    pub timeout: Nanos,
    /// Failed checks in a row that mark a server down.
    #[serde(default = "default_fall")]
    pub fall: u32,
    /// Successful checks in a row that mark it up again.
    #[serde(default = "default_rise")]
    pub rise: u32,
}

fn default_timeout() -> Nanos {
    Nanos::from_secs(2)
}

fn default_fall() -> u32 {
    3
}

fn default_rise() -> u32 {
    2
}

impl Health {
    /// Why it is impossible, if it is: the key, and the error.
    pub fn problem(&self) -> Option<(&'static str, String)> {
        let Health { every, timeout, fall, rise } = *self;
        match () {
            () if every == Nanos::ZERO => Some(("every", "checks must have some time between them".into())),
            () if every < SHORTEST => {
                Some(("every", format!("checks every {every}: at least {SHORTEST} lies between two")))
            }
            () if timeout == Nanos::ZERO => Some(("timeout", "a timeout of zero: every check would fail".into())),
            () if timeout > every => {
                Some(("timeout", format!("timeout {timeout} outlasts the next check, after {every}")))
            }
            () if fall == 0 => Some(("fall", "zero: it must be at least 1".into())),
            () if rise == 0 => Some(("rise", "zero: it must be at least 1".into())),
            () => None,
        }
    }
}

/// The state of one server by its checks. It is up at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verdict {
    down: bool,
    /// Checks in a row that contradict the state.
    against: u32,
}

impl Verdict {
    /// Whether it counts as up.
    pub fn is_up(self) -> bool {
        !self.down
    }

    /// Takes a check's outcome. Returns whether the state has changed.
    pub fn check(&mut self, health: &Health, went_well: bool) -> bool {
        if went_well != self.down {
            self.against = 0;
            return false;
        }
        self.against += 1;
        let changed = self.against >= if self.down { health.rise } else { health.fall };
        if changed {
            *self = Verdict { down: !self.down, against: 0 };
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_checks_in_a_row_decide() {
        let health = Health { every: Nanos(9), timeout: Nanos(9), fall: 3, rise: 2 };
        let mut verdict = Verdict::default();
        let checks = [false, false, true, false, false, false, true, false, true, true, false];
        let changed = (0..).zip(checks).filter(|(_, went_well)| verdict.check(&health, *went_well));
        assert_eq!(changed.map(|(at, _)| at).collect::<Vec<u32>>(), [5, 9]);
        assert!(verdict.is_up());
    }
}
