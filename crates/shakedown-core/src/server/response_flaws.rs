//! Malformed and unusual responses: their head, how their bytes are sent, and what follows.

use std::collections::BTreeMap;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::frame;
use crate::http;
use crate::machine::{CloseMode, ConnectionId};
use crate::time::{Nanos, Timestamp};

/// How a header field of the handshake is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Flaw {
    /// It has a wrong value.
    Wrong,
    /// It is missing.
    Missing,
    /// It is sent twice.
    Doubled,
}

/// The version in a status line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub enum HttpVersion {
    /// HTTP/1.0, in which there is no upgrade (RFC 9110 section 7.8).
    #[serde(rename = "1.0")]
    Http10,
    /// HTTP/2.0, which no status line has (RFC 9113).
    #[serde(rename = "2.0")]
    Http20,
}

impl HttpVersion {
    fn name(self) -> &'static str {
        match self {
            HttpVersion::Http10 => "HTTP/1.0",
            HttpVersion::Http20 => "HTTP/2.0",
        }
    }
}

/// The ends of the lines of a head that are not CRLF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LineEnd {
    /// LF alone, which a reader may accept (RFC 9112 section 2.2).
    Lf,
}

/// `body = { bytes = 1000, framing = "chunked" }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BodyConfig {
    /// Its length.
    pub bytes: u32,
    /// How its end is marked.
    #[serde(default)]
    pub framing: Framing,
}

/// How the end of a body is marked (RFC 9112 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Framing {
    /// `Content-Length`.
    #[default]
    Length,
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// The end of the connection.
    Close,
}

/// `answer = { accept_key = "wrong" }`: malformed or additional parts of a response.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct AnswerConfig {
    /// accept: a status instead of the one that opens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// accept: `Sec-WebSocket-Accept`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accept_key: Option<Flaw>,
    /// accept: `Upgrade`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<Flaw>,
    /// accept: `Connection`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<Flaw>,
    /// accept: a `Sec-WebSocket-Protocol` that was not requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subprotocol: Option<String>,
    /// accept: a `Sec-WebSocket-Extensions` that was not requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extension: Option<String>,
    /// accept: whether a ping is sent in the same message as the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_frame: Option<bool>,
    /// The version in its status line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpVersion>,
    /// The reason phrase in its status line; absent: the registered one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How its lines end; absent: with CRLF.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line_end: Option<LineEnd>,
    /// Additional header fields, written as they are: `"Name: value"`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// Size of additional header fields without meaning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub padding: Option<u32>,
    /// Number of these header fields; absent: one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub padding_fields: Option<u32>,
    /// Interim responses: statuses 100 to 199.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interim: Vec<u16>,
    /// reject with 426: the versions in `Sec-WebSocket-Version`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<u8>,
    /// redirect, reject: a body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<BodyConfig>,
}

/// `delivery = { bytes = 1, every = "100ms" }`: how a response is sent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct DeliveryConfig {
    /// Size of each write in bytes; absent: one write.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u32>,
    /// Time between two writes; absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<Nanos>,
    /// Number of bytes after which the response is cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut: Option<u32>,
    /// What follows the cut (`fin` unless given).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub then: Option<Then>,
}

/// What follows a response that is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Then {
    /// FIN.
    #[default]
    Fin,
    /// RST.
    Reset,
    /// Nothing: the client's own timeout ends it.
    Silence,
}

/// `close = { after = "2s", code = 1011 }`: the server closes an accepted connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct CloseConfig {
    /// How long it stays open, from the last byte of the response.
    pub after: Nanos,
    /// The status code in the close frame (RFC 6455 section 7.4).
    pub code: u16,
}

/// The flaws of a behavior's responses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ResponseFlaws {
    /// What they say.
    pub answer: AnswerConfig,
    /// How their bytes leave.
    pub delivery: DeliveryConfig,
    /// When a connection that they opened is closed again.
    pub close: Option<CloseConfig>,
}

impl AnswerConfig {
    /// Applies the flaws to a response's head.
    pub(super) fn apply(&self, message: &mut Vec<u8>, opens: bool) {
        let head = String::from_utf8_lossy(message).into_owned();
        let mut lines: Vec<String> = head.trim_end_matches("\r\n").split("\r\n").map(String::from).collect();
        // The accept value of the key in RFC 6455's example, which is never drawn.
        let flaws = [
            ("Sec-WebSocket-Accept", self.accept_key, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            ("Upgrade", self.upgrade, "h2c"),
            ("Connection", self.connection, "keep-alive"),
        ];
        for (name, flaw, wrong) in flaws {
            match (flaw, lines.iter().position(|line| is_field(line, name))) {
                (Some(Flaw::Wrong), Some(at)) => lines[at] = format!("{name}: {wrong}"),
                (Some(Flaw::Missing), Some(at)) => drop(lines.remove(at)),
                (Some(Flaw::Doubled), Some(at)) => lines.insert(at, lines[at].clone()),
                _ => {}
            }
        }
        if let Some(status) = self.status {
            lines[0] = format!("HTTP/1.1 {status} {}", http::reason(status));
        }
        if let Some(reason) = &self.reason {
            let status = lines[0].splitn(3, ' ').take(2).collect::<Vec<_>>().join(" ");
            lines[0] = format!("{status} {reason}");
        }
        if let Some(version) = self.http {
            lines[0] = lines[0].replacen("HTTP/1.1", version.name(), 1);
        }
        let unasked = [("Sec-WebSocket-Protocol", &self.subprotocol), ("Sec-WebSocket-Extensions", &self.extension)];
        for (name, value) in unasked {
            lines.extend(value.as_ref().map(|value| format!("{name}: {value}")));
        }
        if let Some(at) = lines.iter().position(|line| is_field(line, "Sec-WebSocket-Version"))
            && !self.versions.is_empty()
        {
            let versions: Vec<String> = self.versions.iter().map(u8::to_string).collect();
            lines[at] = format!("Sec-WebSocket-Version: {}", versions.join(", "));
        }
        lines.extend(self.fields.iter().cloned());
        if let Some(len) = self.padding {
            let fields = self.padding_fields.unwrap_or(1).max(1);
            lines.extend((0..fields).map(|_| format!("X-Padding: {}", "x".repeat((len / fields) as usize))));
        }
        let body = self.body.map_or(String::new(), |body| {
            let text = "x".repeat(body.bytes as usize);
            lines.retain(|line| !is_field(line, "Content-Length"));
            match body.framing {
                Framing::Length => {
                    lines.push(format!("Content-Length: {}", body.bytes));
                    text
                }
                Framing::Chunked => {
                    lines.push("Transfer-Encoding: chunked".into());
                    // A chunk of no bytes is the last.
                    let chunk = if text.is_empty() { text } else { format!("{:x}\r\n{text}\r\n", body.bytes) };
                    format!("{chunk}0\r\n\r\n")
                }
                Framing::Close => text,
            }
        });
        message.clear();
        for status in &self.interim {
            http::status_line(message, *status);
            message.extend_from_slice(b"\r\n");
        }
        let end = if self.line_end == Some(LineEnd::Lf) { "\n" } else { "\r\n" };
        for line in lines.iter().map(String::as_str).chain([""]) {
            message.extend_from_slice(line.as_bytes());
            message.extend_from_slice(end.as_bytes());
        }
        message.extend_from_slice(body.as_bytes());
        if opens && self.first_frame == Some(true) {
            frame::write_ping(message, None);
        }
    }
}

fn is_field(line: &str, name: &str) -> bool {
    line.split_once(':').is_some_and(|(own, _)| own.eq_ignore_ascii_case(name))
}

/// What happens to a connection after its response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Open(Option<CloseConfig>),
    Close(CloseMode),
    Silence,
}

/// A pending action on a connection, and its time.
#[derive(Debug)]
pub(super) enum Step {
    /// More of a response is sent.
    Write { bytes: Vec<u8>, sent: usize, piece: usize, every: Nanos, end: End },
    /// A close frame is sent.
    Close { code: u16 },
}

/// Pending actions on single connections: at most one for each.
#[derive(Debug, Default)]
pub(super) struct Later {
    steps: BTreeMap<u32, (Timestamp, Step)>,
    due: BTreeMap<(Timestamp, u32), ()>,
}

impl Later {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// When the next thing is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.due.first_key_value().map(|((at, _), ())| *at)
    }

    pub(super) fn add(&mut self, c: ConnectionId, at: Timestamp, step: Step) {
        self.steps.insert(c.0, (at, step));
        self.due.insert((at, c.0), ());
    }

    /// The connection is gone.
    pub(super) fn forget(&mut self, c: ConnectionId) {
        if let Some((at, _)) = self.steps.remove(&c.0) {
            self.due.remove(&(at, c.0));
        }
    }

    pub(super) fn take(&mut self, now: Timestamp) -> Option<(ConnectionId, Step)> {
        let ((at, c), ()) = self.due.first_key_value()?;
        if *at > now {
            return None;
        }
        let c = *c;
        self.due.pop_first();
        self.steps.remove(&c).map(|(_, step)| (ConnectionId(c), step))
    }
}
