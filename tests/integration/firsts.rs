//! `when = { first = N }`: a behavior for the first requests of each server.

use crate::common::{count, load, summary};

/// Two servers that turn the first two requests for a path away, and sessions that try again until they open.
fn fleet(when: &str, more: &str) -> String {
    format!(
        "format = 1\ntitle = \"first\"\nduration = \"30s\"\n[servers.gateway]\ncount = 2\n\
         behavior = [{{ kind = \"reject\", status = 503, when = {{ {when} }} }}, {{ kind = \"accept\" }}]\n\
         [clients.players]\ncount = 20\narrive = {{ evenly_over = \"2s\" }}\nendpoints = [\"gateway\"]\npath = \"/chat\"\n\
         retry = {{ policy = \"fixed\", base = \"500ms\" }}\n{more}"
    )
}

#[test]
fn the_first_requests_of_each_server_fail_and_the_others_open() {
    let summary = summary(&fleet("first = 2", ""));
    assert_eq!((count(&summary, "attempts.rejected"), count(&summary, "sessions.opened")), (4, 20));
}

#[test]
fn others_paths_are_not_counted_and_a_new_process_counts_anew() {
    let elsewhere = summary(&fleet("first = 2, path = \"/other\"", ""));
    assert_eq!(count(&elsewhere, "attempts.rejected"), 0);
    let crash = "[faults.dies]\nkind = \"crash\"\ntarget = \"gateway\"\nat = \"10s\"\nfor = \"100ms\"\n";
    let again = summary(&fleet("first = 2", crash));
    assert_eq!((count(&again, "attempts.rejected"), count(&again, "sessions.open_at_end")), (8, 20));
}

#[test]
fn the_first_none_is_refused() {
    let said = load(&fleet("first = 0", "")).unwrap_err();
    assert!(said.contains("the first 0 requests: it never applies"), "{said}");
}
