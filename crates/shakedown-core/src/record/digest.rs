//! The digest: one number that identifies the events of a run. Two runs with the same digest had the same events.

use std::fmt;

use xxhash_rust::xxh3::Xxh3Default;

use super::Recorder;
use crate::event::{Encoding, Event};

/// Encoded events are hashed in blocks, as the hash is fastest on long inputs.
const BLOCK: usize = 8 * 1024;

/// XXH3 (128 bits) over the canonical encoding of every event. Fast, not cryptographic: it guards against change, not
/// against malice.
pub struct Digest {
    hash: Xxh3Default,
    block: Box<[u8; BLOCK]>,
    filled: usize,
}

impl Default for Digest {
    fn default() -> Digest {
        Digest { hash: Xxh3Default::new(), block: Box::new([0; BLOCK]), filled: 0 }
    }
}

impl Digest {
    /// The digest of the events so far.
    pub fn value(&self) -> u128 {
        let mut hash = self.hash.clone();
        hash.update(&self.block[..self.filled]);
        hash.digest128()
    }
}

/// 32 hex digits.
impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.value())
    }
}

impl Recorder for Digest {
    fn record_all(&mut self, events: &[Event]) {
        events.iter().for_each(|event| self.record(event));
    }

    #[inline]
    fn record(&mut self, event: &Event) {
        if self.filled > BLOCK - Encoding::MAX {
            self.hash.update(&self.block[..self.filled]);
            self.filled = 0;
        }
        let room = self.block[self.filled..].first_chunk_mut().expect("room for one event");
        self.filled += event.encode().write(room);
    }
}
