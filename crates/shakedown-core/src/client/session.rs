//! One client: endpoint choice, connect, handshake, redirects, retry, hold, reconnect.

mod auth;
mod connect;
mod lookup;
mod open;
mod race;
mod redirect;
mod repeat;
mod stream;
mod tls;
mod tunnel;

use super::config::{OnRetry, Pick};
use super::event::{End, Event, Failure, Finding};
use super::group::Context;
use super::policies::{NewKey, Remembers};
use super::race::Race;
use super::retry::{Draw, Policy};
use crate::handshake::client::{Answer, read_answer};
use crate::handshake::{Error, Key, Mode};
use crate::http::Partial;
use crate::machine::{CloseMode, ConnectionId, EndpointId, Input, Output};
use crate::rng::{Bits, Purpose};
use crate::time::{Nanos, Timestamp};

/// Where an [`Event`] and the actions around it go.
pub type Outputs = crate::machine::Outputs<Event>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not started, ended or given up.
    Idle,
    /// A name is being looked up.
    Resolving,
    /// In line at the host's connect gate.
    Gated,
    Connecting,
    /// Connects to several addresses, of which the first that is established is used.
    Racing,
    /// TCP to a proxy is up, and it was asked for a tunnel.
    Tunnelling,
    /// TLS was offered with the opening request, in plain text.
    Offering,
    /// TCP is established, TLS is not; or the shared HTTP/2 connection is not ready for requests.
    Securing,
    Handshaking,
    Open,
    /// Open, and a pong is awaited.
    Pinged,
    /// Ending as intended: the close frame is sent, the server's is awaited.
    Closing,
    /// A retry is due later.
    Waiting,
    /// Waits before it follows a redirect.
    Hopping,
}

/// One client. Small, as there are a million of them: what can be drawn again (its key, its path) is not kept.
/// With what the simulator keeps beside it, one line of a processor's cache.
#[derive(Debug)]
pub struct Session {
    /// When the state ends by itself: a timeout, the end of the hold, the next attempt.
    until: Timestamp,
    /// When the next ping is due, or its pong.
    beat: Timestamp,
    /// When the attempt began, hops included; of an open session, when it opened.
    since: Timestamp,
    rare: Option<Box<Rare>>,
    index: u32,
    /// The latest connection; they count from 1.
    connection: u32,
    /// The last delay of the policy, in microseconds.
    delay_us: u32,
    group: u16,
    /// The server of the latest connection; while it is not known, its name.
    endpoint: u16,
    /// Position in the group's endpoint list of the last choice.
    position: u16,
    /// Attempts since the start or the last opening, hops not counted. Saturates.
    attempts: u16,
    /// Delays since they were reset. Saturates: the delay has reached its cap long before.
    retries: u16,
    state: State,
    hops: u8,
}

/// State that few sessions have at any moment.
#[derive(Debug, Default)]
struct Rare {
    /// An incomplete response head.
    partial: Partial,
    /// The request target, where a redirect changed it.
    path: Option<String>,
    /// The name that a redirect led to, or the server where an earlier one did.
    name: Option<EndpointId>,
    /// What the key is drawn by, where that is not the connection's number.
    key: Option<u64>,
    /// Whether the request was made before and not answered.
    repeated: bool,
    /// Pieces of the response so far.
    pieces: u32,
    /// Addresses of the name that have not been tried, the next one last.
    untried: Vec<EndpointId>,
    /// The connects of a race.
    race: Option<Box<Race>>,
    /// Whether the latest request had credentials.
    proven: bool,
    /// Challenges answered here in a row.
    challenges: u8,
    /// The server's part of an authentication in legs, which the next request answers.
    leg: Option<Box<str>>,
    /// The same for the proxy.
    proven_to_proxy: bool,
    proxy_challenges: u8,
    /// Where redirects led in this attempt: server or name, and the request target if it was not the group's. The first
    /// of them is not kept, nor is any where there is but one.
    visited: Vec<(EndpointId, Option<String>)>,
}

/// The request that a response answers.
#[derive(Default)]
struct Asked<'a> {
    /// The name that a redirect led to, or the server where an earlier one did, if it did.
    name: Option<EndpointId>,
    /// What the key was drawn by, where that is not the connection's number.
    key: Option<u64>,
    /// The request target, where a redirect changed it.
    path: Option<&'a str>,
    /// Whether the request had credentials.
    proven: bool,
    /// Challenges answered before.
    challenges: u8,
    visited: &'a [(EndpointId, Option<String>)],
}

impl Rare {
    /// The answer up to now, with what came last, and what it answers.
    fn asked<'a>(&'a mut self, bytes: &'a [u8]) -> (&'a [u8], Asked<'a>) {
        let Rare { partial, path, name, key, proven, challenges, visited, .. } = self;
        let (name, key, path) = (*name, *key, path.as_deref());
        let asked = Asked { name, key, path, proven: *proven, challenges: *challenges, visited };
        (partial.join(bytes), asked)
    }
}

impl Session {
    /// The session `index` of the client group with this number.
    pub fn new(group: u16, index: u32) -> Session {
        Session {
            until: Timestamp::NEVER,
            beat: Timestamp::NEVER,
            since: Timestamp::ZERO,
            rare: None,
            index,
            connection: 0,
            delay_us: 0,
            group,
            endpoint: 0,
            position: 0,
            attempts: 0,
            retries: 0,
            state: State::Idle,
            hops: 0,
        }
    }

    /// The number of its client group.
    pub fn group(&self) -> u16 {
        self.group
    }

    /// How many connections it has made, over all its lives.
    pub fn connections(&self) -> u32 {
        self.connection
    }

    fn is_open(&self) -> bool {
        matches!(self.state, State::Open | State::Pinged)
    }

    /// The server of the latest connection.
    fn endpoint(&self) -> EndpointId {
        EndpointId(u32::from(self.endpoint))
    }

    /// Its number in its group.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Takes one input; its outputs are appended to `out`.
    pub fn handle(&mut self, cx: &mut Context<'_>, now: Timestamp, input: Input<'_>, out: &mut Outputs) {
        let current = |c: ConnectionId| c.0 == self.connection;
        match (self.state, input) {
            (State::Idle, Input::Start) => {
                self.attempts = 0;
                self.begin_delays_anew();
                out.event(Event::Scheduled { group: cx.group.number, index: self.index });
                self.attempt(cx, now, out);
            }
            (State::Resolving, Input::Resolved(c, addresses, ttl)) if c.0 == self.next_connection(cx) => {
                self.resolved(cx, now, addresses, ttl, out);
            }
            (State::Gated, Input::Admitted) => self.connect(cx, now, out),
            (State::Connecting, Input::Connected(c)) if current(c) => self.connected(cx, now, c, out),
            (State::Securing, Input::Secured(c, resumed)) if current(c) => {
                out.event(Event::Secured { connection: c.0, resumed });
                match cx.group.mode {
                    // The host's connection is shared, and says when it takes requests.
                    Mode::ExtendedConnect => {}
                    // What was asked in plain will be answered.
                    Mode::TlsUpgrade => self.state = State::Handshaking,
                    _ => self.ask(cx, c, out),
                }
            }
            (State::Securing, Input::SecureFailed(c)) if current(c) => {
                self.drop_and_fail(cx, now, Failure::Insecure, out);
            }
            (State::Securing, Input::Stream(c, stream)) if current(c) => self.begin_stream(cx, now, stream, out),
            (State::Connecting, Input::ConnectFailed(c, why)) if current(c) => {
                self.connect_failed(cx, now, why.into(), out);
            }
            (State::Racing, Input::Connected(c)) => self.race_won(cx, now, c, out),
            (State::Racing, Input::ConnectFailed(c, why)) => self.race_failed(cx, now, c, why, out),
            (State::Handshaking, Input::Received(c, bytes)) if current(c) => self.read(cx, now, bytes, out),
            (State::Offering, Input::Received(c, bytes)) if current(c) => self.read_offer(cx, now, bytes, out),
            (State::Tunnelling, Input::Received(c, bytes)) if current(c) => self.read_proxy(cx, now, bytes, out),
            (State::Tunnelling | State::Offering | State::Securing | State::Handshaking, Input::Eof(c))
                if current(c) =>
            {
                self.closed(cx, now, out);
            }
            (State::Tunnelling | State::Offering | State::Securing | State::Handshaking, Input::Reset(c))
                if current(c) =>
            {
                self.reset(cx, now, out);
            }
            (State::Open | State::Pinged, Input::Received(c, bytes)) if current(c) => self.listen(cx, now, bytes, out),
            (State::Open | State::Pinged, Input::Eof(c)) if current(c) => {
                out.push(Output::Close(c, CloseMode::Fin));
                self.lose(cx, now, End::Fin, out);
            }
            (State::Open | State::Pinged, Input::Reset(c)) if current(c) => self.lose(cx, now, End::Reset, out),
            // Further data of the server does not matter.
            (State::Closing, Input::Received(c, _) | Input::Eof(c)) if current(c) => {
                out.push(Output::Close(c, CloseMode::Fin));
                self.end(out);
            }
            (State::Closing, Input::Reset(c)) if current(c) => self.end(out),
            (_, Input::Wake) if now >= self.due() => self.wake(cx, now, out),
            _ => {}
        }
    }

    fn wake(&mut self, cx: &mut Context<'_>, now: Timestamp, out: &mut Outputs) {
        let c = ConnectionId(self.connection);
        // The driver has no pending wake-up any more, so any requested wake-up is new.
        let until = std::mem::replace(&mut self.until, Timestamp::NEVER);
        self.beat = Timestamp::NEVER;
        match self.state {
            State::Resolving => {
                // Its response is ignored.
                self.connection = self.next_connection(cx);
                self.fail(cx, now, Failure::LookupTimeout, out);
            }
            State::Connecting => {
                out.push(Output::Close(c, CloseMode::Fin));
                self.connect_failed(cx, now, Failure::ConnectTimeout, out);
            }
            State::Racing => self.race_on(cx, now, out),
            State::Tunnelling | State::Offering | State::Securing | State::Handshaking => {
                self.drop_and_fail(cx, now, Failure::HandshakeTimeout, out);
            }
            State::Open | State::Pinged if now >= until => self.hang_up(cx, now, out),
            State::Pinged => {
                // Of a stream this says that it is not the stream alone: the path that others share is dead.
                let how = if cx.group.mode == Mode::ExtendedConnect { CloseMode::Reset } else { CloseMode::Fin };
                out.push(Output::Close(c, how));
                self.lose(cx, now, End::Heartbeat, out);
            }
            State::Open => self.ping(cx, now, until, out),
            State::Closing => {
                out.push(Output::Close(c, CloseMode::Fin));
                self.end(out);
            }
            State::Waiting => self.attempt(cx, now, out),
            State::Hopping => self.dial(cx, now, out),
            State::Idle | State::Gated => {}
        }
    }

    /// Chooses an endpoint and begins an attempt there.
    fn attempt(&mut self, cx: &mut Context<'_>, now: Timestamp, out: &mut Outputs) {
        if let (Some(breaker), Some(host)) = (&cx.group.breaker, &mut cx.host)
            && let Err(until) = host.admit(breaker, now)
        {
            self.state = State::Waiting;
            self.wake_at(until, Timestamp::NEVER, out);
            return;
        }
        let count = cx.group.endpoints.len() as u32;
        let draw = |ordinal: u32| {
            let bits = self.draw(cx, Purpose::Endpoint, ordinal);
            bits.below(u64::from(count)) as u32
        };
        let position = u32::from(self.position);
        let next = (position + 1) % count;
        let position = if self.attempts == 0 {
            match cx.group.pick {
                Pick::First => 0,
                Pick::Random => draw(self.connection),
                Pick::Sticky => draw(0),
                Pick::RoundRobin => match &mut cx.host {
                    Some(host) => host.turn() % count,
                    None if self.connection == 0 => self.index % count,
                    None => next,
                },
            }
        } else {
            match cx.group.on_retry {
                OnRetry::Same => position,
                OnRetry::Next => next,
                OnRetry::Random => draw(self.connection),
            }
        };
        self.position = position as u16;
        self.endpoint = cx.group.endpoints[position as usize].0 as u16;
        self.attempts = self.attempts.saturating_add(1);
        self.hops = 0;
        self.rare = None;
        self.since = now;
        if cx.group.remembers != Remembers::None {
            self.go_where_it_led(cx);
        }
        if cx.group.race.is_some() {
            self.may_race(cx);
        }
        self.dial(cx, now, out);
    }

    /// Parses the response, as far as it has arrived.
    fn read(&mut self, cx: &mut Context<'_>, now: Timestamp, bytes: &[u8], out: &mut Outputs) {
        let group = cx.group;
        let mut rare = self.rare.take();
        let (mut bytes, asked) = match rare.as_deref_mut() {
            Some(rare) => rare.asked(bytes),
            None => (bytes, Asked::default()),
        };
        // Servers here answer a GET without an upgrade by a final response, whose body would be the WebSocket.
        let whole = self.hops > 0 && !group.upgrades_redirected;
        loop {
            let expected = || self.key(cx, asked.key).accept();
            let read = match &group.reading {
                None => read_answer(group.mode, expected, bytes),
                Some(reading) => reading.read(group.mode, expected, bytes, whole),
            };
            match read {
                Ok(Some((Answer::Interim, len))) => bytes = &bytes[len..],
                Ok(Some((answer, len))) => {
                    self.answered(cx, now, answer, &asked, out);
                    // Bytes glued to the answer that opened are the first frames.
                    if self.is_open() && bytes.len() > len {
                        self.listen(cx, now, &bytes[len..], out);
                    }
                    return;
                }
                Ok(None) => break,
                Err(error) => return self.drop_and_fail(cx, now, Failure::Invalid(error), out),
            }
        }
        let kept = bytes.to_vec();
        let mut rare = rare.unwrap_or_default();
        rare.pieces = rare.pieces.saturating_add(1);
        if group.reading.as_ref().is_some_and(|reading| reading.is_attacked(rare.pieces, kept.len())) {
            return self.drop_and_fail(cx, now, Failure::Invalid(Error::Pieces), out);
        }
        rare.partial = Partial::from(kept);
        self.rare = Some(rare);
    }

    fn answered(
        &mut self,
        cx: &mut Context<'_>,
        now: Timestamp,
        answer: Answer<'_>,
        asked: &Asked<'_>,
        out: &mut Outputs,
    ) {
        match answer {
            Answer::Open | Answer::Unverified => {
                if answer == Answer::Unverified {
                    out.event(Event::Found { connection: self.connection, finding: Finding::AcceptUnverified });
                }
                self.leave_gate(cx, out);
                self.judge(cx, now, true);
                self.state = State::Open;
                self.attempts = 0;
                self.since = now;
                if cx.group.retry.reset_after == Nanos::ZERO {
                    self.begin_delays_anew();
                }
                out.event(Event::Opened { connection: self.connection, endpoint: u32::from(self.endpoint) });
                let until = match &cx.group.hold {
                    None => Timestamp::NEVER,
                    Some(hold) => now + hold.sample(|| self.draw(cx, Purpose::Hold, self.connection)),
                };
                let beat = cx.group.heartbeat.map_or(Timestamp::NEVER, |heartbeat| now + heartbeat.every);
                self.wake_at(until, beat, out);
            }
            Answer::Redirect { status, retry_after, .. } if !cx.group.follows_status(status) => {
                self.drop_and_fail(cx, now, Failure::Rejected { status, retry_after }, out);
            }
            Answer::Redirect { status, location, keep, retry_after } => {
                self.redirected(cx, now, (status, location, keep), retry_after, asked, out);
            }
            Answer::Unauthorized { challenge, keep } => self.challenged(cx, now, (challenge, keep), asked, out),
            Answer::Rejected { status, retry_after } => {
                self.drop_and_fail(cx, now, Failure::Rejected { status, retry_after }, out);
            }
            Answer::Interim => {}
        }
    }

    fn drop_and_fail(&mut self, cx: &mut Context<'_>, now: Timestamp, failure: Failure, out: &mut Outputs) {
        out.push(Output::Close(ConnectionId(self.connection), CloseMode::Fin));
        self.fail(cx, now, failure, out);
    }

    fn fail(&mut self, cx: &mut Context<'_>, now: Timestamp, failure: Failure, out: &mut Outputs) {
        self.leave_gate(cx, out);
        self.judge(cx, now, false);
        out.event(Event::AttemptFailed { connection: self.connection, failure });
        let asked = match failure {
            Failure::Rejected { retry_after: Some(seconds), .. }
            | Failure::ProxyRejected { retry_after: Some(seconds), .. }
                if cx.group.retry.honour_retry_after =>
            {
                Nanos::from_secs(u64::from(seconds))
            }
            _ => Nanos::ZERO,
        };
        let retries = cx.group.retry.retries(failure);
        self.retry(cx, now, retries, Some(failure), asked, out);
    }

    fn lose(&mut self, cx: &mut Context<'_>, now: Timestamp, end: End, out: &mut Outputs) {
        out.event(Event::Lost { connection: self.connection, end });
        if now.since(self.since) >= cx.group.retry.reset_after {
            self.begin_delays_anew();
        }
        let fatal = matches!(end, End::Close(code) if cx.group.fatal_close_codes.contains(&code));
        let comes_back = cx.group.reconnect && !fatal && cx.group.retry.policy != Policy::None;
        match &cx.group.retry.after_loss {
            Some(delay) if comes_back => {
                let delay = delay.sampler().sample(|| self.draw(cx, Purpose::Retry, self.connection));
                self.wait(cx, now, delay, out);
            }
            _ => self.retry(cx, now, comes_back, None, Nanos::ZERO, out),
        }
    }

    fn begin_delays_anew(&mut self) {
        self.retries = 0;
        self.delay_us = 0;
    }

    /// Reports the outcome of an attempt to the host's breaker.
    fn judge(&self, cx: &mut Context<'_>, now: Timestamp, opened: bool) {
        if let (Some(breaker), Some(host)) = (&cx.group.breaker, &mut cx.host) {
            host.outcome(breaker, now, opened);
        }
    }

    /// Retries after the policy's delay, or after `Retry-After` if that is longer; or gives up.
    fn retry(
        &mut self,
        cx: &mut Context<'_>,
        now: Timestamp,
        may: bool,
        failure: Option<Failure>,
        asked: Nanos,
        out: &mut Outputs,
    ) {
        let retry = &cx.group.retry;
        let spent = retry.attempts.is_some_and(|most| u32::from(self.attempts) >= most);
        if !may || spent || retry.policy == Policy::None {
            out.event(Event::GaveUp);
            self.end(out);
            return;
        }
        self.retries = self.retries.saturating_add(1);
        let draw = |which: Draw| match which {
            Draw::Jitter => self.draw(cx, Purpose::Retry, self.connection),
            Draw::Plus => self.draw(cx, Purpose::RetryPlus, self.connection),
            Draw::Once => self.draw(cx, Purpose::RetryBase, 0),
        };
        let delay = retry.delay(u32::from(self.retries), Nanos(u64::from(self.delay_us) * 1_000), draw);
        let own = failure.and_then(|failure| retry.after(failure));
        let waits = own.map_or(delay, |own| own.sampler().sample(|| draw(Draw::Jitter)));
        self.delay_us = (delay.0 / 1_000).try_into().unwrap_or(u32::MAX);
        self.wait(cx, now, waits.max(asked), out);
    }

    /// Waits for the next attempt, as long as the host's budget says if that is longer.
    fn wait(&mut self, cx: &mut Context<'_>, now: Timestamp, delay: Nanos, out: &mut Outputs) {
        let mut due = now + delay;
        if let (Some(budget), Some(host)) = (&cx.group.retry.budget, &mut cx.host) {
            due = host.pace(budget, due);
        }
        self.state = State::Waiting;
        out.event(Event::Retrying { delay: due.since(now) });
        self.wake_at(due, Timestamp::NEVER, out);
    }

    fn end(&mut self, out: &mut Outputs) {
        self.state = State::Idle;
        self.rare = None;
        self.wake_at(Timestamp::NEVER, Timestamp::NEVER, out);
        out.push(Output::Done);
    }

    fn leave_gate(&mut self, cx: &mut Context<'_>, out: &mut Outputs) {
        if cx.group.gate
            && matches!(
                self.state,
                State::Connecting | State::Tunnelling | State::Offering | State::Securing | State::Handshaking
            )
            && let Some(host) = &mut cx.host
            && let Some(next) = host.leave(self.endpoint())
        {
            out.push(Output::Admit(next));
        }
    }

    /// When the pending wake-up is due.
    pub fn due(&self) -> Timestamp {
        self.until.min(self.beat)
    }

    fn wake_at(&mut self, until: Timestamp, beat: Timestamp, out: &mut Outputs) {
        let before = self.due();
        (self.until, self.beat) = (until, beat);
        if self.due() != before {
            out.push(Output::WakeAt(self.due()));
        }
    }

    fn draw(&self, cx: &Context<'_>, purpose: Purpose, ordinal: u32) -> Bits {
        cx.seed.draw(cx.group.identity(self.index), purpose, u64::from(ordinal))
    }

    /// The key of the latest request: drawn again when needed, because that is cheaper than keeping it.
    #[inline]
    fn key(&self, cx: &Context<'_>, by: Option<u64>) -> Key {
        let by = by.unwrap_or(u64::from(self.connection));
        Key::from_nonce(cx.seed.draw(cx.group.identity(self.index), Purpose::Key, by).bytes())
    }

    /// The draw index of the next request's key; `here`: on the same connection.
    fn next_key(&self, cx: &Context<'_>, key: Option<u64>, here: bool) -> Option<u64> {
        let last = key.unwrap_or(u64::from(self.connection));
        match cx.group.new_key {
            NewKey::Attempt => Some(last),
            // Connections are numbered in 32 bits, requests on one of them beside that.
            NewKey::Request if here => Some(last + (1 << 32)),
            NewKey::Request | NewKey::Connection => None,
        }
    }

    fn path<'a>(&'a self, cx: &Context<'a>) -> &'a str {
        let changed = self.rare.as_ref().and_then(|rare| rare.path.as_deref());
        changed.unwrap_or(&cx.group.path)
    }
}
