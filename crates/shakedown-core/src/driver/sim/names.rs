//! What is kept of names that are looked up, and of the checks that take the records of dead servers out.

use crate::machine::EndpointId;
use crate::network::dns::Name;
use crate::rng::Identity;
use crate::scenario::Scenario;

/// Every name, with what the simulator keeps for them.
#[derive(Debug)]
pub(super) struct Dns {
    pub names: Vec<Name>,
    /// The number of the first name in the directory.
    pub first: u32,
    /// Each name's servers that are checked.
    pub checks: Vec<Check>,
    /// An answer's addresses.
    pub addresses: Vec<EndpointId>,
}

/// The checks of one server for one name.
#[derive(Debug)]
pub(super) struct Check {
    pub name: u16,
    pub server: EndpointId,
    /// Peer checks.
    pub checker: Identity,
}

impl Dns {
    /// Every name of a scenario, at its beginning.
    pub(super) fn new(scenario: &Scenario) -> Dns {
        let find = |list: &[String]| {
            list.iter().flat_map(|name| scenario.members(name).unwrap_or_default()).collect::<Vec<_>>()
        };
        let names: Vec<Name> =
            (0..).zip(scenario.dns().values()).map(|(number, config)| Name::new(number, config, find)).collect();
        let mut checks = Vec::new();
        for ((number, name), text) in (0..).zip(&names).zip(scenario.dns().keys()) {
            let checker = Identity::group(&format!("dns/{text}"));
            if name.health().is_some() {
                checks.extend(name.servers().map(|server| Check { name: number, server, checker }));
            }
        }
        Dns { names, first: scenario.servers().len() as u32, checks, addresses: Vec::new() }
    }

    /// Whether there is any name.
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// A name by its number in the directory.
    pub(super) fn name(&mut self, endpoint: u32) -> &mut Name {
        &mut self.names[(endpoint - self.first) as usize]
    }
}
