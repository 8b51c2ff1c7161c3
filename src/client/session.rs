//! One client's life: endpoint choice, connect, handshake, redirects, retry, hold, reconnect.

use super::config::{Config, Hold, OnRetry, Pick};
use super::event::{Event, Failure};
use super::host::Host;
use super::retry::{Policy, Retry};
use crate::handshake::client::{Answer, read_answer, write_request};
use crate::handshake::{Key, Mode};
use crate::http::{Directory, Partial, parse_location};
use crate::machine::{ConnectError, ConnectionId, EndpointId, How, Input, Output};
use crate::rng::{Bits, Identity, Purpose, Sampler, Seed};
use crate::time::{Nanos, Timestamp};

/// What every session of a client group has in common: its scenario, ready to run.
#[derive(Debug)]
pub struct Group {
    number: u16,
    identity: Identity,
    endpoints: Vec<EndpointId>,
    pick: Pick,
    on_retry: OnRetry,
    mode: Mode,
    path: String,
    connect_timeout: Nanos,
    handshake_timeout: Nanos,
    redirects: u8,
    retry: Retry,
    reconnect: bool,
    hold: Option<Sampler>,
    gate: bool,
}

impl Group {
    /// The group `name`, the `number`-th of its scenario, with its endpoints looked up.
    pub fn new(number: u16, name: &str, config: &Config, endpoints: Vec<EndpointId>) -> Group {
        Group {
            number,
            identity: Identity::group(name),
            endpoints,
            pick: config.pick,
            on_retry: config.on_retry.unwrap_or(config.pick.on_retry()),
            mode: config.mode,
            path: config.path.clone(),
            connect_timeout: config.connect_timeout,
            handshake_timeout: config.handshake_timeout,
            redirects: config.redirects,
            retry: config.retry.clone(),
            reconnect: config.reconnect,
            hold: match &config.hold {
                Hold::End => None,
                Hold::For(time) => Some(time.sampler()),
            },
            gate: config.connect_gate,
        }
    }

    /// What a session's draws are keyed by.
    pub fn identity(&self, index: u32) -> Identity {
        self.identity.nth(u64::from(index))
    }
}

/// What a session is given with each input.
pub struct Context<'a> {
    /// The run's seed.
    pub seed: Seed,
    /// The session's group.
    pub group: &'a Group,
    /// Whom the session can dial.
    pub directory: &'a Directory,
    /// What the session shares with others of its process, if it does.
    pub host: Option<&'a mut Host>,
    /// The driver's number for this session.
    pub slot: u32,
}

/// Where an [`Event`] and the actions around it go.
pub type Outputs = crate::machine::Outputs<Event>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not started, ended or given up.
    Idle,
    /// In line at the host's connect gate.
    Gated,
    Connecting,
    Handshaking,
    Open,
    /// A retry is due later.
    Waiting,
}

/// One client. Small, as there are a million of them: what can be drawn again (its key, its path) is not kept.
#[derive(Debug)]
pub struct Session {
    index: u32,
    /// The latest connection; they count from 1.
    connection: u32,
    /// The server of the latest connection.
    endpoint: EndpointId,
    /// Position in the group's endpoint list of the last choice.
    position: u32,
    /// Choices made so far: the ordinal of the next.
    choices: u32,
    /// Attempts since the start or the last opening, hops not counted.
    attempts: u32,
    retries: u32,
    state: State,
    hops: u8,
    /// Whether this session holds its host's gate.
    at_gate: bool,
    /// When the pending wake-up is due.
    due: Timestamp,
    delay: Nanos,
    rare: Option<Box<Rare>>,
}

/// What few sessions have at any moment.
#[derive(Debug, Default)]
struct Rare {
    /// A response head that has not come in whole.
    partial: Partial,
    /// The request target, where a redirect changed it.
    path: Option<String>,
}

impl Session {
    /// The session `index` of its group.
    pub fn new(index: u32) -> Session {
        Session {
            index,
            connection: 0,
            endpoint: EndpointId(0),
            position: 0,
            choices: 0,
            attempts: 0,
            retries: 0,
            state: State::Idle,
            hops: 0,
            at_gate: false,
            due: Timestamp::NEVER,
            delay: Nanos::ZERO,
            rare: None,
        }
    }

    /// Its number in its group.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Takes one input; what follows from it is appended to `out`.
    pub fn handle(&mut self, cx: &mut Context<'_>, now: Timestamp, input: Input<'_>, out: &mut Outputs) {
        let current = |c: ConnectionId| c.0 == self.connection;
        match (self.state, input) {
            (State::Idle, Input::Start) => {
                self.attempts = 0;
                out.event(Event::Scheduled { group: cx.group.number, index: self.index });
                self.attempt(cx, now, out);
            }
            (State::Gated, Input::Admitted) => {
                self.at_gate = true;
                self.connect(cx, now, out);
            }
            (State::Connecting, Input::Connected(c)) if current(c) => self.ask(cx, now, c, out),
            (State::Connecting, Input::ConnectFailed(c, why)) if current(c) => {
                let failure = match why {
                    ConnectError::Refused => Failure::Refused,
                    ConnectError::TimedOut => Failure::ConnectTimeout,
                };
                self.fail(cx, now, failure, out);
            }
            (State::Handshaking, Input::Received(c, bytes)) if current(c) => self.read(cx, now, bytes, out),
            (State::Handshaking, Input::Eof(c)) if current(c) => {
                self.drop_and_fail(cx, now, Failure::Closed, out);
            }
            (State::Handshaking, Input::Reset(c)) if current(c) => self.fail(cx, now, Failure::Reset, out),
            (State::Open, Input::Eof(c)) if current(c) => {
                out.push(Output::Close(c, How::Fin));
                self.lose(cx, now, false, out);
            }
            (State::Open, Input::Reset(c)) if current(c) => self.lose(cx, now, true, out),
            (_, Input::Wake) if now >= self.due => self.wake(cx, now, out),
            _ => {}
        }
    }

    fn wake(&mut self, cx: &mut Context<'_>, now: Timestamp, out: &mut Outputs) {
        self.due = Timestamp::NEVER;
        match self.state {
            State::Connecting => self.drop_and_fail(cx, now, Failure::ConnectTimeout, out),
            State::Handshaking => self.drop_and_fail(cx, now, Failure::HandshakeTimeout, out),
            State::Open => {
                out.push(Output::Close(ConnectionId(self.connection), How::Fin));
                out.event(Event::Ended);
                self.end(out);
            }
            State::Waiting => self.attempt(cx, now, out),
            State::Idle | State::Gated => {}
        }
    }

    /// Chooses an endpoint and begins an attempt there.
    fn attempt(&mut self, cx: &mut Context<'_>, now: Timestamp, out: &mut Outputs) {
        let count = cx.group.endpoints.len() as u32;
        let draw = |ordinal: u32| {
            let bits = self.draw(cx, Purpose::Endpoint, ordinal);
            bits.below(u64::from(count)) as u32
        };
        self.position = if self.attempts == 0 {
            match cx.group.pick {
                Pick::First => 0,
                Pick::Random => draw(self.choices),
                Pick::Sticky => draw(0),
                Pick::RoundRobin => match &mut cx.host {
                    Some(host) => host.turn() % count,
                    None => self.index.wrapping_add(self.choices) % count,
                },
            }
        } else {
            match cx.group.on_retry {
                OnRetry::Same => self.position,
                OnRetry::Next => (self.position + 1) % count,
                OnRetry::Random => draw(self.choices),
            }
        };
        self.endpoint = cx.group.endpoints[self.position as usize];
        self.choices += 1;
        self.attempts += 1;
        self.hops = 0;
        self.rare = None;
        self.enter(cx, now, out);
    }

    /// Connects, or waits in line for the host's gate.
    fn enter(&mut self, cx: &mut Context<'_>, now: Timestamp, out: &mut Outputs) {
        if let Some(host) = &mut cx.host
            && cx.group.gate
        {
            self.at_gate = host.enter(self.endpoint, cx.slot);
            if !self.at_gate {
                self.state = State::Gated;
                self.wake_at(Timestamp::NEVER, out);
                return;
            }
        }
        self.connect(cx, now, out);
    }

    fn connect(&mut self, cx: &Context<'_>, now: Timestamp, out: &mut Outputs) {
        self.connection += 1;
        self.state = State::Connecting;
        out.event(Event::AttemptStarted { connection: self.connection, endpoint: self.endpoint.0 });
        out.push(Output::Open(ConnectionId(self.connection), self.endpoint));
        self.wake_at(now + cx.group.connect_timeout, out);
    }

    /// Sends the opening request.
    fn ask(&mut self, cx: &Context<'_>, now: Timestamp, c: ConnectionId, out: &mut Outputs) {
        self.state = State::Handshaking;
        out.event(Event::Connected { connection: c.0 });
        let authority = cx.directory.authority(self.endpoint);
        let key = self.key(cx);
        out.transmit(c, |bytes| write_request(bytes, cx.group.mode, authority, self.path(cx), &key));
        self.wake_at(now + cx.group.handshake_timeout, out);
    }

    /// Reads the answer, as far as it has come in.
    fn read(&mut self, cx: &mut Context<'_>, now: Timestamp, bytes: &[u8], out: &mut Outputs) {
        let group = cx.group;
        let mut rare = self.rare.take();
        let (mut bytes, path) = match rare.as_deref_mut() {
            Some(Rare { partial, path }) => (partial.join(bytes), path.as_deref()),
            None => (bytes, None),
        };
        loop {
            match read_answer(group.mode, || self.key(cx).accept(), bytes) {
                Ok(Some((Answer::Interim, len))) => bytes = &bytes[len..],
                Ok(Some((answer, _))) => {
                    return self.answered(cx, now, answer, path.unwrap_or(&group.path), out);
                }
                Ok(None) => break,
                Err(error) => return self.drop_and_fail(cx, now, Failure::Invalid(error), out),
            }
        }
        let kept = bytes.to_vec();
        let mut rare = rare.unwrap_or_default();
        rare.partial = Partial::from(kept);
        self.rare = Some(rare);
    }

    fn answered(&mut self, cx: &mut Context<'_>, now: Timestamp, answer: Answer<'_>, path: &str, out: &mut Outputs) {
        match answer {
            Answer::Open => {
                self.leave_gate(cx, out);
                self.state = State::Open;
                self.attempts = 0;
                self.retries = 0;
                self.delay = Nanos::ZERO;
                out.event(Event::Opened { connection: self.connection, endpoint: self.endpoint.0 });
                let due = match &cx.group.hold {
                    None => Timestamp::NEVER,
                    Some(hold) => now + hold.sample(|| self.draw(cx, Purpose::Hold, self.connection)),
                };
                self.wake_at(due, out);
            }
            Answer::Redirect { status, location } => match self.follow(cx, location, path) {
                Ok((endpoint, path)) => {
                    out.event(Event::Redirected { connection: self.connection, status, endpoint: endpoint.0 });
                    out.push(Output::Close(ConnectionId(self.connection), How::Fin));
                    self.leave_gate(cx, out);
                    self.hops += 1;
                    self.endpoint = endpoint;
                    self.rare = path.map(|path| Box::new(Rare { path: Some(path), ..Rare::default() }));
                    self.enter(cx, now, out);
                }
                Err(failure) => self.drop_and_fail(cx, now, failure, out),
            },
            Answer::Rejected { status, retry_after } => {
                self.drop_and_fail(cx, now, Failure::Rejected { status, retry_after }, out);
            }
            Answer::Interim => {}
        }
    }

    /// Where a redirect leads: the server, and the request target if it is not the group's.
    fn follow(
        &self,
        cx: &Context<'_>,
        location: Option<&str>,
        path: &str,
    ) -> Result<(EndpointId, Option<String>), Failure> {
        if self.hops == cx.group.redirects {
            return Err(Failure::RedirectLimit);
        }
        let base = cx.directory.authority(self.endpoint);
        let location = location.ok_or(Failure::BadLocation)?;
        let target = parse_location(location, base, path).map_err(|_| Failure::BadLocation)?;
        if target.secure {
            return Err(Failure::BadLocation);
        }
        let endpoint = cx.directory.find(&target.authority).ok_or(Failure::Unresolved)?;
        Ok((endpoint, (target.path != cx.group.path).then_some(target.path)))
    }

    fn drop_and_fail(&mut self, cx: &mut Context<'_>, now: Timestamp, failure: Failure, out: &mut Outputs) {
        out.push(Output::Close(ConnectionId(self.connection), How::Fin));
        self.fail(cx, now, failure, out);
    }

    fn fail(&mut self, cx: &mut Context<'_>, now: Timestamp, failure: Failure, out: &mut Outputs) {
        self.leave_gate(cx, out);
        out.event(Event::AttemptFailed { connection: self.connection, failure });
        self.retry(cx, now, out);
    }

    fn lose(&mut self, cx: &mut Context<'_>, now: Timestamp, reset: bool, out: &mut Outputs) {
        out.event(Event::Lost { connection: self.connection, reset });
        if cx.group.reconnect {
            self.retry(cx, now, out);
        } else {
            out.event(Event::GaveUp);
            self.end(out);
        }
    }

    /// Waits for the next attempt, or gives up.
    fn retry(&mut self, cx: &mut Context<'_>, now: Timestamp, out: &mut Outputs) {
        let retry = &cx.group.retry;
        if retry.policy == Policy::None || retry.attempts.is_some_and(|most| self.attempts >= most) {
            out.event(Event::GaveUp);
            self.end(out);
            return;
        }
        self.retries += 1;
        let draw = || self.draw(cx, Purpose::Retry, self.connection);
        self.delay = retry.delay(self.retries, self.delay, draw);
        self.state = State::Waiting;
        out.event(Event::Retrying { delay: self.delay });
        self.wake_at(now + self.delay, out);
    }

    fn end(&mut self, out: &mut Outputs) {
        self.state = State::Idle;
        self.rare = None;
        self.wake_at(Timestamp::NEVER, out);
        out.push(Output::Done);
    }

    fn leave_gate(&mut self, cx: &mut Context<'_>, out: &mut Outputs) {
        if std::mem::take(&mut self.at_gate)
            && let Some(host) = &mut cx.host
            && let Some(next) = host.leave(self.endpoint)
        {
            out.push(Output::Admit(next));
        }
    }

    fn wake_at(&mut self, due: Timestamp, out: &mut Outputs) {
        if due != self.due {
            self.due = due;
            out.push(Output::WakeAt(due));
        }
    }

    fn draw(&self, cx: &Context<'_>, purpose: Purpose, ordinal: u32) -> Bits {
        cx.seed.draw(cx.group.identity(self.index), purpose, u64::from(ordinal))
    }

    /// The key of the latest connection: drawn again where it is needed, as that is cheaper than keeping it.
    fn key(&self, cx: &Context<'_>) -> Key {
        Key::from_nonce(self.draw(cx, Purpose::Key, self.connection).bytes())
    }

    fn path<'a>(&'a self, cx: &Context<'a>) -> &'a str {
        let changed = self.rare.as_ref().and_then(|rare| rare.path.as_deref());
        changed.unwrap_or(&cx.group.path)
    }
}
