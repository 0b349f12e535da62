//! What the settings of TLS come to, once the files that they name are read. Everything that is wrong
//! with them is told.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, Error, InconsistentKeys, RootCertStore, ServerConfig};

use super::{ByName, Connector, Identity, Terminator, expiry, named};
use crate::config::{ClientAuth, Cluster, Tls};

/// The protocol that is spoken under TLS, as both sides agree on it.
const HTTP: &[u8] = b"http/1.1";

/// None without certificates, and when there are problems.
pub fn terminator(tls: &Tls, problems: &mut Vec<String>) -> Option<Terminator> {
    let pairs = tls.certificates.iter();
    let identities: Vec<_> = pairs
        .filter_map(|pair| identity("tls.certificates", &pair.certificate, &pair.key, problems))
        .collect();
    let verifier = clients(tls, problems);
    if identities.is_empty() || !problems.is_empty() {
        return None;
    }
    let keys = identities.iter().map(|identity| Arc::clone(&identity.key)).collect();
    let versions =
        ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let config = noted("tls", versions, problems)?;
    let mut config = match verifier {
        Some(verifier) => config.with_client_cert_verifier(verifier),
        None => config.with_no_client_auth(),
    }
    .with_cert_resolver(Arc::new(ByName(keys)));
    config.alpn_protocols = vec![HTTP.to_vec()];
    if tls.client_auth == ClientAuth::None {
        // Clients keep their sessions themselves: a storage would be shared by all workers.
        config.ticketer = noted("tls", Ticketer::new(), problems)?;
    } else {
        // A session that is resumed would pass for one whose certificate was looked at.
        config.session_storage = Arc::new(NoServerSessionStorage {});
    }
    Some(Terminator { identities, config: Arc::new(config) })
}

/// Who says which clients are to be trusted; nobody when they are not asked.
fn clients(tls: &Tls, problems: &mut Vec<String>) -> Option<Arc<dyn ClientCertVerifier>> {
    if tls.client_auth == ClientAuth::None {
        return None;
    }
    let roots = Arc::new(authorities("tls.client_ca", &tls.client_ca, problems)?);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider());
    let verifier = match tls.client_auth {
        ClientAuth::Optional => verifier.allow_unauthenticated(),
        _ => verifier,
    };
    noted("tls.client_ca", verifier.build(), problems)
}

/// None for a cluster without TLS, and when there are problems.
pub fn connector(name: &str, cluster: &Cluster, problems: &mut Vec<String>) -> Option<Connector> {
    let tls = &cluster.tls;
    if tls.ca.is_empty() {
        return None;
    }
    let setting = format!("cluster.{name}.tls");
    let roots = authorities(&format!("{setting}.ca"), &tls.ca, problems);
    let identity = match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => Some(identity(&setting, certificate, key, problems)?),
        _ => None,
    };
    let server_name = tls.server_name.clone().map(ServerName::try_from).transpose();
    let server_name = noted(&format!("{setting}.server_name"), server_name, problems)?;
    if server_name.is_none() {
        let nameless = cluster.endpoints.iter().filter(|endpoint| named(endpoint).is_none());
        problems.extend(nameless.map(|it| format!("{setting}: {it:?} can't be in a certificate")));
    }
    let versions =
        ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let config = noted(&setting, versions, problems)?.with_root_certificates(roots?);
    let mut config = match &identity {
        Some(identity) => {
            let own = SingleCertAndKey::from(Arc::clone(&identity.key));
            config.with_client_cert_resolver(Arc::new(own))
        }
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![HTTP.to_vec()];
    if identity.is_some() {
        config.resumption = Resumption::disabled();
    }
    Some(Connector { identity, config: Arc::new(config), name: server_name })
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn identity(
    setting: &str,
    certificate: &Path,
    key: &Path,
    problems: &mut Vec<String>,
) -> Option<Identity> {
    let chain = certificates(setting, certificate, problems);
    let secret = read(setting, key, problems).and_then(|bytes| {
        let secret = PrivateKeyDer::from_pem_slice(&bytes);
        let path = key.display();
        secret.map_err(|_| problems.push(format!("{setting}: {path}: no private key in PEM"))).ok()
    });
    let (chain, secret, path) = (chain?, secret?, certificate.display());
    let expires = chain.first().and_then(|first| expiry::of(first));
    let mut problem = |text: &str| problems.push(format!("{setting}: {path}: {text}"));
    let Some(expires) = expires else {
        problem("no certificate of X.509");
        return None;
    };
    if expires <= now() {
        problem("the certificate has expired");
        return None;
    }
    match CertifiedKey::from_der(chain, secret, &provider()) {
        Ok(pair) => Some(Identity { path: certificate.to_owned(), expires, key: Arc::new(pair) }),
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            problem(&format!("{} is the key of another certificate", key.display()));
            None
        }
        Err(error) => {
            problem(&error.to_string());
            None
        }
    }
}

fn authorities(
    setting: &str,
    paths: &[std::path::PathBuf],
    problems: &mut Vec<String>,
) -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let before = problems.len();
    for path in paths {
        for certificate in certificates(setting, path, problems).into_iter().flatten() {
            noted(&format!("{setting}: {}", path.display()), roots.add(certificate), problems);
        }
    }
    (problems.len() == before).then_some(roots)
}

/// All certificates of a file, of which there must be one.
fn certificates(
    setting: &str,
    path: &Path,
    problems: &mut Vec<String>,
) -> Option<Vec<CertificateDer<'static>>> {
    let bytes = read(setting, path, problems)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let found = found.ok().filter(|found| !found.is_empty());
    if found.is_none() {
        problems.push(format!("{setting}: {}: no certificate in PEM", path.display()));
    }
    found
}

fn read(setting: &str, path: &Path, problems: &mut Vec<String>) -> Option<Vec<u8>> {
    noted(&format!("{setting}: {}", path.display()), std::fs::read(path), problems)
}

/// What it came to, or one more problem.
fn noted<T, E: std::fmt::Display>(
    place: &str,
    outcome: Result<T, E>,
    problems: &mut Vec<String>,
) -> Option<T> {
    outcome.map_err(|error| problems.push(format!("{place}: {error}"))).ok()
}

fn now() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;
    use crate::config::Config;

    /// Writes a certificate that expires in a year, and its key.
    fn pair(folder: &Path, name: &str, year: i32) -> [String; 2] {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["test".to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 1, 1);
        let certificate = params.self_signed(&key).unwrap().pem();
        [(certificate, "crt"), (key.serialize_pem(), "key")].map(|(text, kind)| {
            let path = folder.join(format!("{name}.{kind}"));
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        })
    }

    #[test]
    fn every_file_that_can_not_be_used_is_named() {
        let folder = tempfile::TempDir::new().unwrap();
        let [good, good_key] = pair(folder.path(), "good", 4000);
        let [old, old_key] = pair(folder.path(), "old", 2020);
        let [garbage, missing] =
            ["garbage", "missing"].map(|name| folder.path().join(name).display().to_string());
        let pem = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
        std::fs::write(&garbage, pem).unwrap();
        let pairs = [
            (&good, &good_key),
            (&good, &missing),
            (&good_key, &good),
            (&good, &old_key),
            (&old, &old_key),
            (&garbage, &good_key),
        ];
        let pairs =
            pairs.map(|(chain, key)| format!("{{ certificate = {chain:?}, key = {key:?} }}"));
        let text = format!(
            "tls.certificates = [{}]\n\
            tls.client_auth = \"required\"\n\
            tls.client_ca = [{good_key:?}]\n\
            [cluster.all]\n\
            endpoints = [\"-:1\"]\n\
            tls = {{ ca = [{missing:?}, {garbage:?}], server_name = \"two words\" }}\n\
            [cluster.nameless]\n\
            endpoints = [\"a:1\", \"-:1\"]\n\
            tls.ca = [{good:?}]\n",
            pairs.join(", "),
        );
        let problems = Config::parse(&text).unwrap().with_files().unwrap_err().problems;
        let expected = [
            format!("tls.certificates: {missing}: No such file"),
            format!("tls.certificates: {good_key}: no certificate in PEM"),
            format!("tls.certificates: {good}: no private key in PEM"),
            format!("tls.certificates: {good}: {old_key} is the key of another certificate"),
            format!("tls.certificates: {old}: the certificate has expired"),
            format!("tls.certificates: {garbage}: no certificate of X.509"),
            format!("tls.client_ca: {good_key}: no certificate in PEM"),
            format!("cluster.all.tls.ca: {missing}: No such file"),
            format!("cluster.all.tls.ca: {garbage}: "),
            "cluster.all.tls.server_name: ".to_owned(),
            "cluster.nameless.tls: \"-:1\" can't be in a certificate".to_owned(),
        ];
        assert_eq!(problems.len(), expected.len(), "{problems:#?}");
        for (problem, expected) in problems.iter().zip(expected) {
            assert!(problem.starts_with(&expected), "{problem} is not {expected}");
        }
    }

    #[test]
    fn a_whole_configuration_is_taken() {
        let folder = tempfile::TempDir::new().unwrap();
        let [good, key] = pair(folder.path(), "good", 4000);
        let text = format!(
            "tls.certificates = [{{ certificate = {good:?}, key = {key:?} }}]\n\
            [cluster.all]\n\
            endpoints = [\"a:1\"]\n\
            tls = {{ ca = [{good:?}], certificate = {good:?}, key = {key:?} }}\n",
        );
        let config = Config::parse(&text).unwrap();
        assert!(config.tls.terminator.is_none());
        let config = config.with_files().unwrap();
        let expiries: Vec<_> = config.identities().map(|identity| identity.expires).collect();
        assert_eq!(expiries, [64_060_588_800; 2]);
    }
}
