//! Text shared by several outputs: numbers for readers, tables, escapes, JSON with line ends.

mod escape;
mod number;
mod table;
mod wrap;

use serde::Serialize;

pub(crate) use crate::digits::grouped;
pub(crate) use escape::{
    clean, csv_cell, escaped, label, markdown, markdown_line, quoted, visible, visible_lines, word,
};
pub(crate) use number::{counted, percent, percent_of};
pub(crate) use table::{Table, WIDTH};
pub(crate) use wrap::{beside_labels, with_units, wrapped};

/// A document as JSON over several lines.
pub(crate) fn pretty(document: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(document).expect("strings, numbers and lists of them can be written");
    text + "\n"
}
