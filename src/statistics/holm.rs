//! Several tests at once.

/// Probabilities of several tests, each made so much larger that one mistake in all of them is as rare as one of them
/// alone would be (Holm, "A Simple Sequentially Rejective Multiple Test Procedure", 1979).
pub(crate) fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    let mut adjusted = vec![1.0; p.len()];
    let mut least: f64 = 0.0;
    for (rank, at) in order.into_iter().enumerate() {
        least = least.max((p[at] * (p.len() - rank) as f64).min(1.0));
        adjusted[at] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holm_is_that_of_the_textbook() {
        let adjusted = holm(&[0.01, 0.04, 0.03, 0.005]);
        for (value, printed) in adjusted.iter().zip([0.03, 0.06, 0.06, 0.02]) {
            assert!((value - printed).abs() < 1e-12, "{value} is not {printed}");
        }
        assert!(holm(&[]).is_empty());
    }
}
