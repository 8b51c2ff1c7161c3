//! One session's life as a sequence diagram, drawn from its events and from what went over the wire; and a run's events as
//! lines of JSON.
//!
//! A first run finds the sessions ([`Finder`]), a second one listens to them ([`Trace`]); both are the same run. What is
//! drawn of a message is its request or status line, or its frames: header fields, where credentials are, never are.

pub(crate) mod blocks;
mod capture;
mod events;
mod exemplars;
mod find;
mod label;
mod perfetto;
mod sequence;
mod svg;
mod text;
mod trace;

pub use capture::pcapng;
pub use events::{Filter, Lines, Names};
pub use exemplars::{Chooser, Exemplar, Rest, exemplars};
pub use find::{Finder, Which};
pub use perfetto::Perfetto;
pub use sequence::{End, Row, SequenceDiagram};
pub use svg::svg;
pub use text::text;
pub use trace::{Listener, Trace};
