//! What stops the stack is what the core has for that, and not a bus that may or may not refuse.

use emulator_tests::message::Message;
use emulator_tests::qemu::{Pace, Qemu};

/// The bits of the fault status that are the memory protection's.
const GUARD: u32 = 0xFF;

#[test]
fn stops_a_stack_that_is_used_up() {
    let mut node = Qemu::boot_case(Pace::Free, "overflow");
    let status = node.expect(|message| match message {
        Message::Epitaph { cfsr, .. } => Some(cfsr),
        _ => None,
    });
    assert_ne!(status & GUARD, 0, "{status:x}");
}
