//! The names that are looked up: who writes their records, and the checks that take the records of dead servers out.
//!
//! It has no clock and no network: a driver says when something is due, what a server's kernel would answer, and how far it is.

use crate::machine::EndpointId;
use crate::network::dns::{Event, Name};
use crate::network::{Direction, SynAnswer};
use crate::rng::Identity;
use crate::scenario::Scenario;
use crate::time::{Nanos, Timestamp};

/// Every name, with what a driver keeps for them.
#[derive(Debug)]
pub struct Dns {
    /// The names, by number.
    pub names: Vec<Name>,
    /// The number of the first name in the directory.
    pub first: u32,
    /// Each name's servers that are checked.
    checks: Vec<Check>,
}

/// The checks of one server for one name.
#[derive(Debug, Clone, Copy)]
struct Check {
    name: u16,
    server: EndpointId,
    /// Peer checks.
    checker: Identity,
}

/// What is due of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A name's records are written anew.
    Records {
        /// The name's number.
        name: u16,
    },
    /// A name's server is checked: one SYN, from a place of its own that no link, loss or partition is about.
    Check {
        /// The check's number.
        check: u32,
    },
    /// The SYN is at the server.
    CheckArrives {
        /// The check's number.
        check: u32,
    },
    /// The outcome is known.
    CheckEnds {
        /// The check's number.
        check: u32,
        /// Whether the server is up, as far as it shows.
        went_well: bool,
    },
}

/// What a driver knows of the network at a moment.
#[derive(Debug)]
pub struct Around<W, S> {
    /// The moment.
    pub now: Timestamp,
    /// How long a SYN is under way from a place to a server, or back.
    pub way: W,
    /// What a server's kernel answers to a SYN.
    pub syn: S,
}

impl Dns {
    /// Every name of a scenario, at its beginning.
    pub fn new(scenario: &Scenario) -> Dns {
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
        Dns { names, first: scenario.servers().len() as u32, checks }
    }

    /// Whether there is any name.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// A name by its number in the directory.
    pub fn name(&mut self, endpoint: u32) -> &mut Name {
        &mut self.names[(endpoint - self.first) as usize]
    }

    /// What is due by itself, and when.
    pub fn begin(&self) -> Vec<(Timestamp, Step)> {
        let changes = (0..).zip(&self.names).flat_map(|(number, name)| name.changes().map(move |at| (at, number)));
        let checks = (0..self.checks.len() as u32).map(|check| (Timestamp::ZERO, Step::Check { check }));
        changes.map(|(at, name)| (at, Step::Records { name })).chain(checks).collect()
    }

    /// Does what is due. Tells what is due after it, and of whose records have changed.
    pub fn step<W: Fn(Identity, EndpointId, Direction) -> Nanos, S: Fn(u32) -> SynAnswer>(
        &mut self,
        step: Step,
        around: &Around<W, S>,
        mut next: impl FnMut(Timestamp, Step),
        mut event: impl FnMut(u16, Event),
    ) {
        let now = around.now;
        let (check, went_well) = match step {
            Step::Records { name } => {
                return self.names[usize::from(name)].change(now, |change| event(name, change));
            }
            Step::Check { check } | Step::CheckArrives { check } => (check, false),
            Step::CheckEnds { check, went_well } => (check, went_well),
        };
        let Check { name, server, checker } = self.checks[check as usize];
        let Some(health) = self.names[usize::from(name)].health() else { return };
        let (every, timeout) = (health.every, health.timeout);
        let way = |direction| (around.way)(checker, server, direction);
        match step {
            Step::Check { .. } => {
                next(now + every, Step::Check { check });
                match way(Direction::ToServer) {
                    way if way > timeout => next(now + timeout, Step::CheckEnds { check, went_well: false }),
                    way => next(now + way, Step::CheckArrives { check }),
                }
            }
            // Its kernel answers, or not.
            Step::CheckArrives { .. } => {
                let (answered, expires) = (now + way(Direction::ToClient), now - way(Direction::ToServer) + timeout);
                let (at, went_well) = match (around.syn)(server.0) {
                    SynAnswer::Accepted => (answered, answered <= expires),
                    SynAnswer::Refused | SynAnswer::Overflowed => (answered, false),
                    SynAnswer::BacklogFull | SynAnswer::Unanswered => (Timestamp::NEVER, false),
                };
                next(at.min(expires), Step::CheckEnds { check, went_well });
            }
            _ => self.names[usize::from(name)].checked(now, server, went_well, |change| event(name, change)),
        }
    }
}
