//! Bytes of a client that come in pieces: however they are cut, the outcome is that of the whole.

mod support;

use support::{Client, Service, Upstream, start_before, until};

/// What a client sends, and how many answers it waits for.
const SENT: &[(&str, usize)] = &[
    ("GET /path?query HTTP/1.1\r\nhost: a\r\nx-long: 0123456789\r\n\r\n", 1),
    ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello", 1),
    (
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n",
        1,
    ),
    (
        "GET / HTTP/1.1\r\nhost: a\r\n\r\nPOST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi",
        2,
    ),
    ("GET / HTTP/1.1\r\nhost : a\r\n\r\n", 1),
    ("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5, 3\r\n\r\nhello", 1),
    ("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n", 1),
];

/// The statuses of the answers, none for one that did not come, and what reached the upstream.
type Outcome = (Vec<Option<u16>>, Vec<(String, Vec<u8>)>);

fn outcome(service: &Service, upstream: &Upstream, pieces: &[&str], answers: usize) -> Outcome {
    let before = upstream.requests().len();
    let mut client = Client::connect(service.address);
    for piece in pieces {
        // What is refused is refused at once, before the last of it was sent.
        if client.try_send(piece).is_err() {
            break;
        }
        until(|| client.is_read());
    }
    let status = |_| client.answer().ok().map(|answer| answer.status);
    let statuses = (0..answers).map(status).collect();
    let received = upstream.requests().split_off(before);
    (statuses, received.into_iter().map(|request| (request.line, request.body)).collect())
}

#[test]
fn it_does_not_matter_where_what_is_sent_is_cut() {
    let upstream = Upstream::ok();
    // On a machine that is busy, waiting for each piece to be read takes its time.
    let patient = "timeouts = { header_read = \"10m\", body_progress = \"10m\" }";
    let service = start_before(&[&upstream], patient);
    for (text, answers) in SENT {
        let whole = outcome(&service, &upstream, &[text], *answers);
        for cut in (1..text.len()).step_by(5) {
            let (first, second) = text.split_at(cut);
            let cut = outcome(&service, &upstream, &[first, second], *answers);
            assert_eq!(cut, whole, "{first:?} and {second:?}");
        }
        let bytes: Vec<_> = (0..text.len()).map(|at| &text[at..=at]).collect();
        assert_eq!(outcome(&service, &upstream, &bytes, *answers), whole, "{text:?} byte by byte");
    }
}
