//! What the engine's thread and the wire's tell each other.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::dns::Query;
use super::hosts::{Flow, Note};
use super::relays::Order;

/// What either tells the other.
#[derive(Debug)]
pub(super) struct Shared {
    /// Whether a server's host has power.
    on: Vec<AtomicBool>,
    /// Whether its process stands still.
    hung: Vec<AtomicBool>,
    /// The wire is to end.
    over: AtomicBool,
    /// The devices of hosts that boot.
    booted: Mutex<Vec<(u32, File)>>,
    /// Connections that it is to reset.
    resets: Mutex<Vec<Flow>>,
    /// What it did that the engine is to hear of.
    notes: Mutex<Vec<Note>>,
    /// SYNs that balancers have to choose a server for.
    asked: Mutex<Vec<Flow>>,
    /// What balancers say.
    orders: Mutex<Vec<Order>>,
    /// Questions to the resolver, and packets with its answers.
    queries: Mutex<Vec<Query>>,
    answers: Mutex<Vec<Vec<u8>>>,
    /// Told when the engine is asked.
    pub asks: Notify,
}

impl Shared {
    pub(super) fn new(servers: usize) -> Shared {
        Shared {
            on: (0..servers).map(|_| AtomicBool::new(true)).collect(),
            hung: (0..servers).map(|_| AtomicBool::new(false)).collect(),
            over: AtomicBool::new(false),
            booted: Mutex::default(),
            resets: Mutex::default(),
            notes: Mutex::default(),
            asked: Mutex::default(),
            orders: Mutex::default(),
            queries: Mutex::default(),
            answers: Mutex::default(),
            asks: Notify::new(),
        }
    }

    pub(super) fn is_on(&self, server: u32) -> bool {
        self.on[server as usize].load(Ordering::SeqCst)
    }

    pub(super) fn power(&self, server: u32, on: bool) {
        self.on[server as usize].store(on, Ordering::SeqCst);
    }

    pub(super) fn is_hung(&self, server: u32) -> bool {
        self.hung[server as usize].load(Ordering::SeqCst)
    }

    pub(super) fn hang(&self, server: u32, hung: bool) {
        self.hung[server as usize].store(hung, Ordering::SeqCst);
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

    /// A balancer has to choose a server for this one.
    pub(super) fn ask(&self, flow: Flow) {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(flow);
        self.asks.notify_one();
    }

    /// Those since it was last asked.
    pub(super) fn asked(&self) -> Vec<Flow> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn order(&self, order: Order) {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).push(order);
    }

    /// Those since it was last asked.
    pub(super) fn orders(&self) -> Vec<Order> {
        std::mem::take(&mut *self.orders.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The resolver is asked.
    pub(super) fn query(&self, query: Query) {
        self.queries.lock().unwrap_or_else(PoisonError::into_inner).push(query);
        self.asks.notify_one();
    }

    /// Those since it was last asked.
    pub(super) fn queries(&self) -> Vec<Query> {
        std::mem::take(&mut *self.queries.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn answer(&self, packet: Vec<u8>) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).push(packet);
    }

    /// Those since it was last asked.
    pub(super) fn answers(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut *self.answers.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
