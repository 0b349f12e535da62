//! Which devices may be heard on a connection: those that the certificate of whoever made it names.

use rustls::ServerConnection;
use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

/// Of the id of a device.
const DIGITS: usize = 8;

#[derive(Debug)]
pub struct Session {
    /// None where no certificate was shown, and no device is known from another.
    devices: Option<Vec<u32>>,
}

impl Session {
    pub(super) fn of(connection: &ServerConnection) -> Self {
        let chain = connection.peer_certificates();
        Self { devices: chain.map(|chain| chain.first().map(devices).unwrap_or_default()) }
    }

    pub fn is_for(&self, device: u32) -> bool {
        self.devices.as_ref().is_none_or(|named| named.contains(&device))
    }
}

/// Those that a certificate has among the DNS names of its subject. One that is no certificate was not verified.
fn devices(certificate: &CertificateDer<'_>) -> Vec<u32> {
    let parsed = EndEntityCert::try_from(certificate);
    let names = parsed.iter().flat_map(|certificate| certificate.valid_dns_names());
    names.filter_map(device).collect()
}

/// The first label of its name is its id as the API has it: eight hex digits, in lower case.
fn device(name: &str) -> Option<u32> {
    let (label, _) = name.split_once('.')?;
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_id = label.len() == DIGITS && label.bytes().all(is_digit);
    is_id.then(|| u32::from_str_radix(label, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn named(names: &[&str]) -> Vec<u32> {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let params = CertificateParams::new(names).unwrap();
        devices(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der())
    }

    #[test]
    fn a_certificate_is_of_the_devices_whose_ids_begin_its_names() {
        let two = named(&["0000002a.devices.example.com", "ffffffff.test"]);
        assert_eq!(two, [42, u32::MAX]);
        for other in [
            "example.com",
            "0000002a",
            "2a.example.com",
            "0000002A.example.com",
            "+000002a.example.com",
            "00000002a.example.com",
            "x.0000002a.example.com",
            "*.example.com",
            "127.0.0.1",
        ] {
            assert_eq!(named(&[other]), [0; 0], "{other}");
        }
    }

    #[test]
    fn whoever_shows_no_certificate_may_be_any_device() {
        assert!(Session { devices: None }.is_for(42));
        assert!(!Session { devices: Some(Vec::new()) }.is_for(42));
        let one = Session { devices: Some(vec![42]) };
        assert_eq!([42, 43].map(|device| one.is_for(device)), [true, false]);
    }
}
