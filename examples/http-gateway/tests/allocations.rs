//! How often a request has memory allocated, which is the same on every machine.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

mod support;

use std::alloc::System;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::{OK, routed_to, start};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\nuser-agent: test\r\naccept: */*\r\n\r\n";
const POST: &[u8] = b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 64\r\n\r\n\
    0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const REQUESTS: usize = 1_000;
/// What other threads may allocate meanwhile.
const BESIDE: usize = 10;

/// An upstream that allocates nothing itself, for one connection.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 4_096];
        let mut length = 0;
        loop {
            match stream.read(&mut buffer[length..]).unwrap() {
                0 => return,
                count => length += count,
            }
            let received = &buffer[..length];
            let is_get = received.starts_with(b"G");
            let end = if is_get { b"\r\n\r\n" } else { &POST[POST.len() - 64..] };
            if received.ends_with(end) {
                stream.write_all(OK.as_bytes()).unwrap();
                length = 0;
            }
        }
    });
    address
}

fn exchange(client: &mut TcpStream, request: &[u8]) {
    client.write_all(request).unwrap();
    let mut buffer = [0; 4_096];
    let mut length = 0;
    while !buffer[..length].ends_with(b"\r\n\r\nok") {
        match client.read(&mut buffer[length..]).unwrap() {
            0 => panic!("no answer"),
            count => length += count,
        }
    }
}

#[test]
fn a_request_over_connections_that_are_there_allocates_little() {
    let service = start(&routed_to(&[upstream()]));
    let mut client = TcpStream::connect(service.address).unwrap();
    for (name, request, most) in [("GET", GET, 13), ("POST", POST, 12)] {
        (0..100).for_each(|_| exchange(&mut client, request));
        let region = Region::new(GLOBAL);
        (0..REQUESTS).for_each(|_| exchange(&mut client, request));
        let change = region.change();
        let made = change.allocations + change.reallocations;
        let bytes = change.bytes_allocated / REQUESTS;
        assert!(
            made <= most * REQUESTS + BESIDE,
            "{made} for {REQUESTS} of {name}, {bytes} bytes each"
        );
    }
}
