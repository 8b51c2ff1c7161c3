//! The JSON Schema of scenario files, for editors that complete and check TOML by one.
//!
//! It is generated from the types that read the file, with the words of their documentation. What only the whole file
//! knows is added here: variants, the version, the names of presets and profiles. It takes every scenario that
//! [`crate::load`] takes, and refuses unknown keys, unknown words, quantities without a unit and what is missing; how
//! keys go together, and names that are nowhere, are for `shakedown check`.

#[cfg(debug_assertions)]
use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{Schema, json_schema};
use serde_json::{Value, json};

use crate::file::{FORMAT, File};
#[cfg(debug_assertions)]
use crate::path::{Segment, scan};
use crate::profile::{presets, profiles};

/// The schema, as JSON with an end of line. Draft 7, which taplo (Even Better TOML) reads.
pub fn schema() -> String {
    let mut schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<File>();
    NoNull.transform(&mut schema);
    let mut schema = schema.to_value();
    let mut put = |path: &str, key: &str, value: Value| {
        let place = schema.pointer_mut(path).and_then(Value::as_object_mut);
        place.unwrap_or_else(|| panic!("the schema has no {path}")).insert(key.to_string(), value);
    };
    put("", "title", json!("A scenario of Shakedown"));
    put("/properties/format", "const", json!(FORMAT));
    put("/properties", "variants", variants().to_value());
    let names = |names: Vec<String>| json!(names);
    put("/definitions/Clients/properties/preset", "enum", names(presets().into_keys().collect()));
    put("/definitions/Clients/properties/profile", "enum", names(profiles().into_keys().collect()));
    let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
    format!("{text}\n")
}

/// Whether some scenario has a value at this path: a problem that points elsewhere has outlived the key that it is about.
#[cfg(debug_assertions)]
pub(crate) fn allows(path: &str) -> bool {
    static SCHEMA: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(&schema()).expect("a schema is JSON"));
    fn has(schema: &Value, path: &[Segment]) -> bool {
        let Some((first, rest)) = path.split_first() else { return true };
        let choices = ["anyOf", "allOf", "oneOf"].into_iter().filter_map(|key| schema[key].as_array()).flatten();
        let referred = schema["$ref"].as_str().and_then(|name| SCHEMA.pointer(name.trim_start_matches('#')));
        let own = [&schema["properties"][&first.name], &schema["additionalProperties"], &schema["items"]];
        choices.chain(referred).any(|schema| has(schema, path))
            || own.into_iter().any(|schema| schema.is_object() && has(schema, rest))
    }
    scan(path).is_ok_and(|(segments, _)| has(&SCHEMA, &segments))
}

/// `[variants.NAME]`: what a variant overrides, by tables or by paths in quotes.
fn variants() -> Schema {
    json_schema!({
        "description": "Sets of overrides, by name: keys as in the file, or paths in quotes.",
        "type": "object",
        "additionalProperties": { "type": "object" },
    })
}

/// TOML has no null: what need not be there is left out.
struct NoNull;

impl Transform for NoNull {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else { return };
        if let Some(Value::Array(types)) = object.get_mut("type") {
            types.retain(|name| name != "null");
            if let [one] = types.as_slice() {
                let one = one.clone();
                object.insert("type".into(), one);
            }
        }
        if object.get("default").is_some_and(Value::is_null) {
            object.remove("default");
        }
        if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
            choices.retain(|choice| choice != &json!({ "type": "null" }));
            if let [Value::Object(one)] = choices.as_slice() {
                // Beside a `$ref`, draft 7 reads nothing else.
                let one = one.clone();
                object.remove("anyOf");
                match object.is_empty() {
                    true => object.extend(one),
                    false => drop(object.insert("allOf".into(), json!([one]))),
                }
            }
        }
    }
}
