//! The checksum of frames and of what outlives a reset.

/// CRC-16/IBM-3740: polynomial 0x1021, initial value 0xFFFF, not reflected.
#[derive(Clone, Copy, Debug)]
pub struct Crc(u16);

impl Crc {
    /// The checksum of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(0xFFFF)
    }

    /// Zeros, from which no checksum starts: static memory that begins with them costs no flash.
    #[must_use]
    pub(crate) const fn zero() -> Self {
        Self(0)
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
