//! Faults on the real clock.

use super::engine::Engine;
use super::lines::{Caller, Line, LineId, Parcel};
use super::servers::Ask;
use shakedown_core::event::Kind as EventKind;
use shakedown_core::fault::{Action, Cut, Event, Kind};
use shakedown_core::machine::{CloseMode, Input};
use shakedown_core::network::Way;

impl Engine {
    pub(super) fn fault_begins(&mut self, fault: u32, window: u32) {
        let number = fault as usize;
        let action = self.faults[number].windows[window as usize].action;
        let kind = action.kind();
        for server in self.faults[number].windows[window as usize].servers.clone() {
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
            self.partitions.push(fault);
            self.record_cuts(fault, Event::Parted);
        } else if kind.impairs() {
            self.latency_faults.push(fault);
            self.record_cuts(fault, |cut| Event::Impaired(kind, cut));
            if kind == Kind::Reset {
                self.reset_lines(fault, window);
            }
        }
    }

    /// Something between places ends connections that are up: both ends have the RST at once, the clients first.
    fn reset_lines(&mut self, fault: u32, window: u32) {
        let is_struck = |(id, line): (&LineId, &Line)| {
            let side = self.side(*id)?;
            let struck = &self.faults[fault as usize];
            let struck = struck.resets(self.seed, window, side, line.server, line.identity);
            (struck && line.is_established()).then_some(*id)
        };
        let mut lines: Vec<LineId> = self.lines.iter().filter_map(is_struck).collect();
        lines.sort_by_key(|id| self.lines.get(id).map(|line| (line.code(), line.caller.map(|(_, c)| c.0))));
        for id in lines {
            // What became of another may have ended it.
            let Some(line) = self.lines.get_mut(&id).filter(|line| line.is_established()) else { continue };
            let Some((caller, c)) = line.caller else { continue };
            if let Some(wire) = line.to_client.wire.take() {
                wire.close(CloseMode::Reset);
                line.to_server.forget();
            }
            if let Caller::Session(session) = caller {
                self.record(EventKind::Fault(fault as u16, Event::Reset { session }));
            }
            self.forget_client(id);
            self.input_of(caller, Input::Reset(c));
            self.put(id, Way::ToServer, self.now, Parcel::Reset);
            self.settle(id);
        }
    }

    pub(super) fn fault_heals(&mut self, fault: u32, window: u32) {
        let number = fault as usize;
        let action = self.faults[number].windows[window as usize].action;
        let kind = action.kind();
        for server in self.faults[number].windows[window as usize].servers.clone() {
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
            self.partitions.retain(|active| *active != fault);
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
