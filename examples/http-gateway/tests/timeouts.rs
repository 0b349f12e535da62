//! Who takes too long is given up, and nobody before.

mod support;

use std::io::ErrorKind;
use std::time::Duration;

use support::{Client, Reply, Upstream, get, metric, start_before, until};

const GET: &str = "GET / HTTP/1.1\r\nhost: test\r\n\r\n";

#[test]
fn an_upstream_that_does_not_answer_is_given_up() {
    let upstream = Upstream::start(|_| Reply::Silence);
    let service = start_before(&[&upstream], "upstream.response = \"200ms\"");
    let answer = get(service.address, "/");
    assert_eq!(answer.status, 504);
    assert!(answer.header("proxy-status").unwrap().ends_with("error=http_response_timeout"));
    assert_eq!(metric(&service, "errors_total{cause=\"answer_timeout\"}"), 1);
}

#[test]
fn an_upstream_that_clients_gave_up_on_is_hardly_asked_again() {
    let (silent, well) = (Upstream::start(|_| Reply::Silence), Upstream::ok());
    let service = start_before(&[&silent, &well], "workers = 1");
    for _ in 0..20 {
        let mut client = Client::connect(service.address);
        client.send(GET);
        client.is_quiet(Duration::from_millis(200));
    }
    let asked = silent.requests().len();
    assert!(asked <= 2, "{asked} of 20");
}

#[test]
fn a_silent_tunnel_is_given_up() {
    let upstream = Upstream::start(|_| {
        let change = "connection: upgrade\r\nupgrade: echo";
        Reply::Echo(format!("HTTP/1.1 101 Switching Protocols\r\n{change}\r\n\r\n"))
    });
    let service = start_before(&[&upstream], "timeouts.tunnel_idle = \"200ms\"");
    let mut client = Client::connect(service.address);
    client.send("GET / HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
    assert_eq!(client.answer().unwrap().status, 101);
    assert_eq!(client.rest().unwrap_err().kind(), ErrorKind::ConnectionReset);
    until(|| metric(&service, "connections") == 0);
}

#[test]
fn a_client_may_not_take_its_time_for_a_head() {
    let upstream = Upstream::ok();
    let service = start_before(&[&upstream], "timeouts.header_read = \"1s\"");
    let mut silent = Client::connect(service.address);
    assert_eq!(silent.rest().unwrap(), b"");
    let mut slow = Client::connect(service.address);
    slow.send("GET / HTTP/1.1\r\nhost: te");
    assert_eq!(slow.answer().unwrap().status, 408);
    assert_eq!(slow.rest().unwrap(), b"");
    assert!(upstream.requests().is_empty());
    until(|| metric(&service, "clients_timed_out_total") == 1);
}

#[test]
fn a_connection_may_be_idle_for_longer_than_a_head_takes() {
    let upstream = Upstream::ok();
    let service = start_before(&[&upstream], "timeouts.header_read = \"1s\"");
    let mut client = Client::connect(service.address);
    for pause in [Duration::from_millis(1_500), Duration::from_millis(1)] {
        client.send(GET);
        assert_eq!(client.answer().unwrap().status, 200);
        assert!(client.is_quiet(pause), "the connection has ended");
    }
}

#[test]
fn an_idle_connection_is_closed_in_the_end() {
    let upstream = Upstream::ok();
    let service = start_before(&[&upstream], "name = \"edge\"\ntimeouts.client_idle = \"200ms\"");
    for (head, status) in [("host: test", 200), ("host: test\r\nvia: 1.1 edge", 508)] {
        let mut client = Client::connect(service.address);
        client.send(format!("GET / HTTP/1.1\r\n{head}\r\n\r\n"));
        assert_eq!(client.answer().unwrap().status, status);
        assert_eq!(client.rest().unwrap(), b"", "after {status}");
    }
    assert_eq!(metric(&service, "clients_timed_out_total"), 0);
}

#[test]
fn a_body_that_stops_coming_is_given_up() {
    let upstream = Upstream::ok();
    let service = start_before(&[&upstream], "timeouts.body_progress = \"200ms\"");
    let mut client = Client::connect(service.address);
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\nhe");
    assert_eq!(client.answer().unwrap().status, 408);
    assert_eq!(metric(&service, "errors_total{cause=\"body_too_slow\"}"), 1);
}

#[test]
fn a_long_upload_is_not_a_late_answer() {
    let upstream = Upstream::ok();
    let service = start_before(&[&upstream], "upstream.response = \"1500ms\"");
    let mut client = Client::connect(service.address);
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\n\r\n");
    for _ in 0..4 {
        client.send("x");
        client.is_quiet(Duration::from_millis(500));
    }
    assert_eq!(client.answer().unwrap().status, 200);
}

#[test]
fn a_client_that_does_not_read_is_given_up() {
    let upstream = Upstream::start(|_| {
        let body = "x".repeat(32 << 20);
        Reply::Close(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
    });
    let service = start_before(&[&upstream], "timeouts.body_progress = \"300ms\"");
    let mut client = Client::connect(service.address);
    client.send(GET);
    until(|| metric(&service, "connections") == 0 && !upstream.requests().is_empty());
    assert!(client.answer().is_err());
}
