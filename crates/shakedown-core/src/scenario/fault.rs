//! `[faults.NAME]` as it is written: a flat table.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fault::{Kind, Repeat, Target};
use crate::quantity::{Bandwidth, Bytes, Loss, Share};
use crate::time::Nanos;

/// `[faults.NAME]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", schemars(rename = "Fault"))]
pub struct FaultToml {
    /// What happens.
    pub kind: Kind,
    /// To whom.
    pub target: Target,
    /// When.
    pub at: Nanos,
    /// Faults of links: only what goes from `from` to `to` is struck.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_way: bool,
    /// For how long; absent: it never heals.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub duration: Option<Nanos>,
    /// slow: how many times as long work takes; latency: how many times as long the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<f64>,
    /// lossy: the share of messages that are lost, beside those that the link itself loses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    /// latency: what each way takes longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add: Option<Nanos>,
    /// bandwidth: what everything that goes over the links shares, in each direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<Bandwidth>,
    /// bandwidth: the most that waits for it, in each direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Bytes>,
    /// reset: the share of connections that it strikes (all unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// backlog: what it shrinks to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u32>,
    /// What drains (1012 unless given where it starts again, else 1001): the close frames' status code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// drain: the time over which close frames are sent (10 s unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Nanos>,
    /// rolling-restart: servers restarted together (1 unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_a_time: Option<u32>,
    /// rolling-restart: the time from one start to the next server's turn (none unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Nanos>,
    /// restart, stop and rolling-restart: how long a server is drained before its process is ended (not at all unless
    /// given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Nanos>,
    /// flap: what happens to the target again and again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<Kind>,
    /// Absent: it happens once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
}

impl FaultToml {
    /// A fault that never heals, with none of the keys that only some kinds have.
    pub fn new(kind: Kind, target: Target, at: Nanos) -> FaultToml {
        FaultToml {
            kind,
            target,
            at,
            one_way: false,
            duration: None,
            factor: None,
            loss: None,
            add: None,
            bandwidth: None,
            queue: None,
            share: None,
            to: None,
            code: None,
            over: None,
            at_a_time: None,
            gap: None,
            drain: None,
            with: None,
            repeat: None,
        }
    }

    /// What happens to the target: of a flap, what it flaps with.
    pub fn effective_kind(&self) -> Kind {
        match self.kind {
            Kind::Flap => self.with.unwrap_or(Kind::Crash),
            kind => kind,
        }
    }

    /// Makes visible how often it happens in a run of this length.
    pub fn fill_in(&mut self, run: Nanos) {
        if let Some(Repeat { every, times }) = &mut self.repeat
            && every.0 > 0
        {
            let fit = run.0.saturating_sub(self.at.0).div_ceil(every.0);
            times.get_or_insert(u32::try_from(fit).unwrap_or(u32::MAX).max(1));
        }
    }
}
