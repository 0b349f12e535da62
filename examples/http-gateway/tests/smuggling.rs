//! Requests that two parsers might take for different ones are refused or made harmless: an upstream
//! gets exactly one well-formed request for each that was answered.

mod support;

use std::io::ErrorKind;
use std::net::Shutdown;

use support::{Client, Upstream, metric, start_before, until};

/// How a request is dealt with.
enum Fate {
    /// With 400, 501, 505 or a closed connection.
    Refused,
    /// The upstream gets it with this body, and the connection ends if it says so.
    Harmless(&'static str),
    Either,
}

use Fate::{Either, Harmless, Refused};

const REQUESTS: &[(&str, &str, Fate)] = &[
    (
        "length and chunks",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        Harmless("hello"),
    ),
    (
        "chunks and length",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        Harmless("hello"),
    ),
    (
        "two lengths",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 3\r\n\r\nhello",
        Refused,
    ),
    (
        "one length twice",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello",
        Either,
    ),
    (
        "a list of lengths",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5, 3\r\n\r\nhello",
        Refused,
    ),
    (
        "a length with a sign",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +5\r\n\r\nhello",
        Refused,
    ),
    ("a length in hex", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0x5\r\n\r\nhello", Refused),
    (
        "a length with a space",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5 5\r\n\r\nhello",
        Refused,
    ),
    (
        "a length too large",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 18446744073709551621\r\n\r\n",
        Refused,
    ),
    (
        "gzip, chunked",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        Refused,
    ),
    (
        "chunked, identity",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, identity\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        Refused,
    ),
    (
        "chunked twice",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        Refused,
    ),
    (
        "xchunked",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        Refused,
    ),
    (
        "chunks in HTTP/1.0",
        "POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        Refused,
    ),
    ("a bare CR", "GET / HTTP/1.1\r\nhost: a\r\nx-a: a\rx-b: b\r\n\r\n", Refused),
    ("a NUL", "GET / HTTP/1.1\r\nhost: a\r\nx-a: a\0b\r\n\r\n", Refused),
    ("a folded line", "GET / HTTP/1.1\r\nhost: a\r\nx-a: a\r\n b\r\n\r\n", Refused),
    ("a space before the colon", "GET / HTTP/1.1\r\nhost: a\r\nx-a : a\r\n\r\n", Refused),
    ("a name that is empty", "GET / HTTP/1.1\r\nhost: a\r\n: a\r\n\r\n", Refused),
    ("a control byte in a name", "GET / HTTP/1.1\r\nhost: a\r\nx-\u{1}: a\r\n\r\n", Refused),
    ("an 8-bit byte in a name", "GET / HTTP/1.1\r\nhost: a\r\nx-\u{e9}: a\r\n\r\n", Refused),
    ("bare LF", "GET / HTTP/1.1\nhost: a\n\n", Either),
    ("no host", "GET / HTTP/1.1\r\n\r\n", Refused),
    ("two hosts", "GET / HTTP/1.1\r\nhost: a\r\nhost: a\r\n\r\n", Refused),
    ("a host with userinfo", "GET / HTTP/1.1\r\nhost: u@a\r\n\r\n", Refused),
    ("a host with a space", "GET / HTTP/1.1\r\nhost: a b\r\n\r\n", Refused),
    ("a host with half an escape", "GET / HTTP/1.1\r\nhost: a%2\r\n\r\n", Refused),
    ("a host that is empty", "GET / HTTP/1.1\r\nhost: \r\n\r\n", Refused),
    ("a host with a path", "GET / HTTP/1.1\r\nhost: a/b\r\n\r\n", Refused),
    ("a port that is no number", "GET / HTTP/1.1\r\nhost: a:b\r\n\r\n", Refused),
    ("another host in the target", "GET http://b/ HTTP/1.1\r\nhost: a\r\n\r\n", Refused),
    ("userinfo in the target", "GET http://u@a/ HTTP/1.1\r\nhost: a\r\n\r\n", Refused),
    ("another scheme", "GET ftp://a/ HTTP/1.1\r\nhost: a\r\n\r\n", Refused),
    ("no slash", "GET a HTTP/1.1\r\nhost: a\r\n\r\n", Refused),
    ("an asterisk", "GET * HTTP/1.1\r\nhost: a\r\n\r\n", Refused),
    (
        "a chunk size too large",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n",
        Refused,
    ),
    (
        "a chunk size in minus",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
        Refused,
    ),
    (
        "a chunk without its end",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n",
        Refused,
    ),
    (
        "a chunk line that ends in LF",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
        Refused,
    ),
    (
        "chunks that end without their last line",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
        Refused,
    ),
    (
        "an upgrade with a body",
        "POST / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: x\r\ncontent-length: 5\r\n\r\nhello",
        Refused,
    ),
    (
        "nine names in connection",
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: b, c, d, e\r\nconnection: f, g, h, i, j\r\n\r\n",
        Refused,
    ),
    ("connection: host", "GET / HTTP/1.1\r\nhost: a\r\nconnection: host\r\n\r\n", Refused),
    (
        "connection: content-length",
        "POST / HTTP/1.1\r\nhost: a\r\nconnection: content-length\r\ncontent-length: 5\r\n\r\nhello",
        Refused,
    ),
    ("HTTP/0.9", "GET /\r\n\r\n", Refused),
    ("HTTP/3.0", "GET / HTTP/3.0\r\nhost: a\r\n\r\n", Refused),
];

#[test]
fn none_is_taken_for_another_one() {
    let upstream = Upstream::ok();
    let service = start_before(&[&upstream], "");
    for (name, request, fate) in REQUESTS {
        let before = upstream.requests().len();
        let mut client = Client::connect(service.address);
        client.send(request);
        let status = client.answer().map_or(0, |answer| answer.status);
        let requests = upstream.requests();
        let new = requests.get(before..).unwrap();
        match fate {
            Either if status == 200 => {
                assert_eq!(new.len(), 1, "{name}");
                let lengths = new.iter().flat_map(|request| &request.headers);
                let lengths = lengths.filter(|(key, _)| key == "content-length").count();
                assert!(lengths < 2, "{name}: {new:?}");
            }
            Either | Refused => {
                assert!([0, 400, 501, 505].contains(&status), "{name}: {status}");
                assert!(new.is_empty(), "{name}: {new:?}");
                let ended = client.rest().map_err(|error| error.kind());
                assert!(
                    matches!(ended, Ok(_) | Err(ErrorKind::ConnectionReset)),
                    "{name}: {ended:?}"
                );
            }
            Harmless(body) => {
                assert_eq!(status, 200, "{name}");
                let bodies: Vec<_> = new.iter().map(|request| request.body.as_slice()).collect();
                assert_eq!(bodies, [body.as_bytes()], "{name}");
                assert!(
                    new.iter().all(|request| request.header("content-length").is_none()),
                    "{name}"
                );
                // The connection has ended: what came after might have been meant otherwise.
                assert!(client.rest().is_ok(), "{name}");
            }
        }
    }
}

/// Bodies that turn out to be none after their head was forwarded, or end before they should.
const BODIES: &[(&str, &str)] = &[
    ("transfer-encoding: chunked", "5\r\nhello\r\n10000000000000005\r\n"),
    ("transfer-encoding: chunked", "5\r\nhello\r\n5\nhello\r\n0\r\n\r\n"),
    ("transfer-encoding: chunked", "5\r\nhello\r\n5\r\nhello0\r\n\r\n"),
    ("transfer-encoding: chunked", "5\r\nhello\r\n0\r\n"),
    ("transfer-encoding: chunked", "5\r\nhel"),
    ("content-length: 10", "hello"),
];

#[test]
fn a_body_that_breaks_off_does_not_look_whole_to_an_upstream() {
    let upstream = Upstream::ok();
    let service = start_before(&[&upstream], "");
    for (field, body) in BODIES {
        let mut client = Client::connect(service.address);
        client.send(format!("POST / HTTP/1.1\r\nhost: a\r\n{field}\r\n\r\n{body}"));
        client.stream.shutdown(Shutdown::Write).unwrap();
        let status = client.answer().map_or(0, |answer| answer.status);
        assert!([0, 400].contains(&status), "{body:?}: {status}");
    }
    until(|| metric(&service, "connections") == 0 && upstream.ended() == upstream.connections());
    assert!(upstream.requests().is_empty());
}
