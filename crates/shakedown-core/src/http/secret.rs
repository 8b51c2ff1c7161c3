//! Texts that nobody may see who does not need them: names of users and passwords.

use std::fmt;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::shape::shaped;

/// A user's name, a password, a token. It has no `Display`, no `Serialize` and no `==`; whoever needs the text, or a copy
/// that a rerun can be made of, has to ask for just that.
#[derive(Clone)]
pub struct Secret {
    /// Where it comes from, unless the scenario contains it.
    from: Option<SecretSource>,
    /// The text; none where nobody has read it from there yet.
    text: Option<Box<str>>,
}

/// Where a secret stands that a scenario names and does not contain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum SecretSource {
    /// In this variable of the environment.
    Env(String),
    /// In this file, whose last line end is no part of it.
    File(String),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(not shown)")
    }
}

impl<T: Into<Box<str>>> From<T> for Secret {
    fn from(text: T) -> Secret {
        Secret { from: None, text: Some(text.into()) }
    }
}

impl Secret {
    /// The text, for a header field that has to carry it. Empty where it was not read.
    pub(super) fn reveal(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// Whether both are the same text. The time it takes says nothing of where they differ.
    pub fn matches(&self, other: &str) -> bool {
        let own = self.reveal();
        own.len() == other.len() && own.bytes().zip(other.bytes()).fold(0, |all, (a, b)| all | (a ^ b)) == 0
    }

    /// Where it comes from, if the scenario does not contain it.
    pub fn source(&self) -> Option<&SecretSource> {
        self.from.as_ref()
    }

    /// Fills in what was read from its source.
    pub fn resolve(&mut self, text: String) {
        self.text = Some(text.into());
    }

    /// Whether the text is known, and meets a condition.
    pub fn is_known_and(&self, condition: impl Fn(&str) -> bool) -> bool {
        self.text.as_deref().is_some_and(condition)
    }

    /// Writes what a rerun needs: the source, or the text where there is none.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn write_for_rerun<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.from {
            Some(source) => source.serialize(serializer),
            None => serializer.serialize_str(self.reveal()),
        }
    }
}

shaped!(Secret, "Secret", |generator| shape::any([
    generator.subschema_for::<String>(),
    generator.subschema_for::<SecretSource>()
]));

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Secret;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, { env = \"VARIABLE\" } or { file = \"PATH\" }")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Secret, E> {
                Ok(text.into())
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Secret, A::Error> {
                let source = SecretSource::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Secret { from: Some(source), text: None })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_compared_and_never_shown() {
        let secret = Secret::from("open sesame");
        assert!(secret.matches("open sesame"));
        assert!(["open sesamf", "open sesame ", "", "Open sesame"].iter().all(|other| !secret.matches(other)));
        assert_eq!(format!("{secret:?}"), "Secret(not shown)");
    }
}
