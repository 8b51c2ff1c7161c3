//! Axes: their range and their labels.

use libm::log10;

use super::number::{duration, nice_step, tick};
use crate::time::{Nanos, Timestamp};

/// One axis. Coordinates are seconds, counts, or the logarithm of what the axis shows.
#[derive(Debug)]
pub(super) struct Axis {
    /// What it shows, with its unit.
    pub name: String,
    /// Its beginning.
    pub lo: f64,
    /// Its end, always larger.
    pub hi: f64,
    /// Its grid.
    pub ticks: Vec<Tick>,
}

/// A line of the grid.
#[derive(Debug)]
pub(super) struct Tick {
    /// Where.
    pub at: f64,
    /// None for the lines in between.
    pub label: Option<String>,
}

impl Axis {
    /// Time since the run's start, in the unit that suits its length.
    pub(super) fn time(end: Timestamp) -> Axis {
        let end = end.since(Timestamp::ZERO).as_secs_f64();
        let (unit, seconds) = match end {
            e if e < 1.0 => ("ms", 0.001),
            e if e <= 600.0 => ("s", 1.0),
            e if e <= 36_000.0 => ("min", 60.0),
            _ => ("h", 3_600.0),
        };
        let length = end / seconds;
        let (mut step, decimals) = nice_step(length / 12.0);
        if matches!(unit, "s" | "min") && step >= 50.0 {
            // Sixty of these make the next unit.
            step = if length <= 360.0 { 30.0 } else { 60.0 };
        }
        // A run without length has nothing to tell apart.
        let count = if length > 0.0 { (length / step + 1e-9) as usize + 1 } else { 0 };
        let ticks = (0..count)
            .map(|n| Tick { at: n as f64 * step * seconds, label: Some(format!("{:.decimals$}", n as f64 * step)) });
        Axis {
            name: format!("time since start ({unit})"),
            lo: 0.0,
            hi: if end > 0.0 { end } else { 1.0 },
            ticks: ticks.collect(),
        }
    }

    /// From zero to a little above `largest`. `whole`: there are no halves of what is counted.
    pub(super) fn count(name: &str, largest: f64, whole: bool) -> Axis {
        let hi = if largest > 0.0 { largest * 1.06 } else { 1.0 };
        let least = hi / 8.0;
        let (step, decimals) = nice_step(if whole { least.max(1.0) } else { least });
        let count = (hi / step + 1e-9) as usize;
        let top = count as f64 * step;
        let ticks =
            (0..=count).map(|n| Tick { at: n as f64 * step, label: Some(tick(n as f64 * step, top, decimals)) });
        Axis { name: name.into(), lo: 0.0, hi, ticks: ticks.collect() }
    }

    /// From 0 to 100 %.
    pub(super) fn share(name: &str) -> Axis {
        let ticks = (0..=10).map(|n| Tick { at: f64::from(n * 10), label: Some((n * 10).to_string()) });
        Axis { name: name.into(), lo: 0.0, hi: 100.0, ticks: ticks.collect() }
    }

    /// A logarithmic axis that holds all `values`.
    pub(super) fn log(name: &str, values: impl Iterator<Item = Nanos>) -> Axis {
        let (mut least, mut largest, mut has_zero) = (u64::MAX, 1, false);
        for value in values {
            match value.0 {
                0 => has_zero = true,
                ns => (least, largest) = (least.min(ns), largest.max(ns)),
            }
        }
        let least = least.min(largest) as f64;
        let all = || (0..19).flat_map(|exponent| [1, 2, 5].map(|mantissa| (mantissa, exponent)));
        let at = |(mantissa, exponent): (u64, u32)| log10(mantissa as f64) + f64::from(exponent);
        // A twentieth of room on either side keeps lines off the edges.
        let lo = all().map(at).take_while(|at| *at <= log10(least * 0.95)).last().unwrap_or(0.0);
        let hi = all().map(at).find(|at| *at >= log10(largest as f64 * 1.05)).unwrap_or(19.0);
        let hi = if hi > lo { hi } else { lo + 1.0 };
        let decades = hi - lo;
        let ticks = all().filter(|place| (lo..=hi).contains(&at(*place))).filter_map(|place| {
            let (mantissa, exponent) = place;
            let label = (mantissa == 1 || decades < 2.2).then(|| duration(mantissa, exponent));
            (label.is_some() || decades < 6.0).then(|| Tick { at: at(place), label })
        });
        // Zero has no place on a logarithmic axis.
        let note = if has_zero { " (0 at the bottom)" } else { "" };
        Axis { name: format!("{name}{note}"), lo, hi, ticks: ticks.collect() }
    }

    /// Percentiles on the scale of 1 / (1 - q), where each further nine takes the same room, as far as `count` values
    /// can tell.
    pub(super) fn percentile(count: u64) -> Axis {
        let hi = quantile(1.0, count).max(1.1);
        let mut ticks = vec![(0.0, "0 %".into()), (quantile(0.5, u64::MAX), "50 %".into())];
        if hi < 2.2 {
            ticks.push((quantile(0.75, u64::MAX), "75 %".into()));
        }
        for nines in (1_u8..20).take_while(|nines| f64::from(*nines) <= hi) {
            let label = match nines {
                1 => "90 %".into(),
                2 => "99 %".into(),
                _ => format!("99.{} %", "9".repeat(usize::from(nines) - 2)),
            };
            ticks.push((f64::from(nines), label));
        }
        let ticks = ticks.into_iter().map(|(at, label)| Tick { at, label: Some(label) });
        Axis { name: "percentile".into(), lo: 0.0, hi, ticks: ticks.collect() }
    }
}

/// Where a quantile lies on [`Axis::percentile`]. The last of `count` values reaches up to 1, which lies at infinity:
/// it is drawn up to the middle of what it stands for.
pub(super) fn quantile(quantile: f64, count: u64) -> f64 {
    let rest = (1.0 - quantile).max(0.5 / count.max(1) as f64);
    -log10(rest.min(1.0))
}

/// Where a value lies on [`Axis::log`].
pub(super) fn log(value: Nanos) -> f64 {
    log10(value.0.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().filter_map(|tick| tick.label.as_deref()).collect()
    }

    #[test]
    fn time_is_in_the_unit_that_suits_it() {
        let axis = |seconds| Axis::time(Timestamp::ZERO + Nanos::from_secs(seconds));
        assert_eq!(labels(&axis(60)), ["0", "5", "10", "15", "20", "25", "30", "35", "40", "45", "50", "55", "60"]);
        assert_eq!(labels(&axis(600)).last(), Some(&"600"));
        assert_eq!(axis(601).name, "time since start (min)");
        assert_eq!(axis(100_000).name, "time since start (h)");
        assert_eq!(labels(&Axis::time(Timestamp(200_000_000)))[..3], ["0", "20", "40"]);
        assert_eq!(labels(&Axis::time(Timestamp(3))).last(), Some(&"0.0000030"));
        for end in [0, 1, 999, 36_000_000_000_001, u64::MAX] {
            let axis = Axis::time(Timestamp(end));
            assert!(axis.hi > axis.lo && axis.ticks.len() <= 14, "{end}: {axis:?}");
        }
    }

    #[test]
    fn counts_begin_at_zero_and_are_whole() {
        assert_eq!(labels(&Axis::count("", 10_000.0, true)), ["0", "2k", "4k", "6k", "8k", "10k"]);
        assert_eq!(labels(&Axis::count("", 1.0, true)), ["0", "1"]);
        assert_eq!(labels(&Axis::count("", 1.0, false)), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert!(Axis::count("", 0.0, true).hi > 0.0);
    }

    #[test]
    fn logarithmic_ticks_get_finer_on_small_ranges() {
        let axis = |values: &[u64]| Axis::log("", values.iter().map(|us| Nanos(us * 1_000)));
        assert_eq!(labels(&axis(&[1_200, 1_700])), ["1 ms", "2 ms"]);
        assert_eq!(labels(&axis(&[2_200, 40_000])), ["2 ms", "5 ms", "10 ms", "20 ms", "50 ms"]);
        assert_eq!(labels(&axis(&[1_100, 7_000_000])), ["1 ms", "10 ms", "100 ms", "1 s", "10 s"]);
        for values in [&[][..], &[0], &[u64::MAX / 1_000], &[0, u64::MAX / 1_000]] {
            let axis = axis(values);
            assert!(axis.hi > axis.lo && axis.lo.is_finite() && axis.hi.is_finite(), "{axis:?}");
        }
    }

    #[test]
    fn each_nine_takes_the_same_room() {
        assert_eq!(labels(&Axis::percentile(10_000)), ["0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %"]);
        assert_eq!(quantile(0.0, 5), 0.0);
        assert!((quantile(0.999, 1_000_000) - 3.0).abs() < 1e-9);
        assert!(quantile(1.0, 0).is_finite());
    }
}
