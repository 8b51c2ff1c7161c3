//! Which sessions' paths work: those that faults and pauses interrupt, and when they work again.

use super::super::lives::{Path, bits};
use super::{Metrics, NOTHING_BETWEEN, TIME_TO_OPEN};
use crate::fault::Side;
use crate::network::SERVER;
use crate::time::Timestamp;
use crate::{fault, server};

impl Metrics {
    /// A session's path works: its outage, if any, is over.
    pub(super) fn usable_again(&mut self, now: Timestamp, session: u32) {
        self.add_up(now);
        let life = &mut self.lives[session as usize];
        life.path = Path::Usable;
        self.usable += 1;
        if !life.opened {
            let (segment, group) = (self.segments.of(life.scheduled), life.group as usize);
            self.counts[segment].groups[group].opened += 1;
            if self.segments.measures(life.scheduled) {
                self.latencies[group][TIME_TO_OPEN].record_of(now.since(life.scheduled), segment);
            }
        }
        life.opened = true;
        let outage = self.outages.get(session);
        if outage.since != Timestamp::NEVER {
            let segment = self.segments.of(outage.since);
            self.counts[segment].down -= 1;
            if self.segments.measures(outage.since) {
                self.outage.record_of(now.since(outage.since), segment);
            }
        }
        self.outages.end(session);
        for fault in bits(outage.faults) {
            self.faults[fault].open_again(now, session);
            self.watch(fault);
        }
    }

    /// A session's path is dead, and its client has not noticed. `fault` is the cause, if a fault is.
    pub(super) fn died(&mut self, now: Timestamp, session: u32, fault: Option<u16>, revivable: bool) {
        self.unusable(now, session);
        let life = &mut self.lives[session as usize];
        life.path = Path::Dead { revivable };
        life.connected = now;
        self.now().unnoticed += 1;
        self.blame(now, session, fault);
    }

    /// The cause of a session's outage.
    fn blame(&mut self, now: Timestamp, session: u32, fault: Option<u16>) {
        let Some(fault) = fault else { return };
        let outage = self.outages.of(session, self.lives.len());
        let first = outage.faults & (1 << fault) == 0;
        outage.faults |= 1 << fault;
        self.faults[fault as usize].took_down(now, session, first);
        self.watch(fault.into());
    }

    /// A session has lost its connection for no known reason: a fault that lasts is the cause, if it may do more than events
    /// say.
    #[cold]
    pub(super) fn blame_opaque(&mut self, now: Timestamp, session: u32) {
        for fault in bits(self.opaque) {
            if self.faults[fault].lasts() {
                self.blame(now, session, Some(fault as u16));
            }
        }
    }

    /// Whether arrivals and balance count for a fault from now on.
    pub(super) fn watch(&mut self, fault: usize) {
        let bit = 1 << fault;
        let set = |mask: u64, on: bool| if on { mask | bit } else { mask & !bit };
        let account = &self.faults[fault];
        self.arriving = set(self.arriving, account.is_on());
        self.balancing = set(self.balancing, account.awaits_balance());
    }

    /// A fault strikes: the sessions that are open now are those of which some are affected.
    #[cold]
    fn strikes(&mut self, now: Timestamp, fault: u16) {
        let account = &mut self.faults[fault as usize];
        if account.strikes(now) {
            let open = (0..).zip(&self.lives).filter(|(_, life)| life.path == Path::Usable);
            open.for_each(|(session, _)| account.strikes_open(session));
        }
        account.began(now, self.servers.len());
        self.begun |= 1 << fault;
        self.watch(fault.into());
    }

    /// A fault of a server or a link is over.
    #[cold]
    fn heals(&mut self, now: Timestamp, fault: u16) {
        self.faults[fault as usize].healed(now);
        self.watch(fault.into());
    }

    /// The open connections of a server have changed by one; without a server, those of several, or the servers that are
    /// up.
    #[cold]
    fn rebalance(&mut self, now: Timestamp, server: Option<u32>) {
        let (layout, servers) = (&self.layout.servers, &self.servers);
        let group = server.map(|server| layout[server as usize].group);
        for number in bits(self.balancing) {
            let fault = &mut self.faults[number];
            let is_final = fault.is_recovered();
            fault.balance.changed(now, group, is_final, |group| {
                let members = layout.iter().zip(servers).filter(move |(server, _)| server.group == group);
                members.filter(|(_, server)| server.why_down().is_none()).map(|(_, server)| server.connections)
            });
        }
        bits(self.balancing).for_each(|number| self.watch(number));
    }

    /// A session is not usable from now on; its outage begins unless it has begun.
    pub(super) fn unusable(&mut self, now: Timestamp, session: u32) {
        self.add_up(now);
        let outage = self.outages.of(session, self.lives.len());
        let life = &mut self.lives[session as usize];
        if life.path == Path::Usable {
            self.usable -= 1;
            self.usable_lowest = self.usable_lowest.min(self.usable);
            for fault in bits(outage.faults) {
                self.faults[fault].lost_again(now, session);
            }
        }
        life.path = Path::None;
        if outage.since == Timestamp::NEVER {
            outage.since = now;
            self.counts[self.segments.current()].down += 1;
        }
    }

    /// The partition that cuts a session's path, if any.
    pub(super) fn parted_by(&self, session: u32) -> Option<u16> {
        let cut = |(side, server, _): &&(Side, u32, u16)| self.goes_over(session, *side, *server);
        self.parted.iter().find(cut).map(|parted| parted.2)
    }

    /// The balancer or proxy between a session and its server.
    pub(super) fn between(&self, session: u32) -> Option<u32> {
        let (between, server) = *self.through.get(session as usize)?;
        (server == u32::from(self.lives[session as usize].server)).then_some(between)
    }

    /// Whether a session's path needs a server.
    fn goes_through(&self, session: u32, server: u32) -> bool {
        u32::from(self.lives[session as usize].server) == server || self.between(session) == Some(server)
    }

    /// Whether a session's path goes from this side to this server.
    fn goes_over(&self, session: u32, side: Side, server: u32) -> bool {
        let life = &self.lives[session as usize];
        let balancer = self.between(session);
        match side {
            Side::Clients(group) => life.group == group && balancer.unwrap_or(life.server.into()) == server,
            Side::Server(caller) => balancer == Some(caller) && u32::from(life.server) == server,
        }
    }

    /// A balancer or a proxy forwards a session's next connection.
    pub(super) fn passed_on(&mut self, session: u32, balancer: u32, server: u32) {
        // What servers open for themselves is no session's.
        if session & SERVER != 0 {
            return;
        }
        if self.through.len() <= session as usize {
            self.through.resize(session as usize + 1, NOTHING_BETWEEN);
        }
        self.through[session as usize] = (balancer, server);
    }

    /// The server that answers a session of this one: the one behind it, if this is a balancer.
    pub(super) fn behind(&self, session: u32, dialled: u32) -> u32 {
        match self.through.get(session as usize) {
            Some((balancer, server)) if *balancer == dialled => *server,
            _ => dialled,
        }
    }

    /// Why a session's server, or the balancer or proxy in front of it, is down: as [`ServerAccount::why_down`].
    ///
    /// [`ServerAccount::why_down`]: super::super::servers::ServerAccount::why_down
    pub(super) fn why_down(&self, session: u32) -> Option<(Option<u16>, bool)> {
        let of = |server: u32| self.servers[server as usize].why_down();
        of(self.lives[session as usize].server.into()).or_else(|| self.between(session).and_then(of))
    }

    /// Ends the outage of a session whose path may work again, if its client has not noticed and there is no other cause.
    fn goes_on(&mut self, now: Timestamp, session: u32) {
        let waits = self.lives[session as usize].path == Path::Dead { revivable: true };
        if waits && self.why_down(session).is_none() && self.parted_by(session).is_none() {
            self.revived(now, session);
        }
    }

    /// A dead path works again before its client has noticed.
    fn revived(&mut self, now: Timestamp, session: u32) {
        self.noticed(self.lives[session as usize].connected);
        self.usable_again(now, session);
    }

    /// Events of a process itself.
    #[inline]
    pub(super) fn server(&mut self, now: Timestamp, server: u32, event: server::Event) {
        use server::Event::{Accepted, Closed, FlowBegan, FlowEnded, Requested, StreamClosed};
        match event {
            Requested { queued, .. } => {
                self.waits(now, server, queued);
                for fault in bits(self.arriving) {
                    self.faults[fault].arrived(now, server);
                }
            }
            Accepted { .. } | Closed { .. } | FlowBegan { .. } | FlowEnded { .. } if self.balancing != 0 => {
                self.rebalance(now, Some(server));
                if let Closed { connection } = event {
                    self.half_open.iter_mut().for_each(|half| half.closed(now, server, connection, &self.segments));
                }
            }
            Closed { connection } | StreamClosed { connection } if self.half_open.is_some() => {
                self.half_open.iter_mut().for_each(|half| half.closed(now, server, connection, &self.segments));
            }
            server::Event::Hello { queued, .. } => self.waits(now, server, queued),
            server::Event::TurnedAway { .. }
            | server::Event::HeldBack { .. }
            | server::Event::TransactionAwaited { .. }
            | server::Event::Refused { .. }
            | server::Event::OutOfMemory
            | server::Event::NotForwarded { .. } => self.turned_away(now, server, event),
            server::Event::Paused => {
                self.goes_down(now, server, None, true);
            }
            server::Event::Resumed => self.comes_back(now, server),
            server::Event::AcceptedWithoutCredentials { .. } => self.found(0),
            server::Event::Left | server::Event::Killed { .. } => self.goes_down(now, server, None, false),
            server::Event::Restarted => {
                self.comes_back(now, server);
                self.rebalance(now, None);
            }
            server::Event::SentAway { session } => self.sent_away(now, session, None),
            _ => {}
        }
    }

    /// A request has arrived that may have to wait for a worker.
    #[inline]
    fn waits(&mut self, now: Timestamp, server: u32, queued: bool) {
        if queued && self.segments.measures(now) {
            self.resources.waits(self.layout.servers[server as usize].group);
        }
    }

    /// A server turned something away, or kept it waiting.
    #[cold]
    fn turned_away(&mut self, now: Timestamp, server: u32, event: server::Event) {
        if let Some(resource) = self.servers[server as usize].full(event)
            && self.segments.measures(now)
        {
            self.resources.full(now, self.layout.servers[server as usize].group, resource);
        }
    }

    /// Its server has sent a session a close frame.
    #[cold]
    fn sent_away(&mut self, now: Timestamp, session: u32, fault: Option<u16>) {
        match self.lives[session as usize].path {
            Path::Usable => self.died(now, session, fault, false),
            // The frame follows an answer that opens, and that its client has not seen.
            Path::None => drop(self.sent_away.insert(session, fault)),
            // What a partition or a pause held would have gone on, but now the other end is done with it.
            Path::Dead { revivable: true } => self.lives[session as usize].path = Path::Dead { revivable: false },
            Path::Dead { revivable: false } => {}
        }
    }

    /// The paths through a server are dead: by a fault, or by a pause of its process.
    #[cold]
    fn goes_down(&mut self, now: Timestamp, server: u32, fault: Option<u16>, revives: bool) {
        let account = &mut self.servers[server as usize];
        let why = account.why_down();
        if let Some(fault) = fault {
            account.down = Some((fault, revives));
        }
        if !revives {
            account.wiped(now, &self.segments);
            self.half_open.iter_mut().for_each(|half_open| half_open.wiped(now, server, &self.segments));
        }
        for session in 0..self.lives.len() as u32 {
            if !self.goes_through(session, server) {
                continue;
            }
            let life = &mut self.lives[session as usize];
            match life.path {
                Path::Usable => self.died(now, session, fault, revives),
                Path::Dead { revivable: true } => {
                    // What a partition or a pause held would have gone on, but now the other end is gone.
                    life.path = Path::Dead { revivable: revives };
                    // A pause alone did not have to be recovered from.
                    if why == Some((None, true)) && self.parted_by(session).is_none() {
                        self.blame(now, session, fault);
                    }
                }
                _ => {}
            }
        }
        self.rebalance(now, None);
    }

    /// A server continues. Sessions whose client has not noticed continue, unless there is another cause.
    #[cold]
    fn comes_back(&mut self, now: Timestamp, server: u32) {
        if self.servers[server as usize].why_down().is_some() {
            return;
        }
        for session in 0..self.lives.len() as u32 {
            if self.goes_through(session, server) {
                self.goes_on(now, session);
            }
        }
    }

    pub(super) fn fault(&mut self, now: Timestamp, fault: u16, event: fault::Event) {
        match event {
            fault::Event::Began { server, kind } => {
                self.strikes(now, fault);
                if !kind.takes_down() {
                    return;
                }
                self.goes_down(now, server, Some(fault), kind.revives());
            }
            fault::Event::Drained { session } => {
                self.sent_away(now, session, Some(fault));
            }
            fault::Event::Reset { session } => match self.lives[session as usize].path {
                Path::Usable => self.died(now, session, Some(fault), false),
                // What a partition or a pause held would have gone on.
                Path::Dead { revivable: true } => self.lives[session as usize].path = Path::Dead { revivable: false },
                Path::None | Path::Dead { revivable: false } => {}
            },
            fault::Event::Healed { server, kind } => {
                if kind.takes_down() {
                    self.servers[server as usize].down = None;
                }
                self.heals(now, fault);
                if kind.revives() {
                    self.comes_back(now, server);
                }
                self.rebalance(now, None);
            }
            fault::Event::Impaired(..) => self.strikes(now, fault),
            fault::Event::Cleared(..) => self.heals(now, fault),
            fault::Event::Parted(cut) => {
                self.strikes(now, fault);
                self.parted.push((cut.side, cut.server, fault));
                for session in 0..self.lives.len() as u32 {
                    let usable = self.lives[session as usize].path == Path::Usable;
                    if usable && self.goes_over(session, cut.side, cut.server) {
                        self.died(now, session, Some(fault), true);
                    }
                }
            }
            fault::Event::Joined(cut) => {
                self.heals(now, fault);
                self.parted.retain(|parted| *parted != (cut.side, cut.server, fault));
                for session in 0..self.lives.len() as u32 {
                    if self.goes_over(session, cut.side, cut.server) {
                        self.goes_on(now, session);
                    }
                }
            }
        }
    }
}
