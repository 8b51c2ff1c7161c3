//! Invariants: conditions that every run must meet, whatever the scenario expects.
//!
//! They are checked from events alone, beside the metrics. A violation has a name, a sentence, and a time.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conservation::{Conservation, Missing};
use crate::client;
use crate::event::{Event, Kind};
use crate::record::Recorder;
use crate::server;
use crate::time::{Nanos, Timestamp, human};

/// `[invariants]`: the bounds that only the scenario can state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", schemars(rename = "Invariants"))]
pub struct Config {
    /// This long after the last fault began or healed, every session that wants a connection has one.
    pub open_within: Nanos,
}

/// A condition that every run must meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Invariant {
    /// Time never goes backward, and no event is skipped.
    MonotoneTime,
    /// No session is open twice.
    OneOpenConnection,
    /// Nothing happens to a session after its end.
    EndIsFinal,
    /// No server accepts a client without the credentials that it demands.
    Authentication,
    /// There is no finding that no client of the run is known for.
    KnownFindings,
    /// After the last fault and the stated bound, every session that wants a connection has one.
    Liveness,
    /// After the same bound, a server's connections are those that its peers have with it.
    Conservation,
}

impl Invariant {
    /// Every invariant.
    pub const ALL: [Invariant; 7] = [
        Invariant::MonotoneTime,
        Invariant::OneOpenConnection,
        Invariant::EndIsFinal,
        Invariant::Authentication,
        Invariant::KnownFindings,
        Invariant::Liveness,
        Invariant::Conservation,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Invariant::MonotoneTime => "monotone-time",
            Invariant::OneOpenConnection => "one-open-connection",
            Invariant::EndIsFinal => "end-is-final",
            Invariant::Authentication => "authentication",
            Invariant::KnownFindings => "known-findings",
            Invariant::Liveness => "liveness",
            Invariant::Conservation => "conservation",
        }
    }

    /// What it says.
    pub fn sentence(self) -> &'static str {
        match self {
            Invariant::MonotoneTime => "time never goes backward, and no event is skipped",
            Invariant::OneOpenConnection => "no session has two open connections",
            Invariant::EndIsFinal => "nothing happens to a session after its end",
            Invariant::Authentication => "no server lets in who has not shown the credentials that it demands",
            Invariant::KnownFindings => "nothing is found that no client of the run is known for",
            Invariant::Liveness => "every session that wants a connection has one, so long after the last fault",
            Invariant::Conservation => {
                "a server's connections are those that others have with it, so long after the last fault"
            }
        }
    }
}

/// A violated invariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// When it was seen.
    pub at: Timestamp,
    /// The event that violated it, if there is one: its index in the run, `seq` in `events.jsonl`.
    pub event: Option<u64>,
    /// The affected session, if there is one: the index of its client group, and its own index there.
    pub session: Option<(u16, u32)>,
    /// What was seen.
    pub what: String,
    /// In which way it was violated, where there are several: without sizes, times and numbers of members.
    pub way: String,
}

/// The first occurrence of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct First {
    /// What: as in metrics.
    pub name: &'static str,
    /// When.
    pub at: Timestamp,
    /// The index of the event.
    pub event: u64,
    /// The session that found it, if one did.
    pub session: Option<(u16, u32)>,
}

/// What was found in a run that should not be, by name and how often, compared with what its clients are known for.
/// `firsts`: the events that say so, the first of each.
///
/// A finding that a client is known for can only fail an expectation, because a scenario may measure its effect. A
/// finding that no client is known for is a mistake of the scenario, or of this program. So is every finding of a server.
pub fn findings(
    found: &[(&'static str, u64)],
    known: impl Fn(&str) -> bool,
    firsts: &[First],
    end: Timestamp,
) -> Vec<Violation> {
    let violation = |(name, count): &(&'static str, u64)| {
        let name = *name;
        let (invariant, what) = match name {
            _ if *count == 0 => return None,
            "accepted_without_credentials" => (Invariant::Authentication, format!("{name}: {count}")),
            name if known(name) => return None,
            name => {
                let word = name.replace('_', "-");
                (
                    Invariant::KnownFindings,
                    format!("{name}: {count}; a client known for it says known_findings = [\"{word}\"]"),
                )
            }
        };
        let first = firsts.iter().find(|first| first.name == name);
        let (at, event, session) =
            first.map_or((end, None, None), |first| (first.at, Some(first.event), first.session));
        Some(Violation { invariant, at, event, session, what, way: name.to_string() })
    };
    found.iter().filter_map(violation).collect()
}

/// One session, as far as this needs it.
#[derive(Debug, Clone, Copy)]
struct Life {
    group: u16,
    index: u32,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Wants,
    Open,
    Over,
}

/// Watches a run.
#[derive(Debug)]
pub struct Invariants {
    last: Timestamp,
    events: u64,
    lives: Vec<Life>,
    /// Absent without a bound, to save the counting.
    conservation: Option<Box<Conservation>>,
    /// When the quiet phase begins; `NEVER` without a bound.
    quiet: Timestamp,
    /// Of what should not be found, the first of each.
    firsts: Vec<First>,
    /// The first violation of each invariant.
    broken: [Option<Violation>; Invariant::ALL.len()],
}

impl Invariants {
    /// For a run with so many sessions and servers. `quiet`: from when on sessions have connections, if the scenario says
    /// so.
    pub fn new(sessions: usize, servers: usize, quiet: Option<Timestamp>) -> Invariants {
        Invariants {
            last: Timestamp::ZERO,
            events: 0,
            lives: Vec::with_capacity(sessions),
            conservation: quiet.map(|quiet| Box::new(Conservation::new(servers, quiet))),
            quiet: quiet.unwrap_or(Timestamp::NEVER),
            firsts: Vec::new(),
            broken: Default::default(),
        }
    }

    /// The servers that are forward proxies, and which client groups come by them.
    #[must_use]
    pub fn with_proxies(
        mut self,
        proxies: impl Iterator<Item = u32>,
        groups: impl Iterator<Item = bool>,
    ) -> Invariants {
        self.conservation = self.conservation.map(|accounts| Box::new(accounts.with_proxies(proxies, groups)));
        self
    }

    /// Does not compare servers if some of them, or of their clients, do not report.
    #[must_use]
    pub fn without_accounts(self) -> Invariants {
        Invariants { conservation: None, ..self }
    }

    /// The violations, at the end of the run. `waiting`: the sessions without a usable connection, and since when, in any order.
    pub fn finish(
        mut self,
        end: Timestamp,
        within: Nanos,
        waiting: impl Iterator<Item = (u32, Timestamp)>,
        name: impl Fn(u32) -> String,
    ) -> Vec<Violation> {
        if self.quiet <= end {
            let mut late = 0;
            let mut first: Option<(Timestamp, u32)> = None;
            for (session, since) in waiting {
                let wants = self.lives.get(session as usize).is_some_and(|life| life.state != State::Over);
                if wants && since.max(self.quiet - within) + within <= end {
                    late += 1;
                    first = first.min(Some((since, session))).or(Some((since, session)));
                }
            }
            if let Some((since, session)) = first {
                let what = format!(
                    "{late} without a connection at the end; the first since {}",
                    human(since.since(Timestamp::ZERO))
                );
                self.breaks(Invariant::Liveness, end, None, Some(session), what);
            }
            let missing = self.conservation.take().map_or_else(Vec::new, |accounts| accounts.finish(end));
            for Missing { server, count, surplus } in missing {
                let name = name(server);
                let group = name.rsplit_once('-').map_or(&*name, |(group, _)| group);
                let way = format!("{} of {group}", if surplus { "surplus" } else { "deficit" });
                let what = match surplus {
                    true => format!("{name} holds {count} connections that nobody else knows of"),
                    false => format!("{count} sessions think they are open on {name}, which does not know them"),
                };
                self.breaks(Invariant::Conservation, end, None, None, what);
                if let Some(violation) = &mut self.broken[Invariant::Conservation as usize]
                    && violation.way.is_empty()
                {
                    violation.way = way;
                }
            }
        }
        self.broken.into_iter().flatten().collect()
    }

    #[cold]
    #[inline(never)]
    fn breaks(&mut self, invariant: Invariant, at: Timestamp, event: Option<u64>, session: Option<u32>, what: String) {
        let session = session.and_then(|session| self.whose(session));
        self.broken[invariant as usize].get_or_insert_with(|| Violation {
            invariant,
            at,
            event,
            session,
            what,
            way: String::new(),
        });
    }

    fn whose(&self, session: u32) -> Option<(u16, u32)> {
        self.lives.get(session as usize).map(|life| (life.group, life.index))
    }

    #[cold]
    fn finds(&mut self, name: &'static str, event: &Event, session: Option<u32>) {
        if self.firsts.iter().all(|first| first.name != name) {
            let session = session.and_then(|session| self.whose(session));
            self.firsts.push(First { name, at: event.at, event: event.seq, session });
        }
    }

    /// Of what should not be found, the first of each.
    pub fn firsts(&self) -> Vec<First> {
        self.firsts.clone()
    }

    fn session(&mut self, seq: u64, at: Timestamp, session: u32, event: client::Event) {
        let number = session as usize;
        if let client::Event::Scheduled { group, index } = event {
            let fresh = Life { group, index, state: State::Wants };
            match self.lives.get_mut(number) {
                // A closed-loop user's next one.
                Some(life) => *life = fresh,
                None => self.lives.push(fresh),
            }
            return;
        }
        let Some(life) = self.lives.get_mut(number) else { return };
        if life.state == State::Over {
            let what = format!("{event:?} came after the end");
            return self.breaks(Invariant::EndIsFinal, at, Some(seq), Some(session), what);
        }
        let group = life.group;
        match event {
            client::Event::Opened { .. } => {
                let twice = std::mem::replace(&mut life.state, State::Open) == State::Open;
                if twice {
                    let what = "it opened while it was open".into();
                    self.breaks(Invariant::OneOpenConnection, at, Some(seq), Some(session), what);
                }
            }
            client::Event::Lost { .. } => life.state = State::Wants,
            client::Event::Ended | client::Event::GaveUp => life.state = State::Over,
            _ => {}
        }
        if let Some(accounts) = &mut self.conservation {
            accounts.session(at, session, group, event);
        }
    }
}

impl Recorder for Invariants {
    fn record_all(&mut self, events: &[Event]) {
        events.iter().for_each(|event| self.record(event));
    }

    #[inline]
    fn record(&mut self, event: &Event) {
        if event.at < self.last || event.seq != self.events {
            let what =
                format!("event {} at {} came after event {} at {}", event.seq, event.at.0, self.events, self.last.0);
            self.breaks(Invariant::MonotoneTime, event.at, Some(event.seq), None, what);
        }
        self.last = event.at;
        self.events = event.seq + 1;
        match event.kind {
            Kind::Session(session, kind) => {
                if let client::Event::Found { finding, .. } = kind {
                    self.finds(finding.name(), event, Some(session));
                }
                self.session(event.seq, event.at, session, kind);
            }
            kind => {
                if let Kind::Server(_, server::Event::AcceptedWithoutCredentials { .. }) = kind {
                    self.finds("accepted_without_credentials", event, None);
                }
                if let Some(accounts) = &mut self.conservation {
                    accounts.record(event.at, kind);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::{End, Event as Session, Finding};

    /// Feeds events a millisecond apart; the run ends a second later.
    fn broken(quiet: Option<u64>, events: &[Kind], waiting: &[u32]) -> Vec<(Invariant, String)> {
        let ms = |n: u64| Timestamp::ZERO + Nanos::from_millis(n);
        let mut watch = Invariants::new(4, 2, quiet.map(ms));
        for (seq, kind) in (0..).zip(events) {
            watch.record(&Event { at: ms(seq), seq, kind: *kind });
        }
        let waiting = waiting.iter().map(|session| (*session, ms(1)));
        let found = watch.finish(ms(events.len() as u64 + 1000), Nanos::from_millis(10), waiting, |n| format!("s-{n}"));
        found.into_iter().map(|violation| (violation.invariant, violation.what)).collect()
    }

    fn session(event: Session) -> Kind {
        Kind::Session(0, event)
    }

    const SCHEDULED: Session = Session::Scheduled { group: 0, index: 0 };
    const OPENED: Session = Session::Opened { connection: 1, endpoint: 0 };

    #[test]
    fn what_is_well_breaks_nothing() {
        let lost = Session::Lost { connection: 1, end: End::Fin };
        let events = [SCHEDULED, OPENED, lost, OPENED, Session::Ended, SCHEDULED, OPENED].map(session);
        assert_eq!(broken(None, &events, &[]), []);
    }

    #[test]
    fn a_session_is_open_once_and_ends_once() {
        let found = broken(None, &[SCHEDULED, OPENED, OPENED].map(session), &[]);
        assert_eq!(found[0].0, Invariant::OneOpenConnection);
        let found = broken(None, &[SCHEDULED, Session::GaveUp, OPENED].map(session), &[]);
        assert_eq!(found[0].0, Invariant::EndIsFinal);
    }

    #[test]
    fn who_waits_too_long_breaks_liveness_unless_it_gave_up() {
        assert_eq!(broken(Some(20), &[SCHEDULED].map(session), &[0])[0].0, Invariant::Liveness);
        assert_eq!(broken(None, &[SCHEDULED].map(session), &[0]), []);
        assert_eq!(broken(Some(20), &[SCHEDULED, Session::GaveUp].map(session), &[0]), []);
        assert_eq!(broken(Some(90_000), &[SCHEDULED].map(session), &[0]), [], "the run ends before");
    }

    #[test]
    fn connections_and_sessions_must_agree_once_it_is_quiet() {
        let accepted = Kind::Server(0, server::Event::Accepted { connection: 0 });
        let closed = Kind::Server(0, server::Event::Closed { connection: 0 });
        let (start, open, end) = (session(SCHEDULED), session(OPENED), session(Session::Ended));
        assert_eq!(broken(Some(1), &[start, accepted, open, end, closed, start], &[]), []);
        let leaked = broken(Some(1), &[start, accepted, open, closed, accepted, accepted, start], &[]);
        assert!(leaked.is_empty(), "at one moment they agreed: {leaked:?}");
        let leaked = broken(Some(4), &[start, accepted, accepted, open, start, start], &[]);
        assert_eq!(leaked, [(Invariant::Conservation, "s-0 holds 1 connections that nobody else knows of".into())]);
        let half_open = broken(Some(1), &[start, open, start, start], &[]);
        assert_eq!(half_open[0].0, Invariant::Conservation);
    }

    #[test]
    fn what_a_client_is_known_for_breaks_nothing_and_the_rest_does() {
        let found = |name| {
            let all = findings(&[(name, 3)], |known| known == "credentials_leaked", &[], Timestamp::ZERO);
            all.into_iter().map(|violation| violation.invariant).collect::<Vec<_>>()
        };
        assert_eq!(found("credentials_leaked"), []);
        assert_eq!(found("accept_unverified"), [Invariant::KnownFindings]);
        // No client may be known for this.
        assert_eq!(found("accepted_without_credentials"), [Invariant::Authentication]);
        assert_eq!(findings(&[("redirect_loop", 0)], |_| false, &[], Timestamp::ZERO), []);
    }

    #[test]
    fn the_event_that_broke_it_is_told() {
        let mut watch = Invariants::new(1, 1, None);
        let found = session(Session::Found { connection: 1, finding: Finding::RedirectLoop });
        for (seq, kind) in (0..).zip([session(SCHEDULED), session(OPENED), found, found, session(OPENED)]) {
            watch.record(&Event { at: Timestamp(seq * 10), seq, kind });
        }
        let all = findings(&[("redirect_loop", 2)], |_| false, &watch.firsts(), Timestamp(99));
        assert_eq!((all[0].at, all[0].event, all[0].session), (Timestamp(20), Some(2), Some((0, 0))));
        let broken = watch.finish(Timestamp(99), Nanos(1), std::iter::empty(), |_| String::new());
        assert_eq!((broken[0].at, broken[0].event, broken[0].session), (Timestamp(40), Some(4), Some((0, 0))));
    }

    #[test]
    fn time_goes_forward() {
        let mut watch = Invariants::new(1, 1, None);
        for (at, seq) in [(5, 0), (4, 1)] {
            watch.record(&Event { at: Timestamp(at), seq, kind: session(SCHEDULED) });
        }
        let found = watch.finish(Timestamp(9), Nanos(1), std::iter::empty(), |_| String::new());
        assert_eq!(found[0].invariant, Invariant::MonotoneTime);
    }
}
