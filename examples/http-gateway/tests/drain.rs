//! A drain under load: no request that reached a connection which was accepted goes without an answer.

mod support;

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use support::{Answer, Client, OK, Reply, Service, Upstream, block_on, get, start_before, until};

const CLIENTS: usize = 200;
const GET: &str = "GET / HTTP/1.1\r\nhost: test\r\n\r\n";

/// What clients saw, all of them together.
#[derive(Default)]
struct Seen {
    /// Connections on which at least one answer came.
    served: AtomicU64,
    answers: AtomicU64,
    /// Requests without an answer on a connection that had given one.
    lost: AtomicU64,
    kept_open: AtomicU64,
    draining: AtomicBool,
    closed: AtomicBool,
}

/// Asks again and again, over one connection for as long as it may, until nobody listens.
fn ask_on(address: SocketAddr, seen: &Seen) {
    while TcpStream::connect(address).is_ok_and(|stream| converse(Client::from(stream), seen)) {}
    seen.closed.store(true, Ordering::SeqCst);
}

/// False when the connection ended without any answer.
fn converse(mut client: Client, seen: &Seen) -> bool {
    let mut served = false;
    loop {
        let draining = seen.draining.load(Ordering::SeqCst);
        let answer = client.try_send(GET).and_then(|()| client.answer());
        let Ok(answer) = answer else {
            seen.lost.fetch_add(u64::from(served), Ordering::Relaxed);
            return served;
        };
        assert_eq!(answer.status, 200);
        seen.answers.fetch_add(1, Ordering::Relaxed);
        seen.served.fetch_add(u64::from(!served), Ordering::Relaxed);
        served = true;
        if answer.header("connection") == Some("close") {
            return true;
        }
        seen.kept_open.fetch_add(u64::from(draining), Ordering::Relaxed);
    }
}

#[test]
fn no_request_is_lost() {
    let upstream = Upstream::ok();
    let service = start_before(&[&upstream], "workers = 2\nupstream.idle = \"60s\"");
    let (address, admin, metrics) = (service.address, service.admin, service.metrics.clone());
    let seen = Arc::new(Seen::default());
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let seen = Arc::clone(&seen);
            std::thread::spawn(move || ask_on(address, &seen))
        })
        .collect();
    until(|| seen.answers.load(Ordering::Relaxed) >= 10 * CLIENTS as u64);
    let mut slow = Client::connect(address);
    slow.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\nhe");
    let watcher = {
        let seen = Arc::clone(&seen);
        std::thread::spawn(move || {
            until(|| get(admin, "/readyz").status == 503);
            seen.draining.store(true, Ordering::SeqCst);
            until(|| seen.closed.load(Ordering::SeqCst));
            assert_eq!(get(admin, "/readyz").status, 503);
            slow.send("llo");
            assert_eq!(slow.answer().unwrap().status, 200);
        })
    };
    let aborted = block_on(service.drain(Duration::from_millis(500), Duration::from_secs(20)));
    assert_eq!(aborted.unwrap(), 0);
    watcher.join().unwrap();
    for client in clients {
        client.join().unwrap();
    }
    assert_eq!(seen.lost.load(Ordering::Relaxed), 0, "lost on a connection that had served");
    assert_eq!(seen.kept_open.load(Ordering::Relaxed), 0, "not told to connect anew");
    let accepted: u64 =
        metrics.workers.iter().map(|worker| worker.accepted.load(Ordering::Relaxed)).sum();
    let slow = 1;
    assert_eq!(accepted, seen.served.load(Ordering::Relaxed) + slow, "accepted, but not served");
}

#[test]
fn work_that_does_not_end_is_aborted_and_counted() {
    let upstream = Upstream::start(|_| Reply::Silence);
    let service = start_before(&[&upstream], "");
    let mut client = Client::connect(service.address);
    client.send(GET);
    until(|| !upstream.requests().is_empty());
    let aborted = block_on(service.drain(Duration::ZERO, Duration::from_millis(200)));
    assert_eq!(aborted.unwrap(), 1);
    assert!(client.answer().is_err());
}

#[test]
fn an_answer_that_is_aborted_does_not_look_complete() {
    let upstream = Upstream::start(|_| Reply::Echo("HTTP/1.1 200 OK\r\n\r\nhello".to_owned()));
    let service = start_before(&[&upstream], "");
    let mut client = Client::connect(service.address);
    // Such a client takes the end of the connection for the end of the answer.
    client.send("GET / HTTP/1.0\r\nhost: test\r\n\r\n");
    assert_eq!(client.answer().unwrap().status, 200);
    let aborted = block_on(service.drain(Duration::ZERO, Duration::from_millis(200)));
    assert_eq!(aborted.unwrap(), 1);
    assert_eq!(client.rest().unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn idle_connections_do_not_hold_it_up() {
    let upstream = Upstream::ok();
    let service = start_before(&[&upstream], "");
    let mut client = Client::connect(service.address);
    client.send(GET);
    assert_eq!(client.answer().unwrap().body, OK.split_at(OK.len() - 2).1);
    let aborted = block_on(service.drain(Duration::ZERO, Duration::from_secs(20)));
    assert_eq!(aborted.unwrap(), 0);
    assert_eq!(client.rest().unwrap(), b"");
}

/// What a request comes to of which only `begun` was sent before the listener closed.
fn ask_across(mut client: Client, begun: &'static str, service: Service) -> io::Result<Answer> {
    client.try_send(begun)?;
    until(|| client.is_read());
    let address = service.address;
    let asked = std::thread::spawn(move || {
        until(|| TcpStream::connect(address).is_err());
        client.try_send(GET.trim_start_matches(begun))?;
        client.answer()
    });
    assert_eq!(block_on(service.drain(Duration::ZERO, Duration::from_mins(2)))?, 0);
    asked.join().map_err(|_| io::Error::other("panicked"))?
}

#[test]
fn a_request_that_is_on_its_way_when_the_listener_closes_is_answered() {
    let upstream = Upstream::ok();
    let unhurried = "timeouts.header_read = \"60s\"";
    for begun in ["", "GET / HT"] {
        let service = start_before(&[&upstream], unhurried);
        let client = Client::connect(service.address);
        assert_eq!(ask_across(client, begun, service).unwrap().status, 200, "after {begun:?}");
    }
    let service = start_before(&[&upstream], unhurried);
    let mut client = Client::connect(service.address);
    client.send(GET);
    client.answer().unwrap();
    assert_eq!(ask_across(client, "GET / HT", service).unwrap().status, 200);
}

#[test]
fn a_client_that_never_asks_does_not_count_as_work() {
    let upstream = Upstream::ok();
    let service = start_before(&[&upstream], "");
    let mut client = Client::connect(service.address);
    let aborted = block_on(service.drain(Duration::ZERO, Duration::from_millis(500)));
    assert_eq!(aborted.unwrap(), 0);
    assert_eq!(client.rest().unwrap(), b"");
}

#[test]
fn a_taken_port_is_an_error_and_a_takeover_is_not() {
    let upstream = Upstream::ok();
    let service = start_before(&[&upstream], "");
    let address = service.address;
    let refused = support::start_at(address, false);
    assert!(refused.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse));
    let successor = support::start_at(address, true).unwrap();
    block_on(service.drain(Duration::ZERO, Duration::from_secs(20))).unwrap();
    assert_eq!(get(successor.address, "/").status, 200);
}

#[test]
fn settings_are_reloaded_without_losing_a_request() {
    let (before, after) = (Upstream::ok(), Upstream::ok());
    let service = start_before(&[&before], "");
    let mut client = Client::connect(service.address);
    for index in 0..20 {
        if index == 10 {
            service.reload(support::config(&support::routed_to(&[after.address])));
        }
        client.send(GET);
        assert_eq!(client.answer().unwrap().status, 200);
    }
    assert_eq!((before.requests().len(), after.requests().len()), (10, 10));
}
