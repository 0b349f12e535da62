//! Frames that come from a serial device or a Unix socket, beside the listener.

#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod support;

use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use support::device::{Sent, frame, hello, reading, sent};
use support::process::file;
use support::{STUCK, Service, Upstream, block_on, metric, serves, start, start_before, until};

/// The next frame that is written to a line.
fn next(line: &mut impl Read) -> Sent {
    let mut bytes = Vec::new();
    while bytes.last() != Some(&0) {
        let mut byte = [0];
        line.read_exact(&mut byte).unwrap();
        bytes.extend(byte);
    }
    sent(&bytes).remove(0)
}

/// Starts the ingest at a serial line, and waits until it reads: the end of the device, and the path of the other.
fn start_at_serial_line(upstream: &Upstream) -> (Service, File, String) {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let path = ptsname(&controller, Vec::new()).unwrap().into_string().unwrap();
    let service = start_before(&[upstream], &format!("source = {path:?}"));
    let line = File::from(controller);
    until(|| !tcgetattr(&line).unwrap().local_modes.contains(LocalModes::ECHO));
    // What comes before it is opened is lost.
    until(|| {
        (&line).write_all(&frame(1, 0x03, 42, 0, 0, &[0; 15])).unwrap();
        metric(&service, "frames_total{kind=\"status\"}") > 0
    });
    (service, line, path)
}

/// A path at which nothing is.
fn socket(name: &str) -> String {
    let path = format!("{}/{name}", env!("CARGO_TARGET_TMPDIR"));
    // Of a test before this one.
    let _ = std::fs::remove_file(&path);
    path
}

/// Says hello and sends a reading.
fn talk(line: &mut (impl Read + Write)) {
    line.write_all(&hello(42)).unwrap();
    let welcome = next(line);
    assert_eq!((welcome.kind, welcome.device), (0x81, 42));
    line.write_all(&reading(42, welcome.epoch, 1, 1)).unwrap();
    let ack = next(line);
    assert_eq!((ack.kind, ack.epoch, ack.sequence), (0x82, welcome.epoch, 1));
}

#[test]
fn a_serial_device_is_served_and_none_of_its_bytes_is_changed() {
    let upstream = Upstream::well();
    let (service, mut line, _) = start_at_serial_line(&upstream);
    // What a terminal would take for its own, or for the end of a line.
    line.write_all(b"\x03\x04\x11\x13\r\n\x7f\x00").unwrap();
    until(|| metric(&service, "bad_frames_total") > 0);
    talk(&mut line);
    assert_eq!(upstream.sequences("0000002a"), [1]);
    assert_eq!(metric(&service, "connections"), 0, "it takes no place of a connection");
    assert!(serves(service.address));
}

#[test]
fn a_serial_device_is_locked_until_it_is_closed() {
    let upstream = Upstream::well();
    let (service, _line, path) = start_at_serial_line(&upstream);
    let other = File::from(open(&path, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap());
    assert!(matches!(other.try_lock(), Err(TryLockError::WouldBlock)));
    block_on(service.drain(Duration::ZERO, Duration::from_mins(1))).unwrap();
    other.try_lock().unwrap();
}

#[test]
fn what_a_serial_device_has_not_taken_is_given_up_when_it_is_closed() {
    let upstream = Upstream::well();
    let (service, mut line, _) = start_at_serial_line(&upstream);
    // More than Linux hands on before somebody reads.
    let mut welcomes = 0;
    while welcomes < 400 {
        (0..50).for_each(|device| line.write_all(&hello(device)).unwrap());
        welcomes += 50;
        until(|| metric(&service, "welcomes_total") == welcomes);
    }
    block_on(service.drain(Duration::ZERO, Duration::from_mins(1))).unwrap();
    let mut left = Vec::new();
    // The other end is closed, which is an error.
    line.read_to_end(&mut left).unwrap_err();
    let left = left.split(|byte| *byte == 0).count();
    assert!(left < 400, "{left} frames are left");
}

#[test]
fn a_socket_is_served_and_connected_to_again_when_it_has_ended() {
    let path = socket("uart.sock");
    let upstream = Upstream::well();
    // It is not there yet.
    let service = start_before(&[&upstream], &format!("source = {path:?}\nworkers = 2"));
    let listener = UnixListener::bind(&path).unwrap();
    for number in 1..=2 {
        let (mut line, _) = listener.accept().unwrap();
        talk(&mut line);
        drop(line);
        until(|| metric(&service, "connections_ended_total{cause=\"device_closed\"}") == number);
    }
}

#[test]
fn a_socket_is_connected_to_again_though_a_reading_of_it_waits() {
    let path = socket("waiting.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let _service = start(&format!("source = {path:?}\n{STUCK}"));
    for _ in 0..2 {
        let (mut line, _) = listener.accept().unwrap();
        line.write_all(&reading(42, 1_795_000_000_000, 1, 1)).unwrap();
        line.write_all(&hello(42)).unwrap();
        assert_eq!(next(&mut line).kind, 0x81);
    }
}

#[test]
fn what_is_neither_is_told_and_the_listener_serves() {
    let path = file("plain.txt", "");
    let upstream = Upstream::well();
    let service = start_before(&[&upstream], &format!("source = {path:?}"));
    // By the worker that has tried to open it.
    assert!(serves(service.address));
    assert_eq!(metric(&service, "connections_ended_total{cause=\"aborted\"}"), 0);
}
