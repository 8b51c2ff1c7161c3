//! The same run a second time, beside the first, compared event by event.

use std::collections::VecDeque;

use crate::driver::sim::Simulation;
use crate::event::Event;
use crate::record::Recorder;
use crate::replay::Names;
use crate::scenario::Scenario;

/// Items that the second run works through at a time.
const STRIDE: u64 = 1_000;

/// Makes a run again while it is made: give it the first run's events. Little of either is kept.
pub struct DeterminismCheck<'a> {
    simulation: Simulation,
    /// Events of the second run that the first has not come to.
    ahead: VecDeque<Event>,
    ended: bool,
    names: Names<'a>,
    difference: Option<Difference>,
}

/// The first event that is not the same in both runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Its place among all events, from 0.
    pub seq: u64,
    /// What the first run has there, as a line of JSON; `None` where it has ended.
    pub first: Option<String>,
    /// What the second run has.
    pub second: Option<String>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let line = |line: &Option<String>| line.clone().unwrap_or_else(|| "(it has ended)".into());
        writeln!(f, "not deterministic: event {} is the first that differs between two runs", self.seq)?;
        writeln!(f, "  first   {}", line(&self.first))?;
        writeln!(f, "  second  {}", line(&self.second))
    }
}

impl<'a> DeterminismCheck<'a> {
    /// Of a run of this scenario.
    pub fn new(scenario: &'a Scenario) -> DeterminismCheck<'a> {
        DeterminismCheck {
            simulation: Simulation::new(scenario),
            ahead: VecDeque::new(),
            ended: false,
            names: Names::new(scenario),
            difference: None,
        }
    }

    fn next(&mut self) -> Option<Event> {
        while self.ahead.is_empty() && !self.ended {
            let mut events = Vec::new();
            self.ended = !self.simulation.advance(&mut events, STRIDE);
            self.ahead.extend(events);
        }
        self.ahead.pop_front()
    }

    fn differs(&mut self, seq: u64, first: Option<&Event>, second: Option<&Event>) {
        let line = |event: &Event| {
            // Both may be the start of a session, and not of the same one.
            let mut names = self.names.clone();
            names.learn(event);
            names.line(event)
        };
        self.difference = Some(Difference { seq, first: first.map(line), second: second.map(line) });
    }

    /// What differed. Of a run that was ended early, only what it came to is compared.
    pub fn finish(mut self, partial: bool) -> Option<Difference> {
        if self.difference.is_none()
            && !partial
            && let Some(second) = self.next()
        {
            self.differs(second.seq, None, Some(&second));
        }
        self.difference
    }
}

impl Recorder for DeterminismCheck<'_> {
    fn record(&mut self, event: &Event) {
        if self.difference.is_some() {
            return;
        }
        let second = self.next();
        if second.as_ref() == Some(event) {
            self.names.learn(event);
        } else {
            self.differs(event.seq, Some(event), second.as_ref());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver;
    use crate::event::Kind;
    use crate::scenario::Overrides;
    use crate::time::Nanos;

    fn scenario() -> Scenario {
        let text = r#"
            format = 1
            title = "Twice"
            duration = "2s"
            [servers.gateway]
            [clients.players]
            count = 3
            arrive = { evenly_over = "1s" }
            endpoints = ["gateway"]
        "#;
        crate::scenario::load("t", "t", text, &Overrides::default()).unwrap()
    }

    fn compared(scenario: &Scenario, events: &[Event], partial: bool) -> Option<Difference> {
        let mut check = DeterminismCheck::new(scenario);
        events.iter().for_each(|event| check.record(event));
        check.finish(partial)
    }

    #[test]
    fn the_first_event_that_differs_is_named() {
        let scenario = scenario();
        let mut events = Vec::new();
        driver::run(&scenario, &mut events);
        assert_eq!(compared(&scenario, &events, false), None);

        // A clock that is a nanosecond off, once, and another slip after it.
        let mut planted = events.clone();
        let at = planted.iter().position(|event| matches!(event.kind, Kind::Session(1, _))).unwrap() + 1;
        planted[at].at = planted[at].at + Nanos(1);
        planted[at + 2].at = planted[at + 2].at + Nanos(1);
        let found = compared(&scenario, &planted, false).unwrap();
        assert_eq!(found.seq, at as u64);
        assert_ne!(found.first, found.second);
        let said = found.to_string();
        assert!(said.starts_with(&format!("not deterministic: event {at} is the first")), "{said}");
        assert!(said.contains(&format!("\"at_ns\":{}", events[at].at.0)), "{said}");
        assert!(said.contains(&format!("\"at_ns\":{}", planted[at].at.0)), "{said}");

        // One that draws another lot: two events change places.
        let mut swapped = events.clone();
        swapped.swap(3, 4);
        assert_eq!(compared(&scenario, &swapped, false).unwrap().seq, swapped[3].seq);
    }

    #[test]
    fn a_run_that_ends_early_or_late_differs_unless_it_was_interrupted() {
        let scenario = scenario();
        let mut events = Vec::new();
        driver::run(&scenario, &mut events);
        let last = events.pop().unwrap();
        let found = compared(&scenario, &events, false).unwrap();
        assert_eq!((found.seq, found.first), (last.seq, None));
        assert_eq!(compared(&scenario, &events, true), None);
        events.extend([last, Event { seq: last.seq + 1, ..last }]);
        let found = compared(&scenario, &events, false).unwrap();
        assert_eq!((found.seq, found.second), (last.seq + 1, None));
    }
}
