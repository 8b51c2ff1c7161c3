//! The user's own programs among a scenario's servers and clients: what they are given, and how they report.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use turmoil::net::{TcpListener, TcpStream};

use super::bridge::Bridge;
use super::report::{Reporter, now};
use shakedown_core::client::{End, Event, Failure};
use shakedown_core::event::Kind;
use shakedown_core::network::{self, SynAnswer};
use shakedown_core::rng::{Identity, KeyedRng, Purpose};
use shakedown_core::scenario::Scenario;
use shakedown_core::time::{Nanos, Timestamp};

/// What a program comes to.
pub type Result = turmoil::Result;

type Running = Pin<Box<dyn Future<Output = Result>>>;
/// A server's program: started once for each member of its group, and again after every crash.
pub type ServerProgram = Rc<dyn Fn(ServerContext) -> Running>;
/// A client's program: started for each session, when that arrives.
pub type ClientProgram = Rc<dyn Fn(ClientContext) -> Running>;

/// The programs that take the place of a scenario's groups, by the groups' names.
#[derive(Clone, Default)]
pub struct Programs {
    /// In place of server groups.
    pub servers: BTreeMap<String, ServerProgram>,
    /// In place of client groups.
    pub clients: BTreeMap<String, ClientProgram>,
}

impl Programs {
    /// The client groups that programs play, by number.
    pub(super) fn groups(&self, scenario: &Scenario) -> BTreeSet<u16> {
        let groups = (0..).zip(scenario.clients().keys()).filter(|(_, name)| self.clients.contains_key(*name));
        groups.map(|(number, _)| number).collect()
    }

    /// The servers that programs play, by number.
    pub(super) fn servers(&self, scenario: &Scenario) -> BTreeSet<u32> {
        let is_meant = |group: usize| {
            let group = scenario.groups().get_index(group);
            group.is_some_and(|(name, _)| self.servers.contains_key(name))
        };
        let servers = (0..).zip(scenario.servers()).filter(|(_, server)| is_meant(server.group));
        servers.map(|(number, _)| number).collect()
    }
}

/// What a server's program is given.
#[derive(Clone)]
pub struct ServerContext {
    pub(super) bridge: Rc<Bridge>,
    pub(super) name: String,
    pub(super) port: u16,
}

impl ServerContext {
    /// The server's name in the scenario, such as `gateway-0`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Listens where the scenario's clients connect to.
    ///
    /// # Errors
    /// When it listens there already.
    pub async fn listener(&self) -> io::Result<TcpListener> {
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, self.port)).await
    }

    /// The address of a server of the scenario.
    pub fn address(&self, server: &str) -> Option<SocketAddr> {
        self.bridge.server(server).map(|(_, address)| address)
    }

    /// Virtual time since the run began.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(now().0)
    }

    /// What tells what was noticed, besides the measures.
    pub fn reporter(&self) -> Reporter {
        Reporter::new(&self.name, &self.bridge.report)
    }
}

/// What a client's program is given: one session, and the words in which it tells what becomes of it. What it tells is
/// what the run measures, so it should tell all of it.
pub struct ClientContext {
    bridge: Rc<Bridge>,
    session: u32,
    group: u16,
    index: u32,
    name: String,
    endpoints: Vec<String>,
    /// The connection of the last attempt, and the server that it went to.
    connection: u32,
    endpoint: u32,
    attempting: bool,
    open: bool,
    drawn: Cell<u64>,
    host: Identity,
}

impl ClientContext {
    pub(super) fn new(
        bridge: Rc<Bridge>,
        (session, group, index): (u32, u16, u32),
        name: String,
        endpoints: Vec<String>,
        host: Identity,
    ) -> ClientContext {
        let (connection, endpoint, attempting, open, drawn) = (0, 0, false, false, Cell::new(0));
        ClientContext {
            bridge,
            session,
            group,
            index,
            name,
            endpoints,
            connection,
            endpoint,
            attempting,
            open,
            drawn,
            host,
        }
    }

    /// The session's name, such as `players-17`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The session's number in its group.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The servers that the scenario gives this group to connect to, in order.
    pub fn endpoints(&self) -> &[String] {
        &self.endpoints
    }

    /// Virtual time since the run began.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(now().0)
    }

    /// Random numbers from the scenario's seed, for all that `rand` does with them: another stream at each call, and the
    /// same ones in each run.
    pub fn random(&self) -> KeyedRng {
        let session = Identity::group("programs").nth(u64::from(self.group) << 32 | u64::from(self.index));
        let call = self.drawn.replace(self.drawn.get() + 1);
        let key = self.bridge.seed.draw(session, Purpose::Program, call);
        self.bridge.seed.stream(Identity(key.0[0]), Purpose::Program)
    }

    fn record(&self, event: Event) {
        self.record_at(now(), Kind::Session(self.session, event));
    }

    fn record_at(&self, at: Timestamp, kind: Kind) {
        self.bridge.record(at, self.session, kind);
    }

    /// Connects to a server of the scenario: an attempt has begun. It takes a round trip.
    ///
    /// # Errors
    /// When the server's host refuses (nobody listens), or does not answer for as long as a kernel tries.
    pub async fn connect(&mut self, server: &str) -> io::Result<TcpStream> {
        let Some((number, address)) = self.bridge.server(server) else {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("`{server}` is no server of the scenario")));
        };
        if std::mem::take(&mut self.attempting) {
            self.record(Event::AttemptFailed { connection: self.connection, failure: Failure::Closed });
        }
        self.connection += 1;
        (self.endpoint, self.attempting) = (number, true);
        self.record(Event::AttemptStarted { connection: self.connection, endpoint: number });
        match self.dial(number, address).await {
            Ok(stream) => {
                self.record(Event::Connected { connection: self.connection });
                Ok(stream)
            }
            Err(error) => {
                let refused = error.kind() == io::ErrorKind::ConnectionRefused;
                self.failed(if refused { Failure::Refused } else { Failure::ConnectTimeout });
                Err(error)
            }
        }
    }

    /// SYN after SYN, as a kernel sends them.
    async fn dial(&self, server: u32, address: SocketAddr) -> io::Result<TcpStream> {
        let (one_way, gives_up) = {
            let simulation = self.bridge.simulation.borrow();
            (simulation.external_one_way(self.group, self.host, server), simulation.syn_schedule().gives_up())
        };
        let way = Duration::from_nanos(one_way.0);
        let began = self.now();
        for repetition in 1.. {
            tokio::time::sleep(way).await;
            let answer = self.bridge.simulation.borrow().syn_answer(server);
            let parted = self.bridge.simulation.borrow().is_partitioned(self.group, server);
            let session = self.session;
            let dropped = |backlog_full| Kind::Network(server, network::Event::SynDropped { session, backlog_full });
            match answer {
                SynAnswer::Accepted if !parted => return TcpStream::connect(address).await,
                SynAnswer::Refused | SynAnswer::Overflowed if !parted => {
                    let backlog_full = answer == SynAnswer::Overflowed;
                    let event = network::Event::SynRefused { session, backlog_full };
                    self.record_at(now(), Kind::Network(server, event));
                    tokio::time::sleep(way).await;
                    return Err(io::ErrorKind::ConnectionRefused.into());
                }
                _ => self.record_at(now(), dropped(answer == SynAnswer::BacklogFull)),
            }
            let next = self.bridge.simulation.borrow().syn_schedule().repetition(repetition);
            let next = Duration::from_nanos(next.unwrap_or(gives_up).0);
            tokio::time::sleep((began + next).saturating_sub(self.now())).await;
            if next >= Duration::from_nanos(gives_up.0) {
                break;
            }
        }
        Err(io::ErrorKind::TimedOut.into())
    }

    /// The handshake is complete: the session is open, on the server that it connected to last.
    pub fn opened(&mut self) {
        if std::mem::take(&mut self.attempting) {
            self.open = true;
            self.record(Event::Opened { connection: self.connection, endpoint: self.endpoint });
        }
    }

    /// The attempt failed. A refused or unanswered connect has been recorded already.
    pub fn failed(&mut self, failure: Failure) {
        if std::mem::take(&mut self.attempting) {
            self.record(Event::AttemptFailed { connection: self.connection, failure });
        }
    }

    /// The open connection was found dead.
    pub fn lost(&mut self, end: End) {
        if std::mem::take(&mut self.open) {
            self.record(Event::Lost { connection: self.connection, end });
        }
    }

    /// Waits before the next attempt.
    pub async fn retry_after(&mut self, delay: Duration) {
        let nanos = Nanos(u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX));
        self.record(Event::Retrying { delay: nanos });
        tokio::time::sleep(delay).await;
    }

    /// The session has ended as it meant to.
    pub fn ended(&mut self) {
        self.open = false;
        self.record(Event::Ended);
    }

    /// What tells what was noticed, besides the measures.
    pub fn reporter(&self) -> Reporter {
        Reporter::new(&self.name, &self.bridge.report)
    }
}
