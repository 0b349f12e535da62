//! A drain lets every connection come to its end, and counts those that don't.

mod support;

use std::io::{self, ErrorKind};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use support::{Client, Upstream, block_on, get, metric, serves, start_before, until};

const CLIENTS: usize = 200;

#[test]
fn no_connection_breaks_that_ends_in_time() {
    let upstream = Upstream::echo();
    let service = start_before(&[&upstream], "workers = 2");
    let (address, admin) = (service.address, service.admin);
    let closed = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut client = Client::connect(address);
            client.send("hello");
            client.take(5).unwrap();
            let closed = Arc::clone(&closed);
            thread::spawn(move || {
                let mut exchanges = 0_u64;
                while !closed.load(Ordering::SeqCst) {
                    client.send("again");
                    assert_eq!(client.take(5).unwrap(), b"again");
                    exchanges += 1;
                }
                client.send("last words");
                client.stream.shutdown(Shutdown::Write).unwrap();
                assert_eq!(client.rest().unwrap(), b"last words");
                exchanges
            })
        })
        .collect();
    let watcher = thread::spawn(move || {
        until(|| get(admin, "/readyz").status == 503);
        assert!(serves(address), "not ready, but it has to go on for the delay");
        until(|| TcpStream::connect(address).is_err());
        closed.store(true, Ordering::SeqCst);
    });
    let aborted = block_on(service.drain(Duration::from_secs(3), Duration::from_mins(1)));
    assert_eq!(aborted.unwrap(), 0);
    watcher.join().unwrap();
    assert!(clients.into_iter().all(|client| client.join().unwrap() > 0));
}

#[test]
fn a_connection_that_does_not_end_is_aborted_with_a_reset_and_counted() {
    let upstream = Upstream::echo();
    let service = start_before(&[&upstream], "");
    let metrics = service.metrics.clone();
    let mut clients: Vec<_> = (0..3).map(|_| support::hold(service.address)).collect();
    let aborted = block_on(service.drain(Duration::ZERO, Duration::from_millis(200)));
    assert_eq!(aborted.unwrap(), 3);
    for client in &mut clients {
        assert_eq!(client.rest().unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
    let counts = metrics.workers.iter().flat_map(|worker| worker.ends.read());
    let counted: u64 = counts.filter(|(cause, _)| *cause == "aborted").map(|(_, it)| it).sum();
    assert_eq!(counted, 3);
}

#[test]
fn a_connection_that_is_queued_when_the_listener_closes_is_served() {
    let upstream = Upstream::echo();
    let service = start_before(&[&upstream], "limits.connections = 1");
    let mut first = support::hold(service.address);
    let mut queued = Client::connect(service.address);
    let address = service.address;
    let served = thread::spawn(move || {
        until(|| TcpStream::connect(address).is_err());
        queued.send("hello");
        assert_eq!(queued.take(5).unwrap(), b"hello");
        for client in [&mut first, &mut queued] {
            client.stream.shutdown(Shutdown::Write).unwrap();
            assert_eq!(client.rest().unwrap(), b"");
        }
    });
    let aborted = block_on(service.drain(Duration::ZERO, Duration::from_mins(1)));
    served.join().unwrap();
    assert_eq!(aborted.unwrap(), 0);
}

#[test]
fn a_taken_port_is_an_error_and_a_takeover_is_not() {
    let upstream = Upstream::echo();
    let service = start_before(&[&upstream], "");
    let address = service.address;
    let refused = support::start_at(address, false);
    assert!(refused.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse));
    let successor = support::start_at(address, true).unwrap();
    block_on(service.drain(Duration::ZERO, Duration::from_secs(20))).unwrap();
    assert!(serves(successor.address));
    assert_eq!(metric(&successor, "connections_accepted_total"), 1);
}
