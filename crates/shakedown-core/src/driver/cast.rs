//! Who plays in a scenario, whichever driver runs it: what its client groups and its server groups have in common.

use crate::client::Group;
use crate::scenario::Scenario;
use crate::server::Plan;

/// Every client group, with its endpoints looked up.
pub fn groups(scenario: &Scenario) -> Vec<Group> {
    let group = |(number, (name, config)): (u16, (&String, &crate::client::Config))| {
        let endpoints = config.endpoints.iter().flat_map(|name| scenario.endpoints(name).unwrap_or_default());
        let proxies = config.proxy.as_deref().and_then(|proxy| scenario.members(proxy));
        Group::new(number, name, config, endpoints.collect()).with_proxies(config, proxies.unwrap_or_default())
    };
    (0..).zip(scenario.clients()).map(group).collect()
}

/// Every server group, ready to run.
pub fn plans(scenario: &Scenario) -> Vec<Plan> {
    scenario.groups().values().map(Plan::new).collect()
}
