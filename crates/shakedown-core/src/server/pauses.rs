//! Pauses of a process, for garbage collection or because its machine is busy. They are drawn one at a time.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rng::{Distribution, Identity, Purpose, Sampler, Seed};
use crate::time::{Nanos, Timestamp};

/// `{ every = "10s", for = "200ms" }`: how often a process pauses, and for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PauseConfig {
    /// Time from the beginning of one to that of the next.
    pub every: Distribution,
    /// Duration.
    #[serde(rename = "for")]
    pub duration: Distribution,
    /// Whether all members pause at the same time.
    #[serde(default)]
    pub in_step: bool,
}

/// The pauses of one server, one after the other.
#[derive(Debug)]
pub struct Pauses {
    seed: Seed,
    actor: Identity,
    every: Sampler,
    duration: Sampler,
    in_step: bool,
    number: u64,
    /// When the last one began, and when it ended.
    began: Timestamp,
    ended: Timestamp,
}

impl Pauses {
    /// The pauses of a member of a group: `member` or `group` is the actor that draws, depending on `in_step`.
    pub fn new(seed: Seed, config: &PauseConfig, member: Identity, group: Identity) -> Pauses {
        Pauses {
            seed,
            actor: if config.in_step { group } else { member },
            every: config.every.sampler(),
            duration: config.duration.sampler(),
            in_step: config.in_step,
            number: 0,
            began: Timestamp::ZERO,
            ended: Timestamp::ZERO,
        }
    }

    /// The next one's beginning and end. One that would begin while the one before lasts begins when that has ended.
    pub fn advance(&mut self) -> (Timestamp, Timestamp) {
        let draw = |purpose| self.seed.draw(self.actor, purpose, self.number);
        let gap = match self.every {
            // Members pause as often, but out of phase.
            Sampler::Constant(every) if self.number == 0 && !self.in_step => {
                draw(Purpose::PausePhase).between(Nanos(1), every.max(Nanos(1)))
            }
            ref every => every.sample(|| draw(Purpose::PauseGap)),
        };
        let begins = (self.began + gap).max(self.ended);
        // However short it is, it has an end later than its beginning.
        let ends = begins + self.duration.sample(|| draw(Purpose::PauseLength)).max(Nanos(1));
        self.number += 1;
        (self.began, self.ended) = (begins, ends);
        (begins, ends)
    }
}
