//! docs/scenarios.md has every key of the language, and every word that a key may have for its value. What there is, the
//! types know: a scenario with an unknown key, or an unknown word, is refused by naming the known ones.

use std::collections::BTreeSet;

use shakedown::scenario::Overrides;

use crate::common::{self, repository, scenario_files};

const DOCS: &str = include_str!("../../docs/scenarios.md");

/// Has each table that there is.
const TABLES: &str = r#"
format = 1
title = "Tables"
duration = "60s"

[network.links.far]
from = "players"
to = "gateway"
loss = { forward = "1%", back = "0%" }

[servers.gateway]
count = 2
access_link = { up = "1Mbit/s" }
accept_rate = { rate = "1/s", burst = 1 }
address_rate = { rate = "1/s", burst = 1 }
queue = { deadline = "1s" }
warm_up = { for = "1s", factor = 2 }
slowdown = { contention = "1%" }
memory = { max = "1MB", connection = "1KB" }
liveness = {}
descriptors = { max = 100 }
address_window = { max = 1, per = "1s" }
readiness = {}
restart = {}
pauses = { every = "10s", for = "1s" }
calls = [{ to = "auth", timeout = "1s", pool = { size = 1, queue = 1, timeout = "1s" }, retry = { attempts = 2, delay = "1s" } }]
behavior = [{ kind = "reject", when = { after = "1s" } }, { kind = "accept" }]

[servers.auth]
behavior = { kind = "serve" }

[servers.front]
kind = "l4"
to = "gateway"
balance = "terminate"
health = { every = "5s", timeout = "2s", fall = 3, rise = 2 }

[proxies.corporate]
credentials = { user = "alice", password = "secret" }

[chaos]
targets = ["gateway"]

[invariants]
open_within = "10s"

[dns.game]
to = "gateway"
health = { every = "5s" }
min_ttl = { ttl = "5m" }
changes = [{ at = "1s", to = "front" }]

[clients.players]
count = 10
hosts = 5
endpoints = "game"
heartbeat = { every = "10s", timeout = "5s" }
breaker = { failures = 5, open_for = "10s" }
dns_cache = { min = "1s", max = "2s" }
retry = { budget = { rate = "1/s", burst = 2 } }

[clients.rising]
count = 10
endpoints = "front"
arrive = { ramp = { from = "0/s", to = "5/s", over = "30s" } }

[clients.either]
count = 10
endpoints = "gateway"
race = {}

[clients.users]
count = 10
endpoints = "front"
hold = "1s"
arrive = { closed_loop = { think = "1s" } }

[faults.loses]
kind = "lossy"
loss = "10%"
target = { from = "players", to = "gateway" }
at = "1s"
for = "1s"
repeat = { every = "10s", times = 2 }

[measure]
from = "1s"
"#;

/// What is known in place of an unknown thing.
fn known(set: &str) -> Vec<String> {
    let overrides = common::set(&[set]);
    let problem = shakedown::scenario::load("tables.toml", "tables", TABLES, &overrides).expect_err(set);
    let (message, help) = (problem.message(), problem.help().unwrap_or_default());
    assert!(message.starts_with("unknown"), "{set}: {message}");
    let known = help.split('`').skip(1).step_by(2).map(str::to_string).collect::<Vec<_>>();
    assert!(!known.is_empty(), "{set}: {help}");
    known
}

/// The words in the code of a part of the docs.
fn words(heading: &str) -> BTreeSet<&'static str> {
    let parts: Vec<&str> = match heading {
        "" => vec![DOCS],
        _ => DOCS.split("\n## ").filter(|part| part.starts_with(heading)).collect(),
    };
    assert!(!parts.is_empty(), "no `## {heading}`");
    // Fences are three backticks, so what lies within them comes out as code too.
    let code = parts.into_iter().flat_map(|part| part.split('`').skip(1).step_by(2));
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let written = code.flat_map(|code| code.split(move |c| !is_part(c)));
    // `linux-6.5` is a word, `servers.NAME` is two.
    written.flat_map(|word| word.split('.').chain([word])).collect()
}

#[test]
fn every_key_is_documented_where_it_belongs() {
    for (heading, table) in [
        ("Top level", ""),
        ("`[network]`", "network"),
        ("`[network]`", "network.links.far"),
        ("`[network]`", "network.links.far.loss"),
        ("", "network.one_way"),
        ("", "network.one_way.uniform"),
        ("", "network.one_way.exponential"),
        ("", "network.one_way.normal"),
        ("", "network.one_way.lognormal"),
        ("`[servers.NAME]`", "servers.gateway"),
        ("`[servers.NAME]`", "servers.gateway.access_link"),
        ("`[servers.NAME]`", "servers.gateway.accept_rate"),
        ("`[servers.NAME]`", "servers.gateway.warm_up"),
        ("`[servers.NAME]`", "servers.gateway.slowdown"),
        ("`[servers.NAME]`", "servers.gateway.descriptors"),
        ("`[servers.NAME]`", "servers.gateway.address_window"),
        ("`[servers.NAME]`", "servers.gateway.memory"),
        ("`[servers.NAME]`", "servers.gateway.readiness"),
        ("`[servers.NAME]`", "servers.gateway.restart"),
        ("`[servers.NAME]`", "servers.gateway.pauses"),
        ("`[servers.NAME]`", "servers.gateway.calls.0"),
        ("`[servers.NAME]`", "servers.gateway.calls.0.retry"),
        ("`[servers.NAME]`", "servers.gateway.calls.0.pool"),
        ("`[servers.NAME]`", "servers.gateway.behavior.0"),
        ("`[servers.NAME]`", "servers.gateway.behavior.0.when"),
        ("`[servers.NAME]`", "servers.gateway.behavior.0.answer"),
        ("`[servers.NAME]`", "servers.front.health"),
        ("`[proxies.NAME]`", "proxies.corporate"),
        ("`[proxies.NAME]`", "proxies.corporate.credentials"),
        ("`[dns.NAME]`", "dns.game"),
        ("`[dns.NAME]`", "dns.game.health"),
        ("`[dns.NAME]`", "dns.game.min_ttl"),
        ("`[dns.NAME]`", "dns.game.changes.0"),
        ("`[clients.NAME]`", "clients.players"),
        ("`[clients.NAME]`", "clients.players.heartbeat"),
        ("`[clients.NAME]`", "clients.players.breaker"),
        ("`[clients.NAME]`", "clients.players.dns_cache"),
        ("`[clients.NAME]`", "clients.either.race"),
        ("`[clients.NAME]`", "clients.players.retry"),
        ("`[clients.NAME]`", "clients.players.retry.budget"),
        ("`[clients.NAME]`", "clients.players.reads"),
        ("`[clients.NAME]`", "clients.rising.arrive.ramp"),
        ("`[clients.NAME]`", "clients.users.arrive.closed_loop"),
        ("`[faults.NAME]`", "faults.loses"),
        ("`[faults.NAME]`", "faults.loses.target"),
        ("`[faults.NAME]`", "faults.loses.repeat"),
        ("`[measure]`", "measure"),
    ] {
        // Of its tables, the whole document is the description.
        let words = words(if table.is_empty() { "" } else { heading });
        let point = if table.is_empty() { "" } else { "." };
        for key in known(&format!("{table}{point}zzzzzzzzzz=1")) {
            assert!(words.contains(key.as_str()), "docs/scenarios.md, {heading}: nothing about `{key}` of [{table}]");
        }
    }
}

#[test]
fn every_word_is_documented_where_it_belongs() {
    for (heading, key) in [
        ("`[network]`", "network.syn_retries"),
        ("`[servers.NAME]`", "servers.gateway.kind"),
        ("`[servers.NAME]`", "servers.gateway.tls"),
        ("`[servers.NAME]`", "servers.gateway.tls_keys"),
        ("`[servers.NAME]`", "servers.gateway.backlog_overflow"),
        ("`[servers.NAME]`", "servers.gateway.when_full"),
        ("`[servers.NAME]`", "servers.gateway.queue_full"),
        ("`[servers.NAME]`", "servers.gateway.queue"),
        ("`[servers.NAME]`", "servers.gateway.over_rate"),
        ("`[servers.NAME]`", "servers.gateway.memory.when_full"),
        ("`[servers.NAME]`", "servers.gateway.accepts"),
        ("`[servers.NAME]`", "servers.gateway.address_window.kind"),
        ("`[servers.NAME]`", "servers.gateway.calls.0.pick"),
        ("`[servers.NAME]`", "servers.gateway.behavior.0.kind"),
        ("`[servers.NAME]`", "servers.gateway.behavior.0.pick"),
        ("`[servers.NAME]`", "servers.gateway.behavior.0.location"),
        ("`[servers.NAME]`", "servers.front.balance"),
        ("`[servers.NAME]`", "servers.front.pick"),
        ("`[servers.NAME]`", "servers.front.check"),
        ("`[servers.NAME]`", "servers.front.on_down"),
        ("`[proxies.NAME]`", "proxies.corporate.scheme"),
        ("`[dns.NAME]`", "dns.game.order"),
        ("`[clients.NAME]`", "clients.players.arrive"),
        ("`[clients.NAME]`", "clients.players.pick"),
        ("`[clients.NAME]`", "clients.players.on_retry"),
        ("`[clients.NAME]`", "clients.players.mode"),
        ("`[clients.NAME]`", "clients.players.dns_cache"),
        ("`[clients.NAME]`", "clients.players.retry.policy"),
        ("`[faults.NAME]`", "faults.loses.kind"),
        ("`[faults.NAME]`", "faults.loses.with"),
    ] {
        let words = words(heading);
        for word in known(&format!("{key}=zzzzzzzzzz")) {
            assert!(words.contains(word.as_str()), "docs/scenarios.md, {heading}: nothing about \"{word}\" of {key}");
        }
    }
}

/// The schema as a validator sees it.
struct Schema {
    schemas: boon::Schemas,
    index: boon::SchemaIndex,
}

impl Schema {
    fn new() -> Schema {
        let mut schemas = boon::Schemas::new();
        let mut compiler = boon::Compiler::new();
        let text = serde_json::from_str(include_str!("../../scenarios/schema.json")).unwrap();
        compiler.add_resource("scenario.json", text).unwrap();
        let index = compiler.compile("scenario.json", &mut schemas).unwrap_or_else(|error| panic!("{error:#}"));
        Schema { schemas, index }
    }

    /// What is wrong with a scenario, if anything.
    fn problem(&self, text: &str) -> Option<String> {
        let instance: serde_json::Value = toml::from_str(text).unwrap();
        self.schemas.validate(&instance, self.index).err().map(|error| format!("{error:#}"))
    }
}

/// Generated from the types that read scenarios: `cargo test --all-features`.
#[cfg(feature = "schema")]
#[test]
fn the_schema_is_committed() {
    let file = repository("scenarios/schema.json");
    let schema = shakedown::scenario::schema();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &schema).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == schema, "scenarios/schema.json is not what the types say: UPDATE_GOLDEN=1 writes it");
}

#[test]
fn the_schema_takes_every_scenario_and_what_each_resolves_to() {
    let schema = Schema::new();
    let files = scenario_files(&repository("scenarios"));
    assert!(files.len() >= 26);
    let texts = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).chain([TABLES.to_string()]);
    for text in texts {
        let title = text.lines().find(|line| line.starts_with("title")).unwrap().to_string();
        assert_eq!(schema.problem(&text), None, "{title}");
        let programs = Overrides { programs: true, ..Overrides::default() };
        let base = shakedown::scenario::load("x", "x", &text, &programs).unwrap();
        let variants = base.variants().iter().cloned().map(Some).chain([None]);
        for variant in variants {
            let overrides = Overrides { variant: variant.clone(), ..programs.clone() };
            let resolved = shakedown::scenario::load("x", "x", &text, &overrides).unwrap().resolved().to_string();
            assert_eq!(schema.problem(&resolved), None, "{title}, {variant:?}, resolved");
        }
    }
}

/// What is wrong by the types alone, the schema refuses as the parser does.
#[test]
fn the_schema_refuses_what_the_parser_refuses() {
    let schema = Schema::new();
    for (right, wrong) in [
        ("format = 1", "format = 2"),
        ("title = \"Tables\"", ""),
        ("title = \"Tables\"", "title = 7"),
        ("duration = \"60s\"", "duration = 60"),
        ("duration = \"60s\"", "duration = \"60\""),
        ("duration = \"60s\"", "duration = \"60 sec\""),
        ("duration = \"60s\"", "duration = \"60s\"\ndurration = \"60s\""),
        ("[measure]\nfrom", "[measure]\nform"),
        ("count = 10\nhosts", "cuont = 10\nhosts"),
        ("count = 10\nhosts", "count = -10\nhosts"),
        ("count = 10\nhosts", "count = \"10\"\nhosts"),
        ("endpoints = \"game\"", ""),
        ("endpoints = \"game\"", "endpoints = [1]"),
        ("endpoints = \"game\"", "endpoints = \"game\"\npick = \"rnadom\""),
        ("endpoints = \"game\"", "endpoints = \"game\"\nmode = \"upgarde\""),
        ("endpoints = \"game\"", "endpoints = \"game\"\nhold = \"ever\""),
        ("endpoints = \"game\"", "endpoints = \"game\"\npreset = \"nobody\""),
        ("endpoints = \"game\"", "endpoints = \"game\"\nprofile = \"nobody\""),
        ("endpoints = \"game\"", "endpoints = \"game\"\nconnect_timeout = \"never\""),
        ("rate = \"1/s\", burst = 2", "rate = 1, burst = 2"),
        ("rate = \"1/s\", burst = 2", "rate = \"1/d\", burst = 2"),
        ("loss = \"10%\"", "loss = \"10\""),
        ("loss = \"10%\"", "loss = { forth = \"10%\" }"),
        ("up = \"1Mbit/s\"", "up = \"1MB/s\""),
        ("kind = \"lossy\"", "kind = \"lousy\""),
        ("kind = \"lossy\"", ""),
        ("target = { from = \"players\", to = \"gateway\" }", "target = { from = \"players\" }"),
        ("kind = \"l4\"", "kind = \"l5\""),
        ("behavior = { kind = \"serve\" }", "behavior = \"serve\""),
        ("queue = { deadline = \"1s\" }", "queue = { dead = \"1s\" }"),
        ("closed_loop = { think", "closed_loop = { thinks"),
        ("[measure]", "[expect]\n\"sessions.opened\" = \"10\"\n[measure]"),
        ("[measure]", "[expect]\n\"sessions.opened\" = 10\n[measure]"),
    ] {
        assert!(TABLES.contains(right), "{right}");
        let text = TABLES.replacen(right, wrong, 1);
        assert!(
            shakedown::scenario::load("x", "x", &text, &Overrides::default()).is_err(),
            "{wrong}: the parser takes it"
        );
        assert!(schema.problem(&text).is_some(), "{wrong}: the schema takes it");
    }
    assert_eq!(schema.problem(TABLES), None);
}
