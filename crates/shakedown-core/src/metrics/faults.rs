//! Measures of each fault: the affected sessions, and when they were open again.

use super::series::FaultWindow;
use super::summary::{Summary, Value};
use crate::time::Timestamp;

/// One fault's record.
#[derive(Debug, Default)]
pub(super) struct FaultAccount {
    began: Option<Timestamp>,
    healed: Option<Timestamp>,
    /// Servers that it still affects.
    holds: u32,
    /// Affected sessions, without those that ended as intended during their outage.
    affected: u64,
    /// Of them, how many are open now (or were when they ended as intended).
    open_again: u64,
    recovered_at: Option<Timestamp>,
}

impl FaultAccount {
    pub(super) fn began(&mut self, now: Timestamp) {
        self.began.get_or_insert(now);
        self.holds += 1;
    }

    pub(super) fn healed(&mut self, now: Timestamp) {
        self.holds -= 1;
        if self.holds == 0 {
            self.healed = Some(now);
        }
    }

    /// It affected a session, for the first time or again: a finished recovery begins again. A session whose server died
    /// while its response was in transit counts like the others.
    pub(super) fn took_down(&mut self, now: Timestamp, first: bool) {
        self.affected += u64::from(first);
        self.recovered_at = None;
        self.judge(now);
    }

    pub(super) fn open_again(&mut self, now: Timestamp) {
        self.open_again += 1;
        self.judge(now);
    }

    pub(super) fn lost_again(&mut self) {
        self.open_again -= 1;
    }

    pub(super) fn ended_while_down(&mut self, now: Timestamp) {
        self.affected -= 1;
        self.judge(now);
    }

    /// Recovered is the first moment after the last loss at which 99 % of the affected are open at the same time.
    fn judge(&mut self, now: Timestamp) {
        let back = self.affected > 0 && self.open_again * 100 >= self.affected * 99;
        if back && self.recovered_at.is_none() {
            self.recovered_at = Some(now);
        }
    }

    pub(super) fn window(&self, name: &str) -> Option<FaultWindow> {
        let until = if self.holds == 0 { self.healed } else { None };
        self.began.map(|from| FaultWindow { name: name.to_string(), from, until })
    }

    /// `sessions` is their total number.
    pub(super) fn summarize(&self, name: &str, sessions: u64, summary: &mut Summary) {
        let recovery = self.began.zip(self.recovered_at).map(|(began, back)| back.since(began));
        let affected = Value::Part { count: self.affected, of: sessions };
        summary.push(format!("faults.{name}.affected"), affected);
        let part = Value::Part { count: self.open_again, of: self.affected };
        summary.push(format!("faults.{name}.open_again"), part);
        summary.push(format!("faults.{name}.recovery_time"), Value::Duration(recovery));
    }
}
