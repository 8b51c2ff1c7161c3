//! `shakedown metrics`.

use std::path::PathBuf;

use clap::Args;

use super::options::load;
use super::output::{Failure, Format, print};
use crate::metrics::Summary;
use crate::report::metric_list;
use crate::scenario::Overrides;
use crate::text::pretty;

pub(super) const EXAMPLES: &str = "\
Examples:
  shakedown metrics
  shakedown metrics scenarios/failover.toml
  shakedown metrics scenarios/failover.toml --format json | jq '.metrics | keys'

These are the names for [expect], --slo, compare --by and compare --metric: docs/metrics.md has them, too.";

#[derive(Debug, Args)]
pub(super) struct MetricsArgs {
    /// List the metrics of this scenario, with the names of its groups, servers, faults and phases
    scenario: Option<PathBuf>,
    /// Of this variant: the overrides under [variants.NAME]
    #[arg(long, value_name = "NAME", requires = "scenario")]
    variant: Option<String>,
    /// Override a key, after the variant (can be repeated)
    #[arg(long = "set", value_name = "PATH=VALUE", requires = "scenario")]
    sets: Vec<String>,
    /// What to print on standard output
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

pub(super) fn metrics(args: &MetricsArgs) -> Result<(), Failure> {
    let Some(file) = &args.scenario else {
        return print(&match args.format {
            Format::Text => metric_list::text(),
            Format::Json => pretty(&metric_list::json()),
        });
    };
    let (variant, sets) = (args.variant.clone(), args.sets.clone());
    let scenario = load(file, &Overrides { variant, sets, programs: true, ..Overrides::default() })?;
    let summary: Summary = scenario.metrics();
    print(&match args.format {
        Format::Text => metric_list::text_of(summary.names()),
        Format::Json => pretty(&metric_list::json_of(scenario.name(), summary.names())),
    })
}
