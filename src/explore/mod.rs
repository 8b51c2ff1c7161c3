//! Runs made for a purpose: one run into a folder, and committed runs held against new ones.

mod folder;
mod once;
mod verify;

pub use folder::{FolderError, write_folder};
pub use once::{Finished, Progress, once};
pub use verify::{Verified, recorded_runs, verify};
