//! `serve` and `load` from the command line: where servers listen, what is logged, and targets that are not there.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::common::{prose, ran, shakedown as program, text};

const FLEET: &str = r#"
format = 1
title = "Two servers"
duration = "800ms"
[servers.gateway]
count = 2
[clients.players]
count = 20
arrive = { evenly_over = "100ms" }
endpoints = ["gateway"]
retry = { policy = "none" }
"#;

/// Two ports in a row that nobody has.
fn free_ports() -> u16 {
    let listens = |port: u16| TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).is_ok();
    (21_000..32_000).find(|port| listens(*port) && listens(port + 1)).unwrap()
}

#[test]
fn servers_listen_where_they_are_told_to_and_log_what_happens() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("fleet.toml"), FLEET).unwrap();
    let port = free_ports();
    let of_group = format!("gateway={port}");
    let mut served = program(place.path(), &["serve", "fleet.toml", "--log", "--port", &of_group]);
    let mut served = served.stdout(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    let second = SocketAddr::from(([127, 0, 0, 1], port + 1));
    while TcpStream::connect(second).is_err() {
        assert!(began.elapsed() < Duration::from_secs(20), "nothing listens there");
        std::thread::sleep(Duration::from_millis(10));
    }
    // What is taken can't be had once more.
    let taken = ran(place.path(), &["serve", "fleet.toml", "--port", &format!("gateway-1={port}")]);
    assert_eq!(taken.status.code(), Some(3));
    let said = prose(&taken.stderr);
    assert!(said.contains(&format!("can't listen on 127.0.0.1:{port} as gateway-1: another process has")), "{said}");
    let mut log = String::new();
    served.stdout.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(served.wait().unwrap().success());
    assert!(log.contains(&format!("gateway-1 listens on 127.0.0.1:{}", port + 1)), "{log}");
    assert!(log.lines().any(|line| line.contains(" s  gateway-1  accepted  connection=")), "{log}");

    for (wrong, why) in [
        ("gateway", "write NAME=PORT"),
        ("nowhere=9000", "no server, proxy or group"),
        ("gateway=0", "a port is 1 to 65535"),
        ("gateway=65535", "gateway has 2 servers"),
        ("gateway=9000,gateway-1=9000", "two servers would have port 9000"),
    ] {
        let output = ran(place.path(), &["serve", "fleet.toml", "--port", wrong]);
        let said = text(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(why), "{wrong}: {said}");
    }
}

#[test]
fn load_names_a_target_that_is_not_there() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("fleet.toml"), FLEET).unwrap();
    let alive = TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = free_ports();
    let targets =
        [format!("gateway-0=ws://127.0.0.1:{dead}"), format!("gateway-1=ws://{}", alive.local_addr().unwrap())];
    let output = ran(place.path(), &["load", "fleet.toml", "--target", &targets.join(",")]);
    let said = prose(&output.stderr);
    let expected = format!("no connection to 127.0.0.1:{dead} came about, which is the target of gateway-0: ");
    assert!(said.contains(&expected) && said.contains(" refused"), "{said}");
    assert_eq!(said.matches("no connection to").count(), 1, "{said}");
}

/// What a Prometheus would read there.
fn metrics(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[test]
fn a_run_on_real_sockets_is_watched_while_it_goes_on() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("fleet.toml"), FLEET).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], free_ports()));
    let own = address.to_string();
    let args = ["run", "fleet.toml", "--driver", "tokio", "--metrics", &own, "--quiet", "--set", "duration=2s"];
    let mut child = program(place.path(), &args).stdout(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    let all = "outcome=\"opened\"} 20\n";
    let read = loop {
        assert!(began.elapsed() < Duration::from_secs(20), "nobody opened");
        match metrics(address, "/metrics") {
            Some(read) if read.contains(all) => break read,
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    assert!(metrics(address, "/").is_none_or(|read| read.starts_with("HTTP/1.1 404 ")));
    assert!(child.wait().unwrap().success());
    let (head, body) = read.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\nContent-Type: application/openmetrics-text; version=1.0.0"), "{head}");
    let of = "scenario=\"fleet\",seed=\"1\"";
    for line in [
        "# TYPE shakedown_attempts counter".to_string(),
        "# UNIT shakedown_handshake_latency_seconds seconds".into(),
        format!("shakedown_handshake_latency_seconds_bucket{{{of},le=\"+Inf\"}} 20"),
        format!("shakedown_handshake_latency_seconds_count{{{of}}} 20"),
        format!("shakedown_time_to_open_seconds_count{{{of}}} 20"),
        format!("shakedown_sessions_open{{{of}}} 20"),
    ] {
        assert!(body.lines().any(|own| own == line), "{line}:\n{body}");
    }
    let requests = body.lines().filter(|line| line.starts_with("shakedown_server_requests_total{"));
    let sum: u64 = requests.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum();
    assert!(sum == 20 && body.ends_with("# EOF\n"), "{body}");
    let simulated = ran(place.path(), &["run", "fleet.toml", "--metrics", &own]);
    assert!(simulated.status.code() == Some(2), "{}", text(&simulated.stderr));
}
