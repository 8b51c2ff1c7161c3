//! Covers the secrets in a text that is shown: in a scenario, right or wrong, in `PATH=VALUE`, and in a command line.
//!
//! It reads by itself, because a text that is shown is often one that the TOML parser refuses. Where it is in doubt, it covers.

use std::borrow::Cow;
use std::ops::Range;

use super::nearest::nearest;

/// What stands in place of a secret.
const COVER: &str = "\"•••\"";

/// Keys whose value is a secret, or has some in it.
const KEYS: [&str; 8] =
    ["credentials", "proxy_credentials", "user", "password", "passwd", "token", "secret", "authorization"];
/// The same, however they are misspelled.
const LONG: [&str; 3] = ["credentials", "proxy_credentials", "password"];
/// Below these, names are the user's.
const NAMED: [&str; 7] = ["clients", "servers", "proxies", "dns", "faults", "phases", "variants"];
/// Keys that say where a secret stands, and are none.
const SOURCES: [&str; 2] = ["env", "file"];

/// Whether a path leads to a secret, or to what has one.
pub(crate) fn leads_to_secret<'a>(path: impl IntoIterator<Item = &'a str>) -> bool {
    let mut is_name = false;
    path.into_iter().any(|step| {
        let own = step.to_lowercase();
        let secret = !is_name && (KEYS.contains(&own.as_str()) || nearest(&own, LONG).is_some());
        is_name = !is_name && NAMED.contains(&own.as_str());
        secret
    })
}

/// Whether what stands at `path`, as `--set` takes it, is a secret or has one.
pub fn is_secret(path: &str) -> bool {
    leads_to_secret(path.split('.').map(|step| step.trim_matches([' ', '"', '\''])))
}

/// A text of TOML in which secrets are covered.
pub fn covered(text: &str) -> Cow<'_, str> {
    Covered::new(text, Form::Document).text
}

/// Whether a text of TOML contains a secret.
pub fn has_secret(text: &str) -> bool {
    !hidden(text, Form::Document).is_empty()
}

/// `PATH=VALUE` in which secrets are covered.
pub fn covered_argument(argument: &str) -> Cow<'_, str> {
    let Covered { text, .. } = Covered::new(argument, Form::Argument);
    match covered_urls(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(covered) => covered.into(),
    }
}

/// A text in whose URLs nobody logs in: `ws://user:password@host` has a user and a password.
pub fn covered_urls(text: &str) -> Cow<'_, str> {
    let (mut shown, mut rest) = (String::new(), text);
    while let Some((scheme, after)) = rest.split_once("://") {
        let ends = |c: char| c.is_whitespace() || "/?#'\"`,;".contains(c);
        let authority = &after[..after.find(ends).unwrap_or(after.len())];
        shown.push_str(scheme);
        shown.push_str("://");
        rest = after;
        if let Some(at) = authority.rfind('@') {
            shown.push_str("•••");
            rest = &after[at..];
        }
    }
    if shown.len() + rest.len() == text.len() && !shown.contains('•') {
        return text.into();
    }
    (shown + rest).into()
}

/// `PATH=VALUE`, or several of them behind a name, in which secrets come from the environment: so a command can be kept
/// and run again by whoever knows them.
pub fn from_environment(argument: &str) -> String {
    let variable = |path: &[String]| {
        let path = path.join("_").to_uppercase();
        let name = path.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        format!("{{ env = \"{}\" }}", name.trim_matches('_'))
    };
    let form = if is_list_of_sets(argument) { Form::Choice } else { Form::Argument };
    covered_urls(&replaced(argument, &hidden(argument, form), variable)).into_owned()
}

/// A command line, as a shell reads it, in which secrets are covered.
pub fn covered_command(line: &str) -> String {
    let (mut shown, mut rest) = (String::with_capacity(line.len()), line);
    while !rest.is_empty() {
        let (word, length) = shell_word(rest);
        let form = if is_list_of_sets(&word) { Form::Choice } else { Form::Argument };
        let places = hidden(&word, form);
        let plain = word.clone();
        let word = covered_urls(&plain);
        match places.is_empty() && matches!(word, Cow::Borrowed(_)) {
            true => shown.push_str(&rest[..length]),
            false => {
                // Places are those of the word as it was: a URL is no secret's value.
                let word = if places.is_empty() { word } else { replaced(&plain, &places, |_| COVER.into()) };
                shown.push_str(&format!("'{}'", word.replace('\'', "'\\''")));
            }
        }
        rest = &rest[length..];
        let spaces = rest.len() - rest.trim_start().len();
        shown.push_str(&rest[..spaces]);
        rest = &rest[spaces..];
    }
    shown
}

/// Whether an argument is a choice: a name, a colon, and what it sets.
fn is_list_of_sets(argument: &str) -> bool {
    let is_name = |name: &str| !name.contains(['=', '"', '\'']);
    argument.split_once(':').is_some_and(|(name, _)| is_name(name))
}

/// The word that a command begins with, without its quotes, and its length with them.
fn shell_word(line: &str) -> (String, usize) {
    let (mut word, mut quote) = (String::new(), None);
    let mut chars = line.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (None, c) if c.is_whitespace() => return (word, at),
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None | Some('"'), '\\') => word.extend(chars.next().map(|(_, c)| c)),
            (_, c) => word.push(c),
        }
    }
    (word, line.len())
}

/// What a text is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// TOML.
    Document,
    /// `PATH=VALUE`: a value without quotes goes on to the end.
    Argument,
    /// `NAME: PATH=VALUE; PATH=VALUE`.
    Choice,
}

/// A text with its secrets covered, in which places of the original can be found.
pub(crate) struct Covered<'a> {
    pub(crate) text: Cow<'a, str>,
    places: Vec<Hidden>,
}

impl<'a> Covered<'a> {
    pub(crate) fn new(text: &'a str, form: Form) -> Covered<'a> {
        let places = hidden(text, form);
        Covered { text: replaced(text, &places, |_| COVER.into()), places }
    }

    /// Where a range of the original lies: what is within a secret is all of it.
    pub(crate) fn find(&self, range: &Range<usize>) -> Range<usize> {
        let moved = |at: usize, is_end: bool| {
            let mut moved = at;
            for Hidden { range, .. } in &self.places {
                if at >= range.end {
                    moved = moved + COVER.len() - range.len();
                } else if at > range.start {
                    return moved - (at - range.start) + if is_end { COVER.len() } else { 0 };
                }
            }
            moved
        };
        moved(range.start, false)..moved(range.end, true)
    }
}

fn replaced<'a>(text: &'a str, places: &[Hidden], with: impl Fn(&[String]) -> String) -> Cow<'a, str> {
    if places.is_empty() {
        return text.into();
    }
    let (mut shown, mut from) = (String::with_capacity(text.len()), 0);
    for Hidden { range, path } in places {
        shown.push_str(&text[from..range.start]);
        shown.push_str(&with(path));
        from = range.end;
    }
    shown.push_str(&text[from..]);
    shown.into()
}

/// A secret's place, with its quotes, and the keys that lead to it.
struct Hidden {
    range: Range<usize>,
    path: Vec<String>,
}

/// An inline table or a list that is open.
struct Open {
    is_table: bool,
    /// The keys that led to it.
    path: Vec<String>,
}

/// Reads on without ever failing.
struct Reader<'a> {
    text: &'a str,
    form: Form,
    header: Vec<String>,
    open: Vec<Open>,
    /// The key before the `=`, and where it stands.
    key: Vec<String>,
    key_at: Option<Range<usize>>,
    in_value: bool,
    found: Vec<Hidden>,
}

fn hidden(text: &str, form: Form) -> Vec<Hidden> {
    let mut reader = Reader {
        text,
        form,
        header: Vec::new(),
        open: Vec::new(),
        key: Vec::new(),
        key_at: None,
        in_value: false,
        found: Vec::new(),
    };
    let mut at = 0;
    if let (Form::Choice, Some((name, _))) = (form, text.split_once(':')) {
        at = name.len() + 1;
    }
    while at < text.len() {
        at = reader.token(at);
    }
    reader.end_of_entry();
    reader.found
}

impl Reader<'_> {
    /// The keys that lead here.
    fn path(&self) -> Vec<String> {
        let base = self.open.last().map_or(&self.header, |open| &open.path);
        base.iter().chain(&self.key).cloned().collect()
    }

    fn hides(&mut self, range: Range<usize>) {
        let path = self.path();
        let is_source = path.last().is_some_and(|key| SOURCES.contains(&key.as_str()));
        if !range.is_empty() && !is_source && leads_to_secret(path.iter().map(String::as_str)) {
            self.found.push(Hidden { range, path });
        }
    }

    /// A key that no value follows may be a value that no key precedes.
    fn end_of_entry(&mut self) {
        if let Some(range) = self.key_at.take().filter(|_| !self.in_value) {
            let key = std::mem::take(&mut self.key);
            self.hides(range);
            self.key = key;
        }
        self.key.clear();
        self.in_value = false;
    }

    /// Reads what begins at a byte, and says where the next begins.
    fn token(&mut self, at: usize) -> usize {
        let rest = &self.text[at..];
        let Some(c) = rest.chars().next() else { return self.text.len() };
        let next = at + c.len_utf8();
        match c {
            '\n' if self.form == Form::Document => {
                if self.open.last().is_none_or(|open| open.is_table) {
                    self.end_of_entry();
                }
                next
            }
            ';' if self.form == Form::Choice && self.open.is_empty() => {
                self.end_of_entry();
                next
            }
            '#' if self.form == Form::Document => at + rest.find('\n').unwrap_or(rest.len()),
            '[' if self.form == Form::Document && !self.in_value && self.key.is_empty() => self.table_header(at),
            '=' if !self.in_value => {
                (self.in_value, self.key_at) = (true, None);
                self.whole_value(next)
            }
            '{' | '[' if self.in_value => {
                self.open.push(Open { is_table: c == '{', path: self.path() });
                self.key.clear();
                self.in_value = c == '[';
                next
            }
            ',' if !self.open.is_empty() => {
                let in_list = self.open.last().is_some_and(|open| !open.is_table);
                self.end_of_entry();
                self.in_value = in_list;
                next
            }
            '}' | ']' => {
                self.end_of_entry();
                self.open.pop();
                self.in_value = true;
                next
            }
            '.' if !self.in_value => next,
            c if c.is_whitespace() => next,
            _ => {
                let end = at + self.length(rest);
                if self.in_value {
                    self.hides(at..end);
                } else {
                    let words = self.text[at..end].trim_matches(['"', '\'']).split('.');
                    self.key.extend(words.map(|word| word.trim().to_string()));
                    self.key_at = Some(self.key_at.as_ref().map_or(at, |range| range.start)..end);
                }
                end
            }
        }
    }

    /// `[a.b]`, up to the end of its line.
    fn table_header(&mut self, at: usize) -> usize {
        let end = at + self.text[at..].find('\n').unwrap_or(self.text.len() - at);
        let line = self.text[at..end].split('#').next().unwrap_or_default();
        let name = line.trim_matches(|c: char| c.is_whitespace() || c == '[' || c == ']');
        self.header = name.split('.').map(|step| step.trim_matches([' ', '\t', '"', '\'']).to_string()).collect();
        self.open.clear();
        end
    }

    /// In an argument, a secret that is no table goes on to the end, whatever it contains.
    fn whole_value(&mut self, at: usize) -> usize {
        let rest = &self.text[at..];
        let from = at + (rest.len() - rest.trim_start().len());
        if self.form == Form::Document || !self.open.is_empty() || self.text[from..].starts_with(['{', '[']) {
            return at;
        }
        let is_split = self.form == Form::Choice && !self.text[from..].starts_with(['"', '\'']);
        let end = if is_split { self.text[from..].find(';').map(|length| from + length) } else { None };
        let end = end.unwrap_or_else(|| match self.form {
            Form::Choice => from + self.length(&self.text[from..]),
            _ => self.text.len(),
        });
        let before = self.found.len();
        self.hides(from..end);
        if self.found.len() > before { end } else { at }
    }

    /// The length of the string or the word that a text begins with.
    fn length(&self, text: &str) -> usize {
        let quotes = ["\"\"\"", "'''", "\"", "'"];
        let Some(quote) = quotes.into_iter().find(|quote| text.starts_with(quote)) else {
            let ends = |c: char| c.is_whitespace() || ",={}[]#;".contains(c);
            let is_dot = |c: char| c == '.' && !self.in_value;
            return text.find(|c| ends(c) || is_dot(c)).unwrap_or(text.len()).max(1);
        };
        let mut escaped = false;
        for (at, c) in text.char_indices().skip(quote.len()) {
            if !escaped && text[at..].starts_with(quote) {
                return at + quote.len();
            }
            // A quote that is not closed ends with its line.
            if c == '\n' && quote.len() == 1 {
                return at;
            }
            escaped = c == '\\' && !escaped && quote.starts_with('"');
        }
        text.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_covered_wherever_they_stand() {
        let toml = "credentials = { user = \"al\\\"ice\", password = 'se\\' }\npath = \"/user\"\nusers = \"x\"\n";
        let shown = "credentials = { user = \"•••\", password = \"•••\" }\npath = \"/user\"\nusers = \"x\"\n";
        assert_eq!(covered(toml), shown);
        for (text, shown) in [
            ("password = \"\"\"a\"b\"\"\"\nx = 1", "password = \"•••\"\nx = 1"),
            ("password = \"never ends\nx = 1", "password = \"•••\"\nx = 1"),
            ("title = \"the user = nobody\"", "title = \"the user = nobody\""),
            (
                "[clients.p.credentials]\nuser = 'a'\npass = b c # d\n[dns]\nx = 1",
                "[clients.p.credentials]\nuser = \"•••\"\npass = \"•••\" \"•••\" # d\n[dns]\nx = 1",
            ),
            (
                "[variants.x]\n\"clients.p.credentials.password\" = \"x\"",
                "[variants.x]\n\"clients.p.credentials.password\" = \"•••\"",
            ),
            (
                "credentials = { usr = 'x', pasword: 'y', password = 7 }",
                "credentials = { usr = \"•••\", \"•••\", password = \"•••\" }",
            ),
            ("credentials = [\n 'a',\n 'b' ]\nx = 'c'", "credentials = [\n \"•••\",\n \"•••\" ]\nx = 'c'"),
            ("pasword = 'x'", "pasword = \"•••\""),
            ("password = { env = \"X\" }\nuser = { file = 'y' }", "password = { env = \"X\" }\nuser = { file = 'y' }"),
            ("password = { evn = \"X\" }", "password = { evn = \"•••\" }"),
            (
                "[servers.token]\ncount = 2\n[clients.user]\npath = '/'",
                "[servers.token]\ncount = 2\n[clients.user]\npath = '/'",
            ),
        ] {
            assert_eq!(covered(text), shown, "{text}");
        }
        assert!(has_secret(toml) && !has_secret("count = 1"));
    }

    #[test]
    fn arguments_are_covered_to_their_end() {
        for (text, shown) in [
            ("clients.p.credentials.password=a, b} ;c", "clients.p.credentials.password=\"•••\""),
            ("clients.p.credentials.password = 'a'", "clients.p.credentials.password = \"•••\""),
            ("clients.p.credentials={user='a',password='b'}", "clients.p.credentials={user=\"•••\",password=\"•••\"}"),
            ("clients.p.count=5", "clients.p.count=5"),
            ("scenario.toml", "scenario.toml"),
        ] {
            assert_eq!(covered_argument(text), shown);
        }
        let named = "the first: clients.p.count=5; clients.p.credentials.password=a; title=x";
        let shown = "the first: clients.p.count=5; clients.p.credentials.password={ env = \"CLIENTS_P_CREDENTIALS_PASSWORD\" }; title=x";
        assert_eq!(from_environment(named), shown);
    }

    #[test]
    fn commands_are_covered_word_by_word() {
        let line = "shakedown run a.toml --set 'a.password=\"it'\\''s\"' --set clients.p.credentials.user=me --seed 7";
        let shown =
            "shakedown run a.toml --set 'a.password=\"•••\"' --set 'clients.p.credentials.user=\"•••\"' --seed 7";
        assert_eq!(covered_command(line), shown);
        let load = "shakedown load a.toml --target gateway=wss://me:open@x.test:81/chat?a=b@c --set title=x";
        assert_eq!(
            covered_command(load),
            load.replace("gateway=wss://me:open@x.test:81/chat?a=b@c", "'gateway=wss://•••@x.test:81/chat?a=b@c'")
        );
        assert_eq!(covered_urls("ws://a/b@c and ws://u:p@d, ws://e"), "ws://a/b@c and ws://•••@d, ws://e");
        let plain = "shakedown run 'my a.toml' --set 'title=\"it'\\''s\"'";
        assert_eq!(covered_command(plain), plain);
    }

    #[test]
    fn places_are_found_again() {
        let text = "user = 'alice'\ncount = 5";
        let shown = Covered::new(text, Form::Document);
        let part = |range: Range<usize>| shown.text[shown.find(&range)].to_string();
        assert_eq!(part(15..20), "count");
        assert_eq!(part(7..14), "\"•••\"");
        assert_eq!(part(9..11), "\"•••\"");
        assert_eq!(part(0..4), "user");
    }

    #[test]
    fn no_text_is_too_strange() {
        let marks = ['"', '\'', '\\', '[', ']', '{', '}', '=', ',', '.', '\n', '#', ';', ':', 'é', 'u'];
        for number in 0..60_000_u64 {
            let text: String = (0..8)
                .map(|at| marks[(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (at * 4 + 20)) as usize % 16])
                .collect();
            for form in [Form::Document, Form::Argument, Form::Choice] {
                let shown = Covered::new(&text, form);
                for at in 0..=text.len() {
                    let range = shown.find(&(at..text.len()));
                    assert!(range.start <= range.end && range.end <= shown.text.len(), "{text:?}");
                }
            }
            covered_command(&text);
        }
    }
}
