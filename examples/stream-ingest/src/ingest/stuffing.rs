//! What stands around the fields of a frame: its check, and the encoding in which no byte of it is zero.

/// Encodes one frame: COBS, in which each zero is told by the distance to the next. No frame is so long that a
/// group of it would be full.
pub struct Stuffing<'a> {
    out: &'a mut Vec<u8>,
    /// Where the code of the open group stands.
    group: usize,
    check: u16,
}

impl<'a> Stuffing<'a> {
    pub fn open(out: &'a mut Vec<u8>) -> Self {
        let group = out.len();
        out.push(0);
        Self { out, group, check: CHECK_OF_NOTHING }
    }

    pub fn extend(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.check = check_with(self.check, byte);
            self.push(byte);
        }
    }

    fn push(&mut self, byte: u8) {
        if byte == 0 {
            self.end_group();
            self.group = self.out.len();
        }
        self.out.push(byte);
    }

    fn end_group(&mut self) {
        let code = u8::try_from(self.out.len() - self.group).unwrap_or(u8::MAX);
        self.out.get_mut(self.group).into_iter().for_each(|place| *place = code);
    }

    pub fn close(mut self) {
        for byte in self.check.to_le_bytes() {
            self.push(byte);
        }
        self.end_group();
        self.out.push(0);
    }
}

/// CRC-16/IBM-3740: polynomial 0x1021, preset 0xFFFF, not reflected, no final xor.
pub fn check_of(bytes: &[u8]) -> u16 {
    bytes.iter().fold(CHECK_OF_NOTHING, |check, byte| check_with(check, *byte))
}

const CHECK_OF_NOTHING: u16 = 0xFFFF;

/// What the eight steps of the polynomial come to for a byte.
fn check_with(check: u16, byte: u8) -> u16 {
    let [low, high] = check.to_le_bytes();
    let bits = high ^ byte;
    let bits = u16::from(bits ^ (bits >> 4));
    (u16::from(low) << 8) ^ (bits << 12) ^ (bits << 5) ^ bits
}
