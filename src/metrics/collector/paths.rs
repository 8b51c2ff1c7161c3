//! Which sessions' paths work: what faults and pauses take down, and when it is back.

use super::super::lives::Path;
use super::{Metrics, TIME_TO_OPEN};
use crate::time::Timestamp;
use crate::{fault, server};

impl Metrics {
    /// A session's path works: its outage, if it was in one, is over.
    pub(super) fn usable_again(&mut self, now: Timestamp, session: u32) {
        self.add_up(now);
        let life = &mut self.lives[session as usize];
        life.path = Path::Usable;
        self.usable += 1;
        if life.measured && !life.opened {
            let group = &mut self.groups[life.group as usize];
            group.opened += 1;
            group.latencies[TIME_TO_OPEN].record(now.since(life.scheduled));
        }
        life.opened = true;
        if self.window.contains(life.down) {
            self.outage.record(now.since(life.down));
            self.down -= 1;
        }
        life.down = Timestamp::NEVER;
        for fault in bits(life.faults) {
            self.faults[fault].open_again(now);
        }
    }

    /// A session's path is dead, and its client does not know. `fault` did it, if one did.
    pub(super) fn died(&mut self, now: Timestamp, session: u32, fault: Option<u16>, revivable: bool) {
        self.unusable(now, session);
        let life = &mut self.lives[session as usize];
        life.path = Path::Dead { revivable };
        life.connected = now;
        self.unnoticed += u64::from(self.window.contains(now));
        self.blame(now, session, fault);
    }

    /// What took a session down.
    fn blame(&mut self, now: Timestamp, session: u32, fault: Option<u16>) {
        let Some(fault) = fault else { return };
        let life = &mut self.lives[session as usize];
        let first = life.faults & (1 << fault) == 0;
        life.faults |= 1 << fault;
        self.faults[fault as usize].took_down(now, first);
    }

    /// A session is not usable from now on; its outage begins unless it already had.
    pub(super) fn unusable(&mut self, now: Timestamp, session: u32) {
        self.add_up(now);
        let life = &mut self.lives[session as usize];
        if life.path == Path::Usable {
            self.usable -= 1;
            self.usable_lowest = self.usable_lowest.min(self.usable);
            for fault in bits(life.faults) {
                self.faults[fault].lost_again();
            }
        }
        life.path = Path::None;
        if life.down == Timestamp::NEVER {
            life.down = now;
            self.down += u64::from(self.window.contains(now));
        }
    }

    /// The partition that lies between a client group and a server, if one does.
    pub(super) fn parted_by(&self, group: u16, server: u32) -> Option<u16> {
        self.parted.iter().find(|parted| (parted.0, parted.1) == (group, server)).map(|parted| parted.2)
    }

    /// A dead path goes on before its client noticed.
    fn revived(&mut self, now: Timestamp, session: u32) {
        let died = self.lives[session as usize].connected;
        self.unnoticed -= u64::from(self.window.contains(died));
        self.usable_again(now, session);
    }

    /// What a process does by itself.
    #[inline]
    pub(super) fn server(&mut self, now: Timestamp, server: u32, event: server::Event) {
        match event {
            server::Event::Paused => {
                self.goes_down(now, server, None, true);
            }
            server::Event::Resumed => self.comes_back(now, server),
            server::Event::Left => self.goes_down(now, server, None, false),
            server::Event::SentAway { session } if self.lives[session as usize].path == Path::Usable => {
                self.died(now, session, None, false);
            }
            _ => {}
        }
    }

    /// The paths through a server are dead: because of a fault, or because its process pauses.
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
        for session in 0..self.lives.len() {
            let life = &mut self.lives[session];
            if life.server != server {
                continue;
            }
            match life.path {
                Path::Usable => self.died(now, session as u32, fault, revives),
                Path::Dead { revivable: true } => {
                    // What a partition or a pause held would have gone on, but now the other end is gone.
                    life.path = Path::Dead { revivable: revives };
                    let group = life.group;
                    // A pause alone did not have to be recovered from.
                    if why == Some((None, true)) && self.parted_by(group, server).is_none() {
                        self.blame(now, session as u32, fault);
                    }
                }
                _ => {}
            }
        }
    }

    /// What kept a server from going on is over. Whose client has not noticed goes on, unless something else is in the way.
    #[cold]
    fn comes_back(&mut self, now: Timestamp, server: u32) {
        if self.servers[server as usize].why_down().is_some() {
            return;
        }
        for session in 0..self.lives.len() {
            let life = &self.lives[session];
            let waits = life.server == server && life.path == Path::Dead { revivable: true };
            if waits && self.parted_by(life.group, server).is_none() {
                self.revived(now, session as u32);
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
                if self.lives[session as usize].path == Path::Usable {
                    self.died(now, session, Some(fault), false);
                }
            }
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
                let fault::Side::Clients(group) = cut.side else { return };
                self.parted.push((group, cut.server, fault));
                for session in 0..self.lives.len() {
                    let life = &self.lives[session];
                    if (life.group, life.server, life.path) == (group, cut.server, Path::Usable) {
                        self.died(now, session as u32, Some(fault), true);
                    }
                }
            }
            fault::Event::Joined(cut) => {
                self.faults[fault as usize].healed(now);
                let fault::Side::Clients(group) = cut.side else { return };
                self.parted.retain(|parted| *parted != (group, cut.server, fault));
                let apart = self.parted_by(group, cut.server).is_some();
                if apart || self.servers[cut.server as usize].why_down().is_some() {
                    return;
                }
                for session in 0..self.lives.len() {
                    let life = &self.lives[session];
                    let waits = life.path == Path::Dead { revivable: true };
                    if waits && (life.group, life.server) == (group, cut.server) {
                        self.revived(now, session as u32);
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
