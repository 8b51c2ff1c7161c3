//! Tables, for a terminal and for Markdown.

use super::escape::{markdown_line, visible};

/// The width of a terminal that nobody has widened: no table of results is wider.
pub(crate) const WIDTH: usize = 80;

/// A table of text: the first columns are words and stand to the left, the others are numbers and stand to the right.
#[derive(Debug)]
pub struct Table {
    words: usize,
    /// The head, then the rows.
    lines: Vec<Vec<String>>,
}

impl Table {
    /// A table with so many columns of words.
    pub fn new<T: ToString>(words: usize, head: impl IntoIterator<Item = T>) -> Table {
        Table { words, lines: vec![head.into_iter().map(|cell| visible(&cell.to_string()).into_owned()).collect()] }
    }

    /// Adds a row, which has as many cells as the head.
    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        let line: Vec<String> = cells.into_iter().map(|cell| visible(&cell.into()).into_owned()).collect();
        debug_assert_eq!(line.len(), self.lines[0].len(), "a row without a place under each column: {line:?}");
        self.lines.push(line);
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.lines.len() < 2
    }

    /// Leaves out columns, beside the first, that no row has a cell of.
    pub fn without_empty_columns(mut self) -> Table {
        let is_kept = |column: usize| column == 0 || self.lines[1..].iter().any(|row| !row[column].is_empty());
        let kept: Vec<bool> = (0..self.lines[0].len()).map(is_kept).collect();
        self.words = kept[..self.words].iter().filter(|kept| **kept).count();
        for line in &mut self.lines {
            let mut kept = kept.iter();
            line.retain(|_| kept.next() == Some(&true));
        }
        self
    }

    /// A column for each row, and a row for each column: many measures of a few things are read from above to below.
    pub fn transposed(self) -> Table {
        let columns = self.lines[0].len();
        let column = |at: usize| self.lines.iter().map(|line| line[at].clone()).collect();
        Table { words: 1, lines: (0..columns).map(column).collect() }
    }

    /// Lines of text whose columns stand below each other.
    pub fn aligned(&self) -> String {
        let width = |column: usize| self.lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.lines[0].len()).map(width).collect();
        let mut text = String::new();
        for line in &self.lines {
            let cells = line.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
                if column < self.words { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        }
        text
    }

    /// The same for a terminal: in lines of at most 80 characters, as far as words and one more column go in there; what does
    /// not follows below, beside the words once more.
    pub fn aligned_for_terminal(&self) -> String {
        self.aligned_within(WIDTH)
    }

    fn aligned_within(&self, width: usize) -> String {
        let mut table = Table { words: self.words, lines: self.lines.clone() };
        table.shorten_words(width);
        table.stacked(width)
    }

    /// Cuts the words of the first columns in their middle, so far that the widest of the other columns stands beside them.
    fn shorten_words(&mut self, width: usize) {
        let widest = |column: usize| self.lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let number = (self.words..self.lines[0].len()).map(widest).max().unwrap_or(0);
        let room = width.saturating_sub(number + 2 * self.words).max(self.words * LEAST);
        for column in (0..self.words).rev() {
            let others: usize = (0..self.words).filter(|other| *other != column).map(widest).sum();
            let most = room.saturating_sub(others).max(LEAST);
            if widest(column) > most {
                self.lines.iter_mut().for_each(|line| line[column] = shortened(&line[column], most));
                return;
            }
        }
    }

    fn stacked(&self, width: usize) -> String {
        let widest = |column: usize| self.lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let words: usize = (0..self.words).map(|column| widest(column) + 2).sum();
        let mut parts: Vec<(Vec<usize>, usize)> = Vec::new();
        for column in self.words..self.lines[0].len() {
            match parts.last_mut() {
                Some((columns, taken)) if *taken + widest(column) <= width => {
                    columns.push(column);
                    *taken += widest(column) + 2;
                }
                _ => parts.push((vec![column], words + widest(column) + 2)),
            }
        }
        let part = |(columns, _): &(Vec<usize>, usize)| {
            let cells = |line: &Vec<String>| {
                (0..self.words).chain(columns.iter().copied()).map(|at| line[at].clone()).collect()
            };
            Table { words: self.words, lines: self.lines.iter().map(cells).collect() }.aligned()
        };
        if parts.len() < 2 { self.aligned() } else { parts.iter().map(part).collect::<Vec<_>>().join("\n") }
    }

    /// The same in Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for (number, line) in self.lines.iter().enumerate() {
            let cells: Vec<String> = line.iter().map(|cell| markdown_line(cell)).collect();
            text += &format!("| {} |\n", cells.join(" | "));
            if number == 0 {
                let numbers = line.len() - self.words;
                text += &format!("|{}{}\n", "---|".repeat(self.words), "--:|".repeat(numbers));
            }
        }
        text
    }
}

/// So much of a word stays, however wide the numbers are.
const LEAST: usize = 12;

/// A text whose middle is left out where it is longer than so many characters: both ends tell it from others.
fn shortened(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_string();
    }
    let (begin, end) = ((most - 1) / 2, most / 2);
    let begin: String = text.chars().take(begin).collect();
    format!("{begin}…{}", text.chars().skip(count - end).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_wide_follows_below() {
        let mut table = Table::new(1, ["", "one", "two", "three"]);
        table.row(["a", "1", "2", "a wide one"]);
        assert_eq!(table.aligned_within(80), table.aligned());
        assert_eq!(table.aligned_within(11), "   one  two\na    1    2\n\n        three\na  a wide one\n");
    }

    #[test]
    fn long_words_are_cut_in_their_middle() {
        let mut table = Table::new(1, ["", "one"]);
        table.row(["clients.players.retry.policy=full-jitter", "123"]);
        assert_eq!(table.aligned_within(20), "                 one\nclients…-jitter  123\n");
    }

    #[test]
    fn a_table_is_turned() {
        let mut table = Table::new(1, ["server", "opened"]);
        table.row(["gateway", "10"]);
        assert_eq!(table.transposed().aligned(), "server  gateway\nopened       10\n");
    }

    #[test]
    fn tables_align_and_leave_empty_columns_out() {
        let mut table = Table::new(1, ["a", "b", "c"]);
        table.row(["x", "10", ""]);
        table.row(["long", "9", ""]);
        assert_eq!(table.markdown(), "| a | b | c |\n|---|--:|--:|\n| x | 10 |  |\n| long | 9 |  |\n");
        assert_eq!(table.without_empty_columns().aligned(), "a      b\nx     10\nlong   9\n");
    }
}
