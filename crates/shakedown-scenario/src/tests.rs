//! Scenarios that load, and how. Those that don't are with the checks.

use super::*;
use shakedown_core::client::{Hold, OnRetry, Pick, Policy};
use shakedown_core::handshake::Mode;
use shakedown_core::load::Arrive;
use shakedown_core::network::SynRetries;
use shakedown_core::quantity::{Loss, Share};
use shakedown_core::rng::Distribution;
use shakedown_core::scenario::ServerEntry;
use shakedown_core::server::WebServer;
use shakedown_core::time::Nanos;

const COMMITTED: [&str; 26] = [
    include_str!("../../../scenarios/access-link.toml"),
    include_str!("../../../scenarios/backlog-overflow.toml"),
    include_str!("../../../scenarios/black-hole.toml"),
    include_str!("../../../scenarios/cache-restart.toml"),
    include_str!("../../../scenarios/chaos.toml"),
    include_str!("../../../scenarios/dns-failover.toml"),
    include_str!("../../../scenarios/failover.toml"),
    include_str!("../../../scenarios/hybi/authentication.toml"),
    include_str!("../../../scenarios/hybi/fleet.toml"),
    include_str!("../../../scenarios/hybi/pinned.toml"),
    include_str!("../../../scenarios/hybi/proxy.toml"),
    include_str!("../../../scenarios/hybi/redirect.toml"),
    include_str!("../../../scenarios/hybi/unknown-destination.toml"),
    include_str!("../../../scenarios/l4-versus-redirect/l4-nat.toml"),
    include_str!("../../../scenarios/l4-versus-redirect/l4-terminate.toml"),
    include_str!("../../../scenarios/l4-versus-redirect/redirect.toml"),
    include_str!("../../../scenarios/metastable.toml"),
    include_str!("../../../scenarios/overload.toml"),
    include_str!("../../../scenarios/redirect.toml"),
    include_str!("../../../scenarios/rolling-deploy.toml"),
    include_str!("../../../scenarios/session-loss.toml"),
    include_str!("../../../scenarios/shared-connections.toml"),
    include_str!("../../../scenarios/storm.toml"),
    include_str!("../../../scenarios/thundering-herd.toml"),
    include_str!("../../../scenarios/tls-storm.toml"),
    include_str!("../../../scenarios/zone-loss.toml"),
];

/// The least that a scenario must say.
const LEAST: &str = r#"
format = 1
title = "The least"
duration = "60s"
[servers.gateway]
[clients.players]
count = 10
endpoints = ["gateway"]
"#;

pub(super) fn load_with(text: &str, overrides: &Overrides) -> Result<Scenario, Problem> {
    crate::load("fleet.toml", "fleet", text, overrides)
}

pub(super) fn load(text: &str) -> Scenario {
    load_with(text, &Overrides::default()).unwrap_or_else(|problem| panic!("{problem}"))
}

pub(super) fn sets(sets: &[&str]) -> Overrides {
    Overrides { sets: sets.iter().map(ToString::to_string).collect(), ..Overrides::default() }
}

pub(super) fn variant(name: &str) -> Overrides {
    Overrides { variant: Some(name.into()), ..Overrides::default() }
}

/// What a scenario resolves to must resolve to itself.
pub(super) fn assert_fixed_point(scenario: &Scenario) {
    let resolved = scenario.resolved();
    let again = crate::load("resolved.toml", scenario.name(), resolved, &Overrides::default());
    let again = again.unwrap_or_else(|problem| panic!("{problem}\n{resolved}"));
    assert_eq!(format!("{:?}", again.groups()), format!("{:?}", scenario.groups()));
    assert_eq!(again.servers(), scenario.servers());
    assert_eq!(format!("{:?}", again.clients()), format!("{:?}", scenario.clients()));
    assert_eq!(again.dns(), scenario.dns());
    assert_eq!((again.network(), again.faults()), (scenario.network(), scenario.faults()));
    assert_eq!(again.resolved(), resolved);
    assert_eq!(again.hash(), scenario.hash());
}

#[test]
fn every_committed_scenario_loads_with_each_of_its_variants_and_resolves_to_a_fixed_point() {
    for text in COMMITTED {
        let base = load(text);
        assert_fixed_point(&base);
        for name in Tree::parse("x.toml", text).unwrap().variants() {
            let varied = load_with(text, &variant(&name)).unwrap_or_else(|problem| panic!("{problem}"));
            assert_fixed_point(&varied);
            assert_ne!(varied.hash(), base.hash(), "the variant {name} changes nothing");
        }
    }
}

#[test]
fn everything_the_language_has_resolves_to_a_fixed_point() {
    let all = r#"
format = 1
title = "Every key there is: \"quotes\", 日本"
duration = "1h"
seed = 9223372036854775807

[network]
one_way = { quantiles = { p0 = "1ms", p50 = "2ms", p99_9 = "30ms", p100 = "0.5s" } }
jitter = { uniform = { min = "0s", max = "1500us" } }
syn_retries = ["1s", "3s", "7s"]

[network.links.wire]
from = "bots"
to = "gateway"
bandwidth = "2Gbit/s"
queue = "1MB"

[servers.front]
workers = 16
cores = 1
slowdown = { contention = "2%", coherency = "0.1%" }
memory = { max = "2GiB", process = "200MB", connection = "64KiB", handshake = "1MB" }
descriptors = { max = 1024, when_full = "refuse" }
accepts = "when-idle"
address_window = { max = 10, per = "1m", kind = "sliding", counts_rejected = true }
address_connections_max = 20
liveness = { every = "5s", in_queue = false }
readiness = { delay = "1s" }
restart = { after = "10s", factor = 2 }
service_time = { normal = { mean = "1ms", deviation = "100us" } }
backlog = 16
behavior = [
    { kind = "redirect", to = "gateway", pick = "least-connections", report_every = "500ms", location = "http", status = 303, when = { share = "33.3%", after = "1s", until = "10m" } },
    { kind = "redirect", path = "/other?x=1", location = "relative", when = { path = "/chat" } },
    { kind = "reject", status = 429, retry_after = "2s", when = { share = "7%" } },
    { kind = "redirect", location = "malformed", retry_after = "1s", when = { share = "1%" } },
    { kind = "redirect", path = "/kept", keep_alive = true, when = { share = "1%" } },
    { kind = "accept", answer = { status = 204, padding = 99, padding_fields = 3 }, when = { share = "1%" } },
    { kind = "stall", when = { until = "5s" } },
    { kind = "accept" },
]

[servers.gateway]
count = 7
connections_max = 5_000
access_link = "100Mbit/s"
pauses = { every = { exponential = { mean = "10s" } }, for = "200ms", in_step = true }
calls_hold_worker = true
calls = [
    { to = ["auth", "late-1"], timeout = "1s", pick = "hash", share = "10%", cached = true, optional = true, retry = { attempts = 3, delay = { uniform = { min = "0s", max = "25ms" } } } },
    { to = "auth", timeout = "500ms" },
]
behavior = { kind = "reject", when = { share = "0.1%" } }

[servers.auth]
behavior = { kind = "serve" }

[servers.late]
count = 2
joins_at = "10m"
leaves_at = "50m"
leaves_over = "1m"
behavior = { kind = "serve" }

[clients.players]
count = 1_000
start = "2s"
arrive = { ramp = { from = "0/s", to = "1/h", over = "10m" } }
endpoints = ["front", "gateway-6"]
pick = "sticky"
on_retry = "next"
mode = "final-response"
path = "/chat?room=%20"
connect_timeout = "3s"
handshake_timeout = "4s"
redirects = 0
open_timeout = "6s"
heartbeat = { every = "25s", timeout = "20s" }
breaker = { failures = 5, open_for = "30s" }
reconnect = false
fatal_close_codes = [1008, 4001]
hold = { lognormal = { median = "1m", p99 = "10m" } }
hosts = 10
nat = 3
access_link = { up = "1.5Mbit/s", queue = "64KiB" }
connect_gate = true

[clients.players.retry]
policy = "decorrelated-jitter"
base = "1ms"
cap = "2s"
factor = 1.3
delays = ["0s", "1.5ms"]
first = { uniform = { min = "0s", max = "5s" } }
spread = "33%"
base_plus = { exponential = { mean = "3ms" } }
plus = "7us"
attempts = 3
failed_handshakes = false
honour_retry_after = true
statuses = [503, 429]
after_loss = { uniform = { min = "0s", max = "1s" } }
reset_after = "5s"
budget = { rate = "1/m", burst = 3 }

[clients.bots]
count = 3
arrive = { closed_loop = { think = { exponential = { mean = "10s" } }, over = "1s" } }
endpoints = ["gateway"]
hold = "0s"

[clients.poisson]
count = 3
arrive = { poisson = { rate = "7/m" } }
endpoints = ["gateway"]

[clients.random]
count = 3
arrive = { randomly_over = "1m" }
endpoints = ["gateway"]
profile = "java-follow"
preset = "phoenix"
credentials = { user = "alice", password = "secret" }
auth = "header"
auth_schemes = ["digest"]
sets_headers = true
connect_timeout = "none"
handshake_timeout = "7s"
open_timeout = "none"
redirects = 7
follows = ["relative", "http"]
remembers_redirects = "permanent"
upgrades_redirected = true
keep_alive = true
new_key = "request"
repeats_after = ["connect-timeout"]
reads = { upgrade = "hangs", http_1_0 = "fails", head = "1MB", fields = 9, body = false, pieces = 2 }
known_findings = ["redirect-loop", "credentials-leaked", "accept-unverified"]

[clients.at-once]
count = 3
arrive = "at_once"
endpoints = ["gateway"]
hold = "end"

[faults.some]
kind = "hang"
target = { group = "gateway", share = "14%" }
at = "10s"
for = "1s"

[faults.two]
kind = "power-off"
target = { group = "gateway", count = 2 }
at = "11s"
for = "1s"

[faults.front]
kind = "crash"
target = "front"
at = "0s"

[faults.loses]
kind = "lossy"
target = { from = "players", to = "gateway" }
at = "1s"
for = "1s"
loss = { forward = "20%", back = "0%" }
repeat = { every = "2s", times = 3 }

[faults.late]
kind = "latency"
target = { from = "players", to = "gateway" }
one_way = true
at = "1s"
add = "200ms"

[faults.narrow]
kind = "bandwidth"
target = "players"
at = "1s"
bandwidth = "64kbit/s"
queue = "9KB"

[faults.later]
kind = "latency"
target = "front"
at = "1s"
factor = 2.5

[faults.flaps]
kind = "flap"
with = "restart"
target = "auth"
at = "20s"
for = "1s"
drain = "2s"
code = 1013
repeat = { every = "10m", times = 3 }

[faults.ends]
kind = "stop"
target = "late-0"
at = "20m"
for = "1s"

[measure]
from = "1m"
until = "59m"
interval = "10s"

[expect]
"handshake_latency.p99_99" = ["> 1ms", "<= 1.5s"]
"sessions.opened" = ">= 99.9%"
"attempts.total" = "< 1_000_000"
"servers.gateway.fairness" = "> 7%"
"#;
    assert_fixed_point(&load(all));
}

#[test]
fn every_share_is_written_as_it_was_read() {
    for thousandths in 0..=100_000 {
        let written = format!("{}%", f64::from(thousandths) / 1_000.0);
        let share: Share = written.parse().unwrap();
        assert_eq!(share.to_string(), written);
    }
}

#[test]
fn every_seed_resolves() {
    for seed in [0, 1, i64::MAX as u64, u64::MAX] {
        let overrides = Overrides { seed: Some(seed), ..Overrides::default() };
        assert_fixed_point(&load_with(LEAST, &overrides).unwrap());
        assert_fixed_point(&load(&LEAST.replace("format = 1", &format!("format = 1\nseed = {seed}"))));
    }
}

#[test]
fn what_is_not_written_is_what_the_types_say() {
    let scenario = load(LEAST);
    let (network, routes) = (scenario.network(), scenario.routes());
    assert_eq!((scenario.name(), scenario.seed()), ("fleet", Seed(1)));
    assert_eq!(network.one_way, Distribution::Constant(Nanos::from_millis(20)));
    assert_eq!(network.jitter, Distribution::Constant(Nanos::ZERO));
    assert_eq!(network.syn_retries, SynRetries::default());
    assert_eq!((network.loss, network.data_retries), (Loss::default(), 15));
    assert_eq!((routes.routes.len(), routes.table.len()), (1, 0));
    let group = &scenario.groups()["gateway"];
    assert_eq!((group.count, group.backlog), (1, 1024));
    let server = group.web().unwrap();
    assert_eq!(format!("{server:?}"), format!("{:?}", WebServer::default()));
    assert_eq!(server.workers.count, 4);
    assert_eq!(server.workers.service_time, Distribution::Constant(Nanos(250_000)));
    let client = &scenario.clients()["players"];
    assert_eq!(client.start, Nanos::ZERO);
    assert_eq!(client.arrive, Arrive::EvenlyOver(Nanos::from_secs(5)));
    assert_eq!((client.pick, client.on_retry), (Pick::Random, Some(OnRetry::Random)));
    assert_eq!((client.mode, client.path.as_str()), (Mode::Upgrade, "/"));
    assert_eq!((client.connect_timeout, client.handshake_timeout), (Nanos::from_secs(10), Nanos::from_secs(10)));
    assert_eq!((client.redirects, client.reconnect, &client.hold), (5, true, &Hold::End));
    assert_eq!((client.hosts, client.connect_gate), (None, false));
    assert_eq!((client.open_timeout, client.heartbeat, client.breaker), (None, None, None));
    assert!(client.fatal_close_codes.is_empty());
    let retry = &client.retry;
    assert_eq!((retry.policy, retry.attempts), (Policy::FullJitter, None));
    assert_eq!((retry.base, retry.cap, retry.factor), (Nanos::from_secs(1), Nanos::from_secs(30), 2.0));
    assert_eq!((&retry.first, retry.spread, &retry.base_plus, &retry.plus), (&None, None, &None, &None));
    assert_eq!((&retry.statuses, &retry.after_loss), (&None, &None));
    assert_eq!((retry.failed_handshakes, retry.honour_retry_after, retry.budget), (true, false, None));
    assert_eq!((retry.reset_after, retry.delays.len()), (Nanos::ZERO, 0));
    let Measure { from, until, interval, half_open } = *scenario.measure();
    assert_eq!((from, until, interval), (Nanos::ZERO, Nanos::from_secs(60), Nanos::from_millis(500)));
    assert!(!half_open);
    assert_eq!(scenario.servers(), [ServerEntry { name: "gateway-0".into(), group: 0 }]);
    assert!(scenario.faults().is_empty() && scenario.expectations().next().is_none());
}

#[test]
fn a_retry_goes_where_the_pick_suggests_unless_it_is_told() {
    for (pick, on_retry) in [
        ("first", OnRetry::Next),
        ("random", OnRetry::Random),
        ("round-robin", OnRetry::Next),
        ("sticky", OnRetry::Same),
    ] {
        let set = sets(&[&format!("clients.players.pick={pick}")]);
        assert_eq!(load_with(LEAST, &set).unwrap().clients()["players"].on_retry, Some(on_retry), "{pick}");
    }
    let told = sets(&["clients.players.pick=sticky", "clients.players.on_retry=random"]);
    assert_eq!(load_with(LEAST, &told).unwrap().clients()["players"].on_retry, Some(OnRetry::Random));
}

#[test]
fn intervals_are_round_and_follow_the_duration() {
    let interval = |duration: &str| {
        let scenario = load_with(LEAST, &sets(&[&format!("duration={duration}")])).unwrap();
        scenario.measure().interval.to_string()
    };
    assert_eq!(["5s", "12s", "60s", "61s", "1h"].map(interval), ["50ms", "100ms", "500ms", "1s", "50s"]);
    let set = sets(&["measure.interval=7s"]);
    assert_eq!(load_with(LEAST, &set).unwrap().layout().interval, Nanos::from_secs(7));
}

#[test]
fn a_set_comes_after_the_variant_and_the_seed_after_both() {
    let text = format!("{LEAST}[variants.big]\n\"clients.players.count\" = 20\nseed = 2\n");
    let count = |overrides: &Overrides| {
        let scenario = load_with(&text, overrides).unwrap();
        (scenario.clients()["players"].count, scenario.seed().0)
    };
    assert_eq!(count(&Overrides::default()), (10, 1));
    assert_eq!(count(&variant("big")), (20, 2));
    assert_eq!(count(&sets(&["clients.players.count=30"])), (30, 1));
    let mut all = sets(&["clients.players.count=30", "seed=3", "clients.players.count=40"]);
    all.variant = Some("big".into());
    assert_eq!(count(&all), (40, 3));
    all.seed = Some(4);
    assert_eq!(count(&all), (40, 4));
}

#[test]
fn a_variant_may_put_right_what_a_set_would_break_and_the_other_way_round() {
    // A variant that is not run is held to the file as it is written, not to what --set makes of it.
    let text = format!("{LEAST}[variants.late]\n\"clients.players.start\" = \"50s\"\n");
    assert!(load_with(&text, &sets(&["duration=20s"])).is_ok());
    let mut both = sets(&["duration=20s"]);
    both.variant = Some("late".into());
    assert!(load_with(&text, &both).is_err());
}

#[test]
fn a_name_means_a_group_or_a_member() {
    let scenario = load(&LEAST.replace("[servers.gateway]", "[servers.front]\n[servers.gateway]\ncount = 3"));
    let members = |name: &str| scenario.members(name).map(|all| all.iter().map(|one| one.0).collect::<Vec<_>>());
    assert_eq!(members("front"), Some(vec![0]));
    assert_eq!(members("gateway"), Some(vec![1, 2, 3]));
    assert_eq!(members("gateway-2"), Some(vec![3]));
    assert_eq!(members("gateway-3"), None);
    assert_eq!(scenario.sessions(), 10);
}

#[test]
fn a_share_of_a_group_is_rounded_up_and_drawn_by_the_seed() {
    let text = format!(
        "{LEAST}[faults.some]\nkind = \"hang\"\ntarget = {{ group = \"gateway\", share = \"30%\" }}\nat = \"1s\"\n"
    );
    let text = text.replace("[servers.gateway]", "[servers.gateway]\ncount = 10");
    let struck = |seed: u64| {
        let overrides = Overrides { seed: Some(seed), ..Overrides::default() };
        load_with(&text, &overrides).unwrap().faults()[0].windows[0].servers.clone()
    };
    assert_eq!(struck(1).len(), 3);
    assert_eq!(struck(1), struck(1));
    assert!((2..20).any(|seed| struck(seed) != struck(1)));
    let none = sets(&["faults.some.target.share=0%"]);
    assert!(load_with(&text, &none).unwrap().faults()[0].windows[0].servers.is_empty());
}

#[test]
fn one_behavior_may_be_written_as_a_list() {
    let written = |behavior: &str| load(&LEAST.replace("[servers.gateway]", &format!("[servers.gateway]\n{behavior}")));
    let one = written("behavior = { kind = \"stall\" }");
    let listed = written("behavior = [{ kind = \"stall\" }]");
    assert_eq!(format!("{:?}", one.groups()), format!("{:?}", listed.groups()));
    // With none that applies, a server accepts.
    assert_fixed_point(&written("behavior = []"));
}

#[test]
fn what_looks_odd_but_is_possible_is_not_refused() {
    for odd in [
        // No patience with redirects, no way back, no time open, no work.
        &["clients.players.redirects=0", "clients.players.reconnect=false", "clients.players.hold=0s"][..],
        &["servers.gateway.service_time=0s", "network.one_way=0s"],
        // Fixed delays know no cap, and no retry knows no delays.
        &["clients.players.retry={ policy = \"fixed\", base = \"60s\" }"],
        &["clients.players.retry={ policy = \"none\", base = \"0s\" }"],
        // A retry at once, if not all of them are.
        &["clients.players.retry={ policy = \"list\", delays = [\"0s\", \"1s\"] }"],
        &["clients.players.retry={ policy = \"fixed\", base = \"0s\", plus = \"1s\" }"],
        &["clients.players.retry={ first = \"0s\" }"],
        &["clients.players.retry={ policy = \"chromium\", base = \"0s\", statuses = [], after_loss = \"0s\" }"],
        // Pings without a pause, on the edge of what one ping at a time can do.
        &["clients.players.heartbeat={ every = \"5s\", timeout = \"5s\" }"],
        &["clients.players.hosts=10", "clients.players.breaker={ failures = 1, open_for = \"1ns\" }"],
        // A redirect to itself is how redirect limits are tested.
        &["servers.gateway.behavior={ kind = \"redirect\", to = \"gateway\" }"],
        // A plain page.
        &["servers.gateway.behavior={ kind = \"reject\", status = 200 }"],
        // A variant that switches a behavior off.
        &["servers.gateway.behavior={ kind = \"stall\", when = { share = \"0%\" } }"],
        // One fault takes over where another ends; one outlasts the run.
        &[
            "faults.a={ kind = \"hang\", target = \"gateway\", at = \"10s\", for = \"5s\" }",
            "faults.b={ kind = \"crash\", target = \"gateway\", at = \"15s\", for = \"5m\" }",
        ],
        // A closed loop without a pause, where the network takes time.
        &["clients.players.arrive={ closed_loop = { think = \"0s\" } }", "clients.players.hold=1s"],
        // Of a rate, the count is a limit.
        &["clients.players.arrive={ poisson = { rate = \"1/h\" } }"],
        // The last arrives as the run ends.
        &["clients.players.arrive={ evenly_over = \"60s\" }"],
        &["measure.interval=2h", "measure.from=59s"],
    ] {
        let loaded = load_with(LEAST, &sets(odd));
        assert_fixed_point(&loaded.unwrap_or_else(|problem| panic!("{problem}")));
    }
}
