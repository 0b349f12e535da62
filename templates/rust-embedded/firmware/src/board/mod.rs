//! The board, behind a few functions. All that the rest of the firmware knows of it:
//!
//! | item | what |
//! |---|---|
//! | `CLOCK_HZ` | the core's clock |
//! | `DEVICE`, `VERSION` | what the node calls itself |
//! | `start_uart` | enables the link's UART and its interrupts |
//! | `resume_receiving` | hands over what the queue had no room for |
//! | `can_transmit`, `transmit` | gives the UART a byte if it has room |
//! | `sample` | reads the sensor |
//! | `start_watchdog`, `feed_watchdog` | an unfed watchdog raises the NMI, then resets |

mod mps2_an385;

pub(crate) use mps2_an385::*;

/// The version of the firmware: that of its package.
pub(crate) const VERSION: app::report::Version = [
    number(env!("CARGO_PKG_VERSION_MAJOR")),
    number(env!("CARGO_PKG_VERSION_MINOR")),
    number(env!("CARGO_PKG_VERSION_PATCH")),
];

/// The number of this device: the chip has no unique one, so the build gives it.
pub(crate) const DEVICE: u32 = match u32::from_str_radix(env!("DEVICE_ID"), 10) {
    Ok(id) => id,
    Err(_) => panic!("DEVICE_ID must be a number of 32 bits"),
};

#[expect(clippy::panic, reason = "ends the build and not a run")]
const fn number(text: &str) -> u8 {
    match u8::from_str_radix(text, 10) {
        Ok(number) => number,
        Err(_) => panic!("a part of the package's version is above 255"),
    }
}
