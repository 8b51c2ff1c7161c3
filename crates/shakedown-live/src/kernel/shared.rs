//! What the engine's thread and the wire's tell each other.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::hosts::{Flow, Note};

/// What either tells the other.
#[derive(Debug)]
pub(super) struct Shared {
    /// Whether a server's host has power.
    on: Vec<AtomicBool>,
    /// The wire is to end.
    over: AtomicBool,
    /// The devices of hosts that boot.
    booted: Mutex<Vec<(u32, File)>>,
    /// Connections that it is to reset.
    resets: Mutex<Vec<Flow>>,
    /// What it did that the engine is to hear of.
    notes: Mutex<Vec<Note>>,
}

impl Shared {
    pub(super) fn new(servers: usize) -> Shared {
        Shared {
            on: (0..servers).map(|_| AtomicBool::new(true)).collect(),
            over: AtomicBool::new(false),
            booted: Mutex::default(),
            resets: Mutex::default(),
            notes: Mutex::default(),
        }
    }

    pub(super) fn is_on(&self, server: u32) -> bool {
        self.on[server as usize].load(Ordering::SeqCst)
    }

    pub(super) fn power(&self, server: u32, on: bool) {
        self.on[server as usize].store(on, Ordering::SeqCst);
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    pub(super) fn go_on(&self) {
        self.over.store(false, Ordering::SeqCst);
    }

    pub(super) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// A host boots, with this device; the wire gives it power once it has that.
    pub(super) fn boot(&self, server: u32, device: File) {
        self.booted.lock().unwrap_or_else(PoisonError::into_inner).push((server, device));
    }

    /// Those since it was last asked.
    pub(super) fn booted(&self) -> Vec<(u32, File)> {
        std::mem::take(&mut *self.booted.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn reset(&self, flow: Flow) {
        self.resets.lock().unwrap_or_else(PoisonError::into_inner).push(flow);
    }

    /// Those since it was last asked.
    pub(super) fn resets(&self) -> Vec<Flow> {
        std::mem::take(&mut *self.resets.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn note(&self, note: Note) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(note);
    }

    /// Those since it was last asked.
    pub(super) fn notes(&self) -> Vec<Note> {
        std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
