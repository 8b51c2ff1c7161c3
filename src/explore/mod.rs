//! Runs made for a purpose: one run into a folder, committed runs held against new ones, and runs with known answers.

mod folder;
pub mod models;
mod once;
mod verify;

pub use folder::{FolderError, may_hold, write_folder};
pub use once::{Finished, Progress, once};
pub use verify::{Verdict, Verified, recorded_runs, verify};
