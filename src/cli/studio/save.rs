//! Files that the studio writes: below its folder, and none replaced that the user has not said may be.

use std::io::Write;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::answer::problem;
use super::state::Studio;
use crate::scenario::Problem;

/// What is to be written.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    path: String,
    /// A scenario's text; else the report of this number.
    text: Option<String>,
    report: Option<u64>,
    #[serde(default)]
    replace: bool,
}

impl Studio {
    pub(super) fn save(&self, wanted: &Wanted) -> Json {
        let (bytes, ending) = match (&wanted.text, wanted.report.and_then(|number| self.report(number))) {
            (Some(text), _) => (text.clone(), "toml"),
            (None, Some(page)) => (page, "html"),
            (None, None) => {
                return problem(&Problem::new("there is no such report any more").with_help("run it again"));
            }
        };
        let path = match target(&self.root, &wanted.path, ending) {
            Ok(path) => path,
            Err(why) => return problem(&Problem::new(why)),
        };
        match write(&path, bytes.as_bytes(), wanted.replace) {
            Ok(()) => json!({ "ok": true, "path": path.display().to_string() }),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => json!({ "ok": false, "exists": true }),
            Err(error) => problem(&Problem::new(format!("can't write {}: {error}", path.display()))),
        }
    }
}

/// Where a name leads, if that is a file below `root` with this ending.
fn target(root: &Path, name: &str, ending: &str) -> Result<PathBuf, String> {
    let path = Path::new(name);
    let plain = |part: Component<'_>| match part {
        Component::Normal(part) => {
            part.to_str().is_some_and(|part| !part.starts_with('.') && !part.contains(char::is_control))
        }
        _ => false,
    };
    if name.is_empty() || !path.components().all(plain) {
        return Err(format!("`{}` is no file below {}", name.escape_debug(), root.display()));
    }
    if path.extension().is_none_or(|own| own != ending) {
        return Err(format!("`{name}` does not end in .{ending}"));
    }
    let whole = root.join(path);
    // A link could lead elsewhere.
    let folder = whole.parent().unwrap_or(root).canonicalize();
    let folder = folder.map_err(|error| format!("there is no folder for `{name}`: {error}"))?;
    let root = root.canonicalize().map_err(|error| error.to_string())?;
    if !folder.starts_with(&root) {
        return Err(format!("`{name}` leads out of {}", root.display()));
    }
    let whole = folder.join(path.file_name().unwrap_or_default());
    match whole.symlink_metadata() {
        Ok(is) if !is.is_file() => Err(format!("`{name}` is no plain file")),
        _ => Ok(whole),
    }
}

/// Writes a file that is whole, or not there.
fn write(path: &Path, bytes: &[u8], replace: bool) -> std::io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new(".")))?;
    file.write_all(bytes)?;
    #[cfg(unix)]
    {
        // tempfile makes private files.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(path.metadata().map_or(mode, |old| old.permissions()))?;
    }
    match replace {
        true => file.persist(path).map(drop).map_err(|error| error.error),
        false => file.persist_noclobber(path).map(drop).map_err(|error| error.error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere_else() {
        let place = tempfile::tempdir().unwrap();
        let (root, outside) = (place.path().join("root"), place.path().join("outside"));
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::fs::create_dir(root.join("folder.toml")).unwrap();
        std::os::unix::fs::symlink(&outside, root.join("link")).unwrap();
        std::os::unix::fs::symlink(outside.join("x.toml"), root.join("link.toml")).unwrap();
        for good in ["x.toml", "sub/x.toml", "a b.toml"] {
            assert!(target(&root, good, "toml").is_ok(), "{good}");
        }
        for bad in [
            "",
            "x",
            "x.html",
            ".toml",
            "../x.toml",
            "sub/../../x.toml",
            "/tmp/x.toml",
            "link/x.toml",
            "link.toml",
            "folder.toml",
            "none/x.toml",
            ".git/x.toml",
            "x\n.toml",
            "./x.toml",
            "sub/.x.toml",
        ] {
            assert!(target(&root, bad, "toml").is_err(), "{bad}");
        }
        assert!(target(&root, "x.html", "html").is_ok());
    }

    #[test]
    fn nothing_is_replaced_unasked() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("x.toml");
        write(&path, b"one", false).unwrap();
        assert_eq!(write(&path, b"two", false).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"one");
        write(&path, b"two", true).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(place.path()).unwrap().count(), 1);
    }
}
