//! TLS between a machine and its line: both ends are rustls's, and their bytes go the way that all bytes go.
//!
//! So a handshake's flights take the ways' time and the links' bandwidth, meet partitions, and wait for a hung process. A
//! server's flight leaves when its worker has done what the scenario says it costs; what rustls takes itself comes on top.

use super::engine::Engine;
use super::lines::{Caller, LineId, ServerEnd};
use super::tls::Heard;
use shakedown_core::machine::{CloseMode, ConnectionId, EndpointId, Input};
use shakedown_core::network::Way;

impl Engine {
    /// Has a machine's bytes encrypted, if they should be. False where they are sent as they are.
    pub(super) fn encrypt(&mut self, id: LineId, way: Way, bytes: &[u8]) -> bool {
        let Some(end) = self.lines.get_mut(&id).and_then(|line| line.end_of(way)).filter(|end| !end.is_plain()) else {
            return false;
        };
        end.write(bytes);
        self.flush(id, way);
        true
    }

    /// Sends what an end has to say.
    fn flush(&mut self, id: LineId, way: Way) {
        let Some(end) = self.lines.get_mut(&id).and_then(|line| line.end_of(way)) else { return };
        let bytes = end.take();
        if !bytes.is_empty() {
            self.transmit_plain(id, way, &bytes);
        }
    }

    /// A machine closes its end: the peer is told, over TLS.
    pub(super) fn say_goodbye(&mut self, id: LineId, way: Way, how: CloseMode) {
        let Some(end) = self.lines.get_mut(&id).and_then(|line| line.end_of(way)) else { return };
        if how == CloseMode::Fin && end.is_secured() {
            end.close();
            self.flush(id, way);
        }
    }

    /// Whoever opened a line begins TLS, with the ticket that its process has for this server.
    pub(super) fn greet(&mut self, id: Option<LineId>, endpoint: EndpointId) {
        let Some((id, (caller, c))) = id.and_then(|id| Some((id, self.lines.get(&id)?.caller?))) else { return };
        let keeper = match caller {
            Caller::Session(session) => {
                let machine = &self.sessions[session as usize].machine;
                let group = &self.groups[usize::from(machine.group())];
                let host = group.host_number(machine.index());
                group.plan.resumes_tls().then_some((Some(machine.group()), host, endpoint.0))
            }
            Caller::Server(server) => Some((None, server, endpoint.0)),
        };
        let end = self.tls.connect(self.directory.authority(endpoint), keeper);
        let Some(line) = self.lines.get_mut(&id) else { return };
        line.client_tls = end;
        if line.client_tls.is_none() {
            // Its name is none that a certificate could be for.
            return self.input_of(caller, Input::SecureFailed(c));
        }
        self.flush(id, Way::ToServer);
    }

    /// A server's process answers a ClientHello.
    pub(super) fn answer_hello(&mut self, server: u32, c: ConnectionId) {
        let Some(&id) = self.servers[server as usize].accepted.get(c.0 as usize) else { return };
        if let Some(end) = self.lines.get_mut(&id).and_then(|line| line.server_tls.as_mut()) {
            end.answer();
        }
        self.flush(id, Way::ToClient);
    }

    /// Bytes come to an end that has TLS.
    pub(super) fn read_secured(&mut self, id: LineId, way: Way, bytes: &[u8]) {
        let Some(end) = self.lines.get_mut(&id).and_then(|line| line.end_of(way.back())) else { return };
        let (was_secured, upgraded) = (end.is_secured(), end.upgraded);
        let heard = end.read(bytes);
        match heard {
            Heard::Plain => self.tell(id, way, |c| Input::Received(c, bytes)),
            Heard::Hello(resumed) => self.tell(id, way, |c| Input::Hello(c, resumed)),
            Heard::Broken => {
                self.flush(id, way.back());
                if way == Way::ToClient && !was_secured {
                    return self.tell(id, way, Input::SecureFailed);
                }
                self.break_off(id, way);
            }
            Heard::Said { secured, bytes, closed } => {
                // A server hears of it only where a request waits for that.
                if let Some(resumed) = secured.filter(|_| way == Way::ToClient || upgraded) {
                    // What the client sends now goes with its `Finished`.
                    self.tell(id, way, |c| Input::Secured(c, resumed));
                }
                self.flush(id, way.back());
                if !bytes.is_empty() {
                    self.tell(id, way, |c| Input::Received(c, &bytes));
                }
                if closed {
                    self.tell(id, way, Input::Eof);
                }
            }
        }
    }

    /// A connection is of no use to the machine at the end of a way.
    fn break_off(&mut self, id: LineId, way: Way) {
        match self.lines.get(&id).and_then(|line| line.caller.filter(|_| !line.client_closed)) {
            Some((caller, c)) if way == Way::ToClient => {
                self.forget_client(id);
                self.input_of(caller, Input::Reset(c));
            }
            _ => self.tell(id, way, Input::Reset),
        }
    }

    /// The machine at the end of a way hears something, if it still listens.
    pub(super) fn tell<'a>(&mut self, id: LineId, way: Way, input: impl FnOnce(ConnectionId) -> Input<'a>) {
        let Some(line) = self.lines.get(&id) else { return };
        match (way, line.server_end, line.caller) {
            (Way::ToServer, ServerEnd::Accepted(number), _) => {
                self.server_input(line.server, input(ConnectionId(number)));
            }
            (Way::ToClient, _, Some((caller, c))) if !line.client_closed => self.input_of(caller, input(c)),
            _ => {}
        }
    }
}
