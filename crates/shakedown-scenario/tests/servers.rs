//! Servers driven input by input, without a driver.

use proptest::prelude::*;
use proptest::sample::Index;
use shakedown_core::server::*;
use shakedown_scenario::Overrides;

use shakedown_core::handshake::client::{Answer, read_answer, write_request};
use shakedown_core::handshake::{Key, Mode};
use shakedown_core::http::{Directory, MAX_HEAD_BYTES, MAX_HEADERS};
use shakedown_core::machine::{CloseMode, ConnectError, ConnectionId, EndpointId, Input, Output};
use shakedown_core::rng::{Identity, Seed};
use shakedown_core::time::{Nanos, Timestamp};

const KEY: Key = Key(*b"dGhlIHNhbXBsZSBub25jZQ==");
/// The names in the directory; the server under test is the first, and whoever redirects does so to the others.
const NAMES: [&str; 4] = ["front-0", "gateway-0", "gateway-1", "gateway-2"];

type Action = Output<Event>;

fn ms(n: u64) -> Nanos {
    Nanos::from_millis(n)
}

/// One server and what a driver would keep for it.
struct Bench {
    plan: Plan,
    directory: Directory,
    server: Server,
    now: Timestamp,
    /// The pending wake-up.
    due: Timestamp,
    /// The bytes transmitted last.
    sent: Vec<u8>,
    /// All bytes transmitted.
    wire: Vec<u8>,
}

/// A group of a scenario with these ones, and with three servers to redirect to.
fn plan(group: &str, groups: &str) -> Plan {
    let text = format!(
        "format = 1\ntitle = 'Servers'\nduration = '1h'\n{groups}\n[servers.gateway]\ncount = 3\n\
         [clients.some]\ncount = 1\nendpoints = ['front']"
    );
    let scenario = shakedown_scenario::load("servers", "servers", &text, &Overrides::default());
    Plan::new(&scenario.unwrap_or_else(|problem| panic!("{problem}")).groups()[group])
}

impl Bench {
    /// A server of a group with these settings.
    fn new(text: &str) -> Bench {
        let plan = plan("front", &format!("[servers.front]\n{text}"));
        Bench {
            server: Server::new(&plan, Timestamp::ZERO),
            plan,
            directory: Directory::new(NAMES.map(String::from)),
            now: Timestamp::ZERO + Nanos::from_secs(60),
            due: Timestamp::NEVER,
            sent: Vec::new(),
            wire: Vec::new(),
        }
    }

    fn give(&mut self, input: Input<'_>) -> Vec<Action> {
        let mut out = Outputs::default();
        let cx = Context { seed: Seed(7), plan: &self.plan, directory: &self.directory, endpoint: EndpointId(0) };
        self.server.handle(&cx, self.now, input, &mut out);
        let mut transmitted = 0;
        for action in &out.actions {
            match *action {
                Output::Transmit(_, len) => transmitted += len as usize,
                Output::WakeAt(due) => self.due = due,
                _ => {}
            }
        }
        assert_eq!(transmitted, out.bytes.len(), "every byte belongs to a transmission");
        if transmitted > 0 {
            self.wire.extend_from_slice(&out.bytes);
            self.sent = out.bytes;
        }
        out.actions
    }

    fn pass(&mut self, time: Nanos) {
        self.now = self.now + time;
    }

    /// Lets the time pass that the pending wake-up is away, and gives it.
    fn wake(&mut self) -> Vec<Action> {
        assert_ne!(self.due, Timestamp::NEVER, "nothing is due");
        self.now = std::mem::replace(&mut self.due, Timestamp::NEVER);
        self.give(Input::Wake)
    }

    fn accept(&mut self, c: u32) -> Vec<Action> {
        // Each client draws for itself.
        self.give(Input::Accepted(ConnectionId(c), Identity(u64::from(c))))
    }

    fn received(&mut self, c: u32, bytes: impl AsRef<[u8]>) -> Vec<Action> {
        self.give(Input::Received(ConnectionId(c), bytes.as_ref()))
    }

    /// A new connection `c` asks for `path`.
    fn ask(&mut self, c: u32, path: &str) -> Vec<Action> {
        self.accept(c);
        self.received(c, request(Mode::Upgrade, path))
    }

    /// The status that a new connection is answered at once.
    fn status(&mut self, c: u32, path: &str) -> Option<u16> {
        answered(&self.ask(c, path)).first().map(|(_, status)| *status)
    }

    /// The `Location` of the redirect sent last.
    fn location(&self) -> &str {
        match self.answer() {
            Answer::Redirect { location: Some(location), .. } => location,
            other => panic!("{other:?} is no redirect"),
        }
    }

    /// What the bytes sent last mean to a client.
    fn answer(&self) -> Answer<'_> {
        let (answer, len) = read_answer(Mode::Upgrade, || KEY.accept(), &self.sent).unwrap().unwrap();
        assert_eq!(len, self.sent.len(), "an answer has no body");
        answer
    }

    /// The member that a new connection is sent to.
    fn sent_to(&mut self, c: u32) -> usize {
        self.ask(c, "/");
        let authority = self.location().strip_prefix("ws://").and_then(|rest| rest.strip_suffix("/")).unwrap();
        NAMES.iter().position(|name| *name == authority).unwrap()
    }
}

fn request(mode: Mode, path: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_request(&mut bytes, mode, "front-0", path, &KEY);
    bytes
}

/// Connection and status of each answer.
fn answered(actions: &[Action]) -> Vec<(u32, u16)> {
    let answer = |action: &Action| match action {
        Output::Event(Event::Answered { connection, status, .. }) => Some((*connection, *status)),
        _ => None,
    };
    actions.iter().filter_map(answer).collect()
}

/// Connection of each request that a worker took, and how long it had waited.
fn started(actions: &[Action]) -> Vec<(u32, Nanos)> {
    let start = |action: &Action| match action {
        Output::Event(Event::ServiceStarted { connection, waited, .. }) => Some((*connection, *waited)),
        _ => None,
    };
    actions.iter().filter_map(start).collect()
}

fn closed(c: u32) -> [Action; 2] {
    [Output::Close(ConnectionId(c), CloseMode::Fin), Output::Event(Event::Closed { connection: c })]
}

fn requested(connection: u32, queued: bool) -> Action {
    Output::Event(Event::Requested { connection, queued })
}

fn ends(c: u32) -> [Input<'static>; 2] {
    [Input::Eof(ConnectionId(c)), Input::Reset(ConnectionId(c))]
}

#[test]
fn a_request_is_served_and_opened() {
    let mut bench = Bench::new("service_time = '1ms'");
    assert_eq!(bench.accept(0), [Output::Event(Event::Accepted { connection: 0 })]);
    let asked = bench.received(0, request(Mode::Upgrade, "/"));
    let expected = [
        requested(0, false),
        Output::Event(Event::ServiceStarted { connection: 0, waited: Nanos::ZERO, queued: false }),
        Output::WakeAt(bench.now + ms(1)),
    ];
    assert_eq!(asked, expected);
    let served = bench.wake();
    let expected = [
        Output::Transmit(ConnectionId(0), bench.sent.len() as u32),
        Output::Event(Event::Answered { connection: 0, status: 101, served: ms(1) }),
    ];
    assert_eq!(served, expected);
    assert_eq!(bench.answer(), Answer::Open);
    // Data is nobody's concern.
    assert_eq!(bench.received(0, b"\x81\x80\0\0\0\0"), []);
    assert_eq!(bench.server.connections(), 1);
}

#[test]
fn service_that_takes_no_time_answers_at_once() {
    let mut bench = Bench::new("service_time = '0s'\nworkers = 1");
    for c in 0..3 {
        let expected = [
            requested(c, false),
            Output::Transmit(ConnectionId(c), 129),
            Output::Event(Event::Answered { connection: c, status: 101, served: Nanos::ZERO }),
        ];
        assert_eq!(bench.ask(c, "/"), expected);
    }
}

#[test]
fn a_frame_glued_to_a_request_that_opens_at_once_is_read() {
    let mut bench = Bench::new("service_time = '0s'");
    bench.accept(0);
    let ping = b"\x89\x80\0\0\0\0";
    bench.received(0, [&request(Mode::Upgrade, "/"), &ping[..]].concat());
    assert!(bench.wire.ends_with(b"\x8a\0"), "no pong");
}

#[test]
fn a_drawn_service_time_is_never_nothing() {
    let mut bench = Bench::new("service_time = { uniform = { min = '0s', max = '0s' } }");
    bench.ask(0, "/");
    assert_eq!(bench.due, bench.now + Nanos(1));
    assert_eq!(answered(&bench.wake()), [(0, 101)]);
}

#[test]
fn a_complete_transaction_is_opened_with_200() {
    let mut bench = Bench::new("service_time = '0s'");
    bench.accept(0);
    let actions = bench.received(0, request(Mode::FinalResponse, "/"));
    assert_eq!(answered(&actions), [(0, 200)]);
    let read = read_answer(Mode::FinalResponse, || KEY.accept(), &bench.sent);
    assert_eq!(read, Ok(Some((Answer::Open, bench.sent.len()))));
}

#[test]
fn a_rejection_has_its_status_and_retry_after_and_closes() {
    for (behavior, status, retry_after) in [
        ("{ kind = 'reject' }", 503, None),
        ("{ kind = 'reject', status = 401 }", 401, None),
        ("{ kind = 'reject', status = 429, retry_after = '120s' }", 429, Some(120)),
        ("{ kind = 'reject', retry_after = '0s' }", 503, Some(0)),
    ] {
        let mut bench = Bench::new(&format!("service_time = '1ms'\nbehavior = {behavior}"));
        bench.ask(0, "/");
        let actions = bench.wake();
        assert_eq!(bench.answer(), Answer::Rejected { status, retry_after });
        let mut expected = vec![
            Output::Transmit(ConnectionId(0), bench.sent.len() as u32),
            Output::Event(Event::Answered { connection: 0, status, served: ms(1) }),
        ];
        expected.extend(closed(0));
        assert_eq!(actions, expected);
        assert_eq!(bench.server.connections(), 0);
    }
}

#[test]
fn a_redirect_takes_every_form() {
    let asked = "/chat?room=2";
    for (settings, status, location) in [
        ("to = 'gateway'", 307, "ws://gateway-0/chat?room=2"),
        ("to = 'gateway', status = 301", 301, "ws://gateway-0/chat?room=2"),
        ("to = 'gateway', location = 'http'", 307, "http://gateway-0/chat?room=2"),
        ("to = 'gateway', path = '/lobby'", 307, "ws://gateway-0/lobby"),
        ("path = '/chat?room=2', location = 'relative'", 307, "/chat?room=2"),
        ("path = '/lobby'", 307, "/lobby"),
        ("path = '/lobby', location = 'relative'", 307, "/lobby"),
        ("path = '/lobby', location = 'ws'", 307, "ws://front-0/lobby"),
    ] {
        let behavior = format!("service_time = '0s'\nbehavior = {{ kind = 'redirect', {settings} }}");
        let mut bench = Bench::new(&behavior);
        let actions = bench.ask(0, asked);
        let redirect = Answer::Redirect { status, location: Some(location), retry_after: None, keep: false };
        assert_eq!(bench.answer(), redirect, "{settings}");
        assert_eq!(answered(&actions), [(0, status)], "{settings}");
        assert_eq!(actions[3..], closed(0), "{settings}");
    }
    let mut bench = Bench::new("service_time = '0s'\nbehavior = { kind = 'redirect', to = 'gateway' }");
    bench.ask(0, "/");
    assert_eq!(bench.location(), "ws://gateway-0/");
}

fn redirector(pick: &str) -> Bench {
    let behavior = format!("{{ kind = 'redirect', to = 'gateway', pick = '{pick}' }}");
    Bench::new(&format!("service_time = '0s'\nbehavior = {behavior}"))
}

#[test]
fn a_round_robin_redirect_takes_the_members_in_turn() {
    let mut bench = redirector("round-robin");
    let members = [0, 1, 2, 3, 4].map(|c| bench.sent_to(c));
    assert_eq!(members, [1, 2, 3, 1, 2]);
}

#[test]
fn a_random_redirect_depends_on_the_client_alone() {
    let members = |clients: [u32; 12]| {
        let mut bench = redirector("random");
        clients.map(|c| bench.sent_to(c))
    };
    let rising = members([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    let mut falling = members([11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
    falling.reverse();
    assert_eq!(rising, falling);
    assert!((1..4).all(|member| rising.contains(&member)), "{rising:?}");
}

#[test]
fn least_connections_goes_by_the_reports_and_by_what_was_sent_since() {
    let mut bench = redirector("least-connections");
    // Without any report: one after the other, as each one sent counts.
    assert_eq!([0, 1, 2, 3].map(|c| bench.sent_to(c)), [1, 2, 3, 1]);
    // Two more to the emptiest, then it is level with the next, and the first of equals is taken.
    bench.give(Input::Peers(&[Some(0), Some(9), Some(5), Some(3)]));
    assert_eq!([0, 1, 2, 3, 4].map(|c| bench.sent_to(c)), [3, 3, 2, 3, 2]);
    // A new report starts the count of those sent anew.
    bench.give(Input::Peers(&[Some(0), Some(9), Some(7), Some(6)]));
    assert_eq!([0, 1].map(|c| bench.sent_to(c)), [3, 2]);
}

#[test]
fn least_connections_takes_who_does_not_report_last() {
    let mut bench = redirector("least-connections");
    bench.give(Input::Peers(&[None, Some(900), None, Some(901)]));
    assert_eq!([0, 1, 2].map(|c| bench.sent_to(c)), [1, 1, 3]);
    bench.give(Input::Peers(&[None, None, None, None]));
    assert_eq!([0, 1, 2, 3].map(|c| bench.sent_to(c)), [1, 2, 3, 1]);
}

#[test]
fn reports_are_asked_for_as_often_as_the_hastiest_behavior_needs() {
    let every = |behavior: &str| Bench::new(&format!("behavior = {behavior}")).plan.report_every();
    let least = |every: &str| format!("{{ kind = 'redirect', to = 'gateway', pick = 'least-connections' {every} }}");
    assert_eq!(every("{ kind = 'accept' }"), None);
    assert_eq!(every("{ kind = 'redirect', to = 'gateway' }"), None);
    assert_eq!(every(&least("")), Some(ms(100)));
    let two = [least(", report_every = '2s', when = { path = '/x' }"), least(", report_every = '1s'")].join(", ");
    assert_eq!(every(&format!("[{two}]")), Some(Nanos::from_secs(1)));
}

#[test]
fn a_stalled_request_takes_no_worker_and_is_never_answered() {
    let mut bench = Bench::new(
        "service_time = '1ms'\nworkers = 1\nbehavior = [{ kind = 'stall', when = { path = '/s' } }, { kind = 'accept' }]",
    );
    assert_eq!(bench.ask(0, "/s"), [requested(0, false)]);
    assert_eq!(bench.due, Timestamp::NEVER);
    assert_eq!(bench.received(0, request(Mode::Upgrade, "/")), []);
    assert_eq!(started(&bench.ask(1, "/")), [(1, Nanos::ZERO)]);
    assert_eq!(answered(&bench.wake()), [(1, 101)]);
}

#[test]
fn the_first_behavior_that_applies_is_shown_and_else_the_server_accepts() {
    let mut bench = Bench::new(
        "service_time = '0s'
         behavior = [
             { kind = 'reject', status = 401, when = { path = '/a', until = '70s' } },
             { kind = 'reject', status = 404, when = { path = '/a' } },
             { kind = 'reject', status = 410, when = { path = '/b', after = '70s' } },
         ]",
    );
    let statuses = |bench: &mut Bench| ["/a", "/a?x", "/a/", "/b"].map(|path| bench.status(0, path).unwrap());
    assert_eq!(statuses(&mut bench), [401, 401, 101, 101]);
    // The moment itself belongs to what comes after it.
    bench.now = Timestamp(Nanos::from_secs(70).0 - 1);
    assert_eq!(statuses(&mut bench), [401, 401, 101, 101]);
    bench.now = Timestamp(Nanos::from_secs(70).0);
    assert_eq!(statuses(&mut bench), [404, 404, 101, 410]);
}

#[test]
fn a_share_of_the_clients_is_drawn_for_each_and_each_behavior_alone() {
    let rejects = |behavior: &str| {
        let mut bench = Bench::new(&format!("service_time = '0s'\nbehavior = {behavior}"));
        let clients = 0..2_000;
        clients.filter(|c| bench.status(*c, "/") == Some(503)).collect::<Vec<_>>()
    };
    let share = |share: &str| format!("{{ kind = 'reject', when = {{ share = '{share}' }} }}");
    assert_eq!(rejects(&share("0%")).len(), 0);
    assert_eq!(rejects(&share("100%")).len(), 2_000);
    // Five standard deviations of a binomial are 102.
    let some = rejects(&share("30%"));
    assert!((498..702).contains(&some.len()), "{}", some.len());
    // Common random numbers: who is struck at 30 % is struck at 40 %.
    let more = rejects(&share("40%"));
    assert!(some.iter().all(|c| more.contains(c)) && more.len() > some.len());
    // The second of a list draws for itself: of those that the first leaves, a third goes.
    let second = rejects(&format!("[{}, {}]", share("30%"), share("30%")));
    assert!((906..1_134).contains(&second.len()), "{}", second.len());
}

#[test]
fn requests_wait_for_a_worker_in_order() {
    let mut bench = Bench::new("service_time = '10ms'\nworkers = 2");
    let first = bench.now + ms(10);
    for c in 0..5 {
        let actions = bench.ask(c, "/");
        assert!(actions.contains(&requested(c, c >= 2)));
        // The earliest completion stays the one that is due.
        assert_eq!(bench.due, first);
        bench.pass(ms(1));
    }
    let actions = bench.wake();
    let expected = [
        Output::Transmit(ConnectionId(0), bench.sent.len() as u32),
        Output::Event(Event::Answered { connection: 0, status: 101, served: ms(10) }),
        Output::Event(Event::ServiceStarted { connection: 2, waited: ms(8), queued: true }),
        Output::WakeAt(first + ms(1)),
    ];
    assert_eq!(actions, expected);
    let actions = bench.wake();
    assert_eq!((answered(&actions), started(&actions)), (vec![(1, 101)], vec![(3, ms(8))]));
    assert_eq!(bench.due, first + ms(10));
    let actions = bench.wake();
    assert_eq!((answered(&actions), started(&actions)), (vec![(2, 101)], vec![(4, ms(16))]));
    assert_eq!(answered(&bench.wake()), [(3, 101)]);
    assert_eq!(answered(&bench.wake()), [(4, 101)]);
    assert_eq!((bench.now, bench.due), (first + ms(20), Timestamp::NEVER));
}

#[test]
fn workers_share_cores_and_what_is_done_speeds_up_the_rest() {
    let mut bench = Bench::new("service_time = '10ms'\nworkers = 3\ncores = 1");
    let begin = bench.now;
    bench.ask(0, "/");
    bench.pass(ms(4));
    for c in 1..4 {
        // Three are in progress at most, and share one core.
        assert!(bench.ask(c, "/").contains(&requested(c, c == 3)));
    }
    // 6 ms are left of the first, a third of the core each.
    assert_eq!(bench.due, begin + ms(4 + 18));
    assert_eq!(answered(&bench.wake()), [(0, 101)]);
    // 4 ms are left of both others; the one that waited has begun.
    assert_eq!(bench.due, begin + ms(22 + 12));
    assert_eq!(answered(&bench.wake()), [(1, 101), (2, 101)]);
    assert_eq!(bench.due, begin + ms(34 + 6));
    let actions = bench.wake();
    assert!(actions.contains(&Output::Event(Event::Answered { connection: 3, status: 101, served: ms(10) })));
    // All the time, one core was busy: 40 ms for four times 10 ms.
    assert_eq!((bench.now, bench.due), (begin + ms(40), Timestamp::NEVER));
}

#[test]
fn work_in_progress_slows_itself_down() {
    let mut bench = Bench::new("service_time = '10ms'\nslowdown = { contention = '100%' }");
    let begin = bench.now;
    bench.ask(0, "/");
    bench.ask(1, "/");
    // All of it is under one lock: two take as long as one after the other.
    assert_eq!(bench.due, begin + ms(20));
}

#[test]
fn work_done_at_the_same_moment_is_answered_in_the_order_it_was_begun() {
    let mut bench = Bench::new("service_time = '10ms'\nworkers = 8");
    let clients = [5, 0, 7, 3, 1, 6, 2, 4];
    for c in clients.into_iter().chain([9, 8]) {
        bench.ask(c, "/");
    }
    let actions = bench.wake();
    assert_eq!(answered(&actions), clients.map(|c| (c, 101)));
    assert_eq!(started(&actions), [(9, ms(10)), (8, ms(10))]);
    assert_eq!(bench.due, bench.now + ms(10));
    assert_eq!(answered(&bench.wake()), [(9, 101), (8, 101)]);
}

#[test]
fn a_short_job_that_comes_later_brings_the_wake_up_forward() {
    // Two clients whose drawn times differ enough for the later one to be done first.
    let settings = "service_time = { uniform = { min = '1ms', max = '1s' } }";
    let time = |c| {
        let mut bench = Bench::new(settings);
        bench.ask(c, "/");
        bench.due.since(bench.now)
    };
    let (slow, fast) = ((0..100).max_by_key(|c| time(*c)).unwrap(), (0..100).min_by_key(|c| time(*c)).unwrap());
    let mut bench = Bench::new(settings);
    let begin = bench.now;
    bench.ask(slow, "/");
    bench.pass(ms(1));
    bench.ask(fast, "/");
    assert_eq!(bench.due, begin + ms(1) + time(fast));
    assert_eq!(answered(&bench.wake()), [(fast, 101)]);
    assert_eq!(bench.due, begin + time(slow));
    assert_eq!(answered(&bench.wake()), [(slow, 101)]);
}

#[test]
fn a_wake_up_that_is_not_due_changes_nothing() {
    let mut bench = Bench::new("service_time = '10ms'");
    assert_eq!(bench.give(Input::Wake), []);
    bench.ask(0, "/");
    bench.pass(ms(10));
    bench.now = bench.now - Nanos(1);
    assert_eq!(bench.give(Input::Wake), []);
    assert_eq!(answered(&bench.wake()), [(0, 101)]);
    assert_eq!(bench.give(Input::Wake), []);
}

#[test]
fn one_connection_more_than_the_limit_is_answered_503() {
    let mut bench = Bench::new("service_time = '0s'\nconnections_max = 2");
    assert_eq!(bench.status(0, "/"), Some(101));
    // An idle connection counts as well.
    bench.accept(1);
    let actions = bench.ask(2, "/");
    let (reason, turn) = (Reason::ConnectionsMax, Turn::Reject);
    let mut expected = vec![
        requested(2, false),
        Output::Event(Event::TurnedAway { connection: 2, reason, turn, queued: false }),
        Output::Transmit(ConnectionId(2), bench.sent.len() as u32),
        Output::Event(Event::Answered { connection: 2, status: 503, served: Nanos::ZERO }),
    ];
    expected.extend(closed(2));
    assert_eq!(actions, expected);
    assert_eq!(bench.answer(), Answer::Rejected { status: 503, retry_after: None });
    // What was accepted within the limit keeps its place, and one that goes makes room.
    assert_eq!(answered(&bench.received(1, request(Mode::Upgrade, "/"))), [(1, 101)]);
    bench.give(Input::Eof(ConnectionId(0)));
    assert_eq!(bench.status(3, "/"), Some(101));
    assert_eq!(bench.status(4, "/"), Some(503));
}

#[test]
fn one_past_the_limit_needs_no_worker_to_be_told() {
    let mut bench = Bench::new("service_time = '10ms'\nworkers = 1\nconnections_max = 1");
    bench.ask(0, "/");
    assert_eq!(bench.status(1, "/"), Some(503));
    // And what is no request is told so first.
    bench.accept(2);
    assert_eq!(answered(&bench.received(2, "POST / HTTP/1.1\r\n\r\n")), [(2, 405)]);
}

#[test]
fn work_for_a_client_that_has_gone_is_wasted() {
    for queued in [false, true] {
        for end in ends(1) {
            let mut bench = Bench::new("service_time = '10ms'\nworkers = 1");
            if queued {
                bench.ask(0, "/");
            }
            bench.ask(1, "/");
            assert_eq!(bench.give(end), []);
            // It takes its place, and what it sends or ends once more changes nothing.
            assert_eq!(bench.server.connections(), 1 + u32::from(queued));
            assert_eq!(bench.received(1, request(Mode::Upgrade, "/")), []);
            assert!(ends(1).into_iter().all(|end| bench.give(end).is_empty()));
            if queued {
                assert_eq!(started(&bench.wake()), [(1, ms(10))]);
            }
            let mut expected = vec![Output::Event(Event::Wasted { connection: 1, served: ms(10) })];
            expected.extend(closed(1));
            assert_eq!(bench.wake(), expected);
            assert_eq!(bench.server.connections(), u32::from(queued));
        }
    }
}

#[test]
fn a_client_that_has_gone_takes_no_turn_of_a_redirect() {
    let mut bench = Bench::new("service_time = '1ms'\nbehavior = { kind = 'redirect', to = 'gateway' }");
    bench.ask(0, "/");
    bench.give(Input::Reset(ConnectionId(0)));
    bench.wake();
    bench.ask(1, "/");
    bench.wake();
    assert_eq!(bench.location(), "ws://gateway-0/");
}

#[test]
fn what_is_no_opening_request_is_answered_with_its_status_and_closed() {
    let valid = String::from_utf8(request(Mode::Upgrade, "/")).unwrap();
    let with = |fields: String| valid.replacen("\r\n", &format!("\r\n{fields}"), 1);
    for (bytes, status) in [
        ("\x16\x03\x01\x02".to_string(), 400),
        (valid.replace("HTTP/1.1", "HTTP/1.0"), 400),
        (valid.replace("Host: front-0\r\n", ""), 400),
        (valid.replace("Sec-WebSocket-Key", "Sec-WebSocket-Kay"), 400),
        (valid.replace("GET", "POST"), 405),
        (valid.replace("Version: 13", "Version: 8"), 426),
        (with("a: b\r\n".repeat(MAX_HEADERS)), 431),
        (with(format!("a: {}", "b".repeat(MAX_HEAD_BYTES))), 431),
    ] {
        let mut bench = Bench::new("service_time = '10ms'");
        bench.accept(0);
        let actions = bench.received(0, &bytes);
        assert_eq!(bench.answer(), Answer::Rejected { status, retry_after: None });
        let mut expected = vec![
            requested(0, false),
            Output::Transmit(ConnectionId(0), bench.sent.len() as u32),
            Output::Event(Event::Answered { connection: 0, status, served: Nanos::ZERO }),
        ];
        expected.extend(closed(0));
        assert_eq!(actions, expected, "{status}");
        assert_eq!(bench.received(0, &bytes), []);
    }
}

#[test]
fn a_connection_that_ends_is_closed_once_whatever_it_was_doing() {
    let settings = "service_time = '0s'\nconnections_max = 1\nbehavior = [
        { kind = 'stall', when = { path = '/stall' } },
        { kind = 'accept' },
    ]";
    type Doing = fn(&mut Bench);
    let doing: [(&str, Doing); 5] = [
        ("accepted", |bench| drop(bench.accept(3))),
        ("reading", |bench| drop((bench.accept(3), bench.received(3, "GET /")))),
        ("stalled", |bench| drop(bench.ask(3, "/stall"))),
        ("open", |bench| drop(bench.ask(3, "/"))),
        ("past the limit", |bench| drop((bench.accept(0), bench.accept(3)))),
    ];
    for (name, doing) in doing {
        for end in ends(3) {
            let mut bench = Bench::new(settings);
            doing(&mut bench);
            let before = bench.server.connections();
            assert_eq!(bench.give(end), closed(3), "{name}");
            assert_eq!(bench.server.connections(), before - 1, "{name}");
            // Late inputs, and those for numbers never heard of.
            for end in ends(3).into_iter().chain(ends(99)) {
                assert_eq!(bench.give(end), [], "{name}");
            }
            assert_eq!(bench.received(3, request(Mode::Upgrade, "/")), [], "{name}");
            assert_eq!(bench.received(99, "x"), [], "{name}");
        }
    }
}

#[test]
fn a_number_used_again_remembers_nothing() {
    let mut bench = Bench::new("service_time = '1ms'");
    bench.accept(0);
    bench.received(0, "POST / HTTP/1.1\r\nHost: a");
    bench.give(Input::Reset(ConnectionId(0)));
    bench.ask(0, "/");
    assert_eq!(answered(&bench.wake()), [(0, 101)]);
    bench.give(Input::Eof(ConnectionId(0)));
    bench.ask(0, "/");
    bench.give(Input::Eof(ConnectionId(0)));
    assert_eq!(bench.wake()[1..], closed(0));
    bench.ask(0, "/");
    assert_eq!(answered(&bench.wake()), [(0, 101)]);
    assert_eq!(bench.server.connections(), 1);
}

#[test]
fn inputs_of_clients_are_none_of_a_servers() {
    let mut bench = Bench::new("");
    bench.accept(0);
    for input in [Input::Start, Input::Admitted, Input::Connected(ConnectionId(0))] {
        assert_eq!(bench.give(input), []);
    }
}

/// What a client may send: a request of either kind, some bytes wrong, too long, others after the end.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let padded = |len: usize| {
        let valid = String::from_utf8(request(Mode::Upgrade, "/")).unwrap();
        let padding = format!("\r\nX: {}\r\n", "y".repeat(len - valid.len() - 5));
        valid.replacen("\r\n", &padding, 1).into_bytes()
    };
    let paths = prop::sample::select(vec!["/", "/chat?room=2", "/stall", "/away"]);
    let modes = prop::sample::select(vec![Mode::Upgrade, Mode::FinalResponse]);
    let requests = prop_oneof![
        6 => (modes, paths).prop_map(|(mode, path)| request(mode, path)),
        1 => (MAX_HEAD_BYTES - 2..MAX_HEAD_BYTES + 3).prop_map(padded),
        1 => (60usize..70).prop_map(|n| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(n)).into_bytes()),
    ];
    let edits = prop::collection::vec((any::<Index>(), any::<u8>()), 0..3);
    let after = prop::collection::vec(any::<u8>(), 0..9);
    (requests, edits, after).prop_map(|(mut bytes, edits, after)| {
        for (index, byte) in edits {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.extend(after);
        bytes
    })
}

proptest! {
    #[test]
    fn any_chunking_of_a_request_reads_and_answers_the_same(
        bytes in stream(),
        cuts in prop::collection::vec(any::<Index>(), 0..9),
        service_time in prop::sample::select(vec!["0s", "1ms"]),
        excess in any::<bool>(),
    ) {
        let read = |cuts: &[Index]| {
            let mut bench = Bench::new(&format!(
                "service_time = '{service_time}'
                 connections_max = 1
                 behavior = [
                     {{ kind = 'stall', when = {{ path = '/stall' }} }},
                     {{ kind = 'redirect', to = 'gateway', when = {{ path = '/away' }} }},
                 ]"
            ));
            if excess {
                bench.accept(7);
            }
            let mut actions = bench.accept(0);
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            places.extend([0, bytes.len()]);
            places.sort_unstable();
            for pair in places.windows(2) {
                actions.extend(bench.received(0, &bytes[pair[0]..pair[1]]));
            }
            if bench.due != Timestamp::NEVER {
                actions.extend(bench.wake());
            }
            (actions, bench.wire)
        };
        prop_assert_eq!(read(&cuts), read(&[]));
    }
}

#[test]
fn a_request_that_finds_the_queue_full_is_turned_away() {
    let limits = "service_time = '1ms'\nworkers = 1\nqueue_max = 1";
    let reset = [Output::Close(ConnectionId(2), CloseMode::Reset), Output::Event(Event::Closed { connection: 2 })];
    for (queue_full, turn, left) in [("drop", Turn::Drop, 3), ("reset", Turn::Reset, 2), ("reject", Turn::Reject, 2)] {
        let mut bench = Bench::new(&format!("{limits}\nqueue_full = '{queue_full}'"));
        bench.ask(0, "/");
        bench.ask(1, "/");
        let actions = bench.ask(2, "/");
        let away = Output::Event(Event::TurnedAway { connection: 2, reason: Reason::QueueFull, turn, queued: false });
        assert_eq!(actions[..2], [requested(2, false), away], "{queue_full}");
        match turn {
            Turn::Reset => assert_eq!(actions[2..], reset),
            Turn::Drop => assert_eq!(actions.len(), 2),
            _ => assert_eq!((answered(&actions), &actions[4..]), (vec![(2, 503)], &closed(2)[..])),
        }
        assert_eq!(bench.server.connections(), left);
        assert_eq!([answered(&bench.wake()), answered(&bench.wake())], [[(0, 101)], [(1, 101)]]);
    }
}

#[test]
fn without_a_queue_a_request_finds_a_worker_or_nothing() {
    let mut bench = Bench::new("service_time = '1ms'\nworkers = 2\nqueue_max = 0");
    let statuses = [0, 1, 2].map(|c| bench.status(c, "/"));
    assert_eq!(statuses, [None, None, Some(503)]);
    bench.wake();
    assert_eq!(bench.status(3, "/"), None);
}

#[test]
fn the_newest_request_is_taken_first_from_a_lifo_queue() {
    let mut bench = Bench::new("service_time = '1ms'\nworkers = 1\nqueue = 'lifo'");
    (0..4).for_each(|c| drop(bench.ask(c, "/")));
    let order: Vec<_> = (0..4).flat_map(|_| answered(&bench.wake())).map(|(c, _)| c).collect();
    assert_eq!(order, [0, 3, 2, 1]);
}

#[test]
fn a_request_that_waited_past_the_deadline_costs_no_work() {
    let mut bench = Bench::new("service_time = '10ms'\nworkers = 1\nqueue = { deadline = '15ms' }");
    (0..4).for_each(|c| drop(bench.ask(c, "/")));
    bench.give(Input::Eof(ConnectionId(3)));
    assert_eq!(answered(&bench.wake()), [(0, 101)]);
    // The second has waited 10 ms and is served; the third and fourth have waited 20 ms by then.
    let actions = bench.wake();
    assert_eq!(answered(&actions), [(1, 101), (2, 503)]);
    let expired = |connection| Output::Event(Event::Expired { connection, waited: ms(20) });
    assert!(actions.contains(&expired(2)) && actions.contains(&expired(3)));
    assert!(actions.ends_with(&closed(3)), "{actions:?}");
    assert_eq!((started(&actions), bench.server.connections()), (vec![], 2));
}

#[test]
fn overflow_is_turned_away_as_configured() {
    let limits = "service_time = '0s'\nconnections_max = 1\nwhen_full";
    let mut bench = Bench::new(&format!("{limits} = 'redirect'\noverflow_to = ['gateway-0', 'gateway-1']"));
    assert_eq!(bench.status(0, "/"), Some(101));
    assert_eq!(bench.status(1, "/chat"), Some(307));
    assert_eq!(bench.location(), "ws://gateway-0/chat");
    assert_eq!(bench.sent_to(1), 2);

    let mut bench = Bench::new(&format!("{limits} = 'drop'"));
    bench.ask(0, "/");
    let turn = Turn::Drop;
    let reason = Reason::ConnectionsMax;
    let away = Output::Event(Event::TurnedAway { connection: 1, reason, turn, queued: false });
    assert_eq!(bench.ask(1, "/"), [requested(1, false), away]);
    // One that hangs takes up no place.
    bench.give(Input::Eof(ConnectionId(0)));
    assert_eq!((bench.status(0, "/"), bench.server.connections()), (Some(101), 2));
    assert_eq!(bench.give(Input::Eof(ConnectionId(1))), closed(1));
    assert_eq!(bench.status(1, "/"), None);
}

/// The work that the last worker to start has before it.
fn work(bench: &Bench) -> Nanos {
    bench.due.since(bench.now)
}

#[test]
fn each_kind_of_work_has_its_price() {
    let prices = "service_time = '1ms'\naccept_time = '10ms'\nauth_time = '100ms'";
    let reject = "behavior = { kind = 'reject' }";
    for (settings, total) in [
        (prices.to_string(), 111),
        (format!("{prices}\n{reject}"), 10),
        // Without a price of its own for every request, they all cost the same.
        (format!("service_time = '1ms'\nauth_time = '2ms'\n{reject}"), 1),
    ] {
        let mut bench = Bench::new(&settings);
        bench.ask(0, "/");
        assert_eq!(work(&bench), ms(total), "{settings}");
    }
}

#[test]
fn a_process_is_slower_until_it_is_warm() {
    let mut bench = Bench::new("service_time = '1ms'\nwarm_up = { for = '10s', factor = 4 }");
    bench.server = Server::new(&bench.plan, bench.now);
    bench.ask(0, "/");
    assert_eq!(work(&bench), ms(4));
    bench.wake();
    bench.now = bench.now + Nanos::from_secs(10);
    bench.ask(1, "/");
    assert_eq!(work(&bench), ms(1));
}

#[test]
fn requests_over_the_servers_rate_are_rejected_until_tokens_come() {
    let mut bench = Bench::new("service_time = '0s'\naccept_rate = { rate = '10/s', burst = 2 }");
    let statuses = [0, 1, 2].map(|c| bench.status(c, "/"));
    assert_eq!(statuses, [Some(101), Some(101), Some(503)]);
    bench.pass(ms(100));
    assert_eq!([2, 3].map(|c| bench.status(c, "/")), [Some(101), Some(503)]);
    // It never holds more than it can.
    bench.pass(Nanos::from_secs(60));
    assert_eq!([3, 4, 5].map(|c| bench.status(c, "/")), [Some(101), Some(101), Some(503)]);
}

#[test]
fn an_address_over_its_rate_hears_when_to_come_again() {
    let mut bench = Bench::new("service_time = '0s'\naddress_rate = { rate = '24/m', burst = 1 }");
    let from = |bench: &mut Bench, c, address| {
        bench.server.comes_from(ConnectionId(c), Identity(address));
        bench.status(c, "/")
    };
    assert_eq!([from(&mut bench, 0, 1), from(&mut bench, 1, 2)], [Some(101); 2]);
    assert_eq!(from(&mut bench, 2, 1), Some(429));
    // A token takes 2.5 s.
    assert_eq!(bench.answer(), Answer::Rejected { status: 429, retry_after: Some(3) });
    bench.pass(ms(2500));
    assert_eq!(from(&mut bench, 2, 1), Some(101));
}

#[test]
fn requests_over_a_rate_may_wait_for_their_turn() {
    let mut bench = Bench::new(
        "service_time = '1ms'\nworkers = 1\nqueue_max = 0\naccept_rate = { rate = '10/s', burst = 1 }\nover_rate = 'wait'",
    );
    bench.ask(0, "/");
    let held = bench.ask(1, "/");
    let expected = [
        requested(1, true),
        Output::Event(Event::HeldBack { connection: 1, reason: Reason::AcceptRate, delay: ms(100) }),
    ];
    assert_eq!(held, expected);
    assert_eq!(
        bench.ask(2, "/")[1],
        Output::Event(Event::HeldBack { connection: 2, reason: Reason::AcceptRate, delay: ms(200) })
    );
    assert_eq!(answered(&bench.wake()), [(0, 101)]);
    assert_eq!(started(&bench.wake()), [(1, ms(100))]);
    assert_eq!(answered(&bench.wake()), [(1, 101)]);
    // Who waited finds a worker or, like anyone else, a full queue; and who has gone meanwhile needs no answer.
    assert_eq!(started(&bench.wake()), [(2, ms(200))]);
    bench.wake();
    let mut bench = Bench::new(
        "service_time = '1s'\nworkers = 1\nqueue_max = 0\naccept_rate = { rate = '10/s', burst = 1 }\nover_rate = 'wait'",
    );
    (0..3).for_each(|c| drop(bench.ask(c, "/")));
    bench.give(Input::Reset(ConnectionId(2)));
    let (reason, turn) = (Reason::QueueFull, Turn::Reject);
    let full = |connection| Output::Event(Event::TurnedAway { connection, reason, turn, queued: true });
    let actions = bench.wake();
    assert_eq!((actions[0], answered(&actions)), (full(1), vec![(1, 503)]));
    let actions = bench.wake();
    assert_eq!((actions[0], answered(&actions), &actions[1..3]), (full(2), vec![], &closed(2)[..]));
}

#[test]
fn requests_over_a_rate_may_be_left_unanswered() {
    let mut bench = Bench::new("service_time = '0s'\naccept_rate = { rate = '10/s', burst = 1 }\nover_rate = 'drop'");
    assert_eq!([0, 1].map(|c| bench.status(c, "/")), [Some(101), None]);
    assert_eq!((bench.due, bench.server.connections()), (Timestamp::NEVER, 2));
}

#[test]
fn a_connection_that_sends_no_whole_request_is_closed() {
    let mut bench = Bench::new("service_time = '1s'\nhandshake_timeout = '5s'");
    (0..3).for_each(|c| drop(bench.accept(c)));
    bench.received(0, "GET / HTTP/1.1\r\n");
    bench.received(2, request(Mode::Upgrade, "/"));
    assert_eq!(answered(&bench.wake()), [(2, 101)]);
    // A number that is used again has all of its time anew.
    bench.give(Input::Eof(ConnectionId(1)));
    bench.accept(1);
    let actions = bench.wake();
    assert_eq!(actions[0], Output::Event(Event::TimedOut { connection: 0 }));
    assert_eq!(bench.answer(), Answer::Rejected { status: 408, retry_after: None });
    assert_eq!(answered(&actions), [(0, 408)]);
    let actions = bench.wake();
    assert_eq!(actions[0], Output::Event(Event::TimedOut { connection: 1 }));
    assert_eq!(actions[1..], closed(1));
    assert_eq!((bench.due, bench.server.connections()), (Timestamp::NEVER, 1));
}

/// Has the server do something beside its inputs.
fn act(bench: &mut Bench, act: impl FnOnce(&mut Server, &Context<'_, Plan>, Timestamp, &mut Outputs)) -> Vec<Action> {
    let mut out = Outputs::default();
    let cx = Context { seed: Seed(7), plan: &bench.plan, directory: &bench.directory, endpoint: EndpointId(0) };
    act(&mut bench.server, &cx, bench.now, &mut out);
    let due = out.actions.iter().rev().find_map(|action| match action {
        Output::WakeAt(due) => Some(*due),
        _ => None,
    });
    bench.due = due.unwrap_or(bench.due);
    out.actions
}

#[test]
fn a_drain_spreads_its_close_frames_and_opens_nothing_new() {
    let mut bench = Bench::new("service_time = '0s'");
    (0..4).for_each(|c| drop(bench.ask(c, "/")));
    let away = |connection| Output::Event(Event::GoingAway { connection, code: 1012 });
    let began = act(&mut bench, |server, cx, now, out| server.drain(cx, now, 1012, ms(400), out));
    assert_eq!(began[..2], [away(0), Output::Transmit(ConnectionId(0), 4)]);
    assert_eq!(bench.due, bench.now + ms(100));
    assert_eq!(bench.status(4, "/"), Some(503));
    assert_eq!(bench.wake()[0], away(1));
    assert_eq!(bench.sent, [0x88, 2, 0x03, 0xf4]);
    // The client's close frame is awaited, and not answered again.
    assert_eq!(bench.received(1, b"\x88\x82\0\0\0\0\x03\xf4"), closed(1));
    // Whoever has gone by itself needs no frame.
    bench.give(Input::Eof(ConnectionId(2)));
    assert_eq!(bench.wake(), [Output::WakeAt(bench.now + ms(100))]);
    assert_eq!(bench.wake()[0], away(3));
    act(&mut bench, |server, cx, _, out| server.resume(cx, out));
    assert_eq!(bench.status(5, "/"), Some(101));
}

#[test]
fn a_request_that_is_served_while_the_server_drains_is_not_opened() {
    let mut bench = Bench::new("service_time = '1ms'");
    bench.ask(0, "/");
    act(&mut bench, |server, cx, now, out| server.drain(cx, now, 1001, ms(400), out));
    let actions = bench.wake();
    assert_eq!((answered(&actions), bench.server.connections()), (vec![(0, 503)], 0));
}

#[test]
fn a_slow_server_takes_longer_for_what_it_begins() {
    let mut bench = Bench::new("service_time = '1ms'");
    bench.server.slow_down(Some(5.0));
    bench.ask(0, "/");
    assert_eq!(work(&bench), ms(5));
    bench.wake();
    bench.server.slow_down(None);
    bench.ask(1, "/");
    assert_eq!(work(&bench), ms(1));
}

/// A member of a group with TLS, whose full handshakes take 3 ms and others 1 ms.
const SECURE: &str = "workers = 1\nservice_time = '0s'\ntls = '1.3'\ntls_cost = '3ms'\ntls_resumed_cost = '1ms'\n";

impl Bench {
    /// A new connection `c` begins TLS.
    fn greet(&mut self, c: u32, resumed: bool) -> Vec<Action> {
        self.accept(c);
        self.give(Input::Hello(ConnectionId(c), resumed))
    }
}

#[test]
fn a_handshake_is_work_before_the_request_is() {
    for (resumed, work) in [(false, 3), (true, 1)] {
        let mut bench = Bench::new(SECURE);
        let began = bench.greet(0, resumed);
        assert_eq!(
            began[..2],
            [
                Output::Event(Event::Hello { connection: 0, resumed, queued: false }),
                Output::Event(Event::ServiceStarted { connection: 0, waited: Nanos::ZERO, queued: false }),
            ]
        );
        // Nothing can be read yet, and a second ClientHello is none.
        assert_eq!(bench.received(0, request(Mode::Upgrade, "/")), []);
        assert_eq!(bench.give(Input::Hello(ConnectionId(0), false)), []);
        let due = bench.due;
        assert_eq!(due, bench.now + ms(work));
        let done = bench.wake();
        let answered = Output::Event(Event::HelloAnswered { connection: 0, served: ms(work) });
        assert_eq!(done[..2], [answered, Output::StartTls(ConnectionId(0), EndpointId(0))]);
        let opened = bench.received(0, request(Mode::Upgrade, "/"));
        assert!(opened.contains(&Output::Event(Event::Answered { connection: 0, status: 101, served: Nanos::ZERO })));
    }
}

#[test]
fn a_client_that_goes_during_tls_costs_all_the_same() {
    let mut bench = Bench::new(SECURE);
    bench.greet(0, false);
    bench.greet(1, false);
    assert_eq!(bench.give(Input::Eof(ConnectionId(1))), []);
    assert_eq!(bench.give(Input::Reset(ConnectionId(0))), []);
    for connection in 0..2 {
        let done = bench.wake();
        assert_eq!(done[0], Output::Event(Event::Wasted { connection, served: ms(3) }));
        assert!(!done.iter().any(|action| matches!(action, Output::StartTls(..))));
    }
    assert_eq!(bench.server.connections(), 0);
    // One that goes before it said anything costs nothing.
    bench.accept(2);
    let gone = bench.give(Input::Eof(ConnectionId(2)));
    assert_eq!(gone[0], Output::Close(ConnectionId(2), CloseMode::Fin));
}

#[test]
fn a_handshake_that_waited_too_long_ends_without_a_word() {
    let mut bench = Bench::new(&format!("{SECURE}queue = {{ deadline = '2ms' }}"));
    bench.greet(0, false);
    bench.greet(1, false);
    let done = bench.wake();
    assert!(done.contains(&Output::Event(Event::Expired { connection: 1, waited: ms(3) })));
    assert!(done.contains(&Output::Close(ConnectionId(1), CloseMode::Fin)));
    assert!(bench.sent.is_empty(), "no HTTP without TLS");
}

#[test]
fn a_drained_server_says_so_over_tls() {
    let mut bench = Bench::new(SECURE);
    bench.greet(0, false);
    let cx = Context { seed: Seed(7), plan: &bench.plan, directory: &bench.directory, endpoint: EndpointId(0) };
    bench.server.drain(&cx, bench.now, 1001, ms(10), &mut Outputs::default());
    assert!(bench.wake().contains(&Output::StartTls(ConnectionId(0), EndpointId(0))));
    let refused = bench.received(0, request(Mode::Upgrade, "/"));
    let reason = Reason::Draining;
    assert!(refused.contains(&Output::Event(Event::TurnedAway {
        connection: 0,
        reason,
        turn: Turn::Reject,
        queued: false
    })));
    assert!(bench.sent.starts_with(b"HTTP/1.1 503"));
}

#[test]
fn a_client_that_is_silent_before_or_after_tls_is_dropped() {
    let mut bench = Bench::new(&format!("{SECURE}handshake_timeout = '1s'"));
    bench.accept(0);
    assert_eq!(bench.due, bench.now + ms(1_000));
    assert!(bench.wake().contains(&Output::Close(ConnectionId(0), CloseMode::Fin)));
    bench.greet(1, false);
    bench.wake();
    assert_eq!(bench.due, bench.now + ms(1_000), "anew from the server's flight");
    let timed_out = bench.wake();
    assert_eq!(timed_out[0], Output::Event(Event::TimedOut { connection: 1 }));
    assert!(bench.sent.is_empty());
}

#[test]
fn weights_say_how_often_each_target_comes_up_and_spread_it_evenly() {
    let mut bench = redirector("weighted', weights = { gateway-0 = 5 }, location = 'ws");
    // The sequence that nginx's documentation of the algorithm gives for 5, 1, 1: a a b a c a a.
    let sent: Vec<usize> = (0..14).map(|c| bench.sent_to(c)).collect();
    assert_eq!(sent, [1, 1, 2, 1, 3, 1, 1, 1, 1, 2, 1, 3, 1, 1]);
}

#[test]
fn a_redirect_may_ask_to_wait_first() {
    let behavior = "{ kind = 'redirect', to = 'gateway', retry_after = '7s' }";
    let mut bench = Bench::new(&format!("service_time = '0s'\nbehavior = {behavior}"));
    bench.ask(0, "/");
    let location = Some("ws://gateway-0/");
    assert_eq!(bench.answer(), Answer::Redirect { status: 307, location, retry_after: Some(7), keep: false });
}

/// A forward proxy with these keys.
fn proxy(text: &str) -> Bench {
    let mut bench = Bench::new("");
    bench.plan = plan("out", &format!("[servers.front]\n[proxies.out]\nservice_time = '0s'\n{text}"));
    bench.server = Server::new(&bench.plan, Timestamp::ZERO);
    bench
}

const CONNECT: &[u8] = b"CONNECT gateway-0:80 HTTP/1.1\r\nHost: gateway-0:80\r\n\r\n";
const CLIENT: ConnectionId = ConnectionId(0);

#[test]
fn a_proxy_answers_once_the_target_is_up_and_then_passes_on_what_comes() {
    let mut proxy = proxy("");
    proxy.accept(0);
    // In pieces.
    assert_eq!(proxy.received(0, &CONNECT[..20]), []);
    let own = ConnectionId::own(0);
    assert!(proxy.received(0, &CONNECT[20..]).contains(&Output::Open(own, EndpointId(1))));
    assert_eq!(proxy.wire, b"");
    // What a client says too early waits.
    assert_eq!(proxy.received(0, b"early"), []);
    let actions = proxy.give(Input::Connected(own));
    assert_eq!(actions[0], Output::Transmit(CLIENT, 19));
    assert!(actions.contains(&Output::Transmit(own, 5)), "{actions:?}");
    assert_eq!(proxy.wire, b"HTTP/1.1 200 OK\r\n\r\nearly");
    assert_eq!(proxy.received(0, b"up"), [Output::Transmit(own, 2)]);
    assert_eq!(proxy.give(Input::Received(own, b"down")), [Output::Transmit(CLIENT, 4)]);
    let actions = proxy.give(Input::Eof(own));
    let closed = Output::Event(Event::Closed { connection: 0 });
    assert_eq!(actions[..3], [Output::Close(own, CloseMode::Fin), Output::Close(CLIENT, CloseMode::Fin), closed]);
    // What comes too late is for nobody.
    assert_eq!(proxy.give(Input::Received(own, b"late")), []);
    assert_eq!(proxy.server.connections(), 0);
    // The next one ends at the client's end.
    proxy.accept(0);
    proxy.received(0, CONNECT);
    let own = ConnectionId::own(1);
    proxy.give(Input::Connected(own));
    let actions = proxy.give(Input::Reset(CLIENT));
    assert_eq!(actions[..2], [Output::Close(own, CloseMode::Reset), Output::Close(CLIENT, CloseMode::Reset)]);
}

#[test]
fn a_proxy_keeps_little_of_what_is_said_before_the_target_is_up() {
    let mut proxy = proxy("");
    proxy.accept(0);
    proxy.received(0, CONNECT);
    assert_eq!(proxy.received(0, [0; 64 * 1024]), []);
    let actions = proxy.received(0, [0]);
    assert_eq!(
        actions[..2],
        [Output::Close(ConnectionId::own(0), CloseMode::Reset), Output::Close(CLIENT, CloseMode::Reset)]
    );
}

#[test]
fn a_proxy_says_why_there_is_no_tunnel() {
    let own = ConnectionId::own(0);
    let status = |wire: &[u8]| String::from_utf8_lossy(wire).split(' ').nth(1).map(String::from).unwrap_or_default();
    for (why, said) in [(ConnectError::Refused, "502"), (ConnectError::TimedOut, "504")] {
        let mut proxy = proxy("");
        proxy.accept(0);
        proxy.received(0, CONNECT);
        let actions = proxy.give(Input::ConnectFailed(own, why));
        assert_eq!(status(&proxy.wire), said);
        assert!(actions.contains(&Output::Close(CLIENT, CloseMode::Fin)));
    }
    let mut silent = proxy("connect_timeout = '3s'");
    silent.accept(0);
    silent.received(0, CONNECT);
    assert_eq!(silent.due, silent.now + ms(3_000));
    assert!(silent.wake().contains(&Output::Close(own, CloseMode::Fin)));
    assert_eq!((status(&silent.wire), silent.due), ("504".into(), Timestamp::NEVER));
    for (request, said) in [
        (&b"CONNECT nowhere:80 HTTP/1.1\r\nHost: nowhere\r\n\r\n"[..], "502"),
        (b"CONNECT gateway-0 HTTP/1.1\r\nHost: gateway-0\r\n\r\n", "400"),
        (b"CONNECT gateway-0:80 HTTP/1.0\r\n\r\n", "400"),
        (b"GET http://gateway-0/ HTTP/1.1\r\nHost: gateway-0\r\n\r\n", "405"),
        (b"nonsense\r\n\r\n", "400"),
    ] {
        let mut proxy = proxy("");
        proxy.accept(0);
        proxy.received(0, request);
        assert_eq!(status(&proxy.wire), said, "{}", String::from_utf8_lossy(request));
    }
    let mut closed = proxy("reject = 403");
    closed.accept(0);
    closed.received(0, CONNECT);
    assert_eq!(status(&closed.wire), "403");
}

#[test]
fn a_proxy_demands_credentials_on_the_same_connection_unless_it_closes_that() {
    const LOGIN: &str = "credentials = { user = 'aladdin', password = 'open sesame' }";
    let right =
        b"CONNECT gateway-0:80 HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic YWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n";
    // Those for the server are not those for the proxy.
    let misplaced =
        b"CONNECT gateway-0:80 HTTP/1.1\r\nHost: x\r\nAuthorization: Basic YWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n";
    let mut kept = proxy(LOGIN);
    kept.accept(0);
    for request in [CONNECT, misplaced] {
        let actions = kept.received(0, request);
        assert!(!actions.iter().any(|action| matches!(action, Output::Close(..))), "{actions:?}");
        let said = String::from_utf8_lossy(&kept.sent).into_owned();
        assert!(
            said.starts_with("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="),
            "{said}"
        );
        assert!(said.ends_with("\r\nContent-Length: 0\r\n\r\n") && !said.contains("close"), "{said}");
    }
    assert!(kept.received(0, right).contains(&Output::Open(ConnectionId::own(0), EndpointId(1))));
    let mut closed = proxy(&format!("{LOGIN}\nkeep_alive = false"));
    closed.accept(0);
    assert!(closed.received(0, CONNECT).contains(&Output::Close(CLIENT, CloseMode::Fin)));
    assert!(String::from_utf8_lossy(&closed.sent).contains("Connection: close"));
}

/// A connection `on` of HTTP/2, and a stream `c` on it that asks for `path`.
fn ask_by_stream(bench: &mut Bench, on: u32, c: u32, path: &str) -> Vec<Action> {
    let mut fields = Vec::new();
    shakedown_core::handshake::extended::write_request(&mut fields, false, "front-0", path, None);
    let opened = bench.give(Input::StreamOpened(ConnectionId(c), ConnectionId(on), Identity(u64::from(c))));
    assert_eq!(opened, [Output::Event(Event::StreamOpened { connection: c, on })]);
    bench.received(c, fields)
}

fn shared(text: &str) -> Bench {
    let mut bench = Bench::new(text);
    bench.accept(0);
    assert!(matches!(bench.give(Input::Preface(ConnectionId(0)))[..], [Output::Transmit(ConnectionId(0), _)]));
    bench
}

fn stream_closed(c: u32) -> [Action; 2] {
    [Output::Close(ConnectionId(c), CloseMode::Fin), Output::Event(Event::StreamClosed { connection: c })]
}

#[test]
fn a_preface_is_answered_with_settings() {
    use shakedown_core::h2::Frame;
    let bench = shared("streams_max = 7");
    assert_eq!(Frame::read(&bench.sent), Some(Frame::Settings { extended_connect: true, streams_max: 7 }));
    let bench = shared("extended_connect = false");
    assert_eq!(Frame::read(&bench.sent), Some(Frame::Settings { extended_connect: false, streams_max: 100 }));
    // EventText twice, it means nothing.
    let mut bench = shared("");
    assert_eq!(bench.give(Input::Preface(ConnectionId(0))), []);
}

#[test]
fn streams_are_answered_like_connections_and_count_for_none() {
    let mut bench = shared("service_time = \"0s\"");
    let answers = ask_by_stream(&mut bench, 0, 1, "/");
    assert_eq!(answered(&answers), [(1, 200)]);
    assert_eq!(bench.sent, b"HTTP/1.1 200 OK\r\n\r\n");
    ask_by_stream(&mut bench, 0, 2, "/");
    assert_eq!(bench.server.connections(), 1);
    let mut ping = Vec::new();
    shakedown_core::frame::write_ping(&mut ping, Some([1, 2, 3, 4]));
    assert!(matches!(bench.received(2, &ping)[..], [Output::Transmit(ConnectionId(2), _)]));
    assert_eq!(bench.give(Input::Eof(ConnectionId(1))), stream_closed(1));
    assert_eq!(bench.give(Input::Reset(ConnectionId(2))), stream_closed(2));
    assert_eq!(bench.server.connections(), 1);
    assert_eq!(bench.give(Input::Eof(ConnectionId(0))), closed(0));
    assert_eq!(bench.server.connections(), 0);
    // What is refused ends its stream.
    let mut bench = shared("service_time = \"0s\"\nbehavior = { kind = \"reject\", status = 403 }");
    let refused = ask_by_stream(&mut bench, 0, 1, "/");
    assert_eq!((answered(&refused), refused.ends_with(&stream_closed(1))), (vec![(1, 403)], true));
}

#[test]
fn a_drain_tells_connections_of_streams_to_go_away() {
    use shakedown_core::h2::Frame;
    let mut bench = shared("service_time = \"0s\"");
    ask_by_stream(&mut bench, 0, 1, "/");
    bench.wire.clear();
    let mut out = Outputs::default();
    let (plan, directory) = (&bench.plan, &bench.directory);
    let cx = Context { seed: Seed(7), plan, directory, endpoint: EndpointId(0) };
    bench.server.drain(&cx, bench.now, 1001, Nanos::ZERO, &mut out);
    assert!(matches!(out.actions[0], Output::Transmit(ConnectionId(0), _)));
    assert_eq!(Frame::read(&out.bytes[..17]), Some(Frame::GoAway));
    assert_eq!(out.actions[1], Output::Event(Event::GoingAway { connection: 1, code: 1001 }));
    // A request that crosses it is answered, and so is a preface.
    assert_eq!(answered(&ask_by_stream(&mut bench, 0, 2, "/")), [(2, 503)]);
    bench.accept(3);
    bench.give(Input::Preface(ConnectionId(3)));
    assert_eq!(Frame::read(&bench.sent[21..]), Some(Frame::GoAway));
}

#[test]
fn a_server_with_tls_takes_an_offer_and_insists_on_one() {
    let mut bench = Bench::new("service_time = '0s'\ntls = '1.3'\ntls_cost = '0s'");
    let c = ConnectionId(0);
    let offer = request(Mode::TlsUpgrade, "/chat");
    bench.accept(0);
    assert_eq!(bench.received(0, &offer[..30]), []);
    bench.received(0, &offer[30..]);
    assert!(bench.sent.starts_with(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: TLS/1.3, HTTP/1.1\r\n"));
    let actions = bench.give(Input::Hello(c, false));
    assert!(actions.contains(&Output::StartTls(c, EndpointId(0))), "{actions:?}");
    // The request is answered once TLS is up.
    let actions = bench.give(Input::Secured(c, false));
    assert!(actions.contains(&Output::Event(Event::Answered { connection: 0, status: 200, served: Nanos::ZERO })));
    assert!(bench.sent.starts_with(b"HTTP/1.1 200 OK\r\nSec-WebSocket-Accept: "));
    // It can say no more by HTTP before that.
    for greets in [false, true] {
        let mut bench = Bench::new("service_time = '0s'\ntls = '1.3'\ntls_cost = '0s'\nhandshake_timeout = '1s'");
        bench.accept(0);
        bench.received(0, offer.clone());
        let switched = bench.sent.len();
        if greets {
            bench.give(Input::Hello(c, false));
        }
        let actions = bench.wake();
        assert!(actions.contains(&Output::Event(Event::TimedOut { connection: 0 })), "{actions:?}");
        assert!(actions.contains(&Output::Close(c, CloseMode::Fin)), "{actions:?}");
        assert_eq!(bench.sent.len(), switched, "{:?}", String::from_utf8_lossy(&bench.sent));
    }
    for (request, status) in
        [(&request(Mode::Upgrade, "/")[..], "426 Upgrade Required\r\n"), (b"nonsense\r\n\r\n", "400 Bad Request\r\n")]
    {
        let mut bench = Bench::new("service_time = '0s'\ntls = '1.3'");
        bench.accept(0);
        let actions = bench.received(0, request);
        assert!(actions.contains(&Output::Close(c, CloseMode::Fin)));
        assert!(bench.sent.starts_with(format!("HTTP/1.1 {status}").as_bytes()));
    }
}
