//! What the studio runs, within limits: one run on every change, two choices side by side, one session's diagram.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::answer::problem;
use super::choice::Choice;
use super::knobs::knobs;
use super::raster::Raster;
use super::state::Studio;
use crate::cli::replay;
use crate::explore::{self, Estimate, Finished, Source, caught, exemplars, once_with, prepare};
use crate::record::Recorder;
use crate::replay::{Chooser, SequenceDiagram, svg};
use crate::report;
use crate::report::page::{Recorded, page};
use crate::scenario::{Problem, Scenario};
use crate::text::{grouped, word};

/// Of a run. Longer ones are for the command line.
const MOST_TIME: Duration = Duration::from_secs(10);
/// Steps of the simulator, of a run: what takes about so long.
const MOST_STEPS: f64 = 2e7;
/// Seeds with which choices are compared.
const MOST_SEEDS: u64 = 20;
/// The names of two choices in a comparison.
const SIDES: [&str; 2] = ["choice-a", "choice-b"];

/// A text, and what is chosen of it.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    text: String,
    #[serde(default)]
    choice: Choice,
    seed: Option<u64>,
    /// The session to draw.
    #[serde(default)]
    session: String,
}

/// Two choices of one text.
#[derive(Debug, Deserialize)]
pub(super) struct Pair {
    text: String,
    choices: [Choice; 2],
    seeds: u64,
}

/// Why there is no result.
enum Refusal {
    /// What is wrong with the scenario, or with its size.
    Problem(Problem),
    /// A newer request came.
    Overtaken,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Refusal {
        Refusal::Problem(problem)
    }
}

fn answer(done: Result<Json, Refusal>) -> Json {
    match done {
        Ok(json) => json,
        Err(Refusal::Problem(why)) => problem(&why),
        Err(Refusal::Overtaken) => json!({ "ok": false, "overtaken": true }),
    }
}

impl Studio {
    pub(super) fn run(&self, asked: &Asked) -> Json {
        answer(self.try_run(asked))
    }

    pub(super) fn compare(&self, pair: &Pair) -> Json {
        answer(self.try_compare(pair))
    }

    pub(super) fn session(&self, asked: &Asked) -> Json {
        answer(self.try_session(asked))
    }

    fn load(&self, text: &str, choice: &Choice, seed: Option<u64>) -> Result<Scenario, Problem> {
        let scenario = crate::scenario::load(&self.file, &self.name, text, &choice.overrides(seed))?;
        let estimate = Estimate::new(&scenario);
        if estimate.steps() > MOST_STEPS {
            let steps = grouped(estimate.steps().min(1e18) as u64);
            let message = format!("too large for the studio: a run would take at least {steps} steps of the simulator");
            return Err(Problem::new(message).with_help("make it smaller here; `shakedown run` takes it as it is"));
        }
        estimate.afford(1).map_err(|why| Problem::new(why.to_string()))?;
        Ok(scenario)
    }

    /// A run within the studio's limits.
    fn within(&self, scenario: &Scenario, extra: &mut impl Recorder, turn: &Turn) -> Result<Finished, Refusal> {
        let ran = caught(|| once_with(scenario, extra, |_| turn.goes_on(self)));
        let ran = ran.map_err(|panic| Problem::new(format!("a bug in Shakedown: {panic}")))?;
        let finished = ran.map_err(|why| Problem::new(why.to_string()))?;
        if finished.partial { Err(turn.why(self)) } else { Ok(finished) }
    }

    fn try_run(&self, asked: &Asked) -> Result<Json, Refusal> {
        let turn = Turn::new(self);
        let scenario = self.load(&asked.text, &asked.choice, asked.seed)?;
        let mut seen = (Chooser::default(), Raster::new(&scenario));
        let finished = self.within(&scenario, &mut seen, &turn)?;
        let took = turn.began.elapsed();
        let (chooser, raster) = seen;
        let variant = asked.choice.variant.as_deref();
        let command = self.command(asked);
        let mut run = finished.run(&scenario, variant);
        run.command = Some(&command);
        let mut files = report::recorded(&run).map_err(|error| Problem::new(error.to_string()))?;
        let lines = exemplars(&scenario, &chooser.chosen(), |_| turn.goes_on(self));
        files.extend(lines.map(|lines| ("exemplars.jsonl".to_string(), lines)));
        if !turn.goes_on(self) {
            return Err(turn.why(self));
        }
        let number = self.keep(html(&files)?);
        let faults: Vec<Json> = scenario_faults(&files);
        Ok(json!({
            "ok": true,
            "report": number,
            "took_ms": took.as_secs_f64() * 1e3,
            "events": finished.events,
            "passed": finished.passed(),
            "digest": finished.digest,
            "seed": scenario.seed().0,
            "title": scenario.title(),
            "variants": variants(&asked.text),
            "knobs": knobs(&asked.text, variant, scenario.resolved()),
            "faults": faults,
            "raster": raster.json(&scenario),
        }))
    }

    /// The same run on the command line.
    fn command(&self, asked: &Asked) -> String {
        let mut words = vec!["shakedown".to_string(), "run".into(), self.file.clone()];
        words.extend(asked.seed.iter().flat_map(|seed| ["--seed".into(), seed.to_string()]));
        words.extend(asked.choice.variant.iter().flat_map(|variant| ["--variant".into(), variant.clone()]));
        words.extend(asked.choice.sets.iter().flat_map(|set| ["--set".into(), set.clone()]));
        words.iter().map(|one| word(one)).collect::<Vec<_>>().join(" ")
    }

    fn try_compare(&self, pair: &Pair) -> Result<Json, Refusal> {
        let turn = Turn::new(self);
        // A first run of each shows that neither takes too long, and what is wrong with it where it stands.
        for choice in &pair.choices {
            let scenario = self.load(&pair.text, choice, None)?;
            self.within(&scenario, &mut (), &turn)?;
        }
        let took = turn.began.elapsed();
        let seeds = pair.seeds.clamp(1, MOST_SEEDS);
        if took * u32::try_from(seeds).unwrap_or(u32::MAX) > MOST_TIME * 2 {
            let message = format!("{seeds} seeds of both choices would take too long for the studio");
            return Err(Problem::new(message).with_help("choose fewer seeds; `shakedown compare` has no limit").into());
        }
        let mut text = format!("{}\n", pair.text.trim_end());
        for (name, choice) in SIDES.iter().zip(&pair.choices) {
            text += &choice.written(&pair.text, name)?;
        }
        let source = Source { shown: self.file.clone(), name: self.name.clone(), text };
        let choice = explore::Choice {
            variants: SIDES.map(String::from).to_vec(),
            seeds: (1..=seeds).collect(),
            ..explore::Choice::default()
        };
        let comparison = prepare("studio", &[source], Vec::new(), &choice)?.run(&|_, _| {})?;
        let number = self.keep(html(&comparison.files())?);
        Ok(json!({ "ok": true, "report": number, "took_ms": turn.began.elapsed().as_secs_f64() * 1e3 }))
    }

    fn try_session(&self, asked: &Asked) -> Result<Json, Refusal> {
        let turn = Turn::new(self);
        let scenario = self.load(&asked.text, &asked.choice, asked.seed)?;
        let session = replay::named(&scenario, &asked.session);
        let session = session.map_err(|why| Problem::new(why.to_string()))?;
        // Listening can't be ended: first without.
        self.within(&scenario, &mut (), &turn)?;
        let traces = explore::trace(&scenario, &[session]);
        let trace = traces.first().ok_or_else(|| Problem::new("the run ends before this session starts"))?;
        let diagram = SequenceDiagram::new(&scenario, asked.choice.variant.as_deref(), trace);
        Ok(json!({ "ok": true, "svg": svg(&diagram) }))
    }
}

/// A request's turn: until a newer one comes, or the time is up.
struct Turn {
    number: u64,
    began: Instant,
}

impl Turn {
    fn new(studio: &Studio) -> Turn {
        Turn { number: studio.latest.fetch_add(1, Ordering::SeqCst) + 1, began: Instant::now() }
    }

    fn is_latest(&self, studio: &Studio) -> bool {
        studio.latest.load(Ordering::SeqCst) == self.number
    }

    fn goes_on(&self, studio: &Studio) -> bool {
        self.is_latest(studio) && self.began.elapsed() < MOST_TIME
    }

    fn why(&self, studio: &Studio) -> Refusal {
        if !self.is_latest(studio) {
            return Refusal::Overtaken;
        }
        let message = format!("stopped: a run may take {} s in the studio", MOST_TIME.as_secs());
        Refusal::Problem(Problem::new(message).with_help("make it smaller here; `shakedown run` has no such limit"))
    }
}

fn html(files: &[(String, Vec<u8>)]) -> Result<String, Problem> {
    let page = page(Recorded(files)).map_err(|error| Problem::new(error.to_string()))?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// The windows of faults, as `run.json` has them.
fn scenario_faults(files: &[(String, Vec<u8>)]) -> Vec<Json> {
    let run = files.iter().find(|(name, _)| name == "run.json");
    let run: Option<Json> = run.and_then(|(_, bytes)| serde_json::from_slice(bytes).ok());
    run.and_then(|run| run["faults"].as_array().cloned()).unwrap_or_default()
}

/// The variants that a text has.
fn variants(text: &str) -> Vec<String> {
    let file = text.parse::<toml::Table>().ok();
    let variants = file.as_ref().and_then(|file| file.get("variants")?.as_table());
    variants.into_iter().flat_map(toml::Table::keys).cloned().collect()
}
