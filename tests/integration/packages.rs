//! What is published besides the code: the crates' files, the Dockerfile, workflows, and the GitHub Action. `deploy/try-release`
//! makes the packages.

use std::fs;
use std::process::Command;

use crate::common::{read, repository, said, text};

fn manifest() -> toml::Table {
    read("Cargo.toml").parse().unwrap()
}

/// What `cargo package` would pack.
fn packed(package: &str) -> Vec<String> {
    let args = ["package", "--package", package, "--list", "--allow-dirty", "--offline", "--locked"];
    let listed = Command::new(env!("CARGO")).args(args).current_dir(repository("")).output().unwrap();
    assert!(listed.status.success(), "{}", text(&listed.stderr));
    text(&listed.stdout).lines().map(ToString::to_string).collect()
}

#[test]
fn the_package_has_what_its_sources_and_readme_show() {
    let packed = packed("shakedown");
    let readme = read("README.md");
    let pictures: Vec<&str> =
        readme.split("![").skip(1).map(|rest| rest.split_once("](").unwrap().1.split_once(')').unwrap().0).collect();
    assert!(!pictures.is_empty());
    let more = ["scenarios/schema.json", "src/report/page/page.js", "src/cli/starter.toml", "LICENSE-MIT"];
    for file in pictures.into_iter().chain(more) {
        assert!(packed.iter().any(|one| one == file), "{file} is not packed");
    }
    assert!(
        !packed.iter().any(|file| file.starts_with("tests/") || file.ends_with(".json") && file.starts_with("results"))
    );
}

/// The instructions of the Dockerfile, each with its words.
fn instructions() -> Vec<Vec<String>> {
    let whole = read("Dockerfile").replace("\\\n", " ");
    let lines = whole.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(|line| line.split_whitespace().map(ToString::to_string).collect()).collect()
}

#[test]
fn the_image_is_built_from_what_is_there_and_runs_as_nobody() {
    let (instructions, manifest) = (instructions(), manifest());
    let known = ["FROM", "WORKDIR", "COPY", "RUN", "USER", "ENTRYPOINT", "CMD"];
    assert!(instructions.iter().all(|one| known.contains(&one[0].as_str())), "{instructions:?}");
    let stages: Vec<usize> = (0..instructions.len()).filter(|nth| instructions[*nth][0] == "FROM").collect();
    assert_eq!(stages.len(), 2);
    // Images of a named release, and the toolchain that the manifest asks for.
    let rust = manifest["workspace"]["package"]["rust-version"].as_str().unwrap();
    assert!(instructions[0][1].starts_with(&format!("rust:{rust}-slim-")), "{:?}", instructions[0]);
    assert_eq!(instructions[stages[1]][1].split_once(':').map(|(_, tag)| tag.contains("latest")), Some(false));
    let last = &instructions[stages[1]..];
    let user = last.iter().rposition(|one| one[0] == "USER").expect("a user");
    assert!(!["0", "root", "0:0"].contains(&last[user][1].as_str()));
    assert!(last[user..].iter().all(|one| one[0] != "RUN") && last[user..].iter().any(|one| one[0] == "ENTRYPOINT"));
    // Of what is copied, and of nothing else, cargo reads the workspace.
    let place = tempfile::tempdir().unwrap();
    let ignored = read(".dockerignore");
    for copy in instructions[..stages[1]].iter().filter(|one| one[0] == "COPY") {
        let (sources, to) = copy[1..].split_at(copy.len() - 2);
        for source in sources {
            assert!(
                ignored.lines().any(|line| line.strip_prefix('!') == Some(source)),
                ".dockerignore leaves {source} out"
            );
            let to = if to[0] == "./" { source } else { &to[0] };
            let to = place.path().join(to);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            let copied =
                Command::new("cp").args(["-rL".as_ref(), repository(source).as_os_str(), to.as_os_str()]).status();
            assert!(copied.unwrap().success(), "{source}");
        }
    }
    let mut cargo = Command::new(env!("CARGO"));
    let args = ["metadata", "--format-version", "1", "--no-deps", "--offline", "--locked"];
    let (code, said) = said({
        cargo.args(args).current_dir(place.path());
        cargo
    });
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn debian_packs_what_is_there() {
    let manifest = manifest();
    let release = read("deploy/release");
    let assets = manifest["package"]["metadata"]["deb"]["assets"].as_array().unwrap();
    for asset in assets {
        let source = asset[0].as_str().unwrap();
        let made = source.strip_prefix("target/release/").map(|name| name.trim_end_matches("/*.1.gz"));
        let there = match made {
            Some(name) => release.contains(&format!("$dist/{name}")),
            None => repository(source.trim_end_matches("/*.toml")).exists(),
        };
        assert!(there, "{source}");
    }
}

#[test]
fn workflows_call_the_gate() {
    let rust = manifest()["workspace"]["package"]["rust-version"].as_str().unwrap().to_string();
    let mut called = Vec::new();
    for workflow in ["ci", "long", "release"] {
        let workflow = read(&format!(".github/workflows/{workflow}.yml"));
        assert!(workflow.contains(&format!("rustup toolchain install {rust} ")), "{workflow}");
        assert!(workflow.contains("permissions:\n  contents: "), "{workflow}");
        for line in workflow.lines().filter_map(|line| line.trim().strip_prefix("- run: ")) {
            let program = line.split_whitespace().next().unwrap();
            if program.contains('/') {
                assert!(repository(program).is_file(), "{program}");
                called.push(program.to_string());
            }
        }
    }
    assert_eq!(called, [".ci/run", ".ci/long", ".ci/run", "deploy/release"]);
}

/// What action.yml runs, with a `gh` that notes how it was called and knows one comment.
#[test]
fn the_action_comments_once_and_fails_as_the_run_does() {
    let action = read("action.yml");
    let names = ["SCENARIO", "ARGUMENTS", "OUT", "COMMENT", "GH_TOKEN"];
    assert!(names.iter().all(|name| action.contains(&format!("        {name}: ${{{{ inputs."))), "{action}");
    let place = tempfile::tempdir().unwrap();
    let bin = place.path().join("bin");
    fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_shakedown"), bin.join("shakedown")).unwrap();
    let gh = "#!/bin/sh\necho \"$@\" >> calls\ncase \"$*\" in *--jq*) cat known;; *denied*) exit 1;; esac\n";
    fs::write(bin.join("gh"), gh).unwrap();
    std::process::Command::new("chmod").args(["+x", bin.join("gh").to_str().unwrap()]).status().unwrap();
    let run = |expected: &str, known: &str, project: &str, reference: &str| {
        for file in ["calls", "summary"] {
            fs::write(place.path().join(file), "").unwrap();
        }
        fs::write(place.path().join("known"), known).unwrap();
        let mut command = Command::new("bash");
        command.arg(repository("deploy/action")).current_dir(place.path());
        command.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
        command.env("ARGUMENTS", format!("--set\nclients.players.count=50\n--set\nexpect={{ {expected} }}\n"));
        command.envs([("OUT", "out"), ("COMMENT", "true"), ("GITHUB_STEP_SUMMARY", "summary")]);
        command.env("SCENARIO", repository("scenarios/failover.toml"));
        command.envs([("GITHUB_REPOSITORY", project), ("GITHUB_REF", reference)]);
        let (code, said) = said(command);
        let file = |name: &str| fs::read_to_string(place.path().join(name)).unwrap();
        (code, said, file("calls"), file("summary"))
    };
    let (holds, fails) = ("'sessions.opened' = '> 0'", "'sessions.opened' = '== 0'");
    let (code, errors, calls, summary) = run(holds, "", "me/mine", "refs/pull/7/merge");
    assert_eq!(code, Some(0), "{errors}");
    assert!(summary.starts_with("<!-- shakedown ") && summary.contains("sessions.opened"), "{summary}");
    let last = |calls: &str| calls.lines().last().unwrap_or_default().to_string();
    assert!(last(&calls).starts_with("api --silent repos/me/mine/issues/7/comments -F body=@"), "{calls}");
    let (code, _, calls, summary) = run(fails, "41\n42\n", "me/mine", "refs/pull/7/merge");
    assert_eq!(code, Some(1));
    assert!(summary.contains("FAILED"), "{summary}");
    assert!(
        last(&calls).starts_with("api --silent --method PATCH repos/me/mine/issues/comments/42 -F body=@"),
        "{calls}"
    );
    // Not a pull request, one that may not be commented, and a scenario that is wrong.
    let (code, _, calls, _) = run(holds, "", "me/mine", "refs/heads/main");
    assert_eq!((code, calls.as_str()), (Some(0), ""));
    let (code, said, ..) = run(holds, "", "me/denied", "refs/pull/7/merge");
    assert!(code == Some(0) && said.contains("::warning::Shakedown can't comment"), "{said}");
    let (code, said, _, summary) = run("'sessions.opend' = '> 0'", "", "me/mine", "refs/pull/7/merge");
    assert!(code == Some(2) && said.contains("sessions.opend") && summary.is_empty(), "{said}{summary}");
}
