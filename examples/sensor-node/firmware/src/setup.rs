//! What the node is told at boot: who it is, and how the run before this one ended.

use app::node::Setup;
use app::report::Version;

use crate::retained;

/// How often the sensor is read until somebody says otherwise.
const PERIOD_MS: u32 = 1_000;

/// The version of the firmware: that of its package.
const VERSION: Version = [
    number(env!("CARGO_PKG_VERSION_MAJOR")),
    number(env!("CARGO_PKG_VERSION_MINOR")),
    number(env!("CARGO_PKG_VERSION_PATCH")),
];

/// The number of this device: the build gives it, for not every chip has one of its own.
const DEVICE: u32 = match u32::from_str_radix(env!("DEVICE_ID"), 10) {
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

/// Counts this run, and gathers what the node is told.
pub(crate) fn at_boot() -> Setup {
    let (reset_cause, epitaph) = retained::begin_run();
    let setup = Setup {
        device: DEVICE,
        version: VERSION,
        period_ms: PERIOD_MS,
        first_sequence: 1,
        reset_cause,
        epitaph,
    };
    #[cfg(feature = "selftest")]
    let setup = crate::selftest::arrange(setup);
    setup
}
