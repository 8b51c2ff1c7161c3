//! The drawing of who connects to whom, with what the faults strike marked: SVG within the page, in the theme's colours.

use std::fmt::Write;

use serde_json::Value as Json;

use crate::text::{counted, grouped, quoted};

const WIDTH: f64 = 168.0;
const HEIGHT: f64 = 46.0;
const GAP: f64 = 22.0;
const BETWEEN: f64 = 84.0;
const EDGE: f64 = 8.0;
/// Letters of a name that fit a box.
const LETTERS: usize = 21;
/// More nodes than this are no small drawing.
const NODES: usize = 40;
/// Faults below the drawing, at most.
const FAULTS: usize = 4;

/// A box.
struct Node<'a> {
    name: &'a str,
    what: String,
    column: usize,
    x: f64,
    y: f64,
    struck: u64,
}

/// The drawing; nothing where there is no topology, or no small one.
pub(super) fn drawing(topology: &Json) -> Option<String> {
    let list = |key: &str| topology[key].as_array().map_or(&[][..], Vec::as_slice);
    let pair = |link: &Json| Some((link[0].as_u64()? as usize, link[1].as_u64()? as usize));
    let links: Vec<(usize, usize)> = list("links").iter().filter_map(pair).collect();
    let count = list("nodes").len();
    if count == 0 || count > NODES || links.iter().any(|(from, to)| *from.max(to) >= count) {
        return None;
    }
    let mut nodes: Vec<Node<'_>> = list("nodes").iter().map(node).collect();
    columns(&mut nodes, &links);
    let height = place(&mut nodes);
    let faults = list("faults");
    let mut cut: Vec<(usize, usize)> = Vec::new();
    for fault in faults {
        for (node, members) in fault["nodes"].as_array().into_iter().flatten().filter_map(pair) {
            if let Some(node) = nodes.get_mut(node) {
                node.struck = node.struck.max(members as u64);
            }
        }
        cut.extend(fault["links"].as_array().into_iter().flatten().filter_map(pair));
    }
    let columns = nodes.iter().map(|node| node.column).max().unwrap_or(0) + 1;
    let below = faults.len().min(FAULTS) as f64 * 20.0;
    let width = (EDGE * 2.0 + WIDTH * columns as f64 + BETWEEN * (columns - 1) as f64).max(480.0);
    let total = height + below + EDGE;
    let said: Vec<&str> = faults.iter().filter_map(|fault| fault["what"].as_str()).take(FAULTS).collect();
    let mut svg = format!(
        "<svg class=\"topology\" viewBox=\"0 0 {width} {total}\" width=\"{width}\" height=\"{total}\" role=\"img\" \
         aria-label=\"{}\">",
        quoted(&format!("Who connects to whom: {}. {}", described(&nodes, &links), said.join(". ")))
    );
    let cuts = cut.iter().filter(|link| !links.contains(link) && link.0 < nodes.len() && link.1 < nodes.len());
    for (from, to) in links.iter().chain(cuts) {
        draw_link(&mut svg, &nodes[*from], &nodes[*to], cut.contains(&(*from, *to)));
    }
    nodes.iter().for_each(|node| draw_node(&mut svg, node));
    for (nth, what) in said.iter().enumerate() {
        let y = height + 14.0 + 20.0 * nth as f64;
        let more = match faults.len() - said.len() {
            more if more > 0 && nth + 1 == said.len() => format!("; and {}", counted(more as u64, "more fault")),
            _ => String::new(),
        };
        let _ = write!(svg, "<text class=\"struck\" x=\"{EDGE}\" y=\"{y}\">⚡ {}{more}</text>", quoted(what));
    }
    svg.push_str("</svg>");
    Some(svg)
}

fn node(node: &Json) -> Node<'_> {
    let count = node["count"].as_u64().unwrap_or(1);
    let what = match node["kind"].as_str().unwrap_or_default() {
        "clients" => counted(count, "client"),
        "name" => "DNS name".into(),
        "balancer" => counted(count, "balancer"),
        "proxy" if count == 1 => "1 proxy".into(),
        "proxy" => format!("{} proxies", grouped(count)),
        _ => counted(count, "server"),
    };
    Node { name: node["name"].as_str().unwrap_or_default(), what, column: 0, x: 0.0, y: 0.0, struck: 0 }
}

/// Each stands to the right of all that connect to it; links that lead back do not count.
fn columns(nodes: &mut [Node<'_>], links: &[(usize, usize)]) {
    for _ in 0..nodes.len() {
        for (from, to) in links.iter().filter(|(from, to)| from < to) {
            nodes[*to].column = nodes[*to].column.max(nodes[*from].column + 1);
        }
    }
}

/// Puts the columns' boxes one below the other, in the middle of the height, which is returned.
fn place(nodes: &mut [Node<'_>]) -> f64 {
    let last = nodes.iter().map(|node| node.column).max().unwrap_or(0);
    let size = |nodes: &[Node<'_>], column: usize| nodes.iter().filter(|node| node.column == column).count() as f64;
    let deep = |count: f64| count * HEIGHT + (count - 1.0).max(0.0) * GAP;
    let height = (0..=last).map(|column| deep(size(nodes, column))).fold(0.0, f64::max) + 2.0 * EDGE;
    for column in 0..=last {
        let mut y = (height - deep(size(nodes, column))) / 2.0;
        for node in nodes.iter_mut().filter(|node| node.column == column) {
            node.x = EDGE + (WIDTH + BETWEEN) * column as f64;
            node.y = y;
            y += HEIGHT + GAP;
        }
    }
    height
}

fn draw_link(svg: &mut String, from: &Node<'_>, to: &Node<'_>, is_cut: bool) {
    let class = if is_cut { "link struck" } else { "link" };
    let (y1, y2) = (from.y + HEIGHT / 2.0, to.y + HEIGHT / 2.0);
    // In one column, or back: around the right.
    let (x1, x2) = (from.x + WIDTH, if to.column > from.column { to.x } else { to.x + WIDTH });
    let bend = if to.column > from.column { (x2 - x1) / 2.0 } else { BETWEEN * 0.6 };
    let end = if to.column > from.column { x2 - bend } else { x2 + bend };
    let _ = write!(svg, "<path class=\"{class}\" d=\"M{x1},{y1}C{},{y1} {end},{y2} {x2},{y2}\"/>", x1 + bend);
    let ahead = if to.column > from.column { -1.0 } else { 1.0 };
    let _ = write!(svg, "<path class=\"{class} head\" d=\"M{x2},{y2}l{},-4v8z\"/>", 8.0 * ahead);
    if is_cut {
        let (x, y) = ((x1 + x2) / 2.0, (y1 + y2) / 2.0);
        let _ = write!(svg, "<path class=\"cross\" d=\"M{},{}l12,12m0,-12l-12,12\"/>", x - 6.0, y - 6.0);
    }
}

fn draw_node(svg: &mut String, node: &Node<'_>) {
    let Node { x, y, struck, .. } = *node;
    let class = if struck > 0 { "node struck" } else { "node" };
    let short = |text: &str| match text.char_indices().nth(LETTERS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_string(),
    };
    let what = if struck > 0 { format!("{}, {} struck", node.what, grouped(struck)) } else { node.what.clone() };
    let _ = write!(
        svg,
        "<g><rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\"/>\
         <text class=\"ink\" x=\"{0}\" y=\"{1}\">{2}</text><text x=\"{0}\" y=\"{3}\">{4}</text></g>",
        x + 10.0,
        y + 19.0,
        quoted(&short(node.name)),
        y + 36.0,
        quoted(&what)
    );
    if struck > 0 {
        let _ = write!(svg, "<path class=\"cross\" d=\"M{},{}l12,12m0,-12l-12,12\"/>", x + WIDTH - 20.0, y + 8.0);
    }
}

fn described(nodes: &[Node<'_>], links: &[(usize, usize)]) -> String {
    let said = links.iter().map(|(from, to)| format!("{} to {}", nodes[*from].name, nodes[*to].name));
    said.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_connects_stands_left_and_what_is_struck_is_marked() {
        let topology = json!({
            "nodes": [
                { "name": "players", "kind": "clients", "count": 10_000 },
                { "name": "front", "kind": "balancer", "count": 1 },
                { "name": "<gateway>", "kind": "servers", "count": 3 },
            ],
            "links": [[0, 1], [1, 2]],
            "faults": [
                { "name": "dies", "what": "Server gateway-0 crashed", "nodes": [[2, 1]], "links": [] },
                { "name": "cut", "what": "players cut off from front", "nodes": [], "links": [[0, 1]] },
            ],
        });
        let svg = drawing(&topology).unwrap();
        for part in
            ["10,000 clients", "1 balancer", "&lt;gateway&gt;", "3 servers, 1 struck", "⚡ Server gateway-0 crashed"]
        {
            assert!(svg.contains(part), "{part}: {svg}");
        }
        assert_eq!((svg.matches("class=\"cross\"").count(), svg.matches("node struck").count()), (2, 1));
        let left = |name: &str| {
            let before = svg.split_once(&format!(">{name}<")).unwrap().0;
            before.rsplit_once(" x=\"").unwrap().1.split('"').next().unwrap().parse::<f64>().unwrap()
        };
        assert!(left("players") < left("front") && left("front") < left("&lt;gateway&gt;"));
        assert_eq!(drawing(&Json::Null), None);
    }
}
