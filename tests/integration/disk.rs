//! A disk that is full, in a mount namespace of the test's own.
#![cfg(target_os = "linux")]

use std::process::Command;

use crate::common::text;

/// What a command says that writes to a disk of 32 KiB, its exit code, and what is on that disk then; nothing where no disk
/// can be mounted.
fn on_a_small_disk(command: &str) -> Option<(String, i32, Vec<String>)> {
    let place = tempfile::tempdir().unwrap();
    let script = format!(
        "mount -t tmpfs -o size=32k none '{place}' || exit 99; cd '{place}'; '{program}' {command} >/dev/null; code=$?; \
         ls -A; exit $code",
        place = place.path().display(),
        program = env!("CARGO_BIN_EXE_shakedown"),
    );
    let output = Command::new("unshare").args(["-rm", "sh", "-c", &script]).output();
    match output {
        Ok(output) if matches!(output.status.code(), Some(0..=3)) && !text(&output.stderr).starts_with("unshare") => {
            let left = text(&output.stdout).lines().map(str::to_string).collect();
            Some((text(&output.stderr), output.status.code()?, left))
        }
        refused => {
            println!("SKIPPED: no disk can be mounted here: {refused:?}");
            None
        }
    }
}

#[test]
fn a_full_disk_is_named_and_leaves_nothing_false() {
    let scenario = format!("{}/scenarios/failover.toml", env!("CARGO_MANIFEST_DIR"));
    let run = format!("run {scenario} --set clients.players.count=600 --out out --quiet");
    let Some((said, code, left)) = on_a_small_disk(&run) else { return };
    assert!(said.starts_with("error: can't write ") && said.contains("No space left on device"), "{said}");
    assert_eq!((code, left), (3, Vec::<String>::new()), "{said}");
    // What a sweep has done is kept, and marked as a part of it.
    let sweep = format!("sweep {scenario} --set clients.players.count=20 --seeds 0..40 --out out --quiet");
    let (said, code, left) = on_a_small_disk(&sweep).unwrap();
    assert!(said.contains("out-partial/rows.jsonl: No space left on device"), "{said}");
    assert_eq!((code, left), (3, vec!["out-partial".to_string()]), "{said}");
}
