//! Latencies: exact count, sum, minimum and maximum, percentiles from an HdrHistogram, and a histogram per interval.
//!
//! Values are collected and sorted once per interval: recording costs the hot loop one push, and equal
//! values, which are frequent in simulations, are counted in one step.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};

use crate::time::{Nanos, Timestamp};

/// Three significant digits: percentiles are at most 0.1 % off. The range grows with the values.
fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are within the histogram's range")
}

/// One latency metric.
#[derive(Debug, Clone)]
pub struct Latency {
    pending: Vec<u64>,
    histogram: Histogram<u64>,
    /// Unfinished measurements: longer than any other.
    unfinished: u64,
    sum: u128,
    min: u64,
    max: u64,
    intervals: Vec<Interval>,
    counts: Vec<(u64, u64)>,
    /// The values by segment of the run in which their measurements began. Empty if there is one segment.
    parts: Vec<Part>,
    /// The current segment.
    segment: usize,
    /// Values since the last interval ended whose measurements began in earlier segments.
    strays: Vec<(usize, u64)>,
    /// How many of `pending` were counted by an earlier segment.
    counted: usize,
}

/// The values of one segment.
#[derive(Debug, Clone)]
struct Part {
    /// From where to where they are in [`Latency::counts`].
    ranges: Vec<(usize, usize)>,
    /// (value, count) of those that share an interval with another segment's.
    apart: Vec<(u64, u64)>,
    unfinished: u64,
    sum: u128,
    min: u64,
    max: u64,
}

impl Part {
    const NONE: Part = Part { ranges: Vec::new(), apart: Vec::new(), unfinished: 0, sum: 0, min: u64::MAX, max: 0 };

    fn add(&mut self, value: u64, count: u64) {
        self.sum += u128::from(value) * u128::from(count);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }
}

/// Where an interval's (value, count) pairs lie in `counts`.
#[derive(Debug, Clone, Copy)]
struct Interval {
    start: Timestamp,
    length: Nanos,
    first: usize,
    len: usize,
}

/// The totals of a latency, as text and numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// The histogram of all finished values (HdrHistogram V2, deflated, base64).
    histogram: String,
    unfinished: u64,
    /// In decimal digits, because it may exceed the range of numbers in JSON.
    sum_ns: String,
    min_ns: u64,
    max_ns: u64,
}

/// Percentiles of one interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percentiles {
    /// Half of the values are at most this.
    pub p50: Nanos,
    /// 90 % of the values are at most this.
    pub p90: Nanos,
    /// 99 % of the values are at most this.
    pub p99: Nanos,
    /// The largest value.
    pub max: Nanos,
    /// How many values there are.
    pub samples: u64,
}

impl Default for Latency {
    fn default() -> Latency {
        Latency {
            pending: Vec::new(),
            histogram: histogram(),
            unfinished: 0,
            sum: 0,
            min: u64::MAX,
            max: 0,
            intervals: Vec::new(),
            counts: Vec::new(),
            parts: Vec::new(),
            segment: 0,
            strays: Vec::new(),
            counted: 0,
        }
    }
}

impl Latency {
    /// Records a value; it counts from the next [`Latency::end_interval`] on.
    #[inline]
    pub fn record(&mut self, value: Nanos) {
        self.pending.push(value.0);
    }

    /// Prepares for a run that is cut into so many segments.
    pub(super) fn cut_into(mut self, segments: usize) -> Latency {
        if segments > 1 {
            self.parts = vec![Part::NONE; segments];
        }
        self
    }

    /// Records a value whose measurement began in a segment.
    #[inline]
    pub(super) fn record_of(&mut self, value: Nanos, segment: usize) {
        if segment == self.segment {
            self.pending.push(value.0);
        } else {
            self.strays.push((segment, value.0));
        }
    }

    /// The next segment begins.
    pub(super) fn cut(&mut self) {
        let mut own = self.pending[self.counted..].to_vec();
        self.counted = self.pending.len();
        self.count_apart(self.segment, &mut own);
        self.segment += 1;
    }

    /// Counts values as a segment's, beside the intervals.
    fn count_apart(&mut self, segment: usize, values: &mut [u64]) {
        values.sort_unstable();
        for run in values.chunk_by(|a, b| a == b) {
            let (value, count) = (self.histogram_value(run[0]), run.len() as u64);
            let part = &mut self.parts[segment];
            part.add(run[0], count);
            match part.apart.last_mut() {
                Some((last, known)) if *last == value => *known += count,
                _ => part.apart.push((value, count)),
            }
        }
    }

    /// A value at the histogram's resolution.
    fn histogram_value(&self, value: u64) -> u64 {
        self.histogram.lowest_equivalent(value)
    }

    /// Counts unfinished measurements that began in a segment.
    pub(super) fn add_unfinished_of(&mut self, count: u64, segment: usize) {
        self.unfinished += count;
        if let Some(part) = self.parts.get_mut(segment) {
            part.unfinished += count;
        }
    }

    /// The values of some segments together.
    pub(super) fn of_segments(&self, segments: &[usize]) -> Latency {
        let mut all = Latency::default();
        for part in segments.iter().filter_map(|number| self.parts.get(*number)) {
            let counts = part.ranges.iter().flat_map(|(from, until)| &self.counts[*from..*until]);
            for (value, count) in counts.chain(&part.apart) {
                all.histogram.record_n(*value, *count).expect("the range grows");
            }
            all.unfinished += part.unfinished;
            all.sum += part.sum;
            all.min = all.min.min(part.min);
            all.max = all.max.max(part.max);
        }
        all
    }

    /// Records `count` equal values at once, outside of any interval.
    pub fn record_n(&mut self, value: Nanos, count: u64) {
        if count > 0 {
            self.histogram.record_n(value.0, count).expect("the range grows");
            self.sum += u128::from(value.0) * u128::from(count);
            self.min = self.min.min(value.0);
            self.max = self.max.max(value.0);
        }
    }

    /// What was recorded since the last interval ended, in nanoseconds.
    pub(super) fn pending(&self) -> impl Iterator<Item = u64> + '_ {
        self.pending.iter().copied().chain(self.strays.iter().map(|(_, value)| *value))
    }

    /// Counts unfinished measurements.
    pub fn add_unfinished(&mut self, count: u64) {
        self.unfinished += count;
    }

    /// Closes an interval: counts its values and returns their percentiles, `None` when there are none.
    pub fn end_interval(&mut self, start: Timestamp, length: Nanos) -> Option<Percentiles> {
        let mut values = std::mem::take(&mut self.pending);
        // Values of one segment are those of the interval. Otherwise they are counted apart.
        let whole = self.counted == 0 && self.strays.is_empty();
        if !whole && !self.parts.is_empty() {
            let mut own = values[self.counted..].to_vec();
            self.count_apart(self.segment, &mut own);
        }
        self.counted = 0;
        for (segment, value) in std::mem::take(&mut self.strays) {
            self.count_apart(segment, &mut [value]);
            values.push(value);
        }
        values.sort_unstable();
        let at = |percent: usize| {
            let rank = (values.len() * percent).div_ceil(100).max(1);
            values.get(rank - 1).map(|value| Nanos(*value))
        };
        let percentiles = at(50).map(|p50| Percentiles {
            p50,
            p90: at(90).unwrap_or(p50),
            p99: at(99).unwrap_or(p50),
            max: at(100).unwrap_or(p50),
            samples: values.len() as u64,
        });
        let first = self.counts.len();
        for run in values.chunk_by(|a, b| a == b) {
            self.record_n(Nanos(run[0]), run.len() as u64);
            // Kept at the histogram's resolution, so that varied values cost no more room than its buckets.
            let value = self.histogram_value(run[0]);
            if whole && let Some(part) = self.parts.get_mut(self.segment) {
                part.add(run[0], run.len() as u64);
            }
            match self.counts[first..].last_mut() {
                Some((last, count)) if *last == value => *count += run.len() as u64,
                _ => self.counts.push((value, run.len() as u64)),
            }
        }
        let len = self.counts.len() - first;
        if whole
            && len > 0
            && let Some(part) = self.parts.get_mut(self.segment)
        {
            match part.ranges.last_mut() {
                Some((_, until)) if *until == first => *until = first + len,
                _ => part.ranges.push((first, first + len)),
            }
        }
        if len > 0 {
            self.intervals.push(Interval { start, length, first, len });
        }
        values.clear();
        self.pending = values;
        percentiles
    }

    /// Adds the totals of another (not its intervals).
    pub fn merge(&mut self, other: &Latency) {
        self.histogram.add(&other.histogram).expect("both histograms grow as needed");
        self.unfinished += other.unfinished;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// The totals, in a form that can be kept and merged elsewhere. Intervals are left out.
    pub fn totals(&self) -> Totals {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(&self.histogram, &mut bytes).expect("a vector takes whatever is written");
        Totals {
            histogram: STANDARD.encode(bytes),
            unfinished: self.unfinished,
            sum_ns: self.sum.to_string(),
            min_ns: self.min,
            max_ns: self.max,
        }
    }

    /// A latency with these totals; `None` when they are damaged.
    pub fn restored(totals: &Totals) -> Option<Latency> {
        let bytes = STANDARD.decode(&totals.histogram).ok()?;
        Some(Latency {
            histogram: Deserializer::new().deserialize(&mut bytes.as_slice()).ok()?,
            unfinished: totals.unfinished,
            sum: totals.sum_ns.parse().ok()?,
            min: totals.min_ns,
            max: totals.max_ns,
            ..Latency::default()
        })
    }

    /// A latency of these values. Its extremes and its sum are as exact as the histogram is.
    pub fn of(histogram: Histogram<u64>) -> Latency {
        let sum = histogram
            .iter_recorded()
            .map(|step| u128::from(step.value_iterated_to()) * u128::from(step.count_since_last_iteration()));
        Latency { sum: sum.sum(), min: histogram.min(), max: histogram.max(), histogram, ..Latency::default() }
    }

    /// All finished values.
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }

    /// Values, the unfinished ones included.
    pub fn count(&self) -> u64 {
        self.histogram.len() + self.unfinished
    }

    /// The value that a share of `parts / whole` of all values does not exceed; `None` if that value is
    /// unfinished, or if there are no values.
    pub fn percentile(&self, parts: u64, whole: u64) -> Option<Nanos> {
        let rank = (u128::from(self.count()) * u128::from(parts)).div_ceil(u128::from(whole)).max(1) as u64;
        if rank > self.histogram.len() {
            return None;
        }
        let mut seen = 0;
        for step in self.histogram.iter_recorded() {
            seen += step.count_since_last_iteration();
            if seen >= rank {
                let value = self.histogram.highest_equivalent(step.value_iterated_to());
                return Some(Nanos(value.clamp(self.min, self.max)));
            }
        }
        None
    }

    /// The exact smallest value.
    pub fn min(&self) -> Option<Nanos> {
        (!self.histogram.is_empty()).then_some(Nanos(self.min))
    }

    /// The exact largest value; `None` if one is unfinished.
    pub fn max(&self) -> Option<Nanos> {
        (!self.histogram.is_empty() && self.unfinished == 0).then_some(Nanos(self.max))
    }

    /// The exact mean; `None` if a value is unfinished.
    pub fn mean(&self) -> Option<Nanos> {
        let count = self.histogram.len();
        (count > 0 && self.unfinished == 0).then(|| Nanos((self.sum / u128::from(count)) as u64))
    }

    /// Every interval that has values: its start, its length and its histogram.
    pub fn intervals(&self) -> impl Iterator<Item = (Timestamp, Nanos, Histogram<u64>)> + '_ {
        self.intervals.iter().map(|interval| {
            let mut of_interval = histogram();
            for (value, count) in &self.counts[interval.first..interval.first + interval.len] {
                of_interval.record_n(*value, *count).expect("the range grows");
            }
            (interval.start, interval.length, of_interval)
        })
    }

    /// (quantile, value) from the smallest to the largest finished value, as a percentile plot wants them: points get
    /// denser towards 1, up to what the number of values can tell. Unfinished values push quantiles down.
    pub fn curve(&self) -> Vec<(f64, Nanos)> {
        let total = self.count();
        let mut points = Vec::new();
        let mut seen = 0;
        for step in self.histogram.iter_recorded() {
            let value = self.histogram.highest_equivalent(step.value_iterated_to());
            let value = Nanos(value.clamp(self.min, self.max));
            points.push((seen as f64 / total as f64, value));
            seen += step.count_since_last_iteration();
            points.push((seen as f64 / total as f64, value));
        }
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latency(values: impl IntoIterator<Item = u64>) -> Latency {
        let mut latency = Latency::default();
        values.into_iter().for_each(|value| latency.record(Nanos(value)));
        latency.end_interval(Timestamp::ZERO, Nanos(1));
        latency
    }

    #[test]
    fn percentiles_are_within_a_thousandth_and_the_rest_is_exact() {
        let all = latency((1..=100_000).map(|n| n * 1_000));
        for (parts, exact) in [(5_000, 50_000_000.0), (9_900, 99_000_000.0), (9_999, 99_990_000.0)] {
            let value = all.percentile(parts, 10_000).unwrap().0 as f64;
            assert!((value / exact - 1.0).abs() < 1e-3, "{value} for {exact}");
        }
        assert_eq!(all.min(), Some(Nanos(1_000)));
        assert_eq!(all.max(), Some(Nanos(100_000_000)));
        assert_eq!(all.mean(), Some(Nanos(50_000_500)));
        assert_eq!(all.count(), 100_000);
    }

    #[test]
    fn a_percentile_that_the_unfinished_reach_has_no_value() {
        let mut all = latency(1..=98);
        all.add_unfinished(2);
        assert_eq!(all.percentile(98, 100), Some(Nanos(98)));
        assert_eq!(all.percentile(99, 100), None);
        assert_eq!((all.max(), all.mean(), all.min()), (None, None, Some(Nanos(1))));
        assert_eq!(Latency::default().percentile(50, 100), None);
    }

    #[test]
    fn intervals_keep_their_own_values() {
        let mut all = Latency::default();
        all.record(Nanos(7));
        let first = all.end_interval(Timestamp(0), Nanos(10)).unwrap();
        assert_eq!((first.p50, first.max), (Nanos(7), Nanos(7)));
        assert_eq!(all.end_interval(Timestamp(10), Nanos(10)), None);
        all.record(Nanos(9));
        all.record(Nanos(9));
        all.end_interval(Timestamp(20), Nanos(10));
        let kept: Vec<_> = all.intervals().map(|(start, _, h)| (start.0, h.len(), h.max())).collect();
        assert_eq!(kept, [(0, 1, 7), (20, 2, 9)]);
    }

    #[test]
    fn totals_are_restored_whole() {
        let mut all = latency([5, 1, 70_000]);
        all.add_unfinished(2);
        let kept = serde_json::to_string(&all.totals()).unwrap();
        let back = Latency::restored(&serde_json::from_str(&kept).unwrap()).unwrap();
        assert_eq!(back.totals(), all.totals());
        assert_eq!((back.count(), back.min(), back.percentile(3, 5)), (5, Some(Nanos(1)), all.percentile(3, 5)));
    }

    #[test]
    fn merging_adds_up() {
        let mut a = latency([5, 1]);
        let mut b = latency([900]);
        b.add_unfinished(1);
        a.merge(&b);
        assert_eq!((a.count(), a.min(), a.percentile(3, 4)), (4, Some(Nanos(1)), Some(Nanos(900))));
    }
}
