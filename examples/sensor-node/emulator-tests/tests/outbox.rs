//! What becomes of readings that are not acknowledged, over the released image's UART.

use app::command;
use app::epitaph::Cause;
use emulator_tests::message::{Command, Message};
use emulator_tests::qemu::{Pace, Qemu};

const EPOCH: u64 = 1_795_000_000_123;

/// Short enough not to wait, and long enough for the ring to hold what is taken until the window is
/// sent again, or an acknowledgement comes.
const PERIOD_MS: u32 = 50;

/// A reading without what changes when it is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reading {
    sequence: u32,
    elapsed_ms: i64,
    value: i32,
}

fn reading(message: Message) -> Option<(Reading, u32)> {
    match message {
        Message::Reading { sequence, elapsed_ms, value, base, .. } => {
            Some((Reading { sequence, elapsed_ms, value }, base))
        }
        _ => None,
    }
}

fn window(node: &mut Qemu) -> Vec<Reading> {
    (0..16).map(|_| node.expect(reading).0).collect()
}

#[test]
fn sends_the_window_again_when_nobody_acknowledges() {
    let mut node = Qemu::boot(Pace::Real);
    node.welcome(EPOCH, PERIOD_MS);
    let first = window(&mut node);
    assert!(first.iter().map(|reading| reading.sequence).eq(1..=16));
    assert_eq!(window(&mut node), first);
}

#[test]
fn moves_the_window_with_the_acknowledgements() {
    let mut node = Qemu::boot(Pace::Real);
    node.welcome(EPOCH, PERIOD_MS);
    window(&mut node);
    node.send(Command::ack(EPOCH, 10));
    // The window may have been sent again before that got through.
    let beyond = |message| reading(message).filter(|(reading, _)| reading.sequence > 16);
    let next: Vec<_> = (0..10).map(|_| node.expect(beyond)).collect();
    assert!(next.iter().map(|(reading, _)| reading.sequence).eq(17..=26));
    assert!(next.iter().all(|(_, base)| *base == 11));
}

#[test]
fn ignores_acknowledgements_that_are_none() {
    let mut node = Qemu::boot(Pace::Real);
    node.welcome(EPOCH, PERIOD_MS);
    let first = window(&mut node);
    node.send(Command::ack(EPOCH + 1, 16));
    node.send(Command::ack(EPOCH, 17));
    node.send(Command::ack(EPOCH, 0));
    assert_eq!(window(&mut node), first);
}

#[test]
fn overwrites_the_oldest_readings_and_counts_them() {
    let mut node = Qemu::boot(Pace::Real);
    node.send(Command::start(10));
    let dropped = loop {
        node.send(Command::plain(command::GET_STATUS));
        let (queued, dropped) = node.expect(|message| match message {
            Message::Status { queued, dropped, .. } => Some((queued, dropped)),
            _ => None,
        });
        if dropped > 0 {
            assert_eq!(queued, 64);
            break dropped;
        }
    };
    node.send(Command::welcome(EPOCH));
    let (reading, base) = node.expect(reading);
    assert_eq!(reading.sequence, base);
    assert!(base > dropped);
}

#[test]
fn delivers_every_reading_over_a_link_that_loses_a_quarter_of_the_frames() {
    let mut node = Qemu::boot(Pace::Free);
    node.welcome(EPOCH, 1_000);
    let mut coin = 0x2545_F491_u32;
    let mut lost = || {
        coin ^= coin << 13;
        coin ^= coin >> 17;
        coin ^= coin << 5;
        coin.is_multiple_of(4)
    };
    let mut durable = 0;
    while durable < 40 {
        let (reading, base) = node.expect(reading);
        if lost() {
            continue;
        }
        assert!(base <= durable + 1, "{} was given up", durable + 1);
        if reading.sequence == durable + 1 {
            durable += 1;
        }
        if !lost() {
            node.send(Command::ack(EPOCH, durable));
        }
    }
}

#[test]
fn restarts_when_the_numbers_are_used_up() {
    let mut node = Qemu::boot_case(Pace::Free, "use-up-numbers");
    let cause = node.expect(|message| match message {
        Message::Hello { reset_cause, .. } if reset_cause != Cause::Power as u8 => {
            Some(reset_cause)
        }
        _ => None,
    });
    assert_eq!(cause, Cause::Software as u8);
}
