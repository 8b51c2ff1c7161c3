//! The names of a scenario's servers, for programs: an `/etc/hosts` that only this run's programs see, and where it has names that
//! are looked up, an `/etc/resolv.conf`.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};
use rustix::thread::UnshareFlags;
use shakedown_core::scenario::Scenario;

use super::dns;
use super::hosts::Hosts;
use super::namespace::leave;

const HOSTS: &str = "/etc/hosts";
const RESOLVER: &str = "/etc/resolv.conf";

/// The calling thread, and whatever it starts, knows servers and their groups by name from then on, and whom to ask for others.
pub(super) fn know(scenario: &Scenario) -> io::Result<()> {
    // First of all, as nobody else's file may be covered.
    leave(UnshareFlags::NEWNS)?;
    mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)?;
    cover(HOSTS, &text(scenario))?;
    match scenario.dns().is_empty() {
        true => Ok(()),
        false => cover(RESOLVER, &format!("nameserver {}\n", dns::RESOLVER)),
    }
}

/// A file has this text from now on, for whoever has the calling thread's mounts.
fn cover(path: &str, text: &str) -> io::Result<()> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let file = Path::new("/tmp").join(format!("shakedown-{name}-{}", std::process::id()));
    fs::write(&file, text)?;
    let mounted = mount_bind(&file, Path::new(path));
    // What is mounted keeps it.
    let _ = fs::remove_file(&file);
    Ok(mounted?)
}

fn text(scenario: &Scenario) -> String {
    let mut text = "127.0.0.1 localhost\n".to_string();
    for (number, server) in (0..).zip(scenario.servers()) {
        let group = scenario.groups().get_index(server.group).map_or("", |(name, _)| name.as_str());
        let group = if group == server.name { "" } else { group };
        let _ = writeln!(text, "{} {} {group}", Hosts::server_ip(number), server.name);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use shakedown_scenario::Overrides;

    #[test]
    fn a_group_is_the_name_of_all_its_members() {
        let scenario = "format = 1\ntitle = 't'\nduration = '1s'\n[clients.a]\ncount = 1\nendpoints = ['s']\narrive = 'at_once'\n\
                        [servers.s]\ncount = 2\n[servers.t]\n";
        let scenario = shakedown_scenario::load("t", "t", scenario, &Overrides::default()).unwrap();
        let expected = "127.0.0.1 localhost\n10.0.0.1 s-0 s\n10.0.0.2 s-1 s\n10.0.0.3 t-0 t\n";
        assert_eq!(text(&scenario), expected);
    }
}
