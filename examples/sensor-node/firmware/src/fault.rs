//! The fault path: every fault ends here, with a record and a reset.
//!
//! The stack may be the very thing that is broken, so the handler moves to one of its own before
//! it does anything else. Without that, a stack overflow would fault again on entry and lock the
//! core up.
#![expect(unsafe_code, reason = "takes over from the processor in a state that no compiler knows")]

use core::arch::naked_asm;
use core::cell::UnsafeCell;
use core::mem::MaybeUninit;

use app::epitaph::{Cause, Class, Registers};

use crate::retained;

const EMERGENCY_STACK: usize = 512;

#[repr(align(8))]
struct Stack {
    _memory: UnsafeCell<MaybeUninit<[u8; EMERGENCY_STACK]>>,
}

// SAFETY: only the fault handler uses it, as its stack, and nothing preempts that for long enough
// to run it again.
unsafe impl Sync for Stack {}

#[unsafe(link_section = ".uninit.emergency_stack")]
static EMERGENCY: Stack = Stack { _memory: UnsafeCell::new(MaybeUninit::uninit()) };

unsafe extern "C" {
    /// The lowest address of the stack, from memory.x.
    static _stack_end: u8;
}

const CCR: *mut u32 = 0xE000_ED14 as *mut u32;
const CFSR: *const u32 = 0xE000_ED28 as *const u32;
const DIV_0_TRP: u32 = 1 << 4;

/// Makes the processor fault on a division by zero; it would answer 0.
pub(crate) fn trap_divisions() {
    // SAFETY: the register exists on this core and setting the bit has no other effect.
    unsafe { CCR.write_volatile(CCR.read_volatile() | DIV_0_TRP) };
}

/// Entry of the fault handler: finds the stack that was in use by the code that exception entry
/// left in LR, and goes on with a stack that is known to be good.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn HardFault() -> ! {
    naked_asm!(
        "mov   r0, lr",
        "lsls  r0, r0, #29",
        "mrs   r0, msp",
        "bpl   1f",
        "mrs   r0, psp",
        "1:",
        "ldr   r1, 2f",
        "msr   msp, r1",
        "bl    {report}",
        ".p2align 2",
        "2: .word {stack} + {size}",
        report = sym report,
        stack = sym EMERGENCY,
        size = const EMERGENCY_STACK,
    )
}

/// What the processor pushes on exception entry.
#[repr(C)]
struct Frame {
    r0_to_r3_and_r12: [u32; 5],
    lr: u32,
    pc: u32,
    xpsr: u32,
}

extern "C" fn report(frame: *const Frame) -> ! {
    // SAFETY: the register exists on this core.
    let cfsr = unsafe { CFSR.read_volatile() };
    let sp = frame as u32;
    let class = Class::of(cfsr, sp, (&raw const _stack_end) as u32);
    let (pc, lr) = if class == Class::StackOverflow {
        (0, 0)
    } else {
        // SAFETY: the stack has room below, so exception entry has pushed a whole frame.
        unsafe { ((*frame).pc, (*frame).lr) }
    };
    retained::end_run(Cause::Fault, &Registers { pc, lr, sp, cfsr })
}
