//! `report.html`: a result folder as one page that needs nothing else, neither a network nor the folder. Made from the
//! recorded files alone, so that it can be made again from them, byte for byte.
//!
//! The page is HTML that reads without its script: verdict, tables, scenario. The script (`page.js`) adds what moves:
//! charts drawn from the data that the page carries as JSON, sequence diagrams, sorting, the theme.

mod capacity;
mod cells;
mod comparison;
mod faults;
mod html;
mod run;
mod series;
mod sweep;

use serde_json::Value as Json;

pub(super) use cells::Cell;

/// The page's file name.
pub const PAGE: &str = "report.html";

/// The recorded files that a page is made from.
pub const READ: [&str; 13] = [
    "run.json",
    "summary.json",
    "series.csv",
    "latency.hlog",
    "exemplars.jsonl",
    "sweep.json",
    "runs.jsonl",
    "open.svg",
    "compare.json",
    "overlay-open.svg",
    "overlay-percentiles.svg",
    "overlay-spread.svg",
    "capacity.json",
];

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// A file that is needed is not there.
    #[error("no {0}")]
    Missing(&'static str),
    /// A file can't be read.
    #[error("{0}: {1}")]
    Unreadable(&'static str, String),
    /// Nothing that has a page.
    #[error(
        "no result of a run, a sweep, a comparison or a search for capacity: there is no run.json, sweep.json, compare.json or capacity.json"
    )]
    Nothing,
}

/// Recorded files by name.
#[derive(Debug, Clone, Copy)]
pub struct Recorded<'a>(pub &'a [(String, Vec<u8>)]);

impl<'a> Recorded<'a> {
    fn bytes(self, name: &str) -> Option<&'a [u8]> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, bytes)| bytes.as_slice())
    }

    /// A file's text.
    ///
    /// # Errors
    /// When it is not there, or no text.
    pub fn text(self, name: &'static str) -> Result<&'a str, PageError> {
        let bytes = self.bytes(name).ok_or(PageError::Missing(name))?;
        std::str::from_utf8(bytes).map_err(|error| PageError::Unreadable(name, error.to_string()))
    }

    pub(super) fn json(self, name: &'static str) -> Result<Json, PageError> {
        serde_json::from_str(self.text(name)?).map_err(|error| PageError::Unreadable(name, error.to_string()))
    }

    /// A document for each line; none where there is no such file.
    fn lines(self, name: &'static str) -> Result<Vec<Json>, PageError> {
        if self.bytes(name).is_none() {
            return Ok(Vec::new());
        }
        let parsed = self.text(name)?.lines().map(serde_json::from_str);
        parsed.collect::<Result<_, _>>().map_err(|error| PageError::Unreadable(name, error.to_string()))
    }
}

/// The page of a result folder.
///
/// # Errors
/// [`PageError`], when the files are none of a run, a sweep or a comparison.
pub fn page(files: Recorded<'_>) -> Result<Vec<u8>, PageError> {
    let has = |name: &str| files.bytes(name).is_some();
    let page = if has("sweep.json") {
        sweep::page(files)?
    } else if has("compare.json") {
        comparison::page(files)?
    } else if has("capacity.json") {
        capacity::page(files)?
    } else if has("run.json") {
        run::page(files)?
    } else {
        return Err(PageError::Nothing);
    };
    Ok(page.finish().into_bytes())
}

#[cfg(test)]
mod tests;
