//! The hosts of a run, each with a kernel's network of its own, and the wire between them.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use rustix::event::{EventfdFlags, eventfd};
use shakedown_core::driver::pipes::Initiator;
use shakedown_core::machine::EndpointId;
use shakedown_core::network::SynRetries;
use shakedown_core::rng::Identity;
use shakedown_core::scenario::Scenario;
use shakedown_core::time::Nanos;

use super::dns::{self, Answer, Query};
use super::hosts::{CLIENTS_PREFIX, Flow, Hosts, Note};
use super::names;
use super::namespace::{self, Addresses, DEVICE, Namespace};
use super::relays::Order;
use super::shared::Shared;
use super::tap::Tap;
use super::told::{self, Lateness, Told};
use super::wire::{self, Wire};

/// The hosts of a run, and the wire between them.
#[derive(Debug)]
pub(crate) struct World {
    hosts: Arc<Hosts>,
    shared: Arc<Shared>,
    /// Where the engine's thread was before.
    before: Namespace,
    clients: Namespace,
    servers: RefCell<Vec<Namespace>>,
    /// How each host's kernel is set.
    settings: Vec<(&'static str, String)>,
    /// What was counted by kernels that are no more, as their hosts lost power: their servers, and what their devices dropped.
    earlier: RefCell<(Vec<(u32, Counted)>, u64)>,
    /// The clients' and the servers', until the wire has them.
    devices: RefCell<Vec<File>>,
    running: RefCell<Option<JoinHandle<Ended>>>,
    idle: RefCell<Lateness>,
    bell: Arc<OwnedFd>,
}

/// What a kernel counted, by name.
type Counted = Vec<(String, u64)>;

/// What the wire counted, and its devices, which the kernels have yet to say something of.
type Ended = io::Result<(Told, Vec<File>)>;

/// What is asked of the kernels' counters.
const COUNTERS: &[&str] =
    &["ListenOverflows", "ListenDrops", "SyncookiesSent", "TCPTimeouts", "TCPLossProbes", "RetransSegs", "OutRsts"];

impl World {
    /// Makes every host. The calling thread is in the clients' namespace from then on, until the world is dropped.
    pub(crate) fn new(scenario: &Scenario) -> io::Result<World> {
        let before = Namespace::own()?;
        let commands = scenario.faults().iter().any(|fault| fault.config.commands.is_some());
        if commands || scenario.groups().values().any(|group| group.program().is_some()) {
            // Where a container does not allow it, programs find servers by their addresses.
            let _ = names::know(scenario);
        }
        let settings = settings(scenario);
        match World::made(scenario, &settings) {
            Ok((clients, servers, devices)) => Ok(World {
                hosts: Arc::new(Hosts::new(scenario)),
                shared: Arc::new(Shared::new(servers.len())),
                before,
                clients,
                servers: RefCell::new(servers),
                settings,
                earlier: RefCell::default(),
                devices: RefCell::new(devices),
                running: RefCell::new(None),
                idle: RefCell::default(),
                bell: Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?),
            }),
            Err(error) => {
                // In a user namespace of its own, there is no way back, nor anything to go back for.
                let _ = before.enter();
                Err(error)
            }
        }
    }

    fn made(scenario: &Scenario, settings: &[(&str, String)]) -> io::Result<(Namespace, Vec<Namespace>, Vec<File>)> {
        let (clients, device) = Namespace::new(Addresses::Prefix(Hosts::network(), CLIENTS_PREFIX), settings)?;
        let (mut servers, mut devices) = (Vec::new(), vec![device]);
        for (number, _) in (0..).zip(scenario.servers()) {
            let (server, device) = Namespace::new(Addresses::One(Hosts::server_ip(number)), settings)?;
            servers.push(server);
            devices.push(device);
        }
        clients.enter()?;
        Ok((clients, servers, devices))
    }

    /// Packets are carried already before time begins, without faults: programs that start may know each other by then.
    pub(crate) fn carry_before(&self, scenario: &Scenario) -> io::Result<()> {
        let devices = self.devices.take();
        let wire = Wire::new(scenario, Arc::clone(&self.hosts), Arc::clone(&self.shared), devices, Instant::now());
        self.carry(wire)
    }

    /// What was under way before time begins arrives; what is sent from now on waits for that.
    pub(crate) fn settle(&self) -> io::Result<()> {
        if let Some(before) = self.stop() {
            self.devices.replace(before?.1);
        }
        Ok(())
    }

    /// Time begins at that instant: from now on, packets are carried as the scenario says.
    pub(crate) fn begin(&self, scenario: &Scenario, start: Instant, tap: Option<Tap>) -> io::Result<()> {
        let devices = self.devices.take();
        let wire = Wire::new(scenario, Arc::clone(&self.hosts), Arc::clone(&self.shared), devices, start);
        self.carry(wire.struck(scenario, tap))
    }

    /// Measures how late this machine is before it has anything to do.
    pub(crate) fn calibrate(&self) -> io::Result<()> {
        let thread = std::thread::Builder::new().name("wire".into()).spawn(wire::idle)?;
        *self.idle.borrow_mut() = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok(())
    }

    fn carry(&self, wire: Wire) -> io::Result<()> {
        self.shared.go_on();
        let bell = Arc::clone(&self.bell);
        let thread = std::thread::Builder::new().name("wire".into());
        *self.running.borrow_mut() = Some(thread.spawn(move || wire.run(&bell))?);
        Ok(())
    }

    /// Does something on a server's host: a socket that is made there is that host's, and so is a program that is started.
    pub(crate) fn at_server<T>(&self, server: u32, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.servers.borrow()[server as usize].enter()?;
        let done = act();
        self.clients.enter()?;
        done
    }

    /// Where a server listens.
    pub(crate) fn server(number: u32) -> SocketAddr {
        Hosts::server(number)
    }

    /// The address of whoever opens connections.
    pub(crate) fn address(&self, place: Initiator) -> IpAddr {
        self.hosts.address(place)
    }

    /// A server's host loses power: nothing of it gets onto the wire any more.
    pub(crate) fn power_off(&self, server: u32) {
        self.shared.power(server, false);
    }

    /// A server's host boots, if it had no power: its kernel is a new one, which knows nothing of what was.
    pub(crate) fn boot(&self, server: u32) -> io::Result<()> {
        if self.shared.is_on(server) {
            return Ok(());
        }
        let mut dropped = 0;
        let of_old = self.at_server(server, || Ok(counted(&mut dropped)))?;
        let mut earlier = self.earlier.borrow_mut();
        earlier.0.push((server, of_old));
        earlier.1 += dropped;
        let made = Namespace::new(Addresses::One(Hosts::server_ip(server)), &self.settings);
        self.clients.enter()?;
        let (namespace, device) = made?;
        self.servers.borrow_mut()[server as usize] = namespace;
        self.shared.boot(server, device);
        self.ring()
    }

    /// Ends the wire: what it and the kernels counted.
    pub(crate) fn end(&self) -> io::Result<Told> {
        // The devices are gone with their files, and with them what they dropped.
        let (mut told, devices) = self.stop().unwrap_or_else(|| Ok((Told::default(), Vec::new())))?;
        told.idle = self.idle.take();
        told.clients = counted(&mut told.dropped);
        let servers = self.servers.borrow().len() as u32;
        let (earlier, dropped) = std::mem::take(&mut *self.earlier.borrow_mut());
        told.dropped += dropped;
        for server in 0..servers {
            let mut of_server = self.at_server(server, || Ok(counted(&mut told.dropped)))?;
            for (name, count) in earlier.iter().filter(|(of, _)| *of == server).flat_map(|(_, counted)| counted) {
                of_server.iter_mut().filter(|(of, _)| of == name).for_each(|(_, sum)| *sum += count);
            }
            told.servers.push(of_server);
        }
        drop(devices);
        Ok(told)
    }

    /// Something on the wire ends a connection to a server: both ends have a reset at once.
    pub(crate) fn reset(&self, client: SocketAddr, server: u32) -> io::Result<()> {
        let Some(flow) = flow(client, server) else { return Ok(()) };
        self.shared.reset(flow);
        self.ring()
    }

    /// SYNs that came to balancers that rewrite addresses, since it was last asked: from where, and to which.
    pub(crate) fn asked(&self) -> Vec<(SocketAddr, u32)> {
        let asked = |flow: Flow| {
            let (address, port) = flow.client;
            match self.hosts.place(flow.server)? {
                Initiator::Server(balancer) => {
                    Some((SocketAddr::new(Ipv4Addr::from_bits(address).into(), port), balancer))
                }
                Initiator::Client { .. } => None,
            }
        };
        self.shared.asked().into_iter().filter_map(asked).collect()
    }

    /// Questions to the resolver, since it was last asked.
    pub(crate) fn queries(&self) -> Vec<Query> {
        self.shared.queries()
    }

    /// The resolver answers.
    pub(crate) fn answer(&self, query: &Query, answer: Answer<'_>) -> io::Result<()> {
        let Some(packet) = query.answered(answer) else { return Ok(()) };
        self.shared.answer(packet);
        self.ring()
    }

    /// Asks the resolver, by a socket that is the host's of this address: a socket that its answer comes to.
    pub(crate) fn ask(address: IpAddr, id: u16, name: &str) -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind((address, 0))?;
        socket.set_nonblocking(true)?;
        socket.connect((dns::RESOLVER, dns::PORT))?;
        let query = dns::query(id, name).ok_or(io::ErrorKind::InvalidInput)?;
        socket.send(&query)?;
        Ok(socket)
    }

    /// The servers of an answer, by number, and how long they may be kept.
    pub(crate) fn servers_of(&self, id: u16, answer: &[u8]) -> Option<(Vec<EndpointId>, Nanos)> {
        let (addresses, keep) = dns::addresses(id, answer)?;
        let number = |address: &Ipv4Addr| match self.hosts.place(address.to_bits()) {
            Some(Initiator::Server(number)) => Some(EndpointId(number)),
            _ => None,
        };
        Some((addresses.iter().filter_map(number).collect(), keep))
    }

    /// Until the wire asks something.
    pub(crate) async fn asks(&self) {
        self.shared.asks.notified().await;
    }

    /// What draws of a host are keyed by that has this address.
    pub(crate) fn identity(&self, address: SocketAddr) -> Option<Identity> {
        let IpAddr::V4(address) = address.ip() else { return None };
        self.hosts.place(address.to_bits()).map(|place| self.hosts.identity(place))
    }

    /// A SYN to a balancer goes on to a server; without one it is refused.
    pub(crate) fn begin_flow(&self, client: SocketAddr, balancer: u32, server: Option<u32>) -> io::Result<()> {
        self.order(flow(client, balancer).map(|flow| Order::Begin(flow, server)))
    }

    /// A connection through a balancer is over at both ends.
    pub(crate) fn end_flow(&self, client: SocketAddr, balancer: u32) -> io::Result<()> {
        self.order(flow(client, balancer).map(Order::Over))
    }

    /// A balancer's process is gone, and its flows with it.
    pub(crate) fn forget_flows(&self, balancer: u32) -> io::Result<()> {
        self.order(Some(Order::Forget(balancer)))
    }

    /// A balancer ends its flows to a server.
    pub(crate) fn cut_flows(&self, balancer: u32, server: u32) -> io::Result<()> {
        self.order(Some(Order::Cut { balancer, server }))
    }

    /// A server's process stands still, or goes on.
    pub(crate) fn hang(&self, server: u32, hung: bool) {
        self.shared.hang(server, hung);
    }

    fn order(&self, order: Option<Order>) -> io::Result<()> {
        let Some(order) = order else { return Ok(()) };
        self.shared.order(order);
        self.ring()
    }

    /// What the wire did since it was last asked.
    pub(crate) fn notes(&self) -> Vec<Note> {
        self.shared.notes()
    }

    /// The wire looks what there is to do.
    fn ring(&self) -> io::Result<()> {
        rustix::io::write(&*self.bell, &1_u64.to_ne_bytes())?;
        Ok(())
    }

    fn stop(&self) -> Option<Ended> {
        let running = self.running.borrow_mut().take()?;
        self.shared.end();
        Some(self.ring().and_then(|()| match running.join() {
            Ok(ended) => ended,
            Err(panic) => std::panic::resume_unwind(panic),
        }))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Whoever does not ask for it does not want what it counted.
        let _ = self.stop();
        let _ = self.before.enter();
    }
}

/// A connection from an address to a server.
fn flow(client: SocketAddr, server: u32) -> Option<Flow> {
    let IpAddr::V4(address) = client.ip() else { return None };
    Some(Flow { client: (address.to_bits(), client.port()), server: Hosts::server_ip(server).to_bits() })
}

/// What the kernel of the calling thread's namespace counted; adds what its device dropped.
fn counted(dropped: &mut u64) -> Counted {
    *dropped += told::drops(&namespace::counters("dev"), DEVICE);
    let mut found = told::counters(&namespace::counters("netstat"), COUNTERS);
    found.extend(told::counters(&namespace::counters("snmp"), COUNTERS));
    found
}

/// How each host's kernel is set.
fn settings(scenario: &Scenario) -> Vec<(&'static str, String)> {
    let network = scenario.network();
    let backlog = scenario.groups().values().map(|group| group.backlog).max().unwrap_or(0);
    // A kernel before 6.5 has no such setting, and doubles from the first SYN on.
    let linear = if network.syn_retries == SynRetries::default() { 4 } else { 0 };
    vec![
        ("ipv4/tcp_retries2", network.data_retries.to_string()),
        ("ipv4/tcp_syn_retries", 6.to_string()),
        ("ipv4/tcp_syn_linear_timeouts", linear.to_string()),
        ("core/somaxconn", backlog.max(SOMAXCONN).to_string()),
    ]
}

/// The default of `net.core.somaxconn`.
const SOMAXCONN: u32 = 4_096;
