//! Frames, between what they say and their bytes: those of devices, and those that devices are sent.
//!
//! Little endian: version, kind, device, epoch, sequence, the body of the kind, and a check over all of it.

use super::stuffing::{Stuffing, check_of};

/// Of a frame before it is encoded, check included.
pub const SHORTEST: usize = 20;
pub const LONGEST: usize = 64;
/// How many readings a device can hold, and so how far one may be from the oldest.
pub const HELD: u32 = 64;

const VERSION: u8 = 1;

/// What a device sends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    pub device: u32,
    pub epoch: u64,
    pub sequence: u32,
    pub body: Body,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Body {
    Hello {
        uptime_ms: u32,
        reset_cause: u8,
        version: [u8; 3],
    },
    Reading {
        elapsed_ms: i64,
        /// Thousandths.
        value: i32,
        /// The oldest that the device still holds.
        base: u32,
    },
    Status {
        mode: u8,
        period_ms: u32,
        queued: u16,
        dropped: u32,
        bad_frames: u32,
    },
    /// How the run before this one of a device ended.
    Epitaph {
        cause: u8,
        pc: u32,
        lr: u32,
        sp: u32,
        cfsr: u32,
        boots: u16,
    },
    Reply {
        command: u8,
        result: u8,
        value: u32,
    },
}

/// What devices are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Order {
    Welcome,
    Ack { sequence: u32 },
    Start { period_ms: u32 },
}

/// The rule that a frame breaks first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Damage {
    Cobs,
    Length,
    Check,
    Version,
    Kind,
    BodyLength,
    /// A reading whose numbers can't be.
    Reading,
}

/// What every frame begins with.
struct Header {
    kind: u8,
    device: u32,
    epoch: u64,
    sequence: u32,
}

impl Header {
    /// Reads what was between two delimiters, decoded; what is behind the header is left in `block`.
    fn parse(block: &mut &[u8]) -> Result<Self, Damage> {
        if !(SHORTEST..=LONGEST).contains(&block.len()) {
            return Err(Damage::Length);
        }
        let (fields, check) = block.split_last_chunk().ok_or(Damage::Length)?;
        if check_of(fields) != u16::from_le_bytes(*check) {
            return Err(Damage::Check);
        }
        *block = fields;
        let [version, kind] = take(block)?;
        if version != VERSION {
            return Err(Damage::Version);
        }
        Ok(Self {
            kind,
            device: u32::from_le_bytes(take(block)?),
            epoch: u64::from_le_bytes(take(block)?),
            sequence: u32::from_le_bytes(take(block)?),
        })
    }

    /// Appends a frame with these fields behind, encoded, and its delimiter.
    fn encode(&self, body: &[&[u8]], out: &mut Vec<u8>) {
        let mut stuffing = Stuffing::open(out);
        stuffing.extend(&[VERSION, self.kind]);
        stuffing.extend(&self.device.to_le_bytes());
        stuffing.extend(&self.epoch.to_le_bytes());
        stuffing.extend(&self.sequence.to_le_bytes());
        for field in body {
            stuffing.extend(field);
        }
        stuffing.close();
    }
}

impl Frame {
    /// Reads what was between two delimiters, decoded.
    pub fn parse(mut block: &[u8]) -> Result<Self, Damage> {
        let fields = &mut block;
        let Header { kind, device, epoch, sequence } = Header::parse(fields)?;
        let body = Body::parse(kind, fields)?;
        if !fields.is_empty() {
            return Err(Damage::BodyLength);
        }
        if let Body::Reading { base, .. } = body
            && (epoch == 0 || base == 0 || sequence < base || sequence - base >= HELD)
        {
            return Err(Damage::Reading);
        }
        Ok(Self { device, epoch, sequence, body })
    }

    /// Appends it, encoded, with its delimiter.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let Self { device, epoch, sequence, .. } = *self;
        let encode = |kind, body: &[&[u8]]| {
            Header { kind, device, epoch, sequence }.encode(body, out);
        };
        self.body.encode(encode);
    }
}

impl Body {
    /// The labels of their metric.
    pub const KINDS: [&str; 5] = ["hello", "reading", "status", "epitaph", "reply"];

    /// Its place among them.
    pub fn kind(&self) -> usize {
        match self {
            Self::Hello { .. } => 0,
            Self::Reading { .. } => 1,
            Self::Status { .. } => 2,
            Self::Epitaph { .. } => 3,
            Self::Reply { .. } => 4,
        }
    }

    fn parse(kind: u8, fields: &mut &[u8]) -> Result<Self, Damage> {
        Ok(match kind {
            0x01 => Self::Hello {
                uptime_ms: u32::from_le_bytes(take(fields)?),
                reset_cause: u8::from_le_bytes(take(fields)?),
                version: take(fields)?,
            },
            0x02 => Self::Reading {
                elapsed_ms: i64::from_le_bytes(take(fields)?),
                value: i32::from_le_bytes(take(fields)?),
                base: u32::from_le_bytes(take(fields)?),
            },
            0x03 => Self::Status {
                mode: u8::from_le_bytes(take(fields)?),
                period_ms: u32::from_le_bytes(take(fields)?),
                queued: u16::from_le_bytes(take(fields)?),
                dropped: u32::from_le_bytes(take(fields)?),
                bad_frames: u32::from_le_bytes(take(fields)?),
            },
            0x04 => Self::Epitaph {
                cause: u8::from_le_bytes(take(fields)?),
                pc: u32::from_le_bytes(take(fields)?),
                lr: u32::from_le_bytes(take(fields)?),
                sp: u32::from_le_bytes(take(fields)?),
                cfsr: u32::from_le_bytes(take(fields)?),
                boots: u16::from_le_bytes(take(fields)?),
            },
            0x05 => Self::Reply {
                command: u8::from_le_bytes(take(fields)?),
                result: u8::from_le_bytes(take(fields)?),
                value: u32::from_le_bytes(take(fields)?),
            },
            _ => return Err(Damage::Kind),
        })
    }

    /// Has it written: its kind, and its fields.
    fn encode(&self, write: impl FnOnce(u8, &[&[u8]])) {
        match self {
            Self::Hello { uptime_ms, reset_cause, version } => {
                write(0x01, &[&uptime_ms.to_le_bytes(), &[*reset_cause], version]);
            }
            Self::Reading { elapsed_ms, value, base } => {
                write(
                    0x02,
                    &[&elapsed_ms.to_le_bytes(), &value.to_le_bytes(), &base.to_le_bytes()],
                );
            }
            Self::Status { mode, period_ms, queued, dropped, bad_frames } => write(
                0x03,
                &[
                    &[*mode],
                    &period_ms.to_le_bytes(),
                    &queued.to_le_bytes(),
                    &dropped.to_le_bytes(),
                    &bad_frames.to_le_bytes(),
                ],
            ),
            Self::Epitaph { cause, pc, lr, sp, cfsr, boots } => write(
                0x04,
                &[
                    &[*cause],
                    &pc.to_le_bytes(),
                    &lr.to_le_bytes(),
                    &sp.to_le_bytes(),
                    &cfsr.to_le_bytes(),
                    &boots.to_le_bytes(),
                ],
            ),
            Self::Reply { command, result, value } => {
                write(0x05, &[&[*command, *result], &value.to_le_bytes()]);
            }
        }
    }
}

/// The next bytes of a frame that was long enough.
fn take<const N: usize>(fields: &mut &[u8]) -> Result<[u8; N], Damage> {
    let (field, rest) = fields.split_first_chunk().ok_or(Damage::BodyLength)?;
    *fields = rest;
    Ok(*field)
}

impl Order {
    /// Reads what was between two delimiters, decoded: for whom, the epoch, and what it says.
    pub fn parse(mut block: &[u8]) -> Result<(u32, u64, Self), Damage> {
        let fields = &mut block;
        let Header { kind, device, epoch, sequence } = Header::parse(fields)?;
        let order = match kind {
            0x81 => Self::Welcome,
            0x82 => Self::Ack { sequence },
            0x83 => Self::Start { period_ms: u32::from_le_bytes(take(fields)?) },
            _ => return Err(Damage::Kind),
        };
        if fields.is_empty() { Ok((device, epoch, order)) } else { Err(Damage::BodyLength) }
    }

    /// Appends it, encoded, with its delimiter.
    pub fn encode(self, device: u32, epoch: u64, out: &mut Vec<u8>) {
        let header = |kind, sequence| Header { kind, device, epoch, sequence };
        match self {
            Self::Welcome => header(0x81, 0).encode(&[], out),
            Self::Ack { sequence } => header(0x82, sequence).encode(&[], out),
            Self::Start { period_ms } => header(0x83, 0).encode(&[&period_ms.to_le_bytes()], out),
        }
    }
}
