//! What the wire counted.

use shakedown_core::time::Nanos;

/// How finely lateness is counted, and up to where.
const STEP: u64 = 20_000;
const STEPS: usize = 5_000;

/// How late things came.
#[derive(Debug, Clone, Default)]
pub struct Lateness {
    /// At most.
    pub max: Nanos,
    /// How many were so late, in steps; the last has all others.
    steps: Vec<u64>,
}

impl Lateness {
    pub(super) fn add(&mut self, late: Nanos) {
        self.max = self.max.max(late);
        if self.steps.is_empty() {
            self.steps = vec![0; STEPS];
        }
        self.steps[((late.0 / STEP) as usize).min(STEPS - 1)] += 1;
    }

    /// What this share of them did not exceed.
    pub fn quantile(&self, share: f64) -> Nanos {
        let all: u64 = self.steps.iter().sum();
        let wanted = (all as f64 * share).ceil() as u64;
        let mut sum = 0;
        let step = self.steps.iter().position(|count| {
            sum += count;
            sum >= wanted
        });
        match step {
            Some(step) if all > 0 && step + 1 < STEPS => Nanos((step as u64 + 1) * STEP).min(self.max),
            Some(_) if all > 0 => self.max,
            _ => Nanos::ZERO,
        }
    }
}

/// What became of the packets of a run, and what the kernels counted.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// Packets that hosts sent.
    pub packets: u64,
    /// Of those: lost by links and faults.
    pub lost: u64,
    /// Kept from arriving by partitions.
    pub cut: u64,
    /// Sent by or to a host without power.
    pub silent: u64,
    /// Dropped by full queues of links with a bandwidth.
    pub queue_full: u64,
    /// Not taken by the device of the host that they were for.
    pub refused: u64,
    /// Dropped by a device, as the wire did not take them in time. The scenario does not say so: the machine was too slow.
    pub dropped: u64,
    /// How long after they were due packets were handed over.
    pub late: Lateness,
    /// How late the machine woke a thread before the run, when that had nothing else to do.
    pub idle: Lateness,
    /// The processor time of the wire, with what the kernels do as they take a packet.
    pub processor: Nanos,
    /// What the kernels counted, by name: of the clients' hosts together, and of each server's.
    pub clients: Vec<(String, u64)>,
    /// See [`Told::clients`].
    pub servers: Vec<Vec<(String, u64)>>,
}

/// The counters of `/proc/net/netstat`, or of `/proc/net/snmp`: a line of names, then one of their values.
pub(super) fn counters(text: &str, names: &[&str]) -> Vec<(String, u64)> {
    let lines: Vec<&str> = text.lines().collect();
    let pairs = lines.chunks(2).filter_map(|pair| match pair {
        [names, values] => Some(names.split_whitespace().zip(values.split_whitespace())),
        _ => None,
    });
    let found = pairs.flatten().filter(|(name, _)| names.contains(name));
    found.filter_map(|(name, value)| Some((name.to_string(), value.parse().ok()?))).collect()
}

/// What `/proc/net/dev` says that a device dropped of what was sent.
pub(super) fn drops(text: &str, device: &str) -> u64 {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(device)?.strip_prefix(':'));
    // Eight numbers of what was received are before those of what was sent: bytes, packets, errors, drops.
    line.and_then(|line| line.split_whitespace().nth(11)?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_is_told() {
        let mut late = Lateness::default();
        assert_eq!(late.quantile(0.99), Nanos::ZERO);
        for _ in 0..99 {
            late.add(Nanos(30_000));
        }
        late.add(Nanos::from_secs(1));
        assert_eq!(late.quantile(0.99), Nanos(40_000));
        assert_eq!((late.quantile(1.0), late.max), (Nanos::from_secs(1), Nanos::from_secs(1)));
    }

    #[test]
    fn counters_are_read() {
        let text = "TcpExt: SyncookiesSent ListenOverflows\nTcpExt: 3 17\nIpExt: InOctets\nIpExt: 9\n";
        assert_eq!(counters(text, &["ListenOverflows"]), [("ListenOverflows".to_string(), 17)]);
        let text = " face |bytes\n  lo: 1 2 3 4 5 6 7 8 9 10 11 12 13\nwire: 0 0 0 0 0 0 0 0 70 5 0 6 0 0 0 0\n";
        assert_eq!((drops(text, "wire"), drops(text, "other")), (6, 0));
    }
}
