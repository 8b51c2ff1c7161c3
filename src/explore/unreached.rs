//! Targets of `load` to which no connection came about, as the clients' events tell.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::client::{Event as Session, Failure};
use crate::driver::live::Setup;
use crate::event::{Event, Kind};
use crate::record::Recorder;
use crate::scenario::Scenario;

/// An address that clients tried, and that never answered with a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreached {
    /// The target, as it was given.
    pub authority: String,
    /// What it came to.
    pub socket: SocketAddr,
    /// What the scenario calls it.
    pub names: Vec<String>,
    /// Connects that were refused.
    pub refused: u64,
    /// Connects that nobody answered in time.
    pub timed_out: u64,
}

/// Listens to connects.
#[derive(Debug, Default)]
pub(super) struct Connects {
    /// Where a session's latest attempt goes.
    goes_to: Vec<u32>,
    /// By endpoint: connections, refused connects, unanswered ones.
    counts: BTreeMap<u32, [u64; 3]>,
}

impl Connects {
    fn count(&mut self, session: u32, which: usize) {
        if let Some(endpoint) = self.goes_to.get(session as usize) {
            self.counts.entry(*endpoint).or_default()[which] += 1;
        }
    }

    /// The addresses that were never reached.
    pub(super) fn finish(self, scenario: &Scenario, setup: &Setup) -> Vec<Unreached> {
        let names: Vec<&String> =
            scenario.servers().iter().map(|server| &server.name).chain(scenario.dns().keys()).collect();
        let mut sums: BTreeMap<SocketAddr, ([u64; 3], Unreached)> = BTreeMap::new();
        for (endpoint, counts) in &self.counts {
            let Some(target) = setup.targets.get(endpoint) else { continue };
            let (sum, of) = sums.entry(target.socket).or_insert_with(|| {
                let (authority, socket) = (target.authority.clone(), target.socket);
                ([0; 3], Unreached { authority, socket, names: Vec::new(), refused: 0, timed_out: 0 })
            });
            sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            of.names.extend(names.get(*endpoint as usize).map(ToString::to_string));
        }
        let unreached = sums.into_values().filter(|([connected, ..], _)| *connected == 0);
        let filled = unreached.map(|([_, refused, timed_out], of)| Unreached { refused, timed_out, ..of });
        filled.filter(|of| of.refused + of.timed_out > 0).collect()
    }
}

impl Recorder for Connects {
    fn record(&mut self, event: &Event) {
        let Kind::Session(session, event) = event.kind else { return };
        match event {
            Session::AttemptStarted { endpoint, .. } => {
                let number = session as usize;
                if self.goes_to.len() <= number {
                    self.goes_to.resize(number + 1, u32::MAX);
                }
                self.goes_to[number] = endpoint;
            }
            Session::RaceWon { endpoint, .. } => self.goes_to[session as usize] = endpoint,
            Session::Connected { .. } => self.count(session, 0),
            Session::AttemptFailed { failure: Failure::Refused, .. } => self.count(session, 1),
            Session::AttemptFailed { failure: Failure::ConnectTimeout, .. } => self.count(session, 2),
            _ => {}
        }
    }
}
