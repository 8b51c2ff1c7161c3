//! A name of a server or a group, or several of them.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::shape::shaped;

/// Reads one name, or a list of them, as a list.
///
/// # Errors
/// When it is neither.
pub fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Names::deserialize(deserializer).map(|names| names.0)
}

/// `"gateway"` or `["gateway", "spare-0"]`: servers and groups, expanded in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names(pub Vec<String>);

shaped!(Names, "Names", |generator| shape::any([
    generator.subschema_for::<String>(),
    generator.subschema_for::<Vec<String>>()
]));

impl Serialize for Names {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            list => list.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Names, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Names;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a server or a group, or a list of them")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Names, E> {
                Ok(Names(vec![text.to_string()]))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Names, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(seq)).map(Names)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
