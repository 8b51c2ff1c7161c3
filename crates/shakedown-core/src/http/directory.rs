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
    /// Those that a registry does not name; nearly always none.
    unlisted: Vec<EndpointId>,
    /// Those that are not ready; nearly always none.
    unready: Vec<EndpointId>,
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
        Directory { authorities, numbers, secure: Vec::new(), servers, unlisted: Vec::new(), unready: Vec::new() }
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
        self.unlisted.retain(|other| *other != endpoint);
        if !listed {
            self.unlisted.push(endpoint);
        }
    }

    /// Says whether this endpoint is ready from now on. All are at first; of one that is not, no registry and no balancer
    /// knows.
    pub fn ready(&mut self, endpoint: EndpointId, ready: bool) {
        self.unready.retain(|other| *other != endpoint);
        if !ready {
            self.unready.push(endpoint);
        }
    }

    /// Whether this endpoint is ready.
    #[inline]
    pub fn is_ready(&self, endpoint: EndpointId) -> bool {
        self.unready.is_empty() || !self.unready.contains(&endpoint)
    }

    /// Whether a registry names this endpoint.
    pub fn lists(&self, endpoint: EndpointId) -> bool {
        !self.unlisted.contains(&endpoint) && self.is_ready(endpoint)
    }

    /// Whether a registry names every endpoint.
    pub fn lists_all(&self) -> bool {
        self.unlisted.is_empty() && self.unready.is_empty()
    }

    /// The endpoint at an authority, if the driver knows it.
    pub fn find(&self, authority: &str) -> Option<EndpointId> {
        self.numbers.get(authority).copied()
    }
}
