//! Frames on the wire: header, body and checksum.
//!
//! A frame is a header of 18 bytes, a body whose length the kind decides, and a CRC over both, all
//! little endian, then COBS-encoded and closed by a zero byte. The receiver is as strict as the
//! sender: whatever is not exactly a frame is [`Damage`], reported once, at its delimiter.

use crate::cobs::Encoder;
use crate::crc::Crc;

/// The only version of the frame format.
pub const VERSION: u8 = 1;
/// Bytes before the body: version, kind, device, epoch, sequence.
pub const HEADER: usize = 18;
/// Bytes after the body.
pub const CHECKSUM: usize = 2;
/// The shortest frame, one without a body.
pub const SHORTEST: usize = HEADER + CHECKSUM;
/// The longest frame that any side may send.
pub const LONGEST: usize = 64;

/// What every frame starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the frame is about; the high bit tells its direction.
    pub kind: u8,
    /// The device that it comes from or is meant for.
    pub device: u32,
    /// When the device was welcomed, in Unix milliseconds; 0 before that.
    pub epoch: u64,
    /// The number of a reading; 0 where a kind has no use for it.
    pub sequence: u32,
}

/// Writes a frame, encoded, into a buffer of its own.
///
/// `N` must hold the encoded frame with its delimiter; what does not fit is cut off, and the receiver's
/// checksum refuses the rest.
#[derive(Debug)]
pub struct Writer<const N: usize> {
    block: Encoder<N>,
    crc: Crc,
}

impl<const N: usize> Writer<N> {
    /// A writer with nothing written. All of it is zero, so a static one costs no flash.
    #[must_use]
    pub const fn new() -> Self {
        Self { block: Encoder::new(), crc: Crc::zero() }
    }

    /// Forgets what was written and starts a frame with its header.
    pub fn start(&mut self, header: &Header) {
        self.block.open();
        self.crc = Crc::new();
        self.put_u8(VERSION);
        self.put_u8(header.kind);
        self.put_u32(header.device);
        self.put_u64(header.epoch);
        self.put_u32(header.sequence);
    }

    /// Puts a byte. Never inlined: the device calls it from all over, and has little flash.
    #[inline(never)]
    pub fn put_u8(&mut self, byte: u8) {
        self.crc.update(byte);
        self.block.encode(byte);
    }

    /// Puts a 16-bit number, low byte first.
    pub fn put_u16(&mut self, number: u16) {
        for byte in number.to_le_bytes() {
            self.put_u8(byte);
        }
    }

    /// Puts a 32-bit number, low byte first.
    #[inline(never)]
    pub fn put_u32(&mut self, number: u32) {
        for byte in number.to_le_bytes() {
            self.put_u8(byte);
        }
    }

    /// Puts a 64-bit number, low byte first.
    #[expect(clippy::cast_possible_truncation, reason = "the high half follows")]
    pub fn put_u64(&mut self, number: u64) {
        self.put_u32(number as u32);
        self.put_u32((number >> 32) as u32);
    }

    /// Ends the frame: checksum, then delimiter.
    pub fn seal(&mut self) {
        self.put_u16(self.crc.value());
        self.block.close();
    }

    /// The frame as it goes over the link, delimiter included; empty before the first one.
    #[must_use]
    pub fn encoded(&self) -> &[u8] {
        self.block.encoded()
    }
}

impl<const N: usize> Default for Writer<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// Why a block between two delimiters is not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The block ends inside a COBS group.
    Cobs,
    /// Shorter or longer than any frame.
    Length,
    /// The checksum does not match.
    Crc,
    /// A version that this side does not speak.
    Version,
    /// A kind that does not exist, or that belongs to the other direction.
    Kind,
    /// The body is not as long as its kind says.
    BodyLength,
}

/// A frame that arrived whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its header.
    pub header: Header,
    /// Its body, as long as the kind says.
    pub body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Checks a decoded block. `body_length` knows the kinds that this side listens to.
    ///
    /// # Errors
    ///
    /// The first [`Damage`] found, in the order in which that type lists them.
    pub fn parse(
        block: &'a [u8],
        body_length: impl FnOnce(u8) -> Option<usize>,
    ) -> Result<Self, Damage> {
        if block.len() > LONGEST {
            return Err(Damage::Length);
        }
        let (content, &crc) = block.split_last_chunk::<CHECKSUM>().ok_or(Damage::Length)?;
        let (head, body) = content.split_first_chunk::<HEADER>().ok_or(Damage::Length)?;
        if Crc::of(content) != u16::from_le_bytes(crc) {
            return Err(Damage::Crc);
        }
        let &[version, kind, d0, d1, d2, d3, e0, e1, e2, e3, e4, e5, e6, e7, s0, s1, s2, s3] = head;
        if version != VERSION {
            return Err(Damage::Version);
        }
        if body.len() != body_length(kind).ok_or(Damage::Kind)? {
            return Err(Damage::BodyLength);
        }
        let header = Header {
            kind,
            device: u32::from_le_bytes([d0, d1, d2, d3]),
            epoch: u64::from_le_bytes([e0, e1, e2, e3, e4, e5, e6, e7]),
            sequence: u32::from_le_bytes([s0, s1, s2, s3]),
        };
        Ok(Self { header, body })
    }
}
