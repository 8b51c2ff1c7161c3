//! Which balancers forget connections over which nothing comes, and when.

use super::queue::Handle;
use crate::machine::Ending;
use crate::network::Alarms;
use crate::scenario::Scenario;
use crate::server::Forwarding;
use crate::time::{Nanos, Timestamp};

/// The idle timeouts of balancers, and when they are due.
#[derive(Debug)]
pub(crate) struct IdleFlows {
    /// Of each server that is such a balancer and has one.
    of: Vec<Option<(Nanos, Ending)>>,
    pub(super) alarms: Alarms,
    /// When the queue wakes them.
    pub(super) wake: Option<(Timestamp, Handle)>,
}

impl IdleFlows {
    /// Those of a scenario; none where no balancer has one.
    pub(crate) fn new(scenario: &Scenario) -> Option<Box<IdleFlows>> {
        let of = |group: usize| {
            let balancing =
                scenario.groups()[group].balancer().filter(|config| config.forwarding == Forwarding::Nat)?;
            balancing.clocks.idle
        };
        let of: Vec<Option<(Nanos, Ending)>> = scenario.servers().iter().map(|server| of(server.group)).collect();
        let any = of.iter().any(Option::is_some);
        any.then(|| Box::new(IdleFlows { of, alarms: Alarms::default(), wake: None }))
    }

    pub(super) fn timeout(&self, balancer: u32) -> Option<(Nanos, Ending)> {
        self.of.get(balancer as usize).copied().flatten()
    }
}
