//! What is refused before anything is forwarded. Lines and lengths are hyper's business; this is
//! about what it lets pass and another parser might read otherwise.

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE, VIA};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Version};

use super::error::Failure;
use super::headers::Connection;
use super::upgrade;

/// What a request asks for, once nothing about it is ambiguous.
#[derive(Debug)]
pub struct Target {
    /// Without its port, as it was written.
    pub host: String,
    /// The protocols to which the client wants to change.
    pub upgrade: Option<HeaderValue>,
}

/// Where a request is for, unless it must be refused.
pub fn examine(parts: &Parts, connection: &Connection, own_name: &str) -> Result<Target, Failure> {
    if parts.method == Method::CONNECT {
        return Err(Failure::Connect);
    }
    if parts.method == Method::TRACE {
        return Err(Failure::Trace);
    }
    if !is_plain_coding(&parts.headers) {
        return Err(Failure::Refused("transfer coding other than chunked"));
    }
    let host = host(parts)?;
    check_target(parts, host)?;
    if has_passed(&parts.headers, own_name) {
        return Err(Failure::Loop);
    }
    Ok(Target { host: split(host).0.to_owned(), upgrade: wanted_upgrade(parts, connection)? })
}

/// hyper takes any list of codings that ends in chunked, but undoes the chunks alone.
fn is_plain_coding(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(TRANSFER_ENCODING).iter();
    match (values.next(), values.next()) {
        (None, _) => true,
        (Some(only), None) => only.as_bytes().eq_ignore_ascii_case(b"chunked"),
        _ => false,
    }
}

/// Whether it is beyond doubt how long the body of an answer is. hyper looks at lengths only where a
/// body follows, and passes one on that chunks belie. What is there more than once becomes one.
pub fn is_framed(headers: &mut HeaderMap) -> bool {
    let Some(length) = headers.get(CONTENT_LENGTH).cloned() else {
        return is_plain_coding(headers);
    };
    let is_number = length.as_bytes().iter().all(u8::is_ascii_digit);
    let agree = headers.get_all(CONTENT_LENGTH).iter().all(|other| *other == length);
    headers.insert(CONTENT_LENGTH, length);
    is_number && agree && !headers.contains_key(TRANSFER_ENCODING)
}

/// "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that
/// lacks a Host header field and to any request message that contains more than one Host header field
/// line or a Host header field with an invalid field value." (RFC 9112 section 3.2)
fn host(parts: &Parts) -> Result<&str, Failure> {
    let mut values = parts.headers.get_all(HOST).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(Failure::Refused("not exactly one host"));
    };
    match value.to_str() {
        Ok(text) if is_host(text) => Ok(text),
        _ => Err(Failure::Refused("malformed host")),
    }
}

/// uri-host [ ":" port ] of RFC 3986 section 3.2, without userinfo.
fn is_host(text: &str) -> bool {
    let (name, port) = split(text);
    let is_port = |digits: &str| {
        digits.is_empty()
            || (digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok())
    };
    let is_name = match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !name.is_empty() && is_reg_name(name),
    };
    is_name && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

fn is_reg_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    while let Some(byte) = bytes.next() {
        let fits = if byte == b'%' {
            let mut is_hex = || bytes.next().is_some_and(|digit| digit.is_ascii_hexdigit());
            is_hex() && is_hex()
        } else {
            byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte)
        };
        if !fits {
            return false;
        }
    }
    true
}

/// A host, and its port with the colon before it.
fn split(host: &str) -> (&str, &str) {
    let end = match host.strip_prefix('[') {
        Some(_) => host.find(']').map(|end| end + 1),
        None => host.find(':'),
    };
    host.split_at_checked(end.unwrap_or(host.len())).unwrap_or((host, ""))
}

/// origin-form, absolute-form or, for OPTIONS, asterisk-form (RFC 9112 section 3.2).
fn check_target(parts: &Parts, host: &str) -> Result<(), Failure> {
    let uri = &parts.uri;
    match (uri.scheme_str(), uri.authority()) {
        (None, None) if uri.path().starts_with('/') => Ok(()),
        (None, None) if uri.path() == "*" && parts.method == Method::OPTIONS => Ok(()),
        (Some("http" | "https"), Some(authority)) => {
            if is_same(authority, host) {
                Ok(())
            } else {
                Err(Failure::Refused("host and target differ"))
            }
        }
        _ => Err(Failure::Refused("malformed target")),
    }
}

/// Userinfo makes an authority differ from any host.
fn is_same(authority: &Authority, host: &str) -> bool {
    authority.as_str().eq_ignore_ascii_case(host)
}

/// Whether a request was here before: its Via names this gateway.
fn has_passed(headers: &HeaderMap, own_name: &str) -> bool {
    let lines = headers.get_all(VIA).iter().filter_map(|value| value.to_str().ok());
    lines
        .flat_map(|line| line.split(','))
        .filter_map(|hop| hop.split_whitespace().nth(1))
        .any(|name| name.eq_ignore_ascii_case(own_name))
}

/// The protocols to change to. An Upgrade field that Connection does not name is for nobody, and h2c
/// would carry requests past all of this.
fn wanted_upgrade(parts: &Parts, connection: &Connection) -> Result<Option<HeaderValue>, Failure> {
    let Some(protocols) = parts.headers.get(UPGRADE).filter(|_| connection.upgrade) else {
        return Ok(None);
    };
    let mut is_h2c = upgrade::protocols(protocols).map(|name| name.eq_ignore_ascii_case("h2c"));
    if parts.version != Version::HTTP_11 || is_h2c.any(|yes| yes) {
        return Ok(None);
    }
    let length = parts.headers.get(CONTENT_LENGTH);
    if length.is_some_and(|length| length != "0") || parts.headers.contains_key(TRANSFER_ENCODING) {
        return Err(Failure::Refused("upgrade with a body"));
    }
    Ok(Some(protocols.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_or_addresses_with_a_port_or_without() {
        for host in ["a", "a.b:80", "a:", "127.0.0.1:8080", "[::1]", "[2001:db8::1]:443", "a%20b"] {
            assert!(is_host(host), "{host}");
        }
        for host in [
            "", ":80", "a b", "u@a", "a:x", "a:99999", "a:+1", "[::1", "[::1]80", "[x]", "a/b",
            "a%2", "::1",
        ] {
            assert!(!is_host(host), "{host}");
        }
        assert!(is_host(&"a".repeat(1 << 20)), "as long as a head may be");
    }

    #[test]
    fn a_loop_is_seen_in_any_line_of_via() {
        let mut headers = HeaderMap::new();
        headers.append(VIA, HeaderValue::from_static("1.1 other, 1.0 another"));
        assert!(!has_passed(&headers, "edge"));
        headers.append(VIA, HeaderValue::from_static("HTTP/1.1 Edge (comment)"));
        assert!(has_passed(&headers, "edge"));
    }
}
