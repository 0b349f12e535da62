//! A chip that can't protect memory as the program has it do is not trusted with readings, and says so.

use app::report::Mode;
use emulator_tests::message::Message;
use emulator_tests::qemu::{Pace, Qemu};

#[test]
fn takes_no_reading_where_memory_is_not_protected() {
    let mut node = Qemu::boot_case(Pace::Free, "hide-regions");
    let status = node.expect(|message| match message {
        Message::Status { mode, queued, .. } => Some((mode, queued)),
        _ => None,
    });
    assert_eq!(status, (Mode::Fault as u8, 0));
}
