//! Lookups of sessions: a question to the resolver, by a socket of the session's host.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use shakedown_core::driver::pipes::Initiator;
use shakedown_core::machine::ConnectionId;
use shakedown_core::network::Direction;
use shakedown_core::rng::Identity;
use shakedown_core::time::Nanos;
use tokio::net::UdpSocket;

use super::connections::Network;
use super::effects::{Effect, SocketInput, notify_owner};
use crate::kernel::World;

/// No answer is longer: a name has a record for each of 250 servers at most.
const LONGEST: usize = 8_192;
/// A socket waits no longer for an answer. Its session has given up before.
const PATIENCE: Duration = Duration::from_secs(120);

impl Network {
    /// A session on a host asks for a name, before a connection of this number: the address that it asks from.
    pub(crate) fn look_up(
        &self,
        (session, c): (u32, ConnectionId),
        place: Initiator,
        name: &str,
    ) -> io::Result<Option<SocketAddr>> {
        let Some(world) = self.sockets.world() else { return Ok(None) };
        let socket = World::ask(world.address(place), number(c), name)?;
        let (from, socket) = (socket.local_addr()?, UdpSocket::from_std(socket)?);
        let owner = self.owner.clone();
        tokio::task::spawn_local(async move {
            let mut room = vec![0; LONGEST];
            let answer = tokio::time::timeout(PATIENCE, socket.recv(&mut room)).await;
            let len = answer.ok().and_then(Result::ok).unwrap_or(0);
            notify_owner(&owner, SocketInput::Answered(session, c, from, &room[..len]));
        });
        Ok(Some(from))
    }

    /// A question is answered, or never will be.
    pub(super) fn answered(&mut self, session: u32, c: ConnectionId, from: SocketAddr, answer: &[u8]) {
        let servers = self.sockets.world().and_then(|world| world.servers_of(number(c), answer));
        self.effects.push_back(Effect::Answered { session, c, from, servers });
    }

    /// How long a check is under way, from a place that no link is about.
    pub(crate) fn way_of_check(&self, checker: Identity, server: u32, way: Direction) -> Nanos {
        // The first route is that one.
        self.links.one_way(0, way, checker, self.identity(server))
    }
}

/// A question's number: a socket asks one.
fn number(c: ConnectionId) -> u16 {
    c.0 as u16
}
