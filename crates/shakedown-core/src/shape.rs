//! The parts of the JSON Schema of scenario files that are not derived.
//!
//! A type with a derived reader derives its schema as well. A type with a hand-written reader declares its schema beside
//! it, by [`shaped`]. A schema may accept more than the reader (combinations of values are for `scenario::check`), never
//! less.

#[cfg(feature = "schema")]
use schemars::{Schema, json_schema};

/// Gives a type the schema that an expression makes: `shaped!(Hold, "Hold", |generator| any(…))`. Nothing without the
/// feature `schema`.
macro_rules! shaped {
    ($type:ty, $name:expr, |$generator:ident| $schema:expr) => {
        #[cfg(feature = "schema")]
        const _: () = {
            #[allow(unused_imports)]
            use crate::shape;

            impl schemars::JsonSchema for $type {
                fn schema_name() -> std::borrow::Cow<'static, str> {
                    $name.into()
                }

                fn json_schema($generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                    $schema
                }
            }
        };
    };
}
pub(crate) use shaped;

/// Text that fits a pattern (ECMA 262), which `hint` describes.
#[cfg(feature = "schema")]
pub(crate) fn text(pattern: impl AsRef<str>, hint: &str) -> Schema {
    json_schema!({ "type": "string", "pattern": pattern.as_ref(), "description": hint })
}

/// One of some words.
#[cfg(feature = "schema")]
pub(crate) fn words(words: &[&str]) -> Schema {
    json_schema!({ "type": "string", "enum": words })
}

/// Either of several shapes.
#[cfg(feature = "schema")]
pub(crate) fn any<const N: usize>(shapes: [Schema; N]) -> Schema {
    json_schema!({ "anyOf": shapes.as_slice() })
}

/// A number and one of these units, as a pattern without its ends.
#[cfg(feature = "schema")]
pub(crate) fn number_with<'a>(units: impl Iterator<Item = &'a str>) -> String {
    // No unit has a letter that means something else in a pattern.
    format!("[0-9._]*[0-9][0-9._]*\\s*({})", units.collect::<Vec<_>>().join("|"))
}
