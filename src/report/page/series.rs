//! `series.csv` as charts over time.

use serde_json::{Value as Json, json};

use super::recorded::PageError;
use crate::statistics::median;

/// More rows than this are put together: no screen shows them apart.
const ROWS: usize = 1_200;
/// More servers than this are shown by group: as a range with its median, and those that a fault struck.
const SERVERS: usize = 5;
/// Struck servers with a line of their own, at most.
const STRUCK: usize = 3;
/// More groups than this are shown as one.
const GROUPS: usize = 6;
/// Fewer values than this in an interval say little of any percentile, and of the 99th.
const FEW: f64 = 10.0;
const FEW_OF_A_HUNDRED: f64 = 100.0;
const COLORS: [&str; 10] =
    ["blue", "vermillion", "green", "purple", "orange", "sky", "brown", "olive", "crimson", "grey"];

/// The table.
#[derive(Debug)]
pub(super) struct Series {
    /// Where intervals end, in ms.
    times: Vec<f64>,
    columns: Vec<(String, Vec<Option<f64>>)>,
    /// How many intervals were put together.
    pub together: usize,
    fleet: Fleet,
}

/// What is known of the servers beside their names.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    /// Groups that are none of web servers, and what their members are.
    others: Vec<(String, &'static str)>,
    /// Servers that a fault strikes.
    struck: Vec<String>,
}

impl Fleet {
    /// By a recorded topology.
    pub(super) fn of(topology: &Json) -> Fleet {
        let list = |place: &Json| place.as_array().cloned().unwrap_or_default();
        let other = |node: &Json| {
            let kind = match node["kind"].as_str()? {
                "balancer" => "balancer",
                "proxy" => "proxy",
                _ => return None,
            };
            Some((node["name"].as_str()?.to_string(), kind))
        };
        let others = list(&topology["nodes"]).iter().filter_map(other).collect();
        let struck = list(&topology["faults"]).iter().flat_map(|fault| list(&fault["members"])).collect::<Vec<Json>>();
        let struck = struck.iter().filter_map(Json::as_str).map(str::to_string).collect();
        Fleet { others, struck }
    }

    /// What the members of a server's group are.
    fn kind(&self, server: &str) -> &'static str {
        self.others.iter().find(|(group, _)| group == group_of(server)).map_or("server", |(_, kind)| kind)
    }

    fn is_struck(&self, server: &str) -> bool {
        self.struck.iter().any(|struck| struck == server)
    }
}

/// The group of a server, or a group itself.
fn group_of(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((group, number)) if !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()) => group,
        _ => name,
    }
}

/// A chart with its title and what to say about it.
pub(super) struct Chart {
    pub id: String,
    pub title: String,
    pub note: String,
    pub chart: Json,
}

/// How the values of intervals are combined into one.
fn join(name: &str, values: &[Option<f64>]) -> Option<f64> {
    let known = || values.iter().flatten().copied();
    let metric = name.rsplit('.').next().unwrap_or_default();
    if name.starts_with("attempts.") || ["arrivals", "kills", "samples"].contains(&metric) {
        return Some(known().sum());
    }
    match metric {
        "open_lowest" | "availability" => known().min_by(f64::total_cmp),
        "queue_depth" | "utilisation" | "transactions_in_use" | "memory_in_use" => known().max_by(f64::total_cmp),
        _ if metric.ends_with("_ms") => known().max_by(f64::total_cmp),
        _ => values.last().copied().flatten(),
    }
}

impl Series {
    pub(super) fn read(text: &str, fleet: Fleet) -> Result<Series, PageError> {
        let bad = |what: String| PageError::Unreadable("series.csv", what);
        let mut lines = text.lines();
        let head: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
        let mut columns: Vec<(String, Vec<Option<f64>>)> =
            head.iter().map(|name| (name.to_string(), Vec::new())).collect();
        for (number, line) in lines.enumerate() {
            let mut count = 0;
            for (cell, (_, column)) in line.split(',').zip(&mut columns) {
                let value = match cell {
                    "" => None,
                    cell => Some(cell.parse().map_err(|_| bad(format!("line {}: `{cell}`", number + 2)))?),
                };
                column.push(value);
                count += 1;
            }
            if count != head.len() {
                return Err(bad(format!("line {}: {count} columns of {}", number + 2, head.len())));
            }
        }
        if columns.first().is_none_or(|(name, _)| name != "t_ms") {
            return Err(bad("no t_ms".into()));
        }
        let times: Vec<f64> = columns.remove(0).1.into_iter().map(|time| time.unwrap_or(0.0)).collect();
        Ok(Series { times, columns, together: 1, fleet }.shortened())
    }

    /// Fewer rows where there are too many; and the rest of an interval at the end would make a peak of a single attempt.
    fn shortened(mut self) -> Series {
        let rows = self.times.len();
        let together = rows.div_ceil(ROWS).max(1);
        let mut ends: Vec<usize> = (1..=rows).filter(|end| end % together == 0 || *end == rows).collect();
        let length =
            |from: usize, until: usize| self.times[until - 1] - if from == 0 { 0.0 } else { self.times[from - 1] };
        if let [.., before, last] = ends[..]
            && length(before, last) < length(0, ends[0]) / 2.0
        {
            ends.remove(ends.len() - 2);
        }
        let spans = || std::iter::once(0).chain(ends.iter().copied()).zip(ends.iter().copied());
        for (name, column) in &mut self.columns {
            let name = name.clone();
            *column = spans().map(|(from, until)| join(&name, &column[from..until])).collect();
        }
        self.times = ends.iter().map(|end| self.times[end - 1]).collect();
        Series { together, ..self }
    }

    pub(super) fn times(&self) -> Json {
        self.times.iter().map(|time| number(*time)).collect()
    }

    fn end(&self) -> f64 {
        self.times.last().copied().unwrap_or(0.0)
    }

    fn column(&self, name: &str) -> Option<&[Option<f64>]> {
        self.columns.iter().find(|(own, _)| own == name).map(|(_, values)| values.as_slice())
    }

    fn names<'a>(&'a self, before: &'a str, after: &'a str) -> impl Iterator<Item = &'a str> {
        self.columns.iter().filter_map(move |(name, _)| name.strip_prefix(before)?.strip_suffix(after))
    }

    /// Counts of intervals as counts per second.
    fn per_second(&self, values: &[Option<f64>]) -> Vec<Option<f64>> {
        let begins = std::iter::once(0.0).chain(self.times.iter().copied());
        let lengths = begins.zip(&self.times).map(|(from, until)| (until - from) / 1e3);
        values.iter().zip(lengths).map(|(value, length)| value.map(|value| value / length.max(1e-9))).collect()
    }

    fn over_time(&self, y: (&str, &str), lines: Vec<Json>) -> Json {
        json!({
            "x": { "type": "time", "end": self.end() },
            "y": { "type": y.0, "name": y.1 },
            "marks": true,
            "series": lines,
        })
    }

    /// All charts that have something to show.
    pub(super) fn charts(&self) -> Vec<Chart> {
        let mut charts = vec![self.sessions(), self.availability(), self.attempts(), self.half_open()];
        let few = "Faint where an interval has fewer than 10 samples (p99: 100), which say little.";
        let note = format!("From TCP up to open, per interval. {few}");
        charts.push(self.latency("handshake_latency", "Handshake latency", &note));
        let note = format!("From the scheduled start to open, per interval. {few}");
        charts.push(self.latency("time_to_open", "Time to open", &note));
        let servers = [
            ("open_connections", "Open connections", "count", "connections"),
            ("balance", "Balance of open connections", "share", "Jain's index: 1 is even"),
            ("arrivals", "Requests per second", "rate", "requests per second"),
            ("queue_depth", "Longest queue", "count", "requests waiting"),
            ("utilisation", "Busy workers", "share", "share of the workers' time"),
            ("transactions_in_use", "HTTP transactions in use", "count", "transactions"),
            ("old_connections", "Connections of old processes", "count", "connections"),
            ("old_processes", "Old processes", "count", "processes"),
            ("open_streams", "HTTP/2 streams", "count", "streams"),
            ("kills", "Processes killed", "count", "kills by probes, or for want of memory"),
            ("memory_in_use", "Memory in use", "count", "bytes"),
        ];
        for (metric, title, kind, name) in servers {
            // Balancers carry what all servers carry together: they would squash them.
            charts.extend(["server", "balancer", "proxy"].map(|of| self.servers(metric, title, (kind, name), of)));
        }
        charts.into_iter().flatten().collect()
    }

    fn sessions(&self) -> Option<Chart> {
        let (open, lowest, wanted) =
            (self.column("sessions.open")?, self.column("sessions.open_lowest")?, self.column("sessions.wanted")?);
        let lines = vec![
            line("open", "blue", "area", open),
            line("wanted", "black", "dash", wanted),
            line("lowest", "sky", "line", lowest),
        ];
        let chart = self.over_time(("count", "sessions"), lines);
        let note = "Sessions open at each interval's end, the fewest at any moment of it, and how many want to be.";
        Some(Chart { id: "sessions".into(), title: "Sessions open".into(), note: note.into(), chart })
    }

    fn availability(&self) -> Option<Chart> {
        let values = self.column("availability").filter(|values| values.iter().flatten().any(|_| true))?;
        let chart = self.over_time(("share", "availability"), vec![line("availability", "green", "line", values)]);
        let note = "Time that sessions were usable, of the time that they wanted to be.";
        Some(Chart { id: "availability".into(), title: "Availability".into(), note: note.into(), chart })
    }

    fn half_open(&self) -> Option<Chart> {
        let lines = vec![
            line("open for the server alone", "blue", "line", self.column("half_open.servers")?),
            line("open for the client alone", "vermillion", "line", self.column("half_open.clients")?),
        ];
        let chart = self.over_time(("count", "connections"), lines);
        let note =
            "Connections that one end has ended, or lost with its process, and that the other believes to be open.";
        Some(Chart { id: "half_open".into(), title: "Half-open connections".into(), note: note.into(), chart })
    }

    fn attempts(&self) -> Option<Chart> {
        let outcomes = self.names("attempts.", "").filter_map(|name| {
            let values = self.column(&format!("attempts.{name}"))?;
            values.iter().flatten().any(|value| *value > 0.0).then(|| (name, self.per_second(values)))
        });
        let lines: Vec<Json> = outcomes
            .map(|(name, values)| line(&name.replace('_', " "), outcome_color(name), "stack", &values))
            .collect();
        if lines.is_empty() {
            return None;
        }
        let chart = self.over_time(("rate", "attempts per second"), lines);
        let note = "Attempts per second by how they came out, stacked.";
        Some(Chart { id: "attempts".into(), title: "Attempts by outcome".into(), note: note.into(), chart })
    }

    fn latency(&self, metric: &str, title: &str, note: &str) -> Option<Chart> {
        let styles = [("max", "vermillion"), ("p99", "orange"), ("p90", "sky"), ("p50", "blue")];
        let samples = self.column(&format!("{metric}.samples"));
        let lines: Vec<Json> = styles
            .iter()
            .filter_map(|(statistic, color)| {
                let mut line = line(statistic, color, "line", self.column(&format!("{metric}.{statistic}_ms"))?);
                let enough = if *statistic == "p99" { FEW_OF_A_HUNDRED } else { FEW };
                if let Some(samples) = samples {
                    let few = samples.iter().map(|count| u8::from(count.unwrap_or(0.0) < enough));
                    line["few"] = few.collect();
                }
                Some(line)
            })
            .collect();
        let has_any = self.column(&format!("{metric}.max_ms"))?.iter().flatten().any(|_| true);
        if !has_any {
            return None;
        }
        let mut chart = self.over_time(("ms", "latency"), lines);
        chart["mid"] = json!(true);
        Some(Chart { id: metric.into(), title: title.into(), note: note.into(), chart })
    }

    /// One metric of all servers of a kind: a line each, or of many a band for each group.
    fn servers(&self, metric: &str, title: &str, y: (&str, &str), of: &str) -> Option<Chart> {
        let after = format!(".{metric}");
        let names = self.names("servers.", &after).filter(|name| self.fleet.kind(name) == of);
        let all = names.filter_map(|name| {
            let values = self.column(&format!("servers.{name}{after}"))?;
            let values = if metric == "arrivals" { self.per_second(values) } else { values.to_vec() };
            Some((name, values))
        });
        let all: Vec<(&str, Vec<Option<f64>>)> = all.collect();
        if !all.iter().any(|(_, values)| values.iter().flatten().any(|value| *value > 0.0)) {
            return None;
        }
        let (lines, note) = if all.len() <= SERVERS {
            let lines = all.iter().zip(COLORS).map(|((name, values), color)| line(name, color, "line", values));
            (lines.collect(), "")
        } else {
            let note = "Of each group, the median of its members as a line, and from the lowest to the highest as an area; \
                        what a fault struck has a line of its own, and is not in the area.";
            (self.bands(&all), note)
        };
        let chart = self.over_time(y, lines);
        let (id, each) = match (metric, of) {
            ("balance", _) => (format!("servers-{metric}"), "per group"),
            (_, "balancer") => (format!("balancers-{metric}"), "per balancer"),
            (_, "proxy") => (format!("proxies-{metric}"), "per proxy"),
            _ => (format!("servers-{metric}"), "per server"),
        };
        Some(Chart { id, title: format!("{title} {each}"), note: note.into(), chart })
    }

    /// Of each group, the range and the median of its members, and those that a fault struck.
    fn bands(&self, all: &[(&str, Vec<Option<f64>>)]) -> Vec<Json> {
        let mut groups: Vec<(&str, Vec<usize>)> = Vec::new();
        for (number, (name, _)) in all.iter().enumerate() {
            match groups.iter_mut().find(|(group, _)| *group == group_of(name)) {
                Some((_, members)) => members.push(number),
                None => groups.push((group_of(name), vec![number])),
            }
        }
        if groups.len() > GROUPS {
            groups = vec![("all servers", (0..all.len()).collect())];
        }
        let (mut lines, mut struck_lines) = (Vec::new(), Vec::new());
        for ((group, members), nth) in groups.into_iter().zip(0..) {
            let is_struck = |member: &usize| self.fleet.is_struck(all[*member].0);
            let (struck, others): (Vec<usize>, Vec<usize>) = members.iter().copied().partition(is_struck);
            // Where all are struck, or there are too many to name, they are the group.
            let (struck, others) =
                if others.is_empty() || struck.len() > STRUCK { (Vec::new(), members) } else { (struck, others) };
            let name = match others.as_slice() {
                [one] => all[*one].0.to_string(),
                more => format!("{group} × {}", more.len()),
            };
            let colors = [
                ("sky", "blue"),
                ("green", "green"),
                ("purple", "purple"),
                ("grey", "black"),
                ("olive", "olive"),
                ("brown", "brown"),
            ];
            let (pale, strong) = colors[nth % colors.len()];
            lines.extend(band(
                &name,
                (pale, strong),
                &others.iter().map(|at| all[*at].1.as_slice()).collect::<Vec<_>>(),
            ));
            struck_lines.extend(struck.into_iter().map(|at| (all[at].0, all[at].1.as_slice())));
        }
        let colors = ["vermillion", "orange", "crimson"];
        let struck = struck_lines.iter().zip(colors).map(|((name, values), color)| line(name, color, "line", values));
        lines.extend(struck);
        lines
    }
}

/// The range of several, and their median; of one, its line.
fn band(name: &str, (pale, strong): (&str, &str), all: &[&[Option<f64>]]) -> Vec<Json> {
    if let [one] = all {
        return vec![line(name, strong, "line", one)];
    }
    let rows = all.iter().map(|values| values.len()).max().unwrap_or(0);
    let (mut low, mut middle, mut high) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..rows {
        let mut values: Vec<f64> = all.iter().filter_map(|values| values.get(row).copied().flatten()).collect();
        values.sort_by(f64::total_cmp);
        low.push(values.first().copied());
        middle.push(median(&values));
        high.push(values.last().copied());
    }
    let mut range = line(&format!("{name}, range"), pale, "range", &high);
    range["low"] = low.iter().map(|value| value.map_or(Json::Null, number)).collect();
    vec![range, line(name, strong, "line", &middle)]
}

/// A line of a chart.
pub(super) fn line(name: &str, color: &str, style: &str, values: &[Option<f64>]) -> Json {
    let values: Vec<Json> = values.iter().map(|value| value.map_or(Json::Null, number)).collect();
    json!({ "name": name, "color": color, "style": style, "y": values })
}

/// A number with no more decimals than a chart shows; whole ones without any.
pub(super) fn number(value: f64) -> Json {
    let rounded = (value * 1e4).round() / 1e4;
    if rounded.fract() == 0.0 && rounded.abs() < 9e15 { json!(rounded as i64) } else { json!(rounded) }
}

pub(super) fn color(number: usize) -> &'static str {
    COLORS[number % COLORS.len()]
}

fn outcome_color(name: &str) -> &'static str {
    match name {
        "opened" => "green",
        "redirected" => "sky",
        "rejected" => "orange",
        "refused" => "vermillion",
        "connect_timeout" => "purple",
        "handshake_timeout" => "yellow",
        "reset" => "black",
        "closed" => "grey",
        "invalid" => "blue",
        "bad_redirect" => "brown",
        "unresolved" => "olive",
        "challenged" => "lilac",
        "unauthorized" => "crimson",
        "proxy_challenged" => "aqua",
        "proxy_unauthorized" => "navy",
        "proxy_rejected" => "sand",
        _ => "slate",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_intervals_become_fewer_and_nothing_is_lost() {
        let mut text = String::from("t_ms,sessions.open,sessions.open_lowest,attempts.opened,time_to_open.p99_ms\n");
        for n in 1..=3_001 {
            text += &format!("{n},{n},{},1,{}\n", 5_000 - n, if n == 1_000 { "77" } else { "" });
        }
        let series = Series::read(&text, Fleet::default()).unwrap();
        assert_eq!((series.together, series.times.len()), (3, 1_000));
        assert_eq!(series.times.last(), Some(&3_001.0));
        let column = |name: &str| series.column(name).unwrap().to_vec();
        assert_eq!(column("attempts.opened").into_iter().flatten().sum::<f64>(), 3_001.0);
        assert_eq!(column("sessions.open")[0], Some(3.0));
        assert_eq!(column("sessions.open_lowest")[0], Some(4_997.0));
        assert_eq!(column("time_to_open.p99_ms").into_iter().flatten().collect::<Vec<_>>(), [77.0]);
    }

    /// An interval in which everybody comes back opens many and measures nobody's first time to open.
    #[test]
    fn points_are_faint_where_few_samples_of_their_own_measure_are() {
        let text = "t_ms,attempts.opened,time_to_open.p50_ms,time_to_open.p99_ms,time_to_open.max_ms,time_to_open.samples\n\
                    500,900,5,7,8,3\n1000,900,5,7,8,90\n1500,900,5,7,8,900\n";
        let series = Series::read(text, Fleet::default()).unwrap();
        let chart = series.latency("time_to_open", "Time to open", "").unwrap().chart;
        let few = |name: &str| {
            let line = chart["series"].as_array().unwrap().iter().find(|line| line["name"] == name);
            line.unwrap()["few"].clone()
        };
        assert_eq!((few("p50"), few("p99")), (json!([1, 0, 0]), json!([1, 1, 0])));
    }

    #[test]
    fn groups_are_bands_what_is_struck_is_named_and_balancers_are_apart() {
        let mut text = String::from("t_ms");
        let names = ["g-0", "g-1", "g-2", "g-3", "h-0", "h-1", "front-0"];
        names.iter().for_each(|name| text += &format!(",servers.{name}.open_connections"));
        text += "\n500,1,2,4,90,7,9,113\n";
        let topology = json!({
            "nodes": [{ "name": "front", "kind": "balancer" }, { "name": "g", "kind": "servers" }],
            "faults": [{ "members": ["g-3"] }],
        });
        let charts = Series::read(&text, Fleet::of(&topology)).unwrap();
        let of = |kind| charts.servers("open_connections", "Open", ("count", "connections"), kind).unwrap();
        let lines = |chart: &Chart| -> Vec<(String, Json, Json)> {
            let series = chart.chart["series"].as_array().unwrap().iter();
            series.map(|line| (line["name"].as_str().unwrap().into(), line["low"].clone(), line["y"].clone())).collect()
        };
        let line = |name: &str, y: f64| (name.to_string(), Json::Null, json!([y as i64]));
        let band = |name: &str, low: i64, high: i64| (name.to_string(), json!([low]), json!([high]));
        let expected = [
            band("g × 3, range", 1, 4),
            line("g × 3", 2.0),
            band("h × 2, range", 7, 9),
            line("h × 2", 8.0),
            line("g-3", 90.0),
        ];
        assert_eq!(lines(&of("server")), expected);
        assert_eq!(
            (of("balancer").title.as_str(), lines(&of("balancer"))),
            ("Open per balancer", vec![line("front-0", 113.0)])
        );
        assert!(charts.servers("open_connections", "Open", ("count", "connections"), "proxy").is_none());
    }

    #[test]
    fn what_is_no_table_is_told() {
        let error = Series::read("t_ms,a\n1,x\n", Fleet::default()).unwrap_err().to_string();
        assert_eq!(error, "series.csv: line 2: `x`");
        assert!(Series::read("a,b\n", Fleet::default()).is_err());
        assert!(Series::read("t_ms,a\n1\n", Fleet::default()).unwrap_err().to_string().contains("1 columns of 2"));
    }
}
