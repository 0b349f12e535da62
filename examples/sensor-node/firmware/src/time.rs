//! The time base: milliseconds since boot, counted by the `SysTick` interrupt.
//!
//! The count is as wide as the processor loads at once and wraps; the application knows.
#![expect(unsafe_code, reason = "configures SysTick")]

use core::sync::atomic::{AtomicU32, Ordering};

use cortex_m::peripheral::syst::SystClkSource;

static TICKS: AtomicU32 = AtomicU32::new(0);

const TICKS_PER_SECOND: u32 = 1_000;

/// Starts counting, by the core's clock.
pub(crate) fn start(clock_hz: u32) {
    #[cfg(feature = "selftest")]
    crate::selftest::on_clock();
    // SAFETY: called once, at start-up, and nothing else in the program touches SysTick.
    let mut syst = unsafe { cortex_m::Peripherals::steal() }.SYST;
    syst.set_clock_source(SystClkSource::Core);
    syst.set_reload((clock_hz / TICKS_PER_SECOND).wrapping_sub(1));
    syst.clear_current();
    syst.enable_interrupt();
    syst.enable_counter();
}

/// Stops counting.
#[cfg(feature = "selftest")]
pub(crate) fn stop() {
    // SAFETY: as in `start`.
    unsafe { cortex_m::Peripherals::steal() }.SYST.disable_counter();
}

/// Milliseconds since boot.
pub(crate) fn now() -> u32 {
    TICKS.load(Ordering::Relaxed)
}

/// To be called by the interrupt, and by nothing else.
pub(crate) fn on_tick() {
    // Only the interrupt writes: no read-modify-write instruction is needed, and some cores have none.
    TICKS.store(now().wrapping_add(1), Ordering::Relaxed);
}
