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
mod recorded;
mod run;
mod series;
mod sweep;
mod topology;

pub(super) use cells::{Cell, margin};
pub use recorded::{PageError, Recorded};

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

/// The page of a result folder.
///
/// # Errors
/// [`PageError`], when the files are none of a run, a sweep or a comparison.
pub fn page(files: Recorded<'_>) -> Result<Vec<u8>, PageError> {
    let has = |name: &str| files.bytes(name).is_some();
    files.is_readable()?;
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
