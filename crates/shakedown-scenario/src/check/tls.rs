//! What TLS can still get wrong in a scenario: prices of nothing, and redirects that no client follows.

use super::{Problem, Tree, behavior, nearest, segment, ticked};
use shakedown_core::client::Auth;
use shakedown_core::handshake::Mode;
use shakedown_core::rng::Distribution;
use shakedown_core::server::{LocationForm, WhenFull};
use shakedown_core::time::Nanos;

use crate::draft::Draft;
use crate::file::File;
use crate::machines::{CertificateToml, ServersToml};

/// RFC 8446 section 4.6.1: no ticket is good for longer.
const LONGEST_TICKET: Nanos = Nanos::from_secs(7 * 24 * 3_600);

/// Checks the keys of a server group at `servers.NAME`.
pub(super) fn server(name: &str, server: &ServersToml, file: &File, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("servers.{name}.{key}");
    let keys = ["tls_cost", "tls_resumed_cost", "tls_tickets", "tls_keys", "tls_certificate"];
    // A written `tls = "none"` may stand beside them: it is what a variant or `--set` takes TLS away with.
    if server.tls.is_none() && !tree.has(&at("tls")) {
        return match keys.iter().find(|key| tree.has(&at(key))) {
            Some(key) => {
                let message = format!("`{key}` means nothing without TLS");
                Err(tree.problem_at_key(&at(key), message).with_help("write tls = \"1.3\" beside it"))
            }
            None => Ok(()),
        };
    }
    for (key, cost) in [("tls_cost", &server.tls_cost), ("tls_resumed_cost", &server.tls_resumed_cost)] {
        if let Some(problem) = cost.as_ref().and_then(Distribution::problem) {
            return Err(tree.problem(&at(key), problem));
        }
    }
    if server.tls_tickets.is_some_and(|life| life > LONGEST_TICKET) {
        let message = "a ticket is good for seven days at most (RFC 8446 section 4.6.1)";
        return Err(tree.problem(&at("tls_tickets"), message));
    }
    match &server.tls_certificate {
        Some(certificate) => self::certificate(&at("tls_certificate"), certificate, file, tree),
        None => Ok(()),
    }
}

/// Checks what is wrong with a certificate.
fn certificate(path: &str, certificate: &CertificateToml, file: &File, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("{path}.{key}");
    let CertificateToml { expires_at, renewed_at, untrusted_by, .. } = certificate;
    if certificate == &CertificateToml::default() {
        let help = "write expires_at = \"30s\", untrusted_by = \"GROUP\" or untrusted_share = \"3%\", or leave it out";
        return Err(tree.problem(path, "nothing is wrong with this certificate").with_help(help));
    }
    match (expires_at, renewed_at) {
        (None, Some(_)) => {
            let message = "it is renewed, but does not expire";
            return Err(tree.problem(&at("renewed_at"), message).with_help("write expires_at beside it"));
        }
        (Some(expires), Some(renewed)) if renewed <= expires => {
            let message = format!("renewed at {renewed}, but it expires at {expires}");
            return Err(tree.problem(&at("renewed_at"), message).with_help("let it be renewed later"));
        }
        (Some(expires), _) if *expires >= file.duration => {
            let message = format!("expires at {expires}, but the run ends at {}", file.duration);
            return Err(tree.problem(&at("expires_at"), message));
        }
        _ => {}
    }
    let unknown = |name: &&String| !file.clients.contains_key(*name);
    match untrusted_by.iter().flat_map(|names| &names.0).find(unknown) {
        Some(name) => {
            let problem = tree.problem(&at("untrusted_by"), format!("no client group is named {}", ticked(name)));
            Err(match nearest(name, file.clients.keys().map(String::as_str)) {
                Some(near) => problem.with_help(format!("the nearest name is `{near}`")),
                None => problem,
            })
        }
        None => Ok(()),
    }
}

/// Checks the keys of a client group at `clients.NAME`.
pub(super) fn client(name: &str, file: &File, tree: &Tree) -> Result<(), Problem> {
    let path = format!("clients.{name}.tls_resumption");
    let written = file.servers.keys().any(|server| tree.has(&format!("servers.{}.tls", segment(server))));
    if tree.has(&path) && file.clients[name].preset.is_none() && !written {
        let help = "write tls = \"1.3\" where they go, or leave it out";
        return Err(tree.problem_at_key(&path, "nothing to resume: no server has TLS").with_help(help));
    }
    Ok(())
}

/// Checks that clients which begin TLS within HTTP (RFC 2817) find it where they go, and keep their credentials for it.
pub(super) fn upgrades(scenario: &Draft, tree: &Tree) -> Result<(), Problem> {
    let directory = scenario.directory();
    for (name, client) in scenario.file.clients.iter().filter(|(_, client)| client.mode == Mode::TlsUpgrade) {
        let at = |key: &str| format!("clients.{name}.{key}");
        let plain = |endpoint: &&String| {
            let members = scenario.endpoints(endpoint).unwrap_or_default();
            members.into_iter().any(|member| !directory.secure(member))
        };
        if let Some(endpoint) = client.endpoints.iter().find(plain) {
            let message = format!("nothing to upgrade to: `{endpoint}` has no TLS");
            let help = "write tls = \"1.3\" in its group, or take another mode";
            return Err(tree.problem(&at("mode"), message).with_help(help));
        }
        if client.auth == Some(Auth::First) {
            let message = "in mode tls-upgrade the first request is in plain, and credentials are not sent with it";
            return Err(tree.problem(&at("auth"), message).with_help("write auth = \"after-challenge\""));
        }
    }
    Ok(())
}

/// Checks that no redirect leads its clients from `wss:` to `ws:`, which they do not follow.
pub(super) fn redirects(scenario: &Draft, tree: &Tree) -> Result<(), Problem> {
    let plain = |to: &str| {
        let members = scenario.members(to).unwrap_or_default();
        members.into_iter().any(|member| !scenario.is_secure(member))
    };
    for (name, server) in scenario.file.servers.iter().filter(|(_, server)| !server.tls.is_none()) {
        let overflow = server.overflow_to.as_ref().filter(|_| server.when_full == Some(WhenFull::Redirect));
        let overflow = overflow.map(|to| (to, format!("servers.{name}.overflow_to")));
        let behaviors = server.behavior.0.iter().enumerate().filter_map(|(number, shown)| {
            let to = shown.to.as_ref().filter(|_| shown.location != Some(LocationForm::Relative))?;
            Some((to, format!("{}.to", behavior::place(name, number, tree))))
        });
        for (to, path) in behaviors.chain(overflow) {
            if let Some(to) = to.0.iter().find(|to| plain(to)) {
                let message = format!("leads from wss: to ws:, which no client follows: `{to}` has no TLS");
                let help = format!("give `{to}` the tls of `{name}`, or take it from `{name}`");
                return Err(tree.problem(&path, message).with_help(help));
            }
        }
    }
    Ok(())
}
