//! `Location`: a URI reference (RFC 3986) resolved against the target URI (RFC 9110 section 10.2.2).

use std::borrow::Cow;

use fluent_uri::{Uri, UriRef};

/// Where a redirect points. Borrowed from the value of `Location` in the usual case that it says so in as many bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location<'a> {
    /// True for `wss` and `https`.
    pub secure: bool,
    /// `host` or `host:port`, in lower case, without the scheme's default port.
    pub authority: Cow<'a, str>,
    /// Path and query, never empty.
    pub path: Cow<'a, str>,
}

/// Why a `Location` can't be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// Not a URI reference.
    #[error("Location is not a URI")]
    Malformed,
    /// A scheme other than ws, wss, http and https.
    #[error("Location has a scheme that leads to no WebSocket")]
    Scheme,
}

/// Reads a `Location` value against the authority and path that were asked, and whether that was by `wss:`.
///
/// # Errors
/// [`LocationError`] when the value is malformed or leads elsewhere than ws, wss, http or https.
pub fn parse_location<'a>(
    value: &'a str,
    base_secure: bool,
    base_authority: &str,
    base_path: &str,
) -> Result<Location<'a>, LocationError> {
    let reference = UriRef::parse(value).map_err(|_| LocationError::Malformed)?;
    if reference.has_scheme() {
        return location(&reference);
    }
    let scheme = if base_secure { "wss" } else { "ws" };
    let base = format!("{scheme}://{base_authority}{base_path}");
    let base = Uri::parse(base.as_str()).map_err(|_| LocationError::Malformed)?;
    let resolved = reference.resolve_against(&base).map_err(|_| LocationError::Malformed)?;
    let Location { secure, authority, path } = location(&UriRef::from(resolved.borrow()))?;
    Ok(Location { secure, authority: authority.into_owned().into(), path: path.into_owned().into() })
}

fn location<'a>(uri: &UriRef<&'a str>) -> Result<Location<'a>, LocationError> {
    let scheme = uri.scheme().ok_or(LocationError::Malformed)?.as_str();
    let secure = match () {
        () if scheme.eq_ignore_ascii_case("ws") || scheme.eq_ignore_ascii_case("http") => false,
        () if scheme.eq_ignore_ascii_case("wss") || scheme.eq_ignore_ascii_case("https") => true,
        () => return Err(LocationError::Scheme),
    };
    let authority = uri.authority().ok_or(LocationError::Malformed)?;
    if authority.host().is_empty() {
        return Err(LocationError::Malformed);
    }
    let mut host = Cow::from(authority.host());
    if host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        host.to_mut().make_ascii_lowercase();
    }
    let default_port = if secure { "443" } else { "80" };
    if let Some(port) = authority.port().map(|port| port.as_str())
        && !port.is_empty()
        && port != default_port
    {
        host.to_mut().push(':');
        host.to_mut().push_str(port);
    }
    let path = uri.path().as_str();
    let mut full = Cow::from(if path.is_empty() { "/" } else { path });
    if let Some(query) = uri.query() {
        full.to_mut().push('?');
        full.to_mut().push_str(query.as_str());
    }
    Ok(Location { secure, authority: host, path: full })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Result<(bool, String, String), LocationError> {
        parse_location(value, false, "gateway-0", "/chat/a?x=1").map(|l| (l.secure, l.authority.into(), l.path.into()))
    }

    #[test]
    fn every_form_of_location() {
        let ok = |secure, authority: &str, path: &str| Ok((secure, authority.into(), path.into()));
        assert_eq!(read("ws://gateway-1/chat"), ok(false, "gateway-1", "/chat"));
        assert_eq!(read("WS://Gateway-1:80"), ok(false, "gateway-1", "/"));
        assert_eq!(read("http://gateway-1:8080/a?b"), ok(false, "gateway-1:8080", "/a?b"));
        assert_eq!(read("wss://u:p@gateway-1:443/"), ok(true, "gateway-1", "/"));
        assert_eq!(read("https://[::1]:8443/x#f"), ok(true, "[::1]:8443", "/x"));
        assert_eq!(read("//gateway-2/y"), ok(false, "gateway-2", "/y"));
        assert_eq!(read("/y"), ok(false, "gateway-0", "/y"));
        assert_eq!(read("y"), ok(false, "gateway-0", "/chat/y"));
        assert_eq!(read("?z=2"), ok(false, "gateway-0", "/chat/a?z=2"));
        let of_wss = parse_location("/y", true, "gateway-0:444", "/").unwrap();
        assert_eq!((of_wss.secure, &*of_wss.authority), (true, "gateway-0:444"));
        assert_eq!(read("ftp://gateway-1/"), Err(LocationError::Scheme));
        assert_eq!(read("ws:gateway-1"), Err(LocationError::Malformed));
        assert_eq!(read("ws:///x"), Err(LocationError::Malformed));
        assert_eq!(read("ws://a b/"), Err(LocationError::Malformed));
    }
}
