//! The watchdog's last words: when it barks, the run is over, but there is time for a record.
#![expect(unsafe_code, reason = "an exception that no critical section keeps out")]

use app::epitaph::{Cause, Registers};
use cortex_m_rt::exception;

pub(crate) use crate::board::{feed_watchdog as feed, start_watchdog as start};
use crate::retained;

/// The watchdog has run out once. Runs out a second time if this does not get through.
#[exception]
unsafe fn NonMaskableInt() {
    retained::end_run(Cause::Watchdog, &Registers::UNKNOWN)
}
