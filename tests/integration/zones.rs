//! Groups spread over zones, faults with several targets, and balancers that use a part of the servers behind them.

use shakedown::event::Kind;
use shakedown::fault;

use crate::common::{count, find, history, load, summary};

const CLIENTS: &str =
    "[clients.players]\ncount = 600\narrive = { evenly_over = '10s' }\nendpoints = ['edge']\npick = 'round-robin'\n";

fn text(edge: &str, gateway: &str, more: &str) -> String {
    format!(
        "format = 1\ntitle = 'Zones'\nduration = '20s'\n[servers.edge]\nkind = 'l4'\nbalance = 'terminate'\ncount = 3\n{edge}\n\
         [servers.gateway]\ncount = 6\nservice_time = '0s'\n{gateway}\n{CLIENTS}{more}"
    )
}

fn struck(target: &str) -> Vec<u32> {
    let fault = format!("[faults.dark]\nkind = 'power-off'\ntarget = {target}\nat = '15s'\n");
    let events = history(&text("to = 'gateway'", "zone = ['a', 'b', 'c']", &fault));
    let began = |kind: &Kind| match kind {
        Kind::Fault(0, fault::Event::Began { server, .. }) => Some(*server),
        _ => None,
    };
    find(&events, began).into_iter().map(|(_, server)| server).collect()
}

#[test]
fn members_are_spread_over_zones_in_turn_and_faults_take_lists() {
    // edge has numbers 0 to 2, gateway 3 to 8: a, b, c, a, b, c.
    assert_eq!(struck("'a'"), [3, 6]);
    assert_eq!(struck("['a', 'gateway-1', 'edge-0', 'gateway-0']"), [0, 3, 4, 6]);
}

#[test]
fn a_partition_may_cut_several_places_off() {
    let cut = |target: &str| {
        let fault = format!("[faults.cut]\nkind = 'partition'\ntarget = {target}\nat = '1s'\n");
        load(&text("to = 'gateway'", "zone = ['a', 'b', 'c']", &fault)).unwrap().faults()[0].cuts.len()
    };
    // Each gateway is cut off from the three balancers and the clients. What is cut off together is not cut from itself:
    // gateway-0 and gateway-3 each from the clients and two balancers, and edge-0 from everybody else.
    assert_eq!((cut("'a'"), cut("['a', 'b']"), cut("['a', 'edge-0']")), (8, 16, 15));
}

/// Sessions that opened at each gateway, edge by edge in the order of sessions.
fn opened(edge: &str, gateway: &str, more: &str) -> Vec<u64> {
    let summary = summary(&text(edge, gateway, more));
    assert!(count(&summary, "sessions.opened") >= 598);
    (0..6).map(|number| count(&summary, &format!("servers.gateway-{number}.opened"))).collect()
}

#[test]
fn a_balancer_that_knows_zones_stays_in_its_own_while_it_can() {
    let zones = "zone = ['a', 'b', 'c']";
    let of_one =
        "to = 'gateway'\nzone = 'b'\nzone_aware = true\nhealth = { every = '1s', timeout = '1s', fall = 1, rise = 1 }";
    assert_eq!(opened(of_one, zones, ""), [0, 300, 0, 0, 300, 0]);
    // Without a server in its zone it uses the others: from 5.0 s on, at the latest a check later.
    let dark = "[faults.dark]\nkind = 'power-off'\ntarget = ['gateway-1', 'gateway-4']\nat = '5s'\n";
    let others = opened(of_one, zones, dark);
    assert!(others[1] > 130 && others[0] > 50 && others[0].abs_diff(others[2]) <= 3, "{others:?}");
    // Balancers in three zones have two gateways each.
    assert_eq!(opened(&format!("to = 'gateway'\n{zones}\nzone_aware = true"), zones, ""), [100; 6]);
}

#[test]
fn a_subset_is_all_that_a_balancer_uses_and_checks() {
    // Three balancers with two of six gateways each: a round deals out every one once.
    let subset = "to = 'gateway'\nsubset = 2\nhealth = { every = '1s', timeout = '1s', fall = 1, rise = 1 }";
    assert_eq!(opened(subset, "", ""), [100; 6]);
    let dark = "[faults.dark]\nkind = 'power-off'\ntarget = 'gateway-0'\nat = '10500ms'\n";
    let failed = |edge: &str| {
        let summary = summary(&text(edge, "", dark));
        (0..3).filter(|edge| count(&summary, &format!("servers.edge-{edge}.checks_failed")) > 0).count()
    };
    assert_eq!((failed(subset), failed(&subset.replace("subset = 2", ""))), (1, 3));
}

#[test]
fn what_makes_no_sense_of_zones_is_told() {
    for (edge, gateway, says) in [
        ("to = []", "", "names no server"),
        ("to = ['gateway', 'gateway-1']", "", "names `gateway-1`, which is a target already, by `gateway`"),
        ("to = ['gateway', 'gatewax']", "", "no server or server group is named `gatewax`"),
        ("to = 'gateway'\nsubset = 7", "", "a subset of 7, of 6 servers"),
        ("to = 'gateway'\nsubset = 0", "", "at least 1"),
        ("to = 'gateway'\nzone_aware = true", "", "this balancer is in no zone"),
        (
            "to = 'gateway'\nzone_aware = true\nzone = 'd'",
            "zone = ['a', 'b']",
            "no server behind it is in the zone `d`",
        ),
        ("to = 'gateway'", "zone = []", "names no zone"),
        ("to = 'gateway'", "zone = ['a', 'a']", "names the zone `a` twice"),
        ("to = 'gateway'", "subset = 2", "`subset` is for balancers"),
        ("to = ['gateway', 'other']\n[servers.other]\ntls = '1.3'", "", "`gateway` and `other` do not agree on TLS"),
    ] {
        let told = load(&text(edge, gateway, "")).expect_err(edge);
        assert!(told.contains(says), "{edge}, {gateway}: {told}");
    }
    let target = |target: &str| {
        let fault = format!("[faults.dark]\nkind = 'crash'\ntarget = {target}\nat = '15s'\n");
        load(&text("to = 'gateway'", "zone = ['a', 'b']", &fault)).expect_err(target)
    };
    assert!(target("[]").contains("strikes nobody"), "{}", target("[]"));
    assert!(
        target("['a', 'gatewax-1']").contains("the nearest name is `gateway-1`"),
        "{}",
        target("['a', 'gatewax-1']")
    );
    let clients = text("to = 'gateway'", "", "zone = ['a', 'b']");
    let told = load(&clients).unwrap_err();
    assert!(told.contains("zone"), "{told}");
}
