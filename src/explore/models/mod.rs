//! Known answers: small scenarios whose outcome queueing theory, a kernel or a paper gives, simulated and compared.
//!
//! An [`Experiment`] is a scenario that is run once per seed and gives one number per [`Answer`]. What holds is decided
//! by [`Outcome::passed`]: from the spread over the seeds, never by eye. `docs/models.md` is written from the same table.

mod answer;
mod clients;
mod closed;
mod document;
mod draws;
mod ends;
mod herds;
mod independent;
mod kernels;
mod knees;
mod links;
mod names;
mod queueing;
mod sharing;
mod simulate;
mod storms;
mod table;
mod tls;
mod waits;

use rayon::prelude::*;

use crate::statistics::Estimate;

pub use answer::{Answer, Experiment, Outcome, Requirement};
pub use document::document;
pub use table::{json, table};

/// Every experiment there is.
pub fn experiments() -> Vec<Experiment> {
    let parts = [
        queueing::all(),
        waits::all(),
        sharing::all(),
        kernels::all(),
        knees::all(),
        links::all(),
        closed::all(),
        draws::all(),
        clients::all(),
        ends::all(),
        names::all(),
        herds::all(),
        storms::all(),
        independent::all(),
        tls::all(),
    ];
    parts.into_iter().flatten().collect()
}

/// Runs experiments on every core there is; the outcomes do not depend on how many. `watch` is called with how many runs are
/// done, of how many.
pub fn run(experiments: &[Experiment], watch: &(dyn Fn(usize, usize) + Sync)) -> Vec<Outcome> {
    let runs: Vec<(usize, u64)> = experiments
        .iter()
        .enumerate()
        .flat_map(|(number, experiment)| (1..=experiment.seeds).map(move |seed| (number, seed)))
        .collect();
    let done = std::sync::atomic::AtomicUsize::new(0);
    let measured: Vec<Vec<f64>> = runs
        .par_iter()
        .with_max_len(1)
        .map(|(number, seed)| {
            let values = (experiments[*number].measure)(*seed);
            watch(done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1, runs.len());
            values
        })
        .collect();
    let mut outcomes = Vec::new();
    for (number, experiment) in experiments.iter().enumerate() {
        let of_this: Vec<&Vec<f64>> =
            runs.iter().zip(&measured).filter(|((of, _), _)| *of == number).map(|(_, values)| values).collect();
        for (place, answer) in experiment.answers.iter().enumerate() {
            // A run that could not tell (no value) makes the mean NaN, which holds nothing.
            let values: Vec<f64> =
                of_this.iter().map(|values| values.get(place).copied().unwrap_or(f64::NAN)).collect();
            outcomes.push(Outcome {
                experiment: experiment.name.clone(),
                follows: experiment.follows,
                answer: answer.clone(),
                estimate: Estimate::of(&values),
            });
        }
    }
    outcomes
}
