//! Latencies, availability, counts of sessions and attempts, the measured window, intervals.

use super::*;

#[test]
fn time_to_open_counts_from_the_schedule_and_handshake_latency_from_tcp() {
    let mut feed = Feed::new(layout(1));
    feed.scheduled(100, 0);
    feed.attempt(150, 0);
    feed.failed(250, 0, Failure::Refused);
    feed.attempt(750, 0);
    feed.connected(790, 0);
    feed.opened(830, 0, 0);
    let measured = feed.finish();
    assert_eq!(time(&measured, "time_to_open.max"), Some(730.0));
    assert_eq!(time(&measured, "handshake_latency.max"), Some(40.0));
    assert_eq!(count(&measured, "handshake_latency.count"), 1);
    assert_eq!(time(&measured, "attempt_latency.min"), Some(80.0));
    assert_eq!(time(&measured, "attempt_latency.max"), Some(100.0));
    assert_eq!(time(&measured, "attempt_latency.mean"), Some(90.0));
    assert_eq!(part(&measured, "attempts.opened"), (1, 2));
    assert_eq!(part(&measured, "attempts.refused"), (1, 2));
}

#[test]
fn a_session_that_never_opens_is_infinitely_slow() {
    let mut feed = Feed::new(layout(10));
    for session in 0..10 {
        feed.scheduled(0, session);
        feed.attempt(0, session);
    }
    for session in 0..9 {
        feed.connected(10, session);
    }
    for session in 0..9 {
        feed.opened(20 + u64::from(session), session, 0);
    }
    feed.failed(30, 9, Failure::ConnectTimeout);
    let measured = feed.finish();
    assert_eq!(part(&measured, "sessions.opened"), (9, 10));
    assert_eq!(part(&measured, "sessions.never_opened"), (1, 10));
    assert_eq!(count(&measured, "time_to_open.count"), 10);
    assert_eq!(time(&measured, "time_to_open.p50"), Some(24.0));
    assert_eq!(time(&measured, "time_to_open.p90"), Some(28.0));
    for beyond in ["p99", "p99_9", "max", "mean"] {
        assert_eq!(time(&measured, &format!("time_to_open.{beyond}")), None, "{beyond}");
    }
}

#[test]
fn an_attempt_without_an_outcome_is_infinitely_slow() {
    let mut feed = Feed::new(layout(2));
    feed.scheduled(0, 0);
    feed.scheduled(0, 1);
    feed.attempt(0, 0);
    feed.attempt(0, 1);
    feed.connected(10, 0);
    feed.opened(20, 0, 0);
    // The other server is silent, and the client's patience outlasts the run.
    let measured = feed.finish();
    assert_eq!(count(&measured, "attempt_latency.count"), 2);
    assert_eq!(time(&measured, "attempt_latency.p50"), Some(20.0));
    assert_eq!(time(&measured, "attempt_latency.p99"), None);
    // It is an attempt all the same.
    assert_eq!(part(&measured, "attempts.pending"), (1, 2));
    assert_eq!(part(&measured, "attempts.opened"), (1, 2));
    assert_eq!(count(&measured, "attempts.total"), 2);
    assert_eq!(count(&measured, "attempts.peak"), 2);
}

#[test]
fn redirects_are_hops_of_their_own_and_the_deepest_chain_counts() {
    let mut feed = Feed::new(layout(1));
    feed.scheduled(0, 0);
    for hop in 0..2 {
        feed.attempt(hop * 100, 0);
        feed.connected(hop * 100 + 10, 0);
        feed.redirected(hop * 100 + 20, 0);
    }
    feed.attempt(200, 0);
    feed.failed(250, 0, Failure::Reset);
    // A new attempt begins a chain of its own.
    feed.attempt(300, 0);
    feed.redirected(320, 0);
    feed.attempt(400, 0);
    feed.connected(410, 0);
    feed.opened(420, 0, 1);
    let measured = feed.finish();
    assert_eq!(count(&measured, "hops.total"), 3);
    assert_eq!(count(&measured, "hops.max"), 2);
    assert_eq!(part(&measured, "attempts.redirected"), (3, 5));
    assert_eq!(time(&measured, "handshake_latency.max"), Some(10.0));
}

#[test]
fn every_failure_is_counted_as_what_it_was() {
    let failures = [
        (Failure::Refused, "refused"),
        (Failure::ConnectTimeout, "connect_timeout"),
        (Failure::HandshakeTimeout, "handshake_timeout"),
        (Failure::Reset, "reset"),
        (Failure::Closed, "closed"),
        (Failure::Rejected { status: 503, retry_after: Some(1) }, "rejected"),
        (Failure::Invalid(crate::handshake::Error::Accept), "invalid"),
        (Failure::RedirectLimit, "bad_redirect"),
        (Failure::Insecure, "tls_failed"),
    ];
    let mut feed = Feed::new(Layout { tls: true, ..layout(1) });
    feed.scheduled(0, 0);
    for (failure, _) in failures {
        feed.attempt(10, 0);
        feed.failed(10, 0, failure);
    }
    let measured = feed.finish();
    for (_, name) in failures {
        assert_eq!(part(&measured, &format!("attempts.{name}")), (1, 9));
    }
}

#[test]
fn availability_is_usable_time_of_wanted_time() {
    let mut feed = Feed::new(layout(2));
    feed.scheduled(0, 0);
    feed.open_at_once(2_000, 0, 0);
    feed.scheduled(5_000, 1);
    feed.open_at_once(5_000, 1, 1);
    feed.lost(6_000, 1);
    feed.open_at_once(8_000, 1, 1);
    feed.ended(9_000, 0);
    let measured = feed.finish();
    // Session 0 wants 9 s and has 7; session 1 wants 5 s and has 3.
    assert_eq!(ratio(&measured, "availability.mean"), Some(10.0 / 14.0));
    assert_eq!(measured.series.sessions_wanted, [1, 1, 1, 1, 1, 2, 2, 2, 2, 1]);
    assert_eq!(measured.series.sessions_open, [0, 0, 1, 1, 1, 2, 1, 1, 2, 1]);
    assert_eq!(measured.series.sessions_open_lowest, [0, 0, 0, 1, 1, 1, 1, 1, 1, 1]);
    let availability: Vec<_> = measured.series.availability.iter().map(|share| share.unwrap()).collect();
    assert_eq!(availability, [0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 1.0, 1.0]);
    assert_eq!(part(&measured, "sessions.ended"), (1, 2));
    // The one that ended does not want to be.
    assert_eq!(part(&measured, "sessions.open_at_end"), (1, 1));
}

#[test]
fn without_sessions_there_is_nothing_to_be_available() {
    let measured = Feed::new(layout(0)).finish();
    assert_eq!(ratio(&measured, "availability.mean"), None);
    assert_eq!(measured.series.availability, [None; 10]);
    assert_eq!(time(&measured, "time_to_open.p50"), None);
    assert_eq!(part(&measured, "sessions.opened"), (0, 0));
}

#[test]
fn who_gives_up_still_wants_to_be_open() {
    let mut feed = Feed::new(layout(2));
    feed.all_open(2, 0);
    feed.lost(5_000, 1);
    feed.attempt(5_000, 1);
    feed.failed(5_500, 1, Failure::Refused);
    feed.gave_up(5_500, 1);
    let measured = feed.finish();
    assert_eq!(ratio(&measured, "availability.mean"), Some(0.75));
    assert_eq!(measured.series.sessions_wanted, [2; 10]);
    assert_eq!(part(&measured, "sessions.failed"), (1, 2));
    assert_eq!(part(&measured, "sessions.opened"), (2, 2));
    // Its outage has no end.
    assert_eq!((count(&measured, "outage.count"), time(&measured, "outage.max")), (1, None));
}

#[test]
fn a_closed_loop_user_lives_one_session_after_the_other() {
    let mut feed = Feed::new(layout(1));
    feed.scheduled(0, 0);
    feed.attempt(0, 0);
    feed.connected(500, 0);
    feed.opened(1_000, 0, 0);
    feed.ended(2_000, 0);
    feed.scheduled(4_000, 0);
    feed.attempt(4_000, 0);
    feed.connected(4_100, 0);
    feed.opened(4_200, 0, 0);
    let measured = feed.finish();
    assert_eq!(count(&measured, "sessions.scheduled"), 2);
    assert_eq!(part(&measured, "sessions.opened"), (2, 2));
    assert_eq!(part(&measured, "sessions.ended"), (1, 2));
    // The one that ended does not want to be.
    assert_eq!(part(&measured, "sessions.open_at_end"), (1, 1));
    assert_eq!(time(&measured, "time_to_open.min"), Some(200.0));
    assert_eq!(time(&measured, "time_to_open.max"), Some(1_000.0));
    // While it thinks it wants nothing: 2 s and 6 s are wanted, 1 s and 5.8 s are had.
    assert_eq!(ratio(&measured, "availability.mean"), Some(6.8 / 8.0));
}

#[test]
fn a_closed_loop_user_who_gave_up_does_not_take_it_back_by_starting_anew() {
    let mut feed = Feed::new(layout(1));
    feed.all_open(1, 0);
    feed.began(1_000, 0, 0, FaultKind::Crash);
    feed.lost(1_100, 0);
    feed.attempt(1_100, 0);
    feed.failed(1_200, 0, Failure::Refused);
    feed.gave_up(1_200, 0);
    feed.scheduled(2_000, 0);
    feed.open_at_once(2_000, 0, 1);
    let measured = feed.finish();
    assert_eq!(count(&measured, "sessions.scheduled"), 2);
    assert_eq!(part(&measured, "sessions.failed"), (1, 2));
    // The first session's outage goes on for ever, and the fault never got it back.
    assert_eq!((count(&measured, "outage.count"), time(&measured, "outage.p50")), (1, None));
    assert_eq!(part(&measured, "faults.a.open_again"), (0, 1));
    assert_eq!(time(&measured, "faults.a.recovery_time"), None);
    assert_eq!(ratio(&measured, "availability.mean"), Some(0.9));
}

#[test]
fn only_what_starts_within_the_window_is_measured() {
    let mut feed = Feed::new(window(4, 1_000, 2_000));
    for (session, start) in [(0, 999), (1, 1_000), (2, 1_999), (3, 2_000)] {
        feed.scheduled(start, session);
        feed.attempt(start, session);
    }
    for session in 0..4 {
        feed.connected(3_000, session);
    }
    for session in 0..4 {
        feed.opened(3_000, session, 0);
    }
    let measured = feed.finish();
    assert_eq!(part(&measured, "sessions.opened"), (2, 2));
    assert_eq!(time(&measured, "time_to_open.min"), Some(1_001.0));
    assert_eq!(time(&measured, "time_to_open.max"), Some(2_000.0));
    assert_eq!(count(&measured, "attempts.total"), 2);
    assert_eq!(count(&measured, "attempt_latency.count"), 2);
    assert_eq!(count(&measured, "handshake_latency.count"), 2);
    // The series show everything.
    assert_eq!(measured.series.outcomes[client::Outcome::Opened as usize].iter().sum::<u32>(), 4);
    assert_eq!(measured.series.sessions_open[9], 4);
}

#[test]
fn availability_is_that_of_the_window() {
    let mut feed = Feed::new(window(1, 2_500, 5_000));
    feed.scheduled(0, 0);
    feed.open_at_once(3_000, 0, 0);
    feed.lost(9_000, 0);
    assert_eq!(ratio(&feed.finish(), "availability.mean"), Some(0.8));
}

#[test]
fn hops_before_the_window_do_not_count() {
    let mut feed = Feed::new(window(1, 1_000, 10_000));
    feed.scheduled(0, 0);
    for start in [0, 100, 200] {
        feed.attempt(start, 0);
        feed.redirected(start + 50, 0);
    }
    feed.attempt(300, 0);
    feed.failed(400, 0, Failure::Refused);
    feed.attempt(1_000, 0);
    feed.redirected(1_050, 0);
    let measured = feed.finish();
    assert_eq!(count(&measured, "hops.total"), 1);
    assert_eq!(count(&measured, "hops.max"), 1);
}

#[test]
fn outages_and_detections_that_begin_outside_the_window_do_not_count() {
    let mut feed = Feed::new(window(3, 2_000, 8_000));
    feed.all_open(3, 0);
    // Before, within and after; all end later.
    feed.began(1_000, 0, 0, FaultKind::Crash);
    feed.healed(1_100, 0, 0, FaultKind::Crash);
    feed.lost(2_500, 0);
    feed.lost(2_500, 1);
    feed.open_at_once(2_500, 0, 1);
    feed.open_at_once(2_500, 1, 1);
    feed.began(3_000, 1, 1, FaultKind::Crash);
    feed.lost(3_200, 0);
    feed.open_at_once(3_500, 0, 0);
    feed.lost(9_000, 0);
    feed.open_at_once(9_600, 0, 0);
    // Session 2 never notices the first fault, session 1 never the second.
    let measured = feed.finish();
    assert_eq!(count(&measured, "detection_time.count"), 2);
    assert_eq!(time(&measured, "detection_time.p50"), Some(200.0));
    assert_eq!(time(&measured, "detection_time.max"), None);
    assert_eq!(count(&measured, "outage.count"), 2);
    assert_eq!(time(&measured, "outage.p50"), Some(500.0));
    assert_eq!(time(&measured, "outage.max"), None);
}

#[test]
fn losses_are_counted_by_how_they_were_found_and_heartbeats_when_they_are_answered() {
    let mut feed = Feed::new(window(1, 1_000, 5_000));
    let ends = [
        (500, End::Fin),
        (1_000, End::Fin),
        (2_000, End::Reset),
        (2_500, End::Close(1001)),
        (3_000, End::Close(4000)),
        (3_500, End::Heartbeat),
        (4_999, End::BadFrame),
        (5_000, End::Reset),
    ];
    feed.scheduled(0, 0);
    for (moment, end) in ends {
        feed.open_at_once(moment, 0, 0);
        feed.session(moment, 0, client::Event::HeartbeatAnswered { connection: 1 });
        feed.session(moment, 0, client::Event::Lost { connection: 1, end });
    }
    let measured = feed.finish();
    assert_eq!(count(&measured, "lost.total"), 6);
    for (kind, lost) in [("fin", 1), ("reset", 1), ("close", 2), ("heartbeat", 1), ("bad_frame", 1)] {
        assert_eq!(part(&measured, &format!("lost.{kind}")), (lost, 6), "{kind}");
    }
    assert_eq!(count(&measured, "heartbeats.answered"), 6);
}

#[test]
fn an_interval_owns_its_beginning_but_not_its_end() {
    let mut feed = Feed::new(layout(2));
    feed.scheduled(0, 0);
    feed.scheduled(0, 1);
    feed.attempt(0, 0);
    feed.attempt(0, 1);
    feed.connected(900, 0);
    feed.connected(900, 1);
    feed.opened(999, 0, 0);
    feed.opened(1_000, 1, 0);
    let measured = feed.finish();
    let ends: Vec<u64> = measured.series.ends.iter().map(|end| end.0 / 1_000_000).collect();
    assert_eq!(ends, [1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000, 8_000, 9_000, 10_000]);
    assert_eq!(measured.series.outcomes[client::Outcome::Opened as usize][..3], [1, 1, 0]);
    assert_eq!(measured.series.handshake_latency[0].unwrap().max, ms(99));
    assert_eq!(measured.series.handshake_latency[1].unwrap().max, ms(100));
    assert_eq!(measured.series.handshake_latency[2], None);
    assert_eq!(measured.series.time_to_open[1].unwrap().p50, ms(1_000));
}

#[test]
fn the_last_interval_is_as_short_as_the_run_leaves_it() {
    let mut feed = Feed::new(Layout { interval: ms(3_000), ..layout(1) });
    feed.scheduled(0, 0);
    feed.open_at_once(9_500, 0, 0);
    let measured = feed.finish();
    let ends: Vec<u64> = measured.series.ends.iter().map(|end| end.0 / 1_000_000).collect();
    assert_eq!(ends, [3_000, 6_000, 9_000, 10_000]);
    assert_eq!(measured.series.availability, [Some(0.0), Some(0.0), Some(0.0), Some(0.5)]);
}

#[test]
fn client_groups_have_their_own_numbers_and_common_percentiles() {
    let mut layout = layout(3);
    layout.groups.push(GroupLayout { name: "bots".into(), count: 1, hold: client::Hold::End });
    let mut feed = Feed::new(layout);
    for (session, group) in [(0, 0), (1, 0), (2, 0), (3, 1)] {
        feed.scheduled_in(group, 1_000, session);
        feed.attempt(1_000, session);
    }
    for (session, opens) in [(0, 10), (1, 20), (2, 30), (3, 400)] {
        feed.connected(1_000 + opens, session);
        feed.opened(1_000 + opens, session, 0);
    }
    let measured = feed.finish();
    assert_eq!(time(&measured, "time_to_open.p50"), Some(20.0));
    assert_eq!(time(&measured, "time_to_open.max"), Some(400.0));
    assert_eq!(time(&measured, "clients.players.time_to_open.max"), Some(30.0));
    assert_eq!(time(&measured, "clients.bots.time_to_open.min"), Some(400.0));
    assert_eq!(part(&measured, "clients.bots.sessions.opened"), (1, 1));
    let second = measured.series.time_to_open[1].unwrap();
    assert_eq!((second.p50, second.p90, second.max), (ms(20), ms(400), ms(400)));
    assert_eq!(measured.groups.len(), 2);
    assert_eq!(measured.groups[1].1[0].1.count(), 1);
}

#[test]
fn an_interrupted_run_is_as_long_as_it_came() {
    let mut feed = Feed::new(layout(2));
    feed.scheduled(0, 0);
    feed.scheduled(0, 1);
    feed.open_at_once(1_000, 0, 0);
    feed.started(1_000, 0, None);
    let measured = feed.finish_at(2_500);
    let ends: Vec<u64> = measured.series.ends.iter().map(|end| end.0 / 1_000_000).collect();
    assert_eq!(ends, [1_000, 2_000, 2_500]);
    assert_eq!(ratio(&measured, "availability.mean"), Some(0.3));
    assert_eq!(ratio(&measured, "servers.gateway-0.utilisation.mean"), Some(0.3));
    assert_eq!(time(&measured, "time_to_open.p99"), None);
}

#[test]
fn what_happens_at_the_moment_of_an_interruption_is_not_lost() {
    // The moment is also the beginning of an interval, as it often is where latencies are round.
    let mut feed = Feed::new(layout(1));
    feed.scheduled(1_000, 0);
    feed.attempt(1_900, 0);
    feed.connected(1_950, 0);
    feed.requested(2_000, 0, true);
    feed.started(2_000, 0, Some(0));
    feed.opened(2_000, 0, 0);
    let measured = feed.finish_at(2_000);
    assert_eq!(part(&measured, "attempts.opened"), (1, 1));
    assert_eq!(time(&measured, "time_to_open.max"), Some(1_000.0));
    assert_eq!(time(&measured, "handshake_latency.max"), Some(50.0));
    assert_eq!(count(&measured, "servers.gateway-0.queue_wait.count"), 1);
    assert_eq!(measured.series.outcomes[client::Outcome::Opened as usize].iter().sum::<u32>(), 1);
    assert_eq!(measured.series.servers[0].arrivals.iter().sum::<u32>(), 1);
    // Also when nothing but an attempt comes out.
    let mut feed = Feed::new(layout(1));
    feed.scheduled(1_000, 0);
    feed.attempt(1_900, 0);
    feed.failed(2_000, 0, Failure::Refused);
    let measured = feed.finish_at(2_000);
    assert_eq!(time(&measured, "attempt_latency.max"), Some(100.0));
    assert_eq!(measured.series.outcomes[client::Outcome::Refused as usize].iter().sum::<u32>(), 1);
    // Also when it is the very first moment.
    let mut feed = Feed::new(layout(1));
    feed.scheduled(0, 0);
    feed.open_at_once(0, 0, 0);
    assert_eq!(count(&feed.finish_at(0), "handshake_latency.count"), 1);
}

#[test]
fn a_run_without_a_moment_in_its_window_measures_nothing() {
    let mut feed = Feed::new(window(1, 5_000, 10_000));
    feed.scheduled(0, 0);
    feed.open_at_once(100, 0, 0);
    let measured = feed.finish_at(3_000);
    assert_eq!(ratio(&measured, "availability.mean"), None);
    assert_eq!(ratio(&measured, "servers.gateway.utilisation.mean"), None);
    assert_eq!(count(&measured, "sessions.scheduled"), 0);
}
