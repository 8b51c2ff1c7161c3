//! Retries, budgets and breakers: delays that never pass, and what only a host can share.

use super::{Problem, SHORTEST_PERIOD, Tree, distribution, is_always_below, positive};
use shakedown_core::client::{Config, Policy, Retry};
use shakedown_core::rng::Distribution;
use shakedown_core::time::Nanos;

/// The most attempts a limit may allow: a session counts them in 16 bits.
const MAX_ATTEMPTS: u32 = 65_535;
/// The longest cap of delays that depend on the one before: a session keeps that in 32 bits of microseconds.
const MAX_DECORRELATED: Nanos = Nanos::from_secs(3_600);

/// Checks when a client group tries again.
pub(super) fn check(name: &str, client: &Config, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("clients.{name}.{key}");
    let retry = &client.retry;
    if let Some(attempts) = retry.attempts {
        positive(&at("retry.attempts"), attempts, tree)?;
        if attempts > MAX_ATTEMPTS {
            let problem =
                tree.problem(&at("retry.attempts"), format!("{attempts} attempts: the most is {MAX_ATTEMPTS}"));
            return Err(problem.with_help("leave it out: attempts are not limited then"));
        }
    }
    let parts = [
        ("first", &retry.first),
        ("base_plus", &retry.base_plus),
        ("plus", &retry.plus),
        ("after_loss", &retry.after_loss),
    ];
    for (key, part) in parts {
        if let Some(part) = part {
            distribution(&at(&format!("retry.{key}")), part, tree)?;
        }
    }
    for (key, delay) in retry.after.iter().flat_map(|after| after.given()) {
        let path = at(&format!("retry.after.{key}"));
        distribution(&path, delay, tree)?;
        if retry.policy == Policy::None {
            let message = "no failure is retried: retry.policy is \"none\"";
            return Err(tree.problem(&path, message).with_help("leave it out, or write another policy"));
        }
        if retry.attempts.is_none() && is_always_below(delay, SHORTEST_PERIOD) {
            let message = format!("the delays of retries without limit have at least {SHORTEST_PERIOD}");
            return Err(tree.problem(&path, message).with_help("write attempts = N, or a longer delay"));
        }
    }
    delays(retry, &at("retry"), tree)?;
    let statuses = retry.statuses.as_deref().unwrap_or_default();
    if let Some(number) = statuses.iter().position(|status| !(200..=599).contains(status)) {
        let message = format!("status {}: it must be 200 to 599", statuses[number]);
        return Err(tree.problem(&at(&format!("retry.statuses.{number}")), message));
    }
    if let Some(budget) = &retry.budget {
        if budget.rate.0 <= 0.0 {
            return Err(tree.problem(&at("retry.budget.rate"), "a budget must have some rate"));
        }
        positive(&at("retry.budget.burst"), budget.burst, tree)?;
        shared("a retry budget", &at("retry.budget"), client, tree)?;
    }
    if let Some(breaker) = &client.breaker {
        positive(&at("breaker.failures"), breaker.failures, tree)?;
        if breaker.open_for == Nanos::ZERO {
            return Err(tree.problem(&at("breaker.open_for"), "a breaker must stay open for some time"));
        }
        shared("a breaker", &at("breaker"), client, tree)?;
    }
    if client.connect_gate {
        shared("a connect gate", &at("connect_gate"), client, tree)?;
    }
    Ok(())
}

/// What the sessions of a host share needs hosts.
fn shared(what: &str, path: &str, client: &Config, tree: &Tree) -> Result<(), Problem> {
    if client.hosts.is_some() {
        return Ok(());
    }
    let message = format!("{what} is shared by the sessions of a host, and here each session is its own");
    Err(tree.problem(path, message).with_help("write hosts = N for the group, or leave this out"))
}

fn delays(retry: &Retry, path: &str, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("{path}.{key}");
    let wrong = |key: &str, message: &str| Err(tree.problem(&at(key), message));
    if !(retry.factor.is_finite() && retry.factor >= 1.0) {
        return wrong(
            "factor",
            &format!("factor {}: it must be a number from 1 on, so that delays grow", retry.factor),
        );
    }
    let takes =
        |time: Nanos| move |plus: &Option<Distribution>| plus.as_ref().is_some_and(|plus| !is_always_below(plus, time));
    let takes_time = takes(Nanos(1));
    let is_endless = retry.attempts.is_none();
    match retry.policy {
        // These have no delays, and their own.
        Policy::None | Policy::Chromium => return Ok(()),
        Policy::List => {
            return match retry.delays.last() {
                None => {
                    wrong("delays", "a list without delays: write them, such as delays = [\"0s\", \"2s\", \"10s\"]")
                }
                Some(&Nanos::ZERO) if !takes_time(&retry.plus) => {
                    let last = format!("delays.{}", retry.delays.len() - 1);
                    wrong(
                        &last,
                        "the last delay, which is every further one, is zero: retries would follow at once, for ever",
                    )
                }
                Some(last) if is_endless && *last < SHORTEST_PERIOD && !takes(SHORTEST_PERIOD)(&retry.plus) => {
                    let place = format!("delays.{}", retry.delays.len() - 1);
                    wrong(
                        &place,
                        &format!(
                            "{last} is every further delay: retries without limit have at least {SHORTEST_PERIOD}"
                        ),
                    )
                }
                Some(_) => Ok(()),
            };
        }
        _ if retry.base == Nanos::ZERO && !takes_time(&retry.base_plus) && !takes_time(&retry.plus) => {
            return wrong("base", "a base of zero: retries would follow at once, for ever");
        }
        // Delays that never grow to it.
        policy
            if is_endless
                && (retry.base < SHORTEST_PERIOD && (policy == Policy::Fixed || retry.factor == 1.0)
                    || retry.cap < SHORTEST_PERIOD && policy != Policy::Fixed)
                && ![&retry.base_plus, &retry.plus].into_iter().any(takes(SHORTEST_PERIOD)) =>
        {
            let key = if retry.base < SHORTEST_PERIOD { "base" } else { "cap" };
            let given = if key == "base" { retry.base } else { retry.cap };
            let message = format!("{key} {given}: the delays of retries without limit have at least {SHORTEST_PERIOD}");
            return wrong(key, &message);
        }
        _ => {}
    }
    if retry.policy == Policy::DecorrelatedJitter && retry.cap > MAX_DECORRELATED {
        return wrong("cap", &format!("cap {}: decorrelated jitter takes at most {MAX_DECORRELATED}", retry.cap));
    }
    if retry.base > retry.cap && retry.policy != Policy::Fixed {
        let message = format!("cap {} is below base {}", retry.cap, retry.base);
        return Err(if tree.has(&at("cap")) {
            tree.problem(&at("cap"), message)
        } else {
            let problem = tree.problem(&at("base"), message);
            problem.with_help(format!("{} is the cap where none is written", retry.cap))
        });
    }
    Ok(())
}
