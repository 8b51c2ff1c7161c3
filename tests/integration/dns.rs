//! Fail-over by DNS, to the nanosecond: what names stand for, who keeps that how long, and what silence costs.

use shakedown::client::{self, End, Failure};
use shakedown::event::{Event, Kind};
use shakedown::metrics::Value;
use shakedown::network::dns;
use shakedown::time::Nanos;

use crate::common::{self, MS, SECOND, find, history, life, load, of_session, opened, when};

/// Three gateways that take no time, 20 ms away, under the name `game`; lookups take 5 ms, and no resolver keeps anything.
fn fleet(dns: &str, clients: &str, rest: &str) -> String {
    let arrive = if clients.contains("arrive = ") { "" } else { "arrive = 'at_once'" };
    format!(
        "format = 1\ntitle = 'x'\nduration = '600s'\n[servers.gateway]\ncount = 3\nservice_time = '0s'\n\
         [dns.game]\nto = ['gateway']\nlatency = '5ms'\norder = 'fixed'\n{dns}\n\
         [clients.players]\nendpoints = ['game']\n{arrive}\n{clients}\n{rest}"
    )
}

const DIRECT: &str = "resolvers = 0\nttl = '30s'";

fn lookups(events: &[Event], session: u32) -> Vec<u64> {
    when(events, session, |event| matches!(event, client::Event::Resolving { .. }))
}

/// Where it went, one attempt after the other.
fn dialled(events: &[Event], session: u32) -> Vec<u32> {
    let started = of_session(events, session, |event| match event {
        client::Event::AttemptStarted { endpoint, .. } => Some(endpoint),
        _ => None,
    });
    started.into_iter().map(|(_, endpoint)| endpoint).collect()
}

fn records(events: &[Event]) -> Vec<(u64, dns::Event)> {
    find(events, |kind| match kind {
        Kind::Dns(0, event) => Some(*event),
        _ => None,
    })
}

fn summary(text: &str, metric: &str) -> Option<Value> {
    common::summary(text).get(metric)
}

#[test]
fn a_lookup_comes_before_the_first_syn_and_counts_as_part_of_the_attempt() {
    let text = fleet(DIRECT, "count = 1", "");
    let events = history(&text);
    assert_eq!(lookups(&events, 0), [0]);
    let resolved = client::Event::Resolved { connection: 1, name: 3, addresses: 3, ttl: Nanos(30 * SECOND) };
    assert_eq!(life(&events, 0)[2], (5 * MS, resolved));
    assert_eq!(life(&events, 0)[3], (5 * MS, client::Event::AttemptStarted { connection: 1, endpoint: 0 }));
    assert_eq!(opened(&events, 0), [85 * MS]);
    for (metric, ms) in [("time_to_open.max", 85), ("attempt_latency.max", 85), ("handshake_latency.max", 40)] {
        let expected = Value::Duration(Some(Nanos(ms * MS)));
        assert_eq!(summary(&text, metric), Some(expected), "{metric}");
    }
    assert_eq!(summary(&text, "dns.game.lookups"), Some(Value::Count(1)));
    assert_eq!(summary(&text, "attempts.unresolved"), Some(Value::Part { count: 0, of: 1 }));
}

#[test]
fn what_is_known_is_not_asked_again_until_its_time_to_live_is_over() {
    // Each session opens 80 ms after it knows the address, stays for a second, and its close takes 40 ms.
    let clients = "count = 1\narrive = { closed_loop = { think = '8.875s', over = '1ms' } }\nhold = '1s'\n";
    let of = |more: &str| lookups(&history(&fleet(DIRECT, &format!("{clients}{more}"), "").replace("600s", "65s")), 0);
    // Sessions begin at 0, 10, 19.995 s, …: each takes 9.995 s, or 10 s with a lookup. The answer came at 5 ms, so at
    // 29.99 s it is still known, and at 39.985 s no longer.
    assert_eq!(of(""), [0, 39_985 * MS]);
    assert_eq!(of("dns_cache = 'forever'\n"), [0]);
    assert_eq!(of("dns_cache = 'none'\n"), [0, 10, 20, 30, 40, 50, 60].map(|s| s * SECOND));
    assert_eq!(of("dns_cache = { max = '9s' }\n"), [0, 10, 20, 30, 40, 50, 60].map(|s| s * SECOND));
    assert_eq!(of("dns_cache = { min = '45s' }\n"), [0, 49_980 * MS]);
    // A process knows what one of its sessions asked.
    let shared = history(&fleet(DIRECT, "count = 2\narrive = { evenly_over = '1s' }\nhosts = 1\n", ""));
    assert_eq!((lookups(&shared, 0).len(), lookups(&shared, 1).len()), (1, 0));
}

#[test]
fn a_connect_that_fails_goes_on_with_the_next_address() {
    let crash = "[faults.dies]\nkind = 'crash'\ntarget = 'gateway-0'\nat = '0s'\n";
    let retry = "count = 1\nretry = { policy = 'fixed', base = '1s' }\n";
    let events = history(&fleet(DIRECT, retry, crash));
    assert_eq!((dialled(&events, 0), opened(&events, 0)), (vec![0, 1], vec![5 * MS + 40 * MS + 80 * MS]));
    // Silence takes as long as the client waits for it.
    let off = crash.replace("crash", "power-off");
    let patience = format!("{retry}connect_timeout = '3s'\n");
    assert_eq!(opened(&history(&fleet(DIRECT, &patience, &off)), 0), [3_085 * MS]);
    // The whole attempt has a limit, too, of which the first address takes all.
    let limited = format!("{patience}open_timeout = '3s'\n");
    let events = history(&fleet(DIRECT, &limited, &off.replace("gateway-0", "gateway")));
    let failed = when(&events, 0, |event| matches!(event, client::Event::AttemptFailed { .. }));
    assert_eq!(failed[..2], [3 * SECOND, 7 * SECOND]);
    // One that has only the first address comes back to it, as long as it knows it.
    let stubborn = format!("{retry}next_address = false\n");
    let events = history(&fleet(DIRECT, &stubborn, crash));
    assert_eq!((opened(&events, 0), lookups(&events, 0).len() > 10), (vec![], true));
    // Where all fail, the client waits, and begins again with the first.
    let all = crash.replace("gateway-0", "gateway");
    let events = history(&fleet(DIRECT, retry, &all));
    assert_eq!(dialled(&events, 0)[..6], [0, 1, 2, 0, 1, 2]);
    let began = when(&events, 0, |event| matches!(event, client::Event::AttemptStarted { .. }));
    assert_eq!(began[..4], [5 * MS, 45 * MS, 85 * MS, 1_125 * MS]);
}

#[test]
fn addresses_race_and_silence_costs_no_more_than_the_delay() {
    let dark = |server: &str| format!("[faults.dark]\nkind = 'partition'\ntarget = {server}\nat = '0s'\n");
    let once = "count = 1\nopen_timeout = '10s'\nretry = { policy = 'none' }\n";
    let race = format!("{once}race = {{ delay = '250ms' }}\n");
    // One after the other, the first address takes all the time that there is.
    let events = history(&fleet(DIRECT, once, &dark("'gateway-0'")));
    assert_eq!((dialled(&events, 0), opened(&events, 0)), (vec![0], vec![]));
    // A lookup, the delay, a connect and a handshake.
    let text = fleet(DIRECT, &race, &dark("'gateway-0'"));
    assert_eq!(opened(&history(&text), 0), [(5 + 250 + 80) * MS]);
    assert_eq!(summary(&text, "race.connects"), Some(Value::Count(1)));
    assert_eq!(summary(&text, "race.won"), Some(Value::Part { count: 1, of: 1 }));
    assert_eq!(summary(&text, "attempts.opened"), Some(Value::Part { count: 1, of: 1 }));
    let two = fleet(DIRECT, &race, &dark("['gateway-0', 'gateway-1']"));
    assert_eq!(opened(&history(&two), 0), [(5 + 2 * 250 + 80) * MS]);
    // A refusal is known a round trip later, and nothing waits for the rest of the delay.
    let crash = "[faults.dies]\nkind = 'crash'\ntarget = 'gateway-0'\nat = '0s'\n";
    assert_eq!(opened(&history(&fleet(DIRECT, &race, crash)), 0), [(5 + 40 + 80) * MS]);
    // Where the first address answers in time, there is no other connect, nor any other event.
    assert_eq!(history(&fleet(DIRECT, &race, "")), history(&fleet(DIRECT, once, "")));
}

#[test]
fn who_comes_second_in_a_race_is_let_go() {
    // The first answers after 300 ms, the second 40 ms after it was tried at 250 ms.
    let far = "[network.links.far]\nfrom = 'players'\nto = 'gateway-0'\none_way = '150ms'\n";
    let text = fleet(DIRECT, "count = 1\nrace = {}\n", far);
    let events = history(&text);
    assert_eq!(opened(&events, 0), [(5 + 250 + 80) * MS]);
    let at_first = |wanted: fn(&shakedown::event::ServerEvent) -> bool| {
        let of = |kind: &Kind| matches!(kind, Kind::Server(0, event) if wanted(event)).then_some(());
        find(&events, of).len()
    };
    use shakedown::event::ServerEvent::{Accepted, Closed, Requested};
    let counts = (
        at_first(|event| matches!(event, Accepted { .. })),
        at_first(|event| matches!(event, Requested { .. })),
        at_first(|event| matches!(event, Closed { .. })),
    );
    assert_eq!((counts.0, counts.1), (counts.2, 0), "what it has accepted it has closed, with no request");
    // The other way round, the second is let go.
    let less = far.replace("150ms", "135ms");
    let events = history(&fleet(DIRECT, "count = 1\nrace = {}\n", &less));
    assert_eq!(opened(&events, 0), [(5 + 2 * 270) * MS]);
}

#[test]
fn what_has_no_race_is_told() {
    for (clients, says) in [
        ("race = { delay = '9ms' }", "a delay of 9ms: RFC 8305 asks for 10ms or more"),
        ("race = {}\nnext_address = false", "says that no other address is tried"),
        ("race = {}\nhosts = 1\nconnect_gate = true", "lets a process make one"),
        ("race = {}\nmode = 'extended-connect'", "sessions share their host's connections"),
    ] {
        let told = load(&fleet(DIRECT, &format!("count = 1\n{clients}"), "")).unwrap_err();
        assert!(told.contains(says), "{clients}: {told}");
    }
    let race = "count = 1\nrace = {}";
    let half_open = load(&fleet(DIRECT, race, "[measure]\nhalf_open = true")).unwrap_err();
    assert!(half_open.contains("`half_open` counts one connection"), "{half_open}");
    let one = fleet(DIRECT, race, "").replace("endpoints = ['game']", "endpoints = ['gateway-1']");
    let told = load(&one).unwrap_err();
    assert!(told.contains("a race of one address"), "{told}");
    let proxy = load(&one.replace("race = {}", "race = {}\nproxy = 'corporate'\n[proxies.corporate]")).unwrap_err();
    assert!(proxy.contains("it is the proxy that connects"), "{proxy}");
    let edge = "[servers.edge]\nkind = 'l4'\nbalance = 'nat'\nto = 'gateway'\n";
    let balancer = fleet(DIRECT, race, edge).replace("endpoints = ['game']", "endpoints = ['gateway-1', 'edge']");
    let told = load(&balancer).unwrap_err();
    assert!(told.contains("a race between balancers is not simulated, and `edge` is one"), "{told}");
}

#[test]
fn answers_have_an_order() {
    let first = |order: &str| {
        let text = fleet(DIRECT, "count = 600", "").replace("'fixed'", &format!("'{order}'"));
        let events = history(&text);
        (0..600).map(|session| dialled(&events, session)[0]).collect::<Vec<_>>()
    };
    assert!(first("fixed").iter().all(|server| *server == 0));
    assert_eq!(first("round-robin")[..6], [0, 1, 2, 0, 1, 2]);
    let random = first("random");
    for server in 0..3 {
        // 200 each, deviation 11.5.
        let count = random.iter().filter(|first| **first == server).count();
        assert!((150..250).contains(&count), "{server}: {count}");
    }
}

#[test]
fn checks_take_a_dead_servers_record_out_and_back() {
    let health = format!("{DIRECT}\nhealth = {{ every = '10s', timeout = '2s', fall = 3, rise = 2 }}");
    let fault =
        |kind: &str| format!("[faults.dies]\nkind = '{kind}'\ntarget = 'gateway-1'\nat = '25s'\nfor = '100s'\n");
    let (gone, back) = (dns::Event::Withdrawn { server: 1 }, dns::Event::Listed { server: 1 });
    // Checked at 30, 40 and 50 s: the refusal takes a round trip, silence the timeout. Back with the checks of 130 and
    // 140 s, whose answers take a round trip.
    let of = |kind: &str| records(&history(&fleet(&health, "count = 1", &fault(kind))));
    assert_eq!(of("crash"), [(50_040 * MS, gone), (140_040 * MS, back)]);
    assert_eq!(of("power-off"), [(52_000 * MS, gone), (140_040 * MS, back)]);
    // A stopped process still has a kernel that completes connects: a check of the port does not find it.
    assert_eq!(of("hang"), []);
    // An answer that comes later than it may is none.
    let late = health.replace("'2s'", "'39ms'");
    let all: Vec<dns::Event> =
        records(&history(&fleet(&late, "count = 1", ""))).iter().map(|(_, event)| *event).collect();
    // With nobody left the records stay: a guess is better than no answer.
    let list = |server| dns::Event::Listed { server };
    assert_eq!(all, [dns::Event::Withdrawn { server: 0 }, gone, list(0), list(1)]);
    // Only what is asked after that is without the dead one.
    let clients = "count = 200\narrive = { evenly_over = '100s' }\n";
    let text = fleet(&health, clients, &fault("crash")).replace("fixed", "round-robin");
    let events = history(&text);
    for session in 0..200 {
        let asked = lookups(&events, session)[0];
        if (50_040 * MS..100 * SECOND).contains(&(asked + 5 * MS)) {
            assert_ne!(dialled(&events, session)[0], 1, "{session}");
        }
    }
    assert!((0..100).any(|session| lookups(&events, session)[0] > 25 * SECOND && dialled(&events, session)[0] == 1));
}

#[test]
fn a_standby_is_answered_while_everybody_else_is_down() {
    let standby = "[servers.standby]\nservice_time = '0s'\n";
    let dns = format!("{DIRECT}\nstandby = ['standby']\nhealth = {{ every = '10s', fall = 1, rise = 1 }}");
    let fault = |target: &str| {
        format!("{standby}[faults.dies]\nkind = 'crash'\ntarget = '{target}'\nat = '25s'\nfor = '20s'\n")
    };
    let (gone, back) = (|server| dns::Event::Withdrawn { server }, |server| dns::Event::Listed { server });
    let events = records(&history(&fleet(&dns, "count = 1", &fault("gateway-0"))));
    assert_eq!(events, [(30_040 * MS, gone(0)), (50_040 * MS, back(0))]);
    // The three are found dead one after the other, at the same moment; the last one's end brings the standby in.
    let events = records(&history(&fleet(&dns, "count = 1", &fault("gateway"))));
    assert_eq!(events[..4], [gone(0), gone(1), gone(2), back(3)].map(|event| (30_040 * MS, event)));
    assert_eq!(events[4..], [gone(3), back(0), back(1), back(2)].map(|event| (50_040 * MS, event)));
}

#[test]
fn somebody_may_write_other_records() {
    let standby = "[servers.standby]\nservice_time = '0s'\n";
    let dns = format!("{DIRECT}\nchanges = [{{ at = '50s', to = ['gateway-2'] }}, {{ at = '20s', to = ['standby'] }}]");
    let events =
        history(&fleet(&dns, "count = 100\nstart = '0s'", standby).replace("'at_once'", "{ evenly_over = '100s' }"));
    let last: Vec<(u64, dns::Event)> = records(&events).split_off(4);
    assert_eq!(
        last,
        [(50 * SECOND, dns::Event::Withdrawn { server: 3 }), (50 * SECOND, dns::Event::Listed { server: 2 })]
    );
    let first = |session: u32| dialled(&events, session)[0];
    // What is answered at the very moment of the change is new.
    assert_eq!([0, 19, 20, 49, 50, 99].map(first), [0, 0, 3, 3, 2, 2]);
}

#[test]
fn a_resolver_answers_what_it_heard_until_its_time_to_live_is_over() {
    // Everybody asks at 100 s, the records change at 90 s, a time to live is 40 s: resolvers asked up to 40 s before.
    let standby = "[servers.standby]\nservice_time = '0s'\n";
    let dns = "ttl = '40s'\nchanges = [{ at = '90s', to = ['standby'] }]";
    let clients = "count = 2_000\nstart = '100s'\n";
    let share =
        |events: &[Event]| (0..2_000).filter(|session| dialled(events, *session)[0] == 3).count() as f64 / 2_000.0;
    let events = history(&fleet(dns, clients, standby));
    // A quarter asked in the last 10 s; three deviations are 2.9 %.
    assert!((share(&events) - 0.25).abs() < 0.03, "{}", share(&events));
    // Who hears the old answer hears for how long it is still good: until the resolver asks, after the change.
    for session in 0..2_000 {
        let new = dialled(&events, session)[0] == 3;
        let (at, ttl) = life(&events, session)
            .into_iter()
            .find_map(|(at, event)| match event {
                client::Event::Resolved { ttl, .. } => Some((at, ttl.0)),
                _ => None,
            })
            .unwrap();
        assert_eq!(at, 100 * SECOND + 5 * MS);
        let asked = at + ttl - 40 * SECOND;
        assert_eq!(new, asked >= 90 * SECOND, "{session}");
        assert!(asked <= at && ttl <= 40 * SECOND);
    }
    // With few resolvers, those who share one hear the same.
    let few = format!("{dns}\nresolvers = 2");
    let events = history(&fleet(&few, clients, standby));
    assert!([0.0, 0.5, 1.0].iter().any(|near| (share(&events) - near).abs() < 0.05), "{}", share(&events));
    // Some keep it for longer: 1 of 4 for 400 s, of which 10 s are 1/40.
    let stale = format!("{dns}\nmin_ttl = {{ ttl = '400s', share = '25%' }}");
    let expected = 0.75 * 0.25 + 0.25 * 0.025;
    let share = share(&history(&fleet(&stale, clients, standby)));
    assert!((share - expected).abs() < 0.03, "{share}");
}

#[test]
fn while_nobody_answers_a_lookup_fails_after_its_timeout_and_caches_help() {
    let outage = "[faults.dns]\nkind = 'dns-outage'\ntarget = 'game'\nat = '10s'\nfor = '25s'\n";
    let clients = "count = 1\nstart = '12s'\nretry = { policy = 'fixed', base = '1s' }\n";
    let events = history(&fleet(DIRECT, clients, outage));
    // 10 s each, and a second between: at 12, 23 and 34 s; the third is answered because it arrives at 34.005 s … too
    // early: it fails at 44 s, and the fourth is answered.
    assert_eq!(lookups(&events, 0), [12, 23, 34, 45].map(|s| s * SECOND));
    let failed =
        when(&events, 0, |event| matches!(event, client::Event::AttemptFailed { failure: Failure::LookupTimeout, .. }));
    assert_eq!(failed, [22, 33, 44].map(|s| s * SECOND));
    assert_eq!(opened(&events, 0), [45_085 * MS]);
    let text = fleet(DIRECT, clients, outage);
    assert_eq!(summary(&text, "attempts.unresolved"), Some(Value::Part { count: 3, of: 4 }));
    assert_eq!(summary(&text, "dns.game.answers"), Some(Value::Count(1)));
    let hasty = format!("{clients}dns_timeout = '5s'\n");
    assert_eq!(lookups(&history(&fleet(DIRECT, &hasty, outage)), 0), [12, 18, 24, 30, 36].map(|s| s * SECOND));
    // Of resolvers with a time to live of 50 s, those that need not ask within the 25 s notice nothing.
    let many = "count = 2_000\nstart = '34s'\nretry = { policy = 'none' }\n";
    let events = history(&fleet("ttl = '50s'", many, outage));
    let answered = (0..2_000).filter(|session| !opened(&events, *session).is_empty()).count();
    // At 34.005 s all have failed that had to ask since 10 s: 24.005 of 50 s.
    assert!((answered as f64 / 2_000.0 - 0.52).abs() < 0.034, "{answered}");
}

#[test]
fn a_redirect_may_lead_to_a_name() {
    let front = "[servers.front]\nservice_time = '0s'\nbehavior = { kind = 'redirect', to = 'game' }\n";
    let text = fleet(DIRECT, "count = 2", front).replace("endpoints = ['game']", "endpoints = ['front']");
    let events = history(&text);
    assert_eq!(opened(&events, 0), [80 * MS + 5 * MS + 80 * MS]);
    assert_eq!(dialled(&events, 0), [3, 0]);
    let redirected = when(&events, 0, |event| matches!(event, client::Event::Redirected { endpoint: 4, .. }));
    assert_eq!(redirected, [80 * MS]);
    // A relative Location leads to the name again, which may stand for another server.
    let relative = "[servers.other]\n";
    let text = fleet(DIRECT, "count = 1\nredirects = 1", relative)
        .replace(
            "service_time = '0s'",
            "service_time = '0s'\nbehavior = { kind = 'redirect', location = 'relative', path = '/b' }",
        )
        .replace("fixed", "round-robin")
        .replace("[clients.players]", "[clients.players]\ndns_cache = 'none'");
    assert_eq!(dialled(&history(&text), 0)[..2], [0, 1]);
}

#[test]
fn clients_come_back_as_their_time_to_live_runs_out() {
    let standby = "[servers.standby]\nservice_time = '0s'\n";
    let fault = format!("{standby}[faults.dies]\nkind = 'crash'\ntarget = 'gateway'\nat = '100s'\n");
    let dns = "ttl = '40s'\nstandby = ['standby']\nhealth = { every = '10s', fall = 2 }";
    let clients = "count = 100\nnext_address = false\nretry = { policy = 'fixed', base = '100ms' }\n";
    let happened = |clients: &str| history(&fleet(dns, clients, &fault).replace("600s", "160s"));
    let events = happened(clients);
    // Checked at 100 and 110 s.
    assert_eq!(records(&events)[0].0, 110_040 * MS);
    for session in 0..100 {
        let lost = when(&events, session, |event| matches!(event, client::Event::Lost { end: End::Fin, .. }));
        assert_eq!(lost, [100_020 * MS], "{session}");
        let back = opened(&events, session)[1];
        // A round is 140 ms, and what opens takes 85 ms.
        assert!((110_040 * MS..150_040 * MS + 225 * MS).contains(&back), "{session}: {back}");
    }
    // Who caches for ever never comes back.
    let events = happened(&format!("{clients}dns_cache = 'forever'\n"));
    assert!((0..100).all(|session| opened(&events, session).len() == 1));
}

#[test]
fn names_that_make_no_sense_are_told_apart() {
    let wrong = |dns: &str, clients: &str, rest: &str, expected: &str| {
        let problem = load(&fleet(dns, &format!("count = 1\n{clients}"), rest)).expect_err(expected);
        assert!(problem.contains(expected), "{problem}");
        assert!(problem.contains("test.toml:"), "{problem}");
    };
    let health = "health = { every = '10s' }\n";
    wrong("standby = ['gateway-1']", "", "", "`standby` needs `health`");
    wrong("standby = ['gatewy']\nhealth = { every = '10s' }", "", "", "no server or server group is named `gatewy`");
    wrong("health = { every = '1s' }", "", "", "timeout 2s outlasts the next check, after 1s");
    wrong("health = { every = '10s', fall = 0 }", "", "", "zero: it must be at least 1");
    wrong("health = { every = '10s', rises = 2 }", "", "", "unknown key `rises`");
    wrong("min_ttl = { ttl = '60s' }", "", "", "a minimum of 60s changes nothing");
    wrong("resolvers = 0\nmin_ttl = { ttl = '90s' }", "", "", "`min_ttl` is about resolvers");
    wrong("changes = [{ at = '600s', to = ['gateway-0'] }]", "", "", "it changes at 10m, but the run ends at 10m");
    wrong("changes = [{ at = '1s', to = [] }]", "", "", "a name without records");
    wrong(
        "changes = [{ at = '1s', to = ['gateway', 'gateway-0'] }]",
        "",
        "",
        "names `gateway-0`, which has a record already",
    );
    wrong("latency = '1ms'", "", "", "duplicate key");
    wrong(health, "", "[dns.gateway]\nto = ['gateway']\n", "the DNS name `gateway` is a server or a server group too");
    wrong(health, "", "[dns.'game_1']\nto = ['gateway']\n", "is no host name");
    wrong(health, "", "[dns.'a..b']\nto = ['gateway']\n", "is no host name");
    wrong(health, "dns_timeout = '0s'", "", "a timeout of zero");
    wrong(health, "dns_cache = 'allways'", "", "unknown value `allways`");
    wrong(health, "dns_cache = {}", "", "bounds without any");
    wrong(health, "dns_cache = { min = '60s', max = '30s' }", "", "max 30s is below min 60s");
    let fault = |kind: &str, target: &str| format!("[faults.f]\nkind = '{kind}'\ntarget = '{target}'\nat = '1s'\n");
    wrong(health, "", &fault("dns-outage", "gateway"), "strikes a DNS name, and this is none");
    wrong(health, "", &fault("dns-outage", "gam"), "the nearest name is `game`");
    wrong(health, "", &fault("crash", "game"), "no server or server group is named `game`");
    let both = fault("dns-outage", "game") + &fault("dns-outage", "game").replace("faults.f", "faults.g");
    wrong(health, "", &both, "`f` and `g` would both hold `game` at the same time");
    let redirect = "[servers.f]\nbehavior = { kind = 'redirect', to = 'game', pick = 'least-connections' }\n";
    wrong(health, "", redirect, "leaves the choice to whoever looks it up");
    let misspelt = fleet(health, "count = 1", "").replace("['game']", "['gamé']");
    assert!(load(&misspelt).unwrap_err().contains("the nearest DNS name is `game`"));
    let nameless = "format = 1\ntitle = 'x'\nduration = '9s'\n[servers.gateway]\n[clients.players]\ncount = 1\n\
                    endpoints = ['gateway']\ndns_cache = 'none'\n";
    assert!(load(nameless).unwrap_err().contains("means nothing where there are no names to look up"));
}

#[test]
fn every_default_is_shown_and_resolves_to_the_same_run() {
    let everything = "ttl = '50s'\nmin_ttl = { ttl = '60s', share = '5%' }\nresolvers = 7\nstandby = ['standby']\n\
                      health = { every = '10s' }\nchanges = [{ at = '9s', to = ['gateway-1'] }]\n";
    let rest = "[servers.standby]\n[dns.'chat.example']\nto = ['standby']\n[clients.bots]\ncount = 1\n\
                endpoints = ['chat.example', 'gateway-1']\npick = 'first'\ndns_cache = { min = '60s' }\n";
    let scenario = load(&fleet(everything, "count = 20", rest)).unwrap();
    let resolved = scenario.resolved();
    for shown in ["dns_cache = \"ttl\"", "dns_timeout = \"10s\"", "next_address = true", "rise = 2", "ttl = \"60s\""] {
        assert!(resolved.contains(shown), "{shown}\n{resolved}");
    }
    let again = load(resolved).unwrap_or_else(|problem| panic!("{problem}\n{resolved}"));
    assert_eq!(again.resolved(), resolved);
    let text = fleet(everything, "count = 20", rest);
    assert_eq!(history(resolved), history(&text));
    assert_eq!(summary(&text, "dns.chat_example.lookups"), Some(Value::Count(1)));
}

#[test]
fn a_name_has_tls_where_its_servers_do() {
    let front = "[servers.front]\nservice_time = '0s'\ntls = '1.3'\ntls_cost = '0s'\nbehavior = { kind = 'redirect', to = 'game' }\n";
    let text = fleet(DIRECT, "count = 1", front)
        .replace("endpoints = ['game']", "endpoints = ['front']")
        .replace("count = 3", "count = 3\ntls = '1.3'\ntls_cost = '0s'");
    // Twice a connect, a round trip of TLS and a request; between them a lookup.
    assert_eq!(opened(&history(&text), 0), [120 * MS + 5 * MS + 120 * MS]);
    let mixed = load(&fleet("standby = ['front']\nhealth = { every = '10s' }", "count = 1", front)).unwrap_err();
    assert!(mixed.contains("it stands for servers with TLS and for servers without"), "{mixed}");
}
