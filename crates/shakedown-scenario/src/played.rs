//! Which parts of a scenario are played.

/// Which parts of a scenario are played: what is not, nobody looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Played {
    /// All of it.
    #[default]
    All,
    /// Its servers alone, for other clients.
    Servers,
    /// Its clients alone, against other servers: what strikes its own does not matter, and what can happen depends on no
    /// server of its own.
    Clients,
}
