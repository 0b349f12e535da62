//! The header of the PROXY protocol, version 2: whose connection it is that an upstream gets
//! (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>, section 2.2).

use std::net::{IpAddr, SocketAddr};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2, on behalf of somebody.
const PROXY: u8 = 0x21;
const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;

/// `client` connected to `local`. Addresses of IPv4 that are written as IPv6 are told as what they are.
pub fn version_2(client: SocketAddr, local: SocketAddr) -> Vec<u8> {
    let ports = [client.port().to_be_bytes(), local.port().to_be_bytes()].concat();
    let (family, addresses) = match (client.ip().to_canonical(), local.ip().to_canonical()) {
        (IpAddr::V4(client), IpAddr::V4(local)) => {
            (TCP_OVER_IPV4, [client.octets(), local.octets()].concat())
        }
        (client, local) => {
            let [client, local] = [client, local].map(|address| match address {
                IpAddr::V4(address) => address.to_ipv6_mapped(),
                IpAddr::V6(address) => address,
            });
            (TCP_OVER_IPV6, [client.octets(), local.octets()].concat())
        }
    };
    let length = u16::try_from(addresses.len() + ports.len()).unwrap_or(u16::MAX);
    [SIGNATURE, &[PROXY, family][..], &length.to_be_bytes(), &addresses, &ports].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_as_the_protocol_has_it() {
        let v4 = "0D0A0D0A000D0A515549540A 21 11 000C C0000201 C6336402 D431 01BB";
        let v6 = "0D0A0D0A000D0A515549540A 21 21 0024 \
            20010DB8000000000000000000000001 20010DB8000000000000000000000002 D431 01BB";
        let bytes = |text: &str| {
            let digits: String = text.split_whitespace().collect();
            let byte = |index| u8::from_str_radix(&digits[index..index + 2], 16).unwrap();
            (0..digits.len()).step_by(2).map(byte).collect::<Vec<_>>()
        };
        for (client, local, expected) in [
            ("192.0.2.1:54321", "198.51.100.2:443", v4),
            ("[::ffff:192.0.2.1]:54321", "[::ffff:198.51.100.2]:443", v4),
            ("[2001:db8::1]:54321", "[2001:db8::2]:443", v6),
        ] {
            let header = version_2(client.parse().unwrap(), local.parse().unwrap());
            assert_eq!(header, bytes(expected), "{client}");
        }
    }
}
