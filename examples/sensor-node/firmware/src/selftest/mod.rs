//! Faults on demand and figures from inside, for the emulator.
//!
//! The emulator's command line says what to do: `selftest CASE [exit]`. A case acts in the first run
//! only, so that the run after its reset can be seen to tell of it. With `exit` the emulator ends
//! where the reset would be.
#![expect(unsafe_code, reason = "breaks things on purpose")]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "not in the released image"
)]

mod counter;
mod semihosting;
mod stack;

use core::arch::asm;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed};

use app::epitaph::{Cause, Class, Registers};
use app::node::Setup;

use crate::{board, time};

/// When a case acts, and when it has measured enough, in ticks.
const ACTS_AT: u32 = 10;
const MEASURED_AT: u32 = 2_100;

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Case {
    Nothing,
    Undefined,
    InvalidState,
    Unaligned,
    NoCoprocessor,
    DivideByZero,
    Bus,
    Execute,
    Overflow,
    Panic,
    Hang,
    MuteLink,
    StopClock,
    BreakSensor,
    HideRegions,
    UseUpNumbers,
    Budget,
    Stack,
}

const CASES: &[(&str, Case)] = &[
    ("undefined", Case::Undefined),
    ("invalid-state", Case::InvalidState),
    ("unaligned", Case::Unaligned),
    ("no-coprocessor", Case::NoCoprocessor),
    ("divide", Case::DivideByZero),
    ("bus", Case::Bus),
    ("execute", Case::Execute),
    ("overflow", Case::Overflow),
    ("panic", Case::Panic),
    ("hang", Case::Hang),
    ("mute-link", Case::MuteLink),
    ("stop-clock", Case::StopClock),
    ("break-sensor", Case::BreakSensor),
    ("hide-regions", Case::HideRegions),
    ("use-up-numbers", Case::UseUpNumbers),
    ("budget", Case::Budget),
    ("stack", Case::Stack),
];

static CASE: AtomicU8 = AtomicU8::new(Case::Nothing as u8);
/// Whether the end of the run is the end of the emulator.
static EXITS: AtomicBool = AtomicBool::new(false);
/// The cycles that it took to arrange the case, which the released image does without.
static ARRANGING: AtomicU32 = AtomicU32::new(0);
static READY: AtomicBool = AtomicBool::new(false);
static WOKE_AT: AtomicU32 = AtomicU32::new(0);
static LONGEST_TURN: AtomicU32 = AtomicU32::new(0);

fn is(case: Case) -> bool {
    CASE.load(Relaxed) == case as u8
}

/// Reads the command line and arranges the node for the case.
pub(crate) fn arrange(setup: Setup) -> Setup {
    let began = counter::cycles();
    let mut buffer = [0; 80];
    let line = semihosting::command_line(&mut buffer);
    let mut words = line.split(|&byte| byte == b' ').skip(1);
    let name = words.next().unwrap_or_default();
    if setup.reset_cause == Cause::Power
        && let Some((_, case)) = CASES.iter().find(|(known, _)| known.as_bytes() == name)
    {
        CASE.store(*case as u8, Relaxed);
        EXITS.store(words.next().is_some(), Relaxed);
    }
    ARRANGING.store(counter::since(began), Relaxed);
    if is(Case::UseUpNumbers) {
        Setup { period_ms: 100, first_sequence: u32::MAX - 2, ..setup }
    } else {
        Setup { period_ms: 1_000, ..setup }
    }
}

/// The first turn is about to begin.
fn on_ready() {
    if is(Case::Budget) {
        let starting = counter::since(ARRANGING.load(Relaxed));
        write_figure("instructions to ready", counter::instructions(starting));
        write_figure("instructions of 20000", count_known());
    }
    if is(Case::Stack) {
        stack::paint();
    }
}

/// Runs 20 000 instructions and returns how many were counted.
fn count_known() -> u32 {
    let began = counter::cycles();
    // SAFETY: counts a register down.
    unsafe {
        asm!("1:", "subs {0}, #1", "bne 1b", inout(reg) 10_000 => _, options(nomem, nostack));
    }
    counter::instructions(counter::since(began))
}

/// To be called when the clock is about to count milliseconds.
pub(crate) fn on_clock() {
    counter::hand_over();
}

/// To be called at the start of each turn.
pub(crate) fn on_wake() {
    if !READY.load(Relaxed) {
        READY.store(true, Relaxed);
        on_ready();
    }
    WOKE_AT.store(counter::cycles(), Relaxed);
}

/// To be called at the end of each turn.
pub(crate) fn on_sleep(now: u32) {
    let took = counter::since(WOKE_AT.load(Relaxed));
    LONGEST_TURN.store(LONGEST_TURN.load(Relaxed).max(took), Relaxed);
    if now == ACTS_AT {
        act();
    }
    if now == MEASURED_AT && (is(Case::Budget) || is(Case::Stack)) {
        write_figure("instructions a turn", counter::instructions(LONGEST_TURN.load(Relaxed)));
        if is(Case::Stack) {
            write_figure("bytes of stack", stack::used());
        }
        semihosting::exit(0);
    }
}

/// Whether the sensor is to fail now.
pub(crate) fn breaks_sensor(now: u32) -> bool {
    is(Case::BreakSensor) && (10_000..40_000).contains(&now)
}

/// Whether the chip is to seem as if it could not protect memory.
pub(crate) fn hides_regions() -> bool {
    is(Case::HideRegions)
}

fn act() {
    if is(Case::Overflow) {
        core::hint::black_box(recurse(0));
    }
    assert!(!is(Case::Panic));
    if is(Case::MuteLink) {
        board::mute_link();
    }
    if is(Case::StopClock) {
        time::stop();
    }
    // SAFETY: nothing of this is safe; it ends the run, and that is what it is for.
    unsafe {
        if is(Case::Undefined) {
            // The link register then points to it as well.
            asm!("bl 2f", "2: udf #0", out("lr") _);
        }
        if is(Case::InvalidState) {
            asm!("bx {}", in(reg) act as *const () as usize & !3);
        }
        if is(Case::Unaligned) {
            asm!("ldrd {}, {}, [{}]", out(reg) _, out(reg) _, in(reg) CASE.as_ptr().map_addr(|address| address | 1));
        }
        if is(Case::NoCoprocessor) {
            // cdp p0, #0, c0, c0, c0, #0: no core has a coprocessor of this number
            asm!(".inst.w 0xEE000000");
        }
        if is(Case::DivideByZero) {
            asm!("udiv {0}, {0}, {1}", inout(reg) 1 => _, in(reg) 0);
        }
        if is(Case::Bus) {
            asm!("ldr {}, [{}]", out(reg) _, in(reg) 0x5FFF_FFF0);
        }
        if is(Case::Execute) {
            asm!("bx {}", in(reg) 0xE000_0001_u32);
        }
        if is(Case::Hang) {
            asm!("b .");
        }
    }
}

#[expect(unconditional_recursion, reason = "to run out of stack")]
fn recurse(depth: u32) -> u32 {
    core::hint::black_box(recurse(core::hint::black_box(depth) + 1)) + 1
}

/// To be called when the run has ended: tells how in one line, and ends the emulator if asked to.
pub(crate) fn on_end(cause: Cause, registers: &Registers) {
    let Registers { pc, lr, sp, cfsr } = *registers;
    let (name, code) = match cause {
        Cause::Power | Cause::Pin | Cause::Software => ("restart", 0),
        Cause::Watchdog => ("watchdog", 104),
        Cause::Panic => ("panic", 101),
        Cause::Fault => match Class::of(cfsr, sp, stack::end()) {
            Class::StackOverflow => ("stack overflow", 103),
            Class::UndefinedInstruction => ("undefined instruction", 102),
            Class::InvalidState => ("invalid state", 102),
            Class::NoCoprocessor => ("no coprocessor", 102),
            Class::Unaligned => ("unaligned access", 102),
            Class::DivideByZero => ("division by zero", 102),
            Class::Bus => ("bus fault", 102),
            Class::NoCode => ("no code", 102),
            Class::Memory => ("memory fault", 102),
            Class::Other => ("unknown fault", 102),
        },
    };
    semihosting::write(name);
    for (label, value) in [(" pc 0x", pc), (" lr 0x", lr), (" sp 0x", sp), (" cfsr 0x", cfsr)] {
        semihosting::write(label);
        semihosting::write_number(value, 16);
    }
    semihosting::write("\n");
    if EXITS.load(Relaxed) {
        semihosting::exit(code);
    }
}

fn write_figure(name: &str, value: u32) {
    semihosting::write_number(value, 10);
    semihosting::write(" ");
    semihosting::write(name);
    semihosting::write("\n");
}
