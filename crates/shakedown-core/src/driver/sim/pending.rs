//! What waits in front of a process that hangs.

use crate::machine::ConnectError;

/// Something of a connection that a hung process will find when it goes on.
#[derive(Debug, Clone, Copy)]
pub enum Pending {
    Segment {
        connection: u32,
        segment: u32,
    },
    Fin {
        connection: u32,
    },
    /// Of a connection that it opened.
    Event {
        connection: u32,
        event: ConnectionEvent,
    },
}

/// What happens to a connection at the end that opened it.
#[derive(Debug, Clone, Copy)]
pub enum ConnectionEvent {
    Connected,
    Failed(ConnectError),
    Received { segment: u32 },
    Eof,
    Reset,
}
