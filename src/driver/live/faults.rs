//! Faults on the real clock.

use super::engine::Engine;
use super::net::{Act, Net};
use super::servers::Ask;
use crate::event::Kind as EventKind;
use crate::fault::{Cut, Event, Kind};

impl<N: Net> Engine<N> {
    pub(super) fn fault_begins(&mut self, fault: u32, strike: u32) {
        let number = fault as usize;
        let (factor, code, over) = (self.faults[number].factor, self.faults[number].code, self.faults[number].over);
        let kind = self.faults[number].strikes[strike as usize].kind;
        for server in self.faults[number].strikes[strike as usize].servers.clone() {
            self.record(EventKind::Fault(fault as u16, Event::Began { server, kind }));
            match kind {
                Kind::Crash | Kind::Restart | Kind::Stop => self.lose_process(server, true),
                Kind::PowerOff => self.lose_process(server, false),
                Kind::Hang | Kind::Pause => self.hang(server),
                Kind::Slow => self.servers[server as usize].machine.slow_down(Some(factor)),
                Kind::Drain => {
                    self.servers[server as usize].drained_by = Some(fault as u16);
                    self.ask(server, Ask::Drain { code, over });
                }
                // What these consist of is what strikes.
                Kind::RollingRestart | Kind::Flap => {}
                // Of links; or refused beforehand.
                Kind::Partition | Kind::Latency | Kind::Lossy | Kind::Bandwidth | Kind::Backlog | Kind::DnsOutage => {}
            }
        }
        if kind == Kind::Partition {
            self.partitions.push(fault);
            self.net.happened(Act::Parted { fault, parted: true });
            self.record_cuts(fault, Event::Parted);
        } else if kind.impairs() {
            self.latency_faults.push(fault);
            self.record_cuts(fault, |cut| Event::Impaired(kind, cut));
        }
    }

    pub(super) fn fault_heals(&mut self, fault: u32, strike: u32) {
        let number = fault as usize;
        let kind = self.faults[number].strikes[strike as usize].kind;
        for server in self.faults[number].strikes[strike as usize].servers.clone() {
            match kind {
                Kind::Crash | Kind::PowerOff | Kind::Restart | Kind::Stop => self.start_process(server),
                Kind::Slow => self.servers[server as usize].machine.slow_down(None),
                _ => {}
            }
            self.record(EventKind::Fault(fault as u16, Event::Healed { server, kind }));
            match kind {
                Kind::Crash | Kind::PowerOff | Kind::Restart | Kind::Stop => self.start_server(server),
                Kind::Drain => self.ask(server, Ask::Resume),
                Kind::Hang | Kind::Pause => self.release(server),
                _ => {}
            }
        }
        if kind == Kind::Partition {
            self.partitions.retain(|active| *active != fault);
            self.net.happened(Act::Parted { fault, parted: false });
            self.record_cuts(fault, Event::Joined);
        } else if kind.impairs() {
            self.latency_faults.retain(|active| *active != fault);
            self.record_cuts(fault, |cut| Event::Cleared(kind, cut));
        }
    }

    fn record_cuts(&mut self, fault: u32, event: impl Fn(Cut) -> Event) {
        for cut in self.faults[fault as usize].cuts.clone() {
            self.record(EventKind::Fault(fault as u16, event(cut)));
        }
    }
}
