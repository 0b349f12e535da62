//! Consistent overhead byte stuffing: blocks of any bytes, with zeros only between them.
//!
//! A block goes over the link as groups: a code byte that tells the group's length, itself included,
//! and that many bytes less one without a zero. Each group but the last stands for its bytes and a
//! zero, unless it is full.

use crate::wire::Damage;

/// The length of a COBS group that ends without a zero: its code byte and 254 others.
const FULL_GROUP: u8 = 255;

/// Encodes a block into a buffer of its own, delimiter included.
///
/// `N` must hold the bytes, one code byte for each group of 254, and the delimiter; what does not fit
/// is cut off.
#[derive(Debug)]
pub struct Encoder<const N: usize> {
    bytes: [u8; N],
    length: u16,
    /// The code that the open group would get if it ended here.
    code: u8,
}

impl<const N: usize> Encoder<N> {
    /// An encoder with nothing in it. All of it is zero, so a static one costs no flash.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: [0; N], length: 0, code: 0 }
    }

    /// Forgets what was encoded and starts a block.
    pub const fn open(&mut self) {
        self.length = 1;
        self.code = 1;
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
