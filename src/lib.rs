//! Shakedown runs very many WebSocket (HTTP upgrade) clients through their opening handshakes against failing,
//! redirecting and overloaded servers, in a deterministic network simulation, and measures what they went through.
//!
//! # The idea
//!
//! Clients and servers are sans-IO state machines. A driver gives them a network and a clock. Everything that happens
//! is a typed [event]. Every number, chart, check and digest is derived from the events.
//!
//! # Data flow
//!
//! `scenarios/failover.toml` → [`scenario::load`] → [`run::Simulation`] → [`event::Event`]s →
//! [`record::Recorder`]s ([`record::Digest`], [`metrics::Metrics`]) → [`metrics::Measured`] → [`check::judge`], charts and
//! reports → a folder under `results/`.
//!
//! ```
//! use shakedown::scenario::{self, Overrides};
//!
//! let text = r#"
//!     format = 1
//!     title = "Two gateways"
//!     duration = "5s"
//!     [servers.gateway]
//!     count = 2
//!     [clients.players]
//!     count = 100
//!     arrive = { evenly_over = "2s" }
//!     endpoints = ["gateway"]
//! "#;
//! let scenario = scenario::load("inline", "inline", text, &Overrides::default())?;
//! let finished = shakedown::run::once(&scenario, |_| true)?;
//! let p99 = finished.measured.summary.get("time_to_open.p99");
//! assert_eq!(finished.digest.len(), 32);
//! assert!(p99.is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What to call
//!
//! - [`scenario::load`] reads a scenario. A [`scenario::Problem`] names the position of an error and a correction.
//! - [`run::once`] runs a scenario and measures it. [`hunt`] runs many seeds in a test, and panics at the lowest seed
//!   that fails.
//! - [`run::Simulation`] runs a scenario with a [`record::Recorder`] of your own, which receives every event:
//!
//! ```
//! use shakedown::run::Simulation;
//! use shakedown::event::{Event, Kind};
//! use shakedown::record::Recorder;
//! use shakedown::scenario::{self, Overrides};
//! use shakedown::time::Timestamp;
//!
//! /// When something last happened to a session.
//! struct Last(Timestamp);
//!
//! impl Recorder for Last {
//!     fn record(&mut self, event: &Event) {
//!         if let Kind::Session(..) = event.kind {
//!             self.0 = event.at;
//!         }
//!     }
//! }
//!
//! # let text = "format = 1\ntitle = \"One gateway\"\nduration = \"5s\"\n[servers.gateway]\n[clients.players]\n\
//! #             count = 10\nendpoints = \"gateway\"\narrive = { evenly_over = \"1s\" }\n";
//! let scenario = scenario::load("inline", "inline", text, &Overrides::default())?;
//! let (mut simulation, mut last) = (Simulation::new(&scenario), Last(Timestamp::ZERO));
//! while simulation.advance(&mut last, 1_000) {}
//! assert!(last.0 > Timestamp::ZERO && last.0 <= simulation.now());
//! # Ok::<(), shakedown::scenario::Problem>(())
//! ```
//!
//! An error in a scenario has the same text as on the command line:
//!
//! ```
//! use shakedown::scenario::{self, Overrides};
//!
//! let problem = scenario::load("fleet.toml", "fleet", "format = 1\ntilte = \"x\"\n", &Overrides::default()).unwrap_err();
//! assert!(problem.message().contains("unknown key"), "{problem}");
//! assert!(problem.help().is_some_and(|help| help.contains("`title`")), "{problem}");
//! ```
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | none | running scenarios, measures, checks, [`hunt`] |
//! | `turmoil` | `lab`: your own async code in a scenario |
//! | `axum` | `lab::Listener`, for servers made with axum; with `turmoil` |
//! | `studio` (default) | `shakedown studio`, a page for the browser; with `cli` |
//! | `cli` (default) | the command line, with charts, reports, result folders, captures, and real sockets with TLS |
//!
//! A library user writes `default-features = false`, and `features = ["turmoil"]` for `lab`.
//!
//! # Layers
//!
//! A module imports modules of lower layers only; `tests/integration/architecture.rs` enforces that. `ARCHITECTURE.md` has a
//! diagram and the packages. From the bottom:
//!
//! | layer | modules | must not know |
//! |---|---|---|
//! | units | `digits`, `time`, `names`, `quantity`, `rng`, `statistics`, `text` | anything else |
//! | contract | `machine` | what is sent over a connection |
//! | world | `secrets`, `http`, `h2`, `frame`, `tls`, `network`, `load`, `fault` | most of each other |
//! | opening handshake | `handshake` | time |
//! | machines | `client`, `server` | drivers, recorders, clocks |
//! | facts | `event`, `record`, `metrics`, `check` | how events were produced |
//! | scenario | `scenario`, `profile` | how it is run |
//! | drivers | `driver` | what the events are used for |
//! | output | `chart`, `replay`, `report` | files and clocks |
//! | use | `explore`, `lab`, `cli` | – |

#![forbid(unsafe_code)]

/// Running a scenario in the simulator: measured, or event by event.
pub mod run {
    pub use crate::explore::{Finished, Progress, RunError, once, once_with};
    pub use shakedown_core::driver::sim::{Simulation, Standstill};
}

pub mod scenario;

#[cfg(feature = "turmoil")]
pub mod lab;

mod secrets;

pub use explore::hunt::assert_all as hunt;
pub use shakedown_core::{check, event, metrics, record, time};

// What follows is no interface: the command line is built of it, and its tests ask it.

#[cfg(feature = "cli")]
mod chart;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod explore;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod replay;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod report;
#[cfg(feature = "cli")]
mod statistics;
#[cfg(feature = "cli")]
mod text;

#[doc(hidden)]
pub mod driver {
    pub use shakedown_core::driver::*;
    #[cfg(any(feature = "cli", feature = "turmoil"))]
    pub use shakedown_live as live;
}
#[doc(hidden)]
pub use shakedown_core::{
    client, digits, fault, frame, h2, handshake, http, load, machine, names, network, quantity, rng, server, tls,
};
#[doc(hidden)]
pub use shakedown_scenario::profile;
