//! TLS by rustls, without a socket: what each client and server keeps, and an end of a connection, which turns bytes into
//! other bytes.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::{NoServerSessionStorage, ProducesTickets};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, Connection, DigitallySignedStruct, Error, HandshakeKind, RootCertStore,
    ServerConfig, ServerConnection, SignatureScheme,
};

use shakedown_core::scenario::Scenario;
use shakedown_core::server::{Plan, TlsKeys};
use shakedown_core::tls::Version;

use super::super::setup::{Part, Setup};
use super::authority::Authority;
use crate::kernel::World;

/// What a ClientHello's record begins with (RFC 8446 section 5.1): HTTP never does.
const HANDSHAKE: u8 = 22;

/// Whose tickets are kept together: a client process, by its group and number there, or a server, and whom they are for.
pub(crate) type TicketOwner = (Option<u16>, u32, u32);

/// What the ends of a run have in common, and what each keeps.
#[derive(Default)]
pub(super) struct Tls {
    client: Option<Arc<ClientConfig>>,
    /// Those of clients that resume sessions, each with its tickets.
    clients: BTreeMap<TicketOwner, Arc<ClientConfig>>,
    servers: BTreeMap<u32, Arc<ServerConfig>>,
}

impl Tls {
    /// Certificates for a run's own servers, and trust in them, or in those of others.
    pub(super) fn new(scenario: &Scenario, setup: &Setup) -> io::Result<Tls> {
        let mut tls = Tls::default();
        if setup.part == Part::Clients {
            if setup.targets.values().any(|address| address.secure) {
                tls.trust(&setup.roots, setup.insecure)?;
            }
            return Ok(tls);
        }
        let Some(authority) = &setup.authority else { return Ok(tls) };
        if setup.part == Part::Both {
            tls.trust(&[authority.certificate()], false)?;
        }
        let plans = scenario.groups().values().map(Plan::new).enumerate();
        for (number, plan) in plans.filter(|(_, plan)| !plan.tls().is_none()) {
            let members = || (0..).zip(scenario.servers()).filter(|(_, server)| server.group == number);
            for (server, entry) in members() {
                let bind = if setup.wire { World::server(server).ip() } else { setup.bind };
                tls.equip(server, &entry.name, bind, &plan, authority)?;
            }
            if plan.tls_keys() == TlsKeys::Shared {
                tls.share_keys(members().map(|(server, _)| server));
            }
        }
        Ok(tls)
    }

    /// Clients trust what browsers trust and these besides, or everyone.
    fn trust(&mut self, roots: &[CertificateDer<'static>], insecure: bool) -> io::Result<()> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(io::Error::other)?;
        let mut config = if insecure {
            let anyone = Arc::new(AnyCertificate(provider));
            builder.dangerous().with_custom_certificate_verifier(anyone).with_no_client_auth()
        } else {
            let mut store = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
            for root in roots {
                store.add(root.clone()).map_err(io::Error::other)?;
            }
            builder.with_root_certificates(store).with_no_client_auth()
        };
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        self.client = Some(Arc::new(config));
        Ok(())
    }

    /// A server has TLS, with a certificate and a ticket key of its own.
    fn equip(&mut self, server: u32, name: &str, bind: IpAddr, plan: &Plan, authority: &Authority) -> io::Result<()> {
        let (certificate, key) = authority.certify(name, bind)?;
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let versions = match plan.tls() {
            Version::V1_2 => [&TLS12],
            _ => [&TLS13],
        };
        let builder = builder.with_protocol_versions(&versions).map_err(io::Error::other)?;
        let config = builder.with_no_client_auth().with_single_cert(vec![certificate], key);
        let mut config = config.map_err(io::Error::other)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = usize::from(plan.tickets().is_some());
        self.servers.insert(server, Arc::new(config));
        self.renew_key(server, plan)
    }

    /// The key of a server's tickets is drawn.
    fn renew_key(&mut self, server: u32, plan: &Plan) -> io::Result<()> {
        let (Some(lifetime), Some(config)) = (plan.tickets(), self.servers.get_mut(&server)) else { return Ok(()) };
        let lifetime = u32::try_from(lifetime.0 / 1_000_000_000).unwrap_or(u32::MAX);
        let inner = ring::Ticketer::new().map_err(io::Error::other)?;
        Arc::make_mut(config).ticketer = Arc::new(Tickets { inner, lifetime });
        Ok(())
    }

    /// All of these servers read each other's tickets.
    fn share_keys(&mut self, servers: impl Iterator<Item = u32>) {
        let mut first: Option<Arc<dyn ProducesTickets>> = None;
        for server in servers {
            let Some(config) = self.servers.get_mut(&server) else { continue };
            let shared = first.get_or_insert_with(|| Arc::clone(&config.ticketer));
            Arc::make_mut(config).ticketer = Arc::clone(shared);
        }
    }

    /// The process of a server is gone; the next one draws keys of its own.
    pub(super) fn lose_keys(&mut self, server: u32, plan: &Plan) -> io::Result<()> {
        match plan.tls_keys() {
            TlsKeys::Process => self.renew_key(server, plan),
            TlsKeys::Shared => Ok(()),
        }
    }

    /// A server's end of a connection, if it has TLS.
    pub(super) fn accept(&self, server: u32) -> Option<Box<End>> {
        let connection = ServerConnection::new(Arc::clone(self.servers.get(&server)?)).ok()?;
        Some(Box::new(End::new(Connection::Server(connection), HandshakeState::Waits)))
    }

    /// A client's, which begins; `keeper` has the tickets if any are kept.
    pub(super) fn connect(&mut self, authority: &str, keeper: Option<TicketOwner>) -> Option<Box<End>> {
        let base = self.client.as_ref()?;
        let config = match keeper {
            None => base,
            Some(keeper) => self.clients.entry(keeper).or_insert_with(|| {
                let mut config = ClientConfig::clone(base);
                config.resumption = Resumption::in_memory_sessions(TICKETS);
                Arc::new(config)
            }),
        };
        let name = ServerName::try_from(host(authority)).ok()?;
        let connection = ClientConnection::new(Arc::clone(config), name).ok()?;
        Some(Box::new(End::new(Connection::Client(connection), HandshakeState::Begun)))
    }
}

/// Tickets that a client keeps for a server.
const TICKETS: usize = 8;

/// Tickets that are good for so many seconds.
#[derive(Debug)]
struct Tickets {
    inner: Arc<dyn ProducesTickets>,
    lifetime: u32,
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.lifetime
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.inner.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.inner.decrypt(cipher)
    }
}

/// How far an end's handshake is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HandshakeState {
    /// A server's: for the ClientHello.
    Waits,
    /// It has it: its process will answer.
    Greeted,
    /// The handshake goes on, or is over.
    Begun,
}

/// What an end has read from its peer.
#[derive(Debug)]
pub(super) enum TlsInput {
    /// HTTP, where TLS should come first.
    Plain,
    /// The ClientHello; true where its ticket was accepted.
    Hello(bool),
    /// What breaks the protocol.
    Broken,
    /// Whether TLS is up now (true where a session was resumed), what was said over it, and whether that was the last.
    Data { secured: Option<bool>, bytes: Vec<u8>, closed: bool },
}

/// One end of a connection.
pub(super) struct End {
    connection: Connection,
    stage: HandshakeState,
    /// The peer speaks TLS; before, it said something in plain.
    spoken_to: bool,
    pub upgraded: bool,
    /// A HelloRetryRequest was sent.
    retried: bool,
    secured: bool,
    /// The peer said its last.
    pub closed: bool,
}

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("End").field("stage", &self.stage).field("secured", &self.secured).finish_non_exhaustive()
    }
}

impl End {
    fn new(mut connection: Connection, stage: HandshakeState) -> End {
        // What can't be sent yet waits with its line.
        connection.set_buffer_limit(None);
        let spoken_to = stage == HandshakeState::Begun;
        End { connection, stage, spoken_to, upgraded: false, retried: false, secured: false, closed: false }
    }

    /// Whether what is to be said is said in plain.
    pub(super) fn is_plain(&self) -> bool {
        self.stage == HandshakeState::Waits
    }

    /// Whether TLS is up.
    pub(super) fn is_secured(&self) -> bool {
        self.secured
    }

    /// Reads what the peer has sent.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> TlsInput {
        if !self.spoken_to && bytes.first() != Some(&HANDSHAKE) {
            self.upgraded = true;
            return TlsInput::Plain;
        }
        self.spoken_to = true;
        let (mut said, mut closed) = (Vec::new(), false);
        while !bytes.is_empty() && !self.closed {
            let read = self.connection.read_tls(&mut bytes).is_ok();
            let Some(state) = self.connection.process_new_packets().ok().filter(|_| read) else {
                // The alert that says so may leave.
                self.stage = HandshakeState::Begun;
                return TlsInput::Broken;
            };
            // What is there is read; then it would block, or end.
            let _ = self.connection.reader().read_to_end(&mut said);
            closed = state.peer_has_closed();
            self.closed = closed;
        }
        let kind = self.connection.handshake_kind();
        let resumed = kind == Some(HandshakeKind::Resumed);
        if self.stage == HandshakeState::Waits && self.connection.wants_write() {
            if kind != Some(HandshakeKind::FullWithHelloRetryRequest) || self.retried {
                self.stage = HandshakeState::Greeted;
                return TlsInput::Hello(resumed);
            }
            self.retried = true;
        }
        let up = !self.secured && self.stage == HandshakeState::Begun && !self.connection.is_handshaking();
        self.secured |= up;
        TlsInput::Data { secured: up.then_some(resumed), bytes: said, closed }
    }

    /// The server's process answers the ClientHello.
    pub(super) fn answer(&mut self) {
        self.stage = HandshakeState::Begun;
    }

    /// Has something to say.
    pub(super) fn write(&mut self, plain: &[u8]) {
        // Without a limit it takes all of it.
        let _ = self.connection.writer().write_all(plain);
    }

    /// Says its last.
    pub(super) fn close(&mut self) {
        self.connection.send_close_notify();
    }

    /// What may be sent now. The answer to a ClientHello waits for the process.
    pub(super) fn take(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.stage == HandshakeState::Greeted {
            return bytes;
        }
        while self.connection.wants_write() && self.connection.write_tls(&mut bytes).is_ok() {}
        bytes
    }
}

/// The host of an authority, without its port and brackets.
fn host(authority: &str) -> String {
    let host = authority.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map_or(authority, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']').to_string()
}

/// Takes every certificate for what it says.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shakedown_core::tls::Flight;
    use shakedown_scenario::Overrides;

    #[test]
    fn a_servers_first_flight_is_as_long_as_is_simulated() {
        let text = "format = 1\ntitle = 't'\nduration = '1s'\n[servers.gateway]\ntls = '1.3'\n[servers.older]\ntls = '1.2'\n\
                    [clients.c]\ncount = 1\narrive = 'at_once'\nendpoints = ['gateway']\n";
        let scenario = shakedown_scenario::load("t", "t", text, &Overrides::default()).unwrap();
        let plans: Vec<Plan> = scenario.groups().values().map(Plan::new).collect();
        let authority = Authority::new().unwrap();
        let mut tls = Tls::default();
        tls.trust(&[authority.certificate()], false).unwrap();
        for (server, plan) in (0..).zip(&plans) {
            tls.equip(server, "gateway-0", IpAddr::from([127, 0, 0, 1]), plan, &authority).unwrap();
            let keeper = Some((None, 7, server));
            let mut flights = Vec::new();
            for again in [false, true] {
                let mut client = tls.connect("127.0.0.1:80", keeper).unwrap();
                let mut at_server = tls.accept(server).unwrap();
                let TlsInput::Hello(resumed) = at_server.read(&client.take()) else { panic!("no ClientHello") };
                assert_eq!(resumed, again);
                assert!(at_server.take().is_empty(), "its process has not answered");
                at_server.answer();
                let mut secured = None;
                for turn in 0..4 {
                    let flight = at_server.take();
                    if turn == 0 {
                        flights.push(flight.len());
                    }
                    match client.read(&flight) {
                        TlsInput::Data { secured: up, .. } => secured = secured.or(up),
                        other => panic!("{other:?}"),
                    }
                    let TlsInput::Data { .. } = at_server.read(&client.take()) else { panic!("no Finished") };
                }
                assert_eq!((secured, at_server.is_secured()), (Some(again), true));
            }
            let full = Flight::ServerHello { finished: true, resumed: false, ticket: None }.wire_bytes();
            assert!(flights[0].abs_diff(full.into()) < 150 && flights[1] < 400, "{flights:?}");
        }
    }

    #[test]
    fn a_certificate_is_for_the_host_alone() {
        for (authority, expected) in
            [("a.example", "a.example"), ("a.example:8443", "a.example"), ("[::1]:80", "::1"), ("[::1]", "::1")]
        {
            assert_eq!(host(authority), expected, "{authority}");
        }
    }
}
