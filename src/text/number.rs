//! Numbers for readers.

use crate::digits::grouped;

/// A share in percent, with at most two decimals, rounded half to even. What is rounded is the number as it is written in
/// decimal digits, as JSON and CSV have it.
pub(crate) fn percent(share: f64) -> String {
    if !share.is_finite() {
        return "–".into();
    }
    // The shortest decimal digits that stand for it.
    let exact = share.abs().to_string();
    let (whole, decimals) = exact.split_once('.').unwrap_or((&exact, ""));
    let whole = whole.parse::<u128>().unwrap_or(u128::MAX / 100_000);
    let digit = |at: usize| decimals.as_bytes().get(at).map_or(0, |digit| u128::from(digit - b'0'));
    let hundredths = (0..4).fold(whole, |number, at| number * 10 + digit(at));
    let half = match digit(4).cmp(&5) {
        std::cmp::Ordering::Equal if decimals.bytes().skip(5).all(|digit| digit == b'0') => hundredths % 2 == 1,
        ordering => ordering.is_ge(),
    };
    of_hundredths(share < 0.0, hundredths + u128::from(half))
}

/// The share that a count is of a total, in percent: as [`percent`], from the exact counts.
pub(crate) fn percent_of(count: u64, of: u64) -> String {
    let (parts, of) = (u128::from(count) * 10_000, u128::from(of.max(1)));
    let (hundredths, rest) = (parts / of, 2 * (parts % of));
    let up = rest > of || (rest == of && hundredths % 2 == 1);
    of_hundredths(false, hundredths + u128::from(up))
}

fn of_hundredths(is_negative: bool, hundredths: u128) -> String {
    let sign = if is_negative && hundredths > 0 { "-" } else { "" };
    match (hundredths / 100, hundredths % 100) {
        (whole, 0) => format!("{sign}{whole} %"),
        (whole, part) if part % 10 == 0 => format!("{sign}{whole}.{} %", part / 10),
        (whole, part) => format!("{sign}{whole}.{part:02} %"),
    }
}

/// So many of a thing, which is a noun with a plural in -s: `1 run`, `2,000 runs`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_half_to_even() {
        assert_eq!([1.0, 0.5, 0.29, 0.57, 0.0].map(percent), ["100 %", "50 %", "29 %", "57 %", "0 %"]);
        assert_eq!([0.12344, 0.12345, 0.12355, 0.123_451].map(percent), ["12.34 %", "12.34 %", "12.36 %", "12.35 %"]);
        assert_eq!([0.999_94, 0.999_96, 1.5, 1e-9].map(percent), ["99.99 %", "100 %", "150 %", "0 %"]);
        assert_eq!([-0.125, -1e-9].map(percent), ["-12.5 %", "0 %"]);
        assert_eq!(percent_of(3_288, 10_000), "32.88 %");
        assert_eq!([(1, 8), (1, 3), (2, 3)].map(|(count, of)| percent_of(count, of)), ["12.5 %", "33.33 %", "66.67 %"]);
        // 0.125 % and 0.375 % are in the middle.
        assert_eq!([percent_of(1, 800), percent_of(3, 800)], ["0.12 %", "0.38 %"]);
        assert_eq!([percent_of(0, 0), percent_of(7, 7), percent_of(u64::MAX, u64::MAX)], ["0 %", "100 %", "100 %"]);
    }

    /// A share is the same number wherever it is shown: from counts here, from a recorded ratio there.
    #[test]
    fn counts_and_ratios_agree() {
        for of in 1..400 {
            for count in 0..=of {
                assert_eq!(percent_of(count, of), percent(count as f64 / of as f64), "{count} of {of}");
            }
        }
    }
}
