//! The response to a request when its worker is done.

use super::Web;
use super::plan::Context;
use super::state::State;
use crate::handshake::call::write_served;
use crate::handshake::extended;
use crate::handshake::server::{write_open, write_redirect_and, write_rejection};
use crate::machine::{CloseMode, ConnectionId};
use crate::rng::{Purpose, Seed};
use crate::server::behavior::{Choice, LocationForm};
use crate::server::calls::CallingRequest;
use crate::server::challenge::Verdict;
use crate::server::event::{Event, Outputs};
use crate::server::targets::Wanted;
use crate::time::{Nanos, Timestamp};

/// A response that was written.
#[derive(Default)]
struct WrittenResponse {
    /// Its status; 0 if it is not HTTP.
    status: u16,
    opens: bool,
    /// Whether the connection stays open for the next request.
    keep: bool,
}

impl Web {
    /// The response to a request when a required call has failed.
    pub(super) fn cannot_answer(&mut self, c: ConnectionId, served: Nanos, out: &mut Outputs) {
        if self.state(c) == State::Abandoned {
            out.event(Event::Wasted { connection: c.0, served });
        } else {
            out.transmit(c, |bytes| write_rejection(bytes, 503, None));
            out.event(Event::Answered { connection: c.0, status: 503, served });
        }
        self.close(c, CloseMode::Fin, out);
    }

    /// Answers a request.
    pub(super) fn answer(&mut self, cx: &Context<'_>, now: Timestamp, done: &CallingRequest, out: &mut Outputs) {
        let (c, served) = (ConnectionId(done.connection), done.served);
        if self.state(c) == State::Abandoned {
            out.event(Event::Wasted { connection: c.0, served });
            return self.close(c, CloseMode::Fin, out);
        }
        let behavior = cx.plan.behaviors.get(done.asked.behavior as usize);
        let choice = behavior.map(|behavior| &behavior.choice);
        let flaws = behavior.and_then(|behavior| behavior.flaws.as_deref());
        let mut said = WrittenResponse::default();
        let mut kept = Vec::new();
        match flaws {
            None => out.transmit(c, |bytes| said = self.say(cx, choice, done, bytes)),
            Some(_) => said = self.say(cx, choice, done, &mut kept),
        }
        let other = flaws.and_then(|flaws| flaws.answer.status).filter(|status| *status != said.status);
        if let Some(status) = other.filter(|_| said.opens) {
            said = WrittenResponse { status, ..WrittenResponse::default() };
        }
        let WrittenResponse { status, opens, keep } = said;
        if opens && done.asked.verdict == Verdict::Unproven {
            out.event(Event::AcceptedWithoutCredentials { connection: c.0 });
        }
        out.event(Event::Answered { connection: c.0, status, served });
        match flaws {
            Some(flaws) => {
                self.deliver(cx, now, c, flaws, (kept, status != 0, opens), out);
                self.schedule(cx, out);
            }
            None if opens => {
                self.connections.turn(c, State::Open);
                self.opened(c, out);
                self.start_clocks(cx, now, c, out);
            }
            None if keep => {
                self.connections.turn(c, State::Reading);
                self.end_transaction(c, out);
                self.limit_time(cx, now, c, out);
            }
            None => self.close(c, CloseMode::Fin, out),
        }
    }

    /// Writes the response of a behavior.
    fn say(
        &mut self,
        cx: &Context<'_>,
        choice: Option<&Choice>,
        done: &CallingRequest,
        bytes: &mut Vec<u8>,
    ) -> WrittenResponse {
        let asked = &done.asked;
        let status = match choice {
            // It would be closed again at once.
            None | Some(Choice::Accept) if self.drain.is_some() => {
                write_rejection(bytes, 503, None);
                503
            }
            None | Some(Choice::Accept) if asked.connect => {
                return WrittenResponse { status: extended::write_open(bytes), opens: true, keep: false };
            }
            None | Some(Choice::Accept) => {
                let status = write_open(bytes, asked.upgrade, &asked.key.accept());
                return WrittenResponse { status, opens: true, keep: false };
            }
            Some(Choice::Redirect { status, pick, form, path, retry_after, keep_alive }) => {
                let target = match pick.to.as_slice() {
                    [] => cx.endpoint,
                    _ => {
                        let path = asked.path.as_deref().unwrap_or("/");
                        let wanted = Wanted { client: done.client, address: asked.asker, path };
                        self.targets.choose((cx.seed, cx.directory), asked.behavior, pick, wanted)
                    }
                };
                let path = path.as_deref().or(asked.path.as_deref()).unwrap_or("/");
                let authority = cx.directory.authority(target);
                let scheme = form.scheme(cx.directory.secure(target));
                let location: &[&str] = match form {
                    LocationForm::Ws | LocationForm::Http => &[scheme, authority, path],
                    LocationForm::Relative => &[path],
                    LocationForm::Missing => &[],
                    // Neither a space nor a lone bracket may stand in a URI (RFC 3986 section 2).
                    LocationForm::Malformed => &["ws://[ /"],
                };
                let keep = *keep_alive && !asked.connect && self.drain.is_none();
                write_redirect_and(bytes, *status, location, *retry_after, keep);
                return WrittenResponse { status: *status, opens: false, keep };
            }
            Some(Choice::Reject { status, retry_after }) => {
                write_rejection(bytes, *status, *retry_after);
                *status
            }
            Some(Choice::Serve) => write_served(bytes),
            Some(Choice::Garbage) => {
                write_garbage(bytes, cx.seed, done);
                0
            }
            // Never queued; answered before.
            Some(Choice::Stall | Choice::Challenge(_)) => 0,
        };
        WrittenResponse { status, opens: false, keep: false }
    }
}

/// 64 random bytes that can't begin a line of text.
fn write_garbage(bytes: &mut Vec<u8>, seed: Seed, done: &CallingRequest) {
    let start = bytes.len();
    bytes.extend((0..4).flat_map(|ordinal| seed.draw(done.client, Purpose::Garbage, ordinal).bytes()));
    bytes[start] |= 0x80;
}
