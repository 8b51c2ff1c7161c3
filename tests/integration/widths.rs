//! What is printed fits a terminal that nobody has widened.

use crate::common::{ran, scenario_file, text};

/// Lines that are no tables and no prose, but are to be copied whole: commands, folders, metrics with their bounds.
const WHOLE: [&str; 7] =
    ["passed  ", "FAILED  ", "results in ", "took ", "digest ", "replay it: ", "it fails by itself: "];

#[test]
fn what_is_printed_is_no_wider_than_80_columns() {
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str| scenario_file(name).to_str().unwrap().to_string();
    let (failover, small) = (file("failover"), ["--set", "clients.players.count=300"]);
    let long = "clients.players.retry.policy=full-jitter,fixed,exponential";
    let objective = "handshake_latency.p99 < 250ms";
    let verbose = |name: &str, more: &[&str]| -> Vec<String> {
        let scenario = file(name);
        let all = [&["run", &scenario, "--verbose", "--no-exemplars", "--out", name.rsplit('/').next().unwrap()], more]
            .concat();
        all.into_iter().map(String::from).collect()
    };
    let many = |command: &str, more: &[&str]| -> Vec<String> {
        let all = [&[command, failover.as_str(), "--verbose", "--out", command], &small[..], more].concat();
        all.into_iter().map(String::from).collect()
    };
    let commands = [
        verbose("failover", &small),
        verbose("zone-loss", &["--set", "clients.players.count=1200"]),
        verbose("black-hole", &[]),
        verbose("redirect", &["--set", "clients.players.count=500"]),
        verbose("l4-versus-redirect/l4-terminate", &["--set", "clients.players.count=500"]),
        many("sweep", &["--seeds", "0..3", "--grid", long]),
        many("compare", &["--seeds", "0..3", "--grid", long]),
        many("capacity", &["--vary", "servers.gateway.workers", "--slo", objective, "--seeds", "2", "--to", "4"]),
    ];
    for command in commands {
        let output = ran(place.path(), &command.iter().map(String::as_str).collect::<Vec<_>>());
        let printed = text(&output.stdout);
        assert!(printed.lines().count() > 5, "{command:?}: {printed}{}", text(&output.stderr));
        for line in printed.lines().filter(|line| !WHOLE.iter().any(|begin| line.starts_with(begin))) {
            assert!(line.chars().count() <= 80, "{command:?} is wider than 80 columns: {line}");
        }
    }
}
