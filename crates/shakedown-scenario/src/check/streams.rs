//! What clients that come by HTTP/2 can't meet: servers and answers that speak HTTP/1.1 only.

use super::{Problem, Tree, behavior};
use shakedown_core::client::Config;
use shakedown_core::handshake::Mode;
use shakedown_core::server::{BehaviorKind as Kind, Scheme, WhenFull};

use crate::draft::Draft;
use crate::file::File;
use crate::machines::ServerKind;

/// Checks the keys of a client group at `clients.NAME`.
pub(super) fn client(name: &str, client: &Config, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("clients.{name}.{key}");
    let shares = client.mode == Mode::ExtendedConnect;
    // A written mode may stand beside it: it is what a variant takes HTTP/2 away with.
    if client.idle_timeout.is_some() && !shares && !tree.has(&at("mode")) {
        let message = "`idle_timeout` is for HTTP/2 connections, which sessions share";
        let help = "write mode = \"extended-connect\" beside it, or leave it out";
        return Err(tree.problem_at_key(&at("idle_timeout"), message).with_help(help));
    }
    if client.connect_gate && shares {
        let message = "over HTTP/2, sessions of a process share a connection: there is no line to wait in";
        return Err(tree.problem(&at("connect_gate"), message).with_help("write connect_gate = false"));
    }
    if client.proxy.is_some() && shares {
        let message = "HTTP/2 through a forward proxy is not simulated";
        let help = "write mode = \"upgrade\", or leave proxy out";
        return Err(tree.problem(&at("proxy"), message).with_help(help));
    }
    Ok(())
}

/// Checks every server that clients which come by HTTP/2 dial or are led to.
pub(super) fn reached(scenario: &Draft, tree: &Tree) -> Result<(), Problem> {
    let file = &scenario.file;
    for (client, config) in file.clients.iter().filter(|(_, client)| client.mode == Mode::ExtendedConnect) {
        let mut groups = Vec::new();
        let mut names: Vec<&str> = config.endpoints.iter().map(String::as_str).collect();
        while let Some(name) = names.pop() {
            if let Some(dns) = file.dns.get(name) {
                let changes = dns.changes.iter().flat_map(|change| &change.to);
                names.extend(dns.to.iter().chain(&dns.standby).chain(changes).map(String::as_str));
                continue;
            }
            for member in scenario.members(name).unwrap_or_default() {
                let group = scenario.servers()[member.0 as usize].group;
                if !groups.contains(&group) {
                    groups.push(group);
                    names.extend(led_to(file, group));
                }
            }
        }
        groups.sort_unstable();
        for group in groups {
            meets(file, group, client, tree)?;
        }
    }
    Ok(())
}

/// Where a group's servers send clients.
fn led_to(file: &File, group: usize) -> impl Iterator<Item = &str> {
    let server = &file.servers[group];
    let overflow = server.overflow_to.as_ref().filter(|_| server.when_full == Some(WhenFull::Redirect));
    let redirects = server.behavior.0.iter().filter_map(|behavior| behavior.to.as_ref());
    redirects.chain(overflow).flat_map(|names| names.0.iter().map(String::as_str))
}

fn meets(file: &File, group: usize, client: &str, tree: &Tree) -> Result<(), Problem> {
    let Some((name, server)) = file.servers.get_index(group) else { return Ok(()) };
    let by = format!("`{client}` comes by HTTP/2 (mode = \"extended-connect\")");
    let help = format!("write mode = \"upgrade\" in [clients.{client}], or let it go elsewhere");
    if server.kind != ServerKind::Websocket {
        let message = format!("{by}: HTTP/2 through a balancer is not simulated");
        return Err(tree.problem(&format!("servers.{name}.kind"), message).with_help(help));
    }
    for (number, shown) in server.behavior.0.iter().enumerate() {
        let place = behavior::place(name, number, tree);
        let of_http1 = match shown.kind {
            Kind::Garbage => Some(("kind", "what is no HTTP at all ends no stream, but is not simulated there")),
            Kind::Serve => Some(("kind", "there a page with 200 would open a WebSocket")),
            Kind::Reject if shown.status.is_some_and(|status| status < 300) => {
                Some(("status", "there any 2xx opens (RFC 8441 section 5)"))
            }
            _ if shown.scheme.is_some_and(Scheme::has_legs) => {
                Some(("scheme", "what is bound to a connection does not go with streams that share one"))
            }
            _ if shown.answer.is_some() => Some(("answer", "these flaws are those of HTTP/1.1")),
            _ if shown.delivery.is_some() => Some(("delivery", "heads are frames there, and come whole")),
            _ => None,
        };
        if let Some((key, why)) = of_http1 {
            return Err(tree.problem(&format!("{place}.{key}"), format!("{by}: {why}")).with_help(help));
        }
    }
    Ok(())
}
