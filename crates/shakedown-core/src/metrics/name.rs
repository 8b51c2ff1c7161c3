//! The name of a metric: parsed once, and then known with its row of the table.

use std::fmt;

use super::table::{Better, Entry, Subject, Unit, find};

/// The name of a metric: `handshake_latency.p99`, `servers.gateway.opened`, `faults.crash.after.attempts.failed`.
///
/// Only the table's metrics have one. Whether a scenario has the metric is for the scenario to say
/// ([`Summary::name`](super::Summary::name)).
#[derive(Clone)]
pub struct MetricName {
    path: String,
    entry: &'static Entry,
    statistic: Option<&'static (&'static str, bool)>,
}

/// The part of a run that a metric is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase<'a> {
    /// The measured part of the run.
    Whole,
    /// Until a fault begins.
    Before(&'a str),
    /// From a fault's beginning until it has healed.
    During(&'a str),
    /// From there on.
    After(&'a str),
    /// One that the scenario names.
    Named(&'a str),
}

impl Phase<'_> {
    /// What the paths of its metrics begin with.
    pub fn prefix(self) -> String {
        match self {
            Phase::Whole => String::new(),
            Phase::Before(fault) => format!("faults.{fault}.before."),
            Phase::During(fault) => format!("faults.{fault}.during."),
            Phase::After(fault) => format!("faults.{fault}.after."),
            Phase::Named(name) => format!("phases.{name}."),
        }
    }
}

/// The phase that a path begins with, and the rest of it.
fn phase(path: &str) -> (Phase<'_>, &str) {
    let mut steps = path.splitn(4, '.');
    match (steps.next(), steps.next(), steps.next(), steps.next()) {
        (Some("faults"), Some(fault), Some("before"), Some(rest)) => (Phase::Before(fault), rest),
        (Some("faults"), Some(fault), Some("during"), Some(rest)) => (Phase::During(fault), rest),
        (Some("faults"), Some(fault), Some("after"), Some(rest)) => (Phase::After(fault), rest),
        (Some("phases"), Some(name), Some(_), _) => (Phase::Named(name), &path["phases.".len() + name.len() + 1..]),
        _ => (Phase::Whole, path),
    }
}

/// The subject that a path is of, its name in the scenario, and the rest.
fn subject(path: &str) -> (Subject, &str, &str) {
    let mut steps = path.splitn(3, '.');
    let subject = match steps.next() {
        Some("faults") => Subject::Fault,
        Some("servers") => Subject::Server,
        Some("clients") => Subject::Clients,
        Some("dns") => Subject::Dns,
        _ => return (Subject::Run, "", path),
    };
    (subject, steps.next().unwrap_or_default(), steps.next().unwrap_or_default())
}

impl MetricName {
    /// Reads a path; `None` if the table has no such metric.
    pub fn parse(path: &str) -> Option<MetricName> {
        let (phase, rest) = phase(path);
        let (subject, _, rest) = subject(rest);
        // A phase has no faults of its own, and names are looked up all the time.
        if phase != Phase::Whole && matches!(subject, Subject::Fault | Subject::Dns) {
            return None;
        }
        let (entry, statistic) = find(subject, rest)?;
        Some(MetricName { path: path.to_string(), entry, statistic })
    }

    /// Its path.
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// Its row of the table.
    pub fn entry(&self) -> &'static Entry {
        self.entry
    }

    /// The part of the run that it is of.
    pub fn phase(&self) -> Phase<'_> {
        phase(&self.path).0
    }

    /// What it is of, and the name of that in the scenario (empty for the run).
    pub fn subject(&self) -> (Subject, &str) {
        let (subject, name, _) = subject(phase(&self.path).1);
        (subject, name)
    }

    /// Its unit; a latency's statistics are durations and a count.
    pub fn unit(&self) -> Unit {
        match self.statistic {
            Some((_, true)) => Unit::Duration,
            Some((_, false)) => Unit::Count,
            None => self.entry.unit,
        }
    }

    /// Which value is better.
    pub fn better(&self) -> Better {
        match self.statistic {
            // More values are not worse.
            Some((_, false)) => Better::Higher,
            _ => self.entry.better,
        }
    }

    /// The path with its unit, as JSON and CSV have it.
    pub fn with_unit(&self) -> String {
        let unit = if self.unit() == Unit::Duration { "_ms" } else { "" };
        format!("{}{unit}", self.path)
    }

    /// The metric that says of how many this is a part.
    pub fn whole(&self) -> Option<MetricName> {
        let Unit::Part(whole) = self.unit() else { return None };
        let parent = self.path.rsplit_once('.').map_or("", |(parent, _)| parent);
        MetricName::parse(&format!("{parent}.{whole}"))
    }

    /// The latency that it is a statistic of, if it is one: its path.
    pub fn latency(&self) -> Option<&str> {
        self.statistic.and(self.path.rsplit_once('.')).map(|(latency, _)| latency)
    }
}

impl Better {
    /// Which value of the metric at a path is better; of an unknown one, the lower.
    pub fn of(path: &str) -> Better {
        MetricName::parse(path).map_or(Better::Lower, |name| name.better())
    }
}

impl fmt::Display for MetricName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

impl fmt::Debug for MetricName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.path, f)
    }
}

impl PartialEq for MetricName {
    fn eq(&self, other: &MetricName) -> bool {
        self.path == other.path
    }
}

impl Eq for MetricName {}

impl PartialEq<str> for MetricName {
    fn eq(&self, other: &str) -> bool {
        self.path == other
    }
}

impl PartialEq<&str> for MetricName {
    fn eq(&self, other: &&str) -> bool {
        self.path == *other
    }
}

impl PartialOrd for MetricName {
    fn partial_cmp(&self, other: &MetricName) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for MetricName {
    fn cmp(&self, other: &MetricName) -> std::cmp::Ordering {
        self.path.cmp(&other.path)
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::TABLE;
    use super::*;

    #[test]
    fn a_name_says_what_it_is_of() {
        let name = MetricName::parse("faults.crash.after.servers.gateway-1.queue_wait.p99").unwrap();
        assert_eq!((name.phase(), name.subject()), (Phase::After("crash"), (Subject::Server, "gateway-1")));
        assert_eq!((name.unit(), name.better(), name.entry().name), (Unit::Duration, Better::Lower, "queue_wait"));
        assert_eq!(name.with_unit(), "faults.crash.after.servers.gateway-1.queue_wait.p99_ms");
        assert_eq!(name.latency(), Some("faults.crash.after.servers.gateway-1.queue_wait"));
        let whole = |path: &str| MetricName::parse(path).unwrap().whole().map(|whole| whole.to_string());
        assert_eq!(whole("phases.late.sessions.open_at_end").as_deref(), Some("phases.late.sessions.wanted_at_end"));
        assert_eq!(whole("faults.crash.affected").as_deref(), Some("faults.crash.open_at_strike"));
        assert_eq!(whole("attempts.total"), None);
        assert_eq!(MetricName::parse("lost.fin").unwrap().unit(), Unit::Part("total"));
        assert_eq!(MetricName::parse("faults.x.peak_arrivals.gateway-0").unwrap().entry().name, "peak_arrivals.*");
    }

    #[test]
    fn what_the_table_does_not_have_is_no_name() {
        let wrong = [
            "",
            ".",
            "sessions",
            "sessions.open",
            "time_to_open",
            "time_to_open.p98",
            "time_to_open.p99_ms",
            "servers.g",
            "servers.g.sessions.opened",
            "faults.a.before.faults.b.affected",
            "phases.a",
            "lost.",
            "lost.*",
            "dns.a.dns",
        ];
        for path in wrong {
            assert_eq!(MetricName::parse(path), None, "{path}");
        }
    }

    #[test]
    fn every_row_has_names_and_a_total_where_it_is_a_part() {
        for entry in TABLE {
            let statistic = if entry.unit == Unit::Latency { ".p50" } else { "" };
            let path = format!("{}{}{statistic}", entry.subject.prefix(), entry.name.replace('*', "one"));
            let name = MetricName::parse(&path).unwrap_or_else(|| panic!("{path}"));
            assert!(std::ptr::eq(name.entry(), entry), "{path} is there twice");
            assert_eq!(name.whole().is_some(), matches!(entry.unit, Unit::Part(_)), "{path}");
            assert!(entry.meaning.ends_with('.'), "{path}");
        }
    }
}
