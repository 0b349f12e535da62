//! What is rewritten: fields that are for one hop only are dropped, those that tell of this hop added.

use http::header::{self, CONNECTION, Entry, HeaderName, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA};
use http::{HeaderMap, HeaderValue};

/// More names than this in Connection are an attack.
const MOST_NAMES: usize = 8;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Fields that the next hop relies on: a peer that has them dropped is up to something.
const KEPT: [HeaderName; 9] = [
    header::AUTHORIZATION,
    header::CONTENT_LENGTH,
    header::COOKIE,
    header::DATE,
    header::FORWARDED,
    header::HOST,
    REQUEST_ID,
    HeaderName::from_static("traceparent"),
    VIA,
];

/// Dropped whether Connection names them or not.
const DROPPED: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("http2-settings"),
];

/// What the Connection fields of a message say, all lines of them.
#[derive(Debug, Default)]
pub struct Connection {
    names: Vec<HeaderName>,
    pub upgrade: bool,
}

impl Connection {
    /// None when they ask for what must not be done.
    pub fn read(headers: &HeaderMap) -> Option<Self> {
        let mut connection = Self::default();
        let mut count = 0;
        for line in headers.get_all(CONNECTION) {
            for name in line.to_str().ok()?.split(',').map(str::trim) {
                if name.is_empty() {
                    continue;
                }
                count += 1;
                if count > MOST_NAMES {
                    return None;
                }
                connection.add(name)?;
            }
        }
        Some(connection)
    }

    fn add(&mut self, name: &str) -> Option<()> {
        if name.eq_ignore_ascii_case("close") || name.eq_ignore_ascii_case("keep-alive") {
            return Some(());
        }
        if name.eq_ignore_ascii_case("upgrade") {
            self.upgrade = true;
            return Some(());
        }
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        if name == TRANSFER_ENCODING || KEPT.contains(&name) || is_forwarded(&name) {
            return None;
        }
        self.names.push(name);
        Some(())
    }

    /// "Intermediaries MUST parse a received Connection header field before a message is forwarded and,
    /// for each connection-option in this field, remove any header or trailer field(s) from the message
    /// with the same name as the connection-option" (RFC 9110 section 7.6.1)
    pub fn drop_from(&self, headers: &mut HeaderMap) {
        drop_all(headers, |name| DROPPED.contains(name) || self.names.contains(name));
    }
}

/// Asks about the fields that are there: to look for each that might be costs more.
fn drop_all(headers: &mut HeaderMap, is_dropped: impl Fn(&HeaderName) -> bool) {
    let dropped: Vec<_> = headers.keys().filter(|name| is_dropped(name)).cloned().collect();
    for name in &dropped {
        headers.remove(name);
    }
}

fn is_forwarded(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-forwarded-")
}

/// Drops what a peer says about others, unless it is `trusted`. An upstream that reads fields as variables of CGI can't
/// tell `_` from `-` (RFC 3875 section 4.1.18): no proxy writes `_`, and a trusted one hands on a stranger's.
pub fn forget_claims(headers: &mut HeaderMap, trusted: bool) {
    let claims = [header::FORWARDED, REAL_IP, REQUEST_ID];
    let is_claim = |name: &HeaderName| claims.contains(name) || is_forwarded(name);
    drop_all(headers, |name| {
        if name.as_str().contains('_') {
            let hyphened = HeaderName::try_from(name.as_str().replace('_', "-"));
            hyphened.is_ok_and(|name| is_claim(&name))
        } else {
            !trusted && is_claim(name)
        }
    });
}

/// The id that a request came with, when it is one.
pub fn request_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(REQUEST_ID)?;
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    let fits = (1..=64).contains(&id.len()) && id.as_bytes().iter().all(is_plain);
    fits.then(|| id.clone())
}

/// Tells the next hop whom the request came from, and by way of whom.
pub fn add_own(headers: &mut HeaderMap, peer: &HeaderValue, via: HeaderValue, id: &HeaderValue) {
    append(headers, FOR, peer.clone());
    if let Some(host) = headers.get(header::HOST).cloned() {
        headers.entry(HOST).or_insert(host);
    }
    headers.entry(PROTO).or_insert(HeaderValue::from_static("http"));
    headers.insert(REQUEST_ID, id.clone());
    append(headers, VIA, via);
}

/// Adds to a list, which may be on several lines.
fn append(headers: &mut HeaderMap, name: HeaderName, item: HeaderValue) {
    match headers.entry(name) {
        Entry::Vacant(entry) => drop(entry.insert(item)),
        Entry::Occupied(mut entry) => {
            let lines = entry.iter().chain([&item]).filter_map(|line| line.to_str().ok());
            if let Ok(list) = HeaderValue::try_from(lines.collect::<Vec<_>>().join(", ")) {
                entry.insert(list);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        lines.iter().map(line).collect()
    }

    fn left(mut headers: HeaderMap) -> Option<Vec<String>> {
        Connection::read(&headers)?.drop_from(&mut headers);
        Some(headers.keys().map(ToString::to_string).collect())
    }

    #[test]
    fn what_any_line_of_connection_names_is_dropped() {
        let lines = [
            ("connection", "keep-alive, x-one"),
            ("connection", "X-Two,, close"),
            ("x-one", "1"),
            ("x-two", "2"),
            ("x-three", "3"),
        ];
        assert_eq!(left(headers(&lines)).unwrap(), ["x-three"]);
    }

    #[test]
    fn what_is_for_one_hop_is_dropped_unnamed() {
        let lines = [
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("te", "trailers"),
            ("trailer", "x-sum"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("proxy-authenticate", "Basic"),
            ("proxy-authorization", "Basic eA=="),
            ("http2-settings", "AAMAAABkAAQAAP__"),
            ("accept", "*/*"),
        ];
        assert_eq!(left(headers(&lines)).unwrap(), ["accept"]);
    }

    #[test]
    fn what_the_next_hop_relies_on_can_not_be_dropped() {
        let names = [
            "host",
            "Content-Length",
            "transfer-encoding",
            "authorization",
            "cookie",
            "X-Forwarded-For",
            "x-forwarded-port",
            "forwarded",
            "via",
            "x-request-id",
            "traceparent",
            "date",
        ];
        for name in names {
            let headers = headers(&[("connection", name)]);
            assert!(Connection::read(&headers).is_none(), "{name}");
        }
    }

    #[test]
    fn names_that_are_none_and_too_many_of_them_are_refused() {
        assert!(Connection::read(&headers(&[("connection", "a b")])).is_none());
        assert!(Connection::read(&headers(&[("connection", "a,b,c,d,e,f,g,h")])).is_some());
        let nine = [("connection", "a,b,c,d"), ("connection", "e,f,g,h,i")];
        assert!(Connection::read(&headers(&nine)).is_none());
    }

    #[test]
    fn a_hop_adds_itself_to_lists() {
        let mut headers = headers(&[
            ("host", "shop"),
            ("via", "1.0 first"),
            ("via", "1.1 second"),
            ("via", "1.1 third"),
            ("x-forwarded-for", "192.0.2.1"),
        ]);
        let [peer, via, id] = ["192.0.2.7", "1.1 edge", "a-1"].map(HeaderValue::from_static);
        add_own(&mut headers, &peer, via, &id);
        let lines: Vec<_> = headers.get_all("via").iter().collect();
        assert_eq!(lines, ["1.0 first, 1.1 second, 1.1 third, 1.1 edge"]);
        assert_eq!(headers["x-forwarded-for"], "192.0.2.1, 192.0.2.7");
        assert_eq!(headers["x-forwarded-host"], "shop");
        assert_eq!(headers["x-forwarded-proto"], "http");
        assert_eq!(headers["x-request-id"], "a-1");
    }

    #[test]
    fn claims_of_a_stranger_are_forgotten() {
        let mut headers = headers(&[
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-anything", "1"),
            ("forwarded", "for=192.0.2.1"),
            ("x-real-ip", "192.0.2.1"),
            ("x-request-id", "a"),
            ("x_forwarded_for", "192.0.2.1"),
            ("x-real_ip", "192.0.2.1"),
            ("api_key", "a"),
            ("traceparent", "00-1-2-01"),
        ]);
        forget_claims(&mut headers, false);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["api_key", "traceparent"]);
    }

    #[test]
    fn a_trusted_proxy_is_believed_and_not_what_it_handed_on() {
        let mut headers =
            headers(&[("x-forwarded-for", "192.0.2.1"), ("x_forwarded_for", "192.0.2.2")]);
        forget_claims(&mut headers, true);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-forwarded-for"]);
    }

    #[test]
    fn ids_are_short_and_plain() {
        assert_eq!(request_id(&headers(&[("x-request-id", "a.B_-9")])).unwrap(), "a.B_-9");
        for id in ["", "a b", "a/b", "\"a\""] {
            assert!(request_id(&headers(&[("x-request-id", id)])).is_none(), "{id}");
        }
    }
}
