//! Faults: affected sessions, detection and recovery.

use super::*;
use crate::fault::{Cut, Side};

#[test]
fn a_crash_takes_sessions_down_before_their_clients_notice() {
    let mut feed = Feed::new(layout(3));
    feed.all_open(2, 0);
    feed.scheduled(0, 2);
    feed.open_at_once(0, 2, 1);
    feed.began(2_000, 0, 0, FaultKind::Crash);
    feed.lost(2_020, 0);
    feed.lost(2_060, 1);
    feed.open_at_once(2_500, 0, 1);
    feed.open_at_once(3_000, 1, 1);
    feed.healed(5_000, 0, 0, FaultKind::Crash);
    let measured = feed.finish();
    // Of the three that were open.
    assert_eq!(part(&measured, "faults.a.affected"), (2, 3));
    assert_eq!(part(&measured, "faults.a.open_again"), (2, 2));
    assert_eq!(time(&measured, "faults.a.recovery_time"), Some(1_000.0));
    assert_eq!(part(&measured, "faults.a.down_max"), (2, 2));
    // One for half a second, one for a whole one.
    assert_eq!(time(&measured, "faults.a.lost_time"), Some(1_500.0));
    assert_eq!(["first_loss", "last_loss"].map(|of| time(&measured, &format!("faults.a.{of}"))), [Some(0.0); 2]);
    assert_eq!(time(&measured, "detection_time.min"), Some(20.0));
    assert_eq!(time(&measured, "detection_time.max"), Some(60.0));
    assert_eq!(time(&measured, "outage.min"), Some(500.0));
    assert_eq!(time(&measured, "outage.max"), Some(1_000.0));
    assert_eq!(ratio(&measured, "availability.mean"), Some(28.5 / 30.0));
    assert_eq!(measured.faults, [FaultWindow { name: "a".into(), from: at(2_000), until: Some(at(5_000)) }]);
}

#[test]
fn a_partition_that_heals_brings_nobody_back_whom_the_server_gave_up() {
    let cut = Cut { side: Side::Clients(0), server: 0, to_server: true, to_client: true, reversed: false };
    let parted = |event| Kind::Fault(0, event);
    let mut feed = Feed::new(layout(2));
    feed.all_open(2, 0);
    feed.event(2_000, parted(fault::Event::Parted(cut)));
    // Its clock rings, and what it sends the client is lost.
    feed.server(3_000, 0, server::Event::SentAway { session: 0 });
    feed.event(5_000, parted(fault::Event::Joined(cut)));
    let measured = feed.finish();
    assert_eq!(part(&measured, "sessions.open_at_end"), (1, 2));
    assert_eq!(time(&measured, "outage.min"), Some(3_000.0));
    assert_eq!(time(&measured, "outage.max"), None);
    assert_eq!(count(&measured, "detection_time.count"), 1);
}

#[test]
fn a_fault_that_strikes_nobody_has_no_recovery() {
    let mut feed = Feed::new(layout(1));
    feed.all_open(1, 1);
    feed.began(2_000, 0, 0, FaultKind::Crash);
    let measured = feed.finish();
    assert_eq!(count(&measured, "faults.a.affected"), 0);
    assert_eq!(part(&measured, "faults.a.open_again"), (0, 0));
    assert_eq!(time(&measured, "faults.a.recovery_time"), None);
    assert_eq!(measured.faults, [FaultWindow { name: "a".into(), from: at(2_000), until: None }]);
}

#[test]
fn who_never_notices_has_an_infinite_detection_time_and_outage() {
    let mut feed = Feed::new(layout(2));
    feed.all_open(2, 0);
    feed.began(2_000, 0, 0, FaultKind::PowerOff);
    feed.lost(4_000, 0);
    feed.open_at_once(4_000, 0, 1);
    let measured = feed.finish();
    assert_eq!(count(&measured, "detection_time.count"), 2);
    assert_eq!(time(&measured, "detection_time.p50"), Some(2_000.0));
    assert_eq!(time(&measured, "detection_time.p90"), None);
    assert_eq!(time(&measured, "outage.p50"), Some(2_000.0));
    assert_eq!(time(&measured, "outage.p90"), None);
    assert_eq!(time(&measured, "faults.a.recovery_time"), None);
    assert_eq!(part(&measured, "faults.a.open_again"), (1, 2));
    assert_eq!(part(&measured, "sessions.open_at_end"), (1, 2));
}

#[test]
fn a_loss_without_a_fault_is_an_outage_from_where_it_is_noticed() {
    let mut feed = Feed::new(layout(1));
    feed.all_open(1, 0);
    feed.lost(3_000, 0);
    feed.open_at_once(3_700, 0, 0);
    let measured = feed.finish();
    assert_eq!(time(&measured, "outage.max"), Some(700.0));
    assert_eq!(count(&measured, "detection_time.count"), 0);
    assert_eq!(count(&measured, "faults.a.affected"), 0);
}

#[test]
fn opened_on_a_dead_server_is_not_usable_and_counts_as_affected() {
    let mut feed = Feed::new(layout(1));
    feed.scheduled(0, 0);
    feed.attempt(0, 0);
    feed.connected(900, 0);
    feed.began(990, 0, 0, FaultKind::Crash);
    // The answer was on its way.
    feed.opened(1_000, 0, 0);
    feed.lost(1_010, 0);
    feed.open_at_once(2_000, 0, 1);
    let measured = feed.finish();
    assert_eq!(part(&measured, "faults.a.affected"), (1, 1));
    // From the first loss on: the answer arrived 10 ms after the crash.
    assert_eq!(time(&measured, "faults.a.first_loss"), Some(10.0));
    assert_eq!(time(&measured, "faults.a.recovery_time"), Some(1_000.0));
    assert_eq!(time(&measured, "detection_time.max"), Some(10.0));
    assert_eq!(time(&measured, "outage.max"), Some(1_000.0));
    assert_eq!(ratio(&measured, "availability.mean"), Some(0.8));
    assert_eq!(measured.series.sessions_open[..3], [0, 0, 1]);
    assert_eq!(part(&measured, "attempts.opened"), (2, 2));
}

#[test]
fn the_first_open_is_the_first_that_can_be_used() {
    let mut feed = Feed::new(layout(3));
    for session in 0..3 {
        feed.scheduled(0, session);
        feed.attempt(0, session);
    }
    for session in 0..3 {
        feed.connected(100, session);
    }
    feed.began(150, 0, 0, FaultKind::Crash);
    feed.began(150, 1, 1, FaultKind::Hang);
    // Their servers are dead; one of them will go on.
    feed.opened(200, 0, 0);
    feed.opened(200, 1, 0);
    feed.opened(200, 2, 1);
    feed.lost(300, 1);
    feed.healed(1_200, 1, 1, FaultKind::Hang);
    feed.open_at_once(2_200, 1, 1);
    let measured = feed.finish();
    assert_eq!(part(&measured, "sessions.opened"), (2, 3));
    assert_eq!(part(&measured, "sessions.never_opened"), (1, 3));
    assert_eq!(time(&measured, "time_to_open.min"), Some(1_200.0));
    assert_eq!(time(&measured, "time_to_open.p50"), Some(2_200.0));
    assert_eq!(time(&measured, "time_to_open.p99"), None);
}

#[test]
fn a_hang_that_heals_gives_its_sessions_back_unnoticed() {
    let mut feed = Feed::new(layout(2));
    feed.all_open(2, 0);
    feed.began(2_000, 0, 0, FaultKind::Hang);
    feed.healed(3_000, 0, 0, FaultKind::Hang);
    let measured = feed.finish();
    assert_eq!(count(&measured, "detection_time.count"), 0);
    assert_eq!(count(&measured, "outage.count"), 2);
    assert_eq!(time(&measured, "outage.min"), Some(1_000.0));
    assert_eq!(time(&measured, "outage.max"), Some(1_000.0));
    assert_eq!(count(&measured, "faults.a.affected"), 2);
    assert_eq!(time(&measured, "faults.a.recovery_time"), Some(1_000.0));
    assert_eq!(ratio(&measured, "availability.mean"), Some(0.9));
    assert_eq!(measured.series.sessions_open_lowest[2], 0);
}

#[test]
fn who_notices_a_hang_is_not_given_back_by_its_healing() {
    let mut feed = Feed::new(layout(2));
    feed.all_open(2, 0);
    feed.began(2_000, 0, 0, FaultKind::Hang);
    feed.lost(2_500, 0);
    feed.healed(3_000, 0, 0, FaultKind::Hang);
    feed.open_at_once(5_000, 0, 0);
    let measured = feed.finish();
    assert_eq!(count(&measured, "detection_time.count"), 1);
    assert_eq!(time(&measured, "detection_time.max"), Some(500.0));
    assert_eq!(time(&measured, "outage.min"), Some(1_000.0));
    assert_eq!(time(&measured, "outage.max"), Some(3_000.0));
    assert_eq!(measured.series.sessions_open[2..6], [0, 1, 1, 2]);
}

#[test]
fn recovery_needs_nearly_all_at_the_same_moment() {
    let mut feed = Feed::new(layout(2));
    feed.all_open(2, 0);
    feed.began(1_000, 0, 0, FaultKind::Crash);
    feed.lost(1_000, 0);
    feed.lost(1_000, 1);
    feed.open_at_once(2_000, 0, 1);
    // Gone again before the other is back: each was back once, but never both.
    feed.lost(3_000, 0);
    feed.open_at_once(4_000, 1, 1);
    feed.open_at_once(5_500, 0, 1);
    let measured = feed.finish();
    assert_eq!(part(&measured, "faults.a.open_again"), (2, 2));
    assert_eq!(time(&measured, "faults.a.recovery_time"), Some(4_500.0));
}

#[test]
fn a_session_lost_again_before_the_others_are_back_holds_recovery_up() {
    let mut feed = Feed::new(layout(2));
    feed.all_open(2, 0);
    feed.began(1_000, 0, 0, FaultKind::Crash);
    feed.lost(1_000, 0);
    feed.lost(1_000, 1);
    feed.open_at_once(2_000, 0, 1);
    feed.lost(3_000, 0);
    feed.open_at_once(4_000, 1, 1);
    let measured = feed.finish();
    assert_eq!(part(&measured, "faults.a.open_again"), (1, 2));
    assert_eq!(time(&measured, "faults.a.recovery_time"), None);
}

#[test]
fn recovery_is_reached_at_99_of_100() {
    let recovery = |back: u32| {
        let mut feed = Feed::new(layout(100));
        feed.all_open(100, 0);
        feed.began(1_000, 0, 0, FaultKind::Crash);
        for session in 0..100 {
            feed.lost(1_000, session);
        }
        for session in 0..back {
            feed.open_at_once(2_000 + u64::from(session), session, 1);
        }
        time(&feed.finish(), "faults.a.recovery_time")
    };
    assert_eq!(recovery(98), None);
    assert_eq!(recovery(99), Some(1_098.0));
    assert_eq!(recovery(100), Some(1_098.0));
}

#[test]
fn a_recovery_reached_stays_reached() {
    let mut feed = Feed::new(layout(1));
    feed.all_open(1, 0);
    feed.began(1_000, 0, 0, FaultKind::Crash);
    feed.lost(1_000, 0);
    feed.open_at_once(2_000, 0, 1);
    feed.lost(3_000, 0);
    let measured = feed.finish();
    assert_eq!(time(&measured, "faults.a.recovery_time"), Some(1_000.0));
    assert_eq!(part(&measured, "faults.a.open_again"), (0, 1));
}

#[test]
fn a_late_victim_reopens_a_recovery_that_seemed_reached() {
    let mut feed = Feed::new(layout(2));
    feed.all_open(1, 0);
    feed.scheduled(500, 1);
    feed.attempt(500, 1);
    feed.connected(800, 1);
    feed.began(1_000, 0, 0, FaultKind::Crash);
    feed.lost(1_010, 0);
    feed.open_at_once(1_020, 0, 1);
    // A client far away: its answer left before the crash and arrives when the near one is back already.
    feed.opened(1_100, 1, 0);
    feed.lost(1_400, 1);
    let measured = feed.finish();
    assert_eq!(part(&measured, "faults.a.open_again"), (1, 2));
    assert_eq!(time(&measured, "faults.a.recovery_time"), None);
}

#[test]
fn who_ends_as_intended_while_down_is_nobodys_victim() {
    let mut feed = Feed::new(layout(2));
    feed.all_open(2, 0);
    feed.began(1_000, 0, 0, FaultKind::PowerOff);
    feed.lost(1_500, 0);
    feed.open_at_once(2_000, 0, 1);
    // It closes what it thinks is open.
    feed.ended(4_000, 1);
    let measured = feed.finish();
    assert_eq!(count(&measured, "faults.a.affected"), 1);
    assert_eq!(part(&measured, "faults.a.open_again"), (1, 1));
    // Until it left, it was a victim that had not come back.
    assert_eq!(time(&measured, "faults.a.recovery_time"), Some(3_000.0));
    assert_eq!(count(&measured, "detection_time.count"), 1);
    assert_eq!(time(&measured, "detection_time.max"), Some(500.0));
    assert_eq!(count(&measured, "outage.count"), 1);
    assert_eq!(part(&measured, "sessions.ended"), (1, 2));
    // Wanted: 10 s and 4 s. Had: 9 s and 1 s.
    assert_eq!(ratio(&measured, "availability.mean"), Some(10.0 / 14.0));
}

#[test]
fn who_comes_back_and_then_ends_as_intended_was_back() {
    let mut feed = Feed::new(layout(2));
    feed.all_open(2, 0);
    feed.began(1_000, 0, 0, FaultKind::Crash);
    feed.lost(1_000, 0);
    feed.lost(1_000, 1);
    feed.open_at_once(2_000, 0, 1);
    feed.ended(2_500, 0);
    feed.open_at_once(3_000, 1, 1);
    let measured = feed.finish();
    assert_eq!(part(&measured, "faults.a.open_again"), (2, 2));
    assert_eq!(time(&measured, "faults.a.recovery_time"), Some(2_000.0));
}

#[test]
fn who_gives_up_is_never_recovered() {
    let mut feed = Feed::new(layout(2));
    feed.all_open(2, 0);
    feed.began(1_000, 0, 0, FaultKind::Crash);
    feed.lost(1_000, 0);
    feed.lost(1_000, 1);
    feed.gave_up(1_000, 0);
    feed.open_at_once(2_000, 1, 1);
    let measured = feed.finish();
    assert_eq!(part(&measured, "faults.a.open_again"), (1, 2));
    assert_eq!(time(&measured, "faults.a.recovery_time"), None);
    assert_eq!(measured.series.sessions_wanted[9], 2);
}

#[test]
fn two_faults_after_one_another_each_keep_their_own_account() {
    let mut feed = Feed::new(layout(2));
    feed.all_open(2, 0);
    feed.began(1_000, 0, 0, FaultKind::Crash);
    feed.lost(1_000, 0);
    feed.lost(1_000, 1);
    feed.open_at_once(1_500, 0, 1);
    feed.healed(2_000, 0, 0, FaultKind::Crash);
    // The second takes down the one that the first had given back.
    feed.began(2_500, 1, 1, FaultKind::Crash);
    feed.lost(2_600, 0);
    feed.open_at_once(3_000, 1, 0);
    let open_again = |measured: &Measured| ["a", "b"].map(|name| part(measured, &format!("faults.{name}.open_again")));
    feed.open_at_once(4_000, 0, 0);
    let measured = feed.finish();
    assert_eq!(open_again(&measured), [(2, 2), (1, 1)]);
    // Both faults were over for session 0 at 4 s; before, the first had never had both back.
    assert_eq!(time(&measured, "faults.a.recovery_time"), Some(3_000.0));
    assert_eq!(time(&measured, "faults.b.recovery_time"), Some(1_500.0));
    assert_eq!(count(&measured, "outage.count"), 3);
    assert_eq!(time(&measured, "outage.min"), Some(500.0));
    assert_eq!(time(&measured, "outage.max"), Some(2_000.0));
    assert_eq!(measured.faults.len(), 2);
}

#[test]
fn a_hang_does_not_revive_what_a_power_off_has_killed() {
    let mut feed = Feed::new(layout(2));
    feed.all_open(1, 0);
    feed.began(1_000, 0, 0, FaultKind::PowerOff);
    feed.healed(2_000, 0, 0, FaultKind::PowerOff);
    feed.scheduled(2_500, 1);
    feed.open_at_once(2_500, 1, 0);
    feed.began(3_000, 1, 0, FaultKind::Hang);
    feed.healed(4_000, 1, 0, FaultKind::Hang);
    let measured = feed.finish();
    // Session 0 still does not know. Only session 1 goes on.
    assert_eq!(measured.series.sessions_open[9], 1);
    assert_eq!(count(&measured, "faults.a.affected"), 1);
    assert_eq!(part(&measured, "faults.a.open_again"), (0, 1));
    assert_eq!(count(&measured, "faults.b.affected"), 1);
    assert_eq!(part(&measured, "faults.b.open_again"), (1, 1));
    assert_eq!((count(&measured, "detection_time.count"), time(&measured, "detection_time.p50")), (1, None));
}

#[test]
fn a_fault_lasts_until_its_last_target_is_well() {
    let mut feed = Feed::new(layout(2));
    feed.scheduled(0, 0);
    feed.scheduled(0, 1);
    feed.open_at_once(0, 0, 0);
    feed.open_at_once(0, 1, 1);
    feed.began(1_000, 1, 0, FaultKind::Hang);
    feed.began(1_000, 1, 1, FaultKind::Hang);
    feed.began(2_000, 0, 0, FaultKind::Hang);
    feed.healed(3_000, 1, 0, FaultKind::Hang);
    feed.healed(3_500, 1, 1, FaultKind::Hang);
    let measured = feed.finish();
    let windows: Vec<_> = measured.faults.iter().map(|fault| (fault.name.as_str(), fault.from, fault.until)).collect();
    assert_eq!(windows, [("b", at(1_000), Some(at(3_500))), ("a", at(2_000), None)]);
}

#[test]
fn a_drain_is_recovered_from_the_first_loss_on() {
    let mut feed = Feed::new(layout(2));
    feed.all_open(2, 0);
    feed.began(1_000, 0, 0, FaultKind::Drain);
    // The close frames come late, one after the other; each is down for 100 ms.
    for (at, session) in [(4_000, 0), (6_000, 1)] {
        feed.event(at, Kind::Fault(0, fault::Event::Drained { session }));
        feed.lost(at + 50, session);
        feed.open_at_once(at + 100, session, 1);
    }
    let measured = feed.finish();
    let time = |metric: &str| time(&measured, &format!("faults.a.{metric}"));
    assert_eq!((time("first_loss"), time("last_loss")), (Some(3_000.0), Some(5_000.0)));
    // Until both are open again after the last loss; neither was down for longer than 100 ms.
    assert_eq!(time("recovery_time"), Some(2_100.0));
    assert_eq!(part(&measured, "faults.a.down_max"), (1, 2));
    assert_eq!(time("lost_time"), Some(200.0));
}

#[test]
fn what_another_fault_does_after_the_recovery_is_no_lost_time_of_the_first() {
    let mut feed = Feed::new(layout(1));
    feed.all_open(1, 0);
    feed.began(1_000, 0, 0, FaultKind::Crash);
    feed.open_at_once(1_500, 0, 1);
    feed.healed(2_000, 0, 0, FaultKind::Crash);
    feed.began(3_000, 1, 1, FaultKind::Crash);
    feed.open_at_once(5_000, 0, 0);
    let measured = feed.finish();
    assert_eq!(time(&measured, "faults.a.lost_time"), Some(500.0));
    assert_eq!(time(&measured, "faults.b.lost_time"), Some(2_000.0));
}

#[test]
fn who_gave_up_wants_to_be_open_until_its_hold_is_over() {
    let mut layout = layout(2);
    layout.groups[0].hold = client::Hold::For(Distribution::Constant(ms(3_000)));
    let mut feed = Feed::new(layout);
    feed.all_open(1, 0);
    feed.scheduled(0, 1);
    feed.attempt(0, 1);
    feed.failed(100, 1, Failure::Refused);
    feed.gave_up(100, 1);
    feed.began(1_000, 0, 0, FaultKind::Crash);
    feed.lost(1_000, 0);
    feed.gave_up(1_500, 0);
    let measured = feed.finish();
    // The one wanted 3 s, and the other 1 s and then 3 s more; of these 7 s it had one.
    assert_eq!(ratio(&measured, "availability.mean"), Some(1.0 / 7.0));
    assert_eq!(part(&measured, "sessions.open_at_end"), (0, 0));
    assert_eq!(time(&measured, "faults.a.lost_time"), Some(3_000.0));
    assert_eq!(measured.series.sessions_wanted[2..5], [1, 0, 0]);
}

#[test]
fn the_survivors_bear_the_arrivals_until_recovery() {
    let mut feed = Feed::new(layout(2));
    feed.all_open(2, 0);
    feed.requested(900, 1, false);
    feed.began(1_000, 0, 0, FaultKind::Crash);
    feed.requested(1_050, 0, false);
    for at in [1_100, 1_200, 1_900, 2_100] {
        feed.requested(at, 1, false);
    }
    feed.open_at_once(2_500, 0, 1);
    feed.open_at_once(2_500, 1, 1);
    for at in [2_600, 2_601, 2_602, 2_603] {
        feed.requested(at, 1, false);
    }
    let measured = feed.finish();
    let arrivals =
        ["max", "gateway-0", "gateway-1"].map(|of| count(&measured, &format!("faults.a.peak_arrivals.{of}")));
    assert_eq!(arrivals, [3, 1, 3]);
    assert_eq!(count(&measured, "servers.gateway-1.arrivals.peak"), 5);
    assert_eq!(count(&measured, "servers.gateway.arrivals.peak"), 5);
}

#[test]
fn a_fleet_is_balanced_again_when_each_server_has_its_share() {
    let run = |moves_back: bool| {
        let mut feed = Feed::new(layout(4));
        for session in 0..4 {
            feed.scheduled(0, session);
            feed.accepted(0, session % 2);
            feed.open_at_once(0, session, session % 2);
        }
        feed.began(1_000, 0, 0, FaultKind::Crash);
        for (at, session) in [(2_000, 0), (3_000, 2)] {
            feed.accepted(at, 1);
            feed.open_at_once(at, session, 1);
        }
        feed.healed(4_000, 0, 0, FaultKind::Crash);
        if moves_back {
            for at in [6_000, 7_000] {
                feed.server(at, 1, server::Event::Closed { connection: 0 });
                feed.accepted(at + 500, 0);
            }
        }
        feed.finish()
    };
    let (stays, moves) = (run(false), run(true));
    assert_eq!(time(&stays, "faults.a.rebalanced_after"), None);
    assert_eq!(ratio(&stays, "servers.gateway.balance.at_end"), Some(0.5));
    assert_eq!(count(&stays, "servers.gateway-1.open_at_end"), 4);
    // Three connections on two servers can't be more even than 2 and 1.
    assert_eq!(time(&moves, "faults.a.rebalanced_after"), Some(6_000.0));
    assert_eq!(ratio(&moves, "servers.gateway.balance.at_end"), Some(1.0));
    // At the ends of the first and the last three intervals as at the ends of the run; 2 and 0, then 3 and 0, between.
    assert_eq!(moves.series.balance[0].1[..3], [Some(1.0), Some(0.5), Some(0.5)]);
}

#[test]
fn utilisation_has_its_worst_second() {
    let mut feed = Feed::new(layout(1));
    // One of two workers from 0.5 s to 2.25 s, both in the last quarter of that.
    feed.requested(500, 0, false);
    feed.started(500, 0, None);
    feed.requested(2_000, 0, false);
    feed.started(2_000, 0, None);
    feed.answered(2_250, 0, 101, 1_750);
    feed.answered(2_250, 0, 101, 250);
    let measured = feed.finish();
    assert_eq!(ratio(&measured, "servers.gateway-0.utilisation.peak"), Some(0.5));
    assert_eq!(ratio(&measured, "servers.gateway-0.utilisation.mean"), Some(0.1));
    assert_eq!(ratio(&measured, "servers.gateway-1.utilisation.peak"), Some(0.0));
}
