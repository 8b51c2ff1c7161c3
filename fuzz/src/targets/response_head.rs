//! No answer makes the client's reader or a session panic; a session reads the same in any chunking, until it asks again on the
//! same connection, and what it asks after a redirect is a request that a server can read.
//!
//! Byte 0 of the input chooses the mode, byte 1 the chunks' length. Where the input holds the accept value of RFC 6455's
//! example, the session finds its own in that place: what opens can't be guessed.

use std::sync::LazyLock;

use shakedown::client::{Config, Context, Event, Group, Outputs, Session};
use shakedown::frame::{self, Sender};
use shakedown::handshake::client::read_answer;
use shakedown::handshake::server::{Refusal, read_request};
use shakedown::handshake::{ACCEPT_LEN, Accept, Mode};
use shakedown::http::{Directory, HeadError};
use shakedown::machine::{ConnectionId, EndpointId, Input, Output};
use shakedown::rng::Seed;
use shakedown::scenario::Overrides;
use shakedown::time::Timestamp;

use super::outcome;

const MODES: [Mode; 3] = [Mode::Upgrade, Mode::UpgradeStrict, Mode::FinalResponse];
const FIRST: ConnectionId = ConnectionId(1);
const EXAMPLE: Accept = Accept(*b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");

/// A client group with every default, but for a path that a relative `Location` changes.
static GROUP: LazyLock<Config> = LazyLock::new(|| {
    let text = "format = 1\ntitle = 'x'\nduration = '9s'\n[servers.a]\n[clients.b]\ncount = 1\nendpoints = ['a']\npath = '/a/b?c'";
    let scenario = shakedown::scenario::load("fuzz.toml", "fuzz", text, &Overrides::default());
    scenario.unwrap_or_else(|problem| panic!("{problem}")).clients()[0].clone()
});

pub(super) fn run(data: &[u8]) -> u64 {
    let [mode, size, bytes @ ..] = data else { return 0 };
    for mode in MODES {
        if let Ok(Some((_, len))) = read_answer(mode, || EXAMPLE, bytes) {
            assert!((1..=bytes.len()).contains(&len));
        }
    }
    let mode = MODES[usize::from(*mode) % MODES.len()];
    let whole = answered(mode, bytes, bytes.len().max(1));
    let chunked = answered(mode, bytes, usize::from(*size) + 1);
    // What comes after it asked again answers another request. What had come before forbids asking on the same connection.
    let asked = |action: &Output<Event>| matches!(action, Output::Event(Event::AskedAgain { .. }));
    let same = [&whole, &chunked].iter().filter_map(|actions| actions.iter().position(asked)).min();
    match same {
        Some(len) => assert_eq!(whole[..len], chunked[..len]),
        None => assert_eq!(whole, chunked),
    }
    outcome(whole.iter().map(|action| shape(&format!("{action:?}"))).collect::<Vec<_>>())
}

/// What an action is, whatever its numbers.
fn shape(action: &str) -> String {
    action.split(|c: char| c.is_ascii_digit()).collect()
}

fn config(mode: Mode) -> Config {
    Config { mode, ..GROUP.clone() }
}

/// What a session does about an answer that comes in chunks of this length.
fn answered(mode: Mode, bytes: &[u8], size: usize) -> Vec<Output<Event>> {
    let group = Group::new(0, "fuzz", &config(mode), vec![EndpointId(0)]);
    let directory = Directory::new(["a".to_string(), "b:1".to_string()]);
    let mut session = Session::new(0, 0);
    let mut out = Outputs::default();
    let mut give = |input: Input<'_>, out: &mut Outputs| {
        let mut cx = Context { seed: Seed(0), group: &group, directory: &directory, host: None, names: None, slot: 0 };
        session.handle(&mut cx, Timestamp::ZERO, input, out);
    };
    give(Input::Start, &mut out);
    give(Input::Connected(FIRST), &mut out);
    let (request, _) = read_request(&out.bytes).expect("a valid request").expect("a whole one");
    let accept = request.key.accept();
    out.clear();
    let mut bytes = bytes.to_vec();
    if let Some(at) = bytes.windows(ACCEPT_LEN).position(|window| window == EXAMPLE.0) {
        bytes[at..at + ACCEPT_LEN].copy_from_slice(&accept.0);
    }
    for chunk in bytes.chunks(size) {
        give(Input::Received(FIRST, chunk), &mut out);
    }
    let next = out.actions.iter().find_map(|action| match action {
        Output::Open(c, _) => Some(*c),
        _ => None,
    });
    // It may have asked again on the same connection, or on a new one, or opened and answered frames.
    spoken(&out.bytes);
    out.bytes.clear();
    if let Some(next) = next {
        give(Input::Connected(next), &mut out);
        spoken(&out.bytes);
    }
    out.actions
}

/// Holds what a session says to be requests that a server can read, and frames.
fn spoken(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        if !bytes.starts_with(b"GET ") {
            match frame::read(bytes, Sender::Client) {
                Ok(Some((_, len))) => bytes = &bytes[len..],
                other => panic!("{other:?} from {bytes:x?}"),
            }
            continue;
        }
        match read_request(bytes) {
            Ok(Some((_, len))) => bytes = &bytes[len..],
            // An overlong path is the server's to refuse.
            Err(Refusal::Head(HeadError::TooLarge)) => return,
            other => panic!("{other:?} from {:?}", String::from_utf8_lossy(bytes)),
        }
    }
}
