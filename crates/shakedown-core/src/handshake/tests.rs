use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use sha1::{Digest, Sha1};

use super::client::{Answer, read_answer, write_request};
use super::server::{Refusal, read_request, read_request_by, write_open, write_redirect, write_rejection};
use super::{Accept, Error, Key, Mode};
use crate::http::{HeadError, MAX_HEAD_BYTES};

/// The example of RFC 6455 section 1.3.
const RFC_KEY: Key = Key(*b"dGhlIHNhbXBsZSBub25jZQ==");
const RFC_ACCEPT: Accept = Accept(*b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");

fn answer(mode: Mode, text: &str) -> Result<Option<Answer<'_>>, Error> {
    read_answer(mode, || RFC_ACCEPT, text.as_bytes()).map(|read| read.map(|(answer, _)| answer))
}

#[test]
fn the_rfc_example() {
    assert_eq!(Key::from_nonce(*b"the sample nonce"), RFC_KEY);
    assert_eq!(Key::from_header(&RFC_KEY.0), Some(RFC_KEY));
    assert_eq!(RFC_KEY.accept(), RFC_ACCEPT);
}

proptest! {
    /// Against the plain way to do it.
    #[test]
    fn keys_are_read_and_answered_as_the_standard_says(nonce: [u8; 16], place in 0..24usize, byte: u8) {
        let key = Key::from_nonce(nonce);
        let text = [&key.0[..], b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"].concat();
        let accept = STANDARD.encode(Sha1::digest(text));
        prop_assert_eq!(&key.accept().0[..], accept.as_bytes());
        let mut changed = key.0;
        changed[place] = byte;
        let decodes = STANDARD.decode(changed).is_ok_and(|nonce| nonce.len() == 16);
        prop_assert_eq!(Key::from_header(&changed), decodes.then_some(Key(changed)));
    }
}

#[test]
fn each_side_reads_what_the_other_writes() {
    for mode in [Mode::Upgrade, Mode::UpgradeStrict, Mode::FinalResponse] {
        let mut wire = Vec::new();
        write_request(&mut wire, mode, "gateway-0", "/chat?x", &RFC_KEY);
        let (request, len) = read_request(&wire).unwrap().unwrap();
        assert_eq!((request.key, request.path, len), (RFC_KEY, "/chat?x", wire.len()));
        assert_eq!(request.upgrade, mode != Mode::FinalResponse);
        let mut wire = Vec::new();
        write_open(&mut wire, request.upgrade, &request.key.accept());
        let read = read_answer(mode, || RFC_ACCEPT, &wire);
        assert_eq!(read, Ok(Some((Answer::Open, wire.len()))));
    }
}

#[test]
fn a_101_must_prove_itself() {
    let with = |fields: &str| format!("HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n");
    let (upgrade, connection) = ("Upgrade: WebSocket\r\n", "Connection: keep-alive, upgrade\r\n");
    let accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    let full = [upgrade, connection, accept].concat();
    let read = |text: String| answer(Mode::Upgrade, &text).map(|answer| answer == Some(Answer::Open));
    assert_eq!(read(with(&full)), Ok(true));
    assert_eq!(read(with(&[connection, accept].concat())), Err(Error::Upgrade));
    assert_eq!(read(with(&[upgrade, accept].concat())), Err(Error::Connection));
    assert_eq!(read(with(&[upgrade, connection].concat())), Err(Error::Accept));
    assert_eq!(read(with(&[&full, accept].concat())), Err(Error::Accept));
    assert_eq!(read(with(&full.replace("s3pP", "s3pQ"))), Err(Error::Accept));
    let unasked = |name: &str| with(&format!("{full}{name}: x\r\n"));
    assert_eq!(read(unasked("Sec-WebSocket-Extensions")), Err(Error::Extension));
    assert_eq!(read(unasked("Sec-WebSocket-Protocol")), Err(Error::Subprotocol));
    assert_eq!(read(with(&full).replace("HTTP/1.1", "HTTP/1.0")), Err(Error::UnexpectedSwitch));
    assert_eq!(answer(Mode::FinalResponse, &with(&full)), Err(Error::UnexpectedSwitch));
}

#[test]
fn a_final_response_opens_only_with_proof_and_without_body() {
    let read = |fields: &str| {
        answer(Mode::FinalResponse, &format!("HTTP/1.1 200 OK\r\n{fields}\r\n")).map(|a| a == Some(Answer::Open))
    };
    let accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    assert_eq!(read(accept), Ok(true));
    assert_eq!(read(""), Ok(false));
    assert_eq!(read(&format!("{accept}Content-Length: 5\r\n")), Ok(false));
    assert_eq!(read(&format!("{accept}Transfer-Encoding: chunked\r\n")), Ok(false));
    assert_eq!(read(&accept.replace("s3pP", "s3pQ")), Err(Error::Accept));
    let page = "HTTP/1.1 200 OK\r\n\r\n";
    let rejected = Answer::Rejected { status: 200, retry_after: None };
    assert_eq!(answer(Mode::Upgrade, page), Ok(Some(rejected)));
}

#[test]
fn other_answers_are_read_per_http_unless_strict() {
    let mut redirect = Vec::new();
    write_redirect(&mut redirect, 307, &["ws://", "gateway-1", "/chat"], None);
    let redirect = String::from_utf8(redirect).unwrap();
    let followed =
        Answer::Redirect { status: 307, location: Some("ws://gateway-1/chat"), retry_after: None, keep: false };
    assert_eq!(answer(Mode::Upgrade, &redirect), Ok(Some(followed)));
    assert_eq!(answer(Mode::FinalResponse, &redirect), Ok(Some(followed)));
    let rejected = Answer::Rejected { status: 307, retry_after: None };
    assert_eq!(answer(Mode::UpgradeStrict, &redirect), Ok(Some(rejected)));
    let mut rejection = Vec::new();
    write_rejection(&mut rejection, 503, Some(7));
    let rejected = Answer::Rejected { status: 503, retry_after: Some(7) };
    let rejection = String::from_utf8(rejection).unwrap();
    assert_eq!(answer(Mode::Upgrade, &rejection), Ok(Some(rejected)));
    assert_eq!(answer(Mode::Upgrade, "HTTP/1.1 103 Early Hints\r\n\r\n"), Ok(Some(Answer::Interim)));
    assert_eq!(answer(Mode::Upgrade, "HTTP/1.1 103 Early"), Ok(None));
}

#[test]
fn requests_that_open_nothing_get_their_status() {
    let head =
        "GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let status = |text: &str| read_request(text.as_bytes()).map(|r| r.is_some()).map_err(Refusal::status);
    assert_eq!(status(head), Ok(true));
    assert_eq!(status(&head.replace("GET", "POST")), Err(405));
    assert_eq!(status(&head.replace("HTTP/1.1", "HTTP/1.0")), Err(400));
    assert_eq!(status(&head.replace("Host: a\r\n", "")), Err(400));
    assert_eq!(status(&head.replace("dGhl", "dGh")), Err(400));
    assert_eq!(status(&head.replace("n: 13", "n: 8")), Err(426));
    assert_eq!(status(&head.replace("GET /", "GET http://b/")), Err(400));
    assert_eq!(status("\x16\x03\x01"), Err(400));
}

/// RFC 9112 sections 3.2, 6.1 and 6.3.
#[test]
fn requests_that_two_readers_may_read_differently_are_refused() {
    let with = |more: &str| {
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
        )
    };
    let connect = |more: &str| format!("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n{more}\r\n");
    for (more, refusal) in [
        ("host: b\r\n", Some(Refusal::Host)),
        ("Host: a\r\n", Some(Refusal::Host)),
        ("Content-Length: x\r\n", Some(Refusal::Length)),
        ("Content-Length: \r\n", Some(Refusal::Length)),
        ("Content-Length: -1\r\n", Some(Refusal::Length)),
        ("Content-Length: 0\r\nContent-Length: 5\r\n", Some(Refusal::Length)),
        ("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", Some(Refusal::Length)),
        ("Content-Length: 0\r\ncontent-length: 0\r\n", None),
        ("Transfer-Encoding: chunked\r\n", None),
        ("", None),
    ] {
        assert_eq!(read_request(with(more).as_bytes()).map(drop).err(), refusal, "{more:?}");
        assert_eq!(super::tunnel::read_connect(connect(more).as_bytes()).map(drop).err(), refusal, "{more:?}");
        assert!(matches!(read_request_by(with(more).as_bytes(), true), Ok(Some(_))), "{more:?} of who is lax");
        assert_eq!(refusal.map_or(400, Refusal::status), 400);
    }
    let bare = connect("").replace("Host: a:80\r\n", "");
    assert_eq!(super::tunnel::read_connect(bare.as_bytes()).map(drop).err(), Some(Refusal::Version));
}

#[test]
fn heads_are_read_up_to_the_limits_and_not_past_them() {
    let padded = |len: usize| {
        let frame = "HTTP/1.1 503 x\r\nX: \r\n\r\n";
        frame.replace("X: ", &format!("X: {}", "y".repeat(len - frame.len())))
    };
    assert!(answer(Mode::Upgrade, &padded(MAX_HEAD_BYTES)).is_ok());
    let too_large = Err(Error::Head(HeadError::TooLarge));
    assert_eq!(answer(Mode::Upgrade, &padded(MAX_HEAD_BYTES + 1)), too_large);
    let fields = |n: usize| format!("HTTP/1.1 503 x\r\n{}\r\n", "a: b\r\n".repeat(n));
    assert!(answer(Mode::Upgrade, &fields(64)).is_ok());
    let too_many = Err(Error::Head(HeadError::TooManyHeaders));
    assert_eq!(answer(Mode::Upgrade, &fields(65)), too_many);
}

/// Nearly valid heads: where parsers go wrong.
fn mangled() -> impl Strategy<Value = Vec<u8>> {
    let mut open = Vec::new();
    write_open(&mut open, true, &RFC_ACCEPT);
    let mut request = Vec::new();
    write_request(&mut request, Mode::Upgrade, "a", "/", &RFC_KEY);
    let edits = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
    (prop::sample::select(vec![open, request]), edits).prop_map(|(mut bytes, edits)| {
        for (index, byte) in edits {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

proptest! {
    #[test]
    fn no_bytes_make_the_parsers_panic(bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..600), mangled()]) {
        for mode in [Mode::Upgrade, Mode::UpgradeStrict, Mode::FinalResponse] {
            let _ = read_answer(mode, || RFC_ACCEPT, &bytes);
        }
        let _ = read_request(&bytes);
    }
}
