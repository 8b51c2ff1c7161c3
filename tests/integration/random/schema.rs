//! The committed schema: which keys and words there are, which of them a scenario has, and values that fit it.

use std::collections::BTreeSet;

use serde_json::Value as Json;
use toml::{Table, Value};

use super::draw::Draw;
use crate::common::read;

/// `scenarios/schema.json`.
pub(crate) struct Schema(Json);

/// Names that a scenario has, for keys that name something.
#[derive(Debug, Default, Clone)]
pub(crate) struct Names {
    /// Server groups, groups of balancers included.
    pub(crate) servers: Vec<String>,
    /// Client groups.
    pub(crate) clients: Vec<String>,
    /// Groups of forward proxies.
    pub(crate) proxies: Vec<String>,
    /// DNS names.
    pub(crate) dns: Vec<String>,
}

const DURATIONS: &[&str] = &["0s", "1ms", "5ms", "20ms", "100ms", "300ms", "1s", "2s", "3s", "5s"];
const RATES: &[&str] = &["1/s", "5/s", "40/s", "200/s", "600/m"];
const SHARES: &[&str] = &["0%", "1%", "10%", "40%", "100%"];
const BANDWIDTHS: &[&str] = &["50kbit/s", "1Mbit/s", "20Mbit/s"];
const BYTES: &[&str] = &["500B", "2KB", "16KiB", "64KiB"];
const PATHS: &[&str] = &["/", "/chat", "/game?room=1"];

impl Schema {
    /// As committed.
    pub(crate) fn committed() -> Schema {
        Schema(serde_json::from_str(&read("scenarios/schema.json")).unwrap())
    }

    fn definition(&self, name: &str) -> &Json {
        &self.0["definitions"][name]
    }

    /// What a node refers to, and by which name.
    fn resolved<'a>(&'a self, node: &'a Json) -> (Option<&'a str>, &'a Json) {
        let reference = node.get("$ref").or_else(|| node.get("allOf").and_then(|all| all[0].get("$ref")));
        match reference.and_then(Json::as_str).and_then(|path| path.strip_prefix("#/definitions/")) {
            Some(name) => (Some(name), self.definition(name)),
            None => (None, node),
        }
    }

    /// The keys of a definition.
    pub(crate) fn keys(&self, definition: &str) -> Vec<String> {
        let keys = self.definition(definition)["properties"].as_object();
        keys.map_or_else(Vec::new, |keys| keys.keys().cloned().collect())
    }

    /// The schema of a key in a definition.
    pub(crate) fn key(&self, definition: &str, key: &str) -> &Json {
        &self.definition(definition)["properties"][key]
    }

    /// The schema of a key of the file's own.
    pub(crate) fn root_key(&self, key: &str) -> &Json {
        &self.0["properties"][key]
    }

    /// The definition with keys of its own that a node is of, if it is of one.
    pub(crate) fn table_of<'a>(&'a self, node: &'a Json) -> Option<&'a str> {
        let (name, node) = self.resolved(node);
        name.filter(|_| node.get("properties").is_some())
    }

    /// Every key and word that a scenario can have, as `Definition.key` and `Definition=word`.
    pub(crate) fn all(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        let definitions = self.0["definitions"].as_object().unwrap();
        let root = ("", &self.0);
        for (name, node) in definitions.iter().map(|(name, node)| (name.as_str(), node)).chain([root]) {
            let inner = ["oneOf", "anyOf"].into_iter().filter_map(|key| node[key].as_array()).flatten();
            for node in inner.chain([node]) {
                Self::collect(name, node, &mut all);
            }
        }
        all
    }

    fn collect(name: &str, node: &Json, all: &mut BTreeSet<String>) {
        all.extend(node["properties"].as_object().into_iter().flatten().map(|(key, _)| format!("{name}.{key}")));
        all.extend(node["const"].as_str().map(|word| format!("{name}={word}")));
        let words = node["enum"].as_array().into_iter().flatten();
        all.extend(words.filter_map(Json::as_str).map(|word| format!("{name}={word}")));
        // A choice with a table of its own, such as `{ uniform = { min = …, max = … } }`.
        for (key, inner) in node["properties"].as_object().into_iter().flatten() {
            if inner.get("properties").is_some() {
                Self::collect(&format!("{name}.{key}"), inner, all);
            }
            let words = inner["enum"].as_array().into_iter().flatten();
            all.extend(words.filter_map(Json::as_str).map(|word| format!("{name}.{key}={word}")));
        }
    }

    /// Those that a scenario has.
    pub(crate) fn drawn(&self, scenario: &Table) -> BTreeSet<String> {
        let mut drawn = BTreeSet::new();
        self.walk("", &self.0, &Value::Table(scenario.clone()), &mut drawn);
        drawn
    }

    fn walk(&self, name: &str, node: &Json, value: &Value, drawn: &mut BTreeSet<String>) {
        let (reference, node) = self.resolved(node);
        let name = reference.unwrap_or(name);
        let choices = ["oneOf", "anyOf"].into_iter().filter_map(|key| node[key].as_array()).flatten();
        for choice in choices {
            if Self::may_be(self.resolved(choice).1, value) {
                self.walk(name, choice, value, drawn);
            }
        }
        match value {
            Value::String(word) => {
                let is_word = node["const"] == word.as_str()
                    || node["enum"].as_array().is_some_and(|all| all.iter().any(|one| one == word.as_str()));
                if is_word {
                    drawn.insert(format!("{name}={word}"));
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.walk(name, &node["items"], item, drawn)),
            Value::Table(table) => {
                for (key, value) in table {
                    match node["properties"].get(key) {
                        Some(inner) => {
                            drawn.insert(format!("{name}.{key}"));
                            self.walk(&format!("{name}.{key}"), inner, value, drawn);
                        }
                        None => self.walk(name, &node["additionalProperties"], value, drawn),
                    }
                }
            }
            _ => {}
        }
    }

    /// Whether a value may be meant by a choice of the schema.
    fn may_be(node: &Json, value: &Value) -> bool {
        match value {
            Value::Table(table) => match node["properties"].as_object() {
                Some(known) => table.keys().all(|key| known.contains_key(key)),
                None => node.get("oneOf").or(node.get("anyOf")).is_some(),
            },
            Value::Array(_) => node["type"] == "array",
            _ => node["type"] != "object" && node["type"] != "array",
        }
    }

    /// A value for a key, which fits the schema; whether it makes sense there, the checks of scenarios say.
    pub(crate) fn value(&self, key: &str, node: &Json, names: &Names, draw: &mut Draw) -> Value {
        let (name, node) = self.resolved(node);
        if let Some(value) = name.and_then(|name| Self::quantity(name, key, names, draw)) {
            return value;
        }
        if let Some(all) = node.get("oneOf").or(node.get("anyOf")).and_then(Json::as_array) {
            let choice = &all[draw.below(all.len())];
            return self.value(key, choice, names, draw);
        }
        if let Some(word) = node["const"].as_str() {
            return Value::String(word.into());
        }
        if let Some(words) = node["enum"].as_array() {
            return Value::String(words[draw.below(words.len())].as_str().unwrap_or_default().into());
        }
        match node["type"].as_str() {
            Some("boolean") => Value::Boolean(draw.chance(50)),
            Some("integer") => Value::Integer(whole(key, draw)),
            Some("number") => Value::Float(*draw.pick(&[&1.0, &1.5, &2.0, &4.0])),
            Some("array") => {
                let count = 1 + draw.below(3);
                let mut items: Vec<Value> = Vec::new();
                for _ in 0..count {
                    let item = self.value(key, &node["items"], names, draw);
                    if !items.contains(&item) {
                        items.push(item);
                    }
                }
                Value::Array(items)
            }
            Some("object") => self.table(key, node, names, draw),
            _ => text(key, names, draw),
        }
    }

    fn table(&self, key: &str, node: &Json, names: &Names, draw: &mut Draw) -> Value {
        let mut table = Table::new();
        let required = |key: &String| node["required"].as_array().is_some_and(|all| all.iter().any(|one| one == key));
        for (key, inner) in node["properties"].as_object().into_iter().flatten() {
            if required(key) || draw.chance(40) {
                table.insert(key.clone(), self.value(key, inner, names, draw));
            }
        }
        if node["properties"].is_null() {
            // Of keys that the scenario chooses.
            let keys: Vec<String> = match key {
                "quantiles" => ["p0", "p50", "p99", "p100"].map(String::from).to_vec(),
                "weights" => names.servers.clone(),
                _ => vec!["one".into()],
            };
            let mut values: Vec<Value> =
                keys.iter().map(|key| self.value(key, &node["additionalProperties"], names, draw)).collect();
            if key == "quantiles" {
                let mut points: Vec<usize> = (0..4).map(|_| draw.below(DURATIONS.len())).collect();
                points.sort_unstable();
                values = points.iter().map(|point| Value::String(DURATIONS[*point].into())).collect();
            }
            table.extend(keys.into_iter().zip(values));
        }
        Value::Table(table)
    }

    /// What has a unit, or names something.
    fn quantity(definition: &str, key: &str, names: &Names, draw: &mut Draw) -> Option<Value> {
        let text = match definition {
            "Duration" => draw.word(DURATIONS),
            "Rate" => draw.word(RATES),
            "Share" => draw.word(SHARES),
            "Bandwidth" => draw.word(BANDWIDTHS),
            "Bytes" => draw.word(BYTES),
            "Seed" => return Some(Value::Integer(draw.below(1_000) as i64)),
            // Mostly a plain length, as in scenarios.
            "Distribution" if draw.chance(50) => draw.word(DURATIONS),
            "Expectations" => draw.word(&["< 100s", ">= 0", "== 5"]),
            "Names" => {
                let mut all: Vec<&String> = names.servers.iter().collect();
                all.extend(names.dns.iter().filter(|_| key != "calls"));
                let name = all[draw.below(all.len())].clone();
                return Some(if draw.chance(50) {
                    Value::String(name)
                } else {
                    Value::Array(vec![Value::String(name)])
                });
            }
            _ => return None,
        };
        Some(Value::String(text))
    }
}

fn whole(key: &str, draw: &mut Draw) -> i64 {
    let all: &[&i64] = match key {
        "status" | "reject" | "statuses" => &[&400, &401, &403, &404, &407, &426, &429, &500, &503, &302, &307],
        "redirect_statuses" => &[&301, &302, &303, &307, &308],
        "code" | "fatal_close_codes" => &[&1_000, &1_001, &1_011, &1_012, &4_000],
        "interim" => &[&100, &102, &103],
        "versions" => &[&8, &13],
        "backlog" => &[&1, &2, &8, &128],
        "bytes" | "cut" | "padding" => &[&1, &7, &100, &1_000],
        "ports" => &[&2, &5, &100, &28_232],
        "faults" => &[&1, &2, &4],
        "times" => &[&1, &2, &3],
        _ => &[&0, &1, &2, &3, &5, &10],
    };
    *draw.pick(all)
}

fn text(key: &str, names: &Names, draw: &mut Draw) -> Value {
    let places: Vec<&str> = names.servers.iter().chain(&names.clients).map(String::as_str).collect();
    let any = |all: &[String], draw: &mut Draw| all.get(draw.below(all.len())).cloned().unwrap_or_else(|| "g".into());
    let text = match key {
        "zone" => draw.word(&["eu-1", "us-1"]),
        "proxy" => any(&names.proxies, draw),
        "to" | "from" | "target" if draw.chance(70) => draw.word(&places),
        "to" | "from" | "target" => draw.word(&["eu-1", "us-1", "s0-0", "s1-0"]),
        "group" | "targets" | "endpoints" | "standby" => any(&names.servers, draw),
        "path" => draw.word(PATHS),
        "fields" => draw.word(&["X-One: 1", "X-Two:2", "No colon here"]),
        "metrics" => draw.word(&["time_to_open.p99", "sessions.opened", "attempts.failed"]),
        "command" => "true".into(),
        _ => draw.word(&["one", "two", "a b"]),
    };
    Value::String(text)
}
