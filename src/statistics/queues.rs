//! Erlang's formulas: how many requests are refused, or wait, and for how long.

/// Of requests that all find `a` erlangs on `c` slots and no queue, the share that is refused (Erlang B).
pub(crate) fn erlang_b(c: u32, a: f64) -> f64 {
    (1..=c).fold(1.0, |refused, slots| a * refused / (f64::from(slots) + a * refused))
}

/// Of requests to `c` workers that are busy for the share `rho`, those that wait (Erlang C).
pub(crate) fn erlang_c(c: u32, rho: f64) -> f64 {
    let refused = erlang_b(c, f64::from(c) * rho);
    refused / (1.0 - rho * (1.0 - refused))
}

/// Mean wait in mean service times, of all requests, those that do not wait included.
pub(crate) fn mean_wait(c: u32, rho: f64) -> f64 {
    erlang_c(c, rho) / (f64::from(c) * (1.0 - rho))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formulas against the tables of textbooks.
    #[test]
    fn erlangs_formulas_give_the_printed_values() {
        let near =
            |value: f64, printed: f64, digit: f64| assert!((value - printed).abs() <= digit, "{value} {printed}");
        for (rho, wait) in [(0.5, 1.0), (0.8, 4.0), (0.9, 9.0), (0.95, 19.0)] {
            near(mean_wait(1, rho), wait, 1e-9);
        }
        for (c, rho, waits, wait) in
            [(4, 0.8, 0.596, 0.746), (4, 0.95, 0.891, 4.457), (16, 0.8, 0.305, 0.0953), (16, 0.95, 0.780, 0.975)]
        {
            near(erlang_c(c, rho), waits, 0.000_6);
            near(mean_wait(c, rho), wait, wait * 0.001);
        }
        for (c, a, refused) in [(10, 10.0, 0.2146), (100, 90.0, 0.0270), (100, 100.0, 0.0757)] {
            near(erlang_b(c, a), refused, 0.000_05);
        }
    }
}
