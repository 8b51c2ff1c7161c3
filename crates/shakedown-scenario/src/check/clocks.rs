//! What the clocks of connections can get wrong.

use super::super::{Problem, Tree};
use super::response_flaws::may_be_sent;
use super::values::{distribution, is_always_zero};
use super::{SHORTEST_PERIOD, ticked};
use shakedown_core::machine::Ends;
use shakedown_core::network::GivingUp;
use shakedown_core::server::{ConnectionAge, IdleTimeout, ServerHeartbeat};
use shakedown_core::time::Nanos;

/// Checks the clocks of a group at `path`, whose connections may end in these ways.
pub(super) fn check(
    path: &str,
    (heartbeat, idle, age): (Option<ServerHeartbeat>, Option<IdleTimeout>, Option<&ConnectionAge>),
    close_timeout: Option<Nanos>,
    possible: &[Ends],
    tree: &Tree,
) -> Result<(), Problem> {
    let at = |key: &str| format!("{path}.{key}");
    let wrong = |key: &str, message: String| Err(tree.problem(&at(key), message));
    if let Some(heartbeat) = heartbeat {
        for (key, time) in [("every", heartbeat.every), ("timeout", heartbeat.timeout)] {
            if time == Nanos::ZERO {
                return wrong(&format!("heartbeat.{key}"), format!("`{key}` must be some time"));
            }
        }
        if heartbeat.every < SHORTEST_PERIOD {
            let message = format!("a ping every {}: at least {SHORTEST_PERIOD} lies between two", heartbeat.every);
            return wrong("heartbeat.every", message);
        }
    }
    if idle.is_some_and(|idle| idle.after == Nanos::ZERO) {
        return wrong("idle_timeout.after", "no connection could be open: leave `idle_timeout` out".into());
    }
    if let Some(age) = age {
        distribution(&at("connection_age.max"), &age.max, tree)?;
        if is_always_zero(&age.max) {
            return wrong("connection_age.max", "no connection could be open: leave `connection_age` out".into());
        }
    }
    let ways = [
        ("heartbeat", heartbeat.map(|clock| (clock.ends, clock.code))),
        ("idle_timeout", idle.map(|clock| (clock.ends, clock.code))),
        ("connection_age", age.map(|clock| (clock.ends, clock.code))),
    ];
    let mut closes = false;
    for (clock, (written, code)) in ways.into_iter().filter_map(|(clock, way)| Some((clock, way?))) {
        ending(&at(clock), (written, code), possible, tree)?;
        closes |= written.or(possible.first().copied()) == Some(Ends::Close);
    }
    match close_timeout {
        Some(Nanos::ZERO) => wrong("close_timeout", "nobody could answer: write ends = \"fin\" instead".into()),
        Some(_) if !closes => {
            let problem =
                tree.problem_at_key(&at("close_timeout"), "`close_timeout` means nothing without a clock that closes");
            Err(problem.with_help("write connection_age = { max = \"5m\" } beside it, or leave it out"))
        }
        _ => Ok(()),
    }
}

/// Checks a way to end connections, of those that are possible there.
pub(crate) fn ending(
    path: &str,
    (ends, code): (Option<Ends>, Option<u16>),
    possible: &[Ends],
    tree: &Tree,
) -> Result<(), Problem> {
    let ends = match ends {
        Some(ends) if !possible.contains(&ends) => {
            let known: Vec<String> = possible.iter().map(|ends| format!("\"{}\"", ends.name())).collect();
            let message = format!("`{}` is not possible here: it may be {}", ends.name(), known.join(", "));
            return Err(tree.problem(&format!("{path}.ends"), message));
        }
        ends => ends.or(possible.first().copied()),
    };
    let Some(code) = code else { return Ok(()) };
    if ends != Some(Ends::Close) {
        let message = format!("{} is in a close frame, and there is none", ticked("code"));
        return Err(tree
            .problem(&format!("{path}.code"), message)
            .with_help("write ends = \"close\", or leave it out"));
    }
    if !may_be_sent(code) {
        let message =
            format!("close code {code}: it must be 1000 to 4999, and none that is never sent (1004, 1005, 1006, 1015)");
        return Err(tree.problem(&format!("{path}.code"), message));
    }
    Ok(())
}

/// Checks when the kernel of a group at `path` gives up connections.
pub(super) fn giving_up(path: &str, config: GivingUp, tree: &Tree) -> Result<(), Problem> {
    let GivingUp { keepalive, user_timeout } = config;
    if let Some((key, problem)) = keepalive.and_then(|keepalive| keepalive.problem()) {
        return Err(tree.problem(&format!("{path}.keepalive.{key}"), problem));
    }
    match user_timeout {
        Some(timeout) if timeout < SHORTEST_PERIOD => {
            let message = format!("user_timeout {timeout}: kernels take whole milliseconds, and zero means none");
            Err(tree.problem(&format!("{path}.user_timeout"), message))
        }
        _ => Ok(()),
    }
}
