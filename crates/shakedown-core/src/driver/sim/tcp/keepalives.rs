//! When kernels give up connections, and the clocks of those that send probes.

use super::queue::Handle;
use crate::client::Config;
use crate::network::{Alarms, Direction, GivingUp};
use crate::scenario::Scenario;
use crate::time::Timestamp;

/// One end of a connection, as its kernel has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    /// When something came last, an acknowledgement included.
    pub(super) heard: Timestamp,
    /// Probes without an answer since then.
    pub(super) probes: u32,
    /// When the probe left whose answer is awaited, because a fault begins or heals before that; `NEVER`: there is none.
    pub(super) left: Timestamp,
}

impl End {
    /// It has heard something at a moment.
    pub(super) fn at(heard: Timestamp) -> End {
        End { heard, probes: 0, left: Timestamp::NEVER }
    }
}

/// When kernels give up connections, and the clocks of those that send probes.
#[derive(Debug)]
pub(crate) struct Keepalives {
    /// Of client groups, and of servers, by their numbers.
    pub(super) clients: Vec<GivingUp>,
    pub(super) servers: Vec<GivingUp>,
    /// Both ends of each connection.
    pub(super) ends: Vec<[End; 2]>,
    /// By the connection's number times two, and one more for the server's end.
    pub(super) alarms: Alarms,
    /// When the queue wakes them.
    pub(super) wake: Option<(Timestamp, Handle)>,
}

impl Keepalives {
    /// Those of a scenario; none where no kernel has an option set.
    pub(crate) fn new(scenario: &Scenario) -> Option<Box<Keepalives>> {
        let clients: Vec<GivingUp> = scenario.clients().values().map(Config::giving_up).collect();
        let servers = scenario.servers().iter().map(|server| scenario.groups()[server.group].giving_up);
        let servers: Vec<GivingUp> = servers.collect();
        let any = clients.iter().chain(&servers).any(GivingUp::any);
        any.then(|| Box::new(Keepalives { clients, servers, ends: Vec::new(), alarms: Alarms::default(), wake: None }))
    }

    pub(super) fn end(&mut self, connection: u32, sends: Direction) -> Option<&mut End> {
        self.ends.get_mut(connection as usize).map(|ends| &mut ends[sends as usize])
    }
}
