//! TLS: what is shown to clients and to upstreams, and the handshakes with both.

pub mod expiry;
pub mod files;
pub mod wire;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use self::wire::Wire;

/// A certificate, with its key.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Where the certificate was read from.
    pub path: PathBuf,
    /// In seconds since 1970.
    pub expires: i64,
    key: Arc<CertifiedKey>,
}

/// This side of connections of clients.
#[derive(Clone, Debug)]
pub struct Terminator {
    pub identities: Vec<Identity>,
    config: Arc<ServerConfig>,
}

/// What a client said while its connection was secured.
#[derive(Debug)]
pub struct Session {
    server_name: Option<String>,
}

impl Terminator {
    pub async fn accept(&self, stream: TcpStream) -> io::Result<(Wire, Session)> {
        let stream = TlsAcceptor::from(Arc::clone(&self.config)).accept(stream).await?;
        let session =
            Session { server_name: stream.get_ref().1.server_name().map(ToOwned::to_owned) };
        Ok((Wire::Tls(Box::new(stream.into())), session))
    }
}

impl Session {
    /// Whether a request for this host may come over the connection. A client that asked for no name
    /// has to do with the certificate that it was shown.
    pub fn is_for(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        self.server_name.as_ref().is_none_or(|name| name.eq_ignore_ascii_case(host))
    }
}

/// This side of connections to the endpoints of a cluster.
#[derive(Clone, Debug)]
pub struct Connector {
    pub identity: Option<Identity>,
    config: Arc<ClientConfig>,
    /// Instead of the host of the endpoint.
    name: Option<ServerName<'static>>,
}

impl Connector {
    /// Secures a connection to an endpoint.
    pub async fn connect(&self, address: &str, stream: TcpStream) -> io::Result<Wire> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => named(address).ok_or(io::ErrorKind::InvalidInput)?,
        };
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let stream = connector.connect(name, stream).await?;
        Ok(Wire::Tls(Box::new(stream.into())))
    }
}

/// Whom the certificate of an endpoint has to name.
fn named(address: &str) -> Option<ServerName<'static>> {
    let (host, _) = address.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(host.to_owned()).ok()
}

/// Chooses the first certificate that has the name which the client asks for, or else the first.
#[derive(Debug)]
struct ByName(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let named = name.and_then(|name| self.0.iter().find(|key| is_for(key, &name)));
        named.or(self.0.first()).map(Arc::clone)
    }
}

fn is_for(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let certificate = key.end_entity_cert().and_then(ParsedCertificate::try_from);
    certificate.is_ok_and(|parsed| rustls::client::verify_server_name(&parsed, name).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_must_be_for_the_name_that_was_asked_for() {
        let session = Session { server_name: Some("shop.example.com".to_owned()) };
        for (host, fits) in [
            ("shop.example.com", true),
            ("Shop.Example.COM", true),
            ("shop.example.com.", true),
            ("example.com", false),
            ("api.example.com", false),
        ] {
            assert_eq!(session.is_for(host), fits, "{host}");
        }
        assert!(Session { server_name: None }.is_for("any.example.com"));
    }

    #[test]
    fn an_endpoint_is_known_by_its_host() {
        let name = |text: &str| ServerName::try_from(text.to_owned()).unwrap();
        for (address, host) in
            [("api.internal:443", "api.internal"), ("10.0.0.1:1", "10.0.0.1"), ("[::1]:2", "::1")]
        {
            assert_eq!(named(address), Some(name(host)));
        }
        assert_eq!(named("-:1"), None);
    }
}
