//! `latency.hlog`: the latencies as an HdrHistogram interval log (V2, compressed), which other HdrHistogram tools read.
//! Values are nanoseconds; each line's tag is `GROUP.METRIC`.

use std::io;
use std::time::Duration;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};

use crate::metrics::Measured;
use crate::time::{Nanos, Timestamp};

/// The whole log, its lines in order of time.
pub(super) fn log(measured: &Measured) -> io::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for (group, latencies) in &measured.groups {
        for (name, latency) in latencies {
            let tag = format!("{group}.{name}");
            lines.extend(latency.intervals().map(|(start, length, histogram)| (start, tag.clone(), length, histogram)));
        }
    }
    lines.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    written(&lines)
}

/// A log with one line for each tag, over so much of the run.
///
/// # Errors
/// When a histogram can't be written, which would be a bug.
pub fn histogram_log<'a>(
    histograms: impl Iterator<Item = (String, &'a Histogram<u64>)>,
    length: Nanos,
) -> io::Result<Vec<u8>> {
    let lines: Vec<_> = histograms.map(|(tag, histogram)| (Timestamp::ZERO, tag, length, histogram.clone())).collect();
    written(&lines)
}

/// Start, tag, length and values of each line.
fn written(lines: &[(Timestamp, String, Nanos, Histogram<u64>)]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut serializer = V2DeflateSerializer::new();
    let mut builder = IntervalLogWriterBuilder::new();
    builder.add_comment("Values in nanoseconds, times in seconds of the run. Interval_Max in milliseconds.");
    builder.with_max_value_divisor(1e6);
    let mut writer = builder.begin_log_with(&mut bytes, &mut serializer)?;
    for (start, tag, length, histogram) in lines {
        let tag = Tag::new(tag);
        writer
            .write_histogram(histogram, Duration::from_nanos(start.0), Duration::from_nanos(length.0), tag)
            .map_err(|error| io::Error::other(format!("{error:?}")))?;
    }
    Ok(bytes)
}
