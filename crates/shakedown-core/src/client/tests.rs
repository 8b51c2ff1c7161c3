//! Sessions driven input by input, without a driver.

use std::cell::RefCell;
use std::rc::Rc;

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::frame::{self, Opcode, Sender};
use crate::handshake::server::{read_request, write_open, write_redirect, write_rejection};
use crate::handshake::{Error, Key};
use crate::http::{Directory, HeadError, MAX_HEAD_BYTES};
use crate::machine::{CloseMode, ConnectError, ConnectionId, EndpointId, Input, Output};
use crate::rng::Seed;
use crate::time::{Nanos, Timestamp};

const GROUP: u16 = 3;
/// What the driver calls the session `index`: not its index, so that the two can't be mixed up.
const SLOTS: u32 = 100;
/// A group's settings where a test has no others: nothing is drawn but the key.
const BASE: &str = r#"
    count = 9
    endpoints = ["gateway"]
    pick = "first"
    path = "/chat"
    connect_timeout = "3s"
    handshake_timeout = "5s"
    retry = { policy = "fixed", base = "1s" }
"#;
const ACCEPT_OF_ANOTHER_KEY: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

type Action = Output<Event>;

/// One session and what a driver would keep for it.
struct Bench {
    seed: Seed,
    group: Group,
    directory: Directory,
    host: Option<Rc<RefCell<Host>>>,
    names: Names,
    session: Session,
    now: Timestamp,
    /// The pending wake-up.
    due: Timestamp,
    /// The latest connection and where it goes.
    dialed: (ConnectionId, EndpointId),
    /// The bytes of the latest transmission.
    sent: Vec<u8>,
}

impl Bench {
    /// The session number 2 of a group with the settings `text` over [`BASE`].
    fn new(text: &str) -> Bench {
        Bench::nth(2, text)
    }

    fn nth(index: u32, text: &str) -> Bench {
        let mut settings: toml::Table = BASE.parse().unwrap();
        settings.extend(text.parse::<toml::Table>().unwrap());
        let config: Config = settings.try_into().unwrap();
        let names = ["gateway-0", "gateway-1", "gateway-2", "hub:8080"];
        Bench {
            seed: Seed(7),
            // The hub is no endpoint of the group: only a redirect leads there.
            group: Group::new(GROUP, "players", &config, (0..3).map(EndpointId).collect()),
            directory: Directory::new(names.map(String::from)),
            host: None,
            names: Names::default(),
            session: Session::new(0, index),
            now: Timestamp::ZERO + Nanos::from_secs(60),
            due: Timestamp::NEVER,
            dialed: (ConnectionId(0), EndpointId(0)),
            sent: Vec::new(),
        }
    }

    fn on(mut self, host: &Rc<RefCell<Host>>) -> Bench {
        self.host = Some(Rc::clone(host));
        self
    }

    fn give(&mut self, input: Input<'_>) -> Vec<Action> {
        let mut out = Outputs::default();
        let mut host = self.host.as_ref().map(|host| host.borrow_mut());
        let mut cx = Context {
            seed: self.seed,
            group: &self.group,
            directory: &self.directory,
            host: host.as_deref_mut(),
            names: Some(&mut self.names),
            slot: SLOTS + self.session.index(),
        };
        self.session.handle(&mut cx, self.now, input, &mut out);
        let mut transmitted = 0;
        for action in &out.actions {
            match *action {
                Output::Open(c, endpoint) => self.dialed = (c, endpoint),
                Output::Transmit(_, len) => transmitted += len as usize,
                Output::WakeAt(due) => self.due = due,
                _ => {}
            }
        }
        assert_eq!(transmitted, out.bytes.len(), "every byte belongs to a transmission");
        if transmitted > 0 {
            self.sent = out.bytes;
        }
        out.actions
    }

    /// Lets the time pass that the pending wake-up is away, and gives it.
    fn wake(&mut self) -> Vec<Action> {
        assert_ne!(self.due, Timestamp::NEVER, "nothing is due");
        self.now = std::mem::replace(&mut self.due, Timestamp::NEVER);
        self.give(Input::Wake)
    }

    fn c(&self) -> ConnectionId {
        self.dialed.0
    }

    fn endpoint(&self) -> u32 {
        self.dialed.1.0
    }

    fn connected(&mut self) -> Vec<Action> {
        self.give(Input::Connected(self.c()))
    }

    fn refused(&mut self) -> Vec<Action> {
        self.give(Input::ConnectFailed(self.c(), ConnectError::Refused))
    }

    fn received(&mut self, bytes: impl AsRef<[u8]>) -> Vec<Action> {
        self.give(Input::Received(self.c(), bytes.as_ref()))
    }

    /// Starts, and answers the first request.
    fn start_and_receive(&mut self, bytes: impl AsRef<[u8]>) -> Vec<Action> {
        self.give(Input::Start);
        self.connected();
        self.received(bytes)
    }

    /// Connects the latest connection and opens it, as a server would.
    fn open(&mut self) -> Vec<Action> {
        self.connected();
        self.received(self.opening())
    }

    /// Key, path and whether to upgrade, of the latest request.
    fn request(&self) -> (Key, &str, bool) {
        let (request, len) = read_request(&self.sent).expect("a valid request").expect("a whole one");
        assert_eq!(len, self.sent.len());
        (request.key, request.path, request.upgrade)
    }

    /// The answer that opens the latest request.
    fn opening(&self) -> Vec<u8> {
        let (key, _, upgrade) = self.request();
        let mut bytes = Vec::new();
        write_open(&mut bytes, upgrade, &key.accept());
        bytes
    }

    /// What a failed attempt leads to when the retry is in a second: with the close of a connection that is up.
    fn failed(&self, connection: u32, close: bool, failure: Failure) -> Vec<Action> {
        let close = close.then_some(Output::Close(ConnectionId(connection), CloseMode::Fin));
        let failed = [Output::Event(Event::AttemptFailed { connection, failure })];
        close.into_iter().chain(failed).chain(self.retrying()).collect()
    }

    fn retrying(&self) -> [Action; 2] {
        let delay = Nanos::from_secs(1);
        [Output::Event(Event::Retrying { delay }), Output::WakeAt(self.now + delay)]
    }

    /// The beginning of an attempt.
    fn attempt(&self, connection: u32, endpoint: u32) -> [Action; 3] {
        [
            Output::Event(Event::AttemptStarted { connection, endpoint }),
            Output::Open(ConnectionId(connection), EndpointId(endpoint)),
            Output::WakeAt(self.now + Nanos::from_secs(3)),
        ]
    }
}

fn redirect(location: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_redirect(&mut bytes, 307, &[location], None);
    bytes
}

fn rejection(status: u16, retry_after: Option<u32>) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_rejection(&mut bytes, status, retry_after);
    bytes
}

fn rejected(status: u16) -> Failure {
    Failure::Rejected { status, retry_after: None }
}

fn events(actions: &[Action]) -> Vec<Event> {
    let event = |action: &Action| match action {
        Output::Event(event) => Some(*event),
        _ => None,
    };
    actions.iter().filter_map(event).collect()
}

/// The failure that the actions report; panics if there is none.
fn failure(actions: &[Action]) -> Failure {
    let failure = |event| match event {
        Event::AttemptFailed { failure, .. } => Some(failure),
        _ => None,
    };
    events(actions).into_iter().find_map(failure).unwrap_or_else(|| panic!("no failure in {actions:?}"))
}

fn opened(actions: &[Action]) -> bool {
    events(actions).iter().any(|event| matches!(event, Event::Opened { .. }))
}

fn gave_up(actions: &[Action]) -> bool {
    let over = [Output::Event(Event::GaveUp), Output::Done];
    over.iter().all(|action| actions.contains(action))
}

#[test]
fn a_session_dials_asks_and_opens() {
    let mut bench = Bench::new("");
    let mut begin = vec![Output::Event(Event::Scheduled { group: GROUP, index: 2 })];
    begin.extend(bench.attempt(1, 0));
    assert_eq!(bench.give(Input::Start), begin);

    bench.now = bench.now + Nanos::from_millis(20);
    let asked = bench.connected();
    let expected = [
        Output::Event(Event::Connected { connection: 1 }),
        Output::Transmit(ConnectionId(1), bench.sent.len() as u32),
        Output::WakeAt(bench.now + Nanos::from_secs(5)),
    ];
    assert_eq!(asked, expected);

    let opened = Output::Event(Event::Opened { connection: 1, endpoint: 0 });
    assert_eq!(bench.received(bench.opening()), [opened, Output::WakeAt(Timestamp::NEVER)]);
}

#[test]
fn a_server_reads_each_request_and_finds_a_fresh_key() {
    for (mode, upgrades) in [("upgrade", true), ("upgrade-strict", true), ("final-response", false)] {
        let mut bench = Bench::new(&format!("mode = '{mode}'\npath = '/chat?room=2'"));
        let mut keys = Vec::new();
        for input in [Input::Start, Input::Wake, Input::Wake] {
            bench.now = bench.now + Nanos::from_secs(1);
            bench.give(input);
            bench.connected();
            let (key, path, upgrade) = bench.request();
            assert_eq!((path, upgrade), ("/chat?room=2", upgrades));
            assert!(!keys.contains(&key.0));
            keys.push(key.0);
            bench.give(Input::Reset(bench.c()));
        }
        let host = format!("Host: {}\r\n", bench.directory.authority(bench.dialed.1));
        assert!(String::from_utf8_lossy(&bench.sent).contains(&host));
    }
}

#[test]
fn an_answer_that_proves_nothing_closes_and_fails() {
    let mut bench = Bench::new("");
    let actions = bench.start_and_receive(ACCEPT_OF_ANOTHER_KEY);
    assert_eq!(actions, bench.failed(1, true, Failure::Invalid(Error::Accept)));
    let mut bench = Bench::new("");
    let actions = bench.start_and_receive("\x15\x03\x01\x00\x02\x02\x16");
    assert!(matches!(failure(&actions), Failure::Invalid(Error::Head(HeadError::Malformed(_)))));
}

#[test]
fn a_redirect_is_followed_in_every_form() {
    for (location, endpoint, path) in [
        ("ws://gateway-1/chat", 1, "/chat"),
        ("ws://gateway-1/lobby?x=1", 1, "/lobby?x=1"),
        ("http://gateway-2", 2, "/"),
        ("WS://HUB:8080/", 3, "/"),
        ("//gateway-1:80/chat", 1, "/chat"),
        ("/lobby", 0, "/lobby"),
        ("?room=2", 0, "/chat?room=2"),
        ("lobby", 0, "/lobby"),
    ] {
        let mut bench = Bench::new("");
        let actions = bench.start_and_receive(redirect(location));
        let mut expected = vec![
            Output::Event(Event::Redirected { connection: 1, status: 307, endpoint }),
            Output::Close(ConnectionId(1), CloseMode::Fin),
        ];
        // Its wake-up takes the place of the handshake's.
        expected.extend(bench.attempt(2, endpoint));
        assert_eq!(actions, expected, "{location}");
        assert!(opened(&bench.open()), "{location}");
        assert_eq!(bench.request().1, path, "{location}");
        let host = format!("Host: {}\r\n", bench.directory.authority(EndpointId(endpoint)));
        assert!(String::from_utf8_lossy(&bench.sent).contains(&host), "{location}");
    }
}

#[test]
fn five_statuses_redirect_and_their_neighbours_do_not() {
    for status in 300..=310 {
        let answer = format!("HTTP/1.1 {status} x\r\nLocation: ws://gateway-1/\r\n\r\n");
        let mut bench = Bench::new("");
        let actions = bench.start_and_receive(answer);
        if [301, 302, 303, 307, 308].contains(&status) {
            assert_eq!(events(&actions)[0], Event::Redirected { connection: 1, status, endpoint: 1 });
        } else {
            assert_eq!(failure(&actions), rejected(status));
        }
    }
}

#[test]
fn the_path_of_a_redirect_lasts_for_its_hops_and_not_for_the_retry() {
    let mut bench = Bench::new("");
    bench.start_and_receive(redirect("ws://gateway-1/a/b"));
    bench.connected();
    // In pieces: what came in of an answer is kept beside the path, not instead of it.
    let relative = redirect("c");
    bench.received(&relative[..9]);
    bench.received(&relative[9..]);
    bench.connected();
    assert_eq!((bench.endpoint(), bench.request().1), (1, "/a/c"));
    // A redirector that keeps the path it was asked names the changed one.
    bench.received(redirect("ws://gateway-0/a/c"));
    bench.connected();
    assert_eq!((bench.endpoint(), bench.request().1), (0, "/a/c"));
    bench.received(redirect("ws://gateway-2/chat"));
    bench.connected();
    assert_eq!((bench.endpoint(), bench.request().1), (2, "/chat"));
    bench.received(redirect("/d"));
    bench.connected();
    assert_eq!((bench.endpoint(), bench.request().1), (2, "/d"));
    bench.received(rejection(503, None));
    bench.wake();
    bench.connected();
    // `next` counts from the endpoint that was chosen, not from where the redirects led.
    assert_eq!((bench.endpoint(), bench.request().1), (1, "/chat"));
    // Nor does it last when the hop brought no answer.
    bench.received(redirect("/e"));
    bench.refused();
    bench.wake();
    bench.connected();
    assert_eq!((bench.endpoint(), bench.request().1), (2, "/chat"));
}

#[test]
fn as_many_redirects_are_followed_as_the_limit_says_and_not_one_more() {
    let mut bench = Bench::new("redirects = 2");
    bench.give(Input::Start);
    // The retry may follow as many again.
    for first in [1, 4] {
        for connection in [first, first + 1] {
            bench.connected();
            let actions = bench.received(redirect("/again"));
            assert!(matches!(events(&actions)[0], Event::Redirected { connection: c, .. } if c == connection));
        }
        bench.connected();
        let actions = bench.received(redirect("/again"));
        // The same place again and again: the limit alone ended that.
        let found = Event::Found { connection: first + 2, finding: Finding::RedirectLoop };
        assert_eq!(actions[0], Output::Event(found));
        assert_eq!(actions[1..], bench.failed(first + 2, true, Failure::RedirectLimit));
        bench.wake();
    }
    let mut bench = Bench::new("redirects = 0");
    assert_eq!(failure(&bench.start_and_receive(redirect("/again"))), Failure::RedirectLimit);
}

#[test]
fn a_redirect_that_leads_nowhere_fails() {
    for (location, expected) in [
        ("ws://nowhere/", Failure::Unresolved),
        ("ws://gateway-1:8080/", Failure::Unresolved),
        ("hub:8080/", Failure::BadLocation),
        ("wss://gateway-1/", Failure::BadLocation),
        ("https://gateway-1/", Failure::BadLocation),
        ("ftp://gateway-1/", Failure::BadLocation),
        ("ws://gateway 1/", Failure::BadLocation),
        ("ws:///chat", Failure::BadLocation),
        ("ws://gateway-1/\u{e9}", Failure::BadLocation),
    ] {
        let mut bench = Bench::new("");
        let actions = bench.start_and_receive(redirect(location));
        assert_eq!(actions, bench.failed(1, true, expected), "{location}");
    }
    let mut bench = Bench::new("");
    assert_eq!(failure(&bench.start_and_receive(rejection(307, None))), Failure::BadLocation);
}

#[test]
fn strict_clients_take_101_only() {
    for status in [200, 307, 401] {
        let mut bench = Bench::new("mode = 'upgrade-strict'");
        let answer = format!("HTTP/1.1 {status} x\r\nLocation: ws://gateway-1/\r\n\r\n");
        let actions = bench.start_and_receive(answer);
        assert_eq!(actions, bench.failed(1, true, rejected(status)));
    }
    let mut bench = Bench::new("mode = 'upgrade-strict'");
    bench.give(Input::Start);
    assert!(opened(&bench.open()));
}

#[test]
fn a_final_response_opens_with_200_and_never_with_101() {
    let mut bench = Bench::new("mode = 'final-response'");
    bench.give(Input::Start);
    bench.connected();
    let ok = bench.opening();
    assert!(ok.starts_with(b"HTTP/1.1 200 "));
    assert!(opened(&bench.received(ok)));

    let mut bench = Bench::new("mode = 'final-response'");
    let actions = bench.start_and_receive(ACCEPT_OF_ANOTHER_KEY);
    assert_eq!(failure(&actions), Failure::Invalid(Error::UnexpectedSwitch));
    // A page is no handshake in either world.
    let mut bench = Bench::new("mode = 'final-response'");
    assert_eq!(failure(&bench.start_and_receive(rejection(200, None))), rejected(200));
    let mut bench = Bench::new("");
    assert_eq!(failure(&bench.start_and_receive(rejection(200, None))), rejected(200));
}

#[test]
fn retry_after_is_kept_as_a_fact_and_not_obeyed() {
    let mut bench = Bench::new("");
    let actions = bench.start_and_receive(rejection(503, Some(120)));
    let rejected = Failure::Rejected { status: 503, retry_after: Some(120) };
    assert_eq!(actions, bench.failed(1, true, rejected));
}

#[test]
fn an_unanswered_connect_times_out() {
    let mut bench = Bench::new("");
    bench.give(Input::Start);
    let actions = bench.wake();
    assert_eq!(actions, bench.failed(1, true, Failure::ConnectTimeout));
    assert_eq!(bench.wake(), bench.attempt(2, 1));
}

#[test]
fn a_handshake_times_out_counted_from_the_connection() {
    let mut bench = Bench::new("");
    bench.give(Input::Start);
    bench.now = bench.now + Nanos::from_secs(2);
    bench.connected();
    let connected = bench.now;
    // Half an answer buys no time.
    bench.now = bench.now + Nanos::from_secs(4);
    assert_eq!(bench.received("HTTP/1.1 101 Sw"), []);
    let actions = bench.wake();
    assert_eq!(bench.now, connected + Nanos::from_secs(5));
    assert_eq!(actions, bench.failed(1, true, Failure::HandshakeTimeout));
}

#[test]
fn a_connect_that_fails_leaves_nothing_to_close() {
    for (why, expected) in
        [(ConnectError::Refused, Failure::Refused), (ConnectError::TimedOut, Failure::ConnectTimeout)]
    {
        let mut bench = Bench::new("");
        bench.give(Input::Start);
        let actions = bench.give(Input::ConnectFailed(bench.c(), why));
        assert_eq!(actions, bench.failed(1, false, expected));
    }
}

#[test]
fn an_end_before_the_answer_fails_the_attempt() {
    let mut bench = Bench::new("");
    bench.start_and_receive("HTTP/1.1 101 Sw");
    let actions = bench.give(Input::Eof(bench.c()));
    assert_eq!(actions, bench.failed(1, true, Failure::Closed));
    let mut bench = Bench::new("");
    bench.start_and_receive("HTTP/1.1 101 Sw");
    let actions = bench.give(Input::Reset(bench.c()));
    assert_eq!(actions, bench.failed(1, false, Failure::Reset));
    // The half of an answer is forgotten with its connection.
    bench.wake();
    assert!(opened(&bench.open()));
}

#[test]
fn a_session_that_loses_its_connection_comes_back() {
    for reset in [false, true] {
        let mut bench = Bench::new("");
        bench.give(Input::Start);
        bench.open();
        bench.now = bench.now + Nanos::from_secs(50);
        let actions = bench.give(if reset { Input::Reset(bench.c()) } else { Input::Eof(bench.c()) });
        let mut expected =
            vec![Output::Event(Event::Lost { connection: 1, end: if reset { End::Reset } else { End::Fin } })];
        expected.extend(bench.retrying());
        if !reset {
            expected.insert(0, Output::Close(ConnectionId(1), CloseMode::Fin));
        }
        assert_eq!(actions, expected);
        assert_eq!(bench.wake(), bench.attempt(2, 0));
        assert!(opened(&bench.open()));
    }
}

#[test]
fn a_session_that_may_not_reconnect_gives_up_what_it_loses() {
    let mut bench = Bench::new("reconnect = false\nhold = '1h'");
    bench.give(Input::Start);
    bench.open();
    let lost = Output::Event(Event::Lost { connection: 1, end: End::Reset });
    let over = [Output::Event(Event::GaveUp), Output::WakeAt(Timestamp::NEVER), Output::Done];
    assert_eq!(bench.give(Input::Reset(bench.c())), [&[lost], &over[..]].concat());
}

#[test]
fn as_many_attempts_are_made_as_the_limit_says_hops_not_counted() {
    let mut bench = Bench::new("retry = { policy = 'fixed', base = '1s', attempts = 2 }");
    for reopened in [false, true] {
        if !reopened {
            bench.start_and_receive(redirect("/hop"));
        } else {
            // Opening gives the attempts back.
            bench.give(Input::Reset(bench.c()));
            bench.wake();
        }
        assert_eq!(bench.refused(), bench.failed(bench.c().0, false, Failure::Refused));
        bench.wake();
        assert!(opened(&bench.open()));
    }
    bench.give(Input::Reset(bench.c()));
    bench.wake();
    assert!(!gave_up(&bench.refused()));
    bench.wake();
    assert!(gave_up(&bench.refused()));
}

#[test]
fn without_a_retry_policy_the_first_failure_is_the_end() {
    let mut bench = Bench::new("retry = { policy = 'none' }");
    bench.give(Input::Start);
    let failed = Event::AttemptFailed { connection: 1, failure: Failure::Refused };
    let expected =
        [Output::Event(failed), Output::Event(Event::GaveUp), Output::WakeAt(Timestamp::NEVER), Output::Done];
    assert_eq!(bench.refused(), expected);
}

/// Where a session goes at its start and after each of seven refusals.
fn refused_at(bench: &mut Bench) -> Vec<u32> {
    bench.give(Input::Start);
    let mut endpoints = vec![bench.endpoint()];
    for _ in 0..7 {
        bench.refused();
        bench.wake();
        endpoints.push(bench.endpoint());
    }
    endpoints
}

/// Where a session goes at its start and after each of seven losses.
fn lost_at(bench: &mut Bench) -> Vec<u32> {
    bench.give(Input::Start);
    let mut endpoints = vec![bench.endpoint()];
    for _ in 0..7 {
        bench.open();
        bench.give(Input::Reset(bench.c()));
        bench.wake();
        endpoints.push(bench.endpoint());
    }
    endpoints
}

#[test]
fn a_retry_goes_where_on_retry_says() {
    let at = |text: &str| refused_at(&mut Bench::new(text));
    assert_eq!(at("on_retry = 'same'"), [0; 8]);
    assert_eq!(at("on_retry = 'next'"), [0, 1, 2, 0, 1, 2, 0, 1]);
    let random = at("on_retry = 'random'");
    assert_eq!(random[0], 0);
    assert!((0..3).all(|endpoint| random.contains(&endpoint)), "{random:?}");
    // Absent, it is what suits `pick`.
    assert_eq!(at("pick = 'first'"), at("pick = 'first'\non_retry = 'next'"));
    assert_eq!(at("pick = 'round-robin'"), at("pick = 'round-robin'\non_retry = 'next'"));
    assert_eq!(at("pick = 'random'"), at("pick = 'random'\non_retry = 'random'"));
    assert_eq!(at("pick = 'sticky'"), at("pick = 'sticky'\non_retry = 'same'"));
}

#[test]
fn each_opening_begins_where_pick_says() {
    let at = |index, text: &str| lost_at(&mut Bench::nth(index, text));
    assert_eq!(at(1, "pick = 'first'\non_retry = 'random'"), [0; 8]);
    assert_eq!(at(1, "pick = 'round-robin'"), [1, 2, 0, 1, 2, 0, 1, 2]);
    assert_eq!(at(5, "pick = 'round-robin'"), [2, 0, 1, 2, 0, 1, 2, 0]);
    let random = at(1, "pick = 'random'");
    assert!((0..3).all(|endpoint| random.contains(&endpoint)), "{random:?}");
    let sticky: Vec<Vec<u32>> = (0..9).map(|index| at(index, "pick = 'sticky'")).collect();
    assert!(sticky.iter().all(|endpoints| endpoints.iter().all(|endpoint| *endpoint == endpoints[0])));
    assert!((0..3).all(|endpoint| sticky.iter().any(|endpoints| endpoints[0] == endpoint)), "{sticky:?}");
}

#[test]
fn a_sticky_session_returns_to_its_endpoint_after_a_detour() {
    let mut bench = Bench::new("pick = 'sticky'\non_retry = 'next'");
    bench.give(Input::Start);
    let home = bench.endpoint();
    bench.refused();
    bench.wake();
    assert_eq!(bench.endpoint(), (home + 1) % 3);
    bench.open();
    bench.give(Input::Reset(bench.c()));
    bench.wake();
    assert_eq!(bench.endpoint(), home);
}

#[test]
fn a_held_session_ends_by_itself() {
    let mut bench = Bench::new("hold = '30s'");
    bench.give(Input::Start);
    assert_eq!(bench.open().last(), Some(&Output::WakeAt(bench.now + Nanos::from_secs(30))));
    let actions = bench.wake();
    assert_eq!(events(&actions), [Event::Ended]);
    let (close, _) = frame::read(&bench.sent, Sender::Client).unwrap().unwrap();
    assert_eq!((close.opcode, close.close_code(), close.mask.is_some()), (Opcode::Close, 1000, true));
    // The closing handshake: the connection ends with the server's close frame, or without one after a while.
    let over = [Output::Close(ConnectionId(1), CloseMode::Fin), Output::WakeAt(Timestamp::NEVER), Output::Done];
    assert_eq!(bench.received([0x88, 2, 3, 0xe8]), over);
}

#[test]
fn a_server_that_does_not_answer_a_close_is_not_waited_for_long() {
    let mut bench = Bench::new("hold = '30s'");
    bench.give(Input::Start);
    bench.open();
    bench.wake();
    assert_eq!(bench.due.since(bench.now), Nanos::from_secs(5));
    assert_eq!(bench.wake(), [Output::Close(ConnectionId(1), CloseMode::Fin), Output::Done]);
}

const HEARTBEAT: &str = "heartbeat = { every = '10s', timeout = '5s' }";

#[test]
fn an_answered_heartbeat_is_followed_by_the_next_at_its_pace() {
    let mut bench = Bench::new(HEARTBEAT);
    bench.give(Input::Start);
    bench.open();
    let opened = bench.now;
    for beat in 1..4 {
        assert_eq!(bench.due, opened + Nanos::from_secs(10 * beat));
        bench.wake();
        let (ping, _) = frame::read(&bench.sent, Sender::Client).unwrap().unwrap();
        assert_eq!((ping.opcode, ping.mask.is_some()), (Opcode::Ping, true));
        bench.now = bench.now + Nanos::from_millis(80);
        assert_eq!(events(&bench.received([0x8a, 0])), [Event::HeartbeatAnswered { connection: 1 }]);
    }
}

#[test]
fn an_unanswered_heartbeat_finds_the_path_dead() {
    let mut bench = Bench::new(HEARTBEAT);
    bench.give(Input::Start);
    bench.open();
    bench.wake();
    assert_eq!(bench.due.since(bench.now), Nanos::from_secs(5));
    let actions = bench.wake();
    assert_eq!(events(&actions)[0], Event::Lost { connection: 1, end: End::Heartbeat });
    assert_eq!(actions[0], Output::Close(ConnectionId(1), CloseMode::Fin));
}

/// engine.io 3 waits for 60 s, and pings each 25 s.
#[test]
fn a_timeout_longer_than_the_period_delays_the_next_ping() {
    let mut bench = Bench::new("heartbeat = { every = '10s', timeout = '15s' }");
    bench.give(Input::Start);
    bench.open();
    let opened = bench.now;
    bench.wake();
    assert_eq!(bench.due, opened + Nanos::from_secs(25), "no second ping while the pong is awaited");
    bench.now = opened + Nanos::from_secs(22);
    assert_eq!(events(&bench.received([0x8a, 0])), [Event::HeartbeatAnswered { connection: 1 }]);
    assert_eq!(bench.due, bench.now, "the ping of 20 s comes at once");
    bench.wake();
    assert_eq!(bench.due.since(bench.now), Nanos::from_secs(15));
    bench.now = bench.due;
    assert_eq!(events(&bench.wake())[0], Event::Lost { connection: 1, end: End::Heartbeat });
}

#[test]
fn a_servers_close_frame_is_answered_and_its_code_decides() {
    for (settings, comes_back) in [("", true), ("fatal_close_codes = [1012]", false)] {
        let mut bench = Bench::new(settings);
        bench.give(Input::Start);
        bench.open();
        let actions = bench.received([0x88, 2, 0x03, 0xf4]);
        let (close, _) = frame::read(&bench.sent, Sender::Client).unwrap().unwrap();
        assert_eq!(close.close_code(), 1012);
        assert_eq!(events(&actions)[0], Event::Lost { connection: 1, end: End::Close(1012) });
        assert_eq!(matches!(events(&actions)[1], Event::Retrying { .. }), comes_back);
    }
}

#[test]
fn frames_in_pieces_and_glued_to_the_answer_are_read() {
    let mut bench = Bench::new("");
    bench.give(Input::Start);
    bench.connected();
    let answer = bench.opening();
    // A ping with the payload "hi", the first half of which comes with the 101.
    bench.received([&answer[..], &[0x89, 2, b'h']].concat());
    bench.received(b"i");
    let (pong, _) = frame::read(&bench.sent, Sender::Client).unwrap().unwrap();
    assert_eq!((pong.opcode, pong.unmasked()), (Opcode::Pong, b"hi".to_vec()));
    let actions = bench.received([0xff, 0xff]);
    assert_eq!(events(&actions)[0], Event::Lost { connection: 1, end: End::BadFrame });
}

#[test]
fn delays_begin_anew_only_after_a_connection_that_lived() {
    let settings = "retry = { policy = 'exponential', base = '1s', cap = '60s', reset_after = '5s' }";
    let mut bench = Bench::new(settings);
    bench.give(Input::Start);
    let mut delays = Vec::new();
    for lived in [1, 1, 5, 1] {
        bench.open();
        bench.now = bench.now + Nanos::from_secs(lived);
        bench.give(Input::Reset(bench.c()));
        delays.push(bench.due.since(bench.now).0 / 1_000_000_000);
        bench.wake();
    }
    assert_eq!(delays, [1, 2, 1, 2]);
}

#[test]
fn retry_after_is_honoured_by_those_who_do() {
    for (honour, seconds) in [(false, 1), (true, 7)] {
        let policy = "policy = 'fixed', base = '1s'";
        let mut bench = Bench::new(&format!("retry = {{ {policy}, honour_retry_after = {honour} }}"));
        bench.give(Input::Start);
        bench.connected();
        bench.received(rejection(503, Some(7)));
        assert_eq!(bench.due.since(bench.now), Nanos::from_secs(seconds));
    }
}

#[test]
fn the_time_for_the_whole_attempt_limits_both_of_its_parts() {
    let mut bench = Bench::new("open_timeout = '2s'");
    bench.give(Input::Start);
    assert_eq!(bench.due.since(bench.now), Nanos::from_secs(2), "not the 3 s of the connect");
    bench.now = bench.now + Nanos::from_millis(1_500);
    bench.connected();
    assert_eq!(bench.due.since(bench.now), Nanos::from_millis(500), "not the 5 s of the handshake");
}

#[test]
fn each_connection_is_held_for_a_time_of_its_own() {
    let mut bench = Bench::new("hold = { uniform = { min = '1s', max = '90s' } }");
    let mut held = Vec::new();
    for _ in 0..3 {
        bench.give(Input::Start);
        bench.open();
        held.push(bench.due.since(bench.now));
        bench.wake();
        bench.give(Input::Eof(bench.c()));
    }
    assert!(held.iter().all(|time| (Nanos::from_secs(1)..=Nanos::from_secs(90)).contains(time)));
    assert!(held[0] != held[1] && held[1] != held[2]);
}

#[test]
fn a_closed_loop_starts_again_with_a_new_connection_and_key() {
    let mut bench = Bench::new("hold = '30s'");
    bench.give(Input::Start);
    bench.open();
    let first = bench.request().0;
    bench.wake();
    bench.give(Input::Eof(bench.c()));
    let mut begin = vec![Output::Event(Event::Scheduled { group: GROUP, index: 2 })];
    begin.extend(bench.attempt(2, 0));
    assert_eq!(bench.give(Input::Start), begin);
    assert!(opened(&bench.open()));
    assert_ne!(bench.request().0, first);
}

#[test]
fn a_life_that_follows_one_given_up_has_all_its_attempts_and_its_first_delay() {
    let mut bench = Bench::new("retry = { policy = 'exponential', base = '1s', cap = '1h', attempts = 3 }");
    for _ in 0..2 {
        bench.give(Input::Start);
        for seconds in [1, 2] {
            let delay = Nanos::from_secs(seconds);
            assert_eq!(events(&bench.refused()).last(), Some(&Event::Retrying { delay }));
            bench.wake();
        }
        assert!(gave_up(&bench.refused()));
    }
}

#[test]
fn an_opening_brings_the_delays_back_to_the_first() {
    let mut bench = Bench::new("retry = { policy = 'exponential', base = '1s', cap = '1h' }");
    bench.give(Input::Start);
    for _ in 0..3 {
        bench.refused();
        bench.wake();
    }
    bench.open();
    bench.give(Input::Reset(bench.c()));
    assert_eq!(bench.due, bench.now + Nanos::from_secs(1));
}

#[test]
fn what_comes_late_for_an_old_connection_is_ignored() {
    let old = ConnectionId(1);
    let late = [
        Input::Connected(old),
        Input::ConnectFailed(old, ConnectError::Refused),
        Input::Received(old, b"HTTP/1.1 503 x\r\n\r\n"),
        Input::Eof(old),
        Input::Reset(old),
    ];
    let mut bench = Bench::new("");
    bench.give(Input::Start);
    bench.wake();
    let ignored = |bench: &mut Bench, when: &str| {
        for input in late {
            assert_eq!(bench.give(input), [], "{input:?} {when}");
        }
    };
    ignored(&mut bench, "while waiting");
    bench.wake();
    ignored(&mut bench, "while connecting");
    bench.connected();
    ignored(&mut bench, "in the handshake");
    assert!(opened(&bench.received(bench.opening())));
    ignored(&mut bench, "when open");
    bench.give(Input::Reset(bench.c()));
    ignored(&mut bench, "after the loss");
}

#[test]
fn inputs_that_do_not_fit_the_state_are_ignored() {
    let mut bench = Bench::new("");
    assert_eq!(bench.give(Input::Admitted), []);
    bench.give(Input::Start);
    let c = bench.c();
    assert_eq!(bench.give(Input::Start), []);
    assert_eq!(bench.give(Input::Received(c, b"x")), []);
    bench.open();
    assert_eq!(bench.give(Input::Start), []);
    assert_eq!(bench.give(Input::Connected(c)), []);
    assert_eq!(bench.give(Input::Received(c, b"\x81\x02hi")), []);
}

#[test]
fn a_spurious_wake_is_a_no_op() {
    let mut bench = Bench::new("hold = '30s'");
    let idle = |bench: &mut Bench| {
        // As late as can be without being due.
        let now = bench.now;
        if bench.due != Timestamp::NEVER {
            bench.now = bench.due - Nanos(1);
        }
        assert_eq!(bench.give(Input::Wake), []);
        bench.now = now;
    };
    idle(&mut bench);
    bench.give(Input::Start);
    idle(&mut bench);
    bench.connected();
    idle(&mut bench);
    bench.give(Input::Reset(bench.c()));
    idle(&mut bench);
    bench.wake();
    bench.open();
    idle(&mut bench);
    bench.wake();
    idle(&mut bench);
}

#[test]
fn interim_answers_are_waited_out() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n";
    let mut bench = Bench::new("");
    bench.start_and_receive("");
    assert_eq!(bench.received(interim), []);
    assert_eq!(bench.received(interim), []);
    assert!(opened(&bench.received(bench.opening())));
    let mut bench = Bench::new("");
    bench.start_and_receive("");
    let together = [interim.as_bytes(), interim.as_bytes(), &bench.opening()].concat();
    assert!(opened(&bench.received(together)));
}

#[test]
fn the_limit_holds_for_each_head_and_not_for_all_interim_ones_together() {
    let interim = format!("HTTP/1.1 103 x\r\nX: {}\r\n\r\n", "y".repeat(MAX_HEAD_BYTES / 2));
    let mut bench = Bench::new("");
    bench.start_and_receive(interim.repeat(3));
    assert!(opened(&bench.received(bench.opening())));
    let mut bench = Bench::new("");
    let actions = bench.start_and_receive(format!("HTTP/1.1 103 x\r\nX: {}", "y".repeat(MAX_HEAD_BYTES)));
    assert_eq!(failure(&actions), Failure::Invalid(Error::Head(HeadError::TooLarge)));
}

#[test]
fn a_host_connects_its_sessions_to_one_server_one_after_the_other() {
    let host = Rc::default();
    let gated = "connect_gate = true\nhosts = 1";
    let [mut first, mut second, mut third] = [0, 1, 2].map(|index| Bench::nth(index, gated).on(&host));
    let scheduled = |index| Output::Event(Event::Scheduled { group: GROUP, index });

    first.give(Input::Start);
    // In line, nothing is dialled and nothing can time out.
    assert_eq!(second.give(Input::Start), [scheduled(1)]);
    assert_eq!(third.give(Input::Start), [scheduled(2)]);
    assert_eq!(second.due, Timestamp::NEVER);
    assert_eq!(second.give(Input::Wake), []);

    first.connected();
    let next = |index| Output::Admit(SLOTS + index);
    assert!(first.received(first.opening()).contains(&next(1)));
    second.now = second.now + Nanos::from_secs(100);
    assert_eq!(second.give(Input::Admitted), second.attempt(1, 0));
    // A failure lets the next one in as an opening does.
    assert!(second.refused().contains(&next(2)));
    assert_eq!(third.give(Input::Admitted), third.attempt(1, 0));
    // The retry goes to another server, where nobody is.
    assert_eq!(second.wake(), second.attempt(2, 1));
    assert!(!third.open().iter().any(|action| matches!(action, Output::Admit(_))));
    // Open sessions hold no gate, so the first to come back goes straight through.
    first.give(Input::Reset(first.c()));
    third.give(Input::Reset(third.c()));
    assert_eq!(first.wake(), first.attempt(2, 0));
    assert_eq!(third.wake(), []);
}

#[test]
fn every_way_out_of_an_attempt_leaves_the_gate() {
    let gated = "connect_gate = true\nhosts = 1";
    type Exit = fn(&mut Bench) -> Vec<Action>;
    let connected: [Exit; 6] = [
        |bench| bench.received("nonsense\r\n"),
        |bench| bench.received(rejection(503, None)),
        |bench| bench.received(redirect("ws://gateway-1/")),
        |bench| bench.give(Input::Eof(bench.c())),
        |bench| bench.give(Input::Reset(bench.c())),
        |bench| bench.wake(),
    ];
    for (number, way) in connected.into_iter().enumerate() {
        let host = Rc::default();
        let [mut first, mut second] = [0, 1].map(|index| Bench::nth(index, gated).on(&host));
        first.give(Input::Start);
        second.give(Input::Start);
        first.connected();
        assert!(way(&mut first).contains(&Output::Admit(SLOTS + 1)), "way {number}");
    }
}

#[test]
fn a_redirect_to_the_same_server_goes_to_the_end_of_the_line() {
    let host = Rc::default();
    let gated = "connect_gate = true\nhosts = 1";
    let [mut first, mut second] = [0, 1].map(|index| Bench::nth(index, gated).on(&host));
    first.give(Input::Start);
    second.give(Input::Start);
    first.connected();
    let expected = [
        Output::Event(Event::Redirected { connection: 1, status: 307, endpoint: 0 }),
        Output::Close(ConnectionId(1), CloseMode::Fin),
        Output::Admit(SLOTS + 1),
        // No handshake is under way that could time out.
        Output::WakeAt(Timestamp::NEVER),
    ];
    assert_eq!(first.received(redirect("/again")), expected);
    second.give(Input::Admitted);
    assert!(second.open().contains(&Output::Admit(SLOTS)));
    assert_eq!(first.give(Input::Admitted), first.attempt(2, 0));
    assert!(opened(&first.open()));
    assert_eq!(first.request().1, "/again");
}

#[test]
fn without_the_gate_a_host_connects_all_at_once() {
    let host = Rc::default();
    for index in 0..3 {
        let mut bench = Bench::nth(index, "hosts = 1").on(&host);
        bench.give(Input::Start);
        assert_eq!(bench.c(), ConnectionId(1));
    }
}

#[test]
fn the_sessions_of_a_host_share_its_round_robin_turn() {
    let host = Rc::default();
    // In the order of their arrival, whatever their numbers are.
    let endpoints = [5, 5, 2, 0, 8].map(|index| {
        let mut bench = Bench::nth(index, "pick = 'round-robin'\nhosts = 1").on(&host);
        bench.give(Input::Start);
        bench.endpoint()
    });
    assert_eq!(endpoints, [0, 1, 2, 0, 1]);
    let mut alone = Bench::nth(0, "pick = 'round-robin'").on(&Rc::default());
    alone.give(Input::Start);
    assert_eq!(alone.endpoint(), 0);
}

#[test]
fn draws_for_one_thing_shift_no_draws_for_another() {
    let keys = |index, text: &str| {
        let mut bench = Bench::nth(index, text);
        [Input::Start, Input::Wake, Input::Wake].map(|input| {
            bench.give(input);
            bench.connected();
            bench.give(Input::Reset(bench.c()));
            bench.now = bench.due;
            bench.request().0
        })
    };
    let plain = keys(2, "");
    assert_eq!(keys(2, "pick = 'random'\nretry = { policy = 'full-jitter' }"), plain);
    assert_eq!(keys(2, "pick = 'sticky'\nhold = { exponential = { mean = '9s' } }"), plain);
    assert!(keys(1, "").iter().all(|key| !plain.contains(key)));
    // And the way a connection failed does not change where the next one goes.
    let random = "pick = 'random'\non_retry = 'random'";
    assert_eq!(refused_at(&mut Bench::new(random)), lost_at(&mut Bench::new(random)));
}

#[test]
fn another_seed_draws_other_keys() {
    let key = |seed| {
        let mut bench = Bench { seed: Seed(seed), ..Bench::new("") };
        bench.give(Input::Start);
        bench.connected();
        bench.request().0
    };
    assert_eq!(key(7), key(7));
    assert_ne!(key(7), key(8));
}

/// `bytes` cut at these places.
fn chunks<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

/// What a server may send: answers of every kind, interim ones before them, some bytes wrong, others after the end.
fn stream(opening: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let padded = |len: usize| format!("HTTP/1.1 503 x\r\nX: {}\r\n\r\n", "y".repeat(len - 23)).into_bytes();
    let answers = prop_oneof![
        4 => Just(opening),
        2 => prop::sample::select(vec!["ws://gateway-1/lobby", "/lobby", "wss://gateway-1/", "ws://x/"]).prop_map(redirect),
        2 => (200u16..600, prop::option::of(any::<u32>())).prop_map(|(status, after)| rejection(status, after)),
        1 => (MAX_HEAD_BYTES - 2..MAX_HEAD_BYTES + 3).prop_map(padded),
        1 => (60usize..70).prop_map(|n| format!("HTTP/1.1 503 x\r\n{}\r\n", "a: b\r\n".repeat(n)).into_bytes()),
    ];
    let interim =
        prop::sample::select(vec!["", "HTTP/1.1 100 \r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"]);
    let interims = prop::collection::vec(interim, 0..3).prop_map(|heads| heads.concat().into_bytes());
    let edits = prop::collection::vec((any::<Index>(), any::<u8>()), 0..3);
    let after = prop::collection::vec(any::<u8>(), 0..9);
    (interims, answers, edits, after).prop_map(|(interims, answer, edits, after)| {
        let mut bytes = [interims, answer].concat();
        for (index, byte) in edits {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.extend(after);
        bytes
    })
}

/// A session that has asked, and what would open it.
fn asked(mode: &str) -> (Bench, Vec<u8>) {
    let mut bench = Bench::new(&format!("mode = '{mode}'"));
    bench.start_and_receive("");
    let opening = bench.opening();
    (bench, opening)
}

fn modes_and_streams() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let modes = prop::sample::select(vec!["upgrade", "upgrade-strict", "final-response"]);
    modes.prop_flat_map(|mode| (Just(mode), stream(asked(mode).1)))
}

proptest! {
    #[test]
    fn any_chunking_of_the_answers_reads_the_same(
        (mode, bytes) in modes_and_streams(),
        cuts in prop::collection::vec(any::<Index>(), 0..9),
    ) {
        let read = |cuts: &[Index]| {
            let (mut bench, _) = asked(mode);
            let c = bench.c();
            let mut actions = Vec::new();
            for chunk in chunks(&bytes, cuts) {
                actions.extend(bench.give(Input::Received(c, chunk)));
            }
            actions
        };
        let (whole, cut) = (read(&[]), read(&cuts));
        // A connection with bytes behind a redirect is not used again; if they come later, it is, and they are the next
        // answer.
        let again = |actions: &[Action]| events(actions).iter().any(|event| matches!(event, Event::AskedAgain { .. }));
        prop_assume!(again(&whole) || !again(&cut));
        prop_assert_eq!(cut, whole);
    }
}

/// The address of the name below, and who it may stand for.
const NAME: EndpointId = EndpointId(4);

fn by_name(text: &str) -> Bench {
    let mut bench = Bench::new(text);
    bench.directory = bench.directory.with_names(["game.example".into()]);
    bench.group.endpoints = vec![NAME];
    bench
}

fn answer(connection: u32, addresses: &[EndpointId]) -> Input<'_> {
    Input::Resolved(ConnectionId(connection), addresses, Nanos::from_secs(30))
}

#[test]
fn a_name_is_looked_up_before_its_address_is_dialled_and_stays_the_host() {
    let mut bench = by_name("");
    let asked = [
        Output::Event(Event::Resolving { connection: 1, name: 4 }),
        Output::Resolve(ConnectionId(1), NAME),
        Output::WakeAt(bench.now + Nanos::from_secs(10)),
    ];
    assert_eq!(bench.give(Input::Start)[1..], asked);
    let actions = bench.give(answer(1, &[EndpointId(2), EndpointId(0)]));
    let ttl = Nanos::from_secs(30);
    assert_eq!(events(&actions)[0], Event::Resolved { connection: 1, name: 4, addresses: 2, ttl });
    assert_eq!(actions[1..], bench.attempt(1, 2));
    bench.connected();
    assert!(String::from_utf8_lossy(&bench.sent).contains("\r\nHost: game.example\r\n"));
    // A relative Location is one of the name's; what is known is not asked again.
    let actions = bench.received(redirect("/lobby"));
    assert_eq!(events(&actions)[0], Event::Redirected { connection: 1, status: 307, endpoint: 4 });
    assert_eq!(events(&actions)[1], Event::AttemptStarted { connection: 2, endpoint: 2 });
    bench.connected();
    assert_eq!(bench.request().1, "/lobby");
    assert!(String::from_utf8_lossy(&bench.sent).contains("\r\nHost: game.example\r\n"));
}

#[test]
fn an_answer_that_comes_too_late_is_for_nobody() {
    let mut bench = by_name("dns_timeout = \"2s\"");
    bench.give(Input::Start);
    assert_eq!(failure(&bench.wake()), Failure::LookupTimeout);
    assert_eq!(bench.give(answer(1, &[EndpointId(2)])), []);
    assert_eq!(events(&bench.wake()), [Event::Resolving { connection: 2, name: 4 }]);
    assert_eq!(bench.give(answer(1, &[EndpointId(2)])), []);
    assert_eq!(bench.give(answer(2, &[EndpointId(1)]))[1..], bench.attempt(2, 1));
    assert_eq!(bench.give(answer(2, &[EndpointId(1)])), []);
}

#[test]
fn addresses_are_tried_in_order_and_the_last_one_s_failure_is_retried() {
    let mut bench = by_name("");
    bench.give(Input::Start);
    bench.give(answer(1, &[EndpointId(2), EndpointId(0)]));
    let refused = |bench: &mut Bench| bench.give(Input::ConnectFailed(bench.c(), ConnectError::Refused));
    let failed = |connection| Output::Event(Event::AttemptFailed { connection, failure: Failure::Refused });
    let actions = refused(&mut bench);
    assert_eq!((actions[0], bench.endpoint()), (failed(1), 0));
    assert_eq!(refused(&mut bench), bench.failed(2, false, Failure::Refused));
    // The pause over, it begins with the first again.
    bench.wake();
    assert_eq!(bench.endpoint(), 2);
    // A request that fails is no reason to try another address.
    bench.connected();
    assert_eq!(bench.received(rejection(503, None)), bench.failed(3, true, rejected(503)));
}

impl Bench {
    /// The same, where every server has TLS.
    fn secure(text: &str) -> Bench {
        let mut bench = Bench::new(text);
        bench.directory = bench.directory.with_tls((0..4).map(EndpointId));
        bench
    }

    fn secured(&mut self) -> Vec<Action> {
        self.give(Input::Secured(self.c(), false))
    }
}

#[test]
fn tls_comes_between_tcp_and_the_request() {
    let mut bench = Bench::secure("handshake_timeout = '4s'");
    bench.give(Input::Start);
    let (c, endpoint) = bench.dialed;
    let actions = bench.connected();
    let due = bench.now + Nanos::from_secs(4);
    let connected = Output::Event(Event::Connected { connection: c.0 });
    assert_eq!(actions, [connected, Output::StartTls(c, endpoint), Output::WakeAt(due)]);
    // Bytes that come before TLS is up are for its driver.
    assert_eq!(bench.received("HTTP/1.1 503 Service Unavailable\r\n\r\n"), []);
    // The timeout goes on: nothing moves it.
    bench.now = bench.now + Nanos::from_secs(1);
    let actions = bench.secured();
    assert_eq!(actions[0], Output::Event(Event::Secured { connection: c.0, resumed: false }));
    assert!(matches!(actions[1..], [Output::Transmit(of, _)] if of == c));
    let opened = bench.received(bench.opening());
    assert!(opened.contains(&Output::Event(Event::Opened { connection: c.0, endpoint: endpoint.0 })));
}

#[test]
fn every_end_of_tls_is_the_attempts() {
    type End = fn(ConnectionId) -> Input<'static>;
    let ends: [(End, Failure); 3] =
        [(Input::Eof, Failure::Closed), (Input::Reset, Failure::Reset), (Input::SecureFailed, Failure::Insecure)];
    for (end, failure) in ends {
        let mut bench = Bench::secure("");
        bench.give(Input::Start);
        bench.connected();
        let c = bench.c();
        let actions = bench.give(end(c));
        assert!(actions.contains(&Output::Event(Event::AttemptFailed { connection: c.0, failure })), "{actions:?}");
        // A reset connection is closed already.
        assert_eq!(actions.contains(&Output::Close(c, CloseMode::Fin)), failure != Failure::Reset);
        assert_eq!(bench.give(Input::Secured(c, false)), [], "too late");
    }
    let mut bench = Bench::secure("handshake_timeout = '3s'");
    bench.give(Input::Start);
    bench.connected();
    let failure = Failure::HandshakeTimeout;
    assert!(bench.wake().contains(&Output::Event(Event::AttemptFailed { connection: 1, failure })));
}

#[test]
fn nobody_is_led_from_wss_to_ws() {
    let answered = |mut bench: Bench, location: &str| {
        bench.give(Input::Start);
        bench.connected();
        bench.secured();
        bench.received(redirect(location))
    };
    let refused = |location: &str| {
        let actions = answered(Bench::secure(""), location);
        let failure = Failure::BadLocation;
        actions.contains(&Output::Event(Event::AttemptFailed { connection: 1, failure }))
    };
    assert!(refused("ws://gateway-1/") && refused("http://gateway-1/"));
    for location in ["wss://gateway-1/", "https://gateway-1/a", "//gateway-1/", "/there"] {
        assert!(!refused(location), "{location}");
    }
    // The way up, where the other server has TLS; where it has none, nobody answers there.
    let some = |secure: u32| {
        let mut bench = Bench::new("pick = 'first'");
        bench.directory = bench.directory.with_tls([EndpointId(secure)]);
        bench.start_and_receive(redirect("wss://gateway-1/"))
    };
    assert!(some(1).iter().any(|action| matches!(action, Output::Open(_, EndpointId(1)))));
    assert!(!some(2).iter().any(|action| matches!(action, Output::Open(..))));
}

#[test]
fn tls_is_with_the_name_that_was_looked_up() {
    let mut bench = by_name("");
    bench.directory = bench.directory.with_tls((0..=4).map(EndpointId));
    bench.give(Input::Start);
    bench.give(answer(1, &[EndpointId(2)]));
    assert_eq!(bench.connected()[1], Output::StartTls(ConnectionId(1), NAME));
}

/// A session behind the hub, which is a proxy.
fn behind_the_hub(text: &str) -> Bench {
    let mut bench = Bench::new(&format!("proxy = 'hub'\n{text}"));
    let mut settings: toml::Table = BASE.parse().unwrap();
    settings.extend(format!("proxy = 'hub'\n{text}").parse::<toml::Table>().unwrap());
    let config: Config = settings.try_into().unwrap();
    bench.group = Group::new(GROUP, "players", &config, (0..3).map(EndpointId).collect())
        .with_proxies(&config, vec![EndpointId(3)]);
    bench.directory =
        Directory::new(["gateway-0", "gateway-1", "gateway-2", "hub"].map(String::from)).with_tls([EndpointId(1)]);
    bench
}

const LOGIN: &str = "proxy_credentials = { user = 'aladdin', password = 'open sesame' }";
const DEMAND: &str = "HTTP/1.1 407 x\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n";

#[test]
fn behind_a_proxy_a_tunnel_comes_first() {
    let mut bench = behind_the_hub("");
    bench.give(Input::Start);
    assert_eq!(bench.endpoint(), 3);
    bench.connected();
    assert_eq!(bench.sent, b"CONNECT gateway-0:80 HTTP/1.1\r\nHost: gateway-0:80\r\n\r\n");
    let c = bench.c();
    // In pieces, and after an interim answer.
    assert_eq!(bench.give(Input::Received(c, b"HTTP/1.1 103 x\r\n\r\nHTTP/1.1 20")), []);
    let actions = bench.give(Input::Received(c, b"0 x\r\n\r\n"));
    assert_eq!(actions[0], Output::Event(Event::Tunnelled { connection: 1 }));
    assert!(bench.sent.starts_with(b"GET /chat HTTP/1.1\r\nHost: gateway-0\r\n"));
    // TLS is for the server, and comes after the tunnel.
    let mut bench = behind_the_hub("pick = 'round-robin'");
    bench.session = Session::new(0, 1);
    bench.give(Input::Start);
    bench.connected();
    assert!(bench.sent.starts_with(b"CONNECT gateway-1:443 "));
    let c = bench.c();
    let actions = bench.give(Input::Received(c, b"HTTP/1.1 200 x\r\n\r\n"));
    assert_eq!(actions[1], Output::StartTls(c, EndpointId(1)));
    bench.give(Input::Secured(c, false));
    assert!(bench.sent.starts_with(b"GET /chat "));
}

#[test]
fn what_a_proxy_says_instead_of_200_fails_the_attempt() {
    for (answer, failure) in [
        ("HTTP/1.1 502 x\r\n\r\n", Failure::ProxyRejected { status: 502, retry_after: None }),
        ("HTTP/1.1 503 x\r\nRetry-After: 7\r\n\r\n", Failure::ProxyRejected { status: 503, retry_after: Some(7) }),
        ("HTTP/1.1 307 x\r\nLocation: /\r\n\r\n", Failure::ProxyRejected { status: 307, retry_after: None }),
        ("HTTP/1.1 407 x\r\n\r\n", Failure::ProxyUnauthorized),
        (&format!("{DEMAND}\r\n"), Failure::ProxyUnauthorized),
        ("HTTP/1.1 101 x\r\n\r\n", Failure::Invalid(Error::UnexpectedSwitch)),
        // Nobody speaks before the client has.
        ("HTTP/1.1 200 x\r\n\r\nHTTP/1.1 101", Failure::Invalid(Error::UnexpectedSwitch)),
    ] {
        let mut bench = behind_the_hub("");
        bench.give(Input::Start);
        bench.connected();
        let c = bench.c();
        let actions = bench.give(Input::Received(c, answer.as_bytes()));
        assert_eq!(actions[0], Output::Close(c, CloseMode::Fin), "{answer}");
        assert_eq!(actions[1], Output::Event(Event::AttemptFailed { connection: 1, failure }), "{answer}");
    }
}

#[test]
fn a_407_is_answered_once_and_remembered() {
    for keep in [true, false] {
        let mut bench = behind_the_hub(LOGIN);
        bench.give(Input::Start);
        bench.connected();
        let c = bench.c();
        let answer = format!("{DEMAND}{}\r\n", if keep { "" } else { "Connection: close\r\n" });
        let actions = bench.give(Input::Received(c, answer.as_bytes()));
        assert_eq!(actions[0], Output::Event(Event::ProxyChallenged { connection: 1 }));
        assert_eq!(actions.contains(&Output::Close(c, CloseMode::Fin)), !keep);
        if !keep {
            assert_eq!((bench.c(), bench.endpoint()), (ConnectionId(2), 3));
            bench.connected();
        }
        let sent = String::from_utf8(bench.sent.clone()).unwrap();
        assert!(sent.starts_with("CONNECT ") && sent.contains("\r\nProxy-Authorization: Basic YWxh"), "{sent}");
        // What is said to the server has nothing of it.
        let c = bench.c();
        bench.give(Input::Received(c, b"HTTP/1.1 200 x\r\n\r\n"));
        assert!(!String::from_utf8(bench.sent.clone()).unwrap().contains("uthorization"));
        bench.give(Input::Eof(c));
        bench.wake();
        bench.connected();
        assert!(String::from_utf8(bench.sent.clone()).unwrap().contains("\r\nProxy-Authorization: Basic YWxh"));
        // It is not taken: that is all there is to say.
        let c = bench.c();
        let failure = Failure::ProxyUnauthorized;
        let actions = bench.give(Input::Received(c, format!("{DEMAND}\r\n").as_bytes()));
        assert_eq!(actions[1], Output::Event(Event::AttemptFailed { connection: c.0, failure }));
    }
}

#[test]
fn the_way_through_a_proxy_has_its_timeout_and_its_ends() {
    for (input, failure) in [
        (None, Failure::HandshakeTimeout),
        (Some(Input::Eof(ConnectionId(1))), Failure::Closed),
        (Some(Input::Reset(ConnectionId(1))), Failure::Reset),
    ] {
        let mut bench = behind_the_hub("");
        bench.give(Input::Start);
        bench.connected();
        assert_eq!(bench.due, bench.now + Nanos::from_secs(5));
        let actions = match input {
            Some(input) => bench.give(input),
            None => bench.wake(),
        };
        assert!(actions.contains(&Output::Event(Event::AttemptFailed { connection: 1, failure })), "{actions:?}");
    }
}

/// One whose host gives it streams.
fn sharing(text: &str) -> Bench {
    Bench::new(&format!("mode = \"extended-connect\"\n{text}"))
}

fn begin_stream(bench: &mut Bench, number: u32) -> Vec<Action> {
    let c = bench.c();
    bench.give(Input::Stream(c, Some(number)))
}

#[test]
fn a_request_over_http2_leaves_when_there_is_a_stream_for_it() {
    let mut bench = sharing("");
    bench.give(Input::Start);
    let began = bench.now;
    bench.now = began + Nanos::from_millis(40);
    // TCP, TLS and SETTINGS are the host's matter; the handshake's time runs from TCP up.
    let timeout = Output::WakeAt(bench.now + Nanos::from_secs(5));
    assert_eq!(bench.connected(), [Output::Event(Event::Connected { connection: 1 }), timeout]);
    assert_eq!(bench.give(Input::Secured(ConnectionId(1), false)).len(), 1);
    assert_eq!(bench.sent, b"");
    let asked = begin_stream(&mut bench, 5);
    assert_eq!(asked[0], Output::Event(Event::StreamBegan { connection: 1, stream: 5 }));
    assert!(matches!(asked[1..], [Output::Transmit(ConnectionId(1), _)]));
    let request = crate::handshake::extended::read_request(&bench.sent).unwrap();
    assert_eq!((request.path, request.connect), ("/chat", true));
    assert!(opened(&bench.received(":status: 200\r\n\r\n")));
    // Frames are as ever, and so is the end of the stream.
    let mut ping = Vec::new();
    frame::write_ping(&mut ping, None);
    assert!(matches!(bench.received(&ping)[..], [Output::Transmit(..)]));
    let lost = bench.give(Input::Eof(ConnectionId(1)));
    assert_eq!(events(&lost)[0], Event::Lost { connection: 1, end: End::Fin });
}

#[test]
fn answers_over_http2_end_their_stream_only() {
    let mut bench = sharing("");
    bench.give(Input::Start);
    bench.connected();
    begin_stream(&mut bench, 1);
    let led = bench.received(":status: 307\r\nlocation: ws://gateway-1/b\r\n\r\n");
    assert!(led.contains(&Output::Close(ConnectionId(1), CloseMode::Fin)));
    assert_eq!((bench.c(), bench.endpoint()), (ConnectionId(2), 1));
    bench.connected();
    begin_stream(&mut bench, 1);
    assert_eq!(crate::handshake::extended::read_request(&bench.sent).unwrap().path, "/b");
    let busy = bench.received(":status: 503\r\nretry-after: 9\r\n\r\n");
    assert_eq!(failure(&busy), Failure::Rejected { status: 503, retry_after: Some(9) });
    bench.wake();
    bench.connected();
    let unable = bench.give(Input::Stream(bench.c(), None));
    assert_eq!(failure(&unable), Failure::Invalid(Error::NoExtendedConnect));
}

#[test]
fn who_finds_the_path_dead_says_so_of_more_than_its_stream() {
    for (text, how) in [("mode = \"extended-connect\"", CloseMode::Reset), ("", CloseMode::Fin)] {
        let mut bench = Bench::new(&format!("{text}\nheartbeat = {{ every = \"10s\", timeout = \"2s\" }}"));
        bench.give(Input::Start);
        bench.connected();
        if text.is_empty() {
            bench.received(bench.opening());
        } else {
            begin_stream(&mut bench, 1);
            bench.received(":status: 200\r\n\r\n");
        }
        bench.wake();
        let lost = bench.wake();
        assert_eq!(lost[0], Output::Close(ConnectionId(1), how));
        assert_eq!(events(&lost)[0], Event::Lost { connection: 1, end: End::Heartbeat });
    }
}

#[test]
fn who_waits_for_a_stream_has_a_timeout_too() {
    let mut bench = sharing("");
    bench.give(Input::Start);
    bench.connected();
    let late = bench.wake();
    assert_eq!(late[0], Output::Close(ConnectionId(1), CloseMode::Fin));
    assert_eq!(failure(&late), Failure::HandshakeTimeout);
    // A stream that comes too late is not used.
    assert_eq!(bench.give(Input::Stream(ConnectionId(1), Some(1))), []);
}

const RACE: &str = "race = { delay = \"250ms\" }";

fn closed(connection: u32) -> Action {
    Output::Close(ConnectionId(connection), CloseMode::Fin)
}

#[test]
fn the_first_address_that_answers_wins_the_race_and_the_rest_are_closed() {
    let mut bench = Bench::new(RACE);
    let began = bench.now;
    let soon = |bench: &Bench| Output::WakeAt(bench.now + Nanos::from_millis(250));
    let actions = bench.give(Input::Start);
    assert_eq!(actions[1..], [&bench.attempt(1, 0)[..], &[soon(&bench)]].concat());
    let raced = |connection, endpoint| {
        [
            Output::Event(Event::Raced { connection, endpoint }),
            Output::Open(ConnectionId(connection), EndpointId(endpoint)),
        ]
    };
    let actions = bench.wake();
    assert_eq!(actions, [&raced(2, 1)[..], &[soon(&bench)]].concat());
    // There is no fourth: what is next is the end of the first one's time.
    let actions = bench.wake();
    assert_eq!(actions, [&raced(3, 2)[..], &[Output::WakeAt(began + Nanos::from_secs(3))]].concat());
    let actions = bench.give(Input::Connected(ConnectionId(2)));
    assert_eq!(actions[..2], [closed(1), closed(3)]);
    let won = [Event::RaceWon { connection: 2, endpoint: 1 }, Event::Connected { connection: 2 }];
    assert_eq!(events(&actions), won);
    assert!(String::from_utf8_lossy(&bench.sent).contains("\r\nHost: gateway-1\r\n"));
    // What the others bring is for nobody.
    assert_eq!(bench.give(Input::Connected(ConnectionId(3))), []);
    assert_eq!(bench.give(Input::ConnectFailed(ConnectionId(1), ConnectError::TimedOut)), []);
    let opening = bench.opening();
    let actions = bench.give(Input::Received(ConnectionId(2), &opening));
    assert_eq!(events(&actions), [Event::Opened { connection: 2, endpoint: 1 }]);
    // No number is used twice.
    bench.give(Input::Reset(ConnectionId(2)));
    assert_eq!(events(&bench.wake())[0], Event::AttemptStarted { connection: 65, endpoint: 0 });
}

#[test]
fn the_address_that_was_tried_first_may_win_late() {
    let mut bench = Bench::new(RACE);
    bench.give(Input::Start);
    bench.wake();
    let actions = bench.give(Input::Connected(ConnectionId(1)));
    assert_eq!((&actions[0], events(&actions)), (&closed(2), vec![Event::Connected { connection: 1 }]));
    let opening = bench.opening();
    let actions = bench.give(Input::Received(ConnectionId(1), &opening));
    assert_eq!(events(&actions), [Event::Opened { connection: 1, endpoint: 0 }]);
}

#[test]
fn a_connect_that_fails_starts_the_next_at_once_and_the_last_one_fails_the_attempt() {
    let mut bench = Bench::new(RACE);
    bench.give(Input::Start);
    let refused = |bench: &mut Bench, c| bench.give(Input::ConnectFailed(ConnectionId(c), ConnectError::Refused));
    for (connection, endpoint) in [(2, 1), (3, 2)] {
        let lost = Event::RaceLost { connection: connection - 1, failure: Failure::Refused };
        let actions = refused(&mut bench, connection - 1);
        assert_eq!(events(&actions), [lost, Event::Raced { connection, endpoint }]);
    }
    assert_eq!(refused(&mut bench, 3), bench.failed(3, false, Failure::Refused));
    // Of two that are under way, one that fails leaves the other.
    assert_eq!(events(&bench.wake())[0], Event::AttemptStarted { connection: 65, endpoint: 1 });
    bench.wake();
    bench.wake();
    let lost = |connection| Event::RaceLost { connection, failure: Failure::Refused };
    assert_eq!(events(&refused(&mut bench, 66)), [lost(66)]);
    assert_eq!(events(&refused(&mut bench, 65)), [lost(65)]);
    assert_eq!(
        events(&bench.give(Input::Connected(ConnectionId(67))))[0],
        Event::RaceWon { connection: 67, endpoint: 0 }
    );
}

#[test]
fn each_connect_of_a_race_has_its_own_time_within_that_of_the_attempt() {
    let mut bench = Bench::new(&format!("{RACE}\nopen_timeout = \"3100ms\""));
    let began = bench.now;
    bench.give(Input::Start);
    bench.wake();
    bench.wake();
    let lost = |connection| Output::Event(Event::RaceLost { connection, failure: Failure::ConnectTimeout });
    let end = began + Nanos::from_millis(3_100);
    assert_eq!(bench.wake(), [closed(1), lost(1), Output::WakeAt(end)]);
    assert_eq!(bench.now, began + Nanos::from_secs(3));
    let actions = bench.wake();
    assert_eq!(bench.now, end);
    let last = bench.failed(3, true, Failure::ConnectTimeout);
    assert_eq!(actions, [&[closed(2), lost(2)], &last[..]].concat());
}

#[test]
fn a_race_has_no_more_connects_than_it_has_numbers() {
    let mut bench = by_name(RACE);
    bench.give(Input::Start);
    let addresses: Vec<EndpointId> = (0..70).map(|number| EndpointId(number % 3)).collect();
    bench.give(answer(1, &addresses));
    for connection in 1..64 {
        bench.give(Input::ConnectFailed(ConnectionId(connection), ConnectError::Refused));
    }
    let actions = bench.give(Input::ConnectFailed(ConnectionId(64), ConnectError::Refused));
    let failed = Event::AttemptFailed { connection: 64, failure: Failure::Refused };
    assert_eq!(events(&actions)[..2], [failed, Event::AttemptStarted { connection: 65, endpoint: 1 }]);
    assert_eq!(events(&bench.wake()), [Event::Raced { connection: 66, endpoint: 2 }]);
}
