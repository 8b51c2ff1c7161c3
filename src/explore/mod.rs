//! Runs made for a purpose: one run into a folder, live runs, runs side by side, runs that listen to a few sessions,
//! committed runs held against new ones, and runs with known answers.

pub mod calibrate;
pub mod capacity;
mod compare;
mod determinism;
mod difference;
mod external_clients;
mod folder;
pub mod hunt;
mod limits;
pub mod live;
mod live_error;
pub mod models;
pub mod programs;
mod recorded;
mod replay;
mod single_run;
pub mod sweep;
#[cfg(feature = "turmoil")]
pub mod turmoil;
mod verify;

pub use compare::{AS_WRITTEN, Choice, Prepared, Source, prepare};
pub use determinism::{DeterminismCheck, Difference};
pub use external_clients::ClientCounts;
pub(crate) use folder::file_name;
pub use folder::{
    FolderError, PreparedFile, may_hold, may_hold_capacity, may_hold_comparison, may_hold_sweep, report_files,
    rewrite_page, write_folder, write_folder_with,
};
pub use recorded::{RecordedError, recorded};
pub use replay::{EventLog, events, exemplars, find, perfetto, trace};
pub(crate) use single_run::caught;
pub use single_run::{Finished, Progress, once, once_with};
pub use verify::{Verdict, Verified, recorded_runs, verify};
