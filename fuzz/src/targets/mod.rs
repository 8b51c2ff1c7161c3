//! What is fuzzed.

mod auth;
mod bytes;
mod files;
mod response_head;
mod scenario;

use std::fs;
use std::hash::{Hash, Hasher};
use std::path::Path;

/// A parser, and what must hold of it.
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Panics where something does not hold; else what came of the input, in a number.
    pub(crate) run: fn(&[u8]) -> u64,
    /// How many times slower than the fastest it is, roughly.
    pub(crate) costs: u64,
    /// The longest input.
    pub(crate) longest: usize,
}

pub(crate) const TARGETS: &[Target] = &[
    Target { name: "request_head", run: bytes::request_head, costs: 1, longest: 2_048 },
    Target { name: "response_head", run: response_head::run, costs: 10, longest: 1_024 },
    Target { name: "location", run: bytes::location, costs: 1, longest: 256 },
    Target { name: "auth", run: auth::run, costs: 5, longest: 512 },
    Target { name: "frame", run: bytes::frame, costs: 1, longest: 512 },
    Target { name: "h2", run: bytes::h2, costs: 1, longest: 512 },
    Target { name: "tls", run: bytes::tls, costs: 1, longest: 512 },
    Target { name: "scenario", run: scenario::run, costs: 1_000, longest: 16_384 },
    Target { name: "arguments", run: scenario::arguments, costs: 2, longest: 128 },
    Target { name: "journal", run: files::journal, costs: 100, longest: 4_096 },
    Target { name: "hlog", run: files::hlog, costs: 100, longest: 8_192 },
    Target { name: "recorded", run: files::recorded, costs: 200, longest: 4_096 },
];

impl Target {
    /// What it begins with.
    pub(crate) fn corpus(&self, root: &Path) -> Vec<Vec<u8>> {
        let folder =
            if self.name == "scenario" { root.join("../scenarios") } else { root.join("seeds").join(self.name) };
        let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut files: Vec<_> = entries.filter(|path| path.extension().is_none_or(|ending| ending == "toml")).collect();
        files.sort();
        let mut corpus: Vec<Vec<u8>> = files.iter().filter_map(|path| fs::read(path).ok()).collect();
        corpus.push(Vec::new());
        corpus
    }

    /// Words that arbitrary bytes would be long in finding.
    pub(crate) fn words(&self, root: &Path) -> Vec<Vec<u8>> {
        let text: String = ["http.dict", "auth.dict", "text.dict"]
            .iter()
            .filter_map(|name| fs::read_to_string(root.join(name)).ok())
            .collect();
        text.lines().filter_map(|line| Some(unescaped(line.trim().strip_prefix('"')?.strip_suffix('"')?))).collect()
    }
}

/// A word of a dictionary: `\x0d` is a byte.
fn unescaped(word: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), word.as_bytes());
    while let [first, after @ ..] = rest {
        match rest {
            [b'\\', b'x', high, low, after @ ..] => {
                let digits = [*high, *low];
                let text = std::str::from_utf8(&digits).unwrap_or("0");
                bytes.push(u8::from_str_radix(text, 16).unwrap_or_default());
                rest = after;
            }
            [b'\\', next, after @ ..] => {
                bytes.push(*next);
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

/// Outcomes in a number: equal ones give the same.
fn outcome(of: impl Hash) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// How long something is, roughly.
fn size(length: usize) -> u32 {
    usize::BITS - length.leading_zeros()
}
