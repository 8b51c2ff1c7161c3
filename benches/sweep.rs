//! Does a sweep on all cores reach what as many independent processes reach?
//!
//! ```text
//! cargo bench --bench sweep              # 1,000 seeds of failover.toml
//! cargo bench --bench sweep -- 100       # another count
//! ```
//!
//! Each round sweeps all seeds in one process with a thread per core, then in a process per core, one thread and its
//! share of the seeds each. Rounds alternate, so that a slow machine slows both; the table shows medians.

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use shakedown::explore::sweep::{Journal, Plan, Seeds, Shard, finish, run};
use shakedown::scenario::Overrides;

const ROUNDS: usize = 5;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if let [child, seeds, shard] = &args[..]
        && child == "--share"
    {
        sweep(seeds.parse().unwrap(), shard.parse().unwrap(), 1);
        return;
    }
    let count: u64 = match args.first() {
        Some(count) => count.replace('_', "").parse().unwrap_or_else(|_| panic!("`{count}` is no count of seeds")),
        // `cargo test --all-targets` runs this unoptimised: it shows that the bench works, and measures nothing.
        None if cfg!(debug_assertions) => 2,
        None => 1_000,
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let seeds = Seeds(0..count);
    let (mut threads, mut processes) = (Vec::new(), Vec::new());
    for _ in 0..if count < 100 { 1 } else { ROUNDS } {
        threads.push(timed(|| sweep(seeds.clone(), Shard::WHOLE, cores)));
        processes.push(timed(|| {
            let child = |index| {
                let exe = std::env::current_exe().expect("this bench has a path");
                let share = format!("{index}/{cores}");
                Command::new(exe).args(["--share", &seeds.to_string(), &share]).spawn().expect("it can be started")
            };
            for mut child in (0..cores).map(child).collect::<Vec<_>>() {
                assert!(child.wait().expect("it ends").success());
            }
        }));
    }
    let rate = |times: &mut Vec<Duration>| {
        times.sort();
        count as f64 / times[times.len() / 2].as_secs_f64()
    };
    let (threads, processes) = (rate(&mut threads), rate(&mut processes));
    println!("sweep: {count} seeds of failover.toml, medians of runs per second\n");
    println!("| cores | one process | a process per core | ratio |");
    println!("|--:|--:|--:|--:|");
    println!("| {cores} | {threads:.1} | {processes:.1} | {:.2} |", threads / processes);
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn sweep(seeds: Seeds, shard: Shard, jobs: usize) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/failover.toml");
    let text = std::fs::read_to_string(&file).expect("the scenario is in the repository");
    let plan = Plan::new("failover.toml", "failover", &text, &Overrides::default(), Vec::new(), seeds, shard)
        .unwrap_or_else(|problem| panic!("{problem}"));
    let place = tempfile::tempdir().expect("there is room for temporary files");
    let (journal, rows) = Journal::open(&place.path().join("a-partial"), &plan, false).expect("nothing is there yet");
    // As the command line does: a look at every run.
    let seen = Mutex::new(0);
    let watch = |done: Option<_>| {
        if done.is_some() {
            *seen.lock().expect("nothing panics") += 1;
        }
        true
    };
    assert!(run(&plan, &journal, &rows, Some(jobs), &watch).expect("rows can be written"));
    finish(&plan, journal, &place.path().join("a")).expect("results can be written");
}
