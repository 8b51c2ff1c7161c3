//! Known answers of the network alone: a client and a server without machines, 20 ms apart. Linux's timers: a SYN is
//! repeated after 1, 2, 3, 4, 5, 7, 11, 19, 35 and 67 s, data after a round trip and 200 ms, doubling.

use super::connection::{ClientEnd, PeerId, ServerEnd};
use super::segment::Segment;
use super::*;
use crate::fault::{Action, Config, Course, Cut, FaultWindow, Kind as FaultKind, Side};
use crate::machine::{CloseMode, ConnectError};
use crate::network::{Direction, Event as Network, GivingUp, Message, OneWayRoute, Overflow, Route, Routes};
use crate::quantity::{Loss, Share};
use crate::rng::{Distribution, Seed};
use crate::scenario::{Parts, Roster};
use crate::server::{Group, Machine, Membership};
use crate::time::Nanos;

/// What an end hears.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Heard {
    Connected,
    Refused,
    TimedOut,
    Bytes(&'static str, Vec<u8>),
    Fin(&'static str),
    Rst(&'static str),
    GivenUp,
}
use Heard::*;

struct Net {
    tcp: Tcp,
    connection: u32,
    heard: Vec<(u64, Heard)>,
}

fn ms(ms: u64) -> Timestamp {
    Timestamp::ZERO + Nanos::from_millis(ms)
}

/// A link fault from one moment until before another.
fn fault(action: Action, begins: u64, heals: u64) -> Fault {
    let config = Config {
        kind: FaultKind::Partition,
        target: "gateway".into(),
        at: Nanos::from_millis(begins),
        one_way: false,
        duration: None,
        repeat: None,
        course: Course::Action(action),
        reload: None,
        commands: None,
    };
    let window = FaultWindow { action, begins: ms(begins), heals: Some(ms(heals)), servers: Vec::new() };
    let cut = Cut { side: Side::Clients(0), server: 0, to_server: true, to_client: true, reversed: false };
    Fault { name: "fault".into(), config, windows: vec![window], cuts: vec![cut] }
}

impl Net {
    fn new() -> Net {
        Net::with("", Vec::new())
    }

    /// More keys of the client group, and faults.
    fn with(client: &str, faults: Vec<Fault>) -> Net {
        let leg = OneWayRoute {
            one_way: Distribution::Constant(Nanos::from_millis(20)),
            jitter: Distribution::Constant(Nanos::ZERO),
            loss: Share(0.0),
            bottleneck: None,
        };
        let route = Route { to_server: leg.clone(), to_client: leg };
        let client: crate::client::Config = toml::from_str(&format!("count = 1\nendpoints = \"gateway\"\n{client}\n"))
            .unwrap_or_else(|problem| panic!("{problem}"));
        let gateway = Group {
            count: 1,
            backlog: 1,
            backlog_overflow: Overflow::default(),
            access_link: None,
            membership: Membership::default(),
            giving_up: GivingUp::default(),
            machine: Machine::Web(Box::default()),
        };
        let scenario = Scenario::from(Parts {
            name: "two-hosts".into(),
            duration: Nanos::from_secs(300),
            seed: Seed(1),
            servers: Roster::new([(&"gateway".to_string(), 1)].into_iter(), [].into_iter()),
            groups: [("gateway".to_string(), gateway)].into(),
            clients: [("players".to_string(), client)].into(),
            faults,
            routes: Routes { routes: vec![route], servers: 1, ..Routes::default() },
            ..Parts::default()
        });
        Net { tcp: Tcp::new(&scenario, |_| false), connection: NONE, heard: Vec::new() }
    }

    fn dial(&mut self) {
        self.connection = self.tcp.connect(PeerId::session(0), 1, 0, 0, NONE);
        self.tcp.send_syn(self.connection);
    }

    /// Dials, and a second passes.
    fn connected() -> Net {
        let mut net = Net::new();
        net.dial();
        net.run_until(1_000);
        assert_eq!(net.heard, [(40, Connected)]);
        net.heard.clear();
        net
    }

    fn say(&mut self, way: Direction, text: &str) {
        let mut bytes = text.as_bytes().to_vec();
        self.tcp.send_bytes(self.connection, way, &mut bytes, 0..text.len());
        self.tcp.record_deferred();
    }

    fn hear(&mut self, heard: Heard) {
        self.heard.push((self.tcp.now.since(Timestamp::ZERO).0 / 1_000_000, heard));
    }

    fn arrives(&mut self, way: Direction, kept: Segment) {
        let connection = self.connection;
        let (end, heard) = match (way, kept) {
            (Direction::ToServer, Segment::Data(segment)) => {
                ("server", self.tcp.segment_at_server(connection, segment))
            }
            (Direction::ToServer, Segment::Fin) => ("server", self.tcp.fin_at_server(connection)),
            (Direction::ToServer, Segment::Rst) => ("server", !self.tcp.held_up(connection, way, kept)),
            (Direction::ToClient, Segment::Data(segment)) => {
                ("client", self.tcp.segment_at_client(connection, segment))
            }
            (Direction::ToClient, Segment::Fin) => ("client", self.tcp.fin_at_client(connection)),
            (Direction::ToClient, Segment::Rst) => {
                ("client", !self.tcp.held_up(connection, way, kept) && self.tcp.drop_client(connection))
            }
        };
        if !heard {
            return;
        }
        match kept {
            Segment::Data(segment) => {
                if way == Direction::ToServer {
                    self.tcp.connections[connection].server_end = ServerEnd::Accepted;
                }
                self.hear(Bytes(end, self.tcp.segments[segment].clone()));
            }
            Segment::Fin => self.hear(Fin(end)),
            Segment::Rst => {
                if way == Direction::ToServer {
                    self.tcp.connections[connection].server_end = ServerEnd::Gone;
                }
                self.hear(Rst(end));
            }
        }
        self.tcp.release(connection);
    }

    /// Plays whatever is due by a moment, in milliseconds.
    fn run_until(&mut self, until: u64) {
        while let Some((at, item)) = self.tcp.queue.pop(ms(until)) {
            self.tcp.now = at;
            self.dispatch(item);
            self.tcp.record_deferred();
        }
        self.tcp.now = ms(until);
    }

    fn dispatch(&mut self, item: Queued) {
        match item {
            Queued::Syn { connection } => assert_eq!(self.tcp.syn(connection), None),
            Queued::SynAck { connection, caller } => {
                if self.tcp.syn_ack(connection, caller) {
                    self.hear(Connected);
                    self.tcp.release(connection);
                }
            }
            Queued::SynRefused { connection } | Queued::SynGivenUp { connection } => {
                let refused = matches!(item, Queued::SynRefused { .. });
                let why = if refused { ConnectError::Refused } else { ConnectError::TimedOut };
                if self.tcp.not_connected(connection, why).is_some() {
                    self.hear(if refused { Refused } else { TimedOut });
                    self.tcp.release(connection);
                }
            }
            Queued::ToServer { segment, .. } => self.arrives(Direction::ToServer, Segment::Data(segment)),
            Queued::ToClient { segment, .. } => self.arrives(Direction::ToClient, Segment::Data(segment)),
            Queued::FinToServer { .. } => self.arrives(Direction::ToServer, Segment::Fin),
            Queued::FinToClient { .. } => self.arrives(Direction::ToClient, Segment::Fin),
            Queued::RstToServer { .. } => self.arrives(Direction::ToServer, Segment::Rst),
            Queued::RstToClient { .. } => self.arrives(Direction::ToClient, Segment::Rst),
            Queued::Retransmitted { connection, way, point } => {
                for kept in self.tcp.retransmitted(connection, way, point) {
                    self.arrives(way, kept);
                }
                self.tcp.release(connection);
            }
            Queued::GivenUp { connection, way } => {
                if self.tcp.given_up(connection, way) {
                    self.hear(GivenUp);
                }
                self.tcp.release(connection);
            }
            Queued::Hop { transmission } => {
                self.tcp.hop(transmission);
                for item in std::mem::take(&mut self.tcp.ready) {
                    self.dispatch(item);
                }
            }
            item => panic!("{item:?} is none of the network's"),
        }
    }

    fn network(&self) -> Vec<(u64, Network)> {
        let network = |event: &Event| match event.kind {
            Kind::Network(_, kind) => Some((event.at.since(Timestamp::ZERO).0 / 1_000_000, kind)),
            _ => None,
        };
        self.tcp.events.iter().filter_map(network).collect()
    }

    fn dropped(&self) -> Vec<u64> {
        let network = self.network().into_iter();
        network.filter(|(_, kind)| matches!(kind, Network::SynDropped { .. })).map(|(at, _)| at).collect()
    }
}

#[test]
fn a_connect_takes_a_round_trip() {
    let net = Net::connected();
    assert_eq!(net.tcp.connections[net.connection].client, ClientEnd::Open);
    assert_eq!(net.network(), []);
}

#[test]
fn a_closed_port_refuses_after_a_round_trip() {
    let mut net = Net::new();
    net.tcp.hosts[0].kernel.crash();
    net.dial();
    net.run_until(1_000);
    assert_eq!(net.heard, [(40, Refused)]);
    assert_eq!(net.network(), [(20, Network::SynRefused { session: 0, backlog_full: false })]);
    assert_eq!(net.tcp.released, [net.connection]);
}

#[test]
fn a_host_without_power_is_silent_until_the_client_gives_up() {
    let mut net = Net::new();
    net.tcp.hosts[0].kernel.power_off();
    net.dial();
    net.run_until(200_000);
    let left = [0, 1, 2, 3, 4, 5, 7, 11, 19, 35, 67].map(|second| second * 1_000 + 20);
    assert_eq!(net.dropped(), left);
    assert_eq!(net.heard, [(131_000, TimedOut)]);
}

#[test]
fn a_full_accept_queue_drops_syns_until_it_has_room() {
    let mut net = Net::new();
    net.tcp.hosts[0].kernel.hang();
    // A backlog of 1 has room for two.
    net.tcp.hosts[0].kernel.enqueue();
    net.tcp.hosts[0].kernel.enqueue();
    net.dial();
    net.run_until(2_500);
    assert_eq!(net.dropped(), [20, 1_020, 2_020]);
    net.tcp.hosts[0].kernel.go_on();
    net.run_until(10_000);
    assert_eq!(net.heard, [(3_040, Connected)]);
}

#[test]
fn data_arrives_in_order_and_fin_after_it() {
    let mut net = Net::connected();
    net.say(Direction::ToServer, "one");
    net.say(Direction::ToServer, "two");
    net.tcp.close_caller(net.connection, CloseMode::Fin);
    net.run_until(2_000);
    let bytes = |text: &str| Bytes("server", text.as_bytes().to_vec());
    assert_eq!(net.heard, [(1_020, bytes("one")), (1_020, bytes("two")), (1_020, Fin("server"))]);
    // The server closes as well: nobody hears of the connection again.
    net.tcp.connections[net.connection].server_end = ServerEnd::Closed;
    net.tcp.close_server(net.connection, CloseMode::Fin);
    net.run_until(3_000);
    assert_eq!(net.tcp.released, [net.connection]);
}

#[test]
fn what_comes_for_an_end_that_is_closed_is_answered_with_rst() {
    let mut net = Net::connected();
    net.say(Direction::ToServer, "hello");
    net.run_until(2_000);
    net.tcp.connections[net.connection].server_end = ServerEnd::Closed;
    net.tcp.close_server(net.connection, CloseMode::Fin);
    net.say(Direction::ToServer, "too late");
    net.run_until(3_000);
    let hello = Bytes("server", b"hello".to_vec());
    assert_eq!(net.heard, [(1_020, hello), (2_020, Fin("client")), (2_040, Rst("client"))]);
}

#[test]
fn a_reset_overtakes_nothing_and_ends_both_ends() {
    let mut net = Net::connected();
    net.say(Direction::ToServer, "last words");
    net.tcp.close_caller(net.connection, CloseMode::Reset);
    net.run_until(2_000);
    assert_eq!(net.heard, [(1_020, Bytes("server", b"last words".to_vec())), (1_020, Rst("server"))]);
    assert_eq!(net.tcp.released, [net.connection]);
}

#[test]
fn a_lost_segment_is_repeated_by_its_timer_and_delays_what_follows() {
    // Transmissions leave at 1000, 1240, 1720 and 2680 ms; the link loses what leaves before 1500.
    let lossy = fault(Action::Lossy { loss: Loss::both(Share(1.0)) }, 1_000, 1_500);
    let mut net = Net::with("", vec![lossy]);
    net.dial();
    net.run_until(1_000);
    net.say(Direction::ToServer, "one");
    net.run_until(1_550);
    net.say(Direction::ToServer, "two");
    net.run_until(10_000);
    let bytes = |text: &str| Bytes("server", text.as_bytes().to_vec());
    assert_eq!(net.heard, [(40, Connected), (1_740, bytes("one")), (1_740, bytes("two"))]);
    assert_eq!(net.network(), [(1_000, Network::Lost { session: 0, message: Message::ToServer, times: 2 })]);
}

#[test]
fn a_partition_holds_data_until_the_first_retransmission_after_it() {
    let mut net = Net::with("", vec![fault(Action::Partition, 1_000, 2_000)]);
    net.dial();
    net.run_until(1_000);
    net.tcp.partitions.push(0);
    net.say(Direction::ToServer, "one");
    net.run_until(2_000);
    net.tcp.partitions.clear();
    net.run_until(10_000);
    // It stalls at 1020; retransmissions would arrive at 1260, 1740 and 2700.
    assert_eq!(net.heard, [(40, Connected), (2_700, Bytes("server", b"one".to_vec()))]);
    assert_eq!(net.network(), [(1_020, Network::Stalled { session: 0, to_server: true })]);
}

#[test]
fn a_partition_that_lasts_ends_the_connection_at_its_sender() {
    let mut net = Net::with("", vec![fault(Action::Partition, 1_000, 5_000_000)]);
    net.dial();
    net.run_until(1_000);
    net.tcp.partitions.push(0);
    net.say(Direction::ToServer, "one");
    net.run_until(5_000_000);
    // Timers of 240, 480, ... ms, each 120 s at most: the first that runs out after 924.6 s.
    assert_eq!(net.heard, [(40, Connected), (1_000 + 962_640, GivenUp)]);
    assert_eq!(net.network().last(), Some(&(963_640, Network::GivenUp { session: 0, to_server: true })));
}

/// A partition begins, and the client says something and closes.
fn orphaned(heals: u64) -> Net {
    let mut net = Net::with("", vec![fault(Action::Partition, 1_000, heals)]);
    net.dial();
    net.run_until(500);
    net.say(Direction::ToServer, "hello");
    net.run_until(1_000);
    net.tcp.partitions.push(0);
    net.heard.clear();
    net.say(Direction::ToServer, "ping");
    net.run_until(6_000);
    net.tcp.close_caller(net.connection, CloseMode::Fin);
    net.run_until(heals);
    net.tcp.partitions.clear();
    net
}

#[test]
fn a_kernel_repeats_for_a_closed_connection_for_a_minute() {
    // The ping left at 1 s, and leaves again after 0.24, 0.72, 1.68, 3.6, 7.44, 15.12, 30.48 and 61.2 s.
    let mut net = orphaned(60_000);
    net.run_until(200_000);
    assert_eq!(net.heard, [(62_220, Bytes("server", b"ping".to_vec())), (62_220, Fin("server"))]);
    // After the eighth nothing leaves any more, and nobody tells the server.
    let mut net = orphaned(63_000);
    net.run_until(3_000_000);
    assert_eq!(net.heard, []);
    assert_eq!(net.network().last(), Some(&(1_000 + 122_640, Network::GivenUp { session: 0, to_server: true })));
    assert_eq!(net.tcp.connections[net.connection].server_end, ServerEnd::Accepted);
    assert!(net.tcp.released.is_empty());
    // It finds out by itself: what it says is answered with RST.
    net.say(Direction::ToClient, "are you there?");
    net.run_until(3_001_000);
    assert_eq!(net.heard, [(3_000_040, Rst("server"))]);
}

#[test]
fn losses_end_a_closed_connection_as_silence_does() {
    let lossy = |heals| fault(Action::Lossy { loss: Loss::both(Share(1.0)) }, 1_000, heals);
    let heard = |heals: u64| {
        let mut net = Net::with("", vec![lossy(heals)]);
        net.dial();
        net.run_until(500);
        net.say(Direction::ToServer, "hello");
        net.run_until(1_000);
        net.heard.clear();
        net.say(Direction::ToServer, "ping");
        net.run_until(6_000);
        net.tcp.close_caller(net.connection, CloseMode::Fin);
        net.tcp.record_deferred();
        net.run_until(3_000_000);
        let given_up = net.network().into_iter().filter(|(_, event)| matches!(event, Network::GivenUp { .. }));
        let given_up: Vec<u64> = given_up.map(|(at, _)| at).collect();
        (net.heard, given_up)
    };
    let all = vec![(62_220, Bytes("server", b"ping".to_vec())), (66_220 + 1_000, Fin("server"))];
    // The FIN has a timer of its own here.
    assert_eq!(heard(60_000), (all, Vec::new()));
    assert_eq!(heard(200_000), (Vec::new(), vec![123_640]));
}

#[test]
fn a_connect_that_was_answered_before_the_queue_filled_waits_for_its_timer() {
    let mut net = Net::new();
    net.tcp.hosts[0].kernel.hang();
    net.dial();
    net.run_until(40);
    assert_eq!(net.heard, [(40, Connected)]);
    // Two others were faster.
    net.tcp.hosts[0].kernel.enqueue();
    net.tcp.hosts[0].kernel.enqueue();
    net.say(Direction::ToServer, "hello");
    net.run_until(1_000);
    let overflow = Network::AcceptOverflow { session: 0 };
    let stalled = Network::Stalled { session: 0, to_server: true };
    assert_eq!(net.network(), [(60, overflow), (60, stalled), (300, overflow), (780, overflow)]);
    // There is room again. The data left at 40 ms, and again after 240, 720, 1,680 ms.
    net.tcp.hosts[0].kernel.go_on();
    net.run_until(5_000);
    assert_eq!(net.heard[1..], [(1_740, Bytes("server", b"hello".to_vec()))]);
    assert_eq!(net.network().len(), 4);
}

#[test]
fn a_connect_that_finds_the_queue_full_may_be_reset() {
    let mut net = Net::new();
    net.tcp.hosts[0].kernel = Host::new(0, Overflow::Reset);
    net.tcp.hosts[0].kernel.hang();
    net.dial();
    net.run_until(40);
    net.tcp.hosts[0].kernel.enqueue();
    net.say(Direction::ToServer, "hello");
    net.run_until(1_000);
    assert_eq!(net.heard, [(40, Connected), (80, Rst("client"))]);
}

#[test]
fn a_repeated_syn_is_a_round_trip_like_any() {
    // The SYN of 1 s is answered: its timestamp tells how long that took, and the timer is 240 ms as ever.
    let mut net = Net::new();
    net.tcp.hosts[0].kernel.power_off();
    net.dial();
    net.run_until(500);
    net.tcp.hosts[0].kernel.start();
    net.run_until(2_000);
    assert_eq!(net.heard, [(1_040, Connected)]);
    assert_eq!(net.tcp.connections[net.connection].rto().length(), Nanos::from_millis(240));
}

#[test]
fn bandwidth_takes_a_messages_bytes_their_time() {
    // 1,000 bits a second: a SYN of 40 bytes takes 320 ms.
    let mut net = Net::with("access_link = { up = \"1kbit/s\" }", Vec::new());
    net.dial();
    net.run_until(1_000);
    assert_eq!(net.heard, [(360, Connected)]);
    // Of 85 bytes and headers of 40 the last bit leaves after a second; the second message waits for the first.
    net.say(Direction::ToServer, &"a".repeat(85));
    net.say(Direction::ToServer, &"b".repeat(85));
    net.run_until(10_000);
    let arrived: Vec<u64> = net.heard[1..].iter().map(|(at, _)| *at).collect();
    assert_eq!(arrived, [2_020, 3_020]);
}
