//! The resources that were full in a run: which one first, when, for how long, and what it turned away.

use serde_json::{Value as Json, json};

use crate::metrics::{FullResource, Resource};
use crate::text::grouped;
use crate::time::{Timestamp, human};

/// A full resource in a sentence: `ports of proxy were full from 28.2 s to 120 s, in 92.0 s of it: 62,930 connections turned
/// away`.
pub fn sentence(full: &FullResource) -> String {
    let at = |at: Timestamp| human(at.since(Timestamp::ZERO));
    let FullResource { group, resource, first, last, full_for, turned_away } = full;
    let name = resource.name();
    let state = match resource {
        Resource::Workers => "had no time left",
        Resource::Link => "had a full queue",
        _ => "was full",
    };
    format!(
        "{name} of {group} {state} from {} to {}, for {}: {} {}",
        at(*first),
        at(*last),
        human(*full_for),
        grouped(*turned_away),
        resource.turns_away()
    )
}

/// The same for other programs.
pub(super) fn json(full: &FullResource) -> Json {
    let ms = |at: Timestamp| at.since(Timestamp::ZERO).as_millis_f64();
    json!({
        "group": full.group,
        "resource": full.resource.name(),
        "first_ms": ms(full.first),
        "last_ms": ms(full.last),
        "full_for_ms": full.full_for.as_millis_f64(),
        "turned_away": full.turned_away,
        "what": full.resource.turns_away(),
        "sentence": sentence(full),
    })
}
