//! The redirects that a client process remembers.

use crate::machine::EndpointId;

/// A server or a name, and the request target there if it is not the group's.
pub(super) type Place = (EndpointId, Option<String>);

/// The redirects that a process follows without another request (RFC 9110 section 15.4.2).
#[derive(Debug, Default)]
pub(super) struct RedirectCache(Vec<(Place, Place)>);

impl RedirectCache {
    /// Keeps a redirect, in place of an earlier one from there.
    pub(super) fn keep(&mut self, from: Place, to: Place) {
        self.0.retain(|(other, _)| *other != from);
        self.0.reserve_exact(1);
        self.0.push((from, to));
    }

    /// The target of the redirects from a place; `None` if none is known, or if they are a cycle.
    pub(super) fn find(&self, start: &Place) -> Option<Place> {
        let mut place = start;
        // Each leads on once at most, unless they go round.
        for _ in 0..=self.0.len() {
            match self.0.iter().find(|(from, _)| from == place) {
                Some((_, to)) => place = to,
                None => return (place != start).then(|| place.clone()),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_gone_by_one_after_the_other() {
        let place = |server: u32, path: Option<&str>| (EndpointId(server), path.map(String::from));
        let mut cache = RedirectCache::default();
        assert_eq!(cache.find(&place(0, None)), None);
        cache.keep(place(0, None), place(1, None));
        cache.keep(place(1, None), place(1, Some("/x")));
        assert_eq!(cache.find(&place(0, None)), Some(place(1, Some("/x"))));
        assert_eq!(cache.find(&place(1, Some("/x"))), None);
        cache.keep(place(1, None), place(2, None));
        assert_eq!(cache.find(&place(0, None)), Some(place(2, None)));
        // Round and round: as if none were known.
        cache.keep(place(2, None), place(0, None));
        assert_eq!(cache.find(&place(0, None)), None);
    }
}
