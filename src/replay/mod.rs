//! One session's life as a ladder diagram, drawn from its events and from what went over the wire.
//!
//! A first run finds the sessions ([`Finder`]), a second one listens to them ([`Trace`]); both are the same run. What is
//! drawn of a message is its request or status line, or its frames: header fields, where credentials are, never are.

mod find;
mod label;
mod ladder;
mod svg;
mod text;
mod trace;

pub use find::{Finder, Which};
pub use ladder::{End, Ladder, Row};
pub use svg::svg;
pub use text::text;
pub use trace::{Listener, Trace};
