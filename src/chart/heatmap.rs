//! A share for each pair of two values, as a heat map: the darker, the larger. Each cell contains its number, so that
//! colours need not be distinguished.

use plotters::prelude::*;
use plotters::style::FontStyle;
use plotters::style::text_anchor::HPos;

use super::render::{document, plain, point, text};
use super::style::{FADED, GRID, INK, PAPER, SUBTITLE, TEXT, TITLE, VERMILLION, WIDTH, fit, text_width};
use crate::text::percent;

/// A map.
#[derive(Debug)]
pub(crate) struct Heatmap<'a> {
    /// What is shown.
    pub title: &'a str,
    /// What it is of.
    pub subtitle: &'a str,
    /// What grows from left to right.
    pub across: &'a str,
    /// Its values.
    pub columns: Vec<String>,
    /// What grows upward.
    pub upward: &'a str,
    /// Its values, from the bottom.
    pub rows: Vec<String>,
    /// Of each row, from the bottom, a share from 0 to 1 for each column; none: not known.
    pub cells: Vec<Vec<Option<f64>>>,
}

const LEFT: f64 = 20.0;
const TOP: f64 = 96.0;
const ROW: f64 = 34.0;

/// The map as an SVG document.
pub(crate) fn heatmap(map: &Heatmap<'_>) -> String {
    let names = map.rows.iter().map(|name| text_width(name, TEXT)).fold(0.0, f64::max).min(160.0);
    let first = LEFT + names + 12.0;
    let width = (WIDTH - 24.0 - first) / map.columns.len().max(1) as f64;
    let bottom = TOP + ROW * map.rows.len() as f64;
    let height = bottom + 62.0;
    let title = format!("{}: {}", map.title, map.subtitle);
    let description = format!("{} of {} by {}.", map.title, map.upward, map.across);
    document(&title, &description, (WIDTH, height), |canvas| {
        canvas.fill(&PAPER)?;
        let bold = text(TITLE, &INK, HPos::Left, FontStyle::Bold);
        canvas.draw(&Text::new(fit(map.title, TITLE, WIDTH - 40.0), point(LEFT, 24.0), bold))?;
        let subtitle = fit(map.subtitle, SUBTITLE, WIDTH - 40.0);
        canvas.draw(&Text::new(subtitle, point(LEFT, 48.0), plain(SUBTITLE, &FADED)))?;
        let upward = format!("↑ {}", map.upward);
        canvas.draw(&Text::new(fit(&upward, TEXT, WIDTH - 40.0), point(LEFT, 76.0), plain(TEXT, &FADED)))?;
        for (number, (name, cells)) in map.rows.iter().zip(&map.cells).enumerate() {
            let y = bottom - ROW * (number as f64 + 1.0);
            let right = text(TEXT, &INK, HPos::Right, FontStyle::Normal);
            canvas.draw(&Text::new(fit(name, TEXT, 160.0), point(first - 8.0, y + ROW / 2.0), right))?;
            for (column, share) in cells.iter().enumerate() {
                let x = first + width * column as f64;
                let corners = [point(x, y), point(x + width, y + ROW)];
                if let Some(share) = share {
                    canvas.draw(&Rectangle::new(corners, VERMILLION.mix(0.05 + 0.8 * share).filled()))?;
                }
                canvas.draw(&Rectangle::new(corners, GRID.stroke_width(4)))?;
                let shown = share.map_or("?".into(), percent);
                let style = if share.is_some_and(|share| share > 0.7) { &PAPER } else { &INK };
                let at = point(x + width / 2.0, y + ROW / 2.0);
                canvas.draw(&Text::new(shown, at, text(TEXT, style, HPos::Center, FontStyle::Normal)))?;
            }
        }
        for (column, name) in map.columns.iter().enumerate() {
            let at = point(first + width * (column as f64 + 0.5), bottom + 15.0);
            let name = fit(name, TEXT, width);
            canvas.draw(&Text::new(name, at, text(TEXT, &INK, HPos::Center, FontStyle::Normal)))?;
        }
        let across = fit(&format!("{} →", map.across), TEXT, WIDTH - first);
        let at = point((first + WIDTH) / 2.0, bottom + 42.0);
        canvas.draw(&Text::new(across, at, text(TEXT, &FADED, HPos::Center, FontStyle::Normal)))
    })
}
