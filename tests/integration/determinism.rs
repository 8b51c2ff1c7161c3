//! The same scenario, seed and version give the same events: in debug and release, twice in one process, and as they
//! were when the golden file was written. What one actor draws does not shift what another draws.

use std::collections::BTreeMap;
use std::fs;

use shakedown::client;
use shakedown::event::Kind;
use shakedown::scenario::{Overrides, Scenario};

use crate::common::{committed, digest, repository, set, simulate};

/// Scenario, variant, seed. The golden file has their digests; tests run in debug, `shakedown verify` in release.
const GOLDEN: &[(&str, Option<&str>, u64)] = &[
    ("chaos", None, 1),
    ("dns-failover", None, 1),
    ("dns-failover", Some("browsers"), 1),
    ("failover", None, 1),
    ("failover", None, 2),
    ("failover", Some("no-jitter"), 1),
    ("redirect", None, 1),
    ("redirect", Some("round-robin"), 1),
    ("overload", None, 1),
    ("storm", None, 1),
    ("l4-versus-redirect/redirect", None, 1),
    ("l4-versus-redirect/l4-nat", None, 1),
    ("l4-versus-redirect/l4-terminate", None, 1),
    ("tls-storm", None, 1),
    ("tls-storm", Some("shared-keys"), 1),
    ("access-link", None, 1),
    ("hybi/fleet", None, 1),
    ("hybi/fleet", Some("basic-header"), 1),
    ("hybi/pinned", None, 1),
    ("hybi/redirect", Some("final-response"), 1),
    ("shared-connections", None, 1),
    ("zone-aware", None, 1),
    ("reload", None, 1),
    ("half-open", None, 1),
    ("crash-loop", None, 1),
    ("address-limits", None, 1),
    ("address-race", Some("race"), 1),
    ("multi-leg-auth", None, 1),
];

/// Set `UPDATE_GOLDEN` to write the file anew, after a change that is meant to change what is simulated.
#[test]
fn digests_are_as_committed() {
    let path = repository("tests/golden/digests.txt");
    let mut now = String::new();
    for (name, variant, seed) in GOLDEN {
        let overrides = Overrides { seed: Some(*seed), variant: variant.map(str::to_string), ..Overrides::default() };
        let digest = digest(&committed(name, &overrides));
        now.push_str(&format!("{name} {} {seed} {digest}\n", variant.unwrap_or("-")));
    }
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &now).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap();
    assert_eq!(now, committed, "UPDATE_GOLDEN=1 cargo test --test integration determinism:: writes the file anew");
}

#[test]
fn a_second_run_in_the_same_process_is_the_same() {
    let scenario = committed("redirect", &Overrides::default());
    assert_eq!(digest(&scenario), digest(&scenario));
}

#[test]
fn another_seed_is_another_run() {
    let of =
        |seed| digest(&committed("failover", &Overrides { seed: Some(seed), ..set(&["clients.players.count=50"]) }));
    assert_ne!(of(1), of(2));
}

#[test]
fn the_resolved_scenario_runs_to_the_same_digest() {
    for (name, variant, _) in GOLDEN {
        let written = committed(name, &Overrides::default());
        let few =
            |(group, config): (&String, &client::Config)| format!("clients.{group}.count={}", config.count.min(300));
        let sets = written.clients().iter().map(few).collect();
        let scenario =
            committed(name, &Overrides { variant: variant.map(str::to_string), sets, ..Overrides::default() });
        let again = shakedown::scenario::load("resolved", name, scenario.resolved(), &Overrides::default());
        let again = again.unwrap_or_else(|problem| panic!("{problem}"));
        assert_eq!(again.resolved(), scenario.resolved());
        assert_eq!(digest(&again), digest(&scenario), "{name} {variant:?}");
    }
}

#[test]
fn time_and_sequence_only_rise() {
    let (events, _) = simulate(&committed("redirect", &Overrides::default()));
    assert!(events.windows(2).all(|pair| pair[0].at <= pair[1].at));
    assert!(events.iter().zip(0..).all(|(event, seq)| event.seq == seq));
}

/// Everything that happened to each session of a group, by the session's number in it.
fn lives(scenario: &Scenario, group: &str) -> BTreeMap<u32, Vec<(u64, client::Event)>> {
    let number = scenario.clients().get_index_of(group).unwrap() as u16;
    let mut names = BTreeMap::new();
    let mut lives: BTreeMap<u32, Vec<(u64, client::Event)>> = BTreeMap::new();
    for event in simulate(scenario).0 {
        let Kind::Session(session, kind) = event.kind else { continue };
        if let client::Event::Scheduled { group, index } = kind {
            names.insert(session, (group, index));
        } else if let (of, index) = names[&session]
            && of == number
        {
            lives.entry(index).or_default().push((event.at.0, kind));
        }
    }
    lives
}

/// Nothing queues here, so that sessions meet only in what they draw.
const APART: &[&str] = &["servers.gateway.service_time=0s", "clients.players.count=400"];

#[test]
fn another_client_group_changes_nothing_for_the_others() {
    let alone = committed("failover", &set(APART));
    let others = r#"clients.admins={ count = 300, endpoints = ["gateway"], retry = { policy = "equal-jitter" } }"#;
    let together = committed("failover", &set(&[APART, &[others]].concat()));
    let (alone, together) = (lives(&alone, "players"), lives(&together, "players"));
    assert_eq!(alone.len(), 400);
    assert!(alone.values().any(|life| life.len() > 4), "some retried");
    assert_eq!(alone, together);
}

#[test]
fn a_policy_that_draws_shifts_no_other_choice() {
    // `exponential` draws nothing and `full-jitter` once per retry: picks and paths must be the same all the same.
    let choices = |policy: &str| -> BTreeMap<u32, Vec<u32>> {
        let policy = format!("clients.players.retry.policy={policy}");
        let scenario = committed("failover", &set(&[APART, &[&policy]].concat()));
        let picks = |life: Vec<(u64, client::Event)>| {
            let started = life.into_iter().filter_map(|(_, event)| match event {
                client::Event::AttemptStarted { endpoint, .. } => Some(endpoint),
                _ => None,
            });
            started.collect()
        };
        lives(&scenario, "players").into_iter().map(|(index, life)| (index, picks(life))).collect()
    };
    let (without, with) = (choices("exponential"), choices("full-jitter"));
    let mut compared = 0;
    for (index, picks) in &without {
        // Delays differ, so one run may get further in a session's list of picks than the other.
        let shared = picks.len().min(with[index].len());
        assert_eq!(picks[..shared], with[index][..shared], "session {index}");
        compared += usize::from(shared > 1);
    }
    assert!(compared > 50, "too few sessions retried to tell: {compared}");
}
