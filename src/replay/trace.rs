//! The events and messages of a session.

use crate::client;
use crate::event::{Event, Kind};
use crate::network;
use crate::record::{Message, Recorder};
use crate::time::Timestamp;

/// All that is known of one session.
#[derive(Debug)]
pub struct Trace {
    /// Its client group's number.
    pub group: u16,
    /// Its number in the group.
    pub index: u32,
    /// What happened to it, what the network did to its connections, and every fault of the run.
    pub events: Vec<Event>,
    /// What its connections carried.
    pub messages: Vec<Message>,
    /// When the run ended.
    pub end: Timestamp,
}

/// Takes the events of chosen sessions.
#[derive(Debug)]
pub struct Listener {
    chosen: Vec<(u16, u32)>,
    /// By the driver's number for a session, its place among the chosen.
    numbers: Vec<(u32, usize)>,
    events: Vec<Vec<Event>>,
}

impl Listener {
    /// Of these sessions: client groups, and numbers in them.
    pub fn new(chosen: &[(u16, u32)]) -> Listener {
        Listener { chosen: chosen.to_vec(), numbers: Vec::new(), events: vec![Vec::new(); chosen.len()] }
    }

    /// The traces of the sessions that were there before the run ended, in the order in which they were chosen.
    pub fn traces(self, messages: &[Message], end: Timestamp) -> Vec<Trace> {
        let chosen = (0..).zip(self.chosen).zip(self.events);
        let trace = |((place, (group, index)), events): ((usize, (u16, u32)), Vec<Event>)| {
            let (session, _) = *self.numbers.iter().find(|(_, other)| *other == place)?;
            let messages = messages.iter().filter(|message| message.session == session).cloned().collect();
            Some(Trace { group, index, events, messages, end })
        };
        chosen.filter_map(trace).collect()
    }
}

impl Recorder for Listener {
    fn record(&mut self, event: &Event) {
        let session = match event.kind {
            Kind::Session(session, client::Event::Scheduled { group, index }) => {
                if let Some(place) = self.chosen.iter().position(|chosen| *chosen == (group, index))
                    && self.numbers.iter().all(|(_, other)| *other != place)
                {
                    self.numbers.push((session, place));
                }
                session
            }
            Kind::Session(session, _) => session,
            Kind::Network(
                _,
                network::Event::GivenUp { session, .. } | network::Event::KeepaliveFailed { session, .. },
            ) => session,
            Kind::Fault(..) => return self.events.iter_mut().for_each(|events| events.push(*event)),
            _ => return,
        };
        if let Some((_, place)) = self.numbers.iter().find(|(other, _)| *other == session) {
            self.events[*place].push(*event);
        }
    }
}
