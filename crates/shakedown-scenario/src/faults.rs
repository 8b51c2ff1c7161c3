//! `[faults.NAME]` as written: a flat table, which `fault_config.rs` converts.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shakedown_core::fault::{Kind, Repeat, Target};
use shakedown_core::machine::Ends;
use shakedown_core::quantity::{Bandwidth, Bytes, Loss, Share};
use shakedown_core::rng::Distribution;
use shakedown_core::time::Nanos;

/// `[faults.NAME]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", schemars(rename = "Fault"))]
pub(crate) struct FaultToml {
    /// Kind of fault.
    pub kind: Kind,
    /// Target.
    pub target: Target,
    /// When.
    pub at: Nanos,
    /// Faults of links: only the direction from `from` to `to` is affected.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_way: bool,
    /// Duration; absent: it never heals.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub duration: Option<Nanos>,
    /// slow: factor of the time that work takes; latency: factor of the path's latency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factor: Option<f64>,
    /// lossy: the share of messages that are lost, in addition to the link's own loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<Loss>,
    /// latency: additional latency of each direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add: Option<Nanos>,
    /// bandwidth: the bandwidth that all traffic over the links shares, in each direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<Bandwidth>,
    /// bandwidth: the size of the queue in front of it, in each direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Bytes>,
    /// reset: the share of connections that it affects (all unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// backlog: its reduced size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u32>,
    /// reload: how long the old process keeps each of its connections, drawn for each; absent: until their clients end them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections_until: Option<Distribution>,
    /// reload: how the old process ends connections at that time (`fin` unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Ends>,
    /// Faults that drain, and reload with `ends = "close"`: the close frames' status code (1012 if the process starts again, else 1001, unless given).
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
    /// flap: the kind of the repeated fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<Kind>,
    /// command: the program to run on each target's host when the fault begins, and its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// command: the program to run when the fault heals (none unless given).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heal: Option<Vec<String>>,
    /// Absent: it happens once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
}

impl FaultToml {
    /// A fault that never heals, with none of the keys that only some kinds have.
    pub(crate) fn new(kind: Kind, target: Target, at: Nanos) -> FaultToml {
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
            connections_until: None,
            ends: None,
            code: None,
            over: None,
            at_a_time: None,
            gap: None,
            drain: None,
            with: None,
            command: None,
            heal: None,
            repeat: None,
        }
    }

    /// What happens to the target: of a flap, what it flaps with.
    pub(crate) fn effective_kind(&self) -> Kind {
        match self.kind {
            Kind::Flap => self.with.unwrap_or(Kind::Crash),
            kind => kind,
        }
    }

    /// Makes visible how often it happens in a run of this length.
    pub(crate) fn fill_in(&mut self, run: Nanos) {
        if let Some(Repeat { every, times }) = &mut self.repeat
            && every.0 > 0
        {
            let fit = run.0.saturating_sub(self.at.0).div_ceil(every.0);
            times.get_or_insert(u32::try_from(fit).unwrap_or(u32::MAX).max(1));
        }
    }
}
