//! What a connection has of the heap while it waits, and a request while it is under way with no body: the same on
//! every machine.

#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod support;

use std::alloc::System;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use support::{OK, PATIENCE, routed_to, start};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\nuser-agent: test\r\naccept: */*\r\n\r\n";
const CONNECTIONS: usize = 200;
/// Bytes of each connection that waits, and more of each that has a request under way, its own connection to
/// an upstream included. What is built for release takes less: its futures are smaller.
const MOST: [usize; 2] = [27 << 10, 40 << 10];

/// Reads until what is read ends like this, and has no memory for it.
fn read(stream: &mut TcpStream, end: &[u8]) {
    let mut buffer = [0; 4_096];
    let mut length = 0;
    while !buffer.get(..length).unwrap().ends_with(end) {
        let count = stream.read(buffer.get_mut(length..).unwrap()).unwrap();
        assert!(count > 0, "an early end");
        length += count;
    }
}

/// Answers as many requests as there are connections over the first that comes. Once all have another under way
/// it says so, and answers these when it is told to.
fn upstream(reached: SyncSender<()>, go_on: Receiver<()>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let accept = move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };
    let mut streams = Vec::with_capacity(CONNECTIONS);
    std::thread::spawn(move || {
        streams.push(accept());
        for stream in &mut streams {
            for _ in 0..CONNECTIONS {
                read(stream, b"\r\n\r\n");
                stream.write_all(OK.as_bytes()).unwrap();
            }
        }
        while streams.len() < CONNECTIONS {
            streams.push(accept());
        }
        for stream in &mut streams {
            read(stream, b"\r\n\r\n");
        }
        reached.send(()).unwrap();
        go_on.recv_timeout(PATIENCE).unwrap();
        for stream in &mut streams {
            stream.write_all(OK.as_bytes()).unwrap();
        }
    });
    address
}

fn in_use() -> usize {
    let stats = GLOBAL.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

#[test]
fn connections_that_wait_and_requests_under_way_have_bounded_memory() {
    let ((reached, all_reached), (answer, go_on)) = (sync_channel(1), sync_channel(1));
    let settings = routed_to(&[upstream(reached, go_on)]);
    // The one connection to the upstream must last while clients connect, on a slow machine too.
    let service = start(&format!("upstream.idle = \"1m\"\n{settings}"));
    let mut clients = Vec::with_capacity(CONNECTIONS);
    let before = in_use();
    for _ in 0..CONNECTIONS {
        clients.push(TcpStream::connect(service.address).unwrap());
        let client = clients.last_mut().unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.write_all(GET).unwrap();
        read(client, b"\r\n\r\nok");
    }
    let waiting = in_use();
    for client in &mut clients {
        client.write_all(GET).unwrap();
    }
    all_reached.recv_timeout(PATIENCE).unwrap();
    let busy = in_use();
    answer.send(()).unwrap();
    for client in &mut clients {
        read(client, b"\r\n\r\nok");
    }
    let each = [waiting - before, busy - waiting].map(|bytes| bytes / CONNECTIONS);
    assert!(each.iter().zip(&MOST).all(|(bytes, most)| bytes <= most), "{each:?} bytes");
}
