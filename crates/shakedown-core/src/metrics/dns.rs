//! Measures of each DNS name.

use super::summary::Summary;
use super::value::Value;

/// One name's record.
#[derive(Debug, Default)]
pub(super) struct NameAccount {
    /// Lookups, without answers from a client's cache.
    pub lookups: u64,
    /// Lookups that were answered.
    pub answers: u64,
    /// Removed records.
    pub withdrawn: u64,
}

impl NameAccount {
    pub(super) fn summarize(&self, name: &str, summary: &mut Summary) {
        // A dot would part the metric's path; no host name has the other character (RFC 1123 section 2.1).
        let path = format!("dns.{}", name.replace('.', "_"));
        summary.push(format!("{path}.lookups"), Value::Count(self.lookups));
        summary.push(format!("{path}.answers"), Value::Count(self.answers));
        summary.push(format!("{path}.withdrawn"), Value::Count(self.withdrawn));
    }
}
