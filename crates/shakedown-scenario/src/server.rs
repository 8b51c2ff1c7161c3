//! What a server group can still get wrong.

use super::check::{SHORTEST_PERIOD, is_always_below, is_always_zero};
use super::{Problem, Tree};
use shakedown_core::quantity::Bytes;
use shakedown_core::rng::Distribution;
use shakedown_core::server::{
    BehaviorKind as Kind, CallConfig, DescriptorsConfig, MemoryConfig, OverRate, PauseConfig, QueueOrder, Slowdown,
    WhenFull, WhenUsedUp, WindowConfig, WindowKind,
};
use shakedown_core::time::Nanos;

use crate::cycle::cycle;
use crate::draft::Draft;
use crate::machines::{ServerKind, ServersToml, Sort, sorts};

/// Checks a group whose members are programs.
fn command(name: &str, server: &ServersToml, command: &[String], tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("servers.{name}.{key}");
    if command.first().is_none_or(String::is_empty) {
        let help = "write command = [\"node\", \"server.js\"]: a program and its arguments";
        return Err(tree.problem(&at("command"), "no program").with_help(help));
    }
    let mut plain = ServersToml::default();
    plain.fill_in();
    let table = |config: &ServersToml| toml::Table::try_from(config).unwrap_or_default();
    let plain = table(&plain);
    for (key, value) in table(server) {
        if !sorts(&key).contains(&Sort::Program) && plain.get(&key) != Some(&value) {
            let message = format!("`{key}` means nothing beside `command`: what a program does is its own affair");
            return Err(tree.problem(&at(&key), message).with_help(format!("leave {key} out")));
        }
    }
    Ok(())
}

/// Checks the limits of a group at `servers.NAME`.
pub(super) fn limits(name: &str, server: &ServersToml, run: Nanos, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("servers.{name}.{key}");
    if let Some(program) = &server.command {
        command(name, server, program, tree)?;
    }
    // What means nothing without another key.
    let number = |other: &str| (format!("`{other}`"), format!("write {other} = N"));
    let other = |other: &str, example: &str| (format!("`{other}`"), format!("write {other} = {example} beside it"));
    let rates = server.limits_rates();
    let a_rate = ("a rate".to_string(), "write accept_rate = { rate = \"500/s\", burst = 100 }".to_string());
    let program = ("`command`".to_string(), "write command = [\"node\", \"client.js\"] beside it".to_string());
    let needs = [
        ("listens", server.listens.is_some(), program, server.command.is_some()),
        ("when_full", server.when_full.is_some(), number("connections_max"), server.connections_max.is_some()),
        ("queue_full", server.queue_full.is_some(), number("queue_max"), server.queue_max.is_some()),
        (
            "transactions_full",
            server.transactions_full.is_some(),
            number("transactions_max"),
            server.transactions_max.is_some(),
        ),
        ("over_rate", server.over_rate.is_some(), a_rate, rates),
        ("leaves_over", server.leaves_over.is_some(), other("leaves_at", "\"2m\""), server.leaves_at.is_some()),
        (
            "calls_hold_worker",
            server.calls_hold_worker,
            other("calls", "[{ to = \"auth\", timeout = \"1s\" }]"),
            !server.calls.is_empty(),
        ),
    ];
    for (key, given, (without, help), has) in needs {
        if given && !has {
            let message = format!("`{key}` means nothing without {without}");
            return Err(tree.problem(&at(key), message).with_help(format!("{help}, or leave {key} out")));
        }
    }
    match (server.when_full, &server.overflow_to) {
        (Some(WhenFull::Redirect), None) => {
            let help = "write overflow_to = \"GROUP\" beside it";
            return Err(tree.problem(&at("when_full"), "a redirect to nowhere").with_help(help));
        }
        (Some(WhenFull::Redirect), Some(_)) | (_, None) => {}
        (_, Some(_)) => {
            let help = "write when_full = \"redirect\" beside it, or leave it out";
            return Err(tree
                .problem(&at("overflow_to"), "`overflow_to` is for overflow that is redirected")
                .with_help(help));
        }
    }
    if server.queue == Some(QueueOrder::Deadline(Nanos::ZERO)) {
        return Err(tree.problem(&at("queue.deadline"), "a deadline of zero: write queue_max = 0 for no queue at all"));
    }
    let times = [("accept_time", &server.accept_time), ("auth_time", &server.auth_time)];
    for (key, time) in times {
        if let Some(problem) = time.as_ref().and_then(Distribution::problem) {
            return Err(tree.problem(&at(key), problem));
        }
    }
    if let Some(warm_up) = server.warm_up {
        if warm_up.duration == Nanos::ZERO {
            return Err(tree.problem(&at("warm_up.for"), "a warm-up of no time: leave `warm_up` out"));
        }
        if !(1.0..=1e6).contains(&warm_up.factor) {
            let message = format!("factor {}: 4 makes work take four times as long; from 1 to 1000000", warm_up.factor);
            return Err(tree.problem(&at("warm_up.factor"), message));
        }
    }
    for (key, bucket) in [("accept_rate", server.accept_rate), ("address_rate", server.address_rate)] {
        let Some(bucket) = bucket else { continue };
        // The bounds keep a token's time within 1 ns and a hundred years.
        if !(1e-6..=1e9).contains(&bucket.rate.0) {
            return Err(tree.problem(&at(&format!("{key}.rate")), "a rate between one in 11 days and 1000000000/s"));
        }
        if bucket.burst == 0 {
            let message = "a bucket that holds no token lets nothing in: at least 1";
            return Err(tree.problem(&at(&format!("{key}.burst")), message));
        }
    }
    sharing(name, server, tree)?;
    resources(name, server, tree)?;
    supervision(name, server, tree)?;
    windows(name, server, tree)?;
    membership(name, server, run, tree)?;
    calls(name, server, tree)?;
    if let Some(config) = &server.pauses {
        pauses(name, config, tree)?;
    }
    if server.handshake_timeout == Some(Nanos::ZERO) {
        return Err(tree.problem(&at("handshake_timeout"), "a timeout of zero: nothing would ever open"));
    }
    Ok(())
}

/// Work can only share processors that are fewer than the workers.
fn sharing(name: &str, server: &ServersToml, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("servers.{name}.{key}");
    if server.cores == Some(0) {
        return Err(tree.problem(&at("cores"), "a member without a processor would do nothing: at least 1"));
    }
    if let Some(cores) = server.cores.filter(|cores| *cores >= server.workers) {
        let message = format!("{} workers have a processor each of {cores}: they share none", server.workers);
        let help = format!("write workers = N with N above {cores}, or leave cores out");
        return Err(tree.problem(&at("cores"), message).with_help(help));
    }
    if server.slowdown.is_some_and(|Slowdown { contention, coherency }| contention.0 + coherency.0 == 0.0) {
        let message = "no slowdown at all: leave it out, or write { contention = \"2%\", coherency = \"0.1%\" }";
        return Err(tree.problem(&at("slowdown"), message));
    }
    Ok(())
}

/// Limits of each address must let something in.
fn windows(name: &str, server: &ServersToml, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("servers.{name}.{key}");
    if server.address_connections_max == Some(0) {
        return Err(tree.problem(&at("address_connections_max"), "no connection at all: at least 1"));
    }
    if server.address_connections_max.is_some() && server.over_rate == Some(OverRate::Wait) {
        let message = "a connection above `address_connections_max` has no time at which its turn comes";
        return Err(tree.problem(&at("over_rate"), message).with_help("write \"reject\" or \"drop\""));
    }
    let Some(WindowConfig { max, per, kind, counts_rejected }) = server.address_window else { return Ok(()) };
    if max == 0 || per == Nanos::ZERO {
        let (key, message) = if max == 0 { ("max", "it lets nothing in") } else { ("per", "a window of no time") };
        return Err(tree.problem(&at(&format!("address_window.{key}")), format!("{message}: above zero")));
    }
    if counts_rejected && kind == WindowKind::Fixed {
        let message = "a fixed window ends when it ends, whatever is rejected meanwhile";
        let help = "write kind = \"sliding\" beside it, or leave counts_rejected out";
        return Err(tree.problem(&at("address_window.counts_rejected"), message).with_help(help));
    }
    Ok(())
}

/// What there is of a resource must suffice for a process that has one client.
fn resources(name: &str, server: &ServersToml, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("servers.{name}.{key}");
    if let Some(DescriptorsConfig { max, when_full }) = server.descriptors {
        if max == 0 {
            let message = "without a descriptor no connection is ever accepted: at least 1";
            return Err(tree.problem(&at("descriptors.max"), message));
        }
        if when_full == WhenUsedUp::Kill {
            let message = "a process that has no descriptor left lives on";
            return Err(tree.problem(&at("descriptors.when_full"), message).with_help("write \"wait\" or \"refuse\""));
        }
    }
    let Some(MemoryConfig { max, process, connection, handshake, .. }) = server.memory else { return Ok(()) };
    if connection.0 == 0 && handshake.0 == 0 {
        let message = "no client needs any of this memory";
        let help = "write connection = \"64KB\" or handshake = \"1MB\" beside max, or leave memory out";
        return Err(tree.problem(&at("memory"), message).with_help(help));
    }
    let one = process.0.saturating_add(connection.0).saturating_add(handshake.0);
    if one > max.0 {
        let message = format!("{max} is less than a process with one client needs, which is {}", Bytes(one));
        return Err(tree.problem(&at("memory.max"), message));
    }
    Ok(())
}

/// The most that a restart's time may grow by, each time.
const MAX_FACTOR: f64 = 1_000.0;

/// Probes must end before the next one begins.
fn supervision(name: &str, server: &ServersToml, tree: &Tree) -> Result<(), Problem> {
    for (kind, probe) in [("liveness", server.liveness), ("readiness", server.readiness)] {
        let Some(probe) = probe else { continue };
        let at = |key: &str| format!("servers.{name}.{kind}.{key}");
        if probe.every < SHORTEST_PERIOD {
            return Err(tree.problem(&at("every"), format!("at least {SHORTEST_PERIOD} lies between two probes")));
        }
        if probe.timeout == Nanos::ZERO || probe.timeout > probe.every {
            let message = format!("a timeout of {}: above zero, and at most `every`, {}", probe.timeout, probe.every);
            return Err(tree.problem(&at("timeout"), message));
        }
        for (key, count) in [("failures", Some(probe.failures)), ("successes", probe.successes)] {
            if count == Some(0) {
                return Err(tree.problem(&at(key), format!("`{key}` must be at least 1, found 0")));
            }
        }
        if kind == "liveness" && probe.successes.is_some() {
            let help = "leave successes out";
            let message = "a process is killed only once: `successes` is for readiness probes";
            return Err(tree.problem(&at("successes"), message).with_help(help));
        }
    }
    let Some(restart) = server.restart else { return Ok(()) };
    let at = |key: &str| format!("servers.{name}.{key}");
    if !server.may_be_killed() {
        let help = "write liveness = {} beside it, or leave restart out";
        return Err(tree.problem(&at("restart"), "nothing kills these processes but faults").with_help(help));
    }
    if !(1.0..=MAX_FACTOR).contains(&restart.factor) {
        let message = format!("factor {}: from 1 to {MAX_FACTOR}", restart.factor);
        return Err(tree.problem(&at("restart.factor"), message));
    }
    if restart.after == Nanos::ZERO {
        return Err(tree.problem(&at("restart.after"), "no process starts in no time: above zero"));
    }
    Ok(())
}

/// A group that pauses must go on in between.
fn pauses(name: &str, pauses: &PauseConfig, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("servers.{name}.pauses.{key}");
    for (key, time) in [("every", &pauses.every), ("for", &pauses.duration)] {
        if let Some(problem) = time.problem() {
            return Err(tree.problem(&at(key), problem));
        }
        if key == "every" && !is_always_zero(time) && is_always_below(time, SHORTEST_PERIOD) {
            return Err(tree.problem(&at(key), format!("at least {SHORTEST_PERIOD} lies between two pauses")));
        }
        if is_always_zero(time) {
            let message = "no time at all: leave `pauses` out, or write { every = \"10s\", for = \"200ms\" }";
            return Err(tree.problem(&at(key), message));
        }
    }
    match (&pauses.every, &pauses.duration) {
        (Distribution::Constant(every), Distribution::Constant(duration)) if duration >= every => {
            let message = format!("a pause of {duration} every {every}: the process would never run");
            Err(tree.problem(&at("for"), message).with_help("let it take less than `every`"))
        }
        _ => Ok(()),
    }
}

/// Members must be there for a time within the run.
fn membership(name: &str, server: &ServersToml, run: Nanos, tree: &Tree) -> Result<(), Problem> {
    let at = |key: &str| format!("servers.{name}.{key}");
    for (key, time) in [("joins_at", server.joins_at), ("leaves_at", server.leaves_at)] {
        match time {
            Some(Nanos::ZERO) => {
                let message =
                    if key == "joins_at" { "members join at the beginning unless it says so" } else { "never there" };
                return Err(tree
                    .problem(&at(key), message)
                    .with_help(format!("leave {key} out, or give a later time")));
            }
            Some(time) if time >= run => {
                return Err(tree.problem(&at(key), format!("{time} is past the run, which ends at {run}")));
            }
            _ => {}
        }
    }
    if let (Some(joins), Some(leaves)) = (server.joins_at, server.leaves_at)
        && leaves <= joins
    {
        return Err(tree.problem(&at("leaves_at"), format!("leaves at {leaves}, but joins at {joins}")));
    }
    Ok(())
}

/// The most attempts at one call.
const MAX_ATTEMPTS: u32 = 1_000;

/// Checks what a group calls, as far as that needs no names.
fn calls(name: &str, server: &ServersToml, tree: &Tree) -> Result<(), Problem> {
    for (number, call) in server.calls.iter().enumerate() {
        let at = |key: &str| format!("servers.{name}.calls.{number}.{key}");
        if call.timeout == Nanos::ZERO {
            return Err(tree.problem(&at("timeout"), "a timeout of zero: no call would ever be answered"));
        }
        if call.share.is_some_and(|share| share.0 == 0.0) {
            return Err(tree.problem(&at("share"), "a call that no request makes: leave the call out"));
        }
        if let Some(pool) = call.pool {
            if pool.size == 0 {
                return Err(tree.problem(&at("pool.size"), "a pool without a connection: at least 1"));
            }
            if pool.queue > 0 && pool.timeout == Nanos::ZERO {
                let help = "write queue = 0 for calls that do not wait";
                return Err(tree.problem(&at("pool.timeout"), "nobody waits for no time").with_help(help));
            }
        }
        let Some(retry) = &call.retry else { continue };
        if !(2..=MAX_ATTEMPTS).contains(&retry.attempts) {
            let message = format!("{} attempts, the first included: from 2 to {MAX_ATTEMPTS}", retry.attempts);
            return Err(tree.problem(&at("retry.attempts"), message));
        }
        if let Some(problem) = retry.delay.problem() {
            return Err(tree.problem(&at("retry.delay"), problem));
        }
    }
    Ok(())
}

/// Checks whom groups call: they must answer calls, and no request may wait for one that waits for it.
pub(super) fn called(scenario: &Draft, tree: &Tree) -> Result<(), Problem> {
    let groups = |call: &CallConfig| -> Vec<usize> {
        let members = scenario.all_endpoints(Some(&call.to));
        members.into_iter().map(|member| scenario.servers()[member.0 as usize].group).collect()
    };
    let file = &scenario.file;
    for (name, server) in &file.servers {
        for (number, call) in server.calls.iter().enumerate() {
            let path = format!("servers.{name}.calls.{number}.to");
            for group in groups(call) {
                let (called, config) = file.servers.get_index(group).expect("every server has a group");
                if let (ServerKind::L4, Some(behind)) = (config.kind, &config.to) {
                    let message = format!("`{called}` is a balancer: calls through one are not simulated");
                    let quoted: Vec<String> = behind.0.iter().map(|name| format!("\"{name}\"")).collect();
                    let to = if quoted.len() == 1 { quoted[0].clone() } else { format!("[{}]", quoted.join(", ")) };
                    let help = format!("call the servers behind it: to = {to}");
                    return Err(tree.problem(&path, message).with_help(help));
                }
                if !config.behavior.0.iter().any(|behavior| behavior.kind == Kind::Serve) {
                    let help = format!("write behavior = {{ kind = \"serve\" }} in [servers.{called}]");
                    return Err(tree.problem(&path, format!("`{called}` answers no calls")).with_help(help));
                }
                if !config.tls.is_none() {
                    let help = format!("leave tls out of [servers.{called}]");
                    return Err(tree.problem(&path, "calls are made without TLS").with_help(help));
                }
            }
        }
    }
    let called = |group: usize| file.servers[group].calls.iter().flat_map(groups).collect();
    let Some(cycle) = cycle(file.servers.len(), called) else { return Ok(()) };
    let names: Vec<&str> =
        cycle.iter().map(|group| file.servers.get_index(*group).expect("a group").0.as_str()).collect();
    let message = format!("a request to `{0}` would wait for a request to `{0}`, and so on", names[0]);
    let problem = tree.problem(&format!("servers.{}.calls", names[0]), message);
    Err(problem.with_note(format!("the cycle: {}", names.join(" -> "))))
}
