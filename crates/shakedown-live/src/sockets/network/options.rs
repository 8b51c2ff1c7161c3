//! Options of real sockets: when their kernel gives up a peer that says nothing.

use std::io;

use shakedown_core::driver::pipes::Initiator;
use shakedown_core::network::GivingUp;
use shakedown_core::scenario::Scenario;

/// The options of each host's sockets.
#[derive(Debug)]
pub(super) struct SocketOptions {
    clients: Vec<GivingUp>,
    servers: Vec<GivingUp>,
}

impl SocketOptions {
    /// Those of a scenario.
    pub(super) fn new(scenario: &Scenario) -> SocketOptions {
        let servers = scenario.servers().iter().map(|server| scenario.groups()[server.group].giving_up);
        SocketOptions {
            clients: scenario.clients().values().map(|client| client.giving_up()).collect(),
            servers: servers.collect(),
        }
    }

    /// Those of a server's sockets.
    pub(super) fn of_server(&self, server: u32) -> GivingUp {
        self.servers.get(server as usize).copied().unwrap_or_default()
    }

    /// Those of whoever connects.
    pub(super) fn of(&self, place: Initiator) -> GivingUp {
        match place {
            Initiator::Client { group, .. } => self.clients.get(usize::from(group)).copied().unwrap_or_default(),
            Initiator::Server(server) => self.of_server(server),
        }
    }
}

/// Sets them.
#[cfg(target_os = "linux")]
pub(super) fn set(socket: impl std::os::fd::AsFd, GivingUp { keepalive, user_timeout }: GivingUp) -> io::Result<()> {
    use rustix::net::sockopt;
    use std::time::Duration;

    let socket = socket.as_fd();
    if let Some(keepalive) = keepalive {
        sockopt::set_socket_keepalive(socket, true)?;
        sockopt::set_tcp_keepidle(socket, Duration::from_nanos(keepalive.idle.0))?;
        sockopt::set_tcp_keepintvl(socket, Duration::from_nanos(keepalive.every.0))?;
        sockopt::set_tcp_keepcnt(socket, keepalive.probes)?;
    }
    if let Some(timeout) = user_timeout {
        sockopt::set_tcp_user_timeout(socket, u32::try_from(timeout.0 / 1_000_000).unwrap_or(u32::MAX))?;
    }
    Ok(())
}

/// Other systems have other options: a scenario with any is refused there.
#[cfg(not(target_os = "linux"))]
pub(super) fn set<T>(_socket: T, _options: GivingUp) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::net::sockopt;
    use shakedown_core::network::Keepalive;
    use shakedown_core::time::Nanos;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_kernel_has_what_the_scenario_says() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(!sockopt::socket_keepalive(&socket).unwrap());
        let keepalive = Keepalive { idle: Nanos::from_secs(60), every: Nanos::from_secs(10), probes: 6 };
        set(&socket, GivingUp { keepalive: Some(keepalive), user_timeout: Some(Nanos::from_millis(12_500)) }).unwrap();
        assert!(sockopt::socket_keepalive(&socket).unwrap());
        let times = [sockopt::tcp_keepidle(&socket).unwrap(), sockopt::tcp_keepintvl(&socket).unwrap()];
        assert_eq!(times, [60, 10].map(Duration::from_secs));
        assert_eq!((sockopt::tcp_keepcnt(&socket).unwrap(), sockopt::tcp_user_timeout(&socket).unwrap()), (6, 12_500));
    }
}
