//! `docs/models.md`, from the same table that is run.

use std::fmt::Write;

use super::answer::{Experiment, Requirement};
use super::table::expected;
use crate::text::{Table, wrapped};

const HEAD: &str = "\
# Known answers

`shakedown verify --models` simulates small scenarios whose outcome is known, and compares. This page is written from
the table that it runs (`UPDATE_GOLDEN=1 cargo test --test integration models::`), so it says what is tested and nothing else.

How an answer is compared:

- **exact**: the same number in every seed, but for the rounding of 64-bit floating point.
- **resolution**: exact, but for what the histogram it is read from can't tell apart.
- **interval**: the mean over the seeds differs by no more than its 99.9 % confidence interval (Student's t over one mean
  per seed; a 95 % interval would fail five of a hundred right answers), plus the resolution of the measure. Beside it
  stands the widest tolerance that still counts: an interval wider than that fails, as it could not tell right from wrong.
- **one-sided**: every seed (`>=`, `<=`), or the mean over the seeds beyond its 99.9 % interval (`>`).
";

/// The document.
pub fn document(experiments: &[Experiment]) -> String {
    let mut text = String::from(HEAD);
    let mut about = "";
    for experiment in experiments {
        let _ =
            write!(text, "\n## {}\n\nFollows: {}. Seeds: {}.\n", experiment.name, experiment.follows, experiment.seeds);
        // Told once for all that are of a kind.
        if experiment.about != about {
            about = experiment.about;
            let _ = write!(text, "\n{}\n", wrapped(about, 120));
        }
        let mut table = Table::new(3, ["answer", "expected", "compared"]);
        for answer in &experiment.answers {
            let compared = match answer.must {
                Requirement::Equal => "exact".to_string(),
                Requirement::Resolved(resolution) => format!("resolution {:.1} %", resolution * 100.0),
                Requirement::Mean { resolution: 0.0, blunt } => format!("interval, at most {:.0} %", blunt * 100.0),
                Requirement::Mean { resolution, blunt } => {
                    format!("interval + {:.1} %, at most {:.0} %", resolution * 100.0, blunt * 100.0)
                }
                Requirement::NoDifference(blunt) => format!("interval, at most {blunt}"),
                Requirement::AtLeast | Requirement::AtMost | Requirement::Above => "one-sided".to_string(),
            };
            let expected = expected(answer.must, answer.expected, answer.unit);
            table.row([answer.what.clone(), expected, compared]);
        }
        let _ = write!(text, "\n{}", table.markdown());
    }
    text
}
