//! How much of the stack was used: paint it, and see later how far the paint is gone.
#![expect(unsafe_code, reason = "writes below the stack pointer")]

use core::arch::asm;

const PAINT: u32 = 0xC0FF_EE00;

unsafe extern "C" {
    static mut _stack_end: u32;
    static mut _stack_start: u32;
}

/// Paints what is free below the caller.
pub(super) fn paint() {
    let sp: *mut u32;
    // SAFETY: copies a register.
    unsafe { asm!("mov {}, sp", out(reg) sp, options(nomem, nostack)) };
    let mut word = &raw mut _stack_end;
    while word < sp {
        // SAFETY: below the stack pointer, and within the stack, nothing is in use but by
        // interrupts, which are gone again when this goes on.
        unsafe { word.write_volatile(PAINT) };
        word = word.wrapping_add(1);
    }
}

/// The most bytes that were in use at once.
pub(super) fn used() -> u32 {
    let mut word = (&raw const _stack_end).cast::<u32>();
    let start = &raw const _stack_start;
    // SAFETY: within the stack, and any bits make a word.
    while word < start && unsafe { word.read_volatile() } == PAINT {
        word = word.wrapping_add(1);
    }
    start as u32 - word as u32
}

/// The lowest address of the stack.
pub(super) fn end() -> u32 {
    &raw const _stack_end as u32
}
