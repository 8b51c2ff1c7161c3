//! Which driver ran a scenario.

use std::fmt;

/// A driver, by what results are filed under. The last two play a part of a scenario only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Driver {
    /// The simulator.
    #[default]
    Sim,
    /// The simulator, with programs of the user's over turmoil.
    Turmoil,
    /// Real sockets, both sides.
    Tokio,
    /// The same, each host with a kernel's network of its own, and a wire between them.
    Kernel,
    /// Real sockets, the servers only.
    Serve,
    /// Real sockets, the clients only.
    Load,
}

impl Driver {
    /// Every driver.
    pub const ALL: [Driver; 6] =
        [Driver::Sim, Driver::Turmoil, Driver::Tokio, Driver::Kernel, Driver::Serve, Driver::Load];

    /// The name, as in `--driver`, in files and in folders' names.
    pub fn name(self) -> &'static str {
        match self {
            Driver::Sim => "sim",
            Driver::Turmoil => "turmoil",
            Driver::Tokio => "tokio",
            Driver::Kernel => "kernel",
            Driver::Serve => "serve",
            Driver::Load => "load",
        }
    }

    /// The driver of that name.
    pub fn named(name: &str) -> Option<Driver> {
        Driver::ALL.into_iter().find(|driver| driver.name() == name)
    }

    /// Whether time is virtual, and the same run can be had again.
    pub fn is_virtual(self) -> bool {
        matches!(self, Driver::Sim | Driver::Turmoil)
    }

    /// Whether the scenario's servers play.
    pub fn has_servers(self) -> bool {
        self != Driver::Load
    }

    /// Whether the scenario's clients play.
    pub fn has_clients(self) -> bool {
        self != Driver::Serve
    }
}

impl fmt::Display for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_found_by_its_name() {
        for driver in Driver::ALL {
            assert_eq!(Driver::named(driver.name()), Some(driver));
        }
        assert_eq!(Driver::named("mixed"), None);
    }
}
