//! What the clients of a server did that are none of the scenario's, as its own events tell.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{Event, Kind};
use crate::record::Recorder;
use crate::server;

/// What the clients of one server did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientCounts {
    /// Connections.
    pub connections: u64,
    /// Requests read, or enough of one to refuse it.
    pub requests: u64,
    /// Answers by status.
    pub answers: BTreeMap<u16, u64>,
    /// Connections that took too long to send a request.
    pub timed_out: u64,
    /// Connections that ended without a request.
    pub silent: u64,
    /// Connections that are there, and the most there were.
    pub open: u64,
    /// The most there were.
    pub open_max: u64,
}

/// Listens to every server.
#[derive(Debug)]
pub(super) struct ExternalClients {
    visits: Vec<ClientCounts>,
    /// Connections without a request, by server and number.
    mute: Vec<BTreeSet<u32>>,
}

impl ExternalClients {
    pub(super) fn new(servers: usize) -> ExternalClients {
        ExternalClients { visits: vec![ClientCounts::default(); servers], mute: vec![BTreeSet::new(); servers] }
    }

    pub(super) fn finish(self) -> Vec<ClientCounts> {
        self.visits
    }
}

impl Recorder for ExternalClients {
    fn record(&mut self, event: &Event) {
        let (number, kind) = match event.kind {
            Kind::Server(number, kind) => (number as usize, kind),
            // Whoever was connected to a process that ended is so no more.
            Kind::Fault(_, crate::fault::Event::Began { server, kind })
                if kind.takes_down() && !kind.revives() && (server as usize) < self.visits.len() =>
            {
                self.visits[server as usize].open = 0;
                return self.mute[server as usize].clear();
            }
            _ => return,
        };
        let (visit, mute) = (&mut self.visits[number], &mut self.mute[number]);
        match kind {
            server::Event::Accepted { connection } => {
                visit.connections += 1;
                visit.open += 1;
                visit.open_max = visit.open_max.max(visit.open);
                mute.insert(connection);
            }
            server::Event::Requested { connection, .. } => {
                visit.requests += 1;
                mute.remove(&connection);
            }
            server::Event::Answered { status, .. } => *visit.answers.entry(status).or_default() += 1,
            server::Event::TimedOut { .. } => visit.timed_out += 1,
            server::Event::Closed { connection } => {
                visit.open = visit.open.saturating_sub(1);
                visit.silent += u64::from(mute.remove(&connection));
            }
            _ => {}
        }
    }
}
