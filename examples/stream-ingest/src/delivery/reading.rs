//! What is delivered, and who is told.

use std::rc::Rc;

use tokio::time::Instant;

use super::date;

/// The API takes whole numbers up to this one.
const MOST_EPOCH: u64 = 1 << 53;
/// The years of `measured_at` that the API takes.
const YEARS: std::ops::RangeInclusive<i64> = 2000..=2100;

/// What a device measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    pub device: u32,
    pub epoch: u64,
    pub sequence: u32,
    /// Unix milliseconds.
    pub measured_at: i64,
    /// Thousandths of the unit.
    pub value: i32,
}

/// Whoever acknowledges what is durable.
pub trait Recipient {
    /// A reading is durable. On the thread of its worker.
    fn settle(&self, reading: &Reading);

    /// A reading is given up, as if it had not come: its device sends it again.
    fn forget(&self, reading: &Reading);

    /// Nobody will say of a reading what has become of it.
    fn lose(&self);
}

/// A reading on its way: settled or forgotten once, or lost when it is dropped before that.
pub struct Parcel {
    pub reading: Reading,
    /// When the last byte of it was read.
    pub received: Instant,
    recipient: Option<Rc<dyn Recipient>>,
}

impl Parcel {
    pub fn new(reading: Reading, received: Instant, recipient: Rc<dyn Recipient>) -> Self {
        Self { reading, received, recipient: Some(recipient) }
    }

    pub fn settle(mut self) {
        if let Some(recipient) = self.recipient.take() {
            recipient.settle(&self.reading);
        }
    }

    pub fn forget(mut self) {
        if let Some(recipient) = self.recipient.take() {
            recipient.forget(&self.reading);
        }
    }
}

impl Drop for Parcel {
    fn drop(&mut self) {
        self.recipient.iter().for_each(|recipient| recipient.lose());
    }
}

/// Why no request can carry a reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unfit {
    Time,
    Epoch,
}

impl Unfit {
    /// None for a reading that the API can be sent.
    pub fn of(reading: &Reading) -> Option<Self> {
        if !YEARS.contains(&date::year(reading.measured_at)) {
            Some(Self::Time)
        } else if reading.epoch > MOST_EPOCH {
            Some(Self::Epoch)
        } else {
            None
        }
    }

    pub fn detail(self) -> &'static str {
        match self {
            Self::Time => "measured_at is not in the years 2000 to 2100",
            Self::Epoch => "epoch is above 2^53",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_request_can_carry_is_known_beforehand() {
        let reading = Reading { device: 1, epoch: 1, sequence: 1, measured_at: 0, value: 0 };
        // The instants are what `date -d @SECONDS` says.
        for (measured_at, epoch, reason) in [
            (946_684_799_999, 1, Some(Unfit::Time)),
            (946_684_800_000, 1, None),
            (4_133_980_799_999, 1 << 53, None),
            (4_133_980_800_000, 1, Some(Unfit::Time)),
            (i64::MIN, 1, Some(Unfit::Time)),
            (i64::MAX, u64::MAX, Some(Unfit::Time)),
            (946_684_800_000, (1 << 53) + 1, Some(Unfit::Epoch)),
        ] {
            let reading = Reading { epoch, measured_at, ..reading };
            assert_eq!(Unfit::of(&reading), reason, "{reading:?}");
        }
    }
}
