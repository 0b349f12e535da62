//! The guard below the stack: a region that the memory protection unit gives to nobody. Not every
//! bus refuses what is below RAM; some swallow it.
#![expect(unsafe_code, reason = "tells the memory protection unit what nobody may access")]

use crate::regions;

unsafe extern "C" {
    /// The lowest address of the stack, from memory.x.
    static _stack_end: u8;
}

const MPU_CTRL: *mut u32 = 0xE000_ED94 as *mut u32;
const MPU_RBAR: *mut u32 = 0xE000_ED9C as *mut u32;
const MPU_RASR: *mut u32 = 0xE000_EDA0 as *mut u32;
/// The address comes with the number of its region, which is 0.
const RBAR_VALID: u32 = 1 << 4;
/// Access for nobody, over 2^12 bytes.
const RASR_GUARD: u32 = (12 - 1) << 1 | 1;
/// On, with the memory map as it is where there is no region, and off in the fault path.
const CTRL_ON: u32 = 1 << 2 | 1 << 0;
/// More than the frame of any function, so that none reaches past it.
const BYTES: u32 = 1 << 12;

/// Makes the processor fault on an access to what lies right below the stack, if the chip can.
pub(crate) fn start() {
    if !regions::suffice(1) {
        return;
    }
    let guard = (&raw const _stack_end as u32).wrapping_sub(BYTES);
    // SAFETY: the registers exist on this core, and nothing that the program uses is below its stack.
    unsafe {
        MPU_RBAR.write_volatile(guard | RBAR_VALID);
        MPU_RASR.write_volatile(RASR_GUARD);
        MPU_CTRL.write_volatile(CTRL_ON);
    }
    cortex_m::asm::dsb();
    cortex_m::asm::isb();
}
