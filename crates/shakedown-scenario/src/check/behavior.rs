//! What servers answer: keys that mean nothing, redirects that lead nowhere, behaviors that are never shown.

use super::super::path::segment;
use super::super::problem::{listed, ticked};
use super::{Problem, Tree, response_flaws, valid_path};
use shakedown_core::http::auth::Login;
use shakedown_core::server::{BehaviorKind as Kind, LocationForm, PickMember, Scheme, When};
use shakedown_core::time::Nanos;

use crate::draft::Draft;
use crate::machines::BehaviorToml;

/// The most reports that a redirector asks for in a run: past that, they are all that happens.
const MAX_REPORTS: u64 = 10_000_000;

/// The largest weight of a redirect's target.
const MAX_WEIGHT: u32 = 1_000_000;

/// Where a behavior is written: a list of them is optional for one.
pub(crate) fn place(server: &str, number: usize, tree: &Tree) -> String {
    let listed = format!("servers.{server}.behavior.{number}");
    if tree.has(&listed) { listed } else { format!("servers.{server}.behavior") }
}

/// Checks the behaviors of a server group.
pub(super) fn check(server: &str, behaviors: &[BehaviorToml], run: Nanos, tree: &Tree) -> Result<(), Problem> {
    for (number, behavior) in behaviors.iter().enumerate() {
        one(behavior, &place(server, number, tree), run, tree)?;
    }
    let hides = |behavior: &BehaviorToml| {
        // Whoever has the credentials comes past a challenge.
        behavior.kind != Kind::Challenge && behavior.when.as_ref().is_none_or(is_empty)
    };
    let unconditional = behaviors.iter().position(hides);
    match unconditional {
        Some(number) if number + 1 < behaviors.len() => Err(tree
            .problem(&place(server, number + 1, tree), "never shown: the behavior before it applies to every request")
            .with_help("put the one without `when` last")),
        _ => Ok(()),
    }
}

fn is_empty(when: &When) -> bool {
    *when == When::default()
}

fn one(behavior: &BehaviorToml, path: &str, run: Nanos, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("{path}.{key}");
    let wrong = |key: &str, message: String| Err(tree.problem(&at(key), message));
    let redirect = behavior.kind == Kind::Redirect;
    let reject = behavior.kind == Kind::Reject;
    let challenge = behavior.kind == Kind::Challenge;
    let given = [
        ("to", behavior.to.is_some(), redirect, "redirect"),
        ("pick", behavior.pick.is_some(), redirect, "redirect"),
        ("weights", behavior.weights.is_some(), redirect, "redirect"),
        ("hash_by", behavior.hash_by.is_some(), redirect, "redirect"),
        ("location", behavior.location.is_some(), redirect, "redirect"),
        ("path", behavior.path.is_some(), redirect, "redirect"),
        ("report_every", behavior.report_every.is_some(), redirect, "redirect"),
        ("status", behavior.status.is_some(), redirect || reject, "redirect\" or \"reject"),
        ("retry_after", behavior.retry_after.is_some(), redirect || reject, "redirect\" or \"reject"),
        ("credentials", behavior.credentials.is_some(), challenge, "challenge"),
        ("scheme", behavior.scheme.is_some(), challenge, "challenge"),
        ("algorithm", behavior.algorithm.is_some(), challenge, "challenge"),
        ("realm", behavior.realm.is_some(), challenge, "challenge"),
        ("nonce_lifetime", behavior.nonce_lifetime.is_some(), challenge, "challenge"),
        ("keep_alive", behavior.keep_alive.is_some(), redirect || challenge, "redirect\" or \"challenge"),
        ("verify", behavior.verify.is_some(), challenge, "challenge"),
    ];
    if let Some((key, .., kinds)) = given.iter().find(|(_, given, fits, _)| *given && !fits) {
        return Err(tree.problem_at_key(&at(key), format!("`{key}` belongs to kind = \"{kinds}\" only")));
    }
    if let Some(status) = behavior.status {
        let known = if redirect { 300..=399 } else { 200..=599 };
        if !known.contains(&status) {
            return wrong("status", format!("status {status}: it must be {} to {}", known.start(), known.end()));
        }
    }
    if behavior.keep_alive == Some(true) && (behavior.answer.is_some() || behavior.delivery.is_some()) {
        let message = "an answer that keeps its connection is sent as it should be";
        return Err(tree.problem(&at("keep_alive"), message).with_help("leave out `answer` and `delivery`, or this"));
    }
    if let Some(after) = behavior.retry_after
        && (after.0 % 1_000_000_000 != 0 || after > Nanos::from_secs(u64::from(u32::MAX)))
    {
        return wrong("retry_after", "Retry-After is in whole seconds (RFC 9110 section 10.2.3)".into());
    }
    if redirect {
        redirects_somewhere(behavior, path, run, tree)?;
    }
    if challenge {
        demands_what_can_be_given(behavior, path, tree)?;
    }
    response_flaws::check(behavior, path, tree)?;
    if let Some(when) = &behavior.when {
        applies_sometimes(when, &at("when"), run, tree)?;
    }
    Ok(())
}

/// Checks the demand at `path`.
pub(super) fn demands_what_can_be_given(behavior: &BehaviorToml, path: &str, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("{path}.{key}");
    let Some(login) = &behavior.credentials else {
        let help = "write credentials = { user = \"alice\", password = \"secret\" }";
        return Err(tree.problem(path, "a challenge that nobody can answer").with_help(help));
    };
    credentials(&at("credentials"), login, tree)?;
    if behavior.scheme.unwrap_or_default() != Scheme::Digest {
        let digest =
            [("algorithm", behavior.algorithm.is_some()), ("nonce_lifetime", behavior.nonce_lifetime.is_some())];
        if let Some((key, _)) = digest.iter().find(|(_, given)| *given) {
            let problem = tree.problem_at_key(&at(key), format!("`{key}` belongs to scheme = \"digest\" only"));
            return Err(problem.with_help("write scheme = \"digest\" beside it, or leave it out"));
        }
    }
    if behavior.scheme.is_some_and(Scheme::has_legs) && behavior.realm.is_some() {
        let problem = tree.problem_at_key(&at("realm"), "`realm` means nothing in a scheme of several legs");
        return Err(problem.with_help("leave it out"));
    }
    if behavior.nonce_lifetime == Some(Nanos::ZERO) {
        return Err(tree.problem(&at("nonce_lifetime"), "a nonce that is too old at once: nobody would ever pass"));
    }
    if behavior.realm.as_ref().is_some_and(|realm| !realm.bytes().all(|byte| (b' '..=b'~').contains(&byte))) {
        return Err(tree.problem(&at("realm"), "a realm is of printable ASCII"));
    }
    Ok(())
}

/// What header fields can carry (RFC 7617 section 2): no control characters, and no colon in the user's name.
pub(super) fn credentials(path: &str, login: &Login, tree: &Tree) -> Result<(), Problem> {
    let controls = |text: &str| text.chars().any(char::is_control);
    let is_wrong = |user: &str| user.is_empty() || user.contains(':') || controls(user);
    if login.user.is_known_and(is_wrong) {
        let message = "a user's name is not empty, and has neither a colon nor control characters (RFC 7617 section 2)";
        return Err(tree.problem(&format!("{path}.user"), message));
    }
    if login.password.is_known_and(controls) {
        return Err(
            tree.problem(&format!("{path}.password"), "a password has no control characters (RFC 7617 section 2)")
        );
    }
    Ok(())
}

fn redirects_somewhere(behavior: &BehaviorToml, path: &str, run: Nanos, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("{path}.{key}");
    let wrong = |key: &str, message: &str| Err(tree.problem(&at(key), message));
    let form = behavior.location.unwrap_or_default();
    if !form.leads() {
        let elsewhere = [
            ("to", behavior.to.is_some()),
            ("pick", behavior.pick.is_some()),
            ("weights", behavior.weights.is_some()),
            ("hash_by", behavior.hash_by.is_some()),
            ("path", behavior.path.is_some()),
            ("report_every", behavior.report_every.is_some()),
        ];
        if let Some((key, _)) = elsewhere.iter().find(|(_, given)| *given) {
            let message = "a Location that is missing or malformed leads nowhere";
            return Err(tree.problem_at_key(&at(key), message).with_help(format!("leave out `{key}`, or `location`")));
        }
        return Ok(());
    }
    if behavior.to.is_none() && behavior.path.is_none() {
        let help = "write to = \"GROUP\" for another server, or path = \"/other\" for the same one";
        return Err(tree.problem(path, "a redirect to nowhere").with_help(help));
    }
    if behavior.to.is_none() && behavior.pick.is_some() {
        return wrong("pick", "`pick` chooses among the members that `to` names: write `to`, or leave it out");
    }
    if behavior.to.is_some() && behavior.location == Some(LocationForm::Relative) {
        return wrong("location", "a relative Location leads to the same server: leave `to` out");
    }
    if let Some(path) = &behavior.path {
        valid_path(path, &at("path"), tree)?;
    }
    chosen_by_something(behavior, path, tree)?;
    let Some(every) = behavior.report_every else { return Ok(()) };
    if behavior.pick != Some(PickMember::LeastConnections) {
        return wrong("report_every", "only pick = \"least-connections\" asks for reports");
    }
    match run.0.checked_div(every.0) {
        None => wrong("report_every", "reports must have some time between them"),
        Some(reports) if reports > MAX_REPORTS => {
            wrong("report_every", &format!("{reports} reports in the run: the most is {MAX_REPORTS}"))
        }
        Some(_) => Ok(()),
    }
}

/// Keys of one way to choose mean nothing to the others.
fn chosen_by_something(behavior: &BehaviorToml, path: &str, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("{path}.{key}");
    let weighted = behavior.pick == Some(PickMember::Weighted);
    match &behavior.weights {
        None if weighted => {
            let help = "write weights = { \"gateway-0\" = 3 } beside it: what is not named there has 1";
            return Err(tree.problem(&at("pick"), "weighted by what?").with_help(help));
        }
        Some(_) if !weighted => {
            let problem = tree.problem_at_key(&at("weights"), "`weights` are for pick = \"weighted\"");
            return Err(problem.with_help("write pick = \"weighted\" beside it, or leave it out"));
        }
        Some(weights) if weights.is_empty() => {
            let message = "no weight at all: write { \"gateway-0\" = 3 }, or pick = \"round-robin\"";
            return Err(tree.problem(&at("weights"), message));
        }
        _ => {}
    }
    for (name, weight) in behavior.weights.iter().flatten() {
        if !(1..=MAX_WEIGHT).contains(weight) {
            let message = format!("weight {weight}: from 1 to {MAX_WEIGHT}");
            return Err(tree.problem(&at(&format!("weights.{}", segment(name))), message));
        }
    }
    if behavior.hash_by.is_some() && behavior.pick != Some(PickMember::ConsistentHash) {
        let problem = tree.problem_at_key(&at("hash_by"), "`hash_by` is for pick = \"consistent-hash\"");
        return Err(problem.with_help("write pick = \"consistent-hash\" beside it, or leave it out"));
    }
    Ok(())
}

/// Checks the names that a redirect gives weights: each must be a target, and a target's own, or its group's.
pub(super) fn weights(scenario: &Draft, behavior: &BehaviorToml, path: &str, tree: &Tree) -> Result<(), Problem> {
    let Some(weights) = &behavior.weights else { return Ok(()) };
    let to = scenario.all_endpoints(behavior.to.as_ref());
    for name in weights.keys() {
        let meant = scenario.endpoints(name).unwrap_or_default();
        if meant.is_empty() || !meant.iter().all(|endpoint| to.contains(endpoint)) {
            let targets: Vec<&str> = behavior.to.iter().flat_map(|to| &to.0).map(String::as_str).collect();
            let message = format!("{} is none of the redirect's targets", ticked(name));
            let problem = tree.problem_at_key(&format!("{path}.weights.{}", segment(name)), message);
            return Err(problem.with_help(format!("name what `to` names, or a member of it: {}", listed(targets))));
        }
    }
    Ok(())
}

fn applies_sometimes(when: &When, path: &str, run: Nanos, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("{path}.{key}");
    let wrong = |key: &str, message: String| Err(tree.problem(&at(key), message));
    if let Some(after) = when.after
        && after >= run
    {
        return wrong("after", format!("applies from {after} on, but the run ends at {run}"));
    }
    if when.first == Some(0) {
        let problem = tree.problem(&at("first"), "the first 0 requests: it never applies");
        return Err(problem.with_help("leave the behavior out, or write share = \"0%\" to switch it off"));
    }
    let after = when.after.unwrap_or_default();
    if let Some(until) = when.until
        && after >= until
    {
        return wrong("until", format!("until {until} is not later than after {after}"));
    }
    if let Some(path) = &when.path {
        valid_path(path, &at("path"), tree)?;
        if path.contains('?') {
            let problem = tree.problem(&at("path"), "requests are told apart by their path without its query");
            return Err(problem.with_help("leave out `?` and what follows"));
        }
    }
    Ok(())
}
