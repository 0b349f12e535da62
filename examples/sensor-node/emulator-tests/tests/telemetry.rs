//! Commands, their answers, and readings, over the released image's UART.

use app::command;
use app::report::Mode;
use emulator_tests::message::{Command, DEVICE, Message};
use emulator_tests::qemu::{Pace, Qemu};
use serde_json::Value;

const EPOCH: u64 = 1_795_000_000_123;

fn reply(message: Message) -> Option<(u8, bool, u32)> {
    match message {
        Message::Reply { command, refused, value } => Some((command, refused, value)),
        _ => None,
    }
}

fn reading(message: Message) -> Option<(u32, i64)> {
    match message {
        Message::Reading { sequence, elapsed_ms, .. } => Some((sequence, elapsed_ms)),
        _ => None,
    }
}

fn bad_frames(node: &mut Qemu) -> u32 {
    node.send(Command::plain(command::GET_STATUS));
    node.expect(|message| match message {
        Message::Status { bad_frames, .. } => Some(bad_frames),
        _ => None,
    })
}

#[test]
fn numbers_readings_from_one_and_takes_them_in_exact_intervals() {
    let mut node = Qemu::boot(Pace::Real);
    node.expect(|message| matches!(message, Message::Hello { .. }).then_some(()));
    // In one go, or the host's pauses would let readings of another period in between.
    let start = Command::start(20).encoded();
    let status = Command::plain(command::GET_STATUS).encoded();
    node.send_bytes(&[start, status, Command::welcome(EPOCH).encoded()].concat());
    let held = node.expect(|message| match message {
        Message::Status { queued, .. } => Some(usize::from(queued)),
        _ => None,
    });
    let readings = (0..held + 8).map(|_| node.expect(reading)).collect::<Vec<_>>();
    assert!(readings.iter().zip(1..).all(|((sequence, _), wanted)| *sequence == wanted));
    let intervals = readings[held..].windows(2).map(|pair| pair[1].1 - pair[0].1);
    assert_eq!(intervals.collect::<Vec<_>>(), [20; 7]);
}

#[test]
fn stamps_readings_with_the_epoch_of_the_first_welcome() {
    let mut node = Qemu::boot(Pace::Real);
    node.welcome(EPOCH, 10);
    node.send(Command::welcome(EPOCH + 1));
    node.send(Command::plain(command::PING));
    node.expect(reply);
    for _ in 0..3 {
        let epoch = node.expect(|message| match message {
            Message::Reading { epoch, .. } => Some(epoch),
            _ => None,
        });
        assert_eq!(epoch, EPOCH);
    }
}

#[test]
fn sends_no_reading_before_the_welcome() {
    let mut node = Qemu::boot(Pace::Real);
    node.expect(|message| matches!(message, Message::Hello { .. }).then_some(()));
    node.send(Command::start(200));
    assert_eq!(node.expect(reply), (command::START, false, 200));
    node.send(Command::plain(command::GET_STATUS));
    let held = loop {
        match node.next_message() {
            Message::Status { queued: held @ 1.., .. } => break held,
            Message::Status { .. } => node.send(Command::plain(command::GET_STATUS)),
            Message::Hello { .. } => {}
            other => panic!("{other:?}"),
        }
    };
    node.send(Command::welcome(EPOCH));
    let (sequence, elapsed_ms) = node.expect(reading);
    assert_eq!(sequence, 1);
    assert!(elapsed_ms <= -200 * i64::from(held - 1), "{elapsed_ms} ms with {held} readings held");
}

#[test]
fn answers_commands() {
    let mut node = Qemu::boot(Pace::Real);
    node.welcome(EPOCH, 1_000);
    let mut answer = |command| {
        node.send(command);
        node.expect(reply)
    };
    assert_eq!(answer(Command::plain(command::GET_VERSION)), (command::GET_VERSION, false, 0x100));
    assert_eq!(answer(Command::start(9)), (command::START, true, 1_000));
    assert_eq!(answer(Command::start(3_600_001)), (command::START, true, 1_000));
    assert_eq!(answer(Command::start(3_600_000)), (command::START, false, 3_600_000));
    assert_eq!(answer(Command::plain(command::STOP)), (command::STOP, false, 0));
    let (_, _, first) = answer(Command::plain(command::PING));
    let (_, _, second) = answer(Command::plain(command::PING));
    assert!(first <= second);
}

#[test]
fn stops_sampling_and_goes_on_with_the_next_number() {
    let mut node = Qemu::boot(Pace::Real);
    // Long enough for the stop to come before the window is full.
    node.welcome(EPOCH, 1_000);
    node.expect(reading);
    node.send(Command::plain(command::STOP));
    let mut last = 1;
    loop {
        match node.next_message() {
            Message::Reading { sequence, .. } => last = sequence,
            Message::Reply { command: command::STOP, .. } => break,
            _ => {}
        }
    }
    node.send(Command::plain(command::GET_STATUS));
    let (mode, queued) = node.expect(|message| match message {
        Message::Status { mode, queued, .. } => Some((mode, queued)),
        _ => None,
    });
    assert_eq!(mode, Mode::Idle as u8);
    assert_eq!(u32::from(queued), last, "nothing was acknowledged, and nothing is left to send");
    node.send(Command::start(10));
    assert_eq!(
        node.expect(|message| reading(message).filter(|(sequence, _)| *sequence > last)).0,
        last + 1
    );
}

#[test]
fn drops_and_counts_every_malformed_block() {
    let vectors: Value =
        serde_json::from_str(include_str!("../../testdata/contract/frames.json")).unwrap();
    let blocks = vectors["malformed"].as_array().unwrap().iter();
    let blocks: Vec<_> = blocks.filter(|block| block["listener"] == "device").collect();
    let mut node = Qemu::boot(Pace::Real);
    node.welcome(EPOCH, 1_000);
    for (before, block) in (0..).zip(&blocks) {
        let digits = block["block"].as_str().unwrap().as_bytes();
        let digits = digits.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        let mut bytes: Vec<u8> = digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect();
        bytes.push(0);
        node.send_bytes(&bytes);
        assert_eq!(bad_frames(&mut node), before + 1, "{}", block["name"]);
    }
    assert!(blocks.len() > 20);
}

#[test]
fn ignores_frames_for_others_and_empty_ones_without_counting_them() {
    let mut node = Qemu::boot(Pace::Real);
    node.welcome(EPOCH, 1_000);
    node.send(Command { device: DEVICE + 1, ..Command::plain(command::PING) });
    node.send_bytes(&[0, 0, 0]);
    node.send(Command::plain(command::GET_VERSION));
    assert_eq!(node.expect(reply).0, command::GET_VERSION);
    assert_eq!(bad_frames(&mut node), 0);
}

#[test]
fn loses_no_byte_of_250_bursts() {
    let mut node = Qemu::boot(Pace::Real);
    node.welcome(EPOCH, 1_000);
    for burst in 0..250 {
        node.send_bytes(&[Command::plain(command::PING).encoded(), vec![0; burst % 4]].concat());
        assert_eq!(node.expect(reply).0, command::PING);
    }
    assert_eq!(bad_frames(&mut node), 0);
}

#[test]
fn says_so_while_the_sensor_fails_and_numbers_no_reading_meanwhile() {
    let mut node = Qemu::boot_case(Pace::Free, "break-sensor");
    let mut status = || {
        node.expect(|message| match message {
            Message::Status { mode, queued, .. } => Some((mode, queued)),
            _ => None,
        })
    };
    // A reading each second, but none from the tenth second up to the fortieth.
    assert_eq!(status(), (Mode::Fault as u8, 9));
    assert_eq!(status(), (Mode::Streaming as u8, 30));
}
