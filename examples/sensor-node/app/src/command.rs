//! What the device is told.

use core::num::NonZeroU64;

use crate::wire::Frame;

/// The kind of a welcome: the device may send readings, under the epoch of the header.
pub const WELCOME: u8 = 0x81;
/// The kind of an acknowledgement: readings up to the header's sequence are durable.
pub const ACK: u8 = 0x82;
/// The kind of a command that sets the period and starts sampling.
pub const START: u8 = 0x83;
/// The kind of a command that ends sampling.
pub const STOP: u8 = 0x84;
/// The kind of a command that asks for the uptime.
pub const PING: u8 = 0x85;
/// The kind of a command that asks for a status.
pub const GET_STATUS: u8 = 0x86;
/// The kind of a command that asks for the firmware's version.
pub const GET_VERSION: u8 = 0x87;

/// The longest frame that a device receives, before encoding: a start.
pub const LONGEST: usize = crate::wire::SHORTEST + 4;

/// The periods that a start may ask for, in milliseconds.
pub const PERIODS_MS: core::ops::RangeInclusive<u32> = 10..=3_600_000;

/// A frame for the device, by what it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Send readings, stamped with this epoch.
    Welcome {
        /// When the welcome was given, in Unix milliseconds.
        epoch: NonZeroU64,
    },
    /// The readings up to `sequence` are durable.
    Ack {
        /// The epoch under which they were sent.
        epoch: u64,
        /// The highest number that is durable with all before it.
        sequence: u32,
    },
    /// Sample with this period from now on.
    Start {
        /// As asked, not yet checked against [`PERIODS_MS`].
        period_ms: u32,
    },
    /// End sampling.
    Stop,
    /// Say how long the device is up.
    Ping,
    /// Send a status.
    GetStatus,
    /// Say which version runs.
    GetVersion,
}

/// How long the body of a kind is that a device listens to; `None` for all other kinds.
#[must_use]
pub const fn body_length(kind: u8) -> Option<usize> {
    match kind {
        START => Some(4),
        WELCOME..=GET_VERSION => Some(0),
        _ => None,
    }
}

impl Command {
    /// The command in a frame that [`body_length`] accepted; `None` if it is one to ignore.
    #[must_use]
    pub fn parse(frame: &Frame) -> Option<Self> {
        let header = &frame.header;
        match header.kind {
            WELCOME => NonZeroU64::new(header.epoch).map(|epoch| Self::Welcome { epoch }),
            ACK => Some(Self::Ack { epoch: header.epoch, sequence: header.sequence }),
            START => {
                let period = frame.body.first_chunk()?;
                Some(Self::Start { period_ms: u32::from_le_bytes(*period) })
            }
            STOP => Some(Self::Stop),
            PING => Some(Self::Ping),
            GET_STATUS => Some(Self::GetStatus),
            GET_VERSION => Some(Self::GetVersion),
            _ => None,
        }
    }
}
