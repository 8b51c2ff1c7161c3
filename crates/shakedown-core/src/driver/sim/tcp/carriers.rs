//! HTTP/2: connections that carry streams. A stream has a place among the connections, so that both machines have a number
//! for it as for any other; what it says travels as frames over the connection that carries it.

use std::collections::BTreeMap;

use super::connection::NONE;
use crate::time::Timestamp;

/// Every connection that carries streams, and every stream. Empty where no clients come by HTTP/2.
#[derive(Debug, Default)]
pub(crate) struct Carriers {
    carriers: BTreeMap<u32, Carrier>,
    pub streams: BTreeMap<u32, Stream>,
}

/// A connection that carries streams.
#[derive(Debug, Default)]
pub(crate) struct Carrier {
    /// By number on it.
    pub streams: BTreeMap<u32, u32>,
    pub idle_since: Timestamp,
    /// The session that needed it first.
    pub session: u32,
}

/// A stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream {
    /// [`NONE`] once the connection is gone at both ends.
    pub carrier: u32,
    pub number: u32,
    /// The request has left.
    pub asked: bool,
    /// The answer has left.
    pub answered: bool,
    /// With its answer, the server has ended the stream.
    pub ended: bool,
}

impl Carriers {
    /// A connection will carry streams; this session needed it first.
    pub(crate) fn add(&mut self, carrier: u32, session: u32) {
        self.carriers.insert(carrier, Carrier { session, ..Carrier::default() });
    }

    pub(crate) fn get(&self, carrier: u32) -> Option<&Carrier> {
        self.carriers.get(&carrier)
    }

    pub(crate) fn get_mut(&mut self, carrier: u32) -> Option<&mut Carrier> {
        self.carriers.get_mut(&carrier)
    }

    /// The streams that a connection carries.
    pub(crate) fn over(&self, carrier: u32) -> impl Iterator<Item = u32> {
        self.carriers.get(&carrier).into_iter().flat_map(|carrier| carrier.streams.values().copied())
    }

    /// The stream of this number on a connection.
    pub(crate) fn on(&self, carrier: u32, number: u32) -> Option<u32> {
        self.carriers.get(&carrier)?.streams.get(&number).copied()
    }

    /// A stream has ended at both ends.
    pub(crate) fn forget_stream(&mut self, stream: u32) {
        if let Some(Stream { carrier, number, .. }) = self.streams.remove(&stream)
            && let Some(carrier) = self.carriers.get_mut(&carrier)
        {
            carrier.streams.remove(&number);
        }
    }

    /// A connection that carries streams has ended at both ends. Streams that a worker is busy with are left.
    pub(crate) fn forget(&mut self, carrier: u32) {
        for stream in self.carriers.remove(&carrier).unwrap_or_default().streams.into_values() {
            if let Some(stream) = self.streams.get_mut(&stream) {
                stream.carrier = NONE;
            }
        }
    }
}
