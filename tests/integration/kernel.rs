//! The kernel of this machine, and the simulator's rules beside it.
//!
//! `kernel/measure.py` makes the kernel speak, in a network namespace of its own, to a peer in user space behind a TUN device.
//! Where that can't be made, the tests say so and end. A timer of a kernel runs up to an eighth of its length late (its
//! timing wheel), and a busy machine makes it later still: a row that does not fit is asked again, three times in all.
//! docs/simulation.md has the table.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::thread;

use shakedown::network::{
    Ending, Host, Overflow, Ports, Repetitions, Rto, SynAnswer, SynRetries, TimeWait, time_of_retries,
};
use shakedown::time::{Nanos, Timestamp};

use crate::common::repository;

/// What a row printed: numbers by name. A name may come more than once.
type Found = BTreeMap<String, Vec<Vec<f64>>>;

/// What is measured, and how it is held against the simulator's rule.
type Row = (&'static str, fn(&Found) -> Result<(), String>);

fn command(row: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "python3"]);
    command.arg(repository("tests/integration/kernel/measure.py")).arg(row).stdin(Stdio::null());
    command
}

/// Why nothing can be measured here, if so.
fn lacks() -> Option<String> {
    match command("nothing").output() {
        Err(error) => Some(format!("unshare: {error}")),
        Ok(output) if !output.status.success() => {
            let said = String::from_utf8_lossy(&output.stderr);
            Some(said.lines().last().unwrap_or("no word of why").to_string())
        }
        Ok(_) => None,
    }
}

fn measure(row: &str) -> Result<Found, String> {
    let output = command(row).output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let mut found = Found::new();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    for line in said.lines() {
        let mut words = line.split(' ');
        let name = words.next().unwrap_or_default();
        let numbers = words.map(|word| word.parse().map_err(|_| format!("{line}: no numbers")));
        found.entry(name.to_string()).or_default().push(numbers.collect::<Result<_, String>>()?);
    }
    print!("{said}");
    Ok(found)
}

/// Measures all rows at the same time, and compares them. One that does not fit is measured again.
fn compare(rows: &[Row]) {
    if let Some(why) = lacks() {
        println!("SKIPPED: no kernel can be asked here, as that takes python3, ip, unshare and a TUN device: {why}");
        return;
    }
    let wrong = thread::scope(|scope| {
        let asked = rows.iter().map(|(row, fits)| {
            scope.spawn(move || {
                let mut why = String::new();
                for _ in 0..3 {
                    match measure(row).and_then(|found| fits(&found)) {
                        Ok(()) => return None,
                        Err(wrong) => why = wrong,
                    }
                }
                Some(format!("{row}: {why}"))
            })
        });
        let asked: Vec<_> = asked.collect();
        asked.into_iter().filter_map(|asked| asked.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn only<'a>(found: &'a Found, name: &str) -> Result<&'a [f64], String> {
    match found.get(name).map(Vec::as_slice) {
        Some([numbers]) => Ok(numbers),
        other => Err(format!("{name}: {other:?}")),
    }
}

/// What was counted is what the rule says.
fn is(found: &Found, name: &str, rule: &[f64]) -> Result<(), String> {
    let measured = only(found, name)?;
    if measured == rule { Ok(()) } else { Err(format!("{name}: measured {measured:?}, the rule says {rule:?}")) }
}

/// A time of the kernel's is not earlier than the rule's, and later by no more than its timers are.
fn late(what: &str, measured: f64, rule: f64) -> Result<(), String> {
    let fits = measured >= rule * 0.99 - 0.002 && measured <= rule * 1.125 + 0.05;
    if fits { Ok(()) } else { Err(format!("{what}: measured {measured} s, the rule says {rule} s")) }
}

fn nanos(seconds: f64) -> Nanos {
    Nanos::from_f64(seconds * 1e9)
}

fn seconds(time: Nanos) -> f64 {
    time.as_secs_f64()
}

/// When data is repeated after a connect that took so long, by the rule, and when its kernel gives up.
fn schedule(round_trip: f64, retries: u8, orphan: bool) -> (Vec<f64>, f64) {
    let mut repetitions = Repetitions::new(Rto::new(nanos(round_trip)));
    let (mut at, mut left) = (Nanos::ZERO, Vec::new());
    loop {
        at += repetitions.timer();
        if !repetitions.again(retries, orphan) {
            return (left, seconds(at));
        }
        left.push(seconds(at));
    }
}

/// A round trip, and when data left again after it: as many of the first timers as were seen.
fn repeats(numbers: &[f64], least: usize) -> Result<(), String> {
    let [round_trip, repeats @ ..] = numbers else { return Err("nothing was seen".into()) };
    if repeats.len() < least {
        return Err(format!("{repeats:?}: {least} repetitions at least"));
    }
    let (rule, _) = schedule(*round_trip, 15, false);
    let mut each = repeats.iter().zip(&rule).enumerate();
    each.try_for_each(|(number, (measured, rule))| late(&format!("repetition {number}"), *measured, *rule))
}

fn timer(found: &Found) -> Result<(), String> {
    found.get("timer").ok_or("no timers")?.iter().try_for_each(|numbers| repeats(numbers, 2))
}

fn timer_stamped(found: &Found) -> Result<(), String> {
    repeats(only(found, "timer-stamped")?, 2)
}

/// Without timestamps nothing tells which SYN was answered: Linux falls back to 3 s (RFC 6298 section 5.7). The simulator's
/// kernels have timestamps.
fn timer_repeated(found: &Found) -> Result<(), String> {
    late("the first repetition", only(found, "timer-repeated")?[1], 3.0)
}

fn syns(found: &Found) -> Result<(), String> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut version = release.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let linear = (version.next(), version.next()) >= (Some(6), Some(5));
    let name = if linear { "linux-6.5" } else { "linux" };
    let schedule = serde_json::from_value::<SynRetries>(name.into()).map_err(|error| error.to_string())?.schedule();
    let measured = only(found, "syns")?;
    if measured.len() < 4 {
        return Err(format!("{measured:?}"));
    }
    measured.iter().enumerate().skip(1).try_for_each(|(number, at)| {
        let rule = schedule.repetition(number).ok_or("one SYN too many")?;
        late(&format!("SYN {number}"), *at, seconds(rule))
    })
}

fn retries(found: &Found) -> Result<(), String> {
    let [round_trip, end, repeats @ ..] = only(found, "retries-5")? else { return Err("nothing was seen".into()) };
    let (left, rule) = schedule(*round_trip, 5, false);
    if repeats.len() != left.len() {
        return Err(format!("repeated after {repeats:?}, by the rule after {left:?}"));
    }
    assert!(rule >= seconds(time_of_retries(5)));
    late("the connection ends", *end, rule)
}

/// A queue with this backlog, full: how many the rule has there.
fn room(backlog: u32) -> f64 {
    let mut host = Host::new(backlog, Overflow::Drop);
    host.hang();
    let mut held = 0.0;
    while host.syn() == SynAnswer::Accepted {
        host.enqueue();
        held += 1.0;
    }
    assert_eq!(host.syn(), SynAnswer::BacklogFull);
    held
}

/// `count` connects within a round trip, and one that comes when the queue is full.
fn burst(found: &Found, tag: &str, backlog: u32, count: f64) -> Result<(), String> {
    let held = room(backlog);
    let of = |what: &str| format!("{tag}-{what}");
    is(found, &of("answered"), &[count])?;
    is(found, &of("late"), &[0.0])?;
    is(found, &of("acknowledged"), &[held])?;
    is(found, &of("accepted"), &[held])?;
    // What was dropped: a third segment each with its data, and the last SYN.
    let dropped = count - held + 1.0;
    let counted = only(found, &of("counted"))?;
    if counted[0] < dropped {
        return Err(format!("{counted:?} overflows are counted, by the rule {dropped}"));
    }
    is(found, &of("later"), &[(count - held).min(held)])?;
    is(found, &of("data"), &[held + (count - held).min(held)])
}

fn queue(found: &Found) -> Result<(), String> {
    burst(found, "queue", 4, 9.0)
}

fn queue_zero(found: &Found) -> Result<(), String> {
    burst(found, "queue-zero", 0, 2.0)
}

/// A backlog of 100 is one of 2 where `somaxconn` says so.
fn somaxconn(found: &Found) -> Result<(), String> {
    burst(found, "somaxconn", 2, 6.0)
}

/// One after the other: the queue is full, and further SYNs are dropped, until the process goes on.
fn stopped(found: &Found) -> Result<(), String> {
    is(found, "stopped-answered", &[room(4)])?;
    is(found, "stopped-acknowledged", &[room(4)])?;
    is(found, "stopped-later", &[8.0])
}

/// FIN and no RST for who is idle, RST for who was not read; RST for what comes later.
fn killed(found: &Found) -> Result<(), String> {
    is(found, "killed-idle", &[1.0, 0.0])?;
    is(found, "killed-unread", &[0.0, 1.0])?;
    is(found, "killed-late", &[1.0])?;
    is(found, "killed-refused", &[1.0, 0.0])
}

fn half_open(found: &Found) -> Result<(), String> {
    ["half-open-listening", "half-open-closed", "half-open-told"].iter().try_for_each(|name| is(found, name, &[1.0]))
}

/// With ten ports, ten connects that this end closes first, and any number that the other end closes first.
fn time_wait(found: &Found) -> Result<(), String> {
    let made = |ending: Ending| {
        let mut ports = Ports::new(10, TimeWait { length: Nanos::from_secs(60), reopens: true });
        let free = (0..25).take_while(|second| {
            let now = Timestamp::ZERO + Nanos::from_secs(*second);
            let free = ports.has_free(now);
            if free {
                ports.take(now);
                ports.give_back(now, ending);
            }
            free
        });
        free.count() as f64
    };
    is(found, "ports-client-first", &[made(Ending::ClosedFirst)])?;
    is(found, "ports-other-server", &[made(Ending::ClosedSecond)])
}

/// A server that closed first takes a new SYN for its port in TIME-WAIT, if that is later by its timestamp or its number:
/// `time_wait_reopens`.
fn time_wait_server(found: &Found) -> Result<(), String> {
    is(found, "time-wait-stamped", &[1.0])?;
    is(found, "time-wait-higher", &[1.0])?;
    is(found, "time-wait-lower", &[0.0])
}

/// To a window that is closed, a probe goes by the timer of data. The simulator has no windows.
fn probes(found: &Found) -> Result<(), String> {
    let [round_trip, probes @ ..] = only(found, "probes")? else { return Err("nothing was seen".into()) };
    let timer = seconds(Rto::new(nanos(*round_trip)).length());
    let mut last = 0.0;
    for (number, probe) in probes.iter().take(4).enumerate() {
        late(&format!("probe {number}"), probe - last, timer * f64::from(2_u32.pow(number.max(1) as u32)))?;
        last = *probe;
    }
    is(found, "probes-then", &[1.0])
}

/// The third segment may be lost: data completes the connect.
fn race(found: &Found) -> Result<(), String> {
    is(found, "race-before", &[0.0])?;
    is(found, "race", &[1.0, 1.0])
}

#[test]
fn the_kernel_does_what_is_simulated() {
    compare(&[
        ("timer", timer),
        ("timer-stamped", timer_stamped),
        ("timer-repeated", timer_repeated),
        ("syns", syns),
        ("retries-fast", retries),
        ("retries-slow", retries),
        ("queue", queue),
        ("queue-zero", queue_zero),
        ("somaxconn", somaxconn),
        ("stopped", stopped),
        ("killed", killed),
        ("half-open", half_open),
        ("time-wait", time_wait),
        ("time-wait-server", time_wait_server),
        ("probes", probes),
        ("race", race),
    ]);
}

/// After a close, data is repeated eight times, and then nothing is sent; what comes then is answered with RST.
fn orphan(found: &Found) -> Result<(), String> {
    let [round_trip, repeats @ ..] = only(found, "orphan")? else { return Err("nothing was seen".into()) };
    let (left, _) = schedule(*round_trip, 15, true);
    if repeats.len() != left.len() {
        return Err(format!("repeated after {repeats:?}, by the rule after {left:?}"));
    }
    let each = repeats.iter().zip(&left);
    each.enumerate().try_for_each(|(number, (at, rule))| late(&format!("repetition {number}"), *at, *rule))?;
    is(found, "orphan-after", &[0.0])?;
    is(found, "orphan-reset", &[1.0])
}

/// A port is held for a minute, whether or not the other end ever closes.
fn time_wait_long(found: &Found) -> Result<(), String> {
    late("TIME-WAIT", only(found, "held-time-wait")?[0], 60.0)?;
    late("FIN-WAIT-2", only(found, "held-fin-wait-2")?[0], 60.0)
}

/// A connect that never got into the queue is forgotten after some two minutes. That is not simulated.
fn queue_expires(found: &Found) -> Result<(), String> {
    ["expires", "expires-cookie"].iter().try_for_each(|name| {
        let after = only(found, name)?[0];
        if (60.0..140.0).contains(&after) { Ok(()) } else { Err(format!("{name}: after {after} s")) }
    })
}

/// Minutes: `.ci/long` runs it.
#[test]
#[ignore = "takes four minutes"]
fn the_kernel_does_what_is_simulated_also_after_minutes() {
    compare(&[("orphan", orphan), ("time-wait-long", time_wait_long), ("queue-expires", queue_expires)]);
}
