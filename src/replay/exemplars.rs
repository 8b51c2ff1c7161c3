//! Examples out of a run: the sessions that took longest, and some that failed. Chosen by all events of the run, told
//! from a second one that listens to them; a line of JSON each, of bounded length.

use serde_json::{Map, Value as Json, json};

use super::events::Names;
use super::sequence::{End, Row, SequenceDiagram};
use super::trace::Trace;
use crate::client::{self, Outcome};
use crate::event::{Event, Kind};
use crate::record::Recorder;
use crate::scenario::Scenario;
use crate::time::{Nanos, Timestamp};

/// Sessions that opened, the slowest first.
const SLOWEST: usize = 3;
/// Sessions that never opened, in order of arrival.
const NEVER: usize = 2;
/// Ways to fail of which there is an example each.
const WAYS: usize = 5;
/// Rows of a diagram, and events, that are kept: from the beginning, and from the end.
const KEPT: (usize, usize) = (120, 40);

/// A session that is worth a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exemplar {
    /// Its client group's number.
    pub group: u16,
    /// Its number in the group.
    pub index: u32,
    /// The driver's number for it.
    pub session: u32,
    /// Its scheduled start.
    pub from: Timestamp,
    /// When the last of what it is an example of happened; never, where that took the whole run.
    pub until: Timestamp,
    /// What it is an example of: `slowest`, `never_opened`, `gave_up`, or the name of an [`Outcome`].
    pub why: Vec<&'static str>,
}

/// Chooses among all sessions of a run: 16 bytes each.
#[derive(Debug, Default)]
pub struct Chooser {
    sessions: Vec<Seen>,
    /// The slowest that opened: time to open, and the driver's number; the slowest first, else in order of opening.
    slowest: Vec<(Nanos, u32)>,
    /// The first session that failed in each way.
    failed: [Option<(u32, Timestamp)>; Outcome::ALL.len()],
    gave_up: Option<(u32, Timestamp)>,
}

/// A session, by the driver's number for it.
#[derive(Debug, Clone, Copy)]
struct Seen {
    scheduled: Timestamp,
    index: u32,
    group: u16,
    opened: bool,
}

impl Chooser {
    /// The sessions that it came to.
    pub fn chosen(&self) -> Vec<Exemplar> {
        let mut chosen: Vec<Exemplar> = Vec::new();
        let mut add = |session: u32, why: &'static str, until: Timestamp| {
            let Some(seen) = self.sessions.get(session as usize) else { return };
            let Seen { group, index, scheduled: from, .. } = *seen;
            match chosen.iter_mut().find(|other| other.session == session) {
                Some(known) => {
                    known.why.push(why);
                    known.until = known.until.max(until);
                }
                None => chosen.push(Exemplar { group, index, session, from, until, why: vec![why] }),
            }
        };
        for (took, session) in &self.slowest {
            add(*session, "slowest", self.sessions[*session as usize].scheduled + *took);
        }
        let never = (0..).zip(&self.sessions).filter(|(_, seen)| !seen.opened);
        never.take(NEVER).for_each(|(session, _)| add(session, "never_opened", Timestamp::NEVER));
        let ways = Outcome::ALL.iter().zip(self.failed).filter_map(|(way, found)| Some((way.name(), found?)));
        ways.take(WAYS).for_each(|(way, (session, at))| add(session, way, at));
        self.gave_up.into_iter().for_each(|(session, at)| add(session, "gave_up", at));
        chosen
    }
}

impl Recorder for Chooser {
    fn record(&mut self, event: &Event) {
        let Kind::Session(session, kind) = event.kind else { return };
        match kind {
            client::Event::Scheduled { group, index } if session as usize == self.sessions.len() => {
                self.sessions.push(Seen { scheduled: event.at, index, group, opened: false });
            }
            client::Event::Opened { .. } => {
                let Some(seen) = self.sessions.get_mut(session as usize).filter(|seen| !seen.opened) else { return };
                seen.opened = true;
                let took = event.at.since(seen.scheduled);
                if self.slowest.len() < SLOWEST || self.slowest.last().is_some_and(|(least, _)| took > *least) {
                    let place = self.slowest.partition_point(|(other, _)| *other >= took);
                    self.slowest.insert(place, (took, session));
                    self.slowest.truncate(SLOWEST);
                }
            }
            client::Event::AttemptFailed { failure, .. } => {
                self.failed[failure.outcome() as usize].get_or_insert((session, event.at));
            }
            client::Event::GaveUp => {
                self.gave_up.get_or_insert((session, event.at));
            }
            _ => {}
        }
    }
}

/// Whether all examples have come to rest: have shown what they are examples of, and are open, ended, or have given up.
#[derive(Debug)]
pub struct Rest {
    /// By the driver's number.
    sessions: Vec<(u32, bool)>,
    until: Timestamp,
}

impl Rest {
    /// Of these sessions.
    pub fn new(chosen: &[Exemplar]) -> Rest {
        let until = chosen.iter().map(|exemplar| exemplar.until).max().unwrap_or(Timestamp::ZERO);
        Rest { sessions: chosen.iter().map(|exemplar| (exemplar.session, false)).collect(), until }
    }

    /// Whether they have, by now.
    pub fn has_come(&self, now: Timestamp) -> bool {
        now > self.until && self.sessions.iter().all(|(_, rests)| *rests)
    }
}

impl Recorder for Rest {
    fn record(&mut self, event: &Event) {
        let Kind::Session(session, kind) = event.kind else { return };
        let Some((_, rests)) = self.sessions.iter_mut().find(|(other, _)| *other == session) else { return };
        *rests = match kind {
            client::Event::Opened { .. } | client::Event::Ended | client::Event::GaveUp => true,
            client::Event::HeartbeatAnswered { .. } => *rests,
            _ => false,
        };
    }
}

/// A line of JSON for each: its diagram's rows, and its events as `replay --format jsonl` writes them. Times are
/// nanoseconds, those of the diagram since the session's scheduled start. `cut`: the traces end before the run does.
pub fn exemplars(scenario: &Scenario, chosen: &[Exemplar], traces: &[Trace], cut: bool) -> String {
    let mut text = String::new();
    for exemplar in chosen {
        let whose = |trace: &&Trace| (trace.group, trace.index) == (exemplar.group, exemplar.index);
        let Some(trace) = traces.iter().find(whose) else { continue };
        text += &line(scenario, exemplar, trace, cut).to_string();
        text.push('\n');
    }
    text
}

fn line(scenario: &Scenario, exemplar: &Exemplar, trace: &Trace, cut: bool) -> Json {
    let mut diagram = SequenceDiagram::new(scenario, None, trace);
    if cut {
        // That is not the run's end.
        diagram.rows.pop();
        diagram.rows.push(Row::More("... and so on ...".into()));
    }
    let mut names = Names::new(scenario);
    let opened = trace.events.iter().find(|event| matches!(event.kind, Kind::Session(_, client::Event::Opened { .. })));
    let own = trace.events.iter().filter(|event| !matches!(event.kind, Kind::Fault(..)));
    let own: Vec<&Event> = own.collect();
    names.tell(exemplar.session, (trace.group, trace.index));
    let read = |event: &&Event| serde_json::from_str(&names.line(event)).unwrap_or(Json::Null);
    let events: Vec<Json> = own.iter().map(read).collect();
    let rows: Vec<Json> = diagram.rows.iter().map(row).collect();
    json!({
        "session": diagram.session,
        "why": exemplar.why,
        "scheduled_ns": diagram.scheduled.0,
        "time_to_open_ns": opened.map(|event| event.at.since(diagram.scheduled).0),
        "hosts": diagram.hosts,
        "diagram": shortened(rows, |left_out| json!({ "more": format!("... {left_out} rows ...") })),
        "events": shortened(events, |left_out| json!({ "left_out": left_out })),
    })
}

fn row(row: &Row) -> Json {
    match row {
        Row::Arrow { left, end, from, to, label } => {
            let mut object = Map::new();
            object.insert("left_ns".into(), json!(left));
            match end {
                End::At(at) => object.insert("arrives_ns".into(), json!(at)),
                End::Lost => object.insert("fate".into(), json!("lost")),
                End::Unanswered => object.insert("fate".into(), json!("no answer")),
                End::UnderWay => object.insert("fate".into(), json!("under way")),
            };
            object.insert("from".into(), json!(from));
            object.insert("to".into(), json!(to));
            object.insert("message".into(), json!(label));
            Json::Object(object)
        }
        Row::Note { at, text, fault: false } => json!({ "at_ns": at, "note": text }),
        Row::Note { at, text, fault: true } => json!({ "at_ns": at, "fault": text }),
        Row::More(what) => json!({ "more": what }),
        Row::Gap => json!({ "gap": true }),
    }
}

/// The beginning and the end of what is too long.
fn shortened(mut all: Vec<Json>, left_out: impl Fn(usize) -> Json) -> Vec<Json> {
    let (first, last) = KEPT;
    if all.len() > first + last + 1 {
        let rest = all.split_off(all.len() - last);
        let count = all.len() - first;
        all.truncate(first);
        all.push(left_out(count));
        all.extend(rest);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Failure;

    fn record(chooser: &mut Chooser, ms: u64, session: u32, kind: client::Event) {
        chooser.record(&Event { at: Timestamp(ms * 1_000_000), seq: 0, kind: Kind::Session(session, kind) });
    }

    #[test]
    fn the_slowest_the_never_open_and_one_of_each_way_to_fail() {
        let mut chooser = Chooser::default();
        for session in 0..8 {
            record(&mut chooser, 0, session, client::Event::Scheduled { group: 1, index: 100 + session });
        }
        for (session, ms) in [(0, 10), (1, 50), (2, 20), (3, 50), (4, 30), (5, 5)] {
            record(&mut chooser, ms, session, client::Event::Opened { connection: 1, endpoint: 0 });
            // Open for a second time: that is not its time to open.
            record(&mut chooser, 900, session, client::Event::Opened { connection: 2, endpoint: 0 });
        }
        for (session, failure) in [(6, Failure::Refused), (7, Failure::Refused), (5, Failure::Reset)] {
            record(&mut chooser, 60, session, client::Event::AttemptFailed { connection: 1, failure });
        }
        record(&mut chooser, 70, 6, client::Event::GaveUp);
        let chosen: Vec<(u32, String)> =
            chooser.chosen().into_iter().map(|exemplar| (exemplar.index, exemplar.why.join(" "))).collect();
        let expected = [
            (101, "slowest"),
            (103, "slowest"),
            (104, "slowest"),
            (106, "never_opened refused gave_up"),
            (107, "never_opened"),
            (105, "reset"),
        ];
        assert_eq!(chosen, expected.map(|(index, why)| (index, why.to_string())));
    }

    #[test]
    fn what_is_too_long_keeps_both_ends() {
        let all = |count: usize| (0..count).map(|n| json!(n)).collect::<Vec<_>>();
        assert_eq!(shortened(all(161), |_| json!("x")), all(161));
        let kept = shortened(all(1_000), |count| json!(format!("{count} left out")));
        assert_eq!(kept.len(), 161);
        assert_eq!((&kept[119], &kept[120], &kept[121]), (&json!(119), &json!("840 left out"), &json!(960)));
    }
}
