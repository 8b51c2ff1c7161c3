//! Random faults, drawn for each seed.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::faults::FaultToml;
use shakedown_core::fault::Kind;
use shakedown_core::quantity::{Loss, Share};
use shakedown_core::rng::{Bits, Distribution, Identity, Purpose, Seed, Varying};
use shakedown_core::time::Nanos;

/// `[chaos]`: random faults. Each seed enables its own subset of the kinds, so that runs differ in what they
/// test (Groce et al., "Swarm Testing", ISSTA 2012).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Chaos {
    /// Server groups, or members of them.
    pub targets: Vec<String>,
    /// Kinds of faults.
    #[serde(default = "every_kind")]
    pub kinds: Vec<Kind>,
    /// Maximum of faults in a run.
    #[serde(default = "three")]
    pub faults: u32,
    /// No fault begins before this.
    #[serde(default)]
    pub from: Nanos,
    /// Everything has healed by then; absent: two thirds of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Nanos>,
    /// Duration of a fault; it ends at `until` at the latest.
    #[serde(default = "some_seconds")]
    pub lasting: Distribution,
}

/// Kinds that can be drawn: those that mean something without further keys.
pub(crate) const DRAWN: [Kind; 10] = [
    Kind::Crash,
    Kind::PowerOff,
    Kind::Hang,
    Kind::Pause,
    Kind::Slow,
    Kind::Drain,
    Kind::Restart,
    Kind::Partition,
    Kind::Lossy,
    Kind::Latency,
];

fn every_kind() -> Vec<Kind> {
    DRAWN.to_vec()
}

fn three() -> u32 {
    3
}

fn some_seconds() -> Distribution {
    Distribution::Varying(Varying::Uniform { min: Nanos::from_secs(1), max: Nanos::from_secs(10) })
}

/// Draws for one fault, at most.
const DRAWS: u64 = 16;

impl Chaos {
    /// When everything has healed, in a run of this length.
    pub(crate) fn quiet_from(&self, run: Nanos) -> Nanos {
        self.until.unwrap_or(Nanos(run.0 / 3 * 2))
    }

    /// The faults of one seed, in order of their beginning. `servers`: the names of all possible targets. No two faults
    /// affect the same server at the same time: such a draw is skipped. So is one that `does_nothing`, which no file may
    /// write either.
    pub(crate) fn draw(
        &self,
        seed: Seed,
        servers: &[String],
        run: Nanos,
        does_nothing: impl Fn(Kind, &str) -> bool,
    ) -> Vec<(String, FaultToml)> {
        let identity = Identity::group("chaos");
        let bits = |ordinal: u64| seed.draw(identity, Purpose::Chaos, ordinal);
        let pick = |bits: Bits, of: usize| bits.below(of as u64) as usize;
        let mut enabled: Vec<Kind> = self
            .kinds
            .iter()
            .zip(DRAWS..)
            .filter(|(_, ordinal)| bits(*ordinal).below(2) == 1)
            .map(|(kind, _)| *kind)
            .collect();
        if enabled.is_empty() {
            enabled.push(self.kinds[pick(bits(0), self.kinds.len())]);
        }
        let until = self.quiet_from(run);
        let sampler = self.lasting.sampler();
        let mut drawn: Vec<(String, FaultToml)> = Vec::new();
        for number in 1..=1 + bits(1).below(u64::from(self.faults)) {
            let draw = |which: u64| bits(DRAWS * (number + 8) + which);
            let kind = enabled[pick(draw(0), enabled.len())];
            let server = &servers[pick(draw(1), servers.len())];
            // Whole milliseconds: they are easier to read, and to shrink.
            let at = whole(draw(2).between(self.from, Nanos(until.0 - 1)));
            let length = whole(sampler.sample(|| draw(3))).max(Nanos::from_millis(1));
            let length = Nanos(length.0.min(until.0.saturating_sub(at.0)));
            let target = server.as_str().into();
            let (begins, ends) = (at.0, at.0 + length.0);
            let meets = |other: &FaultToml| {
                other.target == target
                    && other.at.0 <= ends
                    && begins <= other.at.0 + other.duration.map_or(0, |length| length.0)
            };
            if length == Nanos::ZERO || does_nothing(kind, server) || drawn.iter().any(|(_, other)| meets(other)) {
                continue;
            }
            let mut fault = FaultToml { duration: Some(length), ..FaultToml::new(kind, target, at) };
            match kind {
                Kind::Slow => fault.factor = Some((2 + draw(4).below(9)) as f64),
                Kind::Lossy => fault.loss = Some(Loss::both(Share((10 + draw(4).below(51)) as f64 / 100.0))),
                Kind::Latency => fault.add = Some(Nanos::from_millis(20 + draw(4).below(481))),
                _ => {}
            }
            drawn.push((String::new(), fault));
        }
        drawn.sort_by_key(|(_, fault)| fault.at);
        for (number, (name, _)) in drawn.iter_mut().enumerate() {
            *name = format!("chaos-{}", number + 1);
        }
        drawn
    }
}

fn whole(length: Nanos) -> Nanos {
    Nanos(length.0 / 1_000_000 * 1_000_000)
}
