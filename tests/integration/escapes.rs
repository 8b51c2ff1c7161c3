//! Names and titles that would act where they are shown: in a terminal, Markdown, HTML, SVG, CSV, XML. What the language of
//! scenarios refuses comes from recorded folders and from the command line all the same.

use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{ran, text};

const EVIL: &str = "=1+1|<script>alert(1)</script> *b* [c](javascript:d) `e` & \"f\" 'g'";
/// The same in a name, which ends at a colon.
const CHOICE: &str = "@1+1|<script>alert(1)</script> *b* [c](d) `e` & \"f\" 'g'";
/// A terminal obeys these.
const ACTS: [char; 3] = ['\u{1b}', '\u{202e}', '\u{7}'];

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Holds a text of a kind to what must not be in it.
fn inert(what: &str, kind: &str, shown: &str) {
    assert!(!shown.contains(ACTS), "{what} has what a terminal obeys");
    match kind {
        "html" => {
            assert!(shown.matches("<script").count() == 2 && !shown.contains("alert(1)</script>"), "{what}");
        }
        "svg" | "xml" => assert!(!shown.contains("<script"), "{what}: {shown}"),
        "md" => {
            assert!(!shown.contains("<script") && !shown.contains("</script"), "{what}: {shown}");
            assert!(!shown.replace("\\](", "").contains("](javascript"), "{what}: {shown}");
        }
        "csv" => {
            let cell = |line: &str| line.split(',').any(|cell| cell.trim_start_matches('"').starts_with(['=', '@']));
            assert!(!shown.lines().any(cell), "{what}: {shown}");
        }
        _ => {}
    }
}

#[test]
fn no_title_and_no_name_does_more_than_be_shown() {
    let place = tempfile::tempdir().unwrap();
    let scenario = |title: &str| {
        format!(
            "format = 1\ntitle = {}\nduration = '6s'\n[servers.gateway]\n[clients.p]\ncount = 20\nendpoints = 'gateway'\n\
             arrive = {{ evenly_over = '2s' }}\n[chaos]\nfaults = 2\ntargets = ['gateway']\n[expect]\n\"lost.total\" = \"== 0\"\n\
             [variants.-x]\nclients.p.count = 10\n",
            serde_json::to_string(title).unwrap()
        )
    };
    fs::write(place.path().join("a.toml"), scenario(EVIL)).unwrap();
    // What a terminal would obey is refused, and the message does not obey it.
    fs::write(place.path().join("b.toml"), scenario("\u{1b}[31m\u{202e}")).unwrap();
    let refused = ran(place.path(), &["check", "b.toml"]);
    assert_eq!(refused.status.code(), Some(2));
    inert("the refusal", "txt", &text(&refused.stderr));
    let choice = format!("{CHOICE}: clients.p.count=15");
    let obeyed = "\u{1b}[31mred: clients.p.count=15";
    for (kind, line) in [
        ("txt", vec!["run", "a.toml", "--out", "run"]),
        ("md", vec!["report", "run", "--format", "markdown"]),
        ("csv", vec!["report", "run", "--format", "csv"]),
        ("xml", vec!["report", "run", "--format", "junit"]),
        ("txt", vec!["report", "run", "--format", "openmetrics"]),
        ("txt", vec!["list", "."]),
        ("svg", vec!["replay", "a.toml", "--session", "p-0", "--format", "svg"]),
        ("txt", vec!["replay", "a.toml", "--session", "p-0"]),
        (
            "md",
            vec![
                "compare",
                "a.toml",
                "--choice",
                &choice,
                "--choice",
                obeyed,
                "--by",
                "sessions.opened",
                "--format",
                "markdown",
            ],
        ),
        ("txt", vec!["compare", "a.toml", "--choice", &choice, "--by", "sessions.opened", "--out", "c"]),
        ("txt", vec!["sweep", "a.toml", "--seeds", "0..3", "--grid", "clients.p.path=/=1+1,/x"]),
        ("txt", vec!["hunt", "a.toml", "--seeds", "0..3"]),
        (
            "md",
            vec![
                "capacity",
                "a.toml",
                "--vary",
                "clients.p.count",
                "--slo",
                "sessions.opened >= 1%",
                "--seeds",
                "1",
                "--to",
                "40",
                "--format",
                "markdown",
            ],
        ),
        ("txt", vec!["compare", "a.toml", "--choice", obeyed]),
        ("txt", vec!["run", "\u{1b}[31mnowhere\u{202e}.toml"]),
    ] {
        let output = ran(place.path(), &line);
        assert!(output.status.code().is_some_and(|code| code <= 2), "{line:?}: {}", text(&output.stderr));
        inert(&line.join(" "), kind, &text(&output.stdout));
        inert(&line.join(" "), "txt", &text(&output.stderr));
    }
    let mut kinds = std::collections::BTreeSet::new();
    for file in files(place.path()).iter().filter(|file| file.parent() != Some(place.path())) {
        let kind = file.extension().and_then(|kind| kind.to_str()).unwrap_or_default();
        let Ok(shown) = fs::read_to_string(file) else { continue };
        kinds.insert(kind.to_string());
        inert(&file.display().to_string(), kind, &shown);
    }
    for kind in ["html", "svg", "csv", "md", "json"] {
        assert!(kinds.contains(kind), "no {kind} was written: {kinds:?}");
    }
}
