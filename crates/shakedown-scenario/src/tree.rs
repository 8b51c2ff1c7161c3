//! A scenario file as a tree of values, each remembering where it was written.
//!
//! The tree is read, overridden by variants and `--set` arguments, and deserialized; whatever goes
//! wrong is reported as a [`Problem`] at the value's own place. It must not know what a scenario
//! contains; `variants` is the one key it gives a meaning to.

use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::de::deserialize;
use super::nearest::nearest;
use super::node::{Entry, MAX_DEPTH, Node, Table, Value, read_document, read_value};
use super::path::{NotAPath, scan, shown};
use super::problem::{Origin, Problem, Source, listed, shortened, ticked};
use super::read_error::found;

/// The top-level table whose entries [`Tree::apply_variant`] applies.
const VARIANTS: &str = "variants";

/// The values of one scenario, each with the place in the file, or the `--set` argument, that
/// gave it.
#[derive(Debug, Clone)]
pub struct Tree {
    root: Node,
    /// The variant that was applied last.
    variant: Option<String>,
    /// Whether problems may point at a path. Only builds with debug assertions ask.
    allows: fn(&str) -> bool,
}

/// Where a path leads.
struct Found<'a> {
    node: &'a Node,
    /// Where the node's key was written; entries of a list have none.
    key: Option<&'a Origin>,
    /// Whether the path led all the way.
    whole: bool,
}

/// One step on the way to a value, and where that step was written.
#[derive(Clone)]
struct Step {
    name: String,
    origin: Origin,
}

impl Tree {
    /// Reads the TOML document `text`, which messages will call `source_name`.
    ///
    /// # Errors
    ///
    /// The text is not TOML 1.1, holds a number no type can hold, or nests too deeply.
    pub fn parse(source_name: &str, text: &str) -> Result<Tree, Problem> {
        // Editors that write a byte order mark do not show it; it must not count as a column.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let root = read_document(&Source::file(source_name, text))?;
        Ok(Tree { root, variant: None, allows: |_| true })
    }

    /// Applies one `PATH=VALUE`, as given to `--set`.
    ///
    /// VALUE is a TOML value if it reads as one, and otherwise a string as it stands. Missing
    /// tables on the way are created, and so is a table in place of a scalar on the way. A number
    /// in the path chooses an entry of a list. A part of the path may be quoted as in TOML.
    ///
    /// # Errors
    ///
    /// The argument has no `=` or no proper path, leads to a list entry that does not exist, or
    /// its value nests too deeply. The tree is then unchanged.
    pub fn set(&mut self, argument: &str) -> Result<(), Problem> {
        const USAGE: &str = "write it as `--set PATH=VALUE`";
        let source = Source::argument(argument);
        let (segments, end) = scan(argument).map_err(|NotAPath { message, span }| {
            Problem::at(&Origin::span(&source, span), message).with_help(USAGE)
        })?;
        if end == argument.len() {
            let origin = Origin::span(&source, 0..end);
            return Err(Problem::at(&origin, "no `=` between path and value").with_help(USAGE));
        }
        let steps = segments
            .into_iter()
            .map(|segment| Step { name: segment.name, origin: Origin::span(&source, segment.span) });
        let steps: Vec<Step> = steps.collect();
        self.place(&steps, argument_value(&source, end + 1)?)
    }

    /// Applies the table `[variants.NAME]`.
    ///
    /// Every `key = value` in it acts as a `--set` of that path and value: the value replaces what
    /// stood there as a whole, also when it is an inline table or a list. Headers, dotted keys and
    /// keys that hold dots within quotes (`"clients.players.count" = 5`) only add to the path. The
    /// values keep their place in the file.
    ///
    /// # Errors
    ///
    /// There is no such variant, or one of its paths leads nowhere. The tree is then unchanged.
    pub fn apply_variant(&mut self, name: &str) -> Result<(), Problem> {
        let Some(entry) = self.variant_table().and_then(|table| table.get(name)) else {
            return Err(self.unknown_variant(name));
        };
        let Some(table) = entry.node.as_table() else {
            let path = shown([VARIANTS, name]);
            let found = found(&entry.node);
            let message = format!("`{path}` must be a table of paths and values, found {found}");
            return Err(Problem::at(&entry.node.origin, message));
        };
        let mut leaves = Vec::new();
        collect_leaves(table, &mut Vec::new(), &mut leaves)?;
        let mut changed = self.clone();
        for (steps, node) in leaves {
            changed.place(&steps, node)?;
        }
        changed.variant = Some(name.to_owned());
        *self = changed;
        Ok(())
    }

    /// The names of the variants, in the order of the file.
    pub fn variants(&self) -> Vec<String> {
        self.variant_table().map_or_else(Vec::new, |table| table.entries.keys().cloned().collect())
    }

    /// Removes a key of the top level, if it is there.
    pub fn remove(&mut self, key: &str) {
        if let Value::Table(table) = &mut self.root.value {
            table.entries.shift_remove(key);
        }
    }

    /// Reads the tree as a `T`.
    ///
    /// # Errors
    ///
    /// The first value or key that does not fit `T`, with its place.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        deserialize(PhantomData, &self.root).map_err(|fault| self.noted(fault.into_problem()))
    }

    /// A problem with the value at `path`, found after all values were read.
    ///
    /// A number in the path chooses an entry of a list. Where the path does not exist, because the
    /// value is a default, the problem is placed at the nearest parent that does.
    pub fn problem(&self, path: &str, message: impl Into<String>) -> Problem {
        debug_assert!((self.allows)(path), "a problem points at {path}, which no scenario can have");
        self.noted(Problem::at(&self.find(path).node.origin, message))
    }

    /// The same with the key that `path` ends with, rather than its value.
    pub fn problem_at_key(&self, path: &str, message: impl Into<String>) -> Problem {
        debug_assert!((self.allows)(path), "a problem points at {path}, which no scenario can have");
        let found = self.find(path);
        self.noted(Problem::at(found.key.unwrap_or(&found.node.origin), message))
    }

    /// Whether the file, or what overrides it, has a value at `path`.
    pub fn has(&self, path: &str) -> bool {
        self.find(path).whole
    }

    /// The whole number at `path`, if there is one.
    pub fn whole_number(&self, path: &str) -> Option<i128> {
        match self.find(path) {
            Found { node: Node { value: Value::Integer(number), .. }, whole: true, .. } => Some(*number),
            _ => None,
        }
    }

    /// The text at `path`, if there is one.
    pub fn text(&self, path: &str) -> Option<String> {
        match self.find(path) {
            Found { node: Node { value: Value::String(text), .. }, whole: true, .. } => Some(text.clone()),
            _ => None,
        }
    }

    /// The keys of the table at `path`, in their order.
    pub fn keys(&self, path: &str) -> Vec<String> {
        let table = self.find(path).node.as_table().filter(|_| self.has(path));
        table.map_or_else(Vec::new, |table| table.entries.keys().cloned().collect())
    }

    /// How many keys the table at `path` has.
    pub fn len(&self, path: &str) -> usize {
        let found = self.find(path);
        found.node.as_table().filter(|_| found.whole).map_or(0, |table| table.entries.len())
    }

    /// Gives the table at `path` the keys of `defaults` that it does not have; tables right within it likewise.
    pub fn complete(&mut self, path: &str, defaults: &Tree) {
        let Ok((segments, _)) = scan(path) else { return };
        let mut here = &mut self.root;
        for segment in segments {
            let Value::Table(table) = &mut here.value else { return };
            let Some(entry) = table.entries.get_mut(&segment.name) else { return };
            here = &mut entry.node;
        }
        // A group and the tables in it; what lies deeper is one value, such as a distribution.
        complete_node(here, &defaults.root, 2);
    }

    /// Whether the table at `path` was written key by key, by paths that lead through it, rather than as one value.
    pub fn is_pieced(&self, path: &str) -> bool {
        let found = self.find(path);
        found.whole && found.node.as_table().is_some_and(|table| !table.inline)
    }

    /// The first key of the table at `path` whose value is a table.
    pub fn table_in(&self, path: &str) -> Option<&str> {
        let entries = &self.find(path).node.as_table().filter(|_| self.has(path))?.entries;
        entries.values().find(|entry| entry.node.as_table().is_some()).map(|entry| entry.key.as_str())
    }

    /// The same, whose problems must point at paths that a scenario can have.
    #[cfg(all(debug_assertions, feature = "schema"))]
    pub(crate) fn of_scenario(self) -> Tree {
        Tree { allows: crate::schema::allows, ..self }
    }

    /// The value at `path`, or the nearest parent that exists.
    fn find(&self, path: &str) -> Found<'_> {
        let mut found = Found { node: &self.root, key: None, whole: false };
        let Ok((segments, _)) = scan(path) else { return found };
        for segment in segments {
            let next = match &found.node.value {
                Value::Table(table) => table.get(&segment.name).map(|entry| (&entry.node, Some(&entry.key_origin))),
                Value::List(items) => index(&segment.name).and_then(|index| items.get(index)).map(|item| (item, None)),
                _ => None,
            };
            let Some((node, key)) = next else { return found };
            (found.node, found.key) = (node, key);
        }
        Found { whole: true, ..found }
    }

    /// The problem, with the variant without which it might not exist.
    fn noted(&self, problem: Problem) -> Problem {
        match &self.variant {
            Some(name) => problem.with_note(format!("with the variant {} applied", ticked(name))),
            None => problem,
        }
    }

    fn variant_table(&self) -> Option<&Table> {
        self.root.as_table()?.get(VARIANTS)?.node.as_table()
    }

    fn unknown_variant(&self, name: &str) -> Problem {
        let known = self.variants();
        let names = || known.iter().map(String::as_str);
        let problem = Problem::at(&self.root.origin, format!("unknown variant {}", ticked(name)));
        problem.with_help(match nearest(name, names()) {
            _ if known.is_empty() => "this file has no variants".to_owned(),
            Some(near) => format!("the nearest known variant is {}; known variants: {}", ticked(near), listed(names())),
            None => format!("known variants: {}", listed(names())),
        })
    }

    /// Puts `node` at the end of `steps`, in place of whatever stood there.
    fn place(&mut self, steps: &[Step], node: Node) -> Result<(), Problem> {
        if let Some(last) = steps.last()
            && steps.len() + node.depth() > MAX_DEPTH
        {
            let message = format!("values nest more than {MAX_DEPTH} levels deep");
            return Err(Problem::at(&last.origin, message));
        }
        let origin = self.root.origin.clone();
        place_within(&mut self.root, &origin, steps, node)
    }
}

fn complete_node(here: &mut Node, defaults: &Node, levels: u32) {
    if levels == 0 {
        return;
    }
    let (Value::Table(table), Value::Table(defaults)) = (&mut here.value, &defaults.value) else { return };
    for (key, default) in &defaults.entries {
        match table.entries.get_mut(key) {
            Some(entry) => complete_node(&mut entry.node, &default.node, levels - 1),
            None => drop(table.entries.insert(key.clone(), default.clone())),
        }
    }
}

/// Puts `node` at the end of `steps`, counted from `here`, which was reached by `came_by`.
///
/// A key that exists keeps its origin, because it was there before its value was overridden.
fn place_within(here: &mut Node, came_by: &Origin, steps: &[Step], node: Node) -> Result<(), Problem> {
    let Some((step, rest)) = steps.split_first() else {
        *here = node;
        return Ok(());
    };
    match &mut here.value {
        Value::List(items) => {
            let count = items.len();
            match index(&step.name).and_then(|index| items.get_mut(index)) {
                Some(item) => place_within(item, &step.origin, rest, node),
                None => Err(no_item(step, count)),
            }
        }
        Value::Table(Table { entries, .. }) => match entries.get_mut(&step.name) {
            Some(entry) => place_within(&mut entry.node, &step.origin, rest, node),
            None => {
                entries.insert(step.name.clone(), new_entry(step, rest, node));
                Ok(())
            }
        },
        _ => {
            *here = new_table(came_by, steps, node);
            Ok(())
        }
    }
}

/// What stands where `steps` begin when nothing of their way exists yet.
fn new_table(origin: &Origin, steps: &[Step], node: Node) -> Node {
    let Some((step, rest)) = steps.split_first() else {
        return node;
    };
    let entries = [(step.name.clone(), new_entry(step, rest, node))].into();
    Node { value: Value::Table(Table { entries, inline: false }), origin: origin.clone() }
}

fn new_entry(step: &Step, rest: &[Step], node: Node) -> Entry {
    Entry { key: step.name.clone(), key_origin: step.origin.clone(), node: new_table(&step.origin, rest, node) }
}

fn no_item(step: &Step, count: usize) -> Problem {
    let message = format!("the list has no entry {}", ticked(&step.name));
    Problem::at(&step.origin, message).with_help(match count {
        0 => "the list is empty".to_owned(),
        1 => "its only entry is `0`".to_owned(),
        count => format!("its entries are `0` to `{}`", count - 1),
    })
}

fn index(name: &str) -> Option<usize> {
    // Of what `parse` would take, a leading `+` is not a number in a path.
    let digits = name.bytes().all(|byte| byte.is_ascii_digit());
    if digits { name.parse().ok() } else { None }
}

/// The value of a `--set` argument, which begins at the byte `start`.
fn argument_value(source: &Arc<Source>, start: usize) -> Result<Node, Problem> {
    let text = &source.text()[start..];
    let start = start + (text.len() - text.trim_start().len());
    let text = text.trim();
    let span = start..start + text.len();
    read_value(source, span.clone())
        .unwrap_or_else(|| Ok(Node { value: Value::String(text.to_owned()), origin: Origin::span(source, span) }))
}

/// The paths and values a variant sets; `prefix` is the path of `table`.
fn collect_leaves(table: &Table, prefix: &mut Vec<Step>, leaves: &mut Vec<(Vec<Step>, Node)>) -> Result<(), Problem> {
    for entry in table.entries.values() {
        let depth = prefix.len();
        prefix.extend(steps_of_key(entry)?);
        match entry.node.as_table() {
            Some(inner) if !inner.inline => collect_leaves(inner, prefix, leaves)?,
            _ => leaves.push((prefix.clone(), entry.node.clone())),
        }
        prefix.truncate(depth);
    }
    Ok(())
}

/// The steps a key of a variant stands for: several when it holds dots, which only a quoted key
/// can.
fn steps_of_key(entry: &Entry) -> Result<Vec<Step>, Problem> {
    let origin = &entry.key_origin;
    let step = |name: String| Step { name, origin: origin.clone() };
    if !entry.key.contains('.') {
        return Ok(vec![step(entry.key.clone())]);
    }
    match scan(&entry.key) {
        Ok((segments, end)) if end == entry.key.len() => Ok(segments.into_iter().map(|s| step(s.name)).collect()),
        Ok(_) => Err(Problem::at(origin, "a path can hold `=` only within quotes")),
        Err(not) => {
            let key = shortened(&entry.key, 60);
            Err(Problem::at(origin, format!("`{key}` is not a path: {}", not.message)))
        }
    }
}

#[cfg(test)]
mod tests;
