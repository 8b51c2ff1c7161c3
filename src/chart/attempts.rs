//! Attempts per second by outcome, stacked.

use plotters::style::RGBColor;

use super::axis::Axis;
use super::number::short;
use super::over_time::{self, seconds};
use super::picture::{Key, Layer, Picture, Point, Swatch};
use super::style::{
    AQUA, BLACK, BLUE, BROWN, CRIMSON, GREEN, GREY, LILAC, NAVY, OLIVE, ORANGE, PURPLE, SAND, SKY, SLATE, VERMILLION,
    YELLOW,
};
use crate::client::Outcome;
use crate::metrics::{Measured, Series};

const OUTCOMES: usize = Outcome::ALL.len();
/// More bars than this share one, which shows the highest of them: they would be narrower than three pixels.
const BARS: usize = 300;

/// An interval's attempts, over the width of several intervals if they share a bar.
#[derive(Debug, Clone)]
struct Bar {
    from: f64,
    until: f64,
    /// The length of the interval.
    length: f64,
    counts: [u64; OUTCOMES],
}

impl Bar {
    /// Makes it as wide as both, and as high as the higher: peaks stay.
    fn share(&mut self, later: Bar) {
        let (from, until) = (self.from, later.until);
        if later.rate(OUTCOMES) > self.rate(OUTCOMES) {
            *self = later;
        }
        (self.from, self.until) = (from, until);
    }

    /// Adds the attempts of the rest of an interval.
    fn absorb(&mut self, later: &Bar) {
        self.until = later.until;
        self.length += later.length;
        self.counts.iter_mut().zip(later.counts).for_each(|(mine, more)| *mine += more);
    }

    /// Attempts per second of the first `outcomes` outcomes.
    fn rate(&self, outcomes: usize) -> f64 {
        let count: u64 = self.counts[..outcomes].iter().sum();
        if self.length > 0.0 { count as f64 / self.length } else { 0.0 }
    }
}

/// The chart.
pub(super) fn picture(measured: &Measured) -> Picture {
    let bars = bars(&measured.series);
    let column = |outcome: Outcome| measured.series.outcomes[outcome as usize].iter();
    let total = |outcome: Outcome| column(outcome).map(|count| u64::from(*count)).sum::<u64>();
    let highest = bars.iter().map(|bar| bar.rate(OUTCOMES)).fold(0.0, f64::max);
    let (mut layers, mut keys) = (Vec::new(), Vec::new());
    // Each area reaches down to zero and the next covers its lower part: no seam shows between them.
    for outcome in Outcome::ALL.into_iter().rev().filter(|outcome| total(*outcome) > 0) {
        let outline = outline(&bars, outcome as usize + 1);
        layers.push(Layer::Area { outline, color: COLORS[outcome as usize], opacity: 1.0 });
        let label = format!("{} ({})", outcome.name().replace('_', " "), short(total(outcome)));
        keys.insert(0, Key { label, color: COLORS[outcome as usize], swatch: Swatch::Area });
    }
    Picture {
        title: "Attempts by outcome",
        description: "Attempts per second over time, stacked by how they came out.",
        x: Axis::time(over_time::end(measured)),
        y: Axis::count("attempts per second", highest, false),
        layers: if highest > 0.0 { layers } else { Vec::new() },
        keys,
        marks: over_time::faults(&measured.faults),
    }
}

fn bars(series: &Series) -> Vec<Bar> {
    let mut bars: Vec<Bar> = Vec::new();
    let mut from = 0.0;
    let in_one = series.ends.len().div_ceil(BARS).max(1);
    let nominal = series.interval.as_secs_f64();
    for (n, end) in series.ends.iter().enumerate() {
        let count = |outcome: usize| series.outcomes[outcome].get(n).copied().map_or(0, u64::from);
        let until = seconds(*end);
        let bar = Bar { from, until, length: until - from, counts: std::array::from_fn(count) };
        from = until;
        // The rest of an interval at the run's end would make a peak of a single attempt.
        let is_rest = n + 1 == series.ends.len() && bar.until - bar.from < nominal / 2.0;
        match bars.last_mut() {
            Some(last) if is_rest => last.absorb(&bar),
            Some(last) if n % in_one != 0 => last.share(bar),
            _ => bars.push(bar),
        }
    }
    bars
}

/// The stairs of the first `outcomes` outcomes together.
fn outline(bars: &[Bar], outcomes: usize) -> Vec<Point> {
    let mut points = Vec::new();
    let mut level = 0.0;
    for bar in bars {
        let rate = bar.rate(outcomes);
        if rate != level {
            points.push((bar.from, level));
            points.push((bar.from, rate));
            level = rate;
        }
    }
    if let Some(last) = bars.last() {
        points.push((last.until, level));
        points.push((last.until, 0.0));
    }
    points
}

/// By the number of the outcome.
const COLORS: [RGBColor; OUTCOMES] = [
    // Opened
    GREEN,      // Redirected
    SKY,        // Rejected
    ORANGE,     // Refused
    VERMILLION, // ConnectTimeout
    PURPLE,     // HandshakeTimeout
    YELLOW,     // Reset
    BLACK,      // Closed
    GREY,       // Invalid
    BLUE,       // BadRedirect
    BROWN,      // Unresolved
    OLIVE,      // Challenged
    LILAC,      // Unauthorized
    CRIMSON,    // ProxyChallenged
    AQUA,       // ProxyUnauthorized
    NAVY,       // ProxyRejected
    SAND,       // TlsFailed
    SLATE,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{Nanos, Timestamp};

    #[test]
    fn the_rest_at_the_end_makes_no_peak() {
        let mut series = Series { interval: Nanos::from_secs(1), ..Series::default() };
        series.ends = vec![Timestamp(1_000_000_000), Timestamp(1_001_000_000)];
        series.outcomes[Outcome::Opened as usize] = vec![10, 1];
        let bars = bars(&series);
        assert_eq!(bars.len(), 1);
        assert_eq!(bars[0].counts[0], 11);
        assert!(bars[0].rate(OUTCOMES) < 11.1);
    }

    #[test]
    fn many_intervals_become_fewer_bars_and_no_peak_is_lost() {
        let mut series = Series { interval: Nanos::from_secs(1), ..Series::default() };
        series.ends = (1..=1_001).map(|second| Timestamp(second * 1_000_000_000)).collect();
        series.outcomes[Outcome::Refused as usize] = vec![2; 1_001];
        series.outcomes[Outcome::Refused as usize][501] = 34_027;
        let bars = bars(&series);
        assert!(bars.len() <= BARS);
        assert_eq!(bars.iter().filter(|bar| bar.rate(OUTCOMES) == 34_027.0).count(), 1);
        assert_eq!(bars.iter().filter(|bar| bar.rate(OUTCOMES) == 2.0).count(), bars.len() - 1);
        assert_eq!((bars[0].from, bars[bars.len() - 1].until), (0.0, 1_001.0));
        // No attempt is lost from the legend.
        let keys = picture(&Measured { series, ..Measured::default() }).keys;
        assert_eq!(keys[0].label, format!("refused ({})", short(36_027)));
    }
}
