//! A watchdog with the registers of Arm's SP805 (DDI 0270): it runs out once and interrupts, runs
//! out again and resets.
#![expect(unsafe_code, reason = "knows where its registers are")]

use super::chip::Register;

/// How long it waits. A turn takes no millisecond; but an emulator whose host is
/// busy skips a second or two at once.
const WAITS_MS: u32 = 4_000;

const INTERRUPT: u32 = 1 << 0;
const RESET: u32 = 1 << 1;
const UNLOCK: u32 = 0x1ACC_E551;

/// A watchdog.
pub(super) struct Watchdog {
    load: Register,
    control: Register,
    interrupt_clear: Register,
    lock: Register,
}

impl Watchdog {
    /// # Safety
    ///
    /// There must be one at the address.
    pub(super) const unsafe fn at(address: usize) -> Self {
        // SAFETY: the registers of such a watchdog, and none of them moves memory.
        unsafe {
            Self {
                load: Register::at(address, 0x000),
                control: Register::at(address, 0x008),
                interrupt_clear: Register::at(address, 0x00C),
                lock: Register::at(address, 0xC00),
            }
        }
    }

    /// Starts it and locks its registers.
    pub(super) fn start(&self, clock_hz: u32) {
        self.lock.write(UNLOCK);
        self.load.write((clock_hz / 1_000).wrapping_mul(WAITS_MS));
        self.control.write(INTERRUPT | RESET);
        self.lock.write(0);
    }

    /// Starts its wait anew. The registers are unlocked for this one write only, so that code gone
    /// wild can hardly switch it off.
    pub(super) fn feed(&self) {
        self.lock.write(UNLOCK);
        self.interrupt_clear.write(0);
        self.lock.write(0);
    }
}
