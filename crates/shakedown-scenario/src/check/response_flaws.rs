//! Answers that are not as they should be: what none can say, and deliveries that contradict themselves.

use super::{Problem, Tree};
use shakedown_core::server::{AnswerConfig, BehaviorKind as Kind, CloseConfig, DeliveryConfig};
use shakedown_core::time::Nanos;

use crate::machines::BehaviorToml;

/// The most bytes of padding or of a body: more would be a download.
const MAX_BYTES: u32 = 1_000_000;

/// Checks how a behavior's answers differ from what they should be.
pub(super) fn check(behavior: &BehaviorToml, path: &str, tree: &Tree) -> Result<(), Problem> {
    let accept = behavior.kind == Kind::Accept;
    let answers = accept || matches!(behavior.kind, Kind::Redirect | Kind::Reject | Kind::Challenge);
    let garbage = behavior.kind == Kind::Garbage;
    let given = [
        ("answer", behavior.answer.is_some(), answers, "\"accept\", \"redirect\", \"reject\" or \"challenge\""),
        (
            "delivery",
            behavior.delivery.is_some(),
            answers || garbage,
            "\"accept\", \"redirect\", \"reject\", \"challenge\" or \"garbage\"",
        ),
        ("close", behavior.close.is_some(), accept, "\"accept\""),
    ];
    if let Some((key, .., kinds)) = given.iter().find(|(_, given, fits, _)| *given && !fits) {
        let message = format!("`{key}` belongs to kind = {kinds} only");
        return Err(tree.problem_at_key(&format!("{path}.{key}"), message));
    }
    if let Some(answer) = &behavior.answer {
        says(answer, behavior, &format!("{path}.answer"), tree)?;
    }
    if let Some(delivery) = &behavior.delivery {
        leaves(delivery, &format!("{path}.delivery"), tree)?;
    }
    match (behavior.close, &behavior.delivery) {
        (Some(_), Some(delivery)) if delivery.cut.is_some() => {
            let message = "an answer that is cut off opens nothing that could be closed";
            Err(tree.problem(&format!("{path}.close"), message).with_help("leave out `close`, or `cut`"))
        }
        (Some(CloseConfig { code, .. }), _) if !may_be_sent(code) => {
            let message = format!(
                "close code {code}: it must be 1000 to 4999, and none that is never sent (1004, 1005, 1006, 1015)"
            );
            Err(tree.problem(&format!("{path}.close.code"), message))
        }
        _ => Ok(()),
    }
}

/// RFC 6455 section 7.4.
pub(super) fn may_be_sent(code: u16) -> bool {
    (1_000..=4_999).contains(&code) && ![1_004, 1_005, 1_006, 1_015].contains(&code)
}

fn says(answer: &AnswerConfig, behavior: &BehaviorToml, path: &str, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("{path}.{key}");
    let wrong = |key: &str, message: String| Err(tree.problem(&at(key), message));
    if *answer == AnswerConfig::default() {
        return Err(tree.problem(path, "an answer that is as it should be: leave `answer` out"));
    }
    let accept = behavior.kind == Kind::Accept;
    let of_versions = behavior.kind == Kind::Reject && behavior.status == Some(426);
    let given = [
        ("status", answer.status.is_some(), accept, "kind = \"accept\""),
        ("accept_key", answer.accept_key.is_some(), accept, "kind = \"accept\""),
        ("upgrade", answer.upgrade.is_some(), accept, "kind = \"accept\""),
        ("connection", answer.connection.is_some(), accept, "kind = \"accept\""),
        ("subprotocol", answer.subprotocol.is_some(), accept, "kind = \"accept\""),
        ("extension", answer.extension.is_some(), accept, "kind = \"accept\""),
        ("first_frame", answer.first_frame.is_some(), accept, "kind = \"accept\""),
        ("versions", !answer.versions.is_empty(), of_versions, "kind = \"reject\" with status = 426"),
        ("body", answer.body.is_some(), !accept, "kind = \"redirect\", \"reject\" or \"challenge\""),
    ];
    if let Some((key, .., kinds)) = given.iter().find(|(_, given, fits, _)| *given && !fits) {
        return Err(tree.problem_at_key(&at(key), format!("`{key}` belongs to {kinds} only")));
    }
    for (key, value) in [("subprotocol", &answer.subprotocol), ("extension", &answer.extension)] {
        let printable = |text: &String| !text.is_empty() && text.bytes().all(|byte| (b'!'..=b'~').contains(&byte));
        if value.as_ref().is_some_and(|text| !printable(text)) {
            return wrong(key, "a header field's value of printable ASCII without spaces".into());
        }
    }
    let on_one_line = |text: &str| !text.bytes().any(|byte| matches!(byte, b'\r' | b'\n'));
    if answer.reason.as_ref().is_some_and(|reason| !on_one_line(reason)) {
        return wrong("reason", "a reason phrase has no line breaks".into());
    }
    if let Some(field) = answer.fields.iter().find(|field| field.is_empty() || !on_one_line(field)) {
        return wrong("fields", format!("{field:?}: a header field is one line"));
    }
    if let Some(status) = answer.status.filter(|status| !(200..=599).contains(status)) {
        return wrong("status", format!("status {status}: it must be 200 to 599; without it, the answer opens"));
    }
    if answer.padding.is_some_and(|bytes| bytes == 0 || bytes > MAX_BYTES) {
        return wrong("padding", format!("1 to {MAX_BYTES} bytes"));
    }
    match (answer.padding, answer.padding_fields) {
        (None, Some(_)) => {
            let problem =
                tree.problem_at_key(&at("padding_fields"), "`padding_fields` means nothing without `padding`");
            return Err(problem.with_help("write padding = N beside it, or leave padding_fields out"));
        }
        (Some(bytes), Some(fields)) if fields == 0 || fields > bytes => {
            return wrong("padding_fields", format!("1 to {bytes} fields: each has some of the padding"));
        }
        _ => {}
    }
    if answer.body.is_some_and(|body| body.bytes > MAX_BYTES) {
        return wrong("body.bytes", format!("at most {MAX_BYTES} bytes"));
    }
    if let Some(status) = answer.interim.iter().find(|status| !(100..=199).contains(*status) || **status == 101) {
        return wrong(
            "interim",
            format!("status {status}: an interim answer is 100 to 199, and not 101, which is final here"),
        );
    }
    Ok(())
}

fn leaves(delivery: &DeliveryConfig, path: &str, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("{path}.{key}");
    if *delivery == DeliveryConfig::default() {
        return Err(tree.problem(path, "in one piece, at once: leave `delivery` out"));
    }
    if delivery.bytes == Some(0) {
        return Err(tree.problem(&at("bytes"), "writes of no bytes: at least 1"));
    }
    if delivery.every == Some(Nanos::ZERO) {
        return Err(tree.problem(&at("every"), "no time between two writes: leave `every` out"));
    }
    let needs = [
        ("every", delivery.every.is_some(), "bytes", delivery.bytes.is_some()),
        ("then", delivery.then.is_some(), "cut", delivery.cut.is_some()),
    ];
    if let Some((key, _, other, _)) = needs.iter().find(|(_, given, _, has)| *given && !has) {
        let problem = tree.problem_at_key(&at(key), format!("`{key}` means nothing without `{other}`"));
        return Err(problem.with_help(format!("write {other} = N beside it, or leave {key} out")));
    }
    Ok(())
}
