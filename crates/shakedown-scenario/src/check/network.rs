//! What the network's part of a file can get wrong.

use super::super::Tree;
use super::super::problem::Problem;
use super::{distribution, valid_name};
use shakedown_core::network::{AccessLink, Config};
use shakedown_core::quantity::Bandwidth;

/// The most links between places: routes have numbers of 16 bits.
pub(super) const MAX_LINKS: usize = 100;
/// The most repetitions of data: each transmission has its own draw.
const MAX_DATA_RETRIES: u8 = 30;

/// Checks what can be said without looking names up.
pub(super) fn check(network: &Config, tree: &Tree) -> Result<(), Problem> {
    if network.data_retries > MAX_DATA_RETRIES {
        let message = format!("{} retries: the most is {MAX_DATA_RETRIES}", network.data_retries);
        return Err(tree.problem("network.data_retries", message));
    }
    for (name, link) in &network.links {
        let place = format!("network.links.{name}");
        valid_name(name, "network.links", tree)?;
        for (key, value) in [("one_way", &link.one_way), ("jitter", &link.jitter)] {
            if let Some(value) = value {
                distribution(&format!("{place}.{key}"), value, tree)?;
            }
        }
        if let Some(bandwidth) = link.bandwidth {
            narrow(&format!("{place}.bandwidth"), bandwidth, tree)?;
        } else if link.queue.is_some() {
            return Err(tree.problem(&format!("{place}.queue"), "`queue` means nothing without `bandwidth`"));
        }
        if link.one_way.is_none() && link.jitter.is_none() && link.loss.is_none() && link.bandwidth.is_none() {
            let message = "it says nothing that [network] does not: give it one_way, jitter, loss or bandwidth";
            return Err(tree.problem(&place, message));
        }
    }
    Ok(())
}

/// Checks an access link at `path`.
pub(super) fn access(path: &str, link: AccessLink, tree: &Tree) -> Result<(), Problem> {
    if link.up.is_none() && link.down.is_none() {
        let help = "write access_link = \"100Mbit/s\", or { up = \"10Mbit/s\", down = \"50Mbit/s\" }";
        return Err(tree.problem(path, "an access link without a bandwidth limits nothing").with_help(help));
    }
    for (key, bandwidth) in [("up", link.up), ("down", link.down)] {
        let place = format!("{path}.{key}");
        let place = if tree.has(&place) { &place } else { path };
        bandwidth.map_or(Ok(()), |bandwidth| narrow(place, bandwidth, tree))?;
    }
    Ok(())
}

/// A bandwidth at `path`.
pub(crate) fn narrow(path: &str, bandwidth: Bandwidth, tree: &Tree) -> Result<(), Problem> {
    if bandwidth.0 == 0 {
        let help = "for a link that carries nothing, write a fault of kind partition";
        return Err(tree.problem(path, "a bandwidth of zero: nothing would ever arrive").with_help(help));
    }
    Ok(())
}
