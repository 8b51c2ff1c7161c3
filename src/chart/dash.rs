//! Dashes along a line.
//!
//! plotters has its own, but measures with `hypot`, whose last digit differs between platforms; a square root does not.

/// The dashes of a line, each a path of pixels, `on` long with gaps of `off`.
pub(super) fn dash(line: &[(i32, i32)], on: f64, off: f64) -> Vec<Vec<(i32, i32)>> {
    let mut dashes = Vec::new();
    let mut current: Vec<(i32, i32)> = line.iter().take(1).copied().collect();
    let (mut is_on, mut left) = (true, on);
    for step in line.windows(2) {
        let (from, to) = (step[0], step[1]);
        let (dx, dy) = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
        let length = (dx * dx + dy * dy).sqrt();
        let mut passed = 0.0;
        while length - passed > left {
            passed += left;
            let share = passed / length;
            let at = (rounded(f64::from(from.0) + dx * share), rounded(f64::from(from.1) + dy * share));
            if is_on {
                current.push(at);
                dashes.push(std::mem::take(&mut current));
            } else {
                current = vec![at];
            }
            is_on = !is_on;
            left = if is_on { on } else { off };
        }
        left -= length - passed;
        if is_on {
            current.push(to);
        }
    }
    if current.len() > 1 {
        dashes.push(current);
    }
    dashes
}

fn rounded(pixels: f64) -> i32 {
    (pixels + 0.5).floor() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_go_around_corners() {
        let line = [(0, 0), (10, 0), (10, 10)];
        assert_eq!(
            dash(&line, 6.0, 2.0),
            [vec![(0, 0), (6, 0)], vec![(8, 0), (10, 0), (10, 4)], vec![(10, 6), (10, 10)]]
        );
    }

    #[test]
    fn a_line_without_length_has_no_dashes() {
        assert_eq!(dash(&[], 5.0, 5.0), Vec::<Vec<_>>::new());
        assert_eq!(dash(&[(1, 1)], 5.0, 5.0), Vec::<Vec<_>>::new());
    }
}
