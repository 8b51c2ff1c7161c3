//! Events on their way to the recorder, put in order of time.

use shakedown_core::event::{Event, Kind};
use shakedown_core::record::Recorder;
use shakedown_core::time::{Nanos, Timestamp};

/// An event is kept for this long: what comes later and happened earlier still finds its place.
const HORIZON: Nanos = Nanos::from_secs(1);
/// How long they gather: what stays is moved each time that some go.
const GATHER: Nanos = Nanos::from_millis(100);

/// Events that are not recorded yet. All are stamped when they are noticed, but for the scheduled starts of sessions:
/// those are stamped with their schedule, however late the driver is, so that its own slowness counts as waiting.
#[derive(Debug, Default)]
pub(super) struct Events {
    waiting: Vec<(Timestamp, Kind)>,
    flushed: u64,
    last: Timestamp,
}

impl Events {
    pub(crate) fn push(&mut self, at: Timestamp, kind: Kind) {
        self.waiting.push((at, kind));
    }

    /// Events recorded so far.
    pub(crate) fn flushed(&self) -> u64 {
        self.flushed
    }

    /// Records what is old enough, some at a time.
    pub(crate) fn flush(&mut self, now: Timestamp, recorder: &mut impl Recorder) {
        if self.waiting.first().is_some_and(|(at, _)| *at + HORIZON + GATHER <= now) {
            self.record_before(now - HORIZON, recorder);
        }
    }

    /// Records everything; nothing is later than the end.
    pub(crate) fn finish(&mut self, end: Timestamp, recorder: &mut impl Recorder) {
        self.record_before(end, recorder);
        self.waiting.clear();
    }

    fn record_before(&mut self, end: Timestamp, recorder: &mut impl Recorder) {
        // Stable: what has the same stamp stays in the order in which it came.
        self.waiting.sort_by_key(|(at, _)| *at);
        let count = self.waiting.partition_point(|(at, _)| *at < end);
        for (at, kind) in self.waiting.drain(..count) {
            self.last = self.last.max(at);
            recorder.record(&Event { at: self.last, seq: self.flushed, kind });
            self.flushed += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shakedown_core::client;

    fn event(session: u32) -> Kind {
        Kind::Session(session, client::Event::Ended)
    }

    #[test]
    fn what_was_noticed_late_finds_its_place() {
        let mut events = Events::default();
        let ms = |number: u64| Timestamp::ZERO + Nanos::from_millis(number);
        for number in 0..300 {
            events.push(ms(number), event(number as u32));
        }
        events.push(ms(100), event(1_000));
        let mut all: Vec<Event> = Vec::new();
        events.flush(ms(50) + HORIZON, &mut all);
        assert_eq!(all.len(), 0, "too few");
        events.flush(ms(200) + HORIZON, &mut all);
        assert_eq!(all.len(), 201);
        assert_eq!(all[101].kind, event(1_000));
        // Too late for its place: it comes at the end, and time does not go back.
        events.push(ms(5), event(7));
        events.finish(ms(400), &mut all);
        assert_eq!(all.len(), 302);
        assert!(all.is_sorted_by_key(|event| (event.at, event.seq)));
        assert_eq!((all[201].kind, all[201].at), (event(7), ms(199)));
    }
}
