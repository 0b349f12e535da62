//! What goes over the link, in both directions.

use app::command;
use app::report;
use app::wire::{Frame, Header, Writer};

/// What the device says. The fields are those of the frame's body, and where they mean something
/// those of its header.
#[expect(missing_docs, reason = "the protocol names the fields")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// It has booted.
    Hello { uptime_ms: u32, reset_cause: u8, version: [u8; 3] },
    /// It has measured.
    Reading { epoch: u64, sequence: u32, elapsed_ms: i64, value: i32, base: u32 },
    /// How it is.
    Status { mode: u8, period_ms: u32, queued: u16, dropped: u32, bad_frames: u32 },
    /// How its run before this one ended.
    Epitaph { cause: u8, pc: u32, lr: u32, sp: u32, cfsr: u32, boots: u16 },
    /// What became of a command.
    Reply { command: u8, refused: bool, value: u32 },
}

impl Message {
    /// Reads a block; `Err` says what is wrong with it.
    ///
    /// # Errors
    ///
    /// If the block is no frame that a device sends.
    pub fn parse(block: &[u8]) -> Result<Self, String> {
        let frame = Frame::parse(block, body_length).map_err(|damage| format!("{damage:?}"))?;
        let mut body = Body(frame.body);
        Ok(match frame.header.kind {
            report::HELLO => Self::Hello {
                uptime_ms: u32::from_le_bytes(body.next()),
                reset_cause: u8::from_le_bytes(body.next()),
                version: body.next(),
            },
            report::READING => Self::Reading {
                epoch: frame.header.epoch,
                sequence: frame.header.sequence,
                elapsed_ms: i64::from_le_bytes(body.next()),
                value: i32::from_le_bytes(body.next()),
                base: u32::from_le_bytes(body.next()),
            },
            report::STATUS => Self::Status {
                mode: u8::from_le_bytes(body.next()),
                period_ms: u32::from_le_bytes(body.next()),
                queued: u16::from_le_bytes(body.next()),
                dropped: u32::from_le_bytes(body.next()),
                bad_frames: u32::from_le_bytes(body.next()),
            },
            report::EPITAPH => Self::Epitaph {
                cause: u8::from_le_bytes(body.next()),
                pc: u32::from_le_bytes(body.next()),
                lr: u32::from_le_bytes(body.next()),
                sp: u32::from_le_bytes(body.next()),
                cfsr: u32::from_le_bytes(body.next()),
                boots: u16::from_le_bytes(body.next()),
            },
            _ => Self::Reply {
                command: u8::from_le_bytes(body.next()),
                refused: u8::from_le_bytes(body.next()) != 0,
                value: u32::from_le_bytes(body.next()),
            },
        })
    }
}

const fn body_length(kind: u8) -> Option<usize> {
    match kind {
        report::HELLO => Some(8),
        report::READING => Some(16),
        report::STATUS => Some(15),
        report::EPITAPH => Some(19),
        report::REPLY => Some(6),
        _ => None,
    }
}

/// The rest of a body whose length was checked.
struct Body<'a>(&'a [u8]);

impl Body<'_> {
    fn next<const N: usize>(&mut self) -> [u8; N] {
        let (field, rest) = self.0.split_first_chunk().expect("as long as body_length says");
        self.0 = rest;
        *field
    }
}

/// What the device is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// Which command, by its kind.
    pub kind: u8,
    /// The device that it is for.
    pub device: u32,
    /// The epoch in its header.
    pub epoch: u64,
    /// The sequence in its header.
    pub sequence: u32,
    /// The period, for a start.
    pub period_ms: Option<u32>,
}

impl Command {
    /// A command without more in it than its kind, for the device that the tests boot.
    #[must_use]
    pub const fn plain(kind: u8) -> Self {
        Self { kind, device: DEVICE, epoch: 0, sequence: 0, period_ms: None }
    }

    /// A welcome with an epoch.
    #[must_use]
    pub const fn welcome(epoch: u64) -> Self {
        Self { epoch, ..Self::plain(command::WELCOME) }
    }

    /// An acknowledgement.
    #[must_use]
    pub const fn ack(epoch: u64, sequence: u32) -> Self {
        Self { epoch, sequence, ..Self::plain(command::ACK) }
    }

    /// A start with a period.
    #[must_use]
    pub const fn start(period_ms: u32) -> Self {
        Self { period_ms: Some(period_ms), ..Self::plain(command::START) }
    }

    /// The bytes that go over the link, delimiter included.
    #[must_use]
    pub fn encoded(&self) -> Vec<u8> {
        let Self { kind, device, epoch, sequence, period_ms } = *self;
        let mut frame = Writer::<32>::new();
        frame.start(&Header { kind, device, epoch, sequence });
        if let Some(period_ms) = period_ms {
            frame.put_u32(period_ms);
        }
        frame.seal();
        frame.encoded().to_owned()
    }
}

/// The number of the device that the tests boot, which is what a build has by default.
pub const DEVICE: u32 = 1;
