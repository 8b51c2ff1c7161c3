//! Deserializes a tree of values into any serde type, and places every fault.
//!
//! Each value is handed out through [`deserialize`], the one spot where a fault gains the origin
//! of the value and the step of the path that led to it. Choices are tagged externally: a name, or
//! a table with one entry. This module must not know which types are read.

use std::slice;

use indexmap::map;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::node::{Entry, Node, Table, Value};
use super::read_error::{Kind, ReadError, expected, found, one_of};

/// Hands `node` to `seed`; a fault inside comes out with its place.
pub(super) fn deserialize<'de, S: DeserializeSeed<'de>>(seed: S, node: &Node) -> Result<S::Value, ReadError> {
    let value = seed.deserialize(ValueDeserializer(node));
    value.map_err(|fault| fault.in_value(node))
}

/// The same for the value of an entry, whose key becomes a step of the path.
fn deserialize_entry<'de, S: DeserializeSeed<'de>>(seed: S, entry: &Entry) -> Result<S::Value, ReadError> {
    deserialize(seed, &entry.node).map_err(|fault| fault.under(&entry.key))
}

struct ValueDeserializer<'a>(&'a Node);

impl<'a> ValueDeserializer<'a> {
    fn unfit<T>(&self, expected: impl Into<String>) -> Result<T, ReadError> {
        let (expected, found) = (expected.into(), found(self.0));
        Err(Kind::Unfit { expected, found }.into())
    }

    fn visit_list<'de, V: Visitor<'de>>(items: &'a [Node], visitor: V) -> Result<V::Value, ReadError> {
        let mut list = ListAccess { items: items.iter(), read: 0 };
        let value = visitor.visit_seq(&mut list)?;
        if list.items.len() > 0 {
            let expected = format!("a list of {}", list.read);
            let found = format!("a list of {}", items.len());
            return Err(Kind::Unfit { expected, found }.into());
        }
        Ok(value)
    }

    fn visit_table<'de, V: Visitor<'de>>(table: &'a Table, visitor: V) -> Result<V::Value, ReadError> {
        let mut access = TableAccess { entries: table.entries.values(), current: None };
        let value = visitor.visit_map(&mut access)?;
        // Nothing in a scenario may go unread: a visitor stops early where it reads a choice.
        if let Some(entry) = access.entries.next() {
            let found = table.entries.keys().cloned().collect();
            let fault = ReadError::from(Kind::NotOne { known: &[], found });
            return Err(fault.in_key(entry));
        }
        Ok(value)
    }
}

/// A method for one of Rust's whole number types. The range is checked here, because a visitor
/// could name only the Rust type it wants.
macro_rules! whole_numbers {
    ($($method:ident => $visit:ident, $number:ident;)*) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            let rust_word = stringify!($number);
            match &self.0.value {
                Value::Integer(value) => match $number::try_from(*value) {
                    Ok(value) => visitor.$visit(value),
                    Err(_) => {
                        let (least, most) = ($number::MIN, $number::MAX);
                        let plain = format!("a whole number from {least} to {most}");
                        self.unfit(expected(&visitor, rust_word, &plain))
                    }
                },
                _ => self.unfit(expected(&visitor, rust_word, "a whole number")),
            }
        }
    )* };
}

macro_rules! numbers {
    ($($method:ident => $rust_word:literal;)*) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            match &self.0.value {
                // `ratio = 1` means what `ratio = 1.0` means.
                Value::Integer(value) => visitor.visit_f64(*value as f64),
                Value::Float(value) => visitor.visit_f64(*value),
                _ => self.unfit(expected(&visitor, $rust_word, "a number")),
            }
        }
    )* };
}

impl<'de> Deserializer<'de> for ValueDeserializer<'_> {
    type Error = ReadError;

    /// Whole numbers are visited as `u64`, negative ones as `i64`.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.0.value {
            Value::String(text) => visitor.visit_str(text),
            Value::Boolean(flag) => visitor.visit_bool(*flag),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Integer(value) => match (u64::try_from(*value), i64::try_from(*value)) {
                (Ok(value), _) => visitor.visit_u64(value),
                (_, Ok(value)) => visitor.visit_i64(value),
                (Err(_), Err(_)) => self.unfit("a number of 64 bits"),
            },
            Value::List(items) => Self::visit_list(items, visitor),
            Value::Table(table) => Self::visit_table(table, visitor),
            Value::Datetime(_) => {
                let found = found(self.0);
                Err(ReadError::invalid_type(Unexpected::Other(&found), &visitor))
            }
        }
    }

    whole_numbers! {
        deserialize_u8 => visit_u8, u8;
        deserialize_u16 => visit_u16, u16;
        deserialize_u32 => visit_u32, u32;
        deserialize_u64 => visit_u64, u64;
        deserialize_u128 => visit_u128, u128;
        deserialize_i8 => visit_i8, i8;
        deserialize_i16 => visit_i16, i16;
        deserialize_i32 => visit_i32, i32;
        deserialize_i64 => visit_i64, i64;
        deserialize_i128 => visit_i128, i128;
    }

    numbers! {
        deserialize_f32 => "f32";
        deserialize_f64 => "f64";
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.0.value {
            Value::Boolean(flag) => visitor.visit_bool(*flag),
            _ => self.unfit(expected(&visitor, "a boolean", "true or false")),
        }
    }

    /// A value that is there is `Some`; what is missing never gets here.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.0.value {
            Value::List(items) => Self::visit_list(items, visitor),
            _ => self.unfit(expected(&visitor, "a sequence", "a list")),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, ReadError> {
        let expected = format!("a list of {length}");
        match &self.0.value {
            Value::List(items) if items.len() == length => Self::visit_list(items, visitor),
            Value::List(items) => {
                let found = format!("a list of {}", items.len());
                Err(Kind::Unfit { expected, found }.into())
            }
            _ => self.unfit(expected),
        }
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.0.value {
            Value::Table(table) => Self::visit_table(table, visitor),
            _ => self.unfit(expected(&visitor, "a map", "a table")),
        }
    }

    /// Only derived types ask for a struct, and those have but their Rust name to offer.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match &self.0.value {
            Value::Table(table) => Self::visit_table(table, visitor),
            _ => self.unfit("a table"),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match &self.0.value {
            Value::String(name) => visitor.visit_enum(NameAccess(name)),
            Value::Table(table) => match table.entries.first() {
                Some((_, entry)) if table.entries.len() == 1 => visitor.visit_enum(TaggedAccess(entry)),
                _ => {
                    let found = table.entries.keys().cloned().collect();
                    Err(Kind::NotOne { known, found }.into())
                }
            },
            _ => self.unfit(one_of(known)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct identifier
    }
}

struct ListAccess<'a> {
    items: slice::Iter<'a, Node>,
    read: usize,
}

impl<'de> SeqAccess<'de> for ListAccess<'_> {
    type Error = ReadError;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, ReadError> {
        let Some(item) = self.items.next() else {
            return Ok(None);
        };
        let index = self.read;
        self.read += 1;
        let value = deserialize(seed, item);
        value.map(Some).map_err(|fault| fault.under(index.to_string()))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct TableAccess<'a> {
    entries: map::Values<'a, String, Entry>,
    /// The entry whose key was read last and whose value comes next.
    current: Option<&'a Entry>,
}

impl<'de> MapAccess<'de> for TableAccess<'_> {
    type Error = ReadError;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, ReadError> {
        self.current = self.entries.next();
        let Some(entry) = self.current else {
            return Ok(None);
        };
        let key = seed.deserialize(KeyDeserializer(&entry.key));
        key.map(Some).map_err(|fault| fault.in_key(entry))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, ReadError> {
        match self.current.take() {
            Some(entry) => deserialize_entry(seed, entry),
            None => Err(ReadError::custom("a value was asked for before its key")),
        }
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// A key is a string, also where the type wraps it or chooses by it.
struct KeyDeserializer<'a>(&'a str);

impl<'a> KeyDeserializer<'a> {
    fn text(&self) -> StrDeserializer<'a, ReadError> {
        self.0.into_deserializer()
    }
}

impl<'de> Deserializer<'de> for KeyDeserializer<'_> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.text().deserialize_enum(name, known, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// A choice written as its name alone.
struct NameAccess<'a>(&'a str);

impl<'de> EnumAccess<'de> for NameAccess<'_> {
    type Error = ReadError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), ReadError> {
        Ok((seed.deserialize(KeyDeserializer(self.0))?, self))
    }
}

impl NameAccess<'_> {
    fn bare<T>(&self) -> Result<T, ReadError> {
        Err(Kind::Bare(self.0.to_owned()).into())
    }
}

impl<'de> VariantAccess<'de> for NameAccess<'_> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, _seed: S) -> Result<S::Value, ReadError> {
        self.bare()
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, ReadError> {
        self.bare()
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.bare()
    }
}

/// A choice written as a table: its name is the only key, its content the value.
struct TaggedAccess<'a>(&'a Entry);

impl<'de> EnumAccess<'de> for TaggedAccess<'_> {
    type Error = ReadError;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), ReadError> {
        let name = seed.deserialize(KeyDeserializer(&self.0.key));
        let name = name.map_err(|fault| fault.in_key(self.0))?;
        Ok((name, self))
    }
}

impl TaggedAccess<'_> {
    /// Reads the content through the deserializer method `read` calls.
    fn content<T>(&self, read: impl FnOnce(ValueDeserializer<'_>) -> Result<T, ReadError>) -> Result<T, ReadError> {
        let value = read(ValueDeserializer(&self.0.node));
        value.map_err(|fault| fault.in_value(&self.0.node).under(&self.0.key))
    }
}

impl<'de> VariantAccess<'de> for TaggedAccess<'_> {
    type Error = ReadError;

    fn unit_variant(self) -> Result<(), ReadError> {
        Err(ReadError::from(Kind::Laden(self.0.key.clone())).in_value(&self.0.node))
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, ReadError> {
        deserialize_entry(seed, self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, ReadError> {
        self.content(|value| value.deserialize_tuple(length, visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.content(|value| value.deserialize_struct("", fields, visitor))
    }
}
