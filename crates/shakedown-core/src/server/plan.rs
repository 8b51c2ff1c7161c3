//! The common settings of a server group's members, ready to run, whatever their kind.

use super::balancer::{Balancing, OnDown, PickBackend};
use super::config::{Group, Machine};
use super::proxy::ProxyPlan;
use super::tls::{Certificate, TlsKeys};
use super::web::WebPlan;
use crate::time::Nanos;
use crate::tls;

/// The common settings of a server group's members, ready to run.
#[derive(Debug)]
pub struct Plan(pub(super) Kind);

/// Those of each kind.
#[derive(Debug)]
pub(super) enum Kind {
    Web(Box<WebPlan>),
    Balancer(Balancing),
    Proxy(Box<ProxyPlan>),
    /// Its driver has the program.
    Program,
}

impl Plan {
    /// A group, ready to run.
    pub fn new(group: &Group) -> Plan {
        Plan(match &group.machine {
            Machine::Web(web) => Kind::Web(Box::new(WebPlan::new(web))),
            Machine::Balancer(balancing) => Kind::Balancer(balancing.clone()),
            Machine::Proxy(proxy) => Kind::Proxy(Box::new(ProxyPlan::new(proxy))),
            Machine::Program(_) => Kind::Program,
        })
    }

    fn web(&self) -> Option<&WebPlan> {
        match &self.0 {
            Kind::Web(plan) => Some(plan),
            _ => None,
        }
    }

    fn balancing(&self) -> Option<&Balancing> {
        match &self.0 {
            Kind::Balancer(plan) => Some(plan),
            _ => None,
        }
    }

    /// Whether connections to a server that is marked down are cut.
    pub fn cuts_when_down(&self) -> bool {
        self.balancing().is_some_and(|balancing| balancing.health.is_some_and(|health| health.on_down == OnDown::Reset))
    }

    /// Whether members accept nothing while they are busy, or while something is used up.
    #[inline]
    pub fn waits_to_accept(&self) -> bool {
        self.web().is_some_and(|web| web.waits_to_accept)
    }

    /// Whether a process of the group has something to do from its start on.
    pub fn starts(&self) -> bool {
        self.balancing().is_some()
    }

    /// Whether members need the addresses of connections ([`super::Server::comes_from`]).
    pub fn asks_for_addresses(&self) -> bool {
        match &self.0 {
            Kind::Web(plan) => plan.asks_for_addresses(),
            Kind::Balancer(plan) => plan.pick == PickBackend::SourceHash,
            Kind::Proxy(_) | Kind::Program => false,
        }
    }

    /// The TLS version of the members.
    pub fn tls(&self) -> tls::Version {
        self.web().map_or(tls::Version::None, |web| web.tls)
    }

    /// Lifetime of a member's session tickets; `None` if it issues none.
    pub fn tickets(&self) -> Option<Nanos> {
        self.web()?.tickets
    }

    /// What clients find of the members' certificate, if anything is wrong with it.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.web()?.certificate.as_ref()
    }

    /// Which members can decrypt a member's tickets.
    pub fn tls_keys(&self) -> TlsKeys {
        self.web().map(|web| web.keys).unwrap_or_default()
    }

    /// How often the driver should report peers' open connections, if a behavior asks for it.
    pub fn report_every(&self) -> Option<Nanos> {
        self.web()?.report_every()
    }
}
