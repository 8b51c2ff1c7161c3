//! What is kept of client hosts that have connections of their own, for the streams of their sessions.

use std::collections::{BTreeMap, VecDeque};

use super::tcp::peers::Peers;
use crate::client::{Action, Pool};
use crate::driver::stage::GroupSlot;
use crate::machine::Input;
use crate::scenario::Scenario;

/// What the simulator keeps of client hosts with connections of their own.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// The connections of each.
    pub pools: Vec<Pool>,
    /// The first host of each client group that comes by HTTP/2.
    pub first: Vec<Option<u32>>,
    /// Connections by host and the host's number for them.
    pub numbers: BTreeMap<(u32, u32), u32>,
    /// What sessions are to be told.
    pub notices: VecDeque<(u32, Input<'static>)>,
    pub actions: Vec<Action>,
}

impl Streams {
    /// Every client group's hosts are there.
    pub(super) fn begin(&mut self, scenario: &Scenario, groups: &[GroupSlot], peers: &mut Peers) {
        if groups.iter().all(|group| group.plan.multiplexes().is_none()) {
            return;
        }
        for ((number, group), config) in (0..).zip(groups).zip(scenario.clients().values()) {
            let multiplexes = group.plan.multiplexes().is_some();
            self.first.push(multiplexes.then_some(self.pools.len() as u32));
            if multiplexes {
                let count = config.hosts.filter(|count| *count > 0).unwrap_or(config.count);
                self.pools.extend((0..count).map(|_| Pool::default()));
                (0..count).for_each(|host| peers.add_carrier_host(number, host));
            }
        }
    }

    /// Whether any clients come by HTTP/2.
    #[inline]
    pub(super) fn any(&self) -> bool {
        !self.pools.is_empty()
    }

    /// A host's connection is over.
    pub(super) fn forget_connection(&mut self, host: u32, number: u32) {
        self.numbers.remove(&(host, number));
    }
}
