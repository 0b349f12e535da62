//! Frames on the wire: CRC, COBS, header and body.
//!
//! A frame is a header of 18 bytes, a body whose length the kind decides, and a CRC over both, all
//! little endian, then COBS-encoded and closed by a zero byte. The receiver is as strict as the
//! sender: whatever is not exactly a frame is [`Damage`], reported once, at its delimiter.

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

/// The length of a COBS group that ends without a zero: its code byte and 254 others.
const FULL_GROUP: u8 = 255;

/// CRC-16/IBM-3740: polynomial 0x1021, initial value 0xFFFF, not reflected.
#[derive(Clone, Copy, Debug)]
pub struct Crc(u16);

impl Crc {
    /// The checksum of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(0xFFFF)
    }

    /// Takes one more byte in. What eight steps of the polynomial do to a byte is written out: that is
    /// as fast as a table of 256 entries and needs none.
    #[inline]
    pub const fn update(&mut self, byte: u8) {
        let [low, high] = self.0.to_le_bytes();
        let bits = high ^ byte;
        let bits = (bits ^ bits >> 4) as u16;
        self.0 = (low as u16) << 8 ^ bits << 12 ^ bits << 5 ^ bits;
    }

    /// The checksum of the bytes so far.
    #[must_use]
    pub const fn value(self) -> u16 {
        self.0
    }

    /// The checksum of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> u16 {
        let mut crc = Self::new();
        for &byte in bytes {
            crc.update(byte);
        }
        crc.value()
    }
}

impl Default for Crc {
    fn default() -> Self {
        Self::new()
    }
}

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

/// COBS-encodes bytes into a buffer of its own, checksum and delimiter included.
///
/// `N` must hold what is put in, one byte for each group of 254, and the delimiter; what does not
/// fit is cut off, and the receiver's checksum refuses the rest.
#[derive(Debug)]
pub struct Encoder<const N: usize> {
    bytes: [u8; N],
    length: u16,
    /// The code that the open group would get if it ended here.
    code: u8,
    crc: Crc,
}

impl<const N: usize> Encoder<N> {
    /// An encoder with nothing in it. All of it is zero, so a static one costs no flash.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: [0; N], length: 0, code: 0, crc: Crc(0) }
    }

    /// Forgets what was encoded and starts a frame with its header.
    pub fn start(&mut self, header: &Header) {
        self.open();
        self.put_u8(VERSION);
        self.put_u8(header.kind);
        self.put_u32(header.device);
        self.put_u64(header.epoch);
        self.put_u32(header.sequence);
    }

    /// Forgets what was encoded and starts a block.
    pub const fn open(&mut self) {
        self.length = 1;
        self.code = 1;
        self.crc = Crc::new();
    }

    /// Encodes a byte and takes it into the checksum. Never inlined: the device calls it from all
    /// over, and has little flash.
    #[inline(never)]
    pub fn put_u8(&mut self, byte: u8) {
        self.crc.update(byte);
        self.encode(byte);
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

    /// Closes a frame: checksum, then delimiter.
    pub fn seal(&mut self) {
        self.put_u16(self.crc.value());
        self.close();
    }

    /// Encodes one byte.
    pub fn encode(&mut self, byte: u8) {
        if self.code == FULL_GROUP {
            self.close_group();
        }
        if byte == 0 {
            self.close_group();
        } else {
            self.store(self.length, byte);
            self.length = self.length.wrapping_add(1);
            self.code = self.code.wrapping_add(1);
        }
    }

    /// Ends the block: the last group, then the delimiter.
    pub fn close(&mut self) {
        self.close_group();
        self.store(self.length.wrapping_sub(1), 0);
    }

    /// Writes the code of the open group before it and opens one behind it.
    fn close_group(&mut self) {
        self.store(self.length.wrapping_sub(self.code.into()), self.code);
        self.length = self.length.wrapping_add(1);
        self.code = 1;
    }

    fn store(&mut self, at: u16, byte: u8) {
        if let Some(place) = self.bytes.get_mut(usize::from(at)) {
            *place = byte;
        }
    }

    /// The encoded bytes, delimiter included.
    #[must_use]
    pub fn encoded(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or(&[])
    }
}

impl<const N: usize> Default for Encoder<N> {
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

/// The length of a block that did not fit, whatever the buffer.
const TOO_LONG: u8 = u8::MAX;

/// Undoes COBS, byte by byte, into a buffer for blocks of at most `N` decoded bytes; `N` is at most
/// 254.
#[derive(Debug)]
pub struct Decoder<const N: usize> {
    bytes: [u8; N],
    length: u8,
    /// The code byte of the open group; 0 before the first one of a block.
    code: u8,
    /// How many bytes the open group still lacks.
    missing: u8,
}

impl<const N: usize> Decoder<N> {
    /// A decoder that waits for the start of a block.
    #[must_use]
    pub const fn new() -> Self {
        const { assert!(N < TOO_LONG as usize) }
        Self { bytes: [0; N], length: 0, code: 0, missing: 0 }
    }

    /// Takes one byte. At the delimiter of a block that is not empty it returns what was in it.
    ///
    /// # Errors
    ///
    /// [`Damage::Cobs`] if the block ends inside a group, [`Damage::Length`] if it decodes to more
    /// than `N` bytes.
    pub fn push(&mut self, byte: u8) -> Option<Result<&[u8], Damage>> {
        if byte == 0 {
            return self.end();
        }
        if self.missing == 0 {
            if self.code != 0 && self.code != FULL_GROUP {
                self.store(0);
            }
            self.code = byte;
            self.missing = byte.wrapping_sub(1);
        } else {
            self.store(byte);
            self.missing = self.missing.wrapping_sub(1);
        }
        None
    }

    fn end(&mut self) -> Option<Result<&[u8], Damage>> {
        let (length, code, missing) = (self.length, self.code, self.missing);
        (self.length, self.code, self.missing) = (0, 0, 0);
        if code == 0 {
            None
        } else if missing != 0 {
            Some(Err(Damage::Cobs))
        } else {
            Some(self.bytes.get(..usize::from(length)).ok_or(Damage::Length))
        }
    }

    /// Keeps a byte; one too many is remembered in the length alone.
    fn store(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(usize::from(self.length)) {
            *place = byte;
            self.length = self.length.wrapping_add(1);
        } else {
            self.length = TOO_LONG;
        }
    }
}

impl<const N: usize> Default for Decoder<N> {
    fn default() -> Self {
        Self::new()
    }
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
