//! Programs that nobody here wrote, on hosts of the kernel driver: nginx and HAProxy, where they are installed; and faults that
//! run programs.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::Value as Json;

use crate::common::{in_real_time, ran, read, text};
use crate::wire::{events, kernel, of};

/// Clients of nginx, which is reloaded, and of HAProxy, of which half say nothing.
const BOXES: &str = r#"
format = 1
title = "nginx and HAProxy"
duration = "2500ms"
[network]
one_way = "5ms"
[servers.gateway]
count = 4
[servers.nginx]
command = ["nginx", "-e", "stderr", "-p", "{folder}", "-c", "{here}/nginx.conf"]
[servers.haproxy]
command = ["haproxy", "-db", "-f", "{here}/haproxy.cfg"]
[clients.reloaded]
count = 20
arrive = "at_once"
endpoints = ["nginx"]
retry = { policy = "fixed", base = "100ms" }
[clients.quiet]
count = 10
arrive = "at_once"
endpoints = ["haproxy"]
retry = { policy = "fixed", base = "300ms" }
[clients.pinging]
count = 10
arrive = "at_once"
endpoints = ["haproxy"]
heartbeat = { every = "150ms", timeout = "1s" }
retry = { policy = "fixed", base = "300ms" }
[faults.reload]
kind = "command"
target = "nginx"
at = "500ms"
for = "1500ms"
command = ["nginx", "-e", "stderr", "-p", "{folder}", "-c", "{here}/nginx.conf", "-s", "reload"]
"#;

fn is_installed(program: &str) -> bool {
    Command::new(program).arg("-v").output().is_ok()
}

/// The configurations of the committed scenarios, with shorter times: an nginx that is reloaded ends its connections when its
/// patience is over, and HAProxy those that say nothing, each by FIN and without a close frame; pings keep a tunnel open.
#[test]
fn a_reload_and_an_idle_timeout_end_real_tunnels() {
    if let Some(missing) = ["nginx", "haproxy"].iter().find(|program| !is_installed(program)) {
        return println!("SKIPPED: {missing} is not installed");
    }
    in_real_time(|_| {
        let place = tempfile::tempdir().unwrap();
        let shorter = |file: &str, from: &str, to: &str, name: &str| {
            let committed = read(&format!("scenarios/kernel/{file}"));
            assert!(committed.contains(from), "{file}");
            fs::write(place.path().join(name), committed.replace(from, to)).unwrap();
        };
        shorter("nginx-reload.conf", "worker_shutdown_timeout 5s", "worker_shutdown_timeout 400ms", "nginx.conf");
        shorter("idle-timeouts.cfg", "timeout tunnel 5s", "timeout tunnel 700ms", "haproxy.cfg");
        fs::write(place.path().join("boxes.toml"), BOXES).unwrap();
        let args = ["--allow-commands", "--events", "--out", "out"];
        let Some(output) = kernel(place.path(), "boxes.toml", &args) else { return };
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let mut lives: BTreeMap<String, Vec<(f64, String)>> = BTreeMap::new();
        for event in events(&place.path().join("out")).iter().filter(|event| event["layer"] == "session") {
            let what = format!("{} {}", of(event, "kind"), of(event, "end"));
            lives.entry(of(event, "session")).or_default().push((event["at_ms"].as_f64().unwrap(), what));
        }
        assert_eq!(lives.len(), 40);
        for (session, life) in &lives {
            let at = |what: &str| life.iter().filter(|(_, is)| is.starts_with(what)).map(|(at, _)| *at).collect();
            let (opened, lost): (Vec<f64>, Vec<f64>) = (at("opened"), at("lost"));
            match session.as_str() {
                quiet if quiet.starts_with("quiet") => {
                    assert!(lost.len() >= 2 && at("lost fin").len() == lost.len(), "{session}: {life:?}");
                    // The kernel's and HAProxy's clocks count whole milliseconds.
                    assert!(
                        opened.iter().zip(&lost).all(|(opened, lost)| lost - opened > 690.0),
                        "{session}: {life:?}"
                    );
                }
                pinging if pinging.starts_with("pinging") => {
                    assert!(opened.len() == 1 && lost.is_empty(), "{session}: {life:?}");
                }
                _ => {
                    assert!(opened.len() == 2 && lost.len() == 1 && at("lost fin").len() == 1, "{session}: {life:?}");
                    assert!(lost[0] > 900.0, "{session}: nginx waits for its timeout: {life:?}");
                }
            }
        }
        let summary: Json = serde_json::from_slice(&fs::read(place.path().join("out/summary.json")).unwrap()).unwrap();
        assert!(summary["faults"]["reload"]["affected"].as_u64() >= Some(20), "{}", summary["faults"]["reload"]);
    });
}

/// A fault that runs programs on the hosts of two servers.
const COMMANDS: &str = r#"
format = 1
title = "A fault that runs programs"
duration = "500ms"
[servers.s]
count = 2
[clients.c]
count = 2
arrive = "at_once"
endpoints = ["s"]
[faults.mark]
kind = "command"
target = "s-1"
at = "100ms"
for = "100ms"
command = ["sh", "-c", "echo began on {name}"]
heal = ["sh", "-c", "echo healed on $SHAKEDOWN_SERVER"]
"#;

/// It runs at its times with what it is told, on real sockets of both kinds, and where that is allowed; when it fails, the run
/// does.
#[test]
fn a_fault_runs_programs_when_it_begins_and_when_it_heals() {
    let place = tempfile::tempdir().unwrap();
    let put = |name: &str, from: &str, to: &str| {
        assert!(COMMANDS.contains(from), "{from}");
        fs::write(place.path().join(name), COMMANDS.replacen(from, to, 1)).unwrap();
    };
    put("plain.toml", "", "");
    put("fails.toml", "\"echo began on {name}\"", "\"echo no use; exit 7\"");
    put("absent.toml", "command = [\"sh\"", "command = [\"no-program-has-this-name\"");
    put("unknown.toml", "{name}", "{s-0.address}");
    put("named.toml", "echo began on {name}", "echo {address} {s-0.address} {here}; getent hosts s-0");
    let run = |file: &str, args: &[&str]| {
        let output = ran(place.path(), &[&["run", file, "--quiet", "--driver", "tokio"], args].concat());
        (output.status.code(), text(&output.stderr))
    };
    let allowed = ["--allow-commands", "--out", "tokio"];
    assert_eq!(run("plain.toml", &allowed).0, Some(0));
    let log = |folder: &str| fs::read_to_string(place.path().join(folder).join("mark.command.log")).unwrap();
    assert_eq!(log("tokio"), "began on s-1\nhealed on s-1\n");
    let verified = text(&ran(place.path(), &["verify", "tokio"]).stdout);
    assert!(
        verified.contains("SKIPPED") && verified.contains("no two runs on real sockets are the same"),
        "{verified}"
    );
    for (file, args, code, says) in [
        ("plain.toml", &[][..], 2, "`mark` runs a program (`sh -c echo began on {name}`): write --allow-commands"),
        ("fails.toml", &allowed, 3, "faults.mark on s-1: its command failed (exit status: 7)"),
        ("fails.toml", &allowed, 3, "mark.command: no use"),
        ("absent.toml", &allowed, 3, "`mark` runs `no-program-has-this-name`, which is not installed here"),
        ("unknown.toml", &allowed, 2, "`mark`: `{s-0.address}`: no server of this name has an address before"),
    ] {
        let (status, said) = run(file, args);
        assert!(status == Some(code) && said.contains(says), "{file}: {status:?}, {said}");
    }
    let simulated = ran(place.path(), &["run", "plain.toml"]);
    let said = text(&simulated.stderr);
    assert!(said.contains("`mark` runs a program, and needs real sockets"), "{said}");
    let Some(output) = kernel(place.path(), "named.toml", &["--allow-commands", "--out", "out"]) else { return };
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let (here, log) = (place.path().canonicalize().unwrap(), log("out"));
    let addresses = format!("10.0.0.2:8080 10.0.0.1:8080 {}\n", here.display());
    assert!(log.starts_with(&addresses) && log.ends_with("healed on s-1\n"), "{log}");
    // Where nothing can be mounted, servers have no names.
    let name = log.lines().nth(1).unwrap();
    assert!(name.split_whitespace().eq(["10.0.0.1", "s-0", "s"]) || name.starts_with("healed"), "{log}");
}

/// A program whose host loses power for a while.
const DARK: &str = r#"
format = 1
title = "A program without power"
duration = "2500ms"
[network]
one_way = "5ms"
[servers.p]
COMMAND
[clients.c]
count = 3
start = "50ms"
arrive = "at_once"
endpoints = ["p"]
heartbeat = { every = "100ms", timeout = "200ms" }
connect_timeout = "300ms"
retry = { policy = "fixed", base = "100ms" }
[faults.dark]
kind = "power-off"
target = "p"
at = "500ms"
for = "700ms"
"#;

/// Its clients hear nothing, neither FIN nor RST; once it has booted, it is started again, and they are back.
#[test]
fn a_program_loses_power_and_boots() {
    let place = tempfile::tempdir().unwrap();
    let own = std::env::current_exe().unwrap();
    let command = format!("command = ['{}', '--exact', 'real::a_program', '--ignored', '--nocapture']", own.display());
    fs::write(place.path().join("dark.toml"), DARK.replace("COMMAND", &command)).unwrap();
    in_real_time(|_| {
        let _ = fs::remove_dir_all(place.path().join("out"));
        let args = ["--allow-commands", "--events", "--out", "out"];
        let Some(output) = kernel(place.path(), "dark.toml", &args) else { return };
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let events = events(&place.path().join("out"));
        let ends: Vec<String> = events.iter().filter(|e| e["kind"] == "lost").map(|e| of(e, "end")).collect();
        assert_eq!(ends, ["heartbeat"; 3]);
        let back = events.iter().filter(|event| event["kind"] == "opened" && event["at_ms"].as_f64() > Some(1_200.0));
        assert_eq!(back.count(), 3);
        let log = fs::read_to_string(place.path().join("out/p-0.log")).unwrap();
        assert_eq!(log.matches("p-0 started").count(), 2, "{log}");
        assert!(wire(&place.path().join("out"))["without_power"].as_u64() > Some(0));
    });
}

/// A client that is a program, far away from the server that it connects to.
const BOT: &str = r#"
format = 1
title = "A client of one's own"
duration = "1s"
[network.links.far]
from = "bot"
to = "s"
one_way = "60ms"
[servers.s]
[servers.bot]
COMMAND
listens = false
[clients.c]
count = 1
arrive = "at_once"
endpoints = ['s']
"#;

/// It has a host of its own: what the scenario says of links applies to it. It may end, and nobody can connect to it.
#[test]
fn a_client_may_be_a_program() {
    let place = tempfile::tempdir().unwrap();
    let own = std::env::current_exe().unwrap();
    let own = own.display();
    let command = format!(
        "command = ['env', 'TO={{s-0.address}}', '{own}', '--exact', 'boxes::a_client', '--ignored', '--nocapture']"
    );
    fs::write(place.path().join("bot.toml"), BOT.replace("COMMAND", &command)).unwrap();
    fs::write(place.path().join("fails.toml"), BOT.replace("COMMAND", "command = ['false']")).unwrap();
    fs::write(place.path().join("dialled.toml"), BOT.replace("COMMAND", &command).replace("['s']", "['bot']")).unwrap();
    let Some(output) = kernel(place.path(), "bot.toml", &["--allow-commands", "--quiet", "--out", "out"]) else {
        return;
    };
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(!text(&output.stderr).contains("ended by itself"), "{}", text(&output.stderr));
    let log = fs::read_to_string(place.path().join("out/bot-0.log")).unwrap();
    let said = log.lines().find_map(|line| line.split_once("connected from 10.0.0.2 after ms: ")).unwrap().1;
    let took: f64 = said.trim().parse().unwrap();
    assert!((120.0..1_000.0).contains(&took), "{log}");
    let failed = kernel(place.path(), "fails.toml", &["--allow-commands", "--quiet", "--out", "fails"]).unwrap();
    assert!(text(&failed.stderr).contains("bot-0's program ended by itself"), "{}", text(&failed.stderr));
    let dialled = ran(place.path(), &["check", "dialled.toml"]);
    assert!(text(&dialled.stderr).contains("`bot` does not listen"), "{}", text(&dialled.stderr));
}

/// The client of the test before, in the form of a test.
#[test]
#[ignore = "the client of another test, which starts it"]
fn a_client() {
    let Ok(to) = std::env::var("TO") else { return };
    let began = Instant::now();
    let stream = TcpStream::connect(to).unwrap();
    let from = stream.local_addr().unwrap().ip();
    println!("connected from {from} after ms: {}", began.elapsed().as_secs_f64() * 1e3);
}

fn wire(folder: &Path) -> Json {
    serde_json::from_slice(&fs::read(folder.join("wire.json")).unwrap()).unwrap()
}

/// Clients that come while the process is paused.
const BURST: &str = r#"
format = 1
title = "A burst into an accept queue"
duration = "1200ms"
[network]
one_way = "5ms"
[servers.s]
pauses = { every = "500ms", for = "400ms", in_step = true }
[clients.c]
count = 60
start = "600ms"
arrive = "at_once"
endpoints = ["s"]
[faults.short]
kind = "backlog"
target = "s"
to = TO
at = "200ms"
"#;

/// The kernel's own queue gets shorter, and says so.
#[test]
fn a_backlog_fault_makes_the_kernels_accept_queue_shorter() {
    for (to, overflows) in [("2", true), ("200", false)] {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("burst.toml"), BURST.replace("TO", to)).unwrap();
        let Some(output) = kernel(place.path(), "burst.toml", &["--out", "out"]) else { return };
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let counted = &wire(&place.path().join("out"))["kernels"]["servers"]["s-0"];
        let dropped = counted["ListenOverflows"].as_u64().unwrap() + counted["ListenDrops"].as_u64().unwrap();
        assert_eq!(dropped > 0, overflows, "to {to}: {counted}");
    }
}
