//! What a server group can still get wrong.

use super::{Problem, Tree};
use crate::server::{Config, QueueOrder, WhenFull};
use crate::time::Nanos;

/// Checks the limits of a group at `servers.NAME`.
pub(super) fn limits(name: &str, server: &Config, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("servers.{name}.{key}");
    let needs = [
        ("when_full", server.when_full.is_some(), "connections_max", server.connections_max.is_some()),
        ("queue_full", server.queue_full.is_some(), "queue_max", server.queue_max.is_some()),
    ];
    for (key, given, other, has) in needs {
        if given && !has {
            let message = format!("`{key}` means nothing without `{other}`");
            return Err(tree.problem(&at(key), message).with_help(format!("write {other} = N, or leave {key} out")));
        }
    }
    match (server.when_full, &server.overflow_to) {
        (Some(WhenFull::Redirect), None) => {
            let help = "write overflow_to = \"GROUP\" beside it";
            return Err(tree.problem(&at("when_full"), "a redirect to nowhere").with_help(help));
        }
        (Some(WhenFull::Redirect), Some(_)) | (_, None) => {}
        (_, Some(_)) => {
            let help = "write when_full = \"redirect\" beside it, or leave it out";
            return Err(tree
                .problem(&at("overflow_to"), "`overflow_to` is for overflow that is redirected")
                .with_help(help));
        }
    }
    if server.queue == Some(QueueOrder::Deadline(Nanos::ZERO)) {
        return Err(tree.problem(&at("queue.deadline"), "a deadline of zero: write queue_max = 0 for no queue at all"));
    }
    Ok(())
}
