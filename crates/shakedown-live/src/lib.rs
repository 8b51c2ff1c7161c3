//! The live drivers: the same machines as in the simulator, over a network that is really there ([`run`]), or with programs
//! of the user's over turmoil ([`turmoil`]).

#![forbid(unsafe_code)]

// EventText while it is built, and not when the tests have run: tokio can be seeded under this flag only.
#[cfg(all(feature = "turmoil", not(any(tokio_unstable, shakedown_unseeded, doc, doctest))))]
compile_error!(
    "Shakedown's feature `turmoil` needs `--cfg tokio_unstable`, or the same seed need not be the same run. Put this into \
     .cargo/config.toml of your workspace:\n\n[build]\nrustflags = [\"--cfg\", \"tokio_unstable\"]\n\nRUSTFLAGS in the \
     environment takes the place of it, and must have the flag, too. `--cfg shakedown_unseeded` builds without."
);

#[cfg(any(feature = "sockets", feature = "turmoil"))]
mod events;
#[cfg(feature = "sockets")]
mod kernel;
mod progress;
#[cfg(feature = "sockets")]
mod sockets;
#[cfg(any(feature = "sockets", feature = "turmoil"))]
#[cfg_attr(not(feature = "sockets"), allow(dead_code, reason = "turmoil's hosts need less of it"))]
mod stream;
#[cfg(feature = "turmoil")]
pub mod turmoil;

#[cfg(feature = "sockets")]
pub use kernel::{Lateness, Tap, Told, host_names, prepare, server_address};
pub use progress::Progress;
#[cfg(feature = "sockets")]
pub use sockets::{Address, Authority, Ended, FaultCommand, Part, Program, Setup, Start, certificates, refused, run};
