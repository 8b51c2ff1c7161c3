//! Servers that have too little, in whole runs: what they use, what kills them, and what starts them again.

use shakedown_core::driver::sim::Simulation;
use shakedown_core::event::{Event, Kind};
use shakedown_core::metrics::{Measured, Metrics, Value};
use shakedown_core::server::{CallOutcome, Event as ServerEvent, KillReason, Resource};
use shakedown_core::time::{Nanos, Timestamp};
use shakedown_scenario::Overrides;

/// A run of clients that connect to `gateway`, at once unless they say something else.
struct Run {
    events: Vec<Event>,
    measured: Measured,
}

impl Run {
    fn of(servers: &str, clients: &str, rest: &str) -> Run {
        let text = format!(
            "format = 1\ntitle = 'Too little'\nduration = '60s'\n[network]\none_way = '10ms'\n[servers.gateway]\n{servers}\n\
             [clients.players]\nendpoints = ['gateway']\n{clients}\n{rest}"
        );
        let scenario = shakedown_scenario::load("overload", "overload", &text, &Overrides::default());
        let scenario = scenario.unwrap_or_else(|problem| panic!("{problem}"));
        let mut simulation = Simulation::new(&scenario);
        let mut both = (Metrics::new(scenario.layout()), Vec::new());
        while simulation.advance(&mut both, u64::MAX) {}
        Run { events: both.1, measured: both.0.finish(simulation.now()) }
    }

    /// When servers' events of a kind happened, in milliseconds, and where.
    fn when(&self, is: impl Fn(ServerEvent) -> bool) -> Vec<(u64, u32)> {
        let found = self.events.iter().filter_map(|event| match event.kind {
            Kind::Server(server, kind) if is(kind) => Some((event.at.0 / 1_000_000, server)),
            _ => None,
        });
        found.collect()
    }

    fn count(&self, metric: &str) -> u64 {
        match self.measured.summary.get(metric) {
            Some(Value::Count(count) | Value::Part { count, .. }) => count,
            other => panic!("{metric}: {other:?}"),
        }
    }

    fn ratio(&self, metric: &str) -> f64 {
        match self.measured.summary.get(metric) {
            Some(Value::Ratio(Some(ratio))) => ratio,
            other => panic!("{metric}: {other:?}"),
        }
    }
}

fn killed(event: ServerEvent) -> bool {
    matches!(event, ServerEvent::Killed { .. })
}

fn restarted(event: ServerEvent) -> bool {
    matches!(event, ServerEvent::Restarted)
}

/// Ten clients come at once, and never again.
const ONCE: &str = "count = 10\narrive = 'at_once'\nretry = { policy = 'none' }\nreconnect = false";

#[test]
fn a_process_that_needs_more_memory_than_there_is_is_killed_and_started_again() {
    // Nine connections and their requests need 900 KB, ten a megabyte.
    let servers = "service_time = '1s'\nmemory = { max = '950KB', connection = '60KB', handshake = '40KB' }\nrestart = { after = '3s' }";
    let run = Run::of(servers, ONCE, "");
    assert_eq!(run.when(|event| event == ServerEvent::OutOfMemory), [(30, 0)]);
    assert_eq!(run.when(|event| event == ServerEvent::Killed { reason: KillReason::OutOfMemory }), [(30, 0)]);
    assert_eq!(run.when(restarted), [(3_030, 0)]);
    // All were accepted before it was killed at the same moment; all of them are cut.
    assert_eq!((run.count("sessions.opened"), run.count("sessions.failed")), (0, 10));
    assert_eq!(run.count("servers.gateway.memory_in_use_max"), 1_000_000);
    assert_eq!((run.count("servers.gateway.kills_out_of_memory"), run.count("servers.gateway.restarts")), (1, 1));
    assert!((run.ratio("servers.gateway.not_ready") - 3.0 / 60.0).abs() < 1e-9);

    let enough = Run::of(&servers.replace("950KB", "1MB"), ONCE, "");
    assert_eq!((enough.count("servers.gateway.kills"), enough.count("sessions.opened")), (0, 10));
    // Answered requests need their memory no longer.
    let uses = enough.events.iter().rev().find_map(|event| match event.kind {
        Kind::Server(_, ServerEvent::Uses { amount, .. }) => Some(amount),
        _ => None,
    });
    assert_eq!(uses, Some(600_000));
}

#[test]
fn a_process_that_is_careful_refuses_what_would_need_too_much() {
    let of_requests =
        Run::of("memory = { max = '100KB', handshake = '20KB', when_full = 'refuse' }\nservice_time = '1s'", ONCE, "");
    assert_eq!((of_requests.count("sessions.opened"), of_requests.count("attempts.rejected")), (5, 5));
    assert_eq!(of_requests.count("servers.gateway.refused"), 5);
    assert_eq!(of_requests.count("servers.gateway.memory_in_use_max"), 100_000);
    let of_connections = Run::of("memory = { max = '100KB', connection = '20KB', when_full = 'refuse' }", ONCE, "");
    assert_eq!((of_connections.count("sessions.opened"), of_connections.count("attempts.reset")), (5, 5));
}

#[test]
fn a_connection_without_a_descriptor_is_closed() {
    let run = Run::of("descriptors = { max = 4, when_full = 'refuse' }", ONCE, "");
    let refused = |event| matches!(event, ServerEvent::Refused { resource: Resource::Descriptors, .. });
    assert_eq!(run.when(refused).len(), 6);
    assert_eq!((run.count("sessions.opened"), run.count("servers.gateway.refused")), (4, 6));
    assert_eq!(run.count("servers.gateway.descriptors_in_use_max"), 4);
}

#[test]
fn a_process_without_a_descriptor_lets_connects_wait_in_the_accept_queue() {
    let clients = "count = 10\narrive = 'at_once'\nhold = '2s'\nreconnect = false\nretry = { policy = 'none' }\nhandshake_timeout = '30s'";
    let run = Run::of("descriptors = { max = 4 }", clients, "");
    let opened = run.when(|event| matches!(event, ServerEvent::Accepted { .. }));
    let at = |from: u64, until: u64| opened.iter().filter(|(at, _)| (from..until).contains(at)).count();
    // Four at once; the others when those have ended.
    assert_eq!((at(0, 100), at(2_000, 2_200), at(4_000, 4_400), opened.len()), (4, 4, 2, 10));
    assert_eq!((run.count("sessions.opened"), run.count("servers.gateway.descriptors_in_use_max")), (10, 4));
    // The kernel has room for two of the six, and drops the data of the rest until there is.
    let narrow = Run::of("descriptors = { max = 4 }\nbacklog = 1", clients, "");
    assert!(
        narrow.count("servers.gateway.accept_overflows") >= 4,
        "{}",
        narrow.count("servers.gateway.accept_overflows")
    );
    assert_eq!(narrow.count("sessions.opened"), 10);
}

#[test]
fn an_event_loop_that_is_busy_accepts_nobody() {
    let servers = "accepts = 'when-idle'\nworkers = 1\nservice_time = '100ms'\nbacklog = 4";
    let clients =
        "count = 200\narrive = { evenly_over = '2s' }\nretry = { policy = 'none' }\nconnect_timeout = '500ms'";
    let run = Run::of(servers, clients, "");
    let overflows = run.count("servers.gateway.accept_overflows") + run.count("servers.gateway.syns_dropped");
    assert!(overflows > 50, "{overflows}");
    // One at a time: nothing ever waits in the process.
    assert_eq!(run.count("servers.gateway.queue_depth_max"), 0);
    let always = Run::of(&servers.replace("when-idle", "always"), clients, "");
    assert_eq!(always.count("servers.gateway.accept_overflows") + always.count("servers.gateway.syns_dropped"), 0);
    assert!(always.count("servers.gateway.queue_depth_max") > 100);
}

/// The moments at which a session that comes every so often gets in, in milliseconds, of 10 s.
fn let_in(limits: &str, every_ms: u64) -> Vec<u64> {
    let clients = format!(
        "count = 100\nhosts = 1\narrive = {{ evenly_over = '{}ms' }}\nretry = {{ policy = 'none' }}\nhold = '1ms'\nreconnect = false",
        every_ms * 100
    );
    let run = Run::of(&format!("{limits}\nservice_time = '0s'"), &clients, "");
    let answered = run.when(|event| matches!(event, ServerEvent::Answered { status: 101, .. }));
    answered.into_iter().map(|(at, _)| at - 30).filter(|at| *at < 10_000).collect()
}

#[test]
fn a_fixed_window_begins_with_a_request_and_a_sliding_one_at_any_moment() {
    // Every 400 ms one comes.
    assert_eq!(
        let_in("address_window = { max = 2, per = '2s' }", 400),
        [0, 400, 2_000, 2_400, 4_000, 4_400, 6_000, 6_400, 8_000, 8_400]
    );
    let sliding = "address_window = { max = 2, per = '1900ms', kind = 'sliding' }";
    assert_eq!(let_in(sliding, 400), [0, 400, 2_000, 2_400, 4_000, 4_400, 6_000, 6_400, 8_000, 8_400]);
    // Whoever comes more often than the window has room for keeps it full, if that counts.
    assert_eq!(let_in(&sliding.replace(" }", ", counts_rejected = true }"), 400), [0, 400]);
    // As many wait as there are, and each has its turn.
    let waiting = format!("{sliding}\nover_rate = 'wait'");
    assert_eq!(let_in(&waiting, 400)[..6], [0, 400, 1_900, 2_300, 3_800, 4_200]);
}

#[test]
fn an_address_has_so_many_connections_at_once() {
    let clients = "count = 10\nhosts = 2\narrive = 'at_once'\nretry = { policy = 'fixed', base = '1s' }\nhold = '5s'\nreconnect = false";
    let run = Run::of("address_connections_max = 2", clients, "");
    let answered = |of: u16| {
        run.when(|event| matches!(event, ServerEvent::Answered { status, .. } if status == of))
            .into_iter()
            .filter(|(at, _)| *at < 1_000)
            .count()
    };
    assert_eq!((answered(101), answered(429)), (4, 6));
    // Those that are closed make room.
    assert_eq!(run.count("sessions.opened"), 10);
}

#[test]
fn a_full_queue_may_open_and_close_with_1013() {
    let servers = "workers = 1\nservice_time = '1s'\nqueue_max = 4\nqueue_full = 'open-then-close'";
    let run =
        Run::of(servers, "count = 10\narrive = 'at_once'\nretry = { policy = 'none' }\nfatal_close_codes = [1013]", "");
    let closed = |event| matches!(event, ServerEvent::GoingAway { code: 1013, .. });
    assert_eq!(run.when(closed).len(), 5);
    assert_eq!((run.count("servers.gateway.queue_full"), run.count("sessions.open_at_end")), (5, 5));
    let ends = |event: &&Event| {
        let Kind::Session(_, shakedown_core::client::Event::Lost { end, .. }) = event.kind else { return false };
        end == shakedown_core::client::End::Close(1013)
    };
    assert_eq!(run.events.iter().filter(ends).count(), 5);
    let full = Run::of("connections_max = 3\nwhen_full = 'open-then-close'", ONCE, "");
    assert_eq!((full.when(closed).len(), full.count("sessions.open_at_end")), (7, 3));
}

#[test]
fn calls_wait_for_a_connection_of_their_pool() {
    // Each call takes 40 ms on the way and 960 ms of work; two at a time.
    let of = |pool: &str| {
        let servers = format!(
            "workers = 100\nservice_time = '0s'\ncalls = [{{ to = 'database', timeout = '5s', pool = {pool} }}]"
        );
        let database = "[servers.database]\nworkers = 100\nservice_time = '960ms'\nbehavior = { kind = 'serve' }";
        Run::of(&servers, ONCE, database)
    };
    let opened = |run: &Run| run.when(|event| matches!(event, ServerEvent::Answered { status: 101, .. })).len();
    let wide = of("{ size = 2, queue = 8, timeout = '10s' }");
    assert_eq!((opened(&wide), wide.count("servers.database.arrivals.total")), (10, 10));
    let last = wide.when(|event| matches!(event, ServerEvent::Answered { status: 101, .. }))[9].0;
    assert_eq!(last, 30 + 5 * 1_000);
    // Four find the queue full; of the four that wait, two have no turn within 1.5 s.
    let narrow = of("{ size = 2, queue = 4, timeout = '1500ms' }");
    let ended = |outcome| {
        narrow.when(|event| matches!(event, ServerEvent::CallEnded { outcome: how, .. } if how == outcome)).len()
    };
    assert_eq!(
        (ended(CallOutcome::PoolFull), ended(CallOutcome::PoolTimedOut), ended(CallOutcome::Answered)),
        (4, 2, 4)
    );
    assert_eq!((opened(&narrow), narrow.count("servers.gateway.calls_failed")), (4, 6));
}

/// Work for 25 s.
const BUSY: &str = "workers = 1\nservice_time = '2500ms'\nliveness = { every = '2s', timeout = '1s', failures = 3 }";

#[test]
fn a_server_that_is_busy_fails_its_probes_and_is_killed() {
    let run = Run::of(BUSY, ONCE, "");
    let failed = run.when(|event| matches!(event, ServerEvent::ProbeFailed { .. }));
    // The first probe comes within 2 s, three fail, 2 s apart.
    assert!(failed[2].0 < 1_000 + 2_000 + 2 * 2_000, "{failed:?}");
    assert_eq!([failed[1].0 - failed[0].0, failed[2].0 - failed[1].0], [2_000; 2]);
    assert_eq!(run.when(killed), [failed[2]]);
    assert_eq!(run.when(restarted), [(failed[2].0 + 1_000, 0)]);
    // Nobody comes again: the next process answers.
    assert_eq!((run.count("servers.gateway.probes_failed"), run.count("servers.gateway.kills_liveness")), (3, 1));

    let apart = Run::of(&BUSY.replace("failures", "in_queue = false, failures"), ONCE, "");
    assert_eq!((apart.count("servers.gateway.probes_failed"), apart.count("servers.gateway.kills")), (0, 0));
}

#[test]
fn a_fault_that_has_a_killed_server_down_is_what_starts_it() {
    let servers = format!("{BUSY}\nrestart = {{ after = '10s' }}");
    let fault = "[faults.down]\nkind = 'crash'\ntarget = 'gateway'\nat = '10s'\nfor = '20s'";
    let run = Run::of(&servers, ONCE, fault);
    let killed = run.when(killed);
    assert!(killed.len() == 1 && killed[0].0 < 10_000, "{killed:?}");
    assert_eq!(run.when(restarted), [(30_000, 0)]);
}

#[test]
fn a_process_that_hangs_is_killed_and_the_next_one_does_not_hang() {
    let servers = "liveness = { every = '1s', timeout = '500ms', failures = 2 }";
    let clients = "count = 10\narrive = 'at_once'\nretry = { policy = 'fixed', base = '500ms' }";
    let fault = "[faults.stuck]\nkind = 'hang'\ntarget = 'gateway'\nat = '10s'\nfor = '30s'";
    let run = Run::of(servers, clients, fault);
    let killed = run.when(killed);
    assert!(killed.len() == 1 && (11_000..13_000).contains(&killed[0].0), "{killed:?}");
    assert_eq!(run.when(restarted), [(killed[0].0 + 1_000, 0)]);
    assert_eq!(run.count("sessions.open_at_end"), 10);
    // They are back before the fault is over.
    let opened = |event: &&Event| matches!(event.kind, Kind::Session(_, shakedown_core::client::Event::Opened { .. }));
    let last = run.events.iter().rfind(opened).unwrap().at;
    assert!(last < Timestamp::ZERO + Nanos::from_secs(16), "{last:?}");
}

#[test]
fn nobody_is_sent_to_a_server_that_is_not_ready() {
    // One of two is busy for 20 s with what came first; the balancer hears of it by its readiness probes.
    let servers = "count = 2\nworkers = 1\nservice_time = '100ms'\n\
                   readiness = { every = '500ms', timeout = '400ms', failures = 2, successes = 2 }";
    let late = "[servers.front]\nkind = 'l4'\nto = 'gateway'\nbalance = 'terminate'\n\
                [clients.spike]\ncount = 200\nendpoints = ['gateway-0']\narrive = 'at_once'\nhandshake_timeout = '1m'\n\
                [clients.late]\ncount = 40\nstart = '5s'\nendpoints = ['front']\narrive = { evenly_over = '10s' }";
    let run = Run::of(servers, "count = 1", late);
    let not_ready = run.when(|event| event == ServerEvent::NotReady);
    let ready = run.when(|event| event == ServerEvent::Ready);
    assert!(not_ready.len() == 1 && not_ready[0].0 < 2_500 && not_ready[0].1 == 0, "{not_ready:?}");
    assert!(ready.len() == 1 && (20_000..23_000).contains(&ready[0].0), "{ready:?}");
    let to = |server| run.when(|event| matches!(event, ServerEvent::Forwarded { to, .. } if to == server)).len();
    assert_eq!((to(0), to(1)), (0, 40));
    let time = (ready[0].0 - not_ready[0].0) as f64 / 1e3;
    assert!((run.ratio("servers.gateway-0.not_ready") - time / 60.0).abs() < 1e-4);
}

#[test]
fn the_committed_loop_feeds_itself_and_its_variants_end_it() {
    let text = include_str!("../../../scenarios/crash-loop.toml");
    let of = |variant: Option<&str>| {
        let overrides = Overrides { variant: variant.map(str::to_string), ..Overrides::default() };
        let scenario = shakedown_scenario::load("crash-loop", "crash-loop", text, &overrides).unwrap();
        let mut simulation = Simulation::new(&scenario);
        let mut metrics = Metrics::new(scenario.layout());
        while simulation.advance(&mut metrics, u64::MAX) {}
        let run = Run { events: Vec::new(), measured: metrics.finish(simulation.now()) };
        (run.count("servers.gateway.kills"), run.count("sessions.open_at_end"), run.ratio("availability.mean"))
    };
    let (kills, open, availability) = of(None);
    let (apart, bounded) = (of(Some("probe-apart")), of(Some("bounded-queue")));
    println!("{kills} {open} {availability}; {apart:?}; {bounded:?}");
    assert!(kills > 10 && open < 540);
    assert!(apart.0 == 0 && bounded.0 == 0 && bounded.1 == 600);
    assert!(availability < apart.2 && apart.2 < bounded.2);
}
