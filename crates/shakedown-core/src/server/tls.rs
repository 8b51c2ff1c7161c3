//! The TLS settings of a server.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::Share;
use crate::rng::{Distribution, Identity, Purpose, Seed};
use crate::time::{Nanos, Timestamp};
use crate::tls;

/// Who can decrypt a server's session tickets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum TlsKeys {
    /// Only the process that issued them: its keys are drawn when it starts, and lost when it ends.
    #[default]
    Process,
    /// Every member of the group, also after a restart: the keys are configured.
    Shared,
}

/// What clients find of a server's certificate. It is checked in a full handshake: who resumes a session checks none.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Certificate {
    /// From when until when it is expired; no end: to the end of the run.
    pub expired: Option<(Timestamp, Option<Timestamp>)>,
    /// The client groups that do not know its issuer.
    pub untrusted_by: Vec<Identity>,
    /// The share of all client hosts that do not, drawn once for each.
    pub untrusted_share: Share,
}

impl Certificate {
    /// Whether a client refuses it: a host of a group, unless a server opened the connection, which trusts every issuer. `number`
    /// tells server groups apart.
    pub fn is_refused(&self, now: Timestamp, client: Option<(Identity, Identity)>, seed: Seed, number: u64) -> bool {
        let expired = self.expired.is_some_and(|(from, until)| now >= from && until.is_none_or(|until| now < until));
        expired
            || client.is_some_and(|(group, host)| {
                self.untrusted_by.contains(&group)
                    || self.untrusted_share.0 > 0.0
                        && seed.draw(host, Purpose::Trust, number).unit() < self.untrusted_share.0
            })
    }
}

/// What a server that speaks TLS says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct TlsConfig {
    /// Which TLS.
    pub version: tls::Version,
    /// A worker's time for a handshake in full.
    pub cost: Distribution,
    /// The same where an earlier session is resumed.
    pub resumed_cost: Distribution,
    /// How long its session tickets are good for; zero: it gives none.
    pub tickets: Nanos,
    /// Who can read them.
    pub keys: TlsKeys,
    /// What clients find of its certificate; absent: nothing wrong.
    pub certificate: Option<Certificate>,
}
