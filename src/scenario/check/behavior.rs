//! What servers answer: keys that mean nothing, redirects that lead nowhere, behaviors that are never shown.

use super::{Problem, Tree, valid_path};
use crate::server::{BehaviorConfig, Kind, LocationForm, PickMember, When};
use crate::time::Nanos;

/// The most reports that a redirector asks for in a run: past that, they are all that happens.
const MAX_REPORTS: u64 = 10_000_000;

/// Where a behavior is written: a list of them is optional for one.
pub(super) fn place(server: &str, number: usize, tree: &Tree) -> String {
    let listed = format!("servers.{server}.behavior.{number}");
    if tree.has(&listed) { listed } else { format!("servers.{server}.behavior") }
}

/// Checks the behaviors of a server group.
pub(super) fn check(server: &str, behaviors: &[BehaviorConfig], run: Nanos, tree: &Tree) -> Result<(), Problem> {
    for (number, behavior) in behaviors.iter().enumerate() {
        one(behavior, &place(server, number, tree), run, tree)?;
    }
    let unconditional = behaviors.iter().position(|behavior| behavior.when.as_ref().is_none_or(is_empty));
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

fn one(behavior: &BehaviorConfig, path: &str, run: Nanos, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("{path}.{key}");
    let wrong = |key: &str, message: String| Err(tree.problem(&at(key), message));
    let redirect = behavior.kind == Kind::Redirect;
    let reject = behavior.kind == Kind::Reject;
    let given = [
        ("to", behavior.to.is_some(), redirect, "redirect"),
        ("pick", behavior.pick.is_some(), redirect, "redirect"),
        ("location", behavior.location.is_some(), redirect, "redirect"),
        ("path", behavior.path.is_some(), redirect, "redirect"),
        ("report_every", behavior.report_every.is_some(), redirect, "redirect"),
        ("status", behavior.status.is_some(), redirect || reject, "redirect\" or \"reject"),
        ("retry_after", behavior.retry_after.is_some(), reject, "reject"),
    ];
    if let Some((key, .., kinds)) = given.iter().find(|(_, given, fits, _)| *given && !fits) {
        return Err(tree.problem_at_key(&at(key), format!("`{key}` belongs to kind = \"{kinds}\" only")));
    }
    if let Some(status) = behavior.status {
        let fits = if redirect { [301, 302, 303, 307, 308].contains(&status) } else { (200..=599).contains(&status) };
        if !fits {
            let known = if redirect { "301, 302, 303, 307 or 308" } else { "200 to 599" };
            return wrong("status", format!("status {status}: it must be {known}"));
        }
    }
    if let Some(after) = behavior.retry_after
        && (after.0 % 1_000_000_000 != 0 || after > Nanos::from_secs(u64::from(u32::MAX)))
    {
        return wrong("retry_after", "Retry-After is in whole seconds (RFC 9110 section 10.2.3)".into());
    }
    if redirect {
        redirects_somewhere(behavior, path, run, tree)?;
    }
    if let Some(when) = &behavior.when {
        applies_sometimes(when, &at("when"), run, tree)?;
    }
    Ok(())
}

fn redirects_somewhere(behavior: &BehaviorConfig, path: &str, run: Nanos, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("{path}.{key}");
    let wrong = |key: &str, message: &str| Err(tree.problem(&at(key), message));
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

fn applies_sometimes(when: &When, path: &str, run: Nanos, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("{path}.{key}");
    let wrong = |key: &str, message: String| Err(tree.problem(&at(key), message));
    if let Some(after) = when.after
        && after >= run
    {
        return wrong("after", format!("applies from {after} on, but the run ends at {run}"));
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
