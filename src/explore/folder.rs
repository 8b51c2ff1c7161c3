//! A run's folder appears whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::driver::Driver;
use crate::report::holds_secret;
use crate::report::page::{PAGE, PageError, READ, Recorded, page};
use crate::scenario::Scenario;

/// Why a folder was not written.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Something else lies there.
    #[error("{} holds something else ({found}): move it away, or choose another place with --out DIR", folder.display())]
    Taken {
        /// The folder.
        folder: PathBuf,
        /// What was found in it.
        found: String,
    },
    /// The machine refused.
    #[error("can't write {}: {source}", path.display())]
    Io {
        /// What was being written.
        path: PathBuf,
        /// What the machine said.
        source: io::Error,
    },
}

/// Writes `files` into `folder`. They are written beside it first and moved in one step, so that nobody ever sees half
/// of them. A folder that is there is replaced only if it holds a run of the same scenario, driver and seed, or a
/// comparison of the same name; files in it that no command of ours writes are the user's, and stay in it.
///
/// # Errors
/// [`FolderError`]; the folder is then as it was before.
pub fn write_folder(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<(), FolderError> {
    write_folder_with(folder, files, None)
}

/// A file too long for memory, written beside the folder that it is for. It is gone when this is.
#[derive(Debug)]
pub struct PreparedFile {
    /// What it will be called.
    name: &'static str,
    file: tempfile::NamedTempFile,
}

impl PreparedFile {
    /// An empty file beside `folder`.
    ///
    /// # Errors
    /// [`FolderError`] when the machine refuses.
    pub fn beside(folder: &Path, name: &'static str) -> Result<PreparedFile, FolderError> {
        let parent = parent(folder);
        let failed = |source| FolderError::Io { path: parent.to_path_buf(), source };
        fs::create_dir_all(parent).map_err(failed)?;
        let file = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(parent).map_err(failed)?;
        Ok(PreparedFile { name, file })
    }

    /// What it is written with.
    ///
    /// # Errors
    /// [`FolderError`] when the machine refuses.
    pub fn writer(&self) -> Result<io::BufWriter<fs::File>, FolderError> {
        let failed = |source| FolderError::Io { path: self.file.path().to_path_buf(), source };
        Ok(io::BufWriter::with_capacity(1 << 20, self.file.reopen().map_err(failed)?))
    }
}

fn parent(folder: &Path) -> &Path {
    match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The same with a file that is written already.
///
/// # Errors
/// [`FolderError`]; the folder is then as it was before.
pub fn write_folder_with(
    folder: &Path,
    files: &[(String, Vec<u8>)],
    prepared: Option<PreparedFile>,
) -> Result<(), FolderError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |source| FolderError::Io { path, source }
    };
    // What a link leads to is replaced, not the link.
    let target = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf());
    let folder = target.as_path();
    may_replace(folder, files)?;
    let parent = parent(folder);
    fs::create_dir_all(parent).map_err(failed(parent))?;
    remove_leftovers(parent);
    let fresh = tempfile::Builder::new().prefix(TEMPORARY).tempdir_in(parent).map_err(failed(parent))?;
    // tempfile makes private folders; results are for everyone who may read the parent.
    let contents = fresh.path().join("new");
    fs::create_dir(&contents).map_err(failed(&contents))?;
    for (name, bytes) in files {
        let path = contents.join(name);
        write_file(&path, bytes, holds_secret(name, bytes)).map_err(failed(&path))?;
    }
    // Every result that has a page gets it; a share of a sweep and a hunt have none.
    if let Ok(page) = page(Recorded(files)) {
        let path = contents.join(PAGE);
        fs::write(&path, page).map_err(failed(&path))?;
    }
    if let Some(PreparedFile { name, file }) = prepared {
        let path = contents.join(name);
        // It was private, as temporary files are: the others' permissions are for it too.
        if let Some((like, _)) = files.iter().find(|(name, bytes)| !holds_secret(name, bytes)) {
            let permissions = fs::metadata(contents.join(like)).map_err(failed(&path))?.permissions();
            fs::set_permissions(file.path(), permissions).map_err(failed(&path))?;
        }
        file.persist(&path).map_err(|error| FolderError::Io { path, source: error.error })?;
    }
    let old = fresh.path().join("old");
    if folder.exists() {
        fs::rename(folder, &old).map_err(failed(folder))?;
    }
    if let Err(source) = fs::rename(&contents, folder) {
        // Put back what was there; if even that fails, the first error is the one to tell.
        let _ = fs::rename(&old, folder);
        return Err(FolderError::Io { path: folder.to_path_buf(), source });
    }
    for name in of_the_user(&old) {
        let kept = folder.join(&name);
        if let Err(source) = if kept.exists() { Ok(()) } else { fs::rename(old.join(&name), &kept) } {
            // It stays where it is found, rather than go with the folder.
            let _ = fresh.keep();
            return Err(FolderError::Io { path: kept, source });
        }
    }
    remove_partial(folder, files);
    Ok(())
}

/// Writes a new file; one that holds a secret only its owner may read, from the first byte on.
pub(super) fn write_file(path: &Path, bytes: &[u8], is_secret: bool) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    if is_secret {
        // One that was there keeps its permissions.
        let _ = fs::remove_file(path);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    options.open(path)?.write_all(bytes)
}

/// Whether a command of ours writes files of that name into result folders.
fn is_ours(name: &str) -> bool {
    const OURS: [&str; 12] = [
        "capacity.csv",
        "collapse.csv",
        "compare.csv",
        "events.jsonl",
        "exemplars.jsonl",
        "latency.hlog",
        "rows.csv",
        "runs.jsonl",
        "series.csv",
        "summary.json",
        "sweep.csv",
        "trace.pcapng",
    ];
    let path = Path::new(name);
    let ends_in = |ending: &str| path.extension().is_some_and(|extension| extension == ending);
    OURS.contains(&name)
        || HEADERS.contains(&name)
        || name == PAGE
        || READ.contains(&name)
        || ends_in("svg")
        || (name.starts_with("repro-") && ends_in("toml"))
}

/// What a folder holds that no command of ours wrote.
fn of_the_user(folder: &Path) -> Vec<std::ffi::OsString> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    entries.filter(|name| !name.to_str().is_some_and(is_ours)).collect()
}

/// What an interrupted run of the same left behind has been done now.
fn remove_partial(folder: &Path, files: &[(String, Vec<u8>)]) {
    let Some(name) = folder.file_name().and_then(|name| name.to_str()) else { return };
    let partial = folder.with_file_name(format!("{name}-partial"));
    if !name.ends_with("-partial") && may_replace(&partial, files).is_ok() && of_the_user(&partial).is_empty() {
        let _ = fs::remove_dir_all(partial);
    }
}

/// Removes what runs of this user that were killed left in a folder of results. A day old: no run of today loses what it
/// is writing.
fn remove_leftovers(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_temporary = entry.file_name().to_str().is_some_and(|name| name.starts_with(TEMPORARY));
        if is_temporary && entry.metadata().is_ok_and(|metadata| is_old(&metadata) && is_own(&metadata)) {
            let path = entry.path();
            let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
        }
    }
}

fn is_old(metadata: &fs::Metadata) -> bool {
    metadata.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age > LEFT_OVER_AFTER))
}

#[cfg(unix)]
fn is_own(metadata: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::uid(metadata) == rustix::process::geteuid().as_raw()
}

#[cfg(not(unix))]
fn is_own(_: &fs::Metadata) -> bool {
    true
}

/// The files of a result folder that reports are made from.
///
/// # Errors
/// When one can't be read; those that are not there are left out.
pub fn report_files(folder: &Path) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut files = Vec::new();
    for name in READ {
        let path = folder.join(name);
        match fs::read(&path) {
            Ok(bytes) => files.push((name.to_string(), bytes)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => return Err(format!("can't read {}: {error}", path.display())),
        }
    }
    Ok(files)
}

/// Makes a result folder's page from its recorded files, in place of the one that may be there. Returns where it is.
///
/// # Errors
/// What is missing, or why it can't be written.
pub fn rewrite_page(folder: &Path) -> Result<PathBuf, String> {
    let files = report_files(folder)?;
    let page = page(Recorded(&files)).map_err(|error: PageError| format!("{}: {error}", folder.display()))?;
    let path = folder.join(PAGE);
    let failed = |error: io::Error| format!("can't write {}: {error}", path.display());
    let fresh = tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(folder).map_err(failed)?;
    fs::write(fresh.path(), page).map_err(failed)?;
    // It was private, as temporary files are: the others' permissions are for it too.
    let others = files.iter().find(|(name, bytes)| !holds_secret(name, bytes));
    if let Some(like) = others.and_then(|(name, _)| fs::metadata(folder.join(name)).ok()) {
        fs::set_permissions(fresh.path(), like.permissions()).map_err(failed)?;
    }
    fresh.persist(&path).map_err(|error| failed(error.error))?;
    Ok(path)
}

/// Whether a driver's run of this scenario could be written to `folder`.
///
/// # Errors
/// [`FolderError`] when something else lies there, or something that can't be read.
pub fn may_hold(folder: &Path, scenario: &Scenario, driver: Driver) -> Result<(), FolderError> {
    may_make_way(folder, Some(&Identity(scenario.name().into(), driver.name().into(), scenario.seed().0.into())))
}

/// Whether a comparison of this name could be written to `folder`.
///
/// # Errors
/// [`FolderError`] when something else lies there, or something that can't be read.
pub fn may_hold_comparison(folder: &Path, name: &str) -> Result<(), FolderError> {
    may_make_way(folder, Some(&Identity(name.into(), "comparison".into(), serde_json::Value::Null)))
}

/// Whether a search for the capacity of this scenario by this key could be written to `folder`.
///
/// # Errors
/// [`FolderError`] when something else lies there, or something that can't be read.
pub fn may_hold_capacity(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<(), FolderError> {
    may_replace(folder, files)
}

/// Whether the sweep with this header could be written to `folder`.
///
/// # Errors
/// [`FolderError`] when something else lies there, or something that can't be read.
pub fn may_hold_sweep(folder: &Path, header: &str) -> Result<(), FolderError> {
    may_make_way(folder, identity(header.as_bytes()).as_ref())
}

/// How names of what is being written begin, and when such a thing is taken for what a killed run left.
const TEMPORARY: &str = ".shakedown-";
const LEFT_OVER_AFTER: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// The files that say what a folder holds: a run, a sweep, a comparison, what a hunt found, or a search for capacity.
const HEADERS: [&str; 5] = ["run.json", "sweep.json", "compare.json", "hunt.json", "capacity.json"];

/// Whose run it is: scenario, driver and seed, or seeds; of a comparison, its name and nothing else.
#[derive(PartialEq)]
struct Identity(serde_json::Value, serde_json::Value, serde_json::Value);

fn identity(run: &[u8]) -> Option<Identity> {
    let run: serde_json::Value = serde_json::from_slice(run).ok()?;
    let key = |name: &str| run.get(name).cloned();
    if let Some(name) = key("comparison") {
        return Some(Identity(name, "comparison".into(), serde_json::Value::Null));
    }
    if let Some(kind) = key("capacity") {
        let asked = key("question").or_else(|| key("scenario"))?;
        let name = asked.get("scenario").cloned().unwrap_or(asked);
        return Some(Identity(name, kind, "any seed".into()));
    }
    Some(Identity(key("scenario")?, key("driver")?, key("seeds").or_else(|| key("seed"))?))
}

fn may_replace(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<(), FolderError> {
    let ours = files.iter().find(|(name, _)| HEADERS.contains(&name.as_str())).and_then(|(_, bytes)| identity(bytes));
    may_make_way(folder, ours.as_ref())
}

/// Checks that `folder` can be written, before a long run whose result would be lost. It leaves nothing behind.
fn try_write(folder: &Path) -> Result<(), FolderError> {
    let there = parent(folder).ancestors().find(|path| path.exists()).filter(|path| !path.as_os_str().is_empty());
    let there = there.unwrap_or(Path::new("."));
    let tried = tempfile::Builder::new().prefix(TEMPORARY).tempdir_in(there);
    tried.map(drop).map_err(|source| FolderError::Io { path: folder.to_path_buf(), source })
}

/// Whether what lies at `folder` may make way, and something else could be written there.
fn may_make_way(folder: &Path, ours: Option<&Identity>) -> Result<(), FolderError> {
    try_write(folder)?;
    let taken = |found: &str| Err(FolderError::Taken { folder: folder.to_path_buf(), found: found.to_string() });
    match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return taken("a file"),
        Err(source) => return Err(FolderError::Io { path: folder.to_path_buf(), source }),
        Ok(mut entries) => {
            if entries.next().is_none() {
                return Ok(());
            }
        }
    }
    let headers = HEADERS.iter().filter_map(|name| fs::read(folder.join(name)).ok());
    match headers.into_iter().find_map(|bytes| identity(&bytes)) {
        None => taken("no run.json of a run"),
        Some(theirs) if ours == Some(&theirs) => Ok(()),
        Some(Identity(name, _, serde_json::Value::Null)) => {
            taken(&format!("a comparison of {}", name.as_str().unwrap_or_default()))
        }
        Some(Identity(scenario, driver, seed)) => taken(&format!("a run of {scenario}, driver {driver}, seed {seed}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seed: u64) -> Vec<(String, Vec<u8>)> {
        let run = format!(r#"{{"scenario":"a","driver":"sim","seed":{seed}}}"#);
        vec![("run.json".into(), run.into_bytes()), (format!("{seed}.svg"), b"x".to_vec())]
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_is_replaced_by_the_same_run_only() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("deep/a");
        write_folder(&folder, &run(1)).unwrap();
        fs::write(folder.join("stale.svg"), "old").unwrap();
        write_folder(&folder, &run(1)).unwrap();
        assert_eq!(names(&folder), ["1.svg", "run.json"]);
        let error = write_folder(&folder, &run(2)).unwrap_err();
        assert!(error.to_string().contains("seed 1"), "{error}");
        assert_eq!(names(&folder), ["1.svg", "run.json"]);
        assert_eq!(names(folder.parent().unwrap()), ["a"], "nothing is left beside it");
    }

    #[test]
    #[cfg(unix)]
    fn what_a_killed_run_left_is_removed_when_it_is_old_and_ones_own() {
        let place = tempfile::tempdir().unwrap();
        let long_ago = std::time::SystemTime::now() - 2 * LEFT_OVER_AFTER;
        let left = |name: &str, is_old: bool| {
            let path = place.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join("half"), "written").unwrap();
            if is_old {
                fs::File::open(&path).unwrap().set_modified(long_ago).unwrap();
            }
            path
        };
        left(".shakedown-old", true);
        left(".shakedown-young", false);
        left("notes", true);
        // Only root can give a file away.
        let foreign = left(".shakedown-foreign", true);
        let is_given = std::os::unix::fs::chown(&foreign, Some(4_711), None).is_ok();
        write_folder(&place.path().join("a"), &run(1)).unwrap();
        let kept: &[&str] = if is_given { &[".shakedown-foreign"] } else { &[] };
        let kept: Vec<&str> = kept.iter().copied().chain([".shakedown-young", "a", "notes"]).collect();
        assert_eq!(names(place.path()), kept);
    }

    #[test]
    fn what_the_user_put_beside_results_stays_in_them() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("a");
        write_folder(&folder, &run(1)).unwrap();
        fs::write(folder.join("notes.md"), "mine").unwrap();
        write_folder(&folder, &run(1)).unwrap();
        assert_eq!(fs::read_to_string(folder.join("notes.md")).unwrap(), "mine");
        assert_eq!(names(place.path()), ["a"]);
    }

    #[test]
    #[cfg(unix)]
    fn a_link_stays_a_link() {
        let place = tempfile::tempdir().unwrap();
        let (folder, link) = (place.path().join("a"), place.path().join("link"));
        fs::create_dir(&folder).unwrap();
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        write_folder(&link, &run(1)).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(names(&folder), ["1.svg", "run.json"]);
    }

    #[test]
    fn what_was_interrupted_goes_when_it_is_done() {
        let place = tempfile::tempdir().unwrap();
        write_folder(&place.path().join("a-partial"), &run(1)).unwrap();
        write_folder(&place.path().join("b-partial"), &run(2)).unwrap();
        fs::write(place.path().join("b-partial/notes.md"), "mine").unwrap();
        write_folder(&place.path().join("a"), &run(1)).unwrap();
        write_folder(&place.path().join("b"), &run(2)).unwrap();
        assert_eq!(names(place.path()), ["a", "b", "b-partial"]);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_refused_before_the_run() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("file"), "x").unwrap();
        let error = may_make_way(&place.path().join("file/below/a"), None).unwrap_err();
        assert!(matches!(error, FolderError::Io { .. }), "{error}");
        assert!(may_make_way(&place.path().join("deep/below/a"), None).is_ok());
        assert_eq!(names(place.path()), ["file"], "trying leaves nothing");
    }

    #[test]
    fn what_is_no_run_stays() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("thesis.txt"), "years of work").unwrap();
        assert!(matches!(write_folder(place.path(), &run(1)), Err(FolderError::Taken { .. })));
        let file = place.path().join("thesis.txt");
        assert!(matches!(write_folder(&file, &run(1)), Err(FolderError::Taken { .. })));
        assert_eq!(names(place.path()), ["thesis.txt"]);
    }

    #[test]
    fn a_failure_leaves_nothing_behind() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("a");
        let mut files = run(1);
        files.push(("no/such/folder".into(), Vec::new()));
        assert!(matches!(write_folder(&folder, &files), Err(FolderError::Io { .. })));
        assert_eq!(names(place.path()), Vec::<String>::new());
    }
}
