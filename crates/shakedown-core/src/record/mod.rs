//! Recorders, which receive a run's events.

mod digest;
mod wire;

pub use digest::Digest;
pub use wire::{Fate, Flag, Message, Party, Transmission};

use crate::event::Event;

/// Takes the events of a run, in order.
pub trait Recorder {
    /// One event. Called many times per simulated handshake: keep it small.
    fn record(&mut self, event: &Event);

    /// Several, in order. What takes most events of a run has a loop of its own for them, compiled where it is written.
    fn record_all(&mut self, events: &[Event]) {
        for event in events {
            self.record(event);
        }
    }
}

/// Both recorders see every event.
impl<A: Recorder, B: Recorder> Recorder for (A, B) {
    fn record(&mut self, event: &Event) {
        self.0.record(event);
        self.1.record(event);
    }

    fn record_all(&mut self, events: &[Event]) {
        self.0.record_all(events);
        self.1.record_all(events);
    }
}

impl<R: Recorder + ?Sized> Recorder for &mut R {
    fn record(&mut self, event: &Event) {
        (**self).record(event);
    }

    fn record_all(&mut self, events: &[Event]) {
        (**self).record_all(events);
    }
}

/// Takes them if it is there.
impl<R: Recorder> Recorder for Option<R> {
    fn record(&mut self, event: &Event) {
        if let Some(recorder) = self {
            recorder.record(event);
        }
    }

    fn record_all(&mut self, events: &[Event]) {
        if let Some(recorder) = self {
            recorder.record_all(events);
        }
    }
}

/// Keeps every event: for tests and for reading a small run.
impl Recorder for Vec<Event> {
    fn record(&mut self, event: &Event) {
        self.push(*event);
    }
}

/// Keeps none.
impl Recorder for () {
    fn record(&mut self, _: &Event) {}
    fn record_all(&mut self, _: &[Event]) {}
}
