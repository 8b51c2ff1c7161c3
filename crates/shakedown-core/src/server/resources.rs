//! Resources of a process that have a size: memory and file descriptors, and what happens when they are used up.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::Bytes;

/// What happens when a resource is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum WhenUsedUp {
    /// The process is killed (an out-of-memory kill), and started again as `restart` says.
    Kill,
    /// A connection that would need more is closed with RST as soon as it is accepted; a request is answered 503.
    Refuse,
    /// Nothing is accepted until there is room: connects wait in the kernel's accept queue.
    Wait,
}

/// `{ max = "2GB", connection = "64KB", handshake = "1MB" }`: what a process has of memory, and what it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MemoryConfig {
    /// What there is.
    pub max: Bytes,
    /// What the process needs without clients.
    #[serde(default)]
    pub process: Bytes,
    /// What each open connection needs.
    #[serde(default)]
    pub connection: Bytes,
    /// What each request or TLS handshake needs in addition, from its arrival to its answer.
    #[serde(default)]
    pub handshake: Bytes,
    /// Action when it is used up.
    #[serde(default = "kill")]
    pub when_full: WhenUsedUp,
}

fn kill() -> WhenUsedUp {
    WhenUsedUp::Kill
}

/// `{ max = 1024 }`: file descriptors of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DescriptorsConfig {
    /// How many there are.
    pub max: u32,
    /// Action when they are used up.
    #[serde(default = "wait")]
    pub when_full: WhenUsedUp,
}

fn wait() -> WhenUsedUp {
    WhenUsedUp::Wait
}

/// When a process accepts connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Accepts {
    /// Whenever one comes.
    #[default]
    Always,
    /// When it has nothing else to do, one at a time: an event loop that works on what it has accepted before it looks for more.
    WhenIdle,
}

/// A resource of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Resource {
    /// Memory, in bytes.
    Memory = 0,
    /// File descriptors.
    Descriptors = 1,
}

impl Resource {
    /// Every one.
    pub const ALL: [Resource; 2] = [Resource::Memory, Resource::Descriptors];

    /// Its name in words.
    pub fn name(self) -> &'static str {
        match self {
            Resource::Memory => "memory",
            Resource::Descriptors => "descriptors",
        }
    }
}

/// The size of a resource, and what needs how much of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceLimit {
    /// Which.
    pub resource: Resource,
    /// What there is.
    pub max: u64,
    /// What the process needs without clients.
    pub process: u64,
    /// What each open connection needs.
    pub connection: u64,
    /// What each request needs in addition.
    pub handshake: u64,
    /// What each call to another server needs.
    pub call: u64,
    /// Action when it is used up.
    pub when_full: WhenUsedUp,
}

impl ResourceLimit {
    /// Memory.
    pub fn memory(config: &MemoryConfig) -> ResourceLimit {
        let MemoryConfig { max, process, connection, handshake, when_full } = *config;
        let resource = Resource::Memory;
        ResourceLimit {
            resource,
            max: max.0,
            process: process.0,
            connection: connection.0,
            handshake: handshake.0,
            call: 0,
            when_full,
        }
    }

    /// File descriptors: one for each connection.
    pub fn descriptors(config: &DescriptorsConfig) -> ResourceLimit {
        let DescriptorsConfig { max, when_full } = *config;
        let resource = Resource::Descriptors;
        ResourceLimit { resource, max: max.into(), process: 0, connection: 1, handshake: 0, call: 1, when_full }
    }

    /// What so many connections, requests and calls need.
    pub(super) fn needed(&self, connections: usize, handshakes: usize, calls: usize) -> u64 {
        let of = |each: u64, count: usize| each.saturating_mul(count as u64);
        let clients = of(self.connection, connections).saturating_add(of(self.handshake, handshakes));
        self.process.saturating_add(clients).saturating_add(of(self.call, calls))
    }
}

/// What one process uses, as it said last.
#[derive(Debug, Default)]
pub(super) struct Used {
    pub amounts: [u64; 2],
    /// It is going to be killed.
    pub exceeded: bool,
}
