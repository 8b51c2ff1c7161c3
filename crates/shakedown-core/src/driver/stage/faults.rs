//! What faults do to servers, and that links are struck.

use super::slots::PendingInput;
use super::transport::{Stage, Transport};
use crate::event::Kind as EventKind;
use crate::fault::{Action, Cut, Event, Fault, FaultWindow, Kind};

impl<T: Transport> Stage<T> {
    pub(super) fn fault_begins(&mut self, fault: u32, window: u32) {
        let FaultWindow { action, servers, .. } = self.window(fault, window).clone();
        let kind = action.kind();
        for server in servers {
            self.net.record(EventKind::Fault(fault as u16, Event::Began { server, kind }));
            match action {
                Action::Crash | Action::Restart | Action::Stop => self.lose_process(server, true),
                Action::PowerOff => self.lose_process(server, false),
                Action::Hang | Action::Pause => self.hang_by_fault(server),
                Action::Slow { factor } => self.slow_down(server, Some(factor)),
                Action::Backlog { to } => self.set_backlog(server, to),
                Action::Drain { code, over } => {
                    self.servers[server as usize].drained_by = Some(fault as u16);
                    self.ask(server, PendingInput::Drain { code, over });
                }
                Action::Reload => self.ask(server, PendingInput::Reload { fault: fault as u16 }),
                Action::DnsOutage => self.net.names_fail(server, true),
                Action::Command => self.net.command(fault, server, true),
                // Of links.
                Action::Partition | Action::Lossy { .. } | Action::Latency { .. } => {}
                Action::Bandwidth { .. } | Action::Reset { .. } => {}
            }
        }
        if kind == Kind::Partition {
            self.net.impair(fault, kind, true);
            self.record_cuts(fault, Event::Parted);
        } else if kind.impairs() {
            self.net.impair(fault, kind, true);
            self.record_cuts(fault, |cut| Event::Impaired(kind, cut));
            if kind == Kind::Reset {
                T::reset(self, fault, window);
            }
        }
    }

    pub(super) fn fault_heals(&mut self, fault: u32, window: u32) {
        let FaultWindow { action, servers, .. } = self.window(fault, window).clone();
        let kind = action.kind();
        for server in servers {
            match action {
                Action::Crash | Action::PowerOff | Action::Restart | Action::Stop => self.start_process(server),
                Action::Slow { .. } => self.slow_down(server, None),
                Action::Backlog { .. } => {
                    let backlog = self.backlogs[self.servers[server as usize].group];
                    self.set_backlog(server, backlog);
                }
                Action::DnsOutage => self.net.names_fail(server, false),
                Action::Command => self.net.command(fault, server, false),
                _ => {}
            }
            self.net.record(EventKind::Fault(fault as u16, Event::Healed { server, kind }));
            match action {
                Action::Crash | Action::PowerOff | Action::Restart | Action::Stop => {
                    if self.plans[self.servers[server as usize].group].starts() {
                        self.ask(server, PendingInput::Start);
                    } else {
                        self.find_pending(server);
                    }
                }
                Action::Hang | Action::Pause => self.continue_after_fault(server),
                Action::Drain { .. } => self.ask(server, PendingInput::Resume),
                _ => {}
            }
        }
        if kind == Kind::Partition {
            self.net.impair(fault, kind, false);
            self.record_cuts(fault, Event::Joined);
        } else if kind.impairs() {
            self.net.impair(fault, kind, false);
            self.record_cuts(fault, |cut| Event::Cleared(kind, cut));
        }
    }

    fn set_backlog(&mut self, server: u32, backlog: u32) {
        self.net.kernel_mut(server).set_backlog(backlog);
        self.net.backlog_changed(server);
    }

    fn window(&self, fault: u32, window: u32) -> &FaultWindow {
        &self.net.faults()[fault as usize].windows[window as usize]
    }

    fn record_cuts(&mut self, fault: u32, event: impl Fn(Cut) -> Event) {
        for number in 0..self.fault(fault).cuts.len() {
            let cut = self.fault(fault).cuts[number];
            self.net.record(EventKind::Fault(fault as u16, event(cut)));
        }
    }

    fn fault(&self, fault: u32) -> &Fault {
        &self.net.faults()[fault as usize]
    }
}
