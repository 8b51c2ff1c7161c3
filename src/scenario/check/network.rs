//! What the network's part of a file can get wrong.

use super::super::Tree;
use super::super::problem::Problem;
use super::{distribution, valid_name};
use crate::network::Config;

/// The most links between places: routes have numbers of 16 bits.
const MAX_LINKS: usize = 100;
/// The most repetitions of data: each transmission has its own draw.
const MAX_DATA_RETRIES: u8 = 30;

/// Checks what can be said without looking names up.
pub(super) fn check(network: &Config, tree: &Tree) -> Result<(), Problem> {
    if network.data_retries > MAX_DATA_RETRIES {
        let message = format!("{} retries: the most is {MAX_DATA_RETRIES}", network.data_retries);
        return Err(tree.problem("network.data_retries", message));
    }
    if network.links.len() > MAX_LINKS {
        let message = format!("{} links: the most is {MAX_LINKS}", network.links.len());
        return Err(tree.problem("network.links", message));
    }
    for (name, link) in &network.links {
        let place = format!("network.links.{name}");
        valid_name(name, "network.links", tree)?;
        for (key, value) in [("one_way", &link.one_way), ("jitter", &link.jitter)] {
            if let Some(value) = value {
                distribution(&format!("{place}.{key}"), value, tree)?;
            }
        }
        if link.one_way.is_none() && link.jitter.is_none() && link.loss.is_none() {
            let message = "it says nothing that [network] does not: give it one_way, jitter or loss";
            return Err(tree.problem(&place, message));
        }
    }
    Ok(())
}
