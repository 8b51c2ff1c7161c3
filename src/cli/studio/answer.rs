//! What the page is told where something is wrong.

use serde_json::{Value as Json, json};

use crate::scenario::Problem;

/// A problem as the page shows it.
pub(super) fn problem(problem: &Problem) -> Json {
    let place =
        problem.place().map(|place| json!({ "line": place.line, "column": place.column, "length": place.length }));
    json!({ "ok": false, "message": problem.message(), "help": problem.help(), "place": place })
}
