//! `latency.hlog`: the latencies as an HdrHistogram interval log (V2, compressed), which other HdrHistogram tools read.
//! Values are nanoseconds; each line's tag is `GROUP.METRIC`.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::interval_log::{
    IntervalLogHistogram, IntervalLogIterator, IntervalLogWriterBuilder, LogEntry, LogIteratorError, Tag,
};
use hdrhistogram::serialization::{Deserializer, V2DeflateSerializer};

use crate::metrics::{Latency, Measured};
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

/// The values of each tag in such a log, those of all its intervals together.
///
/// # Errors
/// What is wrong with the log.
pub fn read_histogram_log(log: &[u8]) -> Result<BTreeMap<String, Latency>, String> {
    let mut all: BTreeMap<String, Latency> = BTreeMap::new();
    let mut deserializer = Deserializer::new();
    let mut values = |line: &IntervalLogHistogram<'_>| {
        let bytes = STANDARD.decode(line.encoded_histogram()).ok()?;
        deserializer.deserialize(&mut bytes.as_slice()).ok().map(Latency::of)
    };
    for entry in IntervalLogIterator::new(log) {
        let entry = entry.map_err(|LogIteratorError::ParseError { offset }| format!("no log from byte {offset} on"))?;
        if let LogEntry::Interval(line) = entry {
            let start = line.start_timestamp();
            let values = values(&line).ok_or_else(|| format!("no histogram in the interval from {start:?} on"))?;
            all.entry(line.tag().map_or("", |tag| tag.as_str()).to_string()).or_default().merge(&values);
        }
    }
    Ok(all)
}

/// One metric of all client groups together. The log has what came to an end; of `count` values the others never did.
pub fn of_all_groups(log: &BTreeMap<String, Latency>, name: &str, count: u64) -> Latency {
    let mut latency = Latency::default();
    let groups = log.iter().filter(|(tag, _)| tag.rsplit_once('.').is_some_and(|(_, own)| own == name));
    groups.for_each(|(_, of_group)| latency.merge(of_group));
    latency.add_unfinished(count.saturating_sub(latency.count()));
    latency
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
