//! What a metric says.

use crate::time::Nanos;

/// The value of a metric, with its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// A duration; none if it is infinite, or if nothing was measured.
    Duration(Option<Nanos>),
    /// How many.
    Count(u64),
    /// A count and its total.
    Part {
        /// How many.
        count: u64,
        /// The total.
        of: u64,
    },
    /// Between 0 and 1; none without a total.
    Ratio(Option<f64>),
}
