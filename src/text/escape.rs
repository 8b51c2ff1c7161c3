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

/// A text of several lines, each as [`visible`] has it.
pub(crate) fn visible_lines(text: &str) -> String {
    text.split('\n').map(visible).collect::<Vec<_>>().join("\n")
}

/// A text within Markdown: no part of it is a heading, a link, emphasis, code, a table's cell or HTML.
pub(crate) fn markdown(text: &str) -> String {
    let text = text.replace(['\n', '\r'], " ");
    let text = visible(&text);
    let mut plain = String::with_capacity(text.len());
    let mut before = ' ';
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied().unwrap_or(' ');
        let acts = match c {
            '\\' | '`' | '*' | '[' | ']' | '>' | '|' | '~' => true,
            // Within a word it is no emphasis.
            '_' => !(before.is_alphanumeric() && next.is_alphanumeric()),
            '&' => next.is_alphanumeric() || next == '#',
            '#' | '+' | '-' => plain.is_empty(),
            _ => false,
        };
        match c {
            // Not every reader of Markdown takes a backslash before it.
            '<' => plain.push_str("&lt;"),
            c if acts => plain.extend(['\\', c]),
            c => plain.push(c),
        }
        before = c;
    }
    plain
}

/// A line of Markdown with emphasis of ours and names of theirs: it begins no HTML, and ends no table's cell.
pub(crate) fn markdown_line(line: &str) -> String {
    let mut inert = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let begins = |next: &char| next.is_ascii_alphabetic() || matches!(next, '/' | '!' | '?');
        match c {
            '|' => inert.push_str("\\|"),
            '<' if chars.peek().is_some_and(begins) => inert.push_str("&lt;"),
            c => inert.push(c),
        }
    }
    inert
}

/// A cell of a CSV file (RFC 4180), for terminals, too. One that a spreadsheet would take for a formula has an apostrophe before
/// it, which makes it text there; numbers are numbers.
pub(crate) fn csv_cell(text: &str) -> Cow<'_, str> {
    let acts = |c: char| !matches!(c, '\n' | '\r' | '\t') && visible(c.encode_utf8(&mut [0; 4])).len() > c.len_utf8();
    let text: Cow<'_, str> = match text.contains(acts) {
        true => text.chars().map(|c| if acts(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect(),
        false => text.into(),
    };
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err();
    let text = if is_formula { format!("'{text}").into() } else { text };
    match text.contains([',', '"', '\n', '\r', '\t']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")).into(),
        false => text,
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

/// The value of a label in OpenMetrics text.
pub(crate) fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
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
        assert_eq!(visible_lines("a\u{1b}\nb\n"), "a\\u{1b}\nb\n");
    }

    #[test]
    fn nothing_within_markdown_is_more_than_text() {
        assert_eq!(
            markdown("One of three gateways: open_at_end, < 5 %"),
            "One of three gateways: open_at_end, &lt; 5 %"
        );
        assert_eq!(
            markdown("*a* _b_ [c](d) `e` <f> | \\ &lt;"),
            "\\*a\\* \\_b\\_ \\[c\\](d) \\`e\\` &lt;f\\> \\| \\\\ \\&lt;"
        );
        assert_eq!(markdown("# a\n- b"), "\\# a - b");
        assert_eq!(markdown("a\u{1b}\u{202e}"), "a\\\\u{1b}\\\\u{202e}");
        assert_eq!(markdown_line("**a** <script> </x> < 5 | `b`"), "**a** &lt;script> &lt;/x> < 5 \\| `b`");
    }

    #[test]
    fn no_cell_is_a_formula() {
        assert_eq!(
            ["=1+1", "+x", "-x", "@x", "\tx"].map(|text| csv_cell(text).into_owned()),
            ["'=1+1", "'+x", "'-x", "'@x", "\"'\tx\""]
        );
        assert_eq!(
            ["-5", "+1.5", "a=b", "", "a-b"].map(|text| csv_cell(text).into_owned()),
            ["-5", "+1.5", "a=b", "", "a-b"]
        );
        assert_eq!(csv_cell("=a,\"b\""), "\"'=a,\"\"b\"\"\"");
        assert_eq!(csv_cell("a\u{1b}\u{202e}"), "a\\u{1b}\\u{202e}");
    }
}
