//! A file whose groups and names are known, while it is checked.

use indexmap::IndexMap;
use shakedown_core::fault::Side;
use shakedown_core::http::Directory;
use shakedown_core::machine::EndpointId;
use shakedown_core::names::Names;
use shakedown_core::scenario::{Roster, ServerEntry};
use shakedown_core::server::{Group, Machine};
use shakedown_core::time::Nanos;

use crate::file::File;

/// What is known of a scenario before its names are checked.
pub(crate) struct Draft {
    pub file: File,
    pub roster: Roster,
    /// Groups of servers, and after them those of proxies.
    pub groups: IndexMap<String, Group>,
    /// The zone of each server.
    zones: Vec<Option<String>>,
}

impl Draft {
    /// Numbers the servers of a file, and looks its names up: one that is not known means nobody.
    pub(crate) fn new(file: File, patience: Option<Nanos>) -> Draft {
        let servers = file.servers.iter().map(|(name, group)| (name, group.count));
        let proxies = file.proxies.iter().map(|(name, group)| (name, group.count));
        let roster = Roster::new(servers.chain(proxies), file.dns.keys());
        let servers =
            file.servers.iter().map(|(name, group)| (name.clone(), group.group(&roster, file.network.time_wait())));
        let proxies = file.proxies.iter().map(|(name, group)| (name.clone(), group.group(patience)));
        let groups = servers.chain(proxies).collect();
        let proxies = file.proxies.values().map(|group| (group.count, &group.zone));
        let of_groups = file.servers.values().map(|group| (group.count, &group.zone)).chain(proxies);
        let zones = of_groups.flat_map(|(count, zone)| {
            // Members are spread over a group's zones in turn.
            let zones = zone.iter().flat_map(|names| &names.0).cycle();
            zones.map(|zone| Some(zone.clone())).chain(std::iter::repeat(None)).take(count as usize)
        });
        let zones = zones.collect();
        let mut draft = Draft { file, roster, groups, zones };
        let mut first = 0;
        for (number, (name, config)) in draft.file.servers.iter().enumerate() {
            let members = &draft.zones[first as usize..(first + config.count) as usize];
            let behind = config.to.as_ref().map(|to| draft.all_members(to)).unwrap_or_default();
            let behind: Vec<Option<&str>> = behind.iter().map(|server| draft.zone(server.0)).collect();
            let reach = crate::reach::of_members(draft.file.seed, (name, config), members, &behind);
            if let Machine::Balancer(balancing) = &mut draft.groups[number].machine {
                (balancing.first, balancing.reach) = (EndpointId(first), reach);
            }
            first += config.count;
        }
        draft
    }

    pub(crate) fn servers(&self) -> &[ServerEntry] {
        self.roster.servers()
    }

    pub(crate) fn group_of(&self, server: u32) -> &Group {
        &self.groups[self.servers()[server as usize].group]
    }

    pub(crate) fn members(&self, name: &str) -> Option<Vec<EndpointId>> {
        self.roster.members(name)
    }

    pub(crate) fn endpoints(&self, name: &str) -> Option<Vec<EndpointId>> {
        self.roster.endpoints(name)
    }

    pub(crate) fn all_endpoints(&self, names: Option<&Names>) -> Vec<EndpointId> {
        self.roster.all_endpoints(names)
    }

    /// The zone of a server.
    pub(crate) fn zone(&self, server: u32) -> Option<&str> {
        self.zones[server as usize].as_deref()
    }

    /// The servers in a zone.
    pub(crate) fn servers_in(&self, zone: &str) -> Vec<EndpointId> {
        (0..self.servers().len() as u32).filter(|server| self.zone(*server) == Some(zone)).map(EndpointId).collect()
    }

    /// The servers that a fault's target means: a server, a group, or a zone.
    pub(crate) fn struck(&self, name: &str) -> Vec<EndpointId> {
        self.members(name).unwrap_or_else(|| self.servers_in(name))
    }

    /// The servers of a list of names; one that is not known means nobody.
    pub(crate) fn all_members(&self, names: &Names) -> Vec<EndpointId> {
        names.0.iter().flat_map(|name| self.members(name).unwrap_or_default()).collect()
    }

    /// Everyone who opens connections: client groups, then servers that connect to others, as programs may, each in order.
    pub(crate) fn sides(&self) -> Vec<Side> {
        let clients = (0..self.file.clients.len() as u16).map(Side::Clients);
        let opens = |group: &Group| group.opens_connections() || group.program().is_some();
        let servers = (0..self.servers().len() as u32).filter(|server| opens(self.group_of(*server)));
        clients.chain(servers.map(Side::Server)).collect()
    }

    /// Whether clients of a server must speak TLS: a balancer passes on what those behind it speak.
    pub(crate) fn is_secure(&self, server: EndpointId) -> bool {
        let group = self.group_of(server.0);
        match group.balancer().and_then(|balancer| balancer.to.first()) {
            // One more balancer there is refused elsewhere.
            Some(behind) => !self.group_of(behind.0).tls().is_none(),
            None => !group.tls().is_none(),
        }
    }

    /// Every server under its own name, and after them the DNS names.
    pub(crate) fn directory(&self) -> Directory {
        let servers = self.servers().iter().map(|server| server.name.clone());
        let secure = (0..self.servers().len() as u32).map(|server| self.is_secure(EndpointId(server)));
        // Of a name, all servers agree.
        let is_secure = |name: &String| self.members(name).is_some_and(|all| self.is_secure(all[0]));
        let names = self.file.dns.values().map(|name| name.to.first().is_some_and(is_secure));
        let secure = (0..).map(EndpointId).zip(secure.chain(names)).filter(|(_, secure)| *secure);
        Directory::new(servers).with_names(self.file.dns.keys().cloned()).with_tls(secure.map(|(id, _)| id))
    }
}
