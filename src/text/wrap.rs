//! Lines of a given length.

/// What stays on the line of its number.
const UNITS: [&str; 7] = ["ns", "µs", "ms", "s", "min", "h", "%"];

/// Words, and numbers with their units.
fn words(prose: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for word in prose.split_whitespace() {
        let is_unit = UNITS.contains(&word.trim_end_matches([',', ';', '.', ':', ')']));
        match words.last_mut() {
            Some(last) if is_unit && last.ends_with(|c: char| c.is_ascii_digit()) => *last += &format!(" {word}"),
            _ => words.push(word.to_string()),
        }
    }
    words
}

/// Prose in which no line ends between a number and its unit, wherever lines end.
pub(crate) fn with_units(prose: &str) -> String {
    words(prose).iter().map(|word| word.replace(' ', "\u{a0}")).collect::<Vec<_>>().join(" ")
}

/// Prose, broken between words into lines of at most so many characters; a longer word has a line of its own.
pub(crate) fn wrapped(prose: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in &words(prose) {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines.join("\n")
}

/// Lines that begin with a label `indent` characters wide: those that are longer than `width` go on below, beside the label.
pub(crate) fn beside_labels(text: &str, indent: usize, width: usize) -> String {
    let line = |line: &str| match line.char_indices().nth(indent) {
        Some((at, _)) if line.chars().count() > width => {
            let rest = wrapped(&line[at..], width - indent).replace('\n', &format!("\n{:indent$}", ""));
            format!("{}{rest}\n", &line[..at])
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_go_on_beside_their_label() {
        assert_eq!(beside_labels("a  one two three\nb  four\n", 3, 10), "a  one two\n   three\nb  four\n");
    }

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(wrapped("one two three", 7), "one two\nthree");
        assert_eq!(wrapped("a very-long-word b", 6), "a\nvery-long-word\nb");
        assert_eq!(wrapped("", 9), "");
        assert_eq!(wrapped("back after 2.5 s, all of 5 %", 12), "back after\n2.5 s, all\nof 5 %");
        let lines = wrapped(&["word"; 40].join(" "), 96);
        assert!(lines.lines().all(|line| line.len() <= 96) && lines.lines().count() == 3, "{lines}");
    }
}
