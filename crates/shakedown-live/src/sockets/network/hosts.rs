//! Servers' hosts: who listens, and what becomes of connections when a process is lost, stopped or started.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use shakedown_core::driver::stage::Peer;
use shakedown_core::machine::CloseMode;
use shakedown_core::network::{Direction, Host};
use shakedown_core::rng::Identity;
use shakedown_core::server::Plan;
use tokio::net::TcpListener;

use super::connection::{Connection, ConnectionKey, ServerEnd};
use super::connections::Network;
use super::effects::{Effect, SocketInput, notify_owner};
use super::sockets::Sockets;

/// How long after a failed accept the next one is tried, and how often a port is asked for again.
const PAUSE: Duration = Duration::from_millis(10);
const TRIES: u32 = 200;

impl Network {
    /// The kernel of a server's host, as far as the scenario tells it what to do.
    pub(crate) fn kernel(&self, server: u32) -> &Host {
        &self.ports[server as usize].kernel
    }

    /// See [`Network::kernel`].
    pub(crate) fn kernel_mut(&mut self, server: u32) -> &mut Host {
        &mut self.ports[server as usize].kernel
    }

    /// What a server's draws are keyed by.
    pub(crate) fn identity(&self, server: u32) -> Identity {
        self.ports[server as usize].identity
    }

    /// A server's port is closed.
    pub(crate) fn stop_listening(&mut self, server: u32) {
        self.ports[server as usize].close();
    }

    /// The port is open, and whatever comes is accepted.
    pub(crate) fn listen(&mut self, server: u32) {
        let Some(&place) = self.addresses.get(&server) else { return };
        let port = &mut self.ports[server as usize];
        port.stop_accepting();
        let (owner, open, backlog) = (self.owner.clone(), port.listener.clone(), port.kernel.backlog());
        let sockets = Rc::clone(&self.sockets);
        let task = tokio::task::spawn_local(async move {
            let listener = match open {
                Some(listener) => listener,
                None => match listen(&sockets, server, place, backlog).await {
                    Ok(listener) => Rc::new(listener),
                    Err(error) => return notify_owner(&owner, SocketInput::Failed(error)),
                },
            };
            notify_owner(&owner, SocketInput::Listening(server, Rc::clone(&listener)));
            while owner.strong_count() > 0 {
                match Sockets::accept(&listener).await {
                    Ok((stream, from)) => notify_owner(&owner, SocketInput::Accepted(server, stream, from)),
                    // No descriptor is free, or the client is gone already: the next one may do better.
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
            }
        });
        self.ports[server as usize].accepting = Some(task.abort_handle());
    }

    /// The accept queue has another size. Its kernel takes that of a port that is open.
    pub(crate) fn backlog_changed(&mut self, server: u32) {
        let port = &self.ports[server as usize];
        let Some(listener) = port.listener.as_ref().filter(|_| self.sockets.world().is_some()) else { return };
        let backlog = port.kernel.backlog().try_into().unwrap_or(i32::MAX);
        if let Err(error) = rustix::net::listen(listener, backlog) {
            self.effects.push_back(Effect::Fail(error.into()));
        }
    }

    /// A server's host loses power, if it is one of its own.
    pub(crate) fn power_off(&self, server: u32) {
        if let Some(world) = self.sockets.world() {
            world.power_off(server);
        }
    }

    /// It boots, if it has none.
    pub(crate) fn boot(&self, server: u32) -> io::Result<()> {
        self.sockets.world().map_or(Ok(()), |world| world.boot(server))
    }

    /// A server's process is gone. Its kernel, if that lives, ends its connections; if not, they fall silent.
    pub(crate) fn process_lost(&mut self, server: u32, kernel_lives: bool, plan: &Plan) {
        if !kernel_lives {
            self.power_off(server);
        }
        self.stop_listening(server);
        self.forget_flows(server);
        self.stand_still(server, false);
        if let Err(error) = self.tls.lose_keys(server, plan) {
            self.effects.push_back(Effect::Fail(error));
        }
        let is_accepted = |connection: &Connection| {
            connection.server == server
                && connection.server_end != ServerEnd::Closed
                && connection.to_server.stream.is_some()
        };
        for key in self.keys(is_accepted) {
            let Some(connection) = self.connections.get_mut(&key) else { continue };
            if kernel_lives {
                connection.close_server(None);
            } else if self.sockets.world().is_some() {
                // What its kernel says of it does not get onto the wire.
                connection.close_server(Some(CloseMode::Reset));
            } else if let Some(stream) = connection.to_server.stream.take() {
                stream.mute();
                self.silent.push((server, stream));
                connection.close_server(None);
                self.stop_repeating(key, Direction::ToClient);
            }
            self.reap(key);
        }
        for key in self.keys(|connection| is_opened_by(connection, server)) {
            if !kernel_lives {
                self.stop_repeating(key, Direction::ToServer);
            }
            let Some(connection) = self.connections.get_mut(&key) else { continue };
            if !kernel_lives && self.sockets.world().is_some() {
                connection.close_client(CloseMode::Reset);
                self.reap(key);
                continue;
            }
            if !kernel_lives && let Some(stream) = connection.to_client.stream.take() {
                stream.mute();
                self.silent.push((server, stream));
            }
            match connection.of_program && kernel_lives {
                true => self.close_client(key, CloseMode::Fin),
                false => {
                    connection.kill_client();
                    self.reap(key);
                }
            }
        }
    }

    /// A server's process is started, be it that its host boots first.
    pub(crate) fn process_started(&mut self, server: u32) {
        self.silent.retain(|(of, stream)| {
            if *of == server {
                stream.forget();
            }
            *of != server
        });
    }

    /// A server's process is stopped: nothing is read, nothing accepted.
    pub(crate) fn process_hung(&mut self, server: u32) {
        self.ports[server as usize].stop_accepting();
        self.stand_still(server, true);
        self.hold(server, true);
    }

    /// It goes on. What has come meanwhile is taken in.
    pub(crate) fn process_goes_on(&mut self, server: u32) {
        self.stand_still(server, false);
        self.hold(server, false);
        for key in self.keys(|connection| connection.server == server) {
            self.arrived(key, Direction::ToServer);
        }
        for key in self.keys(|connection| is_opened_by(connection, server)) {
            self.arrived(key, Direction::ToClient);
        }
    }

    fn hold(&self, server: u32, held: bool) {
        for connection in self.connections.values() {
            let accepted = connection.to_server.stream.as_ref().filter(|_| connection.server == server);
            let opened = connection.to_client.stream.as_ref().filter(|_| is_opened_by(connection, server));
            accepted.into_iter().chain(opened).for_each(|stream| stream.hold(held));
        }
    }

    pub(super) fn keys(&self, is_meant: impl Fn(&Connection) -> bool) -> Vec<ConnectionKey> {
        self.connections.iter().filter(|(_, connection)| is_meant(connection)).map(|(key, _)| *key).collect()
    }
}

/// Whether a server opened a connection, and has not closed it.
fn is_opened_by(connection: &Connection, server: u32) -> bool {
    let opener = connection.opener.filter(|_| !connection.client_closed);
    opener.is_some_and(|opener| opener.peer == Peer::Server(server))
}

/// Opens a port that was closed a moment ago.
async fn listen(sockets: &Sockets, server: u32, place: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let mut tries = 0;
    loop {
        match sockets.listen(server, place, backlog) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries < TRIES => tries += 1,
            Err(error) => return Err(io::Error::new(error.kind(), format!("{place} can't be opened again: {error}"))),
            listener => return listener,
        }
        tokio::time::sleep(PAUSE).await;
    }
}
