//! The page of a comparison.

use serde_json::{Value as Json, json};

use super::cells::Cell;
use super::html::{Page, Tone};
use super::recorded::{PageError, Recorded};
use crate::metrics::Value;
use crate::report::compared::{Run, Spread};
use crate::report::figure::{Unit, probability};
use crate::scenario::covered;
use crate::text::{counted, percent};
use crate::time::Nanos;

pub(super) fn page(files: Recorded<'_>) -> Result<Page, PageError> {
    let document = files.json("compare.json")?;
    let empty = Vec::new();
    let parts = document["parts"].as_array().unwrap_or(&empty);
    let name = document["comparison"].as_str().unwrap_or_default();
    let rows = || parts.iter().flat_map(rows_of);
    let seeds: Vec<String> = rows().next().into_iter().flat_map(runs_of).map(|run| run["seed"].to_string()).collect();
    let below = format!(
        "comparison of {} · {} {}",
        counted(rows().count() as u64, "choice"),
        if seeds.len() == 1 { "seed" } else { "seeds" },
        shortened(&seeds)
    );
    let mut page = Page::new(name, &below);
    for judged in document["gate"]["judged"].as_array().into_iter().flatten() {
        let mood = if judged["passed"] == true { Tone::Good } else { Tone::Bad };
        page.verdict(mood, judged["sentence"].as_str().unwrap_or_default());
    }
    league(&mut page, &document["league"]);
    let metrics = names(&document["metrics"]);
    page.heading("All choices");
    if seeds.len() > 1 {
        page.note("Each figure: the median over the seeds, and from the least to the largest.");
    }
    let all = parts.iter().flat_map(|part| rows_of(part).map(move |row| (part, row)));
    table(&mut page, "All choices", all, &metrics);
    let overlays = [
        ("overlay-open.svg", "Sessions open, all choices"),
        ("overlay-percentiles.svg", "Latency by percentile, all choices"),
        ("overlay-spread.svg", "Spread over the seeds, all choices"),
    ];
    let drawn: Vec<_> = overlays.iter().filter_map(|(name, title)| Some((title, files.bytes(name)?))).collect();
    if !drawn.is_empty() {
        page.heading("All in one");
        drawn.into_iter().for_each(|(title, svg)| page.picture(title, "", svg));
    }
    for (number, part) in parts.iter().enumerate() {
        let text = |key: &str| part[key].as_str().unwrap_or_default();
        page.heading(&format!("{}: {}", text("scenario"), text("title")));
        let own = names(&part["metrics"]);
        if own != metrics {
            table(&mut page, text("scenario"), rows_of(part).map(|row| (part, row)), &own);
        }
        for (nth, metric) in own.iter().enumerate() {
            let (bars, is_lost) = bars(part, metric);
            let (title, note) = match is_lost {
                true => (format!("{metric}: what is lost"), "The share that is missing from the whole."),
                false => (metric.clone(), ""),
            };
            page.chart(&format!("bars-{number}-{nth}"), &title, note, bars);
        }
    }
    again(&mut page, parts, &document);
    Ok(page)
}

/// Which choice is better, where several seeds can tell.
fn league(page: &mut Page, league: &Json) {
    let list = |key: &str| league[key].as_array().into_iter().flatten();
    let (metric, unit) =
        (league["by"]["metric"].as_str().unwrap_or_default(), league["unit"].as_str().unwrap_or_default());
    let Some(first) = list("pairs").next() else { return };
    let mood = if first["shown"] == true { Tone::Good } else { Tone::Open };
    page.verdict(mood, first["verdict"].as_str().unwrap_or_default());
    page.heading(&format!("Ranking by {metric}"));
    let suffix = if unit == "ms" {
        "_ms"
    } else if unit == "share" {
        "availability.mean"
    } else {
        ""
    };
    let rows: Vec<Vec<Cell>> = list("standings")
        .map(|one| {
            let figure = |key: &str| match one[key].as_f64() {
                None if key == "median" && unit == "ms" => Cell::text("never"),
                value => Cell::of_many(suffix, value),
            };
            vec![
                Cell::metric("rank", &one["rank"]),
                Cell::text(one["name"].as_str().unwrap_or_default()),
                figure("median"),
                figure("mean"),
                Cell::metric("seeds", &one["seeds"]),
                Cell::metric("never", &one["never"]),
            ]
        })
        .collect();
    let columns =
        [("rank", false), ("choice", true), ("median", false), ("mean", false), ("seeds", false), ("never", false)];
    page.table("Ranking", &columns, &rows);
    let pairs: Vec<Vec<Cell>> = list("pairs")
        .map(|pair| {
            let text = |key: &str| Cell::text(pair[key].as_str().unwrap_or_default());
            let difference = &pair["metrics"][0];
            let figure = |key: &str| match difference[key].as_f64() {
                None => Cell::text("–"),
                // Durations know no sign.
                Some(below) if below < 0.0 => {
                    let cell = Cell::of_many(suffix, Some(-below));
                    Cell { text: format!("−{}", cell.text), value: Some(below), ..cell }
                }
                value => Cell::of_many(suffix, value),
            };
            let p = match pair["p_corrected"].as_f64() {
                None => Cell::text("–"),
                Some(p) => Cell { text: probability(p), value: Some(p), ..Cell::default() },
            };
            vec![text("first"), text("second"), figure("typical"), figure("low"), figure("high"), p, text("verdict")]
        })
        .collect();
    let columns = [
        ("first", true),
        ("second", true),
        ("difference", false),
        ("95 % from", false),
        ("to", false),
        ("probability (Holm)", false),
        ("verdict", true),
    ];
    page.table("Every pair of choices", &columns, &pairs);
}

fn rows_of(part: &Json) -> impl Iterator<Item = &Json> {
    part["rows"].as_array().into_iter().flatten()
}

fn runs_of(row: &Json) -> impl Iterator<Item = &Json> {
    row["runs"].as_array().into_iter().flatten()
}

fn names(list: &Json) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_string).collect()
}

/// `1, 2, 3 … 100`.
fn shortened(seeds: &[String]) -> String {
    match seeds {
        [first, second, third, .., last] if seeds.len() > 6 => format!("{first}, {second}, {third} … {last}"),
        _ => seeds.join(", "),
    }
}

/// A recorded value.
fn value(of: &Json) -> Option<Value> {
    if let Some(ms) = of.get("ms") {
        return Some(Value::Duration(ms.as_f64().map(|ms| Nanos((ms * 1e6 + 0.5) as u64))));
    }
    if let Some(count) = of.get("count").and_then(Json::as_u64) {
        return Some(match of.get("of").and_then(Json::as_u64) {
            Some(of) => Value::Part { count, of },
            None => Value::Count(count),
        });
    }
    Some(Value::Ratio(of.get("ratio")?.as_f64()))
}

/// A metric over a row's seeds.
fn spread(row: &Json, metric: &str) -> Option<Spread> {
    let run = |run: &Json| Run {
        seed: run["seed"].as_u64().unwrap_or(0),
        digest: String::new(),
        values: run["values"]
            .get(metric)
            .and_then(value)
            .map(|value| (metric.to_string(), value))
            .into_iter()
            .collect(),
        unmeasured: names(&run["unmeasured"]),
    };
    Spread::of(&runs_of(row).map(run).collect::<Vec<Run>>(), metric)
}

fn table<'a>(page: &mut Page, name: &str, rows: impl Iterator<Item = (&'a Json, &'a Json)>, metrics: &[String]) {
    let rows: Vec<Vec<Cell>> = rows
        .map(|(part, row)| {
            let text = |place: &Json, key: &str| Cell::text(place[key].as_str().unwrap_or_default());
            let cells = metrics.iter().map(|metric| match spread(row, metric) {
                None => Cell::text(""),
                Some(spread) => Cell { text: spread.shown(), value: spread.drawn()[1], ..Cell::default() },
            });
            [text(part, "scenario"), text(row, "name")].into_iter().chain(cells).collect()
        })
        .collect();
    let columns: Vec<(&str, bool)> = [("scenario", true), ("variant", true)]
        .into_iter()
        .chain(metrics.iter().map(|metric| (metric.as_str(), false)))
        .collect();
    page.table(name, &columns, &rows);
}

/// A bar for each choice, and whether the bars are what is lost.
fn bars(part: &Json, metric: &str) -> (Json, bool) {
    let spreads: Vec<(&Json, Option<Spread>)> = rows_of(part).map(|row| (&row["name"], spread(row, metric))).collect();
    let known = || spreads.iter().filter_map(|(_, spread)| spread.as_ref());
    let is_lost = known().any(|spread| spread.lost(metric).is_some());
    let whole = !is_lost && known().any(|spread| spread.of.is_some() || spread.unit == Unit::Share);
    let rows = spreads.iter().map(|(name, spread)| {
        let Some(spread) = spread else {
            return json!({ "name": name, "value": null, "low": null, "high": null, "shown": "" });
        };
        let lost = spread.lost(metric);
        let [least, median, largest] = lost.map_or(spread.drawn(), |lost| lost.map(Some));
        let range = least.zip(largest).filter(|(least, largest)| least < largest);
        json!({
            "name": name,
            "value": median,
            "low": range.map(|(least, _)| least),
            "high": range.map(|(_, largest)| largest),
            "endless": spread.median.is_infinite(),
            "shown": lost.map_or_else(|| spread.middle(), |[_, lost, _]| percent(lost)),
            "told": spread.shown(),
        })
    });
    let rows: Vec<Json> = rows.collect();
    (json!({ "whole": whole, "rows": rows }), is_lost)
}

fn again(page: &mut Page, parts: &[Json], document: &Json) {
    page.again(document["command"].as_str());
    page.note(&format!("version {}", document["version"].as_str().unwrap_or_default()));
    for (part, row) in parts.iter().flat_map(|part| rows_of(part).map(move |row| (part, row))) {
        let text = |place: &Json, key: &str| place[key].as_str().unwrap_or_default().to_string();
        let name = format!("{}, {}: the scenario with every default", text(part, "scenario"), text(row, "name"));
        page.folded_text(&name, &covered(&text(row, "scenario_toml")));
    }
}
