use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::guard::Guard;
use super::{Studio, page};

const SCENARIO: &str = "format = 1\ntitle = \"Two <gateways>\"\nduration = \"10s\"\n\n[servers.gateway]\ncount = 2\n\n\
    [clients.players]\ncount = 40\narrive = { evenly_over = \"1s\" }\nendpoints = [\"gateway\"]\n\
    retry = { policy = \"full-jitter\", base = \"500ms\" }\n\n[faults.dies]\nkind = \"crash\"\ntarget = \"gateway-0\"\n\
    at = \"3s\"\nfor = \"2s\"\n\n[variants.slow]\n\"clients.players.retry.base\" = \"2s\"\n";

fn studio(root: &std::path::Path) -> Studio {
    Studio::new(Guard::new(1).unwrap(), root.to_path_buf(), "two.toml", SCENARIO.into())
}

fn act(studio: &Studio, what: &str, asked: &Json) -> Json {
    studio.act(what, asked.to_string().as_bytes()).unwrap()
}

#[test]
fn a_run_has_the_report_of_run_and_what_can_be_changed() {
    let place = tempfile::tempdir().unwrap();
    let studio = studio(place.path());
    let ran = act(&studio, "run", &json!({ "text": SCENARIO, "choice": { "sets": ["clients.players.count=60"] } }));
    assert_eq!((&ran["ok"], &ran["variants"]), (&json!(true), &json!(["slow"])), "{ran}");
    let scenario = crate::scenario::load(
        "x",
        "two",
        SCENARIO,
        &crate::scenario::Overrides { sets: vec!["clients.players.count=60".into()], ..Default::default() },
    );
    let once = crate::explore::once(&scenario.unwrap(), |_| true).unwrap();
    assert_eq!(ran["digest"].as_str(), Some(once.digest.as_str()));
    let knob = |path: &str| {
        ran["knobs"].as_array().unwrap().iter().find(|knob| knob["path"] == path).unwrap()["value"].clone()
    };
    assert_eq!((knob("clients.players.count"), knob("faults.dies.at")), (json!(60.0), json!(3.0)));
    assert_eq!((&ran["faults"][0]["name"], &ran["faults"][0]["from_ms"]), (&json!("dies"), &json!(3000.0)));
    assert_eq!(ran["raster"]["sessions"].as_array().unwrap().len(), 60);
    let opened = ran["raster"]["dots"].as_array().unwrap().iter().filter(|dot| dot[2] == "open").count();
    assert!(opened > 60, "{opened}: some come back");
    let report = studio.report(ran["report"].as_u64().unwrap()).unwrap();
    assert!(report.contains("data-chart=\"sessions\"") && report.contains("Two &lt;gateways&gt;"));
    assert!(report.contains("shakedown run two.toml --set clients.players.count=60"));
    let page = page(&studio);
    assert!(page.contains("Two \\u003cgateways>") && !page.contains("@SCRIPT@") && !page.contains("@BEGIN@"));
}

#[test]
fn what_is_wrong_is_said_where_it_stands() {
    let place = tempfile::tempdir().unwrap();
    let studio = studio(place.path());
    let ran = act(&studio, "run", &json!({ "text": SCENARIO.replace("count = 40", "cuont = 40") }));
    assert_eq!(ran["place"], json!({ "line": 9, "column": 1, "length": 5 }), "{ran}");
    assert!(
        ran["message"].as_str().unwrap().contains("unknown key") && ran["help"].as_str().unwrap().contains("count")
    );
    let set = act(&studio, "run", &json!({ "text": SCENARIO, "choice": { "sets": ["clients.players.count=many"] } }));
    assert!(set["ok"] == false && set["place"].is_null(), "{set}");
    // Too much: refused before it runs, or stopped.
    let much =
        act(&studio, "run", &json!({ "text": SCENARIO, "choice": { "sets": ["clients.players.count=4000000"] } }));
    assert!(much["message"].as_str().unwrap().contains("too large for the studio"), "{much}");
    assert!(studio.act("run", b"no json").is_none() && studio.act("rm", b"{}").is_none());
}

#[test]
fn a_newer_request_ends_an_older_one() {
    let place = tempfile::tempdir().unwrap();
    let studio = Arc::new(studio(place.path()));
    let long = json!({ "text": SCENARIO, "choice": { "sets": ["clients.players.count=400000"] } });
    let other = Arc::clone(&studio);
    let older = std::thread::spawn(move || act(&other, "run", &long));
    while studio.latest.load(std::sync::atomic::Ordering::SeqCst) == 0 {
        std::thread::yield_now();
    }
    assert_eq!(act(&studio, "run", &json!({ "text": SCENARIO }))["ok"], true);
    assert_eq!(older.join().unwrap(), json!({ "ok": false, "overtaken": true }));
}

#[test]
fn choices_are_compared_and_become_variants() {
    let place = tempfile::tempdir().unwrap();
    let studio = studio(place.path());
    let (one, other) = (json!({ "sets": ["clients.players.retry.policy=\"fixed\""] }), json!({ "variant": "slow" }));
    let compared = act(&studio, "compare", &json!({ "text": SCENARIO, "choices": [one, other], "seeds": 2 }));
    assert_eq!(compared["ok"], true, "{compared}");
    let report = studio.report(compared["report"].as_u64().unwrap()).unwrap();
    assert!(report.contains("choice-a") && report.contains("choice-b") && !report.contains("as-written"), "{report}");

    let choice =
        json!({ "variant": "slow", "sets": ["clients.players.count=7", "clients.players.retry.policy=fixed"] });
    let named = |name: &str| act(&studio, "variant", &json!({ "text": SCENARIO, "name": name, "choice": choice }));
    let text = named("mine")["text"].as_str().unwrap().to_string();
    assert!(text.starts_with(SCENARIO.trim_end()), "what is there stays: {text}");
    let ran = act(&studio, "run", &json!({ "text": text, "choice": { "variant": "mine" } }));
    let directly = act(&studio, "run", &json!({ "text": SCENARIO, "choice": choice }));
    assert!(ran["ok"] == true && ran["digest"] == directly["digest"], "{ran}");
    for bad in ["", "slow", "Slow", "a b", "x]\n[y"] {
        assert_eq!(named(bad)["ok"], false, "{bad}");
    }
}

#[test]
fn a_session_is_drawn_and_results_are_saved() {
    let place = tempfile::tempdir().unwrap();
    let studio = studio(place.path());
    let drawn = act(&studio, "session", &json!({ "text": SCENARIO, "session": "players-3" }));
    assert!(drawn["svg"].as_str().is_some_and(|svg| svg.starts_with("<svg") && svg.contains("players-3")), "{drawn}");
    assert_eq!(act(&studio, "session", &json!({ "text": SCENARIO, "session": "players-40" }))["ok"], false);

    let save = |asked: Json| act(&studio, "save", &asked);
    assert_eq!(save(json!({ "path": "new.toml", "text": SCENARIO }))["ok"], true);
    assert_eq!(save(json!({ "path": "new.toml", "text": "other" })), json!({ "ok": false, "exists": true }));
    assert_eq!(std::fs::read_to_string(place.path().join("new.toml")).unwrap(), SCENARIO);
    assert_eq!(save(json!({ "path": "new.toml", "text": "other", "replace": true }))["ok"], true);
    assert_eq!(save(json!({ "path": "../new.toml", "text": SCENARIO }))["ok"], false);
    let number = act(&studio, "run", &json!({ "text": SCENARIO }))["report"].clone();
    assert_eq!(save(json!({ "path": "report.html", "report": number }))["ok"], true);
    assert!(std::fs::read_to_string(place.path().join("report.html")).unwrap().starts_with("<!doctype html>"));
    assert_eq!(save(json!({ "path": "none.html", "report": 99 }))["ok"], false);
}
