//! Inverts distribution functions.

/// The least value, from 0, of which `is_below` no longer holds; it holds of all smaller ones.
pub(super) fn inverse(is_below: impl Fn(f64) -> bool) -> f64 {
    if !is_below(0.0) {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    while is_below(high) && high < 1e9 {
        high *= 2.0;
    }
    for _ in 0..80 {
        let middle = (low + high) / 2.0;
        if is_below(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low + high) / 2.0
}
