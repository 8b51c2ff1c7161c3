//! What real clients make of answers: every profile against every answer, held against what was measured.
//!
//! `measured.csv` (crates/shakedown-scenario/src/profile) has a row for each client and case: how it came out (`open`, `error`,
//! `pending`), the requests and the connections that were made, and the credentials in each request (a scheme, or `-`).
//! `seconds` is when it came out where that took more than nine (the client's own time, not the machine's), and how long was waited
//! for what was `pending`. A client that tries again by itself (`-iterator`, `-app`) takes as many requests as the time allows:
//! `many`, unless it never asked the first server again. Where `unlike` says something, the simulation does otherwise, for that
//! reason. Measured by tests/peers/run on loopback, Linux 6.18, November 2026.

use std::fmt::Write;

use shakedown::client;
use shakedown::event::Kind;
use shakedown::explore;
use shakedown::profile::{Known, Measurement, measurements, profiles};
use shakedown::record::{Flag, Party};
use shakedown::scenario::Scenario;

use crate::client_cases::{self, Case, case};
use crate::common::{self, CREDENTIALS, load, loaded};

/// The profile that stands for a client of the table, and the keys beside it: the library's own way to reconnect, or none.
fn simulated(client: &str) -> (&str, String) {
    let own = client.strip_suffix("-iterator").or_else(|| client.strip_suffix("-app"));
    match own {
        Some(library) => (library, format!("preset = '{library}'")),
        None => (client, "retry = { policy = 'none' }".into()),
    }
}

/// One client and one case, with further keys of the client.
fn scenario(of: &str, name: &str, keys: &str) -> Result<Scenario, String> {
    let Case { gateway, alt, client, fault } = case(name);
    let alt = if alt.is_empty() { String::new() } else { format!("behavior = {alt}\n") };
    let (profile, reconnects) = simulated(of);
    let mut text = format!(
        "format = 1\ntitle = 'x'\nduration = '600s'\n[network]\none_way = '1ms'\n[servers.gateway]\n\
         service_time = '0s'\nbehavior = {gateway}\n[servers.alt]\nservice_time = '0s'\n{alt}[clients.one]\n\
         profile = '{profile}'\ncount = 1\narrive = 'at_once'\nendpoints = ['gateway']\n{reconnects}\n{client}\n{keys}\n"
    );
    if !client.is_empty() {
        text.push_str(CREDENTIALS);
        text.push('\n');
    }
    if let Some(target) = fault.split(' ').next().filter(|target| !target.is_empty()) {
        let kind = if fault.ends_with("off") { "power-off" } else { "crash" };
        text.push_str(&format!("[faults.dead]\nkind = '{kind}'\ntarget = '{target}'\nat = '0s'\n"));
    }
    load(&text)
}

/// What `tests/peers` serve to real clients: a server for each case that loopback can play, and where it redirects to.
fn peers() -> String {
    let mut text = String::from(
        "# One server for each answer to the opening handshake that was measured, for real clients (tests/peers/run): how do they\n\
         # take it, and is that what their profiles say? A silent host is not among them, as loopback always answers.\n\
         # Written by tests/integration/clients.rs (UPDATE_GOLDEN=1).\n\
         format = 1\ntitle = \"Answers to the opening handshake\"\nduration = \"10m\"\n",
    );
    let mut faults = String::new();
    for name in client_cases::names() {
        let Case { gateway, alt, fault, .. } = case(&name);
        if fault.ends_with("off") {
            continue;
        }
        let behavior =
            gateway.replace("'alt'", &format!("'alt-{name}'")).replace("'gateway'", &format!("'case-{name}'"));
        let mut server = |name: String, behavior: &str| {
            let _ = write!(text, "\n[servers.{name}]\nservice_time = \"0s\"\n{behavior}");
        };
        server(format!("case-{name}"), &format!("behavior = {behavior}\n").replace('\'', "\""));
        if behavior != gateway && gateway.contains("'alt'") {
            let alt = if alt.is_empty() { String::new() } else { format!("behavior = {alt}\n") };
            server(format!("alt-{name}"), &alt.replace('\'', "\""));
        }
        if !fault.is_empty() {
            let target = if fault == "alt" { "alt" } else { "case" };
            let _ =
                write!(faults, "\n[faults.dead-{name}]\nkind = \"crash\"\ntarget = \"{target}-{name}\"\nat = \"0s\"\n");
        }
    }
    // A scenario has clients; `serve` plays none.
    text + &faults + "\n[clients.nobody]\ncount = 1\narrive = \"at_once\"\nendpoints = [\"case-101-ok\"]\n"
}

#[test]
fn real_clients_are_asked_the_same() {
    let (file, text) = ("tests/peers/answers.toml", peers());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(file, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(file).unwrap(), text, "UPDATE_GOLDEN=1 writes it");
}

/// How a session came out, and when, in seconds; its requests, by what they say of credentials; its connections.
#[derive(Debug)]
struct Life {
    outcome: &'static str,
    seconds: f64,
    requests: Vec<String>,
    connections: usize,
    /// Requests and connections to the first server alone.
    first: (usize, usize),
}

impl Life {
    /// What the table says of such a life: outcome, requests, connections and credentials. `waited`: how long was waited for it.
    fn row(&self, client: &str, waited: f64) -> [String; 4] {
        let outcome = if self.seconds > waited { "pending" } else { self.outcome };
        if outcome == "pending" && simulated(client).0 != client {
            let many = |n: usize| if n < 2 { n.to_string() } else { "many".into() };
            let (requests, connections) = self.first;
            let schemes = if requests < 2 { vec!["-"; requests].join(" ") } else { String::new() };
            return [outcome.into(), many(requests), many(connections), schemes];
        }
        let (requests, connections) = (self.requests.len().to_string(), self.connections.to_string());
        [outcome.into(), requests, connections, self.requests.join(" ")]
    }
}

/// One client and one case; an error where the keys mean nothing with the case.
fn live(client: &str, name: &str, keys: &str) -> Result<Life, String> {
    let trace = explore::trace(&scenario(client, name, keys)?, &[(0, 0)]).remove(0);
    let mut life =
        Life { outcome: "pending", seconds: f64::INFINITY, requests: Vec::new(), connections: 0, first: (0, 0) };
    let mut server = 0;
    for event in &trace.events {
        let Kind::Session(_, kind) = event.kind else { continue };
        let outcome = match kind {
            client::Event::AttemptStarted { endpoint, .. } => {
                server = endpoint;
                continue;
            }
            client::Event::Connected { .. } => {
                life.connections += 1;
                life.first.1 += usize::from(server == 0);
                continue;
            }
            client::Event::Opened { .. } => "open",
            client::Event::GaveUp => "error",
            _ => continue,
        };
        if life.outcome == "pending" {
            (life.outcome, life.seconds) = (outcome, event.at.0 as f64 / 1e9);
        }
    }
    let mut sent: Vec<_> = trace.messages.iter().filter(|m| m.from == Party::Client && m.flag == Flag::Data).collect();
    sent.sort_by_key(|message| message.transmissions[0].left);
    for message in sent {
        let text = String::from_utf8_lossy(&message.bytes);
        if text.starts_with("GET ") {
            let scheme = text.split("\r\nAuthorization: ").nth(1).and_then(|value| value.split(' ').next());
            life.requests.push(scheme.unwrap_or("-").to_string());
            life.first.0 += usize::from(text.contains("\r\nHost: gateway-0\r\n"));
        }
    }
    Ok(life)
}

fn measured_row(row: &Measurement) -> [String; 4] {
    [row.outcome, row.requests, row.connections, row.authorization].map(String::from)
}

#[test]
fn each_client_takes_each_answer_as_it_was_measured() {
    let mut wrong = String::new();
    for row in measurements().filter(|row| row.unlike.is_empty()) {
        let life =
            live(row.client, row.case, "").unwrap_or_else(|problem| panic!("{} {}: {problem}", row.client, row.case));
        let seconds: f64 = row.seconds.parse().unwrap();
        // What is not out when the waiting ends is pending.
        let waited = if row.outcome == "pending" { seconds } else { f64::INFINITY };
        let in_time = match row.outcome {
            "pending" => true,
            // Kernels and timers have some of their own: 4 %, and a second.
            _ if seconds > 0.0 => (life.seconds - seconds).abs() <= 1.0 + seconds * 0.04,
            _ => life.seconds <= 2.0,
        };
        let (mut came, expected) = (life.row(row.client, waited), measured_row(&row));
        // The credentials were not recorded.
        if row.authorization.is_empty() {
            came[3].clear();
        }
        if came != expected || !in_time {
            let _ = writeln!(
                wrong,
                "{} {}: {came:?} after {} s, not {expected:?} after {seconds} s",
                row.client, row.case, life.seconds
            );
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn every_client_has_a_row_for_every_case() {
    let cases = client_cases::names();
    for (name, _) in profiles().into_iter().filter(|(name, _)| !["rfc6455", "ideal"].contains(&name.as_str())) {
        let of: Vec<_> = measurements().filter(|row| row.client == name).map(|row| row.case).collect();
        assert_eq!(of, cases, "{name}");
    }
    for client in ["websockets-iterator", "websocket-client-app"] {
        let of: Vec<_> = measurements().filter(|row| row.client == client).map(|row| row.case).collect();
        assert!(of.iter().eq(cases.iter().filter(|case| *case != "blackhole")), "{client}");
    }
    let unlike = measurements().filter(|row| !row.unlike.is_empty()).count();
    assert!(unlike <= 10, "{unlike} rows that the simulation does otherwise");
}

/// Other values of a key than this one.
fn alternatives(key: &str, value: &toml::Value) -> Vec<String> {
    let words = |words: &[&str]| {
        words.iter().filter(|word| value.as_str() != Some(word)).map(|word| format!("'{word}'")).collect::<Vec<_>>()
    };
    let lists = |lists: &[&str]| lists.iter().map(|list| list.to_string()).collect::<Vec<_>>();
    match (key, value) {
        (_, toml::Value::Boolean(is)) => vec![(!is).to_string()],
        // The first redirect needs both.
        ("redirects", toml::Value::Integer(0)) => lists(&["1\nfollows = ['ws']"]),
        ("follows", toml::Value::Array(forms)) if forms.is_empty() => lists(&["['ws']\nredirects = 1"]),
        ("redirects", toml::Value::Integer(most)) => [most - 1, most + 1].map(|most| most.max(0).to_string()).into(),
        ("reads.fields", toml::Value::Integer(most)) => [most / 2, most * 2].map(|most| most.to_string()).into(),
        ("reads.pieces", _) => lists(&["1", "100000"]),
        ("reads.head" | "reads.line", _) => words(&["7000B", "12KiB"]),
        ("follows", _) => lists(&["['ws']", "['http']", "['relative']", "['ws', 'http', 'relative']"]),
        ("redirect_statuses", _) => lists(&["[301]", "[300, 301, 302, 303, 304, 305, 306, 307, 308]"]),
        ("repeats_after", _) => lists(&["[]", "['closed', 'connect-timeout']"]),
        ("auth_schemes", _) => lists(&["['basic']", "['digest']"]),
        ("auth", _) => words(&["none", "first", "after-challenge", "after-401"]),
        ("remembers_redirects", _) => words(&["none", "permanent", "all"]),
        ("connect_timeout" | "handshake_timeout" | "open_timeout", _) => words(&["5s"]),
        (lapse, _) if lapse.starts_with("reads.") => words(&["fails", "opens", "hangs"]),
        _ => panic!("no other value of {key} is known here"),
    }
}

/// What is said to be measured is: with another value some case comes out otherwise. And what a profile does not give has the value
/// that is printed.
#[test]
fn the_cases_of_a_behavior_decide_its_value() {
    let mut wrong = String::new();
    for (name, profile) in profiles() {
        for explained in profile.explain(&name).into_iter().filter(|explained| explained.known == Known::Measured) {
            let key = explained.behavior.key;
            // Also by when it came out: another value may take longer to fail.
            let came = |row: &Measurement, keys: &str| {
                let waited = if row.outcome == "pending" { row.seconds.parse().unwrap() } else { f64::INFINITY };
                let life = live(row.client, row.case, keys).ok()?;
                Some((life.row(row.client, waited), life.seconds.round()))
            };
            let before: Vec<_> = explained.cases.iter().map(|row| came(row, "")).collect();
            let differs = |value: &str| {
                explained.cases.iter().zip(&before).any(|(row, before)| {
                    let now = came(row, &format!("{key} = {value}"));
                    now.is_some() && now != *before
                })
            };
            if !alternatives(key, &explained.value).iter().any(|value| differs(value)) {
                let _ = writeln!(wrong, "{name} {key} = {}", explained.value);
            }
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// One client of `/` and these servers, 1 ms away: every key it sent, with the connection that it sent it on, and when it
/// opened or gave up, in nanoseconds.
fn told(servers: &str, client: &str) -> (Vec<(u32, String)>, u64, Vec<String>) {
    let text = format!(
        "format = 1\ntitle = 'x'\nduration = '60s'\n[network]\none_way = '1ms'\n{servers}\n[clients.one]\ncount = 1\n\
         arrive = 'at_once'\nendpoints = ['gateway']\nretry = {{ policy = 'none' }}\n{client}\n"
    );
    let scenario = loaded(&text);
    // As it is resolved, it is the same.
    let again = load(scenario.resolved());
    assert_eq!(again.unwrap_or_else(|problem| panic!("{problem}")).resolved(), scenario.resolved());
    let trace = explore::trace(&scenario, &[(0, 0)]).remove(0);
    let came_out = trace.events.iter().find_map(|event| match event.kind {
        Kind::Session(_, client::Event::Opened { .. } | client::Event::GaveUp) => Some(event.at.0),
        _ => None,
    });
    let keys = trace.messages.iter().filter_map(|message| {
        let text = String::from_utf8_lossy(&message.bytes).into_owned();
        let key = text.split("Sec-WebSocket-Key: ").nth(1)?.split("\r\n").next()?.to_string();
        Some((message.connection, key))
    });
    let hosts = trace.messages.iter().filter_map(|message| {
        let text = String::from_utf8_lossy(&message.bytes).into_owned();
        Some(text.split("\r\nHost: ").nth(1)?.split("\r\n").next()?.to_string())
    });
    (keys.collect(), came_out.unwrap_or(u64::MAX), hosts.collect())
}

fn gateway(behavior: &str) -> String {
    format!("[servers.gateway]\nservice_time = '0s'\nbehavior = {behavior}")
}

const MS: u64 = 1_000_000;

#[test]
fn keys_are_drawn_for_connections_requests_or_attempts() {
    let challenge = gateway(&format!("{{ kind = 'challenge', {CREDENTIALS} }}"));
    let here =
        gateway("[{ kind = 'redirect', path = '/x', keep_alive = true, when = { path = '/' } }, { kind = 'accept' }]");
    for (servers, credentials) in [(&challenge, CREDENTIALS), (&here, "")] {
        for (new_key, keep_alive, same, at) in [
            ("connection", true, true, 6 * MS),
            ("request", true, false, 6 * MS),
            ("attempt", true, true, 6 * MS),
            ("connection", false, false, 8 * MS),
            ("request", false, false, 8 * MS),
            ("attempt", false, true, 8 * MS),
        ] {
            let client = format!("{credentials}\nnew_key = '{new_key}'\nkeep_alive = {keep_alive}");
            let (keys, opened, _) = told(servers, &client);
            assert_eq!(keys.len(), 2, "{client}");
            assert_eq!(keys[0].1 == keys[1].1, same, "{client}");
            assert_eq!(keys[0].0 == keys[1].0, keep_alive, "{client}");
            // A connect, and a request with its answer, take 2 ms each; a second connection 2 ms more.
            assert_eq!(opened, at, "{client}");
        }
    }
}

#[test]
fn an_unanswered_request_is_repeated_once_with_its_key() {
    for (ends, closed) in [("fin", 4 * MS), ("reset", 4 * MS)] {
        let servers = gateway(&format!("{{ kind = 'accept', delivery = {{ cut = 0, then = '{ends}' }} }}"));
        let (keys, failed, _) = told(&servers, "");
        assert_eq!((keys.len(), failed), (1, closed));
        // Connect, request, FIN: 4 ms; and all of it once more.
        let (keys, failed, _) = told(&servers, "repeats_after = ['closed']\nnew_key = 'attempt'");
        assert_eq!((keys.len(), failed), (2, 2 * closed));
        assert_eq!((keys[0].0, keys[1].0), (1, 2));
        assert_eq!(keys[0].1, keys[1].1);
    }
    // A byte is an answer.
    let servers = gateway("{ kind = 'accept', delivery = { cut = 1 } }");
    assert_eq!(told(&servers, "repeats_after = ['closed']").0.len(), 1);
    // The time for all of it may be over.
    let servers = gateway("{ kind = 'accept', delivery = { cut = 0 } }");
    assert_eq!(told(&servers, "repeats_after = ['closed']\nopen_timeout = '4ms'").0.len(), 1);
    let dead = "[faults.dead]\nkind = 'power-off'\ntarget = 'gateway'\nat = '0s'";
    for (repeats, failed) in [("", 2_000 * MS), ("repeats_after = ['connect-timeout']", 4_000 * MS)] {
        let (_, at, _) = told(&gateway("{ kind = 'accept' }"), &format!("connect_timeout = '2s'\n{repeats}\n{dead}"));
        assert_eq!(at, failed);
    }
}

#[test]
fn permanent_redirects_are_gone_by_from_the_beginning_the_next_time() {
    for (status, remembers, asked) in [
        (301, "none", "gateway-0 alt-0 gateway-0 alt-0 gateway-0 alt-0"),
        (301, "permanent", "gateway-0 alt-0 alt-0 alt-0"),
        (308, "permanent", "gateway-0 alt-0 alt-0 alt-0"),
        (307, "permanent", "gateway-0 alt-0 gateway-0 alt-0 gateway-0 alt-0"),
        (307, "all", "gateway-0 alt-0 alt-0 alt-0"),
    ] {
        let servers = format!(
            "{}\n[servers.alt]\nservice_time = '0s'\nbehavior = {{ kind = 'accept', close = {{ after = '19s', code = 1001 }} }}",
            gateway(&format!("{{ kind = 'redirect', to = 'alt', status = {status} }}"))
        );
        let client = format!("remembers_redirects = '{remembers}'\nretry.policy = 'fixed'");
        let client = client.replace("retry.policy = 'fixed'", "[clients.one.retry]\npolicy = 'fixed'\nbase = '1ms'");
        let text = format!(
            "format = 1\ntitle = 'x'\nduration = '60s'\n[network]\none_way = '1ms'\n{servers}\n[clients.one]\ncount = 1\n\
             arrive = 'at_once'\nendpoints = ['gateway']\n{client}\n"
        );
        let scenario = loaded(&text);
        let trace = explore::trace(&scenario, &[(0, 0)]).remove(0);
        let hosts: Vec<String> = trace
            .messages
            .iter()
            .filter_map(|message| {
                let text = String::from_utf8_lossy(&message.bytes).into_owned();
                Some(text.split("\r\nHost: ").nth(1)?.split("\r\n").next()?.to_string())
            })
            .collect();
        let all = hosts.join(" ");
        assert!(all.starts_with(asked), "{status} {remembers}: {all}");
        // Open for 19 s each time: four times in the minute.
        let beginnings = if asked.contains("alt-0 alt-0") { 1 } else { 4 };
        let first = hosts.iter().filter(|host| *host == "gateway-0").count();
        assert_eq!((first, hosts.len() - first), (beginnings, 4), "{status} {remembers}: {all}");
    }
}

#[test]
fn a_profile_gives_way_to_the_group_and_comes_before_a_preset() {
    let resolved = |client: &str| {
        let text = format!(
            "format = 1\ntitle = 'x'\nduration = '60s'\n[servers.gateway]\n[clients.one]\ncount = 1\n\
             endpoints = ['gateway']\n{client}\n"
        );
        let loaded = load(&text);
        loaded.unwrap_or_else(|problem| panic!("{problem}")).clients()[0].clone()
    };
    let both = resolved("profile = 'websocket-client'\npreset = 'websockets'\nreads = { extension = 'fails' }");
    // The profile's three, not the preset's nine; the preset's way to come back; the group's own strictness, once.
    assert_eq!(both.redirects, 3);
    assert_eq!(both.retry.cap, shakedown::time::Nanos::from_secs(90));
    let reads = both.reads.unwrap();
    assert_eq!(
        (reads.extension, reads.subprotocol),
        (shakedown::handshake::Lapse::Fails, shakedown::handshake::Lapse::Opens)
    );
    // What means nothing without credentials or hosts is left out.
    let page = resolved("profile = 'chromium'");
    assert_eq!((page.auth, page.sets_headers, page.connect_gate), (None, None, false));
    let page = resolved(&format!("profile = 'chromium'\nhosts = 1\n{CREDENTIALS}"));
    assert_eq!((page.sets_headers, page.connect_gate), (Some(false), true));
    assert!(resolved("profile = 'ideal'").retry.honour_retry_after);
}

#[test]
fn what_contradicts_is_refused() {
    for (client, says) in [
        ("profile = 'chrome'", "unknown profile `chrome`"),
        ("profile = 'undicci'", "the nearest known profile is `undici`"),
        ("auth_schemes = ['basic']", "`auth_schemes` means nothing without `credentials`"),
        ("sets_headers = false", "`sets_headers` means nothing without `credentials`"),
        ("auth_schemes = []\nCREDENTIALS", "no challenge would ever be answered"),
        ("follows = []", "none of their forms"),
        ("follows = ['wss']", "did you mean `ws`"),
        ("reads = { accept_key = 'shrugs' }", "hangs"),
        ("reads = { fields = 0 }", "1 to 10000"),
        ("reads = { head = '0B' }", "16 MiB"),
        ("reads = { pieces = 0 }", "taken for an attack"),
        ("reads = { line = '17KiB' }", "1 byte to the size of a head"),
        ("redirect_statuses = [301, 200]", "a redirect is 300 to 399"),
        ("retry = { failures = ['bad-luck'] }", "redirect"),
        ("connect_timeout = 'never'", "or \"none\""),
        ("repeats_after = ['always']", "connect-timeout"),
        ("remembers_redirects = 'some'", "permanent"),
        ("known_findings = ['bad-luck']", "redirect-loop"),
    ] {
        let client = client.replace("CREDENTIALS", CREDENTIALS);
        let text = format!(
            "format = 1\ntitle = 'x'\nduration = '60s'\n[servers.gateway]\n[clients.one]\ncount = 1\n\
             endpoints = ['gateway']\n{client}\n"
        );
        let told = load(&text).expect_err(&client);
        assert!(told.contains(says), "{client}: {told}");
    }
    for (behavior, says) in [
        ("{ kind = 'redirect', location = 'missing', path = '/x' }", "leads nowhere"),
        ("{ kind = 'redirect', location = 'malformed', to = 'gateway' }", "leads nowhere"),
        ("{ kind = 'redirect', path = '/x', keep_alive = true, delivery = { bytes = 1 } }", "as it should be"),
        ("{ kind = 'accept', answer = { status = 101 } }", "200 to 599"),
        ("{ kind = 'reject', answer = { status = 200 } }", "`status` belongs to kind = \"accept\" only"),
        ("{ kind = 'accept', answer = { reason = \"a\\nb\" } }", "no line breaks"),
        ("{ kind = 'accept', answer = { fields = [''] } }", "is one line"),
        ("{ kind = 'accept', answer = { padding_fields = 2 } }", "means nothing without `padding`"),
        ("{ kind = 'accept', answer = { padding = 2, padding_fields = 3 } }", "1 to 2 fields"),
    ] {
        let text = format!(
            "format = 1\ntitle = 'x'\nduration = '60s'\n[servers.gateway]\nbehavior = {behavior}\n[clients.one]\ncount = 1\n\
             endpoints = ['gateway']\n"
        );
        let told = load(&text).expect_err(behavior);
        assert!(told.contains(says), "{behavior}: {told}");
    }
}

#[test]
fn a_location_that_leads_nowhere_fails_whoever_follows() {
    for form in ["missing", "malformed"] {
        let servers = gateway(&format!("{{ kind = 'redirect', location = '{form}' }}"));
        assert_eq!(told(&servers, "").1, 4 * MS);
        assert_eq!(told(&servers, "").0.len(), 1);
    }
}

#[test]
fn every_profile_is_described() {
    let page = include_str!("../../docs/clients.md");
    for (name, profile) in profiles() {
        assert!(page.contains(&format!("`{name}`")) && page.contains(&profile.version), "{name} {}", profile.version);
        assert!(!profile.facts.is_empty() && profile.keys.contains_key("known_findings"), "{name}");
    }
}

#[test]
fn stages_say_how_many_sessions_there_are() {
    let text = |arrive: &str| {
        format!(
            "format = 1\ntitle = 'x'\nduration = '60s'\n[servers.gateway]\nworkers = 64\n[clients.players]\nendpoints = ['gateway']\n\
             arrive = {arrive}\n"
        )
    };
    let stages = "[{ for = '10s', to = '20/s' }, { for = '20s', to = '20/s' }, { for = '10s', to = '0/s' }]";
    for kind in ["stages", "random_stages"] {
        let text = text(&format!("{{ {kind} = {stages} }}"));
        let summary = common::summary(&text);
        assert_eq!(common::count(&summary, "sessions.opened"), 100 + 400 + 100);
        // What is filled in may be written.
        let scenario = load(&text).unwrap();
        assert!(scenario.resolved().contains("count = 600"));
        assert_eq!(common::digest(&load(scenario.resolved()).unwrap()), common::digest(&scenario));
    }
    let wrong = |arrive: &str| load(&text(arrive)).unwrap_err();
    let other = wrong(&format!("{{ stages = {stages} }}\ncount = 500"));
    assert!(other.contains("count is 500, but the stages bring 600 sessions"), "{other}");
    assert!(wrong("{ stages = [] }").contains("no stages"));
    assert!(wrong("{ stages = [{ for = '70s', at = '1/s' }] }").contains("but the run ends at 60s"));
    assert!(wrong("'at_once'").contains("missing key `count` in [clients.players]"));
}
