//! Old processes of a server that was reloaded, and the connections that they still have.

use std::collections::BTreeMap;

use super::servers::Counts;

/// The old processes of one server.
#[derive(Debug, Default)]
pub(super) struct OldProcesses {
    /// Connections of each that is left.
    left: BTreeMap<u32, u32>,
    connections: u32,
}

impl OldProcesses {
    /// A process was replaced; these connections stay with it.
    pub(super) fn reloaded(&mut self, generation: u32, connections: u32, counts: &mut Counts) {
        counts.reloads += 1;
        if connections > 0 {
            self.left.insert(generation, connections);
            self.connections += connections;
        }
        self.note(counts);
    }

    /// A connection of an old process is gone; with its last one the process ends.
    pub(super) fn closed(&mut self, generation: u32) {
        if let Some(left) = self.left.get_mut(&generation) {
            *left -= 1;
            self.connections -= 1;
            if *left == 0 {
                self.left.remove(&generation);
            }
        }
    }

    /// The server is gone, with all its processes.
    pub(super) fn wiped(&mut self) {
        *self = OldProcesses::default();
    }

    /// Notes how many there are, of the connections and of the processes.
    pub(super) fn note(&self, counts: &mut Counts) {
        let (connections, processes) = self.now();
        counts.old_connections_max = counts.old_connections_max.max(connections);
        counts.old_processes_max = counts.old_processes_max.max(processes);
    }

    /// Their connections, and how many there are.
    pub(super) fn now(&self) -> (u32, u32) {
        (self.connections, self.left.len() as u32)
    }
}
