//! The forward proxy machine: answers `CONNECT`s, and makes tunnels to their targets (RFC 9110 section 9.3.6).
//!
//! A request waits for a worker, as with any server. When that is done, the proxy connects to the target; once it is
//! connected, it forwards what comes from either end to the other, and reads none of it.

mod clocks;
mod config;

pub use config::Proxy;

use super::challenge::{Nonces, Verdict};
use super::clocks::{Clocks, ClocksPlan};
use super::connections::Connections;
use super::context;
use super::event::{Event, Outputs, Reason, Turn};
use super::queue::Job;
use super::relay::{EndedRelay, Relay};
use super::workers::{WorkQueue, WorkersPlan};
use crate::handshake::server::{Request, write_rejection};
use crate::handshake::tunnel::{authority, read_connect, write_challenge, write_connected};
use crate::machine::{CloseMode, ConnectError, ConnectionId, Input, Output};
use crate::time::{Nanos, Timestamp};

/// The common settings of proxies of one group, ready to run.
#[derive(Debug)]
pub(super) struct ProxyPlan {
    workers: WorkersPlan,
    clocks: ClocksPlan,
    config: Proxy,
}

impl ProxyPlan {
    pub(super) fn new(config: &Proxy) -> ProxyPlan {
        let (workers, clocks) = (WorkersPlan::new(&config.workers), ClocksPlan::new(&config.clocks));
        ProxyPlan { workers, clocks, config: config.clone() }
    }
}

/// What a proxy is given with each input.
type Context<'a> = context::Context<'a, ProxyPlan>;

/// What a proxy does with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// No connection with this number.
    #[default]
    Gone,
    /// The request is incomplete.
    Reading,
    /// Its request is queued or with a worker.
    Pending,
    /// Queued or with a worker, but the client has disconnected.
    Abandoned,
    /// Read and never answered.
    Stalled,
    /// Data is forwarded to the target, once that is connected.
    Tunnel,
}

/// The stored parts of a `CONNECT`.
#[derive(Debug)]
struct Asked {
    target: Box<str>,
    /// Whether it has the credentials that are demanded.
    verdict: Verdict,
}

/// One process of a forward proxy.
#[derive(Debug, Default)]
pub(super) struct ForwardProxy {
    /// When the process was started.
    since: Timestamp,
    connections: Connections<State>,
    workers: WorkQueue<Asked>,
    clocks: Clocks,
    relay: Relay,
    drains: bool,
    due: Option<Timestamp>,
}

impl ForwardProxy {
    /// A process that was started at a moment.
    pub(super) fn new(since: Timestamp) -> ForwardProxy {
        ForwardProxy { since, ..ForwardProxy::default() }
    }

    /// Slows work that starts from now on by this factor; `None`: normal speed.
    pub(super) fn slow_down(&mut self, factor: Option<f64>) {
        self.workers.slow_down(factor);
    }

    /// From now on requests are answered 503, or are not. What goes through tunnels is for others to end.
    pub(super) fn drain(&mut self, drains: bool) {
        self.drains = drains;
    }

    /// Open connections of clients.
    pub(super) fn connections(&self) -> u32 {
        self.connections.count()
    }

    /// The accepted connection for which it opened this second connection.
    pub(super) fn accepted_for(&self, own: ConnectionId) -> Option<ConnectionId> {
        self.relay.accepted_for(own.as_own()?)
    }

    /// Takes one input; what follows from it is appended to `out`.
    #[cold]
    pub(super) fn handle(&mut self, cx: &Context<'_>, now: Timestamp, input: Input<'_>, out: &mut Outputs) {
        match input {
            Input::Accepted(c, client) => {
                let most = cx.plan.config.connections_max.unwrap_or(u32::MAX);
                self.connections.accept(c, client, State::Reading, most, out);
                self.clocks.accept(c);
                self.limit_time(cx, now, c, out);
            }
            Input::Received(c, bytes) => match self.connections.state(c) {
                State::Reading if c.as_own().is_none() => self.read(cx, now, c, bytes, out),
                State::Tunnel => self.pass(now, c, bytes, out),
                _ if c.as_own().is_some() => self.pass(now, c, bytes, out),
                // What a client says before it was answered, or after its end, is ignored.
                _ => {}
            },
            Input::Connected(own) => self.connected(own, out),
            Input::ConnectFailed(own, why) => {
                self.give_up(own, if why == ConnectError::TimedOut { 504 } else { 502 }, out);
            }
            Input::Eof(c) => self.ended(c, CloseMode::Fin, out),
            Input::Reset(c) => self.ended(c, CloseMode::Reset, out),
            Input::Wake if self.due.is_some_and(|due| due <= now) => {
                self.due = None;
                self.ring(cx, now, out);
                while let Some(own) = self.relay.overdue(now) {
                    self.give_up(own, 504, out);
                }
                self.complete(cx, now, out);
            }
            // It speaks neither TLS nor HTTP/2 itself.
            Input::Secured(..) | Input::SecureFailed(_) | Input::Hello(..) => {}
            Input::Preface(_) | Input::StreamOpened(..) | Input::Stream(..) => {}
            Input::Wake | Input::Start | Input::Admitted | Input::Peers(_) | Input::Resolved(..) => {}
        }
        self.schedule(cx, out);
    }

    fn schedule(&mut self, cx: &Context<'_>, out: &mut Outputs) {
        let mut next = [self.workers.next_due(), self.relay.next_due()].into_iter().flatten().min();
        if !self.clocks.is_empty() {
            next = [next, self.next_clock(cx)].into_iter().flatten().min();
        }
        if next != self.due {
            self.due = next;
            out.push(Output::WakeAt(next.unwrap_or(Timestamp::NEVER)));
        }
    }

    fn close(&mut self, c: ConnectionId, how: CloseMode, out: &mut Outputs) {
        out.push(Output::Close(c, how));
        if let Some(generation) = self.clocks.forget(c) {
            out.event(Event::OldClosed { connection: c.0, generation });
        }
        self.connections.forget(c, out);
    }

    /// Answers with an error, which a worker's time was spent on or not.
    fn reject(&mut self, c: ConnectionId, status: u16, served: Nanos, out: &mut Outputs) {
        out.transmit(c, |bytes| write_rejection(bytes, status, None));
        out.event(Event::Answered { connection: c.0, status, served });
        self.close(c, CloseMode::Fin, out);
    }

    fn turn_away(&mut self, c: ConnectionId, turn: Turn, out: &mut Outputs) {
        match turn {
            _ if self.connections.state(c) == State::Abandoned => self.close(c, CloseMode::Fin, out),
            Turn::Drop => self.connections.turn(c, State::Stalled),
            Turn::Reset => self.close(c, CloseMode::Reset, out),
            Turn::Reject | Turn::Redirect | Turn::OpenThenClose => self.reject(c, 503, Nanos::ZERO, out),
        }
    }

    /// Parses the request, as far as it has arrived.
    fn read(&mut self, cx: &Context<'_>, now: Timestamp, c: ConnectionId, bytes: &[u8], out: &mut Outputs) {
        let excess = self.connections.is_excess(c);
        let mut partial = self.connections.take_partial(c);
        let bytes = partial.join(bytes);
        let reason = match read_connect(bytes) {
            Ok(None) => return self.connections.keep_partial(c, bytes),
            Ok(Some(_)) if excess => Reason::ConnectionsMax,
            Ok(Some(_)) if self.drains => Reason::Draining,
            Ok(Some((request, _))) => return self.requested(cx, now, c, &request, out),
            Err(refusal) => {
                out.event(Event::Requested { connection: c.0, queued: false });
                return self.reject(c, refusal.status(), Nanos::ZERO, out);
            }
        };
        out.event(Event::Requested { connection: c.0, queued: false });
        out.event(Event::TurnedAway { connection: c.0, reason, turn: Turn::Reject, queued: false });
        self.reject(c, 503, Nanos::ZERO, out);
    }

    /// Gives a request to a worker, or queues it.
    fn requested(
        &mut self,
        cx: &Context<'_>,
        now: Timestamp,
        c: ConnectionId,
        request: &Request<'_>,
        out: &mut Outputs,
    ) {
        let verdict = match &cx.plan.config.demand {
            Some(demand) => {
                demand.applied(demand.judge(&self.nonces(cx), now, self.connections.client(c), "CONNECT", request))
            }
            None => Verdict::Unasked,
        };
        let work = Asked { target: request.path.into(), verdict };
        let job = Job { connection: c.0, client: self.connections.client(c), work, since: now };
        self.connections.turn(c, State::Pending);
        let busy = self.workers.busy() >= cx.plan.workers.count;
        let full = busy && self.workers.waiting.len() as u32 >= cx.plan.workers.queue_max;
        out.event(Event::Requested { connection: c.0, queued: busy && !full });
        if full {
            let turn = cx.plan.workers.queue_full.turn();
            out.event(Event::TurnedAway { connection: c.0, reason: Reason::QueueFull, turn, queued: false });
            self.turn_away(c, turn, out);
        } else if busy {
            self.workers.waiting.push_back(job);
        } else {
            self.start(cx, now, job, false, out);
        }
    }

    /// A worker takes a job.
    fn start(&mut self, cx: &Context<'_>, now: Timestamp, job: Job<Asked>, queued: bool, out: &mut Outputs) {
        if cx.plan.workers.is_free() && !queued {
            return self.finish(cx, now, job, Nanos::ZERO, out);
        }
        let verdict = job.work.verdict;
        let opens = cx.plan.config.reject.is_none() && !verdict.refuses();
        let work = cx.plan.workers.work(cx.seed, job.client, || (opens, verdict.was_checked()));
        let work = self.workers.slowed(work);
        self.workers.start(&cx.plan.workers, now, job, work, queued, out);
        self.schedule(cx, out);
    }

    /// Workers that are done answer and take the next request.
    fn complete(&mut self, cx: &Context<'_>, now: Timestamp, out: &mut Outputs) {
        while let Some((job, served)) = self.workers.done(&cx.plan.workers, now) {
            self.finish(cx, now, job, served, out);
            while let Some(next) = self.workers.next(&cx.plan.workers) {
                let (c, waited) = (ConnectionId(next.connection), now.since(next.since));
                if cx.plan.workers.expires(waited) {
                    out.event(Event::Expired { connection: c.0, waited });
                    self.turn_away(c, Turn::Reject, out);
                } else {
                    self.start(cx, now, next, true, out);
                }
            }
        }
    }

    /// A worker is done.
    fn finish(&mut self, cx: &Context<'_>, now: Timestamp, job: Job<Asked>, served: Nanos, out: &mut Outputs) {
        let (c, Asked { target, verdict }) = (ConnectionId(job.connection), job.work);
        if self.connections.state(c) == State::Abandoned {
            out.event(Event::Wasted { connection: c.0, served });
            self.close(c, CloseMode::Fin, out);
        } else if verdict.refuses() {
            self.demand(cx, now, c, verdict, served, out);
        } else if self.drains {
            self.reject(c, 503, served, out);
        } else if let Some(status) = cx.plan.config.reject {
            self.reject(c, status, served, out);
        } else {
            self.dial(cx, now, c, &target, served, out);
        }
    }

    fn nonces(&self, cx: &Context<'_>) -> Nonces {
        Nonces { seed: cx.seed, server: cx.endpoint, since: self.since }
    }

    /// The request lacks valid credentials: 407, or 400 if they are for another target.
    fn demand(
        &mut self,
        cx: &Context<'_>,
        now: Timestamp,
        c: ConnectionId,
        verdict: Verdict,
        served: Nanos,
        out: &mut Outputs,
    ) {
        let Some(demand) = &cx.plan.config.demand else { return };
        if verdict == Verdict::Misdirected {
            return self.reject(c, 400, served, out);
        }
        let keep = demand.keep_alive && !self.drains;
        let challenge = demand.challenge(&self.nonces(cx), now, self.connections.client(c), verdict);
        out.transmit(c, |bytes| write_challenge(bytes, &challenge, keep));
        out.event(Event::Answered { connection: c.0, status: 407, served });
        if keep {
            self.connections.turn(c, State::Reading);
            self.limit_time(cx, now, c, out);
        } else {
            self.close(c, CloseMode::Fin, out);
        }
    }

    /// Connects to the target of an accepted request.
    fn dial(
        &mut self,
        cx: &Context<'_>,
        now: Timestamp,
        c: ConnectionId,
        target: &str,
        served: Nanos,
        out: &mut Outputs,
    ) {
        if served > Nanos::ZERO {
            out.event(Event::Worked { connection: c.0, served });
        }
        let target = cx.directory.find(authority(target)).filter(|target| cx.directory.name(*target).is_none());
        let Some(target) = target else {
            // It can be reached no more than a host that refuses.
            return self.reject(c, 502, Nanos::ZERO, out);
        };
        let client = self.connections.client(c);
        let own = self.relay.begin(c, client, target.0 as usize, now + cx.plan.config.connect_timeout);
        self.connections.turn(c, State::Tunnel);
        if cx.plan.clocks.any() || self.clocks.in_use() {
            self.clocks.open(cx.seed, &cx.plan.clocks, now, c, client);
        }
        out.push(Output::Open(own, target));
        out.event(Event::Forwarded { connection: c.0, to: target.0 });
        self.schedule(cx, out);
    }

    /// The target of a tunnel is connected.
    fn connected(&mut self, own: ConnectionId, out: &mut Outputs) {
        let Some(number) = own.as_own() else { return };
        if let Some(accepted) = self.relay.accepted_for(number) {
            out.transmit(accepted, write_connected);
            out.event(Event::Answered { connection: accepted.0, status: 200, served: Nanos::ZERO });
            self.relay.up(number, out);
        }
    }

    /// The target of a tunnel can't be reached.
    fn give_up(&mut self, own: ConnectionId, status: u16, out: &mut Outputs) {
        if let Some(EndedRelay { own, accepted, .. }) = self.relay.part(own) {
            out.push(Output::Close(own, CloseMode::Fin));
            self.reject(accepted, status, Nanos::ZERO, out);
        }
    }

    /// A connection has ended, a client's or one to a target.
    fn ended(&mut self, c: ConnectionId, how: CloseMode, out: &mut Outputs) {
        match self.connections.state(c) {
            _ if c.as_own().is_some() => self.end_tunnel(c, how, out),
            State::Tunnel => self.end_tunnel(c, how, out),
            State::Gone | State::Abandoned => {}
            // A worker does not look at the socket before it writes: the work is done all the same.
            State::Pending => self.connections.turn(c, State::Abandoned),
            State::Reading | State::Stalled => self.close(c, CloseMode::Fin, out),
        }
    }

    /// One end of a tunnel has ended: ends the other in the same way.
    fn end_tunnel(&mut self, c: ConnectionId, how: CloseMode, out: &mut Outputs) {
        if let Some(EndedRelay { own, accepted, .. }) = self.relay.part(c) {
            out.push(Output::Close(own, how));
            self.close(accepted, how, out);
        }
    }
}
