//! The TLS settings of a server.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rng::Distribution;
use crate::time::Nanos;
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
}
