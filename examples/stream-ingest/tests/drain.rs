//! A drain hands on what has come, acknowledges it, and counts what could not be.

mod support;

use std::collections::BTreeSet;
use std::io;
use std::net::TcpStream;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use stream_ingest::ingest::end::End;
use stream_ingest::tally::Tally;

use support::device::{Device, hello, reading};
use support::{STUCK, Upstream, block_on, get, metric, serves, start, start_before, until};

const DEVICES: u32 = 50;

/// Sends one reading after the other until the connection ends, and says up to which they were acknowledged.
fn stream(mut device: Device, epoch: u64) -> io::Result<u32> {
    let mut acknowledged = 0;
    loop {
        let next = acknowledged + 1;
        if device.client.try_send(reading(device.id, epoch, next, next)).is_err() {
            return Ok(acknowledged);
        }
        match device.next() {
            Ok(frame) if frame.kind == 0x82 => acknowledged = frame.sequence,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(acknowledged),
            Err(error) => return Err(error),
        }
    }
}

#[test]
fn what_was_acknowledged_is_stored_and_every_connection_ends_as_it_should() {
    let upstream = Upstream::well();
    let service = start_before(&[&upstream], "workers = 2");
    let (address, admin) = (service.address, service.admin);
    let devices: Vec<_> = (0..DEVICES)
        .map(|id| {
            let mut device = Device::connect(address, id);
            let epoch = device.hello();
            (id, epoch, thread::spawn(move || stream(device, epoch)))
        })
        .collect();
    let watcher = thread::spawn(move || {
        until(|| get(admin, "/readyz").status == 503);
        assert!(serves(address), "not ready, but it has to go on for the delay");
        until(|| TcpStream::connect(address).is_err());
    });
    let aborted = block_on(service.drain(Duration::from_secs(1), Duration::from_mins(1)));
    assert_eq!(aborted.unwrap(), 0);
    watcher.join().unwrap();
    let stored: BTreeSet<_> = upstream
        .readings()
        .iter()
        .map(|reading| {
            (reading["device"].to_string(), reading["epoch"].as_u64(), reading["sequence"].as_u64())
        })
        .collect();
    for (id, epoch, device) in devices {
        let acknowledged = device.join().unwrap().unwrap();
        assert!(acknowledged > 0);
        for sequence in 1..=u64::from(acknowledged) {
            let key = (format!("\"{id:08x}\""), Some(epoch), Some(sequence));
            assert!(stored.contains(&key), "{key:?} was acknowledged");
        }
    }
}

#[test]
fn readings_that_wait_are_stored_and_acknowledged_before_a_connection_ends() {
    let upstream = Upstream::well();
    // None would leave by its age.
    let service = start_before(&[&upstream], "batch = { age = \"3s\", readings = 1_000 }");
    let mut device = Device::connect(service.address, 42);
    let epoch = device.hello();
    device.reading(epoch, 1, 1);
    device.hello();
    let drained =
        thread::spawn(move || block_on(service.drain(Duration::ZERO, Duration::from_mins(1))));
    assert_eq!(device.acknowledged(epoch), 1);
    assert_eq!(device.client.rest().unwrap(), b"");
    assert_eq!(drained.join().unwrap().unwrap(), 0);
}

#[test]
fn what_can_not_be_stored_is_not_acknowledged_and_counted() {
    let service = start(STUCK);
    let metrics = service.metrics.clone();
    let mut devices: Vec<_> = (0..3).map(|_| support::hold(service.address)).collect();
    let aborted = block_on(service.drain(Duration::ZERO, Duration::from_millis(200)));
    assert_eq!(aborted.unwrap(), 3);
    for device in &mut devices {
        assert!(device.next().is_err(), "it was sent something");
    }
    let ends = Tally::sum(&metrics.workers, |stats| &stats.ingest.ends);
    assert_eq!(ends[End::Aborted as usize], 3);
}

#[test]
fn devices_that_are_not_welcomed_yet_hold_up_no_drain() {
    let upstream = Upstream::well();
    let service = start_before(&[&upstream], "");
    let metrics = service.metrics.clone();
    // More than are welcomed in seconds, over each connection as many as are read at once.
    let mut lines: Vec<_> =
        (0..100).map(|line| Device::connect(service.address, 32 * line)).collect();
    for line in &mut lines {
        line.send(&(line.id..line.id + 32).flat_map(hello).collect::<Vec<_>>());
    }
    until(|| metric(&service, "frames_total{kind=\"hello\"}") == 3_200);
    let aborted = block_on(service.drain(Duration::ZERO, Duration::from_mins(1)));
    assert_eq!(aborted.unwrap(), 0);
    let welcomes = metrics.workers.iter().map(|stats| stats.ingest.welcomes.load(Relaxed));
    assert!(welcomes.sum::<u64>() < 3_200, "none was left that waited");
}

#[test]
fn a_connection_that_is_queued_when_the_listener_closes_is_taken_to_its_end() {
    let upstream = Upstream::well();
    let service = start_before(&[&upstream], "limits.connections = 1");
    let mut first = Device::connect(service.address, 1);
    let epoch = first.hello();
    let mut queued = Device::connect(service.address, 2);
    queued.reading(epoch, 1, 1);
    let drained =
        thread::spawn(move || block_on(service.drain(Duration::ZERO, Duration::from_mins(1))));
    assert_eq!(first.client.rest().unwrap(), b"");
    // Whether it was read or not: what was stored was acknowledged, and nothing else.
    let acknowledged = queued.next().is_ok_and(|frame| frame.kind == 0x82);
    assert_eq!(acknowledged, !upstream.readings().is_empty());
    assert_eq!(drained.join().unwrap().unwrap(), 0);
}

#[test]
fn a_taken_port_is_an_error_and_a_takeover_is_not() {
    let upstream = Upstream::well();
    let service = start_before(&[&upstream], "");
    let address = service.address;
    let refused = support::start_at(address, false);
    assert!(refused.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse));
    let successor = support::start_at(address, true).unwrap();
    block_on(service.drain(Duration::ZERO, Duration::from_secs(20))).unwrap();
    assert!(Device::connect(successor.address, 1).try_hello().is_ok());
    assert!(metric(&successor, "connections_accepted_total") > 0);
}
