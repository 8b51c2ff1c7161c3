//! What a fault affects, as a scenario names it.

use std::fmt;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::names::Names;
use crate::quantity::Share;
use crate::shape::shaped;

/// The targets of a fault: servers, groups and zones, or members of a group; for a fault of links: places.
#[derive(Debug, Clone, PartialEq)]
pub enum Target {
    /// `"gateway-0"`, `"gateway"`, or a zone: all its servers; or a list of these. For a fault of links also a client group:
    /// all traffic to and from each place.
    Names(Names),
    /// The two sides of a fault of links.
    Between(Between),
    /// Members of a group, drawn at random.
    Some(SomeOf),
}

/// `{ from = "eu", to = "gateway" }`: zones, client groups, server groups or servers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub struct Between {
    /// One side.
    pub from: String,
    /// The other.
    pub to: String,
}

/// The tables that are allowed as a target.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
pub struct SomeOf {
    /// The server group.
    pub group: String,
    /// Share of its members, rounded up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
    /// Number of its members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
}

impl From<&str> for Target {
    fn from(name: &str) -> Target {
        Target::Names(Names(vec![name.to_string()]))
    }
}

shaped!(Target, "Target", |generator| shape::any([
    generator.subschema_for::<Names>(),
    generator.subschema_for::<Between>(),
    generator.subschema_for::<SomeOf>()
]));

impl Serialize for Target {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Target::Names(names) => names.serialize(serializer),
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
                    "a name, a list of names, { group = \"gateway\", count = 1 }, or of a fault of links { from = \"eu\", to = \"gateway\" }",
                )
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Target, E> {
                Ok(text.into())
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Target, A::Error> {
                Names::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(Target::Names)
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
