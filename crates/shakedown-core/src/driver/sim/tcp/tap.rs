//! A tap on the wire of a few sessions: every message that their connections send, and what becomes of it.

use std::collections::{BTreeMap, BTreeSet};

use super::queued::Queued;
use super::segment::{Hop, Segment};
use crate::network::Direction;
use crate::record::{Fate, Message, Transmission};
use crate::time::Timestamp;

/// Who is listened to, and what was heard.
#[derive(Debug, Default)]
pub(crate) struct Tap {
    /// Client groups and sessions in them.
    pub(super) chosen: BTreeSet<(u16, u32)>,
    /// Their connections, by place in the slab.
    pub(super) lines: BTreeMap<u32, Line>,
    pub(super) messages: Vec<Message>,
}

/// A connection that is listened to.
#[derive(Debug)]
pub(super) struct Line {
    pub session: u32,
    pub connection: u32,
    pub under_way: UnderWay,
}

/// Messages of a connection that have not arrived, each with its place among all messages. Thousands may be under way at
/// once, of which each arrives alone: no step walks through all of them.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    places: BTreeMap<Key, usize>,
    /// In the order in which they were sent, for each direction and hop.
    sent: BTreeMap<(Direction, Hop, usize), Key>,
}

impl UnderWay {
    /// A message's place among all.
    pub(super) fn place(&self, key: Key) -> Option<usize> {
        self.places.get(&key).copied()
    }

    /// A message leaves.
    pub(super) fn insert(&mut self, key: Key, place: usize) {
        self.remove(key);
        self.places.insert(key, place);
        self.sent.insert((key.way, key.hop, place), key);
    }

    fn remove(&mut self, key: Key) {
        if let Some(place) = self.places.remove(&key) {
            self.sent.remove(&(key.way, key.hop, place));
        }
    }

    /// The one that was sent last.
    pub(super) fn latest(&self, way: Direction, hop: Hop) -> Option<Key> {
        let mut sent = self.sent.range((way, hop, 0)..=(way, hop, usize::MAX));
        sent.next_back().map(|(_, key)| *key)
    }
}

/// Tells the messages of a connection apart that are under way at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub way: Direction,
    pub hop: Hop,
    pub what: What,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    Syn,
    Answer,
    Segment(Segment),
}

impl Key {
    /// What an item is the arrival of; a relayed one is that of its first hop.
    pub(super) fn of(item: Queued, relayed: bool) -> Option<(u32, Key)> {
        let last = if relayed { Hop::Behind } else { Hop::Before };
        let kept = |reset: bool| What::Segment(if reset { Segment::Rst } else { Segment::Fin });
        let segment = |segment: u32| What::Segment(Segment::Data(segment));
        let first = |way: Direction| if way == Direction::ToServer { Hop::Before } else { Hop::Behind };
        let (connection, way, hop, what) = match item {
            Queued::Syn { connection } => (connection, Direction::ToServer, Hop::Before, What::Syn),
            Queued::SynBehind { connection } => (connection, Direction::ToServer, Hop::Behind, What::Syn),
            Queued::SynAck { connection, .. } | Queued::SynRefused { connection } => {
                (connection, Direction::ToClient, Hop::Before, What::Answer)
            }
            Queued::RelayAnswer { connection, .. } => (connection, Direction::ToClient, Hop::Behind, What::Answer),
            Queued::ToServer { connection, segment: number } => {
                (connection, Direction::ToServer, last, segment(number))
            }
            Queued::ToClient { connection, segment: number, .. } => {
                (connection, Direction::ToClient, Hop::Before, segment(number))
            }
            Queued::FinToServer { connection } => (connection, Direction::ToServer, last, kept(false)),
            Queued::FinToClient { connection } => (connection, Direction::ToClient, Hop::Before, kept(false)),
            Queued::RstToServer { connection } => (connection, Direction::ToServer, last, kept(true)),
            Queued::RstToClient { connection } => (connection, Direction::ToClient, Hop::Before, kept(true)),
            Queued::Relay { connection, segment: number, way } => (connection, way, first(way), segment(number)),
            Queued::RelayEnd { connection, way, reset } => (connection, way, first(way), kept(reset)),
            _ => return None,
        };
        Some((connection, Key { way, hop, what }))
    }
}

impl Tap {
    /// The last transmission of what is under way.
    pub(super) fn last(&mut self, connection: u32, key: Key) -> Option<&mut Transmission> {
        let place = self.lines.get(&connection)?.under_way.place(key)?;
        self.messages[place].transmissions.last_mut()
    }

    /// What becomes of the last transmission of what is under way.
    pub(super) fn end(&mut self, connection: u32, key: Key, fate: Fate) {
        if let Some(transmission) = self.last(connection, key).filter(|last| last.fate == Fate::UnderWay) {
            transmission.fate = fate;
            if let (Fate::Arrived(_), Some(line)) = (fate, self.lines.get_mut(&connection)) {
                line.under_way.remove(key);
            }
        }
    }

    /// What is under way is sent once more.
    pub(super) fn again(&mut self, connection: u32, key: Key, left: Timestamp) {
        if let Some(place) = self.lines.get(&connection).and_then(|line| line.under_way.place(key)) {
            self.messages[place].transmissions.push(Transmission { left, fate: Fate::UnderWay });
        }
    }

    /// Listens to these sessions, given by their client groups' numbers and their own in these.
    pub(crate) fn new(chosen: BTreeSet<(u16, u32)>) -> Box<Tap> {
        Box::new(Tap { chosen, ..Tap::default() })
    }

    /// What was heard, in the order in which it was sent.
    pub(crate) fn messages(self) -> Vec<Message> {
        let mut messages = self.messages;
        messages.sort_by_key(|message| message.transmissions[0].left);
        messages
    }
}
