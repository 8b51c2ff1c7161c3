//! Which of the servers behind a group of balancers each member uses.

use shakedown_core::rng::{Identity, Purpose, Seed};
use shakedown_core::server::Reach;

use crate::machines::ServersToml;

/// What each member of a group uses, where that is not everything: a part of it (`subset`), its own zone first (`zone_aware`).
/// `members` and `behind` are the zones of the group's members, and of the servers behind it.
pub(crate) fn of_members(
    seed: Seed,
    (name, config): (&str, &ServersToml),
    members: &[Option<String>],
    behind: &[Option<&str>],
) -> Vec<Reach> {
    if config.subset.is_none() && !config.zone_aware {
        return Vec::new();
    }
    let reach = |(number, zone): (usize, &Option<String>)| Reach {
        only: match config.subset {
            Some(size) => subset(seed, name, number, behind.len(), size as usize),
            None => Vec::new(),
        },
        near: match zone {
            Some(zone) if config.zone_aware => behind.iter().map(|other| *other == Some(zone)).collect(),
            _ => Vec::new(),
        },
    };
    members.iter().enumerate().map(reach).collect()
}

/// Deterministic subsetting (Beyer et al.: "Site Reliability Engineering", 2016, chapter 20): members are taken in rounds of as
/// many as there are whole subsets; each round shuffles the servers anew and deals them out, so that within a round each server is
/// dealt at most once.
fn subset(seed: Seed, group: &str, member: usize, servers: usize, size: usize) -> Vec<bool> {
    let size = size.clamp(1, servers.max(1));
    let subsets = (servers / size).max(1);
    let (round, place) = (member / subsets, member % subsets);
    let mut order: Vec<usize> = (0..servers).collect();
    let draw = |server: &usize| {
        let round_of = Identity::group(group).nth(round as u64);
        (seed.draw(round_of, Purpose::Subset, *server as u64).0, *server)
    };
    order.sort_by_key(draw);
    let mut only = vec![false; servers];
    order[place * size..(place + 1) * size].iter().for_each(|server| only[*server] = true);
    only
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subsets_deal_out_servers_evenly() {
        // 12 servers in subsets of 3: four members make a round, in which each server is used once.
        let mut uses = vec![0; 12];
        for member in 0..40 {
            let only = subset(Seed(7), "edge", member, 12, 3);
            assert_eq!(only.iter().filter(|used| **used).count(), 3);
            uses.iter_mut().zip(only).for_each(|(uses, used)| *uses += u32::from(used));
        }
        assert_eq!(uses, vec![10; 12]);
        // Rounds differ, and seeds do.
        assert_ne!(subset(Seed(7), "edge", 0, 12, 3), subset(Seed(7), "edge", 4, 12, 3));
        assert_ne!(subset(Seed(7), "edge", 0, 12, 3), subset(Seed(8), "edge", 0, 12, 3));
    }
}
