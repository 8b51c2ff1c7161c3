//! A count per server, such as its open connections: a line for each, or for many servers their range and the
//! outliers.

use plotters::style::RGBColor;

use super::axis::Axis;
use super::over_time;
use super::picture::{Key, Layer, Picture, Swatch};
use super::style::{BLACK, BLUE, BROWN, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILLION};
use crate::metrics::{Measured, Series, ServerSeries};
use crate::statistics;
use crate::text::grouped;
use crate::time::Timestamp;

/// As many lines as can be told apart.
const LINES: [RGBColor; 8] = [BLUE, ORANGE, GREEN, VERMILLION, PURPLE, SKY, BLACK, GREY];
/// Servers that stand out of many.
const EXTREMES: [RGBColor; 4] = [VERMILLION, ORANGE, PURPLE, BROWN];

/// The chart of servers that answer.
pub(super) fn picture(measured: &Measured, is_front: &dyn Fn(&str) -> bool) -> Picture {
    let servers = measured.series.servers.iter().filter(|server| !is_front(&server.name));
    let description = "How many accepted connections each server has, over time.";
    of(measured, servers.map(of_connections).collect(), "Open connections per server", description)
}

/// That of balancers and proxies, which carry what all servers carry together, and would squash them. None without any.
pub(super) fn fronts(measured: &Measured, is_front: &dyn Fn(&str) -> bool) -> Option<Picture> {
    let fronts = measured.series.servers.iter().filter(|server| is_front(&server.name));
    let counts: Counts<'_> = fronts.map(of_connections).collect();
    let description = "How many accepted connections each balancer and each proxy has, over time.";
    (!counts.is_empty()).then(|| of(measured, counts, "Open connections per balancer and proxy", description))
}

fn of(measured: &Measured, counts: Counts<'_>, title: &'static str, description: &'static str) -> Picture {
    let largest = largest(&counts);
    let (layers, keys) = lines(&measured.series, &counts);
    Picture {
        title,
        description,
        x: Axis::time(over_time::end(measured)),
        y: Axis::count("connections", f64::from(largest), true),
        layers,
        keys,
        marks: over_time::faults(&measured.faults),
    }
}

fn of_connections(server: &ServerSeries) -> (&str, &[u32]) {
    (&server.name, &server.open_connections)
}

/// Servers' names, and what was counted of each at the intervals' ends.
pub(super) type Counts<'a> = Vec<(&'a str, &'a [u32])>;

/// The largest count.
pub(super) fn largest(servers: &Counts<'_>) -> u32 {
    servers.iter().flat_map(|(_, counts)| *counts).max().copied().unwrap_or(0)
}

/// The servers' lines, or their range.
pub(super) fn lines(series: &Series, servers: &Counts<'_>) -> (Vec<Layer>, Vec<Key>) {
    match servers.len() {
        _ if largest(servers) == 0 || series.ends.is_empty() => (Vec::new(), Vec::new()),
        count if count <= LINES.len() => each(&series.ends, servers),
        _ => many(&series.ends, servers),
    }
}

fn each(ends: &[Timestamp], servers: &Counts<'_>) -> (Vec<Layer>, Vec<Key>) {
    let count = servers.len();
    let line = |(n, (_, counts)): (usize, &(&str, &[u32]))| Layer::Line {
        points: over_time::line(ends, counts),
        color: LINES[n],
        // Balanced servers have nearly the same counts: the lines behind are wider and still show.
        width: 1.6 + 2.0 * (count - 1 - n) as f64 / count as f64,
    };
    let layers = servers.iter().enumerate().map(line).collect();
    (layers, servers.iter().zip(LINES).map(|((name, _), color)| named(name, color)).collect())
}

fn named(server: &str, color: RGBColor) -> Key {
    Key { label: server.to_string(), color, swatch: Swatch::Line }
}

fn many(ends: &[Timestamp], servers: &Counts<'_>) -> (Vec<Layer>, Vec<Key>) {
    let at = |server: usize, n: usize| servers[server].1.get(n).copied().unwrap_or(0);
    let all: Vec<usize> = (0..servers.len()).collect();
    let sorted = |servers: &[usize], n: usize| {
        let mut counts: Vec<u32> = servers.iter().map(|server| at(*server, n)).collect();
        counts.sort_unstable();
        counts
    };
    let middle = |n: usize| statistics::range(sorted(&all, n)).map_or(0.0, |(_, median, _)| median);
    let medians: Vec<f64> = (0..ends.len()).map(middle).collect();
    let distance = |server: usize| {
        let apart = medians.iter().enumerate().map(|(n, median)| (f64::from(at(server, n)) - median).abs());
        // Halves are the smallest parts that medians of counts have.
        (2.0 * apart.sum::<f64>()) as u64
    };
    let extremes = extremes(&all.iter().map(|server| distance(*server)).collect::<Vec<_>>());

    // The range is that of the others: with a crashed server in it, it would say nothing about them.
    let others: Vec<usize> = all.into_iter().filter(|server| !extremes.contains(server)).collect();
    let (mut lowest, mut highest) = (Vec::new(), Vec::new());
    for n in 0..ends.len() {
        let counts = sorted(&others, n);
        lowest.push(counts[0]);
        highest.push(counts[counts.len() - 1]);
    }
    let mut outline = over_time::line(ends, &highest);
    outline.extend(over_time::line(ends, &lowest).into_iter().rev());
    let range = match others.len() as u64 {
        count if extremes.is_empty() => format!("range of {} servers", grouped(count)),
        count => format!("range of the other {} servers", grouped(count)),
    };

    let mut layers = vec![Layer::Area { outline, color: SKY, opacity: 0.4 }];
    let middle = over_time::line(ends, &medians);
    layers.push(Layer::Line { points: middle, color: BLUE, width: 2.2 });
    let mut keys = vec![
        Key { label: range, color: SKY, swatch: Swatch::Pale },
        Key { label: "median".into(), color: BLUE, swatch: Swatch::Line },
    ];
    for ((name, counts), color) in extremes.into_iter().map(|server| servers[server]).zip(EXTREMES) {
        layers.push(Layer::Line { points: over_time::line(ends, counts), color, width: 1.6 });
        keys.push(named(name, color));
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
