//! Servers: arrivals, connections, queues, workers, and fairness.

use super::*;

#[test]
fn waits_count_from_the_request_and_who_need_not_wait_counts_as_zero() {
    let mut feed = Feed::new(layout(0));
    feed.requested(0, 0, false);
    feed.started(0, 0, None);
    feed.requested(0, 0, false);
    feed.started(0, 0, None);
    feed.requested(100, 0, true);
    feed.requested(200, 0, true);
    feed.answered(500, 0, 101, 500);
    feed.started(500, 0, Some(400));
    feed.answered(500, 0, 101, 500);
    feed.started(500, 0, Some(300));
    let measured = feed.finish();
    assert_eq!(count(&measured, "servers.gateway-0.arrivals.total"), 4);
    assert_eq!(count(&measured, "servers.gateway-0.queue_depth_max"), 2);
    assert_eq!(count(&measured, "servers.gateway-0.queue_wait.count"), 4);
    assert_eq!(time(&measured, "servers.gateway-0.queue_wait.p50"), Some(0.0));
    assert_eq!(time(&measured, "servers.gateway-0.queue_wait.mean"), Some(175.0));
    assert_eq!(time(&measured, "servers.gateway-0.queue_wait.max"), Some(400.0));
    assert_eq!(count(&measured, "servers.gateway-1.arrivals.total"), 0);
    assert_eq!(time(&measured, "servers.gateway-1.queue_wait.p50"), None);
    assert_eq!(count(&measured, "servers.gateway.arrivals.total"), 4);
}

#[test]
fn who_still_waits_at_the_end_waits_for_ever() {
    let mut feed = Feed::new(layout(0));
    feed.requested(0, 0, false);
    feed.requested(0, 0, true);
    let measured = feed.finish();
    assert_eq!(count(&measured, "servers.gateway-0.queue_wait.count"), 2);
    assert_eq!(time(&measured, "servers.gateway-0.queue_wait.p50"), Some(0.0));
    assert_eq!(time(&measured, "servers.gateway-0.queue_wait.max"), None);
}

#[test]
fn a_crash_empties_the_server_and_its_queue_waits_for_ever() {
    let mut feed = Feed::new(layout(0));
    for _ in 0..3 {
        feed.accepted(0, 0);
    }
    feed.requested(0, 0, false);
    feed.started(0, 0, None);
    feed.requested(0, 0, true);
    feed.requested(0, 0, true);
    feed.began(1_500, 0, 0, FaultKind::Crash);
    feed.healed(3_000, 0, 0, FaultKind::Crash);
    feed.accepted(3_500, 0);
    feed.requested(3_500, 0, false);
    feed.started(3_500, 0, None);
    feed.answered(4_000, 0, 101, 500);
    let measured = feed.finish();
    assert_eq!(time(&measured, "servers.gateway-0.queue_wait.p50"), Some(0.0));
    assert_eq!(time(&measured, "servers.gateway-0.queue_wait.p90"), None);
    assert_eq!(count(&measured, "servers.gateway-0.queue_wait.count"), 4);
    assert_eq!(count(&measured, "servers.gateway-0.open_connections_max"), 3);
    let series = &measured.series.servers[0];
    assert_eq!(series.open_connections[..5], [3, 0, 0, 1, 1]);
    assert_eq!(series.queue_depth[..4], [2, 2, 0, 0]);
    // One worker of two, until the crash and after it.
    assert_eq!(series.utilisation[..5], [0.5, 0.25, 0.0, 0.25, 0.0]);
    assert_eq!(ratio(&measured, "servers.gateway-0.utilisation.mean"), Some(2.0 / 20.0));
}

#[test]
fn a_hang_keeps_what_the_process_has() {
    let mut feed = Feed::new(layout(0));
    feed.accepted(0, 0);
    feed.requested(0, 0, true);
    feed.began(1_000, 0, 0, FaultKind::Hang);
    feed.healed(2_000, 0, 0, FaultKind::Hang);
    feed.started(2_000, 0, Some(2_000));
    let measured = feed.finish();
    assert_eq!(measured.series.servers[0].open_connections[1], 1);
    assert_eq!(time(&measured, "servers.gateway-0.queue_wait.max"), Some(2_000.0));
}

#[test]
fn utilisation_is_exact_over_intervals_and_over_the_window() {
    let mut feed = Feed::new(window(0, 1_000, 3_000));
    feed.requested(500, 0, false);
    feed.started(500, 0, None);
    feed.requested(1_500, 0, false);
    feed.started(1_500, 0, None);
    feed.answered(2_250, 0, 101, 1_750);
    feed.answered(3_500, 0, 101, 2_000);
    let measured = feed.finish();
    assert_eq!(measured.series.servers[0].utilisation[..5], [0.25, 0.75, 0.625, 0.25, 0.0]);
    // Of two workers' 2 s each: 1.25 s and 1.5 s.
    assert_eq!(ratio(&measured, "servers.gateway-0.utilisation.mean"), Some(2.75 / 4.0));
    assert_eq!(ratio(&measured, "servers.gateway.utilisation.mean"), Some(2.75 / 8.0));
}

#[test]
fn work_for_nobody_is_work_and_wasted() {
    let mut feed = Feed::new(layout(0));
    feed.accepted(0, 0);
    feed.requested(0, 0, false);
    feed.started(0, 0, None);
    let served = Nanos::from_millis(1_000);
    feed.server(1_000, 0, server::Event::Wasted { connection: 0, served });
    feed.server(1_000, 0, server::Event::Closed { connection: 0 });
    let measured = feed.finish();
    assert_eq!(count(&measured, "servers.gateway-0.wasted"), 1);
    assert_eq!(count(&measured, "servers.gateway-0.opened"), 0);
    assert_eq!(ratio(&measured, "servers.gateway-0.utilisation.mean"), Some(0.05));
    assert_eq!(measured.series.servers[0].open_connections[..2], [1, 0]);
}

#[test]
fn service_in_no_time_keeps_no_worker() {
    let mut feed = Feed::new(layout(0));
    feed.requested(1_000, 0, false);
    feed.answered(1_000, 0, 101, 0);
    let measured = feed.finish();
    assert_eq!(ratio(&measured, "servers.gateway-0.utilisation.mean"), Some(0.0));
    assert_eq!(count(&measured, "servers.gateway-0.queue_wait.count"), 1);
}

#[test]
fn a_rejection_opens_nothing_whatever_its_status() {
    let mut feed = Feed::new(layout(2));
    for (session, status) in [(0, 200), (1, 101)] {
        feed.scheduled(0, session);
        feed.attempt(0, session);
        feed.connected(0, session);
        feed.requested(0, 0, false);
        feed.answered(0, 0, status, 0);
    }
    // A plain page with status 200 is no handshake.
    feed.failed(10, 0, Failure::Rejected { status: 200, retry_after: None });
    feed.opened(10, 1, 0);
    let measured = feed.finish();
    assert_eq!(count(&measured, "servers.gateway-0.opened"), 1);
    assert_eq!(part(&measured, "attempts.opened"), (1, 2));
}

#[test]
fn fairness_is_jains_index_of_what_each_member_opened() {
    let fairness = |loads: [u32; 2]| {
        let mut feed = Feed::new(layout(8));
        let mut session = 0;
        for (server, load) in (0..).zip(loads) {
            for _ in 0..load {
                feed.scheduled(0, session);
                feed.answered(0, server, 101, 0);
                feed.open_at_once(0, session, server);
                session += 1;
            }
        }
        ratio(&feed.finish(), "servers.gateway.fairness")
    };
    assert_eq!(fairness([4, 4]), Some(1.0));
    assert_eq!(fairness([4, 0]), Some(0.5));
    assert_eq!(fairness([3, 1]), Some(16.0 / 20.0));
    assert_eq!(fairness([0, 0]), None);
}

#[test]
fn waits_that_begin_outside_the_window_do_not_count() {
    let mut feed = Feed::new(window(0, 1_000, 2_000));
    for asked in [999, 1_000, 1_999, 2_000] {
        feed.requested(asked, 0, true);
    }
    for asked in [999, 1_000, 1_999, 2_000] {
        feed.started(3_000, 0, Some(3_000 - asked));
    }
    let measured = feed.finish();
    assert_eq!(count(&measured, "servers.gateway-0.arrivals.total"), 2);
    assert_eq!(count(&measured, "servers.gateway-0.queue_wait.count"), 2);
    assert_eq!(time(&measured, "servers.gateway-0.queue_wait.max"), Some(2_000.0));
    assert_eq!(time(&measured, "servers.gateway-0.queue_wait.min"), Some(1_001.0));
}

#[test]
fn endless_waits_that_begin_outside_the_window_do_not_count_either() {
    let mut feed = Feed::new(window(0, 1_000, 5_000));
    // Asked before the window, lost within.
    feed.requested(500, 0, true);
    feed.requested(1_500, 0, true);
    feed.began(2_000, 0, 0, FaultKind::Crash);
    feed.healed(3_000, 0, 0, FaultKind::Crash);
    // Asked after the window, still waiting at the end.
    feed.requested(4_000, 0, true);
    feed.requested(6_000, 0, true);
    let measured = feed.finish();
    assert_eq!(count(&measured, "servers.gateway-0.queue_wait.count"), 2);
    assert_eq!(time(&measured, "servers.gateway-0.queue_wait.p50"), None);
}

#[test]
fn peaks_are_those_of_the_window() {
    let peaks = |measured: &Measured, server: u32| {
        ["open_connections_max", "queue_depth_max"]
            .map(|metric| count(measured, &format!("servers.gateway-{server}.{metric}")))
    };
    let close = server::Event::Closed { connection: 0 };
    let mut feed = Feed::new(window(0, 1_000, 5_000));
    // The warm-up reaches 3 and comes down to 2, which the window begins with.
    for _ in 0..3 {
        feed.accepted(100, 0);
        feed.requested(100, 0, true);
    }
    feed.accepted(100, 1);
    feed.server(200, 0, close);
    feed.started(200, 0, Some(100));
    feed.server(1_500, 0, close);
    feed.started(1_500, 0, Some(1_400));
    // What comes after it is none of its business.
    for _ in 0..5 {
        feed.accepted(6_000, 0);
        feed.requested(6_000, 0, true);
    }
    feed.accepted(6_000, 1);
    let measured = feed.finish();
    assert_eq!(peaks(&measured, 0), [2, 2]);
    // Nothing happens to the other server while the window lasts: what it began with is its peak.
    assert_eq!(peaks(&measured, 1), [1, 0]);
}

#[test]
fn queue_depth_is_the_most_of_each_interval() {
    let mut feed = Feed::new(layout(0));
    for asked in [100, 200, 300] {
        feed.requested(asked, 0, true);
    }
    feed.started(900, 0, Some(800));
    feed.started(1_500, 0, Some(1_300));
    feed.started(2_500, 0, Some(2_200));
    let measured = feed.finish();
    // An interval that begins with a queue has it.
    assert_eq!(measured.series.servers[0].queue_depth[..4], [3, 2, 1, 0]);
    assert_eq!(measured.series.servers[0].arrivals[..2], [3, 0]);
    assert_eq!(count(&measured, "servers.gateway-0.queue_depth_max"), 3);
}

#[test]
fn a_great_many_busy_workers_over_a_long_interval_still_add_up() {
    let year = Nanos::from_secs(365 * 24 * 3_600);
    let layout = Layout {
        duration: year,
        interval: year,
        until: Timestamp(year.0),
        servers: vec![ServerLayout {
            name: "gateway-0".into(),
            group: 0,
            workers: 1_000,
            limited: false,
            transactions_max: None,
            pauses: false,
            supervised: false,
            limits: [false; 2],
            calls: false,
            tls: false,
            streams: false,
            balancer: false,
            behind: 0,
            proxy: false,
            clocks: false,
            keepalive: false,
            reloads: false,
            connections_max: None,
        }],
        ..layout(0)
    };
    let mut feed = Feed::new(layout);
    for _ in 0..1_000 {
        feed.requested(0, 0, false);
        feed.started(0, 0, None);
    }
    let measured = feed.metrics.finish(Timestamp(year.0));
    assert_eq!(ratio(&measured, "servers.gateway-0.utilisation.mean"), Some(1.0));
    assert_eq!(measured.series.servers[0].utilisation, [1.0]);
}

#[test]
fn connections_past_the_limit_take_up_no_place_under_it() {
    let mut two = layout(0);
    two.servers[0].connections_max = Some(2);
    let mut feed = Feed::new(two);
    let accepted = |feed: &mut Feed, at, connection| feed.server(at, 0, server::Event::Accepted { connection });
    accepted(&mut feed, 0, 0);
    accepted(&mut feed, 0, 1);
    // One too many, which hangs until 2,500; meanwhile a place becomes free and is taken.
    accepted(&mut feed, 500, 2);
    feed.server(1_200, 0, server::Event::Closed { connection: 0 });
    accepted(&mut feed, 2_200, 0);
    feed.server(2_500, 0, server::Event::Closed { connection: 2 });
    feed.server(3_500, 0, server::Event::Closed { connection: 1 });
    accepted(&mut feed, 4_500, 2);
    accepted(&mut feed, 4_600, 1);
    // What the process had is gone with it: the numbers begin anew.
    feed.began(5_500, 0, 0, FaultKind::Crash);
    accepted(&mut feed, 6_500, 1);
    feed.server(7_500, 0, server::Event::Closed { connection: 1 });
    let measured = feed.finish();
    assert_eq!(count(&measured, "servers.gateway-0.open_connections_max"), 2);
    assert_eq!(measured.series.servers[0].open_connections[..8], [2, 1, 2, 1, 2, 0, 1, 0]);
}
