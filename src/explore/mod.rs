//! Runs made for a purpose: one run into a folder, live runs, runs side by side, runs that listen to a few sessions,
//! committed runs held against new ones, and runs with known answers.

pub mod calibrate;
pub mod capacity;
mod compare;
mod difference;
mod folder;
pub mod hunt;
mod limits;
pub mod live;
mod live_error;
pub mod models;
mod once;
pub mod programs;
mod recorded;
mod replay;
pub mod sweep;
#[cfg(feature = "turmoil")]
pub mod turmoil;
mod twin;
mod verify;
mod visitors;

pub use compare::{AS_WRITTEN, Choice, Prepared, Source, prepare};
pub use folder::{
    FolderError, PreparedFile, may_hold, may_hold_capacity, may_hold_comparison, may_hold_sweep, report_files,
    rewrite_page, write_folder, write_folder_with,
};
pub use once::{Finished, Progress, once, once_with};
pub use recorded::{RecordedError, recorded};
pub use replay::{Kept, events, exemplars, find, perfetto, trace};
pub use twin::{Difference, Twin};
pub use verify::{Verdict, Verified, recorded_runs, verify};
pub use visitors::Visit;
