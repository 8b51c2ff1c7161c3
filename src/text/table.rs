//! Tables, for a terminal and for Markdown.

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
        Table { words, lines: vec![head.into_iter().map(|cell| cell.to_string()).collect()] }
    }

    /// Adds a row, which has as many cells as the head.
    pub fn row<T: Into<String>>(&mut self, cells: impl IntoIterator<Item = T>) {
        self.lines.push(cells.into_iter().map(Into::into).collect());
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

    /// The same in Markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for (number, line) in self.lines.iter().enumerate() {
            let cells: Vec<String> = line.iter().map(|cell| cell.replace('|', "\\|")).collect();
            text += &format!("| {} |\n", cells.join(" | "));
            if number == 0 {
                let numbers = line.len() - self.words;
                text += &format!("|{}{}\n", "---|".repeat(self.words), "--:|".repeat(numbers));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_align_and_leave_empty_columns_out() {
        let mut table = Table::new(1, ["a", "b", "c"]);
        table.row(["x", "10", ""]);
        table.row(["long", "9", ""]);
        assert_eq!(table.markdown(), "| a | b | c |\n|---|--:|--:|\n| x | 10 |  |\n| long | 9 |  |\n");
        assert_eq!(table.without_empty_columns().aligned(), "a      b\nx     10\nlong   9\n");
    }
}
