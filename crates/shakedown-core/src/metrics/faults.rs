//! Measures of each fault: the affected sessions, how long they were down, and what the others had to bear.

use super::balance::{Balance, Watched};
use super::layout::{FaultLayout, Layout};
use super::peak::Peak;
use super::series::FaultWindow;
use super::summary::Summary;
use super::value::Value;
use crate::time::{Nanos, Timestamp};

/// One fault's record.
#[derive(Debug, Default)]
pub(super) struct FaultAccount {
    began: Option<Timestamp>,
    healed: Option<Timestamp>,
    /// Servers that it still affects.
    holds: u32,
    /// When it last struck, and the sessions that were open at one of its strikes.
    struck_at: Option<Timestamp>,
    struck: Sessions,
    first_loss: Option<Timestamp>,
    last_loss: Timestamp,
    /// Affected sessions, without those that ended as intended during their outage.
    affected: u64,
    /// Of them, how many are open now (or were when they ended as intended).
    open_again: u64,
    recovered_at: Option<Timestamp>,
    /// Sessions that are down because of it: affected and not yet open again, or lost again before its recovery.
    down: Sessions,
    down_max: u64,
    /// Sessions that are down, times nanoseconds, until `added`.
    lost_time: u128,
    added: Timestamp,
    /// Requests that arrived at each server from its beginning until recovery. Empty before.
    arrivals: Vec<Peak>,
    /// The server groups that it struck, and when they were balanced.
    pub(super) balance: Balance,
}

/// Some of the sessions: a bit each.
#[derive(Debug, Default)]
struct Sessions {
    bits: Vec<u64>,
    count: u64,
}

impl Sessions {
    /// Adds one; whether it is new.
    fn add(&mut self, session: u32) -> bool {
        let (word, bit) = (session as usize / 64, 1 << (session % 64));
        if word >= self.bits.len() {
            self.bits.resize(word + 1, 0);
        }
        let fresh = self.bits[word] & bit == 0;
        self.bits[word] |= bit;
        self.count += u64::from(fresh);
        fresh
    }

    /// Takes one out; whether it was there.
    fn remove(&mut self, session: u32) -> bool {
        let (word, bit) = (session as usize / 64, 1 << (session % 64));
        let known = self.bits.get(word).is_some_and(|bits| bits & bit != 0);
        if known {
            self.bits[word] &= !bit;
            self.count -= 1;
        }
        known
    }

    /// Makes it another session under the same number; what was counted stays.
    fn forget(&mut self, session: u32) {
        if let Some(bits) = self.bits.get_mut(session as usize / 64) {
            *bits &= !(1 << (session % 64));
        }
    }
}

impl FaultAccount {
    pub(super) fn new(fault: &FaultLayout, layout: &Layout) -> FaultAccount {
        let members = |group: usize| layout.servers.iter().filter(|server| server.group == group).count();
        let mut groups: Vec<usize> =
            fault.servers.iter().map(|server| layout.servers[*server as usize].group).collect();
        groups.sort_unstable();
        groups.dedup();
        let groups = groups.into_iter().filter(|group| members(*group) > 1);
        let balance = Balance { groups: groups.map(Watched::new).collect(), ..Balance::default() };
        FaultAccount { balance, ..FaultAccount::default() }
    }

    pub(super) fn began(&mut self, now: Timestamp, servers: usize) {
        self.began.get_or_insert(now);
        self.holds += 1;
        if self.arrivals.is_empty() {
            self.arrivals = vec![Peak::default(); servers];
        }
    }

    pub(super) fn healed(&mut self, now: Timestamp) {
        self.holds -= 1;
        if self.holds == 0 {
            self.healed = Some(now);
        }
        self.balance.begin_anew();
    }

    /// Whether it has begun and not healed.
    pub(super) fn lasts(&self) -> bool {
        self.holds > 0
    }

    /// Whether it strikes now, and the open sessions are still to be counted.
    pub(super) fn strikes(&mut self, now: Timestamp) -> bool {
        self.struck_at.replace(now) != Some(now)
    }

    /// A session was open when it struck.
    pub(super) fn strikes_open(&mut self, session: u32) {
        self.struck.add(session);
    }

    /// It affected a session, for the first time or again: a finished recovery begins again. A session whose server died
    /// while its response was in transit counts like the others.
    pub(super) fn took_down(&mut self, now: Timestamp, session: u32, first: bool) {
        self.struck.add(session);
        self.affected += u64::from(first);
        self.first_loss.get_or_insert(now);
        self.last_loss = now;
        self.recovered_at = None;
        self.is_down(now, session);
        self.balance.begin_anew();
        self.judge(now);
    }

    pub(super) fn open_again(&mut self, now: Timestamp, session: u32) {
        self.open_again += 1;
        self.is_up(now, session);
        self.judge(now);
    }

    pub(super) fn lost_again(&mut self, now: Timestamp, session: u32) {
        self.open_again -= 1;
        // What happens to it after the recovery is another story.
        if self.recovered_at.is_none() {
            self.is_down(now, session);
        }
    }

    pub(super) fn ended_while_down(&mut self, now: Timestamp, session: u32) {
        self.affected -= 1;
        self.is_up(now, session);
        self.judge(now);
    }

    /// A session that gave up does not want to be open any more: it loses no more time, but was never open again.
    pub(super) fn wants_no_more(&mut self, now: Timestamp, session: u32) {
        self.is_up(now, session);
    }

    /// Another session begins under this number.
    pub(super) fn forget(&mut self, session: u32) {
        self.struck.forget(session);
    }

    fn is_down(&mut self, now: Timestamp, session: u32) {
        self.add_up(now);
        self.down.add(session);
        self.down_max = self.down_max.max(self.down.count);
    }

    fn is_up(&mut self, now: Timestamp, session: u32) {
        self.add_up(now);
        self.down.remove(session);
    }

    /// Adds up the lost time until now.
    pub(super) fn add_up(&mut self, now: Timestamp) {
        self.lost_time += u128::from(self.down.count) * u128::from(now.since(self.added).0);
        self.added = now;
    }

    /// Recovered is the first moment after the last loss at which 99 % of the affected are open at the same time.
    fn judge(&mut self, now: Timestamp) {
        let back = self.affected > 0 && self.open_again * 100 >= self.affected * 99;
        if back && self.recovered_at.is_none() {
            self.recovered_at = Some(now);
        }
    }

    /// Whether what arrives at servers counts for it: it began, and is not recovered from.
    pub(super) fn is_on(&self) -> bool {
        self.began.is_some() && self.recovered_at.is_none()
    }

    /// A request has arrived at a server.
    pub(super) fn arrived(&mut self, now: Timestamp, server: u32) {
        self.arrivals[server as usize].add(now, 1);
    }

    /// Whether its groups' balance is awaited: it took sessions down.
    pub(super) fn awaits_balance(&self) -> bool {
        self.first_loss.is_some() && (self.recovered_at.is_none() || self.balance.restored.is_none())
    }

    /// Whether an imbalance takes a restored balance back.
    pub(super) fn is_recovered(&self) -> bool {
        self.recovered_at.is_some()
    }

    pub(super) fn window(&self, name: &str) -> Option<FaultWindow> {
        let until = if self.holds == 0 { self.healed } else { None };
        self.began.map(|from| FaultWindow { name: name.to_string(), from, until })
    }

    /// `servers` are the names of all.
    pub(super) fn summarize<'a>(
        &self,
        layout: &FaultLayout,
        servers: impl Iterator<Item = &'a str>,
        summary: &mut Summary,
    ) {
        let path = format!("faults.{}.", layout.name);
        let since = |from: Option<Timestamp>, at: Option<Timestamp>| {
            Value::Duration(from.zip(at).map(|(from, at)| at.since(from)))
        };
        let part = |count: u64, of: u64| Value::Part { count, of };
        let mut push = |metric: &str, value: Value| summary.push(format!("{path}{metric}"), value);
        push("open_at_strike", Value::Count(self.struck.count));
        push("affected", part(self.affected, self.struck.count));
        push("open_again", part(self.open_again, self.affected));
        push("first_loss", since(self.began, self.first_loss));
        push("last_loss", since(self.began, self.first_loss.map(|_| self.last_loss)));
        push("recovery_time", since(self.first_loss, self.recovered_at));
        // Who ended as intended while it was down was down with the others, and is not among the affected.
        push("down_max", part(self.down_max.min(self.affected), self.affected));
        let lost = u64::try_from(self.lost_time).unwrap_or(u64::MAX);
        push("lost_time", Value::Duration(Some(Nanos(lost))));
        let highest = |number: usize| self.arrivals.get(number).map_or(0, Peak::highest);
        let survives = |number: &usize| layout.servers.binary_search(&(*number as u32)).is_err();
        let surviving = (0..self.arrivals.len()).filter(survives).map(highest).max();
        // Where all were struck, it is they who bear it.
        let all = (0..self.arrivals.len()).map(highest).max();
        push("peak_arrivals.max", Value::Count(surviving.or(all).unwrap_or(0)));
        if !layout.drawn {
            for (number, name) in servers.enumerate() {
                push(&format!("peak_arrivals.{name}"), Value::Count(highest(number)));
            }
        }
        if !self.balance.groups.is_empty() {
            push("rebalanced_after", since(self.first_loss, self.balance.restored));
        }
    }
}
