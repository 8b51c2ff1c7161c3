//! Clients on several threads. Each thread has a loop of its own with the sessions of its share of the client hosts, as those
//! of one host may share connections and what they remember; what happens to all of them comes together in order of time.

use std::collections::VecDeque;
use std::io;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Instant;

use super::super::progress::Progress;
use super::network::Share;
use super::run::{LOOK, alone};
use super::setup::{Ended, Setup};
use shakedown_core::event::Event;
use shakedown_core::record::Recorder;
use shakedown_core::scenario::Scenario;
use shakedown_core::time::Timestamp;

/// Events are handed over in batches of this size.
const BATCH: usize = 256;

/// A thread's events, or none when it has no more.
type Message = (u32, Vec<Event>);

/// A thread's recorder: hands its events over.
struct Forward {
    thread: u32,
    batch: Vec<Event>,
    to: Sender<Message>,
}

impl Recorder for Forward {
    fn record(&mut self, event: &Event) {
        self.batch.push(*event);
        if self.batch.len() == BATCH {
            self.send();
        }
    }
}

impl Forward {
    fn send(&mut self) {
        // Nobody listens any more when the run is lost.
        let _ = self.to.send((self.thread, std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH))));
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        if !self.batch.is_empty() {
            self.send();
        }
        self.send();
    }
}

/// Puts the threads' events, each in order, into one order.
#[derive(Default)]
struct Merge {
    threads: Vec<Waiting>,
    recorded: u64,
}

/// A thread's events that have come, and whether those are all.
#[derive(Default)]
struct Waiting {
    events: VecDeque<Event>,
    over: bool,
}

impl Merge {
    fn new(threads: u32) -> Merge {
        Merge { threads: (0..threads).map(|_| Waiting::default()).collect(), recorded: 0 }
    }

    /// Takes a batch, and records all that nothing can come before any more.
    fn take(&mut self, (thread, batch): Message, recorder: &mut impl Recorder) {
        let waiting = &mut self.threads[thread as usize];
        waiting.over |= batch.is_empty();
        waiting.events.extend(batch);
        while self.threads.iter().all(|thread| thread.over || !thread.events.is_empty()) {
            let first = |thread: &&mut Waiting| thread.events.front().map_or(Timestamp::NEVER, |event| event.at);
            let Some(event) = self.threads.iter_mut().min_by_key(first).and_then(|thread| thread.events.pop_front())
            else {
                return;
            };
            recorder.record(&Event { seq: self.recorded, ..event });
            self.recorded += 1;
        }
    }
}

/// Plays a scenario's clients on so many threads, to the end.
pub(super) fn run(
    scenario: &Scenario,
    setup: &Setup,
    recorder: &mut impl Recorder,
    mut watch: impl FnMut(Progress) -> bool,
) -> io::Result<Ended> {
    let of = setup.threads;
    let start = Instant::now();
    let stop = AtomicBool::new(false);
    let (to, messages) = channel();
    thread::scope(|scope| {
        let play = |number: u32| {
            let (mut recorder, stop) = (Forward { thread: number, batch: Vec::new(), to: to.clone() }, &stop);
            scope.spawn(move || {
                let go_on = |_: Progress| !stop.load(Ordering::Relaxed);
                let ended = alone(scenario, setup, (Some(start), Share { number, of }), &mut recorder, |_| {}, go_on);
                if ended.is_err() {
                    stop.store(true, Ordering::Relaxed);
                }
                ended
            })
        };
        let threads: Vec<_> = (0..of).map(play).collect();
        drop(to);
        let recorded = listen(&messages, Merge::new(of), recorder, |recorded| {
            let now = Timestamp(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX));
            if !watch(Progress { now, events: recorded }) {
                stop.store(true, Ordering::Relaxed);
            }
        });
        let mut all = Ended { events: recorded, ..Ended::default() };
        for thread in threads {
            let ended = thread.join().unwrap_or_else(|panic| resume_unwind(panic))?;
            all.at = all.at.max(ended.at);
            all.partial |= ended.partial;
            all.behind = all.behind.max(ended.behind);
        }
        Ok(all)
    })
}

/// Records what comes, until all threads are over: how much that was. `look` hears of it now and then.
fn listen(
    messages: &Receiver<Message>,
    mut merge: Merge,
    recorder: &mut impl Recorder,
    mut look: impl FnMut(u64),
) -> u64 {
    let every = std::time::Duration::from_nanos(LOOK.0);
    let mut looked = Instant::now();
    loop {
        match messages.recv_timeout(every) {
            Ok(message) => merge.take(message, recorder),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return merge.recorded,
        }
        if looked.elapsed() >= every {
            looked = Instant::now();
            look(merge.recorded);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shakedown_core::client;
    use shakedown_core::event::Kind;

    #[test]
    fn events_of_all_threads_come_in_one_order() {
        let batch = |times: &[u64]| {
            let event = |at: &u64| Event { at: Timestamp(*at), seq: 0, kind: Kind::Session(0, client::Event::Ended) };
            times.iter().map(event).collect::<Vec<_>>()
        };
        let mut all: Vec<Event> = Vec::new();
        let mut merge = Merge::new(3);
        for (message, recorded) in [
            ((0, batch(&[1, 5])), 0),
            ((1, batch(&[2])), 0),
            ((2, batch(&[3, 4])), 2),
            ((1, batch(&[])), 4),
            ((0, batch(&[6])), 4),
            ((2, batch(&[])), 6),
            ((0, batch(&[])), 6),
        ] {
            merge.take(message, &mut all);
            assert_eq!(all.len(), recorded);
        }
        let order: Vec<_> = all.iter().map(|event| (event.at.0, event.seq)).collect();
        assert_eq!(order, [(1, 0), (2, 1), (3, 2), (4, 3), (5, 4), (6, 5)]);
    }
}
