//! The look that all charts share: size, colours, type.
//!
//! Colours are those of Okabe and Ito, which readers with any colour vision can distinguish.

use plotters::style::RGBColor;

use crate::text::clean;

/// Width of a chart in pixels.
pub(crate) const WIDTH: f64 = 960.0;
/// Height of a chart in pixels.
pub(crate) const HEIGHT: f64 = 420.0;

pub(crate) const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xB2);
pub(crate) const SKY: RGBColor = RGBColor(0x56, 0xB4, 0xE9);
pub(crate) const GREEN: RGBColor = RGBColor(0x00, 0x9E, 0x73);
pub(crate) const YELLOW: RGBColor = RGBColor(0xF0, 0xE4, 0x42);
pub(crate) const ORANGE: RGBColor = RGBColor(0xE6, 0x9F, 0x00);
pub(crate) const VERMILLION: RGBColor = RGBColor(0xD5, 0x5E, 0x00);
pub(crate) const PURPLE: RGBColor = RGBColor(0xCC, 0x79, 0xA7);
pub(crate) const BLACK: RGBColor = RGBColor(0x00, 0x00, 0x00);
/// Two more for the charts that need more than eight colours: far from the others in lightness.
pub(crate) const GREY: RGBColor = RGBColor(0x99, 0x99, 0x99);
pub(crate) const BROWN: RGBColor = RGBColor(0x6B, 0x3E, 0x1B);
/// And one for what is rare.
pub(crate) const OLIVE: RGBColor = RGBColor(0x7A, 0x8B, 0x2E);
/// Two for authentication: light and dark.
pub(crate) const LILAC: RGBColor = RGBColor(0xC5, 0xB0, 0xE6);
pub(crate) const CRIMSON: RGBColor = RGBColor(0x8E, 0x0B, 0x3A);
/// Three for proxies: light, dark, pale.
pub(crate) const AQUA: RGBColor = RGBColor(0x8F, 0xD6, 0xCF);
pub(crate) const NAVY: RGBColor = RGBColor(0x1D, 0x2B, 0x5E);
pub(crate) const SAND: RGBColor = RGBColor(0xD9, 0xC7, 0x9B);
/// And one for TLS.
pub(crate) const SLATE: RGBColor = RGBColor(0x5B, 0x7F, 0x95);

/// The page.
pub(crate) const PAPER: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);
/// Titles and legends.
pub(crate) const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
/// Subtitles, ticks and the names of axes.
pub(crate) const FADED: RGBColor = RGBColor(0x55, 0x55, 0x55);
/// The lines at labelled ticks.
pub(crate) const GRID: RGBColor = RGBColor(0xDD, 0xDD, 0xDD);
/// The lines between them.
pub(crate) const FAINT: RGBColor = RGBColor(0xF0, 0xF0, 0xF0);
/// The x axis itself.
pub(crate) const RULE: RGBColor = RGBColor(0x88, 0x88, 0x88);
/// Faults: their edge, and behind the data their stretch.
pub(crate) const FAULT: RGBColor = RGBColor(0xB8, 0x6B, 0x00);

/// Titles. All sizes are in pixels, and stay above 12 when a README shows the chart 830 pixels wide.
pub(crate) const TITLE: f64 = 20.0;
/// Subtitles.
pub(crate) const SUBTITLE: f64 = 16.0;
/// Everything else.
pub(crate) const TEXT: f64 = 14.0;

/// How wide a text will be, at most: for a wide sans-serif font, as nobody knows which one will be used.
pub(crate) fn text_width(text: &str, size: f64) -> f64 {
    let ems = |c: char| match c {
        'i' | 'j' | 'l' | '\'' | '|' | '.' | ',' | ':' | ';' | ' ' | 'I' | '!' => 0.33,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '/' | '-' => 0.42,
        'w' => 0.84,
        'm' | 'M' | 'W' | '@' | '%' | '…' => 1.0,
        'A'..='Z' => 0.76,
        _ if c.is_ascii() => 0.64,
        // Chinese, Japanese, Korean and pictographs are as wide as high.
        _ if c >= '\u{1100}' => 1.0,
        _ => 0.76,
    };
    text.chars().map(ems).sum::<f64>() * size
}

/// A clean text, shortened where it would be wider than `width`.
pub(crate) fn fit(text: &str, size: f64, width: f64) -> String {
    let clean = clean(text);
    if text_width(&clean, size) <= width {
        return clean;
    }
    let mut kept = String::new();
    for c in clean.chars() {
        kept.push(c);
        if text_width(&kept, size) + size > width {
            kept.pop();
            break;
        }
    }
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_to_their_room() {
        assert_eq!(fit("short", TEXT, 100.0), "short");
        let cut = fit(&"gateway ".repeat(40), TEXT, 200.0);
        assert!(cut.ends_with('…') && cut.len() > 10, "{cut}");
        assert!(text_width(&cut, TEXT) <= 200.0);
    }
}
