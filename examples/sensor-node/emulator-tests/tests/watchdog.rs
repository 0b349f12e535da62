//! The watchdog bites when any activity stops, and only then.

use app::epitaph::Cause;
use emulator_tests::message::Message;
use emulator_tests::qemu::{Pace, Qemu};

/// The epitaph that comes after a case: its cause, and whether it holds any register.
fn bite(pace: Pace, case: &str) -> (u8, bool) {
    let mut node = Qemu::boot_case(pace, case);
    node.expect(|message| match message {
        Message::Epitaph { cause, pc, lr, sp, cfsr, .. } => {
            Some((cause, [pc, lr, sp, cfsr] != [0; 4]))
        }
        _ => None,
    })
}

#[test]
fn bites_when_a_turn_hangs() {
    assert_eq!(bite(Pace::Free, "hang"), (Cause::Watchdog as u8, false));
}

#[test]
fn bites_when_the_link_gets_nothing_out() {
    assert_eq!(bite(Pace::Free, "mute-link"), (Cause::Watchdog as u8, false));
}

#[test]
fn bites_when_the_clock_stops() {
    // With nothing left to wake the processor, the emulator would not let time go on freely.
    assert_eq!(bite(Pace::Real, "stop-clock"), (Cause::Watchdog as u8, false));
}

#[test]
fn leaves_a_device_alone_that_works() {
    let mut node = Qemu::boot(Pace::Free);
    node.expect(|message| match message {
        Message::Hello { uptime_ms, reset_cause, .. } => {
            assert_eq!(reset_cause, Cause::Power as u8);
            (uptime_ms == 20_000).then_some(())
        }
        _ => None,
    });
}
