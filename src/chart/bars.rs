//! A comparison of runs: a row for each, and a column of bars for each metric. All bars of a column have one scale, from
//! zero.

use plotters::prelude::*;
use plotters::style::FontStyle;
use plotters::style::text_anchor::HPos;

use super::render::{Canvas, Drawn, document, plain, point, stroke, text};
use super::style::{
    BLUE, FADED, FAINT, GRID, INK, PAPER, RULE, SKY, SUBTITLE, TEXT, TITLE, VERMILLION, WIDTH, fit, text_width,
};

const LEFT: f64 = 20.0;
const RIGHT: f64 = WIDTH - 20.0;
/// Where the first band begins.
const TOP: f64 = 68.0;
const ROW: f64 = 26.0;
const BAR: f64 = 14.0;
/// Between two stripes of a bar without an end.
const HATCH: f64 = 7.0;
/// The two lines of a column's name.
const HEAD: f64 = 40.0;
/// Between two bands.
const GAP: f64 = 18.0;
/// Between two columns.
const GUTTER: f64 = 22.0;
/// No column is narrower: a band has no more of them than fit.
const NARROWEST: f64 = 210.0;
/// The names of rows take no more.
const WIDEST_NAME: f64 = 230.0;

/// What is compared.
#[derive(Debug)]
pub(crate) struct Bars<'a> {
    /// What the runs are about.
    pub title: &'a str,
    /// What they are runs of.
    pub subtitle: &'a str,
    /// The runs' names.
    pub rows: Vec<String>,
    /// The metrics.
    pub columns: Vec<Column>,
}

/// One metric of every run.
#[derive(Debug)]
pub(crate) struct Column {
    /// Its name.
    pub name: String,
    /// Whether it is a share: its scale then ends at all of it.
    pub whole: bool,
    /// One for each run.
    pub cells: Vec<Cell>,
}

/// One metric of one run.
#[derive(Debug, Default)]
pub(crate) struct Cell {
    /// How long its bar is; none: there is none.
    pub value: Option<f64>,
    /// The least and the largest, where there are several.
    pub range: Option<(f64, f64)>,
    /// The value as text.
    pub shown: String,
    /// It is longer than any bar.
    pub endless: bool,
}

/// The chart as an SVG document.
pub(crate) fn bars(bars: &Bars<'_>) -> String {
    let names = bars.rows.iter().map(|name| text_width(name, TEXT)).fold(0.0, f64::max).min(WIDEST_NAME);
    let first = LEFT + names + 14.0;
    let most = (((RIGHT - first + GUTTER) / (NARROWEST + GUTTER)) as usize).max(1);
    let bands = bars.columns.len().div_ceil(most).max(1);
    // As even as it goes: not four and then one.
    let in_band = bars.columns.len().div_ceil(bands).max(1);
    let band = HEAD + ROW * bars.rows.len() as f64 + GAP;
    let height = TOP + band * bands as f64;
    let place = Place { first, width: (RIGHT - first + GUTTER) / in_band as f64 - GUTTER };
    let title = format!("{}: {}", bars.title, bars.subtitle);
    let described: Vec<String> = bars.columns.iter().map(|column| column.name.clone()).collect();
    let description = format!("Bars of {} for {}.", described.join(", "), bars.rows.join(", "));
    document(&title, &description, (WIDTH, height), |canvas| {
        canvas.fill(&PAPER)?;
        let bold = text(TITLE, &INK, HPos::Left, FontStyle::Bold);
        canvas.draw(&Text::new(fit(bars.title, TITLE, RIGHT - LEFT), point(LEFT, 24.0), bold))?;
        let subtitle = fit(bars.subtitle, SUBTITLE, RIGHT - LEFT);
        canvas.draw(&Text::new(subtitle, point(LEFT, 48.0), plain(SUBTITLE, &FADED)))?;
        for (number, columns) in bars.columns.chunks(in_band).enumerate() {
            let top = TOP + band * number as f64;
            draw_names(canvas, bars, top)?;
            for (number, column) in columns.iter().enumerate() {
                let left = place.first + (place.width + GUTTER) * number as f64;
                draw_column(canvas, column, (left, place.width), top)?;
            }
        }
        Ok(())
    })
}

struct Place {
    first: f64,
    width: f64,
}

/// The middle of a row.
fn middle(top: f64, row: usize) -> f64 {
    top + HEAD + ROW * (row as f64 + 0.5)
}

fn draw_names<'a>(canvas: &Canvas<'a>, bars: &Bars<'_>, top: f64) -> Drawn<'a> {
    for (row, name) in bars.rows.iter().enumerate() {
        let y = middle(top, row);
        if row % 2 == 0 {
            let corners = [point(LEFT - 6.0, y - ROW / 2.0), point(RIGHT + 6.0, y + ROW / 2.0)];
            canvas.draw(&Rectangle::new(corners, FAINT.mix(0.7).filled()))?;
        }
        canvas.draw(&Text::new(fit(name, TEXT, WIDEST_NAME), point(LEFT, y), plain(TEXT, &INK)))?;
    }
    Ok(())
}

fn draw_column<'a>(canvas: &Canvas<'a>, column: &Column, (left, width): (f64, f64), top: f64) -> Drawn<'a> {
    let (line, rest) = in_two(&column.name, width);
    for (text, y) in [(line, top + 10.0), (rest, top + 27.0)] {
        canvas.draw(&Text::new(fit(&text, TEXT, width), point(left, y), plain(TEXT, &FADED)))?;
    }
    let largest = |cell: &Cell| cell.range.map(|(_, largest)| largest).or(cell.value).unwrap_or(0.0);
    let end = match column.whole {
        true => 1.0,
        false => column.cells.iter().map(largest).fold(0.0, f64::max),
    };
    // What the longest text beside a bar takes.
    let texts = column.cells.iter().map(|cell| text_width(&cell.shown, TEXT)).fold(0.0, f64::max);
    let room = (width - texts - 8.0).max(20.0);
    let length = |value: f64| if end > 0.0 { value / end * room } else { 0.0 };
    for (row, cell) in column.cells.iter().enumerate() {
        let y = middle(top, row);
        let bar = |to: f64, style: ShapeStyle| {
            Rectangle::new([point(left, y - BAR / 2.0), point(left + to, y + BAR / 2.0)], style)
        };
        let mut after = left;
        if cell.endless {
            // Longer than any: hatched, to the end of the scale.
            canvas.draw(&bar(room, SKY.mix(0.25).filled()))?;
            let stripes = (0..).map(|nth| f64::from(nth) * HATCH).take_while(|x| *x + BAR <= room);
            for x in stripes {
                let ends = vec![point(left + x, y + BAR / 2.0), point(left + x + BAR, y - BAR / 2.0)];
                canvas.draw(&PathElement::new(ends, stroke(VERMILLION, 1.0, 1.5)))?;
            }
            after += room;
        } else if let Some(value) = cell.value {
            canvas.draw(&bar(length(value), BLUE.filled()))?;
            after += length(value);
        }
        if let Some((least, most)) = cell.range {
            let ends = vec![point(left + length(least), y), point(left + length(most), y)];
            canvas.draw(&PathElement::new(ends, stroke(INK, 1.0, 1.5)))?;
            after = after.max(left + length(most));
        }
        let shown = if cell.endless { "never" } else { &cell.shown };
        canvas.draw(&Text::new(shown.to_string(), point(after + 5.0, y), plain(TEXT, &INK)))?;
    }
    let bottom = top + HEAD + ROW * column.cells.len() as f64;
    let axis = vec![point(left, top + HEAD), point(left, bottom)];
    canvas.draw(&PathElement::new(axis, stroke(RULE, 1.0, 1.0)))?;
    let rule = vec![point(left, top + HEAD - 1.0), point(left + width, top + HEAD - 1.0)];
    canvas.draw(&PathElement::new(rule, stroke(GRID, 1.0, 1.0)))
}

/// A metric's path in two lines, parted at the last dot before which it fits.
fn in_two(name: &str, width: f64) -> (String, String) {
    if text_width(name, TEXT) <= width {
        return (String::new(), name.to_string());
    }
    let mut dots = name.match_indices('.').map(|(at, _)| at + 1);
    let fits = |at: &usize| text_width(&name[..*at], TEXT) <= width;
    let at = dots.clone().rfind(fits).or_else(|| dots.next_back()).unwrap_or(0);
    (name[..at].to_string(), name[at..].to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_parted_at_a_dot() {
        let parts = |name: &str| in_two(name, 150.0);
        assert_eq!(parts("outage.p99"), (String::new(), "outage.p99".into()));
        let (first, second) = parts("servers.gateway.transactions_in_use_max");
        assert_eq!((first.as_str(), second.as_str()), ("servers.gateway.", "transactions_in_use_max"));
    }

    #[test]
    fn a_chart_of_nothing_is_still_one() {
        let svg = bars(&Bars { title: "T", subtitle: "s", rows: Vec::new(), columns: Vec::new() });
        assert!(svg.contains("<title>T: s</title>") && svg.ends_with("</svg>\n"), "{svg}");
    }
}
