//! A live run on one thread: its sockets, its loop, its end.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use shakedown_core::http::Directory;
use shakedown_core::machine::EndpointId;
use shakedown_core::record::Recorder;
use shakedown_core::scenario::Scenario;
use shakedown_core::time::{Nanos, Timestamp};
use tokio::runtime::LocalOptions;

use super::super::progress::Progress;
use super::engine::Engine;
use super::network::{Share, Sockets, rewrites};
use super::setup::{Ended, Part, Setup};
use super::{lookups, programs};
use crate::kernel::World;

/// Plays a scenario's part on this thread, with its share of the clients; time begins at that instant, or once everything is
/// ready.
pub(super) fn alone(
    scenario: &Scenario,
    setup: &Setup,
    (start, share): (Option<Instant>, Share),
    recorder: &mut impl Recorder,
    ready: impl FnOnce(&[SocketAddr]),
    watch: impl FnMut(Progress) -> bool,
) -> io::Result<Ended> {
    make_room(descriptors(scenario, setup));
    let world = if setup.wire { Some(World::new(scenario)?) } else { None };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    // Connections end with their tasks, and those with the runtime.
    runtime.block_on(async {
        let net = Rc::new(Sockets::new(share, world)?);
        play(net, scenario, setup, start, recorder, ready, watch).await
    })
}

/// How many descriptors a run takes about at most, as far as that is known.
fn descriptors(scenario: &Scenario, setup: &Setup) -> usize {
    let ends = if setup.part == Part::Both { 2 } else { 1 };
    let wanted = match setup.part {
        Part::Servers => STRANGERS,
        Part::Both | Part::Clients => usize::try_from(scenario.sessions() * ends).unwrap_or(usize::MAX),
    };
    // Those that linger after their end, and the rest of the program.
    (wanted + wanted / 4 + 256).min(setup.connections_max)
}

/// Room is made for so many connections of strangers.
const STRANGERS: usize = 1 << 14;

/// Has the kernel make its table of descriptors as large as it will be. Where a process has several threads, each growth of it
/// stops the thread that caused it until all processors have let go of the old one (Linux: `synchronize_rcu`): 5 to 15 ms,
/// at 256 descriptors, 512, and so on.
fn make_room(descriptors: usize) {
    #[cfg(unix)]
    if let Ok(last) = i32::try_from(descriptors) {
        // Where there is no room for so many, it grows as it is used.
        let _ = rustix::io::fcntl_dupfd_cloexec(io::stderr(), last);
    }
}

/// Plays a scenario's part over a network.
async fn play(
    net: Rc<Sockets>,
    scenario: &Scenario,
    setup: &Setup,
    start: Option<Instant>,
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
            let place = if setup.wire {
                World::server(number)
            } else {
                SocketAddr::new(setup.bind, setup.ports.get(&number).copied().unwrap_or(0))
            };
            if setup.wire && rewrites(&scenario.groups()[server.group]) {
                // What comes there is for others.
                addresses.push(place);
                listeners.push(None);
                continue;
            }
            let listener = net.listen(number, place, backlog).map_err(|error| {
                let why = match error.kind() {
                    io::ErrorKind::AddrInUse => "another process has this port".to_string(),
                    io::ErrorKind::PermissionDenied => "this user may not".to_string(),
                    io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_string(),
                    _ => error.to_string(),
                };
                let place = match place.port() {
                    0 => place.ip().to_string(),
                    _ => format!("{place} as {}", server.name),
                };
                io::Error::new(error.kind(), format!("can't listen on {place}: {why}"))
            })?;
            addresses.push(listener.local_addr()?);
            listeners.push(Some(listener));
        }
    }
    net.world().map_or(Ok(()), World::calibrate)?;
    let running = programs::start(scenario, &setup.programs, net.world())?;
    net.world().map_or(Ok(()), World::settle)?;
    let start = start.unwrap_or_else(Instant::now);
    net.begin(start);
    if let Some(world) = net.world() {
        world.begin(scenario, start, setup.tap.clone())?;
    }
    let directory = directory(scenario, setup, &addresses);
    let dialled = match setup.part {
        Part::Clients => setup.targets.iter().map(|(number, address)| (*number, address.socket)).collect(),
        _ => (0..).zip(addresses.iter().copied()).collect(),
    };
    ready(&addresses);
    let end = Timestamp::ZERO + scenario.duration();
    let engine = Engine::new(Rc::clone(&net), scenario, setup, listeners, directory, dialled, running)?;
    engine.borrow_mut().stage.begin();
    lookups::begin(&mut engine.borrow_mut().stage);
    let sleep = Rc::clone(&engine.borrow().stage.net.sleep);
    let mut partial = false;
    let mut watched = Timestamp::ZERO;
    loop {
        let now = net.now();
        let next = {
            let mut engine = engine.borrow_mut();
            engine.hear_wire();
            engine.stage.net.look_at_commands();
            let next = engine.turn(now.min(end));
            engine.stage.net.events.flush(now, recorder);
            if let Some(trouble) = engine.stage.net.trouble.take() {
                return Err(trouble);
            }
            next
        };
        if now >= end {
            break;
        }
        if now.since(watched) >= LOOK {
            watched = now;
            if !watch(Progress { now, events: engine.borrow().stage.net.events.flushed() }) {
                partial = true;
                break;
            }
        }
        let next = next.min(end).min(watched + LOOK);
        // Whoever is due for more must not keep the connections from being read.
        tokio::task::yield_now().await;
        if next > net.now() {
            let asked = async {
                match net.world() {
                    Some(world) => world.asks().await,
                    None => std::future::pending().await,
                }
            };
            race(net.sleep_until(next), race(sleep.notify.notified(), asked)).await;
        }
    }
    let at = net.now().min(end);
    let told = net.world().map(World::end).transpose()?;
    let live = &mut engine.borrow_mut().stage.net;
    live.events.finish(at, recorder);
    let died = live.end();
    let (events, behind, over_limit) = (live.events.flushed(), live.behind, live.network.over_limit);
    Ok(Ended { at, events, partial, behind, over_limit, died, told })
}

/// How often the watcher looks.
pub(super) const LOOK: Nanos = Nanos::from_millis(100);

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
        let all = addresses.len() + scenario.dns().len();
        let secure = (0..all as u32).map(EndpointId).filter(|server| logical.secure(*server));
        // Who comes through a proxy may use the names of the scenario, as nobody but the proxy looks them up.
        let names = scenario.servers().iter().map(|server| server.name.clone());
        let local = addresses.iter().map(|address| format!("localhost:{}", address.port()));
        // Only one of them is where all have the same port.
        let local = local.take(if setup.wire { 0 } else { addresses.len() });
        let aliases = (0..).map(EndpointId).zip(names).chain((0..).map(EndpointId).zip(local));
        let directory = Directory::new(addresses.iter().map(ToString::to_string));
        return directory.with_names(scenario.dns().keys().cloned()).with_tls(secure).with_aliases(aliases);
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

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, id};

    #[test]
    fn the_table_of_descriptors_is_as_large_as_it_will_be() {
        make_room(500);
        let said = Command::new("grep").args(["FDSize", &format!("/proc/{}/status", id())]).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        let size: usize = said.trim().rsplit('\t').next().and_then(|size| size.parse().ok()).unwrap();
        assert!(size > 500, "{said}");
    }
}
