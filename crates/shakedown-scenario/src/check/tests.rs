//! What users see when a scenario is refused: what is wrong, where, and what would be right.

use insta::assert_snapshot;

use crate::Overrides;
use crate::tests::{assert_fixed_point, load, load_with, sets, variant};

const FLEET: &str = r#"format = 1
title = "A fleet"
duration = "60s"

[network]
one_way = { lognormal = { median = "20ms", p99 = "60ms" } }

[servers.front]
behavior = { kind = "redirect", to = "gateway", pick = "round-robin" }

[servers.gateway]
count = 3
behavior = { kind = "reject", retry_after = "5s", when = { share = "10%", until = "30s" } }

[clients.players]
count = 100
arrive = { evenly_over = "5s" }
endpoints = ["front", "gateway-1"]
retry = { policy = "full-jitter", base = "500ms", cap = "30s" }

[clients.bots]
count = 5
arrive = { closed_loop = { think = "1s" } }
endpoints = ["gateway"]
hold = "10s"

[faults.dies]
kind = "crash"
target = { group = "gateway", count = 1 }
at = "20s"
for = "15s"

[variants.slow]
"network.one_way" = "200ms"

[expect]
"handshake_latency.p99" = "< 250ms"
"#;

// Parts of it that many tests write otherwise.
const REDIRECT: &str = r#"{ kind = "redirect", to = "gateway", pick = "round-robin" }"#;
const LOGNORMAL: &str = r#"{ lognormal = { median = "20ms", p99 = "60ms" } }"#;
const RETRY: &str = r#"retry = { policy = "full-jitter", base = "500ms", cap = "30s" }"#;
const EXPECTED: &str = r#""handshake_latency.p99" = "< 250ms""#;

/// The message for [`FLEET`] with one thing in it written otherwise.
fn refused(written: &str, otherwise: &str) -> String {
    assert_eq!(FLEET.matches(written).count(), 1, "{written}");
    message(&FLEET.replace(written, otherwise), &Overrides::default())
}

/// The message for [`FLEET`] with something at its end, which is the table `[expect]`.
fn refused_with(more: &str) -> String {
    message(&format!("{FLEET}{more}"), &Overrides::default())
}

fn refused_set(set: &str) -> String {
    message(FLEET, &sets(&[set]))
}

fn message(text: &str, overrides: &Overrides) -> String {
    load_with(text, overrides).expect_err("this must be refused").to_string()
}

#[test]
fn the_fleet_itself_is_fine() {
    assert_fixed_point(&load(FLEET));
    assert_fixed_point(&load_with(FLEET, &variant("slow")).unwrap());
}

#[test]
fn text_that_is_not_toml_is_shown_where_it_breaks() {
    assert_snapshot!(refused(r#"title = "A fleet""#, r#"title = "A fleet"#), @r#"
    error: not valid TOML: invalid basic string, expected `"`
     --> fleet.toml:2:17
      |
    2 | title = "A fleet
      |                 ^
    "#);
    assert_snapshot!(refused("format = 1\n", "format = 1\nformat = 1\n"), @r"
    error: not valid TOML: duplicate key
     --> fleet.toml:2:1
      |
    2 | format = 1
      | ^^^^^^
    ");
    assert_snapshot!(refused("count = 100", "count ="), @r"
    error: not valid TOML: a value is missing
      --> fleet.toml:16:8
       |
    16 | count =
       |        ^
    ");
    assert_snapshot!(refused("[network]", "[network"), @r"
    error: not valid TOML: unclosed table, expected `]`
     --> fleet.toml:5:9
      |
    5 | [network
      |         ^
    ");
    assert_snapshot!(refused("count = 100", "count = 1_0_"), @r"
    error: not valid TOML: `_` may only go between digits
      --> fleet.toml:16:12
       |
    16 | count = 1_0_
       |            ^
    ");
}

#[test]
fn another_format_is_refused_before_anything_else_is_read() {
    assert_snapshot!(refused("format = 1", "format = 2"), @r"
    error: format 2 is unknown: this version reads format 1
     --> fleet.toml:1:10
      |
    1 | format = 2
      |          ^
    ");
    assert_snapshot!(refused("format = 1", "format = 2\nnew_in_2 = true"), @r"
    error: format 2 is unknown: this version reads format 1
     --> fleet.toml:1:10
      |
    1 | format = 2
      |          ^
    ");
    assert_snapshot!(refused("format = 1\n", ""), @r"
    error: missing key `format` at the top level
    --> fleet.toml
    ");
    assert_snapshot!(refused("format = 1", r#"format = "1""#), @r#"
    error: `format` must be a whole number, found the string "1"
     --> fleet.toml:1:10
      |
    1 | format = "1"
      |          ^^^
    "#);
}

#[test]
fn an_unknown_key_is_underlined_and_its_nearest_neighbour_named() {
    assert_snapshot!(refused("title =", "tilte ="), @r#"
    error: unknown key `tilte` at the top level
     --> fleet.toml:2:1
      |
    2 | tilte = "A fleet"
      | ^^^^^
      |
      = help: the nearest known key is `title`
    "#);
    assert_snapshot!(refused("count = 100", "cuont = 100"), @r"
    error: unknown key `cuont` in [clients.players]
      --> fleet.toml:16:1
       |
    16 | cuont = 100
       | ^^^^^
       |
       = help: the nearest known key is `count`
    ");
    assert_snapshot!(refused("base =", "bse ="), @r#"
    error: unknown key `bse` in [clients.players.retry]
      --> fleet.toml:19:35
       |
    19 | retry = { policy = "full-jitter", bse = "500ms", cap = "30s" }
       |                                   ^^^
       |
       = help: the nearest known key is `base`
    "#);
    assert_snapshot!(refused("one_way =", "latency ="), @r#"
    error: unknown key `latency` in [network]
     --> fleet.toml:6:1
      |
    6 | latency = { lognormal = { median = "20ms", p99 = "60ms" } }
      | ^^^^^^^
      |
      = help: known keys here: `one_way`, `jitter`, `syn_retries`, `loss`, `data_retries`, `time_wait`, `time_wait_reopens`, `links`
    "#);
    assert_snapshot!(refused("retry_after", "retry-after"), @r#"
    error: unknown key `retry-after` in [servers.gateway.behavior]
      --> fleet.toml:13:31
       |
    13 | behavior = { kind = "reject", retry-after = "5s", when = { share = "10%", until = "30s" } }
       |                               ^^^^^^^^^^^
       |
       = help: the nearest known key is `retry_after`
    "#);
    assert_snapshot!(refused("[faults.dies]", "[fault.dies]"), @r"
    error: unknown key `fault` at the top level
      --> fleet.toml:27:2
       |
    27 | [fault.dies]
       |  ^^^^^
       |
       = help: the nearest known key is `faults`
    ");
    assert_snapshot!(refused(r#"share = "10%""#, r#"shares = "10%""#), @r#"
    error: unknown key `shares` in [servers.gateway.behavior.when]
      --> fleet.toml:13:60
       |
    13 | behavior = { kind = "reject", retry_after = "5s", when = { shares = "10%", until = "30s" } }
       |                                                            ^^^^^^
       |
       = help: the nearest known key is `share`
    "#);
    assert_snapshot!(refused(r#"{ evenly_over = "5s" }"#, r#"{ evenly = "5s" }"#), @r#"
    error: unknown key `evenly` in [clients.players.arrive]
      --> fleet.toml:17:12
       |
    17 | arrive = { evenly = "5s" }
       |            ^^^^^^
       |
       = help: known keys here: `at_once`, `evenly_over`, `randomly_over`, `poisson`, `ramp`, `stages`, `random_stages`, `closed_loop`
    "#);
    assert_snapshot!(refused(r#"{ think = "1s" }"#, r#"{ think = "1s", pause = "1s" }"#), @r#"
    error: unknown key `pause` in [clients.bots.arrive.closed_loop]
      --> fleet.toml:23:42
       |
    23 | arrive = { closed_loop = { think = "1s", pause = "1s" } }
       |                                          ^^^^^
       |
       = help: known keys here: `think`, `over`
    "#);
    assert_snapshot!(refused(r#"group = "gateway", count"#, r#"group = "gateway", counts"#), @r#"
    error: unknown key `counts` in [faults.dies.target]
      --> fleet.toml:29:31
       |
    29 | target = { group = "gateway", counts = 1 }
       |                               ^^^^^^
       |
       = help: the nearest known key is `count`
    "#);
}

#[test]
fn a_quantity_without_its_unit_is_shown_one_that_has_it() {
    assert_snapshot!(refused(r#"duration = "60s""#, r#"duration = "20""#), @r#"
    error: `duration` must be a duration with its unit (ns, us, ms, s, m, h), such as "250ms", found the string "20"
     --> fleet.toml:3:12
      |
    3 | duration = "20"
      |            ^^^^
    "#);
    assert_snapshot!(refused(r#"duration = "60s""#, r#"duration = "20 parsecs""#), @r#"
    error: `duration` must be a duration with its unit (ns, us, ms, s, m, h), such as "250ms", found the string "20 parsecs"
     --> fleet.toml:3:12
      |
    3 | duration = "20 parsecs"
      |            ^^^^^^^^^^^^
    "#);
    assert_snapshot!(refused(r#"duration = "60s""#, "duration = 20"), @r#"
    error: `duration` must be a duration with its unit (ns, us, ms, s, m, h), such as "250ms", found the number 20
     --> fleet.toml:3:12
      |
    3 | duration = 20
      |            ^^
    "#);
    assert_snapshot!(refused(r#"median = "20ms""#, r#"median = "20""#), @r#"
    error: `network.one_way.lognormal.median` must be a duration with its unit (ns, us, ms, s, m, h), such as "250ms", found the string "20"
     --> fleet.toml:6:36
      |
    6 | one_way = { lognormal = { median = "20", p99 = "60ms" } }
      |                                    ^^^^
    "#);
    assert_snapshot!(refused(r#"at = "20s""#, r#"at = "-20s""#), @r#"
    error: `faults.dies.at` must be a duration with its unit (ns, us, ms, s, m, h), such as "250ms", found the string "-20s"
      --> fleet.toml:30:6
       |
    30 | at = "-20s"
       |      ^^^^^^
       |
       = help: did you mean "20s"?
    "#);
    assert_snapshot!(refused(r#"share = "10%""#, r#"share = "0.1""#), @r#"
    error: `servers.gateway.behavior.when.share` must be a share from 0% to 100%, such as "30%", found the string "0.1"
      --> fleet.toml:13:68
       |
    13 | behavior = { kind = "reject", retry_after = "5s", when = { share = "0.1", until = "30s" } }
       |                                                                    ^^^^^
    "#);
    assert_snapshot!(refused(r#"share = "10%""#, "share = 0.1"), @r#"
    error: `servers.gateway.behavior.when.share` must be a share from 0% to 100%, such as "30%", found the number 0.1
      --> fleet.toml:13:68
       |
    13 | behavior = { kind = "reject", retry_after = "5s", when = { share = 0.1, until = "30s" } }
       |                                                                    ^^^
    "#);
    assert_snapshot!(refused(r#"{ evenly_over = "5s" }"#, r#"{ poisson = { rate = "100" } }"#), @r#"
    error: `clients.players.arrive.poisson.rate` must be a rate, such as "2000/s" or "30/m", found the string "100"
      --> fleet.toml:17:31
       |
    17 | arrive = { poisson = { rate = "100" } }
       |                               ^^^^^
    "#);
    assert_snapshot!(refused(r#"cap = "30s""#, r#"cap = "0.5ns""#), @r#"
    error: `clients.players.retry.cap` must be a duration of whole nanoseconds, such as "1.5ms", found the string "0.5ns"
      --> fleet.toml:19:57
       |
    19 | retry = { policy = "full-jitter", base = "500ms", cap = "0.5ns" }
       |                                                         ^^^^^^^
    "#);
    assert_snapshot!(refused(r#"hold = "10s""#, r#"hold = "forever""#), @r#"
    error: `clients.bots.hold` must be a duration with its unit (ns, us, ms, s, m, h), such as "250ms", found the string "forever"
      --> fleet.toml:25:8
       |
    25 | hold = "forever"
       |        ^^^^^^^^^
    "#);
}

#[test]
fn a_value_of_another_type_is_told_what_it_should_be() {
    assert_snapshot!(refused("count = 100", r#"count = "many""#), @r#"
    error: `clients.players.count` must be a whole number from 1 to 100000000, found the string "many"
      --> fleet.toml:16:9
       |
    16 | count = "many"
       |         ^^^^^^
    "#);
    assert_snapshot!(refused(r#"endpoints = ["gateway"]"#, "endpoints = 7"), @"
    error: `clients.bots.endpoints` must be the name of a server or a group, or a list of them, found the number 7
      --> fleet.toml:24:13
       |
    24 | endpoints = 7
       |             ^
    ");
    assert_snapshot!(refused(r#"endpoints = ["gateway"]"#, "endpoints = [1]"), @r"
    error: `clients.bots.endpoints.0` must be a string, found the number 1
      --> fleet.toml:24:14
       |
    24 | endpoints = [1]
       |              ^
    ");
    assert_snapshot!(refused("count = 100", "count = 10.5"), @r"
    error: `clients.players.count` must be a whole number from 1 to 100000000, found the number 10.5
      --> fleet.toml:16:9
       |
    16 | count = 10.5
       |         ^^^^
    ");
    assert_snapshot!(refused("[network]\none_way", "[network]\nsyn_retries = 3\none_way"), @r#"
    error: `network.syn_retries` must be "linux-6.5", "linux", "macos", or a list of times such as ["1s", "3s", "7s"], found the number 3
     --> fleet.toml:6:15
      |
    6 | syn_retries = 3
      |               ^
    "#);
    assert_snapshot!(refused(RETRY, r#"retry = "full-jitter""#), @r#"
    error: `clients.players.retry` must be a table, found the string "full-jitter"
      --> fleet.toml:19:9
       |
    19 | retry = "full-jitter"
       |         ^^^^^^^^^^^^^
    "#);
    assert_snapshot!(refused(r#"for = "15s""#, "for = true"), @r#"
    error: `faults.dies.for` must be a duration with its unit (ns, us, ms, s, m, h), such as "250ms", found true
      --> fleet.toml:31:7
       |
    31 | for = true
       |       ^^^^
    "#);
    assert_snapshot!(refused(r#"title = "A fleet""#, "title = 1979-05-27"), @r"
    error: `title` must be a string, found the date or time 1979-05-27
     --> fleet.toml:2:9
      |
    2 | title = 1979-05-27
      |         ^^^^^^^^^^
    ");
    assert_snapshot!(refused("[network]\none_way", "[network]\njitter = [\"1ms\"]\none_way"), @r#"
    error: `network.jitter` must be a duration such as "20ms", or a distribution such as { uniform = { min = "1ms", max = "5ms" } }, found a list
     --> fleet.toml:6:10
      |
    6 | jitter = ["1ms"]
      |          ^^^^^^^
    "#);
    assert_snapshot!(refused(REDIRECT, r#""accept""#), @r#"
    error: `servers.front.behavior` must be a behavior such as { kind = "accept" }, or a list of them, found the string "accept"
     --> fleet.toml:9:12
      |
    9 | behavior = "accept"
      |            ^^^^^^^^
    "#);
    assert_snapshot!(refused(r#"target = { group = "gateway", count = 1 }"#, "target = true"), @r#"
    error: `faults.dies.target` must be a name, a list of names, { group = "gateway", count = 1 }, or of a fault of links { from = "eu", to = "gateway" }, found true
      --> fleet.toml:29:10
       |
    29 | target = true
       |          ^^^^
    "#);
}

#[test]
fn a_missing_key_is_named_with_its_table() {
    assert_snapshot!(refused("title = \"A fleet\"\n", ""), @r"
    error: missing key `title` at the top level
    --> fleet.toml
    ");
    assert_snapshot!(refused("count = 100\n", ""), @r"
    error: missing key `count` in [clients.players]
      --> fleet.toml:15:1
       |
    15 | [clients.players]
       | ^^^^^^^^^^^^^^^^^
    ");
    assert_snapshot!(refused("endpoints = [\"gateway\"]\n", ""), @r"
    error: missing key `endpoints` in [clients.bots]
      --> fleet.toml:21:1
       |
    21 | [clients.bots]
       | ^^^^^^^^^^^^^^
    ");
    assert_snapshot!(refused("kind = \"crash\"\n", ""), @r"
    error: missing key `kind` in [faults.dies]
      --> fleet.toml:27:1
       |
    27 | [faults.dies]
       | ^^^^^^^^^^^^^
    ");
    assert_snapshot!(refused(r#"group = "gateway", "#, ""), @r"
    error: missing key `group` in [faults.dies.target]
      --> fleet.toml:29:10
       |
    29 | target = { count = 1 }
       |          ^^^^^^^^^^^^^
    ");
    assert_snapshot!(refused(r#"{ median = "20ms", p99 = "60ms" }"#, r#"{ median = "20ms" }"#), @r#"
    error: missing key `p99` in [network.one_way.lognormal]
     --> fleet.toml:6:25
      |
    6 | one_way = { lognormal = { median = "20ms" } }
      |                         ^^^^^^^^^^^^^^^^^^^
    "#);
    assert_snapshot!(refused(r#"{ think = "1s" }"#, "{}"), @r"
    error: missing key `think` in [clients.bots.arrive.closed_loop]
      --> fleet.toml:23:26
       |
    23 | arrive = { closed_loop = {} }
       |                          ^^
    ");
    assert_snapshot!(
        refused(r#"one_way = { lognormal = { median = "20ms", p99 = "60ms" } }"#, "one_way = {}"),
        @r"
        error: exactly one key expected in [network.one_way], found none
         --> fleet.toml:6:11
          |
        6 | one_way = {}
          |           ^^
        "
    );
}

#[test]
fn a_scenario_needs_servers_and_clients() {
    assert_snapshot!(
        message("format = 1\ntitle = \"x\"\nduration = \"1s\"\n[servers]\n[clients]\n", &Overrides::default()),
        @r"
        error: no servers: write at least one [servers.NAME]
         --> fleet.toml:4:1
          |
        4 | [servers]
          | ^^^^^^^^^
        "
    );
    assert_snapshot!(
        message("format = 1\ntitle = \"x\"\nduration = \"1s\"\n[servers.a]\n[clients]\n", &Overrides::default()),
        @r"
        error: no clients: write at least one [clients.NAME]
         --> fleet.toml:5:1
          |
        5 | [clients]
          | ^^^^^^^^^
        "
    );
    assert_snapshot!(message("", &Overrides::default()), @r"
    error: missing key `format` at the top level
    --> fleet.toml
    ");
}

#[test]
fn an_unknown_server_is_told_the_nearest_name() {
    assert_snapshot!(refused(r#"endpoints = ["gateway"]"#, r#"endpoints = ["gatevay"]"#), @r#"
    error: no server or server group is named `gatevay`
      --> fleet.toml:24:14
       |
    24 | endpoints = ["gatevay"]
       |              ^^^^^^^^^
       |
       = help: the nearest name is `gateway`
    "#);
    assert_snapshot!(refused(r#""gateway-1"]"#, r#""gateway-3"]"#), @r#"
    error: no server or server group is named `gateway-3`
      --> fleet.toml:18:23
       |
    18 | endpoints = ["front", "gateway-3"]
       |                       ^^^^^^^^^^^
       |
       = help: the nearest name is `gateway-0`
    "#);
    assert_snapshot!(refused(r#"to = "gateway""#, r#"to = "elsewhere""#), @r#"
    error: no server or server group is named `elsewhere`
     --> fleet.toml:9:38
      |
    9 | behavior = { kind = "redirect", to = "elsewhere", pick = "round-robin" }
      |                                      ^^^^^^^^^^^
      |
      = help: known groups: `front`, `gateway`
    "#);
    assert_snapshot!(refused(r#"group = "gateway", count"#, r#"group = "front-", count"#), @r#"
    error: no server or server group is named `front-`
      --> fleet.toml:29:20
       |
    29 | target = { group = "front-", count = 1 }
       |                    ^^^^^^^^
       |
       = help: the nearest name is `front`
    "#);
    assert_snapshot!(refused(r#"target = { group = "gateway", count = 1 }"#, r#"target = "gatway-0""#), @r#"
    error: no server or server group is named `gatway-0`
      --> fleet.toml:29:10
       |
    29 | target = "gatway-0"
       |          ^^^^^^^^^^
       |
       = help: the nearest name is `gateway-0`
    "#);
    assert_snapshot!(refused(REDIRECT, r#"[{ kind = "redirect", to = "gatewey" }]"#), @r#"
    error: no server or server group is named `gatewey`
     --> fleet.toml:9:39
      |
    9 | behavior = [{ kind = "redirect", to = "gatewey" }]
      |                                       ^^^^^^^^^
      |
      = help: the nearest name is `gateway`
    "#);
}

#[test]
fn a_number_out_of_range_is_told_the_range() {
    assert_snapshot!(refused("count = 100", "count = 0"), @r"
    error: `clients.players.count` must be a whole number from 1 to 100000000, found the number 0
      --> fleet.toml:16:9
       |
    16 | count = 0
       |         ^
    ");
    assert_snapshot!(refused("count = 100", "count = -3"), @r"
    error: `clients.players.count` must be a whole number from 1 to 100000000, found the number -3
      --> fleet.toml:16:9
       |
    16 | count = -3
       |         ^^
    ");
    assert_snapshot!(refused("count = 100", "count = 5_000_000_000"), @r"
    error: `clients.players.count` must be a whole number from 1 to 100000000, found the number 5000000000
      --> fleet.toml:16:9
       |
    16 | count = 5_000_000_000
       |         ^^^^^^^^^^^^^
    ");
    assert_snapshot!(refused("count = 3\n", "count = 3\nworkers = 0\n"), @r"
    error: `servers.gateway.workers` must be at least 1, found 0
      --> fleet.toml:13:11
       |
    13 | workers = 0
       |           ^
    ");
    assert_snapshot!(refused("count = 3\n", "count = 3\ncores = 4\n"), @"
    error: 4 workers have a processor each of 4: they share none
      --> fleet.toml:13:9
       |
    13 | cores = 4
       |         ^
       |
       = help: write workers = N with N above 4, or leave cores out
    ");
    assert_snapshot!(refused("count = 3\n", "count = 3\ncores = 0\n"), @"
    error: a member without a processor would do nothing: at least 1
      --> fleet.toml:13:9
       |
    13 | cores = 0
       |         ^
    ");
    assert_snapshot!(refused("count = 3\n", "count = 3\nslowdown = {}\n"), @r#"
    error: no slowdown at all: leave it out, or write { contention = "2%", coherency = "0.1%" }
      --> fleet.toml:13:12
       |
    13 | slowdown = {}
       |            ^^
    "#);
    assert_snapshot!(refused("count = 3\n", "count = 3\nconnections_max = 0\n"), @r"
    error: `servers.gateway.connections_max` must be at least 1, found 0
      --> fleet.toml:13:19
       |
    13 | connections_max = 0
       |                   ^
    ");
    assert_snapshot!(refused(r#"cap = "30s" }"#, r#"cap = "30s", attempts = 100_000 }"#), @r#"
    error: 100000 attempts: the most is 65535
      --> fleet.toml:19:75
       |
    19 | retry = { policy = "full-jitter", base = "500ms", cap = "30s", attempts = 100_000 }
       |                                                                           ^^^^^^^
       |
       = help: leave it out: attempts are not limited then
    "#);
    assert_snapshot!(refused(RETRY, r#"retry = { policy = "decorrelated-jitter", cap = "2h" }"#), @r#"
    error: cap 2h: decorrelated jitter takes at most 1h
      --> fleet.toml:19:49
       |
    19 | retry = { policy = "decorrelated-jitter", cap = "2h" }
       |                                                 ^^^^
    "#);
    assert_snapshot!(refused(r#"cap = "30s" }"#, r#"cap = "30s", attempts = 0 }"#), @r#"
    error: `clients.players.retry.attempts` must be at least 1, found 0
      --> fleet.toml:19:75
       |
    19 | retry = { policy = "full-jitter", base = "500ms", cap = "30s", attempts = 0 }
       |                                                                           ^
    "#);
    assert_snapshot!(refused("count = 5\n", "count = 5\nredirects = 256\n"), @r"
    error: `clients.bots.redirects` must be a whole number from 0 to 255, found the number 256
      --> fleet.toml:23:13
       |
    23 | redirects = 256
       |             ^^^
    ");
    assert_snapshot!(refused("[faults.dies]\nkind", "[faults.dies]\nseverity = 1\nkind"), @r"
    error: unknown key `severity` in [faults.dies]
      --> fleet.toml:28:1
       |
    28 | severity = 1
       | ^^^^^^^^
       |
       = help: known keys here: `kind`, `target`, `at`, `one_way`, `for`, `factor`, `loss`, `add`, `bandwidth`, `queue`, `share`, `to`, `connections_until`, `ends`, `code`, `over`, `at_a_time`, `gap`, `drain`, `with`, `command`, `heal`, `repeat`
    ");
    assert_snapshot!(refused(r#"group = "gateway", count = 1"#, r#"group = "gateway", count = 0"#), @r#"
    error: `faults.dies.target.count` must be at least 1, found 0
      --> fleet.toml:29:39
       |
    29 | target = { group = "gateway", count = 0 }
       |                                       ^
    "#);
    assert_snapshot!(refused("format = 1", "format = 1\nseed = -1"), @r"
    error: `seed` must be a whole number from 0 to 18446744073709551615, found the number -1
     --> fleet.toml:2:8
      |
    2 | seed = -1
      |        ^^
    ");
    assert_snapshot!(refused("format = 1", "format = 1\nseed = 99999999999999999999"), @r"
    error: the whole number is too large to be read
     --> fleet.toml:2:8
      |
    2 | seed = 99999999999999999999
      |        ^^^^^^^^^^^^^^^^^^^^
      |
      = help: whole numbers go from -9223372036854775808 to 18446744073709551615
    ");
}

#[test]
fn too_many_of_anything_blames_the_largest_group() {
    assert_snapshot!(refused("count = 3\n", "count = 10_000\n"), @r"
    error: 10001 servers in all: the most is 10000
      --> fleet.toml:12:9
       |
    12 | count = 10_000
       |         ^^^^^^
    ");
    assert_snapshot!(refused("count = 5\n", "count = 100_000_000\n"), @r"
    error: 100000100 clients in all: the most is 100000000
      --> fleet.toml:22:9
       |
    22 | count = 100_000_000
       |         ^^^^^^^^^^^
    ");
}

#[test]
fn an_impossible_distribution_says_why() {
    assert_snapshot!(refused(r#"p99 = "60ms""#, r#"p99 = "10ms""#), @r#"
    error: p99 10ms is below the median 20ms
     --> fleet.toml:6:11
      |
    6 | one_way = { lognormal = { median = "20ms", p99 = "10ms" } }
      |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
    assert_snapshot!(refused(r#"median = "20ms""#, r#"median = "0s""#), @r#"
    error: a lognormal median must be above zero
     --> fleet.toml:6:11
      |
    6 | one_way = { lognormal = { median = "0s", p99 = "60ms" } }
      |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
    assert_snapshot!(refused(LOGNORMAL, r#"{ quantiles = { p0 = "1ms", p50 = "5ms" } }"#), @r#"
    error: quantiles must begin with p0 and end with p100
     --> fleet.toml:6:11
      |
    6 | one_way = { quantiles = { p0 = "1ms", p50 = "5ms" } }
      |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
    assert_snapshot!(refused(LOGNORMAL, r#"{ quantiles = { p0 = "9ms", p100 = "5ms" } }"#), @r#"
    error: quantiles must rise: a higher one can't have a shorter time
     --> fleet.toml:6:11
      |
    6 | one_way = { quantiles = { p0 = "9ms", p100 = "5ms" } }
      |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
    assert_snapshot!(
        refused(LOGNORMAL, r#"{ quantiles = { p0 = "1ms", median = "2ms", p100 = "5ms" } }"#),
        @r#"
        error: `median` is no quantile: write p0, p50, p99_9, p100
         --> fleet.toml:6:11
          |
        6 | one_way = { quantiles = { p0 = "1ms", median = "2ms", p100 = "5ms" } }
          |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        "#
    );
    assert_snapshot!(refused(LOGNORMAL, r#"{ uniform = { min = "9ms", max = "5ms" } }"#), @r#"
    error: max 5ms is below min 9ms
     --> fleet.toml:6:11
      |
    6 | one_way = { uniform = { min = "9ms", max = "5ms" } }
      |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
    assert_snapshot!(refused(LOGNORMAL, r#"{ pareto = { min = "9ms" } }"#), @r#"
    error: unknown key `pareto` in [network.one_way]
     --> fleet.toml:6:13
      |
    6 | one_way = { pareto = { min = "9ms" } }
      |             ^^^^^^
      |
      = help: known keys here: `uniform`, `exponential`, `normal`, `lognormal`, `quantiles`
    "#);
    assert_snapshot!(refused(r#"think = "1s""#, r#"think = { uniform = { min = "9ms", max = "5ms" } }"#), @r#"
    error: max 5ms is below min 9ms
      --> fleet.toml:23:10
       |
    23 | arrive = { closed_loop = { think = { uniform = { min = "9ms", max = "5ms" } } } }
       |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
    assert_snapshot!(
        refused(
            LOGNORMAL,
            r#"{ lognormal = { median = "20ms", p99 = "60ms" }, uniform = { min = "1ms", max = "2ms" } }"#,
        ),
        @r#"
        error: exactly one key expected in [network.one_way], found 2: `lognormal`, `uniform`
         --> fleet.toml:6:60
          |
        6 | one_way = { lognormal = { median = "20ms", p99 = "60ms" }, uniform = { min = "1ms", max = "2ms" } }
          |                                                            ^^^^^^^
        "#
    );
}

#[test]
fn times_must_be_in_order() {
    assert_snapshot!(refused(r#"duration = "60s""#, r#"duration = "0s""#), @r#"
    error: a run must take some time
     --> fleet.toml:3:12
      |
    3 | duration = "0s"
      |            ^^^^
    "#);
    assert_snapshot!(refused(r#"at = "20s""#, r#"at = "60s""#), @r#"
    error: begins at 60s, but the run ends at 60s
      --> fleet.toml:30:6
       |
    30 | at = "60s"
       |      ^^^^^
    "#);
    assert_snapshot!(refused(r#"for = "15s""#, r#"for = "0s""#), @r#"
    error: a fault must take some time; leave `for` out for one that never heals
      --> fleet.toml:31:7
       |
    31 | for = "0s"
       |       ^^^^
    "#);
    assert_snapshot!(refused("count = 5\n", "count = 5\nstart = \"2m\"\n"), @r#"
    error: starts at 2m, but the run ends at 60s
      --> fleet.toml:23:9
       |
    23 | start = "2m"
       |         ^^^^
    "#);
    assert_snapshot!(refused(r#"cap = "30s""#, r#"cap = "100ms""#), @r#"
    error: cap 100ms is below base 500ms
      --> fleet.toml:19:57
       |
    19 | retry = { policy = "full-jitter", base = "500ms", cap = "100ms" }
       |                                                         ^^^^^^^
    "#);
    assert_snapshot!(refused(r#"base = "500ms", cap = "30s""#, r#"base = "60s""#), @r#"
    error: cap 30s is below base 60s
      --> fleet.toml:19:42
       |
    19 | retry = { policy = "full-jitter", base = "60s" }
       |                                          ^^^^^
       |
       = help: 30s is the cap where none is written
    "#);
    assert_snapshot!(refused(r#"base = "500ms", cap = "30s""#, r#"cap = "500ms""#), @r#"
    error: cap 500ms is below base 1s
      --> fleet.toml:19:41
       |
    19 | retry = { policy = "full-jitter", cap = "500ms" }
       |                                         ^^^^^^^
    "#);
    assert_snapshot!(refused(r#"base = "500ms""#, r#"base = "0s""#), @r#"
    error: a base of zero: retries would follow at once, for ever
      --> fleet.toml:19:42
       |
    19 | retry = { policy = "full-jitter", base = "0s", cap = "30s" }
       |                                          ^^^^
    "#);
    assert_snapshot!(refused("count = 5\n", "count = 5\nhandshake_timeout = \"0s\"\n"), @r#"
    error: a timeout of zero: nothing would ever open
      --> fleet.toml:23:21
       |
    23 | handshake_timeout = "0s"
       |                     ^^^^
    "#);
    assert_snapshot!(refused("[network]\none_way", "[network]\nsyn_retries = [\"3s\", \"1s\"]\none_way"), @r#"
    error: the times must rise: each counts from the first SYN
     --> fleet.toml:6:15
      |
    6 | syn_retries = ["3s", "1s"]
      |               ^^^^^^^^^^^^
    "#);
    assert_snapshot!(refused("[network]\none_way", "[network]\nsyn_retries = []\none_way"), @r"
    error: an empty list: the last time is when the connect fails, so there must be one
     --> fleet.toml:6:15
      |
    6 | syn_retries = []
      |               ^^
    ");
}

#[test]
fn arrivals_that_would_never_happen_are_refused() {
    assert_snapshot!(refused(r#"evenly_over = "5s""#, r#"evenly_over = "2m""#), @r#"
    error: sessions arrive up to 2m, but the run ends at 60s
      --> fleet.toml:17:10
       |
    17 | arrive = { evenly_over = "2m" }
       |          ^^^^^^^^^^^^^^^^^^^^^^
    "#);
    assert_snapshot!(refused("count = 100\n", "count = 100\nstart = \"58s\"\n"), @r#"
    error: sessions arrive up to 63s, but the run ends at 60s
      --> fleet.toml:18:10
       |
    18 | arrive = { evenly_over = "5s" }
       |          ^^^^^^^^^^^^^^^^^^^^^^
    "#);
    assert_snapshot!(refused("arrive = { evenly_over = \"5s\" }\n", "start = \"58s\"\n"), @r"
    error: sessions arrive up to 63s, but the run ends at 60s
      --> fleet.toml:15:1
       |
    15 | [clients.players]
       | ^^^^^^^^^^^^^^^^^
       |
       = help: without `arrive`, sessions arrive evenly over 5s: write a shorter time
    ");
    assert_snapshot!(refused(r#"{ evenly_over = "5s" }"#, r#"{ poisson = { rate = "0/s" } }"#), @r#"
    error: a Poisson process needs a rate above zero
      --> fleet.toml:17:10
       |
    17 | arrive = { poisson = { rate = "0/s" } }
       |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
    assert_snapshot!(refused(r#"{ evenly_over = "5s" }"#, r#"{ poisson = { rate = "inf/s" } }"#), @r#"
    error: `clients.players.arrive.poisson.rate` must be a rate, such as "2000/s" or "30/m", found the string "inf/s"
      --> fleet.toml:17:31
       |
    17 | arrive = { poisson = { rate = "inf/s" } }
       |                               ^^^^^^^
    "#);
    assert_snapshot!(
        refused(r#"{ evenly_over = "5s" }"#, r#"{ ramp = { from = "5/s", to = "0/s", over = "1s" } }"#),
        @r#"
        error: a ramp must end at a rate above zero
          --> fleet.toml:17:10
           |
        17 | arrive = { ramp = { from = "5/s", to = "0/s", over = "1s" } }
           |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        "#
    );
    assert_snapshot!(refused(r#"{ evenly_over = "5s" }"#, r#""all_at_once""#), @r#"
    error: unknown value `all_at_once` for `clients.players.arrive`
      --> fleet.toml:17:10
       |
    17 | arrive = "all_at_once"
       |          ^^^^^^^^^^^^^
       |
       = help: one of `at_once`, `evenly_over`, `randomly_over`, `poisson`, `ramp`, `stages`, `random_stages`, `closed_loop`
    "#);
    assert_snapshot!(refused(r#"{ think = "1s" }"#, r#"{ think = "1s", over = "2m" }"#), @r#"
    error: sessions arrive up to 2m, but the run ends at 60s
      --> fleet.toml:23:10
       |
    23 | arrive = { closed_loop = { think = "1s", over = "2m" } }
       |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
}

#[test]
fn sessions_that_could_never_be_are_refused() {
    assert_snapshot!(refused("hold = \"10s\"\n", ""), @r#"
    error: a closed loop needs sessions that end
      --> fleet.toml:23:10
       |
    23 | arrive = { closed_loop = { think = "1s" } }
       |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: write how long they stay open, such as hold = "30s"
    "#);
    assert_snapshot!(refused(r#"endpoints = ["gateway"]"#, "endpoints = []"), @r"
    error: no endpoints: name at least one server or server group
      --> fleet.toml:24:13
       |
    24 | endpoints = []
       |             ^^
    ");
    assert_snapshot!(refused(r#"endpoints = ["gateway"]"#, r#"endpoints = ["gateway", "gateway-1"]"#), @r#"
    error: names `gateway-1`, which is an endpoint already, by `gateway`
      --> fleet.toml:24:25
       |
    24 | endpoints = ["gateway", "gateway-1"]
       |                         ^^^^^^^^^^^
    "#);
    assert_snapshot!(refused(r#"endpoints = ["gateway"]"#, r#"endpoints = ["gateway-1", "gateway-1"]"#), @r#"
    error: names `gateway-1`, which is an endpoint already
      --> fleet.toml:24:27
       |
    24 | endpoints = ["gateway-1", "gateway-1"]
       |                           ^^^^^^^^^^^
    "#);
    assert_snapshot!(refused("count = 5\n", "count = 5\nconnect_gate = true\n"), @r"
    error: a connect gate is shared by the sessions of a host, and here each session is its own
      --> fleet.toml:23:16
       |
    23 | connect_gate = true
       |                ^^^^
       |
       = help: write hosts = N for the group, or leave this out
    ");
    assert_snapshot!(refused("count = 5\n", "count = 5\nhosts = 6\n"), @r"
    error: 5 sessions can't be spread over 6 hosts
      --> fleet.toml:23:9
       |
    23 | hosts = 6
       |         ^
    ");
    assert_snapshot!(refused("count = 5\n", "count = 5\nhosts = 0\n"), @r"
    error: `clients.bots.hosts` must be at least 1, found 0
      --> fleet.toml:23:9
       |
    23 | hosts = 0
       |         ^
    ");
}

#[test]
fn retries_must_let_time_pass_and_share_only_what_a_host_has() {
    assert_snapshot!(refused(RETRY, r#"retry = { policy = "list" }"#), @r#"
    error: a list without delays: write them, such as delays = ["0s", "2s", "10s"]
      --> fleet.toml:19:9
       |
    19 | retry = { policy = "list" }
       |         ^^^^^^^^^^^^^^^^^^^
    "#);
    assert_snapshot!(refused(RETRY, r#"retry = { policy = "list", delays = ["1s", "0s"] }"#), @r#"
    error: the last delay, which is every further one, is zero: retries would follow at once, for ever
      --> fleet.toml:19:44
       |
    19 | retry = { policy = "list", delays = ["1s", "0s"] }
       |                                            ^^^^
    "#);
    assert_snapshot!(refused(RETRY, "retry = { factor = 0.5 }"), @r"
    error: factor 0.5: it must be a number from 1 on, so that delays grow
      --> fleet.toml:19:20
       |
    19 | retry = { factor = 0.5 }
       |                    ^^^
    ");
    assert_snapshot!(refused(RETRY, "retry = { factor = inf }"), @r"
    error: factor inf: it must be a number from 1 on, so that delays grow
      --> fleet.toml:19:20
       |
    19 | retry = { factor = inf }
       |                    ^^^
    ");
    assert_snapshot!(refused(RETRY, r#"retry = { first = { uniform = { min = "2s", max = "1s" } } }"#), @r#"
    error: max 1s is below min 2s
      --> fleet.toml:19:19
       |
    19 | retry = { first = { uniform = { min = "2s", max = "1s" } } }
       |                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    "#);
    assert_snapshot!(refused(RETRY, r#"retry = { budget = { rate = "1/s", burst = 3 } }"#), @r#"
    error: a retry budget is shared by the sessions of a host, and here each session is its own
      --> fleet.toml:19:20
       |
    19 | retry = { budget = { rate = "1/s", burst = 3 } }
       |                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: write hosts = N for the group, or leave this out
    "#);
    assert_snapshot!(refused(RETRY, "retry = { budget = { rate = \"0/s\", burst = 3 } }\nhosts = 5"), @r#"
    error: a budget must have some rate
      --> fleet.toml:19:29
       |
    19 | retry = { budget = { rate = "0/s", burst = 3 } }
       |                             ^^^^^
    "#);
    assert_snapshot!(refused(RETRY, "retry = { budget = { rate = \"1/s\", burst = 0 } }\nhosts = 5"), @r#"
    error: `clients.players.retry.budget.burst` must be at least 1, found 0
      --> fleet.toml:19:44
       |
    19 | retry = { budget = { rate = "1/s", burst = 0 } }
       |                                            ^
    "#);
    assert_snapshot!(refused(RETRY, r#"breaker = { failures = 3, open_for = "1s" }"#), @r#"
    error: a breaker is shared by the sessions of a host, and here each session is its own
      --> fleet.toml:19:11
       |
    19 | breaker = { failures = 3, open_for = "1s" }
       |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: write hosts = N for the group, or leave this out
    "#);
    assert_snapshot!(refused(RETRY, "breaker = { failures = 0, open_for = \"1s\" }\nhosts = 5"), @r#"
    error: `clients.players.breaker.failures` must be at least 1, found 0
      --> fleet.toml:19:24
       |
    19 | breaker = { failures = 0, open_for = "1s" }
       |                        ^
    "#);
    assert_snapshot!(refused(RETRY, "breaker = { failures = 3, open_for = \"0s\" }\nhosts = 5"), @r#"
    error: a breaker must stay open for some time
      --> fleet.toml:19:38
       |
    19 | breaker = { failures = 3, open_for = "0s" }
       |                                      ^^^^
    "#);
    assert_snapshot!(refused(RETRY, "retry = { statuses = [503, 101] }"), @r"
    error: status 101: it must be 200 to 599
      --> fleet.toml:19:28
       |
    19 | retry = { statuses = [503, 101] }
       |                            ^^^
    ");
    assert_snapshot!(
        refused(RETRY, r#"retry = { after_loss = { uniform = { min = "2s", max = "1s" } } }"#),
        @r#"
        error: max 1s is below min 2s
          --> fleet.toml:19:24
           |
        19 | retry = { after_loss = { uniform = { min = "2s", max = "1s" } } }
           |                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        "#
    );
}

#[test]
fn a_heartbeat_takes_some_time_and_has_a_timeout() {
    assert_snapshot!(
        refused(r#"hold = "10s""#, "hold = \"10s\"\nheartbeat = { every = \"0s\", timeout = \"0s\" }"),
        @r#"
        error: `every` must be some time
          --> fleet.toml:26:23
           |
        26 | heartbeat = { every = "0s", timeout = "0s" }
           |                       ^^^^
        "#
    );
    assert_snapshot!(refused(r#"hold = "10s""#, "hold = \"10s\"\nheartbeat = { every = \"5s\" }"), @r#"
    error: missing key `timeout` in [clients.bots.heartbeat]
      --> fleet.toml:26:13
       |
    26 | heartbeat = { every = "5s" }
       |             ^^^^^^^^^^^^^^^^
    "#);
    assert_snapshot!(refused(r#"hold = "10s""#, "hold = \"10s\"\nheartbeat = \"5s\""), @r#"
    error: `clients.bots.heartbeat` must be a table, found the string "5s"
      --> fleet.toml:26:13
       |
    26 | heartbeat = "5s"
       |             ^^^^
    "#);
    assert_snapshot!(refused(r#"hold = "10s""#, "hold = \"10s\"\nopen_timeout = \"0s\""), @r#"
    error: a timeout of zero: nothing would ever open
      --> fleet.toml:26:16
       |
    26 | open_timeout = "0s"
       |                ^^^^
    "#);
    assert_snapshot!(refused(r#"hold = "10s""#, "hold = \"10s\"\nfatal_close_codes = [1008, 99]"), @r"
    error: close code 99: it must be 1000 to 4999
      --> fleet.toml:26:28
       |
    26 | fatal_close_codes = [1008, 99]
       |                            ^^
    ");
}

#[test]
fn a_path_must_mean_the_same_wherever_it_is_sent() {
    assert_snapshot!(refused("count = 5\n", "count = 5\npath = \"chat\"\n"), @r#"
    error: the path "chat": it must begin with `/`
      --> fleet.toml:23:8
       |
    23 | path = "chat"
       |        ^^^^^^
    "#);
    assert_snapshot!(refused("count = 5\n", "count = 5\npath = \"//chat\"\n"), @r#"
    error: the path "//chat": what follows `//` is read as the name of a host
      --> fleet.toml:23:8
       |
    23 | path = "//chat"
       |        ^^^^^^^^
    "#);
    assert_snapshot!(refused("count = 5\n", "count = 5\npath = \"/chat#top\"\n"), @r#"
    error: the path "/chat#top": what follows `#` is never sent
      --> fleet.toml:23:8
       |
    23 | path = "/chat#top"
       |        ^^^^^^^^^^^
    "#);
    assert_snapshot!(refused("count = 5\n", "count = 5\npath = \"/a room\"\n"), @r#"
    error: the path "/a room": it is no path of a URI, in which a space, for one, is written as %20
      --> fleet.toml:23:8
       |
    23 | path = "/a room"
       |        ^^^^^^^^^
    "#);
    assert_snapshot!(refused("count = 5\n", "count = 5\npath = \"/%zz\"\n"), @r#"
    error: the path "/%zz": it is no path of a URI, in which a space, for one, is written as %20
      --> fleet.toml:23:8
       |
    23 | path = "/%zz"
       |        ^^^^^^
    "#);
}

#[test]
fn a_name_must_fit_into_metrics_and_authorities() {
    assert_snapshot!(refused("[clients.bots]", "[clients.Bots]"), @r"
    error: the name `Bots` must be 1 to 60 small letters, digits, `-` and `_`
      --> fleet.toml:21:1
       |
    21 | [clients.Bots]
       | ^^^^^^^^^^^^^^
    ");
    assert_snapshot!(refused("[clients.bots]", r#"[clients."bots of eu"]"#), @r#"
    error: the name `bots of eu` must be 1 to 60 small letters, digits, `-` and `_`
      --> fleet.toml:21:1
       |
    21 | [clients."bots of eu"]
       | ^^^^^^^^^^^^^^^^^^^^^^
    "#);
    assert_snapshot!(refused("[clients.bots]", r#"[clients.""]"#), @r#"
    error: the name `` must be 1 to 60 small letters, digits, `-` and `_`
      --> fleet.toml:21:1
       |
    21 | [clients.""]
       | ^^^^^^^^^^^^
    "#);
    assert_snapshot!(refused("[clients.bots]", r#"[clients."bots.eu"]"#), @r#"
    error: the name `bots.eu` must be 1 to 60 small letters, digits, `-` and `_`
      --> fleet.toml:21:1
       |
    21 | [clients."bots.eu"]
       | ^^^^^^^^^^^^^^^^^^^
    "#);
    assert_snapshot!(refused("[faults.dies]", r#"[faults."dies!"]"#), @r#"
    error: the name `dies!` must be 1 to 60 small letters, digits, `-` and `_`
      --> fleet.toml:27:1
       |
    27 | [faults."dies!"]
       | ^^^^^^^^^^^^^^^^
    "#);
    assert_snapshot!(refused("[servers.front]", "[servers.gateway-0]"), @r"
    error: the name `gateway-0` would mean two servers: rename this group
      --> fleet.toml:11:1
       |
    11 | [servers.gateway]
       | ^^^^^^^^^^^^^^^^^
    ");
}

#[test]
fn an_unknown_choice_is_told_the_nearest_or_all() {
    assert_snapshot!(refused(r#"policy = "full-jitter""#, r#"policy = "fulljitter""#), @r#"
    error: unknown value `fulljitter` for `clients.players.retry.policy`
      --> fleet.toml:19:20
       |
    19 | retry = { policy = "fulljitter", base = "500ms", cap = "30s" }
       |                    ^^^^^^^^^^^^
       |
       = help: did you mean `full-jitter`?
    "#);
    assert_snapshot!(refused("count = 5\n", "count = 5\nmode = \"websocket\"\n"), @r#"
    error: unknown value `websocket` for `clients.bots.mode`
      --> fleet.toml:23:8
       |
    23 | mode = "websocket"
       |        ^^^^^^^^^^^
       |
       = help: one of `upgrade`, `upgrade-strict`, `final-response`, `extended-connect`, `tls-upgrade`
    "#);
    assert_snapshot!(refused("count = 5\n", "count = 5\npick = \"roundrobin\"\n"), @r#"
    error: unknown value `roundrobin` for `clients.bots.pick`
      --> fleet.toml:23:8
       |
    23 | pick = "roundrobin"
       |        ^^^^^^^^^^^^
       |
       = help: did you mean `round-robin`?
    "#);
    assert_snapshot!(refused("count = 5\n", "count = 5\non_retry = \"previous\"\n"), @r#"
    error: unknown value `previous` for `clients.bots.on_retry`
      --> fleet.toml:23:12
       |
    23 | on_retry = "previous"
       |            ^^^^^^^^^^
       |
       = help: one of `same`, `next`, `random`
    "#);
    assert_snapshot!(refused(r#"kind = "crash""#, r#"kind = "explode""#), @r#"
    error: unknown value `explode` for `faults.dies.kind`
      --> fleet.toml:28:8
       |
    28 | kind = "explode"
       |        ^^^^^^^^^
       |
       = help: one of `crash`, `power-off`, `hang`, `partition`, `lossy`, `latency`, `bandwidth`, `reset`, `restart`, `pause`, `slow`, `drain`, `backlog`, `rolling-restart`, `flap`, `stop`, `reload`, `dns-outage`, `command`
    "#);
    assert_snapshot!(refused(r#"kind = "redirect""#, r#"kind = "rediret""#), @r#"
    error: unknown value `rediret` for `servers.front.behavior.kind`
     --> fleet.toml:9:21
      |
    9 | behavior = { kind = "rediret", to = "gateway", pick = "round-robin" }
      |                     ^^^^^^^^^
      |
      = help: did you mean `redirect`?
    "#);
    assert_snapshot!(refused(r#"pick = "round-robin""#, r#"pick = "fastest""#), @r#"
    error: unknown value `fastest` for `servers.front.behavior.pick`
     --> fleet.toml:9:56
      |
    9 | behavior = { kind = "redirect", to = "gateway", pick = "fastest" }
      |                                                        ^^^^^^^^^
      |
      = help: one of `round-robin`, `random`, `least-connections`, `weighted`, `consistent-hash`
    "#);
    assert_snapshot!(refused("[network]\none_way", "[network]\nsyn_retries = \"windows\"\none_way"), @r#"
    error: unknown value `windows` for `network.syn_retries`
     --> fleet.toml:6:15
      |
    6 | syn_retries = "windows"
      |               ^^^^^^^^^
      |
      = help: one of `linux-6.5`, `linux`, `macos`
    "#);
}

#[test]
fn a_behavior_must_not_contradict_itself() {
    assert_snapshot!(refused(REDIRECT, r#"{ kind = "redirect" }"#), @r#"
    error: a redirect to nowhere
     --> fleet.toml:9:12
      |
    9 | behavior = { kind = "redirect" }
      |            ^^^^^^^^^^^^^^^^^^^^^
      |
      = help: write to = "GROUP" for another server, or path = "/other" for the same one
    "#);
    assert_snapshot!(refused(REDIRECT, r#"{ kind = "redirect", pick = "random", path = "/x" }"#), @r#"
    error: `pick` chooses among the members that `to` names: write `to`, or leave it out
     --> fleet.toml:9:40
      |
    9 | behavior = { kind = "redirect", pick = "random", path = "/x" }
      |                                        ^^^^^^^^
    "#);
    assert_snapshot!(refused(REDIRECT, r#"{ kind = "redirect", to = "gateway", location = "relative" }"#), @r#"
    error: a relative Location leads to the same server: leave `to` out
     --> fleet.toml:9:60
      |
    9 | behavior = { kind = "redirect", to = "gateway", location = "relative" }
      |                                                            ^^^^^^^^^^
    "#);
    assert_snapshot!(refused(REDIRECT, r#"{ kind = "redirect", to = "gateway", status = 400 }"#), @r#"
    error: status 400: it must be 300 to 399
     --> fleet.toml:9:58
      |
    9 | behavior = { kind = "redirect", to = "gateway", status = 400 }
      |                                                          ^^^
    "#);
    assert_snapshot!(refused(r#"kind = "reject""#, r#"kind = "reject", status = 101"#), @r#"
    error: status 101: it must be 200 to 599
      --> fleet.toml:13:40
       |
    13 | behavior = { kind = "reject", status = 101, retry_after = "5s", when = { share = "10%", until = "30s" } }
       |                                        ^^^
    "#);
    assert_snapshot!(refused(r#"kind = "reject""#, r#"kind = "reject", to = "gateway""#), @r#"
    error: `to` belongs to kind = "redirect" only
      --> fleet.toml:13:31
       |
    13 | behavior = { kind = "reject", to = "gateway", retry_after = "5s", when = { share = "10%", until = "30s" } }
       |                               ^^
    "#);
    assert_snapshot!(refused(r#"kind = "reject""#, r#"kind = "stall""#), @r#"
    error: `retry_after` belongs to kind = "redirect" or "reject" only
      --> fleet.toml:13:30
       |
    13 | behavior = { kind = "stall", retry_after = "5s", when = { share = "10%", until = "30s" } }
       |                              ^^^^^^^^^^^
    "#);
    assert_snapshot!(refused(r#"kind = "reject""#, r#"kind = "accept", status = 200"#), @r#"
    error: `status` belongs to kind = "redirect" or "reject" only
      --> fleet.toml:13:31
       |
    13 | behavior = { kind = "accept", status = 200, retry_after = "5s", when = { share = "10%", until = "30s" } }
       |                               ^^^^^^
    "#);
    assert_snapshot!(refused(r#"retry_after = "5s""#, r#"retry_after = "1500ms""#), @r#"
    error: Retry-After is in whole seconds (RFC 9110 section 10.2.3)
      --> fleet.toml:13:45
       |
    13 | behavior = { kind = "reject", retry_after = "1500ms", when = { share = "10%", until = "30s" } }
       |                                             ^^^^^^^^
    "#);
    assert_snapshot!(refused(REDIRECT, r#"{ kind = "redirect", to = "gateway", report_every = "1s" }"#), @r#"
    error: only pick = "least-connections" asks for reports
     --> fleet.toml:9:64
      |
    9 | behavior = { kind = "redirect", to = "gateway", report_every = "1s" }
      |                                                                ^^^^
    "#);
    assert_snapshot!(
        refused(REDIRECT, r#"{ kind = "redirect", to = "gateway", pick = "least-connections", report_every = "0s" }"#),
        @r#"
        error: reports must have some time between them
         --> fleet.toml:9:92
          |
        9 | behavior = { kind = "redirect", to = "gateway", pick = "least-connections", report_every = "0s" }
          |                                                                                            ^^^^
        "#
    );
    assert_snapshot!(
        refused(REDIRECT, r#"{ kind = "redirect", to = "gateway", pick = "least-connections", report_every = "1us" }"#),
        @r#"
        error: 60000000 reports in the run: the most is 10000000
         --> fleet.toml:9:92
          |
        9 | behavior = { kind = "redirect", to = "gateway", pick = "least-connections", report_every = "1us" }
          |                                                                                            ^^^^^
        "#
    );
    assert_snapshot!(refused(r#"until = "30s""#, r#"after = "40s", until = "30s""#), @r#"
    error: until 30s is not later than after 40s
      --> fleet.toml:13:98
       |
    13 | behavior = { kind = "reject", retry_after = "5s", when = { share = "10%", after = "40s", until = "30s" } }
       |                                                                                                  ^^^^^
    "#);
    assert_snapshot!(refused(r#"until = "30s""#, r#"after = "2m""#), @r#"
    error: applies from 2m on, but the run ends at 60s
      --> fleet.toml:13:83
       |
    13 | behavior = { kind = "reject", retry_after = "5s", when = { share = "10%", after = "2m" } }
       |                                                                                   ^^^^
    "#);
    assert_snapshot!(refused(r#"until = "30s""#, r#"path = "/chat?x=1""#), @r#"
    error: requests are told apart by their path without its query
      --> fleet.toml:13:82
       |
    13 | behavior = { kind = "reject", retry_after = "5s", when = { share = "10%", path = "/chat?x=1" } }
       |                                                                                  ^^^^^^^^^^^
       |
       = help: leave out `?` and what follows
    "#);
    assert_snapshot!(refused(r#"until = "30s""#, r#"until = "0s""#), @r#"
    error: until 0s is not later than after 0s
      --> fleet.toml:13:83
       |
    13 | behavior = { kind = "reject", retry_after = "5s", when = { share = "10%", until = "0s" } }
       |                                                                                   ^^^^
    "#);
}

#[test]
fn a_list_of_behaviors_is_blamed_by_its_entry() {
    assert_snapshot!(
        refused(
            REDIRECT,
            "[\n    { kind = \"stall\", when = { share = \"1%\" } },\n    { kind = \"reject\", status = 99 },\n]",
        ),
        @r#"
        error: status 99: it must be 200 to 599
          --> fleet.toml:11:33
           |
        11 |     { kind = "reject", status = 99 },
           |                                 ^^
        "#
    );
    assert_snapshot!(refused(REDIRECT, r#"[{ kind = "reject", status = 99 }]"#), @r#"
    error: status 99: it must be 200 to 599
     --> fleet.toml:9:41
      |
    9 | behavior = [{ kind = "reject", status = 99 }]
      |                                         ^^
    "#);
    assert_snapshot!(refused(REDIRECT, "[\n    { kind = \"stall\" },\n    { kind = \"reject\" },\n]"), @r#"
    error: never shown: the behavior before it applies to every request
      --> fleet.toml:11:5
       |
    11 |     { kind = "reject" },
       |     ^^^^^^^^^^^^^^^^^^^
       |
       = help: put the one without `when` last
    "#);
    assert_snapshot!(
        refused(
            REDIRECT,
            "[\n    { kind = \"stall\", when = { share = \"1%\" } },\n    { kind = \"reject\", satus = 404 },\n]",
        ),
        @r#"
        error: unknown key `satus` in [servers.front.behavior.1]
          --> fleet.toml:11:24
           |
        11 |     { kind = "reject", satus = 404 },
           |                        ^^^^^
           |
           = help: the nearest known key is `status`
        "#
    );
}

#[test]
fn a_fault_must_have_targets_and_no_rival() {
    assert_snapshot!(refused(r#"group = "gateway", count = 1"#, r#"group = "gateway", count = 4"#), @r#"
    error: 4 of `gateway`, which has 3 members
      --> fleet.toml:29:39
       |
    29 | target = { group = "gateway", count = 4 }
       |                                       ^
    "#);
    assert_snapshot!(refused(r#"group = "gateway", count = 1"#, r#"group = "front", count = 4"#), @r#"
    error: 4 of `front`, which has one member
      --> fleet.toml:29:37
       |
    29 | target = { group = "front", count = 4 }
       |                                     ^
    "#);
    assert_snapshot!(
        refused(r#"group = "gateway", count = 1"#, r#"group = "gateway", count = 1, share = "10%""#),
        @r#"
        error: `share` and `count` exclude each other
          --> fleet.toml:29:10
           |
        29 | target = { group = "gateway", count = 1, share = "10%" }
           |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
        "#
    );
    assert_snapshot!(refused(r#"group = "gateway", count = 1"#, r#"group = "gateway""#), @r#"
    error: say how many: share = "30%" or count = 1
      --> fleet.toml:29:10
       |
    29 | target = { group = "gateway" }
       |          ^^^^^^^^^^^^^^^^^^^^^
    "#);
    assert_snapshot!(
        refused_with("[faults.again]\nkind = \"hang\"\ntarget = \"gateway\"\nat = \"34s\"\n"),
        @r#"
        error: `dies` and `again` would both hold `gateway-0` at the same time
          --> fleet.toml:41:6
           |
        41 | at = "34s"
           |      ^^^^^
           |
           = help: end one with `for` before the other begins, or give them different targets
        "#
    );
    assert_snapshot!(
        refused_with("[faults.before]\nkind = \"hang\"\ntarget = \"gateway\"\nat = \"5s\"\n"),
        @r#"
        error: `dies` and `before` would both hold `gateway-0` at the same time
          --> fleet.toml:41:6
           |
        41 | at = "5s"
           |      ^^^^
           |
           = help: end one with `for` before the other begins, or give them different targets
        "#
    );
}

#[test]
fn what_is_measured_must_lie_within_the_run() {
    assert_snapshot!(refused_with("[measure]\nfrom = \"60s\"\n"), @r#"
    error: measuring begins at 60s, but ends at 60s
      --> fleet.toml:39:8
       |
    39 | from = "60s"
       |        ^^^^^
    "#);
    assert_snapshot!(refused_with("[measure]\nfrom = \"50s\"\nuntil = \"40s\"\n"), @r#"
    error: measuring begins at 50s, but ends at 40s
      --> fleet.toml:39:8
       |
    39 | from = "50s"
       |        ^^^^^
    "#);
    assert_snapshot!(refused_with("[measure]\nuntil = \"2m\"\n"), @r#"
    error: measuring ends at 2m, but the run ends at 60s
      --> fleet.toml:39:9
       |
    39 | until = "2m"
       |         ^^^^
    "#);
    assert_snapshot!(refused_with("[measure]\ninterval = \"0s\"\n"), @r#"
    error: an interval must take some time
      --> fleet.toml:39:12
       |
    39 | interval = "0s"
       |            ^^^^
    "#);
    assert_snapshot!(refused_with("[measure]\ninterval = \"1us\"\n"), @r#"
    error: more than 100000 intervals of 1us
      --> fleet.toml:39:12
       |
    39 | interval = "1us"
       |            ^^^^^
    "#);
}

#[test]
fn an_expectation_of_no_metric_is_told_the_nearest() {
    assert_snapshot!(refused(EXPECTED, r#""handshake_latency.p95" = "< 250ms""#), @r#"
    error: no metric is named `handshake_latency.p95`
      --> fleet.toml:37:1
       |
    37 | "handshake_latency.p95" = "< 250ms"
       | ^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: the nearest name is `handshake_latency.p90`
    "#);
    assert_snapshot!(refused(EXPECTED, r#""handshake_latencies.p99" = "< 250ms""#), @r#"
    error: no metric is named `handshake_latencies.p99`
      --> fleet.toml:37:1
       |
    37 | "handshake_latencies.p99" = "< 250ms"
       | ^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: the nearest name is `handshake_latency.p99`
    "#);
    assert_snapshot!(refused(EXPECTED, r#""beauty" = "< 250ms""#), @r#"
    error: no metric is named `beauty`
      --> fleet.toml:37:1
       |
    37 | "beauty" = "< 250ms"
       | ^^^^^^^^
       |
       = help: `shakedown metrics SCENARIO` lists those that the scenario has
    "#);
    assert_snapshot!(refused(EXPECTED, r#""clients.player.sessions.opened" = "== 100%""#), @r#"
    error: no metric is named `clients.player.sessions.opened`
      --> fleet.toml:37:1
       |
    37 | "clients.player.sessions.opened" = "== 100%"
       | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: the nearest name is `clients.players.sessions.opened`
    "#);
    assert_snapshot!(refused(EXPECTED, r#"handshake_latency.p99 = "< 250ms""#), @r#"
    error: `handshake_latency` is a table: the name of a metric holds dots, so it needs quotes
      --> fleet.toml:37:1
       |
    37 | handshake_latency.p99 = "< 250ms"
       | ^^^^^^^^^^^^^^^^^
       |
       = help: write it like "handshake_latency.p99" = "< 250ms"
    "#);
}

#[test]
fn an_expectation_must_have_its_metrics_unit() {
    assert_snapshot!(refused(r#""< 250ms""#, r#""< 250""#), @r#"
    error: `handshake_latency.p99` is a duration: compare it with one, such as "< 250ms"
      --> fleet.toml:37:27
       |
    37 | "handshake_latency.p99" = "< 250"
       |                           ^^^^^^^
    "#);
    assert_snapshot!(refused(r#""< 250ms""#, r#""< 25%""#), @r#"
    error: `handshake_latency.p99` is a duration: compare it with one, such as "< 250ms"
      --> fleet.toml:37:27
       |
    37 | "handshake_latency.p99" = "< 25%"
       |                           ^^^^^^^
    "#);
    assert_snapshot!(refused(EXPECTED, r#""attempts.total" = "< 10%""#), @r#"
    error: `attempts.total` is a count: compare it with a number, such as "< 100"
      --> fleet.toml:37:20
       |
    37 | "attempts.total" = "< 10%"
       |                    ^^^^^^^
    "#);
    assert_snapshot!(refused(EXPECTED, r#""sessions.opened" = "> 1s""#), @r#"
    error: `sessions.opened` is a count: compare it with a number or a share, such as "== 100%"
      --> fleet.toml:37:21
       |
    37 | "sessions.opened" = "> 1s"
       |                     ^^^^^^
    "#);
    assert_snapshot!(refused(EXPECTED, r#""availability.mean" = "> 1s""#), @r#"
    error: `availability.mean` is a ratio: compare it with a share, such as ">= 99%"
      --> fleet.toml:37:23
       |
    37 | "availability.mean" = "> 1s"
       |                       ^^^^^^
    "#);
    assert_snapshot!(refused(r#""< 250ms""#, r#"["> 1ms", "< 250"]"#), @r#"
    error: `handshake_latency.p99` is a duration: compare it with one, such as "< 250ms"
      --> fleet.toml:37:37
       |
    37 | "handshake_latency.p99" = ["> 1ms", "< 250"]
       |                                     ^^^^^^^
    "#);
}

#[test]
fn an_expectation_must_be_a_comparison() {
    assert_snapshot!(refused(r#""< 250ms""#, r#""250ms""#), @r#"
    error: `expect."handshake_latency.p99"` must be a comparison with a quantity, such as "< 250ms", ">= 99%" or "== 0", found the string "250ms"
      --> fleet.toml:37:27
       |
    37 | "handshake_latency.p99" = "250ms"
       |                           ^^^^^^^
    "#);
    assert_snapshot!(refused(r#""< 250ms""#, r#""=< 250ms""#), @r#"
    error: `expect."handshake_latency.p99"` must be a comparison with a quantity, such as "< 250ms", ">= 99%" or "== 0", found the string "=< 250ms"
      --> fleet.toml:37:27
       |
    37 | "handshake_latency.p99" = "=< 250ms"
       |                           ^^^^^^^^^^
    "#);
    assert_snapshot!(refused(r#""< 250ms""#, r#""< fast""#), @r#"
    error: `expect."handshake_latency.p99"` must be a comparison with a quantity, such as "< 250ms", ">= 99%" or "== 0", found the string "< fast"
      --> fleet.toml:37:27
       |
    37 | "handshake_latency.p99" = "< fast"
       |                           ^^^^^^^^
    "#);
    assert_snapshot!(refused(r#""< 250ms""#, "250"), @r#"
    error: `expect."handshake_latency.p99"` must be a comparison with a quantity, such as "< 250ms", ">= 99%" or "== 0", found the number 250
      --> fleet.toml:37:27
       |
    37 | "handshake_latency.p99" = 250
       |                           ^^^
    "#);
    assert_snapshot!(refused(r#""< 250ms""#, r#"["> 1ms", "?"]"#), @r#"
    error: `expect."handshake_latency.p99".1` must be a comparison with a quantity, such as "< 250ms", ">= 99%" or "== 0", found the string "?"
      --> fleet.toml:37:37
       |
    37 | "handshake_latency.p99" = ["> 1ms", "?"]
       |                                     ^^^
    "#);
}

#[test]
fn an_unknown_variant_is_told_the_known_ones() {
    assert_snapshot!(message(FLEET, &variant("fast")), @r"
    error: unknown variant `fast`
    --> fleet.toml
     = help: known variants: `slow`
    ");
    assert_snapshot!(message(FLEET, &variant("Slow")), @r"
    error: unknown variant `Slow`
    --> fleet.toml
     = help: the nearest known variant is `slow`; known variants: `slow`
    ");
}

#[test]
fn a_variant_that_is_not_run_is_checked_all_the_same() {
    assert_snapshot!(refused(r#""network.one_way" = "200ms""#, r#""network.one_wya" = "200ms""#), @r#"
    error: unknown key `one_wya` in [network]
      --> fleet.toml:34:1
       |
    34 | "network.one_wya" = "200ms"
       | ^^^^^^^^^^^^^^^^^
       |
       = note: with the variant `slow` applied
       = help: the nearest known key is `one_way`
    "#);
    assert_snapshot!(refused(r#""network.one_way" = "200ms""#, r#""clients.players.retry.base" = "60s""#), @r#"
    error: cap 30s is below base 60s
      --> fleet.toml:19:57
       |
    19 | retry = { policy = "full-jitter", base = "500ms", cap = "30s" }
       |                                                         ^^^^^
       |
       = note: with the variant `slow` applied
    "#);
    assert_snapshot!(refused(r#""network.one_way" = "200ms""#, r#""clients.players.retry.cap" = "1ms""#), @r#"
    error: cap 1ms is below base 500ms
      --> fleet.toml:34:31
       |
    34 | "clients.players.retry.cap" = "1ms"
       |                               ^^^^^
       |
       = note: with the variant `slow` applied
    "#);
    assert_snapshot!(refused(r#""network.one_way" = "200ms""#, r#""duration" = "10s""#), @r#"
    error: begins at 20s, but the run ends at 10s
      --> fleet.toml:30:6
       |
    30 | at = "20s"
       |      ^^^^^
       |
       = note: with the variant `slow` applied
    "#);
    assert_snapshot!(
        refused(r#""network.one_way" = "200ms""#, r#""clients.players.endpoints.2" = "gateway-0""#),
        @r#"
        error: the list has no entry `2`
          --> fleet.toml:34:1
           |
        34 | "clients.players.endpoints.2" = "gateway-0"
           | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           |
           = help: its entries are `0` to `1`
        "#
    );
    assert_snapshot!(refused(r#""network.one_way" = "200ms""#, r#""network..one_way" = "200ms""#), @r#"
    error: `network..one_way` is not a path: a part of the path is empty
      --> fleet.toml:34:1
       |
    34 | "network..one_way" = "200ms"
       | ^^^^^^^^^^^^^^^^^^
    "#);
    assert_snapshot!(
        refused("[variants.slow]\n\"network.one_way\" = \"200ms\"", "[variants]\nslow = \"200ms\""),
        @r#"
        error: `variants.slow` must be a table of paths and values, found the string "200ms"
          --> fleet.toml:34:8
           |
        34 | slow = "200ms"
           |        ^^^^^^^
        "#
    );
}

#[test]
fn one_name_needs_no_brackets() {
    let bare = FLEET.replace(r#"endpoints = ["gateway"]"#, r#"endpoints = "gateway""#);
    assert_ne!(bare, FLEET);
    assert_eq!(load(&bare).resolved(), load(FLEET).resolved());
}

#[test]
fn a_path_through_a_group_that_is_not_there_was_meant_for_another() {
    // Every key of a server group has a default: without this, the group would come to be, and nobody would dial it.
    assert_snapshot!(refused_set("servers.gatway.workers=8"), @"
    error: the file has no `servers.gatway`
    --> --set servers.gatway.workers=8
     |
     | servers.gatway.workers=8
     |         ^^^^^^
     |
     = help: the nearest name is `gateway`; to add another, give it as one value: servers.gatway = { … }
    ");
    assert_snapshot!(refused_set("faults.dyes.at=5s"), @"
    error: the file has no `faults.dyes`
    --> --set faults.dyes.at=5s
     |
     | faults.dyes.at=5s
     |        ^^^^
     |
     = help: the nearest name is `dies`; to add another, give it as one value: faults.dyes = { … }
    ");
    let slow = r#""network.one_way" = "200ms""#;
    assert_snapshot!(refused(slow, r#""clients.playres.count" = 5"#), @r#"
    error: the file has no `clients.playres`
      --> fleet.toml:34:1
       |
    34 | "clients.playres.count" = 5
       | ^^^^^^^^^^^^^^^^^^^^^^^
       |
       = note: with the variant `slow` applied
       = help: the nearest name is `players`; to add another, give it as one value: clients.playres = { … }
    "#);
    assert_snapshot!(refused(slow, r#"servers.gatewy.workers = 5"#), @"
    error: the file has no `servers.gatewy`
      --> fleet.toml:34:9
       |
    34 | servers.gatewy.workers = 5
       |         ^^^^^^
       |
       = note: with the variant `slow` applied
       = help: the nearest name is `gateway`; to add another, give it as one value: servers.gatewy = { … }
    ");
    // What is given as a whole is meant, and so is what has another name.
    assert_eq!(load_with(FLEET, &sets(&["servers.gateway2={ workers = 8 }"])).unwrap().servers().len(), 5);
    assert_eq!(load_with(FLEET, &sets(&["servers.spare.workers=8"])).unwrap().servers().len(), 5);
}

#[test]
fn a_rolling_restart_comes_round_within_the_run() {
    let rolling = |keys: &str| {
        let fault =
            format!("[faults.dies]\nkind = \"rolling-restart\"\ntarget = \"gateway\"\n{keys}\n\n[variants.slow]");
        let start = FLEET.find("[faults.dies]").unwrap();
        let end = FLEET.find("[variants.slow]").unwrap() + "[variants.slow]".len();
        FLEET.replace(&FLEET[start..end], &fault)
    };
    let late = "at = \"20s\"\nfor = \"5s\"\ndrain = \"5s\"\ngap = \"6s\"";
    assert_snapshot!(message(&rolling(late), &Overrides::default()), @r#"
    error: the last of 3 servers would be back at 62s, but the run ends at 60s
      --> fleet.toml:30:6
       |
    30 | at = "20s"
       |      ^^^^^
       |
       = help: a turn takes 10s and then a gap of 6s: begin earlier, let a turn take less, raise at_a_time, or let the run take longer
    "#);
    // The last gap is nobody's wait: 3 turns of 10 s and two gaps of 5 s end with the run.
    load(&rolling(&late.replace("6s", "5s")));
    load(&rolling(&format!("{late}\nat_a_time = 2")));
    // What is repeated until the run ends may be cut off.
    load(&rolling("at = \"20s\"\nfor = \"1s\"\ndrain = \"5s\"\nrepeat = { every = \"19s\" }"));
}

#[test]
fn a_metric_is_named_without_its_unit() {
    assert_snapshot!(refused(EXPECTED, r#""handshake_latency.p99_ms" = "< 250ms""#), @r#"
    error: no metric is named `handshake_latency.p99_ms`
      --> fleet.toml:37:1
       |
    37 | "handshake_latency.p99_ms" = "< 250ms"
       | ^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: leave the unit out: `handshake_latency.p99`; what it is compared with has one
    "#);
}

#[test]
fn a_share_of_nothing_is_refused() {
    let calls = "[servers.auth]\nbehavior = { kind = \"serve\" }\n\n[servers.gateway]\n\
                 calls = [{ to = \"auth\", timeout = \"1s\", share = \"0%\" }]";
    assert_snapshot!(refused("[servers.gateway]", calls), @r#"
    error: a call that no request makes: leave the call out
      --> fleet.toml:15:49
       |
    15 | calls = [{ to = "auth", timeout = "1s", share = "0%" }]
       |                                                 ^^^^
    "#);
    let dns = "[dns.game]\nto = \"gateway\"\nmin_ttl = { ttl = \"5m\", share = \"0%\" }\n\n[expect]";
    assert_snapshot!(refused("[expect]", dns), @r#"
    error: a minimum that no resolver has: leave `min_ttl` out
      --> fleet.toml:38:33
       |
    38 | min_ttl = { ttl = "5m", share = "0%" }
       |                                 ^^^^
    "#);
}

#[test]
fn calls_go_to_servers_themselves() {
    let called = |to: &str| {
        let more = format!(
            "[dns.name]\nto = [\"auth\"]\n\n[servers.balancer]\nkind = \"l4\"\nbalance = \"nat\"\nto = \"auth\"\n\n\
             [servers.auth]\nbehavior = {{ kind = \"serve\" }}\n\n[servers.gateway]\n\
             calls = [{{ to = \"{to}\", timeout = \"1s\" }}]"
        );
        refused("[servers.gateway]", &more)
    };
    assert_snapshot!(called("balancer"), @r#"
    error: `balancer` is a balancer: calls through one are not simulated
      --> fleet.toml:23:17
       |
    23 | calls = [{ to = "balancer", timeout = "1s" }]
       |                 ^^^^^^^^^^
       |
       = help: call the servers behind it: to = "auth"
    "#);
    assert_snapshot!(called("name"), @r#"
    error: `name` is a DNS name: servers call servers and groups
      --> fleet.toml:23:17
       |
    23 | calls = [{ to = "name", timeout = "1s" }]
       |                 ^^^^^^
       |
       = help: write to = ["auth"]
    "#);
}

#[test]
fn a_set_is_quoted_where_it_is_wrong() {
    assert_snapshot!(refused_set("clients.players.cuont=3"), @r"
    error: unknown key `cuont` in [clients.players]
    --> --set clients.players.cuont=3
     |
     | clients.players.cuont=3
     |                 ^^^^^
     |
     = help: the nearest known key is `count`
    ");
    assert_snapshot!(refused_set("clients.player.count=3"), @"
    error: the file has no `clients.player`
    --> --set clients.player.count=3
     |
     | clients.player.count=3
     |         ^^^^^^
     |
     = help: the nearest name is `players`; to add another, give it as one value: clients.player = { … }
    ");
    assert_snapshot!(refused_set("clients.players.count=many"), @r#"
    error: `clients.players.count` must be a whole number from 1 to 100000000, found the string "many"
    --> --set clients.players.count=many
     |
     | clients.players.count=many
     |                       ^^^^
    "#);
    assert_snapshot!(refused_set("clients.players.count=0"), @r"
    error: `clients.players.count` must be a whole number from 1 to 100000000, found the number 0
    --> --set clients.players.count=0
     |
     | clients.players.count=0
     |                       ^
    ");
    assert_snapshot!(refused_set("clients.players.count"), @r"
    error: no `=` between path and value
    --> --set clients.players.count
     |
     | clients.players.count
     | ^^^^^^^^^^^^^^^^^^^^^
     |
     = help: write it as `--set PATH=VALUE`
    ");
    assert_snapshot!(refused_set("=3"), @r"
    error: a part of the path is empty
    --> --set =3
     |
     | =3
     | ^
     |
     = help: write it as `--set PATH=VALUE`
    ");
    assert_snapshot!(refused_set("clients.players.retry.cap=1ms"), @r"
    error: cap 1ms is below base 500ms
    --> --set clients.players.retry.cap=1ms
     |
     | clients.players.retry.cap=1ms
     |                           ^^^
    ");
    assert_snapshot!(refused_set("clients.players.endpoints.5=front"), @r"
    error: the list has no entry `5`
    --> --set clients.players.endpoints.5=front
     |
     | clients.players.endpoints.5=front
     |                           ^
     |
     = help: its entries are `0` to `1`
    ");
    assert_snapshot!(refused_set("clients.players.endpoints.0=fornt"), @r"
    error: no server or server group is named `fornt`
    --> --set clients.players.endpoints.0=fornt
     |
     | clients.players.endpoints.0=fornt
     |                             ^^^^^
     |
     = help: the nearest name is `front`
    ");
    assert_snapshot!(refused_set("servers.gateway.behavior.status=99"), @r"
    error: status 99: it must be 200 to 599
    --> --set servers.gateway.behavior.status=99
     |
     | servers.gateway.behavior.status=99
     |                                 ^^
    ");
    assert_snapshot!(refused_set("expect.sessions.opened=== 100%"), @r#"
    error: `sessions` is a table: the name of a metric holds dots, so it needs quotes
    --> --set expect.sessions.opened=== 100%
     |
     | expect.sessions.opened=== 100%
     |        ^^^^^^^^
     |
     = help: write it like "handshake_latency.p99" = "< 250ms"
    "#);
    assert_snapshot!(refused_set(r#"expect."sessions.opened"=100%"#), @r#"
    error: `expect."sessions.opened"` must be a comparison with a quantity, such as "< 250ms", ">= 99%" or "== 0", found the string "100%"
    --> --set expect."sessions.opened"=100%
     |
     | expect."sessions.opened"=100%
     |                          ^^^^
    "#);
    assert_snapshot!(refused_set("faults.dies.kind=kill"), @"
    error: unknown value `kill` for `faults.dies.kind`
    --> --set faults.dies.kind=kill
     |
     | faults.dies.kind=kill
     |                  ^^^^
     |
     = help: one of `crash`, `power-off`, `hang`, `partition`, `lossy`, `latency`, `bandwidth`, `reset`, `restart`, `pause`, `slow`, `drain`, `backlog`, `rolling-restart`, `flap`, `stop`, `reload`, `dns-outage`, `command`
    ");
    assert_snapshot!(refused_set("seed=1e3"), @r"
    error: `seed` must be a whole number, found the number 1000.0
    --> --set seed=1e3
     |
     | seed=1e3
     |      ^^^
    ");
}

#[test]
fn lists_have_their_limits() {
    let first_line = |text: &str| message(text, &Overrides::default()).lines().next().unwrap_or_default().to_string();
    let faults = (0..65).map(|n| format!("[faults.f{n}]\nkind = \"hang\"\ntarget = \"front\"\nat = \"1s\"\n"));
    let faults: String = faults.collect();
    assert_eq!(first_line(&format!("{FLEET}{faults}")), "error: 66 faults: the most is 64");
    let clients = (0..1_000).map(|n| format!("[clients.c{n}]\ncount = 1\nendpoints = [\"front\"]\n"));
    let clients: String = clients.collect();
    assert_eq!(first_line(&format!("{FLEET}{clients}")), "error: 1002 client groups: the most is 1000");
    let times: Vec<String> = (1..=101).map(|n| format!("\"{n}s\"")).collect();
    let network = format!("[network]\nsyn_retries = [{}]", times.join(", "));
    assert_eq!(first_line(&FLEET.replace("[network]", &network)), "error: 101 times: the most is 100");
}

#[test]
fn a_closed_loop_must_let_time_pass() {
    let still = FLEET.replace(LOGNORMAL, "\"0s\"");
    let pause = |think: &str| message(&still.replace("think = \"1s\"", think), &Overrides::default());
    assert_snapshot!(pause("think = \"0s\""), @r#"
    error: neither the pause of this closed loop nor the network takes any time
      --> fleet.toml:23:10
       |
    23 | arrive = { closed_loop = { think = "0s" } }
       |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: give `think`, or [network] one_way, some time
    "#);
    for never in ["{ uniform = { min = \"0s\", max = \"0s\" } }", "{ exponential = { mean = \"0s\" } }"] {
        let said = pause(&format!("think = {never}"));
        assert!(
            said.starts_with("error: neither the pause of this closed loop nor the network takes any time"),
            "{said}"
        );
    }
    assert!(load_with(&still, &Overrides::default()).is_ok());
}

#[test]
fn a_proxy_must_be_able_to_make_tunnels() {
    const LOGIN: &str = "credentials = { user = \"alice\", password = \"secret\" }";
    let proxy = |keys: &str| refused_with(&format!("[proxies.corporate]\n{keys}"));
    assert_snapshot!(proxy("workers = 2\nservce_time = \"1ms\""), @r#"
    error: unknown key `servce_time` in [proxies.corporate]
      --> fleet.toml:40:1
       |
    40 | servce_time = "1ms"
       | ^^^^^^^^^^^
       |
       = help: the nearest known key is `service_time`
    "#);
    assert_snapshot!(proxy("reject = 407"), @"
    error: status 407: it must be 400 to 599, and not 407
      --> fleet.toml:39:10
       |
    39 | reject = 407
       |          ^^^
       |
       = help: a proxy that answers 407 has `credentials`
    ");
    let first_line = |keys: &str| proxy(keys).lines().next().unwrap_or_default().to_string();
    for (keys, said) in [
        ("count = 0", "error: `proxies.corporate.count` must be a whole number from 1 to 10000, found the number 0"),
        ("workers = 0", "error: `proxies.corporate.workers` must be at least 1, found 0"),
        ("connections_max = 0", "error: `proxies.corporate.connections_max` must be at least 1, found 0"),
        ("connect_timeout = \"0s\"", "error: a timeout of zero: nothing would ever be passed on"),
        ("reject = 200", "error: status 200: it must be 400 to 599, and not 407"),
        ("scheme = \"digest\"", "error: `scheme` means nothing without `credentials`"),
        ("auth_time = \"1ms\"", "error: `auth_time` means nothing without `credentials`"),
        (&format!("{LOGIN}\nalgorithm = \"md5\""), "error: `algorithm` belongs to scheme = \"digest\" only"),
        (
            &format!("{LOGIN}\nscheme = \"digest\"\nnonce_lifetime = \"0s\""),
            "error: a nonce that is too old at once: nobody would ever pass",
        ),
        ("tls = \"1.3\"", "error: unknown key `tls` in [proxies.corporate]"),
    ] {
        assert_eq!(first_line(keys), said);
    }
    assert_eq!(
        refused_with("[proxies.gateway]").lines().next(),
        Some("error: the name `gateway` would mean proxies and servers: rename this group")
    );
}

#[test]
fn clients_go_through_proxies_and_not_to_them() {
    let with = |client: &str, more: &str| {
        let text = FLEET.replace(RETRY, &format!("{RETRY}\n{client}"));
        message(&format!("{text}\n[proxies.corporate]\n{more}"), &Overrides::default())
    };
    assert_snapshot!(with("proxy = \"corporat\"", ""), @r#"
    error: no group of proxies is named `corporat`
      --> fleet.toml:20:9
       |
    20 | proxy = "corporat"
       |         ^^^^^^^^^^
       |
       = help: the nearest name is `corporate`
    "#);
    assert_snapshot!(with("proxy = \"gateway\"", ""), @r#"
    error: no group of proxies is named `gateway`
      --> fleet.toml:20:9
       |
    20 | proxy = "gateway"
       |         ^^^^^^^^^
       |
       = help: write [proxies.NAME] and name it here
    "#);
    assert_snapshot!(with("proxy_credentials = { user = \"alice\", password = \"secret\" }", ""), @r#"
    error: `proxy_credentials` means nothing without `proxy`
      --> fleet.toml:20:1
       |
    20 | proxy_credentials = { user = "•••", password = "•••" }
       | ^^^^^^^^^^^^^^^^^
       |
       = help: write proxy = "NAME", a group of [proxies.NAME]
    "#);
    let direct = "[clients.others]\ncount = 1\nendpoints = [\"corporate\"]";
    assert_snapshot!(with("", direct), @r#"
    error: `corporate` is a forward proxy, which connections go through, not to
      --> fleet.toml:43:14
       |
    43 | endpoints = ["corporate"]
       |              ^^^^^^^^^^^
       |
       = help: name servers here, and write proxy = "corporate" in the client group
    "#);
    assert_snapshot!(with("proxy = \"corporate\"", "[servers.balancer]\nkind = \"l4\"\nto = \"gateway\"\nbalance = \"nat\"\n[clients.others]\ncount = 1\nendpoints = [\"balancer\"]\nproxy = \"corporate\""), @r#"
    error: `balancer` is a balancer: one behind a forward proxy is not simulated
      --> fleet.toml:47:14
       |
    47 | endpoints = ["balancer"]
       |              ^^^^^^^^^^
       |
       = help: name the servers behind it, or take `proxy` from the clients
    "#);
    let text = FLEET
        .replace(RETRY, &format!("{RETRY}\nproxy = \"corporate\""))
        .replace("to = \"gateway\", pick", "to = \"name\", pick");
    assert_snapshot!(message(&format!("{text}\n[proxies.corporate]\n[dns.name]\nto = \"gateway\""), &Overrides::default()), @r#"
    error: `name` is a DNS name, and proxies here look none up
     --> fleet.toml:9:38
      |
    9 | behavior = { kind = "redirect", to = "name", pick = "round-robin" }
      |                                      ^^^^^^
      |
      = help: name servers, or take `proxy` from the clients
    "#);
}

#[test]
fn what_is_compared_must_be_there_in_the_file_or_a_variant() {
    let told = |compare: &str| {
        let text = format!(
            "format = 1\ntitle = 'x'\nduration = '5s'\n[servers.a]\n[clients.b]\ncount = 1\nendpoints = 'a'\n\
             [compare]\n{compare}\n[variants.pool]\n'servers.a.transactions_max' = 5\n"
        );
        crate::load("x.toml", "x", &text, &Overrides::default()).map_err(|problem| problem.to_string())
    };
    let scenario = told("base = 'plain'\nmetrics = ['outage.p99', 'servers.a.transactions_full']").unwrap();
    assert_eq!(scenario.variants(), ["pool"]);
    // It is no part of a run.
    assert!(!scenario.resolved().contains("compare"));
    for (compare, says) in [
        ("metrics = ['outage.p98']", "the nearest name is `outage.p90`"),
        ("metrics = ['outage.p99', 'outage.p99']", "is there already"),
        ("base = 'pool'", "is a variant already"),
        ("base = 'A b'", "small letters"),
        ("metric = ['outage.p99']", "metrics"),
    ] {
        let told = told(compare).expect_err(compare);
        assert!(told.contains(says), "{compare}: {told}");
    }
}

#[test]
fn servers_that_lead_back_to_themselves_are_refused_with_the_cycle() {
    let balancers = "\n[servers.l]\nkind = \"l4\"\nbalance = \"nat\"\nto = \"m\"\n[servers.m]\nkind = \"l4\"\nbalance = \"nat\"\nto = \"l\"\n";
    let message = refused_with(balancers);
    assert!(message.contains("`m` is a balancer itself") && message.contains("l -> m -> l"), "{message}");
    let call = |name: &str, to: &str| {
        format!(
            "\n[servers.{name}]\ncalls = [{{ to = \"{to}\", timeout = \"1s\" }}]\nbehavior = {{ kind = \"serve\" }}\n"
        )
    };
    let message = refused_with(&[call("a", "b"), call("b", "c"), call("c", "b")].concat());
    assert!(message.contains("b -> c -> b"), "{message}");
}

#[test]
fn a_variant_whose_name_is_a_path_is_refused() {
    let message = refused_with("\n[variants.\"x/../../OUTSIDE\"]\nduration = \"5s\"\n");
    assert!(message.contains("small letters, digits"), "{message}");
}

#[test]
fn what_a_terminal_would_obey_reaches_none() {
    let escape = refused("A fleet", "A \\u001b[2Jfleet");
    assert!(escape.contains("the control character \\u{1b}"), "{escape}");
    assert!(refused("A fleet", "A \\u202efleet").contains("\\u{202e}"));
    let named = refused("[servers.front]", "[servers.\"f\u{202e}ront\"]");
    assert!(!named.contains('\u{202e}'), "{named:?}");
}
