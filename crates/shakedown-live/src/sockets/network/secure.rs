//! TLS between a machine and its connection: both ends are rustls's, and their bytes go the way that all bytes go.
//!
//! So a handshake's flights take the ways' time and the links' bandwidth, meet partitions, and wait for a hung process. A
//! server's flight leaves when its worker has done what the scenario says it costs; what rustls takes itself comes on top.

use shakedown_core::machine::CloseMode;
use shakedown_core::network::Direction;

use super::connection::{ConnectionKey, Notice};
use super::connections::Network;
use super::effects::Effect;
use super::tls::{TicketOwner, TlsInput};

impl Network {
    /// Has a machine's bytes encrypted, if they should be. False where they are sent as they are.
    pub(super) fn encrypt(&mut self, key: ConnectionKey, way: Direction, bytes: &[u8]) -> bool {
        let end = self.connections.get_mut(&key).and_then(|connection| connection.tls_of(way));
        let Some(end) = end.filter(|end| !end.is_plain()) else { return false };
        end.write(bytes);
        self.flush(key, way);
        true
    }

    /// Sends what an end's TLS has to say.
    pub(crate) fn flush(&mut self, key: ConnectionKey, way: Direction) {
        let Some(end) = self.connections.get_mut(&key).and_then(|connection| connection.tls_of(way)) else { return };
        let bytes = end.take();
        if !bytes.is_empty() {
            self.send_plain(key, way, &bytes);
        }
    }

    /// A machine closes its end: the peer is told, over TLS.
    pub(super) fn close_tls(&mut self, key: ConnectionKey, way: Direction, how: CloseMode) {
        let Some(end) = self.connections.get_mut(&key).and_then(|connection| connection.tls_of(way)) else { return };
        if how == CloseMode::Fin && end.is_secured() {
            end.close();
            self.flush(key, way);
        }
    }

    /// Whoever opened a connection begins TLS with an authority, with the ticket that `keeper` has for it.
    pub(crate) fn start_tls(&mut self, key: ConnectionKey, authority: &str, keeper: Option<TicketOwner>) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        connection.client_tls = self.tls.connect(authority, keeper);
        if connection.client_tls.is_none() {
            // Its name is none that a certificate could be for.
            return self.notify(key, Direction::ToClient, Notice::SecureFailed);
        }
        self.flush(key, Direction::ToServer);
    }

    /// A server's process answers a ClientHello.
    pub(crate) fn answer_hello(&mut self, key: ConnectionKey) {
        let connection = self.connections.get_mut(&key);
        if let Some(end) = connection.and_then(|connection| connection.server_tls.as_mut()) {
            end.answer();
        }
        self.flush(key, Direction::ToClient);
    }

    /// Bytes come to an end that has TLS.
    pub(super) fn read_secured(&mut self, key: ConnectionKey, way: Direction, bytes: &[u8]) {
        let end = self.connections.get_mut(&key).and_then(|connection| connection.tls_of(way.back()));
        let Some(end) = end else { return };
        let (was_secured, upgraded) = (end.is_secured(), end.upgraded);
        match end.read(bytes) {
            TlsInput::Plain => self.notify(key, way, Notice::Received(bytes.to_vec())),
            TlsInput::Hello(resumed) => self.notify(key, way, Notice::Hello(resumed)),
            TlsInput::Broken => {
                self.flush(key, way.back());
                let failed = way == Direction::ToClient && !was_secured;
                self.notify(key, way, if failed { Notice::SecureFailed } else { Notice::Reset });
            }
            TlsInput::Data { secured, bytes, closed } => {
                // A server hears of it only where a request waits for that.
                if let Some(resumed) = secured.filter(|_| way == Direction::ToClient || upgraded) {
                    self.notify(key, way, Notice::Secured(resumed));
                }
                // What the client sends now goes with its `Finished`.
                self.effects.push_back(Effect::Flush(key, way.back()));
                if !bytes.is_empty() {
                    self.notify(key, way, Notice::Received(bytes));
                }
                if closed {
                    self.notify(key, way, Notice::Eof);
                }
            }
        }
    }
}
