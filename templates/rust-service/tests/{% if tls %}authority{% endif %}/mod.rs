//! An authority of the tests' own, with the files of what it has signed, and clients that trust it.

#![allow(dead_code, reason = "each test uses its part")]
#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};
use tempfile::TempDir;

use crate::support::{Answer, PATIENCE, read_answer};

pub struct Authority {
    folder: TempDir,
    signer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let signer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { folder: TempDir::new().unwrap(), signer };
        std::fs::write(authority.path("ca.pem"), authority.signer.pem()).unwrap();
        authority
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Its own certificate, as settings name it.
    pub fn ca(&self) -> String {
        quoted(&self.path("ca.pem"))
    }

    /// Writes a certificate for a host, and its key; says how settings name them.
    pub fn pair(&self, host: &str) -> String {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([host.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.signer).unwrap();
        let paths = [format!("{host}.crt"), format!("{host}.key")].map(|name| self.path(&name));
        std::fs::write(&paths[0], certificate.pem()).unwrap();
        std::fs::write(&paths[1], key.serialize_pem()).unwrap();
        format!("certificate = {}, key = {}", quoted(&paths[0]), quoted(&paths[1]))
    }

    /// Settings of a gateway that has certificates for these hosts, after others.
    pub fn settings(&self, hosts: &[&str], more: &str) -> String {
        let pairs: Vec<_> = hosts.iter().map(|host| format!("{{ {} }}", self.pair(host))).collect();
        format!("tls.certificates = [{}]\n{more}\n", pairs.join(", "))
    }

    /// The first of the certificates of a host.
    pub fn certificate(&self, host: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.path(&format!("{host}.crt"))).unwrap()
    }

    pub fn key(&self, host: &str) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_file(self.path(&format!("{host}.key"))).unwrap()
    }

    /// For clients that trust it, and show what they have for a host.
    pub fn client(&self, shown: Option<&str>) -> Arc<ClientConfig> {
        self.client_of(rustls::ALL_VERSIONS, shown)
    }

    /// The same, with some versions of TLS alone.
    pub fn client_of(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        shown: Option<&str>,
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.signer.der().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match shown {
            Some(host) => {
                config.with_client_auth_cert(vec![self.certificate(host)], self.key(host)).unwrap()
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

/// A client whose connection is secure.
pub struct Secure {
    pub stream: StreamOwned<ClientConnection, TcpStream>,
    pending: Vec<u8>,
}

impl Secure {
    /// Connects and asks for a name; fails with the handshake.
    pub fn connect(
        address: SocketAddr,
        config: &Arc<ClientConfig>,
        name: &str,
    ) -> io::Result<Self> {
        Self::over(TcpStream::connect(address)?, config, name)
    }

    pub fn over(mut stream: TcpStream, config: &Arc<ClientConfig>, name: &str) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let mut connection = ClientConnection::new(Arc::clone(config), name).unwrap();
        while connection.is_handshaking() {
            connection.complete_io(&mut stream)?;
        }
        Ok(Self { stream: StreamOwned::new(connection, stream), pending: Vec::new() })
    }

    pub fn send(&mut self, text: &str) -> io::Result<()> {
        self.stream.write_all(text.as_bytes())
    }

    pub fn answer(&mut self) -> io::Result<Answer> {
        read_answer(&mut self.stream, &mut self.pending)
    }

    pub fn get(&mut self, host: &str) -> io::Result<Answer> {
        self.send(&format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n"))?;
        self.answer()
    }

    /// Whatever comes until the other side says that it is the end.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = std::mem::take(&mut self.pending);
        self.stream.read_to_end(&mut rest)?;
        Ok(rest)
    }
}
