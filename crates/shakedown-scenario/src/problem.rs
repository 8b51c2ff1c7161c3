//! What went wrong in the user's input, where it stands, and what would be right.
//!
//! A [`Problem`] is the only error the user sees while a scenario is read. This module knows how
//! to point into a text; it must not know what a scenario
//! contains, nor how it is read.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use annotate_snippets::{
    Annotation, AnnotationKind, Group, Level, Origin as Header, Renderer, Snippet, normalize_untrusted_str,
};

use super::cover::{Covered, Form, covered_argument};

/// A place in a file, for an editor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The character in it, from 1.
    pub column: usize,
    /// Characters on that line.
    pub length: usize,
}

/// What is wrong in the user's input, and what would be right.
///
/// `Display` renders the whole message over several lines: the statement, the position, the line
/// of the source with the culprit underlined and its secrets covered, the note and the help.
#[derive(Debug, Clone)]
pub struct Problem {
    message: String,
    note: Option<String>,
    help: Option<String>,
    origin: Option<Origin>,
    /// Whether the machine is at fault, and not the text.
    of_machine: bool,
}

impl Problem {
    /// A problem that has no place in any text, such as a file that cannot be read.
    pub fn new(message: impl Into<String>) -> Problem {
        Problem { message: message.into(), note: None, help: None, origin: None, of_machine: false }
    }

    /// What the machine could not do, whatever the text says.
    pub(super) fn of_machine(message: impl Into<String>) -> Problem {
        Problem { of_machine: true, ..Problem::new(message) }
    }

    /// Whether the machine is at fault, and not the text: it may be read well another time.
    pub fn is_of_machine(&self) -> bool {
        self.of_machine
    }

    /// A problem with the text that `origin` points at.
    pub(super) fn at(origin: &Origin, message: impl Into<String>) -> Problem {
        Problem { origin: Some(origin.clone()), ..Problem::new(message) }
    }

    /// The same problem at a position, which `problem` knows.
    pub(super) fn placed(self, problem: impl FnOnce(String) -> Problem) -> Problem {
        Problem { note: self.note, help: self.help, ..problem(self.message) }
    }

    /// The one-line statement of what is wrong, without its position.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What would be right, where that is known.
    pub fn help(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Where in the file it stands; nowhere where it is about a `--set` argument, or a whole file.
    pub fn place(&self) -> Option<Place> {
        let Origin { source, span } = self.origin.as_ref()?;
        let span = span.as_ref().filter(|_| source.numbered)?;
        let line = Line::around(&source.text, span);
        let chars = |text: &str| text.chars().count();
        let (column, length) = (1 + chars(&line.text[..line.span.start]), chars(&line.text[line.span.clone()]));
        Some(Place { line: line.number, column, length })
    }

    /// The same problem with `note` on how it came to be, after what is noted already.
    #[must_use]
    pub(super) fn with_note(self, note: impl Into<String>) -> Problem {
        let note = match self.note {
            Some(before) => format!("{before}; {}", note.into()),
            None => note.into(),
        };
        Problem { note: Some(note), ..self }
    }

    /// The same problem with `help` as its advice, unless it has some.
    #[must_use]
    pub(super) fn or_help(self, help: impl Into<String>) -> Problem {
        if self.help.is_some() { self } else { self.with_help(help) }
    }

    /// The same problem with `help` as its advice.
    #[must_use]
    pub fn with_help(self, help: impl Into<String>) -> Problem {
        Problem { help: Some(help.into()), ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let renderer = Renderer::plain();
        let shown = self.origin.as_ref().map(|Origin { source, .. }| {
            let form = if source.numbered { Form::Document } else { Form::Argument };
            Covered::new(&source.text, form)
        });
        let mut group = Group::with_title(Level::ERROR.primary_title(normalize_untrusted_str(&self.message)));
        if let (Some(Origin { source, span }), Some(shown)) = (&self.origin, &shown) {
            let line = span.as_ref().map(|span| Line::around(&shown.text, &shown.find(span)));
            match line {
                None => group = group.element(Header::path(&source.name)),
                Some(line) if source.numbered => {
                    let snippet = line.snippet().path(&source.name).line_start(line.number);
                    group = group.element(snippet);
                }
                Some(line) => {
                    // A snippet with a path shows line and column behind it, and one without a
                    // path is shown as if from yet another file. In a report of its own it is
                    // neither.
                    let title = group.element(Header::path(&source.name));
                    writeln!(f, "{}", renderer.render(&[title]))?;
                    let snippet = line.snippet().line_numbering(false);
                    group = Group::with_level(Level::ERROR).element(snippet);
                }
            }
        }
        if let Some(note) = &self.note {
            group = group.element(Level::NOTE.message(normalize_untrusted_str(note)));
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(normalize_untrusted_str(help)));
        }
        f.write_str(&renderer.render(&[group]))
    }
}

impl std::error::Error for Problem {}

/// A text the user gave: a scenario file or one `--set` argument.
pub(super) struct Source {
    name: String,
    text: String,
    /// Whether a line and a column help to find the place; a one-line argument needs neither.
    numbered: bool,
}

impl Source {
    pub(super) fn file(name: &str, text: &str) -> Arc<Source> {
        Arc::new(Source { name: name.to_owned(), text: text.to_owned(), numbered: true })
    }

    pub(super) fn argument(argument: &str) -> Arc<Source> {
        Arc::new(Source {
            name: format!("--set {}", shortened(&covered_argument(argument), 80)),
            text: argument.to_owned(),
            numbered: false,
        })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

/// Names the source only, because a whole file in a debug print hides everything around it.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({})", self.name)
    }
}

/// A place in a [`Source`]: a range of its bytes, or the source as a whole.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    source: Arc<Source>,
    span: Option<Range<usize>>,
}

impl Origin {
    pub(super) fn whole(source: &Arc<Source>) -> Origin {
        Origin { source: Arc::clone(source), span: None }
    }

    pub(super) fn span(source: &Arc<Source>, span: Range<usize>) -> Origin {
        Origin { source: Arc::clone(source), span: Some(span) }
    }

    /// Whether it points at a `--set` argument.
    pub(super) fn is_argument(&self) -> bool {
        !self.source.numbered
    }
}

/// The line a span begins on, and the part of the span that lies on it.
///
/// The renderer is handed this one line rather than the whole text: a value that spans many lines
/// is then shown by its first, and no span can reach outside the text that is rendered.
struct Line<'a> {
    number: usize,
    text: &'a str,
    span: Range<usize>,
}

impl<'a> Line<'a> {
    fn snippet(&self) -> Snippet<'a, Annotation<'a>> {
        let culprit = AnnotationKind::Primary.span(self.span.clone());
        Snippet::source(self.text).annotation(culprit)
    }

    fn around(text: &'a str, span: &Range<usize>) -> Line<'a> {
        let mut start = span.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let (before, after) = text.split_at(start);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = after.find('\n').map_or(text.len(), |newline| start + newline);
        let line = &text[line_start..line_end];
        let line = line.strip_suffix('\r').unwrap_or(line);
        let from = (start - line_start).min(line.len());
        let mut to = span.end.saturating_sub(line_start).clamp(from, line.len());
        while !line.is_char_boundary(to) {
            to -= 1;
        }
        Line { number: 1 + before.matches('\n').count(), text: line, span: from..to }
    }
}

/// A name of the scenario language as messages show it: in backticks, without line breaks.
pub(super) fn ticked(name: &str) -> String {
    format!("`{}`", shortened(name, 60))
}

/// Names as messages list them: `` `a`, `b`, `c` ``.
pub(super) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.into_iter().map(ticked).collect();
    names.join(", ")
}

/// `text` on one line and of bounded length, for use inside a sentence.
pub(super) fn shortened(text: &str, most: usize) -> String {
    let mut short = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == most {
            short.push('…');
            break;
        }
        if c.is_control() {
            short.extend(c.escape_debug());
        } else {
            short.push(c);
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_without_a_place_is_one_line() {
        let problem = Problem::new("cannot read `x.toml`");
        assert_eq!(problem.to_string(), "error: cannot read `x.toml`");
    }

    #[test]
    fn a_problem_with_a_whole_source_names_it() {
        let origin = Origin::whole(&Source::file("x.toml", "a = 1\n"));
        assert_eq!(Problem::at(&origin, "missing key `b`").to_string(), "error: missing key `b`\n--> x.toml");
    }

    #[test]
    fn a_span_over_many_lines_shows_its_first() {
        let text = "a = 1\r\nb = [\r\n  1,\r\n]\r\n";
        let origin = Origin::span(&Source::file("x.toml", text), 11..21);
        let problem = Problem::at(&origin, "too short").with_help("give two");
        assert_eq!(
            problem.to_string(),
            "\
error: too short
 --> x.toml:2:5
  |
2 | b = [
  |     ^
  |
  = help: give two"
        );
    }

    #[test]
    fn an_editor_is_told_the_place_in_characters() {
        let source = Source::file("x.toml", "a = 1\nüb = 'c'\n");
        let place = |span| Problem::at(&Origin::span(&source, span), "x").place();
        assert_eq!(place(12..15), Some(Place { line: 2, column: 6, length: 3 }));
        assert_eq!(place(0..9), Some(Place { line: 1, column: 1, length: 5 }));
        assert_eq!(Problem::at(&Origin::whole(&source), "x").place(), None);
        assert_eq!(Problem::at(&Origin::span(&Source::argument("a=1"), 0..1), "x").place(), None);
    }

    #[test]
    fn no_span_breaks_the_rendering() {
        let text = "é\r\n\tü = \"日本\u{7f}\"\n\n";
        let source = Source::file("x.toml", text);
        for start in 0..text.len() + 3 {
            for end in 0..text.len() + 3 {
                let _ = Problem::at(&Origin::span(&source, start..end), "x").to_string();
            }
        }
        let argument = Source::argument("a=\"\"\"\nb\"\"\"");
        let shown = Problem::at(&Origin::span(&argument, 2..9), "x").to_string();
        assert_eq!(shown, "error: x\n--> --set a=\"\"\"\\nb\"\"\"\n |\n | a=\"\"\"\n |   ^^^");
    }
}
