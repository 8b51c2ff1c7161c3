//! When the open connections of server groups are even again.

use crate::time::Timestamp;

/// The server groups that a fault struck, and when they were last balanced again.
#[derive(Debug, Default)]
pub(super) struct Balance {
    /// Groups, with the changes of one connection that can't alter whether a group is balanced, and whether it is.
    pub(super) groups: Vec<Watched>,
    /// Since when all groups are balanced.
    pub(super) restored: Option<Timestamp>,
}

/// A server group whose balance is awaited.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) group: usize,
    /// So many changes can't alter whether it is balanced.
    skip: u64,
    is_even: bool,
}

impl Watched {
    pub(super) fn new(group: usize) -> Watched {
        Watched { group, skip: 0, is_even: false }
    }
}

impl Balance {
    /// It counts from here: a session was lost, or a server is back.
    pub(super) fn begin_anew(&mut self) {
        self.restored = None;
        self.groups.iter_mut().for_each(|watched| watched.skip = 0);
    }

    /// The connections of a group have changed by one, or `all` of them at once. `open` gives those of each member that
    /// is up. A restored balance is final once the fault is recovered from.
    pub(super) fn changed<I: Iterator<Item = u32> + Clone>(
        &mut self,
        now: Timestamp,
        group: Option<usize>,
        is_final: bool,
        open: impl Fn(usize) -> I,
    ) {
        for watched in &mut self.groups {
            match group {
                Some(changed) if changed != watched.group => continue,
                Some(_) if watched.skip > 0 => {
                    watched.skip -= 1;
                    continue;
                }
                _ => {}
            }
            (watched.is_even, watched.skip) = evenness(open(watched.group));
        }
        let is_even = !self.groups.is_empty() && self.groups.iter().all(|watched| watched.is_even);
        match (is_even, self.restored) {
            (true, None) => self.restored = Some(now),
            (false, Some(_)) if !is_final => self.restored = None,
            _ => {}
        }
    }
}

/// Whether each count is within 10 % of even, or within one connection of it; and how many changes of one connection can't
/// alter that. Nothing at all is not even.
fn evenness(counts: impl Iterator<Item = u32> + Clone) -> (bool, u64) {
    let (members, sum) = counts.clone().fold((0u64, 0u64), |(n, sum), count| (n + 1, sum + u64::from(count)));
    if sum == 0 {
        return (false, 0);
    }
    // One change moves `off` by at most `members`, and the sum by one.
    let (by_share, by_one) = (10 * members + 1, members);
    let (mut is_even, mut even_for, mut uneven_for) = (true, u64::MAX, 0);
    for count in counts {
        let off = (members * u64::from(count)).abs_diff(sum);
        let within = 10 * off <= sum || off < members;
        is_even &= within;
        if within {
            let room = (sum.saturating_sub(10 * off) / by_share).max(members.saturating_sub(off + 1) / by_one);
            even_for = even_for.min(room);
        } else {
            uneven_for = uneven_for.max(((10 * off - sum - 1) / by_share).min((off - members) / by_one));
        }
    }
    (is_even, if is_even { even_for } else { uneven_for })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_even(counts: &[u32]) -> bool {
        evenness(counts.iter().copied()).0
    }

    #[test]
    fn even_is_within_ten_percent_or_one_connection() {
        assert!(is_even(&[100, 100, 100]) && is_even(&[110, 90, 100]) && !is_even(&[111, 90, 99]));
        assert!(is_even(&[4, 3, 3]) && is_even(&[1, 0]) && !is_even(&[2, 0]));
        assert!(!is_even(&[0, 0]) && !is_even(&[]) && is_even(&[7]));
    }

    /// Whatever changes by one, the answer stays for as long as it said.
    #[test]
    fn nothing_is_missed_while_changes_are_skipped() {
        let mut counts = [300u32, 300, 300, 300];
        let (mut known, mut skip) = evenness(counts.into_iter());
        let mut random = 1u64;
        let (mut skipped, mut flips) = (0, 0);
        for step in 0..200_000u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // One member drifts away and back.
            let member = if (random >> 33).is_multiple_of(3) { 0 } else { (random >> 40) as usize % 4 };
            let up = if member == 0 { (step / 2_000).is_multiple_of(2) } else { (random >> 50).is_multiple_of(2) };
            counts[member] = if up { counts[member] + 1 } else { counts[member].saturating_sub(1) };
            let (truth, fresh) = evenness(counts.into_iter());
            if skip > 0 {
                skip -= 1;
                skipped += 1;
                assert_eq!(truth, known, "{counts:?} at {step}");
            } else {
                flips += u32::from(truth != known);
                (known, skip) = (truth, fresh);
            }
        }
        assert!(skipped > 1_000 && flips > 4, "{skipped} skipped, {flips} flips");
    }
}
