//! Whether the chip has the regions that memory is protected by. Without a memory protection unit there are
//! none, what is written to its registers is lost without a word, and they read as 0.
#![expect(unsafe_code, reason = "asks the memory protection unit")]

const MPU_TYPE: *const u32 = 0xE000_ED90 as *const u32;
const MPU_CTRL: *const u32 = 0xE000_ED94 as *const u32;
const CTRL_ON: u32 = 1 << 0;

/// Whether there are as many as are needed.
pub(crate) fn suffice(needed: u8) -> bool {
    #[cfg(feature = "selftest")]
    if crate::selftest::hides_regions() {
        return false;
    }
    // SAFETY: the register exists on this core, with or without the unit, and is only read.
    let [_, regions, ..] = unsafe { MPU_TYPE.read_volatile() }.to_le_bytes();
    regions >= needed
}

/// Whether they are in force.
pub(crate) fn hold() -> bool {
    // SAFETY: the register exists on this core, with or without the unit, and is only read.
    unsafe { MPU_CTRL.read_volatile() & CTRL_ON != 0 }
}
