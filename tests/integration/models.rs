//! Known answers: the small ones come out, wrong ones are found, and the document says what is tested.

use std::fs;

use shakedown::explore::models::{Experiment, Outcome, document, experiments, json, run, table};

fn quick() -> Vec<Experiment> {
    experiments().into_iter().filter(|experiment| experiment.quick).collect()
}

fn named(name: &str) -> Vec<Experiment> {
    let found: Vec<Experiment> = experiments().into_iter().filter(|experiment| experiment.name == name).collect();
    assert_eq!(found.len(), 1, "{name}");
    found
}

/// The whole table takes a release build: `shakedown verify --models`.
#[test]
fn the_small_ones_come_out() {
    let experiments = quick();
    assert!(experiments.len() >= 12);
    let outcomes = run(&experiments, &|_, _| {});
    assert!(outcomes.iter().all(Outcome::passed), "{}", table(&outcomes));
    let document = json(&outcomes);
    let rows = document.as_array().unwrap();
    assert_eq!(rows.len(), outcomes.len());
    assert!(rows.iter().all(|row| row["passed"] == true && row["simulated"]["mean"].is_f64()), "{document:#}");
}

#[test]
fn a_wrong_expectation_fails() {
    for (name, wrong) in [
        ("M/M/1 rho 0.5", 1.1),
        ("black hole, linux, 1h", 1.001),
        ("full jitter", 1.05),
        ("coordinated omission", 1.01),
    ] {
        let mut experiments = named(name);
        experiments[0].answers[0].expected *= wrong;
        let outcomes = run(&experiments, &|_, _| {});
        assert!(!outcomes[0].passed(), "{}", table(&outcomes));
        assert!(outcomes[1..].iter().all(Outcome::passed), "{}", table(&outcomes));
        let printed = table(&outcomes);
        assert!(printed.lines().nth(1).unwrap().ends_with("FAILED") && printed.contains(", 1 failed"), "{printed}");
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let of = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let experiments =
            [named("full jitter"), named("herd, N / m, random")].into_iter().flatten().collect::<Vec<_>>();
        pool.install(|| table(&run(&experiments, &|_, _| {})))
    };
    assert_eq!(of(1), of(5));
}

/// Set `UPDATE_GOLDEN` to write the document anew, after a change of the table.
#[test]
fn the_document_is_the_tables() {
    let path = crate::common::repository("docs/models.md");
    let now = document(&experiments());
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap();
    assert!(now == committed, "UPDATE_GOLDEN=1 cargo test --test integration models:: writes docs/models.md anew");
}

/// Every known answer and every test that docs/validation.md names is there.
#[test]
fn what_the_page_on_validation_names_is_there() {
    let experiments = experiments();
    let page = crate::common::read("docs/validation.md");
    let rows = page.lines().filter(|line| line.starts_with("| ") && line.matches('|').count() == 4);
    let rows: Vec<Vec<&str>> = rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect();
    assert!(rows.len() >= 18, "{rows:?}");
    for row in &rows[1..] {
        let [what, answers, tests] = row[..] else { panic!("{row:?}") };
        let names = answers.split('`').skip(1).step_by(2);
        for name in names.clone() {
            assert!(experiments.iter().any(|experiment| experiment.name.starts_with(name)), "{what}: {name}");
        }
        let named = tests.split("; ").filter_map(|test| test.strip_prefix('`')?.split_once("` "));
        for (file, test) in named.clone() {
            let source = crate::common::read(file);
            assert!(source.contains(&format!("fn {test}(")), "{what}: {file} {test}");
        }
        assert!(names.count() + named.count() > 0, "{what}");
    }
}
