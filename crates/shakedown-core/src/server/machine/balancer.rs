//! A server that is a balancer.

use super::Server;
use crate::machine::{ConnectionId, EndpointId, Input};
use crate::rng::Identity;
use crate::server::balancer::{Balancer, Balancing};
use crate::server::context::Context;
use crate::server::event::Outputs;
use crate::server::plan::Plan;
use crate::time::Timestamp;

impl Server {
    /// A balancer takes an input.
    #[cold]
    pub(super) fn balance(
        &mut self,
        cx: &Context<'_>,
        plan: &Balancing,
        now: Timestamp,
        input: Input<'_>,
        out: &mut Outputs,
    ) {
        let address = match input {
            Input::Accepted(c, _) => self.limits.addresses.get(c.0 as usize).copied(),
            _ => None,
        };
        let balancer = self.balancer.get_or_insert_with(|| Box::new(Balancer::new(plan)));
        balancer.handle(cx, plan, address, now, input, out);
    }

    /// NAT: which server a new connection goes to, by what identifies it and the address it comes from. `None` when none
    /// is up.
    pub fn forward(&mut self, cx: &Context<'_>, from: [Identity; 2]) -> Option<EndpointId> {
        let plan = cx.plan.balancing.as_deref()?;
        let balancer = self.balancer.get_or_insert_with(|| Box::new(Balancer::new(plan)));
        balancer.forward(cx, plan, from)
    }

    /// NAT: a connection to this server is over.
    pub fn flow_ended(&mut self, plan: &Plan, server: EndpointId) {
        if let (Some(balancer), Some(plan)) = (&mut self.balancer, &plan.balancing) {
            balancer.ended(plan, server);
        }
    }

    /// The accepted connection for which a balancer or a proxy opened this second connection.
    pub fn accepted_for(&self, own: ConnectionId) -> Option<ConnectionId> {
        let own = own.as_own()?;
        match &self.relay {
            Some(tunnels) => tunnels.accepted_for(own),
            None => self.balancer.as_ref()?.accepted_for(own),
        }
    }
}
