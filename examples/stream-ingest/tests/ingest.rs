//! What devices are answered, over real sockets.

#![expect(clippy::unwrap_used, reason = "a test ends where something unexpected happens")]

mod support;

use std::io::{ErrorKind, Write};
use std::net::Shutdown;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use socket2::{Domain, SockRef, Socket, Type};

use support::device::{Device, Sent, frame, hello, reading};
use support::{
    STUCK, Upstream, answered, closed_port, forwarding, metric, start, start_before, until,
};

/// Long enough for what should not come.
const QUIET: Duration = Duration::from_millis(200);

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

/// An API that stores nothing until it is told to.
fn held_up() -> (Upstream, Arc<AtomicBool>) {
    let well = Arc::new(AtomicBool::new(false));
    let is_well = Arc::clone(&well);
    let upstream = Upstream::start(move |_| {
        if is_well.load(Ordering::SeqCst) { answered(200, "{}") } else { answered(500, "") }
    });
    (upstream, well)
}

/// Hellos of these devices.
fn hellos(devices: Range<u32>) -> Vec<u8> {
    devices.flat_map(hello).collect()
}

const SOON: &str = "retry = { backoff = \"10ms\", max_backoff = \"20ms\" }";

#[test]
fn each_hello_is_welcomed_with_a_later_epoch_on_whatever_connection() {
    let upstream = Upstream::well();
    let service = start_before(&[&upstream], "workers = 2");
    let before = now();
    let mut devices: Vec<_> = (0..8).map(|id| Device::connect(service.address, id)).collect();
    let mut last = before - 1;
    for turn in 0..40 {
        let epoch = devices[turn % 8].hello();
        assert!(last < epoch && epoch <= now() + 40, "{epoch} after {last}");
        last = epoch;
    }
    assert_eq!(metric(&service, "welcomes_total"), 40);
    assert_eq!(metric(&service, "frames_total{kind=\"hello\"}"), 40);
}

#[test]
fn a_device_is_told_the_period_that_is_set_after_its_welcome() {
    let upstream = Upstream::well();
    let service = start_before(&[&upstream], "device.period = \"250ms\"");
    let mut device = Device::connect(service.address, 7);
    device.send(&hello(7));
    let [welcome, order] = [device.next().unwrap(), device.next().unwrap()];
    assert_eq!((welcome.kind, welcome.body.len()), (0x81, 0));
    let epoch = welcome.epoch;
    let expected = Sent { kind: 0x83, device: 7, epoch, sequence: 0, body: vec![250, 0, 0, 0] };
    assert_eq!(order, expected);
}

#[test]
fn what_is_stored_is_acknowledged_and_acknowledged_again_without_being_sent_again() {
    let upstream = Upstream::well();
    let service = start_before(&[&upstream], "");
    let mut device = Device::connect(service.address, 42);
    let epoch = device.hello();
    (1..=3).for_each(|sequence| device.reading(epoch, sequence, 1));
    while device.acknowledged(epoch) < 3 {}
    device.reading(epoch, 2, 1);
    assert_eq!(device.acknowledged(epoch), 3);
    let mut sent = upstream.sequences("0000002a");
    sent.sort_unstable();
    assert_eq!(sent, [1, 2, 3]);
    assert_eq!(metric(&service, "readings_again_total"), 1);
    assert_eq!(metric(&service, "readings_stored_total"), 3);
}

#[test]
fn readings_arrive_as_they_were_measured() {
    let upstream = Upstream::well();
    let service = start_before(&[&upstream], "");
    let mut device = Device::connect(service.address, 0xFFFF_FF0A);
    let epoch = 1_795_000_000_123;
    device.reading(epoch, 7, 7);
    assert_eq!(device.acknowledged(epoch), 7);
    let expected = serde_json::json!({
        "device": "ffffff0a",
        "epoch": epoch,
        "sequence": 7,
        "measured_at": "2026-11-18T11:06:47.123Z",
        "value": 0.007,
    });
    assert_eq!(upstream.readings(), [expected]);
}

#[test]
fn behind_a_gap_nothing_is_acknowledged_until_it_is_closed_or_given_up() {
    let upstream = Upstream::well();
    let service = start_before(&[&upstream], "");
    let mut device = Device::connect(service.address, 42);
    let epoch = device.hello();
    for sequence in [2, 3, 5] {
        device.reading(epoch, sequence, 1);
    }
    until(|| metric(&service, "readings_stored_total") == 3);
    assert!(device.is_quiet(QUIET));
    device.reading(epoch, 1, 1);
    assert_eq!(device.acknowledged(epoch), 3);
    // Its ring was full: it does not hold 4 any more.
    device.reading(epoch, 6, 5);
    while device.acknowledged(epoch) < 6 {}
}

#[test]
fn nothing_is_acknowledged_before_it_is_stored_nor_sent_twice_meanwhile() {
    let (upstream, well) = held_up();
    let service = start_before(&[&upstream], SOON);
    let mut device = Device::connect(service.address, 42);
    let epoch = device.hello();
    (0..3).for_each(|_| device.reading(epoch, 1, 1));
    until(|| metric(&service, "upstream_requests_total") > 3);
    assert!(device.is_quiet(QUIET));
    assert_eq!(metric(&service, "readings_again_total"), 2);
    let readings = |upstream: &Upstream| upstream.sequences("0000002a").len();
    let tries = |upstream: &Upstream| upstream.count();
    assert_eq!(readings(&upstream), tries(&upstream), "one reading in each try");
    well.store(true, Ordering::SeqCst);
    assert_eq!(device.acknowledged(epoch), 1);
}

#[test]
fn a_device_that_has_ended_its_half_gets_its_acknowledgements_and_then_an_end() {
    let (upstream, well) = held_up();
    let service = start_before(&[&upstream], SOON);
    let mut device = Device::connect(service.address, 42);
    let epoch = device.hello();
    device.reading(epoch, 1, 1);
    device.client.stream.shutdown(Shutdown::Write).unwrap();
    until(|| metric(&service, "upstream_requests_total") > 1);
    well.store(true, Ordering::SeqCst);
    assert_eq!(device.acknowledged(epoch), 1);
    assert_eq!(device.client.rest().unwrap(), b"");
    until(|| metric(&service, "connections_ended_total{cause=\"device_closed\"}") == 1);
}

#[test]
fn one_device_on_two_connections_is_acknowledged_on_each() {
    let upstream = Upstream::well();
    let service = start_before(&[&upstream], "workers = 2");
    let mut first = Device::connect(service.address, 42);
    let epoch = first.hello();
    let mut second = Device::connect(service.address, 42);
    assert!(second.hello() > epoch, "it closes nothing");
    for device in [&mut first, &mut second] {
        device.reading(epoch, 1, 1);
        assert_eq!(device.acknowledged(epoch), 1);
    }
}

#[test]
fn several_devices_and_epochs_may_share_a_line() {
    let upstream = Upstream::well();
    let service = start_before(&[&upstream], "");
    let mut line = Device::connect(service.address, 0);
    for (device, epoch) in [(1, 1_795_000_000_000), (2, 1_795_000_000_000), (1, 1_795_000_000_500)]
    {
        line.send(&reading(device, epoch, 1, 1));
        let ack = Sent { kind: 0x82, device, epoch, sequence: 1, body: Vec::new() };
        assert_eq!(line.next().unwrap(), ack);
    }
}

#[test]
fn as_many_devices_as_may_share_a_line_are_all_acknowledged_and_one_more_ends_it() {
    let (upstream, well) = held_up();
    let service = start_before(&[&upstream], SOON);
    let mut line = Device::connect(service.address, 0);
    for device in 1..=64 {
        line.send(&reading(device, 1_795_000_000_000, 1, 1));
    }
    until(|| metric(&service, "readings_total") == 64);
    well.store(true, Ordering::SeqCst);
    let mut acknowledged: Vec<_> = (0..64).map(|_| line.next().unwrap().device).collect();
    acknowledged.sort_unstable();
    assert_eq!(acknowledged, (1..=64).collect::<Vec<_>>());
    line.send(&reading(65, 1_795_000_000_000, 1, 1));
    assert!(line.next().is_err());
    until(|| metric(&service, "connections_ended_total{cause=\"too_many_devices\"}") == 1);
}

#[test]
fn a_device_that_has_too_many_epochs_on_their_way_is_closed() {
    let (upstream, _) = held_up();
    let service = start_before(&[&upstream], "limits.device_readings = 1_000_000");
    let mut device = Device::connect(service.address, 42);
    let epochs = 1_795_000_000_000..1_795_000_001_025;
    device.send(&epochs.flat_map(|epoch| reading(42, epoch, 1, 1)).collect::<Vec<_>>());
    assert!(device.next().is_err());
    until(|| metric(&service, "connections_ended_total{cause=\"too_many_devices\"}") == 1);
}

#[test]
fn a_flood_of_hellos_does_not_move_epochs_away_from_the_clock() {
    let upstream = Upstream::well();
    let service = start_before(&[&upstream], "workers = 2");
    let mut flood = Device::connect(service.address, 1);
    let mut writer = flood.client.stream.try_clone().unwrap();
    let flooding = std::thread::spawn(move || while writer.write_all(&hellos(0..50)).is_ok() {});
    // A second's share at once, and more.
    (0..2_500).for_each(|_| _ = flood.next().unwrap());
    let mut other = Device::connect(service.address, 50);
    let (epoch, now) = (other.hello(), now());
    assert!(epoch < now + 1_100, "{} ms ahead", epoch - now);
    flood.client.stream.shutdown(Shutdown::Both).unwrap();
    flooding.join().unwrap();
}

#[test]
fn readings_do_not_wait_for_the_welcomes_of_devices_before_them() {
    let upstream = Upstream::well();
    let service = start_before(&[&upstream], "");
    // More than are welcomed in seconds.
    let mut lines: Vec<_> =
        (0..64).map(|line| Device::connect(service.address, 64 * line)).collect();
    for line in &mut lines {
        line.send(&hellos(line.id..line.id + 64));
    }
    let last = lines.last_mut().unwrap();
    last.reading(1_795_000_000_000, 1, 1);
    let kinds: Vec<_> = (0..64).map(|_| last.next().unwrap().kind).collect();
    assert!(kinds.contains(&0x82), "it comes after all 64 welcomes");
}

#[test]
fn a_device_that_closed_its_connections_may_come_again_though_its_readings_wait() {
    let (upstream, _) = held_up();
    let settings = format!("{SOON}\nlimits.device_connections = 1\ntimeouts.write = \"100ms\"");
    let service = start_before(&[&upstream], &settings);
    for number in 1..=3 {
        let mut device = Device::connect(service.address, 42);
        let epoch = device.hello();
        device.reading(epoch, 1, 1);
        device.hello();
        drop(device);
        until(|| metric(&service, "connections_ended_total{cause=\"device_closed\"}") == number);
    }
}

#[test]
fn a_device_whose_connections_were_reset_may_come_again_though_its_readings_wait() {
    let service = start(&format!("{STUCK}limits.device_connections = 1\n"));
    for number in 1..=3 {
        let device = support::hold(service.address);
        SockRef::from(&device.client.stream).set_linger(Some(Duration::ZERO)).unwrap();
        drop(device);
        until(|| metric(&service, "connections_ended_total{cause=\"device_reset\"}") == number);
    }
}

#[test]
fn settings_that_are_reloaded_are_for_connections_that_are_there_as_well() {
    let upstream = Upstream::well();
    let service = start_before(&[&upstream], "");
    let mut device = Device::connect(service.address, 42);
    device.hello();
    let other =
        forwarding(&[upstream.address], "device.period = \"10ms\"\ntimeouts.idle = \"300ms\"");
    service.reload(support::config(&other));
    device.hello();
    assert_eq!(device.next().unwrap().kind, 0x83);
    assert!(device.next().is_err());
    until(|| metric(&service, "connections_ended_total{cause=\"idle\"}") == 1);
}

#[test]
fn what_is_damaged_is_counted_once_and_not_answered() {
    let upstream = Upstream::well();
    let service = start_before(&[&upstream], "");
    let mut device = Device::connect(service.address, 42);
    let epoch = device.hello();
    let mut wrong_check = reading(42, epoch, 1, 1);
    let last = wrong_check.len() - 2;
    wrong_check[last] ^= 0x40;
    let long = [vec![9; 5_000], vec![0]].concat();
    for (number, bytes) in [
        wrong_check,
        frame(2, 0x01, 42, 0, 0, &[0; 8]),
        frame(1, 0x82, 42, epoch, 1, &[]),
        frame(1, 0x01, 42, 0, 0, &[0; 7]),
        reading(42, epoch, 1, 2),
        long,
    ]
    .iter()
    .enumerate()
    {
        device.send(bytes);
        until(|| metric(&service, "bad_frames_total") > number as u64);
        assert_eq!(metric(&service, "bad_frames_total"), number as u64 + 1);
    }
    assert!(device.is_quiet(QUIET));
    assert!(device.hello() > epoch);
}

#[test]
fn a_device_has_as_many_connections_as_it_may_and_one_more_once_one_has_ended() {
    let upstream = Upstream::well();
    let service = start_before(&[&upstream], "limits.device_connections = 2\nworkers = 2");
    let connect = || Device::connect(service.address, 42);
    let mut two = [connect(), connect()];
    for device in &mut two {
        device.hello();
    }
    assert!(connect().try_hello().is_err());
    until(|| metric(&service, "connections_ended_total{cause=\"too_many\"}") == 1);
    let _other = Device::connect(service.address, 43).hello();
    let [first, mut second] = two;
    drop(first);
    until(|| connect().try_hello().is_ok());
    second.hello();
}

#[test]
fn a_device_that_has_too_many_connections_ends_none_that_others_share() {
    let upstream = Upstream::well();
    let service = start_before(&[&upstream], "limits.device_connections = 1");
    let mut own = Device::connect(service.address, 42);
    own.hello();
    let mut line = Device::connect(service.address, 43);
    let epoch = line.hello();
    line.send(&reading(42, epoch, 1, 1));
    line.reading(epoch, 1, 1);
    let ack = Sent { kind: 0x82, device: 43, epoch, sequence: 1, body: Vec::new() };
    assert_eq!(line.next().unwrap(), ack);
    assert_eq!(metric(&service, "surplus_frames_total"), 1);
    assert_eq!(upstream.sequences("0000002a"), [0_u64; 0]);
    own.hello();
}

#[test]
fn a_device_that_sends_too_much_is_read_at_its_pace_and_loses_nothing() {
    let upstream = Upstream::well();
    let service = start_before(&[&upstream], "limits.device_readings = 50");
    let mut device = Device::connect(service.address, 42);
    let epoch = device.hello();
    let began = SystemTime::now();
    for sequence in 1..=80 {
        device.reading(epoch, sequence, sequence.saturating_sub(63).max(1));
    }
    while device.acknowledged(epoch) < 80 {}
    // Of 80, a second's share may come at once.
    assert!(began.elapsed().unwrap() >= Duration::from_millis(550));
    assert!(metric(&service, "readings_delayed_total") > 0);
    let mut sent = upstream.sequences("0000002a");
    sent.sort_unstable();
    assert_eq!(sent, (1..=80).collect::<Vec<_>>());
}

#[test]
fn without_frames_a_connection_ends_whatever_else_comes() {
    let upstream = Upstream::well();
    let service = start_before(&[&upstream], "timeouts.idle = \"300ms\"");
    let mut device = Device::connect(service.address, 42);
    let began = SystemTime::now();
    while device.client.stream.write_all(&[1, 0]).is_ok() {
        assert!(began.elapsed().unwrap() < support::PATIENCE);
        std::thread::yield_now();
    }
    until(|| metric(&service, "connections_ended_total{cause=\"idle\"}") == 1);
}

#[test]
fn a_device_that_does_not_read_is_closed_and_takes_no_more_memory() {
    let upstream = Upstream::well();
    let service = start_before(&[&upstream], "timeouts.write = \"300ms\"");
    let device = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    device.set_recv_buffer_size(4_096).unwrap();
    device.connect(&service.address.into()).unwrap();
    device.set_write_timeout(Some(support::PATIENCE)).unwrap();
    let greetings = hellos(0..60);
    let began = SystemTime::now();
    let broken = loop {
        assert!(began.elapsed().unwrap() < support::PATIENCE);
        if let Err(error) = (&device).write_all(&greetings) {
            break error;
        }
    };
    assert!(matches!(broken.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset));
    until(|| metric(&service, "connections_ended_total{cause=\"unread\"}") == 1);
    let mut other = Device::connect(service.address, 43);
    other.hello();
}

#[test]
fn a_slow_api_holds_up_the_devices_and_none_of_their_readings() {
    let (upstream, well) = held_up();
    let settings =
        format!("{SOON}\nlimits.queued_readings = 10\nlimits.device_readings = 1_000_000");
    let service = start_before(&[&upstream], &settings);
    let mut device = Device::connect(service.address, 42);
    let epoch = device.hello();
    let all: Vec<_> = (1..=60).flat_map(|sequence| reading(42, epoch, sequence, 1)).collect();
    device.send(&all);
    until(|| metric(&service, "readings_queued") == 10);
    // The eleventh waits for room.
    assert!(device.is_quiet(QUIET));
    assert_eq!(metric(&service, "readings_total"), 11);
    well.store(true, Ordering::SeqCst);
    while device.acknowledged(epoch) < 60 {}
}

#[test]
fn without_an_api_devices_are_welcomed_all_the_same() {
    let service = start(&forwarding(&[closed_port()], ""));
    let mut device = Device::connect(service.address, 42);
    let epoch = device.hello();
    device.reading(epoch, 1, 1);
    assert!(device.hello() > epoch);
}
