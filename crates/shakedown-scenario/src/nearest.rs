//! The known name that was probably meant.

/// The known name nearest to `name`, or `None` when nothing is near enough to be a slip of the
/// keyboard.
///
/// Case is ignored, and a third of the known name may differ (one letter in names of up to five).
/// Of equally near names the first wins.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    let length = name.chars().count();
    let mut best: Option<(usize, &str)> = None;
    for candidate in known {
        let candidate_length = candidate.chars().count();
        let allowed = candidate_length.max(3) / 3;
        // Also spares the table of all prefixes against all prefixes for an absurdly long name.
        if length.abs_diff(candidate_length) > allowed {
            continue;
        }
        let distance = strsim::damerau_levenshtein(&name, &candidate.to_lowercase());
        if distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_forgives_slips_but_not_other_words() {
        let known = ["count", "retry", "full-jitter", "at"];
        assert_eq!(nearest("retyr", known), Some("retry"));
        assert_eq!(nearest("Cuont", known), Some("count"));
        assert_eq!(nearest("fulljitter", known), Some("full-jitter"));
        assert_eq!(nearest("full_jiter", known), Some("full-jitter"));
        assert_eq!(nearest("duration", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest(&"x".repeat(1_000_000), known), None);
    }

    #[test]
    fn of_equally_near_names_the_first_wins() {
        assert_eq!(nearest("bat", ["cat", "hat"]), Some("cat"));
        assert_eq!(nearest("hat", ["cat", "hat"]), Some("hat"));
    }
}
