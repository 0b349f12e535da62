//! A request of HTTP/2 as one of HTTP/1.1, which is what is judged and passed on.

use http::header::{COOKIE, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method};

use crate::gateway::error::Failure;
use crate::gateway::policy;

/// Says what HTTP/1.1 says in other places there, and refuses what it can't say. That fields and
/// pseudo-header fields are well-formed is h2's business, but for spaces around what a field says.
pub fn translate(parts: &mut Parts, most_fields: usize) -> Result<(), Failure> {
    // Before cookies are one, within which nobody would see it.
    if parts.headers.values().any(is_padded) {
        return Err(Failure::Refused("space around a field value"));
    }
    join_cookies(&mut parts.headers);
    if parts.headers.len() > most_fields {
        return Err(Failure::HeadTooLarge);
    }
    if !policy::is_framed(&mut parts.headers) {
        return Err(Failure::Refused("content lengths differ"));
    }
    if parts.method == Method::CONNECT {
        return Ok(());
    }
    let path = parts.uri.path();
    if !path.starts_with('/') && (path != "*" || parts.method != Method::OPTIONS) {
        return Err(Failure::Refused("malformed target"));
    }
    // "An intermediary that forwards a request over HTTP/1.1 ... MUST create a Host header field if
    // one is not present" (RFC 9113 section 8.3.1); one that is must be the same.
    if !parts.headers.contains_key(HOST)
        && let Some(authority) = parts.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        parts.headers.insert(HOST, host);
    }
    Ok(())
}

/// "A field value MUST NOT start or end with an ASCII whitespace character" (RFC 9113 section 8.2.1). The
/// next hop would read another value.
fn is_padded(value: &HeaderValue) -> bool {
    let bytes = value.as_bytes();
    bytes.trim_ascii().len() < bytes.len()
}

/// "If there are multiple Cookie header fields after decompression, these MUST be concatenated into a
/// single octet string" (RFC 9113 section 8.2.3)
fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1
        && let Ok(cookie) = HeaderValue::from_bytes(&crumbs.join(b"; ".as_slice()))
    {
        headers.insert(COOKIE, cookie);
    }
}
