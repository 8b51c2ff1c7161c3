//! No `Location` makes its reader panic; what it reads can stand in a request, and reads the same as a `Location`.
//!
//! The first line of the input is the path that was asked, where it is a path.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shakedown::http::parse_location;

fuzz_target!(|text: &str| {
    let (base, value) = text.split_once('\n').unwrap_or(("/", text));
    let Ok(location) = parse_location(value, false, "gateway-0", base) else { return };
    assert!(!location.authority.is_empty());
    let wire = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
    assert!(wire(&location.authority) && wire(&location.path), "{location:?}");
    if base.starts_with('/') {
        assert!(location.path.starts_with('/'), "{location:?}");
    }
    let scheme = if location.secure { "wss" } else { "ws" };
    let again = format!("{scheme}://{}{}", location.authority, location.path);
    assert_eq!(parse_location(&again, false, "other", "/").as_ref(), Ok(&location));
});
