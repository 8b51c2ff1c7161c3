//! Whoever looks at the wire's packets.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use shakedown_core::time::Timestamp;

type Look = dyn FnMut(Timestamp, &[u8]) + Send;

/// Is shown every packet as the host sees it that opened the packet's connection: what it sends when that leaves, what it is
/// sent when that arrives.
#[derive(Clone)]
pub struct Tap(Arc<Mutex<Look>>);

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap").finish_non_exhaustive()
    }
}

impl Tap {
    /// Shows packets to this function.
    pub fn new(look: impl FnMut(Timestamp, &[u8]) + Send + 'static) -> Tap {
        Tap(Arc::new(Mutex::new(look)))
    }

    pub(super) fn show(&self, at: Timestamp, packet: &[u8]) {
        let mut look = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        look(at, packet);
    }
}
