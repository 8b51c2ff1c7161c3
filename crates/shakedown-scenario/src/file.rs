//! The scenario file as written.

use indexmap::IndexMap;
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use shakedown_core::check::{Expectations, invariants};
use shakedown_core::handshake::Mode;
use shakedown_core::network::dns;
use shakedown_core::rng::Seed;
use shakedown_core::time::Nanos;
use shakedown_core::{client, network, scenario};

use crate::chaos::Chaos;
use crate::faults::FaultToml;
use crate::machines::{ProxiesToml, ServerKind, ServersToml, Written};

/// The version of the language.
pub(crate) const FORMAT: i128 = 1;

/// A scenario file, format 1.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// The version of this language: 1.
    pub format: u32,
    /// One line that says what the scenario is about.
    pub title: String,
    /// Length of the run.
    pub duration: Nanos,
    /// Seed of the random number generator.
    #[serde(default = "default_seed")]
    pub seed: Seed,
    /// Defaults of every link.
    #[serde(default)]
    pub network: network::Config,
    /// Server groups, by name.
    #[serde(serialize_with = "write_servers")]
    pub servers: IndexMap<String, ServersToml>,
    /// Groups of forward proxies, by name. To all that comes after reading they are groups of servers as well, behind the
    /// others (`File::adopt_proxies`).
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub proxies: IndexMap<String, ProxiesToml>,
    /// DNS names, each with its servers.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub dns: IndexMap<String, dns::Config>,
    /// Client groups, by name.
    pub clients: IndexMap<String, client::Config>,
    /// Faults, by name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub faults: IndexMap<String, FaultToml>,
    /// Random faults, drawn for each seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chaos: Option<Chaos>,
    /// Conditions that every run must meet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invariants: Option<invariants::Config>,
    /// What the summary measures.
    #[serde(default)]
    pub measure: MeasureToml,
    /// Parts of the run that metrics are also of, by name.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub phases: IndexMap<String, scenario::PhaseTimes>,
    /// What `shakedown compare` shows. It has no effect on a run, and is not in the resolved scenario.
    #[serde(default, skip_serializing)]
    pub compare: CompareToml,
    /// Expected results, by metric.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub expect: IndexMap<String, Expectations>,
    /// Expected results of at least one run of a sweep or a hunt, by metric.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub sometimes: IndexMap<String, Expectations>,
}

/// Groups with the keys that mean something to each.
fn write_servers<S: Serializer>(servers: &IndexMap<String, ServersToml>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(untagged)]
    enum Group<'a> {
        Servers(&'a ServersToml),
        Balancers(Written<'a>),
    }
    serializer.collect_map(servers.iter().map(|(name, config)| match config.kind {
        ServerKind::Websocket => (name, Group::Servers(config)),
        ServerKind::L4 => (name, Group::Balancers(config.into())),
    }))
}

fn default_seed() -> Seed {
    Seed(1)
}

/// `[measure]`: the part of the run that the summary counts (the series show all of it), and the series' interval.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", schemars(rename = "Measure"))]
pub(crate) struct MeasureToml {
    /// Its beginning: after the warm-up.
    pub from: Nanos,
    /// Its end; absent: the end of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Nanos>,
    /// The interval of the series; absent: a round one that gives 60 to 120 of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Nanos>,
    /// Whether half-open connections are measured: which one end has ended while the other believes that they are open.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub half_open: bool,
}

/// `[compare]`: what `shakedown compare` shows of the scenario.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[cfg_attr(feature = "schema", schemars(rename = "Compare"))]
pub struct CompareToml {
    /// Name of the scenario as written, beside its variants.
    pub base: Option<String>,
    /// The metrics of its own table and chart.
    pub metrics: Vec<String>,
}

impl From<CompareToml> for scenario::Compare {
    fn from(CompareToml { base, metrics }: CompareToml) -> scenario::Compare {
        scenario::Compare { base, metrics }
    }
}

impl File {
    /// Whether any server has TLS.
    pub(crate) fn has_tls(&self) -> bool {
        self.servers.values().any(|server| !server.tls.is_none())
    }

    /// Whether any clients come by HTTP/2.
    pub(crate) fn has_streams(&self) -> bool {
        self.clients.values().any(|client| client.mode == Mode::ExtendedConnect)
    }

    /// Makes every default that depends on other keys visible.
    pub(crate) fn fill_in(&mut self) {
        self.measure.until.get_or_insert(self.duration);
        self.measure.interval.get_or_insert(round_interval(self.duration));
        self.servers.values_mut().for_each(ServersToml::fill_in);
        self.proxies.values_mut().for_each(ProxiesToml::fill_in);
        self.faults.values_mut().for_each(|fault| fault.fill_in(self.duration));
        if self.has_streams() {
            self.servers.values_mut().for_each(ServersToml::fill_in_streams);
        }
        if let Some(chaos) = &mut self.chaos {
            let until = *chaos.until.get_or_insert(chaos.quiet_from(self.duration));
            let open_within = Nanos(self.duration.0.saturating_sub(until.0));
            self.invariants.get_or_insert(invariants::Config { open_within });
        }
        let tls = self.has_tls();
        for client in self.clients.values_mut() {
            // Of none that is written there are at least one.
            if client.count == 0 {
                client.count = client.arrive.sessions().map_or(0, |sessions| sessions.try_into().unwrap_or(u32::MAX));
            }
            client.fill_in_auth();
            client.fill_in_streams();
            client.fill_in_ports();
            client.on_retry.get_or_insert(client.pick.on_retry());
            client.tls_resumption = tls.then_some(client.tls_resumption.unwrap_or(true));
            if !self.dns.is_empty() {
                client.fill_in_dns();
            }
        }
    }
}

/// The smallest of 1, 2, 5, 10, … that cuts a duration into at most 120.
fn round_interval(duration: Nanos) -> Nanos {
    let least = duration.0.div_ceil(120);
    let mut decade = 1u64;
    loop {
        for step in [1, 2, 5] {
            if decade.saturating_mul(step) >= least {
                return Nanos(decade * step);
            }
        }
        decade = decade.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_round() {
        for (duration, interval) in [("60s", "500ms"), ("12s", "100ms"), ("1ns", "1ns"), ("1h", "50s")] {
            let duration = duration.parse().unwrap();
            assert_eq!(round_interval(duration), interval.parse().unwrap());
        }
    }
}
