//! The version of the documents in a result folder.

use serde_json::Value as Json;

/// The version of the form of all documents.
pub const FORMAT_VERSION: u32 = 2;

/// Whether a recorded document is of the version that this program reads and writes.
///
/// # Errors
/// Which version it is of, who wrote it, and what to do. Documents without a version pass: they are not
/// ours, and their reader says what is wrong with them.
pub fn readable(document: &Json) -> Result<(), String> {
    let version = match document.get("format_version").and_then(Json::as_u64) {
        Some(version) if version != u64::from(FORMAT_VERSION) => version,
        _ => return Ok(()),
    };
    let by = document["version"].as_str().map_or(String::new(), |by| format!(", written by Shakedown {by}"));
    let ours = env!("CARGO_PKG_VERSION");
    let help = match document["command"].as_str() {
        Some(command) => format!("run it again to have the folder anew: {command}"),
        None => "run it again to have the folder anew".into(),
    };
    let other = if version > u64::from(FORMAT_VERSION) {
        "or use a newer Shakedown"
    } else {
        "or use the Shakedown that wrote it"
    };
    Err(format!(
        "format_version {version}{by}, and this one ({ours}) reads format_version {FORMAT_VERSION} only; {help}, {other}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn another_version_is_named_with_what_to_do() {
        assert_eq!(readable(&json!({ "format_version": FORMAT_VERSION })), Ok(()));
        assert_eq!(readable(&json!({ "no": "version" })), Ok(()));
        let old = json!({ "format_version": 1, "version": "0.0.9", "command": "shakedown run a.toml" });
        let says = readable(&old).unwrap_err();
        for part in [
            "format_version 1, written by Shakedown 0.0.9",
            "format_version 2",
            "shakedown run a.toml",
            "that wrote it",
        ] {
            assert!(says.contains(part), "{says}");
        }
        assert!(readable(&json!({ "format_version": 3 })).unwrap_err().contains("a newer Shakedown"));
    }
}
