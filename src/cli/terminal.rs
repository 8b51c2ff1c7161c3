//! Colour where a reader sees it, and a chart of characters.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::ValueEnum;

use crate::metrics::{Measured, Value};
use crate::text::{WIDTH as WIDTH_OF_TEXT, beside_labels, percent};
use crate::time::{Nanos, Timestamp, human};

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

static COLORED: AtomicBool = AtomicBool::new(false);

impl Color {
    /// Decides it for this process.
    pub(super) fn decide(self) {
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let colored = match self {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
                !is_set("NO_COLOR") && !dumb && std::io::stdout().is_terminal()
            }
        };
        COLORED.store(colored, Ordering::Relaxed);
    }
}

/// Something that is well.
pub(super) fn good(text: &str) -> String {
    painted("32", text)
}

/// Something that is not.
pub(super) fn bad(text: &str) -> String {
    painted("1;31", text)
}

/// Something less important.
pub(super) fn faint(text: &str) -> String {
    painted("2", text)
}

fn painted(code: &str, text: &str) -> String {
    if COLORED.load(Ordering::Relaxed) { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
}

/// The columns of a chart.
const WIDTH: usize = 60;
/// From nothing at all to all of the time.
const BLOCKS: [char; 9] = ['_', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Faults below the chart, at most.
const FAULTS: usize = 4;

/// Availability over time, the lowest in each column, and below it when which fault was on. Nothing where nobody ever
/// wanted to be open.
pub(super) fn availability(measured: &Measured) -> String {
    let series = &measured.series;
    let Some(end) = series.ends.last().filter(|end| end.0 > 0) else { return String::new() };
    let width = WIDTH.min(series.ends.len());
    let mut columns: Vec<Option<f64>> = vec![None; width];
    let mut lowest: Option<(f64, Timestamp)> = None;
    // Until sessions are as available as they are on average, they come for the first time: that is no failure.
    let mean = match measured.summary.get("availability.mean") {
        Some(Value::Ratio(Some(mean))) => mean,
        _ => 0.0,
    };
    let mut is_ramp_up = true;
    for (row, (at, value)) in series.ends.iter().zip(&series.availability).enumerate() {
        let Some(value) = *value else { continue };
        let column = &mut columns[row * width / series.ends.len()];
        *column = Some(column.map_or(value, |known| known.min(value)));
        is_ramp_up &= value < mean;
        if !is_ramp_up && lowest.is_none_or(|(known, _)| value < known) {
            lowest = Some((value, *at));
        }
    }
    let Some((least, at)) = lowest else { return String::new() };
    // Full means all of the time: what is less is seen to be less.
    let block = |share: f64| match share {
        all if all >= 1.0 => BLOCKS[8],
        none if none <= 0.0 => BLOCKS[0],
        some => BLOCKS[1 + (some * 7.0) as usize],
    };
    let line: String = columns.iter().map(|column| column.map_or(' ', block)).collect();
    let each = human(Nanos(end.0 / width as u64));
    let title = format!(
        "           lowest availability per {each} column; minimum after the ramp-up {} at {}",
        percent(least),
        human(at.since(Timestamp::ZERO))
    );
    let title = beside_labels(&title, 11, WIDTH_OF_TEXT);
    let mut text = format!("{title}{}{line}{}\n", faint("           ▕"), faint("▏"));
    for fault in measured.faults.iter().take(FAULTS) {
        let place = |at: Timestamp| (at.0 as u128 * width as u128 / end.0 as u128) as usize;
        let from = place(fault.from).min(width - 1);
        let until = fault.until.map_or(width, place).clamp(from + 1, width);
        // The name stands beside the line where there is room, else below it.
        let (begin, line, name) = (" ".repeat(from), "▔".repeat(until - from), &fault.name);
        let room = WIDTH_OF_TEXT - 12;
        let length = name.chars().count() + 1;
        text += &match (until + length <= room, length <= from) {
            (true, _) => format!("            {begin}{} {name}\n", bad(&line)),
            (_, true) => format!("            {}{name} {}\n", " ".repeat(from - length), bad(&line)),
            _ => format!("            {begin}{}\n            {name}\n", bad(&line)),
        };
    }
    if measured.faults.len() > FAULTS {
        text += &format!("            and {} more faults\n", measured.faults.len() - FAULTS);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{FaultWindow, Series, Summary};

    #[test]
    fn a_dip_is_seen_however_many_intervals_share_its_column() {
        let second = |n: u64| Timestamp(n * 1_000_000_000);
        let mut series = Series { ends: (1..=120).map(second).collect(), ..Series::default() };
        series.availability = vec![Some(1.0); 120];
        series.availability[0] = None;
        series.availability[1] = None;
        series.availability[40] = Some(0.0);
        series.availability[43] = Some(0.999);
        series.availability[60] = Some(0.5);
        let faults = vec![FaultWindow { name: "dies".into(), from: second(40), until: Some(second(42)) }];
        let measured = Measured { series, faults, ..Measured::default() };
        let full = |count: usize| "█".repeat(count);
        let expected = format!(
            "           lowest availability per 2.00 s column; minimum after the ramp-up 0 %\n           at 41.0 s\n           ▕ {}_▇{}▄{}▏\n            {}▔ dies\n",
            full(19),
            full(8),
            full(29),
            " ".repeat(20),
        );
        assert_eq!(availability(&measured), expected);
    }

    #[test]
    fn the_ramp_up_is_not_the_minimum() {
        let second = |n: u64| Timestamp(n * 1_000_000_000);
        let mut series = Series { ends: (1..=10).map(second).collect(), ..Series::default() };
        series.availability = vec![Some(1.0); 10];
        series.availability[0] = Some(0.1);
        series.availability[1] = Some(0.7);
        series.availability[6] = Some(0.8);
        let mut measured = Measured { series, ..Measured::default() };
        let minimum = |measured: &Measured| {
            let all = availability(measured);
            let title = all.split_once('▕').unwrap().0.split_whitespace().collect::<Vec<_>>().join(" ");
            title.rsplit_once("ramp-up ").unwrap().1.to_string()
        };
        assert_eq!(minimum(&measured), "10 % at 1.00 s");
        measured.summary = Summary::of([("availability.mean", Value::Ratio(Some(0.85)))]);
        assert_eq!(minimum(&measured), "80 % at 7.00 s");
    }

    #[test]
    fn nothing_to_show_is_no_chart() {
        assert_eq!(availability(&Measured::default()), "");
    }
}
