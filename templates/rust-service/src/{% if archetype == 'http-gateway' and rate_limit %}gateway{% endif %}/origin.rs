//! Who asks for something, where others ask on their behalf.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;

use crate::config::Network;

/// Who asks: the peer, or, as far as those between are trusted, whom they say that they ask for.
pub fn origin(headers: &HeaderMap, peer: IpAddr, trusted: &[Network]) -> IpAddr {
    let lines = headers.get_all("x-forwarded-for").iter().rev();
    let claims = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
    let mut origin = peer;
    for claim in claims {
        if !trusted.iter().any(|network| network.contains(origin)) {
            break;
        }
        match address(claim.trim()) {
            Some(address) => origin = address,
            None => break,
        }
    }
    origin
}

/// An address as proxies write it: with or without a port, and one of IPv6 in brackets or not.
fn address(claim: &str) -> Option<IpAddr> {
    let bare = claim.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(claim);
    let with_port = || claim.parse::<SocketAddr>().map(|address| address.ip());
    bare.parse().or_else(|_| with_port()).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn client(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn those_who_are_trusted_say_who_asks() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        for (peer, lines, expected) in [
            ("192.0.2.9", &["203.0.113.1"][..], "192.0.2.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.1"], "203.0.113.1"),
            ("10.0.0.1", &["203.0.113.1, 203.0.113.2 , 10.9.9.9"], "203.0.113.2"),
            ("10.0.0.1", &["203.0.113.1", "203.0.113.2"], "203.0.113.2"),
            ("10.0.0.1", &["203.0.113.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.1, [2001:db8::1"], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.1:5123, 10.9.9.9:443"], "203.0.113.1"),
            ("10.0.0.1", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("10.0.0.1", &["[2001:db8::1]"], "2001:db8::1"),
            ("10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
        ] {
            let line = |text: &&'static str| {
                (http::HeaderName::from_static("x-forwarded-for"), HeaderValue::from_static(text))
            };
            let mut headers = HeaderMap::new();
            for (name, value) in lines.iter().map(line) {
                headers.append(name, value);
            }
            assert_eq!(
                origin(&headers, client(peer), &trusted),
                client(expected),
                "{peer} {lines:?}"
            );
        }
    }
}
