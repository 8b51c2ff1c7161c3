use serde_json::Value as Json;

use super::*;
use crate::driver::Driver;
use crate::report::{self, Run};

/// A run's files, made up: what matters is what the page makes of them.
fn recorded(title: &str, extra: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    let run = serde_json::json!({
        "scenario": "made-up", "title": title, "driver": "sim", "seed": 7, "variant": null, "partial": false,
        "version": "0", "digest": "00ff", "scenario_hash": "ab",
        "scenario_toml": "credentials = { user = \"alice\", password = \"open sesame\" }\n",
        "command": "shakedown run made-up.toml --set 'clients.a.credentials={user=\"alice\",password=\"open sesame\"}'",
        "verdict": "9 of 10 sessions opened.",
        "faults": [{ "name": "dies", "from_ms": 1000.0, "until_ms": null }],
    });
    let summary = serde_json::json!({
        "expectations": [
            { "metric": "sessions.opened", "expected": ">= 90%", "measured": 9, "passed": true },
            { "metric": "time_to_open.p99", "expected": "< 1s", "measured": 2000.0, "passed": false },
        ],
        "sessions": { "scheduled": 10, "opened": 9, "open_at_end": 9 },
        "availability": { "mean": 0.875 },
        "time_to_open": { "count": 10, "min_ms": 1.0, "p50_ms": 2.0, "p99_ms": 2000.0, "max_ms": null },
        "servers": { "gateway": { "arrivals": { "total": 12 }, "utilisation": { "mean": 0.5 } } },
        "clients": { "a": { "sessions": { "scheduled": 10 } } },
    });
    let series = "t_ms,sessions.open,sessions.open_lowest,sessions.wanted,availability,attempts.opened,servers.gateway.arrivals\n\
                  500,4,0,5,0.5,4,4\n1000,9,4,10,,5,8\n";
    let mut files = vec![
        ("run.json".to_string(), run.to_string().into_bytes()),
        ("summary.json".to_string(), summary.to_string().into_bytes()),
        ("series.csv".to_string(), series.as_bytes().to_vec()),
    ];
    files.extend(extra.iter().map(|(name, text)| (name.to_string(), text.as_bytes().to_vec())));
    files
}

fn made(files: &[(String, Vec<u8>)]) -> String {
    String::from_utf8(page(Recorded(files)).unwrap()).unwrap()
}

/// The JSON that the page carries.
fn carried(html: &str) -> Json {
    let (_, rest) = html.split_once("<script type=\"application/json\" id=\"data\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn a_page_says_what_came_out_and_carries_its_charts() {
    let html = made(&recorded("A fleet", &[]));
    let verdict = "9 of 10 sessions opened. FAILED: 1 of 2 expectations.";
    assert!(html.contains(&format!("<p class=\"verdict bad\">{verdict}</p>")), "{html}");
    for part in [
        "9 (90 %)",
        "<td>at the bound</td>",
        "<td>1.00 s above</td>",
        "<td class=\"text whole\">gateway</td>",
        "seed 7",
        "digest of all events 00ff",
        "dies",
    ] {
        assert!(html.contains(part), "{part}");
    }
    let data = carried(&html);
    assert_eq!(data["times"], serde_json::json!([500, 1000]));
    assert_eq!(
        data["faults"],
        serde_json::json!([{ "name": "dies", "from": 1000.0, "until": null, "recovered": null }])
    );
    let charts: Vec<&String> = data["charts"].as_object().unwrap().keys().collect();
    assert_eq!(charts, ["sessions", "availability", "attempts", "servers-arrivals", "percentiles"]);
    assert_eq!(data["charts"]["attempts"]["series"][0]["y"], serde_json::json!([8, 10]));
    assert_eq!(data["charts"]["availability"]["series"][0]["y"], serde_json::json!([0.5, null]));
    for chart in charts {
        assert!(html.contains(&format!("<figure data-chart=\"{chart}\">")), "{chart}");
    }
}

#[test]
fn texts_are_no_markup_and_credentials_are_covered() {
    let evil = "</script><script>alert(1)</script> & \"quoted\" <img src=x onerror='x'>";
    let exemplar = serde_json::json!({
        "session": evil, "why": ["slowest"], "scheduled_ns": 0, "time_to_open_ns": 1, "hosts": [evil],
        "diagram": [{ "at_ns": 0, "note": evil }], "events": [],
    });
    let html = made(&recorded(evil, &[("exemplars.jsonl", &format!("{exemplar}\n"))]));
    assert_eq!(html.matches("<script").count(), 2, "the data and the page's own");
    assert_eq!(html.matches("</script>").count(), 2);
    assert!(!html.contains("<img") && !html.contains("alert(1)</script>"));
    assert_eq!(carried(&html)["exemplars"][0]["diagram"][0]["note"], evil);
    assert!(!html.contains("open sesame") && !html.contains("alice") && html.contains("•••"));
}

#[test]
fn a_page_loads_nothing() {
    let html = made(&recorded("A fleet", &[]));
    let allowed = "http://www.w3.org/2000/svg";
    let rest = html.replace(allowed, "");
    for loaded in
        ["http://", "https://", "//cdn", "@import", "url(", "<link rel=\"stylesheet", "src=\"http", "fetch(", "import("]
    {
        assert!(!rest.contains(loaded), "{loaded}");
    }
    assert!(html.contains("default-src 'none'"));
}

#[test]
fn what_is_missing_is_told() {
    let error = |files: &[(String, Vec<u8>)]| page(Recorded(files)).unwrap_err().to_string();
    assert!(error(&[]).starts_with("no result of a run"));
    let files = recorded("x", &[]);
    assert_eq!(error(&files[..1]), "no summary.json");
    let broken = [files[0].clone(), ("summary.json".to_string(), b"{".to_vec())];
    assert!(error(&broken).starts_with("summary.json: EOF"), "{}", error(&broken));
}

/// Large enough that a page which carries everything would be too large.
#[test]
fn a_page_of_a_large_run_is_small() {
    let mut series =
        String::from("t_ms,sessions.open,sessions.open_lowest,sessions.wanted,availability,attempts.opened");
    let servers: Vec<String> = (0..300).map(|n| format!("gateway-{n}")).collect();
    for server in &servers {
        for metric in ["arrivals", "open_connections", "queue_depth", "utilisation"] {
            series += &format!(",servers.{server}.{metric}");
        }
    }
    for row in 1..=3_000_u32 {
        series += &format!("\n{},{},{},1000000,0.{row:06},{}", row * 100, row * 333, row * 331, row * 7);
        for server in 0..300_u32 {
            series += &format!(",{},{},{},0.{:06}", row * server % 997, row + server, row % 13, row * server % 999_983);
        }
    }
    series.push('\n');
    let mut files = recorded("A million clients", &[]);
    files[2].1 = series.into_bytes();
    let html = made(&files);
    assert!(html.len() < 1_000_000, "{} bytes", html.len());
}

#[test]
fn the_page_of_a_real_run_is_made_of_its_files_alone() {
    let text = "format = 1\ntitle = \"Small\"\nduration = \"2s\"\n[servers.gateway]\n[clients.a]\ncount = 20\n\
                arrive = { evenly_over = \"1s\" }\nendpoints = [\"gateway\"]\n";
    let scenario = crate::scenario::load("s.toml", "s", text, &Default::default()).unwrap();
    let mut metrics = crate::metrics::Metrics::new(scenario.layout());
    crate::driver::run(&scenario, &mut metrics);
    let measured = metrics.finish(crate::time::Timestamp(scenario.duration().0));
    let run = Run {
        scenario: &scenario,
        variant: None,
        driver: Driver::Sim,
        digest: Some("00"),
        measured: &measured,
        verdicts: &[],
        violations: &[],
        partial: false,
        deviations: &[],
        command: Some("shakedown run s.toml"),
    };
    let files = report::files(&run).unwrap();
    let html = made(&files);
    assert!(html.contains("<p class=\"verdict open\">20 of 20 sessions opened, 99\u{a0}% within "), "{html}");
    assert!(html.contains("class=\"topology\"") && html.contains("20 clients"), "{html}");
    let read: Vec<_> = files.into_iter().filter(|(name, _)| READ.contains(&name.as_str())).collect();
    assert_eq!(made(&read), html);
}

#[test]
fn a_search_for_capacity_and_a_map_of_collapse_have_pages() {
    let point = |value: u32, held: u32, p99: Option<f64>| {
        serde_json::json!({
            "value": value, "passed": held, "seeds": 2, "offered": value, "goodput": value, "never_opened": 0.0, "refused": 0.25,
            "p50": 1.0, "p99": p99, "measured": [p99], "fills": [["gateway", "workers", f64::from(value) / 100.0]],
        })
    };
    let document = serde_json::json!({
        "capacity": "capacity", "version": "0", "verdict": "holds 80/s <well>", "advice": "add workers", "partial": false,
        "question": {
            "scenario": "made-up", "title": "A fleet", "variant": null, "vary": "clients.a.arrive.rate", "kind": "rate",
            "slo": [{ "metric": "handshake_latency.p99", "expected": "< 250ms" }], "seeds": [1, 2], "scenario_toml": "x = 1",
            "command": "shakedown capacity my.toml --slo 'handshake_latency.p99 < 250ms'",
        },
        "find": "highest", "value": 80.5, "low": 79.0, "high": 82.0, "every_seed": 79.0, "runs": 6, "digest": "00ff",
        "knees": [{ "seed": 1, "holds": 80.0, "fails": 81.0 }],
        "closed_form": { "model": "M/M/1", "value": 80.0, "curve": [[50.0, 1.0, 2.0], [90.0, 1.0, null]] },
        "limit": { "of": "gateway", "resource": "workers", "evidence": "busy 100 % of the time" },
        "points": [point(50, 2, Some(100.0)), point(100, 0, None)],
    });
    let html = made(&[("capacity.json".to_string(), document.to_string().into_bytes())]);
    let parts = [
        "<p class=\"verdict\">holds 80/s &lt;well&gt;</p>",
        "<dt>highest that holds</dt><dd>80.5/s</dd>",
        "<dd>79.0/s to 82.0/s</dd>",
        "<pre>shakedown capacity my.toml --slo &#39;handshake_latency.p99 &lt; 250ms&#39;</pre>",
        "workers of gateway, 100 %",
    ];
    for part in parts {
        assert!(html.contains(part), "{part} is not in {html}");
    }
    let data = carried(&html);
    let names: Vec<_> =
        data["charts"]["latency"]["series"].as_array().unwrap().iter().map(|line| &line["name"]).collect();
    assert_eq!(names, ["p99", "p50", "p99, M/M/1", "p50, M/M/1"]);
    assert_eq!(data["charts"]["latency"]["knee"]["at"], 80.5);
    let bound = serde_json::json!({ "at": 250.0, "name": "objective" });
    assert_eq!(data["charts"]["latency"]["bound"], bound);

    let side = |key: &str, values: [f64; 2]| serde_json::json!({ "key": key, "kind": "duration", "values": values });
    let cell = |collapsed: u32| serde_json::json!({ "collapsed": collapsed, "seeds": 4, "low": 0.1, "high": 0.9 });
    let document = serde_json::json!({
        "capacity": "collapse", "scenario": "made-up", "title": "A fleet", "verdict": "collapses", "digest": "00", "version": "0",
        "duration": side("faults.slow.for", [1.0, 2.0]), "size": side("servers.a.service_time", [0.5, 1.0]),
        "cells": [[cell(0), cell(1)], [cell(2), cell(4)]], "scenario_toml": "x = 1",
    });
    let html = made(&[("capacity.json".to_string(), document.to_string().into_bytes())]);
    let map = &carried(&html)["charts"]["map"];
    assert_eq!(map["cells"], serde_json::json!([[0.5, 1.0], [0.0, 0.25]]), "the largest on top");
    assert_eq!(map["rows"], serde_json::json!(["1.00 s", "500 ms"]));
}

#[test]
fn a_comparison_says_what_its_seeds_can_tell() {
    let run = |seed: u32, ms: Option<f64>| {
        serde_json::json!({ "seed": seed, "digest": "00", "values": {
            "outage.p99": { "ms": ms }, "sessions.opened": { "count": 9, "of": 10 },
        } })
    };
    let row = |name: &str, ms: [Option<f64>; 2]| serde_json::json!({ "name": name, "variant": null, "scenario_toml": "x = 1", "runs": [run(1, ms[0]), run(2, ms[1])] });
    let document = serde_json::json!({
        "comparison": "made-up", "version": "0", "metrics": ["outage.p99", "sessions.opened"],
        "parts": [{
            "scenario": "made-up", "title": "A fleet", "metrics": ["outage.p99", "sessions.opened"],
            "rows": [row("fast", [Some(5.0), Some(7.0)]), row("slow", [Some(50.0), None])],
        }],
        "league": {
            "by": { "metric": "outage.p99", "better": "lower" }, "unit": "ms", "seeds": 2,
            "standings": [
                { "rank": 1, "name": "fast", "median": 5.0, "mean": 6.0, "seeds": 2, "never": 0 },
                { "rank": 1, "name": "slow", "median": null, "mean": null, "seeds": 2, "never": 1 },
            ],
            "pairs": [{ "first": "fast", "second": "slow", "verdict": "no difference shown", "shown": false, "p_corrected": 0.25, "metrics": [
                { "metric": "outage.p99", "typical": 44.0, "low": -3.0, "high": null },
            ] }],
        },
    });
    let html = made(&[("compare.json".to_string(), document.to_string().into_bytes())]);
    for part in [
        "<p class=\"verdict open\">no difference shown</p>",
        "<td>never</td>",
        "data-v=\"-3\">−3.00 ms</td>",
        "6.00 ms [5.00 ms … 7.00 ms]",
        "never [50.0 ms … never]",
        "p = 0.250",
        "9 (90 %)",
    ] {
        assert!(html.contains(part), "{part} is not in {html}");
    }
    let bars = &carried(&html)["charts"]["bars-0-0"]["rows"];
    assert_eq!((&bars[0]["value"], &bars[1]["endless"]), (&serde_json::json!(6.0), &serde_json::json!(true)));
    // Nine of ten and 99 of 100 look alike: what is lost does not.
    let lost = &carried(&html)["charts"]["bars-0-1"];
    let share = lost["rows"][0]["value"].as_f64().unwrap();
    assert!((share - 0.1).abs() < 1e-9 && lost["rows"][0]["shown"] == "10 %" && lost["whole"] == false, "{lost}");
    assert_eq!(lost["title"], "sessions.opened: what is lost");
}

#[test]
fn the_percentiles_of_a_page_are_the_charts() {
    let text = "format = 1\ntitle = \"Small\"\nduration = \"5s\"\n[servers.gateway]\nworkers = 1\n\
                service_time = { exponential = { mean = \"9ms\" } }\n[clients.a]\ncount = 300\n\
                arrive = { evenly_over = \"3s\" }\nendpoints = [\"gateway\"]\nhandshake_timeout = \"150ms\"\n\
                retry = { policy = \"none\" }\n";
    let scenario = crate::scenario::load("s.toml", "s", text, &Default::default()).unwrap();
    let mut metrics = crate::metrics::Metrics::new(scenario.layout());
    crate::driver::run(&scenario, &mut metrics);
    let measured = metrics.finish(crate::time::Timestamp(scenario.duration().0));
    let run = Run {
        scenario: &scenario,
        variant: None,
        driver: Driver::Sim,
        digest: Some("00"),
        measured: &measured,
        verdicts: &[],
        violations: &[],
        partial: false,
        deviations: &[],
        command: None,
    };
    let page = carried(&made(&report::files(&run).unwrap()));
    for (line, (name, latency)) in
        page["charts"]["percentiles"]["series"].as_array().unwrap().iter().zip(&measured.latencies)
    {
        assert_eq!(
            (&line["name"], &line["style"]),
            (&serde_json::json!(name.replace('_', " ")), &serde_json::json!("line"))
        );
        let numbers =
            |key: &str| line[key].as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect::<Vec<_>>();
        let (shown, drawn) = (numbers("x").into_iter().zip(numbers("y")), crate::chart::percentile_points(latency));
        assert!(drawn.len() > 100 && shown.len() == drawn.len(), "{name}: {} of {}", shown.len(), drawn.len());
        for ((share, ms), (own_share, own_ms)) in shown.zip(drawn) {
            assert!(
                (share - own_share).abs() < 1e-9 && (ms / own_ms - 1.0).abs() < 1e-3,
                "{name}: {share} {ms}, {own_share} {own_ms}"
            );
        }
    }
}
