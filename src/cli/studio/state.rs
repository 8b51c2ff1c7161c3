//! What one studio knows: its guard, its folder, the scenario that it began with, and the latest reports.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use super::guard::Guard;
use crate::cli::options::stem;

/// Reports that are kept: the one that is shown, and some before it.
const KEPT: usize = 4;

/// What one studio knows.
pub(super) struct Studio {
    pub(super) guard: Guard,
    /// Below which it writes.
    pub(super) root: PathBuf,
    /// The scenario's file name, and what results call it.
    pub(super) file: String,
    pub(super) name: String,
    /// The scenario as it was when the studio began.
    pub(super) text: String,
    /// The latest request for a run: older ones end.
    pub(super) latest: AtomicU64,
    reports: Mutex<VecDeque<(u64, String)>>,
}

impl Studio {
    pub(super) fn new(guard: Guard, root: PathBuf, file: &str, text: String) -> Studio {
        let name = stem(Path::new(file));
        Studio { guard, root, file: file.into(), name, text, latest: AtomicU64::new(0), reports: Mutex::default() }
    }

    /// Keeps a report. Its number.
    pub(super) fn keep(&self, page: String) -> u64 {
        let mut reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        let number = reports.back().map_or(1, |(number, _)| number + 1);
        reports.push_back((number, page));
        if reports.len() > KEPT {
            reports.pop_front();
        }
        number
    }

    pub(super) fn report(&self, number: u64) -> Option<String> {
        let reports = self.reports.lock().unwrap_or_else(PoisonError::into_inner);
        reports.iter().find(|(own, _)| *own == number).map(|(_, page)| page.clone())
    }
}
