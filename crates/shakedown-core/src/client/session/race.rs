//! Races of addresses (RFC 8305): a connect that is not answered soon does not keep the next address from being tried.
//!
//! The connects of a race are one attempt. The first that is established is the session's connection, and the rest are closed.
//! A connect that fails only ends the attempt if no other is left.

use super::{Outputs, Session, State};
use crate::client::event::{Event, Failure};
use crate::client::group::Context;
use crate::client::race::{Connect, Race, has_another, is_first};
use crate::machine::{CloseMode, ConnectError, ConnectionId, EndpointId, Output};
use crate::time::Timestamp;

impl Session {
    /// Other endpoints of the group are further addresses for the attempt that begins, unless its endpoint is a name, which has
    /// its own.
    #[cold]
    pub(super) fn may_race(&mut self, cx: &Context<'_>) {
        let (chosen, all) = (usize::from(self.position), &cx.group.endpoints);
        if self.endpoint() != all[chosen] || cx.directory.name(all[chosen]).is_some() {
            return;
        }
        let others = all[..chosen].iter().rev().chain(all[chosen + 1..].iter().rev());
        let others: Vec<EndpointId> = others.filter(|other| cx.directory.name(**other).is_none()).copied().collect();
        if !others.is_empty() {
            self.rare.get_or_insert_default().untried = others;
        }
    }

    /// The connect that has just begun is the first of a race, if there is another address.
    #[cold]
    pub(super) fn begin_race(&mut self, cx: &Context<'_>, now: Timestamp, out: &mut Outputs) {
        let connect = Connect { connection: self.connection, endpoint: self.endpoint(), until: self.until };
        let Some((rare, delay)) = self.rare.as_mut().zip(cx.group.race).filter(|(rare, _)| !rare.untried.is_empty())
        else {
            return;
        };
        let next = now + delay;
        rare.race = Some(Box::new(Race { connects: vec![connect], next }));
        self.state = State::Racing;
        self.wake_at(self.until, next, out);
    }

    /// A connect of the race took too long, or the next address is due.
    #[cold]
    pub(super) fn race_on(&mut self, cx: &mut Context<'_>, now: Timestamp, out: &mut Outputs) {
        while let Some(connect) = self.race().and_then(|race| race.find_late(now)) {
            out.push(Output::Close(ConnectionId(connect.connection), CloseMode::Fin));
            self.race_lost(cx, now, connect, Failure::ConnectTimeout, out);
        }
        if self.race().is_some_and(|race| race.next <= now) {
            self.try_beside(cx, now, out);
        }
        self.await_race(out);
    }

    /// A connect of the race failed.
    #[cold]
    pub(super) fn race_failed(
        &mut self,
        cx: &mut Context<'_>,
        now: Timestamp,
        c: ConnectionId,
        why: ConnectError,
        out: &mut Outputs,
    ) {
        if let Some(connect) = self.race().and_then(|race| race.find(c)) {
            self.race_lost(cx, now, connect, why.into(), out);
            self.await_race(out);
        }
    }

    /// A connect of the race is established.
    #[cold]
    pub(super) fn race_won(&mut self, cx: &mut Context<'_>, now: Timestamp, c: ConnectionId, out: &mut Outputs) {
        let Some(won) = self.race().and_then(|race| race.find(c)) else { return };
        let rare = self.rare.get_or_insert_default();
        rare.untried.clear();
        for connect in rare.race.take().into_iter().flat_map(|race| race.connects) {
            if connect.connection != c.0 {
                out.push(Output::Close(ConnectionId(connect.connection), CloseMode::Fin));
            }
        }
        if !is_first(c.0) {
            out.event(Event::RaceWon { connection: c.0, endpoint: won.endpoint.0 });
        }
        (self.connection, self.endpoint) = (c.0, won.endpoint.0 as u16);
        // Of the group's endpoints, it is the one that is chosen.
        let chosen = cx.group.endpoints.iter().position(|endpoint| *endpoint == won.endpoint);
        if let Some(chosen) = chosen.filter(|_| self.hops == 0) {
            self.position = chosen as u16;
        }
        self.connected(cx, now, c, out);
    }

    fn race(&mut self) -> Option<&mut Race> {
        self.rare.as_mut()?.race.as_deref_mut()
    }

    /// A connect is out of the race: the next address is tried at once. The attempt has failed if there is neither that nor
    /// another connect.
    fn race_lost(
        &mut self,
        cx: &mut Context<'_>,
        now: Timestamp,
        connect: Connect,
        failure: Failure,
        out: &mut Outputs,
    ) {
        let spent = cx.group.open_timeout.is_some_and(|limit| now >= self.since + limit);
        let Some(rare) = self.rare.as_mut() else { return };
        if spent {
            rare.untried.clear();
        }
        let goes_on = !rare.untried.is_empty() && has_another(self.connection);
        let Some(race) = rare.race.as_deref_mut() else { return };
        race.connects.retain(|other| other.connection != connect.connection);
        if goes_on || !race.connects.is_empty() {
            out.event(Event::RaceLost { connection: connect.connection, failure });
            return self.try_beside(cx, now, out);
        }
        rare.race = None;
        self.connection = connect.connection;
        self.connect_failed(cx, now, failure, out);
    }

    /// Connects to the next address, beside what is under way.
    fn try_beside(&mut self, cx: &Context<'_>, now: Timestamp, out: &mut Outputs) {
        let until = self.limited(cx, now + cx.group.connect_timeout);
        let has_number = has_another(self.connection);
        let Some(rare) = self.rare.as_mut() else { return };
        let Some((race, delay)) = rare.race.as_deref_mut().zip(cx.group.race) else { return };
        let Some(endpoint) = rare.untried.pop_if(|_| has_number) else {
            race.next = Timestamp::NEVER;
            return;
        };
        race.next = if rare.untried.is_empty() { Timestamp::NEVER } else { now + delay };
        self.connection += 1;
        race.connects.push(Connect { connection: self.connection, endpoint, until });
        out.event(Event::Raced { connection: self.connection, endpoint: endpoint.0 });
        out.push(Output::Open(ConnectionId(self.connection), endpoint));
    }

    /// Waits for what comes first: the end of a connect's time, or the next address. Nothing where the race is over.
    fn await_race(&mut self, out: &mut Outputs) {
        let Some(race) = self.race() else { return };
        let until = race.connects.iter().map(|connect| connect.until).min().unwrap_or(Timestamp::NEVER);
        let next = race.next;
        self.wake_at(until, next, out);
    }
}
