//! The network by itself, on loopback: without machines, and without a stage. What is waited for has half a minute to come;
//! times are compared with lower bounds only.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use shakedown_core::driver::pipes::Initiator;
use shakedown_core::driver::stage::Peer;
use shakedown_core::event::Kind;
use shakedown_core::machine::{CloseMode, ConnectError, ConnectionId};
use shakedown_core::network::{Direction, Event};
use shakedown_core::rng::Identity;
use shakedown_core::server::Plan;
use shakedown_core::time::{Nanos, Timestamp};
use shakedown_scenario::Overrides;
use tokio::runtime::LocalOptions;

use super::super::schedule::Sleep;
use super::super::setup::{Part, Setup};
use super::connection::{ConnectionKey, Notice, Opener};
use super::connections::Network;
use super::effects::{Effect, Owner, SocketInput};
use super::sockets::{Share, Sockets};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SERVER: u32 = 0;
const PATIENCE: Duration = Duration::from_secs(30);

/// Whoever has both ends of every connection: writes down what the network tells it.
struct Ends {
    network: Network,
    plan: Plan,
    address: SocketAddr,
    opened: u32,
    /// What either end was told, but for bytes.
    told: Vec<(ConnectionKey, Direction, String)>,
    /// What was received, and when its first byte was.
    received: BTreeMap<(ConnectionKey, Direction), (Timestamp, Vec<u8>)>,
    accepted: Vec<ConnectionKey>,
    recorded: Vec<Kind>,
}

impl Owner for RefCell<Ends> {
    fn handle(&self, input: SocketInput<'_>) {
        let mut ends = self.borrow_mut();
        ends.network.handle(input);
        ends.take();
    }
}

impl Ends {
    fn take(&mut self) {
        while let Some(effect) = self.network.next_effect() {
            match effect {
                Effect::Notify(key, way, Notice::Received(bytes)) => {
                    let (_, all) = self.received.entry((key, way)).or_insert((self.network.now, Vec::new()));
                    all.extend(bytes);
                }
                Effect::Notify(key, way, notice) => self.told.push((key, way, format!("{notice:?}"))),
                Effect::Accepted(key) => {
                    self.network.number_at_server(key, self.accepted.len() as u32);
                    self.accepted.push(key);
                }
                Effect::Flush(key, way) => self.network.flush(key, way),
                Effect::Record(kind) => self.recorded.push(kind),
                Effect::FlowEnded { .. } | Effect::Answered { .. } => {}
                Effect::Fail(error) => panic!("{error}"),
            }
        }
    }

    fn connect(&mut self) -> ConnectionKey {
        self.opened += 1;
        let (number, identity) = (ConnectionId(self.opened), Identity(self.opened.into()));
        let place = Initiator::Client { group: 0, host: 0 };
        self.network.now = self.network.sockets.now();
        let opener = Opener { peer: Peer::Session(0), number, place, identity, host: identity };
        let key = self.network.connect(SERVER, opener);
        self.take();
        key
    }

    fn heard(&self, key: ConnectionKey, way: Direction, what: &str) -> bool {
        self.told.iter().any(|(k, w, told)| (*k, *w) == (key, way) && told == what)
    }

    fn bytes(&self, key: ConnectionKey, way: Direction) -> &[u8] {
        self.received.get(&(key, way)).map_or(&[], |(_, bytes)| bytes)
    }
}

/// A network with one server that listens.
struct Test(Rc<RefCell<Ends>>);

impl Test {
    fn with(&self, act: impl FnOnce(&mut Network)) {
        let mut ends = self.0.borrow_mut();
        ends.network.now = ends.network.sockets.now();
        act(&mut ends.network);
        ends.take();
    }

    /// Goes on until something is so.
    async fn until(&self, what: &str, is_so: impl Fn(&Ends) -> bool) {
        let since = Instant::now();
        loop {
            self.with(|network| {
                while network.next_timer() <= network.now {
                    network.run_timer();
                }
            });
            {
                let ends = self.0.borrow();
                if is_so(&ends) {
                    return;
                }
                assert!(since.elapsed() < PATIENCE, "not {what}: {:?} {:?}", ends.told, ends.recorded);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// A connection that is up at both ends.
    async fn connected(&self) -> ConnectionKey {
        let key = self.0.borrow_mut().connect();
        let is_up = |ends: &Ends| ends.heard(key, Direction::ToClient, "Connected") && ends.accepted.contains(&key);
        self.until("connected", is_up).await;
        key
    }
}

/// Runs a test over a network whose ways take so long.
fn run(one_way: &str, test: impl AsyncFnOnce(Test)) {
    let text = format!(
        "format = 1\ntitle = 't'\nduration = '60s'\n[network]\none_way = '{one_way}'\n[servers.gateway]\n\
         [clients.c]\ncount = 1\narrive = 'at_once'\nendpoints = ['gateway']\n"
    );
    let scenario = shakedown_scenario::load("t", "t", &text, &Overrides::default()).unwrap();
    let setup = Setup {
        part: Part::Both,
        wire: false,
        tap: None,
        bind: LOCALHOST,
        ports: BTreeMap::new(),
        sources: vec![LOCALHOST],
        targets: BTreeMap::new(),
        connections_max: 100,
        insecure: false,
        roots: Vec::new(),
        authority: None,
        programs: BTreeMap::new(),
        commands: BTreeMap::new(),
        threads: 1,
    };
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build_local(LocalOptions::default()).unwrap();
    runtime.block_on(async {
        let sockets = Rc::new(Sockets::new(Share::ALL, None).unwrap());
        let listener = sockets.listen(SERVER, SocketAddr::new(LOCALHOST, 0), 16).unwrap();
        let address = listener.local_addr().unwrap();
        let addresses = BTreeMap::from([(SERVER, address)]);
        let sleep = Rc::new(Sleep::default());
        let network = Network::new(sockets, &scenario, &setup, vec![Some(listener)], addresses, &sleep).unwrap();
        let ends = Rc::new_cyclic(|me: &Weak<RefCell<Ends>>| {
            let mut ends = Ends {
                network,
                plan: Plan::new(&scenario.groups()[0]),
                address,
                opened: 0,
                told: Vec::new(),
                received: BTreeMap::new(),
                accepted: Vec::new(),
                recorded: Vec::new(),
            };
            ends.network.belong_to(me.clone());
            RefCell::new(ends)
        });
        ends.borrow_mut().network.listen(SERVER);
        test(Test(ends)).await;
    });
}

#[test]
fn a_connect_takes_both_ways() {
    run("20ms", async |test| {
        let key = test.0.borrow_mut().connect();
        let began = test.0.borrow().network.now;
        test.until("connected", |ends| ends.heard(key, Direction::ToClient, "Connected")).await;
        assert!(test.0.borrow().network.now >= began + Nanos::from_millis(40));
        test.until("accepted", |ends| ends.accepted == [key]).await;
    });
}

#[test]
fn a_closed_port_refuses() {
    run("0ms", async |test| {
        test.with(|network| network.stop_listening(SERVER));
        let key = test.0.borrow_mut().connect();
        let refused = format!("{:?}", Notice::Failed(ConnectError::Refused));
        test.until("refused", |ends| ends.heard(key, Direction::ToClient, &refused)).await;
        let ends = test.0.borrow();
        let refused = Kind::Network(SERVER, Event::SynRefused { session: 0, backlog_full: false });
        assert_eq!((&ends.recorded[..], &ends.accepted[..]), (&[refused][..], &[][..]));
    });
}

#[test]
fn bytes_arrive_in_order_and_not_before_their_way() {
    run("20ms", async |test| {
        let key = test.connected().await;
        let (mut sent, mut left) = (Vec::new(), Timestamp::ZERO);
        for number in 0..200u32 {
            let piece = vec![number as u8; 1 + 37 * number as usize];
            sent.extend_from_slice(&piece);
            test.with(|network| {
                if number == 0 {
                    left = network.now;
                }
                for way in [Direction::ToServer, Direction::ToClient] {
                    network.send(key, way, &piece);
                }
            });
            if number % 50 == 0 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        for way in [Direction::ToServer, Direction::ToClient] {
            test.until("all received", |ends| ends.bytes(key, way).len() == sent.len()).await;
            let ends = test.0.borrow();
            assert!(ends.bytes(key, way) == sent, "{way:?}");
            assert!(ends.received[&(key, way)].0 >= left + Nanos::from_millis(20));
        }
    });
}

#[test]
fn a_close_comes_after_what_was_sent_before() {
    run("5ms", async |test| {
        for how in [CloseMode::Fin, CloseMode::Reset] {
            let key = test.connected().await;
            // With RST, only what has arrived is sure to be read.
            test.with(|network| network.send(key, Direction::ToServer, b"last words"));
            let has_words = |ends: &Ends| ends.bytes(key, Direction::ToServer) == b"last words";
            if how == CloseMode::Reset {
                test.until("received", has_words).await;
            }
            test.with(|network| network.close_client(key, how));
            let end = if how == CloseMode::Fin { "Eof" } else { "Reset" };
            test.until(end, |ends| ends.heard(key, Direction::ToServer, end)).await;
            assert!(has_words(&test.0.borrow()));
            assert!(test.0.borrow().network.opener(key).is_none(), "its opener hears no more");
            test.with(|network| network.close_server(key, CloseMode::Fin));
            assert!(test.0.borrow().network.opener_code(key).is_none(), "both ends are closed");
        }
    });
}

#[test]
fn a_server_closes_with_fin_or_rst() {
    run("0ms", async |test| {
        for (how, end) in [(CloseMode::Fin, "Eof"), (CloseMode::Reset, "Reset")] {
            let key = test.connected().await;
            test.with(|network| network.close_server(key, how));
            test.until(end, |ends| ends.heard(key, Direction::ToClient, end)).await;
        }
    });
}

#[test]
fn who_has_only_ended_what_it_says_still_hears() {
    run("0ms", async |test| {
        let address = test.0.borrow().address;
        let mut stranger = TcpStream::connect(address).unwrap();
        stranger.set_read_timeout(Some(PATIENCE)).unwrap();
        stranger.write_all(b"question").unwrap();
        stranger.shutdown(Shutdown::Write).unwrap();
        test.until("accepted", |ends| ends.accepted.len() == 1).await;
        let key = test.0.borrow().accepted[0];
        test.until("half closed", |ends| ends.heard(key, Direction::ToServer, "Eof")).await;
        assert_eq!(test.0.borrow().bytes(key, Direction::ToServer), b"question");
        test.with(|network| {
            network.send(key, Direction::ToClient, b"answer");
            network.close_server(key, CloseMode::Fin);
        });
        // It is blocked while it reads: the connection's task needs its turn in between.
        let read = tokio::task::spawn_blocking(move || {
            let mut answer = Vec::new();
            stranger.read_to_end(&mut answer).map(|_| answer)
        });
        assert_eq!(read.await.unwrap().unwrap(), b"answer");
    });
}

#[test]
fn a_process_that_hangs_reads_when_it_goes_on() {
    run("0ms", async |test| {
        let key = test.connected().await;
        test.with(|network| {
            network.kernel_mut(SERVER).hang();
            network.process_hung(SERVER);
            network.send(key, Direction::ToServer, b"anybody there?");
        });
        // Its kernel completes connects all the same.
        let other = test.0.borrow_mut().connect();
        test.until("connected", |ends| ends.heard(other, Direction::ToClient, "Connected")).await;
        assert_eq!((test.0.borrow().bytes(key, Direction::ToServer), test.0.borrow().accepted.len()), (&b""[..], 1));
        test.with(|network| {
            network.kernel_mut(SERVER).go_on();
            network.listen(SERVER);
            network.process_goes_on(SERVER);
        });
        test.until("received", |ends| ends.bytes(key, Direction::ToServer) == b"anybody there?").await;
        test.until("accepted", |ends| ends.accepted == [key, other]).await;
    });
}

#[test]
fn a_lost_process_ends_its_connections_and_a_new_one_listens_again() {
    run("0ms", async |test| {
        let key = test.connected().await;
        {
            let Ends { network, plan, .. } = &mut *test.0.borrow_mut();
            network.kernel_mut(SERVER).crash();
            network.process_lost(SERVER, true, plan);
        }
        test.until("ended", |ends| ends.heard(key, Direction::ToClient, "Eof")).await;
        let refused = test.0.borrow_mut().connect();
        test.until("refused", |ends| ends.told.iter().any(|(k, _, told)| *k == refused && told.starts_with("Failed")))
            .await;
        test.with(|network| {
            network.kernel_mut(SERVER).start();
            network.process_started(SERVER);
            network.listen(SERVER);
        });
        // The port is open again a moment later.
        test.until("listening", |ends| TcpStream::connect(ends.address).is_ok()).await;
        test.connected().await;
    });
}
