//! Dotted paths: how they are read and how they are written.
//!
//! The same paths appear in `--set` arguments, in the keys of variants and in messages. This
//! module knows their spelling only, nothing of the values they lead to.

use std::ops::Range;

use toml::de::DeValue;

use super::problem::shortened;

/// One segment of a path, without its quotes, and the bytes it was read from.
pub(super) struct Segment {
    pub(super) name: String,
    pub(super) span: Range<usize>,
}

/// Why a text is not a path, and which of its bytes are to blame.
pub(super) struct NotAPath {
    pub(super) message: &'static str,
    pub(super) span: Range<usize>,
}

/// Reads a path up to the end of `text` or up to the first `=` outside quotes; the second result
/// is where reading ended.
///
/// A segment is quoted as a TOML key is, or bare; a bare one may hold more characters than TOML
/// allows, because "no such key" is a better answer to those than "no such syntax".
pub(super) fn scan(text: &str) -> Result<(Vec<Segment>, usize), NotAPath> {
    let mut segments = Vec::new();
    let mut at = 0;
    loop {
        at += spaces(&text[at..]);
        let length = match text[at..].chars().next() {
            Some(quote @ ('"' | '\'')) => quoted_length(&text[at..], quote)
                .ok_or(NotAPath { message: "the quote in the path is not closed", span: at..text.len() })?,
            _ => text[at..].find(['.', '=']).unwrap_or(text.len() - at),
        };
        let written = text[at..at + length].trim_end();
        let span = at..at + written.len();
        let name = unquoted(written).ok_or(NotAPath {
            message: "the quoted part of the path is not a valid TOML string",
            span: span.clone(),
        })?;
        if written.is_empty() {
            return Err(NotAPath { message: "a part of the path is empty", span });
        }
        segments.push(Segment { name, span });
        at += length;
        at += spaces(&text[at..]);
        match text[at..].chars().next() {
            Some('.') => at += 1,
            None | Some('=') => return Ok((segments, at)),
            Some(other) => {
                return Err(NotAPath {
                    message: "after a quoted part of a path, only `.` can follow",
                    span: at..at + other.len_utf8(),
                });
            }
        }
    }
}

fn spaces(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

/// The length of the quoted string `text` begins with, quotes included.
fn quoted_length(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == quote {
            return Some(at + c.len_utf8());
        } else {
            // Only the double quote knows escapes in TOML.
            escaped = c == '\\' && quote == '"';
        }
    }
    None
}

fn unquoted(written: &str) -> Option<String> {
    if !written.starts_with(['"', '\'']) {
        return Some(written.to_owned());
    }
    match DeValue::parse(written).ok()?.into_inner() {
        DeValue::String(name) => Some(name.into_owned()),
        _ => None,
    }
}

/// `name` as one segment of a path: bare where that reads back as the same name, quoted otherwise.
pub(super) fn segment(name: &str) -> String {
    let bare = |c: char| !c.is_control() && !c.is_whitespace() && !".='\"".contains(c);
    if !name.is_empty() && name.chars().all(bare) {
        return name.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in name.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A path as messages show it.
pub(super) fn shown<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let segments: Vec<String> = names.into_iter().map(segment).collect();
    shortened(&segments.join("."), 120)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(text: &str) -> Result<Vec<String>, &'static str> {
        match scan(text) {
            Ok((segments, _)) => Ok(segments.into_iter().map(|s| s.name).collect()),
            Err(not) => Err(not.message),
        }
    }

    #[test]
    fn segments_are_bare_or_quoted() {
        assert_eq!(names("a.b-c.0").unwrap(), ["a", "b-c", "0"]);
        assert_eq!(names(" a . \"b.c\\\"\" . 'd=' ").unwrap(), ["a", "b.c\"", "d="]);
        assert_eq!(names("it's.new york = 5").unwrap(), ["it's", "new york"]);
        assert_eq!(names("a.\"\"").unwrap(), ["a", ""]);
    }

    #[test]
    fn reading_ends_at_the_equals_sign() {
        let (segments, end) = scan("a.'x=y' = 5").ok().unwrap();
        assert_eq!((segments.len(), end), (2, 8));
    }

    #[test]
    fn broken_paths_say_why() {
        assert_eq!(names(""), Err("a part of the path is empty"));
        assert_eq!(names("a..b"), Err("a part of the path is empty"));
        assert_eq!(names("a."), Err("a part of the path is empty"));
        assert_eq!(names("a.\"b"), Err("the quote in the path is not closed"));
        assert!(names("\"a\"b").unwrap_err().starts_with("after a quoted"));
        assert!(names("\"\\q\"").unwrap_err().starts_with("the quoted part"));
        assert!(names("\"\"\"a\"\"\"").unwrap_err().starts_with("after a quoted"));
    }

    proptest! {
        #[test]
        fn a_shown_segment_reads_back(name in any::<String>(), next in any::<String>()) {
            let path = format!("{}.{}", segment(&name), segment(&next));
            prop_assert_eq!(names(&path).unwrap(), [name, next]);
        }

        #[test]
        fn scanning_never_panics(text in "[a.='\"\\\\ é]{0,12}") {
            let _ = scan(&text);
        }
    }
}
