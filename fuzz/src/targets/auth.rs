//! No `WWW-Authenticate` and no `Authorization` makes its reader panic. What is read of a challenge means the same when it is
//! written and read again, and what a client answers to it is what the server that made it expects.
//!
//! The first line of the input is the user, the second the password; what follows is the field.

use shakedown::http::auth::{
    Authorization, Challenge, Login, read_authorization, read_challenge, write_answer, write_basic, write_challenge,
};
use shakedown::http::legs::{self, Message};

use super::{outcome, size};

const CNONCE: [u8; 16] = *b"0123456789abcdef";

pub(super) fn run(bytes: &[u8]) -> u64 {
    let _ = read_authorization(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return 0 };
    let mut lines = text.splitn(3, '\n');
    let (user, password) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let field = lines.next().unwrap_or(text);
    let _ = read_authorization(field.as_bytes());
    let login = |password: &str| Login { user: user.replace(':', "").into(), password: password.into() };
    let own = login(password);
    let basic = write_basic(&own);
    match read_authorization(basic.as_bytes()) {
        Some(Authorization::Basic(read)) => assert!(read.matches(&own)),
        other => panic!("{basic:?} was read as {other:?}"),
    }
    let Some(challenge) = read_challenge(field) else { return outcome((1, size(field.len()))) };
    let written = write_challenge(&challenge);
    assert_eq!(read_challenge(&written).as_ref(), Some(&challenge), "{written:?}");
    let answer = write_answer(&challenge, &own, ("GET", "/chat?room=1"), 1, CNONCE);
    match (read_authorization(answer.as_bytes()), &challenge) {
        (Some(Authorization::Basic(read)), Challenge::Basic { .. }) => assert!(read.matches(&own)),
        (Some(Authorization::Digest(read)), Challenge::Digest { realm, nonce, algorithm, .. }) => {
            assert_eq!((&read.realm, &read.nonce, &read.algorithm), (realm, nonce, algorithm));
            assert_eq!(read.uri, "/chat?room=1");
            assert!(read.is_of(&own, "GET"), "{answer:?}");
            assert!(!read.is_of(&login(&format!("{password}x")), "GET"), "{answer:?}");
        }
        (Some(Authorization::Legs(read, Message(said))), Challenge::Legs { scheme, message }) => {
            assert_eq!(read, *scheme);
            // What is no second message of theirs begins anew.
            match message.as_ref().and_then(|message| own.prove(message)) {
                Some(proof) => assert_eq!(said, proof),
                None => assert!(legs::begins(said), "{answer:?}"),
            }
        }
        (read, _) => panic!("{challenge:?} was answered with {answer:?}, read as {read:?}"),
    }
    outcome((challenge.strength(), challenge.is_stale(), size(written.len())))
}
