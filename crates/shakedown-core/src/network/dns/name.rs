//! One name: its records over time, and the answers of its resolvers.

use super::config::{Config, MinTtl, Order};
use crate::machine::EndpointId;
use crate::network::health::{Health, Verdict};
use crate::rng::{Identity, Purpose, Sampler, Seed};
use crate::time::{Nanos, Timestamp};

/// Events of a name's records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A server's record was added.
    Listed {
        /// The server's number.
        server: u32,
    },
    /// A server's record was removed.
    Withdrawn {
        /// The server's number.
        server: u32,
    },
}

/// A name with its servers looked up.
///
/// Its resolvers serve many clients outside the scenario, so each queries again as soon as its answer
/// has expired. So they need no state: the time of the last query follows from the phase.
#[derive(Debug)]
pub struct Name {
    number: u64,
    ttl: Nanos,
    order: Order,
    latency: Sampler,
    resolvers: Option<u32>,
    min_ttl: Option<MinTtl>,
    health: Option<Health>,
    to: Vec<EndpointId>,
    standby: Vec<EndpointId>,
    /// The changes of `to`, with their times.
    changes: Vec<(Timestamp, Vec<EndpointId>)>,
    /// Every server that it has a record of at some time.
    checked: Vec<(EndpointId, Verdict)>,
    /// The records, and since when.
    history: Vec<(Timestamp, Vec<EndpointId>)>,
    /// Its outages; a current one ends never.
    outages: Vec<(Timestamp, Timestamp)>,
    /// Answers so far.
    turn: usize,
}

impl Name {
    /// The name with this index in its scenario; `find` resolves a list of names to servers.
    pub fn new(number: u64, config: &Config, find: impl Fn(&[String]) -> Vec<EndpointId>) -> Name {
        let (to, standby) = (find(&config.to), find(&config.standby));
        let mut changes: Vec<_> =
            config.changes.iter().map(|change| (Timestamp::ZERO + change.at, find(&change.to))).collect();
        changes.sort_by_key(|(at, _)| *at);
        let mut all = to.clone();
        all.extend(&standby);
        all.extend(changes.iter().flat_map(|(_, to)| to));
        all.sort_unstable();
        all.dedup();
        Name {
            number,
            ttl: config.ttl,
            order: config.order,
            latency: config.latency.sampler(),
            resolvers: config.resolvers,
            min_ttl: config.min_ttl,
            health: config.health,
            history: vec![(Timestamp::ZERO, to.clone())],
            to,
            standby,
            changes,
            checked: all.into_iter().map(|server| (server, Verdict::default())).collect(),
            outages: Vec::new(),
            turn: 0,
        }
    }

    /// When its records change.
    pub fn changes(&self) -> impl Iterator<Item = Timestamp> {
        self.changes.iter().map(|(at, _)| *at)
    }

    /// How its servers are checked, if they are.
    pub fn health(&self) -> Option<&Health> {
        self.health.as_ref()
    }

    /// Every server that it has a record of at some time.
    pub fn servers(&self) -> impl Iterator<Item = EndpointId> {
        self.checked.iter().map(|(server, _)| *server)
    }

    /// How long a client waits for an answer: the lookup for its connection `ordinal`.
    pub fn latency(&self, seed: Seed, client: Identity, ordinal: u64) -> Nanos {
        self.latency.sample(|| seed.draw(client, Purpose::DnsLatency, ordinal))
    }

    /// Makes the change that is due.
    pub fn change(&mut self, now: Timestamp, event: impl FnMut(Event)) {
        if let Some((_, to)) = self.changes.iter().rev().find(|(at, _)| *at <= now) {
            self.to = to.clone();
            self.write(now, event);
        }
    }

    /// The outcome of a check of one of its servers.
    pub fn checked(&mut self, now: Timestamp, server: EndpointId, went_well: bool, event: impl FnMut(Event)) {
        let Some(health) = &self.health else { return };
        let Some((_, verdict)) = self.checked.iter_mut().find(|(other, _)| *other == server) else { return };
        if verdict.check(health, went_well) {
            self.write(now, event);
        }
    }

    /// Writes the current records: the servers that are up; if none is, the standby; if none is up there either,
    /// all, because a guess is better than no answer.
    fn write(&mut self, now: Timestamp, mut event: impl FnMut(Event)) {
        let is_up =
            |server: &EndpointId| self.checked.iter().any(|(other, verdict)| other == server && verdict.is_up());
        let up = |list: &[EndpointId]| list.iter().copied().filter(is_up).collect::<Vec<_>>();
        let records = [up(&self.to), up(&self.standby)].into_iter().find(|list| !list.is_empty());
        let records = records.unwrap_or_else(|| self.to.clone());
        let before = &self.history.last().expect("there are records from the beginning").1;
        if *before == records {
            return;
        }
        for server in before.iter().filter(|server| !records.contains(server)) {
            event(Event::Withdrawn { server: server.0 });
        }
        for server in records.iter().filter(|server| !before.contains(server)) {
            event(Event::Listed { server: server.0 });
        }
        self.history.push((now, records));
    }

    /// An outage begins.
    pub fn fail(&mut self, now: Timestamp) {
        self.outages.push((now, Timestamp::NEVER));
    }

    /// The outage is over.
    pub fn heal(&mut self, now: Timestamp) {
        if let Some(outage) = self.outages.last_mut() {
            outage.1 = now;
        }
    }

    /// The answer of a client host's resolver now, and its remaining TTL; none while the resolver has no answer.
    /// `client` and `ordinal` key the order of the addresses.
    pub fn answer(
        &mut self,
        seed: Seed,
        host: Identity,
        (client, ordinal): (Identity, u64),
        now: Timestamp,
        addresses: &mut Vec<EndpointId>,
    ) -> Option<Nanos> {
        let (asked, until) = self.cached(seed, host, now)?;
        let since = self.history.partition_point(|(since, _)| *since <= asked).max(1) - 1;
        addresses.clear();
        addresses.extend_from_slice(&self.history[since].1);
        match self.order {
            Order::Fixed => {}
            Order::RoundRobin => addresses.rotate_left(self.turn % self.history[since].1.len()),
            Order::Random => addresses.sort_by_cached_key(|server| {
                seed.draw(client, Purpose::DnsOrder, ordinal << 16 | u64::from(server.0 & 0xffff)).0
            }),
        }
        self.turn += 1;
        Some(until.since(now))
    }

    /// The time of the last query of a host's resolver, and of its expiry.
    fn cached(&self, seed: Seed, host: Identity, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let resolver = match self.resolvers {
            None | Some(0) => host,
            Some(count) => {
                let number = seed.draw(host, Purpose::DnsResolver, 0).below(u64::from(count));
                Identity::group("dns/resolver").nth(number)
            }
        };
        let mut ttl = self.ttl;
        if let Some(MinTtl { ttl: least, share }) = self.min_ttl
            && seed.draw(resolver, Purpose::DnsMinTtl, 0).unit() < share.0
        {
            ttl = ttl.max(least);
        }
        if self.resolvers == Some(0) || ttl == Nanos::ZERO {
            let answers = self.outages.last().is_none_or(|(_, until)| *until <= now);
            return answers.then_some((now, now + self.ttl));
        }
        let phase = seed.draw(resolver, Purpose::DnsPhase, self.number).below(ttl.0);
        last_asked(phase, ttl, &self.outages, now)
    }
}

/// The times of a resolver's last query and of its expiry: it queries every `ttl`, and after an outage as soon as that
/// ends. Its first query was up to a `ttl` before the run, at `phase` - `ttl`.
fn last_asked(
    phase: u64,
    ttl: Nanos,
    outages: &[(Timestamp, Timestamp)],
    now: Timestamp,
) -> Option<(Timestamp, Timestamp)> {
    // Counted from one `ttl` before the run, where all is positive.
    let shifted = |at: Timestamp| at.0.saturating_add(ttl.0);
    let known = |asked: u64| Some((Timestamp(asked.saturating_sub(ttl.0)), Timestamp(asked)));
    let now = shifted(now);
    let mut asked = phase;
    for (from, until) in outages {
        let (from, until) = (shifted(*from), shifted(*until));
        // The last time before the outage; one at its very beginning comes too late.
        asked += (from.saturating_sub(asked).saturating_sub(1)) / ttl.0 * ttl.0;
        let outdated = asked.saturating_add(ttl.0);
        if outdated >= until {
            continue;
        }
        if now < until {
            return if now < outdated { known(asked) } else { None };
        }
        asked = until;
    }
    asked += (now - asked) / ttl.0 * ttl.0;
    known(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    /// Of a resolver whose phase is 3 s and whose TTL is 10 s: when it asked, where that was within the run.
    fn asked(outages: &[(u64, u64)], now: u64) -> Option<(u64, u64)> {
        let outages: Vec<_> = outages.iter().map(|(from, until)| (Timestamp(from * S), Timestamp(until * S))).collect();
        last_asked(3 * S, Nanos(10 * S), &outages, Timestamp(now * S)).map(|(at, until)| (at.0 / S, until.0 / S))
    }

    #[test]
    fn a_resolver_asks_whenever_its_answer_is_out_of_date() {
        assert_eq!(asked(&[], 0), Some((0, 3)), "before the run");
        assert_eq!([2, 3, 12, 13, 99].map(|now| asked(&[], now).unwrap().1), [3, 13, 13, 23, 103]);
        assert_eq!([3, 12, 13].map(|now| asked(&[], now).unwrap().0), [3, 3, 13]);
    }

    #[test]
    fn an_outage_is_noticed_when_an_answer_is_out_of_date_and_over_when_somebody_answers() {
        // What was asked at 13 s lasts until 23 s.
        let short = [(14, 22)];
        assert_eq!([15, 22, 23, 30].map(|now| asked(&short, now).unwrap().1), [23, 23, 33, 33]);
        let long = [(14, 30)];
        assert_eq!([15, 22].map(|now| asked(&long, now).unwrap().1), [23, 23]);
        assert_eq!([23, 29].map(|now| asked(&long, now)), [None, None]);
        assert_eq!([30, 39, 40].map(|now| asked(&long, now).unwrap()), [(30, 40), (30, 40), (40, 50)]);
        // The outage begins at the time of a query, and is repeated.
        let twice = [(13, 14), (15, 16), (23, 40)];
        assert_eq!(
            [12, 14, 23, 24].map(|now| asked(&twice, now).map(|(at, _)| at)),
            [Some(3), Some(14), Some(14), None]
        );
        assert_eq!(asked(&[(14, u64::MAX / S)], 22), Some((13, 23)));
        assert_eq!(asked(&[(14, u64::MAX / S)], 23), None);
    }
}
