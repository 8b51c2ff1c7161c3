//! Numbers for readers.

/// A share in percent, with at most two decimals. Never rounds up to a hundred.
pub(crate) fn percent(share: f64) -> String {
    // 0.29 times 10,000 is 2899.9999999999995, which is 2,900 all the same.
    let rounded = (share * 10_000.0 + 1e-9).floor() / 100.0;
    format!("{rounded} %")
}

/// `1,234,567`.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_shares_never_round_up_to_all() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([1.0, 0.999_999, 0.5, 0.29, 0.57].map(percent), ["100 %", "99.99 %", "50 %", "29 %", "57 %"]);
    }
}
