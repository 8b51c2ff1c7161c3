//! Who plays in a scenario, whichever driver runs it: what its client groups and its server groups have in common.

use crate::client::Group;
use crate::scenario::Scenario;
use crate::server::{Behavior, CallPlan, Plan};

/// Every client group, with its endpoints looked up.
pub fn groups(scenario: &Scenario) -> Vec<Group> {
    let group = |(number, (name, config)): (u16, (&String, &crate::client::Config))| {
        let endpoints = config.endpoints.iter().flat_map(|name| scenario.endpoints(name).unwrap_or_default());
        let proxies = config.proxy.as_deref().and_then(|proxy| scenario.members(proxy));
        Group::new(number, name, config, endpoints.collect()).with_proxies(config, proxies.unwrap_or_default())
    };
    (0..).zip(scenario.clients()).map(group).collect()
}

/// Every server group, with the names in it looked up.
pub fn plans(scenario: &Scenario) -> Vec<Plan> {
    let plans = scenario.groups().values().map(|config| {
        let behaviors = config.behavior.0.iter().map(|behavior| {
            let to = scenario.all_endpoints(behavior.to.as_ref());
            Behavior::new(behavior, to).with_weights(scenario.weights(behavior))
        });
        let overflow = scenario.all_endpoints(config.overflow_to.as_ref());
        let calls = config.calls.iter().map(|call| CallPlan::new(call, scenario.all_endpoints(Some(&call.to))));
        let to = config.to.as_deref().and_then(|to| scenario.members(to));
        Plan::new(config, behaviors.collect())
            .with_overflow(overflow)
            .with_calls(calls.collect())
            .with_balancing(config, to.unwrap_or_default())
    });
    plans.collect()
}
