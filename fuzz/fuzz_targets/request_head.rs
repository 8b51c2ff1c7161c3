//! No bytes make the server's reader panic, and none that it refused or read would be understood otherwise when more
//! follow.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shakedown::handshake::server::read_request;

fuzz_target!(|bytes: &[u8]| {
    let read = read_request(bytes);
    if let Ok(Some((_, len))) = read {
        assert!(len <= bytes.len());
    }
    // A verdict, once reached, is final.
    for early in [bytes.len() / 2, bytes.len().saturating_sub(1)] {
        let before = read_request(&bytes[..early]);
        assert!(before == Ok(None) || before == read, "{before:?}, then {read:?}");
    }
});
