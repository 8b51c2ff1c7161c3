//! The rows of a sequence diagram: arrows between hosts, and notes on what the client, or a fault, did.

use super::events::Names;
use super::label::label;
use super::trace::Trace;
use crate::client::{self, Failure};
use crate::event::{Event, Kind};
use crate::fault::{self, Side};
use crate::network;
use crate::record::{Fate, Message, Party};
use crate::scenario::Scenario;
use crate::time::{Nanos, Timestamp, human};

/// A session's life, ready to be drawn.
#[derive(Debug)]
pub struct SequenceDiagram {
    /// The session's name.
    pub session: String,
    /// Which run it is of.
    pub run: String,
    /// The scenario's title.
    pub title: String,
    /// Its scheduled start, which all times count from.
    pub scheduled: Timestamp,
    /// The client, then the servers in the order in which it met them.
    pub hosts: Vec<String>,
    /// What happened, in order.
    pub rows: Vec<Row>,
}

/// What became of an arrow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It got there, so many nanoseconds after the scheduled start.
    At(i64),
    /// A link or a full queue lost it.
    Lost,
    /// Nobody answers it.
    Unanswered,
    /// Nothing, yet.
    UnderWay,
}

/// A row of the diagram. Times are nanoseconds since the scheduled start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// A message.
    Arrow {
        /// When it left.
        left: i64,
        /// What became of it.
        end: End,
        /// Who sent it, by its place in [`SequenceDiagram::hosts`].
        from: usize,
        /// Whom it was for.
        to: usize,
        /// What it was.
        label: String,
    },
    /// Something that an end did or found out.
    Note {
        /// When.
        at: i64,
        /// What.
        text: String,
        /// Whether a fault did it.
        fault: bool,
    },
    /// Rows like those before that are left out.
    More(String),
    /// Room between two attempts.
    Gap,
}

impl SequenceDiagram {
    /// The diagram of a traced session.
    pub fn new(scenario: &Scenario, variant: Option<&str>, trace: &Trace) -> SequenceDiagram {
        let group = scenario.clients().get_index(usize::from(trace.group));
        let name = group.map_or("", |(name, _)| name.as_str());
        let scheduled = trace.events.iter().find(|event| matches!(event.kind, Kind::Session(..)));
        let scheduled = scheduled.map_or(Timestamp::ZERO, |event| event.at);
        let variant = variant.map_or(String::new(), |variant| format!(", variant {variant}"));
        let session = format!("{name}-{}", trace.index);
        let mut builder = Builder {
            scenario,
            trace,
            scheduled,
            parties: vec![Party::Client],
            rows: Vec::new(),
            began: scheduled,
            connected: scheduled,
            looking: scheduled,
            retries: 0,
            lost: false,
            seen: Vec::new(),
        };
        builder.build();
        let host = |party: &Party| match party {
            Party::Client => session.clone(),
            Party::Server(server) => scenario.servers()[*server as usize].name.clone(),
        };
        SequenceDiagram {
            run: format!("{}, seed {}{variant}", scenario.name(), scenario.seed().0),
            title: scenario.title().to_string(),
            scheduled,
            hosts: builder.parties.iter().map(host).collect(),
            rows: shortened(builder.rows),
            session,
        }
    }
}

struct Builder<'a> {
    scenario: &'a Scenario,
    trace: &'a Trace,
    scheduled: Timestamp,
    parties: Vec<Party>,
    rows: Vec<Row>,
    /// When the latest attempt's SYN left, when TCP was up, when a lookup began.
    began: Timestamp,
    connected: Timestamp,
    looking: Timestamp,
    /// Delays since the session was open last.
    retries: u32,
    /// The session was open just before.
    lost: bool,
    /// Faults that were told at a moment.
    seen: Vec<(u16, Timestamp, bool)>,
}

impl Builder<'_> {
    fn build(&mut self) {
        let trace = self.trace;
        for message in &trace.messages {
            for party in [message.from, message.to] {
                if !self.parties.contains(&party) {
                    self.parties.push(party);
                }
            }
        }
        let transmissions = trace.messages.iter().flat_map(|message| {
            // A repetition leaves by a timer that was started long before.
            let after = move |number: usize| if number == 0 { message.after } else { 0 };
            (0..).zip(&message.transmissions).map(move |(n, sent)| (sent.left, after(n), Happened::Message(message, n)))
        });
        let events = trace.events.iter().map(|event| (event.at, event.seq + 1, Happened::Event(event)));
        // A message that left after n events comes before the next one, number n; events count from 0.
        let mut all: Vec<_> = events.chain(transmissions).collect();
        all.sort_by_key(|(at, seq, what)| (*at, *seq, matches!(what, Happened::Message(..))));
        for (at, _, what) in all {
            if at > trace.end {
                continue;
            }
            match what {
                Happened::Message(message, number) => self.message(message, number),
                Happened::Event(event) => self.event(event),
            }
        }
        let end = trace.end;
        self.note(end, "the run ends".into());
    }

    fn since(&self, at: Timestamp) -> i64 {
        at.0 as i64 - self.scheduled.0 as i64
    }

    fn note(&mut self, at: Timestamp, text: String) {
        self.rows.push(Row::Note { at: self.since(at), text, fault: false });
    }

    fn host(&self, party: Party) -> usize {
        self.parties.iter().position(|other| *other == party).unwrap_or(0)
    }

    fn message(&mut self, message: &Message, number: usize) {
        let sent = message.transmissions[number];
        let end = match sent.fate {
            Fate::Arrived(at) => End::At(self.since(at)),
            Fate::Lost => End::Lost,
            Fate::Unanswered => End::Unanswered,
            Fate::UnderWay => End::UnderWay,
        };
        let mut label = label(message);
        if number > 0 {
            label = format!("{label} ({})", ordinal(number as u32 + 1));
        }
        let (from, to) = (self.host(message.from), self.host(message.to));
        self.rows.push(Row::Arrow { left: self.since(sent.left), end, from, to, label });
    }

    fn gap(&mut self) {
        if !matches!(self.rows.last(), None | Some(Row::Gap)) {
            self.rows.push(Row::Gap);
        }
    }

    fn event(&mut self, event: &Event) {
        let at = event.at;
        match event.kind {
            Kind::Session(_, kind) => self.session(at, kind),
            Kind::Network(_, network::Event::KeepaliveFailed { by_client, .. }) => {
                let whose = if by_client { "its kernel's" } else { "the server's kernel's" };
                self.note(at, format!("{whose} keepalive probes have had no answer"));
            }
            Kind::Network(_, network::Event::GivenUp { to_server, .. }) => {
                let whose = if to_server { "its kernel" } else { "the server's kernel" };
                self.note(at, format!("{whose} gives the connection up"));
            }
            Kind::Fault(fault, kind) => self.fault(at, fault, kind),
            _ => {}
        }
    }

    fn session(&mut self, at: Timestamp, event: client::Event) {
        let config = &self.scenario.clients()[usize::from(self.trace.group)];
        let was_lost = std::mem::replace(&mut self.lost, matches!(event, client::Event::Lost { .. }));
        let text = match event {
            client::Event::Scheduled { .. } => {
                self.retries = 0;
                if at == self.scheduled {
                    return;
                }
                self.gap();
                "starts again".into()
            }
            client::Event::Resolving { name, .. } => {
                self.gap();
                self.looking = at;
                format!("looks {} up", self.name(name))
            }
            client::Event::Resolved { addresses, ttl, .. } => {
                let what = if addresses == 1 { "one address".into() } else { format!("{addresses} addresses") };
                format!("the answer: {what}, for {}", length(ttl))
            }
            client::Event::AttemptStarted { .. } => {
                if self.looking != at
                    && !matches!(self.rows.last(), Some(Row::Note { text, .. }) if text.starts_with("the answer"))
                {
                    self.gap();
                }
                self.began = at;
                return;
            }
            client::Event::Raced { endpoint, .. } => format!("tries {} beside it", self.name(endpoint)),
            client::Event::RaceLost { failure, .. } => {
                format!("out of the race: {}", failure.outcome().name().replace('_', " "))
            }
            client::Event::RaceWon { endpoint, .. } => format!("{} is first", self.name(endpoint)),
            client::Event::Connected { .. } => {
                self.connected = at;
                return;
            }
            client::Event::Secured { resumed, .. } => {
                if resumed {
                    "TLS is up, resumed".into()
                } else {
                    "TLS is up".into()
                }
            }
            client::Event::StreamBegan { stream, .. } => format!("takes stream {stream} of its host's connection"),
            client::Event::Opened { .. } => {
                self.retries = 0;
                "open".into()
            }
            client::Event::Redirected { endpoint, .. } => format!("follows to {}", self.name(endpoint)),
            client::Event::Challenged { .. } => "answers with credentials".into(),
            client::Event::Tunnelled { .. } => "the tunnel is there".into(),
            client::Event::ProxyChallenged { .. } => "answers the proxy with credentials".into(),
            client::Event::Found { finding: client::Finding::CredentialsLeaked, .. } => {
                "found: credentials sent to a server that they are not for".into()
            }
            client::Event::Found { finding: client::Finding::RedirectLoop, .. } => "found: a redirect loop".into(),
            client::Event::Found { finding: client::Finding::AcceptUnverified, .. } => {
                "found: an accept key that nobody verified".into()
            }
            client::Event::AskedAgain { .. } => "asks again, on the same connection".into(),
            client::Event::AttemptFailed { failure, .. } => self.failure(at, failure),
            client::Event::Lost { end, .. } => match end {
                client::End::Fin => "lost: FIN".into(),
                client::End::Reset => "lost: reset".into(),
                client::End::Close(code) => format!("lost: closed with {code}"),
                client::End::Heartbeat => {
                    let timeout = config.heartbeat.map_or(Nanos::ZERO, |heartbeat| heartbeat.timeout);
                    format!("lost: no pong within {}", length(timeout))
                }
                client::End::BadFrame => "lost: no valid frame".into(),
                other => format!("lost: {}", client::End::NAMES[other.kind()]),
            },
            client::Event::HeartbeatAnswered { .. } => return,
            client::Event::Retrying { delay } => {
                let why = if was_lost && config.retry.after_loss.is_some() {
                    "after a loss".into()
                } else {
                    self.retries += 1;
                    format!("{}, {}", config.retry.policy.name(), ordinal(self.retries))
                };
                format!("... waits {} ({why})", length(delay))
            }
            client::Event::Hopping { delay } => format!("... waits {} (Retry-After)", length(delay)),
            client::Event::Ended => "ends as intended".into(),
            client::Event::GaveUp => "gives up".into(),
            other => Kind::Session(0, other).said().kind.replace('_', " "),
        };
        self.note(at, text);
    }

    fn failure(&self, at: Timestamp, failure: Failure) -> String {
        match failure {
            Failure::LookupTimeout => format!("lookup timeout after {}", length(at.since(self.looking))),
            Failure::Refused => "refused".into(),
            Failure::NoPort => "no port left".into(),
            Failure::ConnectTimeout => format!("connect timeout after {}", length(at.since(self.began))),
            Failure::HandshakeTimeout => format!("handshake timeout after {}", length(at.since(self.connected))),
            Failure::Reset => "failed: reset".into(),
            Failure::Closed => "failed: FIN before an answer".into(),
            Failure::Rejected { status, .. } => format!("failed: rejected with {status}"),
            Failure::Unauthorized => "failed: unauthorized".into(),
            Failure::ProxyUnauthorized => "failed: unauthorized by the proxy".into(),
            Failure::ProxyRejected { status, .. } => format!("failed: the proxy makes no tunnel, {status}"),
            Failure::Invalid(error) => format!("failed: {error}"),
            Failure::Insecure => "failed: TLS did not come up".into(),
            Failure::RedirectLimit => "failed: one redirect too many".into(),
            Failure::BadLocation => "failed: a Location that leads nowhere".into(),
            Failure::Unresolved => "failed: redirected to an unknown host".into(),
            other => format!("failed: {}", other.outcome().name()),
        }
    }

    /// The name of a server, or of a DNS name, which come after them.
    fn name(&self, endpoint: u32) -> &str {
        Names::new(self.scenario).endpoint(endpoint)
    }

    /// Faults are told where they strike a server that the session meets, or its way there.
    fn fault(&mut self, at: Timestamp, number: u16, event: fault::Event) {
        let meets = |server: u32| self.parties.contains(&Party::Server(server));
        let side = Side::Clients(self.trace.group);
        let name = &self.scenario.faults()[usize::from(number)].name;
        let on_its_way = |cut: fault::Cut| {
            let from = matches!(cut.side, Side::Server(server) if meets(server)) || cut.side == side;
            from && meets(cut.server)
        };
        let (begins, text) = match event {
            fault::Event::Began { kind, server } if kind == fault::Kind::DnsOutage => {
                (true, format!("{name}: {} of {}", kind.name(), self.name(server)))
            }
            fault::Event::Began { server, kind } if meets(server) => {
                (true, format!("{name}: {} of {}", kind.name(), self.name(server)))
            }
            fault::Event::Healed { server, kind } if meets(server) || kind == fault::Kind::DnsOutage => {
                (false, format!("{name}: {} of {} is over", kind.name(), self.name(server)))
            }
            fault::Event::Parted(cut) if on_its_way(cut) => (true, format!("{name}: partition")),
            fault::Event::Joined(cut) if on_its_way(cut) => (false, format!("{name}: partition is over")),
            fault::Event::Impaired(kind, cut) if on_its_way(cut) => (true, format!("{name}: {}", kind.name())),
            fault::Event::Cleared(kind, cut) if on_its_way(cut) => (false, format!("{name}: {} is over", kind.name())),
            _ => return,
        };
        let of_links = !matches!(event, fault::Event::Began { .. } | fault::Event::Healed { .. });
        if of_links && self.seen.contains(&(number, at, begins)) {
            return;
        }
        self.seen.push((number, at, begins));
        self.rows.push(Row::Note { at: self.since(at), text, fault: true });
    }
}

enum Happened<'a> {
    Message(&'a Message, usize),
    Event(&'a Event),
}

/// Leaves out heartbeats in the middle of many that are all the same.
fn shortened(rows: Vec<Row>) -> Vec<Row> {
    /// Pings in a row, with their pongs, that are shown all.
    const SHOWN: usize = 3;
    let shape = |row: &Row| match row {
        Row::Arrow { end: End::At(_), from, to, label, .. } if label == "ping" || label == "pong" => {
            Some((*from, *to, label.clone()))
        }
        _ => None,
    };
    let mut kept = Vec::new();
    let mut at = 0;
    while at < rows.len() {
        // A ping and its pong are two arrows, four through a balancer.
        let found = [2, 4].into_iter().find_map(|period: usize| {
            let is_same = |n: &usize| {
                let row = rows.get(at + n).and_then(&shape);
                row.is_some() && row == shape(&rows[at + n % period])
            };
            // Asked first: where it does not hold, nobody counts through the same rows again and again.
            if shape(rows.get(at)?) == shape(rows.get(at + period / 2)?) {
                return None;
            }
            let beats = (0..).take_while(is_same).count() / period;
            (beats > SHOWN).then_some((period, beats))
        });
        let Some((period, beats)) = found else {
            kept.push(rows[at].clone());
            at += 1;
            continue;
        };
        kept.extend_from_slice(&rows[at..at + period]);
        kept.push(Row::More(format!("... {} more pings, each answered ...", beats - 2)));
        at += period * beats;
        kept.extend_from_slice(&rows[at - period..at]);
    }
    kept
}

/// 1st, 2nd, 3rd, 4th, 11th, 21st.
fn ordinal(n: u32) -> String {
    let ending = match (n % 10, n % 100) {
        (_, 11..=13) => "th",
        (1, _) => "st",
        (2, _) => "nd",
        (3, _) => "rd",
        _ => "th",
    };
    format!("{n}{ending}")
}

/// Three significant digits, without zeros at the end.
fn length(length: Nanos) -> String {
    let text = human(length);
    match text.split_once(' ') {
        Some((number, unit)) if number.contains('.') => {
            format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text,
    }
}

/// Seconds with six decimals.
pub(super) fn seconds(ns: i64) -> String {
    let us = ns.unsigned_abs() / 1_000;
    let sign = if ns < 0 { "-" } else { "" };
    format!("{sign}{}.{:06}", us / 1_000_000, us % 1_000_000)
}
