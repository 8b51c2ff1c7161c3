//! Statistics: means, medians, intervals and tests, each written once. An interval covers what it says, also of few values;
//! where that can't be had, it comes with what it covers.

mod beta;
mod counted;
mod estimate;
mod holm;
mod inverse;
mod kolmogorov;
mod moments;
mod order;
mod paired;
mod queues;
mod ratio;
mod spread;
mod student;
mod waits;

pub(crate) use counted::{share_at_least, share_interval};
pub(crate) use estimate::Estimate;
pub(crate) use holm::holm;
pub(crate) use kolmogorov::{KOLMOGOROV_MEAN, kolmogorov};
pub(crate) use moments::{mean, mean_interval};
pub(crate) use order::{median, median_or_never, range};
pub(crate) use paired::{Difference, Method};
pub(crate) use queues::{erlang_b, erlang_c, mean_wait};
pub(crate) use ratio::{LEAST, Ratio};
pub(crate) use spread::Spread;
pub(crate) use waits::{Constant, Finite, constant_mean_wait};
