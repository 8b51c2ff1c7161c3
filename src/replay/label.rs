//! What a message is called: its request or status line, or its frames. Header fields are not told, but for where a
//! redirect leads and how long a client is asked to wait.

use crate::frame::{self, NO_STATUS, Opcode, Sender};
use crate::h2::Frame;
use crate::handshake::extended::lines as fields;
use crate::record::{Flag, Message};
use crate::tls::Flight;

/// The name of a message.
pub(super) fn label(message: &Message) -> String {
    match message.flag {
        Flag::Syn => "SYN".into(),
        Flag::SynAck => "SYN-ACK".into(),
        Flag::Fin => "FIN".into(),
        Flag::Rst => "RST".into(),
        Flag::Data => data(&message.bytes),
    }
}

fn data(bytes: &[u8]) -> String {
    if let Some(flight) = Flight::read(bytes) {
        return match flight {
            Flight::ClientHello { ticket: None } => "TLS ClientHello".into(),
            Flight::ClientHello { ticket: Some(_) } => "TLS ClientHello, ticket".into(),
            Flight::ServerHello { resumed: true, .. } => "TLS ServerHello, resumed".into(),
            Flight::ServerHello { finished: true, .. } => "TLS ServerHello to Finished".into(),
            Flight::ServerHello { .. } => "TLS ServerHello".into(),
            Flight::ClientFinished | Flight::ServerFinished { .. } => "TLS Finished".into(),
        };
    }
    if let Some(frame) = Frame::read(bytes) {
        return of_frame(frame);
    }
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
    match (head, frames(bytes)) {
        (_, Some(frames)) => frames,
        (Some(length), None) => {
            let line = head_line(&bytes[..length]);
            match &bytes[length..] {
                [] => line,
                rest => format!("{line} + {}", frames(rest).unwrap_or_else(|| count(rest))),
            }
        }
        (None, None) => count(bytes),
    }
}

fn of_frame(frame: Frame<'_>) -> String {
    match frame {
        Frame::Preface => "preface, SETTINGS".into(),
        Frame::Settings { extended_connect: false, .. } => "SETTINGS without extended CONNECT".into(),
        Frame::Settings { streams_max, .. } => format!("SETTINGS, extended CONNECT, {streams_max} streams"),
        Frame::Headers { fields: text, .. } => {
            let value = |wanted: &str| fields(text).find(|(name, _)| *name == wanted).map_or("", |(_, value)| value);
            match (value(":status"), value("location"), value("retry-after")) {
                ("", ..) => format!("HEADERS :method {} :protocol {}", value(":method"), value(":protocol")),
                (code, location, _) if code.starts_with('3') && !location.is_empty() => {
                    format!("HEADERS :status {code} -> {}", without_user(location))
                }
                (code, _, "") => format!("HEADERS :status {code}"),
                (code, _, seconds) => format!("HEADERS :status {code}, retry-after: {seconds}"),
            }
        }
        Frame::Data { bytes, last: false, .. } => frames(bytes).unwrap_or_else(|| count(bytes)),
        Frame::Data { .. } => "END_STREAM".into(),
        Frame::Reset { .. } => "RST_STREAM".into(),
        Frame::GoAway => "GOAWAY".into(),
    }
}

fn count(bytes: &[u8]) -> String {
    match bytes.len() {
        1 => "1 byte".into(),
        count => format!("{count} bytes"),
    }
}

/// Whole frames and nothing else.
fn frames(mut bytes: &[u8]) -> Option<String> {
    let mut names = Vec::new();
    while !bytes.is_empty() {
        let (frame, length) = frame::read(bytes, Sender::Any).ok()??;
        names.push(match frame.opcode {
            Opcode::Data => "data".to_string(),
            Opcode::Ping => "ping".to_string(),
            Opcode::Pong => "pong".to_string(),
            Opcode::Close if frame.close_code() == NO_STATUS => "close".to_string(),
            Opcode::Close => format!("close {}", frame.close_code()),
        });
        bytes = &bytes[length..];
    }
    (!names.is_empty()).then(|| names.join(" + "))
}

fn head_line(head: &[u8]) -> String {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let first: String =
        lines.next().unwrap_or_default().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let Some(status) = first.strip_prefix("HTTP/1.1 ") else { return first };
    let field = |wanted: &str| {
        let is_meant = |line: &&str| line.split_once(':').is_some_and(|(name, _)| name.eq_ignore_ascii_case(wanted));
        lines.clone().find(is_meant).and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_string())
    };
    match (status.get(..3), field("Location"), field("Retry-After")) {
        (Some(code), Some(location), _) if code.starts_with('3') => format!("{code} -> {}", without_user(&location)),
        (Some(code), _, Some(seconds)) => format!("{code}, Retry-After: {seconds}"),
        _ => status.to_string(),
    }
}

/// A URI without what may be a password.
fn without_user(uri: &str) -> String {
    let Some((scheme, rest)) = uri.split_once("//") else { return uri.to_string() };
    let authority = rest.find('/').unwrap_or(rest.len());
    match rest[..authority].rfind('@') {
        Some(at) => format!("{scheme}//{}", &rest[at + 1..]),
        None => uri.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_called_by_their_first_line_or_their_frames() {
        let mut close = Vec::new();
        frame::write_close(&mut close, 1012, Some([1, 2, 3, 4]));
        let mut pings = Vec::new();
        frame::write_ping(&mut pings, None);
        frame::write_ping(&mut pings, None);
        let open = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n".to_vec();
        for (bytes, name) in [
            (b"GET /chat HTTP/1.1\r\nAuthorization: Basic c2VjcmV0\r\n\r\n".to_vec(), "GET /chat HTTP/1.1"),
            (open.clone(), "101 Switching Protocols"),
            ([open.clone(), pings.clone()].concat(), "101 Switching Protocols + ping + ping"),
            (open[..7].to_vec(), "7 bytes"),
            (b"HTTP/1.1 307 x\r\nlocation: ws://me:secret@a/b@c\r\n\r\n".to_vec(), "307 -> ws://a/b@c"),
            (b"HTTP/1.1 503 x\r\nRetry-After: 7\r\n\r\n".to_vec(), "503, Retry-After: 7"),
            (close, "close 1012"),
            (pings, "ping + ping"),
            (b"?".to_vec(), "1 byte"),
        ] {
            assert_eq!(data(&bytes), name);
        }
    }
}
