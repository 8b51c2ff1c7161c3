//! The fault timeline: what breaks, where, when, and for how long.

use serde::{Deserialize, Deserializer, Serialize, de};
use std::fmt;

use crate::quantity::Share;
use crate::rng::{Identity, Purpose, Seed};
use crate::time::{Nanos, Timestamp};

/// `[faults.NAME]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What happens.
    pub kind: Kind,
    /// To whom.
    pub target: Target,
    /// When.
    pub at: Nanos,
    /// partition: only what goes from `from` to `to` is cut.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub one_way: bool,
    /// For how long; absent: it never heals.
    #[serde(default, rename = "for", skip_serializing_if = "Option::is_none")]
    pub duration: Option<Nanos>,
}

/// The kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// The process is killed: its kernel ends idle connections with FIN, those with unread bytes with RST, and refuses
    /// new ones. It is started anew when the fault heals.
    Crash,
    /// The host goes silent and forgets everything. It boots when the fault heals.
    PowerOff,
    /// The process stops (`kill -STOP`): connects complete until the accept queue is full, nothing is answered. It goes
    /// on where it was when the fault heals.
    Hang,
    /// Nothing gets from one place to another. Kernels repeat what they sent until the fault heals.
    Partition,
}

impl Kind {
    /// Whether connections live on when the fault heals.
    pub fn revives(self) -> bool {
        matches!(self, Kind::Hang | Kind::Partition)
    }

    /// The name in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Crash => "crash",
            Kind::PowerOff => "power-off",
            Kind::Hang => "hang",
            Kind::Partition => "partition",
        }
    }

    /// A stable number for digests.
    pub fn code(self) -> u8 {
        match self {
            Kind::Crash => 1,
            Kind::PowerOff => 2,
            Kind::Hang => 3,
            Kind::Partition => 30,
        }
    }
}

/// Whom a fault strikes: a server, a group, or some of a group; a partition: places.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// `"gateway-0"` or `"gateway"`. Of a partition also a zone or a client group: all that goes to and from it.
    Name(String),
    /// A partition's two sides.
    Between(Between),
    /// Members of a group, drawn at random.
    Some(SomeOf),
}

/// `{ from = "eu", to = "gateway" }`: zones, client groups, server groups or servers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Between {
    /// One side.
    pub from: String,
    /// The other.
    pub to: String,
}

/// The tables that a target may be.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    group: Option<String>,
    share: Option<Share>,
    count: Option<u32>,
    from: Option<String>,
    to: Option<String>,
}

/// `{ group = "gateway", share = "30%" }` or `{ group = "gateway", count = 2 }`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SomeOf {
    /// The server group.
    pub group: String,
    /// This part of its members, rounded up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// This many of its members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

impl Serialize for Target {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Target::Name(name) => serializer.serialize_str(name),
            Target::Between(between) => between.serialize(serializer),
            Target::Some(some) => some.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Target, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Target;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a name, { group = \"gateway\", count = 1 }, or of a partition { from = \"eu\", to = \"gateway\" }",
                )
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Target, E> {
                Ok(Target::Name(text.to_string()))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Target, A::Error> {
                let table = Table::deserialize(de::value::MapAccessDeserializer::new(map))?;
                match table {
                    Table { group: None, share: None, count: None, from: Some(from), to: Some(to) } => {
                        Ok(Target::Between(Between { from, to }))
                    }
                    Table { group: Some(group), share, count, from: None, to: None } => {
                        Ok(Target::Some(SomeOf { group, share, count }))
                    }
                    Table { group: None, from: None, to: None, .. } => Err(de::Error::missing_field("group")),
                    Table { group: None, share: None, count: None, from: None, .. } => {
                        Err(de::Error::missing_field("from"))
                    }
                    Table { group: None, share: None, count: None, to: None, .. } => {
                        Err(de::Error::missing_field("to"))
                    }
                    _ => Err(de::Error::custom("either `group` with `count` or `share`, or `from` and `to`")),
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A fault with its targets found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its name in the scenario.
    pub name: String,
    /// What happens.
    pub kind: Kind,
    /// When it begins.
    pub begins: Timestamp,
    /// When it heals, if it does.
    pub heals: Option<Timestamp>,
    /// The servers it strikes, by number, in rising order.
    pub servers: Vec<u32>,
    /// partition: what it cuts.
    pub cuts: Vec<Cut>,
}

/// A client group and a server that a partition lies between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// The client group's number.
    pub group: u16,
    /// The server's number.
    pub server: u32,
    /// What clients send does not arrive.
    pub to_server: bool,
    /// What the server sends does not arrive.
    pub to_client: bool,
}

impl Fault {
    /// Finds the fault's targets: `members` are the servers its target names, of which it takes some.
    pub fn new(seed: Seed, name: &str, config: &Config, mut members: Vec<u32>, cuts: Vec<Cut>) -> Fault {
        if let Target::Some(some) = &config.target {
            let all = members.len() as u32;
            let wanted = match (some.count, some.share) {
                (Some(count), _) => count,
                (None, Some(share)) => (share.0 * f64::from(all)).ceil() as u32,
                (None, None) => 1,
            };
            // The members with the smallest draws: adding a member to the group moves no other's draw.
            let identity = Identity::group(name);
            let draw = |server: &u32| seed.draw(identity, Purpose::Target, u64::from(*server)).0;
            members.sort_by_key(|server| (draw(server), *server));
            members.truncate(wanted as usize);
            members.sort_unstable();
        }
        let begins = Timestamp::ZERO + config.at;
        Fault {
            name: name.to_string(),
            kind: config.kind,
            begins,
            heals: config.duration.map(|duration| begins + duration),
            servers: members,
            cuts,
        }
    }
}

/// What the timeline does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A server is struck.
    Began {
        /// The server's number.
        server: u32,
        /// What happens to it.
        kind: Kind,
    },
    /// A server is well again.
    Healed {
        /// The server's number.
        server: u32,
        /// What had happened to it.
        kind: Kind,
    },
    /// A partition comes between a client group and a server.
    Parted(Cut),
    /// It is gone.
    Joined(Cut),
}
