//! Files that the program reads back.

use std::path::Path;

use shakedown::explore::sweep::{Plan, rows_of};
use shakedown::report::page::{Recorded, page};
use shakedown::report::{formats, holds_secret, read_histogram_log};

use super::{outcome, size};

/// No bytes make the readers of an unfinished sweep panic. Before a NUL stand its rows, behind it its header.
pub(super) fn journal(bytes: &[u8]) -> u64 {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let (rows, header) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let rows = rows_of(Path::new("rows.jsonl"), rows).map(|(rows, whole)| (rows.len(), whole > 0));
    let header = std::str::from_utf8(header).ok().map(|header| Plan::from_header(header).map(|plan| plan.runs()));
    let shape = |text: String| text.split(|c: char| c.is_ascii_digit()).collect::<String>();
    outcome((rows.map_err(|error| shape(error.to_string())), header.map(|read| read.map_err(shape))))
}

/// No bytes make the reader of histogram logs panic, nor take memory that they are not worth.
pub(super) fn hlog(bytes: &[u8]) -> u64 {
    match read_histogram_log(bytes) {
        Ok(log) => outcome((log.len(), size(bytes.len()))),
        Err(error) => outcome(error.split(|c: char| c.is_ascii_digit()).collect::<String>()),
    }
}

/// No files of a result folder make a report panic. NULs part them.
pub(super) fn recorded(bytes: &[u8]) -> u64 {
    let names = ["run.json", "summary.json", "series.csv", "exemplars.jsonl"];
    let parts = names.iter().map(ToString::to_string).zip(bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec));
    let files: Vec<(String, Vec<u8>)> = parts.collect();
    let secret = files.iter().any(|(name, bytes)| holds_secret(name, bytes));
    let shape = |error: String| error.split(|c: char| c.is_ascii_digit()).collect::<String>();
    let made = page(Recorded(&files)).map(|page| size(page.len())).map_err(|error| shape(error.to_string()));
    let documents = [formats::markdown, formats::csv, formats::junit, formats::openmetrics]
        .map(|make| make(Recorded(&files)).map(|text| size(text.len())).map_err(|error| shape(error.to_string())));
    outcome((secret, made, documents))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Else every mutant of it would fail for what the first one failed for.
    #[test]
    fn the_seed_of_journals_is_whole() {
        let seed = include_bytes!("../../seeds/journal/rows");
        let nul = seed.iter().position(|byte| *byte == 0).unwrap();
        let (rows, whole) = rows_of(Path::new("rows.jsonl"), &seed[..nul]).unwrap();
        assert_eq!((rows.len(), whole), (2, nul as u64));
        let plan = Plan::from_header(std::str::from_utf8(&seed[nul + 1..]).unwrap()).unwrap();
        assert_eq!(plan.runs(), 2);
    }
}
