//! Where bandwidth is limited, whichever driver runs a scenario: the lines that messages join on their way, and what waits
//! in a stream for what was dropped before it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use crate::fault::{Action, Fault, Side};
use crate::network::{AccessLink, Direction, Pipe};
use crate::scenario::Scenario;
use crate::time::Timestamp;

/// Where a message goes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Up its sender's access link.
    Up,
    /// Through a link between places that has a bandwidth.
    Link,
    /// Through what a fault has made of a link, and then over the distance.
    Fault,
    /// Down its receiver's access link.
    Down,
    /// It is there.
    Arrived,
}

/// Who opened a connection: by what it is connected to the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Initiator {
    /// A client group's host, by its number there.
    Client {
        /// The group's index.
        group: u16,
        /// The host's index within the group.
        host: u32,
    },
    /// A server.
    Server(u32),
}

impl Initiator {
    /// The side of the links that it is on.
    pub fn side(self) -> Side {
        match self {
            Initiator::Client { group, .. } => Side::Clients(group),
            Initiator::Server(server) => Side::Server(server),
        }
    }
}

/// A connection, as far as its bandwidth is concerned. External clients have no initiator.
#[derive(Debug, Clone, Copy)]
pub struct Ends {
    /// Who opened it.
    pub initiator: Option<Initiator>,
    /// The server that it was opened to.
    pub server: u32,
    /// The link of its route in this direction, by [`crate::network::Routes::bottlenecks`].
    pub link: Option<u16>,
}

/// Every limit of bandwidth.
#[derive(Debug)]
pub struct Pipes {
    /// By client group: each host's way up and down, or none.
    clients: Vec<Vec<[Pipe; 2]>>,
    /// By server.
    servers: Vec<[Pipe; 2]>,
    /// Between places, by [`crate::network::Routes::bottlenecks`].
    links: Vec<Pipe>,
    /// Faults, each with its way forward and back.
    faults: Vec<(u32, [Pipe; 2])>,
}

fn pipes(link: AccessLink) -> [Pipe; 2] {
    [Pipe::new(link.up, link.queue), Pipe::new(link.down, link.queue)]
}

const NO_LIMIT: AccessLink = AccessLink { up: None, down: None, queue: None };

impl Pipes {
    /// Those of a scenario, if it has any.
    pub fn new(scenario: &Scenario) -> Option<Pipes> {
        let faults: Vec<_> = (0..)
            .zip(scenario.faults())
            .filter_map(|(number, fault)| match fault.config.action() {
                Action::Bandwidth { bandwidth, queue } => Some((number, [Pipe::new(Some(bandwidth), queue); 2])),
                _ => None,
            })
            .collect();
        let any = !faults.is_empty()
            || !scenario.routes().bottlenecks.is_empty()
            || scenario.clients().values().any(|group| group.access_link.is_some())
            || scenario.groups().values().any(|group| group.access_link.is_some());
        any.then(|| {
            let of_hosts = |group: &crate::client::Config| match group.access_link {
                Some(link) => vec![pipes(link); group.hosts.unwrap_or(group.count) as usize],
                None => Vec::new(),
            };
            let of_server = |group: usize| scenario.groups()[group].access_link.unwrap_or(NO_LIMIT);
            let links = scenario.routes().bottlenecks.iter();
            Pipes {
                clients: scenario.clients().values().map(of_hosts).collect(),
                servers: scenario.servers().iter().map(|server| pipes(of_server(server.group))).collect(),
                links: links.map(|(bandwidth, queue)| Pipe::new(Some(*bandwidth), *queue)).collect(),
                faults,
            }
        })
    }

    /// The line that a message joins at a stage of its way, if there is one.
    pub fn at(
        &mut self,
        stage: Stage,
        way: Direction,
        ends: Ends,
        faults: &[Fault],
        now: Timestamp,
    ) -> Option<&mut Pipe> {
        let Ends { initiator, server, link } = ends;
        let to_server = way == Direction::ToServer;
        let pipe = match stage {
            Stage::Up | Stage::Down => {
                let direction = usize::from(stage == Stage::Down);
                let at_caller = to_server == (stage == Stage::Up);
                let host = match initiator {
                    _ if !at_caller => self.servers.get_mut(server as usize),
                    Some(Initiator::Client { group, host }) => self.clients[usize::from(group)].get_mut(host as usize),
                    Some(Initiator::Server(initiator)) => self.servers.get_mut(initiator as usize),
                    None => None,
                };
                host.map(|pipes| &mut pipes[direction])
            }
            Stage::Link => self.links.get_mut(usize::from(link?)),
            Stage::Fault => {
                let side = initiator?.side();
                // At most one of them lasts on this way at a time.
                self.faults.iter_mut().find_map(|(number, pipes)| {
                    let fault = &faults[*number as usize];
                    let cut = fault.between(side, server).filter(|cut| cut.affects(to_server))?;
                    fault.lasts_at(now).then(|| &mut pipes[usize::from(!cut.is_forward(to_server))])
                })
            }
            Stage::Arrived => None,
        };
        pipe.filter(|pipe| pipe.is_narrow())
    }
}

/// A stream from which something was dropped or lost that has not been repeated yet.
#[derive(Debug)]
pub struct Gap<T> {
    /// What is missing, by its order.
    missing: BTreeSet<u64>,
    /// What has arrived and must wait for it.
    waiting: BTreeMap<u64, T>,
    /// What never arrives, as its sender does not repeat it, or something before it, any more.
    dead: Range<u64>,
}

impl<T> Default for Gap<T> {
    fn default() -> Gap<T> {
        Gap { missing: BTreeSet::new(), waiting: BTreeMap::new(), dead: 0..0 }
    }
}

impl<T> Gap<T> {
    /// Whether it, or something before it, is not repeated any more.
    pub fn is_dead(&self, order: u64) -> bool {
        self.dead.contains(&order)
    }

    /// It will be repeated.
    pub fn lose(&mut self, order: u64) {
        self.missing.insert(order);
    }

    /// It won't, nor will anything that follows.
    pub fn give_up(&mut self, order: u64) {
        self.dead = order..u64::MAX;
    }

    /// Something arrives: what is ready, in order, and whether the stream is whole again.
    pub fn fill(&mut self, order: u64, what: T) -> (BTreeMap<u64, T>, bool) {
        self.missing.remove(&order);
        self.waiting.insert(order, what);
        // What arrives now closes the gap before all that waits until the next one.
        let later = self.missing.first().map_or(BTreeMap::new(), |first| self.waiting.split_off(first));
        let ready = std::mem::replace(&mut self.waiting, later);
        (ready, self.missing.is_empty() && self.dead.is_empty())
    }

    /// The sender forgets what it would have repeated: what waits for that, of all that was `sent`, never arrives either.
    pub fn stop(&mut self, sent: u64) -> BTreeMap<u64, T> {
        let Some(first) = std::mem::take(&mut self.missing).first().copied() else { return BTreeMap::new() };
        if self.dead.is_empty() {
            self.dead = first..sent + 1;
        }
        std::mem::take(&mut self.waiting)
    }
}
