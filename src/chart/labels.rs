//! Positions of marks' names: in rows above the plot, each at its mark's left edge, without overlap.

use super::picture::Mark;
use super::style::{TEXT, fit, text_width};

/// More rows than this would leave no room for the data.
const ROWS: usize = 4;
/// Between a mark's edge and its name.
const GAP: f64 = 5.0;
/// Between two names in a row.
const SPACE: f64 = 10.0;
/// No name is wider.
const WIDEST: f64 = 300.0;

/// A mark with its place, in pixels from the plot's left edge.
#[derive(Debug)]
pub(super) struct Placed<'a> {
    /// The mark.
    pub mark: &'a Mark,
    /// Its left edge.
    pub from: f64,
    /// Its right edge.
    pub until: f64,
    /// Its name, where there was room for it.
    pub label: Option<Label>,
}

/// A name's place.
#[derive(Debug)]
pub(super) struct Label {
    /// Row 0 is the topmost.
    pub row: usize,
    /// Where the text begins.
    pub x: f64,
    /// The text, shortened if it was too long.
    pub text: String,
}

/// Places marks on a plot that is `width` wide and whose axis goes from `lo` to `hi`. Marks outside are left out.
pub(super) fn place(marks: &[Mark], lo: f64, hi: f64, width: f64) -> Vec<Placed<'_>> {
    let mut placed: Vec<Placed> = Vec::new();
    let pixel = |at: f64| (at.clamp(lo, hi) - lo) / (hi - lo) * width;
    for mark in marks.iter().filter(|mark| mark.from < hi && mark.until >= lo) {
        let (from, until) = (pixel(mark.from), pixel(mark.until));
        let text = fit(&mark.name, TEXT, WIDEST);
        let wide = text_width(&text, TEXT);
        // At the plot's right edge, names stand to the left of their mark's edge.
        let x = if from + GAP + wide <= width { from + GAP } else { (from - GAP - wide).max(0.0) };
        let row = (0..ROWS).find(|row| is_free(&placed, *row, from, x, x + wide));
        placed.push(Placed { mark, from, until, label: row.map(|row| Label { row, x, text }) });
    }
    placed
}

/// Whether a name can stand in `row` from `x` to `end`. Its mark's edge comes up to it through all lower rows.
fn is_free(placed: &[Placed], row: usize, edge: f64, x: f64, end: f64) -> bool {
    placed.iter().filter_map(|other| Some((other, other.label.as_ref()?))).all(|(other, label)| {
        let label_end = label.x + text_width(&label.text, TEXT);
        let apart = label.row != row || label_end + SPACE <= x || end + SPACE <= label.x;
        let is_uncrossed = label.row < row || !(label.x - GAP < edge && edge < label_end + GAP);
        let crosses_none = label.row > row || !(x < other.from && other.from < end);
        apart && is_uncrossed && crosses_none
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chart::style::FAULT;

    fn mark(name: &str, from: f64, until: f64) -> Mark {
        Mark { name: name.into(), from, until, color: FAULT }
    }

    fn rows(marks: &[Mark]) -> Vec<Option<usize>> {
        let placed = place(marks, 0.0, 100.0, 800.0);
        placed.iter().map(|placed| placed.label.as_ref().map(|label| label.row)).collect()
    }

    #[test]
    fn names_that_would_overlap_are_staggered() {
        let marks = [mark("first of all", 10.0, 40.0), mark("second of all", 15.0, 20.0), mark("third", 60.0, 70.0)];
        assert_eq!(rows(&marks), [Some(0), Some(1), Some(0)]);
    }

    #[test]
    fn a_name_without_room_is_left_out() {
        let marks: Vec<Mark> = (0..8).map(|n| mark("a rather long name", f64::from(n), 50.0)).collect();
        let rows = rows(&marks);
        assert_eq!(rows.iter().flatten().count(), ROWS);
        assert_eq!(rows[7], None);
    }

    #[test]
    fn names_stay_within_the_plot() {
        let marks = [mark("late and long enough to stand out", 99.0, f64::INFINITY), mark("too late", 101.0, 105.0)];
        let placed = place(&marks, 0.0, 100.0, 800.0);
        assert_eq!(placed.len(), 1);
        let label = placed[0].label.as_ref().unwrap();
        assert!(label.x + text_width(&label.text, TEXT) < placed[0].from);
        assert_eq!(placed[0].until, 800.0);
    }
}
