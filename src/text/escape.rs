//! Escapes for text within other formats.

use std::borrow::Cow;

/// Text between tags of XML or HTML.
pub(crate) fn escaped(text: &str) -> String {
    markup(text, false)
}

/// Text in quotes within a tag of XML or HTML; it may stand between tags, too.
pub(crate) fn quoted(text: &str) -> String {
    markup(text, true)
}

fn markup(text: &str, quotes: bool) -> String {
    let mut markup = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => markup.push_str("&amp;"),
            '<' => markup.push_str("&lt;"),
            '>' => markup.push_str("&gt;"),
            '"' if quotes => markup.push_str("&quot;"),
            '\'' if quotes => markup.push_str("&#39;"),
            '\n' | '\t' => markup.push(c),
            c if c.is_control() => markup.push('\u{FFFD}'),
            c => markup.push(c),
        }
    }
    markup
}

/// A text of one line, without what XML has no way to say: control characters, not even escaped.
pub(crate) fn clean(text: &str) -> String {
    let is_xml = |c: char| !(c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}'));
    text.chars().map(|c| if is_xml(c) { c } else { ' ' }).collect()
}

/// A text of one line as a terminal may show it: what would move the cursor, change colours or turn the direction of reading
/// is shown, and not done.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    let acts = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(acts) {
        return text.into();
    }
    text.chars()
        .map(|c| if acts(c) { c.escape_unicode().to_string() } else { c.to_string() })
        .collect::<String>()
        .into()
}

/// A cell of a CSV file (RFC 4180).
pub(crate) fn csv_cell(text: &str) -> Cow<'_, str> {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")).into(),
        false => text.into(),
    }
}

/// A word as a shell reads it.
pub(crate) fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+%@".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.into()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_text_again() {
        assert_eq!(escaped("a <b> & \"c\"\n\u{1}"), "a &lt;b&gt; &amp; \"c\"\n\u{FFFD}");
        assert_eq!(quoted("\"it's\""), "&quot;it&#39;s&quot;");
        assert_eq!(clean("a\u{1}b\nc"), "a b c");
        assert_eq!(visible("a \u{1b}[31mred\u{202e}\n"), "a \\u{1b}[31mred\\u{202e}\\u{a}");
        assert_eq!(visible("ümlaut × 3"), "ümlaut × 3");
    }
}
