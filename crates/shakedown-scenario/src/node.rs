//! Values that remember where they come from, read from TOML.
//!
//! This module turns what the TOML parser found into [`Node`]s and bounds their depth. It must not
//! know what a scenario contains, nor into which types the values will go.

use std::ops::Range;
use std::sync::Arc;
use std::thread;

use indexmap::IndexMap;
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::problem::{Origin, Problem, Source};

/// How deep values may nest. Everything that walks a tree recurses, and relies on this bound.
pub(super) const MAX_DEPTH: usize = 64;

/// The stack for the TOML parser. It bounds brackets to 80 levels, but each may hold a dotted key
/// of 80 parts, and it drops the resulting 6400 tables recursively: in a debug build that
/// overflows the 2 MiB stack of an ordinary thread. Only touched pages cost memory.
const PARSER_STACK: usize = 64 << 20;

/// One value and the place it was written at.
///
/// The origin of a table is its `{...}`, its `[header]`, or, when it exists only because a path
/// leads through it, its key in that path.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    String(String),
    /// Within `i64::MIN..=u64::MAX`, so that one of serde's 64-bit visits always fits.
    Integer(i128),
    Float(f64),
    Boolean(bool),
    /// Scenarios know no dates; the text is kept to say so.
    Datetime(String),
    List(Vec<Node>),
    Table(Table),
}

/// The entries of a table in the order of the file, without duplicate keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    pub(super) entries: IndexMap<String, Entry>,
    /// Written as `{...}`, after an equals sign, and thus one value rather than a group of keys.
    pub(super) inline: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_origin: Origin,
    pub(super) node: Node,
}

impl Table {
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.get(key)
    }
}

impl Node {
    pub(super) fn as_table(&self) -> Option<&Table> {
        match &self.value {
            Value::Table(table) => Some(table),
            _ => None,
        }
    }

    /// How many levels the value has; a scalar has none, an empty table one.
    pub(super) fn depth(&self) -> usize {
        let deepest = |depths: &mut dyn Iterator<Item = usize>| 1 + depths.max().unwrap_or(0);
        match &self.value {
            Value::List(items) => deepest(&mut items.iter().map(Node::depth)),
            Value::Table(table) => deepest(&mut table.entries.values().map(|e| e.node.depth())),
            _ => 0,
        }
    }
}

/// Reads a whole document.
pub(super) fn read_document(source: &Arc<Source>) -> Result<Node, Problem> {
    let read = || match DeTable::parse(source.text()) {
        Ok(table) => {
            let root = DeValue::Table(table.into_inner());
            let mut node = Reader { source, base: 0 }.node(&root, 0..0, MAX_DEPTH)?;
            // The parser gives the root an empty span; pointing at the first byte would mislead.
            node.origin = Origin::whole(source);
            Ok(node)
        }
        Err(error) => {
            // The parser takes the end of a line for the beginning of a string without quotes.
            let rest = error.span().map(|span| &source.text()[span.start..]);
            let is_missing = rest.is_some_and(|rest| rest.lines().next().is_none_or(|line| line.trim().is_empty()))
                && error.message().starts_with("string values must be quoted");
            let said = if is_missing { "a value is missing" } else { error.message() };
            let message = format!("not valid TOML: {}", said.trim_end_matches(", expected nothing"));
            let origin = error.span().map(|span| Origin::span(source, span));
            let origin = origin.unwrap_or_else(|| Origin::whole(source));
            Err(Problem::at(&origin, message))
        }
    };
    on_a_deep_stack(read)?.unwrap_or_else(|| Err(gave_up(source)))
}

/// Reads the part `range` of the source as one TOML value, or gives `None` when it is none.
pub(super) fn read_value(source: &Arc<Source>, range: Range<usize>) -> Option<Result<Node, Problem>> {
    let base = range.start;
    let read = || {
        let value = DeValue::parse(&source.text()[range]).ok()?;
        Some(Reader { source, base }.node(value.get_ref(), value.span(), MAX_DEPTH))
    };
    match on_a_deep_stack(read) {
        Ok(read) => read.unwrap_or_else(|| Some(Err(gave_up(source)))),
        Err(problem) => Some(Err(problem)),
    }
}

fn gave_up(source: &Arc<Source>) -> Problem {
    let origin = Origin::whole(source);
    Problem::at(&origin, "the TOML parser gave up on this text")
}

/// Runs `read` where the TOML parser cannot exhaust the stack. `None` when it panicked, which no
/// text is known to cause; a problem when the machine has no thread left for it.
fn on_a_deep_stack<T: Send>(read: impl FnOnce() -> T + Send) -> Result<Option<T>, Problem> {
    thread::scope(|scope| {
        let builder = thread::Builder::new().stack_size(PARSER_STACK);
        match builder.spawn_scoped(scope, read) {
            Ok(thread) => Ok(thread.join().ok()),
            Err(error) => Err(Problem::of_machine(format!("can't start a thread to read the scenario: {error}"))),
        }
    })
}

struct Reader<'a> {
    source: &'a Arc<Source>,
    /// Where in the source the text given to the parser began.
    base: usize,
}

impl Reader<'_> {
    fn origin(&self, span: Range<usize>) -> Origin {
        Origin::span(self.source, self.base + span.start..self.base + span.end)
    }

    /// `room` is how many levels the value may still have.
    fn node(&self, value: &DeValue<'_>, span: Range<usize>, room: usize) -> Result<Node, Problem> {
        let origin = self.origin(span.clone());
        let inner_room = || {
            room.checked_sub(1).ok_or_else(|| {
                let message = format!("values nest more than {MAX_DEPTH} levels deep");
                Problem::at(&origin, message)
            })
        };
        let value = match value {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Boolean(flag) => Value::Boolean(*flag),
            DeValue::Datetime(datetime) => Value::Datetime(datetime.to_string()),
            DeValue::Integer(integer) => Value::Integer(whole(integer).ok_or_else(|| {
                let (least, most) = (i64::MIN, u64::MAX);
                Problem::at(&origin, "the whole number is too large to be read")
                    .with_help(format!("whole numbers go from {least} to {most}"))
            })?),
            DeValue::Float(float) => Value::Float(finite(float.as_str()).ok_or_else(|| {
                Problem::at(&origin, "the number is too large to be read")
                    .with_help(format!("numbers go up to {:e}", f64::MAX))
            })?),
            DeValue::Array(array) => {
                let room = inner_room()?;
                let items = array.iter().map(|v| self.node(v.get_ref(), v.span(), room));
                Value::List(items.collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => {
                let room = inner_room()?;
                let mut pairs: Vec<_> = table.iter().collect();
                // The parser sorts by name; messages and variants follow the file.
                pairs.sort_by_key(|(key, _)| key.span().start);
                let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| self.entry(key, value, room);
                let entries = pairs.into_iter().map(entry).map(|entry| entry.map(|entry| (entry.key.clone(), entry)));
                let entries = entries.collect::<Result<_, _>>()?;
                let from = self.base + span.start;
                // No key can begin with a brace, so it tells `{...}` from headers and dotted keys.
                let inline = self.source.text().as_bytes().get(from) == Some(&b'{');
                Value::Table(Table { entries, inline })
            }
        };
        Ok(Node { value, origin })
    }

    fn entry(
        &self,
        key: &Spanned<toml::de::DeString<'_>>,
        value: &Spanned<DeValue<'_>>,
        room: usize,
    ) -> Result<Entry, Problem> {
        Ok(Entry {
            key: key.get_ref().to_string(),
            key_origin: self.origin(key.span()),
            node: self.node(value.get_ref(), value.span(), room)?,
        })
    }
}

fn whole(integer: &DeInteger<'_>) -> Option<i128> {
    let value = i128::from_str_radix(integer.as_str(), integer.radix()).ok()?;
    (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value).then_some(value)
}

/// The float TOML wrote, unless it was written in digits and is too large for any.
fn finite(written: &str) -> Option<f64> {
    let value: f64 = written.parse().ok()?;
    let overflowed = value.is_infinite() && written.contains(|c: char| c.is_ascii_digit());
    (!overflowed).then_some(value)
}
