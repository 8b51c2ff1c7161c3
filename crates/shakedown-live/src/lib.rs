//! The live drivers: the same machines as in the simulator, over a network that is really there.
//!
//! One thread has every machine, every timer and the recorder, so that events have one order (clients that play alone may
//! have several: `threads.rs`); each connection is a task of that thread that reads, writes, and asks the machines. What
//! connects two hosts of a scenario - latency, partitions, a host without power - is played between the sockets and the
//! machines: what was read from a socket reaches its machine as much later as the way takes (`lines.rs`).

#![forbid(unsafe_code)]

mod bandwidth;
mod calls;
mod clients;
mod connects;
mod engine;
mod events;
mod faults;
mod lines;
mod partitions;
mod programs;
mod refuse;
mod secure;
mod servers;
mod sockets;
mod stream;
mod threads;
mod tls;
#[cfg(feature = "turmoil")]
pub mod turmoil;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::LocalOptions;

pub use programs::Program;
pub use refuse::refused;
pub use tls::{Authority, certificates};

use rustls::pki_types::CertificateDer;

use engine::{Engine, Shared};
use shakedown_core::http::Directory;
use shakedown_core::machine::EndpointId;
use shakedown_core::record::Recorder;
use shakedown_core::scenario::Scenario;
use shakedown_core::time::{Nanos, Timestamp};
use sockets::{Share, Sockets};

/// Whose part of a scenario is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Clients and servers, with the network between them.
    Both,
    /// The servers, for clients that are none of the scenario's.
    Servers,
    /// The clients, against servers that are none of the scenario's.
    Clients,
}

/// What a live run needs besides its scenario.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Whose part is played.
    pub part: Part,
    /// Where servers listen.
    pub bind: IpAddr,
    /// Addresses that clients connect from, in turn; empty: whichever the kernel takes.
    pub sources: Vec<IpAddr>,
    /// Where the scenario's servers and names are found, by number in the directory, if they are not the run's own.
    pub targets: BTreeMap<u32, Address>,
    /// Connections at most; more are closed as soon as they are accepted.
    pub connections_max: usize,
    /// Whether certificates are taken for what they say.
    pub insecure: bool,
    /// Who is trusted besides those whom browsers trust.
    pub roots: Vec<CertificateDer<'static>>,
    /// Who vouches for the run's own servers, where they have TLS.
    pub authority: Option<Arc<Authority>>,
    /// Servers that are programs, by number.
    pub programs: BTreeMap<u32, Program>,
    /// On how many threads clients are played; whatever else is played has one.
    pub threads: u32,
}

/// Where a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// As clients write it: `Host`, and what a certificate must be for.
    pub authority: String,
    /// What that came to.
    pub socket: SocketAddr,
    /// Whether it is dialled by `wss:`.
    pub secure: bool,
}

/// How far a live run has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Since its beginning.
    pub now: Timestamp,
    /// Events so far.
    pub events: u64,
}

/// What a live run came to, besides its events.
#[derive(Debug, Clone, Default)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Events.
    pub events: u64,
    /// True when the watcher ended it.
    pub partial: bool,
    /// The longest that a session's start came after its schedule: the machine was too slow, or busy.
    pub behind: Nanos,
    /// Connections that were closed at once, as there were too many.
    pub over_limit: u64,
    /// Programs that ended by themselves, by number, and how.
    pub died: Vec<(u32, String)>,
}

/// Plays a scenario's part on real sockets, to its end. `ready` is told where the servers listen, by number; `watch` is
/// shown the progress now and then, and ends the run by returning false.
///
/// # Errors
/// When sockets can't be had: no port, no file descriptor, no address.
pub fn run(
    scenario: &Scenario,
    setup: &Setup,
    recorder: &mut impl Recorder,
    ready: impl FnOnce(&[SocketAddr]),
    watch: impl FnMut(Progress) -> bool,
) -> io::Result<Ended> {
    if setup.part == Part::Clients && setup.threads > 1 {
        return threads::run(scenario, setup, recorder, watch);
    }
    alone(scenario, setup, (Instant::now(), Share::ALL), recorder, ready, watch)
}

/// The same on this thread, with its share of the clients; time begins at that instant.
fn alone(
    scenario: &Scenario,
    setup: &Setup,
    (start, share): (Instant, Share),
    recorder: &mut impl Recorder,
    ready: impl FnOnce(&[SocketAddr]),
    watch: impl FnMut(Progress) -> bool,
) -> io::Result<Ended> {
    let running = programs::start(&setup.programs)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    // Connections end with their tasks, and those with the runtime.
    runtime.block_on(async {
        let net = Rc::new(Sockets::new(start, share)?);
        play(net, scenario, setup, running, recorder, ready, watch).await
    })
}

/// Plays a scenario's part over a network.
async fn play(
    net: Rc<Sockets>,
    scenario: &Scenario,
    setup: &Setup,
    running: BTreeMap<u32, programs::Running>,
    recorder: &mut impl Recorder,
    ready: impl FnOnce(&[SocketAddr]),
    mut watch: impl FnMut(Progress) -> bool,
) -> io::Result<Ended> {
    let mut listeners = Vec::new();
    let mut addresses = Vec::new();
    if setup.part != Part::Clients {
        for (number, server) in (0..).zip(scenario.servers()) {
            if let Some(program) = setup.programs.get(&number) {
                addresses.push(program.address);
                listeners.push(None);
                continue;
            }
            let backlog = scenario.groups()[server.group].backlog;
            let listener = Sockets::listen(SocketAddr::new(setup.bind, 0), backlog)?;
            addresses.push(listener.local_addr()?);
            listeners.push(Some(listener));
        }
    }
    let directory = directory(scenario, setup, &addresses);
    let places = match setup.part {
        Part::Clients => setup.targets.iter().map(|(number, address)| (*number, address.socket)).collect(),
        _ => (0..).zip(addresses.iter().copied()).collect(),
    };
    ready(&addresses);
    let end = Timestamp::ZERO + scenario.duration();
    let mut engine = Engine::new(Rc::clone(&net), scenario, setup, directory, places)?;
    engine.running = running;
    let shared: Shared = Rc::new(RefCell::new(engine));
    shared.borrow_mut().begin(&shared, scenario, listeners);
    let mut partial = false;
    let mut watched = Timestamp::ZERO;
    loop {
        let now = net.now();
        let (next, notify) = {
            let mut engine = shared.borrow_mut();
            let next = engine.turn(now.min(end));
            engine.events.flush(now, recorder);
            if let Some(trouble) = engine.trouble.take() {
                return Err(trouble);
            }
            (next, Rc::clone(&engine.notify))
        };
        if now >= end {
            break;
        }
        if now.since(watched) >= LOOK {
            watched = now;
            if !watch(Progress { now, events: shared.borrow().events.flushed() }) {
                partial = true;
                break;
            }
        }
        let next = next.min(end).min(watched + LOOK);
        // Whoever is due for more must not keep the connections from being read.
        tokio::task::yield_now().await;
        if next > net.now() {
            race(net.sleep_until(next), notify.notified()).await;
        }
    }
    let mut engine = shared.borrow_mut();
    let at = net.now().min(end);
    engine.events.finish(at, recorder);
    let (behind, over_limit) = (engine.behind, engine.over_limit);
    engine.end();
    let died = std::mem::take(&mut engine.died);
    Ok(Ended { at, events: engine.events.flushed(), partial, behind, over_limit, died })
}

/// How often the watcher looks.
const LOOK: Nanos = Nanos::from_millis(100);

/// Until either is done.
async fn race(one: impl Future<Output = ()>, other: impl Future<Output = ()>) {
    let (mut one, mut other) = (std::pin::pin!(one), std::pin::pin!(other));
    std::future::poll_fn(|cx| {
        if one.as_mut().poll(cx).is_ready() || other.as_mut().poll(cx).is_ready() {
            return std::task::Poll::Ready(());
        }
        std::task::Poll::Pending
    })
    .await;
}

/// Whom clients can dial, under which authority.
fn directory(scenario: &Scenario, setup: &Setup, addresses: &[SocketAddr]) -> Directory {
    if setup.part != Part::Clients {
        let logical = scenario.directory();
        let secure = (0..addresses.len() as u32).map(EndpointId).filter(|server| logical.secure(*server));
        // Who comes through a proxy may use the names of the scenario, as nobody but the proxy looks them up.
        let names = scenario.servers().iter().map(|server| server.name.clone());
        let local = addresses.iter().map(|address| format!("localhost:{}", address.port()));
        let aliases = (0..).map(EndpointId).zip(names).chain((0..).map(EndpointId).zip(local));
        let directory = Directory::new(addresses.iter().map(ToString::to_string));
        return directory.with_tls(secure).with_aliases(aliases);
    }
    let names = scenario.servers().iter().map(|server| &server.name).chain(scenario.dns().keys());
    let target = |number: u32| setup.targets.get(&number);
    // What nobody gave a target keeps the name under which it can't be dialled.
    let authorities = (0..)
        .zip(names)
        .map(|(number, name)| target(number).map_or_else(|| name.clone(), |address| address.authority.clone()));
    let secure = setup.targets.iter().filter(|(_, address)| address.secure);
    Directory::new(authorities).with_tls(secure.map(|(number, _)| EndpointId(*number)))
}
