//! A guard against runs in which time stands still: machines that answer each other without any of it passing would do so
//! for ever.
//!
//! Checks of a scenario refuse the plain cases. This finds all others, by counting what is worked through at one instant.

use std::collections::BTreeMap;
use std::fmt;

use crate::client;
use crate::event::{Event, Kind};
use crate::scenario::Scenario;
use crate::server::Machine;
use crate::time::{Nanos, Timestamp, human};

/// Items at one instant that any run may have.
const ITEMS: u64 = 1_000_000;
/// Further items for each session and server: all may arrive, connect, fail and retry at the same instant.
const OF_SESSION: u64 = 200;
/// Further items for each server that a balancer checks.
const OF_CHECK: u64 = 20;
/// Events shown of whoever goes round.
const SHOWN: usize = 8;

/// How long a run has been at the same instant.
#[derive(Debug)]
pub(super) struct Guard {
    /// Items since time passed last.
    items: u64,
    /// The most that there can be unless somebody goes round.
    most: u64,
    found: Option<Box<Standstill>>,
}

impl Guard {
    /// Of a run of this scenario.
    pub(super) fn new(scenario: &Scenario) -> Guard {
        let pieces = scenario.groups().values().map(|group| pieces(&group.machine)).max().unwrap_or(0);
        let each = OF_SESSION + 2 * pieces;
        let sessions = scenario.sessions().saturating_mul(each);
        let checks = scenario.groups().values().map(|group| match &group.machine {
            Machine::Balancer(balancing) => u64::from(group.count) * balancing.to.len() as u64 * OF_CHECK,
            _ => 0,
        });
        let servers = checks.sum::<u64>() + scenario.servers().len() as u64 * OF_SESSION;
        Guard { items: 0, most: sessions.saturating_add(servers).saturating_add(ITEMS), found: None }
    }
}

/// The writes that a response is sent in, which may arrive all at once.
fn pieces(machine: &Machine) -> u64 {
    let Machine::Web(server) = machine else { return 0 };
    let flaws = server.behaviors.iter().filter_map(|behavior| behavior.flaws.as_ref());
    let pieces = flaws.filter_map(|flaws| {
        let body = flaws.answer.body.map_or(0, |body| body.bytes);
        let bytes = u64::from(body) + u64::from(flaws.answer.padding.unwrap_or(0)) + 1_000;
        Some(bytes / u64::from(flaws.delivery.bytes?.max(1)))
    });
    pieces.max().unwrap_or(0)
}

impl Guard {
    /// So many items were worked through, and no time passed. False when that is more than an instant can hold.
    #[inline]
    pub(super) fn holds(&mut self, items: u64) -> bool {
        self.items += items;
        self.items <= self.most
    }

    /// Time passed.
    #[inline]
    pub(super) fn passed(&mut self) {
        self.items = 0;
    }

    /// Keeps who goes round, by the latest events; `sessions` has the client groups and numbers of those in them.
    #[cold]
    pub(super) fn found(&mut self, at: Timestamp, events: &[Event], sessions: &BTreeMap<u32, (u16, u32)>) {
        self.found = Some(Box::new(Standstill::new(at, self.items, events, sessions)));
    }

    /// Why the run ended before its end, if it did.
    pub(super) fn standstill(&self) -> Option<&Standstill> {
        self.found.as_deref()
    }
}

/// A run that came to an instant that it never leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standstill {
    at: Timestamp,
    items: u64,
    who: Option<Actor>,
    /// What it does, round after round, in words.
    rounds: Vec<String>,
    /// What these are.
    retries: bool,
    restarts: bool,
}

/// Which machine repeats itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Actor {
    Session(u16, u32),
    Server(u32),
}

impl Standstill {
    fn new(at: Timestamp, items: u64, events: &[Event], sessions: &BTreeMap<u32, (u16, u32)>) -> Standstill {
        let who = |event: &Event| match event.kind {
            Kind::Session(session, _) => sessions.get(&session).map(|(group, index)| Actor::Session(*group, *index)),
            Kind::Server(server, _) => Some(Actor::Server(server)),
            _ => None,
        };
        let mut counts: BTreeMap<Actor, usize> = BTreeMap::new();
        events.iter().filter_map(who).for_each(|who| *counts.entry(who).or_default() += 1);
        // A session rather than the server that answers it, and the first of several.
        let most = |counted: &(&Actor, &usize)| {
            (matches!(counted.0, Actor::Session(..)), *counted.1, std::cmp::Reverse(*counted.0))
        };
        let found = counts.iter().max_by_key(most).map(|(who, _)| *who);
        let mut rounds: Vec<String> = Vec::new();
        let (mut retries, mut restarts) = (false, false);
        for event in events.iter().filter(|event| found.is_some() && who(event) == found) {
            retries |= matches!(
                event.kind,
                Kind::Session(_, client::Event::Retrying { .. } | client::Event::AttemptFailed { .. })
            );
            restarts |= matches!(event.kind, Kind::Session(_, client::Event::Scheduled { .. } | client::Event::Ended));
            let words = match event.kind {
                Kind::Session(_, event) => in_words(&event),
                Kind::Server(_, event) => in_words(&event),
                _ => continue,
            };
            if !rounds.contains(&words) && rounds.len() < SHOWN {
                rounds.push(words);
            }
        }
        Standstill { at, items, who: found, rounds, retries, restarts }
    }

    /// The sentence for whoever wrote the scenario: who goes round, and which keys could let time pass.
    pub fn explained(&self, scenario: &Scenario) -> String {
        let mut keys: Vec<String> = Vec::new();
        let who = match self.who {
            Some(Actor::Session(group, index)) => {
                let name = scenario.clients().get_index(usize::from(group)).map_or("?", |(name, _)| name.as_str());
                let of_restart = ["arrive", "hold"].iter().filter(|_| self.restarts);
                keys.extend(of_restart.map(|key| format!("clients.{name}.{key}")));
                keys.extend(self.retries.then(|| format!("clients.{name}.retry")));
                scenario.session_name((group, index))
            }
            Some(Actor::Server(server)) => {
                scenario.servers().get(server as usize).map_or("?".into(), |server| server.name.clone())
            }
            None => String::new(),
        };
        keys.extend(["network.one_way".to_string(), "servers.NAME.service_time".into()]);
        let round = match self.rounds.is_empty() {
            true => String::new(),
            false => format!("; `{who}` goes round: {}", self.rounds.join(", ")),
        };
        format!("{self}{round}\nhelp: let one of these take some time: {}", keys.join(", "))
    }
}

impl fmt::Display for Standstill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = human(Nanos(self.at.0));
        write!(f, "the run stands still at {at}: {} steps in a row took no time", self.items)
    }
}

impl std::error::Error for Standstill {}

/// The name of an event in small letters: `AttemptStarted { … }` is "attempt started".
fn in_words(event: &impl fmt::Debug) -> String {
    let text = format!("{event:?}");
    let name = text.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    let mut words = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}
