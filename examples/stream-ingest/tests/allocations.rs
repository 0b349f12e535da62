//! How often memory is allocated for frames, which is the same on every machine.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test ends where something unexpected happens"
)]

mod support;

use std::alloc::System;
use std::io::Read;
use std::time::Duration;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use support::device::{Device, hello, reading};
use support::{Upstream, block_on, forwarding, start, start_before};

#[global_allocator]
static GLOBAL: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Of readings, and a hello behind.
const FRAMES: u32 = 4_000;
const CONNECTIONS: usize = 200;
/// Behind its first code and the version.
const WELCOME: u8 = 0x81;

/// Sends these and a hello, and reads, without room of its own, until that is answered: frames are taken in order.
fn exchange(device: &mut Device, bytes: &[u8], hello: &[u8]) {
    device.send(bytes);
    device.send(hello);
    let (mut frame, mut length, mut piece) = ([0; 64], 0, [0; 4_096]);
    loop {
        let count = device.client.stream.read(&mut piece).unwrap();
        for byte in &piece[..count] {
            if *byte > 0 {
                frame[length] = *byte;
                length += 1;
            } else if frame[2] == WELCOME {
                return;
            } else {
                length = 0;
            }
        }
    }
}

#[test]
fn from_the_socket_to_the_queue_and_to_the_acknowledgement_nothing_is_allocated() {
    // It takes connections, and no more.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let settings = "limits.device_readings = 1_000_000\nupstream.response = \"10m\"";
    let service = start(&forwarding(&[deaf.local_addr().unwrap()], settings));
    let mut device = Device::connect(service.address, 42);
    let epoch = device.hello();
    let hello = hello(42);
    let frames = |from: u32| -> Vec<u8> {
        (from..from + FRAMES).flat_map(|sequence| reading(42, epoch, sequence, sequence)).collect()
    };
    // What the queue takes for so many, and requests for the first.
    exchange(
        &mut device,
        &[frames(1), frames(1 + FRAMES), frames(1 + 2 * FRAMES)].concat(),
        &hello,
    );
    let new = frames(1 + 3 * FRAMES);
    let region = Region::new(GLOBAL);
    exchange(&mut device, &new, &hello);
    let change = region.change();
    let made = change.allocations + change.reallocations;
    assert!(made <= 8, "{made} for {FRAMES} readings that were queued");

    let upstream = Upstream::well();
    let service = start_before(&[&upstream], "limits.device_readings = 1_000_000");
    let mut device = Device::connect(service.address, 42);
    device.reading(epoch, 1, 1);
    assert_eq!(device.acknowledged(epoch), 1);
    let again = reading(42, epoch, 1, 1).repeat(FRAMES as usize);
    exchange(&mut device, &again, &hello);
    let region = Region::new(GLOBAL);
    exchange(&mut device, &again, &hello);
    let change = region.change();
    let made = change.allocations + change.reallocations;
    assert!(made <= 8, "{made} for {FRAMES} readings that were acknowledged again");

    let region = Region::new(GLOBAL);
    let devices: Vec<_> = (0..CONNECTIONS)
        .map(|id| {
            let mut device = Device::connect(service.address, u32::try_from(id).unwrap());
            device.hello();
            device
        })
        .collect();
    let bytes = region.change().bytes_allocated / devices.len();
    assert!(bytes <= 6 << 10, "{bytes} bytes for a connection");

    let region = Region::new(GLOBAL);
    let aborted = block_on(service.drain(Duration::ZERO, Duration::from_mins(1)));
    assert_eq!(aborted.unwrap(), 0);
    let bytes = region.change().bytes_allocated / devices.len();
    assert!(bytes <= 1 << 10, "{bytes} bytes for a connection that a drain ends");
}
