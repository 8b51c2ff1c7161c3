//! Races of addresses: what has none, and what connects one at a time, or for others too.

use super::{Problem, Tree};
use shakedown_core::client::Config;
use shakedown_core::handshake::Mode;
use shakedown_core::time::Nanos;

use crate::draft::Draft;
use crate::file::File;
use crate::machines::ServerKind;

/// RFC 8305 section 5: the delay must not be shorter.
const SHORTEST: Nanos = Nanos::from_millis(10);

/// Checks the keys of a client group at `clients.NAME`.
pub(super) fn client(name: &str, client: &Config, file: &File, tree: &Tree) -> Result<(), Problem> {
    let Some(race) = client.race else { return Ok(()) };
    let at = |key: &str| format!("clients.{name}.{key}");
    if race.delay < SHORTEST {
        let message = format!("a delay of {}: RFC 8305 asks for {SHORTEST} or more", race.delay);
        return Err(tree.problem(&at("race.delay"), message));
    }
    let (message, help) = if client.next_address == Some(false) {
        ("a race, and `next_address` = false says that no other address is tried", "leave one of them out")
    } else if client.connect_gate {
        ("a race has several connects at a time, and `connect_gate` lets a process make one", "leave one of them out")
    } else if client.proxy.is_some() {
        (
            "behind a forward proxy it is the proxy that connects: there are no addresses to race",
            "leave one of them out",
        )
    } else if client.mode == Mode::ExtendedConnect {
        let help = "write mode = \"upgrade\", or leave race out";
        ("over HTTP/2, sessions share their host's connections, which do not race here", help)
    } else if file.measure.half_open {
        let help = "leave out race, or [measure] half_open";
        ("`half_open` counts one connection of a session, and a race has several", help)
    } else {
        return Ok(());
    };
    Err(tree.problem_at_key(&at("race"), message).with_help(help))
}

/// Checks whom a race leads to, and that there are two to choose from.
pub(super) fn reached(scenario: &Draft, tree: &Tree) -> Result<(), Problem> {
    let file = &scenario.file;
    for (client, config) in file.clients.iter().filter(|(_, client)| client.race.is_some()) {
        let mut servers = Vec::new();
        let mut has_name = false;
        for name in &config.endpoints {
            let dns = file.dns.get(name);
            has_name |= dns.is_some();
            let names = dns.into_iter().flat_map(|dns| {
                let changes = dns.changes.iter().flat_map(|change| &change.to);
                dns.to.iter().chain(&dns.standby).chain(changes)
            });
            let members = names.chain([name]).flat_map(|name| scenario.members(name).unwrap_or_default());
            servers.extend(members.map(|server| server.0 as usize));
        }
        let problem = |message: String| tree.problem_at_key(&format!("clients.{client}.race"), message);
        if !has_name && servers.len() < 2 {
            let help = "name several servers in `endpoints`, or a [dns.NAME], or leave it out";
            return Err(problem("a race of one address".into()).with_help(help));
        }
        let groups = servers.iter().map(|server| scenario.servers()[*server].group);
        let balancer = groups
            .filter_map(|group| file.servers.get_index(group))
            .find(|(_, server)| server.kind != ServerKind::Websocket);
        if let Some((balancer, _)) = balancer {
            let message = format!("a race between balancers is not simulated, and `{balancer}` is one");
            return Err(problem(message).with_help("let it lead to servers, or leave race out"));
        }
    }
    Ok(())
}
