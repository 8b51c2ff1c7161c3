//! Faults on the real clock.

use super::engine::Engine;
use super::slots::Ask;
use shakedown_core::event::Kind as EventKind;
use shakedown_core::fault::{Action, Cut, Event, Kind};

impl Engine {
    pub(super) fn fault_begins(&mut self, fault: u32, window: u32) {
        let number = fault as usize;
        let action = self.network.faults()[number].windows[window as usize].action;
        let kind = action.kind();
        for server in self.network.faults()[number].windows[window as usize].servers.clone() {
            self.record(EventKind::Fault(fault as u16, Event::Began { server, kind }));
            match action {
                Action::Crash | Action::Restart | Action::Stop => self.lose_process(server, true),
                Action::PowerOff => self.lose_process(server, false),
                Action::Hang | Action::Pause => self.hang(server),
                Action::Slow { factor } => self.servers[server as usize].machine.slow_down(Some(factor)),
                Action::Drain { code, over } => {
                    self.servers[server as usize].drained_by = Some(fault as u16);
                    self.ask(server, Ask::Drain { code, over });
                }
                // Of links; or refused beforehand.
                Action::Partition | Action::Latency { .. } | Action::Lossy { .. } => {}
                Action::Bandwidth { .. } | Action::Reset { .. } | Action::Backlog { .. } | Action::DnsOutage => {}
            }
        }
        if kind == Kind::Partition {
            self.network.impair(fault, kind);
            self.record_cuts(fault, Event::Parted);
        } else if kind.impairs() {
            self.network.impair(fault, kind);
            self.record_cuts(fault, |cut| Event::Impaired(kind, cut));
            if kind == Kind::Reset {
                self.network.reset(fault, window);
            }
        }
    }

    pub(super) fn fault_heals(&mut self, fault: u32, window: u32) {
        let number = fault as usize;
        let action = self.network.faults()[number].windows[window as usize].action;
        let kind = action.kind();
        for server in self.network.faults()[number].windows[window as usize].servers.clone() {
            match action {
                Action::Crash | Action::PowerOff | Action::Restart | Action::Stop => self.start_process(server),
                Action::Slow { .. } => self.servers[server as usize].machine.slow_down(None),
                _ => {}
            }
            self.record(EventKind::Fault(fault as u16, Event::Healed { server, kind }));
            match action {
                Action::Crash | Action::PowerOff | Action::Restart | Action::Stop => self.start_server(server),
                Action::Drain { .. } => self.ask(server, Ask::Resume),
                Action::Hang | Action::Pause => self.release(server),
                _ => {}
            }
        }
        if kind == Kind::Partition {
            self.network.repair(fault);
            self.record_cuts(fault, Event::Joined);
        } else if kind.impairs() {
            self.network.repair(fault);
            self.record_cuts(fault, |cut| Event::Cleared(kind, cut));
        }
    }

    fn record_cuts(&mut self, fault: u32, event: impl Fn(Cut) -> Event) {
        for cut in self.network.faults()[fault as usize].cuts.clone() {
            self.record(EventKind::Fault(fault as u16, event(cut)));
        }
    }
}
