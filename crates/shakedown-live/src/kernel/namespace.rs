//! Network namespaces: a kernel's network of its own for each host, made without privileges where that is allowed.

use std::fs;
use std::fs::File;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::process::{getegid, geteuid};
use rustix::thread::{CapabilitySet, LinkNameSpaceType, UnshareFlags, capabilities, move_into_link_name_space};

use super::netlink::Netlink;

/// The device of every namespace.
pub(super) const DEVICE: &str = "wire";
/// Packets that wait in a device for the wire, before the kernel drops what comes.
const QUEUE: u32 = 100_000;

/// Where a namespace of the calling thread is found.
const OWN: &str = "/proc/thread-self/ns/net";

/// A network of its own.
#[derive(Debug)]
pub(super) struct Namespace(OwnedFd);

/// Its addresses.
#[derive(Debug, Clone, Copy)]
pub(super) enum Addresses {
    /// One.
    One(Ipv4Addr),
    /// This one and all others that begin with as many bits.
    Prefix(Ipv4Addr, u8),
}

impl Namespace {
    /// That of the calling thread.
    pub(super) fn own() -> io::Result<Namespace> {
        Ok(Namespace(File::open(OWN)?.into()))
    }

    /// A new one, with a device that leads to everybody else. The calling thread is in it from then on.
    pub(super) fn new(addresses: Addresses, settings: &[(&str, String)]) -> io::Result<(Namespace, File)> {
        leave(UnshareFlags::NEWNET)?;
        let device = shakedown_tun::open(DEVICE)?;
        // Nothing of the hosts' speaks it, and each interface would send packets of its own accord.
        let _ = set("ipv6/conf/all/disable_ipv6", "1");
        let netlink = Netlink::new()?;
        let (loopback, wire) = (Netlink::index("lo")?, Netlink::index(DEVICE)?);
        netlink.up(loopback, None)?;
        netlink.up(wire, Some(QUEUE))?;
        match addresses {
            Addresses::One(address) => netlink.address(wire, address, 32)?,
            Addresses::Prefix(address, prefix) => netlink.address(loopback, address, prefix)?,
        }
        netlink.default_route(wire)?;
        for (name, value) in settings {
            set(name, value).map_err(|error| {
                io::Error::new(error.kind(), format!("/proc/sys/net/{name} can't be set to {value}: {error}"))
            })?;
        }
        Ok((Namespace::own()?, device))
    }

    /// The calling thread is in it from now on.
    pub(super) fn enter(&self) -> io::Result<()> {
        Ok(move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network))?)
    }
}

/// Sets something of the calling thread's network, unless it is so already: in a container, nothing can be set.
fn set(name: &str, value: &str) -> io::Result<()> {
    let file = format!("/proc/sys/net/{name}");
    match fs::read_to_string(&file) {
        Ok(is) if is.trim() == value => Ok(()),
        // An older kernel does not have it, and does what it does where it is 0.
        Err(error) if error.kind() == io::ErrorKind::NotFound && value == "0" => Ok(()),
        _ => fs::write(file, value),
    }
}

/// What the kernel counted in the calling thread's network, of a file of `/proc/net`.
pub(super) fn counters(file: &str) -> String {
    fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap_or_default()
}

#[expect(
    deprecated,
    reason = "it trusts that nobody shares a table of descriptors by it, which these flags do not change"
)]
pub(super) fn leave(flags: UnshareFlags) -> io::Result<()> {
    Ok(rustix::thread::unshare(flags)?)
}

/// Makes sure that this process may make network namespaces with devices: it gets a user namespace of its own where it has
/// no such right, which takes that it has one thread only.
///
/// # Errors
/// What is missing, and how it is had.
pub fn prepare() -> Result<(), String> {
    let may = |capability| capabilities(None).is_ok_and(|sets| sets.effective.contains(capability));
    if !may(CapabilitySet::SYS_ADMIN) || !may(CapabilitySet::NET_ADMIN) {
        let (user, group) = (geteuid().as_raw(), getegid().as_raw());
        leave(UnshareFlags::NEWUSER).map_err(|error| refused("a user namespace", &error))?;
        // Everybody is who they were.
        let map = |file: &str, line: String| fs::write(format!("/proc/self/{file}"), line);
        map("setgroups", "deny".into())
            .and_then(|()| map("uid_map", format!("{user} {user} 1")))
            .and_then(|()| map("gid_map", format!("{group} {group} 1")))
            .map_err(|error| refused("a user namespace", &error))?;
    }
    // As a run does it, on a thread that ends with it.
    let tried = std::thread::spawn(|| {
        leave(UnshareFlags::NEWNET).map_err(|error| refused("a network namespace", &error))?;
        match shakedown_tun::open(DEVICE) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(format!(
                "there is no /dev/net/tun here: load the module (`modprobe tun`); in a container, start it with \
                 `--device /dev/net/tun` ({DOCS})"
            )),
            Err(error) => Err(refused("a device of /dev/net/tun", &error)),
        }
    });
    tried.join().unwrap_or_else(|_| Err("the machine could not be asked what it allows".into()))
}

/// Where it is written.
const DOCS: &str = "docs/kernel.md";

fn refused(what: &str, error: &io::Error) -> String {
    format!(
        "this machine does not let this process make {what} ({error}), which --driver kernel takes: run it as root; or \
         allow user namespaces (`sysctl -w user.max_user_namespaces=10000`; on Ubuntu since 23.10 also `sysctl -w \
         kernel.apparmor_restrict_unprivileged_userns=0`); in a container, start it with `--cap-add SYS_ADMIN --cap-add \
         NET_ADMIN --device /dev/net/tun` ({DOCS})"
    )
}
