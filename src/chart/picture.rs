//! The description of a chart: axes, layers of data, a legend, and marked intervals of the x axis.

use plotters::style::RGBColor;

use super::axis::Axis;

/// A point in the axes' coordinates.
pub(super) type Point = (f64, f64);

/// One chart.
#[derive(Debug)]
pub(super) struct Picture {
    /// What is shown.
    pub title: &'static str,
    /// The same in a sentence, for those who cannot see it.
    pub description: &'static str,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// The data, from back to front. None: there is no data, and the chart says so.
    pub layers: Vec<Layer>,
    /// The legend.
    pub keys: Vec<Key>,
    /// Named stretches or places of the x axis, in order.
    pub marks: Vec<Mark>,
}

/// Something drawn on the plot.
#[derive(Debug)]
pub(super) enum Layer {
    /// A line.
    Line {
        /// Its points.
        points: Vec<Point>,
        /// Its colour.
        color: RGBColor,
        /// Its width in pixels.
        width: f64,
    },
    /// A thin dashed line.
    Dashes {
        /// Its points.
        points: Vec<Point>,
        /// Its colour.
        color: RGBColor,
    },
    /// A filled area.
    Area {
        /// Its outline.
        outline: Vec<Point>,
        /// Its colour.
        color: RGBColor,
        /// 1 hides what is behind.
        opacity: f64,
    },
    /// A round dot.
    Dot {
        /// Its centre.
        at: Point,
        /// Its colour.
        color: RGBColor,
        /// Its radius in pixels.
        radius: f64,
    },
}

/// An entry of the legend.
#[derive(Debug)]
pub(super) struct Key {
    /// What it says.
    pub label: String,
    /// The colour it explains.
    pub color: RGBColor,
    /// How that colour is used.
    pub swatch: Swatch,
}

/// How a colour is used in a chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Swatch {
    /// As a line.
    Line,
    /// As a dashed line.
    Dashes,
    /// As a filled area.
    Area,
    /// As a pale area.
    Pale,
}

/// A named stretch of the x axis.
#[derive(Debug)]
pub(super) struct Mark {
    /// The name at its top.
    pub name: String,
    /// Where it begins.
    pub from: f64,
    /// Where it ends; at `from`, it is a place and no stretch. May lie beyond the axis.
    pub until: f64,
    /// The colour of its edge and, pale, of its stretch.
    pub color: RGBColor,
}
