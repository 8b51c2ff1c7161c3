//! What happened to some sessions and when, as dots to click on: a row for each session.

use serde_json::{Value as Json, json};

use crate::client::Event as Session;
use crate::event::{Event, Kind};
use crate::record::Recorder;
use crate::scenario::Scenario;

/// Rows, at most.
const ROWS: u32 = 160;
/// Dots, at most: a scenario of many retries has more than a page can draw.
const DOTS: usize = 6_000;

/// Keeps every so manieth session's openings, failures and losses.
#[derive(Debug)]
pub(super) struct Raster {
    /// Between two sessions that are kept.
    every: u32,
    /// Client group and number in it, of each that is kept.
    sessions: Vec<(u16, u32)>,
    /// Milliseconds, row, and what happened.
    dots: Vec<(u64, u32, &'static str)>,
}

impl Raster {
    pub(super) fn new(scenario: &Scenario) -> Raster {
        let sessions = u32::try_from(scenario.sessions()).unwrap_or(u32::MAX);
        Raster { every: sessions.div_ceil(ROWS).max(1), sessions: Vec::new(), dots: Vec::new() }
    }

    pub(super) fn json(&self, scenario: &Scenario) -> Json {
        let name = |(group, index): &(u16, u32)| {
            let (name, _) = scenario.clients().get_index(usize::from(*group))?;
            Some(format!("{name}-{index}"))
        };
        json!({
            "sessions": self.sessions.iter().map(name).collect::<Vec<_>>(),
            "dots": self.dots,
            "every": self.every,
            "end": scenario.duration().0 / 1_000_000,
        })
    }
}

impl Recorder for Raster {
    fn record(&mut self, event: &Event) {
        let Kind::Session(session, kind) = event.kind else { return };
        if session % self.every != 0 {
            return;
        }
        let row = session / self.every;
        let what = match kind {
            Session::Scheduled { group, index } => {
                if row as usize == self.sessions.len() {
                    self.sessions.push((group, index));
                }
                return;
            }
            Session::Opened { .. } => "open",
            Session::AttemptFailed { .. } => "failed",
            Session::Lost { .. } => "lost",
            _ => return,
        };
        if self.dots.len() < DOTS && (row as usize) < self.sessions.len() {
            self.dots.push((event.at.0 / 1_000_000, row, what));
        }
    }
}
