//! Finds frames in whatever a device sends, however it is cut into pieces.
//!
//! COBS: each code tells how many bytes without a zero follow it, less one; a zero between two groups is left
//! out, and a zero on the wire ends a frame. What does not fit a frame is read on to its end and kept nowhere.

use super::frame::{Damage, Frame, LONGEST};

/// The code of a group that is full, behind which no zero was left out.
const FULL: u8 = 255;

pub struct Decoder {
    block: [u8; LONGEST],
    /// Decoded so far, also of what there is no room for.
    length: usize,
    /// Of the open group; 0 before the first.
    code: u8,
    /// Bytes that the open group lacks.
    missing: u8,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { block: [0; LONGEST], length: 0, code: 0, missing: 0 }
    }
}

impl Decoder {
    /// The next frame of `bytes`, from which it is taken with all that was before it. None once they are all
    /// taken. Frames of no bytes are nothing.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Option<Result<Frame, Damage>> {
        Some(self.next_block(bytes)?.and_then(Frame::parse))
    }

    /// The same without a look at what it says.
    pub fn next_block(&mut self, bytes: &mut &[u8]) -> Option<Result<&[u8], Damage>> {
        while let Some((&byte, rest)) = bytes.split_first() {
            *bytes = rest;
            if byte != 0 {
                self.push(byte);
            } else if self.code != 0 {
                return Some(self.end());
            }
        }
        None
    }

    fn push(&mut self, byte: u8) {
        if self.missing > 0 {
            self.missing -= 1;
            self.keep(byte);
            return;
        }
        if self.code != 0 && self.code != FULL {
            self.keep(0);
        }
        self.code = byte;
        self.missing = byte - 1;
    }

    fn keep(&mut self, byte: u8) {
        self.block.get_mut(self.length).into_iter().for_each(|place| *place = byte);
        self.length = self.length.saturating_add(1);
    }

    fn end(&mut self) -> Result<&[u8], Damage> {
        let (length, missing) = (self.length, self.missing);
        (self.length, self.code, self.missing) = (0, 0, 0);
        if missing > 0 {
            return Err(Damage::Cobs);
        }
        self.block.get(..length).ok_or(Damage::Length)
    }
}
