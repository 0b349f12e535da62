//! The head of any request is refused, or goes on as one head that says the same to the next hop and
//! nothing of this one.

#![no_main]

mod wire;

use http::header::{CONNECTION, HOST, HeaderValue};
use http::{HeaderMap, Method};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use service::gateway::headers::{self, Connection};
use service::gateway::policy;
use wire::{parse, written};

/// What must never be lost, and what must never pass.
const ESSENTIAL: [&str; 5] = ["host", "authorization", "cookie", "content-length", "traceparent"];
const FOR_ONE_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "proxy-authorization",
];

/// Names that somebody acts upon, for all that chance would hardly come by.
const NAMES: [&str; 16] = [
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "upgrade",
    "via",
    "te",
    "keep-alive",
    "x-forwarded-for",
    "x-forwarded-host",
    "forwarded",
    "x-real-ip",
    "x-request-id",
    "authorization",
    "cookie",
    "x",
];

/// A head as somebody hostile might write it.
#[derive(Arbitrary, Debug)]
struct Head<'a> {
    method: Option<&'a str>,
    target: Option<&'a str>,
    host: bool,
    fields: Vec<(Name<'a>, Value<'a>)>,
}

#[derive(Arbitrary, Debug)]
enum Name<'a> {
    Known(u8),
    Other(&'a str),
}

#[derive(Arbitrary, Debug)]
enum Value<'a> {
    /// Names, as Connection has them.
    List(Vec<Name<'a>>),
    Other(&'a [u8]),
}

impl Name<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Known(number) => NAMES[usize::from(*number) % NAMES.len()],
            Self::Other(text) => text,
        }
    }
}

impl Head<'_> {
    fn written(&self) -> Vec<u8> {
        let (method, target) = (self.method.unwrap_or("GET"), self.target.unwrap_or("/"));
        let mut head = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
        if self.host {
            head.extend(b"host: a\r\n");
        }
        for (name, value) in &self.fields {
            let value = match value {
                Value::List(names) => {
                    names.iter().map(Name::text).collect::<Vec<_>>().join(",").into_bytes()
                }
                Value::Other(bytes) => bytes.to_vec(),
            };
            head.extend([name.text().as_bytes(), b": ", &value, b"\r\n"].concat());
        }
        head.extend(b"\r\n");
        head
    }
}

fuzz_target!(|head: Head<'_>| {
    let Some(request) = parse(&head.written()) else {
        return;
    };
    let (mut parts, ()) = request.into_parts();
    let before = parts.headers.clone();
    headers::forget_claims(&mut parts.headers, false);
    let Some(connection) = Connection::read(&parts.headers) else {
        return;
    };
    let Ok(target) = policy::examine(&parts, &connection, "gateway") else {
        return;
    };
    assert!(parts.method != Method::CONNECT && parts.method != Method::TRACE);
    assert_eq!(before.get_all(HOST).iter().count(), 1);
    assert!(before[HOST].to_str().is_ok_and(|host| host.starts_with(&target.host)));

    connection.drop_from(&mut parts.headers);
    let [peer, via, id] = ["192.0.2.7", "1.1 gateway", "a-1"].map(HeaderValue::from_static);
    headers::add_own(&mut parts.headers, &peer, via, &id);
    for name in FOR_ONE_HOP.iter().map(ToString::to_string).chain(named(&before)) {
        assert!(!parts.headers.contains_key(&name) || is_ours(&name), "{name} has passed");
    }
    for name in ESSENTIAL {
        assert!(before.get_all(name).iter().eq(parts.headers.get_all(name)), "{name} was changed");
    }
    assert_eq!(parts.headers["x-forwarded-for"], "192.0.2.7");
    assert_eq!(
        parse(&written(&parts.method, "/", &parts.headers)).map(|head| head.headers().clone()),
        Some(parts.headers)
    );
});

/// What the lines of Connection name, as the next hop would read them.
fn named(headers: &HeaderMap) -> impl Iterator<Item = String> {
    let lines = headers.get_all(CONNECTION).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|name| name.trim().to_ascii_lowercase())
}

fn is_ours(name: &str) -> bool {
    ["via", "x-request-id", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]
        .contains(&name)
}
