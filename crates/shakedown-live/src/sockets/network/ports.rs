//! Servers' ports.

use std::rc::Rc;

use shakedown_core::network::Host;
use shakedown_core::rng::Identity;
use shakedown_core::server::{Forwarding, Group};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

/// A server's port, and what the network knows of its host.
#[derive(Debug)]
pub(super) struct Port {
    pub identity: Identity,
    pub of_program: bool,
    /// Its host rewrites addresses: nobody listens there.
    pub rewrites: bool,
    pub kernel: Host,
    pub listener: Option<Rc<TcpListener>>,
    pub accepting: Option<AbortHandle>,
}

impl Port {
    pub(super) fn new(listener: Option<TcpListener>, group: &Group, identity: Identity, of_program: bool) -> Port {
        let kernel = Host::new(group.backlog, group.backlog_overflow);
        let listener = listener.map(Rc::new);
        Port { identity, of_program, rewrites: rewrites(group), kernel, listener, accepting: None }
    }

    pub(super) fn is_open(&mut self, listener: Rc<TcpListener>) {
        self.listener = Some(listener);
    }

    /// Nothing is accepted; the port stays open, and its kernel completes connects until its queue is full.
    pub(super) fn stop_accepting(&mut self) {
        if let Some(task) = self.accepting.take() {
            task.abort();
        }
    }

    pub(super) fn close(&mut self) {
        self.stop_accepting();
        self.listener = None;
    }
}

/// Whether the hosts of a group rewrite addresses.
pub(crate) fn rewrites(group: &Group) -> bool {
    group.balancer().is_some_and(|balancer| balancer.forwarding == Forwarding::Nat)
}
