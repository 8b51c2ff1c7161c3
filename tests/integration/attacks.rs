//! Peers that mean harm: strangers who attack `serve`, and servers that attack `load`. The counts and times are bounded; the
//! long forms are `#[ignore]`d. What is held: memory, descriptors, the time that it takes, and that others are served.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::common::{shakedown, text};

const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// Somebody's servers; the clients arrive long after the run, which is nobody's business who only serves.
const SERVED: &str = "format = 1\ntitle = 'Served'\nduration = '1800s'\n[servers.gateway]\n[clients.players]\ncount = 5\n\
                      endpoints = 'gateway'\nstart = '9999s'\n[expect]\n'sessions.opened' = '== 100%'\n";

/// `serve`, as long as this is there.
struct Served {
    child: Child,
    gateway: SocketAddr,
    _place: tempfile::TempDir,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Served {
    fn new(sets: &[&str]) -> Served {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("a.toml"), SERVED).unwrap();
        let asked: Vec<&str> = ["serve", "a.toml", "--ports", "ports.json", "--quiet"]
            .into_iter()
            .chain(sets.iter().flat_map(|set| ["--set", set]))
            .collect();
        let mut child = shakedown(place.path(), &asked).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let (ports, began) = (place.path().join("ports.json"), Instant::now());
        while !ports.exists() {
            if began.elapsed() > Duration::from_secs(20) || child.try_wait().unwrap().is_some() {
                let _ = child.kill();
                let mut said = String::new();
                child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
                panic!("it does not listen: {said}");
            }
            sleep(Duration::from_millis(10));
        }
        let ports: Json = serde_json::from_slice(&fs::read(ports).unwrap()).unwrap();
        let gateway = ports["gateway-0"].as_str().unwrap().parse().unwrap();
        Served { child, gateway, _place: place }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.gateway).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    /// A connection whose handshake was answered so.
    fn asked(&self, request: &str) -> (TcpStream, String) {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let (mut answer, mut byte) = (Vec::new(), [0]);
        while !answer.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|len| len == 1) {
            answer.push(byte[0]);
        }
        (stream, String::from_utf8_lossy(&answer).into_owned())
    }

    fn serves(&self) {
        let (_, answer) = self.asked(REQUEST);
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    }

    /// Resident memory in KiB.
    fn memory(&self) -> u64 {
        memory(self.child.id(), "VmRSS:")
    }

    fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// Once the attackers are gone, their descriptors are, too.
    fn settles_to(&self, descriptors: usize) {
        let began = Instant::now();
        while self.descriptors() > descriptors {
            assert!(began.elapsed() < Duration::from_secs(20), "{} descriptors are left", self.descriptors());
            sleep(Duration::from_millis(50));
        }
        self.serves();
    }
}

fn memory(process: u32, kind: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(kind)).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Connections that one process may have beside what it needs itself.
fn at_most(wanted: usize) -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let soft = line.split_whitespace().nth(3).and_then(|soft| soft.parse().ok()).unwrap_or(usize::MAX);
    wanted.min(soft.saturating_sub(400))
}

/// So many idle connections, and as many that drip a byte now and then, while others are served.
fn crowded(idle: usize, dripping: usize) {
    let served = Served::new(&[]);
    served.serves();
    let (before, memory) = (served.descriptors(), served.memory());
    let silent: Vec<TcpStream> = (0..at_most(idle)).map(|_| served.connect()).collect();
    served.serves();
    drop(silent);
    served.settles_to(before + 2);
    let mut slow: Vec<TcpStream> = (0..at_most(dripping)).map(|_| served.connect()).collect();
    for byte in &REQUEST.as_bytes()[..20] {
        slow.iter_mut().for_each(|stream| stream.write_all(&[*byte]).unwrap());
    }
    served.serves();
    let grown = served.memory().saturating_sub(memory);
    assert!(grown < (16 << 10) + 16 * (idle + dripping) as u64, "{grown} KiB");
    drop(slow);
    served.settles_to(before + 2);
}

#[test]
fn idle_and_dripping_connections_leave_room_for_others() {
    crowded(1_000, 500);
}

#[test]
#[ignore = "the long form"]
fn very_many_idle_and_dripping_connections_leave_room_for_others() {
    crowded(20_000, 5_000);
}

#[test]
fn floods_of_resets_pings_and_headers_are_survived() {
    let served = Served::new(&[]);
    served.serves();
    let (before, memory) = (served.descriptors(), served.memory());
    // What is closed with its answer unread is reset.
    for _ in 0..500 {
        let mut stream = served.connect();
        stream.write_all(REQUEST.as_bytes()).unwrap();
        let _ = stream.peek(&mut [0]);
    }
    // A head without an end is refused.
    let mut endless = served.connect();
    let _ = endless.write_all(b"GET / HTTP/1.1\r\n");
    let field = b"X-Field: 0123456789\r\n".repeat(1_000);
    let taken = (0..2_000).take_while(|_| endless.write_all(&field).is_ok()).count();
    assert!(taken < 2_000, "42 MB of a head were taken");
    // Pings whose pongs are read, slowly, and some whose pongs nobody takes.
    let ping: Vec<u8> = [0x89, 0xfd, 0, 0, 0, 0].into_iter().chain([b'p'; 125]).collect();
    let mut readers: Vec<TcpStream> = (0..20).map(|_| served.asked(REQUEST).0).collect();
    for stream in &mut readers {
        stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        let pings = ping.repeat(100);
        let sent = (0..1_000).take_while(|_| stream.write_all(&pings).is_ok()).count();
        assert!(sent < 1_000, "13 MB of pings were taken while nobody took the pongs");
    }
    let mut pongs = vec![0; 1 << 16];
    assert!(readers.iter_mut().all(|stream| stream.read(&mut pongs).is_ok_and(|len| len > 0 && pongs[0] == 0x8a)));
    served.serves();
    let grown = served.memory().saturating_sub(memory);
    assert!(grown < 64 << 10, "{grown} KiB");
    drop((readers, endless));
    served.settles_to(before + 2);
}

/// RFC 6455 section 5.1 and RFC 9112, for strangers as for anyone; who is told to be lax is.
#[test]
fn strangers_are_held_to_the_rfcs_unless_the_scenario_says_otherwise() {
    let doubled = REQUEST.replace("Host: x\r\n", "Host: x\r\nHost: y\r\n");
    let unsure = REQUEST.replace("Host: x\r\n", "Host: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n");
    let bare = REQUEST.replace("Host: x\r\n", "");
    for (sets, status, answered) in
        [(&[][..], "400", &[0x88, 2, 0x03, 0xea][..]), (&["servers.gateway.lax=true"], "101", &[0x8a, 0])]
    {
        let served = Served::new(sets);
        for request in [&doubled, &unsure] {
            let (_, answer) = served.asked(request);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        }
        assert!(served.asked(&bare).1.starts_with("HTTP/1.1 400 "), "HTTP/1.1 needs a Host, whoever reads");
        let (mut stream, _) = served.asked(REQUEST);
        stream.write_all(&[0x89, 0]).unwrap();
        let mut bytes = vec![0; answered.len()];
        stream.read_exact(&mut bytes).unwrap();
        assert_eq!(bytes, answered, "an unmasked ping");
    }
}

#[test]
fn too_few_descriptors_are_said_before_anyone_is_let_in() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("a.toml"), SERVED).unwrap();
    let program = env!("CARGO_BIN_EXE_shakedown");
    let limited = |number: u32| {
        let line = format!("ulimit -n {number}; exec '{program}' serve a.toml --set 'duration=\"300ms\"'");
        Command::new("sh").current_dir(place.path()).args(["-c", &line]).output().unwrap()
    };
    let few = limited(64);
    let said = text(&few.stderr);
    assert_eq!(few.status.code(), Some(3), "{said}");
    assert!(said.contains("file descriptors") && said.contains("ulimit -n"), "{said}");
    assert_eq!(limited(200).status.code(), Some(0));
}

/// What a hostile server does with a connection.
type Hostile = fn(&mut TcpStream) -> std::io::Result<()>;

/// Reads a request's head.
fn hear(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let (mut head, mut chunk) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut chunk)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            len => head.extend_from_slice(&chunk[..len]),
        }
    }
    Ok(head)
}

fn is_silent(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.read_to_end(&mut Vec::new()).map(drop)
}

fn drips(stream: &mut TcpStream) -> std::io::Result<()> {
    hear(stream)?;
    b"HTTP/1.1 101 Switching Protocols\r\n".iter().cycle().try_for_each(|byte| {
        sleep(Duration::from_millis(50));
        stream.write_all(&[*byte])
    })
}

fn redirects_for_ever(stream: &mut TcpStream) -> std::io::Result<()> {
    loop {
        let head = hear(stream)?;
        let number = head.len();
        write!(stream, "HTTP/1.1 302 Found\r\nLocation: /{number}\r\nContent-Length: 0\r\n\r\n")?;
    }
}

fn challenges_for_ever(stream: &mut TcpStream) -> std::io::Result<()> {
    for number in 0.. {
        hear(stream)?;
        let challenge = format!("Digest realm=\"x\", qop=\"auth\", nonce=\"{number}\", stale=true");
        write!(stream, "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 0\r\n\r\n")?;
    }
    Ok(())
}

fn endless_body(stream: &mut TcpStream) -> std::io::Result<()> {
    hear(stream)?;
    stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\n")?;
    (0..1 << 14).try_for_each(|_| stream.write_all(&[b'x'; 1 << 16]))
}

fn endless_head(stream: &mut TcpStream) -> std::io::Result<()> {
    hear(stream)?;
    stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nX: ")?;
    (0..1 << 14).try_for_each(|_| stream.write_all(&[b'x'; 1 << 16]))
}

fn interim_for_ever(stream: &mut TcpStream) -> std::io::Result<()> {
    hear(stream)?;
    let interim = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(1_000);
    (0..1 << 14).try_for_each(|_| stream.write_all(&interim))
}

/// Opens, then sends frames that a server must not send, or more than anyone can want.
fn opens(stream: &mut TcpStream) -> std::io::Result<()> {
    let head = hear(stream)?;
    let (request, _) = shakedown::handshake::server::read_request(&head).unwrap().unwrap();
    let mut answer = Vec::new();
    shakedown::handshake::server::write_open(&mut answer, true, &request.key.accept());
    stream.write_all(&answer)
}

fn pings_for_ever(stream: &mut TcpStream) -> std::io::Result<()> {
    opens(stream)?;
    let pings = [&[0x89, 125][..], &[b'p'; 125]].concat().repeat(500);
    (0..1 << 14).try_for_each(|_| stream.write_all(&pings))
}

/// Clients that closed with 1002 after a masked frame.
static CLOSED: AtomicU32 = AtomicU32::new(0);

fn masks(stream: &mut TcpStream) -> std::io::Result<()> {
    opens(stream)?;
    stream.write_all(&[0x89, 0x80, 1, 2, 3, 4])?;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest)?;
    // A masked close frame with 1002, and the end.
    let is_close = rest.len() == 8 && rest[0] == 0x88 && [rest[6] ^ rest[2], rest[7] ^ rest[3]] == [0x03, 0xea];
    CLOSED.fetch_add(u32::from(is_close), Ordering::Relaxed);
    Ok(())
}

fn is_fair(stream: &mut TcpStream) -> std::io::Result<()> {
    opens(stream)?;
    let mut closing = Vec::new();
    let _ = stream.read_to_end(&mut closing);
    stream.shutdown(Shutdown::Both)
}

const SERVERS: [(&str, Hostile); 10] = [
    ("silent", is_silent),
    ("dripping", drips),
    ("redirecting", redirects_for_ever),
    ("challenging", challenges_for_ever),
    ("talkative", endless_body),
    ("long-headed", endless_head),
    ("hinting", interim_for_ever),
    ("pinging", pings_for_ever),
    ("masking", masks),
    ("fair", is_fair),
];

fn listens(hostile: Hostile) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // Clients that have had enough close the connection.
            spawn(move || _ = hostile(&mut stream));
        }
    });
    address
}

/// Clients of all those servers at once, so many of each. The scenario's own servers demand nothing, do nothing of the sort,
/// and have a fault long after the end: what the real ones do is what counts.
fn loaded(clients: u32, seconds: u32, place: &Path) -> (Json, u64) {
    let mut scenario = format!("format = 1\ntitle = 'Attacked'\nduration = '{seconds}s'\n");
    for (name, _) in SERVERS {
        scenario += &format!(
            "[servers.{name}]\n[clients.{name}]\ncount = {clients}\nendpoints = '{name}'\narrive = {{ evenly_over = '500ms' }}\n\
             handshake_timeout = '1s'\ncredentials = {{ user = 'a', password = 'b' }}\nreads = {{ body = true }}\n\
             retry = {{ policy = 'fixed', base = '500ms' }}\n"
        );
    }
    scenario +=
        "[faults.late]\nkind = 'crash'\ntarget = 'fair'\nat = '9999s'\n[expect]\n'attempts.unauthorized' = '> 0'\n";
    fs::write(place.join("a.toml"), scenario).unwrap();
    let targets: Vec<String> =
        SERVERS.iter().map(|(name, hostile)| format!("{name}=ws://{}", listens(*hostile))).collect();
    let mut asked = vec!["load", "a.toml", "--format", "json", "--threads", "1"];
    targets.iter().for_each(|target| asked.extend(["--target", target.as_str()]));
    let mut child = shakedown(place, &asked).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let began = Instant::now();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        peak = peak.max(memory(child.id(), "VmHWM:"));
        if began.elapsed() > Duration::from_secs(u64::from(seconds) + 30) {
            let _ = child.kill();
            panic!("it does not end");
        }
        sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    let summary = serde_json::from_slice(&output.stdout);
    (summary.unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr))), peak)
}

fn held(clients: u32, seconds: u32) {
    let place = tempfile::tempdir().unwrap();
    let (summary, peak) = loaded(clients, seconds, place.path());
    assert!(peak < (96 << 10) + 2_048 * u64::from(clients), "{peak} KiB");
    let opened = |name: &str| summary["clients"][name]["sessions"]["opened"].as_u64().unwrap();
    for name in ["fair", "pinging", "masking"] {
        assert_eq!(opened(name), u64::from(clients), "{name}");
    }
    for (name, _) in &SERVERS[..7] {
        assert_eq!(opened(name), 0, "{name}");
    }
    let attempts =
        |outcome: &str| summary["attempts"][outcome].as_u64().unwrap_or_else(|| panic!("{outcome}: {summary}"));
    assert!(CLOSED.load(Ordering::Relaxed) >= clients, "clients close with 1002 after a masked frame");
    for outcome in ["unauthorized", "handshake_timeout", "invalid"] {
        assert!(attempts(outcome) > 0, "{outcome}");
    }
    // Each attempt that failed is one of them.
    let failed: u64 = [
        "refused",
        "connect_timeout",
        "handshake_timeout",
        "reset",
        "rejected",
        "invalid",
        "unauthorized",
        "closed",
        "bad_redirect",
    ]
    .iter()
    .filter_map(|outcome| summary["attempts"][*outcome].as_u64())
    .sum();
    assert_eq!(failed, attempts("failed"), "{}", summary["attempts"]);
    assert_eq!(summary["expectations"][0]["passed"], true, "{}", summary["expectations"]);
}

#[test]
fn hostile_servers_take_neither_memory_nor_time_nor_other_clients() {
    held(5, 4);
}

#[test]
#[ignore = "the long form"]
fn hostile_servers_take_neither_memory_nor_time_for_a_minute() {
    held(100, 60);
}
