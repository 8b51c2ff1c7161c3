//! How strictly a client parses responses: differences of real clients from RFC 6455, and their limits.

use std::mem::MaybeUninit;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::client::{Answer, Fields, final_answer, read_answer};
use super::head_flaws::HeadFlaws;
use super::{Accept, Error, Mode};
use crate::http::{self, HeadError};
use crate::quantity::Bytes;

/// Result of a flaw in a response, or of a part that a client need not support.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Lapse {
    /// The attempt fails.
    Fails,
    /// It is ignored.
    Opens,
    /// Neither: the client continues to wait, until its timeout or the end of the connection.
    Hangs,
}

/// `reads = { accept_key = "opens" }`: how a client parses responses. By default it does what RFC 6455 section 4.1
/// requires, within limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Reading {
    /// A `Sec-WebSocket-Accept` that is missing or wrong.
    pub accept_key: Lapse,
    /// A `Sec-WebSocket-Accept` that is sent twice, and right.
    pub accept_key_doubled: Lapse,
    /// No `Upgrade: websocket` in a 101.
    pub upgrade: Lapse,
    /// An `Upgrade` to something else; absent: as if it were missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgrade_wrong: Option<Lapse>,
    /// An `Upgrade` with another protocol beside `websocket`.
    pub upgrade_list: Lapse,
    /// `Upgrade: websocket` twice.
    pub upgrade_doubled: Lapse,
    /// No `Connection: Upgrade` in a 101.
    pub connection: Lapse,
    /// `Connection: Upgrade` twice.
    pub connection_doubled: Lapse,
    /// A `Connection` with another token beside `Upgrade`, as RFC 9110 section 7.6.1 permits.
    pub connection_list: Lapse,
    /// A 101 with `Transfer-Encoding`, which RFC 9112 section 6.1 forbids.
    pub chunked: Lapse,
    /// A 101 in HTTP/1.0.
    pub http_1_0: Lapse,
    /// A 101 whose status line says HTTP/2.0.
    pub http_2_0: Lapse,
    /// A 101 whose lines end with LF alone.
    pub bare_lf: Lapse,
    /// A 101 with a space before a header field's colon (RFC 9112 section 5.1).
    pub field_space: Lapse,
    /// A 101 with a header field without a colon.
    pub field_no_colon: Lapse,
    /// Bytes that do not begin as HTTP does.
    pub garbage: Lapse,
    /// An extension that was not requested.
    pub extension: Lapse,
    /// A subprotocol that was not requested.
    pub subprotocol: Lapse,
    /// A 1xx before the final response, which RFC 9110 section 15.2 requires to be skipped (`opens`).
    pub interim: Lapse,
    /// A 100 (Continue) before the final response; absent: as `interim`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interim_100: Option<Lapse>,
    /// Maximum size of a head.
    pub head: Bytes,
    /// Maximum number of header fields.
    pub fields: u32,
    /// Maximum size of a line; absent: that of the head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<Bytes>,
    /// A head with more header fields than `fields`.
    pub too_many_fields: Lapse,
    /// Whether it reads the whole body of a response that opens nothing before it fails.
    pub body: bool,
    /// A response in more pieces than this, of less than 128 bytes on average, is treated as an attack;
    /// absent: none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pieces: Option<u32>,
}

impl Default for Reading {
    fn default() -> Reading {
        Reading {
            accept_key: Lapse::Fails,
            accept_key_doubled: Lapse::Fails,
            upgrade: Lapse::Fails,
            upgrade_wrong: None,
            upgrade_list: Lapse::Fails,
            upgrade_doubled: Lapse::Opens,
            connection: Lapse::Fails,
            connection_doubled: Lapse::Opens,
            connection_list: Lapse::Opens,
            chunked: Lapse::Opens,
            http_1_0: Lapse::Fails,
            http_2_0: Lapse::Fails,
            bare_lf: Lapse::Opens,
            field_space: Lapse::Fails,
            field_no_colon: Lapse::Fails,
            garbage: Lapse::Fails,
            extension: Lapse::Fails,
            subprotocol: Lapse::Fails,
            interim: Lapse::Opens,
            interim_100: None,
            head: Bytes(http::MAX_HEAD_BYTES as u64),
            fields: http::MAX_HEADERS as u32,
            line: None,
            too_many_fields: Lapse::Fails,
            body: false,
            pieces: None,
        }
    }
}

/// What every response of HTTP/1 begins with.
const HTTP: &[u8] = b"HTTP/";

/// A body longer than this is not read to its end, by whoever reads bodies: a server must not fill a client's memory.
const MAX_BODY_BYTES: usize = 1 << 20;

impl Reading {
    /// The bytes per piece from which on no number of pieces is an attack.
    const FEW_BYTES: usize = 128;

    /// Whether an answer of so many bytes in so many pieces is taken for an attack.
    pub fn is_attacked(&self, pieces: u32, bytes: usize) -> bool {
        self.pieces.is_some_and(|most| pieces > most) && pieces as usize * Reading::FEW_BYTES > bytes
    }

    /// Reads an answer as [`super::client::read_answer`] does, with these differences; `ended` when no more bytes come.
    ///
    /// # Errors
    /// [`Error`] when the bytes are no response, or one that must fail the connection.
    #[cold]
    pub fn read<'b>(
        &self,
        mode: Mode,
        expected: impl FnOnce() -> Accept,
        bytes: &'b [u8],
        ended: bool,
    ) -> Result<Option<(Answer<'b>, usize)>, Error> {
        // Over HTTP/2 none of it can be said.
        if mode == Mode::ExtendedConnect {
            return read_answer(mode, expected, bytes);
        }
        let beginning = bytes.len().min(HTTP.len());
        if self.garbage == Lapse::Hangs && bytes[..beginning] != HTTP[..beginning] {
            return Ok(None);
        }
        if let Some(flaws) = HeadFlaws::of_switch(bytes) {
            return self.read_flawed(&flaws, mode, expected, ended);
        }
        let mut room = vec![MaybeUninit::uninit(); self.fields as usize];
        let mut response = http::Response::new(&mut []);
        let len = match http::parse_response_within(bytes, self.head.0 as usize, &mut room, &mut response) {
            Ok(Some(len)) => len,
            Ok(None) => return Ok(None),
            Err(HeadError::TooManyHeaders) if self.too_many_fields == Lapse::Hangs => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if let Some(line) = self.line
            && bytes[..len].split(|byte| *byte == b'\n').any(|text| text.len() as u64 > line.0)
        {
            return Err(HeadError::TooLarge.into());
        }
        let fields = Fields::of(&response);
        let status = response.code.unwrap_or_default();
        let opens = match status {
            101 if mode.is_transaction() => return Err(Error::UnexpectedSwitch),
            101 => true,
            200 => fields.opens_in(mode),
            _ => false,
        };
        if opens {
            let (verified, doubled) = fields.has_accept(&expected());
            let switches = status == 101;
            let no_upgrade = match fields.upgrades {
                0 => self.upgrade,
                _ if fields.upgrade_list => self.upgrade_list,
                _ => self.upgrade_wrong.unwrap_or(self.upgrade),
            };
            let list = fields.connection && fields.connection_list;
            let lapses = [
                (switches && response.version != Some(1), self.http_1_0, Error::UnexpectedSwitch),
                (switches && !fields.upgrade, no_upgrade, Error::Upgrade),
                (switches && fields.upgrades > 1, self.upgrade_doubled, Error::Upgrade),
                (switches && !fields.connection, self.connection, Error::Connection),
                (switches && fields.connections > 1, self.connection_doubled, Error::Connection),
                (switches && list, self.connection_list, Error::Connection),
                (switches && fields.chunked, self.chunked, Error::UnexpectedSwitch),
                (!verified, self.accept_key, Error::Accept),
                (verified && doubled, self.accept_key_doubled, Error::Accept),
                (fields.extension, self.extension, Error::Extension),
                (fields.subprotocol, self.subprotocol, Error::Subprotocol),
            ];
            for (_, lapse, error) in lapses.into_iter().filter(|(lapsed, ..)| *lapsed) {
                match lapse {
                    Lapse::Fails => return Err(error),
                    Lapse::Opens => {}
                    Lapse::Hangs => return Ok(None),
                }
            }
            return Ok(Some((if verified { Answer::Open } else { Answer::Unverified }, len)));
        }
        if (100..=199).contains(&status) {
            let lapse = self.interim_100.filter(|_| status == 100).unwrap_or(self.interim);
            return match lapse {
                Lapse::Fails => Err(Error::Interim),
                Lapse::Opens => Ok(Some((Answer::Interim, len))),
                Lapse::Hangs => Ok(None),
            };
        }
        let answer = final_answer(mode, &response, &fields, bytes, len);
        let body = &bytes[len..];
        let waits = self.body && !ended && body.len() < MAX_BODY_BYTES && !fields.has_body(status, body);
        Ok(answer.filter(|(answer, _)| !(waits && matches!(answer, Answer::Rejected { .. }))))
    }

    /// Reads a 101 with a flawed head: as one without the flaws, unless one of them fails it.
    fn read_flawed<'b>(
        &self,
        flaws: &HeadFlaws,
        mode: Mode,
        expected: impl FnOnce() -> Accept,
        ended: bool,
    ) -> Result<Option<(Answer<'b>, usize)>, Error> {
        let malformed = |error| Error::Head(HeadError::Malformed(error));
        let lapses = [
            (flaws.http_2_0, self.http_2_0, malformed(httparse::Error::Version)),
            (flaws.bare_lf, self.bare_lf, Error::LineEnd),
            (flaws.field_space, self.field_space, malformed(httparse::Error::HeaderName)),
            (flaws.field_no_colon, self.field_no_colon, malformed(httparse::Error::HeaderName)),
        ];
        for (_, lapse, error) in lapses.into_iter().filter(|(flawed, ..)| *flawed) {
            match lapse {
                Lapse::Fails => return Err(error),
                Lapse::Opens => {}
                Lapse::Hangs => return Ok(None),
            }
        }
        Ok(match self.read(mode, expected, &flaws.mended, ended)? {
            Some((Answer::Open, _)) => Some((Answer::Open, flaws.len)),
            Some((Answer::Unverified, _)) => Some((Answer::Unverified, flaws.len)),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::Key;

    const KEY: Key = Key(*b"dGhlIHNhbXBsZSBub25jZQ==");
    const FULL: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

    fn read<'b>(reading: &Reading, text: &'b str) -> Result<Option<Answer<'b>>, Error> {
        let read = reading.read(Mode::Upgrade, || KEY.accept(), text.as_bytes(), false);
        read.map(|read| read.map(|(answer, _)| answer))
    }

    #[test]
    fn by_default_it_reads_as_the_strict_reader_does() {
        let full = FULL.to_string();
        for text in [
            full.clone(),
            full.replace("s3pP", "s3pQ"),
            full.replace("Upgrade: websocket\r\n", ""),
            full.replace("Connection: Upgrade\r\n", ""),
            full.replace("HTTP/1.1", "HTTP/1.0"),
            full.replace("HTTP/1.1", "HTTP/2.0"),
            full.replace("\r\n", "\n"),
            full.replace("\r\n\r\n", "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"),
            full.replace("\r\n\r\n", "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"),
            full.replace("Upgrade: websocket", "Upgrade: h2c, websocket"),
            full.replace("Connection: Upgrade", "Connection: keep-alive, Upgrade"),
            full.replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n"),
            "HTTP/1.1 300 Go\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n".into(),
            "HTTP/1.1 100 Continue\r\n\r\n".into(),
            full.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: x\r\n\r\n"),
            full.replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: x\r\n\r\n"),
            full.replace("\r\n\r\n", &format!("\r\nX: {}\r\n\r\n", "x".repeat(17_000))),
            full.replace("\r\n\r\n", &format!("\r\n{}\r\n", "X: y\r\n".repeat(62))),
            "HTTP/1.1 103 Early Hints\r\n\r\n".into(),
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n".into(),
            "HTTP/1.1 307 Go\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n".into(),
            "HTTP/1.1 401 Who\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 3\r\n\r\n".into(),
            "HTTP/1.1 503 No".into(),
            "\u{1}\u{2}".into(),
        ] {
            for mode in [Mode::Upgrade, Mode::UpgradeStrict, Mode::FinalResponse] {
                let strict = crate::handshake::client::read_answer(mode, || KEY.accept(), text.as_bytes());
                let read = Reading::default().read(mode, || KEY.accept(), text.as_bytes(), false);
                assert_eq!(read, strict, "{mode:?} {text}");
            }
        }
    }

    #[test]
    fn what_is_missing_or_too_much_is_taken_as_each_client_takes_it() {
        let of = |lapse| Reading {
            accept_key: lapse,
            upgrade: lapse,
            connection: lapse,
            http_1_0: lapse,
            extension: lapse,
            subprotocol: lapse,
            interim: lapse,
            ..Reading::default()
        };
        for (text, error) in [
            (FULL.replace("Upgrade: websocket\r\n", ""), Error::Upgrade),
            (FULL.replace("Connection: Upgrade\r\n", ""), Error::Connection),
            (FULL.replace("HTTP/1.1", "HTTP/1.0"), Error::UnexpectedSwitch),
            (FULL.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: x\r\n\r\n"), Error::Subprotocol),
            (FULL.replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: x\r\n\r\n"), Error::Extension),
        ] {
            assert_eq!(read(&of(Lapse::Fails), &text), Err(error));
            assert_eq!(read(&of(Lapse::Opens), &text), Ok(Some(Answer::Open)), "{text}");
            assert_eq!(read(&of(Lapse::Hangs), &text), Ok(None));
        }
        let wrong = FULL.replace("s3pP", "s3pQ");
        assert_eq!(read(&of(Lapse::Fails), &wrong), Err(Error::Accept));
        assert_eq!(read(&of(Lapse::Opens), &wrong), Ok(Some(Answer::Unverified)));
        let interim = "HTTP/1.1 103 Early Hints\r\n\r\n";
        assert_eq!(read(&of(Lapse::Fails), interim), Err(Error::Interim));
        assert_eq!(read(&of(Lapse::Opens), interim), Ok(Some(Answer::Interim)));
    }

    #[test]
    fn doubled_and_malformed_parts_are_taken_as_each_client_takes_them() {
        let of = |lapse| Reading {
            accept_key_doubled: lapse,
            upgrade_wrong: Some(lapse),
            upgrade_list: lapse,
            upgrade_doubled: lapse,
            connection_doubled: lapse,
            connection_list: lapse,
            chunked: lapse,
            http_2_0: lapse,
            bare_lf: lapse,
            field_space: lapse,
            field_no_colon: lapse,
            ..Reading::default()
        };
        let with = |field: &str| FULL.replace("\r\n\r\n", &format!("\r\n{field}\r\n\r\n"));
        let malformed = |error| Error::Head(HeadError::Malformed(error));
        for (text, error) in [
            (with("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), Error::Accept),
            (with("Upgrade: websocket"), Error::Upgrade),
            (FULL.replace("Upgrade: websocket", "Upgrade: h2c"), Error::Upgrade),
            (FULL.replace("Upgrade: websocket", "Upgrade: h2c, websocket"), Error::Upgrade),
            (with("Connection: Upgrade"), Error::Connection),
            (FULL.replace("Connection: Upgrade", "Connection: keep-alive, Upgrade"), Error::Connection),
            (with("Transfer-Encoding: chunked"), Error::UnexpectedSwitch),
            (FULL.replace("HTTP/1.1", "HTTP/2.0"), malformed(httparse::Error::Version)),
            (FULL.replace("\r\n", "\n"), Error::LineEnd),
            (with("X : y"), malformed(httparse::Error::HeaderName)),
            (with("X"), malformed(httparse::Error::HeaderName)),
        ] {
            assert_eq!(read(&of(Lapse::Fails), &text), Err(error), "{text}");
            assert_eq!(read(&of(Lapse::Opens), &text), Ok(Some(Answer::Open)), "{text}");
            assert_eq!(read(&of(Lapse::Hangs), &text), Ok(None), "{text}");
        }
        // Each key is for its own flaw alone.
        let missing = Reading { upgrade: Lapse::Hangs, upgrade_wrong: Some(Lapse::Fails), ..Reading::default() };
        assert_eq!(read(&missing, &FULL.replace("Upgrade: websocket\r\n", "")), Ok(None));
        assert_eq!(read(&missing, &FULL.replace("Upgrade: websocket", "Upgrade: h2c")), Err(Error::Upgrade));
        let hundred = Reading { interim_100: Some(Lapse::Fails), ..Reading::default() };
        assert_eq!(read(&hundred, "HTTP/1.1 100 Continue\r\n\r\n"), Err(Error::Interim));
        assert_eq!(read(&hundred, "HTTP/1.1 103 Early Hints\r\n\r\n"), Ok(Some(Answer::Interim)));
        let waits = Reading { garbage: Lapse::Hangs, ..Reading::default() };
        assert_eq!((read(&waits, "\u{1}\u{2}"), read(&waits, "HTT")), (Ok(None), Ok(None)));
        assert_eq!(read(&waits, FULL), Ok(Some(Answer::Open)));
    }

    #[test]
    fn limits_are_its_own() {
        let long = FULL.replace("\r\n\r\n", &format!("\r\nX: {}\r\n\r\n", "x".repeat(70_000)));
        let many = FULL.replace("\r\n\r\n", &format!("\r\n{}\r\n", "X: y\r\n".repeat(700)));
        let wide = Reading { head: Bytes(256 << 10), fields: 100, ..Reading::default() };
        assert_eq!(read(&wide, &long), Ok(Some(Answer::Open)));
        assert_eq!(read(&wide, &many), Err(Error::Head(HeadError::TooManyHeaders)));
        let wider = Reading { fields: 1_000, ..wide.clone() };
        assert_eq!(read(&wider, &many), Ok(Some(Answer::Open)));
        let hangs = Reading { too_many_fields: Lapse::Hangs, ..wide.clone() };
        assert_eq!(read(&hangs, &many), Ok(None));
        let lines = Reading { line: Some(Bytes(8_192)), ..wide };
        assert_eq!(read(&lines, &long), Err(Error::Head(HeadError::TooLarge)));
        assert_eq!(read(&lines, FULL), Ok(Some(Answer::Open)));
        let pieces = Reading { pieces: Some(64), ..Reading::default() };
        assert!(!pieces.is_attacked(64, 64) && pieces.is_attacked(65, 65) && !pieces.is_attacked(65, 65 * 128));
        assert!(!Reading::default().is_attacked(u32::MAX, 1));
    }

    #[test]
    fn who_reads_bodies_waits_for_their_end() {
        let reading = Reading { body: true, ..Reading::default() };
        let endless = |bytes: usize| {
            let answer = format!("HTTP/1.1 503 x\r\n\r\n{}", "x".repeat(bytes));
            read(&reading, &answer).unwrap().is_some()
        };
        assert!(!endless(MAX_BODY_BYTES - 1) && endless(MAX_BODY_BYTES), "a body that never ends");
        let head = "HTTP/1.1 200 OK\r\n";
        let rejected = Ok(Some(Answer::Rejected { status: 200, retry_after: None }));
        for (rest, whole) in [
            ("Content-Length: 3\r\n\r\nab", false),
            ("Content-Length: 3\r\n\r\nabc", true),
            ("Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n", false),
            ("Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", true),
            ("\r\nabc", false),
        ] {
            let text = format!("{head}{rest}");
            assert_eq!(read(&reading, &text), if whole { rejected } else { Ok(None) }, "{text}");
            let ended = reading.read(Mode::Upgrade, || KEY.accept(), text.as_bytes(), true);
            assert_eq!(ended.map(|read| read.map(|(answer, _)| answer)), rejected);
            assert_eq!(read(&Reading::default(), &text), rejected);
        }
    }
}
