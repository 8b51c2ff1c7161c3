//! `shakedown profiles`.

use std::fmt::Write;

use clap::Args;
use serde_json::{Value as Json, json};

use super::output::{Failure, Format, print};
use crate::profile::{Explained, Measurement, Profile, profiles};
use crate::report::FORMAT_VERSION;
use crate::scenario::nearest;
use crate::text::{Table, pretty};

#[derive(Debug, Args)]
pub(super) struct ProfilesArgs {
    /// Print what stands behind this one: each behavior with its value, whether it was measured, and the cases that show it
    #[arg(long, value_name = "PROFILE")]
    explain: Option<String>,
    /// What to print on standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn run(args: &ProfilesArgs) -> Result<(), Failure> {
    let mut all = profiles();
    if let Some(name) = &args.explain {
        let Some(profile) = all.remove(name) else { return Err(Failure::Input(unknown(name, &all))) };
        return match args.format {
            Format::Text => print(&explained(name, &profile)),
            Format::Json => {
                let mut explained = document(&profile);
                explained["behaviors"] = behaviors(name, &profile);
                print(&pretty(&json!({ "format_version": FORMAT_VERSION, name: explained })))
            }
        };
    }
    match args.format {
        Format::Text => print(&table(&all)),
        Format::Json => {
            let profiles: serde_json::Map<String, Json> =
                all.iter().map(|(name, profile)| (name.clone(), document(profile))).collect();
            print(&pretty(&json!({ "format_version": FORMAT_VERSION, "profiles": profiles })))
        }
    }
}

fn unknown(name: &str, all: &std::collections::BTreeMap<String, Profile>) -> String {
    let known = || all.keys().map(String::as_str);
    let help = match nearest(name, known()) {
        Some(near) => format!("the nearest known profile is `{near}`"),
        None => format!("known profiles: {}", known().collect::<Vec<_>>().join(", ")),
    };
    format!("error: unknown profile `{name}`\n  = help: {help}")
}

fn document(profile: &Profile) -> Json {
    json!({ "version": profile.version, "facts": profile.facts, "keys": profile.keys })
}

/// What is known of each behavior, and from which cases.
fn behaviors(name: &str, profile: &Profile) -> Json {
    let case = |row: &Measurement| {
        json!({
            "client": row.client,
            "version": row.version,
            "case": row.case,
            "outcome": row.outcome,
            "requests": row.requests,
            "connections": row.connections,
            "seconds": row.seconds,
            "unlike": row.unlike,
        })
    };
    let behavior = |explained: &Explained| {
        json!({
            "key": explained.behavior.key,
            "value": explained.value,
            "default": !explained.given,
            "known": explained.known.name(),
            "cases": explained.cases.iter().map(case).collect::<Vec<Json>>(),
        })
    };
    profile.explain(name).iter().map(behavior).collect()
}

/// One profile: what was measured, what stands behind its keys, and each behavior with its cases.
fn explained(name: &str, profile: &Profile) -> String {
    let mut text = format!("{name}: {}\n\n", profile.version);
    for fact in &profile.facts {
        let _ = writeln!(text, "- {fact}");
    }
    let _ = write!(text, "\nprofile = \"{name}\" stands for these keys of [clients.NAME], and for their defaults:\n\n");
    for explained in profile.explain(name) {
        let default = if explained.given { "" } else { " (default)" };
        let _ =
            write!(text, "{} = {}{default}\n    {}", explained.behavior.key, explained.value, explained.known.name());
        text += &shown_by(&explained.cases);
        text.push('\n');
    }
    if let Some(findings) = profile.keys.get("known_findings") {
        let _ = writeln!(text, "known_findings = {findings}\n    what of this breaks no invariant");
    }
    text
}

/// The cases by how they came out, with what differs from one request on one connection.
fn shown_by(cases: &[Measurement]) -> String {
    let mut versions: Vec<&str> = cases.iter().map(|row| row.version).collect();
    versions.dedup();
    let mut text = if versions.is_empty() { String::new() } else { format!(" with {}", versions.join(" and ")) };
    for outcome in ["open", "error", "pending"] {
        let case = |row: &Measurement| match (row.requests, row.connections) {
            ("1", "1") => row.case.to_string(),
            (requests, connections) => format!("{} ({requests} on {connections})", row.case),
        };
        let of: Vec<String> = cases.iter().filter(|row| row.outcome == outcome).map(case).collect();
        if !of.is_empty() {
            let _ = write!(text, "\n        {outcome}: {}", of.join(", "));
        }
    }
    text
}

/// Keys of `reads` for what RFC 6455 section 4.1 says must fail.
const MUST_FAIL: [&str; 5] = ["accept_key", "upgrade", "connection", "extension", "subprotocol"];

/// All of them, a line each.
fn table(all: &std::collections::BTreeMap<String, Profile>) -> String {
    let head = ["profile", "redirects", "new key", "credentials", "timeouts", "repeats", "lax about"];
    let mut table = Table::new(head.len(), head);
    all.iter().for_each(|(name, profile)| table.row(row(name, profile)));
    table.aligned()
}

fn row(name: &str, profile: &Profile) -> [String; 7] {
    let keys = &profile.keys;
    let text = |key: &str| keys.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_string();
    let list = |key: &str| {
        let values = keys.get(key).and_then(toml::Value::as_array).into_iter().flatten();
        values.filter_map(toml::Value::as_str).collect::<Vec<_>>().join(" ")
    };
    let redirects = match keys.get("redirects").and_then(toml::Value::as_integer) {
        None | Some(0) => "none".into(),
        Some(most) => format!("{most}: {}", list("follows")),
    };
    let leaks = keys.get("credentials_across_origins").and_then(toml::Value::as_bool) == Some(true);
    let credentials = format!("{}{}", text("auth"), if leaks { ", leaked" } else { "" });
    let timeouts = [("connect_timeout", "connect"), ("handshake_timeout", "answer"), ("open_timeout", "all")];
    let timeouts: Vec<String> = timeouts
        .iter()
        .filter(|(key, _)| !["", "none"].contains(&text(key).as_str()))
        .map(|(key, what)| format!("{what} {}", text(key)))
        .collect();
    let reads = keys.get("reads").and_then(toml::Value::as_table);
    let lax: Vec<&str> = reads
        .into_iter()
        .flatten()
        .filter(|(key, value)| MUST_FAIL.contains(&key.as_str()) && matches!(value.as_str(), Some("opens" | "hangs")))
        .map(|(key, _)| key.as_str())
        .collect();
    let or_none = |text: String| if text.is_empty() { "-".into() } else { text };
    [
        name.into(),
        redirects,
        or_none(text("new_key")),
        credentials,
        or_none(timeouts.join(", ")),
        or_none(list("repeats_after")),
        or_none(lax.join(" ")),
    ]
}
