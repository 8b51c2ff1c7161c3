//! Client groups: sessions that could never arrive, open, end or make time pass.

use super::{
    Problem, SHORTEST_PERIOD, Tree, behavior, clocks, distribution, is_always_below, is_always_zero, network, positive,
    retry, valid_name, valid_path,
};
use shakedown_core::client::{Auth, Config, Hold};
use shakedown_core::load::Arrive;
use shakedown_core::rng::Distribution;
use shakedown_core::time::Nanos;

use crate::file::File;

/// Checks one client group.
pub(super) fn check(name: &str, client: &Config, file: &File, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("clients.{name}.{key}");
    let wrong = |key: &str, message: String| Err(tree.problem(&at(key), message));
    valid_name(name, "clients", tree)?;
    if client.count == 0 && !tree.has(&at("count")) {
        return Err(match client.arrive.problem() {
            Some(problem) => tree.problem(&at("arrive"), problem),
            None => tree.problem(&format!("clients.{name}"), format!("missing key `count` in [clients.{name}]")),
        });
    }
    positive(&at("count"), client.count, tree)?;
    if let Some(ports) = client.ports {
        positive(&at("ports"), ports, tree)?;
        if client.hosts.is_none() && client.nat.is_none() {
            let problem = tree.problem_at_key(&at("ports"), "`ports` means nothing without `hosts` or `nat`");
            return Err(problem.with_help("without them each session has an address of its own, and all of its ports"));
        }
    }
    if client.start >= file.duration {
        return wrong("start", format!("starts at {}, but the run ends at {}", client.start, file.duration));
    }
    arrivals(client, &at("arrive"), file, tree)?;
    if client.endpoints.is_empty() {
        return wrong("endpoints", "no endpoints: name at least one server or server group".into());
    }
    valid_path(&client.path, &at("path"), tree)?;
    match &client.credentials {
        Some(login) => behavior::credentials(&at("credentials"), login, tree)?,
        None => {
            let given = [
                ("auth", client.auth.is_some_and(|auth| auth != Auth::After401)),
                ("auth_schemes", client.auth_schemes.is_some()),
                ("sets_headers", client.sets_headers.is_some()),
                ("credentials_across_origins", client.credentials_across_origins.is_some()),
            ];
            if let Some((key, _)) = given.iter().find(|(_, given)| *given) {
                let problem = tree.problem_at_key(&at(key), format!("`{key}` means nothing without `credentials`"));
                return Err(problem.with_help("write credentials = { user = \"alice\", password = \"secret\" }"));
            }
        }
    }
    let timeouts = [
        ("connect_timeout", Some(client.connect_timeout)),
        ("handshake_timeout", Some(client.handshake_timeout)),
        ("open_timeout", client.open_timeout),
    ];
    if let Some((key, _)) = timeouts.into_iter().find(|(_, timeout)| *timeout == Some(Nanos::ZERO)) {
        return wrong(key, "a timeout of zero: nothing would ever open".into());
    }
    answers(client, &at, tree)?;
    clocks::giving_up(&format!("clients.{name}"), client.giving_up(), tree)?;
    if let Some(heartbeat) = client.heartbeat {
        for (key, value) in [("every", heartbeat.every), ("timeout", heartbeat.timeout)] {
            if value == Nanos::ZERO {
                return wrong(&format!("heartbeat.{key}"), format!("`{key}` must be some time"));
            }
        }
        if heartbeat.every < SHORTEST_PERIOD {
            let message = format!("a ping every {}: at least {SHORTEST_PERIOD} lies between two", heartbeat.every);
            return wrong("heartbeat.every", message);
        }
    }
    // RFC 6455 section 7.4.2: what lies below 1000 is not used, and above 4999 nothing is defined.
    if let Some(at) = client.fatal_close_codes.iter().position(|code| !(1_000..=4_999).contains(code)) {
        let code = client.fatal_close_codes[at];
        return wrong(&format!("fatal_close_codes.{at}"), format!("close code {code}: it must be 1000 to 4999"));
    }
    retry::check(name, client, tree)?;
    if let Hold::For(time) = &client.hold {
        distribution(&at("hold"), time, tree)?;
    }
    if let Some(hosts) = client.hosts {
        positive(&at("hosts"), hosts, tree)?;
        if hosts > client.count {
            return wrong("hosts", format!("{} sessions can't be spread over {hosts} hosts", client.count));
        }
    }
    if let Some(link) = client.access_link {
        network::access(&at("access_link"), link, tree)?;
    }
    if let Some(nat) = client.nat {
        positive(&at("nat"), nat, tree)?;
        let hosts = client.hosts.unwrap_or(client.count);
        if nat > hosts {
            return wrong("nat", format!("{hosts} hosts can't share {nat} addresses: without `nat` each has its own"));
        }
    }
    Ok(())
}

/// The shortest pause between two sessions of a user, unless the network takes as long.
const SHORTEST_ROUND: Nanos = Nanos(1_000);

/// The most header fields that a client may read: more would be no limit.
const MAX_FIELDS: u32 = 10_000;
/// The longest head.
const MAX_HEAD: u64 = 16 << 20;

/// What it makes of answers.
fn answers(client: &Config, at: &impl Fn(&str) -> String, tree: &Tree) -> Result<(), Problem> {
    let statuses = client.redirect_statuses.as_deref().unwrap_or_default();
    if let Some(number) = statuses.iter().position(|status| !(300..=399).contains(status)) {
        let message = format!("status {}: a redirect is 300 to 399", statuses[number]);
        return Err(tree.problem(&at(&format!("redirect_statuses.{number}")), message));
    }
    if let Some(reads) = &client.reads {
        if !(1..=MAX_FIELDS).contains(&reads.fields) {
            return Err(tree.problem(&at("reads.fields"), format!("{} fields: 1 to {MAX_FIELDS}", reads.fields)));
        }
        if !(1..=MAX_HEAD).contains(&reads.head.0) {
            return Err(tree.problem(&at("reads.head"), format!("{}: a head has 1 byte to 16 MiB", reads.head)));
        }
        if let Some(line) = reads.line.filter(|line| !(1..=reads.head.0).contains(&line.0)) {
            let message = format!("{line}: a line has 1 byte to the size of a head, {}", reads.head);
            return Err(tree.problem(&at("reads.line"), message));
        }
        if reads.pieces == Some(0) {
            let problem = tree.problem(&at("reads.pieces"), "no pieces: every answer would be taken for an attack");
            return Err(problem.with_help("write how many are too many, or leave it out"));
        }
    }
    if client.auth_schemes.as_ref().is_some_and(Vec::is_empty) {
        let problem = tree.problem(&at("auth_schemes"), "no scheme: no challenge would ever be answered");
        return Err(problem.with_help("write auth = \"none\" instead"));
    }
    // From a profile, such a pair says the same twice.
    if client.follows.as_ref().is_some_and(Vec::is_empty) && client.redirects > 0 {
        let problem = tree.problem(&at("redirects"), "redirects are followed, but none of their forms");
        return Err(problem.with_help("write redirects = 0, or the forms: follows = [\"ws\", \"http\", \"relative\"]"));
    }
    Ok(())
}

fn arrivals(client: &Config, path: &str, file: &File, tree: &Tree) -> Result<(), Problem> {
    if let Some(problem) = client.arrive.problem() {
        return Err(tree.problem(path, problem));
    }
    let count = path.replace(".arrive", ".count");
    match client.arrive.sessions() {
        Some(sessions) if sessions != u64::from(client.count) => {
            let message = format!("count is {}, but the stages bring {sessions} sessions", client.count);
            return Err(tree.problem(&count, message).with_help("leave `count` out, and change the stages"));
        }
        _ => {}
    }
    if let Arrive::ClosedLoop { think, .. } = &client.arrive {
        if client.hold == Hold::End {
            let problem = tree.problem(path, "a closed loop needs sessions that end");
            return Err(problem.with_help("write how long they stay open, such as hold = \"30s\""));
        }
        // A session that ends or fails at once would be followed by the next at the same moment, for ever.
        let takes_no_time = |part: &&Distribution| is_always_below(part, SHORTEST_ROUND);
        if [think, &file.network.one_way, &file.network.jitter].iter().all(takes_no_time) {
            let message = match [think, &file.network.one_way, &file.network.jitter].into_iter().all(is_always_zero) {
                true => "neither the pause of this closed loop nor the network takes any time".to_string(),
                false => format!("neither the pause of this closed loop nor the network takes {SHORTEST_ROUND}"),
            };
            let problem = tree.problem(path, message);
            return Err(problem.with_help("give `think`, or [network] one_way, some time"));
        }
    }
    let Some(over) = client.arrive.over() else { return Ok(()) };
    // Who has not arrived is not counted, and what is not counted can't fail.
    let until = client.start + over;
    if until > file.duration {
        let problem =
            tree.problem(path, format!("sessions arrive up to {until}, but the run ends at {}", file.duration));
        let default = Arrive::default();
        return Err(if client.arrive == default && !tree.has(path) {
            problem.with_help(format!("without `arrive`, sessions arrive evenly over {over}: write a shorter time"))
        } else {
            problem
        });
    }
    Ok(())
}
