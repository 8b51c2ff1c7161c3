//! The web server machine: reads opening handshakes, queues them for workers, answers, keeps connections open.

mod answer;
mod calls;
mod challenge;
mod clocks;
mod delivery;
mod drain;
mod limits;
mod plan;
mod resources;
mod state;
mod streams;
mod tls;
mod transactions;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use plan::Context;
pub(super) use plan::WebPlan;
use state::State;

use super::behavior::{Choice, LocationForm};
use super::calls::{CallingRequest, Calls};
use super::clocks::Clocks;
use super::connections::{Connections, note};
use super::drain::Drain;
use super::event::{Event, Outputs, Reason, Turn};
use super::limits::{Limits, WhenFull};
use super::queue::{Job, Working};
use super::resources::Used;
use super::response_flaws::Later;
use super::targets::{Targets, Wanted};
use super::transactions::{Transactions, TransactionsFull};
use super::work::{Asked, Work};
use super::workers::WorkQueue;
use crate::frame::{self, Opcode, Sender};
use crate::handshake::call::read_call;
use crate::handshake::server::{Request, read_request_by, write_redirect, write_rejection};
use crate::machine::{CloseMode, ConnectionId, Input, Output};
use crate::rng::Identity;
use crate::time::{Nanos, Timestamp};

/// One process of a web server.
#[derive(Debug, Default)]
pub(super) struct Web {
    connections: Connections<State>,
    workers: WorkQueue<Work>,
    targets: Targets,
    due: Option<Timestamp>,
    /// When the process was started.
    since: Timestamp,
    /// How many requests each behavior took that is for the first of them only. Empty where none is.
    firsts: Vec<u32>,
    limits: Limits,
    clocks: Clocks,
    calls: Calls,
    drain: Option<Box<Drain>>,
    /// The HTTP/2 connection that each stream is on.
    streams: BTreeMap<u32, u32>,
    later: Later,
    transactions: Transactions,
    used: Used,
}

impl Web {
    /// A process that was started at a moment.
    pub(super) fn new(since: Timestamp) -> Web {
        Web { since, ..Web::default() }
    }

    /// Slows work that starts from now on by this factor; `None`: normal speed.
    pub(super) fn slow_down(&mut self, factor: Option<f64>) {
        self.workers.slow_down(factor);
    }

    /// Sets the address of a connection, before it is accepted.
    pub(super) fn comes_from(&mut self, c: ConnectionId, address: Identity) {
        note(&mut self.limits.addresses, c.0, address);
    }

    /// Open connections.
    pub(super) fn connections(&self) -> u32 {
        self.connections.count()
    }

    /// Takes one input; what follows from it is appended to `out`.
    pub(super) fn handle(&mut self, cx: &Context<'_>, now: Timestamp, input: Input<'_>, out: &mut Outputs) {
        self.take(cx, now, input, out);
        if !self.transactions.waiting.is_empty() {
            self.take_transactions(cx, now, out);
        }
        if !cx.plan.resources.is_empty() {
            self.use_resources(cx, out);
        }
    }

    fn take(&mut self, cx: &Context<'_>, now: Timestamp, input: Input<'_>, out: &mut Outputs) {
        match input {
            Input::Accepted(c, client) => self.accept(cx, now, c, client, out),
            Input::Received(c, _) | Input::Eof(c) | Input::Reset(c) if c.as_own().is_some() => {
                self.call_event(cx, now, c, input, out);
            }
            Input::Connected(c) | Input::ConnectFailed(c, _) => self.call_event(cx, now, c, input, out),
            Input::Received(c, bytes) => match self.state(c) {
                State::Reading => self.read(cx, now, c, bytes, out),
                State::Asking => self.read_stream(cx, now, c, bytes, out),
                State::Open | State::Closing => self.listen(cx, now, c, bytes, out),
                // What a client says before it was answered, or after its end, is ignored.
                State::Gone | State::Pending | State::Abandoned | State::Stalled | State::Ignored => {}
                // No driver passes on what comes before TLS is up.
                State::Greeting => self.in_plain(cx, now, c, bytes, out),
                State::Switched | State::Securing => {}
                // Nor what is of a connection rather than of one of its streams.
                State::Shared => {}
            },
            Input::Preface(c) => self.share(cx, c, out),
            Input::StreamOpened(c, on, client) => self.open_stream(c, on, client, out),
            Input::Hello(c, resumed) if matches!(self.state(c), State::Greeting | State::Switched) => {
                self.hello(cx, now, c, resumed, out)
            }
            Input::Eof(c) | Input::Reset(c) => match self.state(c) {
                State::Gone | State::Abandoned => {}
                // A worker does not look at the socket before it writes: the work is done all the same.
                State::Pending | State::Securing => self.connections.turn(c, State::Abandoned),
                State::Greeting
                | State::Switched
                | State::Reading
                | State::Shared
                | State::Asking
                | State::Stalled
                | State::Ignored
                | State::Open
                | State::Closing => {
                    out.push(Output::Close(c, CloseMode::Fin));
                    self.forget(c, out);
                }
            },
            Input::Wake => {
                if self.due.is_some_and(|due| due <= now) {
                    self.due = None;
                    if cx.plan.timed {
                        self.let_in(cx, now, out);
                    }
                    if !self.clocks.is_empty() {
                        self.ring(cx, now, out);
                    }
                    self.time_calls(cx, now, out);
                    self.send_away(now, out);
                    if !self.later.is_empty() {
                        self.go_on(cx, now, out);
                    }
                    self.complete(cx, now, out);
                }
            }
            Input::Peers(peers) => self.targets.report(peers),
            Input::Start | Input::Admitted | Input::Resolved(..) | Input::Hello(..) => {}
            // What was asked in plain, with the offer of TLS.
            Input::Secured(c, _) if self.state(c) == State::Reading => self.read(cx, now, c, &[], out),
            Input::Secured(..) | Input::SecureFailed(_) | Input::Stream(..) => {}
        }
    }

    fn state(&self, c: ConnectionId) -> State {
        self.connections.state(c)
    }

    fn accept(&mut self, cx: &Context<'_>, now: Timestamp, c: ConnectionId, client: Identity, out: &mut Outputs) {
        let state = if cx.plan.tls.is_none() { State::Reading } else { State::Greeting };
        let lacking = if cx.plan.resources.is_empty() { None } else { self.lacks(cx, 1, 0) };
        self.connections.accept(c, client, state, cx.plan.connections_max, out);
        self.clocks.accept(c);
        if let Some(most) = cx.plan.address_connections {
            self.limits.connect(c.0, most);
        }
        if let Some(resource) = lacking {
            return self.refuse_connection(c, resource, out);
        }
        self.limit_time(cx, now, c, out);
    }

    fn forget(&mut self, c: ConnectionId, out: &mut Outputs) {
        if !self.later.is_empty() {
            self.later.forget(c);
        }
        if !self.transactions.none_in_use() {
            self.end_transaction(c, out);
        }
        if let Some(generation) = self.clocks.forget(c) {
            out.event(Event::OldClosed { connection: c.0, generation });
        }
        if !self.streams.is_empty() && self.streams.remove(&c.0).is_some() {
            self.connections.remove(c);
            self.limits.excess.remove(&c.0);
            return out.event(Event::StreamClosed { connection: c.0 });
        }
        if !self.limits.connections.is_empty() {
            self.limits.disconnect(c.0);
        }
        self.connections.forget(c, out);
    }

    /// Parses the request, as far as it has arrived.
    fn read(&mut self, cx: &Context<'_>, now: Timestamp, c: ConnectionId, bytes: &[u8], out: &mut Outputs) {
        let excess = self.connections.is_excess(c);
        let mut partial = self.connections.take_partial(c);
        let bytes = partial.join(bytes);
        let mut call = false;
        let read = match read_request_by(bytes, cx.plan.lax) {
            // What opens nothing may be another server's call.
            Err(_) if cx.plan.serves => {
                call = true;
                read_call(bytes)
            }
            read => read,
        };
        let reject = match read {
            Ok(Some((request, len))) if !excess => {
                self.requested(cx, now, c, &request, call, out);
                // A client must wait for its answer (RFC 6455 section 4.1); one that was answered at once may as well have.
                if self.state(c) == State::Open && bytes.len() > len {
                    self.listen(cx, now, c, &bytes[len..], out);
                }
                return;
            }
            Ok(Some((request, _))) => return self.overflow(cx, now, c, &request, out),
            Ok(None) => {
                return self.connections.keep_partial(c, bytes);
            }
            Err(refusal) => refusal.status(),
        };
        out.event(Event::Requested { connection: c.0, queued: false });
        self.reject(c, reject, None, out);
    }

    /// Answers with an error, without a worker.
    fn reject(&mut self, c: ConnectionId, status: u16, retry_after: Option<u32>, out: &mut Outputs) {
        out.transmit(c, |bytes| write_rejection(bytes, status, retry_after));
        self.answered_at_once(c, status, out);
    }

    fn answered_at_once(&mut self, c: ConnectionId, status: u16, out: &mut Outputs) {
        out.event(Event::Answered { connection: c.0, status, served: Nanos::ZERO });
        out.push(Output::Close(c, CloseMode::Fin));
        self.forget(c, out);
    }

    /// The request of a connection above the limit.
    fn overflow(
        &mut self,
        cx: &Context<'_>,
        now: Timestamp,
        c: ConnectionId,
        request: &Request<'_>,
        out: &mut Outputs,
    ) {
        out.event(Event::Requested { connection: c.0, queued: false });
        let turn = match cx.plan.when_full {
            WhenFull::Redirect if !cx.plan.overflow.to.is_empty() => Turn::Redirect,
            WhenFull::Reject | WhenFull::Redirect => Turn::Reject,
            WhenFull::Drop => Turn::Drop,
            WhenFull::OpenThenClose if self.would_open(cx, now, c, request) => Turn::OpenThenClose,
            WhenFull::OpenThenClose => Turn::Reject,
        };
        out.event(Event::TurnedAway { connection: c.0, reason: Reason::ConnectionsMax, turn, queued: false });
        match turn {
            Turn::Redirect => {
                let client = self.connections.client(c);
                let wanted = Wanted { client, address: client, path: request.path };
                let target = self.targets.choose((cx.seed, cx.directory), u32::MAX, &cx.plan.overflow, wanted);
                let authority = cx.directory.authority(target);
                let scheme = LocationForm::Ws.scheme(cx.directory.secure(target));
                out.transmit(c, |bytes| write_redirect(bytes, 307, &[scheme, authority, request.path], None));
                self.answered_at_once(c, 307, out);
            }
            Turn::Drop => self.connections.turn(c, State::Ignored),
            Turn::OpenThenClose => {
                self.open_then_close(c, (request.upgrade, request.connect), &request.key, out);
            }
            Turn::Reject | Turn::Reset => self.reject(c, 503, None, out),
        }
    }

    /// A request without a free worker or a place in the queue.
    #[cold]
    fn queue_full(&mut self, cx: &Context<'_>, job: &Job<Work>, queued: bool, out: &mut Outputs) {
        let c = ConnectionId(job.connection);
        let turn = match (cx.plan.workers.queue_full.turn(), &job.work) {
            (Turn::OpenThenClose, Work::Request(asked))
                if Self::opens(cx, asked) && self.state(c) == State::Pending =>
            {
                let (reason, turn) = (Reason::QueueFull, Turn::OpenThenClose);
                out.event(Event::TurnedAway { connection: c.0, reason, turn, queued });
                return self.open_then_close(c, (asked.upgrade, asked.connect), &asked.key, out);
            }
            (Turn::OpenThenClose, _) => Turn::Reject,
            (turn, _) => turn,
        };
        out.event(Event::TurnedAway { connection: c.0, reason: Reason::QueueFull, turn, queued });
        self.turn_away(c, turn, 503, None, out);
    }

    fn turn_away(&mut self, c: ConnectionId, turn: Turn, status: u16, retry_after: Option<u32>, out: &mut Outputs) {
        match turn {
            _ if self.state(c) == State::Abandoned => self.close(c, CloseMode::Fin, out),
            Turn::Drop => self.connections.turn(c, State::Stalled),
            Turn::Reset => self.close(c, CloseMode::Reset, out),
            // Without TLS there are no words to say it with.
            Turn::Reject if self.state(c) == State::Securing => self.close(c, CloseMode::Fin, out),
            Turn::Reject | Turn::Redirect | Turn::OpenThenClose => self.reject(c, status, retry_after, out),
        }
    }

    fn close(&mut self, c: ConnectionId, how: CloseMode, out: &mut Outputs) {
        out.push(Output::Close(c, how));
        self.forget(c, out);
    }

    /// Gives work to a worker, or queues it. `waited`: whether it was delayed before.
    fn enter(&mut self, cx: &Context<'_>, now: Timestamp, job: Job<Work>, waited: bool, out: &mut Outputs) {
        let c = ConnectionId(job.connection);
        let short = self.lacks_transaction(cx, &job.work);
        let rejected = short && cx.plan.transactions_full == TransactionsFull::Reject;
        let queued = short || self.workers.busy() >= cx.plan.workers.count;
        let waiting = self.workers.waiting.len() + self.transactions.waiting.len();
        let full = queued && waiting as u32 >= cx.plan.workers.queue_max;
        let starved = !cx.plan.resources.is_empty() && self.lacks(cx, 0, 1).is_some();
        if !waited {
            let (connection, queued) = (c.0, queued && !full && !rejected && !starved);
            out.event(match job.work {
                Work::Tls { resumed } => Event::Hello { connection, resumed, queued },
                Work::Request(_) | Work::Probe(_) => Event::Requested { connection, queued },
            });
        }
        if starved {
            return self.refuse_request(c, waited, out);
        }
        if rejected {
            return self.out_of_transactions(c, waited, out);
        }
        if full {
            return self.queue_full(cx, &job, waited, out);
        }
        if short {
            out.event(Event::TransactionAwaited { connection: c.0 });
            return self.transactions.waiting.push_back(job);
        }
        if let Work::Request(asked) = &job.work {
            self.begin_transaction(cx, c, asked.upgrade || asked.connect, out);
        }
        if queued {
            self.workers.waiting.push_back(job);
        } else {
            self.start(cx, now, job, waited, out);
        }
    }

    /// Whether a request's turn comes after the queue's deadline: 503, without a worker.
    fn expires(&mut self, cx: &Context<'_>, c: ConnectionId, waited: Nanos, out: &mut Outputs) -> bool {
        let expired = cx.plan.workers.expires(waited);
        if expired {
            out.event(Event::Expired { connection: c.0, waited });
            self.turn_away(c, Turn::Reject, 503, None, out);
        }
        expired
    }

    /// Reads the frames of an open connection: answers pings, and the client's close.
    fn listen(&mut self, cx: &Context<'_>, now: Timestamp, c: ConnectionId, bytes: &[u8], out: &mut Outputs) {
        self.clocks.heard(now, c);
        let from = if cx.plan.lax { Sender::Any } else { Sender::Client };
        let mut partial = self.connections.take_partial(c);
        let mut bytes = partial.join(bytes);
        loop {
            match frame::read(bytes, from) {
                Ok(None) => break,
                Ok(Some((frame, len))) => {
                    bytes = &bytes[len..];
                    match frame.opcode {
                        Opcode::Ping => {
                            let payload = frame.unmasked();
                            out.transmit(c, |bytes| frame::write_pong(bytes, &payload, None));
                        }
                        Opcode::Close => {
                            let code = frame.close_code();
                            if self.state(c) == State::Open {
                                out.transmit(c, |bytes| frame::write_close(bytes, code, None));
                            }
                            out.push(Output::Close(c, CloseMode::Fin));
                            return self.forget(c, out);
                        }
                        Opcode::Pong => self.pong(cx, now, c, out),
                        Opcode::Data => {}
                    }
                }
                Err(_) => {
                    // Section 7.4.1: 1002, a protocol error.
                    out.transmit(c, |bytes| frame::write_close(bytes, 1002, None));
                    out.push(Output::Close(c, CloseMode::Fin));
                    return self.forget(c, out);
                }
            }
        }
        if !bytes.is_empty() {
            self.connections.keep_partial(c, frame::keep(bytes));
        }
    }

    fn requested(
        &mut self,
        cx: &Context<'_>,
        now: Timestamp,
        c: ConnectionId,
        request: &Request<'_>,
        call: bool,
        out: &mut Outputs,
    ) {
        if self.drain.is_some() {
            out.event(Event::Requested { connection: c.0, queued: false });
            let (reason, turn) = (Reason::Draining, Turn::Reject);
            out.event(Event::TurnedAway { connection: c.0, reason, turn, queued: false });
            return self.reject(c, 503, None, out);
        }
        if self.limits.excess.contains(&c.0) {
            return self.too_many_from(cx, c, out);
        }
        let later = match cx.plan.limits_rates() {
            false => None,
            true => match self.ask_rates(cx, now, c, out) {
                Ok(later) => later,
                Err(()) => return,
            },
        };
        let client = self.connections.client(c);
        let (behavior, verdict) = self.choose(cx, now, client, request);
        let choice = cx.plan.behaviors.get(behavior).map(|behavior| &behavior.choice);
        if let Some(Choice::Stall) = choice {
            self.connections.turn(c, State::Stalled);
            out.event(Event::Requested { connection: c.0, queued: false });
            return self.stall(cx, c, request.upgrade, out);
        }
        if call && matches!(choice, None | Some(Choice::Accept)) {
            out.event(Event::Requested { connection: c.0, queued: false });
            return self.reject(c, 426, None, out);
        }
        let keeps_path = match choice {
            Some(Choice::Redirect { path, pick, .. }) => path.is_none() || pick.asks_for_path(),
            _ => false,
        } && request.path != "/";
        let asked = Asked {
            behavior: behavior as u32,
            upgrade: request.upgrade,
            connect: request.connect,
            verdict,
            key: request.key,
            path: keeps_path.then(|| request.path.into()),
            asker: self.asker(c, request.path, call),
        };
        let job = Job { connection: c.0, client, work: Work::Request(asked), since: now };
        self.connections.turn(c, State::Pending);
        match later {
            None => self.enter(cx, now, job, false, out),
            Some((at, reason)) => {
                out.event(Event::Requested { connection: c.0, queued: true });
                out.event(Event::HeldBack { connection: c.0, reason, delay: at.since(now) });
                let order = self.workers.next_order();
                self.limits.held.push(Reverse(Working { done: at, order, served: Nanos::ZERO, job }));
                self.schedule(cx, out);
            }
        }
    }

    /// A worker takes a job.
    fn start(&mut self, cx: &Context<'_>, now: Timestamp, job: Job<Work>, queued: bool, out: &mut Outputs) {
        if cx.plan.is_free(&job.work) && !queued {
            return self.finish(cx, now, job, Nanos::ZERO, out);
        }
        let mut work = self.workers.slowed(cx.plan.work(cx.seed, &job));
        if let Some(warm_up) = cx.plan.warm_up
            && now < self.since + warm_up.duration
        {
            work = Nanos::from_f64(work.0 as f64 * warm_up.factor);
        }
        self.workers.start(&cx.plan.workers, now, job, work, queued, out);
        self.schedule(cx, out);
    }

    fn schedule(&mut self, cx: &Context<'_>, out: &mut Outputs) {
        let mut next = self.workers.next_due();
        if cx.plan.timed {
            let held = self.limits.held.peek().map(|Reverse(held)| held.done);
            next = [next, held].into_iter().flatten().min();
        }
        if !self.clocks.is_empty() {
            next = [next, self.next_clock(cx)].into_iter().flatten().min();
        }
        if !cx.plan.calls.is_empty() {
            next = [next, self.calls.next_due()].into_iter().flatten().min();
        }
        if !self.later.is_empty() {
            next = [next, self.later.next_due()].into_iter().flatten().min();
        }
        if let Some(drain) = &self.drain {
            next = [next, drain.due()].into_iter().flatten().min();
        }
        if next != self.due {
            self.due = next;
            out.push(Output::WakeAt(next.unwrap_or(Timestamp::NEVER)));
        }
    }

    /// Workers that are done answer and take the next request.
    fn complete(&mut self, cx: &Context<'_>, now: Timestamp, out: &mut Outputs) {
        while let Some((job, served)) = self.workers.done(&cx.plan.workers, now) {
            self.finish(cx, now, job, served, out);
            self.take_next(cx, now, out);
        }
        self.schedule(cx, out);
    }

    /// Workers that are free take requests from the queue.
    fn take_next(&mut self, cx: &Context<'_>, now: Timestamp, out: &mut Outputs) {
        while let Some(next) = self.workers.next(&cx.plan.workers) {
            let waited = now.since(next.since);
            // A probe has a time limit of its own.
            if matches!(next.work, Work::Probe(_)) || !self.expires(cx, ConnectionId(next.connection), waited, out) {
                self.start(cx, now, next, true, out);
            }
        }
    }

    /// A worker is done.
    fn finish(&mut self, cx: &Context<'_>, now: Timestamp, job: Job<Work>, served: Nanos, out: &mut Outputs) {
        let Job { connection, client, work, .. } = job;
        match work {
            Work::Tls { .. } => self.answer_hello(cx, now, ConnectionId(connection), served, out),
            Work::Probe(number) => self.answer_probe(cx, number, served, out),
            Work::Request(asked) if asked.verdict.refuses() => {
                self.demand(cx, now, ConnectionId(connection), &asked, served, out);
            }
            Work::Request(asked) if self.makes_calls(cx, &asked) => {
                self.begin_calls(cx, now, CallingRequest { connection, client, asked, served, worked: now }, out);
            }
            Work::Request(asked) => {
                self.answer(cx, now, &CallingRequest { connection, client, asked, served, worked: now }, out);
            }
        }
    }
}
