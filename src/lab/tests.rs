use super::{Lab, LabError, Outcome, shrink};

const SCENARIO: &str = "format = 1\ntitle = \"A server that forgets\"\nduration = \"3s\"\n[servers.gateway]\ncount = 2\n\
    [clients.players]\ncount = 6\narrive = \"at_once\"\nendpoints = [\"gateway\"]\n[clients.others]\ncount = 2\narrive = \"at_once\"\nendpoints = [\"gateway\"]\n\
    [faults.dies]\nkind = \"crash\"\ntarget = \"gateway-0\"\nat = \"1s\"\nfor = \"500ms\"\n\
    [faults.cut]\nkind = \"partition\"\ntarget = \"gateway-1\"\nat = \"1s\"\nfor = \"200ms\"\n\
    [expect]\n\"handshake_latency.p99\" = \"< 1ms\"\n\"sessions.opened\" = \"== 3\"\n";

/// A server that answers nobody, and complains when it is started again.
fn lab() -> Result<Lab, LabError> {
    Ok(Lab::from_text("forgets", SCENARIO)?.server("gateway", |cx| async move {
        if cx.now() > std::time::Duration::from_millis(500) {
            cx.reporter().fail("it was started again");
        }
        let listener = cx.listener().await?;
        let mut kept = Vec::new();
        loop {
            kept.push(listener.accept().await?);
        }
    }))
}

fn said(outcome: &Outcome) -> Vec<String> {
    outcome.to_string().lines().map(ToString::to_string).collect()
}

#[test]
fn an_outcome_is_for_a_person() {
    let lines = said(&lab().unwrap().run().unwrap());
    assert_eq!(lines[0], "seed 1: FAILED");
    assert!(lines.iter().any(|line| line == "  expected sessions.opened == 3, measured 0 of 8"), "{lines:?}");
    assert!(
        lines.iter().any(|line| line.starts_with("  gateway-0 at 1.5") && line.ends_with("s: it was started again")),
        "{lines:?}"
    );
    assert!(lines.iter().all(|line| !line.contains("Some(") && !line.contains("Nanos")), "{lines:?}");
    let passes = lab().unwrap().set("faults={}").set("expect={}").run().unwrap();
    assert_eq!(said(&passes), ["seed 1: passed"]);
}

#[test]
fn a_seed_that_fails_is_shrunk_to_what_it_needs() {
    let shrunk = shrink(1, 400, lab).unwrap().unwrap();
    assert!(shrunk.done && shrunk.failure.contains("it was started again"), "{shrunk}");
    assert!(
        shrunk.toml.contains("dies") && !shrunk.toml.contains("cut") && !shrunk.toml.contains("expect"),
        "{shrunk}"
    );
    let again = Lab::from_text("forgets", &shrunk.toml).unwrap();
    assert_eq!(again.scenario().unwrap().sessions(), 1, "{shrunk}");
    assert!(shrink(1, 5, || Ok(lab()?.set("faults={}").set("expect={}"))).unwrap().is_none());
    let few = shrink(1, 2, lab).unwrap().unwrap();
    assert!(!few.done && few.runs <= 3, "{few}");
}
