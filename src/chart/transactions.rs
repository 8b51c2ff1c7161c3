//! HTTP transactions in use per server, where their number is limited, and the limits.

use std::collections::BTreeSet;

use super::axis::Axis;
use super::connections::{Counts, largest, lines};
use super::over_time;
use super::picture::{Key, Layer, Picture, Swatch};
use super::style::INK;
use crate::metrics::Measured;
use crate::text::grouped;

/// The chart; none where no server has a limit.
pub(super) fn picture(measured: &Measured) -> Option<Picture> {
    let series = &measured.series;
    let pools = || series.servers.iter().filter_map(|server| Some((server, server.transactions.as_ref()?)));
    let limits: BTreeSet<u32> = pools().map(|(_, (most, _))| *most).collect();
    let limit = *limits.last()?;
    let counts: Counts<'_> = pools().map(|(server, (_, in_use))| (server.name.as_str(), in_use.as_slice())).collect();
    let (mut layers, mut keys) = lines(series, &counts);
    if !layers.is_empty() {
        let end = over_time::seconds(over_time::end(measured));
        let limit =
            |most: &u32| Layer::Dashes { points: vec![(0.0, f64::from(*most)), (end, f64::from(*most))], color: INK };
        layers.extend(limits.iter().map(limit));
        let numbers: Vec<String> = limits.iter().map(|most| grouped(u64::from(*most))).collect();
        let label = format!("as many as there are ({})", numbers.join(", "));
        keys.push(Key { label, color: INK, swatch: Swatch::Dashes });
    }
    Some(Picture {
        title: "HTTP transactions in use per server",
        description: "The most HTTP transactions that were in use at once on each server, over time, and how many it has.",
        x: Axis::time(over_time::end(measured)),
        y: Axis::count("transactions", f64::from(largest(&counts).max(limit)), true),
        layers,
        keys,
        marks: over_time::faults(&measured.faults),
    })
}
