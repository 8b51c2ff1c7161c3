//! How much more than the handshakes themselves does simulating them cost?
//!
//! Runs `scenarios/storm.toml` with metrics and digest, and beside it the *floor*: a plain loop that does for as many
//! handshakes the necessary work, with no network, no clock and none of this project's machines. It writes the
//! same request bytes with a fresh key, parses them, checks the fields that a server must look at, answers with the
//! SHA-1 of the key, and parses and checks that answer as a client must.
//!
//! ```text
//! cargo bench --bench storm                   # 10,000, 100,000 and 1,000,000 clients
//! cargo bench --bench storm -- 10000000       # any counts
//! ```
//!
//! Runs of all sizes, and of simulator and floor, alternate, so that a slow machine slows all of them; the
//! table shows medians. Time is measured from a loaded scenario to a finished summary, including set-up and summary.

use std::hint::black_box;
use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};
use shakedown::driver;
use shakedown::handshake::{Key, Mode, client, server};
use shakedown::metrics::Metrics;
use shakedown::record::Digest;
use shakedown::scenario::{Overrides, Scenario};
use shakedown::time::Timestamp;

#[path = "../tests/counting/mod.rs"]
mod counting;

/// Always on: a run allocates some hundred times, whatever its size, and counting costs nanoseconds each time.
#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

fn main() {
    let sizes = sizes();
    floor_writes_the_same_bytes();
    let mut cases: Vec<Case> = sizes.into_iter().map(Case::new).collect();
    let most = cases.iter().map(|case| case.rounds).max().unwrap_or(0);
    for round in 0..most {
        for case in cases.iter_mut().filter(|case| round < case.rounds) {
            case.simulate();
            case.floor();
        }
    }
    print(&cases);
}

/// The counts of clients to run: those given, or else the three that are always compared. Cargo's own `--bench` and
/// other options say nothing here.
fn sizes() -> Vec<u32> {
    let given: Vec<u32> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .map(|arg| arg.replace('_', "").parse().unwrap_or_else(|_| panic!("`{arg}` is no count of clients")))
        .collect();
    match given.as_slice() {
        // `cargo test --all-targets` runs this unoptimised: it shows that the bench works, and measures nothing.
        [] if cfg!(debug_assertions) => vec![1_000],
        [] => vec![10_000, 100_000, 1_000_000],
        _ => given,
    }
}

/// One count of clients, and what came of its runs.
struct Case {
    clients: u32,
    rounds: u32,
    scenario: Scenario,
    simulated: Vec<Duration>,
    floor: Vec<Duration>,
    peak_bytes: i64,
    allocations: u64,
}

impl Case {
    fn new(clients: u32) -> Case {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/storm.toml");
        let text = std::fs::read_to_string(path).expect("the scenario is in the repository");
        let sets = vec![format!("clients.players.count={clients}")];
        let overrides = Overrides { sets, ..Overrides::default() };
        Case {
            clients,
            // More runs where they are short, as short runs are disturbed more.
            rounds: (7_000_000 / clients.max(1)).clamp(3, 21),
            scenario: shakedown::scenario::load(path, "storm", &text, &overrides)
                .unwrap_or_else(|problem| panic!("{problem}")),
            simulated: Vec::new(),
            floor: Vec::new(),
            peak_bytes: 0,
            allocations: 0,
        }
    }

    fn simulate(&mut self) {
        let baseline = counting::reset_peak();
        let before = counting::counts().allocations;
        let start = Instant::now();
        let mut recorder = (Digest::default(), Metrics::new(self.scenario.layout()));
        driver::run(&self.scenario, &mut recorder);
        let (digest, metrics) = recorder;
        let measured = metrics.finish(Timestamp::ZERO + self.scenario.duration());
        black_box(digest.value());
        self.simulated.push(start.elapsed());
        self.peak_bytes = counting::counts().peak - baseline;
        self.allocations = counting::counts().allocations - before;
        drop(measured);
    }

    fn floor(&mut self) {
        let mut floor = Floor::default();
        let start = Instant::now();
        let opened =
            (0..self.clients).filter(|number| floor.shake_hands(HOSTS[*number as usize % HOSTS.len()])).count();
        self.floor.push(start.elapsed());
        assert_eq!(opened, self.clients as usize, "every handshake of the floor opens");
    }

    fn micros(&self, times: &[Duration]) -> f64 {
        let mut sorted = times.to_vec();
        sorted.sort();
        sorted[sorted.len() / 2].as_secs_f64() * 1e6 / f64::from(self.clients)
    }
}

fn print(cases: &[Case]) {
    println!("storm: medians, digest and metrics on\n");
    println!(
        "| clients | rounds | simulated µs/handshake | floor µs/handshake | ratio | vs {} | peak bytes/client | allocations |",
        cases[0].clients
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|");
    let first = cases[0].micros(&cases[0].simulated);
    for case in cases {
        let (simulated, floor) = (case.micros(&case.simulated), case.micros(&case.floor));
        println!(
            "| {} | {} | {simulated:.3} | {floor:.3} | {:.2} | {:.2} | {} | {} |",
            case.clients,
            case.rounds,
            simulated / floor,
            simulated / first,
            case.peak_bytes / i64::from(case.clients),
            case.allocations,
        );
    }
}

/// The authorities that storm's clients dial.
const HOSTS: [&str; 3] = ["gateway-0", "gateway-1", "gateway-2"];
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The floor's buffers, and the state of its generator.
#[derive(Default)]
struct Floor {
    random: u64,
    request: Vec<u8>,
    response: Vec<u8>,
}

impl Floor {
    /// One handshake, both sides. True when the client accepts the answer.
    fn shake_hands(&mut self, host: &str) -> bool {
        let key = self.fresh_key();
        self.request.clear();
        write_request(&mut self.request, host, &key);
        self.response.clear();
        answer(&self.request, &mut self.response) && accepts(&self.response, &key)
    }

    /// A `Sec-WebSocket-Key` of 16 random bytes.
    fn fresh_key(&mut self) -> [u8; 24] {
        let mut nonce = [0; 16];
        nonce[..8].copy_from_slice(&self.next().to_le_bytes());
        nonce[8..].copy_from_slice(&self.next().to_le_bytes());
        let mut key = [0; 24];
        STANDARD.encode_slice(nonce, &mut key).expect("16 bytes are 24 characters");
        key
    }

    /// SplitMix64 (Steele, Lea, Flood 2014).
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

fn write_request(out: &mut Vec<u8>, host: &str, key: &[u8; 24]) {
    out.extend_from_slice(b"GET / HTTP/1.1\r\nHost: ");
    out.extend_from_slice(host.as_bytes());
    out.extend_from_slice(b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ");
    out.extend_from_slice(key);
    out.extend_from_slice(b"\r\nSec-WebSocket-Version: 13\r\n\r\n");
}

/// The server: RFC 6455 section 4.2.1, then the answer of section 4.2.2. False when the request is no opening handshake.
fn answer(bytes: &[u8], out: &mut Vec<u8>) -> bool {
    let mut room = [const { MaybeUninit::uninit() }; 64];
    let mut request = httparse::Request::new(&mut []);
    let Ok(httparse::Status::Complete(_)) = request.parse_with_uninit_headers(bytes, &mut room) else { return false };
    let (mut host, mut upgrade, mut connection, mut version, mut key) = (false, false, false, false, None);
    for header in request.headers.iter() {
        // Compares lengths first, so that a name that does not match costs next to nothing.
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("Host") {
            host = true;
        } else if is("Upgrade") {
            upgrade |= names(header.value, b"websocket");
        } else if is("Connection") {
            connection |= names(header.value, b"upgrade");
        } else if is("Sec-WebSocket-Key") {
            key = Some(header.value);
        } else if is("Sec-WebSocket-Version") {
            version = header.value == b"13";
        }
    }
    let Some(key) = key else { return false };
    let mut nonce = [0; 18];
    let nonce_len = STANDARD.decode_slice(key, &mut nonce);
    let get = request.method == Some("GET") && request.version == Some(1);
    if !(get && host && upgrade && connection && version && nonce_len == Ok(16)) {
        return false;
    }
    out.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ",
    );
    out.extend_from_slice(&accept_of(key));
    out.extend_from_slice(b"\r\n\r\n");
    true
}

/// The client: RFC 6455 section 4.1, items 1 to 6 of the response.
fn accepts(bytes: &[u8], key: &[u8; 24]) -> bool {
    let mut room = [const { MaybeUninit::uninit() }; 64];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut response, bytes, &mut room);
    let Ok(httparse::Status::Complete(_)) = parsed else { return false };
    let (mut upgrade, mut connection, mut accepts, mut unasked) = (false, false, None, false);
    for header in response.headers.iter() {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("Upgrade") {
            upgrade |= header.value.eq_ignore_ascii_case(b"websocket");
        } else if is("Connection") {
            connection |= names(header.value, b"upgrade");
        } else if is("Sec-WebSocket-Accept") {
            // A second one is as bad as none.
            accepts = if accepts.is_none() { Some(header.value) } else { Some(&b""[..]) };
        } else if is("Sec-WebSocket-Extensions") || is("Sec-WebSocket-Protocol") {
            unasked = true;
        }
    }
    let status = response.code == Some(101) && response.version == Some(1);
    status && upgrade && connection && !unasked && accepts == Some(&accept_of(key))
}

/// Whether a comma-separated list has a token.
fn names(list: &[u8], token: &[u8]) -> bool {
    list.split(|byte| *byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(token))
}

fn accept_of(key: &[u8]) -> [u8; 28] {
    let hash = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let mut accept = [0; 28];
    STANDARD.encode_slice(hash, &mut accept).expect("20 bytes are 28 characters");
    accept
}

/// The comparison is only fair when both sides move the same bytes.
fn floor_writes_the_same_bytes() {
    let key = Floor::default().fresh_key();
    let (mut ours, mut expected) = (Vec::new(), Vec::new());
    write_request(&mut ours, HOSTS[0], &key);
    client::write_request(&mut expected, Mode::Upgrade, HOSTS[0], "/", &Key(key));
    assert_eq!(ours.escape_ascii().to_string(), expected.escape_ascii().to_string());
    let mut response = Vec::new();
    assert!(answer(&ours, &mut response));
    expected.clear();
    server::write_open(&mut expected, true, &Key(key).accept());
    assert_eq!(response.escape_ascii().to_string(), expected.escape_ascii().to_string());
}
