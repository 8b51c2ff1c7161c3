//! Open connections per server: a line for each, or for many servers the range in which they lie, and who is out of
//! it.

use plotters::style::RGBColor;

use super::axis::Axis;
use super::number::separated;
use super::over_time;
use super::picture::{Key, Layer, Picture, Swatch};
use super::style::{BLACK, BLUE, BROWN, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION};
use crate::metrics::{Measured, Series, ServerSeries};

/// As many lines as can be told apart.
const LINES: [RGBColor; 8] = [BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY, BLACK, GREY];
/// Servers that stand out of many.
const EXTREMES: [RGBColor; 4] = [VERMILLION, ORANGE, PURPLE, BROWN];

/// The chart.
pub fn picture(measured: &Measured) -> Picture {
    let series = &measured.series;
    let counts = series.servers.iter().flat_map(|server| &server.open_connections);
    let largest = counts.max().copied().unwrap_or(0);
    let (layers, keys) = match series.servers.len() {
        _ if largest == 0 || series.ends.is_empty() => (Vec::new(), Vec::new()),
        count if count <= LINES.len() => each(series),
        _ => many(series),
    };
    Picture {
        title: "Open connections per server",
        description: "How many accepted connections each server has, over time.",
        x: Axis::time(over_time::end(measured)),
        y: Axis::count("connections", f64::from(largest), true),
        layers,
        keys,
        marks: over_time::faults(&measured.faults),
    }
}

fn each(series: &Series) -> (Vec<Layer>, Vec<Key>) {
    let count = series.servers.len();
    let line = |(n, server): (usize, &ServerSeries)| Layer::Line {
        points: over_time::line(&series.ends, &server.open_connections),
        color: LINES[n],
        // Balanced servers have nearly the same counts: the lines behind are wider and still show.
        width: 1.6 + 2.0 * (count - 1 - n) as f64 / count as f64,
    };
    let layers = series.servers.iter().enumerate().map(line).collect();
    (layers, series.servers.iter().zip(LINES).map(|(server, color)| named(server, color)).collect())
}

fn named(server: &ServerSeries, color: RGBColor) -> Key {
    Key { label: server.name.clone(), color, swatch: Swatch::Line }
}

fn many(series: &Series) -> (Vec<Layer>, Vec<Key>) {
    let at = |server: &ServerSeries, n: usize| server.open_connections.get(n).copied().unwrap_or(0);
    let all: Vec<usize> = (0..series.servers.len()).collect();
    let sorted = |servers: &[usize], n: usize| {
        let mut counts: Vec<u32> = servers.iter().map(|server| at(&series.servers[*server], n)).collect();
        counts.sort_unstable();
        counts
    };
    let medians: Vec<u32> = (0..series.ends.len()).map(|n| sorted(&all, n)[all.len() / 2]).collect();
    let distance = |server: &ServerSeries| {
        let apart = medians.iter().enumerate().map(|(n, median)| u64::from(at(server, n).abs_diff(*median)));
        apart.sum::<u64>()
    };
    let extremes = extremes(&series.servers.iter().map(distance).collect::<Vec<_>>());

    // The range is that of the others: with a crashed server in it, it would say nothing about them.
    let others: Vec<usize> = all.into_iter().filter(|server| !extremes.contains(server)).collect();
    let (mut lowest, mut highest) = (Vec::new(), Vec::new());
    for n in 0..series.ends.len() {
        let counts = sorted(&others, n);
        lowest.push(counts[0]);
        highest.push(counts[counts.len() - 1]);
    }
    let mut outline = over_time::line(&series.ends, &highest);
    outline.extend(over_time::line(&series.ends, &lowest).into_iter().rev());
    let range = match others.len() as u64 {
        count if extremes.is_empty() => format!("range of {} servers", separated(count)),
        count => format!("range of the other {} servers", separated(count)),
    };

    let mut layers = vec![Layer::Area { outline, color: SKY, opacity: 0.4 }];
    let middle = over_time::line(&series.ends, &medians);
    layers.push(Layer::Line { points: middle, color: BLUE, width: 2.2 });
    let mut keys = vec![
        Key { label: range, color: SKY, swatch: Swatch::Pale },
        Key { label: "median".into(), color: BLUE, swatch: Swatch::Line },
    ];
    for (server, color) in extremes.into_iter().map(|server| &series.servers[server]).zip(EXTREMES) {
        let points = over_time::line(&series.ends, &server.open_connections);
        layers.push(Layer::Line { points, color, width: 1.6 });
        keys.push(named(server, color));
    }
    (layers, keys)
}

/// The servers that stand out, by how far they were away from the median altogether: the one farthest away, and those
/// that were twice as far away as is usual.
fn extremes(away: &[u64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..away.len()).collect();
    order.sort_by(|a, b| away[*b].cmp(&away[*a]));
    let usual = order.get(order.len() / 2).map_or(0, |n| away[*n]);
    let stands_out = |(rank, n): (usize, usize)| (away[n] > 0 && (rank == 0 || away[n] >= 2 * usual)).then_some(n);
    order.into_iter().enumerate().filter_map(stands_out).take(EXTREMES.len()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_servers_that_stand_out_are_named() {
        assert_eq!(extremes(&[10, 20, 500, 15, 300]), [2, 4]);
        assert_eq!(extremes(&[10, 11, 9]), [1]);
        assert_eq!(extremes(&[0, 0]), Vec::<usize>::new());
    }
}
