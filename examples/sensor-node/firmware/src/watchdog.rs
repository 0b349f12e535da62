//! The watchdog's last words: when it barks, the run is over, but there is time for a record.

use app::epitaph::{Cause, Registers};

pub(crate) use crate::board::{feed_watchdog as feed, start_watchdog as start};
use crate::retained;

/// To be called by the board when the watchdog has run out once. If this does not get through, the
/// watchdog runs out a second time.
pub(crate) fn on_bark() -> ! {
    retained::end_run(Cause::Watchdog, &Registers::UNKNOWN)
}
