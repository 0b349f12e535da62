//! Bytes that come in pieces, from clients and from upstreams: however they are cut, the outcome is that
//! of the whole.

#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod cases;
mod support;

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use cases::runner;
use support::{Client, Upstream, get, routed_to, start, start_before, until};

/// On a machine that is busy, waiting for each piece to be read takes its time.
const PATIENT: &str = "timeouts = { header_read = \"10m\", body_progress = \"10m\" }\n";

/// What no server may take, and its status.
const REFUSED: [(&str, u16); 5] = [
    ("GET / HTTP/1.1\r\nhost : a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\n\r\n", 400),
    ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5, 3\r\n\r\nhello", 400),
    ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 3\r\n\r\nhello", 400),
    ("CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n", 501),
];

/// How a message says where its body ends.
#[derive(Clone, Debug)]
enum Framing {
    Length,
    /// Where chunks end, and what else their lines say.
    Chunks(Vec<Index>, &'static str),
}

fn framing() -> impl Strategy<Value = Framing> {
    let extension = select(&["", ";x", ";x=y", ";x=\"\\\"\""][..]);
    prop_oneof![
        Just(Framing::Length),
        (vec(any::<Index>(), 0..4), extension).prop_map(|(ends, text)| Framing::Chunks(ends, text)),
    ]
}

/// In pieces, none of which is empty.
fn cut<'a>(bytes: &'a [u8], places: &[Index]) -> Vec<&'a [u8]> {
    let places: BTreeSet<_> = places.iter().map(|place| place.index(bytes.len() + 1)).collect();
    let (mut pieces, mut rest, mut begin) = (Vec::new(), bytes, 0);
    for end in places {
        let (piece, after) = rest.split_at(end - begin);
        pieces.push(piece);
        (rest, begin) = (after, end);
    }
    pieces.push(rest);
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

/// A message that begins with these lines.
fn message(lines: &str, body: &[u8], framing: &Framing) -> Vec<u8> {
    match framing {
        Framing::Length => {
            [format!("{lines}content-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat()
        }
        Framing::Chunks(ends, extension) => {
            let mut text = format!("{lines}transfer-encoding: chunked\r\n\r\n").into_bytes();
            for chunk in cut(body, ends) {
                text.extend(format!("{:x}{extension}\r\n", chunk.len()).bytes());
                text.extend([chunk, b"\r\n"].concat());
            }
            text.extend(format!("0{extension}\r\n\r\n").bytes());
            text
        }
    }
}

/// Sends pieces, each once the one before was read. Who refuses what comes may be gone before the last.
fn send(client: &mut Client, bytes: &[u8], places: &[Index]) {
    for piece in cut(bytes, places) {
        if client.try_send(piece).is_err() {
            break;
        }
        until(|| client.is_read());
    }
}

#[test]
fn it_does_not_matter_where_what_clients_send_is_cut() {
    let upstream = Upstream::ok();
    let service = start_before(&[&upstream], PATIENT);
    let request =
        (select(&["GET", "PUT", "POST"][..]), "/[a-z]{0,9}", vec(any::<u8>(), 0..40), framing());
    let cases = (vec(request, 0..4), option::of(select(&REFUSED[..])), vec(any::<Index>(), 0..8));
    let outcome = runner(32).run(&cases, |(requests, refused, places)| {
        let before = upstream.requests().len();
        let mut bytes = Vec::new();
        for (method, path, body, framing) in &requests {
            let lines = format!("{method} {path} HTTP/1.1\r\nhost: a\r\n");
            bytes.extend(message(&lines, body, framing));
        }
        bytes.extend(refused.iter().flat_map(|(text, _)| text.bytes()));
        let mut client = Client::connect(service.address);
        send(&mut client, &bytes, &places);

        let expected = requests.iter().map(|_| 200).chain(refused.map(|(_, status)| status));
        for status in expected {
            prop_assert_eq!(client.answer().map(|answer| answer.status).ok(), Some(status));
        }
        let received = upstream.requests().split_off(before);
        prop_assert_eq!(received.len(), requests.len());
        for (request, (method, path, body, _)) in received.iter().zip(&requests) {
            prop_assert_eq!(&request.line, &format!("{method} {path} HTTP/1.1"));
            prop_assert_eq!(&request.body, body);
        }
        Ok(())
    });
    outcome.unwrap();
}

/// What an upstream answers, and where that is cut.
type Script = (Vec<u8>, Vec<Index>);

/// An upstream that answers each request on a connection of its own, as it is told.
fn upstream_in_pieces() -> (SocketAddr, Sender<Script>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, told) = channel::<Script>();
    thread::spawn(move || {
        for (bytes, places) in told {
            let mut gateway = Client::from(listener.accept().unwrap().0);
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.extend(gateway.take(1).unwrap());
            }
            send(&mut gateway, &bytes, &places);
        }
    });
    (address, tell)
}

#[test]
fn it_does_not_matter_where_what_upstreams_answer_is_cut() {
    let (address, tell) = upstream_in_pieces();
    let patient = "timeouts.body_progress = \"10m\"\nupstream.response = \"10m\"\n";
    let service = start(&format!("{patient}{}", routed_to(&[address])));
    let cases = (
        select(&[200, 404, 500][..]),
        "[a-z]{0,40}",
        option::of(framing()),
        vec(any::<Index>(), 0..8),
    );
    let outcome = runner(32).run(&cases, |(status, body, framing, places)| {
        let lines = format!("HTTP/1.1 {status} x\r\nx: y\r\nconnection: close\r\n");
        let bytes = match framing {
            Some(framing) => message(&lines, body.as_bytes(), &framing),
            // It ends with its connection.
            None => format!("{lines}\r\n{body}").into_bytes(),
        };
        tell.send((bytes, places)).unwrap();
        let answer = get(service.address, "/");
        prop_assert_eq!(answer.status, status);
        prop_assert_eq!(answer.header("x"), Some("y"));
        prop_assert_eq!(answer.body, body);
        Ok(())
    });
    outcome.unwrap();
}
