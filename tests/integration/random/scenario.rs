//! Random scenarios: small fleets with whatever the language has.
//!
//! A scenario begins as one that is surely valid. What is added to it is drawn from the schema, or is one of the groups of
//! keys below that mean something together only; it stays when the scenario is still valid with it. So nothing here knows
//! the rules of the language, and a key that is added to the schema is drawn without a word here, unless it needs others.

use shakedown::scenario::{Overrides, Problem, Scenario, load};
use toml::{Table, Value};

use super::draw::Draw;
use super::schema::{Names, Schema};

/// A random scenario: its text, and the same checked.
pub(crate) struct Random {
    pub(crate) table: Table,
    pub(crate) scenario: Scenario,
}

/// The text of a scenario.
pub(crate) fn text(table: &Table) -> String {
    toml::to_string(table).unwrap()
}

/// Reads a scenario.
pub(crate) fn checked(table: &Table) -> Result<Scenario, Problem> {
    load("random.toml", "random", &text(table), &Overrides::default())
}

/// Keys that need each other, for a table of a kind. `@` and a letter stand for something drawn: G a server group, S the
/// server group itself, C a client group, D a duration, L a duration or a distribution, N a small number, P a share.
const TOGETHER: &[(&str, &[&str])] = &[
    (
        "Servers",
        &[
            "connections_max = @N\nwhen_full = 'redirect'\noverflow_to = '@G'",
            "connections_max = @N\nwhen_full = 'reject'",
            "connections_max = @N\nwhen_full = 'drop'",
            "connections_max = @N\nwhen_full = 'open-then-close'\nqueue_max = @N\nqueue_full = 'open-then-close'",
            "queue_max = @N\nqueue_full = 'reject'",
            "queue_max = @N\nqueue_full = 'drop'",
            "queue_max = @N\nqueue_full = 'reset'\nqueue = { deadline = '@D' }",
            "queue = 'lifo'",
            "transactions_max = @N\ntransactions_full = 'wait'",
            "transactions_max = @N\ntransactions_full = 'reject'",
            "accept_rate = { rate = '40/s', burst = @N }\nover_rate = 'wait'",
            "address_rate = { rate = '40/s', burst = @N }\nover_rate = 'drop'",
            "accept_rate = { rate = '5/s', burst = @N }\nover_rate = 'reject'",
            "joins_at = '1s'",
            "leaves_at = '2s'\nleaves_over = '@D'",
            "heartbeat = { every = '300ms', timeout = '500ms', code = 4000 }\nclose_timeout = '@D'",
            "heartbeat = { every = '1s', timeout = '300ms', ends = 'reset' }\nkeepalive = { idle = '1s', every = '1s', probes = 2 }",
            "idle_timeout = { after = '1s', code = 4001 }",
            "idle_timeout = { after = '@D', ends = 'fin' }\nuser_timeout = '1s'",
            "connection_age = { max = { uniform = { min = '200ms', max = '2s' } }, ends = 'close', code = 1012 }",
            "pauses = { every = '1s', for = '@D' }",
            "pauses = { every = { uniform = { min = '200ms', max = '2s' } }, for = '100ms', in_step = true }",
            "warm_up = { for = '@D', factor = 4.0 }",
            "tls = '1.2'\ntls_cost = '@L'\ntls_tickets = '@D'\ntls_keys = 'process'",
            "tls = '1.3'\ntls_resumed_cost = '@L'\ntls_keys = 'shared'",
            "tls = '1.3'\ntls_certificate = { expires_at = '1s', renewed_at = '2s', untrusted_share = '20%' }",
            "tls = '1.3'\ntls_certificate = { untrusted_by = '@C' }",
            "tls = '1.3'\ntls_cost = '@L'",
            "extended_connect = true\nstreams_max = @N",
            "behavior = { kind = 'serve' }",
            "backlog = 1\nbacklog_overflow = 'reset'",
        ],
    ),
    (
        "BehaviorConfig",
        &[
            "kind = 'redirect'\nto = '@G'",
            "kind = 'redirect'\nto = ['@G']\nstatus = 301\npick = 'random'\nlocation = 'http'\npath = '/elsewhere'",
            "kind = 'redirect'\nto = '@G'\nstatus = 307\npick = 'round-robin'\nlocation = 'relative'\nretry_after = '1s'",
            "kind = 'redirect'\nto = '@G'\npick = 'least-connections'\nreport_every = '500ms'\nkeep_alive = true",
            "kind = 'redirect'\nto = ['@G']\npick = 'weighted'\nweights = { '@G' = 3 }",
            "kind = 'redirect'\nto = '@G'\npick = 'consistent-hash'\nhash_by = 'path'",
            "kind = 'redirect'\nto = '@G'\npick = 'consistent-hash'\nhash_by = 'client'",
            "kind = 'redirect'\nto = ['@G']\npick = 'round-robin'",
            "kind = 'redirect'\nlocation = 'missing'",
            "kind = 'redirect'\nlocation = 'malformed'",
            "kind = 'redirect'\nlocation = 'relative'\npath = '/chat'\nwhen = { path = '/' }",
            "kind = 'redirect'\nto = '@G'\nlocation = 'missing'",
            "kind = 'redirect'\nto = '@G'\nlocation = 'malformed'",
            "kind = 'redirect'\nto = '@G'\nlocation = 'ws'\nwhen = { share = '@P', after = '100ms', until = '4s' }",
            "kind = 'reject'\nstatus = 503\nretry_after = '2s'\nwhen = { share = '@P' }",
            "kind = 'reject'\nstatus = 426\nanswer = { versions = [8, 13] }",
            "kind = 'reject'\nstatus = 429\nanswer = { body = { bytes = 300, framing = 'chunked' } }\ndelivery = { bytes = 7, every = '1ms' }",
            "kind = 'reject'\nstatus = 404\nanswer = { body = { bytes = 100, framing = 'close' }, reason = 'No' }",
            "kind = 'reject'\nstatus = 500\nanswer = { body = { bytes = 100, framing = 'length' }, http = '1.0' }",
            "kind = 'stall'\nwhen = { after = '@D', until = '5s' }",
            "kind = 'stall'\nwhen = { path = '/chat' }",
            "kind = 'reject'\nwhen = { first = 2 }",
            "kind = 'garbage'\nwhen = { share = '@P' }",
            "kind = 'challenge'\ncredentials = { user = 'u', password = 'p' }\nscheme = 'basic'\nrealm = 'r'",
            "kind = 'challenge'\ncredentials = { user = 'u', password = 'p' }\nscheme = 'digest'\nalgorithm = 'sha-256'\nnonce_lifetime = '1s'\nkeep_alive = true",
            "kind = 'challenge'\ncredentials = { user = 'u', password = 'p' }\nscheme = 'digest'\nalgorithm = 'md5'\nverify = true",
            "kind = 'challenge'\ncredentials = { user = 'u', password = 'p' }\nscheme = 'digest'\nalgorithm = 'sha-256-sess'\nkeep_alive = false",
            "kind = 'challenge'\ncredentials = { user = 'u', password = 'p' }\nverify = false",
            "kind = 'challenge'\ncredentials = { user = 'u', password = 'p' }\nscheme = 'ntlm'",
            "kind = 'challenge'\ncredentials = { user = 'u', password = 'p' }\nscheme = 'negotiate'\nkeep_alive = false",
            "kind = 'accept'\nclose = { after = '1s', code = 1011 }",
            "kind = 'accept'\nanswer = { accept_key = 'wrong', upgrade = 'doubled', connection = 'missing' }\nwhen = { share = '@P' }",
            "kind = 'accept'\nanswer = { accept_key = 'missing', upgrade = 'wrong', connection = 'doubled' }\nwhen = { share = '@P' }",
            "kind = 'accept'\nanswer = { accept_key = 'doubled', upgrade = 'missing', connection = 'wrong', status = 200 }\nwhen = { share = '@P' }",
            "kind = 'accept'\nanswer = { first_frame = true, interim = [103] }",
            "kind = 'accept'\nanswer = { subprotocol = 'chat', extension = 'x-one' }\nwhen = { share = '@P' }",
            "kind = 'accept'\nanswer = { http = '2.0' }\nwhen = { share = '@P' }",
            "kind = 'accept'\nanswer = { line_end = 'lf', fields = ['X-One: 1'], padding = 500, padding_fields = 5, reason = 'Yes' }",
            "kind = 'accept'\ndelivery = { cut = 20, then = 'reset' }\nwhen = { share = '@P' }",
            "kind = 'accept'\ndelivery = { cut = 40, then = 'silence' }\nwhen = { share = '@P' }",
            "kind = 'accept'\ndelivery = { bytes = 5, every = '1ms', cut = 60, then = 'fin' }\nwhen = { share = '@P' }",
        ],
    ),
    (
        "Clients",
        &[
            "hosts = 2\nbreaker = { failures = 3, open_for = '@D' }",
            "hosts = 2\nretry = { base = '100ms', cap = '2s', budget = { rate = '5/s', burst = 3 } }",
            "hosts = 3\nconnect_gate = true",
            "race = { delay = '100ms' }",
            "hosts = 2\nnat = 1\nports = 5",
            "hosts = 1\nports = 2",
            "nat = 1",
            "credentials = { user = 'u', password = 'p' }\nauth = 'after-challenge'\nauth_schemes = ['basic', 'digest']\ncredentials_across_origins = true",
            "credentials = { user = 'u', password = 'p' }\nauth = 'first'",
            "credentials = { user = 'u', password = 'p' }\nauth = 'header'\nsets_headers = true",
            "credentials = { user = 'u', password = 'wrong' }\nauth = 'after-401'",
            "credentials = { user = 'u', password = 'p' }\nauth = 'none'\nauth_schemes = ['digest']",
            "credentials = { user = 'u', password = 'p' }\nauth_schemes = ['ntlm', 'negotiate']",
            "mode = 'final-response'",
            "mode = 'upgrade-strict'",
            "mode = 'extended-connect'\nhosts = 2\nidle_timeout = '@D'",
            "mode = 'extended-connect'\nidle_timeout = '1s'",
            "mode = 'tls-upgrade'",
            "arrive = 'at_once'",
            "arrive = { closed_loop = { think = '@L', over = '1s' } }\nhold = '500ms'",
            "arrive = { closed_loop = { think = '200ms' } }\nhold = { exponential = { mean = '1s' } }",
            "arrive = { poisson = { rate = '40/s' } }",
            "arrive = { ramp = { from = '1/s', to = '40/s', over = '2s' } }",
            "arrive = { randomly_over = '1s' }\nstart = '@D'",
            "arrive = { stages = [{ for = '1s', to = '40/s' }, { for = '500ms', at = '20/s' }] }\ncount = 30",
            "arrive = { random_stages = [{ for = '2s', at = '10/s' }] }\ncount = 20",
            "retry = { policy = 'list', delays = ['0s', '100ms', '1s'], plus = '@L' }",
            "retry = { policy = 'decorrelated-jitter', base = '50ms', cap = '2s' }",
            "retry = { policy = 'exponential', base = '50ms', cap = '2s', factor = 1.5, spread = '10%', first = '@L' }",
            "retry = { policy = 'fixed', base = '200ms', base_plus = '@L', attempts = 4, failures = ['connect', 'timeout', 'closed'] }",
            "retry = { policy = 'equal-jitter', base = '100ms', after_loss = '@L', reset_after = '@D', statuses = [503, 429] }",
            "retry = { policy = 'fixed', base = '200ms', attempts = 5, failures = ['lookup', 'refused', 'connect-timeout'] }",
            "retry = { policy = 'fixed', base = '100ms', after = { lookup = '@D', refused = '@D', connect_timeout = '@D' } }",
            "retry = { policy = 'full-jitter', base = '100ms', after = { timeout = '@D', closed = '@D', tls = '@D', rejected = '@D' } }",
            "retry = { policy = 'chromium', failures = ['invalid', 'redirect', 'tls'] }",
            "retry = { policy = 'none' }\nreconnect = false",
            "retry = { policy = 'full-jitter', base = '100ms', cap = '1s' }",
            "reads = { body = true, http_1_0 = 'opens', http_2_0 = 'opens' }",
            "retry = { base = '100ms', cap = '1s', failed_handshakes = false, honour_retry_after = true }",
            "follows = ['ws', 'http', 'relative']\nremembers_redirects = 'all'\nredirect_statuses = [301, 307]",
            "remembers_redirects = 'permanent'\nupgrades_redirected = false\nkeep_alive = true",
            "heartbeat = { every = '500ms', timeout = '300ms' }\nfatal_close_codes = [1011]",
            "known_findings = ['credentials-leaked', 'redirect-loop', 'accept-unverified']",
            "repeats_after = ['closed', 'connect-timeout']\nnew_key = 'request'",
            "new_key = 'attempt'",
            "open_timeout = '2s'\nconnect_timeout = 'none'\nhandshake_timeout = 'none'",
        ],
    ),
    (
        "Fault",
        &[
            "kind = 'crash'\ntarget = '@G-0'\nat = '1s'\nfor = '1s'",
            "kind = 'power-off'\ntarget = '@G'\nat = '1500ms'\nfor = '2s'",
            "kind = 'hang'\ntarget = { group = '@G', share = '40%' }\nat = '@D'\nfor = '1s'",
            "kind = 'partition'\ntarget = { from = '@C', to = '@G' }\nat = '1s'\nfor = '@D'\none_way = true",
            "kind = 'partition'\ntarget = '@G'\nat = '1s'\nfor = '2s'",
            "kind = 'lossy'\ntarget = '@G'\nloss = '40%'\nat = '500ms'",
            "kind = 'lossy'\ntarget = '@C'\nloss = { forward = '@P', back = '10%' }\nat = '500ms'\nfor = '3s'",
            "kind = 'latency'\ntarget = '@G'\nadd = '@D'\nat = '1s'\nfor = '1s'",
            "kind = 'bandwidth'\ntarget = '@G'\nbandwidth = '50kbit/s'\nqueue = '2KB'\nat = '1s'\nfor = '1s'",
            "kind = 'reset'\ntarget = '@G'\nshare = '@P'\nat = '2s'",
            "kind = 'reload'\ntarget = '@G'\nat = '1s'\nconnections_until = '@L'\nends = 'close'\ncode = 1012",
            "kind = 'reload'\ntarget = '@G-0'\nat = '1s'\nconnections_until = '1s'\nends = 'reset'\nrepeat = { every = '300ms', times = 3 }",
            "kind = 'restart'\ntarget = '@G-0'\nat = '2s'\nfor = '@D'",
            "kind = 'pause'\ntarget = { group = '@G', count = 1 }\nat = '1s'\nfor = '@D'",
            "kind = 'slow'\ntarget = '@G'\nfactor = 4.0\nat = '1s'\nfor = '2s'",
            "kind = 'drain'\ntarget = '@G-0'\ncode = 1012\nover = '@D'\nat = '1s'\nfor = '2s'",
            "kind = 'backlog'\ntarget = '@G'\nto = @N\nat = '1s'\nfor = '1s'",
            "kind = 'rolling-restart'\ntarget = '@G'\nat = '500ms'\nfor = '300ms'\nat_a_time = 1\ngap = '200ms'\ndrain = '@D'",
            "kind = 'flap'\ntarget = '@G'\nwith = 'crash'\nat = '1s'\nfor = '300ms'\nrepeat = { every = '800ms', times = 2 }",
            "kind = 'stop'\ntarget = '@G-0'\nat = '1s'\nfor = '1s'",
            "kind = 'stop'\ntarget = '@G-0'\nat = '1s'\nfor = '1s'\ndrain = '@D'\ncode = 1001",
            "kind = 'dns-outage'\ntarget = 'name-0'\nat = '1s'\nfor = '2s'",
            "kind = 'crash'\ntarget = 'eu-1'\nat = '1s'\nfor = '1s'\nrepeat = { every = '2s' }",
        ],
    ),
    (
        "Network",
        &[
            "syn_retries = ['200ms', '500ms', '1s']\ndata_retries = 4",
            "syn_retries = 'macos'\ntime_wait = '@D'\ntime_wait_reopens = true",
            "syn_retries = 'linux'\ntime_wait = 'none'",
            "loss = { forward = '@P', back = '10%' }",
            "links.one = { from = '@C', to = '@G', bandwidth = '1Mbit/s', queue = '2KB' }",
            "links.two = { from = 'eu-1', to = 'us-1', one_way = '@L', jitter = '5ms', both = false }",
            "links.three = { from = '@C', to = '@G', loss = '10%' }",
            "one_way = '0s'",
        ],
    ),
    (
        "DnsName",
        &[
            "standby = ['@G']\nhealth = { every = '500ms', timeout = '200ms' }",
            "ttl = '1s'\nmin_ttl = { ttl = '5s', share = '40%' }\nresolvers = 2",
            "changes = [{ at = '1s', to = '@G' }]\nttl = '@D'",
            "order = 'fixed'",
            "order = 'random'\nlatency = '@L'",
        ],
    ),
    (
        "Proxies",
        &[
            "credentials = { user = 'u', password = 'p' }\nscheme = 'digest'\nalgorithm = 'md5'\nnonce_lifetime = '1s'\nkeep_alive = true",
            "credentials = { user = 'u', password = 'p' }\nscheme = 'basic'\nrealm = 'proxy'",
            "reject = 403",
            "queue_max = @N\nconnections_max = @N",
            "backlog = 2\nbacklog_overflow = 'reset'",
        ],
    ),
    (
        "",
        &[
            "servers.balancer = { kind = 'l4', to = '@G', balance = 'nat', pick = 'source-hash' }\nclients.@C.endpoints = ['balancer']",
            "servers.balancer = { kind = 'l4', to = '@G', balance = 'nat', health = { every = '500ms', timeout = '200ms', fall = 1, rise = 1 }, on_down = 'reset' }\nclients.@C.endpoints = ['balancer']",
            "servers.balancer = { kind = 'l4', to = '@G', balance = 'terminate', pick = 'least-connections', ports = 100, connect_timeout = '@D' }\nclients.@C.endpoints = ['balancer']",
            "servers.balancer = { kind = 'l4', to = '@G', balance = 'terminate', health = { every = '300ms', timeout = '100ms' }, check = 'handshake', on_down = 'keep' }\nclients.@C.endpoints = ['balancer']",
            "servers.balancer = { kind = 'l4', to = '@G', balance = 'terminate', health = { every = '1s', timeout = '1s' }, check = 'connect', pick = 'random' }\nclients.@C.endpoints = ['balancer']",
            "servers.balancer = { kind = 'l4', count = 2, to = '@G', balance = 'nat', pick = 'round-robin', subset = 1 }\nclients.@C.endpoints = ['balancer']",
            "servers.balancer = { kind = 'l4', count = 2, to = ['@G'], balance = 'nat', zone = ['eu-1'], zone_aware = true }\nservers.@G.zone = ['eu-1']\nclients.@C.endpoints = ['balancer']",
            "servers.balancer = { kind = 'l4', to = '@G', balance = 'nat', idle_timeout = { after = '1s', ends = 'forget' } }\nclients.@C.endpoints = ['balancer']",
            "servers.balancer = { kind = 'l4', to = '@G', balance = 'nat', idle_timeout = { after = '1s', ends = 'silence' } }\nclients.@C.endpoints = ['balancer']",
            "servers.balancer = { kind = 'l4', to = '@G', balance = 'terminate', idle_timeout = { after = '1s', ends = 'reset' }, connection_age = { max = '2s' } }\nclients.@C.endpoints = ['balancer']",
            "servers.callee = { behavior = { kind = 'serve' } }\nservers.@G.calls = [{ to = 'callee', timeout = '1s', pick = 'round-robin' }]",
            "servers.callee = { count = 2, service_time = '50ms', behavior = { kind = 'serve' } }\nservers.@G.calls = [{ to = 'callee', timeout = '@D', pick = 'hash', share = '40%', cached = true, optional = true, retry = { attempts = 2, delay = '@L' } }]\nservers.@G.calls_hold_worker = true",
            "servers.callee = { count = 2, behavior = { kind = 'serve' } }\nservers.@G.calls = [{ to = ['callee'], timeout = '500ms', pick = 'random', pool = { size = 2, queue = 1, timeout = '@D' }, retry = { attempts = 3, delay = '@D' } }]",
            "servers.@G.workers = 20\nservers.@G.cores = 1\nservers.@G.slowdown = { contention = '5%', coherency = '1%' }",
            "servers.@G.liveness = { every = '1s', timeout = '@D', failures = 1 }\nservers.@G.restart = { after = '@D', factor = 2, cap = '2s', reset_after = '1s' }",
            "servers.@G.readiness = { every = '300ms', timeout = '50ms', failures = 1, successes = 2, in_queue = false }",
            "servers.@G.memory = { max = '100KB', connection = '5KB', handshake = '20KB' }",
            "servers.@G.memory = { max = '50KB', process = '10KB', handshake = '10KB', when_full = 'refuse' }\nservers.@G.descriptors = { max = 10, when_full = 'wait' }",
            "servers.@G.accepts = 'when-idle'\nservers.@G.backlog = @N\nservers.@G.workers = 1",
            "servers.@G.address_window = { max = @N, per = '@D', kind = 'sliding', counts_rejected = true }\nservers.@G.address_connections_max = @N",
            "servers.@G.address_window = { max = @N, per = '@D', kind = 'fixed' }\nservers.@G.over_rate = 'wait'",
            "dns.other = { to = '@G' }\nclients.@C.endpoints = ['other']\nclients.@C.dns_cache = 'forever'",
            "invariants.open_within = '2s'",
            "chaos = { targets = ['@G'], faults = 2, from = '500ms', until = '4s', lasting = '@D' }",
            "chaos = { targets = ['@G'], kinds = ['crash', 'hang', 'lossy', 'latency', 'partition'] }",
            "chaos = { targets = ['@G'], kinds = ['power-off', 'pause', 'slow', 'drain', 'restart'], until = '3s' }",
            "measure = { from = '500ms', until = '4s', interval = '250ms' }",
            "phases.begin = { from = '0s', until = '2s' }",
            "phases.rest = { from = '2s' }",
            "expect.'sessions.opened' = '>= 0'",
            "sometimes.'attempts.failed' = ['> 0', '< 100000']",
            "compare = { base = 'plain', metrics = ['time_to_open.p99'] }",
            "variants.other.seed = 7",
        ],
    ),
];

/// Builds one.
struct Builder<'a> {
    schema: &'a Schema,
    draw: Draw,
    names: Names,
    random: Random,
}

/// A random scenario of a seed.
pub(crate) fn random(schema: &Schema, seed: u64) -> Random {
    let mut draw = Draw::new(seed);
    let (table, names) = base(&mut draw);
    let scenario = checked(&table).unwrap_or_else(|problem| panic!("seed {seed}: {problem}\n{}", text(&table)));
    let mut builder = Builder { schema, draw, names, random: Random { table, scenario } };
    for _ in 0..4 + builder.draw.below(8) {
        builder.add_together();
    }
    for _ in 0..8 + builder.draw.below(12) {
        builder.add_key();
    }
    builder.random
}

/// A few servers and clients, and sometimes names and proxies.
fn base(draw: &mut Draw) -> (Table, Names) {
    let mut names = Names::default();
    let mut servers = String::new();
    for number in 0..1 + draw.below(3) {
        let name = format!("s{number}");
        servers += &format!(
            "[servers.{name}]\ncount = {}\nservice_time = '{}'\n",
            1 + draw.below(3),
            draw.word(&["250us", "5ms", "40ms"])
        );
        if draw.chance(30) {
            servers += &format!("zone = '{}'\n", draw.word(&["eu-1", "us-1"]));
        }
        names.servers.push(name);
    }
    if draw.chance(25) {
        servers += &format!("[dns.name-0]\nto = '{}'\n", draw.word(&["s0", "s0-0"]));
        names.dns.push("name-0".into());
    }
    if draw.chance(20) {
        servers += &format!("[proxies.proxy]\ncount = {}\n", 1 + draw.below(2));
        names.proxies.push("proxy".into());
    }
    let mut clients = String::new();
    for number in 0..1 + draw.below(2) {
        let endpoint = match draw.below(4) {
            0 if !names.dns.is_empty() && names.proxies.is_empty() => "name-0".to_string(),
            1 => "s0-0".to_string(),
            _ => format!("s{}", draw.below(names.servers.len())),
        };
        let over = draw.word(&["0s", "500ms", "2s"]);
        clients += &format!(
            "[clients.c{number}]\ncount = {}\nendpoints = ['{endpoint}']\narrive = {{ evenly_over = '{over}' }}\n",
            1 + draw.below(20)
        );
        if draw.chance(30) {
            clients += &format!("zone = '{}'\n", draw.word(&["eu-1", "us-1"]));
        }
        if !names.proxies.is_empty() && draw.chance(70) {
            clients += "proxy = 'proxy'\n";
            if draw.chance(40) {
                clients += "proxy_credentials = { user = 'u', password = 'p' }\n";
            }
        }
        names.clients.push(format!("c{number}"));
    }
    let duration = draw.word(&["6s", "8s", "20s"]);
    let one_way = draw.word(&["'1ms'", "'20ms'", "{ lognormal = { median = '20ms', p99 = '60ms' } }"]);
    let seed = draw.below(1_000);
    let text = format!(
        "format = 1\ntitle = 'Random'\nseed = {seed}\nduration = '{duration}'\nnetwork.one_way = {one_way}\n{servers}{clients}"
    );
    (toml::from_str(&text).unwrap(), names)
}

impl Builder<'_> {
    /// A group of keys that need each other.
    fn add_together(&mut self) {
        let (definition, all) = TOGETHER[self.draw.below(TOGETHER.len())];
        let written = all[self.draw.below(all.len())];
        let Ok(keys) = toml::from_str::<Table>(&self.filled_in(written)) else { return };
        let Some(path) = self.some_table(definition) else { return };
        let mut changed = self.random.table.clone();
        if definition == "BehaviorConfig" {
            let Some(server) = at(&mut changed, &path[..2]) else { return };
            let mut behaviors = vec![Value::Table(keys)];
            match server.remove("behavior") {
                Some(Value::Table(before)) if self.draw.chance(50) => behaviors.push(Value::Table(before)),
                Some(Value::Array(before)) if self.draw.chance(70) => behaviors.extend(before),
                _ => {}
            }
            let one = behaviors.len() == 1 && self.draw.chance(50);
            server.insert("behavior".into(), if one { behaviors.swap_remove(0) } else { Value::Array(behaviors) });
            return self.keep(changed);
        }
        let Some(table) = at(&mut changed, &path) else { return };
        match definition {
            "Fault" => *table = keys,
            "" | "Network" => merge(table, keys),
            _ => table.extend(keys),
        }
        self.keep(changed);
    }

    /// A text with what its marks stand for.
    fn filled_in(&mut self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('@') {
            filled += before;
            let (mark, after) = after.split_at(1);
            rest = after;
            filled += &match mark {
                "G" => self.names.servers[self.draw.below(self.names.servers.len())].clone(),
                "C" => self.names.clients[self.draw.below(self.names.clients.len())].clone(),
                "D" | "L" => self.draw.word(&["1ms", "50ms", "300ms", "1s"]),
                "N" => self.draw.word(&["1", "2", "5", "20"]),
                _ => self.draw.word(&["10%", "40%", "100%"]),
            };
        }
        filled + rest
    }

    /// The way to a table of a definition, one that there is or a new one.
    fn some_table(&mut self, definition: &str) -> Option<Vec<String>> {
        let one = |all: &[String], draw: &mut Draw| (!all.is_empty()).then(|| all[draw.below(all.len())].clone());
        let path = match definition {
            "Servers" => vec!["servers".into(), one(&self.names.servers, &mut self.draw)?],
            "BehaviorConfig" => vec!["servers".into(), one(&self.names.servers, &mut self.draw)?, "behavior".into()],
            "Clients" => vec!["clients".into(), one(&self.names.clients, &mut self.draw)?],
            "Proxies" => vec!["proxies".into(), one(&self.names.proxies, &mut self.draw)?],
            "DnsName" => vec!["dns".into(), one(&self.names.dns, &mut self.draw)?],
            "Fault" => vec!["faults".into(), format!("f{}", self.draw.below(4))],
            "Network" => vec!["network".into()],
            _ => Vec::new(),
        };
        Some(path)
    }

    /// A key of the schema, in a table that there is; one that is a table gets one of its own keys, mostly.
    fn add_key(&mut self) {
        let all = ["Servers", "Servers", "Clients", "Clients", "Clients", "Proxies", "DnsName", "Fault", "Network", ""];
        let definition = *self.draw.pick(&all.each_ref());
        let Some(mut path) = self.some_table(definition) else { return };
        let mut definition = definition.to_string();
        let mut changed = self.random.table.clone();
        if at(&mut changed, &path).is_none_or(|table| table.is_empty()) {
            return;
        }
        loop {
            let keys = match definition.is_empty() {
                true => ["seed", "measure", "invariants", "chaos", "compare"].map(String::from).to_vec(),
                false => self.schema.keys(&definition),
            };
            if keys.is_empty() {
                return;
            }
            let mut key = keys[self.draw.below(keys.len())].clone();
            // Of these there are many words.
            if definition == "Clients" && self.draw.chance(15) {
                key = self.draw.word(&["profile", "preset", "reads"]);
            }
            let node = match definition.is_empty() {
                true => self.schema.root_key(&key).clone(),
                false => self.schema.key(&definition, &key).clone(),
            };
            let inner = self.schema.table_of(&node).map(String::from);
            if let Some(inner) = inner.filter(|_| self.draw.chance(80)) {
                path.push(key);
                definition = inner;
                continue;
            }
            let value = self.schema.value(&key, &node, &self.names, &mut self.draw);
            let Some(table) = at(&mut changed, &path) else { return };
            table.insert(key, value);
            return self.keep(changed);
        }
    }

    /// Keeps a change that leaves the scenario valid.
    fn keep(&mut self, table: Table) {
        if let Ok(scenario) = checked(&table) {
            let servers = table.get("servers").and_then(Value::as_table);
            self.names.servers = servers.into_iter().flat_map(|servers| servers.keys().cloned()).collect();
            self.random = Random { table, scenario };
        }
    }
}

/// The table at a path, made where it is missing; the first of a list of tables.
fn at<'a>(table: &'a mut Table, path: &[String]) -> Option<&'a mut Table> {
    let Some((key, rest)) = path.split_first() else { return Some(table) };
    match table.entry(key.clone()).or_insert_with(|| Value::Table(Table::new())) {
        Value::Table(inner) => at(inner, rest),
        Value::Array(items) => items.first_mut().and_then(Value::as_table_mut).and_then(|inner| at(inner, rest)),
        _ => None,
    }
}

/// Puts keys into a table, and those of tables into tables.
fn merge(table: &mut Table, keys: Table) {
    for (key, value) in keys {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(keys)) => merge(inner, keys),
            (_, value) => drop(table.insert(key, value)),
        }
    }
}
