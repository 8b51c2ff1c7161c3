//! The integration tests, all in one program, so that one library is linked once.

#[cfg(feature = "turmoil")]
mod agreement;
mod answers;
mod architecture;
mod attacks;
mod auth;
mod balancers;
mod bandwidth;
#[cfg(target_os = "linux")]
mod boxes;
mod budgets;
mod calls;
mod captures;
mod circles;
mod cli;
mod client_cases;
mod clients;
mod common;
mod connection_ends;
mod determinism;
mod disk;
mod dns;
mod escapes;
mod extended_connect;
mod firsts;
mod forms;
mod gates;
mod guide;
mod hunt;
mod hybi;
mod incidents;
#[cfg(target_os = "linux")]
mod kernel;
mod language;
mod measures;
mod messages;
mod models;
mod network;
mod outages;
mod packages;
mod presets;
mod proxies;
mod random;
mod real;
mod redirects;
mod replay;
mod secrets;
mod servers;
mod serving;
mod statistics;
mod sweep;
mod tcp;
mod tls;
mod transactions;
mod versions;
mod widths;
#[cfg(target_os = "linux")]
mod wire;
mod zones;
