//! Events as JSON lines, with names instead of numbers, for `grep` and `jq`.

use std::fmt::Write as _;
use std::io::Write;

use crate::client;
use crate::event::{Event, EventText, Kind, Value};
use crate::network;
use crate::record::Recorder;
use crate::scenario::Scenario;
use crate::time::{Nanos, Timestamp};

/// What the numbers in events stand for.
#[derive(Debug, Clone)]
pub struct Names<'a> {
    scenario: &'a Scenario,
    /// Sessions by the driver's number for them: client group, and number in it. Told by [`client::Event::Scheduled`].
    sessions: Vec<(u16, u32)>,
}

impl<'a> Names<'a> {
    /// Of a run of this scenario; sessions have names from their start on.
    pub fn new(scenario: &'a Scenario) -> Names<'a> {
        Names { scenario, sessions: Vec::new() }
    }

    /// Learns from an event who its session is.
    pub fn learn(&mut self, event: &Event) {
        if let Kind::Session(session, client::Event::Scheduled { group, index }) = event.kind
            && session as usize == self.sessions.len()
        {
            self.sessions.push((group, index));
        }
    }

    /// Is told who a session is, without those before it.
    pub(super) fn tell(&mut self, session: u32, who: (u16, u32)) {
        self.sessions.resize(session as usize + 1, (u16::MAX, u32::MAX));
        self.sessions[session as usize] = who;
    }

    /// A session by the driver's number: client group, and number in it.
    pub fn who(&self, session: u32) -> Option<(u16, u32)> {
        self.sessions.get(session as usize).copied()
    }

    fn session(&self, session: u32) -> String {
        match self.who(session) {
            Some((group, index)) => format!("{}-{index}", self.group(group)),
            None => format!("#{session}"),
        }
    }

    pub(super) fn group(&self, group: u16) -> &'a str {
        self.scenario.clients().get_index(usize::from(group)).map_or("?", |(name, _)| name.as_str())
    }

    /// A server, or a DNS name, which come after them.
    pub(super) fn endpoint(&self, number: u32) -> &'a str {
        let servers = self.scenario.servers();
        match servers.get(number as usize) {
            Some(server) => &server.name,
            None => self.dns(number as usize - servers.len()),
        }
    }

    pub(super) fn fault(&self, number: u16) -> &'a str {
        &self.scenario.faults()[usize::from(number)].name
    }

    fn dns(&self, number: usize) -> &'a str {
        self.scenario.dns().get_index(number).map_or("?", |(name, _)| name.as_str())
    }

    /// The event as a line to read: when, who, what, and what belongs to it.
    pub fn text(&self, event: &Event) -> String {
        let (EventText { kind, fields }, (_, (_, actor))) = (event.kind.said(), event.kind.actor());
        let word = |value: &Value| match value {
            Value::Number(number) => number.to_string(),
            Value::Flag(flag) => flag.to_string(),
            Value::Text(text) => text.to_string(),
            Value::EventText(text) => format!("\"{text}\""),
            Value::Length(length) => length.to_string(),
            Value::Session(session) => self.session(*session),
            Value::Endpoint(number) => self.endpoint(*number).into(),
            Value::Group(group) => self.group(*group).into(),
            Value::Fault(fault) => self.fault(*fault).into(),
            Value::Name(name) => self.dns(usize::from(*name)).into(),
            Value::Opener(number) if number & network::SERVER != 0 => self.endpoint(number & !network::SERVER).into(),
            Value::Opener(number) if number & network::HOST != 0 => format!("host {}", number & !network::HOST),
            Value::Opener(number) => self.session(*number),
        };
        let at = event.at.0 / 1_000_000;
        let mut line = format!("{:>5}.{:03} s  {}  {kind}", at / 1_000, at % 1_000, word(&actor));
        for (key, value) in fields.iter().filter(|(_, value)| *value != Value::Flag(false)) {
            let _ = match value {
                Value::Flag(true) => write!(line, "  {key}"),
                _ => write!(line, "  {key}={}", word(value)),
            };
        }
        line
    }

    /// The event as a line of JSON, without its end.
    pub fn line(&self, event: &Event) -> String {
        let (EventText { kind, fields }, (layer, actor)) = (event.kind.said(), event.kind.actor());
        let mut line = Line::default();
        line.time("at", event.at.0);
        line.plain("seq", event.seq);
        line.text("layer", layer);
        for (key, value) in [vec![actor, ("kind", Value::Text(kind))], fields].concat() {
            match value {
                Value::Number(number) => line.plain(key, number),
                Value::Flag(flag) => line.plain(key, flag),
                Value::Text(text) => line.text(key, text),
                Value::EventText(text) => line.text(key, &text),
                Value::Length(length) => line.time(key, length.0),
                Value::Session(session) => line.text(key, &self.session(session)),
                Value::Endpoint(number) => line.text(key, self.endpoint(number)),
                Value::Group(group) => line.text(key, self.group(group)),
                Value::Fault(fault) => line.text(key, self.fault(fault)),
                Value::Name(name) => line.text(key, self.dns(usize::from(name))),
                // Whose connection it was: see `network::Event`.
                Value::Opener(number) if number & network::SERVER != 0 => {
                    line.text("opener", self.endpoint(number & !network::SERVER));
                }
                Value::Opener(number) if number & network::HOST != 0 => {
                    line.plain("client_host", number & !network::HOST);
                }
                Value::Opener(number) => line.text("session", &self.session(number)),
            }
        }
        line.0.push('}');
        line.0
    }
}

/// A JSON object without nesting.
#[derive(Default)]
struct Line(String);

impl Line {
    fn key(&mut self, key: &str, unit: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        let _ = write!(self.0, "\"{key}{unit}\":");
    }

    fn plain(&mut self, key: &str, value: impl std::fmt::Display) {
        self.key(key, "");
        let _ = write!(self.0, "{value}");
    }

    fn text(&mut self, key: &str, text: &str) {
        self.key(key, "");
        self.0.push_str(&serde_json::Value::from(text).to_string());
    }

    /// A time in ms for readers, exact to the digit, and in ns for programs.
    fn time(&mut self, key: &str, ns: u64) {
        self.key(key, "_ms");
        self.0.push_str(&milliseconds(ns));
        self.key(key, "_ns");
        let _ = write!(self.0, "{ns}");
    }
}

/// Exactly, without zeros at the end.
fn milliseconds(ns: u64) -> String {
    let (whole, part) = (ns / 1_000_000, ns % 1_000_000);
    match part {
        0 => whole.to_string(),
        _ => format!("{whole}.{part:06}").trim_end_matches('0').to_string(),
    }
}

/// Which events are wanted: those that pass all that is set.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of one of these sessions: client groups, and numbers in them.
    pub sessions: Option<Vec<(u16, u32)>>,
    /// Of one of these servers, or naming it: their numbers.
    pub servers: Option<Vec<u32>>,
    /// Of one of these kinds.
    pub kinds: Option<Vec<String>>,
    /// Not before.
    pub from: Option<Nanos>,
    /// Before.
    pub until: Option<Nanos>,
}

impl Filter {
    /// Whether an event passes.
    pub fn passes(&self, event: &Event, names: &Names<'_>) -> bool {
        if self.from.is_some_and(|from| event.at < Timestamp::ZERO + from)
            || self.until.is_some_and(|until| event.at >= Timestamp::ZERO + until)
        {
            return false;
        }
        if self.sessions.is_none() && self.servers.is_none() && self.kinds.is_none() {
            return true;
        }
        let EventText { kind, fields } = event.kind.said();
        let kind_passes = self.kinds.as_ref().is_none_or(|kinds| kinds.iter().any(|wanted| wanted == kind));
        let session_passes = self.sessions.as_ref().is_none_or(|wanted| {
            let is_wanted = |number: u32| names.who(number).is_some_and(|who| wanted.contains(&who));
            match event.kind {
                Kind::Session(session, _) => is_wanted(session),
                _ => fields.iter().any(|(_, value)| match value {
                    Value::Session(session) | Value::Opener(session) => is_wanted(*session),
                    _ => false,
                }),
            }
        });
        let server_passes = self.servers.as_ref().is_none_or(|wanted| {
            let own =
                matches!(event.kind, Kind::Server(server, _) | Kind::Network(server, _) if wanted.contains(&server));
            own || fields.iter().any(|(_, value)| match value {
                Value::Endpoint(number) => wanted.contains(number),
                Value::Opener(number) if number & network::SERVER != 0 => wanted.contains(&(number & !network::SERVER)),
                _ => false,
            })
        });
        kind_passes && session_passes && server_passes
    }
}

/// Writes a run's events as lines of JSON.
#[derive(Debug)]
pub struct Lines<'a, W: Write> {
    names: Names<'a>,
    filter: Filter,
    out: W,
    written: std::io::Result<()>,
}

impl<'a, W: Write> Lines<'a, W> {
    /// Those that pass the filter.
    pub fn new(scenario: &'a Scenario, filter: Filter, out: W) -> Lines<'a, W> {
        Lines { names: Names::new(scenario), filter, out, written: Ok(()) }
    }

    /// Whether nothing can be written any more.
    pub fn failed(&self) -> bool {
        self.written.is_err()
    }

    /// What was written to, once everything is.
    ///
    /// # Errors
    /// The first thing that went wrong with it.
    pub fn finish(mut self) -> std::io::Result<W> {
        self.written?;
        self.out.flush()?;
        Ok(self.out)
    }
}

impl<W: Write> Recorder for Lines<'_, W> {
    fn record(&mut self, event: &Event) {
        self.names.learn(event);
        if self.written.is_ok() && self.filter.passes(event, &self.names) {
            self.written = writeln!(self.out, "{}", self.names.line(event));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::milliseconds;

    #[test]
    fn milliseconds_are_exact() {
        for (ns, text) in [(0, "0"), (1, "0.000001"), (1_500_000, "1.5"), (19_991_000_000, "19991"), (10, "0.00001")] {
            assert_eq!(milliseconds(ns), text);
        }
    }
}
