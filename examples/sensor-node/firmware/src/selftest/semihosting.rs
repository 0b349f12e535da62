//! Calls to the emulator: a breakpoint that it answers (Arm IHI 0100, semihosting).
#![expect(unsafe_code, reason = "a breakpoint with arguments")]

use core::arch::asm;

const SYS_WRITE0: u32 = 0x04;
const SYS_GET_CMDLINE: u32 = 0x15;
const SYS_EXIT_EXTENDED: u32 = 0x20;
const APPLICATION_EXIT: u32 = 0x2_0026;

/// Ends the emulator.
pub(super) fn exit(code: u32) -> ! {
    call(SYS_EXIT_EXTENDED, [APPLICATION_EXIT, code].as_ptr().cast());
    cortex_m::asm::udf()
}

/// What the emulator was given as command line, as far as it fits.
pub(super) fn command_line(buffer: &mut [u8]) -> &[u8] {
    let block = [buffer.as_mut_ptr() as usize, buffer.len()];
    call(SYS_GET_CMDLINE, block.as_ptr().cast());
    let length = buffer.iter().position(|&byte| byte == 0).unwrap_or_default();
    buffer.split_at(length).0
}

/// Writes a few words to the emulator's standard error.
pub(super) fn write(text: &str) {
    let mut buffer = [0; 32];
    let (_terminator, places) = buffer.split_last_mut().unwrap_or((&mut 0, &mut []));
    for (place, byte) in places.iter_mut().zip(text.bytes()) {
        *place = byte;
    }
    call(SYS_WRITE0, buffer.as_ptr().cast());
}

/// Writes a number in base 10 or 16.
pub(super) fn write_number(value: u32, base: u32) {
    let mut text = [0; 11];
    let (_terminator, places) = text.split_last_mut().unwrap_or((&mut 0, &mut []));
    let mut rest = value;
    let mut used = 0;
    for place in places.iter_mut().rev() {
        let digit = char::from_digit(rest % base, base).unwrap_or_default();
        *place = digit as u8;
        rest /= base;
        used += 1;
        if rest == 0 {
            break;
        }
    }
    let start = text.len() - 1 - used;
    call(SYS_WRITE0, text[start..].as_ptr().cast());
}

fn call(operation: u32, argument: *const ()) {
    // SAFETY: the emulator reads and writes only what the argument points to, as the operation has
    // it, and leaves all registers but r0.
    unsafe {
        asm!("bkpt 0xAB", inlateout("r0") operation => _, in("r1") argument, options(nostack));
    }
}
