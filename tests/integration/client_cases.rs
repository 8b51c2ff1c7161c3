//! The answers that real clients were asked to take, and that simulated ones are: the servers' behaviors by a case's name.
//!
//! `101-…` opens, or nearly does; `3NN-FORM-alt` redirects to another server by a `Location` of that form, `-relative` within
//! the server; `chain-N` is N redirects in a row; the other names begin with the status.

use crate::common::CREDENTIALS;

/// What a case is: the servers' behaviors, the keys of the client that belong to it, and a fault.
pub(crate) struct Case {
    /// The behavior of the server that is asked.
    pub(crate) gateway: String,
    /// The behavior of the server that it may redirect to; empty: it accepts.
    pub(crate) alt: &'static str,
    /// Keys of the client group; not empty where it has credentials.
    pub(crate) client: &'static str,
    /// The server that is dead, and `off` if its host is.
    pub(crate) fault: &'static str,
}

/// Header fields of a 101 that mean something.
const FIELDS: u32 = 3;

/// Every case whose name follows no pattern.
const NAMED: &[&str] = &[
    "101-accept-doubled",
    "101-after-100-103",
    "101-bad-accept",
    "101-bare-lf",
    "101-chunked",
    "101-connection-close",
    "101-connection-doubled",
    "101-connection-list",
    "101-connection-wrong",
    "101-field-no-colon",
    "101-field-space",
    "101-field-utf8",
    "101-http10",
    "101-http20",
    "101-hdr-70k-many",
    "101-hdr-70k-one",
    "101-length-0",
    "101-no-accept",
    "101-no-connection",
    "101-no-upgrade",
    "101-ok",
    "101-ping-glued",
    "101-reason-empty",
    "101-reason-other",
    "101-split-1-byte",
    "101-unasked-extension",
    "101-unasked-subprotocol",
    "101-unasked-subprotocol-doubled",
    "101-upgrade-case",
    "101-upgrade-doubled",
    "101-upgrade-list",
    "101-upgrade-wrong",
    "200-body",
    "200-open-ended-body",
    "200-upgrade-hdrs",
    "307-althost-with-headers",
    "307-altport-with-headers",
    "307-ftp",
    "307-loop",
    "307-malformed-location",
    "307-no-location",
    "307-rel-with-headers",
    "307-to-503",
    "307-to-closed-port",
    "307-unknown-host",
    "307-ws-retry-after-3",
    "307-wss",
    "401-basic-no-creds",
    "401-basic-userinfo",
    "401-digest-userinfo",
    "403",
    "404",
    "407",
    "426-version",
    "429-ra2",
    "500",
    "503-ra2",
    "blackhole",
    "drip-header",
    "fin-on-accept",
    "garbage",
    "garbage-then-silence",
    "refused",
    "rst-after-request",
    "silent",
];

/// The numbers of header fields, the sizes of one field and those of heads with 60 fields, around the limits of clients.
const COUNTS: &[u32] = &[64, 96, 100, 101, 124, 125, 128, 129, 256, 1_000, 1_020, 2_001];
const SIZES: &[u32] = &[8_000, 8_400, 16_000, 16_600, 32_000, 65_000, 131_000, 262_000, 380_000, 420_000, 900_000];

/// Every case, in the order of names.
pub(crate) fn names() -> Vec<String> {
    let mut names: Vec<String> = NAMED.iter().map(|name| name.to_string()).collect();
    names.extend(COUNTS.iter().map(|count| format!("101-fields-{count}")));
    names.extend(SIZES.iter().flat_map(|size| [format!("101-line-{size}"), format!("101-head-{size}")]));
    names.extend([100, 102, 103, 199].map(|status| format!("101-after-{status}")));
    for status in 300..=308 {
        names.extend(["ws-alt", "http-alt", "relative"].map(|form| format!("{status}-{form}")));
    }
    for form in ["chain", "wsabs-chain", "httpabs-chain"] {
        names.extend([2, 3, 4, 5, 9, 10, 11, 20].map(|hops| format!("307-{form}-{hops}")));
    }
    names.sort();
    names
}

/// The case with this name.
pub(crate) fn case(name: &str) -> Case {
    let answer = |rest: &str| format!("{{ kind = 'accept', answer = {{ {rest} }} }}");
    let delivery = |rest: &str| format!("{{ kind = 'accept', delivery = {{ {rest} }} }}");
    let reject = |rest: &str| format!("{{ kind = 'reject', {rest} }}");
    // To another server, by a status and a form.
    let redirect = |rest: &str| format!("{{ kind = 'redirect', to = 'alt', {rest} }}");
    // To a `Location` that no server here has.
    let elsewhere =
        |to: &str| format!("{{ kind = 'redirect', location = 'missing', answer = {{ fields = ['Location: {to}'] }} }}");
    let challenge = |scheme: &str| format!("{{ kind = 'challenge', {CREDENTIALS}, scheme = '{scheme}' }}");
    let accept = || "{ kind = 'accept' }".to_string();
    let (mut alt, mut client, mut fault) = ("", "", "");
    let gateway = match name {
        "101-ok" => accept(),
        "101-after-100-103" => answer("interim = [100, 103]"),
        "101-bad-accept" => answer("accept_key = 'wrong'"),
        "101-no-accept" => answer("accept_key = 'missing'"),
        "101-accept-doubled" => answer("accept_key = 'doubled'"),
        "101-no-upgrade" => answer("upgrade = 'missing'"),
        "101-upgrade-wrong" => answer("upgrade = 'wrong'"),
        "101-upgrade-doubled" => answer("upgrade = 'doubled'"),
        "101-upgrade-case" => answer("upgrade = 'missing', fields = ['Upgrade: WebSocket']"),
        "101-upgrade-list" => answer("upgrade = 'missing', fields = ['Upgrade: h2c, websocket']"),
        "101-no-connection" => answer("connection = 'missing'"),
        "101-connection-wrong" => answer("connection = 'wrong'"),
        "101-connection-doubled" => answer("connection = 'doubled'"),
        "101-connection-list" => answer("connection = 'missing', fields = ['Connection: keep-alive, Upgrade']"),
        "101-connection-close" => answer("connection = 'missing', fields = ['Connection: Upgrade, close']"),
        "101-http10" => answer("http = '1.0'"),
        "101-http20" => answer("http = '2.0'"),
        "101-reason-empty" => answer("reason = ''"),
        "101-reason-other" => answer("reason = 'Web Socket Protocol Handshake'"),
        "101-bare-lf" => answer("line_end = 'lf'"),
        "101-length-0" => answer("fields = ['Content-Length: 0']"),
        "101-chunked" => answer("fields = ['Transfer-Encoding: chunked']"),
        "101-field-space" => answer("fields = ['X-Padding : x']"),
        "101-field-no-colon" => answer("fields = ['X-Padding']"),
        "101-field-utf8" => answer("fields = ['X-Padding: \u{e4}']"),
        "101-ping-glued" => answer("first_frame = true"),
        "101-hdr-70k-one" => answer("padding = 70000"),
        "101-hdr-70k-many" => answer("padding = 70000, padding_fields = 700"),
        "101-unasked-extension" => answer("extension = 'x-unasked'"),
        "101-unasked-subprotocol" => answer("subprotocol = 'chat'"),
        "101-unasked-subprotocol-doubled" => answer("subprotocol = 'chat', fields = ['Sec-WebSocket-Protocol: chat']"),
        // Without a pause between them, loopback would join them.
        "101-split-1-byte" => delivery("bytes = 1, every = '1ms'"),
        "drip-header" => {
            "{ kind = 'accept', answer = { padding = 1000 }, delivery = { bytes = 1, every = '1s' } }".into()
        }
        "fin-on-accept" => delivery("cut = 0"),
        "rst-after-request" => delivery("cut = 0, then = 'reset'"),
        "garbage" => "{ kind = 'garbage' }".into(),
        "garbage-then-silence" => "{ kind = 'garbage', delivery = { cut = 100, then = 'silence' } }".into(),
        "silent" => "{ kind = 'stall' }".into(),
        "200-body" => reject("status = 200, answer = { body = { bytes = 100 } }"),
        "200-upgrade-hdrs" => answer("status = 200"),
        "200-open-ended-body" => reject(
            "status = 200, answer = { body = { bytes = 9000, framing = 'close' } }, \
             delivery = { cut = 500, then = 'silence' }",
        ),
        "307-ws-retry-after-3" => redirect("retry_after = '3s'"),
        "307-loop" => "{ kind = 'redirect', path = '/', keep_alive = true }".into(),
        "307-no-location" => "{ kind = 'redirect', location = 'missing' }".into(),
        "307-malformed-location" => "{ kind = 'redirect', location = 'malformed' }".into(),
        "307-ftp" => elsewhere("ftp://127.0.0.1/"),
        "307-wss" => elsewhere("wss://127.0.0.1:9/"),
        "307-unknown-host" => elsewhere("ws://nobody.invalid/"),
        "307-to-closed-port" => {
            fault = "alt";
            redirect("location = 'ws'")
        }
        "307-to-503" => {
            alt = "{ kind = 'reject', status = 503 }";
            redirect("location = 'ws'")
        }
        "307-althost-with-headers" | "307-altport-with-headers" => {
            client = "auth = 'header'";
            redirect("location = 'ws'")
        }
        "307-rel-with-headers" => {
            client = "auth = 'header'";
            chain(1, "")
        }
        "401-basic-no-creds" => challenge("basic"),
        "401-basic-userinfo" => {
            client = " ";
            challenge("basic")
        }
        "401-digest-userinfo" => {
            client = " ";
            challenge("digest")
        }
        "403" | "404" | "500" => reject(&format!("status = {name}")),
        "407" => {
            client = " ";
            reject("status = 407")
        }
        "426-version" => reject("status = 426, answer = { versions = [99] }"),
        "429-ra2" => reject("status = 429, retry_after = '2s'"),
        "503-ra2" => reject("status = 503, retry_after = '2s'"),
        "refused" => {
            fault = "gateway";
            accept()
        }
        "blackhole" => {
            fault = "gateway off";
            accept()
        }
        _ => match numbered(name) {
            ("101-fields", fields) => {
                let more = fields - FIELDS;
                answer(&format!("padding = {more}, padding_fields = {more}"))
            }
            ("101-line", bytes) => answer(&format!("padding = {bytes}")),
            ("101-head", bytes) => answer(&format!("padding = {bytes}, padding_fields = 60")),
            ("101-after", status) => answer(&format!("interim = [{status}]")),
            ("307-chain", hops) => chain(hops, ""),
            ("307-wsabs-chain", hops) => chain(hops, "ws"),
            ("307-httpabs-chain", hops) => chain(hops, "http"),
            _ => match name.split_once('-') {
                Some((status, "ws-alt")) => redirect(&format!("status = {status}, location = 'ws'")),
                Some((status, "http-alt")) => redirect(&format!("status = {status}, location = 'http'")),
                Some((status, "relative")) => {
                    chain(1, "").replacen("path = '/1'", &format!("status = {status}, path = '/1'"), 1)
                }
                _ => panic!("no such case: {name}"),
            },
        },
    };
    Case { gateway, alt, client, fault }
}

/// A name's beginning and the number that it ends with.
fn numbered(name: &str) -> (&str, u32) {
    let (start, number) = name.rsplit_once('-').unwrap_or((name, ""));
    (start, number.parse().unwrap_or_default())
}

/// Redirects within the server, so many, by relative `Location`s on a connection that is kept, or by absolute ones.
fn chain(hops: u32, scheme: &str) -> String {
    let form = match scheme {
        "" => "keep_alive = true".to_string(),
        scheme => format!("to = 'gateway', location = '{scheme}'"),
    };
    let path = |hop: u32| if hop == 0 { "/".into() } else { format!("/{hop}") };
    let hop = |hop: u32| {
        let (from, to) = (path(hop), path(hop + 1));
        format!("{{ kind = 'redirect', {form}, path = '{to}', when = {{ path = '{from}' }} }}, ")
    };
    let hops: String = (0..hops).map(hop).collect();
    format!("[{hops}{{ kind = 'accept' }}]")
}
