//! Runs made for a purpose: one run into a folder, live runs, runs side by side, runs that listen to a few sessions,
//! committed runs compared with new ones, and runs with known answers.

#[cfg(feature = "cli")]
mod budget;
#[cfg(feature = "cli")]
pub mod calibrate;
#[cfg(feature = "cli")]
pub mod capacity;
#[cfg(feature = "cli")]
mod compare;
#[cfg(feature = "cli")]
mod determinism;
#[cfg(feature = "cli")]
mod difference;
#[cfg(feature = "cli")]
mod external_clients;
#[cfg(feature = "cli")]
mod folder;
pub mod hunt;
#[cfg(feature = "cli")]
mod limits;
#[cfg(feature = "cli")]
pub mod live;
#[cfg(any(feature = "cli", feature = "turmoil"))]
mod live_error;
#[cfg(feature = "cli")]
pub mod models;
#[cfg(feature = "cli")]
mod possible;
#[cfg(feature = "cli")]
pub mod programs;
#[cfg(feature = "cli")]
mod recorded;
#[cfg(feature = "cli")]
mod replay;
mod single_run;
#[cfg(feature = "cli")]
pub mod sweep;
#[cfg(feature = "turmoil")]
pub mod turmoil;
#[cfg(feature = "cli")]
mod unreached;
#[cfg(feature = "cli")]
mod verify;
#[cfg(feature = "cli")]
mod watching;

#[cfg(feature = "cli")]
pub use budget::{Estimate, Unaffordable};
#[cfg(feature = "cli")]
pub use compare::{AS_WRITTEN, Choice, Prepared, Source, prepare};
#[cfg(feature = "cli")]
pub use determinism::{DeterminismCheck, Difference};
#[cfg(feature = "cli")]
pub use external_clients::ClientCounts;
#[cfg(feature = "cli")]
pub use folder::{
    FolderError, PreparedFile, may_hold, may_hold_capacity, may_hold_comparison, may_hold_sweep, report_files,
    rewrite_page, write_folder, write_folder_with,
};
#[cfg(any(feature = "cli", feature = "turmoil"))]
pub use live_error::LiveError;
#[cfg(feature = "cli")]
pub use possible::possible;
#[cfg(feature = "cli")]
pub use recorded::{Folder, RecordedError, recorded};
#[cfg(feature = "cli")]
pub use replay::{EventLog, events, exemplars, find, perfetto, trace};
#[cfg(any(feature = "studio", feature = "turmoil"))]
pub(crate) use single_run::caught;
#[cfg(any(feature = "cli", feature = "turmoil"))]
pub(crate) use single_run::file_name;
pub use single_run::{Clients, Finished, Progress, RunError, once, once_with};
#[cfg(feature = "cli")]
pub use unreached::Unreached;
#[cfg(feature = "cli")]
pub use verify::{Verdict, Verified, recorded_runs, verify};

/// Why this program does not run over turmoil, and what to do.
#[cfg(feature = "cli")]
pub(crate) const WITHOUT_TURMOIL: &str = "this program was built without turmoil: build it with `--features turmoil`, or leave `--driver turmoil` out (a \
     scenario without programs of your own has the same run in the simulator)";
#[cfg(feature = "cli")]
pub use watching::Watched;
