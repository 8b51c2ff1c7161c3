//! What could stand where the cursor is: keys, tables and words, by the schema that editors use.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::cli::shell::SCHEMA;

/// A text up to the cursor.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    before: String,
}

/// The most that are offered.
const MOST: usize = 40;

/// What may follow, and how much of it is there already.
pub(super) fn completions(asked: &Asked) -> Json {
    let schema: Json = serde_json::from_str(SCHEMA).unwrap_or_default();
    let (path, typed, wanted) = place(&asked.before);
    let nodes = path.iter().fold(vec![&schema], |nodes, name| {
        nodes.iter().flat_map(|node| alternatives(&schema, node)).filter_map(|node| child(node, name)).collect()
    });
    let mut found: BTreeMap<&str, &str> = BTreeMap::new();
    for node in nodes.into_iter().flat_map(|node| alternatives(&schema, node)) {
        match wanted {
            Wanted::Key => {
                for (name, of) in node["properties"].as_object().into_iter().flatten() {
                    found.insert(name, of["description"].as_str().unwrap_or_default());
                }
            }
            Wanted::Word => {
                let words = node["enum"].as_array().into_iter().flatten().chain([&node["const"]]);
                for word in words.filter_map(Json::as_str) {
                    found.insert(word, node["description"].as_str().unwrap_or_default());
                }
            }
        }
    }
    found.remove("$schema");
    let fits = |(name, _): &(&&str, &&str)| name.starts_with(&typed) && **name != typed;
    let offered = found.iter().filter(fits).take(MOST);
    let offered: Vec<Json> =
        offered.map(|(name, help)| json!({ "insert": &name[typed.len()..], "name": name, "help": help })).collect();
    json!({ "offered": offered })
}

enum Wanted {
    Key,
    Word,
}

/// The table that the cursor is in, what is typed of the word that it is at, and what that is.
fn place(before: &str) -> (Vec<String>, String, Wanted) {
    let (lines, line) = before.rsplit_once('\n').unwrap_or(("", before));
    let line = line.trim_start();
    if let Some(head) = line.strip_prefix('[') {
        let (above, typed) = head.rsplit_once('.').map_or((Vec::new(), head), |(above, typed)| (parts(above), typed));
        return (above, typed.into(), Wanted::Key);
    }
    let heads = lines.lines().rev().filter_map(|line| line.trim().strip_prefix('[')?.split_once(']'));
    let mut path = heads.map(|(head, _)| parts(head)).next().unwrap_or_default();
    // Into inline tables, as many as are open.
    let mut rest = line;
    loop {
        let Some((key, value)) = rest.split_once('=') else { return (path, rest.trim().into(), Wanted::Key) };
        let value = value.trim_start();
        match value.strip_prefix('{') {
            Some(inside) => {
                path.extend(parts(key));
                // What is complete inside is passed over.
                rest = after_last_comma(inside).trim_start();
            }
            None => {
                path.extend(parts(key));
                let word = value.rsplit(['"', '\'']).next().unwrap_or_default();
                let is_open = value.matches(['"', '\'']).count() % 2 == 1;
                return (path, if is_open { word.into() } else { "\0".into() }, Wanted::Word);
            }
        }
    }
}

/// What follows the last comma that is in no inner table.
fn after_last_comma(text: &str) -> &str {
    let mut depth = 0;
    let mut start = 0;
    for (at, c) in text.char_indices() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            ',' if depth == 0 => start = at + 1,
            _ => {}
        }
    }
    &text[start..]
}

fn parts(path: &str) -> Vec<String> {
    path.split('.').map(|part| part.trim().trim_matches(['"', '\'']).to_string()).collect()
}

/// The schemas that a schema stands for.
fn alternatives<'a>(schema: &'a Json, node: &'a Json) -> Vec<&'a Json> {
    let mut all = vec![node];
    if let Some(name) = node["$ref"].as_str().and_then(|path| path.strip_prefix("#/definitions/")) {
        all.extend(alternatives(schema, &schema["definitions"][name]));
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        all.extend(node[key].as_array().into_iter().flatten().flat_map(|one| alternatives(schema, one)));
    }
    all
}

fn child<'a>(node: &'a Json, name: &str) -> Option<&'a Json> {
    node["properties"].get(name).or_else(|| node.get("additionalProperties").filter(|more| more.is_object()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(before: &str) -> Vec<String> {
        let offered = completions(&Asked { before: before.into() });
        offered["offered"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_string()).collect()
    }

    #[test]
    fn keys_tables_and_words_are_offered_where_they_may_stand() {
        assert!(offered("ti").contains(&"title".to_string()));
        assert!(offered("[cl").contains(&"clients".to_string()));
        let servers = offered("[servers.gateway]\nworkers = 3\n");
        assert!(servers.contains(&"backlog".to_string()) && !servers.contains(&"endpoints".to_string()));
        assert_eq!(offered("[servers.gateway]\nback")[0], "backlog");
        assert!(offered("[clients.players]\nretry = { policy = \"fixed\", ba").contains(&"base".to_string()));
        assert!(offered("[clients.players]\nretry = { policy = \"full").contains(&"full-jitter".to_string()));
        assert!(offered("[clients.players]\npick = \"ra").contains(&"random".to_string()));
        assert!(offered("[faults.x]\nkind = \"cra").contains(&"crash".to_string()));
        assert!(offered("[clients.players]\npick = \"random\"").is_empty());
        assert!(offered("[none.players]\nx").is_empty());
        for odd in ["[", "]", "=", "{", "a = {", "a = { b = ", "\"", "[[", "é = '", "\n\n[a]\n= = ="] {
            let _ = offered(odd);
        }
    }
}
