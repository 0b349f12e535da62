//! How many instructions were executed, by `SysTick`.
//!
//! At `-icount shift=5` the emulator takes 32 ns for an instruction, so a cycle of the core's clock is
//! a fixed number of them. `SysTick` counts cycles from the first step of start-up, and goes on
//! doing so when the time base takes it over.
#![expect(unsafe_code, reason = "runs before the program has any memory")]

use core::arch::naked_asm;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use cortex_m::peripheral::SYST;

use crate::time;

/// A millisecond, at 32 ns each.
const INSTRUCTIONS_PER_MS: u64 = 31_250;

/// The same in cycles, by the clock of the emulated core.
const CYCLES_PER_MS: u64 = 25_000;

/// Cycles until the time base took over.
static BEFORE: AtomicU32 = AtomicU32::new(0);

/// Start-up calls this before it does anything else: starts `SysTick` at its highest.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn __pre_init() {
    naked_asm!(
        "ldr  r0, 1f",
        "ldr  r1, 2f",
        "str  r1, [r0, #4]",
        "str  r1, [r0, #8]",
        "movs r1, #5",
        "str  r1, [r0, #0]",
        "bx   lr",
        ".p2align 2",
        "1: .word 0xE000E010",
        "2: .word 0x00FFFFFF",
    )
}

/// Keeps what was counted so far, for the time base begins anew.
pub(super) fn hand_over() {
    BEFORE.store(cycles(), Relaxed);
}

/// Cycles since reset, in a count that wraps.
pub(super) fn cycles() -> u32 {
    loop {
        let ticks = time::now();
        let (left, whole) = (SYST::get_current(), SYST::get_reload());
        if ticks == time::now() {
            let full = ticks.wrapping_mul(whole + 1);
            return BEFORE.load(Relaxed).wrapping_add(full).wrapping_add(whole - left);
        }
    }
}

/// Cycles since then.
pub(super) fn since(began: u32) -> u32 {
    cycles().wrapping_sub(began)
}

/// The instructions in so many cycles.
pub(super) fn instructions(cycles: u32) -> u32 {
    let counted = (u64::from(cycles) * INSTRUCTIONS_PER_MS).div_ceil(CYCLES_PER_MS);
    u32::try_from(counted).unwrap_or(u32::MAX)
}
