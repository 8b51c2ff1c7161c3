//! Logical server names and the authorities that a client can dial.

use std::collections::BTreeMap;

use crate::machine::EndpointId;

/// Turns an endpoint's number into its authority (`host` or `host:port`) and back. Given by the driver, so that a
/// server's `Location` never names something that only the scenario knows. Servers come first; after them the names
/// that must be looked up before anything can be dialled.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    authorities: Vec<String>,
    numbers: BTreeMap<String, EndpointId>,
    /// Which have TLS, by number; as far as any has.
    secure: Vec<bool>,
    servers: u32,
    /// Of each, by number, why nobody is sent there; as far as any was hidden yet.
    hidden: Vec<Hidden>,
    /// How many are hidden now; nearly always none.
    hidden_count: u32,
    /// Counts changes of what is hidden.
    version: u32,
}

/// Why clients are not sent to an endpoint.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Hidden {
    /// A registry does not name it.
    unlisted: bool,
    /// It is not ready.
    unready: bool,
}

impl Directory {
    /// A directory of these authorities, numbered in order.
    pub fn new(authorities: impl IntoIterator<Item = String>) -> Directory {
        let authorities: Vec<String> = authorities.into_iter().collect();
        let numbers = authorities
            .iter()
            .enumerate()
            .map(|(number, authority)| (authority.clone(), EndpointId(number as u32)))
            .collect();
        let servers = authorities.len() as u32;
        Directory { authorities, numbers, servers, ..Directory::default() }
    }

    /// The same, with TLS on these.
    pub fn with_tls(self, secure: impl IntoIterator<Item = EndpointId>) -> Directory {
        let mut directory = self;
        for endpoint in secure {
            directory.secure.resize(directory.authorities.len(), false);
            directory.secure[endpoint.0 as usize] = true;
        }
        directory
    }

    /// Whether the endpoint is dialled by `wss:`.
    pub fn secure(&self, endpoint: EndpointId) -> bool {
        self.secure.get(endpoint.0 as usize).is_some_and(|secure| *secure)
    }

    /// The same with names that stand for servers.
    pub fn with_names(mut self, names: impl IntoIterator<Item = String>) -> Directory {
        for name in names {
            self.numbers.insert(name.clone(), EndpointId(self.authorities.len() as u32));
            self.authorities.push(name);
        }
        self
    }

    /// The same, where endpoints are found by other names as well.
    pub fn with_aliases(mut self, aliases: impl IntoIterator<Item = (EndpointId, String)>) -> Directory {
        for (endpoint, alias) in aliases {
            self.numbers.entry(alias).or_insert(endpoint);
        }
        self
    }

    /// Which of the names an endpoint is; `None` for a server, which is dialled at once.
    #[inline]
    pub fn name(&self, endpoint: EndpointId) -> Option<u32> {
        endpoint.0.checked_sub(self.servers)
    }

    /// The authority to dial, and the value of `Host`.
    pub fn authority(&self, endpoint: EndpointId) -> &str {
        &self.authorities[endpoint.0 as usize]
    }

    /// Says whether a registry names this endpoint from now on. All are named at first; one that is not still has its
    /// authority.
    pub fn list(&mut self, endpoint: EndpointId, listed: bool) {
        self.change(endpoint, |hidden| hidden.unlisted = !listed);
    }

    /// Says whether this endpoint is ready from now on. All are at first; of one that is not, no registry and no balancer
    /// knows.
    pub fn ready(&mut self, endpoint: EndpointId, ready: bool) {
        self.change(endpoint, |hidden| hidden.unready = !ready);
    }

    fn change(&mut self, endpoint: EndpointId, change: impl FnOnce(&mut Hidden)) {
        let at = endpoint.0 as usize;
        if self.hidden.len() <= at {
            self.hidden.resize(at + 1, Hidden::default());
        }
        let before = self.hidden[at];
        change(&mut self.hidden[at]);
        if self.hidden[at] != before {
            self.version += 1;
            self.hidden_count -= u32::from(before != Hidden::default());
            self.hidden_count += u32::from(self.hidden[at] != Hidden::default());
        }
    }

    /// Changes whenever an answer of [`Directory::lists`] does.
    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    #[inline]
    fn hidden(&self, endpoint: EndpointId) -> Hidden {
        self.hidden.get(endpoint.0 as usize).copied().unwrap_or_default()
    }

    /// Whether this endpoint is ready.
    #[inline]
    pub fn is_ready(&self, endpoint: EndpointId) -> bool {
        self.hidden_count == 0 || !self.hidden(endpoint).unready
    }

    /// Whether a registry names this endpoint.
    pub fn lists(&self, endpoint: EndpointId) -> bool {
        self.hidden(endpoint) == Hidden::default()
    }

    /// Whether a registry names every endpoint.
    pub fn lists_all(&self) -> bool {
        self.hidden_count == 0
    }

    /// The endpoint at an authority, if the driver knows it.
    pub fn find(&self, authority: &str) -> Option<EndpointId> {
        self.numbers.get(authority).copied()
    }
}
