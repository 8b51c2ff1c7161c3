//! The server machine: one process, of the kind that its group's members are.

use super::balancer::Balancer;
use super::context::Context;
use super::event::Outputs;
use super::plan::{Kind, Plan};
use super::proxy::ForwardProxy;
use super::web::Web;
use crate::fault::Reload;
use crate::machine::{ConnectionId, EndpointId, Input};
use crate::rng::Identity;
use crate::time::{Nanos, Timestamp};

/// One server process. Whoever gives it something has the plan of its group.
#[derive(Debug)]
pub struct Server(Process);

#[derive(Debug)]
enum Process {
    Web(Box<Web>),
    Balancer(Box<Balancer>),
    Proxy(Box<ForwardProxy>),
    /// Its driver has it.
    Program,
}

impl Server {
    /// A member of a group whose process was started at a moment.
    pub fn new(plan: &Plan, since: Timestamp) -> Server {
        Server(match &plan.0 {
            Kind::Web(_) => Process::Web(Box::new(Web::new(since))),
            Kind::Balancer(plan) => Process::Balancer(Box::new(Balancer::new(plan))),
            Kind::Proxy(_) => Process::Proxy(Box::new(ForwardProxy::new(since))),
            Kind::Program => Process::Program,
        })
    }

    /// Takes one input; what follows from it is appended to `out`.
    pub fn handle(&mut self, cx: &Context<'_, Plan>, now: Timestamp, input: Input<'_>, out: &mut Outputs) {
        match (&mut self.0, &cx.plan.0) {
            (Process::Web(web), Kind::Web(plan)) => web.handle(&cx.of(&**plan), now, input, out),
            (Process::Balancer(balancer), Kind::Balancer(plan)) => balancer.handle(&cx.of(plan), now, input, out),
            (Process::Proxy(proxy), Kind::Proxy(plan)) => proxy.handle(&cx.of(&**plan), now, input, out),
            (Process::Program, Kind::Program) => {}
            _ => unreachable!("the plan of another group"),
        }
    }

    /// From now on requests are answered 503, and the connections that are open get close frames with this code, evenly
    /// spread `over` a time, the first at once. A balancer has neither.
    pub fn drain(&mut self, cx: &Context<'_, Plan>, now: Timestamp, code: u16, over: Nanos, out: &mut Outputs) {
        match (&mut self.0, &cx.plan.0) {
            (Process::Web(web), Kind::Web(plan)) => web.drain(&cx.of(&**plan), now, code, over, out),
            (Process::Proxy(proxy), _) => proxy.drain(true),
            _ => {}
        }
    }

    /// The drain is over: requests are answered normally.
    pub fn resume(&mut self, cx: &Context<'_, Plan>, out: &mut Outputs) {
        match (&mut self.0, &cx.plan.0) {
            (Process::Web(web), Kind::Web(plan)) => web.resume(&cx.of(&**plan), out),
            (Process::Proxy(proxy), _) => proxy.drain(false),
            _ => {}
        }
    }

    /// The process is replaced because of this fault: the new one accepts from now on, and the old one keeps what is open
    /// for a time. A balancer that rewrites addresses is no process.
    pub fn reload(
        &mut self,
        cx: &Context<'_, Plan>,
        now: Timestamp,
        (reload, cause): (&Reload, u16),
        out: &mut Outputs,
    ) {
        match (&mut self.0, &cx.plan.0) {
            (Process::Web(web), Kind::Web(plan)) => web.reload(&cx.of(&**plan), now, reload, cause, out),
            (Process::Balancer(balancer), Kind::Balancer(plan)) => {
                balancer.reload(&cx.of(plan), now, reload, cause, out);
            }
            (Process::Proxy(proxy), Kind::Proxy(plan)) => proxy.reload(&cx.of(&**plan), now, reload, cause, out),
            _ => {}
        }
    }

    /// A probe asks whether it answers. Only a web server is probed.
    pub fn probe(&mut self, cx: &Context<'_, Plan>, now: Timestamp, number: u32, out: &mut Outputs) {
        if let (Process::Web(web), Kind::Web(plan)) = (&mut self.0, &cx.plan.0) {
            web.probe(&cx.of(&**plan), now, number, out);
        }
    }

    /// Whether it accepts another connection now. Only [`Plan::waits_to_accept`] asks.
    pub fn accepts(&self, plan: &Plan) -> bool {
        match (&self.0, &plan.0) {
            (Process::Web(web), Kind::Web(plan)) => web.accepts(plan),
            _ => true,
        }
    }

    /// Slows work that starts from now on by this factor; `None`: normal speed.
    pub fn slow_down(&mut self, factor: Option<f64>) {
        match &mut self.0 {
            Process::Web(web) => web.slow_down(factor),
            Process::Proxy(proxy) => proxy.slow_down(factor),
            Process::Balancer(_) | Process::Program => {}
        }
    }

    /// Sets the address of a connection, before it is accepted. Only [`Plan::asks_for_addresses`] needs it.
    pub fn comes_from(&mut self, c: ConnectionId, address: Identity) {
        match &mut self.0 {
            Process::Web(web) => web.comes_from(c, address),
            Process::Balancer(balancer) => balancer.comes_from(c, address),
            Process::Proxy(_) | Process::Program => {}
        }
    }

    /// Open connections, which the server reports to its peers.
    pub fn connections(&self) -> u32 {
        match &self.0 {
            Process::Web(web) => web.connections(),
            Process::Balancer(balancer) => balancer.connections(),
            Process::Proxy(proxy) => proxy.connections(),
            Process::Program => 0,
        }
    }

    /// The accepted connection for which a balancer or a proxy opened this second connection.
    pub fn accepted_for(&self, own: ConnectionId) -> Option<ConnectionId> {
        match &self.0 {
            Process::Balancer(balancer) => balancer.accepted_for(own),
            Process::Proxy(proxy) => proxy.accepted_for(own),
            Process::Web(_) | Process::Program => None,
        }
    }

    /// NAT: which server a new connection goes to, by what identifies it and the address it comes from. `None` when none
    /// is up.
    pub fn forward(&mut self, cx: &Context<'_, Plan>, from: [Identity; 2]) -> Option<EndpointId> {
        match (&mut self.0, &cx.plan.0) {
            (Process::Balancer(balancer), Kind::Balancer(plan)) => balancer.forward(&cx.of(plan), from),
            _ => None,
        }
    }

    /// NAT: a connection to this server is over.
    pub fn flow_ended(&mut self, plan: &Plan, server: EndpointId) {
        if let (Process::Balancer(balancer), Kind::Balancer(plan)) = (&mut self.0, &plan.0) {
            balancer.ended(plan, server);
        }
    }
}
