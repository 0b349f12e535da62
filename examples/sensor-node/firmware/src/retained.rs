//! The record that outlives a reset, in RAM that start-up leaves alone.
#![expect(unsafe_code, reason = "reads memory that no run of this program may have written")]

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;

use app::epitaph::{Cause, Epitaph, Record, Registers, WORDS};
use cortex_m::peripheral::SCB;

struct Retained(UnsafeCell<MaybeUninit<[u32; WORDS]>>);

// SAFETY: start-up and turns, one at a time, are the only ones that go on after using it; the fault, panic
// and watchdog paths interrupt them for good.
unsafe impl Sync for Retained {}

#[unsafe(link_section = ".uninit.record")]
static RECORD: Retained = Retained(UnsafeCell::new(MaybeUninit::uninit()));

#[inline(never)]
fn read() -> Record {
    // SAFETY: valid and aligned, and any bits make a word. The read is volatile, so that the
    // compiler takes the memory for what it finds there; the checksum decides what it is worth.
    Record::open(unsafe { RECORD.0.get().cast::<[u32; WORDS]>().read_volatile() })
}

fn write(record: &Record) {
    // SAFETY: valid and aligned, and nobody holds a reference.
    unsafe { RECORD.0.get().cast::<[u32; WORDS]>().write_volatile(record.words()) };
}

/// Counts this run; tells why it began, and how the last one ended if that was a crash.
pub(crate) fn begin_run() -> (Cause, Option<Epitaph>) {
    let mut record = read();
    let cause = record.begin_run();
    write(&record);
    (cause, record.epitaph())
}

/// Drops the epitaph once it has been reported.
pub(crate) fn forget_epitaph() {
    end_with(Cause::Pin, &Registers::UNKNOWN);
}

/// Ends the run: keeps why, and resets.
pub(crate) fn end_run(cause: Cause, registers: &Registers) -> ! {
    end_with(cause, registers);
    #[cfg(feature = "selftest")]
    crate::selftest::on_end(cause, registers);
    SCB::sys_reset()
}

#[inline(never)]
fn end_with(cause: Cause, registers: &Registers) {
    let mut record = read();
    record.end_run(cause, registers);
    write(&record);
}
