//! What forward proxies, and the client groups behind them, can get wrong.

use super::super::{Problem, Tree};
use super::{behavior, clocks, distribution, known_server, nearest, network, positive, segment, ticked, valid_name};
use shakedown_core::client;
use shakedown_core::machine::Ends;
use shakedown_core::network::GivingUp;
use shakedown_core::server::{BehaviorKind as Kind, Group, Names, Scheme};
use shakedown_core::time::Nanos;

use crate::draft::Draft;
use crate::file::File;
use crate::machines::{BehaviorToml, ProxiesToml};

/// Checks one group of proxies.
pub(super) fn check(name: &str, proxy: &ProxiesToml, file: &File, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("proxies.{name}.{key}");
    valid_name(name, "proxies", tree)?;
    if file.servers.contains_key(name) {
        let message = format!("the name `{name}` would mean proxies and servers: rename this group");
        return Err(tree.problem_at_key(&format!("proxies.{}", segment(name)), message));
    }
    let written = (None, proxy.idle_timeout, proxy.connection_age.as_ref());
    clocks::check(&format!("proxies.{name}"), written, None, &[Ends::Fin, Ends::Reset], tree)?;
    let (keepalive, user_timeout) = (proxy.keepalive, proxy.user_timeout);
    clocks::giving_up(&format!("proxies.{name}"), GivingUp { keepalive, user_timeout }, tree)?;
    let counts = [
        ("count", Some(proxy.count)),
        ("workers", Some(proxy.workers)),
        ("connections_max", proxy.connections_max),
        ("ports", Some(proxy.ports)),
    ];
    for (key, value) in counts {
        value.map_or(Ok(()), |value| positive(&at(key), value, tree))?;
    }
    let times = [
        ("service_time", Some(&proxy.service_time)),
        ("accept_time", proxy.accept_time.as_ref()),
        ("auth_time", proxy.auth_time.as_ref()),
    ];
    for (key, time) in times {
        time.map_or(Ok(()), |time| distribution(&at(key), time, tree))?;
    }
    if proxy.connect_timeout == Nanos::ZERO {
        return Err(tree.problem(&at("connect_timeout"), "a timeout of zero: nothing would ever be passed on"));
    }
    if let Some(link) = proxy.access_link {
        network::access(&at("access_link"), link, tree)?;
    }
    if let Some(status) = proxy.reject
        && (!(400..=599).contains(&status) || status == 407)
    {
        let problem = tree.problem(&at("reject"), format!("status {status}: it must be 400 to 599, and not 407"));
        return Err(problem.with_help("a proxy that answers 407 has `credentials`"));
    }
    if proxy.credentials.is_some() && proxy.scheme.is_some_and(Scheme::has_legs) {
        let problem = tree.problem(&at("scheme"), "a proxy that authenticates in several legs is not simulated");
        return Err(problem.with_help("write scheme = \"basic\" or \"digest\""));
    }
    if let Some(demand) = proxy.demand() {
        return behavior::demands_what_can_be_given(&demand, &format!("proxies.{name}"), tree);
    }
    let given = ["scheme", "algorithm", "realm", "nonce_lifetime", "keep_alive", "auth_time"];
    if let Some(key) = given.iter().find(|key| tree.has(&at(key))) {
        let problem = tree.problem_at_key(&at(key), format!("`{key}` means nothing without `credentials`"));
        return Err(problem.with_help("write credentials = { user = \"alice\", password = \"secret\" }"));
    }
    Ok(())
}

/// Checks what a client group says of its proxies.
pub(super) fn client(name: &str, client: &client::Config, tree: &Tree) -> Result<(), Problem> {
    let path = format!("clients.{name}.proxy_credentials");
    match (&client.proxy_credentials, &client.proxy) {
        (Some(login), Some(_)) => behavior::credentials(&path, login, tree),
        (Some(_), None) => {
            let problem = tree.problem_at_key(&path, "`proxy_credentials` means nothing without `proxy`");
            Err(problem.with_help("write proxy = \"NAME\", a group of [proxies.NAME]"))
        }
        (None, _) => Ok(()),
    }
}

/// Checks that clients go through proxies that there are, to servers that these can dial.
pub(super) fn names(scenario: &Draft, tree: &Tree) -> Result<(), Problem> {
    let file = &scenario.file;
    let mut proxied = file.clients.iter().filter(|(_, client)| client.proxy.is_some()).peekable();
    if proxied.peek().is_none() {
        return Ok(());
    }
    for (name, client) in proxied {
        let path = format!("clients.{name}.proxy");
        let proxy = client.proxy.as_deref().unwrap_or_default();
        if !first(scenario, proxy).is_some_and(Group::is_proxy) {
            let problem = tree.problem(&path, format!("no group of proxies is named {}", ticked(proxy)));
            return Err(match nearest(proxy, file.proxies.keys().map(String::as_str)) {
                Some(near) => problem.with_help(format!("the nearest name is `{near}`")),
                None => problem.with_help("write [proxies.NAME] and name it here"),
            });
        }
        for (number, endpoint) in client.endpoints.iter().enumerate() {
            let listed = format!("clients.{name}.endpoints.{number}");
            let path = if tree.has(&listed) { listed } else { format!("clients.{name}.endpoints") };
            dialled(scenario, endpoint, &path, tree)?;
        }
    }
    for (name, server) in &file.servers {
        let targets = |to: Option<&Names>, path: &str| {
            let mut all = to.into_iter().flat_map(|to| &to.0);
            all.try_for_each(|to| dialled(scenario, to, path, tree))
        };
        targets(server.overflow_to.as_ref(), &format!("servers.{name}.overflow_to"))?;
        for (number, shown) in server.behavior.0.iter().enumerate().filter(|(_, shown)| shown.kind == Kind::Redirect) {
            let BehaviorToml { to, .. } = shown;
            targets(to.as_ref(), &format!("{}.to", behavior::place(name, number, tree)))?;
        }
    }
    Ok(())
}

/// The group of the first server that a name means.
fn first<'a>(scenario: &'a Draft, name: &str) -> Option<&'a Group> {
    Some(scenario.group_of(scenario.members(name)?.first()?.0))
}

/// Whom clients behind a proxy are sent to, it dials.
fn dialled(scenario: &Draft, name: &str, path: &str, tree: &Tree) -> Result<(), Problem> {
    if scenario.file.dns.contains_key(name) {
        let message = format!("{} is a DNS name, and proxies here look none up", ticked(name));
        return Err(tree.problem(path, message).with_help("name servers, or take `proxy` from the clients"));
    }
    known_server(scenario, name, path, tree)?;
    match first(scenario, name).and_then(Group::balancer) {
        Some(_) => {
            let message = format!("{} is a balancer: one behind a forward proxy is not simulated", ticked(name));
            Err(tree.problem(path, message).with_help("name the servers behind it, or take `proxy` from the clients"))
        }
        None => Ok(()),
    }
}
