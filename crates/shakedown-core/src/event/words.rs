//! Events in words: their names and fields, as JSON and the command line have them.
//!
//! A kind of event without a name does not compile, and a name that is given is among [`names`].

use super::Kind;
use crate::client::{self, End, Failure};
use crate::fault::{self, Cut, Side};
use crate::network::{self, dns};
use crate::server::{self, Clock, Ends};
use crate::time::Nanos;

/// An event in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventText {
    /// The name of what happened.
    pub kind: &'static str,
    /// What belongs to it, by name.
    pub fields: Vec<Field>,
}

/// A part of an event, by name.
pub type Field = (&'static str, Value);

/// What a field of an event holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A number.
    Number(u64),
    /// True or false.
    Flag(bool),
    /// A word.
    Text(&'static str),
    /// A sentence.
    EventText(String),
    /// A length of time.
    Length(Nanos),
    /// A session, by the driver's number.
    Session(u32),
    /// Who opened a connection, as [`network::Event`] tells it.
    Opener(u32),
    /// A server or a DNS name, by its number in the directory.
    Endpoint(u32),
    /// A client group, by its number.
    Group(u16),
    /// A fault, by its number in the scenario.
    Fault(u16),
    /// A DNS name, by its number in the scenario.
    Name(u16),
}

impl Kind {
    /// The event in words.
    pub fn said(self) -> EventText {
        match self {
            Kind::Session(_, event) => session(event),
            Kind::Server(_, event) => server(event),
            Kind::Network(_, event) => network(event),
            Kind::Fault(_, event) => fault(event),
            Kind::Dns(_, event) => dns(event),
        }
    }

    /// The layer that it is of, and whose doing it is.
    pub fn actor(self) -> (&'static str, Field) {
        match self {
            Kind::Session(session, _) => ("session", ("session", Value::Session(session))),
            Kind::Server(server, _) => ("server", endpoint("server", server)),
            Kind::Network(server, _) => ("network", endpoint("server", server)),
            Kind::Fault(fault, _) => ("fault", ("fault", Value::Fault(fault))),
            Kind::Dns(name, _) => ("dns", ("name", Value::Name(name))),
        }
    }
}

/// The names of all events, by layer: session, server, network, fault, DNS.
pub fn names() -> impl Iterator<Item = &'static str> + Clone {
    [SESSION, SERVER, NETWORK, FAULT, DNS].into_iter().flatten().copied()
}

/// What is said of each event of a layer; and all names.
macro_rules! words {
    ($names:ident, $say:ident($event:ident: $type:ty) { $($pattern:pat => $name:literal $fields:expr,)+ }) => {
        const $names: &[&str] = &[$($name),+];

        fn $say($event: $type) -> EventText {
            match $event {
                $($pattern => EventText { kind: $name, fields: $fields.into() },)+
            }
        }
    };
}

fn number(key: &'static str, value: impl Into<u64>) -> Field {
    (key, Value::Number(value.into()))
}

fn flag(key: &'static str, value: bool) -> Field {
    (key, Value::Flag(value))
}

fn text(key: &'static str, value: &'static str) -> Field {
    (key, Value::Text(value))
}

fn length(key: &'static str, value: Nanos) -> Field {
    (key, Value::Length(value))
}

fn endpoint(key: &'static str, value: u32) -> Field {
    (key, Value::Endpoint(value))
}

/// The connection that an event is about.
fn on(connection: u32) -> Field {
    number("connection", connection)
}

/// Whose connection an event of the network is about.
fn of(session: u32) -> Field {
    ("session", Value::Opener(session))
}

words! {
    SESSION, session(event: client::Event) {
        client::Event::Scheduled { group, .. } => "scheduled" [("group", Value::Group(group))],
        client::Event::Resolving { connection, name } => "resolving" [on(connection), endpoint("name", name)],
        client::Event::Resolved { connection, name, addresses, ttl } => "resolved"
            [on(connection), endpoint("name", name), number("addresses", addresses), length("ttl", ttl)],
        client::Event::AttemptStarted { connection, endpoint: server } => "attempt_started"
            [on(connection), endpoint("server", server)],
        client::Event::Raced { connection, endpoint: server } => "raced" [on(connection), endpoint("server", server)],
        client::Event::RaceLost { connection, failure } => "race_lost" failed(connection, failure),
        client::Event::RaceWon { connection, endpoint: server } => "race_won"
            [on(connection), endpoint("server", server)],
        client::Event::Connected { connection } => "connected" [on(connection)],
        client::Event::Secured { connection, resumed } => "secured" [on(connection), flag("resumed", resumed)],
        client::Event::StreamBegan { connection, stream } => "stream_began" [on(connection), number("stream", stream)],
        client::Event::Opened { connection, endpoint: server } => "opened" [on(connection), endpoint("server", server)],
        client::Event::Redirected { connection, status, endpoint: to } => "redirected"
            [on(connection), number("status", status), endpoint("to", to)],
        client::Event::Challenged { connection } => "challenged" [on(connection)],
        client::Event::Tunnelled { connection } => "tunnelled" [on(connection)],
        client::Event::ProxyChallenged { connection } => "proxy_challenged" [on(connection)],
        client::Event::AskedAgain { connection } => "asked_again" [on(connection)],
        client::Event::Found { connection, finding } => "found" [on(connection), text("finding", finding.name())],
        client::Event::AttemptFailed { connection, failure } => "attempt_failed" failed(connection, failure),
        client::Event::Lost { connection, end } => "lost" lost(connection, end),
        client::Event::HeartbeatAnswered { connection } => "heartbeat_answered" [on(connection)],
        client::Event::Retrying { delay } => "retrying" [length("delay", delay)],
        client::Event::Hopping { delay } => "hopping" [length("delay", delay)],
        client::Event::Ended => "ended" [],
        client::Event::GaveUp => "gave_up" [],
    }
}

fn failed(connection: u32, failure: Failure) -> Vec<Field> {
    let mut fields = vec![on(connection), text("outcome", failure.outcome().name())];
    match failure {
        Failure::Rejected { status, retry_after } | Failure::ProxyRejected { status, retry_after } => {
            fields.push(number("status", status));
            fields.extend(retry_after.map(|seconds| number("retry_after_s", seconds)));
        }
        Failure::Invalid(error) => fields.push(("why", Value::EventText(error.to_string()))),
        Failure::Insecure => fields.push(text("why", "TLS did not come up")),
        Failure::RedirectLimit => fields.push(text("why", "one redirect too many")),
        Failure::BadLocation => fields.push(text("why", "a Location that leads nowhere")),
        Failure::Unresolved => fields.push(text("why", "redirected to an unknown host")),
        _ => {}
    }
    fields
}

fn lost(connection: u32, end: End) -> Vec<Field> {
    let mut fields = vec![on(connection), text("end", End::NAMES[end.kind()])];
    if let End::Close(code) = end {
        fields.push(number("code", code));
    }
    fields
}

words! {
    SERVER, server(event: server::Event) {
        server::Event::Accepted { connection } => "accepted" [on(connection)],
        server::Event::Requested { connection, queued } => "requested" [on(connection), flag("queued", queued)],
        server::Event::ServiceStarted { connection, waited, queued } => "service_started"
            [on(connection), length("waited", waited), flag("queued", queued)],
        server::Event::Answered { connection, status, served } => "answered"
            [on(connection), number("status", status), length("served", served)],
        server::Event::Wasted { connection, served } => "wasted" [on(connection), length("served", served)],
        server::Event::Closed { connection } => "closed" [on(connection)],
        server::Event::TurnedAway { connection, reason, turn, queued } => "turned_away"
            [on(connection), text("reason", reason.name()), text("how", turn.name()), flag("queued", queued)],
        server::Event::Expired { connection, waited } => "expired" [on(connection), length("waited", waited)],
        server::Event::HeldBack { connection, reason, delay } => "held_back"
            [on(connection), text("reason", reason.name()), length("delay", delay)],
        server::Event::TransactionBegan { connection } => "transaction_began" [on(connection)],
        server::Event::TransactionEnded { connection } => "transaction_ended" [on(connection)],
        server::Event::TransactionAwaited { connection } => "transaction_awaited" [on(connection)],
        server::Event::TimedOut { connection } => "timed_out" [on(connection)],
        server::Event::GoingAway { connection, code } => "going_away" [on(connection), number("code", code)],
        server::Event::Worked { connection, served } => "worked" [on(connection), length("served", served)],
        server::Event::Called { connection, endpoint: to } => "called" [on(connection), endpoint("to", to)],
        server::Event::CallEnded { connection, outcome, took } => "call_ended"
            [on(connection), text("outcome", outcome.name()), length("took", took)],
        server::Event::Paused => "paused" [],
        server::Event::Resumed => "resumed" [],
        server::Event::Hello { connection, resumed, queued } => "hello"
            [on(connection), flag("resumed", resumed), flag("queued", queued)],
        server::Event::HelloAnswered { connection, served } => "hello_answered" [on(connection), length("served", served)],
        server::Event::Joined => "joined" [],
        server::Event::Leaving => "leaving" [],
        server::Event::Left => "left" [],
        server::Event::SentAway { session } => "sent_away" [("session", Value::Session(session))],
        server::Event::AcceptedWithoutCredentials { connection } => "accepted_without_credentials" [on(connection)],
        server::Event::StreamOpened { connection, on: other } => "stream_opened" [on(connection), number("on", other)],
        server::Event::StreamClosed { connection } => "stream_closed" [on(connection)],
        server::Event::Forwarded { connection, to } => "forwarded" [on(connection), endpoint("to", to)],
        server::Event::NotForwarded { connection } => "not_forwarded" [on(connection)],
        server::Event::FlowBegan { connection } => "flow_began" [on(connection)],
        server::Event::FlowEnded { connection } => "flow_ended" [on(connection)],
        server::Event::EndedByClock { connection, clock, ends, code, cause } => "ended_by_clock"
            ended_by_clock(connection, (clock, ends, code), cause),
        server::Event::Reloaded { generation, connections } => "reloaded"
            [number("generation", generation), number("connections", connections)],
        server::Event::OldClosed { connection, generation } => "old_closed"
            [on(connection), number("generation", generation)],
        server::Event::Probed { number: probe, queued } => "probed" [number("number", probe), flag("queued", queued)],
        server::Event::ProbeAnswered { number: probe, healthy, served } => "probe_answered"
            [number("number", probe), flag("healthy", healthy), length("served", served)],
        server::Event::ProbeFailed { probe } => "probe_failed" [text("probe", probe.name())],
        server::Event::NotReady => "not_ready" [],
        server::Event::Ready => "ready" [],
        server::Event::OutOfMemory => "out_of_memory" [],
        server::Event::Killed { reason } => "killed" [text("reason", reason.name())],
        server::Event::Restarted => "restarted" [],
        server::Event::Refused { connection, resource } => "refused"
            [on(connection), text("resource", resource.name())],
        server::Event::Uses { resource, amount } => "uses" [text("resource", resource.name()), number("amount", amount)],
        server::Event::CheckFailed { server } => "check_failed" [endpoint("checked", server)],
        server::Event::MarkedDown { server } => "marked_down" [endpoint("checked", server)],
        server::Event::MarkedUp { server } => "marked_up" [endpoint("checked", server)],
    }
}

fn ended_by_clock(connection: u32, (clock, ends, code): (Clock, Ends, u16), cause: Option<u16>) -> Vec<Field> {
    let mut fields = vec![on(connection), text("clock", clock.name()), text("ends", ends.name())];
    fields.extend((code != 0).then(|| number("code", code)));
    fields.extend(cause.map(|fault| ("fault", Value::Fault(fault))));
    fields
}

words! {
    NETWORK, network(event: network::Event) {
        network::Event::SynDropped { session, backlog_full } => "syn_dropped"
            [of(session), flag("backlog_full", backlog_full)],
        network::Event::SynRefused { session, backlog_full } => "syn_refused"
            [of(session), flag("backlog_full", backlog_full)],
        network::Event::Lost { session, message, times } => "message_lost"
            [of(session), text("message", message.name()), number("times", times)],
        network::Event::QueueFull { session, message } => "queue_full" [of(session), text("message", message.name())],
        network::Event::Stalled { session, to_server } => "stalled" [of(session), flag("to_server", to_server)],
        network::Event::NoPort { session } => "no_port" [of(session)],
        network::Event::AcceptOverflow { session } => "accept_overflow" [of(session)],
        network::Event::Through { session, server } => "through" [of(session), endpoint("to", server)],
        network::Event::Paired { session, connection } => "paired" [of(session), on(connection)],
        network::Event::KeepaliveFailed { session, by_client } => "keepalive_failed"
            [of(session), flag("by_client", by_client)],
        network::Event::GivenUp { session, to_server } => "given_up" [of(session), flag("by_client", to_server)],
    }
}

words! {
    FAULT, fault(event: fault::Event) {
        fault::Event::Began { .. } | fault::Event::Parted(_) | fault::Event::Impaired(..) => "fault_began" struck(event),
        fault::Event::Healed { .. } | fault::Event::Joined(_) | fault::Event::Cleared(..) => "fault_healed" struck(event),
        fault::Event::Reset { session } => "reset" [("session", Value::Session(session))],
        fault::Event::Drained { session } => "drained" [("session", Value::Session(session))],
    }
}

/// What a fault strikes, or no longer does.
fn struck(event: fault::Event) -> Vec<Field> {
    let between = |kind: fault::Kind, cut: Cut| {
        let other = match cut.side {
            Side::Clients(group) => ("clients", Value::Group(group)),
            Side::Server(server) => endpoint("caller", server),
        };
        let ways = [flag("to_server", cut.to_server), flag("to_client", cut.to_client)];
        [&[text("what", kind.name()), endpoint("server", cut.server), other], &ways[..]].concat()
    };
    match event {
        fault::Event::Began { server, kind } | fault::Event::Healed { server, kind } => {
            vec![text("what", kind.name()), endpoint("server", server)]
        }
        fault::Event::Parted(cut) | fault::Event::Joined(cut) => between(fault::Kind::Partition, cut),
        fault::Event::Impaired(kind, cut) | fault::Event::Cleared(kind, cut) => between(kind, cut),
        fault::Event::Reset { .. } | fault::Event::Drained { .. } => Vec::new(),
    }
}

words! {
    DNS, dns(event: dns::Event) {
        dns::Event::Listed { server } => "listed" [endpoint("server", server)],
        dns::Event::Withdrawn { server } => "withdrawn" [endpoint("server", server)],
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_events_have_the_same_name() {
        let all: Vec<&str> = names().collect();
        let unique: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(all.len(), unique.len());
    }
}
