//! A global allocator that counts: the system's, with three numbers per thread beside it.
//!
//! Counts are per thread, so that tests that run side by side do not see each other, and plain cells, so that counting
//! is a few additions per allocation.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What a thread has allocated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counts {
    /// Calls that took memory: allocations and reallocations.
    pub allocations: u64,
    /// Bytes taken and not given back.
    pub live: i64,
    /// The most bytes that were live at once since [`reset_peak`].
    pub peak: i64,
}

thread_local! {
    static COUNTS: Cell<Counts> = const { Cell::new(Counts { allocations: 0, live: 0, peak: 0 }) };
}

/// This thread's counts.
pub(crate) fn counts() -> Counts {
    COUNTS.get()
}

/// Begins a new peak at what is live now, and returns that.
pub(crate) fn reset_peak() -> i64 {
    let mut counts = COUNTS.get();
    counts.peak = counts.live;
    COUNTS.set(counts);
    counts.live
}

/// The counting allocator.
pub(crate) struct Counting;

fn taken(bytes: usize, given_back: usize) {
    let mut counts = COUNTS.get();
    counts.allocations += 1;
    // A buffer that grows is counted as the old one beside the new: whether the system can do better is its affair.
    counts.live += bytes as i64;
    counts.peak = counts.peak.max(counts.live);
    counts.live -= given_back as i64;
    COUNTS.set(counts);
}

// SAFETY: every call is passed on to the system's allocator unchanged; the cell has no destructor and is initialised at
// compile time, so that counting itself never allocates.
// An allocator can be nothing else.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size(), 0);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        taken(layout.size(), 0);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        taken(size, layout.size());
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        let mut counts = COUNTS.get();
        counts.live -= layout.size() as i64;
        COUNTS.set(counts);
        unsafe { System.dealloc(memory, layout) }
    }
}
