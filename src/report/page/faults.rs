//! What a run's page says of faults, phases, and the resources that were full.

use serde_json::Value as Json;

use super::cells::{Cell, ROWS, at, metric};
use super::html::Page;
use crate::metrics::{Better, MetricName};
use crate::text::{percent, percent_of};

/// What share of its total a count is, if the metric is such a part.
pub(super) fn share(path: &str, value: &Json, summary: &Json) -> Option<String> {
    let whole = MetricName::parse(path)?.whole()?;
    let of = at(summary, whole.as_str()).as_u64().filter(|of| *of > 0)?;
    Some(percent_of(value.as_u64()?, of))
}

/// A metric, with its share where it is a part.
pub(super) fn figure(summary: &Json, path: &str) -> Option<Cell> {
    let cell = metric(summary, path)?;
    let text = match share(path, at(summary, path), summary) {
        Some(share) => format!("{} ({share})", cell.text),
        None => cell.text,
    };
    Some(Cell { text, ..cell })
}

/// What matters of a run with faults: what they did, and what it cost. Several faults are shown by the worst.
pub(super) fn tiles(summary: &Json, faults: &[&String]) -> Vec<(String, String)> {
    let of = |metric: &str, better: Better| {
        let all = faults.iter().filter_map(|fault| figure(summary, &format!("faults.{fault}.{metric}")));
        // What has no value is the worst, unless nobody was affected.
        let rank = |cell: &Cell| cell.value.unwrap_or(f64::INFINITY);
        let worst = all.max_by(|a, b| match better {
            Better::Lower => rank(a).total_cmp(&rank(b)),
            Better::Higher => rank(b).total_cmp(&rank(a)),
        });
        worst.map(|cell| cell.text)
    };
    let named = |name: &str| if faults.len() > 1 { format!("{name} (worst fault)") } else { name.to_string() };
    let mut tiles: Vec<(String, String)> = Vec::new();
    for (name, metric) in [
        ("affected", "affected"),
        ("99 % back after", "recovery_time"),
        ("lost time", "lost_time"),
        ("worst second, busiest survivor", "peak_arrivals.max"),
        ("balance restored after", "rebalanced_after"),
    ] {
        tiles.extend(of(metric, Better::Lower).map(|text| (named(name), text)));
    }
    let groups = summary["servers"].as_object().into_iter().flatten();
    let balances = groups.filter_map(|(group, of)| Some((group, of["balance"]["at_end"].as_f64()?)));
    if let Some((group, balance)) = balances.min_by(|a, b| a.1.total_cmp(&b.1)) {
        tiles.push((format!("balance of {group} at the end"), percent(balance)));
    }
    let usual = [("open at the end", "sessions.open_at_end"), ("availability", "availability.mean")];
    tiles.extend(usual.iter().filter_map(|(name, path)| Some((name.to_string(), figure(summary, path)?.text))));
    tiles
}

pub(super) fn faults(page: &mut Page, windows: &[Json], summary: &Json) {
    if windows.is_empty() {
        return;
    }
    page.heading("Faults");
    let rows: Vec<Vec<Cell>> = windows
        .iter()
        .map(|window| {
            let name = window["name"].as_str().unwrap_or_default();
            let of = |key: &str| {
                let cells = &summary["faults"][name];
                let path = format!("faults.{name}.{}", key.trim_end_matches("_ms"));
                match figure(summary, &path) {
                    Some(cell) if !cells.is_null() => cell,
                    _ => Cell::text(""),
                }
            };
            let until = if window["until_ms"].is_null() {
                Cell::text("the end")
            } else {
                Cell::metric("until_ms", &window["until_ms"])
            };
            vec![
                Cell::text(name),
                Cell::metric("from_ms", &window["from_ms"]),
                until,
                of("affected"),
                of("open_again"),
                of("first_loss_ms"),
                of("last_loss_ms"),
                of("recovery_time_ms"),
                of("down_max"),
                of("lost_time_ms"),
                of("peak_arrivals.max"),
                of("rebalanced_after_ms"),
            ]
        })
        .collect();
    let columns = [
        ("fault", true),
        ("from", false),
        ("until", false),
        ("affected", false),
        ("open again", false),
        ("first loss", false),
        ("last loss", false),
        ("recovery time", false),
        ("down max", false),
        ("lost time", false),
        ("peak arrivals", false),
        ("rebalanced after", false),
    ];
    page.table("Faults", &columns, &rows);
}

/// Before, during and after each fault, and the phases that the scenario names.
pub(super) fn phases(page: &mut Page, summary: &Json) {
    let columns = [
        ("scheduled", "sessions.scheduled"),
        ("opened", "sessions.opened"),
        ("open at its end", "sessions.open_at_end"),
        ("availability", "availability.mean"),
        ("attempts", "attempts.total"),
        ("attempts peak", "attempts.peak"),
        ("attempts failed", "attempts.failed"),
        ("lost", "lost.total"),
        ("handshake p99", "handshake_latency.p99"),
        ("time to open p99", "time_to_open.p99"),
        ("outage p99", "outage.p99"),
    ];
    let names = |key: &str| -> Vec<String> {
        summary[key].as_object().into_iter().flat_map(|all| all.keys().cloned()).collect()
    };
    let of_faults = names("faults").into_iter().flat_map(|fault| {
        ["before", "during", "after"].map(|part| (format!("{part} {fault}"), format!("faults.{fault}.{part}")))
    });
    let named = names("phases").into_iter().map(|name| (name.clone(), format!("phases.{name}")));
    let rows: Vec<Vec<Cell>> = of_faults
        .chain(named)
        .filter(|(_, path)| at(summary, path).is_object())
        .take(ROWS)
        .map(|(name, path)| {
            let cell = |(_, metric): &(&str, &str)| {
                figure(summary, &format!("{path}.{metric}")).unwrap_or_else(|| Cell::text(""))
            };
            std::iter::once(Cell::text(name)).chain(columns.iter().map(cell)).collect()
        })
        .collect();
    if rows.is_empty() {
        return;
    }
    page.heading("Phases");
    let head: Vec<(&str, bool)> =
        std::iter::once(("phase", true)).chain(columns.iter().map(|(name, _)| (*name, false))).collect();
    page.table("Phases", &head, &rows);
}

/// The resources that were full.
pub(super) fn full_resources(page: &mut Page, summary: &Json) {
    let list = summary["full_resources"].as_array().cloned().unwrap_or_default();
    let Some(first) = list.first() else { return };
    page.heading("Full resources");
    page.note(&format!("The bottleneck is what was full first: {}.", first["sentence"].as_str().unwrap_or_default()));
    let row = |full: &Json| {
        let text = |key: &str| Cell::text(full[key].as_str().unwrap_or_default());
        let value = |key: &str| Cell::metric(key, &full[key]);
        let mut cells = vec![text("resource"), text("group")];
        cells.extend(["first_ms", "last_ms", "full_for_ms", "turned_away"].map(value));
        cells.push(text("what"));
        cells
    };
    let columns = [
        ("resource", true),
        ("of", true),
        ("first full", false),
        ("last full", false),
        ("full for", false),
        ("turned away", false),
        ("", true),
    ];
    page.table("Full resources", &columns, &list.iter().map(row).collect::<Vec<_>>());
}
