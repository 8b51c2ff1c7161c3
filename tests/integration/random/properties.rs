//! What holds of every run, whatever its scenario.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use serde_json::Value as Json;
use shakedown::check::Invariant;
use shakedown::client;
use shakedown::event::{Event, Kind};
use shakedown::explore::{self, report_files, write_folder};
use shakedown::handshake::Mode;
use shakedown::replay::{Chooser, Filter, SequenceDiagram, pcapng, svg, text};
use shakedown::report::page::Recorded;
use shakedown::report::{self, formats as documents, read_histogram_log};
use shakedown::run::{Finished, once, once_with};
use shakedown::scenario::{Overrides, Scenario, load};
use shakedown::time::{Nanos, Timestamp};

use super::formats;

/// Events that a scenario as small as these may have.
const MOST_EVENTS: u64 = 3_000_000;
/// Sessions that are looked at closely.
const SAMPLED: usize = 3;

/// The first property that a scenario's run does not have, in words; nothing when it has all.
pub(crate) fn broken(scenario: &Scenario, place: &Path) -> Option<String> {
    let checked = catch_unwind(AssertUnwindSafe(|| check(scenario, place)));
    match checked {
        Ok(result) => result.err(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            Some(format!(
                "panic: {}",
                text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
            ))
        }
    }
}

fn check(scenario: &Scenario, place: &Path) -> Result<(), String> {
    let mut events: Vec<Event> = Vec::new();
    let mut chooser = Chooser::default();
    let finished = once_with(scenario, &mut (&mut events, &mut chooser), |progress| progress.events < MOST_EVENTS);
    let finished = finished.map_err(|error| format!("bounded: {error}"))?;
    if finished.partial {
        return Err(format!("bounded: more than {MOST_EVENTS} events"));
    }
    same_again(scenario, &finished)?;
    in_order(scenario, &events, &finished)?;
    sessions_add_up(scenario, &events, &finished)?;
    series_add_up(scenario, &finished)?;
    replay_agrees(scenario, &events, &chooser)?;
    is_written(scenario, &finished, place)
}

/// The digest is that of any other run of it: again, resolved, written out, with another title and no expectations.
fn same_again(scenario: &Scenario, finished: &Finished) -> Result<(), String> {
    let digest = |scenario: &Scenario| {
        once(scenario, |_| true).map(|finished| finished.digest).map_err(|error| error.to_string())
    };
    let same = |what: &str, scenario: &Scenario| match digest(scenario)? {
        now if now == finished.digest => Ok(()),
        now => Err(format!("digest {what}: {} is {now}", finished.digest)),
    };
    same("of a second run", scenario)?;
    let read = |what: &str, text: &str, sets: &[&str]| {
        let sets = sets.iter().map(|set| set.to_string()).collect();
        load("again", scenario.name(), text, &Overrides { sets, ..Overrides::default() })
            .map_err(|problem| format!("{what}: {problem}"))
    };
    let resolved = read("resolved", scenario.resolved(), &[])?;
    if resolved.resolved() != scenario.resolved() {
        return Err("resolved: another text when it is resolved again".into());
    }
    same("as resolved", &resolved)?;
    same("written out", &read("written out", scenario.written_out(), &[])?)?;
    let changes = ["title=\"Another\"", "expect={}", "sometimes={}"];
    same("with another title and no expectations", &read("with another title", scenario.resolved(), &changes)?)
}

/// Events are numbered, and time only passes; no invariant breaks that holds whatever a scenario does.
fn in_order(scenario: &Scenario, events: &[Event], finished: &Finished) -> Result<(), String> {
    let end = Timestamp::ZERO + scenario.duration();
    for (number, pair) in events.windows(2).enumerate() {
        if pair[0].at > pair[1].at || pair[1].seq != pair[0].seq + 1 {
            return Err(format!("order: event {} after {}", number + 1, number));
        }
    }
    if events.len() as u64 != finished.events || events.last().is_some_and(|event| event.at > end) {
        return Err(format!("order: {} events are told, {} were recorded", finished.events, events.len()));
    }
    let always = [Invariant::MonotoneTime, Invariant::OneOpenConnection, Invariant::EndIsFinal];
    match finished.violations.iter().find(|violation| always.contains(&violation.invariant)) {
        Some(violation) => Err(format!("invariant {}: {}", violation.invariant.name(), violation.what)),
        None => Ok(()),
    }
}

/// Each attempt ends once or is under way; what opens is lost, ends, or is open at the end.
fn sessions_add_up(scenario: &Scenario, events: &[Event], finished: &Finished) -> Result<(), String> {
    #[derive(Default)]
    struct Session {
        under_way: i64,
        open: i64,
        begun: bool,
    }
    let mut sessions: BTreeMap<u32, Session> = BTreeMap::new();
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for event in events {
        let Kind::Session(number, kind) = event.kind else { continue };
        let session = sessions.entry(number).or_default();
        let what = match kind {
            // A lookup is the beginning of the attempt that follows it.
            client::Event::Resolving { .. } => {
                if std::mem::replace(&mut session.begun, true) {
                    continue;
                }
                session.under_way += 1;
                "attempts.total"
            }
            // After a lookup or a challenge the attempt has begun already, be it on another connection.
            client::Event::AttemptStarted { .. } | client::Event::AskedAgain { .. }
                if std::mem::take(&mut session.begun) =>
            {
                continue;
            }
            client::Event::AttemptStarted { .. } | client::Event::AskedAgain { .. } => {
                session.under_way += 1;
                "attempts.total"
            }
            client::Event::Opened { .. } => {
                session.under_way -= 1;
                session.begun = false;
                session.open += 1;
                "attempts.opened"
            }
            client::Event::AttemptFailed { .. } => {
                session.under_way -= 1;
                session.begun = false;
                "failed"
            }
            client::Event::Redirected { .. } => {
                session.under_way -= 1;
                session.begun = false;
                "attempts.redirected"
            }
            // One ends, and the next begins at once.
            client::Event::Challenged { .. } | client::Event::ProxyChallenged { .. } => {
                session.begun = true;
                "attempts.total"
            }
            client::Event::Lost { .. } => {
                session.open -= 1;
                "lost.total"
            }
            client::Event::Ended => {
                session.open = 0;
                "sessions.ended"
            }
            client::Event::HeartbeatAnswered { .. } => "heartbeats.answered",
            _ => continue,
        };
        *counts.entry(what).or_default() += 1;
        if !(0..=1).contains(&session.under_way) || !(0..=1).contains(&session.open) {
            let Session { under_way, open, .. } = session;
            return Err(format!(
                "sessions: {under_way} attempts under way and {open} open of session {number}, after {kind:?}"
            ));
        }
    }
    let pending: i64 = sessions.values().map(|session| session.under_way).sum();
    let measure = scenario.measure();
    let whole = measure.from == Nanos::ZERO && measure.until == scenario.duration();
    for (path, counted) in counts.iter().filter(|(path, _)| path.contains('.')) {
        let Some(measured) = finished.measured.summary.get(path) else { continue };
        let measured = counted_by(&measured);
        // Where a part of the run is measured, it has no more than all of it.
        if measured.is_some_and(|measured| measured > *counted || whole && measured < *counted) {
            return Err(format!("metrics: {path} is {measured:?}, {counted} events"));
        }
    }
    if let Some(measured) = finished.measured.summary.get("attempts.pending").and_then(|value| counted_by(&value))
        && measured as i64 > pending
    {
        return Err(format!("metrics: {measured} attempts are pending, {pending} by the events"));
    }
    Ok(())
}

fn counted_by(value: &shakedown::metrics::Value) -> Option<u64> {
    match value {
        shakedown::metrics::Value::Count(count) | shakedown::metrics::Value::Part { count, .. } => Some(*count),
        _ => None,
    }
}

/// Intervals are the whole run, one after the other, and each list has one entry for each.
fn series_add_up(scenario: &Scenario, finished: &Finished) -> Result<(), String> {
    let series = &finished.measured.series;
    let count = series.ends.len();
    if series.ends.windows(2).any(|pair| pair[0] >= pair[1])
        || series.ends.last().is_some_and(|end| *end > Timestamp::ZERO + scenario.duration())
    {
        return Err("series: intervals are not one after the other".into());
    }
    let lists = [
        series.sessions_open.len(),
        series.sessions_wanted.len(),
        series.availability.len(),
        series.time_to_open.len(),
    ];
    let servers = series
        .servers
        .iter()
        .flat_map(|server| [server.arrivals.len(), server.open_connections.len(), server.utilisation.len()]);
    if lists.into_iter().chain(servers).any(|length| length != count) {
        return Err("series: a list has not one entry for each interval".into());
    }
    let utilised = series.servers.iter().flat_map(|server| &server.utilisation);
    match utilised.copied().find(|share| !(0.0..=1.000_001).contains(share)) {
        Some(share) => Err(format!("series: utilisation {share}")),
        None => Ok(()),
    }
}

/// What is heard of a session in a run that is made for it is what happened in the run.
fn replay_agrees(scenario: &Scenario, events: &[Event], chooser: &Chooser) -> Result<(), String> {
    let chosen = chooser.chosen();
    let sessions: Vec<(u16, u32)> = chosen.iter().take(SAMPLED).map(|one| (one.group, one.index)).collect();
    let traces = explore::trace(scenario, &sessions);
    for trace in &traces {
        let exemplar = chosen.iter().find(|one| (one.group, one.index) == (trace.group, trace.index));
        let number = exemplar.map(|one| one.session);
        let of = |event: &&Event| matches!(event.kind, Kind::Session(session, _) if Some(session) == number);
        let (here, there): (Vec<&Event>, Vec<&Event>) =
            (trace.events.iter().filter(of).collect(), events.iter().filter(of).collect());
        if here != there {
            return Err(format!("replay: {} events of session {number:?}, {} in the run", here.len(), there.len()));
        }
        let diagram = SequenceDiagram::new(scenario, None, trace);
        if text(&diagram).lines().any(|line| line.chars().count() > 200) {
            return Err("replay: a line of a diagram is longer than 200".into());
        }
        formats::markup(&svg(&diagram)).map_err(|error| format!("replay: svg: {error}"))?;
    }
    let http = |(group, _): &(u16, u32)| scenario.clients()[usize::from(*group)].mode != Mode::ExtendedConnect;
    if !traces.is_empty() && sessions.iter().all(http) {
        formats::pcapng(&pcapng(scenario, None, &traces)).map_err(|error| format!("replay: pcapng: {error}"))?;
    }
    let mut perfetto = Vec::new();
    explore::perfetto(scenario, &sessions, &mut perfetto).map_err(|error| error.to_string())?;
    json("perfetto", &perfetto)?;
    let mut lines = Vec::new();
    explore::events(scenario, Filter::default(), &mut lines).map_err(|error| error.to_string())?;
    let count = json_lines("events.jsonl", &lines)?;
    if count != events.len() {
        return Err(format!("replay: {count} lines of {} events", events.len()));
    }
    if let Some(lines) = explore::exemplars(scenario, &chosen, |_| true) {
        json_lines("exemplars.jsonl", &lines)?;
    }
    Ok(())
}

fn json(what: &str, bytes: &[u8]) -> Result<Json, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("{what}: {error}"))
}

fn json_lines(what: &str, bytes: &[u8]) -> Result<usize, String> {
    let lines = std::str::from_utf8(bytes).map_err(|error| format!("{what}: {error}"))?.lines();
    let read: Result<Vec<Json>, String> = lines.map(|line| json(what, line.as_bytes())).collect();
    Ok(read?.len())
}

/// Every file and document that is written can be read.
fn is_written(scenario: &Scenario, finished: &Finished, place: &Path) -> Result<(), String> {
    let files = report::files(&finished.run(scenario, None)).map_err(|error| format!("files: {error}"))?;
    let folder = place.join("random");
    let _ = std::fs::remove_dir_all(&folder);
    write_folder(&folder, &files).map_err(|error| format!("files: {error}"))?;
    for entry in std::fs::read_dir(&folder).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        let bytes = std::fs::read(&path).map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&bytes);
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("json") => drop(json(&name, &bytes)?),
            Some("csv") => formats::csv(&said).map_err(|error| format!("{name}: {error}"))?,
            Some("svg" | "html") => formats::markup(&said).map_err(|error| format!("{name}: {error}"))?,
            Some("hlog") => drop(read_histogram_log(&bytes).map_err(|error| format!("{name}: {error}"))?),
            other => return Err(format!("{name}: nothing here reads {other:?}")),
        }
    }
    let recorded = report_files(&folder)?;
    let recorded = || Recorded(&recorded);
    documents::markdown(recorded()).map_err(|error| format!("markdown: {error}"))?;
    let csv = documents::csv(recorded()).map_err(|error| format!("csv: {error}"))?;
    formats::csv(&csv).map_err(|error| format!("csv: {error}"))?;
    let junit = documents::junit(recorded()).map_err(|error| format!("junit: {error}"))?;
    formats::markup(&junit).map_err(|error| format!("junit: {error}"))?;
    let openmetrics = documents::openmetrics(recorded()).map_err(|error| format!("openmetrics: {error}"))?;
    formats::openmetrics(&openmetrics).map_err(|error| format!("openmetrics: {error}"))
}
