//! `shakedown merge`.

use std::path::PathBuf;

use clap::Args;

use super::output::{Failure, Format, machine};
use super::{hunt, sweep};
use crate::explore;

#[derive(Debug, Args)]
pub(super) struct MergeArgs {
    /// The folders of all shares
    #[arg(required = true)]
    folders: Vec<PathBuf>,
    /// Write the whole sweep or hunt into this folder, instead of beside the first share
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(super) fn merge(args: &MergeArgs) -> Result<(), Failure> {
    if args.folders.iter().any(|folder| folder.join(explore::hunt::FILE).exists()) {
        return hunt::merged(&explore::hunt::merge(&args.folders, args.out.clone()).map_err(machine)?);
    }
    let (plan, summary, folder) = explore::sweep::merge(&args.folders, args.out.clone()).map_err(machine)?;
    sweep::report(&plan, &summary, &folder, Format::Text, sweep::Shown::Most)
}
