//! Turns a [`Picture`] into SVG: the layout that all charts share, drawn with plotters.
//!
//! plotters draws with whole pixels. The canvas is four times as large as the chart that it is shown as, so that
//! slopes are smooth and lines have widths between pixels.

use std::fmt::Write as _;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::FontStyle;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::dash::dash;
use super::labels::{Placed, place};
use super::picture::{Key, Layer, Picture, Point, Swatch};
use super::style::{
    FADED, FAINT, FAULT, GRID, HEIGHT, INK, PAPER, RULE, SUBTITLE, TEXT, TITLE, WIDTH, fit, text_width,
};
use crate::text::{clean, escaped};

const SCALE: f64 = 4.0;
/// Where texts begin, and how far right they may go.
const LEFT: f64 = 20.0;
const RIGHT: f64 = WIDTH - 20.0;
/// The plot's place. Always the same from left to right, so that charts over time can be compared one below the other.
const PLOT_LEFT: f64 = 96.0;
const PLOT_RIGHT: f64 = WIDTH - 36.0;
const PLOT_BOTTOM: f64 = HEIGHT - 60.0;
const LEGEND_TOP: f64 = 64.0;
const LEGEND_ROW: f64 = 21.0;
const LEGEND_ROWS: usize = 3;
const MARK_ROW: f64 = 18.0;
const SWATCH: f64 = 20.0;
/// No legend entry is wider.
const WIDEST_KEY: f64 = 280.0;
/// The opacity of a pale area, and of a marked stretch behind the data.
const PALE: f64 = 0.4;
const SHADE: f64 = 0.11;

pub(super) type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Plot<'a> = DrawingArea<SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
pub(super) type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

/// The chart as an SVG document.
pub(super) fn svg(subtitle: &str, picture: &Picture) -> String {
    let title = if subtitle.is_empty() { picture.title.into() } else { format!("{}: {subtitle}", picture.title) };
    document(&title, &description(picture), (WIDTH, HEIGHT), |canvas| draw(canvas, subtitle, picture))
}

/// A drawing of this width and height as an SVG document.
pub(super) fn document(
    title: &str,
    description: &str,
    (width, height): (f64, f64),
    draw: impl for<'a> FnOnce(&Canvas<'a>) -> Drawn<'a>,
) -> String {
    let mut body = String::new();
    let size = (scaled(width) as u32, scaled(height) as u32);
    let canvas = SVGBackend::with_string(&mut body, size).into_drawing_area();
    draw(&canvas).expect("a string takes whatever is drawn");
    drop(canvas);
    // The backend wrote the opening tag for the large canvas; ours shows it at the chart's size, and adds what the
    // backend cannot say.
    let body = body.split_once('\n').map_or("", |(_, body)| body);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {} {}\" \
         role=\"img\" stroke-linejoin=\"round\">\n<title>{}</title>\n<desc>{}</desc>\n{body}",
        size.0,
        size.1,
        escaped(&clean(title)),
        escaped(&clean(description)),
    )
}

fn description(picture: &Picture) -> String {
    let mut text = picture.description.to_owned();
    for (n, mark) in picture.marks.iter().enumerate() {
        let _ = write!(text, "{}{}", if n == 0 { " Marked: " } else { "; " }, mark.name);
    }
    text
}

fn scaled(pixels: f64) -> i32 {
    (pixels * SCALE + 0.5) as i32
}

pub(super) fn point(x: f64, y: f64) -> (i32, i32) {
    (scaled(x), scaled(y))
}

pub(super) fn stroke(color: RGBColor, opacity: f64, width: f64) -> ShapeStyle {
    ShapeStyle { color: color.mix(opacity), filled: false, stroke_width: scaled(width) as u32 }
}

pub(super) fn text<'a>(size: f64, color: &'a RGBColor, horizontally: HPos, style: FontStyle) -> TextStyle<'a> {
    // The backend divides sizes by 1.24.
    let font = FontDesc::new(FontFamily::SansSerif, size * SCALE * 1.24, style);
    TextStyle::from(font).color(color).pos(Pos::new(horizontally, VPos::Center))
}

pub(super) fn plain<'a>(size: f64, color: &'a RGBColor) -> TextStyle<'a> {
    text(size, color, HPos::Left, FontStyle::Normal)
}

fn draw<'a>(canvas: &Canvas<'a>, subtitle: &str, picture: &Picture) -> Drawn<'a> {
    canvas.fill(&PAPER)?;
    let bold = text(TITLE, &INK, HPos::Left, FontStyle::Bold);
    canvas.draw(&Text::new(picture.title, point(LEFT, 24.0), bold))?;
    canvas.draw(&Text::new(fit(subtitle, SUBTITLE, RIGHT - LEFT), point(LEFT, 48.0), plain(SUBTITLE, &FADED)))?;

    let marks = place(&picture.marks, picture.x.lo, picture.x.hi, PLOT_RIGHT - PLOT_LEFT);
    let keys = keys(picture, &marks);
    let entries = legend(&keys);
    let legend_rows = entries.iter().map(|entry| entry.row + 1).max().unwrap_or(0);
    entries.iter().try_for_each(|entry| draw_key(canvas, entry))?;
    let marks_top = LEGEND_TOP + LEGEND_ROW * legend_rows as f64 + 4.0;
    let mark_rows = marks.iter().filter_map(|placed| Some(placed.label.as_ref()?.row + 1)).max().unwrap_or(0);
    let plot_top = marks_top + MARK_ROW * mark_rows as f64 + if mark_rows > 0 { 4.0 } else { 10.0 };

    let coordinates = Cartesian2d::new(
        picture.x.lo..picture.x.hi,
        picture.y.lo..picture.y.hi,
        (scaled(PLOT_LEFT)..scaled(PLOT_RIGHT), scaled(PLOT_BOTTOM)..scaled(plot_top)),
    );
    let plot = canvas.apply_coord_spec(coordinates);
    shade(canvas, &marks, plot_top)?;
    axes(canvas, &plot, picture, plot_top)?;
    picture.layers.iter().try_for_each(|layer| draw_layer(canvas, &plot, layer))?;
    names(canvas, &marks, marks_top, plot_top)?;
    if picture.layers.is_empty() {
        let middle = point((PLOT_LEFT + PLOT_RIGHT) / 2.0, (plot_top + PLOT_BOTTOM) / 2.0);
        canvas.draw(&Text::new("no data", middle, text(TITLE, &FADED, HPos::Center, FontStyle::Normal)))?;
    }
    Ok(())
}

/// The legend's entries, and one for faults whose names had no room: only faults can be so many.
fn keys(picture: &Picture, marks: &[Placed]) -> Vec<Key> {
    let again = |key: &Key| Key { label: fit(&key.label, TEXT, WIDEST_KEY), ..*key };
    let mut keys: Vec<Key> = picture.keys.iter().map(again).collect();
    let unnamed = marks.iter().filter(|placed| placed.label.is_none()).count();
    if unnamed > 0 {
        let label = format!("{unnamed} more faults");
        keys.push(Key { label, color: FAULT, swatch: Swatch::Pale });
    }
    keys
}

struct Entry<'a> {
    key: &'a Key,
    row: usize,
    x: f64,
}

/// Sets the legend in rows; what has no room in the last one is left out.
fn legend(keys: &[Key]) -> Vec<Entry<'_>> {
    let (mut row, mut x) = (0, LEFT);
    let mut entries = Vec::new();
    for key in keys {
        let width = SWATCH + 6.0 + text_width(&key.label, TEXT);
        if x + width > RIGHT && x > LEFT {
            row += 1;
            x = LEFT;
        }
        if row < LEGEND_ROWS {
            entries.push(Entry { key, row, x });
        }
        x += width + 12.0;
    }
    entries
}

fn draw_key<'a>(canvas: &Canvas<'a>, entry: &Entry) -> Drawn<'a> {
    let Entry { key, x, .. } = entry;
    let y = LEGEND_TOP + LEGEND_ROW * (entry.row as f64 + 0.5);
    let line = |from: f64, to: f64, width| {
        PathElement::new(vec![point(x + from, y), point(x + to, y)], stroke(key.color, 1.0, width))
    };
    match key.swatch {
        Swatch::Line => canvas.draw(&line(0.0, SWATCH, 3.0))?,
        Swatch::Dashes => {
            canvas.draw(&line(0.0, 8.0, 1.5))?;
            canvas.draw(&line(12.0, SWATCH, 1.5))?;
        }
        Swatch::Area | Swatch::Pale => {
            let opacity = if key.swatch == Swatch::Pale { PALE } else { 1.0 };
            let corners = [point(x + 4.0, y - 6.5), point(x + SWATCH - 3.0, y + 6.5)];
            canvas.draw(&Rectangle::new(corners, key.color.mix(opacity).filled()))?;
        }
    }
    canvas.draw(&Text::new(key.label.as_str(), point(x + SWATCH + 6.0, y), plain(TEXT, &INK)))
}

/// The stretches behind the data.
fn shade<'a>(canvas: &Canvas<'a>, marks: &[Placed], top: f64) -> Drawn<'a> {
    for placed in marks.iter().filter(|placed| placed.mark.until > placed.mark.from) {
        let corners = [point(PLOT_LEFT + placed.from, top), point(PLOT_LEFT + placed.until, PLOT_BOTTOM)];
        canvas.draw(&Rectangle::new(corners, placed.mark.color.mix(SHADE).filled()))?;
    }
    Ok(())
}

/// The grid with its labels, and the axes' names.
fn axes<'a>(canvas: &Canvas<'a>, plot: &Plot<'a>, picture: &Picture, top: f64) -> Drawn<'a> {
    let (x, y) = (&picture.x, &picture.y);
    let (left, right, bottom) = (scaled(PLOT_LEFT), scaled(PLOT_RIGHT), scaled(PLOT_BOTTOM));
    let grid = |from, to, is_labelled: bool| {
        PathElement::new(vec![from, to], stroke(if is_labelled { GRID } else { FAINT }, 1.0, 1.0))
    };
    for tick in &x.ticks {
        let (at, _) = plot.map_coordinate(&(tick.at, y.lo));
        canvas.draw(&grid((at, scaled(top)), (at, bottom), tick.label.is_some()))?;
        let style = text(TEXT, &FADED, HPos::Center, FontStyle::Normal);
        canvas.draw(&Text::new(tick.label.as_deref().unwrap_or(""), (at, scaled(PLOT_BOTTOM + 15.0)), style))?;
    }
    // An empty chart has no values to put on the axis.
    for tick in y.ticks.iter().filter(|_| !picture.layers.is_empty()) {
        let (_, at) = plot.map_coordinate(&(x.lo, tick.at));
        canvas.draw(&grid((left, at), (right, at), tick.label.is_some()))?;
        if let Some(label) = &tick.label {
            let style = text(TEXT, &FADED, HPos::Right, FontStyle::Normal);
            canvas.draw(&Text::new(label.as_str(), (scaled(PLOT_LEFT - 8.0), at), style))?;
        }
    }
    canvas.draw(&PathElement::new(vec![(left, bottom), (right, bottom)], stroke(RULE, 1.0, 1.0)))?;

    let centered = text(TEXT, &FADED, HPos::Center, FontStyle::Normal);
    let below = point((PLOT_LEFT + PLOT_RIGHT) / 2.0, HEIGHT - 20.0);
    canvas.draw(&Text::new(x.name.as_str(), below, centered.clone()))?;
    let upward = TextStyle { font: centered.font.transform(FontTransform::Rotate270), ..centered };
    canvas.draw(&Text::new(y.name.as_str(), point(LEFT, (top + PLOT_BOTTOM) / 2.0), upward))
}

fn draw_layer<'a>(canvas: &Canvas<'a>, plot: &Plot<'a>, layer: &Layer) -> Drawn<'a> {
    let pixels = |points: &[Point]| points.iter().map(|point| plot.map_coordinate(point)).collect::<Vec<_>>();
    match layer {
        Layer::Line { points, color, width } => {
            canvas.draw(&PathElement::new(pixels(points), stroke(*color, 1.0, *width)))
        }
        Layer::Dashes { points, color } => {
            let dashes = dash(&pixels(points), 7.0 * SCALE, 5.0 * SCALE);
            let style = stroke(*color, 1.0, 1.5);
            dashes.into_iter().try_for_each(|path| canvas.draw(&PathElement::new(path, style)))
        }
        Layer::Area { outline, color, opacity } => {
            canvas.draw(&Polygon::new(pixels(outline), color.mix(*opacity).filled()))
        }
        Layer::Dot { at, color, radius } => {
            canvas.draw(&Circle::new(plot.map_coordinate(at), scaled(*radius), color.filled()))
        }
    }
}

/// The marks' edges, each from its name down, and the names.
fn names<'a>(canvas: &Canvas<'a>, marks: &[Placed], top: f64, plot_top: f64) -> Drawn<'a> {
    for placed in marks {
        let x = PLOT_LEFT + placed.from;
        let mut edge_top = plot_top;
        if let Some(label) = &placed.label {
            edge_top = top + MARK_ROW * label.row as f64 + 1.0;
            let at = point(PLOT_LEFT + label.x, top + MARK_ROW * (label.row as f64 + 0.5));
            canvas.draw(&Text::new(label.text.as_str(), at, plain(TEXT, &INK)))?;
        }
        let edge = vec![point(x, edge_top), point(x, PLOT_BOTTOM)];
        canvas.draw(&PathElement::new(edge, stroke(placed.mark.color, 0.8, 1.0)))?;
    }
    Ok(())
}
