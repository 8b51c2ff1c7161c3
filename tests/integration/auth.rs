//! Authentication in whole runs: who is asked, who answers, when that comes out, and what is never told.

use shakedown::handshake::server::write_challenge;
use shakedown::http::auth::Challenge;
use shakedown::metrics::Summary;

use crate::common::{self, CREDENTIALS, ONCE, count, load, loaded, time};

/// Servers without work to do, 10 ms away; clients that try once.
fn text(servers: &str, clients: &str) -> String {
    format!(
        "format = 1\ntitle = 'x'\nduration = '60s'\n[network]\none_way = '10ms'\n{servers}\n[clients.players]\n\
         count = 1\narrive = 'at_once'\n{clients}"
    )
}

fn gateway(behavior: &str) -> String {
    format!("[servers.gateway]\nservice_time = '0s'\nbehavior = {behavior}")
}

fn run(behavior: &str, clients: &str) -> Summary {
    common::summary(&text(&gateway(behavior), &format!("endpoints = ['gateway']\n{clients}")))
}

#[test]
fn each_scheme_and_each_client_come_out_as_they_should() {
    let ms = |ms: u64| Some(ms * 1_000_000);
    // Connect 20 ms, request and answer 20 ms; an answered challenge costs another 20 ms, or with a new connection 40 ms.
    for (challenge, auth, opened, challenged, unauthorized) in [
        ("", "after-challenge", ms(60), 1, 0),
        (", keep_alive = false", "after-challenge", ms(80), 1, 0),
        ("", "first", ms(40), 0, 0),
        ("", "none", None, 0, 1),
        (", scheme = 'digest', algorithm = 'md5'", "after-challenge", ms(60), 1, 0),
        (", scheme = 'digest'", "after-challenge", ms(60), 1, 0),
        (", scheme = 'digest', algorithm = 'sha-256-sess'", "after-challenge", ms(60), 1, 0),
        (", scheme = 'digest', keep_alive = false", "after-challenge", ms(80), 1, 0),
        (", scheme = 'digest'", "first", None, 0, 1),
        (", when = { path = '/other' }", "after-challenge", ms(40), 0, 0),
    ] {
        let behavior = format!("{{ kind = 'challenge', {CREDENTIALS}{challenge} }}");
        let summary = run(&behavior, &format!("{CREDENTIALS}\nauth = '{auth}'\n{ONCE}"));
        let came_out = (
            time(&summary, "time_to_open.max"),
            count(&summary, "attempts.challenged"),
            count(&summary, "attempts.unauthorized"),
        );
        assert_eq!(came_out, (opened, challenged, unauthorized), "{challenge} {auth}");
        assert_eq!(count(&summary, "sessions.opened"), u64::from(opened.is_some()));
        assert_eq!(count(&summary, "attempts.total"), 1 + challenged);
        for finding in ["accepted_without_credentials", "credentials_leaked", "redirect_loop"] {
            assert_eq!(count(&summary, &format!("findings.{finding}")), 0);
        }
        // An attempt's time: 40 ms to the 401, and 20 ms more where the connection is kept, or 40 ms where not.
        if challenged == 1 {
            assert_eq!(time(&summary, "attempt_latency.max"), ms(40));
            assert_eq!(time(&summary, "attempt_latency.min"), opened.map(|opened| opened - 40_000_000));
        }
    }
}

#[test]
fn wrong_credentials_fail_once_and_count_as_unauthorized() {
    let wrong = "credentials = { user = 'aladdin', password = 'open barley' }";
    for scheme in ["basic", "digest"] {
        let behavior = format!("{{ kind = 'challenge', {CREDENTIALS}, scheme = '{scheme}' }}");
        let summary = run(&behavior, &format!("{wrong}\n{ONCE}"));
        assert_eq!((count(&summary, "attempts.challenged"), count(&summary, "attempts.unauthorized")), (1, 1));
        // Asked once, tried once: the second 401 comes 60 ms after the start, the first connection being kept.
        assert_eq!((count(&summary, "attempts.total"), count(&summary, "sessions.opened")), (2, 0));
        // Without any, the first 401 is the last.
        let summary = run(&behavior, ONCE);
        assert_eq!((count(&summary, "attempts.challenged"), count(&summary, "attempts.unauthorized")), (0, 1));
        // A server that does not look lets anybody in who says anything, and that is found.
        let behavior = format!("{{ kind = 'challenge', {CREDENTIALS}, scheme = '{scheme}', verify = false }}");
        let summary = run(&behavior, &format!("{wrong}\n{ONCE}"));
        assert_eq!(count(&summary, "sessions.opened"), 1, "{behavior}");
        assert_eq!(count(&summary, "findings.accepted_without_credentials"), 1);
    }
}

#[test]
fn an_authentication_in_legs_needs_its_connection() {
    let ms = |ms: u64| Some(ms * 1_000_000);
    for scheme in ["ntlm", "negotiate"] {
        let run = |challenge: &str, clients: &str| {
            let behavior = format!("{{ kind = 'challenge', {CREDENTIALS}, scheme = '{scheme}'{challenge} }}");
            let summary = run(&behavior, &format!("auth_schemes = ['basic', '{scheme}']\n{clients}"));
            let attempts = ["total", "challenged", "unauthorized"].map(|of| count(&summary, &format!("attempts.{of}")));
            (time(&summary, "time_to_open.max"), attempts, summary)
        };
        let once = format!("{CREDENTIALS}\n{ONCE}");
        // Connect 20 ms, and three requests on that connection.
        let (opened, attempts, _) = run("", &once);
        assert_eq!((opened, attempts), (ms(80), [3, 2, 0]), "{scheme}");
        // Where the connection ends with each 401, every leg is a first one, until the client has had enough.
        for (challenge, clients) in [(", keep_alive = false", ""), ("", "keep_alive = false\n")] {
            let (opened, attempts, summary) = run(challenge, &format!("{clients}{once}"));
            assert_eq!((opened, attempts), (None, [4, 3, 1]), "{scheme}{challenge}{clients}");
            assert_eq!(time(&summary, "attempt_latency.max"), ms(40));
        }
        // The password is checked in the last leg.
        let wrong = "credentials = { user = 'aladdin', password = 'open barley' }";
        let (opened, attempts, _) = run("", &format!("{wrong}\n{ONCE}"));
        assert_eq!((opened, attempts), (None, [3, 2, 1]));
        let (opened, _, summary) = run(", verify = false", &format!("{wrong}\n{ONCE}"));
        assert_eq!((opened, count(&summary, "findings.accepted_without_credentials")), (ms(80), 1));
        // A process that knows the scheme begins with the first leg; each connection has its own.
        let behavior = format!("{{ kind = 'challenge', {CREDENTIALS}, scheme = '{scheme}' }}");
        let clients = format!("endpoints = ['gateway']\nauth_schemes = ['{scheme}']\n{CREDENTIALS}");
        let one = "count = 1\narrive = 'at_once'";
        let two = "count = 2\nhosts = 1\narrive = { evenly_over = '2s' }";
        let summary = common::summary(&text(&gateway(&behavior), &clients).replace(one, two));
        let counts = ["total", "challenged", "opened"].map(|of| count(&summary, &format!("attempts.{of}")));
        assert_eq!((counts, time(&summary, "time_to_open.min")), ([3 + 2, 2 + 1, 2], ms(60)));
    }
    // A client that has not learnt the scheme fails at the first 401.
    let behavior = format!("{{ kind = 'challenge', {CREDENTIALS}, scheme = 'ntlm' }}");
    let summary = run(&behavior, &format!("{CREDENTIALS}\n{ONCE}"));
    assert_eq!((count(&summary, "attempts.total"), count(&summary, "attempts.unauthorized")), (1, 1));
}

#[test]
fn what_legs_do_not_go_with_is_told() {
    let of = |behavior: &str, clients: &str| {
        let behavior = format!("{{ kind = 'challenge', {CREDENTIALS}, scheme = 'ntlm'{behavior} }}");
        load(&text(&gateway(&behavior), &format!("endpoints = ['gateway']\n{clients}"))).unwrap_err()
    };
    assert!(of(", realm = 'x'", "").contains("`realm` means nothing in a scheme of several legs"));
    assert!(of(", nonce_lifetime = '1s'", "").contains("belongs to scheme = \"digest\" only"));
    assert!(of("", "mode = 'extended-connect'").contains("bound to a connection"));
    let proxy = format!("proxy = 'corporate'\n[proxies.corporate]\n{CREDENTIALS}\nscheme = 'ntlm'");
    assert!(of("", &proxy).contains("a proxy that authenticates in several legs is not simulated"));
}

#[test]
fn a_challenge_may_be_said_in_a_way_of_its_own() {
    let behavior = |manner: &str| format!("{{ kind = 'challenge', {CREDENTIALS}, {manner} }}");
    let mut head = Vec::new();
    write_challenge(&mut head, &Challenge::Basic { realm: "shakedown".into() }, false);
    // 40 ms to the first byte of the 401; it closes, and the answer takes another connection.
    let (asked, whole) = (40_000_000, head.len() as u64);
    for (manner, to_open) in [
        ("delivery = { bytes = 1, every = '1ms' }".to_string(), asked + (whole - 1) * 1_000_000 + asked),
        (format!("delivery = {{ cut = {whole} }}"), 2 * asked),
        ("answer = { interim = [103], padding = 1000 }".into(), 2 * asked),
        ("answer = { body = { bytes = 500, framing = 'chunked' } }".into(), 2 * asked),
    ] {
        let summary = run(&behavior(&manner), &format!("{CREDENTIALS}\n{ONCE}"));
        assert_eq!(count(&summary, "attempts.challenged"), 1, "{manner}");
        assert_eq!(time(&summary, "time_to_open.max"), Some(to_open), "{manner}");
    }
    for (manner, outcome) in [
        (format!("delivery = {{ cut = {} }}", whole - 1), "closed"),
        ("delivery = { cut = 40, then = 'reset' }".into(), "reset"),
        ("delivery = { cut = 40, then = 'silence' }".into(), "handshake_timeout"),
        ("answer = { padding = 20000 }".into(), "invalid"),
    ] {
        let summary = run(&behavior(&manner), &format!("{CREDENTIALS}\n{ONCE}"));
        assert_eq!(count(&summary, &format!("attempts.{outcome}")), 1, "{manner}");
        assert_eq!(count(&summary, "attempts.total"), 1, "{manner}");
    }
}

#[test]
fn who_is_not_asked_is_found() {
    // Half of the requests are asked; who was not is in without credentials.
    let behavior = format!("{{ kind = 'challenge', {CREDENTIALS}, when = {{ share = '50%' }} }}");
    let summary = run(
        &behavior,
        &format!("{ONCE}\n[clients.many]\ncount = 1000\narrive = 'at_once'\nendpoints = ['gateway']\n{ONCE}"),
    );
    let (opened, asked) = (count(&summary, "sessions.opened"), count(&summary, "attempts.unauthorized"));
    assert_eq!(opened + asked, 1001);
    assert!((400..600).contains(&asked), "{asked}");
    assert_eq!(count(&summary, "findings.accepted_without_credentials"), opened);
}

#[test]
fn a_challenge_is_remembered_and_a_nonce_grows_old() {
    // Open for a second, then anew at once: the second time, the answer comes beforehand.
    let again =
        format!("{CREDENTIALS}\nhold = '1s'\narrive = {{ closed_loop = {{ think = '100ms', over = '1ms' }} }}\n{ONCE}");
    let text = |challenge: &str| {
        let servers = gateway(&format!("{{ kind = 'challenge', {CREDENTIALS}{challenge} }}"));
        let text = format!(
            "format = 1\ntitle = 'x'\nduration = '3s'\n[network]\none_way = '10ms'\n{servers}\n[clients.players]\n\
             count = 1\nendpoints = ['gateway']\n{again}"
        );
        common::summary(&text)
    };
    for (challenge, challenged) in [
        ("", 1),
        (", scheme = 'digest'", 1),
        // Too old each time that a session begins: stale=true, and a new one is answered without asking anybody.
        (", scheme = 'digest', nonce_lifetime = '500ms'", 3),
        // Too old before it comes back, three times in a row: then it is no use.
        (", scheme = 'digest', nonce_lifetime = '19999999ns'", 3 * 16),
    ] {
        let summary = text(challenge);
        assert!(count(&summary, "attempts.challenged") > 0);
        if challenged < 10 {
            assert_eq!(count(&summary, "attempts.challenged"), challenged, "{challenge}");
            assert_eq!((count(&summary, "attempts.unauthorized"), count(&summary, "attempts.opened")), (0, 3));
        } else {
            let failed = count(&summary, "attempts.unauthorized");
            assert!(failed > 0 && count(&summary, "attempts.opened") == 0);
            assert_eq!(count(&summary, "attempts.challenged") / 3, failed);
        }
    }
    // The nonce comes back 20 ms after it was made: that is not too old.
    let summary = text(", scheme = 'digest', nonce_lifetime = '20ms'");
    assert_eq!(count(&summary, "attempts.opened"), 3);
}

#[test]
fn redirects_and_challenges_come_in_any_order() {
    let front = |front: &str, back: &str| {
        format!(
            "[servers.front]\nservice_time = '0s'\nbehavior = {front}\n\
             [servers.gateway]\nservice_time = '0s'\nbehavior = {back}"
        )
    };
    let challenge = format!("{{ kind = 'challenge', {CREDENTIALS} }}");
    let redirect = "{ kind = 'redirect', to = 'gateway' }";
    let (after, before) =
        (front(&format!("[{challenge}, {redirect}]"), "{ kind = 'accept' }"), front(redirect, &challenge));
    let both = front(&format!("[{challenge}, {redirect}]"), &challenge);
    let here = format!(
        "[servers.front]\nservice_time = '0s'\nbehavior = [{{ kind = 'redirect', path = '/in', when = {{ path = '/' }} }}, {challenge}]"
    );
    let across = "credentials_across_origins = true";
    let own = "endpoints = ['front', 'gateway']\npick = 'first'";
    let front_only = "endpoints = ['front']";
    // 20 ms for each connect, and for each request with its answer.
    for (servers, clients, opened, challenged, leaked) in [
        (&after, front_only.to_string(), Some(100), 1, 0),
        (&before, format!("{front_only}\n{across}"), Some(100), 1, 1),
        // To another server they are not sent.
        (&before, front_only.to_string(), None, 0, 0),
        // To one that the clients would dial themselves, they are.
        (&before, own.to_string(), Some(100), 1, 0),
        (&both, own.to_string(), Some(120), 2, 0),
        (&here, front_only.to_string(), Some(100), 1, 0),
    ] {
        let summary = common::summary(&text(servers, &format!("{clients}\n{CREDENTIALS}\n{ONCE}")));
        let opens = time(&summary, "time_to_open.max");
        assert_eq!(opens, opened.map(|ms: u64| ms * 1_000_000), "{servers}\n{clients}");
        assert_eq!(count(&summary, "attempts.challenged"), challenged);
        assert_eq!(count(&summary, "hops.total"), 1);
        assert_eq!(count(&summary, "findings.credentials_leaked"), leaked);
        assert_eq!(count(&summary, "attempts.unauthorized"), u64::from(opened.is_none()));
    }
    // Who sends them first sends them along, if it may.
    let first = format!("{front_only}\n{CREDENTIALS}\nauth = 'first'\n{ONCE}");
    let summary = common::summary(&text(&after, &format!("{first}\n{across}")));
    assert_eq!((count(&summary, "findings.credentials_leaked"), count(&summary, "attempts.challenged")), (1, 0));
    assert_eq!(time(&summary, "time_to_open.max"), Some(80_000_000));
    let summary = common::summary(&text(&after, &first));
    assert_eq!((count(&summary, "findings.credentials_leaked"), count(&summary, "sessions.opened")), (0, 1));
}

#[test]
fn a_loop_is_found_and_a_chain_is_not() {
    let server = |name: &str, to: &str| {
        format!("[servers.{name}]\nservice_time = '0s'\nbehavior = {{ kind = 'redirect', to = '{to}' }}\n")
    };
    let clients = |limit: u32| format!("endpoints = ['a']\nredirects = {limit}\n{ONCE}");
    let round = [server("a", "b"), server("b", "c"), server("c", "a")].concat();
    let chain = [server("a", "b"), server("b", "c"), server("c", "d"), "[servers.d]".into()].concat();
    for (servers, limit, loops) in [
        (&round, 5, 1),
        (&round, 2, 1),
        // Nobody can know yet.
        (&round, 1, 0),
        (&chain, 2, 0),
        (&chain, 3, 0),
    ] {
        let summary = common::summary(&text(servers, &clients(limit)));
        assert_eq!(count(&summary, "findings.redirect_loop"), loops, "{limit}");
        assert_eq!(count(&summary, "sessions.opened"), u64::from(limit == 3));
    }
}

#[test]
fn credentials_are_checked_at_a_price() {
    // A request without any costs 1 ms to refuse; one with them 1 + 5 + 2.
    let behavior = format!("{{ kind = 'challenge', {CREDENTIALS} }}");
    let servers = gateway(&behavior).replace("'0s'", "'2ms'") + "\naccept_time = '1ms'\nauth_time = '5ms'";
    let summary = common::summary(&text(&servers, &format!("endpoints = ['gateway']\n{CREDENTIALS}\n{ONCE}")));
    assert_eq!(time(&summary, "time_to_open.max"), Some(60_000_000 + 1_000_000 + 8_000_000));
}

#[test]
fn credentials_are_never_told() {
    for scheme in ["basic", "digest"] {
        let behavior = format!("{{ kind = 'challenge', {CREDENTIALS}, scheme = '{scheme}' }}");
        let servers = gateway(&behavior);
        let clients = format!("endpoints = ['gateway']\n{CREDENTIALS}\n{ONCE}");
        let scenario = loaded(&text(&servers, &clients));
        let (events, measured) = common::simulate(&scenario);
        let all = format!("{events:?} {:?} {scenario:?}", measured.summary);
        // The last is base64 of both.
        for secret in ["aladdin", "sesame", "YWxhZGRpbj"] {
            assert!(!all.to_lowercase().contains(&secret.to_lowercase()), "{secret}");
        }
        assert!(events.len() > 5);
    }
}

#[test]
fn what_contradicts_is_refused() {
    let told = |behavior: &str, clients: &str| {
        let clients = format!("endpoints = ['gateway']\n{clients}");
        load(&text(&gateway(behavior), &clients)).expect_err(behavior)
    };
    for (behavior, clients, says) in [
        ("{ kind = 'challenge' }", "", "a challenge that nobody can answer"),
        ("{ kind = 'accept', realm = 'x' }", "", "`realm` belongs to kind = \"challenge\" only"),
        ("{ kind = 'challenge', CREDENTIALS, algorithm = 'md5' }", "", "scheme = \"digest\""),
        ("{ kind = 'challenge', CREDENTIALS, nonce_lifetime = '1s' }", "", "scheme = \"digest\""),
        ("{ kind = 'challenge', CREDENTIALS, scheme = 'digest', nonce_lifetime = '0s' }", "", "nobody would ever pass"),
        ("{ kind = 'challenge', CREDENTIALS, scheme = 'kerberos' }", "", "basic"),
        ("{ kind = 'challenge', credentials = { user = 'a:b', password = 'c' } }", "", "a colon"),
        ("{ kind = 'challenge', credentials = { user = 'a', password = \"c\\n\" } }", "", "control characters"),
        ("{ kind = 'challenge', credentials = { user = 'a' } }", "", "password"),
        ("{ kind = 'accept' }", "auth = 'first'", "`auth` means nothing without `credentials`"),
        ("{ kind = 'accept' }", "credentials_across_origins = true", "means nothing without `credentials`"),
        ("{ kind = 'challenge', CREDENTIALS, keep_alive = true, delivery = { cut = 9 } }", "", "keeps its connection"),
        ("[{ kind = 'accept' }, { kind = 'challenge', CREDENTIALS }]", "", "never shown"),
    ] {
        let told = told(&behavior.replace("CREDENTIALS", CREDENTIALS), clients);
        assert!(told.contains(says), "{behavior}: {told}");
    }
}

#[test]
fn what_is_resolved_runs_to_the_same_events() {
    let behavior = format!("[{{ kind = 'challenge', {CREDENTIALS}, scheme = 'digest' }}, {{ kind = 'accept' }}]");
    let text = text(&gateway(&behavior), &format!("endpoints = ['gateway']\n{CREDENTIALS}\n{ONCE}"));
    let resolved = loaded(&text).resolved().to_string();
    for default in
        ["algorithm = \"sha-256\"", "nonce_lifetime = \"5m\"", "keep_alive = true", "auth = \"after-challenge\""]
    {
        assert!(resolved.contains(default), "{default}: {resolved}");
    }
    assert_eq!(common::history(&resolved), common::history(&text));
}
