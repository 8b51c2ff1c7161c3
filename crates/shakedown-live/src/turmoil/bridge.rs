//! Between the simulator and the user's programs: connections one end of which is a program's.
//!
//! Each is a turmoil connection, whose end on our side is a task that reads and writes. What it writes, the simulator has
//! brought to the program's host; what it reads, the simulator takes to the other end. The way's time is the simulator's;
//! only between the user's clients and the scenario's servers it is turmoil's.

use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use shakedown_core::driver::sim::Simulation;
use shakedown_core::driver::sim::external::{ExternalEnd, ExternalId};
use shakedown_core::event::Kind;
use shakedown_core::machine::CloseMode;
use shakedown_core::rng::{Identity, Seed};
use shakedown_core::scenario::Scenario;
use shakedown_core::time::Timestamp;
use turmoil::net::TcpStream;

use super::super::events::Events;
use super::report::ProgramReport;
use crate::stream::{ByteStream, StreamEvent, StreamHandle};

impl ByteStream for TcpStream {
    // turmoil sends RST where something was left unread, and can't be asked to.
    fn reset_on_drop(&self) {}
}

/// What a program does at its end of a connection.
enum Output {
    Sends(Vec<u8>),
    Ends(ExternalEnd),
}

impl Output {
    fn apply(&self, simulation: &mut Simulation, id: ExternalId) {
        match self {
            Output::Sends(bytes) => simulation.external_sends(id, bytes),
            Output::Ends(end) => simulation.external_ends(id, *end),
        }
    }
}

impl From<StreamEvent<'_>> for Output {
    fn from(event: StreamEvent<'_>) -> Output {
        match event {
            StreamEvent::Received(bytes) => Output::Sends(bytes.to_vec()),
            StreamEvent::Eof => Output::Ends(ExternalEnd::Fin),
            StreamEvent::Reset => Output::Ends(ExternalEnd::Reset),
        }
    }
}

/// What the loop, the tasks, and the contexts of programs share.
pub(super) struct Bridge {
    pub simulation: RefCell<Simulation>,
    pub seed: Seed,
    /// Every server's number and address, by its name.
    servers: OnceCell<BTreeMap<String, (u32, SocketAddr)>>,
    /// The tasks' ends.
    streams: RefCell<BTreeMap<ExternalId, StreamHandle>>,
    /// What servers' programs have done since the last step.
    outputs: RefCell<Vec<(ExternalId, Output)>>,
    /// The events that programs have reported since then: when, of which session, and what.
    events: RefCell<Vec<(Timestamp, u32, Kind)>>,
    pub report: Arc<Mutex<ProgramReport>>,
}

impl Bridge {
    /// Programs play these client groups and servers.
    pub(super) fn new(scenario: &Scenario, groups: BTreeSet<u16>, servers: BTreeSet<u32>) -> Bridge {
        let simulation = Simulation::with_external(scenario, groups, servers);
        Bridge {
            simulation: RefCell::new(simulation),
            seed: scenario.seed(),
            servers: OnceCell::new(),
            streams: RefCell::default(),
            outputs: RefCell::default(),
            events: RefCell::default(),
            report: Arc::default(),
        }
    }

    /// Every server has its address from now on.
    pub(super) fn name_servers(&self, servers: BTreeMap<String, (u32, SocketAddr)>) {
        let _ = self.servers.set(servers);
    }

    /// A server's number and address.
    pub(super) fn server(&self, name: &str) -> Option<(u32, SocketAddr)> {
        self.servers.get()?.get(name).copied()
    }

    /// What programs have reported so far.
    pub(super) fn report(&self) -> ProgramReport {
        std::mem::take(&mut *self.report.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A program reports an event of a session.
    pub(super) fn record(&self, at: Timestamp, session: u32, kind: Kind) {
        self.events.borrow_mut().push((at, session, kind));
    }

    /// Takes in what programs have sent and reported since the last step: in order of connections, and for one moment in order
    /// of sessions. A process that dies drops its tasks in an order that depends on how many tasks there ever were.
    pub(super) fn take_outputs(&self, events: &mut Events) {
        let mut outputs = self.outputs.take();
        outputs.sort_by_key(|(id, _)| *id);
        let mut simulation = self.simulation.borrow_mut();
        for (id, output) in outputs {
            output.apply(&mut simulation, id);
        }
        let mut reported = self.events.take();
        reported.sort_by_key(|(at, session, _)| (*at, *session));
        for (at, _, kind) in reported {
            events.push(at, kind);
        }
    }

    /// Bytes have come for a program.
    pub(super) fn send(&self, id: ExternalId, bytes: &[u8]) {
        if let Some(stream) = self.streams.borrow().get(&id) {
            stream.send(bytes);
        }
    }

    /// The other end of a connection has ended.
    pub(super) fn end(&self, id: ExternalId, reset: bool) {
        if let Some(stream) = self.streams.borrow().get(&id) {
            stream.close(if reset { CloseMode::Reset } else { CloseMode::Fin });
        }
    }

    /// A task for a connection that is dialled at a server's program.
    pub(super) fn dial(self: &Rc<Self>, id: ExternalId, to: SocketAddr) -> impl Future<Output = ()> + 'static {
        let (bridge, stream) = (Rc::clone(self), self.begin(id));
        async move {
            let connected = TcpStream::connect(to).await;
            bridge.simulation.borrow_mut().external_answers(id, connected.is_ok());
            if let Ok(connected) = connected {
                let apply = |output: Output| bridge.outputs.borrow_mut().push((id, output));
                stream.carry(connected, |event| apply(event.into())).await;
                apply(Output::Ends(ExternalEnd::Closed));
            }
            bridge.streams.borrow_mut().remove(&id);
        }
    }

    /// A task for a connection that a program has made to a server of the scenario, if that takes it.
    pub(super) fn accept(
        self: &Rc<Self>,
        server: u32,
        connected: TcpStream,
        from: SocketAddr,
    ) -> Option<impl Future<Output = ()> + 'static> {
        let address = Identity::group(&from.ip().to_string());
        let id = self.simulation.borrow_mut().external_connects(server, address)?;
        let (bridge, stream) = (Rc::clone(self), self.begin(id));
        Some(async move {
            let apply = |output: Output| output.apply(&mut bridge.simulation.borrow_mut(), id);
            stream.carry(connected, |event| apply(event.into())).await;
            apply(Output::Ends(ExternalEnd::Closed));
            bridge.streams.borrow_mut().remove(&id);
        })
    }

    fn begin(&self, id: ExternalId) -> StreamHandle {
        let stream = StreamHandle::default();
        self.streams.borrow_mut().insert(id, stream.clone());
        stream
    }
}
