//! Who is let in: who knows the token, asks this host by name, and is this page and no other.

use std::io::Read;

use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, Method};

/// What a request must know.
pub(super) struct Guard {
    token: String,
    port: u16,
}

impl Guard {
    /// With a fresh token.
    ///
    /// # Errors
    /// When the machine gives no random numbers.
    pub(super) fn new(port: u16) -> std::io::Result<Guard> {
        let mut bytes = [0; 16];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Guard { token: bytes.iter().map(|byte| format!("{byte:02x}")).collect(), port })
    }

    /// What to open in a browser.
    pub(super) fn address(&self) -> String {
        format!("http://127.0.0.1:{}/{}/", self.port, self.token)
    }

    /// Whether a request may pass. A page of another site knows no token; and where it guesses one, or a name is pointed at
    /// 127.0.0.1 to get around the browser's rules (DNS rebinding), Origin and Host tell.
    pub(super) fn admits(&self, method: &Method, path: &str, headers: &HeaderMap) -> bool {
        let mut hosts = headers.get_all(HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok()).unwrap_or_default();
        let own = [format!("127.0.0.1:{}", self.port), format!("localhost:{}", self.port)];
        let token = path.strip_prefix('/').and_then(|path| path.split_once('/')).map_or("", |(token, _)| token);
        let from_here = match headers.get(ORIGIN) {
            Some(origin) => origin.as_bytes() == format!("http://{host}").as_bytes(),
            // A browser says where a POST comes from; a link that is opened comes from nowhere.
            None => *method == Method::GET,
        };
        hosts.next().is_none() && own.iter().any(|own| own == host) && from_here && same(token, &self.token)
    }
}

/// Whether two texts are the same, in a time that does not tell how far they are.
fn same(one: &str, other: &str) -> bool {
    one.len() == other.len() && one.bytes().zip(other.bytes()).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in all {
            let name: axum::http::HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn only_the_page_itself_is_let_in() {
        let guard = Guard { token: "0123".into(), port: 80 };
        let get = |path: &str, all: &[(&str, &str)]| guard.admits(&Method::GET, path, &headers(all));
        let post = |path: &str, all: &[(&str, &str)]| guard.admits(&Method::POST, path, &headers(all));
        let (host, own) = (("host", "127.0.0.1:80"), ("origin", "http://127.0.0.1:80"));
        assert!(get("/0123/", &[host]) && get("/0123/report/1", &[host, own]) && post("/0123/do/run", &[host, own]));
        assert!(post("/0123/do/run", &[("host", "localhost:80"), ("origin", "http://localhost:80")]));
        for path in ["/", "", "/0123", "/0124/", "/01234/", "//", "/012/", "/x/0123/"] {
            assert!(!get(path, &[host]), "{path}");
        }
        for host in ["127.0.0.1", "127.0.0.1:81", "evil.example:80", "127.0.0.1:80.evil.example", "", "LOCALHOST:80 "] {
            assert!(!get("/0123/", &[("host", host)]), "{host}");
        }
        assert!(!get("/0123/", &[]) && !get("/0123/", &[host, host]));
        for origin in ["null", "http://127.0.0.1", "https://127.0.0.1:80", "http://evil.example", "http://localhost:80"]
        {
            assert!(!post("/0123/do/run", &[host, ("origin", origin)]), "{origin}");
            assert!(!get("/0123/report/1", &[host, ("origin", origin)]), "{origin}");
        }
        assert!(!post("/0123/do/run", &[host]));
    }

    #[test]
    fn tokens_differ() {
        let (one, other) = (Guard::new(1).unwrap(), Guard::new(1).unwrap());
        assert!(one.token.len() == 32 && one.token != other.token);
        assert!(one.address().starts_with("http://127.0.0.1:1/"));
    }
}
