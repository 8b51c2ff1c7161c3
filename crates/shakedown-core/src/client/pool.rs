//! The HTTP/2 connections of one client process (RFC 9113): it assigns streams of sessions to connections, and keeps the
//! sessions that wait for a connection. It does not read what the streams carry.

use std::collections::VecDeque;

use crate::machine::{ConnectError, ConnectionId, EndpointId, Input};

/// A stream that a session wants, or has: the driver's number of the session, and the session's own number of its
/// connection, which is this stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenRequest {
    /// The driver's number for the session.
    pub session: u32,
    /// The session's number for it.
    pub connection: ConnectionId,
}

/// Inputs of a pool. Connections have the pool's own numbers, which count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolInput {
    /// A session wants a stream to a server; the last field says whether the server has TLS.
    Wanted(OpenRequest, EndpointId, bool),
    /// A session without a stream no longer wants one.
    Unwanted(OpenRequest),
    /// TCP is established.
    Connected(u32),
    /// TCP could not be established.
    Failed(u32, ConnectError),
    /// TLS is established; true if an earlier session was resumed.
    Secured(u32, bool),
    /// TLS could not be established.
    SecureFailed(u32),
    /// The server's SETTINGS arrived: whether extended CONNECT is allowed, and the maximum of concurrent streams.
    Settings(u32, bool, u32),
    /// A stream has ended, at this end.
    StreamEnded(u32),
    /// The server wants no new streams.
    GoAway(u32),
    /// The connection has ended: by the server, by a reset, or by a dead path. True if it was ended in good order.
    Lost(u32, bool),
}

/// Outputs of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Connect. The last field is the driver's number of the session that needs it.
    Open(u32, EndpointId, u32),
    /// Begin TLS.
    StartTls(u32, EndpointId),
    /// Send the connection preface.
    Greet(u32),
    /// Close: it is not needed any more.
    Close(u32),
    /// It has no streams from now on, and may be closed when it has been idle long enough.
    Idle(u32),
    /// This session's stream is the next one of a connection, with this number.
    Begin(OpenRequest, u32, u32),
    /// An input for a session.
    Tell(u32, Input<'static>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Connecting,
    /// TCP is established, TLS is not.
    Securing,
    /// The preface is sent, the server's SETTINGS are awaited.
    Greeting,
    Up,
}

/// A connection.
#[derive(Debug)]
struct Line {
    number: u32,
    endpoint: EndpointId,
    secure: bool,
    state: State,
    /// Maximum of concurrent streams; before the server's SETTINGS, the last known value.
    streams_max: u32,
    /// Streams that are open.
    open: u32,
    /// The next one's number: a client's are odd and ascend (RFC 9113 section 5.1.1).
    next: u32,
    waiting: VecDeque<OpenRequest>,
    going_away: bool,
}

impl Line {
    /// Whether another stream fits. Sessions that wait for a connection count as its streams.
    fn takes(&self, endpoint: EndpointId) -> bool {
        let taken = self.open + self.waiting.len() as u32;
        self.endpoint == endpoint && !self.going_away && taken < self.streams_max && self.next < 1 << 31
    }
}

/// The connections of one process.
#[derive(Debug, Default)]
pub struct Pool {
    lines: Vec<Line>,
    opened: u32,
    /// The last known stream limits of servers.
    known: Vec<(EndpointId, u32)>,
}

impl Pool {
    /// Takes one input; its outputs are appended to `out`.
    pub fn handle(&mut self, input: PoolInput, out: &mut Vec<Action>) {
        match input {
            PoolInput::Wanted(wish, endpoint, secure) => self.want(wish, endpoint, secure, out),
            PoolInput::Unwanted(wish) => {
                let place = |line: &Line| line.waiting.iter().position(|other| *other == wish);
                let mut lines = self.lines.iter().enumerate();
                let Some((at, place)) = lines.find_map(|(at, line)| Some((at, place(line)?))) else { return };
                self.lines[at].waiting.remove(place);
                // No session waits for it any more.
                if self.lines[at].waiting.is_empty() && self.lines[at].state != State::Up {
                    out.push(Action::Close(self.lines.remove(at).number));
                }
            }
            PoolInput::Connected(number) => {
                let Some(line) = self.line(number) else { return };
                let next = if line.secure { State::Securing } else { State::Greeting };
                line.state = next;
                for wish in &line.waiting {
                    out.push(Action::Tell(wish.session, Input::Connected(wish.connection)));
                }
                out.push(match next {
                    State::Securing => Action::StartTls(number, line.endpoint),
                    _ => Action::Greet(number),
                });
            }
            PoolInput::Failed(number, why) => {
                let Some(line) = self.take(number) else { return };
                let tell = |wish: OpenRequest| Action::Tell(wish.session, Input::ConnectFailed(wish.connection, why));
                out.extend(line.waiting.into_iter().map(tell));
            }
            PoolInput::Secured(number, resumed) => {
                let Some(line) = self.line(number) else { return };
                line.state = State::Greeting;
                // There was one TLS handshake: one session reports it.
                if let Some(first) = line.waiting.front() {
                    out.push(Action::Tell(first.session, Input::Secured(first.connection, resumed)));
                }
                out.push(Action::Greet(number));
            }
            PoolInput::SecureFailed(number) => {
                let Some(line) = self.take(number) else { return };
                let tell = |wish: OpenRequest| Action::Tell(wish.session, Input::SecureFailed(wish.connection));
                out.extend(line.waiting.into_iter().map(tell));
                out.push(Action::Close(number));
            }
            PoolInput::Settings(number, allowed, streams_max) => self.settings(number, allowed, streams_max, out),
            PoolInput::StreamEnded(number) => {
                let Some(line) = self.line(number) else { return };
                line.open -= 1;
                if line.open == 0 {
                    let gone = line.going_away;
                    out.push(if gone { Action::Close(number) } else { Action::Idle(number) });
                    if gone {
                        self.take(number);
                    }
                }
            }
            PoolInput::GoAway(number) => {
                let Some(line) = self.line(number) else { return };
                line.going_away = true;
                if line.open == 0 && line.waiting.is_empty() {
                    self.take(number);
                    out.push(Action::Close(number));
                }
            }
            PoolInput::Lost(number, in_order) => {
                let Some(line) = self.take(number) else { return };
                for wish in line.waiting {
                    let c = wish.connection;
                    let input = if in_order { Input::Eof(c) } else { Input::Reset(c) };
                    out.push(Action::Tell(wish.session, input));
                }
            }
        }
    }

    /// Closes a connection that has been idle for long enough, if it still is.
    pub fn retire(&mut self, number: u32) -> bool {
        let idle = |line: &&mut Line| line.open == 0 && line.waiting.is_empty();
        let retires = self.line(number).as_ref().is_some_and(idle);
        if retires {
            self.take(number);
        }
        retires
    }

    fn want(&mut self, wish: OpenRequest, endpoint: EndpointId, secure: bool, out: &mut Vec<Action>) {
        let Some(line) = self.lines.iter_mut().find(|line| line.takes(endpoint)) else {
            self.opened += 1;
            let known = self.known.iter().find(|(other, _)| *other == endpoint);
            self.lines.push(Line {
                number: self.opened,
                endpoint,
                secure,
                state: State::Connecting,
                streams_max: known.map_or(u32::MAX, |(_, streams_max)| *streams_max),
                open: 0,
                next: 1,
                waiting: VecDeque::from([wish]),
                going_away: false,
            });
            return out.push(Action::Open(self.opened, endpoint, wish.session));
        };
        if line.state > State::Connecting {
            out.push(Action::Tell(wish.session, Input::Connected(wish.connection)));
        }
        line.waiting.push_back(wish);
        if line.state == State::Up {
            line.begin(out);
        }
    }

    /// The server's SETTINGS have arrived: waiting sessions begin, up to the stream limit; the others move to further
    /// connections.
    fn settings(&mut self, number: u32, allowed: bool, streams_max: u32, out: &mut Vec<Action>) {
        let Some(line) = self.line(number) else { return };
        let (endpoint, secure) = (line.endpoint, line.secure);
        if !allowed {
            for wish in std::mem::take(&mut line.waiting) {
                out.push(Action::Tell(wish.session, Input::Stream(wish.connection, None)));
            }
            self.take(number);
            return out.push(Action::Close(number));
        }
        line.state = State::Up;
        line.streams_max = streams_max;
        let further = line.waiting.split_off(line.waiting.len().min(streams_max as usize));
        line.begin(out);
        self.known.retain(|(other, _)| *other != endpoint);
        self.known.push((endpoint, streams_max));
        for wish in further {
            self.want(wish, endpoint, secure, out);
        }
    }

    fn line(&mut self, number: u32) -> Option<&mut Line> {
        self.lines.iter_mut().find(|line| line.number == number)
    }

    fn take(&mut self, number: u32) -> Option<Line> {
        let at = self.lines.iter().position(|line| line.number == number)?;
        Some(self.lines.remove(at))
    }
}

impl Line {
    /// Waiting sessions begin.
    fn begin(&mut self, out: &mut Vec<Action>) {
        for wish in self.waiting.drain(..) {
            out.push(Action::Begin(wish, self.number, self.next));
            self.open += 1;
            self.next += 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: EndpointId = EndpointId(0);
    const B: EndpointId = EndpointId(1);

    fn wish(session: u32) -> OpenRequest {
        OpenRequest { session, connection: ConnectionId(1) }
    }

    #[derive(Default)]
    struct Bench(Pool);

    impl Bench {
        fn hear(&mut self, input: PoolInput) -> Vec<Action> {
            let mut out = Vec::new();
            self.0.handle(input, &mut out);
            out
        }

        fn want(&mut self, session: u32, endpoint: EndpointId) -> Vec<Action> {
            self.hear(PoolInput::Wanted(wish(session), endpoint, false))
        }

        fn up(streams_max: u32) -> Bench {
            let mut bench = Bench::default();
            assert_eq!(bench.want(0, A), [Action::Open(1, A, 0)]);
            bench.hear(PoolInput::Connected(1));
            assert_eq!(bench.hear(PoolInput::Settings(1, true, streams_max)), [Action::Begin(wish(0), 1, 1)]);
            bench
        }
    }

    fn tell(session: u32, input: fn(ConnectionId) -> Input<'static>) -> Action {
        Action::Tell(session, input(ConnectionId(1)))
    }

    #[test]
    fn the_first_opens_a_connection_and_the_others_wait_for_it() {
        let mut bench = Bench::default();
        assert_eq!(bench.want(0, A), [Action::Open(1, A, 0)]);
        assert_eq!(bench.want(1, A), []);
        assert_eq!(bench.want(2, B), [Action::Open(2, B, 2)]);
        let up = bench.hear(PoolInput::Connected(1));
        assert_eq!(up, [tell(0, Input::Connected), tell(1, Input::Connected), Action::Greet(1)]);
        // TCP is already established for later sessions.
        assert_eq!(bench.want(3, A), [tell(3, Input::Connected)]);
        let begun = bench.hear(PoolInput::Settings(1, true, 100));
        assert_eq!(begun, [0, 1, 3].map(|n| Action::Begin(wish(n), 1, if n == 3 { 5 } else { 2 * n + 1 })));
        assert_eq!(bench.want(4, A), [tell(4, Input::Connected), Action::Begin(wish(4), 1, 7)]);
    }

    #[test]
    fn tls_comes_before_the_preface_and_is_told_once() {
        let mut bench = Bench::default();
        bench.hear(PoolInput::Wanted(wish(0), A, true));
        bench.hear(PoolInput::Wanted(wish(1), A, true));
        let up = bench.hear(PoolInput::Connected(1));
        assert_eq!(up, [tell(0, Input::Connected), tell(1, Input::Connected), Action::StartTls(1, A)]);
        let secured = bench.hear(PoolInput::Secured(1, true));
        assert_eq!(secured, [tell(0, |c| Input::Secured(c, true)), Action::Greet(1)]);
    }

    #[test]
    fn more_streams_than_a_connection_takes_go_on_to_further_ones() {
        let mut bench = Bench::up(2);
        assert_eq!(bench.want(1, A).last(), Some(&Action::Begin(wish(1), 1, 3)));
        // What the server said is known: two for each.
        assert_eq!(bench.want(2, A), [Action::Open(2, A, 2)]);
        assert_eq!(bench.want(3, A), []);
        assert_eq!(bench.want(4, A), [Action::Open(3, A, 4)]);
        // One that ends makes room.
        assert_eq!(bench.hear(PoolInput::StreamEnded(1)), []);
        assert_eq!(bench.want(5, A).last(), Some(&Action::Begin(wish(5), 1, 5)));
        // The limit was unknown before.
        let mut bench = Bench::default();
        (0..5).for_each(|session| drop(bench.want(session, A)));
        bench.hear(PoolInput::Connected(1));
        let begun = bench.hear(PoolInput::Settings(1, true, 2));
        let expected =
            [Action::Begin(wish(0), 1, 1), Action::Begin(wish(1), 1, 3), Action::Open(2, A, 2), Action::Open(3, A, 4)];
        assert_eq!(begun, expected);
    }

    #[test]
    fn who_gives_up_leaves_the_line_and_the_last_one_closes_it() {
        let mut bench = Bench::default();
        bench.want(0, A);
        bench.want(1, A);
        assert_eq!(bench.hear(PoolInput::Unwanted(wish(0))), []);
        assert_eq!(bench.hear(PoolInput::Unwanted(wish(1))), [Action::Close(1)]);
        assert_eq!(bench.hear(PoolInput::Connected(1)), []);
        assert_eq!(bench.want(2, A), [Action::Open(2, A, 2)]);
    }

    #[test]
    fn what_goes_away_takes_nobody_and_closes_after_its_last_stream() {
        let mut bench = Bench::up(100);
        assert_eq!(bench.hear(PoolInput::GoAway(1)), []);
        assert_eq!(bench.want(1, A), [Action::Open(2, A, 1)]);
        assert_eq!(bench.hear(PoolInput::StreamEnded(1)), [Action::Close(1)]);
        assert_eq!(bench.hear(PoolInput::GoAway(2)), []);
        let mut idle = Bench::up(100);
        assert_eq!(idle.hear(PoolInput::StreamEnded(1)), [Action::Idle(1)]);
        assert_eq!(idle.hear(PoolInput::GoAway(1)), [Action::Close(1)]);
    }

    #[test]
    fn what_is_idle_retires_unless_it_is_used_again() {
        let mut bench = Bench::up(100);
        bench.hear(PoolInput::StreamEnded(1));
        bench.want(1, A);
        assert!(!bench.0.retire(1));
        bench.hear(PoolInput::StreamEnded(1));
        assert!(bench.0.retire(1));
        assert_eq!(bench.want(2, A), [Action::Open(2, A, 2)]);
    }

    #[test]
    fn what_fails_or_is_lost_fails_for_all_who_wait() {
        let both = |input: fn(ConnectionId) -> Input<'static>| [tell(0, input), tell(1, input)];
        let waiting = || {
            let mut bench = Bench::default();
            bench.want(0, A);
            bench.want(1, A);
            bench
        };
        let refused = waiting().hear(PoolInput::Failed(1, ConnectError::Refused));
        assert_eq!(refused, both(|c| Input::ConnectFailed(c, ConnectError::Refused)));
        assert_eq!(waiting().hear(PoolInput::Lost(1, true)), both(Input::Eof));
        assert_eq!(waiting().hear(PoolInput::Lost(1, false)), both(Input::Reset));
        let mut bench = waiting();
        let unable = bench.hear(PoolInput::Settings(1, false, 100));
        assert_eq!(unable, [&both(|c| Input::Stream(c, None))[..], &[Action::Close(1)]].concat());
        assert_eq!(bench.want(2, A), [Action::Open(2, A, 2)]);
    }
}
