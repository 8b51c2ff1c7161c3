//! The clocks of connections as written become complete.

use shakedown_core::machine::{Ending, Ends};
use shakedown_core::server::{CLOSE_TIMEOUT, ClocksConfig, ConnectionAge, IdleTimeout, ServerHeartbeat};
use shakedown_core::time::Nanos;

/// The close frame of a server whose ping was not answered: an unexpected condition (RFC 6455 section 7.4.1).
pub(crate) const NO_PONG: u16 = 1011;
/// That of one that has no more time for a connection: going away.
pub(crate) const GOING_AWAY: u16 = 1001;

/// The keys of clocks, of any kind of server.
pub(crate) struct Clocks<'a> {
    pub heartbeat: Option<&'a mut ServerHeartbeat>,
    pub idle_timeout: Option<&'a mut IdleTimeout>,
    pub connection_age: Option<&'a mut ConnectionAge>,
}

impl Clocks<'_> {
    /// Makes the defaults visible; `usual` is how such servers end connections. Returns whether any ends with a close
    /// frame.
    pub(crate) fn fill_in(self, usual: Ends) -> bool {
        let ways = [
            self.heartbeat.map(|clock| (&mut clock.ends, &mut clock.code, usual, NO_PONG)),
            self.idle_timeout.map(|clock| (&mut clock.ends, &mut clock.code, usual, GOING_AWAY)),
            self.connection_age.map(|clock| (&mut clock.ends, &mut clock.code, usual, GOING_AWAY)),
        ];
        let mut closes = false;
        for (ends, code, usual, usual_code) in ways.into_iter().flatten() {
            if *ends.get_or_insert(usual) == Ends::Close {
                code.get_or_insert(usual_code);
                closes = true;
            }
        }
        closes
    }
}

/// The clocks with what they have.
pub(crate) fn read(
    heartbeat: Option<ServerHeartbeat>,
    idle: Option<IdleTimeout>,
    age: Option<&ConnectionAge>,
    close_timeout: Option<Nanos>,
    usual: Ends,
) -> ClocksConfig {
    ClocksConfig {
        heartbeat: heartbeat
            .map(|clock| (clock.every, clock.timeout, Ending::of(clock.ends, usual, clock.code, NO_PONG))),
        idle: idle.map(|clock| (clock.after, Ending::of(clock.ends, usual, clock.code, GOING_AWAY))),
        age: age.map(|clock| (clock.max.clone(), Ending::of(clock.ends, usual, clock.code, GOING_AWAY))),
        close_timeout: close_timeout.unwrap_or(CLOSE_TIMEOUT),
    }
}
