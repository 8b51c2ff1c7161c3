//! Flaws in the lines of a head, which a strict parser refuses.

/// The flaws of a 101's head, and the head without them.
#[derive(Debug, Default)]
pub(super) struct HeadFlaws {
    pub http_2_0: bool,
    pub bare_lf: bool,
    pub field_space: bool,
    pub field_no_colon: bool,
    /// The length of the head.
    pub len: usize,
    /// The head as it should be.
    pub mended: Vec<u8>,
}

impl HeadFlaws {
    /// The flaws of a complete head at the start of `bytes`, if it is a 101 that has any.
    pub(super) fn of_switch(bytes: &[u8]) -> Option<HeadFlaws> {
        let version = bytes.get(..8).filter(|version| version.starts_with(b"HTTP/"))?;
        bytes.get(8..12).filter(|status| *status == b" 101")?;
        let mut flaws = HeadFlaws { http_2_0: version == b"HTTP/2.0", ..HeadFlaws::default() };
        for (number, whole) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            // Not complete yet.
            let line = whole.strip_suffix(b"\n")?;
            let ended = line.strip_suffix(b"\r");
            flaws.bare_lf |= ended.is_none();
            flaws.len += whole.len();
            let line = ended.unwrap_or(line);
            let colon = line.iter().position(|byte| *byte == b':');
            match colon {
                _ if line.is_empty() => {
                    flaws.mended.extend_from_slice(b"\r\n");
                    return flaws.any().then_some(flaws);
                }
                _ if number == 0 && flaws.http_2_0 => {
                    flaws.mended.extend_from_slice(b"HTTP/1.1");
                    flaws.mended.extend_from_slice(&line[8..]);
                }
                _ if number == 0 => flaws.mended.extend_from_slice(line),
                None => {
                    flaws.field_no_colon = true;
                    continue;
                }
                Some(at) => {
                    let name = line[..at].trim_ascii_end();
                    flaws.field_space |= name.len() < at;
                    flaws.mended.extend_from_slice(name);
                    flaws.mended.extend_from_slice(&line[at..]);
                }
            }
            flaws.mended.extend_from_slice(b"\r\n");
        }
        None
    }

    fn any(&self) -> bool {
        self.http_2_0 || self.bare_lf || self.field_space || self.field_no_colon
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flaws_are_found_and_mended() {
        let whole = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nX: y:z\r\n\r\n";
        assert!(HeadFlaws::of_switch(whole.as_bytes()).is_none());
        for (text, mended, [http, lf, space, colon]) in [
            (whole.replace("1.1", "2.0"), whole.to_string(), [true, false, false, false]),
            (whole.replace("\r\n", "\n"), whole.to_string(), [false, true, false, false]),
            (whole.replace("X:", "X :"), whole.to_string(), [false, false, true, false]),
            (whole.replace("X: y:z", "X"), whole.replace("X: y:z\r\n", ""), [false, false, false, true]),
        ] {
            let flaws = HeadFlaws::of_switch(format!("{text}frame").as_bytes()).unwrap();
            assert_eq!(String::from_utf8(flaws.mended).unwrap(), mended);
            assert_eq!(flaws.len, text.len());
            assert_eq!(
                [flaws.http_2_0, flaws.bare_lf, flaws.field_space, flaws.field_no_colon],
                [http, lf, space, colon]
            );
            // Another status, and a head that has not come in whole, are the parser's.
            assert!(HeadFlaws::of_switch(text.replace(" 101", " 200").as_bytes()).is_none());
            assert!(HeadFlaws::of_switch(&text.as_bytes()[..text.len() - 1]).is_none());
        }
    }
}
