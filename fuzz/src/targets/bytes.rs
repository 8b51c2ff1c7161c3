//! Bytes from peers: heads of requests, `Location`, frames, HTTP/2, TLS.

use shakedown::frame::{self, Opcode, Sender};
use shakedown::h2;
use shakedown::handshake::server::{read_request, read_request_by};
use shakedown::handshake::{call, extended, tls as upgrade, tunnel};
use shakedown::http::parse_location;
use shakedown::tls::Flight;

use super::{outcome, size};

/// No bytes make a server's readers panic, and none that were refused or read would be understood otherwise when more follow.
/// Who is lax takes all that a strict reader takes.
pub(super) fn request_head(bytes: &[u8]) -> u64 {
    let read = read_request(bytes);
    if let Ok(Some((_, len))) = read {
        assert!(len <= bytes.len());
        assert_eq!(read_request_by(bytes, true), read);
    }
    // A verdict, once reached, is final.
    for early in [bytes.len() / 2, bytes.len().saturating_sub(1)] {
        let before = read_request(&bytes[..early]);
        assert!(before == Ok(None) || before == read, "{before:?}, then {read:?}");
    }
    let connect = tunnel::read_connect(bytes);
    let called = call::read_call(bytes);
    let opened = extended::read_request(bytes);
    if let Ok(Some((request, _))) = &called {
        let _ = call::asker(request.path);
    }
    let kind = |read: Result<Option<(_, usize)>, _>| {
        read.map(|read| read.is_some()).map_err(|refusal: shakedown::handshake::server::Refusal| refusal.to_string())
    };
    outcome((kind(read), kind(connect), kind(called), opened.map(drop)))
}

/// No `Location` makes its reader panic; what it reads can stand in a request, and reads the same as a `Location`. The first
/// line is the path that was asked, where it is a path.
pub(super) fn location(bytes: &[u8]) -> u64 {
    let Ok(text) = std::str::from_utf8(bytes) else { return 0 };
    let (base, value) = text.split_once('\n').unwrap_or(("/", text));
    let location = match parse_location(value, false, "gateway-0", base) {
        Ok(location) => location,
        Err(error) => return outcome(error.to_string()),
    };
    assert!(!location.authority.is_empty());
    let wire = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    assert!(wire(&location.authority) && wire(&location.path), "{location:?}");
    if base.starts_with('/') {
        assert!(location.path.starts_with('/'), "{location:?}");
    }
    let scheme = if location.secure { "wss" } else { "ws" };
    let again = format!("{scheme}://{}{}", location.authority, location.path);
    assert_eq!(parse_location(&again, false, "other", "/").as_ref(), Ok(&location));
    outcome((location.secure, size(location.authority.len()), size(location.path.len()), value.starts_with('/')))
}

/// Frames are read the same in any pieces, whatever is kept of them between, and what is kept is short.
pub(super) fn frame(bytes: &[u8]) -> u64 {
    let [from, piece, stream @ ..] = bytes else { return 0 };
    let from = [Sender::Client, Sender::Server, Sender::Any][usize::from(*from) % 3];
    let whole = frames(stream, from, stream.len().max(1));
    let pieces = frames(stream, from, usize::from(*piece) + 1);
    assert_eq!(whole, pieces, "{stream:x?}");
    outcome(whole)
}

/// The frames of a stream that comes in pieces, and how it ends.
fn frames(stream: &[u8], from: Sender, piece: usize) -> (Vec<(u8, u16)>, bool) {
    let (mut kept, mut seen) = (Vec::new(), Vec::new());
    for bytes in stream.chunks(piece) {
        kept.extend_from_slice(bytes);
        loop {
            match frame::read(&kept, from) {
                Ok(None) => break,
                Ok(Some((frame, len))) => {
                    assert!(len <= kept.len());
                    let (opcode, code) = match frame.opcode {
                        Opcode::Data => (0, 0),
                        Opcode::Close => (8, frame.close_code()),
                        Opcode::Ping => (9, frame.unmasked().len() as u16),
                        Opcode::Pong => (10, 0),
                    };
                    seen.push((opcode, code));
                    kept.drain(..len);
                }
                Err(_) => return (seen, true),
            }
        }
        kept = frame::keep(&kept);
        assert!(kept.len() <= 140, "{} bytes are kept", kept.len());
    }
    (seen, false)
}

/// A frame of HTTP/2 that is read means the same when it is written and read again, and no fields make their readers panic.
pub(super) fn h2(bytes: &[u8]) -> u64 {
    let fields = (extended::read_answer(bytes).is_ok(), extended::read_request(bytes).is_ok());
    let _ = extended::lines(bytes).count();
    let Some(frame) = h2::Frame::read(bytes) else { return outcome((0, fields)) };
    let mut written = Vec::new();
    frame.write(&mut written);
    assert_eq!(format!("{:?}", h2::Frame::read(&written)), format!("{:?}", Some(frame)));
    let _ = (frame.wire_bytes(), frame.stream());
    outcome((std::mem::discriminant(&frame), size(bytes.len()), fields))
}

/// What stands for a TLS record means the same when it is written and read again; an offer of TLS, and its answer, are found
/// or not, in any bytes.
pub(super) fn tls(bytes: &[u8]) -> u64 {
    let offered = upgrade::is_offered(bytes);
    let switched = upgrade::read_switch(bytes).map_err(|error| error.to_string());
    let Some(flight) = Flight::read(bytes) else { return outcome((offered, switched)) };
    let mut written = Vec::new();
    flight.write(&mut written);
    assert_eq!(format!("{:?}", Flight::read(&written)), format!("{:?}", Some(flight)));
    outcome((flight.wire_bytes(), offered, switched))
}
