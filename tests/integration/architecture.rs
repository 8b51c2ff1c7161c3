//! The architecture's rules, checked by reading the sources: imports go downward only, and nothing that decides a
//! simulated run uses a clock, randomness of the machine, hash-map order, or platform transcendentals.

use std::fs;
use std::path::{Path, PathBuf};

/// From the bottom: a module may import modules of lower layers only.
const LAYERS: &[&[&str]] = &[
    &["shape", "digits"],
    &["time", "names", "text"],
    &["quantity"],
    &["rng"],
    &["machine", "statistics"],
    &["http", "h2", "frame", "network", "load", "fault", "tls"],
    &["handshake", "secrets"],
    &["client", "server"],
    &["event"],
    &["record"],
    &["metrics"],
    &["check"],
    &["scenario", "profile"],
    &["driver"],
    &["chart"],
    &["replay", "report"],
    &["explore"],
    &["lab"],
    &["cli"],
];

/// Only these may read a clock or touch the file system.
const WORLDLY: &[&str] = &["explore", "lab", "cli", "secrets"];

/// Real sockets, the real clock and turmoil's are here, and may be named nowhere else; the rest holds here as well.
const LIVE: (&str, &[&str]) = ("driver/live", &["Instant", "SystemTime", "std::net", "tokio::", "turmoil::"]);

/// Devices are files, and so is what a kernel is told and asked.
const HOSTS: (&str, &[&str]) = ("driver/live/kernel", &["std::fs"]);

/// What no other module may name.
const BANNED: &[(&str, &str)] = &[
    ("Instant", "a clock decides nothing in a simulated run"),
    ("SystemTime", "a clock decides nothing in a simulated run"),
    ("HashMap", "its order differs from run to run: use BTreeMap or IndexMap"),
    ("HashSet", "its order differs from run to run: use BTreeSet"),
    ("RandomState", "randomness comes from the seed"),
    ("thread_rng", "randomness comes from the seed"),
    ("getrandom", "randomness comes from the seed"),
    ("OsRng", "randomness comes from the seed"),
    ("StdRng", "its values are not stable between versions"),
    ("SmallRng", "its values are not stable between platforms"),
    ("rand_distr", "it reaches platform transcendentals"),
    ("std::fs", "files are for explore and cli"),
    ("std::net", "sockets are for real drivers"),
    ("std::env::", "a run never depends on the machine"),
    ("tokio::", "async is for real drivers"),
    ("turmoil::", "async is for real drivers"),
    (".ln()", "platform transcendental: use libm"),
    (".log2()", "platform transcendental: use libm"),
    (".log10()", "platform transcendental: use libm"),
    (".log(", "platform transcendental: use libm"),
    (".exp()", "platform transcendental: use libm"),
    (".exp2()", "platform transcendental: use libm"),
    (".exp_m1()", "platform transcendental: use libm"),
    (".ln_1p()", "platform transcendental: use libm"),
    (".powf(", "platform transcendental: use libm"),
    (".powi(", "platform transcendental: use libm"),
    (".sin()", "platform transcendental: use libm"),
    (".cos()", "platform transcendental: use libm"),
    (".tan()", "platform transcendental: use libm"),
    (".tanh()", "platform transcendental: use libm"),
    (".cbrt()", "platform transcendental: use libm"),
    (".mul_add(", "fused on some platforms only"),
];

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|modules| modules.contains(&module))
}

/// What is wrong in a file of `module`, a line each.
fn offences(module: &str, name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let Some(own) = layer(module) else {
        return vec![format!("{name}: the module `{module}` has no layer yet: give it one in this test")];
    };
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for other in imported(code) {
            match layer(&other) {
                Some(layer) if layer < own || other == module => {}
                _ => found.push(format!("{name}:{}: `{module}` may not import `{other}`", number + 1)),
            }
        }
        for (banned, why) in BANNED {
            let may = |(place, named): (&str, &[&str])| name.starts_with(place) && named.contains(banned);
            if !WORLDLY.contains(&module) && !may(LIVE) && !may(HOSTS) && code.contains(banned) {
                found.push(format!("{name}:{}: `{banned}` in `{module}`: {why}", number + 1));
            }
        }
    }
    found
}

/// The modules that a line names: `crate::module`, also in `use crate::{a, b::C}`.
fn imported(code: &str) -> Vec<String> {
    let identifier = |text: &str| -> String { text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let mut modules = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => modules.push(identifier(rest)),
            Some(list) => {
                let mut depth = 0;
                let mut start = true;
                for (at, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' => start = depth == 0,
                        ' ' => {}
                        _ if start => {
                            modules.push(identifier(&list[at..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    modules
}

pub(crate) fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Where sources are: their folder, what comes before a file's place in it, and the module of crates that are one.
pub(crate) const CRATES: &[(&str, &str, Option<&str>)] = &[
    ("src", "", None),
    ("crates/shakedown-core/src", "", None),
    ("crates/shakedown-scenario/src", "scenario/", Some("scenario")),
    ("crates/shakedown-live/src", "driver/live/", Some("driver")),
];

#[test]
fn imports_go_downward_and_nothing_banned_is_named() {
    let mut all = Vec::new();
    for (folder, prefix, one) in CRATES {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let files = sources(&src);
        assert!(files.len() > 15, "the sources of {folder} were not found");
        for file in files {
            let inside = file.strip_prefix(&src).unwrap().to_path_buf();
            let module = inside.components().next().unwrap().as_os_str().to_string_lossy().replace(".rs", "");
            let text = fs::read_to_string(&file).unwrap();
            let name = format!("{prefix}{}", inside.display());
            match one {
                Some(module) => {
                    let text = text.replace("crate::", "own::").replace("shakedown_core::", "crate::");
                    all.extend(offences(module, &name, &text));
                }
                // The roots name every module, and decide nothing.
                None if module == "lib" || module == "main" => {}
                None => all.extend(offences(&module, &name, &text)),
            }
        }
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}

#[test]
fn no_source_file_grows_past_six_hundred_lines() {
    let is_test = |file: &Path| file.file_name().is_some_and(|name| name == "tests.rs");
    for (folder, ..) in CRATES {
        let src = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for file in sources(&src).into_iter().filter(|file| !is_test(file)) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            assert!(lines <= 600, "{}: {lines} lines: what should it be split into?", file.display());
        }
    }
}

#[test]
fn the_rules_can_be_broken() {
    let broken = |module: &str, text: &str| offences(module, "x.rs", text).len();
    assert_eq!(broken("client", "use crate::driver::sim;"), 1);
    assert_eq!(broken("client", "use crate::{http, server::Config, time::{Nanos}};"), 1);
    assert_eq!(broken("client", "let x = crate::scenario::load();"), 1);
    assert_eq!(broken("client", "use crate::time::Nanos; // not crate::driver"), 0);
    assert_eq!(broken("metrics", "let t = Instant::now();"), 1);
    assert_eq!(broken("rng", "x.ln()"), 1);
    assert_eq!(broken("rng", "libm::log(x)"), 0);
    assert_eq!(broken("cli", "let t = Instant::now();"), 0);
    assert_eq!(broken("attic", ""), 1);
    assert_eq!(broken("driver", "use tokio::net::TcpStream;"), 1);
    assert!(offences("driver", "driver/live/sockets.rs", "use tokio::net::TcpStream;").is_empty());
    assert_eq!(offences("driver", "driver/live/sockets.rs", "let x: HashMap<u8, u8>;").len(), 1);
    assert_eq!(offences("driver", "driver/sim/mod.rs", "use std::net::IpAddr;").len(), 1);
}
