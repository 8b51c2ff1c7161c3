//! Names and fields of events in JSON.

use crate::client::{self, End, Failure};
use crate::event::Kind;
use crate::fault::{self, Cut, Side};
use crate::network::{self, dns};
use crate::server::{self, CallOutcome, Reason, Turn};
use crate::time::Nanos;

/// An event in words.
#[derive(Debug)]
pub(super) struct Said {
    /// What happened.
    pub kind: &'static str,
    /// What belongs to it, by name.
    pub fields: Vec<(&'static str, Value)>,
}

/// What a field of an event holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A number.
    Number(u64),
    /// True or false.
    Flag(bool),
    /// A word.
    Text(&'static str),
    /// A sentence.
    Said(String),
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
}

/// Every kind, by layer: session, server, network, fault, DNS.
pub const KINDS: &[&str] = &[
    "scheduled",
    "resolving",
    "resolved",
    "attempt_started",
    "connected",
    "secured",
    "stream_began",
    "opened",
    "redirected",
    "challenged",
    "tunnelled",
    "proxy_challenged",
    "asked_again",
    "found",
    "attempt_failed",
    "lost",
    "heartbeat_answered",
    "retrying",
    "hopping",
    "ended",
    "gave_up",
    "accepted",
    "requested",
    "service_started",
    "answered",
    "wasted",
    "closed",
    "turned_away",
    "expired",
    "held_back",
    "transaction_began",
    "transaction_ended",
    "transaction_awaited",
    "timed_out",
    "going_away",
    "worked",
    "called",
    "call_ended",
    "paused",
    "resumed",
    "hello",
    "hello_answered",
    "joined",
    "leaving",
    "left",
    "sent_away",
    "accepted_without_credentials",
    "stream_opened",
    "stream_closed",
    "forwarded",
    "not_forwarded",
    "flow_began",
    "flow_ended",
    "check_failed",
    "marked_down",
    "marked_up",
    "syn_dropped",
    "syn_refused",
    "message_lost",
    "queue_full",
    "stalled",
    "through",
    "given_up",
    "fault_began",
    "fault_healed",
    "drained",
    "listed",
    "withdrawn",
];

/// Puts an event into words.
pub(super) fn said(kind: Kind) -> Said {
    let (kind, fields) = match kind {
        Kind::Session(_, event) => session(event),
        Kind::Server(_, event) => server(event),
        Kind::Network(_, event) => network(event),
        Kind::Fault(_, event) => fault(event),
        Kind::Dns(_, event) => match event {
            dns::Event::Listed { server } => ("listed", vec![("server", Value::Endpoint(server))]),
            dns::Event::Withdrawn { server } => ("withdrawn", vec![("server", Value::Endpoint(server))]),
        },
    };
    Said { kind, fields }
}

type Words = (&'static str, Vec<(&'static str, Value)>);

fn on(connection: u32) -> (&'static str, Value) {
    ("connection", Value::Number(connection.into()))
}

fn number(key: &'static str, value: impl Into<u64>) -> (&'static str, Value) {
    (key, Value::Number(value.into()))
}

fn session(event: client::Event) -> Words {
    use client::Event;
    match event {
        Event::Scheduled { group, .. } => ("scheduled", vec![("group", Value::Group(group))]),
        Event::Resolving { connection, name } => ("resolving", vec![on(connection), ("name", Value::Endpoint(name))]),
        Event::Resolved { connection, name, addresses, ttl } => {
            let name = ("name", Value::Endpoint(name));
            ("resolved", vec![on(connection), name, number("addresses", addresses), ("ttl", Value::Length(ttl))])
        }
        Event::AttemptStarted { connection, endpoint } => {
            ("attempt_started", vec![on(connection), ("server", Value::Endpoint(endpoint))])
        }
        Event::Connected { connection } => ("connected", vec![on(connection)]),
        Event::Secured { connection, resumed } => ("secured", vec![on(connection), ("resumed", Value::Flag(resumed))]),
        Event::StreamBegan { connection, stream } => ("stream_began", vec![on(connection), number("stream", stream)]),
        Event::Opened { connection, endpoint } => {
            ("opened", vec![on(connection), ("server", Value::Endpoint(endpoint))])
        }
        Event::Redirected { connection, status, endpoint } => {
            ("redirected", vec![on(connection), number("status", status), ("to", Value::Endpoint(endpoint))])
        }
        Event::Challenged { connection } => ("challenged", vec![on(connection)]),
        Event::Tunnelled { connection } => ("tunnelled", vec![on(connection)]),
        Event::ProxyChallenged { connection } => ("proxy_challenged", vec![on(connection)]),
        Event::AskedAgain { connection } => ("asked_again", vec![on(connection)]),
        Event::Found { connection, finding } => {
            ("found", vec![on(connection), ("finding", Value::Text(finding.name()))])
        }
        Event::AttemptFailed { connection, failure } => {
            let mut fields = vec![on(connection), ("outcome", Value::Text(failure.outcome().name()))];
            match failure {
                Failure::Rejected { status, retry_after } | Failure::ProxyRejected { status, retry_after } => {
                    fields.push(number("status", status));
                    fields.extend(retry_after.map(|seconds| number("retry_after_s", seconds)));
                }
                Failure::Invalid(error) => fields.push(("why", Value::Said(error.to_string()))),
                Failure::Insecure => fields.push(("why", Value::Text("TLS did not come up"))),
                Failure::RedirectLimit => fields.push(("why", Value::Text("one redirect too many"))),
                Failure::BadLocation => fields.push(("why", Value::Text("a Location that leads nowhere"))),
                Failure::Unresolved => fields.push(("why", Value::Text("redirected to an unknown host"))),
                _ => {}
            }
            ("attempt_failed", fields)
        }
        Event::Lost { connection, end } => {
            let mut fields = vec![on(connection), ("end", Value::Text(End::NAMES[end.kind()]))];
            if let End::Close(code) = end {
                fields.push(number("code", code));
            }
            ("lost", fields)
        }
        Event::HeartbeatAnswered { connection } => ("heartbeat_answered", vec![on(connection)]),
        Event::Retrying { delay } => ("retrying", vec![("delay", Value::Length(delay))]),
        Event::Hopping { delay } => ("hopping", vec![("delay", Value::Length(delay))]),
        Event::Ended => ("ended", vec![]),
        Event::GaveUp => ("gave_up", vec![]),
    }
}

fn server(event: server::Event) -> Words {
    use server::Event;
    let flag = |key: &'static str, value: bool| (key, Value::Flag(value));
    let length = |key: &'static str, value: Nanos| (key, Value::Length(value));
    let endpoint = |key: &'static str, value: u32| (key, Value::Endpoint(value));
    match event {
        Event::Accepted { connection } => ("accepted", vec![on(connection)]),
        Event::Requested { connection, queued } => ("requested", vec![on(connection), flag("queued", queued)]),
        Event::ServiceStarted { connection, waited, queued } => {
            ("service_started", vec![on(connection), length("waited", waited), flag("queued", queued)])
        }
        Event::Answered { connection, status, served } => {
            ("answered", vec![on(connection), number("status", status), length("served", served)])
        }
        Event::Wasted { connection, served } => ("wasted", vec![on(connection), length("served", served)]),
        Event::Closed { connection } => ("closed", vec![on(connection)]),
        Event::TurnedAway { connection, reason, turn, queued } => {
            let reason = match reason {
                Reason::QueueFull => "queue_full",
                Reason::ConnectionsMax => "connections_max",
                Reason::AcceptRate => "accept_rate",
                Reason::AddressRate => "address_rate",
                Reason::Draining => "draining",
                Reason::TransactionsMax => "transactions_max",
            };
            let how = match turn {
                Turn::Reject => "reject",
                Turn::Redirect => "redirect",
                Turn::Drop => "drop",
                Turn::Reset => "reset",
            };
            let words = [("reason", Value::Text(reason)), ("how", Value::Text(how)), flag("queued", queued)];
            ("turned_away", [vec![on(connection)], words.to_vec()].concat())
        }
        Event::Expired { connection, waited } => ("expired", vec![on(connection), length("waited", waited)]),
        Event::HeldBack { connection, delay } => ("held_back", vec![on(connection), length("delay", delay)]),
        Event::TransactionBegan { connection } => ("transaction_began", vec![on(connection)]),
        Event::TransactionEnded { connection } => ("transaction_ended", vec![on(connection)]),
        Event::TransactionAwaited { connection } => ("transaction_awaited", vec![on(connection)]),
        Event::TimedOut { connection } => ("timed_out", vec![on(connection)]),
        Event::GoingAway { connection, code } => ("going_away", vec![on(connection), number("code", code)]),
        Event::Worked { connection, served } => ("worked", vec![on(connection), length("served", served)]),
        Event::Called { connection, endpoint: to } => ("called", vec![on(connection), endpoint("to", to)]),
        Event::CallEnded { connection, outcome, took } => {
            let outcome = match outcome {
                CallOutcome::Answered => "answered",
                CallOutcome::Rejected => "rejected",
                CallOutcome::Refused => "refused",
                CallOutcome::TimedOut => "timed_out",
                CallOutcome::Broken => "broken",
            };
            ("call_ended", vec![on(connection), ("outcome", Value::Text(outcome)), length("took", took)])
        }
        Event::Paused => ("paused", vec![]),
        Event::Resumed => ("resumed", vec![]),
        Event::Hello { connection, resumed, queued } => {
            ("hello", vec![on(connection), flag("resumed", resumed), flag("queued", queued)])
        }
        Event::HelloAnswered { connection, served } => {
            ("hello_answered", vec![on(connection), length("served", served)])
        }
        Event::Joined => ("joined", vec![]),
        Event::Leaving => ("leaving", vec![]),
        Event::Left => ("left", vec![]),
        Event::SentAway { session } => ("sent_away", vec![("session", Value::Session(session))]),
        Event::AcceptedWithoutCredentials { connection } => ("accepted_without_credentials", vec![on(connection)]),
        Event::StreamOpened { connection, on: other } => ("stream_opened", vec![on(connection), number("on", other)]),
        Event::StreamClosed { connection } => ("stream_closed", vec![on(connection)]),
        Event::Forwarded { connection, to } => ("forwarded", vec![on(connection), endpoint("to", to)]),
        Event::NotForwarded { connection } => ("not_forwarded", vec![on(connection)]),
        Event::FlowBegan { connection } => ("flow_began", vec![on(connection)]),
        Event::FlowEnded { connection } => ("flow_ended", vec![on(connection)]),
        Event::CheckFailed { server } => ("check_failed", vec![endpoint("checked", server)]),
        Event::MarkedDown { server } => ("marked_down", vec![endpoint("checked", server)]),
        Event::MarkedUp { server } => ("marked_up", vec![endpoint("checked", server)]),
    }
}

fn network(event: network::Event) -> Words {
    use network::{Event, Message};
    let whose = |session: u32| ("session", Value::Opener(session));
    let name = |message: Message| {
        let name = match message {
            Message::Syn => "syn",
            Message::SynAck => "syn_ack",
            Message::ToServer => "to_server",
            Message::ToClient => "to_client",
        };
        ("message", Value::Text(name))
    };
    match event {
        Event::SynDropped { session, backlog_full } => {
            ("syn_dropped", vec![whose(session), ("backlog_full", Value::Flag(backlog_full))])
        }
        Event::SynRefused { session, backlog_full } => {
            ("syn_refused", vec![whose(session), ("backlog_full", Value::Flag(backlog_full))])
        }
        Event::Lost { session, message, times } => {
            ("message_lost", vec![whose(session), name(message), number("times", times)])
        }
        Event::QueueFull { session, message } => ("queue_full", vec![whose(session), name(message)]),
        Event::Stalled { session, to_server } => {
            ("stalled", vec![whose(session), ("to_server", Value::Flag(to_server))])
        }
        Event::NoPort { session } => ("no_port", vec![whose(session)]),
        Event::AcceptOverflow { session } => ("accept_overflow", vec![whose(session)]),
        Event::Through { session, server } => ("through", vec![whose(session), ("to", Value::Endpoint(server))]),
        Event::GivenUp { session, to_server } => {
            ("given_up", vec![whose(session), ("by_client", Value::Flag(to_server))])
        }
    }
}

fn fault(event: fault::Event) -> Words {
    use fault::Event;
    let struck =
        |kind: fault::Kind, server: u32| vec![("what", Value::Text(kind.name())), ("server", Value::Endpoint(server))];
    let between = |kind: fault::Kind, cut: Cut| {
        let other = match cut.side {
            Side::Clients(group) => ("clients", Value::Group(group)),
            Side::Server(server) => ("caller", Value::Endpoint(server)),
        };
        let ways = [("to_server", Value::Flag(cut.to_server)), ("to_client", Value::Flag(cut.to_client))];
        [struck(kind, cut.server), vec![other], ways.to_vec()].concat()
    };
    match event {
        Event::Began { server, kind } => ("fault_began", struck(kind, server)),
        Event::Healed { server, kind } => ("fault_healed", struck(kind, server)),
        Event::Parted(cut) => ("fault_began", between(fault::Kind::Partition, cut)),
        Event::Joined(cut) => ("fault_healed", between(fault::Kind::Partition, cut)),
        Event::Impaired(kind, cut) => ("fault_began", between(kind, cut)),
        Event::Cleared(kind, cut) => ("fault_healed", between(kind, cut)),
        Event::Reset { session } => ("reset", vec![("session", Value::Session(session))]),
        Event::Drained { session } => ("drained", vec![("session", Value::Session(session))]),
    }
}
