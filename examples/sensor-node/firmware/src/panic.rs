//! The panic path: no message, no formatting, a record and a reset.
#![expect(unsafe_code, reason = "reads the link register")]

use core::arch::asm;
use core::panic::PanicInfo;

use app::epitaph::{Cause, Registers, location_hash};

use crate::retained;

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    let (lr, sp): (u32, u32);
    // SAFETY: copies two registers.
    unsafe { asm!("mov {}, lr", "mov {}, sp", out(reg) lr, out(reg) sp, options(nomem, nostack)) };
    let cfsr = info.location().map_or(0, |place| location_hash(place.file(), place.line()));
    retained::end_run(Cause::Panic, &Registers { pc: lr, lr, sp, cfsr })
}
