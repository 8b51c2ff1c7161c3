//! What this machine lets a process have: memory, file descriptors and ports, checked before a run rather than met in it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are no connections: files, listeners, the loop's own.
const RESERVE: u64 = 64;

/// Makes sure that so many connections can be open at once, with `fixed` descriptors beside them; raises the soft limit
/// as far as that takes. Returns how many there may be.
///
/// # Errors
/// What to raise, where the hard limit is too low.
pub(super) fn descriptors(connections: u64, fixed: u64) -> Result<u64, String> {
    let needed = connections + fixed + RESERVE;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let most = |limit: Option<u64>| limit.unwrap_or(u64::MAX);
    if most(current) < needed && most(maximum) > most(current) {
        let raised = Rlimit { current: Some(needed.min(most(maximum))), maximum };
        // Where that is not let, the limit is as it was.
        let _ = setrlimit(Resource::Nofile, raised);
    }
    let limit = most(getrlimit(Resource::Nofile).current);
    if limit < needed {
        return Err(format!(
            "this run takes {needed} file descriptors, and this process may have {limit}: raise the limit \
             (`ulimit -n {needed}`; the hard limit is LimitNOFILE= of a systemd unit, or nofile in \
             /etc/security/limits.conf), or run fewer clients (--set clients.NAME.count=N)"
        ));
    }
    Ok(limit.saturating_sub(fixed + RESERVE))
}

/// Memory that a process may still take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    /// Bytes.
    pub left: u64,
    /// What limits it, for messages: " (…)", or nothing.
    pub limit: &'static str,
}

/// How much memory this process may still take; none where the machine does not say.
pub(super) fn memory() -> Option<Memory> {
    let read = |path: &str| fs::read_to_string(path).ok();
    // Of this process's address space.
    let mapped = read("/proc/self/status").and_then(|text| bytes(&text, "VmSize:")).unwrap_or(0);
    let of_process = getrlimit(Resource::As).current.map(|limit| (limit.saturating_sub(mapped), " (ulimit -v)"));
    let of_machine = read("/proc/meminfo").and_then(|text| available(&text)).map(|left| (left, ""));
    let number = |path: String| read(&path)?.trim().parse::<u64>().ok();
    let group = read("/proc/self/cgroup")
        .and_then(|text| Some(text.lines().find_map(|line| line.strip_prefix("0::"))?.to_string()));
    let of_group = group.and_then(|group| {
        let folder = format!("/sys/fs/cgroup{}", group.trim_end_matches('/'));
        let most = number(format!("{folder}/memory.max"))?;
        let used = number(format!("{folder}/memory.current"))?;
        Some((most.saturating_sub(used), " (memory.max of this cgroup)"))
    });
    let least = [of_process, of_machine, of_group].into_iter().flatten().min_by_key(|(left, _)| *left);
    least.map(|(left, limit)| Memory { left, limit })
}

/// What `/proc/meminfo` says is available, swap included.
fn available(text: &str) -> Option<u64> {
    Some(bytes(text, "MemAvailable:")? + bytes(text, "SwapFree:").unwrap_or(0))
}

/// A line such as `MemFree: 100 kB`.
fn bytes(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1_024)
}

/// The fewest connections that servers are opened for.
const LEAST: u64 = 16;

/// As many descriptors as there may be, for servers of whoever comes. Returns how many connections that leaves room for.
///
/// # Errors
/// What to raise, where nobody could be served.
pub(super) fn for_strangers(fixed: u64) -> Result<u64, String> {
    match all_descriptors(fixed) {
        most if most >= LEAST => Ok(most),
        most => Err(format!(
            "this process may have {} file descriptors, which leaves room for {most} connections: raise the limit \
             (`ulimit -n {}` or more; the hard limit is LimitNOFILE= of a systemd unit, or nofile in \
             /etc/security/limits.conf)",
            getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
            fixed + RESERVE + LEAST
        )),
    }
}

/// As many descriptors as there may be. Returns how many connections that leaves room for.
fn all_descriptors(fixed: u64) -> u64 {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // More would help nobody: a million sockets take more memory than most machines have.
    let wanted = maximum.unwrap_or(u64::MAX).min(1 << 20);
    descriptors(wanted.saturating_sub(fixed + RESERVE), fixed).unwrap_or_else(|_| {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(1 << 20);
        limit.saturating_sub(fixed + RESERVE)
    })
}

/// How many local ports connects may use.
pub(super) fn ports() -> u64 {
    // Where there is no such file: what RFC 6335 section 6 sets aside for it.
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut bounds = text.split_whitespace().filter_map(|bound| bound.parse::<u64>().ok());
    match (bounds.next(), bounds.next()) {
        (Some(low), Some(high)) if low <= high => high - low + 1,
        _ => 16_384,
    }
}

/// Loopback addresses to connect from, enough for so many connections at once and those that linger after their end. The
/// first, which servers listen on, is not among them: a client's port would be in the way of a server that is started
/// again there.
///
/// # Errors
/// What to do, where there are not that many.
pub(super) fn sources(connections: u64, ports: u64) -> Result<Vec<IpAddr>, String> {
    if !cfg!(target_os = "linux") {
        // Only there is all of 127.0.0.0/8 the loopback.
        return Ok(Vec::new());
    }
    // A port rests for a minute after its connection (TIME-WAIT, RFC 9293 section 3.6.1): a session may use several.
    let wanted = (connections * 4).div_ceil(ports.max(1)).max(4);
    match u8::try_from(wanted) {
        Ok(wanted) if wanted < 250 => {
            Ok((2..).take(usize::from(wanted)).map(|last| IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))).collect())
        }
        _ => Err(format!(
            "{connections} clients on loopback take more ports than there are ({ports} for each address): widen \
             net.ipv4.ip_local_port_range, or run fewer clients"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_is_said_with_what_to_raise() {
        assert!(descriptors(1, 1).is_ok());
        let problem = descriptors(1 << 40, 1).unwrap_err();
        assert!(problem.contains("ulimit -n") && problem.contains("file descriptors"), "{problem}");
        assert!(ports() > 1_000);
    }

    #[test]
    fn available_memory_is_read() {
        let text = "MemTotal: 2000 kB\nMemFree: 100 kB\nMemAvailable:   1000 kB\nSwapFree: 24 kB\n";
        assert_eq!(available(text), Some(1_024 * 1_024));
        assert_eq!(available("MemTotal: 2000 kB\n"), None);
        assert!(!cfg!(target_os = "linux") || memory().is_some_and(|memory| memory.left > 0));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn sources_are_as_many_as_ports_run_out() {
        assert_eq!(sources(100, 28_232).unwrap().len(), 4);
        assert_eq!(sources(100_000, 28_232).unwrap().len(), 15);
        assert!(sources(10_000_000, 28_232).unwrap_err().contains("ip_local_port_range"));
        assert!(!sources(100, 28_232).unwrap().contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
}
