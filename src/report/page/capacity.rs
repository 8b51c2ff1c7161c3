//! The page of a search for capacity, and that of a map of collapse.

use serde_json::{Value as Json, json};

use super::cells::Cell;
use super::html::{Page, Tone};
use super::recorded::{PageError, Recorded};
use super::series::line;
use crate::report::capacity::{Kind, Objective};
use crate::scenario::covered;
use crate::text::{grouped, percent};

pub(super) fn page(files: Recorded<'_>) -> Result<Page, PageError> {
    let document = files.json("capacity.json")?;
    Ok(if document["capacity"] == "collapse" { collapse(&document) } else { search(&document) })
}

fn text<'a>(place: &'a Json, key: &str) -> &'a str {
    place[key].as_str().unwrap_or_default()
}

fn list(place: &Json) -> impl Iterator<Item = &Json> {
    place.as_array().into_iter().flatten()
}

fn search(document: &Json) -> Page {
    let question = &document["question"];
    let kind = text(question, "kind");
    let objectives: Vec<String> = list(&question["slo"]).map(objective).collect();
    let mut below =
        format!("{} · {} that holds {}", text(question, "scenario"), text(question, "vary"), objectives.join(" and "));
    if let Some(variant) = question["variant"].as_str() {
        below += &format!(" · variant {variant}");
    }
    let mut page = Page::new(text(question, "title"), &below);
    let found = document["value"].is_number() && document["partial"] != true;
    page.verdict(if found { Tone::Good } else { Tone::Open }, text(document, "verdict"));
    if !text(document, "advice").is_empty() {
        page.note(text(document, "advice"));
    }
    let value = |key: &str| document[key].as_f64().map_or("–".to_string(), |value| quantity(kind, value));
    page.tiles(&[
        (text(document, "find").to_string() + " that holds", value("value")),
        ("95 % confidence".into(), format!("{} to {}", value("low"), value("high"))),
        ("with every seed".into(), value("every_seed")),
        ("runs".into(), grouped(document["runs"].as_u64().unwrap_or(0))),
        ("seeds".into(), grouped(list(&question["seeds"]).count() as u64)),
    ]);
    page.heading("Charts");
    let points: Vec<&Json> = list(&document["points"]).collect();
    charts(&mut page, document, &points);
    page.heading("Every value that was run with all seeds");
    let rows: Vec<Vec<Cell>> = points.iter().map(|point| row(point, kind)).collect();
    let columns = [
        (text(question, "vary"), false),
        ("passed", false),
        ("offered /s", false),
        ("goodput /s", false),
        ("never opened", false),
        ("attempts failed", false),
        ("p50", false),
        ("p99", false),
        ("fullest resource", true),
    ];
    page.table("Every value", &columns, &rows);
    let limit = &document["limit"];
    if limit.is_object() {
        page.heading("What fills up first");
        page.note(&format!("{} of {}: {}", text(limit, "resource"), text(limit, "of"), text(limit, "evidence")));
    }
    let knees: Vec<Vec<Cell>> = list(&document["knees"])
        .map(|knee| {
            let of = |key: &str| shown(kind, knee[key].as_f64());
            vec![
                Cell { text: knee["seed"].to_string(), value: knee["seed"].as_f64(), ..Cell::default() },
                of("holds"),
                of("fails"),
            ]
        })
        .collect();
    if !knees.is_empty() {
        let columns = [("seed", false), ("last that holds", false), ("first that does not", false)];
        page.folded_table("Each seed's own answer", &columns, &knees);
    }
    page.again(question["command"].as_str());
    again(&mut page, document, text(question, "scenario_toml"));
    page
}

fn objective(objective: &Json) -> String {
    format!("{} {}", text(objective, "metric"), text(objective, "expected"))
}

/// A value of the key for readers.
fn quantity(kind: &str, value: f64) -> String {
    serde_json::from_value(json!(kind)).unwrap_or(Kind::Number).shown(value)
}

fn shown(kind: &str, value: Option<f64>) -> Cell {
    Cell { text: value.map_or("–".into(), |value| quantity(kind, value)), value, ..Cell::default() }
}

fn row(point: &Json, kind: &str) -> Vec<Cell> {
    let (passed, seeds) = (point["passed"].as_u64().unwrap_or(0), point["seeds"].as_u64().unwrap_or(0));
    let class = if passed == seeds { "passed" } else { "broken" };
    let passed = Cell { text: format!("{passed}/{seeds}"), value: Some(passed as f64), ..Cell::default() };
    let fullest =
        list(&point["fills"]).max_by(|a, b| a[2].as_f64().unwrap_or(0.0).total_cmp(&b[2].as_f64().unwrap_or(0.0)));
    let fullest = fullest.map_or(String::new(), |fill| {
        let part = |at: usize| fill[at].as_str().unwrap_or_default();
        format!("{} of {}, {}", part(1), part(0), percent(fill[2].as_f64().unwrap_or(0.0)))
    });
    vec![
        shown(kind, point["value"].as_f64()),
        passed.class(class),
        shown("number", point["offered"].as_f64()),
        shown("number", point["goodput"].as_f64()),
        shown("share", point["never_opened"].as_f64()),
        shown("share", point["refused"].as_f64()),
        Cell::metric("_ms", &point["p50"]),
        Cell::metric("_ms", &point["p99"]),
        Cell::text(fullest),
    ]
}

fn charts(page: &mut Page, document: &Json, points: &[&Json]) {
    let xs: Vec<Json> = points.iter().map(|point| point["value"].clone()).collect();
    let ends = |all: &[Json]| {
        let values = || all.iter().filter_map(Json::as_f64);
        (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max))
    };
    let (from, until) = ends(&xs);
    if xs.is_empty() || from >= until {
        return;
    }
    let curve = |name: &str, color: &str, style: &str, key: &str| {
        let values: Vec<Option<f64>> = points.iter().map(|point| point[key].as_f64()).collect();
        let mut line = line(name, color, style, &values);
        line["x"] = Json::Array(xs.clone());
        line
    };
    let chart = |y: (&str, &str), lines: Vec<Json>| {
        let mut chart = json!({
            "x": { "type": "number", "from": from, "until": until, "name": document["question"]["vary"] },
            "y": { "type": y.0, "name": y.1 },
            "dots": true,
            "series": lines,
        });
        if let Some(knee) = document["value"].as_f64() {
            chart["knee"] = json!({ "at": knee, "name": "the answer" });
        }
        chart
    };
    let mut latencies = vec![curve("p99", "vermillion", "line", "p99"), curve("p50", "blue", "line", "p50")];
    // A closed form's curve is over offered load: the same axis where the key is that load.
    let form = &document["closed_form"];
    let over_load = points.iter().all(|point| {
        let (value, offered) = (point["value"].as_f64().unwrap_or(0.0), point["offered"].as_f64().unwrap_or(0.0));
        (value - offered).abs() <= 0.1 * value
    });
    if over_load {
        let within: Vec<&Json> = list(&form["curve"])
            .filter(|point| point[0].as_f64().is_some_and(|x| (from..=until).contains(&x)))
            .collect();
        for (at, name, color) in [(2, "p99", "grey"), (1, "p50", "sky")] {
            let values: Vec<Option<f64>> = within.iter().map(|point| point[at].as_f64()).collect();
            if values.iter().flatten().next().is_some() {
                let mut line = line(&format!("{name}, {}", text(form, "model")), color, "dash", &values);
                line["x"] = within.iter().map(|point| point[0].clone()).collect();
                latencies.push(line);
            }
        }
    }
    let mut note = String::from("Medians over the seeds; a line has no point where most never came to an end.");
    let mut latency = chart(("ms", "latency"), latencies);
    // The objective of the latency that is drawn; others are of other measures.
    let bounds =
        list(&document["question"]["slo"]).filter_map(|one| serde_json::from_value::<Objective>(one.clone()).ok());
    let latencies = ["time_to_open", "attempt_latency", "handshake_latency"];
    let bound = bounds
        .filter(|bound| latencies.iter().any(|latency| bound.metric.starts_with(latency)))
        .find_map(|bound| Some((bound.bound_ms()?, format!("{} {}", bound.metric, bound.expected))));
    if let Some((ms, objective)) = bound {
        latency["bound"] = json!({ "at": ms, "name": "objective" });
        note += &format!(" Dashed across: the objective, {objective}.");
    }
    page.chart("latency", "Latency against the key", &note, latency);
    let goodput = vec![curve("offered", "black", "dash", "offered"), curve("goodput", "green", "line", "goodput")];
    page.chart(
        "goodput",
        "Goodput against the key",
        "Sessions that opened per second, of those that were scheduled.",
        chart(("rate", "sessions per second"), goodput),
    );
    let failed = vec![
        curve("attempts failed", "vermillion", "line", "refused"),
        curve("never opened", "purple", "line", "never_opened"),
    ];
    page.chart(
        "failed",
        "What does not come off",
        "Shares of the attempts that failed, and of the sessions that never opened.",
        chart(("share", "share"), failed),
    );
    let names: Vec<(String, String)> = points
        .first()
        .into_iter()
        .flat_map(|point| list(&point["fills"]))
        .map(|fill| {
            let part = |at: usize| fill[at].as_str().unwrap_or_default().to_string();
            (part(0), part(1))
        })
        .collect();
    let fills = names.iter().enumerate().take(10).map(|(nth, (group, name))| {
        let of = |point: &&Json| {
            let fill = list(&point["fills"]).find(|fill| fill[0] == group.as_str() && fill[1] == name.as_str())?;
            fill[2].as_f64()
        };
        let mut line = line(
            &format!("{name} of {group}"),
            super::series::color(nth),
            "line",
            &points.iter().map(of).collect::<Vec<_>>(),
        );
        line["x"] = Json::Array(xs.clone());
        line
    });
    let fills: Vec<Json> = fills.collect();
    if !fills.is_empty() {
        page.chart("fills", "How full resources are", "A resource at 100 % is full.", chart(("share", "fill"), fills));
    }
}

fn collapse(document: &Json) -> Page {
    let mut below = format!("{} · which overloads the fleet does not recover from", text(document, "scenario"));
    if let Some(variant) = document["variant"].as_str() {
        below += &format!(" · variant {variant}");
    }
    let mut page = Page::new(text(document, "title"), &below);
    page.verdict(Tone::Open, text(document, "verdict"));
    let side = |side: &Json| -> Vec<String> {
        list(&side["values"]).map(|value| quantity(text(side, "kind"), value.as_f64().unwrap_or(0.0))).collect()
    };
    let (duration, size) = (&document["duration"], &document["size"]);
    let (columns, rows) = (side(duration), side(size));
    let cells: Vec<Vec<&Json>> = list(&document["cells"]).map(|row| list(row).collect()).collect();
    let share = |cell: &&Json| {
        let of = cell["seeds"].as_f64().filter(|seeds| *seeds > 0.0)?;
        Some(cell["collapsed"].as_f64()? / of)
    };
    page.heading("The map");
    let map = json!({
        "x": text(duration, "key"),
        "y": text(size, "key"),
        "columns": columns,
        // The largest on top.
        "rows": rows.iter().rev().collect::<Vec<_>>(),
        "cells": cells.iter().rev().map(|row| row.iter().map(share).collect::<Vec<_>>()).collect::<Vec<_>>(),
    });
    page.chart("map", "Share of the seeds with which the fleet does not recover", "", map);
    let mut lines = Vec::new();
    for (size, row) in rows.iter().zip(&cells) {
        for (duration, cell) in columns.iter().zip(row) {
            let percent_of = |key: &str| shown("share", cell[key].as_f64());
            lines.push(vec![
                Cell::text(duration.clone()),
                Cell::text(size.clone()),
                Cell::metric("collapsed", &cell["collapsed"]),
                Cell::metric("seeds", &cell["seeds"]),
                percent_of("low"),
                percent_of("high"),
            ]);
        }
    }
    let columns = [
        (text(duration, "key"), true),
        (text(size, "key"), true),
        ("collapsed", false),
        ("seeds", false),
        ("95 % from", false),
        ("to", false),
    ];
    page.table("Every overload", &columns, &lines);
    page.again(document["command"].as_str());
    again(&mut page, document, text(document, "scenario_toml"));
    page
}

fn again(page: &mut Page, document: &Json, toml: &str) {
    page.note(&format!("digest of all runs {} · version {}", text(document, "digest"), text(document, "version")));
    page.folded_text("The scenario with every default", &covered(toml));
}
