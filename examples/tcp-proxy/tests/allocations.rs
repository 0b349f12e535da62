//! How often a connection has memory allocated, which is the same on every machine.

#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod support;

use std::alloc::System;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::{forwarding, start};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const CONNECTIONS: usize = 500;
const EXCHANGES: usize = 1_000;

/// An upstream that allocates nothing itself, for one connection at a time.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 64];
            while stream.read_exact(&mut buffer).is_ok() {
                stream.write_all(&buffer).unwrap();
            }
        }
    });
    address
}

fn exchange(client: &mut TcpStream) {
    let mut buffer = [7; 64];
    client.write_all(&buffer).unwrap();
    client.read_exact(&mut buffer).unwrap();
}

#[test]
fn a_connection_allocates_little_and_what_passes_nothing() {
    let service = start(&forwarding(&[upstream()], ""));
    let connect = || {
        let mut client = TcpStream::connect(service.address).unwrap();
        exchange(&mut client);
        client
    };
    (0..50).for_each(|_| drop(connect()));
    let region = Region::new(GLOBAL);
    (0..CONNECTIONS).for_each(|_| drop(connect()));
    let change = region.change();
    let made = (change.allocations + change.reallocations).div_ceil(CONNECTIONS);
    let bytes = change.bytes_allocated / CONNECTIONS;
    assert!(made <= 8 && bytes <= 4 << 10, "{made} for a connection, {bytes} bytes");
    let mut client = connect();
    let region = Region::new(GLOBAL);
    (0..EXCHANGES).for_each(|_| exchange(&mut client));
    let change = region.change();
    assert!(change.allocations < EXCHANGES / 100, "{} for exchanges", change.allocations);
}
