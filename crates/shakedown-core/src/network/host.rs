//! The kernel of a server's host, which answers SYNs independently of the process.
//!
//! Checked with `kill -9` and `kill -STOP` on Linux: after the end of a process the host refuses connects; while it is
//! stopped the kernel completes connects until the accept queue is full (then it is silent, or sends RST: [`Overflow`]).

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The process that should be listening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// Accepts and reads at once.
    Running,
    /// Stopped: connects complete, nothing is read.
    Hung,
    /// Ended: the port is closed.
    Dead,
}

/// What the kernel does with a SYN when the accept queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Overflow {
    /// Drops it: the client's kernel repeats its SYN (Linux's default).
    #[default]
    Drop,
    /// RST (Linux: `tcp_abort_on_overflow` = 1).
    Reset,
}

/// The answer to a SYN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SynAnswer {
    /// SYN-ACK.
    Accepted,
    /// RST: the port is closed.
    Refused,
    /// RST: the accept queue is full.
    Overflowed,
    /// Silence: the host is off.
    Unanswered,
    /// Silence: the accept queue is full.
    BacklogFull,
}

/// One server's host.
#[derive(Debug)]
pub struct Host {
    powered: bool,
    process: Process,
    listens: bool,
    /// Number of causes that stop the process.
    stops: u8,
    backlog: u32,
    overflow: Overflow,
    /// Established connections that wait for the process to accept them.
    unaccepted: u32,
    /// Whether the process accepts them one by one, when it continues, too.
    one_by_one: bool,
}

impl Host {
    /// A host whose process listens with this backlog and this overflow action.
    pub fn new(backlog: u32, overflow: Overflow) -> Host {
        Host {
            powered: true,
            process: Process::Running,
            listens: true,
            stops: 0,
            backlog,
            overflow,
            unaccepted: 0,
            one_by_one: false,
        }
    }

    /// The state of the process.
    pub fn process(&self) -> Process {
        self.process
    }

    /// Whether the host answers anything at all.
    pub fn powered(&self) -> bool {
        self.powered
    }

    /// A SYN has arrived.
    pub fn syn(&self) -> SynAnswer {
        match (self.powered, self.process) {
            (false, _) => SynAnswer::Unanswered,
            (true, Process::Dead) => SynAnswer::Refused,
            (true, _) if !self.listens => SynAnswer::Refused,
            (true, _) if self.is_full() => match self.overflow {
                Overflow::Drop => SynAnswer::BacklogFull,
                Overflow::Reset => SynAnswer::Overflowed,
            },
            (true, _) => SynAnswer::Accepted,
        }
    }

    /// Whether the accept queue has no room: it holds one more than the backlog (Linux: `sk_acceptq_is_full`). The
    /// segment that would complete a connect is dropped then, or answered with RST.
    pub fn is_full(&self) -> bool {
        self.unaccepted > self.backlog
    }

    /// What becomes of a connect that finds it full.
    pub fn overflow(&self) -> Overflow {
        self.overflow
    }

    /// A connection was established that the hung process can't accept yet.
    pub fn enqueue(&mut self) {
        self.unaccepted += 1;
    }

    /// A connection left the accept queue: its client disconnected, or the process accepted it.
    pub fn dequeue(&mut self) {
        self.unaccepted = self.unaccepted.saturating_sub(1);
    }

    /// The process closes its listening port, or opens it again; its connections stay open.
    pub fn listen(&mut self, listens: bool) {
        self.listens = listens;
    }

    /// Connections that it completes for a process that does not accept, but for one.
    pub fn backlog(&self) -> u32 {
        self.backlog
    }

    /// Connections that it completes from now on for a process that does not accept, but for one.
    pub fn set_backlog(&mut self, backlog: u32) {
        self.backlog = backlog;
    }

    /// The process stops reading and accepting. It may be stopped more than once.
    pub fn hang(&mut self) {
        self.process = Process::Hung;
        self.stops += 1;
    }

    /// One of the causes that stopped the process is over. After the last one it continues, and accepts waiting connections.
    pub fn go_on(&mut self) {
        self.stops -= 1;
        if self.stops == 0 {
            self.process = Process::Running;
            if !self.one_by_one {
                self.unaccepted = 0;
            }
        }
    }

    /// The process says of each connection that it accepts it ([`Host::dequeue`]).
    pub fn accepts_one_by_one(&mut self) {
        self.one_by_one = true;
    }

    /// The process is killed.
    pub fn crash(&mut self) {
        self.process = Process::Dead;
        self.stops = 0;
        self.unaccepted = 0;
    }

    /// The host loses power and all state.
    pub fn power_off(&mut self) {
        self.crash();
        self.powered = false;
    }

    /// A killed process is restarted.
    pub fn start(&mut self) {
        self.powered = true;
        self.process = Process::Running;
        self.listens = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syn_gets_the_kernels_answer() {
        // Linux 6.18, measured: `listen(fd, 4)` has room for five, `listen(fd, 0)` for one.
        let mut host = Host::new(2, Overflow::Drop);
        assert_eq!(host.syn(), SynAnswer::Accepted);
        host.hang();
        for _ in 0..3 {
            assert_eq!((host.syn(), host.is_full()), (SynAnswer::Accepted, false));
            host.enqueue();
        }
        assert_eq!((host.syn(), host.is_full()), (SynAnswer::BacklogFull, true));
        host.hang();
        host.go_on();
        assert_eq!((host.syn(), host.process()), (SynAnswer::BacklogFull, Process::Hung));
        host.go_on();
        assert_eq!((host.syn(), host.process()), (SynAnswer::Accepted, Process::Running));
        host.listen(false);
        assert_eq!(host.syn(), SynAnswer::Refused);
        host.listen(true);
        host.set_backlog(0);
        assert_eq!(host.syn(), SynAnswer::Accepted);
        host.enqueue();
        assert_eq!(host.syn(), SynAnswer::BacklogFull);
        host.crash();
        assert_eq!(host.syn(), SynAnswer::Refused);
        host.power_off();
        assert_eq!(host.syn(), SynAnswer::Unanswered);
        host.set_backlog(1);
        host.start();
        assert_eq!(host.syn(), SynAnswer::Accepted);
    }

    #[test]
    fn a_full_accept_queue_may_say_so() {
        let mut host = Host::new(0, Overflow::Reset);
        host.hang();
        host.enqueue();
        assert_eq!(host.syn(), SynAnswer::Overflowed);
        host.dequeue();
        assert_eq!(host.syn(), SynAnswer::Accepted);
    }
}
