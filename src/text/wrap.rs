//! Lines of a given length.

/// Prose, broken between words into lines of at most so many characters; a longer word has a line of its own.
pub(crate) fn wrapped(prose: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in prose.split_whitespace() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words() {
        assert_eq!(wrapped("one two three", 7), "one two\nthree");
        assert_eq!(wrapped("a very-long-word b", 6), "a\nvery-long-word\nb");
        assert_eq!(wrapped("", 9), "");
        let lines = wrapped(&["word"; 40].join(" "), 96);
        assert!(lines.lines().all(|line| line.len() <= 96) && lines.lines().count() == 3, "{lines}");
    }
}
