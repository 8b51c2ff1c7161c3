//! Certificates: who vouches for the servers of a run, and reading those of others.

use std::fmt;
use std::io;
use std::net::IpAddr;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// An extension that nobody reads (Netscape's comment), and its length: with it a server's first flight in full has the
/// 3,500 bytes that it has in the simulator ([`shakedown_core::tls::Flight::wire_bytes`]).
const COMMENT: &[u64] = &[2, 16, 840, 1, 113_730, 1, 13];
const PADDING: usize = 2_800;

/// Who vouches for the servers of one run, and for nobody else: made with it, and gone with it.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// Draws its key.
    ///
    /// # Errors
    /// When this machine has no randomness to give.
    pub fn new() -> io::Result<Authority> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "shakedown: the servers of one run");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(io::Error::other)?;
        CertifiedIssuer::self_signed(params, key).map(Authority).map_err(io::Error::other)
    }

    /// The certificate that clients must trust.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// The same, as clients of the run are given it.
    pub(super) fn certificate(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// A server's certificate: for its name, for this machine, and for the address that it listens on.
    pub(super) fn certify(
        &self,
        name: &str,
        bind: IpAddr,
    ) -> io::Result<(CertificateDer<'static>, PrivateKeyDer<'static>)> {
        let bound = Some(bind).filter(|bind| !bind.is_unspecified() && !bind.is_loopback());
        let names = [name, "localhost", "127.0.0.1", "::1"].map(str::to_string).into_iter();
        let names: Vec<String> = names.chain(bound.map(|bind| bind.to_string())).collect();
        let mut params = CertificateParams::new(names).map_err(io::Error::other)?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        // Those of the world come with a second one, and with proofs that they were logged: about as long as is simulated.
        params.custom_extensions.push(CustomExtension::from_oid_content(COMMENT, vec![b' '; PADDING]));
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = params.signed_by(&key, &self.0).map_err(io::Error::other)?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        Ok((certificate.der().clone(), PrivateKeyDer::Pkcs8(key)))
    }
}

/// The certificates in a PEM file's text.
///
/// # Errors
/// What is wrong with it.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err("no certificate is in it".into()),
        found => found.map_err(|error| error.to_string()),
    }
}
