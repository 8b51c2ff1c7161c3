//! Which sessions' paths work: those that faults and pauses interrupt, and when they work again.

use super::super::lives::Path;
use super::{Metrics, TIME_TO_OPEN};
use crate::fault::Side;
use crate::network::SERVER;
use crate::time::Timestamp;
use crate::{fault, server};

/// Stands for "no balancer or proxy".
pub(super) const NOTHING_BETWEEN: (u32, u32) = (u32::MAX, u32::MAX);

impl Metrics {
    /// A session's path works: its outage, if any, is over.
    pub(super) fn usable_again(&mut self, now: Timestamp, session: u32) {
        self.add_up(now);
        let life = &mut self.lives[session as usize];
        life.path = Path::Usable;
        self.usable += 1;
        if !life.opened && self.window.contains(life.scheduled) {
            let group = &mut self.groups[life.group as usize];
            group.opened += 1;
            group.latencies[TIME_TO_OPEN].record(now.since(life.scheduled));
        }
        life.opened = true;
        let outage = self.outages.get(session);
        if self.window.contains(outage.since) {
            self.outage.record(now.since(outage.since));
            self.down -= 1;
        }
        self.outages.end(session);
        for fault in bits(outage.faults) {
            self.faults[fault].open_again(now);
        }
    }

    /// A session's path is dead, and its client has not noticed. `fault` is the cause, if a fault is.
    pub(super) fn died(&mut self, now: Timestamp, session: u32, fault: Option<u16>, revivable: bool) {
        self.unusable(now, session);
        let life = &mut self.lives[session as usize];
        life.path = Path::Dead { revivable };
        life.connected = now;
        self.unnoticed += u64::from(self.window.contains(now));
        self.blame(now, session, fault);
    }

    /// The cause of a session's outage.
    fn blame(&mut self, now: Timestamp, session: u32, fault: Option<u16>) {
        let Some(fault) = fault else { return };
        let outage = self.outages.of(session, self.lives.len());
        let first = outage.faults & (1 << fault) == 0;
        outage.faults |= 1 << fault;
        self.faults[fault as usize].took_down(now, first);
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
                self.faults[fault].lost_again();
            }
        }
        life.path = Path::None;
        if outage.since == Timestamp::NEVER {
            outage.since = now;
            self.down += u64::from(self.window.contains(now));
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
        let died = self.lives[session as usize].connected;
        self.unnoticed -= u64::from(self.window.contains(died));
        self.usable_again(now, session);
    }

    /// Events of a process itself.
    #[inline]
    pub(super) fn server(&mut self, now: Timestamp, server: u32, event: server::Event) {
        match event {
            server::Event::Paused => {
                self.goes_down(now, server, None, true);
            }
            server::Event::Resumed => self.comes_back(now, server),
            server::Event::AcceptedWithoutCredentials { .. } => self.found(now, 0),
            server::Event::Left => self.goes_down(now, server, None, false),
            server::Event::SentAway { session } => self.sent_away(now, session, None),
            _ => {}
        }
    }

    /// Its server has sent a session a close frame.
    #[cold]
    fn sent_away(&mut self, now: Timestamp, session: u32, fault: Option<u16>) {
        match self.lives[session as usize].path {
            Path::Usable => self.died(now, session, fault, false),
            // The frame follows an answer that opens, and that its client has not seen.
            Path::None => drop(self.sent_away.insert(session, fault)),
            Path::Dead { .. } => {}
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
            account.wiped(now, &self.window);
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
                self.faults[fault as usize].began(now);
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
                self.faults[fault as usize].healed(now);
                if !kind.takes_down() {
                    return;
                }
                self.servers[server as usize].down = None;
                if kind.revives() {
                    self.comes_back(now, server);
                }
            }
            fault::Event::Impaired(..) => self.faults[fault as usize].began(now),
            fault::Event::Cleared(..) => self.faults[fault as usize].healed(now),
            fault::Event::Parted(cut) => {
                self.faults[fault as usize].began(now);
                self.parted.push((cut.side, cut.server, fault));
                for session in 0..self.lives.len() as u32 {
                    let usable = self.lives[session as usize].path == Path::Usable;
                    if usable && self.goes_over(session, cut.side, cut.server) {
                        self.died(now, session, Some(fault), true);
                    }
                }
            }
            fault::Event::Joined(cut) => {
                self.faults[fault as usize].healed(now);
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

/// The numbers of the set bits.
pub(super) fn bits(mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let bit = mask.trailing_zeros() as usize;
        (mask != 0).then(|| {
            mask &= mask - 1;
            bit
        })
    })
}
