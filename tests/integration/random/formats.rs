//! Whether what is written can be read: markup, tables and captures, by as much of their grammar as says that.

/// Tables of values separated by commas: every row has as many as the first (RFC 4180).
pub(crate) fn csv(text: &str) -> Result<(), String> {
    let (mut columns, mut count, mut quoted, mut rows) = (None, 1, false, 0);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => count += 1,
            '\n' if !quoted => {
                rows += 1;
                let columns = *columns.get_or_insert(count);
                if columns != count {
                    return Err(format!("row {rows} has {count} of {columns} columns"));
                }
                count = 1;
            }
            _ => {}
        }
    }
    match () {
        () if quoted => Err("a quote is not closed".into()),
        () if !text.ends_with('\n') || rows == 0 => Err("the last row is not ended".into()),
        () => Ok(()),
    }
}

/// Elements that HTML has no end of.
const VOID: [&str; 7] = ["meta", "link", "br", "hr", "img", "input", "col"];

/// XML, and HTML that is written like it: each element is ended, in turn; attributes are quoted; `&` begins an entity.
pub(crate) fn markup(text: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text;
    let near = |rest: &str| rest.chars().take(60).collect::<String>();
    let mut elements = 0;
    while let Some(at) = rest.find('<') {
        characters(&rest[..at])?;
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("<!--") {
            rest = after.split_once("-->").ok_or("a comment is not ended")?.1;
            continue;
        }
        let (tag, after) = tag(&rest[1..]).ok_or_else(|| format!("a tag is not ended: {}", near(rest)))?;
        if tag.starts_with(['!', '?']) {
            rest = after;
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name.trim()) {
                return Err(format!("</{name}> ends nothing: {}", near(rest)));
            }
            rest = after;
            continue;
        }
        let name = tag.split(|c: char| c.is_whitespace() || c == '/').next().unwrap_or_default();
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == ':') {
            return Err(format!("<{name}> is no element: {}", near(rest)));
        }
        elements += 1;
        rest = after;
        // What is in these is no markup.
        if ["script", "style"].contains(&name) {
            let end = format!("</{name}>");
            rest = rest.split_once(&end).ok_or_else(|| format!("{end} is missing"))?.1;
        } else if !tag.ends_with('/') && !VOID.contains(&name) {
            open.push(name);
        }
    }
    characters(rest)?;
    match open.last() {
        Some(name) => Err(format!("<{name}> is not ended")),
        None if elements == 0 => Err("no element".into()),
        None => Ok(()),
    }
}

/// A tag's inside, up to the `>` that is in no quotes, and what follows.
fn tag(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '>') => return Some((&text[..at], &text[at + 1..])),
            (None, '<') => return None,
            _ => {}
        }
    }
    None
}

fn characters(text: &str) -> Result<(), String> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('&') {
        let entity = after.split(';').next().unwrap_or_default();
        if entity.is_empty() || entity.len() > 8 || !entity.chars().all(|c| c.is_ascii_alphanumeric() || c == '#') {
            return Err(format!("& begins no entity: {}", after.chars().take(20).collect::<String>()));
        }
        rest = after;
    }
    match text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t' | '\r')) {
        Some(control) => Err(format!("the control character {}", control.escape_unicode())),
        None => Ok(()),
    }
}

/// Exposition text of OpenMetrics 1.0: comments and samples, and the mark of its end.
pub(crate) fn openmetrics(text: &str) -> Result<(), String> {
    let body = text.strip_suffix("# EOF\n").ok_or("no # EOF at the end")?;
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            if !["TYPE ", "HELP ", "UNIT "].iter().any(|kind| comment.starts_with(kind)) {
                return Err(format!("no comment of the format: {line}"));
            }
            continue;
        }
        let (name, rest) = match line.split_once('{') {
            Some((name, rest)) => (name, rest.rsplit_once("} ").ok_or("labels are not ended")?.1),
            None => line.split_once(' ').ok_or("no value")?,
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        if name.is_empty() || !name.chars().all(fits) {
            return Err(format!("no name of a metric: {line}"));
        }
        let numbers = rest.split(' ').map(|number| number.parse::<f64>());
        if rest.is_empty() || numbers.clone().count() > 2 || numbers.clone().any(|number| number.is_err()) {
            return Err(format!("no value and time: {line}"));
        }
    }
    Ok(())
}

/// Blocks of a pcapng file: each says its length at both ends, and together they are the file.
pub(crate) fn pcapng(bytes: &[u8]) -> Result<(), String> {
    let word = |at: usize| {
        let four: Option<[u8; 4]> = bytes.get(at..at + 4).and_then(|four| four.try_into().ok());
        four.map(u32::from_le_bytes).ok_or_else(|| format!("nothing at {at}"))
    };
    if word(0)? != 0x0A0D_0D0A {
        return Err("no section header".into());
    }
    let mut at = 0;
    while at < bytes.len() {
        let length = word(at + 4)? as usize;
        if length < 12 || !length.is_multiple_of(4) || word(at + length - 4)? as usize != length {
            return Err(format!("the block at {at} says {length} bytes"));
        }
        at += length;
    }
    Ok(())
}

#[test]
fn what_is_malformed_is_told_from_what_is_not() {
    for (text, fits) in [("a,b\n1,2\n", true), ("a,b\n1\n", false), ("a\n\"x,\ny\"\n", true), ("a", false)] {
        assert_eq!(csv(text).is_ok(), fits, "{text}");
    }
    for (text, fits) in [
        ("<a b=\"<\">x &amp; y<br></a>", true),
        ("<a><b></a></b>", false),
        ("<a>x & y</a>", false),
        ("<a", false),
        ("<a>\u{1b}</a>", false),
        ("plain", false),
        ("<style>a < b & c</style>", true),
    ] {
        assert_eq!(markup(text).is_ok(), fits, "{text}");
    }
    for (text, fits) in [
        ("# TYPE a gauge\na{b=\"c d\"} 1 2.5\n# EOF\n", true),
        ("a{b=\"c\"} x\n# EOF\n", false),
        ("a 1\n", false),
        ("a-b 1\n# EOF\n", false),
    ] {
        assert_eq!(openmetrics(text).is_ok(), fits, "{text}");
    }
    assert!(pcapng(&[1, 2, 3]).is_err());
}
