//! Progress of anything that takes longer than a second, and Ctrl-C.

use std::io::IsTerminal;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::explore::{Clients, Progress};
use crate::text::{counted, grouped};
use crate::time::{Nanos, human};

/// How often Ctrl-C was pressed.
static INTERRUPTS: AtomicU32 = AtomicU32::new(0);

/// From now on the first Ctrl-C, SIGTERM or SIGHUP asks for an end, and the second ends the process.
pub(super) fn catch_interrupts() {
    // Fails only when a handler is set already: then that one serves.
    let _ = ctrlc::set_handler(|| {
        if INTERRUPTS.fetch_add(1, Ordering::SeqCst) > 0 {
            std::process::exit(130);
        }
    });
}

/// From now on Ctrl-C, SIGTERM or SIGHUP ends the process at once, with the exit code of an interruption: for commands that
/// keep nothing of what is not whole.
pub(super) fn end_when_interrupted() {
    let _ = ctrlc::set_handler(|| {
        eprintln!("interrupted: nothing is kept of it");
        std::process::exit(130);
    });
}

/// Whether Ctrl-C was pressed.
pub(super) fn interrupted() -> bool {
    INTERRUPTS.load(Ordering::SeqCst) > 0
}

/// Shows how a run goes on: a bar on a terminal, a line now and then elsewhere.
pub(super) struct Watcher {
    started: Instant,
    bar: Option<ProgressBar>,
    said: Instant,
    /// Whether nothing is shown.
    pub quiet: bool,
}

/// Nothing is shown before this.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two lines where there is no terminal.
const PAUSE: Duration = Duration::from_secs(5);

impl Watcher {
    pub(super) fn new(quiet: bool) -> Watcher {
        let now = Instant::now();
        Watcher { started: now, bar: None, said: now, quiet }
    }

    /// Looks at the progress. False when the run should end.
    pub(super) fn watch(&mut self, progress: Progress) -> bool {
        if interrupted() {
            return false;
        }
        let elapsed = self.started.elapsed();
        if self.quiet || elapsed < PATIENCE {
            return true;
        }
        let shown = shown(&progress, elapsed);
        if std::io::stderr().is_terminal() {
            let bar = self.bar.get_or_insert_with(|| bar_with(progress.end.0, "{bar:24} {percent:>3} %  {msg}"));
            bar.set_position(progress.now.0);
            bar.set_message(shown);
        } else if self.said.elapsed() >= PAUSE {
            self.said = Instant::now();
            eprintln!("{:3.0} %  {shown}", progress.now.0 as f64 / progress.end.0 as f64 * 100.0);
        }
        true
    }

    /// Takes the bar away. How long the run took.
    pub(super) fn finish(self) -> Duration {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        self.started.elapsed()
    }
}

/// How far a run is, how fast, and how long it still takes.
fn shown(progress: &Progress, elapsed: Duration) -> String {
    let (now, end) = (Nanos(progress.now.0), Nanos(progress.end.0));
    let times = format!("{} of {}", human(now), human(end));
    match progress.clients {
        Some(Clients { open, failed }) => {
            format!("{times} · {} open · {}", grouped(open), counted(failed, "failed attempt"))
        }
        None => {
            let rate = progress.events as f64 / elapsed.as_secs_f64() / 1e6;
            // As if the rest took as long: runs are seldom as even as that.
            let left = elapsed.as_secs_f64() * (end.0 as f64 / (now.0 as f64).max(1.0) - 1.0);
            format!("{times} · {rate:.1} M events/s · {left:.0} s left")
        }
    }
}

/// Shows how many runs of many are done; several threads may say so.
pub(super) struct Counter {
    started: Instant,
    /// Runs that were done before.
    before: usize,
    quiet: bool,
    shown: Mutex<(Option<ProgressBar>, Instant)>,
}

impl Counter {
    pub(super) fn new(before: usize, quiet: bool) -> Counter {
        let now = Instant::now();
        Counter { started: now, before, quiet, shown: Mutex::new((None, now)) }
    }

    /// `done` runs are done, of `of`: the others take as long as these.
    pub(super) fn watch(&self, done: usize, of: usize) {
        let here = done.saturating_sub(self.before).max(1);
        self.watch_work(done, of, (of - done) as f64 / here as f64);
    }

    /// `done` runs are done, of `of`, and what is left takes so many times as long as what was done here.
    pub(super) fn watch_work(&self, done: usize, of: usize, left: f64) {
        if self.quiet || self.started.elapsed() < PATIENCE {
            return;
        }
        let elapsed = self.started.elapsed().as_secs_f64();
        let rate = done.saturating_sub(self.before) as f64 / elapsed;
        let left = elapsed * left;
        // A panic elsewhere ends the process anyway; the count may as well be shown.
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, said) = &mut *shown;
        if std::io::stderr().is_terminal() {
            let bar = known.get_or_insert_with(|| bar_with(of as u64, "{bar:40} {percent:>3} %  {msg}"));
            bar.set_length(of as u64);
            bar.set_position(done as u64);
            bar.set_message(format!("{done} of {of} runs · {rate:.1} runs/s · {left:.0} s left"));
        } else if said.elapsed() >= PAUSE {
            *said = Instant::now();
            eprintln!("{done} of {of} runs · {rate:.1} runs/s · {left:.0} s left");
        }
    }

    /// Takes the bar away.
    pub(super) fn finish(self) {
        if let (Some(bar), _) = self.shown.into_inner().unwrap_or_else(PoisonError::into_inner) {
            bar.finish_and_clear();
        }
    }
}

fn bar_with(end: u64, template: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(template);
    ProgressBar::new(end).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    #[test]
    fn what_is_shown_fits_the_kind_of_time() {
        let at = |clients| Progress {
            now: Timestamp(2_000_000_000),
            end: Timestamp(8_000_000_000),
            events: 4_000_000,
            clients,
        };
        let shown = |clients| shown(&at(clients), Duration::from_secs(1));
        assert_eq!(shown(None), "2.00 s of 8.00 s · 4.0 M events/s · 3 s left");
        let clients = Clients { open: 1_200, failed: 3 };
        assert_eq!(shown(Some(clients)), "2.00 s of 8.00 s · 1,200 open · 3 failed attempts");
    }
}
