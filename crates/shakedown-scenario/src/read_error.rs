//! What deserialization found wrong, first as data, in the end as a [`Problem`].
//!
//! Serde reports faults from wherever they are noticed, without a position. A [`ReadError`] keeps what
//! was reported, and gains its position and its path while it passes through the enclosing values
//! on its way out. Only then is it put into words. This module must not know the types that are
//! read, only the vocabulary of serde and of TOML.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use super::cover::leads_to_secret;
use super::nearest::nearest;
use super::node::{Entry, Node, Value};
use super::path::shown;
use super::problem::{Origin, Problem, listed, shortened, ticked};

/// An error of the deserializer on its way out. Boxed, because it travels in many results.
#[derive(Debug)]
pub(super) struct ReadError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    /// Set by the first enclosing value that knows its place.
    origin: Option<Origin>,
    /// The key at fault, when it is the key itself that does not fit and not its value.
    key: Option<String>,
    /// The path to the value at fault, innermost step first.
    path: Vec<String>,
}

#[derive(Debug)]
pub(super) enum Kind {
    UnknownKey {
        key: String,
        known: &'static [&'static str],
    },
    UnknownName {
        name: String,
        known: &'static [&'static str],
    },
    MissingKey(&'static str),
    /// A key given under two of its names.
    RepeatedKey(&'static str),
    Unfit {
        expected: String,
        found: String,
    },
    /// A table where one entry was to choose among alternatives, with none or several entries.
    NotOne {
        known: &'static [&'static str],
        found: Vec<String>,
    },
    /// An alternative without its value.
    Bare(String),
    /// An alternative with a value it does not take.
    Laden(String),
    Custom(String),
}

impl From<Kind> for ReadError {
    fn from(kind: Kind) -> ReadError {
        ReadError(Box::new(Inner { kind, origin: None, key: None, path: Vec::new() }))
    }
}

impl ReadError {
    /// The fault with the place of `node`, unless it has a place already.
    pub(super) fn in_value(mut self, node: &Node) -> ReadError {
        if self.0.origin.is_none() {
            // Serde buffers the content of some types; a fault then arrives without having passed
            // through the key at fault, which can still be found by its name.
            let culprit = match &self.0.kind {
                Kind::UnknownKey { key, .. } => node.as_table().and_then(|t| t.get(key)),
                _ => None,
            };
            let origin = culprit.map_or(&node.origin, |entry| &entry.key_origin);
            self.0.origin = Some(origin.clone());
        }
        self
    }

    /// The fault of a key rather than of its value.
    pub(super) fn in_key(mut self, entry: &Entry) -> ReadError {
        if self.0.origin.is_none() {
            self.0.origin = Some(entry.key_origin.clone());
            self.0.key = Some(entry.key.clone());
        }
        self
    }

    /// The fault seen from one level further out.
    pub(super) fn under(mut self, step: impl Into<String>) -> ReadError {
        self.0.path.push(step.into());
        self
    }

    /// The fault in words.
    pub(super) fn into_problem(self) -> Problem {
        let (message, help) = self.words();
        let problem = match &self.0.origin {
            Some(origin) => Problem::at(origin, message),
            None => Problem::new(message),
        };
        match help {
            Some(help) => problem.with_help(help),
            None => problem,
        }
    }

    fn words(&self) -> (String, Option<String>) {
        let Inner { kind, key, path, .. } = &*self.0;
        let is_secret = leads_to_secret(path.iter().rev().map(String::as_str));
        let path = shown(path.iter().rev().map(String::as_str));
        let place = if path.is_empty() { "at the top level".to_owned() } else { format!("in [{path}]") };
        let subject = match key {
            Some(key) => format!("the key {} {place}", ticked(key)),
            None if path.is_empty() => "the file".to_owned(),
            None => format!("`{path}`"),
        };
        match kind {
            Kind::UnknownKey { key, known } => unknown_key(key, &place, known),
            Kind::UnknownName { name, known } if key.is_some() => unknown_key(name, &place, known),
            Kind::UnknownName { name, known } => (
                format!("unknown value {} for {subject}", ticked(name)),
                Some(match nearest(name, known.iter().copied()) {
                    Some(near) => format!("did you mean {}?", ticked(near)),
                    None => one_of(known),
                }),
            ),
            Kind::MissingKey(key) => {
                // A slip in the path of a `--set` makes a table of its own.
                let made = self.0.origin.as_ref().is_some_and(Origin::is_argument);
                let help = made.then(|| format!("nothing else writes [{path}]: is its name right?"));
                (format!("missing key {} {place}", ticked(key)), help)
            }
            Kind::RepeatedKey(key) => (format!("{} is given twice {place}, under two names", ticked(key)), None),
            Kind::Unfit { expected, .. } if is_secret => {
                (format!("{subject} must be {expected}, found something else, which is not shown"), None)
            }
            Kind::Unfit { expected, found } => {
                (format!("{subject} must be {expected}, found {found}"), meant_duration(expected, found))
            }
            Kind::NotOne { known, found } => {
                let found = match found.len() {
                    0 => "none".to_owned(),
                    count => format!("{count}: {}", listed(found.iter().map(String::as_str))),
                };
                let one = match known {
                    [] => "exactly one key".to_owned(),
                    known => format!("exactly one of {}", listed_all(known)),
                };
                (format!("{one} expected {place}, found {found}"), None)
            }
            Kind::Bare(name) => (
                format!("{} in {subject} needs a value", ticked(name)),
                Some(format!("write {{ {} = ... }}", shown([name.as_str()]))),
            ),
            Kind::Laden(name) => (
                format!("{} takes no value", shown_under(&path, name)),
                Some(format!("write \"{}\" in place of the table", shortened(name, 60))),
            ),
            Kind::Custom(message) => (format!("{subject}: {message}"), None),
        }
    }
}

/// The duration that may be meant where one is expected.
fn meant_duration(expected: &str, found: &str) -> Option<String> {
    if !expected.contains("a duration") {
        return None;
    }
    let text = found.strip_prefix("the string \"").and_then(|text| text.strip_suffix('"'));
    let meant = shakedown_core::time::meant(text?)?;
    Some(format!("did you mean \"{meant}\"?"))
}

fn unknown_key(key: &str, place: &str, known: &[&'static str]) -> (String, Option<String>) {
    let help = match nearest(key, known.iter().copied()) {
        Some(near) => Some(format!("the nearest known key is {}", ticked(near))),
        None if known.is_empty() => None,
        None => Some(format!("known keys here: {}", listed_all(known))),
    };
    (format!("unknown key {} {place}", ticked(key)), help)
}

fn listed_all(names: &[&'static str]) -> String {
    listed(names.iter().copied())
}

fn shown_under(path: &str, name: &str) -> String {
    match path {
        "" => ticked(name),
        path => format!("{} in `{path}`", ticked(name)),
    }
}

/// What is expected where one of `names` may stand.
pub(super) fn one_of(names: &[&'static str]) -> String {
    match names {
        [] => "nothing at all".to_owned(),
        [only] => ticked(only),
        names => format!("one of {}", listed_all(names)),
    }
}

/// What `visitor` expects, as messages put it. Where the visitor has only Rust's own word for the
/// type to offer, `plain` says it in the words of the scenario language.
pub(super) fn expected(visitor: &dyn Expected, rust_word: &str, plain: &str) -> String {
    let words = visitor.to_string();
    if words == rust_word { plain.to_owned() } else { words }
}

/// What stands at `node`, as messages put it.
pub(super) fn found(node: &Node) -> String {
    match &node.value {
        Value::String(text) => quoted(text),
        Value::Integer(number) => format!("the number {number}"),
        Value::Float(number) => format!("the number {number:?}"),
        Value::Boolean(flag) => flag.to_string(),
        Value::Datetime(text) => format!("the date or time {text}"),
        Value::List(_) => "a list".to_owned(),
        Value::Table(_) => "a table".to_owned(),
    }
}

fn quoted(text: &str) -> String {
    format!("the string \"{}\"", shortened(text, 60))
}

fn unexpected(unexpected: Unexpected<'_>) -> String {
    match unexpected {
        Unexpected::Bool(flag) => flag.to_string(),
        Unexpected::Unsigned(number) => format!("the number {number}"),
        Unexpected::Signed(number) => format!("the number {number}"),
        Unexpected::Float(number) => format!("the number {number:?}"),
        Unexpected::Char(c) => quoted(c.encode_utf8(&mut [0; 4])),
        Unexpected::Str(text) => quoted(text),
        Unexpected::Other(words) => words.to_owned(),
        Unexpected::Seq | Unexpected::TupleVariant => "a list".to_owned(),
        Unexpected::Map | Unexpected::StructVariant => "a table".to_owned(),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        // The deserializer visits none of the rest; serde's own words serve if a visitor does.
        rest => rest.to_string(),
    }
}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> ReadError {
        Kind::Custom(message.to_string()).into()
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> ReadError {
        let (expected, found) = (expected.to_string(), unexpected(found));
        // Serde's word for a table that should have chosen, and is empty.
        if expected == "enum" {
            return Kind::NotOne { known: &[], found: Vec::new() }.into();
        }
        Kind::Unfit { expected, found }.into()
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> ReadError {
        de::Error::invalid_type(found, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> ReadError {
        let expected = expected.to_string();
        let found = format!("{length} of them");
        Kind::Unfit { expected, found }.into()
    }

    fn unknown_variant(name: &str, known: &'static [&'static str]) -> ReadError {
        let name = name.to_owned();
        Kind::UnknownName { name, known }.into()
    }

    fn unknown_field(key: &str, known: &'static [&'static str]) -> ReadError {
        let key = key.to_owned();
        Kind::UnknownKey { key, known }.into()
    }

    fn missing_field(key: &'static str) -> ReadError {
        Kind::MissingKey(key).into()
    }

    fn duplicate_field(key: &'static str) -> ReadError {
        Kind::RepeatedKey(key).into()
    }
}

/// Demanded by serde; the user sees the [`Problem`] instead.
impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().0)
    }
}

impl std::error::Error for ReadError {}
