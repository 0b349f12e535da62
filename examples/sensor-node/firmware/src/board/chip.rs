//! What the file of a board is written with: registers and interrupts.
#![expect(unsafe_code, reason = "touches registers")]

use cortex_m::interrupt::InterruptNumber;

/// A 32-bit register.
pub(super) struct Register(*mut u32);

impl Register {
    /// The register at an offset from where its peripheral begins.
    ///
    /// # Safety
    ///
    /// There must be one, and no value of it may break memory safety.
    pub(super) const unsafe fn at(peripheral: usize, offset: usize) -> Self {
        Self((peripheral as *mut u32).wrapping_byte_add(offset))
    }

    pub(super) fn read(&self) -> u32 {
        // SAFETY: `at` demands a register.
        unsafe { self.0.read_volatile() }
    }

    pub(super) fn write(&self, value: u32) {
        // SAFETY: `at` demands a register, and one that takes any value.
        unsafe { self.0.write_volatile(value) }
    }
}

/// An interrupt, by its number in the chip's manual.
#[derive(Clone, Copy)]
pub(crate) struct Interrupt(pub(super) u16);

// SAFETY: the numbers are constants.
unsafe impl InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        self.0
    }
}
