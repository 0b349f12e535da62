//! What a device does by itself after power-on.

use app::epitaph::Cause;
use emulator_tests::message::Message;
use emulator_tests::qemu::{self, Pace, Qemu};

/// What the device says in the first seconds when nobody answers.
fn first_words(node: &mut Qemu) -> Vec<Message> {
    (0..4).map(|_| node.next_message()).collect()
}

#[test]
fn says_hello_at_once_and_every_two_seconds_until_it_is_welcomed() {
    let mut node = Qemu::boot(Pace::Free);
    let version = [0, 1, 0];
    let hello = |uptime_ms| Message::Hello { uptime_ms, reset_cause: Cause::Power as u8, version };
    assert_eq!(first_words(&mut node), [0, 2_000, 4_000, 6_000].map(hello));
}

#[test]
fn touches_nothing_that_the_board_does_not_have() {
    let mut node = Qemu::boot(Pace::Free);
    first_words(&mut node);
    let said_anyway = qemu::complaints_at_power_on();
    let said = node.end();
    let mut complaints = said.lines().filter(|line| !said_anyway.contains(line));
    assert_eq!(complaints.find(|line| !line.contains("terminating on signal")), None);
}

#[test]
fn a_pin_reset_counts_as_one() {
    let mut node = Qemu::boot(Pace::Free);
    first_words(&mut node);
    node.reset();
    let cause = node.expect(|message| match message {
        Message::Hello { reset_cause, .. } if reset_cause != Cause::Power as u8 => {
            Some(reset_cause)
        }
        _ => None,
    });
    assert_eq!(cause, Cause::Pin as u8);
}
