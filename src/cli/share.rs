//! Which share of many runs this process is to make: told, or from the environment of an array job.

use clap::Args;

use super::output::Failure;
use crate::explore::sweep::Shard;

#[derive(Debug, Args)]
pub(super) struct ShareArgs {
    /// Run one share of several only, counted from 0/16; array jobs of Slurm say so themselves
    #[arg(long, value_name = "I/N", conflicts_with = "shards")]
    shard: Option<Shard>,
    /// How many shares there are, where JOB_COMPLETION_INDEX (Kubernetes), AWS_BATCH_JOB_ARRAY_INDEX or SLURM_ARRAY_TASK_ID says
    /// which is this
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    shards: Option<u64>,
}

impl ShareArgs {
    pub(super) fn shard(&self) -> Result<Shard, Failure> {
        shard(self.shard, self.shards, |name| std::env::var(name).ok()).map_err(Failure::Input)
    }
}

/// Which share this process is to run.
fn shard(
    given: Option<Shard>,
    shards: Option<u64>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Shard, String> {
    if let Some(given) = given {
        return Ok(given);
    }
    let number = |name: &str| {
        let value = variable(name);
        value
            .map(|text| {
                text.trim()
                    .parse::<u64>()
                    .map_err(|_| format!("error: {name} is `{text}`: a whole number was expected"))
            })
            .transpose()
    };
    let task = number("SLURM_ARRAY_TASK_ID")?.zip(number("SLURM_ARRAY_TASK_COUNT")?);
    let (index, of) = match (task, shards) {
        (Some((task, _)), Some(of)) => (task, of),
        (Some((task, of)), None) => {
            let last = number("SLURM_ARRAY_TASK_MAX")?.unwrap_or(of.saturating_sub(1));
            let first = number("SLURM_ARRAY_TASK_MIN")?.unwrap_or(0);
            // Some shares of an array that are submitted once more are an array of their own: it says neither how many there
            // were, nor which of them it is.
            if of < 2 || first != 0 || last != of - 1 {
                return Err(format!(
                    "error: an array of Slurm that has all shares is 0-1 or more, and this one has {of} from {first} to \
                     {last}: say of how many shares this is one with --shards N (it is {task}/N then), or --shard 0/1 to run \
                     all"
                ));
            }
            (task, of)
        }
        (None, _) => {
            let (kubernetes, aws) = (number("JOB_COMPLETION_INDEX")?, number("AWS_BATCH_JOB_ARRAY_INDEX")?);
            match (kubernetes.or(aws), shards) {
                (Some(index), Some(of)) => (index, of),
                (Some(_), None) => {
                    return Err("error: this is one of several jobs (JOB_COMPLETION_INDEX or AWS_BATCH_JOB_ARRAY_INDEX is set): say of how many with --shards N, or --shard 0/1 to run all".into());
                }
                (None, Some(_)) => {
                    return Err("error: --shards needs JOB_COMPLETION_INDEX, AWS_BATCH_JOB_ARRAY_INDEX or SLURM_ARRAY_TASK_ID to say which share this is: give --shard I/N".into());
                }
                (None, None) => return Ok(Shard::WHOLE),
            }
        }
    };
    match index < of {
        true => Ok(Shard { index, of }),
        false => {
            Err(format!("error: this job's number, {index}, does not lie within its {of} shares: give --shard I/N"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)], given: Option<Shard>, shards: Option<u64>) -> Result<Shard, String> {
        let lookup =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string());
        shard(given, shards, lookup)
    }

    #[test]
    fn array_jobs_say_which_share_they_are() {
        let slurm = [("SLURM_ARRAY_TASK_ID", "2"), ("SLURM_ARRAY_TASK_COUNT", "3"), ("SLURM_ARRAY_TASK_MAX", "2")];
        assert_eq!(found(&slurm, None, None), Ok(Shard { index: 2, of: 3 }));
        assert_eq!(found(&slurm, Some(Shard { index: 0, of: 2 }), None), Ok(Shard { index: 0, of: 2 }));
        let kubernetes = [("JOB_COMPLETION_INDEX", "3")];
        assert_eq!(found(&kubernetes, None, Some(16)), Ok(Shard { index: 3, of: 16 }));
        assert!(found(&kubernetes, None, None).unwrap_err().contains("--shards N"));
        assert!(found(&kubernetes, None, Some(3)).unwrap_err().contains("does not lie within"));
        assert_eq!(found(&[("AWS_BATCH_JOB_ARRAY_INDEX", "0")], None, Some(2)), Ok(Shard { index: 0, of: 2 }));
        assert_eq!(found(&[], None, None), Ok(Shard::WHOLE));
        assert!(found(&[], None, Some(4)).is_err());
        assert!(found(&[("SLURM_ARRAY_TASK_ID", "x"), ("SLURM_ARRAY_TASK_COUNT", "3")], None, None).is_err());
    }

    /// `--array=3` after one of four shares failed, and `--array=0,3` after two: what Slurm says of them would be the whole, and
    /// another half.
    #[test]
    fn shares_that_are_submitted_again_must_say_of_how_many() {
        let array = |task: &'static str, count: &'static str, first: &'static str, last: &'static str| {
            [
                ("SLURM_ARRAY_TASK_ID", task),
                ("SLURM_ARRAY_TASK_COUNT", count),
                ("SLURM_ARRAY_TASK_MIN", first),
                ("SLURM_ARRAY_TASK_MAX", last),
            ]
        };
        for again in [array("3", "1", "3", "3"), array("0", "1", "0", "0"), array("0", "2", "0", "3")] {
            let refused = found(&again, None, None).unwrap_err();
            assert!(refused.contains("--shards N"), "{refused}");
            let index = again[0].1.parse().unwrap();
            assert_eq!(found(&again, None, Some(4)), Ok(Shard { index, of: 4 }));
        }
        assert!(found(&array("4", "1", "4", "4"), None, Some(4)).unwrap_err().contains("does not lie within"));
    }
}
