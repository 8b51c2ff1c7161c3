//! Servers: a [`Server`] is one process, a [`Plan`] is what all members of a scenario's group have in common.
//!
//! `web`, `balancer` and `proxy` are machines, each of which has the state and the handlers of its kind. The other modules are the
//! parts that they are made of.

mod balancer;
mod behavior;
mod calls;
mod challenge;
mod clocks;
mod config;
mod connections;
mod context;
mod drain;
mod event;
mod limits;
mod machine;
mod pauses;
mod plan;
mod processor;
mod proxy;
mod queue;
mod relay;
mod resources;
mod response_flaws;
mod supervision;
mod targets;
mod tls;
mod transactions;
mod web;
mod work;
mod workers;

pub use crate::machine::{Ending, Ends};
pub use crate::names::Names;
pub use balancer::{Balance, Balancing, Check, Forwarding, HealthChecks, OnDown, PickBackend, Reach};
pub use behavior::{Behavior, BehaviorKind, Choice, LocationForm, When};
pub use calls::{CallConfig, CallPlan, CallRetry, PickCalled, PoolConfig};
pub use challenge::{Demand, Proof, Scheme};
pub use clocks::{CLOSE_TIMEOUT, ClocksConfig, ConnectionAge, IdleTimeout, ServerHeartbeat};
pub use config::{ConnectionLimit, Group, Machine, Membership, Program, Rates, STREAMS_MAX, WarmUp, WebServer};
pub use context::Context;
pub use event::{CallOutcome, Clock, Event, Outputs, Reason, Turn};
pub use limits::{OverRate, TokenBucket, WhenFull, WindowConfig, WindowKind};
pub use machine::Server;
pub use pauses::{PauseConfig, Pauses};
pub use plan::Plan;
pub use processor::Slowdown;
pub use proxy::Proxy;
pub use queue::{QueueFull, QueueOrder};
pub use resources::{Accepts, DescriptorsConfig, MemoryConfig, Resource, ResourceLimit, WhenUsedUp};
pub use response_flaws::{
    AnswerConfig, BodyConfig, CloseConfig, DeliveryConfig, Flaw, Framing, HttpVersion, LineEnd, ResponseFlaws, Then,
};
pub use supervision::{Finding, KillReason, Probe, ProbeConfig, RestartConfig, Supervision, Supervisor};
pub use targets::{HashBy, Pick, PickMember, REPORT_EVERY};
pub use tls::{Certificate, TlsConfig, TlsKeys};
pub use transactions::TransactionsFull;
pub use workers::Workers;
