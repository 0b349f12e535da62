//! Who must have reported before the watchdog is fed.
//!
//! A watchdog that every turn feeds proves only that turns are taken. Here each activity checks in when
//! it has got something done, and the watchdog is fed when all of them have since the last time.

/// Something that must go on for the device to be of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Activity {
    /// The tick advances.
    Clock = 1 << 0,
    /// The application sees the ticks.
    Application = 1 << 1,
    /// The transmitter is idle or gets bytes out.
    Link = 1 << 2,
}

/// All activities, as a bitmap.
const EVERYONE: u8 = Activity::Clock as u8 | Activity::Application as u8 | Activity::Link as u8;

/// The activities that have checked in since the watchdog was fed.
#[derive(Debug, Default)]
pub struct CheckIns(u8);

impl CheckIns {
    /// Nobody yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(0)
    }

    /// Notes that an activity got something done.
    pub const fn report(&mut self, activity: Activity) {
        self.0 |= activity as u8;
    }

    /// True once when everyone has reported; then everyone has to report anew.
    #[must_use]
    pub const fn complete(&mut self) -> bool {
        let complete = self.0 == EVERYONE;
        if complete {
            self.0 = 0;
        }
        complete
    }
}
