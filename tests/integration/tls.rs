//! What TLS adds to a handshake, at exactly which moments, and what it costs a server.

use shakedown::client::Failure;
use shakedown::metrics::{Summary, Value};
use shakedown::server;

use crate::common::{self, MS, SECOND, at_servers, count, failed, load, opened, run, secured};

fn duration(summary: &Summary, metric: &str) -> u64 {
    common::time(summary, metric).unwrap()
}

/// One server, 20 ms away, whose requests take no time, and its clients.
fn scenario(server: &str, clients: &str, rest: &str) -> String {
    let arrive = if clients.contains("arrive") { "" } else { "arrive = 'at_once'" };
    format!(
        "format = 1\ntitle = 'x'\nduration = '200s'\n[network]\none_way = '20ms'\n[servers.gateway]\n\
         service_time = '0s'\n{server}\n[clients.players]\nendpoints = ['gateway']\n{arrive}\n{clients}\n{rest}"
    )
}

/// A full handshake takes a worker 3 ms, one that resumes 1 ms.
const PRICES: &str = "workers = 1\ntls_cost = '3ms'\ntls_resumed_cost = '1ms'";
/// One session that is open for a second and comes back after another, for ever.
const COMES_BACK: &str = "count = 1\narrive = { closed_loop = { think = '1s', over = '0s' } }\nhold = '1s'";

#[test]
fn each_version_takes_its_round_trips_and_its_work() {
    // TCP is up after 40 ms; the request takes another 40 ms once TLS is up.
    for (tls, full, resumed) in [("1.3", 40 + 3, 40 + 1), ("1.2", 2 * 40 + 3, 40 + 1)] {
        let (events, summary) = run(&scenario(&format!("tls = '{tls}'\n{PRICES}"), COMES_BACK, ""));
        let (up, open) = (secured(&events, 0), opened(&events, 0));
        assert_eq!(up[0], ((40 + full) * MS, false), "{tls}");
        assert_eq!(open[0], (40 + full + 40) * MS, "{tls}");
        // It hangs up after a second; the server's answer comes a round trip later, and the next session a second after.
        let again = open[0] + (1_000 + 40 + 1_000) * MS;
        assert_eq!(up[1], (again + (40 + resumed) * MS, true), "{tls}");
        assert_eq!(open[1], again + (40 + resumed + 40) * MS, "{tls}");
        // The server reads the ClientHello one way after TCP is up, and accepts the connection with it.
        assert_eq!(at_servers(&events, |event| matches!(event, server::Event::Hello { .. }))[0], 60 * MS);
        assert_eq!(at_servers(&events, |event| matches!(event, server::Event::Accepted { .. }))[0], 60 * MS);
        assert_eq!(at_servers(&events, |event| matches!(event, server::Event::HelloAnswered { .. }))[0], 63 * MS);
        assert_eq!(duration(&summary, "tls_latency.max"), full * MS);
        assert_eq!(duration(&summary, "tls_latency.min"), resumed * MS);
        assert_eq!(duration(&summary, "handshake_latency.max"), (full + 40) * MS);
        assert_eq!(count(&summary, "servers.gateway.tls_full"), 1);
        assert_eq!(count(&summary, "tls.handshakes"), up.len() as u64);
        assert_eq!(count(&summary, "tls.resumed"), up.len() as u64 - 1);
    }
    let (events, summary) = run(&scenario("tls = 'none'", COMES_BACK, ""));
    assert_eq!((secured(&events, 0), opened(&events, 0)[0]), (vec![], 80 * MS));
    assert_eq!(summary.get("tls_latency.max"), None);
}

#[test]
fn who_has_no_ticket_pays_in_full() {
    let resumed = |server: &str, clients: &str| {
        let clients = format!("{COMES_BACK}\n{clients}");
        let (events, _) = run(&scenario(&format!("tls = '1.3'\n{PRICES}\n{server}"), &clients, ""));
        let each: Vec<bool> = secured(&events, 0).into_iter().map(|(_, resumed)| resumed).take(3).collect();
        each
    };
    assert_eq!(resumed("", ""), [false, true, true]);
    assert_eq!(resumed("", "tls_resumption = false"), [false, false, false]);
    assert_eq!(resumed("tls_tickets = '0s'", ""), [false, false, false]);
    // From one handshake's end to the next one's beginning 2.12 s pass.
    assert_eq!(resumed("tls_tickets = '2119ms'", ""), [false, false, false]);
    assert_eq!(resumed("tls_tickets = '2120ms'", ""), [false, true, true]);
    // Whom it was given by counts: round robin goes to each of two in turn.
    assert_eq!(resumed("count = 2", "pick = 'round-robin'"), [false, false, true]);
    assert_eq!(resumed("count = 2\ntls_keys = 'shared'", "pick = 'round-robin'"), [false, false, true]);
}

#[test]
fn sessions_of_one_process_share_its_tickets() {
    let clients = "count = 3\nhosts = 2\narrive = { evenly_over = '3s' }";
    let (events, _) = run(&scenario(&format!("tls = '1.2'\n{PRICES}"), clients, ""));
    let resumed: Vec<bool> = (0..3).map(|session| secured(&events, session)[0].1).collect();
    assert_eq!(resumed, [false, false, true]);
}

#[test]
fn a_restart_loses_the_keys_of_the_process_only() {
    let clients = "count = 1\nretry = { policy = 'fixed', base = '1s' }";
    let restart = "[faults.restart]\nkind = 'restart'\ntarget = 'gateway'\nat = '10s'\n";
    for (keys, resumed, work) in [("process", false, 3), ("shared", true, 1)] {
        let server = format!("tls = '1.3'\n{PRICES}\ntls_keys = '{keys}'");
        let (events, _) = run(&scenario(&server, clients, restart));
        // The FIN arrives after 20 ms, the retry follows a second later: TCP, then TLS.
        let up = 10 * SECOND + (20 + 1_000 + 40 + 40 + work) * MS;
        assert_eq!(secured(&events, 0)[1], (up, resumed), "{keys}");
    }
}

#[test]
fn handshakes_wait_for_a_worker_like_requests() {
    // Three at once, one worker: 3 ms each. Then their requests, which cost 1 ms each: the first one's waits for nobody,
    // as it comes 34 ms after the last handshake's work was done.
    let server = format!("tls = '1.3'\n{PRICES}").replace("workers", "accept_time = '1ms'\nworkers");
    let (events, summary) = run(&scenario(&server, "count = 3", ""));
    let up: Vec<u64> = (0..3).map(|session| secured(&events, session)[0].0 / MS).collect();
    assert_eq!(up, [83, 86, 89]);
    let open: Vec<u64> = (0..3).map(|session| opened(&events, session)[0] / MS).collect();
    assert_eq!(open, [124, 127, 130]);
    assert_eq!(duration(&summary, "servers.gateway.queue_wait.max"), 6 * MS);
    assert_eq!(count(&summary, "servers.gateway.queue_wait.count"), 6);
    assert_eq!(
        (count(&summary, "servers.gateway.arrivals.total"), count(&summary, "servers.gateway.tls_full")),
        (3, 3)
    );
    // Busy for 3 x (3 + 1) ms of 200 s.
    assert_eq!(summary.get("servers.gateway.utilisation.mean"), Some(Value::Ratio(Some(12e6 / 200e9))));
}

#[test]
fn a_full_queue_ends_a_connection_without_a_word() {
    let clients = "count = 3\nhandshake_timeout = '3s'\nretry = { policy = 'none' }";
    let ends = |full: &str| {
        let server = format!("tls = '1.3'\n{PRICES}\nqueue_max = 1\nqueue_full = '{full}'");
        let (events, summary) = run(&scenario(&server, clients, ""));
        assert_eq!(count(&summary, "servers.gateway.queue_full"), 1, "{full}");
        assert_eq!(count(&summary, "servers.gateway.queue_wait.count"), 4, "{full}");
        failed(&events, 2)
    };
    assert_eq!(ends("reject"), [(80 * MS, Failure::Closed)]);
    assert_eq!(ends("reset"), [(80 * MS, Failure::Reset)]);
    assert_eq!(ends("drop"), [(3_040 * MS, Failure::HandshakeTimeout)]);
}

#[test]
fn who_is_one_too_many_hears_so_once_tls_is_up() {
    let status = |failure| match failure {
        Failure::Rejected { status, .. } => status,
        other => panic!("{other:?}"),
    };
    let clients = "count = 2\nhandshake_timeout = '3s'\nretry = { policy = 'none' }";
    let server = |full: &str| format!("tls = '1.3'\n{PRICES}\nconnections_max = 1\nwhen_full = '{full}'");
    let (events, _) = run(&scenario(&server("reject"), clients, ""));
    assert_eq!(
        failed(&events, 1).into_iter().map(|(at, why)| (at, status(why))).collect::<Vec<_>>(),
        [(126 * MS, 503)]
    );
    let (events, _) = run(&scenario(&server("drop"), clients, ""));
    assert_eq!((secured(&events, 1), failed(&events, 1)), (vec![], vec![(3_040 * MS, Failure::HandshakeTimeout)]));
    // The overflow is redirected by the scheme of its target.
    let spare = "[servers.spare]\nservice_time = '0s'\ntls = '1.2'\ntls_cost = '0s'\n";
    let overflow = format!("{}\noverflow_to = 'spare'", server("redirect"));
    let (events, summary) = run(&scenario(&overflow, clients, spare));
    // 126 ms, then TCP, two round trips of TLS 1.2 and one for the request.
    assert_eq!(opened(&events, 1), [(126 + 4 * 40) * MS]);
    assert_eq!(count(&summary, "servers.spare.opened"), 1);
}

#[test]
fn timeouts_cover_tls() {
    // The worker takes 5 s: the client's handshake_timeout counts from TCP up, and the work was for nothing.
    let slow = "tls = '1.3'\nworkers = 1\ntls_cost = '5s'";
    let clients = "count = 1\nhandshake_timeout = '2s'\nretry = { policy = 'none' }";
    let (events, summary) = run(&scenario(slow, clients, ""));
    assert_eq!(failed(&events, 0), [(2_040 * MS, Failure::HandshakeTimeout)]);
    assert_eq!(at_servers(&events, |event| matches!(event, server::Event::Wasted { .. })), [5_060 * MS]);
    assert_eq!(count(&summary, "servers.gateway.wasted"), 1);
    // The server's own work is not held against its client.
    let patient = "count = 1\nretry = { policy = 'none' }";
    let (events, _) = run(&scenario(&format!("{slow}\nhandshake_timeout = '1s'"), patient, ""));
    assert_eq!(opened(&events, 0), [(5_060 + 20 + 40) * MS]);
}

#[test]
fn faults_meet_handshakes_on_the_way() {
    let slow = "tls = '1.2'\nworkers = 1\ntls_cost = '1s'";
    let clients = "count = 1\nretry = { policy = 'none' }";
    let with = |fault: &str| run(&scenario(slow, clients, &format!("[faults.it]\ntarget = 'gateway'\n{fault}"))).0;
    // While the worker is at it, the process is killed: it has read everything, so its kernel sends FIN.
    let events = with("kind = 'crash'\nat = '500ms'");
    assert_eq!(failed(&events, 0), [(520 * MS, Failure::Closed)]);
    // It goes on at 500 ms, works for a second, and takes the second round trip.
    let events = with("kind = 'hang'\nat = '50ms'\nfor = '450ms'");
    assert_eq!(secured(&events, 0), [((500 + 1_000 + 20 + 40) * MS, false)]);
    // Without power there is silence: the client's own timeout ends it.
    let events = with("kind = 'power-off'\nat = '500ms'");
    assert_eq!(failed(&events, 0), [(10_040 * MS, Failure::HandshakeTimeout)]);
    // A partition swallows the first flight, which is repeated after 240 ms, 720 ms, 1680 ms: it arrives then.
    let events = with("kind = 'partition'\nat = '50ms'\nfor = '1s'");
    assert_eq!(secured(&events, 0)[0].0, (40 + 1_680 + 20 + 1_000 + 20 + 40) * MS);
}

#[test]
fn redirects_name_the_scheme_of_their_target() {
    let front = "tls = '1.3'\ntls_cost = '0s'\nbehavior = { kind = 'redirect', to = 'back' }";
    let back = "[servers.back]\nservice_time = '0s'\ntls = '1.3'\ntls_cost = '0s'\n";
    for location in ["ws", "http"] {
        let front = front.replace("'back'", &format!("'back', location = '{location}'"));
        let (events, _) = run(&scenario(&front, "count = 1", back));
        assert_eq!(opened(&events, 0), [6 * 40 * MS], "{location}");
    }
    // From ws: to wss: is a way up.
    let plain = "behavior = { kind = 'redirect', to = 'back' }";
    let (events, _) = run(&scenario(plain, "count = 1", back));
    assert_eq!(opened(&events, 0), [5 * 40 * MS]);
    // The way down is refused before it is tried.
    let down = load(&scenario(front, "count = 1", "[servers.back]\n")).unwrap_err();
    assert!(down.contains("wss"), "{down}");
    // The same server under another path is as secure as before.
    let itself = "tls = '1.3'\ntls_cost = '0s'\n\
                  behavior = { kind = 'redirect', path = '/b', location = 'relative', when = { path = '/' } }";
    let (events, _) = run(&scenario(itself, "count = 1", ""));
    // It has a ticket by then: resuming costs 100 us unless given.
    assert_eq!(opened(&events, 0), [6 * 40 * MS + MS / 10]);
}

#[test]
fn what_contradicts_itself_is_found() {
    for (server, clients, says) in [
        ("tls_cost = '1ms'", "", "`tls_cost` means nothing without TLS"),
        ("tls_keys = 'shared'", "", "write tls = \"1.3\""),
        ("tls_tickets = '1h'", "", "`tls_tickets` means nothing without TLS"),
        ("", "tls_resumption = true", "no server has TLS"),
        ("tls = '1.1'", "", "1.2"),
        ("tls = '1.3'\ntls_tickets = '200h'", "", "seven days"),
        ("tls = '1.3'\ntls_cost = { uniform = { min = '2ms', max = '1ms' } }", "", "below min"),
    ] {
        let told = load(&scenario(server, &format!("count = 1\n{clients}"), "")).expect_err(server);
        assert!(told.contains(says), "{server} {clients}: {told}");
    }
}

#[test]
fn tls_begins_within_http_where_that_is_asked_for() {
    let upgrades = |keys: &str| format!("{COMES_BACK}\nmode = 'tls-upgrade'\n{keys}");
    // TCP is up at 40 ms, the 101 is there at 80, the ServerHello another 40 and a worker's 3 later. In TLS 1.3 the server
    // has the client's Finished at 143, and answers; in TLS 1.2 it has the client's second flight then, and does both.
    for (tls, up, open, resumed) in [("1.3", 123, 163, 161), ("1.2", 163, 163, 161)] {
        let (events, summary) = run(&scenario(&format!("tls = '{tls}'\n{PRICES}"), &upgrades(""), ""));
        assert_eq!(secured(&events, 0)[0], (up * MS, false), "{tls}");
        assert_eq!(opened(&events, 0)[0], open * MS, "{tls}");
        // It hangs up after a second; the answer comes 40 ms later, and the next session a second after.
        let again = (open + 1_000 + 40 + 1_000) * MS;
        assert_eq!(secured(&events, 0)[1], (again + 121 * MS, true), "{tls}");
        assert_eq!(opened(&events, 0)[1], again + resumed * MS, "{tls}");
        assert_eq!(count(&summary, "servers.gateway.tls_full"), 1);
        assert_eq!(count(&summary, "attempts.total"), count(&summary, "attempts.opened"));
    }
    // The same by `wss:` for comparison.
    let (events, _) = run(&scenario(&format!("tls = '1.3'\n{PRICES}"), COMES_BACK, ""));
    assert_eq!(opened(&events, 0)[0], 123 * MS);
}

#[test]
fn what_follows_an_upgrade_to_tls_is_http_in_full() {
    let login = "credentials = { user = 'aladdin', password = 'open sesame' }";
    let once = "count = 1\nretry = { policy = 'none' }\nmode = 'tls-upgrade'";
    let tls = "tls = '1.3'\ntls_cost = '3ms'";
    // A 401 over TLS is answered over it. Where it closes that, the next request would be in plain again: no answer.
    for (keep, open) in [("true", Some(203 * MS)), ("false", None)] {
        let server = format!("{tls}\nbehavior = {{ kind = 'challenge', {login}, keep_alive = {keep} }}");
        let (events, summary) = run(&scenario(&server, &format!("{once}\n{login}"), ""));
        assert_eq!(opened(&events, 0), Vec::from_iter(open), "{keep}");
        let unauthorized = u64::from(open.is_none());
        assert_eq!(count(&summary, "attempts.unauthorized"), unauthorized);
        assert_eq!(count(&summary, "attempts.total"), 2 - unauthorized);
    }
    // A 307, and the same again elsewhere.
    let server =
        format!("{tls}\nbehavior = {{ kind = 'redirect', to = 'other' }}\n[servers.other]\nservice_time = '0s'\n{tls}");
    let (events, _) = run(&scenario(&server, once, ""));
    assert_eq!(opened(&events, 0), [2 * 163 * MS]);
    // 503: failed, and over TLS.
    let (events, _) = run(&scenario(&format!("{tls}\nbehavior = {{ kind = 'reject' }}"), once, ""));
    assert_eq!(failed(&events, 0), [(163 * MS, Failure::Rejected { status: 503, retry_after: None })]);
    // One connection too many is told so over TLS; who can't be told hears nothing, as ever.
    let (events, _) =
        run(&scenario(&format!("{tls}\nworkers = 2\nconnections_max = 1"), &once.replace("= 1", "= 2"), ""));
    assert_eq!(failed(&events, 1), [(163 * MS, Failure::Rejected { status: 503, retry_after: None })]);
}

#[test]
fn an_upgrade_to_tls_goes_through_a_proxy_and_needs_tls() {
    let clients = "count = 1\nretry = { policy = 'none' }\nmode = 'tls-upgrade'\nproxy = 'corporate'";
    let text = scenario("tls = '1.3'\ntls_cost = '3ms'", clients, "[proxies.corporate]\nservice_time = '0s'");
    // The tunnel is there at 120 ms; three round trips over both legs follow.
    assert_eq!(opened(&run(&text).0, 0), [(120 + 3 * 80 + 3) * MS]);
    let problem = load(&text.replace("tls = '1.3'\ntls_cost = '3ms'", "")).unwrap_err();
    assert!(problem.starts_with("error: nothing to upgrade to: `gateway` has no TLS"), "{problem}");
    let first = "proxy = 'corporate'\nauth = 'first'\ncredentials = { user = 'a', password = 'b' }";
    let problem = load(&text.replace("proxy = 'corporate'", first)).unwrap_err();
    assert!(problem.starts_with("error: in mode tls-upgrade the first request is in plain"), "{problem}");
}

/// One session that opens again and again where `server` has TLS 1.3 and this certificate; when it failed, and when it opened.
fn with_certificate(certificate: &str, clients: &str) -> (Vec<(u64, Failure)>, Vec<u64>) {
    let server = format!("tls = '1.3'\n{PRICES}\ntls_tickets = '0s'\ntls_certificate = {certificate}");
    let (events, _) = run(&scenario(&server, clients, ""));
    (failed(&events, 0), opened(&events, 0))
}

#[test]
fn a_certificate_that_expires_fails_full_handshakes_until_it_is_renewed() {
    let retries = "count = 1\nstart = '10s'\nretry = { policy = 'fixed', base = '2s' }";
    // The server's flight is there 83 ms after the start; the FIN, and the next attempt 2 s later.
    let (failures, opened_at) = with_certificate("{ expires_at = '9s', renewed_at = '14s' }", retries);
    assert_eq!(failures, [(10_083 * MS, Failure::Insecure), (12_166 * MS, Failure::Insecure)]);
    assert_eq!(opened_at, [14_249 * MS + 40 * MS]);
    // Who has been there before resumes, and checks no certificate.
    let (events, summary) =
        run(&scenario(&format!("tls = '1.3'\n{PRICES}\ntls_certificate = {{ expires_at = '9s' }}"), COMES_BACK, ""));
    assert!(opened(&events, 0).len() > 80 && failed(&events, 0).is_empty());
    assert_eq!(count(&summary, "attempts.tls_failed"), 0);
}

#[test]
fn an_issuer_that_some_do_not_know_fails_them_every_time() {
    let share = |certificate: &str, more: &str| {
        let server = format!("tls = '1.3'\nworkers = 64\ntls_certificate = {certificate}");
        let clients = format!("count = 2000\nretry = {{ policy = 'fixed', base = '50s', attempts = 3 }}\n{more}");
        let (_, summary) = run(&scenario(&server, &clients, ""));
        (count(&summary, "sessions.opened"), count(&summary, "attempts.tls_failed"))
    };
    // 5 % of 2,000 hosts are 100, give or take a few standard deviations of 9.7; each fails three times.
    let (opened, failures) = share("{ untrusted_share = '5%' }", "");
    assert_eq!(failures, 3 * (2_000 - opened));
    assert!((60..=140).contains(&(2_000 - opened)), "{opened}");
    assert_eq!(share("{ untrusted_by = 'players' }", ""), (0, 6_000));
    // Four hosts with 500 sessions each: what a host does not trust, none of its sessions does.
    let (opened, _) = share("{ untrusted_share = '50%' }", "hosts = 4");
    assert_eq!(opened % 500, 0);
}

#[test]
fn what_makes_no_sense_of_a_certificate_is_told() {
    for (certificate, says) in [
        ("{}", "nothing is wrong with this certificate"),
        ("{ renewed_at = '5s' }", "it is renewed, but does not expire"),
        ("{ expires_at = '9s', renewed_at = '5s' }", "renewed at 5s, but it expires at 9s"),
        ("{ expires_at = '900s' }", "expires at 15m, but the run ends at"),
        ("{ untrusted_by = 'player' }", "the nearest name is `players`"),
        ("{ untrusted_share = '120%' }", "120%"),
    ] {
        let told =
            load(&scenario(&format!("tls = '1.3'\ntls_certificate = {certificate}"), "count = 1", "")).unwrap_err();
        assert!(told.contains(says), "{certificate}: {told}");
    }
    let told = load(&scenario("tls_certificate = { expires_at = '9s' }", "count = 1", "")).unwrap_err();
    assert!(told.contains("`tls_certificate` means nothing without TLS"), "{told}");
}
