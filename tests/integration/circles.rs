//! No two files of a crate import each other, not even by way of others: whoever reads one can do so from the ground up.
//!
//! A name is followed to the file that defines it, past `use` in files that only hand it on, so that a `mod.rs` may
//! gather what lies below it. Tests may import what they like.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::architecture::{CRATES, sources};
use crate::common::repository;

type Module = Vec<String>;

/// A name that a file takes from somewhere.
struct Import {
    path: Vec<String>,
    /// `*` for all that is there.
    name: String,
    /// Whether it is handed on.
    public: bool,
}

#[derive(Default)]
struct File {
    name: String,
    imports: Vec<Import>,
    /// Paths in the code, of two parts and more.
    paths: BTreeSet<Vec<String>>,
    words: BTreeSet<String>,
    defined: BTreeSet<String>,
}

/// The words and signs of a source, without comments, texts and what is there for tests only.
fn tokens(source: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let len = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(hashes) = raw_text(rest) {
            let end = format!("\"{}", "#".repeat(hashes));
            let start = rest.find('"').unwrap() + 1;
            start + rest[start..].find(&end).unwrap() + end.len()
        } else if first == '"' {
            text_end(rest)
        } else if first == '\'' {
            // A character, unless it is a lifetime.
            let mut after = rest[1..].chars();
            match (after.next(), after.next()) {
                (Some('\\'), _) => rest[3..].find('\'').unwrap() + 4,
                (Some(c), Some('\'')) => 2 + c.len_utf8(),
                _ => 1,
            }
        } else if word > 0 {
            tokens.push(rest[..word].into());
            word
        } else {
            let len = if rest.starts_with("::") { 2 } else { first.len_utf8() };
            if !first.is_whitespace() {
                tokens.push(rest[..len].into());
            }
            len
        };
        rest = &rest[len..];
    }
    without_tests(&tokens)
}

/// How many `#` enclose the raw text that begins here.
fn raw_text(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix("br").or(rest.strip_prefix('r'))?;
    let quote = after.trim_start_matches('#');
    quote.starts_with('"').then_some(after.len() - quote.len())
}

fn text_end(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn without_tests(tokens: &[String]) -> Vec<String> {
    const FOR_TESTS: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if !tokens[at..].starts_with(&FOR_TESTS.map(String::from)) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        // To the end of the item: its block, or a semicolon.
        let mut depth = 0;
        for token in &tokens[at..] {
            at += 1;
            match &**token {
                "{" | "[" | "(" => depth += 1,
                "}" | "]" | ")" => depth -= 1,
                _ => {}
            }
            if depth == 0 && (token == "}" || token == ";") {
                break;
            }
        }
    }
    kept
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

fn read(name: String, source: &str) -> File {
    const DEFINES: [&str; 8] = ["struct", "enum", "fn", "const", "static", "trait", "type", "union"];
    let tokens = tokens(source);
    let mut file = File { name, ..File::default() };
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at] == "use" {
            let public = at > 0 && ["pub", ")"].contains(&&*tokens[at - 1]);
            at += 1;
            tree(&tokens, &mut at, &mut Vec::new(), public, &mut file.imports);
            continue;
        }
        if !is_word(&tokens[at]) {
            at += 1;
            continue;
        }
        let before = if at > 0 { &*tokens[at - 1] } else { "" };
        if DEFINES.contains(&before) {
            file.defined.insert(tokens[at].clone());
        }
        // Neither a module's nor a field's name is a use of what has the same.
        let is_used = !DEFINES.contains(&before) && before != "mod" && before != ".";
        let mut path = vec![tokens[at].clone()];
        at += 1;
        while at + 1 < tokens.len() && tokens[at] == "::" && is_word(&tokens[at + 1]) {
            path.push(tokens[at + 1].clone());
            at += 2;
        }
        if is_used {
            file.words.insert(path[0].clone());
        }
        if path.len() > 1 {
            file.paths.insert(path);
        }
    }
    file
}

/// Reads what comes after `use`, or within its braces.
fn tree(tokens: &[String], at: &mut usize, before: &mut Vec<String>, public: bool, imports: &mut Vec<Import>) {
    let depth = before.len();
    while *at < tokens.len() {
        let token = &*tokens[*at];
        *at += 1;
        match token {
            "::" => {}
            "{" => {
                loop {
                    tree(tokens, at, before, public, imports);
                    if tokens[*at - 1] != "," {
                        break;
                    }
                }
                before.truncate(depth);
                // What ends the braces has been read; then comes what ends this.
                *at += 1;
                return;
            }
            "as" => {
                imports.push(Import { path: before.clone(), name: tokens[*at].clone(), public });
                before.truncate(depth);
                *at += 2;
                return;
            }
            "," | "}" | ";" => {
                if before.len() > depth {
                    if before.last().is_some_and(|last| last == "self") {
                        before.pop();
                    }
                    let name = before.last().cloned().unwrap_or_default();
                    imports.push(Import { path: before.clone(), name, public });
                }
                before.truncate(depth);
                return;
            }
            word => before.push(word.into()),
        }
    }
}

/// The files of a crate by their modules.
struct Crate(BTreeMap<Module, File>);

impl Crate {
    fn read(folder: &Path) -> Crate {
        let mut files = BTreeMap::new();
        for path in sources(folder) {
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_string();
            let mut module: Module = name.trim_end_matches(".rs").split('/').map(String::from).collect();
            if module.iter().any(|part| part == "tests") || name == "main.rs" {
                continue;
            }
            if ["mod", "lib"].contains(&&**module.last().unwrap()) {
                module.pop();
            }
            files.insert(module, read(name, &fs::read_to_string(&path).unwrap()));
        }
        Crate(files)
    }

    fn import(&self, module: &Module, name: &str) -> Option<&Import> {
        self.0[module].imports.iter().find(|import| import.name == name)
    }

    /// The module in which a path, as it is written in that module, ends, and what it names there unless the module.
    fn follow(&self, module: &Module, path: &[String], steps: u32) -> Option<(Module, Option<String>)> {
        let (first, rest) = path.split_first()?;
        let own = || module.iter().cloned().chain([first.clone()]).collect::<Module>();
        let mut at: Module = match &**first {
            "crate" => Vec::new(),
            "self" => module.clone(),
            "super" => module[..module.len().checked_sub(1)?].to_vec(),
            _ if self.0.contains_key(&own()) => own(),
            name => {
                let import = self.import(module, name).filter(|import| steps > 0 && import.path != path)?;
                let whole = [&import.path[..], rest].concat();
                return self.follow(module, &whole, steps - 1);
            }
        };
        for (number, part) in rest.iter().enumerate() {
            if part == "super" {
                at.pop()?;
                continue;
            }
            at.push(part.clone());
            if self.0.contains_key(&at) {
                continue;
            }
            at.pop();
            // Something in this module, or what the module has from elsewhere.
            if let Some(import) = self.import(&at, part).filter(|_| steps > 0) {
                let whole = [&import.path[..], &rest[number + 1..]].concat();
                return self.follow(&at, &whole, steps - 1);
            }
            let all = self.0[&at].imports.iter().filter(|import| import.name == "*" && steps > 0);
            for import in all.filter(|_| !self.0[&at].defined.contains(part)) {
                let from = &import.path[..import.path.len() - 1];
                if let Some((place, None)) = self.follow(&at, from, steps - 1)
                    && self.0[&place].defined.contains(part)
                {
                    return Some((place, Some(part.clone())));
                }
            }
            return Some((at, Some(part.clone())));
        }
        Some((at, None))
    }

    /// The modules that a file needs.
    fn needs(&self, module: &Module) -> BTreeSet<Module> {
        let file = &self.0[module];
        let mut found = BTreeSet::new();
        for import in &file.imports {
            if import.public && !file.words.contains(&import.name) {
                continue;
            }
            let path = if import.name == "*" { &import.path[..import.path.len() - 1] } else { &import.path[..] };
            match self.follow(module, path, 9) {
                Some((place, Some(_))) => drop(found.insert(place)),
                // Of a module, the paths say what is needed.
                Some((place, None)) if import.name == "*" => drop(found.insert(place)),
                _ => {}
            }
        }
        found.extend(file.paths.iter().filter_map(|path| self.follow(module, path, 9)).map(|(place, _)| place));
        found.remove(module);
        found
    }

    /// Sets of files each of which needs every other, directly or not.
    fn circles(&self) -> Vec<BTreeSet<&str>> {
        let needs: BTreeMap<&Module, BTreeSet<Module>> = self.0.keys().map(|m| (m, self.needs(m))).collect();
        let reach = |from: &Module| {
            let (mut seen, mut next) = (BTreeSet::new(), vec![from.clone()]);
            while let Some(module) = next.pop() {
                next.extend(needs[&module].iter().filter(|other| seen.insert((*other).clone())).cloned());
            }
            seen
        };
        let reached: BTreeMap<&Module, BTreeSet<Module>> = self.0.keys().map(|m| (m, reach(m))).collect();
        let circle = |module: &Module| -> BTreeSet<&str> {
            let both = reached[module].iter().filter(|other| reached[other].contains(module));
            both.map(|other| &*self.0[other].name).collect()
        };
        let all: BTreeSet<BTreeSet<&str>> = self.0.keys().map(circle).filter(|circle| !circle.is_empty()).collect();
        all.into_iter().collect()
    }
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    for (folder, ..) in CRATES {
        let read = Crate::read(&repository(folder));
        let circles = read.circles();
        assert!(circles.is_empty(), "in {folder}, these import each other: {circles:#?}");
    }
}

#[test]
fn circles_are_found() {
    let place = tempfile::tempdir().unwrap();
    let circles = |files: &[(&str, &str)]| {
        let _ = fs::remove_dir_all(place.path().join("src"));
        for (name, text) in files {
            let path = place.path().join("src").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let read = Crate::read(&place.path().join("src"));
        read.circles().into_iter().map(|circle| circle.into_iter().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    let lib = ("lib.rs", "mod a;\nmod b;\n");
    assert_eq!(circles(&[lib, ("a.rs", "use crate::b::B;\npub struct A;"), ("b.rs", "pub struct B;")]), [""; 0]);
    for back in ["use crate::a::A;", "use super::a;\nfn f(_: a::A) {}", "fn f(_: crate::a::A) {}", "use super::{a::*};"]
    {
        let files = [lib, ("a.rs", "use crate::b::B;\npub struct A;"), ("b.rs", &format!("{back}\npub struct B;"))];
        assert_eq!(circles(&files), ["a.rs b.rs"], "{back}");
    }
    // What a parent hands on is not the parent's, and what it uses of it itself is.
    for (parent, circle) in [("", vec![]), ("fn f(_: X) {}", vec!["a/mod.rs a/x.rs"])] {
        let parent = format!("mod x;\nmod y;\npub use x::X;\npub struct Own;\n{parent}");
        let (x, y) = ("use super::Own;\npub struct X;", "use super::X;");
        let files = [("lib.rs", "mod a;"), ("a/mod.rs", &*parent), ("a/x.rs", x), ("a/y.rs", y)];
        assert_eq!(circles(&files), circle);
    }
    // Neither tests nor comments nor texts count.
    let quiet = "// crate::a::A\nconst T: &str = \"crate::a::A\";\n#[cfg(test)]\nmod tests {\n use crate::a::A;\n}\npub struct B;";
    assert_eq!(circles(&[lib, ("a.rs", "use crate::b::B;\npub struct A;"), ("b.rs", quiet)]), [""; 0]);
}
