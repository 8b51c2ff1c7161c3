//! The one table of metrics: unit, meaning, direction, and what a metric needs.
//!
//! JSON, CSV, `[expect]`, `--slo`, `compare`, sweeps, reports and the docs read it. A metric that is not in the table can't
//! be recorded.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// What a metric is of. Its path begins accordingly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The whole run, or a phase: `sessions.opened`, `phases.evening.sessions.opened`.
    Run,
    /// A fault: `faults.NAME.recovery_time`.
    Fault,
    /// A server, or a server group: `servers.NAME.opened`.
    Server,
    /// A client group: `clients.NAME.sessions.opened`.
    Clients,
    /// A DNS name: `dns.NAME.lookups`.
    Dns,
}

impl Subject {
    /// Every subject, in the order of the docs.
    pub const ALL: [Subject; 5] = [Subject::Run, Subject::Fault, Subject::Server, Subject::Clients, Subject::Dns];

    /// The beginning of the paths, with `NAME` for a name of the scenario.
    pub fn prefix(self) -> &'static str {
        match self {
            Subject::Run => "",
            Subject::Fault => "faults.NAME.",
            Subject::Server => "servers.NAME.",
            Subject::Clients => "clients.NAME.",
            Subject::Dns => "dns.NAME.",
        }
    }
}

/// The unit of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A time. In JSON and CSV it is in milliseconds, and the name ends in `_ms`.
    Duration,
    /// How many.
    Count,
    /// How many of a total, which is the metric of this name beside it. It can be compared with a number or with a share.
    Part(&'static str),
    /// A ratio from 0 to 1.
    Ratio,
    /// A distribution of times: the metric has every one of [`STATISTICS`].
    Latency,
}

/// Which value of a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// The lower one.
    Lower,
    /// The higher one.
    Higher,
}

/// A row of the table.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it is of.
    pub subject: Subject,
    /// Its path after the subject's.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// Which value is better.
    pub better: Better,
    /// What it means, in one or two sentences.
    pub meaning: &'static str,
    /// What a scenario must have so that the metric exists; empty: nothing.
    pub needs: &'static str,
}

/// The statistics of a latency: a name, and whether the value is a time.
pub const STATISTICS: [(&str, bool); 9] = [
    ("count", false),
    ("min", true),
    ("mean", true),
    ("p50", true),
    ("p90", true),
    ("p99", true),
    ("p99_9", true),
    ("p99_99", true),
    ("max", true),
];

use Better::{Higher, Lower};
use Unit::{Count, Duration, Latency, Part, Ratio};

const fn row(
    subject: Subject,
    name: &'static str,
    unit: Unit,
    better: Better,
    meaning: &'static str,
    needs: &'static str,
) -> Entry {
    Entry { subject, name, unit, better, meaning, needs }
}

const fn run(name: &'static str, unit: Unit, better: Better, meaning: &'static str, needs: &'static str) -> Entry {
    row(Subject::Run, name, unit, better, meaning, needs)
}

const fn fault(name: &'static str, unit: Unit, better: Better, meaning: &'static str) -> Entry {
    row(Subject::Fault, name, unit, better, meaning, "a fault")
}

const fn server(name: &'static str, unit: Unit, better: Better, meaning: &'static str, needs: &'static str) -> Entry {
    row(Subject::Server, name, unit, better, meaning, needs)
}

const fn clients(name: &'static str, unit: Unit, better: Better, meaning: &'static str, needs: &'static str) -> Entry {
    row(Subject::Clients, name, unit, better, meaning, needs)
}

const fn dns(name: &'static str, better: Better, meaning: &'static str) -> Entry {
    row(Subject::Dns, name, Count, better, meaning, "a DNS name")
}

const TLS: &str = "TLS";
const LIMITS: &str = "a limit of the server";
const POOL: &str = "`transactions_max`";
const BALANCER: &str = "a balancer";
const HALF_OPEN: &str = "`[measure] half_open`";
const CLOCKS: &str = "`heartbeat`, `idle_timeout` or `connection_age` of the server, or a `reload`";
const RELOADS: &str = "a fault of kind `reload`";
const PROXY: &str = "a forward proxy";
const RACE: &str = "`race`";
const CALLS: &str = "`calls`";
const FINDINGS: &str = "credentials, redirects, or clients that open unverified";
const SUPERVISED: &str = "`liveness`, `readiness`, or `memory` that kills";
const GROUP: &str = "a server group";
const SEVERAL: &str = "a server group of several members";

/// Every metric.
pub static TABLE: &[Entry] = &[
    run("sessions.scheduled", Count, Higher, "Sessions that were to start.", ""),
    run("sessions.opened", Part("scheduled"), Higher, "Sessions that were open at least once, usable end to end.", ""),
    run("sessions.never_opened", Part("scheduled"), Lower, "Sessions that were never open.", ""),
    run(
        "sessions.failed",
        Part("scheduled"),
        Lower,
        "Sessions that gave up: their retry policy allows no further attempt.",
        "",
    ),
    run(
        "sessions.ended",
        Part("scheduled"),
        Higher,
        "Sessions that were open for their `hold` and ended as intended.",
        "",
    ),
    run(
        "sessions.wanted_at_end",
        Count,
        Higher,
        "Sessions that want to be open at the end: started, and their `hold` is not over.",
        "",
    ),
    run(
        "sessions.open_at_end",
        Part("wanted_at_end"),
        Higher,
        "Sessions that are open at the end, of those that want to be.",
        "",
    ),
    run(
        "availability.mean",
        Ratio,
        Higher,
        "The time that sessions were usable, divided by the time that they wanted to be.",
        "",
    ),
    run(
        "time_to_open",
        Latency,
        Lower,
        "From the scheduled start to the first open. A session that never opens is infinitely slow.",
        "",
    ),
    run("handshake_latency", Latency, Lower, "From TCP established to open, of attempts that opened.", ""),
    run(
        "attempt_latency",
        Latency,
        Lower,
        "From the start of the connect to the outcome, of every attempt. One that is under way at the end is infinitely slow.",
        "",
    ),
    run("tls_latency", Latency, Lower, "From TCP established to TLS established.", TLS),
    run("attempts.total", Count, Lower, "Attempts that began.", ""),
    run("attempts.pending", Part("total"), Lower, "Attempts that are under way at the end.", ""),
    run("attempts.peak", Count, Lower, "Attempts that began in the worst second.", ""),
    run("attempts.opened", Part("total"), Higher, "Attempts that opened.", ""),
    run("attempts.redirected", Part("total"), Lower, "Attempts that were redirected.", ""),
    run(
        "attempts.challenged",
        Part("total"),
        Lower,
        "Attempts that were answered with 401 and went on with credentials.",
        "credentials",
    ),
    run(
        "attempts.proxy_challenged",
        Part("total"),
        Lower,
        "Attempts that a proxy answered with 407 and that went on with credentials.",
        PROXY,
    ),
    run("attempts.refused", Part("total"), Lower, "Attempts whose connect was refused.", ""),
    run("attempts.connect_timeout", Part("total"), Lower, "Attempts whose connect took too long.", ""),
    run("attempts.handshake_timeout", Part("total"), Lower, "Attempts whose handshake took too long.", ""),
    run("attempts.reset", Part("total"), Lower, "Attempts whose connection was reset.", ""),
    run("attempts.rejected", Part("total"), Lower, "Attempts that were answered with an error status.", ""),
    run("attempts.invalid", Part("total"), Lower, "Attempts whose response was invalid.", ""),
    run(
        "attempts.bad_redirect",
        Part("total"),
        Lower,
        "Attempts that ended at a redirect that could not be followed.",
        "",
    ),
    run("attempts.unresolved", Part("total"), Lower, "Attempts whose name was not resolved.", "a DNS name"),
    run("attempts.unauthorized", Part("total"), Lower, "Attempts that ended at a 401.", "credentials"),
    run("attempts.proxy_unauthorized", Part("total"), Lower, "Attempts that ended at a proxy's 407.", PROXY),
    run("attempts.proxy_rejected", Part("total"), Lower, "Attempts that a proxy rejected.", PROXY),
    run(
        "attempts.tls_failed",
        Part("total"),
        Lower,
        "Attempts whose TLS failed: a certificate that is not trusted, or an alert.",
        TLS,
    ),
    run("attempts.closed", Part("total"), Lower, "Attempts whose connection was closed.", ""),
    run(
        "attempts.failed",
        Part("total"),
        Lower,
        "Attempts that came to nothing: neither opened nor followed by another request. Those that are under way at the end are not among them, but are in the total.",
        "",
    ),
    run("hops.total", Count, Lower, "Redirects that were followed.", ""),
    run("hops.max", Count, Lower, "The longest chain of redirects.", ""),
    run("tls.handshakes", Count, Lower, "Completed TLS handshakes.", TLS),
    run("tls.resumed", Part("handshakes"), Higher, "TLS handshakes that resumed a session.", TLS),
    run("race.connects", Count, Lower, "Connects to another address beside the first of their attempt.", RACE),
    run("race.won", Part("connects"), Higher, "Those of them that were established first.", RACE),
    run(
        "findings.accepted_without_credentials",
        Count,
        Lower,
        "Requests that a server accepted without the credentials that it demands.",
        FINDINGS,
    ),
    run("findings.*", Count, Lower, "What was found of this kind.", FINDINGS),
    run("network.syns_dropped", Count, Lower, "SYNs that found an accept queue full.", ""),
    run(
        "network.accept_overflows",
        Count,
        Lower,
        "Third segments of connects, and data that repeats them, that found an accept queue full: their clients believe that \
         they are connected.",
        "",
    ),
    run("network.no_port", Count, Lower, "Connects whose address had no port left towards the server.", ""),
    run("lost.total", Count, Lower, "Open connections that were lost.", ""),
    run("lost.*", Part("total"), Lower, "Open connections that were lost in this way.", ""),
    run("heartbeats.answered", Count, Higher, "Heartbeats that were answered.", ""),
    run("detection_time", Latency, Lower, "From the failure of the path until the client notices.", ""),
    run("outage", Latency, Lower, "From the failure of the path until the session is open again.", ""),
    run(
        "half_open.servers_max",
        Count,
        Lower,
        "The most connections at once that servers believed to be open and whose clients had ended them.",
        HALF_OPEN,
    ),
    run(
        "half_open.servers",
        Latency,
        Lower,
        "From the moment that a client ended its open connection, or gave it up, until the server knew. One that never knows is infinitely slow.",
        HALF_OPEN,
    ),
    run(
        "half_open.clients_max",
        Count,
        Lower,
        "The most connections at once that clients believed to be open and that their servers had ended, or lost with their processes.",
        HALF_OPEN,
    ),
    run("half_open.clients", Latency, Lower, "From that moment until the client knew.", HALF_OPEN),
    fault(
        "open_at_strike",
        Count,
        Higher,
        "Sessions that were open when the fault struck. If it strikes several times, those that were open at one of them.",
    ),
    fault(
        "affected",
        Part("open_at_strike"),
        Lower,
        "Sessions whose path the fault interrupted, of those that were open when it struck.",
    ),
    fault(
        "open_again",
        Part("affected"),
        Higher,
        "Affected sessions that are open at the end, or ended as intended while open.",
    ),
    fault("first_loss", Duration, Lower, "From the beginning of the fault until the first session lost its path."),
    fault("last_loss", Duration, Lower, "From the beginning of the fault until the last session lost its path."),
    fault(
        "recovery_time",
        Duration,
        Lower,
        "From the first loss until 99 % of the affected sessions are open again at the same moment, after the last loss.",
    ),
    fault("down_max", Part("affected"), Lower, "The most affected sessions that were without a path at once."),
    fault(
        "lost_time",
        Duration,
        Lower,
        "Session time without a path: the sum over the affected sessions, until their `hold` or the run is over.",
    ),
    fault(
        "peak_arrivals.max",
        Count,
        Lower,
        "Requests in the worst second of the busiest surviving server, from the beginning of the fault until recovery.",
    ),
    fault("peak_arrivals.*", Count, Lower, "The same of one server."),
    row(
        Subject::Fault,
        "rebalanced_after",
        Duration,
        Lower,
        "From the first loss until the open connections of each server that is up are within 10 % of even, in every group that the fault struck. Each loss and each heal begins it anew.",
        "a fault of a server group of several members",
    ),
    server("arrivals.total", Count, Lower, "Requests that arrived.", ""),
    server(
        "arrivals.peak",
        Count,
        Lower,
        "Requests that arrived in the worst second; of a group, at its busiest member.",
        "",
    ),
    server("opened", Count, Higher, "Handshakes that its clients completed.", ""),
    server("wasted", Count, Lower, "Responses to clients that had disconnected.", ""),
    server(
        "error_responses",
        Count,
        Lower,
        "Responses with a status of 400 or above, to requests that it rejected for any reason.",
        "",
    ),
    server("syns_dropped", Count, Lower, "SYNs that found its accept queue full.", ""),
    server(
        "accept_overflows",
        Count,
        Lower,
        "Third segments of connects, and data that repeats them, that found its accept queue full.",
        "",
    ),
    server("no_port", Count, Lower, "Connects to it whose address had no port left.", ""),
    server("open_at_end", Count, Higher, "Open connections at the end.", ""),
    server(
        "open_connections_max",
        Count,
        Lower,
        "The most open connections at once; of a group, at its busiest member.",
        "",
    ),
    server(
        "queue_depth_max",
        Count,
        Lower,
        "The most requests that waited for a worker; of a group, at its busiest member.",
        "",
    ),
    server("streams_opened", Count, Higher, "HTTP/2 streams that were opened.", "clients on HTTP/2"),
    server("open_streams_max", Count, Lower, "The most HTTP/2 streams at once.", "clients on HTTP/2"),
    server("forwarded", Count, Higher, "Connections that it forwarded.", BALANCER),
    server("not_forwarded", Count, Lower, "Connections that it could not forward.", BALANCER),
    server("checks_failed", Count, Lower, "Health checks that failed.", BALANCER),
    server("marked_down", Count, Lower, "How often it marked a server as down.", BALANCER),
    server("tunnels", Count, Higher, "Tunnels that it opened.", PROXY),
    server("challenged", Count, Lower, "Requests that it answered with 407.", PROXY),
    server("unreachable", Count, Lower, "Requests whose target it could not reach.", PROXY),
    server("turned_away", Count, Lower, "Requests that it rejected because of a limit.", LIMITS),
    server("queue_full", Count, Lower, "Requests that found the request queue full.", LIMITS),
    server("connections_full", Count, Lower, "Requests above the limit of connections.", LIMITS),
    server("expired", Count, Lower, "Requests that waited too long for a worker.", LIMITS),
    server("over_rate", Count, Lower, "Requests above the accept rate.", LIMITS),
    server("draining", Count, Lower, "Requests that arrived during a drain.", LIMITS),
    server("held_back", Count, Lower, "Requests that were delayed by the accept rate.", LIMITS),
    server("timed_out", Count, Lower, "Connections whose request did not arrive in time.", LIMITS),
    server("transactions_in_use_max", Count, Lower, "The most HTTP transactions at once.", POOL),
    server("transactions_awaited", Count, Lower, "Requests that waited for a transaction.", POOL),
    server("transactions_full", Count, Lower, "Requests that were rejected without a transaction.", POOL),
    server("transactions_utilisation", Ratio, Lower, "Transactions in use, divided by their limit, over time.", POOL),
    server(
        "ended_by.*",
        Count,
        Lower,
        "Open connections that its clock of this name ended: `heartbeat`, `idle_timeout`, `connection_age`, `reload`.",
        CLOCKS,
    ),
    server(
        "keepalive_failed.*",
        Count,
        Lower,
        "Connections that a kernel gave up because its probes were not answered: `servers` its own, `clients` that of whoever connected.",
        "`keepalive`",
    ),
    server("reloads", Count, Lower, "How often its process was replaced.", RELOADS),
    server(
        "old_connections_max",
        Count,
        Lower,
        "The most connections that its old processes had at once; of a group, at its worst member.",
        RELOADS,
    ),
    server(
        "old_processes_max",
        Count,
        Lower,
        "The most old processes at once, each of which is there until its last connection is gone; of a group, at its worst member.",
        RELOADS,
    ),
    server("tls_full", Count, Lower, "Full TLS handshakes.", TLS),
    server("tls_resumed", Count, Higher, "Resumed TLS handshakes.", TLS),
    server("calls", Count, Lower, "Attempts of calls to other servers.", CALLS),
    server("calls_failed", Count, Lower, "Attempts of calls that failed.", CALLS),
    server(
        "memory_in_use_max",
        Count,
        Lower,
        "Most memory that it needed at once, in bytes; of a group, of one member.",
        "`memory`",
    ),
    server(
        "descriptors_in_use_max",
        Count,
        Lower,
        "Most file descriptors that its connections needed at once.",
        "`descriptors`",
    ),
    server(
        "refused",
        Count,
        Lower,
        "Connections that were closed as soon as they were accepted, and requests answered 503, for want of a resource.",
        "`memory` or `descriptors`",
    ),
    server("kills", Count, Lower, "How often its process was killed for one of the two reasons.", SUPERVISED),
    server(
        "kills_out_of_memory",
        Count,
        Lower,
        "Kills of processes that needed more memory than there is.",
        SUPERVISED,
    ),
    server("kills_liveness", Count, Lower, "Kills of processes whose liveness probes failed.", SUPERVISED),
    server("restarts", Count, Lower, "Processes that were started in place of one that was killed.", SUPERVISED),
    server("probes_failed", Count, Lower, "Probes that failed, or were not answered in time.", SUPERVISED),
    server(
        "not_ready",
        Ratio,
        Lower,
        "The time from a kill to the restart, or while readiness probes failed, divided by all time.",
        SUPERVISED,
    ),
    server("pauses", Count, Lower, "How often its process paused.", "`pauses`"),
    server("paused", Ratio, Lower, "The time that it paused, divided by all time.", "`pauses`"),
    server(
        "utilisation.mean",
        Ratio,
        Lower,
        "The time that workers (with `cores`: processors) were busy, divided by all their time.",
        "",
    ),
    server("utilisation.peak", Ratio, Lower, "The same in the worst second; of a group, of its busiest member.", ""),
    server(
        "queue_wait",
        Latency,
        Lower,
        "The wait for a worker. A request that still waits at the end is infinitely slow.",
        "",
    ),
    server("call_latency", Latency, Lower, "From the start of a call's attempt to its outcome.", CALLS),
    server(
        "balance.at_end",
        Ratio,
        Higher,
        "Jain's index of the members' open connections at the end: 1 is even, 1/n is all on one.",
        SEVERAL,
    ),
    server(
        "balance.mean",
        Ratio,
        Higher,
        "The mean of Jain's index of the members' open connections at the ends of the intervals in which any are open.",
        SEVERAL,
    ),
    server("fairness", Ratio, Higher, "Jain's index of the handshakes that the members completed.", GROUP),
    clients("sessions.scheduled", Count, Higher, "Sessions that were to start.", ""),
    clients(
        "sessions.opened",
        Part("scheduled"),
        Higher,
        "Sessions that were open at least once, usable end to end.",
        "",
    ),
    clients("sessions.never_opened", Part("scheduled"), Lower, "Sessions that were never open.", ""),
    clients("sessions.failed", Part("scheduled"), Lower, "Sessions that gave up.", ""),
    clients("sessions.ended", Part("scheduled"), Higher, "Sessions that ended as intended.", ""),
    clients("sessions.wanted_at_end", Count, Higher, "Sessions that want to be open at the end.", ""),
    clients(
        "sessions.open_at_end",
        Part("wanted_at_end"),
        Higher,
        "Sessions that are open at the end, of those that want to be.",
        "",
    ),
    clients("time_to_open", Latency, Lower, "As of the run, of this group.", ""),
    clients("handshake_latency", Latency, Lower, "As of the run, of this group.", ""),
    clients("attempt_latency", Latency, Lower, "As of the run, of this group.", ""),
    clients("tls_latency", Latency, Lower, "As of the run, of this group.", TLS),
    dns("lookups", Lower, "Lookups, without answers from a client's cache."),
    dns("answers", Higher, "Lookups that were answered."),
    dns("withdrawn", Lower, "Records that were removed."),
];

/// The rows by subject and name; those that stand for several names under the name without the star.
static ROWS: LazyLock<BTreeMap<(Subject, &'static str), &'static Entry>> =
    LazyLock::new(|| TABLE.iter().map(|entry| ((entry.subject, entry.name.trim_end_matches('*')), entry)).collect());

/// The row of a metric, by the rest of its path. The second is its statistic, if it is a latency's.
pub(super) fn find(subject: Subject, rest: &str) -> Option<(&'static Entry, Option<&'static (&'static str, bool)>)> {
    if let Some(entry) = ROWS.get(&(subject, rest)).filter(|entry| entry.unit != Unit::Latency) {
        return (!entry.name.ends_with('*')).then_some((*entry, None));
    }
    let (group, last) = rest.rsplit_once('.')?;
    if let Some(entry) = ROWS.get(&(subject, group)) {
        let statistic = STATISTICS.iter().find(|(name, _)| *name == last)?;
        return (entry.unit == Unit::Latency).then_some((*entry, Some(statistic)));
    }
    let several = ROWS.get(&(subject, &rest[..=group.len()])).filter(|_| !["", "*"].contains(&last));
    several.map(|entry| (*entry, None))
}
