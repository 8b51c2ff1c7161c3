//! Numbers for readers: separators, k and M, round steps, units of time.
//!
//! Powers of ten are multiplied up instead of computed, so that every platform writes the same digits.

use crate::text::{grouped, percent};

/// `10^n`, exactly; at most the largest power that a u64 holds.
fn ten_to(n: u32) -> u64 {
    10_u64.saturating_pow(n.min(19))
}

/// The smallest step of 1, 2 or 5 times a power of ten that is at least `least`, and the decimals that it needs.
pub(super) fn nice_step(least: f64) -> (f64, usize) {
    for exponent in -9_i32..=18 {
        for mantissa in [1.0, 2.0, 5.0] {
            let power = ten_to(exponent.unsigned_abs()) as f64;
            // Dividing rounds once: 0.1 is the same 0.1 that a literal would be.
            let step = if exponent < 0 { mantissa / power } else { mantissa * power };
            if step >= least {
                return (step, exponent.min(0).unsigned_abs() as usize);
            }
        }
    }
    (1e18, 0)
}

/// A count in little room: `9,999`, `12.3k`, `4.5M`.
pub(super) fn short(count: u64) -> String {
    match count {
        0..10_000 => grouped(count),
        10_000..1_000_000 => format!("{:.1}k", count as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1}M", count as f64 / 1e6),
        _ => format!("{}M", grouped(count / 1_000_000)),
    }
}

/// The label of an axis' tick; all ticks of an axis, whose last is `top`, get the same suffix.
pub(super) fn tick(value: f64, top: f64, decimals: usize) -> String {
    let (unit, suffix) = match top {
        _ if value == 0.0 => return "0".into(),
        t if t >= 1e7 => (1e6, "M"),
        t if t >= 1e4 => (1e3, "k"),
        _ => (1.0, ""),
    };
    if decimals > 0 { format!("{value:.decimals$}") } else { format!("{}{suffix}", grouped((value / unit) as u64)) }
}

/// `mantissa * 10^exponent` nanoseconds with its unit: `20 ms`.
pub(super) fn duration(mantissa: u64, exponent: u32) -> String {
    let (unit, factor) = match exponent {
        0..3 => ("ns", 0),
        3..6 => ("µs", 3),
        6..9 => ("ms", 6),
        _ => ("s", 9),
    };
    format!("{} {unit}", grouped(mantissa.saturating_mul(ten_to(exponent - factor))))
}

/// A share between 0 and 1 in percent. Nearly none is not none, and nearly all is not all.
pub(super) fn share(share: f64) -> String {
    match percent(share) {
        none if share > 0.0 && none == percent(0.0) => "< 0.01 %".into(),
        all if share < 1.0 && all == percent(1.0) => "> 99.99 %".into(),
        shown => shown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([short(999), short(1_999), short(12_340), short(5_600_000)], ["999", "1,999", "12.3k", "5.6M"]);
        assert_eq!([tick(2_000.0, 8_000.0, 0), tick(2_000.0, 10_000.0, 0)], ["2,000", "2k"]);
        assert_eq!(tick(0.2, 1.0, 1), "0.2");
        assert_eq!([duration(5, 8), duration(1, 9), duration(2, 4)], ["500 ms", "1 s", "20 µs"]);
        assert_eq!([share(0.012), share(1.0), share(0.5)], ["1.2 %", "100 %", "50 %"]);
        assert_eq!([share(0.99999), share(1e-9), share(0.0)], ["> 99.99 %", "< 0.01 %", "0 %"]);
    }

    #[test]
    fn steps_are_one_two_or_five() {
        assert_eq!(nice_step(0.11), (0.2, 1));
        assert_eq!(nice_step(3.0), (5.0, 0));
        assert_eq!(nice_step(1_999.0), (2_000.0, 0));
        assert_eq!(nice_step(f64::INFINITY).1, 0);
    }
}
