//! Secrets of a scenario: what every command prints and writes is searched for them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::common::{ran, shakedown, text};

/// What no output may have; the last is what Basic makes of the first two.
const PLANTED: [&str; 3] = ["plantedUser", "plantedPassword", "cGxhbnRlZFVzZXI6cGxhbnRlZFBhc3N3b3Jk"];

const LOGIN: &str = "{ user = 'plantedUser', password = 'plantedPassword' }";
const REFERENCE: &str = "{ user = { env = 'SHAKEDOWN_TEST_USER' }, password = { file = 'password' } }";

/// Servers and a proxy that ask for a login. Some seeds fail what is expected.
fn scenario(login: &str) -> String {
    format!(
        "format = 1\ntitle = 'A login'\nduration = '8s'\n[servers.gateway]\ncount = 2\nbehavior = {{ kind = 'challenge', \
         credentials = {login} }}\n[proxies.way]\ncredentials = {login}\n[clients.p]\ncount = 40\nendpoints = 'gateway'\n\
         arrive = {{ evenly_over = '2s' }}\ncredentials = {login}\nproxy = 'way'\nproxy_credentials = {login}\n\
         [chaos]\nfaults = 2\ntargets = ['gateway']\n[variants.few]\nclients.p.count = 20\nclients.p.credentials.password = 'plantedPassword'\n\
         [expect]\n\"lost.total\" = \"== 0\"\n\"availability.mean\" = \">= 99.99%\"\n"
    )
}

fn shown(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), text(&output.stderr))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn has_planted(bytes: &[u8]) -> bool {
    PLANTED.iter().any(|planted| bytes.windows(planted.len()).any(|part| part == planted.as_bytes()))
}

/// The commands that run without a partner on the network, and their exit codes.
const COMMANDS: &[(&str, &[i32])] = &[
    ("check a.toml", &[0]),
    ("check a.toml --set clients.p.credentials=plantedPassword", &[2]),
    ("check a.toml --set clients.p.credentials.password.x=plantedPassword", &[2]),
    ("check a.toml --set clients.p.pasword=plantedPassword", &[2]),
    ("check a.toml --set proxies.way.auth_time=-1 --set proxies.way.credentials.password=plantedPassword", &[2]),
    ("list .", &[0]),
    ("run a.toml --events --check-determinism", &[0, 1]),
    ("run a.toml --variant few --set clients.p.credentials.password=plantedPassword --format json", &[0, 1]),
    ("run a.toml --format csv --out csv", &[0, 1]),
    ("run a.toml --format markdown --out csv", &[0, 1]),
    ("run a.toml --format junit --out csv", &[0, 1]),
    ("run a.toml --format openmetrics --out csv", &[0, 1]),
    (
        "run a.toml --driver tokio --set duration='2s' --set clients.p.count=4 --set clients.p.credentials.user=plantedUser",
        &[0, 1],
    ),
    (
        "load a.toml --target gateway=ws://127.0.0.1:1 --set duration='1s' --set chaos.faults=0 --set clients.p.credentials.password=plantedPassword",
        &[0, 1, 2, 3],
    ),
    ("compare a.toml --grid clients.p.credentials.password=plantedPassword,plantedUser --by sessions.opened", &[0]),
    ("compare a.toml --choice one:clients.p.credentials.password=plantedPassword --format json --out choice", &[0]),
    ("compare a.toml --choice one:clients.p.credentials.password=plantedPassword --format markdown --out choice", &[0]),
    ("replay a.toml --session p-0 --set clients.p.credentials.password=plantedPassword", &[0]),
    ("replay a.toml --session p-0 --format svg", &[0]),
    ("replay a.toml --session p-0 --format pcapng", &[0]),
    ("replay a.toml --session p-0 --format perfetto", &[0]),
    ("replay a.toml --session p-0 --format jsonl", &[0]),
    ("sweep a.toml --seeds 0..4 --grid clients.p.credentials.password=plantedPassword,plantedUser", &[0, 1]),
    ("sweep a.toml --seeds 0..4 --grid clients.p.credentials.password=plantedPassword,,plantedUser", &[2]),
    (
        "sweep a.toml --seeds 0..2 --set clients.p.credentials.password=plantedPassword --format json --shard 0/2 --out x0",
        &[0, 1],
    ),
    ("sweep a.toml --seeds 0..2 --set clients.p.credentials.password=plantedPassword --shard 1/2 --out x1", &[0, 1]),
    ("merge x0 x1 --out x", &[0, 1]),
    ("hunt a.toml --seeds 0..20 --set clients.p.credentials.password=plantedPassword", &[1]),
    ("capacity a.toml --vary clients.p.count --slo sessions.opened>=1% --seeds 1 --to 60 --format json", &[0, 1]),
    ("capacity a.toml --vary clients.p.credentials.password --slo sessions.opened>=1%", &[2]),
    ("load a.toml --target gateway=http://plantedUser:plantedPassword@127.0.0.1:1 --set chaos.faults=0", &[2]),
    (
        "load a.toml --target gateway=ws://plantedUser:plantedPassword@127.0.0.1:1 --target way=http://127.0.0.1:1 --set duration='1s' --set clients.p.arrive={evenly_over='500ms'} --out loaded",
        &[0, 1, 2, 3],
    ),
    ("report csv x choice", &[0]),
    ("verify csv", &[0]),
];

/// Runs them all, and gives the files in which something of what was planted is.
fn written(login: &str) -> Vec<PathBuf> {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("a.toml"), scenario(login)).unwrap();
    fs::write(place.path().join("password"), "plantedPassword\n").unwrap();
    for (line, codes) in COMMANDS {
        let words: Vec<&str> = line.split(' ').collect();
        let mut command = shakedown(place.path(), &words);
        let output = command.env("SHAKEDOWN_TEST_USER", "plantedUser").output().unwrap();
        let shown = shown(&output);
        assert!(codes.contains(&output.status.code().unwrap()), "{line}: {:?}\n{shown}", output.status);
        assert!(!has_planted(&output.stdout) && !has_planted(&output.stderr), "{line}\n{shown}");
    }
    let with_secrets = files(place.path()).into_iter().filter(|file| has_planted(&fs::read(file).unwrap()));
    let kept: Vec<PathBuf> = with_secrets.filter(|file| file.parent() != Some(place.path())).collect();
    for file in &kept {
        let name = file.file_name().unwrap().to_str().unwrap();
        let is_named = ["run.json", "sweep.json", "compare.json", "capacity.json", "hunt.json"].contains(&name);
        assert!(is_named || (name.starts_with("repro-") && name.ends_with(".toml")), "{}", file.display());
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(file).unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600, "{}", file.display());
        }
    }
    kept.iter().map(|file| file.file_name().unwrap().into()).collect()
}

#[test]
fn a_secret_stands_only_in_files_of_its_owner() {
    let kept = written(LOGIN);
    for name in ["run.json", "sweep.json", "compare.json", "capacity.json", "hunt.json"] {
        assert!(kept.iter().any(|kept| kept == Path::new(name)), "{name} has it, for the rerun");
    }
}

#[test]
fn a_secret_of_the_environment_or_a_file_stands_nowhere() {
    // The variant and what is set on the command line contain it; the scenario itself only says where it is.
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("a.toml"), scenario(REFERENCE).replace("'plantedPassword'", "{ env = 'X' }")).unwrap();
    fs::write(place.path().join("password"), "plantedPassword\n").unwrap();
    let run = |args: &[&str], user: &str| {
        let output = shakedown(place.path(), args).env("SHAKEDOWN_TEST_USER", user).output().unwrap();
        assert!(!has_planted(&output.stdout) && !has_planted(&output.stderr), "{}", shown(&output));
        output
    };
    for args in [
        &["run", "a.toml", "--out", "one", "--events"][..],
        &["sweep", "a.toml", "--seeds", "0..2"],
        &["hunt", "a.toml", "--seeds", "0..20"],
        &["compare", "a.toml", "--variants", "as-written"],
        &["check", "a.toml", "--resolved"],
    ] {
        let output = run(args, "plantedUser");
        assert!([0, 1].contains(&output.status.code().unwrap()), "{args:?}: {}", shown(&output));
    }
    for file in files(place.path()).iter().filter(|file| file.parent() != Some(place.path())) {
        assert!(!has_planted(&fs::read(file).unwrap()), "{}", file.display());
    }
    let summary = |folder: &str| fs::read_to_string(place.path().join(folder).join("summary.json")).unwrap();
    assert!(!summary("one").contains("\"unauthorized\": 40"), "the login was accepted");
    // The hash is that of the reference. Whoever knows the secret can make the run again.
    let hash = |folder: &str| {
        let run = fs::read_to_string(place.path().join(folder).join("run.json")).unwrap();
        serde_json::from_str::<serde_json::Value>(&run).unwrap()["scenario_hash"].clone()
    };
    run(&["run", "a.toml", "--out", "two"], "otherUsers1");
    assert_eq!(hash("one"), hash("two"));
    assert_eq!(run(&["verify", "one"], "plantedUser").status.code(), Some(0));
    // What is not there is said with its place, and only a run needs it.
    let missing = ran(place.path(), &["run", "a.toml"]);
    assert_eq!(missing.status.code(), Some(2));
    let said = text(&missing.stderr);
    assert!(
        said.contains("the environment has no variable `SHAKEDOWN_TEST_USER`") && said.contains("a.toml:13"),
        "{said}"
    );
    assert_eq!(ran(place.path(), &["check", "a.toml"]).status.code(), Some(0));
}
