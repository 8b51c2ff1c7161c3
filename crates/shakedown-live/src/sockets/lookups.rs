//! What the resolver does: it is asked, answers when it is due, and its names change.

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use shakedown_core::driver::names::{Around, Step};
use shakedown_core::driver::stage::Stage;
use shakedown_core::event::Kind;
use shakedown_core::machine::EndpointId;
use shakedown_core::rng::Identity;
use shakedown_core::time::Nanos;

use super::resolver::{Asked, Resolver};
use super::transport::{Item, Live};
use crate::kernel::{Answer, Query, World};

/// Puts what changes names by itself into the schedule.
pub(super) fn begin(stage: &mut Stage<Live>) {
    let Some(resolver) = &stage.net.resolver else { return };
    for (at, step) in resolver.dns.begin() {
        stage.net.due.push(at, Item::Names(step));
    }
}

/// Something is due of names.
pub(super) fn step(stage: &mut Stage<Live>, step: Step) {
    let Live { resolver, network, due, events, .. } = &mut stage.net;
    let Some(Resolver { dns, .. }) = resolver else { return };
    let now = network.now;
    let around = Around {
        now,
        way: |checker, EndpointId(server), way| network.way_of_check(checker, server, way),
        syn: |server| network.kernel(server).syn(),
    };
    let next = |at, step| due.push(at, Item::Names(step));
    dns.step(step, &around, next, |name, event| events.push(now, Kind::Dns(name, event)));
}

/// Questions have come. What is asked for is answered when the scenario says so; what there is not, at once.
pub(super) fn hear(stage: &mut Stage<Live>, queries: Vec<Query>) {
    for query in queries {
        let Some(resolver) = &stage.net.resolver else { return };
        let name = resolver.names.iter().position(|name| *name == query.name);
        let told = match name.filter(|_| query.of_addresses) {
            None => {
                let none = Answer::Addresses(&[], Nanos::ZERO);
                tell(&stage.net, &query, if name.is_some() { none } else { Answer::NoSuchName })
            }
            Some(name) => {
                ask(stage, query, name);
                Ok(())
            }
        };
        if let Err(error) = told {
            stage.net.fail(error);
        }
    }
}

fn ask(stage: &mut Stage<Live>, query: Query, name: usize) {
    let Live { resolver, network, due, .. } = &mut stage.net;
    let Some(resolver) = resolver else { return };
    resolver.count += 1;
    let client = match resolver.asking.get(&query.from) {
        Some((session, c)) => {
            let machine = &stage.sessions[*session as usize].machine;
            (stage.groups[usize::from(machine.group())].plan.identity(machine.index()), u64::from(c.0))
        }
        None => (host(network.sockets.world(), &query), resolver.count),
    };
    let latency = resolver.dns.names[name].latency(resolver.seed, client.0, client.1);
    resolver.queries.insert(resolver.count, Asked { query, name, client });
    due.push(network.now + latency, Item::Answer { query: resolver.count });
}

fn host(world: Option<&World>, query: &Query) -> Identity {
    world.and_then(|world| world.identity(query.from)).unwrap_or(Identity(0))
}

/// A question is to be answered now. Where the resolver has no answer, it is silent.
pub(super) fn answer(live: &mut Live, query: u64) {
    let now = live.network.now;
    let Some(resolver) = &mut live.resolver else { return };
    let Some(Asked { query, name, client }) = resolver.queries.remove(&query) else { return };
    let host = host(live.network.sockets.world(), &query);
    let mut servers = Vec::new();
    let Some(keep) = resolver.dns.names[name].answer(resolver.seed, host, client, now, &mut servers) else { return };
    let addresses: Vec<Ipv4Addr> = servers.iter().filter_map(|EndpointId(server)| address(*server)).collect();
    if let Err(error) = tell(live, &query, Answer::Addresses(&addresses, keep)) {
        live.fail(error);
    }
}

fn address(server: u32) -> Option<Ipv4Addr> {
    match World::server(server).ip() {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}

fn tell(live: &Live, query: &Query, answer: Answer<'_>) -> io::Result<()> {
    live.network.sockets.world().map_or(Ok(()), |world| world.answer(query, answer))
}
