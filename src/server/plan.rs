//! What the members of a server group have in common, ready to run.

use super::behavior::{Behavior, Choice};
use super::config::{Config, QueueFull, QueueOrder, WhenFull};
use crate::machine::EndpointId;
use crate::rng::Sampler;
use crate::time::Nanos;

/// What every member of a server group has in common: its scenario, ready to run.
#[derive(Debug)]
pub struct Plan {
    pub(super) workers: u32,
    pub(super) service_time: Sampler,
    /// Work costs no time at all.
    pub(super) free: bool,
    pub(super) connections_max: u32,
    pub(super) when_full: WhenFull,
    /// Who takes the connections past the limit.
    pub(super) overflow: Vec<EndpointId>,
    pub(super) queue_max: u32,
    pub(super) queue_full: QueueFull,
    pub(super) order: QueueOrder,
    pub(super) behaviors: Vec<Behavior>,
}

impl Plan {
    /// A group as configured, with its behaviors' names looked up.
    pub fn new(config: &Config, behaviors: Vec<Behavior>) -> Plan {
        Plan {
            workers: config.workers,
            free: config.service_time.sampler() == Sampler::Constant(Nanos::ZERO),
            service_time: config.service_time.sampler(),
            connections_max: config.connections_max.unwrap_or(u32::MAX),
            when_full: config.when_full.unwrap_or_default(),
            overflow: Vec::new(),
            queue_max: config.queue_max.unwrap_or(u32::MAX),
            queue_full: config.queue_full.unwrap_or_default(),
            order: config.queue.unwrap_or_default(),
            behaviors,
        }
    }

    /// The same with the members of `overflow_to`.
    pub fn with_overflow(self, overflow: Vec<EndpointId>) -> Plan {
        Plan { overflow, ..self }
    }

    /// How often the driver should report peers' open connections, if a behavior asks for it.
    pub fn report_every(&self) -> Option<Nanos> {
        let periods = self.behaviors.iter().filter_map(|behavior| match &behavior.choice {
            Choice::Redirect { pick: super::PickMember::LeastConnections, report_every, .. } => Some(*report_every),
            _ => None,
        });
        periods.min()
    }
}
