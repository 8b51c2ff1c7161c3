//! Shakedown runs very many WebSocket (HTTP upgrade) clients through their opening handshakes against failing,
//! redirecting and overloaded servers, in a deterministic network simulation, and measures what they went through.
//!
//! # The idea
//!
//! Clients and servers are sans-IO state machines. A [driver] gives them a network and a clock. Everything that happens
//! is a typed [event]. Every number, chart, check and digest is derived from the events.
//!
//! # The walk of the data
//!
//! `scenarios/failover.toml` → [`scenario::Scenario::load`] → [`driver::sim::Simulation`] → [`event::Event`]s →
//! [`record::Recorder`]s ([`record::Digest`], [`metrics::Metrics`]) → [`metrics::Measured`] → [`check::judge`],
//! [`chart::draw`], [`report::files`] → a folder under `results/`.
//!
//! ```
//! use shakedown::scenario::{Overrides, Scenario};
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
//! let scenario = shakedown::scenario::load("inline", "inline", text, &Overrides::default())?;
//! let finished = shakedown::explore::once(&scenario, |_| true);
//! let p99 = finished.measured.summary.get("time_to_open.p99");
//! assert_eq!(finished.digest.len(), 32);
//! assert!(p99.is_some());
//! # Ok::<(), shakedown::scenario::Problem>(())
//! ```
//!
//! # What to call
//!
//! - [`scenario::Scenario::load`] reads a scenario; a [`scenario::Problem`] says where one is wrong, and what would be right.
//! - [`explore::once`] runs one and measures it. [`hunt`] runs many seeds in a test, and panics at the lowest that breaks
//!   something.
//! - [`driver::sim::Simulation`] runs one with [`record::Recorder`]s of your own, which see every event:
//!
//! ```
//! use shakedown::driver::sim::Simulation;
//! use shakedown::event::{Event, Kind};
//! use shakedown::record::Recorder;
//! use shakedown::scenario::{Overrides, Scenario};
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
//! let scenario = shakedown::scenario::load("inline", "inline", text, &Overrides::default())?;
//! let (mut simulation, mut last) = (Simulation::new(&scenario), Last(Timestamp::ZERO));
//! while simulation.advance(&mut last, 1_000) {}
//! assert!(last.0 > Timestamp::ZERO && last.0 <= simulation.now());
//! # Ok::<(), shakedown::scenario::Problem>(())
//! ```
//!
//! What is wrong with a scenario is told as the command line tells it:
//!
//! ```
//! use shakedown::scenario::{Overrides, Scenario};
//!
//! let problem = shakedown::scenario::load("fleet.toml", "fleet", "format = 1\ntilte = \"x\"\n", &Overrides::default()).unwrap_err();
//! assert!(problem.message().contains("unknown key"), "{problem}");
//! assert!(problem.help().is_some_and(|help| help.contains("`title`")), "{problem}");
//! ```
//!
//! # The floors of the house
//!
//! A room imports rooms of lower floors only; `tests/integration/architecture.rs` holds that. `ARCHITECTURE.md` has a picture. From the
//! ground up (below all of them lies `shape`, from which types have the JSON Schema that [`scenario::schema`] prints):
//!
//! | floor | rooms | what they must not know |
//! |---|---|---|
//! | units | [time], [names], [quantity], [rng] | anything else |
//! | contract | [machine] | what is said over a connection |
//! | world | [http], [h2], [frame], [tls], [network], [load], [fault] | each other |
//! | bytes | [handshake] | time |
//! | machines | [client], [server], [profile] | drivers, recorders, clocks |
//! | facts | [event], [record], [metrics], [check] | how they came about |
//! | input | [scenario] | how it is run |
//! | motion | [driver] | what is made of the events |
//! | output | [chart], [replay], [report] | files and clocks |
//! | use | [explore], `lab`, [cli] | – |

#![forbid(unsafe_code)]

pub mod chart;
pub mod cli;
pub mod explore;
#[cfg(feature = "turmoil")]
pub mod lab;
pub mod replay;
pub mod report;

pub use shakedown_core::{
    check, client, event, fault, frame, h2, handshake, http, load, machine, metrics, names, network, quantity, record,
    rng, server, time, tls,
};
pub use shakedown_scenario::profile;

/// Drivers give the machines a network and a clock: the simulator, real sockets, turmoil.
pub mod driver {
    pub use shakedown_core::driver::*;
    pub use shakedown_live as live;
}

/// The scenario: a TOML file, read strictly, checked completely, ready to run.
pub mod scenario {
    pub use shakedown_core::scenario::*;
    #[cfg(feature = "schema")]
    pub use shakedown_scenario::schema;
    pub use shakedown_scenario::{Overrides, Problem, Tree, again, load, nearest};
}

pub use explore::hunt::assert_all as hunt;

/// The README's example, compiled with those of the docs.
#[cfg(all(doctest, feature = "turmoil"))]
#[doc = include_str!("../README.md")]
pub struct Readme;
