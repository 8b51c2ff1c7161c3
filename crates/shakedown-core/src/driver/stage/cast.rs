//! What becomes of a scenario: its client groups, and when its faults begin and end.

use crate::client::Group;
use crate::fault::Fault;
use crate::scenario::Scenario;
use crate::time::Timestamp;

/// Every client group, with its endpoints looked up.
pub(super) fn groups(scenario: &Scenario) -> Vec<Group> {
    let group = |(number, (name, config)): (u16, (&String, &crate::client::Config))| {
        let endpoints = config.endpoints.iter().flat_map(|name| scenario.endpoints(name).unwrap_or_default());
        let proxies = config.proxy.as_deref().and_then(|proxy| scenario.members(proxy));
        Group::new(number, name, config, endpoints.collect()).with_proxies(config, proxies.unwrap_or_default())
    };
    (0..).zip(scenario.clients()).map(group).collect()
}

/// The beginning or the end of a fault's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    /// When.
    pub at: Timestamp,
    /// The fault, and the window among its windows.
    pub fault: u32,
    /// See [`Change::fault`].
    pub window: u32,
    /// Whether it begins.
    pub begins: bool,
}

/// Every beginning and end, in the order in which they happen where several are at the same moment. One fault heals before
/// another begins, so that it can take over from the first, whichever is written first. A restart that takes no time ends as
/// soon as it has begun.
pub(super) fn changes(faults: &[Fault]) -> Vec<Change> {
    let (mut ends, mut begins) = (Vec::new(), Vec::new());
    for (fault, windows) in (0..).zip(faults).map(|(number, fault)| (number, &fault.windows)) {
        for (window, of_fault) in (0..).zip(windows) {
            let begin = Change { at: of_fault.begins, fault, window, begins: true };
            let end = of_fault.heals.map(|at| Change { at, begins: false, ..begin });
            ends.extend(end.filter(|end| end.at > begin.at));
            begins.push(begin);
            begins.extend(end.filter(|end| end.at <= begin.at));
        }
    }
    ends.append(&mut begins);
    ends
}
