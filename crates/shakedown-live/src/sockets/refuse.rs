//! What real sockets can't honour: refused before the run, all of it at once, rather than left out silently.

use super::setup::Part;
use crate::kernel::{CLIENTS_MAX, SERVERS_MAX, client_hosts};
use shakedown_core::fault::Kind;
use shakedown_core::network::{self, EPHEMERAL_PORTS, Kernel, Overflow, SynRetries};
use shakedown_core::scenario::Scenario;
use shakedown_core::server::{Accepts, Forwarding, Machine, WhenUsedUp};

/// Every key of a scenario that this part of it can't be played with, and why; `wire` says whether both parts have one
/// between them.
pub fn refused(scenario: &Scenario, part: Part, wire: bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut refuse = |given: bool, path: String, why: &str| {
        if given {
            found.push(format!("{path}: {why}"));
        }
    };
    let is_program = |server: u32| {
        let entry = scenario.servers().get(server as usize);
        entry.is_some_and(|entry| scenario.groups()[entry.group].program().is_some())
    };
    if part == Part::Both {
        let loss = |loss: &shakedown_core::quantity::Loss| loss.forward.0 > 0.0 || loss.back.0 > 0.0;
        refuse(!wire && loss(&scenario.network().loss), "network.loss".into(), "loopback loses nothing");
        let retries = scenario.network().data_retries != network::Config::default().data_retries;
        refuse(!wire && retries, "network.data_retries".into(), "no kernel gives up what it sends to itself");
        let schedule = &scenario.network().syn_retries;
        let linux = [SynRetries::Kernel(Kernel::Linux6_5), SynRetries::Kernel(Kernel::Linux)].contains(schedule);
        refuse(wire && !linux, "network.syn_retries".into(), "these kernels are Linux, and have its schedules");
        let time_wait = scenario.network().time_wait() != network::Config::default().time_wait();
        refuse(time_wait, "network.time_wait".into(), "how long a port is kept is for the kernel to say");
        for (name, client) in scenario.clients() {
            let ports = client.ports.is_some_and(|ports| client.nat.is_none() && ports != EPHEMERAL_PORTS);
            refuse(ports, format!("clients.{name}.ports"), "a host's ports are the kernel's");
        }
        for (name, group) in scenario.groups() {
            let ports = matches!(&group.machine, Machine::Proxy(proxy) if proxy.ports != EPHEMERAL_PORTS);
            refuse(ports, format!("proxies.{name}.ports"), "a host's ports are the kernel's");
        }
        for (name, link) in &scenario.network().links {
            let at = |key: &str| format!("network.links.{name}.{key}");
            refuse(!wire && link.loss.as_ref().is_some_and(loss), at("loss"), "loopback loses nothing");
        }
        if wire {
            let servers = scenario.servers().len();
            refuse(servers > SERVERS_MAX, "servers".into(), "each is a host of its own, and there may be 250");
            let hosts = client_hosts(scenario);
            refuse(hosts > CLIENTS_MAX, "clients".into(), "there are addresses for 8,388,606 client hosts");
        }
        let why = "loopback is never silent: nothing there is without an answer";
        for (name, client) in scenario.clients() {
            refuse(!wire && client.keepalive.is_some(), format!("clients.{name}.keepalive"), why);
            refuse(!wire && client.user_timeout.is_some(), format!("clients.{name}.user_timeout"), why);
        }
        for (name, group) in scenario.groups() {
            let at = |key: &str| format!("{}.{name}.{key}", group.table());
            refuse(!wire && group.giving_up.keepalive.is_some(), at("keepalive"), why);
            refuse(!wire && group.giving_up.user_timeout.is_some(), at("user_timeout"), why);
        }
        refuse(!wire && !scenario.dns().is_empty(), "dns".into(), "there is no resolver that would know these names");
    }
    let gives_up = |giving_up: &network::GivingUp| !cfg!(target_os = "linux") && giving_up.any();
    for (name, group) in scenario.groups() {
        let path = format!("{}.{name}", group.table());
        refuse(gives_up(&group.giving_up), path, "keepalive and user_timeout are options of sockets of Linux");
    }
    for (name, client) in scenario.clients() {
        let path = format!("clients.{name}");
        refuse(gives_up(&client.giving_up()), path, "keepalive and user_timeout are options of sockets of Linux");
    }
    if part != Part::Clients {
        for (name, server) in scenario.groups() {
            let at = |key: &str| format!("{}.{name}.{key}", server.table());
            let rewrites = server.balancer().is_some_and(|balancer| balancer.forwarding == Forwarding::Nat);
            refuse(rewrites && !wire, at("balance"), "nothing here rewrites addresses: `terminate` is played");
            let forgets = rewrites && server.balancer().is_some_and(|balancer| balancer.clocks.idle.is_some());
            refuse(
                forgets && wire,
                at("idle_timeout"),
                "the wire looks at no clock of a balancer that rewrites addresses",
            );
            let listens = part == Part::Servers && server.program().is_some();
            refuse(listens, at("command"), "a program listens by itself: there is nothing to serve");
            let certificate =
                server.web().and_then(|web| web.tls.as_ref()).is_some_and(|tls| tls.certificate.is_some());
            refuse(certificate, at("tls_certificate"), "the certificates here are made for the run, and good");
            let waits = server.web().is_some_and(|web| web.accepts == Accepts::WhenIdle);
            let why = "servers here accept what comes, and leave nothing in the kernel's queue";
            refuse(waits, at("accepts"), why);
            for limit in server.web().map_or(&[][..], |web| &web.resources) {
                let waits = limit.when_full == WhenUsedUp::Wait;
                refuse(waits, at(&format!("{}.when_full", limit.resource.name())), why);
            }
            let reset = server.backlog_overflow == Overflow::Reset;
            let why = match wire {
                true => "Linux drops a SYN that meets a full queue, whatever it is set to",
                false => "the kernel decides that, for all ports at once",
            };
            refuse(reset, at("backlog_overflow"), why);
            let link = part == Part::Servers && server.access_link.is_some();
            refuse(link, at("access_link"), "the network to clients is the real one");
        }
        for fault in scenario.faults_by_origin().0 {
            let why = match fault.config.action().kind() {
                Kind::Lossy if !wire => "loopback loses nothing",
                Kind::Backlog if !wire => "the kernel's accept queue keeps its size",
                Kind::DnsOutage if !wire => "there is no resolver that would know these names",
                Kind::Command if part == Part::Servers => "`run --driver tokio` and `--driver kernel` run programs",
                Kind::PowerOff if part == Part::Servers => "this machine stays on, and its kernel answers",
                Kind::Partition | Kind::Latency | Kind::Bandwidth | Kind::Reset if part == Part::Servers => {
                    "the network to clients is the real one"
                }
                _ => continue,
            };
            refuse(true, format!("faults.{}.kind", fault.name), why);
        }
        for fault in scenario.faults().iter().filter(|_| part == Part::Both) {
            let windows = fault.windows.iter().filter(|window| window.servers.iter().any(|server| is_program(*server)));
            let why = windows.into_iter().find_map(|window| match window.action.kind() {
                Kind::PowerOff if !wire => Some("a program's kernel lives on: crash kills it, and hang stops it"),
                Kind::Slow | Kind::Drain | Kind::Reload => {
                    Some("what a program does is its own affair: crash kills it, and hang stops it")
                }
                _ => None,
            });
            refuse(why.is_some(), format!("faults.{}", fault.name), why.unwrap_or_default());
        }
    }
    if part != Part::Servers {
        for (name, client) in scenario.clients() {
            let at = |key: &str| format!("clients.{name}.{key}");
            if let Some(why) = client.mode.simulated_only() {
                refuse(true, at("mode"), why);
            }
            refuse(client.nat.is_some(), at("nat"), "servers see the addresses that there are");
            let link = part == Part::Clients && client.access_link.is_some();
            refuse(link, at("access_link"), "the network to servers is the real one");
        }
    }
    found
}
